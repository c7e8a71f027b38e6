/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/traffic.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"
#include "userspace/analysis/array.h"
#include "userspace/analysis/facts.h"
#include "userspace/analysis/meters.h"
#include "userspace/analysis/ratios.h"
#include "userspace/analysis/step_view.h"
#include "userspace/embedded.h"

/* Sums of a recording that no machine moves: beyond, its figures are damaged (an exabyte). */
#define BYTES_MOST 1e18

/* A source while it is weighed: what the ledger would take of it. */
struct candidate {
	int64_t *steps;		/* one per recording.steps, or NULL */
	int64_t host, idle;
	bool fits;		/* it can be the ledger's figure */
	int grade;
};

struct weighing {
	struct traffic *t;
	struct ledger *l;
	struct candidate candidates[MAX_TRAFFIC_SOURCES];
	size_t model;		/* which of them: its reason for having none is told where no other has a figure */
};

static struct traffic_evidence *add(struct weighing *w, const char *name)
{
	struct traffic_evidence *e = &w->t->evidence[w->t->n_evidence++];

	*e = (struct traffic_evidence){ .name = name,
					.bytes = ABSENT,
					.low = ABSENT,
					.high = ABSENT,
					.ratio = NAN,
					.idle_bytes_per_s = NAN,
					.check_known_bytes = ABSENT,
					.check_bytes = ABSENT };
	return e;
}

static void put(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text ? text : "");
}

/* ------------------------------------------------------------------------------------------------------- over time --- */

static void explain_series(struct traffic_evidence *e, const struct traffic_series *s, bool less_idle,
			   const char *recorded)
{
	size_t n = (size_t)snprintf(e->reason, sizeof(e->reason), "cut by time over the steps of each interval");

	if (less_idle && isnan(s->idle_rate))
		n += (size_t)snprintf(
			e->reason + n, sizeof(e->reason) - n,
			"; the server was never idle for half a second: what others on this host moved is in it");
	else if (less_idle)
		n += (size_t)snprintf(e->reason + n, sizeof(e->reason) - n,
				      "; of the whole host, less what passed while the server was idle");
	if (s->n_uncovered)
		n += (size_t)snprintf(e->reason + n, sizeof(e->reason) - n,
				      "; %" PRId64 " steps were not wholly watched and are left out", s->n_uncovered);
	/* Half or twice is more than other programs make of so short a time. */
	if (e->check_known_bytes != ABSENT && e->check_bytes != ABSENT && n < sizeof(e->reason) &&
	    (e->check_bytes < e->check_known_bytes / 2 || e->check_bytes / 2 > e->check_known_bytes))
		n += (size_t)snprintf(e->reason + n, sizeof(e->reason) - n,
				      "; its self-check saw %.2f of the bytes that were streamed",
				      (double)e->check_bytes / (double)e->check_known_bytes);
	if (recorded && n < sizeof(e->reason))
		snprintf(e->reason + n, sizeof(e->reason) - n, "; %s", recorded);
}

static int weigh_series(struct weighing *w, const struct row_traffic_source *row, bool less_idle)
{
	struct candidate *c = &w->candidates[w->t->n_evidence];
	struct traffic_evidence *e = add(w, row->name);
	struct traffic_series series;
	int err;

	e->grade = row->grade;
	put(e->source, sizeof(e->source), row->source);
	put(e->reason, sizeof(e->reason), row->reason);
	put(e->remedy, sizeof(e->remedy), row->remedy);
	e->check_known_bytes = row->check_known_bytes;
	e->check_bytes = row->check_bytes;
	if (row->grade == GRADE_UNAVAILABLE)
		return 0;
	err = traffic_series__cut(&series, w->l->timeline, row->id, less_idle);
	if (err == -ENODATA) {
		e->grade = GRADE_UNAVAILABLE;
		if (!e->reason[0])
			put(e->reason, sizeof(e->reason), "nothing was recorded");
		return 0;
	}
	if (err)
		return err;
	e->grade = GRADE_DERIVED;
	e->bytes = series.bytes;
	e->idle_bytes_per_s = series.idle_rate * 1e9;
	explain_series(e, &series, less_idle, row->reason);
	*c = (struct candidate){ series.steps, series.host, series.idle, true, GRADE_DERIVED };
	return 0;
}

static const struct row_traffic_source *find_source(const struct recording *r, int id)
{
	for (size_t i = 0; i < r->n_traffic_sources; i++)
		if (r->traffic_sources[i].id == id)
			return &r->traffic_sources[i];
	return NULL;
}

/* ------------------------------------------------------------------------------------------------------- the model --- */

struct touched {
	double sum, least, most;
	int64_t n_failed, n_unknown, n_uncut;
	const char *missing;
};

