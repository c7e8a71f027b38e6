/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the ledger: low and high of every request's cost, 95 %.
 *
 * What is not known is how a shared step divides; a step with one request in it is that request's whatever the model
 * says. Two things widen: the model's terms, by its bootstrap replicates, each of which shares a sample of the steps
 * again; and the model's form, by model_error, which no number of steps averages out. With w a row's part of its step,
 * an error of that relative size in every row's cost moves w by w sqrt((1 - w)^2 + sum of the others' w^2).
 */
#ifndef TOKPROF_INTERVALS_H
#define TOKPROF_INTERVALS_H

#include "userspace/analysis/ledger.h"
#include "userspace/analysis/step_view.h"

struct shared_cost {			/* of one request and resource */
	double shared;			/* booked in steps shared with others */
	double error;			/* what model_error moves of that */
	double sampled;			/* booked in the sampled steps, weighted */
};

struct intervals {
	const struct ledger *l;
	size_t n_draws;			/* 0: no replicates fit into the memory allowed for them */
	struct shared_cost *costs;	/* n_requests x n_resources */
	double *draws;			/* n_requests x n_slots x n_draws: `sampled` by each replicate */
	int slot_of[MAX_RESOURCES];	/* resources with replicates, counted through; -1 */
	size_t n_slots;
	uint32_t *n_rows;		/* per request, of the timeline */
	uint64_t *unknown;		/* per request: bits of resources whose shared steps no model prices */
	double *shares, *row_shares;
	size_t shares_capacity, rows_capacity;
};

/* The pricing must stand. @return 0, -ENOMEM */
int intervals__open(struct intervals *v, const struct ledger *l);
void intervals__close(struct intervals *v);

/* Is more than one request, or anything unknown, in the step? */
bool intervals__is_shared(const struct step_view *view);

/*
 * What the rows of a shared step were given of resource k: booked[i] of row view->first + i, `sum` together. By any rule but
 * the cost model's, the intervals of their requests are unknown. @return 0, -ENOMEM
 */
int intervals__add(struct intervals *v, size_t k, const struct pricing *p, const struct step_view *view, uint32_t step,
		   const int64_t *booked, int64_t sum);

/* Fill ledger_request.low and high; costs must be added up. */
void intervals__finish(struct intervals *v, struct ledger *l);

#endif
