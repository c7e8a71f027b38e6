/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that were refused, or that the server never answered, cost nothing. */
#include <errno.h>
#include <inttypes.h>

#include "userspace/verify/books.h"

#define RULE "a request that was refused (HTTP status 400 or above) or never answered is not billed"

static int64_t billed(const struct statement *s)
{
	return (s->prompt == ABSENT ? 0 : s->prompt) + (s->completion == ABSENT ? 0 : s->completion);
}

static int run(struct verification *v, const struct verify_input *in)
{
	const struct books *b = in->books;

	for (size_t i = 0; i < b->n_statements; i++) {
		const struct statement *s = &b->statements[i];
		const uint32_t request = s->n_members == 1 ? b->members[s->first_member] : REQUEST_NONE;
		const struct row_request *q;
		struct check *c;

		if (request == REQUEST_NONE || s->window || !(b->counts[request].flags & REQUEST_FAILED))
			continue;
		q = &in->recording->requests[request];
		c = statement__check(v, "bill.failed", s);
		if (!c || verification__evidence(v, c, q->id))
			return -ENOMEM;
		c->rule = RULE;
		c->grade = GRADE_MEASURED;
		c->claimed = verification__integer(v, billed(s));
		c->measured = c->low = c->high = "0";
		if (billed(s) == 0) {
			c->text = "it failed and no token of it is billed";
			continue;
		}
		c->verdict = VERDICT_REFUTED;
		c->text = q->status >= 400 ?
				  verification__text(v, "it was refused with status %d and is billed all the same",
						     q->status) :
				  "it was never answered and is billed all the same";
	}
	return 0;
}

extern const struct check_kind check_failed;
const struct check_kind check_failed = {
	.name = "failed",
	.doc = "refused or failed requests billed",
	.needs_recording = true,
	.by_request = true,
	.run = run,
};
