/* SPDX-License-Identifier: Apache-2.0 */
#include "collectors/engine_rows.h"

#include <string.h>
#include <sys/uio.h>

#include "bpf/shared.h"

#define CONTEXT_SCAN_BYTES 16384
#define MOST_CONTEXT (1u << 28)	/* tokens; a larger figure was read from a wrong place */

const char *layout_check__words(enum layout_check check)
{
	switch (check) {
	case LAYOUT_OK:
		return "passed its self-check";
	case LAYOUT_UNREADABLE:
		return "a pointer of the layout could not be followed";
	case LAYOUT_POSITION:
		return "a position was out of range";
	case LAYOUT_SEQUENCE:
		return "a sequence id was out of range";
	case LAYOUT_SUM:
		return "tokens or sequences did not add up";
	case LAYOUT_OUTPUT:
		return "an output flag was neither 0 nor 1";
	case LAYOUT_NONE:
		return "no layout is known for this build, or several fit";
	}
	return "unknown";
}

void engine_rows__init(struct engine_rows *e)
{
	memset(e, 0, sizeof(*e));
	e->layout = -1;
}

/* --- contexts ------------------------------------------------------------------------------------------------------ */

static void write_context(struct session *s, const struct engine_context *c)
{
	struct row_context row = {
		.id = c->id,
		.pid = c->pid,
		.address = c->address,
		.memory = c->memory,
		.role = c->draft ? "draft" : "target",
		.n_ctx = c->n_ctx,
	};

	if (s->writer)
		recording_writer__context(s->writer, &row);
}

void engine_rows__know_context(struct engine_rows *e, uint32_t pid, uint32_t memory, uint32_t length)
{
	if (e->n_fields == MAX_KNOWN_ENGINES)
		return;
	e->fields[e->n_fields].pid = pid;
	e->fields[e->n_fields].memory = memory;
	e->fields[e->n_fields++].length = length;
}

static ssize_t read_remote(uint32_t pid, uint64_t address, void *out, size_t size)
{
	struct iovec local = { out, size };
	struct iovec remote = { (void *)(uintptr_t)address, size };

	return process_vm_readv((pid_t)pid, &local, 1, &remote, 1, 0);
}

/*
 * The engine's context object holds a pointer to its memory object. Where is known from the profile, or else the object's
 * first bytes are searched for the pointer's value: an address of 47 bits does not stand there by chance.
 */
static bool context_holds(const struct engine_rows *e, const struct engine_context *c, uint64_t memory)
{
	uint64_t words[CONTEXT_SCAN_BYTES / 8];
	size_t size, k;
	int i;

	for (i = 0; i < e->n_fields; i++)
		if (e->fields[i].pid == c->pid && e->fields[i].memory != LAYOUT_ABSENT)
			return read_remote(c->pid, c->address + e->fields[i].memory, words, 8) == 8 &&
			       words[0] == memory;
	/* The object may end before an unmapped page: try less. */
	for (size = CONTEXT_SCAN_BYTES; size >= 1024; size /= 2) {
		ssize_t n = read_remote(c->pid, c->address, words, size);

		for (k = 0; n >= 8 && k < (size_t)n / 8; k++)
			if (words[k] == memory)
				return true;
		if (n >= 8)
			return false;
	}
	return false;
}

static struct engine_context *find_by_memory(struct engine_rows *e, struct session *s, uint32_t pid, uint64_t memory)
{
	int i;

	for (i = 0; i < e->n_contexts; i++)
		if (e->contexts[i].pid == pid && e->contexts[i].memory == memory)
			return &e->contexts[i];
	for (i = 0; i < e->n_contexts; i++) {
		struct engine_context *c = &e->contexts[i];

		if (c->pid == pid && !c->memory && context_holds(e, c, memory)) {
			c->memory = memory;
			write_context(s, c);
			return c;
		}
	}
	return NULL;
}

static void write_memory(struct session *s, struct row_memory *row, int context)
{
	row->context = context;
	if (s->writer)
		recording_writer__memory(s->writer, row);
}

