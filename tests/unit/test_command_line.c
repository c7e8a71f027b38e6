/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "userspace/command.h"
#include "userspace/message.h"
#include "userspace/suggest.h"

enum {
	OPTION_JSON = 256,
	OPTION_FORMAT,
	OPTION_FIXED_BY,
};

static const struct option_spec specs[] = {
	{ 'o', "output", "FILE", "write there" },
	{ OPTION_JSON, "json", NULL, "print JSON" },
	{ OPTION_FORMAT, "format", "FORMAT", "text, json\nor csv" },
	{ OPTION_FIXED_BY, "fixed-by", "WHAT", "row" },
	{ 0, NULL, NULL, NULL },
};

static const struct command example = {
	.name = "example",
	.summary = "an example",
	.usage = "[OPTIONS] FILE\n[OPTIONS] -- CMD ...",
	.description = "Text.",
	.options = specs,
};

#define MAX_WORDS 16

struct parsed {
	struct options o;
	char words[MAX_WORDS][64];
	char *argv[MAX_WORDS + 1];
	char seen[256]; /* keys and values in order: "o=x json " */
	int end; /* what options__next() returned last */
};

/* Parse a command line given as words separated by blanks. */
static void parse(struct parsed *p, const char *line)
{
	int argc = 0, key;

	memset(p, 0, sizeof(*p));
	while (*line && argc < MAX_WORDS) {
		size_t n = strcspn(line, " ");

		memcpy(p->words[argc], line, n);
		p->argv[argc] = p->words[argc];
		argc++;
		line += n + (line[n] == ' ');
	}
	options__begin(&p->o, &example, argc, p->argv);
	while ((key = options__next(&p->o)) > 0) {
		size_t at = strlen(p->seen);

		snprintf(p->seen + at, sizeof(p->seen) - at, "%s%s%s ",
			 key == 'o'	      ? "output" :
			 key == OPTION_JSON   ? "json" :
			 key == OPTION_FORMAT ? "format" :
						"fixed-by",
			 p->o.value ? "=" : "", p->o.value ? p->o.value : "");
	}
	p->end = key;
}

/* What the call printed on stderr. */
static char captured[4096];
static FILE *capture_file;
static int saved_stderr;

static void capture__begin(void)
{
	fflush(stderr);
	saved_stderr = dup(STDERR_FILENO);
	capture_file = tmpfile();
	assert_non_null(capture_file);
	assert_true(dup2(fileno(capture_file), STDERR_FILENO) >= 0);
}

static const char *capture__end(void)
{
	size_t n;

	fflush(stderr);
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	rewind(capture_file);
	n = fread(captured, 1, sizeof(captured) - 1, capture_file);
	captured[n] = '\0';
	fclose(capture_file);
	return captured;
}

static void options_and_operands_mix_freely(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, "example a --format json b -ox --json c");
	assert_int_equal(p.end, OPTIONS_END);
	assert_string_equal(p.seen, "format=json output=x json ");
	assert_int_equal(p.o.n_operands, 3);
	assert_string_equal(p.o.operands[0], "a");
	assert_string_equal(p.o.operands[2], "c");
	assert_null(p.o.operands[3]);
	assert_false(p.o.dashes);
	assert_int_equal(p.o.n_before_dashes, 3);
}

static void everything_after_two_dashes_is_an_operand(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, "example a -o x -- server --json -- y");
	assert_int_equal(p.end, OPTIONS_END);
	assert_string_equal(p.seen, "output=x ");
	assert_true(p.o.dashes);
	assert_int_equal(p.o.n_before_dashes, 1);
	assert_int_equal(p.o.n_operands, 5);
	assert_string_equal(p.o.operands[1], "server");
	assert_string_equal(p.o.operands[2], "--json");
	assert_string_equal(p.o.operands[3], "--");
}

static void two_dashes_as_a_value_are_no_end_of_options(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, "example -o --");
	assert_string_equal(p.seen, "output=-- ");
	assert_false(p.o.dashes);
	assert_int_equal(p.o.n_operands, 0);
}

static void a_command_line_can_be_parsed_again(void **state)
{
	struct parsed p;

	(void)state;
	for (int i = 0; i < 3; i++) {
		parse(&p, "example --json a");
		assert_string_equal(p.seen, "json ");
		assert_int_equal(p.o.n_operands, 1);
	}
}

static void wrong_usage_says_what_and_the_remedy(void **state)
{
	static const struct {
		const char *line, *message;
	} cases[] = {
		{ "example --fromat json",
		  "tokprof: --fromat: no such option. Remedy: did you mean --format? See 'tokprof "
		  "example --help'.\n" },
		{ "example --fromat=json",
		  "tokprof: --fromat: no such option. Remedy: did you mean --format? See 'tokprof "
		  "example --help'.\n" },
		{ "example a --xyzzyplugh",
		  "tokprof: --xyzzyplugh: no such option. Remedy: see 'tokprof example --help'.\n" },
		{ "example --f json",
		  "tokprof: --f: could be any of --format, --fixed-by. Remedy: see 'tokprof example "
		  "--help'.\n" },
		{ "example -z", "tokprof: -z: no such option. Remedy: see 'tokprof example --help'.\n" },
		{ "example -o",
		  "tokprof: --output: its value is missing: FILE. Remedy: see 'tokprof example --help'.\n" },
		{ "example --format", "tokprof: --format: its value is missing: FORMAT. Remedy: see 'tokprof example "
				      "--help'.\n" },
		{ "example --json=3", "tokprof: --json: takes no value. Remedy: see 'tokprof example --help'.\n" },
	};
	struct parsed p;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		capture__begin();
		parse(&p, cases[i].line);
		assert_string_equal(capture__end(), cases[i].message);
		assert_int_equal(p.end, OPTIONS_STOP);
		assert_int_equal(p.o.exit_code, EXIT_CODE_USAGE);
	}
}

