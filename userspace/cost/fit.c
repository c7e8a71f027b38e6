/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fit of a cost model: held-out judgement, the fit over all samples without the terms that these cannot tell apart,
 * and its replicates.
 *
 * Replicates are a circular block bootstrap (Politis and Romano 1992): neighbouring steps of one machine are alike, so
 * blocks of them are drawn.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/bootstrap.h"
#include "userspace/cost/compositions.h"
#include "userspace/cost/identify.h"
#include "userspace/cost/robust.h"

#define MIN_SAMPLES 8
#define DEFAULT_DRAWS 64
/* Blocks are as long as the machine's slow changes, but there must be enough of them to draw from. */
#define BLOCK_NS 5000000000u
#define MIN_BLOCKS 24
/* Every second of these blocks is held out. */
#define HELD_OUT_STEPS 20

struct fit {
	struct cost_model *m;
	const struct cost_sample *samples;
	struct design design;
	struct basis basis;
	struct normal normal;
	uint16_t *taken;
	size_t block;
	double scale;
};

/* ---------------------------------------------------------------------------------------------------- held out --- */

/* The samples by whose residuals the fit is judged: held out, or all where the samples are too few for that. */
static void mark_judged(struct fit *f, bool hold_out)
{
	const size_t block = f->design.n >= 4 * HELD_OUT_STEPS ? HELD_OUT_STEPS : 1;

	f->m->n_held_out = 0;
	for (size_t i = 0; i < f->design.n; i++) {
		f->taken[i] = !(hold_out && i / block % 2);
		f->m->n_held_out += !f->taken[i];
	}
}

static void judge(struct fit *f, bool hold_out)
{
	const struct design *d = &f->design;
	double terms[COST_TERMS] = { 0 }, scale = 0;
	size_t n = 0;

	mark_judged(f, hold_out);
	basis__from_data(&f->basis, d, f->taken);
	design__fit(d, f->taken, &f->basis, &scale, terms, NULL);
	for (size_t i = 0; i < d->n; i++)
		if (!hold_out || !f->taken[i])
			d->scratch[n++] = design__residual(d, i, terms);
	f->m->median_residual = n ? select__median(d->scratch, n) : 0;
	f->m->sigma = MAD_TO_SD * f->m->median_residual;
	f->m->model_error = compositions__model_error(d, f->samples, hold_out ? f->taken : NULL, terms, f->m->sigma);
}

/* --------------------------------------------------------------------------------------------------- replicates --- */

static size_t block_length(const struct fit *f)
{
	const struct design *d = &f->design;
	const uint64_t first = f->samples[d->sample[0]].start_ns, last = f->samples[d->sample[d->n - 1]].start_ns;
	const double n_blocks = last > first ? (double)(last - first) / BLOCK_NS : (double)d->n;
	size_t block = n_blocks > 1 ? (size_t)((double)d->n / n_blocks) : d->n;

	if (block > d->n / MIN_BLOCKS)
		block = d->n / MIN_BLOCKS;
	return block ? block : 1;
}

static void draw_blocks(struct fit *f, struct random_state *random)
{
	const size_t n = f->design.n;

	memset(f->taken, 0, n * sizeof(*f->taken));
	for (size_t drawn = 0; drawn < n; drawn += f->block) {
		const size_t first = (size_t)random__below(random, n);

		for (size_t k = 0; k < f->block && drawn + k < n; k++)
			f->taken[(first + k) % n]++;
	}
}

/* A knot that a replicate has no steps for lies on its neighbours' line there, so that it is not taken to cost nothing. */
static void replicate(struct fit *f, double *terms)
{
	struct basis with_data;
	double scale = f->scale;

	basis__from_data(&with_data, &f->design, f->taken);
	for (size_t k = 0; k < COST_TERMS; k++)
		with_data.free[k] = f->basis.free[k] && (with_data.free[k] || k >= COST_KNOTS);
	memcpy(terms, f->m->value, COST_TERMS * sizeof(*terms));
	design__fit(&f->design, f->taken, &with_data, &scale, terms, NULL);
}

