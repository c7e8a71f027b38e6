/* SPDX-License-Identifier: Apache-2.0 */
/* Scorecards of traffic whose figures can be worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "make_recording.h"
#include "make_server.h"
#include "output/verify.h"
#include "userspace/verify/scorecard.h"

#define N 10
#define MS 1000000ull
#define SECOND (1000 * MS)
#define START SECOND

/*
 * Ten streams, one each second, each of 7 prompt and 5 output tokens. Request i (from 0) has its first token after 10 (i + 1) ms
 * and one every 5 ms from there.
 */
struct scene {
	struct maker m;
	struct timeline timeline;
	struct ledger ledger;
	struct verify_input in;
	struct verification v;
	struct scorecard card;
	int64_t meter;
};

static uint64_t arrival_of(int i)
{
	return START + (uint64_t)i * SECOND;
}

static void scene__step(struct scene *s, int seq, int pos, uint32_t n, uint64_t end_ns)
{
	maker__step(&s->m, MAKER_TARGET, end_ns - 2 * MS, end_ns - MS / 10);
	maker__row(&s->m, seq, pos, n, 1);
	maker__cut(&s->m, RESOURCE_CPU_NS, s->meter, 4 * (int64_t)MS);
	s->meter += 4 * (int64_t)MS;
}

static void scene__request(struct scene *s, int i)
{
	const uint64_t first = arrival_of(i) + 10 * MS * (uint64_t)(i + 1);
	struct row_request *q = maker__request(&s->m, arrival_of(i), first + 20 * MS);
	static char ids[N][16];

	snprintf(ids[i], sizeof(ids[i]), "req-%d", i);
	q->api_id = ids[i];
	q->slot = i;
	q->client = i < 3 ? "10.0.0.7:5000" : "127.0.0.1:5000";
	q->finish_reason = "stop";
	q->billed_prompt_tokens = 7;
	q->billed_cached_tokens = i < 5 ? 0 : ABSENT;
	q->billed_completion_tokens = 5;
	maker__remove(&s->m, arrival_of(i) + MS, MAKER_TARGET, i, 0);
	scene__step(s, i, 0, 7, first);
	for (int k = 1; k < 5; k++)
		scene__step(s, i, 6 + k, 1, first + 5 * MS * (uint64_t)k);
	for (int k = 0; k < 5; k++)
		maker__chunk(&s->m, i + 1, first + 5 * MS * (uint64_t)k);
}

static void scene__open(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	maker__init(&s->m);
	maker__meta(&s->m, "id", "0123");
	maker__meta(&s->m, "host", "meter");
	maker__meta(&s->m, "origin_mono_ns", "0");
	maker__meta(&s->m, "origin_unix_ns", "1800000000000000000");
	maker__meta(&s->m, "start_ns", "0");
	maker__meta(&s->m, "end_ns", "20000000000");
	for (int i = 0; i < N; i++)
		scene__request(s, i);
	s->in.window_begin_unix_ns = s->in.window_end_unix_ns = ABSENT;
}

static void scene__score(struct scene *s)
{
	maker__total(&s->m, RESOURCE_CPU_NS, s->meter, "schedstat");
	assert_int_equal(timeline__build(&s->timeline, maker__finish(&s->m)), 0);
	assert_int_equal(ledger__build(&s->ledger, &s->timeline, NULL), 0);
	s->in.recording = &s->m.recording;
	s->in.timeline = &s->timeline;
	s->in.ledger = &s->ledger;
	assert_int_equal(verify__run(&s->v, &s->in), 0);
	assert_int_equal(scorecard__build(&s->card, "run.tokprof", &s->in, &s->v), 0);
}

static void scene__close(struct scene *s)
{
	scorecard__free(&s->card);
	verification__free(&s->v);
	ledger__free(&s->ledger);
	timeline__free(&s->timeline);
	maker__free(&s->m);
}

/* A request that asked for text and ended so. */
static struct row_request *add_ended(struct scene *s, uint64_t at_s, int status)
{
	struct row_request *q = maker__request(&s->m, START + at_s * SECOND, START + at_s * SECOND + MS);

