/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that a just-in-time compiler writes for its code into /tmp/perf-PID.map, a line of start, size and name each
 * (linux/tools/perf/Documentation/jit-interface.txt). Code that is made where other was replaces it: later lines win.
 */
#ifndef TOKPROF_SYMBOLS_PERF_MAP_H
#define TOKPROF_SYMBOLS_PERF_MAP_H

#include <stdio.h>

#include "userspace/symbols/address_table.h"

/* Lines that are none are passed over. @return 0, -EBADMSG: not one line was understood, and there are some */
int perf_map__read(FILE *f, struct address_table *table);

#endif
