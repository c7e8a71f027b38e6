/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims about the server as a whole: tokens per second, and whether it keeps that up.
 *
 * What a server does is no more than what it is asked for. So a rate that reaches the claim confirms it whatever the traffic was; one that
 * does not refutes it only where requests were waiting nearly all of the time.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/facts.h"
#include "userspace/analysis/array.h"
#include "userspace/verify/judge.h"

#define N_BINS 3000
/* Requests were waiting so much of the time: the traffic was more than the server could do. */
#define FILLED 0.9
/* MLPerf Inference rules: the shortest run. */
#define MLPERF_SECONDS 600
/* What the first and the last third may differ by and still be asked for the same. */
#define ALIKE 0.1

static const char *const of_words[] = { [OF_OUTPUT] = "output", [OF_INPUT] = "input", [OF_TOTAL] = "input and output" };

/* Tokens over time. Two readings of each bin: tokens that are surely the claim's, and all that may be. */
struct tokens {
	double *low, *high;	/* N_BINS */
	double begin, end;	/* ns */
	double prompt[N_BINS];	/* computed */
	bool endless, backed, any;
};

static bool skips(const struct judgement *j, uint32_t request, uint32_t warm_up)
{
	return request == warm_up || !claim__is_of_model(j, request) ||
	       (!j->claim->include_failed && request__failed(&j->in->recording->requests[request]));
}

/* As MLPerf has it: from the first request's arrival to the last one's end. */
static void find_window(struct tokens *t, const struct judgement *j, uint32_t warm_up)
{
	const struct recording *r = j->in->recording;
	const double begin = (double)recording__start_ns(r), end = (double)recording__end_ns(r);

	t->begin = INFINITY;
	t->end = 0;
	t->backed = true;
	for (uint32_t i = 0; i < r->n_requests; i++) {
		const struct row_request *q = &r->requests[i];

		if (i == warm_up || !claim__is_of_model(j, i))
			continue;
		t->begin = fmin(t->begin, fmax(begin, (double)q->arrival_ns));
		t->end = fmax(t->end, q->end_ns ? fmin(end, (double)q->end_ns) : end);
		t->backed &= j->in->books->counts[i].backing == BACKING_HOLDS;
	}
}

static void put(struct tokens *t, uint64_t time_ns, double low, double high)
{
	const double at = ((double)time_ns - t->begin) / (t->end - t->begin) * N_BINS;
	size_t bin;

	/* The window ends with the last token: that one is in it. */
	if (at < 0 || at > N_BINS)
		return;
	bin = at < N_BINS ? (size_t)at : N_BINS - 1;
	t->low[bin] += low;
	t->high[bin] += high;
}

static void put_output(struct tokens *t, const struct timeline_row *row, const struct timeline_run *run, bool surely,
		       uint64_t time_ns)
{
	const double most = run && run->emitted_proven ? row->n_emitted : fmax(row->n_emitted, row->n_outputs);

	if (!run || (!run->embed && row->phase != PHASE_DRAFT))
		put(t, time_ns, surely ? row->n_emitted : 0, run ? most : row->n_tokens);
}

static void put_input(struct tokens *t, const struct timeline_row *row, const struct timeline_run *run, bool surely,
		      uint64_t time_ns)
{
	if (!run || row->phase == PHASE_PREFILL)
		put(t, time_ns, surely && !row->recompute ? row->n_tokens : 0, row->n_tokens);
}

static void put_rows(struct tokens *t, const struct judgement *j, uint32_t warm_up)
{
	const struct timeline *line = j->in->timeline;

	for (size_t i = 0; i < line->n_rows; i++) {
		const struct timeline_row *row = &line->rows[i];
		const struct timeline_run *run = row->run == RUN_NONE ? NULL : &line->runs[row->run];
		const uint32_t request = run ? run->request : REQUEST_NONE;
		const uint64_t time_ns = j->in->recording->steps[row->step].end_ns;
		const bool known = request != REQUEST_NONE,
			   surely = known && line->requests[request].match != MATCH_AMBIGUOUS;

		if (!row->counted || (known && skips(j, request, warm_up)))
			continue;
		t->any = true;
		/* Of nobody, or perhaps of somebody else: it may be the claim's. */
		if (j->claim->of != OF_INPUT)
			put_output(t, row, run, surely, time_ns);
		if (j->claim->of != OF_OUTPUT)
			put_input(t, row, run, surely, time_ns);
		if (run && row->phase == PHASE_PREFILL) {
			const double at = ((double)time_ns - t->begin) / (t->end - t->begin) * N_BINS;

			if (at >= 0 && at < N_BINS)
				t->prompt[(size_t)at] += row->n_tokens;
		}
	}
}

