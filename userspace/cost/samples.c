/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/cost/samples.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"
#include "userspace/analysis/array.h"
#include "userspace/analysis/facts.h"
#include "userspace/analysis/runs.h"
#include "userspace/analysis/steps.h"
#include "userspace/analysis/touched.h"

/* What the samples are gathered from, and how far the arrays are filled. */
struct gatherer {
	const struct timeline *timeline;
	const struct recording *recording;
	struct row_range *ranges;
	struct cost_samples *out;
	size_t n_rows, n_parts;
};

/* Of the resource in a step; ABSENT. */
static int64_t step__value(const struct recording *r, const struct row_step *step, int resource)
{
	const struct row_step_resource *use;

	if (resource == COST_RESOURCE_WALL)
		return (int64_t)step__duration_ns(step);
	use = recording__find_step_use(r, step->id, resource);
	return use ? use->value : ABSENT;
}

static uint32_t row__owner(const struct timeline *t, size_t step, const struct row_row *row)
{
	for (uint32_t i = t->step_first_row[step]; i < t->step_first_row[step + 1]; i++) {
		const struct timeline_row *at = &t->rows[i];

		if (at->seq != row->seq || row->first_pos < at->first_pos ||
		    (int64_t)row->first_pos >= (int64_t)at->first_pos + at->n_tokens)
			continue;
		if (at->run != RUN_NONE && t->runs[at->run].request != REQUEST_NONE)
			return t->runs[at->run].request;
	}
	return COST_OWNER_UNKNOWN | (uint32_t)row->seq;
}

static void add_sample(struct gatherer *g, size_t step, double value)
{
	const struct recording *r = g->recording;
	const struct row_range *range = &g->ranges[step];
	struct cost_sample *sample = &g->out->samples[g->out->n];

	*sample = (struct cost_sample){
		.rows = g->out->rows + g->n_rows,
		.part_end = g->out->part_end + g->n_parts,
		.value = value,
		.start_ns = r->steps[step].start_ns,
	};
	for (uint32_t i = 0; i < range->n; i++) {
		const struct row_row *row = &r->rows[range->first + i];
		const bool last = i + 1 == range->n || row[1].ubatch != row->ubatch || row[1].step != row->step;

		g->out->rows[g->n_rows++] = (struct cost_row){
			.n_tokens = (uint32_t)row->n_tokens,
			.context = (uint32_t)row->first_pos,
			.n_outputs = row->n_outputs > 0 ? (uint32_t)row->n_outputs : 0,
			.owner = row__owner(g->timeline, step, row),
		};
		if (last) {
			g->out->part_end[g->n_parts++] = i + 1;
			sample->n_parts++;
		}
	}
	g->out->steps[g->out->n++] = (uint32_t)step;
}

static void gather(struct gatherer *g, const bool *overlapping, const bool *touched, enum step_role role, int resource)
{
	const struct recording *r = g->recording;

	for (size_t i = 0; i < r->n_steps; i++) {
		const struct row_step *step = &r->steps[i];
		const struct row_range *range = &g->ranges[i];
		int64_t value;

		/* One whose operators were probed has cost more than its like. */
		if (step->flags & (STEP_NESTED | STEP_OPERATORS) || step__role(r, step) != role)
			continue;
		value = step__value(r, step, resource);
		if (!step__returned(step) || !step__returned(&r->steps[range->source]))
			g->out->n_failed++;
		else if (!rows__known(r, range) || r->steps[range->source].flags & STEP_PARTS_UNKNOWN)
			g->out->n_without_rows++;
		else if (overlapping[i])
			g->out->n_overlapping++;
		else if (touched[i])
			g->out->n_touched++;
		else if (value == ABSENT || value <= 0)
			g->out->n_unmeasured++;
		else
			add_sample(g, i, (double)value);
	}
}

int cost__samples(const struct timeline *t, const char *role, int resource, struct cost_samples *out)
{
	const struct recording *r = t->recording;
	struct gatherer g = { .timeline = t, .recording = r, .ranges = rows__ranges(r), .out = out };
	bool *overlapping = steps__overlapping(r), *touched = steps__in_touched_windows(r);
	int err = 0;

	memset(out, 0, sizeof(*out));
	out->samples = array__zeroed(r->n_steps, sizeof(*out->samples));
	out->steps = array__zeroed(r->n_steps, sizeof(*out->steps));
	out->rows = array__zeroed(r->n_rows, sizeof(*out->rows));
	out->part_end = array__zeroed(r->n_rows, sizeof(*out->part_end));
	if (g.ranges && overlapping && touched && out->samples && out->steps && out->rows && out->part_end) {
		gather(&g, overlapping, touched, strcmp(role, "draft") == 0 ? ROLE_DRAFT : ROLE_TARGET, resource);
	} else {
		cost_samples__free(out);
		err = -ENOMEM;
	}
	free(overlapping);
	free(touched);
	free(g.ranges);
	return err;
}

void cost_samples__free(struct cost_samples *s)
{
	if (!s)
		return;
	free(s->samples);
	free(s->steps);
	free(s->rows);
	free(s->part_end);
	memset(s, 0, sizeof(*s));
}
