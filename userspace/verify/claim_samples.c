/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about requests one by one: latencies, what one user gets, success. Each request gives a value, or two that it is between. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "userspace/analysis/array.h"
#include "userspace/verify/claim_sample.h"
#include "userspace/verify/stats/early_stopping.h"

/* ------------------------------------------------------------------------------------------------------- all requests --- */

/* The value that a failed request has: one that breaks the claim. */
static int add_failed(struct sample *s, const struct judgement *j, uint32_t i)
{
	const struct claim *c = j->claim;

	s->n_failed++;
	if (!c->include_failed) {
		s->n_requests--;
		return 0;
	}
	if (!claim__is_latency(c->metric))
		return sample__add(s, 0, 0);
	/* A mean of something without end is none: at least the time that it took to fail. */
	if (c->statistic == STATISTIC_MEAN)
		return sample__add(s, claim__so_far(j, &j->in->recording->requests[i]), INFINITY);
	return sample__add(s, INFINITY, INFINITY);
}

static int add_one(struct sample *s, const struct judgement *j, uint32_t i, value_function *value_of)
{
	const struct row_request *q = &j->in->recording->requests[i];
	const bool of_stream = j->claim->metric >= CLAIM_TTFT && j->claim->metric <= CLAIM_ITL;
	double low = 0, high = INFINITY;
	enum value value;

	if (request__was_wrong(q)) {
		s->n_wrong++;
		return 0;
	}
	if (of_stream && !q->stream && !request__failed(q)) {
		s->n_whole++;
		return 0;
	}
	if (sample__begin_request(s))
		return -ENOMEM;
	if (request__failed(q) && j->claim->metric != CLAIM_SUCCESS_RATE)
		return add_failed(s, j, i);
	if (!value_of)
		return sample__add_gaps(s, j, i);
	value = j->in->timeline->requests[i].incomplete & SAMPLE_LOSSY ? VALUE_OPEN : value_of(j, i, &low, &high);
	if (j->claim->metric == CLAIM_SUCCESS_RATE)
		high = high < 1 ? high : 1;
	if (value == VALUE_NONE) {
		s->n_requests--;
		return 0;
	}
	s->n_failed += value == VALUE_KNOWN && j->claim->metric == CLAIM_SUCCESS_RATE && low == 0;
	s->n_open += value == VALUE_OPEN;
	s->backed &= j->in->books->counts[i].backing == BACKING_HOLDS;
	return sample__add(s, low, high);
}

/* Each record of the wire that was lost may have been a request that nobody knows of. */
static int add_lost(struct sample *s, const struct judgement *j)
{
	const double high = j->claim->metric == CLAIM_SUCCESS_RATE ? 1 : INFINITY;
	int err = 0;

	for (int64_t i = 0; i < j->scope->wire_lost && !err; i++) {
		err = sample__begin_request(s);
		if (!err)
			err = sample__add(s, 0, high);
	}
	s->n_lost = (size_t)j->scope->wire_lost;
	return err;
}

static int collect(struct sample *s, struct judgement *j, value_function *value_of)
{
	const uint32_t warm_up = claim__warm_up(j);
	int err = 0;

	s->backed = true;
	for (uint32_t i = 0; i < j->in->recording->n_requests && !err; i++) {
		const struct row_request *q = &j->in->recording->requests[i];
		const size_t first = s->n;

		if (i == warm_up || !claim__is_about(j, i))
			continue;
		err = add_one(s, j, i, value_of);
		/* Evidence is what breaks the claim, or may. */
		for (size_t k = first; k < s->n && !err; k++) {
			if (s->low[k] == s->high[k] &&
			    (j->claim->at_least ? s->low[k] >= j->claim->value : s->low[k] <= j->claim->value))
				continue;
			err = judgement__evidence(j, q->id);
			break;
		}
	}
	if (!err && j->scope->wire_lost <= (int64_t)s->n_requests)
		err = add_lost(s, j);
	return err;
}

/* ------------------------------------------------------------------------------------------------------------ readings --- */

static bool all_are_one(const struct sample *s)
{
	return s->n == s->n_requests;
}

static int read_percentile(struct reading *r, const struct judgement *j, const struct sample *s, const double *values)
{
	const struct percentile_question q = { j->claim->percentile / 100, j->risk, j->claim->value };
	int err = percentile__find(&r->percentile, &q, values, s->n, all_are_one(s) ? NULL : s->sizes, s->n_requests);

	r->kind = err ? READING_ENDLESS : READING_PERCENTILE;
	r->estimate = r->percentile.estimate;
	return err;
}

