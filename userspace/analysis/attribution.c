/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/attribution.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"
#include "userspace/analysis/ambiguity.h"
#include "userspace/analysis/array.h"
#include "userspace/analysis/facts.h"
#include "userspace/analysis/kernel_work.h"

#define SIGMAS 3
/* The meters themselves are no better: a model that fits a made recording to the last digit has a spread too. */
#define SIGMA_FLOOR 0.01

int attribution__open(struct attribution *a, struct ledger *l)
{
	const struct recording *r = l->timeline->recording;
	uint32_t looked_for;
	int err;

	memset(a, 0, sizeof(*a));
	a->l = l;
	a->kernel = resource__find(l, "kernel_ns");
	a->faults = resource__find(l, "faults");
	a->ranges = rows__ranges(r);
	a->no_alone = array__zeroed(r->n_requests, sizeof(*a->no_alone));
	a->no_rejected = array__zeroed(r->n_requests, sizeof(*a->no_rejected));
	a->last_step = array__zeroed(r->n_requests, sizeof(*a->last_step));
	if (!a->ranges || !a->no_alone || !a->no_rejected || !a->last_step)
		return -ENOMEM;
	if (ambiguity__matters(l->timeline, l->n_resources)) {
		a->run_cost = array__zeroed(l->timeline->n_runs * l->n_resources, sizeof(*a->run_cost));
		if (!a->run_cost)
			return -ENOMEM;
	}
	err = survey__run(&a->survey, l, a->ranges);
	looked_for = survey__looked_for(&a->survey);
	for (size_t d = 0; d < N_DISTURBANCES; d++)
		l->excess.n_by[d] = looked_for >> d & 1 ? 0 : ABSENT;
	return err ? err : intervals__open(&a->intervals, l);
}

void attribution__close(struct attribution *a)
{
	survey__free(&a->survey);
	intervals__close(&a->intervals);
	step_view__free(&a->view);
	free(a->ranges);
	free(a->own);
	free(a->done);
	free(a->part_shares);
	free(a->less);
	free(a->weights);
	free(a->shares);
	free(a->no_alone);
	free(a->no_rejected);
	free(a->last_step);
	free(a->run_cost);
	memset(a, 0, sizeof(*a));
}

static int reserve(struct attribution *a)
{
	const size_t n_rows = a->view.end - a->view.first;
	double *part_shares = array__reserve(a->part_shares, &a->parts_capacity, a->view.n, sizeof(*part_shares));
	double *less, *weights;
	struct cost_row *own;
	int64_t *shares;
	bool *done;

	if (!part_shares)
		return -ENOMEM;
	a->part_shares = part_shares;
	less = array__reserve(a->less, &a->less_capacity, a->view.n, sizeof(*less));
	if (!less)
		return -ENOMEM;
	a->less = less;
	weights = array__reserve(a->weights, &a->weights_capacity, n_rows, sizeof(*weights));
	if (!weights)
		return -ENOMEM;
	a->weights = weights;
	shares = array__reserve(a->shares, &a->shares_capacity, n_rows, sizeof(*shares));
	if (!shares)
		return -ENOMEM;
	a->shares = shares;
	own = array__reserve(a->own, &a->own_capacity, a->view.n, sizeof(*own));
	if (!own)
		return -ENOMEM;
	a->own = own;
	done = array__reserve(a->done, &a->done_capacity, n_rows, sizeof(*done));
	if (!done)
		return -ENOMEM;
	a->done = done;
	return 0;
}

static uint32_t owner_of(const struct timeline *t, const struct timeline_row *row)
{
	return row->run == RUN_NONE ? REQUEST_NONE : t->runs[row->run].request;
}

/* ------------------------------------------------------------------------------------------------------------- shares --- */

/* Shares of parts, made into weights of the timeline's rows. @return their sum: what the rule expects of the step */
static double weigh_rows(struct attribution *a)
{
	const struct timeline *t = a->l->timeline;
	const uint32_t first = a->view.first, n_rows = a->view.end - first;
	double sum = 0;

	for (uint32_t i = 0; i < n_rows; i++)
		a->weights[i] = 0;
	for (size_t i = 0; i < a->view.n; i++) {
		if (!(a->part_shares[i] > 0))
			a->part_shares[i] = 0;
		a->weights[a->view.row_of[i] - first] += a->part_shares[i];
		sum += a->part_shares[i];
	}
	if (sum > 0 && isfinite(sum))
		return sum;
	for (uint32_t i = 0; i < n_rows; i++)
		a->weights[i] = t->rows[first + i].n_tokens;
	return 0;
}

