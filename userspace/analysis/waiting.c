/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/waiting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"
#include "userspace/analysis/array.h"

/*
 * A queue of thousands waits for thousands, and nobody reads more than the first few names: beyond so many requests that
 * may have run in a wait, none is named.
 */
#define MAX_RUNNERS 512
/* row_wall is single precision: what is less than this part of the time that was covered is rounding. */
#define ROUNDING 1e-6
/* A wait over no more steps than this is added up step by step, a longer one request by request. */
#define FEW_STEPS 64

struct runner {
	uint32_t request;
	double ns;			/* its part of the durations */
};

struct weigher {
	const struct ledger *l;
	const struct timeline *t;
	/* Rows of each request, in time: rows[first[i]] .. rows[first[i + 1] - 1], and their row_wall summed up to each. */
	uint32_t *first, *rows;
	double *before;
	/* Up to and with step i: the latest end, and the time in which any step ran. */
	uint64_t *latest, *covered;
	/* Requests with rows by the start of their first one; the latest end of any up to each. */
	uint32_t *order;
	uint64_t *order_latest;
	size_t n_order;
	/* Of the request at hand. */
	struct runner *runners;
	size_t n_runners, capacity;
	uint32_t *place;		/* per request: its place in runners + 1; 0: not there */
	double unknown_ns;
	uint64_t covered_ns;
	bool unnamed;			/* there were too many */
};

/* ------------------------------------------------------------------------------------------------------------ indexes --- */

static uint32_t request_of(const struct timeline *t, uint32_t row)
{
	return t->rows[row].run == RUN_NONE ? REQUEST_NONE : t->runs[t->rows[row].run].request;
}

static const struct row_step *step_of(const struct weigher *w, uint32_t row)
{
	return &w->t->recording->steps[w->t->rows[row].step];
}

static uint64_t end_of(const struct row_step *s)
{
	return s->end_ns > s->start_ns ? s->end_ns : s->start_ns;
}

static int index_rows(struct weigher *w)
{
	const size_t n_requests = w->t->recording->n_requests;
	uint32_t sum = 0;

	w->first = array__zeroed(n_requests + 2, sizeof(*w->first));
	w->rows = array__zeroed(w->t->n_rows, sizeof(*w->rows));
	w->before = array__zeroed(w->t->n_rows + 1, sizeof(*w->before));
	if (!w->first || !w->rows || !w->before)
		return -ENOMEM;
	for (uint32_t i = 0; i < w->t->n_rows; i++) {
		if (request_of(w->t, i) != REQUEST_NONE)
			w->first[request_of(w->t, i) + 2]++;
	}
	for (size_t i = 0; i < n_requests + 2; i++)
		w->first[i] = sum += w->first[i];
	for (uint32_t i = 0; i < w->t->n_rows; i++) {
		if (request_of(w->t, i) != REQUEST_NONE)
			w->rows[w->first[request_of(w->t, i) + 1]++] = i;
	}
	for (size_t k = 0; k < w->first[n_requests]; k++)
		w->before[k + 1] = w->before[k] + (double)w->l->row_wall[w->rows[k]];
	return 0;
}

static int index_steps(struct weigher *w)
{
	const struct recording *r = w->t->recording;
	uint64_t latest = 0, covered = 0;

	w->latest = array__zeroed(r->n_steps, sizeof(*w->latest));
	w->covered = array__zeroed(r->n_steps, sizeof(*w->covered));
	if (!w->latest || !w->covered)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_steps; i++) {
		const uint64_t start = r->steps[i].start_ns > latest ? r->steps[i].start_ns : latest;
		const uint64_t end = end_of(&r->steps[i]);

		if (end > start)
			covered += end - start;
		if (end > latest)
			latest = end;
		w->latest[i] = latest;
		w->covered[i] = covered;
	}
	return 0;
}

struct started {
	uint64_t start_ns;
	uint32_t request;
};

static int compare_started(const void *a, const void *b)
{
	const struct started *x = a, *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	return x->request < y->request ? -1 : x->request > y->request;
}

static int index_requests(struct weigher *w)
{
	const size_t n_requests = w->t->recording->n_requests;
	struct started *started = array__zeroed(n_requests, sizeof(*started));
	uint64_t latest = 0;

	w->order = array__zeroed(n_requests, sizeof(*w->order));
	w->order_latest = array__zeroed(n_requests, sizeof(*w->order_latest));
	w->place = array__zeroed(n_requests, sizeof(*w->place));
	if (!started || !w->order || !w->order_latest || !w->place) {
		free(started);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n_requests; i++) {
		if (w->first[i] < w->first[i + 1])
			started[w->n_order++] = (struct started){ step_of(w, w->rows[w->first[i]])->start_ns, i };
	}
	qsort(started, w->n_order, sizeof(*started), compare_started);
	for (size_t k = 0; k < w->n_order; k++) {
		const uint32_t i = started[k].request;
		const uint64_t end = end_of(step_of(w, w->rows[w->first[i + 1] - 1]));

		latest = end > latest ? end : latest;
		w->order[k] = i;
		w->order_latest[k] = latest;
	}
	free(started);
	return 0;
}

