/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who made whom wait. A request waits from its arrival to its first step and between its steps; while it waits, steps
 * with other requests' rows run. Each of these has its part of a step's duration, and the waiting time is divided in
 * proportion to these parts. Time in which no step ran is the host's: scheduler, sampling, HTTP, tokenizer.
 *
 *	wait_ns = sum over named + others_ns + unknown_ns + host_ns	(exact, integers)
 */
#ifndef TOKPROF_WAITING_H
#define TOKPROF_WAITING_H

#include "userspace/analysis/ledger.h"

#define WAITING_NAMED 8

struct waiting {			/* of one request */
	bool known;			/* its wait_ns is */
	uint32_t n;			/* of named, the longest first */
	struct {
		uint32_t request;	/* index into recording.requests; may be itself: its own draft model's steps */
		int64_t ns;
	} named[WAITING_NAMED];
	int64_t others_ns;		/* further requests */
	int64_t unknown_ns;		/* rows of no known request */
	int64_t host_ns;		/* no step ran */
};

/* The ledger needs row_wall. @out malloc()ed, one per request @return 0, -ENOMEM, -EINVAL (no row_wall) */
int waiting__build(struct waiting **out, const struct ledger *l);

#endif
