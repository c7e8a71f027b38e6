/* SPDX-License-Identifier: Apache-2.0 */
#include "output/json_cost.h"

#include <math.h>

#include "output/facts.h"
#include "output/json_detail.h"
#include "userspace/analysis/counterfactual.h"

/* Relative figures are of a fit: to six digits they say all that they know. */
static void put_relative(struct json_writer *w, const char *key, double value)
{
	json_writer__put_number(w, key, value < 1e6 ? round(value * 1e6) / 1e6 : value);
}

static void put_pricing(struct json_writer *w, const char *role, const struct pricing *p)
{
	json_writer__put_object(w, role);
	json_writer__put_string(w, "rule", p->rule->name);
	json_writer__put_string(w, "why", p->why[0] ? p->why : NULL);
	json_writer__put_integer(w, "n_steps", p->n_steps);
	put_relative(w, "median_residual", p->median_residual >= 0 ? p->median_residual : NAN);
	json_writer__put_bool(w, "drifted", p->drifted);
	json_writer__end_object(w);
}

static void put_resource(struct json_writer *w, const struct ledger *l, const char *name, size_t slot)
{
	bool open = false;

	for (int role = 0; role < N_ROLES; role++) {
		const struct pricing *p = &l->pricing[role][slot];

		if (!p->rule || p->n_steps == 0)
			continue;
		if (!open)
			json_writer__put_object(w, name);
		open = true;
		put_pricing(w, step_role__name((enum step_role)role), p);
	}
	if (open)
		json_writer__end_object(w);
}

static void put_by_resource(struct json_writer *w, const struct ledger *l)
{
	json_writer__put_object(w, "by_resource");
	for (size_t k = 0; k < l->n_resources; k++)
		put_resource(w, l, l->resources[k].row->name, k);
	json_writer__end_object(w);
}

/* Terms that the steps of the fit could not tell apart. */
static void put_merged(struct json_writer *w, const struct cost_model *m)
{
	char space[16];

	json_writer__put_array(w, "merged");
	for (size_t t = 0; t < COST_TERMS; t++) {
		if (m->merged_with[t] < 0)
			continue;
		json_writer__begin_object(w);
		json_writer__put_string(w, "term", cost_term__name(t, space, sizeof(space)));
		json_writer__put_string(w, "with", cost_term__name((size_t)m->merged_with[t], space, sizeof(space)));
		json_writer__end_object(w);
	}
	json_writer__end_array(w);
}

static bool is_used(const struct ledger *l, const struct fit *fit)
{
	for (size_t slot = 0; slot <= PRICING_WALL; slot++)
		for (int role = 0; role < N_ROLES; role++)
			if (pricing__fit_used(&l->pricing[role][slot]) == fit)
				return true;
	return false;
}

void json_cost__put_range(struct json_writer *w, const struct fit_range *range)
{
	if (!fit_range__known(range)) {
		json_writer__put_null(w, "range");
		return;
	}
	json_writer__put_object(w, "range");
	json_writer__put_integer(w, "least_context", range->least_context);
	json_writer__put_integer(w, "most_context", range->most_context);
	json_writer__put_integer(w, "least_rows", range->least_rows);
	json_writer__put_integer(w, "most_rows", range->most_rows);
	json_writer__put_integer(w, "least_tokens", range->least_tokens);
	json_writer__put_integer(w, "most_tokens", range->most_tokens);
	json_writer__end_object(w);
}