/*
 * What of a step's use the rows are given: all of it, unless it is beyond what the model allows for and the model is one
 * that can tell. Steps that overlapped others have no clean figure.
 */
static int64_t allowed(const struct attribution *a, const struct pricing *p, uint32_t step, int64_t use,
		       double expected)
{
	double sigma;

	if (!p->rule->by_model || p->as_cpu || p->drifted || !(expected > 0) || use <= 0 ||
	    survey__is_unclear(&a->survey, step))
		return use;
	if (survey__is_after_shift(&a->survey, step))
		return expected < (double)use ? (int64_t)llround(expected) : use;
	sigma = sqrt(p->scope.model->sigma * p->scope.model->sigma +
		     p->scope.model->model_error * p->scope.model->model_error);
	if (sigma < SIGMA_FLOOR)
		sigma = SIGMA_FLOOR;
	if ((double)use <= expected * (1 + SIGMAS * sigma))
		return use;
	return expected < (double)use ? (int64_t)llround(expected) : use;
}

static void book(struct attribution *a, uint32_t index, size_t k, int64_t amount)
{
	struct ledger *l = a->l;
	const struct timeline_row *row = &l->timeline->rows[index];
	const uint32_t owner = owner_of(l->timeline, row);

	if (l->row_cost)
		l->row_cost[(size_t)index * l->n_resources + k] = amount;
	if (a->run_cost && row->run != RUN_NONE && !row->recompute)
		a->run_cost[(size_t)row->run * l->n_resources + k] += amount;
	if (row->recompute)
		l->accounts[ACCOUNT_RECOMPUTE][k] += amount;
	else if (owner == REQUEST_NONE)
		a->nobody[k] += amount;
	else
		l->requests[owner].by_phase[row->phase][k] += amount;
}

static uint32_t payer_of(const struct timeline *t, uint32_t index)
{
	return t->rows[index].recompute ? REQUEST_NONE : owner_of(t, &t->rows[index]);
}

/* -------------------------------------------------------------------------------------------------- what would be alone --- */

static int compare_owners(const void *a, const void *b)
{
	const struct cost_row *x = a, *y = b;

	return x->owner < y->owner ? -1 : x->owner > y->owner;
}

static void add_alone(struct attribution *a, size_t k, uint32_t owner, double amount)
{
	int64_t *sum = &a->l->requests[owner].alone[k];

	if (!(fabs(amount) < 1e18) || __builtin_add_overflow(*sum, (int64_t)llround(amount), sum)) {
		a->no_alone[owner] |= 1ull << k;
		*sum = 0;
	}
}

/* Each payer's rows of a part as if nobody else's were in it; rows that nobody pays for are not among them. */
static void book_parts_alone(struct attribution *a, size_t k, const struct pricing *p, double scale)
{
	const struct timeline *t = a->l->timeline;
	size_t from = 0;

	for (size_t part = 0; part < a->view.n_parts; part++) {
		size_t n = 0;

		for (; from < a->view.part_end[part]; from++) {
			const uint32_t payer = payer_of(t, a->view.row_of[from]);

			if (payer == REQUEST_NONE)
				continue;
			a->own[n] = a->view.rows[from];
			a->own[n++].owner = payer;
		}
		qsort(a->own, n, sizeof(*a->own), compare_owners);
		for (size_t first = 0, end; first < n; first = end) {
			for (end = first + 1; end < n && a->own[end].owner == a->own[first].owner;)
				end++;
			add_alone(a, k, a->own[first].owner,
				  scale * cost__predict(p->scope.model->value, a->own + first, end - first));
		}
	}
}

/* A step that nobody shares is what it was. */
static void book_alone(struct attribution *a, size_t k, const struct pricing *p, int64_t amount, double expected,
		       bool shared)
{
	const struct timeline *t = a->l->timeline;

	if (shared && expected > 0) {
		book_parts_alone(a, k, p, (double)amount / expected);
		return;
	}
	for (uint32_t i = 0; i < a->view.end - a->view.first; i++) {
		const uint32_t owner = payer_of(t, a->view.first + i);

		if (owner == REQUEST_NONE)
			continue;
		if (shared)
			a->no_alone[owner] |= 1ull << k;
		else
			add_alone(a, k, owner, (double)a->shares[i]);
	}
}

