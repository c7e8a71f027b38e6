/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden files: what a test printed is compared with tests/golden/NAME, byte by byte. TOKPROF_BLESS=1 in the environment
 * makes what was printed the new golden file; without it a difference is left in tests/golden/NAME.new for a look.
 * Tests run in the root of the repository.
 */
#ifndef TOKPROF_TEST_GOLDEN_H
#define TOKPROF_TEST_GOLDEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *golden__read(const char *path, size_t *n)
{
	FILE *f = fopen(path, "r");
	char *text;
	long size;

	*n = 0;
	if (!f)
		return NULL;
	fseek(f, 0, SEEK_END);
	size = ftell(f);
	rewind(f);
	text = malloc((size_t)size + 1);
	assert_non_null(text);
	*n = fread(text, 1, (size_t)size, f);
	text[*n] = '\0';
	fclose(f);
	return text;
}

static void golden__write(const char *path, const char *text, size_t n)
{
	FILE *f = fopen(path, "w");

	if (!f)
		fail_msg("%s cannot be written: run the test in the root of the repository", path);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static int golden__line_of_difference(const char *a, const char *b)
{
	int line = 1;

	for (; *a && *a == *b; a++, b++)
		line += *a == '\n';
	return line;
}

static void golden__check(const char *name, const char *text, size_t n)
{
	const char *bless = getenv("TOKPROF_BLESS");
	char path[256], new_path[272];
	size_t n_expected;
	char *expected;
	bool same;

	snprintf(path, sizeof(path), "tests/golden/%s", name);
	snprintf(new_path, sizeof(new_path), "%s.new", path);
	if (bless && strcmp(bless, "1") == 0) {
		golden__write(path, text, n);
		remove(new_path);
		return;
	}
	expected = golden__read(path, &n_expected);
	same = expected && n == n_expected && memcmp(expected, text, n) == 0;
	if (same) {
		remove(new_path);
		free(expected);
		return;
	}
	golden__write(new_path, text, n);
	fail_msg("%s differs from line %d on: compare it with %s, then bless with TOKPROF_BLESS=1", path,
		 expected ? golden__line_of_difference(expected, text) : 1, new_path);
}

#endif