	q->status = status;
	return q;
}

static size_t metric(enum scorecard_part part, const char *group, const char *id)
{
	for (size_t i = 0; i < n_scorecard_metrics; i++) {
		const struct scorecard_metric *m = &scorecard_metrics[i];

		if (m->part == part && strcmp(m->id, id) == 0 && (!group || (m->group && strcmp(m->group, group) == 0)))
			return i;
	}
	fail_msg("no figure %s", id);
	return 0;
}

static const struct scorecard_figure *figure(const struct scene *s, enum scorecard_part part, const char *group,
					     const char *id)
{
	return &s->card.figures[metric(part, group, id)];
}

static void expect(const struct scene *s, enum scorecard_part part, const char *group, const char *id, int64_t value)
{
	const struct scorecard_figure *f = figure(s, part, group, id);

	if (f->value != value)
		print_message("%s %s: %lld (%s)\n", group ? group : "", id, (long long)f->value, f->why ? f->why : "");
	assert_int_equal(f->value, value);
}

static void expect_missing(const struct scene *s, enum scorecard_part part, const char *id, const char *words)
{
	const struct scorecard_figure *f = figure(s, part, NULL, id);

	assert_int_equal(f->value, ABSENT);
	assert_int_equal(f->grade, GRADE_UNAVAILABLE);
	assert_non_null(f->why);
	if (!strstr(f->why, words))
		print_message("%s\n", f->why);
	assert_non_null(strstr(f->why, words));
}

/* -------------------------------------------------------------------------------------------------------------- figures --- */

/* TTFT are 10, 20, .. 100 ms. */
static void percentiles_follow_the_tool_whose_name_they_have(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	scene__score(&s);
	expect(&s, PART_TTFT, NULL, "ttft.mean", 55 * (int64_t)MS);
	/* LoadGen: sorted[floor(10 p)] */
	expect(&s, PART_TTFT, NULL, "ttft.p50", 60 * (int64_t)MS);
	expect(&s, PART_TTFT, NULL, "ttft.p90", 100 * (int64_t)MS);
	expect(&s, PART_MLPERF, NULL, "Mean First Token latency (ns)", 55 * (int64_t)MS);
	expect(&s, PART_MLPERF, NULL, "50.00 percentile first token latency (ns)", 60 * (int64_t)MS);
	expect(&s, PART_MLPERF, NULL, "99.90 percentile first token latency (ns)", 100 * (int64_t)MS);
	expect(&s, PART_MLPERF, NULL, "Min First Token latency (ns)", 10 * (int64_t)MS);
	/* numpy.percentile: positions 4.5, 8.1 and 8.91 between ten values */
	expect(&s, PART_AIPERF, "time_to_first_token", "avg", 55 * (int64_t)MS);
	expect(&s, PART_AIPERF, "time_to_first_token", "p50", 55 * (int64_t)MS);
	expect(&s, PART_AIPERF, "time_to_first_token", "p90", 91 * (int64_t)MS);
	expect(&s, PART_AIPERF, "time_to_first_token", "p99", 99100000);
	scene__close(&s);
}

static void paces_and_latencies_are_those_of_the_streams(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	scene__score(&s);
	expect(&s, PART_LATENCY, NULL, "tpot.p50", 5 * (int64_t)MS);
	expect(&s, PART_LATENCY, NULL, "e2e.p50", 80 * (int64_t)MS);
	expect(&s, PART_LATENCY, NULL, "chunk.max", 5 * (int64_t)MS);
	assert_int_equal(figure(&s, PART_LATENCY, NULL, "chunk.max")->n, 4 * N);
	expect(&s, PART_TOKENS_PER_SECOND, NULL, "user_rate.mean", 200 * 1000000);
	expect(&s, PART_AIPERF, "inter_token_latency", "avg", 5 * (int64_t)MS);
	expect(&s, PART_AIPERF, "time_to_second_token", "max", 5 * (int64_t)MS);
	/* 7 tokens in 10 ms, and in 100 */
	expect(&s, PART_AIPERF, "prefill_throughput_per_user", "max", 700 * 1000000ll);
	expect(&s, PART_AIPERF, "prefill_throughput_per_user", "min", 70 * 1000000ll);
	/* 5 tokens in 30 ms */
	expect(&s, PART_AIPERF, "e2e_output_token_throughput", "max", 166666667);
	expect(&s, PART_AIPERF, "output_sequence_length", "avg", 5000);
	scene__close(&s);
}

