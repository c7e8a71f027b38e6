/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/overhead/windows.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/cost/robust.h"

#define POSITIONS_PER_BIN 16
#define N_BINS 512
#define PAIRS_PER_BLOCK 4
#define N_RESAMPLES 2000
#define SEED 20261121
#define SHORTEST_OF_MEDIAN 0.25	/* below: parts of one chunk, or the end of a response */
#define LONGEST_OF_MEDIAN 4.0	/* above: another request's prompt was computed, or nothing was asked */

struct gap {
	uint64_t start_ns;
	double ns;
	uint32_t bin;
};

static int compare_pulses(const void *a, const void *b)
{
	const struct pulse *x = a, *y = b;

	if (x->tgid != y->tgid)
		return x->tgid < y->tgid ? -1 : 1;
	if (x->fd != y->fd)
		return x->fd < y->fd ? -1 : 1;
	return (x->time_ns > y->time_ns) - (x->time_ns < y->time_ns);
}

static double median_gap(const struct gap *gaps, size_t n, double *scratch)
{
	size_t i;

	for (i = 0; i < n; i++)
		scratch[i] = gaps[i].ns;
	return n ? select__median(scratch, n) : 0;
}

/* Gaps of all connections; a stream's position starts anew after a pause. */
static size_t find_gaps(const struct pulse *pulses, size_t n, struct gap *gaps)
{
	size_t i, n_gaps = 0;

	for (i = 1; i < n; i++) {
		if (pulses[i].tgid != pulses[i - 1].tgid || pulses[i].fd != pulses[i - 1].fd)
			continue;
		gaps[n_gaps].start_ns = pulses[i - 1].time_ns;
		gaps[n_gaps].ns = (double)(pulses[i].time_ns - pulses[i - 1].time_ns);
		n_gaps++;
	}
	return n_gaps;
}

static size_t keep_decode_gaps(struct gap *gaps, size_t n, double typical)
{
	uint32_t position = 0;
	size_t i, kept = 0;

	for (i = 0; i < n; i++) {
		if (i > 0 && gaps[i].start_ns < gaps[i - 1].start_ns)
			position = 0;	/* another connection */
		if (gaps[i].ns > LONGEST_OF_MEDIAN * typical) {
			position = 0;
			continue;
		}
		if (gaps[i].ns < SHORTEST_OF_MEDIAN * typical)
			continue;
		gaps[kept] = gaps[i];
		gaps[kept].bin = position / POSITIONS_PER_BIN < N_BINS ? position / POSITIONS_PER_BIN : N_BINS - 1;
		kept++;
		position++;
	}
	return kept;
}

static int compare_bins(const void *a, const void *b)
{
	const struct gap *x = a, *y = b;

	if (x->bin != y->bin)
		return x->bin < y->bin ? -1 : 1;
	return (x->ns > y->ns) - (x->ns < y->ns);
}

/* Divide each gap by the median of its position. */
static void normalise(struct gap *gaps, size_t n)
{
	size_t first, end, i;

	qsort(gaps, n, sizeof(*gaps), compare_bins);
	for (first = 0; first < n; first = end) {
		double middle;

		for (end = first; end < n && gaps[end].bin == gaps[first].bin; end++)
			;
		middle = gaps[first + (end - first) / 2].ns;
		for (i = first; i < end; i++)
			gaps[i].ns /= middle;
	}
}

struct window_sum {
	double sum;
	size_t n;
};

static const struct window *find_window(const struct window *windows, size_t n, uint64_t time_ns)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (windows[middle].end_ns <= time_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && windows[low].start_ns <= time_ns ? &windows[low] : NULL;
}

static void sum_windows(const struct window *windows, size_t n_windows, const struct gap *gaps, const double *length_ns,
			size_t n_gaps, struct window_sum *sums)
{
	size_t i;

	for (i = 0; i < n_gaps; i++) {
		const struct window *w = find_window(windows, n_windows, gaps[i].start_ns);

		if (!w || (double)(w->end_ns - gaps[i].start_ns) < length_ns[i])
			continue;
		sums[w - windows].sum += gaps[i].ns;
		sums[w - windows].n++;
	}
}

static int compare_pairs(const struct window *windows, const struct window_sum *sums, size_t n_windows,
			 struct slow_down *out)
{
	double *values = calloc(n_windows + 1, sizeof(*values)), *weights = calloc(n_windows + 1, sizeof(*weights));
	size_t i, n = 0;
	int err = 0;

	if (!values || !weights) {
		err = -ENOMEM;
		goto out;
	}
	for (i = 0; i + 1 < n_windows; i += 2) {
		size_t on = windows[i].on ? i : i + 1, off = windows[i].on ? i + 1 : i;

		if (windows[i].on == windows[i + 1].on || !sums[on].n || !sums[off].n)
			continue;
		values[n] = log(sums[on].sum / (double)sums[on].n) - log(sums[off].sum / (double)sums[off].n);
		weights[n] = (double)sums[on].n * (double)sums[off].n / (double)(sums[on].n + sums[off].n);
		out->n_gaps_on += sums[on].n;
		out->n_gaps_off += sums[off].n;
		n++;
	}
	out->n_pairs = n;
	if (n < MIN_PAIRS) {
		err = -ENODATA;
		goto out;
	}
	err = bootstrap__mean(values, weights, n, PAIRS_PER_BLOCK, N_RESAMPLES, SEED, &out->percent);
	out->percent.estimate = 100 * expm1(out->percent.estimate);
	out->percent.low = 100 * expm1(out->percent.low);
	out->percent.high = 100 * expm1(out->percent.high);
out:
	free(values);
	free(weights);
	return err;
}

int windows__slow_down(const struct window *windows, size_t n_windows, struct pulse *pulses, size_t n_pulses,
		       struct slow_down *out)
{
	struct gap *gaps = calloc(n_pulses + 1, sizeof(*gaps));
	double *lengths = calloc(n_pulses + 1, sizeof(*lengths));
	struct window_sum *sums = calloc(n_windows + 1, sizeof(*sums));
	size_t n, i;
	int err = -ENOMEM;

	memset(out, 0, sizeof(*out));
	if (!gaps || !lengths || !sums)
		goto out;
	qsort(pulses, n_pulses, sizeof(*pulses), compare_pulses);
	n = find_gaps(pulses, n_pulses, gaps);
	n = keep_decode_gaps(gaps, n, median_gap(gaps, n, lengths));
	out->gap_ns_off = median_gap(gaps, n, lengths);
	/* normalise() reorders the gaps: keep each one's true length beside it by the same order. */
	qsort(gaps, n, sizeof(*gaps), compare_bins);
	for (i = 0; i < n; i++)
		lengths[i] = gaps[i].ns;
	normalise(gaps, n);
	sum_windows(windows, n_windows, gaps, lengths, n, sums);
	err = compare_pairs(windows, sums, n_windows, out);
out:
	free(gaps);
	free(lengths);
	free(sums);
	return err;
}
