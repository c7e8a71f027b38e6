/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/stats/quantile.h"

#include <math.h>

/* 0.99 x 300 is 297 and a bit in binary: what is that near to a whole rank is that rank. */
#define NEARLY 1e-9

static double middle_of(double a, double b, double c)
{
	if (a > b) {
		const double swap = a;

		a = b;
		b = swap;
	}
	return c < a ? a : c > b ? b : c;
}

/* Hoare's selection. */
double quantile__rank(double *values, size_t n, size_t k)
{
	ptrdiff_t low = 0, high = (ptrdiff_t)n - 1;
	const ptrdiff_t wanted = (ptrdiff_t)k;

	while (low < high) {
		const double pivot = middle_of(values[low], values[low + (high - low) / 2], values[high]);
		ptrdiff_t i = low, j = high;

		while (i <= j) {
			while (values[i] < pivot)
				i++;
			while (values[j] > pivot)
				j--;
			if (i <= j) {
				const double swap = values[i];

				values[i++] = values[j];
				values[j--] = swap;
			}
		}
		if (wanted <= j)
			high = j;
		else if (wanted >= i)
			low = i;
		else
			break;
	}
	return values[k];
}

size_t quantile__nearest(double percentile, size_t n)
{
	const double rank = ceil(percentile * (double)n - NEARLY * (double)n);

	return rank < 1 ? 0 : rank > (double)n ? n - 1 : (size_t)rank - 1;
}
