/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV after RFC 4180: a header row, records ended by CR LF, fields quoted where they have to be. Units are in the names;
 * an absent figure is an empty field. One record per request, or per what --by says.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "bpf/records.h"
#include "output/facts.h"
#include "output/groups.h"
#include "output/output.h"
#include "output/token_list.h"
#include "output/utf8.h"
#include "userspace/analysis/kernel_work.h"
#include "userspace/analysis/operators.h"
#include "userspace/analysis/ratios.h"
#include "userspace/kernel_kind.h"

struct csv {
	FILE *f;
	bool begun; /* a field of this record was written */
};

/* Names come from a process that is not trusted, and CSV ends up on a terminal as text does: no control reaches it. */
static void csv__text(struct csv *c, const char *text)
{
	size_t n = text ? strlen(text) : 0;
	uint32_t code_point;
	char piece[8];
	bool quoted;

	if (c->begun)
		putc(',', c->f);
	c->begun = true;
	if (!text)
		return;
	quoted = strpbrk(text, ",\"");
	if (quoted)
		putc('"', c->f);
	while (n > 0) {
		size_t used = utf8__decode(text, n, &code_point);

		utf8__defuse(piece, sizeof(piece), text, used);
		fputs(code_point == '"' ? "\"\"" : piece, c->f);
		text += used;
		n -= used;
	}
	if (quoted)
		putc('"', c->f);
}

static void csv__number(struct csv *c, int64_t value)
{
	char text[24] = "";

	if (value != ABSENT)
		snprintf(text, sizeof(text), "%" PRId64, value);
	csv__text(c, text);
}

static void csv__real(struct csv *c, double value, int decimals)
{
	char text[40] = "";

	if (!isnan(value))
		snprintf(text, sizeof(text), "%.*f", decimals, value);
	csv__text(c, text);
}

static void csv__bool(struct csv *c, bool value)
{
	csv__text(c, value ? "true" : "false");
}

static void csv__end(struct csv *c)
{
	fputs("\r\n", c->f);
	c->begun = false;
}

static void csv__header(struct csv *c, const char *const *names)
{
	for (; *names; names++)
		csv__text(c, *names);
}

/* Names of every resource; with `durations` those too that have no total. */
static void csv__resource_names(struct csv *c, const struct ledger *l, bool durations)
{
	for (size_t i = 0; i < N_RESOURCE_KEYS; i++)
		if (durations || resource_keys[i].kind == RESOURCE_ADDITIVE)
			csv__text(c, resource_keys[i].name);
	for (size_t k = 0; k < l->n_resources; k++)
		if (resource__is_counter(&l->resources[k]) || resource__is_ioctl(&l->resources[k]))
			csv__text(c, l->resources[k].row->name);
	if (ratios__any(l)) {
		csv__text(c, "ipc");
		csv__text(c, "bytes_per_instruction");
		csv__text(c, "frequency_hz");
	}
	csv__end(c);
}

static void csv__resources(struct csv *c, const struct ledger *l, const int64_t *figures, bool durations)
{
	for (size_t i = 0; i < N_RESOURCE_KEYS; i++)
		if (durations || resource_keys[i].kind == RESOURCE_ADDITIVE)
			csv__number(c, resource__value(l, resource__find(l, resource_keys[i].name), figures));
	for (size_t k = 0; k < l->n_resources; k++)
		if (resource__is_counter(&l->resources[k]) || resource__is_ioctl(&l->resources[k]))
			csv__number(c, resource__value(l, (int)k, figures));
	if (ratios__any(l)) {
		const struct ratios r = ratios__of(l, figures);

		csv__real(c, r.ipc, 4);
		csv__real(c, r.bytes_per_instruction, 4);
		csv__real(c, r.frequency_hz, 0);
	}
	csv__end(c);
}

/* Of each path the calls and their CPU time, before the resources; nothing where none were recorded. */
static void csv__kernel_names(struct csv *c, const struct ledger *l)
{
	char name[KERNEL_NAME_SIZE];

	for (int p = 0; l->kernel && p <= N_KERNEL_PATHS; p++) {
		snprintf(name, sizeof(name), "kernel_%s_count", p < N_KERNEL_PATHS ? kernel_path_names[p] : "fault");
		csv__text(c, name);
		snprintf(name, sizeof(name), "kernel_%s_ns", p < N_KERNEL_PATHS ? kernel_path_names[p] : "fault");
		csv__text(c, name);
	}
}

static void csv__kernel(struct csv *c, const struct ledger *l, size_t request)
{
	const struct kernel_figure *figures = l->kernel ? &l->kernel->requests[request * l->kernel->n_kinds] : NULL;

	for (int p = 0; figures && p <= N_KERNEL_PATHS; p++) {
		const char *path = p < N_KERNEL_PATHS ? kernel_path_names[p] : "fault";
		struct kernel_figure sum = { 0, 0 };

		for (size_t k = 0; k < l->kernel->n_kinds; k++) {
			if (strcmp(kernel_work__path(l->kernel, k), path) != 0)
				continue;
			sum.n += figures[k].n;
			sum.ns += figures[k].ns;
		}
		csv__number(c, sum.n);
		csv__number(c, sum.ns);
	}
}

