/* SPDX-License-Identifier: Apache-2.0 */
/* Memory traffic in JSON: every source, and what each request took for a token. */
#ifndef TOKPROF_JSON_MEMORY_H
#define TOKPROF_JSON_MEMORY_H

#include "output/json_writer.h"
#include "userspace/analysis/ledger.h"

/* "memory": [ one object per source, the best first ] */
void json_memory__put_sources(struct json_writer *w, const struct ledger *l);
/* "mem_bytes_per_token": { "prompt", "completion" } of request i; null where traffic is not known */
void json_memory__put_per_token(struct json_writer *w, const struct ledger *l, size_t i);

#endif
