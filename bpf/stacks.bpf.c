/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * Stacks of the server's threads: on a CPU by a clock, off it by chance at the start of a wait.
 *
 * A waiting thread's memory can be read by its own process only. Where a thread of it does the waking, as of locks, the stack is
 * taken then, with a chance in proportion to the wait's length. Of other waits it has to be taken when they begin and nobody knows
 * how long they will be: with a chance in proportion to what the thread's waits were so far. Each weighs the more the less likely it
 * was, so that sums are right on average whatever was expected. The scheduler's program (sched.bpf.c) decides, and calls the one here.
 *
 * Budget: 0.13 us for each frame whose rows are in the cache, 56 us at 404 frames, and up to ten times as much where they are not: 7 to 20 us
 * for a sample of a server, which is taken 49 times a second and CPU. A wait costs that where its stack is taken, and else nothing here. The
 * verifier goes through 22,000 instructions of each program.
 */
#include "bpf/common.bpf.h"
#include "bpf/stacks.h"
#include "bpf/wait_reason.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define MAX_FRAMES (MAX_KERNEL_FRAMES + MAX_USER_FRAMES)
#define USER_CS 0x33			/* x86: 64-bit code of a program */
#define PF_IO_WORKER 0x10		/* include/linux/sched.h, since 5.12 */
#define PF_KTHREAD 0x200000

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, tp_u32);
	__type(value, struct stacks_control);
} stacks_control SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, tp_u32);
	__type(value, struct unwind_process);
} unwind_processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, UNWIND_MAX_MAPPINGS);
	__type(key, tp_u32);
	__type(value, struct unwind_mapping);
} unwind_mappings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, UNWIND_MAX_MODULES);
	__type(key, tp_u32);
	__type(value, struct unwind_module);
} unwind_modules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, UNWIND_MAX_RULES);
	__type(key, tp_u32);
	__type(value, struct unwind_rule);
} unwind_rules SEC(".maps");

struct shard_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(tp_u32));
	__uint(value_size, sizeof(struct unwind_shard));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, UNWIND_MAX_SHARDS);
	__type(key, tp_u32);
	__array(values, struct shard_map);
} unwind_shards SEC(".maps");

#include "bpf/unwind.bpf.h"

struct scratch {
	struct unwind_state state;
	tp_u64 n;			/* frames of the user's */
	struct record_sample r;
};

/* One for each kind of sample: a performance event may interrupt the other kind's program. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, sizeof(tp_u32));
	__uint(value_size, sizeof(struct scratch) + MAX_FRAMES * sizeof(tp_u64));
} scratches SEC(".maps");

static __always_inline struct stacks_control *control__get(void)
{
	tp_u32 zero = 0;

	return bpf_map_lookup_elem(&stacks_control, &zero);
}

static long next_frame(tp_u32 i, void *ctx)
{
	tp_u32 kind = *(tp_u32 *)ctx, at;
	struct scratch *s = bpf_map_lookup_elem(&scratches, &kind);
	int end;

	if (!s)
		return 1;
	at = s->r.n_kernel + i;
	if (at >= MAX_FRAMES)
		return 1;
	end = unwind__step(&s->state, &s->r.frame[at]);
	s->n = i + 1;
	if (end == UNWIND_GOES_ON)
		return 0;
	s->r.user_end = end;
	return 1;
}

/* @return whether there is a user's part; else r.user_end says why */
static __always_inline bool begin_user(struct scratch *s, struct task_struct *task)
{
	const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(task);
	tp_u32 tgid = task->tgid;
	struct unwind_process *process;

	if (task->flags & (PF_KTHREAD | PF_IO_WORKER)) {
		s->r.user_end = UNWIND_KERNEL_THREAD;
		return false;
	}
	s->r.user_end = UNWIND_NONE;
#if defined(__TARGET_ARCH_x86)
	if (regs->cs != USER_CS)
		return false;
	s->state.ip = regs->ip;
	s->state.fp = regs->bp;
	s->state.lr = 0;
	s->state.r10 = regs->r10;
#else
	s->state.ip = regs->pc;
	s->state.fp = regs->regs[29];
	s->state.lr = regs->regs[30];
	s->state.r10 = 0;
#endif
	s->state.sp = regs->sp;
	if (!s->state.ip)
		return false;
	process = bpf_map_lookup_elem(&unwind_processes, &tgid);
	s->state.process.first = process ? process->first : 0;
	s->state.process.n = process ? process->n : 0;
	s->state.exact = 1;
	s->state.innermost = 1;
	s->state.end = UNWIND_COMPLETE;
	s->r.user_end = UNWIND_TRUNCATED;
	return true;
}

