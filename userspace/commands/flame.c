/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/flame.h"
#include "userspace/command.h"
#include "userspace/flame/graph.h"
#include "userspace/message.h"
#include "userspace/recording.h"
#include "userspace/stream.h"

enum {
	OPTION_RESOURCE = 256,
	OPTION_PER,
	OPTION_FORMAT,
	OPTION_REQUEST,
	OPTION_MODEL,
	OPTION_PHASE,
	OPTION_DIFF,
};

#define MAX_CHOICES 32

extern const struct command command_flame;

struct request {
	const char *path; /* the recording */
	const char *base_path; /* the one that it is compared with; NULL */
	const char *out_path; /* NULL: standard output */
	const struct flame_output *output; /* NULL while it is not known */
	struct flame_options flame;
	bool chose_per, chose_resource;
};

/* A recording with all that is made of it. */
struct analysis {
	struct recording recording;
	struct timeline timeline;
	struct ledger ledger;
};

static int parse_resource(struct request *q, const char *value)
{
	const char *names[MAX_CHOICES + 1];
	int n = 0, choice;

	for (; flame_resources[n].name && n < MAX_CHOICES; n++)
		names[n] = flame_resources[n].name;
	names[n] = NULL;
	choice = options__choice(&command_flame, "--resource", value, names);
	if (choice < 0)
		return -EINVAL;
	q->flame.resource = &flame_resources[choice];
	q->chose_resource = true;
	return 0;
}

static int parse_format(struct request *q, const char *value)
{
	const char *names[MAX_CHOICES + 1];
	int n = 0, choice;

	for (; flame_outputs[n] && n < MAX_CHOICES; n++)
		names[n] = flame_outputs[n]->name;
	names[n] = NULL;
	choice = options__choice(&command_flame, "--format", value, names);
	if (choice < 0)
		return -EINVAL;
	q->output = flame_outputs[choice];
	return 0;
}

static int parse_phase(struct request *q, const char *value)
{
	const char *names[N_PHASES + 1];

	for (int p = 0; p < N_PHASES; p++)
		names[p] = phase__name((enum phase)p);
	names[N_PHASES] = NULL;
	q->flame.phase = options__choice(&command_flame, "--phase", value, names);
	return q->flame.phase < 0 ? -EINVAL : 0;
}

static int parse_per(struct request *q, const char *value)
{
	const int choice = options__choice(&command_flame, "--per", value, flame_per_names);

	if (choice < 0)
		return -EINVAL;
	q->flame.per = (enum flame_per)choice;
	q->chose_per = true;
	return 0;
}

static int parse_option(struct request *q, int key, const char *value)
{
	switch (key) {
	case 'o':
		q->out_path = value;
		return 0;
	case OPTION_RESOURCE:
		return parse_resource(q, value);
	case OPTION_PER:
		return parse_per(q, value);
	case OPTION_FORMAT:
		return parse_format(q, value);
	case OPTION_PHASE:
		return parse_phase(q, value);
	case OPTION_REQUEST:
		q->flame.request = value;
		return 0;
	case OPTION_MODEL:
		q->flame.model = value;
		return 0;
	default:
		q->base_path = value;
		return 0;
	}
}

/* ----------------------------------------------------------------------------------------------------------- recordings --- */

static int fail_analysis(const char *path, int err)
{
	if (err == -ENOMEM)
		message__error("draw it on a machine with more memory", "%s: out of memory", path);
	else if (err == -EINVAL)
		message__error("record it again; a recording that a program has edited may not add up",
			       "%s: its tables contradict each other", path);
	else
		message__error("this is a bug in tokprof: report it, with the recording if you may",
			       "%s: the analysis failed: %s", path, strerror(-err));
	return err == -ENOMEM || err == -EINVAL ? EXIT_CODE_USAGE : EXIT_CODE_BUG;
}

static void analysis__close(struct analysis *a)
{
	ledger__free(&a->ledger);
	timeline__free(&a->timeline);
	recording__free(&a->recording);
}