static void put_cached(struct tokens *t, const struct judgement *j, uint32_t warm_up)
{
	const struct timeline *line = j->in->timeline;

	for (uint32_t i = 0; i < j->in->recording->n_requests; i++) {
		const struct timeline_request *q = &line->requests[i];

		if (skips(j, i, warm_up) || q->n_runs == 0)
			continue;
		if (q->cached_tokens == ABSENT)
			t->endless = true;
		else
			put(t, line->runs[line->request_runs[q->first_run]].start_ns,
			    q->match == MATCH_AMBIGUOUS ? 0 : (double)q->cached_tokens, (double)q->cached_tokens);
	}
}

/* @return 0; -ENODATA: left open; -ENOMEM */
static int tokens__open(struct tokens *t, struct judgement *j)
{
	const uint32_t warm_up = claim__warm_up(j);
	int err = 0;

	memset(t, 0, sizeof(*t));
	find_window(t, j, warm_up);
	if (!(t->begin < t->end))
		err = judgement__leave_open(j, "no request of this kind was recorded");
	else if (j->in->timeline->n_rows == 0)
		err = judgement__leave_open(j, "no steps of an engine were recorded: tokens cannot be counted");
	if (err || j->open)
		return err ? err : -ENODATA;
	t->low = array__zeroed(N_BINS, sizeof(*t->low));
	t->high = array__zeroed(N_BINS, sizeof(*t->high));
	if (!t->low || !t->high)
		return -ENOMEM;
	put_rows(t, j, warm_up);
	if (j->claim->of != OF_OUTPUT)
		put_cached(t, j, warm_up);
	/* What was lost can only add. */
	t->endless |= j->scope->wire_lost || j->scope->engine_lost;
	j->check->grade = t->backed ? GRADE_MEASURED : GRADE_SELF_REPORTED;
	j->counted_in = "time";
	return 0;
}

static void tokens__close(struct tokens *t)
{
	free(t->low);
	free(t->high);
}

static bool is_open(const struct tokens *t)
{
	for (size_t i = 0; i < N_BINS; i++)
		if (t->low[i] != t->high[i])
			return true;
	return false;
}

/* The mean of some bins, as a rate. */
static int rate_of(struct batch_means *out, const struct tokens *t, const double *bins, size_t first, size_t end)
{
	const double seconds = (t->end - t->begin) / N_BINS / 1e9;
	double work[N_BINS];

	for (size_t i = first; i < end; i++)
		work[i - first] = bins[i] / seconds;
	return batch_means__find(out, work, NULL, end - first);
}

static const char *seconds_of(const struct judgement *j, const struct tokens *t)
{
	return verification__text(j->v, "%s s%s", claim__figure(j->v, floor((t->end - t->begin) / 1e8) / 10),
				  t->end - t->begin < MLPERF_SECONDS * 1e9 ? " where MLPerf wants 600" : "");
}

static int too_short(struct judgement *j, const struct batch_means *b, const struct tokens *t)
{
	const double seconds = (t->end - t->begin) / 1e9;

	return judgement__leave_open(j, "needs at least %s s of traffic, has %s: its rate comes and goes too slowly",
				     claim__figure(j->v, ceil(seconds * (double)b->n_needed / (double)b->n)),
				     claim__figure(j->v, floor(seconds * 10) / 10));
}

/* ---------------------------------------------------------------------------------------------------------- throughput --- */

