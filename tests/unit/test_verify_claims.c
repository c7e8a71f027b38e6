/* SPDX-License-Identifier: Apache-2.0 */
/* Claims against recordings of a server whose times are known: what is kept is confirmed, what is broken refuted, the rest says why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"
#include "make_recording.h"
#include "make_server.h"
#include "output/verify.h"
#include "userspace/verify/judge.h"

#define MS 1000000ull
#define SECOND 1000000000ull
#define START 1000000ull

/* A server with one slot. Its requests are streams with one chunk a token. */
struct scene {
	struct maker m;
	uint64_t now, random;
	int64_t meter;
	bool queued;		/* each request arrives while the second before it is computed: somebody always waits */
	bool drafts;
	uint64_t last_starts[2];
	struct bill_line line;
	struct bill bill;
	struct claims claims;
	struct timeline timeline;
	struct ledger ledger;
	struct verify_input in;
	struct verification v;
};

static void scene__open(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	s->now = s->last_starts[0] = s->last_starts[1] = START;
	s->random = 5;
	maker__init(&s->m);
	maker__meta(&s->m, "origin_mono_ns", "1000000");
	maker__meta(&s->m, "origin_unix_ns", "1800000000000000000");
	maker__meta(&s->m, "start_ns", "1000000");
	maker__meta(&s->m, "cpu_model", "AMD EPYC 7763 64-Core Processor");
	s->in.window_begin_unix_ns = s->in.window_end_unix_ns = ABSENT;
}

static void scene__step(struct scene *s, int pos, int64_t n_tokens, uint64_t until)
{
	maker__step(&s->m, MAKER_TARGET, s->now, until);
	maker__row(&s->m, 0, pos, n_tokens, 1);
	maker__cut(&s->m, RESOURCE_CPU_NS, s->meter, (int64_t)(until - s->now));
	s->meter += (int64_t)(until - s->now);
	s->now = until;
}

/* A request of 8 prompt tokens whose first token takes `ttft` and each of the others `gap`. */
static struct row_request *scene__request(struct scene *s, uint64_t ttft, int n_tokens, uint64_t gap)
{
	const uint64_t start = s->now;
	struct row_request *q = maker__request(&s->m, s->queued ? s->last_starts[1] : start, 0);
	const int64_t id = q->id;

	q->model = q->response_model = "small";
	q->status = 200;
	q->finish_reason = "stop";
	s->last_starts[1] = s->last_starts[0];
	s->last_starts[0] = start + 1;
	maker__remove(&s->m, start, MAKER_TARGET, 0, 0);
	for (int i = 0; i < n_tokens; i++) {
		scene__step(s, i ? 7 + i : 0, i ? 1 : 8, s->now + (i ? gap : ttft));
		maker__chunk(&s->m, id, s->now);
	}
	q = &s->m.recording.requests[id - 1];
	q->end_ns = s->now;
	s->now += s->queued ? 1000 : MS;
	return q;
}

static uint64_t between(struct scene *s, uint64_t low, uint64_t high)
{
	return low + random_below(&s->random, high - low);
}

/* TTFT from 100 to 200 ms, gaps of 10 ms but for a little. */
static void scene__traffic(struct scene *s, int n)
{
	for (int i = 0; i < n; i++)
		scene__request(s, between(s, 100 * MS, 200 * MS), 5, between(s, 9 * MS, 11 * MS));
}

static void scene__verify(struct scene *s, const char *claims)
{
	static char end[32], error[1024], remedy[1024];
	char text[4096];

	snprintf(text, sizeof(text), "claims:\n%s", claims);
	if (claims__parse(&s->claims, "f.yaml", text, strlen(text), error, sizeof(error), remedy, sizeof(remedy)))
		fail_msg("%s", error);
	snprintf(end, sizeof(end), "%llu", (unsigned long long)s->now);
	maker__meta(&s->m, "end_ns", end);
	maker__total(&s->m, RESOURCE_CPU_NS, s->meter, "schedstat");
	assert_int_equal(timeline__build(&s->timeline, maker__finish(&s->m)), 0);
	assert_int_equal(ledger__build(&s->ledger, &s->timeline, NULL), 0);
	s->in.recording = &s->m.recording;
	s->in.timeline = &s->timeline;
	s->in.ledger = &s->ledger;
	s->in.claims = &s->claims;
	assert_int_equal(verify__run(&s->v, &s->in), 0);
}

