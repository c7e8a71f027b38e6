/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/command.h"
#include "userspace/message.h"
#include "userspace/suggest.h"

const struct option_spec options_common[] = {
	{ 'v', "verbose", NULL, "say more; may be given more than once" },
	{ 'q', "quiet", NULL, "say nothing but errors and the result" },
	{ 'h', "help", NULL, "print this help" },
	{ 0, NULL, NULL, NULL },
};

/* getopt_long's tables, made from ours. */
struct getopt_tables {
	char letters[2 * OPTIONS_MAX + 3];
	struct option longs[OPTIONS_MAX + 1];
	int n;
	size_t n_letters;
};

static void tables__add(struct getopt_tables *t, const struct option_spec *spec)
{
	for (; spec && spec->name && t->n < OPTIONS_MAX; spec++) {
		t->longs[t->n++] = (struct option){
			.name = spec->name,
			.has_arg = spec->argument ? required_argument : no_argument,
			.val = spec->key,
		};
		if (spec->key < 256) {
			t->letters[t->n_letters++] = (char)spec->key;
			if (spec->argument)
				t->letters[t->n_letters++] = ':';
		}
	}
}

static void tables__make(struct getopt_tables *t, const struct command *command)
{
	memset(t, 0, sizeof(*t));
	/* '-': operands are handed over in order, which tells those before "--" from those after; ':': say which error. */
	t->letters[t->n_letters++] = '-';
	t->letters[t->n_letters++] = ':';
	tables__add(t, command->options);
	tables__add(t, options_common);
}

static const struct option_spec *find_in(const struct option_spec *spec, int key)
{
	for (; spec && spec->name; spec++)
		if (spec->key == key)
			return spec;
	return NULL;
}

static const struct option_spec *find_key(const struct command *command, int key)
{
	const struct option_spec *spec = find_in(command->options, key);

	return spec ? spec : find_in(options_common, key);
}

static int stop(struct options *o, int exit_code)
{
	o->exit_code = exit_code;
	return OPTIONS_STOP;
}

int options__fail(const struct command *command, const char *format, ...)
{
	char text[512], remedy[128];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(remedy, sizeof(remedy), "see 'tokprof %s --help'", command->name);
	message__error(remedy, "%s", text);
	return EXIT_CODE_USAGE;
}

static int unknown_long(const struct command *command, const struct getopt_tables *t, const char *word)
{
	const char *names[OPTIONS_MAX + 1];
	char typed[64], matches[256] = "", remedy[160];
	const char *nearest;
	size_t n_typed, n = 0;
	int n_matches = 0;

	word += strspn(word, "-");
	snprintf(typed, sizeof(typed), "%.*s", (int)strcspn(word, "="), word);
	n_typed = strlen(typed);
	for (int i = 0; i < t->n; i++) {
		names[i] = t->longs[i].name;
		if (strncmp(names[i], typed, n_typed) == 0 && n < sizeof(matches)) {
			n += (size_t)snprintf(matches + n, sizeof(matches) - n, "%s--%s", n_matches ? ", " : "",
					      names[i]);
			n_matches++;
		}
	}
	names[t->n] = NULL;
	if (n_matches > 1)
		return options__fail(command, "--%s: could be any of %s", typed, matches);
	nearest = suggest__nearest(typed, names);
	if (!nearest)
		return options__fail(command, "--%s: no such option", typed);
	snprintf(remedy, sizeof(remedy), "did you mean --%s? See 'tokprof %s --help'", nearest, command->name);
	message__error(remedy, "--%s: no such option", typed);
	return EXIT_CODE_USAGE;
}

void options__begin(struct options *o, const struct command *command, int argc, char **argv)
{
	memset(o, 0, sizeof(*o));
	o->command = command;
	o->argc = argc;
	o->argv = argv;
	o->operands = argv;
	/* 0, not 1: glibc then forgets an earlier scan altogether. */
	optind = 0;
	opterr = 0;
}

