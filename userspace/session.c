/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/session.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "userspace/process.h"

#define DEFAULT_RING_BYTES (8u << 20)
/* 10 GHz: no processor has more. */
#define MOST_CLOCK_WEIGHT 400

uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static const struct {
	const char *collector, *name;
} loss_kinds[N_LOSSES] = {
	[LOSS_ENGINE_RING] = { "engine", "ring buffer full" },
	[LOSS_ENGINE_ROWS] = { "engine", "too many rows" },
	[LOSS_ENGINE_UNREADABLE] = { "engine", "arguments unreadable" },
	[LOSS_WIRE_RING] = { "wire", "ring buffer full" },
	[LOSS_WIRE_UNREADABLE] = { "wire", "bytes unreadable" },
	[LOSS_WIRE_UNSEEN] = { "wire", "bytes moved unseen" },
	[LOSS_SCHED_RING] = { "sched", "ring buffer full" },
	[LOSS_SCHED_THREADS] = { "sched", "too many threads" },
	[LOSS_KERNEL_USES] = { "sched", "more system calls in steps than fit" },
	[LOSS_IOCTL_MAPS] = { "ioctl", "more devices or calls than fit" },
};

const char *loss__collector(enum loss_kind kind)
{
	return loss_kinds[kind].collector;
}

const char *loss__name(enum loss_kind kind)
{
	return loss_kinds[kind].name;
}

/* --- shared maps --------------------------------------------------------------------------------------------------- */

static struct {
	const char *name;
	size_t fd_offset;
} const shared_maps[] = {
	{ "events", offsetof(struct session, events_fd) },
	{ "servers", offsetof(struct session, servers_fd) },
	{ "meters", offsetof(struct session, meters_fd) },
	{ "threads", offsetof(struct session, threads_fd) },
	{ "losses", offsetof(struct session, losses_fd) },
	{ "cpus", offsetof(struct session, cpus_fd) },
	{ "counters", offsetof(struct session, counters_fd) },
	{ "counter_cpus", offsetof(struct session, counter_cpus_fd) },
	{ "counter_events", offsetof(struct session, counter_events_fd) },
	{ "step_now", offsetof(struct session, step_now_fd) },
	{ "wait_programs", offsetof(struct session, wait_programs_fd) },
	{ "waking_programs", offsetof(struct session, waking_programs_fd) },
};

static int *shared_fd(struct session *s, size_t i)
{
	return (int *)((char *)s + shared_maps[i].fd_offset);
}

int session__share_maps(struct session *s, struct bpf_object *object)
{
	size_t i;

	for (i = 0; i < sizeof(shared_maps) / sizeof(shared_maps[0]); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, shared_maps[i].name);
		int err;

		if (!map)
			continue;
		err = bpf_map__reuse_fd(map, *shared_fd(s, i));
		if (err)
			return err;
	}
	return 0;
}

static int make_map(int *fd, enum bpf_map_type type, const char *name, uint32_t key, uint32_t value, uint32_t n,
		    uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);

	*fd = bpf_map_create(type, name, key, value, n, &opts);
	return *fd < 0 ? *fd : 0;
}

