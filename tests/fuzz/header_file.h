/* SPDX-License-Identifier: Apache-2.0 */
/* A weight file whose first bytes are the fuzzer's, and all that follow are zero. */
#ifndef TOKPROF_FUZZ_HEADER_FILE_H
#define TOKPROF_FUZZ_HEADER_FILE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct file {
	const uint8_t *bytes;
	size_t n;
};

static inline int read_file(void *ctx, uint64_t offset, void *out, size_t n)
{
	const struct file *f = ctx;

	memset(out, 0, n);
	if (offset < f->n)
		memcpy(out, f->bytes + offset, n < f->n - offset ? n : f->n - offset);
	return 0;
}

static inline void require(int holds)
{
	if (!holds)
		abort();
}

#endif
