/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * Where the server's threads spend their time: on a CPU, in the kernel, runnable and waiting, blocked and on what.
 *
 * Sums stay in map `threads`; the server's running and in-kernel integrals go into `meters`, which the step probes read.
 * Budget: two map look-ups (about 60 ns) per context switch of the host, about 150 ns per switch of a server's thread,
 * 10 ns more where the CPU's frequency is known (frequency.bpf.c), and 20 where stacks of waits are taken; nothing per
 * token. System calls: about 0.4 us each, the kernel's slow path included, of which 50 ns are for the sums by step and
 * kind; where that is too much they and interrupts are timed in bursts only (collectors/sched_bursts.h).
 */
#include "bpf/common.bpf.h"
#include "bpf/stacks.h"
#include "bpf/wait_reason.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* What the kernel did while its calls were timed, by step and kind. Per CPU: threads that meet at a barrier all call futex. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, MAX_KERNEL_USES);
	__type(key, struct kernel_use_key);
	__type(value, struct kernel_use);
} kernel_uses SEC(".maps");

/* What takes the stack at the start of a wait, and at its end (stacks.bpf.c); empty where nobody samples. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(tp_u32));
	__uint(value_size, sizeof(tp_u32));
} wait_programs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(tp_u32));
	__uint(value_size, sizeof(tp_u32));
} waking_programs SEC(".maps");

#define PF_KTHREAD 0x200000	/* include/linux/sched.h */

/* Most waits are the switch itself, a few us after a wake-up: those do not make all CPUs add to one word. */
#define RUNQ_LEAST_NS 20000

static __always_inline bool thread__in_kernel(const struct thread_state *ts, const struct meters *m)
{
	return ts->kernel_depth && ts->kernel_epoch == (tp_u32)m->kernel_epoch;
}

static __always_inline struct thread_state *thread__get(const struct task_struct *task)
{
	tp_u32 tid = task->pid;
	struct thread_state *ts = bpf_map_lookup_elem(&threads, &tid);
	struct thread_state fresh = {};

	if (ts)
		return ts;
	fresh.tgid = task->tgid;
	fresh.faults_minor_base = task->min_flt;
	fresh.faults_major_base = task->maj_flt;
	if (bpf_map_update_elem(&threads, &tid, &fresh, BPF_NOEXIST)) {
		count_loss(LOSS_SCHED_THREADS);
		return NULL;
	}
	return bpf_map_lookup_elem(&threads, &tid);
}

/* CPUs are watched where the host tells of their frequency; elsewhere this is one look-up in an array. */
static __always_inline void cpu__starts_server(struct meters *m, tp_u64 t)
{
	tp_u32 cpu = bpf_get_smp_processor_id();
	struct cpu_state *c = bpf_map_lookup_elem(&cpus, &cpu);
	tp_u64 before;

	if (!c || !c->value)
		return;
	before = __sync_fetch_and_or(&c->value, CPU_RUNS_SERVER);
	if (before & CPU_RUNS_SERVER)
		return;
	if (before & CPU_FREQUENCY)
		__sync_fetch_and_add(&m->word[METER_CLOCK].value, clock__start(before & CPU_FREQUENCY, t));
	else
		__sync_fetch_and_add(&m->rare[METER_CLOCK_BLIND - METER_RARE], CPU_BLIND + 1);
}

static __always_inline void cpu__stops_server(struct meters *m, tp_u64 t)
{
	tp_u32 cpu = bpf_get_smp_processor_id();
	struct cpu_state *c = bpf_map_lookup_elem(&cpus, &cpu);
	tp_u64 before;

	if (!c || !c->value)
		return;
	before = __sync_fetch_and_and(&c->value, ~CPU_RUNS_SERVER);
	if (!(before & CPU_RUNS_SERVER))
		return;
	if (before & CPU_FREQUENCY)
		__sync_fetch_and_add(&m->word[METER_CLOCK].value, clock__stop(before & CPU_FREQUENCY, t));
	else
		__sync_fetch_and_add(&m->rare[METER_CLOCK_BLIND - METER_RARE], -1);
}

