/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOKPROF_ANALYSIS_FIGURES_H
#define TOKPROF_ANALYSIS_FIGURES_H

#include "userspace/analysis/runs.h"
#include "userspace/analysis/blind_spots.h"

/* Tokens, times and completeness of every matched request. @return 0, -ENOMEM */
int figures__fill(struct timeline *t, const struct run_table *table, const struct blind_spots *w);

#endif