/* 50 tokens out, 70 in, from the first arrival to 9 s + 120 ms after it. */
static void throughput_is_what_succeeded_over_the_time(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	scene__score(&s);
	expect(&s, PART_THROUGHPUT, NULL, "output_rate", 5482456);	/* 50 / 9.12 */
	expect(&s, PART_THROUGHPUT, NULL, "total_rate", 13157895);	/* 120 / 9.12 */
	expect(&s, PART_THROUGHPUT, NULL, "request_rate", 1096491);	/* 10 / 9.12 */
	expect(&s, PART_THROUGHPUT, NULL, "concurrency", 82);		/* 0.75 s / 9.12 s */
	expect(&s, PART_AIPERF, "benchmark_duration", "avg", 9120 * (int64_t)MS);
	expect(&s, PART_AIPERF, "total_osl", "avg", 50);
	expect(&s, PART_MLPERF, NULL, "Completed samples per second", 986842);	/* 9 / 9.12: LoadGen leaves one out */
	expect(&s, PART_MLPERF, NULL, "Completed tokens per second", 5482456);
	assert_false(figure(&s, PART_THROUGHPUT, NULL, "output_rate")->at_least);
	scene__close(&s);
}

/* Thirds begin at 0, 3.04 and 6.08 s: requests 0 to 3, then 4 to 6, then 7 to 9. */
static void stability_sets_the_last_third_beside_the_first(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	scene__score(&s);
	/* The fourth request arrives in the first third, and puts its tokens out 40 ms later, at the very edge or after it. */
	expect(&s, PART_STABILITY, NULL, "ttft_thirds", 3000);	/* 90 ms / 30 ms */
	expect(&s, PART_STABILITY, NULL, "tpot_thirds", 1000);
	assert_in_range(figure(&s, PART_STABILITY, NULL, "throughput_thirds")->value, 700, 1100);
	scene__close(&s);
}

static void the_spread_of_even_traffic_is_that_of_half_the_parts(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	scene__score(&s);
	/* 20 parts of 0.456 s hold 5 tokens or none, ten each: mean 2.5, standard deviation 2.5 */
	expect(&s, PART_STABILITY, NULL, "throughput_spread", 1000);
	scene__close(&s);
}

/* 50 steps of 4 ms CPU time for 50 tokens. */
static void cost_is_the_whole_servers_over_all_tokens(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	scene__score(&s);
	expect(&s, PART_COST, NULL, "cpu_per_token", 4 * (int64_t)MS);
	expect_missing(&s, PART_COST, "device_per_token", "");
	expect_missing(&s, PART_COST, "price", "--bill");
	scene__close(&s);
}

static void the_bills_price_is_per_million_tokens_in_its_currency(void **unused)
{
	struct bill_line lines[2] = { 0 };
	const struct bill bill = { .path = "bill.csv", .lines = lines, .n = 2 };
	static const char *const ids[] = { "req-0", "req-1" };
	struct scene s;

	(void)unused;
	for (int i = 0; i < 2; i++)
		lines[i] = (struct bill_line){ .line = i + 2,
					       .request_id = ids[i],
					       .currency = "CNY",
					       .prompt_tokens = 7,
					       .cached_tokens = ABSENT,
					       .completion_tokens = 5,
					       .reasoning_tokens = ABSENT,
					       .n_requests = ABSENT,
					       .begin_unix_ns = ABSENT,
					       .end_unix_ns = ABSENT,
					       .has_price = true,
					       .price = { .digits = 3, .scale = 5 } };
	scene__open(&s);
	s.in.bill = &bill;
	scene__score(&s);
	/* 0.00006 for 24 tokens */
	expect(&s, PART_COST, NULL, "price", 2500000);
	assert_string_equal(figure(&s, PART_COST, NULL, "price")->unit, "CNY per million tokens");
	scene__close(&s);
}

