/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/operators.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"
#include "userspace/analysis/array.h"
#include "userspace/analysis/facts.h"
#include "userspace/analysis/ledger.h"
#include "userspace/analysis/meters.h"
#include "userspace/analysis/steps.h"
#include "userspace/graph_node.h"
#include "userspace/verify/stats/student.h"

#define TAIL 0.025

/* Sums over the probed steps of a kind; x: of a part, t: of the whole step. */
struct sums {
	double x, xx, xt;
};

struct whole {
	double t, tt;
};

struct splitter {
	const struct timeline *timeline;
	const struct recording *r;
	struct operator_split *out;
	enum operator_split_by by;
	bool cpu;		/* CPU time, else the duration of steps */
	int64_t *uses;		/* per step, as the ledger has them: of steps at one time, each its part */
	double hit_ns;		/* of one trap */
	struct sums (*sums)[N_MIXES];	/* one per part */
	struct whole wholes[N_MIXES];
	double *now;		/* one per part: of the present step */
};

const char *step_mix__name(int mix)
{
	if (mix < N_PHASES)
		return phase__name((enum phase)mix);
	return mix == MIX_SEVERAL ? "mixed" : "unknown";
}

static int mix_of(const struct timeline *t, size_t step)
{
	int mix = MIX_UNKNOWN;

	for (uint32_t i = t->step_first_row[step]; i < t->step_first_row[step + 1]; i++) {
		if (t->rows[i].seq < 0)
			return MIX_UNKNOWN;
		if (mix == MIX_UNKNOWN)
			mix = t->rows[i].phase;
		else if (mix != t->rows[i].phase)
			return MIX_SEVERAL;
	}
	return mix;
}

static bool has_resource(const struct recording *r, int resource)
{
	for (size_t i = 0; i < r->n_resources; i++)
		if (r->resources[i].id == resource)
			return r->resources[i].grade != GRADE_UNAVAILABLE;
	return false;
}

static int find_uses(struct splitter *s)
{
	if (s->cpu)
		return meters__of_steps(s->timeline, RESOURCE_CPU_NS, &s->uses);
	s->uses = array__zeroed(s->r->n_steps, sizeof(*s->uses));
	for (size_t i = 0; s->uses && i < s->r->n_steps; i++)
		s->uses[i] = (int64_t)step__duration_ns(&s->r->steps[i]);
	return s->uses ? 0 : -ENOMEM;
}

/* By the meter that nodes are told by: that of all processes. */
static int64_t moved_in(const struct splitter *s, const struct row_step *step)
{
	const int64_t use =
		s->cpu ? recording__step_use(s->r, step->id, RESOURCE_CPU_NS) : (int64_t)step__duration_ns(step);

	return use == ABSENT || use < 0 ? 0 : use;
}

static bool is_class(const struct row_step_operator *row, enum operator_class class)
{
	return strcmp(row->name, operator_class__name(class)) == 0;
}

/* In no part: what was told beside the nodes. */
static bool is_aside(const struct row_step_operator *row)
{
	return is_class(row, OPERATOR_SAMPLED) || is_class(row, OPERATOR_PROBES);
}

/* --- parts ------------------------------------------------------------------------------------------------------------ */

static bool is_part(const struct splitter *s, const struct operator_part *part, const struct row_step_operator *row)
{
	if (s->by == SPLIT_BY_LAYER)
		return part->layer == (row->layer < 0 ? LAYER_NONE : row->layer);
	return strcmp(part->name, row->name) == 0;
}

static struct operator_part *find_part(const struct splitter *s, const struct row_step_operator *row)
{
	for (size_t i = 0; i < s->out->n_parts; i++)
		if (is_part(s, &s->out->parts[i], row))
			return &s->out->parts[i];
	return NULL;
}

static int add_part(struct splitter *s, const char *name, int layer)
{
	struct operator_part *parts = reallocarray(s->out->parts, s->out->n_parts + 1, sizeof(*parts));

	if (!parts)
		return -ENOMEM;
	s->out->parts = parts;
	parts[s->out->n_parts] = (struct operator_part){ .name = name, .layer = layer, .low = ABSENT, .high = ABSENT };
	s->out->n_parts++;
	return 0;
}

