/* SPDX-License-Identifier: Apache-2.0 */
/* What the recording says of the tokens of every request, whatever was billed. */
#include <stdlib.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/facts.h"
#include "userspace/verify/books.h"

static bool has_failed(const struct row_request *q)
{
	return q->status >= 400 || (q->incomplete & INCOMPLETE_UNANSWERED && !q->client_left);
}

static bool carried_tokens(const struct verify_input *in, uint32_t i)
{
	const struct row_request *q = &in->recording->requests[i];
	const struct timeline_request *t = &in->timeline->requests[i];

	return t->match != MATCH_NONE || q->n_chunks > 0 || q->first_token_ns != 0 ||
	       q->billed_prompt_tokens != ABSENT || q->billed_completion_tokens != ABSENT;
}

static void fill(struct request_count *c, const struct verify_input *in, uint32_t i)
{
	const struct row_request *q = &in->recording->requests[i];
	const struct timeline_request *t = &in->timeline->requests[i];

	*c = (struct request_count){
		.completion = { t->completion_tokens, t->completion_tokens },
		.prompt = ABSENT,
		.cached = t->cached_tokens,
		.rejected = t->draft_rejected_tokens,
		.incomplete = t->incomplete | q->incomplete,
	};
	if (t->prompt_tokens != ABSENT && t->cached_tokens != ABSENT)
		c->prompt = t->prompt_tokens + t->cached_tokens;
	if (t->match == MATCH_AMBIGUOUS)
		c->flags |= REQUEST_AMBIGUOUS;
	if (q->n > 1 || q->n_prompts > 1)
		c->flags |= REQUEST_SEVERAL;
	if (has_failed(q))
		c->flags |= REQUEST_FAILED;
	if (carried_tokens(in, i))
		c->flags |= REQUEST_TOKENS;
}

/*
 * What a speculative step really emitted may be open: at least without the tokens that its last one accepted beyond the
 * first, at most all outputs that the engine asked for.
 */
static int widen_speculative(struct books *b, const struct verify_input *in)
{
	const struct timeline *t = in->timeline;
	uint32_t *last = array__zeroed(in->recording->n_requests, sizeof(*last));
	int64_t *outputs = array__zeroed(in->recording->n_requests, sizeof(*outputs));

	for (size_t i = 0; last && outputs && i < t->n_rows; i++) {
		const struct timeline_row *row = &t->rows[i];
		const uint32_t request = row->run == RUN_NONE ? REQUEST_NONE : t->runs[row->run].request;

		if (request == REQUEST_NONE || !row->counted || row->phase == PHASE_DRAFT)
			continue;
		outputs[request] += row->n_outputs;
		last[request] = row->phase == PHASE_VERIFY && row->n_emitted ? row->n_emitted - 1 : 0;
	}
	for (uint32_t i = 0; last && outputs && i < in->recording->n_requests; i++) {
		struct request_count *c = &b->counts[i];
		const struct timeline_request *q = &t->requests[i];
		bool proven = true;

		if (!(c->incomplete & INCOMPLETE_EMITTED) || c->completion.low == ABSENT)
			continue;
		for (uint32_t k = q->first_run; k < q->first_run + q->n_runs; k++)
			proven &= t->runs[t->request_runs[k]].emitted_proven;
		c->completion.low = q->n_runs == 1 ? c->completion.high - last[i] : 0;
		if (!proven)
			c->completion.high = outputs[i];
	}
	free(outputs);
	free(last);
	return last && outputs ? 0 : -ENOMEM;
}

int counts__fill(struct books *b, const struct verify_input *in)
{
	bool speculative = false;

	b->counts = array__zeroed(in->recording->n_requests, sizeof(*b->counts));
	if (!b->counts)
		return -ENOMEM;
	for (uint32_t i = 0; i < in->recording->n_requests; i++) {
		fill(&b->counts[i], in, i);
		speculative |= (b->counts[i].incomplete & INCOMPLETE_EMITTED) != 0;
		b->n_with_tokens += (b->counts[i].flags & REQUEST_TOKENS) != 0;
		b->n_nameless += b->counts[i].flags & REQUEST_TOKENS && !in->recording->requests[i].api_id;
	}
	return speculative ? widen_speculative(b, in) : 0;
}
