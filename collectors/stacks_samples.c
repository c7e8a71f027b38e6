/* SPDX-License-Identifier: Apache-2.0 */
#include "collectors/stacks_samples.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/session.h"
#include "userspace/unwind/flight.h"
#include "userspace/unwind/kernel_code.h"
#include "userspace/unwind/stack_store.h"

#define N_WAITING 16384		/* threads, as many as the kernel's side knows */
#define N_HELD 4096		/* samples outside of requests, until a step says that it was there */
#define KERNEL_ID (1u << 20)	/* modules of the kernel's: numbers that no file has */
#define MOST_STACKS (1u << 19)
#define MOST_OWN_FRAMES 12

_Static_assert((int)SAMPLE_RUNQUEUE == (int)WAIT_RUNQUEUE && (int)N_UNWIND_ENDS == (int)N_USER_ENDS, "as recorded");

struct stack_samples {
	struct session *session;
	struct stacks_code *code;
	struct kernel_code kernel;
	struct stack_store *store;
	bool *kernel_written;		/* the kernel, then its modules */
	bool *module_written;		/* by id */
	struct record_sample *waiting[N_WAITING];	/* by tid; copies */
	struct record_sample *held[N_HELD];
	size_t next_held;
	struct flight flight;
	int watched;			/* requests are seen: 1, 0; -1: not asked yet */
	int64_t next_id;
	struct stack_samples_counts counts;
};

static void on_frame(void *ctx, const struct row_frame *row)
{
	recording_writer__frame(((struct stack_samples *)ctx)->session->writer, row);
}

static void on_stack(void *ctx, const struct row_stack *row)
{
	recording_writer__stack(((struct stack_samples *)ctx)->session->writer, row);
}

struct stack_samples *stack_samples__new(struct session *s, struct stacks_code *code)
{
	struct stack_samples *w = calloc(1, sizeof(*w));
	const struct stack_store_calls calls = { on_frame, on_stack, w };

	if (!w)
		return NULL;
	w->session = s;
	w->code = code;
	w->watched = -1;
	kernel_code__read(&w->kernel, "");
	w->store = stack_store__new(&calls, MOST_STACKS);
	w->kernel_written = calloc(w->kernel.n + 1, sizeof(*w->kernel_written));
	w->module_written = calloc(UNWIND_MAX_MODULES, sizeof(*w->module_written));
	if (!w->store || !w->kernel_written || !w->module_written) {
		stack_samples__free(w);
		return NULL;
	}
	return w;
}

void stack_samples__free(struct stack_samples *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < N_WAITING; i++)
		free(w->waiting[i]);
	for (size_t i = 0; i < N_HELD; i++)
		free(w->held[i]);
	stack_store__free(w->store);
	kernel_code__free(&w->kernel);
	free(w->kernel_written);
	free(w->module_written);
	free(w);
}

const struct stack_samples_counts *stack_samples__counts(const struct stack_samples *w)
{
	return &w->counts;
}

/* --- stacks --------------------------------------------------------------------------------------------------------- */

static const char *text_or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static int64_t kernel_module(struct stack_samples *w, int place)
{
	const struct kernel_module *m = place > 0 ? &w->kernel.modules[place - 1] : NULL;
	const struct row_module row = {
		.id = (int64_t)KERNEL_ID + place,
		.kind = m ? "kernel_module" : "kernel",
		.path = m ? m->name : NULL,
		.build_id = text_or_null(m ? m->build_id : w->kernel.build_id),
		.size_bytes = ABSENT,
	};

	if (!w->kernel_written[place])
		recording_writer__module(w->session->writer, &row);
	w->kernel_written[place] = true;
	return row.id;
}

static int64_t push_kernel(struct stack_samples *w, int64_t stack, uint64_t address, bool returns)
{
	uint64_t place = address - returns;
	const int module = kernel_code__find(&w->kernel, address - returns, &place);

	return stack_store__push(w->store, stack, FRAME_KERNEL, module < 0 ? ABSENT : kernel_module(w, module), place);
}

