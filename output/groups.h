/* SPDX-License-Identifier: Apache-2.0 */
/* Requests added up by phase, by model or by client. */
#ifndef TOKPROF_GROUPS_H
#define TOKPROF_GROUPS_H

#include <stddef.h>
#include <stdint.h>

#include "output/output.h"
#include "userspace/analysis/ledger.h"

struct group {
	char *name; /* phase, model, or address of the client without its port; NULL: the request has none */
	int64_t n_requests; /* those that carried tokens; of a phase, those that computed something in it */
	int64_t n_incomplete; /* of them: their tokens may be missing in the sums */
	int64_t n_steps; /* a phase's only, else ABSENT: steps that had rows in it */
	int64_t n_tokens; /* a phase's only, else ABSENT: positions computed in it */
	int64_t prompt_tokens, cached_tokens, completion_tokens; /* as computed; ABSENT of a phase */
	int64_t billed_prompt_tokens, billed_completion_tokens; /* ABSENT of a phase, or where no bill was sent */
	int64_t cost[MAX_RESOURCES]; /* by position in ledger.resources */
};

struct groups {
	struct group *groups;
	size_t n;
};

/* `by`: BY_PHASE, BY_MODEL or BY_CLIENT. In order of phases, else of first arrival. @return 0, -ENOMEM */
int groups__build(struct groups *out, const struct ledger *l, enum report_by by);
void groups__free(struct groups *g);

#endif
