/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of sharing rules: one file and one line each. */
#include <string.h>

#include "userspace/analysis/ledger.h"

extern const struct rule rule_per_token, rule_per_row;

const struct rule *const rules[] = {
	&rule_per_token,
	&rule_per_row,
	NULL,
};

const struct rule *rule__find(const char *name)
{
	for (size_t i = 0; rules[i]; i++) {
		if (strcmp(rules[i]->name, name) == 0)
			return rules[i];
	}
	return NULL;
}
