/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the fit: samples as sparse rows of features, which terms are free, and the weighted least squares over them.
 */
#ifndef TOKPROF_COST_DESIGN_H
#define TOKPROF_COST_DESIGN_H

#include "userspace/cost/cost.h"

/* The usable samples: measured above 0, with rows. A step has few features, so they are kept without the zeros. */
struct design {
	size_t n;
	uint32_t *first;	/* n + 1: features of sample i are [first[i], first[i + 1]) */
	uint8_t *term;
	double *x;
	double *value;
	uint32_t *sample;	/* its index among those given */
	double *scratch;	/* n */
};

/* Measured, and of a possible size, with rows of at least a token in every part. */
bool sample__usable(const struct cost_sample *s);

/* @return 0; -ENOMEM */
int design__build(struct design *d, const struct cost_sample *samples, size_t n);
void design__free(struct design *d);
double design__predict(const struct design *d, size_t i, const double *terms);
/* |value - T| / T of sample i. */
double design__residual(const struct design *d, size_t i, const double *terms);

/*
 * Which terms are fitted. A knot that is not lies on the line between its free neighbours: flat below the first, in
 * proportion beyond the last; so the fitted curve is the one that cost__predict() reads off the full table. Another term
 * that is not is 0.
 */
struct basis {
	bool free[COST_TERMS];
};

/* Terms with weight enough in the samples that are taken (taken NULL: all). */
void basis__from_data(struct basis *b, const struct design *d, const uint16_t *taken);
/* The terms that are not free from those that are. */
void basis__fill(const struct basis *b, double *terms);
/* The free terms' indexes. @return how many */
size_t basis__free_terms(const struct basis *b, size_t *terms);

/* The weighted normal equations over the free terms. */
struct normal {
	size_t n;
	size_t term[COST_TERMS];
	double gram[COST_TERMS * COST_TERMS];	/* n x n */
	double xty[COST_TERMS];
};

/*
 * Huber's M-estimate under terms >= 0, by iterated weights: terms in and out (in: a guess; 0 throughout is none).
 * @taken	how often each sample counts; NULL: once
 * @scale	standard deviation of the weighted residuals; 0: estimated, and put there
 * @normal	the last equations; NULL
 */
void design__fit(const struct design *d, const uint16_t *taken, const struct basis *b, double *scale, double *terms,
		 struct normal *normal);

#endif
