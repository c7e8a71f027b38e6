/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks of the server's threads, sampled by a clock while they run, and by chance when they wait. What the kernel's side
 * unwinds user stacks with is made on a thread of its own (stacks_code.h); what becomes of samples is in stacks_samples.h.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collectors/collector.h"
#include "collectors/skeleton.h"
#include "collectors/stacks_code.h"
#include "collectors/stacks_samples.h"
#include "stacks.skel.h"
#include "userspace/counters/perf_open.h"
#include "userspace/session.h"

#define WAIT_SHIFT 27			/* waits of 134 ms are always taken; of a thread that waits all the time 7 a second */
#define MOST_WAIT_SHIFT 30
#define MOST_WAITS 10			/* stacks a second and CPU, before fewer are taken: each costs 10 to 25 us */

struct clock {				/* of one CPU */
	int fd;				/* -1: it is offline; while `link` is NULL, ours to close */
	struct bpf_link *link;
};

struct stacks {
	struct session *session;
	struct stacks_bpf *skel;
	struct stacks_control *control;	/* the kernel's, mapped */
	struct clock *clocks;
	size_t n_cpus;
	bool waits;			/* are attached */
	uint64_t wait_shift;		/* as in the meters then */
	struct stacks_code *code;
	struct stack_samples *samples;	/* NULL where nothing is recorded */
	uint64_t seen_waits, seen_ns, lost_seen, torn_seen, full_seen;
};

static void close_clocks(struct stacks *k)
{
	for (size_t i = 0; k->clocks && i < k->n_cpus; i++) {
		bpf_link__destroy(k->clocks[i].link);
		if (!k->clocks[i].link && k->clocks[i].fd >= 0)
			close(k->clocks[i].fd);
		k->clocks[i] = (struct clock){ .fd = -1 };
	}
}

static int open_clocks(struct stacks *k, uint64_t period_ns)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = period_ns,
		.exclude_idle = 1,
	};
	size_t n = 0;

	k->clocks = calloc(k->n_cpus, sizeof(*k->clocks));
	if (!k->clocks)
		return -ENOMEM;
	for (size_t i = 0; i < k->n_cpus; i++)
		k->clocks[i].fd = -1;
	for (size_t i = 0; i < k->n_cpus; i++) {
		const int fd = perf_calls__kernel.open(NULL, &attr, (int)i, -1);

		if (fd == -ENODEV)
			continue;
		if (fd < 0)
			return fd;
		k->clocks[i].fd = fd;
		k->clocks[i].link = bpf_program__attach_perf_event(k->skel->progs.on_cpu_sample, fd);
		if (!k->clocks[i].link)
			return -errno;
		n++;
	}
	return n ? 0 : -ENODEV;
}

static void detach_waits(struct stacks *k)
{
	if (k->session)
		k->session->meters->wait_shift = 0;
	k->waits = false;
}

static int put_program(int map, const struct bpf_program *program)
{
	const int fd = bpf_program__fd(program);
	const uint32_t zero = 0;

	return bpf_map_update_elem(map, &zero, &fd, BPF_ANY);
}

/* Waits are seen by the scheduler's programs, which call ours. */
static int attach_waits(struct stacks *k)
{
	struct session *s = k->session;
	int err;

	if (!s->options.wait_least_ns)
		return 0;
	err = put_program(s->wait_programs_fd, k->skel->progs.on_wait);
	if (!err)
		err = put_program(s->waking_programs_fd, k->skel->progs.on_waking);
	if (err)
		return err;
	s->meters->wait_least_ns = s->options.wait_least_ns;
	s->meters->wait_shift = k->wait_shift;
	k->waits = true;
	return 0;
}

static void stacks__free(struct stacks *k)
{
	if (!k)
		return;
	detach_waits(k);
	close_clocks(k);
	stacks_code__stop(k->code);
	stack_samples__free(k->samples);
	if (k->control)
		munmap(k->control, sizeof(*k->control));
	stacks_bpf__destroy(k->skel);
	free(k->clocks);
	free(k);
}