/* ---------------------------------------------------------------------------------------------------- rejected drafts --- */

/* Tokens of a verify row that were drafted and rejected; 0 none. */
static uint32_t rejected_tokens(const struct timeline_row *row)
{
	return row->phase == PHASE_VERIFY && row->counted && row->n_tokens > row->n_emitted ?
		       row->n_tokens - row->n_emitted :
		       0;
}

/* The part of row i's share that it would not have had with the emitted tokens only, the others as they were. */
static int rejected_part(struct attribution *a, const struct pricing *p, size_t i, double *part)
{
	const struct timeline_row *row = &a->l->timeline->rows[a->view.row_of[i]];
	const struct rule_step step = step_view__step(&a->view);
	const struct cost_row whole = a->view.rows[i];
	int err;

	*part = 1;
	if (row->n_emitted == 0)
		return 0;
	*part = (double)rejected_tokens(row) / row->n_tokens;
	/* An ubatch ended inside the row. */
	if (whole.n_tokens != row->n_tokens)
		return 0;
	a->view.rows[i].n_tokens = a->view.rows[i].n_outputs = row->n_emitted;
	err = p->rule->share(&p->scope, &step, a->less);
	a->view.rows[i] = whole;
	if (!err && a->part_shares[i] > 0 && isfinite(a->less[i]))
		*part = a->less[i] < a->part_shares[i] ? 1 - a->less[i] / a->part_shares[i] : 0;
	return err;
}

/* Of a row of the draft model that drafts: one without outputs computes its prompt. */
static double rejected_drafts(const struct timeline_run *run)
{
	if (run->n_drafted <= 0 || run->n_draft_rejected <= 0)
		return 0;
	return run->n_draft_rejected >= run->n_drafted ? 1 : (double)run->n_draft_rejected / (double)run->n_drafted;
}

static int book_rejected(struct attribution *a, size_t k, const struct pricing *p)
{
	const struct timeline *t = a->l->timeline;
	const uint32_t first = a->view.first;

	for (uint32_t i = first; i < a->view.end; i++)
		a->done[i - first] = false;
	for (size_t i = 0; i < a->view.n; i++) {
		const uint32_t index = a->view.row_of[i], owner = payer_of(t, index);
		const struct timeline_row *row = &t->rows[index];
		double part = 0;
		int err = 0;

		/* Rows of ubatches may interleave, so that one comes again after another. */
		if (owner == REQUEST_NONE || a->done[index - first] ||
		    (row->phase != PHASE_DRAFT && row->phase != PHASE_VERIFY))
			continue;
		a->done[index - first] = true;
		if (!t->runs[row->run].emitted_proven)
			a->no_rejected[owner] |= 1ull << k;
		else if (row->phase == PHASE_DRAFT && row->n_outputs)
			part = rejected_drafts(&t->runs[row->run]);
		else if (rejected_tokens(row))
			err = rejected_part(a, p, i, &part);
		if (err)
			return err;
		a->l->requests[owner].rejected[k] += (int64_t)llround(part * (double)a->shares[index - a->view.first]);
	}
	return 0;
}

/* ------------------------------------------------------------------------------------------------------------- a step --- */

static int share_resource(struct attribution *a, uint32_t step, enum step_role role, size_t k, int64_t use, bool shared,
			  int64_t *excess)
{
	struct pricing *p = &a->l->pricing[role][k];
	const struct rule_step rows = step_view__step(&a->view);
	const size_t n = a->view.end - a->view.first;
	double expected;
	int64_t amount;
	int err = p->rule->share(&p->scope, &rows, a->part_shares);

	if (err)
		return err;
	p->n_steps++;
	expected = weigh_rows(a);
	amount = allowed(a, p, step, use, expected);
	*excess = use - amount;
	err = share__split(amount, a->weights, n, a->shares);
	for (size_t i = 0; i < n && !err; i++)
		book(a, a->view.first + (uint32_t)i, k, a->shares[i]);
	if (!err && shared)
		err = intervals__add(&a->intervals, k, p, &a->view, step, a->shares, amount);
	if (!err)
		err = book_rejected(a, k, p);
	if (!err)
		book_alone(a, k, p, amount, p->rule->by_model ? expected : 0, shared);
	return err;
}

