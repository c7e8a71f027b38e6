/* SPDX-License-Identifier: Apache-2.0 */
/* What a request's runs say of it: tokens, times, and whether that is all. */
#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/evidence.h"
#include "userspace/analysis/figures.h"

/* What joins the recording later than this after its start was not there at its start. */
#define JOINS_WITHIN_NS 1000000000ull

struct filler {
	struct timeline *t;
	const struct run_table *table;
	const struct blind_spots *w;
	uint32_t *unmatched;		/* runs without a request, by start */
	size_t n_unmatched;
	uint32_t *steps;		/* of one request */
	size_t steps_capacity;
};

static uint64_t end_of(const struct row_request *q)
{
	return q->end_ns ? q->end_ns : UINT64_MAX;
}

/* ------------------------------------------------------------------------------------------------------------- tokens --- */

/* A generation that only embeds: all of its rows are prompt, whatever they looked like. */
static void make_embedding(struct filler *f, uint32_t run)
{
	const struct run_detail *d = &f->table->details[run];
	struct timeline_run *r = &f->t->runs[run];

	r->embed = true;
	r->n_sampled = 0;
	r->prompt_computed = 0;
	for (uint32_t i = d->first_row; i < d->first_row + d->n_rows; i++) {
		struct timeline_row *row = &f->t->rows[f->table->rows[i]];

		if (row->phase == PHASE_DRAFT)
			continue;
		row->phase = PHASE_EMBED;
		row->n_emitted = 0;
		r->prompt_computed += row->counted ? row->n_tokens : 0;
	}
}

/*
 * A last speculative step may accept tokens beyond the end of the answer. Where the client's limit ended it, the limit cuts
 * them. Where a stop did, nothing recorded says which of the accepted tokens was the last: that is left open.
 */
static int64_t tokens_of_run(struct filler *f, const struct row_request *q, uint32_t run, uint32_t *incomplete)
{
	const struct run_detail *d = &f->table->details[run];
	const struct timeline_run *r = &f->t->runs[run];
	struct timeline_row *last = d->last_row == ROW_NONE ? NULL : &f->t->rows[d->last_row];
	const bool verified = last && last->phase == PHASE_VERIFY && last->n_emitted;
	const int64_t overshoot = verified ? last->n_emitted - 1 : 0;
	int64_t low = r->n_sampled, high = r->n_sampled + d->n_unproven;
	bool by_length;

	if (r->embed)
		return 0;
	if (verified && q->max_tokens != ABSENT && q->max_tokens >= 0) {
		const int64_t cut = q->max_tokens > low - overshoot ? q->max_tokens : low - overshoot;

		if (low > cut) {
			last->n_emitted -= (uint32_t)(low - cut);
			low = cut;
		}
		high = high < cut ? high : cut;
	}
	if (low != high)
		*incomplete |= INCOMPLETE_EMITTED;
	/* Of several generations the reason is the last one's to end. */
	by_length = request__ended_by_length(q) && ((q->n <= 1 && q->n_prompts <= 1) || low == q->max_tokens);
	if (overshoot && q->end_ns && !q->client_left && !by_length)
		*incomplete |= INCOMPLETE_EMITTED;
	return low;
}

static void count_tokens(struct filler *f, const struct row_request *q, struct timeline_request *out)
{
	bool begun_seen = true, proven = true;

	out->prompt_tokens = out->cached_tokens = out->completion_tokens = 0;
	out->draft_tokens = out->draft_rejected_tokens = 0;
	for (uint32_t i = out->first_run; i < out->first_run + out->n_runs; i++) {
		const uint32_t run = f->t->request_runs[i];
		const struct timeline_run *r = &f->t->runs[run];

		out->completion_tokens += tokens_of_run(f, q, run, &out->incomplete);
		out->prompt_tokens += r->prompt_computed;
		out->draft_tokens += r->n_drafted;
		out->draft_rejected_tokens += r->n_draft_rejected;
		proven &= r->emitted_proven;
		/* What a copy took over is neither computed nor kept a second time. */
		if (f->table->details[run].copied_from != RUN_NONE)
			continue;
		begun_seen &= r->from_start;
		if (r->from_start)
			out->cached_tokens += r->prompt_cached;
	}
	if (!proven)
		out->draft_rejected_tokens = ABSENT;
	if (!begun_seen) {
		out->incomplete |= INCOMPLETE_BEFORE_ATTACH;
		out->prompt_tokens = out->cached_tokens = ABSENT;
	}
}

static void no_tokens_known(struct timeline_request *out)
{
	out->prompt_tokens = out->cached_tokens = out->completion_tokens = ABSENT;
	out->draft_tokens = out->draft_rejected_tokens = ABSENT;
}

