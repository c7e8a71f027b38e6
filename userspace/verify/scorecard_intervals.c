/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/scorecard_intervals.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/recording_strings.h"
#include "userspace/verify/judge.h"

#define RISK 0.05
#define N_BINS 3000
/* Digits that no interval bears out are none. */
#define DIGITS 1e6
#define PARTS 10000.0

/* Outwards, so that what is printed holds what was meant. */
static int64_t rounded(double value, bool up)
{
	double unit = 1;

	if (!isfinite(value) || fabs(value) >= 9e18)
		return ABSENT;
	while (fabs(value) / unit >= DIGITS)
		unit *= 10;
	return (int64_t)((up ? ceil(value / unit) : floor(value / unit)) * unit);
}

static void put(struct scorecard_figure *f, double low, double high, int64_t most)
{
	f->low = rounded(fmax(low, 0), false);
	f->high = rounded(high, true);
	if (isnan(low))
		f->low = ABSENT;
	/* A percentile's definitions differ by a rank. */
	if (f->low != ABSENT && f->low > f->value)
		f->low = f->value;
	if (f->high != ABSENT && f->high < f->value)
		f->high = f->value;
	if (f->high != ABSENT && f->high > most)
		f->high = most;
}

static int say_needed(struct scorecard_figure *f, struct strings *texts, const char *what, int64_t needed, int64_t has)
{
	char text[120];

	snprintf(text, sizeof(text), "needs at least %" PRId64 " %s, has %" PRId64, needed, what, has);
	f->no_interval = strings__keep(texts, text, strlen(text));
	return f->no_interval ? 0 : -ENOMEM;
}

/* ------------------------------------------------------------------------------------------------------------- requests --- */

static int of_mean(struct scorecard_figure *f, const struct scorecard_samples *s, struct strings *texts)
{
	const struct scorecard_series *x = &s->series;
	double *sums = array__zeroed(x->n_requests, sizeof(*sums)),
	       *sizes = array__zeroed(x->n_requests, sizeof(*sizes));
	struct batch_means mean;
	double low, high;
	size_t at = 0;
	int err = sums && sizes ? 0 : -ENOMEM;

	for (size_t i = 0; i < x->n_requests && !err; i++) {
		const size_t end = at + (size_t)x->sizes[i];

		sizes[i] = x->sizes[i];
		for (; at < end; at++)
			sums[i] += x->values[at];
	}
	if (!err)
		err = batch_means__find(&mean, sums, sizes, x->n_requests);
	free(sums);
	free(sizes);
	if (err == -ENODATA)
		return say_needed(f, texts, "requests", mean.n_needed, mean.n);
	if (err)
		return err;
	batch_means__interval(&mean, RISK, &low, &high);
	put(f, low, high, INT64_MAX);
	return 0;
}

static int of_percentile(struct scorecard_figure *f, double percentile, const struct scorecard_samples *s,
			 struct strings *texts)
{
	const struct scorecard_series *x = &s->series;
	const struct percentile_question q = { percentile, RISK, NAN };
	struct percentile p;
	double low, high;
	int err = percentile__find(&p, &q, x->values, x->n, x->all_are_one ? NULL : x->sizes, x->n_requests);

	if (err == -ENODATA)
		return say_needed(f, texts, "requests", p.blocks.n_needed, p.blocks.n);
	if (err)
		return err;
	percentile__interval(&p, RISK, &low, &high);
	put(f, low, high, INT64_MAX);
	if (isnan(low) || isnan(high))
		err = say_needed(f, texts, "requests", percentile__needed(&p, RISK, isnan(low)), p.blocks.n);
	percentile__free(&p);
	return err;
}

int scorecard_interval__of_values(struct scorecard_figure *f, const struct scorecard_metric *m,
				  const struct scorecard_samples *s, struct strings *texts)
{
	switch (m->statistic) {
	case STAT_MEAN:
	case STAT_MEAN_DOWN:
		return of_mean(f, s, texts);
	case STAT_RANK:
	case STAT_LINEAR:
		return of_percentile(f, m->per_10000 / PARTS, s, texts);
	default:
		return 0;
	}
}

static int of_success(struct scorecard_figure *f, const struct scorecard_samples *s, struct strings *texts)
{
	const struct recording *r = s->in->recording;
	double *good = array__zeroed(r->n_requests, sizeof(*good)),
	       *times = array__zeroed(r->n_requests, sizeof(*times));
	struct block_bootstrap blocks;
	double memory, low, high;
	size_t n = 0;
	int err = good && times ? 0 : -ENOMEM;

	for (size_t i = 0; i < r->n_requests && !err; i++) {
		if (s->outcomes[i] != OUTCOME_SUCCEEDED && s->outcomes[i] != OUTCOME_FAILED)
			continue;
		times[n] = (double)(r->requests[i].end_ns - r->requests[i].arrival_ns);
		good[n++] = s->outcomes[i] == OUTCOME_SUCCEEDED;
	}
	/* Failures come in bursts: where there is none yet, times tell how long a burst would be. */
	if (!err)
		err = percentile__memory(times, n, &memory);
	if (!err)
		err = block_bootstrap__find(&blocks, good, NULL, n, memory);
	free(times);
	free(good);
	if (err == -ENODATA)
		return say_needed(f, texts, "requests", blocks.n_needed, blocks.n);
	if (err)
		return err;
	block_bootstrap__part(&blocks, (double)f->value / PARTS, RISK, &low, &high);
	put(f, low * PARTS, high * PARTS, (int64_t)PARTS);
	return 0;
}

