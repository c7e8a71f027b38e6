/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the JSON report: calls into device drivers. */
#ifndef TOKPROF_JSON_IOCTL_H
#define TOKPROF_JSON_IOCTL_H

#include "output/json_writer.h"
#include "userspace/analysis/ledger.h"

/* "ioctl": { "submit": { "count", "ns", "failed" }, ... } of these figures; nothing where calls were not measured. @return whether */
bool json_ioctl__put_figures(struct json_writer *w, const struct ledger *l, const int64_t *figures);
/* "ioctl" of the evidence */
void json_ioctl__put_evidence(struct json_writer *w, const struct ledger *l);
/* "ioctls" and "neighbours". @return 0, -ENOMEM */
int json_ioctl__put_calls(struct json_writer *w, const struct ledger *l);

#endif
