/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the kernel's cuts and spans to what each step counted.
 *
 * A cut holds the server's sums at one instant, but for the open intervals of other CPUs. These end later, at the latest with
 * the next sample, and arrive as spans: the part of a span that lies before the cut, by time, belongs to the cut. So a cut
 * waits until no span can be missing any more; then cuts are taken in order of time, and between two of them counts are
 * scaled where an event had a counter for a part of the time only, and unknown where it had none.
 *
 * Knows no kernel and no recording: figures in, figures out.
 */
#ifndef TOKPROF_COUNTERS_CUTS_H
#define TOKPROF_COUNTERS_CUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/counters.h"

/* Five samples: by then every CPU that was running the server has settled, and its record has been read. */
#define CUT_WAIT_NS 250000000ULL
#define CUT_SAMPLE 2		/* beside enum counter_cut_kind: a cut by the recorder, between steps */
#define CUT_NO_CPU UINT32_MAX	/* it was made on none: every open interval is still missing in it */

struct counter_cut {
	uint64_t time_ns, step, settled, ran_ns;
	uint32_t kind, cpu;
	bool unsteady;
	uint64_t value[MAX_COUNTERS], lost_ns[MAX_COUNTERS];
};

struct counter_span {
	uint64_t start_ns, end_ns, number;
	uint32_t cpu;
	bool divided;			/* set here: a cut lay in it */
	uint64_t value[MAX_COUNTERS], lost_ns[MAX_COUNTERS];
};

/* A cut when all is known: meters as they grow over the whole recording, scaled. */
struct counter_point {
	uint64_t time_ns, step;
	uint32_t kind;
	int64_t meter[MAX_COUNTERS];
	uint64_t n_gaps[MAX_COUNTERS];	/* intervals so far that are unknown: between equal numbers nothing is */
};

struct counter_account {		/* of one event, over all intervals so far */
	uint64_t scaled_ns;		/* of running time that lay in intervals which had to be scaled */
	uint64_t unknown_ns;		/* in intervals without any counter */
	uint64_t divided;		/* counts of the spans that a cut divided by time */
};

struct counter_cuts;

/* Of n events. NULL: out of memory. */
struct counter_cuts *counter_cuts__new(size_t n, void (*done)(void *ctx, const struct counter_point *), void *ctx);
void counter_cuts__free(struct counter_cuts *c);
/* @return 0, -ENOMEM */
int counter_cuts__cut(struct counter_cuts *c, const struct counter_cut *cut);
int counter_cuts__span(struct counter_cuts *c, const struct counter_span *span);
/* Hand on what is older than CUT_WAIT_NS at this time; UINT64_MAX: all. */
void counter_cuts__settle(struct counter_cuts *c, uint64_t now_ns);
const struct counter_account *counter_cuts__account(const struct counter_cuts *c, size_t event);

/* A count scaled to the whole of its time; `lost_ns` of `ran_ns` it had no counter. lost_ns < ran_ns. */
uint64_t counter__scale(uint64_t value, uint64_t ran_ns, uint64_t lost_ns);

#endif
