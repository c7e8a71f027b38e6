/* SPDX-License-Identifier: Apache-2.0 */
/* Unwind tables of real libraries, held against what elfutils says of the same addresses; damaged and odd ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <glob.h>
#include <link.h>
#include <unistd.h>

#include "compiled.h"
#include "userspace/unwind/unwind_table.h"

/* Memory is a function of the address, so that two ways to a value agree where they read the same words only. */
static int unwind_read(tp_u64 address, tp_u64 *word)
{
	*word = (address ^ 0x5bd1e995) * 0x9e3779b97f4a7c15ULL & ~7ULL;
	return 0;
}

static const struct unwind_table *table;
static struct unwind_row *blocks;
static size_t n_blocks;

static const struct unwind_mapping *unwind_mapping_at(tp_u32 i)
{
	(void)i;
	return NULL;
}

static const struct unwind_module *unwind_module_at(tp_u32 i)
{
	static struct unwind_module module;

	(void)i;
	module = (struct unwind_module){ table->first_address, 0, (tp_u32)table->n_rows, (tp_u32)table->n_rows,
					 (tp_u32)n_blocks };
	return &module;
}

static const struct unwind_row *unwind_row_at(tp_u32 i)
{
	if (i < table->n_rows)
		return &table->rows[i];
	return i - table->n_rows < n_blocks ? &blocks[i - table->n_rows] : NULL;
}

static const struct unwind_rule *unwind_rule_at(tp_u32 i)
{
	return i < table->n_rules ? &table->rules[i] : NULL;
}

#include "bpf/unwind.h"

#define SP 0x7ffc00001000ULL
#define FP 0x7ffc00002000ULL
#define R10 0x7ffc00003000ULL
#define LR 0x7f0000004000ULL
#define UNKNOWN 0xdeadULL	/* of a register that the kernel's side does not have */
#define MOST_PLACES 20000	/* of one library */

/* --- elfutils' word -------------------------------------------------------------------------------------------------- */

struct truth {
	bool found, end, cfa_known, ra_known, fp_known;
	uint64_t cfa, ra, fp;
};

static bool evaluate(const Dwarf_Op *ops, size_t n, uint64_t pc, uint64_t cfa, bool *is_value, uint64_t *out)
{
	uint64_t stack[16], a;
	size_t depth = 0;

	*is_value = false;
	for (size_t i = 0; i < n; i++) {
		const unsigned int op = ops[i].atom;

		if ((op >= DW_OP_breg0 && op <= DW_OP_breg31) || op == DW_OP_bregx) {
			const uint64_t r = op == DW_OP_bregx ? ops[i].number : op - DW_OP_breg0;

			if (r != 7 && r != 6 && r != 10 && r != 16)
				return false;
			stack[depth++] = (r == 7  ? SP :
					  r == 6  ? FP :
					  r == 10 ? R10 :
						    pc) +
					 (op == DW_OP_bregx ? ops[i].number2 : ops[i].number);
		} else if (op >= DW_OP_lit0 && op <= DW_OP_lit31) {
			stack[depth++] = op - DW_OP_lit0;
		} else if (op == DW_OP_call_frame_cfa) {
			stack[depth++] = cfa;
		} else if (op == DW_OP_consts || op == DW_OP_const1s || op == DW_OP_const1u) {
			stack[depth++] = ops[i].number;
		} else if (op == DW_OP_plus_uconst && depth) {
			stack[depth - 1] += ops[i].number;
		} else if (op == DW_OP_deref && depth) {
			unwind_read(stack[depth - 1], &stack[depth - 1]);
		} else if (op == DW_OP_stack_value) {
			*is_value = true;
		} else if (depth >= 2) {
			a = stack[--depth];
			if (op == DW_OP_plus)
				stack[depth - 1] += a;
			else if (op == DW_OP_and)
				stack[depth - 1] &= a;
			else if (op == DW_OP_ge)
				stack[depth - 1] = (int64_t)stack[depth - 1] >= (int64_t)a;
			else if (op == DW_OP_shl)
				stack[depth - 1] <<= a;
			else
				return false;
		} else {
			return false;
		}
		if (depth == 0 || depth == 15)
			return depth != 0;
	}
	if (!depth)
		return false;
	*out = stack[depth - 1];
	return true;
}

