/* SPDX-License-Identifier: Apache-2.0 */
/* x86-64, by capstone: instructions have any length, so that all of them have to be understood. */
#include <capstone/capstone.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
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

/* --- instruction by instruction -------------------------------------------------------------------------------------- */

/* The number of a general register, also of its lower parts; NO_REGISTER */
static uint8_t register_number(x86_reg reg)
{
	static const x86_reg names[16][5] = {
		{ X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL, X86_REG_AH },
		{ X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL, X86_REG_CH },
		{ X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL, X86_REG_DH },
		{ X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL, X86_REG_BH },
		{ X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL },
		{ X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL },
		{ X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL },
		{ X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL },
		{ X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B },
		{ X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B },
		{ X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B },
		{ X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B },
		{ X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B },
		{ X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B },
		{ X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B },
		{ X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B },
	};
	size_t i, k;

	for (i = 0; i < 16; i++)
		for (k = 0; k < 5; k++)
			if (reg != X86_REG_INVALID && names[i][k] == reg)
				return (uint8_t)i;
	return NO_REGISTER;
}

static bool is_register(const cs_x86_op *op, unsigned min_size)
{
	return op->type == X86_OP_REG && op->size >= min_size && register_number(op->reg) != NO_REGISTER;
}

static bool is_stack_pointer(const cs_x86_op *op)
{
	return op->type == X86_OP_REG && op->reg == X86_REG_RSP;
}

/* `mov %reg,%reg`, `mov $constant,%reg`, `xor %reg,%reg` of 32 or 64 bits */
static void note_copy(const cs_insn *insn, struct instruction *out)
{
	const cs_x86_op *op = insn->detail->x86.operands;

	if (insn->detail->x86.op_count != 2 || !is_register(&op[0], 4))
		return;
	if (insn->id == X86_INS_MOV && is_register(&op[1], 4)) {
		out->copy_from = register_number(op[1].reg);
	} else if ((insn->id == X86_INS_MOV || insn->id == X86_INS_MOVABS) && op[1].type == X86_OP_IMM) {
		out->copy_from = CONSTANT;
		out->constant = (int32_t)op[1].imm;
	} else if (insn->id == X86_INS_XOR && is_register(&op[1], 4) && op[0].reg == op[1].reg) {
		out->copy_from = CONSTANT;
	} else {
		return;
	}
	out->copy_to = register_number(op[0].reg);
}

static void set_from_rbp(struct instruction *out, int64_t change)
{
	out->stack_from_rbp = true;
	out->stack_change = change;
}

static void note_stack(const cs_insn *insn, struct instruction *out)
{
	const cs_x86 *x86 = &insn->detail->x86;
	const cs_x86_op *op = x86->operands;
	const bool by_constant = x86->op_count == 2 && is_stack_pointer(&op[0]) && op[1].type == X86_OP_IMM;

	out->stack_known = true;
	if (insn->id == X86_INS_PUSH && x86->op_count == 1 && op[0].size == 8)
		out->stack_change = -8;
	else if (insn->id == X86_INS_POP && x86->op_count == 1 && op[0].size == 8 && !is_stack_pointer(&op[0]))
		out->stack_change = 8;
	else if (insn->id == X86_INS_ADD && by_constant)
		out->stack_change = op[1].imm;
	else if (insn->id == X86_INS_SUB && by_constant)
		out->stack_change = -op[1].imm;
	else if (insn->id == X86_INS_LEA && is_stack_pointer(&op[0]) && op[1].mem.base == X86_REG_RSP &&
		 op[1].mem.index == X86_REG_INVALID)
		out->stack_change = op[1].mem.disp;
	else if (insn->id == X86_INS_LEA && is_stack_pointer(&op[0]) && op[1].mem.base == X86_REG_RBP &&
		 op[1].mem.index == X86_REG_INVALID)
		set_from_rbp(out, op[1].mem.disp);
	else if (insn->id == X86_INS_MOV && is_stack_pointer(&op[0]) && op[1].type == X86_OP_REG &&
		 op[1].reg == X86_REG_RBP)
		set_from_rbp(out, 0);
	else if (insn->id == X86_INS_LEAVE)
		set_from_rbp(out, 8);
	else
		out->stack_known = !(out->writes & 1u << RSP);
}

/*
 * What branch_setup_xol_ops() and push_setup_xol_ops() in the kernel's arch/x86/kernel/uprobes.c take: without prefixes.
 * Calls are left out: of all these they alone store something, and their shadow stack came later.
 */