static __always_inline void thread__starts_running(struct thread_state *ts, struct meters *m, tp_u64 now)
{
	tp_u64 t = now - m->base_ns;

	if (ts->run_since_ns)
		return;
	ts->run_since_ns = now;
	__sync_fetch_and_add(&m->word[METER_CPU_NS].value, meter__start(t));
	cpu__starts_server(m, t);
	if (thread__in_kernel(ts, m)) {
		__sync_fetch_and_add(&m->word[METER_KERNEL_NS].value, meter__start(t));
		if (ts->off_since_ns)
			ts->kernel_since_ns[0] += now - ts->off_since_ns;
	}
}

static __always_inline void thread__stops_running(struct thread_state *ts, struct meters *m, tp_u64 now)
{
	tp_u64 t = now - m->base_ns;

	if (!ts->run_since_ns)
		return;
	ts->run_since_ns = 0;
	__sync_fetch_and_add(&m->word[METER_CPU_NS].value, meter__stop(t));
	cpu__stops_server(m, t);
	if (thread__in_kernel(ts, m))
		__sync_fetch_and_add(&m->word[METER_KERNEL_NS].value, meter__stop(t));
}

static __always_inline void thread__enters_kernel(struct thread_state *ts, struct meters *m, tp_u64 now)
{
	if (!thread__in_kernel(ts, m)) {
		ts->kernel_depth = 0;
		ts->kernel_epoch = (tp_u32)m->kernel_epoch;
	}
	ts->kernel_since_ns[ts->kernel_depth & (KERNEL_LEVELS - 1)] = now;
	if (ts->kernel_depth++ == 0)
		__sync_fetch_and_add(&m->word[METER_KERNEL_NS].value, meter__start(now - m->base_ns));
}

static __always_inline void thread__leaves_kernel(struct thread_state *ts, struct meters *m, tp_u64 now)
{
	if (!thread__in_kernel(ts, m))
		return;		/* it was in the kernel before its calls were watched */
	if (--ts->kernel_depth == 0)
		__sync_fetch_and_add(&m->word[METER_KERNEL_NS].value, meter__stop(now - m->base_ns));
}

/* The step that the thread's process is in: with several, the thread's own; 0: none, or it cannot be told. */
static __always_inline tp_u64 current_step(tp_u32 tgid)
{
	tp_u32 key = tgid | STEP_OF_PROCESS;
	tp_u64 *step = bpf_map_lookup_elem(&step_now, &key);

	if (!step || !*step)
		return 0;
	if (*step / STEP_ONE == 1)
		return *step % STEP_ONE;
	key = (tp_u32)bpf_get_current_pid_tgid();
	step = bpf_map_lookup_elem(&step_now, &key);
	return step ? *step : 0;
}

/* What the level that the thread is about to leave took of its own; the levels below it did nothing meanwhile. */
static __always_inline tp_u64 own_time(struct thread_state *ts, const struct meters *m, tp_u64 now)
{
	tp_u32 level = ts->kernel_depth - 1;
	tp_s64 ns;

	if (!thread__in_kernel(ts, m) || level >= KERNEL_LEVELS)
		return 0;	/* its beginning was not seen */
	ns = (tp_s64)(now - ts->kernel_since_ns[level & (KERNEL_LEVELS - 1)]);
	if (ns < 0)
		return 0;	/* interrupted since `now` was read */
#pragma unroll
	for (tp_u32 below = 0; below < KERNEL_LEVELS - 1; below++)
		if (below < level)
			ts->kernel_since_ns[below] += ns;
	return ns;
}

/* Programs on tracepoints are not preempted, and no interrupt is of the kind that it interrupts: plain additions do. */
static __always_inline void book_use(const struct thread_state *ts, const struct meters *m, tp_u32 kind, tp_u64 ns)
{
	struct kernel_use_key key = { .step = current_step(ts->tgid), .kind = kind, .turn = (tp_u32)m->kernel_turn };
	struct kernel_use *use = bpf_map_lookup_elem(&kernel_uses, &key), fresh = { 1, ns };

	if (use) {
		use->count++;
		use->ns += ns;
	} else if (bpf_map_update_elem(&kernel_uses, &key, &fresh, BPF_NOEXIST)) {
		/* Another CPU may have made the entry just now. */
		use = bpf_map_lookup_elem(&kernel_uses, &key);
		if (!use) {
			count_loss(LOSS_KERNEL_USES);
			return;
		}
		use->count++;
		use->ns += ns;
	}
}

