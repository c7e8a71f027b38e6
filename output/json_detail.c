/* SPDX-License-Identifier: Apache-2.0 */
#include "output/json_detail.h"

#include "bpf/records.h"
#include "output/facts.h"
#include "output/groups.h"
#include "output/json_operators.h"
#include "output/json_ioctl.h"
#include "output/token_list.h"
#include "userspace/analysis/ratios.h"

void json_detail__figures(struct json_writer *w, const struct ledger *l, const int64_t *figures, int kind)
{
	for (size_t i = 0; i < N_RESOURCE_KEYS; i++)
		if (resource_keys[i].kind == kind)
			json_writer__put_optional(
				w, resource_keys[i].name,
				resource__value(l, resource__find(l, resource_keys[i].name), figures));
	if (kind != RESOURCE_ADDITIVE)
		return;
	json_writer__put_object(w, "counters");
	for (size_t k = 0; k < l->n_resources; k++)
		if (resource__is_counter(&l->resources[k]))
			json_writer__put_optional(w, l->resources[k].row->name, resource__value(l, (int)k, figures));
	json_writer__end_object(w);
	if (ratios__any(l)) {
		const struct ratios r = ratios__of(l, figures);

		json_writer__put_number(w, "ipc", r.ipc);
		json_writer__put_number(w, "bytes_per_instruction", r.bytes_per_instruction);
		json_writer__put_number(w, "frequency_hz", r.frequency_hz);
	}
	json_ioctl__put_figures(w, l, figures);
}

static void put_cost(struct json_writer *w, const struct ledger *l, const int64_t *figures)
{
	json_writer__put_object(w, "cost");
	json_detail__figures(w, l, figures, RESOURCE_ADDITIVE);
	json_writer__end_object(w);
}

static int64_t request_id_of_run(const struct timeline *t, uint32_t run)
{
	if (run == RUN_NONE || t->runs[run].request == REQUEST_NONE)
		return ABSENT;
	return t->recording->requests[t->runs[run].request].id;
}

static void put_step_row(struct json_writer *w, const struct ledger *l, uint32_t at)
{
	const struct timeline *t = l->timeline;
	const struct timeline_row *row = &t->rows[at];
	const bool known = row->seq >= 0;

	json_writer__begin_object(w);
	json_writer__put_optional(w, "request", request_id_of_run(t, row->run));
	json_writer__put_optional(w, "seq", known ? row->seq : ABSENT);
	json_writer__put_string(w, "phase", phase__name((enum phase)row->phase));
	json_writer__put_optional(w, "first_pos", known ? row->first_pos : ABSENT);
	json_writer__put_integer(w, "n_tokens", row->n_tokens);
	json_writer__put_optional(w, "n_outputs", known ? row->n_outputs : ABSENT);
	json_writer__put_optional(w, "n_emitted", known ? row->n_emitted : ABSENT);
	json_writer__put_bool(w, "counted", row->counted);
	json_writer__put_bool(w, "recompute", row->recompute);
	if (l->row_cost)
		put_cost(w, l, &l->row_cost[at * l->n_resources]);
	else
		json_writer__put_null(w, "cost");
	json_writer__end_object(w);
}

static void put_step(struct json_writer *w, const struct ledger *l, size_t i)
{
	const struct timeline *t = l->timeline;
	const struct row_step *step = &t->recording->steps[i];
	int64_t use[MAX_RESOURCES];

	for (size_t k = 0; k < l->n_resources; k++)
		use[k] = ledger__step_use(l, i, k);
	json_writer__begin_object(w);
	json_writer__put_integer(w, "step", step->id);
	json_writer__put_integer(w, "start_ns", (int64_t)step->start_ns);
	json_writer__put_integer(w, "end_ns", (int64_t)step->end_ns);
	json_writer__put_integer(w, "tid", step->tid);
	json_writer__put_integer(w, "context", step->context);
	json_writer__put_string(w, "context_role", recording__context_role(t->recording, step->context));
	json_writer__put_string(w, "kind", step->kind == STEP_ENCODE ? "encode" : "decode");
	json_writer__put_integer(w, "ret", step->ret);
	json_writer__put_bool(w, "draft", step->flags & STEP_DRAFT);
	json_writer__put_bool(w, "no_return", step->flags & STEP_NO_RETURN);
	json_writer__put_bool(w, "nested", step->flags & STEP_NESTED);
	json_writer__put_optional(w, "n_tokens", step->n_tokens);
	json_writer__put_integer(w, "runq_ns", (int64_t)step->runq_ns);
	json_writer__put_integer(w, "blocked_ns", (int64_t)step->blocked_ns);
	json_writer__put_optional(w, "futex_ns", step->futex_ns);
	json_writer__put_optional(w, "server_runq_ns", step->server_runq_ns);
	json_writer__put_optional(w, "server_fault_ns", step->server_fault_ns);
	json_writer__put_optional(w, "mean_khz", step->mean_khz);
	json_writer__put_optional(w, "clock_changes", step->clock_changes);
	put_cost(w, l, use);
	json_writer__put_array(w, "rows");
	for (uint32_t at = t->step_first_row[i]; at < t->step_first_row[i + 1]; at++)
		put_step_row(w, l, at);
	json_writer__end_array(w);
	json_writer__end_object(w);
}

