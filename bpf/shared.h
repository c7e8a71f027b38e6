/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * Values of the maps that the BPF programs and the recorder share, and the arithmetic of a meter. Layout rules as in
 * records.h. Kept apart from records.h because these never cross the ring buffer.
 */
#ifndef TOKPROF_SHARED_H
#define TOKPROF_SHARED_H

#include "bpf/records.h"

/*
 * A meter integrates the number of running threads over time with one atomic addition per change and one read per cut,
 * whatever the number of CPUs. Times are relative to the recorder's attach. A thread that starts to run at t adds
 * METER_ONE - t, one that stops adds t - METER_ONE. With N running and I nanoseconds in sum, the word is
 *
 *	N * METER_ONE - sum(start) + sum(stop)  =  N * (METER_ONE - now) + I
 *
 * so I = word mod (METER_ONE - now), as long as I + now < METER_ONE. The recorder takes METER_LAP (13 days of CPU time) out
 * of a word atomically whenever I has grown beyond one, and puts laps back when it reads a cut; so a recording may last
 * METER_ONE - METER_LAP, 39 days.
 * METER_ORIGIN keeps I positive when a cut races with a start on another CPU.
 */
#define METER_ONE (1ULL << 52)
#define METER_ORIGIN (1ULL << 30)
#define METER_LAP (1ULL << 50)

/*
 * METER_CLOCK integrates in the same way, each running thread weighted by its CPU's frequency: in CLOCK_UNIT_KHZ, and time in
 * 1024 ns, so that weights of all CPUs together times CLOCK_ONE stay below 2^64 (8,192 CPUs of 6 GHz). Laps as above: 128 CPUs of
 * 3 GHz fill one in two minutes.
 */
#define CLOCK_ONE (1ULL << 43)
#define CLOCK_ORIGIN (1ULL << 30)
#define CLOCK_LAP (1ULL << 41)
#define CLOCK_SHIFT 10
#define CLOCK_UNIT_KHZ 25000

/*
 * Map `cpus`, one entry per CPU: its frequency in CLOCK_UNIT_KHZ, 0 as long as it is not known; whether a thread of the server is on
 * it; and whether anybody wants to know (0 everywhere else).
 */
#define CPU_FREQUENCY 0xffffffffULL
#define CPU_RUNS_SERVER (1ULL << 32)
#define CPU_WATCHED (1ULL << 33)
#define CPU_BLIND (1ULL << 32)

struct cpu_state {
	tp_u64 value;
	tp_u64 pad[7];
};

struct meter_word {
	tp_u64 value;
	tp_u64 pad[7];		/* a cache line of its own: threads of all CPUs add to it */
};

#define METER_RARE METER_FAULT_WAIT_NS	/* from here on */

struct meters {			/* the only entry of map `meters`; mapped into the recorder */
	struct meter_word word[METER_RARE];	/* plain counters, but for the two times and the clock */
	tp_u64 base_ns;		/* origin of the meters' time; 0: not started */
	tp_u64 next_step;
	tp_u64 kernel_epoch;	/* grows when the timing of system calls ends: what threads were in then is forgotten */
	tp_u64 shows_steps;	/* the map step_now is kept up; 0: nobody reads it */
	tp_u64 n_counters;	/* events that are cut at steps (counters.h); 0: none */
	tp_u64 rare[N_METERS - METER_RARE];	/* meters that seldom move, on a line that every cut reads anyhow */
	/* The next line: what no cut needs. */
	tp_u64 next_connection;
	tp_u64 kernel_on;	/* interrupts are timed: 0 between bursts */
	tp_u64 lone_server;	/* the only process in map `servers`; 0: there are others, or have been */
	tp_u64 kernel_turn;	/* what map `kernel_uses` is added to under: the recorder takes out those of earlier turns */
	tp_u64 wait_shift;	/* stacks of waits are taken, of those of 2^wait_shift ns and longer always; 0: none */
	tp_u64 wait_least_ns;	/* shorter waits are not told */
	tp_u64 pad[2];
};

static inline tp_u64 meter__start(tp_u64 t)
{
	return METER_ONE - t;
}

static inline tp_u64 meter__stop(tp_u64 t)
{
	return t - METER_ONE;
}

static inline tp_u64 meter__read(tp_u64 word, tp_u64 t)
{
	return word % (METER_ONE - t);
}

/* `t` in nanoseconds, as above; `weight`: of what starts to run, may be a negative difference. */
static inline tp_u64 clock__start(tp_u64 weight, tp_u64 t)
{
	return weight * (CLOCK_ONE - (t >> CLOCK_SHIFT));
}

static inline tp_u64 clock__stop(tp_u64 weight, tp_u64 t)
{
	return weight * ((t >> CLOCK_SHIFT) - CLOCK_ONE);
}

