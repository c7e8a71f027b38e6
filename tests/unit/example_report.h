/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ledger made by hand, with one request of every kind that a report tells apart:
 *	1 a stream, as billed		2 the same prompt from the cache	3 billed more than was computed
 *	4 the client left, no bill	5 speculative, ambiguous		6 open when the recording ended
 *	7 refused with 400		8, 9, 11 health checks			10 never answered, with a hostile path
 * Steps and rows are there for requests 1 and 5. CPU time adds up exactly; energy is known to be unavailable.
 */
#ifndef TOKPROF_TEST_EXAMPLE_REPORT_H
#define TOKPROF_TEST_EXAMPLE_REPORT_H

#include <string.h>

#include "bpf/records.h"
#include "tests/unit/make_fit.h"
#include "userspace/analysis/ledger.h"
#include "userspace/recording.h"

#define EXAMPLE_MS 1000000ull
#define EXAMPLE_START 1000000000000ull /* CLOCK_MONOTONIC of the recording's origin */
#define EXAMPLE_REQUESTS 11
#define EXAMPLE_RESOURCES 6 /* cpu, kernel, faults, energy, runq, blocked */
#define EXAMPLE_RUNS 2
#define EXAMPLE_ROWS 7

struct example {
	struct recording recording;
	struct timeline timeline;
	struct ledger ledger;

	struct recording_meta meta[12];
	struct row_resource resources[EXAMPLE_RESOURCES];
	struct row_collector collectors[3];
	struct row_loss losses[4];
	struct row_process processes[2];
	struct row_engine engines[1];
	struct row_model models[2];
	struct row_context contexts[2];
	struct row_step steps[6];
	struct row_step_resource uses[6];
	struct row_request requests[EXAMPLE_REQUESTS];
	struct timeline_row rows[EXAMPLE_ROWS];
	uint32_t step_first_row[7];
	struct timeline_run runs[EXAMPLE_RUNS];
	uint32_t request_runs[EXAMPLE_RUNS];
	struct timeline_request joined[EXAMPLE_REQUESTS];
	struct ledger_request costs[EXAMPLE_REQUESTS];
	int64_t figures[EXAMPLE_REQUESTS][N_PHASES + 7][EXAMPLE_RESOURCES];
	int64_t row_cost[EXAMPLE_ROWS * EXAMPLE_RESOURCES];
	float row_wall[EXAMPLE_ROWS];
	struct made_fit fits[2];
	struct fit fitted[2];
};

static const struct rule example_rule = { .name = "example", .doc = "as the test wrote it" };

