/* SPDX-License-Identifier: Apache-2.0 */
/* The same as test_disassemble.c for AArch64: assembled by clang, linked by lld, never run. */
#include "userspace/disassemble.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "compiled.h"
#include "returns_example.h"

#define CLANG "clang --target=aarch64-linux-gnu -x "
#define LINK "-shared -nostdlib -fuse-ld=lld "

/* A listing, kept in lines. Every instruction is four bytes. */
/* clang-format off */
#define RET_AS_DATA ".word 0xd65f03c0\n"

static const char source[] =
	".arch armv8.3-a+pauth\n.text\n"
	FUNCTION("two_returns", "cbz w0,1f\n ret\n1: ret")				/* at 4 and 8 */
	FUNCTION("authenticated", "paciasp\n cbz w0,1f\n retaa\n1: retab")		/* at 8 and 12 */
	FUNCTION("by_another_register", "ret x3")					/* at 0 */
	FUNCTION("leaf", "nop\n ret")							/* at 4 */
	FUNCTION("literal", "ldr w0,1f\n ret\n1: " RET_AS_DATA)			/* at 4 */
	FUNCTION("wide_literal", "ldr q0,1f\n ret\n1: " RET_AS_DATA RET_AS_DATA RET_AS_DATA RET_AS_DATA)
	FUNCTION("data_between", "adr x1,1f\n b 2f\n1: " RET_AS_DATA ".word 0x14004000\n2: ret")	/* at 16 */
	FUNCTION("loop", "1: nop\n tbnz w0,#3,1b\n b.ne 1b\n ret")			/* at 12 */
	FUNCTION("jumps_near", "b leaf_local")
	LOCAL("leaf_local", "nop\n nop\n ret")						/* at 8 */
	FUNCTION("jumps_on_a_bit", "tbz w0,#31,leaf_local\n ret")			/* its own at 4 */
	FUNCTION("jumps_through_plt", "cbz w0,1f\n b leaf\n1: ret")			/* its own at 8 */
	FUNCTION("jumps_out", "b getenv")						/* the jump at 0 */
	FUNCTION("jumps_through_got", "adrp x16,:got:leaf\n ldr x16,[x16,:got_lo12:leaf]\n br x16")
	FUNCTION("jumps_to_stub", "b stub")
	"stub: bti c\n adrp x16,:got:leaf\n ldr x17,[x16,:got_lo12:leaf]\n nop\n br x17\n"
	FUNCTION("calls_pointer", "ldr x8,[x0]\n ldr x1,[x8,#56]\n br x1")		/* the jump at 8 */
	FUNCTION("calls_argument", "br x1")						/* the jump at 0 */
	FUNCTION("calls_authenticated", "ldp x1,x2,[x0]\n braa x1,x2")			/* the jump at 4 */
	FUNCTION("gcc_switch", "ldrb w0,[x1,w0,uxtw]\n adr x2,1f\n add x0,x2,w0,sxtb #2\n br x0\n1: nop\n ret")	/* at 20 */
	FUNCTION("clang_switch", "ldrb w11,[x9,x8]\n add x10,x10,x11,lsl #2\n br x10\n ret")	/* at 12 */
	FUNCTION("has_cold", "cbnz w0,has_cold.cold\n ret")				/* at 4 */
	LOCAL("has_cold.cold", "brk #1")
	FUNCTION("cold_returns", "cbnz w0,cold_returns.cold\n ret")			/* at 4 */
	LOCAL("cold_returns.cold", "nop\n ret")						/* at 4 */
	FUNCTION("never", "udf #0")
	FUNCTION("of_a_later_processor", ".inst 0xffffffff\n .inst 0x04e03c00\n ret")	/* at 8 */
	FUNCTION("ping", "cbz w0,1f\n b pong\n1: ret")					/* at 8 */
	LOCAL("pong", "cbz w0,1f\n b ping_local\n1: ret")				/* at 8 */
	".set ping_local,ping\n"
	FUNCTION("getter", "ldr x0,[x0,#0x118]\n ret")
	FUNCTION("getter_with_bti", "bti c\n ldr x0,[x0,#0x40]\n ret")
	FUNCTION("no_getter", "ldr x0,[x1,#0x118]\n ret");
/* clang-format on */