static void scene__close(struct scene *s)
{
	verification__free(&s->v);
	claims__free(&s->claims);
	ledger__free(&s->ledger);
	timeline__free(&s->timeline);
	maker__free(&s->m);
}

static const struct check *find(const struct scene *s, const char *id)
{
	char full[100];

	snprintf(full, sizeof(full), "claim.%s", id);
	for (size_t i = 0; i < s->v.n; i++)
		if (strcmp(s->v.checks[i].id, full) == 0)
			return &s->v.checks[i];
	fail_msg("no check %s", full);
	return NULL;
}

static void show(const struct check *c)
{
	print_message("%s %s: claimed %s, measured %s, %s to %s %s: %s\n  rule: %s\n", verdict_names[c->verdict], c->id,
		      c->claimed, c->measured, c->low, c->high, c->unit, c->text, c->rule);
}

static void expect(const struct scene *s, const char *id, enum verdict verdict, const char *words)
{
	const struct check *c = find(s, id);

	if (getenv("SHOW") || c->verdict != verdict || (words && !strstr(c->text, words)))
		show(c);
	assert_int_equal(c->verdict, verdict);
	if (words)
		assert_non_null(strstr(c->text, words));
	assert_true(c->text[0] && c->rule[0] && c->claimed);
}

/* ----------------------------------------------------------------------------------------------------------- latencies --- */

static void a_percentile_is_confirmed_refuted_or_too_near_to_tell(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	scene__traffic(&s, 1200);
	scene__verify(&s, "  - {metric: ttft, id: kept, at_most: 210 ms}\n"
			  "  - {metric: ttft, id: broken, at_most: 190 ms}\n"
			  "  - {metric: ttft, id: near, at_most: 199 ms}\n");
	expect(&s, "kept", VERDICT_CONFIRMED, "keeps the claim");
	expect(&s, "broken", VERDICT_REFUTED, "breaks the claim");
	expect(&s, "near", VERDICT_INCONCLUSIVE, "would decide");
	assert_int_equal(find(&s, "kept")->grade, GRADE_MEASURED);
	assert_string_equal(find(&s, "kept")->unit, "ns");
	assert_string_equal(find(&s, "kept")->claimed, "210000000");
	assert_non_null(strstr(find(&s, "kept")->rule, "first byte of the request"));
	assert_non_null(strstr(find(&s, "kept")->rule, "99th percentile"));
	/* The slow ones are the evidence: about one in ten. */
	assert_true(find(&s, "broken")->n_evidence == 100);
	scene__close(&s);
}

static void means_are_judged_by_batches(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	scene__traffic(&s, 800);
	scene__verify(&s, "  - {metric: ttft, statistic: mean, id: kept, at_most: 160 ms}\n"
			  "  - {metric: ttft, statistic: mean, id: broken, at_most: 140 ms}\n"
			  "  - {metric: tpot, statistic: mean, at_most: 10.5 ms}\n"
			  "  - {metric: e2e, statistic: median, at_most: 180 ms}\n"
			  "  - {metric: itl, statistic: p95, at_most: 11.5 ms}\n"
			  "  - {metric: user_throughput, statistic: p10, at_least: 15 tokens/s}\n");
	expect(&s, "kept", VERDICT_CONFIRMED, NULL);
	expect(&s, "broken", VERDICT_REFUTED, NULL);
	expect(&s, "tpot_mean", VERDICT_CONFIRMED, NULL);
	expect(&s, "e2e_median", VERDICT_REFUTED, NULL);
	expect(&s, "itl_p95", VERDICT_CONFIRMED, "gaps");
	expect(&s, "user_throughput_p10", VERDICT_CONFIRMED, NULL);
	/* Tokens are the server's own word where no compute backs them, times are not. */
	assert_int_equal(find(&s, "tpot_mean")->grade, GRADE_SELF_REPORTED);
	assert_int_equal(find(&s, "kept")->grade, GRADE_MEASURED);
	scene__close(&s);
}

