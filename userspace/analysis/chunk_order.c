/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/chunk_order.h"
#include "userspace/analysis/evidence.h"

#define MIN_OBSERVATIONS 50
#define MAX_SAMPLED 64
#define COST_CAP 15000
/* Steps follow each other and so do their delays: a quarter of what independent ones would be worth (half of it because two
 * requests that change places pay twice). */
#define DAMPING 4

/* The time from one step with outputs to the next. */
struct slice {
	uint64_t start_ns;
	uint32_t step;
	uint32_t first, n;	/* into sorted chunks */
};

struct sorter {
	struct slice *slices;
	size_t n_slices;
	uint32_t *slice_of;	/* per chunk; UINT32_MAX before the first */
	uint32_t *sorted;	/* chunks by slice, then time */
};

static int compare_slices(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	return x->step < y->step ? -1 : x->step > y->step;
}

static bool gives_output(const struct timeline_row *row)
{
	return row->seq >= 0 && row->n_emitted && row->phase != PHASE_DRAFT;
}

static int find_slices(struct sorter *s, const struct timeline *t)
{
	const struct recording *r = t->recording;
	bool ascending = true;

	s->slices = array__zeroed(r->n_steps, sizeof(*s->slices));
	if (!s->slices)
		return -ENOMEM;
	for (uint32_t i = 0; i < r->n_steps; i++) {
		for (uint32_t k = t->step_first_row[i]; k < t->step_first_row[i + 1]; k++) {
			if (!gives_output(&t->rows[k]))
				continue;
			s->slices[s->n_slices++] = (struct slice){ .start_ns = r->steps[i].end_ns, .step = i };
			ascending &= s->n_slices == 1 || s->slices[s->n_slices - 2].start_ns < r->steps[i].end_ns;
			break;
		}
	}
	if (!ascending)
		qsort(s->slices, s->n_slices, sizeof(*s->slices), compare_slices);
	return 0;
}

/* The last slice that begins at or before a time; chunks of one request ask in ascending order. */
static uint32_t find_slice(const struct sorter *s, uint64_t time_ns, size_t from)
{
	size_t low = from, high, step = 1;

	if (low >= s->n_slices || s->slices[low].start_ns > time_ns)
		low = 0;
	while (low + step < s->n_slices && s->slices[low + step].start_ns <= time_ns)
		step *= 2;
	high = low + step < s->n_slices ? low + step : s->n_slices;
	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (s->slices[mid].start_ns <= time_ns)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? (uint32_t)(low - 1) : UINT32_MAX;
}

static int sort_chunks(struct sorter *s, const struct recording *r)
{
	uint32_t next = 0, last = 0;

	s->slice_of = array__zeroed(r->n_chunks, sizeof(*s->slice_of));
	s->sorted = array__zeroed(r->n_chunks, sizeof(*s->sorted));
	if (!s->slice_of || !s->sorted)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_chunks; i++) {
		last = s->slice_of[i] = find_slice(s, r->chunks[i].time_ns, last == UINT32_MAX ? 0 : last);
		if (last != UINT32_MAX)
			s->slices[last].n++;
	}
	for (size_t k = 0; k < s->n_slices; k++) {
		s->slices[k].first = next;
		next += s->slices[k].n;
		s->slices[k].n = 0;
	}
	for (size_t i = 0; i < r->n_chunks; i++) {
		struct slice *slice;
		uint32_t k;

		if (s->slice_of[i] == UINT32_MAX)
			continue;
		slice = &s->slices[s->slice_of[i]];
		/* Few chunks to a slice: insertion keeps them by time, equal ones by index. */
		for (k = slice->n++; k && r->chunks[s->sorted[slice->first + k - 1]].time_ns > r->chunks[i].time_ns;
		     k--)
			s->sorted[slice->first + k] = s->sorted[slice->first + k - 1];
		s->sorted[slice->first + k] = (uint32_t)i;
	}
	return 0;
}

static uint32_t outputs_of(const struct timeline *t, uint32_t step)
{
	uint32_t n = 0;

	for (uint32_t k = t->step_first_row[step]; k < t->step_first_row[step + 1]; k++)
		n += gives_output(&t->rows[k]) ? t->rows[k].n_emitted : 0;
	return n;
}

/* Only where every output left as a chunk, and before the next step, does the order say who is who. */
static void rank_chunks(struct chunk_order *o, const struct sorter *s)
{
	for (size_t i = 0; i < o->t->recording->n_chunks; i++)
		o->step[i] = STEP_NONE;
	for (size_t k = 0; k < s->n_slices; k++) {
		const struct slice *slice = &s->slices[k];

		if (slice->n < 2 || slice->n > UINT16_MAX || slice->n != outputs_of(o->t, slice->step))
			continue;
		for (uint32_t i = 0; i < slice->n; i++) {
			o->step[s->sorted[slice->first + i]] = slice->step;
			o->rank[s->sorted[slice->first + i]] = (uint16_t)i;
		}
	}
}

