/* SPDX-License-Identifier: Apache-2.0 */
/* The simpler rules: by hand, against all subsets where they are Shapley values, and fitted to servers that obey them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "make_server.h"
#include "userspace/cost/baselines.h"

#define MAX_ROWS 8

static double uniform(uint64_t *seed)
{
	return (double)(random_next(seed) >> 11) / 9007199254740992.0;
}

static void assert_near(double a, double b)
{
	if (!(fabs(a - b) <= 1e-9 * (fabs(a) + fabs(b))))
		fail_msg("%.17g is not %.17g", a, b);
}

static size_t make_rows(struct cost_row *rows, uint64_t *seed)
{
	const size_t n = 1 + random_below(seed, MAX_ROWS);

	for (size_t i = 0; i < n; i++) {
		const uint32_t longest = random_below(seed, 3) ? 1 : 400;

		rows[i] = (struct cost_row){ 1 + (uint32_t)random_below(seed, longest),
					     (uint32_t)random_below(seed, 5000), 1, (uint32_t)random_below(seed, 3) };
	}
	return n;
}

static const struct roofline_fit roofline = { 3e5, 4e6, 500, 2e5, 20, 0 };
static const struct affine_fit affine = { 4e6, 2e5, 3000, 150, 0 };

static void operations_and_bytes_are_as_by_hand(void **unused)
{
	const struct model_facts facts = { 1e9, 5e8, 10, 100, 2000 };
	const struct cost_row rows[] = { { 1, 99, 1, 0 }, { 10, 0, 1, 1 } };
	double weights[2];

	(void)unused;
	assert_int_equal(baseline__flop(&facts, rows, 2, weights), 0);
	assert_near(weights[0], 2e9 + 4000 * 100.0);
	assert_near(weights[1], 2e10 + 4000 * 55.0);
	assert_int_equal(baseline__bytes(&facts, rows, 2, FIXED_BY_ROW, weights), 0);
	assert_near(weights[0], 2.5e8 + 2000 * 100);
	assert_near(weights[1], 2.5e8 + 2000 * 10);
	assert_int_equal(baseline__bytes(&facts, rows, 2, FIXED_BY_TOKEN, weights), 0);
	assert_near(weights[0], 5e8 / 11 + 2000 * 100);
}

static void facts_that_are_not_known_are_asked_for(void **unused)
{
	const struct model_facts none = { 0 };
	const struct model_facts nonsense = { NAN, NAN, NAN, NAN, NAN };
	const struct cost_row row = { 1, 0, 1, 0 };
	double weight;

	(void)unused;
	assert_int_equal(baseline__flop(&none, &row, 1, &weight), -ENODATA);
	assert_int_equal(baseline__bytes(&none, &row, 1, FIXED_BY_ROW, &weight), -ENODATA);
	assert_int_equal(baseline__flop(&nonsense, &row, 1, &weight), -ENODATA);
	assert_int_equal(baseline__bytes(&nonsense, &row, 1, FIXED_BY_ROW, &weight), -ENODATA);
}

static void shares_sum_to_the_prediction_by_every_convention(void **unused)
{
	uint64_t seed = 1;

	(void)unused;
	for (int round = 0; round < 3000; round++) {
		const enum fixed_by fixed_by = (enum fixed_by)(round % 3);
		struct cost_row rows[MAX_ROWS];
		const size_t n = make_rows(rows, &seed);
		double shares[MAX_ROWS], sums[2] = { 0 };

		assert_int_equal(affine__share(&affine, rows, n, fixed_by, shares), 0);
		for (size_t i = 0; i < n; i++)
			sums[0] += shares[i];
		assert_int_equal(roofline__share(&roofline, rows, n, fixed_by, shares), 0);
		for (size_t i = 0; i < n; i++) {
			assert_true(shares[i] >= 0);
			sums[1] += shares[i];
		}
		assert_near(sums[0], affine__predict(&affine, rows, n));
		assert_near(sums[1], roofline__predict(&roofline, rows, n));
	}
}

static double price(bool is_affine, const struct cost_row *rows, size_t n, unsigned subset)
{
	struct cost_row chosen[MAX_ROWS];
	size_t n_chosen = 0;

	for (size_t i = 0; i < n; i++)
		if (subset >> i & 1)
			chosen[n_chosen++] = rows[i];
	return is_affine ? affine__predict(&affine, chosen, n_chosen) : roofline__predict(&roofline, chosen, n_chosen);
}

static double shapley(bool is_affine, const struct cost_row *rows, size_t n, size_t i)
{
	double sum = 0;

	for (unsigned s = 0; s < 1u << n; s++) {
		const int size = __builtin_popcount(s);
		double weight = 1.0 / (double)n;

		if (s >> i & 1)
			continue;
		for (int k = 0; k < size; k++)
			weight *= (k + 1.0) / ((double)n - 1 - k);
		sum += weight * (price(is_affine, rows, n, s | 1u << i) - price(is_affine, rows, n, s));
	}
	return sum;
}

/* The closed form of the roofline is a limit; the error of 2 % of the step is that of metering's simulations. */
static void shares_are_or_come_near_to_the_values_over_all_subsets(void **unused)
{
	uint64_t seed = 2;
	double off = 0, whole = 0;

	(void)unused;
	for (int round = 0; round < 200; round++) {
		struct cost_row rows[MAX_ROWS];
		const size_t n = make_rows(rows, &seed);
		double shares[MAX_ROWS];

		assert_int_equal(affine__share(&affine, rows, n, FIXED_BY_ROW, shares), 0);
		for (size_t i = 0; i < n; i++)
			assert_near(shares[i], shapley(true, rows, n, i));
		assert_int_equal(roofline__share(&roofline, rows, n, FIXED_BY_ROW, shares), 0);
		for (size_t i = 0; i < n; i++)
			off += fabs(shares[i] - shapley(false, rows, n, i)) / 2;
		whole += roofline__predict(&roofline, rows, n);
	}
	assert_true(off < 0.03 * whole);
}

