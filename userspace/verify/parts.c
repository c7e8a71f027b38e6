/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/parts.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/verify/compute.h"
#include "userspace/verify/compute_floor.h"
#include "userspace/verify/statements.h"

struct slot {
	uint32_t line;		/* the first one of its id + 1; 0 empty */
	uint32_t tag;		/* of its id, so that few other ids are looked at */
};

/* Lines of the bill by the id that they name, each for one part. */
struct line_index {
	const struct bill *bill;
	struct slot *slots;
	uint32_t *next;		/* the next line of the same id + 1 */
	uint32_t *part_of;	/* that it was given to, from 1 */
	bool *is_first;		/* of its id */
	uint32_t part;		/* the present one */
	size_t after;		/* the line behind the last one that was found: a bill mostly has the order of the requests */
	size_t mask;
	struct bill_line *lines;	/* of the part */
	size_t n, capacity;
};

struct run {
	struct verification *v;
	struct verify_input in;
	struct carried carried;
	struct compute compute;		/* only why there is none */
	struct line_index index;
	struct bill bill;		/* the part's lines */
	bool has_begun;
};

bool verify__goes_by_parts(const struct verify_input *in)
{
	if (in->claims || in->window_begin_unix_ns != ABSENT)
		return false;
	if (!in->bill)
		return true;
	if (in->bill->has_column[BILL_PRICE] || in->bill->n == 0)
		return false;
	for (size_t i = 0; i < in->bill->n; i++)
		if (!in->bill->lines[i].request_id || in->bill->lines[i].begin_unix_ns != ABSENT)
			return false;
	return true;
}

/* --------------------------------------------------------------------------------------------------------------- lines --- */

static bool is_id(const struct line_index *x, size_t line, const char *id)
{
	return strcmp(x->bill->lines[line].request_id, id) == 0;
}

static uint32_t *slot_of(struct line_index *x, const char *id)
{
	const size_t hash = id__hash(id);
	const uint32_t tag = (uint32_t)(hash >> 32);
	size_t at = hash & x->mask;

	while (x->slots[at].line && (x->slots[at].tag != tag || !is_id(x, x->slots[at].line - 1, id)))
		at = (at + 1) & x->mask;
	if (!x->slots[at].line)
		x->slots[at].tag = tag;
	return &x->slots[at].line;
}

/* The first line of this id + 1; 0: none */
static uint32_t find_line(struct line_index *x, const char *id)
{
	const bool is_next = x->after < x->bill->n && x->is_first[x->after] && is_id(x, x->after, id);
	const uint32_t line = is_next ? (uint32_t)x->after + 1 : *slot_of(x, id);

	x->after = line ? line : x->after;
	return line;
}

/* From the last to the first, so that lines of one id come out in order. */
static int line_index__open(struct line_index *x, const struct bill *bill)
{
	size_t size = 16;

	if (!bill)
		return 0;
	x->bill = bill;
	while (size < 2 * bill->n)
		size *= 2;
	x->mask = size - 1;
	x->slots = array__zeroed(size, sizeof(*x->slots));
	x->next = array__zeroed(bill->n, sizeof(*x->next));
	x->part_of = array__zeroed(bill->n, sizeof(*x->part_of));
	x->is_first = array__zeroed(bill->n, sizeof(*x->is_first));
	if (!x->slots || !x->next || !x->part_of || !x->is_first)
		return -ENOMEM;
	for (size_t i = bill->n; i-- > 0;) {
		uint32_t *slot = slot_of(x, bill->lines[i].request_id);

		x->next[i] = *slot;
		x->is_first[i] = true;
		if (*slot)
			x->is_first[*slot - 1] = false;
		*slot = (uint32_t)i + 1;
	}
	return 0;
}

static void line_index__close(struct line_index *x)
{
	free(x->slots);
	free(x->next);
	free(x->part_of);
	free(x->is_first);
	free(x->lines);
}

