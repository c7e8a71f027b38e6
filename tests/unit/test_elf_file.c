/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/elf_file.h"

#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "compiled.h"

static const char source[] =
	"int exported_one(int x) { return x + 1; }\n"
	"int exported_two(int x) { return exported_one(x) * 2; }\n"
	"int exported_data = 7;\n"
	"int exported_zero;\n"
	"static __attribute__((noinline)) int hidden(int x) { __asm__(\"\"); return x * 3; }\n"
	"int (*keep)(int) = hidden;\n"
	"__asm__(\".globl split.cold\\n.type split.cold,@function\\nsplit.cold: ud2\\n.size split.cold,2\\n\");\n";

#define FLAGS "-shared -fPIC -O1 -Wl,--build-id=0x00112233445566778899aabbccddeeff00112233"

static char library[128];

static int build(void **state)
{
	(void)state;
	compiled__build("library.so", source, FLAGS, library, sizeof(library));
	return 0;
}

static size_t count(const char *path, const char *pattern, struct elf_symbol *last)
{
	struct elf_match *matches;
	struct elf_file *f;
	size_t n;

	assert_int_equal(elf_file__open(&f, path), 0);
	assert_int_equal(elf_file__find(f, &pattern, 1, &matches, &n), 0);
	if (n && last)
		*last = matches[n - 1].symbol;
	free(matches);
	elf_file__free(f);
	return n;
}

static void symbols_are_found_by_name_and_by_pattern_each_once(void **state)
{
	(void)state;
	assert_int_equal(count(library, "exported_one", NULL), 1);
	assert_int_equal(count(library, "exported_*", NULL), 4);
	assert_int_equal(count(library, "*ed_t*", NULL), 1);
	assert_int_equal(count(library, "exported", NULL), 0);
	assert_int_equal(count(library, "hidden", NULL), 1);
}

static void one_pass_serves_many_patterns_and_says_which_matched(void **state)
{
	static const char *const patterns[] = { "nothing", "exported_two", "exported_*" };
	size_t n, i, by_pattern[3] = { 0 };
	struct elf_match *matches;
	struct elf_file *f;

	(void)state;
	assert_int_equal(elf_file__open(&f, library), 0);
	assert_int_equal(elf_file__find(f, patterns, 3, &matches, &n), 0);
	for (i = 0; i < n; i++)
		by_pattern[matches[i].pattern]++;
	assert_int_equal(by_pattern[0], 0);
	assert_int_equal(by_pattern[1], 1);
	assert_int_equal(by_pattern[2], 4);
	free(matches);
	elf_file__free(f);
}

static void a_pattern_never_finds_a_part_that_the_compiler_split_off(void **state)
{
	(void)state;
	assert_int_equal(count(library, "split*", NULL), 0);
	assert_int_equal(count(library, "split.*", NULL), 1);
	assert_false(elf_pattern__match("decode*", "decode.cold"));
	assert_true(elf_pattern__match("decode*", "decodeEv"));
	assert_true(elf_pattern__match("_ZN*draft*5draftE*", "_ZN30impl_draft_mtp5draftERSt6vector"));
	assert_false(elf_pattern__match("_ZN*draft*5draftE*", "_ZN30impl_draft_mtp5beginEi"));
	assert_true(elf_pattern__match("*", "anything"));
	assert_true(elf_pattern__match("", ""));
	assert_false(elf_pattern__match("a*b", "ac"));
}

static void a_file_offset_leads_to_the_functions_own_bytes(void **state)
{
	unsigned char by_offset[16], by_address[16];
	struct elf_symbol symbol;
	struct elf_file *f;
	uint64_t offset;
	FILE *raw;

	(void)state;
	assert_int_equal(count(library, "exported_two", &symbol), 1);
	assert_true(symbol.function);
	assert_int_equal(elf_file__open(&f, library), 0);
	assert_int_equal(elf_file__read(f, symbol.vaddr, by_address, sizeof(by_address)), 0);
	assert_int_equal(elf_file__offset(f, symbol.vaddr, &offset), 0);
	assert_int_equal(offset, symbol.file_offset);
	elf_file__free(f);
	raw = fopen(library, "rb");
	assert_int_equal(fseek(raw, (long)symbol.file_offset, SEEK_SET), 0);
	assert_int_equal(fread(by_offset, 1, sizeof(by_offset), raw), sizeof(by_offset));
	fclose(raw);
	assert_memory_equal(by_offset, by_address, sizeof(by_offset));
}

