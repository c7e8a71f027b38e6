/* SPDX-License-Identifier: Apache-2.0 */
/* tokprof list: the processes of this host that carry a known engine, and what of it can be probed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectors/ioctl_devices.h"
#include "output/figure.h"
#include "output/json_model.h"
#include "output/json_writer.h"
#include "output/table.h"
#include "userspace/command.h"
#include "userspace/counters/event_report.h"
#include "userspace/engine.h"
#include "userspace/message.h"
#include "userspace/model_file.h"
#include "userspace/process.h"
#include "userspace/stream.h"
#include "userspace/terminal.h"

#define MAX_SERVERS 256
#define LISTEN_SIZE 256
#define MAX_DEVICES 32

enum {
	OPTION_JSON = 256,
	OPTION_DEVICE_ROOT,
	OPTION_EVENTS,
};

struct server {
	struct engine_instance *engine;
	struct model_file *models; /* mapped */
	size_t n_models;
	struct ioctl_open_device devices[MAX_DEVICES]; /* accelerators that it has open */
	size_t n_devices;
	char listen[LISTEN_SIZE]; /* addresses, separated by ", "; "" none */
};

struct server_list {
	struct server servers[MAX_SERVERS];
	size_t n;
	size_t n_refused; /* processes that this one may not look into */
	struct ioctl_devices devices;
};

extern const struct command command_list;

static void find_addresses(struct server *s, uint32_t pid)
{
	struct process_socket *sockets = NULL;
	size_t n = 0, at = 0, i;

	process__sockets(pid, &sockets, &n);
	for (i = 0; i < n; i++) {
		int length;

		if (sockets[i].state != PROCESS_SOCKET_LISTENING)
			continue;
		length = snprintf(s->listen + at, sizeof(s->listen) - at, "%s%s", at ? ", " : "", sockets[i].local);
		if (length < 0 || (size_t)length >= sizeof(s->listen) - at) {
			s->listen[at] = 0; /* not a half address */
			break;
		}
		at += (size_t)length;
	}
	free(sockets);
}

/* @return 0 or -ENOMEM */
static int look_at(struct server_list *list, uint32_t pid, const struct engine_profiles *profiles,
		   struct engine_cache *cache)
{
	struct server *s = &list->servers[list->n];
	int err;

	if (!s->engine)
		s->engine = malloc(sizeof(*s->engine));
	if (!s->engine)
		return -ENOMEM;
	err = engine__find_cached(s->engine, pid, profiles, cache);
	list->n_refused += err == -EACCES || err == -EPERM;
	if (err && err != -ENOTSUP)
		return 0;
	model_file__all(pid, &s->models, &s->n_models);
	find_addresses(s, pid);
	s->n_devices = ioctl_devices__list_open(&list->devices, pid, s->devices, MAX_DEVICES);
	list->n++;
	return 0;
}

static int gather(struct server_list *list, const struct engine_profiles *profiles)
{
	struct engine_cache *cache = engine_cache__new();
	uint32_t *pids = NULL;
	size_t n = 0, i;
	int err = cache ? process__all(&pids, &n) : -ENOMEM;

	for (i = 0; i < n && !err && list->n < MAX_SERVERS; i++)
		err = look_at(list, pids[i], profiles, cache);
	free(pids);
	engine_cache__free(cache);
	return err;
}

static void free_list(struct server_list *list)
{
	size_t i;

	for (i = 0; list && i < MAX_SERVERS; i++) {
		free(list->servers[i].engine);
		free(list->servers[i].models);
	}
	if (list)
		ioctl_devices__close(&list->devices);
	free(list);
}

/* A point is a function, not each of its returns. */
static bool is_point(const struct engine_probe *p)
{
	return p->role != PROBE_STEP_RETURN && p->role != PROBE_SPECULATION_RETURN && p->role != PROBE_GRAPH_RETURN &&
	       p->role != PROBE_SAMPLING_RETURN;
}

static size_t count_points(const struct engine_instance *e)
{
	size_t n = 0, i;

	for (i = 0; i < e->n_probes; i++)
		n += is_point(&e->probes[i]);
	return n;
}

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static void write_models(struct json_writer *w, const struct server *s)
{
	struct row_model row;

	json_writer__put_array(w, "models");
	for (size_t i = 0; i < s->n_models; i++) {
		model_file__row(&s->models[i], &row);
		json_model__write(w, &row);
	}
	json_writer__end_array(w);
}

static void write_devices(struct json_writer *w, const struct server *s)
{
	json_writer__put_array(w, "devices");
	for (size_t i = 0; i < s->n_devices; i++) {
		json_writer__begin_object(w);
		json_writer__put_string(w, "device", s->devices[i].path);
		json_writer__put_string(w, "driver", or_null(s->devices[i].driver));
		json_writer__end_object(w);
	}
	json_writer__end_array(w);
}