struct token_sink {
	struct json_writer *w;
	const struct ledger *ledger;
};

static void put_token(void *ctx, const struct token *token)
{
	const struct token_sink *sink = ctx;
	struct json_writer *w = sink->w;

	json_writer__begin_object(w);
	json_writer__put_integer(w, "request", sink->ledger->timeline->recording->requests[token->request].id);
	json_writer__put_integer(w, "completion", token->completion);
	json_writer__put_string(w, "kind", token->kind);
	json_writer__put_optional(w, "index", token->index);
	json_writer__put_string(w, "phase", token->phase < 0 ? NULL : phase__name((enum phase)token->phase));
	json_writer__put_optional(w, "step", token->step);
	json_writer__put_optional(w, "time_ns", token->time_ns ? (int64_t)token->time_ns : ABSENT);
	put_cost(w, sink->ledger, token->cost);
	json_writer__end_object(w);
}

static int put_tokens(struct json_writer *w, const struct ledger *l)
{
	struct token_sink sink = { .w = w, .ledger = l };
	struct token_list list;
	int rc = token_list__build(&list, l);

	if (rc < 0)
		return rc;
	json_writer__put_array(w, "tokens");
	for (size_t i = 0; i < l->timeline->recording->n_requests; i++)
		token_list__each(&list, i, put_token, &sink);
	json_writer__end_array(w);
	token_list__free(&list);
	return 0;
}

static void put_group(struct json_writer *w, const struct ledger *l, const struct group *group, const char *name_key)
{
	json_writer__begin_object(w);
	json_writer__put_string(w, name_key, group->name);
	json_writer__put_integer(w, "n_requests", group->n_requests);
	json_writer__put_integer(w, "n_incomplete", group->n_incomplete);
	json_writer__put_optional(w, "n_steps", group->n_steps);
	json_writer__put_optional(w, "n_tokens", group->n_tokens);
	json_writer__put_object(w, "billed");
	json_writer__put_optional(w, "prompt_tokens", group->billed_prompt_tokens);
	json_writer__put_optional(w, "completion_tokens", group->billed_completion_tokens);
	json_writer__end_object(w);
	json_writer__put_object(w, "computed");
	json_writer__put_optional(w, "prompt_tokens", group->prompt_tokens);
	json_writer__put_optional(w, "cached_tokens", group->cached_tokens);
	json_writer__put_optional(w, "completion_tokens", group->completion_tokens);
	json_writer__end_object(w);
	put_cost(w, l, group->cost);
	json_writer__end_object(w);
}

static int put_groups(struct json_writer *w, const struct ledger *l, enum report_by by, const char *list_key,
		      const char *name_key)
{
	struct groups groups;
	int rc = groups__build(&groups, l, by);

	if (rc < 0)
		return rc;
	json_writer__put_array(w, list_key);
	for (size_t i = 0; i < groups.n; i++)
		put_group(w, l, &groups.groups[i], name_key);
	json_writer__end_array(w);
	groups__free(&groups);
	return 0;
}

int json_detail__put(struct json_writer *w, const struct ledger *l, enum report_by by)
{
	switch (by) {
	case BY_STEP:
		json_writer__put_array(w, "steps");
		for (size_t i = 0; i < l->timeline->recording->n_steps; i++)
			put_step(w, l, i);
		json_writer__end_array(w);
		return 0;
	case BY_TOKEN:
		return put_tokens(w, l);
	case BY_PHASE:
		return put_groups(w, l, by, "phases", "phase");
	case BY_MODEL:
		return put_groups(w, l, by, "models", "model");
	case BY_CLIENT:
		return put_groups(w, l, by, "clients", "client");
	case BY_OPERATOR:
	case BY_LAYER:
		return json_operators__put(w, l, by);
	default:
		return 0;
	}
}