static void put_incomplete(struct csv *c, uint32_t incomplete)
{
	char list[160] = "";
	size_t n = 0;

	for (size_t k = 0; k < N_INCOMPLETE_REASONS && n < sizeof(list); k++)
		if (incomplete & incomplete_reasons[k].bit)
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? " " : "",
					      incomplete_reasons[k].name);
	csv__text(c, list);
}

static void put_request(struct csv *c, const struct ledger *l, size_t i)
{
	const struct row_request *row = &l->timeline->recording->requests[i];
	const struct timeline_request *request = &l->timeline->requests[i];

	csv__number(c, row->id);
	csv__text(c, row->api_id);
	csv__text(c, row->method);
	csv__text(c, row->path);
	csv__number(c, row->status ? row->status : ABSENT);
	csv__bool(c, row->stream);
	csv__text(c, row->client);
	csv__text(c, row->model);
	csv__number(c, (int64_t)row->arrival_ns);
	csv__number(c, row->end_ns ? (int64_t)row->end_ns : ABSENT);
	csv__text(c, match__name(request->match));
	csv__bool(c, request__incomplete(l, i) == 0);
	put_incomplete(c, request__incomplete(l, i));
	csv__text(c, row->finish_reason);
	csv__number(c, row->billed_prompt_tokens);
	csv__number(c, row->billed_cached_tokens);
	csv__number(c, row->billed_completion_tokens);
	csv__number(c, request->prompt_tokens);
	csv__number(c, request->cached_tokens);
	csv__number(c, request->completion_tokens);
	csv__number(c, request->draft_tokens);
	csv__number(c, request->draft_rejected_tokens);
	csv__number(c, request->wait_ns);
	csv__number(c, request->ttft_ns);
	csv__number(c, request->tpot_ns);
	csv__number(c, request->e2el_ns);
	csv__kernel(c, l, i);
	csv__resources(c, l, l->requests[i].cost, true);
}

static int write_requests(struct csv *c, const struct ledger *l, enum report_by by)
{
	static const char *const names[] = {
		"id",
		"api_id",
		"method",
		"path",
		"status",
		"stream",
		"client",
		"model",
		"arrival_ns",
		"end_ns",
		"match",
		"complete",
		"incomplete_reasons",
		"finish_reason",
		"billed_prompt_tokens",
		"billed_cached_tokens",
		"billed_completion_tokens",
		"computed_prompt_tokens",
		"computed_cached_tokens",
		"computed_completion_tokens",
		"draft_tokens",
		"draft_rejected_tokens",
		"wait_ns",
		"ttft_ns",
		"tpot_ns",
		"e2el_ns",
		NULL,
	};

	(void)by;
	csv__header(c, names);
	csv__kernel_names(c, l);
	csv__resource_names(c, l, true);
	for (size_t i = 0; i < l->timeline->recording->n_requests; i++)
		put_request(c, l, i);
	return 0;
}

/* One record per row of a step, so that no field holds a list; a step without rows has one with those fields empty. */
static void put_step_row(struct csv *c, const struct ledger *l, size_t i, const struct timeline_row *row)
{
	const struct timeline *t = l->timeline;
	const struct row_step *step = &t->recording->steps[i];
	const bool known = row && row->seq >= 0;
	bool matched = row && row->run != RUN_NONE && t->runs[row->run].request != REQUEST_NONE;
	int64_t figures[MAX_RESOURCES];

	csv__number(c, step->id);
	csv__number(c, (int64_t)step->start_ns);
	csv__number(c, (int64_t)step->end_ns);
	csv__text(c, recording__context_role(t->recording, step->context));
	csv__text(c, step->kind == STEP_ENCODE ? "encode" : "decode");
	csv__number(c, step->ret);
	csv__number(c, step->n_tokens);
	csv__number(c, matched ? t->recording->requests[t->runs[row->run].request].id : ABSENT);
	csv__number(c, known ? row->seq : ABSENT);
	csv__text(c, row ? phase__name((enum phase)row->phase) : NULL);
	csv__number(c, known ? row->first_pos : ABSENT);
	csv__number(c, row ? row->n_tokens : ABSENT);
	csv__number(c, known ? row->n_outputs : ABSENT);
	csv__number(c, known ? row->n_emitted : ABSENT);
	for (size_t k = 0; k < l->n_resources; k++)
		figures[k] = row && l->row_cost ? l->row_cost[(size_t)(row - t->rows) * l->n_resources + k] :
						  ledger__step_use(l, i, k);
	csv__resources(c, l, figures, false);
}

static int write_steps(struct csv *c, const struct ledger *l, enum report_by by)
{
	static const char *const names[] = {
		"step",	 "start_ns",  "end_ns",	  "context_role", "kind",      "ret", "step_n_tokens", "request", "seq",
		"phase", "first_pos", "n_tokens", "n_outputs",	  "n_emitted", NULL,
	};
	const struct timeline *t = l->timeline;

	(void)by;
	csv__header(c, names);
	csv__resource_names(c, l, false);
	for (size_t i = 0; i < t->recording->n_steps; i++) {
		uint32_t at = t->step_first_row[i], end = t->step_first_row[i + 1];

		if (at == end)
			put_step_row(c, l, i, NULL);
		for (; at < end; at++)
			put_step_row(c, l, i, &t->rows[at]);
	}
	return 0;
}

