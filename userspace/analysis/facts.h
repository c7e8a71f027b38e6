/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What outputs and verdicts need to know of a ledger and a recording, said once: which requests carried tokens, what was lost, where
 * the recording begins and ends.
 */
#ifndef TOKPROF_ANALYSIS_FACTS_H
#define TOKPROF_ANALYSIS_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/analysis/counterfactual.h"
#include "userspace/analysis/ledger.h"

/* ---- resources -------------------------------------------------------------------------------------------------- */

/* Position in ledger.resources, -1 where the recording has none of the name. */
int resource__find(const struct ledger *l, const char *name);
/* "measured", "derived", "self_reported", "unavailable" */
const char *grade__name(int grade);
/* A figure of ledger.resources[k]; ABSENT where k is -1 or the resource was not measured. */
int64_t resource__value(const struct ledger *l, int k, const int64_t *figures);
bool resource__is_additive(const struct ledger_resource *resource);

/* ---- the recording ---------------------------------------------------------------------------------------------- */

/* Meta key: CLOCK_MONOTONIC ns when the target was let in; the recording's origin where it is absent. */
#define META_START_NS "start_ns"
/* Meta key: the same of the end; the latest time in the recording where it is absent (a killed recorder). */
#define META_END_NS "end_ns"

uint64_t recording__start_ns(const struct recording *r);
uint64_t recording__end_ns(const struct recording *r);
int64_t recording__start_unix_ns(const struct recording *r); /* ABSENT */
/* Records lost by a collector over the whole recording, all kinds. */
int64_t recording__lost(const struct recording *r, const char *collector);
/*
 * Collectors to be listed with their losses: those that were attached, in the recording's order, then any other that
 * lost something. Calls `each` once per name.
 */
void recording__each_loss(const struct recording *r, void (*each)(void *ctx, const char *collector, int64_t n),
			  void *ctx);
/*
 * The engine and the model that a report names first; NULL where the recording has none. Of several models the largest:
 * which of them drafts for which, the files do not tell.
 */
const struct row_engine *recording__engine(const struct recording *r);
const struct row_model *recording__model(const struct recording *r);

/* Its meters of a resource, where these were read at steps; NULL. The table is sorted by step and resource. */
const struct row_step_resource *recording__find_step_use(const struct recording *r, int64_t step_id, int resource_id);
/* What a step used of a resource; ABSENT where it was not measured. */
int64_t recording__step_use(const struct recording *r, int64_t step_id, int resource_id);
/* Index of a request's first chunk in recording.chunks; where it has none that of the next one's. */
size_t recording__first_chunk(const struct recording *r, int64_t request_id);
/* "target", "draft", or NULL where the context is not known. */
const char *recording__context_role(const struct recording *r, int context_id);

/* ---- requests --------------------------------------------------------------------------------------------------- */

/* Did it carry tokens: by the engine, by the wire, or by the bill? A health check or a refusal did not. */
bool request__has_tokens(const struct ledger *l, size_t i);
/* No generation was found for it, and nothing proves that there was none: what it took is among what is nobody's. */
bool request__unmatched(const struct timeline_request *t);
/* Why it cannot be accounted for whole, of the wire and of the analysis; enum request_incomplete. */
uint32_t request__incomplete(const struct ledger *l, size_t i);

struct incomplete_reason {
	uint32_t bit;
	const char *name; /* key in the formats */
	const char *text; /* for people: "records were lost in its time" */
};
#define N_INCOMPLETE_REASONS 10
extern const struct incomplete_reason incomplete_reasons[N_INCOMPLETE_REASONS];

/*
 * Prompt tokens of a request as the engine had them, computed and cached; ABSENT where either is not known. The figure
 * that stands against the bill's prompt_tokens, which count both.
 */
int64_t request__prompt_seen(const struct timeline_request *t);
/* Its generated tokens but for the first of each generation, which the prompt's last step puts out; ABSENT: not known. */
int64_t request__later_tokens(const struct timeline_request *t);
int64_t requests__later_tokens(const struct ledger *l);	/* of all of which it is known */
/* Does the bill name another number than was seen? Only where both are known. */
bool request__prompt_differs(const struct ledger *l, size_t i);
bool request__completion_differs(const struct ledger *l, size_t i);
bool request__cached_differs(const struct ledger *l, size_t i);

/* The nearest-rank percentile of values sorted upwards; ABSENT of none. */
int64_t percentile(const int64_t *sorted, size_t n, int percent);
void sort_values(int64_t *values, size_t n);

/* ---- attribution ------------------------------------------------------------------------------------------------ */

/* How CPU time was shared in the steps of the target; NULL in a ledger without it. */
const struct pricing *ledger__main_pricing(const struct ledger *l);
/*
 * A cost in reference tokens, by its CPU time; the interval takes in that of the cost and that of the token, and is NAN where
 * `low` or `high` is ABSENT. @return false: not known
 */
bool reference_tokens(const struct ledger *l, int64_t cost, int64_t low, int64_t high, struct estimate *out);
/* The same of request i, which may be one whose cost is not known. */
bool request__reference_tokens(const struct ledger *l, size_t i, struct estimate *out);
/* A fit that something was shared by, of the target where there is one. NULL: nothing was */
const struct fit *ledger__fit_used(const struct ledger *l);
/* The same of the steps of one role, target or draft. */
const struct fit *ledger__role_fit(const struct ledger *l, int role);
/* Is a resource shared by a fit, in the steps of a role, and by which? NULL: by none */
const struct fit *pricing__fit_used(const struct pricing *p);
/*
 * Up to which context the model that prices a resource was measured: what it says of longer ones is drawn on from there. ABSENT:
 * there is none, or it does not say.
 */
int64_t pricing__most_context(const struct ledger *l, const struct pricing *p);

extern const char *const fixed_by_names[]; /* by enum fixed_by; NULL-terminated */

#endif
