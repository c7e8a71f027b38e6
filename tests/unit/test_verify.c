/* SPDX-License-Identifier: Apache-2.0 */
/* Bills against recordings whose truth is known: every tampering is found with its exact figure, no honest bill is accused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"
#include "make_fit.h"
#include "make_server.h"
#include "output/verify.h"
#include "userspace/verify/books.h"

#define N 4		/* requests of the scene */
#define MAX_LINES 8
#define MS 1000000ull
#define SECOND 1000000000ll
#define UNIX_START (1800000000ll * SECOND)
#define START 1000000ull

/* Four requests one after the other, request i with 20 + i prompt tokens, i of them cached, and 30 + i tokens put out. */
struct scene {
	struct maker m;
	struct made_fit fit;
	double factor;		/* of what its steps take, over what the model says */
	bool with_fit;
	uint64_t now;
	int64_t meter;
	char ids[N][16];
	struct bill_line lines[MAX_LINES];
	struct bill bill;
	struct claims claims;
	struct timeline timeline;
	struct ledger ledger;
	struct verify_input in;
	struct verification v;
};

static int64_t prompt_of(int i)
{
	return 20 + i;
}

static int64_t completion_of(int i)
{
	return 30 + i;
}

static void scene__step(struct scene *s, int seq, int pos, uint32_t n)
{
	const struct cost_row row = { n, (uint32_t)pos, 1, 0 };
	const int64_t use = (int64_t)llround(s->factor * cost__predict(s->fit.fit.cost.value, &row, 1));
	const uint64_t length = (uint64_t)llround(cost__predict(s->fit.fit.cost.value, &row, 1));

	maker__step(&s->m, MAKER_TARGET, s->now, s->now + length);
	maker__row(&s->m, seq, pos, n, 1);
	maker__cut(&s->m, RESOURCE_CPU_NS, s->meter, use);
	s->meter += use;
	s->now += length + MS / 10;
}

static void scene__request(struct scene *s, int i)
{
	struct row_request *q = maker__request(&s->m, s->now, 0);

	snprintf(s->ids[i], sizeof(s->ids[i]), "req-%d", i + 1);
	q->api_id = s->ids[i];
	q->slot = i;
	q->response_model = "small";
	s->now += MS;
	maker__remove(&s->m, s->now, MAKER_TARGET, i, i);
	scene__step(s, i, i, (uint32_t)(prompt_of(i) - i));
	for (int64_t k = 1; k < completion_of(i); k++)
		scene__step(s, i, (int)(prompt_of(i) + k - 1), 1);
	q = &s->m.recording.requests[i];
	s->now += MS;
	q->end_ns = q->first_byte_ns = q->first_token_ns = q->last_token_ns = s->now;
	q->status = 200;
	q->billed_prompt_tokens = prompt_of(i);
	q->billed_cached_tokens = i;
	q->billed_completion_tokens = completion_of(i);
	/* A minute between two, so that moments tell them apart. */
	s->now += 60 * (uint64_t)SECOND;
}

static void bill_line(struct bill_line *line, int i)
{
	*line = (struct bill_line){
		.line = i + 2,
		.model = "small",
		.prompt_tokens = prompt_of(i),
		.cached_tokens = i,
		.completion_tokens = completion_of(i),
		.reasoning_tokens = ABSENT,
		.n_requests = ABSENT,
		.begin_unix_ns = ABSENT,
		.end_unix_ns = ABSENT,
	};
}

/*
 * @factor: of what the model says that a step takes; 0: no cost model in the recording @late: the same of the last request, which
 * comes two hours after the others; 0: like these
 */
static void scene__open_late(struct scene *s, double factor, double late)
{
	memset(s, 0, sizeof(*s));
	s->now = START;
	s->factor = factor > 0 ? factor : 1;
	s->with_fit = factor > 0;
	maker__init(&s->m);
	maker__meta(&s->m, "origin_mono_ns", "1000000");
	maker__meta(&s->m, "origin_unix_ns", "1800000000000000000");
	maker__meta(&s->m, "start_ns", "1000000");
	make_fit(&s->fit, "target", RESOURCE_CPU_NS);
	s->fit.fit.origin = FIT_ORIGIN_CALIBRATE;
	s->fit.fit.key.model_digest = "aa";
	s->fit.fit.key.n_threads = 2;
	maker__model(&s->m, &(struct row_model){ .id = 1, .digest = "aa", .weight_bytes = 1000 });
	for (int i = 0; i < N; i++) {
		if (late > 0 && i == N - 1) {
			s->now += 7200 * (uint64_t)SECOND;
			s->factor = late;
		}
		scene__request(s, i);
		bill_line(&s->lines[i], i);
		s->lines[i].request_id = s->ids[i];
	}
	s->bill = (struct bill){ .path = "bill.csv", .lines = s->lines, .n = N };
	s->in.window_begin_unix_ns = s->in.window_end_unix_ns = ABSENT;
	s->in.bill = &s->bill;
}

static void scene__open(struct scene *s, double factor)
{
	scene__open_late(s, factor, 0);
}

static void scene__verify(struct scene *s)
{
	static char end[32];

	snprintf(end, sizeof(end), "%llu", (unsigned long long)s->now);
	maker__meta(&s->m, "end_ns", end);
	maker__total(&s->m, RESOURCE_CPU_NS, s->meter, "schedstat");
	if (s->with_fit)
		maker__fit(&s->m, &s->fit.fit);
	assert_int_equal(timeline__build(&s->timeline, maker__finish(&s->m)), 0);
	assert_int_equal(ledger__build(&s->ledger, &s->timeline, NULL), 0);
	s->in.recording = &s->m.recording;
	s->in.timeline = &s->timeline;
	s->in.ledger = &s->ledger;
	assert_int_equal(verify__run(&s->v, &s->in), 0);
}

static void scene__close(struct scene *s)
{
	verification__free(&s->v);
	ledger__free(&s->ledger);
	timeline__free(&s->timeline);
	maker__free(&s->m);
}

/* The check of this kind about this line of the bill; 0: any. NULL: none */
static const struct check *find(const struct verification *v, const char *id, int64_t line)
{
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->checks[i].id, id) == 0 && (!line || v->checks[i].bill_line == line))
			return &v->checks[i];
	return NULL;
}

static const struct note *find_note(const struct verification *v, const char *id)
{
	for (size_t i = 0; i < v->n_notes; i++)
		if (strcmp(v->notes[i].id, id) == 0)
			return &v->notes[i];
	return NULL;
}

static size_t count(const struct verification *v, enum verdict verdict, const char *id)
{
	size_t n = 0;

	for (size_t i = 0; i < v->n; i++)
		n += v->checks[i].verdict == verdict && (!id || strcmp(v->checks[i].id, id) == 0);
	return n;
}

static void print_checks(const struct verification *v)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->checks[i].verdict != VERDICT_CONFIRMED)
			print_message("%s %s %s claimed %s measured %s: %s\n", verdict_names[v->checks[i].verdict],
				      v->checks[i].id, v->checks[i].subject, v->checks[i].claimed,
				      v->checks[i].measured, v->checks[i].text);
}

static void expect(const struct scene *s, const char *id, int64_t line, enum verdict verdict, const char *claimed,
		   const char *measured)
{
	const struct check *c = find(&s->v, id, line);

	if (!c || c->verdict != verdict)
		print_checks(&s->v);
	assert_non_null(c);
	assert_int_equal(c->verdict, verdict);
	if (claimed)
		assert_string_equal(c->claimed, claimed);
	if (measured)
		assert_string_equal(c->measured, measured);
}

static void expect_says(const struct scene *s, const char *id, int64_t line, const char *words)
{
	const struct check *c = find(&s->v, id, line);

	assert_non_null(c);
	if (!strstr(c->text, words))
		print_message("%s\n", c->text);
	assert_non_null(strstr(c->text, words));
}

static void expect_verdict(const struct scene *s, enum verdict verdict)
{
	if (s->v.verdict != verdict)
		print_checks(&s->v);
	assert_int_equal(s->v.verdict, verdict);
}

/* -------------------------------------------------------------------------------------------------------------- counts --- */

static void an_honest_bill_is_confirmed_in_every_line(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	scene__verify(&s);
	expect_verdict(&s, VERDICT_CONFIRMED);
	assert_int_equal(count(&s.v, VERDICT_CONFIRMED, "bill.completion_tokens"), N);
	assert_int_equal(count(&s.v, VERDICT_CONFIRMED, "bill.prompt_tokens"), N);
	assert_int_equal(count(&s.v, VERDICT_CONFIRMED, "bill.cached_tokens"), N);
	assert_int_equal(count(&s.v, VERDICT_CONFIRMED, "bill.model"), N);
	expect(&s, "bill.total_completion_tokens", 0, VERDICT_CONFIRMED, "126", "126");
	expect(&s, "bill.total_prompt_tokens", 0, VERDICT_CONFIRMED, "86", "86");
	scene__close(&s);
}

static void without_a_bill_the_usage_on_the_wire_is_the_bill(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	s.in.bill = NULL;
	s.m.recording.requests[1].billed_completion_tokens += 1;
	scene__verify(&s);
	expect_verdict(&s, VERDICT_REFUTED);
	assert_int_equal(count(&s.v, VERDICT_REFUTED, "bill.completion_tokens"), 1);
	assert_int_equal(count(&s.v, VERDICT_CONFIRMED, "bill.completion_tokens"), N - 1);
	assert_string_equal(find(&s.v, "bill.completion_tokens", 0)->subject, "request 1 (req-1)");
	scene__close(&s);
}

static void a_recording_without_any_bill_is_inconclusive(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	s.in.bill = NULL;
	for (int i = 0; i < N; i++)
		s.m.recording.requests[i].billed_prompt_tokens = s.m.recording.requests[i].billed_cached_tokens =
			s.m.recording.requests[i].billed_completion_tokens = ABSENT;
	scene__verify(&s);
	expect_verdict(&s, VERDICT_INCONCLUSIVE);
	assert_non_null(find_note(&s.v, "bill.no_usage"));
	scene__close(&s);
}

static void one_completion_token_more_is_refuted_and_named(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	s.lines[2].completion_tokens += 1;
	scene__verify(&s);
	expect_verdict(&s, VERDICT_REFUTED);
	expect(&s, "bill.completion_tokens", 4, VERDICT_REFUTED, "33", "32");
	expect_says(&s, "bill.completion_tokens", 4, "1 more billed than put out");
	assert_int_equal(find(&s.v, "bill.completion_tokens", 4)->evidence[0], 3);
	assert_int_equal(count(&s.v, VERDICT_REFUTED, "bill.completion_tokens"), 1);
	expect(&s, "bill.total_completion_tokens", 0, VERDICT_REFUTED, "127", "126");
	scene__close(&s);
}

