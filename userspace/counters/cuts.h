/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the kernel's cuts and spans to what each step counted.
 *
 * A cut is an instant; what the server had counted until then is a sum over CPUs. Its own CPU's is exact, and in the cut. Every other CPU
 * tells of it with its next event, a span: what it had before, and the interval that the cut fell into, of which the part
 * before the cut, by time, belongs to it. A CPU that has had no event since has the same sums still. When a cut has a sum of
 * every CPU it is handed on, in order of time; between two of them counts are scaled where an event had a counter for a
 * part of the time only, and unknown where it had none.
 *
 * Knows no kernel and no recording: figures in, figures out.
 */
#ifndef TOKPROF_COUNTERS_CUTS_H
#define TOKPROF_COUNTERS_CUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/counters.h"

/* Five samples: by then every CPU that was running the server has had an event, and its record has been read. */
#define CUT_WAIT_NS 20000000ULL
/* A CPU that says it has told, and whose record is not there, lost it: its sums are taken as they are. */
#define CUT_GIVE_UP_NS 1000000000ULL
#define CUT_SAMPLE 2		/* beside enum counter_cut_kind: a cut by the recorder, between steps */
#define CUT_NO_CPU UINT32_MAX	/* it was made on none */
#define CUT_MAX_CPUS 1024

struct counter_cut {
	uint64_t time_ns, step, number;
	uint32_t kind, cpu;
	bool unsteady;			/* what its own CPU says is of no instant */
	struct counter_sums sums;	/* of its own CPU */
};

struct counter_span {
	uint64_t start_ns, end_ns, n_cuts;
	uint32_t cpu;
	struct counter_sums before, interval;
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

struct counter_cuts_calls {
	void (*done)(void *ctx, const struct counter_point *point);
	/* The sums of a CPU now. @return the number of the latest cut that it has told of, read after them */
	uint64_t (*sums)(void *ctx, uint32_t cpu, struct counter_sums *out);
	void *ctx;
};

struct counter_cuts;

/* Of n events on n_cpus CPUs, at most CUT_MAX_CPUS. NULL: out of memory. */
struct counter_cuts *counter_cuts__new(size_t n, size_t n_cpus, const struct counter_cuts_calls *calls);
void counter_cuts__free(struct counter_cuts *c);
/* A cut comes before the spans that tell of it. @return 0, -ENOMEM */
int counter_cuts__cut(struct counter_cuts *c, const struct counter_cut *cut);
void counter_cuts__span(struct counter_cuts *c, const struct counter_span *span);
/* Hand on what is complete and older than CUT_WAIT_NS at this time; UINT64_MAX: all, as it is. */
void counter_cuts__settle(struct counter_cuts *c, uint64_t now_ns);
const struct counter_account *counter_cuts__account(const struct counter_cuts *c, size_t event);

/* A count scaled to the whole of its time; `lost_ns` of `ran_ns` it had no counter. lost_ns < ran_ns. */
uint64_t counter__scale(uint64_t value, uint64_t ran_ns, uint64_t lost_ns);
void counter_sums__add(struct counter_sums *to, const struct counter_sums *sums);

#endif