static void coefficients_are_found_again(void **unused)
{
	enum { N = 800 };
	struct cost_row(*rows)[MAX_ROWS] = calloc(N, sizeof(*rows));
	struct cost_sample *samples = calloc(N, sizeof(*samples));
	uint32_t *ends = calloc(N, sizeof(*ends));
	struct roofline_fit r;
	struct affine_fit a;
	uint64_t seed = 3;

	(void)unused;
	assert_true(rows && samples && ends);
	for (int form = 0; form < 2; form++) {
		for (size_t i = 0; i < N; i++) {
			ends[i] = (uint32_t)make_rows(rows[i], &seed);
			samples[i] = (struct cost_sample){ .rows = rows[i], .part_end = &ends[i], .n_parts = 1 };
			samples[i].value = form ? roofline__predict(&roofline, rows[i], ends[i]) :
						  affine__predict(&affine, rows[i], ends[i]);
			samples[i].value *= 0.97 + 0.06 * uniform(&seed);
		}
		assert_int_equal(affine__fit(&a, samples, N), 0);
		assert_int_equal(roofline__fit(&r, samples, N), 0);
		if (form == 0) {
			assert_true(fabs(a.fixed / affine.fixed - 1) < 0.05);
			assert_true(fabs(a.token / affine.token - 1) < 0.05);
			assert_true(fabs(a.context / affine.context - 1) < 0.05);
			assert_true(fabs(a.pair / affine.pair - 1) < 0.05);
			assert_true(a.median_residual < 0.02);
		} else {
			assert_true(fabs((r.fixed + r.weights) / (roofline.fixed + roofline.weights) - 1) < 0.05);
			assert_true(fabs(r.context / roofline.context - 1) < 0.1);
			assert_true(fabs(r.token / roofline.token - 1) < 0.05);
			assert_true(fabs(r.pair / roofline.pair - 1) < 0.1);
			assert_true(r.median_residual < 0.02 && a.median_residual > r.median_residual);
		}
	}
	assert_int_equal(affine__fit(&a, samples, 7), -ENODATA);
	assert_int_equal(roofline__fit(&r, NULL, 0), -ENODATA);
	for (size_t i = 0; i < N; i++)
		samples[i].value = i % 2 ? NAN : -1;
	assert_int_equal(affine__fit(&a, samples, N), -ENODATA);
	free(rows);
	free(samples);
	free(ends);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operations_and_bytes_are_as_by_hand),
		cmocka_unit_test(facts_that_are_not_known_are_asked_for),
		cmocka_unit_test(shares_sum_to_the_prediction_by_every_convention),
		cmocka_unit_test(shares_are_or_come_near_to_the_values_over_all_subsets),
		cmocka_unit_test(coefficients_are_found_again),
	};

	return cmocka_run_group_tests_name("baselines of sharing", tests, NULL, NULL);
}