static void energy_is_per_token_where_it_was_measured(void **unused)
{
	const struct row_resource energy = { RESOURCE_ENERGY_UJ, "energy_uj", "uJ", RESOURCE_ADDITIVE,
					     GRADE_MEASURED,	 "rapl",      NULL };
	struct scene s;

	(void)unused;
	scene__open(&s);
	maker__resource(&s.m, &energy);
	maker__total(&s.m, RESOURCE_ENERGY_UJ, 20 * 1000000, "rapl");
	scene__score(&s);
	expect(&s, PART_ENERGY, NULL, "energy_per_token", 400000);	/* 20 J / 50 */
	expect(&s, PART_ENERGY, NULL, "tokens_per_joule", 2500000);	/* 50 / 20 J */
	scene__close(&s);
	scene__open(&s);
	scene__score(&s);
	expect_missing(&s, PART_ENERGY, "energy_per_token", "");
	assert_int_equal(scorecard__grade(&s.card, PART_ENERGY), GRADE_UNAVAILABLE);
	scene__close(&s);
}

static void failures_are_the_servers_and_mistakes_the_clients(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	add_ended(&s, 11, 500);
	add_ended(&s, 12, 429);
	add_ended(&s, 13, 404);
	add_ended(&s, 14, 401);
	add_ended(&s, 15, 200)->client_left = true;
	/* Asks for no text. */
	add_ended(&s, 16, 500)->path = "/health";
	scene__score(&s);
	expect(&s, PART_RELIABILITY, NULL, "success_rate", 8333);	/* 10 / 12 */
	expect(&s, PART_RELIABILITY, NULL, "failed", 2);
	expect(&s, PART_RELIABILITY, NULL, "client_errors", 2);
	expect(&s, PART_RELIABILITY, NULL, "cancelled", 1);
	expect(&s, PART_AIPERF, "error_request_count", "avg", 4);
	expect(&s, PART_SECURITY, NULL, "unauthorised", 1);
	expect(&s, PART_INTEROPERABILITY, NULL, "unknown_paths", 1);
	scene__close(&s);
}

static void what_clients_rely_on_is_counted_on_the_wire(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	s.m.recording.requests[0].path = "/completion";
	scene__score(&s);
	expect(&s, PART_INTEROPERABILITY, NULL, "openai_paths", 9000);
	expect(&s, PART_INTEROPERABILITY, NULL, "usage_sent", 10000);
	expect(&s, PART_INTEROPERABILITY, NULL, "cached_sent", 5000);
	expect(&s, PART_INTEROPERABILITY, NULL, "finish_sent", 10000);
	expect(&s, PART_SECURITY, NULL, "remote_plaintext", 3);
	expect_missing(&s, PART_SECURITY, "controls", "other means");
	scene__close(&s);
}

/* -------------------------------------------------------------------------------------------------------- what is missing --- */

static void without_streams_there_is_no_first_token_and_no_pace(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	for (int i = 0; i < N; i++)
		s.m.recording.requests[i].stream = false;
	scene__score(&s);
	expect_missing(&s, PART_TTFT, "ttft.p99", "stream");
	expect_missing(&s, PART_TOKENS_PER_SECOND, "user_rate.mean", "stream");
	expect(&s, PART_LATENCY, NULL, "e2e.p50", 80 * (int64_t)MS);
	scene__close(&s);
}

