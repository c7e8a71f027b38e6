/* SPDX-License-Identifier: Apache-2.0 */
/* Windows in which the server's touched bytes were counted, against its steps and the header of its model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"
#include "tests/unit/make_recording.h"
#include "userspace/analysis/touched.h"
#include "userspace/cost/cost.h"
#include "userspace/cost/samples.h"

#define MS 1000000u
#define MB 1000000
#define DEVICE 5
#define INODE 6

static struct row_model model(void)
{
	return (struct row_model){ .id = 1,
				   .pid = MAKER_PID,
				   .path = "/m.gguf",
				   .weight_bytes = 100 * MB,
				   .active_weight_bytes = 90 * MB,
				   .n_experts = ABSENT,
				   .n_experts_used = ABSENT,
				   .expert_weight_bytes = 0,
				   .device = DEVICE,
				   .inode = INODE };
}

static struct row_touched *row(int64_t window, uint64_t start_ms, uint64_t end_ms, int64_t touched)
{
	static struct row_touched r;

	r = (struct row_touched){ .window = window,
				  .pid = MAKER_PID,
				  .kind = "weights",
				  .path = "/m.gguf",
				  .device = DEVICE,
				  .inode = INODE,
				  .start_ns = start_ms * MS,
				  .end_ns = end_ms * MS,
				  .clear_ns = 2 * MS,
				  .read_ns = 3 * MS,
				  .mapped_bytes = 101 * MB,
				  .before_bytes = 101 * MB,
				  .resident_bytes = 101 * MB,
				  .touched_bytes = touched };
	return &r;
}

/* Steps of 8 ms every 10 ms from 10 ms on, of one token each. */
static void add_steps(struct maker *m, int n)
{
	for (int i = 0; i < n; i++) {
		maker__step(m, MAKER_TARGET, (uint64_t)(10 + 10 * i) * MS, (uint64_t)(18 + 10 * i) * MS);
		maker__row(m, 0, i, 1, 1);
		maker__cut(m, RESOURCE_CPU_NS, (int64_t)i * 8 * MS, 8 * MS);
	}
}

struct scene {
	struct maker m;
	struct timeline timeline;
	struct touched_windows windows;
};

static void build(struct scene *s)
{
	assert_int_equal(timeline__build(&s->timeline, maker__finish(&s->m)), 0);
	assert_int_equal(touched_windows__build(&s->windows, &s->timeline), 0);
}

static void scene__close(struct scene *s)
{
	touched_windows__free(&s->windows);
	timeline__free(&s->timeline);
	maker__free(&s->m);
}

static void steps_that_lie_in_a_window_whole_and_those_that_may_have_left_marks_are_told_apart(void **unused)
{
	struct scene s;
	bool *in;

	(void)unused;
	maker__init(&s.m);
	add_steps(&s.m, 10);
	/* From 33 to 68 ms, cleared from 31 on and counted until 71: steps 4, 5, 6 whole; 3 from 30 to 38 and 7 from 70 on in part. */
	maker__touched(&s.m, row(0, 33, 68, 90 * MB));
	build(&s);
	assert_int_equal(s.windows.n, 1);
	assert_int_equal(s.windows.n_used, 1);
	assert_int_equal(s.windows.windows[0].n_steps, 3);
	assert_int_equal(s.windows.windows[0].n_tokens, 3);
	assert_int_equal(s.windows.windows[0].n_steps_most, 5);
	assert_int_equal(s.windows.windows[0].n_tokens_most, 5);
	assert_int_equal(s.windows.windows[0].wall_ns, 24 * MS);
	assert_int_equal(s.windows.windows[0].cpu_ns, 24 * MS);
	assert_int_equal(s.windows.n_disturbed, 5);
	assert_int_equal(s.windows.clear_ns, 2 * MS);
	assert_int_equal(s.windows.read_ns, 3 * MS);
	in = steps__in_touched_windows(&s.m.recording);
	assert_non_null(in);
	for (int i = 0; i < 10; i++)
		assert_int_equal(in[i], i >= 2 && i <= 6);
	free(in);
	scene__close(&s);
}

