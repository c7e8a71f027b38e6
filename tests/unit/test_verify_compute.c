/* SPDX-License-Identifier: Apache-2.0 */
/* Billed tokens against measured CPU time, by a calibrated model and by arithmetic alone. */
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

static void counts_that_no_compute_backs_are_self_reported(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0);
	billing__verify(&s);
	assert_int_equal(verdict__find(&s.v, "bill.completion_tokens", 2)->grade, GRADE_SELF_REPORTED);
	assert_null(verdict__find(&s.v, "compute.request", 0));
	assert_non_null(strstr(verdict__note(&s.v, "compute.unavailable")->text, "tokprof calibrate"));
	billing__close(&s);
}

static void compute_that_was_measured_backs_the_counts(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 1);
	billing__verify(&s);
	billing__expect_verdict(&s, VERDICT_CONFIRMED);
	assert_int_equal(verdict__count(&s.v, VERDICT_CONFIRMED, "compute.request"), N);
	billing__expect(&s, "compute.recording", 0, VERDICT_CONFIRMED, NULL, NULL);
	assert_int_equal(verdict__find(&s.v, "bill.completion_tokens", 2)->grade, GRADE_MEASURED);
	billing__expect_says(&s, "compute.request", 2, "an inflation from");
	billing__close(&s);
}

static void batches_that_were_reported_and_not_computed_are_refuted(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0.05);
	billing__verify(&s);
	billing__expect_verdict(&s, VERDICT_REFUTED);
	/* The counts agree with each other: the server made them all up. */
	assert_int_equal(verdict__count(&s.v, VERDICT_CONFIRMED, "bill.completion_tokens"), N);
	assert_int_equal(verdict__count(&s.v, VERDICT_REFUTED, "compute.request"), N);
	billing__expect(&s, "compute.recording", 0, VERDICT_REFUTED, NULL, NULL);
	billing__close(&s);
}

static void a_machine_that_is_half_again_as_fast_as_calibrated_is_no_accusation(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0.65);
	billing__verify(&s);
	billing__expect_verdict(&s, VERDICT_CONFIRMED);
	assert_int_equal(verdict__count(&s.v, VERDICT_REFUTED, NULL), 0);
	assert_int_equal(verdict__find(&s.v, "bill.completion_tokens", 2)->grade, GRADE_SELF_REPORTED);
	assert_non_null(verdict__note(&s.v, "compute.open"));
	billing__close(&s);
}

static void twice_the_tokens_do_not_fit_the_compute_either(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 1);
	s.lines[2].completion_tokens *= 2;
	billing__verify(&s);
	billing__expect(&s, "bill.completion_tokens", 4, VERDICT_REFUTED, "64", "32");
	billing__expect(&s, "compute.request", 4, VERDICT_REFUTED, NULL, NULL);
	assert_int_equal(verdict__count(&s.v, VERDICT_REFUTED, "compute.request"), 1);
	billing__close(&s);
}

static void a_model_fitted_to_the_recording_itself_proves_nothing(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 1);
	s.fit.fit.origin = FIT_ORIGIN_RECORDING;
	billing__verify(&s);
	assert_int_equal(verdict__find(&s.v, "bill.completion_tokens", 2)->grade, GRADE_SELF_REPORTED);
	assert_non_null(strstr(verdict__note(&s.v, "compute.unavailable")->text, "fitted to the very steps"));
	billing__close(&s);
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
		struct billing s;

		billing__open(&s, 0.2);
		s.fit.fit.waited = cases[i].waited;
		billing__verify(&s);
		billing__expect_verdict(&s, cases[i].verdict);
		billing__close(&s);
	}
}

static void a_calibration_that_does_not_say_how_busy_it_was_judges_nothing(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open(&s, 0.05);
	s.fit.fit.waited = NAN;
	billing__verify(&s);
	billing__expect_verdict(&s, VERDICT_CONFIRMED);
	assert_int_equal(verdict__find(&s.v, "bill.completion_tokens", 2)->grade, GRADE_SELF_REPORTED);
	assert_non_null(strstr(verdict__note(&s.v, "compute.unavailable")->text, "kept the server's threads waiting"));
	billing__close(&s);
}

/* Within 60 % nobody could see that half of the tokens were missing: the counts stay the server's own word. */
static void an_interval_that_is_too_wide_backs_no_count(void **unused)
{
	for (int wide = 0; wide < 2; wide++) {
		struct billing s;

		(void)unused;
		billing__open(&s, 1);
		s.fit.fit.waited = wide ? 0.3 : 0.01;
		billing__verify(&s);
		billing__expect_verdict(&s, VERDICT_CONFIRMED);
		assert_int_equal(verdict__find(&s.v, "bill.completion_tokens", 2)->grade,
				 wide ? GRADE_SELF_REPORTED : GRADE_MEASURED);
		assert_int_equal(verdict__note(&s.v, "compute.open") != NULL, wide);
		billing__close(&s);
	}
}