static bool evaluate_register(Dwarf_Frame *frame, int number, uint64_t pc, uint64_t cfa, uint64_t same, bool *undefined,
			      uint64_t *out)
{
	Dwarf_Op memory[3], *ops;
	bool is_value;
	size_t n;

	*undefined = false;
	assert_int_equal(dwarf_frame_register(frame, number, memory, &ops, &n), 0);
	if (n == 0) {
		*undefined = ops == memory;
		*out = same;
		return !*undefined && same != UNKNOWN;
	}
	if (!evaluate(ops, n, pc, cfa, &is_value, out) || is_value)
		return false;
	unwind_read(*out, out);
	return true;
}

static struct truth ask_elfutils(Dwarf_CFI *cfi, uint64_t pc)
{
	struct truth t = { 0 };
	Dwarf_Frame *frame;
	Dwarf_Op *ops;
	bool undefined, is_value;
	size_t n;

	if (dwarf_cfi_addrframe(cfi, pc, &frame))
		return t;
	t.found = true;
	assert_int_equal(dwarf_frame_cfa(frame, &ops, &n), 0);
	t.cfa_known = n && evaluate(ops, n, pc, 0, &is_value, &t.cfa);
	t.ra_known = evaluate_register(frame, 16, pc, t.cfa, UNKNOWN, &undefined, &t.ra);
	t.end = undefined;
	t.fp_known = evaluate_register(frame, 6, pc, t.cfa, FP, &undefined, &t.fp);
	free(frame);
	return t;
}

/* --- comparison ------------------------------------------------------------------------------------------------------ */

struct agreement {
	size_t places, followed, ends, not_followed;
};

static void compare_at(Dwarf_CFI *cfi, uint64_t pc, struct agreement *a)
{
	const struct truth t = ask_elfutils(cfi, pc);
	const struct unwind_rule *r = unwind__rule(1, pc);
	struct unwind_state s = { .ip = pc, .sp = SP, .fp = FP, .r10 = R10, .lr = LR };
	uint64_t cfa = 0, ra = 0, fp = 0;

	a->places++;
	if (!r || r->cfa == UNWIND_CFA_UNKNOWN) {
		/* It may know less, but never something else. */
		a->not_followed += t.found && t.cfa_known && t.ra_known;
		return;
	}
	if (!t.found)
		fail_msg("%#lx: a rule where elfutils has none", (unsigned long)pc);
	if (r->cfa == UNWIND_CFA_END) {
		assert_true(t.end);
		a->ends++;
		return;
	}
	assert_false(t.end);
	assert_true(t.cfa_known && t.ra_known);
	assert_int_equal(unwind__cfa(&s, r, &cfa), 0);
	assert_int_equal(unwind__register(&s, cfa, r->ra, r->ra_offset, LR, &ra), 0);
	assert_int_equal(unwind__register(&s, cfa, r->fp, r->fp_offset, FP, &fp), 0);
	if (cfa != t.cfa || ra != t.ra)
		fail_msg("%#lx: frame at %#lx, return address %#lx; elfutils: %#lx, %#lx", (unsigned long)pc,
			 (unsigned long)cfa, (unsigned long)ra, (unsigned long)t.cfa, (unsigned long)t.ra);
	if (t.fp_known && r->fp != UNWIND_LOST)
		assert_int_equal(fp, t.fp);
	if (r->fp == UNWIND_LOST)
		assert_false(t.fp_known);
	a->followed++;
}

static struct agreement compare(const char *path)
{
	struct agreement a = { 0 };
	struct unwind_table t;
	struct elf_file *f;
	Dwarf_CFI *cfi;
	size_t step;

