/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/pricing.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "userspace/analysis/ratios.h"
#include "userspace/analysis/traffic.h"

/* Bytes of an element of keys or values: F16, llama.cpp's own default. What else it was set to, no header tells. */
#define KV_ELEMENT_BYTES 2

/* --------------------------------------------------------------------------------------------------------------- fits --- */

static void forget_unknown(const char **a, const char **b)
{
	if (!*a || !*b)
		*a = *b = "";
}

/* Made of the steps of this recording, and not carried into it: then it needs no digest to be of its weights. */
static bool is_own(const struct recording *r, const struct fit *fit)
{
	const int64_t begun = recording__meta_int(r, "origin_unix_ns");

	return (fit->origin && strcmp(fit->origin, FIT_ORIGIN_RECORDING) == 0) ||
	       (begun != ABSENT && fit->made_unix_ns >= begun);
}

static bool has_model(const struct recording *r, const struct fit *fit, char *why, size_t size)
{
	const char *digest = fit->key.model_digest;
	char unknown[160];
	const struct row_model *model =
		fit_key__model(r, strcmp(fit->cost.role, "draft") == 0, unknown, sizeof(unknown));

	if (digest && model) {
		if (strcmp(digest, model->digest) == 0)
			return true;
		snprintf(why, size, "the cost model in this recording is of another weight file; calibrate again");
		return false;
	}
	/* Two servers or models in one recording: no fit of one is a fit of the others. */
	if (!fit_key__several(r, unknown, sizeof(unknown)) && is_own(r, fit))
		return true;
	snprintf(why, size, "the cost model in this recording cannot be known to be of these weights: %.120s",
		 unknown[0] ? unknown :
		 digest	    ? "no weight file was read" :
			      "it does not say which weights it is of");
	return false;
}

/*
 * Was the fit made for what was recorded? The recorder looks for one whose key is the same in every field; this is against a
 * fit that got into the file otherwise. Threads are not compared: how many compute is known from a long recording only.
 */
static bool holds_here(const struct recording *r, const struct fit *fit, char *why, size_t size)
{
	struct fit_key key = fit->key, here;
	char words[160];

	fit_key__from_recording(&here, r, NULL);
	if (!has_model(r, fit, why, size))
		return false;
	key.model_digest = here.model_digest = "";
	here.n_threads = key.n_threads = 0;
	forget_unknown(&key.engine, &here.engine);
	forget_unknown(&key.build_id, &here.build_id);
	forget_unknown(&key.host, &here.host);
	forget_unknown(&key.cpu_model, &here.cpu_model);
	if (fit_key__differences(&key, &here, words, sizeof(words)) == 0)
		return true;
	snprintf(why, size, "the cost model in this recording was made elsewhere: %.120s; calibrate again", words);
	return false;
}

static bool are_sound(const double *terms)
{
	const struct cost_row far = { .n_tokens = 1, .context = 8192, .n_outputs = 1 };

	for (size_t i = 0; i < COST_TERMS; i++) {
		if (!(terms[i] >= 0 && terms[i] < COST_MOST))
			return false;
	}
	return cost__alone(terms, &far) < COST_MOST;
}

/* A model out of a file that a program has edited must not become a figure. */
static bool is_sound(const struct cost_model *m)
{
	const struct cost_row one = { .n_tokens = 1, .context = 1, .n_outputs = 1 };

	if (!are_sound(m->value))
		return false;
	for (size_t i = 0; i < m->n_draws; i++) {
		if (!are_sound(m->draws + i * COST_TERMS))
			return false;
	}
	return isfinite(m->sigma) && m->sigma >= 0 && isfinite(m->model_error) && m->model_error >= 0 &&
	       isfinite(m->median_residual) && m->median_residual >= 0 && cost__alone(m->value, &one) > 0;
}

static int load_fits(struct ledger *l)
{
	const struct recording *r = l->timeline->recording;
	char error[sizeof(l->no_fits) - 32];
	int err;

	snprintf(l->no_fits, sizeof(l->no_fits),
		 "no cost model in this recording: run tokprof calibrate -p PID on the server, then record again");
	if (r->n_fits == 0)
		return 0;
	err = fit_set__from_recording(&l->fits, r, error, sizeof(error));
	if (err != -EBADMSG)
		return err;
	snprintf(l->no_fits, sizeof(l->no_fits), "the cost model cannot be read: %s", error);
	return 0;
}

/* -------------------------------------------------------------------------------------------------------------- facts --- */

static double known(int64_t figure)
{
	return figure == ABSENT ? 0 : (double)figure;
}

static void read_facts(struct model_facts *out, const struct row_model *m)
{
	*out = (struct model_facts){
		.active_params = known(m->active_params),
		.active_weight_bytes = known(m->active_weight_bytes),
		.n_layers = known(m->n_layers),
		.kv_bytes_per_token = KV_ELEMENT_BYTES * known(m->kv_elements_per_token),
	};
	/* Two products of keys and values with each pair, two operations each. */
	if (out->n_layers > 0)
		out->d_attn = known(m->attention_flops_per_pair) / 4 / out->n_layers;
}

