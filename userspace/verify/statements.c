/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/statements.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/facts.h"

static int64_t add_figure(int64_t sum, int64_t figure, bool is_first)
{
	if (is_first)
		return figure;
	return sum == ABSENT || figure == ABSENT || __builtin_add_overflow(sum, figure, &sum) ? ABSENT : sum;
}

void statement__add_line(struct statement *s, const struct bill_line *line)
{
	const bool is_first = !s->first;

	s->prompt = add_figure(s->prompt, line->prompt_tokens, is_first);
	s->cached = add_figure(s->cached, line->cached_tokens, is_first);
	s->completion = add_figure(s->completion, line->completion_tokens, is_first);
	s->reasoning = add_figure(s->reasoning, line->reasoning_tokens, is_first);
	s->n_requests += line->n_requests == ABSENT ? 1 : line->n_requests;
	if (is_first) {
		s->first = line;
		s->line = line->line;
		s->model = line->model;
		s->n_lines = 0;
	}
	s->n_lines++;
}

/* A line of a time that was not recorded, or of no time where the bill covers more than was recorded. */
static bool is_outside(const struct pairing *p, const struct bill_line *line)
{
	if (p->recorded_begin == ABSENT)
		return line->begin_unix_ns != ABSENT || p->b->begin_unix_ns != ABSENT;
	if (line->begin_unix_ns != ABSENT)
		return line->begin_unix_ns < p->recorded_begin - CLOCK_SLACK_NS ||
		       line->begin_unix_ns > p->recorded_end + CLOCK_SLACK_NS;
	return p->begin < p->recorded_begin || p->end > p->recorded_end;
}

