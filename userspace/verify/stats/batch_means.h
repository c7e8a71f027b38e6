/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An interval for the mean of a series with a memory, or for a rate: the series is cut into batches so long that their means
 * hardly remember each other, and Student's t of these is taken.
 *
 * Source: batch means, Conway 1963; ratio of two series by the variance of its residuals, Cochran, Sampling Techniques, 6.
 */
#ifndef TOKPROF_VERIFY_STATS_BATCH_MEANS_H
#define TOKPROF_VERIFY_STATS_BATCH_MEANS_H

#include <stddef.h>
#include <stdint.h>

/* More would be shorter and remember each other more, for little: Student's t of 24 degrees is 5 % above the normal's. */
#define N_BATCHES 25

struct batch_means {
	double estimate;	/* sum of values / sum of sizes */
	double error;		/* standard error of it */
	double memory;		/* integrated autocorrelation time, in points */
	int64_t n, n_needed;	/* points there are, and that make N_BATCHES batches of this memory */
};

/*
 * @values, sizes	of each point; sizes NULL: all 1. Both are overwritten
 * @return 0; -ENODATA: fewer than n_needed: there is no error then
 */
int batch_means__find(struct batch_means *out, double *values, double *sizes, size_t n);
/* What the estimate is within with probability 1 - risk. */
void batch_means__interval(const struct batch_means *b, double risk, double *low, double *high);

#endif
