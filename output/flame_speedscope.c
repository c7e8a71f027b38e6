/* SPDX-License-Identifier: Apache-2.0 */
/* Speedscope's own format: https://www.speedscope.app/file-format-schema.json, one "sampled" profile. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "output/flame.h"
#include "output/json_writer.h"

static void put_frames(struct json_writer *w, const struct flame_graph *g)
{
	json_writer__put_object(w, "shared");
	json_writer__put_array(w, "frames");
	for (size_t i = 0; i < g->names.n; i++) {
		const struct flame_name *name = &g->names.all[i];

		json_writer__begin_object(w);
		json_writer__put_string(w, "name", name->text);
		if (name->file || name->module)
			json_writer__put_string(w, "file", name->file ? name->file : name->module);
		json_writer__end_object(w);
	}
	json_writer__end_array(w);
	json_writer__end_object(w);
}

static int put_samples(struct json_writer *w, const struct flame_graph *g)
{
	uint32_t *path;

	path = calloc(flame_graph__depth(g) + 1, sizeof(*path));
	if (!path)
		return -ENOMEM;
	json_writer__put_array(w, "samples");
	for (size_t i = 1; i < g->n_nodes; i++) {
		path[g->nodes[i].depth] = g->nodes[i].name;
		if (!g->nodes[i].self)
			continue;
		json_writer__begin_array(w);
		for (uint32_t d = 1; d <= g->nodes[i].depth; d++)
			json_writer__integer(w, path[d]);
		json_writer__end_array(w);
	}
	json_writer__end_array(w);
	free(path);
	return 0;
}

/* Thousandths are decimals here: the format has units of time and of bytes, and no other scale. */
static void put_value(struct json_writer *w, const struct flame_graph *g, int64_t value)
{
	if (g->scale == 1)
		json_writer__integer(w, value);
	else
		json_writer__number(w, (double)value / (double)g->scale);
}

static int write_speedscope(FILE *f, const struct flame_view *view)
{
	const struct flame_graph *g = view->graph;
	struct json_writer w;
	char title[256];
	int err;

	flame_title(view, title, sizeof(title));
	json_writer__init(&w, f, 3);
	json_writer__begin_object(&w);
	json_writer__put_string(&w, "$schema", "https://www.speedscope.app/file-format-schema.json");
	json_writer__put_string(&w, "exporter", "tokprof");
	json_writer__put_string(&w, "name", title);
	json_writer__put_integer(&w, "activeProfileIndex", 0);
	put_frames(&w, g);
	json_writer__put_array(&w, "profiles");
	json_writer__begin_object(&w);
	json_writer__put_string(&w, "type", "sampled");
	json_writer__put_string(&w, "name", title);
	json_writer__put_string(&w, "unit",
				strcmp(g->unit, "ns") == 0    ? "nanoseconds" :
				strcmp(g->unit, "bytes") == 0 ? "bytes" :
								"none");
	json_writer__put_integer(&w, "startValue", 0);
	json_writer__key(&w, "endValue");
	put_value(&w, g, g->nodes[0].total);
	err = put_samples(&w, g);
	json_writer__put_array(&w, "weights");
	for (size_t i = 1; i < g->n_nodes; i++)
		if (g->nodes[i].self)
			put_value(&w, g, g->nodes[i].self);
	json_writer__end_array(&w);
	json_writer__end_object(&w);
	json_writer__end_array(&w);
	json_writer__end_object(&w);
	return err ? err : json_writer__finish(&w);
}

const struct flame_output flame_output_speedscope = {
	.name = "speedscope",
	.suffix = ".speedscope.json",
	.doc = "a file for speedscope",
	.write = write_speedscope,
};