static int read_rate(struct judgement *j, const struct tokens *t)
{
	struct reading *r = j->readings;
	int err = rate_of(&r[0].mean, t, t->low, 0, N_BINS);

	r[0].kind = err ? READING_ENDLESS : READING_MEAN;
	r[0].estimate = r[0].mean.estimate;
	j->n_readings = 1;
	if (err && too_short(j, &r[0].mean, t))
		return -ENOMEM;
	err = 0;
	if (t->endless) {
		r[1] = (struct reading){ .kind = READING_ENDLESS, .estimate = INFINITY };
		j->n_readings = 2;
	} else if (is_open(t)) {
		err = rate_of(&r[1].mean, t, t->high, 0, N_BINS);
		r[1].kind = err ? READING_ENDLESS : READING_MEAN;
		r[1].estimate = r[1].mean.estimate;
		j->n_readings = 2;
	}
	return err ? too_short(j, &r[1].mean, t) : 0;
}

int judge_throughput(struct judgement *j)
{
	struct tokens t;
	double filled;
	int err;

	j->check->unit = "tokens/s";
	j->scale = 1;
	j->check->rule = verification__text(
		j->v,
		"%s tokens of %s over the time from the first request's arrival to the last one's end >= the claimed "
		"figure%s; refuted only where requests waited in %.0f %% of that time, and by what would be left were "
		"the "
		"rest idle; %.0f %% interval, for all claims together, by batch means over time",
		of_words[j->claim->of],
		!j->claim->include_failed    ? "requests that did not fail" :
		j->claim->drop_first_request ? "all requests but the first" :
					       "all requests",
		j->claim->of == OF_OUTPUT ? "" : ", input out of the cache included", FILLED * 100,
		j->claim->confidence * 100);
	if (!j->check->rule)
		return -ENOMEM;
	err = tokens__open(&t, j);
	if (!err) {
		filled = claim_scope__waiting(j->scope, t.begin, t.end);
		j->point = (t.end - t.begin) / N_BINS / 1e9;
		j->spare = filled > 0 ? 1 / filled : INFINITY;
		j->within_spare =
			"below the claim, but by no more than the time in which nobody waited may account for";
		if (filled < FILLED)
			j->no_refutation = verification__text(
				j->v,
				"requests waited in %.0f %% of the time only: more was not asked of the server, "
				"and what it could have done is not known",
				filled * 100);
		j->about = verification__text(j->v, "%s, requests waiting in %.0f %% of it", seconds_of(j, &t),
					      filled * 100);
		err = j->about ? read_rate(j, &t) : -ENOMEM;
	}
	tokens__close(&t);
	return err == -ENODATA ? 0 : err;
}

/* ----------------------------------------------------------------------------------------------------------- stability --- */

/* Requests in flight, in the mean. */
static double in_flight(const struct judgement *j, double begin, double end)
{
	const struct recording *r = j->in->recording;
	double sum = 0;

	for (uint32_t i = 0; i < r->n_requests; i++) {
		const struct row_request *q = &r->requests[i];
		const double to = fmin(end, q->end_ns ? (double)q->end_ns : (double)recording__end_ns(r)),
			     from = fmax(begin, (double)q->arrival_ns);

		if (claim__is_of_model(j, i) && to > from)
			sum += to - from;
	}
	return sum / (end - begin);
}

static bool alike(double a, double b)
{
	return a > 0 && b > 0 ? fabs(a - b) <= ALIKE * fmax(a, b) : a == b;
}

static double sum_of(const double *values, size_t first, size_t end)
{
	double sum = 0;

	for (size_t i = first; i < end; i++)
		sum += values[i];
	return sum;
}

/* A rate falls as well where less is asked for, or something heavier. */
static int compare_traffic(struct judgement *j, const struct tokens *t)
{
	const double third = (t->end - t->begin) / 3, a = in_flight(j, t->begin, t->begin + third),
		     b = in_flight(j, t->end - third, t->end);
	const double prompt_a = sum_of(t->prompt, 0, N_BINS / 3), prompt_b = sum_of(t->prompt, N_BINS / 3 * 2, N_BINS);
	const double out_a = sum_of(t->low, 0, N_BINS / 3), out_b = sum_of(t->low, N_BINS / 3 * 2, N_BINS);

	if (!alike(a, b))
		return judgement__leave_open(
			j,
			"the traffic was not the same: %s requests in flight in the first third, %s in "
			"the last",
			claim__figure(j->v, a), claim__figure(j->v, b));
	if (!(out_a > 0 && out_b > 0))
		return judgement__leave_open(j, "a third of the time has no tokens");
	if (!alike(prompt_a / out_a, prompt_b / out_b))
		return judgement__leave_open(j,
					     "the traffic was not the same: %s prompt tokens computed for each output "
					     "token in the first third, %s in the last",
					     claim__figure(j->v, prompt_a / out_a),
					     claim__figure(j->v, prompt_b / out_b));
	return 0;
}

