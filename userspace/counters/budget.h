/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What counting may cost. The set that nobody asked for by name switches itself off where its readings take more than 1 % of the
 * server's CPU time for three seconds on end, as on servers whose threads wait for each other at every barrier.
 */
#ifndef TOKPROF_COUNTERS_BUDGET_H
#define TOKPROF_COUNTERS_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of one reading of all events of a CPU; measured on a virtual machine (docs/benchmarks.md), less on metal. */
#define READING_NS 200
#define READING_EVENT_NS 140
#define COUNTER_BUDGET 0.01
#define DEAR_SECONDS 3

struct counter_budget {
	uint64_t readings, ran_ns;	/* at the last check */
	int n_dear;			/* checks over it, one after the other */
};

/* Once a second: readings and running time of the server so far. @return whether it is time to stop */
bool counter_budget__is_spent(struct counter_budget *b, size_t n_events, uint64_t readings, uint64_t ran_ns);

#endif