/* ---------------------------------------------------------------------------------------------------------- a stretch --- */

static int add_runner(struct weigher *w, uint32_t request, double ns)
{
	struct runner *moved;

	if (!(ns > 0))
		return 0;
	if (request == REQUEST_NONE) {
		w->unknown_ns += ns;
		return 0;
	}
	if (w->place[request]) {
		w->runners[w->place[request] - 1].ns += ns;
		return 0;
	}
	moved = array__reserve(w->runners, &w->capacity, w->n_runners + 1, sizeof(*moved));
	if (!moved)
		return -ENOMEM;
	w->runners = moved;
	w->runners[w->n_runners++] = (struct runner){ request, ns };
	w->place[request] = (uint32_t)w->n_runners;
	return 0;
}

/* The number of steps that start before an instant. */
static size_t steps_before(const struct weigher *w, uint64_t time_ns)
{
	const struct recording *r = w->t->recording;
	size_t low = 0, high = r->n_steps;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (r->steps[middle].start_ns < time_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t first_after(const uint64_t *latest, size_t n, uint64_t time_ns)
{
	size_t low = 0;

	while (low < n) {
		const size_t middle = low + (n - low) / 2;

		if (latest[middle] <= time_ns)
			low = middle + 1;
		else
			n = middle;
	}
	return low;
}

static uint64_t covered_before(const struct weigher *w, uint64_t time_ns)
{
	const size_t n = steps_before(w, time_ns);

	if (n == 0)
		return 0;
	return w->covered[n - 1] - (w->latest[n - 1] > time_ns ? w->latest[n - 1] - time_ns : 0);
}

/* How much of a step lies before an instant, 0 to 1. */
static double part_before(const struct row_step *s, uint64_t time_ns)
{
	if (s->start_ns >= time_ns)
		return 0;
	if (end_of(s) <= time_ns)
		return 1;
	return (double)(time_ns - s->start_ns) / (double)(s->end_ns - s->start_ns);
}

static int add_steps(struct weigher *w, size_t first, size_t end, uint64_t from_ns, uint64_t to_ns)
{
	const struct timeline *t = w->t;
	int err = 0;

	for (size_t i = first; i < end && !err; i++) {
		const struct row_step *s = &t->recording->steps[i];
		const double part = part_before(s, to_ns) - part_before(s, from_ns);

		if (s->flags & STEP_NESTED || !(part > 0))
			continue;
		if (t->step_first_row[i] == t->step_first_row[i + 1])
			w->unknown_ns += part * (double)(end_of(s) - s->start_ns);
		for (uint32_t k = t->step_first_row[i]; k < t->step_first_row[i + 1] && !err; k++)
			err = add_runner(w, request_of(t, k), part * (double)w->l->row_wall[k]);
	}
	return err;
}

/* A request's part of all durations before an instant. */
static double run_before(const struct weigher *w, uint32_t request, uint64_t time_ns)
{
	uint32_t low = w->first[request], high = w->first[request + 1];

	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;

		if (end_of(step_of(w, w->rows[middle])) <= time_ns)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == w->first[request + 1])
		return w->before[low] - w->before[w->first[request]];
	return w->before[low] - w->before[w->first[request]] +
	       part_before(step_of(w, w->rows[low]), time_ns) * (double)w->l->row_wall[w->rows[low]];
}

static int add_requests(struct weigher *w, uint64_t from_ns, uint64_t to_ns)
{
	const size_t first = first_after(w->order_latest, w->n_order, from_ns);
	int err = 0;

	for (size_t k = first; k < w->n_order && !err; k++) {
		const uint32_t request = w->order[k];

		if (step_of(w, w->rows[w->first[request]])->start_ns >= to_ns)
			break;
		if (k - first >= MAX_RUNNERS) {
			w->unnamed = true;
			return 0;
		}
		err = add_runner(w, request, run_before(w, request, to_ns) - run_before(w, request, from_ns));
	}
	return err;
}

static int add_stretch(struct weigher *w, uint64_t from_ns, uint64_t to_ns)
{
	const size_t first = first_after(w->latest, w->t->recording->n_steps, from_ns);
	const size_t end = steps_before(w, to_ns);

	if (end <= first)
		return 0;
	w->covered_ns += covered_before(w, to_ns) - covered_before(w, from_ns);
	return end - first <= FEW_STEPS ? add_steps(w, first, end, from_ns, to_ns) : add_requests(w, from_ns, to_ns);
}

/* ---------------------------------------------------------------------------------------------------------- a request --- */

static uint64_t last_output_of(const struct timeline *t, const struct timeline_request *q)
{
	uint64_t until = 0;

	for (uint32_t i = q->first_run; i < q->first_run + q->n_runs; i++) {
		const struct timeline_run *run = &t->runs[t->request_runs[i]];
		const uint64_t last = run->last_output_ns ? run->last_output_ns : run->end_ns;

		until = last > until ? last : until;
	}
	return until;
}

/* The stretches that wait_ns is the sum of (figures.c): arrival to the last output, less its own steps. */
static int add_wait(struct weigher *w, uint32_t request, uint64_t *wait_ns)
{
	const uint64_t until = last_output_of(w->t, &w->t->requests[request]);
	uint64_t covered = w->t->recording->requests[request].arrival_ns;
	int err = 0;

	*wait_ns = 0;
	for (uint32_t k = w->first[request]; k < w->first[request + 1] && !err; k++) {
		const struct row_step *s = step_of(w, w->rows[k]);

		if (s->start_ns >= until)
			break;
		if (s->start_ns > covered) {
			*wait_ns += s->start_ns - covered;
			err = add_stretch(w, covered, s->start_ns);
		}
		covered = s->end_ns > covered ? s->end_ns : covered;
	}
	return err;
}

static int compare_runners(const void *a, const void *b)
{
	const struct runner *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns > y->ns ? -1 : 1;
	return x->request < y->request ? -1 : x->request > y->request;
}

static int divide(struct weigher *w, struct waiting *out)
{
	double weights[WAITING_NAMED + 2] = { 0 }, named = 0, left;
	int64_t ns[WAITING_NAMED + 2];
	int err;

	if (w->n_runners)
		qsort(w->runners, w->n_runners, sizeof(*w->runners), compare_runners);
	for (size_t i = 0; i < w->n_runners; i++) {
		if (i < WAITING_NAMED)
			weights[i] = w->runners[i].ns;
		else
			weights[WAITING_NAMED] += w->runners[i].ns;
		named += w->runners[i].ns;
	}
	weights[WAITING_NAMED + 1] = w->unknown_ns;
	left = (double)w->covered_ns - named - w->unknown_ns;
	/* Of steps that went by unlisted, all that is known is that somebody's rows ran. */
	if (left > ROUNDING * (double)w->covered_ns)
		weights[w->unnamed ? WAITING_NAMED : WAITING_NAMED + 1] += left;
	err = share__split((int64_t)w->covered_ns, weights, WAITING_NAMED + 2, ns);
	if (err)
		return err;
	out->n = (uint32_t)(w->n_runners < WAITING_NAMED ? w->n_runners : WAITING_NAMED);
	for (uint32_t i = 0; i < out->n; i++) {
		out->named[i].request = w->runners[i].request;
		out->named[i].ns = ns[i];
	}
	out->others_ns = ns[WAITING_NAMED];
	out->unknown_ns = ns[WAITING_NAMED + 1];
	return 0;
}

static int of_request(struct weigher *w, uint32_t request, struct waiting *out)
{
	const int64_t wait_ns = w->t->requests[request].wait_ns;
	uint64_t found_ns;
	int err;

	if (wait_ns == ABSENT)
		return 0;
	w->n_runners = 0;
	w->unknown_ns = 0;
	w->covered_ns = 0;
	w->unnamed = false;
	err = add_wait(w, request, &found_ns);
	for (size_t i = 0; i < w->n_runners; i++)
		w->place[w->runners[i].request] = 0;
	if (err || found_ns != (uint64_t)wait_ns)
		return err;
	out->known = true;
	out->host_ns = wait_ns - (int64_t)w->covered_ns;
	return divide(w, out);
}

int waiting__build(struct waiting **out, const struct ledger *l)
{
	struct weigher w = { .l = l, .t = l->timeline };
	const size_t n_requests = l->timeline->recording->n_requests;
	int err;

	*out = NULL;
	if (!l->row_wall)
		return -EINVAL;
	*out = array__zeroed(n_requests, sizeof(**out));
	err = *out ? index_rows(&w) : -ENOMEM;
	if (!err)
		err = index_steps(&w);
	if (!err)
		err = index_requests(&w);
	for (uint32_t i = 0; i < n_requests && !err; i++)
		err = of_request(&w, i, &(*out)[i]);
	free(w.first);
	free(w.rows);
	free(w.before);
	free(w.latest);
	free(w.covered);
	free(w.order);
	free(w.order_latest);
	free(w.place);
	free(w.runners);
	if (err) {
		free(*out);
		*out = NULL;
	}
	return err;
}
