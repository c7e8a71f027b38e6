/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's side: find an engine in each process of the server, probe its steps, and write what they computed.
 *
 * A process that has no engine yet (a server that is still loading, a fork that will exec) is looked at again at each
 * tick for a while.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/collector.h"
#include "collectors/engine_batches.h"
#include "collectors/engine_nodes.h"
#include "collectors/engine_operators.h"
#include "collectors/engine_rows.h"
#include "collectors/skeleton.h"
#include "collectors/uprobe.h"
#include "engine.skel.h"
#include "userspace/engine.h"
#include "userspace/model_file.h"
#include "userspace/process.h"
#include "userspace/session.h"

#define MAX_ENGINES 32
#define MAX_SEQUENCES_ACCEPTED 1024
#define MAX_POSITION_ACCEPTED (1 << 26)

struct attached_engine {
	int id;
	struct engine_instance *instance;
	struct uprobe_links links[ENGINE_MAX_MODULES];
	struct engine_batches batches;
	struct engine_operators operators;
	bool unknown_noted;	/* that rows are unknown, and nothing can be done */
	uint32_t first_probe;	/* of its entries in map engine_probes */
	uint32_t first_layout;
};

struct engine_collector {
	struct engine_bpf *skel;
	struct engine_profiles profiles;
	struct engine_cache *cache;
	struct attached_engine engines[MAX_ENGINES];
	size_t n_engines;
	uint32_t waiting[MAX_TARGETS];	/* processes without an engine so far */
	size_t n_waiting;
	uint32_t n_probes, n_layouts;	/* used entries of the maps */
	struct engine_rows rows;
	struct model_numbers models;
	struct engine_nodes nodes;
	struct operator_schedule schedule;
	struct hit_cost hit_cost;	/* 0: not calibrated */
	uint64_t burst_end_ns;		/* at the latest; 0: no burst */
	bool operators_seen;		/* a burst has told of a step */
	int64_t n_steps;		/* that ended so far */
	bool enabled;
};

static int write_control(struct engine_collector *c)
{
	struct engine_control control = {
		.enabled = 1,
		.max_sequences = MAX_SEQUENCES_ACCEPTED,
		.max_position = MAX_POSITION_ACCEPTED,
	};
	uint32_t zero = 0;

	return bpf_map_update_elem(bpf_map__fd(c->skel->maps.engine_control), &zero, &control, BPF_ANY);
}

static int engine_open(struct session *s, void **out)
{
	struct engine_collector *c = calloc(1, sizeof(*c));
	char error[512];
	int err;

	if (!c)
		return -ENOMEM;
	engine_rows__init(&c->rows);
	c->enabled = true;
	err = engine_profiles__load(&c->profiles, s->options.engine_profile, error, sizeof(error));
	if (err) {
		session__note(s, "engine", "absent", error);
		free(c);
		return err;
	}
	c->cache = engine_cache__new();
	c->skel = engine_bpf__open();
	err = c->cache && c->skel ? session__share_maps(s, c->skel->obj) : -ENOMEM;
	if (!err)
		err = engine_nodes__init(&c->nodes);
	if (!err) {
		uprobe__prepare(c->skel->progs.on_uprobe);
		err = engine_bpf__load(c->skel);
	}
	if (!err) {
		c->skel->links.on_exit = bpf_program__attach(c->skel->progs.on_exit);
		err = c->skel->links.on_exit ? write_control(c) : -errno;
	}
	if (err) {
		engine_bpf__destroy(c->skel);
		engine_cache__free(c->cache);
		engine_profiles__free(&c->profiles);
		engine_nodes__free(&c->nodes);
		free(c);
		return err;
	}
	operator_schedule__init(&c->schedule);
	if (s->writer && !s->options.no_operators && operator_hit__calibrate(&c->hit_cost))
		memset(&c->hit_cost, 0, sizeof(c->hit_cost));
	*out = c;
	return 0;
}

/* --- attaching ----------------------------------------------------------------------------------------------------- */

static struct attached_engine *engine_of(struct engine_collector *c, uint32_t pid)
{
	size_t i;

