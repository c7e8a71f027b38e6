/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tokprof overhead: what tokprof costs this server, on its own live traffic.
 *
 * Two answers that must agree. Measured: probes switched on and off in short random windows, gaps between the server's
 * sends compared (userspace/overhead/windows.h). Accounted: hits x calibrated cost per hit + run time of the BPF programs by
 * the kernel's account + tokprof's own CPU time, over the server's CPU time.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "collectors/uprobe.h"
#include "output/json_writer.h"
#include "overhead.skel.h"
#include "userspace/analysis/bootstrap.h"
#include "userspace/command.h"
#include "userspace/counters/events_option.h"
#include "userspace/host.h"
#include "userspace/message.h"
#include "userspace/overhead/hit_cost.h"
#include "userspace/overhead/windows.h"
#include "userspace/process.h"
#include "userspace/session.h"
#include "userspace/stream.h"
#include "userspace/target.h"
#include "userspace/temporary.h"

#define DEFAULT_SECONDS 60
#define SHORTEST_WINDOW_MS 50
#define LONGEST_WINDOW_MS 300
#define SETTLE_MS 3		/* after a switch: caches and pipelines as they were */
#define ACCOUNT_SHARE 5		/* one part in so many of the time goes to the accounted cost */
#define MAX_PROGRAMS 64
/* What a hit costs on a host without a hypervisor, at most; metering.md's sources: 0.65-0.9 us. */
#define HIT_NS_ON_METAL 1000
static const struct hit_cost on_metal = { HIT_NS_ON_METAL, HIT_NS_ON_METAL };

enum { OPT_JSON = 256, OPT_EVENTS, OPT_DEVICE_ROOT };

static const struct option_spec overhead_options[] = {
	{ 'p', "pid", "PID", "the server's process" },
	{ 'd', "duration", "SECONDS", "measure so long (default: 60); more windows, narrower interval" },
	{ OPT_DEVICE_ROOT, "device-root", "DIR",
	  "look for devices in DIR/dev and DIR/sys, where files may\nstand for them (default: /dev and /sys)" },
	{ OPT_EVENTS, "events", "LIST", "events to count meanwhile, as for record" },
	{ OPT_JSON, "json", NULL, "print JSON (schema tokprof.overhead/1)" },
	{ 0, NULL, NULL, NULL },
};

extern const struct command command_overhead;

struct program_account {
	const struct collector *collector;
	int fd;
	uint64_t run_ns, hits;		/* at the start, then the difference */
};

struct collector_account {
	uint64_t hits, stepped, hit_ns, bpf_ns;
};

struct overhead {
	struct session session;
	struct recording_writer *writer;	/* to a file that goes away: recording is part of the cost */
	struct temporary temporary;
	struct overhead_bpf *skel;
	struct ring_buffer *ring;
	struct window *windows;
	size_t n_windows, windows_capacity;
	struct pulse *pulses;
	size_t n_pulses, pulses_capacity;
	struct hit_cost hit_cost;
	struct program_account programs[MAX_PROGRAMS];
	size_t n_programs;
	struct collector_account by_collector[MAX_COLLECTORS];
	double server_cpu_ns, own_cpu_ns, account_s;
	uint64_t account_steps;
	struct slow_down slow_down;
	int slow_down_err;
};

static volatile sig_atomic_t stop_requested;

static void on_signal(int number)
{
	(void)number;
	stop_requested = 1;
}