/* Close it in any case. @return enum exit_code, after a message */
static int analysis__open(struct analysis *a, const char *path)
{
	const struct ledger_options how = { .want_rows = true, .want_wall = true };
	char error[512] = "";
	int err;

	memset(a, 0, sizeof(*a));
	if (recording__load_all(&a->recording, path, error, sizeof(error)) < 0) {
		message__error(NULL, "%s", error);
		return EXIT_CODE_USAGE;
	}
	err = timeline__build(&a->timeline, &a->recording);
	if (!err)
		err = ledger__build(&a->ledger, &a->timeline, &how);
	if (err)
		return fail_analysis(path, err);
	if (ledger__broken(&a->ledger) >= 0)
		return fail_analysis(path, -EPROTO);
	return EXIT_CODE_DONE;
}

/* What the recording says of a remedy is better than what is said of any. */
static void fail_unavailable(const char *path, char *error, bool has_samples)
{
	static const char mark[] = "; remedy: ";
	char *own = strstr(error, mark);
	const char *remedy = has_samples ? "choose another --resource; tokprof doctor says what this host can measure" :
					   "record it again: stacks are sampled unless the recording says why not "
					   "(tokprof report -v)";

	if (own) {
		*own = '\0';
		remedy = own + strlen(mark);
	}
	message__error(remedy, "%s: %s", path, error);
}

static int draw(const struct request *q, const char *path, const struct analysis *a, struct flame_graph *graph)
{
	struct flame_options options = q->flame;
	char error[512];
	int err;

	options.by_request = q->output->by_request;
	err = flame_graph__build(graph, &a->ledger, &options, error, sizeof(error));
	if (err == -ENOENT)
		message__error("see what there is with: tokprof report FILE", "%s: %s", path, error);
	else if (err == -ENOTSUP)
		fail_unavailable(path, error, a->recording.n_stack_samples > 0);
	else if (err)
		return fail_analysis(path, err);
	return err ? EXIT_CODE_USAGE : EXIT_CODE_DONE;
}

/* ---------------------------------------------------------------------------------------------------------------- output --- */

static const char *file_name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A trace follows stacks only as it is written. */
static int write_to(FILE *f, const char *name, const struct request *q, const struct flame_view *view)
{
	const int err = q->output->write(f, view);

	return err == -EINVAL ? fail_analysis(q->path, err) : stream__finish(f, name, err);
}

static int write_view(const struct request *q, const struct flame_view *view)
{
	int exit_code;
	FILE *f;

	if (!q->out_path)
		return write_to(stdout, "standard output", q, view);
	f = fopen(q->out_path, "we");
	if (!f) {
		message__error("name a file that can be written with -o", "%s: %s", q->out_path, strerror(errno));
		return EXIT_CODE_USAGE;
	}
	exit_code = write_to(f, q->out_path, q, view);
	if (fclose(f) != 0 && exit_code == EXIT_CODE_DONE) {
		message__error("make room, or write elsewhere", "%s: %s", q->out_path, strerror(errno));
		exit_code = EXIT_CODE_USAGE;
	}
	return exit_code;
}

static int compare(const struct request *q, struct flame_graph *graph)
{
	struct flame_graph base = { .n_nodes = 0 };
	struct analysis other;
	int err, exit_code = analysis__open(&other, q->base_path);

	if (exit_code == EXIT_CODE_DONE)
		exit_code = draw(q, q->base_path, &other, &base);
	if (exit_code == EXIT_CODE_DONE) {
		err = flame_graph__compare(graph, &base);
		exit_code = err ? fail_analysis(q->base_path, err) : EXIT_CODE_DONE;
	}
	flame_graph__free(&base);
	analysis__close(&other);
	return exit_code;
}

static int flame(const struct request *q)
{
	struct flame_graph graph = { .n_nodes = 0 };
	struct analysis a;
	int exit_code = analysis__open(&a, q->path);

	if (exit_code == EXIT_CODE_DONE && !q->output->is_trace)
		exit_code = draw(q, q->path, &a, &graph);
	if (exit_code == EXIT_CODE_DONE && q->base_path)
		exit_code = compare(q, &graph);
	if (exit_code == EXIT_CODE_DONE) {
		const struct flame_view view = {
			.graph = q->output->is_trace ? NULL : &graph,
			.ledger = &a.ledger,
			.title = file_name_of(q->path),
			.base_title = q->base_path ? file_name_of(q->base_path) : NULL,
		};

		exit_code = write_view(q, &view);
	}
	flame_graph__free(&graph);
	analysis__close(&a);
	return exit_code;
}

