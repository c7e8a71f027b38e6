/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the scheduler's programs this kernel can have, and what `tokprof doctor` says of them. */
#ifndef TOKPROF_SCHED_PROGRAMS_H
#define TOKPROF_SCHED_PROGRAMS_H

#include <stdbool.h>

#include "collectors/collector.h"

struct sched_bpf;

struct sched_features {
	bool interrupts, faults, sockets;	/* their tracepoints are there */
};

/* Of an object that is open and not loaded: load what there are tracepoints for. */
void sched_programs__choose(struct sched_bpf *skel, struct sched_features *has);
/* For collector.probe: each program is attached, for real. */
int sched_programs__probe(struct sensor *out, int max);

#endif
