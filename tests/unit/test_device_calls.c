/* SPDX-License-Identifier: Apache-2.0 */
/* Calls into device drivers in the ledger: whose they are, and that they add up. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/make_recording.h"
#include "userspace/analysis/device_calls.h"
#include "userspace/analysis/facts.h"

#define MS 1000000
#define SUBMIT 1
#define ALLOC 2
#define SMI 3

static const struct row_ioctl kinds[] = {
	{ .id = SUBMIT,
	  .device = "/dev/kfd",
	  .driver = "amdkfd",
	  .name = "S",
	  .class = "submit",
	  .n = 10,
	  .ns = 1000,
	  .failed = 1 },
	{ .id = ALLOC,
	  .device = "/dev/nvidiactl",
	  .driver = "nvidia",
	  .name = "A",
	  .class = "alloc",
	  .n = 2,
	  .ns = 50 },
	{ .id = SMI,
	  .neighbour = true,
	  .device = "/dev/nvidiactl",
	  .driver = "nvidia",
	  .name = "C",
	  .class = "control",
	  .n = 7,
	  .ns = 70 },
};

/* One request with a prefill and two decode steps, of 100 ms each, from 1 s on. */
struct scene {
	struct maker m;
	struct timeline t;
	struct ledger l;
};

static void put_step(struct maker *m, int i, int first_pos, int n_tokens)
{
	const uint64_t start_ns = 1000u * MS + (uint64_t)i * 200 * MS;

	maker__step(m, MAKER_TARGET, start_ns, start_ns + 100 * MS);
	maker__row(m, 0, first_pos, n_tokens, 1);
}