static int build(void **state)
{
	char library[128];

	(void)state;
	compiled__build_by(CLANG "assembler", "returns.so", source, LINK "-Wl,-z,lazy", library, sizeof(library));
	return elf_file__open(&file, library);
}

static void check_stripped(const struct elf_file *f, const char *name, size_t n, ...)
{
	va_list args;

	va_start(args, n);
	check_in(f, name, n, args);
	va_end(args);
}

static void every_kind_of_return_is_found(void **state)
{
	(void)state;
	check("two_returns", 2, "two_returns", 4, "two_returns", 8);
	check("authenticated", 2, "authenticated", 8, "authenticated", 12);
	check("by_another_register", 1, "by_another_register", 0);
	check("loop", 1, "loop", 12);
}

static void data_among_the_code_is_no_return(void **state)
{
	(void)state;
	check("literal", 1, "literal", 4);
	check("wide_literal", 1, "wide_literal", 4);
	check("data_between", 1, "data_between", 16);
}

static void constants_are_told_by_their_loads_where_the_file_is_stripped(void **state)
{
	struct elf_file *f;
	char path[128];

	(void)state;
	compiled__build_by(CLANG "assembler", "stripped.so", source, LINK "-Wl,--strip-all", path, sizeof(path));
	assert_int_equal(elf_file__open(&f, path), 0);
	check_stripped(f, "literal", 1, "literal", 4);
	check_stripped(f, "wide_literal", 1, "wide_literal", 4);
	check_stripped(f, "two_returns", 2, "two_returns", 4, "two_returns", 8);
	elf_file__free(f);
}

static void a_tail_call_returns_where_the_called_function_does(void **state)
{
	(void)state;
	check("jumps_near", 1, "leaf_local", 8);
	check("jumps_on_a_bit", 2, "jumps_on_a_bit", 4, "leaf_local", 8);
	check("jumps_through_plt", 2, "jumps_through_plt", 8, "leaf", 4);
	check("jumps_through_got", 1, "leaf", 4);
	check("jumps_to_stub", 1, "leaf", 4);
}

static void functions_that_tail_call_each_other_come_to_an_end(void **state)
{
	(void)state;
	check("ping", 2, "ping", 8, "pong", 8);
}

static void a_tail_call_out_of_the_file_is_refused_where_the_value_is_wanted(void **state)
{
	static const char *const pointers[] = { "calls_pointer", "calls_argument", "calls_authenticated" };
	struct function_returns returns;
	size_t i;

	(void)state;
	assert_int_equal(returns_of("jumps_out", RETURNS_WITH_VALUE, &returns), -ENOLINK);
	assert_non_null(strstr(returns.note, "getenv"));
	for (i = 0; i < 3; i++) {
		assert_int_equal(returns_of(pointers[i], RETURNS_WITH_VALUE, &returns), -ENOLINK);
		assert_non_null(strstr(returns.note, "pointer"));
	}
}

static void a_tail_call_out_of_the_file_is_a_return_where_no_value_is_wanted(void **state)
{
	static const struct {
		const char *name;
		uint64_t at;
	} jumps[] = { { "jumps_out", 0 },
		      { "jumps_through_got", 8 },
		      { "calls_pointer", 8 },
		      { "calls_argument", 0 },
		      { "calls_authenticated", 4 } };
	struct function_returns returns;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		assert_int_equal(returns_of(jumps[i].name, RETURNS_ANY, &returns), 0);
		assert_int_equal(returns.n, 1);
		assert_int_equal(returns.vaddr[0], symbol(file, jumps[i].name).vaddr + jumps[i].at);
	}
}

static void the_jump_table_of_a_switch_is_no_tail_call(void **state)
{
	(void)state;
	check("gcc_switch", 1, "gcc_switch", 20);
	check("clang_switch", 1, "clang_switch", 12);
}

static void parts_that_were_moved_away_belong_to_the_function(void **state)
{
	(void)state;
	check("has_cold", 1, "has_cold", 4);
	check("cold_returns", 2, "cold_returns", 4, "cold_returns.cold", 4);
}

static void instructions_of_a_later_processor_do_not_hinder(void **state)
{
	struct function_returns returns;

	(void)state;
	check("of_a_later_processor", 1, "of_a_later_processor", 8);
	assert_int_equal(returns_of("never", RETURNS_WITH_VALUE, &returns), -ENODATA);
}

