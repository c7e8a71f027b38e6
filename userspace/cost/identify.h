/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the fit: what the samples can tell apart. A column that the others make up has no value of its own, and one
 * whose interval is wide has none worth naming: both are merged into the term that they cannot be told from.
 */
#ifndef TOKPROF_COST_IDENTIFY_H
#define TOKPROF_COST_IDENTIFY_H

#include "userspace/cost/design.h"

/* Half of a 95 % interval beyond which a term is not known, relative to its value, ... */
#define WIDE 0.2
/* ... unless even that is little beside the steps that it is part of. */
#define IMMATERIAL 0.02

/* Ratio of the largest to the least singular value of the columns, scaled to length 1. */
double identify__condition(const struct normal *normal);

/*
 * Take out of `b` the terms that other free ones make up, and note in merged_with which. @return whether any was
 */
bool identify__merge_collinear(struct basis *b, const struct normal *normal, int32_t *merged_with);

/*
 * The same for terms whose interval is too wide, if the fit can do without them: knots, whose neighbours then tell G
 * there, and the lesser terms. Neighbouring knots are taken out one at a time. @return whether any was
 */
bool identify__merge_wide(struct basis *b, const struct normal *normal, const struct design *d, struct cost_model *m);

/* Sets m->identified and m->reason. */
void identify__judge(struct cost_model *m, const struct basis *b, const struct design *d);

#endif
