/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines without an id: those of one window of time, or of moments too near each other to tell their requests apart, are one
 * statement about the sum over all requests of their model that arrived then. Token counts never decide which request is whose:
 * a match by the figures could not check them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "userspace/analysis/array.h"
#include "userspace/verify/statements.h"

#define SECOND_NS 1000000000ll

/* None is the last: a line without a model takes what those that name one leave. */
static int compare_texts(const char *a, const char *b)
{
	if (!a || !b)
		return (a == NULL) - (b == NULL);
	return strcmp(a, b);
}

/* Windows first, then moments; by model, time and line. */
static int compare_lines(const void *a, const void *b)
{
	const struct bill_line *x = *(const struct bill_line *const *)a, *y = *(const struct bill_line *const *)b;
	const bool moment_x = x->begin_unix_ns != ABSENT && x->end_unix_ns == ABSENT;
	const bool moment_y = y->begin_unix_ns != ABSENT && y->end_unix_ns == ABSENT;
	const int models = compare_texts(x->model, y->model);

	if (moment_x != moment_y)
		return moment_x - moment_y;
	if (models)
		return models;
	if (x->begin_unix_ns != y->begin_unix_ns)
		return x->begin_unix_ns < y->begin_unix_ns ? -1 : 1;
	if (x->end_unix_ns != y->end_unix_ns)
		return x->end_unix_ns < y->end_unix_ns ? -1 : 1;
	return (x->line > y->line) - (x->line < y->line);
}

static bool is_moment(const struct bill_line *line)
{
	return line->begin_unix_ns != ABSENT && line->end_unix_ns == ABSENT;
}

/* @return lines without an id, sorted; NULL: no memory */
static const struct bill_line **list_lines(const struct bill *bill, size_t *n)
{
	const struct bill_line **list;

	*n = 0;
	for (size_t i = 0; i < bill->n; i++)
		*n += !bill->lines[i].request_id;
	list = array__zeroed(*n, sizeof(void *));
	if (!list)
		return NULL;
	*n = 0;
	for (size_t i = 0; i < bill->n; i++)
		if (!bill->lines[i].request_id)
			list[(*n)++] = &bill->lines[i];
	qsort(list, *n, sizeof(void *), compare_lines);
	return list;
}

static bool same_window(const struct bill_line *a, const struct bill_line *b)
{
	return a->begin_unix_ns == b->begin_unix_ns && a->end_unix_ns == b->end_unix_ns &&
	       compare_texts(a->model, b->model) == 0;
}

static const char *moment_text(int64_t unix_ns, char *out, size_t size)
{
	const time_t seconds = unix_ns / SECOND_NS - (unix_ns % SECOND_NS < 0);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || strftime(out, size, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(out, size, "%" PRId64 " s", (int64_t)seconds);
	return out;
}

/* Times find it where a whole bill stands in one line. */
static void say_overlap(const struct bill *bill, const struct bill_line *first, const struct bill_line *second,
			char *error, size_t error_size)
{
	char texts[4][40];

	moment_text(first->begin_unix_ns, texts[0], sizeof(texts[0]));
	moment_text(first->end_unix_ns, texts[1], sizeof(texts[1]));
	moment_text(second->begin_unix_ns, texts[2], sizeof(texts[2]));
	moment_text(second->end_unix_ns, texts[3], sizeof(texts[3]));
	snprintf(error, error_size,
		 "%s:%" PRId64 ": its window (%s to %s UTC) overlaps that of line %" PRId64 " (%s to %s UTC)",
		 bill->path, second->line, texts[2], texts[3], first->line, texts[0], texts[1]);
}

int bill__check_windows(const struct bill *bill, char *error, size_t error_size)
{
	size_t n;
	const struct bill_line **lines = list_lines(bill, &n);
	int err = lines ? 0 : -ENOMEM;

	for (size_t i = 1; i < n && !err; i++) {
		const struct bill_line *a = lines[i - 1], *b = lines[i];

		if (a->end_unix_ns == ABSENT || b->end_unix_ns == ABSENT || compare_texts(a->model, b->model) != 0 ||
		    same_window(a, b) || b->begin_unix_ns >= a->end_unix_ns)
			continue;
		say_overlap(bill, a, b, error, error_size);
		err = -EINVAL;
	}
	free(lines);
	return err;
}

/* ------------------------------------------------------------------------------------------------------------ requests --- */

struct windows {
	struct pairing *p;
	const struct bill_line **lines;
	size_t n_lines;
	const char **models;	/* that lines name, sorted */
	size_t n_models;
	int64_t longest_ns;	/* request */
};

static int find_text(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *)element);
}