static void example__facts(struct example *e)
{
	struct recording *r = &e->recording;
	static const struct recording_meta meta[] = {
		{ "cpu_model", "Example 9000" },
		{ "end_ns", "1012345678901" },
		{ "end_reason", "stopped" },
		{ "host", "meter" },
		{ "id", "5f3a9c0112ab34cd5f3a9c0112ab34cd" },
		{ "kernel", "Linux 6.6.1 x86_64" },
		{ "n_cpus", "8" },
		{ "origin_mono_ns", "1000000000000" },
		{ "origin_unix_ns", "1795236612000000000" },
		{ "schema_version", "1" },
		{ "start_ns", "1000000000000" },
		{ "state", "complete" },
	};
	static const struct row_resource resources[EXAMPLE_RESOURCES] = {
		{ RESOURCE_CPU_NS, "cpu_ns", "ns", RESOURCE_ADDITIVE, GRADE_MEASURED, "sched_switch", NULL },
		{ RESOURCE_KERNEL_NS, "kernel_ns", "ns", RESOURCE_ADDITIVE, GRADE_DERIVED,
		  "sys_enter, sys_exit, interrupts", "faults are counted, their time is derived" },
		{ RESOURCE_FAULTS, "faults", "count", RESOURCE_ADDITIVE, GRADE_MEASURED, "page_fault_user", NULL },
		{ RESOURCE_ENERGY_UJ, "energy_uj", "uJ", RESOURCE_ADDITIVE, GRADE_UNAVAILABLE, NULL,
		  "no energy counter on this host" },
		{ RESOURCE_RUNQ_NS, "runq_ns", "ns", RESOURCE_DURATION, GRADE_MEASURED, "sched_wakeup", NULL },
		{ RESOURCE_BLOCKED_NS, "blocked_ns", "ns", RESOURCE_DURATION, GRADE_MEASURED, "sched_switch", NULL },
	};
	static const struct row_collector collectors[] = {
		{ "engine", "steps and rows", "attached", NULL },
		{ "sched", "CPU time", "partial", "interrupts are not counted: no BTF for irq_handler_entry" },
		{ "wire", "requests", "attached", NULL },
	};
	static const struct row_loss losses[] = {
		{ "engine", "ring", EXAMPLE_START + 2000 * EXAMPLE_MS, 3 },
		{ "engine", "ring", EXAMPLE_START + 3000 * EXAMPLE_MS, 4 },
		{ "engine", "ring", EXAMPLE_START + 7000 * EXAMPLE_MS, 1 },
		{ "recording", "step", EXAMPLE_START + 7000 * EXAMPLE_MS, 2 },
	};

	memcpy(e->meta, meta, sizeof(meta));
	memcpy(e->resources, resources, sizeof(resources));
	memcpy(e->collectors, collectors, sizeof(collectors));
	memcpy(e->losses, losses, sizeof(losses));
	r->meta = e->meta;
	r->n_meta = sizeof(meta) / sizeof(meta[0]);
	r->resources = e->resources;
	r->n_resources = EXAMPLE_RESOURCES;
	r->collectors = e->collectors;
	r->n_collectors = 3;
	r->losses = e->losses;
	r->n_losses = 4;
}

static void example__server(struct example *e)
{
	struct recording *r = &e->recording;

	e->processes[0] =
		(struct row_process){ .pid = 4242, .ppid = 1, .start_ns = EXAMPLE_START, .comm = "llama-server" };
	e->processes[1] =
		(struct row_process){ .pid = 4250, .ppid = 4242, .start_ns = EXAMPLE_START, .comm = "worker" };
	e->engines[0] = (struct row_engine){
		.id = 1,
		.pid = 4242,
		.name = "llama.cpp",
		.version = "2026.10.11549",
		.build_id = "ab12",
		.path = "/opt/llama/libllama.so",
		.rows_source = "ubatch layout 2026.10",
	};
	e->models[0] = (struct row_model){
		.id = 1,
		.pid = 4242,
		.name = "small-f16",
		.path = "/models/small-f16.gguf",
		.arch = "llama",
		.quantization = "F16",
		.n_params = 31200000,
		.weight_bytes = 62400000,
		.n_layers = 8,
		.n_embd = 512,
		.n_heads = 8,
		.n_kv_heads = 8,
		.attention_flops_per_pair = 16384,
		.kv_elements_per_token = 8192,
		.n_vocab = 2048,
		.n_experts = ABSENT,
		.n_experts_used = ABSENT,
		.active_params = 30151424,
		.active_weight_bytes = 60302848,
		.digest = "1c13459ecde0728be95eb4f1b6089596dc1f80a7d8e2d76fe30402a9d7a079e7",
	};
	/* Mapped below the larger one, and none of the formats whose headers are read. */
	e->models[1] = (struct row_model){
		.id = 2,
		.pid = 4242,
		.name = "draft.safetensors",
		.path = "/models/draft.safetensors",
		.n_params = ABSENT,
		.weight_bytes = ABSENT,
		.n_layers = ABSENT,
		.n_embd = ABSENT,
		.n_heads = ABSENT,
		.n_kv_heads = ABSENT,
		.attention_flops_per_pair = ABSENT,
		.kv_elements_per_token = ABSENT,
		.n_vocab = ABSENT,
		.n_experts = ABSENT,
		.n_experts_used = ABSENT,
		.active_params = ABSENT,
		.active_weight_bytes = ABSENT,
		.header_error = "headers of safetensors files are not read, only those of GGUF files",
	};
	e->contexts[0] = (struct row_context){ .id = 1, .pid = 4242, .role = "target", .n_ctx = ABSENT };
	e->contexts[1] = (struct row_context){ .id = 2, .pid = 4242, .role = "draft", .n_ctx = ABSENT };
	r->processes = e->processes;
	r->n_processes = 2;
	r->engines = e->engines;
	r->n_engines = 1;
	r->models = e->models;
	r->n_models = 2;
	r->contexts = e->contexts;
	r->n_contexts = 2;
}

