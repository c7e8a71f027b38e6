/* SPDX-License-Identifier: Apache-2.0 */
/* --by operator and --by layer: what steps are made of. */
#include <errno.h>
#include <inttypes.h>

#include "output/figure.h"
#include "output/text.h"
#include "userspace/analysis/operators.h"

#define MAX_COLUMNS (N_MIXES + 5)

static void name_of(const struct operator_part *part, char *out, size_t size)
{
	if (part->name)
		snprintf(out, size, "%s", part->name);
	else
		snprintf(out, size, "layer %d", part->layer);
}

static int put_parts(const struct text *t, const struct operator_split *s)
{
	const int64_t whole = s->total - s->not_split;
	struct table_column columns[MAX_COLUMNS] = { { "", COLUMN_SHRINK_END, 11 } };
	struct table *table;
	int n = 1;

	for (int m = 0; m < N_MIXES; m++)
		if (s->mixes[m].n_probed > 0)
			columns[n++] = (struct table_column){ step_mix__name(m), COLUMN_NUMBER, 0 };
	columns[n++] = (struct table_column){ "all", COLUMN_NUMBER, 0 };
	columns[n++] = (struct table_column){ "share", COLUMN_NUMBER, 0 };
	columns[n++] = (struct table_column){ "95 % from", COLUMN_NUMBER, 0 };
	columns[n++] = (struct table_column){ "to", COLUMN_NUMBER, 0 };
	table = text__table(t, columns, n);
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_parts; i++) {
		const struct operator_part *part = &s->parts[i];
		char name[48];

		name_of(part, name, sizeof(name));
		table__cell(table, "%s", name);
		for (int m = 0; m < N_MIXES; m++)
			if (s->mixes[m].n_probed > 0)
				table__cell(table, "%s", figure__time(part->value[m]).s);
		table__cell(table, "%s", figure__time(part->total).s);
		table__cell(table, "%s", figure__percent(part->total, whole).s);
		table__cell(table, "%s", figure__percent(part->low, whole).s);
		table__cell(table, "%s", figure__percent(part->high, whole).s);
		table__end_row(table);
	}
	table__styled(table, STYLE_BOLD, "in steps");
	for (int m = 0; m < N_MIXES; m++)
		if (s->mixes[m].n_probed > 0)
			table__cell(table, "%s", figure__time(s->mixes[m].total).s);
	table__cell(table, "%s", figure__time(whole).s);
	table__end_row(table);
	return table__finish(table);
}

static void put_notes(const struct text *t, const struct operator_split *s)
{
	text__paragraph(t,
			"Derived: the split is that of %" PRId64
			" steps whose operators were probed, the totals those of all %" PRId64
			" steps. Interval: of the shares, by how much these steps differ. engine: in a step, but not "
			"in its graph.",
			s->n_probed, s->n_steps);
	for (int m = 0; m < N_MIXES; m++)
		if (s->mixes[m].n_steps > 0 && s->mixes[m].n_probed == 0)
			text__paragraph(t, "Not split: %s of %" PRId64 " steps (%s); none of them was probed.",
					figure__time(s->mixes[m].total).s, s->mixes[m].n_steps, step_mix__name(m));
	if (s->sampling != ABSENT)
		text__paragraph(t,
				"Choosing tokens took %s between steps (%s to %s; derived from %" PRId64
				" choices): in no line above, in the ledger part of host.",
				figure__time(s->sampling).s, figure__time(s->sampling_low).s,
				figure__time(s->sampling_high).s, s->n_sampled);
}

int text__operators(const struct text *t)
{
	const bool layers = t->options->by == BY_LAYER;
	struct operator_split s;
	int rc = operator_split__build(&s, t->l->timeline, layers ? SPLIT_BY_LAYER : SPLIT_BY_OPERATOR);

	if (rc < 0)
		return rc;
	text__heading(t, layers ? "Layers" : "Operators");
	if (s.n_parts > 0) {
		text__paragraph(t, "%s of steps, by the rows that they have.",
				s.is_cpu ? "CPU time" : "Duration (no CPU time was measured)");
		rc = put_parts(t, &s);
		put_notes(t, &s);
	} else {
		text__paragraph(t, "Unavailable: %s.", s.reason);
	}
	operator_split__free(&s);
	return rc;
}