/* Without a shard the first look-up finds none: nothing else is needed in the beginning. */
static int load(struct stacks *k, uint32_t rate, bool waits)
{
	int err;

	k->skel = stacks_bpf__open();
	if (!k->skel)
		return -errno;
	bpf_program__set_autoload(k->skel->progs.on_wait, waits);
	bpf_program__set_autoload(k->skel->progs.on_waking, waits);
	err = k->session ? session__share_maps(k->session, k->skel->obj) : 0;
	if (!err)
		err = stacks_bpf__load(k->skel);
	if (err)
		return err;
	k->control = mmap(NULL, sizeof(*k->control), PROT_READ | PROT_WRITE, MAP_SHARED,
			  bpf_map__fd(k->skel->maps.stacks_control), 0);
	if (k->control == MAP_FAILED) {
		k->control = NULL;
		return -errno;
	}
	k->control->period_ns = 1000000000ULL / rate;
	return open_clocks(k, k->control->period_ns);
}

static int start_code(struct stacks *k)
{
	const struct kernel_tables tables = {
		.processes_fd = bpf_map__fd(k->skel->maps.unwind_processes),
		.mappings_fd = bpf_map__fd(k->skel->maps.unwind_mappings),
		.modules_fd = bpf_map__fd(k->skel->maps.unwind_modules),
		.rules_fd = bpf_map__fd(k->skel->maps.unwind_rules),
		.shards_fd = bpf_map__fd(k->skel->maps.unwind_shards),
	};

	return stacks_code__start(&k->code, &tables);
}

static int stacks_open(struct session *s, void **out)
{
	struct stacks *k;
	int err;

	if (!s->options.sample_rate) {
		session__note(s, "stacks", "absent", "not asked for");
		return -ECANCELED;
	}
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->session = s;
	k->n_cpus = s->n_cpus;
	k->wait_shift = WAIT_SHIFT;
	err = load(k, s->options.sample_rate, s->options.wait_least_ns != 0);
	if (!err)
		err = start_code(k);
	if (!err && s->writer) {
		k->samples = stack_samples__new(s, k->code);
		err = k->samples ? 0 : -ENOMEM;
	}
	if (!err)
		err = attach_waits(k);
	if (err) {
		stacks__free(k);
		return err;
	}
	k->seen_ns = monotonic_ns();
	*out = k;
	return 0;
}

static int stacks_attach(struct session *s, void *state, uint32_t pid)
{
	(void)s;
	stacks_code__look(((struct stacks *)state)->code, pid);
	return 0;
}

static void stacks_record(struct session *s, void *state, const struct record_header *h)
{
	struct stacks *k = state;
	const struct record_task *task = (const struct record_task *)h;

	(void)s;
	if (h->kind == RECORD_TASK) {
		if (h->size >= sizeof(*task) && task->op == TASK_EXIT && h->tid == h->tgid)
			stacks_code__forget(k->code, h->tgid);
	} else if (k->samples) {
		stack_samples__record(k->samples, h);
	}
}

/* A server whose threads wait in more places than expected: fewer are taken, and weigh more. */
static void adapt(struct stacks *k, uint64_t now_ns)
{
	struct stacks_control *c = k->control;
	const uint64_t n = c->n_waits - k->seen_waits, ns = now_ns - k->seen_ns;
	const uint64_t most = MOST_WAITS * k->n_cpus * ns / 1000000000;

	if (n > most && k->wait_shift < MOST_WAIT_SHIFT)
		k->wait_shift++;
	else if (n < most / 4 && k->wait_shift > WAIT_SHIFT)
		k->wait_shift--;
	if (k->waits)
		k->session->meters->wait_shift = k->wait_shift;
	k->seen_waits += n;
	k->seen_ns = now_ns;
}

