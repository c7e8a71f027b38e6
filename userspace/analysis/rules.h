/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules: how one step's use of a resource is shared over its rows. A rule sees the step ubatch by ubatch, what was fitted
 * for that resource in the step's role, and what is known of the weights; it knows nothing of requests or ledgers.
 */
#ifndef TOKPROF_RULES_H
#define TOKPROF_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/cost/baselines.h"
#include "userspace/cost/cost.h"

struct rule_step {
	const struct cost_row *rows;	/* of all parts (ubatches), one part after the other */
	size_t n;
	const uint32_t *part_end;	/* n_parts ends of parts in rows */
	size_t n_parts;
};

struct rule_scope {			/* of one resource in one role; NULL: there is none */
	enum fixed_by fixed_by;
	const struct cost_model *model;
	const struct affine_fit *affine;
	const struct roofline_fit *roofline;
	const struct model_facts *facts;
	const struct traffic_weights *traffic;	/* of the resource mem_bytes only */
};

struct rule {
	const char *name, *doc;
	/* Whether it can share this resource; if not, why goes there: at least 1 byte. */
	bool (*applies)(const struct rule_scope *scope, char *why, size_t size);
	/* One share (>= 0) per row of the step; in proportion only, where the rule does not predict. @return 0, -ENOMEM */
	int (*share)(const struct rule_scope *scope, const struct rule_step *step, double *shares);
	bool by_fit;		/* by something fitted; else it only divides */
	/*
	 * By the terms of scope.model: its shares sum to what is expected of the step, in the resource's unit, and the replicates
	 * and model_error say how sure that is. Of the other rules nothing does.
	 */
	bool by_model;
	bool fixed_part;	/* it shares a fixed part, so that fixed_by matters */
};

extern const struct rule *const rules[];	/* NULL-terminated; the first is the default */
/* What is tried in turn where nobody asked for a rule; the last one always applies. NULL-terminated. */
extern const struct rule *const default_rules[];
const struct rule *rule__find(const char *name);

/* What most rules need, for applies(). @return whether it is there, else why */
bool rule__has_fit(const void *fit, char *why, size_t size);
bool rule__has_shape(bool known, char *why, size_t size);

/* For rules that share each part by itself. */
int rule__each_part(const struct rule_scope *scope, const struct rule_step *step, double *shares,
		    int (*each)(const struct rule_scope *scope, const struct cost_row *rows, size_t n, double *shares));

#endif
