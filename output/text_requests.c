/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "output/facts.h"
#include "output/figure.h"
#include "output/text.h"

#define NOT_EQUAL "\xe2\x89\xa0"
#define LATENCY_LEAST 5 /* requests: percentiles of fewer say nothing */
#define KINDS_SHOWN 3

enum mark {
	MARK_DIFFERS = 1,
	MARK_AMBIGUOUS = 2,
	MARK_INCOMPLETE = 4,
	MARK_LEFT = 8,
	MARK_NO_BILL = 16,
	MARK_NOT_SEEN = 32,
	MARK_CACHED = 64,
};

static int cell_latency(struct table *table, const char *name, int64_t *values, size_t n)
{
	sort_values(values, n);
	table__cell(table, "%s", name);
	table__cell(table, "%s", figure__time(percentile(values, n, 50)).s);
	table__cell(table, "%s", figure__time(percentile(values, n, 95)).s);
	table__cell(table, "%s", figure__time(percentile(values, n, 99)).s);
	table__cell(table, "%s", figure__time(n ? values[n - 1] : ABSENT).s);
	table__cell(table, "%zu", n);
	table__end_row(table);
	return 0;
}

static void keep(int64_t *values, size_t *n, int64_t value)
{
	if (value != ABSENT)
		values[(*n)++] = value;
}

/* Percentiles over the requests that carried tokens and are known whole. */
static int put_latency(const struct text *t)
{
	static const struct table_column columns[] = {
		{ "latency", COLUMN_TEXT, 0 }, { "p50", COLUMN_NUMBER, 0 }, { "p95", COLUMN_NUMBER, 0 },
		{ "p99", COLUMN_NUMBER, 0 },   { "max", COLUMN_NUMBER, 0 }, { "requests", COLUMN_NUMBER, 0 },
	};
	size_t n_requests = t->r->n_requests, n_ttft = 0, n_tpot = 0, n_e2el = 0, n_wait = 0, n_whole = 0;
	int64_t *values = calloc(4 * n_requests + 1, sizeof(*values));
	int64_t *ttft = values, *tpot = ttft + n_requests, *e2el = tpot + n_requests, *wait = e2el + n_requests;
	struct table *table;

	if (!values)
		return -ENOMEM;
	for (size_t i = 0; i < n_requests; i++) {
		const struct timeline_request *request = &t->l->timeline->requests[i];

		if (!request__has_tokens(t->l, i) || request__incomplete(t->l, i))
			continue;
		n_whole++;
		keep(ttft, &n_ttft, request->ttft_ns);
		keep(tpot, &n_tpot, request->tpot_ns);
		keep(e2el, &n_e2el, request->e2el_ns);
		keep(wait, &n_wait, request->wait_ns);
	}
	if (n_whole < LATENCY_LEAST) {
		free(values);
		return 0;
	}
	putc('\n', t->f);
	table = text__table(t, columns, 6);
	if (table) {
		cell_latency(table, "wait", wait, n_wait);
		cell_latency(table, "TTFT", ttft, n_ttft);
		cell_latency(table, "TPOT", tpot, n_tpot);
		cell_latency(table, "end to end", e2el, n_e2el);
	}
	free(values);
	return table__finish(table);
}

/* "36/36", "36/1+35" (35 from the cache), "70≠36", "-/36" */
static void cell_tokens(struct table *table, int64_t billed, int64_t computed, int64_t cached, bool differs)
{
	char seen[64];

	if (computed != ABSENT && cached != ABSENT && cached > 0)
		snprintf(seen, sizeof(seen), "%" PRId64 "+%" PRId64, computed, cached);
	else
		snprintf(seen, sizeof(seen), "%s", figure__integer(computed).s);
	table__styled(table, differs ? STYLE_BAD : STYLE_PLAIN, "%s%s%s", figure__integer(billed).s,
		      differs ? NOT_EQUAL : "/", seen);
}

static int64_t cpu_each(const struct text *t, const int64_t *figures, int64_t n)
{
	return figure__each(resource__value(t->l, resource__find(t->l, "cpu_ns"), figures), n);
}

