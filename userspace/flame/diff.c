/* SPDX-License-Identifier: Apache-2.0 */
/* Two graphs made one: each frame with its figure here and in the other recording. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/flame/graph_nodes.h"

/* Modules lie in other places on another machine: there a function is the same by its name. */
static uint32_t put_name(struct flame_graph *g, const struct flame_name *name)
{
	const struct flame_name alike = { name->text, NULL, NULL, name->kind };

	return flame_names__put(&g->names, &alike);
}

static int add(struct graph_nodes *to, const struct flame_graph *from, bool is_base)
{
	uint32_t *node_of = array__zeroed(from->n_nodes, sizeof(*node_of));
	int err = node_of ? 0 : -ENOMEM;

	for (size_t i = 1; i < from->n_nodes && !err; i++) {
		const struct flame_node *n = &from->nodes[i];

		node_of[i] = graph_nodes__child(to, node_of[n->parent], put_name(to->g, &from->names.all[n->name]),
						n->group);
		if (node_of[i] == UINT32_MAX)
			err = -ENOMEM;
		else if (is_base)
			to->g->nodes[node_of[i]].base_self += n->self;
		else
			to->g->nodes[node_of[i]].self += n->self;
	}
	free(node_of);
	return err;
}

int flame_graph__compare(struct flame_graph *g, const struct flame_graph *base)
{
	struct flame_graph both = *g;
	struct graph_nodes nodes = { .g = &both };
	int err;

	if (g->resource != base->resource || g->per != base->per || strcmp(g->unit, base->unit) != 0)
		return -EINVAL;
	both.nodes = NULL;
	both.n_nodes = 0;
	err = flame_names__init(&both.names);
	if (!err && graph_nodes__named(&nodes, 0, "all", FLAME_ALL, 0) != 0)
		err = -ENOMEM;
	if (!err) {
		both.nodes[0].parent = UINT32_MAX;
		err = add(&nodes, g, false);
	}
	if (!err)
		err = add(&nodes, base, true);
	if (!err)
		err = graph_nodes__finish(&nodes);
	map64__free(&nodes.by_parent);
	if (err) {
		free(both.nodes);
		flame_names__free(&both.names);
		return err;
	}
	both.is_diff = true;
	flame_graph__free(g);
	*g = both;
	return 0;
}
