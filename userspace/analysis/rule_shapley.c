/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shapley values in the fitted model: what each row adds to the cost of a step, averaged over all orders in which the
 * rows could have come. The one rule under which equal rows pay alike, a row that adds nothing pays nothing, and the sum
 * is the step (Shapley 1953).
 */
#include <stdio.h>

#include "userspace/analysis/rules.h"

static bool applies(const struct rule_scope *scope, char *why, size_t size)
{
	if (!rule__has_fit(scope->model, why, size))
		return false;
	if (!scope->model->identified)
		snprintf(why, size, "its cost model is not identified%s%s", scope->model->reason[0] ? ": " : "",
			 scope->model->reason);
	return scope->model->identified;
}

static int share_part(const struct rule_scope *scope, const struct cost_row *rows, size_t n, double *shares)
{
	return cost__share(scope->model->value, rows, n, scope->fixed_by, shares);
}

static int share(const struct rule_scope *scope, const struct rule_step *step, double *shares)
{
	return rule__each_part(scope, step, shares, share_part);
}

extern const struct rule rule_shapley;
const struct rule rule_shapley = {
	.name = "shapley",
	.doc = "what each row adds to its step by the fitted cost model, over all orders of the rows",
	.applies = applies,
	.share = share,
	.by_fit = true,
	.by_model = true,
	.fixed_part = true,
};
