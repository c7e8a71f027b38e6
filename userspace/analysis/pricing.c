/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/pricing.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define NO_FIT "no cost model in this recording: run tokprof calibrate -p PID on the server once, then record it again"

const char *step_role__name(enum step_role role)
{
	return role == ROLE_DRAFT ? "draft" : "target";
}

/* A model out of a file that a program has edited must not become a figure. */
static bool is_sound(const struct cost_model *m)
{
	for (size_t i = 0; i < COST_TERMS; i++) {
		if (!isfinite(m->value[i]) || m->value[i] < 0)
			return false;
	}
	for (size_t i = 0; i < (size_t)m->n_draws * COST_TERMS; i++) {
		if (!isfinite(m->draws[i]) || m->draws[i] < 0)
			return false;
	}
	return isfinite(m->sigma) && m->sigma >= 0 && isfinite(m->model_error) && m->model_error >= 0 &&
	       isfinite(m->median_residual) && m->median_residual >= 0 &&
	       cost__predict(m->value, &(struct cost_row){ 1, 1, 1, 0 }, 1) > 0;
}

static const struct ledger_fit *find_fit(const struct ledger_options *options, enum step_role role, int resource)
{
	for (size_t i = 0; options && i < options->n_fits; i++) {
		const struct cost_model *m = options->fits[i].model;

		if (m->resource == resource && m->role && strcmp(m->role, step_role__name(role)) == 0)
			return &options->fits[i];
	}
	return NULL;
}

static void fall_back(struct pricing *p, const char *why_not)
{
	char why[sizeof(p->why)];

	snprintf(p->why, sizeof(p->why), "%s", why_not);
	for (size_t i = 0; default_rules[i]; i++) {
		p->rule = default_rules[i];
		if (p->rule->applies(&p->scope, why, sizeof(why)))
			return;
	}
}

/* @return whether it is the rule that was asked for */
static bool choose(struct pricing *p, const struct rule *asked, const struct ledger_options *options,
		   enum step_role role, int resource)
{
	const struct ledger_fit *fit = find_fit(options, role, resource);
	char why[sizeof(p->why)] = "";
	const bool sound = fit && is_sound(fit->model);

	p->median_residual = -1;
	if (fit && sound) {
		p->scope.model = fit->model;
		p->scope.affine = fit->affine;
		p->scope.roofline = fit->roofline;
	}
	p->rule = asked ? asked : default_rules[0];
	if (p->rule->applies(&p->scope, why, sizeof(why)))
		return true;
	if (fit && !sound)
		fall_back(p, "the cost model in this recording has values that no fit can give");
	else if (!asked && (!options || options->n_fits == 0))
		fall_back(p, NO_FIT);
	else
		fall_back(p, why);
	return false;
}

int pricing__choose(struct ledger *l, const struct ledger_options *options)
{
	const struct rule *asked = options ? options->rule : NULL;
	bool any = false;

	l->rule = asked ? asked : default_rules[0];
	for (size_t role = 0; role < N_ROLES; role++) {
		for (size_t slot = 0; slot <= PRICING_WALL; slot++) {
			struct pricing *p = &l->pricing[role][slot];
			const bool wall = slot == PRICING_WALL;

			p->scope.fixed_by = l->fixed_by;
			p->scope.facts = options && role == ROLE_TARGET ? options->facts : NULL;
			if (!wall && (slot >= l->n_resources || !l->resources[slot].measured ||
				      l->resources[slot].row->kind != RESOURCE_ADDITIVE))
				continue;
			any |= choose(p, asked, options, (enum step_role)role,
				      wall ? COST_RESOURCE_WALL : l->resources[slot].row->id);
		}
	}
	if (!asked || any)
		return 0;
	if (options->error)
		snprintf(options->error, options->error_size, "%s", l->pricing[ROLE_TARGET][PRICING_WALL].why);
	return -ENOTSUP;
}
