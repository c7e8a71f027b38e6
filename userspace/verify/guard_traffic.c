/* SPDX-License-Identifier: Apache-2.0 */
/* Guards over requests: warm caches, prompts that repeat, endings and paddings, answers without a step. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/verify/guards.h"

#define MIN_REQUESTS 10
#define MIN_ENDINGS 20
#define CACHED_PCT 50		/* of all prompt tokens: a cache that decides the figures */
#define BEFORE_PCT 10		/* of them that nothing in the recording computed */
#define REPEATED_PCT 20
#define FORCED_PCT 95
#define CUT_PCT 5
#define MIN_CUT 3
#define SAME_LENGTH_PCT 50
#define MIN_SAME_LENGTH 8	/* tokens: "yes" and "no" are of one length honestly */
#define SILENT_PCT 20
#define MIN_STREAM_TOKENS 20
#define MIN_STREAMS 10

static int percent(int64_t part, int64_t whole)
{
	return whole > 0 ? (int)((double)part * 100 / (double)whole) : 0;
}

static int evidence(struct verification *v, struct note *note, int64_t request)
{
	return note->n_evidence < GUARD_EVIDENCE ? verification__note_evidence(v, note, request) : 0;
}

/* --- warm cache ------------------------------------------------------------------------------------------------------- */

struct reached {
	int context;
	int64_t tokens;
};

/* The longest sequence that this context had had so far; none yet: 0. */
static struct reached *reached_of(struct reached *list, size_t *n, size_t most, int context)
{
	for (size_t i = 0; i < *n; i++)
		if (list[i].context == context)
			return &list[i];
	if (*n == most)
		return NULL;
	list[*n] = (struct reached){ .context = context };
	return &list[(*n)++];
}

/*
 * Tokens at the beginning of a prompt that came out of a cache although no sequence of the recording had been so long: they were
 * computed before it began. Runs are in the order of their first steps.
 */
static int64_t from_before(const struct timeline *t)
{
	struct reached list[64];
	size_t n = 0;
	int64_t sum = 0;

	for (size_t i = 0; i < t->n_runs; i++) {
		const struct timeline_run *run = &t->runs[i];
		struct reached *r = reached_of(list, &n, sizeof(list) / sizeof(list[0]), run->context);
		const int64_t whole = run->prompt_cached + run->prompt_computed + run->n_sampled;

		if (!r || !run->from_start || run->prompt_cached < 0)
			continue;
		if (run->prompt_cached > r->tokens)
			sum += run->prompt_cached - r->tokens;
		if (whole > r->tokens)
			r->tokens = whole;
	}
	return sum;
}

int guard__cache(struct verification *v, const struct verify_input *in)
{
	int64_t n = 0, prompt = 0, cached = 0, before = from_before(in->timeline);
	struct note *note;

	for (uint32_t i = 0; i < in->recording->n_requests; i++) {
		const struct request_count *c = &in->books->counts[i];

		if (!guard__counts(in, i) || c->prompt == ABSENT || c->cached == ABSENT)
			continue;
		n++;
		prompt += c->prompt;
		cached += c->cached;
	}
	if (n < MIN_REQUESTS || (percent(cached, prompt) < CACHED_PCT && percent(before, prompt) < BEFORE_PCT))
		return 0;
	note = verification__note(v, "guard.warm_cache",
				  "%d %% of %" PRId64 " prompt tokens of %" PRId64
				  " requests came out of the prefix cache, %d %% from before "
				  "the recording: latencies and throughput are those of a warm cache, and other "
				  "prompts will be slower. It "
				  "may be ordinary: a system prompt that all share, conversations that go on, a server "
				  "that was in use before",
				  percent(cached, prompt), prompt, n, percent(before, prompt));
	for (uint32_t i = 0; note && i < in->recording->n_requests; i++)
		if (guard__counts(in, i) && in->books->counts[i].cached != ABSENT && in->books->counts[i].cached > 0 &&
		    evidence(v, note, in->recording->requests[i].id))
			return -ENOMEM;
	return note ? 0 : -ENOMEM;
}

/* --- repeated prompts ------------------------------------------------------------------------------------------------- */

struct prompt {
	uint64_t hash;
	int64_t bytes, id;
};