static int class_place(const char *name)
{
	for (int class = 0; class < N_OPERATOR_CLASSES; class ++)
		if (strcmp(operator_class__name((enum operator_class) class), name) == 0)
			return class;
	return N_OPERATOR_CLASSES;
}

/* Layers ascending, then what has none; operators in the order of their classes, then those that this version does not know. */
static int compare_parts(const void *a, const void *b)
{
	const struct operator_part *x = a, *y = b;
	const unsigned int left = (unsigned int)x->layer, right = (unsigned int)y->layer;	/* -1 is the last */
	int place;

	if (left != right)
		return left < right ? -1 : 1;
	if (!x->name || !y->name)
		return 0;
	place = class_place(x->name) - class_place(y->name);
	return place ? place : strcmp(x->name, y->name);
}

static int list_parts(struct splitter *s)
{
	int err = 0;

	for (size_t i = 0; i < s->r->n_step_operators && !err; i++) {
		const struct row_step_operator *row = &s->r->step_operators[i];
		const int layer = row->layer < 0 ? LAYER_NONE : row->layer;

		if (is_aside(row) || find_part(s, row))
			continue;
		if (s->by == SPLIT_BY_OPERATOR)
			err = add_part(s, row->name, LAYER_NONE);
		else
			err = add_part(s, layer == LAYER_NONE ? PART_NO_LAYER : NULL, layer);
	}
	if (err)
		return err;
	if (s->out->n_parts > 0)
		qsort(s->out->parts, s->out->n_parts, sizeof(*s->out->parts), compare_parts);
	return add_part(s, PART_ENGINE, LAYER_ENGINE);
}

/* --- probed steps ----------------------------------------------------------------------------------------------------- */

struct range {
	size_t first, end;
};

static struct range rows_of(const struct recording *r, int64_t step)
{
	size_t low = 0, high = r->n_step_operators;
	struct range range;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (r->step_operators[middle].step < step)
			low = middle + 1;
		else
			high = middle;
	}
	range.first = range.end = low;
	while (range.end < r->n_step_operators && r->step_operators[range.end].step == step)
		range.end++;
	return range;
}

static double value_of(const struct splitter *s, const struct row_step_operator *row)
{
	if (!s->cpu)
		return (double)row->ns;
	return row->cpu_ns == ABSENT ? 0 : (double)row->cpu_ns;
}

/* How many threads a trap is paid by: as many as were at work on the graph, by their time. */
static double trap_cost(const struct splitter *s, const struct range *range)
{
	double ns = 0, cpu_ns = 0;

	for (size_t i = range->first; i < range->end; i++) {
		const struct row_step_operator *row = &s->r->step_operators[i];

		if (is_aside(row))
			continue;
		ns += (double)row->ns;
		cpu_ns += value_of(s, row);
	}
	return s->cpu && ns > 0 ? s->hit_ns * cpu_ns / ns : s->hit_ns;
}

/* @return whether the step tells what it was made of */
static bool add_step(struct splitter *s, const struct row_step *step, int mix)
{
	const struct range range = rows_of(s->r, step->id);
	const double trap = trap_cost(s, &range);
	const size_t n_parts = s->out->n_parts;
	double rest = (double)moved_in(s, step), whole = 0;
	bool any = false;

	memset(s->now, 0, n_parts * sizeof(*s->now));
	for (size_t i = range.first; i < range.end; i++) {
		const struct row_step_operator *row = &s->r->step_operators[i];
		struct operator_part *part = is_aside(row) ? NULL : find_part(s, row);
		const double value = value_of(s, row), net = value - trap * (double)row->n;

		if (is_class(row, OPERATOR_SAMPLED))
			continue;
		rest -= value;
		if (!part)
			continue;
		any = true;
		part->n_nodes += row->n;
		s->now[part - s->out->parts] += net > 0 ? net : 0;
	}
	if (!any)
		return false;
	s->now[n_parts - 1] = rest > 0 ? rest : 0;
	for (size_t p = 0; p < n_parts; p++)
		whole += s->now[p];
	for (size_t p = 0; p < n_parts; p++) {
		struct sums *sums = &s->sums[p][mix];

		sums->x += s->now[p];
		sums->xx += s->now[p] * s->now[p];
		sums->xt += s->now[p] * whole;
	}
	s->wholes[mix].t += whole;
	s->wholes[mix].tt += whole * whole;
	return true;
}

