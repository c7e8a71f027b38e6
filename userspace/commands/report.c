/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "output/facts.h"
#include "output/output.h"
#include "userspace/analysis/kernel_work.h"
#include "userspace/command.h"
#include "userspace/message.h"
#include "userspace/recording.h"
#include "userspace/stream.h"
#include "userspace/terminal.h"

enum {
	OPTION_BY = 256,
	OPTION_RULE,
	OPTION_FIXED_BY,
	OPTION_FORMAT,
};

#define MAX_CHOICES 32

extern const struct command command_report;

struct report_options {
	const char *path; /* the recording */
	const char *out_path; /* NULL: standard output */
	const struct output *output;
	struct ledger_options ledger;
	enum report_by by;
};

static const char *const by_names[] = {
	[BY_REQUEST] = "request",   [BY_TOKEN] = "token", [BY_STEP] = "step",
	[BY_PHASE] = "phase",	    [BY_MODEL] = "model", [BY_CLIENT] = "client",
	[BY_OPERATOR] = "operator", [BY_LAYER] = "layer", [N_REPORT_BY] = NULL,
};

static int parse_by(struct report_options *options, const char *value)
{
	int by = options__choice(&command_report, "--by", value, by_names);
	if (by < 0)
		return -EINVAL;
	options->by = (enum report_by)by;
	return 0;
}

static int parse_format(struct report_options *options, const char *value)
{
	const char *names[MAX_CHOICES + 1];
	int n = 0, format;

	for (; outputs[n] && n < MAX_CHOICES; n++)
		names[n] = outputs[n]->name;
	names[n] = NULL;
	format = options__choice(&command_report, "--format", value, names);
	if (format < 0)
		return -EINVAL;
	options->output = outputs[format];
	return 0;
}

static int parse_rule(struct report_options *options, const char *value)
{
	const char *names[MAX_CHOICES + 1];
	int n = 0, rule;

	for (; rules[n] && n < MAX_CHOICES; n++)
		names[n] = rules[n]->name;
	names[n] = NULL;
	rule = options__choice(&command_report, "--rule", value, names);
	if (rule < 0)
		return -EINVAL;
	options->ledger.rule = rules[rule];
	return 0;
}

static int parse_option(struct report_options *options, int key, const char *value)
{
	int fixed_by;

	switch (key) {
	case 'o':
		options->out_path = value;
		return 0;
	case OPTION_BY:
		return parse_by(options, value);
	case OPTION_FORMAT:
		return parse_format(options, value);
	case OPTION_RULE:
		return parse_rule(options, value);
	default:
		fixed_by = options__choice(&command_report, "--fixed-by", value, fixed_by_names);
		if (fixed_by < 0)
			return -EINVAL;
		options->ledger.fixed_by = (enum fixed_by)fixed_by;
		return 0;
	}
}

static int write_to(FILE *f, const char *name, const struct report_options *options, const struct ledger *ledger)
{
	struct output_options how = {
		.by = options->by,
		.verbose = message__verbosity(),
		.color = terminal__has_color(f),
		.columns = terminal__columns(f),
	};

	return stream__finish(f, name, options->output->write(f, ledger, &how));
}

/* -o with the recording's own name would leave nothing to report. */
static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int write_report(const struct report_options *options, const struct ledger *ledger)
{
	int exit_code;
	FILE *f;

	if (!options->out_path)
		return write_to(stdout, "standard output", options, ledger);
	if (same_file(options->out_path, options->path)) {
		message__error("name another file with -o", "%s: is the recording itself", options->out_path);
		return EXIT_CODE_USAGE;
	}
	f = fopen(options->out_path, "we");
	if (!f) {
		message__error("name a file that can be written with -o", "%s: %s", options->out_path, strerror(errno));
		return EXIT_CODE_USAGE;
	}
	exit_code = write_to(f, options->out_path, options, ledger);
	if (fclose(f) != 0 && exit_code == EXIT_CODE_DONE) {
		message__error("make room, or write elsewhere", "%s: %s", options->out_path, strerror(errno));
		exit_code = EXIT_CODE_USAGE;
	}
	return exit_code;
}

static int fail_analysis(const struct report_options *options, int rc)
{
	if (rc == -ENOMEM) {
		message__error("report it on a machine with more memory", "%s: out of memory", options->path);
		return EXIT_CODE_USAGE;
	}
	if (rc == -EINVAL) {
		message__error("record it again; a recording that a program has edited may not add up",
			       "%s: its tables contradict each other", options->path);
		return EXIT_CODE_USAGE;
	}
	message__error("this is a bug in tokprof: report it, with the recording if you may",
		       "%s: the analysis failed: %s", options->path, strerror(-rc));
	return EXIT_CODE_BUG;
}

