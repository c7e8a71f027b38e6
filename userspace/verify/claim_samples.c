/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about requests one by one: latencies, what one user gets, success. Each request gives a value, or two that it is between. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "output/facts.h"
#include "userspace/analysis/array.h"
#include "userspace/verify/judge.h"
#include "userspace/verify/stats/early_stopping.h"

#define MAX_RULE 700
#define LOSSY (INCOMPLETE_LOSS | INCOMPLETE_GAP | INCOMPLETE_PARSE)

struct sample {
	double *low, *high;	/* of each value; INFINITY: no end */
	size_t n, low_capacity, high_capacity;
	double *sizes;		/* of each request, how many values */
	size_t n_requests, sizes_capacity;
	size_t n_failed, n_open, n_whole, n_wrong, n_lost;
	bool is_open;		/* a low and a high differ */
	bool endless;		/* a high has no end */
	bool backed;		/* measured compute has room for the tokens of all */
};

/* What one request gives. */
enum value { VALUE_NONE = 0, VALUE_KNOWN, VALUE_OPEN, VALUE_FAILED };

static int add_value(struct sample *s, double low, double high)
{
	double *lows = array__reserve(s->low, &s->low_capacity, s->n + 1, sizeof(*lows));
	double *highs;

	if (!lows)
		return -ENOMEM;
	s->low = lows;
	highs = array__reserve(s->high, &s->high_capacity, s->n + 1, sizeof(*highs));
	if (!highs)
		return -ENOMEM;
	s->high = highs;
	s->low[s->n] = low;
	s->high[s->n++] = high;
	s->is_open |= low != high;
	s->endless |= isinf(high);
	s->sizes[s->n_requests - 1] += 1;
	return 0;
}

