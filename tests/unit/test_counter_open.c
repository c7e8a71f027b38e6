/* SPDX-License-Identifier: Apache-2.0 */
/* Opening events on a kernel that the test plays: what is refused, what goes on, what is said, and that nothing stays open. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/counters/perf_open.h"

#define MAX_FDS 16384

/* A kernel: how many descriptors it has, which event it refuses and how, what a counter shows. */
struct kernel {
	int limit;		/* descriptors; 0: MAX_FDS */
	uint64_t refused;	/* config of an event that is refused with ... */
	int err;
	bool in_groups;		/* only as the member of a group */
	int offline;		/* CPU; -1 none */
	int n_open, paranoid;
	bool open[MAX_FDS];
	int n_reads;
	struct counter_reading readings[2];
};

static int fake_open(void *ctx, struct perf_event_attr *attr, int cpu, int group_fd)
{
	struct kernel *k = ctx;

	if (k->err && attr->config == k->refused && (!k->in_groups || group_fd >= 0))
		return k->err;
	if (cpu == k->offline)
		return -ENODEV;
	assert_true(group_fd < 0 || k->open[group_fd]);
	for (int fd = 0; fd < (k->limit ? k->limit : MAX_FDS); fd++)
		if (!k->open[fd]) {
			k->open[fd] = true;
			k->n_open++;
			return fd;
		}
	return -EMFILE;
}

static int fake_read(void *ctx, int fd, struct counter_reading *out)
{
	struct kernel *k = ctx;

	assert_true(k->open[fd]);
	*out = k->readings[k->n_reads++ & 1];
	return 0;
}

static void fake_close(void *ctx, int fd)
{
	struct kernel *k = ctx;

	assert_true(k->open[fd]);
	k->open[fd] = false;
	k->n_open--;
}

static int fake_paranoid(void *ctx)
{
	return ((struct kernel *)ctx)->paranoid;
}

static struct perf_calls calls_of(struct kernel *k)
{
	return (struct perf_calls){ fake_open, fake_read, fake_close, fake_paranoid, k };
}

static struct event_list two_in_a_group_and_one(void)
{
	struct event_list list = { .n = 3 };

	for (size_t i = 0; i < 3; i++) {
		list.events[i].attr.type = PERF_TYPE_RAW;
		list.events[i].attr.config = i + 1;
		list.events[i].group = i == 2;
	}
	return list;
}

static struct open_events open_on(struct kernel *k, const struct event_list *list, size_t n_cpus)
{
	struct perf_calls calls = calls_of(k);
	struct open_events out;
	int *cpus = calloc(n_cpus, sizeof(*cpus));

	assert_non_null(cpus);
	for (size_t i = 0; i < n_cpus; i++)
		cpus[i] = (int)i;
	assert_int_equal(open_events__open(&out, list, cpus, n_cpus, &calls), 0);
	free(cpus);
	return out;
}

static void close_all(struct kernel *k, struct open_events *o)
{
	struct perf_calls calls = calls_of(k);

	open_events__close(o, &calls);
	assert_int_equal(k->n_open, 0);
}

static void an_event_is_opened_once_per_cpu(void **state)
{
	struct event_list list = two_in_a_group_and_one();
	struct kernel k = { .offline = -1 };
	struct open_events o = open_on(&k, &list, 4);

	(void)state;
	assert_int_equal(o.n_open, 3);
	assert_int_equal(k.n_open, 12);
	close_all(&k, &o);
}

static void an_event_that_fails_does_not_stop_the_others(void **state)
{
	struct event_list list = two_in_a_group_and_one();
	struct kernel k = { .offline = -1, .refused = 1, .err = -EINVAL };
	struct open_events o = open_on(&k, &list, 4);

	(void)state;
	assert_int_equal(o.n_open, 2);
	assert_int_equal(o.events[0].err, -EINVAL);
	assert_int_equal(o.events[1].err, 0);
	assert_int_equal(k.n_open, 8);
	close_all(&k, &o);
}

static void a_member_without_room_in_its_group_is_counted_by_itself(void **state)
{
	struct event_list list = two_in_a_group_and_one();
	struct kernel k = { .offline = -1, .refused = 2, .err = -EINVAL, .in_groups = true };
	struct open_events o = open_on(&k, &list, 2);

	(void)state;
	assert_int_equal(o.n_open, 3);
	assert_true(o.events[1].alone);
	assert_false(o.events[0].alone);
	close_all(&k, &o);
}

static void a_cpu_that_is_offline_is_left_out(void **state)
{
	struct event_list list = two_in_a_group_and_one();
	struct kernel k = { .offline = 0 };
	struct open_events o = open_on(&k, &list, 3);

	(void)state;
	assert_int_equal(o.n_open, 3);
	assert_int_equal(o.events[2].fds[0], -1);
	assert_int_equal(k.n_open, 6);
	close_all(&k, &o);
}

static void without_descriptors_an_event_is_closed_everywhere_and_what_was_open_stays(void **state)
{
	struct event_list list = two_in_a_group_and_one();
	struct kernel k = { .offline = -1, .limit = 10 };
	struct open_events o = open_on(&k, &list, 4);

	(void)state;
	assert_int_equal(o.n_open, 2);
	assert_int_equal(o.events[2].err, -EMFILE);
	assert_int_equal(o.events[2].cpu, 2);
	assert_int_equal(k.n_open, 8);
	close_all(&k, &o);
}