static void one_completion_token_fewer_is_no_true_bill_either(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	s.lines[2].completion_tokens -= 1;
	scene__verify(&s);
	expect(&s, "bill.completion_tokens", 4, VERDICT_REFUTED, "31", "32");
	expect_says(&s, "bill.completion_tokens", 4, "customer's favour");
	scene__close(&s);
}

static void cached_prompt_tokens_billed_as_computed_are_refuted(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	s.lines[3].cached_tokens = 0;
	scene__verify(&s);
	expect(&s, "bill.cached_tokens", 5, VERDICT_REFUTED, "0", "3");
	expect_says(&s, "bill.cached_tokens", 5, "3 prompt tokens billed as computed were cached");
	expect(&s, "bill.prompt_tokens", 5, VERDICT_CONFIRMED, "23", "23");
	scene__close(&s);
}

static void prompt_tokens_that_nobody_computed_are_refuted(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	s.lines[0].prompt_tokens += 7;
	scene__verify(&s);
	expect(&s, "bill.prompt_tokens", 2, VERDICT_REFUTED, "27", "20");
	expect_says(&s, "bill.prompt_tokens", 2, "7 prompt tokens billed that were never computed");
	scene__close(&s);
}

static void a_bill_that_does_not_speak_of_the_cache_is_not_accused_of_it(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	for (int i = 0; i < N; i++)
		s.lines[i].cached_tokens = ABSENT;
	scene__verify(&s);
	expect_verdict(&s, VERDICT_CONFIRMED);
	assert_non_null(strstr(find_note(&s.v, "bill.cached_unsaid")->text, "6 prompt tokens"));
	scene__close(&s);
}

/* A prompt of 12 tokens, computed once, and two choices of 6 tokens each. */
static void two_choices(struct scene *s)
{
	struct row_request *q = maker__request(&s->m, s->now, 0);

	q->api_id = "two";
	q->n = 2;
	q->slot = 0;
	s->now += MS;
	maker__remove(&s->m, s->now, MAKER_TARGET, 0, 0);
	maker__step(&s->m, MAKER_TARGET, s->now, s->now + MS);
	maker__row(&s->m, 0, 0, 12, 1);
	s->now += 2 * MS;
	maker__memory(&s->m, &(struct row_memory){ s->now, MAKER_TID, MAKER_TARGET, MEMORY_SEQ_CP, 0, 1, -1, -1, 0 });
	for (int i = 0; i < 5; i++) {
		s->now += MS;
		maker__step(&s->m, MAKER_TARGET, s->now, s->now + MS);
		maker__row(&s->m, 0, 12 + i, 1, 1);
		maker__row(&s->m, 1, 12 + i, 1, 1);
		s->now += MS;
	}
	s->now += MS;
	q->end_ns = q->first_byte_ns = q->first_token_ns = q->last_token_ns = s->now;
	q->status = 200;
	s->now += SECOND;
	bill_line(&s->lines[N], N);
	s->lines[N].request_id = "two";
	s->lines[N].model = NULL;
	s->lines[N].prompt_tokens = 12;
	s->lines[N].cached_tokens = 0;
	s->bill.n = N + 1;
}

static void usage_of_several_choices_may_cover_one_of_them_or_all(void **unused)
{
	static const struct {
		int64_t billed;
		enum verdict verdict;
	} cases[] = {
		{ 6, VERDICT_CONFIRMED }, { 12, VERDICT_CONFIRMED }, { 7, VERDICT_REFUTED }, { 13, VERDICT_REFUTED }
	};

	(void)unused;
	for (size_t i = 0; i < 4; i++) {
		struct scene s;

		scene__open(&s, 0);
		two_choices(&s);
		s.lines[N].completion_tokens = cases[i].billed;
		scene__verify(&s);
		expect(&s, "bill.completion_tokens", N + 2, cases[i].verdict, NULL, "12");
		if (i == 0)
			expect_says(&s, "bill.completion_tokens", N + 2, "as many as one of its generations");
		if (cases[i].verdict == VERDICT_CONFIRMED)
			expect(&s, "bill.total_completion_tokens", 0, VERDICT_CONFIRMED, NULL, NULL);
		scene__close(&s);
	}
}

static void a_choice_that_was_not_found_leaves_the_count_open(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	s.m.recording.requests[1].n = 2;
	s.lines[1].completion_tokens = 16;
	scene__verify(&s);
	expect(&s, "bill.completion_tokens", 3, VERDICT_INCONCLUSIVE, "16", NULL);
	scene__close(&s);
}

static void reasoning_tokens_are_part_of_the_completion(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	s.lines[0].reasoning_tokens = 12;
	s.lines[1].reasoning_tokens = completion_of(1) + 1;
	scene__verify(&s);
	expect(&s, "bill.reasoning_tokens", 2, VERDICT_CONFIRMED, "12", NULL);
	expect(&s, "bill.reasoning_tokens", 3, VERDICT_REFUTED, "32", NULL);
	scene__close(&s);
}

static void an_answer_without_any_step_is_no_completion(void **unused)
{
	struct scene s;
	struct row_request *q;

	(void)unused;
	scene__open(&s, 0);
	q = maker__request(&s.m, s.now, s.now + MS);
	q->api_id = "cached-answer";
	q->first_token_ns = q->last_token_ns = q->end_ns;
	bill_line(&s.lines[N], N);
	s.lines[N].request_id = "cached-answer";
	s.lines[N].model = NULL;
	s.bill.n = N + 1;
	s.now += SECOND;
	scene__verify(&s);
	expect(&s, "bill.completion_tokens", N + 2, VERDICT_REFUTED, "34", "0");
	expect_says(&s, "bill.completion_tokens", N + 2, "no step was computed for it");
	scene__close(&s);
}

/* ------------------------------------------------------------------------------------------------------------ presence --- */

static void a_request_that_was_never_made_is_refuted(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	bill_line(&s.lines[N], N);
	s.lines[N].request_id = "req-99";
	s.bill.n = N + 1;
	scene__verify(&s);
	expect(&s, "bill.phantom", N + 2, VERDICT_REFUTED, "58", "0");
	assert_int_equal(count(&s.v, VERDICT_REFUTED, "bill.total_completion_tokens"), 1);
	scene__close(&s);
}

static void a_phantom_is_open_where_the_bill_covers_more_than_was_recorded(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	bill_line(&s.lines[N], N);
	s.lines[N].request_id = "req-99";
	s.bill.n = N + 1;
	s.in.window_begin_unix_ns = UNIX_START - 3600 * SECOND;
	s.in.window_end_unix_ns = UNIX_START + 3600 * SECOND;
	scene__verify(&s);
	expect(&s, "bill.phantom", N + 2, VERDICT_INCONCLUSIVE, "58", NULL);
	expect_verdict(&s, VERDICT_INCONCLUSIVE);
	scene__close(&s);
}

static void a_phantom_is_open_where_records_of_the_wire_were_lost(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	bill_line(&s.lines[N], N);
	s.lines[N].request_id = "req-99";
	s.bill.n = N + 1;
	/* Long after the last request, so that none of them is touched. */
	s.now += 100 * (uint64_t)SECOND;
	maker__loss(&s.m, "wire", s.now - SECOND, 3);
	scene__verify(&s);
	expect(&s, "bill.phantom", N + 2, VERDICT_INCONCLUSIVE, NULL, NULL);
	scene__close(&s);
}

static void a_request_that_is_billed_twice_is_refuted_once(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	s.lines[N] = s.lines[1];
	s.lines[N].line = N + 2;
	s.bill.n = N + 1;
	scene__verify(&s);
	expect(&s, "bill.duplicate", N + 2, VERDICT_REFUTED, "52", "0");
	expect_says(&s, "bill.duplicate", N + 2, "request 2 is billed by line 3 already");
	expect(&s, "bill.completion_tokens", 3, VERDICT_CONFIRMED, "31", "31");
	assert_int_equal(count(&s.v, VERDICT_REFUTED, "bill.duplicate"), 1);
	scene__close(&s);
}

static void a_request_that_the_bill_leaves_out_is_missing(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	s.bill.n = N - 1;
	scene__verify(&s);
	expect(&s, "bill.missing", 0, VERDICT_REFUTED, "0", "56");
	assert_string_equal(find(&s.v, "bill.missing", 0)->subject, "request 4 (req-4)");
	scene__close(&s);
}

static void a_request_whose_client_left_need_not_be_billed(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	s.bill.n = N - 1;
	s.m.recording.requests[N - 1].client_left = true;
	scene__verify(&s);
	expect_verdict(&s, VERDICT_CONFIRMED);
	scene__close(&s);
}

/* llama.cpp's /completion counts in every event; the engine is steps ahead of the last one that a client saw. */
static void what_a_stream_counted_until_it_broke_off_is_no_bill(void **unused)
{
	static const struct {
		int64_t more;
		const char *finish;
		enum verdict verdict;
		bool noted;
	} cases[] = {
		{ -2, NULL, VERDICT_CONFIRMED, true },
		{ 0, NULL, VERDICT_CONFIRMED, false },
		{ 1, NULL, VERDICT_REFUTED, false },
		{ -2, "stop", VERDICT_REFUTED, false },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;
		struct row_request *q;

		scene__open(&s, 0);
		q = &s.m.recording.requests[N - 1];
		q->stream = q->client_left = true;
		q->finish_reason = cases[i].finish;
		q->billed_completion_tokens += cases[i].more;
		s.in.bill = NULL;
		scene__verify(&s);
		expect_verdict(&s, cases[i].verdict);
		assert_int_equal(find_note(&s.v, "bill.broken_off") != NULL, cases[i].noted);
		if (cases[i].noted)
			assert_non_null(strstr(find_note(&s.v, "bill.broken_off")->text, "1 stream broke off"));
		scene__close(&s);
	}
}

static void a_count_in_a_stream_that_the_server_broke_off_bills_no_failure(void **unused)
{
	for (int64_t more = -1; more < 2; more++) {
		struct scene s;
		struct row_request *q;

		(void)unused;
		scene__open(&s, 0);
		q = &s.m.recording.requests[N - 1];
		q->stream = true;
		q->incomplete = INCOMPLETE_UNANSWERED;
		q->billed_completion_tokens += more;
		s.in.bill = NULL;
		scene__verify(&s);
		expect_verdict(&s, more > 0 ? VERDICT_REFUTED : VERDICT_CONFIRMED);
		assert_int_equal(find_note(&s.v, "bill.broken_off") != NULL, more <= 0);
		assert_null(find_note(&s.v, "bill.no_usage"));
		scene__close(&s);
	}
}

