/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/cost/robust.h"

double select__kth(double *values, size_t n, size_t k)
{
	size_t low = 0, high = n - 1;

	while (low < high) {
		const double pivot = values[low + (high - low) / 2];
		size_t i = low, j = high;

		for (;;) {
			double kept;

			while (values[i] < pivot)
				i++;
			while (values[j] > pivot)
				j--;
			if (i >= j)
				break;
			kept = values[i];
			values[i++] = values[j];
			values[j--] = kept;
		}
		/* Up to j nothing is above the pivot, and beyond it nothing below. */
		if (k <= j)
			high = j;
		else
			low = j + 1;
	}
	return values[k];
}

double select__median(double *values, size_t n)
{
	const double high = select__kth(values, n, n / 2);

	return n % 2 ? high : (select__kth(values, n, n / 2 - 1) + high) / 2;
}
