/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "output/figure.h"
#include "output/table.h"
#include "output/utf8.h"
#include "userspace/recording.h"

static const struct table_column three[] = {
	{ "n", COLUMN_NUMBER, 0 },
	{ "name", COLUMN_SHRINK_MIDDLE, 5 },
	{ "why", COLUMN_WRAP, 10 },
};

/* Rows of (number, name, why); the list ends with a NULL name. */
struct line {
	int n;
	const char *name, *why;
};

static char *print(const struct line *lines, int width, bool color)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	struct table *table = table__new(f, three, 3, width, 0, color);

	assert_non_null(table);
	for (; lines->name; lines++) {
		table__cell(table, "%d", lines->n);
		table__styled(table, STYLE_BAD, "%s", lines->name);
		table__cell(table, "%s", lines->why);
		table__end_row(table);
	}
	assert_int_equal(table__finish(table), 0);
	fclose(f);
	return text;
}

static void numbers_stand_to_the_right_and_words_to_the_left(void **state)
{
	static const struct line lines[] = { { 7, "seven", "x" }, { 1234, "many", "yy" }, { 0, NULL, NULL } };
	char *text = print(lines, 80, false);

	(void)state;
	assert_string_equal(text, "   n  name   why\n"
				  "   7  seven  x\n"
				  "1234  many   yy\n");
	free(text);
}

static void columns_stay_aligned_beside_wide_and_combining_characters(void **state)
{
	static const struct line lines[] = {
		{ 1, "\xe6\x97\xa5\xe6\x9c\xac", "two of two columns" },
		{ 2, "cafe\xcc\x81", "a mark of none" },
		{ 3, "caf\xc3\xa9", "one byte more than columns" },
		{ 0, NULL, NULL },
	};
	char *text = print(lines, 80, false);

	(void)state;
	assert_string_equal(text, "n  name  why\n"
				  "1  \xe6\x97\xa5\xe6\x9c\xac  two of two columns\n"
				  "2  cafe\xcc\x81  a mark of none\n"
				  "3  caf\xc3\xa9  one byte more than columns\n");
	free(text);
}

static void a_long_id_keeps_both_its_ends(void **state)
{
	static const struct line lines[] = { { 1, "chatcmpl-0123456789abcdef", "because it is so" },
					     { 0, NULL, NULL } };
	char *text = print(lines, 24, false);

	(void)state;
	assert_string_equal(text, "n name        why\n"
				  "1 chatc\xe2\x80\xa6"
				  "bcdef because it\n"
				  "              is so\n");
	free(text);
}

static void columns_move_together_before_a_name_is_cut(void **state)
{
	static const struct line lines[] = { { 1, "a-name", "because" }, { 0, NULL, NULL } };
	char *wide = print(lines, 18, false), *narrow = print(lines, 17, false);

	(void)state;
	assert_string_equal(wide, "n  name    why\n1  a-name  because\n");
	assert_string_equal(narrow, "n name   why\n1 a-name because\n");
	free(wide);
	free(narrow);
}

static void a_row_is_never_wider_than_the_terminal_where_a_column_may_shrink(void **state)
{
	static const struct line lines[] = {
		{ 1, "a-name-that-is-much-longer-than-any-terminal-of-forty-columns",
		  "and a reason made of short words too" },
		{ 0, NULL, NULL },
	};

	(void)state;
	for (int width = 24; width < 120; width++) {
		char *text = print(lines, width, false);

		for (const char *line = text; *line;) {
			size_t n = strcspn(line, "\n");

			if (utf8__width(line, n) > width)
				fail_msg("wider than %d: %.*s", width, (int)n, line);
			line += n + (line[n] == '\n');
		}
		free(text);
	}
}

static void color_changes_no_alignment(void **state)
{
	static const struct line lines[] = { { 1, "red", "x" }, { 0, NULL, NULL } };
	char *text = print(lines, 80, true);

	(void)state;
	assert_non_null(strstr(text, "1  \033[31mred\033[0m   x\n"));
	free(text);
}