/* The step's duration, for what its rows make others wait. */
static int share_wall(struct attribution *a, uint32_t step, enum step_role role)
{
	const struct row_step *s = &a->l->timeline->recording->steps[step];
	struct pricing *p = &a->l->pricing[role][PRICING_WALL];
	const struct rule_step rows = step_view__step(&a->view);
	double expected = 0;
	int err = p->rule->share(&p->scope, &rows, a->part_shares);

	if (err)
		return err;
	p->n_steps++;
	weigh_rows(a);
	for (uint32_t i = 0; i < a->view.end - a->view.first; i++)
		expected += a->weights[i];
	for (uint32_t i = 0; i < a->view.end - a->view.first; i++)
		a->l->row_wall[a->view.first + i] =
			(float)(expected > 0 ? (double)step__duration_ns(s) * a->weights[i] / expected : 0);
	return 0;
}

static void note_excess(struct attribution *a, uint32_t step, const int64_t *excess)
{
	struct ledger *l = a->l;
	const uint32_t evidence = survey__evidence(&a->survey, step);
	const bool shifted = survey__is_after_shift(&a->survey, step);
	bool any = false;

	for (size_t k = 0; k < l->n_resources; k++) {
		any |= excess[k] != 0;
		l->excess.n_by_resource[k] += excess[k] != 0 && !shifted;
		if (shifted)
			l->accounts[ACCOUNT_RECOMPUTE][k] += excess[k];
		else if (evidence)
			l->accounts[ACCOUNT_DISTURBANCE][k] += excess[k];
		else
			a->nobody[k] += excess[k];
	}
	if (!any || shifted)
		return;
	l->excess.n_steps++;
	l->excess.n_unexplained += evidence == 0;
	for (size_t d = 0; d < N_DISTURBANCES; d++)
		l->excess.n_by[d] += evidence >> d & 1;
}

/* Run queue and blocked time are not shared: each request in the step waited all of it, once. */
static int book_durations(struct attribution *a, uint32_t step, uint32_t first, uint32_t end)
{
	struct ledger *l = a->l;
	const struct row_step *s = &l->timeline->recording->steps[step];
	const int positions[N_STEP_WAITS] = { a->runq, a->blocked, a->futex };
	const uint64_t values[N_STEP_WAITS] = { s->runq_ns, s->blocked_ns,
						s->futex_ns == ABSENT ? 0 : (uint64_t)s->futex_ns };

	for (uint32_t i = first; i < end; i++) {
		const struct timeline_row *row = &l->timeline->rows[i];
		const uint32_t owner = owner_of(l->timeline, row);
		const bool again = owner == REQUEST_NONE || a->last_step[owner] == step + 1;

		for (size_t d = 0; d < N_STEP_WAITS; d++) {
			if (positions[d] < 0)
				continue;
			if (l->row_cost)
				l->row_cost[(size_t)i * l->n_resources + (size_t)positions[d]] = (int64_t)values[d];
			if (again)
				continue;
			if (values[d] > (uint64_t)(INT64_MAX / N_PHASES - a->waited[d]))
				return -EINVAL;
			a->waited[d] += (int64_t)values[d];
			l->requests[owner].by_phase[row->phase][positions[d]] += (int64_t)values[d];
		}
		if (owner != REQUEST_NONE)
			a->last_step[owner] = step + 1;
	}
	return 0;
}

/* What goes beyond the model, of a step that is no context's after a shift. */
static enum account_id excess_account(const struct attribution *a, uint32_t step)
{
	return survey__is_after_shift(&a->survey, step) ? ACCOUNT_RECOMPUTE :
	       survey__evidence(&a->survey, step)	? ACCOUNT_DISTURBANCE :
							  ACCOUNT_UNEXPLAINED;
}

/* Who bears which part of the step's kernel time, just after it was shared. */
static int tell_kernel_work(struct attribution *a, uint32_t step, const int64_t *use, int64_t excess)
{
	struct kernel_work *w = a->l->kernel;
	const size_t k = (size_t)a->kernel;
	int err = 0;

	for (uint32_t i = a->view.first; i < a->view.end && !err; i++) {
		const struct timeline_row *row = &a->l->timeline->rows[i];
		const enum account_id account = row->recompute ? ACCOUNT_RECOMPUTE : ACCOUNT_UNEXPLAINED;

		err = kernel_work__add_part(w, payer_of(a->l->timeline, i), row->phase, account,
					    use[k] ? a->shares[i - a->view.first] : 0);
	}
	if (!err && excess)
		err = kernel_work__add_part(w, REQUEST_NONE, 0, excess_account(a, step), excess);
	return err ? err : kernel_work__end_step(w, step, a->faults >= 0 ? use[a->faults] : 0);
}

