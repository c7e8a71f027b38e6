/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/counterfactual.h"

#include <math.h>

#include "userspace/cost/features.h"
#include "userspace/cost/robust.h"

#define Z95 1.96

const uint32_t marginal_contexts[N_MARGINALS] = { 128, 2048, 8192 };

/* What is estimated, as a function of the model's terms. */
typedef double (*quantity)(const double *terms, const void *ctx);

/* @of_what: the figure that model_error is a part of; where the value is a difference, what it is a difference of */
static struct estimate estimate(const struct pricing *p, quantity of, quantity of_what, const void *ctx)
{
	const struct cost_model *m = p->scope.model;
	/* A figure that no measurement scales: with a fit that has drifted it is off by as much as the steps were. */
	const double here = p->drifted ? MAD_TO_SD * p->median_residual : 0;
	const double error = here > m->model_error ? here : m->model_error;
	struct estimate e = { .value = of(m->value, ctx) };
	const double whole = of_what(m->value, ctx);
	double sum = 0, half;

	for (uint32_t draw = 0; draw < m->n_draws; draw++) {
		const double off = of(m->draws + (size_t)draw * COST_TERMS, ctx) - e.value;

		sum += off * off;
	}
	half = m->n_draws ? sum / m->n_draws : 0;
	half = Z95 * sqrt(half + error * error * whole * whole);
	/* Nothing takes less than nothing; a difference may. */
	e.low = of == of_what && half > e.value ? 0 : e.value - half;
	e.high = e.value + half;
	return e;
}

static const struct pricing *priced(const struct ledger *l, size_t slot)
{
	const struct pricing *p = &l->pricing[ROLE_TARGET][slot];

	return p->rule && p->rule->by_model && !p->as_cpu && p->scope.model->n_draws ? p : NULL;
}

/* -------------------------------------------------------------------------------------------------- one more token --- */

struct one_more {
	struct typical_batch batch;
	uint32_t context;
};

static double alone(const double *terms, const void *ctx)
{
	const struct one_more *x = ctx;
	const struct cost_row row = { .n_tokens = 1, .context = x->context, .n_outputs = 1 };

	return cost__alone(terms, &row);
}

/* A decode step of n like rows: private parts and the curve, which is all of T where no row is longer than one token. */
static double in_batch(const double *terms, const void *ctx)
{
	const struct one_more *x = ctx;
	const struct cost_row row = { .n_tokens = 1, .context = x->context, .n_outputs = 1 };

	return curve__at(terms, x->batch.n_rows + 1.0) - curve__at(terms, x->batch.n_rows) + row__private(terms, &row);
}

/* The step with the one more in it. */
static double batch_step(const double *terms, const void *ctx)
{
	const struct one_more *x = ctx;
	const struct cost_row more = { .n_tokens = 1, .context = x->context, .n_outputs = 1 };
	const struct cost_row other = { .n_tokens = 1, .context = x->batch.context, .n_outputs = 1 };

	return curve__at(terms, x->batch.n_rows + 1.0) + x->batch.n_rows * row__private(terms, &other) +
	       row__private(terms, &more);
}

bool counterfactual__marginal(const struct ledger *l, size_t slot, size_t which, struct marginal *out)
{
	const struct one_more x = { l->batch, marginal_contexts[which] };
	const struct pricing *p = priced(l, slot);

	if (!p)
		return false;
	*out = (struct marginal){ .alone = estimate(p, alone, alone, &x) };
	if (l->batch.n_rows)
		out->in_batch = estimate(p, in_batch, batch_step, &x);
	return true;
}

/* ------------------------------------------------------------------------------------------------ a reference token --- */

static double reference(const double *terms, const void *ctx)
{
	const struct model_facts *facts = ctx;
	const struct cost_row row = { .n_tokens = 1, .context = REFERENCE_CONTEXT, .n_outputs = 1 };
	const double kv_bytes = 2 * REFERENCE_LAYERS * REFERENCE_WIDTH * 2;

	return curve__at(terms, 1) * (REFERENCE_WEIGHT_BYTES / facts->active_weight_bytes) + terms[COST_TERM_ROW] +
	       terms[COST_TERM_OUTPUT] +
	       terms[COST_TERM_CONTEXT] * (row.context + 1.0) * (kv_bytes / facts->kv_bytes_per_token) +
	       terms[COST_TERM_ATTENTION] * row__pairs(&row) *
		       (REFERENCE_LAYERS * REFERENCE_WIDTH / (facts->n_layers * facts->d_attn));
}

bool counterfactual__reference(const struct ledger *l, size_t slot, struct estimate *out)
{
	const struct model_facts *facts = l->pricing[ROLE_TARGET][slot].scope.facts;
	const struct pricing *p = priced(l, slot);

	if (!p || !facts || !(facts->active_weight_bytes > 0) || !(facts->kv_bytes_per_token > 0) ||
	    !(facts->n_layers > 0) || !(facts->d_attn > 0))
		return false;
	*out = estimate(p, reference, reference, facts);
	return out->value > 0 && out->value < COST_MOST && out->high < COST_MOST;
}
