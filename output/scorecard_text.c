/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "output/scorecard.h"
#include "output/table.h"
#include "userspace/analysis/facts.h"

_Static_assert(2 * SCORECARD_MOST + 1 <= TABLE_MAX_COLUMNS,
	       "a column each, one for its change, the names and the units");

#define MAX_FIGURES 32	/* of a dimension */
#define MAX_REMARK 512

static void put_heading(FILE *f, const struct verify_output_options *options, const char *title)
{
	fprintf(f, "\n%s%s%s\n", style__begin(STYLE_BOLD, options->color), title,
		style__end(STYLE_BOLD, options->color));
}

static void put_paragraph(FILE *f, const struct verify_output_options *options, const char *text)
{
	fputs("  ", f);
	text__wrap(f, text, 2, 2, options->columns);
	putc('\n', f);
}

/* Names and what is said of them: "a, b: not collected", one paragraph for all of which the same is said. */
static void put_remarks(FILE *f, const struct verify_output_options *options, const char *const *names,
			const char *before, const char *const *remarks, size_t n)
{
	char text[MAX_REMARK];

	for (size_t i = 0; i < n; i++) {
		size_t used = 0;
		bool said = !remarks[i];

		for (size_t k = 0; k < i && !said; k++)
			said = remarks[k] && strcmp(remarks[k], remarks[i]) == 0;
		if (said)
			continue;
		for (size_t k = i; k < n && used < sizeof(text); k++)
			if (remarks[k] && strcmp(remarks[k], remarks[i]) == 0)
				used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", used ? ", " : "",
							 names[k]);
		if (used < sizeof(text))
			snprintf(text + used, sizeof(text) - used, ": %s%s", before, remarks[i]);
		put_paragraph(f, options, text);
	}
}

static int put_part(FILE *f, const struct scorecard *s, enum scorecard_part part,
		    const struct verify_output_options *options)
{
	static const struct table_column columns[] = {
		{ "figure", COLUMN_TEXT, 0 }, { "value", COLUMN_NUMBER, 0 }, { "95 % interval", COLUMN_NUMBER, 0 },
		{ "unit", COLUMN_TEXT, 0 },   { "grade", COLUMN_TEXT, 0 },   { "of", COLUMN_NUMBER, 0 },
	};
	const char *names[MAX_FIGURES], *definitions[MAX_FIGURES], *reasons[MAX_FIGURES], *intervals[MAX_FIGURES];
	struct table *t;
	size_t n = 0;
	int err;

	put_heading(f, options, scorecard_parts[part].title);
	put_paragraph(f, options, scorecard_parts[part].definition);
	t = table__new(f, columns, 6, options->columns, 2, options->color);
	if (!t)
		return -ENOMEM;
	for (size_t i = 0; i < n_scorecard_metrics; i++) {
		const struct scorecard_metric *m = &scorecard_metrics[i];
		const struct scorecard_figure *x = &s->figures[i];

		if (m->part != part)
			continue;
		table__cell(t, "%s", m->name);
		table__cell(t, "%s", scorecard__text(m, x).s);
		table__cell(t, "%s", scorecard__interval(m, x).s);
		table__cell(t, "%s", scorecard__unit(m, x));
		table__styled(t, x->value == ABSENT ? STYLE_DIM : STYLE_PLAIN, "%s", grade__name((int)x->grade));
		table__cell(t, "%s", scorecard__made_of(x).s);
		table__end_row(t);
		if (n == MAX_FIGURES)
			continue;
		names[n] = m->name;
		definitions[n] = options->verbose > 0 ? m->definition : NULL;
		intervals[n] = x->no_interval;
		reasons[n++] = x->why;
	}
	err = table__finish(t);
	put_remarks(f, options, names, "", definitions, n);
	put_remarks(f, options, names, "", reasons, n);
	put_remarks(f, options, names, "interval ", intervals, n);
	return err;
}

/* Index of the metric with this id in the group that metric `first` begins. */
static size_t find_in_group(size_t first, const char *id)
{
	for (size_t i = first; i < n_scorecard_metrics && scorecard_metrics[i].group == scorecard_metrics[first].group;
	     i++)
		if (strcmp(scorecard_metrics[i].id, id) == 0)
			return i;
	return SIZE_MAX;
}

static bool begins_group(size_t i)
{
	return i == 0 || !scorecard_metrics[i - 1].group ||
	       strcmp(scorecard_metrics[i].group, scorecard_metrics[i - 1].group) != 0;
}

