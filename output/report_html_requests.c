/* SPDX-License-Identifier: Apache-2.0 */
/* Requests as a table that can be sorted, and the percentiles of their latencies. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "output/facts.h"
#include "output/figure.h"
#include "output/report_html.h"

#define LATENCY_LEAST 5 /* requests: percentiles of fewer say nothing */
#define COMPUTED                                                                                                       \
	"by the rows that the engine put into its steps, read out of its memory; tokprof verify holds them against "   \
	"the compute that was measured"
#define BILLED "what the server said in usage"

/* ------------------------------------------------------------------------------------------------------------- latency --- */

enum latency { WAIT, TTFT, TPOT, E2EL, N_LATENCIES };

static int64_t latency_of(const struct timeline_request *t, int which)
{
	return which == WAIT ? t->wait_ns : which == TTFT ? t->ttft_ns : which == TPOT ? t->tpot_ns : t->e2el_ns;
}

static void put_latency(const struct report_page *p, int which, int64_t *values)
{
	static const char *const names[N_LATENCIES] = { "wait", "TTFT", "TPOT", "end to end" };
	static const int percents[] = { 50, 95, 99, 100 };
	size_t n = 0;

	for (size_t i = 0; i < p->r->n_requests; i++) {
		const int64_t value = latency_of(&p->l->timeline->requests[i], which);

		if (request__has_tokens(p->l, i) && !request__incomplete(p->l, i) && value != ABSENT)
			values[n++] = value;
	}
	sort_values(values, n);
	fprintf(p->f, "<tr><th scope=\"row\">%s</th>", names[which]);
	for (size_t i = 0; i < 4; i++)
		report_html__cell(p->f, n < LATENCY_LEAST ? ABSENT : percentile(values, n, percents[i]), "ns");
	report_html__cell(p->f, (int64_t)n, "");
	fputs("</tr>\n", p->f);
}

static int put_latencies(const struct report_page *p)
{
	int64_t *values = calloc(p->r->n_requests + 1, sizeof(*values));

	if (!values)
		return -ENOMEM;
	report_html__table(p->f, "Latencies: nearest rank, over complete requests with tokens, where there are five");
	report_html__column(p->f, "latency", NULL, -1, false);
	report_html__column(p->f, "p50", NULL, GRADE_MEASURED, true);
	report_html__column(p->f, "p95", NULL, GRADE_MEASURED, true);
	report_html__column(p->f, "p99", NULL, GRADE_MEASURED, true);
	report_html__column(p->f, "longest", NULL, GRADE_MEASURED, true);
	report_html__column(p->f, "requests", NULL, GRADE_MEASURED, true);
	fputs("</tr></thead>\n<tbody>\n", p->f);
	for (int which = 0; which < N_LATENCIES; which++)
		put_latency(p, which, values);
	report_html__end_table(p->f);
	free(values);
	return 0;
}

/* --------------------------------------------------------------------------------------------------------------- table --- */

/* Positions of what is measured and of the contract, but for the one that has its interval. @return how many */
static size_t other_resources(const struct report_page *p, int *out)
{
	size_t n = 0;

	for (size_t i = 0; i < N_RESOURCE_KEYS; i++) {
		const int k = resource__find(p->l, resource_keys[i].name);

		if (k >= 0 && k != p->resource && p->l->resources[k].measured)
			out[n++] = k;
	}
	return n;
}

/* Without a cost model nobody knows how sure a share is. */
static bool has_intervals(const struct report_page *p)
{
	for (size_t i = 0; i < p->n_listed && p->resource >= 0; i++) {
		const struct ledger_request *q = &p->l->requests[p->listed[i]];

		if (q->low && q->high && q->low[p->resource] != ABSENT && q->high[p->resource] != ABSENT)
			return true;
	}
	return false;
}

/* What is somebody's share of a step is no longer measured. */
static int shared_grade(const struct ledger_resource *resource)
{
	return resource->row->grade == GRADE_MEASURED ? GRADE_DERIVED : resource->row->grade;
}

static void put_columns(const struct report_page *p, const int *others, size_t n_others)
{
	static const struct {
		const char *title, *about;
		int grade;
		bool is_number;
	} columns[] = {
		{ "id", "of this recording", -1, true },
		{ "status", NULL, GRADE_MEASURED, true },
		{ "wait", "from its arrival to its first step, and the gaps between its steps", GRADE_MEASURED, true },
		{ "TTFT", "from its arrival to the first chunk with generated text", GRADE_MEASURED, true },
		{ "TPOT", "from its first to its last chunk, over its generated tokens less one", GRADE_MEASURED,
		  true },
		{ "end to end", "from its arrival to the last byte of the response", GRADE_MEASURED, true },
		{ "prompt", "prompt tokens computed, " COMPUTED, GRADE_SELF_REPORTED, true },
		{ "cached", "prompt tokens from the cache, " COMPUTED, GRADE_SELF_REPORTED, true },
		{ "generated", "tokens generated, " COMPUTED, GRADE_SELF_REPORTED, true },
		{ "billed prompt", BILLED, GRADE_SELF_REPORTED, true },
		{ "billed output", BILLED, GRADE_SELF_REPORTED, true },
	};

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		report_html__column(p->f, columns[i].title, columns[i].about, columns[i].grade, columns[i].is_number);
	if (p->resource >= 0) {
		const struct ledger_resource *resource = &p->l->resources[p->resource];
		const int grade = shared_grade(resource);

		report_html__column(p->f, resource__title(resource), "its share of the steps that it was in", grade,
				    true);
		if (has_intervals(p)) {
			report_html__column(p->f, "from", "95 % interval: what the sharing leaves open", grade, true);
			report_html__column(p->f, "to", "95 % interval: what the sharing leaves open", grade, true);
		}
		report_html__column(p->f, "per prompt token", "of its prefill, over the prompt tokens computed", grade,
				    true);
		report_html__column(p->f, "per generated token",
				    "of its decode steps, over its generated tokens after the first", grade, true);
	}
	for (size_t i = 0; i < n_others; i++)
		report_html__column(p->f, resource__title(&p->l->resources[others[i]]), NULL,
				    shared_grade(&p->l->resources[others[i]]), true);
	report_html__column(p->f, "notes", NULL, -1, false);
	report_html__column(p->f, "api id", "that the server answered with", -1, false);
	report_html__column(p->f, "model", NULL, -1, false);
	report_html__column(p->f, "client", NULL, -1, false);
	report_html__column(p->f, "path", NULL, -1, false);
	fputs("</tr></thead>\n<tbody>\n", p->f);
}

