/* SPDX-License-Identifier: Apache-2.0 */
/* What a host says of itself, by directories whose truth is known, and what a processor can do at most by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "make_recording.h"
#include "userspace/host.h"
#include "userspace/verify/processor.h"

static void put(const char *cpus, int cpu, const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/cpu%d", cpus, cpu);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/cpu%d/cpufreq", cpus, cpu);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/cpu%d/cpufreq/%s", cpus, cpu, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "%s\n", text);
	fclose(f);
}

static void drop(const char *cpus, int n)
{
	static const char *const names[] = { "cpufreq/scaling_driver", "cpufreq/cpuinfo_max_freq", "cpufreq", "" };
	char path[200];

	for (int cpu = 0; cpu < n; cpu++)
		for (size_t i = 0; i < 4; i++) {
			snprintf(path, sizeof(path), "%s/cpu%d/%s", cpus, cpu, names[i]);
			remove(path);
		}
	rmdir(cpus);
}

static int64_t khz_of(const char *driver, const char *first, const char *second)
{
	char cpus[] = "/tmp/tokprof-cpus-XXXXXX";
	int64_t khz;

	assert_non_null(mkdtemp(cpus));
	put(cpus, 0, "scaling_driver", driver);
	put(cpus, 0, "cpuinfo_max_freq", first);
	put(cpus, 1, "scaling_driver", driver);
	put(cpus, 1, "cpuinfo_max_freq", second);
	khz = host__max_khz(cpus);
	drop(cpus, 2);
	return khz;
}

static void the_fastest_of_unlike_processors_is_the_hosts_clock(void **state)
{
	(void)state;
	assert_int_equal(khz_of("intel_pstate", "3800000", "5200000"), 5200000);
	assert_int_equal(khz_of("amd-pstate-epp", "5700000", "3300000"), 5700000);
}

/* acpi-cpufreq has 2.401 GHz for a processor of 2.4 GHz with a turbo of 3.9. */
static void a_clock_without_turbo_is_no_bound(void **state)
{
	(void)state;
	assert_int_equal(khz_of("acpi-cpufreq", "2401000", "2401000"), ABSENT);
	assert_int_equal(host__max_khz("/nowhere/at/all"), ABSENT);
}

static double operations_of(const char *features)
{
	struct processor p;
	struct maker m;

	maker__init(&m);
	maker__meta(&m, "cpu_features", features);
	maker__meta(&m, "cpu_max_khz", "1000000");
	p = processor__of(maker__finish(&m));
	maker__free(&m);
	return p.operations_per_ns;
}

/* AMD's processors list "sme" for their encryption of memory; Arm's for a unit whose size is not known. */
static void the_encryption_of_memory_multiplies_no_matrices(void **state)
{
	(void)state;
	assert_true(operations_of("avx2 fma sme") == 192);
	assert_true(operations_of("fma sme avx2 avx512f avx512_vnni") == 256);
	assert_true(isnan(operations_of("asimd asimddp i8mm sve sme")));
	assert_true(operations_of("asimd asimddp i8mm sve") == 512);
	assert_true(isnan(operations_of("sse4_2")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fastest_of_unlike_processors_is_the_hosts_clock),
		cmocka_unit_test(a_clock_without_turbo_is_no_bound),
		cmocka_unit_test(the_encryption_of_memory_multiplies_no_matrices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
