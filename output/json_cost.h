/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the JSON report that say how costs were attributed, and what they would have been otherwise. */
#ifndef TOKPROF_JSON_COST_H
#define TOKPROF_JSON_COST_H

#include "output/json_writer.h"
#include "userspace/analysis/ledger.h"
#include "userspace/analysis/waiting.h"

/* The key "attribution". */
void json_cost__put_attribution(struct json_writer *w, const struct ledger *l);
/* The key "range" of a fit: what it saw, or null. */
void json_cost__put_range(struct json_writer *w, const struct fit_range *range);
/* Members of the object "cost" of a request that is open: low, high, alone, rejected. */
void json_cost__put_bounds(struct json_writer *w, const struct ledger *l, const struct ledger_request *request);
/* The key "reference_tokens" of a request: a number, or null. */
void json_cost__put_reference_tokens(struct json_writer *w, const struct ledger *l, size_t i);
/* The key "waited_for"; @wait NULL: not known */
void json_cost__put_waited_for(struct json_writer *w, const struct recording *r, const struct waiting *wait);

#endif
