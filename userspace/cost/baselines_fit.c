/* SPDX-License-Identifier: Apache-2.0 */
/* The coefficients of the closed forms. Few columns, so that parts are kept whole and the equations are made anew. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/cost/baselines.h"
#include "userspace/cost/design.h"
#include "userspace/cost/features.h"
#include "userspace/cost/nnls.h"
#include "userspace/cost/robust.h"

#define MIN_SAMPLES 8
#define MAX_COLUMNS 5
/* Of weights, and of the choice of sides; both settle in a few. */
#define MAX_ROUNDS 25

struct part {
	double tokens, context, pairs;
	bool arithmetic;		/* the side of max() that it is taken to be on */
};

/* The roofline's are c0, W, b, f, h; the affine form's are a, t, k, h. */
struct parts {
	size_t n_samples, n_columns;
	struct part *parts;
	size_t *end;			/* of each sample in parts */
	double *value, *scratch;
	bool roofline;
};

static void parts__free(struct parts *p)
{
	free(p->parts);
	free(p->end);
	free(p->value);
	free(p->scratch);
}

static int parts__gather(struct parts *p, const struct cost_sample *samples, size_t n)
{
	size_t n_parts = 0;

	memset(p, 0, sizeof(*p));
	for (size_t i = 0; i < n; i++)
		n_parts += sample__usable(&samples[i]) ? samples[i].n_parts : 0;
	p->parts = array__zeroed(n_parts, sizeof(*p->parts));
	p->end = array__zeroed(n, sizeof(*p->end));
	p->value = array__zeroed(n, sizeof(*p->value));
	p->scratch = array__zeroed(n, sizeof(*p->scratch));
	if (!p->parts || !p->end || !p->value || !p->scratch)
		return -ENOMEM;
	n_parts = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t row = 0;

		if (!sample__usable(&samples[i]))
			continue;
		for (size_t k = 0; k < samples[i].n_parts; k++, n_parts++) {
			for (; row < samples[i].part_end[k]; row++) {
				const struct cost_row *r = &samples[i].rows[row];

				p->parts[n_parts].tokens += r->n_tokens;
				p->parts[n_parts].context += (double)r->context + r->n_tokens;
				p->parts[n_parts].pairs += row__pairs(r);
			}
		}
		p->value[p->n_samples] = samples[i].value;
		p->end[p->n_samples++] = n_parts;
	}
	return p->n_samples < MIN_SAMPLES ? -ENODATA : 0;
}

static void parts__columns(const struct parts *p, size_t sample, double *x)
{
	memset(x, 0, MAX_COLUMNS * sizeof(*x));
	for (size_t i = sample ? p->end[sample - 1] : 0; i < p->end[sample]; i++) {
		const struct part *part = &p->parts[i];

		x[0] += 1;
		if (!p->roofline) {
			x[1] += part->tokens;
			x[2] += part->context;
			x[3] += part->pairs;
		} else if (part->arithmetic) {
			x[3] += part->tokens;
			x[4] += part->pairs;
		} else {
			x[1] += 1;
			x[2] += part->context;
		}
	}
}

static double predict(const struct parts *p, size_t sample, const double *c)
{
	double x[MAX_COLUMNS], sum = 0;

	parts__columns(p, sample, x);
	for (size_t j = 0; j < p->n_columns; j++)
		sum += x[j] * c[j];
	return sum;
}

static double sample__sd(const struct parts *p, size_t i, const double *c)
{
	const double predicted = predict(p, i, c);

	return predicted > p->value[i] / 8 ? predicted : p->value[i] / 8;
}

static double median_residual(const struct parts *p, const double *c)
{
	for (size_t i = 0; i < p->n_samples; i++)
		p->scratch[i] = fabs(p->value[i] - predict(p, i, c)) / sample__sd(p, i, c);
	return select__median(p->scratch, p->n_samples);
}

/* One round of weights from the coefficients before, and new coefficients. */
static void solve(const struct parts *p, bool has_guess, double *c)
{
	const size_t m = p->n_columns;
	double gram[MAX_COLUMNS * MAX_COLUMNS] = { 0 }, xty[MAX_COLUMNS] = { 0 };
	const double scale = has_guess ? MAD_TO_SD * median_residual(p, c) : 0;

	for (size_t i = 0; i < p->n_samples; i++) {
		const double sd = has_guess ? sample__sd(p, i, c) : p->value[i];
		const double residual = has_guess ? fabs(p->value[i] - predict(p, i, c)) / sd : 0;
		double x[MAX_COLUMNS], weight = 1 / (sd * sd);

		if (scale > 0 && residual > HUBER * scale)
			weight *= HUBER * scale / residual;
		parts__columns(p, i, x);
		for (size_t j = 0; j < m; j++) {
			xty[j] += weight * x[j] * p->value[i];
			for (size_t k = 0; k < m; k++)
				gram[j * m + k] += weight * x[j] * x[k];
		}
	}
	nnls__solve(gram, xty, m, c);
}

int affine__fit(struct affine_fit *out, const struct cost_sample *samples, size_t n)
{
	double c[MAX_COLUMNS] = { 0 };
	struct parts p;
	int err = parts__gather(&p, samples, n);

	memset(out, 0, sizeof(*out));
	p.n_columns = 4;
	for (int round = 0; round < MAX_ROUNDS && !err; round++)
		solve(&p, round > 0, c);
	if (!err)
		*out = (struct affine_fit){ c[0], c[1], c[2], c[3], median_residual(&p, c) };
	parts__free(&p);
	return err;
}

/* Each part goes to the side that is greater by the coefficients. @return whether any part changed its side */
static bool choose_sides(struct parts *p, const double *c)
{
	const size_t n_parts = p->end[p->n_samples - 1];
	bool changed = false;

	for (size_t i = 0; i < n_parts; i++) {
		struct part *part = &p->parts[i];
		const bool arithmetic = c[3] * part->tokens + c[4] * part->pairs > c[1] + c[2] * part->context;

		changed = changed || arithmetic != part->arithmetic;
		part->arithmetic = arithmetic;
	}
	return changed;
}

static double fit_from(struct parts *p, double threshold, double *c)
{
	const size_t n_parts = p->end[p->n_samples - 1];

	memset(c, 0, MAX_COLUMNS * sizeof(*c));
	for (size_t i = 0; i < n_parts; i++)
		p->parts[i].arithmetic = p->parts[i].tokens >= threshold;
	for (int round = 0; round < MAX_ROUNDS; round++) {
		/* Weights need a few rounds of their own before the sides are asked again. */
		solve(p, round > 0, c);
		solve(p, true, c);
		if (!choose_sides(p, c))
			break;
	}
	return median_residual(p, c);
}

int roofline__fit(struct roofline_fit *out, const struct cost_sample *samples, size_t n)
{
	static const double thresholds[] = { 2, 4, 8, 16, 32, 64, 128, INFINITY };
	double best = INFINITY, c[MAX_COLUMNS];
	struct parts p;
	int err = parts__gather(&p, samples, n);

	memset(out, 0, sizeof(*out));
	p.roofline = true;
	p.n_columns = MAX_COLUMNS;
	for (size_t i = 0; i < sizeof(thresholds) / sizeof(thresholds[0]) && !err; i++) {
		const double residual = fit_from(&p, thresholds[i], c);

		if (residual >= best)
			continue;
		best = residual;
		*out = (struct roofline_fit){ c[0], c[1], c[2], c[3], c[4], residual };
	}
	parts__free(&p);
	return err;
}
