/* SPDX-License-Identifier: Apache-2.0 */
/* Completion tokens billed against tokens that the recorded steps put out. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "userspace/verify/books.h"

#define RULE "completion tokens billed = tokens that the recorded steps put out, rejected drafts left out"
#define SAME "as many as the recorded steps put out"

static const char *cause_of(struct verification *v, const struct books *b, const struct statement *s, int64_t excess)
{
	const struct request_count *q = s->n_members == 1 ? &b->counts[b->members[s->first_member]] : NULL;

	if (q && q->completion.high == 0)
		return "; no step was computed for it: an answer out of a cache of answers, or none";
	if (q && q->rejected != ABSENT && q->rejected == excess)
		return verification__text(v, "; as many as its rejected drafts");
	return "";
}

static void refute(struct verification *v, const struct verify_input *in, const struct statement *s, struct check *c,
		   const struct lawful *l)
{
	const int64_t more = lawful__excess(l, s->completion);
	const char *cause = more > 0 ? cause_of(v, in->books, s, more) : "";

	c->verdict = VERDICT_REFUTED;
	if (more > 0)
		c->text = verification__text(v, "%" PRId64 " more billed than put out%s%s", more,
					     statement__whichever(s), cause ? cause : "");
	else
		c->text = verification__text(v, "%" PRId64 " fewer billed than put out%s, in the customer's favour",
					     -more, statement__whichever(s));
}

static const char *words_of(struct verification *v, const struct lawful *l, int64_t billed)
{
	switch (l->how) {
	case LAWFUL_ENDED:
		return "as many as the recorded steps put out for requests that ended in its window";
	case LAWFUL_UNTIL_IT_LEFT:
		return verification__text(v,
					  "%" PRId64 " fewer than put out: its client left, so that none of it had to "
					  "be billed, and what was sent until then is no more than was put out",
					  l->span.low - billed);
	case LAWFUL_DUE:
		return verification__text(
			v,
			"as many as the recorded steps put out for requests that ended as they should; "
			"%zu that need not be billed are left out",
			l->n_optional);
	case LAWFUL_ONE_GENERATION:
		return verification__text(v,
					  "as many as one of its generations put out; together they put out %" PRId64
					  ", of which the bill says nothing",
					  l->span.high);
	default:
		return SAME;
	}
}

/* Sums over requests, each of which is known exactly: the one that the bill has is the one to be compared with. */
static bool is_exact(enum lawfulness how)
{
	return how == LAWFUL_ALL || how == LAWFUL_DUE || how == LAWFUL_ENDED;
}

static void judge(struct verification *v, const struct verify_input *in, const struct statement *s, struct check *c)
{
	const struct lawful l = statement__lawful(in, s, FIGURE_COMPLETION, s->completion);
	const char *doubt = statement__doubt(in->books, v, in, s, c);
	const char *excuse = statement__excuse(in, s, &l, s->completion);
	const bool known = l.span.low != ABSENT;

	c->rule = RULE;
	c->claimed = verification__integer(v, s->completion);
	if (known && (l.span.low == l.span.high || is_exact(l.how))) {
		const int64_t seen = is_exact(l.how) ? s->completion : l.span.high;

		c->measured = seen == s->completion ? c->claimed : verification__integer(v, seen);
		c->low = c->high = c->measured;
	} else if (known) {
		c->low = verification__integer(v, l.span.low);
		c->high = verification__integer(v, l.span.high);
	}
	c->grade = known ? statement__grade(in->books, s) : GRADE_UNAVAILABLE;
	if (doubt) {
		c->verdict = VERDICT_INCONCLUSIVE;
		c->text = doubt;
	} else if (l.how) {
		c->text = words_of(v, &l, s->completion);
		if (l.how == LAWFUL_UNTIL_IT_LEFT) {
			in->carried->n_until_left++;
			in->carried->tokens_after_left += l.span.low - s->completion;
		}
	} else if (excuse) {
		c->verdict = VERDICT_INCONCLUSIVE;
		c->text = excuse;
	} else {
		refute(v, in, s, c, &l);
	}
}

/* A span that the bill is outside of refutes it even though the exact figure is open: no more can have been put out. */
static void judge_span(struct verification *v, const struct verify_input *in, const struct statement *s,
		       struct check *c)
{
	const struct span seen = statement__completion(in->books, s);

	if (c->verdict != VERDICT_INCONCLUSIVE || s->open || s->excuse || s->n_members != 1)
		return;
	if (in->books->counts[in->books->members[s->first_member]].incomplete != INCOMPLETE_EMITTED ||
	    in->books->counts[in->books->members[s->first_member]].flags & REQUEST_AMBIGUOUS)
		return;
	if (seen.low == ABSENT || s->completion <= seen.high)
		return;
	c->verdict = VERDICT_REFUTED;
	c->text = verification__text(v,
				     "%" PRId64
				     " more billed than its speculative steps can have put out, tokens after the "
				     "stop included",
				     s->completion - seen.high);
}

static int check_reasoning(struct verification *v, const struct statement *s)
{
	struct check *c;

	if (s->reasoning == ABSENT || s->completion == ABSENT)
		return 0;
	c = statement__check(v, "bill.reasoning_tokens", s);
	if (!c)
		return -ENOMEM;
	c->claimed = verification__integer(v, s->reasoning);
	c->high = verification__integer(v, s->completion);
	c->rule = "reasoning tokens billed <= completion tokens billed, of which they are a part";
	c->text = "no more than the completion tokens billed; how many of these reason, the engine does not tell";
	if (s->reasoning > s->completion) {
		c->verdict = VERDICT_REFUTED;
		c->text = verification__text(v, "%" PRId64 " more than all completion tokens billed",
					     s->reasoning - s->completion);
	}
	return 0;
}

static int note_until_left(struct verification *v, const struct carried *all)
{
	if (all->n_until_left == 0)
		return 0;
	return verification__note(
		       v, "bill.until_left",
		       "%" PRId64 " line%s of the bill, of clients that left, with fewer completion tokens than "
		       "were put out, by %" PRId64 " together: what a stream counted in the last event that was "
		       "sent is a bill of it, and the engine was some steps further when it learnt that nobody "
		       "listened",
		       all->n_until_left, plural(all->n_until_left), all->tokens_after_left) ?
		       0 :
		       -ENOMEM;
}

static int run(struct verification *v, const struct verify_input *in)
{
	for (size_t i = 0; i < in->books->n_statements; i++) {
		const struct statement *s = &in->books->statements[i];
		struct check *c;

		if (s->completion == ABSENT)
			continue;
		c = statement__check(v, "bill.completion_tokens", s);
		if (!c)
			return -ENOMEM;
		judge(v, in, s, c);
		judge_span(v, in, s, c);
		if (check_reasoning(v, s))
			return -ENOMEM;
	}
	return in->is_last ? note_until_left(v, in->carried) : 0;
}

extern const struct check_kind check_completion;
const struct check_kind check_completion = {
	.name = "completion",
	.doc = "completion tokens billed but not put out",
	.needs_recording = true,
	.by_request = true,
	.run = run,
};
