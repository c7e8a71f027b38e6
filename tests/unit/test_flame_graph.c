/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/flame_scene.h"

#include <errno.h>

static int64_t ledger_phase(const struct flame_scene *f, int phase)
{
	int64_t sum = 0;

	for (size_t i = 0; i < f->s.m.recording.n_requests; i++)
		sum += f->s.ledger.requests[i].by_phase[phase][cpu(&f->s)];
	return sum;
}

static void the_sum_of_a_graph_is_the_ledgers_total(void **state)
{
	const struct flame_options options = flame_scene__options("cpu");
	struct flame_scene f;
	struct flame_graph g;
	int64_t selfs = 0;

	(void)state;
	flame_scene__open(&f, "mul_mat");
	flame_scene__report(&f);
	flame_scene__graph(&f, &options, &g);
	for (size_t i = 0; i < g.n_nodes; i++) {
		assert_true(g.nodes[i].self >= 0);
		selfs += g.nodes[i].self;
	}
	assert_int_equal(selfs, f.s.meter);
	assert_int_equal(g.nodes[0].total, f.s.meter);
	assert_int_equal(flame_scene__at(&g, "prefill"), ledger_phase(&f, PHASE_PREFILL));
	assert_int_equal(flame_scene__at(&g, "decode"), ledger_phase(&f, PHASE_DECODE));
	assert_int_equal(flame_scene__at(&g, "host"), account(&f.s, ACCOUNT_HOST));
	assert_int_equal(flame_scene__at(&g, "host/main/http_loop"), account(&f.s, ACCOUNT_HOST));
	flame_graph__free(&g);
	scene__close(&f.s);
}

/* Six samples in the multiplication and two in the attention, in both prefills. */
static void a_phase_divides_over_functions_as_its_samples_do(void **state)
{
	const struct flame_options options = flame_scene__options("cpu");
	struct flame_scene f;
	struct flame_graph g;
	int64_t prefill;

	(void)state;
	flame_scene__open(&f, "mul_mat");
	flame_scene__report(&f);
	flame_scene__graph(&f, &options, &g);
	prefill = flame_scene__at(&g, "prefill");
	assert_int_equal(flame_scene__at(&g, "prefill/main"), prefill);
	assert_in_range(flame_scene__at(&g, "prefill/main/mul_mat/vec_dot"), prefill * 3 / 4 - 1, prefill * 3 / 4 + 1);
	assert_int_equal(flame_scene__at(&g, "prefill/main/mul_mat/vec_dot") +
				 flame_scene__at(&g, "prefill/main/flash_attn<half, 64>(float const*)"),
			 prefill);
	assert_int_equal(flame_scene__at(&g, "prefill/main/libggml.so+0x40"), -1);
	assert_true(flame_scene__at(&g, "decode/main/libggml.so+0x40") > 0);
	flame_graph__free(&g);
	scene__close(&f.s);
}

static void a_cost_without_a_sample_keeps_a_frame_of_its_own(void **state)
{
	const struct flame_options options = flame_scene__options("cpu");
	struct flame_scene f;
	struct flame_graph g;

	(void)state;
	flame_scene__open(&f, "mul_mat");
	for (size_t i = 0; i < f.s.m.recording.n_stack_samples; i++)
		f.s.m.recording.stack_samples[i].time_ns = f.s.m.recording.steps[0].start_ns + 1;
	flame_scene__report(&f);
	flame_scene__graph(&f, &options, &g);
	assert_int_equal(flame_scene__at(&g, "decode/[no sample]"), ledger_phase(&f, PHASE_DECODE));
	assert_int_equal(g.nodes[0].total, f.s.meter);
	flame_graph__free(&g);
	scene__close(&f.s);
}

