/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the ledger: the server's cumulative meters, cut at the ends of steps and at samples, walked through in time.
 *
 * What a meter moved inside a step is the step's. Where steps of several threads overlap, the time is cut at all of their
 * ends and each piece shared alike by the steps in it. What it moved between steps is the host's while a request or a run is
 * in flight, else idle. What it moved while a step without figures went by, or backwards, is nobody's.
 */
#ifndef TOKPROF_ANALYSIS_METERS_H
#define TOKPROF_ANALYSIS_METERS_H

#include "userspace/analysis/ledger.h"

struct meters_walk {
	const struct timeline *timeline;
	size_t n_resources;
	const struct ledger_resource *resources;
	/* Use of one step, by position in resources (additive and measured ones only, others 0). */
	int (*step)(void *ctx, uint32_t step, const int64_t *use);
	void *ctx;
	/* Results. */
	int64_t host[MAX_RESOURCES], idle[MAX_RESOURCES], nobody[MAX_RESOURCES];
	bool seen[MAX_RESOURCES];	/* there was any figure */
};

/* @return 0, -ENOMEM, -EINVAL (a figure of a resource that is not in `resources`), or what `step` returned */
int meters__walk(struct meters_walk *w);

/*
 * What each step used of one additive resource, all rules above heeded; 0 of one without a figure.
 * @out	one per recording.steps, malloc()ed; NULL after an error. @return 0, -ENOMEM, -EINVAL
 */
int meters__of_steps(const struct timeline *t, int resource, int64_t **out);

/* Position of a resource in a list sorted by id; -1 where it is none of them. */
int resources__find(const struct ledger_resource *resources, size_t n, int id);

#endif
