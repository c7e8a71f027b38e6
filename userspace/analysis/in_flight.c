/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/in_flight.h"

#include <errno.h>
#include <stdlib.h>

#include "userspace/analysis/array.h"

static int compare_intervals(const void *a, const void *b)
{
	const struct interval *x = a, *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	return x->end_ns < y->end_ns ? -1 : x->end_ns > y->end_ns;
}

int in_flight__build(const struct timeline *t, struct interval **out, size_t *n_out)
{
	const struct recording *r = t->recording;
	const size_t n = r->n_requests + t->n_runs;
	struct interval *busy = array__zeroed(n, sizeof(*busy));
	size_t k = 0, n_busy = 0;

	if (!busy)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_requests; i++) {
		const struct row_request *q = &r->requests[i];

		busy[k++] = (struct interval){ q->arrival_ns, q->end_ns ? q->end_ns : UINT64_MAX };
	}
	for (size_t i = 0; i < t->n_runs; i++)
		busy[k++] = (struct interval){ t->runs[i].start_ns, t->runs[i].end_ns };
	qsort(busy, n, sizeof(*busy), compare_intervals);
	for (size_t i = 0; i < n; i++) {
		if (n_busy && busy[i].start_ns <= busy[n_busy - 1].end_ns) {
			if (busy[i].end_ns > busy[n_busy - 1].end_ns)
				busy[n_busy - 1].end_ns = busy[i].end_ns;
		} else {
			busy[n_busy++] = busy[i];
		}
	}
	*out = busy;
	*n_out = n_busy;
	return 0;
}

bool in_flight__any(const struct interval *busy, size_t n, uint64_t start_ns, uint64_t end_ns)
{
	size_t low = 0, high = n;

	/* The first that ends at or after the start. */
	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (busy[middle].end_ns < start_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && busy[low].start_ns <= end_ns;
}