static void resolve_pending(struct engine_rows *e, struct session *s)
{
	int i, kept = 0;

	for (i = 0; i < e->n_pending; i++) {
		struct engine_context *c = find_by_memory(e, s, e->pending_pid[i], e->pending_memory[i]);

		if (c) {
			write_memory(s, &e->pending[i], c->id);
			continue;
		}
		e->pending[kept] = e->pending[i];
		e->pending_memory[kept] = e->pending_memory[i];
		e->pending_pid[kept] = e->pending_pid[i];
		kept++;
	}
	e->n_pending = kept;
}

/* The server's own word, but the one that it goes by: longer sequences it refuses. */
static int64_t read_length(const struct engine_rows *e, uint32_t pid, uint64_t address)
{
	uint32_t value = 0;

	for (int i = 0; i < e->n_fields; i++)
		if (e->fields[i].pid == pid && e->fields[i].length != LAYOUT_ABSENT &&
		    read_remote(pid, address + e->fields[i].length, &value, sizeof(value)) == sizeof(value) && value &&
		    value <= MOST_CONTEXT)
			return value;
	return ABSENT;
}

static struct engine_context *context__get(struct engine_rows *e, struct session *s, uint32_t pid, uint64_t address,
					   bool draft)
{
	struct engine_context *c;
	int i;

	for (i = 0; i < e->n_contexts; i++)
		if (e->contexts[i].pid == pid && e->contexts[i].address == address)
			return &e->contexts[i];
	if (e->n_contexts == MAX_CONTEXTS)
		return NULL;
	c = &e->contexts[e->n_contexts++];
	c->id = e->n_contexts;
	c->pid = pid;
	c->address = address;
	c->draft = draft;
	c->n_ctx = read_length(e, pid, address);
	write_context(s, c);
	resolve_pending(e, s);
	return c;
}

/* --- records ------------------------------------------------------------------------------------------------------- */

static struct open_step *open_step__get(struct engine_rows *e, uint64_t step, bool create)
{
	struct open_step *o;
	int i;

	for (i = 0; i < MAX_OPEN_STEPS; i++)
		if (e->open[i].step == step)
			return &e->open[i];
	if (!create)
		return NULL;
	o = &e->open[e->next_open++ % MAX_OPEN_STEPS];
	memset(o, 0, sizeof(*o));
	o->step = step;
	return o;
}

void engine_rows__rows(struct engine_rows *e, struct session *s, const struct record_rows *r)
{
	struct open_step *o = open_step__get(e, r->step, true);
	struct row_row row = { .step = (int64_t)r->step, .ubatch = (int)r->ubatch };
	int i;

	if (o->ubatch != r->ubatch || o->next_idx == 0) {
		o->ubatch = r->ubatch;
		o->next_idx = 0;
		o->n_tokens += r->n_tokens;
		if (r->check < sizeof(e->checks) / sizeof(e->checks[0]))
			e->checks[r->check]++;
		if (r->h.flags & ROWS_FROM_BATCH)
			e->from_batch++;
		else if (r->check == LAYOUT_OK)
			e->layout = r->layout;
	}
	if (!s->writer)
		return;
	if (r->h.flags & ROWS_UNKNOWN) {
		row.idx = o->next_idx++;
		row.seq = -1;
		row.first_pos = -1;
		row.n_tokens = r->n_tokens;
		row.n_outputs = ABSENT;
		recording_writer__row(s->writer, &row);
		return;
	}
	for (i = 0; i < r->n_rows; i++) {
		row.idx = o->next_idx++;
		row.seq = r->row[i].seq;
		row.first_pos = r->row[i].first_pos;
		row.n_tokens = r->row[i].n_tokens;
		row.n_outputs = r->row[i].n_outputs;
		recording_writer__row(s->writer, &row);
	}
}

