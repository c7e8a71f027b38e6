/* SPDX-License-Identifier: Apache-2.0 */
/* The value that one request gives to a claim, or the two that it is between. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "userspace/analysis/facts.h"
#include "userspace/analysis/array.h"
#include "userspace/verify/claim_sample.h"

int sample__add(struct sample *s, double low, double high)
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

int sample__begin_request(struct sample *s)
{
	double *moved = array__reserve(s->sizes, &s->sizes_capacity, s->n_requests + 1, sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	s->sizes = moved;
	s->sizes[s->n_requests++] = 0;
	return 0;
}

void sample__free(struct sample *s)
{
	free(s->low);
	free(s->high);
	free(s->sizes);
}

/* ------------------------------------------------------------------------------------------------- one request's value --- */

/* How long it had taken when nothing more was seen of it. */
double claim__so_far(const struct judgement *j, const struct row_request *q)
{
	const uint64_t end = q->end_ns ? q->end_ns : recording__end_ns(j->in->recording);

	return end > q->arrival_ns ? (double)(end - q->arrival_ns) : 0;
}

static bool ended(const struct row_request *q)
{
	return q->end_ns && !q->client_left && !(q->incomplete & INCOMPLETE_UNANSWERED);
}

enum value value_of_ttft(const struct judgement *j, uint32_t i, double *low, double *high)
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
	*low = claim__so_far(j, q);
	return VALUE_OPEN;
}

enum value value_of_e2e(const struct judgement *j, uint32_t i, double *low, double *high)
{
	const struct row_request *q = &j->in->recording->requests[i];

	*low = claim__so_far(j, q);
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

enum value value_of_tpot(const struct judgement *j, uint32_t i, double *low, double *high)
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

enum value value_of_user_rate(const struct judgement *j, uint32_t i, double *low, double *high)
{
	const struct row_request *q = &j->in->recording->requests[i];
	const double seconds = claim__so_far(j, q) / 1e9;
	struct span tokens;

	if (!ended(q) || seconds <= 0 || !tokens_of(j, i, &tokens))
		return VALUE_OPEN;
	*low = (double)tokens.low / seconds;
	*high = (double)tokens.high / seconds;
	return *low < *high ? VALUE_OPEN : VALUE_KNOWN;
}

enum value value_of_success(const struct judgement *j, uint32_t i, double *low, double *high)
{
	const struct row_request *q = &j->in->recording->requests[i];

	*high = 1;
	if (!ended(q) && !request__failed(q))
		return VALUE_OPEN;
	*low = *high = !request__failed(q);
	return VALUE_KNOWN;
}

/* ------------------------------------------------------------------------------------------------- gaps between chunks --- */

int sample__add_gaps(struct sample *s, const struct judgement *j, uint32_t i)
{
	const struct recording *r = j->in->recording;
	const struct row_request *q = &r->requests[i];
	const bool lossy = j->in->timeline->requests[i].incomplete & SAMPLE_LOSSY;
	const uint64_t end_ns = q->end_ns ? q->end_ns : recording__end_ns(r);
	size_t at = recording__first_chunk(r, q->id);
	uint64_t last = 0;
	int err = 0;

	for (; at < r->n_chunks && r->chunks[at].request == q->id && !err; at++) {
		const uint64_t now = r->chunks[at].time_ns;

		if (last)
			err = sample__add(s, lossy ? 0 : (double)(now - last), lossy ? INFINITY : (double)(now - last));
		last = now;
	}
	/* The gap that nobody saw the end of. */
	if (!err && (lossy || (!ended(q) && last)))
		err = sample__add(s, lossy || end_ns < last ? 0 : (double)(end_ns - last), INFINITY);
	s->n_open += lossy || !ended(q);
	return err;
}
