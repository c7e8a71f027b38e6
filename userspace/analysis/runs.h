/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the timeline: from recorded rows to runs. Shared by rows.c, runs.c, evidence.c, match.c and timeline.c; the
 * cost model's samples take the rows of steps from here.
 */
#ifndef TOKPROF_ANALYSIS_RUNS_H
#define TOKPROF_ANALYSIS_RUNS_H

#include "userspace/analysis/timeline.h"

#define ROW_NONE UINT32_MAX

/* What the matching needs to know of a run and the readers of a timeline do not. */
struct run_detail {
	uint32_t first_row, n_rows;	/* into run_table.rows */
	uint32_t last_row;		/* of the target with an output; ROW_NONE */
	uint32_t copied_from;		/* the run whose key-value memory it took over (n > 1); RUN_NONE */
	uint32_t pid;			/* of its context; 0 unknown */
	int64_t n_unproven;		/* tokens that may have been emitted beyond n_sampled */
	bool generates;			/* it went on after its prompt: surely no embedding */
};

/*
 * A call that looks like the next batch of a long prompt and may be the next request's: whose client left in the middle of
 * the prompt and asked the same again, the server goes on where it stopped.
 */
struct resumption {
	uint32_t run;
	uint32_t memory;		/* index into recording.memories */
	uint64_t time_ns;
};

struct run_table {
	struct run_detail *details;	/* one per timeline.runs */
	uint32_t *rows;			/* indexes into timeline.rows, grouped by run, in the order of steps */
	struct resumption *resumptions;
	size_t n_resumptions;
	bool *new_run;			/* per memory event, NULL: none: this resumption was the next request's after all */
};

/*
 * Fill timeline.rows and step_first_row: the ubatches of a step added up per sequence, rows of nested steps moved to
 * their parents. A row's phase says only where it came from: ENCODE, DRAFT, else DECODE; runs__cut gives the final one.
 * @return 0, -ENOMEM
 */
int rows__collect(struct timeline *t);

/* Fill timeline.runs, the rows' runs, phases and emitted tokens, and all of the table but new_run. @return 0, -ENOMEM */
int runs__cut(struct timeline *t, struct run_table *table);
void run_table__free(struct run_table *table);

/* Indexes of recording.steps by step id (a copy of the identity where ids count up with time). NULL: out of memory. */
uint32_t *steps__by_id(const struct recording *r);

/* A step's rows in recording.rows, ubatch by ubatch, and the step that they were recorded under. */
struct row_range {
	uint32_t first, n;
	uint32_t source;	/* index into recording.steps */
};

/* One per recording.steps, rows of nested steps moved to their parents; malloc()ed. NULL: out of memory */
struct row_range *rows__ranges(const struct recording *r);
/* Are there rows of a step, all of them of known sequences? */
bool rows__known(const struct recording *r, const struct row_range *range);

#endif
