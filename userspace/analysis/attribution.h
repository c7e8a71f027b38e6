/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the ledger: one step's use shared over its rows.
 *
 * A rule that predicts is held against the measurement: with T measured, T' expected and sigma the model's own spread,
 * the shares are scaled to T while T <= T' (1 + 3 sigma). Beyond, the rows get T' and what is more goes to `disturbance`
 * where there is evidence of one, else it stays `unexplained`. A step that took less is scaled down: no row is given more
 * than was measured. Of the step after a context was shifted the excess is `recompute`: in it the engine turns the keys it keeps.
 */
#ifndef TOKPROF_ATTRIBUTION_H
#define TOKPROF_ATTRIBUTION_H

#include "userspace/analysis/intervals.h"
#include "userspace/analysis/ledger.h"
#include "userspace/analysis/step_view.h"
#include "userspace/analysis/survey.h"

/* Rows of a decode step that are told apart: llama.cpp's own limit of sequences. */
#define MAX_BATCH 256

#define N_STEP_WAITS 3

struct attribution {
	struct ledger *l;
	struct row_range *ranges;
	struct survey survey;
	struct intervals intervals;
	struct step_view view;
	struct cost_row *own;		/* of parts, by payer: what would be alone */
	bool *done;			/* per row of the step: its rejected drafts are booked */
	double *part_shares, *weights, *less;	/* of parts; of rows; of parts, with rejected drafts left out */
	int64_t *shares;
	size_t parts_capacity, weights_capacity, less_capacity, shares_capacity, own_capacity, done_capacity;
	uint64_t *no_alone, *no_rejected;	/* per request: bits of resources for which it is not known */
	uint32_t *last_step;			/* per request: step + 1 whose durations it has been given */
	int64_t *run_cost;		/* n_runs x n_resources, where a match is ambiguous; NULL */
	int64_t waited[N_STEP_WAITS];		/* of each, by all requests together */
	int runq, blocked, futex;		/* positions of these durations; -1 */
	int kernel, faults;			/* positions of kernel_ns and faults; -1 */
	uint64_t n_decode_steps[MAX_BATCH];	/* by their number of rows, from 1; more count as MAX_BATCH */
	uint64_t n_decode_rows, decode_context;	/* rows in these, and the sum of their contexts */
	int64_t nobody[MAX_RESOURCES];		/* use of steps' rows that belong to no request */
};

/* The ledger's resources, requests and pricing must stand. @return 0, -ENOMEM, -EINVAL */
int attribution__open(struct attribution *a, struct ledger *l);
void attribution__close(struct attribution *a);

/* For meters_walk.step: @ctx the attribution. */
int attribution__share_step(void *ctx, uint32_t step, const int64_t *use);

/* After the last step, when the requests' costs are added up: low, high, and what is not known. */
void attribution__finish(struct attribution *a);

#endif
