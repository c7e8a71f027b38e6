/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recording as it went, as a Perfetto trace (https://perfetto.dev/docs/reference/synthetic-track-event): a track per request
 * with its waiting, prefill and decode, one per context and thread with its steps, one per thread with its waits and samples, a
 * counter of requests that wait and that run; arrows lead from a request to the steps that computed for it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "output/flame.h"
#include "output/protobuf.h"
#include "userspace/flame/place.h"

/* Fields of perfetto's protos/perfetto/trace/trace_packet.proto and track_event/ *.proto. */
enum perfetto_field {
	TRACE_PACKET = 1,
	PACKET_TIMESTAMP = 8,
	PACKET_SEQUENCE = 10,
	PACKET_TRACK_EVENT = 11,
	PACKET_TRACK_DESCRIPTOR = 60,
	TRACK_UUID = 1,
	TRACK_NAME = 2,
	TRACK_PROCESS = 3,
	TRACK_THREAD = 4,
	TRACK_PARENT = 5,
	TRACK_COUNTER = 8,
	EVENT_ANNOTATION = 4,
	EVENT_TYPE = 9,
	EVENT_TRACK = 11,
	EVENT_CATEGORY = 22,
	EVENT_NAME = 23,
	EVENT_COUNTER_VALUE = 30,
	EVENT_FLOW = 47,
	ANNOTATION_INTEGER = 4,
	ANNOTATION_TEXT = 6,
	ANNOTATION_NAME = 10,
};
enum perfetto_event { EVENT_BEGIN = 1, EVENT_END = 2, EVENT_INSTANT = 3, EVENT_COUNTER = 4 };

/* A packet is written as soon as it is whole, so that a trace of any length needs no memory. */
struct trace {
	FILE *f;
	const struct recording *r;
	const struct timeline *t;
	struct protobuf packet, event, part, out;
	uint64_t n_tracks;
};

#define SEQUENCE 1

static const char *const wait_names[N_WAIT_REASONS] = {
	[WAIT_OTHER] = "blocked",
	[WAIT_FUTEX] = "futex",
	[WAIT_IO] = "disk",
	[WAIT_SLEEP] = "sleep",
	[WAIT_FAULT] = "disk, in a page fault",
	[WAIT_RUNQUEUE] = "run queue",
};

static void put_packet(struct trace *t)
{
	protobuf__integer(&t->packet, PACKET_SEQUENCE, SEQUENCE);
	protobuf__message(&t->out, TRACE_PACKET, &t->packet);
	fwrite(t->out.data, 1, t->out.n, t->f);
	t->out.n = 0;
}

/* @return its uuid, to which more may be added with `t->part` before end_track() */
static uint64_t begin_track(struct trace *t, const char *name, uint64_t parent)
{
	const uint64_t uuid = ++t->n_tracks;

	protobuf__integer(&t->event, TRACK_UUID, (int64_t)uuid);
	protobuf__text(&t->event, TRACK_NAME, name);
	if (parent)
		protobuf__integer(&t->event, TRACK_PARENT, (int64_t)parent);
	return uuid;
}

static void end_track(struct trace *t)
{
	protobuf__message(&t->packet, PACKET_TRACK_DESCRIPTOR, &t->event);
	put_packet(t);
}

static uint64_t add_track(struct trace *t, const char *name, uint64_t parent)
{
	const uint64_t uuid = begin_track(t, name, parent);

	end_track(t);
	return uuid;
}

/* More may be added to `t->event` before end_event(). */
static void begin_event(struct trace *t, uint64_t track, uint64_t time_ns, enum perfetto_event type, const char *name,
			const char *category)
{
	protobuf__integer(&t->packet, PACKET_TIMESTAMP, (int64_t)time_ns);
	protobuf__integer(&t->event, EVENT_TYPE, type);
	protobuf__integer(&t->event, EVENT_TRACK, (int64_t)track);
	protobuf__text(&t->event, EVENT_CATEGORY, category);
	protobuf__text(&t->event, EVENT_NAME, name);
}

static void end_event(struct trace *t)
{
	protobuf__message(&t->packet, PACKET_TRACK_EVENT, &t->event);
	put_packet(t);
}

static void add_end(struct trace *t, uint64_t track, uint64_t time_ns)
{
	begin_event(t, track, time_ns, EVENT_END, NULL, NULL);
	end_event(t);
}

static void annotate(struct trace *t, const char *name, int64_t value)
{
	if (value == ABSENT)
		return;
	protobuf__text(&t->part, ANNOTATION_NAME, name);
	protobuf__integer(&t->part, ANNOTATION_INTEGER, value);
	protobuf__message(&t->event, EVENT_ANNOTATION, &t->part);
}

static void annotate_text(struct trace *t, const char *name, const char *text)
{
	if (!text)
		return;
	protobuf__text(&t->part, ANNOTATION_NAME, name);
	protobuf__text(&t->part, ANNOTATION_TEXT, text);
	protobuf__message(&t->event, EVENT_ANNOTATION, &t->part);
}

/* ------------------------------------------------------------------------------------------------------------ requests --- */

static uint64_t end_of_recording(const struct recording *r)
{
	const int64_t end = recording__meta_int(r, "end_ns");
	uint64_t latest = end == ABSENT ? 0 : (uint64_t)end;

	for (size_t i = 0; i < r->n_steps; i++)
		latest = r->steps[i].end_ns > latest ? r->steps[i].end_ns : latest;
	for (size_t i = 0; i < r->n_requests; i++) {
		latest = r->requests[i].end_ns > latest ? r->requests[i].end_ns : latest;
		latest = r->requests[i].arrival_ns > latest ? r->requests[i].arrival_ns : latest;
	}
	return latest;
}

static void put_slice(struct trace *t, uint64_t track, uint64_t from, uint64_t to, const char *name)
{
	if (to <= from)
		return;
	begin_event(t, track, from, EVENT_BEGIN, name, "request");
	end_event(t);
	add_end(t, track, to);
}

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
	return value < low ? low : value > high ? high : value;
}