static void control_characters_are_shown_and_not_obeyed(void **state)
{
	static const struct line lines[] = {
		{ 1, "\033[2J\r\n\xc2\x9b", "rtl \xe2\x80\xae mark" },
		{ 0, NULL, NULL },
	};
	char *text = print(lines, 80, false);

	(void)state;
	assert_non_null(strstr(text, "?[2J???"));
	assert_non_null(strstr(text, "rtl ? mark"));
	free(text);
}

static void rows_after_the_first_thousand_are_printed_as_they_come(void **state)
{
	static const struct table_column columns[] = { { "a", COLUMN_NUMBER, 0 }, { "b", COLUMN_TEXT, 0 } };
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	struct table *table = table__new(f, columns, 2, 80, 0, false);

	(void)state;
	for (int i = 0; i < 3 * TABLE_BUFFERED; i++) {
		table__cell(table, "%d", i % 10);
		table__cell(table, "word");
		table__end_row(table);
		fflush(f);
		assert_int_equal(n,
				 i + 1 < TABLE_BUFFERED ? 0 : strlen("a  b\n") + (size_t)(i + 1) * strlen("7  word\n"));
	}
	assert_int_equal(table__finish(table), 0);
	fclose(f);
	free(text);
}

static void a_row_without_its_last_cells_has_no_blanks_at_its_end(void **state)
{
	static const struct line lines[] = { { 1, "x", "" }, { 0, NULL, NULL } };
	char *text = print(lines, 80, false);

	(void)state;
	assert_string_equal(text, "n  name  why\n1  x\n");
	free(text);
}

static void figures_have_three_significant_digits_and_a_unit(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ 1, "1ns" },
		{ 999, "999ns" },
		{ 1000, "1.00us" },
		{ 9994, "9.99us" },
		{ 9996, "10.0us" },
		{ 99960, "100us" },
		{ 999499, "999us" },
		{ 999500, "1.00ms" },
		{ 12345678, "12.3ms" },
		{ 1234567890, "1.23s" },
		{ 999400000000, "999s" },
		{ 1000000000000, "16.7min" },
		{ 7200000000000, "120min" },
		{ 72000000000000, "20.0h" },
		{ -1234567, "-1.23ms" },
		{ ABSENT, "-" },
		{ INT64_MAX, "2562048h" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(figure__time(cases[i].ns).s, cases[i].text);
	assert_string_equal(figure__bytes(62400000).s, "62.4MB");
	assert_string_equal(figure__energy(1500000).s, "1.50J");
	assert_string_equal(figure__count(9999999).s, "9999999");
	assert_string_equal(figure__count(10000000).s, "10.0M");
	assert_string_equal(figure__in_unit(1500, "ns").s, "1.50us");
	assert_string_equal(figure__in_unit(1500, "count").s, "1500");
}

static void a_share_says_when_it_is_small_and_not_0(void **state)
{
	(void)state;
	assert_string_equal(figure__percent(0, 10).s, "0%");
	assert_string_equal(figure__percent(1, 1000000).s, "<0.01%");
	assert_string_equal(figure__percent(-1, 1000000).s, ">-0.01%");
	assert_string_equal(figure__percent(1, 8).s, "12.5%");
	assert_string_equal(figure__percent(10, 10).s, "100%");
	assert_string_equal(figure__percent(1, 0).s, "-");
	assert_string_equal(figure__percent(ABSENT, 10).s, "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_stand_to_the_right_and_words_to_the_left),
		cmocka_unit_test(columns_stay_aligned_beside_wide_and_combining_characters),
		cmocka_unit_test(a_long_id_keeps_both_its_ends),
		cmocka_unit_test(columns_move_together_before_a_name_is_cut),
		cmocka_unit_test(a_row_is_never_wider_than_the_terminal_where_a_column_may_shrink),
		cmocka_unit_test(color_changes_no_alignment),
		cmocka_unit_test(control_characters_are_shown_and_not_obeyed),
		cmocka_unit_test(rows_after_the_first_thousand_are_printed_as_they_come),
		cmocka_unit_test(a_row_without_its_last_cells_has_no_blanks_at_its_end),
		cmocka_unit_test(figures_have_three_significant_digits_and_a_unit),
		cmocka_unit_test(a_share_says_when_it_is_small_and_not_0),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
