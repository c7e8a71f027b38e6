/* SPDX-License-Identifier: Apache-2.0 */
/* The binomial distribution by additions, multiplications and divisions alone: the same bits on every machine. */
#ifndef TOKPROF_VERIFY_STATS_BINOMIAL_H
#define TOKPROF_VERIFY_STATS_BINOMIAL_H

#include <stdint.h>

/* P(at most k of n), each with probability p, 0 < p < 1. */
double binomial__cdf(int64_t k, int64_t n, double p);
/* The largest k with P(at most k of n) <= tail; -1: not even 0. */
int64_t binomial__most(int64_t n, double p, double tail);

#endif
