/* SPDX-License-Identifier: Apache-2.0 */
/* T = c0 + max(W + bytes, arithmetic), priced after Aumann and Shapley: the closed form of one roof. */
#include "userspace/analysis/rules.h"

static bool applies(const struct rule_scope *scope, char *why, size_t size)
{
	return rule__has_fit(scope->roofline, why, size);
}

static int share_part(const struct rule_scope *scope, const struct cost_row *rows, size_t n, double *shares)
{
	return roofline__share(scope->roofline, rows, n, scope->fixed_by, shares);
}

static int share(const struct rule_scope *scope, const struct rule_step *step, double *shares)
{
	return rule__each_part(scope, step, shares, share_part);
}

extern const struct rule rule_roofline;
const struct rule rule_roofline = {
	.name = "roofline",
	.doc = "the weights shared alike, then a row's own bytes or arithmetic, whichever is the limit",
	.applies = applies,
	.share = share,
	.by_fit = true,
	.fixed_part = true,
};
