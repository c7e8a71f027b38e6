/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages to the user, all on stderr, all of one shape: "tokprof CMD: what: why. Remedy: what to do."
 *
 * Made once, at the top of a command; below it functions return negative errno. Control characters are made visible as
 * '?' and bytes that are no UTF-8 as U+FFFD, because parts of a message (paths, names, a damaged file's contents) come
 * from processes that tokprof does not trust.
 */
#ifndef TOKPROF_MESSAGE_H
#define TOKPROF_MESSAGE_H

#include <stdbool.h>

/* The command whose name stands in front of every message; NULL: none yet. Borrowed. */
void message__set_command(const char *name);

/* -v and -q, counted by the option parser. -q silences info and warn, never error. */
void message__more_verbose(void);
void message__set_quiet(bool quiet);
int message__verbosity(void); /* number of -v */
bool message__is_quiet(void);

/* @remedy: what the user can do, without the final full stop; NULL where the text says it. */
void message__error(const char *remedy, const char *format, ...) __attribute__((format(printf, 2, 3)));
void message__warn(const char *remedy, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Progress and facts; not with -q. */
void message__info(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, only with that many -v. */
void message__detail(int verbosity, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
