/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps beside steps of the same composition. No cost model is needed: steps with as many rows and tokens differ by their contexts
 * alone, and by what somebody did to them. Steps with prompts are left out: few are alike.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/facts.h"
#include "userspace/analysis/array.h"
#include "userspace/analysis/runs.h"
#include "userspace/verify/guards.h"

#define MAX_ROW_TOKENS 16	/* of a row that verifies drafts; longer ones are prompts */
#define MIN_GROUP 20		/* steps of one composition */

struct sample {
	uint32_t step;
	uint64_t key;			/* rows and tokens */
	double context, wall, cpu;	/* cpu NAN */
};

static int by_key(const void *pa, const void *pb)
{
	const struct sample *a = pa, *b = pb;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a->step < b->step ? -1 : a->step > b->step;
}

static int by_step(const void *pa, const void *pb)
{
	const struct pace *a = pa, *b = pb;

	return a->step < b->step ? -1 : a->step > b->step;
}

static int by_value(const void *pa, const void *pb)
{
	const double a = *(const double *)pa, b = *(const double *)pb;

	return a < b ? -1 : a > b;
}

/* @return whether it generates, and nothing else */
static bool take_step(struct sample *out, const struct verify_input *in, uint32_t step)
{
	const struct recording *r = in->recording;
	const struct timeline *t = in->timeline;
	const struct row_step *s = &r->steps[step];
	int64_t rows = 0, tokens = 0, use;

	*out = (struct sample){ .step = step, .wall = (double)(s->end_ns - s->start_ns) };
	for (uint32_t k = t->step_first_row[step]; k < t->step_first_row[step + 1]; k++) {
		const struct timeline_row *row = &t->rows[k];

		if (row->run == RUN_NONE || (row->phase != PHASE_DECODE && row->phase != PHASE_VERIFY) ||
		    row->n_tokens > MAX_ROW_TOKENS || !row->counted)
			return false;
		rows++;
		tokens += row->n_tokens;
		out->context += row->first_pos + (double)row->n_tokens;
	}
	if (rows == 0 || !(out->wall > 0) || context__is_draft(r, s->context))
		return false;
	use = recording__step_use(r, s->id, RESOURCE_CPU_NS);
	out->cpu = use == ABSENT || use <= 0 ? NAN : (double)use;
	out->key = (uint64_t)rows << 32 | (uint64_t)tokens;
	return true;
}

/* One value of a sample: wall or CPU time. */
static double value_of(const struct sample *s, bool cpu)
{
	return cpu ? s->cpu : s->wall;
}

/* The common slope over context, each group about its own means. */
static double slope_of(const struct sample *samples, size_t n, bool cpu)
{
	double xy = 0, xx = 0;

	for (size_t first = 0, end; first < n; first = end) {
		double x = 0, y = 0, m = 0;

		for (end = first; end < n && samples[end].key == samples[first].key; end++) {
			if (isnan(value_of(&samples[end], cpu)))
				continue;
			x += samples[end].context;
			y += value_of(&samples[end], cpu);
			m++;
		}
		for (size_t i = first; i < end && m > 0; i++) {
			if (isnan(value_of(&samples[i], cpu)))
				continue;
			xy += (samples[i].context - x / m) * (value_of(&samples[i], cpu) - y / m);
			xx += (samples[i].context - x / m) * (samples[i].context - x / m);
		}
	}
	return xx > 0 && xy > 0 ? xy / xx : 0;
}

/* log(value / median) over a group, its contexts brought to their mean. @scratch room for the group */
static void rate_group(const struct sample *s, size_t n, bool cpu, double slope, double *scratch, struct pace *out)
{
	double context = 0, median;
	size_t m = 0;

	for (size_t i = 0; i < n; i++)
		context += s[i].context / (double)n;
	for (size_t i = 0; i < n; i++)
		if (!isnan(value_of(&s[i], cpu)))
			scratch[m++] = value_of(&s[i], cpu) - slope * (s[i].context - context);
	if (m)
		qsort(scratch, m, sizeof(*scratch), by_value);
	median = m ? scratch[m / 2] : 0;
	for (size_t i = 0; i < n; i++) {
		const double level = value_of(&s[i], cpu) - slope * (s[i].context - context);
		const double log_ratio = median > 0 && level > 0 ? log(level / median) : NAN;

		if (cpu)
			out[i].cpu = log_ratio;
		else
			out[i].wall = log_ratio;
	}
}

static void rate(struct paces *p, const struct sample *samples, size_t n, double *scratch)
{
	const double wall = slope_of(samples, n, false), cpu = slope_of(samples, n, true);
	uint32_t group = 0;

	for (size_t first = 0, end; first < n; first = end) {
		for (end = first; end < n && samples[end].key == samples[first].key; end++)
			;
		if (end - first < MIN_GROUP)
			continue;
		for (size_t i = first; i < end; i++)
			p->paces[p->n + i - first] = (struct pace){ .step = samples[i].step, .group = group };
		rate_group(samples + first, end - first, false, wall, scratch, p->paces + p->n);
		rate_group(samples + first, end - first, true, cpu, scratch, p->paces + p->n);
		p->n += end - first;
		group++;
	}
	/* A level that the slope brought below 0 says nothing. */
	for (size_t i = 0, n_all = p->n; i < n_all; i++)
		if (isnan(p->paces[i].wall))
			p->paces[i].wall = 0;
}

int paces__open(struct paces *p, const struct verify_input *in)
{
	struct sample *samples, one;
	double *scratch;
	size_t n_steps = 0, n = 0;

	/* Of short answers most steps are prompts: there is no need of room for all. */
	for (uint32_t i = 0; i < in->recording->n_steps; i++)
		n_steps += take_step(&one, in, i);
	samples = array__zeroed(n_steps, sizeof(*samples));
	scratch = array__zeroed(n_steps, sizeof(*scratch));
	p->n = 0;
	p->paces = array__zeroed(n_steps, sizeof(*p->paces));
	if (!samples || !scratch || !p->paces) {
		free(samples);
		free(scratch);
		paces__close(p);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < in->recording->n_steps && n < n_steps; i++)
		n += take_step(&samples[n], in, i);
	if (n)
		qsort(samples, n, sizeof(*samples), by_key);
	rate(p, samples, n, scratch);
	if (p->n)
		qsort(p->paces, p->n, sizeof(*p->paces), by_step);
	free(samples);
	free(scratch);
	return 0;
}

void paces__close(struct paces *p)
{
	free(p->paces);
	*p = (struct paces){ NULL, 0 };
}
