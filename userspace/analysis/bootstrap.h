/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intervals by resampling, the same on every machine: a portable generator with a fixed seed, sums in a fixed order.
 *
 * Source: circular block bootstrap, Politis and Romano 1992. Neighbouring windows of one machine are correlated, so blocks
 * of neighbours are drawn, never single values.
 */
#ifndef TOKPROF_BOOTSTRAP_H
#define TOKPROF_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>

struct random_state {
	uint64_t s;
};

/* splitmix64 (Steele, Lea, Flood 2014). */
uint64_t random__next(struct random_state *r);
/* Uniform in [0, n), n > 0, without bias. */
uint64_t random__below(struct random_state *r, uint64_t n);

struct interval {
	double estimate, low, high;
};

/*
 * Weighted mean of values with a 95 % percentile interval over circular blocks of `block` neighbours.
 * @weights NULL: all alike. @return 0; -EINVAL for n < 4 or a block that is 0 or longer than n; -ENOMEM
 */
int bootstrap__mean(const double *values, const double *weights, size_t n, size_t block, unsigned n_resamples,
		    uint64_t seed, struct interval *out);

#endif