static bool is_emulated(const cs_insn *insn)
{
	const uint8_t *b = insn->bytes;

	if (insn->size == 1)
		return b[0] == 0x90 || (b[0] & 0xf8) == 0x50;
	if (insn->size == 2)
		return b[0] == 0xeb || (b[0] & 0xf0) == 0x70 || (b[0] == 0x41 && (b[1] & 0xf8) == 0x50);
	return (insn->size == 5 && b[0] == 0xe9) || (insn->size == 6 && b[0] == 0x0f && (b[1] & 0xf0) == 0x80);
}

static void note_flow(csh capstone, const cs_insn *insn, struct instruction *out)
{
	const cs_x86_op *op = &insn->detail->x86.operands[0];
	const uint8_t *b = insn->bytes;

	if (insn->id == X86_INS_CALL || insn->id == X86_INS_LCALL || insn->id == X86_INS_SYSCALL ||
	    insn->id == X86_INS_INT) {
		out->kind = INSTRUCTION_CALL;
		if (insn->id == X86_INS_CALL && insn->detail->x86.op_count == 1 && op->type == X86_OP_IMM)
			out->target = (uint64_t)op->imm;
	} else if (cs_insn_group(capstone, insn, CS_GRP_JUMP) && insn->detail->x86.op_count == 1 &&
		   op->type == X86_OP_IMM) {
		out->kind = insn->id == X86_INS_JMP ? INSTRUCTION_JUMP : INSTRUCTION_BRANCH;
		out->target = (uint64_t)op->imm;
		out->condition = (b[0] == 0x0f ? b[1] : b[0]) & 15;
	} else if (cs_insn_group(capstone, insn, CS_GRP_JUMP)) {
		out->kind = INSTRUCTION_AWAY;
		out->table = true;
	} else if (cs_insn_group(capstone, insn, CS_GRP_RET) || cs_insn_group(capstone, insn, CS_GRP_IRET) ||
		   insn->id == X86_INS_UD2 || insn->id == X86_INS_UD0 || insn->id == X86_INS_HLT ||
		   insn->id == X86_INS_INT3) {
		out->kind = INSTRUCTION_AWAY;
	}
}

static void describe(csh capstone, const cs_insn *insn, struct instruction *out)
{
	uint8_t n_read, n_written, i, number;
	cs_regs read, written;

	memset(out, 0, sizeof(*out));
	out->address = insn->address;
	out->size = (uint8_t)insn->size;
	out->copy_to = out->copy_from = NO_REGISTER;
	out->emulated = is_emulated(insn);
	if (cs_regs_access(capstone, insn, read, &n_read, written, &n_written) != CS_ERR_OK) {
		out->writes = 0xffff;
		n_written = 0;
	}
	for (i = 0; i < n_written; i++) {
		number = register_number((x86_reg)written[i]);
		if (number != NO_REGISTER)
			out->writes |= (uint16_t)(1u << number);
	}
	note_copy(insn, out);
	note_stack(insn, out);
	note_flow(capstone, insn, out);
}

static int decode(const struct code *code, size_t max, struct instruction **out, size_t *n)
{
	const uint8_t *at = code->bytes;
	uint64_t address = code->address;
	size_t left = code->size;
	struct instruction *list = calloc(code->size < max ? code->size + 1 : max, sizeof(*list));
	cs_insn *insn;
	csh capstone;
	int err = list ? open_capstone(&capstone) : -ENOMEM;

	if (err) {
		free(list);
		return err;
	}
	insn = cs_malloc(capstone);
	err = insn ? 0 : -ENOMEM;
	*n = 0;
	while (left > 0 && *n < max && !err) {
		if (cs_disasm_iter(capstone, &at, &left, &address, insn))
			describe(capstone, insn, &list[(*n)++]);
		else
			err = -EILSEQ;
	}
	if (insn)
		cs_free(insn, 1);
	cs_close(&capstone);
	if (err)
		free(list);
	else
		*out = list;
	return err;
}

/* --- shapes ----------------------------------------------------------------------------------------------------------- */

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

/* mov D(%rdi),%rax (or %eax); ret */
static int match_getter(const cs_insn *insn, size_t n, int bytes, uint32_t *offset)
{
	const cs_x86 *x86;

	if (n < 2 || insn[0].id != X86_INS_MOV || insn[1].id != X86_INS_RET)
		return -ENODATA;
	x86 = &insn[0].detail->x86;
	if (x86->op_count != 2 || x86->operands[0].type != X86_OP_REG ||
	    x86->operands[0].reg != (bytes == 8 ? X86_REG_RAX : X86_REG_EAX) || x86->operands[1].type != X86_OP_MEM ||
	    x86->operands[1].mem.base != X86_REG_RDI || x86->operands[1].mem.index != X86_REG_INVALID ||
	    x86->operands[1].mem.segment != X86_REG_INVALID)
		return -ENODATA;
	if (x86->operands[1].mem.disp < 0 || x86->operands[1].mem.disp > INT32_MAX)
		return -ENODATA;
	*offset = (uint32_t)x86->operands[1].mem.disp;
	return 0;
}