static int read_mean(struct reading *r, const struct judgement *j, const struct sample *s, const double *values)
{
	double *sums = array__zeroed(s->n_requests, sizeof(*sums)), *sizes;
	size_t at = 0;
	int err;

	(void)j;
	sizes = array__zeroed(s->n_requests, sizeof(*sizes));
	if (!sums || !sizes) {
		free(sums);
		free(sizes);
		return -ENOMEM;
	}
	for (size_t i = 0; i < s->n_requests; i++) {
		const size_t end = at + (size_t)s->sizes[i];

		sizes[i] = s->sizes[i];
		for (; at < end; at++)
			sums[i] += values[at];
	}
	err = batch_means__find(&r->mean, sums, sizes, s->n_requests);
	r->kind = err || isnan(r->mean.error) ? READING_ENDLESS : READING_MEAN;
	r->estimate = r->mean.estimate;
	free(sums);
	free(sizes);
	return err;
}

/* Failures are rare, and come in bursts: where there is none yet, the times of the requests tell how long a burst would be. */
static int memory_of_times(const struct judgement *j, double *memory)
{
	const struct recording *r = j->in->recording;
	double *times = array__zeroed(r->n_requests, sizeof(*times));
	size_t n = 0;
	int err;

	if (!times)
		return -ENOMEM;
	for (uint32_t i = 0; i < r->n_requests; i++)
		if (claim__is_about(j, i) && !request__was_wrong(&r->requests[i]))
			times[n++] = claim__so_far(j, &r->requests[i]);
	err = percentile__memory(times, n, memory);
	free(times);
	return err;
}

static int read_part(struct reading *r, const struct judgement *j, const struct sample *s, const double *values)
{
	double *counted = array__zeroed(s->n, sizeof(*counted)), sum = 0, memory;
	int err = counted ? memory_of_times(j, &memory) : -ENOMEM;

	if (err) {
		free(counted);
		return err;
	}
	for (size_t i = 0; i < s->n; i++)
		sum += counted[i] = values[i];
	r->estimate = s->n ? sum / (double)s->n : NAN;
	err = block_bootstrap__find(&r->blocks, counted, NULL, s->n, memory);
	r->kind = err ? READING_ENDLESS : READING_PART;
	free(counted);
	return err;
}

static int64_t needed(const struct reading *r, const struct judgement *j)
{
	if (j->claim->metric == CLAIM_SUCCESS_RATE)
		return r->blocks.n_needed;
	if (j->claim->statistic == STATISTIC_MEAN)
		return r->mean.n_needed;
	return r->percentile.blocks.n_needed;
}

static int64_t most_needed(const struct judgement *j)
{
	int64_t most = 0;

	for (int i = 0; i < j->n_readings; i++)
		if (j->readings[i].kind == READING_ENDLESS && needed(&j->readings[i], j) > most)
			most = needed(&j->readings[i], j);
	return most;
}

static int read_values(struct judgement *j, const struct sample *s)
{
	int (*const read)(struct reading *, const struct judgement *, const struct sample *, const double *) =
		j->claim->metric == CLAIM_SUCCESS_RATE ? read_part :
		j->claim->statistic == STATISTIC_MEAN  ? read_mean :
							 read_percentile;
	int err = read(&j->readings[0], j, s, s->low), other = 0;

	j->n_readings = 1;
	if (s->is_open && (!err || err == -ENODATA)) {
		j->n_readings = 2;
		if (s->endless && j->claim->statistic == STATISTIC_MEAN)
			j->readings[1] = (struct reading){ .kind = READING_ENDLESS, .estimate = INFINITY };
		else
			other = read(&j->readings[1], j, s, s->high);
	}
	err = err && other != -ENOMEM ? err : other;
	if (err != -ENODATA)
		return err;
	return judgement__leave_open(j, "needs at least %" PRId64 " requests, has %zu", most_needed(j), s->n_requests);
}

/* --------------------------------------------------------------------------------------------------------------- words --- */

static int say_about(struct judgement *j, const struct sample *s)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "%zu request%s", s->n_requests - s->n_lost,
			 plural((int64_t)(s->n_requests - s->n_lost)));

	if (!all_are_one(s))
		n += snprintf(text + n, sizeof(text) - (size_t)n, " with %zu gap%s", s->n - s->n_lost,
			      plural((int64_t)(s->n - s->n_lost)));
	if (s->n_failed)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ", %zu failed%s", s->n_failed,
			      j->claim->include_failed || j->claim->metric == CLAIM_SUCCESS_RATE ? "" : " left out");
	if (s->n_open)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ", %zu open: taken both ways", s->n_open);
	if (s->n_lost)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      ", and %zu lost record%s of the wire that may each have been one", s->n_lost,
			      plural((int64_t)s->n_lost));
	if (s->n_whole)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "; %zu without a stream left out", s->n_whole);
	if (s->n_wrong)
		snprintf(text + n, sizeof(text) - (size_t)n, "; %zu that were the client's mistake left out",
			 s->n_wrong);
	j->about = verification__text(j->v, "%s", text);
	return j->about ? 0 : -ENOMEM;
}