/* Side by side where a request has several runs: then only the first is cut into phases. */
static void put_phases(struct trace *t, uint64_t track, size_t i, uint64_t begin, uint64_t end)
{
	const struct timeline_request *q = &t->t->requests[i];
	const struct timeline_run *run = q->n_runs ? &t->t->runs[t->t->request_runs[q->first_run]] : NULL;
	uint64_t first, decode, last;

	if (!run)
		return;
	first = clamp(run->start_ns, begin, end);
	decode = clamp(run->first_output_ns ? run->first_output_ns : run->end_ns, first, end);
	last = clamp(run->end_ns, decode, end);
	put_slice(t, track, begin, first, "wait");
	put_slice(t, track, first, decode, phase__name(PHASE_PREFILL));
	put_slice(t, track, decode, last, phase__name(PHASE_DECODE));
}

static void put_request(struct trace *t, uint64_t parent, size_t i, uint64_t latest)
{
	const struct row_request *q = &t->r->requests[i];
	const struct timeline_request *joined = &t->t->requests[i];
	const uint64_t end = q->end_ns ? q->end_ns : latest;
	char name[64];
	uint64_t track;

	snprintf(name, sizeof(name), "request %" PRId64, q->id);
	track = add_track(t, name, parent);
	begin_event(t, track, q->arrival_ns, EVENT_BEGIN, name, "request");
	protobuf__fixed64(&t->event, EVENT_FLOW, (uint64_t)i + 1);
	annotate_text(t, "response_id", q->api_id);
	annotate_text(t, "path", q->path);
	annotate_text(t, "model", q->response_model ? q->response_model : q->model);
	annotate(t, "status", q->status ? q->status : ABSENT);
	annotate(t, "computed_prompt_tokens", joined->prompt_tokens);
	annotate(t, "cached_prompt_tokens", joined->cached_tokens);
	annotate(t, "completion_tokens", joined->completion_tokens);
	annotate(t, "wait_ns", joined->wait_ns);
	end_event(t);
	put_phases(t, track, i, q->arrival_ns, end);
	add_end(t, track, end);
}

/* --------------------------------------------------------------------------------------------------------------- steps --- */

/* Requests with rows in the step, each once. */
static void put_flows(struct trace *t, size_t step)
{
	const struct timeline *tl = t->t;

	for (uint32_t i = tl->step_first_row[step]; i < tl->step_first_row[step + 1]; i++) {
		const uint32_t run = tl->rows[i].run, owner = run == RUN_NONE ? REQUEST_NONE : tl->runs[run].request;
		bool again = owner == REQUEST_NONE;

		for (uint32_t k = tl->step_first_row[step]; k < i && !again; k++)
			again = tl->rows[k].run != RUN_NONE && tl->runs[tl->rows[k].run].request == owner;
		if (!again)
			protobuf__fixed64(&t->event, EVENT_FLOW, (uint64_t)owner + 1);
	}
}

