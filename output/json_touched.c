/* SPDX-License-Identifier: Apache-2.0 */
#include "output/json_touched.h"

#include "userspace/analysis/facts.h"
#include "userspace/analysis/touched.h"

static void put_window(struct json_writer *w, const char *key, const struct touched_windows *windows,
		       const struct touched_window *window, const struct row_model *m)
{
	struct touched_need sure, may_be;

	if (!window) {
		json_writer__put_null(w, key);
		return;
	}
	sure = model__need(m, window->n_tokens);
	may_be = model__need(m, window->n_tokens_most);
	json_writer__put_object(w, key);
	json_writer__put_integer(w, "steps", window->n_steps);
	json_writer__put_integer(w, "tokens", window->n_tokens);
	json_writer__put_optional(w, "tokens_most", window->n_tokens_most);
	json_writer__put_optional(w, "touched_bytes", touched_window__of_model(windows, window, m).touched);
	json_writer__put_optional(w, "need_least_bytes", sure.least);
	json_writer__put_optional(w, "need_even_low_bytes", sure.even);
	json_writer__put_optional(w, "need_even_high_bytes", may_be.even);
	json_writer__put_optional(w, "need_most_bytes", may_be.most);
	json_writer__end_object(w);
}

static int put_model(struct json_writer *w, const struct touched_windows *windows, const struct row_model *m)
{
	struct touched_model of;
	const int err = touched_model__of(&of, windows, m);

	json_writer__begin_object(w);
	json_writer__put_string(w, "name", m->name);
	json_writer__put_string(w, "path", m->path);
	json_writer__put_optional(w, "weight_bytes", m->weight_bytes);
	json_writer__put_optional(w, "needed_bytes", m->active_weight_bytes);
	json_writer__put_integer(w, "windows", (int64_t)of.n_windows);
	json_writer__put_optional(w, "touched_bytes", of.median);
	json_writer__put_optional(w, "touched_sure_bytes", of.median_sure);
	json_writer__put_optional(w, "huge_bytes", of.huge);
	json_writer__put_bool(w, "shared", of.shared);
	put_window(w, "fewest", windows, of.fewest, m);
	put_window(w, "most", windows, of.most, m);
	json_writer__end_object(w);
	return err;
}

int json_touched__put(struct json_writer *w, const struct timeline *t)
{
	const struct recording *r = t->recording;
	struct touched_windows windows;
	int err;

	if (r->n_toucheds == 0) {
		json_writer__put_null(w, "touched");
		return 0;
	}
	err = touched_windows__build(&windows, t);
	if (err)
		return err;
	json_writer__put_object(w, "touched");
	json_writer__put_string(w, "grade", grade__name(GRADE_DERIVED));
	json_writer__put_integer(w, "windows", (int64_t)windows.n);
	json_writer__put_integer(w, "windows_used", (int64_t)windows.n_used);
	json_writer__put_optional(w, "clear_ns", windows.clear_ns);
	json_writer__put_optional(w, "read_ns", windows.read_ns);
	json_writer__put_integer(w, "steps_disturbed", windows.n_disturbed);
	json_writer__put_optional(w, "blind_bytes", windows.blind_bytes);
	json_writer__put_optional(w, "anonymous_bytes", touched_windows__of_kind(&windows, "anonymous"));
	json_writer__put_optional(w, "other_bytes", touched_windows__of_kind(&windows, "other"));
	json_writer__put_array(w, "models");
	for (size_t i = 0; i < r->n_models && !err; i++)
		err = put_model(w, &windows, &r->models[i]);
	json_writer__end_array(w);
	json_writer__end_object(w);
	touched_windows__free(&windows);
	return err;
}