/* An hour is billed of which some minutes were recorded; a request began before them. */
static void what_was_not_recorded_needs_no_measured_compute(void **unused)
{
	for (int whole = 0; whole < 2; whole++) {
		struct scene s;

		(void)unused;
		scene__open(&s, 1);
		if (whole) {
			s.in.window_begin_unix_ns = UNIX_START - 3600 * SECOND;
			s.in.window_end_unix_ns = UNIX_START + 3600 * SECOND;
			s.bill.n = 1;
			s.lines[0].request_id = s.lines[0].model = NULL;
		} else {
			s.m.recording.requests[0].incomplete = INCOMPLETE_BEFORE_ATTACH;
		}
		s.lines[0].prompt_tokens = s.lines[0].completion_tokens = 100000;
		scene__verify(&s);
		expect_verdict(&s, VERDICT_INCONCLUSIVE);
		expect(&s, "compute.recording", 0, VERDICT_CONFIRMED, NULL, NULL);
		scene__close(&s);
	}
}

static void a_refused_request_is_not_to_be_billed(void **unused)
{
	struct scene s;
	struct row_request *q;

	(void)unused;
	scene__open(&s, 0);
	q = maker__request(&s.m, s.now, s.now + MS);
	q->status = 503;
	q->api_id = "refused";
	bill_line(&s.lines[N], N);
	s.lines[N].request_id = "refused";
	s.lines[N].model = NULL;
	s.lines[N].prompt_tokens = 5;
	s.lines[N].cached_tokens = s.lines[N].completion_tokens = 0;
	s.bill.n = N + 1;
	s.now += SECOND;
	scene__verify(&s);
	expect(&s, "bill.failed", N + 2, VERDICT_REFUTED, "5", "0");
	expect_says(&s, "bill.failed", N + 2, "status 503");
	scene__close(&s);
}

static void another_model_than_the_wires_is_refuted(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	s.lines[0].model = "model";	/* as the client asked for it */
	s.lines[1].model = "large";
	scene__verify(&s);
	expect(&s, "bill.model", 2, VERDICT_CONFIRMED, "model", "model");
	expect(&s, "bill.model", 3, VERDICT_REFUTED, "large", "small");
	scene__close(&s);
}

/* ----------------------------------------------------------------------------------------------------------- not known --- */

static void losses_in_its_time_leave_a_request_open_and_no_other(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	s.lines[1].completion_tokens += 5;
	maker__loss(&s.m, "engine", s.m.recording.requests[1].arrival_ns, 1);
	scene__verify(&s);
	expect_verdict(&s, VERDICT_INCONCLUSIVE);
	expect(&s, "bill.completion_tokens", 3, VERDICT_INCONCLUSIVE, "36", NULL);
	expect_says(&s, "bill.completion_tokens", 3, "records were lost in its time");
	assert_int_equal(count(&s.v, VERDICT_CONFIRMED, "bill.completion_tokens"), N - 1);
	expect(&s, "bill.total_completion_tokens", 0, VERDICT_INCONCLUSIVE, "131", NULL);
	scene__close(&s);
}

/* ------------------------------------------------------------------------------------------------------------- windows --- */

static void windows_are_compared_as_sums(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	for (int i = 0; i < 2; i++) {
		s.lines[i] = s.lines[2 * i];
		s.lines[i].request_id = NULL;
		s.lines[i].line = i + 2;
		s.lines[i].prompt_tokens = prompt_of(2 * i) + prompt_of(2 * i + 1);
		s.lines[i].cached_tokens = 4 * i + 1;
		s.lines[i].completion_tokens = completion_of(2 * i) + completion_of(2 * i + 1) + i;
		s.lines[i].n_requests = 2;
		s.lines[i].begin_unix_ns = UNIX_START + i * 115 * SECOND;
		s.lines[i].end_unix_ns = s.lines[i].begin_unix_ns + 115 * SECOND;
	}
	s.bill.n = 2;
	scene__verify(&s);
	expect(&s, "bill.completion_tokens", 2, VERDICT_CONFIRMED, "61", "61");
	expect(&s, "bill.completion_tokens", 3, VERDICT_REFUTED, "66", "65");
	expect(&s, "bill.requests", 2, VERDICT_CONFIRMED, "2", "2");
	expect(&s, "bill.cached_tokens", 3, VERDICT_CONFIRMED, "5", "5");
	scene__close(&s);
}

static void a_line_for_the_whole_month_covers_all_requests_of_its_model(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	s.lines[0].request_id = NULL;
	s.lines[0].prompt_tokens = 86;
	s.lines[0].cached_tokens = 6;
	s.lines[0].completion_tokens = 126;
	s.bill.n = 1;
	scene__verify(&s);
	expect_verdict(&s, VERDICT_CONFIRMED);
	verification__free(&s.v);
	s.lines[0].completion_tokens = 127;
	assert_int_equal(verify__run(&s.v, &s.in), 0);
	expect(&s, "bill.completion_tokens", 2, VERDICT_REFUTED, "127", "126");
	scene__close(&s);
}

/* One line for all four requests, of which the client of the last one, with 33 tokens put out, left. */
static void what_a_sum_need_not_cover_may_be_left_out_of_it_and_no_token_more(void **unused)
{
	static const struct {
		int64_t billed;
		enum verdict verdict;
	} cases[] = {
		{ 93, VERDICT_CONFIRMED },     { 126, VERDICT_CONFIRMED }, { 94, VERDICT_INCONCLUSIVE },
		{ 125, VERDICT_INCONCLUSIVE }, { 92, VERDICT_REFUTED },	   { 127, VERDICT_REFUTED },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;

		scene__open(&s, 0);
		s.m.recording.requests[N - 1].client_left = true;
		s.lines[0].request_id = s.lines[0].model = NULL;
		s.lines[0].n_requests = N - 1;
		s.lines[0].prompt_tokens = 20 + 21 + 22;
		s.lines[0].cached_tokens = 0 + 1 + 2;
		s.lines[0].completion_tokens = cases[i].billed;
		s.bill.n = 1;
		scene__verify(&s);
		expect(&s, "bill.completion_tokens", 2, cases[i].verdict, NULL, NULL);
		expect(&s, "bill.total_completion_tokens", 0, cases[i].verdict, NULL, NULL);
		expect(&s, "bill.prompt_tokens", 2, VERDICT_CONFIRMED, "63", "63");
		expect(&s, "bill.cached_tokens", 2, VERDICT_CONFIRMED, "3", "3");
		expect(&s, "bill.requests", 2, VERDICT_CONFIRMED, "3", "3");
		scene__close(&s);
	}
}

static void a_sum_over_several_choices_is_no_excuse_for_more_than_all_of_them(void **unused)
{
	(void)unused;
	for (int64_t more = 0; more < 2; more++) {
		struct scene s;

		scene__open(&s, 0);
		two_choices(&s);
		s.lines[0] = s.lines[N];
		s.lines[0].request_id = NULL;
		s.lines[0].cached_tokens = ABSENT;
		s.lines[0].prompt_tokens = ABSENT;
		s.lines[0].completion_tokens = 30 + 31 + 32 + 33 + 12 + more;
		s.bill.n = 1;
		scene__verify(&s);
		expect(&s, "bill.completion_tokens", 0, more ? VERDICT_REFUTED : VERDICT_CONFIRMED, NULL, NULL);
		scene__close(&s);
	}
}

/* Answered in one piece at the same time, of 5 and of 9 tokens: nothing tells which is whose. */
static void add_twins(struct scene *s)
{
	const uint64_t arrival = s->now;

	for (int i = 0; i < 2; i++) {
		struct row_request *q = maker__request(&s->m, arrival, 0);

		q->api_id = i ? "twin-b" : "twin-a";
		q->response_model = "small";
	}
	for (int i = 0; i < 9; i++) {
		s->now += MS;
		for (int seq = 0; seq < 2 && i == 0; seq++)
			maker__remove(&s->m, s->now, MAKER_TARGET, seq, 0);
		maker__step(&s->m, MAKER_TARGET, s->now, s->now + MS);
		if (i >= 4)
			maker__row(&s->m, 0, i == 4 ? 0 : 5 + i, i == 4 ? 10 : 1, 1);
		maker__row(&s->m, 1, i ? 9 + i : 0, i ? 1 : 10, 1);
		s->now += MS;
	}
	s->now += MS;
	for (int i = 0; i < 2; i++) {
		struct row_request *q = &s->m.recording.requests[N + i];

		q->end_ns = q->first_byte_ns = q->first_token_ns = q->last_token_ns = s->now;
		q->status = 200;
	}
	s->now += SECOND;
}

static void twins_are_open_by_themselves_and_not_in_the_sum(void **unused)
{
	(void)unused;
	for (int64_t more = 0; more < 2; more++) {
		struct scene s;

		scene__open(&s, 0);
		add_twins(&s);
		bill_line(&s.lines[N], N);
		s.lines[N].request_id = "twin-a";
		s.lines[N].completion_tokens = 5;
		s.bill.n = N + 1;
		scene__verify(&s);
		expect(&s, "bill.completion_tokens", N + 2, VERDICT_INCONCLUSIVE, NULL, NULL);
		verification__free(&s.v);
		s.lines[0].request_id = NULL;
		s.lines[0].cached_tokens = ABSENT;
		s.lines[0].prompt_tokens = 20 + 21 + 22 + 23 + 10 + 10;
		s.lines[0].completion_tokens = 30 + 31 + 32 + 33 + 5 + 9 + more;
		s.bill.n = 1;
		assert_int_equal(verify__run(&s.v, &s.in), 0);
		expect(&s, "bill.prompt_tokens", 0, VERDICT_CONFIRMED, NULL, NULL);
		expect(&s, "bill.completion_tokens", 0, more ? VERDICT_REFUTED : VERDICT_CONFIRMED, NULL, NULL);
		expect(&s, "bill.total_completion_tokens", 0, more ? VERDICT_REFUTED : VERDICT_CONFIRMED, NULL, NULL);
		scene__close(&s);
	}
}

static void a_window_that_was_not_recorded_whole_is_open(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	s.lines[0].request_id = NULL;
	s.lines[0].begin_unix_ns = UNIX_START - 100 * SECOND;
	s.lines[0].end_unix_ns = UNIX_START + 30 * SECOND;
	s.bill.n = 1;
	scene__verify(&s);
	expect(&s, "bill.completion_tokens", 2, VERDICT_INCONCLUSIVE, "30", NULL);
	scene__close(&s);
}

