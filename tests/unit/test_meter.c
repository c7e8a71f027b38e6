/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of the meters that BPF programs add to and step probes cut (bpf/shared.h), against a plain sum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/shared.h"
#include "userspace/analysis/bootstrap.h"

#define MAX_RUNNING 64

static void a_cut_gives_the_sum_of_all_running_times(void **state)
{
	struct random_state random = { 7 };
	uint64_t since[MAX_RUNNING], word = METER_ORIGIN, now = 1000, sum = 0;
	size_t n = 0, event;

	(void)state;
	for (event = 0; event < 100000; event++) {
		uint64_t dt = random__below(&random, 1000000), running = 0;
		size_t i;

		now += dt;
		if (n == 0 || (n < MAX_RUNNING && random__below(&random, 2))) {
			since[n++] = now;
			word += meter__start(now);
		} else {
			i = (size_t)random__below(&random, n);
			sum += now - since[i];
			since[i] = since[--n];
			word += meter__stop(now);
		}
		for (i = 0; i < n; i++)
			running += now - since[i];
		assert_true(meter__read(word, now) == METER_ORIGIN + sum + running);
	}
}

static void a_start_on_another_cpu_a_moment_ahead_does_not_break_a_cut(void **state)
{
	uint64_t word = METER_ORIGIN;

	(void)state;
	word += meter__start(5000);
	/* This CPU's clock reading is older than the other one's start. */
	assert_true(meter__read(word, 4000) == METER_ORIGIN - 1000);
}

static void a_lap_taken_out_is_the_same_reading_less_a_lap(void **state)
{
	uint64_t word = METER_ORIGIN, now = 1ULL << 49;
	int i;

	(void)state;
	for (i = 0; i < 5; i++)
		word += meter__start(0);
	assert_true(meter__read(word, now) == METER_ORIGIN + 5 * now);
	assert_true(meter__read(word - METER_LAP, now) == METER_ORIGIN + 5 * now - METER_LAP);
}

static void the_longest_recording_still_reads_right(void **state)
{
	uint64_t word = METER_ORIGIN, now = 1ULL << 51;	/* 26 days of wall time */

	(void)state;
	word += meter__start(0);
	/* One busy thread; the recorder has taken a lap out on the way. */
	assert_true(meter__read(word - METER_LAP, now) == METER_ORIGIN + now - METER_LAP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cut_gives_the_sum_of_all_running_times),
		cmocka_unit_test(a_start_on_another_cpu_a_moment_ahead_does_not_break_a_cut),
		cmocka_unit_test(a_lap_taken_out_is_the_same_reading_less_a_lap),
		cmocka_unit_test(the_longest_recording_still_reads_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
