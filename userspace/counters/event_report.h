/* SPDX-License-Identifier: Apache-2.0 */
/* The output of `tokprof list --events`. */
#ifndef TOKPROF_COUNTERS_EVENT_REPORT_H
#define TOKPROF_COUNTERS_EVENT_REPORT_H

#include <stdbool.h>
#include <stdio.h>

/*
 * Every event of this host's PMUs whose full name has `pattern` in it, or is matched by it where it has wildcards (NULL: all),
 * each opened for real. JSON: schema "tokprof.list/1". @return 0, -EIO, -ENOENT (none; nothing is written), -ENOSYS
 */
int event_report__write(FILE *f, const char *pattern, bool json, int columns);

#endif
