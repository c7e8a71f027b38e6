/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the JSON report that repeat: figures of every resource, and the list that --by asks for. */
#ifndef TOKPROF_JSON_DETAIL_H
#define TOKPROF_JSON_DETAIL_H

#include "output/json_writer.h"
#include "output/output.h"

/*
 * Every resource of one kind (enum resource_kind) as members of the object that is open; null where not measured. The
 * additive ones end with `counters`.
 */
void json_detail__figures(struct json_writer *w, const struct ledger *l, const int64_t *figures, int kind);

/* "steps", "tokens", "phases", "models" or "clients" beside the report's own keys. @return 0, -ENOMEM, -EINVAL */
int json_detail__put(struct json_writer *w, const struct ledger *l, enum report_by by);

#endif
