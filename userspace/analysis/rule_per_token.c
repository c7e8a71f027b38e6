/* SPDX-License-Identifier: Apache-2.0 */
/* A step's use in proportion to the tokens that each row computed in it. No part of it is fixed: `fixed_by` is moot. */
#include "userspace/analysis/rules.h"

static bool applies(const struct rule_scope *scope, char *why, size_t size)
{
	(void)scope;
	(void)why;
	(void)size;
	return true;
}

static int share(const struct rule_scope *scope, const struct rule_step *step, double *shares)
{
	(void)scope;
	for (size_t i = 0; i < step->n; i++)
		shares[i] = step->rows[i].n_tokens;
	return 0;
}

extern const struct rule rule_per_token;
const struct rule rule_per_token = {
	.name = "per-token",
	.doc = "each row of a step pays by the tokens it computed",
	.applies = applies,
	.share = share,
};
