/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sparse rectangular assignment of least cost, and how much dearer every other assignment is.
 *
 * Every row takes one column or none (at a price of its own), every column serves one row at most. Successive shortest
 * augmenting paths with potentials (Jonker and Volgenant 1987, section 3, on sparse rows with a heap): O(rows x edges x
 * log) at worst, near linear where rows compete for few columns only. Costs are integers, ties go to the lowest index, so
 * that the result is the same everywhere.
 */
#ifndef TOKPROF_ANALYSIS_ASSIGNMENT_H
#define TOKPROF_ANALYSIS_ASSIGNMENT_H

#include <stddef.h>
#include <stdint.h>

#define COLUMN_NONE UINT32_MAX
#define COST_NEVER INT64_MAX

struct assignment_edge {
	uint32_t column;
	int64_t cost;		/* may be negative; magnitude below 2^40 */
};

struct assignment {
	/* The problem; borrowed. */
	size_t n_rows, n_columns;
	const uint32_t *first_edge;		/* n_rows + 1 entries: edges of row i are [f[i], f[i + 1]) */
	const struct assignment_edge *edges;
	const int64_t *none_cost;		/* per row */
	/* The solution. */
	uint32_t *column_of_row;		/* COLUMN_NONE */
	int64_t total;
	struct assignment_work *work;
};

/* Reads the problem's fields, fills the solution's. @return 0, -ENOMEM */
int assignment__solve(struct assignment *a);

/*
 * What the best assignment that gives `row` that `edge` (index into edges; COLUMN_NONE: no column) costs more than the
 * best of all. @return >= 0, or COST_NEVER where that is more than `limit`; -ENOMEM
 */
int64_t assignment__alternative(struct assignment *a, uint32_t row, uint32_t edge, int64_t limit);

void assignment__free(struct assignment *a);

#endif
