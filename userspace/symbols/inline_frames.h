/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions and source lines of addresses by DWARF: the function that has the code, and those that were inlined into each other there
 * (DW_TAG_inlined_subroutine). libdw reads; each compile unit that has one of the addresses is walked once for all of them.
 *
 * To be called where a crash and an endless walk are survived (userspace/symbols/worker.h): libdw 0.188 does not look for the end
 * of a string in every form, and the file is the server's.
 */
#ifndef TOKPROF_SYMBOLS_INLINE_FRAMES_H
#define TOKPROF_SYMBOLS_INLINE_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "userspace/elf_file.h"
#include "userspace/symbols/symbol.h"

struct inline_function {
	const char *name;	/* mangled where the language has such names; NULL: not said */
	const char *file;	/* where control is in it: the line, or the call of the next one; NULL */
	uint32_t line;		/* 0: not known */
};

struct inline_chain {
	size_t n;		/* functions, outermost first; 0: no function is known there */
	uint64_t start;		/* of the outermost */
	struct inline_function functions[SYMBOL_MAX_DEPTH];
};

/*
 * Tell of every address that debug information knows, in any order; strings live until the call returns. @addresses:
 * ascending, each once. @return 0, -ENOENT: there is no debug information, -EBADMSG: it is damaged, -ENOMEM
 */
int inline_frames__each(const struct elf_file *f, const uint64_t *addresses, size_t n,
			void (*tell)(void *ctx, size_t address, const struct inline_chain *chain), void *ctx);

#endif
