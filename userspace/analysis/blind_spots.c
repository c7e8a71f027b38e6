/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/blind_spots.h"

#define SECOND_NS 1000000000ull
/* A loss is noticed at a tick, once a second; a late tick adds to it. */
#define SLACK_NS 100000000ull

static int compare_windows(const void *a, const void *b)
{
	const struct window *x = a, *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	return x->end_ns < y->end_ns ? -1 : x->end_ns > y->end_ns;
}

/* Sort and join what touches. @return the number left */
static size_t join(struct window *windows, size_t n)
{
	size_t kept = 0;

	qsort(windows, n, sizeof(*windows), compare_windows);
	for (size_t i = 0; i < n; i++) {
		if (kept && windows[i].start_ns <= windows[kept - 1].end_ns) {
			if (windows[i].end_ns > windows[kept - 1].end_ns)
				windows[kept - 1].end_ns = windows[i].end_ns;
		} else {
			windows[kept++] = windows[i];
		}
	}
	return kept;
}

static bool loses_tokens(const struct row_loss *loss)
{
	return loss->n > 0 && loss->collector &&
	       (strcmp(loss->collector, "engine") == 0 || strcmp(loss->collector, "wire") == 0);
}

static int find_losses(struct blind_spots *w, const struct recording *r)
{
	size_t n = 0;

	w->losses = array__zeroed(r->n_losses, sizeof(*w->losses));
	if (!w->losses)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_losses; i++) {
		const uint64_t second = r->losses[i].second_ns;

		if (!loses_tokens(&r->losses[i]))
			continue;
		w->losses[n++] = (struct window){
			second > SECOND_NS + SLACK_NS ? second - SECOND_NS - SLACK_NS : 0,
			second + SECOND_NS + SLACK_NS,
		};
	}
	w->n_losses = join(w->losses, n);
	return 0;
}

static int find_unknown(struct blind_spots *w, const struct timeline *t)
{
	const struct row_step *steps = t->recording->steps;
	size_t n = 0, k = 0;

	for (size_t i = 0; i < t->n_rows; i++)
		n += t->rows[i].seq < 0;
	w->unknown = array__zeroed(n, sizeof(*w->unknown));
	if (!w->unknown)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_rows; i++) {
		if (t->rows[i].seq < 0)
			w->unknown[k++] =
				(struct window){ steps[t->rows[i].step].start_ns, steps[t->rows[i].step].end_ns };
	}
	w->n_unknown = join(w->unknown, n);
	return 0;
}

int blind_spots__find(struct blind_spots *w, const struct timeline *t)
{
	const struct recording *r = t->recording;
	int err;

	memset(w, 0, sizeof(*w));
	for (size_t i = 0; i < r->n_collectors; i++) {
		if (r->collectors[i].name && strcmp(r->collectors[i].name, "engine") == 0)
			w->engine_attached = r->collectors[i].state && strcmp(r->collectors[i].state, "absent") != 0;
	}
	err = find_losses(w, r);
	return err ? err : find_unknown(w, t);
}

void blind_spots__free(struct blind_spots *w)
{
	free(w->losses);
	free(w->unknown);
	memset(w, 0, sizeof(*w));
}

static bool any_overlap(const struct window *windows, size_t n, uint64_t start_ns, uint64_t end_ns)
{
	size_t low = 0, high = n;

	/* The first window that does not end before the start. */
	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (windows[mid].end_ns < start_ns)
			low = mid + 1;
		else
			high = mid;
	}
	return low < n && windows[low].start_ns <= end_ns;
}

bool blind_spots__lost(const struct blind_spots *w, uint64_t start_ns, uint64_t end_ns)
{
	return any_overlap(w->losses, w->n_losses, start_ns, end_ns);
}

bool blind_spots__unknown(const struct blind_spots *w, uint64_t start_ns, uint64_t end_ns)
{
	return any_overlap(w->unknown, w->n_unknown, start_ns, end_ns);
}