/* How many chunks should have left before the run's first one of this step. @return false: the run is not in the step */
static bool expected_rank(const struct timeline *t, uint32_t step, uint32_t run, int64_t *rank)
{
	const int32_t seq = t->runs[run].seq;
	bool found = false;

	*rank = 0;
	for (uint32_t k = t->step_first_row[step]; k < t->step_first_row[step + 1]; k++) {
		const struct timeline_row *row = &t->rows[k];

		if (!gives_output(row))
			continue;
		found |= row->run == run;
		if (row->seq < seq)
			*rank += row->n_emitted;
	}
	return found;
}

static uint32_t *requests_of_chunks(const struct recording *r)
{
	uint32_t *of = array__zeroed(r->n_chunks, sizeof(*of));

	/* Chunks are sorted by request id, requests by arrival: ids mostly count up with it. */
	for (size_t i = 0; of && i < r->n_chunks; i++)
		of[i] = REQUEST_NONE;
	for (uint32_t q = 0; of && q < r->n_requests; q++) {
		size_t low = 0, high = r->n_chunks;

		while (low < high) {
			const size_t mid = low + (high - low) / 2;

			if (r->chunks[mid].request < r->requests[q].id)
				low = mid + 1;
			else
				high = mid;
		}
		for (; low < r->n_chunks && r->chunks[low].request == r->requests[q].id; low++)
			of[low] = q;
	}
	return of;
}

static int learn_weight(struct chunk_order *o, const struct sorter *s, const uint32_t *sure_run)
{
	const struct timeline *t = o->t;
	uint32_t *request_of = requests_of_chunks(t->recording);
	uint64_t in_order = 0, reversed = 0;

	if (!request_of)
		return -ENOMEM;
	for (size_t k = 0; k < s->n_slices; k++) {
		const struct slice *slice = &s->slices[k];

		for (uint32_t i = 1; i < slice->n && o->step[s->sorted[slice->first]] != STEP_NONE; i++) {
			const uint32_t a = request_of[s->sorted[slice->first + i - 1]];
			const uint32_t b = request_of[s->sorted[slice->first + i]];

			if (a == REQUEST_NONE || b == REQUEST_NONE || a == b || sure_run[a] == RUN_NONE ||
			    sure_run[b] == RUN_NONE)
				continue;
			if (t->runs[sure_run[a]].seq < t->runs[sure_run[b]].seq)
				in_order++;
			else
				reversed++;
		}
	}
	free(request_of);
	if (in_order + reversed < MIN_OBSERVATIONS || in_order <= reversed)
		return 0;
	/* ln 2 = 0.693 */
	o->weight = (log2_milli(in_order + 1) - log2_milli(reversed + 1)) * 693 / 1000 / DAMPING;
	return 0;
}

int chunk_order__learn(struct chunk_order *o, const struct timeline *t, const uint32_t *sure_run)
{
	struct sorter s = { 0 };
	int err = find_slices(&s, t);

	memset(o, 0, sizeof(*o));
	o->t = t;
	o->step = array__zeroed(t->recording->n_chunks, sizeof(*o->step));
	o->rank = array__zeroed(t->recording->n_chunks, sizeof(*o->rank));
	if (!o->step || !o->rank)
		err = -ENOMEM;
	if (!err)
		err = sort_chunks(&s, t->recording);
	if (!err) {
		rank_chunks(o, &s);
		err = learn_weight(o, &s, sure_run);
	}
	free(s.slices);
	free(s.slice_of);
	free(s.sorted);
	return err;
}

void chunk_order__free(struct chunk_order *o)
{
	free(o->step);
	free(o->rank);
	memset(o, 0, sizeof(*o));
}

int64_t chunk_order__cost(const struct chunk_order *o, size_t first_chunk, size_t n_chunks, uint32_t run)
{
	const size_t stride = n_chunks / MAX_SAMPLED + 1;
	int64_t cost = 0;

	for (size_t i = first_chunk; i < first_chunk + n_chunks && cost < COST_CAP; i += stride) {
		int64_t expected, off;

		if (o->step[i] == STEP_NONE || !expected_rank(o->t, o->step[i], run, &expected))
			continue;
		off = o->rank[i] - expected;
		cost += o->weight * off * off;
	}
	return cost < COST_CAP ? cost : COST_CAP;
}