static void too_few_requests_are_said_beforehand(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	scene__traffic(&s, 60);
	scene__verify(&s, "  - {metric: ttft, at_most: 10 s}\n  - {metric: ttft, statistic: mean, at_most: 10 s}\n");
	expect(&s, "ttft_p99", VERDICT_INCONCLUSIVE, "needs at least 130 requests, has 60");
	expect(&s, "ttft_mean", VERDICT_INCONCLUSIVE, "needs at least 260 requests, has 60");
	assert_non_null(find(&s, "ttft_mean")->measured);
	scene__close(&s);
}

/* Ten of sixty clients left within 10 ms: their times are 10 ms, or have no end. */
static void a_figure_that_may_be_two_is_not_said_to_be_measured(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	for (int i = 0; i < 10; i++) {
		struct row_request *q = maker__request(&s.m, s.now, s.now + 10 * MS);

		q->stream = q->client_left = true;
		q->first_byte_ns = 0;
		q->status = 0;
		s.now += 20 * MS;
		scene__traffic(&s, 5);
	}
	scene__verify(&s, "  - {metric: ttft, statistic: mean, at_most: 10 s}\n"
			  "  - {metric: ttft, statistic: p80, at_most: 10 s}\n");
	expect(&s, "ttft_mean", VERDICT_INCONCLUSIVE, "needs at least 260 requests, has 60; as recorded it is ");
	expect(&s, "ttft_mean", VERDICT_INCONCLUSIVE, " to no end, by what the open ones are taken for");
	expect(&s, "ttft_p80", VERDICT_INCONCLUSIVE, "needs at least 130 requests, has 60; as recorded it is ");
	assert_null(find(&s, "ttft_mean")->measured);
	assert_null(find(&s, "ttft_p80")->measured);
	scene__close(&s);
}

static void a_tail_needs_more_requests_than_a_median(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	scene__traffic(&s, 300);
	scene__verify(&s, "  - {metric: ttft, at_most: 10 s}\n  - {metric: ttft, statistic: median, at_most: 10 s}\n");
	expect(&s, "ttft_p99", VERDICT_INCONCLUSIVE, "needs at least ");
	expect(&s, "ttft_median", VERDICT_CONFIRMED, NULL);
	scene__close(&s);
}

static void failed_requests_break_a_percentile_unless_left_out(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	for (int i = 0; i < 1200; i++) {
		struct row_request *q = scene__request(&s, between(&s, 100 * MS, 200 * MS), 3, 10 * MS);

		if (i % 25 == 0) {
			q->status = 500;
			q->first_token_ns = q->last_token_ns = 0;
		}
	}
	scene__verify(&s, "  - {metric: ttft, at_most: 1 s}\n"
			  "  - {metric: ttft, id: without, failed_requests: leave out, at_most: 1 s}\n"
			  "  - {metric: ttft, id: mean, statistic: mean, at_most: 1 s}\n"
			  "  - {metric: success_rate, id: low, at_least: 90 %}\n"
			  "  - {metric: success_rate, id: high, at_least: 99 %}\n"
			  "  - {metric: success_rate, id: near, at_least: 96 %}\n");
	expect(&s, "ttft_p99", VERDICT_REFUTED, "48 failed");
	expect(&s, "without", VERDICT_CONFIRMED, "48 failed left out");
	expect(&s, "mean", VERDICT_INCONCLUSIVE, NULL);
	expect(&s, "low", VERDICT_CONFIRMED, NULL);
	expect(&s, "high", VERDICT_REFUTED, NULL);
	expect(&s, "near", VERDICT_INCONCLUSIVE, NULL);
	assert_string_equal(find(&s, "high")->measured, "96");
	assert_string_equal(find(&s, "high")->unit, "%");
	scene__close(&s);
}

