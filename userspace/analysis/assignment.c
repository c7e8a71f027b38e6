/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/assignment.h"

#define ROW_FREE UINT32_MAX

struct heap_entry {
	int64_t distance;
	uint32_t column;
};

/*
 * Column n_columns + i is row i's own "none". The potentials keep every reduced cost c - u - v at 0 or above, and at 0 on
 * the chosen edges; a column that serves nobody has v = 0.
 */
struct assignment_work {
	uint32_t *row_of_column;
	int64_t *u, *v;
	int64_t *release;	/* what it costs at least when a column is given up and the others rearrange */
	int64_t *distance;	/* of a column, valid where seen[column] == round */
	uint32_t *previous_row;
	uint32_t *seen, *done;
	uint32_t round;
	uint32_t *scanned;	/* columns taken from the heap in this round */
	size_t n_scanned;
	struct heap_entry *heap;
	size_t n_heap, heap_capacity;
};

static bool entry__before(const struct heap_entry *a, const struct heap_entry *b)
{
	return a->distance != b->distance ? a->distance < b->distance : a->column < b->column;
}

static int heap__push(struct assignment_work *w, struct heap_entry entry)
{
	struct heap_entry *moved = array__reserve(w->heap, &w->heap_capacity, w->n_heap + 1, sizeof(*moved));
	size_t i = w->n_heap;

	if (!moved)
		return -ENOMEM;
	w->heap = moved;
	w->n_heap++;
	while (i && entry__before(&entry, &w->heap[(i - 1) / 2])) {
		w->heap[i] = w->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	w->heap[i] = entry;
	return 0;
}

static struct heap_entry heap__pop(struct assignment_work *w)
{
	const struct heap_entry top = w->heap[0];
	const struct heap_entry last = w->heap[--w->n_heap];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= w->n_heap)
			break;
		if (child + 1 < w->n_heap && entry__before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!entry__before(&w->heap[child], &last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	return top;
}

static void begin_round(struct assignment_work *w)
{
	w->round++;
	w->n_heap = 0;
	w->n_scanned = 0;
}

static int relax(struct assignment_work *w, uint32_t row, uint32_t column, int64_t distance)
{
	if (w->done[column] == w->round || (w->seen[column] == w->round && w->distance[column] <= distance))
		return 0;
	w->seen[column] = w->round;
	w->distance[column] = distance;
	w->previous_row[column] = row;
	return heap__push(w, (struct heap_entry){ distance, column });
}

static int relax_row(const struct assignment *a, uint32_t row, int64_t base)
{
	struct assignment_work *w = a->work;
	const uint32_t none = (uint32_t)(a->n_columns + row);

	for (uint32_t e = a->first_edge[row]; e < a->first_edge[row + 1]; e++) {
		const uint32_t column = a->edges[e].column;
		int err = relax(w, row, column, base + a->edges[e].cost - w->u[row] - w->v[column]);

		if (err)
			return err;
	}
	return relax(w, row, none, base + a->none_cost[row] - w->u[row] - w->v[none]);
}

/* The nearest column not taken yet in this round; false: there is none. */
static bool next_column(struct assignment_work *w, uint32_t *column)
{
	while (w->n_heap) {
		const struct heap_entry entry = heap__pop(w);

		if (w->done[entry.column] == w->round || entry.distance != w->distance[entry.column])
			continue;
		w->done[entry.column] = w->round;
		*column = entry.column;
		return true;
	}
	return false;
}

static int augment(struct assignment *a, uint32_t start)
{
	struct assignment_work *w = a->work;
	uint32_t column = 0, row = start;
	int64_t length;

	/* The least reduced cost of the new row becomes 0. */
	w->u[start] = a->none_cost[start];
	for (uint32_t e = a->first_edge[start]; e < a->first_edge[start + 1]; e++) {
		const int64_t cost = a->edges[e].cost - w->v[a->edges[e].column];

		if (cost < w->u[start])
			w->u[start] = cost;
	}

	begin_round(w);
	for (int64_t base = 0;; base = w->distance[column]) {
		int err = relax_row(a, row, base);

		if (err)
			return err;
		/* There is always one: the row's own "none" is free, or leads to another row's. */
		if (!next_column(w, &column))
			return -EINVAL;
		if (w->row_of_column[column] == ROW_FREE)
			break;
		w->scanned[w->n_scanned++] = column;
		row = w->row_of_column[column];
	}

	length = w->distance[column];
	w->u[start] += length;
	for (size_t i = 0; i < w->n_scanned; i++) {
		const uint32_t k = w->scanned[i];

		w->u[w->row_of_column[k]] += length - w->distance[k];
		w->v[k] -= length - w->distance[k];
	}
	for (;;) {
		const uint32_t holder = w->previous_row[column];
		const uint32_t released = a->column_of_row[holder];

		w->row_of_column[column] = holder;
		a->column_of_row[holder] = column;
		if (holder == start)
			return 0;
		column = released;
	}
}

static int work__new(struct assignment *a)
{
	const size_t n = a->n_columns + a->n_rows;
	struct assignment_work *w = array__zeroed(1, sizeof(*w));

	a->work = w;
	a->column_of_row = array__zeroed(a->n_rows, sizeof(*a->column_of_row));
	if (!w || !a->column_of_row)
		return -ENOMEM;
	w->row_of_column = array__zeroed(n, sizeof(*w->row_of_column));
	w->u = array__zeroed(a->n_rows, sizeof(*w->u));
	w->v = array__zeroed(n, sizeof(*w->v));
	w->release = array__zeroed(n, sizeof(*w->release));
	w->distance = array__zeroed(n, sizeof(*w->distance));
	w->previous_row = array__zeroed(n, sizeof(*w->previous_row));
	w->seen = array__zeroed(n, sizeof(*w->seen));
	w->done = array__zeroed(n, sizeof(*w->done));
	w->scanned = array__zeroed(n, sizeof(*w->scanned));
	if (!w->row_of_column || !w->u || !w->v || !w->release || !w->distance || !w->previous_row || !w->seen ||
	    !w->done || !w->scanned)
		return -ENOMEM;
	memset(w->row_of_column, 0xff, n * sizeof(*w->row_of_column));
	memset(a->column_of_row, 0xff, a->n_rows * sizeof(*a->column_of_row));
	return 0;
}

static int64_t cost_of(const struct assignment *a, uint32_t row, uint32_t column)
{
	if (column >= a->n_columns)
		return a->none_cost[row];
	for (uint32_t e = a->first_edge[row]; e < a->first_edge[row + 1]; e++) {
		if (a->edges[e].column == column)
			return a->edges[e].cost;
	}
	return COST_NEVER;
}

/*
 * Giving up column c costs -v[c] if it stays empty; or its next holder is a row from column b, and b is given up. A
 * shortest-path problem from all columns at once, over the rows' reduced costs.
 */
static int price_releases(struct assignment *a)
{
	struct assignment_work *w = a->work;
	const size_t n = a->n_columns + a->n_rows;
	uint32_t column;
	int err = 0;

	begin_round(w);
	for (uint32_t c = 0; !err && c < n; c++) {
		if (w->row_of_column[c] != ROW_FREE)
			err = relax(w, w->row_of_column[c], c, -w->v[c]);
	}
	while (!err && next_column(w, &column)) {
		w->release[column] = w->distance[column];
		if (w->row_of_column[column] != ROW_FREE)
			err = relax_row(a, w->row_of_column[column], w->distance[column]);
	}
	return err;
}

int assignment__solve(struct assignment *a)
{
	int err = work__new(a);

	for (uint32_t row = 0; !err && row < a->n_rows; row++)
		err = augment(a, row);
	a->total = 0;
	for (uint32_t row = 0; !err && row < a->n_rows; row++) {
		a->total += cost_of(a, row, a->column_of_row[row]);
		if (a->column_of_row[row] >= a->n_columns)
			a->column_of_row[row] = COLUMN_NONE;
	}
	return err ? err : price_releases(a);
}

int64_t assignment__alternative(struct assignment *a, uint32_t row, uint32_t edge, int64_t limit)
{
	struct assignment_work *w = a->work;
	const uint32_t none = (uint32_t)(a->n_columns + row);
	const uint32_t held = a->column_of_row[row] == COLUMN_NONE ? none : a->column_of_row[row];
	const uint32_t wanted = edge == COLUMN_NONE ? none : a->edges[edge].column;
	const int64_t cost = edge == COLUMN_NONE ? a->none_cost[row] : a->edges[edge].cost;
	const int64_t first = cost - w->u[row] - w->v[wanted];
	int64_t best = COST_NEVER;
	uint32_t column, holder = w->row_of_column[wanted];
	int err;

	if (wanted == held)
		return 0;
	if (first > limit)
		return COST_NEVER;
	/*
	 * Who is displaced goes round to what the row held, or ends at a column that was free; then what the row held is
	 * free for others, who may leave columns of their own.
	 */
	if (holder == ROW_FREE)
		return first + w->release[held] <= limit ? first + w->release[held] : COST_NEVER;

	begin_round(w);
	w->done[wanted] = w->round;
	err = relax_row(a, holder, first);
	while (!err && next_column(w, &column) && w->distance[column] <= limit && w->distance[column] < best) {
		holder = w->row_of_column[column];
		if (column == held)
			best = w->distance[column];
		else if (holder == ROW_FREE)
			best = w->distance[column] + w->release[held] < best ? w->distance[column] + w->release[held] :
									       best;
		else
			err = relax_row(a, holder, w->distance[column]);
	}
	if (err)
		return err;
	return best <= limit ? best : COST_NEVER;
}

void assignment__free(struct assignment *a)
{
	struct assignment_work *w = a->work;

	if (w) {
		free(w->row_of_column);
		free(w->u);
		free(w->v);
		free(w->release);
		free(w->distance);
		free(w->previous_row);
		free(w->seen);
		free(w->done);
		free(w->scanned);
		free(w->heap);
		free(w);
	}
	free(a->column_of_row);
	a->work = NULL;
	a->column_of_row = NULL;
}
