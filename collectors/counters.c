/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of the processor and the kernel, by libpfm4's names: what the server's threads counted, cut at steps.
 *
 * Events are opened per CPU and read by BPF programs (bpf/counters.bpf.c); what arrives here are cuts and spans, which
 * userspace/counters/cuts.h makes into meters. Off unless asked for, or on a processor with counters.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "collectors/collector.h"
#include "collectors/counters_doctor.h"
#include "collectors/skeleton.h"
#include "counters.skel.h"
#include "userspace/counters/budget.h"
#include "userspace/counters/cuts.h"
#include "userspace/counters/perf_open.h"
#include "userspace/session.h"

#define SAMPLE_NS 4000000	/* CONFIG_HZ of most servers: threads that never leave their CPU are cut as often */
#define MAX_OPEN_STEPS 64
#define SPARE_DESCRIPTORS 256

struct open_step {
	uint64_t step;		/* 0: none */
	struct counter_point start;
};

struct sample {
	int fd;			/* until the link has it; -1 */
	struct bpf_link *link;
};

struct counters {
	struct session *session;
	struct counters_bpf *skel;
	struct event_list list;
	struct open_events open;
	size_t active[MAX_COUNTERS];	/* events of the list that are counted, in the order of the kernel's side */
	size_t n_active;
	size_t n_cpus;
	struct counter_sums total;	/* of all CPUs, as of the last look at them */
	struct sample *samples;		/* one per CPU */
	struct bpf_link *switch_link;
	struct counter_cuts *cuts;
	struct open_step steps[MAX_OPEN_STEPS];
	size_t next_step;
	uint64_t full_seen;
	struct counter_budget budget;
	bool switched_off;
	bool noted;
};

/* --- opening ------------------------------------------------------------------------------------------------------- */

/* An event takes a descriptor per CPU: on large hosts more than the usual 1,024. */
static void allow_descriptors(size_t n)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= n)
		return;
	limit.rlim_cur = limit.rlim_max < n ? limit.rlim_max : n;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int open_list(struct counters *c)
{
	int *cpus, err;

	c->n_cpus = c->session->n_cpus;
	cpus = malloc(c->n_cpus * sizeof(*cpus));
	if (!cpus)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_cpus; i++)
		cpus[i] = (int)i;
	allow_descriptors((c->list.n + 1) * c->n_cpus + SPARE_DESCRIPTORS);
	err = open_events__open(&c->open, &c->list, cpus, c->n_cpus, &perf_calls__kernel);
	free(cpus);
	for (size_t i = 0; !err && i < c->list.n; i++)
		if (!c->open.events[i].err)
			c->active[c->n_active++] = i;
	return err;
}

/* Event j of the kernel's side on CPU c is entry j * n_cpus + c. */
static int fill_map(struct counters *c)
{
	for (size_t j = 0; j < c->n_active; j++)
		for (size_t cpu = 0; cpu < c->n_cpus; cpu++) {
			uint32_t key = (uint32_t)(j * c->n_cpus + cpu);
			int fd = c->open.events[c->active[j]].fds[cpu];
			int err = fd < 0 ? 0 : bpf_map_update_elem(c->session->counter_events_fd, &key, &fd, BPF_ANY);

			if (err)
				return err;
		}
	return 0;
}

static void close_samples(struct counters *c)
{
	for (size_t cpu = 0; c->samples && cpu < c->n_cpus; cpu++) {
		bpf_link__destroy(c->samples[cpu].link);
		if (c->samples[cpu].fd >= 0)
			close(c->samples[cpu].fd);
		c->samples[cpu] = (struct sample){ .fd = -1 };
	}
}

static int open_samples(struct counters *c)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = SAMPLE_NS,
		.exclude_idle = 1,
	};

	for (size_t cpu = 0; cpu < c->n_cpus; cpu++) {
		int fd = perf_calls__kernel.open(NULL, &attr, (int)cpu, -1);

		if (fd == -ENODEV)
			continue;
		if (fd < 0)
			return fd;
		c->samples[cpu].fd = fd;
		c->samples[cpu].link = bpf_program__attach_perf_event(c->skel->progs.on_counter_sample, fd);
		if (!c->samples[cpu].link)
			return -errno;
		c->samples[cpu].fd = -1;
	}
	return 0;
}

