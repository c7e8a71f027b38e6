/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a probe hit costs on this host by itself: an empty BPF program on a function of our own that is shaped like an
 * engine's step (entry, inner entry, return), timed with and without.
 */
#ifndef TOKPROF_OVERHEAD_HIT_COST_H
#define TOKPROF_OVERHEAD_HIT_COST_H

#include <stdint.h>

/* @program_fd: the empty program. @return ns per hit, or a negative errno */
int64_t hit_cost__calibrate(int program_fd);

#endif