static void add_steps(struct splitter *s)
{
	struct operator_split *out = s->out;

	for (size_t i = 0; i < s->r->n_steps; i++) {
		const struct row_step *step = &s->r->steps[i];
		struct operator_mix *mix = &out->mixes[mix_of(s->timeline, i)];

		if (step->flags & STEP_NESTED)
			continue;	/* its use is that of the step around it */
		mix->n_steps++;
		mix->total += s->uses[i] > 0 ? s->uses[i] : 0;
		if (step->flags & STEP_OPERATORS && add_step(s, step, (int)(mix - out->mixes)))
			mix->n_probed++;
	}
	for (int m = 0; m < N_MIXES; m++) {
		out->n_steps += out->mixes[m].n_steps;
		out->n_probed += out->mixes[m].n_probed;
		out->total += out->mixes[m].total;
		if (out->mixes[m].n_probed == 0)
			out->not_split += out->mixes[m].total;
	}
}

/* --- figures ---------------------------------------------------------------------------------------------------------- */

/* Half of the 95 % interval of x / t over n steps. */
static double half_width(const struct sums *sums, const struct whole *whole, int64_t n)
{
	const double share = sums->x / whole->t;
	const double squares = sums->xx - 2 * share * sums->xt + share * share * whole->tt;

	if (!(squares > 0))
		return 0;
	return student__exceeded(TAIL, n - 1) * sqrt(squares * (double)n / (double)(n - 1)) / whole->t;
}

static int64_t bounded(double value, int64_t least, int64_t most)
{
	return value <= (double)least ? least : value >= (double)most ? most : (int64_t)value;
}

static void set_interval(const struct splitter *s, size_t p)
{
	struct operator_part *part = &s->out->parts[p];
	double squares = 0;

	for (int m = 0; m < N_MIXES; m++) {
		const struct operator_mix *mix = &s->out->mixes[m];
		double half;

		if (mix->n_probed == 0)
			continue;
		if (mix->n_probed < 2)
			return;
		half = half_width(&s->sums[p][m], &s->wholes[m], mix->n_probed) * (double)mix->total;
		squares += half * half;
	}
	part->low = bounded((double)part->total - sqrt(squares), 0, part->total);
	part->high = bounded((double)part->total + sqrt(squares), part->total, s->out->total - s->out->not_split);
}

static int set_figures(struct splitter *s)
{
	struct operator_split *out = s->out;
	double *weights = array__zeroed(out->n_parts, sizeof(*weights));
	int64_t *values = array__zeroed(out->n_parts, sizeof(*values));
	int err = weights && values ? 0 : -ENOMEM;

	for (int m = 0; m < N_MIXES && !err; m++) {
		for (size_t p = 0; p < out->n_parts; p++)
			weights[p] = s->sums[p][m].x;
		if (out->mixes[m].n_probed > 0)
			err = share__split(out->mixes[m].total, weights, out->n_parts, values);
		for (size_t p = 0; p < out->n_parts && !err; p++) {
			out->parts[p].value[m] = out->mixes[m].n_probed > 0 ? values[p] : ABSENT;
			out->parts[p].total += out->mixes[m].n_probed > 0 ? values[p] : 0;
		}
	}
	for (size_t p = 0; p < out->n_parts && !err; p++)
		set_interval(s, p);
	free(values);
	free(weights);
	return err;
}