/* Quantiles of few values: at p (n + 1), so that the outer ones of 64 are not left out of a 95 % interval. */
static double quantile(double *values, size_t n, double p)
{
	const double at = p * (double)(n + 1) - 1;
	const size_t k = at <= 0 ? 0 : at >= (double)(n - 1) ? n - 1 : (size_t)at;
	double low = select__kth(values, n, k);

	if (at <= 0 || k == n - 1)
		return low;
	return low + (at - (double)k) * (select__kth(values, n, k + 1) - low);
}

static void find_intervals(struct cost_model *m, double *scratch)
{
	for (size_t t = 0; t < COST_TERMS; t++) {
		for (uint32_t i = 0; i < m->n_draws; i++)
			scratch[i] = m->draws[i * COST_TERMS + t];
		m->low[t] = quantile(scratch, m->n_draws, 0.025);
		m->high[t] = quantile(scratch, m->n_draws, 0.975);
		/* The estimate is inside by definition, also where all replicates are at one side of it. */
		m->low[t] = m->low[t] < m->value[t] ? m->low[t] : m->value[t];
		m->high[t] = m->high[t] > m->value[t] ? m->high[t] : m->value[t];
	}
}

static void fit_all(struct fit *f, uint64_t seed, double *scratch)
{
	struct cost_model *m = f->m;
	struct random_state random;

	do {
		f->scale = 0;
		design__fit(&f->design, NULL, &f->basis, &f->scale, m->value, &f->normal);
	} while (identify__merge_collinear(&f->basis, &f->normal, m->merged_with));
	random.s = seed;
	for (uint32_t i = 0; i < m->n_draws; i++) {
		draw_blocks(f, &random);
		replicate(f, m->draws + i * COST_TERMS);
	}
	find_intervals(m, scratch);
}

/* --------------------------------------------------------------------------------------------------- the interface --- */

static bool varies(const struct design *d)
{
	for (size_t i = 1; i < d->n; i++)
		if (d->value[i] != d->value[0])
			return true;
	return false;
}

int cost__fit(struct cost_model *out, const struct cost_sample *samples, size_t n,
	      const struct cost_fit_options *options)
{
	struct fit f = { .m = out, .samples = samples };
	double *scratch = NULL;
	int err;

	memset(out, 0, sizeof(*out));
	for (size_t t = 0; t < COST_TERMS; t++)
		out->merged_with[t] = -1;
	err = design__build(&f.design, samples, n);
	if (err)
		return err;
	err = -ENODATA;
	if (f.design.n < MIN_SAMPLES || !varies(&f.design))
		goto out;
	err = -ENOMEM;
	out->n_draws = options->n_draws ? options->n_draws : DEFAULT_DRAWS;
	out->draws = array__zeroed(out->n_draws, COST_TERMS * sizeof(*out->draws));
	scratch = array__zeroed(out->n_draws, sizeof(*scratch));
	f.taken = array__zeroed(f.design.n, sizeof(*f.taken));
	if (!out->draws || !scratch || !f.taken)
		goto out;
	out->n_steps = (int64_t)f.design.n;
	f.block = block_length(&f);
	judge(&f, options->hold_out);
	basis__from_data(&f.basis, &f.design, NULL);
	fit_all(&f, options->seed, scratch);
	memcpy(out->fitted, f.basis.free, sizeof(out->fitted));
	out->condition = identify__condition(&f.normal);
	identify__judge(out, &f.basis, &f.design, &f.normal, options->unknown);
	err = 0;
out:
	free(f.taken);
	free(scratch);
	design__free(&f.design);
	if (err)
		cost__free(out);
	return err;
}

void cost__free(struct cost_model *m)
{
	if (!m)
		return;
	free(m->draws);
	m->draws = NULL;
	m->n_draws = 0;
}
