/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "bpf/records.h"
#include "userspace/analysis/array.h"
#include "userspace/analysis/in_flight.h"
#include "userspace/analysis/meters.h"
#include "userspace/analysis/runs.h"

__extension__ typedef __int128 i128;

/* An eighth of what fits: three such sums may be added, and a total that a file says. 36 years of one CPU in ns. */
#define MOVED_MOST (INT64_MAX / 8)

/* Use of a gap that is partly in flight; shared when the rate of idling is known. */
struct mixed_gap {
	int resource;
	uint64_t busy_ns, idle_ns;
	int64_t use;
};

struct meter_state {
	bool tainted;		/* a step without a figure lies behind the last cut */
	uint64_t last_ns;
	int64_t last;		/* value of the meter at last_ns */
	size_t busy;		/* first busy interval that may still reach into a later gap */
	int64_t pure_idle_use;
	uint64_t pure_idle_ns;
};

struct walk {
	struct meters_walk *out;
	const struct recording *r;
	uint32_t *first_figure;		/* of a step in recording.step_resources; UINT32_MAX none */
	struct interval *busy;
	size_t n_busy;
	struct mixed_gap *mixed;
	size_t n_mixed, mixed_capacity;
	size_t next_sample;
	struct meter_state state[MAX_RESOURCES];
	int64_t moved[MAX_RESOURCES];	/* what a meter was said to move in all, up or down */
	/* Cuts of the steps of one group of overlapping steps. */
	struct cut *cuts;
	size_t cuts_capacity;
	int64_t *group_use;
	size_t group_capacity;
};

int resources__find(const struct ledger_resource *resources, size_t n, int id)
{
	for (size_t k = 0; k < n; k++) {
		if (resources[k].row->id == id)
			return (int)k;
	}
	return -1;
}

static bool is_metered(const struct ledger_resource *resource)
{
	return resource->measured && resource->row->kind == RESOURCE_ADDITIVE;
}

/* ---------------------------------------------------------------------------------------------------------- in flight --- */

/* How much of [start, end) was busy; an instant counts as 1 ns. Gaps of one meter come in order of time. */
static uint64_t busy_within(const struct walk *w, struct meter_state *s, uint64_t start, uint64_t end)
{
	uint64_t sum = 0;

	while (s->busy < w->n_busy && w->busy[s->busy].end_ns <= start)
		s->busy++;
	for (size_t i = s->busy; i < w->n_busy && w->busy[i].start_ns < end; i++) {
		const uint64_t from = w->busy[i].start_ns > start ? w->busy[i].start_ns : start;
		const uint64_t to = w->busy[i].end_ns < end ? w->busy[i].end_ns : end;

		sum += to > from ? to - from : 0;
	}
	return sum;
}

/* --------------------------------------------------------------------------------------------------------------- gaps --- */

/*
 * Everything that the ledger adds up is a part of what the meters moved. So where all of that together is a figure, no sum
 * overflows; meters that moved further than one can are not those of any machine.
 */
static int charge(struct walk *w, int k, int64_t use)
{
	if (use < -MOVED_MOST || use > MOVED_MOST)
		return -EINVAL;
	w->moved[k] += use < 0 ? -use : use;
	return w->moved[k] > MOVED_MOST ? -EINVAL : 0;
}

/* What a meter read after a step, or -EINVAL. */
static int end_value(const struct row_step_resource *figure, int64_t *value)
{
	return __builtin_add_overflow(figure->start_value, figure->value, value) ? -EINVAL : 0;
}

