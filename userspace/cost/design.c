/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/cost/design.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/cost/features.h"
#include "userspace/cost/nnls.h"
#include "userspace/cost/robust.h"

/* A value outside is no measurement: 146 years in ns, and less than squares can be told from 0. */
#define VALUE_MAX 4611686018427387904.0
#define VALUE_MIN 1e-12
/* A knot needs the weight of so many steps, else its neighbours know it better. */
#define MIN_KNOT_WEIGHT 3.0
#define MAX_ROUNDS 20
/* A guess that comes from the whole is near: a replicate needs few rounds. */
#define REPLICATE_ROUNDS 3

/* ------------------------------------------------------------------------------------------------ the samples --- */

bool sample__usable(const struct cost_sample *s)
{
	uint32_t first = 0;

	if (!(s->value >= VALUE_MIN && s->value <= VALUE_MAX) || s->n_parts == 0 || !s->rows || !s->part_end)
		return false;
	for (size_t part = 0; part < s->n_parts; part++) {
		if (s->part_end[part] <= first)
			return false;
		for (uint32_t i = first; i < s->part_end[part]; i++)
			if (s->rows[i].n_tokens == 0)
				return false;
		first = s->part_end[part];
	}
	return true;
}

int design__build(struct design *d, const struct cost_sample *samples, size_t n)
{
	size_t n_features = 0, capacity = 0, features_max;

	memset(d, 0, sizeof(*d));
	for (size_t i = 0; i < n; i++) {
		if (!sample__usable(&samples[i]))
			continue;
		d->n++;
		features_max = 2 * samples[i].n_parts + COST_TERMS - COST_KNOTS;
		capacity += features_max < COST_TERMS ? features_max : COST_TERMS;
	}
	d->first = array__zeroed(d->n + 1, sizeof(*d->first));
	d->term = array__zeroed(capacity, sizeof(*d->term));
	d->x = array__zeroed(capacity, sizeof(*d->x));
	d->value = array__zeroed(d->n, sizeof(*d->value));
	d->sample = array__zeroed(d->n, sizeof(*d->sample));
	d->scratch = array__zeroed(d->n, sizeof(*d->scratch));
	if (!d->first || !d->term || !d->x || !d->value || !d->sample || !d->scratch) {
		design__free(d);
		return -ENOMEM;
	}
	d->n = 0;
	for (size_t i = 0; i < n; i++) {
		double x[COST_TERMS];

		if (!sample__usable(&samples[i]))
			continue;
		features__of_step(x, &samples[i]);
		for (size_t t = 0; t < COST_TERMS; t++) {
			if (x[t] != 0) {
				d->term[n_features] = (uint8_t)t;
				d->x[n_features++] = x[t];
			}
		}
		d->value[d->n] = samples[i].value;
		d->sample[d->n] = (uint32_t)i;
		d->first[++d->n] = (uint32_t)n_features;
	}
	return 0;
}

void design__free(struct design *d)
{
	free(d->first);
	free(d->term);
	free(d->x);
	free(d->value);
	free(d->sample);
	free(d->scratch);
	memset(d, 0, sizeof(*d));
}

double design__predict(const struct design *d, size_t i, const double *terms)
{
	double sum = 0;

	for (uint32_t f = d->first[i]; f < d->first[i + 1]; f++)
		sum += d->x[f] * terms[d->term[f]];
	return sum;
}

double design__residual(const struct design *d, size_t i, const double *terms)
{
	const double predicted = design__predict(d, i, terms);

	return predicted > 0 ? fabs(d->value[i] - predicted) / predicted : 1;
}

/* -------------------------------------------------------------------------------------------------- free terms --- */

void basis__from_data(struct basis *b, const struct design *d, const uint16_t *taken)
{
	double weight[COST_TERMS] = { 0 };

	for (size_t i = 0; i < d->n; i++) {
		if (taken && !taken[i])
			continue;
		for (uint32_t f = d->first[i]; f < d->first[i + 1]; f++)
			weight[d->term[f]] += d->term[f] < COST_KNOTS ? d->x[f] : 1;
	}
	for (size_t t = 0; t < COST_TERMS; t++)
		b->free[t] = weight[t] >= MIN_KNOT_WEIGHT;
}

/* Of which free knots knot k is made, and how. Both the same where there is one; -1 where no knot is free. */
struct mixture {
	int from[2];
	double part[2];
};

static struct mixture knot__mixture(const struct basis *b, int k)
{
	struct mixture m = { { k, k }, { 1, 0 } };
	double q = cost_knots[k];

	if (b->free[k])
		return m;
	while (m.from[0] >= 0 && !b->free[m.from[0]])
		m.from[0]--;
	while (m.from[1] < COST_KNOTS && !b->free[m.from[1]])
		m.from[1]++;
	if (m.from[1] == COST_KNOTS) {
		m.from[1] = m.from[0];
		m.part[0] = m.from[0] < 0 ? 0 : q / cost_knots[m.from[0]];
	} else if (m.from[0] < 0) {
		m.from[0] = m.from[1];
	} else {
		const double low = cost_knots[m.from[0]], high = cost_knots[m.from[1]];

		m.part[1] = (q - low) / (high - low);
		m.part[0] = 1 - m.part[1];
	}
	return m;
}

void basis__fill(const struct basis *b, double *terms)
{
	for (int k = 0; k < COST_KNOTS; k++) {
		const struct mixture m = knot__mixture(b, k);

		if (b->free[k])
			continue;
		terms[k] = m.from[0] < 0 ? 0 : m.part[0] * terms[m.from[0]];
		if (m.part[1] > 0)
			terms[k] += m.part[1] * terms[m.from[1]];
	}
	for (size_t t = COST_KNOTS; t < COST_TERMS; t++)
		if (!b->free[t])
			terms[t] = 0;
}

