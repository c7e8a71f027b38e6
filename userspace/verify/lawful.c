/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may be billed for a statement, besides the sum of all that its requests took. Of several generations llama.cpp's `usage`
 * has one; and of a window of time, requests need not be billed that ended otherwise than they should.
 */
#include "userspace/verify/books.h"

struct span count__figure(const struct request_count *q, enum figure figure)
{
	const int64_t exact = figure == FIGURE_PROMPT ? q->prompt : figure == FIGURE_CACHED ? q->cached : 1;

	return figure == FIGURE_COMPLETION ? q->completion : (struct span){ exact, exact };
}

static bool is_figure_of(const struct timeline_run *run, enum figure figure, int64_t billed)
{
	switch (figure) {
	case FIGURE_COMPLETION:
		return billed == run->n_sampled;
	case FIGURE_CACHED:
		return billed == run->prompt_cached;
	default:
		return billed == run->prompt_cached + run->prompt_computed;
	}
}

static bool is_of_one_generation(const struct verify_input *in, const struct statement *s, enum figure figure,
				 int64_t billed)
{
	const struct timeline *t = in->timeline;
	const struct timeline_request *q = &t->requests[in->books->members[s->first_member]];

	for (uint32_t i = q->first_run; i < q->first_run + q->n_runs; i++)
		if (is_figure_of(&t->runs[t->request_runs[i]], figure, billed))
			return true;
	return false;
}

bool books__must_be_billed(const struct books *b, const struct verify_input *in, uint32_t request)
{
	const struct request_count *n = &b->counts[request];

	return n->flags & REQUEST_TOKENS && !(n->flags & REQUEST_FAILED) &&
	       !in->recording->requests[request].client_left &&
	       !(n->incomplete & (INCOMPLETE_BEFORE_ATTACH | INCOMPLETE_AT_END));
}

static void add_span(struct span *sum, struct span one)
{
	if (sum->low == ABSENT || one.low == ABSENT) {
		*sum = (struct span){ ABSENT, ABSENT };
		return;
	}
	sum->low += one.low;
	sum->high += one.high;
}

/* Sums over the requests of a statement: of all, and of those that must be billed. */
struct sums {
	struct span all, due;		/* that began in its window */
	struct span stayed, stayed_due;	/* and ended in it */
	struct span ended, ended_due;	/* wherever they began */
};

static bool is_exact(const struct request_count *q)
{
	return !(q->incomplete & ~(uint32_t)INCOMPLETE_UNANSWERED) && !(q->flags & REQUEST_AMBIGUOUS);
}

static struct sums sums_of(const struct verify_input *in, const struct statement *s, enum figure figure)
{
	const struct books *b = in->books;
	struct sums t = { 0 };

	for (size_t i = 0; i < s->n_members; i++) {
		const uint32_t request = b->members[s->first_member + i];
		const struct span one = count__figure(&b->counts[request], figure);
		const bool stays = s->n_after == 0 || !(b->counts[request].flags & REQUEST_ENDED_OUT);
		const bool due = books__must_be_billed(b, in, request);

		add_span(&t.all, one);
		if (due)
			add_span(&t.due, one);
		if (stays)
			add_span(&t.stayed, one);
		if (stays && due)
			add_span(&t.stayed_due, one);
	}
	t.ended = t.stayed;
	t.ended_due = t.stayed_due;
	for (size_t i = 0; i < s->n_before; i++) {
		const uint32_t request = b->crossing[s->first_crossing + i];
		const struct request_count *q = &b->counts[request];
		const struct span none = { ABSENT, ABSENT }, one = is_exact(q) ? count__figure(q, figure) : none;

		add_span(&t.ended, one);
		if (books__must_be_billed(b, in, request))
			add_span(&t.ended_due, one);
	}
	return t;
}

static bool is_sum(int64_t billed, struct span sum)
{
	return billed == sum.low && billed == sum.high;
}

/* Its client left before the event that says why it ended, which has the whole count. */
static bool broke_off(const struct row_request *q)
{
	return q->client_left && !q->finish_reason;
}

