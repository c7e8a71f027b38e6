/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/unwind/code_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/process.h"

#define VDSO "[vdso]"
#define MOST_VDSO_BYTES (1u << 20)

struct module *code_map__module(const struct code_map *m, uint32_t id)
{
	return id >= 1 && id <= m->n ? m->modules[id - 1] : NULL;
}

void code_map__free(struct code_map *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->modules[i]->path);
		free(m->modules[i]);
	}
	free(m->modules);
	memset(m, 0, sizeof(*m));
}

/* The kernel's own image is in no file: what the process has of it. */
static int open_vdso(uint32_t pid, const struct process_map *map)
{
	const uint64_t size = map->end - map->start;
	char path[32], *bytes = NULL;
	int mem, fd = -1;

	snprintf(path, sizeof(path), "/proc/%u/mem", pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	if (mem >= 0 && size <= MOST_VDSO_BYTES)
		bytes = malloc(size);
	if (bytes && pread(mem, bytes, size, (off_t)map->start) == (ssize_t)size) {
		fd = memfd_create("vdso", MFD_CLOEXEC);
		if (fd >= 0 && write(fd, bytes, size) != (ssize_t)size) {
			close(fd);
			fd = -1;
		}
	}
	free(bytes);
	if (mem >= 0)
		close(mem);
	return fd;
}

/* @return -ENODEV where it is no regular file: to open a device may do something */
static int open_map(uint32_t pid, const struct process_map *map, bool is_vdso, int64_t *size)
{
	struct stat st;
	char path[64];

	if (is_vdso)
		return open_vdso(pid, map);
	process__map_file(pid, map, path, sizeof(path));
	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return -ENODEV;
	*size = st.st_size;
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void read_segments(struct module *module, const struct elf_file *f)
{
	struct module_segment *s;
	uint64_t vaddr, size, offset;

	for (size_t i = 0; elf_file__executable(f, i, &vaddr, &size) == 0 && module->n_segments < MODULE_SEGMENTS;
	     i++) {
		if (elf_file__offset(f, vaddr, &offset))
			continue;
		s = &module->segments[module->n_segments++];
		*s = (struct module_segment){ vaddr, offset, size };
	}
}

static struct module *code_map__add(struct code_map *m, const struct process_map *map, bool is_vdso)
{
	struct module *module, **grown;

	if (m->n == UNWIND_MAX_MODULES - 1)
		return NULL;
	if (m->n == m->capacity) {
		const size_t capacity = m->capacity ? 2 * m->capacity : 64;

		grown = reallocarray(m->modules, capacity, sizeof(struct module *));
		if (!grown)
			return NULL;
		m->modules = grown;
		m->capacity = capacity;
	}
	module = calloc(1, sizeof(*module));
	if (!module)
		return NULL;
	module->path = strdup(map->path);
	if (!module->path) {
		free(module);
		return NULL;
	}
	module->id = (uint32_t)m->n + 1;
	module->is_vdso = is_vdso;
	module->device = map->device;
	module->inode = map->inode;
	module->size_bytes = -1;
	m->modules[m->n++] = module;
	return module;
}

static struct module *code_map__find(const struct code_map *m, const struct process_map *map, bool is_vdso)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->modules[i]->is_vdso == is_vdso &&
		    (is_vdso || (m->modules[i]->device == map->device && m->modules[i]->inode == map->inode)))
			return m->modules[i];
	return NULL;
}

static bool bias_of(const struct module *module, const struct process_map *map, uint64_t *bias)
{
	const uint64_t size = map->end - map->start;

	for (size_t i = 0; i < module->n_segments; i++) {
		const struct module_segment *s = &module->segments[i];

		if (s->offset >= map->offset + size || s->offset + s->size <= map->offset)
			continue;
		*bias = map->start - map->offset + s->offset - s->vaddr;
		return true;
	}
	return false;
}

typedef void (*added_function)(void *ctx, const struct module *module, struct elf_file *f);

static struct module *learn(struct code_map *m, uint32_t pid, const struct process_map *map, bool is_vdso,
			    added_function added, void *ctx)
{
	struct elf_file *f = NULL;
	struct module *module;
	int64_t size = -1;
	const int fd = open_map(pid, map, is_vdso, &size);

	if (fd < 0)
		return NULL;	/* the process has just ended: others may have the file mapped, too */
	module = code_map__add(m, map, is_vdso);
	if (module) {
		module->size_bytes = size;
		if (elf_file__open_fd(&f, fd) == 0) {
			elf_file__build_id(f, module->build_id, sizeof(module->build_id));
			read_segments(module, f);
		}
		added(ctx, module, f);
	}
	close(fd);
	return module;
}

int code_map__look(struct code_map *m, uint32_t pid, struct unwind_mapping **out, size_t *n_out, added_function added,
		   void *ctx)
{
	struct process_map *maps;
	struct unwind_mapping *list;
	size_t n, n_list = 0;
	int err = process__maps(pid, &maps, &n);

	*out = NULL;
	*n_out = 0;
	if (err)
		return err;
	list = calloc(n + 1, sizeof(*list));
	for (size_t i = 0; list && i < n && n_list < UNWIND_PROCESS_MAPPINGS; i++) {
		const bool is_vdso = strcmp(maps[i].path, VDSO) == 0;
		struct unwind_mapping *mapping = &list[n_list];
		struct module *module = NULL;

		if (!maps[i].executable)
			continue;
		*mapping = (struct unwind_mapping){ .start = maps[i].start, .end = maps[i].end };
		n_list++;
		if (maps[i].inode || is_vdso)
			module = code_map__find(m, &maps[i], is_vdso);
		if (!module && (maps[i].inode || is_vdso))
			module = learn(m, pid, &maps[i], is_vdso, added, ctx);
		if (module && bias_of(module, &maps[i], &mapping->bias))
			mapping->module = module->id;
	}
	free(maps);
	*out = list;
	*n_out = n_list;
	return list ? 0 : -ENOMEM;
}
