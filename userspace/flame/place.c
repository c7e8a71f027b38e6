/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/flame/place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"

static int compare_ids(const void *a, const void *b)
{
	const struct step_id *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

int places__open(struct places *p, const struct timeline *t)
{
	const struct recording *r = t->recording;
	uint64_t latest = 0;

	memset(p, 0, sizeof(*p));
	p->timeline = t;
	p->latest_end = array__zeroed(r->n_steps, sizeof(*p->latest_end));
	p->by_id = array__zeroed(r->n_steps, sizeof(*p->by_id));
	if (!p->latest_end || !p->by_id)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_steps; i++) {
		latest = r->steps[i].end_ns > latest ? r->steps[i].end_ns : latest;
		p->latest_end[i] = latest;
		p->by_id[i] = (struct step_id){ r->steps[i].id, (uint32_t)i };
	}
	qsort(p->by_id, r->n_steps, sizeof(*p->by_id), compare_ids);
	return in_flight__build(t, &p->busy, &p->n_busy);
}

void places__close(struct places *p)
{
	free(p->busy);
	free(p->latest_end);
	free(p->by_id);
	memset(p, 0, sizeof(*p));
}

uint64_t wait__length(const struct row_stack_sample *s)
{
	const uint64_t length = (uint64_t)(s->length_ns == ABSENT ? s->weight_ns : s->length_ns);

	return length < s->time_ns ? length : s->time_ns;
}

/* How many steps have started by then. */
static size_t started_by(const struct recording *r, uint64_t time_ns)
{
	size_t low = 0, high = r->n_steps;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (r->steps[middle].start_ns <= time_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint32_t places__of_moment(const struct places *p, uint64_t time_ns, int64_t step)
{
	const struct recording *r = p->timeline->recording;
	const struct step_id wanted = { step, 0 };
	const struct step_id *known =
		step == ABSENT ? NULL : bsearch(&wanted, p->by_id, r->n_steps, sizeof(wanted), compare_ids);

	if (known)
		return known->index;
	for (size_t i = started_by(r, time_ns); i-- > 0 && p->latest_end[i] > time_ns;)
		if (r->steps[i].end_ns > time_ns)
			return (uint32_t)i;
	return in_flight__any(p->busy, p->n_busy, time_ns, time_ns) ? PLACE_HOST : PLACE_IDLE;
}

/* Time without a step, cut where something begins to be in flight and where nothing is any more. */
static int each_between(const struct places *p, uint64_t at, uint64_t end_ns,
			int (*each)(void *ctx, uint32_t place, uint64_t ns), void *ctx)
{
	size_t low = 0, high = p->n_busy;
	int err = 0;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (p->busy[middle].end_ns <= at)
			low = middle + 1;
		else
			high = middle;
	}
	for (; at < end_ns && !err; low++) {
		const uint64_t from = low < p->n_busy ? p->busy[low].start_ns : UINT64_MAX;
		const uint64_t until = low < p->n_busy && p->busy[low].end_ns < end_ns ? p->busy[low].end_ns : end_ns;

		if (from > at) {
			const uint64_t idle_until = from < end_ns ? from : end_ns;

			err = each(ctx, PLACE_IDLE, idle_until - at);
			at = idle_until;
		}
		if (!err && at < until)
			err = each(ctx, PLACE_HOST, until - at);
		at = until > at ? until : at;
	}
	return err;
}

/* Of two steps at a time the one that began first has the time until it ends. */
int places__of_interval(const struct places *p, uint64_t start_ns, uint64_t end_ns,
			int (*each)(void *ctx, uint32_t place, uint64_t ns), void *ctx)
{
	const struct recording *r = p->timeline->recording;
	size_t i = started_by(r, start_ns);
	uint64_t at = start_ns;
	int err = 0;

	while (i > 0 && p->latest_end[i - 1] > start_ns)
		i--;
	for (; i < r->n_steps && r->steps[i].start_ns < end_ns && !err; i++) {
		const struct row_step *s = &r->steps[i];
		const uint64_t until = s->end_ns < end_ns ? s->end_ns : end_ns;

		if (until <= at)
			continue;
		if (s->start_ns > at) {
			err = each_between(p, at, s->start_ns, each, ctx);
			at = s->start_ns;
		}
		if (!err)
			err = each(ctx, (uint32_t)i, until - at);
		at = until;
	}
	if (!err && at < end_ns)
		err = each_between(p, at, end_ns, each, ctx);
	return err;
}