/* The name that the server answered with, where some line names it, else the one that the client asked for. */
static const char *model_of(const struct windows *w, const struct row_request *q)
{
	const char *const names[] = { q->response_model, q->model };

	for (size_t i = 0; i < 2; i++)
		if (names[i] && w->n_models && bsearch(names[i], w->models, w->n_models, sizeof(*w->models), find_text))
			return names[i];
	return q->response_model ? q->response_model : q->model;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int list_models(struct windows *w)
{
	w->models = array__zeroed(w->n_lines, sizeof(*w->models));
	if (!w->models)
		return -ENOMEM;
	for (size_t i = 0; i < w->n_lines; i++)
		if (w->lines[i]->model)
			w->models[w->n_models++] = w->lines[i]->model;
	qsort(w->models, w->n_models, sizeof(*w->models), compare_names);
	for (size_t i = 0, n = w->n_models, kept = w->n_models = 0; i < n; i++, kept = w->n_models)
		if (kept == 0 || strcmp(w->models[kept - 1], w->models[i]) != 0)
			w->models[w->n_models++] = w->models[i];
	return 0;
}

static bool is_of(const struct windows *w, uint32_t request, const char *model)
{
	const struct row_request *q = &w->p->in->recording->requests[request];

	if (!(w->p->b->counts[request].flags & REQUEST_TOKENS))
		return false;
	return !model || compare_texts(model_of(w, q), model) == 0;
}

static bool belongs(const struct windows *w, uint32_t request, const char *model)
{
	return !w->p->statement_of[request] && is_of(w, request, model);
}

/* No other line is about it than one, of the same models, of the window that it began in. */
static bool may_be_billed_later(const struct windows *w, uint32_t request, const char *model)
{
	const uint32_t at = w->p->statement_of[request];
	const struct statement *other = at ? &w->p->b->statements[at - 1] : NULL;

	return is_of(w, request, model) && !(w->p->b->counts[request].flags & REQUEST_ENDED_IN) &&
	       (!other || (other->window && compare_texts(other->model, model) == 0));
}

/* The first request that arrived at this time or later. */
static uint32_t first_from(const struct windows *w, int64_t unix_ns)
{
	const struct recording *r = w->p->in->recording;
	size_t low = 0, high = r->n_requests;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (books__unix_ns(w->p->b, r->requests[mid].arrival_ns) < unix_ns)
			low = mid + 1;
		else
			high = mid;
	}
	return (uint32_t)low;
}

static int take_request(struct windows *w, uint32_t request)
{
	w->p->statement_of[request] = (uint32_t)w->p->b->n_statements;
	return books__add_member(w->p->b, request);
}

static const char *subject_of(struct windows *w, const struct statement *s, const struct bill_line *last)
{
	char from[40], to[40], model[80] = "";

	if (s->model)
		snprintf(model, sizeof(model), "%.60s, ", s->model);
	if (s->first->begin_unix_ns == ABSENT)
		return verification__text(w->p->v, "%sall requests", model);
	moment_text(s->first->begin_unix_ns, from, sizeof(from));
	moment_text(s->window ? s->first->end_unix_ns : last->begin_unix_ns, to, sizeof(to));
	if (strcmp(from, to) == 0)
		return verification__text(w->p->v, "%s%s UTC", model, from);
	return verification__text(w->p->v, "%s%s to %s UTC", model, from, to);
}

/* --------------------------------------------------------------------------------------------------------------- windows --- */

/* Open at the end of the recording: not before that. */
static int64_t end_of(const struct windows *w, uint32_t request)
{
	const struct row_request *q = &w->p->in->recording->requests[request];

	return q->end_ns ? books__unix_ns(w->p->b, q->end_ns) : w->p->recorded_end;
}