static void put_step(struct trace *t, uint64_t track, size_t i)
{
	const struct row_step *s = &t->r->steps[i];
	const uint32_t first = t->t->step_first_row[i], end = t->t->step_first_row[i + 1];
	uint32_t phases = 0;
	char name[128] = "";

	for (uint32_t k = first; k < end; k++)
		phases |= 1u << t->t->rows[k].phase;
	for (int p = 0; p < N_PHASES; p++) {
		const size_t n = strlen(name);

		if (phases >> p & 1)
			snprintf(name + n, sizeof(name) - n, "%s%s", n ? " + " : "", phase__name((enum phase)p));
	}
	begin_event(t, track, s->start_ns, EVENT_BEGIN, name[0] ? name : "step", "step");
	annotate(t, "step", s->id);
	annotate(t, "tokens", s->n_tokens);
	annotate(t, "sequences", (int64_t)(end - first));
	annotate(t, "returned", s->ret);
	put_flows(t, i);
	end_event(t);
	add_end(t, track, s->end_ns);
}

/* Steps of one thread nest; those of several may overlap, and have a track for each. */
static int put_steps(struct trace *t, uint64_t parent)
{
	struct map64 tracks = { .n = 0 };
	int err = 0;

	for (size_t i = 0; i < t->r->n_steps && !err; i++) {
		const struct row_step *s = &t->r->steps[i];
		uint32_t *track = map64__at(&tracks, (uint64_t)s->tid << 32 | (uint32_t)s->context);
		char name[96];

		if (!track) {
			err = -ENOMEM;
			break;
		}
		if (*track == MAP64_NONE) {
			snprintf(name, sizeof(name), "steps of context %d, thread %" PRIu32, s->context, s->tid);
			*track = (uint32_t)add_track(t, name, parent);
		}
		put_step(t, *track, i);
	}
	map64__free(&tracks);
	return err;
}

/* --------------------------------------------------------------------------------------------------------------- queue --- */

struct change {
	uint64_t time_ns;
	int waiting, running;
};

