/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where to put a uprobe that stands for a function's entry or for a return from it, so that it costs as little as it can.
 *
 * At most instructions a hit is two traps: the breakpoint, and a step over the instruction's copy. A few the kernel
 * emulates instead, and one trap is all (x86: arch/x86/kernel/uprobes.c; jumps, push, nop). The difference is large where
 * the second trap goes to a hypervisor: 9.9 us against 0.56 us a hit on the virtual machine that this was measured on. So
 * the entry's probe moves down to the first emulated instruction before which nothing has changed that it reads, and a
 * return's moves up to the jumps that lead to the `ret`, from where on nothing can happen but the return.
 *
 * Such a place knows what a `ret` knows: where the stack pointer was at the entry, and where the function's value is. A
 * conditional jump counts when its condition, read from the flags, holds. Where any of it is uncertain, the `ret` stays.
 */
#ifndef TOKPROF_PROBE_PLACE_H
#define TOKPROF_PROBE_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/shared.h"
#include "userspace/disassemble.h"

struct probe_place {
	uint64_t vaddr, file_offset;
	int32_t frame; /* the stack pointer at the entry, less this register here: the stack pointer, or the frame's */
	uint8_t frame_register;
	uint8_t condition; /* the x86 condition code under which the place counts; PROBE_ALWAYS */
	bool value_is_constant; /* the function's value is `constant`, else in `value_register` */
	uint8_t value_register; /* registers are numbered as the instruction set encodes them */
	uint8_t frame_word,
		value_word; /* which words of the registers that the kernel saves (struct pt_regs) they are */
	int32_t constant;
	bool emulated;
};

/* All returns of a function. `note` as of struct function_returns. */
struct return_places {
	struct probe_place at[MAX_RETURNS];
	size_t n;
	char note[192];
};

/* The function's first instruction. */
void probe_place__start(const struct elf_symbol *function, struct probe_place *out);
/* Always finds one: where nothing better is known, the function's first instruction. */
void probe_place__entry(const struct elf_file *f, const struct elf_symbol *function, struct probe_place *out);
/* The same where only the arguments in registers are wanted: the stack pointer may have changed. */
void probe_place__argument(const struct elf_file *f, const struct elf_symbol *function, struct probe_place *out);
/* @return 0 with at least one; the errors of disassemble__returns() */
int probe_place__returns(const struct elf_file *f, const struct elf_symbol *function, enum return_points points,
			 struct return_places *out);

#endif
