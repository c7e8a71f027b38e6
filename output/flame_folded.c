/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folded text, a line per stack: frames from the outermost on, separated by ';', a blank, an integer. Kernel frames end in
 * "_[k]" and inlined ones in "_[i]", as stackcollapse-perf.pl marks them for colours. A comparison has two integers, of the
 * other recording and of this one, as difffolded.pl writes them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "output/flame.h"
#include "output/utf8.h"

/* ';' and line ends are the format's own. */
static void put_name(FILE *f, const char *text)
{
	size_t n = strlen(text);

	while (n > 0) {
		uint32_t code_point;
		const size_t used = utf8__decode(text, n, &code_point);

		if (code_point == ';')
			putc(':', f);
		else if (code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0))
			putc('?', f);
		else if (code_point == UTF8_REPLACEMENT)
			fputs(UTF8_REPLACEMENT_BYTES, f);
		else
			fwrite(text, 1, used, f);
		text += used;
		n -= used;
	}
}

static void put_frame(FILE *f, const struct flame_graph *g, const struct flame_node *node)
{
	const struct flame_name *name = &g->names.all[node->name];

	put_name(f, name->text);
	if (name->kind == FLAME_KERNEL)
		fputs("_[k]", f);
	else if (name->kind == FLAME_INLINED)
		fputs("_[i]", f);
}

static int write_folded(FILE *f, const struct flame_view *view)
{
	const struct flame_graph *g = view->graph;
	uint32_t *path = NULL;

	path = calloc(flame_graph__depth(g) + 1, sizeof(*path));
	if (!path)
		return -ENOMEM;
	for (size_t i = 1; i < g->n_nodes; i++) {
		const struct flame_node *node = &g->nodes[i];

		path[node->depth] = (uint32_t)i;
		if (!node->self && !node->base_self)
			continue;
		for (uint32_t d = 1; d <= node->depth; d++) {
			if (d > 1)
				putc(';', f);
			put_frame(f, g, &g->nodes[path[d]]);
		}
		if (g->is_diff)
			fprintf(f, " %" PRId64, node->base_self);
		fprintf(f, " %" PRId64 "\n", node->self);
	}
	free(path);
	return ferror(f) ? -EIO : 0;
}

const struct flame_output flame_output_folded = {
	.name = "folded",
	.suffix = ".folded",
	.doc = "a line per stack, for flamegraph.pl and inferno",
	.shows_diff = true,
	.write = write_folded,
};
