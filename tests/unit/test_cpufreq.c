/* SPDX-License-Identifier: Apache-2.0 */
/* What a host's cpufreq says of frequencies, and whether it tells of their changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include <errno.h>

#include "bpf/shared.h"
#include "host_tree.h"
#include "userspace/cpufreq.h"

#define CPU "/sys/devices/system/cpu"
#define N_CPUS 8

static char driver[32], reason[160], remedy[160];
static uint32_t khz[N_CPUS];

static void put_cpu(int cpu, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), CPU "/cpu%d/cpufreq/%s", cpu, name);
	host_tree__put(host_root, path, text);
}

static void put_host(const char *its_driver, const char *governor, const char *flags)
{
	host_tree__put(host_root, CPU "/online", "0-1\n");
	host_tree__put(host_root, "/proc/cpuinfo", flags);
	for (int cpu = 0; cpu < 2; cpu++) {
		put_cpu(cpu, "scaling_driver", its_driver);
		put_cpu(cpu, "scaling_governor", governor);
	}
}

static int read_host(void)
{
	return cpufreq__read(host_root, khz, N_CPUS, driver, reason, sizeof(reason), remedy, sizeof(remedy));
}

static void a_host_without_a_driver_says_why_and_what_to_do(void **state)
{
	(void)state;
	assert_int_equal(read_host(), -ENODEV);
	assert_non_null(strstr(reason, "no cpufreq driver"));
	assert_true(remedy[0]);
	host_tree__put(host_root, CPU "/online", "0-1\n");
	assert_int_equal(read_host(), -ENODEV);
}

static void what_a_governor_that_stays_has_set_is_known_from_the_start(void **state)
{
	static const struct {
		const char *governor, *file;
	} stays[] = { { "performance\n", "scaling_max_freq" },
		      { "powersave\n", "scaling_min_freq" },
		      { "userspace\n", "scaling_setspeed" } };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		put_host("acpi-cpufreq\n", stays[i].governor, "flags\t: fpu\n");
		put_cpu(0, stays[i].file, "3000000\n");
		put_cpu(1, stays[i].file, "1200000\n");
		assert_int_equal(read_host(), 0);
		assert_string_equal(driver, "acpi-cpufreq");
		assert_int_equal(khz[0], 3000000);
		assert_int_equal(khz[1], 1200000);
		assert_int_equal(khz[2], 0);
	}
}

/* What is measured at the start and what changes are told with are not the same figure on all processors. */
static void what_a_governor_that_follows_the_load_has_set_is_not_known_before_it_is_told(void **state)
{
	(void)state;
	put_host("acpi-cpufreq\n", "schedutil\n", "flags\t: fpu\n");
	put_cpu(0, "scaling_cur_freq", "3456789\n");
	put_cpu(0, "scaling_max_freq", "3000000\n");
	assert_int_equal(read_host(), 0);
	assert_int_equal(khz[0], 0);
	/* Its powersave is not the governor of that name. */
	put_host("intel_pstate\n", "powersave\n", "flags\t: fpu\n");
	put_cpu(0, "scaling_min_freq", "800000\n");
	assert_int_equal(read_host(), 0);
	assert_int_equal(khz[0], 0);
}

static void a_processor_that_chooses_by_itself_tells_nothing(void **state)
{
	static const struct {
		const char *driver, *governor, *flags;
		int rc;
	} hosts[] = {
		{ "intel_pstate\n", "powersave\n", "flags\t: fpu hwp sse\n", -EOPNOTSUPP },
		{ "intel_pstate\n", "performance\n", "flags\t: fpu hwp\n", -EOPNOTSUPP },
		{ "intel_pstate\n", "performance\n", "flags\t: fpu hwp_epp\n", 0 },
		{ "intel_cpufreq\n", "schedutil\n", "flags\t: hwp\n", -EOPNOTSUPP },
		{ "intel_cpufreq\n", "schedutil\n", "flags\t: fpu\n", 0 },
		{ "amd-pstate-epp\n", "powersave\n", "flags\t: fpu\n", -EOPNOTSUPP },
		{ "amd-pstate\n", "schedutil\n", "flags\t: fpu\n", -EOPNOTSUPP },
		{ "amd-pstate\n", "ondemand\n", "flags\t: fpu\n", 0 },
		{ "cppc_cpufreq\n", "schedutil\n", "Features\t: fp\n", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		put_host(hosts[i].driver, hosts[i].governor, hosts[i].flags);
		assert_int_equal(read_host(), hosts[i].rc);
		if (!hosts[i].rc)
			continue;
		assert_true(reason[0] && remedy[0]);
		assert_non_null(strstr(reason, driver));
	}
}

static void strange_files_are_survived(void **state)
{
	static const char *const lists[] = {
		"", "x", "-", "0-", "5-2", "7-4000000000", "0,,1", "0-1,99999999999999999999"
	};

	(void)state;
	put_host("acpi-cpufreq\n", "performance\n", "");
	put_cpu(0, "scaling_max_freq", "none\n");
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		host_tree__put(host_root, CPU "/online", lists[i]);
		read_host();
		assert_int_equal(khz[0], 0);
	}
}

