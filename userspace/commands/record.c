/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tokprof record: attach, record until the time is up, ^C, or the server ends.
 *
 * Order of checks, as the contract says: usage, privilege, target, output path. The recording's file is made only when
 * there is something to record, and the first row is the host's.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectors/ioctl_devices.h"
#include "userspace/calibrate/carry.h"
#include "userspace/command.h"
#include "userspace/counters/events_option.h"
#include "userspace/host.h"
#include "userspace/launch.h"
#include "userspace/message.h"
#include "userspace/session.h"
#include "userspace/symbols/carry.h"
#include "userspace/target.h"
#include "userspace/temporary.h"

#define POLL_MS 100
#define TICK_NS 1000000000ULL
#define TOUCHED_LEAST_NS 1000000000	/* the longest windows take half of it */
#define DEFAULT_OUTPUT "run.tokprof"

enum {
	OPT_CAPTURE_TEXT = 256,
	OPT_DEVICE_ROOT,
	OPT_DEVICE_TABLE,
	OPT_EVENTS,
	OPT_DIGEST_MODELS,
	OPT_ENGINE_PROFILE,
	OPT_NO_SYMBOLS,
	OPT_RING,
	OPT_TOUCHED_BYTES,
	OPT_SAMPLE_IDLE,
	OPT_SAMPLE_RATE,
	OPT_SAMPLE_WAITS,
};

static const struct option_spec record_options[] = {
	{ 'p', "pid", "PID", "the server's process, or any process of its tree; may be given several times" },
	{ 'n', "name", "NAME", "the server whose engine, command or model has this name" },
	{ 'a', "all", NULL, "every server found on this host" },
	{ 'o', "output", "FILE", "the recording (default: " DEFAULT_OUTPUT ")" },
	{ 'f', "force", NULL, "replace FILE where it exists" },
	{ 'd', "duration", "SECONDS", "stop after so long (default: at ^C or the server's end)" },
	{ OPT_EVENTS, "events", "LIST",
	  "events to count, in libpfm4's names, separated by commas;\n{A,B}: together; none; default: a set for this "
	  "processor,\nwhere it has counters (tokprof list --events)" },
	{ OPT_CAPTURE_TEXT, "capture-text", NULL,
	  "keep prompts and completions in the recording\n(default: counts and hashes only)" },
	{ OPT_DEVICE_ROOT, "device-root", "DIR",
	  "look for devices in DIR/dev and DIR/sys, where files may\nstand for them (default: /dev and /sys)" },
	{ OPT_DEVICE_TABLE, "device-table", "FILE", "names and classes of driver calls beside the known ones" },
	{ OPT_DIGEST_MODELS, "digest-models", NULL,
	  "SHA-256 of the weight files, read while nobody else wants\nCPU or disk, and to the end when the recording "
	  "is over" },
	{ OPT_ENGINE_PROFILE, "engine-profile", "FILE", "an engine profile to try before the known ones" },
	{ OPT_TOUCHED_BYTES, "touched-bytes", "SECONDS",
	  "so often, for some steps: which bytes of the weights the\nserver really reads. Takes the marks of touched "
	  "pages off\nits "
	  "memory each time, which slows a step or two" },
	{ OPT_NO_SYMBOLS, "no-symbols", NULL,
	  "look up no names for the stacks when the recording is over:\nfiles and addresses only" },
	{ OPT_RING, "ring-kib", "KIB",
	  "size of the ring buffer between kernel and recorder, a\npower of two (default: 8192); losses are counted" },
	{ OPT_SAMPLE_IDLE, "sample-idle", NULL, "sample stacks also while no request is open" },
	{ OPT_SAMPLE_RATE, "sample-rate", "HZ",
	  "stacks per second and CPU while the server's threads run\n(default: 49; 0: no stacks at all)" },
	{ OPT_SAMPLE_WAITS, "sample-waits", "US",
	  "stacks of waits of so many microseconds and longer\n(default: 1000; 0: of none)" },
	{ 0, NULL, NULL, NULL },
};

