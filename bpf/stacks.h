/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * Samples of stacks: the records, and the tables by which user stacks are unwound. Layout rules as in records.h.
 *
 * A module is a file that is mapped executable. Its rows, made of .eh_frame, say for every address where the caller's frame
 * is; they lie in shards, arrays of one large entry each, so that a look-up is two loads and memory is taken as it is used.
 * Addresses of rows and frames are those that the file was linked for.
 */
#ifndef TOKPROF_STACKS_H
#define TOKPROF_STACKS_H

#include "bpf/records.h"

#define MAX_USER_FRAMES 512
#define MAX_KERNEL_FRAMES 127	/* kernel.perf_event_max_stack, unless it was raised */

/* --- tables ---------------------------------------------------------------------------------------------------------- */

/* Not smaller: to put a map into a map of maps waits for all CPUs, 10 ms (kernel/bpf/syscall.c, maybe_wait_bpf_programs). */
#define UNWIND_SHARD_SHIFT 17
#define UNWIND_SHARD_ROWS (1u << UNWIND_SHARD_SHIFT)	/* 1 MiB */
#define UNWIND_MAX_SHARDS 40				/* 5.2 million rows */
#define UNWIND_MAX_RULES 16384
#define UNWIND_MAX_MODULES 2048
#define UNWIND_MAX_MAPPINGS 32768			/* of all processes, old lists among them */
#define UNWIND_PROCESS_MAPPINGS 4096

/* Where the canonical frame address is: the stack pointer before the call. */
enum unwind_cfa {
	UNWIND_CFA_UNKNOWN = 0,		/* no table covers this place, or says something that is not followed here */
	UNWIND_CFA_END = 1,		/* it was called by nobody: the thread's start */
	UNWIND_CFA_SP = 2,		/* stack pointer + offset */
	UNWIND_CFA_FP = 3,		/* frame pointer + offset */
	UNWIND_CFA_AT_SP = 4,		/* the word at stack pointer + offset */
	UNWIND_CFA_AT_FP = 5,		/* the word at frame pointer + offset (functions that align their stack) */
	UNWIND_CFA_PLT = 6,		/* stack pointer + 8, and 8 more from the byte `offset` of a slot on */
	UNWIND_CFA_R10 = 7,		/* x86: r10 + offset, in the first instructions of functions that align their stack */
};

/* What a register (frame pointer, return address) was in the caller. */
enum unwind_register {
	UNWIND_SAME = 0,
	UNWIND_AT_CFA = 1,		/* the word at CFA + offset */
	UNWIND_AT_FP = 2,		/* the word at frame pointer + offset */
	UNWIND_AT_SP = 3,
	UNWIND_LOST = 4,		/* not known any more */
};

#define UNWIND_SIGNAL 1			/* the caller was interrupted, not calling */

struct unwind_rule {
	tp_u8 cfa;			/* enum unwind_cfa */
	tp_u8 fp;			/* enum unwind_register */
	tp_u8 ra;
	tp_u8 flags;
	tp_s32 cfa_offset;
	tp_s32 fp_offset;
	tp_s32 ra_offset;
};

struct unwind_row {
	tp_u32 pc;			/* from here on, less the module's first address */
	tp_u32 rule;			/* index into map `unwind_rules` */
};

struct unwind_shard {			/* the only entry of a map of map `unwind_shards` */
	struct unwind_row row[UNWIND_SHARD_ROWS];
};

/*
 * Where the rows of an address are is looked up by its block first, so that a search is in a few rows that lie together:
 * in a cache that the server has just streamed its weights through, each line that is touched is a wait for memory.
 * A block stands in the place of a row: `pc` of them begin at its first address or before, `rule` at its last or before.
 */
#define UNWIND_BLOCK_SHIFT 9

struct unwind_module {			/* map `unwind_modules` */
	tp_u64 first_address;
	tp_u32 first_row;		/* row i is in shard i >> UNWIND_SHARD_SHIFT */
	tp_u32 n_rows;			/* 0: no table, or not yet */
	tp_u32 first_block;		/* the same of blocks of 1 << UNWIND_BLOCK_SHIFT bytes, from first_address on */
	tp_u32 n_blocks;		/* beyond them all rows are searched */
};

