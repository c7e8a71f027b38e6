/* SPDX-License-Identifier: Apache-2.0 */
/* Bills by windows of time: sums, requests that cross their ends, and clocks that differ. */
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

static void windows_are_compared_as_sums(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
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
	billing__verify(&s);
	billing__expect(&s, "bill.completion_tokens", 2, VERDICT_CONFIRMED, "61", "61");
	billing__expect(&s, "bill.completion_tokens", 3, VERDICT_REFUTED, "66", "65");
	billing__expect(&s, "bill.requests", 2, VERDICT_CONFIRMED, "2", "2");
	billing__expect(&s, "bill.cached_tokens", 3, VERDICT_CONFIRMED, "5", "5");
	billing__close(&s);
}

static void a_line_for_the_whole_month_covers_all_requests_of_its_model(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	s.lines[0].request_id = NULL;
	s.lines[0].prompt_tokens = 86;
	s.lines[0].cached_tokens = 6;
	s.lines[0].completion_tokens = 126;
	s.bill.n = 1;
	billing__verify(&s);
	billing__expect_verdict(&s, VERDICT_CONFIRMED);
	verification__free(&s.v);
	s.lines[0].completion_tokens = 127;
	assert_int_equal(verify__run(&s.v, &s.in), 0);
	billing__expect(&s, "bill.completion_tokens", 2, VERDICT_REFUTED, "127", "126");
	billing__close(&s);
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
		struct billing s;

		billing__open(&s, 0);
		s.m.recording.requests[N - 1].client_left = true;
		s.lines[0].request_id = s.lines[0].model = NULL;
		s.lines[0].n_requests = N - 1;
		s.lines[0].prompt_tokens = 20 + 21 + 22;
		s.lines[0].cached_tokens = 0 + 1 + 2;
		s.lines[0].completion_tokens = cases[i].billed;
		s.bill.n = 1;
		billing__verify(&s);
		billing__expect(&s, "bill.completion_tokens", 2, cases[i].verdict, NULL, NULL);
		billing__expect(&s, "bill.total_completion_tokens", 0, cases[i].verdict, NULL, NULL);
		billing__expect(&s, "bill.prompt_tokens", 2, VERDICT_CONFIRMED, "63", "63");
		billing__expect(&s, "bill.cached_tokens", 2, VERDICT_CONFIRMED, "3", "3");
		billing__expect(&s, "bill.requests", 2, VERDICT_CONFIRMED, "3", "3");
		billing__close(&s);
	}
}

static void a_sum_over_several_choices_is_no_excuse_for_more_than_all_of_them(void **unused)
{
	(void)unused;
	for (int64_t more = 0; more < 2; more++) {
		struct billing s;

		billing__open(&s, 0);
		billing__two_choices(&s);
		s.lines[0] = s.lines[N];
		s.lines[0].request_id = NULL;
		s.lines[0].cached_tokens = ABSENT;
		s.lines[0].prompt_tokens = ABSENT;
		s.lines[0].completion_tokens = 30 + 31 + 32 + 33 + 12 + more;
		s.bill.n = 1;
		billing__verify(&s);
		billing__expect(&s, "bill.completion_tokens", 0, more ? VERDICT_REFUTED : VERDICT_CONFIRMED, NULL,
				NULL);
		billing__close(&s);
	}
}

/* Answered in one piece at the same time, of 5 and of 9 tokens: nothing tells which is whose. */
static void add_twins(struct billing *s)
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
		struct billing s;

		billing__open(&s, 0);
		add_twins(&s);
		bill_line(&s.lines[N], N);
		s.lines[N].request_id = "twin-a";
		s.lines[N].completion_tokens = 5;
		s.bill.n = N + 1;
		billing__verify(&s);
		billing__expect(&s, "bill.completion_tokens", N + 2, VERDICT_INCONCLUSIVE, NULL, NULL);
		verification__free(&s.v);
		s.lines[0].request_id = NULL;
		s.lines[0].cached_tokens = ABSENT;
		s.lines[0].prompt_tokens = 20 + 21 + 22 + 23 + 10 + 10;
		s.lines[0].completion_tokens = 30 + 31 + 32 + 33 + 5 + 9 + more;
		s.bill.n = 1;
		assert_int_equal(verify__run(&s.v, &s.in), 0);
		billing__expect(&s, "bill.prompt_tokens", 0, VERDICT_CONFIRMED, NULL, NULL);
		billing__expect(&s, "bill.completion_tokens", 0, more ? VERDICT_REFUTED : VERDICT_CONFIRMED, NULL,
				NULL);
		billing__expect(&s, "bill.total_completion_tokens", 0, more ? VERDICT_REFUTED : VERDICT_CONFIRMED, NULL,
				NULL);
		billing__close(&s);
	}
}

