/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the flame graph: nodes in the order of their making, and then in the order of the graph. */
#ifndef TOKPROF_FLAME_GRAPH_NODES_H
#define TOKPROF_FLAME_GRAPH_NODES_H

#include "userspace/flame/graph.h"

struct graph_nodes {
	struct flame_graph *g;
	size_t capacity;
	struct map64 by_parent;		/* parent << 32 | name */
};

/* The child of that name, made where there is none. @return UINT32_MAX: out of memory */
uint32_t graph_nodes__child(struct graph_nodes *n, uint32_t parent, uint32_t name, int64_t group);
uint32_t graph_nodes__named(struct graph_nodes *n, uint32_t parent, const char *text, enum flame_kind kind,
			    int64_t group);
/* Totals, and the order that graph.h promises. Nodes without a figure of their own or below are left out. @return 0, -ENOMEM */
int graph_nodes__finish(struct graph_nodes *n);

#endif
