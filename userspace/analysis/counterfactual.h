/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What would have been, by the fitted model: one more token of output at some context, in the recording's typical decode
 * step and alone; and one token of a reference model, to state costs in. All of it is derived, and has an interval.
 */
#ifndef TOKPROF_COUNTERFACTUAL_H
#define TOKPROF_COUNTERFACTUAL_H

#include "userspace/analysis/ledger.h"

struct estimate {
	double value, low, high;	/* 95 % */
};

#define N_MARGINALS 3
extern const uint32_t marginal_contexts[N_MARGINALS];

struct marginal {
	struct estimate
		in_batch; /* beside the typical batch; only where there is one. May be negative: G is not monotone */
	struct estimate alone;
};

/* @slot a resource's position in the ledger, or PRICING_WALL. @return false: no model prices it */
bool counterfactual__marginal(const struct ledger *l, size_t slot, size_t which, struct marginal *out);

/*
 * The reference token: one token of output, alone, of a 7-billion-parameter model in F16 with 2,048 tokens of context.
 * The shape is Llama 2 7B's (Touvron et al. 2023, table 1): 6,738,415,616 parameters, 32 layers, keys and values of width 4096.
 */
#define REFERENCE_PARAMETERS 6738415616.0
#define REFERENCE_WEIGHT_BYTES (2 * REFERENCE_PARAMETERS)
#define REFERENCE_LAYERS 32.0
#define REFERENCE_WIDTH 4096.0
#define REFERENCE_CONTEXT 2048

/*
 * Its cost by the fit of the server's own model: what streams weights scaled by bytes, keys and values by theirs, attention
 * by its arithmetic. @return false: no model prices the resource, or the shape of the weights is not known
 */
bool counterfactual__reference(const struct ledger *l, size_t slot, struct estimate *out);

#endif