struct record {
	struct target_request request;
	struct session_options session;
	const char *output;
	int64_t duration_ns;	/* 0: none */
	bool force;
	bool no_symbols;
	char **command;		/* after "--"; NULL */
	struct launch launch;
};

extern const struct command command_record;

static volatile sig_atomic_t stop_requested;	/* how many times */

static void on_signal(int number)
{
	(void)number;
	stop_requested++;
}

/* Before anything is attached: what is wrong with a table of the user's is said with its line. */
static int check_devices(const struct session_options *options)
{
	struct ioctl_devices devices;
	char error[300];
	int err = 0;

	if (options->device_root || options->device_table) {
		err = ioctl_devices__open(&devices, options->device_root, options->device_table, error, sizeof(error));
		ioctl_devices__close(&devices);
	}
	if (err)
		message__error("docs/devices.md describes tables of driver calls", "%s", error);
	return err;
}

/* @return -1 to go on, or the exit code */
static int parse(struct record *r, int argc, char **argv)
{
	struct options o;
	int64_t value;
	int key;

	options__begin(&o, &command_record, argc, argv);
	while ((key = options__next(&o)) > 0) {
		switch (key) {
		case 'p':
			if (options__integer(&command_record, "--pid", o.value, 1, INT32_MAX, &value))
				return EXIT_CODE_USAGE;
			if (r->request.n_pids == TARGET_MAX_PIDS)
				return options__fail(&command_record, "more than %d processes", TARGET_MAX_PIDS);
			r->request.pids[r->request.n_pids++] = (uint32_t)value;
			break;
		case 'n':
			r->request.name = o.value;
			break;
		case 'a':
			r->request.all = true;
			break;
		case 'o':
			r->output = o.value;
			break;
		case 'f':
			r->force = true;
			break;
		case 'd':
			if (options__seconds(&command_record, "--duration", o.value, 10000000, &r->duration_ns))
				return EXIT_CODE_USAGE;
			break;
		case OPT_EVENTS:
			if (events_option__check(o.value))
				return EXIT_CODE_USAGE;
			r->session.events = o.value;
			break;
		case OPT_CAPTURE_TEXT:
			r->session.capture_text = true;
			break;
		case OPT_DEVICE_ROOT:
			r->session.device_root = o.value;
			break;
		case OPT_DEVICE_TABLE:
			r->session.device_table = o.value;
			break;
		case OPT_DIGEST_MODELS:
			r->session.digest_models = true;
			break;
		case OPT_ENGINE_PROFILE:
			r->session.engine_profile = o.value;
			break;
		case OPT_TOUCHED_BYTES:
			if (options__seconds(&command_record, "--touched-bytes", o.value, 1000000,
					     &r->session.touched_ns))
				return EXIT_CODE_USAGE;
			if (r->session.touched_ns < TOUCHED_LEAST_NS)
				return options__fail(&command_record, "--touched-bytes %s: at least 1 second", o.value);
			break;
		case OPT_NO_SYMBOLS:
			r->no_symbols = true;
			break;
		case OPT_RING:
			if (options__integer(&command_record, "--ring-kib", o.value, 4, 1 << 20, &value))
				return EXIT_CODE_USAGE;
			if (value & (value - 1))
				return options__fail(&command_record, "--ring-kib %s is not a power of two", o.value);
			r->session.ring_bytes = (uint32_t)value << 10;
			break;
		case OPT_SAMPLE_IDLE:
			r->session.sample_idle = true;
			break;
		case OPT_SAMPLE_RATE:
			if (options__integer(&command_record, "--sample-rate", o.value, 0, MOST_SAMPLE_RATE, &value))
				return EXIT_CODE_USAGE;
			r->session.sample_rate = (uint32_t)value;
			break;
		case OPT_SAMPLE_WAITS:
			if (options__integer(&command_record, "--sample-waits", o.value, 0, MOST_WAIT_LEAST_US, &value))
				return EXIT_CODE_USAGE;
			r->session.wait_least_ns = (uint64_t)value * 1000;
			break;
		}
	}
	if (key == OPTIONS_STOP)
		return o.exit_code;
	if (options__command(&o, &r->command) || check_devices(&r->session))
		return EXIT_CODE_USAGE;
	if ((r->request.n_pids > 0) + (r->request.name != NULL) + r->request.all + (r->command != NULL) != 1)
		return options__fail(&command_record, "name one target: -p PID, -n NAME, -a, or -- COMMAND");
	return -1;
}

