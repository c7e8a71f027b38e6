/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/cost/identify.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "userspace/cost/nnls.h"

/*
 * What a column must have of its own, of its length squared. With a hundredth of the length, steps that scatter by 5 % and
 * a term that is 5 % of them, 10,000 steps would be needed to know it to its own size.
 */
#define COLLINEAR 1e-4
/* Sweeps of Jacobi's method; 6 to 8 are enough for any matrix of this size. */
#define MAX_SWEEPS 40

static void scale_gram(const struct normal *normal, double *a)
{
	const size_t n = normal->n;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			a[i * n + j] = i == j ? 1 :
						normal->gram[i * n + j] / sqrt(normal->gram[i * n + i]) /
							sqrt(normal->gram[j * n + j]);
}

/* Turn a[p][q] to 0: Golub and Van Loan, Matrix Computations, 8.5. */
static void rotate(double *a, size_t n, size_t p, size_t q)
{
	const double apq = a[p * n + q], tau = (a[q * n + q] - a[p * n + p]) / (2 * apq);
	const double t = tau >= 0 ? 1 / (tau + sqrt(1 + tau * tau)) : -1 / (-tau + sqrt(1 + tau * tau));
	const double c = 1 / sqrt(1 + t * t), s = t * c;

	for (size_t k = 0; k < n; k++) {
		const double kp = a[k * n + p], kq = a[k * n + q];

		a[k * n + p] = c * kp - s * kq;
		a[k * n + q] = s * kp + c * kq;
	}
	for (size_t k = 0; k < n; k++) {
		const double pk = a[p * n + k], qk = a[q * n + k];

		a[p * n + k] = c * pk - s * qk;
		a[q * n + k] = s * pk + c * qk;
	}
}

double identify__condition(const struct normal *normal)
{
	const size_t n = normal->n;
	double a[COST_TERMS * COST_TERMS], least = INFINITY, largest = 0;

	if (n == 0)
		return INFINITY;
	scale_gram(normal, a);
	for (int sweep = 0; sweep < MAX_SWEEPS; sweep++) {
		double off = 0;

		for (size_t p = 0; p < n; p++) {
			for (size_t q = p + 1; q < n; q++) {
				off += fabs(a[p * n + q]);
				if (fabs(a[p * n + q]) > 1e-300)
					rotate(a, n, p, q);
			}
		}
		if (off < 1e-12)
			break;
	}
	for (size_t i = 0; i < n; i++) {
		least = a[i * n + i] < least ? a[i * n + i] : least;
		largest = a[i * n + i] > largest ? a[i * n + i] : largest;
	}
	return least > 0 ? sqrt(largest / least) : INFINITY;
}

/*
 * The term that carries the i-th when that is taken out: among those that make its column up by least squares, the one
 * with the greatest part. @a the scaled gram @n the others are below it
 */
static size_t stands_in(const struct normal *normal, const double *a, size_t i, size_t n)
{
	double others[COST_TERMS * COST_TERMS], l[COST_TERMS * COST_TERMS], b[COST_TERMS], x[COST_TERMS], largest = -1;
	size_t column[COST_TERMS], n_others = 0, at, best = i;

	for (size_t j = 0; j < n; j++)
		if (j != i)
			column[n_others++] = j;
	for (size_t j = 0; j < n_others; j++) {
		b[j] = a[column[j] * normal->n + i];
		for (size_t k = 0; k < n_others; k++)
			others[j * n_others + k] = a[column[j] * normal->n + column[k]];
	}
	/* Where they make each other up, too, the column that is nearest in direction is as good an answer. */
	if (cholesky__factor(others, n_others, l, &at))
		memcpy(x, b, n_others * sizeof(*x));
	else
		cholesky__solve(l, n_others, b, x);
	for (size_t j = 0; j < n_others; j++) {
		if (fabs(x[j]) > largest) {
			largest = fabs(x[j]);
			best = column[j];
		}
	}
	return normal->term[best];
}

