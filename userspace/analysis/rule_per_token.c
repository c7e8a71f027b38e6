/* SPDX-License-Identifier: Apache-2.0 */
/* A step's use in proportion to the tokens that each row computed in it. No part of it is fixed: `fixed_by` is moot. */
#include "userspace/analysis/ledger.h"

static void weigh(const struct timeline_row *rows, size_t n_rows, enum fixed_by fixed_by, double *weights)
{
	(void)fixed_by;
	for (size_t i = 0; i < n_rows; i++)
		weights[i] = rows[i].n_tokens;
}

extern const struct rule rule_per_token;
const struct rule rule_per_token = {
	.name = "per-token",
	.doc = "each row of a step pays by the tokens it computed",
	.weigh = weigh,
};
