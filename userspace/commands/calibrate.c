/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tokprof calibrate: drive a server with a designed sweep of batch compositions while it is recorded, fit the cost model to its
 * steps, and store the fit where `record` finds it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "userspace/calibrate/fits.h"
#include "userspace/calibrate/print.h"
#include "userspace/calibrate/run.h"
#include "userspace/command.h"
#include "userspace/cost/fit_store.h"
#include "userspace/host.h"
#include "userspace/launch.h"
#include "userspace/message.h"
#include "userspace/stream.h"
#include "userspace/temporary.h"

#define DEFAULT_SECONDS 150
#define START_SECONDS 600
#define MAX_KEY 512
#define LEAST_STEPS 300

enum {
	OPT_SECONDS = 256,
	OPT_BUSY_OK,
	OPT_API_KEY_FILE,
	OPT_ENGINE_PROFILE,
	OPT_JSON,
};

static const struct option_spec calibrate_options[] = {
	{ 'p', "pid", "PID", "the server's process, or any process of its tree" },
	{ 'o', "output", "FILE", "keep the recording of the sweep (default: it is removed)" },
	{ 'f', "force", NULL, "replace FILE where it exists" },
	{ OPT_SECONDS, "seconds", "SECONDS", "how long to measure, from 10 on (default: 150)" },
	{ OPT_BUSY_OK, "busy-ok", NULL,
	  "go on where other clients use the server: the fit is\nblurred by what they do" },
	{ OPT_API_KEY_FILE, "api-key-file", "FILE", "a file whose first line is the server's API key" },
	{ OPT_ENGINE_PROFILE, "engine-profile", "FILE", "an engine profile to try before the known ones" },
	{ OPT_JSON, "json", NULL, "print JSON (schema tokprof.calibrate/1)" },
	{ 0, NULL, NULL, NULL },
};

struct calibrate {
	struct target_request request;
	struct server_options server;
	char key[MAX_KEY];
	char **command; /* after "--"; NULL */
	struct launch launch;
	const char *output; /* NULL: not kept */
	struct temporary temporary; /* where the recording is made else */
	bool json;
	struct calibration run;
};

extern const struct command command_calibrate;

static volatile sig_atomic_t stop_requested;

static void on_signal(int number)
{
	(void)number;
	stop_requested = 1;
}

/* --- what is asked for --------------------------------------------------------------------------------------------- */

static int read_key(struct calibrate *c, const char *path)
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f || !fgets(c->key, sizeof(c->key), f)) {
		message__error("name a file whose first line is the key", "%s: no API key can be read from it: %s",
			       path, f ? "it is empty" : strerror(errno));
		if (f)
			fclose(f);
		return -EINVAL;
	}
	fclose(f);
	n = strcspn(c->key, "\r\n");
	if (n == 0 || n + 1 == sizeof(c->key)) {
		message__error("name a file whose first line is the key", "%s: its first line is %s", path,
			       n ? "too long for an API key" : "empty");
		return -EINVAL;
	}
	c->key[n] = 0;
	c->server.key = c->key;
	return 0;
}

