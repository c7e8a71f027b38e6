/* SPDX-License-Identifier: Apache-2.0 */
/* The exact split: parts always sum to the whole, and no part is a unit away from what largest remainder says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "make_server.h"
#include "userspace/analysis/ledger.h"

#define MAX_PARTS 300

static int64_t sum_of(const int64_t *parts, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (uint64_t)parts[i];
	return (int64_t)sum;
}

static void assert_split(int64_t value, const double *weights, size_t n, const int64_t *expected)
{
	int64_t out[8];

	assert_int_equal(share__split(value, weights, n, out), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(out[i], expected[i]);
}

static void the_largest_remainders_get_the_units_that_are_left(void **unused)
{
	(void)unused;
	assert_split(10, (double[]){ 1, 1, 1 }, 3, (int64_t[]){ 4, 3, 3 });
	assert_split(10, (double[]){ 1, 2, 4 }, 3, (int64_t[]){ 1, 3, 6 });
	assert_split(100, (double[]){ 1.5, 1.5, 3 }, 3, (int64_t[]){ 25, 25, 50 });
	assert_split(7, (double[]){ 0.1, 0.7, 0.2 }, 3, (int64_t[]){ 1, 5, 1 });
}

static void a_negative_amount_is_split_like_its_opposite(void **unused)
{
	(void)unused;
	assert_split(-10, (double[]){ 1, 1, 1 }, 3, (int64_t[]){ -4, -3, -3 });
	assert_split(-1, (double[]){ 1, 3 }, 2, (int64_t[]){ 0, -1 });
}

static void a_weight_of_zero_gets_nothing(void **unused)
{
	(void)unused;
	assert_split(5, (double[]){ 0, 1, 0, 1 }, 4, (int64_t[]){ 0, 3, 0, 2 });
	assert_split(5, (double[]){ 0, 1e-300, 0 }, 3, (int64_t[]){ 0, 5, 0 });
}

static void weights_that_say_nothing_share_alike(void **unused)
{
	(void)unused;
	assert_split(5, (double[]){ 0, 0 }, 2, (int64_t[]){ 3, 2 });
	assert_split(5, (double[]){ NAN, -1, INFINITY }, 3, (int64_t[]){ 2, 2, 1 });
}

static void the_greatest_and_least_amounts_are_split_exactly(void **unused)
{
	const double weights[] = { 1, 2, 1e300, 3e-300 };
	int64_t out[4];

	(void)unused;
	assert_int_equal(share__split(INT64_MAX, weights, 4, out), 0);
	assert_int_equal(sum_of(out, 4), INT64_MAX);
	assert_int_equal(out[2], INT64_MAX);
	assert_int_equal(share__split(INT64_MIN, weights, 4, out), 0);
	assert_int_equal(sum_of(out, 4), INT64_MIN);
	assert_split(INT64_MIN, (double[]){ 5 }, 1, (int64_t[]){ INT64_MIN });
	assert_split(INT64_MAX, (double[]){ 1, 1 }, 2, (int64_t[]){ INT64_MAX / 2 + 1, INT64_MAX / 2 });
}

static void parts_sum_to_the_whole_and_stay_within_a_unit_of_their_quota(void **unused)
{
	uint64_t random = 7;

	(void)unused;
	for (int round = 0; round < 3000; round++) {
		const size_t n = 1 + random_below(&random, MAX_PARTS);
		const int64_t value = (int64_t)random_next(&random) >> random_below(&random, 64);
		double weights[MAX_PARTS], whole = 0;
		int64_t out[MAX_PARTS];

		for (size_t i = 0; i < n; i++) {
			weights[i] = (double)random_below(&random, 1 + (1u << random_below(&random, 20)));
			whole += weights[i];
		}
		assert_int_equal(share__split(value, weights, n, out), 0);
		assert_int_equal(sum_of(out, n), value);
		for (size_t i = 0; whole > 0 && i < n; i++) {
			const double quota = (double)value * weights[i] / whole;

			assert_true(fabs((double)out[i] - quota) <= 1 + fabs(quota) * 1e-12);
			assert_true(weights[i] > 0 || out[i] == 0);
		}
	}
}

static void splitting_nothing_gives_nothing(void **unused)
{
	(void)unused;
	assert_int_equal(share__split(5, NULL, 0, NULL), 0);
	assert_split(0, (double[]){ 1, 2 }, 2, (int64_t[]){ 0, 0 });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_largest_remainders_get_the_units_that_are_left),
		cmocka_unit_test(a_negative_amount_is_split_like_its_opposite),
		cmocka_unit_test(a_weight_of_zero_gets_nothing),
		cmocka_unit_test(weights_that_say_nothing_share_alike),
		cmocka_unit_test(the_greatest_and_least_amounts_are_split_exactly),
		cmocka_unit_test(parts_sum_to_the_whole_and_stay_within_a_unit_of_their_quota),
		cmocka_unit_test(splitting_nothing_gives_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
