/* SPDX-License-Identifier: Apache-2.0 */
/* The text report's section on kernel time: system calls and interrupts by name, and what they are there for. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "output/facts.h"
#include "output/figure.h"
#include "output/text.h"
#include "userspace/analysis/facts.h"
#include "userspace/analysis/kernel_work.h"
#include "userspace/kernel_kind.h"

#define KINDS_SHOWN 12	/* those that took the most time; all of them with -v */

static int64_t phases_ns(const struct kernel_work *w, size_t kind, bool prompt)
{
	int64_t sum = 0;

	for (size_t p = 0; p < N_PHASES; p++)
		if (prompt == (p == PHASE_PREFILL || p == PHASE_EMBED || p == PHASE_ENCODE))
			sum += w->phases[p * w->n_kinds + kind].ns;
	return sum;
}

static int64_t account_ns(const struct kernel_work *w, enum account_id account, size_t kind)
{
	return w->accounts[(size_t)account * w->n_kinds + kind].ns;
}

struct line {
	const char *name, *path;
	int64_t n, ns, prompts, tokens, host, idle;
};

static int compare_time(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns > y->ns ? -1 : 1;
	return strcmp(x->name, y->name) ? strcmp(x->name, y->name) : strcmp(x->path, y->path);
}

static void add_kind(struct line *line, const struct kernel_work *w, size_t kind)
{
	line->n += w->totals[kind].n;
	line->ns += w->totals[kind].ns;
	line->prompts += phases_ns(w, kind, true);
	line->tokens += phases_ns(w, kind, false);
	line->host += account_ns(w, ACCOUNT_HOST, kind);
	line->idle += account_ns(w, ACCOUNT_IDLE, kind);
}

static void put_line(struct table *table, const struct line *line, bool by_path, int64_t n_tokens)
{
	table__cell(table, "%s", by_path ? line->path : line->name);
	if (!by_path)
		table__cell(table, "%s", line->path);
	table__cell(table, "%s", line->path[0] ? figure__count(line->n).s : "");
	table__cell(table, "%s", figure__time(line->ns).s);
	if (by_path)
		table__cell(table, "%s", figure__time(line->prompts).s);
	else
		table__cell(table, "%s", line->path[0] ? figure__time(figure__each(line->ns, line->n)).s : "");
	table__cell(table, "%s", figure__time(figure__each(line->tokens, n_tokens)).s);
	table__cell(table, "%s", figure__time(by_path ? line->tokens : line->prompts).s);
	table__cell(table, "%s", figure__time(line->host).s);
	table__cell(table, "%s", figure__time(line->idle).s);
	table__end_row(table);
}

static int put_lines(const struct text *t, struct line *lines, size_t n, bool by_path)
{
	static const struct table_column path_columns[] = {
		{ "path", COLUMN_TEXT, 0 },	 { "calls", COLUMN_NUMBER, 0 },	    { "time", COLUMN_NUMBER, 0 },
		{ "prompts", COLUMN_NUMBER, 0 }, { "per token", COLUMN_NUMBER, 0 }, { "tokens", COLUMN_NUMBER, 0 },
		{ "host", COLUMN_NUMBER, 0 },	 { "idle", COLUMN_NUMBER, 0 },
	};
	static const struct table_column call_columns[] = {
		{ "call", COLUMN_SHRINK_END, 8 }, { "path", COLUMN_TEXT, 0 },	{ "calls", COLUMN_NUMBER, 0 },
		{ "time", COLUMN_NUMBER, 0 },	  { "each", COLUMN_NUMBER, 0 }, { "per token", COLUMN_NUMBER, 0 },
		{ "prompts", COLUMN_NUMBER, 0 },  { "host", COLUMN_NUMBER, 0 }, { "idle", COLUMN_NUMBER, 0 },
	};
	struct table *table = by_path ? text__table(t, path_columns, 8) : text__table(t, call_columns, 9);
	const int64_t n_tokens = requests__later_tokens(t->l);
	size_t shown = 0, hidden = 0;
	int rc;

	if (!table)
		return -ENOMEM;
	qsort(lines, n, sizeof(*lines), compare_time);
	for (size_t i = 0; i < n; i++) {
		if (lines[i].n == 0 && lines[i].ns == 0)
			continue;
		if (shown == KINDS_SHOWN && !t->options->verbose) {
			hidden++;
			continue;
		}
		put_line(table, &lines[i], by_path, n_tokens);
		shown++;
	}
	rc = table__finish(table);
	if (hidden)
		text__paragraph(t, "%zu more took less time; -v lists them", hidden);
	return rc;
}

static int put_paths(const struct text *t)
{
	const struct kernel_work *w = t->l->kernel;
	struct line lines[N_KERNEL_PATHS + 2] = { 0 };
	size_t n = 0;

	for (size_t k = 0; k < w->n_kinds; k++) {
		const char *path = kernel_work__path(w, k);
		size_t i = 0;

		if (k == w->untold)
			continue;
		while (i < n && strcmp(lines[i].path, path) != 0)
			i++;
		if (i == N_KERNEL_PATHS + 1)
			continue;	/* a path that this version does not know */
		if (i == n)
			lines[n++] = (struct line){ .name = path, .path = path };
		add_kind(&lines[i], w, k);
	}
	return put_lines(t, lines, n, true);
}

static int put_calls(const struct text *t)
{
	const struct kernel_work *w = t->l->kernel;
	struct line *lines = calloc(w->n_kinds, sizeof(*lines));
	int rc;

	if (!lines)
		return -ENOMEM;
	for (size_t k = 0; k < w->n_kinds; k++) {
		lines[k].name = kernel_work__name(w, k);
		lines[k].path = kernel_work__path(w, k);
		add_kind(&lines[k], w, k);
	}
	putc('\n', t->f);
	rc = put_lines(t, lines, w->n_kinds, false);
	free(lines);
	return rc;
}

int text__kernel(const struct text *t)
{
	char reason[KERNEL_REASON_SIZE];
	int rc;

	if (!t->l->kernel)
		return 0;
	text__heading(t, "Kernel time");
	rc = put_paths(t);
	if (!rc)
		rc = put_calls(t);
	kernel__reason(t->l, reason, sizeof(reason));
	if (!rc)
		text__paragraph(t, "%s: %s", kernel__grade(t->l) == GRADE_MEASURED ? "Measured" : "Derived", reason);
	return rc;
}
