/* SPDX-License-Identifier: Apache-2.0 */
#include "collectors/collector.h"

/*
 * One line per collector. Attached in this order: the scheduler's before those that cut its meters. Closed in the reverse: what
 * may take its time at the end (digests of files) first here, when nothing is attached any more.
 */
extern const struct collector collector_files;
extern const struct collector collector_memory;
extern const struct collector collector_frequency;
extern const struct collector collector_sched;
extern const struct collector collector_counters;
extern const struct collector collector_engine;
extern const struct collector collector_wire;
extern const struct collector collector_ioctl;
extern const struct collector collector_touched;
extern const struct collector collector_stacks;

const struct collector *const collectors[] = {
	&collector_files,
	&collector_memory,
	&collector_frequency,
	&collector_sched,
	&collector_counters,
	&collector_engine,
	&collector_wire,
	&collector_ioctl,
	&collector_touched,
	&collector_stacks,
	NULL,
};
