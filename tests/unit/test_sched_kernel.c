/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel's side counted of system calls, made into rows: a real map, and time as the test tells it. */
#include "tests/unit/recording_example.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "collectors/sched_kernel.h"
#include "userspace/session.h"

#define FUTEX 202
#define READ 0
#define START_NS 1000000000ULL
#define LOOK_NS 100000000ULL

struct looks {
	struct session *session;
	struct meters meters;
	struct sched_kernel *kernel;
	uint64_t now_ns;
	int fd;
};

static struct looks *looks__new(const struct folder *f)
{
	struct looks *l;
	const int fd = bpf_map_create(BPF_MAP_TYPE_PERCPU_HASH, "test_uses", sizeof(struct kernel_use_key),
				      sizeof(struct kernel_use), MAX_KERNEL_USES, NULL);

	if (fd < 0)
		return NULL;
	l = calloc(1, sizeof(*l));
	assert_non_null(l);
	l->session = calloc(1, sizeof(*l->session));
	l->kernel = calloc(1, sizeof(*l->kernel));
	assert_non_null(l->session);
	assert_non_null(l->kernel);
	l->fd = fd;
	l->session->meters = &l->meters;
	l->session->writer = open_writer(f);
	l->now_ns = START_NS;
	assert_int_equal(sched_kernel__open(l->kernel, l->session, fd), 0);
	return l;
}

static void look(struct looks *l)
{
	sched_kernel__drain(l->kernel, l->now_ns, true, false);
	l->now_ns += LOOK_NS;
}

static void call(struct looks *l, uint64_t step, uint32_t number, uint64_t n, uint64_t ns)
{
	const struct kernel_use_key key = { step, KERNEL_KIND(KERNEL_SYSCALL, 0, number),
					    (uint32_t)l->meters.kernel_turn };
	struct kernel_use *values = calloc((size_t)libbpf_num_possible_cpus(), sizeof(*values));

	assert_non_null(values);
	values[0] = (struct kernel_use){ n, ns };
	assert_int_equal(bpf_map_update_elem(l->fd, &key, values, BPF_ANY), 0);
	free(values);
}

static void end(struct looks *l, const struct folder *f, struct recording *out)
{
	sched_kernel__drain(l->kernel, l->now_ns, false, true);
	sched_kernel__close(l->kernel);
	assert_int_equal(recording_writer__close(l->session->writer, true), 0);
	load(out, f->file);
	close(l->fd);
	free(l->kernel);
	free(l->session);
	free(l);
}

static void calls_of_more_steps_than_are_kept_are_all_told(void **state)
{
	struct looks *l = looks__new(*state);
	struct recording r;
	int64_t n = 0, ns = 0;

	if (!l)
		skip();	/* maps want privilege */
	for (uint64_t step = 1; step <= 3 * KERNEL_STEPS_KEPT; step++)
		call(l, step, FUTEX, 2, 10 * step);
	look(l);
	look(l);
	end(l, *state, &r);
	assert_int_equal(r.n_step_kernels, 3 * KERNEL_STEPS_KEPT);
	for (size_t i = 0; i < r.n_step_kernels; i++) {
		n += r.step_kernels[i].n;
		ns += r.step_kernels[i].ns;
		assert_int_equal(r.step_kernels[i].ns, 10 * r.step_kernels[i].step);
	}
	assert_int_equal(n, 2 * 3 * KERNEL_STEPS_KEPT);
	assert_int_equal(ns, 5 * 3 * KERNEL_STEPS_KEPT * (3 * KERNEL_STEPS_KEPT + 1));
	recording__free(&r);
}

static void a_step_over_several_looks_has_one_row_with_all_of_it(void **state)
{
	struct looks *l = looks__new(*state);
	struct recording r;

	if (!l)
		skip();
	for (int i = 0; i < 4; i++) {
		call(l, 7, FUTEX, 3, 100);
		look(l);
	}
	end(l, *state, &r);
	assert_int_equal(r.n_step_kernels, 1);
	assert_int_equal(r.step_kernels[0].n, 12);
	assert_int_equal(r.step_kernels[0].ns, 400);
	recording__free(&r);
}

/* Else it would stand among those of the idle time that follows, up to a second later. */
static void calls_of_a_request_between_two_looks_have_the_time_of_that_look(void **state)
{
	struct looks *l = looks__new(*state);
	struct recording r;
	uint64_t seen_ns;

	if (!l)
		skip();
	look(l);
	look(l);
	call(l, 0, READ, 1, 50);
	l->session->counts.n_requests++;
	seen_ns = l->now_ns;
	look(l);
	look(l);
	call(l, 0, READ, 5, 70);
	for (int i = 0; i < 5; i++)
		look(l);
	end(l, *state, &r);
	assert_int_equal(r.n_kernel_samples, 2);
	assert_int_equal(r.kernel_samples[0].n, 1);
	assert_int_equal(r.kernel_samples[0].time_ns, seen_ns);
	assert_int_equal(r.kernel_samples[1].n, 5);
	recording__free(&r);
}

#define test_with_folder(test) cmocka_unit_test_setup_teardown(test, folder__set_up, folder__tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_folder(calls_of_more_steps_than_are_kept_are_all_told),
		test_with_folder(a_step_over_several_looks_has_one_row_with_all_of_it),
		test_with_folder(calls_of_a_request_between_two_looks_have_the_time_of_that_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