static void steps_in_windows_are_no_samples_of_a_fit(void **unused)
{
	struct cost_samples samples;
	struct scene s;

	(void)unused;
	maker__init(&s.m);
	add_steps(&s.m, 10);
	maker__touched(&s.m, row(0, 33, 68, 90 * MB));
	build(&s);
	assert_int_equal(cost__samples(&s.timeline, "target", RESOURCE_CPU_NS, &samples), 0);
	assert_int_equal(samples.n, 5);
	assert_int_equal(samples.n_touched, 5);
	cost_samples__free(&samples);
	scene__close(&s);
}

static void a_step_that_failed_or_put_nothing_out_or_has_unknown_rows_proves_nothing(void **unused)
{
	struct scene s;

	(void)unused;
	maker__init(&s.m);
	maker__step(&s.m, MAKER_TARGET, 10 * MS, 20 * MS)->ret = 1;
	maker__row(&s.m, 0, 0, 1, 1);
	maker__step(&s.m, MAKER_TARGET, 20 * MS, 30 * MS);
	maker__row(&s.m, 0, 1, 512, 0);
	maker__touched(&s.m, row(0, 5, 35, 10 * MB));
	maker__step(&s.m, MAKER_TARGET, 100 * MS, 110 * MS);
	maker__row(&s.m, -1, -1, 4, ABSENT);
	maker__touched(&s.m, row(1, 95, 120, 10 * MB));
	build(&s);
	assert_int_equal(s.windows.n, 2);
	assert_int_equal(s.windows.n_used, 0);
	assert_int_equal(s.windows.windows[0].n_tokens_most, 513);
	assert_int_equal(s.windows.windows[1].n_tokens_most, ABSENT);
	scene__close(&s);
}

static void the_median_window_speaks_for_a_model_and_what_was_mapped_meanwhile_is_not_sure(void **unused)
{
	static const int64_t touched[] = { 90, 40, 91 };
	const struct row_model m = model();
	struct touched_model of;
	struct scene s;

	(void)unused;
	maker__init(&s.m);
	add_steps(&s.m, 30);
	for (int i = 0; i < 3; i++) {
		struct row_touched *r = row(i, (uint64_t)(i * 100 + 5), (uint64_t)(i * 100 + 50), touched[i] * MB);

		r->before_bytes -= i == 2 ? 30 * MB : 0;
		maker__touched(&s.m, r);
		r->idx = 1;
		r->kind = "anonymous";
		r->path = NULL;
		r->device = r->inode = 0;
		r->touched_bytes = 5 * MB;
		maker__touched(&s.m, r);
	}
	maker__meta(&s.m, "touched_blind_bytes", "8000000");
	build(&s);
	assert_int_equal(touched_model__of(&of, &s.windows, &m), 0);
	assert_int_equal(of.n_windows, 3);
	assert_int_equal(of.median, 90 * MB);
	assert_int_equal(of.median_sure, 61 * MB);
	assert_false(of.shared);
	assert_int_equal(touched_windows__of_kind(&s.windows, "anonymous"), 5 * MB);
	assert_int_equal(s.windows.blind_bytes, 8 * MB);
	assert_int_equal(touched_window__most(&s.windows, &s.windows.windows[0]), 95 * MB + 8 * MB);
	scene__close(&s);
}

