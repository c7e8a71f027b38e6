/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics that a few wild values do not move: order statistics, and the constants that go with them. */
#ifndef TOKPROF_COST_ROBUST_H
#define TOKPROF_COST_ROBUST_H

#include <stddef.h>

/* Huber's constant: 95 % as efficient as least squares where errors are normal. */
#define HUBER 1.345
/* Median of |residuals| to standard deviation, where errors are normal. */
#define MAD_TO_SD 1.4826

/* The k-th smallest of n values, which are reordered; 0 <= k < n. */
double select__kth(double *values, size_t n, size_t k);
/* Of n > 0 values, which are reordered; the mean of the two in the middle where n is even. */
double select__median(double *values, size_t n);

#endif
