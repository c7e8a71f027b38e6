/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/stats/batch_means.h"

#include <errno.h>
#include <math.h>

#include "userspace/verify/stats/series.h"
#include "userspace/verify/stats/student.h"

/* A batch is as long as so many memories; the table of docs/accuracy.md is of this. */
#define MEMORIES_PER_BATCH 10
/* More of them would be shorter, and remember each other more, for little: Student's t of 24 degrees is 5 % above the normal's. */
#define MOST_BATCHES 25

static double sum_of(const double *values, size_t first, size_t end)
{
	double sum = 0;

	for (size_t i = first; i < end; i++)
		sum += values[i];
	return sum;
}

int batch_means__find(struct batch_means *out, double *values, double *sizes, size_t n)
{
	const double total = sizes ? sum_of(sizes, 0, n) : (double)n;
	double squares = 0;
	size_t points, per_point, k;

	*out = (struct batch_means){ .estimate = NAN, .error = NAN, .n = (int64_t)n, .memory = 1 };
	out->n_needed = (int64_t)(BATCHES_AT_LEAST * MEMORIES_PER_BATCH * SERIES_MARGIN);
	if (total > 0)
		out->estimate = sum_of(values, 0, n) / total;
	if (n < (size_t)out->n_needed || !(total > 0))
		return -ENODATA;
	for (size_t i = 0; i < n; i++)
		values[i] -= out->estimate * (sizes ? sizes[i] : 1);
	points = series__fold(values, n);
	per_point = (n + points - 1) / points;
	out->memory = series__memory(values, points, 0) * (double)per_point;
	out->n_needed = (int64_t)ceil(BATCHES_AT_LEAST * MEMORIES_PER_BATCH * SERIES_MARGIN * out->memory);
	k = (size_t)((double)n / (MEMORIES_PER_BATCH * out->memory));
	k = k > MOST_BATCHES ? MOST_BATCHES : k;
	if ((int64_t)n < out->n_needed)
		return -ENODATA;
	out->n_batches = (int64_t)k;
	for (size_t i = 0; i < k; i++) {
		const double residual = sum_of(values, i * points / k, (i + 1) * points / k);

		squares += residual * residual;
	}
	out->error = sqrt(squares * (double)k / (double)(k - 1)) / total;
	return 0;
}

void batch_means__interval(const struct batch_means *b, double risk, double *low, double *high)
{
	const double half = student__exceeded(risk / 2, b->n_batches - 1) * b->error;

	*low = b->estimate - half;
	*high = b->estimate + half;
}
