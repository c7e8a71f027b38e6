/* SPDX-License-Identifier: Apache-2.0 */
/* Which events are counted by default: data/counters.tsv, a table by family of processors. */
#ifndef TOKPROF_COUNTERS_EVENT_DEFAULTS_H
#define TOKPROF_COUNTERS_EVENT_DEFAULTS_H

#include <stddef.h>

struct event_default {
	const char *role;	/* "cycles", "instructions", "llc_misses", ... */
	const char *event;	/* in libpfm4's words */
};

/* The processor's PMU as libpfm4 names it, where the table has it; else "perf": the kernel's own names. libpfm4 must be ready. */
const char *event_defaults__pmu(void);
/* The i-th default event of that PMU, in the table's order; NULL after the last. */
const struct event_default *event_defaults__at(size_t i);
/* The default that has this event; NULL. */
const struct event_default *event_defaults__of(const char *event);
/* The event of a role; NULL. */
const char *event_defaults__event(const char *role);

#endif
