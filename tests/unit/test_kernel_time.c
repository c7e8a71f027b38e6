/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "userspace/kernel_time.h"

static void watched_all_the_time_it_is_what_was_measured(void **state)
{
	struct kernel_time k = { 0 };

	(void)state;
	kernel_time__begin(&k, 1000);
	assert_true(kernel_time__exact(&k));
	assert_int_equal(kernel_time__at(&k, 1000, 0), 0);
	assert_int_equal(kernel_time__at(&k, 5000, 123), 123);
	assert_int_equal(kernel_time__at(&k, 9000, 456), 456);
}

static void between_bursts_it_grows_as_it_did_in_them(void **state)
{
	struct kernel_time k = { 0 };

	(void)state;
	kernel_time__begin(&k, 0);
	kernel_time__end(&k, 1000, 100);	/* a tenth of the CPU time */
	assert_false(kernel_time__exact(&k));
	assert_int_equal(kernel_time__at(&k, 1000, 100), 100);
	assert_int_equal(kernel_time__at(&k, 11000, 7), 1100);
	kernel_time__begin(&k, 11000);
	assert_int_equal(kernel_time__at(&k, 11500, 30), 1130);
	kernel_time__end(&k, 12000, 60);
	assert_int_equal(kernel_time__at(&k, 12000, 60), 1160);
	/* 100 of 1000, which counts 0.8 as much as 60 of the latest 1000 */
	assert_int_equal(kernel_time__at(&k, 13800, 0), 1160 + 140);
}

static void a_cut_that_is_told_late_falls_where_it_was(void **state)
{
	struct kernel_time k = { 0 };

	(void)state;
	kernel_time__begin(&k, 0);
	kernel_time__end(&k, 1000, 100);
	kernel_time__begin(&k, 5000);
	kernel_time__end(&k, 6000, 100);
	assert_int_equal(kernel_time__at(&k, 500, 40), 40);
	assert_int_equal(kernel_time__at(&k, 3000, 0), 300);
	assert_int_equal(kernel_time__at(&k, 5500, 50), 550);
}

/* What steps and the time between them took is a difference of two cuts: none may be negative. */
static void it_never_falls(void **state)
{
	struct kernel_time k = { 0 };
	int64_t cpu = 0, last = 0;

	(void)state;
	srand(3);
	for (int burst = 0; burst < 100; burst++) {
		int64_t measured = 0;

		kernel_time__begin(&k, cpu);
		for (int i = 0; i < 20; i++) {
			const int64_t value = kernel_time__at(&k, cpu, measured);

			assert_true(value >= last);
			last = value;
			cpu += 100 + rand() % 1000;
			measured += rand() % 100;
		}
		kernel_time__end(&k, cpu, measured);
		for (int i = 0; i < 20; i++) {
			const int64_t value = kernel_time__at(&k, cpu, 0);

			assert_true(value >= last);
			last = value;
			cpu += rand() % 10000;
		}
	}
}

static void a_cut_older_than_all_bursts_that_are_remembered_is_not_before_the_oldest(void **state)
{
	struct kernel_time k = { 0 };

	(void)state;
	for (int64_t i = 0; i < 2 * KERNEL_TIME_BURSTS; i++) {
		kernel_time__begin(&k, i * 1000);
		kernel_time__end(&k, i * 1000 + 100, 10);
	}
	assert_int_equal(kernel_time__at(&k, 5, 5), kernel_time__at(&k, KERNEL_TIME_BURSTS * 1000, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(watched_all_the_time_it_is_what_was_measured),
		cmocka_unit_test(between_bursts_it_grows_as_it_did_in_them),
		cmocka_unit_test(a_cut_that_is_told_late_falls_where_it_was),
		cmocka_unit_test(it_never_falls),
		cmocka_unit_test(a_cut_older_than_all_bursts_that_are_remembered_is_not_before_the_oldest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
