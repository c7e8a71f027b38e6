/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks without sorting: a recording may have tens of millions of times between chunks. */
#ifndef TOKPROF_VERIFY_STATS_QUANTILE_H
#define TOKPROF_VERIFY_STATS_QUANTILE_H

#include <stddef.h>
#include <stdint.h>

/* The value of rank k from 0, upwards; reorders the values, of which none is NAN. */
double quantile__rank(double *values, size_t n, size_t k);
/* The nearest rank of a percentile (0 .. 1) of n values, from 0. */
size_t quantile__nearest(double percentile, size_t n);

#endif
