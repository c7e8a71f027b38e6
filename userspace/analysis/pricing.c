/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/pricing.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Bytes of an element of keys or values: F16, llama.cpp's own default. What else it was set to, no header tells. */
#define KV_ELEMENT_BYTES 2

const char *step_role__name(enum step_role role)
{
	return role == ROLE_DRAFT ? "draft" : "target";
}

/* --------------------------------------------------------------------------------------------------------------- fits --- */

static void forget_unknown(const char **a, const char **b)
{
	if (!*a || !*b)
		*a = *b = "";
}

static bool has_model(const struct recording *r, const char *digest)
{
	bool any = false;

	for (size_t i = 0; i < r->n_models; i++) {
		if (r->models[i].digest && strcmp(r->models[i].digest, digest) == 0)
			return true;
		any |= r->models[i].digest != NULL;
	}
	return !any;
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
	if (key.model_digest && !has_model(r, key.model_digest)) {
		snprintf(why, size, "the cost model in this recording is of another weight file; calibrate again");
		return false;
	}
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

/* A model out of a file that a program has edited must not become a figure. */
static bool is_sound(const struct cost_model *m)
{
	const struct cost_row one = { .n_tokens = 1, .context = 1, .n_outputs = 1 };

	for (size_t i = 0; i < COST_TERMS; i++) {
		if (!isfinite(m->value[i]) || m->value[i] < 0)
			return false;
	}
	for (size_t i = 0; i < (size_t)m->n_draws * COST_TERMS; i++) {
		if (!isfinite(m->draws[i]) || m->draws[i] < 0)
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

/* The one weight file, or where there are several the one that the role's fit was made for. */
static void find_facts(struct ledger *l, enum step_role role)
{
	const struct recording *r = l->timeline->recording;

	for (size_t i = 0; i < l->fits.n; i++) {
		const struct fit *f = &l->fits.fits[i];

		for (size_t k = 0; k < r->n_models && f->key.model_digest; k++) {
			if (strcmp(f->cost.role, step_role__name(role)) == 0 && r->models[k].digest &&
			    strcmp(r->models[k].digest, f->key.model_digest) == 0) {
				read_facts(&l->facts[role], &r->models[k]);
				return;
			}
		}
	}
	if (r->n_models == 1 && role == ROLE_TARGET)
		read_facts(&l->facts[role], &r->models[0]);
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
	const struct fit *fit = fit_set__find(&l->fits, step_role__name(role), resource);

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

/* @return whether it is the rule that was asked for */
static bool choose(struct ledger *l, struct pricing *p, const struct rule *asked, enum step_role role, int resource)
{
	char no_fit[sizeof(p->why)] = "", why[sizeof(p->why)] = "";

	p->scope = (struct rule_scope){ .fixed_by = l->fixed_by, .facts = &l->facts[role] };
	p->median_residual = -1;
	use_fit(l, p, role, resource, no_fit, sizeof(no_fit));
	p->rule = asked ? asked : default_rules[0];
	if (p->rule->applies(&p->scope, why, sizeof(why)))
		return true;
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
				      wall ? COST_RESOURCE_WALL : l->resources[slot].row->id);
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
	const double own = p->rule->error(&p->scope);

	return p->form_error > own ? p->form_error : own;
}
