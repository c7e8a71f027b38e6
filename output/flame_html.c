/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One page that needs nothing else: the drawing, which a script replaces by one that can be zoomed and searched. The script's data
 * has the boxes down to a hundred-thousandth of the whole, or as many as keep the page small.
 */
#include "output/flame_html.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "output/flame_boxes.h"
#include "output/flame_svg.h"
#include "output/html.h"
#include "output/utf8.h"

#define STYLE "flame.css"
#define SCRIPT "flame.js"
#define MOST_BOXES 40000
#define BOXES_PER_DRAWN 10 /* in the drawing that the script replaces */

/* A JSON string that is safe inside a script element: "<" never stands in it. */
static void put_string(FILE *f, const char *text)
{
	const size_t whole = strlen(text);
	size_t n = utf8__fitting(text, whole, FLAME_MOST_NAME);
	const bool cut = n < whole;

	putc('"', f);
	while (n > 0) {
		uint32_t code_point;
		const size_t used = utf8__decode(text, n, &code_point);

		if (code_point == '"' || code_point == '\\')
			fprintf(f, "\\%c", (char)code_point);
		else if (code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0))
			putc('?', f);
		else if (code_point == '<' || code_point == '>' || code_point == '&' || code_point == 0x2028 ||
			 code_point == 0x2029 || (code_point >= 0x202a && code_point <= 0x202e) ||
			 (code_point >= 0x2066 && code_point <= 0x2069))
			fprintf(f, "\\u%04x", code_point);
		else if (code_point == UTF8_REPLACEMENT)
			fputs("\\ufffd", f);
		else
			fwrite(text, 1, used, f);
		text += used;
		n -= used;
	}
	fputs(cut ? "..\"" : "\"", f);
}

/* Names, numbered as they are met; 0 is "(others)". */
struct used_names {
	uint32_t *number;	/* per name of the graph; 0: not met yet */
	const struct flame_box **first;
	size_t n;
};

static int number_names(struct used_names *u, const struct flame_graph *g, const struct flame_boxes *boxes)
{
	u->number = calloc(g->names.n + 1, sizeof(*u->number));
	u->first = calloc(g->names.n + 1, sizeof(const struct flame_box *));
	u->n = 1;
	if (!u->number || !u->first)
		return -ENOMEM;
	for (size_t i = 0; i < boxes->n; i++) {
		const struct flame_box *box = &boxes->boxes[i];
		uint32_t *number = box->node == BOX_OTHERS ? NULL : &u->number[g->nodes[box->node].name];

		if (!number || *number)
			continue;
		u->first[u->n] = box;
		*number = (uint32_t)u->n++;
	}
	return 0;
}

static void put_names(FILE *f, const struct flame_graph *g, const struct used_names *u)
{
	fputs("\"names\":[[\"(others)\",\"o\"]", f);
	for (size_t i = 1; i < u->n; i++) {
		const struct flame_name *name = &g->names.all[g->nodes[u->first[i]->node].name];

		fputs(",\n[", f);
		put_string(f, name->text);
		fprintf(f, ",\"%s\"", flame_box__class(g, u->first[i]));
		if (name->module) {
			putc(',', f);
			put_string(f, name->module);
		}
		putc(']', f);
	}
	fputs("],\n", f);
}

static void put_units(FILE *f, const struct flame_graph *g)
{
	if (strcmp(g->unit, "ns") == 0)
		fputs("\"units\":[[1,\"ns\"],[1e3,\"us\"],[1e6,\"ms\"],[1e9,\"s\"],[6e10,\"min\"],[3.6e12,\"h\"]],\n",
		      f);
	else if (strcmp(g->unit, "bytes") == 0)
		fputs("\"units\":[[1,\"B\"],[1e3,\"kB\"],[1e6,\"MB\"],[1e9,\"GB\"],[1e12,\"TB\"]],\n", f);
	else if (strcmp(g->unit, "uJ") == 0)
		fputs("\"units\":[[1,\"uJ\"],[1e3,\"mJ\"],[1e6,\"J\"],[1e9,\"kJ\"]],\n", f);
	else
		fputs("\"units\":[[1,\"\"],[1e3,\"k\"],[1e6,\"M\"],[1e9,\"G\"]],\n", f);
}

