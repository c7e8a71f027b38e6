/* SPDX-License-Identifier: Apache-2.0 */
/* Which requests claims are about, and when requests waited for the server. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/facts.h"
#include "userspace/analysis/array.h"
#include "userspace/analysis/evidence.h"
#include "userspace/verify/judge.h"

/* Too many at once: the server refuses what it could do. All else from 400 to 499 is the client's mistake. */
#define STATUS_TIMEOUT 408
#define STATUS_TOO_MANY 429

bool request__was_wrong(const struct row_request *q)
{
	return q->status >= 400 && q->status < 500 && q->status != STATUS_TIMEOUT && q->status != STATUS_TOO_MANY;
}

bool request__failed(const struct row_request *q)
{
	return !request__was_wrong(q) &&
	       (q->status >= 400 || (q->incomplete & INCOMPLETE_UNANSWERED && !q->client_left));
}

bool claim__is_of_model(const struct judgement *j, uint32_t i)
{
	const struct row_request *q = &j->in->recording->requests[i];
	const char *model = q->response_model ? q->response_model : q->model;

	return j->scope->asks[i] && (!j->claim->model || (model && strcmp(model, j->claim->model) == 0));
}

bool claim__is_about(const struct judgement *j, uint32_t i)
{
	return claim__is_of_model(j, i) && !(j->in->timeline->requests[i].incomplete & INCOMPLETE_BEFORE_ATTACH);
}

uint32_t claim__warm_up(const struct judgement *j)
{
	for (uint32_t i = 0; j->claim->drop_first_request && i < j->in->recording->n_requests; i++)
		if (claim__is_about(j, i))
			return i;
	return REQUEST_NONE;
}

/* ------------------------------------------------------------------------------------------------------------ waiting --- */

static int by_begin(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return x[0] != y[0] ? (x[0] > y[0]) - (x[0] < y[0]) : (x[1] > y[1]) - (x[1] < y[1]);
}

static size_t first_step_after(const struct recording *r, uint64_t time_ns)
{
	size_t low = 0, high = r->n_steps;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (r->steps[middle].start_ns > time_ns)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* A step that began after it had arrived whole, and without it. */
static bool find_waiting(const struct verify_input *in, uint32_t i, double *begin, double *end)
{
	const struct recording *r = in->recording;
	const struct row_request *q = &r->requests[i];
	const struct timeline_request *t = &in->timeline->requests[i];
	const size_t step = first_step_after(r, q->request_end_ns > q->arrival_ns ? q->request_end_ns : q->arrival_ns);
	uint64_t first = UINT64_MAX;

	for (uint32_t k = t->first_run; k < t->first_run + t->n_runs; k++) {
		const struct timeline_run *run = &in->timeline->runs[in->timeline->request_runs[k]];

		first = run->start_ns < first ? run->start_ns : first;
	}
	if (first == UINT64_MAX || step == r->n_steps || r->steps[step].start_ns >= first)
		return false;
	*begin = (double)r->steps[step].start_ns;
	*end = (double)first;
	return true;
}

static void join(struct claim_scope *s)
{
	size_t n = 0;

	qsort(s->waiting, s->n_waiting, 2 * sizeof(*s->waiting), by_begin);
	for (size_t i = 0; i < s->n_waiting; i++) {
		const double begin = s->waiting[2 * i], end = s->waiting[2 * i + 1];

		if (n && begin <= s->waiting[2 * n - 1]) {
			s->waiting[2 * n - 1] = fmax(s->waiting[2 * n - 1], end);
			continue;
		}
		s->waiting[2 * n] = begin;
		s->waiting[2 * n++ + 1] = end;
	}
	s->n_waiting = n;
}

double claim_scope__waiting(const struct claim_scope *s, double begin, double end)
{
	double sum = 0;

	for (size_t i = 0; i < s->n_waiting; i++) {
		const double from = fmax(begin, s->waiting[2 * i]), to = fmin(end, s->waiting[2 * i + 1]);

		sum += to > from ? to - from : 0;
	}
	return end > begin ? sum / (end - begin) : 0;
}

/* ----------------------------------------------------------------------------------------------------------- together --- */

int claim_scope__open(struct claim_scope *s, const struct verify_input *in)
{
	const struct recording *r = in->recording;
	struct blind_spots w;
	int err = blind_spots__find(&w, in->timeline);

	memset(s, 0, sizeof(*s));
	if (err)
		return err;
	/* What the recording itself refused may have been of either. */
	s->wire_lost = recording__lost(r, "wire") + recording__lost(r, "recording");
	s->engine_lost = recording__lost(r, "engine") + recording__lost(r, "recording");
	s->asks = array__zeroed(r->n_requests, sizeof(*s->asks));
	s->waiting = array__zeroed(r->n_requests, 2 * sizeof(*s->waiting));
	for (uint32_t i = 0; s->asks && s->waiting && i < r->n_requests; i++) {
		struct request_facts facts;

		request__facts(&facts, &r->requests[i], &w, r);
		s->asks[i] = facts.eligible && !facts.embedding;
		if (find_waiting(in, i, &s->waiting[2 * s->n_waiting], &s->waiting[2 * s->n_waiting + 1]))
			s->n_waiting++;
	}
	blind_spots__free(&w);
	if (!s->asks || !s->waiting) {
		claim_scope__close(s);
		return -ENOMEM;
	}
	join(s);
	return 0;
}

void claim_scope__close(struct claim_scope *s)
{
	free(s->asks);
	free(s->waiting);
	memset(s, 0, sizeof(*s));
}
