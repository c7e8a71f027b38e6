/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the analysis: the times in which a request or a run was in flight, joined and in order. */
#ifndef TOKPROF_ANALYSIS_IN_FLIGHT_H
#define TOKPROF_ANALYSIS_IN_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/analysis/timeline.h"

struct interval {
	uint64_t start_ns, end_ns;
};

/* A run without a request is work for someone unseen. *out is to be freed. @return 0, -ENOMEM */
int in_flight__build(const struct timeline *t, struct interval **out, size_t *n);
/* Was anything in flight in [start, end]? */
bool in_flight__any(const struct interval *busy, size_t n, uint64_t start_ns, uint64_t end_ns);

#endif