static unsigned int marks_of(const struct text *t, size_t i)
{
	const struct row_request *row = &t->r->requests[i];
	const struct timeline_request *request = &t->l->timeline->requests[i];
	unsigned int marks = 0;

	if (request__prompt_differs(t->l, i) || request__completion_differs(t->l, i) ||
	    request__cached_differs(t->l, i))
		marks |= MARK_DIFFERS;
	if (request->match == MATCH_AMBIGUOUS)
		marks |= MARK_AMBIGUOUS;
	if (request__incomplete(t->l, i))
		marks |= MARK_INCOMPLETE;
	if (row->client_left)
		marks |= MARK_LEFT;
	if (row->billed_prompt_tokens == ABSENT && row->billed_completion_tokens == ABSENT)
		marks |= MARK_NO_BILL;
	if (request->prompt_tokens == ABSENT || request->completion_tokens == ABSENT)
		marks |= MARK_NOT_SEEN;
	if (request->cached_tokens != ABSENT && request->cached_tokens > 0)
		marks |= MARK_CACHED;
	return marks;
}

static void put_request(const struct text *t, struct table *table, size_t i, unsigned int marks)
{
	const struct row_request *row = &t->r->requests[i];
	const struct timeline_request *request = &t->l->timeline->requests[i];
	const struct ledger_request *cost = &t->l->requests[i];

	table__cell(table, "%" PRId64, row->id);
	table__cell(table, "%s", row->api_id ? row->api_id : "-");
	table__styled(table, row->status >= 400 ? STYLE_BAD : STYLE_PLAIN, "%s",
		      figure__integer(row->status ? row->status : ABSENT).s);
	table__cell(table, "%s", figure__time(request->wait_ns).s);
	table__cell(table, "%s", figure__time(request->ttft_ns).s);
	table__cell(table, "%s", figure__time(request->tpot_ns).s);
	cell_tokens(table, row->billed_prompt_tokens, request->prompt_tokens, request->cached_tokens,
		    request__prompt_differs(t->l, i) || request__cached_differs(t->l, i));
	cell_tokens(table, row->billed_completion_tokens, request->completion_tokens, ABSENT,
		    request__completion_differs(t->l, i));
	table__cell(table, "%s", figure__time(cpu_each(t, cost->prompt_cost, request->prompt_tokens)).s);
	table__cell(table, "%s", figure__time(cpu_each(t, cost->completion_cost, request__later_tokens(request))).s);
	table__styled(table, STYLE_WARN, "%s%s%s", marks & MARK_AMBIGUOUS ? "?" : "",
		      marks & MARK_INCOMPLETE ? "!" : "", marks & MARK_LEFT ? "x" : "");
	table__end_row(table);
}

static void put_incomplete_legend(const struct text *t)
{
	for (size_t k = 0; k < N_INCOMPLETE_REASONS; k++) {
		size_t n = 0;

		for (size_t i = 0; i < t->r->n_requests; i++)
			if (request__has_tokens(t->l, i))
				n += (request__incomplete(t->l, i) & incomplete_reasons[k].bit) != 0;
		if (n)
			text__paragraph(t, "!  %zu incomplete: %s", n, incomplete_reasons[k].text);
	}
}

static void put_legend(const struct text *t, unsigned int marks)
{
	text__paragraph(t,
			"prompt, output: tokens billed / computed%s; CPU/in, CPU/out: CPU time per computed prompt "
			"token and per generated token",
			marks & MARK_CACHED ? " + from the cache" : "");
	if (marks & MARK_DIFFERS)
		text__paragraph(t, NOT_EQUAL "  the bill names another number than the engine computed");
	if (marks & MARK_NO_BILL)
		text__paragraph(t, "-/ the server sent no bill");
	if (marks & MARK_NOT_SEEN)
		text__paragraph(t, "/- what was computed for it is not known");
	if (marks & MARK_AMBIGUOUS)
		text__paragraph(t,
				"?  which sequence was its is ambiguous: another assignment would change its figures");
	if (marks & MARK_LEFT)
		text__paragraph(t, "x  the client left before the response had ended");
	if (marks & MARK_INCOMPLETE)
		put_incomplete_legend(t);
}

static void put_speculation(const struct text *t)
{
	int64_t drafted = 0, rejected = 0;

	for (size_t i = 0; i < t->r->n_requests; i++) {
		const struct timeline_request *request = &t->l->timeline->requests[i];

		if (request->draft_tokens == ABSENT || request->draft_rejected_tokens == ABSENT)
			continue;
		drafted += request->draft_tokens;
		rejected += request->draft_rejected_tokens;
	}
	if (drafted)
		text__paragraph(t, "Speculation: %" PRId64 " tokens drafted, %" PRId64 " rejected (%s)", drafted,
				rejected, figure__percent(rejected, drafted).s);
}

