/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The statistics of verdicts: tables of MLPerf and of textbooks reproduced, and intervals that hold the truth as often as they say,
 * over replays of processes whose truth is known. TABLE=1 prints the table of docs/accuracy.md.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/bootstrap.h"
#include "userspace/verify/stats/batch_means.h"
#include "userspace/verify/stats/binomial.h"
#include "userspace/verify/stats/early_stopping.h"
#include "userspace/verify/stats/holm.h"
#include "userspace/verify/stats/percentile.h"
#include "userspace/verify/stats/quantile.h"
#include "userspace/verify/stats/series.h"
#include "userspace/verify/stats/student.h"

/* -------------------------------------------------------------------------------------------------------------- tables --- */

static void binomial_tails_are_those_that_can_be_counted(void **unused)
{
	(void)unused;
	/* Two coins: none, at most one, at most two heads. */
	assert_true(fabs(binomial__cdf(0, 2, 0.5) - 0.25) < 1e-15);
	assert_true(fabs(binomial__cdf(1, 2, 0.5) - 0.75) < 1e-15);
	assert_true(binomial__cdf(2, 2, 0.5) >= 1);
	assert_true(binomial__cdf(-1, 2, 0.5) <= 0);
	/* No six in four throws: (5/6)^4, the wager of the Chevalier de Mere. */
	assert_true(fabs(binomial__cdf(0, 4, 1.0 / 6) - 625.0 / 1296) < 1e-15);
	/* Half of a symmetrical distribution, less half of the middle: C(100,50) / 2^100 = 0.0795892373871788. */
	assert_true(fabs(binomial__cdf(49, 100, 0.5) - (1 - 0.0795892373871788) / 2) < 1e-14);
	/* A million: by the normal distribution, to its own accuracy. */
	assert_true(fabs(binomial__cdf(500000, 1000000, 0.5) - 0.5) < 1e-3);
}

static void early_stopping_wants_the_queries_that_mlperf_wants(void **unused)
{
	/* LoadGen's "Need to process at least 64 queries" (p90) and "662" (p99) are those with one over the latency. */
	static const struct {
		double percentile;
		int64_t queries[4];	/* with 0, 1, 5 and 10 over it */
	} rows[] = {
		{ 0.90, { 44, 64, 127, 197 } },
		{ 0.95, { 90, 130, 259, 398 } },
		{ 0.99, { 459, 662, 1307, 2010 } },
		{ 0.999, { 4603, 6636, 13105, 20140 } },
	};
	static const int64_t over[4] = { 0, 1, 5, 10 };

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t k = 0; k < 4; k++) {
			const int64_t n = rows[i].queries[k];

			assert_int_equal(early_stopping__min_queries(over[k], rows[i].percentile, MLPERF_CONFIDENCE),
					 n);
			assert_int_equal(early_stopping__allowed(n, rows[i].percentile, MLPERF_CONFIDENCE), over[k]);
			assert_int_equal(early_stopping__allowed(n - 1, rows[i].percentile, MLPERF_CONFIDENCE),
					 over[k] - 1);
		}
}

static void early_stopping_discards_as_many_as_published_runs_did(void **unused)
{
	/* Logs of LoadGen that submitters published, p90: "Would discard 172 highest latency queries" of 2048, 178 of 2116. */
	(void)unused;
	assert_int_equal(early_stopping__allowed(2048, 0.9, MLPERF_CONFIDENCE), 172 + 1);
	assert_int_equal(early_stopping__allowed(2116, 0.9, MLPERF_CONFIDENCE), 178 + 1);
}

static void students_t_is_that_of_the_tables(void **unused)
{
	static const struct {
		int64_t df;
		double t95, t995;	/* exceeded by 5 % and 0.5 % */
	} rows[] = { { 1, 6.314, 63.657 }, { 2, 2.920, 9.925 },	 { 5, 2.015, 4.032 },  { 10, 1.812, 3.169 },
		     { 19, 1.729, 2.861 }, { 30, 1.697, 2.750 }, { 120, 1.658, 2.617 } };

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(fabs(student__exceeded(0.05, rows[i].df) - rows[i].t95) < 6e-4);
		assert_true(fabs(student__exceeded(0.005, rows[i].df) - rows[i].t995) < 6e-4);
	}
	assert_true(fabs(student__exceeded(0.025, INT64_MAX) - 1.96) < 2e-3);
}

