/* SPDX-License-Identifier: Apache-2.0 */
/* System calls and interrupts in the ledger: whose they are, and that they add up to the kernel time. */
#include <asm/unistd.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "bpf/shared.h"
#include "tests/unit/make_recording.h"
#include "userspace/analysis/facts.h"
#include "userspace/analysis/kernel_work.h"
#include "userspace/kernel_kind.h"

#define MS 1000000
#define READ 0
#define MMAP 9
#define FUTEX 202

/* One request with steps of 100 ms, 200 ms apart, from 1 s on. Kernel time is cut at each. */
struct scene {
	struct maker m;
	struct timeline t;
	struct ledger l;
	int64_t kernel_ns, faults;
};

static void put_step(struct scene *s, int first_pos, int n_tokens, int64_t kernel_ns, int64_t faults)
{
	const uint64_t start_ns = 1000u * MS + s->m.recording.n_steps * 200 * MS;

	maker__step(&s->m, MAKER_TARGET, start_ns, start_ns + 100 * MS);
	maker__row(&s->m, 0, first_pos, n_tokens, 1);
	maker__cut(&s->m, RESOURCE_KERNEL_NS, s->kernel_ns, kernel_ns);
	maker__cut(&s->m, RESOURCE_FAULTS, s->faults, faults);
	s->kernel_ns += kernel_ns;
	s->faults += faults;
}

static void scene__begin(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	maker__init(&s->m);
	maker__meta(&s->m, "start_ns", "900000000");
	maker__meta(&s->m, "end_ns", "3000000000");
	maker__meta(&s->m, META_FAULT_NS, "500");
	maker__kernel_kind(&s->m, READ, "read", "file");
	maker__kernel_kind(&s->m, MMAP, "mmap", "memory");
	maker__kernel_kind(&s->m, FUTEX, "futex", "futex");
	maker__request(&s->m, 990u * MS, 2000u * MS);
}

static int build(struct scene *s)
{
	const struct recording *r = maker__finish(&s->m);

	assert_int_equal(timeline__build(&s->t, r), 0);
	return ledger__build(&s->l, &s->t, NULL);
}

static void build_well(struct scene *s)
{
	assert_int_equal(build(s), 0);
	assert_non_null(s->l.kernel);
	assert_int_equal(kernel_work__broken(&s->l), -1);
	assert_int_equal(ledger__broken(&s->l), -1);
}

static void scene__end(struct scene *s)
{
	ledger__free(&s->l);
	timeline__free(&s->t);
	maker__free(&s->m);
}

/* By the name in the recording; of account a, or of the request where it is negative. */
static struct kernel_figure of(const struct scene *s, int account, const char *name)
{
	const struct kernel_work *w = s->l.kernel;

	for (size_t k = 0; k < w->n_kinds; k++)
		if (strcmp(kernel_work__name(w, k), name) == 0)
			return account < 0 ? kernel_work__request(&s->l, 0)[k] :
					     w->accounts[(size_t)account * w->n_kinds + k];
	fail_msg("no kind %s", name);
	return (struct kernel_figure){ 0, 0 };
}

static void assert_figure(struct kernel_figure figure, int64_t n, int64_t ns)
{
	assert_int_equal(figure.n, n);
	assert_int_equal(figure.ns, ns);
}

static void where_all_calls_were_timed_they_are_counted_exactly(void **state)
{
	struct scene s;

	(void)state;
	scene__begin(&s);
	maker__kernel_burst(&s.m, 800u * MS, 3100u * MS);
	put_step(&s, 0, 8, 1000, 0);
	maker__step_kernel(&s.m, MMAP, 2, 700);
	put_step(&s, 8, 1, 300, 0);
	maker__step_kernel(&s.m, FUTEX, 5, 300);
	maker__kernel_sample(&s.m, 1150u * MS, READ, 3, 90);	/* in flight */
	maker__kernel_sample(&s.m, 2900u * MS, READ, 4, 40);	/* nothing is */
	maker__sample(&s.m, 1150u * MS, RESOURCE_KERNEL_NS, 1100);
	maker__sample(&s.m, 2900u * MS, RESOURCE_KERNEL_NS, 1400);
	maker__total(&s.m, RESOURCE_KERNEL_NS, 1500, "test");
	s.m.recording.step_resources[2].start_value = 1100;
	build_well(&s);
	assert_true(s.l.kernel->exact);
	assert_figure(of(&s, -1, "mmap"), 2, 700);
	assert_figure(of(&s, -1, "futex"), 5, 300);
	assert_figure(of(&s, -1, "read"), 0, 0);
	assert_figure(of(&s, -1, "not told"), 0, 300);
	assert_figure(of(&s, ACCOUNT_HOST, "read"), 3, 90);
	assert_figure(of(&s, ACCOUNT_IDLE, "read"), 4, 40);
	assert_int_equal(s.l.kernel->totals[0].n, 7);
	assert_int_equal(s.l.kernel->phases[PHASE_PREFILL * s.l.kernel->n_kinds + 1].ns, 700);
	scene__end(&s);
}

