/* SPDX-License-Identifier: Apache-2.0 */
/* The whole bill against the whole recording, as far as the lines have requests. */
#include <errno.h>
#include <inttypes.h>

#include "userspace/verify/books.h"

#define RULE "the sum over the bill = the sum over the recorded requests that it names"

static const char *const ids[] = {
	[FIGURE_PROMPT] = "bill.total_prompt_tokens",
	[FIGURE_CACHED] = "bill.total_cached_tokens",
	[FIGURE_COMPLETION] = "bill.total_completion_tokens",
};

static void add(struct total *t, int64_t billed, struct span seen, bool open)
{
	if (billed == ABSENT)
		return;
	t->any = true;
	t->open |= open || seen.low == ABSENT;
	if (__builtin_add_overflow(t->billed, billed, &t->billed))
		t->open = true;
	if (seen.low != ABSENT) {
		t->low += seen.low;
		t->high += seen.high;
	}
}

static bool is_open(const struct verify_input *in, const struct statement *s)
{
	const struct books *b = in->books;
	const bool is_all = statement__is_all(b, in, s);

	for (size_t i = 0; i < s->n_members; i++) {
		const struct request_count *q = &b->counts[b->members[s->first_member + i]];

		if (q->incomplete & ~(uint32_t)(INCOMPLETE_EMITTED | INCOMPLETE_UNANSWERED) ||
		    (q->flags & REQUEST_AMBIGUOUS && !is_all))
			return true;
	}
	return s->open;
}

/*
 * Windows that requests cross: where all of them count a request where it began, or all where it ended, each figure stands for itself.
 * Else their sum is what can be checked: in it a request counts once, whichever window it is billed in.
 */
struct crossed {
	struct total without;	/* the requests that cross */
	bool not_by_begin, not_by_end;
	bool lacks_figure;
	bool by_clock;		/* one of the windows is */
	bool has_several;	/* a request for several choices, of which a bill may have one */
};

static bool has_several(const struct books *b, const struct statement *s)
{
	for (size_t i = 0; i < s->n_members; i++)
		if (b->counts[b->members[s->first_member + i]].flags & REQUEST_SEVERAL)
			return true;
	for (size_t i = 0; i < s->n_before; i++)
		if (b->counts[b->crossing[s->first_crossing + i]].flags & REQUEST_SEVERAL)
			return true;
	return false;
}

static void add_crossed(const struct verify_input *in, struct crossed *x, const struct statement *s, enum figure figure,
			int64_t billed)
{
	struct lawful l;

	if (billed == ABSENT) {
		x->lacks_figure = true;
		return;
	}
	l = statement__lawful(in, s, figure, billed);
	x->has_several |= has_several(in->books, s);
	x->not_by_begin |= l.how != LAWFUL_ALL && l.how != LAWFUL_DUE;
	x->not_by_end |= !l.by_end;
	add(&x->without, billed, l.within, is_open(in, s) || l.any_way.low == ABSENT);
}

static bool holds(struct span sum, int64_t billed)
{
	return billed >= sum.low && billed <= sum.high;
}

/* Not all of its figures may be billed as they are, but all of them are what another clock makes of them. */
static bool is_by_clock(const struct verify_input *in, const struct statement *s, const int64_t billed[3])
{
	for (int f = FIGURE_PROMPT; f <= FIGURE_COMPLETION; f++)
		if (billed[f] != ABSENT && !statement__lawful(in, s, (enum figure)f, billed[f]).how)
			return statement__other_clock(in, s);
	return false;
}

static void end_crossed(const struct verify_input *in, struct total *t, const struct crossed *x, enum figure figure)
{
	const struct books *b = in->books;
	const int64_t billed = x->without.billed;
	const uint8_t both = REQUEST_ENDED_IN | REQUEST_ENDED_OUT;
	struct span sum = { x->without.low, x->without.high };

	if (!x->without.any)
		return;
	if (!x->not_by_begin || !x->not_by_end) {
		add(t, billed, (struct span){ billed, billed }, x->without.open);
		return;
	}
	for (uint32_t i = 0; i < in->recording->n_requests; i++) {
		const struct span one = count__figure(&b->counts[i], figure);

		if (!(b->counts[i].flags & both) || one.low == ABSENT)
			continue;
		if ((b->counts[i].flags & both) == both && books__must_be_billed(b, in, i))
			sum.low += one.low;
		sum.high += one.high;
	}
	t->crossed = true;
	add(t, billed, sum,
	    x->without.open || x->lacks_figure || (x->has_several && billed <= sum.high) ||
		    (x->by_clock && (billed < sum.low || billed > sum.high) &&
		     holds(bill_clocks__widen(in, sum, figure), billed)));
}