static void lines_with_times_alone_find_their_requests_though_clocks_differ(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	for (int i = 0; i < N; i++) {
		s.lines[i].request_id = NULL;
		s.lines[i].begin_unix_ns = UNIX_START + (int64_t)(s.m.recording.requests[i].arrival_ns - START) +
					   (i % 2 ? SECOND : -SECOND);
	}
	s.lines[3].completion_tokens += 1;
	bill_line(&s.lines[N], N);
	s.lines[N].begin_unix_ns = UNIX_START + 90 * SECOND;
	s.bill.n = N + 1;
	scene__verify(&s);
	for (int i = 0; i < 3; i++)
		expect(&s, "bill.completion_tokens", i + 2, VERDICT_CONFIRMED, NULL, NULL);
	expect(&s, "bill.completion_tokens", 5, VERDICT_REFUTED, "34", "33");
	expect(&s, "bill.phantom", N + 2, VERDICT_REFUTED, NULL, NULL);
	scene__close(&s);
}

static void windows_that_overlap_are_bad_input(void **unused)
{
	struct bill_line lines[2];
	struct bill bill = { .path = "bill.csv", .lines = lines, .n = 2 };
	char error[400] = "";

	(void)unused;
	for (int i = 0; i < 2; i++) {
		bill_line(&lines[i], i);
		lines[i].begin_unix_ns = UNIX_START + i * 50 * SECOND;
		lines[i].end_unix_ns = lines[i].begin_unix_ns + 60 * SECOND;
	}
	assert_int_equal(bill__check_windows(&bill, error, sizeof(error)), -EINVAL);
	assert_string_equal(
		error,
		"bill.csv:3: its window (2027-01-15 08:00:50 to 2027-01-15 08:01:50 UTC) overlaps that of line 2 "
		"(2027-01-15 08:00:00 to 2027-01-15 08:01:00 UTC)");
	lines[1].begin_unix_ns += 10 * SECOND;
	assert_int_equal(bill__check_windows(&bill, error, sizeof(error)), 0);
}

/* -------------------------------------------------------------------------------------------------------------- prices --- */

static struct tariff_tier tier;
static struct tariff_discount off_peak;

static struct decimal decimal(const char *text)
{
	struct decimal d;

	assert_int_equal(decimal__parse(&d, text, strlen(text)), 0);
	return d;
}

/* 2 and 8 per million tokens, a tenth of that for cached ones; to the millionth. */
static void add_prices(struct scene *s, struct tariff *t, const char *const *prices)
{
	tier = (struct tariff_tier){
		.prompt = decimal("2"), .cached = decimal("0.2"), .completion = decimal("8"), .has_cached = true
	};
	*t = (struct tariff){ .line = 1, .currency = "CNY", .tiers = &tier, .n_tiers = 1, .scale = 6 };
	t->rounding = ROUND_HALF_UP;
	for (int i = 0; i < N; i++) {
		s->lines[i].has_price = true;
		s->lines[i].price = decimal(prices[i]);
	}
	s->claims = (struct claims){ .tariffs = t, .n_tariffs = 1 };
	s->in.claims = &s->claims;
}

/* 20 x 2 + 30 x 8 = 280; 20 x 2 + 0.2 + 31 x 8 = 288.2; 296.4; 304.6, all in millionths. */
static const char *const honest_prices[] = { "0.000280", "0.000288", "0.000296", "0.000305" };

static void prices_follow_the_price_list_to_the_last_digit(void **unused)
{
	struct scene s;
	struct tariff t;

	(void)unused;
	scene__open(&s, 0);
	add_prices(&s, &t, honest_prices);
	scene__verify(&s);
	expect_verdict(&s, VERDICT_CONFIRMED);
	assert_int_equal(count(&s.v, VERDICT_CONFIRMED, "bill.price"), N);
	expect(&s, "bill.total_price", 0, VERDICT_CONFIRMED, "0.001169", "0.001169");
	verification__free(&s.v);
	s.lines[1].price = decimal("0.000289");
	assert_int_equal(verify__run(&s.v, &s.in), 0);
	expect(&s, "bill.price", 3, VERDICT_REFUTED, "0.000289", "0.000288");
	expect_says(&s, "bill.price", 3, "0.000001 CNY more");
	expect(&s, "bill.total_price", 0, VERDICT_REFUTED, "0.001170", "0.001169");
	scene__close(&s);
}

/* 1000 tokens at 4, all above at 2: each month's 1500 cost 5000 millionths, and none of them less for those of the month before. */
static void prices_by_the_month_begin_anew_with_each(void **unused)
{
	static struct tariff_tier tiers[2];
	/* The middle of January, February, and of January again. */
	static const int64_t days[] = { 0, 31, 0 };
	static const enum verdict verdicts[] = { VERDICT_CONFIRMED, VERDICT_CONFIRMED, VERDICT_INCONCLUSIVE };
	const char *const prices[N] = { "0.005000", "0.005000", "0.003000", "0" };
	struct scene s;
	struct tariff t;

	(void)unused;
	scene__open(&s, 0);
	add_prices(&s, &t, prices);
	tiers[0] = (struct tariff_tier){ .prompt = decimal("4"), .completion = decimal("4") };
	tiers[1] = (struct tariff_tier){ .prompt = decimal("2"), .completion = decimal("2"), .from_tokens = 1000 };
	t.tiers = tiers;
	t.n_tiers = 2;
	s.bill.n = 3;
	for (int i = 0; i < 3; i++) {
		s.lines[i].prompt_tokens = 1000;
		s.lines[i].cached_tokens = ABSENT;
		s.lines[i].completion_tokens = 500;
		s.lines[i].request_id = NULL;
		s.lines[i].begin_unix_ns = UNIX_START + days[i] * 86400 * SECOND;
	}
	scene__verify(&s);
	for (int i = 0; i < 3; i++)
		expect(&s, "bill.price", i + 2, verdicts[i], NULL, NULL);
	scene__close(&s);
}

/*
 * Tiers as above; the first line is of 1500 tokens of the middle of January, behind so many that are not in the bill. Whoever says how many gets
 * a verdict, and so does a price that no tier makes.
 */
static void prices_of_a_bill_that_begins_in_mid_month_are_open_unless_the_price_list_says_what_was_before(void **unused)
{
	static struct tariff_tier tiers[2];
	static const struct {
		const char *price;
		int64_t before;	/* -1: not said */
		bool is_first;	/* of the month */
		enum verdict verdict;
	} cases[] = {
		{ "0.005000", -1, false, VERDICT_CONFIRMED },	 { "0.003000", -1, false, VERDICT_INCONCLUSIVE },
		{ "0.004000", -1, false, VERDICT_INCONCLUSIVE }, { "0.006001", -1, false, VERDICT_REFUTED },
		{ "0.002999", -1, false, VERDICT_REFUTED },	 { "0.003000", 1000, false, VERDICT_CONFIRMED },
		{ "0.005000", 1000, false, VERDICT_REFUTED },	 { "0.004000", 500, false, VERDICT_CONFIRMED },
		{ "0.003000", 0, false, VERDICT_REFUTED },	 { "0.003000", -1, true, VERDICT_REFUTED },
		{ "0.005000", -1, true, VERDICT_CONFIRMED },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const prices[N] = { cases[i].price, "0", "0", "0" };
		struct scene s;
		struct tariff t;

		scene__open(&s, 0);
		add_prices(&s, &t, prices);
		tiers[0] = (struct tariff_tier){ .prompt = decimal("4"), .completion = decimal("4") };
		tiers[1] =
			(struct tariff_tier){ .prompt = decimal("2"), .completion = decimal("2"), .from_tokens = 1000 };
		t.tiers = tiers;
		t.n_tiers = 2;
		t.has_tokens_before = cases[i].before >= 0;
		t.tokens_before = t.has_tokens_before ? cases[i].before : 0;
		s.bill.n = 1;
		s.lines[0].prompt_tokens = 1000;
		s.lines[0].cached_tokens = ABSENT;
		s.lines[0].completion_tokens = 500;
		s.lines[0].request_id = NULL;
		s.lines[0].begin_unix_ns = UNIX_START;
		/* 2027-01-15 08:00 is UNIX_START; the bill is said to begin with January. */
		if (cases[i].is_first) {
			s.in.window_begin_unix_ns = UNIX_START - (14 * 86400 + 8 * 3600) * SECOND;
			s.in.window_end_unix_ns = UNIX_START + 86400 * SECOND;
		}
		scene__verify(&s);
		expect(&s, "bill.price", 2, cases[i].verdict, NULL, NULL);
		expect(&s, "bill.total_price", 0, cases[i].verdict, NULL, NULL);
		scene__close(&s);
	}
}

/* A path on the wire that names no model, among others that do. */
static void a_line_without_a_model_leaves_the_others_their_requests(void **unused)
{
	for (int window = 0; window < 2; window++) {
		struct scene s;

		(void)unused;
		scene__open(&s, 0);
		s.m.recording.requests[1].response_model = NULL;
		for (int i = 0; i < N; i++) {
			/* Requests are a minute and some steps apart. */
			s.lines[i].request_id = NULL;
			s.lines[i].begin_unix_ns = UNIX_START + (int64_t)(s.m.recording.requests[i].arrival_ns - START);
			if (window) {
				s.lines[i].begin_unix_ns = UNIX_START;
				s.lines[i].end_unix_ns = UNIX_START + (int64_t)(s.now - START);
			}
		}
		s.lines[1].model = NULL;
		scene__verify(&s);
		expect_verdict(&s, VERDICT_CONFIRMED);
		scene__close(&s);
	}
}

/* Two windows; the last request, with 23 and 33 tokens, begins 2 ms before the first one's end and ends in the second. */
static void two_windows(struct scene *s)
{
	const int64_t cut = UNIX_START + (int64_t)(s->m.recording.requests[N - 1].arrival_ns - START) + 2 * (int64_t)MS;

	s->bill.n = 2;
	for (int i = 0; i < 2; i++) {
		s->lines[i].request_id = NULL;
		s->lines[i].cached_tokens = ABSENT;
		s->lines[i].begin_unix_ns = i ? cut : UNIX_START;
		s->lines[i].end_unix_ns = i ? UNIX_START + (int64_t)(s->now - START) : cut;
		s->lines[i].prompt_tokens = i ? 23 : 20 + 21 + 22;
		s->lines[i].completion_tokens = i ? 33 : 30 + 31 + 32;
	}
}

