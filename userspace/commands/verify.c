/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "output/verify.h"
#include "userspace/command.h"
#include "userspace/message.h"
#include "userspace/stream.h"
#include "userspace/terminal.h"
#include "userspace/verify/bill_time.h"
#include "userspace/verify/books.h"
#include "userspace/verify/parts.h"

enum {
	OPTION_CLAIMS = 256,
	OPTION_BILL,
	OPTION_BILL_WINDOW,
	OPTION_FORMAT,
	OPTION_SCORECARD,
};

#define MAX_SENTENCE 1024
#define MAX_CHOICES 8

extern const struct command command_verify;

struct verify_options {
	const char *path, *bill_path, *claims_path;
	char **paths;			/* of all recordings */
	int n_paths;
	bool scorecard;
	const struct verify_output *output;
	int64_t begin_unix_ns, end_unix_ns;
	char **arguments;
	int n_arguments;
};

/* What the files gave, for one place to free them. */
struct inputs {
	struct recording recording;
	struct timeline timeline;
	struct ledger ledger;
	struct bill bill;
	struct claims claims;
	struct verify_input in;
	struct scorecard scorecard;
	struct recording_parts *parts;	/* instead of the recording, timeline and ledger; NULL */
	char error[MAX_SENTENCE];	/* of the parts */
	bool has_recording, has_timeline, has_ledger, has_scorecard;
};

static void close_inputs(struct inputs *x)
{
	if (x->has_ledger)
		ledger__free(&x->ledger);
	if (x->has_timeline)
		timeline__free(&x->timeline);
	if (x->has_recording)
		recording__free(&x->recording);
	recording_parts__close(x->parts);
	if (x->in.bill)
		bill__free(&x->bill);
	if (x->in.claims)
		claims__free(&x->claims);
	if (x->has_scorecard)
		scorecard__free(&x->scorecard);
}

static int out_of_memory(const char *path)
{
	message__error("verify it on a machine with more memory", "%s: out of memory", path ? path : "verify");
	return EXIT_CODE_USAGE;
}

static int read_claims(struct inputs *x, const struct verify_options *options)
{
	char error[MAX_SENTENCE] = "", remedy[MAX_SENTENCE] = "";
	int rc;

	if (!options->claims_path)
		return EXIT_CODE_DONE;
	rc = claims__read(&x->claims, options->claims_path, error, sizeof(error), remedy, sizeof(remedy));
	if (rc == -ENOMEM)
		return out_of_memory(options->claims_path);
	if (rc < 0) {
		message__error(remedy[0] ? remedy : NULL, "%s", error);
		return EXIT_CODE_USAGE;
	}
	x->in.claims = &x->claims;
	return EXIT_CODE_DONE;
}

static int read_bill(struct inputs *x, const struct verify_options *options)
{
	char error[MAX_SENTENCE] = "", remedy[MAX_SENTENCE] = "";
	int rc;

	if (!options->bill_path)
		return EXIT_CODE_DONE;
	rc = bill__read(&x->bill, options->bill_path, x->in.claims ? &x->claims.map : NULL, error, sizeof(error),
			remedy, sizeof(remedy));
	if (rc == -ENOMEM)
		return out_of_memory(options->bill_path);
	if (rc < 0) {
		message__error(remedy[0] ? remedy : NULL, "%s", error);
		return EXIT_CODE_USAGE;
	}
	x->in.bill = &x->bill;
	rc = bill__check_windows(&x->bill, error, sizeof(error));
	if (rc == -ENOMEM)
		return out_of_memory(options->bill_path);
	if (rc < 0) {
		message__error("give each hour or day once, or a request id on every line", "%s", error);
		return EXIT_CODE_USAGE;
	}
	return EXIT_CODE_DONE;
}

static int fail_analysis(const char *path, int rc)
{
	if (rc == -ENOMEM)
		return out_of_memory(path);
	if (rc == -EINVAL) {
		message__error("record it again; a recording that a program has edited may not add up",
			       "%s: its tables contradict each other", path);
		return EXIT_CODE_USAGE;
	}
	message__error("this is a bug in tokprof: report it, with the recording if you may",
		       "%s: the analysis failed: %s", path, strerror(-rc));
	return EXIT_CODE_BUG;
}

