/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/symbols/debug_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define CHUNK (256u << 10)
#define MAX_SUMMED (1LL << 30)	/* a second's work */

int debug_link__read(const struct elf_file *f, struct debug_link *out)
{
	const char *text;
	const void *bytes;
	size_t size, length, at;

	out->name[0] = 0;
	if (elf_file__section(f, ".gnu_debuglink", &bytes, &size))
		return -ENOENT;
	text = bytes;
	length = strnlen(text, size);
	/* The name, its end, up to three bytes more, then the checksum in the file's byte order. */
	at = (length + 4) & ~(size_t)3;
	if (length == 0 || length >= sizeof(out->name) || at + sizeof(out->crc) > size || memchr(text, '/', length) ||
	    strcmp(text, "..") == 0)
		return -EBADMSG;
	memcpy(out->name, text, length + 1);
	memcpy(&out->crc, text + at, sizeof(out->crc));
	return 0;
}

int debug_link__crc(int fd, uint32_t *crc)
{
	unsigned char *chunk;
	struct stat st;
	off_t at = 0;
	ssize_t n;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size > MAX_SUMMED)
		return -EFBIG;
	chunk = malloc(CHUNK);
	if (!chunk)
		return -ENOMEM;
	*crc = (uint32_t)crc32(0, NULL, 0);
	while (at < MAX_SUMMED && (n = pread(fd, chunk, CHUNK, at)) > 0) {
		*crc = (uint32_t)crc32(*crc, chunk, (unsigned int)n);
		at += n;
	}
	free(chunk);
	return at == st.st_size ? 0 : -EIO;
}