static int put_with_tokens(const struct text *t)
{
	static const struct table_column columns[] = {
		{ "id", COLUMN_NUMBER, 0 },	{ "api id", COLUMN_SHRINK_MIDDLE, 7 },
		{ "stat", COLUMN_NUMBER, 0 },	{ "wait", COLUMN_NUMBER, 0 },
		{ "TTFT", COLUMN_NUMBER, 0 },	{ "TPOT", COLUMN_NUMBER, 0 },
		{ "prompt", COLUMN_NUMBER, 0 }, { "output", COLUMN_NUMBER, 0 },
		{ "CPU/in", COLUMN_NUMBER, 0 }, { "CPU/out", COLUMN_NUMBER, 0 },
		{ "", COLUMN_TEXT, 0 },
	};
	unsigned int marks = 0;
	struct table *table;
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < t->r->n_requests; i++)
		n += request__has_tokens(t->l, i);
	if (!n) {
		text__heading(t, "No request carried tokens");
		return 0;
	}
	text__heading(t, "Requests");
	table = text__table(t, columns, 11);
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < t->r->n_requests; i++) {
		unsigned int own;

		if (!request__has_tokens(t->l, i))
			continue;
		own = marks_of(t, i);
		put_request(t, table, i, own);
		marks |= own;
	}
	rc = table__finish(table);
	put_legend(t, marks);
	put_speculation(t);
	return rc;
}

/* What -v adds to each of them, in two tables: one would not fit a terminal. */
static int put_calls(const struct text *t)
{
	static const struct table_column columns[] = {
		{ "id", COLUMN_NUMBER, 0 },	     { "path", COLUMN_SHRINK_END, 12 },
		{ "client", COLUMN_SHRINK_END, 15 }, { "model", COLUMN_SHRINK_MIDDLE, 8 },
		{ "finish", COLUMN_SHRINK_END, 6 },  { "stream", COLUMN_TEXT, 0 },
	};
	struct table *table;

	text__heading(t, "Requests: calls");
	table = text__table(t, columns, 6);
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < t->r->n_requests; i++) {
		const struct row_request *row = &t->r->requests[i];
		const char *model = row->response_model ? row->response_model : row->model;

		if (!request__has_tokens(t->l, i))
			continue;
		table__cell(table, "%" PRId64, row->id);
		table__cell(table, "%s", row->path ? row->path : "-");
		table__cell(table, "%s", row->client ? row->client : "-");
		table__cell(table, "%s", model ? model : "-");
		table__cell(table, "%s", row->finish_reason ? row->finish_reason : "-");
		table__cell(table, "%s", row->stream ? "yes" : "no");
		table__end_row(table);
	}
	return table__finish(table);
}

static int put_times(const struct text *t)
{
	static const struct table_column columns[] = {
		{ "id", COLUMN_NUMBER, 0 },	   { "end to end", COLUMN_NUMBER, 0 }, { "CPU", COLUMN_NUMBER, 0 },
		{ "kernel", COLUMN_NUMBER, 0 },	   { "run queue", COLUMN_NUMBER, 0 },  { "blocked", COLUMN_NUMBER, 0 },
		{ "matched by", COLUMN_WRAP, 20 },
	};
	static const char *const resources[] = { "cpu_ns", "kernel_ns", "runq_ns", "blocked_ns" };
	struct table *table;

	text__heading(t, "Requests: times");
	table = text__table(t, columns, 7);
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < t->r->n_requests; i++) {
		const struct timeline_request *request = &t->l->timeline->requests[i];
		const bool unmatched = request__unmatched(request);

		if (!request__has_tokens(t->l, i))
			continue;
		table__cell(table, "%" PRId64, t->r->requests[i].id);
		table__cell(table, "%s", figure__time(request->e2el_ns).s);
		for (size_t k = 0; k < sizeof(resources) / sizeof(resources[0]); k++) {
			const int resource = resource__find(t->l, resources[k]);
			const int64_t value = resource__value(t->l, resource, t->l->requests[i].cost);

			table__cell(table, "%s", figure__time(unmatched ? ABSENT : value).s);
		}
		table__cell(table, "%s%s%s", match__name(request->match), request->evidence[0] ? ": " : "",
			    request->evidence);
		table__end_row(table);
	}
	return table__finish(table);
}

/* Without tokens, and worth a line of its own: refused, failed, never answered, or cut off. */
static bool is_failure(const struct text *t, size_t i)
{
	const struct row_request *row = &t->r->requests[i];

	return row->status == 0 || row->status >= 400 || row->client_left || request__incomplete(t->l, i) != 0;
}

