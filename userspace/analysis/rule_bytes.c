/* SPDX-License-Identifier: Apache-2.0 */
/* In proportion to memory traffic: the weights once per ubatch, and each row's keys and values. */
#include "userspace/analysis/rules.h"

static bool applies(const struct rule_scope *scope, char *why, size_t size)
{
	const struct model_facts *facts = scope->facts;

	return rule__has_shape(facts && facts->active_weight_bytes > 0 && facts->kv_bytes_per_token > 0, why, size);
}

static int share_part(const struct rule_scope *scope, const struct cost_row *rows, size_t n, double *shares)
{
	return baseline__bytes(scope->facts, rows, n, scope->fixed_by, shares);
}

static int share(const struct rule_scope *scope, const struct rule_step *step, double *shares)
{
	return rule__each_part(scope, step, shares, share_part);
}

extern const struct rule rule_bytes;
const struct rule rule_bytes = {
	.name = "bytes",
	.doc = "each row pays by its memory traffic, counted from the shape of the model",
	.applies = applies,
	.share = share,
	.fixed_part = true,
};
