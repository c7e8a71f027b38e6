/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/stats/binomial.h"

/* Terms smaller than this part of the largest one are below the last bit of any sum. */
#define NEGLIGIBLE 1e-20

/*
 * Terms relative to the largest one, from the mode outwards: no factorials, no logarithms, nothing that overflows. What the
 * sum up to k is of the sum of all is the probability.
 */
double binomial__cdf(int64_t k, int64_t n, double p)
{
	const double odds = p / (1 - p);
	const int64_t mode = (int64_t)((double)(n + 1) * p);
	double sum = 0, below = 0, term = 1;

	if (k < 0)
		return 0;
	if (k >= n)
		return 1;
	for (int64_t i = mode; i >= 0 && term > NEGLIGIBLE; i--) {
		sum += term;
		below += i <= k ? term : 0;
		term *= (double)i / ((double)(n - i + 1) * odds);
	}
	term = 1;
	for (int64_t i = mode + 1; i <= n && term > NEGLIGIBLE; i++) {
		term *= (double)(n - i + 1) * odds / (double)i;
		sum += term;
		below += i <= k ? term : 0;
	}
	return below / sum;
}

int64_t binomial__most(int64_t n, double p, double tail)
{
	int64_t low = -1, high = n;

	while (high - low > 1) {
		const int64_t middle = low + (high - low) / 2;

		if (binomial__cdf(middle, n, p) <= tail)
			low = middle;
		else
			high = middle;
	}
	return low;
}
