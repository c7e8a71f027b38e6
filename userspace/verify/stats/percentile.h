/* SPDX-License-Identifier: Apache-2.0 */
/* A percentile with its interval at any risk, kept as the few values about it. */
#ifndef TOKPROF_VERIFY_STATS_PERCENTILE_H
#define TOKPROF_VERIFY_STATS_PERCENTILE_H

#include <stdbool.h>

#include "userspace/verify/stats/block_bootstrap.h"

struct percentile_question {
	double percentile;	/* 0 .. 1 */
	double risk;		/* the smallest one that will be asked for */
	double mark;		/* a value: what part of the values is no larger? */
};

struct percentile {
	double estimate;	/* the nearest rank */
	double within;		/* part of the values that is no larger than the mark */
	int64_t n_beyond;	/* values larger than the mark */
	struct block_bootstrap blocks;
	double percentile;
	size_t n;		/* values */
	double *slice;		/* values of ranks [first, first + n_slice), sorted */
	size_t first, n_slice;
};

/*
 * @values	grouped by request, requests in the order of their arrival; INFINITY: without end
 * @sizes	of each request, how many values; NULL: 1
 * @return 0; -ENODATA: too few, blocks.n_needed says how many are needed; -ENOMEM. To be freed after 0 alone
 */
int percentile__find(struct percentile *out, const struct percentile_question *q, const double *values, size_t n,
		     const double *sizes, size_t n_requests);
/*
 * How long values remember, by which half of them each is in: better than what is rare can tell. 1: too few to tell.
 * @return 0, -ENOMEM
 */
int percentile__memory(const double *values, size_t n, double *memory);
/* NAN: no such end. */
void percentile__interval(const struct percentile *p, double risk, double *low, double *high);
/* The fewest requests that give the lower (else the upper) end, were they as alike as these. */
int64_t percentile__needed(const struct percentile *p, double risk, bool lower);
void percentile__free(struct percentile *p);

#endif
