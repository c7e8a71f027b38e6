/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that a speculative server drafted and threw away are no output. */
#include <errno.h>
#include <inttypes.h>

#include "userspace/verify/books.h"

#define RULE "drafted tokens that the model rejected are not billed"

static int check(struct verification *v, const struct verify_input *in, const struct statement *s, uint32_t request)
{
	const struct request_count *q = &in->books->counts[request];
	const int64_t excess = s->completion - q->completion.high;
	struct check *c = statement__check(v, "bill.rejected_drafts", s);

	if (!c || verification__evidence(v, c, in->recording->requests[request].id))
		return -ENOMEM;
	c->rule = RULE;
	c->grade = statement__grade(in->books, s);
	c->claimed = verification__integer(v, excess > q->rejected ? q->rejected : excess > 0 ? excess : 0);
	c->measured = c->low = c->high = "0";
	c->text = verification__text(v, "its rejected drafts (%" PRId64 ") are not billed", q->rejected);
	if (excess > 0) {
		c->verdict = VERDICT_REFUTED;
		c->text = verification__text(v,
					     "%" PRId64 " token%s billed beyond its output, of which %" PRId64
					     " can be of its %" PRId64 " rejected draft%s",
					     excess, plural(excess), excess > q->rejected ? q->rejected : excess,
					     q->rejected, plural(q->rejected));
	}
	return 0;
}

static int run(struct verification *v, const struct verify_input *in)
{
	const struct books *b = in->books;

	for (size_t i = 0; i < b->n_statements; i++) {
		const struct statement *s = &b->statements[i];
		const uint32_t request = s->n_members == 1 ? b->members[s->first_member] : REQUEST_NONE;

		/* What a window has too much of may be another request's that went over its ends. */
		if (request == REQUEST_NONE || s->open || s->excuse || s->completion == ABSENT)
			continue;
		if (b->counts[request].rejected == ABSENT || b->counts[request].rejected == 0 ||
		    b->counts[request].flags & REQUEST_AMBIGUOUS ||
		    b->counts[request].incomplete & ~(uint32_t)INCOMPLETE_EMITTED ||
		    b->counts[request].completion.low == ABSENT)
			continue;
		if (check(v, in, s, request))
			return -ENOMEM;
	}
	return 0;
}

extern const struct check_kind check_drafts;
const struct check_kind check_drafts = {
	.name = "drafts",
	.doc = "rejected drafts billed",
	.needs_recording = true,
	.by_request = true,
	.run = run,
};