/* ----------------------------------------------------------------------------------------------------------------- time --- */

struct bins {
	double *counts;		/* N_BINS */
	double begin, end;	/* ns */
};

static void put_in(const struct bins *b, uint64_t time_ns, double n)
{
	const double at = ((double)time_ns - b->begin) / (b->end - b->begin) * N_BINS;

	if (at >= 0 && at <= N_BINS)
		b->counts[at < N_BINS ? (size_t)at : N_BINS - 1] += n;
}

/* Tokens that steps put out. @of_all: whatever became of their requests */
static void put_tokens(const struct bins *b, const struct scorecard_samples *s, bool of_all)
{
	const struct timeline *t = s->in->timeline;

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct timeline_row *row = &t->rows[i];
		const uint32_t request = row->run == RUN_NONE ? REQUEST_NONE : t->runs[row->run].request;
		const bool is_of = of_all || (request != REQUEST_NONE && s->outcomes[request] == OUTCOME_SUCCEEDED &&
					      scorecard_samples__tokens(s, request) != ABSENT);

		if (row->counted && row->phase != PHASE_DRAFT && is_of)
			put_in(b, s->in->recording->steps[row->step].end_ns, row->n_emitted);
	}
}

static void put_requests(const struct bins *b, const struct scorecard_samples *s, bool their_prompts)
{
	const struct recording *r = s->in->recording;

	for (size_t i = 0; i < r->n_requests; i++) {
		const struct row_request *q = &r->requests[i];
		const uint64_t content = q->last_token_ns ? q->last_token_ns : q->end_ns;

		if (s->outcomes[i] != OUTCOME_SUCCEEDED)
			continue;
		if (!their_prompts)
			put_in(b, content, 1);
		else if (scorecard_samples__prompt(s, i) != ABSENT)
			put_in(b, q->first_token_ns ? q->first_token_ns : content,
			       (double)scorecard_samples__prompt(s, i));
	}
}

/* By how much a rate may be off: its standard error over itself does not depend on its unit. */
static int of_rate(struct scorecard_figure *f, const struct bins *b, struct strings *texts)
{
	struct batch_means mean;
	double low, high;
	int err = batch_means__find(&mean, b->counts, NULL, N_BINS);

	if (err == -ENODATA) {
		const double seconds = (b->end - b->begin) / 1e9;

		return say_needed(f, texts, "s of such traffic",
				  (int64_t)ceil(seconds * (double)mean.n_needed / (double)mean.n), (int64_t)seconds);
	}
	batch_means__interval(&mean, RISK, &low, &high);
	if (!err && mean.estimate > 0)
		put(f, (double)f->value * low / mean.estimate, (double)f->value * high / mean.estimate, INT64_MAX);
	return err;
}

static int of_thirds(struct scorecard_figure *f, const struct bins *b, struct strings *texts)
{
	struct reading r = { .kind = READING_RATIO, .estimate = (double)f->value };
	double low, high;
	int err = batch_means__find(&r.under, b->counts, NULL, N_BINS / 3);

	if (!err)
		err = batch_means__find(&r.mean, b->counts + N_BINS / 3 * 2, NULL, N_BINS / 3);
	if (err == -ENODATA) {
		const struct batch_means *short_one = isnan(r.under.error) ? &r.under : &r.mean;
		const double seconds = (b->end - b->begin) / 1e9;

		return say_needed(f, texts, "s of such traffic",
				  (int64_t)ceil(seconds * (double)short_one->n_needed / (double)short_one->n),
				  (int64_t)seconds);
	}
	reading__interval(&r, RISK, &low, &high);
	put(f, low, high, INT64_MAX);
	return err;
}

int scorecard_interval__of_whole(struct scorecard_figure *f, enum whole whole, const struct scorecard_samples *s,
				 struct strings *texts)
{
	const bool to_the_end = whole == WHOLE_COMPLETED_TOKENS || whole == WHOLE_COMPLETED_SAMPLES;
	struct bins b = { .begin = (double)s->first_ns,
			  .end = (double)(to_the_end ? s->last_end_ns : s->last_content_ns) };
	int err = 0;

	/* A bound has no interval. */
	if (f->value == ABSENT || f->at_least)
		return 0;
	if (whole == WHOLE_SUCCESS_RATE)
		return of_success(f, s, texts);
	if (whole != WHOLE_OUTPUT_RATE && whole != WHOLE_TOTAL_RATE && whole != WHOLE_REQUEST_RATE &&
	    whole != WHOLE_THROUGHPUT_THIRDS && !to_the_end)
		return 0;
	b.counts = array__zeroed(N_BINS, sizeof(*b.counts));
	if (!b.counts)
		return -ENOMEM;
	if (whole == WHOLE_REQUEST_RATE || whole == WHOLE_COMPLETED_SAMPLES)
		put_requests(&b, s, false);
	else
		put_tokens(&b, s, whole == WHOLE_THROUGHPUT_THIRDS);
	if (whole == WHOLE_TOTAL_RATE)
		put_requests(&b, s, true);
	err = whole == WHOLE_THROUGHPUT_THIRDS ? of_thirds(f, &b, texts) : of_rate(f, &b, texts);
	free(b.counts);
	return err;
}
