/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tokens of a request, one by one: a row's cost split over the positions it computed, in equal integer parts, so that
 * the tokens of a request add up to the request exactly.
 *
 * What a token is, by kind: `cached` a prompt position that was there already; `prompt` one that was computed;
 * `generated` one that was put out. The first generated token falls out of the prompt's last step, so its cost is in the
 * prompt tokens and its own is 0; each later one has the cost of the step that put it out. `rejected`: drafted, verified
 * and dropped. `draft`: a position computed by the draft model. `unused`: computed, but nothing of it was put out.
 * `failed`: the whole row of a step that the engine gave up on (no token, but the time was spent).
 */
#ifndef TOKPROF_TOKEN_LIST_H
#define TOKPROF_TOKEN_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "userspace/analysis/ledger.h"

struct token_list {
	const struct ledger *ledger;
	uint32_t *rows; /* of the timeline, by run, in order of time */
	uint32_t *run_first; /* n_runs + 1 entries into rows */
};

struct token {
	size_t request; /* index into recording.requests */
	int completion; /* 0, or the number of the completion where the client asked for n > 1 */
	const char *kind;
	int64_t index; /* of a prompt token its position; of a generated one its number; ABSENT */
	int phase; /* enum phase; -1 of a cached one */
	int64_t step; /* row_step.id; ABSENT of a cached one */
	uint64_t time_ns; /* end of the step; 0 of a cached one */
	int64_t cost[MAX_RESOURCES]; /* by position in ledger.resources */
};

/* The ledger must have been built with want_rows and outlive the list. @return 0, -ENOMEM, -EINVAL (no row costs) */
int token_list__build(struct token_list *out, const struct ledger *l);
void token_list__free(struct token_list *list);
void token_list__each(const struct token_list *list, size_t request, void (*each)(void *ctx, const struct token *token),
		      void *ctx);

#endif
