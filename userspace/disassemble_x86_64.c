/* SPDX-License-Identifier: Apache-2.0 */
/* x86-64, by capstone: instructions have any length, so that all of them have to be understood. */
#include <capstone/capstone.h>
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "userspace/disassemble_isa.h"

static int open_capstone(csh *capstone)
{
	if (cs_open(CS_ARCH_X86, CS_MODE_64, capstone) != CS_ERR_OK)
		return -ENOMEM;
	cs_option(*capstone, CS_OPT_DETAIL, CS_OPT_ON);
	return 0;
}

/* @return whether the jump can leave the function */
static bool decode_jump(const cs_insn *insn, struct leaving *out)
{
	const cs_x86_op *op = &insn->detail->x86.operands[0];

	if (insn->detail->x86.op_count != 1)
		return false;
	out->conditional = insn->id != X86_INS_JMP;
	if (op->type == X86_OP_IMM) {
		out->flow = FLOW_JUMP;
		out->target = (uint64_t)op->imm;
	} else if (op->type == X86_OP_MEM && op->mem.base == X86_REG_RIP && op->mem.index == X86_REG_INVALID) {
		out->flow = FLOW_JUMP_SLOT;
		out->target = insn->address + insn->size + (uint64_t)op->mem.disp;
	} else if (op->type == X86_OP_MEM && op->mem.index == X86_REG_INVALID) {
		out->flow = FLOW_JUMP_POINTER;
	} else {
		return false; /* the jump table of a switch: jmp *%reg, jmp *table(,%reg,8) */
	}
	return true;
}

static int walk(const struct code *code, int (*each)(void *ctx, const struct leaving *at), void *ctx, uint64_t *bad)
{
	const uint8_t *at = code->bytes;
	uint64_t address = code->address;
	size_t left = code->size;
	cs_insn *insn;
	csh capstone;
	int err = open_capstone(&capstone);

	if (err)
		return err;
	insn = cs_malloc(capstone);
	if (!insn)
		err = -ENOMEM;
	while (left > 0 && !err) {
		struct leaving out = { .address = address, .flow = FLOW_RETURN };

		if (!cs_disasm_iter(capstone, &at, &left, &address, insn)) {
			*bad = address;
			err = -EILSEQ;
		} else if (cs_insn_group(capstone, insn, CS_GRP_RET) ||
			   (cs_insn_group(capstone, insn, CS_GRP_JUMP) && decode_jump(insn, &out))) {
			err = each(ctx, &out);
		}
	}
	if (insn)
		cs_free(insn, 1);
	cs_close(&capstone);
	return err;
}

/* [endbr64] [bnd] jmp *slot(%rip) */
static int plt_slot(const struct elf_file *f, uint64_t stub, uint64_t *slot)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	uint8_t code[11] = { 0 };
	size_t at = 0, have = sizeof(code);
	int32_t displacement;

	while (have >= 6 && elf_file__read(f, stub, code, have))
		have--;
	if (have < 6)
		return -ENOENT;
	if (memcmp(code, endbr64, sizeof(endbr64)) == 0)
		at = sizeof(endbr64);
	if (code[at] == 0xf2)
		at++;
	if (at + 6 > have || code[at] != 0xff || code[at + 1] != 0x25)
		return -ENOENT;
	memcpy(&displacement, code + at + 2, sizeof(displacement));
	*slot = stub + at + 6 + (uint64_t)(int64_t)displacement;
	return 0;
}

/* mov D(%rdi),%rax; ret - with an endbr64 before it where built for indirect branch tracking */
static int match_getter(const cs_insn *insn, size_t n, uint32_t *offset)
{
	const cs_x86 *x86;

	if (n > 0 && insn[0].id == X86_INS_ENDBR64) {
		insn++;
		n--;
	}
	if (n < 2 || insn[0].id != X86_INS_MOV || insn[1].id != X86_INS_RET)
		return -ENODATA;
	x86 = &insn[0].detail->x86;
	if (x86->op_count != 2 || x86->operands[0].type != X86_OP_REG || x86->operands[0].reg != X86_REG_RAX ||
	    x86->operands[1].type != X86_OP_MEM || x86->operands[1].mem.base != X86_REG_RDI ||
	    x86->operands[1].mem.index != X86_REG_INVALID || x86->operands[1].mem.segment != X86_REG_INVALID)
		return -ENODATA;
	if (x86->operands[1].mem.disp < 0 || x86->operands[1].mem.disp > INT32_MAX)
		return -ENODATA;
	*offset = (uint32_t)x86->operands[1].mem.disp;
	return 0;
}

static int getter(const struct code *code, uint32_t *offset)
{
	cs_insn *insn = NULL;
	csh capstone;
	size_t n;
	int err = open_capstone(&capstone);

	if (err)
		return err;
	n = cs_disasm(capstone, code->bytes, code->size, code->address, 3, &insn);
	err = match_getter(insn, n, offset);
	if (insn)
		cs_free(insn, n);
	cs_close(&capstone);
	return err;
}

const struct isa isa_x86_64 = {
	.machine = EM_X86_64,
	.walk = walk,
	.plt_slot = plt_slot,
	.getter = getter,
};
