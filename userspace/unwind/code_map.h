/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files with code there are, and where a process has them. A module is a file by device and inode; the kernel's vdso is
 * one, too. Files are opened as the process has them mapped, so that deleted and replaced ones and those of containers are the
 * right ones.
 */
#ifndef TOKPROF_UNWIND_CODE_MAP_H
#define TOKPROF_UNWIND_CODE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/stacks.h"
#include "userspace/elf_file.h"

#define MODULE_SEGMENTS 8

struct module_segment {
	uint64_t vaddr, offset, size;
};

struct module {
	uint32_t id;			/* from 1 */
	bool is_vdso;
	uint64_t device, inode;
	int64_t size_bytes;		/* of the file; -1 */
	char *path;			/* as the process's mount namespace names it */
	char build_id[ELF_FILE_BUILD_ID_SIZE];	/* "" */
	struct module_segment segments[MODULE_SEGMENTS];	/* with code */
	size_t n_segments;		/* 0: no ELF file that is understood */
};

struct code_map {
	struct module **modules;	/* by id - 1 */
	size_t n, capacity;
};

void code_map__free(struct code_map *m);
/* @return NULL where there is none of this number */
struct module *code_map__module(const struct code_map *m, uint32_t id);

/*
 * The executable mappings of a process, in the order of their addresses; modules that were not known are added and told to
 * `added` with the open file, which is then its own (elf_file__free); NULL where it is no ELF file that is understood. They stay as
 * they are from then on. *out is the caller's (free).
 * @return 0; -ESRCH (it is gone), -ENOMEM
 */
int code_map__look(struct code_map *m, uint32_t pid, struct unwind_mapping **out, size_t *n_out,
		   void (*added)(void *ctx, const struct module *module, struct elf_file *f), void *ctx);

#endif