static int take_gap(struct walk *w, int k, uint64_t end_ns, int64_t value)
{
	struct meter_state *s = &w->state[k];
	int64_t use;
	const uint64_t start_ns = s->last_ns;
	uint64_t length = end_ns > start_ns ? end_ns - start_ns : 1;
	struct mixed_gap *moved;
	uint64_t busy;
	bool tainted;

	if (__builtin_sub_overflow(value, s->last, &use) || charge(w, k, use))
		return -EINVAL;
	tainted = s->tainted || use < 0;
	w->out->seen[k] = true;
	s->tainted = false;
	s->last = value;
	if (end_ns > s->last_ns)
		s->last_ns = end_ns;
	if (tainted) {
		w->out->nobody[k] += use;
		return 0;
	}
	busy = busy_within(w, s, start_ns, start_ns + length);
	if (busy == length) {
		w->out->host[k] += use;
		return 0;
	}
	if (busy == 0) {
		w->out->idle[k] += use;
		s->pure_idle_use += use;
		s->pure_idle_ns += length;
		return 0;
	}
	moved = array__reserve(w->mixed, &w->mixed_capacity, w->n_mixed + 1, sizeof(*moved));
	if (!moved)
		return -ENOMEM;
	w->mixed = moved;
	w->mixed[w->n_mixed++] = (struct mixed_gap){ k, busy, length - busy, use };
	return 0;
}

/*
 * A second of idling and a millisecond of parsing a request share a gap: by time alone the work would be idle's. So idling
 * takes what it took in gaps that were wholly idle, and by time only where there was none.
 */
static void settle_mixed(struct walk *w)
{
	for (size_t i = 0; i < w->n_mixed; i++) {
		const struct mixed_gap *gap = &w->mixed[i];
		const struct meter_state *s = &w->state[gap->resource];
		i128 idle;

		if (s->pure_idle_ns)
			idle = (i128)s->pure_idle_use * gap->idle_ns / s->pure_idle_ns;
		else
			idle = (i128)gap->use * gap->idle_ns / ((i128)gap->idle_ns + gap->busy_ns);
		if (idle > gap->use)
			idle = gap->use;
		w->out->idle[gap->resource] += (int64_t)idle;
		w->out->host[gap->resource] += gap->use - (int64_t)idle;
	}
}

/* Samples up to a time are cuts between steps; those that fell inside a step say nothing new. */
static int take_samples(struct walk *w, uint64_t until_ns, bool inside_steps)
{
	for (; w->next_sample < w->r->n_samples && w->r->samples[w->next_sample].time_ns <= until_ns;
	     w->next_sample++) {
		const struct row_sample *sample = &w->r->samples[w->next_sample];
		const int k = resources__find(w->out->resources, w->out->n_resources, sample->resource);
		int err;

		if (k < 0)
			return -EINVAL;
		if (inside_steps || !is_metered(&w->out->resources[k]))
			continue;
		err = take_gap(w, k, sample->time_ns, sample->value);
		if (err)
			return err;
	}
	return 0;
}

/* -------------------------------------------------------------------------------------------------------------- steps --- */

struct cut {
	uint64_t time_ns;
	int64_t value;
	uint32_t member;	/* of the group */
	bool is_end;
};

static int compare_cuts(const void *a, const void *b)
{
	const struct cut *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	if (x->is_end != y->is_end)
		return x->is_end ? 1 : -1;
	return x->member < y->member ? -1 : x->member > y->member;
}

static const struct row_step_resource *find_figure(const struct walk *w, uint32_t step, int resource)
{
	const struct recording *r = w->r;

	for (size_t i = w->first_figure[step];
	     i < r->n_step_resources && r->step_resources[i].step == r->steps[step].id; i++) {
		if (r->step_resources[i].resource == resource)
			return &r->step_resources[i];
	}
	return NULL;
}

static uint64_t step__end(const struct row_step *step)
{
	return step->end_ns > step->start_ns ? step->end_ns : step->start_ns;
}

static int single_step(struct walk *w, uint32_t step)
{
	const struct row_step *s = &w->r->steps[step];
	int64_t use[MAX_RESOURCES] = { 0 };

	for (size_t k = 0; k < w->out->n_resources; k++) {
		const struct row_step_resource *figure;
		int err;

		if (!is_metered(&w->out->resources[k]))
			continue;
		figure = find_figure(w, step, w->out->resources[k].row->id);
		if (!figure) {
			w->state[k].tainted = true;
			continue;
		}
		err = take_gap(w, (int)k, s->start_ns, figure->start_value);
		if (err)
			return err;
		use[k] = figure->value;
		if (charge(w, (int)k, use[k]) || end_value(figure, &w->state[k].last))
			return -EINVAL;
		w->state[k].last_ns = step__end(s);
	}
	return w->out->step(w->out->ctx, step, use);
}