/* @return ABSENT: the code's thread does not know it, which cannot be */
static int64_t user_module(struct stack_samples *w, uint32_t id)
{
	const struct module *m = stacks_code__module(w->code, id);
	struct row_module row;

	if (!m)
		return ABSENT;
	if (w->module_written[id])
		return id;
	row = (struct row_module){
		.id = id,
		.kind = m->is_vdso ? "vdso" : "user",
		.path = text_or_null(m->path),
		.build_id = text_or_null(m->build_id),
		.device = m->device,
		.inode = m->inode,
		.size_bytes = m->size_bytes < 0 ? ABSENT : m->size_bytes,
	};
	recording_writer__module(w->session->writer, &row);
	w->module_written[id] = true;
	return id;
}

static int64_t push_user(struct stack_samples *w, int64_t stack, uint64_t frame)
{
	const uint32_t id = (uint32_t)(frame >> FRAME_MODULE_SHIFT);

	return stack_store__push(w->store, stack, FRAME_USER, id ? user_module(w, id) : ABSENT, frame & FRAME_ADDRESS);
}

/*
 * Outermost first. The innermost frame of the kernel is where it was only if a clock interrupted it: the others, and all of a switch,
 * are return addresses. What a tracepoint called, before the kernel's own __schedule(), is ourselves.
 */
static size_t first_of_wait(const struct stack_samples *w, const struct record_sample *r)
{
	for (size_t i = 0; i < r->n_kernel && i < MOST_OWN_FRAMES; i++)
		if (kernel_code__is_schedule(&w->kernel, r->frame[i]))
			return i;
	return 0;
}

static int64_t make_stack(struct stack_samples *w, const struct record_sample *r)
{
	const uint64_t *user = r->frame + r->n_kernel;
	const size_t first = r->kind == SAMPLE_WAIT ? first_of_wait(w, r) : 0;
	int64_t stack = ABSENT;

	for (size_t i = r->n_user; i-- > 0;) {
		stack = push_user(w, stack, user[i]);
		if (stack == ABSENT)
			return ABSENT;
	}
	for (size_t i = r->n_kernel; i-- > first;) {
		stack = push_kernel(w, stack, r->frame[i], i > 0);
		if (stack == ABSENT)
			return ABSENT;
	}
	return stack;
}

/* --- rows ----------------------------------------------------------------------------------------------------------- */

static void write_row(struct stack_samples *w, const struct record_sample *r, struct row_stack_sample *row)
{
	const bool any = r->n_user + r->n_kernel > 0;

	row->id = ++w->next_id;
	row->tid = r->h.tid;
	row->step = ABSENT;
	row->stack = any ? make_stack(w, r) : ABSENT;
	row->waker_stack = ABSENT;
	row->user_end = (int)r->user_end;
	w->counts.n_full += any && row->stack == ABSENT;
	if (recording_writer__stack_sample(w->session->writer, row))
		return;
	if (r->kind == SAMPLE_CPU) {
		w->counts.n_cpu++;
		w->counts.n_ends[r->user_end]++;
	} else {
		w->counts.n_waits++;
	}
}

static void write_cpu(struct stack_samples *w, const struct record_sample *r)
{
	struct row_stack_sample row = {
		.time_ns = r->h.time_ns,
		.cpu = (int)r->cpu,
		.kind = STACK_SAMPLE_CPU,
		.weight_ns = (int64_t)r->weight_ns,
		.length_ns = ABSENT,
		.reason = ABSENT,
		.waker_tid = ABSENT,
	};

	write_row(w, r, &row);
}

/* One part of a wait: blocked, or able to run. Only as much of it as was in flight weighs. */
static void write_wait(struct stack_samples *w, const struct record_sample *r, const struct record_wake *wake,
		       int reason, uint64_t start, uint64_t end)
{
	const uint64_t length = end > start ? end - start : 0;
	const uint64_t counts =
		w->watched && !w->session->options.sample_idle ? flight__overlap(&w->flight, start, end) : length;
	struct row_stack_sample row = {
		.time_ns = end,
		.cpu = (int)r->cpu,
		.kind = STACK_SAMPLE_WAIT,
		.length_ns = (int64_t)length,
		.reason = reason,
		.waker_tid = reason != WAIT_RUNQUEUE && wake->waker_tid ? wake->waker_tid : ABSENT,
	};

	if (length < w->session->options.wait_least_ns || !counts || !wake->chance)
		return;
	row.weight_ns = (int64_t)((double)counts * 4294967296.0 / (double)wake->chance);
	write_row(w, r, &row);
}

