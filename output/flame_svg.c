/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A drawing of a flame graph that needs no script: the root above, a row per frame, each box with a title that a
 * browser shows.
 */
#include "output/flame_svg.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "output/figure.h"
#include "output/flame_boxes.h"
#include "output/html.h"
#include "output/utf8.h"

/* Of a monospaced font of 11 pixels. */
#define COLUMN_PX 6.65
#define MARGIN_PX 4
#define LEAST_PX 0.5
#define MOST_BOXES 20000
#define MOST_LABEL 300

void flame_svg__figures(FILE *f, const struct flame_graph *g, int64_t value, int64_t base)
{
	fprintf(f, "%s, %s", flame_figure(g, value).s, figure__percent(value, g->nodes[0].total).s);
	if (g->is_diff)
		fprintf(f, "; was %s, %s%s", flame_figure(g, base).s, value > base ? "+" : "",
			base ? figure__percent(value - base, base).s : "new");
}

void flame_svg__name(FILE *f, const char *text)
{
	const size_t n = strlen(text), fits = utf8__fitting(text, n, FLAME_MOST_NAME);

	html__bytes(f, text, fits);
	fputs(fits < n ? ".." : "", f);
}

/* As much of a name as fits; what is left out stands in the title. */
static void put_label(FILE *f, const char *text, double x, double y, double width)
{
	const int columns = (int)((width - 2 * MARGIN_PX) / COLUMN_PX);
	const size_t n = strlen(text);
	size_t fits;

	if (columns < 3)
		return;
	fits = utf8__fitting(text, n, columns < MOST_LABEL ? columns : MOST_LABEL);
	if (fits < n)
		fits = utf8__fitting(text, n, (columns < MOST_LABEL ? columns : MOST_LABEL) - 2);
	fprintf(f, "<text x=\"%.1f\" y=\"%.0f\">", x + MARGIN_PX, y + FLAME_ROW - 5);
	html__bytes(f, text, fits);
	fputs(fits < n ? "..</text>" : "</text>", f);
}

static void put_box(FILE *f, const struct flame_graph *g, const struct flame_box *box, int top)
{
	const double scale = (double)FLAME_WIDTH / (double)g->nodes[0].total;
	const double x = (double)box->start * scale, width = (double)box->value * scale;
	const double y = top + (double)box->depth * FLAME_ROW;
	const char *name = flame_box__name(g, box);

	fprintf(f, "<g class=\"%s\"><title>", flame_box__class(g, box));
	flame_svg__name(f, name);
	if (box->node == BOX_OTHERS)
		fprintf(f, ", %" PRIu32 " frames", box->n_frames);
	fputs("\n", f);
	flame_svg__figures(f, g, box->value, box->base);
	if (box->node != BOX_OTHERS && g->names.all[g->nodes[box->node].name].module) {
		fputs("\n", f);
		html__text(f, g->names.all[g->nodes[box->node].name].module);
	}
	fprintf(f, "</title><rect x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" height=\"%d\" rx=\"1\"/>", x, y,
		width > 1.2 ? width - 0.6 : width, FLAME_ROW - 1);
	put_label(f, name, x, y, width);
	fputs("</g>\n", f);
}

int flame_svg__boxes(FILE *f, const struct flame_graph *g, int y, size_t most, int *height)
{
	struct flame_boxes boxes;
	const double least = (double)g->nodes[0].total * LEAST_PX / FLAME_WIDTH;
	int err = flame_boxes__build(&boxes, g, (int64_t)least);

	if (!err && boxes.n > most) {
		flame_boxes__free(&boxes);
		err = flame_boxes__build_most(&boxes, g, most);
	}
	if (err)
		return err;
	for (size_t i = 0; i < boxes.n && g->nodes[0].total > 0; i++)
		put_box(f, g, &boxes.boxes[i], y);
	*height = (int)boxes.n_levels * FLAME_ROW;
	flame_boxes__free(&boxes);
	return 0;
}

