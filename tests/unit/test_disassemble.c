/* SPDX-License-Identifier: Apache-2.0 */
/* The returns of functions in assembly: x86-64. */
#include "userspace/disassemble.h"

#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "compiled.h"
#include "returns_example.h"

/* A listing, kept in lines. */
/* clang-format off */
static const char source[] =
	"__asm__(R\"(\n.text\n"
	FUNCTION("two_returns", "test %edi,%edi\n je 1f\n ret\n1: ret")			/* at 2 + 2 = 4, and 5 */
	FUNCTION("return_in_constant", "mov $0xc3c3c3c3,%eax\n ret")			/* at 5 */
	FUNCTION("leaf", "nop\n ret")							/* at 1 */
	FUNCTION("jumps_near", "jmp leaf_local")
	LOCAL("leaf_local", "nop\n nop\n ret")						/* at 2 */
	FUNCTION("jumps_through_plt", "test %edi,%edi\n je 1f\n jmp leaf@PLT\n1: ret")	/* its own at 2 + 2 + 5 = 9 */
	FUNCTION("jumps_out", "jmp getenv@PLT")						/* the jump at 0 */
	FUNCTION("jumps_through_got", "jmp *leaf@GOTPCREL(%rip)")
	FUNCTION("calls_pointer", "mov (%rdi),%rax\n jmp *0x38(%rax)")			/* the jump at 3 */
	FUNCTION("has_switch", "jmp *%rax\n nop\n ret")					/* at 3 */
	FUNCTION("has_cold", "test %edi,%edi\n jne has_cold.cold\n ret")		/* at 2 + 2 = 4 */
	LOCAL("has_cold.cold", "ud2")
	FUNCTION("cold_returns", "test %edi,%edi\n jne cold_returns.cold\n ret")	/* at 4 */
	LOCAL("cold_returns.cold", "nop\n ret")						/* at 1 */
	FUNCTION("never", "ud2")
	FUNCTION("no_code", ".byte 0x06\n ret")
	FUNCTION("ping", "test %edi,%edi\n je 1f\n jmp pong\n1: ret")			/* at 2 + 2 + 2 = 6 */
	LOCAL("pong", "test %edi,%edi\n je 1f\n jmp ping_local\n1: ret")		/* at 6 */
	".set ping_local,ping\n"
	FUNCTION("getter", "mov 0x118(%rdi),%rax\n ret")
	FUNCTION("getter_with_endbr", "endbr64\n mov 0x40(%rdi),%rax\n ret")
	FUNCTION("getter_of_an_int", "mov 0xc(%rdi),%eax\n ret")
	FUNCTION("no_getter", "mov 0x118(%rsi),%rax\n ret")
	FUNCTION("member", "endbr64\n lea 0x100(%rdi),%rax\n ret")
	FUNCTION("other_member", "lea 0x100(%rsi),%rax\n ret")
	FUNCTION("element", "mov %edi,%edi\n lea names(%rip),%rax\n mov (%rax,%rdi,8),%rax\n ret")
	FUNCTION("element_late", "endbr64\n lea names(%rip),%rax\n mov %edi,%edi\n mov (%rax,%rdi,8),%rax\n ret")
	FUNCTION("element_of_ints", "mov %edi,%edi\n lea names(%rip),%rax\n mov (%rax,%rdi,4),%rax\n ret")
	FUNCTION("element_and_more", "mov %edi,%edi\n lea names(%rip),%rax\n mov (%rax,%rdi,8),%rax\n inc %rax\n ret")
	LOCAL("names", "nop")
	")\");\n";
/* clang-format on */

static char library[128];

static int build(void **state)
{
	(void)state;
	compiled__build("returns.so", source, "-shared -fPIC -nostdlib -Wl,-z,lazy", library, sizeof(library));
	return elf_file__open(&file, library);
}

static void every_return_is_found(void **state)
{
	(void)state;
	check("two_returns", 2, "two_returns", 4, "two_returns", 5);
}

static void a_byte_inside_an_instruction_is_no_return(void **state)
{
	(void)state;
	check("return_in_constant", 1, "return_in_constant", 5);
}

static void a_tail_call_returns_where_the_called_function_does(void **state)
{
	(void)state;
	check("jumps_near", 1, "leaf_local", 2);
	check("jumps_through_plt", 2, "jumps_through_plt", 9, "leaf", 1);
	check("jumps_through_got", 1, "leaf", 1);
}

static void functions_that_tail_call_each_other_come_to_an_end(void **state)
{
	(void)state;
	check("ping", 2, "ping", 6, "pong", 6);
}

static void a_tail_call_out_of_the_file_is_refused_where_the_value_is_wanted(void **state)
{
	struct function_returns returns;

	(void)state;
	assert_int_equal(returns_of("jumps_out", RETURNS_WITH_VALUE, &returns), -ENOLINK);
	assert_non_null(strstr(returns.note, "getenv"));
	assert_int_equal(returns_of("calls_pointer", RETURNS_WITH_VALUE, &returns), -ENOLINK);
	assert_non_null(strstr(returns.note, "pointer"));
}

