/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simpler ways to share a step, to hold the cost model against (`report --rule`): in proportion to arithmetic or to
 * memory traffic by the facts of the model file, and the two closed forms with coefficients of their own, by fits.
 *
 *	affine		T = a + sum over rows of ( t q + k (L + q) + h pairs )
 *	roofline	T = c0 + max(W + sum b (L + q), sum ( f q + h pairs ))		(design.md, section 6)
 *
 * pairs being q L + q (q + 1) / 2. All are of one part of a step; a step's T is the sum over its parts.
 */
#ifndef TOKPROF_COST_BASELINES_H
#define TOKPROF_COST_BASELINES_H

#include "userspace/cost/cost.h"

/* From the weight file's header. A figure that is not above 0 is not known. */
struct model_facts {
	double active_params;		/* parameters that one token meets: all, but for a mixture of experts */
	double active_weight_bytes;	/* read once per part */
	double n_layers, d_attn;	/* width of all of a layer's query heads together */
	double kv_bytes_per_token;	/* keys and values of all layers */
};

/*
 * Weights (not scaled to any T) by floating-point operations: 2 P q + 4 layers d_attn pairs.
 * @return 0; -ENODATA: the facts for it are not known
 */
int baseline__flop(const struct model_facts *facts, const struct cost_row *rows, size_t n, double *weights);
/* The same by bytes moved: the row's part of the weights, by `fixed_by`, and its keys and values. -ENOMEM too */
int baseline__bytes(const struct model_facts *facts, const struct cost_row *rows, size_t n, enum fixed_by fixed_by,
		    double *weights);

struct affine_fit {
	double fixed, token, context, pair;
	double median_residual;		/* median |residual| / T of the steps that it was fitted to */
};

struct roofline_fit {
	double fixed, weights;		/* c0, W */
	double context;			/* b: per token of L + q */
	double token, pair;		/* f, h */
	double median_residual;
};

/* Non-negative least squares with Huber weights. @return 0; -ENODATA: fewer than 8 usable samples; -ENOMEM */
int affine__fit(struct affine_fit *out, const struct cost_sample *samples, size_t n);
/*
 * The same, alternating with the choice of which side of max() each part is on, from several first choices; the best
 * by the median residual is kept.
 */
int roofline__fit(struct roofline_fit *out, const struct cost_sample *samples, size_t n);

double affine__predict(const struct affine_fit *fit, const struct cost_row *rows, size_t n);
double roofline__predict(const struct roofline_fit *fit, const struct cost_row *rows, size_t n);

/*
 * Shares that sum to the prediction but for rounding. What is fixed is shared by `fixed_by`; the roofline's rest by the
 * price of Aumann and Shapley: with D = sum (f_i - b_i), t b_i + (1 - t) f_i, t being 1 where D <= W, else W / D.
 * @return 0, -ENOMEM
 */
int affine__share(const struct affine_fit *fit, const struct cost_row *rows, size_t n, enum fixed_by fixed_by,
		  double *shares);
int roofline__share(const struct roofline_fit *fit, const struct cost_row *rows, size_t n, enum fixed_by fixed_by,
		    double *shares);

#endif