/* The knots come first in the equations, so that what they make up is taken from the terms behind them. */
bool identify__merge_collinear(struct basis *b, const struct normal *normal, int32_t *merged_with)
{
	double a[COST_TERMS * COST_TERMS], l[COST_TERMS * COST_TERMS];
	const size_t n = normal->n;
	size_t at = 0;
	bool merged = false;

	if (n == 0)
		return false;
	scale_gram(normal, a);
	if (cholesky__factor(a, n, l, &at)) {
		merged = true;
	} else {
		/* The square of a pivot is what a column has that those before it do not make up. */
		for (at = 0; at < n && !merged; at++)
			merged = l[at * n + at] * l[at * n + at] < COLLINEAR;
		at -= merged;
	}
	if (!merged)
		return false;
	b->free[normal->term[at]] = false;
	merged_with[normal->term[at]] = (int32_t)stands_in(normal, a, at, at);
	return true;
}

/*
 * What a unit of the term is of a step that it is a part of: feature / value in the mean over samples weighted by the
 * feature, since a column may be small in most steps and large in the few that it matters to.
 */
static void find_weights(const struct design *d, double *weight)
{
	double sum[COST_TERMS] = { 0 };

	memset(weight, 0, COST_TERMS * sizeof(*weight));
	for (size_t i = 0; i < d->n; i++) {
		for (uint32_t f = d->first[i]; f < d->first[i + 1]; f++) {
			weight[d->term[f]] += d->x[f] * (d->x[f] / d->value[i]);
			sum[d->term[f]] += d->x[f];
		}
	}
	for (size_t t = 0; t < COST_TERMS; t++)
		weight[t] = sum[t] > 0 ? weight[t] / sum[t] : 0;
}

/* Half of the interval over the value; 0 where it is immaterial. */
static double term__width(const struct cost_model *m, size_t t, const double *weight)
{
	const double half = (m->high[t] - m->low[t]) / 2;

	if (half * weight[t] <= IMMATERIAL)
		return 0;
	return m->value[t] > 0 ? half / m->value[t] : INFINITY;
}

/* A term that is known poorly keeps its value: the intervals and replicates say how poorly. */
static void note_wide(struct cost_model *m, const struct normal *normal, const double *weight)
{
	double a[COST_TERMS * COST_TERMS];

	scale_gram(normal, a);
	for (size_t i = 0; i < normal->n; i++) {
		const size_t t = normal->term[i];

		if (term__width(m, t, weight) > WIDE)
			m->merged_with[t] = (int32_t)stands_in(normal, a, i, normal->n);
	}
}

__attribute__((format(printf, 2, 3))) static void refuse(struct cost_model *m, const char *format, ...)
{
	va_list args;

	m->identified = false;
	va_start(args, format);
	vsnprintf(m->reason, sizeof(m->reason), format, args);
	va_end(args);
}

void identify__judge(struct cost_model *m, const struct basis *b, const struct design *d, const struct normal *normal,
		     double unknown)
{
	double weight[COST_TERMS], context_width, attention_width;

	if (unknown == 0)
		unknown = UNKNOWN;

	find_weights(d, weight);
	note_wide(m, normal, weight);
	context_width = term__width(m, COST_TERM_CONTEXT, weight);
	attention_width = term__width(m, COST_TERM_ATTENTION, weight);
	m->identified = true;
	m->reason[0] = '\0';
	if (!b->free[0])
		refuse(m, "too few steps of one token: what a small step costs is not known");
	else if (!b->free[COST_TERM_CONTEXT])
		refuse(m, "the cost of context cannot be told from that of other parts of a step");
	else if (context_width > unknown)
		refuse(m, "the cost of context is known to +-%.0f %% only", 100 * context_width);
	else if (!b->free[COST_TERM_ATTENTION])
		refuse(m, "the cost of a prompt's attention cannot be told from that of other parts of a step");
	else if (attention_width > unknown)
		refuse(m, "the cost of a prompt's attention is known to +-%.0f %% only", 100 * attention_width);
}