/* ---------------------------------------------------------------------------------------------------------- the clock --- */

/* Two threads: one runs 10 ms at 3 GHz, another 5 ms at 1.5 GHz that become 3 GHz after 2 ms. */
static void the_clock_adds_up_time_by_frequency(void **state)
{
	const tp_u64 fast = clock__weight(3000000), slow = clock__weight(1500000), ms = 1000000;
	tp_u64 word = CLOCK_ORIGIN, units;

	(void)state;
	word += clock__start(fast, 7 * ms);
	word += clock__start(slow, 9 * ms);
	word += clock__start(fast - slow, 11 * ms);
	word += clock__stop(fast, 14 * ms);
	word += clock__stop(fast, 17 * ms);
	units = clock__read(word, 20 * ms) - CLOCK_ORIGIN;
	assert_in_range(units, (13 * fast + 2 * slow) * ms / 1024 - 4 * fast,
			(13 * fast + 2 * slow) * ms / 1024 + 4 * fast);
}

/* A change that slows a running thread down has a negative weight, and is no less exact. */
static void a_clock_that_is_read_while_threads_run_is_as_exact(void **state)
{
	const tp_u64 fast = clock__weight(3000000), slow = clock__weight(1500000), s = 1000000000;
	tp_u64 word = CLOCK_ORIGIN, begin, end, now = 30 * 24 * 3600 * s;

	(void)state;
	for (int i = 0; i < 512; i++)
		word += clock__start(fast, now);
	begin = clock__read(word, now + s);
	for (int i = 0; i < 512; i++)
		word += clock__start(slow - fast, now + s);
	end = clock__read(word, now + 2 * s);
	assert_in_range((end - begin) * 1024 / s / 512, slow - 1, slow);
}

static void a_lap_that_is_taken_out_of_the_clock_leaves_the_rest(void **state)
{
	const tp_u64 weight = clock__weight(3000000);
	tp_u64 word = CLOCK_ORIGIN + clock__start(weight, 0), t, before;

	(void)state;
	t = CLOCK_LAP / weight * 1024 + 5000000000;
	before = clock__read(word, t);
	assert_true(before > CLOCK_LAP + CLOCK_ORIGIN);
	word -= CLOCK_LAP;
	assert_int_equal(clock__read(word, t), before - CLOCK_LAP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_host_without_a_driver_says_why_and_what_to_do, host_tree__make,
						host_tree__remove),
		cmocka_unit_test_setup_teardown(what_a_governor_that_stays_has_set_is_known_from_the_start,
						host_tree__make, host_tree__remove),
		cmocka_unit_test_setup_teardown(
			what_a_governor_that_follows_the_load_has_set_is_not_known_before_it_is_told, host_tree__make,
			host_tree__remove),
		cmocka_unit_test_setup_teardown(a_processor_that_chooses_by_itself_tells_nothing, host_tree__make,
						host_tree__remove),
		cmocka_unit_test_setup_teardown(strange_files_are_survived, host_tree__make, host_tree__remove),
		cmocka_unit_test(the_clock_adds_up_time_by_frequency),
		cmocka_unit_test(a_clock_that_is_read_while_threads_run_is_as_exact),
		cmocka_unit_test(a_lap_that_is_taken_out_of_the_clock_leaves_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
