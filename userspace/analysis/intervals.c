/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/intervals.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/bootstrap.h"
#include "userspace/analysis/pricing.h"

#define Z95 1.96
/* Fewer replicates give no interval; more than this add nothing to it. */
#define MIN_DRAWS 8
#define MAX_DRAWS 64
#define MAX_DRAW_BYTES (24u << 20)
/* Steps of a request that are shared again by every replicate, about; and at most so many sharings in all. */
#define SAMPLED_STEPS 6
#define MAX_SHARINGS 1500000

static size_t count_slots(struct intervals *v, size_t *n_draws)
{
	const struct ledger *l = v->l;

	*n_draws = MAX_DRAWS;
	for (size_t k = 0; k < l->n_resources; k++) {
		bool any = false;

		v->slot_of[k] = -1;
		for (size_t role = 0; role < N_ROLES; role++) {
			const struct pricing *p = &l->pricing[role][k];

			if (!p->rule || !p->rule->by_model)
				continue;
			any = true;
			if (p->scope.model->n_draws < *n_draws)
				*n_draws = p->scope.model->n_draws;
		}
		if (any)
			v->slot_of[k] = (int)v->n_slots++;
	}
	return v->n_slots;
}

int intervals__open(struct intervals *v, const struct ledger *l)
{
	const struct timeline *t = l->timeline;
	const size_t n_requests = t->recording->n_requests, room = n_requests ? n_requests : 1;
	size_t fit;

	memset(v, 0, sizeof(*v));
	v->l = l;
	v->unknown = array__zeroed(n_requests, sizeof(*v->unknown));
	if (!v->unknown)
		return -ENOMEM;
	if (count_slots(v, &v->n_draws) == 0) {
		v->n_draws = 0;
		return 0;
	}
	fit = MAX_DRAW_BYTES / sizeof(*v->draws) / v->n_slots / room;
	if (v->n_draws > fit)
		v->n_draws = fit;
	fit = MAX_SHARINGS / SAMPLED_STEPS / v->n_slots / room;
	if (v->n_draws > fit && fit >= 2 * MIN_DRAWS)
		v->n_draws = fit;
	else if (v->n_draws > fit)
		v->n_draws = v->n_draws < 2 * MIN_DRAWS ? v->n_draws : 2 * MIN_DRAWS;
	if (v->n_draws < MIN_DRAWS)
		v->n_draws = 0;
	v->costs = array__zeroed(n_requests * v->n_slots, sizeof(*v->costs));
	v->draws = array__zeroed(n_requests * v->n_slots * v->n_draws, sizeof(*v->draws));
	v->n_rows = array__zeroed(n_requests, sizeof(*v->n_rows));
	if (!v->costs || !v->draws || !v->n_rows)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_rows; i++) {
		const uint32_t run = t->rows[i].run;

		if (run != RUN_NONE && t->runs[run].request != REQUEST_NONE)
			v->n_rows[t->runs[run].request]++;
	}
	return 0;
}

void intervals__close(struct intervals *v)
{
	free(v->costs);
	free(v->draws);
	free(v->n_rows);
	free(v->unknown);
	free(v->shares);
	free(v->row_shares);
	memset(v, 0, sizeof(*v));
}

/* ------------------------------------------------------------------------------------------------------------- a step --- */

bool intervals__is_shared(const struct step_view *view)
{
	for (size_t i = 1; i < view->n; i++) {
		if (view->rows[i].owner != view->rows[0].owner)
			return true;
	}
	return false;
}

static uint32_t request_of(const struct timeline *t, uint32_t row)
{
	const uint32_t run = t->rows[row].run;

	return run == RUN_NONE || t->rows[row].recompute ? REQUEST_NONE : t->runs[run].request;
}

static void add_error(struct intervals *v, size_t slot, const struct step_view *view, double model_error,
		      const int64_t *booked, int64_t sum)
{
	double squares = 0;

	for (uint32_t i = 0; i < view->end - view->first; i++) {
		const double w = (double)booked[i] / (double)sum;

		squares += w * w;
	}
	for (uint32_t i = 0; i < view->end - view->first; i++) {
		const uint32_t request = request_of(v->l->timeline, view->first + i);
		const double w = (double)booked[i] / (double)sum;
		const double moved = sqrt((1 - w) * (1 - w) + (squares > w * w ? squares - w * w : 0));
		struct shared_cost *cost;

		if (request == REQUEST_NONE)
			continue;
		cost = &v->costs[request * v->n_slots + slot];
		cost->shared += (double)booked[i];
		cost->error += model_error * moved * (double)booked[i];
	}
}

/* The probability with which a step is shared again: every request shall have a few such steps. */
static double chance_of(const struct intervals *v, const struct step_view *view, size_t slot)
{
	double chance = 0;

	for (uint32_t i = view->first; i < view->end; i++) {
		const uint32_t request = request_of(v->l->timeline, i);
		double own;

		if (request == REQUEST_NONE)
			continue;
		if (v->costs[request * v->n_slots + slot].sampled == 0)
			return 1;
		own = (double)SAMPLED_STEPS / v->n_rows[request];
		chance = own > chance ? own : chance;
	}
	return chance > 1 ? 1 : chance;
}

