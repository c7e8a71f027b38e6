/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOKPROF_RECORDING_SOURCE_H
#define TOKPROF_RECORDING_SOURCE_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/temporary.h"

/* A recording opened for reading, in one read transaction, without a byte written beside it. */
struct recording_source {
	sqlite3 *db;
	unsigned int version;		/* of its schema */
	uint64_t n_bytes;		/* of the file and its log: no honest content is larger */
	struct temporary copy;		/* private, read in its place; folder "" where there is none */
};

/* @return 0, or a negative errno with a sentence in `error` */
int recording_source__open(struct recording_source *s, const char *path, char *error, size_t error_size);
void recording_source__close(struct recording_source *s);

#endif
