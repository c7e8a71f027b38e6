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

#include "make_billing.h"
#include "make_server.h"
#include "output/verify.h"

/* -------------------------------------------------------------------------------------------------------------- counts --- */

static void an_honest_bill_is_confirmed_in_every_line(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	billing__verify(&s);
	billing__expect_verdict(&s, VERDICT_CONFIRMED);
	assert_int_equal(verdict__count(&s.v, VERDICT_CONFIRMED, "bill.completion_tokens"), N);
	assert_int_equal(verdict__count(&s.v, VERDICT_CONFIRMED, "bill.prompt_tokens"), N);
	assert_int_equal(verdict__count(&s.v, VERDICT_CONFIRMED, "bill.cached_tokens"), N);
	assert_int_equal(verdict__count(&s.v, VERDICT_CONFIRMED, "bill.model"), N);
	billing__expect(&s, "bill.total_completion_tokens", 0, VERDICT_CONFIRMED, "126", "126");
	billing__expect(&s, "bill.total_prompt_tokens", 0, VERDICT_CONFIRMED, "86", "86");
	billing__close(&s);
}

static void without_a_bill_the_usage_on_the_wire_is_the_bill(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	s.in.bill = NULL;
	s.m.recording.requests[1].billed_completion_tokens += 1;
	billing__verify(&s);
	billing__expect_verdict(&s, VERDICT_REFUTED);
	assert_int_equal(verdict__count(&s.v, VERDICT_REFUTED, "bill.completion_tokens"), 1);
	assert_int_equal(verdict__count(&s.v, VERDICT_CONFIRMED, "bill.completion_tokens"), N - 1);
	assert_string_equal(verdict__find(&s.v, "bill.completion_tokens", 0)->subject, "request 1 (req-1)");
	billing__close(&s);
}

static void a_recording_without_any_bill_is_inconclusive(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	s.in.bill = NULL;
	for (int i = 0; i < N; i++)
		s.m.recording.requests[i].billed_prompt_tokens = s.m.recording.requests[i].billed_cached_tokens =
			s.m.recording.requests[i].billed_completion_tokens = ABSENT;
	billing__verify(&s);
	billing__expect_verdict(&s, VERDICT_INCONCLUSIVE);
	assert_non_null(verdict__note(&s.v, "bill.no_usage"));
	billing__close(&s);
}

static void one_completion_token_more_is_refuted_and_named(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	s.lines[2].completion_tokens += 1;
	billing__verify(&s);
	billing__expect_verdict(&s, VERDICT_REFUTED);
	billing__expect(&s, "bill.completion_tokens", 4, VERDICT_REFUTED, "33", "32");
	billing__expect_says(&s, "bill.completion_tokens", 4, "1 more billed than put out");
	assert_int_equal(verdict__find(&s.v, "bill.completion_tokens", 4)->evidence[0], 3);
	assert_int_equal(verdict__count(&s.v, VERDICT_REFUTED, "bill.completion_tokens"), 1);
	billing__expect(&s, "bill.total_completion_tokens", 0, VERDICT_REFUTED, "127", "126");
	billing__close(&s);
}

static void one_completion_token_fewer_is_no_true_bill_either(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	s.lines[2].completion_tokens -= 1;
	billing__verify(&s);
	billing__expect(&s, "bill.completion_tokens", 4, VERDICT_REFUTED, "31", "32");
	billing__expect_says(&s, "bill.completion_tokens", 4, "customer's favour");
	billing__close(&s);
}

static void cached_prompt_tokens_billed_as_computed_are_refuted(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	s.lines[3].cached_tokens = 0;
	billing__verify(&s);
	billing__expect(&s, "bill.cached_tokens", 5, VERDICT_REFUTED, "0", "3");
	billing__expect_says(&s, "bill.cached_tokens", 5, "3 prompt tokens billed as computed were cached");
	billing__expect(&s, "bill.prompt_tokens", 5, VERDICT_CONFIRMED, "23", "23");
	billing__close(&s);
}

static void prompt_tokens_that_nobody_computed_are_refuted(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	s.lines[0].prompt_tokens += 7;
	billing__verify(&s);
	billing__expect(&s, "bill.prompt_tokens", 2, VERDICT_REFUTED, "27", "20");
	billing__expect_says(&s, "bill.prompt_tokens", 2, "7 prompt tokens billed that were never computed");
	billing__close(&s);
}