/*
 * Takes the stack of the current thread, or of a waiting one of its process, and sends it.
 * @ctx NULL: of another thread. @return whether it was sent
 */
static __always_inline bool take(void *ctx, struct task_struct *task, tp_u32 kind, tp_u16 reason, tp_u64 time,
				 tp_u64 weight)
{
	struct scratch *s = bpf_map_lookup_elem(&scratches, &kind);
	long size;
	tp_u64 n;

	if (!s)
		return false;
	s->r.weight_ns = weight;
	s->r.cpu = bpf_get_smp_processor_id();
	s->r.kind = kind;
	s->r.reason = reason;
	if (ctx)
		size = bpf_get_stack(ctx, s->r.frame, MAX_KERNEL_FRAMES * sizeof(tp_u64), 0);
	else
		size = bpf_get_task_stack(task, s->r.frame, MAX_KERNEL_FRAMES * sizeof(tp_u64), 0);
	s->r.n_kernel = size > 0 ? size / sizeof(tp_u64) : 0;
	s->n = 0;
	if (begin_user(s, task))
		bpf_loop(MAX_USER_FRAMES, next_frame, &kind, 0);
	s->r.n_user = s->n;
	n = s->n + s->r.n_kernel;
	if (n > MAX_FRAMES)
		return false;
	fill_header(&s->r.h, RECORD_SAMPLE, sizeof(s->r) + n * sizeof(tp_u64), time);
	s->r.h.tgid = task->tgid;
	s->r.h.tid = task->pid;
	return bpf_ringbuf_output(&events, &s->r, sizeof(s->r) + n * sizeof(tp_u64), BPF_RB_NO_WAKEUP) == 0;
}

SEC("perf_event")
int on_cpu_sample(void *ctx)
{
	struct stacks_control *c;

	if (!is_server(bpf_get_current_pid_tgid() >> 32))
		return 0;
	c = control__get();
	if (!c)
		return 0;
	if (take(ctx, bpf_get_current_task_btf(), SAMPLE_CPU, 0, bpf_ktime_get_ns(), c->period_ns))
		__sync_fetch_and_add(&c->n_samples, 1);
	else
		__sync_fetch_and_add(&c->n_lost, 1);
	return 0;
}

/* --- waits ----------------------------------------------------------------------------------------------------------- */

static __always_inline void take_wait(void *ctx, struct task_struct *task, struct thread_state *ts, tp_u16 reason)
{
	struct stacks_control *c = control__get();

	if (!c)
		return;
	if (take(ctx, task, SAMPLE_WAIT, reason, ts->off_since_ns, 0)) {
		__sync_fetch_and_add(&c->n_waits, 1);
	} else {
		__sync_fetch_and_add(&c->n_lost, 1);
		ts->wait_chance = 0;
	}
}

/* Not attached: called by sched.bpf.c, which has noted the start of the wait. */
SEC("?tp_btf/sched_switch")
int BPF_PROG(on_wait, bool preempt, struct task_struct *prev)
{
	tp_u32 tid = prev->pid;
	struct thread_state *ts = bpf_map_lookup_elem(&threads, &tid);

	if (ts)
		take_wait(ctx, prev, ts, ts->wake_ns == ts->off_since_ns ? SAMPLE_RUNQUEUE : ts->blocked_kind);
	return 0;
}

/* The same at the end of one, by a thread of the same process. */
SEC("?tp_btf/sched_waking")
int BPF_PROG(on_waking, struct task_struct *task)
{
	tp_u32 tid = task->pid;
	struct thread_state *ts = bpf_map_lookup_elem(&threads, &tid);

	if (ts)
		take_wait(NULL, task, ts, ts->blocked_kind);
	return 0;
}