static void what_was_not_timed_is_made_up_as_the_same_phase_was(void **state)
{
	struct scene s;

	(void)state;
	scene__begin(&s);
	maker__kernel_burst(&s.m, 1000u * MS, 1350u * MS);
	put_step(&s, 0, 8, 1000, 0);			/* the prompt: timed */
	maker__step_kernel(&s.m, MMAP, 10, 1000);
	put_step(&s, 8, 1, 400, 0);			/* a token: timed */
	maker__step_kernel(&s.m, FUTEX, 4, 300);
	maker__step_kernel(&s.m, READ, 1, 100);
	put_step(&s, 9, 1, 4000, 0);			/* ten times as much, not timed */
	maker__total(&s.m, RESOURCE_KERNEL_NS, 5400, "test");
	build_well(&s);
	assert_false(s.l.kernel->exact);
	assert_figure(of(&s, -1, "mmap"), 10, 1000);
	assert_figure(of(&s, -1, "futex"), 4 + 40, 300 + 3000);
	assert_figure(of(&s, -1, "read"), 1 + 10, 100 + 1000);
	scene__end(&s);
}

static void counts_of_many_short_steps_are_not_rounded_away(void **state)
{
	int64_t n = 0;
	struct scene s;

	(void)state;
	scene__begin(&s);
	maker__kernel_burst(&s.m, 1000u * MS, 1200u * MS);
	put_step(&s, 0, 8, 1000, 0);
	maker__step_kernel(&s.m, FUTEX, 1, 1000);
	for (int i = 0; i < 4; i++)
		put_step(&s, 8 + i, 1, 250, 0);		/* each a quarter of a call; no token was timed */
	for (int i = 0; i < 3; i++)
		maker__request(&s.m, 990u * MS, 2000u * MS);
	maker__total(&s.m, RESOURCE_KERNEL_NS, 2000, "test");
	build_well(&s);
	n = s.l.kernel->totals[2].n;
	assert_int_equal(n, 2);
	scene__end(&s);
}

static void the_larger_part_of_a_call_is_a_call(void **state)
{
	struct scene s;

	(void)state;
	scene__begin(&s);
	maker__kernel_burst(&s.m, 1000u * MS, 1200u * MS);
	put_step(&s, 0, 8, 1000, 0);
	maker__step_kernel(&s.m, FUTEX, 1, 600);
	maker__step_kernel(&s.m, READ, 3, 400);
	put_step(&s, 8, 1, 600, 0);		/* 0.6 and 1.8 of them */
	maker__total(&s.m, RESOURCE_KERNEL_NS, 1600, "test");
	build_well(&s);
	assert_figure(of(&s, -1, "futex"), 1 + 1, 600 + 360);
	assert_figure(of(&s, -1, "read"), 3 + 2, 400 + 240);
	scene__end(&s);
	scene__begin(&s);
	maker__kernel_burst(&s.m, 1000u * MS, 1200u * MS);
	put_step(&s, 0, 8, 1000, 0);
	maker__step_kernel(&s.m, FUTEX, 1, 1000);
	put_step(&s, 8, 1, 400, 0);
	maker__total(&s.m, RESOURCE_KERNEL_NS, 1400, "test");
	build_well(&s);
	assert_figure(of(&s, -1, "futex"), 1, 1400);
	scene__end(&s);
}