static struct row_request example__request(int64_t id, uint64_t at_ms, uint64_t took_ms, const char *method,
					   const char *path, int status)
{
	return (struct row_request){
		.id = id,
		.connection = (uint64_t)id,
		.pid = 4242,
		.client = id % 2 ? "127.0.0.1:40312" : "[::1]:40314",
		.arrival_ns = EXAMPLE_START + at_ms * EXAMPLE_MS,
		.request_end_ns = EXAMPLE_START + at_ms * EXAMPLE_MS + 1000,
		.end_ns = took_ms ? EXAMPLE_START + (at_ms + took_ms) * EXAMPLE_MS : 0,
		.method = method,
		.path = path,
		.status = status,
		.max_tokens = ABSENT,
		.n = 1,
		.n_prompts = 1,
		.prompt_bytes = ABSENT,
		.sent_prompt_tokens = ABSENT,
		.slot = ABSENT,
		.billed_prompt_tokens = ABSENT,
		.billed_cached_tokens = ABSENT,
		.billed_completion_tokens = ABSENT,
		.reported_prompt_tokens = ABSENT,
		.reported_cached_tokens = ABSENT,
		.reported_completion_tokens = ABSENT,
		.reported_draft_tokens = ABSENT,
		.reported_draft_accepted_tokens = ABSENT,
		.reported_prompt_us = ABSENT,
		.reported_completion_us = ABSENT,
	};
}

static void example__bill(struct row_request *row, const char *api_id, int64_t prompt, int64_t cached,
			  int64_t completion)
{
	row->api_id = api_id;
	row->model = "small";
	row->response_model = "small-f16";
	row->stream = true;
	row->finish_reason = "length";
	row->first_token_ns = row->arrival_ns + 10 * EXAMPLE_MS;
	row->n_chunks = completion == ABSENT ? 1 : completion;
	row->billed_prompt_tokens = prompt;
	row->billed_cached_tokens = cached;
	row->billed_completion_tokens = completion;
}

static void example__joined(struct timeline_request *t, enum match match, int64_t prompt, int64_t cached,
			    int64_t completion, const char *evidence)
{
	t->match = match;
	t->prompt_tokens = prompt;
	t->cached_tokens = cached;
	t->completion_tokens = completion;
	t->draft_tokens = 0;
	t->draft_rejected_tokens = 0;
	strncpy(t->evidence, evidence, sizeof(t->evidence) - 1);
}