/* Map `unwind_mappings`: executable mappings of a process, in the order of their addresses. */
struct unwind_mapping {
	tp_u64 start;
	tp_u64 end;
	tp_u64 bias;			/* address in the process less the file's */
	tp_u32 module;			/* from 1; 0: memory without a file */
	tp_u32 reserved;
};

/* Map `unwind_processes`: by tgid, which of them are its own. One word, so that it changes at once. */
struct unwind_process {
	tp_u32 first;
	tp_u32 n;
};

/* --- samples --------------------------------------------------------------------------------------------------------- */

/*
 * Of waits: one of 2^shift ns or longer is always taken, a shorter one in proportion, and with some chance at least: one for a
 * CPU with 1/256; others, of which many are taken when they end, with 1/1024.
 */
#define WAIT_CERTAIN (1ULL << 32)
#define WAIT_LEAST_DISPLACED 256
#define WAIT_LEAST_BLOCKED 1024

static inline tp_u64 wait_chance(tp_u64 ns, tp_u64 shift)
{
	return ns >> shift ? WAIT_CERTAIN : ns << (32 - shift);
}

/* Map `stacks_control`, entry 0; mapped into the recorder. */
struct stacks_control {
	tp_u64 period_ns;		/* what a sample of kind cpu weighs */
	tp_u64 n_samples;
	tp_u64 n_waits;			/* stacks taken at the start of a wait */
	tp_u64 n_lost;			/* the ring buffer was full */
	tp_u64 pad[4];
};

enum sample_kind {
	SAMPLE_CPU = 0,
	SAMPLE_WAIT = 1,		/* its weight follows in a struct record_wake */
};

enum unwind_end {				/* how far the user's part of a stack got */
		  UNWIND_COMPLETE = 0, /* to the thread's start, by the tables */
		  UNWIND_TRUNCATED = 1, /* MAX_USER_FRAMES were not enough */
		  UNWIND_NO_TABLE = 2, /* a place without a table; what follows went by frame pointers, or ends there */
		  UNWIND_BAD_MEMORY = 3, /* the stack could not be read, or is none */
		  UNWIND_KERNEL_THREAD = 4,
		  UNWIND_NONE = 5, /* it has no user registers */
		  N_UNWIND_ENDS = 6,
};

/* The reasons of a wait: enum blocked_kind of shared.h, and this: it could run and had no CPU. */
#define SAMPLE_RUNQUEUE 5

/* A frame of the user's: the module above, the file's address below. Module 0: the address in the process. */
#define FRAME_MODULE_SHIFT 48
#define FRAME_ADDRESS ((1ULL << FRAME_MODULE_SHIFT) - 1)

struct record_sample {
	struct record_header h;		/* time_ns: when; of a wait, when it began */
	tp_u64 weight_ns;		/* SAMPLE_CPU */
	tp_u32 cpu;
	tp_u16 kind;			/* enum sample_kind */
	tp_u16 reason;			/* SAMPLE_WAIT */
	tp_u16 n_kernel;
	tp_u16 n_user;
	tp_u32 user_end;		/* enum unwind_end */
	tp_u64 frame[];			/* innermost first, the kernel's before the user's; of callers, inside their call */
};

struct record_wake {			/* the end of a wait whose stack was taken */
	struct record_header h;		/* time_ns: when the thread ran again; tid: the thread */
	tp_u64 start_ns;
	tp_u64 wake_ns;			/* when it could run */
	tp_u64 chance;			/* of 2^32, that it was taken */
	tp_u32 waker_tid;		/* 0: an interrupt, or not seen */
	tp_u32 waker_tgid;
};

_Static_assert(sizeof(struct unwind_rule) == 16 && sizeof(struct unwind_row) == 8, "rows");
_Static_assert(sizeof(struct unwind_module) == 24 && sizeof(struct unwind_mapping) == 32, "modules");
_Static_assert(sizeof(struct stacks_control) == 64, "stacks_control");
_Static_assert(sizeof(struct record_sample) == 48, "record_sample");
_Static_assert(sizeof(struct record_wake) == 56, "record_wake");

#endif