static void a_request_may_be_billed_in_the_window_that_it_ended_in(void **unused)
{
	for (int64_t times = 1; times < 40; times += 38) {
		struct scene s;

		(void)unused;
		scene__open(&s, 1);
		two_windows(&s);
		s.lines[1].prompt_tokens = 23 * times;
		s.lines[1].completion_tokens = 33 * times;
		scene__verify(&s);
		expect_verdict(&s, times > 1 ? VERDICT_REFUTED : VERDICT_CONFIRMED);
		expect(&s, "compute.recording", 0, times > 1 ? VERDICT_REFUTED : VERDICT_CONFIRMED, NULL, NULL);
		if (times == 1) {
			expect_says(&s, "bill.completion_tokens", 3, "ended in its window");
			expect(&s, "bill.total_completion_tokens", 0, VERDICT_CONFIRMED, "126", "126");
		} else {
			expect_says(&s, "bill.completion_tokens", 3, "1254 more billed than put out, whichever window");
		}
		scene__close(&s);
	}
}

static void a_request_across_two_windows_excuses_no_more_than_its_own_tokens(void **unused)
{
	/* What the two windows bill, where 93 and 33 tokens were put out in the first and across its end. */
	static const struct {
		int64_t first, second;
		enum verdict verdicts[2], total;
	} cases[] = {
		{ 93 + 33, 0, { VERDICT_CONFIRMED, VERDICT_CONFIRMED }, VERDICT_CONFIRMED },
		{ 93 + 10, 23, { VERDICT_INCONCLUSIVE, VERDICT_INCONCLUSIVE }, VERDICT_CONFIRMED },
		{ 93 + 10, 24, { VERDICT_INCONCLUSIVE, VERDICT_INCONCLUSIVE }, VERDICT_REFUTED },
		{ 93 + 33, 33, { VERDICT_CONFIRMED, VERDICT_CONFIRMED }, VERDICT_REFUTED },
		{ 93, 0, { VERDICT_CONFIRMED, VERDICT_CONFIRMED }, VERDICT_REFUTED },
		{ 93 + 34, 0, { VERDICT_REFUTED, VERDICT_CONFIRMED }, VERDICT_REFUTED },
		{ 92, 33, { VERDICT_REFUTED, VERDICT_CONFIRMED }, VERDICT_REFUTED },
		{ 93, 34, { VERDICT_CONFIRMED, VERDICT_REFUTED }, VERDICT_REFUTED },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;

		scene__open(&s, 0);
		two_windows(&s);
		s.lines[0].completion_tokens = cases[i].first;
		s.lines[1].completion_tokens = cases[i].second;
		scene__verify(&s);
		expect(&s, "bill.completion_tokens", 2, cases[i].verdicts[0], NULL, NULL);
		expect(&s, "bill.completion_tokens", 3, cases[i].verdicts[1], NULL, NULL);
		expect(&s, "bill.total_completion_tokens", 0, cases[i].total, NULL, NULL);
		scene__close(&s);
	}
}

static void requests_of_a_window_are_counted_where_they_began_or_where_they_ended(void **unused)
{
	static const struct {
		int64_t first, second;
		enum verdict verdicts[2];
	} cases[] = {
		{ 4, 0, { VERDICT_CONFIRMED, VERDICT_CONFIRMED } },
		{ 3, 1, { VERDICT_CONFIRMED, VERDICT_CONFIRMED } },
		{ 5, 2, { VERDICT_REFUTED, VERDICT_REFUTED } },
		{ 2, 1, { VERDICT_REFUTED, VERDICT_CONFIRMED } },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;

		scene__open(&s, 0);
		two_windows(&s);
		s.lines[0].n_requests = cases[i].first;
		s.lines[1].n_requests = cases[i].second;
		scene__verify(&s);
		expect(&s, "bill.requests", 2, cases[i].verdicts[0], NULL, NULL);
		expect(&s, "bill.requests", 3, cases[i].verdicts[1], NULL, NULL);
		scene__close(&s);
	}
}

/*
 * The first window ends 2 ms after the end of the third request, which was written down 5 ms after it: in the second window. What a clock
 * explains has all figures of a request, and no part of them.
 */
static void what_was_written_down_a_little_late_may_stand_in_the_next_window(void **unused)
{
	static const struct {
		int64_t prompt, completion;	/* that the first window lacks */
		int64_t again;			/* completion tokens that the second has beyond them */
		enum verdict first, total;
	} cases[] = {
		{ 0, 0, 0, VERDICT_CONFIRMED, VERDICT_CONFIRMED },
		{ 22, 32, 0, VERDICT_INCONCLUSIVE, VERDICT_CONFIRMED },
		{ 22, 32, 1, VERDICT_INCONCLUSIVE, VERDICT_REFUTED },
		{ 22, 31, 0, VERDICT_REFUTED, VERDICT_CONFIRMED },
		{ 0, 32, 0, VERDICT_REFUTED, VERDICT_CONFIRMED },
		{ 21 + 22, 31 + 32, 0, VERDICT_REFUTED, VERDICT_CONFIRMED },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;
		int64_t cut;

		scene__open(&s, 0);
		two_windows(&s);
		cut = UNIX_START + (int64_t)(s.m.recording.requests[2].end_ns - START) + 2 * (int64_t)MS;
		s.lines[0].end_unix_ns = s.lines[1].begin_unix_ns = cut;
		s.lines[0].prompt_tokens -= cases[i].prompt;
		s.lines[0].completion_tokens -= cases[i].completion;
		s.lines[1].prompt_tokens += cases[i].prompt;
		s.lines[1].completion_tokens += cases[i].completion + cases[i].again;
		scene__verify(&s);
		expect(&s, "bill.completion_tokens", 2, cases[i].first, NULL, NULL);
		expect(&s, "bill.total_completion_tokens", 0, cases[i].total, NULL, NULL);
		scene__close(&s);
	}
}

static void a_request_in_both_windows_that_clocks_may_have_it_in_is_billed_twice(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	two_windows(&s);
	s.lines[0].end_unix_ns = s.lines[1].begin_unix_ns =
		UNIX_START + (int64_t)(s.m.recording.requests[2].end_ns - START) + 2 * (int64_t)MS;
	s.lines[1].prompt_tokens += 22;
	s.lines[1].completion_tokens += 32;
	scene__verify(&s);
	expect(&s, "bill.completion_tokens", 3, VERDICT_INCONCLUSIVE, NULL, NULL);
	expect(&s, "bill.total_completion_tokens", 0, VERDICT_REFUTED, NULL, NULL);
	scene__close(&s);
}

/* The first request asked for two choices, of 15 tokens each, and the bill has one of them, as llama.cpp's usage does. */
static void one_of_several_choices_in_a_window_is_not_too_few(void **unused)
{
	static const struct {
		int64_t more;
		enum verdict total;
	} cases[] = { { 0, VERDICT_INCONCLUSIVE }, { 15, VERDICT_CONFIRMED }, { 16, VERDICT_REFUTED } };

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;

		scene__open(&s, 0);
		two_windows(&s);
		s.lines[0].completion_tokens = 15 + 31 + 32 + cases[i].more;
		scene__verify(&s);
		verification__free(&s.v);
		/* Its one generation stands for both. */
		s.m.recording.requests[0].n = 2;
		assert_int_equal(verify__run(&s.v, &s.in), 0);
		expect(&s, "bill.total_completion_tokens", 0, cases[i].total, NULL, NULL);
		assert_int_equal(count(&s.v, VERDICT_REFUTED, NULL) > 0, cases[i].total == VERDICT_REFUTED);
		scene__close(&s);
	}
}

/* Two windows, of the first and the last request. The second one is of a time of which the bill does not speak. */
static void what_ended_in_a_gap_between_windows_is_not_missing(void **unused)
{
	for (int across = 0; across < 3; across++) {
		struct scene s;
		int64_t at[N];

		(void)unused;
		scene__open(&s, 0);
		two_windows(&s);
		for (int i = 0; i < N; i++)
			at[i] = UNIX_START + (int64_t)(s.m.recording.requests[i].arrival_ns - START);
		/* It began, or ended, in the gap; or the bill is said to cover all of the time. */
		s.lines[0].end_unix_ns = across == 1 ? at[1] + (int64_t)MS : at[1];
		s.lines[1].begin_unix_ns = at[3];
		s.lines[0].prompt_tokens = 20;
		s.lines[0].completion_tokens = 30;
		if (across == 2) {
			s.in.window_begin_unix_ns = UNIX_START;
			s.in.window_end_unix_ns = UNIX_START + (int64_t)(s.now - START);
		}
		scene__verify(&s);
		expect_verdict(&s, across == 2 ? VERDICT_REFUTED : VERDICT_CONFIRMED);
		assert_int_equal(find(&s.v, "bill.missing", 0) != NULL, across == 2);
		assert_int_equal(find_note(&s.v, "bill.uncovered") != NULL, across != 2);
		scene__close(&s);
	}
}

/* A log that was written while it was streamed, or that keeps what its client has seen. */
static void fewer_tokens_than_put_out_are_a_true_bill_for_a_client_that_left(void **unused)
{
	static const struct {
		int64_t more;
		const char *finish;
		bool left;
		enum verdict verdict;
	} cases[] = {
		{ -3, NULL, true, VERDICT_CONFIRMED }, { -33, NULL, true, VERDICT_CONFIRMED },
		{ 1, NULL, true, VERDICT_REFUTED },    { -3, NULL, false, VERDICT_REFUTED },
		{ -3, "stop", true, VERDICT_REFUTED },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;

		scene__open(&s, 0);
		s.m.recording.requests[N - 1].client_left = cases[i].left;
		s.m.recording.requests[N - 1].finish_reason = cases[i].finish;
		s.lines[N - 1].completion_tokens += cases[i].more;
		scene__verify(&s);
		expect_verdict(&s, cases[i].verdict);
		expect(&s, "bill.completion_tokens", N + 1, cases[i].verdict, NULL, "33");
		assert_int_equal(find_note(&s.v, "bill.until_left") != NULL, cases[i].verdict == VERDICT_CONFIRMED);
		scene__close(&s);
	}
}

/* One line for all: 280 + 288 + 296 + 305 is what its requests cost, and 1169.2 its tokens. */
static void rounding_every_request_is_no_wrong_sum(void **unused)
{
	static const struct {
		const char *price;
		int64_t n_requests;
		enum verdict verdict;
	} cases[] = {
		{ "0.001169", 4, VERDICT_CONFIRMED },	      { "0.001171", 4, VERDICT_INCONCLUSIVE },
		{ "0.001171", ABSENT, VERDICT_INCONCLUSIVE }, { "0.001174", 4, VERDICT_REFUTED },
		{ "0.001174", ABSENT, VERDICT_REFUTED },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *prices[N] = { cases[i].price, "0", "0", "0" };
		struct scene s;
		struct tariff t;

		scene__open(&s, 0);
		add_prices(&s, &t, prices);
		s.bill.n = 1;
		s.lines[0].request_id = NULL;
		s.lines[0].n_requests = cases[i].n_requests;
		s.lines[0].prompt_tokens = 20 + 21 + 22 + 23;
		s.lines[0].cached_tokens = 0 + 1 + 2 + 3;
		s.lines[0].completion_tokens = 30 + 31 + 32 + 33;
		scene__verify(&s);
		expect(&s, "bill.price", 2, cases[i].verdict, cases[i].price, "0.001169");
		expect(&s, "bill.total_price", 0, cases[i].verdict, cases[i].price, "0.001169");
		scene__close(&s);
	}
}