static void a_wrong_question_is_no_failure(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	scene__traffic(&s, 600);
	for (int i = 0; i < 200; i++) {
		struct row_request *q = maker__request(&s.m, s.now, s.now + MS);

		q->status = i % 2 ? 400 : 404;
		s.now += 2 * MS;
	}
	scene__verify(&s, "  - {metric: success_rate, at_least: 99 %}\n");
	expect(&s, "success_rate", VERDICT_CONFIRMED, "200 that were the client's mistake left out");
	scene__close(&s);
}

static void requests_whose_client_left_are_taken_both_ways(void **unused)
{
	/* Of 600 clients so many leave before there is an answer: 1 leaves the 95th percentile where it is, 60 do not. */
	for (int n_open = 1; n_open <= 60; n_open += 59) {
		struct scene s;

		(void)unused;
		scene__open(&s);
		for (int i = 0; i < n_open; i++) {
			struct row_request *q = maker__request(&s.m, s.now, s.now + MS);

			q->stream = q->client_left = true;
			q->first_byte_ns = 0;
			q->status = 0;
			scene__traffic(&s, 600 / n_open);
		}
		scene__verify(&s, "  - {metric: ttft, statistic: p95, at_most: 300 ms}\n"
				  "  - {metric: ttft, statistic: p95, id: low, at_most: 100 ms}\n");
		expect(&s, "ttft_p95", n_open == 1 ? VERDICT_CONFIRMED : VERDICT_INCONCLUSIVE,
		       n_open == 1 ? "1 open" : "60 open");
		/* Both ways it is broken. */
		expect(&s, "low", VERDICT_REFUTED, NULL);
		scene__close(&s);
	}
}

static void a_request_that_is_open_longer_than_claimed_has_broken_it(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	for (int i = 0; i < 60; i++) {
		maker__request(&s.m, s.now, 0)->stream = true;
		scene__traffic(&s, 10);
	}
	s.now += 10 * SECOND;
	scene__verify(&s, "  - {metric: ttft, statistic: p95, at_most: 300 ms}\n");
	expect(&s, "ttft_p95", VERDICT_REFUTED, "60 open");
	scene__close(&s);
}

static void lost_records_may_have_been_requests(void **unused)
{
	for (int n_lost = 2; n_lost <= 4000; n_lost += 3998) {
		struct scene s;

		(void)unused;
		scene__open(&s);
		scene__traffic(&s, 1000);
		s.now += 100 * SECOND;
		maker__loss(&s.m, "wire", s.now - SECOND, n_lost);
		scene__verify(&s, "  - {metric: ttft, statistic: p90, at_most: 300 ms}\n"
				  "  - {metric: success_rate, at_least: 95 %}\n");
		expect(&s, "ttft_p90", n_lost == 2 ? VERDICT_CONFIRMED : VERDICT_INCONCLUSIVE,
		       n_lost == 2 ? "2 lost records" : "more than requests were seen");
		expect(&s, "success_rate", n_lost == 2 ? VERDICT_CONFIRMED : VERDICT_INCONCLUSIVE, NULL);
		scene__close(&s);
	}
}

static void a_body_in_one_piece_has_no_first_token(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	scene__traffic(&s, 300);
	for (int i = 0; i < 300; i++)
		s.m.recording.requests[i].stream = false;
	scene__verify(&s, "  - {metric: ttft, at_most: 1 s}\n  - {metric: e2e, statistic: median, at_most: 1 s}\n");
	expect(&s, "ttft_p99", VERDICT_INCONCLUSIVE, "needs streams");
	expect(&s, "e2e_median", VERDICT_CONFIRMED, NULL);
	scene__close(&s);
}

static void the_first_request_is_left_out_where_it_warms_up(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	scene__request(&s, 3000 * SECOND, 3, 10 * MS);
	scene__traffic(&s, 400);
	scene__verify(&s, "  - {metric: ttft, statistic: mean, id: with, at_most: 1 s}\n"
			  "  - {metric: ttft, statistic: mean, id: without, first_request: leave out, at_most: 1 s}\n");
	expect(&s, "without", VERDICT_CONFIRMED, "400 requests");
	assert_int_not_equal(find(&s, "with")->verdict, VERDICT_CONFIRMED);
	scene__close(&s);
}

