/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over the bytes of a GGUF header, front to back, that sums them up in a digest as it goes. */
#ifndef TOKPROF_GGUF_CURSOR_H
#define TOKPROF_GGUF_CURSOR_H

#include "userspace/gguf.h"

struct gguf_cursor {
	const struct gguf_source *source;
	uint64_t at;			/* of the next byte in the file */
	uint64_t end;			/* no byte from here on is read */
	struct evp_md_ctx_st *digest;
	char *error;
	size_t error_size;
	uint64_t buffer_at;		/* of buffer[0] in the file */
	size_t n_buffer;
	unsigned char buffer[1 << 15];
};

/* @return 0, -ENOMEM */
int gguf_cursor__init(struct gguf_cursor *c, const struct gguf_source *source, char *error, size_t error_size);
void gguf_cursor__free(struct gguf_cursor *c);

uint64_t gguf_cursor__left(const struct gguf_cursor *c);

/* The next n bytes. @what	what they are, for the sentence. @out NULL: passed over. @return 0 or negative errno */
int gguf_cursor__take(struct gguf_cursor *c, void *out, uint64_t n, const char *what);
int gguf_cursor__u32(struct gguf_cursor *c, uint32_t *out, const char *what);
int gguf_cursor__u64(struct gguf_cursor *c, uint64_t *out, const char *what);

/* Puts "at byte N: ..." into the error. @return -EBADMSG */
int gguf_cursor__refuse(const struct gguf_cursor *c, uint64_t at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* n things of at least min_bytes each are to follow: refused where they cannot. @return 0, -EBADMSG, -EFBIG */
int gguf_cursor__expect(const struct gguf_cursor *c, uint64_t n, uint64_t min_bytes, const char *what);

/* Of all bytes taken, and the file's size. @return 0, -EIO */
int gguf_cursor__digest(struct gguf_cursor *c, char out[GGUF_DIGEST_SIZE]);

#endif