/* All of the recording at once. */
static int analyse(struct inputs *x, const char *path)
{
	const struct ledger_options how = { .without_kernel_work = true };
	char error[MAX_SENTENCE] = "";
	int rc;

	if (recording__load(&x->recording, path, error, sizeof(error)) < 0) {
		message__error(NULL, "%s", error);
		return EXIT_CODE_USAGE;
	}
	x->has_recording = true;
	rc = timeline__build(&x->timeline, &x->recording);
	x->has_timeline = rc == 0;
	if (rc == 0)
		rc = ledger__build(&x->ledger, &x->timeline, &how);
	x->has_ledger = x->has_timeline && rc == 0;
	if (rc < 0)
		return fail_analysis(path, rc);
	x->in.recording = &x->recording;
	x->in.timeline = &x->timeline;
	x->in.ledger = &x->ledger;
	return EXIT_CODE_DONE;
}

/* Part by part, where that can be and is worth it; else x->parts is NULL. */
static int open_parts(struct inputs *x, const char *path)
{
	int rc;

	if (!verify__goes_by_parts(&x->in))
		return EXIT_CODE_DONE;
	rc = recording_parts__open(&x->parts, path, PARTS_LEAST, x->error, sizeof(x->error));
	if (rc == -ENOMEM)
		return out_of_memory(path);
	if (rc < 0) {
		message__error(NULL, "%s", x->error);
		return EXIT_CODE_USAGE;
	}
	x->in.recording = recording_parts__facts(x->parts);
	if (recording_parts__n_requests(x->parts) < PARTS_LARGE) {
		recording_parts__close(x->parts);
		x->parts = NULL;
		x->in.recording = NULL;
	}
	return EXIT_CODE_DONE;
}

/* @return EXIT_CODE_DONE; `*done` where there are verdicts: else only the whole recording tells */
static int run_parts(struct inputs *x, struct verification *v, const char *path, bool *done)
{
	const int rc = verify__run_parts(v, &x->in, x->parts);

	*done = rc == 0;
	if (rc == 0)
		return EXIT_CODE_DONE;
	recording_parts__close(x->parts);
	x->parts = NULL;
	x->in.recording = NULL;
	if (rc == -EAGAIN)
		return EXIT_CODE_DONE;
	if (rc == -ENOMEM || !x->error[0])
		return fail_analysis(path, rc);
	message__error(NULL, "%s", x->error);
	return EXIT_CODE_USAGE;
}

static int run_checks(struct inputs *x, struct verification *v, const struct verify_options *options)
{
	const char *path = options->path;
	/* A scorecard is of the whole recording. */
	int exit_code = path && !options->scorecard ? open_parts(x, path) : EXIT_CODE_DONE;
	bool done = false;

	if (exit_code == EXIT_CODE_DONE && x->parts)
		exit_code = run_parts(x, v, path, &done);
	if (done || exit_code != EXIT_CODE_DONE)
		return exit_code;
	if (path)
		exit_code = analyse(x, path);
	if (exit_code == EXIT_CODE_DONE && verify__run(v, &x->in) < 0)
		exit_code = out_of_memory(path);
	return exit_code;
}

static int exit_code_of(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_CONFIRMED:
		return EXIT_CODE_DONE;
	case VERDICT_REFUTED:
		return EXIT_CODE_REFUTED;
	default:
		return EXIT_CODE_INCONCLUSIVE;
	}
}

static struct verify_output_options shown_as(const struct verify_options *options)
{
	return (struct verify_output_options){
		.verbose = message__verbosity(),
		.color = terminal__has_color(stdout),
		.columns = terminal__columns(stdout),
		.path = options->path,
		.bill_path = options->bill_path,
		.claims_path = options->claims_path,
		.arguments = options->arguments,
		.n_arguments = options->n_arguments,
	};
}

static int judge(struct inputs *x, const struct verify_options *options)
{
	struct verify_output_options how = shown_as(options);
	struct verify_files files;
	struct verification v;
	int exit_code;

	x->in.drop_confirmed = options->output->counts_confirmed && how.verbose <= 0;
	exit_code = run_checks(x, &v, options);
	if (exit_code != EXIT_CODE_DONE)
		return exit_code;
	if (options->scorecard)
		x->has_scorecard = scorecard__build(&x->scorecard, options->path, &x->in, &v) == 0;
	if (options->scorecard && !x->has_scorecard) {
		verification__free(&v);
		return out_of_memory(options->path);
	}
	how.scorecard = x->has_scorecard ? &x->scorecard : NULL;
	if (options->output->names_files) {
		verify_files__list(&files, options->paths, options->n_paths, options->bill_path, options->claims_path);
		how.files = files.list;
		how.n_files = files.n;
	}
	exit_code = stream__finish(stdout, "standard output", options->output->write(stdout, &v, &x->in, &how));
	if (exit_code == EXIT_CODE_DONE)
		exit_code = exit_code_of(v.verdict);
	verification__free(&v);
	return exit_code;
}

