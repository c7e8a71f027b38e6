/* SPDX-License-Identifier: Apache-2.0 */
/* Shares of a step against the definition of the Shapley value: all subsets of the rows, priced by a T of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "make_server.h"
#include "userspace/cost/cost.h"

#define MAX_ROWS 10

/* ------------------------------------------------------------------------------------------- T and its games --- */

static double joint(const double *terms, uint64_t tokens)
{
	size_t k = 0;

	if (tokens == 0)
		return 0;
	if (tokens >= cost_knots[COST_KNOTS - 1])
		return terms[COST_KNOTS - 1] * (double)tokens / cost_knots[COST_KNOTS - 1];
	while (cost_knots[k + 1] <= tokens)
		k++;
	return (terms[k] * (double)(cost_knots[k + 1] - tokens) + terms[k + 1] * (double)(tokens - cost_knots[k])) /
	       (cost_knots[k + 1] - cost_knots[k]);
}

static double price(const double *terms, const struct cost_row *rows, size_t n, unsigned subset)
{
	double sum = 0;
	uint64_t tokens = 0;
	int n_single = 0, n_long = 0;

	for (size_t i = 0; i < n; i++) {
		const double q = rows[i].n_tokens, context = rows[i].context;

		if (!(subset >> i & 1))
			continue;
		tokens += rows[i].n_tokens;
		n_single += rows[i].n_tokens == 1;
		n_long += rows[i].n_tokens != 1;
		sum += terms[COST_TERM_ROW] + terms[COST_TERM_CONTEXT] * (context + q) +
		       terms[COST_TERM_ATTENTION] * (q * context + q * (q + 1) / 2) +
		       terms[COST_TERM_OUTPUT] * rows[i].n_outputs;
	}
	return sum + joint(terms, tokens) + (n_long ? terms[COST_TERM_MIXED] * n_single : 0);
}

static double factorial(size_t n)
{
	return n < 2 ? 1 : (double)n * factorial(n - 1);
}

/* Players are sets of rows. */
static void shapley(const double *terms, const struct cost_row *rows, size_t n, const unsigned *players,
		    size_t n_players, double *out)
{
	for (size_t p = 0; p < n_players; p++) {
		out[p] = 0;
		for (unsigned s = 0; s < 1u << n_players; s++) {
			const size_t size = (size_t)__builtin_popcount(s);
			unsigned subset = 0;

			if (s >> p & 1)
				continue;
			for (size_t k = 0; k < n_players; k++)
				subset |= s >> k & 1 ? players[k] : 0;
			out[p] += factorial(size) * factorial(n_players - size - 1) / factorial(n_players) *
				  (price(terms, rows, n, subset | players[p]) - price(terms, rows, n, subset));
		}
	}
}

/* ---------------------------------------------------------------------------------------------------- random --- */

static double uniform(uint64_t *seed)
{
	return (double)(random_next(seed) >> 11) / 9007199254740992.0;
}

/* A curve that rises and falls, as that of a CPU does. */
static void make_terms(uint64_t *seed, double *terms)
{
	for (size_t k = 0; k < COST_KNOTS; k++)
		terms[k] = (4e6 + 1.3e6 * cost_knots[k]) * (0.8 + 0.4 * uniform(seed));
	terms[COST_TERM_ROW] = 2e5 * uniform(seed);
	terms[COST_TERM_CONTEXT] = 3e3 * uniform(seed);
	terms[COST_TERM_ATTENTION] = 160 * uniform(seed);
	terms[COST_TERM_OUTPUT] = 1e6 * uniform(seed);
	terms[COST_TERM_MIXED] = 1e6 * uniform(seed);
}

static struct cost_row make_row(uint64_t *seed, uint32_t longest)
{
	struct cost_row row = { 1, (uint32_t)random_below(seed, 6000), 1, (uint32_t)random_below(seed, 4) };