static void a_window_that_was_not_recorded_whole_is_open(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	s.lines[0].request_id = NULL;
	s.lines[0].begin_unix_ns = UNIX_START - 100 * SECOND;
	s.lines[0].end_unix_ns = UNIX_START + 30 * SECOND;
	s.bill.n = 1;
	billing__verify(&s);
	billing__expect(&s, "bill.completion_tokens", 2, VERDICT_INCONCLUSIVE, "30", NULL);
	billing__close(&s);
}

static void lines_with_times_alone_find_their_requests_though_clocks_differ(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	for (int i = 0; i < N; i++) {
		s.lines[i].request_id = NULL;
		s.lines[i].begin_unix_ns = UNIX_START + (int64_t)(s.m.recording.requests[i].arrival_ns - START) +
					   (i % 2 ? SECOND : -SECOND);
	}
	s.lines[3].completion_tokens += 1;
	bill_line(&s.lines[N], N);
	s.lines[N].begin_unix_ns = UNIX_START + 90 * SECOND;
	s.bill.n = N + 1;
	billing__verify(&s);
	for (int i = 0; i < 3; i++)
		billing__expect(&s, "bill.completion_tokens", i + 2, VERDICT_CONFIRMED, NULL, NULL);
	billing__expect(&s, "bill.completion_tokens", 5, VERDICT_REFUTED, "34", "33");
	billing__expect(&s, "bill.phantom", N + 2, VERDICT_REFUTED, NULL, NULL);
	billing__close(&s);
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

/* A path on the wire that names no model, among others that do. */
static void a_line_without_a_model_leaves_the_others_their_requests(void **unused)
{
	for (int window = 0; window < 2; window++) {
		struct billing s;

		(void)unused;
		billing__open(&s, 0);
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
		billing__verify(&s);
		billing__expect_verdict(&s, VERDICT_CONFIRMED);
		billing__close(&s);
	}
}

/* Two windows; the last request, with 23 and 33 tokens, begins 2 ms before the first one's end and ends in the second. */
static void two_windows(struct billing *s)
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
		struct billing s;

		(void)unused;
		billing__open(&s, 1);
		two_windows(&s);
		s.lines[1].prompt_tokens = 23 * times;
		s.lines[1].completion_tokens = 33 * times;
		billing__verify(&s);
		billing__expect_verdict(&s, times > 1 ? VERDICT_REFUTED : VERDICT_CONFIRMED);
		billing__expect(&s, "compute.recording", 0, times > 1 ? VERDICT_REFUTED : VERDICT_CONFIRMED, NULL,
				NULL);
		if (times == 1) {
			billing__expect_says(&s, "bill.completion_tokens", 3, "ended in its window");
			billing__expect(&s, "bill.total_completion_tokens", 0, VERDICT_CONFIRMED, "126", "126");
		} else {
			billing__expect_says(&s, "bill.completion_tokens", 3,
					     "1254 more billed than put out, whichever window");
		}
		billing__close(&s);
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
		struct billing s;

		billing__open(&s, 0);
		two_windows(&s);
		s.lines[0].completion_tokens = cases[i].first;
		s.lines[1].completion_tokens = cases[i].second;
		billing__verify(&s);
		billing__expect(&s, "bill.completion_tokens", 2, cases[i].verdicts[0], NULL, NULL);
		billing__expect(&s, "bill.completion_tokens", 3, cases[i].verdicts[1], NULL, NULL);
		billing__expect(&s, "bill.total_completion_tokens", 0, cases[i].total, NULL, NULL);
		billing__close(&s);
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
		struct billing s;

		billing__open(&s, 0);
		two_windows(&s);
		s.lines[0].n_requests = cases[i].first;
		s.lines[1].n_requests = cases[i].second;
		billing__verify(&s);
		billing__expect(&s, "bill.requests", 2, cases[i].verdicts[0], NULL, NULL);
		billing__expect(&s, "bill.requests", 3, cases[i].verdicts[1], NULL, NULL);
		billing__close(&s);
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
		struct billing s;
		int64_t cut;

		billing__open(&s, 0);
		two_windows(&s);
		cut = UNIX_START + (int64_t)(s.m.recording.requests[2].end_ns - START) + 2 * (int64_t)MS;
		s.lines[0].end_unix_ns = s.lines[1].begin_unix_ns = cut;
		s.lines[0].prompt_tokens -= cases[i].prompt;
		s.lines[0].completion_tokens -= cases[i].completion;
		s.lines[1].prompt_tokens += cases[i].prompt;
		s.lines[1].completion_tokens += cases[i].completion + cases[i].again;
		billing__verify(&s);
		billing__expect(&s, "bill.completion_tokens", 2, cases[i].first, NULL, NULL);
		billing__expect(&s, "bill.total_completion_tokens", 0, cases[i].total, NULL, NULL);
		billing__close(&s);
	}
}