static void a_bill_that_does_not_speak_of_the_cache_is_not_accused_of_it(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	for (int i = 0; i < N; i++)
		s.lines[i].cached_tokens = ABSENT;
	billing__verify(&s);
	billing__expect_verdict(&s, VERDICT_CONFIRMED);
	assert_non_null(strstr(verdict__note(&s.v, "bill.cached_unsaid")->text, "6 prompt tokens"));
	billing__close(&s);
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
		struct billing s;

		billing__open(&s, 0);
		billing__two_choices(&s);
		s.lines[N].completion_tokens = cases[i].billed;
		billing__verify(&s);
		billing__expect(&s, "bill.completion_tokens", N + 2, cases[i].verdict, NULL, "12");
		if (i == 0)
			billing__expect_says(&s, "bill.completion_tokens", N + 2, "as many as one of its generations");
		if (cases[i].verdict == VERDICT_CONFIRMED)
			billing__expect(&s, "bill.total_completion_tokens", 0, VERDICT_CONFIRMED, NULL, NULL);
		billing__close(&s);
	}
}

static void a_choice_that_was_not_found_leaves_the_count_open(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	s.m.recording.requests[1].n = 2;
	s.lines[1].completion_tokens = 16;
	billing__verify(&s);
	billing__expect(&s, "bill.completion_tokens", 3, VERDICT_INCONCLUSIVE, "16", NULL);
	billing__close(&s);
}

static void reasoning_tokens_are_part_of_the_completion(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	s.lines[0].reasoning_tokens = 12;
	s.lines[1].reasoning_tokens = completion_of(1) + 1;
	billing__verify(&s);
	billing__expect(&s, "bill.reasoning_tokens", 2, VERDICT_CONFIRMED, "12", NULL);
	billing__expect(&s, "bill.reasoning_tokens", 3, VERDICT_REFUTED, "32", NULL);
	billing__close(&s);
}

static void an_answer_without_any_step_is_no_completion(void **unused)
{
	struct billing s;
	struct row_request *q;

	(void)unused;
	billing__open(&s, 0);
	q = maker__request(&s.m, s.now, s.now + MS);
	q->api_id = "cached-answer";
	q->first_token_ns = q->last_token_ns = q->end_ns;
	bill_line(&s.lines[N], N);
	s.lines[N].request_id = "cached-answer";
	s.lines[N].model = NULL;
	s.bill.n = N + 1;
	s.now += SECOND;
	billing__verify(&s);
	billing__expect(&s, "bill.completion_tokens", N + 2, VERDICT_REFUTED, "34", "0");
	billing__expect_says(&s, "bill.completion_tokens", N + 2, "no step was computed for it");
	billing__close(&s);
}

/* ------------------------------------------------------------------------------------------------------------ presence --- */

static void a_request_that_was_never_made_is_refuted(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	bill_line(&s.lines[N], N);
	s.lines[N].request_id = "req-99";
	s.bill.n = N + 1;
	billing__verify(&s);
	billing__expect(&s, "bill.phantom", N + 2, VERDICT_REFUTED, "58", "0");
	assert_int_equal(verdict__count(&s.v, VERDICT_REFUTED, "bill.total_completion_tokens"), 1);
	billing__close(&s);
}

static void a_phantom_is_open_where_the_bill_covers_more_than_was_recorded(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	bill_line(&s.lines[N], N);
	s.lines[N].request_id = "req-99";
	s.bill.n = N + 1;
	s.in.window_begin_unix_ns = UNIX_START - 3600 * SECOND;
	s.in.window_end_unix_ns = UNIX_START + 3600 * SECOND;
	billing__verify(&s);
	billing__expect(&s, "bill.phantom", N + 2, VERDICT_INCONCLUSIVE, "58", NULL);
	billing__expect_verdict(&s, VERDICT_INCONCLUSIVE);
	billing__close(&s);
}

static void a_phantom_is_open_where_records_of_the_wire_were_lost(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	bill_line(&s.lines[N], N);
	s.lines[N].request_id = "req-99";
	s.bill.n = N + 1;
	/* Long after the last request, so that none of them is touched. */
	s.now += 100 * (uint64_t)SECOND;
	maker__loss(&s.m, "wire", s.now - SECOND, 3);
	billing__verify(&s);
	billing__expect(&s, "bill.phantom", N + 2, VERDICT_INCONCLUSIVE, NULL, NULL);
	billing__close(&s);
}

static void a_request_that_is_billed_twice_is_refuted_once(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	s.lines[N] = s.lines[1];
	s.lines[N].line = N + 2;
	s.bill.n = N + 1;
	billing__verify(&s);
	billing__expect(&s, "bill.duplicate", N + 2, VERDICT_REFUTED, "52", "0");
	billing__expect_says(&s, "bill.duplicate", N + 2, "request 2 is billed by line 3 already");
	billing__expect(&s, "bill.completion_tokens", 3, VERDICT_CONFIRMED, "31", "31");
	assert_int_equal(verdict__count(&s.v, VERDICT_REFUTED, "bill.duplicate"), 1);
	billing__close(&s);
}