static void put_model(struct json_writer *w, const struct ledger *l, const struct fit *fit)
{
	const struct cost_model *m = &fit->cost;

	json_writer__begin_object(w);
	json_writer__put_string(w, "resource", fit__resource_name(fit, l->timeline->recording));
	json_writer__put_string(w, "role", m->role);
	json_writer__put_bool(w, "identified", m->identified);
	json_writer__put_string(w, "reason", m->reason[0] ? m->reason : NULL);
	json_writer__put_integer(w, "n_steps", m->n_steps);
	json_writer__put_integer(w, "n_held_out", m->n_held_out);
	put_relative(w, "sigma", m->sigma);
	put_relative(w, "model_error", m->model_error);
	put_relative(w, "median_residual", m->median_residual);
	put_relative(w, "condition", m->condition);
	put_merged(w, m);
	json_writer__put_bool(w, "used", is_used(l, fit));
	json_writer__put_string(w, "origin", fit->origin);
	json_writer__put_integer(w, "made_unix_ns", fit->made_unix_ns);
	json_writer__put_string(w, "model_name", fit->model_name);
	json_writer__put_string(w, "model_digest", fit->key.model_digest);
	put_relative(w, "waited", fit->waited);
	json_cost__put_range(w, &fit->range);
	json_writer__end_object(w);
}

/* What is said of the first one alone is also said of each in `models`: a draft's is of other weights. */
static void put_fit(struct json_writer *w, const struct ledger *l)
{
	const struct fit *first = l->fits.n ? &l->fits.fits[0] : NULL;

	if (!first) {
		json_writer__put_null(w, "fit");
		return;
	}
	json_writer__put_object(w, "fit");
	json_writer__put_string(w, "origin", first->origin);
	json_writer__put_integer(w, "made_unix_ns", first->made_unix_ns);
	json_writer__put_string(w, "model_name", first->model_name);
	json_writer__put_string(w, "model_digest", first->key.model_digest);
	json_writer__put_bool(w, "used", ledger__fit_used(l));
	json_writer__put_string(w, "engine", first->key.engine);
	json_writer__put_string(w, "engine_version", first->engine_version);
	json_writer__put_string(w, "build_id", first->key.build_id);
	json_writer__put_optional(w, "n_threads", first->key.n_threads);
	json_writer__put_string(w, "host", first->key.host);
	json_writer__put_array(w, "models");
	for (size_t i = 0; i < l->fits.n; i++)
		put_model(w, l, &l->fits.fits[i]);
	json_writer__end_array(w);
	json_writer__end_object(w);
}

static void put_excess(struct json_writer *w, const struct ledger *l)
{
	json_writer__put_object(w, "excess");
	json_writer__put_integer(w, "n_steps", l->excess.n_steps);
	for (int d = 0; d < N_DISTURBANCES; d++)
		json_writer__put_optional(w, disturbance_names[d], l->excess.n_by[d]);
	json_writer__put_integer(w, "unexplained", l->excess.n_unexplained);
	json_writer__put_object(w, "by_resource");
	for (size_t k = 0; k < l->n_resources; k++)
		if (l->excess.n_by_resource[k])
			json_writer__put_integer(w, l->resources[k].row->name, l->excess.n_by_resource[k]);
	json_writer__end_object(w);
	json_writer__end_object(w);
}

static void put_estimate(struct json_writer *w, const char *key, const struct estimate *e)
{
	json_writer__put_object(w, key);
	json_writer__put_integer(w, "value", llround(e->value));
	json_writer__put_integer(w, "low", llround(e->low));
	json_writer__put_integer(w, "high", llround(e->high));
	json_writer__end_object(w);
}

/* Resources that a model prices, and the duration of a step. */
static void each_priced(struct json_writer *w, const struct ledger *l,
			void (*put)(struct json_writer *, const struct ledger *, const char *, size_t))
{
	for (size_t k = 0; k < l->n_resources; k++)
		put(w, l, l->resources[k].row->name, k);
	put(w, l, COST_RESOURCE_WALL_NAME, PRICING_WALL);
}

static void put_marginal(struct json_writer *w, const struct ledger *l, const char *name, size_t slot)
{
	const int64_t most = pricing__most_context(l, &l->pricing[ROLE_TARGET][slot]);

	for (size_t i = 0; i < N_MARGINALS; i++) {
		struct marginal m;

		if (!counterfactual__marginal(l, slot, i, &m))
			return;
		json_writer__begin_object(w);
		json_writer__put_string(w, "resource", name);
		json_writer__put_integer(w, "context", marginal_contexts[i]);
		put_estimate(w, "alone", &m.alone);
		if (l->batch.n_rows)
			put_estimate(w, "in_batch", &m.in_batch);
		else
			json_writer__put_null(w, "in_batch");
		if (most == ABSENT)
			json_writer__put_null(w, "extrapolated");
		else
			json_writer__put_bool(w, "extrapolated", most < (int64_t)marginal_contexts[i]);
		json_writer__end_object(w);
	}
}

