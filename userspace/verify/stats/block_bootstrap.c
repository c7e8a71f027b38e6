/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/stats/block_bootstrap.h"

#include <errno.h>
#include <math.h>

#include "userspace/verify/stats/binomial.h"
#include "userspace/verify/stats/series.h"
#include "userspace/verify/stats/student.h"

/* A block is as long as so many memories; the table of docs/accuracy.md is of this. */
#define MEMORIES_PER_BLOCK 5
#define N_HALVINGS 60

/* Of the sum of the points, which are 0 in sum: the mean square of the sums of all blocks that there are, around the circle. */
static double variance_of_sum(const double *points, size_t n, size_t block)
{
	double sum = 0, squares = 0;

	for (size_t i = 0; i < block; i++)
		sum += points[i];
	for (size_t i = 0; i < n; i++) {
		squares += sum * sum;
		sum += points[(i + block) % n] - points[i];
	}
	/* Blocks of a sum that is 0 vary less than those of one that is not. */
	return squares / (double)block / (1 - (double)block / (double)n);
}

int block_bootstrap__find(struct block_bootstrap *out, double *below, const double *sizes, size_t n, double memory)
{
	double n_values = 0, n_below = 0, part, plain, variance;
	size_t points, per_point, block;

	*out = (struct block_bootstrap){ .n = (int64_t)n, .memory = 1 };
	out->n_needed = (int64_t)(BLOCKS_AT_LEAST * MEMORIES_PER_BLOCK * SERIES_MARGIN);
	if (n < (size_t)out->n_needed)
		return -ENODATA;
	for (size_t i = 0; i < n; i++) {
		n_values += sizes ? sizes[i] : 1;
		n_below += below[i];
	}
	part = n_below / n_values;
	for (size_t i = 0; i < n; i++)
		below[i] -= part * (sizes ? sizes[i] : 1);
	points = series__fold(below, n);
	per_point = (n + points - 1) / points;
	out->memory = series__memory(below, points, 0) * (double)per_point;
	out->memory = out->memory > memory ? out->memory : memory;
	block = (size_t)ceil(MEMORIES_PER_BLOCK * out->memory / (double)per_point);
	out->n_needed = (int64_t)ceil(BLOCKS_AT_LEAST * MEMORIES_PER_BLOCK * SERIES_MARGIN * out->memory);
	out->n_blocks = (int64_t)(points / block);
	if ((int64_t)n < out->n_needed)
		return -ENODATA;
	variance = variance_of_sum(below, points, block);
	plain = part * (1 - part) * n_values;
	/* No credit for values that avoid each other; all alike, they tell no variance. */
	if (plain > 0)
		out->n_effective = variance > plain ? n_values * plain / variance : n_values;
	else
		out->n_effective = (double)n / out->memory;
	return 0;
}

/* As many as make the binomial interval as much wider as a variance of so few blocks asks for: Korn and Graubard. */
double block_bootstrap__counted_on(const struct block_bootstrap *b, double risk)
{
	const double ratio = student__exceeded(risk / 2, INT64_MAX) / student__exceeded(risk / 2, b->n_blocks - 1);

	const double n = floor(b->n_effective * ratio * ratio);

	return n > 1 ? n : 1;
}

void block_bootstrap__ranks(const struct block_bootstrap *b, double percentile, double risk, double *low, double *high)
{
	const int64_t n = (int64_t)block_bootstrap__counted_on(b, risk),
		      over = binomial__most(n, 1 - percentile, risk / 2),
		      under = binomial__most(n, percentile, risk / 2);

	*low = under < 0 ? NAN : (double)under / (double)n;
	*high = over < 0 ? NAN : (double)(n - over) / (double)n;
}

/* The largest part of which so few would have been counted with the probability of `tail`. */
static double most_of(double n_counted, double n, double tail)
{
	double low = 0, high = 1;

	if (n_counted >= n)
		return 1;
	for (int i = 0; i < N_HALVINGS; i++) {
		const double middle = (low + high) / 2;

		if (binomial__cdf((int64_t)n_counted, (int64_t)n, middle) > tail)
			low = middle;
		else
			high = middle;
	}
	return high;
}

void block_bootstrap__part(const struct block_bootstrap *b, double part, double risk, double *low, double *high)
{
	const double n = block_bootstrap__counted_on(b, risk);

	/* A count that is not whole is rounded to the side that widens. */
	*high = most_of(ceil(part * n - 1e-9 * n), n, risk / 2);
	*low = 1 - most_of(ceil((1 - part) * n - 1e-9 * n), n, risk / 2);
}
