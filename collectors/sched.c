/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler's side: what the threads of the server did with their time, and the totals of the ledger.
 *
 * CPU time of a thread is the scheduler's own account (sum_exec_runtime), read through the thread's CPU clock, which the
 * kernel brings up to date for a running thread, and by sched_switch for one that has ended. The total over all threads is
 * independent of the integral that the step probes cut; what lies between the two is the ledger's `unexplained`.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collectors/collector.h"
#include "collectors/sched_bursts.h"
#include "collectors/sched_kernel.h"
#include "collectors/sched_programs.h"
#include "collectors/skeleton.h"
#include "sched.skel.h"
#include "userspace/process.h"
#include "userspace/session.h"

#define FAULT_PAGES 2048

struct thread {
	uint32_t tid, pid;
	int64_t base_ns, cpu_ns;	/* the scheduler's account when it was first seen, and latest */
	bool exited;
	struct thread_times times;
	char comm[16];
};

struct target {
	uint32_t pid;
	int64_t clock_base_ns, clock_ns;	/* the process's CPU clock */
	int64_t stime_base_ns, stime_ns;	/* sampled by the tick */
	bool gone;
};

struct sched {
	struct sched_bpf *skel;
	struct thread *threads;
	size_t n_threads, capacity;
	struct target targets[MAX_TARGETS];
	size_t n_targets;
	struct sched_features has;
	struct bursts bursts;
	struct sched_kernel kernel;
	uint64_t burst_written_ns;	/* begin of the latest that is in the recording, with its end */
};

static int compare_i64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/*
 * What a minor fault costs on this host: the end of a fault cannot be seen without kprobes, so its time is derived from
 * the count. Median of a few runs over fresh anonymous pages; the touch itself is a few nanoseconds.
 */
static int64_t calibrate_fault_ns(void)
{
	long page = sysconf(_SC_PAGESIZE);
	int64_t runs[5];
	int i, n = 0;
	long k;

	for (i = 0; i < 5; i++) {
		size_t size = (size_t)(FAULT_PAGES * page);
		char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		uint64_t start;

		if (p == MAP_FAILED)
			continue;
		madvise(p, size, MADV_NOHUGEPAGE);
		start = monotonic_ns();
		for (k = 0; k < FAULT_PAGES; k++)
			*(volatile char *)(p + k * page) = 1;
		runs[n++] = (int64_t)(monotonic_ns() - start) / FAULT_PAGES;
		munmap(p, size);
	}
	if (n == 0)
		return 0;
	qsort(runs, (size_t)n, sizeof(runs[0]), compare_i64);
	return runs[n / 2];
}

/* How kernel time was had, for the recording; told again at the end, when it is known whether all of it was watched. */
static void describe_kernel_time(struct session *s, const struct sched *sched, char *source, size_t source_size,
				 char *reason, size_t reason_size)
{
	const int64_t cpu = session__cpu_now(s);
	const int64_t covered =
		s->kernel_time.covered + (bursts__timed(&sched->bursts) ? cpu - sched->bursts.begun_cpu_ns : 0);

	snprintf(source, source_size, "system call entry to exit on a CPU%s; page faults at %lld ns each",
		 sched->has.interrupts ? ", hard and soft interrupts" : "", (long long)s->fault_ns);
	if (!kernel_time__exact(&s->kernel_time) && cpu > 0)
		snprintf(reason, reason_size,
			 "timed in bursts that hold %.0f %% of the CPU time, and taken to be the same part of it "
			 "between "
			 "them: to time every system call would cost this server more than %.1f %%",
			 100.0 * (double)covered / (double)cpu, 100 * SYSCALL_BUDGET);
	else if (sched->has.faults)
		snprintf(reason, reason_size,
			 "measured, but for the time of page faults, which is derived from their count");
	else
		snprintf(reason, reason_size,
			 "time of page faults not included: this kernel has no tracepoint for them");
}