static void lost(struct stacks *k, const char *kind, uint64_t n, uint64_t *seen)
{
	if (n > *seen)
		session__lost(k->session, "stacks", kind, (int64_t)(n - *seen));
	*seen = n;
}

static void stacks_tick(struct session *s, void *state, uint64_t now_ns)
{
	struct stacks *k = state;

	(void)s;
	adapt(k, now_ns);
	lost(k, "ring buffer full", k->control->n_lost, &k->lost_seen);
	if (!k->samples)
		return;
	lost(k, "wait without a stack", stack_samples__counts(k->samples)->n_torn, &k->torn_seen);
	lost(k, "more stacks than fit", stack_samples__counts(k->samples)->n_full, &k->full_seen);
}

static int stacks_set_enabled(struct session *s, void *state, bool on)
{
	struct stacks *k = state;
	int first = 0;

	(void)s;
	for (size_t i = 0; i < k->n_cpus; i++) {
		const int fd = k->clocks[i].fd;

		if (fd >= 0 && ioctl(fd, on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0) && !first)
			first = -errno;
	}
	if (!on)
		detach_waits(k);
	else if (!first)
		first = attach_waits(k);
	return first;
}

static size_t stacks_programs(void *state, int *fds, size_t max)
{
	return skeleton__programs(((struct stacks *)state)->skel->obj, fds, max);
}

/* What was not to be had, for the recording. */
static void note(struct stacks *k)
{
	const struct stack_samples_counts *n = stack_samples__counts(k->samples);
	struct stacks_code_counts code;
	char reason[200] = "";

	stacks_code__counts(k->code, &code);
	if (code.n_no_room || code.n_bad)
		snprintf(reason, sizeof(reason),
			 "%llu files have more unwind rows than fit, %llu functions damaged ones: stacks end there "
			 "(%llu of %llu)",
			 (unsigned long long)code.n_no_room, (unsigned long long)code.n_bad,
			 (unsigned long long)(n->n_cpu - n->n_ends[UNWIND_COMPLETE]), (unsigned long long)n->n_cpu);
	else if (k->waits && !k->session->meters_running)
		snprintf(reason, sizeof(reason), "no waits: they are seen by collector sched, which is absent");
	if (*reason)
		session__note(k->session, "stacks", "partial", reason);
}

static void stacks_close(struct session *s, void *state)
{
	struct stacks *k = state;

	(void)s;
	if (k->samples)
		note(k);
	stacks__free(k);
}

static int stacks_probe(struct sensor *out, int max)
{
	struct stacks *k;
	int err;

	if (max < 1)
		return 0;
	k = calloc(1, sizeof(*k));
	if (!k)
		return 0;
	k->n_cpus = 1;
	out[0] = (struct sensor){ .id = "stacks", .resource = "stacks of threads" };
	err = load(k, DEFAULT_SAMPLE_RATE, true);
	stacks__free(k);
	if (!err) {
		out[0].grade = GRADE_MEASURED;
		snprintf(out[0].source, sizeof(out[0].source), "perf cpu-clock, tp_btf sched_switch; .eh_frame in BPF");
	} else {
		snprintf(out[0].reason, sizeof(out[0].reason), "the programs could not be attached: %s",
			 strerror(-err));
		snprintf(out[0].remedy, sizeof(out[0].remedy),
			 "run as root on a kernel 5.17 or later with CONFIG_PERF_EVENTS");
	}
	return 1;
}

const struct collector collector_stacks = {
	.name = "stacks",
	.doc = "stacks of the server's threads, on a CPU and waiting",
	.record_kinds =
		1u << RECORD_SAMPLE | 1u << RECORD_WAKE | 1u << RECORD_STEP | 1u << RECORD_SOCKET | 1u << RECORD_TASK,
	.probe = stacks_probe,
	.open = stacks_open,
	.attach = stacks_attach,
	.record = stacks_record,
	.tick = stacks_tick,
	.set_enabled = stacks_set_enabled,
	.programs = stacks_programs,
	.close = stacks_close,
};