static int64_t file_bytes(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

static void print_live_line(const struct session *s)
{
	const struct session_counts *c = &s->counts;

	fprintf(stderr, "\r\033[K%7.1f s  %lld requests (%lld open)  %lld steps  %lld tokens computed  %lld lost",
		(double)(monotonic_ns() - s->start_ns) / 1e9, (long long)c->n_requests,
		(long long)c->requests_in_flight, (long long)c->n_steps, (long long)c->n_tokens, (long long)c->n_lost);
	fflush(stderr);
}

/* @return why the loop ended, for the summary */
static const char *record_loop(struct record *r, struct session *s, struct recording_writer *writer)
{
	bool live = isatty(STDERR_FILENO) && !message__is_quiet();
	uint64_t next_tick = s->start_ns + TICK_NS;
	int status;

	for (;;) {
		uint64_t now;
		int err = session__poll(s, POLL_MS);

		if (err < 0 && err != -EINTR)
			return "the ring buffer could not be read";
		now = monotonic_ns();
		if (now >= next_tick) {
			session__tick(s);
			next_tick = now + TICK_NS;
			if (live)
				print_live_line(s);
		}
		if (recording_writer__status(writer))
			return "the recording could not be written";
		if (stop_requested)
			return "stopped";
		if (r->duration_ns && now - s->start_ns >= (uint64_t)r->duration_ns)
			return "time is up";
		launch__ended(&r->launch, &status);
		if (!session__any_alive(s))
			return "the server has ended";
	}
}

/* @model of the cost model that the recording carries; where it has none, why */
static void summarise(const struct record *r, const struct session_counts *c, const struct target *target,
		      bool has_model, const char *model, const char *why)
{
	message__info("%s: %lld requests, %lld steps, %lld tokens computed, %lld records lost; %s, %.1f MB", why,
		      (long long)c->n_requests, (long long)c->n_steps, (long long)c->n_tokens, (long long)c->n_lost,
		      r->output, (double)file_bytes(r->output) / 1e6);
	if (c->n_lost > 0)
		message__warn("a larger --ring-kib, or fewer processes on the host's CPUs",
			      "records were lost: the requests they hit are marked incomplete");
	if (has_model)
		message__info("cost model: %s", model);
	else if (c->n_steps > 0)
		message__info("cost model: none: %s; run tokprof calibrate -p %u", model, target->pids[0]);
	message__info("next: tokprof report %s", r->output);
}

/* While the server's files are there: it may end any time. */
static void look_up_names(const struct record *r, struct recording_writer *writer)
{
	const struct symbol_options options = { .interrupts = &stop_requested };
	struct symbol_summary summary;
	char error[512];

	if (r->no_symbols)
		return;
	if (carry__names(writer, r->output, &options, &summary, error, sizeof(error)))
		message__warn(NULL, "no names were looked up: %s", error);
	else
		carry__tell(&summary);
}

static int record_session(struct record *r, const struct target *target)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct recording_writer *writer = NULL;
	struct session s;
	char error[512], model[512];
	bool has_model;
	const char *why;
	int err;

	/* Before anything takes time: a ^C while programs are loaded ends the recording as one a moment later would. */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	err = recording_writer__open(&writer, r->output, r->force);
	if (err) {
		message__error(err == -EEXIST ? "give -f to replace it, or another -o FILE" : NULL, "%s",
			       recording_writer__error(writer));
		recording_writer__free(writer);
		return EXIT_CODE_USAGE;
	}
	err = session__open(&s, &r->session, writer, error, sizeof(error));
	if (err) {
		message__error(NULL, "%s", error);
		session__close(&s);
		recording_writer__close(writer, false);
		recording__remove(r->output);
		return EXIT_CODE_PRIVILEGE;
	}
	host__write_meta(writer);
	err = session__start(&s, target->pids, target->n_pids, error, sizeof(error));
	if (err) {
		message__error(NULL, "%s", error);
		session__close(&s);
		recording_writer__close(writer, false);
		recording__remove(r->output);
		return EXIT_CODE_TARGET;
	}
	recording_writer__put_meta_int(writer, "start_ns", (int64_t)s.start_ns);
	if (r->command)
		recording_writer__put_meta(writer, "command", r->command[0]);
	err = stop_requested ? 0 : launch__go(&r->launch);	/* a ^C has ended the command, too */
	if (err && !stop_requested) {
		message__error("check the command after --", "cannot start '%s': %s", r->command[0], strerror(-err));
		session__close(&s);
		recording_writer__close(writer, false);
		recording__remove(r->output);
		return EXIT_CODE_USAGE;
	}
	if (!message__is_quiet())
		session__describe(&s, stderr);
	fprintf(stderr, "recording %s to %s%s\n", target->text, r->output,
		r->duration_ns ? "" : "; ^C or SIGTERM ends it");

	why = record_loop(r, &s, writer);
	if (isatty(STDERR_FILENO) && !message__is_quiet())
		fputc('\n', stderr);
	recording_writer__put_meta_int(writer, "end_ns", (int64_t)monotonic_ns());
	recording_writer__put_meta(writer, "end_reason", why);
	session__close(&s);
	look_up_names(r, writer);
	has_model = carry__fits(writer, r->output, s.counts.n_steps, model, sizeof(model)) > 0;
	err = recording_writer__flush(writer);
	if (err)
		message__error("free some space and record again; what was committed can be read",
			       "the recording stopped early: %s", recording_writer__error(writer));
	err = recording_writer__close(writer, err == 0);
	summarise(r, &s.counts, target, has_model, model, why);
	return err ? EXIT_CODE_USAGE : EXIT_CODE_DONE;
}

