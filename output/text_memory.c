/* SPDX-License-Identifier: Apache-2.0 */
/* Memory traffic: what each request took for a token, and how far the sources agree. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "output/facts.h"
#include "output/figure.h"
#include "output/text.h"
#include "userspace/analysis/traffic.h"

static bool any_figure(const struct traffic *traffic)
{
	for (size_t i = 0; i < traffic->n_evidence; i++)
		if (traffic->evidence[i].bytes != ABSENT)
			return true;
	return false;
}

static const char *grade_of(const struct traffic_evidence *e)
{
	return e->grade == GRADE_SELF_REPORTED ? "self-reported" : grade__name(e->grade);
}

static void put_check(const struct text *t, const struct traffic_evidence *e)
{
	if (e->check_known_bytes == ABSENT || e->check_bytes == ABSENT || e->check_known_bytes <= 0)
		return;
	text__paragraph(t, "Self-check of %s: of %s that were streamed from memory it saw %s.", e->name,
			figure__bytes(e->check_known_bytes).s, figure__percent(e->check_bytes, e->check_known_bytes).s);
}

static int put_sources(const struct text *t)
{
	static const struct table_column columns[] = {
		{ "source", COLUMN_TEXT, 0 },		{ "grade", COLUMN_TEXT, 0 },
		{ "bytes", COLUMN_NUMBER, 0 },		{ "ratio", COLUMN_NUMBER, 0 },
		{ "of what, reason", COLUMN_WRAP, 20 },
	};
	struct table *table = text__table(t, columns, 5);

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < t->l->traffic->n_evidence; i++) {
		const struct traffic_evidence *e = &t->l->traffic->evidence[i];

		if (e->bytes == ABSENT && !t->options->verbose)
			continue;
		table__cell(table, "%s%s", e->name, e->used ? " *" : "");
		table__cell(table, "%s", grade_of(e));
		table__cell(table, "%s", figure__bytes(e->bytes).s);
		if (isnan(e->ratio))
			table__cell(table, "-");
		else
			table__cell(table, "%.3g", e->ratio);
		table__cell(table, "%s%s%s", e->source, e->source[0] && e->reason[0] ? "; " : "", e->reason);
		table__end_row(table);
	}
	return table__finish(table);
}

static void name_others(const struct text *t)
{
	char names[160] = "";
	size_t n = 0;

	for (size_t i = 0; i < t->l->traffic->n_evidence && n < sizeof(names); i++)
		if (t->l->traffic->evidence[i].bytes == ABSENT)
			n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "",
					      t->l->traffic->evidence[i].name);
	if (n && !t->options->verbose)
		text__paragraph(t, "Unavailable: %s (report -v says why)", names);
}

static int put_requests(const struct text *t, int k)
{
	static const struct table_column columns[] = {
		{ "request", COLUMN_NUMBER, 0 },
		{ "bytes", COLUMN_NUMBER, 0 },
		{ "bytes/in", COLUMN_NUMBER, 0 },
		{ "bytes/out", COLUMN_NUMBER, 0 },
	};
	struct table *table = text__table(t, columns, 4);

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < t->r->n_requests; i++) {
		const struct timeline_request *request = &t->l->timeline->requests[i];
		const struct ledger_request *cost = &t->l->requests[i];

		if (!request->n_runs)
			continue;
		table__cell(table, "%" PRId64, t->r->requests[i].id);
		table__cell(table, "%s", figure__bytes(cost->cost[k]).s);
		table__cell(table, "%s", figure__bytes(figure__each(cost->prompt_cost[k], request->prompt_tokens)).s);
		table__cell(table, "%s",
			    figure__bytes(figure__each(cost->completion_cost[k], request__later_tokens(request))).s);
		table__end_row(table);
	}
	return table__finish(table);
}

int text__memory(const struct text *t)
{
	const int k = resource__find(t->l, "mem_bytes");
	int rc = 0;

	if (!t->l->traffic || (!any_figure(t->l->traffic) && !t->options->verbose))
		return 0;
	text__heading(t, "Memory traffic");
	if (k >= 0 && t->l->resources[k].measured)
		rc = put_requests(t, k);
	if (rc >= 0)
		rc = put_sources(t);
	name_others(t);
	for (size_t i = 0; i < t->l->traffic->n_evidence; i++)
		put_check(t, &t->l->traffic->evidence[i]);
	return rc;
}
