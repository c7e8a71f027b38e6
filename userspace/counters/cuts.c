/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/counters/cuts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 u128;

struct counter_cuts {
	size_t n;
	void (*done)(void *ctx, const struct counter_point *);
	void *ctx;
	struct counter_cut *cuts;	/* that wait, in order of time */
	size_t n_cuts, cuts_capacity;
	struct counter_span *spans;	/* in order of arrival: a cut's record may come after those of its spans */
	size_t n_spans, spans_capacity;
	struct counter_cut last;	/* handed on */
	struct counter_point point;
	struct counter_account accounts[MAX_COUNTERS];
};

struct counter_cuts *counter_cuts__new(size_t n, void (*done)(void *ctx, const struct counter_point *), void *ctx)
{
	struct counter_cuts *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->n = n;
	c->done = done;
	c->ctx = ctx;
	return c;
}

void counter_cuts__free(struct counter_cuts *c)
{
	if (!c)
		return;
	free(c->cuts);
	free(c->spans);
	free(c);
}

const struct counter_account *counter_cuts__account(const struct counter_cuts *c, size_t event)
{
	return &c->accounts[event];
}

static void *reserve(void *array, size_t *capacity, size_t n, size_t size)
{
	const size_t more = *capacity ? 2 * *capacity : 64;
	void *moved;

	if (n < *capacity)
		return array;
	moved = realloc(array, more * size);
	if (moved)
		*capacity = more;
	return moved;
}

static uint64_t part(uint64_t whole, uint64_t before_ns, uint64_t length_ns)
{
	return (uint64_t)((u128)whole * before_ns / length_ns);
}

/* The part of a span before a cut that does not have it in its sums. */
static void apply(struct counter_cuts *c, struct counter_cut *cut, struct counter_span *span)
{
	const uint64_t length = span->end_ns > span->start_ns ? span->end_ns - span->start_ns : 1;
	uint64_t before;

	if (span->number < cut->settled || span->cpu == cut->cpu || span->start_ns >= cut->time_ns)
		return;
	before = cut->time_ns - span->start_ns;
	if (before > length)
		before = length;
	cut->ran_ns += before;
	for (size_t i = 0; i < c->n; i++) {
		cut->value[i] += part(span->value[i], before, length);
		cut->lost_ns[i] += part(span->lost_ns[i], before, length);
		if (!span->divided)
			c->accounts[i].divided += span->value[i];
	}
	span->divided = true;
}

int counter_cuts__cut(struct counter_cuts *c, const struct counter_cut *cut)
{
	struct counter_cut *moved = reserve(c->cuts, &c->cuts_capacity, c->n_cuts, sizeof(*moved));
	size_t at;

	if (!moved)
		return -ENOMEM;
	c->cuts = moved;
	for (at = c->n_cuts; at > 0 && c->cuts[at - 1].time_ns > cut->time_ns; at--)
		c->cuts[at] = c->cuts[at - 1];
	c->cuts[at] = *cut;
	c->n_cuts++;
	for (size_t i = 0; i < c->n_spans; i++)
		apply(c, &c->cuts[at], &c->spans[i]);
	return 0;
}

int counter_cuts__span(struct counter_cuts *c, const struct counter_span *span)
{
	struct counter_span *moved = reserve(c->spans, &c->spans_capacity, c->n_spans, sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	c->spans = moved;
	c->spans[c->n_spans] = *span;
	c->spans[c->n_spans].divided = false;
	for (size_t i = 0; i < c->n_cuts; i++)
		apply(c, &c->cuts[i], &c->spans[c->n_spans]);
	c->n_spans++;
	return 0;
}

uint64_t counter__scale(uint64_t value, uint64_t ran_ns, uint64_t lost_ns)
{
	return lost_ns ? (uint64_t)((u128)value * ran_ns / (ran_ns - lost_ns)) : value;
}

static uint64_t grown(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* What an event counted since the last cut. Parts by time may overtake what a CPU then measured: a meter never falls. */
static void advance(struct counter_cuts *c, size_t i, uint64_t ran_ns, const struct counter_cut *cut)
{
	const uint64_t value = grown(cut->value[i], c->last.value[i]);
	const uint64_t lost = grown(cut->lost_ns[i], c->last.lost_ns[i]);

	if (lost && lost >= ran_ns) {
		c->accounts[i].unknown_ns += ran_ns;
		c->point.n_gaps[i]++;
	} else {
		c->point.meter[i] += (int64_t)counter__scale(value, ran_ns, lost);
		if (lost)
			c->accounts[i].scaled_ns += ran_ns;
	}
	if (cut->value[i] > c->last.value[i])
		c->last.value[i] = cut->value[i];
	if (cut->lost_ns[i] > c->last.lost_ns[i])
		c->last.lost_ns[i] = cut->lost_ns[i];
}

static void hand_on(struct counter_cuts *c, const struct counter_cut *cut)
{
	const uint64_t ran_ns = grown(cut->ran_ns, c->last.ran_ns);

	/* Sums that are of no instant tell nothing of this one; the next good cut has all of them again. */
	for (size_t i = 0; i < c->n; i++) {
		if (cut->unsteady)
			c->point.n_gaps[i]++;
		else
			advance(c, i, ran_ns, cut);
	}
	if (!cut->unsteady && cut->ran_ns > c->last.ran_ns)
		c->last.ran_ns = cut->ran_ns;
	c->point.time_ns = cut->time_ns;
	c->point.step = cut->step;
	c->point.kind = cut->kind;
	c->done(c->ctx, &c->point);
}

void counter_cuts__settle(struct counter_cuts *c, uint64_t now_ns)
{
	size_t n = 0, kept = 0;

	while (n < c->n_cuts && (now_ns == UINT64_MAX || c->cuts[n].time_ns + CUT_WAIT_NS <= now_ns))
		hand_on(c, &c->cuts[n++]);
	memmove(c->cuts, c->cuts + n, (c->n_cuts - n) * sizeof(*c->cuts));
	c->n_cuts -= n;
	/* A span is of use until every cut before its end has been handed on. */
	for (size_t i = 0; i < c->n_spans; i++)
		if (now_ns != UINT64_MAX && c->spans[i].end_ns + CUT_WAIT_NS > now_ns)
			c->spans[kept++] = c->spans[i];
	c->n_spans = kept;
}