static int make_shared_maps(struct session *s)
{
	uint32_t ring = s->options.ring_bytes ? s->options.ring_bytes : DEFAULT_RING_BYTES;
	int err, n_cpus = libbpf_num_possible_cpus();

	if (n_cpus <= 0)
		return n_cpus ? n_cpus : -ENODEV;
	s->n_cpus = (size_t)n_cpus;
	/* As declared in bpf/common.bpf.h; the ring's size is the user's. */
	err = make_map(&s->events_fd, BPF_MAP_TYPE_RINGBUF, "events", 0, 0, ring, 0);
	if (!err)
		err = make_map(&s->servers_fd, BPF_MAP_TYPE_HASH, "servers", 4, 4, 4096, 0);
	if (!err)
		err = make_map(&s->meters_fd, BPF_MAP_TYPE_ARRAY, "meters", 4, sizeof(struct meters), 1,
			       BPF_F_MMAPABLE);
	if (!err)
		err = make_map(&s->threads_fd, BPF_MAP_TYPE_HASH, "threads", 4, sizeof(struct thread_state), 16384, 0);
	if (!err)
		err = make_map(&s->step_now_fd, BPF_MAP_TYPE_HASH, "step_now", 4, 8, 4096, 0);
	if (!err)
		err = make_map(&s->wait_programs_fd, BPF_MAP_TYPE_PROG_ARRAY, "wait_programs", 4, 4, 1, 0);
	if (!err)
		err = make_map(&s->waking_programs_fd, BPF_MAP_TYPE_PROG_ARRAY, "waking_programs", 4, 4, 1, 0);
	if (!err)
		err = make_map(&s->losses_fd, BPF_MAP_TYPE_PERCPU_ARRAY, "losses", 4, 8, N_LOSSES, 0);
	if (!err)
		err = make_map(&s->cpus_fd, BPF_MAP_TYPE_ARRAY, "cpus", 4, sizeof(struct cpu_state),
			       (uint32_t)s->n_cpus, 0);
	if (!err)
		err = make_map(&s->counters_fd, BPF_MAP_TYPE_ARRAY, "counters", 4, sizeof(struct counter_control), 1,
			       BPF_F_MMAPABLE);
	if (!err)
		err = make_map(&s->counter_cpus_fd, BPF_MAP_TYPE_ARRAY, "counter_cpus", 4, sizeof(struct counter_cpu),
			       (uint32_t)s->n_cpus, BPF_F_MMAPABLE);
	if (!err)
		err = make_map(&s->counter_events_fd, BPF_MAP_TYPE_PERF_EVENT_ARRAY, "counter_events", 4, 4,
			       MAX_COUNTERS * (uint32_t)s->n_cpus, 0);
	if (err)
		return err;
	s->counters = mmap(NULL, sizeof(struct counter_control), PROT_READ | PROT_WRITE, MAP_SHARED, s->counters_fd, 0);
	if (s->counters == MAP_FAILED) {
		s->counters = NULL;
		return -errno;
	}
	s->counter_cpus = mmap(NULL, s->n_cpus * sizeof(struct counter_cpu), PROT_READ | PROT_WRITE, MAP_SHARED,
			       s->counter_cpus_fd, 0);
	if (s->counter_cpus == MAP_FAILED) {
		s->counter_cpus = NULL;
		return -errno;
	}
	s->meters = mmap(NULL, sizeof(struct meters), PROT_READ | PROT_WRITE, MAP_SHARED, s->meters_fd, 0);
	if (s->meters == MAP_FAILED) {
		s->meters = NULL;
		return -errno;
	}
	s->meters->word[METER_CPU_NS].value = METER_ORIGIN;
	s->meters->word[METER_KERNEL_NS].value = METER_ORIGIN;
	s->meters->word[METER_CLOCK].value = CLOCK_ORIGIN;
	s->meters->next_step = 1;
	s->meters->next_connection = 1;
	s->meters->base_ns = monotonic_ns();
	return 0;
}

/* --- records ------------------------------------------------------------------------------------------------------- */

static struct session_target *session_target__find(struct session *s, uint32_t pid)
{
	size_t i;

	/* The latest first: a process number may be used again. */
	for (i = s->n_targets; i-- > 0;)
		if (s->targets[i].pid == pid)
			return &s->targets[i];
	return NULL;
}

static void write_target(struct session *s, const struct session_target *t)
{
	struct row_process row = {
		.pid = t->pid,
		.ppid = t->parent,
		.start_ns = t->joined_ns,
		.end_ns = t->ended_ns,
		.comm = t->comm,
		.exe = t->exe,
		.role = t == &s->targets[0] ? "server" : "child",
	};

	if (s->writer)
		recording_writer__process(s->writer, &row);
}

/* It has begun another program. */
static void session_target__renamed(struct session *s, uint32_t pid)
{
	struct session_target *t = session_target__find(s, pid);

	if (!t || t->ended_ns)
		return;
	process__comm(pid, t->comm, sizeof(t->comm));
	process__exe(pid, t->exe, sizeof(t->exe));
	write_target(s, t);
}

static void session_target__ended(struct session *s, uint32_t pid, uint64_t time_ns)
{
	struct session_target *t = session_target__find(s, pid);

	if (!t || t->ended_ns)
		return;
	t->ended_ns = time_ns;
	write_target(s, t);
}

/* The server's processes come and go: whatever collectors are attached, the session follows them. */
static void follow(struct session *s, const struct record_task *r)
{
	switch (r->op) {
	case TASK_FORK:
		session__add_target(s, r->other_tgid, r->h.tgid, true);
		break;
	case TASK_EXEC:
		session_target__renamed(s, r->h.tgid);
		session__add_target(s, r->h.tgid, 0, session__is_newborn(s, r->h.tgid));
		break;
	case TASK_EXIT:
		if (r->h.tid == r->h.tgid)
			session_target__ended(s, r->h.tgid, r->h.time_ns);
		break;
	}
}