static inline tp_u64 clock__read(tp_u64 word, tp_u64 t)
{
	return word % (CLOCK_ONE - (t >> CLOCK_SHIFT));
}

static inline tp_u64 clock__weight(tp_u64 khz)
{
	return (khz + CLOCK_UNIT_KHZ / 2) / CLOCK_UNIT_KHZ;
}

/* A system call, a soft interrupt in it, a hard one in that, and one to spare. */
#define KERNEL_LEVELS 4		/* a power of two */

/* What map `threads` keeps of each thread of the server. */
struct thread_state {
	struct thread_times times;
	tp_u64 run_since_ns;	/* 0: not on a CPU, as far as is known */
	tp_u64 off_since_ns;	/* when it was last switched out; 0: not seen yet */
	tp_u64 wake_ns;		/* since when it is runnable and off the CPU; 0: blocked or running */
	tp_u64 faults_minor_base;
	tp_u64 faults_major_base;
	tp_u64 n_syscalls;	/* seen to end */
	tp_u32 tgid;
	tp_u32 kernel_epoch;	/* of kernel_depth: it says nothing in another */
	tp_u16 kernel_depth;	/* system call (1) plus nested interrupts */
	tp_u16 blocked_kind;	/* enum blocked_kind of the current wait */
	tp_u32 socket;		/* enum kernel_socket: what the system call that it is in has moved */
	tp_u64 kernel_since_ns[KERNEL_LEVELS];	/* per level of kernel_depth, later by what was not its own time */
	/* Stacks of waits (sched.bpf.c, stacks.bpf.c): */
	tp_u64 wait_chance;	/* of 2^32, that the stack of the current wait was taken; 0: it was not */
	tp_u32 wait_expected_ns[2];	/* how long its waits last: blocked, and displaced from its CPU; 0: none was seen */
	tp_u32 waker_tid;	/* of the current wait; 0: not seen, or an interrupt */
	tp_u32 waker_tgid;
};

enum blocked_kind {
	BLOCKED_OTHER = 0,
	BLOCKED_FUTEX = 1,
	BLOCKED_IO = 2,
	BLOCKED_SLEEP = 3,
	BLOCKED_FAULT = 4,	/* on a disk, in a page fault of its own code */
};

/*
 * What the kernel does for a thread, or on its CPU while the thread is on it: a family and a number in it. A system call that has
 * moved bytes of a socket is another kind than one that has not.
 */
enum kernel_family {
	KERNEL_SYSCALL = 0,	/* the system call's number */
	KERNEL_SOFTIRQ = 1,	/* the vector's number: enum in include/linux/interrupt.h */
	KERNEL_IRQ = 2,		/* handlers of devices: 0 */
	KERNEL_TIMER = 3,	/* the CPU's own timer: 0 */
};
enum kernel_socket {
	KERNEL_NO_SOCKET = 0,
	KERNEL_RECEIVES = 1,
	KERNEL_SENDS = 2,
};
#define KERNEL_KIND(family, socket, number) ((tp_u32)(family) << 24 | (tp_u32)(socket) << 16 | ((number)&0xffff))
#define KERNEL_KIND_FAMILY(kind) ((kind) >> 24)
#define KERNEL_KIND_SOCKET(kind) ((kind) >> 16 & 0xff)
#define KERNEL_KIND_NUMBER(kind) ((kind)&0xffff)

/* Map `kernel_uses`, per CPU: of one kind in one step, or in none (0). */
#define MAX_KERNEL_USES 4096
struct kernel_use_key {
	tp_u64 step;
	tp_u32 kind;
	tp_u32 turn;
};
struct kernel_use {
	tp_u64 count;		/* ended */
	tp_u64 ns;		/* of CPUs, without what interrupted it */
};

/* Where the fields of the engine's ubatch are, in bytes; LAYOUT_ABSENT: the build has no such field. */
#define LAYOUT_ABSENT 0xffff
#define MAX_LAYOUTS 16

struct layout {
	tp_u16 n_tokens;
	tp_u16 n_seqs_unq;
	tp_u16 token;
	tp_u16 embd;
	tp_u16 pos;
	tp_u16 n_seq_id;
	tp_u16 seq_id;
	tp_u16 output;
};

/* What a probe point of the engine means; a link's cookie is an index into map `engine_probes`. */
enum probe_role {
	PROBE_STEP_ENTRY = 0,
	PROBE_STEP_RETURN = 1,
	PROBE_UBATCH = 2,
	PROBE_MEMORY = 3,
	PROBE_SPECULATION_ENTRY = 4,
	PROBE_SPECULATION_RETURN = 5,
	PROBE_BATCH = 6,
	/* Probed in bursts (collectors/engine_operators.h): */
	PROBE_NODE = 7,		/* a thread begins to compute a node of a graph, the second argument */
	PROBE_GRAPH_ENTRY = 8,	/* the first argument is the graph */
	PROBE_GRAPH_RETURN = 9,
	PROBE_SAMPLING_ENTRY = 10,
	PROBE_SAMPLING_RETURN = 11,
	N_PROBE_ROLES = 12,
};

