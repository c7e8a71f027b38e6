/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/compute.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/facts.h"
#include "userspace/analysis/meters.h"
#include "userspace/analysis/pricing.h"
#include "userspace/analysis/step_view.h"
#include "userspace/analysis/survey.h"
#include "userspace/cost/features.h"

#define Z95 1.96
#define SIGMAS 3
#define MINUTE_NS 60000000000ull
#define MINUTES_AN_HOUR 60
/* Clock frequency, neighbours and caches are not known to make one host so many times faster than when it was calibrated. */
#define DRIFT_AT_MOST 3
/*
 * By how much of its price a token may have become cheaper since it was calibrated, for nothing that can be seen: the same requests on
 * a quiet machine took between 0.93 and 1.16 of their median in stretches of 20 s over hours (docs/accuracy.md).
 */
#define MOOD 0.25
/* With a 95 % interval wider than that, half of the tokens may be missing and nothing would be seen: no word for the counts. */
#define BACKS_AT_MOST 0.5

struct summing {
	struct compute *c;
	const struct verify_input *in;
	struct row_range *ranges;
	struct step_view view;
	double *shares;
	size_t shares_capacity;
	/* Features of the steps that have prompts in them, and of the others: T is linear in the terms. */
	double features[2][COST_TERMS];
	uint64_t last_minute;
};

static const struct pricing *pricing_of(const struct summing *s, enum step_role role)
{
	return &s->in->ledger->pricing[role][s->c->position];
}

static bool is_priced(const struct pricing *p)
{
	return p->rule && p->rule->by_model && p->fit && p->fit->origin &&
	       strcmp(p->fit->origin, FIT_ORIGIN_CALIBRATE) == 0;
}

static const char *why_missing(const struct ledger *l, int position)
{
	const struct pricing *p;

	if (position < 0 || !l->resources[position].measured)
		return "CPU time was not measured";
	p = &l->pricing[ROLE_TARGET][position];
	if (is_priced(p) && (isnan(p->fit->waited) || p->fit->key.n_threads == ABSENT))
		return "its cost model does not say how long other programs kept the server's threads waiting while it "
		       "was made; run tokprof calibrate -p PID again, then record again";
	if (p->fit && p->fit->origin && strcmp(p->fit->origin, FIT_ORIGIN_RECORDING) == 0)
		return "its cost model was fitted to the very steps that it would have to judge; run tokprof calibrate "
		       "-p PID on the server, then record again";
	if (p->rule && p->rule->by_model && p->fit)
		return is_priced(p) ? NULL : "its cost model does not say that it was calibrated";
	return p->why[0] ? p->why : "the recording has no cost model";
}