static void faults_are_counted_by_the_ledger_and_priced_here(void **state)
{
	struct scene s;

	(void)state;
	scene__begin(&s);
	maker__kernel_burst(&s.m, 800u * MS, 3100u * MS);
	put_step(&s, 0, 8, 2000, 3);
	maker__step_kernel(&s.m, MMAP, 2, 500);
	put_step(&s, 8, 1, 700, 2);			/* two faults would be more than it took: no more than that */
	maker__total(&s.m, RESOURCE_KERNEL_NS, 2700, "test");
	maker__total(&s.m, RESOURCE_FAULTS, 5, "test");
	build_well(&s);
	assert_figure(of(&s, -1, "page faults"), 5, 1500 + 700);
	assert_figure(of(&s, -1, "mmap"), 2, 500);
	assert_figure(of(&s, -1, "not told"), 0, 0);
	scene__end(&s);
}

static void a_call_that_began_before_its_step_makes_what_is_not_told_negative(void **state)
{
	struct scene s;

	(void)state;
	scene__begin(&s);
	maker__kernel_burst(&s.m, 800u * MS, 3100u * MS);
	put_step(&s, 0, 8, 1000, 0);
	maker__step_kernel(&s.m, READ, 1, 1200);
	maker__total(&s.m, RESOURCE_KERNEL_NS, 1000, "test");
	build_well(&s);
	assert_figure(of(&s, -1, "read"), 1, 1200);
	assert_figure(of(&s, -1, "not told"), 0, -200);
	scene__end(&s);
}

static void calls_of_a_step_that_was_lost_are_unexplained(void **state)
{
	struct scene s;

	(void)state;
	scene__begin(&s);
	maker__kernel_burst(&s.m, 800u * MS, 3100u * MS);
	put_step(&s, 0, 8, 1000, 0);
	maker__step_kernel(&s.m, READ, 1, 100);
	maker__step_kernel(&s.m, READ, 5, 500);
	s.m.recording.step_kernels[1].step = 77;
	maker__step_kernel(&s.m, 12345, 5, 500);	/* of a kind that the recorder did not come to write */
	maker__total(&s.m, RESOURCE_KERNEL_NS, 1500, "test");
	build_well(&s);
	assert_figure(of(&s, ACCOUNT_UNEXPLAINED, "read"), 5, 500);
	assert_int_equal(s.l.kernel->totals[0].n, 6);
	scene__end(&s);
}

static void without_times_of_calls_there_is_nothing_to_tell(void **state)
{
	struct scene s;

	(void)state;
	scene__begin(&s);
	put_step(&s, 0, 8, 1000, 0);
	assert_int_equal(build(&s), 0);
	assert_null(s.l.kernel);
	assert_null(kernel_work__request(&s.l, 0));
	assert_int_equal(kernel_work__broken(&s.l), -1);
	scene__end(&s);
}

static void figures_that_no_machine_has_are_refused(void **state)
{
	struct scene s;

	(void)state;
	scene__begin(&s);
	maker__kernel_burst(&s.m, 1000u * MS, 1200u * MS);
	put_step(&s, 0, 8, 1000, 0);
	maker__step_kernel(&s.m, FUTEX, INT64_MAX, 1);
	put_step(&s, 8, 1, 1000000, 0);
	assert_int_equal(build(&s), -EINVAL);
	scene__end(&s);
	scene__begin(&s);
	maker__kernel_burst(&s.m, 1000u * MS, 1200u * MS);
	for (int i = 1000; i < 1300; i++)
		maker__kernel_kind(&s.m, i, "x", "other");
	put_step(&s, 0, 8, 1000, 0);
	assert_int_equal(build(&s), -EINVAL);
	scene__end(&s);
}