static void a_request_in_both_windows_that_clocks_may_have_it_in_is_billed_twice(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	two_windows(&s);
	s.lines[0].end_unix_ns = s.lines[1].begin_unix_ns =
		UNIX_START + (int64_t)(s.m.recording.requests[2].end_ns - START) + 2 * (int64_t)MS;
	s.lines[1].prompt_tokens += 22;
	s.lines[1].completion_tokens += 32;
	billing__verify(&s);
	billing__expect(&s, "bill.completion_tokens", 3, VERDICT_INCONCLUSIVE, NULL, NULL);
	billing__expect(&s, "bill.total_completion_tokens", 0, VERDICT_REFUTED, NULL, NULL);
	billing__close(&s);
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
		struct billing s;

		billing__open(&s, 0);
		two_windows(&s);
		s.lines[0].completion_tokens = 15 + 31 + 32 + cases[i].more;
		billing__verify(&s);
		verification__free(&s.v);
		/* Its one generation stands for both. */
		s.m.recording.requests[0].n = 2;
		assert_int_equal(verify__run(&s.v, &s.in), 0);
		billing__expect(&s, "bill.total_completion_tokens", 0, cases[i].total, NULL, NULL);
		assert_int_equal(verdict__count(&s.v, VERDICT_REFUTED, NULL) > 0, cases[i].total == VERDICT_REFUTED);
		billing__close(&s);
	}
}

/* Two windows, of the first and the last request. The second one is of a time of which the bill does not speak. */
static void what_ended_in_a_gap_between_windows_is_not_missing(void **unused)
{
	for (int across = 0; across < 3; across++) {
		struct billing s;
		int64_t at[N];

		(void)unused;
		billing__open(&s, 0);
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
		billing__verify(&s);
		billing__expect_verdict(&s, across == 2 ? VERDICT_REFUTED : VERDICT_CONFIRMED);
		assert_int_equal(verdict__find(&s.v, "bill.missing", 0) != NULL, across == 2);
		assert_int_equal(verdict__note(&s.v, "bill.uncovered") != NULL, across != 2);
		billing__close(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_are_compared_as_sums),
		cmocka_unit_test(a_line_for_the_whole_month_covers_all_requests_of_its_model),
		cmocka_unit_test(what_a_sum_need_not_cover_may_be_left_out_of_it_and_no_token_more),
		cmocka_unit_test(a_sum_over_several_choices_is_no_excuse_for_more_than_all_of_them),
		cmocka_unit_test(twins_are_open_by_themselves_and_not_in_the_sum),
		cmocka_unit_test(a_window_that_was_not_recorded_whole_is_open),
		cmocka_unit_test(lines_with_times_alone_find_their_requests_though_clocks_differ),
		cmocka_unit_test(windows_that_overlap_are_bad_input),
		cmocka_unit_test(a_request_may_be_billed_in_the_window_that_it_ended_in),
		cmocka_unit_test(a_request_across_two_windows_excuses_no_more_than_its_own_tokens),
		cmocka_unit_test(requests_of_a_window_are_counted_where_they_began_or_where_they_ended),
		cmocka_unit_test(what_was_written_down_a_little_late_may_stand_in_the_next_window),
		cmocka_unit_test(a_request_in_both_windows_that_clocks_may_have_it_in_is_billed_twice),
		cmocka_unit_test(one_of_several_choices_in_a_window_is_not_too_few),
		cmocka_unit_test(what_ended_in_a_gap_between_windows_is_not_missing),
		cmocka_unit_test(a_line_without_a_model_leaves_the_others_their_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
