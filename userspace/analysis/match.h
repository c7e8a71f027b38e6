/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOKPROF_ANALYSIS_MATCH_H
#define TOKPROF_ANALYSIS_MATCH_H

#include "userspace/analysis/runs.h"
#include "userspace/analysis/blind_spots.h"

/*
 * A match is ambiguous where another assignment of all requests, at most this much less likely (in thousandths of a nat; a
 * factor 1,100), would give the request other figures.
 */
#define MATCH_MARGIN 7000

/*
 * Give every request its runs: timeline.request_runs, timeline.requests[].match, .evidence, .first_run and .n_runs,
 * timeline.runs[].request, timeline.n_runs_unmatched. @return 0, -ENOMEM
 */
int match__requests(struct timeline *t, const struct run_table *table, const struct blind_spots *w);

#endif