static void write_server(struct json_writer *w, const struct server *s)
{
	const struct model_file *model = model_file__largest(s->models, s->n_models);
	const struct engine_instance *e = s->engine;
	char note[400];
	size_t i;

	json_writer__begin_object(w);
	json_writer__put_integer(w, "pid", e->pid);
	json_writer__put_string(w, "engine", e->name);
	json_writer__put_string(w, "engine_version", or_null(e->version));
	json_writer__put_string(w, "model", model ? model->path : NULL);
	json_writer__put_string(w, "listen", or_null(s->listen));
	json_writer__put_array(w, "probes_found");
	for (i = 0; i < e->n_probes; i++)
		if (is_point(&e->probes[i]))
			json_writer__string(w, e->probes[i].symbol);
	json_writer__end_array(w);
	json_writer__put_array(w, "probes_missing");
	for (i = 0; i < e->n_missing; i++)
		json_writer__string(w, e->missing[i].point);
	json_writer__end_array(w);
	json_writer__put_array(w, "notes");
	for (i = 0; i < e->n_missing; i++) {
		snprintf(note, sizeof(note), "%s: %s", e->missing[i].point, e->missing[i].reason);
		json_writer__string(w, note);
	}
	json_writer__end_array(w);
	json_writer__put_string(w, "module", e->modules[0].path);
	json_writer__put_string(w, "build_id", or_null(e->modules[0].build_id));
	json_writer__put_string(w, "rows", e->layout_source);
	write_models(w, s);
	write_devices(w, s);
	json_writer__end_object(w);
}

static int write_json(FILE *f, const struct server_list *list)
{
	struct json_writer w;
	size_t i;

	json_writer__init(&w, f, 3);
	json_writer__begin_object(&w);
	json_writer__put_string(&w, "schema", "tokprof.list/1");
	json_writer__put_array(&w, "servers");
	for (i = 0; i < list->n; i++)
		write_server(&w, &list->servers[i]);
	json_writer__end_array(&w);
	json_writer__end_object(&w);
	return json_writer__finish(&w);
}

static void write_details(FILE *f, const struct server *s, int columns)
{
	const struct engine_instance *e = s->engine;
	char note[400 + sizeof(s->models->path)];
	size_t i;

	for (i = 0; i < s->n_models; i++)
		if (s->models[i].error[0]) {
			snprintf(note, sizeof(note), "facts are missing of %s: %s", s->models[i].path,
				 s->models[i].error);
			text__wrap(f, note, 0, 4, columns);
			putc('\n', f);
		}
	for (i = 0; i < s->n_devices; i++) {
		snprintf(note, sizeof(note), "open in %u: %s (%s)", e->pid, s->devices[i].path,
			 s->devices[i].driver[0] ? s->devices[i].driver : "of no driver that is known");
		text__wrap(f, note, 0, 4, columns);
		putc('\n', f);
	}
	for (i = 0; i < e->n_missing; i++) {
		snprintf(note, sizeof(note), "not probed in %u: %s: %s", e->pid, e->missing[i].point,
			 e->missing[i].reason);
		text__wrap(f, note, 0, 4, columns);
		putc('\n', f);
	}
	for (i = 0; i < e->n_probes && message__verbosity() > 0; i++)
		if (is_point(&e->probes[i]))
			fprintf(f, "probed in %u: %s\n", e->pid, e->probes[i].symbol);
}

static void write_model_cells(struct table *t, const struct model_file *model)
{
	const char *name = model ? strrchr(model->path, '/') : NULL;

	table__cell(t, "%s", name ? name + 1 : model ? model->path : "none mapped");
	table__cell(t, "%s", figure__count(model ? model->facts.n_params : ABSENT).s);
	table__cell(t, "%s", model && model->facts.quantization[0] ? model->facts.quantization : "-");
}

