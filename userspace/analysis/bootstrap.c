/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/bootstrap.h"

#include <errno.h>
#include <stdlib.h>

uint64_t random__next(struct random_state *r)
{
	uint64_t z = (r->s += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

uint64_t random__below(struct random_state *r, uint64_t n)
{
	uint64_t limit = UINT64_MAX - UINT64_MAX % n, x;

	do {
		x = random__next(r);
	} while (x >= limit);
	return x % n;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double weighted_mean(const double *values, const double *weights, size_t n)
{
	double sum = 0, weight = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		double w = weights ? weights[i] : 1;

		sum += w * values[i];
		weight += w;
	}
	return weight > 0 ? sum / weight : 0;
}

static double resampled_mean(const double *values, const double *weights, size_t n, size_t block,
			     struct random_state *r)
{
	double sum = 0, weight = 0;
	size_t drawn, k;

	for (drawn = 0; drawn < n; drawn += block) {
		size_t first = (size_t)random__below(r, n);

		for (k = 0; k < block && drawn + k < n; k++) {
			size_t i = (first + k) % n;
			double w = weights ? weights[i] : 1;

			sum += w * values[i];
			weight += w;
		}
	}
	return weight > 0 ? sum / weight : 0;
}

int bootstrap__mean(const double *values, const double *weights, size_t n, size_t block, unsigned n_resamples,
		    uint64_t seed, struct interval *out)
{
	struct random_state r = { seed };
	double *means;
	unsigned i;

	if (n < 4 || block == 0 || block > n || n_resamples < 40)
		return -EINVAL;
	means = calloc(n_resamples, sizeof(*means));
	if (!means)
		return -ENOMEM;
	for (i = 0; i < n_resamples; i++)
		means[i] = resampled_mean(values, weights, n, block, &r);
	qsort(means, n_resamples, sizeof(*means), compare_doubles);
	out->estimate = weighted_mean(values, weights, n);
	out->low = means[(size_t)((double)n_resamples * 0.025)];
	out->high = means[(size_t)((double)n_resamples * 0.975)];
	free(means);
	return 0;
}