static void until_the_first_chunk_is_no_later_than_the_first_text(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	scene__traffic(&s, 600);
	for (int i = 0; i < 600; i++)
		s.m.recording.requests[i].first_byte_ns -= 50 * MS;
	scene__verify(&s, "  - {metric: ttft, statistic: median, until: first chunk, id: far, at_most: 180 ms}\n"
			  "  - {metric: ttft, statistic: median, until: first chunk, id: between, at_most: 120 ms}\n"
			  "  - {metric: ttft, statistic: median, until: first chunk, id: below, at_most: 80 ms}\n");
	expect(&s, "far", VERDICT_CONFIRMED, NULL);
	expect(&s, "between", VERDICT_INCONCLUSIVE, "open");
	expect(&s, "below", VERDICT_REFUTED, NULL);
	scene__close(&s);
}

static void many_claims_at_once_are_judged_more_strictly_than_one(void **unused)
{
	char claims[4096] = "";
	struct scene one, many;
	size_t n = 0;

	(void)unused;
	for (int i = 0; i < 20; i++)
		n += (size_t)snprintf(claims + n, sizeof(claims) - n,
				      "  - {metric: ttft, statistic: median, id: c%d, at_most: 154 ms}\n", i);
	scene__open(&one);
	scene__traffic(&one, 1000);
	scene__verify(&one, "  - {metric: ttft, statistic: median, id: c0, at_most: 154 ms}\n");
	scene__open(&many);
	scene__traffic(&many, 1000);
	scene__verify(&many, claims);
	assert_true(atof(find(&one, "c0")->high) < atof(find(&many, "c0")->high));
	assert_true(atof(find(&one, "c0")->low) > atof(find(&many, "c0")->low));
	scene__close(&one);
	scene__close(&many);
}

/* --------------------------------------------------------------------------------------------------------------- rates --- */

/* About 20 tokens in 1.2 s each. */
static void rates(struct scene *s, bool queued, uint64_t (*gap)(struct scene *s, int i), int n)
{
	scene__open(s);
	s->queued = queued;
	for (int i = 0; i < n; i++)
		scene__request(s, between(s, 100 * MS, 200 * MS), 20, gap(s, i));
}

static uint64_t steady(struct scene *s, int i)
{
	(void)i;
	return between(s, 45 * MS, 65 * MS);
}

static uint64_t slowing(struct scene *s, int i)
{
	return between(s, 45 * MS, 65 * MS) + (uint64_t)i * MS / 10;
}

#define RATES                                                                                                          \
	"  - {metric: throughput, id: kept, at_least: 15 tokens/s}\n"                                                  \
	"  - {metric: throughput, id: broken, at_least: 20 tokens/s}\n"                                                \
	"  - {metric: throughput, of: total, id: both, at_least: 20 tokens/s}\n"                                       \
	"  - {metric: throughput, of: input, id: input, at_least: 10 tokens/s}\n"                                      \
	"  - {metric: stability, at_least: 90 %}\n"

static void a_rate_is_refuted_where_requests_waited(void **unused)
{
	struct scene s;

	(void)unused;
	rates(&s, true, steady, 400);
	scene__verify(&s, RATES);
	expect(&s, "kept", VERDICT_CONFIRMED, "requests waiting in 100 % of it");
	expect(&s, "broken", VERDICT_REFUTED, NULL);
	expect(&s, "both", VERDICT_CONFIRMED, NULL);
	expect(&s, "input", VERDICT_REFUTED, NULL);
	expect(&s, "stability", VERDICT_CONFIRMED, NULL);
	scene__close(&s);
}

static void a_rate_is_not_refuted_where_nobody_asked_for_more(void **unused)
{
	struct scene s;

	(void)unused;
	rates(&s, false, steady, 400);
	scene__verify(&s, RATES);
	expect(&s, "kept", VERDICT_CONFIRMED, NULL);
	expect(&s, "broken", VERDICT_INCONCLUSIVE, "more was not asked of the server");
	scene__close(&s);
}

