/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of memory controllers, on hosts made of files and with counters that the test plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_tree.h"
#include "userspace/memory/self_check.h"
#include "userspace/memory/uncore.h"
#include "userspace/recording.h"

#define MAX_OPEN 64

static char reason[200], remedy[200];

/* ------------------------------------------------------------------------------------------------------ a played kernel --- */

static struct kernel {
	struct {
		struct perf_event_attr attr;
		int cpu;
		struct counter_reading now;
		int err;	/* of reading */
	} events[MAX_OPEN];
	int n, n_closed;
	int err;		/* of opening, from event `fails_from` on */
	int fails_from;
} kernel;

static int fake_open(void *ctx, struct perf_event_attr *attr, int cpu, int group_fd)
{
	(void)ctx;
	assert_int_equal(group_fd, -1);
	assert_int_equal(attr->read_format, PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING);
	if (kernel.err && kernel.n >= kernel.fails_from)
		return kernel.err;
	kernel.events[kernel.n].attr = *attr;
	kernel.events[kernel.n].cpu = cpu;
	kernel.events[kernel.n].now = (struct counter_reading){ 1000, 100, 100 };
	return kernel.n++;
}

static int fake_read(void *ctx, int fd, struct counter_reading *out)
{
	(void)ctx;
	*out = kernel.events[fd].now;
	return kernel.events[fd].err;
}

static void fake_close(void *ctx, int fd)
{
	(void)ctx;
	(void)fd;
	kernel.n_closed++;
}

static int fake_paranoid(void *ctx)
{
	(void)ctx;
	return 2;
}

static const struct perf_calls calls = { fake_open, fake_read, fake_close, fake_paranoid, NULL };
static struct uncore u;

static int open_host(void)
{
	memset(&kernel, 0, sizeof(kernel));
	return uncore__open(&u, host_root, &calls, reason, sizeof(reason), remedy, sizeof(remedy));
}

static void pass(int fd, uint64_t count, uint64_t ns)
{
	kernel.events[fd].now.value += count;
	kernel.events[fd].now.enabled_ns += ns;
	kernel.events[fd].now.running_ns += ns;
}

/* ---------------------------------------------------------------------------------------------------------------- hosts --- */

static void put(const char *unit, const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), UNCORE_DEVICES "/%s/%s", unit, file);
	host_tree__put(host_root, path, text);
}

/* As intel_uncore shows the memory controllers of an Ice Lake server with two sockets. */
static void put_intel(const char *unit, const char *type)
{
	put(unit, "type", type);
	put(unit, "cpumask", "0,28\n");
	put(unit, "format/event", "config:0-7\n");
	put(unit, "format/umask", "config:8-15\n");
	put(unit, "events/cas_count_read", "event=0x04,umask=0x0f\n");
	put(unit, "events/cas_count_read.scale", "6.103515625e-5\n");
	put(unit, "events/cas_count_read.unit", "MiB\n");
	put(unit, "events/cas_count_write", "event=0x04,umask=0x30\n");
}

static void intel_servers_count_cas_commands_of_every_channel_and_socket(void **state)
{
	int64_t bytes, written;

	(void)state;
	put_intel("uncore_imc_0", "14\n");
	put_intel("uncore_imc_1", "15\n");
	put("uncore_imc_free_running_0", "type", "40\n");
	assert_int_equal(open_host(), 0);
	assert_string_equal(u.family, "intel_imc");
	assert_int_equal(u.n, 8);
	assert_int_equal(u.n_units, 2);
	assert_true(u.tells_writes);
	assert_int_equal(kernel.events[0].attr.type, 14);
	assert_int_equal(kernel.events[0].attr.config, 0x0f04);
	assert_int_equal(kernel.events[1].cpu, 28);
	assert_int_equal(kernel.events[2].attr.config, 0x3004);
	assert_int_equal(kernel.events[4].attr.type, 15);
	assert_int_equal(uncore__read(&u, &bytes, &written), -EAGAIN);
	for (int fd = 0; fd < 8; fd++)
		pass(fd, 1000, 1000000);
	assert_int_equal(uncore__read(&u, &bytes, &written), 0);
	assert_int_equal(bytes, 8 * 64000);
	assert_int_equal(written, 4 * 64000);
	uncore__close(&u);
	assert_int_equal(kernel.n_closed, 8);
}