static void example__requests(struct example *e)
{
	struct row_request *r = e->requests;
	struct timeline_request *t = e->joined;

	r[0] = example__request(1, 100, 250, "POST", "/v1/chat/completions", 200);
	example__bill(&r[0], "chatcmpl-7Yq2LbV9xKcT4mWz", 4, 0, 3);
	r[1] = example__request(2, 400, 200, "POST", "/v1/chat/completions", 200);
	example__bill(&r[1], "chatcmpl-0aB1cD2eF3gH4iJ5", 36, 35, 32);
	r[2] = example__request(3, 700, 1234, "POST", "/v1/completions", 200);
	example__bill(&r[2], "cmpl-9", 70, ABSENT, 40);
	r[3] = example__request(4, 900, 300, "POST", "/completion", 200);
	example__bill(&r[3], NULL, ABSENT, ABSENT, ABSENT);
	r[3].client_left = true;
	r[3].model = r[3].response_model = NULL;
	r[4] = example__request(5, 2000, 3456, "POST", "/v1/chat/completions", 200);
	example__bill(&r[4], "chatcmpl-spec", 2, 0, 4);
	r[5] = example__request(6, 11000, 0, "POST", "/v1/chat/completions", 200);
	example__bill(&r[5], NULL, ABSENT, ABSENT, ABSENT);
	r[5].incomplete = INCOMPLETE_AT_END;
	r[6] = example__request(7, 3000, 2, "POST", "/v1/chat/completions", 400);
	r[7] = example__request(8, 3100, 1, "GET", "/health", 200);
	r[8] = example__request(9, 3200, 1, "GET", "/health", 200);
	r[9] = example__request(10, 3300, 0, "GET", "/\033[31m\xff/caf\xc3\xa9", 0);
	r[9].incomplete = INCOMPLETE_UNANSWERED;
	r[10] = example__request(11, 3400, 1, "GET", "/v1/models", 200);

	for (int i = 0; i < EXAMPLE_REQUESTS; i++) {
		t[i] = (struct timeline_request){
			.wait_ns = ABSENT, .ttft_ns = ABSENT, .tpot_ns = ABSENT, .e2el_ns = ABSENT
		};
		if (r[i].end_ns)
			t[i].e2el_ns = (int64_t)(r[i].end_ns - r[i].arrival_ns);
		example__joined(&t[i], MATCH_NONE, ABSENT, ABSENT, ABSENT, "");
		t[i].draft_tokens = t[i].draft_rejected_tokens = ABSENT;
	}
	example__joined(&t[0], MATCH_EXACT, 4, 0, 3, "arrival, 3 chunks, end");
	example__joined(&t[1], MATCH_EXACT, 1, 35, 32, "arrival, 32 chunks, end");
	example__joined(&t[2], MATCH_EXACT, 36, 0, 38, "arrival, 38 chunks, end");
	example__joined(&t[3], MATCH_EXACT, 12, 0, 9, "arrival, 1 chunk");
	example__joined(&t[4], MATCH_AMBIGUOUS, 2, 0, 4, "arrival");
	t[4].draft_tokens = 3;
	t[4].draft_rejected_tokens = 1;
	t[5].incomplete = INCOMPLETE_AT_END | INCOMPLETE_LOSS;
	for (int i = 0; i < 5; i++) {
		t[i].wait_ns = 1234567 * (i + 1);
		t[i].ttft_ns = 10 * (int64_t)EXAMPLE_MS + 45678 * i;
		t[i].tpot_ns = 5432100 + 100000 * i;
		t[i].n_runs = 1;
	}
	t[3].tpot_ns = ABSENT;
	t[1].n_runs = t[2].n_runs = t[3].n_runs = 0;
	t[0].first_run = 0;
	t[4].first_run = 1;
	e->recording.requests = r;
	e->recording.n_requests = EXAMPLE_REQUESTS;
}

static void example__step(struct example *e, int i, int context, uint64_t at_ms, uint64_t took_us, int64_t n_tokens,
			  int64_t cpu)
{
	e->steps[i] = (struct row_step){
		.id = 10 + i,
		.context = context,
		.tid = 4242,
		.start_ns = EXAMPLE_START + at_ms * EXAMPLE_MS,
		.end_ns = EXAMPLE_START + at_ms * EXAMPLE_MS + took_us * 1000,
		.kind = STEP_DECODE,
		.flags = context == 2 ? STEP_DRAFT : 0,
		.n_tokens = n_tokens,
		.runq_ns = 1000,
		.blocked_ns = 2000,
		.server_runq_ns = i ? 0 : ABSENT,
		.server_fault_ns = i ? 0 : ABSENT,
		.mean_khz = i ? 2400000 : ABSENT,
		.clock_changes = i ? 1 : ABSENT,
		.futex_ns = ABSENT,
	};
	e->uses[i] = (struct row_step_resource){
		.step = 10 + i, .resource = RESOURCE_CPU_NS, .start_value = 0, .value = cpu
	};
}