static void a_server_that_slows_down_is_not_stable(void **unused)
{
	struct scene s;

	(void)unused;
	rates(&s, true, slowing, 400);
	scene__verify(&s,
		      "  - {metric: stability, at_least: 90 %}\n  - {metric: stability, id: low, at_least: 30 %}\n");
	expect(&s, "stability", VERDICT_REFUTED, NULL);
	expect(&s, "low", VERDICT_CONFIRMED, NULL);
	scene__close(&s);
}

/* A neighbour takes what the server lacks in the last third, or a tenth of that; the server alone knows how long it waited. */
static void a_server_whose_cpus_others_took_is_not_called_unstable(void **unused)
{
	for (int enough = 0; enough < 2; enough++) {
		struct scene s;

		(void)unused;
		rates(&s, true, slowing, 400);
		for (size_t i = 0; i < s.m.recording.n_steps; i++) {
			struct row_step *step = &s.m.recording.steps[i];

			step->runq_ns = 0;
			if (step->start_ns > s.now / 3 * 2)
				step->server_runq_ns = (int64_t)(step->end_ns - step->start_ns) * (enough ? 9 : 1) / 10;
		}
		scene__verify(&s, "  - {metric: stability, at_least: 90 %}\n");
		expect(&s, "stability", enough ? VERDICT_INCONCLUSIVE : VERDICT_REFUTED,
		       enough ? "other programs of the host may account for that" : "breaks the claim");
		scene__close(&s);
	}
}

static void less_traffic_is_no_instability(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	for (int i = 0; i < 300; i++) {
		scene__request(&s, 150 * MS, 20, between(&s, 45 * MS, 65 * MS));
		s.now += i > 150 ? 2 * SECOND : 0;
	}
	scene__verify(&s, "  - {metric: stability, at_least: 90 %}\n");
	expect(&s, "stability", VERDICT_INCONCLUSIVE, "the traffic was not the same");
	scene__close(&s);
}

static void a_rate_of_lost_steps_is_a_lower_bound(void **unused)
{
	struct scene s;

	(void)unused;
	rates(&s, true, steady, 400);
	maker__loss(&s.m, "engine", s.now / 2, 5);
	scene__verify(&s, RATES);
	expect(&s, "kept", VERDICT_CONFIRMED, NULL);
	expect(&s, "broken", VERDICT_INCONCLUSIVE, NULL);
	expect(&s, "stability", VERDICT_INCONCLUSIVE, "records were lost");
	scene__close(&s);
}

static void energy_that_is_not_measured_is_no_verdict(void **unused)
{
	struct scene s;

	(void)unused;
	rates(&s, true, steady, 30);
	scene__verify(&s, "  - {metric: tokens_per_joule, at_least: 2 tokens/J}\n");
	expect(&s, "tokens_per_joule", VERDICT_INCONCLUSIVE, "energy was not measured");
	assert_int_equal(find(&s, "tokens_per_joule")->grade, GRADE_UNAVAILABLE);
	assert_null(find(&s, "tokens_per_joule")->measured);
	scene__close(&s);
}

static void tokens_per_joule_are_judged_where_energy_is_measured(void **unused)
{
	static const struct row_resource energy = { RESOURCE_ENERGY_UJ, "energy_uj", "uJ", RESOURCE_ADDITIVE,
						    GRADE_MEASURED,	"rapl",	     NULL };
	struct scene s;
	int64_t meter = 0;

	(void)unused;
	scene__open(&s);
	maker__resource(&s.m, &energy);
	/* One token a step, 0.4 to 0.6 J each: 2 tokens a joule. */
	for (int i = 0; i < 1500; i++) {
		const int64_t use = (int64_t)between(&s, 400000, 600000);

		scene__request(&s, 20 * MS, 1, 10 * MS);
		maker__cut(&s.m, RESOURCE_ENERGY_UJ, meter, use);
		meter += use;
	}
	maker__total(&s.m, RESOURCE_ENERGY_UJ, meter, "rapl");
	scene__verify(&s, "  - {metric: tokens_per_joule, id: kept, at_least: 1.9 tokens/J}\n"
			  "  - {metric: tokens_per_joule, id: broken, at_least: 2.1 tokens/J}\n");
	expect(&s, "kept", VERDICT_CONFIRMED, NULL);
	expect(&s, "broken", VERDICT_REFUTED, NULL);
	assert_int_equal(find(&s, "kept")->grade, GRADE_MEASURED);
	scene__close(&s);
}