static void an_off_peak_discount_applies_to_requests_at_that_time(void **unused)
{
	/* 60 % less: 112; 115.28; 118.56; 121.84 */
	static const char *const prices[] = { "0.000112", "0.000115", "0.000119", "0.000122" };
	struct scene s;
	struct tariff t;

	(void)unused;
	scene__open(&s, 0);
	add_prices(&s, &t, prices);
	/* 1800000000 is Friday, 2027-01-15 08:00 UTC. */
	off_peak = (struct tariff_discount){ 7 * 60, 9 * 60, 0x7f, decimal("60") };
	t.discounts = &off_peak;
	t.n_discounts = 1;
	scene__verify(&s);
	expect_verdict(&s, VERDICT_CONFIRMED);
	verification__free(&s.v);
	off_peak.from_minute = 9 * 60;
	off_peak.to_minute = 10 * 60;
	assert_int_equal(verify__run(&s.v, &s.in), 0);
	assert_int_equal(count(&s.v, VERDICT_REFUTED, "bill.price"), N);
	scene__close(&s);
}

/* The first request comes with the discount, at 08:00:00; the biller's clock may have been a little slow. */
static void a_discount_that_begins_with_a_request_is_a_matter_of_clocks(void **unused)
{
	static const char *const prices[] = { "0.000280", "0.000115", "0.000119", "0.000122" };
	struct scene s;
	struct tariff t;

	(void)unused;
	scene__open(&s, 0);
	add_prices(&s, &t, prices);
	off_peak = (struct tariff_discount){ 8 * 60, 9 * 60, 0x7f, decimal("60") };
	t.discounts = &off_peak;
	t.n_discounts = 1;
	scene__verify(&s);
	expect(&s, "bill.price", 2, VERDICT_INCONCLUSIVE, "0.000280", "0.000112");
	expect(&s, "bill.total_price", 0, VERDICT_INCONCLUSIVE, NULL, NULL);
	assert_int_equal(count(&s.v, VERDICT_CONFIRMED, "bill.price"), N - 1);
	verification__free(&s.v);
	s.lines[1].price = decimal("0.000288");
	assert_int_equal(verify__run(&s.v, &s.in), 0);
	expect(&s, "bill.price", 3, VERDICT_REFUTED, "0.000288", "0.000115");
	expect(&s, "bill.total_price", 0, VERDICT_REFUTED, NULL, NULL);
	scene__close(&s);
}

/* The bill says that they were made three hours later, or in the hour then, when nothing is taken off. */
static void when_a_request_was_made_the_recording_says_and_not_the_bill(void **unused)
{
	for (int hour = 0; hour < 2; hour++) {
		struct scene s;
		struct tariff t;

		(void)unused;
		scene__open(&s, 0);
		add_prices(&s, &t, honest_prices);
		off_peak = (struct tariff_discount){ 7 * 60, 9 * 60, 0x7f, decimal("60") };
		t.discounts = &off_peak;
		t.n_discounts = 1;
		for (int i = 0; i < N; i++) {
			s.lines[i].begin_unix_ns = UNIX_START + 3 * 3600 * SECOND;
			s.lines[i].end_unix_ns = hour ? UNIX_START + 4 * 3600 * SECOND : ABSENT;
		}
		scene__verify(&s);
		assert_int_equal(count(&s.v, VERDICT_REFUTED, "bill.price"), N);
		scene__close(&s);
	}
}

/* One unit too much in each, and the day beside its id: a sum of many roundings that is none. */
static void the_day_of_a_request_makes_no_sum_of_it(void **unused)
{
	static const char *const prices[] = { "0.000281", "0.000289", "0.000297", "0.000306" };
	struct scene s;
	struct tariff t;

	(void)unused;
	scene__open(&s, 0);
	add_prices(&s, &t, prices);
	for (int i = 0; i < N; i++) {
		s.lines[i].begin_unix_ns = UNIX_START - 8 * 3600 * SECOND;
		s.lines[i].end_unix_ns = UNIX_START + 16 * 3600 * SECOND;
	}
	scene__verify(&s);
	assert_int_equal(count(&s.v, VERDICT_REFUTED, "bill.price"), N);
	scene__close(&s);
}

static void prices_without_a_price_list_are_noted_as_unchecked(void **unused)
{
	struct scene s;
	struct tariff t;

	(void)unused;
	scene__open(&s, 0);
	add_prices(&s, &t, honest_prices);
	s.in.claims = NULL;
	scene__verify(&s);
	expect_verdict(&s, VERDICT_CONFIRMED);
	assert_non_null(find_note(&s.v, "bill.price_unchecked"));
	scene__close(&s);
}

/* ------------------------------------------------------------------------------------------------------------- compute --- */

static void counts_that_no_compute_backs_are_self_reported(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0);
	scene__verify(&s);
	assert_int_equal(find(&s.v, "bill.completion_tokens", 2)->grade, GRADE_SELF_REPORTED);
	assert_null(find(&s.v, "compute.request", 0));
	assert_non_null(strstr(find_note(&s.v, "compute.unavailable")->text, "tokprof calibrate"));
	scene__close(&s);
}

static void compute_that_was_measured_backs_the_counts(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 1);
	scene__verify(&s);
	expect_verdict(&s, VERDICT_CONFIRMED);
	assert_int_equal(count(&s.v, VERDICT_CONFIRMED, "compute.request"), N);
	expect(&s, "compute.recording", 0, VERDICT_CONFIRMED, NULL, NULL);
	assert_int_equal(find(&s.v, "bill.completion_tokens", 2)->grade, GRADE_MEASURED);
	expect_says(&s, "compute.request", 2, "an inflation from");
	scene__close(&s);
}

static void batches_that_were_reported_and_not_computed_are_refuted(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0.05);
	scene__verify(&s);
	expect_verdict(&s, VERDICT_REFUTED);
	/* The counts agree with each other: the server made them all up. */
	assert_int_equal(count(&s.v, VERDICT_CONFIRMED, "bill.completion_tokens"), N);
	assert_int_equal(count(&s.v, VERDICT_REFUTED, "compute.request"), N);
	expect(&s, "compute.recording", 0, VERDICT_REFUTED, NULL, NULL);
	scene__close(&s);
}

static void a_machine_that_is_half_again_as_fast_as_calibrated_is_no_accusation(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0.65);
	scene__verify(&s);
	expect_verdict(&s, VERDICT_CONFIRMED);
	assert_int_equal(count(&s.v, VERDICT_REFUTED, NULL), 0);
	assert_int_equal(find(&s.v, "bill.completion_tokens", 2)->grade, GRADE_SELF_REPORTED);
	assert_non_null(find_note(&s.v, "compute.open"));
	scene__close(&s);
}

static void twice_the_tokens_do_not_fit_the_compute_either(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 1);
	s.lines[2].completion_tokens *= 2;
	scene__verify(&s);
	expect(&s, "bill.completion_tokens", 4, VERDICT_REFUTED, "64", "32");
	expect(&s, "compute.request", 4, VERDICT_REFUTED, NULL, NULL);
	assert_int_equal(count(&s.v, VERDICT_REFUTED, "compute.request"), 1);
	scene__close(&s);
}

static void a_model_fitted_to_the_recording_itself_proves_nothing(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 1);
	s.fit.fit.origin = FIT_ORIGIN_RECORDING;
	scene__verify(&s);
	assert_int_equal(find(&s.v, "bill.completion_tokens", 2)->grade, GRADE_SELF_REPORTED);
	assert_non_null(strstr(find_note(&s.v, "compute.unavailable")->text, "fitted to the very steps"));
	scene__close(&s);
}

/* Two threads: while one waits, the other may spin. Made on a machine that was so busy, a price may be half spinning. */
static void a_calibration_beside_other_programs_accuses_nobody(void **unused)
{
	static const struct {
		double waited;
		enum verdict verdict;
	} cases[] = { { 0.01, VERDICT_REFUTED }, { 0.5, VERDICT_CONFIRMED } };

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;

		scene__open(&s, 0.2);
		s.fit.fit.waited = cases[i].waited;
		scene__verify(&s);
		expect_verdict(&s, cases[i].verdict);
		scene__close(&s);
	}
}

static void a_calibration_that_does_not_say_how_busy_it_was_judges_nothing(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 0.05);
	s.fit.fit.waited = NAN;
	scene__verify(&s);
	expect_verdict(&s, VERDICT_CONFIRMED);
	assert_int_equal(find(&s.v, "bill.completion_tokens", 2)->grade, GRADE_SELF_REPORTED);
	assert_non_null(strstr(find_note(&s.v, "compute.unavailable")->text, "kept the server's threads waiting"));
	scene__close(&s);
}

/* Within 60 % nobody could see that half of the tokens were missing: the counts stay the server's own word. */
static void an_interval_that_is_too_wide_backs_no_count(void **unused)
{
	for (int wide = 0; wide < 2; wide++) {
		struct scene s;

		(void)unused;
		scene__open(&s, 1);
		s.fit.fit.waited = wide ? 0.3 : 0.01;
		scene__verify(&s);
		expect_verdict(&s, VERDICT_CONFIRMED);
		assert_int_equal(find(&s.v, "bill.completion_tokens", 2)->grade,
				 wide ? GRADE_SELF_REPORTED : GRADE_MEASURED);
		assert_int_equal(find_note(&s.v, "compute.open") != NULL, wide);
		scene__close(&s);
	}
}

/* Three of four requests were computed: all together there is room, in the last one's hour there is not. */
static void batches_that_were_made_up_for_one_hour_are_found_in_it(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open_late(&s, 1, 0.05);
	scene__verify(&s);
	expect(&s, "compute.recording", 0, VERDICT_CONFIRMED, NULL, NULL);
	assert_int_equal(count(&s.v, VERDICT_CONFIRMED, "compute.hour"), 1);
	assert_int_equal(count(&s.v, VERDICT_REFUTED, "compute.hour"), 1);
	expect_says(&s, "compute.hour", 0, "an inflation from");
	expect(&s, "compute.request", 2, VERDICT_CONFIRMED, NULL, NULL);
	expect(&s, "compute.request", N + 1, VERDICT_REFUTED, NULL, NULL);
	scene__close(&s);
}