static void client_processors_say_in_sysfs_what_a_count_is(void **state)
{
	int64_t bytes, written;

	(void)state;
	put("uncore_imc", "type", "11\n");
	put("uncore_imc", "cpumask", "0\n");
	put("uncore_imc", "format/event", "config:0-7\n");
	put("uncore_imc", "events/data_reads", "event=0x01\n");
	put("uncore_imc", "events/data_reads.scale", "6.103515625e-5\n");
	put("uncore_imc", "events/data_reads.unit", "MiB\n");
	put("uncore_imc", "events/data_writes", "event=0x02\n");
	put("uncore_imc", "events/data_writes.scale", "6.103515625e-5\n");
	put("uncore_imc", "events/data_writes.unit", "MiB\n");
	assert_int_equal(open_host(), 0);
	assert_string_equal(u.family, "intel_client");
	uncore__read(&u, &bytes, &written);
	pass(0, 16384, 1000);
	pass(1, 0, 1000);
	assert_int_equal(uncore__read(&u, &bytes, &written), 0);
	assert_int_equal(bytes, 1048576);
	assert_int_equal(written, 0);
	uncore__close(&u);
}

static void amds_unified_memory_controllers_tell_reads_from_writes_by_a_mask(void **state)
{
	(void)state;
	put("amd_umc_0", "type", "20\n");
	put("amd_umc_0", "cpumask", "0\n");
	put("amd_umc_0", "format/event", "config:0-7\n");
	put("amd_umc_0", "format/rdwrmask", "config:8-9\n");
	put("amd_df", "type", "9\n");
	assert_int_equal(open_host(), 0);
	assert_string_equal(u.family, "amd_umc");
	assert_int_equal(u.n, 2);
	assert_int_equal(kernel.events[0].attr.config, 0x10a);
	assert_int_equal(kernel.events[1].attr.config, 0x20a);
	uncore__close(&u);
}

static void amds_data_fabric_counts_only_on_processors_whose_events_are_known(void **state)
{
	(void)state;
	put("amd_df", "type", "9\n");
	put("amd_df", "cpumask", "0,64\n");
	put("amd_df", "format/event", "config:0-7,32-35,59-60\n");
	put("amd_df", "format/umask", "config:8-15\n");
	host_tree__put(host_root, "/proc/cpuinfo",
		       "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: EPYC "
		       "7763\n\n");
	assert_int_equal(open_host(), 0);
	assert_string_equal(u.family, "amd_df_zen3");
	assert_int_equal(u.n, 16);
	assert_false(u.tells_writes);
	/* Channel 7: event 0x1c7, of which the ninth bit stands at 32. */
	assert_true(kernel.events[14].attr.config == (0x38c7 | UINT64_C(1) << 32));
	uncore__close(&u);

	host_tree__put(host_root, "/proc/cpuinfo",
		       "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\n\n");
	assert_int_equal(open_host(), -ENODEV);
	assert_non_null(strstr(reason, "amd_df is there"));
	assert_true(remedy[0]);
}

static void arms_mesh_counts_requests_to_its_memory_controllers(void **state)
{
	int64_t bytes, written;

	(void)state;
	put("arm_cmn_0", "type", "30\n");
	put("arm_cmn_0", "cpumask", "0\n");
	put("arm_cmn_0", "format/type", "config:0-15\n");
	put("arm_cmn_0", "format/eventid", "config:16-26\n");
	put("arm_cmn_0", "events/hnf_mc_reqs", "type=0x5,eventid=0xd\n");
	assert_int_equal(open_host(), 0);
	assert_int_equal(kernel.events[0].attr.config, 0xd0005);
	uncore__read(&u, &bytes, &written);
	pass(0, 10, 10);
	assert_int_equal(uncore__read(&u, &bytes, &written), 0);
	assert_int_equal(bytes, 640);
	assert_int_equal(written, -1);
	uncore__close(&u);
}