	for (i = 0; i < c->n_engines; i++)
		if (c->engines[i].instance->pid == pid)
			return &c->engines[i];
	return NULL;
}

static int fill_maps(struct engine_collector *c, struct attached_engine *e)
{
	const struct engine_instance *in = e->instance;
	size_t i;

	if (c->n_probes + in->n_probes > ENGINE_PROBE_ENTRIES || c->n_layouts + in->n_layouts > ENGINE_LAYOUT_ENTRIES)
		return -ENOSPC;
	e->first_layout = c->n_layouts;
	for (i = 0; i < in->n_layouts; i++) {
		uint32_t key = c->n_layouts++;
		int err = bpf_map_update_elem(bpf_map__fd(c->skel->maps.engine_layouts), &key, &in->layouts[i].fields,
					      BPF_ANY);

		if (err)
			return err;
	}
	e->first_probe = c->n_probes;
	for (i = 0; i < in->n_probes; i++) {
		const struct probe_place *place = &in->probes[i].place;
		struct engine_probe_config config = {
			.role = in->probes[i].role,
			.kind = in->probes[i].kind,
			.batch_stack = in->probes[i].batch_stack,
			.batch_argument = in->probes[i].batch_argument,
			.layout_first = e->first_layout,
			.layout_count = (uint32_t)in->n_layouts,
			.frame = place->frame,
			.frame_word = place->frame_word,
			.condition = place->condition,
			.value_word = place->value_is_constant ? PROBE_CONSTANT : place->value_word,
			.value = place->constant,
			.node_op = (uint16_t)in->node_op,
			.node_name = (uint16_t)in->node_name,
			.graph_nodes = (uint16_t)in->graph_nodes,
		};
		uint32_t key = c->n_probes++;
		int err = bpf_map_update_elem(bpf_map__fd(c->skel->maps.engine_probes), &key, &config, BPF_ANY);

		if (err)
			return err;
	}
	return 0;
}

static struct engine_batches_bpf batches_bpf(const struct engine_collector *c, const struct attached_engine *e)
{
	return (struct engine_batches_bpf){
		.program_fd = bpf_program__fd(c->skel->progs.on_uprobe),
		.batches_fd = bpf_map__fd(c->skel->maps.batches),
		.probes_fd = bpf_map__fd(c->skel->maps.engine_probes),
		.first_probe = e->first_probe,
	};
}

static void detach(struct engine_collector *c, struct attached_engine *e)
{
	const struct engine_batches_bpf bpf = batches_bpf(c, e);
	size_t i;

	if (e->batches.state == BATCHES_ON)
		engine_batches__detach(&e->batches, e->instance, &bpf);
	engine_operators__detach(&e->operators, e->instance);
	for (i = 0; i < e->instance->n_modules; i++)
		uprobe_links__detach(&e->links[i]);
}

static int attach(struct engine_collector *c, struct attached_engine *e)
{
	const struct engine_batches_bpf bpf = batches_bpf(c, e);
	const struct engine_instance *in = e->instance;
	struct uprobe_point points[MAX_ENGINE_PROBES];
	size_t m, i, n;
	int err;

	for (m = 0; m < in->n_modules; m++) {
		n = 0;
		for (i = 0; i < in->n_probes; i++)
			if (in->probes[i].module == m && in->probes[i].role != PROBE_BATCH &&
			    !operator_role(in->probes[i].role))
				points[n++] =
					(struct uprobe_point){ in->probes[i].place.file_offset, e->first_probe + i };
		if (n == 0)
			continue;
		err = uprobe_links__attach(&e->links[m], bpf.program_fd, in->modules[m].attach_path, in->pid, points,
					   n);
		if (err) {
			detach(c, e);
			return err;
		}
	}
	if (e->batches.state == BATCHES_ON && engine_batches__attach(&e->batches, in, &bpf))
		e->batches.state = BATCHES_OFF;
	return 0;
}

