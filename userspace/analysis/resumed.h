/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOKPROF_ANALYSIS_RESUMED_H
#define TOKPROF_ANALYSIS_RESUMED_H

#include "userspace/analysis/blind_spots.h"
#include "userspace/analysis/runs.h"

/*
 * After a matching: runs that a client left in the middle of the prompt and another request, which has no run, took up. Marks
 * them in table->new_run, for the runs to be cut and matched again. @return number of new marks, -ENOMEM
 */
int resumed__mark(const struct timeline *t, struct run_table *table, const struct blind_spots *w);

#endif