static __always_inline void report_exit(const struct task_struct *task, struct thread_state *ts, tp_u64 now)
{
	struct record_task *r = bpf_ringbuf_reserve(&events, sizeof(*r), 0);
	tp_u32 tid = task->pid;

	if (!r) {
		count_loss(LOSS_SCHED_RING);
	} else {
		fill_header(&r->h, RECORD_TASK, sizeof(*r), now);
		r->h.tgid = task->tgid;
		r->h.tid = tid;
		r->op = TASK_EXIT;
		r->other_tid = 0;
		r->other_tgid = 0;
		r->reserved = 0;
		bpf_probe_read_kernel(r->comm, sizeof(r->comm), task->comm);
		r->times = ts->times;
		bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	}
	bpf_map_delete_elem(&threads, &tid);
}

/* A wait's stack can be taken now only, when its length is not known: with a chance in proportion to what is expected. */
static __always_inline bool wants_stack(struct thread_state *ts, const struct meters *m, tp_u32 displaced)
{
	const tp_u64 shift = m->wait_shift & 31;
	tp_u64 ns;

	ts->wait_chance = 0;
	if (!shift)
		return false;
	ns = ts->wait_expected_ns[displaced & 1];
	if (!ns)
		ns = 1ULL << shift;
	if (ns < (1ULL << shift) / (displaced ? WAIT_LEAST_DISPLACED : WAIT_LEAST_BLOCKED))
		ns = (1ULL << shift) / (displaced ? WAIT_LEAST_DISPLACED : WAIT_LEAST_BLOCKED);
	ns = wait_chance(ns, shift);
	if (bpf_get_prandom_u32() >= ns)
		return false;
	ts->wait_chance = ns;
	ts->waker_tid = 0;
	ts->waker_tgid = 0;
	return true;
}