static int compare_changes(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

static uint64_t add_counter(struct trace *t, const char *name)
{
	const uint64_t uuid = begin_track(t, name, 0);

	protobuf__message(&t->event, TRACK_COUNTER, &t->part);
	end_track(t);
	return uuid;
}

static void put_counter(struct trace *t, uint64_t track, uint64_t time_ns, int64_t value)
{
	begin_event(t, track, time_ns, EVENT_COUNTER, NULL, NULL);
	protobuf__integer(&t->event, EVENT_COUNTER_VALUE, value);
	end_event(t);
}

/* A request waits from its arrival to its first row. */
static int put_queue(struct trace *t)
{
	struct change *changes = calloc(3 * t->r->n_requests + 1, sizeof(*changes));
	const uint64_t waiting_track = add_counter(t, "requests waiting"),
		       running_track = add_counter(t, "requests running");
	int64_t waiting = 0, running = 0;
	size_t n = 0;

	if (!changes)
		return -ENOMEM;
	for (size_t i = 0; i < t->r->n_requests; i++) {
		const struct timeline_request *q = &t->t->requests[i];
		const struct row_request *row = &t->r->requests[i];
		const struct timeline_run *run;

		if (!q->n_runs)
			continue;
		run = &t->t->runs[t->t->request_runs[q->first_run]];
		changes[n++] = (struct change){ row->arrival_ns, 1, 0 };
		changes[n++] = (struct change){ clamp(run->start_ns, row->arrival_ns, UINT64_MAX), -1, 1 };
		changes[n++] = (struct change){ clamp(run->end_ns, row->arrival_ns, UINT64_MAX), 0, -1 };
	}
	if (n)
		qsort(changes, n, sizeof(*changes), compare_changes);
	for (size_t i = 0; i < n; i++) {
		waiting += changes[i].waiting;
		running += changes[i].running;
		if (i + 1 < n && changes[i + 1].time_ns == changes[i].time_ns)
			continue;
		put_counter(t, waiting_track, changes[i].time_ns, waiting);
		put_counter(t, running_track, changes[i].time_ns, running);
	}
	free(changes);
	return 0;
}

/* ------------------------------------------------------------------------------------------------------------- threads --- */

static uint32_t pid_of(const struct recording *r, uint32_t tid, const char **comm)
{
	for (size_t i = 0; i < r->n_threads; i++) {
		if (r->threads[i].tid != tid)
			continue;
		*comm = r->threads[i].comm;
		return r->threads[i].pid;
	}
	*comm = NULL;
	return r->n_processes ? r->processes[0].pid : tid;
}

static uint64_t add_thread(struct trace *t, uint32_t tid)
{
	const char *comm;
	const uint32_t pid = pid_of(t->r, tid, &comm);
	uint64_t uuid;
	char name[64];

	snprintf(name, sizeof(name), "%.40s %" PRIu32, comm ? comm : "thread", tid);
	uuid = begin_track(t, name, 0);
	protobuf__integer(&t->part, 1, pid);
	protobuf__integer(&t->part, 2, tid);
	protobuf__text(&t->part, 5, comm ? comm : name);
	protobuf__message(&t->event, TRACK_THREAD, &t->part);
	end_track(t);
	return uuid;
}

static const char *leaf_name(const struct trace *t, const struct stack_tree *tree, const struct row_stack_sample *s)
{
	const size_t stack = s->stack == ABSENT ? SIZE_MAX : stack_tree__find(t->r, s->stack);

	if (stack == SIZE_MAX)
		return "[no stack]";
	return tree->names->all[tree->nodes[tree->node_of_stack[stack]].name].text;
}

static void put_thread_sample(struct trace *t, uint64_t track, const struct stack_tree *tree,
			      const struct row_stack_sample *s)
{
	const char *leaf = leaf_name(t, tree, s);

	if (s->kind == STACK_SAMPLE_CPU) {
		begin_event(t, track, s->time_ns, EVENT_INSTANT, leaf, "cpu sample");
		annotate(t, "cpu", s->cpu);
		end_event(t);
		return;
	}
	begin_event(t, track, s->time_ns - wait__length(s), EVENT_BEGIN,
		    s->reason == ABSENT ? wait_names[WAIT_OTHER] : wait_names[s->reason], "wait");
	annotate_text(t, "in", leaf);
	annotate(t, "waker_tid", s->waker_tid);
	end_event(t);
	add_end(t, track, s->time_ns);
}

static int put_threads(struct trace *t)
{
	struct flame_names names;
	struct stack_tree tree = { .n = 0 };
	struct map64 tracks = { .n = 0 };
	int err = flame_names__init(&names);

	if (!err)
		err = stack_tree__build(&tree, t->r, &names, false);
	for (size_t i = 0; i < t->r->n_stack_samples && !err; i++) {
		const struct row_stack_sample *s = &t->r->stack_samples[i];
		uint32_t *track = map64__at(&tracks, s->tid);

		if (!track) {
			err = -ENOMEM;
			break;
		}
		if (*track == MAP64_NONE)
			*track = (uint32_t)add_thread(t, s->tid);
		put_thread_sample(t, *track, &tree, s);
	}
	map64__free(&tracks);
	stack_tree__free(&tree);
	flame_names__free(&names);
	return err;
}

static void put_processes(struct trace *t)
{
	for (size_t i = 0; i < t->r->n_processes; i++) {
		begin_track(t, t->r->processes[i].comm ? t->r->processes[i].comm : "server", 0);
		protobuf__integer(&t->part, 1, t->r->processes[i].pid);
		protobuf__text(&t->part, 6, t->r->processes[i].comm ? t->r->processes[i].comm : "server");
		protobuf__message(&t->event, TRACK_PROCESS, &t->part);
		end_track(t);
	}
}

static int write_perfetto(FILE *f, const struct flame_view *view)
{
	struct trace t = { .f = f, .r = view->ledger->timeline->recording, .t = view->ledger->timeline };
	const uint64_t latest = end_of_recording(t.r), requests = add_track(&t, "requests", 0);
	int err = 0;

	put_processes(&t);
	for (size_t i = 0; i < t.r->n_requests; i++)
		put_request(&t, requests, i, latest);
	err = put_steps(&t, add_track(&t, "engine", 0));
	if (!err)
		err = put_queue(&t);
	if (!err)
		err = put_threads(&t);
	if (!err && (t.packet.failed || t.event.failed || t.part.failed || t.out.failed))
		err = -ENOMEM;
	protobuf__free(&t.packet);
	protobuf__free(&t.event);
	protobuf__free(&t.part);
	protobuf__free(&t.out);
	return err ? err : ferror(f) ? -EIO : 0;
}

const struct flame_output flame_output_perfetto = {
	.name = "perfetto",
	.suffix = ".perfetto-trace",
	.doc = "the recording as it went, for ui.perfetto.dev",
	.is_trace = true,
	.is_binary = true,
	.write = write_perfetto,
};
