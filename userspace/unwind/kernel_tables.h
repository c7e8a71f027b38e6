/* SPDX-License-Identifier: Apache-2.0 */
/* Puts unwind tables and mappings into the maps that the kernel's side reads (bpf/stacks.h). One thread at a time. */
#ifndef TOKPROF_UNWIND_KERNEL_TABLES_H
#define TOKPROF_UNWIND_KERNEL_TABLES_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/stacks.h"
#include "userspace/unwind/unwind_table.h"

#define TABLE_MOST_ROWS (2u << 20)	/* of one module: making its table takes three times 8 bytes for each */

struct table_calls {			/* a kernel of their own for tests; 0 or negative errno */
	int (*update)(void *ctx, int map, const void *key, const void *value);
	int (*remove)(void *ctx, int map, const void *key);
	int (*new_shard)(void *ctx);	/* @return descriptor */
	int (*put_shards)(void *ctx, int map, uint32_t first, uint32_t n, const int *fds);
	void (*close)(void *ctx, int fd);
	void *ctx;
};
extern const struct table_calls table_calls__kernel;

struct listed;

struct kernel_tables {
	int processes_fd, mappings_fd, modules_fd, rules_fd, shards_fd;
	const struct table_calls *calls;
	struct unwind_shard *shard;	/* the one that is being filled, as the kernel has it */
	int shard_fds[UNWIND_MAX_SHARDS];	/* those that have room; -1: full, or not made yet */
	uint32_t n_rows, n_shards;
	struct unwind_rule *rules;	/* UNWIND_MAX_RULES of them, as the kernel has them */
	uint32_t n_rules;
	struct listed *listed;		/* processes, as the kernel has them */
	size_t n_listed, listed_capacity;
	uint32_t half, next_mapping;	/* map `mappings` is filled by halves: the other one is what it was */
};

int kernel_tables__init(struct kernel_tables *t, const struct table_calls *calls);
void kernel_tables__free(struct kernel_tables *t);

/* @where its rows are then. @return 0; -ENOSPC: the maps have no room for it; negative errno of the kernel */
int kernel_tables__put_module(struct kernel_tables *t, uint32_t id, const struct unwind_table *table,
			      struct unwind_module *where);
/* The same rows for another file of the same build. */
int kernel_tables__share_module(struct kernel_tables *t, uint32_t id, const struct unwind_module *where);
/* @mappings in the order of their addresses; no more is done where they are as they were. @return 0, -ENOSPC, -ENOMEM, negative errno of the kernel */
int kernel_tables__put_process(struct kernel_tables *t, uint32_t pid, const struct unwind_mapping *mappings, size_t n);
void kernel_tables__forget_process(struct kernel_tables *t, uint32_t pid);

#endif
