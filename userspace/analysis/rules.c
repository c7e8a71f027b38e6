/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of sharing rules: one file and one line each. */
#include "userspace/analysis/rules.h"

#include <stdio.h>
#include <string.h>

extern const struct rule rule_shapley, rule_affine, rule_roofline, rule_flop, rule_bytes, rule_per_token, rule_per_row;

const struct rule *const rules[] = {
	&rule_shapley, &rule_affine, &rule_roofline, &rule_flop, &rule_bytes, &rule_per_token, &rule_per_row, NULL,
};

const struct rule *const default_rules[] = { &rule_shapley, &rule_affine, &rule_per_token, NULL };

const struct rule *rule__find(const char *name)
{
	for (size_t i = 0; rules[i]; i++) {
		if (strcmp(rules[i]->name, name) == 0)
			return rules[i];
	}
	return NULL;
}

bool rule__has_fit(const void *fit, char *why, size_t size)
{
	if (!fit)
		snprintf(why, size, "no cost model of it in this recording; tokprof calibrate -p PID makes one");
	return fit;
}

bool rule__has_shape(bool known, char *why, size_t size)
{
	if (!known)
		snprintf(why, size,
			 "the shape of the model is not known: the header of its weight file was not read, or which of "
			 "several files it is of cannot be told");
	return known;
}

int rule__each_part(const struct rule_scope *scope, const struct rule_step *step, double *shares,
		    int (*each)(const struct rule_scope *scope, const struct cost_row *rows, size_t n, double *shares))
{
	size_t first = 0;
	int err = 0;

	for (size_t part = 0; part < step->n_parts && !err; part++) {
		const size_t end = step->part_end[part];

		err = each(scope, step->rows + first, end - first, shares + first);
		first = end;
	}
	return err;
}