	assert_int_equal(elf_file__open(&f, path), 0);
	assert_int_equal(unwind_table__build(&t, f, SIZE_MAX), 0);
	cfi = dwarf_getcfi_elf(elf_file__elf(f));
	assert_non_null(cfi);
	table = &t;
	n_blocks = unwind_table__blocks(&t, &blocks);
	assert_true(n_blocks > 0);
	step = t.n_rows / MOST_PLACES + 1;
	for (size_t i = 0; i < t.n_rows; i += step) {
		const uint64_t pc = t.first_address + t.rows[i].pc;

		if (i) {
			assert_true(t.rows[i].pc > t.rows[i - 1].pc);
			compare_at(cfi, pc - 1, &a);
		}
		compare_at(cfi, pc, &a);
	}
	print_message(
		"%s: %zu functions, %zu rows, %zu rules, %zu left out; of %zu places %zu followed, %zu ends, %zu that "
		"elfutils follows and this does not\n",
		strrchr(path, '/') + 1, t.n_functions, t.n_rows, t.n_rules, t.n_bad, a.places, a.followed, a.ends,
		a.not_followed);
	assert_int_equal(t.n_bad, 0);
	dwarf_cfi_end(cfi);
	free(blocks);
	n_blocks = 0;
	unwind_table__free(&t);
	elf_file__free(f);
	return a;
}

static const char *file_of(const void *address)
{
	static Dl_info info;

	assert_true(dladdr(address, &info));
	return info.dli_fname;
}

#if defined(__x86_64__)
static void every_rule_of_the_c_library_is_the_one_that_elfutils_finds(void **state)
{
	const struct agreement a = compare(file_of((const void *)getenv));

	(void)state;
	assert_true(a.ends > 0);		/* clone() */
	assert_true(a.followed > 10000);
	assert_true(a.not_followed * 1000 < a.places);
}

static void the_same_holds_for_libraries_of_servers(void **state)
{
	static const char *const patterns[] = { "/usr/lib/gcc/x86_64-linux-gnu/*/libgomp.so",
						"/usr/lib/x86_64-linux-gnu/libgomp.so.1",
						"/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
						"/usr/lib/x86_64-linux-gnu/libLLVM-14.so.1",
						"build/venv/*/lib/python3*/site-packages/xllamacpp/*.so" };
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		glob_t found;

		if (glob(patterns[i], 0, NULL, &found) == 0)
			for (size_t j = 0; j < found.gl_pathc; j++, n++) {
				const struct agreement a = compare(found.gl_pathv[j]);

				assert_true(a.not_followed * 1000 < a.places);
			}
		globfree(&found);
	}
	assert_true(n >= 1);
}

static void functions_that_align_their_stack_are_followed_in_all_their_instructions(void **state)
{
	static const char source[] =
		"void use(void *); int f(int n, int *sum) { _Alignas(64) int a[64]; __builtin_alloca(n); use(a);\n"
		"for (int i = 0; i < n; i++) *sum += a[i]; return a[n & 63]; }\n"
		"int g(int n) { _Alignas(32) double d[8]; use(d); return d[n & 7] > 0; }\n";
	static const char *const compilers[] = { "gcc -O2 -mavx2", "gcc -O0", "clang -O2 -mavx2", "clang -O0" };
	char path[256], name[32];

	(void)state;
	for (size_t i = 0; i < sizeof(compilers) / sizeof(compilers[0]); i++) {
		struct agreement a;

		snprintf(name, sizeof(name), "aligned%zu.so", i);
		compiled__build_by(compilers[i], name, source, "-x c -shared -fPIC -fomit-frame-pointer", path,
				   sizeof(path));
		a = compare(path);
		assert_int_equal(a.not_followed, 0);
	}
}
#endif

/* --- by hand --------------------------------------------------------------------------------------------------------- */

