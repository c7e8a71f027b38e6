/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of a burst turned into rows: a step's nodes, gathered from its records, checked, and added up by operator and
 * layer. A step of which anything is missing, or is not what a graph of the engine can be, gives no row.
 */
#ifndef TOKPROF_ENGINE_NODES_H
#define TOKPROF_ENGINE_NODES_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/records.h"
#include "userspace/graph_node.h"
#include "userspace/recording.h"

#define MAX_STEP_NODES 16384

/* Why a step was not told. */
enum nodes_fault {
	NODES_WHOLE = 0,
	NODES_UNSEEN,		/* records were lost, or a hit was not seen */
	NODES_OPERATOR,		/* a number that is no operator's */
	NODES_NAME,		/* a name that is none */
	NODES_NUMBER,		/* more than the graph has, or no matrix multiplication among them */
	N_NODES_FAULTS,
};
const char *nodes_fault__words(enum nodes_fault fault);

struct engine_nodes {
	uint64_t step;
	uint32_t n;
	bool broken;
	struct record_node *nodes;	/* MAX_STEP_NODES of them */
	int64_t n_steps, n_faults[N_NODES_FAULTS];
	struct row_step_operator sampling;	/* of the step that tokens are being chosen from; n 0: none */
};

/* @return 0, -ENOMEM */
int engine_nodes__init(struct engine_nodes *e);
void engine_nodes__free(struct engine_nodes *e);

typedef void (*step_operator_sink)(void *ctx, const struct row_step_operator *row);
/* @names: of the engine that the step is of */
void engine_nodes__take(struct engine_nodes *e, const struct operator_names *names, const struct record_nodes *r,
			step_operator_sink sink, void *ctx);
/* The choice of tokens that has not been handed over yet. */
void engine_nodes__finish(struct engine_nodes *e, step_operator_sink sink, void *ctx);

#endif
