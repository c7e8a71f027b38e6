/* SPDX-License-Identifier: Apache-2.0 */
/* What a recorded step tells by itself, and beside the others: the ledger and the samples of a fit must agree on it. */
#ifndef TOKPROF_ANALYSIS_STEPS_H
#define TOKPROF_ANALYSIS_STEPS_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/recording.h"

/* Which cost model a step is priced with. */
enum step_role { ROLE_TARGET = 0, ROLE_DRAFT = 1, N_ROLES = 2 };
const char *step_role__name(enum step_role role);

/* Whether a context is a draft model's. */
bool context__is_draft(const struct recording *r, int context);
enum step_role step__role(const struct recording *r, const struct row_step *step);
/* 0 where it ends before it starts. */
uint64_t step__duration_ns(const struct row_step *step);
/* Without an error, and not thrown out of. */
bool step__returned(const struct row_step *step);

/*
 * Steps during which another one ran; one inside another is part of it. One per recording.steps, malloc()ed. NULL: out of
 * memory
 */
bool *steps__overlapping(const struct recording *r);

#endif
