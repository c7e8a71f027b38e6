/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a probe hit costs on this host by itself: an empty BPF program on a function of our own that is shaped like an
 * engine's step (entry, inner entry, return), timed with and without. Apart for instructions that the kernel emulates and
 * for those that it steps over in a copy (userspace/probe_place.h).
 */
#ifndef TOKPROF_OVERHEAD_HIT_COST_H
#define TOKPROF_OVERHEAD_HIT_COST_H

#include <stdint.h>

struct hit_cost {
	int64_t emulated_ns, stepped_ns;	/* per hit */
};

/* @program_fd: the empty program. @return 0 or a negative errno */
int hit_cost__calibrate(struct hit_cost *out, int program_fd);

#endif
