/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * Every record that crosses from the kernel to the recorder.
 *
 * This is the only header that both sides include. Rules: fixed-width types, explicit enum values, append-only, no
 * padding that is not named, sizes asserted at the end. Times are CLOCK_MONOTONIC nanoseconds (bpf_ktime_get_ns).
 * Records come from several CPUs through one ring buffer: they are in order per CPU, not over CPUs.
 */
#ifndef TOKPROF_RECORDS_H
#define TOKPROF_RECORDS_H

#ifndef __bpf__
#include <stdint.h>
typedef uint8_t tp_u8;
typedef uint16_t tp_u16;
typedef uint32_t tp_u32;
typedef uint64_t tp_u64;
typedef int32_t tp_s32;
typedef int64_t tp_s64;
#else
typedef unsigned char tp_u8;
typedef unsigned short tp_u16;
typedef unsigned int tp_u32;
typedef unsigned long long tp_u64;
typedef int tp_s32;
typedef long long tp_s64;
#endif

enum record_kind {
	RECORD_STEP = 1,	/* struct record_step: a forward pass ended (or was thrown out of) */
	RECORD_ROWS = 2,	/* struct record_rows: the rows of one ubatch of a step */
	RECORD_MEMORY = 3,	/* struct record_memory: prefix reuse, rollback, context shift */
	RECORD_SOCKET = 4,	/* struct record_socket: bytes, opening or end of a connection */
	RECORD_TASK = 5,	/* struct record_task: fork, exec, exit of a server's thread or process */
	RECORD_COUNTER_CUT = 10, /* struct record_counter_cut (counters.h) */
	RECORD_COUNTER_SPAN = 11, /* struct record_counter_span (counters.h) */
	RECORD_SAMPLE = 20,	/* struct record_sample (stacks.h) */
	RECORD_WAKE = 21,	/* struct record_wake (stacks.h) */
	RECORD_NODES = 12,	/* struct record_nodes: what a step spent on nodes of its graph */
};

struct record_header {
	tp_u16 kind;		/* enum record_kind */
	tp_u16 flags;
	tp_u32 size;		/* bytes of the whole record, header included */
	tp_u32 tgid;
	tp_u32 tid;
	tp_u64 time_ns;
};

/*
 * Meters of a server that can be read at any instant ("cuts"). The value of a meter is the server's sum over all of its
 * threads since the recorder attached.
 */
enum meter {
	METER_CPU_NS = 0,	/* threads on a CPU, integrated over time */
	METER_KERNEL_NS = 1,	/* the part of it between system call entry and exit, or in an interrupt */
	METER_FAULTS = 2,	/* page faults taken in user mode */
	METER_RUNQ_NS = 3,	/* waits of all threads for a CPU, of 20 us or more each, counted when they end */
	METER_CLOCK = 4,	/* threads on a CPU times the CPU's frequency, integrated over time (shared.h: CLOCK_ONE) */
	METER_FAULT_WAIT_NS = 5,	/* waits of all threads for a disk in page faults, counted when they end */
	METER_CLOCK_CHANGES = 6, /* changes of the frequency of a CPU while a thread of the server was on it */
	METER_CLOCK_BLIND =
		7, /* CPU_BLIND for each start of a thread on a CPU of unknown frequency, 1 for each that is there now */
	N_METERS = 8,
};

enum step_kind {
	STEP_DECODE = 0,
	STEP_ENCODE = 1,
};

enum step_flag {
	STEP_DRAFT = 1,		/* begun inside the engine's speculation code: the draft model's context */
	STEP_NO_RETURN = 2,	/* the next step of the thread began before this one returned: an exception was thrown */
	STEP_NESTED = 4,	/* begun inside another step of the same thread (decode that falls through to encode) */
	STEP_PARTS_UNKNOWN =
		8, /* its rows are the batch's, and the engine cut them into several ubatches: into which is not known */
	STEP_OPERATORS = 16,	/* its operators were probed, which made it slower */
};

struct record_step {
	struct record_header h;	/* time_ns: start of the step; flags: enum step_flag */
	tp_u64 step;		/* number of the step, unique in a recording */
	tp_u64 end_ns;
	tp_u64 context;		/* address of the engine's context: tells target and draft apart */
	tp_s32 ret;		/* what the function returned; tokens count only where it is 0 */
	tp_u32 step_kind;	/* enum step_kind */
	tp_s32 batch_tokens;	/* n_tokens of the public batch, -1 where the engine does not pass it in the open */
	tp_u32 n_ubatches;
	tp_u64 meter_start[N_METERS];
	tp_u64 meter_end[N_METERS];
	tp_u64 runq_ns;		/* the step's own thread, inside the step: runnable and waiting for a CPU */
	tp_u64 blocked_ns;	/* the same: blocked */
	tp_u64 futex_ns;	/* of it: on another thread */
};