static void put32(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

/* One kind of functions, sp + 8 at their beginning, and one function [start, start + 0x40) with a program of its own. */
static size_t make_section(uint8_t *out, uint32_t start, const void *program, size_t n)
{
	static const uint8_t kind[] = { 1, 'z', 'R',  0, 1, 0x78, 16, 1, DW_EH_PE_udata4, DW_CFA_def_cfa,
					7, 8,	0x90, 1, 0, 0 };
	uint8_t *at = out;

	put32(at, 4 + sizeof(kind));
	put32(at + 4, 0);
	memcpy(at + 8, kind, sizeof(kind));
	at += 8 + sizeof(kind);
	put32(at, (uint32_t)(13 + n));
	put32(at + 4, (uint32_t)(at + 4 - out));
	put32(at + 8, start);
	put32(at + 12, 0x40);
	at[16] = 0;
	memcpy(at + 17, program, n);
	return (size_t)(at + 17 + n - out);
}

static int build(struct unwind_table *t, const uint8_t *data, size_t size, uint16_t machine)
{
	const struct eh_frame s = { data, size, 0x100000, machine };

	return unwind_table__build_section(t, &s, 0x1000, 0x3000, 100000);
}

static void a_function_that_pushes_has_a_row_for_each_change(void **state)
{
	static const uint8_t program[] = { 0x41, DW_CFA_def_cfa_offset, 16, 0x86, 2, 0x43, DW_CFA_def_cfa_register, 6,
					   0x7b, DW_CFA_def_cfa,	7,  8 };
	uint8_t bytes[256];
	struct unwind_table t;

	(void)state;
	assert_int_equal(build(&t, bytes, make_section(bytes, 0x1100, program, sizeof(program)), EM_X86_64), 0);
	assert_int_equal(t.n_functions, 1);
	assert_int_equal(t.n_bad, 0);
	assert_int_equal(t.n_rows, 5);
	assert_int_equal(t.rows[0].pc, 0x100);
	assert_int_equal(t.rules[t.rows[0].rule].cfa, UNWIND_CFA_SP);
	assert_int_equal(t.rules[t.rows[0].rule].cfa_offset, 8);
	assert_int_equal(t.rules[t.rows[0].rule].ra_offset, -8);
	assert_int_equal(t.rules[t.rows[0].rule].fp, UNWIND_SAME);
	assert_int_equal(t.rows[1].pc, 0x101);
	assert_int_equal(t.rules[t.rows[1].rule].fp_offset, -16);
	assert_int_equal(t.rules[t.rows[2].rule].cfa, UNWIND_CFA_FP);
	assert_int_equal(t.rules[t.rows[2].rule].cfa_offset, 16);
	assert_int_equal(t.rows[3].pc, 0x104 + 0x3b);
	assert_int_equal(t.rows[4].pc, 0x140);
	assert_int_equal(t.rules[t.rows[4].rule].cfa, UNWIND_CFA_UNKNOWN);
	unwind_table__free(&t);
}

static void a_damaged_function_has_no_rows_and_is_counted(void **state)
{
	static const struct {
		const char *what;
		uint8_t bytes[6];
		size_t n;
	} programs[] = {
		{ "an instruction that nobody knows", { 0x3f }, 1 },
		{ "a place behind its end", { DW_CFA_advance_loc1, 0xff, DW_CFA_def_cfa_offset, 16 }, 4 },
		{ "an operand that is cut off", { DW_CFA_def_cfa_offset, 0x80 }, 2 },
		{ "a block longer than the rest", { DW_CFA_def_cfa_expression, 100, 1 }, 3 },
		{ "states that were never remembered", { DW_CFA_restore_state }, 1 },
	};
	uint8_t bytes[256];
	struct unwind_table t;

	(void)state;
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		print_message("%s\n", programs[i].what);
		assert_int_equal(
			build(&t, bytes, make_section(bytes, 0x1100, programs[i].bytes, programs[i].n), EM_X86_64), 0);
		assert_int_equal(t.n_functions, 0);
		assert_int_equal(t.n_bad, 1);
		assert_int_equal(t.n_rows, 0);
		unwind_table__free(&t);
	}
}

static void of_two_functions_at_one_place_neither_is_believed(void **state)
{
	uint8_t bytes[256];
	struct unwind_table t;
	size_t n;

	(void)state;
	n = make_section(bytes, 0x1100, "\x41\x0e\x10", 3);
	n += make_section(bytes + n, 0x1120, "\x41\x0e\x18", 3);
	n += make_section(bytes + n, 0x1160, "\x41\x0e\x18", 3);
	assert_int_equal(build(&t, bytes, n, EM_X86_64), 0);
	assert_int_equal(t.n_bad, 2);
	assert_int_equal(t.n_functions, 1);
	assert_int_equal(t.rows[0].pc, 0x160);
	unwind_table__free(&t);
}

static void functions_that_the_linker_left_out_are_not_in_the_table(void **state)
{
	uint8_t bytes[256];
	struct unwind_table t;

	(void)state;
	assert_int_equal(build(&t, bytes, make_section(bytes, 0, "\x41\x0e\x10", 3), EM_X86_64), 0);
	assert_int_equal(t.n_bad, 0);
	assert_int_equal(t.n_rows, 0);
	unwind_table__free(&t);
}

