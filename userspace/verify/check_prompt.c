/* SPDX-License-Identifier: Apache-2.0 */
/* Prompt tokens billed against those that the engine had, computed or taken from its cache. */
#include <errno.h>
#include <inttypes.h>

#include "userspace/verify/books.h"

#define PROMPT_RULE "prompt tokens billed = prompt tokens computed in recorded steps + those taken from the cache"
#define CACHED_RULE "cached prompt tokens billed = prompt tokens that no recorded step computed"

/* Only whether the emitted tokens are known may be open without any doubt about the prompt. */
static bool only_emitted(const struct books *b, const struct statement *s)
{
	for (size_t i = 0; i < s->n_members; i++) {
		const struct request_count *q = &b->counts[b->members[s->first_member + i]];

		if (q->incomplete & ~(uint32_t)(INCOMPLETE_EMITTED | INCOMPLETE_UNANSWERED) ||
		    q->flags & REQUEST_AMBIGUOUS || q->prompt == ABSENT)
			return false;
	}
	return s->open == NULL;
}

static void refute(struct verification *v, const struct statement *s, struct check *c, bool cached, int64_t more)
{
	const char *whichever = statement__whichever(s);

	c->verdict = VERDICT_REFUTED;
	if (cached && more < 0)
		c->text = verification__text(v, "%" PRId64 " prompt token%s billed as computed %s cached%s", -more,
					     plural(-more), more == -1 ? "was" : "were", whichever);
	else if (cached)
		c->text = verification__text(
			v, "%" PRId64 " more billed as cached than were%s, in the customer's favour", more, whichever);
	else if (more > 0)
		c->text = verification__text(v, "%" PRId64 " prompt token%s billed that %s never computed%s", more,
					     plural(more), more == 1 ? "was" : "were", whichever);
	else
		c->text = verification__text(v,
					     "%" PRId64 " fewer billed than the engine had%s, in the customer's favour",
					     -more, whichever);
}

static const char *words_of(struct verification *v, const struct lawful *l, bool cached)
{
	switch (l->how) {
	case LAWFUL_DUE:
		return verification__text(v,
					  "as many as the engine had of requests that ended as they should; %zu that "
					  "need not be billed are left out",
					  l->n_optional);
	case LAWFUL_ONE_GENERATION:
		return "as many as one of its generations had; llama.cpp's usage covers one prompt of a list";
	case LAWFUL_ENDED:
		return cached ? "as many as the engine took from its cache for requests that ended in its window" :
				"as many as the engine had of requests that ended in its window";
	default:
		return cached ? "as many as the engine took from its cache" : "as many as the engine had";
	}
}

static void judge(struct verification *v, const struct verify_input *in, const struct statement *s, struct check *c,
		  bool cached, int64_t billed)
{
	const struct lawful l = statement__lawful(in, s, cached ? FIGURE_CACHED : FIGURE_PROMPT, billed);
	const char *doubt = statement__doubt(in->books, v, in, s, c);
	const char *excuse = statement__excuse(in, s, &l, billed);
	const bool exact = l.how == LAWFUL_ALL || l.how == LAWFUL_DUE || l.how == LAWFUL_ENDED;

	c->rule = cached ? CACHED_RULE : PROMPT_RULE;
	c->claimed = verification__integer(v, billed);
	c->low = exact ? c->claimed : verification__integer(v, l.span.low);
	c->high = exact ? c->claimed : verification__integer(v, l.span.high);
	c->measured = exact || l.span.low == l.span.high ? c->high : NULL;
	c->grade = l.span.low == ABSENT ? GRADE_UNAVAILABLE : statement__grade(in->books, s);
	if (doubt && !only_emitted(in->books, s)) {
		c->verdict = VERDICT_INCONCLUSIVE;
		c->text = doubt;
	} else if (l.how) {
		c->text = words_of(v, &l, cached);
	} else if (excuse) {
		c->verdict = VERDICT_INCONCLUSIVE;
		c->text = excuse;
	} else {
		refute(v, s, c, cached, lawful__excess(&l, billed));
	}
}

static int run(struct verification *v, const struct verify_input *in)
{
	const struct books *b = in->books;
	struct carried *all = in->carried;

	for (size_t i = 0; i < b->n_statements; i++) {
		const struct statement *s = &b->statements[i];
		struct check *c;
		int64_t cached;

		if (s->prompt != ABSENT) {
			c = statement__check(v, "bill.prompt_tokens", s);
			if (!c)
				return -ENOMEM;
			judge(v, in, s, c, false, s->prompt);
		}
		if (s->cached != ABSENT) {
			c = statement__check(v, "bill.cached_tokens", s);
			if (!c)
				return -ENOMEM;
			judge(v, in, s, c, true, s->cached);
			continue;
		}
		cached = s->prompt != ABSENT ? statement__cached(b, s) : ABSENT;
		if (cached != ABSENT && cached > 0) {
			all->n_cached_unsaid++;
			all->tokens_cached_unsaid += cached;
		}
	}
	if (in->is_last && all->n_cached_unsaid &&
	    !verification__note(
		    v, "bill.cached_unsaid",
		    "%" PRId64 " of the billed requests or windows took %" PRId64 " prompt token%s from the cache "
		    "and the bill does not say how many: where cached tokens cost less, ask for that figure. Some "
		    "engines send it only on request",
		    all->n_cached_unsaid, all->tokens_cached_unsaid, plural(all->tokens_cached_unsaid)))
		return -ENOMEM;
	return 0;
}

extern const struct check_kind check_prompt;
const struct check_kind check_prompt = {
	.name = "prompt",
	.doc = "prompt tokens billed as computed that were cached, or never computed",
	.needs_recording = true,
	.by_request = true,
	.run = run,
};