static int put_data(FILE *f, const struct flame_graph *g, size_t most)
{
	struct used_names used = { .n = 0 };
	struct flame_boxes boxes;
	int err = flame_boxes__build_most(&boxes, g, most);

	if (err)
		return err;
	err = number_names(&used, g, &boxes);
	if (!err) {
		fprintf(f, "<script type=\"application/json\" id=\"data\">{\"scale\":%" PRId64 ",\"base\":%s,\n",
			g->scale, g->is_diff ? "true" : "false");
		put_units(f, g);
		put_names(f, g, &used);
		fputs("\"boxes\":[", f);
		for (size_t i = 0; i < boxes.n; i++) {
			const struct flame_box *b = &boxes.boxes[i];

			fprintf(f, "%s%" PRIu32 ",%" PRIu32 ",%" PRId64 ",%" PRIu32,
				i == 0 ? "" :
				i % 16 ? "," :
					 ",\n",
				b->depth, b->node == BOX_OTHERS ? 0 : used.number[g->nodes[b->node].name], b->value,
				b->n_frames);
			if (g->is_diff)
				fprintf(f, ",%" PRId64, b->base);
		}
		fputs("]}</script>\n", f);
	}
	free(used.number);
	free(used.first);
	flame_boxes__free(&boxes);
	return err;
}

static int put_drawing(FILE *f, const struct flame_graph *g, size_t most)
{
	char *boxes = NULL;
	size_t n_boxes;
	FILE *memory = open_memstream(&boxes, &n_boxes);
	int height = 0, err;

	if (!memory)
		return -ENOMEM;
	err = flame_svg__boxes(memory, g, 0, most, &height);
	if (fclose(memory) && !err)
		err = -ENOMEM;
	if (!err) {
		fprintf(f,
			"<div id=\"chart\"><svg class=\"flame\" viewBox=\"0 0 %d %d\" role=\"img\" "
			"aria-label=\"flame graph\">\n",
			FLAME_WIDTH, height);
		fwrite(boxes, 1, n_boxes, f);
		fputs("</svg></div>\n", f);
	}
	free(boxes);
	return err;
}

int flame_html__body(FILE *f, const struct flame_view *view, size_t most_boxes)
{
	const struct flame_graph *g = view->graph;
	int err;

	fprintf(f, "<p class=\"sum\"><strong>%s: %s</strong> (", flame_sum_name(g),
		flame_figure(g, g->nodes[0].total).s);
	html__text(f, g->unit);
	fprintf(f, ", %s)%s%s</p>\n<ul>", g->grade, g->is_diff ? "; was " : "",
		g->is_diff ? flame_figure(g, g->nodes[0].base_total).s : "");
	for (size_t i = 0; i < g->n_notes; i++) {
		fputs("<li>", f);
		html__text(f, g->notes[i]);
		fputs("</li>", f);
	}
	fprintf(f, "</ul>\n<div id=\"legend\"><svg class=\"flame\" viewBox=\"0 0 %d 16\">\n", FLAME_WIDTH);
	flame_svg__legend(f, g, 2);
	fputs("</svg></div>\n<div id=\"tools\" hidden><label>Search <input id=\"search\" type=\"search\" "
	      "spellcheck=\"false\" autocomplete=\"off\" placeholder=\"function, module, phase\"></label>"
	      "<button id=\"reset\" type=\"button\" disabled>Show all</button><span id=\"found\" "
	      "aria-live=\"polite\"></span></div>\n<p id=\"keys\" class=\"keys\" hidden>A click zooms into a box. "
	      "<kbd>/</kbd> searches, <kbd>Esc</kbd> shows all, arrow keys move, <kbd>Enter</kbd> zooms.</p>\n"
	      "<div id=\"detail\" aria-live=\"polite\"></div>\n",
	      f);
	err = put_drawing(f, g, most_boxes / BOXES_PER_DRAWN);
	return err ? err : put_data(f, g, most_boxes);
}

static int write_html(FILE *f, const struct flame_view *view)
{
	char title[256];
	int err;

	flame_title(view, title, sizeof(title));
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n", f);
	err = html__policy(f, (const char *const[]){ STYLE, NULL }, (const char *const[]){ SCRIPT, NULL });
	fputs("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	      "<meta name=\"generator\" content=\"tokprof\">\n<title>",
	      f);
	html__text(f, title);
	fputs("</title>\n", f);
	if (!err)
		err = html__embed(f, "style", STYLE);
	fputs("</head>\n<body class=\"flame-page\">\n<p class=\"tool\">tokprof</p>\n<h1>", f);
	html__foreign(f, title);
	fputs("</h1>\n", f);
	if (!err)
		err = flame_html__body(f, view, MOST_BOXES);
	if (!err)
		err = html__embed(f, "script", SCRIPT);
	fputs("</body>\n</html>\n", f);
	return err ? err : ferror(f) ? -EIO : 0;
}

const struct flame_output flame_output_html = {
	.name = "html",
	.suffix = ".html",
	.doc = "one page with search and zoom, for a browser without a network",
	.shows_diff = true,
	.write = write_html,
};