static int put_aiperf(FILE *f, const struct scorecard *s, const struct verify_output_options *options)
{
	static const char *const ids[] = { "avg", "p50", "p90", "p99" };
	static const struct table_column columns[] = {
		{ "metric", COLUMN_TEXT, 0 }, { "avg", COLUMN_NUMBER, 0 }, { "p50", COLUMN_NUMBER, 0 },
		{ "p90", COLUMN_NUMBER, 0 },  { "p99", COLUMN_NUMBER, 0 }, { "of", COLUMN_NUMBER, 0 },
		{ "unit", COLUMN_TEXT, 0 },
	};
	struct table *t;

	put_heading(f, options, scorecard_parts[PART_AIPERF].title);
	put_paragraph(f, options, scorecard_parts[PART_AIPERF].definition);
	t = table__new(f, columns, 7, options->columns, 2, options->color);
	if (!t)
		return -ENOMEM;
	for (size_t i = 0; i < n_scorecard_metrics; i++) {
		const struct scorecard_metric *m = &scorecard_metrics[i];

		if (m->part != PART_AIPERF || !begins_group(i))
			continue;
		table__cell(t, "%s", m->group);
		for (size_t k = 0; k < 4; k++) {
			const size_t at = find_in_group(i, ids[k]);

			table__cell(t, "%s",
				    at == SIZE_MAX ? "" : scorecard__text(&scorecard_metrics[at], &s->figures[at]).s);
		}
		table__cell(t, "%s", scorecard__made_of(&s->figures[i]).s);
		table__cell(t, "%s", scorecard__unit(m, &s->figures[i]));
		table__end_row(t);
	}
	return table__finish(t);
}

static int put_mlperf(FILE *f, const struct scorecard *s, const struct verify_output_options *options)
{
	static const struct table_column columns[] = {
		{ "name", COLUMN_TEXT, 0 },
		{ "value", COLUMN_NUMBER, 0 },
		{ "of", COLUMN_NUMBER, 0 },
	};
	struct table *t;

	put_heading(f, options, scorecard_parts[PART_MLPERF].title);
	put_paragraph(f, options, scorecard_parts[PART_MLPERF].definition);
	t = table__new(f, columns, 3, options->columns, 2, options->color);
	if (!t)
		return -ENOMEM;
	for (size_t i = 0; i < n_scorecard_metrics; i++) {
		const struct scorecard_figure *x = &s->figures[i];

		if (scorecard_metrics[i].part != PART_MLPERF)
			continue;
		table__cell(t, "%s", scorecard_metrics[i].name);
		if (x->value == ABSENT)
			table__cell(t, "-");
		else
			table__cell(t, "%s%s", x->at_least ? ">= " : "", scorecard__exact(&scorecard_metrics[i], x).s);
		table__cell(t, "%s", scorecard__made_of(x).s);
		table__end_row(t);
	}
	return table__finish(t);
}

int scorecard_text__put(FILE *f, const struct scorecard *s, const struct verify_output_options *options)
{
	int err = 0;

	put_heading(f, options, "Scorecard");
	put_paragraph(f, options,
		      "What the recording says in each dimension in which token services are assessed. There are no "
		      "thresholds: "
		      "what is enough is for the contract to say. " INTERVALS " ");
	for (int part = 0; part < N_DIMENSIONS && !err; part++)
		err = put_part(f, s, (enum scorecard_part)part, options);
	if (!err)
		err = put_aiperf(f, s, options);
	return err ? err : put_mlperf(f, s, options);
}

/* ------------------------------------------------------------------------------------------------------------ comparison --- */

static int put_recordings(FILE *f, const struct scorecard *cards, size_t n, const struct verify_output_options *options)
{
	static const struct table_column columns[] = {
		{ "", COLUMN_NUMBER, 0 },     { "recording", COLUMN_SHRINK_MIDDLE, 12 },
		{ "from", COLUMN_TEXT, 0 },   { "duration", COLUMN_NUMBER, 0 },
		{ "lost", COLUMN_NUMBER, 0 }, { "complete", COLUMN_TEXT, 0 },
	};
	struct table *t = table__new(f, columns, 6, options->columns, 2, options->color);

	if (!t)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		table__cell(t, "%zu", i + 1);
		table__cell(t, "%s", cards[i].path);
		table__cell(t, "%s", figure__moment(cards[i].start_unix_ns).s);
		table__cell(t, "%s", figure__time(cards[i].duration_ns).s);
		table__cell(t, "%" PRId64, cards[i].n_lost);
		table__styled(t, cards[i].complete ? STYLE_PLAIN : STYLE_WARN, "%s", cards[i].complete ? "yes" : "no");
		table__end_row(t);
	}
	return table__finish(t);
}

