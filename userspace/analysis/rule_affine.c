/* SPDX-License-Identifier: Apache-2.0 */
/* T = a + what is each row's own: the fit that few steps determine. Its Shapley value is a / n and the row's own. */
#include "userspace/analysis/rules.h"

static bool applies(const struct rule_scope *scope, char *why, size_t size)
{
	return rule__has_fit(scope->affine, why, size);
}

static int share_part(const struct rule_scope *scope, const struct cost_row *rows, size_t n, double *shares)
{
	return affine__share(scope->affine, rows, n, scope->fixed_by, shares);
}

static int share(const struct rule_scope *scope, const struct rule_step *step, double *shares)
{
	return rule__each_part(scope, step, shares, share_part);
}

extern const struct rule rule_affine;
const struct rule rule_affine = {
	.name = "affine",
	.doc = "a fixed part shared alike, the rest by tokens, contexts and attention as fitted",
	.applies = applies,
	.share = share,
	.by_fit = true,
	.fixed_part = true,
};