static void stop(struct counters *c)
{
	c->session->meters->n_counters = 0;
	bpf_link__destroy(c->switch_link);
	c->switch_link = NULL;
	close_samples(c);
}

static int start(struct counters *c)
{
	struct counter_control *w = c->session->counters;
	int err;

	/* What CPUs had read before is another time's. */
	__atomic_fetch_add((uint64_t *)&w->epoch, 1, __ATOMIC_SEQ_CST);
	c->switch_link = bpf_program__attach(c->skel->progs.on_counter_switch);
	err = c->switch_link ? open_samples(c) : -errno;
	if (err) {
		stop(c);
		return err;
	}
	c->session->meters->n_counters = c->n_active;
	return 0;
}

static int load(struct counters *c)
{
	struct session *s = c->session;
	int err;

	c->samples = calloc(c->n_cpus, sizeof(*c->samples));
	if (!c->samples)
		return -ENOMEM;
	for (size_t cpu = 0; cpu < c->n_cpus; cpu++)
		c->samples[cpu].fd = -1;
	c->skel = counters_bpf__open();
	if (!c->skel)
		return -errno;
	err = session__share_maps(s, c->skel->obj);
	if (!err)
		err = counters_bpf__load(c->skel);
	if (!err)
		err = fill_map(c);
	if (err)
		return err;
	s->counters->n_cpus = (uint32_t)c->n_cpus;
	s->counters->n = (uint32_t)c->n_active;
	return start(c);
}

/* --- resources ----------------------------------------------------------------------------------------------------- */

