/* SPDX-License-Identifier: Apache-2.0 */
/* Events per token, phase by phase, and what they say together. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "output/facts.h"
#include "output/figure.h"
#include "output/groups.h"
#include "output/text.h"
#include "userspace/analysis/ratios.h"

struct phases {			/* those that computed tokens */
	const struct group *group[N_PHASES];
	int n;
};

static bool any_event(const struct ledger *l)
{
	for (size_t k = 0; k < l->n_resources; k++)
		if (l->resources[k].measured && resource__is_event(l->resources[k].row))
			return true;
	return false;
}

static void put_event(struct table *table, const struct text *t, const struct phases *phases, size_t k)
{
	const struct ledger_resource *resource = &t->l->resources[k];

	table__cell(table, "%s", resource->row->name);
	for (int p = 0; p < phases->n; p++) {
		const int64_t value = resource__value(t->l, (int)k, phases->group[p]->cost);

		table__cell(table, "%s",
			    figure__in_unit(figure__each(value, phases->group[p]->n_tokens), resource->row->unit).s);
	}
	table__cell(table, "%s", figure__in_unit(resource->measured ? resource->total : ABSENT, resource->row->unit).s);
	table__cell(table, "%s", grade__name(resource->row->grade));
	table__end_row(table);
}

static double ipc(const struct ratios *r)
{
	return r->ipc;
}

static double frequency(const struct ratios *r)
{
	return r->frequency_hz / 1e9;
}

static double density(const struct ratios *r)
{
	return r->bytes_per_instruction;
}

static void put_ratio(struct table *table, double value)
{
	if (isnan(value))
		table__cell(table, "-");
	else
		table__cell(table, "%.2f", value);
}

static void put_ratios(struct table *table, const struct text *t, const struct phases *phases)
{
	static const struct {
		const char *title;
		double (*of)(const struct ratios *);
	} rows[] = { { "instructions per cycle", ipc },
		     { "GHz on a CPU", frequency },
		     { "bytes per instruction", density } };
	int64_t totals[MAX_RESOURCES];

	for (size_t k = 0; k < t->l->n_resources; k++)
		totals[k] = t->l->resources[k].total;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ratios whole = ratios__of(t->l, totals);

		if (isnan(rows[i].of(&whole)))
			continue;
		table__cell(table, "%s", rows[i].title);
		for (int p = 0; p < phases->n; p++) {
			const struct ratios r = ratios__of(t->l, phases->group[p]->cost);

			put_ratio(table, rows[i].of(&r));
		}
		put_ratio(table, rows[i].of(&whole));
		table__end_row(table);
	}
}

int text__counters(const struct text *t)
{
	struct table_column columns[N_PHASES + 3] = { { "event", COLUMN_SHRINK_MIDDLE, 24 } };
	char titles[N_PHASES][32];
	struct phases phases = { .n = 0 };
	struct groups groups;
	struct table *table;
	int rc;

	if (!any_event(t->l))
		return 0;
	rc = groups__build(&groups, t->l, BY_PHASE);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < groups.n && phases.n < N_PHASES; i++)
		if (groups.groups[i].n_tokens > 0) {
			snprintf(titles[phases.n], sizeof(titles[0]), "%s token", groups.groups[i].name);
			columns[1 + phases.n] = (struct table_column){ titles[phases.n], COLUMN_NUMBER, 0 };
			phases.group[phases.n++] = &groups.groups[i];
		}
	columns[1 + phases.n] = (struct table_column){ "total", COLUMN_NUMBER, 0 };
	columns[2 + phases.n] = (struct table_column){ "grade", COLUMN_TEXT, 0 };
	text__heading(t, "Counters");
	table = text__table(t, columns, 3 + phases.n);
	for (size_t k = 0; table && k < t->l->n_resources; k++)
		if (resource__is_event(t->l->resources[k].row) &&
		    (t->l->resources[k].measured || t->l->resources[k].row->id >= RESOURCE_COUNTER_FIRST))
			put_event(table, t, &phases, k);
	if (table)
		put_ratios(table, t, &phases);
	groups__free(&groups);
	return table ? table__finish(table) : -ENOMEM;
}
