/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/touched.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"
#include "userspace/analysis/array.h"
#include "userspace/analysis/facts.h"
#include "userspace/analysis/steps.h"

#define META_BLIND_BYTES "touched_blind_bytes"	/* userspace/smaps.h, of the recorded host */

static int64_t add(int64_t a, int64_t b)
{
	int64_t sum;

	return a == ABSENT || b == ABSENT || __builtin_add_overflow(a, b, &sum) ? ABSENT : sum;
}

bool model__has_part(const struct row_model *m, const char *path, uint64_t device, uint64_t inode)
{
	const char *of = m->path ? strstr(m->path, "-00001-of-") : NULL;
	const size_t n = of ? (size_t)(of - m->path) : 0;

	if (device == m->device && inode == m->inode)
		return true;
	return of && path && strlen(path) == strlen(m->path) && strncmp(path, m->path, n) == 0 &&
	       strcmp(path + n + 6, of + 6) == 0;
}

/* --- windows -------------------------------------------------------------------------------------------------------- */

static uint64_t before(uint64_t time_ns, int64_t length_ns)
{
	return (uint64_t)length_ns < time_ns ? time_ns - (uint64_t)length_ns : 0;
}

static void add_row(struct touched_window *w, const struct row_touched *row)
{
	const uint64_t from = before(row->start_ns, row->clear_ns), to = row->end_ns + (uint64_t)row->read_ns;

	w->from_ns = w->n_rows == 0 || from < w->from_ns ? from : w->from_ns;
	w->start_ns = row->start_ns > w->start_ns ? row->start_ns : w->start_ns;
	w->end_ns = w->n_rows == 0 || row->end_ns < w->end_ns ? row->end_ns : w->end_ns;
	w->to_ns = to > w->to_ns ? to : w->to_ns;
	w->n_rows++;
}

static int compare_windows(const void *a, const void *b)
{
	const struct touched_window *x = a, *y = b;

	return x->from_ns < y->from_ns ? -1 : x->from_ns > y->from_ns;
}

/* @return how many; -ENOMEM */
static ssize_t find_windows(struct touched_window **out, const struct recording *r)
{
	struct touched_window *windows = array__zeroed(r->n_toucheds, sizeof(*windows));
	ssize_t n = 0;

	if (!windows)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_toucheds; i++) {
		if (i == 0 || r->toucheds[i].window != r->toucheds[i - 1].window)
			windows[n++] = (struct touched_window){ .first_row = i };
		add_row(&windows[n - 1], &r->toucheds[i]);
	}
	qsort(windows, (size_t)n, sizeof(*windows), compare_windows);
	*out = windows;
	return n;
}

/* Rows of a step that were computed: tokens, and whether anything was put out. @return false: not all are known */
static bool sum_rows(const struct timeline *t, uint32_t step, int64_t *n_tokens, bool *puts_out)
{
	bool known = t->step_first_row[step + 1] > t->step_first_row[step];

	*n_tokens = 0;
	*puts_out = false;
	for (uint32_t k = t->step_first_row[step]; k < t->step_first_row[step + 1]; k++) {
		known &= t->rows[k].seq >= 0;
		*n_tokens += t->rows[k].n_tokens;
		*puts_out |= t->rows[k].n_outputs > 0;
	}
	return known;
}

static void add_step(struct touched_window *w, const struct timeline *t, uint32_t i)
{
	const struct row_step *step = &t->recording->steps[i];
	int64_t n_tokens;
	bool puts_out;
	const bool known = sum_rows(t, i, &n_tokens, &puts_out);

	w->encodes |= step->kind == STEP_ENCODE;
	w->n_steps_most++;
	w->n_tokens_most = known ? add(w->n_tokens_most, n_tokens) : ABSENT;
	/* Without an output the last layer and the output matrix are left out: such a step needs less than all weights. */
	if (step->start_ns < w->start_ns || step->end_ns > w->end_ns || !step__returned(step) || !known || !puts_out)
		return;
	w->n_steps++;
	w->n_tokens += n_tokens;
	w->wall_ns += (int64_t)step__duration_ns(step);
	w->cpu_ns = add(w->cpu_ns, recording__step_use(t->recording, step->id, RESOURCE_CPU_NS));
	w->runq_ns += (int64_t)step->runq_ns > step->server_runq_ns ? (int64_t)step->runq_ns : step->server_runq_ns;
}

