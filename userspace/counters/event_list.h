/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events to count, in libpfm4's names: what the user wrote, what the kernel is told, and which resource it becomes.
 *
 * As perf has it: names separated by commas, braces around those that have to be counted together ("a,{b,c}:u" is not
 * known: attributes stand at each name). libpfm4 is asked; where it does not know a name, the nearest ones are told.
 */
#ifndef TOKPROF_COUNTERS_EVENT_LIST_H
#define TOKPROF_COUNTERS_EVENT_LIST_H

#include <perfmon/perf_event.h>	/* as libpfm4 has it; linux/perf_event.h declares the same names */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/counters.h"

#define EVENT_NAME_SIZE 96

struct counter_event {
	char name[EVENT_NAME_SIZE];	/* as written: the resource's name, but for cycles and instructions */
	struct perf_event_attr attr;	/* CPU-wide, user and kernel unless the name says otherwise, not inherited */
	int group;			/* events of one number are counted together, or not at all */
	const char *unit;		/* "count", "ns" */
	int resource;			/* row_resource.id */
};

struct event_list {
	struct counter_event events[MAX_COUNTERS];
	size_t n;
	bool hardware;			/* any of them needs counters of the processor */
};

/* @return 0; -EINVAL (error and remedy have the sentence); -ENOSYS: libpfm4 cannot begin */
int event_list__parse(struct event_list *out, const char *text, char *error, size_t error_size, char *remedy,
		      size_t remedy_size);
/*
 * The default set of this processor, by data/counters.tsv, of which what libpfm4 does not know is left out. For a processor that
 * the table does not have: cycles and instructions by the kernel's own names. `pmu` gets the name of what was chosen.
 * @return as above
 */
int event_list__default(struct event_list *out, const char **pmu, char *error, size_t error_size);

#endif