int flame_svg__legend(FILE *f, const struct flame_graph *g, int y)
{
	static const struct {
		const char *class, *words;
	} kinds[] = { { "h", "phase" },
		      { "c", "account" },
		      { "u1", "function" },
		      { "i", "inlined function" },
		      { "k", "kernel" },
		      { "n", "no name: module+offset" },
		      { "s", "no stack is known" },
		      { "o", "several, too narrow to draw" } },
	  changes[] = { { "b4", "less" }, { "b2", "" }, { "z", "as it was" }, { "r2", "" }, { "r4", "more, or new" } };
	double x = 0;

	for (size_t i = 0; i < (g->is_diff ? sizeof(changes) / sizeof(changes[0]) : sizeof(kinds) / sizeof(kinds[0]));
	     i++) {
		const char *class = g->is_diff ? changes[i].class : kinds[i].class;
		const char *words = g->is_diff ? changes[i].words : kinds[i].words;

		fprintf(f,
			"<g class=\"%s\"><rect x=\"%.0f\" y=\"%d\" width=\"14\" height=\"12\" rx=\"1\"/></g>"
			"<text class=\"w\" x=\"%.0f\" y=\"%d\">%s</text>\n",
			class, x, y, x + 19, y + 10, words);
		x += 19 + (double)strlen(words) * COLUMN_PX + (*words ? 18 : 0);
	}
	return 20;
}

/* Height comes before the content in the file, so that the content is made first. */
static int put_content(FILE *f, const struct flame_view *view, int *height)
{
	const struct flame_graph *g = view->graph;
	char title[256];
	int y = 24, boxes = 0, err;

	flame_title(view, title, sizeof(title));
	fprintf(f, "<text class=\"t\" x=\"0\" y=\"%d\">", y);
	html__text(f, title);
	y += 20;
	fprintf(f, "</text>\n<text class=\"w\" x=\"0\" y=\"%d\">%s: %s (", y, flame_sum_name(g),
		flame_figure(g, g->nodes[0].total).s);
	html__text(f, g->unit);
	fprintf(f, ", %s)%s%s</text>\n", g->grade, g->is_diff ? "; was " : "",
		g->is_diff ? flame_figure(g, g->nodes[0].base_total).s : "");
	for (size_t i = 0; i < g->n_notes; i++) {
		y += 15;
		fprintf(f, "<text class=\"w\" x=\"0\" y=\"%d\">", y);
		html__text(f, g->notes[i]);
		fputs("</text>\n", f);
	}
	y += 12;
	y += flame_svg__legend(f, g, y) + 4;
	err = flame_svg__boxes(f, g, y, MOST_BOXES, &boxes);
	*height = y + boxes;
	return err;
}

static int write_svg(FILE *f, const struct flame_view *view)
{
	char *content = NULL;
	size_t n_content;
	FILE *memory = open_memstream(&content, &n_content);
	int height = 0, err;

	if (!memory)
		return -ENOMEM;
	err = put_content(memory, view, &height);
	if (fclose(memory) && !err)
		err = -ENOMEM;
	if (!err) {
		fprintf(f,
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
			"class=\"flame\" width=\"%d\" height=\"%d\" viewBox=\"-16 -8 %d %d\">\n",
			FLAME_WIDTH + 32, height + 24, FLAME_WIDTH + 32, height + 24);
		err = html__embed(f, "style", "flame.css");
		fprintf(f, "<rect class=\"paper\" x=\"-16\" y=\"-8\" width=\"%d\" height=\"%d\"/>\n", FLAME_WIDTH + 32,
			height + 24);
		fwrite(content, 1, n_content, f);
		fputs("</svg>\n", f);
	}
	free(content);
	return err ? err : ferror(f) ? -EIO : 0;
}

const struct flame_output flame_output_svg = {
	.name = "svg",
	.suffix = ".svg",
	.doc = "a drawing that needs no script",
	.shows_diff = true,
	.write = write_svg,
};