static void write_step_resources(struct session *s, const struct record_step *r)
{
	int64_t start[METER_RESOURCES], end[METER_RESOURCES];
	int i;

	if (r->step > UINT32_MAX)
		return;		/* the rows' numbers are narrow: no figure is better than another step's */
	session__cut(s, r->meter_start, start);
	session__cut(s, r->meter_end, end);
	for (i = 0; i < METER_RESOURCES; i++) {
		struct row_step_resource row = {
			.step = (uint32_t)r->step,
			.resource = meter_resources[i],
			.start_value = start[i],
			.value = end[i] - start[i],
		};

		if (meter_resources[i] == RESOURCE_FAULTS && (!s->fault_ns || row.value == 0))
			continue;	/* not counted, or none: a row left out is 0 */
		recording_writer__step_resource(s->writer, &row);
	}
}

void engine_rows__step(struct engine_rows *e, struct session *s, const struct record_step *r)
{
	struct open_step *o = open_step__get(e, r->step, false);
	struct engine_context *c = context__get(e, s, r->h.tgid, r->context, r->h.flags & STEP_DRAFT);
	struct row_step row = {
		.id = (int64_t)r->step,
		.context = c ? c->id : 0,
		.tid = r->h.tid,
		.start_ns = r->h.time_ns,
		.end_ns = r->end_ns,
		.kind = (int)r->step_kind,
		.flags = r->h.flags,
		.ret = r->ret,
		.runq_ns = r->runq_ns,
		.blocked_ns = r->blocked_ns,
		.server_runq_ns = ABSENT,
		.server_fault_ns = ABSENT,
		.mean_khz = ABSENT,
		.clock_changes = ABSENT,
		.futex_ns = ABSENT,
	};

	if (s->meters_running) {
		row.futex_ns = (int64_t)r->futex_ns;
		row.server_runq_ns = (int64_t)(r->meter_end[METER_RUNQ_NS] - r->meter_start[METER_RUNQ_NS]);
		row.server_fault_ns =
			(int64_t)(r->meter_end[METER_FAULT_WAIT_NS] - r->meter_start[METER_FAULT_WAIT_NS]);
		row.mean_khz = session__mean_khz(s, r->meter_start, r->meter_end);
		if (s->clock_running)
			row.clock_changes =
				(int64_t)(r->meter_end[METER_CLOCK_CHANGES] - r->meter_start[METER_CLOCK_CHANGES]);
	}
	if (r->batch_tokens >= 0)
		row.n_tokens = r->batch_tokens;
	else
		row.n_tokens = o ? o->n_tokens : ABSENT;
	if (o)
		memset(o, 0, sizeof(*o));
	s->counts.n_steps++;
	if (r->ret == 0 && row.n_tokens != ABSENT)
		s->counts.n_tokens += row.n_tokens;
	if (!s->writer)
		return;
	recording_writer__step(s->writer, &row);
	if (s->meters_running)
		write_step_resources(s, r);
}

void engine_rows__memory(struct engine_rows *e, struct session *s, const struct record_memory *r)
{
	struct engine_context *c = find_by_memory(e, s, r->h.tgid, r->memory);
	struct row_memory row = {
		.time_ns = r->h.time_ns,
		.tid = r->h.tid,
		.op = (int)r->op,
		.seq = r->seq,
		.seq_dst = r->seq_dst,
		.p0 = r->p0,
		.p1 = r->p1,
		.delta = r->delta,
	};

	if (c || e->n_pending == MAX_PENDING_MEMORY) {
		write_memory(s, &row, c ? c->id : 0);
		return;
	}
	/* The first events of a context come before its first step. */
	e->pending[e->n_pending] = row;
	e->pending_memory[e->n_pending] = r->memory;
	e->pending_pid[e->n_pending] = r->h.tgid;
	e->n_pending++;
}

void engine_rows__finish(struct engine_rows *e, struct session *s)
{
	int i;

	resolve_pending(e, s);
	for (i = 0; i < e->n_pending; i++)
		write_memory(s, &e->pending[i], 0);
	e->n_pending = 0;
}