static void dispatch(struct session *s, const struct record_header *h)
{
	size_t i;

	s->counts.n_records++;
	if (h->kind >= 32)
		return;
	for (i = 0; i < s->n_active; i++)
		if ((s->active[i]->record_kinds & (1u << h->kind)) && s->active[i]->record)
			s->active[i]->record(s, s->state[i], h);
	if (s->on_record)
		s->on_record(s->on_record_ctx, h);
	if (h->kind == RECORD_TASK && h->size >= sizeof(struct record_task))
		follow(s, (const struct record_task *)h);
}

static int on_ring_record(void *ctx, void *data, size_t size)
{
	const struct record_header *h = data;

	if (size >= sizeof(*h) && h->size <= size)
		dispatch(ctx, h);
	return 0;
}

void session__lost(struct session *s, const char *collector, const char *kind, int64_t n)
{
	struct row_loss row = {
		.collector = collector,
		.kind = kind,
		.second_ns = monotonic_ns(),
		.n = n,
	};

	s->counts.n_lost += n;
	if (s->writer)
		recording_writer__loss(s->writer, &row);
}

uint64_t session__kernel_losses(struct session *s, enum loss_kind kind)
{
	int n_cpus = libbpf_num_possible_cpus(), cpu;
	uint64_t per_cpu[1024], sum = 0;
	uint32_t key = kind;

	if (n_cpus <= 0 || n_cpus > 1024 || bpf_map_lookup_elem(s->losses_fd, &key, per_cpu))
		return 0;
	for (cpu = 0; cpu < n_cpus; cpu++)
		sum += per_cpu[cpu];
	return sum;
}

static void collect_losses(struct session *s)
{
	enum loss_kind kind;

	for (kind = 0; kind < N_LOSSES; kind++) {
		uint64_t sum = session__kernel_losses(s, kind);

		if (sum > s->lost_seen[kind])
			session__lost(s, loss__collector(kind), loss__name(kind), (int64_t)(sum - s->lost_seen[kind]));
		s->lost_seen[kind] = sum;
	}
}

/* Keep the integrals far from METER_ONE: take whole laps out (see shared.h). */
static void take_laps(struct session *s)
{
	uint64_t now = monotonic_ns() - s->meters->base_ns, *word;
	int i;

	for (i = METER_CPU_NS; i <= METER_KERNEL_NS; i++) {
		word = (uint64_t *)&s->meters->word[i].value;

		if (meter__read(__atomic_load_n(word, __ATOMIC_RELAXED), now) > METER_LAP + METER_ORIGIN)
			__atomic_fetch_sub(word, METER_LAP, __ATOMIC_RELAXED);
	}
	word = (uint64_t *)&s->meters->word[METER_CLOCK].value;
	while (clock__read(__atomic_load_n(word, __ATOMIC_RELAXED), now) > CLOCK_LAP + CLOCK_ORIGIN)
		__atomic_fetch_sub(word, CLOCK_LAP, __ATOMIC_RELAXED);
}

/* A meter's value as it grows over the whole session, from a value read by a BPF program or here. */
static int64_t session__meter(struct session *s, enum meter meter, uint64_t value)
{
	int64_t v = (int64_t)value, latest = s->meter_latest[meter];

	if (meter >= METER_FAULTS)
		return v;
	v -= (int64_t)METER_ORIGIN;
	/* Whole laps were taken out of the word: put back as many as bring the value near the latest one. */
	while (v < latest - (int64_t)(METER_LAP / 2))
		v += (int64_t)METER_LAP;
	if (v > latest)
		s->meter_latest[meter] = v;
	return v;
}

const int meter_resources[METER_RESOURCES] = { RESOURCE_CPU_NS, RESOURCE_KERNEL_NS, RESOURCE_FAULTS };

void session__cut(struct session *s, const tp_u64 meters[N_METERS], int64_t out[METER_RESOURCES])
{
	int64_t faults = session__meter(s, METER_FAULTS, meters[METER_FAULTS]);

	out[0] = session__meter(s, METER_CPU_NS, meters[METER_CPU_NS]);
	out[1] = kernel_time__at(&s->kernel_time, out[0], session__meter(s, METER_KERNEL_NS, meters[METER_KERNEL_NS])) +
		 faults * s->fault_ns;
	out[2] = faults;
}