/* --- records -------------------------------------------------------------------------------------------------------- */

/* Where nobody sees requests, all that the server does counts. */
static bool requests_are_watched(struct stack_samples *w)
{
	if (w->watched < 0) {
		w->watched = 0;
		for (size_t i = 0; i < w->session->n_active; i++)
			w->watched |= strcmp(w->session->active[i]->name, "wire") == 0;
	}
	return w->watched;
}

static struct record_sample *copy_record(const struct record_sample *r)
{
	struct record_sample *copy = malloc(r->h.size);

	if (copy)
		memcpy(copy, r, r->h.size);
	return copy;
}

static void hold(struct stack_samples *w, const struct record_sample *r)
{
	struct record_sample **slot = &w->held[w->next_held++ % N_HELD];

	free(*slot);
	*slot = copy_record(r);
}

static void on_step(struct stack_samples *w, const struct record_step *step)
{
	for (size_t i = 0; i < N_HELD; i++) {
		struct record_sample **slot = &w->held[i];

		if (!*slot || (*slot)->h.time_ns < step->h.time_ns || (*slot)->h.time_ns > step->end_ns)
			continue;
		write_cpu(w, *slot);
		free(*slot);
		*slot = NULL;
	}
}

static void on_sample(struct stack_samples *w, const struct record_sample *r)
{
	if (r->kind == SAMPLE_WAIT) {
		struct record_sample **slot = &w->waiting[r->h.tid % N_WAITING];

		free(*slot);
		*slot = copy_record(r);
	} else if (w->session->options.sample_idle || !requests_are_watched(w) || w->flight.open_since) {
		write_cpu(w, r);
	} else {
		hold(w, r);
	}
	/* Code that no mapping covers: a library that was mapped since. */
	for (size_t i = r->n_kernel; i < (size_t)r->n_kernel + r->n_user; i++)
		if (!(r->frame[i] >> FRAME_MODULE_SHIFT)) {
			stacks_code__look_again(w->code, r->h.tgid, r->h.time_ns);
			break;
		}
}

static void on_wake(struct stack_samples *w, const struct record_wake *wake)
{
	struct record_sample **slot = &w->waiting[wake->h.tid % N_WAITING], *r = *slot;

	if (!r || r->h.tid != wake->h.tid || r->h.time_ns != wake->start_ns) {
		w->counts.n_torn++;
		return;
	}
	requests_are_watched(w);
	if (r->reason != WAIT_RUNQUEUE)
		write_wait(w, r, wake, r->reason, wake->start_ns, wake->wake_ns);
	write_wait(w, r, wake, WAIT_RUNQUEUE, wake->wake_ns, wake->h.time_ns);
	free(r);
	*slot = NULL;
}

void stack_samples__record(struct stack_samples *w, const struct record_header *h)
{
	const struct record_sample *r = (const struct record_sample *)h;

	flight__requests(&w->flight, w->session->counts.requests_in_flight, h->time_ns);
	switch (h->kind) {
	case RECORD_SAMPLE:
		if (h->size >= sizeof(*r) && r->user_end < N_UNWIND_ENDS &&
		    h->size >= sizeof(*r) + ((size_t)r->n_kernel + r->n_user) * sizeof(r->frame[0]))
			on_sample(w, r);
		break;
	case RECORD_WAKE:
		if (h->size >= sizeof(struct record_wake))
			on_wake(w, (const struct record_wake *)h);
		break;
	case RECORD_STEP:
		if (h->size >= sizeof(struct record_step))
			on_step(w, (const struct record_step *)h);
		break;
	}
}
