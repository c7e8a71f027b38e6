/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schema "tokprof.report/1": a contract. Keys are added, never renamed, moved or dropped; every key is always there, null
 * where a figure was not measured.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "output/facts.h"
#include "output/groups.h"
#include "output/json_cost.h"
#include "output/json_detail.h"
#include "output/json_ioctl.h"
#include "output/json_kernel.h"
#include "output/json_memory.h"
#include "output/json_model.h"
#include "output/json_touched.h"
#include "output/json_writer.h"
#include "output/output.h"
#include "userspace/analysis/ratios.h"

static void put_loss(void *ctx, const char *collector, int64_t n)
{
	json_writer__put_integer(ctx, collector, n);
}

static void put_recording(struct json_writer *w, const struct recording *r)
{
	uint64_t start = recording__start_ns(r);

	json_writer__put_object(w, "recording");
	json_writer__put_string(w, "id", recording__meta(r, "id"));
	json_writer__put_optional(w, "start_unix_ns", recording__start_unix_ns(r));
	json_writer__put_integer(w, "duration_ns", (int64_t)(recording__end_ns(r) - start));
	json_writer__put_bool(w, "complete", recording__complete(r));
	json_writer__put_object(w, "losses");
	recording__each_loss(r, put_loss, w);
	json_writer__end_object(w);
	json_writer__put_integer(w, "start_ns", (int64_t)start);
	json_writer__put_string(w, "end_reason", recording__meta(r, "end_reason"));
	json_writer__put_string(w, "tokprof_version", recording__meta(r, "tokprof_version"));
	json_writer__put_string(w, "host", recording__meta(r, "host"));
	json_writer__put_string(w, "kernel", recording__meta(r, "kernel"));
	json_writer__put_string(w, "cpu_model", recording__meta(r, "cpu_model"));
	json_writer__put_optional(w, "n_cpus", recording__meta_int(r, "n_cpus"));
	json_writer__put_array(w, "collectors");
	for (size_t i = 0; i < r->n_collectors; i++) {
		json_writer__begin_object(w);
		json_writer__put_string(w, "name", r->collectors[i].name);
		json_writer__put_string(w, "state", r->collectors[i].state);
		json_writer__put_string(w, "reason", r->collectors[i].reason);
		json_writer__end_object(w);
	}
	json_writer__end_array(w);
	json_writer__end_object(w);
}

static void put_engines(struct json_writer *w, const struct recording *r)
{
	json_writer__put_array(w, "engines");
	for (size_t i = 0; i < r->n_engines; i++) {
		const struct row_engine *engine = &r->engines[i];

		json_writer__begin_object(w);
		json_writer__put_integer(w, "pid", engine->pid);
		json_writer__put_string(w, "engine", engine->name);
		json_writer__put_string(w, "engine_version", engine->version);
		json_writer__put_string(w, "build_id", engine->build_id);
		json_writer__put_string(w, "path", engine->path);
		json_writer__put_string(w, "rows_source", engine->rows_source);
		json_writer__end_object(w);
	}
	json_writer__end_array(w);
}

/* A process that came back under the same number is one row more of the recording, not one pid more. */
static void put_pids(struct json_writer *w, const struct recording *r)
{
	json_writer__put_array(w, "pids");
	for (size_t i = 0; i < r->n_processes; i++)
		if (i == 0 || r->processes[i].pid != r->processes[i - 1].pid)
			json_writer__integer(w, r->processes[i].pid);
	json_writer__end_array(w);
}

static void put_server(struct json_writer *w, const struct recording *r)
{
	const struct row_engine *engine = recording__engine(r);

	json_writer__put_object(w, "server");
	json_writer__put_string(w, "engine", engine ? engine->name : NULL);
	json_writer__put_string(w, "engine_version", engine ? engine->version : NULL);
	put_pids(w, r);
	json_writer__key(w, "model");
	json_model__write(w, recording__model(r));
	put_engines(w, r);
	json_writer__put_array(w, "models");
	for (size_t i = 0; i < r->n_models; i++)
		json_model__write(w, &r->models[i]);
	json_writer__end_array(w);
	json_writer__end_object(w);
}

static void put_evidence_of(struct json_writer *w, const char *name, int grade, const char *source, const char *reason)
{
	json_writer__put_object(w, name);
	json_writer__put_string(w, "grade", grade__name(grade));
	json_writer__put_string(w, "source", source);
	json_writer__put_string(w, "reason", reason);
	json_writer__end_object(w);
}

