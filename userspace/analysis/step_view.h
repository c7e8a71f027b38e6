/* SPDX-License-Identifier: Apache-2.0 */
/* A step of the timeline as a rule sees it: the recorded rows, ubatch by ubatch, each with the timeline's row it is of. */
#ifndef TOKPROF_STEP_VIEW_H
#define TOKPROF_STEP_VIEW_H

#include "userspace/analysis/rules.h"
#include "userspace/analysis/runs.h"

struct step_view {
	struct cost_row *rows;
	uint32_t *part_end;
	uint32_t *row_of;		/* of each of rows: index into timeline.rows */
	size_t n, n_parts;
	uint32_t first, end;		/* the step's rows in timeline.rows */
	size_t rows_capacity, part_capacity, of_capacity;
};

/* @ranges of rows__ranges(). The owner of a row is its request's index. @return 0, -ENOMEM */
int step_view__set(struct step_view *v, const struct timeline *t, const struct row_range *ranges, uint32_t step);
struct rule_step step_view__step(const struct step_view *v);
void step_view__free(struct step_view *v);

#endif
