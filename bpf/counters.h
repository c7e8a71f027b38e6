/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * Counters of the processor and the kernel, charged to the server: the maps that the BPF programs and the recorder share, and
 * the arithmetic of one interval. Layout rules as in records.h.
 *
 * Events are opened per CPU and count whatever runs there; an interval of a server's thread on a CPU is the difference of
 * two readings on that CPU. Intervals end ("are settled") at every switch of a server's thread and at a sample every 4 ms.
 */
#ifndef TOKPROF_COUNTERS_H
#define TOKPROF_COUNTERS_H

#include "bpf/records.h"

#define MAX_COUNTERS 10	/* resources of a ledger are 32 in all (userspace/analysis/ledger.h) */

/* As the kernel's struct bpf_perf_event_value. */
struct counter_reading {
	tp_u64 value;
	tp_u64 enabled_ns;	/* 0: the event is not on this CPU */
	tp_u64 running_ns;
};

/* The only entry of map `counters`; mapped into the recorder. Read at every switch, written at cuts only. */
struct counter_control {
	tp_u64 n_cuts;		/* so far: the number of the latest; a CPU that has not told of it does so at its next event */
	tp_u64 epoch;		/* grows when counting begins anew: what CPUs had read before is forgotten */
	tp_u32 n;		/* events */
	tp_u32 n_cpus;		/* event i of CPU c is entry i * n_cpus + c of map `counter_events` */
	tp_u64 n_full;		/* records lost: the ring buffer was full */
	tp_u64 n_unsteady;	/* cuts that were preempted again and again */
	tp_u64 n_backwards;	/* readings that were less than the one before */
	tp_u64 pad[2];
};

struct counter_sums {
	tp_u64 ran_ns;			/* in settled intervals of the server's threads */
	tp_u64 value[MAX_COUNTERS];
	tp_u64 lost_ns[MAX_COUNTERS];	/* of ran_ns: the event had no counter */
};

/* Map `counter_cpus`, one entry per CPU, mapped into the recorder. Only its own CPU writes to it. */
struct counter_cpu {
	tp_u64 since_ns;	/* start of the open interval; 0: no thread of the server is counted here */
	tp_u64 epoch;
	tp_u64 told;		/* the latest cut that it has told of; set before the sums change */
	tp_u64 n_events;	/* intervals begun or settled, for whom they interrupt */
	struct counter_sums sums;
	struct counter_reading last[MAX_COUNTERS];
	tp_u64 pad;		/* to whole cache lines */
};

struct counter_change {
	tp_u64 value;
	tp_u64 lost_ns;
	tp_u32 backwards;
	tp_u32 pad;
};

/*
 * What an event counted between two readings on one CPU. Kernels keep 64 bits of what a counter of 48 counts; a driver that
 * hands 48 on is recognised by a fall of more than half of them. Anything else that falls was taken away and begun anew
 * under us (a virtual machine that moved): unknown, and the interval is one without a counter.
 */
static inline void counter__change(const struct counter_reading *last, const struct counter_reading *now,
				   tp_u64 elapsed_ns, struct counter_change *out)
{
	const tp_u64 width = 1ULL << 48;
	tp_u64 enabled, running;

	out->value = 0;
	out->lost_ns = elapsed_ns;
	out->backwards = 0;
	out->pad = 0;
	if (!last->enabled_ns || !now->enabled_ns)
		return;
	if (now->enabled_ns < last->enabled_ns || now->running_ns < last->running_ns) {
		out->backwards = 1;
		return;
	}
	enabled = now->enabled_ns - last->enabled_ns;
	running = now->running_ns - last->running_ns;
	if (now->value >= last->value) {
		out->value = now->value - last->value;
	} else if (last->value < width && last->value - now->value > width / 2) {
		out->value = now->value + width - last->value;
	} else {
		out->backwards = 1;
		return;
	}
	/* The interval's length by the events' own clock and by ours differ a little: only a real loss counts. */
	out->lost_ns = running < enabled ? enabled - running : 0;
	if (out->lost_ns > elapsed_ns || (running == 0 && enabled))
		out->lost_ns = elapsed_ns;
}

enum counter_cut_kind {
	CUT_STEP_START = 0,
	CUT_STEP_END = 1,
};

enum counter_cut_flag {
	CUT_UNSTEADY = 1,	/* the sums are not of one instant */
};

/* RECORD_COUNTER_CUT: the sums of the cut's own CPU at its instant, the open interval included. */
struct record_counter_cut {
	struct record_header h;		/* flags: enum counter_cut_flag */
	tp_u64 step;
	tp_u64 number;			/* of the cut, from 1 */
	tp_u32 kind;			/* enum counter_cut_kind */
	tp_u32 cpu;
	struct counter_sums sums;
};

/*
 * RECORD_COUNTER_SPAN: the first event of a CPU after one or more cuts: an interval that ended at h.time_ns, or one that begins
 * there (of no length). Before the cuts the CPU had `before`; the interval itself counted `interval`.
 */
struct record_counter_span {
	struct record_header h;
	tp_u64 start_ns;
	tp_u64 n_cuts;			/* it tells of all cuts up to this number */
	tp_u32 cpu;
	tp_u32 reserved;
	struct counter_sums before;
	struct counter_sums interval;
};

_Static_assert(sizeof(struct counter_reading) == 24, "counter_reading");
_Static_assert(sizeof(struct counter_control) == 64, "counter_control");
_Static_assert(sizeof(struct counter_sums) == 8 + 16 * MAX_COUNTERS, "counter_sums");
_Static_assert(sizeof(struct counter_cpu) % 64 == 0, "counter_cpu");
_Static_assert(sizeof(struct record_counter_cut) == 48 + sizeof(struct counter_sums), "record_counter_cut");
_Static_assert(sizeof(struct record_counter_span) == 48 + 2 * sizeof(struct counter_sums), "record_counter_span");

#endif