static void every_request_has_what_the_ledger_gives_it(void **state)
{
	struct flame_options options = flame_scene__options("cpu");
	struct flame_scene f;
	struct flame_graph g;

	(void)state;
	flame_scene__open(&f, "mul_mat");
	flame_scene__report(&f);
	options.per = PER_REQUEST;
	flame_scene__graph(&f, &options, &g);
	assert_int_equal(flame_scene__at(&g, "request 1"), cost(&f.s, 0));
	assert_int_equal(flame_scene__at(&g, "request 2"), cost(&f.s, 1));
	assert_int_equal(g.nodes[0].total, cost(&f.s, 0) + cost(&f.s, 1));
	assert_true(flame_scene__at(&g, "request 1/prefill/main/mul_mat") > 0);
	flame_graph__free(&g);
	options.per = PER_TOTAL;
	options.request = "2";
	flame_scene__graph(&f, &options, &g);
	assert_int_equal(g.nodes[0].total, cost(&f.s, 1));
	flame_graph__free(&g);
	options.phase = PHASE_DECODE;
	flame_scene__graph(&f, &options, &g);
	assert_int_equal(g.nodes[0].total, request(&f.s, 1)->by_phase[PHASE_DECODE][cpu(&f.s)]);
	flame_graph__free(&g);
	scene__close(&f.s);
}

/* Six in matmul and two in attention for each prompt; in the 20 steps one each, and four in futex; two between them. */
static void the_samples_that_are_told_are_those_of_what_is_asked_for(void **state)
{
	struct flame_options options = flame_scene__options("cpu");
	struct flame_scene f;
	struct flame_graph g;

	(void)state;
	flame_scene__open(&f, "mul_mat");
	flame_scene__report(&f);
	flame_scene__graph(&f, &options, &g);
	assert_int_equal(g.n_samples, 2 * 8 + 24 + 2);
	flame_graph__free(&g);
	options.phase = PHASE_PREFILL;
	flame_scene__graph(&f, &options, &g);
	assert_int_equal(g.n_samples, 2 * 8);
	flame_graph__free(&g);
	options.request = "2";
	flame_scene__graph(&f, &options, &g);
	assert_int_equal(g.n_samples, 8);
	flame_graph__free(&g);
	options.phase = -1;
	flame_scene__graph(&f, &options, &g);
	assert_int_equal(g.n_samples, 8 + 24);
	flame_graph__free(&g);
	options.request = NULL;
	options.per = PER_REQUEST;
	flame_scene__graph(&f, &options, &g);
	assert_int_equal(g.n_samples, 2 * 8 + 24);
	flame_graph__free(&g);
	scene__close(&f.s);
}

static void a_token_has_thousandths_of_what_its_phase_took(void **state)
{
	struct flame_options options = flame_scene__options("cpu");
	struct flame_scene f;
	struct flame_graph g;

	(void)state;
	flame_scene__open(&f, "mul_mat");
	flame_scene__report(&f);
	options.per = PER_TOKEN;
	flame_scene__graph(&f, &options, &g);
	assert_int_equal(g.prompt_tokens, 80);
	assert_int_equal(g.completion_tokens, 40);	/* of two requests in 20 steps; their prompts put out one each */
	assert_int_equal(flame_scene__at(&g, "prefill (thousandths of ns per computed prompt token)"),
			 (ledger_phase(&f, PHASE_PREFILL) * 1000 + 40) / 80);
	assert_int_equal(flame_scene__at(&g, "decode (thousandths of ns per generated token)"),
			 (ledger_phase(&f, PHASE_DECODE) * 1000 + 20) / 40);
	assert_int_equal(flame_scene__at(&g, "host"), -1);
	flame_graph__free(&g);
	scene__close(&f.s);
}

/* One sequence's and another's, half of each beside the other; what the meter missed by 700 ns is in no step. */
static void steps_at_one_time_leave_nothing_over(void **state)
{
	const struct flame_options options = flame_scene__options("cpu");
	const struct ledger_options how = { .want_rows = true, .want_wall = true };
	struct flame_scene f = { 0 };
	struct flame_graph g;
	struct maker *m = &f.s.m;

	(void)state;
	maker__init(m);
	flame_scene__stacks(&f, "mul_mat");
	for (unsigned int i = 0; i < 2; i++) {
		const uint64_t start = 1000000 + 2000000u * i;

		maker__step(m, MAKER_TARGET, start, start + 4000000);
		maker__row(m, (int)i, 0, 10, 1);
		maker__cut(m, RESOURCE_CPU_NS, 2000 * (int64_t)i, 4000);
		maker__request(m, 900000, 8000000);
	}
	maker__cpu_samples(m, 1500000, f.matmul, 3);
	maker__cpu_samples(m, 6500000, f.attention, 3);
	maker__total(m, RESOURCE_CPU_NS, 6700, "test");
	assert_int_equal(timeline__build(&f.s.timeline, maker__finish(m)), 0);
	assert_int_equal(ledger__build(&f.s.ledger, &f.s.timeline, &how), 0);
	flame_scene__graph(&f, &options, &g);
	assert_int_equal(g.nodes[0].total, 6700);
	assert_int_equal(flame_scene__at(&g, "unexplained"), 700);
	assert_int_equal(flame_scene__at(&g, "unexplained/[no sample]"), 700);
	flame_graph__free(&g);
	ledger__free(&f.s.ledger);
	timeline__free(&f.s.timeline);
	maker__free(m);
}

