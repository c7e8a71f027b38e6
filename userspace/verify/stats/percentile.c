/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/stats/percentile.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/verify/stats/early_stopping.h"
#include "userspace/verify/stats/quantile.h"

static int compare_doubles(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of each request, how many of its values are no larger than the limit. */
static void count_below(double *below, const double *values, const double *sizes, size_t n_requests, double limit)
{
	size_t at = 0;

	for (size_t i = 0; i < n_requests; i++) {
		const size_t end = at + (sizes ? (size_t)sizes[i] : 1);

		below[i] = 0;
		for (; at < end; at++)
			below[i] += values[at] <= limit;
	}
}

/* An upper end is the smallest value with `high` of all at or below it, a lower one the first with no more than `low` below it. */
static size_t rank_of_high(double high, size_t n)
{
	return quantile__nearest(high, n);
}

static size_t rank_of_low(double low, size_t n)
{
	const size_t rank = (size_t)(low * (double)n + 1e-9 * (double)n);

	return rank < n ? rank : n - 1;
}

static int keep_slice(struct percentile *p, double *work, double risk)
{
	const size_t here = quantile__nearest(p->percentile, p->n);
	double low, high;
	size_t last;

	block_bootstrap__ranks(&p->blocks, p->percentile, risk, &low, &high);
	p->first = isnan(low) ? here : rank_of_low(low, p->n);
	last = isnan(high) ? here : rank_of_high(high, p->n);
	p->n_slice = last - p->first + 1;
	p->slice = malloc(p->n_slice * sizeof(*p->slice));
	if (!p->slice)
		return -ENOMEM;
	quantile__rank(work, p->n, p->first);
	quantile__rank(work + p->first, p->n - p->first, p->n_slice - 1);
	memcpy(p->slice, work + p->first, p->n_slice * sizeof(*p->slice));
	qsort(p->slice, p->n_slice, sizeof(*p->slice), compare_doubles);
	return 0;
}

static int find(struct percentile *p, const struct percentile_question *q, const double *values, const double *sizes,
		size_t n_requests, double *work, double *below)
{
	int err;

	for (size_t i = 0; i < p->n; i++)
		p->n_beyond += values[i] > q->mark;
	p->within = (double)(p->n - (size_t)p->n_beyond) / (double)p->n;
	memcpy(work, values, p->n * sizeof(*work));
	p->estimate = quantile__rank(work, p->n, quantile__nearest(p->percentile, p->n));
	count_below(below, values, sizes, n_requests, quantile__rank(work, p->n, quantile__nearest(0.5, p->n)));
	err = block_bootstrap__find(&p->blocks, below, sizes, n_requests, 1);
	if (err)
		return err;
	count_below(below, values, sizes, n_requests, p->estimate);
	err = block_bootstrap__find(&p->blocks, below, sizes, n_requests, p->blocks.memory);
	return err ? err : keep_slice(p, work, q->risk);
}

int percentile__find(struct percentile *out, const struct percentile_question *q, const double *values, size_t n,
		     const double *sizes, size_t n_requests)
{
	double *work = array__zeroed(n, sizeof(*work)), *below = array__zeroed(n_requests, sizeof(*below));
	int err = work && below ? 0 : -ENOMEM;

	*out = (struct percentile){ .percentile = q->percentile, .estimate = NAN, .within = NAN, .n = n };
	if (!err && n == 0)
		err = block_bootstrap__find(&out->blocks, below, NULL, 0, 1);
	else if (!err)
		err = find(out, q, values, sizes, n_requests, work, below);
	free(work);
	free(below);
	return err;
}

int percentile__memory(const double *values, size_t n, double *memory)
{
	double *work = array__zeroed(n, sizeof(*work)), *below = array__zeroed(n, sizeof(*below));
	struct block_bootstrap b = { .memory = 1 };
	int err;

	if (work && below && n) {
		memcpy(work, values, n * sizeof(*work));
		count_below(below, values, NULL, n, quantile__rank(work, n, quantile__nearest(0.5, n)));
		block_bootstrap__find(&b, below, NULL, n, 1);
	}
	*memory = b.memory;
	err = work && below ? 0 : -ENOMEM;
	free(below);
	free(work);
	return err;
}

static double at_rank(const struct percentile *p, size_t rank)
{
	const size_t at = rank < p->first ? 0 : rank - p->first;

	return p->slice[at < p->n_slice ? at : p->n_slice - 1];
}

void percentile__interval(const struct percentile *p, double risk, double *low, double *high)
{
	block_bootstrap__ranks(&p->blocks, p->percentile, risk, low, high);
	if (!isnan(*low))
		*low = at_rank(p, rank_of_low(*low, p->n));
	if (!isnan(*high))
		*high = at_rank(p, rank_of_high(*high, p->n));
}

int64_t percentile__needed(const struct percentile *p, double risk, bool lower)
{
	const double each = (double)p->blocks.n / block_bootstrap__counted_on(&p->blocks, risk);
	const int64_t independent =
		early_stopping__min_queries(0, lower ? 1 - p->percentile : p->percentile, 1 - risk / 2);
	const double n = ceil(each * (double)independent);

	return n > (double)p->blocks.n_needed ? (int64_t)n : p->blocks.n_needed;
}

void percentile__free(struct percentile *p)
{
	if (p)
		free(p->slice);
}