/* @return -1 to go on, or the exit code */
static int parse(struct calibrate *c, int argc, char **argv)
{
	int64_t value, budget_ns = DEFAULT_SECONDS * 1000000000LL;
	const char *key_file = NULL;
	struct options o;
	int key;

	options__begin(&o, &command_calibrate, argc, argv);
	while ((key = options__next(&o)) > 0) {
		switch (key) {
		case 'p':
			if (options__integer(&command_calibrate, "--pid", o.value, 1, INT32_MAX, &value))
				return EXIT_CODE_USAGE;
			if (c->request.n_pids)
				return options__fail(&command_calibrate, "one server at a time: a second -p %s",
						     o.value);
			c->request.pids[c->request.n_pids++] = (uint32_t)value;
			break;
		case 'o':
			c->output = o.value;
			break;
		case 'f':
			c->run.force = true;
			break;
		case OPT_SECONDS:
			if (options__seconds(&command_calibrate, "--seconds", o.value, 86400, &budget_ns))
				return EXIT_CODE_USAGE;
			if (budget_ns < 10000000000LL)
				return options__fail(&command_calibrate, "--seconds %s: at least 10 are needed",
						     o.value);
			break;
		case OPT_BUSY_OK:
			c->run.foreign_ok = true;
			break;
		case OPT_API_KEY_FILE:
			key_file = o.value;
			break;
		case OPT_ENGINE_PROFILE:
			c->server.engine_profile = c->run.session_options.engine_profile = o.value;
			break;
		case OPT_JSON:
			c->json = true;
			break;
		}
	}
	if (key == OPTIONS_STOP)
		return o.exit_code;
	if (options__command(&o, &c->command))
		return EXIT_CODE_USAGE;
	if ((c->request.n_pids > 0) + (c->command != NULL) != 1)
		return options__fail(&command_calibrate, "name one server: -p PID, or -- COMMAND");
	if (key_file && read_key(c, key_file))
		return EXIT_CODE_USAGE;
	if (c->output && !c->run.force && access(c->output, F_OK) == 0) {
		message__error("give -f to replace it, or another -o FILE", "%s exists", c->output);
		return EXIT_CODE_USAGE;
	}
	c->run.budget_ns = (uint64_t)budget_ns;
	c->run.stop = &stop_requested;
	return -1;
}

/* --- the server ---------------------------------------------------------------------------------------------------- */

static int code_of_server(int err)
{
	return err == -ESRCH ? EXIT_CODE_TARGET : EXIT_CODE_USAGE;
}

static int open_running(struct calibrate *c, struct target *target, struct server *server)
{
	char error[API_ERROR_SIZE + 128];
	const char *remedy = NULL;
	int err;

	if (target__find(target, &c->request, error, sizeof(error))) {
		message__error("tokprof list shows the servers running here", "%s", error);
		return EXIT_CODE_TARGET;
	}
	err = server__open(server, target, &c->server, error, sizeof(error));
	if (!err)
		return -1;
	if (err == -EACCES)
		remedy =
			c->server.key ? "the key of --api-key-file is not the server's" : "give it with --api-key-file";
	else if (err == -EAGAIN)
		remedy = "try again when the model is loaded";
	else if (err == -ENOTSUP)
		remedy = "tokprof list shows what can be probed in it";
	else if (err == -ENOENT)
		remedy = "calibrate speaks plain HTTP to the server's own port";
	message__error(remedy, "%s", error);
	return code_of_server(err);
}

static const char *say_status(int status, char *space, size_t size)
{
	if (WIFEXITED(status))
		snprintf(space, size, "with status %d", WEXITSTATUS(status));
	else
		snprintf(space, size, "by signal %d", WTERMSIG(status));
	return space;
}

/* Start the command, and wait until it answers. */
static int open_started(struct calibrate *c, struct target *target, struct server *server)
{
	const struct timespec pause = { .tv_nsec = 200000000 };
	char error[API_ERROR_SIZE + 128] = "it does not listen", words[32];
	uint64_t end;
	int err = launch__start(&c->launch, c->command, true), status;

	if (!err)
		err = launch__go(&c->launch);
	if (err) {
		message__error("check the command after --", "cannot start '%s': %s", c->command[0], strerror(-err));
		return EXIT_CODE_USAGE;
	}
	message__info("waiting for '%s' to serve", c->command[0]);
	c->request.pids[0] = (uint32_t)c->launch.pid;
	c->request.n_pids = 1;
	for (end = monotonic_ns() + START_SECONDS * 1000000000ULL; monotonic_ns() < end; nanosleep(&pause, NULL)) {
		if (stop_requested) {
			message__error(NULL, "interrupted: nothing was stored");
			return EXIT_CODE_INTERRUPTED;
		}
		if (launch__ended(&c->launch, &status)) {
			message__error("its own output says why", "'%s' ended %s before it served", c->command[0],
				       say_status(status, words, sizeof(words)));
			return EXIT_CODE_TARGET;
		}
		if (target__find(target, &c->request, error, sizeof(error)))
			continue;
		err = server__open(server, target, &c->server, error, sizeof(error));
		if (!err)
			return -1;
		if (err == -EACCES || err == -EINVAL || err == -ENOMEM)
			break;
	}
	message__error(err == -EACCES ? "give its API key with --api-key-file" : NULL, "'%s' cannot be calibrated: %s",
		       c->command[0], error);
	return EXIT_CODE_USAGE;
}