static void put_reference(struct json_writer *w, const struct ledger *l, const char *name, size_t slot)
{
	struct estimate e;

	if (counterfactual__reference(l, slot, &e))
		put_estimate(w, name, &e);
}

static void put_counterfactuals(struct json_writer *w, const struct ledger *l)
{
	if (l->batch.n_rows) {
		json_writer__put_object(w, "typical_batch");
		json_writer__put_integer(w, "n_rows", l->batch.n_rows);
		json_writer__put_integer(w, "context", l->batch.context);
		json_writer__end_object(w);
	} else {
		json_writer__put_null(w, "typical_batch");
	}
	json_writer__put_array(w, "marginal");
	each_priced(w, l, put_marginal);
	json_writer__end_array(w);
	json_writer__put_object(w, "reference_token");
	json_writer__put_string(w, "grade", "derived");
	each_priced(w, l, put_reference);
	json_writer__end_object(w);
}

void json_cost__put_attribution(struct json_writer *w, const struct ledger *l)
{
	const struct pricing *p = ledger__main_pricing(l);

	json_writer__put_object(w, "attribution");
	json_writer__put_string(w, "rule", p ? p->rule->name : l->rule->name);
	json_writer__put_string(w, "fixed_by", fixed_by_names[l->fixed_by]);
	put_fit(w, l);
	json_writer__put_string(w, "asked_rule", l->rule->name);
	put_by_resource(w, l);
	put_excess(w, l);
	put_counterfactuals(w, l);
	json_writer__end_object(w);
}

static void put_figures(struct json_writer *w, const struct ledger *l, const char *key, const int64_t *figures)
{
	if (!figures) {
		json_writer__put_null(w, key);
		return;
	}
	json_writer__put_object(w, key);
	json_detail__figures(w, l, figures, RESOURCE_ADDITIVE);
	json_writer__end_object(w);
}

void json_cost__put_bounds(struct json_writer *w, const struct ledger *l, const struct ledger_request *request)
{
	put_figures(w, l, "low", request->low);
	put_figures(w, l, "high", request->high);
	put_figures(w, l, "alone", request->alone);
	put_figures(w, l, "rejected", request->rejected);
}

void json_cost__put_reference_tokens(struct json_writer *w, const struct ledger *l, size_t i)
{
	struct estimate tokens;

	if (!request__reference_tokens(l, i, &tokens)) {
		json_writer__put_null(w, "reference_tokens");
		return;
	}
	json_writer__put_object(w, "reference_tokens");
	put_relative(w, "value", tokens.value);
	put_relative(w, "low", tokens.low);
	put_relative(w, "high", tokens.high);
	json_writer__end_object(w);
}

void json_cost__put_waited_for(struct json_writer *w, const struct recording *r, const struct waiting *wait)
{
	if (!wait || !wait->known) {
		json_writer__put_null(w, "waited_for");
		return;
	}
	json_writer__put_object(w, "waited_for");
	json_writer__put_array(w, "requests");
	for (uint32_t i = 0; i < wait->n; i++) {
		json_writer__begin_object(w);
		json_writer__put_integer(w, "id", r->requests[wait->named[i].request].id);
		json_writer__put_integer(w, "ns", wait->named[i].ns);
		json_writer__end_object(w);
	}
	json_writer__end_array(w);
	json_writer__put_integer(w, "others_ns", wait->others_ns);
	json_writer__put_integer(w, "unknown_ns", wait->unknown_ns);
	json_writer__put_integer(w, "host_ns", wait->host_ns);
	json_writer__end_object(w);
}