/* What LoadGen would say: its own confidence, requests taken as independent, nothing left open. */
static int say_mlperf(struct judgement *j, const struct sample *s)
{
	const struct reading *last = &j->readings[j->n_readings > 1];
	const double percentile = j->claim->percentile / 100;
	int64_t allowed, n_over;

	if (j->open || last->kind != READING_PERCENTILE || !all_are_one(s) || !claim__is_latency(j->claim->metric))
		return 0;
	n_over = last->percentile.n_beyond;
	allowed = early_stopping__allowed((int64_t)s->n, percentile, MLPERF_CONFIDENCE);
	if (allowed < 0)
		j->about = verification__text(j->v, "%s; MLPerf's early stopping would want %" PRId64 " requests",
					      j->about,
					      early_stopping__min_queries(n_over, percentile, MLPERF_CONFIDENCE));
	else
		j->about = verification__text(
			j->v, "%s; by MLPerf's early stopping %" PRId64 " are over it and %" PRId64 " may be: %s",
			j->about, n_over, allowed, n_over <= allowed ? "met" : "not met");
	return j->about ? 0 : -ENOMEM;
}

static int judge(struct judgement *j, value_function *value_of, bool counts_tokens)
{
	struct sample s = { 0 };
	int err = collect(&s, j, value_of);

	j->counted_in = "requests";
	j->point = 1;
	j->check->grade = counts_tokens && !s.backed ? GRADE_SELF_REPORTED : GRADE_MEASURED;
	if (!err && j->scope->wire_lost > (int64_t)(s.n_requests - s.n_lost))
		err = judgement__leave_open(j, "%" PRId64 " record%s of the wire %s lost, more than requests were seen",
					    j->scope->wire_lost, plural(j->scope->wire_lost),
					    j->scope->wire_lost == 1 ? "was" : "were");
	else if (!err && s.n == 0)
		err = judgement__leave_open(j, "no request of this kind was recorded%s",
					    s.n_whole ? ": a claim of this kind needs streams" : "");
	else if (!err)
		err = read_values(j, &s);
	if (!err && s.n)
		err = say_about(j, &s);
	if (!err && s.n)
		err = say_mlperf(j, &s);
	if (j->open && !s.n)
		j->check->grade = GRADE_UNAVAILABLE;
	sample__free(&s);
	return err;
}

/* ---------------------------------------------------------------------------------------------------------------- rules --- */

static const char *statistic_words(struct verification *v, const struct claim *c)
{
	if (c->statistic == STATISTIC_MEAN)
		return "the mean";
	if (c->statistic == STATISTIC_MEDIAN)
		return "the median";
	return verification__text(v, "the %gth percentile", c->percentile);
}

static int set_rule(struct judgement *j, const char *what)
{
	const struct claim *c = j->claim;
	const char *statistic = statistic_words(j->v, c);

	j->check->rule = verification__text(
		j->v, "%s of %s %s the claimed figure; %s; %s%s%.0f %% interval, for all claims together, %s",
		statistic ? statistic : "", what, c->at_least ? ">=" : "<=",
		c->include_failed ? "a failed request breaks it" : "failed requests left out",
		c->drop_first_request ? "the first request left out; " : "",
		c->model ? "requests of the model alone; " : "", c->confidence * 100,
		c->statistic == STATISTIC_MEAN ?
			"by batch means" :
			"by block bootstrap over requests and the exact binomial distribution");
	return statistic && j->check->rule ? 0 : -ENOMEM;
}

int judge_latency(struct judgement *j)
{
	static const char start[] = "the first byte of the request at the server's socket";
	value_function *value_of = NULL;
	const char *what = NULL;

	j->check->unit = "ns";
	j->scale = 1;
	switch (j->claim->metric) {
	case CLAIM_TTFT:
		value_of = value_of_ttft;
		what = verification__text(j->v, "the time from %s to the first chunk %s", start,
					  j->claim->from_first_token ? "with text" : "of the stream");
		break;
	case CLAIM_TPOT:
		value_of = value_of_tpot;
		what = "the time from the first chunk with text to the last one, over (output tokens - 1), per "
		       "request,";
		break;
	case CLAIM_ITL:
		what = "the times between chunks with text, of all streams,";
		break;
	default:
		value_of = value_of_e2e;
		what = verification__text(j->v, "the time from %s to the last byte of the response", start);
	}
	if (!what || set_rule(j, what))
		return -ENOMEM;
	return judge(j, value_of, j->claim->metric == CLAIM_TPOT);
}

int judge_user_throughput(struct judgement *j)
{
	j->check->unit = "tokens/s";
	j->scale = 1;
	if (set_rule(j,
		     "output tokens of a request over its time from the first byte of the request to the last of the "
		     "response"))
		return -ENOMEM;
	return judge(j, value_of_user_rate, true);
}

int judge_success_rate(struct judgement *j)
{
	j->check->unit = "%";
	j->scale = 100;
	j->check->rule = verification__text(
		j->v,
		"requests answered to the end with a status below 400, of all but those that were the client's mistake "
		"(400 to 499, without 408 and 429), >= the claimed part; %.0f %% interval, for all claims together, by "
		"block bootstrap over "
		"requests "
		"and the exact binomial distribution",
		j->claim->confidence * 100);
	return j->check->rule ? judge(j, value_of_success, false) : -ENOMEM;
}