/* --- the fit ------------------------------------------------------------------------------------------------------- */

/* Is the CPU time of the target model's steps told apart by them? */
static bool identifies(const struct fit *fits, size_t n)
{
	const struct fit *cpu = fit__find(fits, n, "target", RESOURCE_CPU_NS);

	return cpu && cpu->cost.identified;
}

/* A better fit of the same server is not given up for this one. @return 0; -EEXIST: there is one */
static int look_for_better(const struct fits *fits, char *error, size_t size)
{
	struct fit_set old = { 0 };
	char words[512];
	int err = 0;

	if (fit_store__find(&fits->key, &old, words, sizeof(words)) == 0 && identifies(old.fits, old.n) &&
	    !identifies(fits->fits, fits->n)) {
		snprintf(error, size, "this fit is not identified, and the one that is stored is: that one is kept");
		err = -EEXIST;
	}
	fit_set__free(&old);
	return err;
}

static int store(struct calibrate *c, struct fits *fits, char *path, size_t size)
{
	char error[512];
	int err = fit_set__write(fits->fits, fits->n, c->run.writer);

	if (err) {
		message__error(NULL, "the fit cannot be put into the recording: %s",
			       recording_writer__error(c->run.writer));
		return err;
	}
	err = look_for_better(fits, error, sizeof(error));
	if (!err)
		err = fit_store__save(&fits->key, fits->fits, fits->n, path, size, error, sizeof(error));
	if (!err)
		return 0;
	path[0] = 0;
	if (c->output) {
		message__warn("reports of this recording use it", "%s", error);
		return 0;
	}
	message__error("keep it in a recording with -o FILE", "%s", error);
	return err;
}

static int fit_and_print(struct calibrate *c, const struct server *server, const struct timeline *t)
{
	const struct fits_options options = { .origin = FIT_ORIGIN_CALIBRATE, .judge = true };
	char path[4096];
	struct fits fits;
	int err = fits__make(&fits, t, &options), code;

	if (!err && fits.why[0]) {
		message__error("calibrate a server of one model, or of one and its draft", "no fit can be made: %s",
			       fits.why);
		fits__free(&fits);
		return EXIT_CODE_USAGE;
	}
	if (!err && (fits.n == 0 || fits.n_steps < LEAST_STEPS)) {
		message__error(
			"measure longer, with --seconds",
			"%lld steps with known rows were measured (%lld are left out), and %d are needed for a fit",
			(long long)fits.n_steps, (long long)fits.n_left_out, LEAST_STEPS);
		fits__free(&fits);
		return EXIT_CODE_USAGE;
	}
	if (err) {
		message__error(NULL, "the model cannot be fitted: %s", strerror(-err));
		return EXIT_CODE_BUG;
	}
	if (store(c, &fits, path, sizeof(path))) {
		code = EXIT_CODE_USAGE;
	} else {
		const struct calibrated done = {
			&c->run, server, t->recording, &fits, path[0] ? path : NULL, c->output
		};

		code = stream__finish(stdout, "the result",
				      c->json ? calibrated__print_json(&done, stdout) :
						calibrated__print_text(&done, stdout));
	}
	fits__free(&fits);
	return code;
}

static int analyse(struct calibrate *c, const struct server *server)
{
	struct recording recording;
	struct timeline timeline;
	char error[512];
	int code, err = recording__load(&recording, c->run.path, error, sizeof(error));

	if (err) {
		message__error(NULL, "%s", error);
		return EXIT_CODE_BUG;
	}
	err = timeline__build(&timeline, &recording);
	if (err) {
		message__error(NULL, "the recording cannot be analysed: %s", strerror(-err));
		code = EXIT_CODE_BUG;
	} else {
		code = fit_and_print(c, server, &timeline);
		timeline__free(&timeline);
	}
	recording__free(&recording);
	return code;
}

