/* SPDX-License-Identifier: Apache-2.0 */
/* How each request for text ended, and the values that it has. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/evidence.h"
#include "userspace/analysis/facts.h"
#include "userspace/verify/scorecard.h"

#define NOT_SEEN_WHOLE                                                                                                 \
	(INCOMPLETE_LOSS | INCOMPLETE_BEFORE_ATTACH | INCOMPLETE_AT_END | INCOMPLETE_GAP | INCOMPLETE_PARSE)
#define STATUS_TIMEOUT 408
#define STATUS_TOO_MANY 429
/* Tokens per ns to millionths of tokens/s. */
#define RATE_UNIT INT64_C(1000000000000000)

int64_t scorecard__ratio(int64_t a, int64_t n, int64_t d)
{
	__int128 product, rounded;

	if (d <= 0 || a == ABSENT)
		return ABSENT;
	product = (__int128)a * n;
	rounded = (2 * product + (product < 0 ? -d : d)) / (2 * (__int128)d);
	return rounded > INT64_MAX || rounded <= INT64_MIN ? ABSENT : (int64_t)rounded;
}

static enum outcome outcome_of(const struct ledger *l, size_t i)
{
	const struct row_request *q = &l->timeline->recording->requests[i];
	const uint32_t incomplete = request__incomplete(l, i);

	if (request__asks_for_embedding(q) || !(q->first_token_ns || q->n_chunks > 0 || request__asks_a_model(q)))
		return OUTCOME_OTHER;
	if (incomplete & NOT_SEEN_WHOLE)
		return OUTCOME_OPEN;
	/* Too many at once, or too late: the server's refusal of what it could have done. */
	if (q->status >= 500 || q->status == STATUS_TIMEOUT || q->status == STATUS_TOO_MANY)
		return OUTCOME_FAILED;
	if (q->status >= 400)
		return OUTCOME_CLIENT_ERROR;
	if (q->client_left)
		return OUTCOME_CANCELLED;
	return q->status == 0 || incomplete & INCOMPLETE_UNANSWERED ? OUTCOME_FAILED : OUTCOME_SUCCEEDED;
}

static bool is_certain(const struct scorecard_samples *s, size_t i)
{
	return s->in->timeline->requests[i].match != MATCH_AMBIGUOUS &&
	       !(request__incomplete(s->in->ledger, i) & ~(uint32_t)INCOMPLETE_UNANSWERED);
}

int64_t scorecard_samples__tokens(const struct scorecard_samples *s, size_t request)
{
	return is_certain(s, request) ? s->in->timeline->requests[request].completion_tokens : ABSENT;
}

int64_t scorecard_samples__prompt(const struct scorecard_samples *s, size_t i)
{
	return is_certain(s, i) ? request__prompt_seen(&s->in->timeline->requests[i]) : ABSENT;
}

static void add_success(struct scorecard_samples *s, size_t i)
{
	const struct row_request *q = &s->in->recording->requests[i];
	const int64_t tokens = scorecard_samples__tokens(s, i), prompt = scorecard_samples__prompt(s, i);
	const uint64_t content = q->last_token_ns ? q->last_token_ns : q->end_ns;

	if (s->n_by_outcome[OUTCOME_SUCCEEDED]++ == 0)
		s->first_ns = q->arrival_ns;
	s->first_ns = q->arrival_ns < s->first_ns ? q->arrival_ns : s->first_ns;
	s->last_content_ns = content > s->last_content_ns ? content : s->last_content_ns;
	s->last_end_ns = q->end_ns > s->last_end_ns ? q->end_ns : s->last_end_ns;
	s->sum_e2e_ns += (int64_t)(q->end_ns - q->arrival_ns);
	if (tokens == ABSENT)
		s->n_tokens_unknown++;
	else
		s->output_tokens += tokens;
	if (prompt == ABSENT)
		s->n_prompt_unknown++;
	else
		s->input_tokens += prompt;
}

/* Counts are read out of the server's memory: measured where the compute that the kernel measured has room for them. */
static enum grade grade_of_tokens(const struct verification *v)
{
	for (size_t i = 0; v && i < v->n; i++)
		if (strcmp(v->checks[i].id, "compute.recording") == 0)
			return v->checks[i].verdict == VERDICT_CONFIRMED ? GRADE_MEASURED : GRADE_SELF_REPORTED;
	return GRADE_SELF_REPORTED;
}

int scorecard_samples__open(struct scorecard_samples *s, const struct verify_input *in, const struct verification *v)
{
	const struct recording *r = in->recording;

	memset(s, 0, sizeof(*s));
	s->in = in;
	s->tokens = grade_of_tokens(v);
	s->capacity = r->n_requests > r->n_chunks ? r->n_requests : r->n_chunks;
	s->values = array__zeroed(s->capacity, sizeof(*s->values));
	s->series.values = array__zeroed(s->capacity, sizeof(*s->series.values));
	s->series.sizes = array__zeroed(r->n_requests, sizeof(*s->series.sizes));
	s->outcomes = array__zeroed(r->n_requests, sizeof(*s->outcomes));
	if (!s->values || !s->outcomes || !s->series.values || !s->series.sizes) {
		scorecard_samples__close(s);
		return -ENOMEM;
	}
	for (size_t i = 0; i < r->n_requests; i++) {
		const enum outcome outcome = outcome_of(in->ledger, i);

		s->outcomes[i] = (uint8_t)outcome;
		if (outcome == OUTCOME_SUCCEEDED)
			add_success(s, i);
		else
			s->n_by_outcome[outcome]++;
	}
	return 0;
}

void scorecard_samples__close(struct scorecard_samples *s)
{
	free(s->values);
	free(s->outcomes);
	free(s->series.values);
	free(s->series.sizes);
	s->series.values = s->series.sizes = NULL;
	s->values = NULL;
	s->outcomes = NULL;
}