static int add_crossing(struct windows *w, size_t statement, uint32_t request, bool before)
{
	struct books *b = w->p->b;
	struct statement *s = &b->statements[statement];
	uint32_t *moved = array__reserve(b->crossing, &b->crossing_capacity, b->n_crossing + 1, sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	b->crossing = moved;
	moved[b->n_crossing++] = request;
	b->counts[request].flags |= before ? REQUEST_ENDED_IN : REQUEST_ENDED_OUT;
	s->n_before += before;
	s->n_after += !before;
	s->excuse = "requests that began in one window and ended in the next may have been billed in either";
	return 0;
}

static bool is_near(int64_t unix_ns, const struct statement *s)
{
	return (unix_ns >= s->begin_unix_ns - WINDOW_SLACK_NS && unix_ns < s->begin_unix_ns + WINDOW_SLACK_NS) ||
	       (unix_ns >= s->end_unix_ns - WINDOW_SLACK_NS && unix_ns < s->end_unix_ns + WINDOW_SLACK_NS);
}

static int add_edge(struct books *b, struct statement *s, uint32_t request, bool own)
{
	struct edge *moved = array__reserve(b->edges, &b->edges_capacity, b->n_edges + 1, sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	b->edges = moved;
	moved[b->n_edges++] = (struct edge){ request, own };
	s->n_edges++;
	return 0;
}

/* Requests that begin or end near an end of the window, or go over one: not those that a line with an id is about. */
static int add_edges(struct windows *w, struct statement *s)
{
	const struct pairing *p = w->p;
	int err = 0;

	s->first_edge = p->b->n_edges;
	for (uint32_t i = first_from(w, s->begin_unix_ns - w->longest_ns - WINDOW_SLACK_NS);
	     i < p->in->recording->n_requests && !err; i++) {
		const int64_t begin = books__unix_ns(p->b, p->in->recording->requests[i].arrival_ns),
			      end = end_of(w, i);
		const uint32_t at = p->statement_of[i];
		const struct statement *other = at ? &p->b->statements[at - 1] : NULL;

		if (begin >= s->end_unix_ns + WINDOW_SLACK_NS)
			break;
		if (!is_of(w, i, s->model) ||
		    (other && other != s && (!other->window || compare_texts(other->model, s->model) != 0)))
			continue;
		if (is_near(begin, s) || is_near(end, s) || (begin < s->begin_unix_ns && end >= s->begin_unix_ns) ||
		    (begin < s->end_unix_ns && end >= s->end_unix_ns))
			err = add_edge(p->b, s, i, other == s);
	}
	return err;
}

static int fill_window(struct windows *w, struct statement *s)
{
	struct pairing *p = w->p;
	const bool bounded = s->first->begin_unix_ns != ABSENT;
	const int64_t begin = bounded ? s->first->begin_unix_ns : p->begin;
	const int64_t end = bounded ? s->first->end_unix_ns : p->end;
	const bool timed = bounded || p->b->begin_unix_ns != ABSENT;
	const size_t at = p->b->n_statements - 1;
	uint32_t first = 0;
	int err = 0;

	if (timed && p->recorded_begin == ABSENT) {
		s->open = "the recording does not say when it was made";
		return 0;
	}
	if (timed && (begin < p->recorded_begin || end > p->recorded_end))
		s->open = "part of its time was not recorded";
	first = timed ? first_from(w, begin) : 0;
	s->first_crossing = p->b->n_crossing;
	for (uint32_t i = timed ? first_from(w, begin - w->longest_ns) : 0; i < first && !err; i++)
		if (may_be_billed_later(w, i, s->model) && end_of(w, i) >= begin && end_of(w, i) < end)
			err = add_crossing(w, at, i, true);
	for (uint32_t i = first; i < p->in->recording->n_requests && !err; i++) {
		if (timed && books__unix_ns(p->b, p->in->recording->requests[i].arrival_ns) >= end)
			break;
		if (!belongs(w, i, s->model))
			continue;
		err = take_request(w, i);
		if (!err && timed && end_of(w, i) >= end)
			err = add_crossing(w, at, i, false);
	}
	if (err || !timed)
		return err;
	s->begin_unix_ns = begin;
	s->end_unix_ns = end;
	return add_edges(w, s);
}

static int add_window(struct windows *w, size_t from, size_t to)
{
	struct statement *s = books__add_statement(w->p->b);
	const size_t at = w->p->b->n_statements - 1;
	int err;

	if (!s)
		return -ENOMEM;
	s->window = true;
	for (size_t i = from; i < to; i++) {
		statement__add_line(s, w->lines[i]);
		s->counts_requests |= w->lines[i]->n_requests != ABSENT;
	}
	err = fill_window(w, s);
	s = &w->p->b->statements[at];
	s->subject = subject_of(w, s, w->lines[to - 1]);
	return err ? err : s->subject ? 0 : -ENOMEM;
}

/* --------------------------------------------------------------------------------------------------------------- moments --- */

/* Lines [from, to) with moments of one model: runs of lines and requests without a gap in which clocks could differ. */
static int add_moments(struct windows *w, size_t from, size_t to)
{
	const struct recording *r = w->p->in->recording;
	const char *model = w->lines[from]->model;
	uint32_t next = 0;
	int err = 0;

	if (w->p->recorded_begin == ABSENT) {
		for (size_t i = from; i < to && !err; i++)
			err = pairing__orphan(w->p, w->lines[i], REQUEST_NONE, 0);
		return err;
	}
	while (from < to && !err) {
		const size_t begun = from;
		int64_t last;
		struct statement *s;
		size_t at;

		next = first_from(w, w->lines[from]->begin_unix_ns - CLOCK_SLACK_NS);
		last = w->lines[from]->begin_unix_ns;
		s = books__add_statement(w->p->b);
		at = w->p->b->n_statements - 1;
		if (!s)
			return -ENOMEM;
		s->counts_requests = true;
		for (bool grown = true; grown && !err;) {
			grown = false;
			for (; from < to && w->lines[from]->begin_unix_ns - CLOCK_SLACK_NS <= last; from++) {
				last = w->lines[from]->begin_unix_ns > last ? w->lines[from]->begin_unix_ns : last;
				statement__add_line(&w->p->b->statements[at], w->lines[from]);
				grown = true;
			}
			for (; next < r->n_requests && !err; next++) {
				const int64_t arrival = books__unix_ns(w->p->b, r->requests[next].arrival_ns);

				if (arrival > last + CLOCK_SLACK_NS)
					break;
				if (!belongs(w, next, model))
					continue;
				last = arrival > last ? arrival : last;
				err = take_request(w, next);
				grown = true;
			}
		}
		s = &w->p->b->statements[at];
		if (s->n_members == 0) {
			w->p->b->n_statements--;
			for (size_t i = begun; i < from && !err; i++)
				err = pairing__orphan(w->p, w->lines[i], REQUEST_NONE, 0);
			continue;
		}
		s->subject = subject_of(w, s, w->lines[from - 1]);
		if (!s->subject)
			err = -ENOMEM;
	}
	return err;
}

int pairing__by_time(struct pairing *p)
{
	struct windows w = { .p = p };
	int err;

	w.lines = list_lines(p->in->bill, &w.n_lines);
	if (!w.lines)
		return -ENOMEM;
	err = list_models(&w);
	for (size_t i = 0; i < p->in->recording->n_requests; i++) {
		const struct row_request *q = &p->in->recording->requests[i];

		if (q->end_ns && (int64_t)(q->end_ns - q->arrival_ns) > w.longest_ns)
			w.longest_ns = (int64_t)(q->end_ns - q->arrival_ns);
	}
	for (size_t i = 0, end; i < w.n_lines && !err; i = end) {
		const bool moment = is_moment(w.lines[i]);

		end = i + 1;
		while (end < w.n_lines && is_moment(w.lines[end]) == moment &&
		       (moment ? compare_texts(w.lines[end]->model, w.lines[i]->model) == 0 :
				 same_window(w.lines[end], w.lines[i])))
			end++;
		err = moment ? add_moments(&w, i, end) : add_window(&w, i, end);
	}
	free(w.lines);
	free(w.models);
	return err;
}
