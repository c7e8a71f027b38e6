/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/survey.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"
#include "userspace/analysis/array.h"
#include "userspace/analysis/meters.h"
#include "userspace/analysis/touched.h"
#include "userspace/cost/robust.h"

/* Fewer steps say nothing of drift; of more, so many are looked at. */
#define DRIFT_LEAST 20
#define DRIFT_MOST 16384
#define DRIFT_FACTOR 2
/* Below this the clocks and meters themselves are no better. */
#define DRIFT_FLOOR 0.01

/* Steps of other contexts that may come between a shift and the next step of its own. */
#define SHIFT_LOOK_AHEAD 64

/*
 * A wait of this part of the step is evidence: of its own thread for a CPU, of the server's other threads together, of all of them
 * for a disk.
 */
#define EVIDENT_PART 20
/* Page faults: steps about it that are looked at on each side, and what is more than theirs. */
#define NEIGHBOURS 4
#define FAULTS_FACTOR 2
#define FAULTS_LEAST 16
/* A step is slowed down where its CPUs had less than this part of the frequency that half of all steps have, of so many at least. */
#define SLOWED_PART 0.95
#define CLOCK_LEAST 8

const char *const disturbance_names[N_DISTURBANCES] = {
	[DISTURBED_PREEMPTED] = "preempted",	   [DISTURBED_FAULTS] = "page_faults",
	[DISTURBED_NO_RETURN] = "no_return",	   [DISTURBED_WORKERS] = "workers_preempted",
	[DISTURBED_MAJOR_FAULTS] = "major_faults", [DISTURBED_FREQUENCY] = "frequency",
	[DISTURBED_TOUCHED] = "touched_bytes",
};

/* -------------------------------------------------------------------------------------------------------------- steps --- */

bool survey__is_unclear(const struct survey *s, uint32_t step)
{
	const struct row_step *rows_of = &s->l->timeline->recording->steps[s->ranges[step].source];

	return s->overlapping[step] || rows_of->flags & STEP_PARTS_UNKNOWN ||
	       s->l->timeline->recording->steps[step].flags & STEP_OPERATORS;
}

static int mark_shifted(struct survey *s, const struct recording *r)
{
	size_t event = 0;

	s->shifted = array__zeroed(r->n_steps / 64 + 1, sizeof(*s->shifted));
	if (!s->shifted)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_memories; i++) {
		const struct row_memory *m = &r->memories[i];

		if (m->op != MEMORY_SEQ_ADD || m->delta == 0)
			continue;
		while (event < r->n_steps && r->steps[event].start_ns < m->time_ns)
			event++;
		for (size_t k = event; k < r->n_steps && k < event + SHIFT_LOOK_AHEAD; k++) {
			if (r->steps[k].context != m->context || r->steps[k].kind != STEP_DECODE)
				continue;
			s->shifted[k / 64] |= UINT64_C(1) << k % 64;
			break;
		}
	}
	return 0;
}

bool survey__is_after_shift(const struct survey *s, uint32_t step)
{
	return s->shifted[step / 64] >> step % 64 & 1;
}

static void note_ratio(struct survey *s, enum step_role role, size_t slot, double expected, double measured)
{
	if (s->ratios[role][slot] && expected > 0 && measured > 0)
		s->ratios[role][slot][s->n[role][slot]++] = (float)(measured / expected);
}

static int expect(struct survey *s, enum step_role role, size_t slot, double *expected)
{
	const struct pricing *p = &s->l->pricing[role][slot];
	const struct rule_step step = step_view__step(&s->view);
	double *moved = array__reserve(s->shares, &s->shares_capacity, step.n, sizeof(*moved));
	int err;

	if (!moved)
		return -ENOMEM;
	s->shares = moved;
	err = p->rule->share(&p->scope, &step, s->shares);
	*expected = 0;
	for (size_t i = 0; i < step.n; i++)
		*expected += s->shares[i];
	return err;
}

