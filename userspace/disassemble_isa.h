/* SPDX-License-Identifier: Apache-2.0 */
/* What finding returns needs to know of an instruction set: where a function can be left, and how its stubs look. */
#ifndef TOKPROF_DISASSEMBLE_ISA_H
#define TOKPROF_DISASSEMBLE_ISA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/elf_file.h"

/* How control leaves. Calls come back, and the jump table of a switch stays in the function: neither is here. */
enum flow {
	FLOW_RETURN,
	FLOW_JUMP, /* to `target` */
	FLOW_JUMP_SLOT, /* to the address in a slot of the global offset table, which is at `target` */
	FLOW_JUMP_POINTER, /* to an address that only the running program knows */
};

struct leaving {
	uint64_t address; /* of the instruction */
	enum flow flow;
	bool conditional;
	uint64_t target;
};

struct code {
	const struct elf_file *file;
	const uint8_t *bytes;
	size_t size;
	uint64_t address; /* of the first byte */
};

/* --- instruction by instruction, for userspace/probe_place.c ------------------------------------------------------ */

#define NO_REGISTER 0xff
#define CONSTANT 0xfe /* in place of a register's number */
#define RAX 0
#define RSP 4
#define RBP 5

enum instruction_kind {
	INSTRUCTION_PLAIN,
	INSTRUCTION_JUMP, /* to `target` */
	INSTRUCTION_BRANCH, /* to `target`, where `condition` holds */
	INSTRUCTION_CALL, /* to `target`, 0: known to the running program only */
	INSTRUCTION_AWAY, /* a jump to where only the running program knows, a return, a trap */
};

/* General registers by the numbers that x86-64 encodes them with: 0 is rax, 4 rsp. */
struct instruction {
	uint64_t address;
	uint64_t target;
	int64_t stack_change; /* what it adds to the stack pointer, or to rbp to set the stack pointer */
	int32_t constant;
	uint16_t writes; /* a bit for each general register */
	uint8_t size;
	uint8_t kind;
	uint8_t condition; /* of x86: 0-15, an odd one is the even one's contrary */
	uint8_t copy_to, copy_from; /* it is `copy_to = copy_from`, which may be CONSTANT; NO_REGISTER: it is not */
	bool stack_known; /* `stack_change` is right */
	bool stack_from_rbp; /* leave, lea D(%rbp),%rsp */
	bool emulated; /* by the kernel's uprobes: one trap, not two */
	bool table; /* AWAY by a register or a table, so that it may lead to any place of the function */
};

struct isa {
	uint16_t machine; /* EM_X86_64, ... */
	bool emulates_return; /* the kernel's uprobes do, so that a hit at one is a single trap */
	const uint8_t *saved_words; /* where struct pt_regs has each of the 16 general registers that x86-64 has */
	/*
	 * Every instruction of the code that leaves the flow, in order. @return 0; what `each` returned if that is not 0;
	 * -EILSEQ: no instruction at *bad; -ENOMEM
	 */
	int (*walk)(const struct code *code, int (*each)(void *ctx, const struct leaving *at), void *ctx,
		    uint64_t *bad);
	/* The slot through which a stub of the procedure linkage table jumps. @return 0, -ENOENT: it is no such stub */
	int (*plt_slot)(const struct elf_file *f, uint64_t stub, uint64_t *slot);
	/*
	 * The first instructions in order, at most `max`, to be freed; NULL where the instruction set has no need of it (a
	 * return is emulated there). @return 0, -EILSEQ, -ENOMEM
	 */
	int (*decode)(const struct code *code, size_t max, struct instruction **out, size_t *n);
	/* The code is `return *(T *)(argument + offset)`. @return 0, -ENODATA, -ENOMEM */
	int (*getter)(const struct code *code, int bytes, uint32_t *offset);
	/* The code is `return argument + offset`, or `return table[argument]`. @return 0, -ENODATA, -ENOMEM */
	int (*member)(const struct code *code, uint32_t *offset);
	int (*table)(const struct code *code, uint64_t *table);
};

extern const struct isa isa_x86_64, isa_aarch64;

const struct isa *isa__find(const struct elf_file *f); /* NULL: another architecture */

#endif