static void example__steps(struct example *e)
{
	static const struct timeline_row rows[EXAMPLE_ROWS] = {
		{ .step = 0,
		  .run = 0,
		  .seq = 0,
		  .first_pos = 0,
		  .n_tokens = 4,
		  .n_outputs = 1,
		  .n_emitted = 1,
		  .phase = PHASE_PREFILL,
		  .counted = true },
		{ .step = 1,
		  .run = 0,
		  .seq = 0,
		  .first_pos = 4,
		  .n_tokens = 1,
		  .n_outputs = 1,
		  .n_emitted = 1,
		  .phase = PHASE_DECODE,
		  .counted = true },
		{ .step = 2,
		  .run = 0,
		  .seq = 0,
		  .first_pos = 5,
		  .n_tokens = 1,
		  .n_outputs = 1,
		  .n_emitted = 1,
		  .phase = PHASE_DECODE,
		  .counted = true },
		{ .step = 2,
		  .run = 1,
		  .seq = 3,
		  .first_pos = 0,
		  .n_tokens = 2,
		  .n_outputs = 1,
		  .n_emitted = 1,
		  .phase = PHASE_PREFILL,
		  .counted = true },
		{ .step = 3,
		  .run = 1,
		  .seq = 3,
		  .first_pos = 2,
		  .n_tokens = 3,
		  .n_outputs = 3,
		  .phase = PHASE_DRAFT,
		  .counted = true },
		{ .step = 4,
		  .run = 1,
		  .seq = 3,
		  .first_pos = 2,
		  .n_tokens = 4,
		  .n_outputs = 4,
		  .n_emitted = 3,
		  .phase = PHASE_VERIFY,
		  .counted = true },
		{ .step = 5, .run = RUN_NONE, .seq = -1, .first_pos = 0, .n_tokens = 7, .phase = PHASE_PREFILL },
	};
	static const uint32_t first[] = { 0, 1, 2, 4, 5, 6, 7 };
	static const int64_t cpu[EXAMPLE_ROWS] = { 40000003, 10000000, 10000001, 20000001, 3000000, 22222222, 0 };

	example__step(e, 0, 1, 101, 9500, 4, 40000003);
	example__step(e, 1, 1, 111, 5000, 1, 10000000);
	example__step(e, 2, 1, 2002, 7000, 3, 30000002);
	example__step(e, 3, 2, 2010, 900, 3, 3000000);
	example__step(e, 4, 1, 2011, 8000, 4, 22222222);
	example__step(e, 5, 1, 11001, 4000, 7, 5000000);
	e->steps[5].ret = 1;
	memcpy(e->rows, rows, sizeof(rows));
	memcpy(e->step_first_row, first, sizeof(first));
	for (int i = 0; i < EXAMPLE_ROWS; i++) {
		e->row_cost[i * EXAMPLE_RESOURCES] = cpu[i];
		e->row_cost[i * EXAMPLE_RESOURCES + 1] = cpu[i] / 10;
		e->row_cost[i * EXAMPLE_RESOURCES + 2] = i;
	}
	e->runs[0] = (struct timeline_run){ .context = 1,
					    .seq = 0,
					    .request = 0,
					    .prompt_computed = 4,
					    .n_sampled = 3,
					    .from_start = true,
					    .emitted_proven = true };
	e->runs[1] = (struct timeline_run){ .context = 1,
					    .seq = 3,
					    .request = 4,
					    .prompt_computed = 2,
					    .n_sampled = 4,
					    .n_drafted = 3,
					    .n_draft_rejected = 1,
					    .from_start = true,
					    .emitted_proven = true };
	e->request_runs[0] = 0;
	e->request_runs[1] = 1;
	e->recording.steps = e->steps;
	e->recording.n_steps = 6;
	e->recording.step_resources = e->uses;
	e->recording.n_step_resources = 6;
	e->timeline.rows = e->rows;
	e->timeline.n_rows = EXAMPLE_ROWS;
	e->timeline.step_first_row = e->step_first_row;
	e->timeline.runs = e->runs;
	e->timeline.n_runs = EXAMPLE_RUNS;
	e->timeline.request_runs = e->request_runs;
	e->timeline.n_request_runs = EXAMPLE_RUNS;
	e->timeline.n_runs_unmatched = 2;
}