static void requests_that_were_not_seen_whole_make_sums_bounds(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	s.m.recording.requests[9].end_ns = 0;
	s.m.recording.requests[9].incomplete |= INCOMPLETE_AT_END;
	scene__score(&s);
	assert_true(figure(&s, PART_THROUGHPUT, NULL, "output_rate")->at_least);
	assert_int_equal(figure(&s, PART_THROUGHPUT, NULL, "output_rate")->n_left_out, 1);
	assert_int_equal(figure(&s, PART_TTFT, NULL, "ttft.mean")->n, 9);
	assert_int_equal(figure(&s, PART_TTFT, NULL, "ttft.mean")->n_left_out, 1);
	scene__close(&s);
}

static void lost_records_of_the_engine_leave_its_totals_open(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	maker__loss(&s.m, "engine", START + 15 * SECOND, 3);
	scene__score(&s);
	expect_missing(&s, PART_STABILITY, "throughput_thirds", "lost");
	expect_missing(&s, PART_COST, "cpu_per_token", "lost");
	assert_int_equal(s.card.n_lost, 3);
	scene__close(&s);
}

static void an_empty_recording_has_reasons_instead_of_noughts(void **unused)
{
	struct scene s;

	(void)unused;
	memset(&s, 0, sizeof(s));
	maker__init(&s.m);
	s.in.window_begin_unix_ns = s.in.window_end_unix_ns = ABSENT;
	scene__score(&s);
	for (size_t i = 0; i < n_scorecard_metrics; i++) {
		const struct scorecard_figure *f = &s.card.figures[i];

		if (f->value != ABSENT)
			fail_msg("%s is %lld", scorecard_metrics[i].id, (long long)f->value);
		assert_non_null(f->why);
		assert_int_equal(f->grade, GRADE_UNAVAILABLE);
	}
	scene__close(&s);
}

static void counts_without_measured_compute_are_the_servers_word(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	scene__score(&s);
	assert_int_equal(figure(&s, PART_THROUGHPUT, NULL, "output_rate")->grade, GRADE_SELF_REPORTED);
	assert_int_equal(figure(&s, PART_LATENCY, NULL, "tpot.p50")->grade, GRADE_SELF_REPORTED);
	assert_int_equal(figure(&s, PART_TTFT, NULL, "ttft.p50")->grade, GRADE_MEASURED);
	assert_int_equal(scorecard__grade(&s.card, PART_LATENCY), GRADE_SELF_REPORTED);
	scene__close(&s);
}

/* ------------------------------------------------------------------------------------------------------------- intervals --- */

#define MANY 1200

/* Streams one after the other, of 5 tokens, whose first comes after 100 to 200 ms, times `factor`; every 40th one fails. */
static void many__open(struct scene *s, double factor, uint64_t seed)
{
	uint64_t now = START;

	memset(s, 0, sizeof(*s));
	maker__init(&s->m);
	maker__meta(&s->m, "origin_mono_ns", "0");
	maker__meta(&s->m, "start_ns", "0");
	maker__meta(&s->m, "end_ns", "900000000000");
	for (int i = 0; i < MANY; i++) {
		const uint64_t first = now + (uint64_t)(factor * (double)(100 * MS + random_below(&seed, 100 * MS)));
		struct row_request *q = maker__request(&s->m, now, first + 20 * MS);

		q->slot = 0;
		q->status = i % 40 == 39 ? 500 : 200;
		maker__remove(&s->m, now + MS, MAKER_TARGET, 0, 0);
		scene__step(s, 0, 0, 7, first);
		maker__chunk(&s->m, i + 1, first);
		for (int k = 1; k < 5; k++) {
			scene__step(s, 0, 6 + k, 1, first + 5 * MS * (uint64_t)k);
			maker__chunk(&s->m, i + 1, first + 5 * MS * (uint64_t)k);
		}
		now = first + 22 * MS;
	}
	s->in.window_begin_unix_ns = s->in.window_end_unix_ns = ABSENT;
}

