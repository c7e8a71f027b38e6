/* SPDX-License-Identifier: Apache-2.0 */
#include "collectors/engine_nodes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *nodes_fault__words(enum nodes_fault fault)
{
	static const char *const words[N_NODES_FAULTS] = {
		[NODES_WHOLE] = "",
		[NODES_UNSEEN] = "not all of a step was seen",
		[NODES_OPERATOR] = "a node's operator has no name",
		[NODES_NAME] = "a node's name is not one",
		[NODES_NUMBER] = "the nodes are none that a graph can have",
	};

	return words[fault];
}

int engine_nodes__init(struct engine_nodes *e)
{
	memset(e, 0, sizeof(*e));
	e->nodes = calloc(MAX_STEP_NODES, sizeof(*e->nodes));
	return e->nodes ? 0 : -ENOMEM;
}

void engine_nodes__free(struct engine_nodes *e)
{
	free(e->nodes);
	e->nodes = NULL;
}

static bool is_no_node(const struct record_node *node)
{
	return node->op == NODE_GRAPH || node->op == NODE_PROBES;
}

static enum nodes_fault check(const struct engine_nodes *e, const struct operator_names *names, uint32_t n_graph)
{
	uint32_t n_nodes = 0, n_matmul = 0;

	if (e->broken || e->n == 0 || e->nodes[0].op != NODE_GRAPH)
		return NODES_UNSEEN;
	for (uint32_t i = 0; i < e->n; i++) {
		const struct record_node *node = &e->nodes[i];

		if (is_no_node(node))
			continue;
		/* 0 is NONE, which nothing computes. */
		if (node->op == 0 || node->op >= names->n)
			return NODES_OPERATOR;
		if (node->name_bytes <= 0 || !node_name__valid(node->name, sizeof(node->name)))
			return NODES_NAME;
		n_nodes++;
		n_matmul += node__class(names->name[node->op], node->name) == OPERATOR_MATMUL;
	}
	return n_matmul > 0 && (n_graph == 0 || n_nodes <= n_graph) ? NODES_WHOLE : NODES_NUMBER;
}

/* A node whose name tells no layer belongs to the one that those before and behind it are both of. */
static void find_layers(const struct engine_nodes *e, int *layers)
{
	int before = LAYER_NONE;
	uint32_t first = 0;

	for (uint32_t i = 0; i < e->n; i++) {
		layers[i] = is_no_node(&e->nodes[i]) ? LAYER_NONE : node_name__layer(e->nodes[i].name);
		if (is_no_node(&e->nodes[i]))
			before = LAYER_NONE;
		if (layers[i] == LAYER_NONE)
			continue;
		for (uint32_t k = first; k < i && before == layers[i]; k++)
			layers[k] = before;
		before = layers[i];
		first = i + 1;
	}
}

struct tagged {
	enum operator_class class;
	int layer;
	const struct record_node *node;
};

static int compare_tags(const void *a, const void *b)
{
	const struct tagged *x = a, *y = b;

	if (x->class != y->class)
		return x->class < y->class ? -1 : 1;
	return (x->layer > y->layer) - (x->layer < y->layer);
}

static void hand_over(const struct tagged *tags, size_t n, uint64_t step, step_operator_sink sink, void *ctx)
{
	struct row_step_operator row = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (i == 0 || compare_tags(&tags[i - 1], &tags[i]) != 0)
			row = (struct row_step_operator){
				.step = (int64_t)step,
				.name = operator_class__name(tags[i].class),
				.layer = tags[i].layer,
			};
		row.n++;
		row.ns += (int64_t)tags[i].node->ns;
		row.cpu_ns += (int64_t)tags[i].node->cpu_ns;
		if (i + 1 == n || compare_tags(&tags[i], &tags[i + 1]) != 0)
			sink(ctx, &row);
	}
}

static void add_up(const struct engine_nodes *e, const struct operator_names *names, step_operator_sink sink, void *ctx)
{
	struct tagged *tags = calloc(e->n, sizeof(*tags));
	int *layers = calloc(e->n, sizeof(*layers));

	if (tags && layers) {
		find_layers(e, layers);
		for (uint32_t i = 0; i < e->n; i++) {
			const struct record_node *node = &e->nodes[i];

			tags[i].class = node->op == NODE_GRAPH	? OPERATOR_START :
					node->op == NODE_PROBES ? OPERATOR_PROBES :
								  node__class(names->name[node->op], node->name);
			tags[i].layer = layers[i];
			tags[i].node = node;
		}
		qsort(tags, e->n, sizeof(*tags), compare_tags);
		hand_over(tags, e->n, e->step, sink, ctx);
	}
	free(layers);
	free(tags);
}

static void take_sampling(struct engine_nodes *e, const struct record_nodes *r, step_operator_sink sink, void *ctx)
{
	if (e->sampling.n > 0 && e->sampling.step != (int64_t)r->step)
		engine_nodes__finish(e, sink, ctx);
	e->sampling.step = (int64_t)r->step;
	e->sampling.name = operator_class__name(OPERATOR_SAMPLED);
	e->sampling.layer = LAYER_NONE;
	e->sampling.n++;
	e->sampling.ns += (int64_t)r->node[0].ns;
	e->sampling.cpu_ns += (int64_t)r->node[0].cpu_ns;
}

void engine_nodes__finish(struct engine_nodes *e, step_operator_sink sink, void *ctx)
{
	if (e->sampling.n > 0)
		sink(ctx, &e->sampling);
	memset(&e->sampling, 0, sizeof(e->sampling));
}

void engine_nodes__take(struct engine_nodes *e, const struct operator_names *names, const struct record_nodes *r,
			step_operator_sink sink, void *ctx)
{
	enum nodes_fault fault;

	if (r->n > MAX_NODES_PER_RECORD || r->h.size < sizeof(*r) + r->n * sizeof(r->node[0]))
		return;
	if (r->h.flags & NODES_SAMPLING) {
		if (r->n == 1)
			take_sampling(e, r, sink, ctx);
		return;
	}
	if (r->first == 0) {
		e->step = r->step;
		e->n = 0;
		e->broken = false;
	}
	if (r->step != e->step || r->first != e->n || e->n + r->n > MAX_STEP_NODES || r->h.flags & NODES_BROKEN) {
		e->broken = true;
	} else {
		memcpy(&e->nodes[e->n], r->node, r->n * sizeof(r->node[0]));
		e->n += r->n;
	}
	if (!(r->h.flags & NODES_LAST))
		return;
	fault = check(e, names, r->n_graph);
	e->n_faults[fault]++;
	if (fault == NODES_WHOLE) {
		e->n_steps++;
		add_up(e, names, sink, ctx);
	}
	e->n = 0;
	e->broken = true;
}
