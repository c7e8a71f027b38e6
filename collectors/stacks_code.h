/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The code of the server's processes: looked up, and its unwind tables built, on a thread of its own, so that neither the
 * attach nor the drain waits for a library of a hundred megabytes. Samples of the time before have stacks that end early.
 */
#ifndef TOKPROF_COLLECTORS_STACKS_CODE_H
#define TOKPROF_COLLECTORS_STACKS_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/unwind/code_map.h"
#include "userspace/unwind/kernel_tables.h"

struct stacks_code;

struct stacks_code_counts {
	uint64_t n_tables, n_rows;	/* built; rows of the kernel's side */
	uint64_t n_without;		/* modules without a table: no ELF file, or no .eh_frame */
	uint64_t n_no_room;		/* modules whose table is too large */
	uint64_t n_bad;			/* functions whose entries in .eh_frame were left out */
	bool busy;			/* it has not looked at everything yet */
};

/* The maps' descriptors of `tables` are set. @return 0, negative errno */
int stacks_code__start(struct stacks_code **out, const struct kernel_tables *tables);
void stacks_code__stop(struct stacks_code *c);

/* Look at a process now; or again, because of an address that no mapping covers: at once, then less and less often. */
void stacks_code__look(struct stacks_code *c, uint32_t pid);
void stacks_code__look_again(struct stacks_code *c, uint32_t pid, uint64_t now_ns);
void stacks_code__forget(struct stacks_code *c, uint32_t pid);

/* Lives as long as c. NULL: not known */
const struct module *stacks_code__module(struct stacks_code *c, uint32_t id);
void stacks_code__counts(struct stacks_code *c, struct stacks_code_counts *out);

#endif
