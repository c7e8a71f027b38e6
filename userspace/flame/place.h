/* SPDX-License-Identifier: Apache-2.0 */
/* Where in the ledger a moment belongs: to a step, and through it to its rows, or to the accounts of the time between steps. */
#ifndef TOKPROF_FLAME_PLACE_H
#define TOKPROF_FLAME_PLACE_H

#include "userspace/analysis/in_flight.h"
#include "userspace/analysis/ledger.h"

/* A place is the position of a step in recording.steps, or one of these. */
#define PLACE_HOST (UINT32_MAX - 1)
#define PLACE_IDLE (UINT32_MAX - 2)

struct step_id {
	int64_t id;
	uint32_t index;
};

struct places {
	const struct timeline *timeline;
	struct interval *busy;
	size_t n_busy;
	uint64_t *latest_end;	/* of this step and all that started before it */
	struct step_id *by_id;
};

int places__open(struct places *p, const struct timeline *t);	/* @return 0, -ENOMEM; close it in any case */
void places__close(struct places *p);

/* Of a wait, in ns. */
uint64_t wait__length(const struct row_stack_sample *s);

/* @step: row_step.id, or ABSENT: the step then is the one that the moment is in, if any */
uint32_t places__of_moment(const struct places *p, uint64_t time_ns, int64_t step);
/* Cut an interval where steps begin and end. @return 0, or what `each` returned first */
int places__of_interval(const struct places *p, uint64_t start_ns, uint64_t end_ns,
			int (*each)(void *ctx, uint32_t place, uint64_t ns), void *ctx);

#endif