int pairing__orphan(struct pairing *p, const struct bill_line *line, uint32_t request, int64_t other_line)
{
	struct books *b = p->b;
	struct orphan *moved = array__reserve(b->orphans, &b->orphans_capacity, b->n_orphans + 1, sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	b->orphans = moved;
	moved[b->n_orphans++] = (struct orphan){
		.line = line,
		.kind = request != REQUEST_NONE ? ORPHAN_AGAIN :
			is_outside(p, line)	? ORPHAN_OUTSIDE :
						  ORPHAN_UNKNOWN,
		.request = request,
		.other_line = other_line,
	};
	return 0;
}

/* ------------------------------------------------------------------------------------------------------------ lines by id --- */

struct id_index {
	uint32_t *slots;	/* request + 1; 0 empty */
	uint32_t *next;		/* the next request of the same id + 1 */
	size_t mask;
};

size_t id__hash(const char *text)
{
	uint64_t h = 14695981039346656037ull;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 1099511628211ull;
	return (size_t)(h ^ h >> 32);
}

static uint32_t *slot_of(const struct id_index *index, const struct recording *r, const char *id)
{
	size_t at = id__hash(id) & index->mask;

	while (index->slots[at] && strcmp(r->requests[index->slots[at] - 1].api_id, id) != 0)
		at = (at + 1) & index->mask;
	return &index->slots[at];
}

/* Requests are put in from the last to the first, so that those of one id come out in order. */
static int index_ids(struct id_index *index, const struct recording *r)
{
	size_t size = 16;

	while (size < 2 * r->n_requests)
		size *= 2;
	index->mask = size - 1;
	index->slots = array__zeroed(size, sizeof(*index->slots));
	index->next = array__zeroed(r->n_requests, sizeof(*index->next));
	if (!index->slots || !index->next)
		return -ENOMEM;
	for (uint32_t i = (uint32_t)r->n_requests; i-- > 0;) {
		uint32_t *slot;

		if (!r->requests[i].api_id)
			continue;
		slot = slot_of(index, r, r->requests[i].api_id);
		index->next[i] = *slot;
		*slot = i + 1;
	}
	return 0;
}

static int new_statement(struct pairing *p, const struct id_index *index, const struct bill_line *line,
			 uint32_t request)
{
	const struct recording *r = p->in->recording;
	struct statement *s = books__add_statement(p->b);

	if (!s)
		return -ENOMEM;
	s->subject = verification__text(p->v, "request %" PRId64 " (%s)", r->requests[request].id, line->request_id);
	statement__add_line(s, line);
	for (uint32_t i = request + 1; i; i = index->next[i - 1]) {
		p->statement_of[i - 1] = (uint32_t)p->b->n_statements;
		if (books__add_member(p->b, i - 1))
			return -ENOMEM;
	}
	return s->subject ? 0 : -ENOMEM;
}

static int pair_line(struct pairing *p, const struct id_index *index, const struct bill_line *line)
{
	const uint32_t found = *slot_of(index, p->in->recording, line->request_id);
	struct statement *s;

	if (!found)
		return pairing__orphan(p, line, REQUEST_NONE, 0);
	if (!p->statement_of[found - 1])
		return new_statement(p, index, line, found - 1);
	s = &p->b->statements[p->statement_of[found - 1] - 1];
	if (s->n_lines >= s->n_members)
		return pairing__orphan(p, line, found - 1, s->line);
	statement__add_line(s, line);
	return 0;
}

int pairing__by_id(struct pairing *p)
{
	const struct bill *bill = p->in->bill;
	struct id_index index = { 0 };
	int err = index_ids(&index, p->in->recording);

	for (size_t i = 0; i < bill->n && !err; i++)
		if (bill->lines[i].request_id)
			err = pair_line(p, &index, &bill->lines[i]);
	for (size_t i = 0; i < p->b->n_statements && !err; i++) {
		struct statement *s = &p->b->statements[i];

		if (s->n_lines < s->n_members)
			s->open = verification__text(p->v,
						     "%zu requests have this id and %zu of them %s billed: which, it "
						     "does not say",
						     s->n_members, s->n_lines, s->n_lines == 1 ? "is" : "are");
	}
	free(index.slots);
	free(index.next);
	return err;
}

/* --------------------------------------------------------------------------------------------------------------- together --- */

static int compare_windows(const void *a, const void *b)
{
	const struct bill_window *x = a, *y = b;

	return (x->begin_unix_ns > y->begin_unix_ns) - (x->begin_unix_ns < y->begin_unix_ns);
}

/* A bill by the hour need not cover all that was recorded, unless it is said to. */
static int list_windows(struct books *b, const struct bill *bill)
{
	size_t n = 0, capacity = 0;

	for (size_t i = 0; i < bill->n && b->begin_unix_ns == ABSENT; i++) {
		const struct bill_line *line = &bill->lines[i];
		struct bill_window *moved;

		if (line->request_id || line->end_unix_ns == ABSENT)
			continue;
		moved = array__reserve(b->windows, &capacity, n + 1, sizeof(*moved));
		if (!moved)
			return -ENOMEM;
		b->windows = moved;
		moved[n++] = (struct bill_window){ line->begin_unix_ns, line->end_unix_ns };
	}
	if (n == 0)
		return 0;
	qsort(b->windows, n, sizeof(*b->windows), compare_windows);
	for (size_t i = 0; i < n; i++) {
		struct bill_window *last = b->n_windows ? &b->windows[b->n_windows - 1] : NULL;

		if (last && b->windows[i].begin_unix_ns <= last->end_unix_ns) {
			if (b->windows[i].end_unix_ns > last->end_unix_ns)
				last->end_unix_ns = b->windows[i].end_unix_ns;
		} else {
			b->windows[b->n_windows++] = b->windows[i];
		}
	}
	return 0;
}

int statements__of_bill(struct books *b, struct verification *v, const struct verify_input *in)
{
	const struct recording *r = in->recording;
	struct pairing p = { .b = b, .v = v, .in = in };
	int err;

	p.recorded_begin = books__unix_ns(b, recording__start_ns(r));
	p.recorded_end = books__unix_ns(b, recording__end_ns(r));
	p.begin = b->begin_unix_ns == ABSENT ? p.recorded_begin : b->begin_unix_ns;
	p.end = b->end_unix_ns == ABSENT ? p.recorded_end : b->end_unix_ns;
	p.statement_of = array__zeroed(r->n_requests, sizeof(*p.statement_of));
	if (!p.statement_of)
		return -ENOMEM;
	err = list_windows(b, in->bill);
	if (!err)
		err = pairing__by_id(&p);
	if (!err)
		err = pairing__by_time(&p);
	free(p.statement_of);
	return err;
}
