/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/step_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"

/* Owners of rows of no known request: one per run, above all indexes of requests. */
#define OWNER_OF_RUN 0x80000000u

/* No ubatch is larger, and no context longer; what says otherwise is damaged, and must not become an absurd cost. */
#define MAX_TOKENS (1u << 26)

static uint32_t owner_of(const struct timeline *t, const struct timeline_row *row)
{
	if (row->run == RUN_NONE)
		return UINT32_MAX;
	return t->runs[row->run].request == REQUEST_NONE ? OWNER_OF_RUN | row->run : t->runs[row->run].request;
}

static uint32_t clamp(int64_t n, uint32_t least)
{
	return n < (int64_t)least ? least : n > MAX_TOKENS ? MAX_TOKENS : (uint32_t)n;
}

static int reserve(struct step_view *v, size_t n)
{
	struct cost_row *rows = array__reserve(v->rows, &v->rows_capacity, n, sizeof(*rows));
	uint32_t *ends, *of;

	if (!rows)
		return -ENOMEM;
	v->rows = rows;
	ends = array__reserve(v->part_end, &v->part_capacity, n, sizeof(*ends));
	if (!ends)
		return -ENOMEM;
	v->part_end = ends;
	of = array__reserve(v->row_of, &v->of_capacity, n, sizeof(*of));
	if (!of)
		return -ENOMEM;
	v->row_of = of;
	return 0;
}

/* Rows of the timeline are in the order of their first recorded ones, so the guess is mostly right. */
static uint32_t find_row(const struct step_view *v, const struct timeline *t, const struct row_row *row, uint32_t guess)
{
	const uint32_t n = v->end - v->first;

	for (uint32_t k = 0; k < n; k++) {
		const uint32_t at = v->first + (guess - v->first + k) % n;
		const struct timeline_row *r = &t->rows[at];

		if (row->seq < 0 ?
			    r->seq < 0 :
			    r->seq == row->seq && row->first_pos >= r->first_pos &&
				    (int64_t)row->first_pos < (int64_t)r->first_pos + (r->n_tokens ? r->n_tokens : 1))
			return at;
	}
	return v->first;
}

static void add(struct step_view *v, const struct timeline *t, uint32_t row_of, int64_t n_tokens, int64_t context,
		int64_t n_outputs)
{
	v->row_of[v->n] = row_of;
	v->rows[v->n++] = (struct cost_row){
		.n_tokens = clamp(n_tokens, 1),
		.context = clamp(context, 0),
		.n_outputs = clamp(n_outputs, 0),
		.owner = owner_of(t, &t->rows[row_of]),
	};
}

int step_view__set(struct step_view *v, const struct timeline *t, const struct row_range *ranges, uint32_t step)
{
	const struct recording *r = t->recording;
	const struct row_range range = ranges[step];
	uint32_t guess;

	v->first = guess = t->step_first_row[step];
	v->end = t->step_first_row[step + 1];
	v->n = v->n_parts = 0;
	if (v->first == v->end)
		return 0;
	if (reserve(v, range.n > v->end - v->first ? range.n : v->end - v->first))
		return -ENOMEM;
	for (uint32_t i = range.first; i < range.first + range.n; i++) {
		const struct row_row *row = &r->rows[i];

		guess = find_row(v, t, row, guess);
		add(v, t, guess, row->n_tokens, row->first_pos, row->n_outputs);
		if (i + 1 == range.first + range.n || row[1].ubatch != row->ubatch || row[1].step != row->step)
			v->part_end[v->n_parts++] = (uint32_t)v->n;
		if (++guess == v->end)
			guess = v->first;
	}
	if (v->n)
		return 0;
	for (guess = v->first; guess < v->end; guess++)
		add(v, t, guess, t->rows[guess].n_tokens, t->rows[guess].first_pos, t->rows[guess].n_outputs);
	v->part_end[v->n_parts++] = (uint32_t)v->n;
	return 0;
}

struct rule_step step_view__step(const struct step_view *v)
{
	return (struct rule_step){ v->rows, v->n, v->part_end, v->n_parts };
}

void step_view__free(struct step_view *v)
{
	free(v->rows);
	free(v->part_end);
	free(v->row_of);
	memset(v, 0, sizeof(*v));
}
