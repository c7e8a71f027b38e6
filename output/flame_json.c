/* SPDX-License-Identifier: Apache-2.0 */
/* JSON, schema "tokprof.flame/1": names once, frames depth first with the position of their parent. */
#include "output/flame.h"

#include "output/json_writer.h"

static void put_names(struct json_writer *w, const struct flame_graph *g)
{
	json_writer__put_array(w, "names");
	for (size_t i = 0; i < g->names.n; i++) {
		json_writer__begin_object(w);
		json_writer__put_string(w, "name", g->names.all[i].text);
		json_writer__put_string(w, "kind", flame_kind_names[g->names.all[i].kind]);
		json_writer__put_string(w, "module", g->names.all[i].module);
		json_writer__put_string(w, "file", g->names.all[i].file);
		json_writer__end_object(w);
	}
	json_writer__end_array(w);
}

static void put_nodes(struct json_writer *w, const struct flame_graph *g)
{
	json_writer__put_array(w, "frames");
	for (size_t i = 0; i < g->n_nodes; i++) {
		const struct flame_node *node = &g->nodes[i];

		json_writer__begin_object(w);
		json_writer__put_optional(w, "parent", i ? (int64_t)node->parent : ABSENT);
		json_writer__put_integer(w, "name", node->name);
		json_writer__put_integer(w, "self", node->self);
		json_writer__put_integer(w, "total", node->total);
		if (g->is_diff) {
			json_writer__put_integer(w, "base_self", node->base_self);
			json_writer__put_integer(w, "base_total", node->base_total);
		}
		json_writer__end_object(w);
	}
	json_writer__end_array(w);
}

static int write_json(FILE *f, const struct flame_view *view)
{
	const struct flame_graph *g = view->graph;
	struct json_writer w;

	json_writer__init(&w, f, 2);
	json_writer__begin_object(&w);
	json_writer__put_string(&w, "schema", "tokprof.flame/1");
	json_writer__put_string(&w, "title", view->title);
	json_writer__put_string(&w, "base_title", view->base_title);
	json_writer__put_string(&w, "resource", g->resource->name);
	json_writer__put_string(&w, "per", flame_per_names[g->per]);
	json_writer__put_string(&w, "unit", g->unit);
	json_writer__put_integer(&w, "scale", g->scale);
	json_writer__put_string(&w, "grade", g->grade);
	json_writer__put_integer(&w, "n_samples", (int64_t)g->n_samples);
	json_writer__put_optional(&w, "prompt_tokens", g->per == PER_TOKEN ? g->prompt_tokens : ABSENT);
	json_writer__put_optional(&w, "completion_tokens", g->per == PER_TOKEN ? g->completion_tokens : ABSENT);
	json_writer__put_array(&w, "notes");
	for (size_t i = 0; i < g->n_notes; i++)
		json_writer__string(&w, g->notes[i]);
	json_writer__end_array(&w);
	put_names(&w, g);
	put_nodes(&w, g);
	json_writer__end_object(&w);
	return json_writer__finish(&w);
}

const struct flame_output flame_output_json = {
	.name = "json",
	.suffix = ".json",
	.doc = "the graph as it is, schema tokprof.flame/1",
	.shows_diff = true,
	.write = write_json,
};
