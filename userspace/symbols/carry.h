/* SPDX-License-Identifier: Apache-2.0 */
/* The names that go with a recording: looked up when it has ended, while its processes and files are still there. */
#ifndef TOKPROF_SYMBOLS_CARRY_H
#define TOKPROF_SYMBOLS_CARRY_H

#include "userspace/symbols/resolve.h"

/*
 * To be called when all rows of modules and frames have been handed over. Writes table `symbol` and the keys symbol_frames,
 * symbol_named and symbol_missing. @return 0, with a summary; else nothing was looked up, and `error` says why
 */
int carry__names(struct recording_writer *writer, const char *path, const struct symbol_options *options,
		 struct symbol_summary *out, char *error, size_t error_size);
/* What the user should hear of it: how many have names and, where many have none, why and what can be done. */
void carry__tell(const struct symbol_summary *s);

#endif