static void reason_of(const struct text *t, size_t i, char *out, size_t size)
{
	uint32_t incomplete = request__incomplete(t->l, i);
	size_t n = 0;

	out[0] = '\0';
	if (t->r->requests[i].client_left)
		n = (size_t)snprintf(out, size, "the client left");
	for (size_t k = 0; k < N_INCOMPLETE_REASONS && n < size; k++)
		if (incomplete & incomplete_reasons[k].bit)
			n += (size_t)snprintf(out + n, size - n, "%s%s", n ? "; " : "", incomplete_reasons[k].text);
}

static int put_failures(const struct text *t)
{
	static const struct table_column columns[] = {
		{ "id", COLUMN_NUMBER, 0 },	     { "stat", COLUMN_NUMBER, 0 },
		{ "method", COLUMN_SHRINK_END, 6 },  { "path", COLUMN_SHRINK_END, 12 },
		{ "client", COLUMN_SHRINK_END, 15 }, { "end to end", COLUMN_NUMBER, 0 },
		{ "why", COLUMN_WRAP, 16 },
	};
	struct table *table = NULL;
	char reason[512];

	for (size_t i = 0; i < t->r->n_requests; i++) {
		const struct row_request *row = &t->r->requests[i];

		if (request__has_tokens(t->l, i) || !(is_failure(t, i) || t->options->verbose))
			continue;
		if (!table) {
			text__heading(t, t->options->verbose ? "Requests without tokens" :
							       "Refused, failed or cut off, without tokens");
			table = text__table(t, columns, 7);
			if (!table)
				return -ENOMEM;
		}
		reason_of(t, i, reason, sizeof(reason));
		table__cell(table, "%" PRId64, row->id);
		table__styled(table, row->status >= 400 ? STYLE_BAD : STYLE_PLAIN, "%s",
			      figure__integer(row->status ? row->status : ABSENT).s);
		table__cell(table, "%s", row->method ? row->method : "-");
		table__cell(table, "%s", row->path ? row->path : "-");
		table__cell(table, "%s", row->client ? row->client : "-");
		table__cell(table, "%s", figure__time(t->l->timeline->requests[i].e2el_ns).s);
		table__cell(table, "%s", reason);
		table__end_row(table);
	}
	return table ? table__finish(table) : 0;
}

static bool is_plain(const struct text *t, size_t i)
{
	return !request__has_tokens(t->l, i) && !is_failure(t, i);
}

static bool same_call(const struct row_request *a, const struct row_request *b)
{
	return strcmp(a->method ? a->method : "", b->method ? b->method : "") == 0 &&
	       strcmp(a->path ? a->path : "", b->path ? b->path : "") == 0;
}

/* "12 requests without tokens: GET /health (11), GET /v1/models (1); -v lists them" */
static void put_plain(const struct text *t)
{
	const struct row_request *shown[KINDS_SHOWN];
	size_t counts[KINDS_SHOWN], n_kinds = 0, n = 0, n_others = 0, at = 0;
	char list[512] = "";

	for (size_t i = 0; i < t->r->n_requests; i++) {
		const struct row_request *row = &t->r->requests[i];
		size_t k = 0;

		if (!is_plain(t, i))
			continue;
		n++;
		while (k < n_kinds && !same_call(shown[k], row))
			k++;
		if (k < n_kinds) {
			counts[k]++;
		} else if (n_kinds < KINDS_SHOWN) {
			shown[n_kinds] = row;
			counts[n_kinds++] = 1;
		} else {
			n_others++;
		}
	}
	if (!n || t->options->verbose)
		return;
	for (size_t k = 0; k < n_kinds && at < sizeof(list); k++)
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%.16s %.100s (%zu)", k ? ", " : "",
				       shown[k]->method ? shown[k]->method : "-", shown[k]->path ? shown[k]->path : "-",
				       counts[k]);
	if (n_others && at < sizeof(list))
		snprintf(list + at, sizeof(list) - at, ", others (%zu)", n_others);
	putc('\n', t->f);
	text__paragraph(t, "%zu request%s without tokens: %s; -v lists %s", n, n == 1 ? "" : "s", list,
			n == 1 ? "it" : "them");
}

int text__requests(const struct text *t)
{
	int rc = put_latency(t);

	if (rc == 0)
		rc = put_with_tokens(t);
	if (rc == 0 && t->options->verbose)
		rc = put_calls(t);
	if (rc == 0 && t->options->verbose)
		rc = put_times(t);
	if (rc == 0 && t->options->verbose)
		rc = text__request_shares(t);
	if (rc == 0 && t->options->verbose)
		rc = text__request_waits(t);
	if (rc == 0)
		rc = put_failures(t);
	if (rc == 0)
		put_plain(t);
	return rc;
}