static void what_has_no_bytes_in_the_file_has_no_offset(void **state)
{
	struct elf_symbol symbol;
	struct elf_file *f;
	char byte;

	(void)state;
	assert_int_equal(count(library, "exported_zero", &symbol), 1);
	assert_false(symbol.function);
	assert_true(symbol.file_offset == ELF_FILE_NO_OFFSET);
	assert_int_equal(elf_file__open(&f, library), 0);
	assert_int_equal(elf_file__read(f, symbol.vaddr, &byte, 1), -ENOENT);
	assert_int_equal(elf_file__read(f, UINT64_MAX, &byte, 1), -ENOENT);
	elf_file__free(f);
}

static void the_build_id_is_read_or_missing_never_made_up(void **state)
{
	char id[ELF_FILE_BUILD_ID_SIZE], path[128];
	struct elf_file *f;

	(void)state;
	assert_int_equal(elf_file__open(&f, library), 0);
	assert_int_equal(elf_file__build_id(f, id, sizeof(id)), 0);
	assert_string_equal(id, "00112233445566778899aabbccddeeff00112233");
	elf_file__free(f);
	compiled__build("without_id.so", source, "-shared -fPIC -Wl,--build-id=none", path, sizeof(path));
	assert_int_equal(elf_file__open(&f, path), 0);
	assert_int_equal(elf_file__build_id(f, id, sizeof(id)), -ENODATA);
	assert_string_equal(id, "");
	elf_file__free(f);
}

static void a_stripped_library_keeps_what_it_exports(void **state)
{
	char path[128];

	(void)state;
	compiled__build("stripped.so", source, FLAGS " -s", path, sizeof(path));
	assert_int_equal(count(path, "exported_one", NULL), 1);
	assert_int_equal(count(path, "hidden", NULL), 0);
}

static void what_is_no_elf_file_is_refused(void **state)
{
	static const unsigned char class32 = ELFCLASS32;
	char path[128];
	struct elf_file *f;

	(void)state;
	assert_int_equal(elf_file__open(&f, "/nonexistent"), -ENOENT);
	assert_int_equal(elf_file__open(&f, "/"), -ENOEXEC);
	assert_int_equal(elf_file__open(&f, "/dev/null"), -ENOEXEC);
	compiled__copy(library, "head", 3, 0, NULL, 0, path, sizeof(path));
	assert_int_equal(elf_file__open(&f, path), -ENOEXEC);
	compiled__copy(library, "class", -1, EI_CLASS, &class32, 1, path, sizeof(path));
	assert_int_equal(elf_file__open(&f, path), -ENOEXEC);
	assert_null(f);
	snprintf(path, sizeof(path), "%s/pipe", compiled__directory());
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(elf_file__open(&f, path), -ENOEXEC);
	elf_file__free(NULL);
}

static void a_file_cut_anywhere_is_refused_or_read_in_bounds(void **state)
{
	char path[128], id[ELF_FILE_BUILD_ID_SIZE];
	struct stat st;
	long length;

	(void)state;
	assert_int_equal(stat(library, &st), 0);
	for (length = 1; length < (long)st.st_size; length += 97) {
		static const char *const pattern = "exported_*";
		struct elf_match *matches;
		struct elf_file *f;
		const char *name;
		size_t n;

		compiled__copy(library, "cut", length, 0, NULL, 0, path, sizeof(path));
		if (elf_file__open(&f, path))
			continue;
		if (elf_file__find(f, &pattern, 1, &matches, &n) == 0)
			free(matches);
		elf_file__build_id(f, id, sizeof(id));
		elf_file__slot_symbol(f, 0x3000, &name);
		elf_file__has_string(f, ".debug_str", "x");
		elf_file__free(f);
	}
}

static void strings_of_a_section_are_found_whole_only(void **state)
{
	struct elf_file *f;

	(void)state;
	assert_int_equal(elf_file__open(&f, library), 0);
	assert_true(elf_file__has_string(f, ".dynstr", "exported_one"));
	assert_false(elf_file__has_string(f, ".dynstr", "exported_on"));
	assert_false(elf_file__has_string(f, ".debug_str", "exported_one"));
	elf_file__free(f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(symbols_are_found_by_name_and_by_pattern_each_once),
		cmocka_unit_test(one_pass_serves_many_patterns_and_says_which_matched),
		cmocka_unit_test(a_pattern_never_finds_a_part_that_the_compiler_split_off),
		cmocka_unit_test(a_file_offset_leads_to_the_functions_own_bytes),
		cmocka_unit_test(what_has_no_bytes_in_the_file_has_no_offset),
		cmocka_unit_test(the_build_id_is_read_or_missing_never_made_up),
		cmocka_unit_test(a_stripped_library_keeps_what_it_exports),
		cmocka_unit_test(what_is_no_elf_file_is_refused),
		cmocka_unit_test(a_file_cut_anywhere_is_refused_or_read_in_bounds),
		cmocka_unit_test(strings_of_a_section_are_found_whole_only),
	};

	return cmocka_run_group_tests_name("elf_file", tests, build, NULL);
}
