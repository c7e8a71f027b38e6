/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From records of stacks to rows: a stack in the prefix tree, a wait joined with its end, and only what was while a request was open or
 * inside a step.
 */
#ifndef TOKPROF_COLLECTORS_STACKS_SAMPLES_H
#define TOKPROF_COLLECTORS_STACKS_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/stacks.h"
#include "collectors/stacks_code.h"

struct session;
struct stack_samples;

struct stack_samples_counts {
	uint64_t n_cpu, n_waits;	/* rows */
	uint64_t n_ends[N_UNWIND_ENDS];	/* of rows on a CPU: how their stacks ended */
	uint64_t n_full;		/* rows without a stack: the tree takes no more */
	uint64_t n_torn;		/* waits whose end was told and whose stack was not */
};

/* `code` is borrowed. NULL: no memory */
struct stack_samples *stack_samples__new(struct session *s, struct stacks_code *code);
void stack_samples__free(struct stack_samples *w);
void stack_samples__record(struct stack_samples *w, const struct record_header *h);
const struct stack_samples_counts *stack_samples__counts(const struct stack_samples *w);

#endif
