/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Section .eh_frame: what compilers write down so that exceptions find the frames of functions without frame pointers.
 * Linux Standard Base, "Exception Frames"; DWARF 5, section 6.4.
 *
 * The bytes come from a file that is not trusted. A function whose entry cannot be understood is left out and counted: it has no
 * table then, and a stack ends there.
 */
#ifndef TOKPROF_UNWIND_EH_FRAME_H
#define TOKPROF_UNWIND_EH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/stacks.h"

struct eh_frame {
	const uint8_t *data;
	size_t size;
	uint64_t vaddr;			/* of data[0], as the file was linked */
	uint16_t machine;		/* EM_X86_64, EM_AARCH64 */
};

struct eh_frame_function {
	uint64_t start, end;		/* addresses as linked */
	uint64_t code_factor;
	int64_t data_factor;
	uint64_t return_column;
	uint8_t encoding;		/* of addresses */
	bool signal;
	const uint8_t *initial, *initial_end;	/* instructions that all functions of its kind begin with */
	const uint8_t *program, *program_end;	/* and its own */
};

/*
 * Calls `each` for every function that has an entry. @n_bad entries that could not be read
 * @return 0, or what `each` returned
 */
int eh_frame__each(const struct eh_frame *s, int (*each)(void *ctx, const struct eh_frame_function *f), void *ctx,
		   size_t *n_bad);

/*
 * Runs a function's program: calls `row` with each place from which on a rule holds, ascending, the first at f->start.
 * @return 0, -EBADMSG (it cannot be followed: what was told is void), or what `row` returned
 */
int eh_frame__rows(const struct eh_frame *s, const struct eh_frame_function *f,
		   int (*row)(void *ctx, uint64_t pc, const struct unwind_rule *rule), void *ctx);

/* An address in one of the encodings of .eh_frame (DW_EH_PE_*); `bad` where it cannot be told without running the program. */
struct cursor;
uint64_t eh_frame__pointer(const struct eh_frame *s, struct cursor *c, uint8_t encoding);

#endif