size_t basis__free_terms(const struct basis *b, size_t *terms)
{
	size_t n = 0;

	for (size_t t = 0; t < COST_TERMS; t++)
		if (b->free[t])
			terms[n++] = t;
	return n;
}

/* ---------------------------------------------------------------------------------------------------- the sums --- */

/* One sample's features over the free terms, by their place among these. */
struct sparse {
	size_t n;
	uint8_t at[2 * COST_TERMS];
	double x[2 * COST_TERMS];
};

struct places {
	struct mixture knot[COST_KNOTS];
	int of[COST_TERMS];	/* -1: not free */
};

static void places__find(struct places *p, const struct basis *b, struct normal *normal)
{
	normal->n = basis__free_terms(b, normal->term);
	for (size_t t = 0; t < COST_TERMS; t++)
		p->of[t] = -1;
	for (size_t i = 0; i < normal->n; i++)
		p->of[normal->term[i]] = (int)i;
	for (int k = 0; k < COST_KNOTS; k++)
		p->knot[k] = knot__mixture(b, k);
}

static void sparse__add(struct sparse *s, int at, double x)
{
	if (at < 0 || x == 0)
		return;
	s->at[s->n] = (uint8_t)at;
	s->x[s->n++] = x;
}

static void sparse__of(struct sparse *s, const struct design *d, size_t i, const struct places *p)
{
	s->n = 0;
	for (uint32_t f = d->first[i]; f < d->first[i + 1]; f++) {
		const uint8_t t = d->term[f];

		if (t >= COST_KNOTS) {
			sparse__add(s, p->of[t], d->x[f]);
			continue;
		}
		for (int side = 0; side < 2; side++)
			if (p->knot[t].from[side] >= 0)
				sparse__add(s, p->of[p->knot[t].from[side]], p->knot[t].part[side] * d->x[f]);
	}
}

static void normal__add(struct normal *normal, const struct sparse *s, double weight, double value)
{
	for (size_t i = 0; i < s->n; i++) {
		const double x = weight * s->x[i];

		normal->xty[s->at[i]] += x * value;
		for (size_t j = 0; j < s->n; j++)
			normal->gram[s->at[i] * normal->n + s->at[j]] += x * s->x[j];
	}
}

/* ----------------------------------------------------------------------------------------------------- the fit --- */

/*
 * The standard deviation of a step is taken to be in proportion to its T: of the predicted T, since weights by the
 * measured one would lean towards the steps that happened to be short.
 */
static double sample__sd(const struct design *d, size_t i, const double *terms)
{
	const double predicted = design__predict(d, i, terms);

	return predicted > d->value[i] / 8 ? predicted : d->value[i] / 8;
}

static double residual_scale(const struct design *d, const uint16_t *taken, const double *terms)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		if (!taken || taken[i])
			d->scratch[n++] = fabs(d->value[i] - design__predict(d, i, terms)) / sample__sd(d, i, terms);
	return n ? MAD_TO_SD * select__median(d->scratch, n) : 0;
}

static void sum_up(const struct design *d, const uint16_t *taken, const struct places *p, double scale,
		   const double *terms, struct normal *normal)
{
	struct sparse s;

	memset(normal->gram, 0, normal->n * normal->n * sizeof(*normal->gram));
	memset(normal->xty, 0, normal->n * sizeof(*normal->xty));
	for (size_t i = 0; i < d->n; i++) {
		double sd, residual, weight = taken ? taken[i] : 1;

		if (weight == 0)
			continue;
		sd = terms ? sample__sd(d, i, terms) : d->value[i];
		residual = terms ? fabs(d->value[i] - design__predict(d, i, terms)) / sd : 0;
		weight /= sd * sd;
		if (residual > HUBER * scale)
			weight *= HUBER * scale / residual;
		sparse__of(&s, d, i, p);
		normal__add(normal, &s, weight, d->value[i]);
	}
}

static bool is_settled(const double *before, const double *after)
{
	double largest = 0, moved = 0;

	for (size_t t = 0; t < COST_TERMS; t++) {
		/* Relative, term by term, but for terms that come to nothing beside the curve. */
		const double scale = fabs(after[t]) > 0 ? fabs(after[t]) : 1;

		moved = fabs(after[t] - before[t]) / scale;
		largest = moved > largest ? moved : largest;
	}
	return largest < 1e-5;
}

void design__fit(const struct design *d, const uint16_t *taken, const struct basis *b, double *scale, double *terms,
		 struct normal *normal)
{
	const bool estimate = *scale == 0;
	struct normal own;
	struct places places;
	double x[COST_TERMS], before[COST_TERMS];
	bool has_guess = false;

	normal = normal ? normal : &own;
	places__find(&places, b, normal);
	for (size_t t = 0; t < COST_TERMS; t++)
		has_guess = has_guess || terms[t] > 0;
	for (int round = 0; round < (estimate ? MAX_ROUNDS : REPLICATE_ROUNDS); round++) {
		if (estimate && has_guess)
			*scale = residual_scale(d, taken, terms);
		/* Equations that hold exactly need no weights. */
		sum_up(d, taken, &places, *scale > 0 ? *scale : INFINITY, has_guess ? terms : NULL, normal);
		for (size_t i = 0; i < normal->n; i++)
			x[i] = terms[normal->term[i]];
		nnls__solve(normal->gram, normal->xty, normal->n, x);
		memcpy(before, terms, sizeof(before));
		for (size_t i = 0; i < normal->n; i++)
			terms[normal->term[i]] = x[i];
		basis__fill(b, terms);
		if (has_guess && is_settled(before, terms))
			break;
		has_guess = true;
	}
}
