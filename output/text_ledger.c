/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "output/facts.h"
#include "output/figure.h"
#include "output/groups.h"
#include "output/text.h"

#define LABEL_COLUMNS 14
#define RESOURCE_COLUMNS 22 /* a figure, its share, and the gaps before them */
#define TITLE_COLUMNS 12 /* of them */
#define GOOD_PERCENT 1
#define FAIR_PERCENT 5

static bool is_shown(const struct ledger *l, size_t k)
{
	return l->resources[k].measured && resource__is_additive(&l->resources[k]) &&
	       !resource__is_ioctl(&l->resources[k]);
}

static int64_t requests_sum(const struct ledger *l, size_t k)
{
	int64_t sum = 0;

	for (size_t i = 0; i < l->timeline->recording->n_requests; i++)
		sum += l->requests[i].cost[k];
	return sum;
}

static enum cell_style quality(int64_t part, int64_t whole)
{
	double percent = whole ? 100.0 * (double)part / (double)whole : 0.0;

	if (percent < 0)
		percent = -percent;
	return percent < GOOD_PERCENT ? STYLE_GOOD : percent < FAIR_PERCENT ? STYLE_WARN : STYLE_BAD;
}

static void cell_share(struct table *table, const struct ledger *l, size_t k, int64_t value, enum cell_style style)
{
	table__styled(table, style, "%s", figure__in_unit(value, l->resources[k].row->unit).s);
	table__styled(table, style, "%s", figure__percent(value, l->resources[k].total).s);
}

/* Resources [first, end) of the shown ones, side by side. */
static int put_block(const struct text *t, const size_t *shown, size_t n)
{
	struct table_column columns[TABLE_MAX_COLUMNS] = { { "", COLUMN_TEXT, 0 } };
	const struct ledger *l = t->l;
	struct table *table;

	for (size_t i = 0; i < n; i++) {
		columns[1 + 2 * i] =
			(struct table_column){ resource__title(&l->resources[shown[i]]), COLUMN_NUMBER, 0 };
		columns[2 + 2 * i] = (struct table_column){ "share", COLUMN_NUMBER, 0 };
	}
	table = text__table(t, columns, (int)(1 + 2 * n));
	if (!table)
		return -ENOMEM;
	table__cell(table, "requests");
	for (size_t i = 0; i < n; i++)
		cell_share(table, l, shown[i], requests_sum(l, shown[i]), STYLE_PLAIN);
	table__end_row(table);
	for (int a = 0; a < N_ACCOUNTS; a++) {
		table__cell(table, "%s", accounts[a].name);
		for (size_t i = 0; i < n; i++) {
			int64_t value = l->accounts[a][shown[i]];

			cell_share(table, l, shown[i], value,
				   a == ACCOUNT_UNEXPLAINED ? quality(value, l->resources[shown[i]].total) :
							      STYLE_PLAIN);
		}
		table__end_row(table);
	}
	table__styled(table, STYLE_BOLD, "total");
	for (size_t i = 0; i < n; i++)
		cell_share(table, l, shown[i], l->resources[shown[i]].total, STYLE_BOLD);
	table__end_row(table);
	return table__finish(table);
}

static void put_totals(const struct text *t, const size_t *shown, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct ledger_resource *resource = &t->l->resources[shown[i]];
		char check[256] = "";

		if (resource->check_total != ABSENT)
			snprintf(check, sizeof(check), "; %s by %s (%s apart)",
				 figure__in_unit(resource->check_total, resource->row->unit).s,
				 resource->check_source ? resource->check_source : "a second account",
				 figure__percent(llabs(resource->check_total - resource->total), resource->total).s);
		text__paragraph(t, "Total %s by %s%s", resource__title(resource),
				resource->total_source ? resource->total_source : "an account without a name", check);
	}
}

/* How many of the resources fit side by side; one in any case. */
static size_t fitting(const struct text *t, const size_t *shown, size_t n)
{
	int left = t->options->columns - LABEL_COLUMNS;
	size_t fit = 0;

	for (; fit < n && fit < (TABLE_MAX_COLUMNS - 1) / 2; fit++) {
		const int title = (int)strlen(resource__title(&t->l->resources[shown[fit]]));

		left -= RESOURCE_COLUMNS + (title > TITLE_COLUMNS ? title - TITLE_COLUMNS : 0);
		if (left < 0)
			break;
	}
	return fit ? fit : 1;
}

int text__ledger(const struct text *t)
{
	size_t shown[MAX_RESOURCES], n = 0, fit;

	for (size_t k = 0; k < t->l->n_resources; k++)
		if (is_shown(t->l, k))
			shown[n++] = k;
	text__heading(t, "Ledger");
	if (!n) {
		text__paragraph(t, "Nothing that adds up was measured; see the evidence below.");
		return 0;
	}
	for (size_t first = 0; first < n; first += fit) {
		int rc;

		fit = fitting(t, shown + first, n - first);
		rc = put_block(t, shown + first, fit);
		if (rc < 0)
			return rc;
		if (first + fit < n)
			putc('\n', t->f);
	}
	put_totals(t, shown, n);
	if (t->options->verbose)
		for (int a = 0; a < N_ACCOUNTS; a++)
			text__paragraph(t, "%s: %s", accounts[a].name, accounts[a].doc);
	return 0;
}

static bool is_used(const struct group *group)
{
	return group->n_steps || group->n_requests;
}

int text__phases(const struct text *t)
{
	static const struct table_column columns[] = {
		{ "phase", COLUMN_TEXT, 0 },	{ "requests", COLUMN_NUMBER, 0 },    { "steps", COLUMN_NUMBER, 0 },
		{ "tokens", COLUMN_NUMBER, 0 }, { "CPU time", COLUMN_NUMBER, 0 },    { "per token", COLUMN_NUMBER, 0 },
		{ "share", COLUMN_NUMBER, 0 },	{ "kernel time", COLUMN_NUMBER, 0 },
	};
	int cpu = resource__find(t->l, "cpu_ns"), kernel = resource__find(t->l, "kernel_ns");
	struct groups groups;
	struct table *table;
	int rc = groups__build(&groups, t->l, BY_PHASE);
	bool any = false;

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < groups.n; i++)
		any = any || is_used(&groups.groups[i]);
	if (!any) {
		groups__free(&groups);
		return 0;
	}
	text__heading(t, "Phases");
	table = text__table(t, columns, 8);
	for (size_t i = 0; table && i < groups.n; i++) {
		const struct group *group = &groups.groups[i];
		int64_t value = resource__value(t->l, cpu, group->cost);

		if (!is_used(group))
			continue;
		table__cell(table, "%s", group->name);
		table__cell(table, "%s", figure__count(group->n_requests).s);
		table__cell(table, "%s", figure__count(group->n_steps).s);
		table__cell(table, "%s", figure__count(group->n_tokens).s);
		table__cell(table, "%s", figure__time(value).s);
		table__cell(table, "%s", figure__time(figure__each(value, group->n_tokens)).s);
		table__cell(table, "%s", figure__percent(value, cpu >= 0 ? requests_sum(t->l, (size_t)cpu) : ABSENT).s);
		table__cell(table, "%s", figure__time(resource__value(t->l, kernel, group->cost)).s);
		table__end_row(table);
	}
	groups__free(&groups);
	return table__finish(table);
}
