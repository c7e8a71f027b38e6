/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Non-negative least squares against what makes a solution one (Karush, Kuhn and Tucker): x >= 0; no column that is in use
 * can improve the fit, and no column that is not could by coming in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "make_server.h"
#include "userspace/cost/nnls.h"

#define MAX_POINTS 80

struct problem {
	size_t n, n_points;
	double a[MAX_POINTS][NNLS_MAX], y[MAX_POINTS];
	double gram[NNLS_MAX * NNLS_MAX], xty[NNLS_MAX];
};

static double uniform(uint64_t *seed)
{
	return (double)(random_next(seed) >> 11) / 9007199254740992.0;
}

static void make_problem(struct problem *p, uint64_t *seed)
{
	memset(p, 0, sizeof(*p));
	p->n = 1 + random_below(seed, NNLS_MAX);
	p->n_points = 1 + random_below(seed, MAX_POINTS);
	for (size_t j = 0; j < p->n; j++) {
		const double size = exp(20 * uniform(seed) - 10);
		const size_t twin = random_below(seed, 4) || !j ? j : random_below(seed, j);

		for (size_t i = 0; i < p->n_points; i++) {
			p->a[i][j] = twin == j ? size * (random_below(seed, 3) ? uniform(seed) : 0) : p->a[i][twin];
			if (twin != j && random_below(seed, 5) == 0)
				p->a[i][j] *= 1 + 1e-3 * uniform(seed);
		}
	}
	for (size_t i = 0; i < p->n_points; i++)
		p->y[i] = 1000 * (uniform(seed) - 0.3);
	for (size_t i = 0; i < p->n_points; i++) {
		for (size_t j = 0; j < p->n; j++) {
			p->xty[j] += p->a[i][j] * p->y[i];
			for (size_t k = 0; k < p->n; k++)
				p->gram[j * p->n + k] += p->a[i][j] * p->a[i][k];
		}
	}
}

static void assert_optimal(const struct problem *p, const double *x)
{
	double residual[MAX_POINTS], length = 0;

	for (size_t i = 0; i < p->n_points; i++) {
		residual[i] = p->y[i];
		for (size_t j = 0; j < p->n; j++)
			residual[i] -= p->a[i][j] * x[j];
		length += p->y[i] * p->y[i];
	}
	for (size_t j = 0; j < p->n; j++) {
		double gradient = 0, column = 0, off;

		assert_true(isfinite(x[j]) && x[j] >= 0);
		for (size_t i = 0; i < p->n_points; i++) {
			gradient += p->a[i][j] * residual[i];
			column += p->a[i][j] * p->a[i][j];
		}
		/* The cosine of the residual with the column, in units of y. */
		off = column > 0 ? gradient / sqrt(column) / sqrt(length) : 0;
		if (off > 1e-6 || (x[j] > 0 && off < -1e-6))
			fail_msg("column %zu of %zu: x %g, gradient %g", j, p->n, x[j], off);
	}
}

static void solutions_satisfy_the_conditions_of_kuhn_and_tucker(void **unused)
{
	struct problem *p = malloc(sizeof(*p));
	uint64_t seed = 1;

	(void)unused;
	assert_non_null(p);
	for (int round = 0; round < 2000; round++) {
		double x[NNLS_MAX] = { 0 };

		make_problem(p, &seed);
		assert_int_equal(nnls__solve(p->gram, p->xty, p->n, x), 0);
		assert_optimal(p, x);
	}
	free(p);
}

static void a_guess_changes_the_way_and_not_the_solution(void **unused)
{
	struct problem *p = malloc(sizeof(*p));
	uint64_t seed = 2;

	(void)unused;
	assert_non_null(p);
	for (int round = 0; round < 500; round++) {
		double x[NNLS_MAX];

		make_problem(p, &seed);
		for (size_t j = 0; j < p->n; j++)
			x[j] = random_below(&seed, 2) ? 100 * uniform(&seed) : 0;
		assert_int_equal(nnls__solve(p->gram, p->xty, p->n, x), 0);
		assert_optimal(p, x);
		assert_int_equal(nnls__solve(p->gram, p->xty, p->n, x), 0);
		assert_optimal(p, x);
	}
	free(p);
}

static void examples_by_hand(void **unused)
{
	const double gram[] = { 2, 1, 1, 2 };
	double x[2] = { 0 };

	(void)unused;
	assert_int_equal(nnls__solve(gram, (double[]){ 3, 3 }, 2, x), 0);
	assert_true(fabs(x[0] - 1) < 1e-12 && fabs(x[1] - 1) < 1e-12);
	/* Without the bound it would be (5/3, -4/3). */
	assert_int_equal(nnls__solve(gram, (double[]){ 2, -1 }, 2, x), 0);
	assert_true(fabs(x[0] - 1) < 1e-12 && x[1] == 0);
	assert_int_equal(nnls__solve(gram, (double[]){ -1, -1 }, 2, x), 0);
	assert_true(x[0] == 0 && x[1] == 0);
	assert_int_equal(nnls__solve(gram, gram, 0, x), 0);
}

static void columns_of_nothing_and_guesses_of_nonsense_do_no_harm(void **unused)
{
	const double gram[] = { 0, 0, 0, 0, 4, 0, 0, 0, 1 };
	double x[] = { 5, NAN, -1 };

	(void)unused;
	assert_int_equal(nnls__solve(gram, (double[]){ 0, 8, 3 }, 3, x), 0);
	assert_true(x[0] == 0 && fabs(x[1] - 2) < 1e-12 && fabs(x[2] - 3) < 1e-12);
	assert_int_equal(nnls__solve((double[]){ NAN }, (double[]){ 1 }, 1, x), -EDOM);
	assert_int_equal(nnls__solve((double[]){ INFINITY }, (double[]){ 1 }, 1, x), -EDOM);
	assert_int_equal(nnls__solve((double[]){ 1 }, (double[]){ NAN }, 1, x), -EDOM);
	assert_true(x[0] == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(solutions_satisfy_the_conditions_of_kuhn_and_tucker),
		cmocka_unit_test(a_guess_changes_the_way_and_not_the_solution),
		cmocka_unit_test(examples_by_hand),
		cmocka_unit_test(columns_of_nothing_and_guesses_of_nonsense_do_no_harm),
	};

	return cmocka_run_group_tests_name("non-negative least squares", tests, NULL, NULL);
}
