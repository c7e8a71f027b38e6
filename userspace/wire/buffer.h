/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that grow up to a bound: what a stranger sends decides how much is kept only up to the caller's `max`.
 */
#ifndef TOKPROF_WIRE_BUFFER_H
#define TOKPROF_WIRE_BUFFER_H

#include <stddef.h>

struct buffer {
	char *data;
	size_t n, cap;
};

/* @return 0, -E2BIG (nothing was appended), -ENOMEM */
int buffer__append(struct buffer *b, const void *data, size_t n, size_t max);
/* Empty it; keeps a small allocation for the next message, so that a stream of events does not allocate for each. */
void buffer__reset(struct buffer *b);
void buffer__free(struct buffer *b);

#endif