static void a_wait_is_cut_where_steps_begin_and_end(void **state)
{
	const struct flame_options options = flame_scene__options("offcpu");
	struct flame_scene f;
	struct flame_graph g;
	const struct row_step *last;

	(void)state;
	flame_scene__open(&f, "mul_mat");
	last = &f.s.m.recording.steps[f.s.m.recording.n_steps - 1];
	/* From 1,000 ns before the last step to 700 ns after it began. */
	maker__wait(&f.s.m, last->start_ns + 700, f.futex, 1700, WAIT_FUTEX);
	flame_scene__report(&f);
	flame_scene__graph(&f, &options, &g);
	assert_string_equal(g.grade, "derived");
	assert_int_equal(flame_scene__at(&g, "host/main/__x64_sys_futex/futex_wait"), 1000);
	assert_int_equal(flame_scene__at(&g, "decode/main/__x64_sys_futex/futex_wait"), 700);
	assert_int_equal(g.nodes[0].total, 1700);
	flame_graph__free(&g);
	scene__close(&f.s);
}

/* One that stands for as much as two of them, and one most of which was while nobody asked for anything. */
static void a_wait_weighs_what_it_stands_for(void **state)
{
	const struct flame_options options = flame_scene__options("offcpu");
	const struct row_step *first, *last;
	struct flame_scene f;
	struct flame_graph g;

	(void)state;
	flame_scene__open(&f, "mul_mat");
	first = &f.s.m.recording.steps[0];
	last = &f.s.m.recording.steps[f.s.m.recording.n_steps - 1];
	maker__wait(&f.s.m, last->start_ns + 700, f.futex, 1700, WAIT_FUTEX);
	f.s.m.recording.stack_samples[f.s.m.recording.n_stack_samples - 1].weight_ns = 3400;
	/* From 500,000 ns before the first request on, until 600 ns after the first step began. */
	maker__wait(&f.s.m, first->start_ns + 600, f.http, (int64_t)(first->start_ns + 600 - 500000), WAIT_SLEEP);
	f.s.m.recording.stack_samples[f.s.m.recording.n_stack_samples - 1].weight_ns =
		(int64_t)(first->start_ns + 600 - f.s.m.recording.requests[0].arrival_ns);
	flame_scene__report(&f);
	flame_scene__graph(&f, &options, &g);
	assert_int_equal(flame_scene__at(&g, "host/main/__x64_sys_futex/futex_wait"), 2000);
	assert_int_equal(flame_scene__at(&g, "decode/main/__x64_sys_futex/futex_wait"), 1400);
	assert_int_equal(flame_scene__at(&g, "prefill/main/http_loop"), 600);
	assert_int_equal(flame_scene__at(&g, "idle"), -1);
	flame_graph__free(&g);
	scene__close(&f.s);
}

static void what_was_not_measured_is_an_error_and_no_zero(void **state)
{
	const char *const missing[] = { "device", "bytes", "cycles", "energy" };
	struct flame_scene f;
	struct flame_graph g;
	char error[512];

	(void)state;
	flame_scene__open(&f, "mul_mat");
	flame_scene__report(&f);
	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
		const struct flame_options options = flame_scene__options(missing[i]);

		assert_int_equal(flame_graph__build(&g, &f.s.ledger, &options, error, sizeof(error)), -ENOTSUP);
		assert_non_null(strstr(error, "unavailable"));
	}
	scene__close(&f.s);
}

static void a_filter_that_nothing_fits_says_so(void **state)
{
	struct flame_options options = flame_scene__options("cpu");
	struct flame_scene f;
	struct flame_graph g;
	char error[512];

	(void)state;
	flame_scene__open(&f, "mul_mat");
	flame_scene__report(&f);
	options.request = "77";
	assert_int_equal(flame_graph__build(&g, &f.s.ledger, &options, error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, "77"));
	scene__close(&f.s);
}