static void a_request_that_the_bill_leaves_out_is_missing(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	s.bill.n = N - 1;
	billing__verify(&s);
	billing__expect(&s, "bill.missing", 0, VERDICT_REFUTED, "0", "56");
	assert_string_equal(verdict__find(&s.v, "bill.missing", 0)->subject, "request 4 (req-4)");
	billing__close(&s);
}

static void a_request_whose_client_left_need_not_be_billed(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	s.bill.n = N - 1;
	s.m.recording.requests[N - 1].client_left = true;
	billing__verify(&s);
	billing__expect_verdict(&s, VERDICT_CONFIRMED);
	billing__close(&s);
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
		struct billing s;
		struct row_request *q;

		billing__open(&s, 0);
		q = &s.m.recording.requests[N - 1];
		q->stream = q->client_left = true;
		q->finish_reason = cases[i].finish;
		q->billed_completion_tokens += cases[i].more;
		s.in.bill = NULL;
		billing__verify(&s);
		billing__expect_verdict(&s, cases[i].verdict);
		assert_int_equal(verdict__note(&s.v, "bill.broken_off") != NULL, cases[i].noted);
		if (cases[i].noted)
			assert_non_null(strstr(verdict__note(&s.v, "bill.broken_off")->text, "1 stream broke off"));
		billing__close(&s);
	}
}

static void a_count_in_a_stream_that_the_server_broke_off_bills_no_failure(void **unused)
{
	for (int64_t more = -1; more < 2; more++) {
		struct billing s;
		struct row_request *q;

		(void)unused;
		billing__open(&s, 0);
		q = &s.m.recording.requests[N - 1];
		q->stream = true;
		q->incomplete = INCOMPLETE_UNANSWERED;
		q->billed_completion_tokens += more;
		s.in.bill = NULL;
		billing__verify(&s);
		billing__expect_verdict(&s, more > 0 ? VERDICT_REFUTED : VERDICT_CONFIRMED);
		assert_int_equal(verdict__note(&s.v, "bill.broken_off") != NULL, more <= 0);
		assert_null(verdict__note(&s.v, "bill.no_usage"));
		billing__close(&s);
	}
}

/* An hour is billed of which some minutes were recorded; a request began before them. */
static void what_was_not_recorded_needs_no_measured_compute(void **unused)
{
	for (int whole = 0; whole < 2; whole++) {
		struct billing s;

		(void)unused;
		billing__open(&s, 1);
		if (whole) {
			s.in.window_begin_unix_ns = UNIX_START - 3600 * SECOND;
			s.in.window_end_unix_ns = UNIX_START + 3600 * SECOND;
			s.bill.n = 1;
			s.lines[0].request_id = s.lines[0].model = NULL;
		} else {
			s.m.recording.requests[0].incomplete = INCOMPLETE_BEFORE_ATTACH;
		}
		s.lines[0].prompt_tokens = s.lines[0].completion_tokens = 100000;
		billing__verify(&s);
		billing__expect_verdict(&s, VERDICT_INCONCLUSIVE);
		billing__expect(&s, "compute.recording", 0, VERDICT_CONFIRMED, NULL, NULL);
		billing__close(&s);
	}
}

static void a_refused_request_is_not_to_be_billed(void **unused)
{
	struct billing s;
	struct row_request *q;

	(void)unused;
	billing__open(&s, 0);
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
	billing__verify(&s);
	billing__expect(&s, "bill.failed", N + 2, VERDICT_REFUTED, "5", "0");
	billing__expect_says(&s, "bill.failed", N + 2, "status 503");
	billing__close(&s);
}

static void another_model_than_the_wires_is_refuted(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	s.lines[0].model = "model";	/* as the client asked for it */
	s.lines[1].model = "large";
	billing__verify(&s);
	billing__expect(&s, "bill.model", 2, VERDICT_CONFIRMED, "model", "model");
	billing__expect(&s, "bill.model", 3, VERDICT_REFUTED, "large", "small");
	billing__close(&s);
}

/* ----------------------------------------------------------------------------------------------------------- not known --- */

