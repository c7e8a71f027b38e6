/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least CPU time that tokens can have taken, by arithmetic alone: two operations for each weight of the layers that every token goes
 * through (all but the last), at the most that the processor can do; and in each step one reading of these weights, at the most that its nearest
 * cache gives. It needs no calibration, and no mood of a machine is faster; but no program comes near it either.
 *
 * What a request's tokens took is no more than all of the steps that they were computed in, so that nothing has to be shared.
 */
#ifndef TOKPROF_VERIFY_COMPUTE_FLOOR_H
#define TOKPROF_VERIFY_COMPUTE_FLOOR_H

#include "userspace/verify/books.h"

struct compute_floor_request {
	double needed, measured;	/* ns, of the steps that it has rows in */
	bool unmeasured;		/* some of them have no figure */
};

struct compute_floor {
	const char *missing;		/* why there is no bound; NULL: there is */
	double weights;			/* that every token of the model is multiplied with */
	double ns_per_token, ns_per_step;
	struct compute_floor_request *requests;	/* one per recording.requests */
	double needed;			/* of all steps of the target, ns */
	double measured;		/* CPU time of the whole server, ns */
};

/* @return 0, -ENOMEM */
int compute_floor__open(struct compute_floor *f, const struct verify_input *in);
void compute_floor__close(struct compute_floor *f);

#endif
