/* SPDX-License-Identifier: Apache-2.0 */
#include "output/flame_boxes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"

/* What of a box on the way down is drawn, and what is not. */
struct level {
	int64_t cursor;			/* where its next child begins */
	struct flame_box others;
};

struct pass {
	struct flame_boxes *out;
	struct level *levels;		/* of the boxes on the way down */
	uint32_t n_open;
	int64_t least;
};

static int add_box(struct flame_boxes *b, const struct flame_box *box)
{
	struct flame_box *boxes = array__reserve(b->boxes, &b->capacity, b->n + 1, sizeof(*boxes));

	if (!boxes)
		return -ENOMEM;
	b->boxes = boxes;
	boxes[b->n++] = *box;
	b->n_levels = box->depth + 1 > b->n_levels ? box->depth + 1 : b->n_levels;
	return 0;
}

/* Leave boxes until `n` are open; what was too narrow in each follows its other children. */
static int leave(struct pass *p, uint32_t n)
{
	int err = 0;

	while (p->n_open > n && !err) {
		struct level *level = &p->levels[--p->n_open];

		level->others.start = level->cursor;
		if (level->others.value >= p->least && level->others.value > 0)
			err = add_box(p->out, &level->others);
	}
	return err;
}

static int visit(struct pass *p, const struct flame_graph *g, uint32_t i, bool *inside)
{
	const struct flame_node *node = &g->nodes[i];
	struct level *above = node->depth ? &p->levels[node->depth - 1] : NULL;
	struct flame_box box = {
		.node = i,
		.depth = node->depth,
		.n_frames = 1,
		.start = above ? above->cursor : 0,
		.value = node->total,
		.base = node->base_total,
	};
	int err = leave(p, node->depth);

	*inside = !above || (node->total >= p->least && node->total > 0);
	if (!*inside) {
		above->others.value += node->total;
		above->others.base += node->base_total;
		above->others.n_frames += node->end - i;
		return err;
	}
	if (above)
		above->cursor += node->total;
	p->levels[p->n_open++] = (struct level){ box.start, { .node = BOX_OTHERS, .depth = node->depth + 1 } };
	return err ? err : add_box(p->out, &box);
}

int flame_boxes__build(struct flame_boxes *out, const struct flame_graph *g, int64_t least)
{
	struct pass p = { .out = out, .least = least };
	int err = 0;

	memset(out, 0, sizeof(*out));
	p.levels = calloc(flame_graph__depth(g) + 1, sizeof(*p.levels));
	if (!p.levels)
		return -ENOMEM;
	for (uint32_t i = 0; i < g->n_nodes && !err;) {
		bool inside;

		err = visit(&p, g, i, &inside);
		i = inside ? i + 1 : g->nodes[i].end;
	}
	if (!err)
		err = leave(&p, 0);
	free(p.levels);
	if (err)
		flame_boxes__free(out);
	return err;
}

#define FINEST 100000

int flame_boxes__build_most(struct flame_boxes *out, const struct flame_graph *g, size_t most)
{
	int64_t least = g->nodes[0].total / FINEST;
	int err = flame_boxes__build(out, g, least);

	while (!err && out->n > most) {
		least = least > 0 ? 2 * least : 1;
		flame_boxes__free(out);
		err = flame_boxes__build(out, g, least);
	}
	return err;
}

void flame_boxes__free(struct flame_boxes *b)
{
	free(b->boxes);
	memset(b, 0, sizeof(*b));
}

/* --------------------------------------------------------------------------------------------------------------- looks --- */

static const char *class_of_change(const struct flame_box *box)
{
	static const char *const more[] = { "z", "r1", "r2", "r3", "r4" }, *const less[] = { "z", "b1", "b2", "b3",
											     "b4" };
	static const double bounds[] = { 0.02, 0.1, 0.25, 0.6 };
	const double larger = box->value > box->base ? (double)box->value : (double)box->base;
	const double change = larger > 0 ? ((double)box->value - (double)box->base) / larger : 0;
	size_t i = 0;

	while (i < sizeof(bounds) / sizeof(bounds[0]) && (change < 0 ? -change : change) > bounds[i])
		i++;
	return change < 0 ? less[i] : more[i];
}

/* Functions of one name have one colour in every picture. */
static const char *class_of_function(const char *text)
{
	static const char *const classes[] = { "u0", "u1", "u2", "u3", "u4", "u5" };
	uint32_t hash = 2166136261u;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619u;
	return classes[(hash >> 8) % (sizeof(classes) / sizeof(classes[0]))];
}

const char *flame_box__class(const struct flame_graph *g, const struct flame_box *box)
{
	static const char *const classes[N_FLAME_KINDS] = {
		[FLAME_ALL] = "a",     [FLAME_REQUEST] = "q", [FLAME_PHASE] = "h",
		[FLAME_ACCOUNT] = "c", [FLAME_INLINED] = "i", [FLAME_KERNEL] = "k",
		[FLAME_PYTHON] = "p",  [FLAME_NO_NAME] = "n", [FLAME_NO_STACK] = "s",
	};
	const struct flame_name *name = box->node == BOX_OTHERS ? NULL : &g->names.all[g->nodes[box->node].name];

	if (g->is_diff)
		return class_of_change(box);
	if (!name)
		return "o";
	return classes[name->kind] ? classes[name->kind] : class_of_function(name->text);
}

const char *flame_box__name(const struct flame_graph *g, const struct flame_box *box)
{
	return box->node == BOX_OTHERS ? "(others)" : g->names.all[g->nodes[box->node].name].text;
}