/* A figure that may be billed for its statement stands for itself in the sum. */
static void add_statement(const struct verify_input *in, struct total *t, const struct statement *s, enum figure figure,
			  int64_t billed)
{
	struct lawful l;

	if (billed == ABSENT)
		return;
	l = statement__lawful(in, s, figure, billed);
	if (l.how)
		add(t, billed, (struct span){ billed, billed }, is_open(in, s));
	else
		add(t, billed, l.span, is_open(in, s) || statement__excuse(in, s, &l, billed));
}

static void add_orphan(struct total *totals, const struct orphan *o)
{
	const struct span none = { 0, 0 };
	const bool open = o->kind == ORPHAN_OUTSIDE;

	add(&totals[FIGURE_PROMPT], o->line->prompt_tokens, none, open);
	add(&totals[FIGURE_CACHED], o->line->cached_tokens, none, open);
	add(&totals[FIGURE_COMPLETION], o->line->completion_tokens, none, open);
}

static int put(struct verification *v, const struct carried *all, enum figure figure)
{
	const struct total *t = &all->totals[figure];
	struct check *c;

	if (!t->any)
		return 0;
	c = verification__add(v, ids[figure], "the bill");
	if (!c)
		return -ENOMEM;
	c->unit = "tokens";
	c->rule = RULE;
	c->claimed = verification__integer(v, t->billed);
	c->grade = GRADE_UNAVAILABLE;
	if (t->open) {
		c->verdict = VERDICT_INCONCLUSIVE;
		c->text = "not every request that it names can be counted";
		return 0;
	}
	c->grade = all->any_statement && !all->any_unbacked ? GRADE_MEASURED : GRADE_SELF_REPORTED;
	c->low = verification__integer(v, t->low);
	c->high = verification__integer(v, t->high);
	c->measured = t->low == t->high ? c->low : NULL;
	if (t->billed >= t->low && t->billed <= t->high) {
		c->verdict = t->low == t->high ? VERDICT_CONFIRMED : VERDICT_INCONCLUSIVE;
		c->text = t->low == t->high ?
				  "equal to the token" :
			  t->crossed ?
				  "between the sums without and with requests that need not be billed in its windows" :
				  "what speculative steps put out is not exactly known";
		return 0;
	}
	c->verdict = VERDICT_REFUTED;
	c->text = t->billed > t->high ? verification__text(v, "%" PRId64 " more billed", t->billed - t->high) :
					verification__text(v, "%" PRId64 " fewer billed", t->low - t->billed);
	return 0;
}

static int run(struct verification *v, const struct verify_input *in)
{
	const struct books *b = in->books;
	struct carried *all = in->carried;
	struct crossed crossed[FIGURE_COMPLETION + 1] = { 0 };
	int err = 0;

	for (size_t i = 0; i < b->n_statements; i++) {
		const struct statement *s = &b->statements[i];

		const int64_t billed[] = {
			[FIGURE_PROMPT] = s->prompt, [FIGURE_CACHED] = s->cached, [FIGURE_COMPLETION] = s->completion
		};

		const bool by_clock = s->n_edges && is_by_clock(in, s, billed);
		const bool crosses = s->n_before + s->n_after || by_clock;

		for (int f = FIGURE_PROMPT; f <= FIGURE_COMPLETION; f++) {
			crossed[f].by_clock |= by_clock;
			if (crosses)
				add_crossed(in, &crossed[f], s, (enum figure)f, billed[f]);
			else
				add_statement(in, &all->totals[f], s, (enum figure)f, billed[f]);
		}
		all->any_statement = true;
		all->any_unbacked |= statement__grade(b, s) != GRADE_MEASURED;
	}
	for (int f = FIGURE_PROMPT; f <= FIGURE_COMPLETION; f++)
		end_crossed(in, &all->totals[f], &crossed[f], (enum figure)f);
	for (size_t i = 0; i < b->n_orphans; i++)
		add_orphan(all->totals, &b->orphans[i]);
	for (int figure = FIGURE_PROMPT; in->is_last && figure <= FIGURE_COMPLETION && !err; figure++)
		err = put(v, all, (enum figure)figure);
	return err;
}

extern const struct check_kind check_totals;
const struct check_kind check_totals = {
	.name = "totals",
	.doc = "sums of the bill against sums of the recording",
	.needs_recording = true,
	.by_request = true,
	.run = run,
};
