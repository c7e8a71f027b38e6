/* SPDX-License-Identifier: Apache-2.0 */
/* How much of a process's memory is really there, and which files and devices it has open. See process.h. */
#ifndef TOKPROF_PROCESS_MEMORY_H
#define TOKPROF_PROCESS_MEMORY_H

#include "userspace/process.h"

/* Bytes; -1: the kernel does not say. */
struct process_footprint {
	int64_t anon, file, shared, swap;
	int64_t peak;			/* the most that was resident */
};
/* @return 0, -ESRCH, -EACCES */
int process__footprint(uint32_t pid, struct process_footprint *out);

/*
 * Bytes of an address range that the process has in its page tables. By /proc/PID/pagemap, which holds the process's
 * memory lock for two megabytes at a time (fs/proc/task_mmu.c, PAGEMAP_WALK_SIZE), where smaps holds it for a whole mapping.
 * @return negative errno: -EACCES, -ESRCH
 */
int64_t process__resident(uint32_t pid, uint64_t start, uint64_t end);

struct process_open_file {
	int fd;
	uint64_t device, inode;		/* of what is open */
	int64_t size;
	bool is_device;			/* a character device */
	char path[512];
};
/* Calls `each` for every regular file and character device that it has open. @return 0 or what `each` returned, -ESRCH, -EACCES */
int process__open_files(uint32_t pid, int (*each)(void *ctx, const struct process_open_file *file), void *ctx);

#endif