static void describe_rows(const struct engine_collector *c, const struct attached_engine *e, char *out, size_t size)
{
	const struct engine_instance *in = e->instance;
	const struct engine_rows *rows = &c->rows;
	const bool by_calls = e->batches.state == BATCHES_ON || e->batches.state == BATCHES_OFF;
	int layout = rows->layout - (int)e->first_layout, worst = LAYOUT_NONE, i;
	uint64_t failed = 0;

	for (i = LAYOUT_UNREADABLE; i <= LAYOUT_NONE; i++) {
		failed += rows->checks[i];
		if (rows->checks[i])
			worst = i;
	}
	if (rows->from_batch > 0 && failed > rows->from_batch)
		snprintf(out, size, "%s in %llu steps, unknown in %llu ubatches; the ubatch's layout failed: %s",
			 by_calls ? "calls that fill the batch" : "public batch", (unsigned long long)rows->from_batch,
			 (unsigned long long)(failed - rows->from_batch), layout_check__words(worst));
	else if (rows->from_batch > 0)
		snprintf(out, size, "public batch; the ubatch's layout failed: %s", layout_check__words(worst));
	else if (failed > 0)
		snprintf(out, size, "unknown in %llu ubatches: %s", (unsigned long long)failed,
			 layout_check__words(worst));
	else if (layout >= 0 && layout < (int)in->n_layouts)
		snprintf(out, size, "ubatch layout %s by %s; passed its self-check in %llu ubatches",
			 in->layouts[layout].name, in->layout_source, (unsigned long long)rows->checks[LAYOUT_OK]);
	else
		snprintf(out, size, "no step was seen");
}

static void write_engine(struct session *s, const struct engine_collector *c, const struct attached_engine *e)
{
	const struct engine_instance *in = e->instance;
	char source[240];
	struct row_engine row = {
		.id = e->id,
		.pid = in->pid,
		.name = in->name,
		.version = in->version[0] ? in->version : NULL,
		.build_id = in->modules[0].build_id[0] ? in->modules[0].build_id : NULL,
		.path = in->modules[0].path,
		.device = in->modules[0].device,
		.inode = in->modules[0].inode,
		.rows_source = source,
	};

	describe_rows(c, e, source, sizeof(source));
	if (s->writer)
		recording_writer__engine(s->writer, &row);
}

enum probe_group { PROBES_STEPS, PROBES_BATCHES, PROBES_OPERATORS };

static enum probe_group group_of(enum probe_role role)
{
	return role == PROBE_BATCH ? PROBES_BATCHES : operator_role(role) ? PROBES_OPERATORS : PROBES_STEPS;
}

/* Those of batches and of operators apart: they are attached later, if at all. */
static void write_probes(struct session *s, const struct engine_instance *in, enum probe_group group)
{
	char point[PROFILE_SYMBOL_SIZE + 16], detail[700];
	size_t i;

	for (i = 0; s->writer && i < in->n_probes; i++) {
		const struct engine_probe *p = &in->probes[i];
		bool leaves = p->role == PROBE_STEP_RETURN || p->role == PROBE_SPECULATION_RETURN ||
			      p->role == PROBE_GRAPH_RETURN || p->role == PROBE_SAMPLING_RETURN;
		struct row_probe row = { "engine", point, in->pid, true, detail };

		if (group_of(p->role) != group)
			continue;
		snprintf(point, sizeof(point), "%s %s", p->symbol, leaves ? "return" : "entry");
		snprintf(detail, sizeof(detail), "%s+0x%llx", in->modules[p->module].path,
			 (unsigned long long)p->place.file_offset);
		recording_writer__probe(s->writer, &row);
	}
	for (i = 0; s->writer && group == PROBES_STEPS && i < in->n_missing; i++) {
		struct row_probe row = { "engine", in->missing[i].point, in->pid, false, in->missing[i].reason };

		recording_writer__probe(s->writer, &row);
	}
}

static void wait_for(struct engine_collector *c, uint32_t pid)
{
	size_t i;

	for (i = 0; i < c->n_waiting; i++)
		if (c->waiting[i] == pid)
			return;
	if (c->n_waiting < MAX_TARGETS)
		c->waiting[c->n_waiting++] = pid;
}

