/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/stats/early_stopping.h"

#include "userspace/verify/stats/binomial.h"

/* No recording has that many requests. */
#define MOST_QUERIES (INT64_C(1) << 40)

int64_t early_stopping__allowed(int64_t n, double percentile, double confidence)
{
	return binomial__most(n, 1 - percentile, 1 - confidence);
}

int64_t early_stopping__min_queries(int64_t n_over, double percentile, double confidence)
{
	int64_t low = n_over, high = n_over + 1;

	while (high < MOST_QUERIES && binomial__cdf(n_over, high, 1 - percentile) > 1 - confidence)
		high *= 2;
	while (high - low > 1) {
		const int64_t middle = low + (high - low) / 2;

		if (binomial__cdf(n_over, middle, 1 - percentile) > 1 - confidence)
			low = middle;
		else
			high = middle;
	}
	return high;
}
