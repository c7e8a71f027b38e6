/* SPDX-License-Identifier: Apache-2.0 */
/* A step's use as if all of it were fixed: the other extreme, to see how much the choice of a rule matters. */
#include "userspace/analysis/rules.h"

static bool applies(const struct rule_scope *scope, char *why, size_t size)
{
	(void)scope;
	(void)why;
	(void)size;
	return true;
}

static int share_part(const struct rule_scope *scope, const struct cost_row *rows, size_t n, double *shares)
{
	static const struct affine_fit all_fixed = { .fixed = 1 };

	return affine__share(&all_fixed, rows, n, scope->fixed_by, shares);
}

static int share(const struct rule_scope *scope, const struct rule_step *step, double *shares)
{
	return rule__each_part(scope, step, shares, share_part);
}

extern const struct rule rule_per_row;
const struct rule rule_per_row = {
	.name = "per-row",
	.doc = "the rows of an ubatch pay alike, whatever they computed",
	.applies = applies,
	.share = share,
	.fixed_part = true,
};
