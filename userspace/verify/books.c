/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/books.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/facts.h"

#define MAX_DOUBT 400
/* A window of a month may have a million requests: so many are listed as evidence. */
#define MAX_EVIDENCE 100

int64_t books__unix_ns(const struct books *b, uint64_t time_ns)
{
	return b->mono_to_unix_ns == ABSENT ? ABSENT : (int64_t)time_ns + b->mono_to_unix_ns;
}

/* ------------------------------------------------------------------------------------------------------------- the list --- */

struct statement *books__add_statement(struct books *b)
{
	struct statement *moved =
		array__reserve(b->statements, &b->statements_capacity, b->n_statements + 1, sizeof(*moved));

	if (!moved)
		return NULL;
	b->statements = moved;
	moved[b->n_statements] = (struct statement){
		.first_member = b->n_members,
		.n_lines = 1,
		.prompt = ABSENT,
		.cached = ABSENT,
		.completion = ABSENT,
		.reasoning = ABSENT,
	};
	return &moved[b->n_statements++];
}

int books__add_member(struct books *b, uint32_t request)
{
	uint32_t *moved = array__reserve(b->members, &b->members_capacity, b->n_members + 1, sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	b->members = moved;
	moved[b->n_members++] = request;
	b->statements[b->n_statements - 1].n_members++;
	b->counts[request].flags |= REQUEST_BILLED;
	return 0;
}

/*
 * Events of a stream may carry what was used so far (llama.cpp's /completion, continuous usage of others). Where it broke off, the engine
 * went on until it knew: the last count is of what was sent, and no bill. More than was put out it cannot be.
 */
static bool is_running_count(const struct books *b, const struct row_request *q, uint32_t i)
{
	const struct request_count *n = &b->counts[i];

	if (!q->stream || q->finish_reason || q->billed_completion_tokens == ABSENT || n->completion.low == ABSENT)
		return false;
	return q->billed_completion_tokens < n->completion.low ||
	       (n->flags & REQUEST_FAILED && q->status < 400 && q->billed_completion_tokens <= n->completion.high);
}

int statements__of_wire(struct books *b, struct verification *v, const struct verify_input *in)
{
	for (uint32_t i = 0; i < in->recording->n_requests; i++) {
		const struct row_request *q = &in->recording->requests[i];
		struct statement *s;
		bool is_running;

		if (q->billed_prompt_tokens == ABSENT && q->billed_completion_tokens == ABSENT &&
		    q->billed_cached_tokens == ABSENT)
			continue;
		is_running = is_running_count(b, q, i);
		b->n_broken_off += is_running;
		/* Of one that failed nothing is billed at all. */
		if (is_running && b->counts[i].flags & REQUEST_FAILED)
			continue;
		s = books__add_statement(b);
		if (!s || books__add_member(b, i))
			return -ENOMEM;
		s->subject = q->api_id ? verification__text(v, "request %" PRId64 " (%s)", q->id, q->api_id) :
					 verification__text(v, "request %" PRId64, q->id);
		if (!s->subject)
			return -ENOMEM;
		s->prompt = q->billed_prompt_tokens;
		s->cached = q->billed_cached_tokens;
		if (!is_running)
			s->completion = q->billed_completion_tokens;
	}
	return 0;
}

int books__open(struct books *b, struct verification *v, const struct verify_input *in)
{
	const int64_t start_unix = recording__start_unix_ns(in->recording);
	int err;

	memset(b, 0, sizeof(*b));
	b->mono_to_unix_ns = start_unix == ABSENT ? ABSENT : start_unix - (int64_t)recording__start_ns(in->recording);
	b->wire_lost = recording__lost(in->recording, "wire");
	b->begin_unix_ns = in->bill ? in->window_begin_unix_ns : ABSENT;
	b->end_unix_ns = in->bill ? in->window_end_unix_ns : ABSENT;
	err = counts__fill(b, in);
	if (!err)
		err = in->bill ? statements__of_bill(b, v, in) : statements__of_wire(b, v, in);
	if (err)
		books__close(b);
	return err;
}

void books__close(struct books *b)
{
	free(b->counts);
	free(b->statements);
	free(b->members);
	free(b->crossing);
	free(b->edges);
	free(b->windows);
	free(b->orphans);
	memset(b, 0, sizeof(*b));
}

/* ----------------------------------------------------------------------------------------------------------------- sums --- */

static const struct request_count *count_of(const struct books *b, const struct statement *s, size_t i)
{
	return &b->counts[b->members[s->first_member + i]];
}

struct span statement__completion(const struct books *b, const struct statement *s)
{
	struct span sum = { 0, 0 };

	for (size_t i = 0; i < s->n_members; i++) {
		const struct span one = count_of(b, s, i)->completion;

		if (one.low == ABSENT)
			return one;
		sum.low += one.low;
		sum.high += one.high;
	}
	return sum;
}

int64_t statement__prompt(const struct books *b, const struct statement *s)
{
	int64_t sum = 0;

	for (size_t i = 0; i < s->n_members; i++) {
		if (count_of(b, s, i)->prompt == ABSENT)
			return ABSENT;
		sum += count_of(b, s, i)->prompt;
	}
	return sum;
}

int64_t statement__cached(const struct books *b, const struct statement *s)
{
	int64_t sum = 0;

	for (size_t i = 0; i < s->n_members; i++) {
		if (count_of(b, s, i)->cached == ABSENT)
			return ABSENT;
		sum += count_of(b, s, i)->cached;
	}
	return sum;
}

/* ---------------------------------------------------------------------------------------------------------------- doubt --- */

/* A refusal, or a request that nobody answered, is whole: nothing more will come. */
static uint32_t reasons_of(const struct request_count *c)
{
	return c->incomplete & ~(uint32_t)INCOMPLETE_UNANSWERED;
}

bool statement__is_all(const struct books *b, const struct verify_input *in, const struct statement *s)
{
	return s->n_members > 1 && s->n_members == b->n_with_tokens && in->timeline->n_runs_unmatched == 0;
}

static bool is_open(const struct request_count *c, bool is_all)
{
	return reasons_of(c) || (c->flags & REQUEST_AMBIGUOUS && !is_all) || c->completion.low == ABSENT ||
	       c->completion.low != c->completion.high;
}

static void describe(const struct request_count *c, char *out, size_t size)
{
	size_t n = 0;

	out[0] = 0;
	for (size_t i = 0; i < N_INCOMPLETE_REASONS && n < size; i++)
		if (reasons_of(c) & incomplete_reasons[i].bit)
			n += (size_t)snprintf(out + n, size - n, "%s%s", n ? "; " : "", incomplete_reasons[i].text);
	if (c->flags & REQUEST_AMBIGUOUS && n < size)
		n += (size_t)snprintf(out + n, size - n, "%sanother generation of the engine may be its as well",
				      n ? "; " : "");
	if (n == 0)
		snprintf(out, size, "nothing was recorded that counts its tokens");
}

const char *statement__doubt(const struct books *b, struct verification *v, const struct verify_input *in,
			     const struct statement *s, struct check *c)
{
	char why[MAX_DOUBT];
	const bool is_all = statement__is_all(b, in, s);
	size_t n_open = 0;
	uint32_t first = REQUEST_NONE;

	for (size_t i = 0; i < s->n_members; i++) {
		if (!is_open(count_of(b, s, i), is_all))
			continue;
		if (n_open++ == 0)
			first = b->members[s->first_member + i];
	}
	for (size_t i = 0; i < s->n_members && c->n_evidence < MAX_EVIDENCE; i++) {
		const uint32_t request = b->members[s->first_member + i];

		if ((n_open == 0 || is_open(&b->counts[request], is_all)) &&
		    verification__evidence(v, c, in->recording->requests[request].id))
			return NULL;
	}
	if (s->open)
		return s->open;
	if (n_open == 0)
		return NULL;
	describe(&b->counts[first], why, sizeof(why));
	if (s->n_members == 1)
		return verification__text(v, "%s", why);
	return verification__text(v, "%zu of its %zu requests cannot be counted, the first is request %" PRId64 ": %s",
				  n_open, s->n_members, in->recording->requests[first].id, why);
}

bool statement__is_several(const struct books *b, const struct statement *s)
{
	return s->n_members == 1 && count_of(b, s, 0)->flags & REQUEST_SEVERAL;
}

enum grade statement__grade(const struct books *b, const struct statement *s)
{
	for (size_t i = 0; i < s->n_members; i++)
		if (count_of(b, s, i)->backing != BACKING_HOLDS)
			return GRADE_SELF_REPORTED;
	return s->n_members ? GRADE_MEASURED : GRADE_SELF_REPORTED;
}

struct check *statement__check(struct verification *v, const char *id, const struct statement *s)
{
	struct check *c = verification__add_shared(v, id, s->subject);

	if (!c)
		return NULL;
	c->unit = "tokens";
	c->bill_line = s->line;
	return c;
}
