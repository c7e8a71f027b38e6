/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The early-stopping rule of MLPerf Inference: a percentile is met by n queries of which t are over the latency where so few
 * would be so with a probability of at most 1 - confidence, were the real part of those over it as large as the percentile
 * allows.
 *
 * Source: MLPerf Inference rules, appendix "Early Stopping Criterion", and LoadGen's use of it, with tolerance 0.
 */
#ifndef TOKPROF_VERIFY_STATS_EARLY_STOPPING_H
#define TOKPROF_VERIFY_STATS_EARLY_STOPPING_H

#include <stdint.h>

#define MLPERF_CONFIDENCE 0.99

/* @percentile 0 .. 1. The fewest queries that meet it with n_over of them over the latency. */
int64_t early_stopping__min_queries(int64_t n_over, double percentile, double confidence);
/* How many of n queries may be over it; -1: n is too few even where none is. */
int64_t early_stopping__allowed(int64_t n, double percentile, double confidence);

#endif
