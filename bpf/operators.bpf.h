/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * What a step spends on the nodes of its graph, in bursts. Included by engine.bpf.c, whose workspace it uses.
 *
 * Every thread of the engine comes to a node's probe; the step's own thread tells the time, and by the meter what all threads
 * used: they meet at a barrier behind every node. What this program takes is in no node: time stands still from a hit's first
 * reading of the clock to its last. Of the trap itself the kernel tells nothing: the recording says what one costs on this host.
 *
 * Budget: a hit of the step's thread takes about 0.5 us beside its trap (two reads of the clock, a number and a name from the
 * server's memory, an entry of 88 bytes), one of another thread 0.15 us.
 */
#ifndef TOKPROF_OPERATORS_BPF_H
#define TOKPROF_OPERATORS_BPF_H

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, tp_u32);
	__type(value, struct operator_control);
} operator_control SEC(".maps");

static __always_inline struct operator_control *operator_control__get(void)
{
	tp_u32 zero = 0;

	return bpf_map_lookup_elem(&operator_control, &zero);
}

static __always_inline tp_u64 cpu_now(const struct meters *m, tp_u64 now)
{
	return meter__read(m->word[METER_CPU_NS].value, now - m->base_ns);
}

/* The step's thread between two hits: where its clock stood when the last one was done. */
struct node_mark {
	tp_u64 ns, cpu_ns;
};

/* The part of a thread's workspace. */
struct node_list {
	struct node_mark mark;
	struct node_mark stop;	/* the present hit's first reading */
	struct node_mark probes;	/* from there to the mark, in sum */
	tp_u32 open;		/* the last node is being computed */
	tp_u32 in_graph;
	tp_u32 n;		/* in the buffer */
	tp_u32 n_before;	/* handed over before these */
	tp_u32 n_graph;
	tp_u32 broken;
	tp_u64 sampled_step;	/* the latest step, plus 1, if it was in a burst: what is sampled from it is told, too */
	tp_u64 sampling_sp;	/* 0: not choosing a token */
	tp_u64 buffer[(sizeof(struct record_nodes) + MAX_NODES_PER_RECORD * sizeof(struct record_node)) / 8];
};

static __always_inline struct record_nodes *node_list__record(struct node_list *l)
{
	return (struct record_nodes *)l->buffer;
}

/* What is told of a step begins. */
static __always_inline void node_list__begin(struct node_list *l)
{
	l->open = 0;
	l->in_graph = 0;
	l->n = 0;
	l->n_before = 0;
	l->n_graph = 0;
	l->broken = 0;
	l->probes.ns = 0;
	l->probes.cpu_ns = 0;
}

static __always_inline void node_mark__set(struct node_mark *mark)
{
	const struct meters *m = meters__get();

	mark->ns = bpf_ktime_get_ns();
	if (m)
		mark->cpu_ns = cpu_now(m, mark->ns);
}

/* Meters are not stopped while they are read: a difference may be below nothing. */
static __always_inline tp_u64 cpu_between(const struct node_mark *start, const struct node_mark *end)
{
	tp_s64 cpu_ns = (tp_s64)(end->cpu_ns - start->cpu_ns);

	return cpu_ns > 0 ? cpu_ns : 0;
}

/* A hit is done: from here on time is that of what comes next. */
static __always_inline void node_list__go_on(struct node_list *l)
{
	node_mark__set(&l->mark);
	l->probes.ns += l->mark.ns - l->stop.ns;
	l->probes.cpu_ns += cpu_between(&l->stop, &l->mark);
}

static __always_inline void node_list__take(struct node_list *l, struct record_node *node)
{
	node->ns = l->stop.ns - l->mark.ns;
	node->cpu_ns = cpu_between(&l->mark, &l->stop);
}

static __always_inline void node_list__close(struct node_list *l)
{
	tp_u32 last = l->n - 1;

	if (!l->open || last >= MAX_NODES_PER_RECORD)
		return;
	l->open = 0;
	node_list__take(l, &node_list__record(l)->node[last & (MAX_NODES_PER_RECORD - 1)]);
}