static void find_facts(struct ledger *l, enum step_role role)
{
	const struct recording *r = l->timeline->recording;
	char why[160];
	const struct row_model *m = fit_key__model(r, role == ROLE_DRAFT, why, sizeof(why));

	if (!m && r->n_models == 1 && role == ROLE_TARGET)
		m = &r->models[0];
	if (m)
		read_facts(&l->facts[role], m);
}

/* ------------------------------------------------------------------------------------------------------------- choice --- */

static void fall_back(struct pricing *p, const char *why_not)
{
	char unused[sizeof(p->why)];

	snprintf(p->why, sizeof(p->why), "%s", why_not);
	for (size_t i = 0; default_rules[i]; i++) {
		p->rule = default_rules[i];
		if (p->rule->applies(&p->scope, unused, sizeof(unused)))
			return;
	}
}

/* What of the role's fit for the resource can be used; why not goes to `why`. */
static void use_fit(struct ledger *l, struct pricing *p, enum step_role role, int resource, char *why, size_t size)
{
	const struct fit *fit = fit__find(l->fits.fits, l->fits.n, step_role__name(role), resource);

	if (!fit || !holds_here(l->timeline->recording, fit, why, size))
		return;
	if (!is_sound(&fit->cost)) {
		snprintf(why, size, "the cost model in this recording has values that no fit can give");
		return;
	}
	p->fit = fit;
	p->scope.model = &fit->cost;
	p->scope.affine = fit->has_affine ? &fit->affine : NULL;
	p->scope.roofline = fit->has_roofline ? &fit->roofline : NULL;
}

/*
 * What a step touches needs no fit. It also divides what was counted, where no other rule was asked for: counters do not tell rows apart.
 */
static bool choose_for_traffic(struct ledger *l, struct pricing *p, const struct rule *asked, enum step_role role)
{
	char why[sizeof(p->why)];

	p->scope.traffic = &l->traffic->weights[role];
	if ((asked && !asked->by_fit) || !rule_touched.applies(&p->scope, why, sizeof(why)))
		return false;
	p->rule = &rule_touched;
	return true;
}

/* @return whether it is the rule that was asked for */
static bool choose(struct ledger *l, struct pricing *p, const struct rule *asked, enum step_role role, int resource,
		   bool event)
{
	char no_fit[sizeof(p->why)] = "", why[sizeof(p->why)] = "";

	p->scope = (struct rule_scope){ .fixed_by = l->fixed_by, .facts = &l->facts[role] };
	p->median_residual = -1;
	if (resource == RESOURCE_MEM_BYTES && choose_for_traffic(l, p, asked, role))
		return false;
	use_fit(l, p, role, resource, no_fit, sizeof(no_fit));
	/* Otherwise cycles would be divided by one rule and the time that they took by another, and a request's frequency be none. */
	if (!p->fit && event) {
		use_fit(l, p, role, RESOURCE_CPU_NS, no_fit, sizeof(no_fit));
		p->as_cpu = p->fit != NULL;
	}
	p->rule = asked ? asked : default_rules[0];
	if (p->rule->applies(&p->scope, why, sizeof(why))) {
		if (p->as_cpu && p->rule->by_model)
			snprintf(p->why, sizeof(p->why), "%s",
				 "divided as CPU time is: there is no cost model of these events");
		return true;
	}
	if (no_fit[0])
		fall_back(p, no_fit);
	else
		fall_back(p, !asked && l->fits.n == 0 ? l->no_fits : why);
	return false;
}

int pricing__choose(struct ledger *l, const struct ledger_options *options)
{
	const struct rule *asked = options ? options->rule : NULL;
	bool any = false;
	int err = load_fits(l);

	if (err)
		return err;
	l->rule = asked ? asked : default_rules[0];
	for (size_t role = 0; role < N_ROLES; role++) {
		find_facts(l, (enum step_role)role);
		for (size_t slot = 0; slot <= PRICING_WALL; slot++) {
			const bool wall = slot == PRICING_WALL;

			if (!wall && (slot >= l->n_resources || !l->resources[slot].measured ||
				      l->resources[slot].row->kind != RESOURCE_ADDITIVE))
				continue;
			any |= choose(l, &l->pricing[role][slot], asked, (enum step_role)role,
				      wall ? COST_RESOURCE_WALL : l->resources[slot].row->id,
				      !wall && resource__is_event(l->resources[slot].row));
		}
	}
	if (!asked || any)
		return 0;
	if (options->error)
		snprintf(options->error, options->error_size, "%s", l->pricing[ROLE_TARGET][PRICING_WALL].why);
	return -ENOTSUP;
}

double pricing__error(const struct pricing *p)
{
	const double own = p->scope.model->model_error;

	return p->form_error > own ? p->form_error : own;
}
