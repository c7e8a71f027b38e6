/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/memory/kv_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userspace/ggml_type.h"
#include "userspace/process.h"

/*
 * struct ggml_tensor (ggml/include/ggml.h): type, buffer, ne[4], nb[4], op and its parameters, sources, data, name[64]. It has been so since
 * 2024; the sizes in ne and nb have to fit the type, so that another layout finds nothing.
 */
#define OFFSET_BUFFER 8
#define OFFSET_NE 16
#define OFFSET_NB 48
#define OFFSET_NAME 256
#define TENSOR_SIZE 336
#define NAME_SIZE 64

#define MOST_ELEMENTS (INT64_C(1) << 24)	/* of a token, in a layer */
#define MOST_TOKENS (INT64_C(1) << 32)
#define MOST_LAYERS 4096

#define MAPPING_MOST (UINT64_C(128) << 20)
#define READ_MOST (UINT64_C(1) << 30)	/* of one process */
#define PAGE 4096u
#define CHUNK_PAGES 512u
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)	/* Documentation/admin-guide/mm/pagemap.rst */

/* "cache_k_l12", and no more: "cache_k_l12 (view)" is part of a computation. */
static bool is_named(const char *name, struct kv_tensor *t)
{
	size_t n = 9;

	if (memcmp(name, "cache_", 6) != 0 || (name[6] != 'k' && name[6] != 'v') || memcmp(name + 7, "_l", 2) != 0)
		return false;
	t->is_value = name[6] == 'v';
	t->layer = 0;
	for (; name[n] >= '0' && name[n] <= '9' && n < 14; n++)
		t->layer = t->layer * 10 + (uint32_t)(name[n] - '0');
	return n > 9 && name[n] == '\0' && t->layer < MOST_LAYERS;
}

static bool is_sound(const unsigned char *at, struct kv_tensor *t)
{
	int64_t ne[4], nb[4];
	uint64_t buffer;
	const struct ggml_type_size *type;

	memcpy(&t->type, at, sizeof(t->type));
	memcpy(&buffer, at + OFFSET_BUFFER, sizeof(buffer));
	memcpy(ne, at + OFFSET_NE, sizeof(ne));
	memcpy(nb, at + OFFSET_NB, sizeof(nb));
	type = ggml_type__find(t->type);
	if (!type || !buffer || ne[0] <= 0 || ne[0] > MOST_ELEMENTS || ne[1] <= 0 || ne[1] > MOST_TOKENS ||
	    ne[2] <= 0 || ne[2] > MOST_TOKENS || ne[3] != 1 || ne[0] % type->block_weights)
		return false;
	t->elements = ne[0];
	t->bytes = ne[0] / type->block_weights * type->block_bytes;
	t->n_tokens = ne[1] > MOST_TOKENS / ne[2] ? MOST_TOKENS : ne[1] * ne[2];
	return nb[0] == type->block_bytes && nb[1] == t->bytes;
}

static bool is_known(const struct kv_tensor *tensors, size_t n, uint64_t address)
{
	for (size_t i = n; i-- > 0;)
		if (tensors[i].address == address)
			return true;
	return false;
}

size_t kv_tensors__find(const unsigned char *bytes, size_t n, uint64_t address, struct kv_tensor *out, size_t n_out,
			size_t max)
{
	const unsigned char *at = bytes, *end = bytes + n;

	while (n_out < max && (at = memmem(at, (size_t)(end - at), "cache_", 6))) {
		const size_t offset = (size_t)(at - bytes);
		struct kv_tensor t = { .address = address + offset - OFFSET_NAME };

		at++;
		if (offset < OFFSET_NAME || n - offset < NAME_SIZE || t.address % 8 ||
		    !is_named((const char *)bytes + offset, &t) || !is_sound(bytes + offset - OFFSET_NAME, &t) ||
		    is_known(out, n_out, t.address))
			continue;
		out[n_out++] = t;
	}
	return n_out;
}