static void register_resources(struct session *s, const struct sched *sched)
{
	char kernel_source[200], kernel_reason[240];
	const struct row_resource rows[] = {
		{ RESOURCE_CPU_NS, "cpu_ns", "ns", RESOURCE_ADDITIVE, GRADE_MEASURED,
		  "scheduler: sum_exec_runtime of all threads; within steps an integral of running threads", NULL },
		/* A sum with a derived part is derived: no figure is graded better than its weakest part. */
		{ RESOURCE_KERNEL_NS, "kernel_ns", "ns", RESOURCE_ADDITIVE,
		  sched->has.faults || !kernel_time__exact(&s->kernel_time) ? GRADE_DERIVED : GRADE_MEASURED,
		  kernel_source, kernel_reason },
		{ RESOURCE_FAULTS, "faults", "1", RESOURCE_ADDITIVE,
		  sched->has.faults ? GRADE_MEASURED : GRADE_UNAVAILABLE, "tracepoint exceptions:page_fault_user",
		  sched->has.faults ? NULL : "this kernel has no tracepoint exceptions:page_fault_user" },
		{ RESOURCE_RUNQ_NS, "runq_ns", "ns", RESOURCE_DURATION, GRADE_MEASURED,
		  "sched_waking and sched_switch of the thread that runs the step", NULL },
		{ RESOURCE_BLOCKED_NS, "blocked_ns", "ns", RESOURCE_DURATION, GRADE_MEASURED,
		  "sched_switch and sched_waking of the thread that runs the step", NULL },
		{ RESOURCE_FUTEX_NS, "futex_ns", "ns", RESOURCE_DURATION, GRADE_MEASURED,
		  "the part of the blocked time that the thread was in system call futex", NULL },
	};
	size_t i;

	describe_kernel_time(s, sched, kernel_source, sizeof(kernel_source), kernel_reason, sizeof(kernel_reason));
	for (i = 0; s->writer && i < sizeof(rows) / sizeof(rows[0]); i++)
		recording_writer__resource(s->writer, &rows[i]);
}

static int attach_all(struct session *s, struct sched *sched)
{
	struct bpf_program *const programs[MAX_BURST_PROGRAMS] = {
		sched->skel->progs.on_sys_enter,
		sched->skel->progs.on_sys_exit,
	};
	int err;

	bursts__init(&sched->bursts, programs, MAX_BURST_PROGRAMS);
	for (size_t i = 0; i < MAX_BURST_PROGRAMS; i++)
		bpf_program__set_autoattach(programs[i], false);
	err = sched_bpf__attach(sched->skel);
	return err ? err : bursts__start(&sched->bursts, s);
}

static int sched_open(struct session *s, void **out)
{
	struct sched *sched = calloc(1, sizeof(*sched));
	int err;

	if (!sched)
		return -ENOMEM;
	sched->skel = sched_bpf__open();
	if (!sched->skel) {
		free(sched);
		return -errno;
	}
	sched_programs__choose(sched->skel, &sched->has);
	err = session__share_maps(s, sched->skel->obj);
	if (!err)
		err = sched_bpf__load(sched->skel);
	if (!err)
		err = sched_kernel__open(&sched->kernel, s, bpf_map__fd(sched->skel->maps.kernel_uses));
	if (!err)
		err = attach_all(s, sched);
	if (err) {
		bursts__stop(&sched->bursts);
		sched_kernel__close(&sched->kernel);
		sched_bpf__destroy(sched->skel);
		free(sched);
		return err;
	}
	s->meters_running = true;
	s->meters->shows_steps = 1;
	s->fault_ns = sched->has.faults ? calibrate_fault_ns() : 0;
	if (s->writer && sched->has.faults)
		recording_writer__put_meta_int(s->writer, "fault_ns", s->fault_ns);
	register_resources(s, sched);
	*out = sched;
	return 0;
}

/* --- threads ------------------------------------------------------------------------------------------------------- */

static struct thread *thread__find(struct sched *sched, uint32_t tid)
{
	size_t i;

	/* The latest first: a thread number may be used again. */
	for (i = sched->n_threads; i-- > 0;)
		if (sched->threads[i].tid == tid)
			return &sched->threads[i];
	return NULL;
}

static struct thread *thread__add(struct sched *sched, uint32_t pid, uint32_t tid)
{
	struct thread *t;

	if (sched->n_threads == sched->capacity) {
		size_t capacity = sched->capacity ? 2 * sched->capacity : 64;

		t = realloc(sched->threads, capacity * sizeof(*t));
		if (!t)
			return NULL;
		sched->threads = t;
		sched->capacity = capacity;
	}
	t = &sched->threads[sched->n_threads++];
	memset(t, 0, sizeof(*t));
	t->pid = pid;
	t->tid = tid;
	return t;
}

/* Read the clocks of all living threads of a target. `first`: what they had used before does not count. */
static void read_threads(struct sched *sched, struct target *target, bool first)
{
	uint32_t *tids = NULL;
	size_t n = 0, i;

	if (process__threads(target->pid, &tids, &n)) {
		target->gone = true;
		return;
	}
	for (i = 0; i < n; i++) {
		int64_t cpu_ns = process__thread_cpu_ns(target->pid, tids[i]);
		struct thread *t = thread__find(sched, tids[i]);

		if (cpu_ns < 0)
			continue;	/* it has just ended: sched_switch tells its final account */
		if (!t || t->exited) {
			t = thread__add(sched, target->pid, tids[i]);
			if (!t)
				break;
			t->base_ns = first ? cpu_ns : 0;
		}
		t->cpu_ns = cpu_ns;
		if (!t->comm[0])
			process__thread_comm(target->pid, tids[i], t->comm, sizeof(t->comm));
	}
	free(tids);
}

