/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of the memory controllers: bytes that went between memory and the caches of the whole host. Which units and events there are is
 * data (data/uncore.tsv) and sysfs; they are opened system-wide, on the CPU that sysfs names for each unit, and read over time.
 */
#ifndef TOKPROF_MEMORY_UNCORE_H
#define TOKPROF_MEMORY_UNCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/counters/perf_open.h"

#define MAX_UNCORE_COUNTERS 512
#define UNCORE_DEVICES "/sys/bus/event_source/devices"

struct uncore_counter {
	char unit[48], event[64];
	int cpu;
	double bytes_per_count;
	bool is_write;
	int fd;
	struct counter_reading last;
};

struct uncore {
	const struct perf_calls *calls;
	char family[32];
	struct uncore_counter counters[MAX_UNCORE_COUNTERS];
	size_t n, n_units;
	bool tells_writes;	/* reads and writes are told apart */
	bool shares;		/* a counter was there for part of the time only, and its count scaled */
};

/*
 * @root	stands before every path: "" but for tests
 * @reason	why there is none, and the remedy
 * @return	0; -ENODEV: no unit that the table knows; another negative errno where one is there and cannot be counted. Nothing is
 *		then to be closed
 */
int uncore__open(struct uncore *u, const char *root, const struct perf_calls *calls, char *reason, size_t reason_size,
		 char *remedy, size_t remedy_size);
/*
 * Bytes since the last reading.
 * @write_bytes	of them written to memory; negative: not told apart
 * @return	0; -EAGAIN: the first reading; -ENODATA: a counter went back or had no turn, so that nothing is known of this
 *		interval; another negative errno where one could not be read
 */
int uncore__read(struct uncore *u, int64_t *bytes, int64_t *write_bytes);
void uncore__close(struct uncore *u);

/* "event=0x04,umask=0x03" as the unit's formats place it. @return 0; -EINVAL: it has no such format, or a value beyond it */
int uncore__encode(const char *root, const char *unit, const char *terms, struct perf_event_attr *attr);

#endif