static void put_evidence(struct json_writer *w, const struct ledger *l)
{
	json_writer__put_object(w, "evidence");
	for (size_t i = 0; i < N_RESOURCE_KEYS; i++) {
		const struct resource_key *key = &resource_keys[i];
		int k = resource__find(l, key->name);
		const struct row_resource *row = k >= 0 ? l->resources[k].row : NULL;

		if (row)
			put_evidence_of(w, key->name, row->grade, row->source, row->reason);
		else
			put_evidence_of(w, key->name, GRADE_UNAVAILABLE, NULL, key->missing);
	}
	for (size_t k = 0; k < l->n_resources; k++) {
		const struct row_resource *row = l->resources[k].row;

		if (resource__is_counter(&l->resources[k]))
			put_evidence_of(w, row->name, row->grade, row->source, row->reason);
	}
	json_ioctl__put_evidence(w, l);
	json_kernel__put_evidence(w, l);
	json_writer__end_object(w);
}

static void put_tokens(struct json_writer *w, const struct row_request *row, const struct timeline_request *request)
{
	json_writer__put_object(w, "billed");
	json_writer__put_optional(w, "prompt_tokens", row->billed_prompt_tokens);
	json_writer__put_optional(w, "cached_tokens", row->billed_cached_tokens);
	json_writer__put_optional(w, "completion_tokens", row->billed_completion_tokens);
	json_writer__end_object(w);
	json_writer__put_object(w, "computed");
	json_writer__put_optional(w, "prompt_tokens", request->prompt_tokens);
	json_writer__put_optional(w, "cached_tokens", request->cached_tokens);
	json_writer__put_optional(w, "completion_tokens", request->completion_tokens);
	json_writer__put_optional(w, "draft_tokens", request->draft_tokens);
	json_writer__put_optional(w, "draft_rejected_tokens", request->draft_rejected_tokens);
	json_writer__end_object(w);
}

static void put_request_cost(struct json_writer *w, const struct ledger *l, size_t i)
{
	const struct ledger_request *request = &l->requests[i];

	/* What is booked to it: an integer also where no generation was found for it, so that parts sum to totals. `match` says so. */
	json_writer__put_object(w, "cost");
	json_detail__figures(w, l, request->cost, RESOURCE_ADDITIVE);
	json_detail__figures(w, l, request->cost, RESOURCE_DURATION);
	if (!ledger__has_ioctl(l))
		json_writer__put_null(w, "ioctl");
	json_kernel__put_figures(w, l, l->kernel ? &l->kernel->requests[i * l->kernel->n_kinds] : NULL);
	json_writer__put_object(w, "by_phase");
	for (int p = 0; p < N_PHASES; p++) {
		json_writer__put_object(w, phase__name((enum phase)p));
		json_detail__figures(w, l, request->by_phase[p], RESOURCE_ADDITIVE);
		json_writer__end_object(w);
	}
	json_writer__end_object(w);
	json_cost__put_bounds(w, l, request);
	json_writer__end_object(w);
}

static void put_request(struct json_writer *w, const struct ledger *l, size_t i, const struct waiting *wait)
{
	const struct row_request *row = &l->timeline->recording->requests[i];
	const struct timeline_request *request = &l->timeline->requests[i];
	uint32_t incomplete = request__incomplete(l, i);

	json_writer__begin_object(w);
	json_writer__put_integer(w, "id", row->id);
	json_writer__put_string(w, "api_id", row->api_id);
	json_writer__put_string(w, "path", row->path);
	json_writer__put_optional(w, "status", row->status ? row->status : ABSENT);
	json_writer__put_bool(w, "stream", row->stream);
	json_writer__put_string(w, "client", row->client);
	json_writer__put_integer(w, "arrival_ns", (int64_t)row->arrival_ns);
	json_writer__put_optional(w, "end_ns", row->end_ns ? (int64_t)row->end_ns : ABSENT);
	json_writer__put_string(w, "match", match__name(request->match));
	json_writer__put_bool(w, "complete", incomplete == 0);
	json_writer__put_string(w, "finish_reason", row->finish_reason);
	put_tokens(w, row, request);
	json_writer__put_optional(w, "wait_ns", request->wait_ns);
	json_writer__put_optional(w, "ttft_ns", request->ttft_ns);
	json_writer__put_optional(w, "tpot_ns", request->tpot_ns);
	json_writer__put_optional(w, "e2el_ns", request->e2el_ns);
	put_request_cost(w, l, i);
	json_writer__put_string(w, "method", row->method);
	json_writer__put_string(w, "model", row->model);
	json_writer__put_string(w, "response_model", row->response_model);
	json_writer__put_optional(w, "max_tokens", row->max_tokens);
	json_writer__put_integer(w, "n", row->n);
	json_writer__put_bool(w, "client_left", row->client_left);
	json_writer__put_string(w, "match_evidence", request->evidence[0] ? request->evidence : NULL);
	json_cost__put_reference_tokens(w, l, i);
	json_memory__put_per_token(w, l, i);
	json_cost__put_waited_for(w, l->timeline->recording, wait);
	json_writer__put_array(w, "incomplete_reasons");
	for (size_t k = 0; k < N_INCOMPLETE_REASONS; k++)
		if (incomplete & incomplete_reasons[k].bit)
			json_writer__string(w, incomplete_reasons[k].name);
	json_writer__end_array(w);
	json_writer__end_object(w);
}

