/* SPDX-License-Identifier: Apache-2.0 */
/* The formats of flame graphs. A new one is one file in this folder and two lines here. */
#include "output/flame.h"

#include <stddef.h>
#include <string.h>

extern const struct flame_output flame_output_svg;
extern const struct flame_output flame_output_html;
extern const struct flame_output flame_output_folded;
extern const struct flame_output flame_output_pprof;
extern const struct flame_output flame_output_speedscope;
extern const struct flame_output flame_output_perfetto;
extern const struct flame_output flame_output_json;

const struct flame_output *const flame_outputs[] = {
	&flame_output_svg,	  &flame_output_html,	  &flame_output_folded, &flame_output_pprof,
	&flame_output_speedscope, &flame_output_perfetto, &flame_output_json,	NULL,
};

static size_t length_if_ends(const char *path, const char *end)
{
	const size_t length = strlen(path), n = strlen(end);

	return n < length && strcmp(path + length - n, end) == 0 ? n : 0;
}

const struct flame_output *flame_output__of_file(const char *path)
{
	const char *dot = strrchr(path, '.');
	const struct flame_output *best = NULL;
	size_t longest = 0;

	for (int i = 0; flame_outputs[i]; i++) {
		const size_t n = length_if_ends(path, flame_outputs[i]->suffix);

		if (dot && dot > path && dot[-1] != '/' && strcmp(dot + 1, flame_outputs[i]->name) == 0 && !longest)
			best = flame_outputs[i];	/* run.pprof */
		if (n > longest) {
			longest = n;
			best = flame_outputs[i];
		}
	}
	return best;
}
