/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that a just-in-time compiler writes into a jit-PID.dump, which it also maps, so that it can be found
 * (linux/tools/perf/Documentation/jitdump-specification.txt). Of its records the loads of code and the moves are read.
 */
#ifndef TOKPROF_SYMBOLS_JITDUMP_H
#define TOKPROF_SYMBOLS_JITDUMP_H

#include <stdio.h>

#include "userspace/symbols/address_table.h"

/* A file that ends in the middle of a record is still being written. @f: one that can be rewound. @return 0, -EBADMSG */
int jitdump__read(FILE *f, struct address_table *table);

#endif