enum rows_flag {
	ROWS_UNKNOWN = 1,	/* the layout failed its self-check: n_tokens only, no rows follow */
	ROWS_FROM_BATCH =
		2, /* of the whole step: of the public batch or of the calls that filled it, not of the ubatch */
	ROWS_MORE = 4,		/* another record with the next rows of the same ubatch follows */
	ROWS_EMBEDDINGS = 8,	/* the ubatch carries embeddings in the place of tokens */
};

/* Why a layout failed its self-check. */
enum layout_check {
	LAYOUT_OK = 0,
	LAYOUT_UNREADABLE = 1,	/* a pointer could not be followed */
	LAYOUT_POSITION = 2,	/* a position out of range */
	LAYOUT_SEQUENCE = 3,	/* a sequence id out of range */
	LAYOUT_SUM = 4,		/* more tokens than the batch has, or sequences that do not add up */
	LAYOUT_OUTPUT = 5,	/* an output flag that is neither 0 nor 1 */
	LAYOUT_NONE = 6,	/* no layout is known for this build */
};

/* One run of consecutive positions of one sequence. */
struct record_row {
	tp_s32 seq;
	tp_s32 first_pos;
	tp_u32 n_tokens;
	tp_u32 n_outputs;
};

#define MAX_ROWS_PER_RECORD 256
#define MAX_UBATCH_TOKENS 4096

struct record_rows {
	struct record_header h;	/* time_ns: entry of the ubatch; flags: enum rows_flag */
	tp_u64 step;
	tp_u64 context;
	tp_u32 ubatch;		/* 0, 1, ... in the step */
	tp_u32 n_tokens;	/* of the whole ubatch; ROWS_FROM_BATCH: of the step */
	tp_u32 n_seqs;		/* distinct sequences that the engine says the ubatch has; 0 unknown */
	tp_u16 n_rows;
	tp_u8 check;		/* enum layout_check */
	tp_u8 layout;		/* index of the layout that was used */
	struct record_row row[];
};

enum nodes_flag {
	NODES_LAST = 1,		/* of its step */
	NODES_BROKEN = 2,	/* something of the step was not seen, or could not be read */
	NODES_SAMPLING = 4,	/* one choice of a token after the step, no node of its graph */
};

#define MAX_NODE_NAME 64	/* GGML_MAX_NAME, its end included */
#define MAX_NODES_PER_RECORD 64
#define NODE_GRAPH 0xffffffffu	/* in place of an operator: from a graph's begin to its first node */
#define NODE_PROBES 0xfffffffeu	/* what the program itself took, in none of the others; the last of a step */

/* From when the step's thread began to compute a node of the graph to when it began the next, or the graph ended. */
struct record_node {
	tp_u64 ns;
	tp_u64 cpu_ns;		/* METER_CPU_NS: all threads of the server */
	tp_u32 op;		/* the engine's number of the operator, or NODE_GRAPH */
	tp_s32 name_bytes;	/* with the end; not above 0: unreadable */
	char name[MAX_NODE_NAME];
};

struct record_nodes {
	struct record_header h;	/* flags: enum nodes_flag */
	tp_u64 step;
	tp_u32 first;		/* how many nodes of the step came before these */
	tp_u32 n;
	tp_u32 n_graph;		/* nodes that the step's graphs have so far, the ones that nothing computes too; 0: not known */
	tp_u32 reserved;
	struct record_node node[];
};

enum memory_op {
	MEMORY_SEQ_RM = 0,	/* drop positions [p0, p1) of seq; p1 < 0: to the end; seq < 0: all */
	MEMORY_SEQ_CP = 1,	/* copy seq to seq_dst */
	MEMORY_SEQ_KEEP = 2,	/* drop all other sequences */
	MEMORY_SEQ_ADD = 3,	/* shift positions [p0, p1) by delta */
	MEMORY_SEQ_DIV = 4,
	MEMORY_CLEAR = 5,
};

struct record_memory {
	struct record_header h;
	tp_u64 memory;		/* address of the engine's memory object */
	tp_u32 op;		/* enum memory_op */
	tp_s32 seq;
	tp_s32 seq_dst;
	tp_s32 p0;
	tp_s32 p1;
	tp_s32 delta;
};

