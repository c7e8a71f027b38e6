/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * Stacks of the server's threads: on a CPU by a clock, off it by chance at the start of a wait.
 *
 * A waiting thread's memory can be read by its own process only. Where a thread of it does the waking, as of locks, the stack is
 * taken then, with a chance in proportion to the wait's length. Of other waits it has to be taken when they begin and nobody knows
 * how long they will be: with a chance in proportion to what waits at that place (thread, stack pointer) were so far. Each weighs
 * the more the less likely it was, so that sums are right on average whatever was expected.
 *
 * Budget: of a clock's sample about 2 us, and 0.2 to 0.7 us for each frame, a sample being taken 49 times a second and CPU. Of waits
 * one look-up in a hash per context switch of the host that leaves a thread, and one per wake-up, 50 to 100 ns each; where a
 * stack is taken, as a sample.
 */
#include "bpf/common.bpf.h"
#include "bpf/stacks.h"
#include "bpf/wait_reason.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define MAX_FRAMES (MAX_KERNEL_FRAMES + MAX_USER_FRAMES)
#define N_SITES 4096
#define N_HINTS 4096
#define LEAST_DISPLACED 64		/* a wait for a CPU is taken with a chance of 1/64 at least, */
#define LEAST_BLOCKED 1024		/* others, of which many are taken when they end, with one of 1/1024 */
#define USER_CS 0x33			/* x86: 64-bit code of a program */
#define PF_IO_WORKER 0x10		/* include/linux/sched.h, since 5.12 */
#define PF_KTHREAD 0x200000
#define CERTAIN (1ULL << 32)		/* a chance */

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

struct wait {
	tp_u64 start_ns;
	tp_u64 wake_ns;			/* 0: it waits */
	tp_u64 chance;			/* of 2^32 */
	tp_u32 site;
	tp_u32 waker_tid;
	tp_u32 waker_tgid;
	tp_u32 reserved;
};

/* Threads in a wait whose stack was taken. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, tp_u32);
	__type(value, struct wait);
} waits SEC(".maps");

/* How many of map `waits` have a number that ends so: most threads are in no such wait, and an array says so at once. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, N_HINTS);
	__type(key, tp_u32);
	__type(value, tp_u64);
} wait_hints SEC(".maps");

/* How long waits last at a place, in ns; 0: none was seen. Places that share an entry only have a worse guess. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, N_SITES);
	__type(key, tp_u32);
	__type(value, tp_u64);
} wait_sites SEC(".maps");

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

/* A thread is displaced anywhere: of that it has one place only. */
static __always_inline tp_u32 site_of(struct task_struct *task, bool runnable)
{
	const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(task);
	const tp_u64 place = runnable ? 1 : regs->sp >> 3;
	const tp_u64 key = place * 0x9e3779b97f4a7c15ULL + (tp_u64)task->pid * 0xff51afd7ed558ccdULL;

	return (key >> 40) % N_SITES;
}

static __always_inline void count_hint(tp_u32 tid, tp_u64 n)
{
	tp_u32 at = tid % N_HINTS;
	tp_u64 *hint = bpf_map_lookup_elem(&wait_hints, &at);

	if (hint)
		__sync_fetch_and_add(hint, n);
}

static __always_inline struct wait *find_wait(tp_u32 tid)
{
	tp_u32 at = tid % N_HINTS;
	const tp_u64 *hint = bpf_map_lookup_elem(&wait_hints, &at);

	return hint && *hint ? bpf_map_lookup_elem(&waits, &tid) : NULL;
}

static __always_inline void forget_wait(tp_u32 tid)
{
	if (bpf_map_delete_elem(&waits, &tid) == 0)
		count_hint(tid, -1);
}

/* @return whether it is in the map */
static __always_inline bool put_wait(struct stacks_control *c, tp_u32 tid, const struct wait *wait)
{
	forget_wait(tid);	/* of one that did not end: its thread's number is another's now */
	if (bpf_map_update_elem(&waits, &tid, wait, BPF_NOEXIST)) {
		__sync_fetch_and_add(&c->n_untaken, 1);
		return false;
	}
	count_hint(tid, 1);
	return true;
}

static __always_inline tp_u64 chance_of(const struct stacks_control *c, tp_u64 ns)
{
	return ns >= c->wait_period_ns ? CERTAIN : (ns << 32) / c->wait_period_ns;	/* ns is below a second */
}

static __always_inline void wait_begins(void *ctx, struct stacks_control *c, struct task_struct *task, bool runnable)
{
	const tp_u64 least = c->wait_period_ns / (runnable ? LEAST_DISPLACED : LEAST_BLOCKED);
	struct wait wait = {};
	tp_u32 tid = task->pid;
	tp_u64 *expected, ns;

	wait.site = site_of(task, runnable);
	expected = bpf_map_lookup_elem(&wait_sites, &wait.site);
	if (!expected)
		return;
	ns = *expected ? *expected : c->wait_period_ns;
	wait.chance = chance_of(c, ns < least ? least : ns);
	if (bpf_get_prandom_u32() >= wait.chance)
		return;
	wait.start_ns = bpf_ktime_get_ns();
	if (runnable)
		wait.wake_ns = wait.start_ns;
	if (!put_wait(c, tid, &wait))
		return;
	if (take(ctx, task, SAMPLE_WAIT, runnable ? SAMPLE_RUNQUEUE : classify_wait(task), wait.start_ns, 0)) {
		__sync_fetch_and_add(&c->n_waits, 1);
	} else {
		__sync_fetch_and_add(&c->n_lost, 1);
		forget_wait(tid);
	}
}

