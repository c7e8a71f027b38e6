/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows by the calls that fill a batch, where the ubatch's layout has failed and the step's batch is private. These calls come
 * once or more per token, so they are probed only after a failure, and no longer than they are within a budget.
 */
#ifndef TOKPROF_ENGINE_BATCHES_H
#define TOKPROF_ENGINE_BATCHES_H

#include <stdbool.h>
#include <stdint.h>

#include "collectors/uprobe.h"
#include "userspace/engine.h"

/*
 * What a hit costs, program included, at an instruction that the kernel emulates and at another one: measured on a
 * virtual machine (docs/design.md), less on metal.
 */
#define BATCH_HIT_NS 1100
#define BATCH_STEPPED_HIT_NS 11000
#define BATCH_BUDGET 0.01		/* of the server's CPU time */
#define BATCH_LEAST_CPU_NS 1000000000	/* no word before the server has used so much */
#define BATCH_MOST_CPU_NS 20000000000	/* what lies further back counts less */

struct batch_budget {
	int64_t cpu_seen, cost_seen;	/* totals at the last check */
	int64_t cpu_ns, cost_ns;	/* of the latest time */
};

/* @cpu_ns, cost_ns: totals so far, which never fall. @return the calls cost more than they may */
bool batch_budget__exceeded(struct batch_budget *b, int64_t cpu_ns, int64_t cost_ns);

enum engine_batches_state {
	BATCHES_NONE = 0,	/* the engine has no such calls, or not all of them */
	BATCHES_READY,		/* not needed so far */
	BATCHES_ON,
	BATCHES_OFF,		/* over budget, or they could not be attached: for good */
};

struct engine_batches {
	enum engine_batches_state state;
	struct uprobe_links clears[ENGINE_MAX_MODULES], others[ENGINE_MAX_MODULES];
	struct batch_budget budget;
};

/* BPF: the program of all probes, map `batches`, and map `engine_probes` with the instance's probes from `first_probe` on. */
struct engine_batches_bpf {
	int program_fd, batches_fd, probes_fd;
	uint32_t first_probe;
};

void engine_batches__init(struct engine_batches *b, const struct engine_instance *in);
/* Probe the calls, in any state; what is under way in a batch then stays unknown. @return 0, negative errno: none is probed */
int engine_batches__attach(struct engine_batches *b, const struct engine_instance *in,
			   const struct engine_batches_bpf *bpf);
void engine_batches__detach(struct engine_batches *b, const struct engine_instance *in,
			    const struct engine_batches_bpf *bpf);
/* What is known of a process's batches goes: it has ended, or runs another program. */
void engine_batches__forget(int batches_fd, uint32_t pid);
/* About once a second while they are probed. @return they cost more than they may */
bool engine_batches__exceeded(struct engine_batches *b, const struct engine_instance *in,
			      const struct engine_batches_bpf *bpf);

#endif