	if (random_below(seed, 2) && longest > 1)
		row.n_tokens = 1 + (uint32_t)random_below(seed, longest);
	return row;
}

static double sum_of(const double *values, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += values[i];
	return sum;
}

static void assert_near(double a, double b, double scale)
{
	if (!(fabs(a - b) <= 1e-9 * scale))
		fail_msg("%.17g is not %.17g", a, b);
}

/* ----------------------------------------------------------------------------------------------------- tests --- */

static void the_price_of_a_step_is_the_sum_of_its_terms(void **unused)
{
	uint64_t seed = 1;
	double terms[COST_TERMS];

	(void)unused;
	for (int round = 0; round < 2000; round++) {
		const size_t n = 1 + random_below(&seed, MAX_ROWS);
		struct cost_row rows[MAX_ROWS];

		make_terms(&seed, terms);
		for (size_t i = 0; i < n; i++)
			rows[i] = make_row(&seed, 1u << random_below(&seed, 13));
		assert_near(cost__predict(terms, rows, n), price(terms, rows, n, (1u << n) - 1), 1e9);
		assert_near(cost__alone(terms, rows), price(terms, rows, 1, 1), 1e9);
	}
	assert_true(cost__predict(terms, NULL, 0) == 0);
}

static void shares_are_the_shapley_values_over_all_subsets(void **unused)
{
	uint64_t seed = 2;

	(void)unused;
	for (int round = 0; round < 300; round++) {
		const size_t n = 1 + random_below(&seed, MAX_ROWS);
		struct cost_row rows[MAX_ROWS];
		double terms[COST_TERMS], shares[MAX_ROWS], truth[MAX_ROWS];
		unsigned players[MAX_ROWS];
		int n_long = 0;

		make_terms(&seed, terms);
		for (size_t i = 0; i < n; i++) {
			rows[i] = make_row(&seed, n_long < 6 ? 700 : 1);
			n_long += rows[i].n_tokens > 1;
			players[i] = 1u << i;
		}
		shapley(terms, rows, n, players, n, truth);
		assert_int_equal(cost__share(terms, rows, n, FIXED_BY_ROW, shares), 0);
		for (size_t i = 0; i < n; i++)
			assert_near(shares[i], truth[i], price(terms, rows, n, (1u << n) - 1));
	}
}

static void rows_of_one_request_are_one_player_where_requests_share_the_fixed_cost(void **unused)
{
	uint64_t seed = 3;

	(void)unused;
	for (int round = 0; round < 200; round++) {
		const size_t n = 2 + random_below(&seed, MAX_ROWS - 1);
		struct cost_row rows[MAX_ROWS];
		double terms[COST_TERMS], shares[MAX_ROWS], truth[MAX_ROWS];
		unsigned players[4] = { 0 }, n_players = 0;

		make_terms(&seed, terms);
		for (size_t i = 0; i < n; i++) {
			rows[i] = make_row(&seed, 300);
			rows[i].owner = i < 4 ? (uint32_t)i : rows[i].owner;
			players[rows[i].owner] |= 1u << i;
			n_players += i < 4;
		}
		shapley(terms, rows, n, players, n_players, truth);
		assert_int_equal(cost__share(terms, rows, n, FIXED_BY_REQUEST, shares), 0);
		for (size_t p = 0; p < n_players; p++) {
			double sum = 0;

			for (size_t i = 0; i < n; i++)
				sum += players[p] >> i & 1 ? shares[i] : 0;
			assert_near(sum, truth[p], price(terms, rows, n, (1u << n) - 1));
		}
	}
}

