/* SPDX-License-Identifier: Apache-2.0 */
/* A recording of modules and frames in memory, and the names that they get. */
#ifndef TOKPROF_TEST_NAMING_H
#define TOKPROF_TEST_NAMING_H

#include <stddef.h>
#include <stdint.h>

#include "userspace/symbols/resolve.h"

#define NAMING_MAX_FRAMES 4096
#define NAMING_MAX_NAMES 16384

struct naming {
	struct row_module modules[4];
	struct row_frame frames[NAMING_MAX_FRAMES];
	struct row_process processes[4];
	struct recording r;
	struct symbol_options options;
	struct symbol_summary summary;
	struct row_symbol names[NAMING_MAX_NAMES];	/* in the order in which they came */
	size_t n_names;
};

/* With one process, this one. */
void naming__begin(struct naming *n);
void naming__process(struct naming *n, uint32_t pid);
/* The file as it is now, and how it is called by processes that have it mapped. @return the module's id */
int64_t naming__file(struct naming *n, const char *path);
int64_t naming__module(struct naming *n, const char *kind, const char *path);
/* @module: ABSENT: none. @return the frame's id */
int64_t naming__frame(struct naming *n, int kind, int64_t module, uint64_t address);
void naming__resolve(struct naming *n);
void naming__free(struct naming *n);

/* NULL: it has none at this depth */
const struct row_symbol *naming__symbol(const struct naming *n, int64_t frame, int64_t depth);
/* The name of depth 0; "" where there is none. */
const char *naming__name(const struct naming *n, int64_t frame);
size_t naming__depths(const struct naming *n, int64_t frame);

/* A function's address in a file, as `nm` tells it. */
uint64_t naming__address(const char *path, const char *symbol);
/* Runs a command of the shell and fails the test where that fails. */
void naming__shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