/* Calls that fill a batch whose struct is private. The first argument is the batch. */
enum batch_op {
	BATCH_CLEAR = 0,	/* (batch) */
	BATCH_ADD = 1,		/* (batch, sequence, ...): one more token; its index is how many there were */
	BATCH_SET_POSITION = 2,	/* (batch, index, const int *position) */
	BATCH_SET_OUTPUT = 3,	/* (batch, index, bool) */
	BATCH_ADD_SEQUENCE = 4,	/* (batch, index, sequence): of a token that has one already */
	BATCH_FREE = 5,		/* (batch) */
	BATCH_NEITHER = 6,	/* changes nothing of these: not probed */
	BATCH_FAMILY = 7,	/* no call of its own: all names that such a call may have */
};

#define MAX_ENGINE_PROBES 64	/* of one engine */
#define ENGINE_PROBE_ENTRIES 2048	/* of all engines of a session: the map's size */
#define ENGINE_LAYOUT_ENTRIES 256	/* record_rows.layout is 8 bits wide */

struct engine_probe_config {
	tp_u32 role;		/* enum probe_role */
	tp_u32 kind;		/* enum step_kind, enum memory_op or enum batch_op */
	tp_u32 batch_stack;	/* PROBE_STEP_ENTRY: offset of the public batch from the stack pointer; 0: none. On arm64
				 * only whether there is one: its address is the second argument */
	tp_u32 layout_first;	/* PROBE_UBATCH: the layouts to try: all that pass the self-check count, */
	tp_u32 layout_count;	/* exactly one must */
	/* Of a probe that stands for a return without being at it (userspace/probe_place.h): */
	tp_s32 frame;		/* the stack pointer at the function's entry, less `frame_word` of the saved registers */
	tp_u32 frame_word;
	tp_u32 condition;	/* the place counts where this x86 condition holds; PROBE_ALWAYS */
	tp_u32 value_word;	/* the function's value: this word of the saved registers, PROBE_CONSTANT: `value` */
	tp_s32 value;
	tp_u32 batch_argument;	/* PROBE_STEP_ENTRY: which argument is the address of a batch that calls fill; 0: none */
	tp_u16 node_op;		/* PROBE_NODE: where a node has the number of its operator, and its name */
	tp_u16 node_name;
	tp_u16 graph_nodes;	/* PROBE_GRAPH_ENTRY: where a graph has the number of its nodes; LAYOUT_ABSENT */
	tp_u16 reserved;
	tp_u64 hits;		/* written by the BPF program */
};
#define PROBE_ALWAYS 0xff
#define PROBE_CONSTANT 0xff

/*
 * Map `batches`: a batch that is being filled by calls, from a `clear` on. Entries are made and used only while all of these calls are
 * probed (collectors/engine_batches.h).
 */
#define MAX_BATCHES 16

struct batch_key {
	tp_u32 tgid;
	tp_u32 reserved;
	tp_u64 address;
};

struct batch_token {
	tp_s32 pos;
	tp_u16 seq;
	tp_u8 output;
	tp_u8 has_pos;
};

struct batch {
	tp_u32 n;
	tp_u32 lost;		/* it holds something that this cannot tell: its rows are unknown until the next `clear` */
	struct batch_token token[MAX_UBATCH_TOKENS];
};

/* Map `operator_control`, entry 0. */
struct operator_control {	/* the kernel counts down */
	tp_u32 steps_left;	/* steps that are in the burst, told or not */
	tp_u32 single_left;	/* steps with one token a sequence whose operators are told */
	tp_u32 several_left;	/* the same with more: prompts, drafts to be verified */
	tp_u32 reserved;
};

/* Map `engine_control`, entry 0. */
struct engine_control {
	tp_u32 enabled;
	tp_u32 max_sequences;	/* sequence ids are below it */
	tp_s32 max_position;
	tp_u32 reserved;
};

/* Map `connections`: what is known of a socket of the server. */
struct connection_key {
	tp_u32 tgid;
	tp_s32 fd;
};

struct connection_state {
	tp_u64 id;
};

/* Map `sockets`: the same by the socket's address in the kernel, which may be used again after the socket's end. */
struct socket_state {
	tp_u64 id;
	tp_u64 inode;
};

/* What the observer of `tokprof overhead` puts into its own ring: one send of the server. */
struct pulse {
	tp_u64 time_ns;
	tp_u32 tgid;
	tp_s32 fd;
};

