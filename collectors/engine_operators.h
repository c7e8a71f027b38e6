/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the operators inside steps are probed: in bursts of a few steps, a hit per node and thread. The first begins when steps
 * do; the pauses between grow from one second to ten, and are longer where the bursts would otherwise cost more than
 * OPERATOR_BUDGET of the server's CPU time. Between bursts nothing is probed: the points of a module are one link.
 */
#ifndef TOKPROF_ENGINE_OPERATORS_H
#define TOKPROF_ENGINE_OPERATORS_H

#include <stdbool.h>
#include <stdint.h>

#include "collectors/uprobe.h"
#include "userspace/engine.h"
#include "userspace/graph_node.h"
#include "userspace/overhead/hit_cost.h"

#define OPERATOR_STEPS 24	/* of a burst, at most */
#define OPERATOR_SINGLE_STEPS 8	/* that are told of those with one token a sequence */
#define OPERATOR_SEVERAL_STEPS 4	/* and of the others, which are rarer and longer: a burst waits for them */
#define OPERATOR_BUDGET 0.001	/* of the server's CPU time */
/*
 * What a hit costs, program included, at an instruction that the kernel emulates and at another one: on a virtual machine,
 * where both are dear (docs/operators.md). Hits of threads that tell nothing cost less, and are counted like the others.
 */
#define OPERATOR_HIT_NS 1100
#define OPERATOR_STEPPED_HIT_NS 11000
#define OPERATOR_SHORTEST_PAUSE_NS 1000000000ULL
#define OPERATOR_LONGEST_PAUSE_NS 30000000000ULL
#define OPERATOR_LONGEST_BURST_NS 2000000000ULL	/* then the server has paused: the burst ends with fewer steps */

/* When the next burst may begin; no clock and no probe of its own. */
struct operator_schedule {
	uint64_t next_ns;	/* not before */
	uint64_t pause_ns;	/* after the next burst */
	int64_t next_cpu_ns;	/* nor before the server has used so much */
};
void operator_schedule__init(struct operator_schedule *s);
bool operator_schedule__due(const struct operator_schedule *s, uint64_t now_ns, int64_t cpu_ns);
/* A burst has ended. @cost_ns: its hits, priced; @cpu_ns: the server's so far */
void operator_schedule__ended(struct operator_schedule *s, uint64_t now_ns, int64_t cpu_ns, int64_t cost_ns);

/* The probes of one engine. */
struct engine_operators {
	bool usable;
	char reason[160];	/* why not; "" */
	struct operator_names names;
	struct uprobe_links links[ENGINE_MAX_MODULES];
	uint64_t hits_seen, stepped_seen;	/* of all points */
};

struct engine_operators_bpf {
	int program_fd, probes_fd;
	uint32_t first_probe;
};

bool operator_role(enum probe_role role);
/* Reads the names of operators out of the server's memory. */
void engine_operators__init(struct engine_operators *o, const struct engine_instance *in);
int engine_operators__attach(struct engine_operators *o, const struct engine_instance *in,
			     const struct engine_operators_bpf *bpf);
/* Frees what is attached; also where nothing is. */
void engine_operators__detach(struct engine_operators *o, const struct engine_instance *in);
/* What the hits since the last call cost, in nanoseconds. */
int64_t engine_operators__cost(struct engine_operators *o, const struct engine_instance *in,
			       const struct engine_operators_bpf *bpf);

/* What a hit costs on this host without a program, in a tenth of a second. @return 0 or a negative errno */
int operator_hit__calibrate(struct hit_cost *out);
/* What a hit at a node cost, the mean of those so far; ABSENT: there were none. */
int64_t engine_operators__node_hit_ns(const struct engine_instance *in, const struct engine_operators_bpf *bpf,
				      const struct hit_cost *cost);

#endif
