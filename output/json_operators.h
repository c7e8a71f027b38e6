/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOKPROF_JSON_OPERATORS_H
#define TOKPROF_JSON_OPERATORS_H

#include "output/json_writer.h"
#include "output/output.h"

/* Key "operators" or "layers" of a report: what steps are made of. @return 0, -ENOMEM */
int json_operators__put(struct json_writer *w, const struct ledger *l, enum report_by by);

#endif