static void what_huge_pages_map_without_a_mark_may_have_been_read(void **unused)
{
	struct row_touched *r;
	struct scene s;

	(void)unused;
	maker__init(&s.m);
	add_steps(&s.m, 10);
	r = row(0, 33, 68, 90 * MB);
	r->huge_bytes = 6 * MB;
	maker__touched(&s.m, r);
	/* 101 MB are there and 90 marked: 11 are not, of which 6 may be in huge pages. Of the next, 1 MB is not. */
	*r = *row(1, 80, 98, 100 * MB);
	r->huge_bytes = 50 * MB;
	maker__touched(&s.m, r);
	*r = *row(2, 105, 108, 100 * MB);
	r->huge_bytes = ABSENT;
	maker__touched(&s.m, r);
	maker__meta(&s.m, "touched_blind_bytes", "8000000");
	build(&s);
	assert_int_equal(touched_window__most(&s.windows, &s.windows.windows[0]), (90 + 6 + 8) * MB);
	assert_int_equal(touched_window__most(&s.windows, &s.windows.windows[1]), (100 + 1 + 8) * MB);
	assert_int_equal(touched_window__most(&s.windows, &s.windows.windows[2]), ABSENT);
	scene__close(&s);
}

static void processes_of_one_server_touch_one_model_together(void **unused)
{
	const struct row_model m = model();
	struct row_touched *r;
	struct scene s;

	(void)unused;
	maker__init(&s.m);
	add_steps(&s.m, 10);
	r = row(0, 33, 68, 50 * MB);
	maker__touched(&s.m, r);
	r->pid++;
	r->shared_bytes = 4096;
	maker__touched(&s.m, r);
	build(&s);
	assert_int_equal(touched_window__of_model(&s.windows, &s.windows.windows[0], &m).touched, 100 * MB);
	assert_true(touched_window__of_model(&s.windows, &s.windows.windows[0], &m).shared);
	assert_int_equal(s.windows.clear_ns, 4 * MS);
	scene__close(&s);
}

static void a_token_of_a_mixture_needs_its_experts_and_many_need_them_all(void **unused)
{
	struct row_model m = model();
	struct touched_need need;

	(void)unused;
	/* 20 MB for every token, 80 MB of experts, 2 of 8 for a token. */
	m.n_experts = 8;
	m.n_experts_used = 2;
	m.expert_weight_bytes = 80 * MB;
	m.active_weight_bytes = 40 * MB;
	need = model__need(&m, 1);
	assert_int_equal(need.least, 40 * MB);
	assert_int_equal(need.even, 40 * MB);
	assert_int_equal(need.most, 40 * MB);
	/* Of two at random the second takes a quarter of what the first has left. */
	need = model__need(&m, 2);
	assert_int_equal(need.least, 40 * MB);
	assert_int_equal(need.even, 55 * MB);
	assert_int_equal(need.most, 60 * MB);
	need = model__need(&m, 1000000);
	assert_int_equal(need.least, 40 * MB);
	assert_int_equal(need.even, 100 * MB);
	assert_int_equal(need.most, 100 * MB);
	for (int64_t n = 1; n < 100; n++) {
		const struct touched_need a = model__need(&m, n), b = model__need(&m, n + 1);

		assert_true(a.least <= a.even && a.even <= a.most && a.even <= b.even && a.most <= b.most);
	}
	m.expert_weight_bytes = ABSENT;
	assert_int_equal(model__need(&m, 2).even, ABSENT);
	assert_int_equal(model__need(&m, 0).least, ABSENT);
	m = model();
	assert_int_equal(model__need(&m, 50).most, 90 * MB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_that_lie_in_a_window_whole_and_those_that_may_have_left_marks_are_told_apart),
		cmocka_unit_test(steps_in_windows_are_no_samples_of_a_fit),
		cmocka_unit_test(a_step_that_failed_or_put_nothing_out_or_has_unknown_rows_proves_nothing),
		cmocka_unit_test(the_median_window_speaks_for_a_model_and_what_was_mapped_meanwhile_is_not_sure),
		cmocka_unit_test(what_huge_pages_map_without_a_mark_may_have_been_read),
		cmocka_unit_test(processes_of_one_server_touch_one_model_together),
		cmocka_unit_test(a_token_of_a_mixture_needs_its_experts_and_many_need_them_all),
	};

	return cmocka_run_group_tests_name("touched bytes", tests, NULL, NULL);
}