static int engine_attach(struct session *s, void *state, uint32_t pid)
{
	struct engine_collector *c = state;
	struct attached_engine *e = &c->engines[c->n_engines];
	char reason[160];
	int err;

	if (engine_of(c, pid))
		return 0;
	if (c->n_engines == MAX_ENGINES)
		return -ENOSPC;
	memset(e, 0, sizeof(*e));
	e->instance = calloc(1, sizeof(*e->instance));
	if (!e->instance)
		return -ENOMEM;
	err = engine__find_cached(e->instance, pid, &c->profiles, c->cache);
	if (err == -ENOENT)
		wait_for(c, pid);
	if (!err)
		err = fill_maps(c, e);
	if (!err)
		engine_batches__init(&e->batches, e->instance);
	if (!err)
		engine_operators__init(&e->operators, e->instance);
	if (!err && c->enabled)
		err = attach(c, e);
	if (err) {
		if (err != -ENOENT && err != -ESRCH) {
			snprintf(reason, sizeof(reason), "pid %u: %s", pid, strerror(-err));
			session__note(s, "engine", "partial", reason);
		}
		free(e->instance);
		return err;
	}
	e->id = (int)++c->n_engines;
	engine_rows__know_context(&c->rows, pid, e->instance->context_memory, e->instance->context_length);
	write_engine(s, c, e);
	write_probes(s, e->instance, PROBES_STEPS);
	if (s->writer)
		model_file__write(&c->models, s->writer, pid);
	return 0;
}

/* --- rows by other means ----------------------------------------------------------------------------------------- */

static void note_unknown_rows(struct session *s, const char *how)
{
	char reason[240];

	snprintf(reason, sizeof(reason), "the ubatch's layout failed its self-check: %s", how);
	session__note(s, "engine", "partial", reason);
}

static void rows_are_unknown(struct session *s, struct engine_collector *c, uint32_t pid)
{
	struct attached_engine *e = engine_of(c, pid);
	const struct engine_batches_bpf bpf = e ? batches_bpf(c, e) : (struct engine_batches_bpf){ 0 };

	if (!e || !c->enabled)
		return;
	if (e->batches.state == BATCHES_NONE && !e->unknown_noted)
		note_unknown_rows(s, "rows per sequence are unknown");
	e->unknown_noted = true;
	if (e->batches.state != BATCHES_READY)
		return;
	if (engine_batches__attach(&e->batches, e->instance, &bpf)) {
		e->batches.state = BATCHES_OFF;
		note_unknown_rows(s,
				  "rows per sequence are unknown, and the calls that fill a batch could not be probed");
		return;
	}
	e->batches.state = BATCHES_ON;
	note_unknown_rows(s, "rows since come from the calls that fill a batch");
	write_probes(s, e->instance, PROBES_BATCHES);
}

static void watch_budget(struct session *s, struct engine_collector *c)
{
	size_t i;

	for (i = 0; i < c->n_engines; i++) {
		struct attached_engine *e = &c->engines[i];
		const struct engine_batches_bpf bpf = batches_bpf(c, e);

		if (!c->enabled || e->batches.state != BATCHES_ON ||
		    !engine_batches__exceeded(&e->batches, e->instance, &bpf))
			continue;
		engine_batches__detach(&e->batches, e->instance, &bpf);
		e->batches.state = BATCHES_OFF;
		note_unknown_rows(s,
				  "rows came from the calls that fill a batch, until these cost more than 1 % of the "
				  "server's CPU time; now rows are unknown");
	}
}

/* --- operators ------------------------------------------------------------------------------------------------------ */

static struct engine_operators_bpf operators_bpf(const struct engine_collector *c, const struct attached_engine *e)
{
	return (struct engine_operators_bpf){
		.program_fd = bpf_program__fd(c->skel->progs.on_uprobe),
		.probes_fd = bpf_map__fd(c->skel->maps.engine_probes),
		.first_probe = e->first_probe,
	};
}

static int64_t servers_cpu(const struct engine_collector *c)
{
	int64_t sum = 0;

	for (size_t i = 0; i < c->n_engines; i++) {
		int64_t cpu_ns = c->engines[i].instance->pid ? process__cpu_ns(c->engines[i].instance->pid) : 0;

		sum += cpu_ns > 0 ? cpu_ns : 0;
	}
	return sum;
}