static int give(struct line_index *x, size_t line)
{
	struct bill_line *moved = array__reserve(x->lines, &x->capacity, x->n + 1, sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	x->lines = moved;
	moved[x->n++] = x->bill->lines[line];
	x->part_of[line] = x->part;
	return 0;
}

static int compare_lines(const void *a, const void *b)
{
	const int64_t x = ((const struct bill_line *)a)->line, y = ((const struct bill_line *)b)->line;

	return (x > y) - (x < y);
}

/* Two requests of one id in two parts share its lines, which only the whole recording shows. @return -EAGAIN */
static int give_lines_of(struct line_index *x, const char *id)
{
	uint32_t line = find_line(x, id);
	int err = 0;

	if (line && x->part_of[line - 1])
		return x->part_of[line - 1] == x->part ? 0 : -EAGAIN;
	for (; line && !err; line = x->next[line - 1])
		err = give(x, line - 1);
	return err;
}

/* The lines that name a request of the part; with the last one also those that name none. */
static int set_lines(struct run *r, const struct recording *part, bool is_last)
{
	struct line_index *x = &r->index;
	int err = 0;

	if (!x->bill)
		return 0;
	x->n = 0;
	x->part++;
	for (size_t i = 0; i < part->n_requests && !err; i++)
		if (part->requests[i].api_id)
			err = give_lines_of(x, part->requests[i].api_id);
	for (size_t i = 0; i < x->bill->n && is_last && !err; i++)
		if (!x->part_of[i])
			err = give(x, i);
	if (x->n)
		qsort(x->lines, x->n, sizeof(*x->lines), compare_lines);
	r->bill = *x->bill;
	r->bill.lines = x->lines;
	r->bill.n = x->n;
	r->in.bill = &r->bill;
	return err;
}

/* --------------------------------------------------------------------------------------------------------------- a part --- */

/* Why nothing can be judged by compute, which the ledger of one part says as well as that of all. @return -EAGAIN: it can */
static int find_compute(struct run *r)
{
	struct ledger ledger;
	int err = ledger__build(&ledger, r->in.timeline, NULL);

	if (err)
		return err;
	r->in.ledger = &ledger;
	err = compute__open(&r->compute, &r->in, r->bill.n);
	if (!err && !r->compute.missing) {
		compute__close(&r->compute);
		err = -EAGAIN;
	}
	if (!err)
		r->compute.missing = verification__text(r->v, "%s", r->compute.missing);
	r->in.ledger = NULL;
	ledger__free(&ledger);
	return err;
}

static int run_books(struct run *r)
{
	struct compute_floor least;
	struct books books;
	int err = books__open(&books, r->v, &r->in);

	if (err)
		return err;
	err = compute_floor__open(&least, &r->in);
	if (err)
		goto out;
	books.compute = &r->compute;
	books.floor = &least;
	r->in.books = &books;
	/* One of the lines that have no request may be its. */
	if (books.n_nameless && r->in.bill)
		err = -EAGAIN;
	if (!err)
		err = kinds__run(r->v, &r->in, true);
	r->in.books = NULL;
	compute_floor__close(&least);
out:
	books__close(&books);
	return err;
}

static int run_part(struct run *r, const struct recording *part, bool is_last)
{
	struct timeline timeline;
	int err = set_lines(r, part, is_last);

	if (err)
		return err;
	err = timeline__build(&timeline, part);
	if (err)
		return err;
	r->in.recording = part;
	r->in.timeline = &timeline;
	r->in.is_last = is_last;
	if (!r->has_begun)
		err = find_compute(r);
	r->has_begun = true;
	if (!err)
		err = run_books(r);
	timeline__free(&timeline);
	return err;
}

/* ------------------------------------------------------------------------------------------------------------- together --- */

/* The order that a run of the whole has: by kind; lines as they stand in the bill, then requests as they came. */
static int compare_checks(const void *a, const void *b)
{
	const struct check *x = *(const struct check *const *)a, *y = *(const struct check *const *)b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (!x->bill_line != !y->bill_line)
		return x->bill_line ? -1 : 1;
	if (x->bill_line != y->bill_line)
		return x->bill_line < y->bill_line ? -1 : 1;
	return (x > y) - (x < y);
}

static int sort_checks(struct verification *v)
{
	struct check *sorted = array__zeroed(v->n, sizeof(*sorted));
	struct check **order = array__zeroed(v->n, sizeof(void *));

	for (size_t i = 0; sorted && order && i < v->n; i++)
		order[i] = &v->checks[i];
	if (sorted && order && v->n) {
		qsort(order, v->n, sizeof(void *), compare_checks);
		for (size_t i = 0; i < v->n; i++)
			sorted[i] = *order[i];
		memcpy(v->checks, sorted, v->n * sizeof(*sorted));
	}
	free(sorted);
	free(order);
	return sorted && order ? 0 : -ENOMEM;
}

static int note_left_out(struct verification *v)
{
	return verification__note(
		       v, "verify.parts",
		       "the recording is so large that it was read in parts. Every line and every request was checked "
		       "as "
		       "in a smaller one; what nobody asked for and only all of it together shows was not looked for: "
		       "which weight files were served (identity), and what can make figures look better than what was "
		       "computed (guards). With --claims the recording is read whole, and these are noted too") ?
		       0 :
		       -ENOMEM;
}

/* Reading takes as long as looking at what was read, so that the next part is read meanwhile. */
struct reading {
	struct recording_parts *parts;
	struct recording part;
	pthread_t thread;
	bool is_thread;
	int rc;			/* of recording_parts__next() */
};

static void *read_part(void *ctx)
{
	struct reading *reading = ctx;

	reading->rc = recording_parts__next(reading->parts, &reading->part);
	return NULL;
}

static void begin_reading(struct reading *reading)
{
	reading->is_thread = pthread_create(&reading->thread, NULL, read_part, reading) == 0;
	if (!reading->is_thread)
		read_part(reading);
}

static void finish_reading(struct reading *reading)
{
	if (reading->is_thread)
		pthread_join(reading->thread, NULL);
}

static int run_all(struct run *r, struct recording_parts *parts)
{
	struct reading reading = { .parts = parts };
	int err = 0;

	begin_reading(&reading);
	finish_reading(&reading);
	while (reading.rc > 0) {
		const bool is_last = recording_parts__ended(parts);
		struct recording part = reading.part;

		reading.rc = 0;
		if (!is_last)
			begin_reading(&reading);
		err = run_part(r, &part, is_last);
		if (!is_last)
			finish_reading(&reading);
		recording_part__free(&part);
		if (is_last || err)
			break;
	}
	if (reading.rc > 0)
		recording_part__free(&reading.part);
	return err ? err : reading.rc < 0 ? reading.rc : 0;
}

int verify__run_parts(struct verification *out, const struct verify_input *in, struct recording_parts *parts)
{
	struct run r = { .v = out, .in = *in };
	int err;

	memset(out, 0, sizeof(*out));
	r.in.books = NULL;
	r.in.ledger = NULL;
	r.in.carried = &r.carried;
	err = line_index__open(&r.index, in->bill);
	if (!err)
		err = run_all(&r, parts);
	line_index__close(&r.index);
	if (!err)
		err = note_left_out(out);
	if (!err)
		err = sort_checks(out);
	if (!err)
		err = verification__settle(out);
	if (err)
		verification__free(out);
	return err;
}
