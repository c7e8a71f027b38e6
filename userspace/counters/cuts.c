/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/counters/cuts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 u128;

struct pending {
	struct counter_cut cut;		/* its sums grow to those of all CPUs */
	size_t n_told;
	uint64_t told[CUT_MAX_CPUS / 64];
};

struct counter_cuts {
	size_t n, n_cpus;
	struct counter_cuts_calls calls;
	struct pending *pending;	/* in order of time */
	size_t n_pending, capacity;
	struct counter_sums last;	/* handed on */
	struct counter_point point;
	struct counter_account accounts[MAX_COUNTERS];
};

struct counter_cuts *counter_cuts__new(size_t n, size_t n_cpus, const struct counter_cuts_calls *calls)
{
	struct counter_cuts *c = n_cpus > CUT_MAX_CPUS ? NULL : calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->n = n;
	c->n_cpus = n_cpus;
	c->calls = *calls;
	return c;
}

void counter_cuts__free(struct counter_cuts *c)
{
	if (!c)
		return;
	free(c->pending);
	free(c);
}

const struct counter_account *counter_cuts__account(const struct counter_cuts *c, size_t event)
{
	return &c->accounts[event];
}

void counter_sums__add(struct counter_sums *to, const struct counter_sums *sums)
{
	to->ran_ns += sums->ran_ns;
	for (size_t i = 0; i < MAX_COUNTERS; i++) {
		to->value[i] += sums->value[i];
		to->lost_ns[i] += sums->lost_ns[i];
	}
}

/* --- gathering ----------------------------------------------------------------------------------------------------- */

static bool has_told(const struct pending *p, uint32_t cpu)
{
	return p->told[cpu / 64] >> cpu % 64 & 1;
}

static void tell(struct pending *p, uint32_t cpu, const struct counter_sums *sums)
{
	p->told[cpu / 64] |= UINT64_C(1) << cpu % 64;
	p->n_told++;
	counter_sums__add(&p->cut.sums, sums);
}

int counter_cuts__cut(struct counter_cuts *c, const struct counter_cut *cut)
{
	struct pending *p;
	size_t at;

	if (c->n_pending == c->capacity) {
		const size_t capacity = c->capacity ? 2 * c->capacity : 64;

		p = realloc(c->pending, capacity * sizeof(*p));
		if (!p)
			return -ENOMEM;
		c->pending = p;
		c->capacity = capacity;
	}
	for (at = c->n_pending; at > 0 && c->pending[at - 1].cut.time_ns > cut->time_ns; at--)
		c->pending[at] = c->pending[at - 1];
	p = &c->pending[at];
	memset(p, 0, sizeof(*p));
	p->cut = *cut;
	if (cut->cpu < c->n_cpus) {
		p->told[cut->cpu / 64] |= UINT64_C(1) << cut->cpu % 64;
		p->n_told = 1;
	}
	c->n_pending++;
	return 0;
}

static uint64_t part(uint64_t whole, uint64_t before_ns, uint64_t length_ns)
{
	return (uint64_t)((u128)whole * before_ns / length_ns);
}

/* What the CPU of a span had counted at a time. */
static void sums_at(const struct counter_span *span, uint64_t time_ns, struct counter_sums *out)
{
	const uint64_t length = span->end_ns - span->start_ns, before = time_ns - span->start_ns;

	*out = span->before;
	if (time_ns <= span->start_ns)
		return;
	if (time_ns >= span->end_ns) {
		counter_sums__add(out, &span->interval);
		return;
	}
	out->ran_ns += part(span->interval.ran_ns, before, length);
	for (size_t i = 0; i < MAX_COUNTERS; i++) {
		out->value[i] += part(span->interval.value[i], before, length);
		out->lost_ns[i] += part(span->interval.lost_ns[i], before, length);
	}
}

void counter_cuts__span(struct counter_cuts *c, const struct counter_span *span)
{
	bool divided = false;

	if (span->cpu >= c->n_cpus)
		return;
	for (size_t k = 0; k < c->n_pending; k++) {
		struct pending *p = &c->pending[k];
		struct counter_sums sums;

		if (p->cut.number > span->n_cuts || has_told(p, span->cpu))
			continue;
		sums_at(span, p->cut.time_ns, &sums);
		tell(p, span->cpu, &sums);
		divided |= p->cut.time_ns > span->start_ns && p->cut.time_ns < span->end_ns;
	}
	for (size_t i = 0; divided && i < c->n; i++)
		c->accounts[i].divided += span->interval.value[i];
}

/* CPUs that have had no event since the cut. @return whether all are there */
static bool complete(struct counter_cuts *c, struct pending *p, bool anyway)
{
	for (uint32_t cpu = 0; cpu < c->n_cpus && p->n_told < c->n_cpus; cpu++) {
		struct counter_sums sums;
		uint64_t told;

		if (has_told(p, cpu))
			continue;
		told = c->calls.sums(c->calls.ctx, cpu, &sums);
		if (told < p->cut.number || anyway)
			tell(p, cpu, &sums);
	}
	return p->n_told == c->n_cpus;
}

/* --- handing on ---------------------------------------------------------------------------------------------------- */

uint64_t counter__scale(uint64_t value, uint64_t ran_ns, uint64_t lost_ns)
{
	return lost_ns ? (uint64_t)((u128)value * ran_ns / (ran_ns - lost_ns)) : value;
}

static uint64_t grown(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* What an event counted since the last cut. Parts by time may overtake what a CPU then measured: a meter never falls. */
static void advance(struct counter_cuts *c, size_t i, uint64_t ran_ns, const struct counter_sums *now)
{
	const uint64_t value = grown(now->value[i], c->last.value[i]);
	const uint64_t lost = grown(now->lost_ns[i], c->last.lost_ns[i]);

	if (lost && lost >= ran_ns) {
		c->accounts[i].unknown_ns += ran_ns;
		c->point.n_gaps[i]++;
	} else {
		c->point.meter[i] += (int64_t)counter__scale(value, ran_ns, lost);
		if (lost)
			c->accounts[i].scaled_ns += ran_ns;
	}
	c->last.value[i] += value;
	c->last.lost_ns[i] += lost;
}

static void hand_on(struct counter_cuts *c, const struct counter_cut *cut)
{
	const uint64_t ran_ns = grown(cut->sums.ran_ns, c->last.ran_ns);

	/* Sums that are of no instant tell nothing of this one; the next good cut has all of them again. */
	for (size_t i = 0; i < c->n; i++) {
		if (cut->unsteady)
			c->point.n_gaps[i]++;
		else
			advance(c, i, ran_ns, &cut->sums);
	}
	if (!cut->unsteady)
		c->last.ran_ns += ran_ns;
	c->point.time_ns = cut->time_ns;
	c->point.step = cut->step;
	c->point.kind = cut->kind;
	c->calls.done(c->calls.ctx, &c->point);
}

void counter_cuts__settle(struct counter_cuts *c, uint64_t now_ns)
{
	const bool all = now_ns == UINT64_MAX;
	size_t n = 0;

	for (; n < c->n_pending; n++) {
		struct pending *p = &c->pending[n];

		if (!all && p->cut.time_ns + CUT_WAIT_NS > now_ns)
			break;
		if (!complete(c, p, all || p->cut.time_ns + CUT_GIVE_UP_NS <= now_ns))
			break;
		hand_on(c, &p->cut);
	}
	memmove(c->pending, c->pending + n, (c->n_pending - n) * sizeof(*c->pending));
	c->n_pending -= n;
}
