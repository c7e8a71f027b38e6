/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/cost/compositions.h"

#include <math.h>
#include <stdlib.h>

#include "userspace/analysis/array.h"
#include "userspace/cost/robust.h"

/* The mean of fewer steps says more of them than of the model. */
#define MIN_STEPS 4
#define MIN_COMPOSITIONS 4
/* A step farther off than this many standard deviations was disturbed; it enters its mean at that distance. */
#define CLIP 3.0
/* The median of a squared standard normal. */
#define MEDIAN_CHI2 0.4549364231195724

/* Figures up to 8 are themselves; above, half octaves. */
static uint32_t bucket(uint64_t n)
{
	uint32_t octave = 0;

	if (n <= 8)
		return (uint32_t)n;
	while (n >> octave > 3)
		octave++;
	return 2 * octave + (uint32_t)(n >> octave) + 16;
}

uint64_t composition__of(const struct cost_sample *sample)
{
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
	uint32_t first = 0;

	for (size_t part = 0; part < sample->n_parts; part++) {
		uint64_t n_single = 0, n_long = 0, tokens = 0, context = 0;
		uint32_t figures[4];

		for (uint32_t i = first; i < sample->part_end[part]; i++) {
			const struct cost_row *row = &sample->rows[i];

			n_single += row->n_tokens == 1;
			n_long += row->n_tokens != 1;
			tokens += row->n_tokens;
			context += row->context;
		}
		first = sample->part_end[part];
		figures[0] = bucket(n_single);
		figures[1] = bucket(n_long);
		figures[2] = bucket(tokens - n_single);
		figures[3] = bucket(context / 1024);
		for (size_t i = 0; i < 4; i++)
			hash = (hash ^ figures[i]) * UINT64_C(1099511628211);
	}
	return hash;
}

struct deviation {
	uint64_t composition;
	double relative;
};

static int compare_deviations(const void *a, const void *b)
{
	const struct deviation *x = a, *y = b;

	if (x->composition != y->composition)
		return x->composition < y->composition ? -1 : 1;
	return x->relative < y->relative ? -1 : x->relative > y->relative;
}

struct mean {
	double mean, variance;	/* of the mean, by the scatter of the steps */
};

/* @return the number of compositions of enough steps */
static size_t find_means(const struct deviation *all, size_t n, double sigma, struct mean *means)
{
	size_t n_means = 0;

	for (size_t first = 0, end; first < n; first = end) {
		double sum = 0;

		for (end = first; end < n && all[end].composition == all[first].composition; end++) {
			const double r = all[end].relative, most = CLIP * sigma;

			sum += r > most ? most : r < -most ? -most : r;
		}
		if (end - first < MIN_STEPS)
			continue;
		means[n_means].mean = sum / (double)(end - first);
		means[n_means++].variance = sigma * sigma / (double)(end - first);
	}
	return n_means;
}

static double median_ratio(const struct mean *means, size_t n, double error, double *scratch)
{
	for (size_t i = 0; i < n; i++)
		scratch[i] = means[i].mean * means[i].mean / (means[i].variance + error * error);
	return select__median(scratch, n);
}

/* The error with which the squared means, in units of what they should scatter, have the median of a chi-square. */
static double solve(const struct mean *means, size_t n, double *scratch)
{
	double low = 0, high = 1;

	if (median_ratio(means, n, 0, scratch) <= MEDIAN_CHI2)
		return 0;
	while (high < 1e6 && median_ratio(means, n, high, scratch) > MEDIAN_CHI2)
		high *= 2;
	for (int i = 0; i < 50; i++) {
		const double middle = (low + high) / 2;

		if (median_ratio(means, n, middle, scratch) > MEDIAN_CHI2)
			low = middle;
		else
			high = middle;
	}
	return high;
}

double compositions__model_error(const struct design *d, const struct cost_sample *samples, const uint16_t *left_out,
				 const double *terms, double sigma)
{
	struct deviation *all = array__zeroed(d->n, sizeof(*all));
	struct mean *means = array__zeroed(d->n, sizeof(*means));
	double error = sigma;
	size_t n = 0, n_means = 0;

	if (all && means && sigma > 0) {
		for (size_t i = 0; i < d->n; i++) {
			const double predicted = design__predict(d, i, terms);

			if ((left_out && left_out[i]) || !(predicted > 0))
				continue;
			all[n].composition = composition__of(&samples[d->sample[i]]);
			all[n++].relative = d->value[i] / predicted - 1;
		}
		qsort(all, n, sizeof(*all), compare_deviations);
		n_means = find_means(all, n, sigma, means);
	}
	if (n_means >= MIN_COMPOSITIONS)
		error = solve(means, n_means, d->scratch);
	free(means);
	free(all);
	return error;
}
