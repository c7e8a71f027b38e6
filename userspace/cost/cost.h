/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cost model of a step: what one forward pass takes of a resource, as a function of the rows that it computes, and
 * what each row's part of that is.
 *
 * A step runs its rows in parts (ubatches). With, for row i of a part, q tokens computed, L tokens of context before
 * them and o outputs wanted, and Q the sum of q over the part's rows:
 *
 *	T(part) = G(Q) + sum over rows ( r + k (L + q) + h (q L + q (q + 1) / 2) + p o ) + e * [mixed] * (rows of one token)
 *
 * G is the joint part: a curve through free values at the knots of `cost_knots`, straight between them. It holds the
 * fixed cost, the streaming of the weights and the matrix products, whose speed on a CPU jumps with the number of tokens (measured on
 * llama.cpp: 4 rows cost more than 5), so no max(W, f Q) fits it. The rest is private to the rows: k the reading of the
 * row's own keys and values, h its attention arithmetic, p its outputs. `mixed`: the part has both rows of one token
 * and longer ones.
 *
 * The share of a row is its Shapley value in T over the rows of its part: the private terms are the row's own, G is shared
 * by the average of G(Q_S + q) - G(Q_S) over all orders in which the rows could have come, and of each e the row of one
 * token bears m / (m + 1) where m rows are longer, and these the rest. It sums to T.
 */
#ifndef TOKPROF_COST_H
#define TOKPROF_COST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/analysis/fixed_by.h"

#define COST_RESOURCE_WALL 0	/* beside enum resource_id: ns from a step's start to its end */
#define COST_RESOURCE_WALL_NAME "step_ns"	/* in every output */

/* No figure of a fit is more, in any unit (a fortnight in ns, a petabyte): beyond, it is damaged. */
#define COST_MOST 1e15

/* One sequence's rows in one part. */
struct cost_row {
	uint32_t n_tokens;	/* q >= 1 */
	uint32_t context;	/* L: tokens before the first of them */
	uint32_t n_outputs;	/* o */
	uint32_t owner;		/* request that it belongs to; rows of one owner are one player with FIXED_BY_REQUEST */
};

#define COST_KNOTS 32
extern const uint32_t cost_knots[COST_KNOTS];	/* 1, 2, 3, ... rising; beyond the last G grows in proportion */

/* Terms of T: first the values of G at the knots, then the coefficients. */
enum cost_term {
	COST_TERM_ROW = COST_KNOTS,	/* r: per row */
	COST_TERM_CONTEXT,		/* k: per token of L + q */
	COST_TERM_ATTENTION,		/* h: per pair of q L + q (q + 1) / 2 */
	COST_TERM_OUTPUT,		/* p: per output */
	COST_TERM_MIXED,		/* e: per row of one token beside a longer one */
	COST_TERMS,
};
const char *cost_term__name(size_t term, char *space, size_t size);	/* "G(8)", "row", "context", ... */
int cost_term__find(const char *name);	/* -1: there is none of this name */

/* The model of one resource in one role ("target", "draft"). Values in the resource's unit (ns, bytes, ...) */
struct cost_model {
	int resource;			/* enum resource_id or COST_RESOURCE_WALL */
	const char *role;
	double value[COST_TERMS];	/* >= 0 */
	double low[COST_TERMS], high[COST_TERMS];	/* 95 %, circular block bootstrap over steps */
	bool fitted[COST_TERMS];	/* false: no data; a knot without data is interpolated from its neighbours */
	int32_t merged_with[COST_TERMS]; /* the term that it could not be told from (hardly, where fitted); -1 */
	double sigma;			/* robust relative standard deviation of one step about the model */
	double model_error;		/* the same of the mean of many steps of one composition: does not average out */
	double median_residual;		/* median |residual| / T, held out */
	double condition;		/* condition number of the scaled columns */
	int64_t n_steps, n_held_out;
	bool identified;		/* else shares fall back to the affine rule */
	char reason[160];		/* why it is not identified; "" */
	uint32_t n_draws;
	double *draws;			/* n_draws x COST_TERMS bootstrap replicates; owned by the fit set */
};

/* T of one part. */
double cost__predict(const double *terms, const struct cost_row *rows, size_t n);
/* T of row i alone in its part. */
double cost__alone(const double *terms, const struct cost_row *row);
/*
 * The rows' shares of T of one part; they sum to cost__predict() but for rounding. Exact for any number of rows of one
 * token beside up to 6 of other lengths, else by the mean-field limit of the Shapley value, scaled to sum to T.
 * FIXED_BY_TOKEN shares G by tokens; FIXED_BY_REQUEST makes the owners the players and shares inside one by tokens.
 * O(n) for the usual steps. @return 0, -ENOMEM
 */
int cost__share(const double *terms, const struct cost_row *rows, size_t n, enum fixed_by fixed_by, double *shares);

/* --------------------------------------------------------------------------------------------------------- fitting --- */

struct cost_sample {			/* one step */
	const struct cost_row *rows;	/* of all parts, one after the other */
	const uint32_t *part_end;	/* n_parts ends of parts in rows */
	size_t n_parts;
	double value;			/* measured */
	uint64_t start_ns;		/* for blocks in time */
};

struct cost_fit_options {
	uint32_t n_draws;		/* bootstrap replicates to keep; 0: 64 */
	uint64_t seed;			/* of the portable generator; fixed by the caller */
	bool hold_out;			/* every second block of steps judges the fit of the others, then all are fitted */
	double unknown;			/* half of a 95 % interval over its value from which on a fit that needs the term is not
					   identified; 0: 1, where 0 is as good. What is below is in the intervals of every share. */
};

/*
 * Non-negative least squares with Huber weights (iterated), sums in a fixed order. out->draws is allocated; role and
 * resource are the caller's to set, afterwards. Samples that are no measurement (not finite, 0, negative, beyond 2^62) are
 * left out.
 * @return 0; -ENODATA fewer than 8 usable samples, or no variation; -ENOMEM
 */
int cost__fit(struct cost_model *out, const struct cost_sample *samples, size_t n,
	      const struct cost_fit_options *options);
void cost__free(struct cost_model *m);

#endif