/* One request two hours after the others, its steps half of what they take by the model, of which one is off by 12 %. */
static void idle_minutes_make_nobody_surer(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open_late(&s, 1, 0.5);
	s.fit.fit.cost.sigma = 0.12;
	scene__verify(&s);
	expect_verdict(&s, VERDICT_CONFIRMED);
	assert_int_equal(count(&s.v, VERDICT_REFUTED, "compute.hour"), 0);
	scene__close(&s);
}

/*
 * An AVX2 processor of 4 GHz does 768 operations a ns at most, and loads 768 bytes. Of 6e9 weights in 12 GB a token takes 15.6 ms. They
 * are those of the first of two layers: what a token without an output has of the last one is next to nothing.
 */
static void scene__open_with_weights(struct scene *s, int64_t weights, const char *device_files)
{
	scene__open(s, 0);
	s->m.recording.models[0].n_layers = 2;
	s->m.recording.models[0].active_params = 2 * weights + 1000;
	s->m.recording.models[0].active_weight_bytes = 2 * (2 * weights + 1000);
	s->m.recording.models[0].lookup_params = 1000;
	maker__meta(&s->m, "cpu_features", "sse2 avx2 fma");
	maker__meta(&s->m, "cpu_max_khz", "4000000");
	maker__meta(&s->m, "device_files", device_files);
}

/* The scene's steps take about 5 ms of CPU time each. */
static void no_token_takes_less_than_arithmetic_on_any_machine(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open_with_weights(&s, 30000000, "");
	scene__verify(&s);
	expect_verdict(&s, VERDICT_CONFIRMED);
	expect(&s, "compute.floor", 0, VERDICT_CONFIRMED, NULL, NULL);
	expect_says(&s, "compute.floor", 0, "times the least");
	assert_int_equal(find(&s.v, "bill.completion_tokens", 2)->grade, GRADE_SELF_REPORTED);
	scene__close(&s);
	scene__open_with_weights(&s, 6000000000, "");
	scene__verify(&s);
	expect_verdict(&s, VERDICT_REFUTED);
	assert_int_equal(count(&s.v, VERDICT_REFUTED, "compute.floor"), N + 1);
	/* 20 prompt tokens and 29 of 30 that were put out: 49 x 2 x 6e9 / 768 */
	expect(&s, "compute.floor", 2, VERDICT_REFUTED, "765625000", NULL);
	scene__close(&s);
}

static void ten_thousand_times_the_tokens_are_found_without_a_calibration(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open_with_weights(&s, 30000000, "");
	s.lines[1].completion_tokens *= 10000;
	scene__verify(&s);
	expect(&s, "compute.floor", 3, VERDICT_REFUTED, NULL, NULL);
	assert_int_equal(count(&s.v, VERDICT_REFUTED, "compute.floor"), 2);
	scene__close(&s);
}

static void a_device_may_have_computed_what_the_processor_did_not(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open_with_weights(&s, 6000000000, "/dev/nvidia0");
	scene__verify(&s);
	expect_verdict(&s, VERDICT_CONFIRMED);
	assert_non_null(strstr(find_note(&s.v, "compute.no_floor")->text, "device"));
	scene__close(&s);
}

/* One layer may be left out for most tokens; of an encoder and a decoder one; a second server may have the draft's file alone. */
static void what_a_token_may_not_go_through_is_in_no_floor(void **unused)
{
	static const struct {
		int64_t n_layers;
		const char *arch;
		bool draft, two_servers, known;
	} cases[] = {
		{ 2, "llama", false, false, true }, { 1, "llama", false, false, false },
		{ 2, "t5", false, false, false },   { ABSENT, "llama", false, false, false },
		{ 2, "llama", true, false, true },  { 2, "llama", true, true, false },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;

		scene__open_with_weights(&s, 6000000000, "");
		s.m.recording.models[0].n_layers = cases[i].n_layers;
		s.m.recording.models[0].arch = cases[i].arch;
		if (cases[i].draft) {
			maker__model(&s.m, &(struct row_model){ .id = 2, .digest = "bb", .weight_bytes = 100 });
			maker__context(&s.m, 7, "draft");
		}
		if (cases[i].two_servers) {
			maker__context(&s.m, 8, "target");
			s.m.recording.contexts[2].pid = MAKER_PID + 1;
		}
		scene__verify(&s);
		expect_verdict(&s, cases[i].known ? VERDICT_REFUTED : VERDICT_CONFIRMED);
		assert_int_equal(find_note(&s.v, "compute.no_floor") == NULL, cases[i].known);
		scene__close(&s);
	}
}

/*
 * Which of two generations, of 30 and 33 tokens, is the first request's and which the last one's is open. On this processor the first one's steps
 * have room for its own tokens and not for the other's: that accuses nobody, unless both together are billed for more.
 */
static void what_one_of_two_has_too_much_of_the_other_may_lack(void **unused)
{
	for (int64_t more = 0; more <= 20; more += 20) {
		struct scene s;

		(void)unused;
		scene__open_with_weights(&s, 960000000, "");
		bill_line(&s.lines[0], N - 1);
		bill_line(&s.lines[N - 1], 0);
		s.lines[0].request_id = s.ids[0];
		s.lines[N - 1].request_id = s.ids[N - 1];
		s.lines[0].completion_tokens += more;
		scene__verify(&s);
		expect(&s, "compute.floor", 2 + N - 1, VERDICT_REFUTED, NULL, NULL);
		verification__free(&s.v);
		s.timeline.requests[0].match = s.timeline.requests[N - 1].match = MATCH_AMBIGUOUS;
		assert_int_equal(verify__run(&s.v, &s.in), 0);
		assert_int_equal(count(&s.v, VERDICT_REFUTED, NULL), more > 0);
		expect(&s, "compute.floor", 0, more > 0 ? VERDICT_REFUTED : VERDICT_CONFIRMED, NULL, NULL);
		scene__close(&s);
	}
}

/* ----------------------------------------------------------------------------------------------------------- many cases --- */

struct many {
	struct maker m;
	struct server_truth *truth;
	struct timeline timeline;
	struct ledger ledger;
	char (*ids)[24];
	struct verify_input in;
};

static void many__open(struct many *x, uint64_t seed, int n_draft)
{
	const struct server_options o = {
		.seed = seed,
		.n_requests = 40,
		.n_slots = 4,
		.max_prompt = 300,
		.max_completion = 40,
		.mean_gap_ns = 20 * MS,
		.percent_cached = 30,
		.percent_stream = 70,
		.percent_leaves = 5,
		.n_draft = n_draft,
		.draft_context = n_draft && seed % 2,
	};

	memset(x, 0, sizeof(*x));
	x->truth = make_server(&x->m, &o);
	x->ids = calloc((size_t)o.n_requests, sizeof(*x->ids));
	assert_non_null(x->ids);
	for (size_t i = 0; i < x->m.recording.n_requests; i++) {
		struct row_request *q = &x->m.recording.requests[i];
		const struct server_truth *t = &x->truth[q->id - 1];

		snprintf(x->ids[i], sizeof(x->ids[i]), "cmpl-%zu", i);
		q->api_id = x->ids[i];
		q->slot = t->slot;
		if (q->client_left)
			continue;
		q->billed_prompt_tokens = t->prompt + t->cached;
		q->billed_cached_tokens = t->cached;
		q->billed_completion_tokens = t->completion;
	}
	assert_int_equal(timeline__build(&x->timeline, maker__finish(&x->m)), 0);
	assert_int_equal(ledger__build(&x->ledger, &x->timeline, NULL), 0);
	x->in = (struct verify_input){ .recording = &x->m.recording, .timeline = &x->timeline, .ledger = &x->ledger };
	x->in.window_begin_unix_ns = x->in.window_end_unix_ns = ABSENT;
}

static void many__close(struct many *x)
{
	ledger__free(&x->ledger);
	timeline__free(&x->timeline);
	free(x->truth);
	free(x->ids);
	maker__free(&x->m);
}

static int refuted_of(const struct verification *v, const char *id, int64_t request)
{
	int n = 0;

	for (size_t i = 0; i < v->n; i++) {
		const struct check *c = &v->checks[i];

		n += c->verdict == VERDICT_REFUTED && strcmp(c->id, id) == 0 &&
		     (request == 0 || (c->n_evidence && c->evidence[0] == request));
	}
	return n;
}

static void no_honest_bill_of_a_busy_server_is_accused_and_every_inflation_found(void **unused)
{
	int n_tampered = 0, n_open = 0;

	(void)unused;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct many x;
		struct verification v;
		uint64_t random = seed;

		many__open(&x, seed, seed % 3 == 0 ? 4 : 0);
		assert_int_equal(verify__run(&v, &x.in), 0);
		if (v.n_by_verdict[VERDICT_REFUTED])
			print_checks(&v);
		assert_int_equal(v.n_by_verdict[VERDICT_REFUTED], 0);
		verification__free(&v);
		for (int k = 0; k < 20; k++) {
			struct row_request *q =
				&x.m.recording.requests[random_below(&random, x.m.recording.n_requests)];
			const struct row_request honest = *q;
			const bool prompt = random_below(&random, 2);
			const int64_t more = 1 + (int64_t)random_below(&random, 3);

			if (q->billed_completion_tokens == ABSENT)
				continue;
			if (prompt)
				q->billed_prompt_tokens += more;
			else
				q->billed_completion_tokens += more;
			assert_int_equal(verify__run(&v, &x.in), 0);
			n_tampered++;
			if (v.verdict == VERDICT_REFUTED)
				assert_int_equal(
					refuted_of(&v, prompt ? "bill.prompt_tokens" : "bill.completion_tokens", q->id),
					1);
			else
				n_open++;
			assert_int_not_equal(v.verdict, VERDICT_CONFIRMED);
			verification__free(&v);
			*q = honest;
		}
		many__close(&x);
	}
	assert_true(n_tampered > 200);
	print_message("%d tamperings: %d refuted, %d inconclusive\n", n_tampered, n_tampered - n_open, n_open);
	assert_true(n_open < n_tampered / 10);
}

