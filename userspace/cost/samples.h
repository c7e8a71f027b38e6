/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a recording as samples for a fit. */
#ifndef TOKPROF_COST_SAMPLES_H
#define TOKPROF_COST_SAMPLES_H

#include "userspace/analysis/timeline.h"
#include "userspace/cost/cost.h"

/* Owners of rows that no request is known for: one per sequence, above all indexes of requests. */
#define COST_OWNER_UNKNOWN 0x80000000u

struct cost_samples {
	struct cost_sample *samples;	/* in the order of time */
	uint32_t *steps;		/* of each, its index into recording.steps */
	size_t n;
	int64_t n_failed;		/* steps left out: the engine returned an error, or never returned */
	int64_t n_without_rows;		/* no rows, of unknown sequences, or in parts that are not known */
	int64_t n_overlapping;		/* another step ran at the same time, and the meters are the whole server's */
	int64_t n_touched;		/* in a window of --touched-bytes, which slows them */
	int64_t n_unmeasured;		/* the resource was not measured in them, or as nothing */
	struct cost_row *rows;		/* what the samples point into */
	uint32_t *part_end;
};

/*
 * The steps of one role ("target", "draft"), parts being ubatches. @resource enum resource_id or COST_RESOURCE_WALL
 * The timeline need not outlive the samples. @return 0, -ENOMEM
 */
int cost__samples(const struct timeline *t, const char *role, int resource, struct cost_samples *out);

void cost_samples__free(struct cost_samples *s);

#endif
