/* SPDX-License-Identifier: Apache-2.0 */
/* How long a series remembers. */
#ifndef TOKPROF_VERIFY_STATS_SERIES_H
#define TOKPROF_VERIFY_STATS_SERIES_H

#include <stddef.h>

/* So many points tell an autocorrelation; longer series are added up to so many. */
#define SERIES_MOST_POINTS 4096

/*
 * A memory is told to a fifth or so by a series a hundred times as long. Where it came out too small an interval is too narrow, and
 * just those series would be thought long enough: how long one has to be is reckoned with so much more.
 */
#define SERIES_MARGIN 1.3

/*
 * The integrated autocorrelation time of a series of mean `mean`, in points, at least 1: how many of them are worth one
 * independent value.
 *
 * Source: the initial monotone sequence estimator, Geyer 1992.
 */
double series__memory(const double *values, size_t n, double mean);

/*
 * Neighbours added up, so that at most SERIES_MOST_POINTS are left, in place. @return how many are left; point i is the sum over
 * [i * n / left, (i + 1) * n / left)
 */
size_t series__fold(double *values, size_t n);

#endif
