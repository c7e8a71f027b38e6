/* SPDX-License-Identifier: Apache-2.0 */
/* The assignment against brute force on small random problems. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "userspace/analysis/assignment.h"

#define MAX_N 6
#define N_PROBLEMS 4000
#define LIMIT 1000000

struct problem {
	struct assignment a;
	uint32_t first[MAX_N + 1];
	struct assignment_edge edges[MAX_N * MAX_N];
	int64_t none[MAX_N];
};

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

static void make_problem(struct problem *p, uint64_t seed)
{
	uint64_t state = seed * 2654435761u + 1;
	const size_t n_rows = next_random(&state) % MAX_N + 1;
	const size_t n_columns = next_random(&state) % (MAX_N + 1);
	/* Few distinct costs make ties; many make unique optima. */
	const uint64_t spread = next_random(&state) % 2 ? 4 : 1000;
	uint32_t n = 0;

	for (size_t i = 0; i < n_rows; i++) {
		p->first[i] = n;
		p->none[i] = (int64_t)(next_random(&state) % spread);
		for (uint32_t j = 0; j < n_columns; j++) {
			if (next_random(&state) % 3)
				p->edges[n++] = (struct assignment_edge){ j, (int64_t)(next_random(&state) % spread) -
										     (int64_t)spread / 2 };
		}
	}
	p->first[n_rows] = n;
	p->a = (struct assignment){
		.n_rows = n_rows,
		.n_columns = n_columns,
		.first_edge = p->first,
		.edges = p->edges,
		.none_cost = p->none,
	};
}

/* Least cost of all assignments in which row `forced` has edge `edge`; forced = n_rows: any. */
static int64_t brute_force(const struct problem *p, size_t row, unsigned int used, size_t forced, uint32_t edge)
{
	int64_t best = COST_NEVER;

	if (row == p->a.n_rows)
		return 0;
	if (row != forced || edge == COLUMN_NONE) {
		const int64_t rest = brute_force(p, row + 1, used, forced, edge);

		if (rest != COST_NEVER)
			best = rest + p->none[row];
	}
	for (uint32_t e = p->first[row]; e < p->first[row + 1]; e++) {
		int64_t rest;

		if ((used & (1u << p->edges[e].column)) || (row == forced && e != edge))
			continue;
		rest = brute_force(p, row + 1, used | (1u << p->edges[e].column), forced, edge);
		if (rest != COST_NEVER && rest + p->edges[e].cost < best)
			best = rest + p->edges[e].cost;
	}
	return best;
}

static void the_total_is_the_least_of_all_assignments(void **unused)
{
	(void)unused;
	for (uint64_t seed = 0; seed < N_PROBLEMS; seed++) {
		struct problem p;
		unsigned int used = 0;
		int64_t sum = 0;

		make_problem(&p, seed);
		assert_int_equal(assignment__solve(&p.a), 0);
		assert_int_equal(p.a.total, brute_force(&p, 0, 0, p.a.n_rows, 0));
		for (size_t i = 0; i < p.a.n_rows; i++) {
			const uint32_t column = p.a.column_of_row[i];

			if (column == COLUMN_NONE) {
				sum += p.none[i];
				continue;
			}
			assert_false(used & (1u << column));
			used |= 1u << column;
			for (uint32_t e = p.first[i]; e < p.first[i + 1]; e++)
				sum += p.edges[e].column == column ? p.edges[e].cost : 0;
		}
		assert_int_equal(sum, p.a.total);
		assignment__free(&p.a);
	}
}

static void an_alternative_costs_what_brute_force_says(void **unused)
{
	(void)unused;
	for (uint64_t seed = 0; seed < N_PROBLEMS; seed++) {
		struct problem p;

		make_problem(&p, seed);
		assert_int_equal(assignment__solve(&p.a), 0);
		for (uint32_t i = 0; i < p.a.n_rows; i++) {
			assert_int_equal(assignment__alternative(&p.a, i, COLUMN_NONE, LIMIT),
					 brute_force(&p, 0, 0, i, COLUMN_NONE) - p.a.total);
			for (uint32_t e = p.first[i]; e < p.first[i + 1]; e++)
				assert_int_equal(assignment__alternative(&p.a, i, e, LIMIT),
						 brute_force(&p, 0, 0, i, e) - p.a.total);
		}
		assignment__free(&p.a);
	}
}

static void an_alternative_dearer_than_the_limit_is_not_looked_for(void **unused)
{
	struct problem p = {
		.first = { 0, 2, 4 },
		.edges = { { 0, 0 }, { 1, 500 }, { 0, 500 }, { 1, 0 } },
		.none = { 9000, 9000 },
	};

	(void)unused;
	p.a = (struct assignment){
		.n_rows = 2, .n_columns = 2, .first_edge = p.first, .edges = p.edges, .none_cost = p.none
	};
	assert_int_equal(assignment__solve(&p.a), 0);
	assert_int_equal(assignment__alternative(&p.a, 0, 1, 1000), 1000);
	assert_int_equal(assignment__alternative(&p.a, 0, 1, 999), COST_NEVER);
	assignment__free(&p.a);
}

static void equal_costs_go_to_the_lowest_index(void **unused)
{
	struct problem p = {
		.first = { 0, 3, 6, 9 },
		.edges = { { 0, 1 }, { 1, 1 }, { 2, 1 }, { 0, 1 }, { 1, 1 }, { 2, 1 }, { 0, 1 }, { 1, 1 }, { 2, 1 } },
		.none = { 5, 5, 5 },
	};

	(void)unused;
	p.a = (struct assignment){
		.n_rows = 3, .n_columns = 3, .first_edge = p.first, .edges = p.edges, .none_cost = p.none
	};
	assert_int_equal(assignment__solve(&p.a), 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(p.a.column_of_row[i], i);
	assignment__free(&p.a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_total_is_the_least_of_all_assignments),
		cmocka_unit_test(an_alternative_costs_what_brute_force_says),
		cmocka_unit_test(an_alternative_dearer_than_the_limit_is_not_looked_for),
		cmocka_unit_test(equal_costs_go_to_the_lowest_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