static int on_pulse(void *ctx, void *data, size_t size)
{
	struct overhead *o = ctx;

	if (size < sizeof(struct pulse))
		return 0;
	if (o->n_pulses == o->pulses_capacity) {
		size_t capacity = o->pulses_capacity ? 2 * o->pulses_capacity : 4096;
		struct pulse *bigger = realloc(o->pulses, capacity * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		o->pulses = bigger;
		o->pulses_capacity = capacity;
	}
	memcpy(&o->pulses[o->n_pulses++], data, sizeof(struct pulse));
	return 0;
}

static int add_window(struct overhead *o, const struct window *w)
{
	if (o->n_windows == o->windows_capacity) {
		size_t capacity = o->windows_capacity ? 2 * o->windows_capacity : 256;
		struct window *bigger = realloc(o->windows, capacity * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		o->windows = bigger;
		o->windows_capacity = capacity;
	}
	o->windows[o->n_windows++] = *w;
	return 0;
}

/* Let the server run for so long, doing what a recorder does. */
static void run_for(struct overhead *o, uint64_t ns)
{
	uint64_t end = monotonic_ns() + ns, now;

	while ((now = monotonic_ns()) < end && !stop_requested) {
		uint64_t left_ms = (end - now) / 1000000;

		session__poll(&o->session, left_ms < 100 ? (int)left_ms + 1 : 100);
	}
	ring_buffer__consume(o->ring);
}

static int one_window(struct overhead *o, struct random_state *random, bool on)
{
	uint64_t length_ms = SHORTEST_WINDOW_MS + random__below(random, LONGEST_WINDOW_MS - SHORTEST_WINDOW_MS + 1);
	struct window w = { .on = on };
	int err = session__set_enabled(&o->session, on);

	if (err)
		return err;
	run_for(o, SETTLE_MS * 1000000ULL);
	w.start_ns = monotonic_ns();
	run_for(o, length_ms * 1000000ULL);
	w.end_ns = monotonic_ns();
	return add_window(o, &w);
}

static int measure_windows(struct overhead *o, uint64_t until_ns)
{
	struct random_state random = { monotonic_ns() };
	uint64_t next_tick = monotonic_ns() + 1000000000ULL;

	while (monotonic_ns() < until_ns && !stop_requested && session__any_alive(&o->session)) {
		bool first = random__next(&random) & 1;	/* a pair: on and off in random order */
		int err = one_window(o, &random, first);

		if (!err)
			err = one_window(o, &random, !first);
		if (err)
			return err;
		if (monotonic_ns() >= next_tick) {
			session__tick(&o->session);
			next_tick = monotonic_ns() + 1000000000ULL;
		}
	}
	return session__set_enabled(&o->session, true);
}

/* --- the accounted cost -------------------------------------------------------------------------------------------- */

static int read_program(int fd, uint64_t *run_ns, uint64_t *hits)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &size);

	*run_ns = info.run_time_ns;
	*hits = info.run_cnt;
	return err;
}

static void list_programs(struct overhead *o)
{
	struct session *s = &o->session;
	size_t i, k, n;

	o->n_programs = 0;
	for (i = 0; i < s->n_active; i++) {
		int fds[MAX_PROGRAMS];

		n = s->active[i]->programs ? s->active[i]->programs(s->state[i], fds, MAX_PROGRAMS) : 0;
		for (k = 0; k < n && o->n_programs < MAX_PROGRAMS; k++)
			o->programs[o->n_programs++] =
				(struct program_account){ .collector = s->active[i], .fd = fds[k] };
	}
}

static double own_cpu_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e9 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e3;
}

static double server_cpu_ns(const struct session *s)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < s->n_targets; i++) {
		int64_t ns = process__cpu_ns(s->targets[i].pid);

		if (ns > 0)
			sum += (double)ns;
	}
	return sum;
}

static size_t active_index(const struct session *s, const struct collector *c)
{
	size_t i;

	for (i = 0; i < s->n_active && s->active[i] != c; i++)
		;
	return i;
}

static uint64_t hits_ns(const struct collector_account *c, struct hit_cost cost)
{
	return (c->hits - c->stepped) * (uint64_t)cost.emulated_ns + c->stepped * (uint64_t)cost.stepped_ns;
}

/* Of its hits so far, those at instructions that the kernel does not emulate. */
static uint64_t stepped_hits(const struct session *s, size_t active)
{
	const struct collector *c = s->active[active];

	return c->stepped_hits ? c->stepped_hits(s->state[active]) : 0;
}

static int account(struct overhead *o, uint64_t until_ns)
{
	int stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);	/* for as long as the descriptor is open */
	uint64_t start = monotonic_ns(), next_tick = start + 1000000000ULL, now;
	int64_t steps = o->session.counts.n_steps;
	size_t i;

	if (stats_fd < 0)
		return stats_fd;
	list_programs(o);
	for (i = 0; i < o->n_programs; i++)
		read_program(o->programs[i].fd, &o->programs[i].run_ns, &o->programs[i].hits);
	for (i = 0; i < o->session.n_active; i++)
		o->by_collector[i].stepped = -stepped_hits(&o->session, i);
	o->server_cpu_ns = -server_cpu_ns(&o->session);
	o->own_cpu_ns = -own_cpu_ns();
	while ((now = monotonic_ns()) < until_ns && !stop_requested && session__any_alive(&o->session)) {
		session__poll(&o->session, 100);
		if (now >= next_tick) {
			session__tick(&o->session);
			next_tick += 1000000000ULL;
		}
	}
	o->own_cpu_ns += own_cpu_ns();
	o->server_cpu_ns += server_cpu_ns(&o->session);
	o->account_s = (double)(monotonic_ns() - start) / 1e9;
	o->account_steps = (uint64_t)(o->session.counts.n_steps - steps);
	for (i = 0; i < o->n_programs; i++) {
		struct program_account *p = &o->programs[i];
		struct collector_account *c = &o->by_collector[active_index(&o->session, p->collector)];
		uint64_t run_ns, hits;

		read_program(p->fd, &run_ns, &hits);
		c->hits += hits - p->hits;
		c->bpf_ns += run_ns - p->run_ns;
	}
	for (i = 0; i < o->session.n_active; i++) {
		struct collector_account *c = &o->by_collector[i];

		c->stepped += stepped_hits(&o->session, i);
		if (o->session.active[i]->traps)
			c->hit_ns = hits_ns(c, o->hit_cost);
	}
	close(stats_fd);
	return 0;
}