static void expect_interval_of_claim(const struct scene *s, enum scorecard_part part, const char *id, const char *claim)
{
	const struct scorecard_figure *f = figure(s, part, NULL, id);
	struct verify_input in = s->in;
	struct verification v;
	struct claims claims;
	char error[400], remedy[400];
	bool found = false;

	assert_int_equal(
		claims__parse(&claims, "f.yaml", claim, strlen(claim), error, sizeof(error), remedy, sizeof(remedy)),
		0);
	in.claims = &claims;
	assert_int_equal(verify__run(&v, &in), 0);
	for (size_t i = 0; i < v.n; i++) {
		if (strncmp(v.checks[i].id, "claim.", 6) != 0)
			continue;
		found = true;
		assert_non_null(v.checks[i].low);
		/* Six digits of each: outwards here, to the nearest there. */
		assert_true(llabs(f->low - strtoll(v.checks[i].low, NULL, 10)) <= f->low / 100000);
		assert_true(llabs(f->high - strtoll(v.checks[i].high, NULL, 10)) <= f->high / 100000);
	}
	assert_true(found);
	verification__free(&v);
	claims__free(&claims);
}

static void a_figure_has_the_interval_that_a_claim_of_it_is_judged_by(void **unused)
{
	struct scene s;

	(void)unused;
	many__open(&s, 1, 7);
	scene__score(&s);
	expect_interval_of_claim(&s, PART_TTFT, "ttft.mean",
				 "claims: [{metric: ttft, statistic: mean, failed_requests: leave out, at_most: 1 s}]");
	expect_interval_of_claim(&s, PART_TTFT, "ttft.p90",
				 "claims: [{metric: ttft, statistic: p90, failed_requests: leave out, at_most: 1 s}]");
	expect_interval_of_claim(&s, PART_LATENCY, "chunk.p99",
				 "claims: [{metric: itl, failed_requests: leave out, at_most: 1 s}]");
	/* Known of each of them: the mean of 100 to 200 ms, every gap, 39 of 40. */
	assert_in_range(figure(&s, PART_TTFT, NULL, "ttft.mean")->low, 145 * (int64_t)MS, 150 * (int64_t)MS);
	assert_in_range(figure(&s, PART_TTFT, NULL, "ttft.mean")->high, 150 * (int64_t)MS, 155 * (int64_t)MS);
	assert_int_equal(figure(&s, PART_LATENCY, NULL, "tpot.p50")->low, 5 * (int64_t)MS);
	assert_int_equal(figure(&s, PART_LATENCY, NULL, "tpot.p50")->high, 5 * (int64_t)MS);
	assert_int_equal(figure(&s, PART_RELIABILITY, NULL, "success_rate")->value, 9750);
	assert_in_range(figure(&s, PART_RELIABILITY, NULL, "success_rate")->low, 9600, 9750);
	assert_in_range(figure(&s, PART_RELIABILITY, NULL, "success_rate")->high, 9750, 9850);
	/* Extremes and counts have none, and the same statistic by another name has the same one. */
	assert_int_equal(figure(&s, PART_LATENCY, NULL, "chunk.max")->high, ABSENT);
	assert_int_equal(figure(&s, PART_RELIABILITY, NULL, "failed")->low, ABSENT);
	assert_int_equal(figure(&s, PART_MLPERF, NULL, "90.00 percentile first token latency (ns)")->high,
			 figure(&s, PART_TTFT, NULL, "ttft.p90")->high);
	for (size_t i = 0; i < n_scorecard_metrics; i++) {
		const struct scorecard_figure *f = &s.card.figures[i];

		assert_true(f->low == ABSENT || (f->low <= f->value && f->value != ABSENT));
		assert_true(f->high == ABSENT || (f->high >= f->value && f->value != ABSENT));
	}
	scene__close(&s);
}

static void too_few_requests_have_a_figure_and_no_interval(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	scene__score(&s);
	assert_int_equal(figure(&s, PART_TTFT, NULL, "ttft.mean")->low, ABSENT);
	assert_string_equal(figure(&s, PART_TTFT, NULL, "ttft.mean")->no_interval,
			    "needs at least 260 requests, has 10");
	assert_string_equal(figure(&s, PART_TTFT, NULL, "ttft.p50")->no_interval,
			    "needs at least 130 requests, has 10");
	assert_null(figure(&s, PART_RELIABILITY, NULL, "failed")->no_interval);
	scene__close(&s);
}