/* One meter over a group of overlapping steps. `steps` are their indexes; use[i * n_resources + k] receives. */
static int cut_group(struct walk *w, int k, const uint32_t *steps, size_t n)
{
	const size_t n_resources = w->out->n_resources;
	size_t n_cuts = 0, n_active = 0;
	struct cut *moved = array__reserve(w->cuts, &w->cuts_capacity, 2 * n, sizeof(*moved));
	bool *active;
	int err = 0;

	if (!moved)
		return -ENOMEM;
	w->cuts = moved;
	for (size_t i = 0; i < n; i++) {
		const struct row_step *s = &w->r->steps[steps[i]];
		const struct row_step_resource *figure = find_figure(w, steps[i], w->out->resources[k].row->id);
		int64_t end;

		if (!figure) {
			w->state[k].tainted = true;
			continue;
		}
		if (end_value(figure, &end))
			return -EINVAL;
		w->cuts[n_cuts++] = (struct cut){ s->start_ns, figure->start_value, (uint32_t)i, false };
		w->cuts[n_cuts++] = (struct cut){ step__end(s), end, (uint32_t)i, true };
	}
	qsort(w->cuts, n_cuts, sizeof(*w->cuts), compare_cuts);
	active = array__zeroed(n, sizeof(*active));
	if (!active)
		return -ENOMEM;
	for (size_t c = 0; !err && c < n_cuts; c++) {
		const struct cut *cut = &w->cuts[c];
		int64_t moved_by;

		if (n_active == 0) {
			err = take_gap(w, k, cut->time_ns, cut->value);
		} else if (__builtin_sub_overflow(cut->value, w->state[k].last, &moved_by) || charge(w, k, moved_by)) {
			err = -EINVAL;
		} else {
			const int64_t each = moved_by / (int64_t)n_active;
			int64_t rest = moved_by % (int64_t)n_active;

			for (size_t i = 0; i < n; i++) {
				if (!active[i])
					continue;
				w->group_use[i * n_resources + (size_t)k] += each + (rest > 0) - (rest < 0);
				rest -= (rest > 0) - (rest < 0);
			}
			w->state[k].last = cut->value;
			w->state[k].last_ns = cut->time_ns;
		}
		if (active[cut->member] == cut->is_end) {
			n_active += cut->is_end ? (size_t)-1 : 1;
			active[cut->member] = !cut->is_end;
		}
	}
	free(active);
	return err;
}

static int overlapping_steps(struct walk *w, const uint32_t *steps, size_t n)
{
	const size_t n_resources = w->out->n_resources;
	int64_t *moved = array__reserve(w->group_use, &w->group_capacity, n * n_resources, sizeof(*moved));
	int err = 0;

	if (!moved)
		return -ENOMEM;
	w->group_use = moved;
	for (size_t i = 0; i < n * n_resources; i++)
		w->group_use[i] = 0;
	for (size_t k = 0; !err && k < n_resources; k++) {
		if (is_metered(&w->out->resources[k]))
			err = cut_group(w, (int)k, steps, n);
	}
	for (size_t i = 0; !err && i < n; i++)
		err = w->out->step(w->out->ctx, steps[i], &w->group_use[i * n_resources]);
	return err;
}

static int walk_steps(struct walk *w)
{
	const struct recording *r = w->r;
	uint32_t *group = NULL;
	size_t capacity = 0;
	int err = 0;

	for (uint32_t next = 0; !err && next < r->n_steps;) {
		const uint32_t first = next;
		uint64_t end_ns = step__end(&r->steps[first]);
		size_t n = 0;

		for (; next < r->n_steps && (next == first || r->steps[next].start_ns < end_ns); next++) {
			uint32_t *moved;

			/* A nested step's use is inside its parent's. */
			if (r->steps[next].flags & STEP_NESTED)
				continue;
			if (step__end(&r->steps[next]) > end_ns)
				end_ns = step__end(&r->steps[next]);
			moved = array__reserve(group, &capacity, n + 1, sizeof(*group));
			if (!moved) {
				err = -ENOMEM;
				break;
			}
			group = moved;
			group[n++] = next;
		}
		if (err || n == 0)
			continue;
		err = take_samples(w, r->steps[group[0]].start_ns, false);
		if (!err)
			err = n == 1 ? single_step(w, group[0]) : overlapping_steps(w, group, n);
		if (!err)
			err = take_samples(w, end_ns ? end_ns - 1 : 0, true);
	}
	free(group);
	return err ? err : take_samples(w, UINT64_MAX, false);
}

