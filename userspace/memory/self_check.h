/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a source of memory traffic sees of bytes that are known: a buffer larger than the last cache is read from one end to the other, several
 * times, and the source read before and after. Other programs on the host are in what a source of the whole host sees: what it saw in as long a
 * time before is taken off.
 */
#ifndef TOKPROF_MEMORY_SELF_CHECK_H
#define TOKPROF_MEMORY_SELF_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct self_check_source {
	/* Bytes since it was called last. @return 0; -EAGAIN: the first time; negative errno: no figure */
	int (*read)(void *ctx, int64_t *bytes);
	void *ctx;
	bool whole_host;
	/* Results: seen of the known bytes; ABSENT where it gave no figure. */
	int64_t seen;
};

struct self_check {
	uint64_t buffer_bytes, known_bytes, duration_ns;
};

/* The largest cache of CPU 0, by sysfs; 0: not told. @root "" but for tests */
uint64_t self_check__cache_bytes(const char *root);
/* A buffer of 4 times the last cache, 64 MiB at least, is streamed `passes` times. @return 0; -ENOMEM: less than that is free */
int self_check__run(struct self_check *out, const char *root, unsigned int passes, struct self_check_source *sources,
		    size_t n);

#endif
