/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process has touched of its memory: /proc/PID/clear_refs and the `Referenced` of /proc/PID/smaps.
 *
 * The processor marks a page that it reads or writes in the page table (the accessed bit). Writing 1 to clear_refs takes these
 * marks off all pages of the process, and the page cache's own ones too; `Referenced` then counts the pages that have one again
 * (fs/proc/task_mmu.c: clear_refs_pte_range, smaps_account). What the count cannot know:
 * - Translations that are still in a processor's TLB are not flushed by clear_refs: a page that is used through one gets no mark
 *   until it has been evicted. At most SMAPS_TLB_BYTES of each processor are missing so, and what is mapped by huge pages.
 * - A page that came into the page table since has a mark where the processor marks in hardware, also one that was mapped around
 *   a fault (mm/memory.c, set_pte_range): what the mapping grew by may not have been touched.
 * - A page of a file counts too where another process read the file, or unmapped a page that it had touched.
 * - A huge page, and a block of contiguous entries on AArch64, counts as a whole. Pages of hugetlbfs are not looked at by either.
 */
#ifndef TOKPROF_SMAPS_H
#define TOKPROF_SMAPS_H

#include <stdint.h>
#include <stdio.h>

#include "userspace/process.h"

/*
 * The largest second level known to us has 4,096 entries (AMD Zen 5, Software Optimization Guide 58455). One stands for up to four
 * pages that lie together on AMD's, for a block of 64 KiB on AArch64; for 2 MiB where a page is huge, which is not in this figure.
 */
#ifdef __aarch64__
#define SMAPS_TLB_BYTES (4096LL * 65536)
#else
#define SMAPS_TLB_BYTES (4096LL * 16384)
#endif

/* Bytes; ABSENT: this kernel does not say. */
struct smaps_mapping {
	struct process_map map;
	int64_t resident, referenced;
	int64_t shared;		/* resident here and in another process */
	int64_t huge;		/* mapped by huge pages */
	int64_t hugetlb;	/* of hugetlbfs: in none of the others */
};

/* Calls `each` for every mapping, in order of addresses. @return 0, what `each` returned, -ESRCH where there is none, -EIO */
int smaps__parse(FILE *f, int (*each)(void *ctx, const struct smaps_mapping *m), void *ctx);
/* The same of a process. @return also -EACCES, -ENOENT (a kernel without smaps) */
int smaps__read(uint32_t pid, int (*each)(void *ctx, const struct smaps_mapping *m), void *ctx);
/* Takes all marks off. @return 0, -ESRCH, -EACCES, -ENOENT (a kernel without clear_refs) */
int smaps__clear(uint32_t pid);

/*
 * Does it work here? Pages of this process are marked, cleared and touched again, and must be counted exactly.
 * @return 0; a negative errno with the reason and what the user can do
 */
int smaps__try(char *reason, size_t reason_size, char *remedy, size_t remedy_size);

#endif