/* Some run that nobody owns was in flight in the request's time. */
static bool could_own_a_run(const struct filler *f, const struct row_request *q)
{
	for (size_t i = 0; i < f->n_unmatched; i++) {
		const struct timeline_run *run = &f->t->runs[f->unmatched[i]];

		if (run->start_ns > end_of(q))
			break;
		if (run->end_ns >= q->arrival_ns)
			return true;
	}
	return false;
}

/*
 * A process that the recorder started, or that came while it ran, may load its engine any time, which is noticed a little
 * later: it is surely watched from its first step on only.
 */
static bool came_late(const struct recording *r, uint32_t pid)
{
	const int64_t start_ns = recording__meta_int(r, "start_ns");

	if (recording__meta(r, "command"))
		return true;
	for (size_t i = 0; i < r->n_processes; i++) {
		if (r->processes[i].pid == pid && start_ns > 0 &&
		    r->processes[i].start_ns > (uint64_t)start_ns + JOINS_WITHIN_NS)
			return true;
	}
	return false;
}

static bool has_stepped(const struct recording *r, uint32_t pid, uint64_t time_ns)
{
	for (size_t i = 0; i < r->n_steps && r->steps[i].start_ns <= time_ns; i++) {
		for (size_t k = 0; k < r->n_contexts; k++) {
			if (r->contexts[k].id == r->steps[i].context && r->contexts[k].pid == pid)
				return true;
		}
	}
	return false;
}

/* Would what the request's process computed be in the recording? */
static bool is_watched(const struct recording *r, const struct row_request *q)
{
	bool known = r->n_contexts == 0 && r->n_engines > 0;

	for (size_t i = 0; i < r->n_contexts; i++)
		known |= r->contexts[i].pid == q->pid;
	return known && (!came_late(r, q->pid) || has_stepped(r, q->pid, q->arrival_ns));
}

/* Nothing was computed for it: that is a finding only where everything that was computed is known. */
static bool surely_nothing(const struct filler *f, const struct row_request *q, const struct timeline_request *out,
			   bool eligible)
{
	if (!f->w->engine_attached || out->match == MATCH_AMBIGUOUS)
		return false;
	if (out->incomplete & (INCOMPLETE_LOSS | INCOMPLETE_BEFORE_ATTACH | INCOMPLETE_ROWS))
		return false;
	return !eligible || (!(out->incomplete & INCOMPLETE_UNWATCHED) && !could_own_a_run(f, q));
}

/* -------------------------------------------------------------------------------------------------------------- times --- */

