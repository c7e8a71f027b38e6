/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a function returns to its caller, as places for plain uprobes.
 *
 * A return probe would replace the return address, so that an exception thrown through the function aborts the process;
 * a uprobe on each `ret` does not. A function also returns through the `ret` of one that it jumps to at its end (tail
 * call), directly or through the procedure linkage table: those are followed, a few levels deep. Parts that the compiler
 * moved away (F.cold) belong to the function.
 *
 * A linear sweep from the function's start finds the instructions. gcc and clang put no data between x86 instructions of
 * one function; between those of AArch64 data is told by the file's mapping symbols and by the loads that refer to it.
 *
 * RETAA and RETAB are returns, but kernels refuse uprobes on them (since 5.10, commit 93396936ed0c). Code that is to run
 * on all AArch64 processors has `autiasp` and a plain `ret` instead.
 */
#ifndef TOKPROF_DISASSEMBLE_H
#define TOKPROF_DISASSEMBLE_H

#include <stddef.h>
#include <stdint.h>

#include "userspace/elf_file.h"

#define MAX_RETURNS 64

enum return_points {
	RETURNS_WITH_VALUE, /* the function's value is in its register there: only `ret` will do */
	RETURNS_ANY, /* tail calls count at their jump and are not followed */
};

#define MAX_FUNCTION_PARTS 32

/* A stretch of code: the function, a part of it that the compiler moved away, or a function that it jumps to. */
struct function_part {
	uint64_t start, size;
	int depth; /* tail calls on the way here */
};

struct function_returns {
	uint64_t vaddr[MAX_RETURNS]; /* ascending, each once */
	uint64_t file_offset[MAX_RETURNS];
	size_t n;
	struct function_part parts[MAX_FUNCTION_PARTS]; /* all that was swept */
	size_t n_parts;
	char note[192]; /* why it failed, or what could not be followed; "" */
};

/*
 * @return 0 with at least one return;
 *	-ENOTSUP	another architecture
 *	-EILSEQ		bytes that are no instruction
 *	-ENOLINK	it may also leave by a tail call that cannot be followed: returns would be missed
 *	-ENODATA	it never returns
 *	-E2BIG		more returns than MAX_RETURNS, or a function of more than 1 MiB
 */
int disassemble__returns(const struct elf_file *f, const struct elf_symbol *function, enum return_points points,
			 struct function_returns *out);

/* Bytes of code, to be freed. @return 0, -E2BIG, -ENOMEM, or what elf_file__read() returns */
int disassemble__read_code(const struct elf_file *f, uint64_t start, uint64_t size, uint8_t **out);

/*
 * The offset D of a function that is nothing but `return *(T *)(argument + D)`, a getter of a C++ class; T has `bytes` of
 * them, 8 or 4.
 * @return 0, -ENOTSUP, -ENODATA where the function is anything else
 */
int disassemble__getter_offset(const struct elf_file *f, const struct elf_symbol *function, int bytes,
			       uint32_t *offset);
/* The same of one that is nothing but `return argument + D`: a getter of an array inside. */
int disassemble__member_offset(const struct elf_file *f, const struct elf_symbol *function, uint32_t *offset);
/* The address of TABLE (not relocated) of a function that is nothing but `return TABLE[argument]`, an array of pointers. */
int disassemble__table(const struct elf_file *f, const struct elf_symbol *function, uint64_t *table);

#endif
