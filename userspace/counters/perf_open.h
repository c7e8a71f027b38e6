/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening events on CPUs, and saying in words why one could not be: what failed, and what can be done about it.
 *
 * The system calls go through a table, so that tests can play a kernel that refuses, multiplexes, or counts backwards.
 */
#ifndef TOKPROF_COUNTERS_PERF_OPEN_H
#define TOKPROF_COUNTERS_PERF_OPEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "userspace/counters/event_list.h"

struct perf_calls {
	int (*open)(void *ctx, struct perf_event_attr *attr, int cpu,
		    int group_fd); /* @return descriptor, negative errno */
	int (*read)(void *ctx, int fd, struct counter_reading *out);			/* @return 0, negative errno */
	void (*close)(void *ctx, int fd);
	int (*paranoid)(void *ctx);	/* kernel.perf_event_paranoid; -2: not known */
	void *ctx;
};
extern const struct perf_calls perf_calls__kernel;

/* One event on all CPUs. */
struct open_event {
	int *fds;		/* by position in the list of CPUs; -1 */
	int err;		/* 0: open on every CPU that is there; else the first errno, negative */
	int cpu;		/* where that was */
	bool alone;		/* the processor has no room for its group: counted by itself */
};

struct open_events {
	struct open_event events[MAX_COUNTERS];
	size_t n, n_cpus, n_open;	/* n_open: events without an error */
	int paranoid;
};

/*
 * Open every event of the list on every CPU. An event that fails is closed everywhere and carries its error, the others go on. CPUs
 * that went offline (ENODEV) are left out. @return 0, also where some or all failed; -ENOMEM
 */
int open_events__open(struct open_events *out, const struct event_list *list, const int *cpus, size_t n_cpus,
		      const struct perf_calls *calls);
void open_events__close(struct open_events *o, const struct perf_calls *calls);

/* Why an event could not be opened, and the remedy. */
void perf_open__explain(const struct perf_event_attr *attr, int err, int paranoid, char *reason, size_t reason_size,
			char *remedy, size_t remedy_size);

/* What a short trial of one event on one CPU shows. */
enum trial {
	TRIAL_COUNTS = 0,
	TRIAL_SHARES = 1,	/* it had a counter for part of the time only */
	TRIAL_STANDS = 2,	/* it never had a counter: others hold all of them */
	TRIAL_BACKWARDS = 3,	/* its second reading was less than its first */
	TRIAL_FAILED = 4,	/* err says why */
};
/* Open, let `work` run (NULL: nothing), read twice, close. */
enum trial perf_open__try(const struct counter_event *event, int cpu, const struct perf_calls *calls,
			  void (*work)(void), int *err);

#endif