enum socket_op {
	SOCKET_OPEN = 0,	/* accepted; data is a struct socket_peer */
	SOCKET_IN = 1,		/* bytes that the server received */
	SOCKET_OUT = 2,		/* bytes that the server sent */
	SOCKET_END_IN = 3,	/* the peer has sent its last byte: a receive returned 0 or a reset */
	SOCKET_CLOSE = 4,	/* closed or shut down by the server */
};

enum socket_flag {
	SOCKET_GAP = 1,		/* n_bytes went by and were not copied (too long, unreadable, sendfile): data is empty */
	SOCKET_MORE = 2,	/* the next record carries more of the same call */
};

/* Who is at the other end, as the kernel's socket has it. */
struct socket_peer {
	tp_u16 family;		/* AF_INET, AF_INET6, AF_UNIX; 0: could not be read */
	tp_u16 port;		/* network byte order */
	tp_u8 address[16];	/* IPv4: the first four bytes */
};

#define MAX_SOCKET_DATA 8192
#define MAX_SOCKET_CALL (32 * MAX_SOCKET_DATA)

struct record_socket {
	struct record_header h;	/* time_ns: the system call's exit */
	tp_u64 connection;	/* unique in a recording */
	tp_u64 enter_ns;	/* the system call's entry */
	tp_u32 op;		/* enum socket_op */
	tp_s32 fd;
	tp_u32 n_bytes;		/* bytes this record stands for; copied into data unless SOCKET_GAP */
	tp_u32 offset;		/* of data[0] in the call's bytes */
	tp_u8 data[];
};

enum task_op {
	TASK_FORK = 0,		/* a new thread or process; other_tid, other_tgid are the new ones */
	TASK_EXEC = 1,
	TASK_EXIT = 2,
};

/* What the scheduler's tracepoints told of one thread, in sum since the attach. Also the value of map `threads`. */
struct thread_times {
	tp_u64 exec_ns;		/* sum_exec_runtime of the task when last switched out or at its exit */
	tp_u64 runq_ns;
	tp_u64 blocked_futex_ns;
	tp_u64 blocked_io_ns;
	tp_u64 blocked_sleep_ns;
	tp_u64 blocked_other_ns;
	tp_u64 n_switches_voluntary;
	tp_u64 n_switches_involuntary;
	tp_u64 faults_minor;
	tp_u64 faults_major;
};

struct record_task {
	struct record_header h;
	tp_u32 op;		/* enum task_op */
	tp_u32 other_tid;
	tp_u32 other_tgid;
	tp_u32 reserved;
	char comm[16];
	struct thread_times times;	/* at TASK_EXIT */
};

/* Losses, counted in the kernel: one slot per collector and kind. Index of map `losses`. */
enum loss_kind {
	LOSS_ENGINE_RING = 0,	/* the ring buffer was full */
	LOSS_ENGINE_ROWS = 1,	/* more rows than a step may have */
	LOSS_ENGINE_UNREADABLE = 2, /* a step's arguments could not be read */
	LOSS_WIRE_RING = 3,
	LOSS_WIRE_UNREADABLE = 4, /* socket bytes that could not be copied at the system call's exit */
	LOSS_WIRE_UNSEEN = 5,	/* bytes moved by a call that is not decoded (sendfile, splice, recvmmsg, ...) */
	LOSS_SCHED_RING = 6,
	LOSS_SCHED_THREADS = 7,	/* more threads than the map holds */
	LOSS_IOCTL_MAPS = 8,	/* more devices, kinds of call or threads in a call than the maps hold */
	LOSS_KERNEL_USES = 9,	/* more kinds of system calls and interrupts in steps than the map holds */
	N_LOSSES = 10,
};

_Static_assert(sizeof(struct record_header) == 24, "record_header");
_Static_assert(sizeof(struct record_step) == 24 + 24 + 16 + 2 * 8 * N_METERS + 24, "record_step");
_Static_assert(sizeof(struct record_row) == 16, "record_row");
_Static_assert(sizeof(struct record_rows) == 56, "record_rows");
_Static_assert(sizeof(struct record_memory) == 56, "record_memory");
_Static_assert(sizeof(struct record_node) == 88, "record_node");
_Static_assert(sizeof(struct record_nodes) == 48, "record_nodes");
_Static_assert(sizeof(struct record_socket) == 56, "record_socket");
_Static_assert(sizeof(struct socket_peer) == 20, "socket_peer");
_Static_assert(sizeof(struct thread_times) == 80, "thread_times");
_Static_assert(sizeof(struct record_task) == 136, "record_task");

#endif