static void put_cost(const struct report_page *p, size_t i, bool intervals)
{
	const size_t k = (size_t)p->resource;
	const struct ledger_request *q = &p->l->requests[i];
	const struct timeline_request *t = &p->l->timeline->requests[i];
	const char *unit = p->l->resources[k].row->unit;
	const bool known = ledger__has_share(p->l, i, k);

	report_html__cell(p->f, known ? q->cost[k] : ABSENT, unit);
	if (intervals) {
		report_html__cell(p->f, known && q->low ? q->low[k] : ABSENT, unit);
		report_html__cell(p->f, known && q->high ? q->high[k] : ABSENT, unit);
	}
	report_html__cell(p->f, known ? figure__each(q->prompt_cost[k], t->prompt_tokens) : ABSENT, unit);
	report_html__cell(p->f, known ? figure__each(q->completion_cost[k], request__later_tokens(t)) : ABSENT, unit);
}

static void put_notes(const struct report_page *p, size_t i)
{
	const uint32_t incomplete = request__incomplete(p->l, i);
	const char *gap = "";

	fputs("<td class=\"notes\">", p->f);
	if (p->l->timeline->requests[i].match == MATCH_AMBIGUOUS) {
		fputs("which sequence was its is ambiguous", p->f);
		gap = "; ";
	}
	if (p->r->requests[i].client_left) {
		fprintf(p->f, "%sthe client left", gap);
		gap = "; ";
	}
	if (request__prompt_differs(p->l, i) || request__completion_differs(p->l, i) ||
	    request__cached_differs(p->l, i)) {
		fprintf(p->f, "%sthe bill names other numbers than were computed", gap);
		gap = "; ";
	}
	for (size_t k = 0; k < N_INCOMPLETE_REASONS; k++) {
		if (!(incomplete & incomplete_reasons[k].bit))
			continue;
		html__format(p->f, "%s%s", gap, incomplete_reasons[k].text);
		gap = "; ";
	}
	fputs("</td>", p->f);
}

static void put_request(const struct report_page *p, size_t i, const int *others, size_t n_others, bool intervals)
{
	const struct row_request *row = &p->r->requests[i];
	const struct timeline_request *t = &p->l->timeline->requests[i];
	const int64_t counts[] = { t->prompt_tokens, t->cached_tokens, t->completion_tokens, row->billed_prompt_tokens,
				   row->billed_completion_tokens };

	fprintf(p->f, "<tr id=\"request-%" PRId64 "\">", row->id);
	report_html__cell(p->f, row->id, "");
	report_html__cell(p->f, row->status ? row->status : ABSENT, "");
	for (int which = 0; which < N_LATENCIES; which++)
		report_html__cell(p->f, latency_of(t, which), "ns");
	for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++)
		report_html__cell(p->f, counts[k], "");
	if (p->resource >= 0)
		put_cost(p, i, intervals);
	for (size_t k = 0; k < n_others; k++) {
		const size_t other = (size_t)others[k];
		const bool known = resource__is_additive(&p->l->resources[other]) ? ledger__has_share(p->l, i, other) :
										    !request__unmatched(t);

		report_html__cell(p->f, known ? p->l->requests[i].cost[other] : ABSENT,
				  p->l->resources[other].row->unit);
	}
	put_notes(p, i);
	report_html__text_cell(p->f, row->api_id);
	report_html__text_cell(p->f, row->response_model ? row->response_model : row->model);
	report_html__text_cell(p->f, row->client);
	report_html__text_cell(p->f, row->path);
	fputs("</tr>\n", p->f);
}

int report_html__requests(const struct report_page *p)
{
	int others[N_RESOURCE_KEYS], err = 0;
	const size_t n_others = other_resources(p, others);
	const bool intervals = has_intervals(p);

	report_html__section(p->f, "requests", "Requests");
	if (p->n_listed) {
		err = put_latencies(p);
		if (p->n_listed < p->n_with_tokens)
			fprintf(p->f,
				"<p class=\"bound\">The %zu that took longest of %zu requests with tokens; "
				"<code>--format "
				"csv</code> and <code>json</code> have all.</p>\n",
				p->n_listed, p->n_with_tokens);
		report_html__table(p->f, "Requests with tokens, in the order in which they arrived");
		put_columns(p, others, n_others);
		for (size_t i = 0; i < p->n_listed; i++)
			put_request(p, p->listed[i], others, n_others, intervals);
		report_html__end_table(p->f);
	}
	if (p->r->n_requests > p->n_with_tokens)
		fprintf(p->f,
			"<p class=\"bound\">%zu requests carried no tokens (health checks, refusals, unanswered): "
			"<code>tokprof report -v</code> lists them.</p>\n",
			p->r->n_requests - p->n_with_tokens);
	if (!p->r->n_requests)
		fputs("<p class=\"missing\">No request was seen on the wire.</p>\n", p->f);
	fputs("</section>\n", p->f);
	return err;
}