static void a_rank_is_that_of_the_sorted_list(void **unused)
{
	struct random_state r = { 3 };

	(void)unused;
	for (size_t n = 1; n < 60; n++) {
		double values[60], sorted[60];

		for (size_t i = 0; i < n; i++)
			values[i] = sorted[i] = (double)random__below(&r, 1 + n / 2);
		for (size_t i = 1; i < n; i++)
			for (size_t k = i; k && sorted[k] < sorted[k - 1]; k--) {
				const double swap = sorted[k];

				sorted[k] = sorted[k - 1];
				sorted[k - 1] = swap;
			}
		for (size_t k = 0; k < n; k++)
			assert_true(quantile__rank(values, n, k) == sorted[k]);
	}
	/* The 99th percentile of 300 is the 297th, though 0.99 x 300 is a little more than that in binary. */
	assert_int_equal(quantile__nearest(0.99, 300), 296);
	assert_int_equal(quantile__nearest(0.5, 3), 1);
	assert_int_equal(quantile__nearest(0.001, 3), 0);
}

/* ---------------------------------------------------------------------------------------------------------------- Holm --- */

/* p-values of the textbook example, at 5 %: Holm 1979 accepts all from the first one that misses its share. */
static bool is_below(void *context, size_t i, double share)
{
	const double *p = context;

	return p[i] <= 0.05 * share;
}

static void holm_rejects_step_by_step(void **unused)
{
	double p[] = { 0.01, 0.04, 0.03, 0.005 }, shares[4];

	(void)unused;
	holm__share(4, is_below, p, shares);
	/* 0.005 <= 0.05 / 4; 0.01 <= 0.05 / 3; 0.03 > 0.05 / 2: it and 0.04 stay open. */
	assert_true(is_below(p, 3, shares[3]) && is_below(p, 0, shares[0]));
	assert_false(is_below(p, 2, shares[2]) || is_below(p, 1, shares[1]));
}

static void holm_of_one_is_no_correction(void **unused)
{
	double p[] = { 0.049 }, shares[1];

	(void)unused;
	holm__share(1, is_below, p, shares);
	assert_true(is_below(p, 0, shares[0]));
	holm__share(0, is_below, p, shares);
}

static double uniform(struct random_state *r)
{
	return ((double)(random__next(r) >> 11) + 0.5) / 9007199254740992.0;
}

static void holm_errs_in_one_of_twenty_files_of_ten_claims(void **unused)
{
	struct random_state r = { 11 };
	int wrong = 0;

	(void)unused;
	for (int k = 0; k < 10000; k++) {
		double p[10], shares[10];
		bool any = false;

		for (int i = 0; i < 10; i++)
			p[i] = uniform(&r);
		holm__share(10, is_below, p, shares);
		for (size_t i = 0; i < 10; i++)
			any |= is_below(p, i, shares[i]);
		wrong += any;
	}
	assert_in_range(wrong, 430, 560);
}

/* ------------------------------------------------------------------------------------------------------ sample sizes --- */

static void a_series_remembers_as_long_as_it_was_made_to(void **unused)
{
	struct random_state r = { 7 };
	double *x = calloc(100000, sizeof(*x));

	(void)unused;
	assert_non_null(x);
	/* AR(1): (1 + rho) / (1 - rho) */
	for (size_t i = 1; i < 100000; i++)
		x[i] = 0.8 * x[i - 1] + uniform(&r) - 0.5;
	assert_true(fabs(series__memory(x, 100000, 0) - 9) < 0.9);
	for (size_t i = 0; i < 100000; i++)
		x[i] = uniform(&r) - 0.5;
	assert_true(series__memory(x, 100000, 0) < 1.1);
	memset(x, 0, 1000 * sizeof(*x));
	assert_true(series__memory(x, 1000, 0) <= 1);
	free(x);
}