static void put_requests(struct json_writer *w, const struct ledger *l, const struct waiting *waits)
{
	json_writer__put_array(w, "requests");
	for (size_t i = 0; i < l->timeline->recording->n_requests; i++)
		put_request(w, l, i, waits ? &waits[i] : NULL);
	json_writer__end_array(w);
}

static void put_accounts(struct json_writer *w, const struct ledger *l)
{
	json_writer__put_object(w, "accounts");
	for (int a = 0; a < N_ACCOUNTS; a++) {
		json_writer__put_object(w, accounts[a].name);
		json_detail__figures(w, l, l->accounts[a], RESOURCE_ADDITIVE);
		json_kernel__put_figures(w, l, l->kernel ? &l->kernel->accounts[(size_t)a * l->kernel->n_kinds] : NULL);
		json_writer__end_object(w);
	}
	json_writer__end_object(w);
}

static void put_totals(struct json_writer *w, const struct ledger *l)
{
	int64_t totals[MAX_RESOURCES];

	for (size_t k = 0; k < l->n_resources; k++)
		totals[k] = l->resources[k].total;
	json_writer__put_object(w, "totals");
	json_detail__figures(w, l, totals, RESOURCE_ADDITIVE);
	json_kernel__put_figures(w, l, l->kernel ? l->kernel->totals : NULL);
	json_writer__put_object(w, "source");
	for (size_t i = 0; i < N_RESOURCE_KEYS; i++) {
		int k = resource__find(l, resource_keys[i].name);

		if (resource_keys[i].kind == RESOURCE_ADDITIVE)
			json_writer__put_string(w, resource_keys[i].name,
						k >= 0 && l->resources[k].measured ? l->resources[k].total_source :
										     NULL);
	}
	json_writer__end_object(w);
	json_writer__put_object(w, "check");
	for (size_t k = 0; k < l->n_resources; k++) {
		if (l->resources[k].check_total == ABSENT || !resource__is_additive(&l->resources[k]))
			continue;
		json_writer__put_object(w, l->resources[k].row->name);
		json_writer__put_integer(w, "value", l->resources[k].check_total);
		json_writer__put_string(w, "source", l->resources[k].check_source);
		json_writer__end_object(w);
	}
	json_writer__end_object(w);
	json_writer__end_object(w);
}

static void put_counter(struct json_writer *w, const struct ledger_resource *resource, const char *phase, int64_t value)
{
	json_writer__begin_object(w);
	json_writer__put_string(w, "event", resource->row->name);
	json_writer__put_string(w, "phase", phase);
	json_writer__put_optional(w, "value", value);
	json_writer__put_string(w, "grade", grade__name(resource->row->grade));
	json_writer__end_object(w);
}

/* Events by phase; one that was asked for and could not be counted has one entry, without a value. */
static int put_counters(struct json_writer *w, const struct ledger *l)
{
	struct groups groups;
	int rc = groups__build(&groups, l, BY_PHASE);

	if (rc < 0)
		return rc;
	json_writer__put_array(w, "counters");
	for (size_t k = 0; k < l->n_resources; k++) {
		const struct ledger_resource *resource = &l->resources[k];

		if (!resource__is_event(resource->row))
			continue;
		if (!resource->measured && resource->row->id >= RESOURCE_COUNTER_FIRST)
			put_counter(w, resource, NULL, ABSENT);
		for (size_t i = 0; resource->measured && i < groups.n; i++)
			if (groups.groups[i].n_tokens > 0)
				put_counter(w, resource, groups.groups[i].name, groups.groups[i].cost[k]);
	}
	json_writer__end_array(w);
	groups__free(&groups);
	return 0;
}

static int json__write(FILE *f, const struct ledger *l, const struct output_options *options)
{
	struct waiting *waits = NULL;
	struct json_writer w;
	int rc;

	if (l->row_wall && waiting__build(&waits, l) < 0)
		return -ENOMEM;
	/* Keys of the report and the members of its lists on lines of their own, the rest on one line. */
	json_writer__init(&w, f, 2);
	json_writer__begin_object(&w);
	json_writer__put_string(&w, "schema", "tokprof.report/1");
	put_recording(&w, l->timeline->recording);
	put_server(&w, l->timeline->recording);
	put_evidence(&w, l);
	put_requests(&w, l, waits);
	free(waits);
	put_accounts(&w, l);
	put_totals(&w, l);
	json_cost__put_attribution(&w, l);
	json_kernel__put(&w, l);
	rc = json_ioctl__put_calls(&w, l);
	if (!rc)
		rc = put_counters(&w, l);
	json_memory__put_sources(&w, l);
	if (rc >= 0)
		rc = json_touched__put(&w, l->timeline);
	if (rc >= 0)
		rc = json_detail__put(&w, l, options->by);
	json_writer__end_object(&w);
	return rc < 0 ? rc : json_writer__finish(&w);
}

const struct output output_json = {
	.name = "json",
	.extension = "json",
	.write = json__write,
};
