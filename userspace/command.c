/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/command.h"

#include <string.h>

#include "output/table.h"
#include "userspace/message.h"
#include "userspace/suggest.h"
#include "userspace/version.h"

#define MAX_COMMANDS 64
#define HEAD_WIDTH 24
#define HELP_WIDTH 80
#define MAX_PARAGRAPH 2048

const struct command *command__find(const char *name)
{
	for (int i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

/* Text with its line breaks taken for blanks, wrapped; the first line begins at `column`. */
static void print_wrapped(const char *text, size_t n, int column, FILE *f)
{
	char line[MAX_PARAGRAPH];

	snprintf(line, sizeof(line), "%.*s", (int)n, text);
	for (char *c = line; *c; c++)
		if (*c == '\n')
			*c = ' ';
	text__wrap(f, line, column, column, HELP_WIDTH);
	putc('\n', f);
}

/* Paragraphs, separated by an empty line. */
static void print_description(const char *text, FILE *f)
{
	while (text) {
		const char *end = strstr(text, "\n\n");

		putc('\n', f);
		print_wrapped(text, end ? (size_t)(end - text) : strlen(text), 0, f);
		text = end ? end + 2 : NULL;
	}
}

static void print_option(const struct option_spec *spec, FILE *f)
{
	char head[64], letter[8] = "    ";

	if (spec->key < 256)
		snprintf(letter, sizeof(letter), "-%c, ", spec->key);
	snprintf(head, sizeof(head), "%s--%s%s%s", letter, spec->name, spec->argument ? "=" : "",
		 spec->argument ? spec->argument : "");
	/* A long head gets a line of its own, so that the sentences stay in one column. */
	if (strlen(head) > HEAD_WIDTH)
		fprintf(f, "  %s\n  %-*s  ", head, HEAD_WIDTH, "");
	else
		fprintf(f, "  %-*s  ", HEAD_WIDTH, head);
	print_wrapped(spec->help, strlen(spec->help), HEAD_WIDTH + 4, f);
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
	print_description(command->description, f);
	fprintf(f, "\nOptions:\n");
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
	for (int i = 0; commands[i]; i++) {
		fprintf(f, "  %-10s  ", commands[i]->name);
		print_wrapped(commands[i]->summary, strlen(commands[i]->summary), 14, f);
	}
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
	static const char *const names[] = { "--help", "--version", NULL };
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
