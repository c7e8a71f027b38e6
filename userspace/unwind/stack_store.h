/* SPDX-License-Identifier: Apache-2.0 */
/* Frames and stacks, each once: a prefix tree, whose nodes are told when they are new. */
#ifndef TOKPROF_UNWIND_STACK_STORE_H
#define TOKPROF_UNWIND_STACK_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "userspace/recording.h"

#define STORE_MOST_NODES (1u << 20)	/* frames, and stacks: 24 bytes each, and the index */

struct stack_store_calls {
	void (*frame)(void *ctx, const struct row_frame *row);	/* a new one; its stack follows */
	void (*stack)(void *ctx, const struct row_stack *row);	/* a new one; its parent was told before */
	void *ctx;
};

struct stack_store;

struct stack_store *stack_store__new(const struct stack_store_calls *calls, size_t most_nodes);
void stack_store__free(struct stack_store *s);

/* @return the number of the stack that has this frame on top of `parent` (ABSENT: on nothing); ABSENT where no more are taken */
int64_t stack_store__push(struct stack_store *s, int64_t parent, int kind, int64_t module, uint64_t address);

#endif