static void stacks_that_refer_to_nothing_are_refused(void **state)
{
	const struct flame_options options = flame_scene__options("cpu");
	struct flame_scene f;
	struct flame_graph g;
	char error[512];

	(void)state;
	for (int i = 0; i < 4; i++) {
		flame_scene__open(&f, "mul_mat");
		switch (i) {
		case 0:
			f.s.m.recording.stacks[1].frame = 99;
			break;
		case 1:
			f.s.m.recording.stacks[1].parent = 99;
			break;
		case 2:
			f.s.m.recording.stacks[1].parent = f.s.m.recording.stacks[1].id;
			break;
		default:
			f.s.m.recording.stack_samples[0].stack = 99;
			break;
		}
		flame_scene__report(&f);
		assert_int_equal(flame_graph__build(&g, &f.s.ledger, &options, error, sizeof(error)), -EINVAL);
		scene__close(&f.s);
	}
}

static void a_stack_of_thousands_of_frames_is_drawn_whole(void **state)
{
	const struct flame_options options = flame_scene__options("cpu");
	struct flame_scene f;
	struct flame_graph g;
	uint32_t deepest = 0;
	int64_t stack;

	(void)state;
	flame_scene__open(&f, "mul_mat");
	stack = f.main;
	for (int i = 0; i < 3000; i++)
		stack = maker__stack(&f.s.m, stack, f.s.m.recording.frames[i % 2].id);
	maker__cpu_samples(&f.s.m, flame_scene__within(&f), stack, 5);
	flame_scene__report(&f);
	flame_scene__graph(&f, &options, &g);
	for (size_t i = 0; i < g.n_nodes; i++)
		deepest = g.nodes[i].depth > deepest ? g.nodes[i].depth : deepest;
	/* Every second frame is two: one function is inlined into the other. */
	assert_int_equal(deepest, 2 + 3000 + 1500);
	assert_int_equal(g.nodes[0].total, f.s.meter);
	flame_graph__free(&g);
	scene__close(&f.s);
}

static void a_comparison_has_the_figures_of_both(void **state)
{
	const struct flame_options options = flame_scene__options("cpu");
	struct flame_scene before, after;
	struct flame_graph base, g;
	int64_t base_total;

	(void)state;
	flame_scene__open(&before, "mul_mat");
	flame_scene__report(&before);
	flame_scene__graph(&before, &options, &base);
	flame_scene__open(&after, "tinyblas");
	flame_scene__report(&after);
	flame_scene__graph(&after, &options, &g);
	base_total = base.nodes[0].total;
	assert_int_equal(flame_graph__compare(&g, &base), 0);
	assert_int_equal(g.nodes[0].base_total, base_total);
	assert_int_equal(g.nodes[0].total, after.s.meter);
	assert_true(g.is_diff);
	assert_int_equal(flame_scene__at(&g, "prefill/main/mul_mat"), 0);
	assert_true(flame_scene__at(&g, "prefill/main/tinyblas") > 0);
	flame_graph__free(&g);
	flame_graph__free(&base);
	scene__close(&before.s);
	scene__close(&after.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sum_of_a_graph_is_the_ledgers_total),
		cmocka_unit_test(a_phase_divides_over_functions_as_its_samples_do),
		cmocka_unit_test(a_cost_without_a_sample_keeps_a_frame_of_its_own),
		cmocka_unit_test(every_request_has_what_the_ledger_gives_it),
		cmocka_unit_test(the_samples_that_are_told_are_those_of_what_is_asked_for),
		cmocka_unit_test(a_token_has_thousandths_of_what_its_phase_took),
		cmocka_unit_test(steps_at_one_time_leave_nothing_over),
		cmocka_unit_test(a_wait_is_cut_where_steps_begin_and_end),
		cmocka_unit_test(a_wait_weighs_what_it_stands_for),
		cmocka_unit_test(what_was_not_measured_is_an_error_and_no_zero),
		cmocka_unit_test(a_filter_that_nothing_fits_says_so),
		cmocka_unit_test(stacks_that_refer_to_nothing_are_refused),
		cmocka_unit_test(a_stack_of_thousands_of_frames_is_drawn_whole),
		cmocka_unit_test(a_comparison_has_the_figures_of_both),
	};

	return cmocka_run_group_tests_name("flame graphs", tests, NULL, NULL);
}