static void example__cost(struct example *e, int request, enum phase phase, int64_t cpu, int64_t kernel, int64_t faults)
{
	struct ledger_request *cost = &e->costs[request];
	const int64_t figures[] = { cpu, kernel, faults };

	for (int k = 0; k < 3; k++) {
		cost->by_phase[phase][k] += figures[k];
		cost->cost[k] += figures[k];
		if (phase == PHASE_PREFILL)
			cost->prompt_cost[k] += figures[k];
		else
			cost->completion_cost[k] += figures[k];
	}
}

/* CPU time and step time are priced by a fit, the rest by tokens; the draft model has none. */
static void example__attribution(struct example *e)
{
	struct ledger *l = &e->ledger;
	static const char why[] = "no cost model of it in this recording; tokprof calibrate -p PID makes one";

	make_fit(&e->fits[0], "target", RESOURCE_CPU_NS);
	make_fit(&e->fits[1], "target", COST_RESOURCE_WALL);
	for (int i = 0; i < 2; i++) {
		e->fitted[i] = e->fits[i].fit;
		e->fitted[i].origin = FIT_ORIGIN_CALIBRATE;
		e->fitted[i].made_unix_ns = 1795230000000000000;
		e->fitted[i].model_name = "small-f16";
		e->fitted[i].key.host = "meter";
	}
	l->fits.fits = e->fitted;
	l->fits.n = 2;
	l->facts[ROLE_TARGET] = (struct model_facts){ 31200000, 62400000, 8, 512, 16384 };
	for (int k = 0; k < 3; k++) {
		for (int role = 0; role < N_ROLES; role++) {
			struct pricing *p = &l->pricing[role][k];
			const bool fitted = k == 0 && role == ROLE_TARGET;

			p->rule = rule__find(fitted ? "shapley" : "per-token");
			p->n_steps = role == ROLE_TARGET ? 4 : 1;
			p->median_residual = fitted ? 0.021 : -1;
			if (!fitted)
				memcpy(p->why, why, sizeof(why));
		}
	}
	l->pricing[ROLE_TARGET][0].scope =
		(struct rule_scope){ .model = &e->fitted[0].cost, .facts = &l->facts[ROLE_TARGET] };
	l->pricing[ROLE_TARGET][0].fit = &e->fitted[0];
	e->fits[0].fit.cost.merged_with[5] = e->fitted[0].cost.merged_with[5] = 4;
	l->pricing[ROLE_TARGET][PRICING_WALL] = (struct pricing){
		.rule = rule__find("shapley"),
		.scope = { .model = &e->fitted[1].cost, .facts = &l->facts[ROLE_TARGET] },
		.fit = &e->fitted[1],
		.n_steps = 4,
		.median_residual = 0.03,
		.drifted = true,
	};
	l->excess = (struct excess){
		.n_steps = 3, .n_unexplained = 1, .n_by = { 2, 1, 0, 0, 0, ABSENT }, .n_by_resource = { 3 }
	};
	l->batch = (struct typical_batch){ 2, 300 };
	for (int i = 0; i < EXAMPLE_REQUESTS; i++) {
		struct ledger_request *q = &e->costs[i];

		q->low = e->figures[i][N_PHASES + 3];
		q->high = e->figures[i][N_PHASES + 4];
		q->alone = e->figures[i][N_PHASES + 5];
		q->rejected = e->figures[i][N_PHASES + 6];
		for (int k = 0; k < EXAMPLE_RESOURCES; k++) {
			const bool none = k || e->joined[i].completion_tokens == ABSENT;

			q->low[k] = none ? ABSENT : q->cost[k] / 10 * 9;
			q->high[k] = none ? ABSENT : q->cost[k] / 10 * 11;
			q->alone[k] = none ? ABSENT : q->cost[k] * 2;
			q->rejected[k] = none && !k ? ABSENT : i == 4 ? q->cost[k] / 10 : 0;
		}
	}
	/* What their steps leave of the time up to the last output that is known. */
	e->runs[0].last_output_ns = e->steps[1].end_ns;
	e->joined[0].wait_ns = 1500000;
	e->runs[1].last_output_ns = e->steps[4].end_ns;
	e->joined[4].wait_ns = 3100000;
	for (int i = 0; i < EXAMPLE_ROWS; i++)
		e->row_wall[i] = 1000000;
	l->row_wall = e->row_wall;
}

