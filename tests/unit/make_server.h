/* SPDX-License-Identifier: Apache-2.0 */
/* A simulated llama.cpp server under traffic, recorded, with the truth of every request. */
#ifndef TOKPROF_MAKE_SERVER_H
#define TOKPROF_MAKE_SERVER_H

#include "make_recording.h"

struct server_options {
	uint64_t seed;
	int64_t n_requests;
	int n_slots;
	int max_prompt, max_completion;		/* tokens; drawn from 1 to these */
	uint64_t mean_gap_ns;			/* between arrivals */
	int percent_cached;			/* of requests that repeat the prompt of their slot */
	int percent_stream;
	int percent_leaves;			/* clients that leave mid-stream */
	int n_draft;				/* tokens drafted per verify step; 0: no speculation */
	bool draft_context;			/* the draft is a model's (rows in a context of its own) */
	bool overlapping_steps;			/* now and then a step of another thread overlaps */
	int64_t unexplained_ns;			/* the total of cpu_ns beyond what the meters moved */
};

/* A server and clients of any kind, the same for the same seed. */
struct server_options server_options__random(uint64_t seed);

struct server_truth {		/* by request id - 1 */
	int64_t prompt, cached, completion, drafted, rejected;
	int slot;
};

/* Runs the server until all requests are answered. @return the truth, to be freed; the recording is finished */
struct server_truth *make_server(struct maker *m, const struct server_options *options);

/* A generator that gives the same numbers everywhere. */
uint64_t random_next(uint64_t *state);
uint64_t random_below(uint64_t *state, uint64_t n);

#endif