static int by_prompt(const void *pa, const void *pb)
{
	const struct prompt *a = pa, *b = pb;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

static bool same_prompt(const struct prompt *a, const struct prompt *b)
{
	return a->hash == b->hash && a->bytes == b->bytes;
}

static int note_repeated(struct verification *v, const struct prompt *prompts, size_t n)
{
	size_t n_distinct = 0, most = 0, most_at = 0;
	struct note *note;

	for (size_t first = 0, end; first < n; first = end) {
		for (end = first; end < n && same_prompt(&prompts[first], &prompts[end]); end++)
			;
		n_distinct++;
		if (end - first > most) {
			most = end - first;
			most_at = first;
		}
	}
	if (n < MIN_REQUESTS || percent((int64_t)(n - n_distinct), (int64_t)n) < REPEATED_PCT)
		return 0;
	note = verification__note(
		v, "guard.repeated_prompts",
		"%zu of %zu prompts had been sent before in this recording (by their hashes; %zu "
		"different ones, one of them %zu times): caches and special cases would show here. It "
		"may be ordinary: retries, several samples of one question, a small set of test prompts",
		n - n_distinct, n, n_distinct, most);
	for (size_t i = most_at; note && i < most_at + most; i++)
		if (evidence(v, note, prompts[i].id))
			return -ENOMEM;
	return note ? 0 : -ENOMEM;
}

int guard__repeated(struct verification *v, const struct verify_input *in)
{
	const struct recording *r = in->recording;
	struct prompt *prompts = array__zeroed(r->n_requests, sizeof(*prompts));
	size_t n = 0;
	int err;

	if (!prompts)
		return -ENOMEM;
	for (uint32_t i = 0; i < r->n_requests; i++)
		if (r->requests[i].prompt_hash && in->books->counts[i].flags & REQUEST_TOKENS)
			prompts[n++] = (struct prompt){ r->requests[i].prompt_hash, r->requests[i].prompt_bytes,
							r->requests[i].id };
	if (n)
		qsort(prompts, n, sizeof(*prompts), by_prompt);
	err = note_repeated(v, prompts, n);
	free(prompts);
	return err;
}

/* --- endings ---------------------------------------------------------------------------------------------------------- */

struct endings {
	int64_t n, n_at_limit, n_cut, n_stopped;
	int64_t n_streams, stream_tokens, stream_chunks;
	int64_t *lengths;		/* of those that stopped by themselves */
};

static bool ends_by(const struct row_request *q, const char *reason)
{
	return q->finish_reason && strcmp(q->finish_reason, reason) == 0;
}

static void take_ending(struct endings *e, const struct verify_input *in, uint32_t i)
{
	const struct row_request *q = &in->recording->requests[i];
	const struct request_count *c = &in->books->counts[i];
	const int64_t tokens = c->completion.high;

	if (!guard__counts(in, i) || !q->finish_reason || tokens <= 0)
		return;
	e->n++;
	e->n_at_limit +=
		ends_by(q, "length") && q->max_tokens != ABSENT && q->max_tokens > 1 && tokens == q->max_tokens;
	e->n_cut += ends_by(q, "length") && (q->max_tokens == ABSENT || tokens < q->max_tokens);
	if (ends_by(q, "stop"))
		e->lengths[e->n_stopped++] = tokens;
	/* Several drafted tokens come in one event, honestly. */
	if (!q->stream || tokens < MIN_STREAM_TOKENS || (c->rejected != ABSENT && c->rejected > 0) ||
	    (in->timeline->requests[i].draft_tokens != ABSENT && in->timeline->requests[i].draft_tokens > 0))
		return;
	e->n_streams++;
	e->stream_tokens += tokens;
	e->stream_chunks += q->n_chunks == ABSENT || q->n_chunks < 0 ? 0 : q->n_chunks < tokens ? q->n_chunks : tokens;
}

static int by_length(const void *pa, const void *pb)
{
	const int64_t a = *(const int64_t *)pa, b = *(const int64_t *)pb;

	return a < b ? -1 : a > b;
}

static int note_lengths(struct verification *v, struct endings *e)
{
	int64_t most = 0, length = 0;

	if (e->n_stopped < MIN_ENDINGS)
		return 0;
	qsort(e->lengths, (size_t)e->n_stopped, sizeof(*e->lengths), by_length);
	for (int64_t first = 0, end; first < e->n_stopped; first = end) {
		for (end = first; end < e->n_stopped && e->lengths[end] == e->lengths[first]; end++)
			;
		if (end - first > most) {
			most = end - first;
			length = e->lengths[first];
		}
	}
	if (length < MIN_SAME_LENGTH || percent(most, e->n_stopped) < SAME_LENGTH_PCT)
		return 0;
	return verification__note(v, "guard.padding",
				  "%" PRId64 " of %" PRId64
				  " answers that ended by themselves have the same length, %" PRId64
				  " tokens: outputs may be padded to it or cut to it. It may be ordinary: answers of a "
				  "fixed form, one question asked again",
				  most, e->n_stopped, length) ?
		       0 :
		       -ENOMEM;
}

static int note_endings(struct verification *v, struct endings *e)
{
	if (e->n >= MIN_ENDINGS && percent(e->n_at_limit, e->n) >= FORCED_PCT &&
	    !verification__note(
		    v, "guard.forced_endings",
		    "%" PRId64 " of %" PRId64 " answers end at the limit that their client gave: outputs look "
		    "forced to a length, and rates per token are those of long answers. It may be ordinary: "
		    "benchmarks fix lengths, and small limits are reached by most answers",
		    e->n_at_limit, e->n))
		return -ENOMEM;
	if (e->n >= MIN_ENDINGS && e->n_cut >= MIN_CUT && percent(e->n_cut, e->n) >= CUT_PCT &&
	    !verification__note(
		    v, "guard.cut_short",
		    "%" PRId64 " of %" PRId64 " answers were ended for their length before any limit that "
		    "their client gave: the server ends them. It may be ordinary: a full context, a limit of "
		    "the server that its documents state",
		    e->n_cut, e->n))
		return -ENOMEM;
	if (e->n_streams >= MIN_STREAMS &&
	    percent(e->stream_tokens - e->stream_chunks, e->stream_tokens) >= SILENT_PCT &&
	    !verification__note(v, "guard.silent_tokens",
				"%d %% of %" PRId64 " tokens of %" PRId64 " streams came without an event that carries "
				"text: tokens may be generated that the client never gets. It may be ordinary: servers "
				"that send several tokens at a time, characters of several tokens, hidden reasoning",
				percent(e->stream_tokens - e->stream_chunks, e->stream_tokens), e->stream_tokens,
				e->n_streams))
		return -ENOMEM;
	return note_lengths(v, e);
}

int guard__endings(struct verification *v, const struct verify_input *in)
{
	struct endings e = { .lengths = array__zeroed(in->recording->n_requests, sizeof(*e.lengths)) };
	int err;

	if (!e.lengths)
		return -ENOMEM;
	for (uint32_t i = 0; i < in->recording->n_requests; i++)
		take_ending(&e, in, i);
	err = note_endings(v, &e);
	free(e.lengths);
	return err;
}

/* --- answers without a step ------------------------------------------------------------------------------------------- */

static bool is_without_step(const struct verify_input *in, uint32_t i)
{
	const struct row_request *q = &in->recording->requests[i];

	return guard__counts(in, i) && in->timeline->requests[i].n_runs == 0 &&
	       in->books->counts[i].completion.high == 0 &&
	       ((q->billed_completion_tokens != ABSENT && q->billed_completion_tokens > 0) ||
		(q->n_chunks != ABSENT && q->n_chunks > 0));
}

int guard__no_step(struct verification *v, const struct verify_input *in)
{
	int64_t n = 0, billed = 0;
	struct note *note;

	for (uint32_t i = 0; i < in->recording->n_requests; i++) {
		const int64_t tokens = in->recording->requests[i].billed_completion_tokens;

		if (!is_without_step(in, i))
			continue;
		n++;
		if (tokens != ABSENT && tokens > 0 && billed < INT64_MAX - tokens)
			billed += tokens;
	}
	if (n == 0)
		return 0;
	note = verification__note(v, "guard.no_step",
				  "%" PRId64
				  " request%s answered with text although no step of the engine computed a token of it "
				  "(completion tokens billed: %" PRId64 "): a cache of answers would look "
				  "like this. It may be ordinary: another process or host computed them, fixed answers "
				  "to errors, a cache that the price list tells of",
				  n, plural(n), billed);
	for (uint32_t i = 0; note && i < in->recording->n_requests; i++)
		if (is_without_step(in, i) && evidence(v, note, in->recording->requests[i].id))
			return -ENOMEM;
	return note ? 0 : -ENOMEM;
}