static void a_change_is_more_than_chance_where_the_intervals_leave_0_out(void **unused)
{
	const size_t ttft = metric(PART_TTFT, NULL, "ttft.mean"), pace = metric(PART_LATENCY, NULL, "tpot.mean");
	struct scorecard_change c;
	struct scene a, b, slower;

	(void)unused;
	many__open(&a, 1, 7);
	scene__score(&a);
	many__open(&b, 1, 8);
	scene__score(&b);
	many__open(&slower, 1.1, 9);
	scene__score(&slower);
	/* Two draws of the same traffic. */
	scorecard__compare(&c, &a.card, &b.card, ttft);
	assert_true(c.known && c.has_interval && !c.is_more_than_chance);
	scorecard__compare(&c, &a.card, &slower.card, ttft);
	assert_true(c.has_interval && c.is_more_than_chance);
	assert_true((int64_t)c.low.digits < 15 * (int64_t)MS && (int64_t)c.high.digits > 15 * (int64_t)MS);
	/* The pace is the same to the ns: the change is 0, for sure. */
	scorecard__compare(&c, &a.card, &slower.card, pace);
	assert_true(c.has_interval && !c.is_more_than_chance);
	scorecard__compare(&c, &a.card, &slower.card, metric(PART_RELIABILITY, NULL, "failed"));
	assert_false(c.has_interval);
	scene__close(&a);
	scene__close(&b);
	scene__close(&slower);
}

/* ------------------------------------------------------------------------------------------------------------ comparison --- */

static void changes_are_exact_and_none_is_made_of_a_bound(void **unused)
{
	struct scorecard_change c;
	struct scene a, b;

	(void)unused;
	scene__open(&a);
	scene__score(&a);
	scene__open(&b);
	b.m.recording.requests[9].end_ns = 0;
	b.m.recording.requests[9].incomplete |= INCOMPLETE_AT_END;
	maker__meta(&b.m, "kernel", "Linux");
	scene__score(&b);
	/* 10 .. 100 ms beside 10 .. 90 ms: 55 and 50 */
	scorecard__compare(&c, &a.card, &b.card, metric(PART_TTFT, NULL, "ttft.mean"));
	assert_true(c.known && c.has_percent);
	assert_int_equal((int64_t)c.change.digits, -5 * (int64_t)MS);
	assert_int_equal((int64_t)c.percent.digits, -909);
	assert_int_equal(c.percent.scale, 2);
	scorecard__compare(&c, &a.card, &b.card, metric(PART_THROUGHPUT, NULL, "output_rate"));
	assert_false(c.known);
	scorecard__compare(&c, &a.card, &b.card, metric(PART_COST, NULL, "price"));
	assert_false(c.known);
	assert_true(scorecard__same_condition(&a.card, &b.card, CONDITION_HOST));
	/* Known of one alone: that is no difference. */
	assert_true(scorecard__same_condition(&a.card, &b.card, CONDITION_KERNEL));
	scene__close(&a);
	scene__close(&b);
}

/* --------------------------------------------------------------------------------------------------------------- output --- */

static void every_figure_has_a_name_of_its_own(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < n_scorecard_metrics; i++) {
		const struct scorecard_metric *m = &scorecard_metrics[i];

		assert_true(m->part < N_PARTS && m->id && m->name && m->unit);
		assert_true(m->quantity != QUANTITY_NONE || m->statistic == STAT_WHOLE);
		assert_int_equal(metric(m->part, m->group, m->id), i);
	}
}

static char *written(const struct scene *s, const struct verify_output *output, const struct scorecard *cards,
		     size_t n_cards)
{
	struct verify_output_options options = { .columns = 80, .path = "run.tokprof", .scorecard = &s->card };
	char *bytes = NULL;
	size_t size;
	FILE *f = open_memstream(&bytes, &size);

	assert_int_equal(
		cards ? output->compare(f, cards, n_cards, &options) : output->write(f, &s->v, &s->in, &options), 0);
	fclose(f);
	return bytes;
}

