/* SPDX-License-Identifier: Apache-2.0 */
/* Where the kernel's code is: addresses of its stacks, which differ from boot to boot, as places in it or in one of its modules. */
#ifndef TOKPROF_UNWIND_KERNEL_CODE_H
#define TOKPROF_UNWIND_KERNEL_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/elf_file.h"

struct kernel_module {
	uint64_t start, size;
	char name[64];
	char build_id[ELF_FILE_BUILD_ID_SIZE];
};

struct kernel_code {
	uint64_t text, text_end;	/* 0: hidden from us */
	uint64_t schedule, schedule_end;	/* the function that changes threads; 0: not found */
	char build_id[ELF_FILE_BUILD_ID_SIZE];
	struct kernel_module *modules;	/* ascending */
	size_t n;
};

/* @root what stands before /proc and /sys; "". Nothing is an error: what cannot be read is not known. */
void kernel_code__read(struct kernel_code *k, const char *root);
void kernel_code__free(struct kernel_code *k);

/* @return -1: no place that is known; 0: the kernel, *place less _text; i + 1: modules[i], less its start */
int kernel_code__find(const struct kernel_code *k, uint64_t address, uint64_t *place);

/* Is it in the function from which all waits are left? */
bool kernel_code__is_schedule(const struct kernel_code *k, uint64_t address);

#endif
