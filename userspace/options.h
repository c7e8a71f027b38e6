/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of a command, over getopt_long: tables in, keys out, with error texts that say what, where and the remedy.
 *
 *	struct options o;
 *	int key;
 *
 *	options__begin(&o, &command_report, argc, argv);
 *	while ((key = options__next(&o)) > 0) {
 *		switch (key) { case 'o': path = o.value; break; ... }
 *	}
 *	if (key == OPTIONS_STOP)
 *		return o.exit_code;
 *	... o.operands[0 .. o.n_operands) ...
 *
 * Options and operands mix freely, as in perf; everything after "--" is an operand. -v, -q, -h and --help belong to
 * every command and are handled here.
 */
#ifndef TOKPROF_OPTIONS_H
#define TOKPROF_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct command;

struct option_spec {
	int key; /* the short option's letter, or any number from 256 where it has none */
	const char *name; /* the long option, without dashes */
	const char *argument; /* name of its value in --help, e.g. "FILE"; NULL: it takes none */
	const char *help; /* one sentence; --help wraps it */
};

#define OPTIONS_MAX 48 /* options of one command, the common ones included */

enum {
	OPTIONS_END = 0, /* every option was read; operands are filled in */
	OPTIONS_STOP = -1, /* help was printed, or the usage was wrong and a message said so: return exit_code */
};

struct options {
	const struct command *command;
	const char *value; /* of the last option; borrowed from argv */
	int exit_code;
	char **operands; /* ends with NULL */
	int n_operands;
	bool dashes; /* "--" was given ... */
	int n_before_dashes; /* ... and so many operands stood before it (all of them where it was not) */

	int argc;
	char **argv;
};

extern const struct option_spec options_common[]; /* -v, -q, -h; ends with a NULL name */

void options__begin(struct options *o, const struct command *command, int argc, char **argv);
int options__next(struct options *o);

/*
 * Wrong usage found by the command itself: says so and returns EXIT_CODE_USAGE. The remedy names the command's --help.
 */
int options__fail(const struct command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * What is to be started, for commands whose only operands it is.
 * @out the operands after "--", NULL where it was not given @return 0; -EINVAL after a message
 */
int options__command(const struct options *o, char ***out);

/* A value that must be one of a list (NULL-terminated). @return its index; -1 after a message with the nearest one */
int options__choice(const struct command *command, const char *option, const char *value, const char *const *choices);
/* A whole number in [low, high]. @return 0; -EINVAL after a message */
int options__integer(const struct command *command, const char *option, const char *value, int64_t low, int64_t high,
		     int64_t *out);
/* A number of seconds, decimals allowed, above 0 and at most high_s; in ns. @return 0; -EINVAL after a message */
int options__seconds(const struct command *command, const char *option, const char *value, int64_t high_s,
		     int64_t *out_ns);

#endif