/* Expected bytes of a step; nothing where it did not return, since what of it was computed is not known. */
static double touch(struct touched *sum, const struct traffic_weights *w, const struct step_view *v,
		    const struct row_step *step)
{
	double expected = 0;
	size_t from = 0;

	if (!step__returned(step)) {
		sum->n_failed++;
		return 0;
	}
	sum->n_uncut += step->flags & STEP_PARTS_UNKNOWN ? 1 : 0;
	for (size_t i = 0; i < v->n; i++)
		if (w->window != ABSENT && (int64_t)v->rows[i].context + v->rows[i].n_tokens > w->window)
			sum->missing = "some layers look back at a part of the context only, and which do, the header "
				       "does not say";
	for (size_t part = 0; part < v->n_parts; from = v->part_end[part++]) {
		const struct traffic_bytes b = traffic_weights__part(w, v->rows + from, v->part_end[part] - from);

		expected += b.expected;
		sum->least += b.least;
		sum->most += b.most;
	}
	sum->sum += expected;
	return expected;
}

static bool has_unknown_rows(const struct timeline *t, uint32_t step)
{
	for (uint32_t i = t->step_first_row[step]; i < t->step_first_row[step + 1]; i++)
		if (t->rows[i].seq < 0)
			return true;
	return t->step_first_row[step] == t->step_first_row[step + 1];
}

static int touch_steps(struct weighing *w, struct touched *sum, int64_t *steps)
{
	const struct timeline *t = w->l->timeline;
	const struct recording *r = t->recording;
	struct row_range *ranges = rows__ranges(r);
	struct step_view view = { .rows = NULL };
	int err = ranges ? 0 : -ENOMEM;

	for (uint32_t i = 0; !err && !sum->missing && i < r->n_steps; i++) {
		const struct traffic_weights *weights = &w->t->weights[step__role(r, &r->steps[i])];

		steps[i] = 0;
		if (r->steps[i].flags & STEP_NESTED)
			continue;
		if (weights->missing[0])
			sum->missing = weights->missing;
		if (has_unknown_rows(t, i)) {
			sum->n_unknown += step__returned(&r->steps[i]);
			continue;
		}
		err = step_view__set(&view, t, ranges, i);
		if (!err)
			steps[i] = llround(touch(sum, weights, &view, &r->steps[i]));
		if (!(sum->most < BYTES_MOST))
			sum->missing = "its steps have more tokens than any machine computes";
	}
	step_view__free(&view);
	free(ranges);
	return err;
}

static void explain_model(struct traffic_evidence *e, const struct touched *sum, const struct traffic_weights *w)
{
	size_t n = (size_t)snprintf(e->reason, sizeof(e->reason),
				    "what steps touch: weights once per part of a step, keys and values of each row; "
				    "what a cache keeps from one step to the next is in it");

	if (w->n_experts > 0)
		n += (size_t)snprintf(e->reason + n, sizeof(e->reason) - n,
				      "; expected of even routing over %.0f experts", w->n_experts);
	if (sum->n_unknown && n < sizeof(e->reason))
		n += (size_t)snprintf(e->reason + n, sizeof(e->reason) - n,
				      "; %" PRId64 " steps of unknown rows are left out", sum->n_unknown);
	if (sum->n_failed && n < sizeof(e->reason))
		n += (size_t)snprintf(e->reason + n, sizeof(e->reason) - n, "; %" PRId64 " that failed are left out",
				      sum->n_failed);
	if (sum->n_uncut && n < sizeof(e->reason))
		snprintf(e->reason + n, sizeof(e->reason) - n,
			 "; %" PRId64 " cut into parts that are not known count as one", sum->n_uncut);
}

static int weigh_model(struct weighing *w)
{
	const struct recording *r = w->l->timeline->recording;
	struct candidate *c = &w->candidates[w->t->n_evidence];
	struct traffic_evidence *e = add(w, "model");
	struct touched sum = { .missing = r->n_steps ? NULL : "no step was recorded" };
	int err;

	w->model = w->t->n_evidence - 1;
	put(e->source, sizeof(e->source), "header of the weight file, rows of steps, cache in the server's memory");
	c->steps = array__zeroed(r->n_steps, sizeof(*c->steps));
	if (!c->steps)
		return -ENOMEM;
	err = touch_steps(w, &sum, c->steps);
	if (err)
		return err;
	if (!sum.missing && sum.n_unknown && !(sum.sum > 0))
		sum.missing = "which rows its steps had is not known";
	if (sum.missing) {
		put(e->reason, sizeof(e->reason), sum.missing);
		put(e->remedy, sizeof(e->remedy), "tokprof list says what of the server and its model could be read");
		return 0;
	}
	e->grade = c->grade = GRADE_DERIVED;
	e->bytes = 0;
	for (size_t i = 0; i < r->n_steps; i++)
		e->bytes += c->steps[i];
	e->low = llround(sum.least);
	e->high = llround(sum.most);
	explain_model(e, &sum, &w->t->weights[ROLE_TARGET]);
	c->fits = true;
	return 0;
}

/* -------------------------------------------------------------------------------------------- misses of the last cache --- */

/* Is it the event that data/counters.tsv has for them, of whatever processor? */
static bool is_llc_misses(const char *event)
{
	const char *at = (const char *)embedded_counters[0].data;

	for (size_t length; *at; at += length + (at[length] == '\n')) {
		char role[32], name[96];

		length = strcspn(at, "\n");
		if (*at != '#' && sscanf(at, "%*[^\t]\t%31[^\t]\t%95[^\t\n]", role, name) == 2 &&
		    strcmp(role, "llc_misses") == 0 && strcmp(name, event) == 0)
			return true;
	}
	return false;
}