static bool burst_is_over(const struct engine_collector *c)
{
	struct operator_control left;
	uint32_t zero = 0;

	return bpf_map_lookup_elem(bpf_map__fd(c->skel->maps.operator_control), &zero, &left) || !left.steps_left ||
	       (!left.single_left && !left.several_left);
}

static int let_steps(const struct engine_collector *c, const struct operator_control *control)
{
	uint32_t zero = 0;

	return bpf_map_update_elem(bpf_map__fd(c->skel->maps.operator_control), &zero, control, BPF_ANY);
}

static void end_burst(struct engine_collector *c, uint64_t now_ns)
{
	int64_t cost_ns = 0;

	let_steps(c, &(struct operator_control){ 0 });
	for (size_t i = 0; i < c->n_engines; i++) {
		struct attached_engine *e = &c->engines[i];
		const struct engine_operators_bpf bpf = operators_bpf(c, e);

		engine_operators__detach(&e->operators, e->instance);
		cost_ns += engine_operators__cost(&e->operators, e->instance, &bpf);
	}
	c->burst_end_ns = 0;
	operator_schedule__ended(&c->schedule, now_ns, servers_cpu(c), cost_ns);
}

/* All points are there before the first step is let into the burst. */
static void begin_burst(struct session *s, struct engine_collector *c, uint64_t now_ns)
{
	const struct operator_control wanted = {
		.steps_left = OPERATOR_STEPS,
		.single_left = OPERATOR_SINGLE_STEPS,
		.several_left = OPERATOR_SEVERAL_STEPS,
	};
	bool any = false;

	for (size_t i = 0; i < c->n_engines; i++) {
		struct attached_engine *e = &c->engines[i];
		const struct engine_operators_bpf bpf = operators_bpf(c, e);
		int err;

		if (!e->operators.usable || !e->instance->pid)
			continue;
		err = engine_operators__attach(&e->operators, e->instance, &bpf);
		if (err) {
			e->operators.usable = false;
			snprintf(e->operators.reason, sizeof(e->operators.reason), "they could not be probed: %s",
				 strerror(-err));
			continue;
		}
		if (!c->operators_seen)
			write_probes(s, e->instance, PROBES_OPERATORS);
		any = true;
	}
	if (!any)
		return;
	c->operators_seen = true;
	c->burst_end_ns = now_ns + OPERATOR_LONGEST_BURST_NS;
	if (let_steps(c, &wanted))
		end_burst(c, now_ns);
}

static void write_step_operator(void *ctx, const struct row_step_operator *row)
{
	struct session *s = ctx;
	struct row_step_operator measured = *row;

	if (!s->meters_running)
		measured.cpu_ns = ABSENT;
	recording_writer__step_operator(s->writer, &measured);
}

static void take_nodes(struct session *s, struct engine_collector *c, const struct record_nodes *r)
{
	const struct attached_engine *e = engine_of(c, r->h.tgid);

	if (e && s->writer)
		engine_nodes__take(&c->nodes, &e->operators.names, r, write_step_operator, s);
}

static bool any_usable(const struct engine_collector *c)
{
	for (size_t i = 0; i < c->n_engines; i++)
		if (c->engines[i].operators.usable && c->engines[i].instance->pid)
			return true;
	return false;
}

static void engine_turn(struct session *s, void *state, uint64_t now_ns)
{
	struct engine_collector *c = state;

	if (!c->enabled)
		return;
	if (c->burst_end_ns) {
		if (now_ns >= c->burst_end_ns || burst_is_over(c))
			end_burst(c, now_ns);
		return;
	}
	/* Where nothing is recorded nobody would read it; and without steps there is nothing to tell. */
	if (!s->writer || s->options.no_operators || c->n_steps == 0 || now_ns < c->schedule.next_ns ||
	    !any_usable(c) || !operator_schedule__due(&c->schedule, now_ns, servers_cpu(c)))
		return;
	c->n_steps = 0;
	begin_burst(s, c, now_ns);
}