/* --------------------------------------------------------------------------------------------------- facts and prices --- */

#define PRICES                                                                                                         \
	"  - {metric: price, of: total, id: kept, at_most: 5.00 CNY per million tokens}\n"                             \
	"  - {metric: price, of: total, id: broken, at_most: 4.99 CNY per million tokens}\n"                           \
	"  - {metric: price, of: input, id: input, at_most: 6.00 CNY per million tokens}\n"                            \
	"  - {metric: price, of: output, id: output, at_most: 4.00 CNY per million tokens}\n"                          \
	"  - {metric: price, of: total, id: foreign, at_most: 9.00 USD per million tokens}\n"

static void a_price_is_compared_exactly_and_by_kind_only_as_a_bound(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	scene__traffic(&s, 3);
	/* 0.005 for 900 + 100 tokens: 5 a million; 5.56 a million of input were the output free, 50 of output. */
	s.line = (struct bill_line){ .line = 2,
				     .prompt_tokens = 900,
				     .cached_tokens = ABSENT,
				     .completion_tokens = 100,
				     .reasoning_tokens = ABSENT,
				     .n_requests = ABSENT,
				     .begin_unix_ns = ABSENT,
				     .end_unix_ns = ABSENT,
				     .has_price = true,
				     .price = { .digits = 5, .scale = 3 },
				     .currency = "CNY" };
	s.bill = (struct bill){ .path = "bill.csv", .lines = &s.line, .n = 1 };
	s.in.bill = &s.bill;
	scene__verify(&s, PRICES);
	expect(&s, "kept", VERDICT_CONFIRMED, NULL);
	assert_string_equal(find(&s, "kept")->measured, "5");
	expect(&s, "broken", VERDICT_REFUTED, NULL);
	expect(&s, "input", VERDICT_CONFIRMED, "even were all other tokens free");
	expect(&s, "output", VERDICT_INCONCLUSIVE, NULL);
	expect(&s, "foreign", VERDICT_INCONCLUSIVE, "another currency");
	scene__close(&s);
}

static void without_a_bill_there_is_no_price(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	scene__traffic(&s, 3);
	scene__verify(&s, PRICES);
	expect(&s, "kept", VERDICT_INCONCLUSIVE, "--bill");
	scene__close(&s);
}

/* ------------------------------------------------------------------------------------------------------------ together --- */

static void no_claim_is_confirmed_by_an_empty_recording(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	s.now += SECOND;
	scene__verify(&s, "  - {metric: ttft, at_most: 10 s}\n  - {metric: tpot, at_most: 10 s}\n"
			  "  - {metric: itl, at_most: 10 s}\n  - {metric: e2e, at_most: 10 s}\n"
			  "  - {metric: throughput, at_least: 1 tokens/s}\n  - {metric: stability, at_least: 1 %}\n"
			  "  - {metric: success_rate, at_least: 1 %}\n  - {metric: context, is: 1 tokens}\n"
			  "  - {metric: user_throughput, at_least: 1 tokens/s}\n  - {metric: model, is: small}\n"
			  "  - {metric: tokens_per_joule, at_least: 1 tokens/J}\n  - {metric: speculation, is: no}\n"
			  "  - {metric: parameters, is: 7B}\n  - {metric: precision, is: F16}\n"
			  "  - {metric: price, is: 1 CNY per million tokens}\n  - {metric: hardware, is: x}\n");
	for (size_t i = 0; i < s.v.n; i++) {
		if (s.v.checks[i].verdict != VERDICT_INCONCLUSIVE)
			show(&s.v.checks[i]);
		assert_int_equal(s.v.checks[i].verdict, VERDICT_INCONCLUSIVE);
		assert_true(s.v.checks[i].text[0]);
	}
	assert_int_equal(s.v.n, 16);
	scene__close(&s);
}