static const char *resource_name(const struct counter_event *e)
{
	return e->resource == RESOURCE_CYCLES	    ? "cycles" :
	       e->resource == RESOURCE_INSTRUCTIONS ? "instructions" :
						      e->name;
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

struct share {
	char s[32];
};

static struct share share(uint64_t part, uint64_t whole)
{
	struct share out;

	if (percent(part, whole) < 0.1)
		snprintf(out.s, sizeof(out.s), "less than 0.1 %%");
	else
		snprintf(out.s, sizeof(out.s), "%.1f %%", percent(part, whole));
	return out;
}

/* How well event j of the kernel's side was counted. @return enum grade */
static int judge(const struct counters *c, size_t j, char *reason, size_t size)
{
	const struct counter_sums *w = &c->total;
	const uint64_t n_backwards = c->session->counters->n_backwards;
	const struct counter_account *a = counter_cuts__account(c->cuts, j);
	size_t n = 0;

	*reason = '\0';
	if (c->switched_off) {
		snprintf(reason, size,
			 "switched off: to read %zu events at every switch would cost this server more than %.0f %% of "
			 "its CPU time; remedy: name fewer with --events",
			 c->n_active, 100 * COUNTER_BUDGET);
		return GRADE_UNAVAILABLE;
	}
	if (w->ran_ns && w->lost_ns[j] >= w->ran_ns) {
		snprintf(reason, size,
			 "it never had a counter while the server ran: others hold them; count fewer events");
		return GRADE_UNAVAILABLE;
	}
	if (w->lost_ns[j])
		n += (size_t)snprintf(reason + n, size - n,
				      "had a counter for %.1f %% of the time only, and is scaled to all of it; ",
				      100 - percent(w->lost_ns[j], w->ran_ns));
	if (a->unknown_ns && n < size)
		n += (size_t)snprintf(reason + n, size - n, "%s of the time lies in steps in which it had none; ",
				      share(a->unknown_ns, w->ran_ns).s);
	if (a->divided && n < size)
		n += (size_t)snprintf(reason + n, size - n,
				      "%s was counted on other CPUs within %d ms of a step's start or end, and is "
				      "divided by time; ",
				      share(a->divided, w->value[j]).s, SAMPLE_NS / 1000000);
	if (n_backwards && n < size)
		n += (size_t)snprintf(reason + n, size - n, "%llu readings fell below the one before; ",
				      (unsigned long long)n_backwards);
	if (n >= 2 && n < size)
		reason[n - 2] = '\0';
	return *reason ? GRADE_DERIVED : GRADE_MEASURED;
}

static void register_resources(struct counters *c)
{
	char reason[240], remedy[240], why[500], source[160];
	size_t j = 0;

	for (size_t i = 0; c->session->writer && i < c->list.n; i++) {
		const struct counter_event *e = &c->list.events[i];
		const struct open_event *o = &c->open.events[i];
		struct row_resource row = { e->resource,    resource_name(e), e->unit, RESOURCE_ADDITIVE,
					    GRADE_MEASURED, source,	      NULL };

		snprintf(source, sizeof(source), "performance event%s%s, per CPU, read at every switch",
			 e->resource < RESOURCE_COUNTER_FIRST ? " " : "",
			 e->resource < RESOURCE_COUNTER_FIRST ? e->name : "");
		if (o->err) {
			perf_open__explain(&e->attr, o->err, c->open.paranoid, reason, sizeof(reason), remedy,
					   sizeof(remedy));
			snprintf(why, sizeof(why), "%s; remedy: %s", reason, remedy);
			row.grade = GRADE_UNAVAILABLE;
			row.reason = why;
		} else {
			row.grade = judge(c, j++, why, sizeof(why));
			row.reason = *why ? why : NULL;
		}
		recording_writer__resource(c->session->writer, &row);
	}
}

static void write_probes(const struct counters *c)
{
	char detail[320], remedy[240];

	for (size_t i = 0; c->session->writer && i < c->list.n; i++) {
		const struct counter_event *e = &c->list.events[i];
		const struct open_event *o = &c->open.events[i];
		struct row_probe row = { "counters", e->name, 0, !o->err, detail };

		if (o->err)
			perf_open__explain(&e->attr, o->err, c->open.paranoid, detail, sizeof(detail), remedy,
					   sizeof(remedy));
		else
			snprintf(detail, sizeof(detail), "type %u config %#llx, %s", e->attr.type,
				 (unsigned long long)e->attr.config,
				 o->alone ? "by itself: its group has no room" : "in its group");
		recording_writer__probe(c->session->writer, &row);
	}
}

/* --- from cuts to rows --------------------------------------------------------------------------------------------- */

static void write_step(struct counters *c, const struct counter_point *start, const struct counter_point *end)
{
	for (size_t j = 0; j < c->n_active; j++) {
		struct row_step_resource row = {
			.step = (uint32_t)end->step,
			.resource = c->list.events[c->active[j]].resource,
			.start_value = start->meter[j],
			.value = end->meter[j] - start->meter[j],
		};

		if (start->n_gaps[j] == end->n_gaps[j] && end->step <= UINT32_MAX)
			recording_writer__step_resource(c->session->writer, &row);
	}
}

static void on_point(void *ctx, const struct counter_point *point)
{
	struct counters *c = ctx;
	size_t i;

	if (!c->session->writer)
		return;
	if (point->kind == CUT_STEP_START) {
		c->steps[c->next_step++ % MAX_OPEN_STEPS] = (struct open_step){ point->step, *point };
		return;
	}
	if (point->kind == CUT_STEP_END) {
		for (i = 0; i < MAX_OPEN_STEPS && c->steps[i].step != point->step; i++)
			;
		if (i < MAX_OPEN_STEPS)
			write_step(c, &c->steps[i].start, point);
		if (i < MAX_OPEN_STEPS)
			c->steps[i].step = 0;
		return;
	}
	for (size_t j = 0; j < c->n_active; j++) {
		struct row_sample row = { .time_ns = point->time_ns,
					  .resource = c->list.events[c->active[j]].resource,
					  .value = point->meter[j] };

		recording_writer__sample(c->session->writer, &row);
	}
}

static void counters_record(struct session *s, void *state, const struct record_header *h)
{
	struct counters *c = state;
	int err = 0;

	if (h->kind == RECORD_COUNTER_CUT && h->size >= sizeof(struct record_counter_cut)) {
		const struct record_counter_cut *r = (const struct record_counter_cut *)h;
		const struct counter_cut cut = { .time_ns = h->time_ns,
						 .step = r->step,
						 .number = r->number,
						 .kind = r->kind,
						 .cpu = r->cpu,
						 .unsteady = h->flags & CUT_UNSTEADY,
						 .sums = r->sums };

		err = counter_cuts__cut(c->cuts, &cut);
	} else if (h->kind == RECORD_COUNTER_SPAN && h->size >= sizeof(struct record_counter_span)) {
		const struct record_counter_span *r = (const struct record_counter_span *)h;
		const struct counter_span span = { .start_ns = r->start_ns,
						   .end_ns = h->time_ns,
						   .n_cuts = r->n_cuts,
						   .cpu = r->cpu,
						   .before = r->before,
						   .interval = r->interval };

		counter_cuts__span(c->cuts, &span);
	}
	if (err)
		session__lost(s, "counters", "out of memory", 1);
}

/* The sums first, and what the CPU has told of after them: it says so before it changes them (bpf/counters.bpf.c). */
static uint64_t sums_of(void *ctx, uint32_t cpu, struct counter_sums *out)
{
	const struct counters *c = ctx;
	const struct counter_cpu *entry = &c->session->counter_cpus[cpu];

	*out = entry->sums;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&entry->told, __ATOMIC_ACQUIRE);
}

