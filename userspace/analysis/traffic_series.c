/* SPDX-License-Identifier: Apache-2.0 */
/* Traffic that was counted in intervals of time, cut over the steps that ran in them. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "bpf/records.h"
#include "userspace/analysis/array.h"
#include "userspace/analysis/in_flight.h"
#include "userspace/analysis/traffic.h"

/* A shorter time of idling says nothing of the others on the host. */
#define LEAST_IDLE_NS 500000000
/* As in meters.c: sums of so many bytes still fit. */
#define BYTES_MOST (INT64_MAX / 8)
/* Of a step's duration: clocks are read one after the other. */
#define COVERED 0.99

struct cutting {
	const struct recording *r;
	struct traffic_series *out;
	struct interval *busy;
	size_t n_busy;
	uint64_t *covered;	/* ns, by step */
	uint32_t first;		/* step that may still reach into the next sample */
	int64_t idle_bytes;
	double idle_ns, all_ns;
};

static bool is_cut(const struct row_step *step)
{
	return !(step->flags & STEP_NESTED) && step->end_ns > step->start_ns;
}

static uint64_t overlap(const struct row_step *step, uint64_t start, uint64_t end)
{
	const uint64_t from = step->start_ns > start ? step->start_ns : start;
	const uint64_t to = step->end_ns < end ? step->end_ns : end;

	return to > from ? to - from : 0;
}

/* Time of [start, end) that steps cover: all of theirs in sum, and without counting twice. Steps are in order of their start. */
static uint64_t covered_by_steps(const struct cutting *c, uint64_t start, uint64_t end, uint64_t *sum)
{
	uint64_t until = start, covered = 0;

	*sum = 0;
	for (uint32_t i = c->first; i < c->r->n_steps && c->r->steps[i].start_ns < end; i++) {
		const struct row_step *s = &c->r->steps[i];
		const uint64_t to = s->end_ns < end ? s->end_ns : end;
		const uint64_t from = s->start_ns > until ? s->start_ns : until;

		if (!is_cut(s))
			continue;
		*sum += overlap(s, start, end);
		if (to > from) {
			covered += to - from;
			until = to;
		}
	}
	return covered;
}

static void pass_steps(struct cutting *c, uint64_t start)
{
	while (c->first < c->r->n_steps && c->r->steps[c->first].end_ns <= start)
		c->first++;
}

static void look_for_idling(struct cutting *c, const struct row_traffic_sample *sample)
{
	const uint64_t end = sample->time_ns, start = end - (uint64_t)sample->duration_ns;
	uint64_t sum;

	pass_steps(c, start);
	c->out->bytes += sample->bytes;
	c->all_ns += (double)sample->duration_ns;
	if (covered_by_steps(c, start, end, &sum) || in_flight__any(c->busy, c->n_busy, start, end))
		return;
	c->idle_bytes += sample->bytes;
	c->idle_ns += (double)sample->duration_ns;
}

static void cut(struct cutting *c, const struct row_traffic_sample *sample)
{
	const uint64_t end = sample->time_ns, start = end - (uint64_t)sample->duration_ns;
	const double less = isnan(c->out->idle_rate) ? 0 : c->out->idle_rate * (double)sample->duration_ns;
	const double bytes = (double)sample->bytes - less;
	const double for_steps = bytes > 0 ? bytes : 0;
	double outside = bytes;
	uint64_t sum, covered;

	pass_steps(c, start);
	covered = covered_by_steps(c, start, end, &sum);
	for (uint32_t i = c->first; covered && i < c->r->n_steps && c->r->steps[i].start_ns < end; i++) {
		const uint64_t time = is_cut(&c->r->steps[i]) ? overlap(&c->r->steps[i], start, end) : 0;
		const double part =
			for_steps * (double)covered / (double)sample->duration_ns * ((double)time / (double)sum);

		if (!time)
			continue;
		c->covered[i] += time;
		c->out->steps[i] += (int64_t)floor(part);
	}
	if (covered)
		outside = for_steps * (1 - (double)covered / (double)sample->duration_ns);
	if (covered || in_flight__any(c->busy, c->n_busy, start, end))
		c->out->host += (int64_t)floor(outside);
	else
		c->out->idle += (int64_t)floor(outside);
}

static void forget_uncovered(struct cutting *c)
{
	for (uint32_t i = 0; i < c->r->n_steps; i++) {
		const struct row_step *s = &c->r->steps[i];

		if (is_cut(s) && (double)c->covered[i] >= COVERED * (double)(s->end_ns - s->start_ns))
			continue;
		/* What was seen of it stays in the total, and is nobody's. */
		c->out->steps[i] = ABSENT;
		c->out->n_uncovered += is_cut(s);
	}
}

static int each_sample(struct cutting *c, int source, void (*take)(struct cutting *, const struct row_traffic_sample *))
{
	int64_t sum = 0;
	size_t n = 0;

	c->first = 0;
	for (size_t i = 0; i < c->r->n_traffic_samples; i++) {
		const struct row_traffic_sample *s = &c->r->traffic_samples[i];

		if (s->source != source || s->duration_ns <= 0 || (uint64_t)s->duration_ns > s->time_ns)
			continue;
		if (s->bytes > BYTES_MOST - sum)
			return -ENODATA;
		sum += s->bytes;
		take(c, s);
		n++;
	}
	return n ? 0 : -ENODATA;
}

int traffic_series__cut(struct traffic_series *out, const struct timeline *t, int source, bool less_idle)
{
	struct cutting c = { .r = t->recording, .out = out };
	int err = in_flight__build(t, &c.busy, &c.n_busy);

	*out = (struct traffic_series){ .idle_rate = NAN };
	out->steps = array__zeroed(c.r->n_steps, sizeof(*out->steps));
	c.covered = array__zeroed(c.r->n_steps, sizeof(*c.covered));
	if (!err && (!out->steps || !c.covered))
		err = -ENOMEM;
	if (!err)
		err = each_sample(&c, source, look_for_idling);
	if (!err && less_idle && c.idle_ns >= LEAST_IDLE_NS) {
		const double idle_rate = (double)c.idle_bytes / c.idle_ns, others = idle_rate * c.all_ns;

		if (others < (double)BYTES_MOST) {
			out->idle_rate = idle_rate;
			out->bytes -= (int64_t)floor(others);
		} else {
			err = -ENODATA;
		}
	}
	if (!err)
		err = each_sample(&c, source, cut);
	if (!err)
		forget_uncovered(&c);
	free(c.busy);
	free(c.covered);
	if (err)
		traffic_series__free(out);
	return err;
}

void traffic_series__free(struct traffic_series *s)
{
	free(s->steps);
	s->steps = NULL;
}