/*
 * Map `step_now`: which step a thread is in (by its tid), and which steps the threads of a process are in (by its tgid with
 * STEP_OF_PROCESS): their number above, the sum of their numbers below, so that with one of them the sum is its number.
 */
#define STEP_OF_PROCESS (1u << 31)	/* pids are below 2^22 */
#define STEP_ONE (1ULL << 56)

/* --- calls into device drivers (ioctl.bpf.c) ------------------------------------------------------------------------- */

/* Map `devices`: a node by what the kernel's inode says, so that no descriptor has to be followed. */
enum device_kind {
	DEVICE_NODE = 1,	/* a character device: its number */
	DEVICE_FILE = 2,	/* a file that stands for one (tests): file system and inode number */
};
struct device_key {
	tp_u32 kind;		/* enum device_kind */
	tp_u32 device;		/* as in the kernel: major << 20 | minor */
	tp_u64 inode;		/* of a DEVICE_FILE */
};

enum device_flag {
	DEVICE_WHOLE = 1,	/* its commands are compared as a whole */
	DEVICE_COMMON = 2,	/* no accelerator: every program may use it */
};
struct device_state {
	tp_u32 id;		/* from 1 */
	tp_u32 flags;		/* enum device_flag; the recorder's */
	tp_u32 used;		/* the server has called it: then others' calls count, too */
	tp_u32 tgid;		/* who was first seen to use it, and by which descriptor, for its name */
	tp_s32 fd;
	tp_u32 reserved;
};

/* Map `arguments`: how the argument of a call is read; by device and command. */
struct argument_key {
	tp_u32 device;
	tp_u32 command;
};
struct argument_rule {
	tp_u16 sub_offset;
	tp_u16 sub_size;	/* 0: none; 1, 2, 4, 8 */
	tp_u16 status_offset[2];
	tp_u16 status_size[2];	/* of the whole argument, 0: any */
	tp_u16 n_status;
	tp_u16 wraps;		/* the number of the call that is meant, and where its argument is, are in the argument */
	tp_u16 number_offset;
	tp_u16 pointer_offset;
};

enum device_wait {
	WAIT_NONE = 0,
	WAIT_POLL = 1,		/* poll(), ppoll() */
	WAIT_EPOLL = 2,		/* epoll_wait() and its kin */
};

/* Map `calls`: one process's calls of one kind, in sum. */
struct call_key {
	tp_u32 device;
	tp_u32 command;
	tp_u64 sub;
	tp_u32 tgid;
	tp_u32 wait;		/* enum device_wait: no ioctl, but a wait for the device */
};
struct call_use {
	tp_u64 count;
	tp_u64 ns;
	tp_u64 failed;
};
struct call_state {
	tp_u64 id;		/* from 1 */
	struct call_use use;
	tp_u64 retries;		/* ended by EINTR or EAGAIN and made again: one call */
	tp_u64 unpaired;	/* seen to end only; in no other figure */
	tp_u64 last_ns;
	char comm[16];
};

/* Map `uses`: of one kind of call in one step, or in none (0); the recorder takes the entries out. */
struct use_key {
	tp_u64 step;
	tp_u64 call;
};

/* Map `inflight`: a thread's latest call. */
struct inflight {
	tp_u64 enter_ns;	/* 0: it has ended */
	tp_u64 end_ns;
	tp_u64 ns;		/* of the attempts that have ended */
	tp_u64 step;
	tp_u64 status;		/* address of the status in the argument; 0: none */
	tp_u64 retries;
	struct call_key key;
	tp_s32 fd;
	tp_u32 command;		/* as it was given */
	tp_u32 server;
	tp_u32 may_retry;	/* it has ended with EINTR or EAGAIN: it is booked when it is not made again */
};

/* Map `ioctl_control`, entry 0; mapped into the recorder. */
struct ioctl_control {
	tp_u64 next_device;
	tp_u64 next_call;
};

_Static_assert(sizeof(struct device_key) == 16 && sizeof(struct device_state) == 24, "devices");
_Static_assert(sizeof(struct argument_rule) == 20 && sizeof(struct call_key) == 24, "calls");
_Static_assert(sizeof(struct meters) == 64 * (METER_RARE + 2), "meters");
_Static_assert(sizeof(struct cpu_state) == 64, "cpu_state");
_Static_assert(sizeof(struct thread_state) == 80 + 48 + 16 + 8 * KERNEL_LEVELS + 24, "thread_state");
_Static_assert(sizeof(struct kernel_use_key) == 16 && sizeof(struct kernel_use) == 16, "kernel_uses");
_Static_assert(sizeof(struct layout) == 16, "layout");
_Static_assert(sizeof(struct batch_key) == 16, "batch_key");
_Static_assert(sizeof(struct batch) == 8 + 8 * MAX_UBATCH_TOKENS, "batch");

#endif
