/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/stats/series.h"

static double product(const double *values, size_t n, double mean, size_t lag)
{
	double sum = 0;

	for (size_t i = 0; i + lag < n; i++)
		sum += (values[i] - mean) * (values[i + lag] - mean);
	return sum;
}

double series__memory(const double *values, size_t n, double mean)
{
	const double variance = product(values, n, mean, 0);
	double last, sum;

	if (variance <= 0)
		return 1;
	/* Pairs of neighbouring lags are positive and fall in every reversible process: where they do not, it is noise. */
	last = variance + product(values, n, mean, 1);
	sum = last;
	for (size_t lag = 2; lag + 1 < n / 2; lag += 2) {
		const double pair = product(values, n, mean, lag) + product(values, n, mean, lag + 1);

		if (pair <= 0)
			break;
		last = pair < last ? pair : last;
		sum += last;
	}
	sum = 2 * sum / variance - 1;
	return sum > 1 ? sum : 1;
}

size_t series__fold(double *values, size_t n)
{
	const size_t left = n < SERIES_MOST_POINTS ? n : SERIES_MOST_POINTS;

	for (size_t i = 0; i < left && left < n; i++) {
		const size_t first = i * n / left, end = (i + 1) * n / left;
		double sum = 0;

		for (size_t k = first; k < end; k++)
			sum += values[k];
		values[i] = sum;
	}
	return left;
}