/*
 * How long the server's threads waited for a CPU in the steps that began in some time. The last thread holds up its step, so that no step
 * took longer for it than by all of these together.
 */
static double waited_for_cpu(const struct recording *r, double begin, double end)
{
	double sum = 0;

	for (size_t i = 0; i < r->n_steps; i++) {
		const struct row_step *s = &r->steps[i];
		const double all = s->server_runq_ns == ABSENT ? 0 : (double)s->server_runq_ns;

		if ((double)s->start_ns >= begin && (double)s->start_ns < end)
			sum += fmax(all, (double)s->runq_ns);
	}
	return sum;
}

/*
 * With the same traffic a server waits more for its CPUs where others use more of them. What it waited longer in the last third than in
 * the first is what they may have taken from it.
 */
static int spare_foreign_load(struct judgement *j, const struct tokens *t)
{
	const double third = (t->end - t->begin) / 3;
	const double first = waited_for_cpu(j->in->recording, t->begin, t->begin + third);
	const double last = waited_for_cpu(j->in->recording, t->end - third, t->end);

	if (last <= first)
		return 0;
	j->spare = last - first < third ? third / (third - (last - first)) : INFINITY;
	j->within_spare = verification__text(
		j->v,
		"it slowed down, but the server's threads waited for a CPU for %s in the first third and %s in the "
		"last, with the same traffic: other programs of the host may account for that",
		claim__time(j->v, first), claim__time(j->v, last));
	return j->within_spare ? 0 : -ENOMEM;
}

static int read_ratio(struct judgement *j, const struct tokens *t, struct reading *r, const double *above,
		      const double *under)
{
	int err = rate_of(&r->mean, t, above, N_BINS / 3 * 2, N_BINS);

	if (!err)
		err = rate_of(&r->under, t, under, 0, N_BINS / 3);
	r->kind = err ? READING_ENDLESS : READING_RATIO;
	r->estimate = r->under.estimate > 0 ? r->mean.estimate / r->under.estimate : NAN;
	j->n_readings++;
	return err ? too_short(j, isnan(r->mean.error) ? &r->mean : &r->under, t) : 0;
}

int judge_stability(struct judgement *j)
{
	struct tokens t;
	int err;

	j->check->unit = "%";
	j->scale = 100;
	j->check->rule =
		verification__text(j->v,
				   "output tokens/s of the last third of the time over those of the first >= "
				   "the claimed part; judged only where "
				   "requests in flight and prompt tokens per output token are within %.0f %% "
				   "of each other; refuted only by more than what the server waited longer for "
				   "a CPU; %.0f %% interval by "
				   "batch means over time",
				   ALIKE * 100, j->claim->confidence * 100);
	if (!j->check->rule)
		return -ENOMEM;
	err = tokens__open(&t, j);
	j->point = err ? 1 : (t.end - t.begin) / N_BINS / 1e9;
	if (!err && t.endless)
		err = judgement__leave_open(j, "records were lost: in which third, and how many tokens, is not known");
	if (!err && !j->open)
		err = compare_traffic(j, &t);
	if (!err)
		j->about = seconds_of(j, &t);
	if (!err && !j->open)
		err = spare_foreign_load(j, &t);
	if (!err && !j->open)
		err = read_ratio(j, &t, &j->readings[0], t.low, t.high);
	if (!err && j->n_readings && is_open(&t))
		err = read_ratio(j, &t, &j->readings[1], t.high, t.low);
	tokens__close(&t);
	return err == -ENODATA ? 0 : err;
}
