/* SPDX-License-Identifier: Apache-2.0 */
/* Which bytes of the weights were touched: windows of record --touched-bytes. */
#include <errno.h>

#include "output/figure.h"
#include "output/text.h"
#include "userspace/analysis/touched.h"

static void put_window(const struct text *t, const struct touched_windows *windows, const struct touched_window *window,
		       const struct row_model *m)
{
	const struct touched_need sure = model__need(m, window->n_tokens);
	const struct touched_need may_be = model__need(m, window->n_tokens_most);
	const struct touched_bytes b = touched_window__of_model(windows, window, m);

	if (sure.even == ABSENT || may_be.most == ABSENT)
		return;
	text__paragraph(
		t,
		"Of %s to %s tokens: %s touched; their experts can be from %s to %s with the rest, and are %s to %s "
		"where each token takes its own at random.",
		figure__count(window->n_tokens).s, figure__count(window->n_tokens_most).s, figure__bytes(b.touched).s,
		figure__bytes(sure.least).s, figure__bytes(may_be.most).s, figure__bytes(sure.even).s,
		figure__bytes(may_be.even).s);
}

static int put_model(const struct text *t, const struct touched_windows *windows, const struct row_model *m)
{
	const char *name = m->name ? m->name : m->path ? m->path : "a model without a name";
	struct touched_model of;
	const int err = touched_model__of(&of, windows, m);

	if (err)
		return err;
	if (of.n_windows == 0) {
		text__paragraph(t, "%s: not known; it was not mapped, or no step lay in a window whole.", name);
		return 0;
	}
	text__paragraph(t, "%s: %s of %s of weights touched (median of %zu window%s)%s%s%s.%s", name,
			figure__bytes(of.median).s,
			m->weight_bytes == ABSENT ? "an unknown number" : figure__bytes(m->weight_bytes).s,
			of.n_windows, of.n_windows == 1 ? "" : "s",
			m->active_weight_bytes == ABSENT ? "" : "; by its header a token needs ",
			m->active_weight_bytes == ABSENT ? "" : figure__bytes(m->active_weight_bytes).s,
			of.median_sure < of.median ? "; some of it may only have been mapped in meanwhile" : "",
			of.shared ? " Other processes have it mapped too, and may have touched some of it." : "");
	if (of.huge > 0)
		text__paragraph(t, "%s of its mapping are huge pages, which count as a whole.",
				figure__bytes(of.huge).s);
	if (m->n_experts != ABSENT && m->n_experts > 1) {
		if (of.fewest)
			put_window(t, windows, of.fewest, m);
		if (of.most && of.most != of.fewest)
			put_window(t, windows, of.most, m);
	}
	return 0;
}

int text__touched(const struct text *t)
{
	struct touched_windows windows;
	int err;

	if (t->r->n_toucheds == 0)
		return 0;
	err = touched_windows__build(&windows, t->l->timeline);
	if (err)
		return err;
	text__heading(t, "Touched bytes");
	for (size_t i = 0; i < t->r->n_models && !err; i++)
		err = put_model(t, &windows, &t->r->models[i]);
	text__paragraph(
		t,
		"Besides: %s of memory of no file, %s of other files and shared memory (medians). %s may have been "
		"touched without a mark.",
		figure__bytes(touched_windows__of_kind(&windows, "anonymous")).s,
		figure__bytes(touched_windows__of_kind(&windows, "other")).s,
		windows.blind_bytes == ABSENT ? "An unknown number of bytes" : figure__bytes(windows.blind_bytes).s);
	text__paragraph(
		t,
		"%zu windows, %zu of them with a whole step. To take the marks off took %s in sum, to count them %s; "
		"%s steps ran meanwhile, some of them slower for it, and are left out of fits.",
		windows.n, windows.n_used, figure__time(windows.clear_ns).s, figure__time(windows.read_ns).s,
		figure__count(windows.n_disturbed).s);
	touched_windows__free(&windows);
	return err;
}
