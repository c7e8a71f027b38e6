/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a node of an engine's graph is: the class of its operator, and the layer that it belongs to, by the names that ggml gives
 * to operators (ggml_op_name) and that llama.cpp gives to tensors ("ffn_out-3", "cache_k_l0 (view)", "blk.2.attn_q.weight").
 * Both come from a server's memory: any bytes.
 */
#ifndef TOKPROF_GRAPH_NODE_H
#define TOKPROF_GRAPH_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/records.h"

#define LAYER_NONE (-1)		/* of no layer: embedding, output; or none that is known */
#define MOST_LAYERS 4096
#define MAX_OPERATOR_NAME 32
#define MAX_OPERATORS 512

enum operator_class {
	OPERATOR_MATMUL = 0,
	OPERATOR_ATTENTION,
	OPERATOR_RECURRENCE,	/* state space models and their kin, in the place of attention */
	OPERATOR_NORM,
	OPERATOR_ROPE,
	OPERATOR_EMBEDDING,
	OPERATOR_ELEMENTWISE,
	OPERATOR_COPY,		/* moves numbers: keys and values into the cache, rows out of a table */
	OPERATOR_OTHER,
	OPERATOR_START,		/* from a graph's begin to its first node: threads are called together */
	OPERATOR_SAMPLED,	/* a token was chosen, after the step */
	OPERATOR_PROBES, /* no operator: what probing them took */
	N_OPERATOR_CLASSES,
};
/* The name in the recording and in every output: "matmul", ... */
const char *operator_class__name(enum operator_class class);

/* The names of the engine's operators by their number. */
struct operator_names {
	char name[MAX_OPERATORS][MAX_OPERATOR_NAME];
	uint32_t n;
};
/* Add the next one. @return false where the bytes are no name of an operator: the table has ended, or is none */
bool operator_names__add(struct operator_names *names, const char *text, size_t size);
/* Whether they are ggml's: it begins with NONE, and what every transformer has is among them. */
bool operator_names__plausible(const struct operator_names *names);

/* Printable, with an end inside its bytes; may be empty. */
bool node_name__valid(const char *name, size_t size);
/* LAYER_NONE where the name tells none. */
int node_name__layer(const char *name);
enum operator_class node__class(const char *operator_name, const char *name);

#endif
