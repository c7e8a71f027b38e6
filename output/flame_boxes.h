/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flame graph as boxes to draw: what would be too narrow to see is one box "(others)" beside its siblings, so that a graph of a
 * million stacks stays small and every box still is the sum of what lies on it.
 */
#ifndef TOKPROF_FLAME_BOXES_H
#define TOKPROF_FLAME_BOXES_H

#include "userspace/flame/graph.h"

struct flame_box {
	uint32_t node;		/* of the graph; BOX_OTHERS: several */
	uint32_t depth;
	uint32_t n_frames;	/* nodes that it stands for */
	int64_t start, value;	/* in the graph's figures */
	int64_t base;		/* the same of the other recording */
};
#define BOX_OTHERS UINT32_MAX

struct flame_boxes {
	struct flame_box *boxes;	/* depth first */
	size_t n, capacity;
	uint32_t n_levels;
};

/* @least: the smallest figure that has a box of its own. @return 0, -ENOMEM */
int flame_boxes__build(struct flame_boxes *out, const struct flame_graph *g, int64_t least);
/* The same with as many as `most` boxes, about. */
int flame_boxes__build_most(struct flame_boxes *out, const struct flame_graph *g, size_t most);
void flame_boxes__free(struct flame_boxes *b);

/* The class that a box is coloured by: its kind, or how much it has grown. */
const char *flame_box__class(const struct flame_graph *g, const struct flame_box *box);
const char *flame_box__name(const struct flame_graph *g, const struct flame_box *box);

#endif