static int verify(const struct verify_options *options)
{
	struct inputs x = { 0 };
	int exit_code;

	x.in.window_begin_unix_ns = options->begin_unix_ns;
	x.in.window_end_unix_ns = options->end_unix_ns;
	exit_code = read_claims(&x, options);
	if (exit_code == EXIT_CODE_DONE)
		exit_code = read_bill(&x, options);
	if (exit_code == EXIT_CODE_DONE)
		exit_code = judge(&x, options);
	close_inputs(&x);
	return exit_code;
}

/* ---------------------------------------------------------------------------------------------------------- scorecards --- */

/* The verdicts on the counts are made only for what they say of their grade. */
static int make_scorecard(struct scorecard *out, const char *path)
{
	struct inputs x = { 0 };
	struct verification v;
	int exit_code;

	x.in.window_begin_unix_ns = x.in.window_end_unix_ns = ABSENT;
	exit_code = analyse(&x, path);
	if (exit_code == EXIT_CODE_DONE && verify__run(&v, &x.in) < 0)
		exit_code = out_of_memory(path);
	else if (exit_code == EXIT_CODE_DONE) {
		if (scorecard__build(out, path, &x.in, &v) < 0)
			exit_code = out_of_memory(path);
		verification__free(&v);
	}
	close_inputs(&x);
	return exit_code;
}

static int compare(const struct verify_options *options)
{
	struct verify_output_options how = shown_as(options);
	struct scorecard cards[SCORECARD_MOST];
	struct verify_files files;
	int n = 0, exit_code = EXIT_CODE_DONE;

	for (int i = 0; i < options->n_paths && exit_code == EXIT_CODE_DONE; i++) {
		exit_code = make_scorecard(&cards[i], options->paths[i]);
		n += exit_code == EXIT_CODE_DONE;
	}
	if (exit_code == EXIT_CODE_DONE && options->output->names_files) {
		verify_files__list(&files, options->paths, options->n_paths, options->bill_path, options->claims_path);
		how.files = files.list;
		how.n_files = files.n;
	}
	if (exit_code == EXIT_CODE_DONE)
		exit_code = stream__finish(stdout, "standard output",
					   options->output->compare(stdout, cards, (size_t)n, &how));
	for (int i = 0; i < n; i++)
		scorecard__free(&cards[i]);
	return exit_code;
}

/* ------------------------------------------------------------------------------------------------------------- options --- */

static int parse_format(struct verify_options *options, const char *value)
{
	const char *names[MAX_CHOICES + 1];
	int n = 0, format;

	for (; verify_outputs[n] && n < MAX_CHOICES; n++)
		names[n] = verify_outputs[n]->name;
	names[n] = NULL;
	format = options__choice(&command_verify, "--format", value, names);
	if (format < 0)
		return -EINVAL;
	options->output = verify_outputs[format];
	return 0;
}

/* "A..B": B is no part of it; a date stands for its first moment, UTC. */
static int parse_window(struct verify_options *options, const char *value)
{
	const struct bill_clock utc = { 0 };
	const char *dots = strstr(value, "..");
	struct bill_time_fault fault = { "is no window: two times with '..' between them",
					 "write --bill-window 2026-06-01T00:00:00Z..2026-07-01T00:00:00Z" };
	struct bill_moment begin, end;

	if (dots && bill_time__parse(&begin, value, (size_t)(dots - value), &utc, &fault) == 0 &&
	    bill_time__parse(&end, dots + 2, strlen(dots + 2), &utc, &fault) == 0) {
		options->begin_unix_ns = begin.unix_ns;
		options->end_unix_ns = end.unix_ns;
		if (begin.unix_ns < end.unix_ns)
			return 0;
		fault = (struct bill_time_fault){ "ends before it begins", "write the earlier time first" };
	}
	message__error(fault.remedy, "--bill-window '%s' %s", value, fault.why);
	return -EINVAL;
}

static int parse_option(struct verify_options *options, int key, const char *value)
{
	switch (key) {
	case OPTION_CLAIMS:
		options->claims_path = value;
		return 0;
	case OPTION_BILL:
		options->bill_path = value;
		return 0;
	case OPTION_BILL_WINDOW:
		return parse_window(options, value);
	case OPTION_SCORECARD:
		options->scorecard = true;
		return 0;
	default:
		return parse_format(options, value);
	}
}