static void shares_sum_to_the_price_whatever_the_rows(void **unused)
{
	static const enum fixed_by conventions[] = { FIXED_BY_ROW, FIXED_BY_TOKEN, FIXED_BY_REQUEST };
	struct cost_row *rows = calloc(1000, sizeof(*rows));
	double *shares = calloc(1000, sizeof(*shares)), terms[COST_TERMS];
	uint64_t seed = 4;

	(void)unused;
	assert_true(rows && shares);
	for (int round = 0; round < 600; round++) {
		const size_t n = 1 + random_below(&seed, 1u << random_below(&seed, 10));
		const uint32_t longest = 1u << random_below(&seed, 12);

		make_terms(&seed, terms);
		for (size_t i = 0; i < n; i++)
			rows[i] = make_row(&seed, longest);
		assert_int_equal(cost__share(terms, rows, n, conventions[round % 3], shares), 0);
		assert_near(sum_of(shares, n), cost__predict(terms, rows, n), cost__predict(terms, rows, n));
	}
	free(rows);
	free(shares);
}

static void equal_rows_have_equal_shares(void **unused)
{
	uint64_t seed = 5;

	(void)unused;
	for (int round = 0; round < 200; round++) {
		struct cost_row rows[40];
		double terms[COST_TERMS], shares[40];
		const size_t n = 2 + random_below(&seed, 39);

		make_terms(&seed, terms);
		for (size_t i = 0; i < n; i++)
			rows[i] = make_row(&seed, 500);
		rows[n - 1] = rows[0];
		assert_int_equal(cost__share(terms, rows, n, FIXED_BY_ROW, shares), 0);
		assert_near(shares[0], shares[n - 1], shares[0]);
	}
}

static void a_lone_row_bears_everything(void **unused)
{
	uint64_t seed = 6;

	(void)unused;
	for (int round = 0; round < 100; round++) {
		struct cost_row row = make_row(&seed, 4000);
		double terms[COST_TERMS], share;

		make_terms(&seed, terms);
		for (enum fixed_by f = FIXED_BY_ROW; f <= FIXED_BY_REQUEST; f++) {
			assert_int_equal(cost__share(terms, &row, 1, f, &share), 0);
			assert_near(share, cost__alone(terms, &row), share);
		}
	}
}

static void more_context_of_one_row_moves_no_other_share(void **unused)
{
	uint64_t seed = 7;

	(void)unused;
	for (int round = 0; round < 100; round++) {
		struct cost_row rows[20];
		double terms[COST_TERMS], before[20], after[20], added;
		const size_t n = 2 + random_below(&seed, 19), moved = random_below(&seed, n);

		make_terms(&seed, terms);
		for (size_t i = 0; i < n; i++)
			rows[i] = make_row(&seed, 512);
		assert_int_equal(cost__share(terms, rows, n, FIXED_BY_ROW, before), 0);
		rows[moved].context += 2000;
		assert_int_equal(cost__share(terms, rows, n, FIXED_BY_ROW, after), 0);
		added = 2000 * (terms[COST_TERM_CONTEXT] + terms[COST_TERM_ATTENTION] * rows[moved].n_tokens);
		for (size_t i = 0; i < n; i++)
			assert_near(after[i], before[i] + (i == moved ? added : 0), before[i] + added);
	}
}

/* 10 rows of ten lengths are more than are gone through one by one: the limit of many rows takes over. */
static void many_rows_of_many_lengths_are_shared_nearly_as_all_subsets_say(void **unused)
{
	uint64_t seed = 8;
	double worst = 0;

	(void)unused;
	for (int round = 0; round < 100; round++) {
		struct cost_row rows[MAX_ROWS];
		double terms[COST_TERMS], shares[MAX_ROWS], truth[MAX_ROWS], whole, off = 0;
		unsigned players[MAX_ROWS];

		make_terms(&seed, terms);
		for (size_t k = 0; k < COST_KNOTS; k++)
			terms[k] = 4e6 + 1.3e6 * cost_knots[k] + 2e6 * (k % 2);
		for (size_t i = 0; i < MAX_ROWS; i++) {
			rows[i] = make_row(&seed, 1);
			rows[i].n_tokens = 2 + (uint32_t)i + 10 * (uint32_t)random_below(&seed, 20);
			players[i] = 1u << i;
		}
		shapley(terms, rows, MAX_ROWS, players, MAX_ROWS, truth);
		assert_int_equal(cost__share(terms, rows, MAX_ROWS, FIXED_BY_ROW, shares), 0);
		whole = price(terms, rows, MAX_ROWS, (1u << MAX_ROWS) - 1);
		for (size_t i = 0; i < MAX_ROWS; i++)
			off += fabs(shares[i] - truth[i]) / 2 / whole;
		worst = off > worst ? off : worst;
	}
	if (worst > 0.005)
		fail_msg("misattributed %.4f", worst);
}