static void example__ledger(struct example *e)
{
	struct ledger *l = &e->ledger;
	static const int64_t host[] = { 30000000, 9000000, 12 }, idle[] = { 1000000, 500000, 0 };

	l->n_resources = EXAMPLE_RESOURCES;
	for (int k = 0; k < EXAMPLE_RESOURCES; k++) {
		l->resources[k].row = &e->resources[k];
		l->resources[k].measured = e->resources[k].grade != GRADE_UNAVAILABLE;
		l->resources[k].check_total = ABSENT;
	}
	for (int i = 0; i < EXAMPLE_REQUESTS; i++) {
		for (int p = 0; p < N_PHASES; p++)
			e->costs[i].by_phase[p] = e->figures[i][p];
		e->costs[i].cost = e->figures[i][N_PHASES];
		e->costs[i].prompt_cost = e->figures[i][N_PHASES + 1];
		e->costs[i].completion_cost = e->figures[i][N_PHASES + 2];
	}
	example__cost(e, 0, PHASE_PREFILL, 40000003, 4000000, 0);
	example__cost(e, 0, PHASE_DECODE, 20000001, 2000000, 3);
	example__cost(e, 1, PHASE_PREFILL, 9000000, 900000, 1);
	example__cost(e, 1, PHASE_DECODE, 310000000, 31000000, 1);
	example__cost(e, 2, PHASE_PREFILL, 360000000, 36000000, 100);
	example__cost(e, 2, PHASE_DECODE, 380000000, 38000000, 1);
	example__cost(e, 3, PHASE_PREFILL, 120000000, 12000000, 0);
	example__cost(e, 3, PHASE_DECODE, 90000000, 9000000, 0);
	example__cost(e, 4, PHASE_PREFILL, 20000001, 2000000, 3);
	example__cost(e, 4, PHASE_DRAFT, 3000000, 300000, 4);
	example__cost(e, 4, PHASE_VERIFY, 22222222, 2222222, 5);
	for (int i = 0; i < 5; i++) {
		e->costs[i].cost[4] = 12345 * (i + 1);
		e->costs[i].cost[5] = 1234567 * i;
	}
	for (int k = 0; k < 3; k++) {
		l->accounts[ACCOUNT_HOST][k] = host[k];
		l->accounts[ACCOUNT_IDLE][k] = idle[k];
		for (int i = 0; i < EXAMPLE_REQUESTS; i++)
			l->resources[k].total += e->costs[i].cost[k];
		l->resources[k].total += host[k] + idle[k];
		l->resources[k].total_source = k == 0 ? "schedstat" : "meters";
	}
	l->accounts[ACCOUNT_UNEXPLAINED][0] = -1234567;
	l->resources[0].total += l->accounts[ACCOUNT_UNEXPLAINED][0];
	l->resources[0].check_total = l->resources[0].total + 4000000;
	l->resources[0].check_source = "utime + stime";
	l->requests = e->costs;
	l->row_cost = e->row_cost;
	l->rule = rule__find("shapley");
	l->fixed_by = FIXED_BY_ROW;
	l->timeline = &e->timeline;
}

static void example__make(struct example *e)
{
	memset(e, 0, sizeof(*e));
	example__facts(e);
	example__server(e);
	example__requests(e);
	example__steps(e);
	e->timeline.recording = &e->recording;
	e->timeline.requests = e->joined;
	example__ledger(e);
	example__attribution(e);
}

#endif