static int record_run(int argc, char **argv)
{
	struct record r = { .output = DEFAULT_OUTPUT,
			    .session = { .interrupts = &stop_requested,
					 .events = EVENTS_DEFAULT,
					 .sample_rate = DEFAULT_SAMPLE_RATE,
					 .wait_least_ns = DEFAULT_WAIT_LEAST_NS },
			    .launch = { .gate = -1, .failed = -1 } };
	struct target target = { .n_pids = 0 };
	int code = parse(&r, argc, argv);
	char error[512];

	if (code >= 0)
		return code;
	if (!host__may_trace(error, sizeof(error))) {
		message__error("run it as root", "%s", error);
		return EXIT_CODE_PRIVILEGE;
	}
	if (r.command) {
		if (launch__start(&r.launch, r.command, false)) {
			message__error(NULL, "cannot start '%s': %s", r.command[0], strerror(errno));
			return EXIT_CODE_USAGE;
		}
		target__set_child(&target, (uint32_t)r.launch.pid, r.command[0]);
	} else if (target__find(&target, &r.request, error, sizeof(error))) {
		message__error("tokprof list shows the servers running here", "%s", error);
		return EXIT_CODE_TARGET;
	}
	code = record_session(&r, &target);
	launch__forget(&r.launch);
	return code;
}

const struct command command_record = {
	.name = "record",
	.summary = "attach to a running server and record what every request and token took",
	.usage = "-p PID [-o FILE] [-d SECONDS]\n-n NAME | -a\n[-o FILE] -- COMMAND [ARGUMENT...]",
	.description = "Attaches to a running inference server, changes nothing in it, and writes a\n"
		       "recording that `tokprof report` reads. Ends at ^C, SIGTERM, when the time is up or\n"
		       "the server ends; the file is usable in every case, also after kill -9.\n"
		       "\n"
		       "When everything is attached, one line that starts with \"recording \" goes to\n"
		       "stderr. Prompts and completions stay out of the recording unless asked for.",
	.options = record_options,
	.examples = "tokprof record -p 4711 -o run.tokprof -d 60\ntokprof report run.tokprof",
	.run = record_run,
};
