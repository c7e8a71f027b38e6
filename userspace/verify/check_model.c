/* SPDX-License-Identifier: Apache-2.0 */
/* The model that a line names against the strings on the wire: what the client asked for, and what the server answered with. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "userspace/verify/books.h"

#define RULE "the model billed = the model that the server named in its answer, or that the client asked for"

static bool same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* A copy: the recording may be gone before the check. */
static const char *wire_name(struct verification *v, const char *name)
{
	return name ? verification__text(v, "%s", name) : NULL;
}

static int check(struct verification *v, const struct statement *s, const struct row_request *q)
{
	struct check *c = statement__check(v, "bill.model", s);

	if (!c || verification__evidence(v, c, q->id))
		return -ENOMEM;
	c->unit = "";
	c->rule = RULE;
	c->claimed = s->model;
	c->measured = wire_name(v, q->response_model ? q->response_model : q->model);
	if (!c->measured) {
		c->verdict = VERDICT_INCONCLUSIVE;
		c->grade = GRADE_UNAVAILABLE;
		c->text = "neither the request nor its answer names a model";
	} else if (same(s->model, q->response_model)) {
		c->text = "as the server named it";
	} else if (same(s->model, q->model)) {
		c->measured = c->claimed;
		c->text = "as the client asked for it";
	} else {
		c->verdict = VERDICT_REFUTED;
		c->text = verification__text(v, "billed as %s; on the wire it is %s", s->model, c->measured);
	}
	return 0;
}

static int run(struct verification *v, const struct verify_input *in)
{
	const struct books *b = in->books;

	for (size_t i = 0; i < b->n_statements; i++) {
		const struct statement *s = &b->statements[i];

		if (!s->model || s->window || s->n_members != 1 || !s->first->request_id)
			continue;
		if (check(v, s, &in->recording->requests[b->members[s->first_member]]))
			return -ENOMEM;
	}
	return 0;
}

extern const struct check_kind check_model;
const struct check_kind check_model = {
	.name = "model",
	.doc = "the model's name against the wire's",
	.needs_recording = true,
	.by_request = true,
	.run = run,
};