static void numbers_are_whole_and_in_their_range_or_refused(void **state)
{
	static const char *const bad[] = { "", "x", "3x", "0", "101", "-1", "99999999999999999999", "1.5" };
	int64_t n = 0;

	(void)state;
	assert_int_equal(options__integer(&example, "-n", "100", 1, 100, &n), 0);
	assert_int_equal(n, 100);
	capture__begin();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(options__integer(&example, "-n", bad[i], 1, 100, &n) < 0);
	assert_non_null(strstr(capture__end(), "-n '101': not a whole number from 1 to 100"));
}

static void seconds_may_have_decimals_and_must_be_finite(void **state)
{
	static const char *const bad[] = { "", "0", "-1", "nan", "inf", "1e99", "3601", "1s" };
	int64_t ns = 0;

	(void)state;
	assert_int_equal(options__seconds(&example, "-d", "0.5", 3600, &ns), 0);
	assert_int_equal(ns, 500000000);
	capture__begin();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(options__seconds(&example, "-d", bad[i], 3600, &ns) < 0);
	capture__end();
}

static void a_word_that_was_mistyped_finds_its_neighbour(void **state)
{
	static const char *const words[] = { "report", "record", "doctor", "list", "overhead", NULL };

	(void)state;
	assert_string_equal(suggest__nearest("reprot", words), "report");
	assert_string_equal(suggest__nearest("recrod", words), "record");
	assert_string_equal(suggest__nearest("REPORT", words), "report");
	assert_string_equal(suggest__nearest("doc", words), "doctor");
	assert_string_equal(suggest__nearest("lits", words), "list");
	assert_null(suggest__nearest("verify", words));
	assert_null(suggest__nearest("", words));
	assert_null(suggest__nearest("a-word-that-is-longer-than-any-option-could-be-and-more", words));
}

static void a_message_shows_no_control_character_of_what_it_names(void **state)
{
	(void)state;
	capture__begin();
	message__error("rename it", "%s: no recording",
		       "a\033[2J\nb\xc2\x9b"
		       "c");
	assert_string_equal(capture__end(), "tokprof: a?[2J?b?c: no recording. Remedy: rename it.\n");
}

static void quiet_silences_warnings_and_never_errors(void **state)
{
	const char *text;

	(void)state;
	message__set_command("example");
	message__set_quiet(true);
	capture__begin();
	message__warn("w", "warning");
	message__info("info");
	message__error(NULL, "error");
	text = capture__end();
	message__set_quiet(false);
	message__set_command(NULL);
	assert_string_equal(text, "tokprof example: error\n");
}

static void help_names_every_option_and_every_form(void **state)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	(void)state;
	command__print_help(&example, f);
	fclose(f);
	assert_non_null(
		strstr(text, "Usage: tokprof example [OPTIONS] FILE\n       tokprof example [OPTIONS] -- CMD ...\n"));
	for (const struct option_spec *spec = specs; spec->name; spec++) {
		char option[64];

		snprintf(option, sizeof(option), "--%s", spec->name);
		assert_non_null(strstr(text, option));
	}
	assert_non_null(strstr(text, "-v, --verbose"));
	free(text);
}

static void every_command_is_complete(void **state)
{
	(void)state;
	for (int i = 0; commands[i]; i++) {
		int n = 0;

		assert_ptr_equal(command__find(commands[i]->name), commands[i]);
		assert_non_null(commands[i]->summary);
		assert_non_null(commands[i]->usage);
		assert_non_null(commands[i]->description);
		assert_non_null(commands[i]->run);
		for (const struct option_spec *spec = commands[i]->options; spec->name; spec++, n++)
			assert_non_null(spec->help);
		assert_true(n + 3 <= OPTIONS_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_and_operands_mix_freely),
		cmocka_unit_test(everything_after_two_dashes_is_an_operand),
		cmocka_unit_test(two_dashes_as_a_value_are_no_end_of_options),
		cmocka_unit_test(a_command_line_can_be_parsed_again),
		cmocka_unit_test(wrong_usage_says_what_and_the_remedy),
		cmocka_unit_test(numbers_are_whole_and_in_their_range_or_refused),
		cmocka_unit_test(seconds_may_have_decimals_and_must_be_finite),
		cmocka_unit_test(a_word_that_was_mistyped_finds_its_neighbour),
		cmocka_unit_test(a_message_shows_no_control_character_of_what_it_names),
		cmocka_unit_test(quiet_silences_warnings_and_never_errors),
		cmocka_unit_test(help_names_every_option_and_every_form),
		cmocka_unit_test(every_command_is_complete),
	};

	return cmocka_run_group_tests_name("command_line", tests, NULL, NULL);
}
