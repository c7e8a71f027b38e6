/* SPDX-License-Identifier: Apache-2.0 */
#include "naming.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "userspace/elf_file.h"

void naming__begin(struct naming *n)
{
	memset(n, 0, sizeof(*n));
	n->r.modules = n->modules;
	n->r.frames = n->frames;
	n->r.processes = n->processes;
	naming__process(n, (uint32_t)getpid());
}

void naming__process(struct naming *n, uint32_t pid)
{
	n->processes[n->r.n_processes++].pid = pid;
}

int64_t naming__module(struct naming *n, const char *kind, const char *path)
{
	struct row_module *m = &n->modules[n->r.n_modules++];

	*m = (struct row_module){ .id = (int64_t)n->r.n_modules, .kind = kind, .size_bytes = ABSENT };
	m->path = path ? strdup(path) : NULL;
	return m->id;
}

int64_t naming__file(struct naming *n, const char *path)
{
	int64_t id = naming__module(n, "user", path);
	struct row_module *m = &n->modules[id - 1];
	char build_id[ELF_FILE_BUILD_ID_SIZE];
	struct elf_file *f;
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	m->device = st.st_dev;
	m->inode = st.st_ino;
	m->size_bytes = st.st_size;
	if (elf_file__open(&f, path) == 0) {
		if (elf_file__build_id(f, build_id, sizeof(build_id)) == 0)
			m->build_id = strdup(build_id);
		elf_file__free(f);
	}
	return id;
}

int64_t naming__frame(struct naming *n, int kind, int64_t module, uint64_t address)
{
	struct row_frame *f = &n->frames[n->r.n_frames++];

	assert_true(n->r.n_frames <= NAMING_MAX_FRAMES);
	*f = (struct row_frame){ .id = (int64_t)n->r.n_frames, .kind = kind, .module = module, .address = address };
	return f->id;
}

static int put(void *ctx, const struct row_symbol *row)
{
	struct naming *n = ctx;
	struct row_symbol *copy = &n->names[n->n_names++];

	assert_true(n->n_names <= NAMING_MAX_NAMES);
	*copy = *row;
	copy->name = strdup(row->name);
	copy->file = row->file ? strdup(row->file) : NULL;
	return 0;
}

void naming__resolve(struct naming *n)
{
	assert_int_equal(symbols__resolve(&n->r, &n->options, put, n, &n->summary), 0);
}

void naming__free(struct naming *n)
{
	size_t i;

	for (i = 0; i < n->n_names; i++) {
		free((char *)n->names[i].name);
		free((char *)n->names[i].file);
	}
	for (i = 0; i < n->r.n_modules; i++) {
		free((char *)n->modules[i].path);
		free((char *)n->modules[i].build_id);
	}
}

const struct row_symbol *naming__symbol(const struct naming *n, int64_t frame, int64_t depth)
{
	size_t i;

	for (i = 0; i < n->n_names; i++)
		if (n->names[i].frame == frame && n->names[i].depth == depth)
			return &n->names[i];
	return NULL;
}

const char *naming__name(const struct naming *n, int64_t frame)
{
	const struct row_symbol *s = naming__symbol(n, frame, 0);

	return s ? s->name : "";
}

size_t naming__depths(const struct naming *n, int64_t frame)
{
	size_t depth = 0;

	while (naming__symbol(n, frame, (int64_t)depth))
		depth++;
	return depth;
}

uint64_t naming__address(const char *path, const char *symbol)
{
	char command[512], name[256], type;
	unsigned long long address, found = 0;
	FILE *f;

	snprintf(command, sizeof(command), "nm --defined-only %s 2>&1", path);
	f = popen(command, "r");
	assert_non_null(f);
	while (fscanf(f, "%llx %c %255s", &address, &type, name) == 3)
		if (strcmp(name, symbol) == 0)
			found = address;
	pclose(f);
	assert_true(found != 0);
	return found;
}

void naming__shell(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command) != 0)
		fail_msg("%s", command);
}