static void scene__begin(struct scene *s, bool with_totals)
{
	memset(s, 0, sizeof(*s));
	maker__init(&s->m);
	for (int i = 0; i < N_IOCTL_RESOURCES; i++) {
		const struct row_resource row = { RESOURCE_IOCTL + i,
						  ioctl_resource_names[i],
						  "count",
						  RESOURCE_ADDITIVE,
						  GRADE_MEASURED,
						  "test",
						  NULL };

		maker__resource(&s->m, &row);
		if (with_totals)
			maker__total(&s->m, RESOURCE_IOCTL + i, 0, "test");
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		maker__ioctl(&s->m, &kinds[i]);
	maker__request(&s->m, 990u * MS, 1600u * MS);
	put_step(&s->m, 0, 0, 8);
}

static void set_total(struct scene *s, int class, int measure, int64_t value)
{
	for (size_t i = 0; i < s->m.recording.n_totals; i++)
		if (s->m.recording.totals[i].resource == RESOURCE_IOCTL + class * N_IOCTL_MEASURES + measure)
			s->m.recording.totals[i].value = value;
}

static int build(struct scene *s)
{
	const struct recording *r = maker__finish(&s->m);

	assert_int_equal(timeline__build(&s->t, r), 0);
	return ledger__build(&s->l, &s->t, NULL);
}

static void scene__end(struct scene *s)
{
	ledger__free(&s->l);
	timeline__free(&s->t);
	maker__free(&s->m);
}

static size_t at(const struct scene *s, const char *name)
{
	const int k = resource__find(&s->l, name);

	assert_true(k >= 0);
	return (size_t)k;
}

static void calls_in_steps_are_their_requests_and_the_others_the_hosts_or_idle(void **state)
{
	struct scene s;
	size_t count, ns, failed;

	(void)state;
	scene__begin(&s, true);
	maker__step_ioctl(&s.m, SUBMIT, 3, 300, 1);
	put_step(&s.m, 1, 8, 1);
	maker__step_ioctl(&s.m, SUBMIT, 2, 200, 0);
	put_step(&s.m, 2, 9, 1);
	maker__ioctl_sample(&s.m, 1500u * MS, SUBMIT, 1, 100, 0);	/* in flight */
	maker__ioctl_sample(&s.m, 9000u * MS, SUBMIT, 4, 400, 0);	/* nothing is */
	set_total(&s, IOCTL_SUBMIT, IOCTL_COUNT, 11);
	set_total(&s, IOCTL_SUBMIT, IOCTL_NS, 1000);
	set_total(&s, IOCTL_SUBMIT, IOCTL_FAILED, 1);
	assert_int_equal(build(&s), 0);
	count = at(&s, "ioctl_submit_count");
	ns = at(&s, "ioctl_submit_ns");
	failed = at(&s, "ioctl_submit_failed");
	assert_int_equal(s.l.requests[0].cost[count], 5);
	assert_int_equal(s.l.requests[0].by_phase[PHASE_PREFILL][count], 3);
	assert_int_equal(s.l.requests[0].by_phase[PHASE_DECODE][ns], 200);
	assert_int_equal(s.l.requests[0].cost[failed], 1);
	assert_int_equal(s.l.accounts[ACCOUNT_HOST][count], 1);
	assert_int_equal(s.l.accounts[ACCOUNT_IDLE][ns], 400);
	assert_int_equal(s.l.accounts[ACCOUNT_UNEXPLAINED][count], 1);
	assert_int_equal(s.l.accounts[ACCOUNT_UNEXPLAINED][ns], 0);
	assert_int_equal(ledger__broken(&s.l), -1);
	assert_int_equal(recording__step_use(s.t.recording, 1, RESOURCE_IOCTL + IOCTL_NS), 300);
	assert_int_equal(recording__step_use(s.t.recording, 3, RESOURCE_IOCTL + IOCTL_NS), 0);
	scene__end(&s);
}

static void without_totals_the_sum_of_parts_is_derived(void **state)
{
	struct scene s;
	size_t k;

	(void)state;
	scene__begin(&s, false);
	maker__step_ioctl(&s.m, SUBMIT, 3, 300, 1);
	maker__step_ioctl(&s.m, 99, 3, 300, 1);		/* of a kind that the recorder did not come to write */
	assert_int_equal(build(&s), 0);
	k = at(&s, "ioctl_submit_ns");
	assert_int_equal(s.l.resources[k].total, 300);
	assert_int_equal(s.l.resources[k].row->grade, GRADE_DERIVED);
	assert_int_equal(ledger__broken(&s.l), -1);
	scene__end(&s);
}

static void a_neighbours_calls_are_in_no_figure_of_the_server(void **state)
{
	struct scene s;

	(void)state;
	scene__begin(&s, true);
	maker__step_ioctl(&s.m, SMI, 7, 70, 0);
	assert_int_equal(build(&s), 0);
	assert_int_equal(s.l.requests[0].cost[at(&s, "ioctl_control_count")], 0);
	assert_int_equal(s.l.resources[at(&s, "ioctl_control_count")].total, 0);
	scene__end(&s);
}

static void a_call_in_a_decode_step_is_an_anomaly_where_work_needs_none(void **state)
{
	struct call_places *places;
	struct scene s;

	(void)state;
	scene__begin(&s, true);
	maker__step_ioctl(&s.m, ALLOC, 1, 20, 0);
	put_step(&s.m, 1, 8, 1);
	maker__step_ioctl(&s.m, SUBMIT, 2, 200, 0);
	assert_int_equal(build(&s), 0);
	assert_int_equal(device_calls__places(&s.t, &places), 0);
	assert_int_equal(places[1].in_steps, 1);
	assert_false(places[1].anomaly);	/* in a prefill */
	assert_int_equal(places[0].in_decode, 2);
	assert_false(places[0].anomaly);	/* the driver's way to submit */
	free(places);
	scene__end(&s);

	scene__begin(&s, true);
	put_step(&s.m, 1, 8, 1);
	maker__step_ioctl(&s.m, ALLOC, 1, 20, 0);
	assert_int_equal(build(&s), 0);
	assert_int_equal(device_calls__places(&s.t, &places), 0);
	assert_true(places[1].anomaly);
	assert_int_equal(places[1].decode_steps, 1);
	assert_int_equal(places[1].in_decode_ns, 20);
	free(places);
	scene__end(&s);
}

static void a_class_that_there_is_not_and_sums_of_no_machine_are_refused(void **state)
{
	const struct row_ioctl odd = { .id = 4, .device = "/dev/x", .name = "X", .class = "teleport" };
	struct scene s;

	(void)state;
	scene__begin(&s, true);
	maker__ioctl(&s.m, &odd);
	assert_int_equal(build(&s), -EINVAL);
	scene__end(&s);

	scene__begin(&s, true);
	maker__step_ioctl(&s.m, SUBMIT, INT64_MAX, 1, 0);
	maker__ioctl_sample(&s.m, 1500u * MS, SUBMIT, INT64_MAX, 1, 0);
	assert_int_equal(build(&s), -EINVAL);
	scene__end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_in_steps_are_their_requests_and_the_others_the_hosts_or_idle),
		cmocka_unit_test(without_totals_the_sum_of_parts_is_derived),
		cmocka_unit_test(a_neighbours_calls_are_in_no_figure_of_the_server),
		cmocka_unit_test(a_call_in_a_decode_step_is_an_anomaly_where_work_needs_none),
		cmocka_unit_test(a_class_that_there_is_not_and_sums_of_no_machine_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
