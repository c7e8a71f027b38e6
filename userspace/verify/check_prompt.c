/* SPDX-License-Identifier: Apache-2.0 */
/* Prompt tokens billed against those that the engine had, computed or taken from its cache. */
#include <errno.h>
#include <inttypes.h>

#include "userspace/verify/books.h"

#define PROMPT_RULE "prompt tokens billed = prompt tokens computed in recorded steps + those taken from the cache"
#define CACHED_RULE "cached prompt tokens billed = prompt tokens that no recorded step computed"

static bool of_one_generation(const struct verify_input *in, const struct statement *s, bool cached, int64_t billed)
{
	const struct timeline *t = in->timeline;
	const struct timeline_request *q = &t->requests[in->books->members[s->first_member]];

	for (uint32_t i = q->first_run; i < q->first_run + q->n_runs; i++) {
		const struct timeline_run *run = &t->runs[t->request_runs[i]];

		if (billed == run->prompt_cached + (cached ? 0 : run->prompt_computed))
			return true;
	}
	return false;
}

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

static void judge(struct verification *v, const struct verify_input *in, const struct statement *s, struct check *c,
		  bool cached, int64_t billed, int64_t seen)
{
	const char *doubt = statement__doubt(in->books, v, in, s, c);

	c->rule = cached ? CACHED_RULE : PROMPT_RULE;
	c->claimed = verification__integer(v, billed);
	c->measured = billed == seen ? c->claimed : verification__integer(v, seen);
	c->low = c->high = c->measured;
	c->grade = seen == ABSENT ? GRADE_UNAVAILABLE : statement__grade(in->books, s);
	if (doubt && !only_emitted(in->books, s)) {
		c->verdict = VERDICT_INCONCLUSIVE;
		c->text = doubt;
	} else if (billed == seen) {
		c->text = cached ? "as many as the engine took from its cache" : "as many as the engine had";
	} else if (statement__is_several(in->books, s) && of_one_generation(in, s, cached, billed)) {
		c->text = "as many as one of its generations had; llama.cpp's usage covers one prompt of a list";
	} else if (statement__excuse(in->books, s)) {
		c->verdict = VERDICT_INCONCLUSIVE;
		c->text = statement__excuse(in->books, s);
	} else {
		c->verdict = VERDICT_REFUTED;
		if (cached && billed < seen)
			c->text = verification__text(v, "%" PRId64 " prompt tokens billed as computed were cached",
						     seen - billed);
		else if (cached)
			c->text = verification__text(
				v, "%" PRId64 " more billed as cached than were, in the customer's favour",
				billed - seen);
		else if (billed > seen)
			c->text = verification__text(v, "%" PRId64 " prompt tokens billed that were never computed",
						     billed - seen);
		else
			c->text = verification__text(
				v, "%" PRId64 " fewer billed than the engine had, in the customer's favour",
				seen - billed);
	}
}

static int run(struct verification *v, const struct verify_input *in)
{
	const struct books *b = in->books;
	int64_t n_unsaid = 0, tokens_unsaid = 0;

	for (size_t i = 0; i < b->n_statements; i++) {
		const struct statement *s = &b->statements[i];
		const int64_t prompt = statement__prompt(b, s), cached = statement__cached(b, s);
		struct check *c;

		if (s->prompt != ABSENT) {
			c = statement__check(v, "bill.prompt_tokens", s);
			if (!c)
				return -ENOMEM;
			judge(v, in, s, c, false, s->prompt, prompt);
		}
		if (s->cached != ABSENT) {
			c = statement__check(v, "bill.cached_tokens", s);
			if (!c)
				return -ENOMEM;
			judge(v, in, s, c, true, s->cached, cached);
		} else if (s->prompt != ABSENT && cached != ABSENT && cached > 0) {
			n_unsaid++;
			tokens_unsaid += cached;
		}
	}
	if (n_unsaid &&
	    !verification__note(
		    v, "bill.cached_unsaid",
		    "%" PRId64 " of the billed requests or windows took %" PRId64 " prompt tokens from the cache "
		    "and the bill does not say how many: where cached tokens cost less, ask for that figure. Some "
		    "engines send it only on request",
		    n_unsaid, tokens_unsaid))
		return -ENOMEM;
	return 0;
}

extern const struct check_kind check_prompt;
const struct check_kind check_prompt = {
	.name = "prompt",
	.doc = "prompt tokens billed as computed that were cached, or never computed",
	.needs_recording = true,
	.run = run,
};
