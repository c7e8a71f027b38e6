/* SPDX-License-Identifier: Apache-2.0 */
/* From recordings to what a fit is made of, and whether a fit still holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"
#include "make_server.h"
#include "userspace/cost/drift.h"
#include "userspace/cost/fit_set.h"
#include "userspace/cost/samples.h"

struct taken {
	struct timeline timeline;
	struct cost_samples samples;
};

static void take(struct taken *t, struct maker *m, const char *role, int resource)
{
	assert_int_equal(timeline__build(&t->timeline, maker__finish(m)), 0);
	assert_int_equal(cost__samples(&t->timeline, role, resource, &t->samples), 0);
}

static void give_back(struct taken *t, struct maker *m)
{
	cost_samples__free(&t->samples);
	timeline__free(&t->timeline);
	maker__free(m);
}

static void a_prompt_over_two_ubatches_is_a_step_of_two_parts(void **unused)
{
	struct taken t;
	struct maker m;

	(void)unused;
	maker__init(&m);
	maker__step(&m, MAKER_TARGET, 1000, 1700);
	maker__row(&m, 0, 100, 512, 0);
	maker__row(&m, 0, 612, 88, 1);
	m.recording.rows[1].ubatch = 1;
	m.recording.rows[1].idx = 0;
	maker__row(&m, 3, 40, 1, 1);
	m.recording.rows[2].ubatch = 1;
	m.recording.rows[2].idx = 1;
	maker__cut(&m, RESOURCE_CPU_NS, 0, 1234);
	take(&t, &m, "target", RESOURCE_CPU_NS);
	assert_int_equal(t.samples.n, 1);
	assert_true(t.samples.samples[0].value == 1234);
	assert_int_equal(t.samples.samples[0].start_ns, 1000);
	assert_int_equal(t.samples.samples[0].n_parts, 2);
	assert_int_equal(t.samples.samples[0].part_end[0], 1);
	assert_int_equal(t.samples.samples[0].part_end[1], 3);
	assert_int_equal(t.samples.samples[0].rows[0].n_tokens, 512);
	assert_int_equal(t.samples.samples[0].rows[0].context, 100);
	assert_int_equal(t.samples.samples[0].rows[1].context, 612);
	assert_int_equal(t.samples.samples[0].rows[1].n_outputs, 1);
	assert_int_equal(t.samples.samples[0].rows[2].n_tokens, 1);
	assert_int_not_equal(t.samples.samples[0].rows[2].owner, t.samples.samples[0].rows[1].owner);
	give_back(&t, &m);
}

/* 500 tokens at 100 in parts of 400 and 100, the second beside a row at 40; then a row of one token at 612 alone. */
static void a_range_is_of_parts_and_of_the_context_before_each_token(void **unused)
{
	const struct cost_samples none = { .n = 0 };
	struct fit_range range = fit_range__of(&none);
	char words[160];
	struct taken t;
	struct maker m;

	(void)unused;
	assert_false(fit_range__known(&range));
	maker__init(&m);
	maker__step(&m, MAKER_TARGET, 1000, 1700);
	maker__row(&m, 0, 100, 400, 0);
	maker__row(&m, 0, 500, 100, 1);
	maker__row(&m, 3, 40, 1, 1);
	m.recording.rows[1].ubatch = m.recording.rows[2].ubatch = 1;
	maker__cut(&m, RESOURCE_CPU_NS, 0, 1234);
	maker__step(&m, MAKER_TARGET, 2000, 2700);
	maker__row(&m, 0, 612, 1, 1);
	maker__cut(&m, RESOURCE_CPU_NS, 1234, 1234);
	take(&t, &m, "target", RESOURCE_CPU_NS);
	range = fit_range__of(&t.samples);
	assert_true(fit_range__known(&range));
	fit_range__describe(&range, words, sizeof(words));
	assert_string_equal(words, "contexts of 40 to 612 tokens, 1 to 2 rows and 1 to 400 tokens in a part of a step");
	t.samples.n = 1;
	range = fit_range__of(&t.samples);
	assert_int_equal(range.most_context, 599);
	assert_int_equal(range.least_tokens, 101);
	assert_int_equal(timeline__most_context(&t.timeline), 612);
	give_back(&t, &m);
}

static void what_cannot_teach_is_left_out_and_counted(void **unused)
{
	struct row_step *step;
	struct taken t;
	struct maker m;

	(void)unused;
	maker__init(&m);
	for (int i = 0; i < 7; i++) {
		step = maker__step(&m, MAKER_TARGET, (uint64_t)(1000 + 100 * i), (uint64_t)(1050 + 100 * i));
		if (i == 1)
			step->ret = 1;
		if (i == 2)
			step->flags = STEP_NO_RETURN;
		if (i == 4)
			step->end_ns = 1450;
		if (i == 6)
			step->flags = STEP_PARTS_UNKNOWN;
		if (i != 3)
			maker__row(&m, i == 5 ? -1 : 0, 10 + i, 1, 1);
		maker__cut(&m, RESOURCE_CPU_NS, 0, 10);
	}
	/* Beside the fifth, a step of another thread, and one that took nothing. */
	step = maker__step(&m, MAKER_TARGET, 1440, 1460);
	step->tid++;
	maker__row(&m, 1, 10, 1, 1);
	maker__cut(&m, RESOURCE_CPU_NS, 0, 10);
	maker__step(&m, MAKER_TARGET, 2000, 2000);
	maker__row(&m, 0, 11, 1, 1);
	maker__step(&m, MAKER_TARGET, 2100, 2100);
	maker__row(&m, 0, 12, 1, 1);
	maker__cut(&m, RESOURCE_CPU_NS, 0, 0);
	take(&t, &m, "target", RESOURCE_CPU_NS);
	assert_int_equal(t.samples.n, 1);
	assert_int_equal(t.samples.steps[0], 0);
	assert_int_equal(t.samples.n_failed, 2);
	assert_int_equal(t.samples.n_without_rows, 3);
	assert_int_equal(t.samples.n_overlapping, 2);
	assert_int_equal(t.samples.n_unmeasured, 2);
	give_back(&t, &m);
}