/* --- the command --------------------------------------------------------------------------------------------------- */

static int code_of_run(int err)
{
	switch (err) {
	case 0:
		return -1;
	case -EINTR:
		return EXIT_CODE_INTERRUPTED;
	case -ESRCH:
		return EXIT_CODE_TARGET;
	case -EPERM:
	case -EOPNOTSUPP:
		return EXIT_CODE_PRIVILEGE;
	default:
		return EXIT_CODE_USAGE;
	}
}

static int calibrate(struct calibrate *c, struct server *server, const struct target *target)
{
	int err, code;

	err = c->output ? 0 : temporary__new(&c->temporary);
	if (err) {
		message__error("set TMPDIR to a folder that can be written to",
			       "no folder for the recording can be made: %s", strerror(-err));
		return EXIT_CODE_USAGE;
	}
	c->run.path = c->output ? c->output : c->temporary.path;
	c->run.must_store = !c->output;
	message__info("calibrating %s at %s for about %.0f s", target->text, server->address,
		      (double)c->run.budget_ns / 1e9);
	err = calibration__run(&c->run, server, target);
	if (err)
		message__error(c->run.remedy[0] ? c->run.remedy : NULL, "%s", c->run.error);
	code = code_of_run(err);
	if (code < 0)
		code = analyse(c, server);
	err = calibration__close(&c->run, c->output && code == EXIT_CODE_DONE);
	if (err && c->output && code == EXIT_CODE_DONE) {
		message__error("free some space and calibrate again", "%s could not be ended: %s", c->output,
			       strerror(-err));
		code = EXIT_CODE_USAGE;
	}
	temporary__remove(&c->temporary);
	return code;
}

static int calibrate_run(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct calibrate *c = calloc(1, sizeof(*c));
	struct server server = { .http = NULL };
	struct target target = { .n_pids = 0 };
	char error[512];
	int code;

	if (!c)
		return EXIT_CODE_BUG;
	c->launch = (struct launch){ .gate = -1, .failed = -1 };
	code = parse(c, argc, argv);
	if (code < 0 && !host__may_trace(error, sizeof(error))) {
		message__error("run it as root", "%s", error);
		code = EXIT_CODE_PRIVILEGE;
	}
	if (code < 0) {
		sigaction(SIGINT, &action, NULL);
		sigaction(SIGTERM, &action, NULL);
		sigaction(SIGHUP, &action, NULL);
		signal(SIGPIPE, SIG_IGN);	/* a server that goes away while it is written to */
		code = c->command ? open_started(c, &target, &server) : open_running(c, &target, &server);
	}
	if (code < 0)
		code = calibrate(c, &server, &target);
	server__close(&server);
	launch__end(&c->launch);
	free(c);
	return code;
}

const struct command command_calibrate = {
	.name = "calibrate",
	.summary = "measure what a step of a server costs, by what is in it, with a load of its own",
	.usage = "-p PID [-o FILE] [--seconds SECONDS]\n[-o FILE] [--seconds SECONDS] -- COMMAND [ARGUMENT...]",
	.description = "Sends requests of its own to a running server, in designed mixes of prompts and\n"
		       "generations, short and long, one and many at once; records the server meanwhile;\n"
		       "and fits a model of what a step takes to what its rows were. The fit is stored\n"
		       "for this weight file (and its draft's), engine build, number of threads, host\n"
		       "and processor, and `tokprof record` takes it along, so that reports can share a\n"
		       "step's cost over its requests.\n"
		       "\n"
		       "The server must be idle: with other clients' requests on it calibrate ends\n"
		       "without a fit. What its slots had cached of prompts is replaced; nothing else is\n"
		       "changed. A command after -- is started for it and ended afterwards.",
	.options = calibrate_options,
	.examples = "tokprof calibrate -p 4711\n"
		    "tokprof calibrate --seconds 300 -- llama-server -m model.gguf",
	.run = calibrate_run,
};
