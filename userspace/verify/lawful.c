/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may be billed for a statement, besides the sum of all that its requests took. Of several generations llama.cpp's `usage`
 * has one; and of a window of time, requests need not be billed that ended otherwise than they should.
 */
#include "userspace/verify/books.h"

static struct span figure_of(const struct request_count *q, enum figure figure)
{
	const int64_t exact = figure == FIGURE_PROMPT ? q->prompt : q->cached;

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

struct lawful statement__lawful(const struct verify_input *in, const struct statement *s, enum figure figure,
				int64_t billed)
{
	const struct books *b = in->books;
	const bool by_id = !s->first || s->first->request_id;
	struct lawful l = { .how = LAWFUL_NOT };
	struct span due = { 0, 0 };

	for (size_t i = 0; i < s->n_members; i++) {
		const uint32_t request = b->members[s->first_member + i];
		const struct span one = figure_of(&b->counts[request], figure);

		if (one.low == ABSENT) {
			l.span = one;
			return l;
		}
		l.span.low += one.low;
		l.span.high += one.high;
		if (!by_id && !books__must_be_billed(b, in, request)) {
			l.n_optional++;
			continue;
		}
		due.low += one.low;
		due.high += one.high;
	}
	if (billed == l.span.low && billed == l.span.high)
		l.how = LAWFUL_ALL;
	else if (l.n_optional && billed == due.low && billed == due.high)
		l.how = LAWFUL_DUE;
	else if (statement__is_several(b, s) && is_of_one_generation(in, s, figure, billed))
		l.how = LAWFUL_ONE_GENERATION;
	l.span.low = due.low;
	return l;
}

const char *statement__excuse(const struct books *b, const struct statement *s, const struct lawful *l, int64_t billed)
{
	/* What all of them took together is more than any way of counting gives. */
	if (s->n_members > 1 && billed <= l->span.high)
		for (size_t i = 0; i < s->n_members && !s->excuse; i++)
			if (b->counts[b->members[s->first_member + i]].flags & REQUEST_SEVERAL)
				return "some of its requests asked for several choices or had a list of prompts, which "
				       "servers count differently: llama.cpp's usage covers one";
	if (!s->excuse && l->n_optional && billed > l->span.low && billed < l->span.high)
		return "some of its requests need not be billed, since their clients left or they failed: the bill is "
		       "between "
		       "the sums without and with them";
	return s->excuse;
}
