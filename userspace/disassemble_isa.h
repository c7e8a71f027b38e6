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

struct isa {
	uint16_t machine; /* EM_X86_64, ... */
	/*
	 * Every instruction of the code that leaves the flow, in order. @return 0; what `each` returned if that is not 0;
	 * -EILSEQ: no instruction at *bad; -ENOMEM
	 */
	int (*walk)(const struct code *code, int (*each)(void *ctx, const struct leaving *at), void *ctx,
		    uint64_t *bad);
	/* The slot through which a stub of the procedure linkage table jumps. @return 0, -ENOENT: it is no such stub */
	int (*plt_slot)(const struct elf_file *f, uint64_t stub, uint64_t *slot);
	/* The code is `return *(T *)(argument + offset)`. @return 0, -ENODATA, -ENOMEM */
	int (*getter)(const struct code *code, uint32_t *offset);
};

extern const struct isa isa_x86_64, isa_aarch64;

#endif
