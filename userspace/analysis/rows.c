/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "bpf/records.h"
#include "userspace/analysis/array.h"
#include "userspace/analysis/runs.h"
#include "userspace/analysis/steps.h"

struct id_index {
	int64_t id;
	uint32_t index;
};

static int compare_ids(const void *a, const void *b)
{
	const struct id_index *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

uint32_t *steps__by_id(const struct recording *r)
{
	uint32_t *order = array__zeroed(r->n_steps, sizeof(*order));
	struct id_index *sorted;
	bool ascending = true;

	if (!order)
		return NULL;
	for (size_t i = 0; i < r->n_steps; i++) {
		order[i] = (uint32_t)i;
		if (i && r->steps[i].id <= r->steps[i - 1].id)
			ascending = false;
	}
	if (ascending)
		return order;

	/* Threads number their steps as they begin, so ids and times may be out of step by a little. */
	sorted = array__zeroed(r->n_steps, sizeof(*sorted));
	if (!sorted) {
		free(order);
		return NULL;
	}
	for (size_t i = 0; i < r->n_steps; i++)
		sorted[i] = (struct id_index){ r->steps[i].id, (uint32_t)i };
	qsort(sorted, r->n_steps, sizeof(*sorted), compare_ids);
	for (size_t i = 0; i < r->n_steps; i++)
		order[i] = sorted[i].index;
	free(sorted);
	return order;
}

/* Rows without a step (its end was lost, or the recording ended inside it) stay outside: they have no time. */
static void find_ranges(const struct recording *r, const uint32_t *by_id, struct row_range *ranges)
{
	size_t row = 0;

	for (size_t k = 0; k < r->n_steps; k++) {
		const uint32_t step = by_id[k];
		const int64_t id = r->steps[step].id;
		size_t first;

		while (row < r->n_rows && r->rows[row].step < id)
			row++;
		first = row;
		while (row < r->n_rows && r->rows[row].step == id)
			row++;
		ranges[step] = (struct row_range){ (uint32_t)first, (uint32_t)(row - first), step };
	}
}

struct open_step {
	uint32_t tid, step;
};

/*
 * A decode that falls through to encode records its rows under the inner step, and its time belongs to the outer one.
 * The inner rows move out where the outer step has none of its own; where it has, they are the same rows seen twice.
 */
static int adopt_nested(const struct recording *r, struct row_range *ranges)
{
	struct open_step *open = NULL;
	size_t n_open = 0, capacity = 0;

	for (size_t i = 0; i < r->n_steps; i++) {
		const struct row_step *step = &r->steps[i];
		struct row_range *parent;
		size_t k = 0;

		while (k < n_open && open[k].tid != step->tid)
			k++;
		if (!(step->flags & STEP_NESTED)) {
			if (k == n_open) {
				struct open_step *moved = array__reserve(open, &capacity, n_open + 1, sizeof(*open));

				if (!moved) {
					free(open);
					return -ENOMEM;
				}
				open = moved;
				n_open++;
			}
			open[k] = (struct open_step){ step->tid, (uint32_t)i };
			continue;
		}
		if (k == n_open || r->steps[open[k].step].end_ns < step->end_ns)
			continue;
		parent = &ranges[open[k].step];
		if (parent->n == 0)
			*parent = ranges[i];
		else if (parent->source != open[k].step && parent->first + parent->n == ranges[i].first)
			parent->n += ranges[i].n;
		else if (parent->source != open[k].step)
			continue;
		ranges[i].n = 0;
	}
	free(open);
	return 0;
}

struct row_range *rows__ranges(const struct recording *r)
{
	struct row_range *ranges = array__zeroed(r->n_steps, sizeof(*ranges));
	uint32_t *by_id = steps__by_id(r);
	int err = ranges && by_id ? 0 : -ENOMEM;

	if (!err) {
		find_ranges(r, by_id, ranges);
		err = adopt_nested(r, ranges);
	}
	free(by_id);
	if (!err)
		return ranges;
	free(ranges);
	return NULL;
}

bool rows__known(const struct recording *r, const struct row_range *range)
{
	for (uint32_t i = range->first; i < range->first + range->n; i++)
		if (r->rows[i].seq < 0 || r->rows[i].n_tokens <= 0 || r->rows[i].first_pos < 0)
			return false;
	return range->n > 0;
}

static uint32_t to_u32(int64_t n)
{
	return n < 0 ? 0 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

/* Where in this step the row continues: only rows of a later ubatch can, the kernel has joined those of one. */
static struct timeline_row *row_to_extend(struct timeline_row *rows, size_t n, const struct row_row *row,
					  bool first_ubatch)
{
	if (row->seq < 0)
		return n && rows[n - 1].seq < 0 ? &rows[n - 1] : NULL;
	if (first_ubatch)
		return NULL;
	for (size_t i = n; i-- > 0;) {
		if (rows[i].seq == row->seq && (int64_t)rows[i].first_pos + rows[i].n_tokens == row->first_pos)
			return &rows[i];
	}
	return NULL;
}

static void collect_step(struct timeline *t, uint32_t step, const struct row_range *range)
{
	const struct recording *r = t->recording;
	const struct row_step *source = &r->steps[range->source];
	const bool draft = step__role(r, &r->steps[step]) == ROLE_DRAFT;
	struct timeline_row *rows = &t->rows[t->n_rows];
	size_t n = 0;

	for (uint32_t i = range->first; i < range->first + range->n; i++) {
		const struct row_row *row = &r->rows[i];
		struct timeline_row *out = row_to_extend(rows, n, row, row->ubatch == r->rows[range->first].ubatch);

		if (out) {
			out->n_tokens = to_u32((int64_t)out->n_tokens + row->n_tokens);
			out->n_outputs = to_u32((int64_t)out->n_outputs + row->n_outputs);
			continue;
		}
		rows[n++] = (struct timeline_row){
			.step = step,
			.run = RUN_NONE,
			.seq = row->seq < 0 ? -1 : row->seq,
			.first_pos = row->first_pos,
			.n_tokens = to_u32(row->n_tokens),
			.n_outputs = to_u32(row->n_outputs),
			.phase = draft			     ? PHASE_DRAFT :
				 source->kind == STEP_ENCODE ? PHASE_ENCODE :
							       PHASE_DECODE,
			.counted = step__returned(&r->steps[step]) && step__returned(source),
		};
	}
	t->n_rows += n;
}

int rows__collect(struct timeline *t)
{
	const struct recording *r = t->recording;
	struct row_range *ranges = rows__ranges(r);

	t->rows = array__zeroed(r->n_rows, sizeof(*t->rows));
	t->step_first_row = array__zeroed(r->n_steps + 1, sizeof(*t->step_first_row));
	if (!ranges || !t->rows || !t->step_first_row) {
		free(ranges);
		return -ENOMEM;
	}
	for (size_t i = 0; i < r->n_steps; i++) {
		t->step_first_row[i] = (uint32_t)t->n_rows;
		collect_step(t, (uint32_t)i, &ranges[i]);
	}
	t->step_first_row[r->n_steps] = (uint32_t)t->n_rows;
	free(ranges);
	return 0;
}
