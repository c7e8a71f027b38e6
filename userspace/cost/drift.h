/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a stored fit still holds: the machine or its frequency may have changed since, or the load is of another kind. */
#ifndef TOKPROF_COST_DRIFT_H
#define TOKPROF_COST_DRIFT_H

#include "userspace/cost/cost.h"

/* Residuals twice those of the fit's own held-out steps. */
#define FIT_DRIFTED 2.0

struct drift {
	double median_residual;	/* |measured - T| / T of the samples */
	double ratio;		/* to the fit's own */
	double bias;		/* sum measured / sum T - 1 */
	size_t n;
};

/*
 * @words for the user where the ratio is beyond FIT_DRIFTED, else ""
 * @return 0; -ENODATA: fewer than 8 usable samples; -ENOMEM
 */
int fit__drift(struct drift *out, const struct cost_model *m, const struct cost_sample *samples, size_t n, char *words,
	       size_t size);

#endif