static void read_target(struct sched *sched, struct target *target, bool first)
{
	int64_t clock_ns, utime_ns, stime_ns;

	if (target->gone)
		return;
	read_threads(sched, target, first);
	clock_ns = process__cpu_ns(target->pid);
	if (clock_ns >= 0)
		target->clock_ns = clock_ns;
	if (process__times(target->pid, &utime_ns, &stime_ns) == 0)
		target->stime_ns = stime_ns;
	if (first) {
		target->clock_base_ns = target->clock_ns;
		target->stime_base_ns = target->stime_ns;
	}
}

static int sched_attach(struct session *s, void *state, uint32_t pid)
{
	struct sched *sched = state;
	struct target *target;
	size_t i;
	bool newborn = session__is_newborn(s, pid);

	for (i = 0; i < sched->n_targets; i++)
		if (sched->targets[i].pid == pid)
			return 0;
	if (sched->n_targets == MAX_TARGETS)
		return -ENOSPC;
	target = &sched->targets[sched->n_targets++];
	memset(target, 0, sizeof(*target));
	target->pid = pid;
	read_target(sched, target, !newborn);
	if (newborn) {
		target->clock_base_ns = 0;
		target->stime_base_ns = 0;
	}
	return 0;
}

static void sched_record(struct session *s, void *state, const struct record_header *h)
{
	const struct record_task *r = (const struct record_task *)h;
	struct sched *sched = state;
	struct thread *t;

	(void)s;
	if (h->size < sizeof(*r) || r->op != TASK_EXIT)
		return;
	t = thread__find(sched, h->tid);
	if (!t || t->exited)
		t = thread__add(sched, h->tgid, h->tid);	/* lived and died between two ticks */
	if (!t)
		return;
	t->exited = true;
	t->cpu_ns = (int64_t)r->times.exec_ns;
	t->times = r->times;
	memcpy(t->comm, r->comm, sizeof(t->comm));
	t->comm[sizeof(t->comm) - 1] = 0;
}

static void write_samples(struct session *s, uint64_t now)
{
	int64_t values[METER_RESOURCES];
	int i;

	session__cut_now(s, values);
	for (i = 0; i < METER_RESOURCES; i++) {
		struct row_sample row = { .time_ns = now, .resource = meter_resources[i], .value = values[i] };

		recording_writer__sample(s->writer, &row);
	}
}

/* One that goes on is written again with a later end. */
static void write_burst(struct session *s, struct sched *sched)
{
	const struct bursts *b = &sched->bursts;
	const int64_t cpu_end = b->ended_ns ? b->ended_cpu_ns : session__cpu_now(s);
	const struct row_kernel_burst row = {
		.start_ns = b->begun_ns,
		.end_ns = b->ended_ns ? b->ended_ns : monotonic_ns(),
		.cpu_ns = cpu_end > b->begun_cpu_ns ? cpu_end - b->begun_cpu_ns : 0,
	};

	if (!b->begun_ns || sched->burst_written_ns == b->begun_ns)
		return;
	if (b->ended_ns)
		sched->burst_written_ns = b->begun_ns;
	recording_writer__kernel_burst(s->writer, &row);
}

static void sched_tick(struct session *s, void *state, uint64_t now_ns)
{
	struct sched *sched = state;
	size_t i;

	for (i = 0; i < sched->n_targets; i++)
		read_target(sched, &sched->targets[i], false);
	if (s->writer) {
		(void)now_ns;
		write_samples(s, monotonic_ns());
		write_burst(s, sched);
	}
}

static uint64_t count_syscalls(const struct session *s, const struct sched *sched)
{
	uint64_t n = 0;

	for (size_t i = 0; i < sched->n_threads; i++) {
		struct thread_state live;

		if (!sched->threads[i].exited && bpf_map_lookup_elem(s->threads_fd, &sched->threads[i].tid, &live) == 0)
			n += live.n_syscalls;
	}
	return n;
}