static void ten_thousand_descriptors_are_opened_and_closed(void **state)
{
	struct event_list list = { .n = MAX_COUNTERS };
	struct kernel *k = calloc(1, sizeof(*k));
	struct open_events o;

	(void)state;
	assert_non_null(k);
	k->offline = -1;
	for (int i = 0; i < MAX_COUNTERS; i++)
		list.events[i].group = i;
	o = open_on(k, &list, 10000 / MAX_COUNTERS);
	assert_int_equal(k->n_open, 10000);
	close_all(k, &o);
	free(k);
}

/* --- words --------------------------------------------------------------------------------------------------------- */

static void every_refusal_has_words_and_a_remedy(void **state)
{
	static const struct {
		int err;
		const char *reason, *remedy;
	} known[] = {
		{ -EACCES, "kernel.perf_event_paranoid is 3", "CAP_PERFMON" },
		{ -EPERM, "kernel.perf_event_paranoid is 3", "sysctl kernel.perf_event_paranoid" },
		{ -ENOENT, "virtual machines", "bare metal" },
		{ -EOPNOTSUPP, "virtual machines", "bare metal" },
		{ -EMFILE, "descriptor per CPU", "ulimit -n" },
		{ -ENFILE, "descriptor per CPU", "fs.file-max" },
		{ -EINVAL, "encoding", "another event" },
		{ -EBUSY, "holds the counter", "nmi_watchdog" },
		{ -ENODEV, "no CPU", "list --events" },
		{ -ENOSYS, "no performance events", "CONFIG_PERF_EVENTS" },
		{ -ENOSPC, "no room", "fewer events" },
		{ -EIO, "Input/output error", "list --events" },
	};
	struct perf_event_attr attr = { .type = PERF_TYPE_RAW };
	char reason[240], remedy[240];

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		perf_open__explain(&attr, known[i].err, 3, reason, sizeof(reason), remedy, sizeof(remedy));
		assert_non_null(strstr(reason, known[i].reason));
		assert_non_null(strstr(remedy, known[i].remedy));
		assert_true(strlen(reason) < 160 && strlen(remedy) < 200);
	}
}

static void a_software_event_that_is_missing_is_not_blamed_on_the_processor(void **state)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE };
	char reason[240], remedy[240];

	(void)state;
	perf_open__explain(&attr, -ENOENT, 2, reason, sizeof(reason), remedy, sizeof(remedy));
	assert_null(strstr(reason, "processor"));
}

/* --- a trial ------------------------------------------------------------------------------------------------------- */

static enum trial try(struct counter_reading first, struct counter_reading second)
{
	struct kernel k = { .offline = -1, .readings = { first, second } };
	struct perf_calls calls = calls_of(&k);
	struct counter_event event = { .group = 0 };
	enum trial t;
	int err;

	t = perf_open__try(&event, 0, &calls, NULL, &err);
	assert_int_equal(k.n_open, 0);
	return t;
}

static void a_trial_tells_counters_that_are_shared_taken_or_untrue_from_good_ones(void **state)
{
	struct kernel k = { .offline = -1, .refused = 0, .err = -EACCES };
	struct perf_calls calls = calls_of(&k);
	struct counter_event event = { .group = 0 };
	int err;

	(void)state;
	assert_int_equal(try((struct counter_reading){ 5, 10, 10 }, (struct counter_reading){ 9, 20, 20 }),
			 TRIAL_COUNTS);
	assert_int_equal(try((struct counter_reading){ 5, 10, 10 }, (struct counter_reading){ 9, 20, 15 }),
			 TRIAL_SHARES);
	assert_int_equal(try((struct counter_reading){ 0, 10, 0 }, (struct counter_reading){ 0, 20, 0 }), TRIAL_STANDS);
	assert_int_equal(try((struct counter_reading){ 9, 10, 10 }, (struct counter_reading){ 5, 20, 20 }),
			 TRIAL_BACKWARDS);
	/* 48 bits came round: 2^48 - 1 and then 3 is four further. */
	assert_int_equal(
		try((struct counter_reading){ (1ULL << 48) - 1, 10, 10 }, (struct counter_reading){ 3, 20, 20 }),
		TRIAL_COUNTS);
	assert_int_equal(perf_open__try(&event, 0, &calls, NULL, &err), TRIAL_FAILED);
	assert_int_equal(err, -EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_is_opened_once_per_cpu),
		cmocka_unit_test(an_event_that_fails_does_not_stop_the_others),
		cmocka_unit_test(a_member_without_room_in_its_group_is_counted_by_itself),
		cmocka_unit_test(a_cpu_that_is_offline_is_left_out),
		cmocka_unit_test(without_descriptors_an_event_is_closed_everywhere_and_what_was_open_stays),
		cmocka_unit_test(ten_thousand_descriptors_are_opened_and_closed),
		cmocka_unit_test(every_refusal_has_words_and_a_remedy),
		cmocka_unit_test(a_software_event_that_is_missing_is_not_blamed_on_the_processor),
		cmocka_unit_test(a_trial_tells_counters_that_are_shared_taken_or_untrue_from_good_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