static void a_host_without_any_says_so_and_what_would_help(void **state)
{
	(void)state;
	put("cpu", "type", "4\n");
	put("software", "type", "1\n");
	assert_int_equal(open_host(), -ENODEV);
	assert_non_null(strstr(reason, "no memory controller counts here"));
	assert_non_null(strstr(remedy, "bare metal"));
}

static void what_is_refused_is_said_with_its_remedy_and_nothing_stays_open(void **state)
{
	static const struct {
		int err;
		const char *reason, *remedy;
	} refusals[] = { { -EACCES, "perf_event_paranoid is 2", "CAP_PERFMON" },
			 { -EMFILE, "too many open files", "ulimit" },
			 { -EINVAL, "does not take this event's encoding", "another event" } };

	(void)state;
	put_intel("uncore_imc_0", "14\n");
	put_intel("uncore_imc_1", "15\n");
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		memset(&kernel, 0, sizeof(kernel));
		kernel.err = refusals[i].err;
		kernel.fails_from = 5;
		assert_true(uncore__open(&u, host_root, &calls, reason, sizeof(reason), remedy, sizeof(remedy)) < 0);
		assert_non_null(strstr(reason, "uncore_imc_1, cas_count_read"));
		assert_non_null(strstr(reason, refusals[i].reason));
		assert_non_null(strstr(remedy, refusals[i].remedy));
		assert_int_equal(kernel.n_closed, 5);
	}
}

static void files_that_make_no_sense_are_refused_in_words(void **state)
{
	static const struct {
		const char *file, *text, *reason;
	} broken[] = { { "type", "", "its type is not told" },
		       { "cpumask", "x\n", "its list of CPUs cannot be read" },
		       { "format/umask", "config:60-70\n", "its formats cannot be made out" },
		       { "format/umask", "config:8\n", "its formats cannot be made out" },
		       { "format/umask", "words\n", "its formats cannot be made out" },
		       { "events/cas_count_read", "event=,umask=1\n", "its formats cannot be made out" },
		       { "events/cas_count_read", "colour=1\n", "its formats cannot be made out" } };

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		put_intel("uncore_imc_0", "14\n");
		put("uncore_imc_0", broken[i].file, broken[i].text);
		assert_true(open_host() < 0);
		if (!strstr(reason, broken[i].reason))
			fail_msg("%s: %s", broken[i].text, reason);
		assert_int_equal(kernel.n, kernel.n_closed);
	}
}

/* ------------------------------------------------------------------------------------------------------------- counters --- */

static void open_one(void)
{
	int64_t bytes, written;

	put("arm_cmn_0", "type", "30\n");
	put("arm_cmn_0", "cpumask", "0\n");
	put("arm_cmn_0", "events/hnf_mc_reqs", "config=0xd0005\n");
	assert_int_equal(open_host(), 0);
	assert_int_equal(uncore__read(&u, &bytes, &written), -EAGAIN);
}

static void a_counter_of_48_bits_that_wraps_goes_on(void **state)
{
	int64_t bytes, written;

	(void)state;
	open_one();
	kernel.events[0].now.value = (UINT64_C(1) << 48) - 10;
	pass(0, 0, 1000);
	uncore__read(&u, &bytes, &written);
	kernel.events[0].now.value = 20;
	pass(0, 0, 1000);
	assert_int_equal(uncore__read(&u, &bytes, &written), 0);
	assert_int_equal(bytes, 30 * 64);
	uncore__close(&u);
}