static int reserve(struct intervals *v, const struct step_view *view)
{
	double *moved = array__reserve(v->shares, &v->shares_capacity, view->n, sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	v->shares = moved;
	moved = array__reserve(v->row_shares, &v->rows_capacity, view->end - view->first, sizeof(*moved));
	if (!moved)
		return -ENOMEM;
	v->row_shares = moved;
	return 0;
}

/* @draw the replicate; n_draws: the model itself */
static int share_again(struct intervals *v, size_t slot, const struct rule *rule, const struct rule_scope *scope,
		       const struct step_view *view, size_t draw, double amount)
{
	const struct rule_step step = step_view__step(view);
	double sum = 0;
	int err = rule->share(scope, &step, v->shares);

	if (err)
		return err;
	for (uint32_t i = 0; i < view->end - view->first; i++)
		v->row_shares[i] = 0;
	for (size_t i = 0; i < view->n; i++) {
		const double share = v->shares[i] > 0 ? v->shares[i] : 0;

		v->row_shares[view->row_of[i] - view->first] += share;
		sum += share;
	}
	for (uint32_t i = 0; i < view->end - view->first; i++) {
		const uint32_t request = request_of(v->l->timeline, view->first + i);
		const double part = sum > 0 ? amount * v->row_shares[i] / sum : amount / (view->end - view->first);

		if (request == REQUEST_NONE)
			continue;
		if (draw == v->n_draws)
			v->costs[request * v->n_slots + slot].sampled += part;
		else
			v->draws[(request * v->n_slots + slot) * v->n_draws + draw] += part;
	}
	return 0;
}

int intervals__add(struct intervals *v, size_t k, const struct pricing *p, const struct step_view *view, uint32_t step,
		   const int64_t *booked, int64_t sum)
{
	struct random_state random = { step };
	struct rule_scope with = p->scope;
	struct cost_model replicate;
	double chance;
	size_t slot;
	int err;

	if (!p->rule->by_model) {
		for (uint32_t i = view->first; i < view->end; i++) {
			const uint32_t request = request_of(v->l->timeline, i);

			if (request != REQUEST_NONE)
				v->unknown[request] |= 1ull << k;
		}
		return 0;
	}
	if (sum == 0)
		return 0;
	slot = (size_t)v->slot_of[k];
	chance = chance_of(v, view, slot);
	add_error(v, slot, view, pricing__error(p), booked, sum);
	if (v->n_draws == 0 || (double)(random__next(&random) >> 11) * 0x1p-53 >= chance)
		return 0;
	err = reserve(v, view);
	if (!err)
		err = share_again(v, slot, p->rule, &with, view, v->n_draws, (double)sum / chance);
	replicate = *p->scope.model;
	with.model = &replicate;
	for (size_t draw = 0; draw < v->n_draws && !err; draw++) {
		memcpy(replicate.value, p->scope.model->draws + draw * COST_TERMS, sizeof(replicate.value));
		err = share_again(v, slot, p->rule, &with, view, draw, (double)sum / chance);
	}
	return err;
}

/* ------------------------------------------------------------------------------------------------------------ the end --- */

/* Relative standard deviation of what the replicates give, about what the model gives. */
static double spread_of(const struct intervals *v, size_t at)
{
	const double base = v->costs[at].sampled;
	double sum = 0;

	for (size_t draw = 0; draw < v->n_draws; draw++) {
		const double off = v->draws[at * v->n_draws + draw] / base - 1;

		sum += off * off;
	}
	return v->n_draws ? sqrt(sum / (double)v->n_draws) : 0;
}

/* @return half the width of the interval; negative: not known */
static double half_width(const struct intervals *v, size_t request, size_t k)
{
	const struct shared_cost *cost;
	size_t at;
	double spread;

	if (v->unknown[request] >> k & 1)
		return -1;
	if (v->slot_of[k] < 0)
		return 0;
	at = request * v->n_slots + (size_t)v->slot_of[k];
	cost = &v->costs[at];
	if (cost->shared == 0)
		return 0;
	if (v->n_draws == 0 || cost->sampled == 0)
		return -1;
	spread = spread_of(v, at) * cost->shared;
	return Z95 * sqrt(spread * spread + cost->error * cost->error);
}

void intervals__finish(struct intervals *v, struct ledger *l)
{
	for (size_t i = 0; i < l->timeline->recording->n_requests; i++) {
		struct ledger_request *q = &l->requests[i];

		for (size_t k = 0; k < l->n_resources; k++) {
			const double half = ledger__has_share(l, i, k) ? half_width(v, i, k) : -1;

			q->low[k] = q->high[k] = ABSENT;
			if (!(half >= 0) || half > 1e18)
				continue;
			q->high[k] = q->cost[k] + (int64_t)ceil(half);
			q->low[k] = q->cost[k] - (int64_t)ceil(half);
			if (q->low[k] < 0 && q->cost[k] >= 0)
				q->low[k] = 0;
		}
	}
}
