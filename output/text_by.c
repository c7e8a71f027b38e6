/* SPDX-License-Identifier: Apache-2.0 */
/* What --by asks for in the place of requests: steps, tokens, or groups of requests. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "bpf/records.h"
#include "output/facts.h"
#include "output/figure.h"
#include "output/groups.h"
#include "output/text.h"
#include "output/token_list.h"

#define MAX_ROWS_TEXT 4000

static int64_t since_start(const struct text *t, uint64_t time_ns)
{
	return (int64_t)time_ns - (int64_t)recording__start_ns(t->r);
}

/* Seconds of the recording, so that lines can be compared: "12.345678" */
static void cell_instant(struct table *table, const struct text *t, uint64_t time_ns)
{
	int64_t ns = since_start(t, time_ns);

	if (time_ns == 0)
		table__cell(table, "-");
	else
		table__cell(table, "%s%" PRId64 ".%06" PRId64, ns < 0 ? "-" : "", (ns < 0 ? -ns : ns) / 1000000000,
			    (ns < 0 ? -ns : ns) / 1000 % 1000000);
}

static void list_rows(const struct text *t, size_t step, char *out, size_t size)
{
	const struct timeline *timeline = t->l->timeline;
	size_t n = 0;

	out[0] = '\0';
	for (uint32_t at = timeline->step_first_row[step]; at < timeline->step_first_row[step + 1]; at++) {
		const struct timeline_row *row = &timeline->rows[at];
		char seq[16] = "?", first_pos[16] = "?", item[96];
		int length;

		if (row->seq >= 0) {
			snprintf(seq, sizeof(seq), "%" PRId32, row->seq);
			snprintf(first_pos, sizeof(first_pos), "%" PRId32, row->first_pos);
		}
		length = snprintf(item, sizeof(item), "%s%s:%s:%" PRIu32 "@%s%s", n ? " " : "", seq,
				  phase__name((enum phase)row->phase), row->n_tokens, first_pos,
				  row->recompute ? ":recompute" : "");
		if (n + (size_t)length + 8 >= size) {
			snprintf(out + n, size - n, " ...");
			return;
		}
		memcpy(out + n, item, (size_t)length + 1);
		n += (size_t)length;
	}
}

static void context_of(const struct text *t, const struct row_step *step, char *out, size_t size)
{
	const char *role = recording__context_role(t->r, step->context);

	snprintf(out, size, "%d%s%s", step->context, role ? " " : "", role ? role : "");
}

int text__steps(const struct text *t)
{
	static const struct table_column columns[] = {
		{ "step", COLUMN_NUMBER, 0 },	{ "at, s", COLUMN_NUMBER, 0 },
		{ "time", COLUMN_NUMBER, 0 },	{ "context", COLUMN_TEXT, 0 },
		{ "tokens", COLUMN_NUMBER, 0 }, { "CPU", COLUMN_NUMBER, 0 },
		{ "ret", COLUMN_NUMBER, 0 },	{ "rows (seq:phase:n@pos)", COLUMN_WRAP, 24 },
	};
	bool cpu_measured = resource__find(t->l, "cpu_ns") >= 0;
	char rows[MAX_ROWS_TEXT], context[48];
	struct table *table;

	text__heading(t, "Steps");
	table = text__table(t, columns, 8);
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < t->r->n_steps; i++) {
		const struct row_step *step = &t->r->steps[i];
		int64_t cpu = cpu_measured ? recording__step_use(t->r, step->id, RESOURCE_CPU_NS) : ABSENT;

		list_rows(t, i, rows, sizeof(rows));
		context_of(t, step, context, sizeof(context));
		table__cell(table, "%" PRId64, step->id);
		cell_instant(table, t, step->start_ns);
		table__cell(table, "%s", figure__time((int64_t)(step->end_ns - step->start_ns)).s);
		table__cell(table, "%s", context);
		table__cell(table, "%s", figure__integer(step->n_tokens).s);
		table__cell(table, "%s", figure__time(cpu).s);
		table__styled(table, step->ret ? STYLE_BAD : STYLE_PLAIN, "%d", step->ret);
		table__cell(table, "%s%s", step->flags & STEP_NO_RETURN ? "(thrown out of) " : "", rows);
		table__end_row(table);
	}
	return table__finish(table);
}

struct token_sink {
	const struct text *t;
	struct table *table;
	int cpu, kernel;
};

