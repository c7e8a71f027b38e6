/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of the engine's probes turned into rows of the recording: contexts numbered, memory events tied to the context
 * whose key-value memory they touch, meters of a step turned into resources.
 */
#ifndef TOKPROF_ENGINE_ROWS_H
#define TOKPROF_ENGINE_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/records.h"
#include "userspace/session.h"

#define MAX_CONTEXTS 64
#define MAX_PENDING_MEMORY 4096
#define MAX_OPEN_STEPS 64

struct engine_context {
	int id;			/* from 1 */
	uint32_t pid;
	uint64_t address;
	uint64_t memory;	/* 0: not known yet */
	int64_t n_ctx;		/* tokens that one sequence may have, as its own field says; ABSENT */
	bool draft;
};

/* Tokens of a step's ubatches, until its end is seen. */
struct open_step {
	uint64_t step;
	int64_t n_tokens;
	uint32_t ubatch;
	int next_idx;		/* of the next row of that ubatch */
};

#define MAX_KNOWN_ENGINES 32

struct engine_rows {
	struct {
		uint32_t pid;
		uint32_t memory, length;	/* offsets in a context of this process; LAYOUT_ABSENT */
	} fields[MAX_KNOWN_ENGINES];
	int n_fields;
	struct engine_context contexts[MAX_CONTEXTS];
	int n_contexts;
	struct open_step open[MAX_OPEN_STEPS];
	unsigned next_open;
	struct row_memory pending[MAX_PENDING_MEMORY];	/* whose context is not known yet; with the memory's address */
	uint64_t pending_memory[MAX_PENDING_MEMORY];
	uint32_t pending_pid[MAX_PENDING_MEMORY];
	int n_pending;
	uint64_t checks[8];	/* ubatches by outcome of the layout's self-check, enum layout_check */
	uint64_t from_batch;	/* ubatches whose rows came from the public batch instead */
	int layout;		/* index of the layout in use; -1 none yet */
};

void engine_rows__init(struct engine_rows *e);
/*
 * Where a context of this process holds the address of its memory (LAYOUT_ABSENT: not known, it is searched for) and the tokens
 * that one sequence may have (LAYOUT_ABSENT: not known).
 */
void engine_rows__know_context(struct engine_rows *e, uint32_t pid, uint32_t memory, uint32_t length);
void engine_rows__step(struct engine_rows *e, struct session *s, const struct record_step *r);
void engine_rows__rows(struct engine_rows *e, struct session *s, const struct record_rows *r);
void engine_rows__memory(struct engine_rows *e, struct session *s, const struct record_memory *r);
/* The recording ends: memory events whose context never showed are written without one. */
void engine_rows__finish(struct engine_rows *e, struct session *s);

const char *layout_check__words(enum layout_check check);

#endif