#define GETTER_INSTRUCTIONS 5

/* The first instructions, what marks the target of an indirect branch left out. */
struct beginning {
	csh capstone;
	cs_insn *all;
	size_t n_all;
	const cs_insn *at;
	size_t n;
};

static int beginning__decode(struct beginning *b, const struct code *code)
{
	int err = open_capstone(&b->capstone);

	if (err)
		return err;
	b->n_all = cs_disasm(b->capstone, code->bytes, code->size, code->address, GETTER_INSTRUCTIONS, &b->all);
	b->at = b->all;
	b->n = b->n_all;
	if (b->n > 0 && b->at[0].id == X86_INS_ENDBR64) {
		b->at++;
		b->n--;
	}
	return 0;
}

static void beginning__free(struct beginning *b)
{
	if (b->all)
		cs_free(b->all, b->n_all);
	cs_close(&b->capstone);
}

static int getter(const struct code *code, int bytes, uint32_t *offset)
{
	struct beginning b = { 0 };
	int err = beginning__decode(&b, code);

	if (err)
		return err;
	err = match_getter(b.at, b.n, bytes, offset);
	beginning__free(&b);
	return err;
}

/* lea D(base),%rax; base may be the instruction pointer */
static bool is_address(const cs_insn *insn, x86_reg base, int64_t *displacement)
{
	const cs_x86 *x86 = &insn->detail->x86;

	if (insn->id != X86_INS_LEA || x86->op_count != 2 || x86->operands[0].reg != X86_REG_RAX ||
	    x86->operands[1].mem.base != base || x86->operands[1].mem.index != X86_REG_INVALID ||
	    x86->operands[1].mem.segment != X86_REG_INVALID)
		return false;
	*displacement = x86->operands[1].mem.disp;
	return true;
}

static int member(const struct code *code, uint32_t *offset)
{
	struct beginning b = { 0 };
	int64_t displacement;
	int err = beginning__decode(&b, code);

	if (err)
		return err;
	if (b.n < 2 || !is_address(&b.at[0], X86_REG_RDI, &displacement) || b.at[1].id != X86_INS_RET ||
	    displacement < 0 || displacement > INT32_MAX)
		err = -ENODATA;
	else
		*offset = (uint32_t)displacement;
	beginning__free(&b);
	return err;
}

/* mov (%rax,%rdi,8),%rax */
static bool is_element(const cs_insn *insn)
{
	const cs_x86 *x86 = &insn->detail->x86;

	return insn->id == X86_INS_MOV && x86->op_count == 2 && x86->operands[0].type == X86_OP_REG &&
	       x86->operands[0].reg == X86_REG_RAX && x86->operands[1].type == X86_OP_MEM &&
	       x86->operands[1].mem.base == X86_REG_RAX && x86->operands[1].mem.index == X86_REG_RDI &&
	       x86->operands[1].mem.scale == 8 && x86->operands[1].mem.disp == 0 &&
	       x86->operands[1].mem.segment == X86_REG_INVALID;
}

/* mov %edi,%edi, which widens the number, stands before or behind; lea TABLE(%rip),%rax; mov (%rax,%rdi,8),%rax; ret */
static int table(const struct code *code, uint64_t *out)
{
	struct beginning b = { 0 };
	bool has_address = false;
	int err = beginning__decode(&b, code);
	int64_t displacement;
	size_t i;

	if (err)
		return err;
	for (i = 0; i < b.n; i++) {
		const cs_x86 *x86 = &b.at[i].detail->x86;

		if (!has_address && is_address(&b.at[i], X86_REG_RIP, &displacement)) {
			*out = b.at[i].address + b.at[i].size + (uint64_t)displacement;
			has_address = true;
		} else if (b.at[i].id != X86_INS_MOV || x86->op_count != 2 || x86->operands[0].reg != X86_REG_EDI ||
			   x86->operands[1].type != X86_OP_REG || x86->operands[1].reg != X86_REG_EDI) {
			break;
		}
	}
	if (!has_address || i + 1 >= b.n || !is_element(&b.at[i]) || b.at[i + 1].id != X86_INS_RET)
		err = -ENODATA;
	beginning__free(&b);
	return err;
}

/* arch/x86/include/uapi/asm/ptrace.h */
static const uint8_t saved_words[16] = { 10, 11, 12, 5, 19, 4, 13, 14, 9, 8, 7, 6, 3, 2, 1, 0 };

const struct isa isa_x86_64 = {
	.machine = EM_X86_64,
	.saved_words = saved_words,
	.walk = walk,
	.decode = decode,
	.plt_slot = plt_slot,
	.getter = getter,
	.member = member,
	.table = table,
};
