/* SPDX-License-Identifier: Apache-2.0 */
/* A server that is run by hand, step by step, whose steps take what a made fit says; then its ledger. */
#ifndef TOKPROF_SCENE_H
#define TOKPROF_SCENE_H

#include "make_fit.h"
#include "userspace/analysis/ledger.h"

#define MAX_SEQS 8

struct scene {
	struct maker m;
	struct made_fit fit; /* of the target's CPU time */
	uint64_t now;
	int64_t meter; /* CPU time so far */
	int pos[MAX_SEQS]; /* where each sequence stands */
	double factor; /* steps take what the fit says times this */
	struct timeline timeline;
	struct ledger ledger;
};

struct part {
	int seq;
	uint32_t n_tokens, n_outputs;
};

/* Request i arrives at once, and says that it runs in slot i. */
void scene__open(struct scene *s, int n_requests);
/* @return the step; its rows' contexts are where their sequences stand. Good until the next one */
struct row_step *scene__step(struct scene *s, const struct part *parts, size_t n);
/* Steps of one token of each of sequences 0, 1, ... */
void scene__decode(struct scene *s, int n_rows, int n_steps);
/* All requests end now, but those whose client has left. Asserts that the law holds and that every match is exact. */
void scene__report(struct scene *s, const struct ledger_options *options, bool with_fit);
void scene__close(struct scene *s);

/* Of CPU time: its position, what request i and an account have of it, how it is shared in the target's steps. */
size_t cpu(const struct scene *s);
const struct ledger_request *request(const struct scene *s, size_t i);
int64_t cost(const struct scene *s, size_t i);
int64_t account(const struct scene *s, enum account_id a);
const struct pricing *pricing(const struct scene *s);

#endif