static int64_t outputs_of(const struct timeline *t, size_t step)
{
	int64_t n = 0;

	for (uint32_t i = t->step_first_row[step]; i < t->step_first_row[step + 1]; i++)
		if (t->rows[i].seq >= 0 && t->rows[i].counted)
			n += t->rows[i].n_outputs;
	return n;
}

/* A token is chosen for every output. Of steps whose choices were timed: what one took; then that of all outputs. */
static void set_sampling(struct splitter *s)
{
	struct operator_split *out = s->out;
	struct sums sums = { 0 };
	struct whole whole = { 0 };
	int64_t n_outputs = 0, n = 0;
	double half;

	out->sampling = out->sampling_low = out->sampling_high = ABSENT;
	for (size_t i = 0; i < s->r->n_steps; i++) {
		const struct row_step *step = &s->r->steps[i];
		const double outputs = (double)outputs_of(s->timeline, i);
		const struct range range = step->flags & STEP_OPERATORS ? rows_of(s->r, step->id) : (struct range){ 0 };

		n_outputs += (int64_t)outputs;
		for (size_t k = range.first; k < range.end && outputs > 0; k++) {
			const struct row_step_operator *row = &s->r->step_operators[k];
			const double net = value_of(s, row) - s->hit_ns * (double)row->n, x = net > 0 ? net : 0;

			if (!is_class(row, OPERATOR_SAMPLED))
				continue;
			out->n_sampled += row->n;
			n++;
			sums.x += x;
			sums.xx += x * x;
			sums.xt += x * outputs;
			whole.t += outputs;
			whole.tt += outputs * outputs;
		}
	}
	if (n == 0)
		return;
	out->sampling = bounded(sums.x / whole.t * (double)n_outputs, 0, INT64_MAX / 2);
	if (n < 2)
		return;
	half = half_width(&sums, &whole, n) * (double)n_outputs;
	out->sampling_low = bounded((double)out->sampling - half, 0, out->sampling);
	out->sampling_high = bounded((double)out->sampling + half, out->sampling, INT64_MAX / 2);
}

static void say_why(const struct recording *r, struct operator_split *out)
{
	const char *reason = recording__meta(r, "operators_reason");

	if (reason && reason[0])
		snprintf(out->reason, sizeof(out->reason), "%s", reason);
	else if (out->n_steps == 0)
		snprintf(out->reason, sizeof(out->reason), "the recording has no steps");
	else
		snprintf(out->reason, sizeof(out->reason), "no step of the recording was probed for its operators");
}

int operator_split__build(struct operator_split *out, const struct timeline *t, enum operator_split_by by)
{
	const struct recording *r = t->recording;
	const int64_t hit_ns = recording__meta_int(r, "operator_hit_ns");
	struct splitter s = { .timeline = t, .r = r, .out = out, .by = by };
	int err;

	memset(out, 0, sizeof(*out));
	s.cpu = has_resource(r, RESOURCE_CPU_NS);
	s.hit_ns = hit_ns == ABSENT || hit_ns < 0 ? 0 : (double)hit_ns;
	out->is_cpu = s.cpu;
	out->resource = s.cpu ? "cpu_ns" : "duration_ns";
	err = find_uses(&s);
	if (!err)
		err = list_parts(&s);
	if (!err) {
		s.sums = array__zeroed(out->n_parts, sizeof(*s.sums));
		s.now = array__zeroed(out->n_parts, sizeof(*s.now));
		err = s.sums && s.now ? 0 : -ENOMEM;
	}
	if (!err) {
		add_steps(&s);
		err = set_figures(&s);
	}
	if (!err)
		set_sampling(&s);
	if (!err && out->n_probed == 0) {
		out->n_parts = 0;
		say_why(r, out);
	}
	free(s.uses);
	free(s.sums);
	free(s.now);
	if (err)
		operator_split__free(out);
	return err;
}

void operator_split__free(struct operator_split *s)
{
	free(s->parts);
	s->parts = NULL;
	s->n_parts = 0;
}