static void a_claim_of_one_model_is_about_its_requests_alone(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	for (int i = 0; i < 800; i++) {
		struct row_request *q = scene__request(
			&s, i % 2 ? 100 * MS + between(&s, 0, MS) : 400 * MS + between(&s, 0, MS), 3, 10 * MS);

		q->model = q->response_model = i % 2 ? "small" : "large";
	}
	scene__verify(&s, "  - {metric: ttft, statistic: median, id: small, model: small, at_most: 200 ms}\n"
			  "  - {metric: ttft, statistic: median, id: large, model: large, at_most: 200 ms}\n"
			  "  - {metric: ttft, statistic: median, id: none, model: tiny, at_most: 200 ms}\n");
	expect(&s, "small", VERDICT_CONFIRMED, "400 requests");
	expect(&s, "large", VERDICT_REFUTED, "400 requests");
	expect(&s, "none", VERDICT_INCONCLUSIVE, "no request of this kind");
	scene__close(&s);
}

static void the_overall_verdict_is_that_of_bill_and_claims(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s);
	scene__traffic(&s, 600);
	scene__verify(&s, "  - {metric: ttft, statistic: median, at_most: 1 s}\n");
	assert_int_equal(s.v.verdict, VERDICT_CONFIRMED);
	scene__close(&s);
	scene__open(&s);
	scene__traffic(&s, 600);
	scene__verify(&s, "  - {metric: ttft, statistic: median, at_most: 1 s}\n"
			  "  - {metric: ttft, statistic: median, id: no, at_most: 1 ms}\n");
	assert_int_equal(s.v.verdict, VERDICT_REFUTED);
	scene__close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_percentile_is_confirmed_refuted_or_too_near_to_tell),
		cmocka_unit_test(means_are_judged_by_batches),
		cmocka_unit_test(too_few_requests_are_said_beforehand),
		cmocka_unit_test(a_figure_that_may_be_two_is_not_said_to_be_measured),
		cmocka_unit_test(a_tail_needs_more_requests_than_a_median),
		cmocka_unit_test(failed_requests_break_a_percentile_unless_left_out),
		cmocka_unit_test(a_wrong_question_is_no_failure),
		cmocka_unit_test(requests_whose_client_left_are_taken_both_ways),
		cmocka_unit_test(a_request_that_is_open_longer_than_claimed_has_broken_it),
		cmocka_unit_test(lost_records_may_have_been_requests),
		cmocka_unit_test(a_body_in_one_piece_has_no_first_token),
		cmocka_unit_test(the_first_request_is_left_out_where_it_warms_up),
		cmocka_unit_test(until_the_first_chunk_is_no_later_than_the_first_text),
		cmocka_unit_test(many_claims_at_once_are_judged_more_strictly_than_one),
		cmocka_unit_test(a_rate_is_refuted_where_requests_waited),
		cmocka_unit_test(a_rate_is_not_refuted_where_nobody_asked_for_more),
		cmocka_unit_test(a_server_that_slows_down_is_not_stable),
		cmocka_unit_test(a_server_whose_cpus_others_took_is_not_called_unstable),
		cmocka_unit_test(less_traffic_is_no_instability),
		cmocka_unit_test(a_rate_of_lost_steps_is_a_lower_bound),
		cmocka_unit_test(energy_that_is_not_measured_is_no_verdict),
		cmocka_unit_test(tokens_per_joule_are_judged_where_energy_is_measured),
		cmocka_unit_test(a_price_is_compared_exactly_and_by_kind_only_as_a_bound),
		cmocka_unit_test(without_a_bill_there_is_no_price),
		cmocka_unit_test(no_claim_is_confirmed_by_an_empty_recording),
		cmocka_unit_test(a_claim_of_one_model_is_about_its_requests_alone),
		cmocka_unit_test(the_overall_verdict_is_that_of_bill_and_claims),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