static void add_steps(struct touched_windows *w, const struct timeline *t)
{
	const struct recording *r = t->recording;

	size_t first = 0;

	/* Both are in the order of time, and windows do not overlap. */
	for (uint32_t i = 0; i < r->n_steps; i++) {
		const struct row_step *step = &r->steps[i];
		bool any = false;

		if (step->flags & STEP_NESTED)
			continue;
		while (first < w->n && w->windows[first].to_ns < step->start_ns)
			first++;
		for (size_t k = first; k < w->n && w->windows[k].from_ns <= step->end_ns; k++) {
			any = true;
			if (step__role(r, step) == ROLE_TARGET)
				add_step(&w->windows[k], t, i);
		}
		w->n_disturbed += any;
	}
}

int touched_windows__build(struct touched_windows *out, const struct timeline *t)
{
	ssize_t n;

	memset(out, 0, sizeof(*out));
	out->recording = t->recording;
	n = find_windows(&out->windows, t->recording);
	if (n < 0)
		return (int)n;
	out->n = (size_t)n;
	add_steps(out, t);
	for (size_t k = 0; k < out->n; k++) {
		out->n_used += out->windows[k].n_steps > 0;
		for (size_t i = out->windows[k].first_row; i < out->windows[k].first_row + out->windows[k].n_rows;
		     i++) {
			const struct row_touched *row = &t->recording->toucheds[i];

			/* Once per process. */
			if (row->idx == 0) {
				out->clear_ns = add(out->clear_ns, row->clear_ns);
				out->read_ns = add(out->read_ns, row->read_ns);
			}
		}
	}
	out->blind_bytes = recording__meta_int(t->recording, META_BLIND_BYTES);
	return 0;
}

void touched_windows__free(struct touched_windows *w)
{
	if (w)
		free(w->windows);
}

bool *steps__in_touched_windows(const struct recording *r)
{
	bool *in = array__zeroed(r->n_steps, sizeof(*in));
	struct touched_window *windows = NULL;
	const ssize_t n = in ? find_windows(&windows, r) : -ENOMEM;
	ssize_t first = 0;

	if (n < 0) {
		free(in);
		return NULL;
	}
	/* Both are in the order of time, and windows do not overlap. */
	for (size_t i = 0; i < r->n_steps; i++) {
		while (first < n && windows[first].to_ns < r->steps[i].start_ns)
			first++;
		in[i] = first < n && windows[first].from_ns <= r->steps[i].end_ns;
	}
	free(windows);
	return in;
}

/* --- bytes ---------------------------------------------------------------------------------------------------------- */

static void add_bytes(struct touched_bytes *b, const struct row_touched *row)
{
	int64_t fresh = add(row->resident_bytes, row->before_bytes == ABSENT ? ABSENT : -row->before_bytes);

	if (fresh != ABSENT && fresh < 0)
		fresh = 0;
	b->touched = add(b->touched, row->touched_bytes);
	b->fresh = add(b->fresh, fresh);
	b->huge = add(b->huge, row->huge_bytes);
	b->shared |= row->shared_bytes != 0;
}

struct touched_bytes touched_window__of_model(const struct touched_windows *w, const struct touched_window *window,
					      const struct row_model *m)
{
	struct touched_bytes b = { 0, 0, 0, false };
	bool any = false;

	for (size_t i = window->first_row; i < window->first_row + window->n_rows; i++) {
		const struct row_touched *row = &w->recording->toucheds[i];

		if (strcmp(row->kind, "weights") != 0 || !model__has_part(m, row->path, row->device, row->inode))
			continue;
		any = true;
		add_bytes(&b, row);
	}
	if (!any)
		b.touched = b.fresh = b.huge = ABSENT;
	return b;
}

/* Mapped by huge pages, and without a mark: translations of them all may have stayed where clear_refs does not reach. */
static int64_t unseen_huge(const struct row_touched *row)
{
	const int64_t unmarked = add(row->resident_bytes, row->touched_bytes == ABSENT ? ABSENT : -row->touched_bytes);

	if (row->huge_bytes == 0 || row->huge_bytes == ABSENT || unmarked == ABSENT)
		return row->huge_bytes == 0 ? 0 : ABSENT;
	return unmarked < 0 ? 0 : unmarked < row->huge_bytes ? unmarked : row->huge_bytes;
}