static void sched_turn(struct session *s, void *state, uint64_t now_ns)
{
	struct sched *sched = state;

	sched_kernel__drain(&sched->kernel, now_ns, bursts__timed(&sched->bursts), false);
	if (s->writer && sched->bursts.ended_ns && sched->burst_written_ns != sched->bursts.begun_ns)
		write_burst(s, sched);
	if (bursts__due(&sched->bursts, now_ns))
		bursts__turn(&sched->bursts, s, now_ns, count_syscalls(s, sched));
}

static int sched_set_enabled(struct session *s, void *state, bool on)
{
	struct sched *sched = state;
	int err;

	if (!on) {
		err = bursts__suspend(&sched->bursts, s, true);
		sched_bpf__detach(sched->skel);
		return err;
	}
	err = sched_bpf__attach(sched->skel);
	return err ? err : bursts__suspend(&sched->bursts, s, false);
}

static void write_threads(struct session *s, struct sched *sched)
{
	size_t i;

	for (i = 0; i < sched->n_threads; i++) {
		struct thread *t = &sched->threads[i];
		struct thread_state live;
		struct row_thread row;

		if (!t->exited && bpf_map_lookup_elem(s->threads_fd, &t->tid, &live) == 0)
			t->times = live.times;
		row = (struct row_thread){
			.tid = t->tid,
			.pid = t->pid,
			.comm = t->comm,
			.cpu_ns = t->cpu_ns - t->base_ns,
			.runq_ns = (int64_t)t->times.runq_ns,
			.blocked_futex_ns = (int64_t)t->times.blocked_futex_ns,
			.blocked_io_ns = (int64_t)t->times.blocked_io_ns,
			.blocked_sleep_ns = (int64_t)t->times.blocked_sleep_ns,
			.blocked_other_ns = (int64_t)t->times.blocked_other_ns,
			.n_switches_voluntary = (int64_t)t->times.n_switches_voluntary,
			.n_switches_involuntary = (int64_t)t->times.n_switches_involuntary,
			.faults_minor = (int64_t)t->times.faults_minor,
			.faults_major = (int64_t)t->times.faults_major,
			.exited = t->exited,
		};
		recording_writer__thread(s->writer, &row);
	}
}

static void write_totals(struct session *s, struct sched *sched)
{
	int64_t values[METER_RESOURCES], cpu_ns = 0, clock_ns = 0, stime_ns = 0;
	bool any_gone = false;
	size_t i;

	for (i = 0; i < sched->n_threads; i++)
		cpu_ns += sched->threads[i].cpu_ns - sched->threads[i].base_ns;
	for (i = 0; i < sched->n_targets; i++) {
		clock_ns += sched->targets[i].clock_ns - sched->targets[i].clock_base_ns;
		stime_ns += sched->targets[i].stime_ns - sched->targets[i].stime_base_ns;
		any_gone |= sched->targets[i].gone;
	}
	session__cut_now(s, values);

	const struct row_total rows[] = {
		/* A process that has ended took its clock along: its last reading is up to a second old. */
		{ RESOURCE_CPU_NS, cpu_ns, "schedstat", any_gone ? ABSENT : clock_ns, "process CPU clock" },
		{ RESOURCE_KERNEL_NS, values[1], "system call and interrupt tracepoints", any_gone ? ABSENT : stime_ns,
		  "stime, sampled by the tick" },
		{ RESOURCE_FAULTS, values[2], "tracepoint", ABSENT, NULL },
	};
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].resource != RESOURCE_FAULTS || sched->has.faults)
			recording_writer__total(s->writer, &rows[i]);
}

static void sched_close(struct session *s, void *state)
{
	struct sched *sched = state;

	if (s->writer) {
		write_burst(s, sched);
		register_resources(s, sched);
		write_threads(s, sched);
		write_totals(s, sched);
	}
	s->meters_running = false;
	bursts__stop(&sched->bursts);
	sched_bpf__detach(sched->skel);
	sched_kernel__drain(&sched->kernel, monotonic_ns(), false, true);
	sched_kernel__close(&sched->kernel);
	sched_bpf__destroy(sched->skel);
	free(sched->threads);
	free(sched);
}

static size_t sched_programs(void *state, int *fds, size_t max)
{
	return skeleton__programs(((struct sched *)state)->skel->obj, fds, max);
}

const struct collector collector_sched = {
	.name = "sched",
	.doc = "on-CPU, run-queue, blocked and kernel time of the server's threads, cut at step boundaries",
	.record_kinds = 1u << RECORD_TASK,
	.probe = sched_programs__probe,
	.open = sched_open,
	.attach = sched_attach,
	.record = sched_record,
	.tick = sched_tick,
	.turn = sched_turn,
	.set_enabled = sched_set_enabled,
	.programs = sched_programs,
	.close = sched_close,
};
