/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/cost/nnls.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Of a scaled column, what is left outside the others' span: below it the normal equations have lost it in rounding. */
#define SINGULAR 1e-11
/* Of the largest gradient at 0: a smaller one does not ask for its column. */
#define FLAT 1e-11

int cholesky__factor(const double *a, size_t n, double *l, size_t *at)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j <= i; j++) {
			double sum = a[i * n + j];

			for (size_t k = 0; k < j; k++)
				sum -= l[i * n + k] * l[j * n + k];
			if (j < i) {
				l[i * n + j] = sum / l[j * n + j];
			} else if (sum > SINGULAR) {
				l[i * n + i] = sqrt(sum);
			} else {
				*at = i;
				return -EDOM;
			}
		}
	}
	return 0;
}

void cholesky__solve(const double *l, size_t n, const double *b, double *x)
{
	for (size_t i = 0; i < n; i++) {
		double sum = b[i];

		for (size_t k = 0; k < i; k++)
			sum -= l[i * n + k] * x[k];
		x[i] = sum / l[i * n + i];
	}
	for (size_t i = n; i-- > 0;) {
		double sum = x[i];

		for (size_t k = i + 1; k < n; k++)
			sum -= l[k * n + i] * x[k];
		x[i] = sum / l[i * n + i];
	}
}

struct problem {
	size_t n;
	double gram[NNLS_MAX * NNLS_MAX];	/* scaled */
	double xty[NNLS_MAX];
	double x[NNLS_MAX];
	bool passive[NNLS_MAX];		/* free to be above 0 */
	bool blocked[NNLS_MAX];		/* nothing of its own, or it came in and had to leave at once */
};

/* Least squares over the passive columns alone. Columns that others make up are let go on the way. */
static void solve_passive(struct problem *p, double *s)
{
	double gram[NNLS_MAX * NNLS_MAX], l[NNLS_MAX * NNLS_MAX], xty[NNLS_MAX], solution[NNLS_MAX];
	size_t columns[NNLS_MAX], n, at = 0;

	for (;;) {
		n = 0;
		for (size_t j = 0; j < p->n; j++)
			if (p->passive[j])
				columns[n++] = j;
		for (size_t i = 0; i < n; i++) {
			xty[i] = p->xty[columns[i]];
			for (size_t j = 0; j < n; j++)
				gram[i * n + j] = p->gram[columns[i] * p->n + columns[j]];
		}
		if (!cholesky__factor(gram, n, l, &at))
			break;
		p->passive[columns[at]] = false;
		p->blocked[columns[at]] = true;
		p->x[columns[at]] = 0;
	}
	cholesky__solve(l, n, xty, solution);
	memset(s, 0, p->n * sizeof(*s));
	for (size_t i = 0; i < n; i++)
		s[columns[i]] = solution[i];
}

/* From x towards the passive columns' own optimum, as far as x >= 0 allows, until it is that optimum. */
static void settle(struct problem *p)
{
	double s[NNLS_MAX];

	for (;;) {
		double step = 1;
		size_t j, first = p->n;

		solve_passive(p, s);
		for (j = 0; j < p->n; j++) {
			if (p->passive[j] && s[j] <= 0 && (first == p->n || p->x[j] < step * (p->x[j] - s[j]))) {
				step = p->x[j] > 0 ? p->x[j] / (p->x[j] - s[j]) : 0;
				first = j;
			}
		}
		for (j = 0; j < p->n; j++)
			if (p->passive[j])
				p->x[j] = first == p->n ? s[j] : p->x[j] + step * (s[j] - p->x[j]);
		if (first == p->n)
			return;
		p->x[first] = 0;
		for (j = 0; j < p->n; j++) {
			if (p->passive[j] && p->x[j] <= 0) {
				p->passive[j] = false;
				p->x[j] = 0;
			}
		}
	}
}

/* The column by which |A x - y| falls fastest; p->n: none */
static size_t steepest(const struct problem *p, double flat)
{
	double largest = flat;
	size_t best = p->n;

	for (size_t i = 0; i < p->n; i++) {
		double gradient = p->xty[i];

		if (p->passive[i] || p->blocked[i])
			continue;
		for (size_t j = 0; j < p->n; j++)
			gradient -= p->gram[i * p->n + j] * p->x[j];
		if (gradient > largest) {
			largest = gradient;
			best = i;
		}
	}
	return best;
}

static void iterate(struct problem *p)
{
	double flat = 0;
	size_t best;

	for (size_t j = 0; j < p->n; j++)
		flat = fabs(p->xty[j]) > flat ? fabs(p->xty[j]) : flat;
	flat *= FLAT;
	settle(p);
	/* Each round lowers |A x - y|, so that no set of columns comes twice; the bound is for rounding. */
	for (size_t round = 0; round < 10 * p->n && (best = steepest(p, flat)) < p->n; round++) {
		p->passive[best] = true;
		settle(p);
		if (!p->passive[best])
			p->blocked[best] = true;
		else
			for (size_t j = 0; j < p->n; j++)
				p->blocked[j] = p->blocked[j] && p->gram[j * p->n + j] == 0;
	}
}

int nnls__solve(const double *gram, const double *xty, size_t n, double *x)
{
	struct problem p = { .n = n };
	double length[NNLS_MAX];

	for (size_t j = 0; j < n; j++) {
		length[j] = sqrt(gram[j * n + j]);
		if (!isfinite(length[j]) || !isfinite(xty[j])) {
			memset(x, 0, n * sizeof(*x));
			return -EDOM;
		}
		p.blocked[j] = length[j] == 0;
	}
	for (size_t i = 0; i < n; i++) {
		p.xty[i] = p.blocked[i] ? 0 : xty[i] / length[i];
		p.x[i] = p.blocked[i] || !(x[i] > 0) || !isfinite(x[i]) ? 0 : x[i] * length[i];
		p.passive[i] = p.x[i] > 0;
		for (size_t j = 0; j < n; j++)
			p.gram[i * n + j] = p.blocked[i] || p.blocked[j] ? 0 :
					    i == j			 ? 1 :
									   gram[i * n + j] / length[i] / length[j];
	}
	iterate(&p);
	for (size_t j = 0; j < n; j++)
		x[j] = p.blocked[j] || !p.passive[j] ? 0 : p.x[j] / length[j];
	return 0;
}