/* What a reader of the recording asks first when it has no operators. */
static void describe_operators(struct session *s, const struct engine_collector *c)
{
	int64_t hit_ns = ABSENT;
	char text[400] = "";

	for (size_t i = 0; i < c->n_engines && !text[0]; i++)
		if (c->engines[i].operators.reason[0])
			snprintf(text, sizeof(text), "%s", c->engines[i].operators.reason);
	for (int f = NODES_UNSEEN; f < N_NODES_FAULTS && !text[0]; f++)
		if (c->nodes.n_faults[f] > c->nodes.n_steps)
			snprintf(text, sizeof(text), "%s, in %lld probed steps, and %lld without a fault",
				 nodes_fault__words(f), (long long)c->nodes.n_faults[f], (long long)c->nodes.n_steps);
	if (!text[0] && c->n_engines > 0 && c->nodes.n_steps == 0)
		snprintf(text, sizeof(text), "no step was probed");
	recording_writer__put_meta(s->writer, "operators_reason", text[0] ? text : NULL);
	for (size_t i = 0; i < c->n_engines && hit_ns == ABSENT && c->hit_cost.emulated_ns > 0; i++) {
		const struct engine_operators_bpf bpf = operators_bpf(c, &c->engines[i]);

		hit_ns = engine_operators__node_hit_ns(c->engines[i].instance, &bpf, &c->hit_cost);
	}
	recording_writer__put_meta_int(s->writer, "operator_hit_ns", hit_ns);
}

/* --- records ------------------------------------------------------------------------------------------------------- */

/* The process runs another program now: what was probed in the old one is gone. */
static void forget_process(struct engine_collector *c, uint32_t pid)
{
	struct attached_engine *e = engine_of(c, pid);

	if (!e)
		return;
	detach(c, e);
	e->instance->pid = 0;
	e->batches.state = BATCHES_NONE;
}

static void take_task(struct engine_collector *c, const struct record_task *r)
{
	if (r->op == TASK_EXEC)
		forget_process(c, r->h.tgid);
	if (r->op == TASK_EXIT && r->h.tid == r->h.tgid)
		engine_batches__forget(bpf_map__fd(c->skel->maps.batches), r->h.tgid);
}

/* A server that was still loading at the attach has mapped a model at the latest when a context of it takes a step. */
static void take_step(struct session *s, struct engine_collector *c, const struct record_step *r)
{
	int n_contexts = c->rows.n_contexts;

	c->n_steps++;
	engine_rows__step(&c->rows, s, r);
	if (c->rows.n_contexts != n_contexts && s->writer)
		model_file__write(&c->models, s->writer, r->h.tgid);
}

static void engine_record(struct session *s, void *state, const struct record_header *h)
{
	struct engine_collector *c = state;

	switch (h->kind) {
	case RECORD_TASK:
		if (h->size >= sizeof(struct record_task))
			take_task(c, (const struct record_task *)h);
		break;
	case RECORD_STEP:
		if (h->size < sizeof(struct record_step))
			return;
		take_step(s, c, (const struct record_step *)h);
		if (s->on_step)
			s->on_step(s->on_step_ctx, (const struct record_step *)h);
		break;
	case RECORD_ROWS:
		if (h->size < sizeof(struct record_rows))
			return;
		engine_rows__rows(&c->rows, s, (const struct record_rows *)h);
		if (h->flags & ROWS_UNKNOWN)
			rows_are_unknown(s, c, h->tgid);
		break;
	case RECORD_NODES:
		if (h->size >= sizeof(struct record_nodes))
			take_nodes(s, c, (const struct record_nodes *)h);
		break;
	case RECORD_MEMORY:
		if (h->size >= sizeof(struct record_memory))
			engine_rows__memory(&c->rows, s, (const struct record_memory *)h);
		break;
	}
}