int64_t session__mean_khz(const struct session *s, const tp_u64 start[N_METERS], const tp_u64 end[N_METERS])
{
	const uint64_t cpu = (end[METER_CPU_NS] - start[METER_CPU_NS]) >> CLOCK_SHIFT;
	uint64_t clock = end[METER_CLOCK] - start[METER_CLOCK];

	/* A lap of either meter may have been taken out in between: of the one, the result is not used; of the other, put back. */
	if (!s->clock_running || !cpu || cpu > CLOCK_LAP / MOST_CLOCK_WEIGHT)
		return ABSENT;
	if (start[METER_CLOCK_BLIND] % CPU_BLIND || start[METER_CLOCK_BLIND] != end[METER_CLOCK_BLIND])
		return ABSENT;
	if (end[METER_CLOCK] < start[METER_CLOCK])
		clock += CLOCK_LAP;
	return (int64_t)(clock * CLOCK_UNIT_KHZ / cpu);
}

void session__cut_now(struct session *s, int64_t out[METER_RESOURCES])
{
	tp_u64 now = monotonic_ns() - s->meters->base_ns, values[N_METERS] = { 0 };
	int i;

	for (i = 0; i <= METER_FAULTS; i++) {
		values[i] = __atomic_load_n((uint64_t *)&s->meters->word[i].value, __ATOMIC_RELAXED);
		if (i <= METER_KERNEL_NS)
			values[i] = meter__read(values[i], now);
	}
	session__cut(s, values, out);
}

static int64_t session__meter_now(struct session *s, enum meter meter)
{
	const uint64_t *word = (const uint64_t *)&s->meters->word[meter].value;
	const uint64_t now = monotonic_ns() - s->meters->base_ns;

	return session__meter(s, meter, meter__read(__atomic_load_n(word, __ATOMIC_RELAXED), now));
}

int64_t session__cpu_now(struct session *s)
{
	return session__meter_now(s, METER_CPU_NS);
}

void session__kernel_begin(struct session *s)
{
	kernel_time__begin(&s->kernel_time, session__cpu_now(s));
}

void session__kernel_end(struct session *s)
{
	kernel_time__end(&s->kernel_time, session__cpu_now(s), session__meter_now(s, METER_KERNEL_NS));
}

void session__kernel_clear(struct session *s)
{
	__atomic_store_n((uint64_t *)&s->meters->word[METER_KERNEL_NS].value, METER_ORIGIN, __ATOMIC_RELAXED);
	s->meter_latest[METER_KERNEL_NS] = 0;
}

/* Never set again once there was a second process, or none: the kernel's side may be adding a child meanwhile. */
static void set_lone_server(struct session *s, uint32_t pid)
{
	__atomic_store_n((uint64_t *)&s->meters->lone_server, pid, __ATOMIC_RELAXED);
}

/* A number that is free again may be given to a stranger: the kernel's side must not take that for the server. */
static void let_go_of_ended(struct session *s)
{
	size_t i;

	for (i = 0; i < s->n_targets; i++) {
		struct session_target *t = &s->targets[i];
		struct pollfd ended = { .fd = t->pidfd, .events = POLLIN };

		if (t->pidfd < 0 || poll(&ended, 1, 0) != 1 || session_target__find(s, t->pid) != t)
			continue;
		if (!t->ended_ns)
			session_target__ended(s, t->pid, monotonic_ns());
		bpf_map_delete_elem(s->servers_fd, &t->pid);
		set_lone_server(s, 0);
		close(t->pidfd);
		t->pidfd = -1;
	}
}

void session__tick(struct session *s)
{
	uint64_t now = monotonic_ns();
	size_t i;

	take_laps(s);
	let_go_of_ended(s);
	for (i = 0; i < s->n_active; i++)
		if (s->active[i]->tick)
			s->active[i]->tick(s, s->state[i], now);
	collect_losses(s);
}

int session__poll(struct session *s, int timeout_ms)
{
	int n = ring_buffer__poll(s->ring, timeout_ms);
	uint64_t now = monotonic_ns();

	/* Most records are put without a wake-up (bpf/common.bpf.h): take them when the time is up. */
	if (n == 0)
		n = ring_buffer__consume(s->ring);
	for (size_t i = 0; i < s->n_active; i++)
		if (s->active[i]->turn)
			s->active[i]->turn(s, s->state[i], now);
	return n;
}

/* --- targets ------------------------------------------------------------------------------------------------------- */

bool session__is_target(const struct session *s, uint32_t pid)
{
	return session_target__find((struct session *)s, pid) != NULL;
}

