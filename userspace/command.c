/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/command.h"

#include <string.h>

#include "userspace/message.h"
#include "userspace/suggest.h"
#include "userspace/version.h"

#define MAX_COMMANDS 64

const struct command *command__find(const char *name)
{
	for (int i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static void print_option(const struct option_spec *spec, FILE *f)
{
	char head[64], letter[8] = "    ";
	const char *line = spec->help;

	if (spec->key < 256)
		snprintf(letter, sizeof(letter), "-%c, ", spec->key);
	snprintf(head, sizeof(head), "%s--%s%s%s", letter, spec->name, spec->argument ? "=" : "",
		 spec->argument ? spec->argument : "");
	/* A long head gets a line of its own, so that the sentences stay in one column. */
	if (strlen(head) > 24)
		fprintf(f, "  %s\n  %-24s", head, "");
	else
		fprintf(f, "  %-24s", head);
	while (line) {
		const char *end = strchr(line, '\n');
		int n = end ? (int)(end - line) : (int)strlen(line);

		fprintf(f, "  %.*s\n", n, line);
		line = end ? end + 1 : NULL;
		if (line)
			fprintf(f, "  %-24s", "");
	}
}

static void print_options(const struct option_spec *spec, FILE *f)
{
	for (; spec && spec->name; spec++)
		print_option(spec, f);
}

/* Every line with the same indent, however the command wrote them. */
static void print_examples(const char *line, FILE *f)
{
	fprintf(f, "\nExamples:\n");
	while (line) {
		const char *end = strchr(line, '\n');

		line += strspn(line, " ");
		fprintf(f, "  %.*s\n", end ? (int)(end - line) : (int)strlen(line), line);
		line = end ? end + 1 : NULL;
	}
}

void command__print_help(const struct command *command, FILE *f)
{
	const char *line = command->usage;
	const char *label = "Usage:";

	while (line) {
		const char *end = strchr(line, '\n');
		int n = end ? (int)(end - line) : (int)strlen(line);

		fprintf(f, "%-6s tokprof %s %.*s\n", label, command->name, n, line);
		label = "";
		line = end ? end + 1 : NULL;
	}
	fprintf(f, "\n%s\n\nOptions:\n", command->description);
	print_options(command->options, f);
	print_options(options_common, f);
	if (command->examples)
		print_examples(command->examples, f);
	fprintf(f, "\nSee also: man tokprof-%s\n", command->name);
}

static void print_program_help(FILE *f)
{
	fprintf(f, "Usage: tokprof COMMAND [OPTIONS]\n"
		   "       tokprof --version | --help\n"
		   "\n"
		   "An electricity meter for tokens: measures what every request and every token of\n"
		   "a running LLM server really took.\n"
		   "\n"
		   "Commands:\n");
	for (int i = 0; commands[i]; i++)
		fprintf(f, "  %-10s  %s\n", commands[i]->name, commands[i]->summary);
	fprintf(f, "\nSee 'tokprof COMMAND --help' for one of them.\n");
}

static int unknown_command(const char *name)
{
	const char *names[MAX_COMMANDS + 1];
	const char *nearest;
	char remedy[128];
	int n = 0;

	for (; commands[n] && n < MAX_COMMANDS; n++)
		names[n] = commands[n]->name;
	names[n] = NULL;
	nearest = suggest__nearest(name, names);
	if (nearest)
		snprintf(remedy, sizeof(remedy), "did you mean '%s'? See 'tokprof --help'", nearest);
	else
		snprintf(remedy, sizeof(remedy), "see 'tokprof --help' for the commands");
	message__error(remedy, "%s: no such command", name);
	return EXIT_CODE_USAGE;
}

static int unknown_option(const char *word)
{
	static const char *const names[] = {"--help", "--version", NULL};
	const char *nearest = suggest__nearest(word, names);
	char remedy[128];

	snprintf(remedy, sizeof(remedy), "%s%s%soptions stand after the command; see 'tokprof --help'",
		 nearest ? "did you mean " : "", nearest ? nearest : "", nearest ? "? Other " : "");
	message__error(remedy, "%s: no such option", word);
	return EXIT_CODE_USAGE;
}

/* `tokprof help`, `tokprof help COMMAND` */
static int help(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		print_program_help(stdout);
		return EXIT_CODE_DONE;
	}
	command = command__find(argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	command__print_help(command, stdout);
	return EXIT_CODE_DONE;
}

int command__dispatch(int argc, char **argv)
{
	const struct command *command;
	const char *word;

	if (argc < 2) {
		print_program_help(stderr);
		return EXIT_CODE_USAGE;
	}
	word = argv[1];
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
		return help(argc - 1, argv + 1);
	if (strcmp(word, "--version") == 0 || strcmp(word, "version") == 0) {
		printf("tokprof version %s\n", TOKPROF_VERSION);
		return EXIT_CODE_DONE;
	}
	if (word[0] == '-')
		return unknown_option(word);
	command = command__find(word);
	if (!command)
		return unknown_command(word);
	message__set_command(command->name);
	return command->run(argc - 1, argv + 1);
}