struct token_sink {
	struct csv *csv;
	const struct ledger *ledger;
};

static void put_token(void *ctx, const struct token *token)
{
	const struct token_sink *sink = ctx;
	struct csv *c = sink->csv;

	csv__number(c, sink->ledger->timeline->recording->requests[token->request].id);
	csv__number(c, token->completion);
	csv__text(c, token->kind);
	csv__number(c, token->index);
	csv__text(c, token->phase < 0 ? NULL : phase__name((enum phase)token->phase));
	csv__number(c, token->step);
	csv__number(c, token->time_ns ? (int64_t)token->time_ns : ABSENT);
	csv__resources(c, sink->ledger, token->cost, false);
}

static int write_tokens(struct csv *c, const struct ledger *l, enum report_by by)
{
	static const char *const names[] = {
		"request", "completion", "kind", "index", "phase", "step", "time_ns", NULL
	};
	struct token_sink sink = { .csv = c, .ledger = l };
	struct token_list list;
	int rc = token_list__build(&list, l);

	(void)by;
	if (rc < 0)
		return rc;
	csv__header(c, names);
	csv__resource_names(c, l, false);
	for (size_t i = 0; i < l->timeline->recording->n_requests; i++)
		token_list__each(&list, i, put_token, &sink);
	token_list__free(&list);
	return 0;
}

static int write_groups(struct csv *c, const struct ledger *l, enum report_by by)
{
	static const char *const names[] = {
		"n_requests",
		"n_incomplete",
		"n_steps",
		"n_tokens",
		"billed_prompt_tokens",
		"billed_completion_tokens",
		"computed_prompt_tokens",
		"computed_cached_tokens",
		"computed_completion_tokens",
		NULL,
	};
	struct groups groups;
	int rc = groups__build(&groups, l, by);

	if (rc < 0)
		return rc;
	csv__text(c, by == BY_PHASE ? "phase" : by == BY_MODEL ? "model" : "client");
	csv__header(c, names);
	csv__resource_names(c, l, false);
	for (size_t i = 0; i < groups.n; i++) {
		const struct group *group = &groups.groups[i];

		csv__text(c, group->name);
		csv__number(c, group->n_requests);
		csv__number(c, group->n_incomplete);
		csv__number(c, group->n_steps);
		csv__number(c, group->n_tokens);
		csv__number(c, group->billed_prompt_tokens);
		csv__number(c, group->billed_completion_tokens);
		csv__number(c, group->prompt_tokens);
		csv__number(c, group->cached_tokens);
		csv__number(c, group->completion_tokens);
		csv__resources(c, l, group->cost, false);
	}
	groups__free(&groups);
	return 0;
}

/* One record per part: an operator or a layer, and what is in no graph. */
static int write_operators(struct csv *c, const struct ledger *l, enum report_by by)
{
	static const char *const names[] = { "resource", "n_nodes", NULL }, *const sums[] = { "total", "low", "high",
											      NULL };
	struct operator_split s;
	int rc = operator_split__build(&s, l->timeline, by == BY_LAYER ? SPLIT_BY_LAYER : SPLIT_BY_OPERATOR);

	if (rc < 0)
		return rc;
	csv__text(c, by == BY_LAYER ? "layer" : "operator");
	csv__header(c, names);
	for (int m = 0; m < N_MIXES; m++)
		csv__text(c, step_mix__name(m));
	csv__header(c, sums);
	csv__end(c);
	for (size_t i = 0; i < s.n_parts; i++) {
		const struct operator_part *part = &s.parts[i];

		if (part->name)
			csv__text(c, part->name);
		else
			csv__number(c, part->layer);
		csv__text(c, s.resource);
		csv__number(c, part->n_nodes);
		for (int m = 0; m < N_MIXES; m++)
			csv__number(c, s.mixes[m].n_steps > 0 ? part->value[m] : ABSENT);
		csv__number(c, part->total);
		csv__number(c, part->low);
		csv__number(c, part->high);
		csv__end(c);
	}
	operator_split__free(&s);
	return 0;
}

static int csv__write(FILE *f, const struct ledger *l, const struct output_options *options)
{
	static int (*const writers[N_REPORT_BY])(struct csv *, const struct ledger *, enum report_by) = {
		[BY_REQUEST] = write_requests,	 [BY_TOKEN] = write_tokens,    [BY_STEP] = write_steps,
		[BY_PHASE] = write_groups,	 [BY_MODEL] = write_groups,    [BY_CLIENT] = write_groups,
		[BY_OPERATOR] = write_operators, [BY_LAYER] = write_operators,
	};
	struct csv c = { .f = f };
	int rc = writers[options->by](&c, l, options->by);

	return rc < 0 ? rc : ferror(f) ? -EIO : 0;
}

const struct output output_csv = {
	.name = "csv",
	.extension = "csv",
	.write = csv__write,
};
