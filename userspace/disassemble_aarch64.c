/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AArch64: every instruction is a word of four bytes, and the few that leave a function are told by fixed bits ("Branches,
 * Exception Generating and System instructions" in the Arm Architecture Reference Manual, DDI 0487). The others need not be
 * understood, so that extensions of later processors (SVE, SME) do not hinder. But words that are no instructions may stand
 * between them: a probe there would change a constant of the program.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/disassemble_isa.h"

#define WORD 4u
#define PAGE 4096u
/* How far before a jump through a register what is in it is looked for. */
#define MAX_BACK 16

#define BTI_C 0xd503245fu
#define RET 0xd65f03c0u

static uint32_t word_at(const uint8_t *bytes, size_t i)
{
	const uint8_t *b = bytes + WORD * i;

	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static bool has_bits(uint32_t word, uint32_t mask, uint32_t bits)
{
	return (word & mask) == bits;
}

/* The `n` bits from bit `at` on as a signed number. */
static int64_t signed_bits(uint32_t word, unsigned at, unsigned n)
{
	const uint64_t sign = UINT64_C(1) << (n - 1), bits = word >> at & (2 * sign - 1);

	return (int64_t)(bits ^ sign) - (int64_t)sign;
}

static uint32_t register_at(uint32_t word, unsigned at)
{
	return word >> at & 31;
}

/* --- data among the code ------------------------------------------------------------------------------------------- */

/* Bytes that an LDR or LDRSW (literal) loads; 0: another instruction */
static unsigned literal_bytes(uint32_t word)
{
	static const unsigned general[] = { 4, 8, 4, 0 /* PRFM */ }, vector[] = { 4, 8, 16, 0 };

	if (!has_bits(word, 0x3b000000, 0x18000000))
		return 0;
	return word & 1u << 26 ? vector[word >> 30] : general[word >> 30];
}

static void mark(bool *is_data, size_t n_words, uint64_t from, uint64_t to)
{
	uint64_t i;

	for (i = from / WORD; i < n_words && WORD * i < to; i++)
		is_data[i] = true;
}

/*
 * By the file's mapping symbols, and by what the instructions themselves load: in a stripped file that is all there is.
 * @return one per word, to be freed; NULL out of memory
 */
static bool *find_data(const struct code *code)
{
	const size_t n_words = code->size / WORD;
	bool *is_data = calloc(n_words + 1, sizeof(*is_data));
	struct elf_range *ranges = NULL;
	size_t n_ranges = 0, i;

	if (!is_data || elf_file__data_ranges(code->file, code->address, code->size, &ranges, &n_ranges)) {
		free(is_data);
		return NULL;
	}
	for (i = 0; i < n_ranges; i++)
		mark(is_data, n_words, ranges[i].start - code->address, ranges[i].end - code->address);
	free(ranges);
	for (i = 0; i < n_words; i++) {
		const uint32_t word = word_at(code->bytes, i);
		const int64_t from = (int64_t)(WORD * i) + WORD * signed_bits(word, 5, 19);

		if (!is_data[i] && literal_bytes(word) && from >= 0)
			mark(is_data, n_words, (uint64_t)from, (uint64_t)from + literal_bytes(word));
	}
	return is_data;
}

/* --- jumps through a register -------------------------------------------------------------------------------------- */

/* ADRP: the page of an address goes to a register. */
static bool is_adrp(uint32_t word, uint32_t to)
{
	return has_bits(word, 0x9f000000, 0x90000000) && register_at(word, 0) == to;
}

static uint64_t adrp_page(uint32_t word, uint64_t address)
{
	const int64_t pages = signed_bits(word, 5, 19) * 4 + (int64_t)(word >> 29 & 3);

	return (address & ~(uint64_t)(PAGE - 1)) + (uint64_t)pages * PAGE;
}

/* LDR Xt, [Xn, #offset], the offset unsigned */
static bool is_load(uint32_t word, uint32_t to)
{
	return has_bits(word, 0xffc00000, 0xf9400000) && register_at(word, 0) == to;
}

static uint64_t load_offset(uint32_t word)
{
	return (uint64_t)(word >> 10 & 0xfff) * 8;
}

/* The entry of a jump table: added to the table's address, or loaded by its index. */
static bool is_table_entry(uint32_t word, uint32_t to)
{
	return register_at(word, 0) == to && (has_bits(word, 0xffe00000, 0x8b200000) /* ADD (extended register) */ ||
					      has_bits(word, 0xff200000, 0x8b000000) /* ADD (shifted register) */ ||
					      has_bits(word, 0xffe00c00, 0xf8600800) /* LDR (register) */);
}

/* Any other that puts a pointer into the register: MOV, LDUR and the loads that move their base, LDP. */
static bool is_pointer(uint32_t word, uint32_t to)
{
	if (has_bits(word, 0xffe0ffe0, 0xaa0003e0) || has_bits(word, 0xffe00000, 0xf8400000))
		return register_at(word, 0) == to;
	return has_bits(word, 0xfe400000, 0xa8400000) && (register_at(word, 0) == to || register_at(word, 10) == to);
}

/* BR, or one that authenticates its pointer. @return whether it can leave the function */
static bool decode_indirect(const struct code *code, size_t at, struct leaving *out)
{
	const uint32_t to = register_at(word_at(code->bytes, at), 5);
	const size_t first = at > MAX_BACK ? at - MAX_BACK : 0;
	uint32_t word, base;
	size_t i, k;

	out->flow = FLOW_JUMP_POINTER;
	for (i = at; i-- > first;) {
		word = word_at(code->bytes, i);
		if (is_table_entry(word, to))
			return false;
		if (is_pointer(word, to))
			return true;
		if (!is_load(word, to))
			continue;
		/* adrp base, page; ldr to, [base, #offset]: a slot of the global offset table, without a stub */
		base = register_at(word, 5);
		for (k = i; k-- > first && !is_load(word_at(code->bytes, k), base);) {
			const uint32_t before = word_at(code->bytes, k);

			if (!is_adrp(before, base))
				continue;
			out->flow = FLOW_JUMP_SLOT;
			out->target = adrp_page(before, code->address + WORD * k) + load_offset(word);
			break;
		}
		return true;
	}
	return true;
}

/* --- the interface ------------------------------------------------------------------------------------------------- */

/* @return whether the word can leave the function */
static bool decode(const struct code *code, size_t at, struct leaving *out)
{
	const uint32_t word = word_at(code->bytes, at);
	int64_t words;

	if (has_bits(word, 0xfffffc1f, 0xd65f0000) || has_bits(word, 0xfffffbff, 0xd65f0bff)) { /* RET; RETAA, RETAB */
		out->flow = FLOW_RETURN;
		return true;
	}
	if (has_bits(word, 0xfffffc1f, 0xd61f0000) || has_bits(word, 0xfefff800, 0xd61f0800)) /* BR; BRAA, ... */
		return decode_indirect(code, at, out);
	out->conditional = true;
	if (has_bits(word, 0xfc000000, 0x14000000)) { /* B */
		out->conditional = false;
		words = signed_bits(word, 0, 26);
	} else if (has_bits(word, 0xff000000, 0x54000000) || has_bits(word, 0x7e000000, 0x34000000)) { /* B.cond; CBZ */
		words = signed_bits(word, 5, 19);
	} else if (has_bits(word, 0x7e000000, 0x36000000)) { /* TBZ */
		words = signed_bits(word, 5, 14);
	} else {
		return false;
	}
	out->flow = FLOW_JUMP;
	out->target = out->address + (uint64_t)(words * (int64_t)WORD);
	return true;
}

static int walk(const struct code *code, int (*each)(void *ctx, const struct leaving *at), void *ctx, uint64_t *bad)
{
	bool *is_data;
	size_t i;
	int err = 0;

	if (code->address % WORD) {
		*bad = code->address;
		return -EILSEQ;
	}
	is_data = find_data(code);
	if (!is_data)
		return -ENOMEM;
	for (i = 0; i < code->size / WORD && !err; i++) {
		struct leaving out = { .address = code->address + WORD * i };

		if (!is_data[i] && decode(code, i, &out))
			err = each(ctx, &out);
	}
	free(is_data);
	return err;
}

/* [bti c]; adrp x16, page; ldr x17, [x16, #offset]; the rest does not matter */
static int plt_slot(const struct elf_file *f, uint64_t stub, uint64_t *slot)
{
	uint8_t code[3 * WORD];
	size_t n = sizeof(code) / WORD, at;

	if (elf_file__read(f, stub, code, sizeof(code)) && elf_file__read(f, stub, code, --n * WORD))
		return -ENOENT;
	at = word_at(code, 0) == BTI_C;
	if (at + 2 > n || !is_adrp(word_at(code, at), 16) || !is_load(word_at(code, at + 1), 17) ||
	    register_at(word_at(code, at + 1), 5) != 16)
		return -ENOENT;
	*slot = adrp_page(word_at(code, at), stub + WORD * at) + load_offset(word_at(code, at + 1));
	return 0;
}

/* [bti c]; ldr x0 (or w0), [x0, #offset]; ret */
static int getter(const struct code *code, int bytes, uint32_t *offset)
{
	const size_t n = code->size / WORD, at = n > 0 && word_at(code->bytes, 0) == BTI_C;
	const uint32_t load = bytes == 8 ? 0xf9400000 : 0xb9400000;

	if (at + 2 > n || !has_bits(word_at(code->bytes, at), 0xffc00000, load) ||
	    register_at(word_at(code->bytes, at), 0) != 0 || register_at(word_at(code->bytes, at), 5) != 0 ||
	    word_at(code->bytes, at + 1) != RET)
		return -ENODATA;
	*offset = (word_at(code->bytes, at) >> 10 & 0xfff) * (uint32_t)bytes;
	return 0;
}

/* struct user_pt_regs in arch/arm64/include/uapi/asm/ptrace.h: the value is in x0, and word 31 is the stack pointer. */
static const uint8_t saved_words[16] = { [4] = 31 };

const struct isa isa_aarch64 = {
	.machine = EM_AARCH64,
	.saved_words = saved_words,
	.emulates_return = true, /* simulate_br_blr_ret() in arch/arm64/kernel/probes/simulate-insn.c */
	.walk = walk,
	.plt_slot = plt_slot,
	.getter = getter,
};