static void losses_in_its_time_leave_a_request_open_and_no_other(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	s.lines[1].completion_tokens += 5;
	maker__loss(&s.m, "engine", s.m.recording.requests[1].arrival_ns, 1);
	billing__verify(&s);
	billing__expect_verdict(&s, VERDICT_INCONCLUSIVE);
	billing__expect(&s, "bill.completion_tokens", 3, VERDICT_INCONCLUSIVE, "36", NULL);
	billing__expect_says(&s, "bill.completion_tokens", 3, "records were lost in its time");
	assert_int_equal(verdict__count(&s.v, VERDICT_CONFIRMED, "bill.completion_tokens"), N - 1);
	billing__expect(&s, "bill.total_completion_tokens", 0, VERDICT_INCONCLUSIVE, "131", NULL);
	billing__close(&s);
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
		struct billing s;

		billing__open(&s, 0);
		s.m.recording.requests[N - 1].client_left = cases[i].left;
		s.m.recording.requests[N - 1].finish_reason = cases[i].finish;
		s.lines[N - 1].completion_tokens += cases[i].more;
		billing__verify(&s);
		billing__expect_verdict(&s, cases[i].verdict);
		billing__expect(&s, "bill.completion_tokens", N + 1, cases[i].verdict, NULL, "33");
		assert_int_equal(verdict__note(&s.v, "bill.until_left") != NULL, cases[i].verdict == VERDICT_CONFIRMED);
		billing__close(&s);
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
			verdict__print(&v);
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
		struct billing s;
		struct timeline_row *row;

		(void)unused;
		billing__open(&s, 0);
		s.lines[N - 1].completion_tokens = billed;
		billing__verify(&s);
		verification__free(&s.v);
		row = &s.timeline.rows[s.timeline.n_rows - 1];
		row->phase = PHASE_VERIFY;
		row->n_emitted = 3;
		s.timeline.runs[row->run].emitted_proven = true;
		s.timeline.requests[N - 1].incomplete |= INCOMPLETE_EMITTED;
		assert_int_equal(verify__run(&s.v, &s.in), 0);
		billing__expect(&s, "bill.completion_tokens", N + 1,
				billed > 33 ? VERDICT_REFUTED : VERDICT_INCONCLUSIVE, NULL, NULL);
		if (billed > 33)
			billing__expect_says(&s, "bill.completion_tokens", N + 1, "tokens after the stop included");
		billing__close(&s);
	}
}

/* The second request is the first one's again, which the server had answered with 503: both are billed, or one of them twice. */
static void a_retry_is_billed_once_and_its_failure_not_at_all(void **unused)
{
	for (int twice = 0; twice < 2; twice++) {
		struct billing s;

		(void)unused;
		billing__open(&s, 0);
		s.m.recording.requests[0].status = 503;
		if (twice) {
			s.lines[0].request_id = s.ids[1];
			s.lines[0].prompt_tokens = prompt_of(1);
			s.lines[0].cached_tokens = 1;
			s.lines[0].completion_tokens = completion_of(1);
		}
		billing__verify(&s);
		billing__expect_verdict(&s, VERDICT_REFUTED);
		billing__expect(&s, twice ? "bill.duplicate" : "bill.failed", twice ? 3 : 2, VERDICT_REFUTED, NULL,
				"0");
		assert_int_equal(verdict__count(&s.v, VERDICT_REFUTED, twice ? "bill.failed" : "bill.duplicate"), 0);
		billing__close(&s);
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

static char *written(const struct billing *s, const struct verify_output *output, size_t *size)
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
		struct billing a, b;
		size_t n_a, n_b;
		char *x, *y;

		(void)unused;
		billing__open(&a, 1);
		billing__open(&b, 1);
		a.lines[0].completion_tokens = b.lines[0].completion_tokens = 31;
		billing__verify(&a);
		billing__verify(&b);
		x = written(&a, verify_outputs[k], &n_a);
		y = written(&b, verify_outputs[k], &n_b);
		assert_int_equal(n_a, n_b);
		assert_memory_equal(x, y, n_a);
		assert_in_range(strstr(x, "REFUTED") - x, 0, 96);
		assert_non_null(strstr(x, "1 more billed than put out"));
		free(x);
		free(y);
		billing__close(&a);
		billing__close(&b);
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
		cmocka_unit_test(fewer_tokens_than_put_out_are_a_true_bill_for_a_client_that_left),
		cmocka_unit_test(no_honest_bill_of_a_busy_server_is_accused_and_every_inflation_found),
		cmocka_unit_test(tokens_after_the_stop_are_open_within_the_last_step_and_refuted_beyond_it),
		cmocka_unit_test(a_retry_is_billed_once_and_its_failure_not_at_all),
		cmocka_unit_test(rejected_drafts_that_are_billed_are_named),
		cmocka_unit_test(the_same_recording_gives_the_same_bytes_and_the_verdict_stands_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