static int write_text(FILE *f, const struct server_list *list)
{
	static const struct table_column columns[] = {
		{ "PID", COLUMN_NUMBER, 0 },	      { "ENGINE", COLUMN_TEXT, 0 },
		{ "VERSION", COLUMN_SHRINK_END, 10 }, { "LISTENS ON", COLUMN_SHRINK_END, 15 },
		{ "PROBES", COLUMN_NUMBER, 0 },	      { "MODEL", COLUMN_SHRINK_MIDDLE, 16 },
		{ "PARAMS", COLUMN_NUMBER, 0 },	      { "FORMAT", COLUMN_TEXT, 0 },
	};
	int width = terminal__columns(f), err;
	struct table *t;
	size_t i;

	if (list->n == 0) {
		fputs("no known inference server runs here\n", f);
		return 0;
	}
	t = table__new(f, columns, (int)(sizeof(columns) / sizeof(columns[0])), width, 0, terminal__has_color(f));
	if (!t)
		return -ENOMEM;
	for (i = 0; i < list->n; i++) {
		const struct server *s = &list->servers[i];

		table__cell(t, "%u", s->engine->pid);
		table__cell(t, "%s", s->engine->name);
		table__cell(t, "%s", s->engine->version[0] ? s->engine->version : "unknown");
		table__cell(t, "%s", s->listen[0] ? s->listen : "-");
		table__styled(t, s->engine->n_missing ? STYLE_WARN : STYLE_GOOD, "%zu/%zu", count_points(s->engine),
			      count_points(s->engine) + s->engine->n_missing);
		write_model_cells(t, model_file__largest(s->models, s->n_models));
		table__end_row(t);
	}
	err = table__finish(t);
	for (i = 0; i < list->n && !err; i++)
		write_details(f, &list->servers[i], width);
	return err;
}

static int list_servers(bool json, const char *device_root)
{
	struct server_list *list = calloc(1, sizeof(*list));
	struct engine_profiles profiles = { 0 };
	char error[512] = "out of memory";
	int err = list ? engine_profiles__load(&profiles, NULL, error, sizeof(error)) : -ENOMEM;

	if (!err)
		err = ioctl_devices__open(&list->devices, device_root, NULL, error, sizeof(error));
	if (err) {
		message__error("correct or remove the file", "%s", error);
		engine_profiles__free(&profiles);
		free_list(list);
		return EXIT_CODE_USAGE;
	}
	err = gather(list, &profiles);
	engine_profiles__free(&profiles);
	if (!err) {
		/* With root what is left are processes of another name space, of which there is nothing to be said. */
		if (list->n_refused && geteuid() != 0)
			message__warn("run as root to see those too",
				      "%zu of other users' processes were not looked into", list->n_refused);
		if (list->n == MAX_SERVERS)
			message__warn(NULL, "only the first %d servers are listed", MAX_SERVERS);
		err = json ? write_json(stdout, list) : write_text(stdout, list);
	}
	free_list(list);
	return stream__finish(stdout, "standard output", err);
}

static int list_events(const char *pattern, bool json)
{
	int rc = event_report__write(stdout, pattern, json, terminal__columns(stdout));

	if (rc == -ENOENT) {
		message__error("tokprof list --events without a pattern shows all",
			       "no event of this host matches '%s'", pattern ? pattern : "*");
		return EXIT_CODE_USAGE;
	}
	if (rc == -ENOSYS) {
		message__error("see LIBPFM_FORCE_PMU, if it is set", "libpfm4 knows no counters of this host");
		return EXIT_CODE_PRIVILEGE;
	}
	return stream__finish(stdout, "standard output", rc);
}

static int run(int argc, char **argv)
{
	bool json = false, events = false;
	struct options o;
	const char *device_root = NULL;
	int key;

	options__begin(&o, &command_list, argc, argv);
	while ((key = options__next(&o)) > 0) {
		json = json || key == OPTION_JSON;
		events = events || key == OPTION_EVENTS;
		if (key == OPTION_DEVICE_ROOT)
			device_root = o.value;
	}
	if (key == OPTIONS_STOP)
		return o.exit_code;
	if (o.n_operands > (events ? 1 : 0))
		return options__fail(&command_list, "%s: %s", o.operands[events ? 1 : 0],
				     events ? "one pattern is all that --events takes" :
					      "the command takes no operand");
	return events ? list_events(o.operands[0], json) : list_servers(json, device_root);
}

static const struct option_spec list_options[] = {
	{ OPTION_DEVICE_ROOT, "device-root", "DIR",
	  "look for devices in DIR/dev and DIR/sys, where files may\nstand for them (default: /dev and /sys)" },
	{ OPTION_EVENTS, "events", NULL,
	  "events that can be counted on this host, in libpfm4's names; with a\npattern those that have it in their "
	  "name" },
	{ OPTION_JSON, "json", NULL, "print JSON (schema tokprof.list/1)" },
	{ 0, NULL, NULL, NULL },
};

const struct command command_list = {
	.name = "list",
	.summary = "inference servers that run here, and what of them can be probed",
	.usage = "[OPTIONS]\n--events [PATTERN]",
	.description = "Looks into every process for a known engine and prints its version, where it\n"
		       "listens, how many of the probe points were found, and the model file that it\n"
		       "has mapped, with what its header says. Accelerators that it has open follow, and\n"
		       "points that were not found, with the reason. Nothing is attached. Without root only your own "
		       "processes are seen.",
	.options = list_options,
	.examples = "  tokprof list\n"
		    "  tokprof list --events cache\n"
		    "  tokprof list --json | jq '.servers[].pid'",
	.run = run,
};