static void a_recording_without_steps_has_no_samples(void **unused)
{
	struct taken t;
	struct maker m;

	(void)unused;
	maker__init(&m);
	take(&t, &m, "target", RESOURCE_CPU_NS);
	assert_int_equal(t.samples.n, 0);
	give_back(&t, &m);
	cost_samples__free(NULL);
}

/* A whole server with speculation: every step's rows are there once, in their role, owned by the request that asked. */
static void rows_of_a_server_are_all_there_and_have_their_owners(void **unused)
{
	const struct server_options options = {
		.seed = 5,
		.n_requests = 40,
		.n_slots = 3,
		.max_prompt = 200,
		.max_completion = 30,
		.mean_gap_ns = 50000000,
		.percent_stream = 100,
		.n_draft = 3,
		.draft_context = true,
	};
	static const char *const roles[] = { "target", "draft" };
	int64_t by_owner[40] = { 0 }, n_tokens = 0, n_recorded = 0;
	struct server_truth *truth;
	struct taken t;
	struct maker m;

	(void)unused;
	truth = make_server(&m, &options);
	for (int k = 0; k < 2; k++) {
		assert_int_equal(timeline__build(&t.timeline, &m.recording), 0);
		assert_int_equal(cost__samples(&t.timeline, roles[k], COST_RESOURCE_WALL, &t.samples), 0);
		assert_true(t.samples.n > 100);
		for (size_t i = 0; i < t.samples.n; i++) {
			const struct cost_sample *s = &t.samples.samples[i];
			const struct row_step *step = &m.recording.steps[t.samples.steps[i]];

			assert_true(s->value == (double)(step->end_ns - step->start_ns));
			for (uint32_t r = 0; r < s->part_end[s->n_parts - 1]; r++) {
				n_tokens += s->rows[r].n_tokens;
				if (k == 0 && s->rows[r].owner < 40)
					by_owner[s->rows[r].owner] += s->rows[r].n_tokens;
			}
		}
		cost_samples__free(&t.samples);
		timeline__free(&t.timeline);
	}
	for (size_t i = 0; i < m.recording.n_rows; i++)
		n_recorded += m.recording.rows[i].n_tokens;
	assert_int_equal(n_tokens, n_recorded);
	for (size_t i = 0; i < 40; i++) {
		const struct server_truth *at = &truth[m.recording.requests[i].id - 1];

		assert_true(by_owner[i] >= at->prompt - at->cached + at->completion - 1);
		assert_true(by_owner[i] <= at->prompt - at->cached + at->completion + at->drafted);
	}
	free(truth);
	maker__free(&m);
}

static void a_fit_that_no_longer_holds_says_so(void **unused)
{
	struct cost_model m = { .median_residual = 0.02 };
	struct cost_sample samples[40];
	struct cost_row rows[40];
	uint32_t end = 1;
	struct drift drift;
	char words[300];

	(void)unused;
	for (size_t k = 0; k < COST_KNOTS; k++)
		m.value[k] = 1000;
	for (uint32_t i = 0; i < 40; i++) {
		rows[i] = (struct cost_row){ 1 + i % 8, i, 1, i };
		samples[i] = (struct cost_sample){ .rows = &rows[i], .part_end = &end, .n_parts = 1 };
		samples[i].value = i % 2 ? 1030 : 970;
	}
	assert_int_equal(fit__drift(&drift, &m, samples, 40, words, sizeof(words)), 0);
	assert_true(fabs(drift.ratio - 1.5) < 1e-9 && fabs(drift.bias) < 1e-9);
	assert_string_equal(words, "");
	for (size_t i = 0; i < 40; i++)
		samples[i].value *= 1.5;
	assert_int_equal(fit__drift(&drift, &m, samples, 40, words, sizeof(words)), 0);
	assert_true(fabs(drift.ratio - 25) < 1 && fabs(drift.bias - 0.5) < 1e-9);
	assert_non_null(strstr(words, "calibrate again"));
	assert_non_null(strstr(words, "+50.0 %"));
	assert_int_equal(fit__drift(&drift, &m, samples, 7, words, sizeof(words)), -ENODATA);
	for (size_t i = 0; i < 40; i++)
		samples[i].value = NAN;
	assert_int_equal(fit__drift(&drift, &m, samples, 40, words, sizeof(words)), -ENODATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_prompt_over_two_ubatches_is_a_step_of_two_parts),
		cmocka_unit_test(a_range_is_of_parts_and_of_the_context_before_each_token),
		cmocka_unit_test(what_cannot_teach_is_left_out_and_counted),
		cmocka_unit_test(a_recording_without_steps_has_no_samples),
		cmocka_unit_test(rows_of_a_server_are_all_there_and_have_their_owners),
		cmocka_unit_test(a_fit_that_no_longer_holds_says_so),
	};

	return cmocka_run_group_tests_name("samples of the cost model", tests, NULL, NULL);
}