static double accounted_pct(const struct overhead *o, struct hit_cost cost_of_hit)
{
	double cost = o->own_cpu_ns;
	size_t i;

	for (i = 0; i < o->session.n_active; i++) {
		cost += (double)o->by_collector[i].bpf_ns;
		if (o->session.active[i]->traps)
			cost += (double)hits_ns(&o->by_collector[i], cost_of_hit);
	}
	return o->server_cpu_ns > 0 ? 100 * cost / o->server_cpu_ns : 0;
}

static double hits_per_step(const struct overhead *o)
{
	uint64_t hits = 0;
	size_t i;

	for (i = 0; i < o->session.n_active; i++)
		if (o->session.active[i]->traps)
			hits += o->by_collector[i].hits;
	return o->account_steps ? (double)hits / (double)o->account_steps : 0;
}

/* --- output -------------------------------------------------------------------------------------------------------- */

static int print_json(const struct overhead *o)
{
	bool known = o->slow_down_err == 0;
	struct json_writer w;
	size_t i;

	json_writer__init(&w, stdout, 2);
	json_writer__begin_object(&w);
	json_writer__put_string(&w, "schema", "tokprof.overhead/1");
	json_writer__put_array(&w, "windows");
	for (i = 0; i < o->n_windows; i++) {
		json_writer__begin_object(&w);
		json_writer__put_integer(&w, "start_ns", (int64_t)o->windows[i].start_ns);
		json_writer__put_integer(&w, "end_ns", (int64_t)o->windows[i].end_ns);
		json_writer__put_bool(&w, "on", o->windows[i].on);
		json_writer__end_object(&w);
	}
	json_writer__end_array(&w);
	json_writer__put_number(&w, "slow_down_pct", known ? o->slow_down.percent.estimate : NAN);
	json_writer__put_number(&w, "low", known ? o->slow_down.percent.low : NAN);
	json_writer__put_number(&w, "high", known ? o->slow_down.percent.high : NAN);
	json_writer__put_integer(&w, "steps_on", (int64_t)o->slow_down.n_gaps_on);
	json_writer__put_integer(&w, "steps_off", (int64_t)o->slow_down.n_gaps_off);
	json_writer__put_number(&w, "accounted_pct", o->server_cpu_ns > 0 ? accounted_pct(o, o->hit_cost) : NAN);
	json_writer__put_number(&w, "accounted_pct_at_1us_per_hit",
				o->server_cpu_ns > 0 ? accounted_pct(o, on_metal) : NAN);
	json_writer__put_number(&w, "own_cpu_pct", o->account_s > 0 ? 100 * o->own_cpu_ns / 1e9 / o->account_s : NAN);
	json_writer__put_number(&w, "hits_per_step", o->account_steps > 0 ? hits_per_step(o) : NAN);
	json_writer__put_integer(&w, "ns_per_hit", o->hit_cost.emulated_ns);
	json_writer__put_integer(&w, "ns_per_stepped_hit", o->hit_cost.stepped_ns);
	json_writer__put_object(&w, "by_collector");
	for (i = 0; i < o->session.n_active; i++) {
		const struct collector_account *c = &o->by_collector[i];

		json_writer__put_object(&w, o->session.active[i]->name);
		json_writer__put_integer(&w, "hits", (int64_t)c->hits);
		json_writer__put_integer(&w, "hits_stepped", (int64_t)c->stepped);
		/* What a tracepoint costs before its program runs is not calibrated: tens of nanoseconds. */
		json_writer__put_optional(&w, "hit_ns", o->session.active[i]->traps ? (int64_t)c->hit_ns : ABSENT);
		json_writer__put_integer(&w, "bpf_ns", (int64_t)c->bpf_ns);
		json_writer__end_object(&w);
	}
	json_writer__end_object(&w);
	json_writer__end_object(&w);
	return json_writer__finish(&w);
}