static __always_inline void node_list__emit(struct node_list *l, tp_u64 step, tp_u16 flags, tp_u64 wakeup)
{
	struct record_nodes *r = node_list__record(l);
	tp_u32 n = l->n;

	if (n > MAX_NODES_PER_RECORD)
		n = MAX_NODES_PER_RECORD;
	fill_header(&r->h, RECORD_NODES, sizeof(*r) + n * sizeof(struct record_node), bpf_ktime_get_ns());
	r->h.flags = flags | (l->broken ? NODES_BROKEN : 0);
	r->step = step;
	r->first = l->n_before;
	r->n = n;
	r->n_graph = l->n_graph;
	r->reserved = 0;
	l->n_before += n;
	l->n = 0;
	if (bpf_ringbuf_output(&events, r, sizeof(*r) + n * sizeof(struct record_node), wakeup))
		count_loss(LOSS_ENGINE_RING);
}

/* An entry that is open from now on; what it is of is for the caller to say. */
static __always_inline struct record_node *node_list__add(struct node_list *l, tp_u64 step)
{
	struct record_node *node;

	if (l->n >= MAX_NODES_PER_RECORD)
		node_list__emit(l, step, 0, BPF_RB_NO_WAKEUP);
	node = &node_list__record(l)->node[l->n & (MAX_NODES_PER_RECORD - 1)];
	l->n++;
	l->open = 1;
	node->ns = 0;
	node->cpu_ns = 0;
	return node;
}

static __always_inline void on_graph_entry(struct node_list *l, tp_u64 step, const struct engine_probe_config *config,
					   tp_u64 graph)
{
	struct record_node *node;
	tp_u32 n_nodes = 0;

	node_mark__set(&l->stop);
	if (l->in_graph)
		l->broken = 1;	/* one inside another, or a return that was not seen */
	if (config->graph_nodes != LAYOUT_ABSENT)
		bpf_probe_read_user(&n_nodes, sizeof(n_nodes), (void *)(graph + config->graph_nodes));
	l->n_graph += n_nodes;
	l->in_graph = 1;
	node = node_list__add(l, step);
	node->op = NODE_GRAPH;
	node->name_bytes = 0;
	node_list__go_on(l);
}

static __always_inline void on_node(struct node_list *l, tp_u64 step, const struct engine_probe_config *config,
				    tp_u64 address)
{
	struct record_node *node;

	if (!l->in_graph) {
		l->broken = 1;
		return;
	}
	node_mark__set(&l->stop);
	node_list__close(l);
	node = node_list__add(l, step);
	if (bpf_probe_read_user(&node->op, sizeof(node->op), (void *)(address + config->node_op)))
		l->broken = 1;
	node->name_bytes =
		(tp_s32)bpf_probe_read_user_str(node->name, sizeof(node->name), (void *)(address + config->node_name));
	node_list__go_on(l);
}

static __always_inline void on_graph_return(struct node_list *l)
{
	if (!l->in_graph)
		l->broken = 1;
	node_mark__set(&l->stop);
	node_list__close(l);
	l->in_graph = 0;
	node_list__go_on(l);
}

static __always_inline void node_list__add_probes(struct node_list *l, tp_u64 step)
{
	struct record_node *node = node_list__add(l, step);

	node->op = NODE_PROBES;
	node->name_bytes = 0;
	node->ns = l->probes.ns;
	node->cpu_ns = l->probes.cpu_ns;
}

static __always_inline void on_sampling_entry(struct node_list *l, tp_u64 sp)
{
	if (!l->sampled_step)
		return;
	l->sampling_sp = sp;
	node_mark__set(&l->mark);
}

static __always_inline void on_sampling_return(struct node_list *l, tp_u64 sp)
{
	struct record_node *node;

	if (!l->sampling_sp || l->sampling_sp != sp)
		return;
	node_mark__set(&l->stop);
	l->sampling_sp = 0;
	node_list__begin(l);
	node = node_list__add(l, l->sampled_step - 1);
	node->op = 0;
	node->name_bytes = 0;
	node_list__take(l, node);
	node_list__emit(l, l->sampled_step - 1, NODES_LAST | NODES_SAMPLING, BPF_RB_NO_WAKEUP);
}

#endif