static int parse_and_verify(struct verify_options options, int argc, char **argv)
{
	struct options o;
	int key;

	options__begin(&o, &command_verify, argc, argv);
	while ((key = options__next(&o)) > 0)
		if (parse_option(&options, key, o.value) < 0)
			return EXIT_CODE_USAGE;
	if (key == OPTIONS_STOP)
		return o.exit_code;
	if (o.n_operands > 1 && !options.scorecard)
		return options__fail(&command_verify, "%s: one recording at a time; several are for --scorecard",
				     o.operands[1]);
	if (o.n_operands > SCORECARD_MOST)
		return options__fail(&command_verify, "%s: at most %d recordings side by side",
				     o.operands[SCORECARD_MOST], SCORECARD_MOST);
	if (o.n_operands > 1 && (options.bill_path || options.claims_path))
		return options__fail(&command_verify, "%s: a bill and claims are verified against one recording",
				     o.operands[1]);
	options.paths = o.operands;
	options.n_paths = o.n_operands;
	options.path = o.n_operands ? o.operands[0] : NULL;
	if (!options.path && options.bill_path)
		return options__fail(&command_verify,
				     "--bill: a bill is verified against a recording, and no file was named");
	if (!options.path && !options.claims_path)
		return options__fail(&command_verify,
				     "what is to be verified? Neither a recording nor --claims was named");
	if (!options.path && options.scorecard)
		return options__fail(&command_verify, "--scorecard: is that of a recording, and no file was named");
	if (options.begin_unix_ns != ABSENT && !options.bill_path)
		return options__fail(&command_verify, "--bill-window: is that of a bill: name it with --bill");
	return options.n_paths > 1 ? compare(&options) : verify(&options);
}

static int run(int argc, char **argv)
{
	/* Reading the options puts them into another order. */
	char **arguments = malloc((size_t)argc * sizeof(*arguments));
	struct verify_options options = { .output = verify_outputs[0],
					  .begin_unix_ns = ABSENT,
					  .end_unix_ns = ABSENT,
					  .arguments = arguments,
					  .n_arguments = argc };
	int exit_code;

	if (!arguments)
		return out_of_memory(NULL);
	memcpy(arguments, argv, (size_t)argc * sizeof(*arguments));
	exit_code = parse_and_verify(options, argc, argv);
	free(arguments);
	return exit_code;
}

static const struct option_spec verify_options[] = {
	{ OPTION_BILL, "bill", "FILE", "a bill as CSV or JSON; without it, the usage that the server sent" },
	{ OPTION_BILL_WINDOW, "bill-window", "A..B", "the time that the bill covers; default: exactly the recording" },
	{ OPTION_CLAIMS, "claims", "FILE", "claims, a price list and the names of the bill's columns, as YAML" },
	{ OPTION_FORMAT, "format", "FORMAT",
	  "text (default), json (schema tokprof.verify/1), html (one file to attach to a letter)" },
	{ OPTION_SCORECARD, "scorecard", NULL,
	  "also what the recording says of speed, latency, stability, reliability, cost, ...; of several "
	  "recordings, side by side and without verdicts" },
	{ 0, NULL, NULL, NULL },
};

const struct command command_verify = {
	.name = "verify",
	.summary = "were the billed tokens computed? A verdict on every line",
	.usage = "[OPTIONS] FILE\n[OPTIONS] --claims FILE\n[OPTIONS] --scorecard FILE FILE...",
	.description = "Says CONFIRMED, REFUTED or INCONCLUSIVE for every statement of a bill, with the\n"
		       "figures, the rule and the evidence: tokens billed against tokens that the recorded\n"
		       "steps computed, and, where the recording has a calibrated cost model, against the\n"
		       "CPU time that was measured. Looks at nothing but its files: both parties of a bill\n"
		       "get the same verdict from the same recording. Exit status: 0 everything confirmed,\n"
		       "1 something refuted, 3 nothing refuted and something inconclusive.",
	.options = verify_options,
	.examples = "  tokprof verify run.tokprof\n"
		    "  tokprof verify run.tokprof --bill bill.csv --claims prices.yaml\n"
		    "  tokprof verify run.tokprof --bill june.csv --format json\n"
		    "      --bill-window 2026-06-01T00:00:00Z..2026-07-01T00:00:00Z\n"
		    "  tokprof verify run.tokprof --bill bill.csv --format html > verdict.html\n"
		    "  tokprof verify --scorecard june.tokprof july.tokprof",
	.run = run,
};
