/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/cost/features.h"

#include <stdio.h>
#include <string.h>

/*
 * One by one as far as kernels of a CPU change with the number of tokens, then half an octave apart: measured on llama.cpp,
 * time per token is even beyond 16. An ubatch is 512 tokens unless told otherwise.
 */
const uint32_t cost_knots[COST_KNOTS] = {
	1,  2,	3,  4,	5,  6,	7,   8,	  9,   10,  11,	 12,  13,   14,	  15,	16,
	20, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096
};

/* Knots that are their own number: no search for the steps of a few rows. */
#define N_DENSE 16

size_t curve__knot(double q)
{
	size_t low = N_DENSE - 1, high = COST_KNOTS;

	if (q < cost_knots[N_DENSE])
		return q < N_DENSE ? (size_t)q - 1 : N_DENSE - 1;
	while (high - low > 1) {
		const size_t middle = (low + high) / 2;

		if (cost_knots[middle] <= q)
			low = middle;
		else
			high = middle;
	}
	return low;
}

double curve__at(const double *values, double q)
{
	size_t k;
	double part;

	if (q < 1)
		return q > 0 ? q * values[0] : 0;
	k = curve__knot(q);
	if (q == cost_knots[k])
		return values[k];
	if (k == COST_KNOTS - 1)
		return values[k] * (q / cost_knots[k]);
	part = (q - cost_knots[k]) / (double)(cost_knots[k + 1] - cost_knots[k]);
	return values[k] + part * (values[k + 1] - values[k]);
}

void curve__areas(const double *values, double *areas)
{
	areas[0] = values[0] / 2;
	for (size_t k = 1; k < COST_KNOTS; k++)
		areas[k] = areas[k - 1] + (double)(cost_knots[k] - cost_knots[k - 1]) * (values[k] + values[k - 1]) / 2;
}

double curve__area(const double *values, const double *areas, double q)
{
	const double end = curve__at(values, q);
	size_t k;

	if (q < 1)
		return q * end / 2;
	k = curve__knot(q);
	return areas[k] + (q - cost_knots[k]) * (values[k] + end) / 2;
}

double row__pairs(const struct cost_row *row)
{
	const double q = row->n_tokens;

	return q * row->context + q * (q + 1) / 2;
}

double row__private(const double *terms, const struct cost_row *row)
{
	return terms[COST_TERM_ROW] + terms[COST_TERM_CONTEXT] * ((double)row->context + row->n_tokens) +
	       terms[COST_TERM_ATTENTION] * row__pairs(row) + terms[COST_TERM_OUTPUT] * row->n_outputs;
}

static void add_hats(double *x, double q)
{
	const size_t k = curve__knot(q);
	double part;

	if (k == COST_KNOTS - 1) {
		x[k] += q / cost_knots[k];
		return;
	}
	part = (q - cost_knots[k]) / (double)(cost_knots[k + 1] - cost_knots[k]);
	x[k] += 1 - part;
	x[k + 1] += part;
}

void features__add(double *x, const struct cost_row *rows, size_t n)
{
	double tokens = 0;
	size_t n_single = 0;

	for (size_t i = 0; i < n; i++) {
		tokens += rows[i].n_tokens;
		n_single += rows[i].n_tokens == 1;
		x[COST_TERM_CONTEXT] += (double)rows[i].context + rows[i].n_tokens;
		x[COST_TERM_ATTENTION] += row__pairs(&rows[i]);
		x[COST_TERM_OUTPUT] += rows[i].n_outputs;
	}
	x[COST_TERM_ROW] += (double)n;
	if (n_single < n)
		x[COST_TERM_MIXED] += (double)n_single;
	if (tokens >= 1)
		add_hats(x, tokens);
}

void features__of_step(double *x, const struct cost_sample *sample)
{
	size_t first = 0;

	memset(x, 0, COST_TERMS * sizeof(*x));
	for (size_t part = 0; part < sample->n_parts; part++) {
		features__add(x, sample->rows + first, sample->part_end[part] - first);
		first = sample->part_end[part];
	}
}

const char *cost_term__name(size_t term, char *space, size_t size)
{
	static const char *const names[] = {
		[COST_TERM_ROW - COST_KNOTS] = "row",
		[COST_TERM_CONTEXT - COST_KNOTS] = "context",
		[COST_TERM_ATTENTION - COST_KNOTS] = "attention",
		[COST_TERM_OUTPUT - COST_KNOTS] = "output",
		[COST_TERM_MIXED - COST_KNOTS] = "mixed",
	};

	if (term >= COST_KNOTS)
		return term < COST_TERMS ? names[term - COST_KNOTS] : "unknown";
	snprintf(space, size, "G(%u)", cost_knots[term]);
	return space;
}

int cost_term__find(const char *name)
{
	char space[16];

	for (size_t t = 0; t < COST_TERMS; t++)
		if (strcmp(cost_term__name(t, space, sizeof(space)), name) == 0)
			return (int)t;
	return -1;
}
