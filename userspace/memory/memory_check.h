/* SPDX-License-Identifier: Apache-2.0 */
/* Every source of memory traffic that a host has, tried for real, and held against bytes that are known. */
#ifndef TOKPROF_MEMORY_MEMORY_CHECK_H
#define TOKPROF_MEMORY_MEMORY_CHECK_H

#include <stdbool.h>
#include <stdio.h>

#include "output/json_writer.h"
#include "userspace/memory/self_check.h"

enum { CHECK_UNCORE = 0, CHECK_RESCTRL = 1, N_CHECKED = 2 };

struct memory_check {
	struct self_check stream;
	int err;			/* of the streaming; 0 */
	int n_cleared;			/* monitoring groups that killed recorders had left */
	struct {
		const char *id;
		bool there;		/* it can be read */
		int64_t seen;		/* of the known bytes; ABSENT */
		size_t n_counters;
		char source[96], reason[200], remedy[200];
	} sources[N_CHECKED];
};

/* For tests: a tree of files in the place of the host's /sys and /proc, by TOKPROF_MEMORY_ROOT; else "". */
const char *memory_check__root(void);
/* @passes over the buffer; 0: only try the sources, with nothing mounted, made or streamed */
void memory_check__run(struct memory_check *out, const char *root, unsigned int passes);
/* What `tokprof doctor --self-check` prints. */
void memory_check__write_text(FILE *f, const struct memory_check *c);
void memory_check__put_json(struct json_writer *w, const struct memory_check *c);

#endif