int64_t touched_window__most(const struct touched_windows *w, const struct touched_window *window)
{
	int64_t sum = w->blind_bytes;

	for (size_t i = window->first_row; i < window->first_row + window->n_rows; i++) {
		const struct row_touched *row = &w->recording->toucheds[i];

		sum = add(sum, add(row->touched_bytes, add(row->hugetlb_bytes, unseen_huge(row))));
	}
	return sum;
}

int64_t touched_windows__of_kind(const struct touched_windows *w, const char *kind)
{
	int64_t *sums = array__zeroed(w->n, sizeof(*sums)), median;
	size_t n = 0;

	for (size_t k = 0; k < w->n && sums; k++) {
		const struct touched_window *window = &w->windows[k];
		int64_t sum = 0;

		for (size_t i = window->first_row; i < window->first_row + window->n_rows; i++)
			if (strcmp(w->recording->toucheds[i].kind, kind) == 0)
				sum = add(sum, w->recording->toucheds[i].touched_bytes);
		if (window->n_steps && sum != ABSENT)
			sums[n++] = sum;
	}
	if (n)
		sort_values(sums, n);
	median = n ? percentile(sums, n, 50) : ABSENT;
	free(sums);
	return median;
}

/* The same on any machine, which pow() need not be. */
static double power(double base, int64_t n)
{
	double product = 1;

	for (; n > 0; n >>= 1, base *= base)
		product *= n & 1 ? base : 1;
	return product;
}

static int64_t whole(double bytes)
{
	return bytes >= 0 && bytes < 9e18 ? llround(bytes) : ABSENT;
}

struct touched_need model__need(const struct row_model *m, int64_t n_tokens)
{
	const struct touched_need none = { ABSENT, ABSENT, ABSENT };
	const bool mixture = m->n_experts != ABSENT && m->n_experts > 1;
	double used, experts, without, most;

	if (m->active_weight_bytes == ABSENT || n_tokens == ABSENT || n_tokens < 1)
		return none;
	if (!mixture)
		return (struct touched_need){ m->active_weight_bytes, m->active_weight_bytes, m->active_weight_bytes };
	if (m->expert_weight_bytes == ABSENT || m->n_experts_used == ABSENT || m->n_experts_used < 1 ||
	    m->n_experts_used > m->n_experts)
		return (struct touched_need){ m->active_weight_bytes, ABSENT, ABSENT };
	used = (double)m->n_experts_used / (double)m->n_experts;
	experts = (double)m->expert_weight_bytes;
	without = (double)m->active_weight_bytes - used * experts;
	most = (double)n_tokens * used;
	return (struct touched_need){
		m->active_weight_bytes,
		whole(without + experts * (1 - power(1 - used, n_tokens))),
		whole(without + experts * (most < 1 ? most : 1)),
	};
}

/* --- one model ------------------------------------------------------------------------------------------------------ */

int touched_model__of(struct touched_model *out, const struct touched_windows *w, const struct row_model *m)
{
	int64_t *touched = array__zeroed(w->n, sizeof(*touched)), *sure = array__zeroed(w->n, sizeof(*sure));
	const struct touched_window *fewest = NULL, *most = NULL;
	size_t n = 0;

	memset(out, 0, sizeof(*out));
	out->median = out->median_sure = ABSENT;
	for (size_t k = 0; k < w->n && touched && sure; k++) {
		const struct touched_window *window = &w->windows[k];
		const struct touched_bytes b = touched_window__of_model(w, window, m);

		if (window->n_steps == 0 || b.touched == ABSENT || b.fresh == ABSENT)
			continue;
		touched[n] = b.touched;
		sure[n++] = b.touched > b.fresh ? b.touched - b.fresh : 0;
		out->shared |= b.shared;
		out->huge = b.huge > out->huge ? b.huge : out->huge;
		if (window->n_tokens_most == ABSENT)
			continue;
		if (!fewest || window->n_tokens_most < fewest->n_tokens_most)
			fewest = window;
		if (!most || window->n_tokens > most->n_tokens)
			most = window;
	}
	if (n) {
		sort_values(touched, n);
		sort_values(sure, n);
		out->median = percentile(touched, n, 50);
		out->median_sure = percentile(sure, n, 50);
	}
	out->n_windows = n;
	out->fewest = fewest;
	out->most = most;
	n = touched && sure;
	free(touched);
	free(sure);
	return n ? 0 : -ENOMEM;
}
