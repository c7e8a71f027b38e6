/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel did in the times when its calls were timed, taken out of map `kernel_uses` and made into rows. */
#ifndef TOKPROF_SCHED_KERNEL_H
#define TOKPROF_SCHED_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/shared.h"

#define KERNEL_STEPS_KEPT 256	/* a power of two; of a step so much older than another nothing more comes */

struct session;

struct kernel_sum {
	uint32_t kind;
	struct kernel_use use;
};

struct kernel_sums {
	int64_t step;
	struct kernel_sum *sums;
	size_t n, capacity;
	bool changed;
};

struct sched_kernel {
	struct session *session;
	int uses_fd;
	size_t n_cpus;
	struct kernel_use_key *keys;	/* what one drain takes out */
	struct kernel_use *values;	/* of each key n_cpus */
	uint64_t next_ns;
	int n_quiet;			/* drains since calls were timed */
	uint32_t *known;		/* kinds that have a row */
	size_t n_known, known_capacity;
	struct kernel_sums steps[KERNEL_STEPS_KEPT];	/* by number */
	struct kernel_sums outside;	/* since it was last written */
	uint64_t outside_ns, outside_since_ns;	/* of its latest addition; of its first */
	uint64_t turned_ns;		/* when the latest turn began */
	bool busy;			/* something was in flight in the turn before */
	int64_t n_steps, n_requests;
};

int sched_kernel__open(struct sched_kernel *k, struct session *s, int uses_fd);
void sched_kernel__close(struct sched_kernel *k);

/* Take out what the last turn brought. @timed: are calls? @last: nothing is attached any more, take all */
void sched_kernel__drain(struct sched_kernel *k, uint64_t now_ns, bool timed, bool last);

#endif