static int begin_request(struct sample *s)
{
	double *moved = array__reserve(s->sizes, &s->sizes_capacity, s->n_requests + 1, sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	s->sizes = moved;
	s->sizes[s->n_requests++] = 0;
	return 0;
}

static void sample__free(struct sample *s)
{
	free(s->low);
	free(s->high);
	free(s->sizes);
}

/* ------------------------------------------------------------------------------------------------- one request's value --- */

/* How long it had taken when nothing more was seen of it. */
static double so_far(const struct judgement *j, const struct row_request *q)
{
	const uint64_t end = q->end_ns ? q->end_ns : recording__end_ns(j->in->recording);

	return end > q->arrival_ns ? (double)(end - q->arrival_ns) : 0;
}

static bool ended(const struct row_request *q)
{
	return q->end_ns && !q->client_left && !(q->incomplete & INCOMPLETE_UNANSWERED);
}

static enum value value_of_ttft(const struct judgement *j, uint32_t i, double *low, double *high)
{
	const struct row_request *q = &j->in->recording->requests[i];

	if (q->first_token_ns) {
		*low = *high = (double)(q->first_token_ns - q->arrival_ns);
		/* A chunk without text comes no sooner than the first byte, and no later than the first chunk with text. */
		if (!j->claim->from_first_token && q->first_byte_ns && q->first_byte_ns < q->first_token_ns)
			*low = (double)(q->first_byte_ns - q->arrival_ns);
		return *low < *high ? VALUE_OPEN : VALUE_KNOWN;
	}
	if (ended(q))
		return VALUE_NONE;
	*low = so_far(j, q);
	return VALUE_OPEN;
}

static enum value value_of_e2e(const struct judgement *j, uint32_t i, double *low, double *high)
{
	const struct row_request *q = &j->in->recording->requests[i];

	*low = so_far(j, q);
	if (!ended(q))
		return VALUE_OPEN;
	*high = *low;
	return VALUE_KNOWN;
}

/* Tokens that a request put out; false: not known. */
static bool tokens_of(const struct judgement *j, uint32_t i, struct span *out)
{
	*out = j->in->books->counts[i].completion;
	return out->low != ABSENT && j->in->timeline->requests[i].match != MATCH_AMBIGUOUS &&
	       !(j->in->timeline->requests[i].incomplete & (INCOMPLETE_ROWS | INCOMPLETE_UNMATCHED));
}

static enum value value_of_tpot(const struct judgement *j, uint32_t i, double *low, double *high)
{
	const struct row_request *q = &j->in->recording->requests[i];
	const double time = (double)(q->last_token_ns - q->first_token_ns);
	struct span tokens;

	/* Of a list the prompts wait for each other, and of several choices the figures are those of the longest one. */
	if (q->n_prompts > 1 || !q->first_token_ns)
		return ended(q) || q->n_prompts > 1 ? VALUE_NONE : VALUE_OPEN;
	if (!ended(q) || !tokens_of(j, i, &tokens))
		return VALUE_OPEN;
	if (q->n > 1) {
		if (j->in->timeline->requests[i].tpot_ns == ABSENT)
			return VALUE_NONE;
		*low = *high = (double)j->in->timeline->requests[i].tpot_ns;
		return VALUE_KNOWN;
	}
	if (tokens.high < 2)
		return VALUE_NONE;
	*low = time / (double)(tokens.high - 1);
	if (tokens.low >= 2)
		*high = time / (double)(tokens.low - 1);
	return *low < *high ? VALUE_OPEN : VALUE_KNOWN;
}

static enum value value_of_user_rate(const struct judgement *j, uint32_t i, double *low, double *high)
{
	const struct row_request *q = &j->in->recording->requests[i];
	const double seconds = so_far(j, q) / 1e9;
	struct span tokens;

	if (!ended(q) || seconds <= 0 || !tokens_of(j, i, &tokens))
		return VALUE_OPEN;
	*low = (double)tokens.low / seconds;
	*high = (double)tokens.high / seconds;
	return *low < *high ? VALUE_OPEN : VALUE_KNOWN;
}

static enum value value_of_success(const struct judgement *j, uint32_t i, double *low, double *high)
{
	const struct row_request *q = &j->in->recording->requests[i];

	*high = 1;
	if (!ended(q) && !request__failed(q))
		return VALUE_OPEN;
	*low = *high = !request__failed(q);
	return VALUE_KNOWN;
}

typedef enum value value_function(const struct judgement *j, uint32_t i, double *low, double *high);

/* ------------------------------------------------------------------------------------------------- gaps between chunks --- */

static size_t first_chunk_of(const struct recording *r, int64_t request)
{
	size_t low = 0, high = r->n_chunks;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (r->chunks[middle].request < request)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int add_gaps(struct sample *s, const struct judgement *j, uint32_t i)
{
	const struct recording *r = j->in->recording;
	const struct row_request *q = &r->requests[i];
	const bool lossy = j->in->timeline->requests[i].incomplete & LOSSY;
	const uint64_t end_ns = q->end_ns ? q->end_ns : recording__end_ns(r);
	size_t at = first_chunk_of(r, q->id);
	uint64_t last = 0;
	int err = 0;

	for (; at < r->n_chunks && r->chunks[at].request == q->id && !err; at++) {
		const uint64_t now = r->chunks[at].time_ns;

		if (last)
			err = add_value(s, lossy ? 0 : (double)(now - last), lossy ? INFINITY : (double)(now - last));
		last = now;
	}
	/* The gap that nobody saw the end of. */
	if (!err && (lossy || (!ended(q) && last)))
		err = add_value(s, lossy || end_ns < last ? 0 : (double)(end_ns - last), INFINITY);
	s->n_open += lossy || !ended(q);
	return err;
}

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
		return add_value(s, 0, 0);
	/* A mean of something without end is none: at least the time that it took to fail. */
	if (c->statistic == STATISTIC_MEAN)
		return add_value(s, so_far(j, &j->in->recording->requests[i]), INFINITY);
	return add_value(s, INFINITY, INFINITY);
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
	if (begin_request(s))
		return -ENOMEM;
	if (request__failed(q) && j->claim->metric != CLAIM_SUCCESS_RATE)
		return add_failed(s, j, i);
	if (!value_of)
		return add_gaps(s, j, i);
	value = j->in->timeline->requests[i].incomplete & LOSSY ? VALUE_OPEN : value_of(j, i, &low, &high);
	if (j->claim->metric == CLAIM_SUCCESS_RATE)
		high = high < 1 ? high : 1;
	if (value == VALUE_NONE) {
		s->n_requests--;
		return 0;
	}
	s->n_failed += value == VALUE_KNOWN && j->claim->metric == CLAIM_SUCCESS_RATE && low == 0;
	s->n_open += value == VALUE_OPEN;
	s->backed &= j->in->books->counts[i].backing == BACKING_HOLDS;
	return add_value(s, low, high);
}

/* Each record of the wire that was lost may have been a request that nobody knows of. */
static int add_lost(struct sample *s, const struct judgement *j)
{
	const double high = j->claim->metric == CLAIM_SUCCESS_RATE ? 1 : INFINITY;
	int err = 0;

	for (int64_t i = 0; i < j->scope->wire_lost && !err; i++) {
		err = begin_request(s);
		if (!err)
			err = add_value(s, 0, high);
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
			times[n++] = so_far(j, &r->requests[i]);
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

static int read_values(struct judgement *j, const struct sample *s)
{
	int (*const read)(struct reading *, const struct judgement *, const struct sample *, const double *) =
		j->claim->metric == CLAIM_SUCCESS_RATE ? read_part :
		j->claim->statistic == STATISTIC_MEAN  ? read_mean :
							 read_percentile;
	int err = read(&j->readings[0], j, s, s->low);

	j->n_readings = 1;
	if (!err && s->is_open) {
		j->n_readings = 2;
		if (s->endless && j->claim->statistic == STATISTIC_MEAN)
			j->readings[1] = (struct reading){ .kind = READING_ENDLESS, .estimate = INFINITY };
		else
			err = read(&j->readings[1], j, s, s->high);
	}
	if (err != -ENODATA)
		return err;
	return judgement__leave_open(j, "needs at least %" PRId64 " requests, has %zu",
				     needed(&j->readings[j->n_readings - 1], j), s->n_requests);
}

/* --------------------------------------------------------------------------------------------------------------- words --- */

static int say_about(struct judgement *j, const struct sample *s)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "%zu requests", s->n_requests - s->n_lost);

	if (!all_are_one(s))
		n += snprintf(text + n, sizeof(text) - (size_t)n, " with %zu gaps", s->n - s->n_lost);
	if (s->n_failed)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ", %zu failed%s", s->n_failed,
			      j->claim->include_failed || j->claim->metric == CLAIM_SUCCESS_RATE ? "" : " left out");
	if (s->n_open)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ", %zu open: taken both ways", s->n_open);
	if (s->n_lost)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      ", and %zu lost records of the wire that may each have been one", s->n_lost);
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
	const struct reading *last = &j->readings[j->n_readings - 1];
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
		err = judgement__leave_open(j,
					    "%" PRId64 " records of the wire were lost, more than requests were seen",
					    j->scope->wire_lost);
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