bool session__is_newborn(const struct session *s, uint32_t pid)
{
	const struct session_target *t = session_target__find((struct session *)s, pid);

	return t && t->newborn;
}

bool session__any_alive(const struct session *s)
{
	size_t i;

	for (i = 0; i < s->n_targets; i++) {
		struct pollfd ended = { .fd = s->targets[i].pidfd, .events = POLLIN };

		if (ended.fd >= 0 && poll(&ended, 1, 0) == 0)
			return true;
	}
	return false;
}

void session__note(struct session *s, const char *collector, const char *state, const char *reason)
{
	struct row_collector row = { .name = collector, .state = state, .reason = reason };
	size_t i;

	for (i = 0; collectors[i] && i < MAX_COLLECTORS; i++)
		if (strcmp(collectors[i]->name, collector) == 0) {
			row.doc = collectors[i]->doc;
			snprintf(s->notes[i], sizeof(s->notes[i]), "%s%s%s", state, reason ? ": " : "",
				 reason ? reason : "");
		}
	if (s->writer)
		recording_writer__collector(s->writer, &row);
}

void session__describe(const struct session *s, FILE *f)
{
	size_t i;

	for (i = 0; collectors[i] && i < MAX_COLLECTORS; i++)
		if (s->notes[i][0])
			fprintf(f, "  %-9s %s\n", collectors[i]->name, s->notes[i]);
}

/* What ended before it could be looked at is as its parent was: a fork that has begun no other program. */
static void session_target__inherit(struct session *s, struct session_target *t, uint32_t parent)
{
	const struct session_target *from = parent ? session_target__find(s, parent) : NULL;

	if (t->parent == 0)
		t->parent = parent;
	if (!from || from == t)
		return;
	if (!t->comm[0])
		memcpy(t->comm, from->comm, sizeof(t->comm));
	if (!t->exe[0])
		memcpy(t->exe, from->exe, sizeof(t->exe));
}

static struct session_target *session_target__add(struct session *s, uint32_t pid, uint32_t parent, bool newborn)
{
	struct session_target *t;

	if (s->n_targets == MAX_TARGETS)
		return NULL;
	t = &s->targets[s->n_targets++];
	memset(t, 0, sizeof(*t));
	t->pid = pid;
	t->newborn = newborn;
	t->pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	t->joined_ns = monotonic_ns();
	t->parent = process__parent(pid);
	process__comm(pid, t->comm, sizeof(t->comm));
	process__exe(pid, t->exe, sizeof(t->exe));
	session_target__inherit(s, t, parent);
	write_target(s, t);
	return t;
}

