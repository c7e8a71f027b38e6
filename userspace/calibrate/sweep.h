/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The design of a calibration: which requests are sent together, so that the steps they make tell the terms of the cost
 * model apart.
 *
 * Ordinary traffic does not do that: rows, tokens and contexts rise and fall together in it. The sweep is a list of waves. A
 * wave is a few chains, one per slot, that begin together; a chain is requests that follow each other at once. What is in a
 * step is then left to the server; that the same compositions come in every round, in another order, is what counts, so
 * that the machine's drift is no part of any of them.
 */
#ifndef TOKPROF_CALIBRATE_SWEEP_H
#define TOKPROF_CALIBRATE_SWEEP_H

#include <stddef.h>
#include <stdint.h>

enum wave_kind {
	WAVE_STAIRS = 0,	/* all slots generate and end one after the other: rows from all down to one */
	WAVE_NEAR_LIMIT = 1,	/* one prompt, or two, that fill the context: long contexts, several parts */
	WAVE_CHUNKS = 2,	/* one chain of prompts of every length, beside slots that generate (or none) */
	WAVE_MIXED_LONG = 3,	/* a prompt of several parts beside slots that generate */
	WAVE_PROMPTS = 4,	/* prompts beside prompts */
	N_WAVE_KINDS = 5,
};
const char *wave_kind__name(enum wave_kind kind);

struct sweep_request {
	uint32_t n_prompt, n_outputs;	/* tokens, both at least 1; with one output there is no row but the prompt's */
};
struct sweep_chain {
	size_t first, n;		/* of sweep.requests */
};
struct sweep_wave {
	enum wave_kind kind;
	uint32_t round;
	size_t first, n;		/* of sweep.chains */
};

struct sweep_facts {
	uint32_t n_slots;		/* sequences that the server works on at once */
	uint32_t context;		/* tokens that all of them together may have: some servers share one memory */
	uint32_t part;			/* tokens of a longest part (ubatch) of a step */
	double token_ns, step_ns;	/* measured: of one more prompt token, of a step of one row without context */
	double context_ns;		/* of one more token of context of a row of one token */
	double budget_ns;		/* for all of it */
	uint32_t first_round;		/* rounds that were made before: contexts differ from round to round */
};

#define SWEEP_MIN_ROUNDS 3
#define SWEEP_MAX_ROUNDS 8
#define SWEEP_MIN_CONTEXT 64

struct sweep {
	struct sweep_wave *waves;
	size_t n_waves;
	struct sweep_chain *chains;
	size_t n_chains;
	struct sweep_request *requests;
	size_t n_requests;
	uint32_t n_rounds;		/* made before ones included */
	uint32_t context, chunk;	/* the longest of each that it has: less than the server's where that is slow */
	double expected_ns;		/* by facts.token_ns and step_ns */
};

/*
 * As many rounds as fit into the budget, at least SWEEP_MIN_ROUNDS with those made before, and one; where these do not fit, contexts and chunks are cut until
 * they do, or are at their least.
 * @return 0; -EINVAL: no slot, or a context below SWEEP_MIN_CONTEXT; -ENOMEM
 */
int sweep__design(struct sweep *out, const struct sweep_facts *facts, uint64_t seed);
void sweep__free(struct sweep *s);

/* Index of the first wave after a round's. */
size_t sweep__end_of_round(const struct sweep *s, uint32_t round);
/* Of one wave, by the facts. */
double sweep__wave_ns(const struct sweep *s, const struct sweep_wave *w, const struct sweep_facts *facts);

#endif