static void another_machines_return_column_is_no_table(void **state)
{
	uint8_t bytes[256];
	struct unwind_table t;

	(void)state;
	assert_int_equal(build(&t, bytes, make_section(bytes, 0x1100, "\x41\x0e\x10", 3), EM_AARCH64), 0);
	assert_int_equal(t.n_bad, 1);
	unwind_table__free(&t);
}

static void a_table_larger_than_its_room_is_none(void **state)
{
	uint8_t bytes[256];
	const struct eh_frame s = { bytes, make_section(bytes, 0x1100, "\x41\x0e\x10\x41\x0e\x18", 6), 0x100000,
				    EM_X86_64 };
	struct unwind_table t;

	(void)state;
	assert_int_equal(unwind_table__build_section(&t, &s, 0x1000, 0x3000, 2), -E2BIG);
	assert_int_equal(unwind_table__build_section(&t, &s, 0x1000, 0x3000, 4), 0);
	unwind_table__free(&t);
}

/* The return address of a function without a frame is in a register there, and the register may be signed. */
static void rows_of_arm_know_the_link_register(void **state)
{
	static const char source[] =
		"	.text\n	.globl f\nf:\n	.cfi_startproc\n	.cfi_negate_ra_state\n"
		"	stp x29, x30, [sp, -32]!\n	.cfi_def_cfa_offset 32\n	.cfi_offset 29, -32\n"
		"	.cfi_offset 30, -24\n	mov x29, sp\n	.cfi_def_cfa_register 29\n"
		"	ldp x29, x30, [sp], 32\n	.cfi_restore 30\n	.cfi_restore 29\n	.cfi_def_cfa "
		"31, 0\n"
		"	ret\n	.cfi_endproc\n";
	char path[256];
	struct eh_frame s;
	struct unwind_table t;
	struct elf_file *f;

	(void)state;
	compiled__build_by("clang", "arm.o", source, "-x assembler --target=aarch64-linux-gnu -c", path, sizeof(path));
	assert_int_equal(elf_file__open(&f, path), 0);
	assert_int_equal(unwind_table__section(f, &s), 0);
	/* Not linked: the function begins at 0, counted from where its address stands. */
	s.vaddr = 0x2000 - 28;
	assert_int_equal(unwind_table__build_section(&t, &s, 0x1000, 0x3000, 100), 0);
	assert_int_equal(t.n_functions, 1);
	assert_int_equal(t.n_rows, 5);
	assert_int_equal(t.rules[t.rows[0].rule].cfa, UNWIND_CFA_SP);
	assert_int_equal(t.rules[t.rows[0].rule].cfa_offset, 0);
	assert_int_equal(t.rules[t.rows[0].rule].ra, UNWIND_SAME);
	assert_int_equal(t.rules[t.rows[1].rule].cfa_offset, 32);
	assert_int_equal(t.rules[t.rows[1].rule].ra_offset, -24);
	assert_int_equal(t.rules[t.rows[2].rule].cfa, UNWIND_CFA_FP);
	assert_int_equal(t.rules[t.rows[2].rule].fp_offset, -32);
	assert_int_equal(t.rows[3].rule, t.rows[0].rule);
	unwind_table__free(&t);
	elf_file__free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#if defined(__x86_64__)
		cmocka_unit_test(every_rule_of_the_c_library_is_the_one_that_elfutils_finds),
		cmocka_unit_test(the_same_holds_for_libraries_of_servers),
		cmocka_unit_test(functions_that_align_their_stack_are_followed_in_all_their_instructions),
#endif
		cmocka_unit_test(a_function_that_pushes_has_a_row_for_each_change),
		cmocka_unit_test(a_damaged_function_has_no_rows_and_is_counted),
		cmocka_unit_test(of_two_functions_at_one_place_neither_is_believed),
		cmocka_unit_test(functions_that_the_linker_left_out_are_not_in_the_table),
		cmocka_unit_test(another_machines_return_column_is_no_table),
		cmocka_unit_test(a_table_larger_than_its_room_is_none),
		cmocka_unit_test(rows_of_arm_know_the_link_register),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
