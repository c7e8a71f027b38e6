/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/gguf_cursor.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int gguf_cursor__init(struct gguf_cursor *c, const struct gguf_source *source, char *error, size_t error_size)
{
	c->source = source;
	c->at = c->buffer_at = c->n_buffer = 0;
	c->end = source->size < GGUF_MAX_HEADER ? source->size : GGUF_MAX_HEADER;
	c->error = error;
	c->error_size = error_size;
	c->digest = EVP_MD_CTX_new();
	return c->digest && EVP_DigestInit_ex(c->digest, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

void gguf_cursor__free(struct gguf_cursor *c)
{
	EVP_MD_CTX_free(c->digest);
}

uint64_t gguf_cursor__left(const struct gguf_cursor *c)
{
	return c->end - c->at;
}

int gguf_cursor__refuse(const struct gguf_cursor *c, uint64_t at, const char *format, ...)
{
	int n = snprintf(c->error, c->error_size, "at byte %" PRIu64 ": ", at);
	va_list args;

	va_start(args, format);
	if (n >= 0 && (size_t)n < c->error_size)
		vsnprintf(c->error + n, c->error_size - (size_t)n, format, args);
	va_end(args);
	return -EBADMSG;
}

int gguf_cursor__expect(const struct gguf_cursor *c, uint64_t n, uint64_t min_bytes, const char *what)
{
	uint64_t left = gguf_cursor__left(c);

	if (n <= left / min_bytes)
		return 0;
	if (n <= (c->source->size - c->at) / min_bytes) {
		gguf_cursor__refuse(c, c->at,
				    "%" PRIu64 " %s make the header longer than the %u MiB that are read of it", n,
				    what, GGUF_MAX_HEADER >> 20);
		return -EFBIG;
	}
	return gguf_cursor__refuse(c, c->at,
				   "%" PRIu64 " %s are said to follow, but the file has only %" PRIu64 " bytes more", n,
				   what, c->source->size - c->at);
}

static int fill(struct gguf_cursor *c)
{
	uint64_t left = gguf_cursor__left(c);
	int err;

	/* All of it was taken. A call per value would cost more than the digest itself. */
	EVP_DigestUpdate(c->digest, c->buffer, c->n_buffer);
	c->buffer_at = c->at;
	c->n_buffer = left < sizeof(c->buffer) ? (size_t)left : sizeof(c->buffer);
	err = c->source->read(c->source->ctx, c->at, c->buffer, c->n_buffer);
	if (err) {
		gguf_cursor__refuse(c, c->at, "the file could not be read: %s", strerror(-err));
		c->n_buffer = 0;
	}
	return err;
}

int gguf_cursor__take(struct gguf_cursor *c, void *out, uint64_t n, const char *what)
{
	unsigned char *to = out;
	int err = 0;

	if (n > gguf_cursor__left(c)) {
		if (n > c->source->size - c->at)
			return gguf_cursor__refuse(c, c->at,
						   "%s of %" PRIu64 " bytes runs past the file's end at byte %" PRIu64,
						   what, n, c->source->size);
		gguf_cursor__refuse(c, c->at,
				    "%s of %" PRIu64 " bytes makes the header longer than the %u MiB that are "
				    "read of it",
				    what, n, GGUF_MAX_HEADER >> 20);
		return -EFBIG;
	}
	while (n > 0 && !err) {
		size_t from = (size_t)(c->at - c->buffer_at), part = c->n_buffer - from;

		if (part == 0) {
			err = fill(c);
			continue;
		}
		part = n < part ? (size_t)n : part;
		if (to) {
			memcpy(to, c->buffer + from, part);
			to += part;
		}
		c->at += part;
		n -= part;
	}
	return err;
}

static uint64_t little_endian(const unsigned char *p, int n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

int gguf_cursor__u32(struct gguf_cursor *c, uint32_t *out, const char *what)
{
	unsigned char bytes[4];
	int err = gguf_cursor__take(c, bytes, sizeof(bytes), what);

	if (!err)
		*out = (uint32_t)little_endian(bytes, 4);
	return err;
}

int gguf_cursor__u64(struct gguf_cursor *c, uint64_t *out, const char *what)
{
	unsigned char bytes[8];
	int err = gguf_cursor__take(c, bytes, sizeof(bytes), what);

	if (!err)
		*out = little_endian(bytes, 8);
	return err;
}

int gguf_cursor__digest(struct gguf_cursor *c, char out[GGUF_DIGEST_SIZE])
{
	unsigned char size[8], sum[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	for (int i = 0; i < 8; i++)
		size[i] = (unsigned char)(c->source->size >> 8 * i);
	if (EVP_DigestUpdate(c->digest, c->buffer, (size_t)(c->at - c->buffer_at)) != 1 ||
	    EVP_DigestUpdate(c->digest, size, sizeof(size)) != 1 || EVP_DigestFinal_ex(c->digest, sum, &n) != 1 ||
	    2 * n + 1 != GGUF_DIGEST_SIZE)
		return -EIO;
	for (unsigned int i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", sum[i]);
	return 0;
}