/* Three of four requests were computed: all together there is room, in the last one's hour there is not. */
static void batches_that_were_made_up_for_one_hour_are_found_in_it(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open_late(&s, 1, 0.05);
	billing__verify(&s);
	billing__expect(&s, "compute.recording", 0, VERDICT_CONFIRMED, NULL, NULL);
	assert_int_equal(verdict__count(&s.v, VERDICT_CONFIRMED, "compute.hour"), 1);
	assert_int_equal(verdict__count(&s.v, VERDICT_REFUTED, "compute.hour"), 1);
	billing__expect_says(&s, "compute.hour", 0, "an inflation from");
	billing__expect(&s, "compute.request", 2, VERDICT_CONFIRMED, NULL, NULL);
	billing__expect(&s, "compute.request", N + 1, VERDICT_REFUTED, NULL, NULL);
	billing__close(&s);
}

/* One request two hours after the others, its steps half of what they take by the model, of which one is off by 12 %. */
static void idle_minutes_make_nobody_surer(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open_late(&s, 1, 0.5);
	s.fit.fit.cost.sigma = 0.12;
	billing__verify(&s);
	billing__expect_verdict(&s, VERDICT_CONFIRMED);
	assert_int_equal(verdict__count(&s.v, VERDICT_REFUTED, "compute.hour"), 0);
	billing__close(&s);
}

/*
 * An AVX2 processor of 4 GHz does 768 operations a ns at most, and loads 768 bytes. Of 6e9 weights in 12 GB a token takes 15.6 ms. They
 * are those of the first of two layers: what a token without an output has of the last one is next to nothing.
 */
static void billing__open_with_weights(struct billing *s, int64_t weights, const char *device_files)
{
	billing__open(s, 0);
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
	struct billing s;

	(void)unused;
	billing__open_with_weights(&s, 30000000, "");
	billing__verify(&s);
	billing__expect_verdict(&s, VERDICT_CONFIRMED);
	billing__expect(&s, "compute.floor", 0, VERDICT_CONFIRMED, NULL, NULL);
	billing__expect_says(&s, "compute.floor", 0, "times the least");
	assert_int_equal(verdict__find(&s.v, "bill.completion_tokens", 2)->grade, GRADE_SELF_REPORTED);
	billing__close(&s);
	billing__open_with_weights(&s, 6000000000, "");
	billing__verify(&s);
	billing__expect_verdict(&s, VERDICT_REFUTED);
	assert_int_equal(verdict__count(&s.v, VERDICT_REFUTED, "compute.floor"), N + 1);
	/* 20 prompt tokens and 29 of 30 that were put out: 49 x 2 x 6e9 / 768 */
	billing__expect(&s, "compute.floor", 2, VERDICT_REFUTED, "765625000", NULL);
	billing__close(&s);
}

static void ten_thousand_times_the_tokens_are_found_without_a_calibration(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open_with_weights(&s, 30000000, "");
	s.lines[1].completion_tokens *= 10000;
	billing__verify(&s);
	billing__expect(&s, "compute.floor", 3, VERDICT_REFUTED, NULL, NULL);
	assert_int_equal(verdict__count(&s.v, VERDICT_REFUTED, "compute.floor"), 2);
	billing__close(&s);
}

static void a_device_may_have_computed_what_the_processor_did_not(void **unused)
{
	struct billing s;

	(void)unused;
	billing__open_with_weights(&s, 6000000000, "/dev/nvidia0");
	billing__verify(&s);
	billing__expect_verdict(&s, VERDICT_CONFIRMED);
	assert_non_null(strstr(verdict__note(&s.v, "compute.no_floor")->text, "device"));
	billing__close(&s);
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
		struct billing s;

		billing__open_with_weights(&s, 6000000000, "");
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
		billing__verify(&s);
		billing__expect_verdict(&s, cases[i].known ? VERDICT_REFUTED : VERDICT_CONFIRMED);
		assert_int_equal(verdict__note(&s.v, "compute.no_floor") == NULL, cases[i].known);
		billing__close(&s);
	}
}

/*
 * Which of two generations, of 30 and 33 tokens, is the first request's and which the last one's is open. On this processor the first one's steps
 * have room for its own tokens and not for the other's: that accuses nobody, unless both together are billed for more.
 */
static void what_one_of_two_has_too_much_of_the_other_may_lack(void **unused)
{
	for (int64_t more = 0; more <= 20; more += 20) {
		struct billing s;

		(void)unused;
		billing__open_with_weights(&s, 960000000, "");
		bill_line(&s.lines[0], N - 1);
		bill_line(&s.lines[N - 1], 0);
		s.lines[0].request_id = s.ids[0];
		s.lines[N - 1].request_id = s.ids[N - 1];
		s.lines[0].completion_tokens += more;
		billing__verify(&s);
		billing__expect(&s, "compute.floor", 2 + N - 1, VERDICT_REFUTED, NULL, NULL);
		verification__free(&s.v);
		s.timeline.requests[0].match = s.timeline.requests[N - 1].match = MATCH_AMBIGUOUS;
		assert_int_equal(verify__run(&s.v, &s.in), 0);
		assert_int_equal(verdict__count(&s.v, VERDICT_REFUTED, NULL), more > 0);
		billing__expect(&s, "compute.floor", 0, more > 0 ? VERDICT_REFUTED : VERDICT_CONFIRMED, NULL, NULL);
		billing__close(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
