/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the fit: what the samples can tell apart. A column that the others make up has no value of its own and is merged
 * into one of them. One whose interval is wide stays: taken out, it would be known to be 0, and the terms that take its
 * part over would be off by more than their intervals say (simulated: 400 to 1,200 steps with 6 to 10 % of noise, the
 * cost of context off by 7 % with intervals of 2 %, against 1.5 % with intervals of 4 % where all terms stay).
 */
#ifndef TOKPROF_COST_IDENTIFY_H
#define TOKPROF_COST_IDENTIFY_H

#include "userspace/cost/design.h"

/* Half of a 95 % interval beyond which a term is known poorly, relative to its value, ... */
#define WIDE 0.2
/* ... unless even that is little beside the steps that it is a part of. */
#define IMMATERIAL 0.05
/* From here on, where 0 is as good, a fit that needs the term is not identified, unless the caller wants it sharper. */
#define UNKNOWN 1

/* Ratio of the largest to the least singular value of the columns, scaled to length 1. */
double identify__condition(const struct normal *normal);

/*
 * Take out of `b` the terms that other free ones make up, and note in merged_with which. @return whether any was
 */
bool identify__merge_collinear(struct basis *b, const struct normal *normal, int32_t *merged_with);

/* @unknown as cost_fit_options has it. Sets m->identified and m->reason, and notes in m->merged_with what a term of a wide interval was hard to tell from. */
void identify__judge(struct cost_model *m, const struct basis *b, const struct design *d, const struct normal *normal,
		     double unknown);

#endif