static bool differs(const struct scorecard *cards, size_t n, enum condition c)
{
	for (size_t i = 1; i < n; i++)
		if (!scorecard__same_condition(&cards[0], &cards[i], c))
			return true;
	return false;
}

static int put_conditions(FILE *f, const struct scorecard *cards, size_t n, const struct verify_output_options *options)
{
	static const struct table_column columns[] = {
		{ "", COLUMN_TEXT, 0 },
		{ "", COLUMN_NUMBER, 0 },
		{ "", COLUMN_WRAP, 16 },
	};
	struct table *t;
	bool any = false, known = true;

	for (int c = 0; c < N_CONDITIONS; c++)
		any |= differs(cards, n, (enum condition)c);
	for (int c = 0; c < N_CONDITIONS; c++)
		for (size_t i = 0; i < n; i++)
			known &= c == CONDITION_WEIGHTS || cards[i].conditions[c];
	put_heading(f, options,
		    any	  ? "Not the same in all of them" :
		    known ? "Same host, engine, model and tokprof in all of them" :
			    "Not known of all of them: host, engine, model or tokprof; nothing is known to differ");
	if (!any)
		return 0;
	put_paragraph(f, options, "What differs below may be due to these.");
	t = table__new(f, columns, 3, options->columns, 2, options->color);
	if (!t)
		return -ENOMEM;
	for (int c = 0; c < N_CONDITIONS; c++) {
		for (size_t i = 0; i < n && differs(cards, n, (enum condition)c); i++) {
			table__cell(t, "%s", i ? "" : condition_names[c]);
			table__cell(t, "%zu", i + 1);
			table__cell(t, "%s", cards[i].conditions[c] ? cards[i].conditions[c] : "not known");
			table__end_row(t);
		}
	}
	return table__finish(t);
}

static int compare_part(FILE *f, const struct scorecard *cards, size_t n, enum scorecard_part part,
			const struct verify_output_options *options)
{
	struct table_column columns[TABLE_MAX_COLUMNS] = { { "figure", COLUMN_TEXT, 0 } };
	char titles[SCORECARD_MOST][8];
	int n_columns = 1;
	struct table *t;

	for (size_t i = 0; i < n; i++) {
		snprintf(titles[i], sizeof(titles[i]), "%zu", i + 1);
		columns[n_columns++] = (struct table_column){ titles[i], COLUMN_NUMBER, 0 };
		if (i)
			columns[n_columns++] = (struct table_column){ "over 1", COLUMN_NUMBER, 0 };
	}
	columns[n_columns++] = (struct table_column){ "unit", COLUMN_TEXT, 0 };
	put_heading(f, options, scorecard_parts[part].title);
	t = table__new(f, columns, n_columns, options->columns, 2, options->color);
	if (!t)
		return -ENOMEM;
	for (size_t k = 0; k < n_scorecard_metrics; k++) {
		const struct scorecard_metric *m = &scorecard_metrics[k];

		if (m->part != part)
			continue;
		table__cell(t, "%s", m->name);
		for (size_t i = 0; i < n; i++) {
			table__cell(t, "%s", scorecard__text(m, &cards[i].figures[k]).s);
			if (i)
				table__cell(t, "%s", scorecard__change(&cards[0], &cards[i], k).s);
		}
		table__cell(t, "%s", scorecard__unit(m, &cards[0].figures[k]));
		table__end_row(t);
	}
	return table__finish(t);
}

int scorecard_text__compare(FILE *f, const struct scorecard *cards, size_t n,
			    const struct verify_output_options *options)
{
	int err;

	fputs("Scorecards side by side\n", f);
	put_paragraph(
		f, options,
		"Changes are those over the first; one with a * is more than chance within the recordings: the 95 % "
		"interval of the change, from those of both figures, leaves 0 out. One without may be chance, or has "
		"no interval. " INTERVALS);
	err = put_recordings(f, cards, n, options);
	if (!err)
		err = put_conditions(f, cards, n, options);
	for (int part = 0; part < N_DIMENSIONS && !err; part++)
		err = compare_part(f, cards, n, (enum scorecard_part)part, options);
	if (err)
		return err;
	return ferror(f) ? -EIO : 0;
}