static int weigh_misses(struct weighing *w)
{
	const struct recording *r = w->l->timeline->recording;
	const struct ledger_resource *misses = NULL;
	struct candidate *c = &w->candidates[w->t->n_evidence];
	struct traffic_evidence *e;
	int64_t sum = 0;

	for (size_t k = 0; k < w->l->n_resources && !misses; k++)
		if (resource__is_event(w->l->resources[k].row) && is_llc_misses(w->l->resources[k].row->name))
			misses = &w->l->resources[k];
	e = add(w, "llc_misses");
	snprintf(e->source, sizeof(e->source), "%s x %d bytes", misses ? misses->row->name : "misses of the last cache",
		 TRAFFIC_LINE_BYTES);
	if (!misses || !misses->measured || misses->total == ABSENT || misses->total < 0 ||
	    misses->total > INT64_MAX / 16 / TRAFFIC_LINE_BYTES) {
		put(e->reason, sizeof(e->reason),
		    misses && misses->row->reason ? misses->row->reason : "misses of the last cache were not counted");
		put(e->remedy, sizeof(e->remedy), "a host whose processor shows its counters: tokprof list --events");
		return 0;
	}
	e->grade = c->grade = GRADE_DERIVED;
	e->bytes = misses->total * TRAFFIC_LINE_BYTES;
	put(e->reason, sizeof(e->reason),
	    "an order of magnitude: what the processor prefetches is no miss, and streamed weights are prefetched");
	c->steps = array__zeroed(r->n_steps, sizeof(*c->steps));
	if (!c->steps)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_steps; i++) {
		const int64_t n = recording__step_use(r, r->steps[i].id, misses->row->id);

		/* In sum they are the total and what a running step still counts: steps that say more than twice that are damaged. */
		c->steps[i] = n == ABSENT || n < 0 || n > 2 * misses->total - sum ? ABSENT : n * TRAFFIC_LINE_BYTES;
		sum += c->steps[i] == ABSENT ? 0 : n;
	}
	c->fits = true;
	return 0;
}

/* ----------------------------------------------------------------------------------------------------------- choice --- */

static int find_mem_bytes(const struct ledger *l)
{
	const int k = resources__find(l->resources, l->n_resources, RESOURCE_MEM_BYTES);

	/* A recording that has a figure of its own keeps it. */
	return k >= 0 && !l->resources[k].measured ? k : -1;
}

static void take(struct weighing *w, int k, size_t best)
{
	struct traffic_evidence *e = &w->t->evidence[best];
	struct candidate *c = &w->candidates[best];
	struct row_resource *row = &w->l->own_rows[k];

	e->used = true;
	row->grade = c->grade;
	row->source = e->source;
	row->reason = e->reason;
	w->l->resources[k].measured = true;
	w->l->resources[k].total = e->bytes;
	w->l->resources[k].total_source = e->name;
	w->t->position = k;
	w->t->steps = c->steps;
	w->t->host = c->host;
	w->t->idle = c->idle;
	c->steps = NULL;
}

static void choose(struct weighing *w)
{
	const int k = find_mem_bytes(w->l);
	size_t best = 0;

	while (best < w->t->n_evidence && !w->candidates[best].fits)
		best++;
	if (k >= 0 && best < w->t->n_evidence)
		take(w, k, best);
	else if (k >= 0)
		w->l->own_rows[k].reason = w->t->evidence[w->model].reason;
	for (size_t i = 0; i < w->t->n_evidence && best < w->t->n_evidence; i++)
		if (w->t->evidence[i].bytes != ABSENT && w->t->evidence[best].bytes > 0)
			w->t->evidence[i].ratio = (double)w->t->evidence[i].bytes / (double)w->t->evidence[best].bytes;
}

int traffic__open(struct traffic **out, struct ledger *l)
{
	const struct recording *r = l->timeline->recording;
	struct weighing w = { .t = calloc(1, sizeof(*w.t)), .l = l };
	const struct row_traffic_source *row;
	int err = 0;

	*out = w.t;
	if (!w.t)
		return -ENOMEM;
	w.t->position = -1;
	for (int role = 0; role < N_ROLES; role++)
		traffic_weights__find(&w.t->weights[role], r, role == ROLE_DRAFT);
	if ((row = find_source(r, TRAFFIC_UNCORE)))
		err = weigh_series(&w, row, true);
	if (!err && (row = find_source(r, TRAFFIC_RESCTRL)))
		err = weigh_series(&w, row, false);
	if (!err)
		err = weigh_model(&w);
	if (!err)
		err = weigh_misses(&w);
	if (!err)
		choose(&w);
	for (size_t i = 0; i < MAX_TRAFFIC_SOURCES; i++)
		free(w.candidates[i].steps);
	return err;
}

void traffic__free(struct traffic *t)
{
	if (!t)
		return;
	free(t->steps);
	free(t);
}