static void a_tail_call_out_of_the_file_is_a_return_where_no_value_is_wanted(void **state)
{
	struct function_returns returns;

	(void)state;
	assert_int_equal(returns_of("jumps_out", RETURNS_ANY, &returns), 0);
	assert_int_equal(returns.n, 1);
	assert_int_equal(returns.vaddr[0], symbol(file, "jumps_out").vaddr);
	assert_int_equal(returns_of("calls_pointer", RETURNS_ANY, &returns), 0);
	assert_int_equal(returns.vaddr[0], symbol(file, "calls_pointer").vaddr + 3);
}

static void the_jump_table_of_a_switch_is_no_tail_call(void **state)
{
	(void)state;
	check("has_switch", 1, "has_switch", 3);
}

static void parts_that_were_moved_away_belong_to_the_function(void **state)
{
	(void)state;
	check("has_cold", 1, "has_cold", 4);
	check("cold_returns", 2, "cold_returns", 4, "cold_returns.cold", 1);
}

static void a_function_without_a_return_is_refused(void **state)
{
	struct function_returns returns;

	(void)state;
	assert_int_equal(returns_of("never", RETURNS_WITH_VALUE, &returns), -ENODATA);
}

static void bytes_that_are_no_code_are_refused_with_their_address(void **state)
{
	struct function_returns returns;

	(void)state;
	assert_int_equal(returns_of("no_code", RETURNS_WITH_VALUE, &returns), -EILSEQ);
	assert_non_null(strstr(returns.note, "0x"));
}

static void a_function_larger_than_its_file_is_refused(void **state)
{
	struct elf_symbol s = symbol(file, "leaf");
	struct function_returns returns;

	(void)state;
	s.size = 1u << 19;
	assert_int_equal(disassemble__returns(file, &s, RETURNS_WITH_VALUE, &returns), -ENOENT);
	s.size = 0;
	assert_int_equal(disassemble__returns(file, &s, RETURNS_WITH_VALUE, &returns), -E2BIG);
}

static void another_architecture_is_refused_in_words(void **state)
{
	static const uint16_t riscv = EM_RISCV;
	struct function_returns returns;
	struct elf_symbol s;
	struct elf_file *f;
	char path[128];

	(void)state;
	compiled__copy(library, "riscv.so", -1, (long)offsetof(Elf64_Ehdr, e_machine), &riscv, sizeof(riscv), path,
		       sizeof(path));
	assert_int_equal(elf_file__open(&f, path), 0);
	s = symbol(f, "leaf");
	assert_int_equal(disassemble__returns(f, &s, RETURNS_WITH_VALUE, &returns), -ENOTSUP);
	assert_non_null(strstr(returns.note, "x86-64"));
	elf_file__free(f);
}

static void a_getter_tells_the_offset_of_its_field(void **state)
{
	(void)state;
	check_getter("getter", 8, 0x118);
	check_getter("getter_with_endbr", 8, 0x40);
	check_no_getter("getter_of_an_int", 8);
	check_getter("getter_of_an_int", 4, 0xc);
	check_no_getter("no_getter", 8);
	check_no_getter("leaf", 8);
}

static void a_member_or_a_table_is_told_by_a_function_that_only_returns_it(void **state)
{
	const struct elf_symbol no_member = symbol(file, "other_member"), no_table[] = {
		symbol(file, "element_of_ints"),
		symbol(file, "element_and_more"),
		symbol(file, "member"),
		symbol(file, "leaf"),
	};
	const struct elf_symbol member = symbol(file, "member"), early = symbol(file, "element");
	const struct elf_symbol late = symbol(file, "element_late");
	uint64_t a, b;
	uint32_t offset;

	(void)state;
	assert_int_equal(disassemble__member_offset(file, &member, &offset), 0);
	assert_int_equal(offset, 0x100);
	assert_int_equal(disassemble__member_offset(file, &no_member, &offset), -ENODATA);
	assert_int_equal(disassemble__member_offset(file, &early, &offset), -ENODATA);
	assert_int_equal(disassemble__table(file, &early, &a), 0);
	assert_int_equal(disassemble__table(file, &late, &b), 0);
	assert_int_equal(a, b);
	assert_int_equal(a, symbol(file, "names").vaddr);
	for (size_t i = 0; i < sizeof(no_table) / sizeof(no_table[0]); i++)
		assert_int_equal(disassemble__table(file, &no_table[i], &a), -ENODATA);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_return_is_found),
		cmocka_unit_test(a_byte_inside_an_instruction_is_no_return),
		cmocka_unit_test(a_tail_call_returns_where_the_called_function_does),
		cmocka_unit_test(functions_that_tail_call_each_other_come_to_an_end),
		cmocka_unit_test(a_tail_call_out_of_the_file_is_refused_where_the_value_is_wanted),
		cmocka_unit_test(a_tail_call_out_of_the_file_is_a_return_where_no_value_is_wanted),
		cmocka_unit_test(the_jump_table_of_a_switch_is_no_tail_call),
		cmocka_unit_test(parts_that_were_moved_away_belong_to_the_function),
		cmocka_unit_test(a_function_without_a_return_is_refused),
		cmocka_unit_test(bytes_that_are_no_code_are_refused_with_their_address),
		cmocka_unit_test(a_function_larger_than_its_file_is_refused),
		cmocka_unit_test(another_architecture_is_refused_in_words),
		cmocka_unit_test(a_getter_tells_the_offset_of_its_field),
		cmocka_unit_test(a_member_or_a_table_is_told_by_a_function_that_only_returns_it),
	};

	return cmocka_run_group_tests_name("disassemble", tests, build, close_file);
}