static void a_function_at_an_odd_address_is_refused(void **state)
{
	struct elf_symbol s = symbol(file, "leaf");
	struct function_returns returns;

	(void)state;
	s.vaddr += 2;
	assert_int_equal(disassemble__returns(file, &s, RETURNS_WITH_VALUE, &returns), -EILSEQ);
	assert_non_null(strstr(returns.note, "0x"));
}

static void a_getter_tells_the_offset_of_its_field(void **state)
{
	(void)state;
	check_getter("getter", 8, 0x118);
	check_getter("getter_with_bti", 8, 0x40);
	check_no_getter("no_getter", 8);
	check_no_getter("leaf", 8);
}

/* Switches, early returns, a tail call, and constants that stand in the text section with -mcmodel=tiny or none. */
static const char compiled[] =
	"int other(int); extern void out(int); double work(int n, double x, const int *p);\n"
	"__attribute__((noinline)) int other(int n) { if (n > 5) return n * 3; out(n); return 7; }\n"
	"double work(int n, double x, const int *p) {\n"
	"	for (int i = 0; i < n; i++) { if (p[i] < 0) return x * 1.2345; out(p[i]); }\n"
	"	switch (n) { case 0: out(1); return 2.5; case 1: out(2); return x / 3.3; case 2: out(9); return 1e-9;\n"
	"	case 3: out(4); return x; case 4: out(8); return 5; case 5: return -x; case 6: out(6); break;\n"
	"	case 7: return x + 1; } return other(n); }\n";

/* LLVM's disassembler is the truth. */
static size_t listed_returns(const char *path, const char *function)
{
	char command[512];
	unsigned n = 0;
	FILE *listing;

	snprintf(command, sizeof(command),
		 "llvm-objdump -d --mattr=+v8.3a,+pauth --disassemble-symbols=%s '%s' | grep -cE "
		 "'[[:space:]](ret|retaa)([[:space:]]|$)'",
		 function, path);
	listing = popen(command, "r");
	assert_non_null(listing);
	assert_int_equal(fscanf(listing, "%u", &n), 1);
	pclose(listing);
	return n;
}

static void returns_of_compiled_code_are_those_that_a_disassembler_lists(void **state)
{
	static const char *const flags[] = { "-O0 ", "-O2 ", "-Os ", "-O2 -mbranch-protection=standard ",
					     "-O2 -march=armv8.3-a -mbranch-protection=standard " };
	struct function_returns returns;
	char path[128], options[160];
	struct elf_symbol s;
	struct elf_file *f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		snprintf(options, sizeof(options), LINK "-fPIC -fno-optimize-sibling-calls %s", flags[i]);
		compiled__build_by(CLANG "c", "compiled.so", compiled, options, path, sizeof(path));
		assert_int_equal(elf_file__open(&f, path), 0);
		s = symbol(f, "work");
		assert_int_equal(disassemble__returns(f, &s, RETURNS_WITH_VALUE, &returns), 0);
		assert_true(returns.n > 0);
		assert_int_equal(returns.n, listed_returns(path, "work"));
		elf_file__free(f);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_return_is_found),
		cmocka_unit_test(data_among_the_code_is_no_return),
		cmocka_unit_test(constants_are_told_by_their_loads_where_the_file_is_stripped),
		cmocka_unit_test(a_tail_call_returns_where_the_called_function_does),
		cmocka_unit_test(functions_that_tail_call_each_other_come_to_an_end),
		cmocka_unit_test(a_tail_call_out_of_the_file_is_refused_where_the_value_is_wanted),
		cmocka_unit_test(a_tail_call_out_of_the_file_is_a_return_where_no_value_is_wanted),
		cmocka_unit_test(the_jump_table_of_a_switch_is_no_tail_call),
		cmocka_unit_test(parts_that_were_moved_away_belong_to_the_function),
		cmocka_unit_test(instructions_of_a_later_processor_do_not_hinder),
		cmocka_unit_test(a_function_at_an_odd_address_is_refused),
		cmocka_unit_test(a_getter_tells_the_offset_of_its_field),
		cmocka_unit_test(returns_of_compiled_code_are_those_that_a_disassembler_lists),
	};

	return cmocka_run_group_tests_name("disassemble AArch64", tests, build, close_file);
}