struct lawful statement__lawful(const struct verify_input *in, const struct statement *s, enum figure figure,
				int64_t billed)
{
	const struct books *b = in->books;
	const bool by_id = !s->first || s->first->request_id;
	const struct sums sums = sums_of(in, s, figure);
	struct lawful l = {
		.how = LAWFUL_NOT, .span = sums.all, .any_way = { ABSENT, ABSENT }, .within = { ABSENT, ABSENT }
	};

	if (l.span.low == ABSENT)
		return l;
	for (size_t i = 0; i < s->n_members && !by_id; i++)
		l.n_optional += !books__must_be_billed(b, in, b->members[s->first_member + i]);
	if (l.n_optional)
		l.span.low = sums.due.low;
	l.within = (struct span){ l.n_optional ? sums.stayed_due.low : sums.stayed.low, sums.stayed.high };
	if (sums.ended.low != ABSENT)
		l.any_way = (struct span){ l.within.low, l.span.high + sums.ended.high - sums.stayed.high };
	l.by_end = is_sum(billed, sums.ended) || is_sum(billed, sums.ended_due);
	if (is_sum(billed, sums.all))
		l.how = LAWFUL_ALL;
	else if (l.n_optional && is_sum(billed, sums.due))
		l.how = LAWFUL_DUE;
	else if (s->n_before + s->n_after && l.by_end)
		l.how = LAWFUL_ENDED;
	else if (statement__is_several(b, s) && is_of_one_generation(in, s, figure, billed))
		l.how = LAWFUL_ONE_GENERATION;
	else if (figure == FIGURE_COMPLETION && by_id && s->n_members == 1 && billed < l.span.low &&
		 broke_off(&in->recording->requests[b->members[s->first_member]]))
		l.how = LAWFUL_UNTIL_IT_LEFT;
	return l;
}

struct numbers statement__numbers(const struct verify_input *in, const struct statement *s)
{
	const struct books *b = in->books;
	struct numbers n = { .began.high = (int64_t)s->n_members };
	int64_t out_of = 0;

	n.ended.high = (int64_t)(s->n_members + s->n_before - s->n_after);
	for (size_t i = 0; i < s->n_members; i++) {
		const uint32_t request = b->members[s->first_member + i];
		const bool stays = s->n_after == 0 || !(b->counts[request].flags & REQUEST_ENDED_OUT);
		const bool due = books__must_be_billed(b, in, request);

		n.began.low += due;
		n.ended.low += due && stays;
		out_of += due && !stays;
	}
	for (size_t i = 0; i < s->n_before; i++)
		n.ended.low += books__must_be_billed(b, in, b->crossing[s->first_crossing + i]);
	n.any_way = (struct span){ n.began.low - out_of, n.began.high + (int64_t)s->n_before };
	return n;
}

/* Of a sum that went over the ends of its window: what all the requests that crossed them took can account for. */
static bool is_explained(const struct lawful *l, int64_t billed)
{
	return l->any_way.low == ABSENT || (billed >= l->any_way.low && billed <= l->any_way.high);
}

int64_t lawful__excess(const struct lawful *l, int64_t billed)
{
	const struct span span = l->any_way.low == ABSENT ? l->span : l->any_way;

	return billed > span.high ? billed - span.high : billed < span.low ? billed - span.low : 0;
}

const char *statement__whichever(const struct statement *s)
{
	return s->excuse ? ", whichever window those requests are of that went over its ends" : "";
}

const char *statement__excuse(const struct verify_input *in, const struct statement *s, const struct lawful *l,
			      int64_t billed)
{
	const struct books *b = in->books;
	const char *crossing = s->excuse && is_explained(l, billed) ? s->excuse : NULL;

	/* What all of them took together is more than any way of counting gives. */
	if (s->n_members > 1 && billed <= l->span.high)
		for (size_t i = 0; i < s->n_members && !crossing; i++)
			if (b->counts[b->members[s->first_member + i]].flags & REQUEST_SEVERAL)
				return "some of its requests asked for several choices or had a list of prompts, which "
				       "servers count differently: llama.cpp's usage covers one";
	if (!crossing && l->n_optional && billed > l->span.low && billed < l->span.high)
		return "some of its requests need not be billed, since their clients left or they failed: the bill is "
		       "between "
		       "the sums without and with them";
	return crossing || l->how ? crossing : statement__other_clock(in, s);
}