void session__add_target(struct session *s, uint32_t pid, uint32_t parent, bool newborn)
{
	struct session_target *t = session_target__find(s, pid);
	uint32_t one = 1;
	size_t i;

	if (!t || t->ended_ns)
		t = session_target__add(s, pid, parent, newborn);
	if (!t) {
		session__lost(s, "sched", "too many processes", 1);
		return;
	}
	bpf_map_update_elem(s->servers_fd, &pid, &one, BPF_ANY);
	if (s->n_targets > 1)
		set_lone_server(s, 0);
	for (i = 0; i < s->n_active; i++)
		if (s->active[i]->attach)
			s->active[i]->attach(s, s->state[i], pid);
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

static int say(char *error, size_t size, int err, const char *sentence)
{
	snprintf(error, size, "%s: %s", sentence, strerror(-err));
	return err;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static int to_stderr(enum libbpf_print_level level, const char *format, va_list args)
{
	return level <= LIBBPF_INFO ? vfprintf(stderr, format, args) : 0;
}

struct opening {
	struct session *session;
	const struct collector *collector;
	pthread_t thread;
	bool threaded;
	void *state;
	int err;
};

static void *open_one(void *arg)
{
	struct opening *o = arg;

	o->err = o->collector->open ? o->collector->open(o->session, &o->state) : 0;
	return NULL;
}

/*
 * Each collector has an object of its own, and loading one is half a second of reading the kernel's types and of the
 * verifier: they are loaded side by side, and then take their places in the order of the registry.
 */
static void open_collectors(struct session *s)
{
	struct opening opening[MAX_COLLECTORS] = { 0 };
	size_t i;

	for (i = 0; collectors[i] && i < MAX_COLLECTORS; i++) {
		opening[i].session = s;
		opening[i].collector = collectors[i];
		opening[i].threaded = pthread_create(&opening[i].thread, NULL, open_one, &opening[i]) == 0;
		if (!opening[i].threaded)
			open_one(&opening[i]);
	}
	for (i = 0; collectors[i] && i < MAX_COLLECTORS; i++) {
		if (opening[i].threaded)
			pthread_join(opening[i].thread, NULL);
		if (opening[i].err == -ECANCELED && !s->notes[i][0])
			continue; /* nobody asked for it */
		if (opening[i].err) {
			if (!s->notes[i][0]) /* the collector has not said it better */
				session__note(s, collectors[i]->name, "absent", strerror(-opening[i].err));
			continue;
		}
		s->active[s->n_active] = collectors[i];
		s->state[s->n_active] = opening[i].state;
		s->n_active++;
		session__note(s, collectors[i]->name, "attached", NULL);
	}
}

int session__open(struct session *s, const struct session_options *options, struct recording_writer *writer,
		  char *error, size_t error_size)
{
	int err;

	memset(s, 0, sizeof(*s));
	s->options = *options;
	s->writer = writer;
	s->events_fd = s->servers_fd = s->meters_fd = s->threads_fd = s->step_now_fd = s->losses_fd = s->cpus_fd = -1;
	s->counters_fd = s->counter_cpus_fd = s->counter_events_fd = s->wait_programs_fd = s->waking_programs_fd = -1;
	libbpf_set_print(getenv("TOKPROF_LIBBPF_DEBUG") ? to_stderr : quiet);

	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return say(error, error_size, -EOPNOTSUPP,
			   "the kernel's type information (/sys/kernel/btf/vmlinux) cannot be read; "
			   "use a kernel built with CONFIG_DEBUG_INFO_BTF");
	err = make_shared_maps(s);
	if (err == -EPERM || err == -EACCES)
		return say(error, error_size, -EPERM, "the kernel refused to create a BPF map; run as root");
	if (err)
		return say(error, error_size, err, "the kernel could not create the BPF maps");
	s->ring = ring_buffer__new(s->events_fd, on_ring_record, s, NULL);
	if (!s->ring)
		return say(error, error_size, -errno, "the ring buffer could not be mapped");

	/* Loading takes tens of megabytes (the kernel's types, several times) that are free again: give them back. */
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	open_collectors(s);
	malloc_trim(0);
	if (s->n_active == 0)
		return say(error, error_size, -EOPNOTSUPP, "no collector could be loaded into this kernel");
	return 0;
}

int session__start(struct session *s, const uint32_t *pids, size_t n_pids, char *error, size_t error_size)
{
	size_t i, n_alive = 0;

	for (i = 0; i < n_pids; i++)
		if (kill((pid_t)pids[i], 0) == 0)
			n_alive++;
	if (n_alive == 0)
		return say(error, error_size, -ESRCH, "the server has ended");
	s->start_ns = monotonic_ns();
	set_lone_server(s, n_pids == 1 ? pids[0] : 0);
	for (i = 0; i < n_pids; i++)
		session__add_target(s, pids[i], 0, false);
	return 0;
}

int session__set_enabled(struct session *s, bool on)
{
	size_t i;
	int first = 0;

	for (i = 0; i < s->n_active; i++) {
		int err = s->active[i]->set_enabled ? s->active[i]->set_enabled(s, s->state[i], on) : 0;

		if (err && !first)
			first = err;
	}
	return first;
}

void session__close(struct session *s)
{
	size_t i;

	if (s->ring) {
		ring_buffer__consume(s->ring);
		session__tick(s);
	}
	for (i = s->n_active; i-- > 0;)
		if (s->active[i]->close)
			s->active[i]->close(s, s->state[i]);
	s->n_active = 0;
	for (i = 0; i < s->n_targets; i++)
		if (s->targets[i].pidfd >= 0)
			close(s->targets[i].pidfd);
	ring_buffer__free(s->ring);
	s->ring = NULL;
	if (s->meters)
		munmap(s->meters, sizeof(struct meters));
	s->meters = NULL;
	if (s->counters)
		munmap(s->counters, sizeof(struct counter_control));
	s->counters = NULL;
	if (s->counter_cpus)
		munmap(s->counter_cpus, s->n_cpus * sizeof(struct counter_cpu));
	s->counter_cpus = NULL;
	for (i = 0; i < sizeof(shared_maps) / sizeof(shared_maps[0]); i++)
		if (*shared_fd(s, i) >= 0)
			close(*shared_fd(s, i));
}
