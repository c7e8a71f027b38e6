/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows in which steps went faster or slower than in the rest of the recording: boosted while somebody measures, or throttled while
 * nobody does. Steps are compared with others of their composition, so that traffic alone makes no window.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "userspace/analysis/facts.h"
#include "userspace/verify/guards.h"

#define MAX_BLOCKS 64
#define MIN_BLOCKS 20
#define BLOCK_STEPS 16		/* at least; neighbours are correlated, blocks hardly */
#define MIN_WINDOW 2		/* blocks */
/* A shared machine is a fifth faster in one minute than in another: less is its mood. */
#define LEAST_RATIO 1.25
#define LEAST_Z 6.0		/* of the largest of some 2,000 windows; honest ones stay below (tests/unit/test_guards.c) */
#define LEAST_SIGMA 0.01

struct block {
	double wall, cpu;	/* medians of log ratios; cpu NAN */
	uint32_t first, last;	/* steps */
};

static int by_value(const void *pa, const void *pb)
{
	const double a = *(const double *)pa, b = *(const double *)pb;

	return a < b ? -1 : a > b;
}

/* @values is sorted. NAN of none */
static double median(double *values, size_t n)
{
	if (n == 0)
		return NAN;
	qsort(values, n, sizeof(*values), by_value);
	return values[n / 2];
}

static size_t cut_blocks(struct block *blocks, const struct paces *p, double *scratch)
{
	size_t n = p->n / BLOCK_STEPS < MAX_BLOCKS ? p->n / BLOCK_STEPS : MAX_BLOCKS;

	for (size_t b = 0; b < n; b++) {
		const size_t first = b * p->n / n, end = (b + 1) * p->n / n;
		size_t m = 0;

		for (size_t i = first; i < end; i++)
			scratch[i - first] = p->paces[i].wall;
		blocks[b].wall = median(scratch, end - first);
		for (size_t i = first; i < end; i++)
			if (!isnan(p->paces[i].cpu))
				scratch[m++] = p->paces[i].cpu;
		blocks[b].cpu = median(scratch, m);
		blocks[b].first = p->paces[first].step;
		blocks[b].last = p->paces[end - 1].step;
	}
	return n;
}

/* Of one block, by how much neighbours differ: a change of level is in one difference only. */
static double sigma_of(const struct block *blocks, size_t n)
{
	double differences[MAX_BLOCKS], sigma;

	for (size_t i = 0; i + 1 < n; i++)
		differences[i] = fabs(blocks[i + 1].wall - blocks[i].wall);
	sigma = 1.4826 * median(differences, n - 1) / sqrt(2);
	return sigma > LEAST_SIGMA ? sigma : LEAST_SIGMA;
}

struct window {
	size_t first, end;	/* blocks */
	double z, shift;	/* log of its mean ratio over that of the rest */
};

static double mean_outside(const struct block *blocks, size_t n, size_t first, size_t end, bool cpu, double *inside)
{
	double in = 0, out = 0;

	for (size_t i = 0; i < n; i++)
		*(i >= first && i < end ? &in : &out) += cpu ? blocks[i].cpu : blocks[i].wall;
	*inside = in / (double)(end - first);
	return out / (double)(n - (end - first));
}

static struct window strongest(const struct block *blocks, size_t n, double sigma)
{
	struct window best = { 0, 0, 0, 0 };

	/* The shorter side is the window: a change of level in the middle is a window at one end. */
	for (size_t first = 0; first + MIN_WINDOW <= n; first++)
		for (size_t end = first + MIN_WINDOW; end <= n && 2 * (end - first) <= n; end++) {
			const double m = (double)(end - first), rest = (double)n - m;
			double inside, shift, z;

			shift = -mean_outside(blocks, n, first, end, false, &inside);
			shift += inside;
			z = fabs(shift) * sqrt(m * rest / (double)n) / sigma;
			if (z > best.z)
				best = (struct window){ first, end, z, shift };
		}
	return best;
}

static int note_window(struct verification *v, const struct recording *r, const struct block *blocks, size_t n,
		       const struct window *w)
{
	const uint64_t start = recording__start_ns(r);
	double inside, outside = mean_outside(blocks, n, w->first, w->end, true, &inside);
	const double ratio = exp(w->shift);
	const char *cpu = isnan(inside - outside) ? "their CPU time is not known" :
						    verification__text(v, "their CPU time %.0f %% of the rest's",
								       100 * exp(inside - outside));

	return verification__note(
		       v, "guard.window",
		       "from %.1f s to %.1f s of the recording steps took %.0f %% of the time of like steps in the "
		       "rest, %s: "
		       "the server may have been %s in this window. It may be ordinary: a neighbour on the machine, "
		       "clock frequency and heat, another process of the server, a test that began or ended",
		       (double)(r->steps[blocks[w->first].first].start_ns - start) / 1e9,
		       (double)(r->steps[blocks[w->end - 1].last].end_ns - start) / 1e9, 100 * ratio, cpu ? cpu : "",
		       ratio < 1 ? "boosted" : "throttled") ?
		       0 :
		       -ENOMEM;
}

int guard__windows(struct verification *v, const struct verify_input *in, const struct paces *p)
{
	struct block blocks[MAX_BLOCKS];
	struct window w;
	double *scratch;
	size_t n;

	if (p->n / BLOCK_STEPS < MIN_BLOCKS)
		return 0;
	scratch = malloc(p->n * sizeof(*scratch));
	if (!scratch)
		return -ENOMEM;
	n = cut_blocks(blocks, p, scratch);
	free(scratch);
	w = strongest(blocks, n, sigma_of(blocks, n));
	if (w.z < LEAST_Z || fabs(w.shift) < log(LEAST_RATIO))
		return 0;
	return note_window(v, in->recording, blocks, n, &w);
}
