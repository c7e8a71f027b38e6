/* SPDX-License-Identifier: Apache-2.0 */
/* In proportion to arithmetic, which the shape of the model tells. */
#include "userspace/analysis/rules.h"

static bool applies(const struct rule_scope *scope, char *why, size_t size)
{
	const struct model_facts *facts = scope->facts;

	return rule__has_shape(facts && facts->active_params > 0 && facts->n_layers > 0 && facts->d_attn > 0, why,
			       size);
}

static int share_part(const struct rule_scope *scope, const struct cost_row *rows, size_t n, double *shares)
{
	return baseline__flop(scope->facts, rows, n, shares);
}

static int share(const struct rule_scope *scope, const struct rule_step *step, double *shares)
{
	return rule__each_part(scope, step, shares, share_part);
}

extern const struct rule rule_flop;
const struct rule rule_flop = {
	.name = "flop",
	.doc = "each row pays by its arithmetic, counted from the shape of the model",
	.applies = applies,
	.share = share,
};