/* First figure of each step: both tables are sorted by step id, the steps by time. */
static int index_figures(struct walk *w)
{
	const struct recording *r = w->r;
	uint32_t *by_id = steps__by_id(r);
	size_t figure = 0;

	w->first_figure = array__zeroed(r->n_steps, sizeof(*w->first_figure));
	if (!by_id || !w->first_figure) {
		free(by_id);
		return -ENOMEM;
	}
	for (size_t i = 0; i < r->n_step_resources; i++) {
		if (resources__find(w->out->resources, w->out->n_resources, r->step_resources[i].resource) < 0) {
			free(by_id);
			return -EINVAL;
		}
	}
	for (size_t k = 0; k < r->n_steps; k++) {
		while (figure < r->n_step_resources && r->step_resources[figure].step < r->steps[by_id[k]].id)
			figure++;
		w->first_figure[by_id[k]] = (uint32_t)figure;
	}
	free(by_id);
	return 0;
}

/* The meters read 0 when the recorder attached. Without its time the first gap begins where the recording does. */
static uint64_t attach_time(const struct recording *r)
{
	const int64_t start_ns = recording__meta_int(r, "start_ns");
	uint64_t first = UINT64_MAX;

	if (start_ns != ABSENT && start_ns >= 0)
		return (uint64_t)start_ns;
	if (r->n_steps)
		first = r->steps[0].start_ns;
	if (r->n_samples && r->samples[0].time_ns < first)
		first = r->samples[0].time_ns;
	return first == UINT64_MAX ? 0 : first;
}

int meters__walk(struct meters_walk *out)
{
	struct walk w = { .out = out, .r = out->timeline->recording };
	int err = in_flight__build(out->timeline, &w.busy, &w.n_busy);

	for (size_t k = 0; k < MAX_RESOURCES; k++)
		w.state[k].last_ns = attach_time(w.r);
	if (!err)
		err = index_figures(&w);
	if (!err)
		err = walk_steps(&w);
	if (!err)
		settle_mixed(&w);
	free(w.first_figure);
	free(w.busy);
	free(w.mixed);
	free(w.cuts);
	free(w.group_use);
	return err;
}

struct step_uses {
	int64_t *uses;
	size_t at;		/* of the resource */
};

static int take_use(void *ctx, uint32_t step, const int64_t *use)
{
	const struct step_uses *s = ctx;

	s->uses[step] = use[s->at];
	return 0;
}

int meters__of_steps(const struct timeline *t, int resource, int64_t **out)
{
	const struct recording *r = t->recording;
	struct ledger_resource resources[MAX_RESOURCES] = { { .row = NULL } };
	struct step_uses s = { .uses = array__zeroed(r->n_steps, sizeof(*s.uses)) };
	struct meters_walk walk = {
		.timeline = t, .n_resources = r->n_resources, .resources = resources, .step = take_use, .ctx = &s
	};
	bool any = false;
	int err = r->n_resources > MAX_RESOURCES ? -EINVAL : s.uses ? 0 : -ENOMEM;

	for (size_t k = 0; k < r->n_resources && !err; k++) {
		resources[k].row = &r->resources[k];
		resources[k].measured = r->resources[k].id == resource && r->resources[k].grade != GRADE_UNAVAILABLE;
		if (resources[k].measured)
			s.at = k;
		any |= resources[k].measured;
	}
	if (!err && any)
		err = meters__walk(&walk);
	if (err)
		free(s.uses);
	*out = err ? NULL : s.uses;
	return err;
}
