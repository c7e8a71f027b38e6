/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the times at which a server sent, and windows in which the probes were on or off, to a slow-down with an interval.
 *
 * A gap is the time between two sends on one connection, both inside one window. Gaps grow with the position in a stream
 * (longer context) and differ between streams: each is divided by the median of all gaps at its position, on and off
 * together. Neighbouring windows form pairs; the slow-down is the weighted mean of log(on / off) over pairs, its interval a
 * block bootstrap over them, so that the machine's slow drift cancels.
 */
#ifndef TOKPROF_OVERHEAD_WINDOWS_H
#define TOKPROF_OVERHEAD_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/shared.h"
#include "userspace/analysis/bootstrap.h"

struct window {
	uint64_t start_ns, end_ns;	/* CLOCK_MONOTONIC; switching time is in no window */
	bool on;
};

struct slow_down {
	struct interval percent;	/* how much longer a gap is with the probes on */
	size_t n_pairs;
	size_t n_gaps_on, n_gaps_off;
	double gap_ns_off;		/* median gap with the probes off */
};

/*
 * @pulses	sorted in place by (connection, time)
 * @return	0; -ENODATA: fewer than MIN_PAIRS pairs of windows hold gaps; -ENOMEM
 */
#define MIN_PAIRS 8
int windows__slow_down(const struct window *windows, size_t n_windows, struct pulse *pulses, size_t n_pulses,
		       struct slow_down *out);

#endif
