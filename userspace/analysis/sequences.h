/* SPDX-License-Identifier: Apache-2.0 */
/* Inside runs.c and drafts.c: what is known of every sequence of every context while the recording is walked through. */
#ifndef TOKPROF_ANALYSIS_SEQUENCES_H
#define TOKPROF_ANALYSIS_SEQUENCES_H

#include "userspace/analysis/runs.h"

/* The engine's own limit on sequences is far lower; a larger id is no id. */
#define MAX_SEQ 65536

enum boundary {
	BOUNDARY_NONE = 0,
	BOUNDARY_WEAK = 1,	/* of an unknown context: perhaps not of this one */
	BOUNDARY_SURE = 2,
	BOUNDARY_COPY = 3,	/* the sequence was copied from another and goes on from there */
};

struct sequence {
	uint32_t run;			/* RUN_NONE: none yet */
	int32_t next_pos;		/* where its next row would begin if it just went on */
	enum boundary boundary;		/* what happens before its next row */
	int32_t boundary_pos;		/* the prefix that the boundary kept */
	uint32_t copied_from;		/* run, with BOUNDARY_COPY; and what its output was then: */
	uint32_t copied_row;
	uint64_t copied_output_ns;
	uint32_t verify_row;		/* last row, speculative, its advance not yet seen; ROW_NONE */
	bool prompt_done;
	bool after_decode_row;		/* its last row was a decode row of one token */
	bool advanced;			/* the call that follows a decode row of an engine that `calls_after_rows` has come */
	bool all_outputs;		/* its prompt's rows want every position's output */
	uint32_t *waiting;		/* draft rows that came before the run they belong to */
	size_t n_waiting, waiting_capacity;
};

struct seq_context {
	int id;
	uint32_t pid;
	bool draft;
	bool calls_after_rows;		/* the engine tells its memory after decode rows of one token too that they stay */
	struct sequence *sequences;
	size_t n_sequences, capacity;
	/* Of a draft context: */
	bool per_slot;			/* old servers: one draft context per slot, which calls its only sequence 0 */
	bool bound;			/* per_slot: the sequence of the target that it drafts for is known */
	uint32_t bound_context;
	int32_t bound_seq;
};

struct cutter {
	struct timeline *t;
	struct run_detail *details;
	const bool *new_run;		/* of run_table */
	struct resumption *resumptions;
	size_t n_resumptions, resumptions_capacity;
	size_t runs_capacity, details_capacity;
	struct seq_context *contexts;
	size_t n_contexts;
	uint32_t last_context;		/* most lookups repeat the last one */
};

/* @return index, UINT32_MAX where there is none */
uint32_t cutter__context(struct cutter *c, int id);
/* @return NULL: out of memory */
struct sequence *cutter__sequence(struct cutter *c, uint32_t context, int32_t seq);

/* Before the walk: which draft contexts number their sequences as the target does. */
void drafts__prepare(struct cutter *c);
/* Give a draft row to the run that it drafts for, or let it wait for it. @return 0, -ENOMEM */
int drafts__row(struct cutter *c, uint32_t context, uint32_t row);

#endif