static void too_few_values_have_no_interval_and_say_how_many_they_need(void **unused)
{
	const struct percentile_question q = { .percentile = 0.99, .risk = 0.05, .mark = 50 };
	struct random_state r = { 2 };
	double values[400];
	struct percentile p;
	struct batch_means m;
	double low, high;

	(void)unused;
	for (int i = 0; i < 400; i++)
		values[i] = uniform(&r);
	assert_int_equal(percentile__find(&p, &q, values, 129, NULL, 129), -ENODATA);
	assert_int_equal(p.blocks.n_needed, 130);
	assert_int_equal(percentile__find(&p, &q, values, 0, NULL, 0), -ENODATA);
	assert_int_equal(percentile__find(&p, &q, values, 200, NULL, 200), 0);
	/* ln 0.025 / ln 0.99 = 367.04 independent ones for an upper end. */
	percentile__interval(&p, 0.05, &low, &high);
	assert_true(isnan(high) && !isnan(low));
	assert_true(percentile__needed(&p, 0.05, false) >= 368);
	percentile__free(&p);
	assert_int_equal(batch_means__find(&m, values, NULL, 259), -ENODATA);
	assert_int_equal(m.n_needed, 260);
}

static void ends_of_values_without_end_are_endless(void **unused)
{
	const struct percentile_question q = { .percentile = 0.9, .risk = 0.05, .mark = 50 };
	struct random_state r = { 2 };
	double values[1000], low, high;
	struct percentile p;

	(void)unused;
	/* One in five. */
	for (int i = 0; i < 1000; i++)
		values[i] = uniform(&r) < 0.2 ? INFINITY : uniform(&r);
	assert_int_equal(percentile__find(&p, &q, values, 1000, NULL, 1000), 0);
	percentile__interval(&p, 0.05, &low, &high);
	assert_true(isinf(p.estimate) && isinf(low) && isinf(high));
	percentile__free(&p);
}

/* ------------------------------------------------------------------------------------------------------------ coverage --- */

#define REPLAYS 1000
#define SPREAD 0.5	/* of the logarithm of a value */
#define MAX_N 12800

enum { OF_MEAN, OF_P50, OF_P95, OF_P99, OF_PART, N_STATISTICS };
static const double percentiles[N_STATISTICS] = { NAN, 0.5, 0.95, 0.99, NAN };
/* Standard normal deviates of these. */
static const double deviates[N_STATISTICS] = { NAN, 0, 1.6448536269514722, 2.3263478740408408, NAN };

struct coverage {
	int judged[N_STATISTICS], held[N_STATISTICS];
};

static double normal(struct random_state *r)
{
	const double radius = sqrt(-2 * log(uniform(r)));

	return radius * cos(2 * M_PI * uniform(r));
}

/* Times with a lognormal distribution whose logarithms are an AR(1) process. */
static void replay(double *values, size_t n, double rho, struct random_state *r)
{
	double z = normal(r);

	for (size_t i = 0; i < n; i++) {
		values[i] = exp(SPREAD * z);
		z = rho * z + sqrt(1 - rho * rho) * normal(r);
	}
}

static void count(struct coverage *c, int statistic, double low, double high, double truth)
{
	c->judged[statistic]++;
	/* No end is below, or above, everything. */
	c->held[statistic] += !(low > truth) && !(high < truth);
}

static void cover(struct coverage *c, const double *values, size_t n)
{
	static double work[MAX_N];
	const double limit = exp(SPREAD * deviates[OF_P95]);
	struct batch_means m;
	struct block_bootstrap b;
	double low, high, part = 0, memory;

	memcpy(work, values, n * sizeof(*work));
	if (batch_means__find(&m, work, NULL, n) == 0) {
		batch_means__interval(&m, 0.05, &low, &high);
		count(c, OF_MEAN, low, high, exp(SPREAD * SPREAD / 2));
	}
	for (int k = OF_P50; k <= OF_P99; k++) {
		const struct percentile_question q = { .percentile = percentiles[k], .risk = 0.05 };
		struct percentile p;

		if (percentile__find(&p, &q, values, n, NULL, n))
			continue;
		percentile__interval(&p, 0.05, &low, &high);
		count(c, k, low, high, exp(SPREAD * deviates[k]));
		percentile__free(&p);
	}
	for (size_t i = 0; i < n; i++)
		part += work[i] = values[i] <= limit;
	assert_int_equal(percentile__memory(values, n, &memory), 0);
	if (block_bootstrap__find(&b, work, NULL, n, memory) == 0) {
		block_bootstrap__part(&b, part / (double)n, 0.05, &low, &high);
		count(c, OF_PART, low, high, 0.95);
	}
}

