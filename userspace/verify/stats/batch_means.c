/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/stats/batch_means.h"

#include <errno.h>
#include <math.h>

#include "userspace/verify/stats/series.h"
#include "userspace/verify/stats/student.h"

/* A batch is at least so many memories long; the table of docs/accuracy.md is of this. */
#define MEMORIES_PER_BATCH 8

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
	size_t points, per_point;

	*out = (struct batch_means){ .estimate = NAN, .error = NAN, .n = (int64_t)n, .memory = 1 };
	out->n_needed = (int64_t)(N_BATCHES * MEMORIES_PER_BATCH * SERIES_MARGIN);
	if (total > 0)
		out->estimate = sum_of(values, 0, n) / total;
	if (n < (size_t)out->n_needed || !(total > 0))
		return -ENODATA;
	for (size_t i = 0; i < n; i++)
		values[i] -= out->estimate * (sizes ? sizes[i] : 1);
	points = series__fold(values, n);
	per_point = (n + points - 1) / points;
	out->memory = series__memory(values, points, 0) * (double)per_point;
	out->n_needed = (int64_t)ceil(N_BATCHES * MEMORIES_PER_BATCH * SERIES_MARGIN * out->memory);
	if ((int64_t)n < out->n_needed)
		return -ENODATA;
	for (size_t i = 0; i < N_BATCHES; i++) {
		const double residual = sum_of(values, i * points / N_BATCHES, (i + 1) * points / N_BATCHES);

		squares += residual * residual;
	}
	out->error = sqrt(squares * N_BATCHES / (N_BATCHES - 1)) / total;
	return 0;
}

void batch_means__interval(const struct batch_means *b, double risk, double *low, double *high)
{
	const double half = student__exceeded(risk / 2, N_BATCHES - 1) * b->error;

	*low = b->estimate - half;
	*high = b->estimate + half;
}