/* Operands are gathered at the front of argv: what stands there has been read. */
static int finish(struct options *o)
{
	int last = optind - 1;

	o->n_before_dashes = o->n_operands;
	o->dashes = last > 0 && last < o->argc && o->argv[last] != o->value && strcmp(o->argv[last], "--") == 0;
	for (int i = optind; i < o->argc; i++)
		o->operands[o->n_operands++] = o->argv[i];
	o->operands[o->n_operands] = NULL;
	return OPTIONS_END;
}

int options__next(struct options *o)
{
	const struct command *command = o->command;
	const struct option_spec *spec;
	struct getopt_tables t;

	tables__make(&t, command);
	for (;;) {
		/* Before a scan glibc's optind may be 0; the word being read is then the first one. */
		int word = optind > 0 ? optind : 1;
		int key = getopt_long(o->argc, o->argv, t.letters, t.longs, NULL);

		switch (key) {
		case -1:
			return finish(o);
		case 1:
			o->operands[o->n_operands++] = optarg;
			continue;
		case 'v':
			message__more_verbose();
			continue;
		case 'q':
			message__set_quiet(true);
			continue;
		case 'h':
			command__print_help(command, stdout);
			return stop(o, EXIT_CODE_DONE);
		case ':':
			spec = find_key(command, optopt);
			return stop(o,
				    options__fail(command, "%s%s: its value is missing: %s", spec ? "--" : "option",
						  spec ? spec->name : "", spec ? spec->argument : "a value is needed"));
		case '?':
			spec = optopt ? find_key(command, optopt) : NULL;
			if (spec)
				return stop(o, options__fail(command, "--%s: takes no value", spec->name));
			if (optopt)
				return stop(o, options__fail(command, "-%c: no such option", optopt));
			return stop(o, unknown_long(command, &t, o->argv[word]));
		default:
			o->value = optarg;
			return key;
		}
	}
}

int options__command(const struct options *o, char ***out)
{
	*out = NULL;
	if (o->n_before_dashes > 0) {
		options__fail(o->command, "'%s' is no option; a process is named with -p, a command after --",
			      o->operands[0]);
		return -EINVAL;
	}
	if (o->dashes && o->n_operands == 0) {
		options__fail(o->command, "no command after --");
		return -EINVAL;
	}
	if (o->dashes)
		*out = o->operands;
	return 0;
}

int options__choice(const struct command *command, const char *option, const char *value, const char *const *choices)
{
	const char *nearest;
	char list[256] = "", remedy[352];
	size_t n = 0;

	for (int i = 0; choices[i]; i++) {
		if (strcmp(choices[i], value) == 0)
			return i;
		if (n < sizeof(list))
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "", choices[i]);
	}
	nearest = suggest__nearest(value, choices);
	if (nearest)
		snprintf(remedy, sizeof(remedy), "did you mean '%s'? It may be %s", nearest, list);
	else
		snprintf(remedy, sizeof(remedy), "give one of %s", list);
	message__error(remedy, "%s '%s': no such choice of 'tokprof %s'", option, value, command->name);
	return -1;
}

int options__integer(const struct command *command, const char *option, const char *value, int64_t low, int64_t high,
		     int64_t *out)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(value, &end, 10);
	if (end == value || *end || errno || n < low || n > high) {
		options__fail(command, "%s '%s': not a whole number from %" PRId64 " to %" PRId64, option, value, low,
			      high);
		return -EINVAL;
	}
	*out = n;
	return 0;
}

int options__seconds(const struct command *command, const char *option, const char *value, int64_t high_s,
		     int64_t *out_ns)
{
	char *end;
	double seconds;

	errno = 0;
	seconds = strtod(value, &end);
	/* Negated, so that NaN is refused too. */
	if (end == value || *end || !(seconds > 0.0 && seconds <= (double)high_s)) {
		options__fail(command, "%s '%s': not a number of seconds above 0 and at most %" PRId64, option, value,
			      high_s);
		return -EINVAL;
	}
	*out_ns = (int64_t)(seconds * 1e9);
	return 0;
}
