/* SPDX-License-Identifier: Apache-2.0 */
#include "make_recording.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"
#include "userspace/analysis/array.h"

static void *add(void *items, size_t *n, size_t *capacity, size_t size)
{
	void *moved = array__reserve(items, capacity, *n + 1, size);

	if (!moved) {
		fprintf(stderr, "make_recording: out of memory\n");
		abort();
	}
	memset((char *)moved + *n * size, 0, size);
	++*n;
	return moved;
}

#define ADD(m, list)                                                                                                   \
	((m)->recording.list = add((m)->recording.list, &(m)->recording.n_##list, &(m)->capacity.list,                 \
				   sizeof(*(m)->recording.list)),                                                      \
	 &(m)->recording.list[(m)->recording.n_##list - 1])

void maker__init(struct maker *m)
{
	static const struct row_resource resources[] = {
		{ RESOURCE_CPU_NS, "cpu_ns", "ns", RESOURCE_ADDITIVE, GRADE_MEASURED, "scheduler", NULL },
		{ RESOURCE_KERNEL_NS, "kernel_ns", "ns", RESOURCE_ADDITIVE, GRADE_MEASURED, "system calls", NULL },
		{ RESOURCE_FAULTS, "faults", "count", RESOURCE_ADDITIVE, GRADE_MEASURED, "page faults", NULL },
		{ RESOURCE_RUNQ_NS, "runq_ns", "ns", RESOURCE_DURATION, GRADE_MEASURED, "scheduler", NULL },
		{ RESOURCE_BLOCKED_NS, "blocked_ns", "ns", RESOURCE_DURATION, GRADE_MEASURED, "scheduler", NULL },
	};
	static const char *const collectors[] = { "engine", "sched", "wire" };

	memset(m, 0, sizeof(*m));
	for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++)
		maker__resource(m, &resources[i]);
	for (size_t i = 0; i < sizeof(collectors) / sizeof(collectors[0]); i++)
		*ADD(m, collectors) = (struct row_collector){ collectors[i], "", "attached", NULL };
	maker__context(m, MAKER_TARGET, "target");
}

void maker__free(struct maker *m)
{
	struct recording *r = &m->recording;

	free(r->meta);
	free(r->resources);
	free(r->totals);
	free(r->collectors);
	free(r->losses);
	free(r->contexts);
	free(r->steps);
	free(r->step_resources);
	free(r->samples);
	free(r->rows);
	free(r->memories);
	free(r->requests);
	free(r->chunks);
	free(r->models);
	free(r->fits);
	free(r->fit_terms);
	free(r->fit_draws);
	free(r->files);
	free(r->footprints);
	free(r->ioctls);
	free(r->step_ioctls);
	free(r->ioctl_samples);
	free(r->kernel_kinds);
	free(r->kernel_bursts);
	free(r->step_kernels);
	free(r->kernel_samples);
	free(r->kv_caches);
	free(r->traffic_sources);
	free(r->traffic_samples);
	free(r->toucheds);
	free(r->step_operators);
	free(r->modules);
	free(r->frames);
	free(r->stacks);
	free(r->symbols);
	free(r->stack_samples);
	memset(m, 0, sizeof(*m));
}

void maker__meta(struct maker *m, const char *key, const char *value)
{
	*ADD(m, meta) = (struct recording_meta){ key, value };
}

void maker__resource(struct maker *m, const struct row_resource *row)
{
	*ADD(m, resources) = *row;
}

void maker__total(struct maker *m, int resource, int64_t value, const char *source)
{
	*ADD(m, totals) = (struct row_total){ resource, value, source, ABSENT, NULL };
}

void maker__loss(struct maker *m, const char *collector, uint64_t second_ns, int64_t n)
{
	*ADD(m, losses) = (struct row_loss){ collector, "ring", second_ns, n };
}

void maker__context(struct maker *m, int id, const char *role)
{
	*ADD(m, contexts) = (struct row_context){
		.id = id,
		.pid = MAKER_PID,
		.address = 0x1000u * (uint64_t)id,
		.memory = 0x2000u * (uint64_t)id,
		.role = role,
		.n_ctx = ABSENT,
	};
}

void maker__sample(struct maker *m, uint64_t time_ns, int resource, int64_t value)
{
	*ADD(m, samples) = (struct row_sample){ time_ns, resource, value };
}

struct row_step *maker__step(struct maker *m, int context, uint64_t start_ns, uint64_t end_ns)
{
	struct row_step *step = ADD(m, steps);

	*step = (struct row_step){
		.id = (int64_t)m->recording.n_steps,
		.context = context,
		.tid = MAKER_TID,
		.start_ns = start_ns,
		.end_ns = end_ns,
		.kind = STEP_DECODE,
		.server_runq_ns = ABSENT,
		.server_fault_ns = ABSENT,
		.mean_khz = ABSENT,
		.clock_changes = ABSENT,
		.futex_ns = ABSENT,
	};
	return step;
}

void maker__row(struct maker *m, int seq, int first_pos, int64_t n_tokens, int64_t n_outputs)
{
	const int64_t step = (int64_t)m->recording.n_steps;
	const struct row_row *last = m->recording.n_rows ? &m->recording.rows[m->recording.n_rows - 1] : NULL;
	const int idx = last && last->step == step ? last->idx + 1 : 0;

	*ADD(m, rows) = (struct row_row){ step, 0, idx, seq, first_pos, n_tokens, n_outputs };
	m->recording.steps[step - 1].n_tokens += n_tokens;
}

void maker__cut(struct maker *m, int resource, int64_t start_value, int64_t value)
{
	*ADD(m, step_resources) =
		(struct row_step_resource){ (int64_t)m->recording.n_steps, resource, start_value, value };
}

void maker__memory(struct maker *m, const struct row_memory *row)
{
	*ADD(m, memories) = *row;
}

void maker__remove(struct maker *m, uint64_t time_ns, int context, int seq, int p0)
{
	maker__memory(m, &(struct row_memory){ time_ns, MAKER_TID, context, MEMORY_SEQ_RM, seq, -1, p0, -1, 0 });
}

struct row_request *maker__request(struct maker *m, uint64_t arrival_ns, uint64_t end_ns)
{
	struct row_request *q = ADD(m, requests);

	*q = (struct row_request){
		.id = (int64_t)m->recording.n_requests,
		.connection = m->recording.n_requests + 1000,
		.pid = MAKER_PID,
		.client = "127.0.0.1:40000",
		.arrival_ns = arrival_ns,
		.request_end_ns = arrival_ns,
		.first_byte_ns = end_ns,
		.end_ns = end_ns,
		.method = "POST",
		.path = "/v1/completions",
		.status = end_ns ? 200 : 0,
		.model = "model",
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
	return q;
}

static struct row_request *find_request(struct maker *m, int64_t id)
{
	/* Requests are in the order of their ids until maker__finish sorts them. */
	for (size_t i = (size_t)id - 1; i < m->recording.n_requests; i++) {
		if (m->recording.requests[i].id == id)
			return &m->recording.requests[i];
	}
	for (size_t i = 0; i < m->recording.n_requests; i++) {
		if (m->recording.requests[i].id == id)
			return &m->recording.requests[i];
	}
	abort();
}

void maker__chunk(struct maker *m, int64_t request, uint64_t time_ns)
{
	struct row_request *q = find_request(m, request);

	*ADD(m, chunks) = (struct row_chunk){ request, q->n_chunks, time_ns };
	if (q->n_chunks++ == 0)
		q->first_byte_ns = q->first_token_ns = time_ns;
	q->last_token_ns = time_ns;
	q->stream = true;
}

void maker__file(struct maker *m, const struct row_file *row)
{
	*ADD(m, files) = *row;
}

void maker__footprint(struct maker *m, const struct row_footprint *row)
{
	*ADD(m, footprints) = *row;
}

void maker__touched(struct maker *m, const struct row_touched *row)
{
	*ADD(m, toucheds) = *row;
}

void maker__ioctl(struct maker *m, const struct row_ioctl *row)
{
	*ADD(m, ioctls) = *row;
}

void maker__step_ioctl(struct maker *m, int64_t ioctl, int64_t n, int64_t ns, int64_t failed)
{
	const int64_t step = m->recording.steps[m->recording.n_steps - 1].id;

	*ADD(m, step_ioctls) = (struct row_step_ioctl){ step, ioctl, n, ns, failed };
}

void maker__ioctl_sample(struct maker *m, uint64_t time_ns, int64_t ioctl, int64_t n, int64_t ns, int64_t failed)
{
	*ADD(m, ioctl_samples) = (struct row_ioctl_sample){ time_ns, ioctl, n, ns, failed };
}

void maker__kernel_kind(struct maker *m, int64_t id, const char *name, const char *path)
{
	*ADD(m, kernel_kinds) = (struct row_kernel_kind){ id, name, path };
}

void maker__kernel_burst(struct maker *m, uint64_t start_ns, uint64_t end_ns)
{
	*ADD(m, kernel_bursts) = (struct row_kernel_burst){ start_ns, end_ns, 0 };
}

void maker__step_kernel(struct maker *m, int64_t kind, int64_t n, int64_t ns)
{
	const int64_t step = m->recording.steps[m->recording.n_steps - 1].id;

	*ADD(m, step_kernels) = (struct row_step_kernel){ step, kind, n, ns };
}

void maker__kernel_sample(struct maker *m, uint64_t time_ns, int64_t kind, int64_t n, int64_t ns)
{
	*ADD(m, kernel_samples) = (struct row_kernel_sample){ time_ns, kind, n, ns };
}

void maker__kv_cache(struct maker *m, const struct row_kv_cache *row)
{
	*ADD(m, kv_caches) = *row;
}

void maker__traffic_source(struct maker *m, const struct row_traffic_source *row)
{
	*ADD(m, traffic_sources) = *row;
}

void maker__traffic_sample(struct maker *m, const struct row_traffic_sample *row)
{
	*ADD(m, traffic_samples) = *row;
}

void maker__step_operator(struct maker *m, const char *name, int layer, int64_t n, int64_t ns, int64_t cpu_ns)
{
	const int64_t step = m->recording.steps[m->recording.n_steps - 1].id;

	*ADD(m, step_operators) = (struct row_step_operator){ step, name, layer, n, ns, cpu_ns };
}

static int64_t module_of(struct maker *m, const char *path, int frame_kind)
{
	for (size_t i = 0; i < m->recording.n_modules; i++)
		if (strcmp(m->recording.modules[i].path, path) == 0)
			return m->recording.modules[i].id;
	*ADD(m, modules) = (struct row_module){ .id = (int64_t)m->recording.n_modules,
						.kind = frame_kind == FRAME_KERNEL ? "kernel" : "user",
						.path = path,
						.size_bytes = ABSENT };
	return m->recording.modules[m->recording.n_modules - 1].id;
}

int64_t maker__frame(struct maker *m, int kind, const char *module, const char *function)
{
	const int64_t id = (int64_t)m->recording.n_frames + 1, of = module ? module_of(m, module, kind) : ABSENT;

	*ADD(m, frames) = (struct row_frame){ id, kind, of, (uint64_t)id * 16 };
	if (function)
		*ADD(m, symbols) = (struct row_symbol){ id, 0, function, 4, NULL, ABSENT, "symtab" };
	return id;
}

void maker__inlined(struct maker *m, int64_t frame, const char *function)
{
	const struct row_symbol last = m->recording.symbols[m->recording.n_symbols - 1];

	*ADD(m, symbols) = (struct row_symbol){ frame, last.depth + 1, function, 4, "inlined.h", 7, "dwarf" };
}

int64_t maker__stack(struct maker *m, int64_t parent, int64_t frame)
{
	const int64_t id = (int64_t)m->recording.n_stacks + 1;

	*ADD(m, stacks) = (struct row_stack){ id, parent, frame };
	return id;
}

static struct row_stack_sample *add_sample(struct maker *m, uint64_t time_ns, int64_t stack)
{
	struct row_stack_sample *s = ADD(m, stack_samples);

	*s = (struct row_stack_sample){ .id = (int64_t)m->recording.n_stack_samples,
					.time_ns = time_ns,
					.tid = MAKER_TID,
					.weight_ns = 1000000,
					.step = ABSENT,
					.stack = stack,
					.reason = ABSENT,
					.waker_tid = ABSENT,
					.waker_stack = ABSENT,
					.length_ns = ABSENT };
	return s;
}

void maker__cpu_samples(struct maker *m, uint64_t time_ns, int64_t stack, int n)
{
	for (int i = 0; i < n; i++)
		add_sample(m, time_ns, stack);
}

void maker__wait(struct maker *m, uint64_t time_ns, int64_t stack, int64_t ns, int64_t reason)
{
	struct row_stack_sample *s = add_sample(m, time_ns, stack);

	s->kind = STACK_SAMPLE_WAIT;
	s->weight_ns = s->length_ns = ns;
	s->reason = reason;
}

void maker__model(struct maker *m, const struct row_model *row)
{
	*ADD(m, models) = *row;
}

/* Names last as long as the program: terms are borrowed. */
static const char *term_name(size_t term)
{
	static char names[COST_TERMS][16];

	return cost_term__name(term, names[term], sizeof(names[term]));
}

void maker__fit(struct maker *m, const struct fit *fit)
{
	const struct cost_model *c = &fit->cost;
	const int64_t id = (int64_t)m->recording.n_fits + 1;

	*ADD(m, fits) = (struct row_fit){
		.id = id,
		.role = c->role,
		.resource = c->resource,
		.model_digest = fit->key.model_digest,
		.engine = fit->key.engine,
		.build_id = fit->key.build_id,
		.host = fit->key.host,
		.cpu_model = fit->key.cpu_model,
		.n_threads = fit->key.n_threads,
		.made_unix_ns = fit->made_unix_ns,
		.origin = fit->origin ? fit->origin : FIT_ORIGIN_CALIBRATE,
		.n_steps = c->n_steps,
		.n_held_out = c->n_held_out,
		.sigma = c->sigma,
		.model_error = c->model_error,
		.median_residual = c->median_residual,
		.condition = c->condition,
		.identified = c->identified,
		.reason = c->reason[0] ? c->reason : NULL,
		.affine_fixed = fit->has_affine ? fit->affine.fixed : NAN,
		.affine_token = fit->affine.token,
		.affine_context = fit->affine.context,
		.affine_pair = fit->affine.pair,
		.affine_residual = fit->affine.median_residual,
		.roofline_fixed = fit->has_roofline ? fit->roofline.fixed : NAN,
		.roofline_weights = fit->roofline.weights,
		.roofline_context = fit->roofline.context,
		.roofline_token = fit->roofline.token,
		.roofline_pair = fit->roofline.pair,
		.roofline_residual = fit->roofline.median_residual,
		.least_context = fit->range.least_context,
		.most_context = fit->range.most_context,
		.least_rows = fit->range.least_rows,
		.most_rows = fit->range.most_rows,
		.least_tokens = fit->range.least_tokens,
		.most_tokens = fit->range.most_tokens,
		.waited = fit->waited,
	};
	for (size_t t = 0; t < COST_TERMS; t++) {
		*ADD(m, fit_terms) =
			(struct row_fit_term){ id, term_name(t), c->value[t], c->value[t], c->value[t], true, NULL };
	}
	for (uint32_t d = 0; d < c->n_draws; d++) {
		for (size_t t = 0; t < COST_TERMS; t++)
			*ADD(m, fit_draws) = (struct row_fit_draw){ id, d, term_name(t), c->draws[d * COST_TERMS + t] };
	}
}

#define ORDER(x, y) ((x) < (y) ? -1 : (x) > (y))

static int by_step_time(const void *a, const void *b)
{
	const struct row_step *x = a, *y = b;

	return x->start_ns != y->start_ns ? ORDER(x->start_ns, y->start_ns) : ORDER(x->id, y->id);
}

static int by_step_resource(const void *a, const void *b)
{
	const struct row_step_resource *x = a, *y = b;

	return x->step != y->step ? ORDER(x->step, y->step) : ORDER(x->resource, y->resource);
}

static int by_sample(const void *a, const void *b)
{
	const struct row_sample *x = a, *y = b;

	return x->time_ns != y->time_ns ? ORDER(x->time_ns, y->time_ns) : ORDER(x->resource, y->resource);
}

static int by_row(const void *a, const void *b)
{
	const struct row_row *x = a, *y = b;

	if (x->step != y->step)
		return ORDER(x->step, y->step);
	return x->ubatch != y->ubatch ? ORDER(x->ubatch, y->ubatch) : ORDER(x->idx, y->idx);
}

static int by_memory(const void *a, const void *b)
{
	const struct row_memory *x = a, *y = b;

	return ORDER(x->time_ns, y->time_ns);
}

static int by_request(const void *a, const void *b)
{
	const struct row_request *x = a, *y = b;

	return x->arrival_ns != y->arrival_ns ? ORDER(x->arrival_ns, y->arrival_ns) : ORDER(x->id, y->id);
}

static int by_chunk(const void *a, const void *b)
{
	const struct row_chunk *x = a, *y = b;

	return x->request != y->request ? ORDER(x->request, y->request) : ORDER(x->idx, y->idx);
}

static void sort(void *items, size_t n, size_t size, int (*compare)(const void *, const void *))
{
	/* Events of one time keep the order in which they were made, as the reader keeps that of the table. */
	for (size_t i = 1; i < n; i++) {
		if (compare((char *)items + (i - 1) * size, (char *)items + i * size) > 0) {
			qsort(items, n, size, compare);
			return;
		}
	}
}

const struct recording *maker__finish(struct maker *m)
{
	struct recording *r = &m->recording;

	sort(r->steps, r->n_steps, sizeof(*r->steps), by_step_time);
	sort(r->step_resources, r->n_step_resources, sizeof(*r->step_resources), by_step_resource);
	sort(r->samples, r->n_samples, sizeof(*r->samples), by_sample);
	sort(r->rows, r->n_rows, sizeof(*r->rows), by_row);
	sort(r->memories, r->n_memories, sizeof(*r->memories), by_memory);
	sort(r->requests, r->n_requests, sizeof(*r->requests), by_request);
	sort(r->chunks, r->n_chunks, sizeof(*r->chunks), by_chunk);
	return r;
}

#define WRITE(w, r, list, one)                                                                                         \
	for (size_t i_##list = 0; i_##list < (r)->n_##list && !err; i_##list++)                                        \
	err = recording_writer__##one(w, &(r)->list[i_##list])

int maker__write(const struct maker *m, const char *path)
{
	const struct recording *r = &m->recording;
	struct recording_writer *w;
	int err = recording_writer__open(&w, path, true), closed;

	for (size_t i = 0; i < r->n_meta && !err; i++)
		err = recording_writer__put_meta(w, r->meta[i].key, r->meta[i].value);
	WRITE(w, r, resources, resource);
	WRITE(w, r, totals, total);
	WRITE(w, r, collectors, collector);
	WRITE(w, r, losses, loss);
	WRITE(w, r, contexts, context);
	WRITE(w, r, steps, step);
	WRITE(w, r, step_resources, step_resource);
	WRITE(w, r, samples, sample);
	WRITE(w, r, rows, row);
	WRITE(w, r, memories, memory);
	WRITE(w, r, requests, request);
	WRITE(w, r, chunks, chunk);
	WRITE(w, r, models, model);
	WRITE(w, r, fits, fit);
	WRITE(w, r, fit_terms, fit_term);
	WRITE(w, r, fit_draws, fit_draw);
	WRITE(w, r, files, file);
	WRITE(w, r, footprints, footprint);
	WRITE(w, r, ioctls, ioctl);
	WRITE(w, r, step_ioctls, step_ioctl);
	WRITE(w, r, ioctl_samples, ioctl_sample);
	WRITE(w, r, kernel_kinds, kernel_kind);
	WRITE(w, r, kernel_bursts, kernel_burst);
	WRITE(w, r, step_kernels, step_kernel);
	WRITE(w, r, kernel_samples, kernel_sample);
	WRITE(w, r, kv_caches, kv_cache);
	WRITE(w, r, traffic_sources, traffic_source);
	WRITE(w, r, traffic_samples, traffic_sample);
	WRITE(w, r, toucheds, touched);
	WRITE(w, r, step_operators, step_operator);
	WRITE(w, r, modules, module);
	WRITE(w, r, frames, frame);
	WRITE(w, r, stacks, stack);
	WRITE(w, r, symbols, symbol);
	WRITE(w, r, stack_samples, stack_sample);
	closed = recording_writer__close(w, err == 0);
	return err ? err : closed;
}
