/* SPDX-License-Identifier: Apache-2.0 */
/* Truth is Python's decimal module with 200 digits of precision; what it gave stands here. */
#include "userspace/verify/decimal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NINES_36 "999999999999999999999999999999999999"

static struct decimal number(const char *text)
{
	struct decimal d;

	if (decimal__parse(&d, text, strlen(text)))
		fail_msg("'%s' should be a number", text);
	return d;
}

static void assert_is(const struct decimal *d, const char *text)
{
	char buffer[DECIMAL_TEXT];

	assert_int_equal(decimal__format(d, buffer), strlen(text));
	assert_string_equal(buffer, text);
}

static void a_number_is_printed_as_it_was_written(void **state)
{
	static const char *const texts[] = { "0",
					     "12",
					     "-0.0035",
					     "0.50",
					     "1.000",
					     NINES_36,
					     "-" NINES_36,
					     "0.000000000000000000000001",
					     "-999999999999.999999999999999999999999" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct decimal d = number(texts[i]);

		assert_is(&d, texts[i]);
	}
}

static void other_ways_to_write_a_number_mean_the_same(void **state)
{
	static const struct {
		const char *text, *same;
	} cases[] = {
		{ "1e-6", "0.000001" },
		{ "1E+2", "100" },
		{ "1.50e2", "150" },
		{ "1.50e-1", "0.150" },
		{ "2.5e-06", "0.0000025" },
		{ ".5", "0.5" },
		{ "007", "7" },
		{ "0e99", "0" },
		{ "0.5000000000000000000000000000000000000000000000", "0.500000000000000000000000" },
		{ "1" NINES_36 "e-24", NULL },
		{ "100000000000000000000000000000000000.00", "100000000000000000000000000000000000" },
		{ "3.4250000000000003e-07", "0.00000034250000000000003" },
		{ "0.0000000000000000000000001e25", "1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct decimal d;

		if (cases[i].same) {
			d = number(cases[i].text);
			assert_is(&d, cases[i].same);
		} else {
			assert_int_equal(decimal__parse(&d, cases[i].text, strlen(cases[i].text)), -ERANGE);
		}
	}
}

static void what_is_no_number_is_refused(void **state)
{
	static const char *const wrong[] = { "",      "-",   ".",     "5.",    "-.",  "+1",  "1,5",
					     "1 000", " 1",  "1 ",    "1e",    "1e+", "0x1", "NaN",
					     "inf",   "--1", "1.2.3", "1e5.5", "$1",  "1_0", "e5" };
	static const char *const too_long[] = { "1" NINES_36, "1e36",	     "0.0000000000000000000000001",
						"1e-25",      "1e999999999", "-1e-99999999999999999999" };
	struct decimal d = { 77, 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (decimal__parse(&d, wrong[i], strlen(wrong[i])) != -EINVAL)
			fail_msg("'%s' was not refused as no number", wrong[i]);
	for (size_t i = 0; i < sizeof(too_long) / sizeof(too_long[0]); i++)
		if (decimal__parse(&d, too_long[i], strlen(too_long[i])) != -ERANGE)
			fail_msg("'%s' was not refused as too long", too_long[i]);
	assert_is(&d, "7.7");
}

/* NULL: no room */
static void assert_result(int err, const struct decimal *d, const char *expected)
{
	assert_int_equal(err, expected ? 0 : -ERANGE);
	if (expected)
		assert_is(d, expected);
}

static void sums_differences_and_products_are_exact_or_refused(void **state)
{
	static const struct {
		const char *a, *b, *sum, *difference, *product;
	} cases[] = {
		{ "0.1", "0.2", "0.3", "-0.1", "0.02" },
		{ "1.005", "-0.005", "1.000", "1.010", "-0.005025" },
		{ NINES_36, "-1", "999999999999999999999999999999999998", NULL, "-" NINES_36 },
		{ "-0.0035", "12", "11.9965", "-12.0035", "-0.0420" },
		{ "123456789012.000000000000000000000001", "0.999999999999999999999999",
		  "123456789013.000000000000000000000000", "123456789011.000000000000000000000002", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct decimal a = number(cases[i].a), b = number(cases[i].b), d = { 0 };

		assert_result(decimal__add(&d, &a, &b), &d, cases[i].sum);
		assert_result(decimal__subtract(&d, &a, &b), &d, cases[i].difference);
		assert_result(decimal__multiply(&d, &a, &b), &d, cases[i].product);
		assert_result(decimal__multiply(&d, &b, &a), &d, cases[i].product);
	}
}

static void a_product_leaves_out_zeros_only_where_it_has_no_room_for_them(void **state)
{
	struct decimal half = number("0.500000000000000000000000"), two = number("2.000000000000000000000000"), d;
	struct decimal big = number("562949953421312"), small = number("0.000000000000000000000177");

	(void)state;
	assert_int_equal(decimal__multiply(&d, &half, &two), 0);
	assert_is(&d, "1.000000000000000000000000");
	assert_int_equal(decimal__multiply(&d, &big, &small), 0);
	assert_is(&d, "0.000000099642141755572224");
	big = number("0.000000001125899906842624"); /* 2^50 */
	small = number(
		"9094.947017729282379150390625"); /* 5^40: the product of the digits has 43, the result has not */
	assert_int_equal(decimal__multiply(&d, &big, &small), 0);
	assert_is(&d, "0.000010240000000000000000");
	big = number(NINES_36);
	assert_int_equal(decimal__multiply(&d, &big, &two), -ERANGE);
	assert_is(&d, "0.000010240000000000000000");
	assert_int_equal(decimal__times(&d, &half, -3), 0);
	assert_is(&d, "-1.500000000000000000000000");
	assert_int_equal(decimal__times(&d, &big, INT64_MIN), -ERANGE);
}

static void a_sum_of_many_amounts_is_the_sum(void **state)
{
	static const char *const amounts[] = {
		"-3045744.36", "-152123001", "-8.44444263", "-7978.57272", "251527726",
		"9.53574602",  "-538939162", "-815.429715", "-10198213.1", "-48318014.2"
	};
	struct decimal sum = { 0 }, cent = number("0.01"), total = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
		struct decimal d = number(amounts[i]);

		assert_int_equal(decimal__add(&sum, &sum, &d), 0);
	}
	assert_is(&sum, "-501105201.57113161");
	for (int i = 0; i < 100000; i++)
		assert_int_equal(decimal__add(&total, &total, &cent), 0);
	assert_is(&total, "1000.00");
}

static void a_ratio_is_rounded_once_by_each_of_the_rules(void **state)
{
	static const struct {
		const char *a;
		int64_t n, d;
		int scale;
		const char *by_rule[4];	/* half even, half up, down, up */
	} cases[] = {
		{ "2.5", 999999, 1000000, 2, { "2.50", "2.50", "2.49", "2.50" } },
		{ "0.5", 137, 1000000, 6, { "0.000068", "0.000069", "0.000068", "0.000069" } },
		{ "1",
		  1,
		  3,
		  24,
		  { "0.333333333333333333333333", "0.333333333333333333333333", "0.333333333333333333333333",
		    "0.333333333333333333333334" } },
		{ "-1", 2, 3, 4, { "-0.6667", "-0.6667", "-0.6666", "-0.6667" } },
		{ "1", -2, 3, 4, { "-0.6667", "-0.6667", "-0.6666", "-0.6667" } },
		{ "-1", 2, -3, 4, { "0.6667", "0.6667", "0.6666", "0.6667" } },
		{ "10", 1, 7, 0, { "1", "1", "1", "2" } },
		{ "2.675", 1, 1, 2, { "2.68", "2.68", "2.67", "2.68" } },
		{ "-2.665", 1, 1, 2, { "-2.66", "-2.67", "-2.66", "-2.67" } },
		{ "1", 1, 8, 2, { "0.12", "0.13", "0.12", "0.13" } },
		{ "1", 3, 8, 2, { "0.38", "0.38", "0.37", "0.38" } },
		{ "999999999999999999",
		  INT64_MAX,
		  INT64_MAX,
		  0,
		  { "999999999999999999", "999999999999999999", "999999999999999999", "999999999999999999" } },
		{ "123456789.123456789",
		  INT64_MAX,
		  1000000007,
		  3,
		  { "1138687888590352955.737", "1138687888590352955.737", "1138687888590352955.737",
		    "1138687888590352955.738" } },
		{ "7", 5, 2, 0, { "18", "18", "17", "18" } },
		{ "5", 5, 2, 0, { "12", "13", "12", "13" } },
		{ "1",
		  1,
		  INT64_MAX,
		  18,
		  { "0.000000000000000000", "0.000000000000000000", "0.000000000000000000", "0.000000000000000001" } },
		{ "0.25", 1, 3, 1, { "0.1", "0.1", "0.0", "0.1" } },
		{ "0.45", 1, 3, 1, { "0.2", "0.2", "0.1", "0.2" } },
		{ "0.450000000001", 1, 3, 1, { "0.2", "0.2", "0.1", "0.2" } },
		{ "1.50", 0, 5, 1, { "0.0", "0.0", "0.0", "0.0" } },
		{ NINES_36, 1, 1, 0, { NINES_36, NINES_36, NINES_36, NINES_36 } },
		{ NINES_36, 1, 1, 1, { NULL, NULL, NULL, NULL } },
		{ NINES_36, 3, 2, 0, { NULL, NULL, NULL, NULL } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int how = ROUND_HALF_EVEN; how <= ROUND_UP; how++) {
			struct decimal a = number(cases[i].a), d = { 0 };

			assert_result(decimal__ratio(&d, &a, cases[i].n, cases[i].d, cases[i].scale,
						     (enum decimal_rounding)how),
				      &d, cases[i].by_rule[how]);
		}
	}
}

static void a_division_by_nothing_and_a_scale_that_is_none_are_refused(void **state)
{
	struct decimal one = number("1"), d = { 0 };

	(void)state;
	assert_int_equal(decimal__ratio(&d, &one, 1, 0, 2, ROUND_DOWN), -EDOM);
	assert_int_equal(decimal__round(&d, &one, -1, ROUND_DOWN), -ERANGE);
	assert_int_equal(decimal__round(&d, &one, DECIMAL_MAX_SCALE + 1, ROUND_DOWN), -ERANGE);
	assert_int_equal(decimal__round(&d, &one, 2, ROUND_DOWN), 0);
	assert_is(&d, "1.00");
}

static void numbers_are_in_order_whatever_their_zeros(void **state)
{
	static const char *const ascending[] = { "-" NINES_36, "-1.5",
						 "-1.2",       "-0.3",
						 "0",	       "0.000000000000000000000001",
						 "0.29",       "0.3",
						 "1",	       "1.000000000000000000000001",
						 "2",	       NINES_36 };
	struct decimal half = number("0.5"), same = number("0.5000"), nothing = number("-0.00"), zero = number("0");
	size_t n = sizeof(ascending) / sizeof(ascending[0]);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) {
			struct decimal a = number(ascending[i]), b = number(ascending[j]);

			assert_int_equal(decimal__compare(&a, &b), (i > j) - (i < j));
		}
	}
	assert_int_equal(decimal__compare(&half, &same), 0);
	assert_int_equal(decimal__compare(&nothing, &zero), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_is_printed_as_it_was_written),
		cmocka_unit_test(other_ways_to_write_a_number_mean_the_same),
		cmocka_unit_test(what_is_no_number_is_refused),
		cmocka_unit_test(sums_differences_and_products_are_exact_or_refused),
		cmocka_unit_test(a_product_leaves_out_zeros_only_where_it_has_no_room_for_them),
		cmocka_unit_test(a_sum_of_many_amounts_is_the_sum),
		cmocka_unit_test(a_ratio_is_rounded_once_by_each_of_the_rules),
		cmocka_unit_test(a_division_by_nothing_and_a_scale_that_is_none_are_refused),
		cmocka_unit_test(numbers_are_in_order_whatever_their_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
