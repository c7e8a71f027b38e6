/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command of the program: one file under userspace/commands/ that exports a struct command, and one line in
 * userspace/commands.c. A command that is not in the registry does not exist: it is absent from --help and exit 2.
 */
#ifndef TOKPROF_COMMAND_H
#define TOKPROF_COMMAND_H

#include <stdio.h>

#include "userspace/exit_codes.h"
#include "userspace/options.h"

struct command {
	const char *name;
	const char *summary; /* one line, for the list of commands */
	const char *usage; /* what follows "tokprof NAME"; one form a line, lines separated by '\n' */
	const char *description; /* paragraphs for --help, which wraps them; an empty line between two */
	const struct option_spec *options; /* its own, without the common ones; ends with a NULL name */
	const char *examples; /* lines for --help; NULL */
	/* argv[0] is the command's name. @return enum exit_code */
	int (*run)(int argc, char **argv);
};

extern const struct command *const commands[]; /* NULL-terminated, in the order of --help */

const struct command *command__find(const char *name);
void command__print_help(const struct command *command, FILE *f);

/* The whole program below main(): `tokprof [COMMAND] ...`. @return enum exit_code */
int command__dispatch(int argc, char **argv);

#endif