static void every_format_has_every_dimension_alone_and_side_by_side(void **unused)
{
	struct scene a, b;

	(void)unused;
	for (int k = 0; verify_outputs[k]; k++) {
		scene__open(&a);
		scene__score(&a);
		scene__open(&b);
		scene__score(&b);
		for (int pair = 0; pair < 2; pair++) {
			const struct scorecard cards[] = { a.card, b.card };
			char *x = written(&a, verify_outputs[k], pair ? cards : NULL, 2);
			char *y = written(&b, verify_outputs[k], pair ? cards : NULL, 2);

			assert_string_equal(x, y);
			for (int part = 0; part < N_DIMENSIONS; part++)
				assert_non_null(strstr(x, scorecard_parts[part].title));
			free(x);
			free(y);
		}
		scene__close(&a);
		scene__close(&b);
	}
}

static void json_says_null_with_a_reason_for_what_is_not_known(void **unused)
{
	struct scene s;
	json_t *report, *part, *figure_of;
	size_t i, k, n = 0;
	char *text;

	(void)unused;
	scene__open(&s);
	scene__score(&s);
	text = written(&s, verify_outputs[1], NULL, 0);
	report = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(report);
	json_array_foreach(json_object_get(json_object_get(report, "scorecard"), "dimensions"), i, part)
	{
		assert_string_equal(json_string_value(json_object_get(part, "id")), scorecard_parts[i].id);
		json_array_foreach(json_object_get(part, "figures"), k, figure_of)
		{
			const bool known = !json_is_null(json_object_get(figure_of, "value"));

			n++;
			assert_int_equal(known, json_is_null(json_object_get(figure_of, "reason")));
			assert_int_equal(known, strcmp(json_string_value(json_object_get(figure_of, "grade")),
						       "unavailable") != 0);
		}
	}
	assert_true(n > 40);
	json_decref(report);
	free(text);
	scene__close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles_follow_the_tool_whose_name_they_have),
		cmocka_unit_test(paces_and_latencies_are_those_of_the_streams),
		cmocka_unit_test(throughput_is_what_succeeded_over_the_time),
		cmocka_unit_test(stability_sets_the_last_third_beside_the_first),
		cmocka_unit_test(the_spread_of_even_traffic_is_that_of_half_the_parts),
		cmocka_unit_test(cost_is_the_whole_servers_over_all_tokens),
		cmocka_unit_test(the_bills_price_is_per_million_tokens_in_its_currency),
		cmocka_unit_test(energy_is_per_token_where_it_was_measured),
		cmocka_unit_test(failures_are_the_servers_and_mistakes_the_clients),
		cmocka_unit_test(what_clients_rely_on_is_counted_on_the_wire),
		cmocka_unit_test(without_streams_there_is_no_first_token_and_no_pace),
		cmocka_unit_test(requests_that_were_not_seen_whole_make_sums_bounds),
		cmocka_unit_test(lost_records_of_the_engine_leave_its_totals_open),
		cmocka_unit_test(an_empty_recording_has_reasons_instead_of_noughts),
		cmocka_unit_test(counts_without_measured_compute_are_the_servers_word),
		cmocka_unit_test(a_figure_has_the_interval_that_a_claim_of_it_is_judged_by),
		cmocka_unit_test(too_few_requests_have_a_figure_and_no_interval),
		cmocka_unit_test(a_change_is_more_than_chance_where_the_intervals_leave_0_out),
		cmocka_unit_test(changes_are_exact_and_none_is_made_of_a_bound),
		cmocka_unit_test(every_figure_has_a_name_of_its_own),
		cmocka_unit_test(every_format_has_every_dimension_alone_and_side_by_side),
		cmocka_unit_test(json_says_null_with_a_reason_for_what_is_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