static void add_up(struct counters *c)
{
	memset(&c->total, 0, sizeof(c->total));
	for (size_t cpu = 0; cpu < c->n_cpus; cpu++)
		counter_sums__add(&c->total, &c->session->counter_cpus[cpu].sums);
}

/* A cut from here: between steps, and on no CPU of its own. */
static void cut_now(struct counters *c)
{
	struct counter_cut cut = { .kind = CUT_SAMPLE, .cpu = CUT_NO_CPU };

	cut.number = __atomic_add_fetch((uint64_t *)&c->session->counters->n_cuts, 1, __ATOMIC_SEQ_CST);
	cut.time_ns = monotonic_ns();
	if (counter_cuts__cut(c->cuts, &cut))
		session__lost(c->session, "counters", "out of memory", 1);
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

static void counters__free(struct counters *c)
{
	if (!c)
		return;
	if (c->switch_link)
		stop(c);
	close_samples(c);
	counters_bpf__destroy(c->skel);
	open_events__close(&c->open, &perf_calls__kernel);
	counter_cuts__free(c->cuts);
	free(c->samples);
	free(c);
}

/* The first event that could not be opened, with its reason. @return false: there is none */
static bool first_failure(const struct counters *c, char *out, size_t size)
{
	char reason[160], remedy[240];

	for (size_t i = 0; i < c->list.n; i++) {
		const struct open_event *o = &c->open.events[i];

		if (!o->err)
			continue;
		perf_open__explain(&c->list.events[i].attr, o->err, c->open.paranoid, reason, sizeof(reason), remedy,
				   sizeof(remedy));
		snprintf(out, size, "%s: %s", c->list.events[i].name, reason);
		return true;
	}
	return false;
}

static int choose_events(struct session *s, struct event_list *list)
{
	char error[256], remedy[256];
	const char *pmu;
	int err;

	if (!s->options.events || strcmp(s->options.events, EVENTS_NONE) == 0) {
		session__note(s, "counters", "absent", "not asked for");
		return -ECANCELED;
	}
	if (strcmp(s->options.events, EVENTS_DEFAULT) == 0)
		err = event_list__default(list, &pmu, error, sizeof(error));
	else
		err = event_list__parse(list, s->options.events, error, sizeof(error), remedy, sizeof(remedy));
	if (err)
		session__note(s, "counters", "absent", error);
	return err;
}

static struct counter_cuts *new_cuts(struct counters *c)
{
	const struct counter_cuts_calls calls = { on_point, sums_of, c };

	return counter_cuts__new(c->n_active, c->n_cpus, &calls);
}

static int counters_open(struct session *s, void **out)
{
	struct counters *c = calloc(1, sizeof(*c));
	char reason[200];
	int err;

	if (!c)
		return -ENOMEM;
	c->session = s;
	err = choose_events(s, &c->list);
	if (!err)
		err = open_list(c);
	if (!err && c->n_active == 0) {
		first_failure(c, reason, sizeof(reason));
		if (strcmp(s->options.events, EVENTS_DEFAULT) == 0)
			session__note(s, "counters", "absent",
				      "this host's processor shows no counters; --events counts the kernel's own "
				      "events, as perf::PERF_COUNT_SW_CPU_CLOCK");
		else
			session__note(s, "counters", "absent", reason);
		/* Who asked for them by name reads in the report why they are not there. */
		c->cuts = new_cuts(c);
		if (c->cuts) {
			write_probes(c);
			register_resources(c);
		}
		err = -ENODEV;
	}
	if (!err) {
		c->cuts = new_cuts(c);
		err = c->cuts ? load(c) : -ENOMEM;
	}
	if (err) {
		counters__free(c);
		return err;
	}
	write_probes(c);
	register_resources(c);
	*out = c;
	return 0;
}

/* Said here, since an opened collector is noted as attached when all are. */
static int counters_attach(struct session *s, void *state, uint32_t pid)
{
	struct counters *c = state;
	char reason[200];

	(void)pid;
	if (!c->noted && first_failure(c, reason, sizeof(reason)))
		session__note(s, "counters", "partial", reason);
	c->noted = true;
	return 0;
}

static void note_losses(struct counters *c)
{
	const uint64_t full = c->session->counters->n_full;

	if (full > c->full_seen)
		session__lost(c->session, "counters", "ring buffer full", (int64_t)(full - c->full_seen));
	c->full_seen = full;
}

/* Only of the default set: who names events wants them. */
static void keep_to_budget(struct counters *c)
{
	uint64_t readings = 0;
	char reason[200];

	if (strcmp(c->session->options.events, EVENTS_DEFAULT) != 0 || !c->switch_link)
		return;
	for (size_t cpu = 0; cpu < c->n_cpus; cpu++)
		readings += __atomic_load_n(&c->session->counter_cpus[cpu].n_events, __ATOMIC_RELAXED);
	add_up(c);
	if (!counter_budget__is_spent(&c->budget, c->n_active, readings, c->total.ran_ns))
		return;
	stop(c);
	c->switched_off = true;
	judge(c, 0, reason, sizeof(reason));
	session__note(c->session, "counters", "absent", reason);
}

static void counters_tick(struct session *s, void *state, uint64_t now_ns)
{
	struct counters *c = state;

	(void)now_ns;
	(void)s;
	if (c->switched_off)
		return;
	keep_to_budget(c);
	cut_now(c);
	note_losses(c);
}

static void counters_turn(struct session *s, void *state, uint64_t now_ns)
{
	(void)s;
	counter_cuts__settle(((struct counters *)state)->cuts, now_ns);
}

static int counters_set_enabled(struct session *s, void *state, bool on)
{
	struct counters *c = state;

	(void)s;
	if (on)
		return c->switch_link || c->switched_off ? 0 : start(c);
	stop(c);
	return 0;
}

static void write_totals(const struct counters *c)
{
	const struct counter_sums *w = &c->total;

	for (size_t j = 0; j < c->n_active; j++) {
		struct row_total row = { c->list.events[c->active[j]].resource, 0, "performance events, all intervals",
					 ABSENT, NULL };

		if (c->switched_off || (w->lost_ns[j] && w->lost_ns[j] >= w->ran_ns))
			continue;
		row.value = (int64_t)counter__scale(w->value[j], w->ran_ns, w->lost_ns[j]);
		recording_writer__total(c->session->writer, &row);
	}
}

static void counters_close(struct session *s, void *state)
{
	struct counters *c = state;

	/* The session's last tick has cut: what a CPU counted after that is in the totals, and nobody's. */
	stop(c);
	counter_cuts__settle(c->cuts, UINT64_MAX);
	note_losses(c);
	add_up(c);
	if (s->writer) {
		register_resources(c);
		write_totals(c);
	}
	counters__free(c);
}

static size_t counters_programs(void *state, int *fds, size_t max)
{
	return skeleton__programs(((struct counters *)state)->skel->obj, fds, max);
}

const struct collector collector_counters = {
	.name = "counters",
	.doc = "performance events of the processor and the kernel, charged to the server's threads and cut at steps",
	.record_kinds = 1u << RECORD_COUNTER_CUT | 1u << RECORD_COUNTER_SPAN,
	.probe = counters_doctor__probe,
	.open = counters_open,
	.attach = counters_attach,
	.record = counters_record,
	.tick = counters_tick,
	.turn = counters_turn,
	.set_enabled = counters_set_enabled,
	.programs = counters_programs,
	.close = counters_close,
};
