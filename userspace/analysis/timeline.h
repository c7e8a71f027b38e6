/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timeline: requests of the wire and sequences of the engine joined, from a recording and nothing else.
 *
 * A *run* is one generation of one sequence: from the first row after its prompt was put (a llama_memory_seq_rm to the end
 * of the sequence, a first row at another place than the next, or a new one at position 0) to the last row before the next run.
 * Runs are matched to requests by an assignment over all candidates that overlap in time (n runs for a request with n
 * completions). Evidence: arrival before the first row, chunk times against the ends of steps with outputs, end of
 * response against the last step, limits given by the client (max_tokens, prompt bytes or token ids), the engine's slot number; never
 * `usage` or `timings`. A match is ambiguous only where another assignment of near-equal evidence would change a figure
 * of the request.
 */
#ifndef TOKPROF_TIMELINE_H
#define TOKPROF_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/recording.h"

enum phase {
	PHASE_PREFILL = 0,
	PHASE_DECODE = 1,
	PHASE_VERIFY = 2,	/* rows of drafted tokens in the target's context */
	PHASE_DRAFT = 3,	/* rows in the draft model's context */
	PHASE_EMBED = 4,
	PHASE_ENCODE = 5,
	N_PHASES = 6,
};
const char *phase__name(enum phase p);

enum match {
	MATCH_NONE = 0,		/* no run: nothing was computed for it, or its run is not known */
	MATCH_AMBIGUOUS = 1,
	MATCH_EXACT = 2,
};
const char *match__name(enum match m);

/* One sequence's rows of one step, ubatches added up. */
struct timeline_row {
	uint32_t step;		/* index into recording.steps */
	uint32_t run;		/* index into timeline.runs; RUN_NONE: rows of an unknown sequence */
	int32_t seq;
	int32_t first_pos;	/* = context length before the row */
	uint32_t n_tokens;
	uint32_t n_outputs;
	uint32_t n_emitted;	/* outputs that became tokens of the completion: n_outputs, less rejected drafts */
	uint8_t phase;		/* enum phase */
	bool counted;		/* the step returned 0: its tokens count; its time counts in any case */
	bool recompute;		/* positions computed before in the same run (after a rollback that was no rejection) */
};
#define RUN_NONE UINT32_MAX

struct timeline_run {
	int context;		/* row_context.id of the target */
	int32_t seq;
	uint32_t request;	/* index into recording.requests; REQUEST_NONE */
	uint64_t start_ns;	/* start of its first step (or of the memory event that began it) */
	uint64_t first_output_ns, last_output_ns, end_ns;	/* ends of steps; 0 none */
	int64_t prompt_computed, prompt_cached;
	int64_t n_sampled;	/* outputs of counted rows that are tokens of the completion, rejected drafts left out */
	int64_t n_drafted, n_draft_rejected;
	bool from_start;	/* its beginning was seen */
	bool emitted_proven;	/* false: a speculative step whose advance was not seen */
	bool embed;
};
#define REQUEST_NONE UINT32_MAX

struct timeline_request {
	enum match match;
	char evidence[96];	/* by what it was matched, for -v: "arrival, 32 chunks, end" */
	uint32_t first_run, n_runs;	/* into timeline.request_runs */
	uint32_t incomplete;	/* enum request_incomplete */
	int64_t prompt_tokens, cached_tokens, completion_tokens, draft_tokens,
		draft_rejected_tokens; /* ABSENT unknown */
	int64_t wait_ns;	/* arrival to first row, and gaps between its steps; ABSENT */
	int64_t ttft_ns;	/* arrival to the first token-carrying chunk (non-stream: the body); ABSENT */
	int64_t tpot_ns;	/* (last - first token chunk) / (completion tokens - 1), MLPerf; ABSENT below 2 tokens */
	int64_t e2el_ns;	/* arrival to the end of the response; ABSENT */
};

struct timeline {
	const struct recording *recording;
	struct timeline_row *rows;
	size_t n_rows; /* by step, in recording order */
	uint32_t *step_first_row;		/* n_steps + 1 entries: rows of step i are [f[i], f[i+1]) */
	struct timeline_run *runs;
	size_t n_runs;
	uint32_t *request_runs;
	size_t n_request_runs;
	struct timeline_request *requests;	/* one per recording.requests */
	int64_t n_runs_unmatched;
};

/* @return 0, -ENOMEM. The recording must outlive the timeline. */
int timeline__build(struct timeline *out, const struct recording *r);
/* The most tokens before one that was computed, of all rows that are known; ABSENT: none is. */
int64_t timeline__most_context(const struct timeline *t);
void timeline__free(struct timeline *t);

#endif