static int tell_kernel_without_rows(struct attribution *a, uint32_t step, const int64_t *use)
{
	const bool failed = a->l->timeline->recording->steps[step].ret != 0;
	int err;

	if (!a->l->kernel)
		return 0;
	err = kernel_work__add_part(a->l->kernel, REQUEST_NONE, 0, failed ? ACCOUNT_HOST : ACCOUNT_UNEXPLAINED,
				    use[a->kernel]);
	return err ? err : kernel_work__end_step(a->l->kernel, step, a->faults >= 0 ? use[a->faults] : 0);
}

static void book_without_rows(struct attribution *a, uint32_t step, const int64_t *use)
{
	for (size_t k = 0; k < a->l->n_resources; k++) {
		/* A step that failed before it computed anything (no room in the memory) is the scheduler's work. */
		if (a->l->timeline->recording->steps[step].ret != 0)
			a->l->accounts[ACCOUNT_HOST][k] += use[k];
		else
			a->nobody[k] += use[k];
	}
}

static void note_batch(struct attribution *a, enum step_role role)
{
	if (role != ROLE_TARGET)
		return;
	for (size_t i = 0; i < a->view.n; i++) {
		if (a->l->timeline->rows[a->view.row_of[i]].phase != PHASE_DECODE || a->view.rows[i].n_tokens != 1)
			return;
	}
	for (size_t i = 0; i < a->view.n; i++)
		a->decode_context += a->view.rows[i].context;
	a->n_decode_rows += a->view.n;
	a->n_decode_steps[a->view.n < MAX_BATCH ? a->view.n - 1 : MAX_BATCH - 1]++;
}

int attribution__share_step(void *ctx, uint32_t step, const int64_t *use)
{
	struct attribution *a = ctx;
	struct ledger *l = a->l;
	const enum step_role role = step__role(l->timeline->recording, &l->timeline->recording->steps[step]);
	int64_t excess[MAX_RESOURCES] = { 0 };
	bool shared;
	int err = step_view__set(&a->view, l->timeline, a->ranges, step);

	if (!err && a->view.n == 0) {
		book_without_rows(a, step, use);
		return tell_kernel_without_rows(a, step, use);
	}
	if (!err)
		err = reserve(a);
	shared = !err && intervals__is_shared(&a->view);
	for (size_t k = 0; k < l->n_resources && !err; k++) {
		if (use[k])
			err = share_resource(a, step, role, k, use[k], shared, &excess[k]);
		if (!err && l->kernel && (int)k == a->kernel)
			err = tell_kernel_work(a, step, use, excess[k]);
	}
	if (!err && l->row_wall)
		err = share_wall(a, step, role);
	if (err)
		return err;
	note_excess(a, step, excess);
	note_batch(a, role);
	return book_durations(a, step, a->view.first, a->view.end);
}

/* The middle of the decode steps by their number of rows. */
static void find_typical_batch(struct attribution *a)
{
	struct typical_batch *batch = &a->l->batch;
	uint64_t n = 0, seen = 0;

	for (size_t i = 0; i < MAX_BATCH; i++)
		n += a->n_decode_steps[i];
	if (n == 0)
		return;
	while (seen + a->n_decode_steps[batch->n_rows] <= n / 2)
		seen += a->n_decode_steps[batch->n_rows++];
	batch->n_rows++;
	batch->context = (uint32_t)(a->decode_context / a->n_decode_rows);
}

void attribution__finish(struct attribution *a)
{
	struct ledger *l = a->l;

	find_typical_batch(a);
	for (size_t i = 0; i < l->timeline->recording->n_requests; i++) {
		for (size_t k = 0; k < l->n_resources; k++) {
			const bool known = ledger__has_share(l, i, k);

			if (!known || a->no_alone[i] >> k & 1 || l->requests[i].alone[k] < 0)
				l->requests[i].alone[k] = ABSENT;
			/* A meter that ran backwards leaves no part of the cost that could be named. */
			if (!known || a->no_rejected[i] >> k & 1 || l->requests[i].rejected[k] < 0 ||
			    l->requests[i].rejected[k] > l->requests[i].cost[k])
				l->requests[i].rejected[k] = ABSENT;
		}
	}
	intervals__finish(&a->intervals, l);
	ambiguity__widen(l, a->run_cost);
}
