/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the JSON report: which bytes of the weights were touched. */
#ifndef TOKPROF_JSON_TOUCHED_H
#define TOKPROF_JSON_TOUCHED_H

#include "output/json_writer.h"
#include "userspace/analysis/timeline.h"

/* "touched"; null where no window was recorded. @return 0, -ENOMEM */
int json_touched__put(struct json_writer *w, const struct timeline *t);

#endif