static void run_replays(struct coverage *c, double rho, size_t n)
{
	struct random_state r = { 1 };
	static double values[MAX_N];

	memset(c, 0, sizeof(*c));
	for (int k = 0; k < REPLAYS; k++) {
		replay(values, n, rho, &r);
		cover(c, values, n);
	}
}

static void expect_coverage(double rho, size_t n)
{
	struct coverage c;

	run_replays(&c, rho, n);
	for (int k = 0; k < N_STATISTICS; k++) {
		if (c.held[k] * 100 < c.judged[k] * 93 || c.held[k] * 100 > c.judged[k] * 97)
			print_message("rho %g n %zu statistic %d: %d of %d\n", rho, n, k, c.held[k], c.judged[k]);
		assert_true(c.judged[k] * 100 >= REPLAYS * 99);
		assert_true(c.held[k] * 100 >= c.judged[k] * 93);
		/* In tails of whole numbers an exact interval covers more than it says. */
		assert_true(k == OF_P99 || c.held[k] * 100 <= c.judged[k] * 97);
	}
}

static void of_independent_values_95_of_100_intervals_hold_the_truth(void **unused)
{
	(void)unused;
	expect_coverage(0, 1600);
}

static void with_an_autocorrelation_of_0_8_as_many_do(void **unused)
{
	(void)unused;
	expect_coverage(0.8, 6400);
}

static void where_values_are_too_few_hardly_any_verdict_is_made_and_fewer_than_one_in_twenty_wrongly(void **unused)
{
	static const struct {
		double rho;
		size_t n;
	} rows[] = { { 0.8, 200 }, { 0.8, 400 }, { 0.95, 800 } };

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct coverage c;

		run_replays(&c, rows[i].rho, rows[i].n);
		for (int k = 0; k < N_STATISTICS; k++) {
			assert_true(c.judged[k] * 10 < REPLAYS);
			assert_true((c.judged[k] - c.held[k]) * 20 < REPLAYS);
		}
	}
}

/* Percent that hold the truth, of those that were judged; in brackets how many were, where not all. */
static void print_table(void **unused)
{
	static const double rhos[] = { 0, 0.5, 0.8, 0.95 };
	static const size_t sizes[] = { 200, 400, 800, 1600, 3200, 6400, 12800 };

	(void)unused;
	for (size_t i = 0; i < 4; i++)
		for (size_t s = 0; s < 7; s++) {
			struct coverage c;

			run_replays(&c, rhos[i], sizes[s]);
			printf("| %g | %zu |", rhos[i], sizes[s]);
			for (int k = 0; k < N_STATISTICS; k++) {
				if (c.judged[k] * 20 < REPLAYS)
					printf(" (%d) |", c.judged[k]);
				else if (c.judged[k] < REPLAYS)
					printf(" %.1f (%d) |", 100.0 * c.held[k] / c.judged[k], c.judged[k]);
				else
					printf(" %.1f |", 100.0 * c.held[k] / c.judged[k]);
			}
			printf("\n");
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(binomial_tails_are_those_that_can_be_counted),
		cmocka_unit_test(early_stopping_wants_the_queries_that_mlperf_wants),
		cmocka_unit_test(early_stopping_discards_as_many_as_published_runs_did),
		cmocka_unit_test(students_t_is_that_of_the_tables),
		cmocka_unit_test(a_rank_is_that_of_the_sorted_list),
		cmocka_unit_test(holm_rejects_step_by_step),
		cmocka_unit_test(holm_of_one_is_no_correction),
		cmocka_unit_test(holm_errs_in_one_of_twenty_files_of_ten_claims),
		cmocka_unit_test(a_series_remembers_as_long_as_it_was_made_to),
		cmocka_unit_test(too_few_values_have_no_interval_and_say_how_many_they_need),
		cmocka_unit_test(ends_of_values_without_end_are_endless),
		cmocka_unit_test(of_independent_values_95_of_100_intervals_hold_the_truth),
		cmocka_unit_test(with_an_autocorrelation_of_0_8_as_many_do),
		cmocka_unit_test(
			where_values_are_too_few_hardly_any_verdict_is_made_and_fewer_than_one_in_twenty_wrongly),
	};
	const struct CMUnitTest table[] = { cmocka_unit_test(print_table) };

	return getenv("TABLE") ? cmocka_run_group_tests(table, NULL, NULL) : cmocka_run_group_tests(tests, NULL, NULL);
}