static void engine_tick(struct session *s, void *state, uint64_t now_ns)
{
	struct engine_collector *c = state;
	size_t i, n = c->n_waiting, kept = 0;

	(void)now_ns;
	watch_budget(s, c);
	for (i = 0; i < n; i++) {
		uint32_t pid = c->waiting[i];

		if (engine_attach(s, c, pid) == -ENOENT)
			c->waiting[kept++] = pid;
	}
	c->n_waiting = kept;
}

static int engine_set_enabled(struct session *s, void *state, bool on)
{
	struct engine_collector *c = state;
	size_t i;
	int err = 0;

	(void)s;
	if (c->enabled == on)
		return 0;
	c->enabled = on;
	if (c->burst_end_ns)
		end_burst(c, monotonic_ns());
	for (i = 0; i < c->n_engines && !err; i++) {
		if (!c->engines[i].instance->pid)
			continue;
		if (on)
			err = attach(c, &c->engines[i]);
		else
			detach(c, &c->engines[i]);
	}
	return err;
}

static size_t engine_programs(void *state, int *fds, size_t max)
{
	const struct engine_collector *c = state;

	if (max < 1)
		return 0;
	fds[0] = bpf_program__fd(c->skel->progs.on_uprobe);
	return 1;
}

static uint64_t engine_stepped_hits(void *state)
{
	const struct engine_collector *c = state;
	uint64_t hits = 0;
	size_t e, i;

	for (e = 0; e < c->n_engines; e++)
		for (i = 0; i < c->engines[e].instance->n_probes; i++) {
			uint32_t key = c->engines[e].first_probe + (uint32_t)i;
			struct engine_probe_config config;

			if (!c->engines[e].instance->probes[i].place.emulated &&
			    !bpf_map_lookup_elem(bpf_map__fd(c->skel->maps.engine_probes), &key, &config))
				hits += config.hits;
		}
	return hits;
}

static void engine_close(struct session *s, void *state)
{
	struct engine_collector *c = state;
	size_t i;

	engine_rows__finish(&c->rows, s);
	if (s->writer) {
		engine_nodes__finish(&c->nodes, write_step_operator, s);
		describe_operators(s, c);
	}
	for (i = 0; i < c->n_engines; i++) {
		write_engine(s, c, &c->engines[i]);
		detach(c, &c->engines[i]);
		free(c->engines[i].instance);
	}
	engine_bpf__destroy(c->skel);
	engine_cache__free(c->cache);
	engine_profiles__free(&c->profiles);
	engine_nodes__free(&c->nodes);
	free(c);
}

/* --- doctor -------------------------------------------------------------------------------------------------------- */

static int engine_probe_host(struct sensor *out, int max)
{
	struct engine_bpf *skel;
	int err;

	if (max < 1)
		return 0;
	out[0] = (struct sensor){ .id = "uprobe", .resource = "steps, rows, tokens" };
	skel = engine_bpf__open();
	if (skel)
		uprobe__prepare(skel->progs.on_uprobe);
	err = skel ? engine_bpf__load(skel) : -errno;
	if (!err) {
		out[0].grade = GRADE_MEASURED;
		snprintf(out[0].source, sizeof(out[0].source), "%s",
			 uprobe__has_multi() ? "uprobe_multi link" : "one perf event per probe point");
	} else {
		snprintf(out[0].reason, sizeof(out[0].reason), "the program could not be loaded: %s", strerror(-err));
		snprintf(out[0].remedy, sizeof(out[0].remedy), "run as root on a kernel 5.17 or later");
	}
	engine_bpf__destroy(skel);
	return 1;
}

const struct collector collector_engine = {
	.name = "engine",
	.doc = "steps of the engine and the rows they computed, by uprobes at function entries and returns",
	.record_kinds =
		1u << RECORD_STEP | 1u << RECORD_ROWS | 1u << RECORD_MEMORY | 1u << RECORD_TASK | 1u << RECORD_NODES,
	.probe = engine_probe_host,
	.open = engine_open,
	.attach = engine_attach,
	.record = engine_record,
	.tick = engine_tick,
	.turn = engine_turn,
	.set_enabled = engine_set_enabled,
	.programs = engine_programs,
	.stepped_hits = engine_stepped_hits,
	.traps = true,
	.close = engine_close,
};
