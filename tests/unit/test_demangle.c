/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/symbols/demangle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *mangled, const char *wanted)
{
	char name[SYMBOL_NAME_SIZE];

	demangle(mangled, name);
	assert_string_equal(name, wanted);
}

static void a_cpp_name_is_what_the_programmer_wrote(void **state)
{
	(void)state;
	/* Examples of the Itanium C++ ABI, 5.1, and names of llama.cpp. */
	expect("_ZN1S1mEv", "S::m()");
	expect("_Z1fPFvvEM1SFvvE", "f(void (*)(), void (S::*)())");
	expect("_ZN13llama_context6decodeERK11llama_batch", "llama_context::decode(llama_batch const&)");
	expect("_ZNSt6vectorIiSaIiEE9push_backEOi", "std::vector<int, std::allocator<int> >::push_back(int&&)");
	expect("_ZL12ggml_time_usv.cold", "ggml_time_us() [clone .cold]");
}

static void a_rust_name_is_readable_in_both_schemes(void **state)
{
	(void)state;
	/* The second is of Rust RFC 2603; the third was made by rustc 1.95, of its own library, whose source has the name. */
	expect("_ZN4core3fmt9Formatter9write_str17h0123456789abcdefE", "core::fmt::Formatter::write_str");
	expect("_RNvCskwGfYPst2Cb_3foo16example_function", "foo::example_function");
	expect("_RINvMs9_NtNtNtCslNYArtu3iFV_5alloc11collections5btree4nodeINtB6_7NodeRefNtNtB6_"
	       "6marker5OwnedyNtNtNtCsduwmD7c"
	       "SIQq_5gimli4read6abbrev12AbbreviationNtB1a_8InternalE12new_internalNtNtBc_5alloc6GlobalEB1z_",
	       "<alloc::collections::btree::node::NodeRef<alloc::collections::btree::node::marker::Owned, u64, "
	       "gimli::read::abbrev::Abbreviation, alloc::collections::btree::node::marker::Internal>>::new_internal::"
	       "<alloc::alloc::Global>");
}

static void a_name_that_is_not_mangled_stays(void **state)
{
	(void)state;
	expect("ggml_compute_forward_mul_mat", "ggml_compute_forward_mul_mat");
	expect("_start", "_start");
	expect("_Zfoo", "_Zfoo");
	expect("_RNvnothing", "_RNvnothing");
	expect("gomp_team_end", "gomp_team_end");
}

static void control_characters_do_not_get_into_a_recording(void **state)
{
	(void)state;
	expect("a\nb\033[2Jc\177", "a?b?[2Jc?");
}

static void a_name_that_stands_for_gigabytes_is_cut(void **state)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char mangled[512] = "_Z1fP1X", name[SYMBOL_NAME_SIZE];
	int i;

	(void)state;
	/* A pointer to a function that takes the type before twice, and so on: each doubles the text. */
	for (i = 0; i < 17; i++)
		sprintf(mangled + strlen(mangled), "PFvS%c_S%c_E", digits[2 * i], digits[2 * i]);
	demangle(mangled, name);
	assert_int_equal(strlen(name), SYMBOL_NAME_SIZE - 1);
	assert_memory_equal(name, "f(X*, void (*)(X*, X*), ", 24);
	assert_string_equal(name + SYMBOL_NAME_SIZE - 4, "...");
}

static void a_long_name_is_cut_and_says_so(void **state)
{
	static char mangled[6000], name[SYMBOL_NAME_SIZE];

	(void)state;
	memset(mangled, 'x', sizeof(mangled) - 1);
	demangle(mangled, name);
	assert_int_equal(strlen(name), SYMBOL_NAME_SIZE - 1);
	assert_string_equal(name + SYMBOL_NAME_SIZE - 4, "...");
	snprintf(mangled, sizeof(mangled), "_Z3000%0*d", 3000, 0);
	memset(mangled + 6, 'y', 3000);
	mangled[3006] = 'v';
	mangled[3007] = 0;
	demangle(mangled, name);
	assert_memory_equal(name, "yyyy", 4);
	assert_string_equal(name + strlen(name) - 3, "...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cpp_name_is_what_the_programmer_wrote),
		cmocka_unit_test(a_rust_name_is_readable_in_both_schemes),
		cmocka_unit_test(a_name_that_is_not_mangled_stays),
		cmocka_unit_test(control_characters_do_not_get_into_a_recording),
		cmocka_unit_test(a_name_that_stands_for_gigabytes_is_cut),
		cmocka_unit_test(a_long_name_is_cut_and_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
