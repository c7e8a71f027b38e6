/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the ledger: low and high of requests whose match is ambiguous. Another assignment of near-equal evidence would
 * give them another run, so the interval takes in what each run would cost that could be theirs: one of no request or of
 * another ambiguous one, begun while the request was in flight.
 */
#ifndef TOKPROF_AMBIGUITY_H
#define TOKPROF_AMBIGUITY_H

#include "userspace/analysis/ledger.h"

/* Is any match ambiguous, and are the runs few enough that their costs are worth keeping? */
bool ambiguity__matters(const struct timeline *t, size_t n_resources);

/*
 * Widen low and high, which must be filled. Where no other run is found, or there are several runs for one request, the
 * interval is unknown. @run_cost n_runs x n_resources; NULL: all ambiguous ones are unknown
 */
void ambiguity__widen(struct ledger *l, const int64_t *run_cost);

#endif