static int survey_step(void *ctx, uint32_t step, const int64_t *use)
{
	struct survey *s = ctx;
	const struct recording *r = s->l->timeline->recording;
	const struct row_step *row = &r->steps[step];
	const enum step_role role = step__role(r, row);
	int err;

	if (s->faults)
		s->faults[step] = use[s->faults_at] > UINT32_MAX ? UINT32_MAX :
				  use[s->faults_at] < 0		 ? 0 :
								   (uint32_t)use[s->faults_at];
	if (step % s->stride)
		return 0;
	err = step_view__set(&s->view, s->l->timeline, s->ranges, step);
	if (err || s->view.n == 0 || survey__is_unclear(s, step) || survey__is_after_shift(s, step) ||
	    !step__returned(row) || !rows__known(r, &s->ranges[step]))
		return err;
	for (size_t slot = 0; slot <= PRICING_WALL && !err; slot++) {
		double expected;

		if (!s->ratios[role][slot])
			continue;
		err = expect(s, role, slot, &expected);
		if (!err)
			note_ratio(s, role, slot, expected,
				   slot == PRICING_WALL ? (double)step__duration_ns(row) : (double)use[slot]);
	}
	return err;
}

/* ---------------------------------------------------------------------------------------------------------- frequency --- */

static int compare_i64(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static int find_usual_khz(struct survey *s, const struct recording *r)
{
	int64_t *khz;
	size_t n = 0;

	s->usual_khz = ABSENT;
	for (size_t i = 0; i < r->n_steps; i++)
		n += r->steps[i].mean_khz != ABSENT;
	if (n < CLOCK_LEAST)
		return 0;
	khz = array__zeroed(n, sizeof(*khz));
	if (!khz)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < r->n_steps; i++) {
		if (r->steps[i].mean_khz != ABSENT)
			khz[n++] = r->steps[i].mean_khz;
	}
	qsort(khz, n, sizeof(*khz), compare_i64);
	s->usual_khz = khz[n / 2];
	free(khz);
	return 0;
}

/* -------------------------------------------------------------------------------------------------------------- drift --- */

static int compare_floats(const void *a, const void *b)
{
	const float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

static float median_of(float *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare_floats);
	return values[n / 2];
}

/* @ratios are overwritten */
static int judge_drift(struct pricing *p, float *ratios, size_t n)
{
	const struct cost_model *m = p->scope.model;
	float *off, middle;
	double own, spread;

	p->median_residual = -1;
	if (n < DRIFT_LEAST)
		return 0;
	off = array__zeroed(n, sizeof(*off));
	if (!off)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		off[i] = fabsf(1 - 1 / ratios[i]);
	p->median_residual = median_of(off, n);
	free(off);
	own = m->median_residual > DRIFT_FLOOR ? m->median_residual : DRIFT_FLOOR;
	p->drifted = p->median_residual > DRIFT_FACTOR * own;

	/* A machine that is slower throughout moves no share. What the steps differ by beside that, and by more than one step does. */
	middle = median_of(ratios, n);
	for (size_t i = 0; i < n; i++)
		ratios[i] = fabsf(ratios[i] / middle - 1);
	spread = MAD_TO_SD * median_of(ratios, n);
	p->form_error = spread > m->sigma ? sqrt(spread * spread - m->sigma * m->sigma) : 0;
	return 0;
}

int survey__run(struct survey *s, struct ledger *l, const struct row_range *ranges)
{
	struct meters_walk walk = { .timeline = l->timeline, .resources = l->resources, .step = survey_step, .ctx = s };
	const struct recording *r = l->timeline->recording;
	bool any = false;
	int err;

	*s = (struct survey){ .l = l, .ranges = ranges, .faults_at = -1 };
	s->stride = (uint32_t)(r->n_steps / DRIFT_MOST + 1);
	walk.n_resources = l->n_resources;
	s->overlapping = steps__overlapping(r);
	s->touched = steps__in_touched_windows(r);
	err = s->overlapping && s->touched ? mark_shifted(s, r) : -ENOMEM;
	if (!err)
		err = find_usual_khz(s, r);
	for (size_t role = 0; role < N_ROLES && !err; role++) {
		for (size_t slot = 0; slot <= PRICING_WALL && !err; slot++) {
			const struct pricing *p = &l->pricing[role][slot];

			if (!p->rule || !p->rule->by_model || p->as_cpu)
				continue;
			any = true;
			s->ratios[role][slot] = array__zeroed(r->n_steps / s->stride + 1, sizeof(**s->ratios[role]));
			err = s->ratios[role][slot] ? 0 : -ENOMEM;
		}
	}
	if (err || !any)
		return err;
	s->faults_at = resources__find(l->resources, l->n_resources, RESOURCE_FAULTS);
	if (s->faults_at >= 0 && l->resources[s->faults_at].measured)
		s->faults = array__zeroed(r->n_steps, sizeof(*s->faults));
	err = meters__walk(&walk);
	for (size_t role = 0; role < N_ROLES; role++) {
		for (size_t slot = 0; slot <= PRICING_WALL; slot++) {
			if (s->ratios[role][slot] && !err)
				err = judge_drift(&l->pricing[role][slot], s->ratios[role][slot], s->n[role][slot]);
			free(s->ratios[role][slot]);
			s->ratios[role][slot] = NULL;
		}
	}
	return err;
}