/* Its last step accepted three tokens of which the stop may have been any: 31, 32 or 33 of them came before it or with it. */
static void tokens_after_the_stop_are_open_within_the_last_step_and_refuted_beyond_it(void **unused)
{
	for (int64_t billed = 30; billed <= 34; billed++) {
		struct scene s;
		struct timeline_row *row;

		(void)unused;
		scene__open(&s, 0);
		s.lines[N - 1].completion_tokens = billed;
		scene__verify(&s);
		verification__free(&s.v);
		row = &s.timeline.rows[s.timeline.n_rows - 1];
		row->phase = PHASE_VERIFY;
		row->n_emitted = 3;
		s.timeline.runs[row->run].emitted_proven = true;
		s.timeline.requests[N - 1].incomplete |= INCOMPLETE_EMITTED;
		assert_int_equal(verify__run(&s.v, &s.in), 0);
		expect(&s, "bill.completion_tokens", N + 1, billed > 33 ? VERDICT_REFUTED : VERDICT_INCONCLUSIVE, NULL,
		       NULL);
		if (billed > 33)
			expect_says(&s, "bill.completion_tokens", N + 1, "tokens after the stop included");
		scene__close(&s);
	}
}

/* The second request is the first one's again, which the server had answered with 503: both are billed, or one of them twice. */
static void a_retry_is_billed_once_and_its_failure_not_at_all(void **unused)
{
	for (int twice = 0; twice < 2; twice++) {
		struct scene s;

		(void)unused;
		scene__open(&s, 0);
		s.m.recording.requests[0].status = 503;
		if (twice) {
			s.lines[0].request_id = s.ids[1];
			s.lines[0].prompt_tokens = prompt_of(1);
			s.lines[0].cached_tokens = 1;
			s.lines[0].completion_tokens = completion_of(1);
		}
		scene__verify(&s);
		expect_verdict(&s, VERDICT_REFUTED);
		expect(&s, twice ? "bill.duplicate" : "bill.failed", twice ? 3 : 2, VERDICT_REFUTED, NULL, "0");
		assert_int_equal(count(&s.v, VERDICT_REFUTED, twice ? "bill.failed" : "bill.duplicate"), 0);
		scene__close(&s);
	}
}

static void rejected_drafts_that_are_billed_are_named(void **unused)
{
	struct many x;
	struct verification v;
	int n = 0;

	(void)unused;
	many__open(&x, 7, 4);
	for (size_t i = 0; i < x.m.recording.n_requests; i++) {
		struct row_request *q = &x.m.recording.requests[i];

		if (q->billed_completion_tokens != ABSENT)
			q->billed_completion_tokens += x.truth[q->id - 1].rejected;
	}
	assert_int_equal(verify__run(&v, &x.in), 0);
	for (size_t i = 0; i < v.n; i++) {
		const struct check *c = &v.checks[i];
		char rejected[32];

		if (strcmp(c->id, "bill.rejected_drafts") != 0)
			continue;
		n++;
		snprintf(rejected, sizeof(rejected), "%lld", (long long)x.truth[c->evidence[0] - 1].rejected);
		assert_int_equal(c->verdict, VERDICT_REFUTED);
		assert_string_equal(c->claimed, rejected);
	}
	assert_true(n > 10);
	verification__free(&v);
	many__close(&x);
}

/* -------------------------------------------------------------------------------------------------------------- output --- */

static char *written(const struct scene *s, const struct verify_output *output, size_t *size)
{
	const struct verify_output_options options = { .columns = 80, .path = "run.tokprof", .bill_path = "bill.csv" };
	char *bytes = NULL;
	FILE *f = open_memstream(&bytes, size);

	assert_non_null(f);
	assert_int_equal(output->write(f, &s->v, &s->in, &options), 0);
	fclose(f);
	return bytes;
}

static void the_same_recording_gives_the_same_bytes_and_the_verdict_stands_first(void **unused)
{
	for (int k = 0; verify_outputs[k]; k++) {
		struct scene a, b;
		size_t n_a, n_b;
		char *x, *y;

		(void)unused;
		scene__open(&a, 1);
		scene__open(&b, 1);
		a.lines[0].completion_tokens = b.lines[0].completion_tokens = 31;
		scene__verify(&a);
		scene__verify(&b);
		x = written(&a, verify_outputs[k], &n_a);
		y = written(&b, verify_outputs[k], &n_b);
		assert_int_equal(n_a, n_b);
		assert_memory_equal(x, y, n_a);
		assert_in_range(strstr(x, "REFUTED") - x, 0, 96);
		assert_non_null(strstr(x, "1 more billed than put out"));
		free(x);
		free(y);
		scene__close(&a);
		scene__close(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_honest_bill_is_confirmed_in_every_line),
		cmocka_unit_test(without_a_bill_the_usage_on_the_wire_is_the_bill),
		cmocka_unit_test(a_recording_without_any_bill_is_inconclusive),
		cmocka_unit_test(one_completion_token_more_is_refuted_and_named),
		cmocka_unit_test(one_completion_token_fewer_is_no_true_bill_either),
		cmocka_unit_test(cached_prompt_tokens_billed_as_computed_are_refuted),
		cmocka_unit_test(prompt_tokens_that_nobody_computed_are_refuted),
		cmocka_unit_test(a_bill_that_does_not_speak_of_the_cache_is_not_accused_of_it),
		cmocka_unit_test(usage_of_several_choices_may_cover_one_of_them_or_all),
		cmocka_unit_test(a_choice_that_was_not_found_leaves_the_count_open),
		cmocka_unit_test(reasoning_tokens_are_part_of_the_completion),
		cmocka_unit_test(an_answer_without_any_step_is_no_completion),
		cmocka_unit_test(a_request_that_was_never_made_is_refuted),
		cmocka_unit_test(a_phantom_is_open_where_the_bill_covers_more_than_was_recorded),
		cmocka_unit_test(a_phantom_is_open_where_records_of_the_wire_were_lost),
		cmocka_unit_test(a_request_that_is_billed_twice_is_refuted_once),
		cmocka_unit_test(a_request_that_the_bill_leaves_out_is_missing),
		cmocka_unit_test(a_request_whose_client_left_need_not_be_billed),
		cmocka_unit_test(what_a_stream_counted_until_it_broke_off_is_no_bill),
		cmocka_unit_test(a_count_in_a_stream_that_the_server_broke_off_bills_no_failure),
		cmocka_unit_test(what_was_not_recorded_needs_no_measured_compute),
		cmocka_unit_test(a_refused_request_is_not_to_be_billed),
		cmocka_unit_test(another_model_than_the_wires_is_refuted),
		cmocka_unit_test(losses_in_its_time_leave_a_request_open_and_no_other),
		cmocka_unit_test(windows_are_compared_as_sums),
		cmocka_unit_test(a_line_for_the_whole_month_covers_all_requests_of_its_model),
		cmocka_unit_test(what_a_sum_need_not_cover_may_be_left_out_of_it_and_no_token_more),
		cmocka_unit_test(a_sum_over_several_choices_is_no_excuse_for_more_than_all_of_them),
		cmocka_unit_test(twins_are_open_by_themselves_and_not_in_the_sum),
		cmocka_unit_test(a_window_that_was_not_recorded_whole_is_open),
		cmocka_unit_test(lines_with_times_alone_find_their_requests_though_clocks_differ),
		cmocka_unit_test(windows_that_overlap_are_bad_input),
		cmocka_unit_test(prices_follow_the_price_list_to_the_last_digit),
		cmocka_unit_test(rounding_every_request_is_no_wrong_sum),
		cmocka_unit_test(a_request_may_be_billed_in_the_window_that_it_ended_in),
		cmocka_unit_test(a_request_across_two_windows_excuses_no_more_than_its_own_tokens),
		cmocka_unit_test(requests_of_a_window_are_counted_where_they_began_or_where_they_ended),
		cmocka_unit_test(what_was_written_down_a_little_late_may_stand_in_the_next_window),
		cmocka_unit_test(a_request_in_both_windows_that_clocks_may_have_it_in_is_billed_twice),
		cmocka_unit_test(one_of_several_choices_in_a_window_is_not_too_few),
		cmocka_unit_test(what_ended_in_a_gap_between_windows_is_not_missing),
		cmocka_unit_test(fewer_tokens_than_put_out_are_a_true_bill_for_a_client_that_left),
		cmocka_unit_test(a_line_without_a_model_leaves_the_others_their_requests),
		cmocka_unit_test(prices_by_the_month_begin_anew_with_each),
		cmocka_unit_test(
			prices_of_a_bill_that_begins_in_mid_month_are_open_unless_the_price_list_says_what_was_before),
		cmocka_unit_test(an_off_peak_discount_applies_to_requests_at_that_time),
		cmocka_unit_test(a_discount_that_begins_with_a_request_is_a_matter_of_clocks),
		cmocka_unit_test(when_a_request_was_made_the_recording_says_and_not_the_bill),
		cmocka_unit_test(the_day_of_a_request_makes_no_sum_of_it),
		cmocka_unit_test(prices_without_a_price_list_are_noted_as_unchecked),
		cmocka_unit_test(counts_that_no_compute_backs_are_self_reported),
		cmocka_unit_test(compute_that_was_measured_backs_the_counts),
		cmocka_unit_test(batches_that_were_reported_and_not_computed_are_refuted),
		cmocka_unit_test(a_machine_that_is_half_again_as_fast_as_calibrated_is_no_accusation),
		cmocka_unit_test(a_calibration_beside_other_programs_accuses_nobody),
		cmocka_unit_test(a_calibration_that_does_not_say_how_busy_it_was_judges_nothing),
		cmocka_unit_test(an_interval_that_is_too_wide_backs_no_count),
		cmocka_unit_test(batches_that_were_made_up_for_one_hour_are_found_in_it),
		cmocka_unit_test(no_token_takes_less_than_arithmetic_on_any_machine),
		cmocka_unit_test(ten_thousand_times_the_tokens_are_found_without_a_calibration),
		cmocka_unit_test(a_device_may_have_computed_what_the_processor_did_not),
		cmocka_unit_test(idle_minutes_make_nobody_surer),
		cmocka_unit_test(what_a_token_may_not_go_through_is_in_no_floor),
		cmocka_unit_test(what_one_of_two_has_too_much_of_the_other_may_lack),
		cmocka_unit_test(twice_the_tokens_do_not_fit_the_compute_either),
		cmocka_unit_test(a_model_fitted_to_the_recording_itself_proves_nothing),
		cmocka_unit_test(no_honest_bill_of_a_busy_server_is_accused_and_every_inflation_found),
		cmocka_unit_test(tokens_after_the_stop_are_open_within_the_last_step_and_refuted_beyond_it),
		cmocka_unit_test(a_retry_is_billed_once_and_its_failure_not_at_all),
		cmocka_unit_test(rejected_drafts_that_are_billed_are_named),
		cmocka_unit_test(the_same_recording_gives_the_same_bytes_and_the_verdict_stands_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