static void by_tokens_the_joint_part_follows_the_tokens(void **unused)
{
	double terms[COST_TERMS] = { 0 }, shares[2];
	const struct cost_row rows[] = { { 1, 100, 1, 0 }, { 3, 0, 0, 1 } };

	(void)unused;
	terms[3] = 40;	/* G(4) */
	terms[COST_TERM_ROW] = 1;
	assert_int_equal(cost__share(terms, rows, 2, FIXED_BY_TOKEN, shares), 0);
	assert_near(shares[0], 11, 11);
	assert_near(shares[1], 31, 31);
}

static void the_greatest_rows_are_shared_without_trouble(void **unused)
{
	static const struct cost_row rows[] = { { UINT32_MAX, UINT32_MAX, UINT32_MAX, 0 },
						{ 1, UINT32_MAX, 1, 1 },
						{ UINT32_MAX, 0, 0, 2 } };
	double terms[COST_TERMS] = { 0 }, shares[3];

	(void)unused;
	assert_int_equal(cost__share(terms, rows, 3, FIXED_BY_ROW, shares), 0);
	assert_true(sum_of(shares, 3) == 0);
	for (size_t t = 0; t < COST_TERMS; t++)
		terms[t] = 1;
	assert_int_equal(cost__share(terms, rows, 3, FIXED_BY_ROW, shares), 0);
	assert_near(sum_of(shares, 3), cost__predict(terms, rows, 3), sum_of(shares, 3));
	assert_int_equal(cost__share(terms, rows, 0, FIXED_BY_ROW, NULL), 0);
}

static void every_term_has_a_name_of_its_own(void **unused)
{
	char names[COST_TERMS][16], space[16];

	(void)unused;
	for (size_t t = 0; t < COST_TERMS; t++) {
		snprintf(names[t], sizeof(names[t]), "%s", cost_term__name(t, space, sizeof(space)));
		for (size_t u = 0; u < t; u++)
			assert_string_not_equal(names[t], names[u]);
	}
	assert_string_equal(names[0], "G(1)");
	assert_string_equal(names[COST_KNOTS - 1], "G(4096)");
	assert_string_equal(names[COST_TERM_CONTEXT], "context");
	for (size_t k = 1; k < COST_KNOTS; k++)
		assert_true(cost_knots[k] > cost_knots[k - 1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_price_of_a_step_is_the_sum_of_its_terms),
		cmocka_unit_test(shares_are_the_shapley_values_over_all_subsets),
		cmocka_unit_test(rows_of_one_request_are_one_player_where_requests_share_the_fixed_cost),
		cmocka_unit_test(shares_sum_to_the_price_whatever_the_rows),
		cmocka_unit_test(equal_rows_have_equal_shares),
		cmocka_unit_test(a_lone_row_bears_everything),
		cmocka_unit_test(more_context_of_one_row_moves_no_other_share),
		cmocka_unit_test(many_rows_of_many_lengths_are_shared_nearly_as_all_subsets_say),
		cmocka_unit_test(by_tokens_the_joint_part_follows_the_tokens),
		cmocka_unit_test(the_greatest_rows_are_shared_without_trouble),
		cmocka_unit_test(every_term_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests_name("shares of a step", tests, NULL, NULL);
}