static int compare_addresses(const void *a, const void *b)
{
	const struct kv_tensor *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* The format of all tensors so far; NULL where they differ. */
static const char *common_type(const char *name, bool first, uint32_t type)
{
	const char *own = tensor_type__name(type);

	return first || (name && strcmp(name, own) == 0) ? own : NULL;
}

size_t kv_caches__join(struct kv_tensor *tensors, size_t n, struct kv_cache *out, size_t max)
{
	unsigned char seen[MOST_LAYERS] = { 0 };
	size_t n_caches = 0, n_keys = 0, n_values = 0;

	qsort(tensors, n, sizeof(*tensors), compare_addresses);
	for (size_t i = 0; i < n; i++) {
		const struct kv_tensor *t = &tensors[i];
		const unsigned char bit = t->is_value ? 2 : 1;
		struct kv_cache *c;

		/* The same layer again is another cache, which begins with its keys. */
		if (n_caches == 0 || seen[t->layer] & bit) {
			if (n_caches == max)
				break;
			memset(seen, 0, sizeof(seen));
			n_keys = n_values = 0;
			out[n_caches++] = (struct kv_cache){ .address = t->address, .n_tokens = t->n_tokens };
		}
		c = &out[n_caches - 1];
		c->n_layers += seen[t->layer] == 0;
		c->elements_per_token += t->elements;
		c->bytes_per_token += t->bytes;
		if (t->n_tokens > c->n_tokens)
			c->n_tokens = t->n_tokens;
		if (t->is_value)
			c->type_v = common_type(c->type_v, !n_values++, t->type);
		else
			c->type_k = common_type(c->type_k, !n_keys++, t->type);
		seen[t->layer] |= bit;
	}
	return n_caches;
}

/* ---------------------------------------------------------------------------------------------------------- a process --- */

struct search {
	int mem, pagemap;
	unsigned char *buffer;		/* CHUNK_PAGES + 1 pages */
	struct kv_tensor *tensors;
	size_t n;
	uint64_t n_read;
};

/* A run of pages that are there, and the end of the one before it, in which a tensor may begin. */
static void search_pages(struct search *s, uint64_t first, uint64_t n_pages, bool after_another)
{
	const uint64_t from = after_another ? first - 1 : first, count = after_another ? n_pages + 1 : n_pages;
	const ssize_t got = pread(s->mem, s->buffer, count * PAGE, (off_t)(from * PAGE));

	if (got <= 0)
		return;
	s->n_read += (uint64_t)got;
	s->n = kv_tensors__find(s->buffer, (size_t)got, from * PAGE, s->tensors, s->n, MAX_KV_TENSORS);
}

static void search_mapping(struct search *s, uint64_t start, uint64_t end)
{
	uint64_t entries[CHUNK_PAGES];
	bool before = false;

	for (uint64_t at = start / PAGE; at < end / PAGE && s->n_read < READ_MOST;) {
		const uint64_t left = end / PAGE - at, want = left < CHUNK_PAGES ? left : CHUNK_PAGES;
		const ssize_t got = pread(s->pagemap, entries, want * sizeof(*entries), (off_t)(at * sizeof(*entries)));
		const uint64_t n = got > 0 ? (uint64_t)got / sizeof(*entries) : 0;

		if (n == 0)
			return;
		for (uint64_t i = 0, run; i < n; i += run) {
			const bool present = entries[i] & PAGEMAP_PRESENT;

			for (run = 1; i + run < n && !(entries[i + run] & PAGEMAP_PRESENT) == !present; run++)
				;
			if (present)
				search_pages(s, at + i, run, before);
			before = present;
		}
		at += n;
	}
}

static int open_proc(uint32_t pid, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? (errno == ENOENT ? -ESRCH : -errno) : fd;
}

int kv_caches__of_process(uint32_t pid, struct kv_cache *out, size_t max)
{
	struct search s = { .mem = open_proc(pid, "mem"), .pagemap = open_proc(pid, "pagemap") };
	struct process_map *maps = NULL;
	size_t n = 0;
	int err = s.mem < 0 ? s.mem : s.pagemap < 0 ? s.pagemap : 0;

	if (!err && sysconf(_SC_PAGESIZE) != PAGE)
		err = -ENOTSUP;
	if (!err)
		err = process__maps(pid, &maps, &n);
	s.buffer = malloc((CHUNK_PAGES + 1) * PAGE);
	s.tensors = calloc(MAX_KV_TENSORS, sizeof(*s.tensors));
	if (!err && (!s.buffer || !s.tensors))
		err = -ENOMEM;
	for (size_t i = 0; !err && i < n; i++) {
		const bool heap = strcmp(maps[i].path, "[heap]") == 0;

		if (maps[i].inode || !maps[i].readable || (maps[i].path[0] == '[' && !heap) ||
		    (!heap && maps[i].end - maps[i].start > MAPPING_MOST))
			continue;
		search_mapping(&s, maps[i].start, maps[i].end);
	}
	if (!err)
		err = (int)kv_caches__join(s.tensors, s.n, out, max);
	free(maps);
	free(s.buffer);
	free(s.tensors);
	if (s.mem >= 0)
		close(s.mem);
	if (s.pagemap >= 0)
		close(s.pagemap);
	return err;
}