static int reserve(struct summing *s)
{
	double *moved = array__reserve(s->shares, &s->shares_capacity, s->view.n, sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	s->shares = moved;
	return 0;
}

static void book(struct summing *s, double factor, bool unpriced)
{
	const struct timeline *t = s->in->timeline;

	for (size_t i = 0; i < s->view.n; i++) {
		const struct timeline_row *row = &t->rows[s->view.row_of[i]];
		const uint32_t request =
			row->run == RUN_NONE || row->recompute ? REQUEST_NONE : t->runs[row->run].request;
		struct compute_request *q;

		if (request == REQUEST_NONE)
			continue;
		q = &s->c->requests[request];
		q->unpriced |= unpriced;
		if (unpriced)
			continue;
		if (row->phase == PHASE_PREFILL || row->phase == PHASE_EMBED || row->phase == PHASE_ENCODE)
			q->prompt += factor * s->shares[i];
		else
			q->completion += factor * s->shares[i];
	}
}

static void note_features(struct summing *s)
{
	bool has_prompt = false;
	size_t first = 0;

	for (size_t i = 0; i < s->view.n; i++)
		has_prompt |= s->in->timeline->rows[s->view.row_of[i]].phase == PHASE_PREFILL;
	for (size_t part = 0; part < s->view.n_parts; part++) {
		features__add(s->features[has_prompt], s->view.rows + first, s->view.part_end[part] - first);
		first = s->view.part_end[part];
	}
}

/* Steps come by their start. */
static void note_minute(struct summing *s, uint64_t time_ns, struct compute_hour *hour)
{
	const uint64_t minute = time_ns > s->c->begin_ns ? (time_ns - s->c->begin_ns) / MINUTE_NS : 0;

	if (s->c->n_minutes && minute <= s->last_minute)
		return;
	s->last_minute = minute;
	s->c->n_minutes++;
	hour->n_minutes++;
}

static int sum_step(struct summing *s, uint32_t step)
{
	const struct recording *r = s->in->recording;
	const enum step_role role = step__role(r, &r->steps[step]);
	const struct pricing *p = pricing_of(s, role);
	const int64_t use = recording__step_use(r, r->steps[step].id, RESOURCE_CPU_NS);
	const double most = 1 + SIGMAS * sqrt(s->c->sigma * s->c->sigma + s->c->form * s->c->form);
	struct compute_hour *hour;
	struct rule_step view;
	double expected = 0;
	int err = step_view__set(&s->view, s->in->timeline, s->ranges, step);

	if (err || s->view.n == 0)
		return err;
	err = reserve(s);
	if (err)
		return err;
	view = step_view__step(&s->view);
	/* A draft model that was not calibrated: its steps are left out on both sides. */
	if (role == ROLE_DRAFT && !is_priced(p))
		return 0;
	if (use == ABSENT || use < 0) {
		book(s, 0, true);
		return 0;
	}
	err = p->rule->share(&p->scope, &view, s->shares);
	for (size_t i = 0; i < s->view.n; i++)
		expected += s->shares[i];
	if (err || !(expected > 0))
		return err;
	book(s, 1, false);
	if (role == ROLE_TARGET) {
		const double counted = fmin((double)use, expected * most);

		s->c->expected += expected;
		s->c->measured += counted;
		hour = &s->c->hours[compute__hour(s->c, r->steps[step].start_ns)];
		note_minute(s, r->steps[step].start_ns, hour);
		hour->expected += expected;
		hour->measured += counted;
		s->c->n_steps++;
		note_features(s);
	}
	return 0;
}

/* How far the calibration's replicates go apart over the recorded compositions: the wider of prompts and generations. */
static double spread_of(const struct summing *s, const struct cost_model *m)
{
	double widest = 0;

	for (size_t kind = 0; kind < 2; kind++) {
		double base = 0, sum = 0;

		for (size_t t = 0; t < COST_TERMS; t++)
			base += s->features[kind][t] * m->value[t];
		for (uint32_t d = 0; d < m->n_draws && base > 0; d++) {
			double again = 0;

			for (size_t t = 0; t < COST_TERMS; t++)
				again += s->features[kind][t] * m->draws[(size_t)d * COST_TERMS + t];
			sum += (again / base - 1) * (again / base - 1);
		}
		if (m->n_draws && sqrt(sum / m->n_draws) > widest)
			widest = sqrt(sum / m->n_draws);
	}
	return widest;
}

/* Of n statements none shall be refuted by chance: Bonferroni, one-sided 2.5 %, n rounded up to a power of ten. */
static double z_of(size_t n)
{
	static const double z[] = { Z95, 2.81, 3.49, 4.06, 4.57, 5.03, 5.46 };
	size_t power = 0;

	for (size_t most = 1; most < n && power + 1 < sizeof(z) / sizeof(*z); most *= 10)
		power++;
	return z[power];
}

static int set_times(struct compute *c, const struct recording *r)
{
	const uint64_t to = r->n_steps ? r->steps[r->n_steps - 1].start_ns : 0;

	c->begin_ns = r->n_steps ? r->steps[0].start_ns : 0;
	/* No time of a recording is beyond 2^62 ns, so that the hours are few enough for 32 bits. */
	c->n_hours = 1 + (uint32_t)(to > c->begin_ns ? (to - c->begin_ns) / (MINUTES_AN_HOUR * MINUTE_NS) : 0);
	c->hours = array__zeroed(c->n_hours, sizeof(*c->hours));
	return c->hours ? 0 : -ENOMEM;
}

uint32_t compute__hour(const struct compute *c, uint64_t time_ns)
{
	const uint64_t hour = time_ns > c->begin_ns ? (time_ns - c->begin_ns) / (MINUTES_AN_HOUR * MINUTE_NS) : 0;

	return hour < c->n_hours ? (uint32_t)hour : c->n_hours - 1;
}

int compute__open(struct compute *c, const struct verify_input *in, size_t n_statements)
{
	const struct pricing *p;
	struct summing s = { .c = c, .in = in };
	int err = 0;

	memset(c, 0, sizeof(*c));
	c->position = resources__find(in->ledger->resources, in->ledger->n_resources, RESOURCE_CPU_NS);
	c->missing = why_missing(in->ledger, c->position);
	if (c->missing)
		return 0;
	p = &in->ledger->pricing[ROLE_TARGET][c->position];
	c->z = z_of(n_statements);
	err = set_times(c, in->recording);
	c->drifted = p->drifted;
	c->prices_drafts = is_priced(&in->ledger->pricing[ROLE_DRAFT][c->position]);
	c->sigma = p->scope.model->sigma;
	/* What this recording's steps differ by is no measure where they may be forged. */
	c->form = p->drifted ? p->scope.model->model_error : pricing__error(p);
	/* While one thread waits for a CPU, the others may spin for it: what they took then is no price of any token. */
	c->waited = p->fit->waited * (double)(p->fit->key.n_threads > 1 ? p->fit->key.n_threads - 1 : 0);
	c->bias = p->median_residual > 0 ? p->median_residual : 0;
	c->requests = array__zeroed(in->recording->n_requests, sizeof(*c->requests));
	s.ranges = rows__ranges(in->recording);
	if (!err && (!c->requests || !s.ranges))
		err = -ENOMEM;
	for (uint32_t step = 0; step < in->recording->n_steps && !err; step++)
		err = sum_step(&s, step);
	c->spread = spread_of(&s, p->scope.model);
	if (c->n_steps == 0)
		c->missing = "no step with CPU time was recorded";
	free(s.ranges);
	free(s.shares);
	step_view__free(&s.view);
	if (err)
		compute__close(c);
	return err;
}

void compute__close(struct compute *c)
{
	free(c->requests);
	free(c->hours);
	memset(c, 0, sizeof(*c));
}

double compute__half_width(const struct compute *c, struct compute_scope scope)
{
	const uint32_t minutes = scope.n_minutes ? scope.n_minutes : 1;
	const double half = scope.z * sqrt(c->spread * c->spread + c->form * c->form + c->sigma * c->sigma / minutes) +
			    (c->drifted ? 0 : c->bias) + c->waited + MOOD;

	return half < 1 ? half : 1;
}

struct compute_scope compute__statement(const struct compute *c)
{
	return (struct compute_scope){ c->z, 1 };
}

struct compute_scope compute__of_hour(const struct compute *c, uint32_t hour)
{
	return (struct compute_scope){ z_of(c->n_hours), c->hours[hour].n_minutes };
}

struct compute_scope compute__recording(const struct compute *c)
{
	return (struct compute_scope){ Z95, c->n_minutes };
}

enum backing compute__judge(const struct compute *c, double needed, double measured, struct compute_scope scope)
{
	/* To accuse one of many takes more than to believe one. */
	const double half = compute__half_width(c, (struct compute_scope){ Z95, scope.n_minutes });
	const double least = needed * (1 - compute__half_width(c, scope));

	if (!(needed > 0))
		return BACKING_HOLDS;
	if (measured < least)
		return c->drifted && measured >= least / DRIFT_AT_MOST ? BACKING_OPEN : BACKING_SHORT;
	return !c->drifted && half <= BACKS_AT_MOST && measured >= needed * (1 - half) ? BACKING_HOLDS : BACKING_OPEN;
}

double compute__inflation(const struct compute *c, double needed, double measured, struct compute_scope scope)
{
	const double least = needed * (1 - compute__half_width(c, scope)) / (c->drifted ? DRIFT_AT_MOST : 1);

	if (!(least > 0))
		return -1;
	return measured > least ? measured / least - 1 : 0;
}

/* --------------------------------------------------------------------------------------------------------- one request --- */

static bool knows(const struct compute *c, const struct verify_input *in, uint32_t request)
{
	return !c->requests[request].unpriced && ledger__has_share(in->ledger, request, (size_t)c->position) &&
	       in->ledger->requests[request].high && in->ledger->requests[request].high[c->position] != ABSENT;
}

bool compute__measured(const struct compute *c, const struct verify_input *in, uint32_t request, struct span *out)
{
	const struct ledger_request *q = &in->ledger->requests[request];
	int64_t draft;

	if (!knows(c, in, request))
		return false;
	draft = c->prices_drafts ? 0 : q->by_phase[PHASE_DRAFT][c->position];
	*out = (struct span){ q->low[c->position] - draft, q->high[c->position] - draft };
	return true;
}

void compute__back(const struct compute *c, const struct verify_input *in, struct books *b)
{
	for (uint32_t i = 0; i < in->recording->n_requests; i++) {
		const struct compute_request *q = c->missing ? NULL : &c->requests[i];
		struct span measured;

		if (c->missing)
			b->counts[i].backing = BACKING_NONE;
		else if (!compute__measured(c, in, i, &measured))
			b->counts[i].backing = BACKING_OPEN;
		else
			b->counts[i].backing = (uint8_t)compute__judge(c, q->prompt + q->completion,
								       (double)measured.high, compute__statement(c));
	}
}
