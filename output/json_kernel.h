/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the JSON report: system calls and interrupts. */
#ifndef TOKPROF_JSON_KERNEL_H
#define TOKPROF_JSON_KERNEL_H

#include "output/json_writer.h"
#include "userspace/analysis/kernel_work.h"

/* "kernel": [ { "name", "path", "count", "ns" }, ... ], those that are not 0; null where figures is NULL */
void json_kernel__put_figures(struct json_writer *w, const struct ledger *l, const struct kernel_figure *figures);
/* "kernel" of the evidence */
void json_kernel__put_evidence(struct json_writer *w, const struct ledger *l);
/* "kernel" of the report: what was timed, and each kind by phase */
void json_kernel__put(struct json_writer *w, const struct ledger *l);

#endif