static __always_inline void wait_ends(struct stacks_control *c, const struct task_struct *task, struct wait *wait)
{
	const tp_u64 now = bpf_ktime_get_ns(), ns = now - wait->start_ns;
	tp_u64 *expected = bpf_map_lookup_elem(&wait_sites, &wait->site);
	struct record_wake *r;
	tp_u32 tid = task->pid;

	if (expected)
		*expected = *expected ? *expected - *expected / 4 + ns / 4 + 1 : ns + 1;
	if (ns >= c->wait_least_ns) {
		r = bpf_ringbuf_reserve(&events, sizeof(*r), 0);
		if (r) {
			fill_header(&r->h, RECORD_WAKE, sizeof(*r), now);
			r->h.tgid = task->tgid;
			r->h.tid = tid;
			r->start_ns = wait->start_ns;
			r->wake_ns = wait->wake_ns ? wait->wake_ns : now;
			r->chance = wait->chance;
			r->waker_tid = wait->waker_tid;
			r->waker_tgid = wait->waker_tgid;
			bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
		} else {
			__sync_fetch_and_add(&c->n_lost, 1);
		}
	}
	forget_wait(tid);
}

static __always_inline int on_switch(void *ctx, struct task_struct *prev, struct task_struct *next, unsigned int state)
{
	struct stacks_control *c = control__get();
	struct wait *wait;

	if (!c || !c->wait_least_ns)
		return 0;
	if (next->tgid) {
		wait = find_wait(next->pid);
		if (wait)
			wait_ends(c, next, wait);
	}
	if (prev->tgid && !(state & TASK_DEAD) && is_server(prev->tgid))
		wait_begins(ctx, c, prev, state == TASK_RUNNING);
	return 0;
}

/* As in sched.bpf.c: the state travels with the tracepoint since 5.18. */
SEC("?tp_btf/sched_switch")
int BPF_PROG(on_wait_switch, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)
{
	return on_switch(ctx, prev, next, prev_state);
}

SEC("?tp_btf/sched_switch")
int BPF_PROG(on_wait_switch_old, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	unsigned int state;

	if (bpf_core_field_exists(prev->__state))
		state = prev->__state;
	else
		state = (unsigned int)((struct task_struct___state *)prev)->state;
	return on_switch(ctx, prev, next, preempt ? TASK_RUNNING : state);
}

/* An interrupt wakes, too, and whom it interrupted has no part in it: a waker is in a system call. */
static __always_inline bool wakes_by_itself(struct task_struct *waker)
{
	const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(waker);

	return !(waker->flags & PF_KTHREAD) && SYSCALL_NR(regs) >= 0;
}

/* A long wait whose stack was not taken in the beginning. */
static __always_inline void take_waiting(struct stacks_control *c, struct task_struct *task,
					 const struct thread_state *ts, const struct wait *wait)
{
	tp_u32 tid = task->pid;

	if (!put_wait(c, tid, wait))
		return;
	if (take(NULL, task, SAMPLE_WAIT, ts->blocked_kind, wait->start_ns, 0)) {
		__sync_fetch_and_add(&c->n_waits, 1);
	} else {
		__sync_fetch_and_add(&c->n_lost, 1);
		forget_wait(tid);
	}
}

/* By the waker, on its own CPU; sched_wakeup may come from another one (ttwu_queue). Map `threads` is kept by sched.bpf.c. */
SEC("?tp_btf/sched_waking")
int BPF_PROG(on_waking, struct task_struct *task)
{
	struct task_struct *waker = bpf_get_current_task_btf();
	tp_u32 tid = task->pid;
	const struct thread_state *ts = bpf_map_lookup_elem(&threads, &tid);
	struct stacks_control *c;
	struct wait *wait, late = {};
	bool own;

	if (!ts || !ts->off_since_ns)
		return 0;
	c = control__get();
	wait = find_wait(tid);
	if (!c || (wait && wait->wake_ns))
		return 0;
	late.wake_ns = bpf_ktime_get_ns();
	if (!wait && late.wake_ns - ts->off_since_ns < c->wait_least_ns)
		return 0;
	own = waker->tgid == task->tgid && !(waker->flags & PF_KTHREAD);
	if (wakes_by_itself(waker)) {
		late.waker_tid = waker->pid;
		late.waker_tgid = waker->tgid;
	}
	late.chance = chance_of(c, late.wake_ns - ts->off_since_ns);
	late.start_ns = ts->off_since_ns;
	late.site = N_SITES;
	if (own && late.wake_ns - ts->off_since_ns >= c->wait_least_ns) {
		/* Decided now, also if it was taken in the beginning. */
		if (bpf_get_prandom_u32() >= late.chance) {
			if (wait)
				forget_wait(tid);
			return 0;
		}
		if (!wait && !ts->wake_ns && !ts->run_since_ns)
			take_waiting(c, task, ts, &late);
		if (!wait)
			return 0;
		wait->chance = late.chance;
	}
	if (wait) {
		wait->wake_ns = late.wake_ns;
		wait->waker_tid = late.waker_tid;
		wait->waker_tgid = late.waker_tgid;
	}
	return 0;
}
