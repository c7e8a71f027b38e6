/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who writes a bill has a clock of its own, and writes a request down a little after it ended: one that ends 2 ms before the hour may
 * stand in the next hour's line. Such a clock moves all requests alike, and all figures of a line with them: that explains few lines.
 */
#include <string.h>

#include "userspace/analysis/facts.h"
#include "userspace/verify/statements.h"

#define N_FIGURES (FIGURE_REQUESTS + 1)
#define OTHER_CLOCK                                                                                                    \
	"requests that began or ended near the ends of its window were counted on the other side, as by a clock that " \
	"differs by less than a quarter of a second, or is read so much later"
/* Clocks are tried one by one; of more requests near the ends any number may be on either side. */
#define MOST_EDGES 300

struct clock {
	const struct verify_input *in;
	const struct statement *s;
	int64_t billed[N_FIGURES];
	struct span inner[N_FIGURES];	/* of members that are in the window by any clock */
	bool by_end;
};

static const struct edge *edge_of(const struct clock *c, size_t i)
{
	return &c->in->books->edges[c->s->first_edge + i];
}

/* What may be billed of a request: nothing of one that need not be, a part of several choices. ABSENT: not known */
static void add(const struct clock *c, struct span sums[N_FIGURES], uint32_t request, int sign)
{
	const bool due = books__must_be_billed(c->in->books, c->in, request) &&
			 !(c->in->books->counts[request].flags & REQUEST_SEVERAL);

	for (int f = 0; f < N_FIGURES; f++) {
		const struct span one = count__figure(&c->in->books->counts[request], (enum figure)f);

		if (one.low == ABSENT || sums[f].low == ABSENT) {
			sums[f].low = ABSENT;
			continue;
		}
		sums[f].low += sign * (due ? one.low : 0);
		sums[f].high += sign * one.high;
	}
}

static int64_t time_of(const struct clock *c, size_t edge)
{
	const struct recording *r = c->in->recording;
	const struct row_request *q = &r->requests[edge_of(c, edge)->request];
	const uint64_t end = q->end_ns ? q->end_ns : recording__end_ns(r);

	return books__unix_ns(c->in->books, c->by_end ? end : q->arrival_ns);
}

static bool holds(const struct clock *c, const struct span sums[N_FIGURES])
{
	for (int f = 0; f < N_FIGURES; f++)
		if (c->billed[f] != ABSENT &&
		    (sums[f].low == ABSENT || c->billed[f] < sums[f].low || c->billed[f] > sums[f].high))
			return false;
	return true;
}

static bool is_with(const struct clock *c, int64_t late_ns)
{
	struct span sums[N_FIGURES];

	memcpy(sums, c->inner, sizeof(sums));
	for (size_t i = 0; i < c->s->n_edges; i++) {
		const int64_t at = time_of(c, i) + late_ns;

		if (at >= c->s->begin_unix_ns && at < c->s->end_unix_ns)
			add(c, sums, edge_of(c, i)->request, 1);
	}
	return holds(c, sums);
}

static bool is_with_any(const struct clock *c)
{
	struct span sums[N_FIGURES];

	memcpy(sums, c->inner, sizeof(sums));
	for (size_t i = 0; i < c->s->n_edges; i++)
		add(c, sums, edge_of(c, i)->request, 1);
	for (int f = 0; f < N_FIGURES; f++)
		sums[f].low = c->inner[f].low;
	return holds(c, sums);
}

/* A request changes sides where it is moved onto an end of the window. */
static bool is_by_some_clock(const struct clock *c)
{
	for (size_t i = 0; i < c->s->n_edges; i++) {
		const int64_t at = time_of(c, i);
		const int64_t late[] = { c->s->begin_unix_ns - at, c->s->begin_unix_ns - at - 1, c->s->end_unix_ns - at,
					 c->s->end_unix_ns - at - 1 };

		for (size_t k = 0; k < sizeof(late) / sizeof(late[0]); k++)
			if (late[k] > -WINDOW_SLACK_NS && late[k] < WINDOW_SLACK_NS && is_with(c, late[k]))
				return true;
	}
	return false;
}

const char *statement__other_clock(const struct verify_input *in, const struct statement *s)
{
	struct clock c = { .in = in, .s = s };

	if (s->n_edges == 0)
		return NULL;
	c.billed[FIGURE_PROMPT] = s->prompt;
	c.billed[FIGURE_CACHED] = s->cached;
	c.billed[FIGURE_COMPLETION] = s->completion;
	c.billed[FIGURE_REQUESTS] = s->counts_requests ? s->n_requests : ABSENT;
	for (size_t i = 0; i < s->n_members; i++)
		add(&c, c.inner, in->books->members[s->first_member + i], 1);
	for (size_t i = 0; i < s->n_edges; i++)
		if (edge_of(&c, i)->own)
			add(&c, c.inner, edge_of(&c, i)->request, -1);
	if (s->n_edges > MOST_EDGES)
		return is_with_any(&c) ? OTHER_CLOCK : NULL;
	if (is_by_some_clock(&c))
		return OTHER_CLOCK;
	c.by_end = true;
	return is_by_some_clock(&c) ? OTHER_CLOCK : NULL;
}

static bool is_inside(const struct books *b, int64_t unix_ns)
{
	for (size_t i = 0; i < b->n_windows; i++)
		if (unix_ns - WINDOW_SLACK_NS >= b->windows[i].begin_unix_ns &&
		    unix_ns + WINDOW_SLACK_NS < b->windows[i].end_unix_ns)
			return true;
	return false;
}

static void widen(const struct verify_input *in, struct span *sum, enum figure figure, const struct edge *edge)
{
	const struct books *b = in->books;
	const struct row_request *q = &in->recording->requests[edge->request];
	const struct request_count *n = &b->counts[edge->request];
	const struct span one = count__figure(n, figure);
	const bool stays = is_inside(b, books__unix_ns(b, q->arrival_ns)) &&
			   is_inside(b, books__unix_ns(b, q->end_ns ? q->end_ns : recording__end_ns(in->recording)));

	if (one.low == ABSENT)
		return;
	/* Those that go over one end of all windows are in the sum as what need not be. */
	if (edge->own && !stays && (n->flags & REQUEST_ENDED_IN || !(n->flags & REQUEST_ENDED_OUT)))
		sum->low -= books__must_be_billed(b, in, edge->request) ? one.low : 0;
	else if (!edge->own && !(n->flags & (REQUEST_BILLED | REQUEST_ENDED_IN)))
		sum->high += one.high;
}

struct span bill_clocks__widen(const struct verify_input *in, struct span sum, enum figure figure)
{
	for (size_t i = 0; i < in->books->n_edges; i++)
		widen(in, &sum, figure, &in->books->edges[i]);
	return sum;
}