/* --------------------------------------------------------------------------------------------------------------- values --- */

static int64_t second_chunk_after(const struct recording *r, int64_t request)
{
	const size_t k = recording__first_chunk(r, request);

	if (k + 1 >= r->n_chunks || r->chunks[k].request != request || r->chunks[k + 1].request != request)
		return ABSENT;
	return (int64_t)(r->chunks[k + 1].time_ns - r->chunks[k].time_ns);
}

static int64_t last_content(const struct row_request *q)
{
	return q->last_token_ns ? (int64_t)(q->last_token_ns - q->arrival_ns) : ABSENT;
}

static int64_t rate(int64_t tokens, int64_t ns)
{
	return ns == ABSENT ? ABSENT : scorecard__ratio(tokens, RATE_UNIT, ns);
}

int64_t scorecard_samples__value(const struct scorecard_samples *s, enum quantity quantity, size_t request)
{
	const struct row_request *q = &s->in->recording->requests[request];
	const struct timeline_request *t = &s->in->timeline->requests[request];
	const int64_t ttft = q->stream ? t->ttft_ns : ABSENT;

	switch (quantity) {
	case QUANTITY_TTFT:
		return ttft;
	case QUANTITY_TTST:
		return q->stream ? second_chunk_after(s->in->recording, q->id) : ABSENT;
	case QUANTITY_TPOT:
		return is_certain(s, request) ? t->tpot_ns : ABSENT;
	case QUANTITY_WAIT:
		return is_certain(s, request) ? t->wait_ns : ABSENT;
	case QUANTITY_E2E:
		return t->e2el_ns;
	case QUANTITY_LAST_CHUNK:
		return last_content(q);
	case QUANTITY_USER_RATE:
		return is_certain(s, request) ? rate(1, t->tpot_ns) : ABSENT;
	case QUANTITY_PREFILL_RATE:
		return rate(scorecard_samples__prompt(s, request), ttft);
	case QUANTITY_E2E_RATE:
		return rate(scorecard_samples__tokens(s, request), last_content(q));
	case QUANTITY_OUTPUT_TOKENS:
		return scorecard__ratio(scorecard_samples__tokens(s, request), 1000, 1);
	case QUANTITY_INPUT_TOKENS:
		return scorecard__ratio(scorecard_samples__prompt(s, request), 1000, 1);
	default:
		return ABSENT;
	}
}

/* Without this quantity though all of the request is known: a body in one piece has no first token, one token no pace. */
static bool has_none(const struct scorecard_samples *s, enum quantity quantity, size_t i)
{
	const struct row_request *q = &s->in->recording->requests[i];
	const int64_t tokens = scorecard_samples__tokens(s, i);

	switch (quantity) {
	case QUANTITY_TTFT:
	case QUANTITY_PREFILL_RATE:
		return !q->stream || !q->first_token_ns;
	case QUANTITY_TTST:
		return !q->stream || q->n_chunks < 2;
	case QUANTITY_TPOT:
	case QUANTITY_USER_RATE:
		return !q->stream || q->n_prompts > 1 || (tokens != ABSENT && tokens < 2);
	case QUANTITY_LAST_CHUNK:
	case QUANTITY_E2E_RATE:
		return !q->last_token_ns;
	default:
		return false;
	}
}

static int64_t gather_chunks(struct scorecard_samples *s)
{
	const struct recording *r = s->in->recording;
	int64_t n = 0, begun;

	for (size_t i = 0; i < r->n_requests; i++) {
		if (s->outcomes[i] != OUTCOME_SUCCEEDED || !r->requests[i].stream)
			continue;
		begun = n;
		for (size_t k = recording__first_chunk(r, r->requests[i].id) + 1;
		     k < r->n_chunks && r->chunks[k].request == r->requests[i].id &&
		     r->chunks[k - 1].request == r->chunks[k].request;
		     k++)
			s->values[n++] = (int64_t)(r->chunks[k].time_ns - r->chunks[k - 1].time_ns);
		if (n > begun)
			s->series.sizes[s->series.n_requests++] = (double)(n - begun);
	}
	return n;
}

int64_t scorecard_samples__gather(struct scorecard_samples *s, enum quantity quantity, int64_t *left_out)
{
	int64_t n = 0;

	*left_out = s->n_by_outcome[OUTCOME_OPEN];
	s->series.n_requests = 0;
	s->series.all_are_one = quantity != QUANTITY_CHUNK;
	if (quantity == QUANTITY_CHUNK)
		n = gather_chunks(s);
	for (size_t i = 0; quantity != QUANTITY_CHUNK && i < s->in->recording->n_requests; i++) {
		int64_t value;

		if (s->outcomes[i] != OUTCOME_SUCCEEDED || has_none(s, quantity, i))
			continue;
		value = scorecard_samples__value(s, quantity, i);
		if (value == ABSENT)
			(*left_out)++;
		else
			s->values[n++] = value;
		if (value != ABSENT)
			s->series.sizes[s->series.n_requests++] = 1;
	}
	s->series.n = (size_t)n;
	for (int64_t i = 0; i < n; i++)
		s->series.values[i] = (double)s->values[i];
	sort_values(s->values, (size_t)n);
	return n;
}

enum grade scorecard_samples__grade(const struct scorecard_samples *s, enum quantity quantity)
{
	switch (quantity) {
	case QUANTITY_TPOT:
	case QUANTITY_USER_RATE:
	case QUANTITY_PREFILL_RATE:
	case QUANTITY_E2E_RATE:
	case QUANTITY_OUTPUT_TOKENS:
	case QUANTITY_INPUT_TOKENS:
		return s->tokens;
	default:
		return GRADE_MEASURED;
	}
}
