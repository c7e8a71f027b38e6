/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/plausibility.h"

#include <errno.h>
#include <math.h>
#include <string.h>

const char *plausibility__figure(struct verification *v, double value)
{
	const char *text =
		fabs(value) >= 1000 ? verification__text(v, "%.0f", value) : verification__text(v, "%.3g", value);

	return text ? text : "";
}

struct check *plausibility__add(struct verification *v, const char *id, int64_t line, const char *subject,
				const char *rule)
{
	struct check *c = verification__add(v, id, "%s", subject);

	if (!c)
		return NULL;
	c->verdict = VERDICT_INCONCLUSIVE;
	c->grade = GRADE_DERIVED;
	c->claim_line = line;
	c->rule = rule;
	return c;
}

struct check *plausibility__row(struct verification *v, const char *id, int64_t line, const char *table,
				const char *row)
{
	const char *subject = row ? verification__text(v, "%s: %s", table, row) : table;

	return subject ? plausibility__add(v, id, line, subject, "") : NULL;
}

const char *plausibility__copy(struct verification *v, const char *text)
{
	return text ? verification__text(v, "%s", text) : NULL;
}

bool plausibility__mentions(const char *text, const char *word)
{
	return text && strcasestr(text, word);
}

/* Nothing was asked, which is no verdict that somebody missed. A price list alone is for the bill. */
static int note_no_claims(struct verification *v, const struct verify_input *in)
{
	const struct claims *c = in->claims;

	if (c->sheet || (!c->has_list && in->recording && c->n_tariffs))
		return 0;
	return verification__note(v, "claims.none",
				  "the claims file %s: no claim was judged%s. docs/claims.md has an example",
				  c->has_list ? "has an empty list of claims" : "has no list of claims",
				  in->recording ? "" :
				  c->n_tariffs	? ", and a price list is for a bill and a recording" :
						  ", and without a recording there is nothing else to judge") ?
		       0 :
		       -ENOMEM;
}

int plausibility__run(struct verification *v, const struct verify_input *in)
{
	int err = in->claims && in->claims->n == 0 ? note_no_claims(v, in) : 0;

	if (!err && in->claims && in->claims->sheet)
		err = plausibility__sheet(v, in->claims->sheet);
	if (!err && in->claims)
		err = plausibility__claims(v, in->claims, in->recording != NULL);
	if (!err && in->claims && in->claims->n && in->timeline)
		err = plausibility__host(v, in);
	return err;
}

extern const struct check_kind check_plausibility;
const struct check_kind check_plausibility = {
	.name = "plausibility",
	.doc = "what arithmetic alone says of the claims",
	.run = plausibility__run,
};
