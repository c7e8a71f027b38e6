/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/symbols/elf_names.h"

#include <elf.h>
#include <errno.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A packed table names functions of one file: that of the largest known one, 1 GB of code, unpacks to 30 MB. */
#define MAX_UNPACKED (64u << 20)
#define MAX_LZMA_MEMORY (32u << 20)
#define CHUNK (64u << 10)

struct adding {
	struct address_table *table;
	enum symbol_source source;
};

static unsigned int rank(const struct elf_symbol *s)
{
	const unsigned int by_binding = s->binding == STB_GLOBAL ? 2 : s->binding == STB_WEAK ? 1 : 0;

	/* Of aliases the one with fewer underscores is the one that callers write: write, __write, __libc_write. */
	return 16 * by_binding + 8 - (unsigned int)(strspn(s->name, "_") < 8 ? strspn(s->name, "_") : 8);
}

static void add(void *ctx, const struct elf_symbol *s)
{
	const struct adding *a = ctx;
	const struct address_symbol symbol = {
		.start = s->vaddr, .rank = rank(s), .name = s->name, .source = a->source
	};

	if (s->size > 0)
		address_table__cover(a->table, &symbol, s->size);
	/* What is not exported has been taken out of .dynsym, so that nothing there says where an unsized one ends. */
	else if (a->source == SYMBOL_SYMTAB || a->source == SYMBOL_DEBUG_FILE)
		address_table__begin_at(a->table, &symbol);
}

/* A function without a size ends with its section: behind .init there is the PLT, which no symbol tells of. */
static void end_section(void *ctx, uint64_t vaddr, uint64_t size)
{
	const struct address_symbol start = { .start = vaddr }, end = { .start = vaddr + size };

	address_table__begin_at(ctx, &start);
	address_table__begin_at(ctx, &end);
}

void elf_names__add(const struct elf_file *f, enum elf_table which, enum symbol_source source,
		    struct address_table *table)
{
	struct adding a = { table, source };

	elf_file__each_function(f, which, add, &a);
	elf_file__each_code_section(f, end_section, table);
	elf_file__let_go(f);
}

static int write_all(int fd, const unsigned char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, bytes, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return -EIO;
		bytes += done;
		n -= (size_t)done;
	}
	return 0;
}

static int unpack(lzma_stream *stream, int fd)
{
	unsigned char *chunk = malloc(CHUNK);
	lzma_ret state = LZMA_OK;
	int err = chunk ? 0 : -ENOMEM;

	while (!err && state == LZMA_OK) {
		stream->next_out = chunk;
		stream->avail_out = CHUNK;
		state = lzma_code(stream, LZMA_FINISH);
		if (stream->total_out > MAX_UNPACKED)
			err = -EBADMSG;
		else
			err = write_all(fd, chunk, CHUNK - stream->avail_out);
	}
	free(chunk);
	if (err)
		return err;
	return state == LZMA_STREAM_END ? 0 : state == LZMA_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

int elf_names__debugdata(const struct elf_file *f, struct elf_file **out)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	const void *bytes;
	size_t size;
	int fd, err = elf_file__section(f, ".gnu_debugdata", &bytes, &size);

	*out = NULL;
	if (err)
		return err;
	if (lzma_stream_decoder(&stream, MAX_LZMA_MEMORY, 0) != LZMA_OK)
		return -ENOMEM;
	stream.next_in = bytes;
	stream.avail_in = size;
	fd = memfd_create("gnu_debugdata", MFD_CLOEXEC);
	err = fd < 0 ? -errno : unpack(&stream, fd);
	lzma_end(&stream);
	if (!err)
		err = elf_file__open_mapped(out, fd) ? -EBADMSG : 0;
	if (fd >= 0)
		close(fd);
	return err;
}