static void put_token(void *ctx, const struct token *token)
{
	struct token_sink *sink = ctx;
	struct table *table = sink->table;

	table__cell(table, "%" PRId64, sink->t->r->requests[token->request].id);
	table__cell(table, "%d", token->completion);
	table__cell(table, "%s", token->kind);
	table__cell(table, "%s", figure__integer(token->index).s);
	table__cell(table, "%s", token->phase < 0 ? "-" : phase__name((enum phase)token->phase));
	table__cell(table, "%s", figure__integer(token->step).s);
	cell_instant(table, sink->t, token->time_ns);
	table__cell(table, "%s", figure__time(resource__value(sink->t->l, sink->cpu, token->cost)).s);
	table__cell(table, "%s", figure__time(resource__value(sink->t->l, sink->kernel, token->cost)).s);
	table__end_row(table);
}

int text__tokens(const struct text *t)
{
	static const struct table_column columns[] = {
		{ "request", COLUMN_NUMBER, 0 }, { "of n", COLUMN_NUMBER, 0 }, { "kind", COLUMN_TEXT, 0 },
		{ "index", COLUMN_NUMBER, 0 },	 { "phase", COLUMN_TEXT, 0 },  { "step", COLUMN_NUMBER, 0 },
		{ "at, s", COLUMN_NUMBER, 0 },	 { "CPU", COLUMN_NUMBER, 0 },  { "kernel", COLUMN_NUMBER, 0 },
	};
	struct token_sink sink = { .t = t };
	struct token_list list;
	int rc = token_list__build(&list, t->l);

	if (rc < 0)
		return rc;
	text__heading(t, "Tokens");
	sink.cpu = resource__find(t->l, "cpu_ns");
	sink.kernel = resource__find(t->l, "kernel_ns");
	sink.table = text__table(t, columns, 9);
	if (sink.table)
		for (size_t i = 0; i < t->r->n_requests; i++)
			token_list__each(&list, i, put_token, &sink);
	token_list__free(&list);
	rc = table__finish(sink.table);
	text__paragraph(t, "of n: the completion, where the client asked for several. The first generated token of a "
			   "completion falls out of the prompt's last step: its cost is in "
			   "the prompt tokens. at: end of the step, in seconds of the recording.");
	return rc;
}

int text__groups(const struct text *t)
{
	static const struct table_column columns[] = {
		{ "", COLUMN_SHRINK_END, 12 },	{ "requests", COLUMN_NUMBER, 0 }, { "prompt", COLUMN_NUMBER, 0 },
		{ "cached", COLUMN_NUMBER, 0 }, { "output", COLUMN_NUMBER, 0 },	  { "CPU", COLUMN_NUMBER, 0 },
		{ "kernel", COLUMN_NUMBER, 0 }, { "faults", COLUMN_NUMBER, 0 },
	};
	int cpu = resource__find(t->l, "cpu_ns"), kernel = resource__find(t->l, "kernel_ns");
	int faults = resource__find(t->l, "faults");
	const char *unnamed = t->options->by == BY_MODEL ? "not named" : "not known";
	bool any_unnamed = false;
	int64_t n_incomplete = 0;
	struct groups groups;
	struct table *table;
	int rc;

	if (t->options->by == BY_PHASE) {
		rc = text__phases(t);
		return rc < 0 ? rc : text__counters(t);
	}
	rc = groups__build(&groups, t->l, t->options->by);
	if (rc < 0)
		return rc;
	text__heading(t, t->options->by == BY_MODEL ? "Models" : "Clients");
	table = text__table(t, columns, 8);
	for (size_t i = 0; table && i < groups.n; i++) {
		const struct group *group = &groups.groups[i];

		n_incomplete += group->n_incomplete;
		table__styled(table, group->name ? STYLE_PLAIN : STYLE_DIM, "%s", group->name ? group->name : unnamed);
		any_unnamed |= !group->name;
		table__cell(table, "%s", figure__count(group->n_requests).s);
		table__cell(table, "%s", figure__integer(group->prompt_tokens).s);
		table__cell(table, "%s", figure__integer(group->cached_tokens).s);
		table__cell(table, "%s", figure__integer(group->completion_tokens).s);
		table__cell(table, "%s", figure__time(resource__value(t->l, cpu, group->cost)).s);
		table__cell(table, "%s", figure__time(resource__value(t->l, kernel, group->cost)).s);
		table__cell(table, "%s", figure__count(resource__value(t->l, faults, group->cost)).s);
		table__end_row(table);
	}
	groups__free(&groups);
	rc = table__finish(table);
	text__paragraph(t, "Tokens as computed: prompt without the cached ones.");
	if (any_unnamed)
		text__paragraph(t, "%s: %s", unnamed,
				t->options->by == BY_MODEL ? "neither the request nor its answer names a model" :
							     "the connection was open before the recording began");
	if (n_incomplete)
		text__paragraph(t, "Incomplete requests: %" PRId64 "; the sums may be short of their tokens.",
				n_incomplete);
	return rc;
}
