/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/flame/graph_nodes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"

uint32_t graph_nodes__child(struct graph_nodes *n, uint32_t parent, uint32_t name, int64_t group)
{
	struct flame_graph *g = n->g;
	uint32_t *slot = name == UINT32_MAX ? NULL : map64__at(&n->by_parent, (uint64_t)parent << 32 | name);
	struct flame_node *nodes;

	if (!slot)
		return UINT32_MAX;
	if (*slot != MAP64_NONE)
		return *slot;
	nodes = array__reserve(g->nodes, &n->capacity, g->n_nodes + 1, sizeof(*nodes));
	if (!nodes)
		return UINT32_MAX;
	g->nodes = nodes;
	nodes[g->n_nodes] = (struct flame_node){ .parent = parent, .name = name, .group = group };
	*slot = (uint32_t)g->n_nodes;
	return (uint32_t)g->n_nodes++;
}

uint32_t graph_nodes__named(struct graph_nodes *n, uint32_t parent, const char *text, enum flame_kind kind,
			    int64_t group)
{
	const struct flame_name name = { text, NULL, NULL, (uint8_t)kind };

	return graph_nodes__child(n, parent, flame_names__put(&n->g->names, &name), group);
}

/* ---------------------------------------------------------------------------------------------------------------- order --- */

static int compare_texts(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

static int compare_names(const void *a, const void *b, void *ctx)
{
	const struct flame_name *all = ctx, *x = &all[*(const uint32_t *)a], *y = &all[*(const uint32_t *)b];
	int d = compare_texts(x->text, y->text);

	if (!d)
		d = compare_texts(x->module, y->module);
	return d ? d : (x->kind > y->kind) - (x->kind < y->kind);
}

struct order {
	const struct flame_graph *g;
	const uint32_t *rank;		/* of names */
};

static int compare_siblings(const void *a, const void *b, void *ctx)
{
	const struct order *o = ctx;
	const struct flame_node *x = &o->g->nodes[*(const uint32_t *)a], *y = &o->g->nodes[*(const uint32_t *)b];
	const uint8_t x_kind = o->g->names.all[x->name].kind, y_kind = o->g->names.all[y->name].kind;

	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	if (x_kind != y_kind && (x_kind < FLAME_USER || y_kind < FLAME_USER))
		return x_kind < y_kind ? -1 : 1;
	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return o->rank[x->name] < o->rank[y->name] ? -1 : o->rank[x->name] > o->rank[y->name];
}

static bool is_empty(const struct flame_node *node)
{
	return !node->total && !node->base_total;
}

static void add_up(struct flame_graph *g)
{
	for (size_t i = 0; i < g->n_nodes; i++) {
		g->nodes[i].total = g->nodes[i].self;
		g->nodes[i].base_total = g->nodes[i].base_self;
	}
	for (size_t i = g->n_nodes; i-- > 1;) {
		g->nodes[g->nodes[i].parent].total += g->nodes[i].total;
		g->nodes[g->nodes[i].parent].base_total += g->nodes[i].base_total;
	}
}

/* sorted[first_child[p] .. first_child[p + 1]) are the children of p, since the root sorts behind all others. */
static void walk(const struct flame_graph *g, const uint32_t *sorted, const uint32_t *first_child, uint32_t *next,
		 struct flame_node *out, size_t *n_out)
{
	uint32_t at = 0, to = 0;

	out[0] = g->nodes[0];
	*n_out = 1;
	memcpy(next, first_child, g->n_nodes * sizeof(*next));
	for (;;) {
		if (next[at] < first_child[at + 1]) {
			const uint32_t child = sorted[next[at]++];

			if (is_empty(&g->nodes[child]))
				continue;
			out[*n_out] = g->nodes[child];
			out[*n_out].parent = to;
			out[*n_out].depth = out[to].depth + 1;
			to = (uint32_t)(*n_out)++;
			at = child;
			continue;
		}
		out[to].end = (uint32_t)*n_out;
		if (at == 0)
			return;
		at = g->nodes[at].parent;
		to = out[to].parent;
	}
}

static void find_children(const struct flame_graph *g, const uint32_t *sorted, uint32_t *first_child)
{
	uint32_t at = 0;

	for (uint32_t p = 0; p < g->n_nodes; p++) {
		while (at + 1 < g->n_nodes && g->nodes[sorted[at]].parent < p)
			at++;
		first_child[p] = at;
	}
	first_child[g->n_nodes] = (uint32_t)(g->n_nodes - 1);
}

int graph_nodes__finish(struct graph_nodes *n)
{
	struct flame_graph *g = n->g;
	const size_t n_names = g->names.n;
	uint32_t *by_rank = array__zeroed(n_names, sizeof(*by_rank)), *rank = array__zeroed(n_names, sizeof(*rank));
	uint32_t *sorted = array__zeroed(g->n_nodes, sizeof(*sorted));
	uint32_t *first_child = array__zeroed(g->n_nodes + 1, sizeof(*first_child));
	uint32_t *next = array__zeroed(g->n_nodes, sizeof(*next));
	struct flame_node *out = array__zeroed(g->n_nodes, sizeof(*out));
	struct order order = { g, rank };
	size_t n_out = 0;
	int err = by_rank && rank && sorted && first_child && next && out ? 0 : -ENOMEM;

	if (!err) {
		add_up(g);
		for (uint32_t i = 0; i < n_names; i++)
			by_rank[i] = i;
		qsort_r(by_rank, n_names, sizeof(*by_rank), compare_names, g->names.all);
		for (uint32_t i = 0; i < n_names; i++)
			rank[by_rank[i]] = i;
		for (uint32_t i = 0; i < g->n_nodes; i++)
			sorted[i] = i;
		qsort_r(sorted, g->n_nodes, sizeof(*sorted), compare_siblings, &order);
		find_children(g, sorted, first_child);
		walk(g, sorted, first_child, next, out, &n_out);
		g->n_nodes = n_out;
		free(g->nodes);
		g->nodes = out;
		out = NULL;
	}
	free(by_rank);
	free(rank);
	free(sorted);
	free(first_child);
	free(next);
	free(out);
	map64__free(&n->by_parent);
	return err;
}