static int report_ledger(const struct report_options *options, const struct ledger *ledger)
{
	int broken = ledger__broken(ledger);

	/* A ledger that does not add up is worth nothing: no figure of it is printed. */
	if (broken >= 0) {
		message__error("this is a bug in tokprof, not in your server: report it, with the recording if you may",
			       "%s: the ledger does not add up: requests and accounts differ from the total of %s",
			       options->path, ledger->resources[broken].row->name);
		return EXIT_CODE_BUG;
	}
	if (kernel_work__broken(ledger) >= 0) {
		message__error("this is a bug in tokprof, not in your server: report it, with the recording if you may",
			       "%s: system calls and interrupts do not add up to the kernel time", options->path);
		return EXIT_CODE_BUG;
	}
	return write_report(options, ledger);
}

static int report_timeline(const struct report_options *options, const struct timeline *timeline)
{
	struct ledger_options how = options->ledger;
	struct ledger ledger;
	char error[256] = "";
	int exit_code, rc;

	how.error = error;
	how.error_size = sizeof(error);
	rc = ledger__build(&ledger, timeline, &how);
	if (rc == -ENOTSUP) {
		message__error("leave --rule out: the report then says which rule it fell back to", "%s: --rule %s: %s",
			       options->path, how.rule->name, error);
		return EXIT_CODE_USAGE;
	}
	if (rc < 0)
		return fail_analysis(options, rc);
	exit_code = report_ledger(options, &ledger);
	ledger__free(&ledger);
	return exit_code;
}

static int report(const struct report_options *options)
{
	struct recording recording;
	struct timeline timeline;
	char error[512] = "";
	int exit_code, rc;

	rc = options->output->is_page ? recording__load_all(&recording, options->path, error, sizeof(error)) :
					recording__load(&recording, options->path, error, sizeof(error));
	if (rc < 0) {
		message__error(NULL, "%s", error);
		return EXIT_CODE_USAGE;
	}
	rc = timeline__build(&timeline, &recording);
	if (rc < 0) {
		exit_code = fail_analysis(options, rc);
	} else {
		exit_code = report_timeline(options, &timeline);
		timeline__free(&timeline);
	}
	recording__free(&recording);
	return exit_code;
}

static int run(int argc, char **argv)
{
	struct report_options options = { .output = outputs[0] };
	struct options o;
	int key;

	options__begin(&o, &command_report, argc, argv);
	while ((key = options__next(&o)) > 0)
		if (parse_option(&options, key, o.value) < 0)
			return EXIT_CODE_USAGE;
	if (key == OPTIONS_STOP)
		return o.exit_code;
	if (o.n_operands == 0)
		return options__fail(&command_report, "which recording? No file was named");
	if (o.n_operands > 1)
		return options__fail(&command_report, "%s: one recording at a time", o.operands[1]);
	options.path = o.operands[0];
	if (options.output->is_page && options.by != BY_REQUEST)
		return options__fail(&command_report, "--format %s is one page with everything: it takes no --by",
				     options.output->name);
	options.ledger.want_wall =
		options.by == BY_REQUEST && (message__verbosity() > 0 || options.output != outputs[0]);
	options.ledger.want_rows = options.by == BY_STEP || options.by == BY_TOKEN || options.output->is_page;
	return report(&options);
}

static const struct option_spec report_options[] = {
	{ OPTION_BY, "by", "WHAT",
	  "one line per request (default), token, step, phase, model,\n"
	  "client, or, of what steps are made of, operator or layer" },
	{ OPTION_FORMAT, "format", "FORMAT",
	  "text (default), json (schema tokprof.report/1), csv, or html:\n"
	  "one page for a browser, with drawings" },
	{ 'o', "output", "FILE", "write there and not to standard output" },
	{ OPTION_RULE, "rule", "RULE",
	  "how a step is shared over its rows: shapley (default), affine,\n"
	  "roofline, flop, bytes, per-token or per-row" },
	{ OPTION_FIXED_BY, "fixed-by", "WHAT", "what carries a step's fixed cost: row (default), token or request" },
	{ 0, NULL, NULL, NULL },
};

const struct command command_report = {
	.name = "report",
	.summary = "what every request and token of a recording took",
	.usage = "[OPTIONS] FILE",
	.description = "Prints the ledger of a recording: every request with its tokens as billed and as\n"
		       "computed, its latencies and its costs; then the accounts, so that requests and\n"
		       "accounts add up to what the kernel says the server used; then how far each\n"
		       "figure can be trusted. Needs no privilege. The same recording gives the same\n"
		       "bytes on any machine.",
	.options = report_options,
	.examples = "  tokprof report run.tokprof\n"
		    "  tokprof report run.tokprof --by step | less\n"
		    "  tokprof report run.tokprof --format json -o run.json\n"
		    "  tokprof report run.tokprof --format html -o run.html",
	.run = run,
};