static int print_text(const struct overhead *o)
{
	const struct slow_down *d = &o->slow_down;
	size_t i;

	if (o->slow_down_err == 0)
		printf("slow-down measured   %+.2f %%  (95 %% interval %+.2f to %+.2f; %zu pairs of windows,\n"
		       "                     %zu and %zu gaps between tokens, typically %.2f ms)\n",
		       d->percent.estimate, d->percent.low, d->percent.high, d->n_pairs, d->n_gaps_on, d->n_gaps_off,
		       d->gap_ns_off / 1e6);
	else
		printf("slow-down measured   unavailable: %zu pairs of windows held tokens, %d are needed; send "
		       "requests\n"
		       "                     while this runs, or measure longer (-d)\n",
		       d->n_pairs, MIN_PAIRS);
	if (o->server_cpu_ns <= 0) {
		printf("cost accounted       unavailable: the server used no CPU time\n");
		return 0;
	}
	printf("cost accounted       %.2f %% of the server's CPU time, at %lld ns a probe hit (calibrated here;\n"
	       "                     %lld ns where the kernel cannot emulate the instruction)\n",
	       accounted_pct(o, o->hit_cost), (long long)o->hit_cost.emulated_ns, (long long)o->hit_cost.stepped_ns);
	printf("                     %.2f %% on a host where a hit costs %d ns\n", accounted_pct(o, on_metal),
	       HIT_NS_ON_METAL);
	if (o->account_steps)
		printf("                     %.2f hits a step over %llu steps\n", hits_per_step(o),
		       (unsigned long long)o->account_steps);
	printf("tokprof itself       %.2f %% of one core\n\n", 100 * o->own_cpu_ns / 1e9 / o->account_s);
	printf("collector        hits     per hit ns    BPF ms    trap ms   %% of server CPU\n");
	for (i = 0; i < o->session.n_active; i++) {
		const struct collector_account *c = &o->by_collector[i];
		char trap_ms[24] = "-";

		if (o->session.active[i]->traps)
			snprintf(trap_ms, sizeof(trap_ms), "%.2f", (double)c->hit_ns / 1e6);
		printf("%-10s %10llu %14.0f %9.2f %10s %16.3f\n", o->session.active[i]->name,
		       (unsigned long long)c->hits, c->hits ? (double)(c->bpf_ns + c->hit_ns) / (double)c->hits : 0.0,
		       (double)c->bpf_ns / 1e6, trap_ms, 100 * (double)(c->bpf_ns + c->hit_ns) / o->server_cpu_ns);
	}
	return 0;
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

static int open_observer(struct overhead *o)
{
	int err;

	o->skel = overhead_bpf__open();
	if (!o->skel)
		return -errno;
	uprobe__prepare(o->skel->progs.on_empty_uprobe);
	err = session__share_maps(&o->session, o->skel->obj);
	if (!err)
		err = overhead_bpf__load(o->skel);
	if (err)
		return err;
	err = hit_cost__calibrate(&o->hit_cost, bpf_program__fd(o->skel->progs.on_empty_uprobe));
	if (err)
		return err;
	o->skel->links.on_send = bpf_program__attach(o->skel->progs.on_send);
	if (!o->skel->links.on_send)
		return -errno;
	o->ring = ring_buffer__new(bpf_map__fd(o->skel->maps.pulses), on_pulse, o, NULL);
	return o->ring ? 0 : -errno;
}

static int measure(struct overhead *o, const struct target *target, int64_t duration_ns, bool json)
{
	uint64_t start = monotonic_ns(), account_ns = (uint64_t)duration_ns / ACCOUNT_SHARE;
	char error[512];
	int err = session__start(&o->session, target->pids, target->n_pids, error, sizeof(error));

	if (err) {
		message__error(NULL, "%s", error);
		return EXIT_CODE_TARGET;
	}
	message__info("measuring %s for %.0f s; probes are switched on and off", target->text,
		      (double)duration_ns / 1e9);
	err = measure_windows(o, start + (uint64_t)duration_ns - account_ns);
	if (!err)
		err = account(o, monotonic_ns() + account_ns);
	if (err) {
		message__error(NULL, "the probes could not be switched: %s", strerror(-err));
		return EXIT_CODE_PRIVILEGE;
	}
	o->slow_down_err = windows__slow_down(o->windows, o->n_windows, o->pulses, o->n_pulses, &o->slow_down);
	return stream__finish(stdout, "the result", json ? print_json(o) : print_text(o));
}

static int measure_target(const struct target *target, int64_t duration_ns, const struct session_options *asked,
			  bool json)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct session_options options = *asked;
	struct overhead *o = calloc(1, sizeof(*o));
	int code = EXIT_CODE_PRIVILEGE, err;
	char error[512];

	if (!o)
		return EXIT_CODE_BUG;
	err = temporary__new(&o->temporary);
	if (err) {
		message__error("set TMPDIR to a folder that can be written to",
			       "no folder for the recording can be made: %s", strerror(-err));
		free(o);
		return EXIT_CODE_USAGE;
	}
	err = recording_writer__open(&o->writer, o->temporary.path, true);
	if (err) {
		message__error("set TMPDIR to a folder with room", "%s", recording_writer__error(o->writer));
		recording_writer__free(o->writer);
		temporary__remove(&o->temporary);
		free(o);
		return EXIT_CODE_USAGE;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	err = session__open(&o->session, &options, o->writer, error, sizeof(error));
	if (err) {
		message__error(NULL, "%s", error);
	} else if ((err = open_observer(o))) {
		message__error("a kernel 5.17 or later is needed", "the observer could not be attached: %s",
			       strerror(-err));
	} else {
		code = measure(o, target, duration_ns, json);
	}
	ring_buffer__free(o->ring);
	overhead_bpf__destroy(o->skel);
	session__close(&o->session);
	recording_writer__close(o->writer, false);
	temporary__remove(&o->temporary);
	free(o->windows);
	free(o->pulses);
	free(o);
	return code;
}

static int overhead_run(int argc, char **argv)
{
	struct target_request request = { 0 };
	struct target target = { 0 };
	int64_t value, duration_ns = DEFAULT_SECONDS * 1000000000LL;
	struct session_options options = { .events = EVENTS_DEFAULT,
					   .sample_rate = DEFAULT_SAMPLE_RATE,
					   .wait_least_ns = DEFAULT_WAIT_LEAST_NS };
	bool json = false;
	struct options opts;
	char error[512];
	int key;

	options__begin(&opts, &command_overhead, argc, argv);
	while ((key = options__next(&opts)) > 0) {
		switch (key) {
		case 'p':
			if (options__integer(&command_overhead, "--pid", opts.value, 1, INT32_MAX, &value))
				return EXIT_CODE_USAGE;
			request.pids[0] = (uint32_t)value;
			request.n_pids = 1;
			break;
		case 'd':
			if (options__seconds(&command_overhead, "--duration", opts.value, 86400, &duration_ns))
				return EXIT_CODE_USAGE;
			break;
		case OPT_EVENTS:
			if (events_option__check(opts.value))
				return EXIT_CODE_USAGE;
			options.events = opts.value;
			break;
		case OPT_DEVICE_ROOT:
			options.device_root = opts.value;
			break;
		case OPT_JSON:
			json = true;
			break;
		}
	}
	if (key == OPTIONS_STOP)
		return opts.exit_code;
	if (opts.n_operands > 0)
		return options__fail(&command_overhead, "'%s' is no option", opts.operands[0]);
	if (request.n_pids == 0)
		return options__fail(&command_overhead, "name the server with -p PID");
	if (!host__may_trace(error, sizeof(error))) {
		message__error("run it as root", "%s", error);
		return EXIT_CODE_PRIVILEGE;
	}
	if (target__find(&target, &request, error, sizeof(error))) {
		message__error("tokprof list shows the servers running here", "%s", error);
		return EXIT_CODE_TARGET;
	}
	return measure_target(&target, duration_ns, &options, json);
}

const struct command command_overhead = {
	.name = "overhead",
	.summary = "measure what tokprof costs a server, on its own live traffic",
	.usage = "-p PID [-d SECONDS] [OPTIONS]",
	.description = "Switches all probes on and off in random windows of 50 to 300 ms while the server\n"
		       "works, and compares the gaps between the tokens that it sends: a slow-down with a\n"
		       "95 % interval. Beside it the accounted cost: probe hits, run time of the BPF\n"
		       "programs and tokprof's own CPU time, over the CPU time of the server.\n"
		       "\n"
		       "The server must be generating tokens in streams while this runs.",
	.options = overhead_options,
	.examples = "tokprof overhead -p 4711 -d 120",
	.run = overhead_run,
};