static __always_inline void wait_ends(struct thread_state *ts, const struct meters *m, const struct task_struct *task,
				      tp_u64 now)
{
	const tp_u64 ns = now - ts->off_since_ns;
	const tp_u32 displaced = ts->wake_ns == ts->off_since_ns;
	const tp_u32 capped = ns >> 30 ? 1u << 30 : (tp_u32)ns;
	struct record_wake *r;
	tp_u32 expected;

	expected = ts->wait_expected_ns[displaced & 1];
	ts->wait_expected_ns[displaced & 1] = expected ? expected - expected / 8 + capped / 8 + 1 : capped + 1;
	if (!ts->wait_chance || ns < m->wait_least_ns)
		return;
	r = bpf_ringbuf_reserve(&events, sizeof(*r), 0);
	if (!r) {
		count_loss(LOSS_SCHED_RING);
		return;
	}
	fill_header(&r->h, RECORD_WAKE, sizeof(*r), now);
	r->h.tgid = task->tgid;
	r->h.tid = task->pid;
	r->start_ns = ts->off_since_ns;
	r->wake_ns = ts->wake_ns;
	r->chance = ts->wait_chance;
	r->waker_tid = ts->waker_tid;
	r->waker_tgid = ts->waker_tgid;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

/* @return whether its stack is to be taken */
static __always_inline bool switched_out(struct task_struct *task, struct meters *m, unsigned int state, tp_u64 now)
{
	struct thread_state *ts = thread__get(task);

	if (!ts)
		return false;
	thread__stops_running(ts, m, now);
	ts->times.exec_ns = task->se.sum_exec_runtime;
	ts->times.faults_minor = task->min_flt - ts->faults_minor_base;
	ts->times.faults_major = task->maj_flt - ts->faults_major_base;
	ts->off_since_ns = now;
	if (state == TASK_RUNNING) {
		ts->times.n_switches_involuntary++;
		ts->wake_ns = now;
		return wants_stack(ts, m, 1);
	}
	if (state & TASK_DEAD) {
		report_exit(task, ts, now);
		return false;
	}
	ts->times.n_switches_voluntary++;
	ts->wake_ns = 0;
	ts->blocked_kind = classify_wait(task);
	return wants_stack(ts, m, 0);
}

static __always_inline void end_wait(struct thread_state *ts, tp_u64 now)
{
	struct meters *m;
	tp_u64 waited;

	if (ts->wake_ns || !ts->off_since_ns)
		return;
	waited = now - ts->off_since_ns;
	ts->wake_ns = now;
	switch (ts->blocked_kind) {
	case BLOCKED_FUTEX:
		ts->times.blocked_futex_ns += waited;
		break;
	case BLOCKED_FAULT:
		m = meters__get();
		if (m)
			__sync_fetch_and_add(&m->rare[METER_FAULT_WAIT_NS - METER_RARE], waited);
		ts->times.blocked_io_ns += waited;
		break;
	case BLOCKED_IO:
		ts->times.blocked_io_ns += waited;
		break;
	case BLOCKED_SLEEP:
		ts->times.blocked_sleep_ns += waited;
		break;
	default:
		ts->times.blocked_other_ns += waited;
	}
}

static __always_inline void switched_in(const struct task_struct *task, struct meters *m, tp_u64 now)
{
	struct thread_state *ts = thread__get(task);
	tp_u64 waited;

	if (!ts)
		return;
	end_wait(ts, now);	/* a wake-up that was not seen */
	if (ts->wake_ns) {
		waited = now - ts->wake_ns;
		ts->times.runq_ns += waited;
		if (waited >= RUNQ_LEAST_NS)
			__sync_fetch_and_add(&m->word[METER_RUNQ_NS].value, waited);
	}
	if (m->wait_shift && ts->off_since_ns)
		wait_ends(ts, m, task, now);
	ts->wake_ns = 0;
	ts->wait_chance = 0;
	thread__starts_running(ts, m, now);
	ts->off_since_ns = 0;
}

static __always_inline int on_switch(void *ctx, struct task_struct *prev, struct task_struct *next,
				     unsigned int prev_state)
{
	/* Every other switch is from or to the idle task, which is nobody's. */
	tp_u32 out = prev->tgid ? is_server(prev->tgid) : 0, in = next->tgid ? is_server(next->tgid) : 0;
	bool takes_stack = false;
	struct meters *m;
	tp_u64 now;

	if (!out && !in)
		return 0;
	m = meters__get();
	if (!m)
		return 0;
	now = bpf_ktime_get_ns();
	if (out)
		takes_stack = switched_out(prev, m, prev_state, now);
	if (in)
		switched_in(next, m, now);
	if (takes_stack)
		bpf_tail_call(ctx, &wait_programs, 0);
	return 0;
}

/* The state travels with the tracepoint since 5.18 (commit fa2c3254d7cf); before, it is read from the task. */
SEC("tp_btf/sched_switch")
int BPF_PROG(on_sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)
{
	return on_switch(ctx, prev, next, prev_state);
}

SEC("?tp_btf/sched_switch")
int BPF_PROG(on_sched_switch_old, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	unsigned int state;

	if (bpf_core_field_exists(prev->__state))
		state = prev->__state;
	else
		state = (unsigned int)((struct task_struct___state *)prev)->state;
	return on_switch(ctx, prev, next, preempt ? TASK_RUNNING : state);
}

/* An interrupt wakes, too, and whom it interrupted has no part in it: a waker is in a system call. */
static __always_inline void note_waker(struct thread_state *ts, struct task_struct *waker)
{
	const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(waker);

	if (waker->flags & PF_KTHREAD || SYSCALL_NR(regs) < 0)
		return;
	ts->waker_tid = waker->pid;
	ts->waker_tgid = waker->tgid;
}

/* A thread of its own process wakes it: its stack can be read now. @return whether that is to be done */
static __always_inline bool wants_late_stack(struct thread_state *ts, const struct task_struct *task, tp_u64 now)
{
	const struct meters *m = meters__get();
	struct task_struct *waker = bpf_get_current_task_btf();
	bool takes = false;
	tp_u64 ns, taken;

	if (!m || !m->wait_shift || !ts->off_since_ns || ts->wake_ns)
		return false;
	ns = now - ts->off_since_ns;
	if (ns >= m->wait_least_ns && waker->tgid == task->tgid && !(waker->flags & PF_KTHREAD)) {
		/* Decided now, also if it was taken in the beginning. */
		taken = ts->wait_chance;
		ts->wait_chance = wait_chance(ns, m->wait_shift & 31);
		if (bpf_get_prandom_u32() >= ts->wait_chance)
			ts->wait_chance = 0;
		else
			takes = !taken;
	}
	if (ts->wait_chance)
		note_waker(ts, waker);
	return takes;
}

/* By the waker, on its own CPU; sched_wakeup may come from another one (ttwu_queue). */
SEC("tp_btf/sched_waking")
int BPF_PROG(on_sched_waking, struct task_struct *task)
{
	struct thread_state *ts;
	bool takes_stack;
	tp_u64 now;
	tp_u32 tid;

	if (!is_server(task->tgid))
		return 0;
	tid = task->pid;
	ts = bpf_map_lookup_elem(&threads, &tid);
	if (!ts || ts->run_since_ns)
		return 0;
	now = bpf_ktime_get_ns();
	takes_stack = wants_late_stack(ts, task, now);
	end_wait(ts, now);
	if (takes_stack)
		bpf_tail_call(ctx, &waking_programs, 0);
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(on_sched_wakeup_new, struct task_struct *task)
{
	struct thread_state *ts;

	if (!is_server(task->tgid))
		return 0;
	ts = thread__get(task);
	if (ts)
		ts->wake_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline void report_task(tp_u32 op, const struct task_struct *task, const struct task_struct *other)
{
	struct record_task *r = bpf_ringbuf_reserve(&events, sizeof(*r), 0);

	if (!r) {
		count_loss(LOSS_SCHED_RING);
		return;
	}
	__builtin_memset(r, 0, sizeof(*r));
	fill_header(&r->h, RECORD_TASK, sizeof(*r), bpf_ktime_get_ns());
	r->h.tgid = task->tgid;
	r->h.tid = task->pid;
	r->op = op;
	r->other_tid = other->pid;
	r->other_tgid = other->tgid;
	bpf_probe_read_kernel(r->comm, sizeof(r->comm), other->comm);
	bpf_ringbuf_submit(r, 0);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	tp_u32 tgid = child->tgid, one = 1;
	struct meters *m = meters__get();

	if (!m || !is_server(parent->tgid) || child->tgid == parent->tgid)
		return 0;
	bpf_map_update_elem(&servers, &tgid, &one, BPF_ANY);
	m->lone_server = 0;
	report_task(TASK_FORK, parent, child);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	if (is_server(task->tgid))
		report_task(TASK_EXEC, task, task);
	return 0;
}

static __always_inline struct thread_state *current_thread(struct meters **m, tp_u64 *now)
{
	tp_u64 id = bpf_get_current_pid_tgid();
	tp_u32 tid = (tp_u32)id;
	struct thread_state *ts;

	/* The server's own threads first, since most calls are theirs: one look-up, no second one for the process. */
	ts = bpf_map_lookup_elem(&threads, &tid);
	if (!ts) {
		if (!is_server(id >> 32))
			return NULL;
		ts = thread__get(bpf_get_current_task_btf());
	}
	*m = meters__get();
	if (!ts || !*m)
		return NULL;
	*now = bpf_ktime_get_ns();
	thread__starts_running(ts, *m, *now);	/* it was on a CPU when the recorder came */
	return ts;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(on_sys_enter, struct pt_regs *regs, long nr)
{
	struct thread_state *ts;
	struct meters *m = NULL;
	tp_u64 now;

	ts = current_thread(&m, &now);
	if (!ts)
		return 0;
	ts->socket = KERNEL_NO_SOCKET;
	if (thread__in_kernel(ts, m)) {
		ts->kernel_depth = 1;	/* nothing is nested at a system call's entry: an exit was missed, mend it */
		ts->kernel_since_ns[0] = now;
	} else {
		thread__enters_kernel(ts, m, now);
	}
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long ret)
{
	struct thread_state *ts;
	struct meters *m = NULL;
	tp_u64 now, ns;

	ts = current_thread(&m, &now);
	if (!ts)
		return 0;
	ts->n_syscalls++;
	ns = own_time(ts, m, now);
	thread__leaves_kernel(ts, m, now);
	if (m->kernel_on)	/* else a burst begins or has ended: to attach and detach takes its time */
		book_use(ts, m, KERNEL_KIND(KERNEL_SYSCALL, ts->socket, SYSCALL_NR(regs)), ns);
	return 0;
}

/* Attached throughout: to attach and detach them with each burst costs more than the look at the flag. */
static __always_inline int interrupt_begins(void)
{
	struct meters *m = meters__get();
	struct thread_state *ts;
	tp_u64 now;

	if (!m || !m->kernel_on)
		return 0;
	ts = current_thread(&m, &now);
	if (ts)
		thread__enters_kernel(ts, m, now);
	return 0;
}

static __always_inline int interrupt_ends(tp_u32 kind)
{
	struct meters *m = meters__get();
	struct thread_state *ts;
	tp_u64 now, ns;

	if (!m || !m->kernel_on)
		return 0;
	ts = current_thread(&m, &now);
	if (!ts || !thread__in_kernel(ts, m))
		return 0;	/* it began before interrupts were timed */
	ns = own_time(ts, m, now);
	thread__leaves_kernel(ts, m, now);
	book_use(ts, m, kind, ns);
	return 0;
}

SEC("?tp_btf/irq_handler_entry")
int BPF_PROG(on_irq_entry)
{
	return interrupt_begins();
}

SEC("?tp_btf/irq_handler_exit")
int BPF_PROG(on_irq_exit)
{
	return interrupt_ends(KERNEL_KIND(KERNEL_IRQ, 0, 0));
}

SEC("?tp_btf/softirq_entry")
int BPF_PROG(on_softirq_entry)
{
	return interrupt_begins();
}

SEC("?tp_btf/softirq_exit")
int BPF_PROG(on_softirq_exit, unsigned int vector)
{
	return interrupt_ends(KERNEL_KIND(KERNEL_SOFTIRQ, 0, vector));
}

SEC("?tp_btf/local_timer_entry")
int BPF_PROG(on_timer_entry)
{
	return interrupt_begins();
}

SEC("?tp_btf/local_timer_exit")
int BPF_PROG(on_timer_exit)
{
	return interrupt_ends(KERNEL_KIND(KERNEL_TIMER, 0, 0));
}

/* Inside the system call that moved the bytes, after it has: read() and write() are told from those of files. */
static __always_inline int socket_moved(enum kernel_socket way)
{
	tp_u32 tid = (tp_u32)bpf_get_current_pid_tgid();
	struct meters *m = meters__get();
	struct thread_state *ts;

	if (!m || !m->kernel_on)
		return 0;
	ts = bpf_map_lookup_elem(&threads, &tid);
	if (ts)
		ts->socket = way;
	return 0;
}

SEC("?tp_btf/sock_recv_length")
int BPF_PROG(on_socket_receive)
{
	return socket_moved(KERNEL_RECEIVES);
}

SEC("?tp_btf/sock_send_length")
int BPF_PROG(on_socket_send)
{
	return socket_moved(KERNEL_SENDS);
}

SEC("?tp_btf/page_fault_user")
int BPF_PROG(on_page_fault)
{
	struct meters *m;

	if (!is_server(bpf_get_current_pid_tgid() >> 32))
		return 0;
	m = meters__get();
	if (m)
		__sync_fetch_and_add(&m->word[METER_FAULTS].value, 1);
	return 0;
}
