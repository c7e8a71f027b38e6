/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/disassemble.h"

#include <capstone/capstone.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FUNCTION_BYTES (1u << 20)
#define MAX_PARTS 32 /* the function, its moved parts, and the functions it jumps to */
#define MAX_DEPTH 4

struct part {
	uint64_t start, size;
	int depth; /* tail calls on the way here */
};

struct sweep {
	const struct elf_file *f;
	csh capstone;
	enum return_points points;
	struct function_returns *out;
	struct part parts[MAX_PARTS];
	size_t n_parts;
	struct part now;
};

static int fail(struct function_returns *out, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int fail(struct function_returns *out, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(out->note, sizeof(out->note), format, args);
	va_end(args);
	return err;
}

static int open_capstone(const struct elf_file *f, csh *capstone)
{
	if (elf_file__machine(f) != EM_X86_64)
		return -ENOTSUP;
	if (cs_open(CS_ARCH_X86, CS_MODE_64, capstone) != CS_ERR_OK)
		return -ENOMEM;
	cs_option(*capstone, CS_OPT_DETAIL, CS_OPT_ON);
	return 0;
}

/* @return the code, to be freed; NULL with err set */
static uint8_t *read_code(const struct elf_file *f, uint64_t start, uint64_t size, int *err)
{
	uint8_t *code;

	if (size == 0 || size > MAX_FUNCTION_BYTES) {
		*err = -E2BIG;
		return NULL;
	}
	code = malloc(size);
	if (!code) {
		*err = -ENOMEM;
		return NULL;
	}
	*err = elf_file__read(f, start, code, size);
	if (*err) {
		free(code);
		return NULL;
	}
	return code;
}

static int add_part(struct sweep *s, uint64_t start, uint64_t size, int depth)
{
	size_t i;

	for (i = 0; i < s->n_parts; i++)
		if (s->parts[i].start == start)
			return 0;
	if (s->n_parts == MAX_PARTS)
		return fail(s->out, -E2BIG, "more than %d functions are reached by tail calls", MAX_PARTS);
	s->parts[s->n_parts++] = (struct part){ .start = start, .size = size, .depth = depth };
	return 0;
}

static int add_return(struct sweep *s, uint64_t vaddr)
{
	struct function_returns *out = s->out;
	uint64_t offset;
	size_t i;

	if (elf_file__offset(s->f, vaddr, &offset))
		return fail(out, -EILSEQ, "a return outside of the file");
	for (i = 0; i < out->n && out->vaddr[i] < vaddr; i++)
		;
	if (i < out->n && out->vaddr[i] == vaddr)
		return 0;
	if (out->n == MAX_RETURNS)
		return fail(out, -E2BIG, "more than %d returns", MAX_RETURNS);
	memmove(&out->vaddr[i + 1], &out->vaddr[i], (out->n - i) * sizeof(out->vaddr[0]));
	memmove(&out->file_offset[i + 1], &out->file_offset[i], (out->n - i) * sizeof(out->file_offset[0]));
	out->vaddr[i] = vaddr;
	out->file_offset[i] = offset;
	out->n++;
	return 0;
}

/* --- jumps out of the function ------------------------------------------------------------------------------------- */

/*
 * The slot through which a stub of the procedure linkage table jumps: [endbr64] [bnd] jmp *slot(%rip).
 * @return 0, -ENOENT where the code is no such stub
 */
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

/* A tail call to the function that the dynamic linker binds a slot to: by name the same file's, where it has it. */
static int follow_slot(struct sweep *s, uint64_t slot)
{
	struct elf_match *matches;
	const char *name;
	size_t n, i;
	int err;

	if (elf_file__slot_symbol(s->f, slot, &name))
		return fail(s->out, -ENOLINK, "it ends in a jump through a pointer that no symbol is bound to");
	err = elf_file__find(s->f, &name, 1, &matches, &n);
	if (err)
		return err;
	for (i = 0; i < n && !matches[i].symbol.function; i++)
		;
	if (i < n)
		err = add_part(s, matches[i].symbol.vaddr, matches[i].symbol.size, s->now.depth + 1);
	else
		err = fail(s->out, -ENOLINK, "it ends in a jump to %.100s in another file", name);
	free(matches);
	return err;
}

/*
 * Where the value is not wanted, the jump itself is the better place: what it leads to (operator delete, say) may be called
 * by the whole program, and each call would be a hit.
 */
static bool stays_at_jump(const struct sweep *s, bool conditional)
{
	return s->points == RETURNS_ANY && !conditional;
}

static int follow_jump(struct sweep *s, uint64_t target, bool conditional)
{
	struct elf_symbol symbol;
	uint64_t slot;

	if (target >= s->now.start && target - s->now.start < s->now.size)
		return 0;
	if (elf_file__function_at(s->f, target, &symbol) == 0 && !strchr(symbol.name, '.')) {
		if (stays_at_jump(s, conditional))
			return -ENOLINK;
		if (symbol.size == 0)
			return fail(s->out, -ENOLINK, "it ends in a jump to %.100s, whose size is unknown",
				    symbol.name);
		return add_part(s, symbol.vaddr, symbol.size, s->now.depth + 1);
	}
	if (plt_slot(s->f, target, &slot) == 0)
		return stays_at_jump(s, conditional) ? -ENOLINK : follow_slot(s, slot);
	/* A part of a function that the compiler moved away (F.cold, F.part.0): its returns are this function's. */
	if (elf_file__function_around(s->f, target, &symbol) == 0)
		return add_part(s, symbol.vaddr, symbol.size, s->now.depth + !!strstr(symbol.name, ".part"));
	/* Without a symbol it is taken for a cold part, which ends by throwing; gcc reaches those by a conditional jump. */
	if (conditional)
		return 0;
	snprintf(s->out->note, sizeof(s->out->note), "a jump to code without a symbol was taken for error handling");
	return 0;
}

static int on_jump(struct sweep *s, const cs_insn *insn)
{
	const cs_x86_op *op = &insn->detail->x86.operands[0];
	int err = 0;

	if (insn->detail->x86.op_count != 1)
		return 0;
	if (op->type == X86_OP_IMM)
		err = follow_jump(s, (uint64_t)op->imm, insn->id != X86_INS_JMP);
	else if (op->type == X86_OP_MEM && op->mem.base == X86_REG_RIP && op->mem.index == X86_REG_INVALID)
		err = stays_at_jump(s, insn->id != X86_INS_JMP) ?
			      -ENOLINK :
			      follow_slot(s, insn->address + insn->size + (uint64_t)op->mem.disp);
	else if (op->type == X86_OP_MEM && op->mem.index == X86_REG_INVALID)
		err = fail(s->out, -ENOLINK, "it ends in a call through a pointer");
	/* else the jump table of a switch: jmp *%reg, jmp *table(,%reg,8) */

	/* At the jump of a tail call the frame is gone already. A conditional one would be hit when it is not taken, too. */
	if (err == -ENOLINK && s->points == RETURNS_ANY && insn->id == X86_INS_JMP) {
		s->out->note[0] = 0;
		return add_return(s, insn->address);
	}
	return err;
}

/* --- the sweep ----------------------------------------------------------------------------------------------------- */

static int on_instruction(struct sweep *s, const cs_insn *insn)
{
	if (cs_insn_group(s->capstone, insn, CS_GRP_RET))
		return add_return(s, insn->address);
	if (cs_insn_group(s->capstone, insn, CS_GRP_JUMP))
		return on_jump(s, insn);
	return 0;
}

static int sweep_part(struct sweep *s)
{
	uint64_t address = s->now.start;
	const uint8_t *at;
	uint8_t *code;
	size_t left = s->now.size;
	cs_insn *insn;
	int err;

	if (s->now.depth > MAX_DEPTH)
		return fail(s->out, -ENOLINK, "more than %d tail calls in a row", MAX_DEPTH);
	code = read_code(s->f, s->now.start, s->now.size, &err);
	if (!code)
		return fail(s->out, err, "its code of %llu bytes cannot be read", (unsigned long long)s->now.size);
	insn = cs_malloc(s->capstone);
	if (!insn) {
		free(code);
		return -ENOMEM;
	}
	at = code;
	while (left > 0 && !err) {
		if (cs_disasm_iter(s->capstone, &at, &left, &address, insn))
			err = on_instruction(s, insn);
		else
			err = fail(s->out, -EILSEQ, "no instruction at %#llx", (unsigned long long)address);
	}
	cs_free(insn, 1);
	free(code);
	return err;
}

int disassemble__returns(const struct elf_file *f, const struct elf_symbol *function, enum return_points points,
			 struct function_returns *out)
{
	struct sweep s = { .f = f, .points = points, .out = out };
	size_t i;
	int err;

	memset(out, 0, sizeof(*out));
	err = open_capstone(f, &s.capstone);
	if (err)
		return fail(out, err, "returns can be found in x86-64 code only");
	err = add_part(&s, function->vaddr, function->size, 0);
	for (i = 0; i < s.n_parts && !err; i++) {
		s.now = s.parts[i];
		err = sweep_part(&s);
	}
	cs_close(&s.capstone);
	if (!err && out->n == 0)
		err = fail(out, -ENODATA, "it has no return");
	return err;
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

int disassemble__getter_offset(const struct elf_file *f, const struct elf_symbol *function, uint32_t *offset)
{
	uint8_t *code;
	cs_insn *insn = NULL;
	csh capstone;
	size_t n;
	int err;

	if (function->size > 64)
		return -ENODATA;
	err = open_capstone(f, &capstone);
	if (err)
		return err;
	code = read_code(f, function->vaddr, function->size, &err);
	if (code) {
		n = cs_disasm(capstone, code, function->size, function->vaddr, 3, &insn);
		err = match_getter(insn, n, offset);
		if (insn)
			cs_free(insn, n);
		free(code);
	}
	cs_close(&capstone);
	return err;
}