static int check(struct request *q)
{
	if (q->base_path && !q->output->shows_diff)
		return options__fail(&command_flame, "--format %s cannot show a difference", q->output->name);
	/* What two recordings have in common is a token. */
	if (q->base_path && !q->chose_per)
		q->flame.per = PER_TOKEN;
	if (q->base_path && q->flame.per == PER_REQUEST)
		return options__fail(&command_flame,
				     "--diff compares tokens or totals: requests are others in each recording");
	if (q->output->is_trace &&
	    (q->flame.request || q->flame.model || q->flame.phase >= 0 || q->chose_per || q->chose_resource))
		return options__fail(&command_flame,
				     "--format %s shows the whole recording as it went: it takes no filter, no --per "
				     "and no --resource",
				     q->output->name);
	if (!q->out_path && q->output->is_binary && isatty(STDOUT_FILENO))
		return options__fail(&command_flame, "--format %s is no text: name a file with -o", q->output->name);
	if (q->out_path &&
	    (same_file(q->out_path, q->path) || (q->base_path && same_file(q->out_path, q->base_path)))) {
		message__error("name another file with -o", "%s: is the recording itself", q->out_path);
		return EXIT_CODE_USAGE;
	}
	return EXIT_CODE_DONE;
}

static int run(int argc, char **argv)
{
	struct request q = { .flame = { .resource = flame_resources, .phase = -1 } };
	struct options o;
	int key, exit_code;

	options__begin(&o, &command_flame, argc, argv);
	while ((key = options__next(&o)) > 0)
		if (parse_option(&q, key, o.value) < 0)
			return EXIT_CODE_USAGE;
	if (key == OPTIONS_STOP)
		return o.exit_code;
	if (o.n_operands == 0)
		return options__fail(&command_flame, "which recording? No file was named");
	if (o.n_operands > 1)
		return options__fail(&command_flame, "%s: one recording at a time; --diff OTHER compares two",
				     o.operands[1]);
	q.path = o.operands[0];
	if (!q.output && q.out_path)
		q.output = flame_output__of_file(q.out_path);
	if (!q.output)
		q.output = flame_outputs[0];
	exit_code = check(&q);
	return exit_code == EXIT_CODE_DONE ? flame(&q) : exit_code;
}

static const struct option_spec flame_options[] = {
	{ OPTION_RESOURCE, "resource", "WHAT",
	  "cpu (default), offcpu, kernel, and where it was measured: device, bytes, cycles, energy" },
	{ OPTION_PER, "per", "WHAT", "total (default): everything; token: per token; request: one root per request" },
	{ OPTION_FORMAT, "format", "FORMAT",
	  "svg, html, folded, pprof, speedscope, perfetto or json\n(default: as the name of -o FILE says, else svg)" },
	{ 'o', "output", "FILE", "write there and not to standard output" },
	{ OPTION_REQUEST, "request", "ID", "only the request of this number or response id" },
	{ OPTION_MODEL, "model", "NAME", "only requests of this model, as asked for or as answered" },
	{ OPTION_PHASE, "phase", "PHASE", "only prefill, decode, verify, draft, embed or encode" },
	{ OPTION_DIFF, "diff", "OTHER",
	  "show what is more (red) and less (blue) than in another recording, per token" },
	{ 0, NULL, NULL, NULL },
};

const struct command command_flame = {
	.name = "flame",
	.summary = "flame graphs and traces: which functions a token's time goes to",
	.usage = "[OPTIONS] FILE",
	.description = "Draws where the time of a recording went: by phase, then by function. The figures are\n"
		       "those of the ledger (tokprof report), to the last unit; samples of stacks say how they\n"
		       "divide over functions. Needs no privilege. The same recording gives the same bytes on\n"
		       "any machine.",
	.options = flame_options,
	.examples = "  tokprof flame run.tokprof -o run.html\n"
		    "  tokprof flame run.tokprof --per token --format folded\n"
		    "  tokprof flame after.tokprof --diff before.tokprof -o diff.svg",
	.run = run,
};
