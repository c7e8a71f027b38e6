/* SPDX-License-Identifier: Apache-2.0 */
#include "output/flame.h"

#include "output/figure.h"

struct flame_figure flame_figure(const struct flame_graph *g, int64_t value)
{
	const int64_t half = value < 0 ? -g->scale / 2 : g->scale / 2;
	struct flame_figure figure;

	snprintf(figure.s, sizeof(figure.s), "%.30s%s", figure__in_unit((value + half) / g->scale, g->unit).s,
		 g->per == PER_TOKEN ? " per token" : "");
	return figure;
}

void flame_title(const struct flame_view *view, char *text, size_t size)
{
	static const char *const per[N_FLAME_PER] = { "", ", per token", ", by request" };
	const struct flame_graph *g = view->graph;
	const char *title = g->resource->title;
	const char first = title[0] >= 'a' && title[0] <= 'z' ? (char)(title[0] - 'a' + 'A') : title[0];

	snprintf(text, size, "%c%s%s: %s%s%s", first, title + 1, per[g->per], view->title,
		 view->base_title ? " against " : "", view->base_title ? view->base_title : "");
}

const char *flame_sum_name(const struct flame_graph *g)
{
	if (g->per != PER_TOKEN)
		return "all";
	return g->prompt_tokens && g->completion_tokens ? "a computed prompt token and a generated one" :
	       g->prompt_tokens				? "a computed prompt token" :
							  "a generated token";
}