static void a_counter_that_falls_is_an_interval_that_nobody_knows(void **state)
{
	int64_t bytes, written;

	(void)state;
	open_one();
	pass(0, 5000, 1000);
	assert_int_equal(uncore__read(&u, &bytes, &written), 0);
	kernel.events[0].now.value -= 100;
	kernel.events[0].now.enabled_ns += 1000;
	kernel.events[0].now.running_ns += 1000;
	assert_int_equal(uncore__read(&u, &bytes, &written), -ENODATA);
	pass(0, 7, 1000);
	assert_int_equal(uncore__read(&u, &bytes, &written), 0);
	assert_int_equal(bytes, 7 * 64);
	uncore__close(&u);
}

static void a_counter_that_took_turns_is_scaled_and_one_without_a_turn_is_not_known(void **state)
{
	int64_t bytes, written;

	(void)state;
	open_one();
	assert_false(u.shares);
	kernel.events[0].now.value += 100;
	kernel.events[0].now.enabled_ns += 1000;
	kernel.events[0].now.running_ns += 250;
	assert_int_equal(uncore__read(&u, &bytes, &written), 0);
	assert_int_equal(bytes, 400 * 64);
	assert_true(u.shares);
	kernel.events[0].now.enabled_ns += 1000;
	assert_int_equal(uncore__read(&u, &bytes, &written), -ENODATA);
	kernel.events[0].err = -EIO;
	assert_int_equal(uncore__read(&u, &bytes, &written), -EIO);
	uncore__close(&u);
}

/* ----------------------------------------------------------------------------------------------------------- self-check --- */

/* A sensor that sees 9 of 10 bytes of what is streamed, and 1 MB of others' at every reading. */
static int see(void *ctx, int64_t *bytes)
{
	int *n = ctx;

	*bytes = (*n)++ == 3 ? 1000000 + 9 * (INT64_C(64) << 20) * 2 / 10 : 1000000;
	return *n == 1 ? -EAGAIN : 0;
}

static int see_nothing(void *ctx, int64_t *bytes)
{
	(void)ctx;
	(void)bytes;
	return -ENODATA;
}

static void a_self_check_takes_off_what_others_moved_meanwhile(void **state)
{
	int n = 0;
	struct self_check_source sources[] = { { .read = see, .ctx = &n, .whole_host = true },
					       { .read = see_nothing } };
	struct self_check check;

	(void)state;
	host_tree__put(host_root, "/sys/devices/system/cpu/cpu0/cache/index3/size", "8192K\n");
	host_tree__put(host_root, "/sys/devices/system/cpu/cpu0/cache/index0/size", "32K\n");
	assert_int_equal(self_check__cache_bytes(host_root), 8 << 20);
	assert_int_equal(self_check__run(&check, host_root, 2, sources, 2), 0);
	assert_int_equal(check.buffer_bytes, 64 << 20);
	assert_int_equal(check.known_bytes, 128 << 20);
	assert_int_equal(sources[0].seen, 9 * (INT64_C(64) << 20) * 2 / 10);
	assert_int_equal(sources[1].seen, ABSENT);
}

#define on_a_host(test) cmocka_unit_test_setup_teardown(test, host_tree__make, host_tree__remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_a_host(intel_servers_count_cas_commands_of_every_channel_and_socket),
		on_a_host(client_processors_say_in_sysfs_what_a_count_is),
		on_a_host(amds_unified_memory_controllers_tell_reads_from_writes_by_a_mask),
		on_a_host(amds_data_fabric_counts_only_on_processors_whose_events_are_known),
		on_a_host(arms_mesh_counts_requests_to_its_memory_controllers),
		on_a_host(a_host_without_any_says_so_and_what_would_help),
		on_a_host(what_is_refused_is_said_with_its_remedy_and_nothing_stays_open),
		on_a_host(files_that_make_no_sense_are_refused_in_words),
		on_a_host(a_counter_of_48_bits_that_wraps_goes_on),
		on_a_host(a_counter_that_falls_is_an_interval_that_nobody_knows),
		on_a_host(a_counter_that_took_turns_is_scaled_and_one_without_a_turn_is_not_known),
		on_a_host(a_self_check_takes_off_what_others_moved_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