static void a_read_of_a_socket_is_receiving_and_one_of_a_file_is_not(void **state)
{
	static const struct {
		uint32_t kind;
		const char *name;
		enum kernel_path path;
	} expected[] = {
		{ KERNEL_KIND(KERNEL_SYSCALL, KERNEL_NO_SOCKET, __NR_read), "read", KERNEL_FILE },
		{ KERNEL_KIND(KERNEL_SYSCALL, KERNEL_RECEIVES, __NR_read), "read", KERNEL_RECEIVE },
		{ KERNEL_KIND(KERNEL_SYSCALL, KERNEL_SENDS, __NR_writev), "writev", KERNEL_SEND },
		{ KERNEL_KIND(KERNEL_SYSCALL, KERNEL_NO_SOCKET, __NR_accept4), "accept4", KERNEL_RECEIVE },
		{ KERNEL_KIND(KERNEL_SYSCALL, KERNEL_NO_SOCKET, __NR_futex), "futex", KERNEL_FUTEX },
		{ KERNEL_KIND(KERNEL_SYSCALL, KERNEL_NO_SOCKET, __NR_readahead), "readahead", KERNEL_FILE },
		{ KERNEL_KIND(KERNEL_SYSCALL, KERNEL_NO_SOCKET, 9999), "syscall_9999", KERNEL_OTHER },
		{ KERNEL_KIND(KERNEL_SYSCALL, KERNEL_NO_SOCKET, -1), "syscall_65535", KERNEL_OTHER },
		{ KERNEL_KIND(KERNEL_SOFTIRQ, 0, 3), "softirq NET_RX", KERNEL_RECEIVE },
		{ KERNEL_KIND(KERNEL_SOFTIRQ, 0, 2), "softirq NET_TX", KERNEL_SEND },
		{ KERNEL_KIND(KERNEL_SOFTIRQ, 0, 9), "softirq RCU", KERNEL_INTERRUPT },
		{ KERNEL_KIND(KERNEL_SOFTIRQ, 0, 10), "softirq 10", KERNEL_INTERRUPT },
		{ KERNEL_KIND(KERNEL_TIMER, 0, 0), "timer interrupt", KERNEL_INTERRUPT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		char name[KERNEL_NAME_SIZE];

		kernel_kind__name(expected[i].kind, name, sizeof(name));
		assert_string_equal(name, expected[i].name);
		assert_int_equal(kernel_kind__path(expected[i].kind), expected[i].path);
	}
}

static void a_call_that_is_for_sockets_only_is_one_kind_whether_it_moved_bytes_or_not(void **state)
{
	const uint32_t plain = KERNEL_KIND(KERNEL_SYSCALL, KERNEL_NO_SOCKET, __NR_sendto);
	const uint32_t read = KERNEL_KIND(KERNEL_SYSCALL, KERNEL_RECEIVES, __NR_read);

	(void)state;
	assert_int_equal(kernel_kind__plain(KERNEL_KIND(KERNEL_SYSCALL, KERNEL_SENDS, __NR_sendto)), plain);
	assert_int_equal(kernel_kind__plain(plain), plain);
	assert_int_equal(kernel_kind__plain(read), read);
	assert_int_equal(kernel_kind__plain(KERNEL_KIND(KERNEL_SOFTIRQ, 0, 3)), KERNEL_KIND(KERNEL_SOFTIRQ, 0, 3));
}

static void a_recorder_that_was_killed_before_its_first_figure_has_no_calls(void **state)
{
	struct scene s;

	(void)state;
	scene__begin(&s);
	maker__kernel_burst(&s.m, 1000u * MS, 1000u * MS);
	maker__kernel_sample(&s.m, 1150u * MS, READ, 3, 90);
	assert_int_equal(build(&s), 0);
	assert_null(s.l.kernel);
	assert_int_equal(kernel_work__broken(&s.l), -1);
	assert_int_equal(ledger__broken(&s.l), -1);
	scene__end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_all_calls_were_timed_they_are_counted_exactly),
		cmocka_unit_test(what_was_not_timed_is_made_up_as_the_same_phase_was),
		cmocka_unit_test(counts_of_many_short_steps_are_not_rounded_away),
		cmocka_unit_test(a_recorder_that_was_killed_before_its_first_figure_has_no_calls),
		cmocka_unit_test(the_larger_part_of_a_call_is_a_call),
		cmocka_unit_test(faults_are_counted_by_the_ledger_and_priced_here),
		cmocka_unit_test(a_call_that_began_before_its_step_makes_what_is_not_told_negative),
		cmocka_unit_test(calls_of_a_step_that_was_lost_are_unexplained),
		cmocka_unit_test(without_times_of_calls_there_is_nothing_to_tell),
		cmocka_unit_test(figures_that_no_machine_has_are_refused),
		cmocka_unit_test(a_read_of_a_socket_is_receiving_and_one_of_a_file_is_not),
		cmocka_unit_test(a_call_that_is_for_sockets_only_is_one_kind_whether_it_moved_bytes_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