static int compare_steps(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Steps of all of its runs, in time. @return their number, -ENOMEM */
static ssize_t list_steps(struct filler *f, const struct timeline_request *out)
{
	size_t n = 0;

	for (uint32_t i = out->first_run; i < out->first_run + out->n_runs; i++) {
		const struct run_detail *d = &f->table->details[f->t->request_runs[i]];
		uint32_t *moved = array__reserve(f->steps, &f->steps_capacity, n + d->n_rows, sizeof(*moved));

		if (!moved)
			return -ENOMEM;
		f->steps = moved;
		for (uint32_t k = d->first_row; k < d->first_row + d->n_rows; k++)
			f->steps[n++] = f->t->rows[f->table->rows[k]].step;
	}
	if (out->n_runs > 1)
		qsort(f->steps, n, sizeof(*f->steps), compare_steps);
	return (ssize_t)n;
}

/* From arrival to the last output, less the time in its own steps. */
static int find_wait(struct filler *f, const struct row_request *q, struct timeline_request *out)
{
	const ssize_t n = list_steps(f, out);
	uint64_t until = 0, covered = q->arrival_ns;
	int64_t wait = 0;

	if (n <= 0)
		return (int)n;
	for (uint32_t i = out->first_run; i < out->first_run + out->n_runs; i++) {
		const struct timeline_run *run = &f->t->runs[f->t->request_runs[i]];
		const uint64_t last = run->last_output_ns ? run->last_output_ns : run->end_ns;

		until = last > until ? last : until;
	}
	for (ssize_t i = 0; i < n; i++) {
		const struct row_step *step = &f->t->recording->steps[f->steps[i]];

		if (step->start_ns >= until)
			break;
		if (step->start_ns > covered)
			wait += (int64_t)(step->start_ns - covered);
		if (step->end_ns > covered)
			covered = step->end_ns;
	}
	out->wait_ns = wait;
	return 0;
}

static int64_t longest_choice(const struct timeline *t, const struct timeline_request *out)
{
	int64_t longest = 0;

	if (out->n_runs == 1)
		return out->completion_tokens;
	for (uint32_t i = out->first_run; i < out->first_run + out->n_runs; i++) {
		const int64_t n = t->runs[t->request_runs[i]].n_sampled;

		longest = n > longest ? n : longest;
	}
	return longest;
}

static int find_times(struct filler *f, const struct row_request *q, struct timeline_request *out)
{
	/* Without its arrival no time that starts there is known. */
	if (out->incomplete & INCOMPLETE_BEFORE_ATTACH)
		return 0;
	if (q->end_ns)
		out->e2el_ns = (int64_t)(q->end_ns - q->arrival_ns);
	if (q->first_token_ns)
		out->ttft_ns = (int64_t)(q->first_token_ns - q->arrival_ns);
	/* A body that comes in one piece has no pace, nor has a list, whose parts wait for each other; choices have the longest's. */
	if (q->stream && q->n_prompts <= 1 && q->first_token_ns && q->last_token_ns &&
	    out->completion_tokens != ABSENT) {
		const int64_t n = longest_choice(f->t, out);

		if (n >= 2)
			out->tpot_ns = (int64_t)(q->last_token_ns - q->first_token_ns) / (n - 1);
	}
	return out->n_runs ? find_wait(f, q, out) : 0;
}

/* ----------------------------------------------------------------------------------------------------------- together --- */

static bool overlaps_unmatched(const struct filler *f, const struct row_request *q)
{
	for (uint32_t i = 0; i < f->n_unmatched; i++) {
		const struct timeline_run *run = &f->t->runs[f->unmatched[i]];

		if (run->start_ns >= q->arrival_ns && run->start_ns < end_of(q))
			return true;
	}
	return false;
}

/*
 * Are generations of it missing? None found for one that was answered; fewer than it asked for; or some of nobody's in its
 * time, where it is not known how many it asked for.
 */
static bool is_unmatched(const struct filler *f, const struct row_request *q, const struct timeline_request *out,
			 const struct request_facts *facts)
{
	if (!facts->expects_run || !f->w->engine_attached || out->match == MATCH_AMBIGUOUS)
		return false;
	/* Where rows or bytes are missing that is the reason. */
	if (out->incomplete & (INCOMPLETE_LOSS | INCOMPLETE_ROWS | INCOMPLETE_BEFORE_ATTACH | INCOMPLETE_UNWATCHED))
		return false;
	if (!out->n_runs)
		return out->completion_tokens == ABSENT;
	if (facts->n_expected != ABSENT)
		return facts->n_expected > (int64_t)out->n_runs;
	return overlaps_unmatched(f, q);
}

static int fill_request(struct filler *f, uint32_t i)
{
	const struct row_request *q = &f->t->recording->requests[i];
	struct timeline_request *out = &f->t->requests[i];
	struct request_facts facts;

	request__facts(&facts, q, f->w, f->t->recording);
	out->incomplete = q->incomplete;
	out->wait_ns = out->ttft_ns = out->tpot_ns = out->e2el_ns = ABSENT;
	if (!q->end_ns)
		out->incomplete |= INCOMPLETE_AT_END;
	if (blind_spots__lost(f->w, q->arrival_ns, end_of(q)))
		out->incomplete |= INCOMPLETE_LOSS;
	if (facts.eligible && blind_spots__unknown(f->w, q->arrival_ns, end_of(q)))
		out->incomplete |= INCOMPLETE_ROWS;
	if (facts.expects_run && !out->n_runs && f->w->engine_attached && !is_watched(f->t->recording, q))
		out->incomplete |= INCOMPLETE_UNWATCHED;

	for (uint32_t k = out->first_run; k < out->first_run + out->n_runs; k++) {
		const uint32_t run = f->t->request_runs[k];

		if (facts.embedding && !f->table->details[run].generates)
			make_embedding(f, run);
	}
	no_tokens_known(out);
	if (out->n_runs && !(out->incomplete & INCOMPLETE_ROWS))
		count_tokens(f, q, out);
	else if (!out->n_runs && surely_nothing(f, q, out, facts.eligible))
		out->prompt_tokens = out->cached_tokens = out->completion_tokens = out->draft_tokens =
			out->draft_rejected_tokens = 0;
	if (is_unmatched(f, q, out, &facts))
		out->incomplete |= INCOMPLETE_UNMATCHED;
	return find_times(f, q, out);
}

static int list_unmatched(struct filler *f)
{
	f->unmatched = array__zeroed(f->t->n_runs, sizeof(*f->unmatched));
	if (!f->unmatched)
		return -ENOMEM;
	for (uint32_t i = 0; i < f->t->n_runs; i++) {
		if (f->t->runs[i].request == REQUEST_NONE)
			f->unmatched[f->n_unmatched++] = i;
	}
	return 0;
}

int figures__fill(struct timeline *t, const struct run_table *table, const struct blind_spots *w)
{
	struct filler f = { .t = t, .table = table, .w = w };
	int err = list_unmatched(&f);

	for (uint32_t i = 0; i < t->n_runs; i++) {
		if (t->runs[i].embed)
			make_embedding(&f, i);
	}
	for (uint32_t i = 0; !err && i < t->recording->n_requests; i++)
		err = fill_request(&f, i);
	free(f.unmatched);
	free(f.steps);
	return err;
}
