/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error of a model that more steps do not take away: how far it is off in the mean over many steps of one
 * composition, that is with rows of about the same numbers, lengths and contexts.
 */
#ifndef TOKPROF_COST_COMPOSITIONS_H
#define TOKPROF_COST_COMPOSITIONS_H

#include "userspace/cost/design.h"

/*
 * The robust relative standard deviation, over compositions, of the mean of value / T - 1, less what the scatter of the
 * steps puts into these means. @left_out samples with a count here are left out; NULL: none
 * @sigma relative standard deviation of a step; also the answer where too few compositions have enough steps
 */
double compositions__model_error(const struct design *d, const struct cost_sample *samples, const uint16_t *left_out,
				 const double *terms, double sigma);

/* Steps of one composition have one number. */
uint64_t composition__of(const struct cost_sample *sample);

#endif