void survey__free(struct survey *s)
{
	for (size_t role = 0; role < N_ROLES; role++) {
		for (size_t slot = 0; slot <= PRICING_WALL; slot++)
			free(s->ratios[role][slot]);
	}
	free(s->shares);
	free(s->faults);
	free(s->overlapping);
	free(s->touched);
	free(s->shifted);
	step_view__free(&s->view);
	memset(s, 0, sizeof(*s));
}

/* ----------------------------------------------------------------------------------------------------------- evidence --- */

static int compare_u32(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static bool has_more_faults(const struct survey *s, uint32_t step)
{
	const size_t n_steps = s->l->timeline->recording->n_steps;
	uint32_t about[2 * NEIGHBOURS];
	size_t n = 0;

	if (!s->faults || s->faults[step] < FAULTS_LEAST)
		return false;
	for (uint32_t k = 1; k <= NEIGHBOURS; k++) {
		if (step >= k)
			about[n++] = s->faults[step - k];
		if (step + k < n_steps)
			about[n++] = s->faults[step + k];
	}
	if (n == 0)
		return false;
	qsort(about, n, sizeof(*about), compare_u32);
	return s->faults[step] > FAULTS_FACTOR * (uint64_t)about[n / 2];
}

static bool is_slowed(const struct survey *s, const struct row_step *step)
{
	return s->usual_khz != ABSENT && step->mean_khz != ABSENT &&
	       (double)step->mean_khz < SLOWED_PART * (double)s->usual_khz;
}

uint32_t survey__looked_for(const struct survey *s)
{
	const struct recording *r = s->l->timeline->recording;
	uint32_t looked_for = 1u << DISTURBED_NO_RETURN;

	for (size_t k = 0; k < s->l->n_resources; k++)
		if (s->l->resources[k].row->id == RESOURCE_RUNQ_NS && s->l->resources[k].measured)
			looked_for |= 1u << DISTURBED_PREEMPTED;
	if (s->faults)
		looked_for |= 1u << DISTURBED_FAULTS;
	for (size_t i = 0; i < r->n_steps; i++) {
		looked_for |= (r->steps[i].runq_ns ? 1u : 0) << DISTURBED_PREEMPTED;
		looked_for |= (r->steps[i].server_runq_ns != ABSENT ? 1u : 0) << DISTURBED_WORKERS;
		looked_for |= (r->steps[i].server_fault_ns != ABSENT ? 1u : 0) << DISTURBED_MAJOR_FAULTS;
	}
	if (s->usual_khz != ABSENT)
		looked_for |= 1u << DISTURBED_FREQUENCY;
	if (r->n_toucheds)
		looked_for |= 1u << DISTURBED_TOUCHED;
	return looked_for;
}

/* Is it a wait that says something of a step this long? */
static bool is_long_wait(uint64_t waited_ns, const struct row_step *step)
{
	return waited_ns && waited_ns >= step__duration_ns(step) / EVIDENT_PART;
}

uint32_t survey__evidence(const struct survey *s, uint32_t step)
{
	const struct row_step *row = &s->l->timeline->recording->steps[step];
	const uint64_t all = row->server_runq_ns > 0 ? (uint64_t)row->server_runq_ns : 0;
	const uint64_t others = all > row->runq_ns ? all - row->runq_ns : 0;
	uint32_t evidence = 0;

	if (is_long_wait(row->runq_ns, row))
		evidence |= 1u << DISTURBED_PREEMPTED;
	if (is_long_wait(others, row))
		evidence |= 1u << DISTURBED_WORKERS;
	if (row->server_fault_ns > 0 && is_long_wait((uint64_t)row->server_fault_ns, row))
		evidence |= 1u << DISTURBED_MAJOR_FAULTS;
	if (is_slowed(s, row))
		evidence |= 1u << DISTURBED_FREQUENCY;
	if (has_more_faults(s, step))
		evidence |= 1u << DISTURBED_FAULTS;
	if (s->touched[step])
		evidence |= 1u << DISTURBED_TOUCHED;
	if (row->flags & STEP_NO_RETURN)
		evidence |= 1u << DISTURBED_NO_RETURN;
	return evidence;
}
