/* SPDX-License-Identifier: Apache-2.0 */
/* Functions in assembly, so that the bytes and with them the places of their returns are known, and what is found of them. */
#ifndef TOKPROF_RETURNS_EXAMPLE_H
#define TOKPROF_RETURNS_EXAMPLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "userspace/disassemble.h"

#define BODY(name, body) ".type " name ",@function\n" name ":\n" body "\n.size " name ",.-" name "\n"
#define FUNCTION(name, body) ".globl " name "\n" BODY(name, body)
#define LOCAL(name, body) BODY(name, body)

/* The functions of a test, opened by its set-up. */
static struct elf_file *file;

static inline int close_file(void **state)
{
	(void)state;
	elf_file__free(file);
	return 0;
}

static inline struct elf_symbol symbol(const struct elf_file *f, const char *name)
{
	struct elf_match *matches;
	struct elf_symbol found;
	size_t n;

	assert_int_equal(elf_file__find(f, &name, 1, &matches, &n), 0);
	assert_true(n > 0);
	found = matches[0].symbol;
	free(matches);
	return found;
}

static inline int returns_of(const char *name, enum return_points points, struct function_returns *out)
{
	struct elf_symbol s = symbol(file, name);

	return disassemble__returns(file, &s, points, out);
}

/* A getter tells the offset of its field; a function that is none tells nothing. */
static inline void check_getter(const char *name, int bytes, uint32_t expected)
{
	struct elf_symbol s = symbol(file, name);
	uint32_t offset = 0;

	assert_int_equal(disassemble__getter_offset(file, &s, bytes, &offset), 0);
	assert_int_equal(offset, expected);
}

static inline void check_no_getter(const char *name, int bytes)
{
	struct elf_symbol s = symbol(file, name);
	uint32_t offset;

	assert_int_equal(disassemble__getter_offset(file, &s, bytes, &offset), -ENODATA);
}

/* Its returns: n pairs of a function and an offset in it. */
static inline void check_in(const struct elf_file *f, const char *name, size_t n, va_list args)
{
	struct elf_symbol s = symbol(f, name);
	struct function_returns returns;
	size_t i, k;

	assert_int_equal(disassemble__returns(f, &s, RETURNS_WITH_VALUE, &returns), 0);
	assert_int_equal(returns.n, n);
	for (i = 0; i < n; i++) {
		const char *function = va_arg(args, const char *);
		uint64_t expected = symbol(f, function).vaddr + (uint64_t)va_arg(args, int), offset;

		for (k = 0; k < returns.n && returns.vaddr[k] != expected; k++)
			;
		assert_true(k < returns.n);
		assert_int_equal(elf_file__offset(f, expected, &offset), 0);
		assert_int_equal(returns.file_offset[k], offset);
	}
}

static inline void check(const char *name, size_t n, ...)
{
	va_list args;

	va_start(args, n);
	check_in(file, name, n, args);
	va_end(args);
}

#endif
