/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON read in place, against an independent reader (jansson) and by example.
 */
#include <jansson.h>
#include <string.h>

#include "userspace/recording.h"
#include "userspace/wire/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct json_value parse(const char *text)
{
	return json__parse(text, strlen(text));
}

static bool jansson_accepts(const char *text, size_t n)
{
	json_t *json = json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	json_decref(json);
	return json;
}

/* Texts of up to 24 tokens, by a generator with a fixed seed; most break off near the grammar's edge. */
static void what_another_reader_takes_for_json_is_taken_for_it_and_nothing_else(void **state)
{
	static const char *const tokens[] = { "{",  "}",  "[",	"]",	  ",",	  ":",	   "\"a\"", "\"\"",
					      "1",  "-",  "0",	".5",	  "true", "false", "null",  " ",
					      "\n", "{}", "[]", "\"k\":", "nul",  "\"" };
	uint64_t seed = 88172645463325252u;
	size_t round, n_valid = 0;

	(void)state;
	for (round = 0; round < 400000; round++) {
		char text[256] = "";
		size_t n, i;
		bool valid;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		n = 1 + seed % 12;
		for (i = 0; i < n; i++)
			strcat(text, tokens[(seed >> (5 * i)) % (sizeof(tokens) / sizeof(*tokens))]);
		/* jansson wants line feeds in strings escaped; here the inside of strings is not checked */
		if (strchr(text, '\n') && strchr(text, '"'))
			continue;
		valid = jansson_accepts(text, strlen(text));
		if (valid != (parse(text).kind != JSON_NONE))
			fail_msg("readers differ on: %s", text);
		n_valid += valid;
	}
	assert_true(n_valid > 1000);
}

static void numbers_are_counts_only_where_they_are_whole_and_exact(void **state)
{
	static const struct {
		const char *text;
		int64_t count;
	} cases[] = { { "0", 0 },	 { "12", 12 },	    { "9007199254740992", 9007199254740992 },
		      { "-0", ABSENT },	 { "-1", ABSENT },  { "9007199254740993", ABSENT },
		      { "1.0", ABSENT }, { "1e2", ABSENT }, { "\"1\"", ABSENT } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct json_value v = parse(cases[i].text);

		assert_int_equal(json__count(&v), cases[i].count);
	}
}

static void milliseconds_become_whole_microseconds(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} cases[] = { { "1.0625", 1063 }, { "0", 0 },	       { "1e-05", 0 },	  { "2e3", 2000000 },
		      { "-1", ABSENT },	  { "1e300", ABSENT }, { "null", ABSENT } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct json_value v = parse(cases[i].text);

		assert_int_equal(json__us_from_ms(&v), cases[i].us);
	}
}

static void strings_are_decoded_and_cut_between_characters(void **state)
{
	struct json_value v = parse("\"a\\u00e9\\n\\\"\\/\\ud83d\\ude00\\ud800x\"");
	char text[32], cut[4];

	(void)state;
	assert_true(json__copy(&v, text, sizeof(text)));
	assert_string_equal(text, "a\u00e9\n\"/\U0001f600\ufffdx");
	v = parse("\"ab\u00e9\"");
	assert_true(json__copy(&v, cut, sizeof(cut)));
	assert_string_equal(cut, "ab");
	assert_true(json__equals(&v, "ab\u00e9"));
	assert_false(json__equals(&v, "ab"));
}

static void of_members_with_one_name_the_last_counts(void **state)
{
	struct json_value object = parse("{\"a\":1,\"b\":[{}],\"\\u0061\":2}"), v = json__member(&object, "a");

	(void)state;
	assert_int_equal(json__count(&v), 2);
	v = json__member(&object, "c");
	assert_int_equal(v.kind, JSON_NONE);
	assert_int_equal(json__member(&v, "a").kind, JSON_NONE);
}

static void a_string_of_a_million_escapes_takes_no_longer_than_its_length(void **state)
{
	enum { N = 1000000 };
	char *text = test_malloc(2 * N + 3);
	struct json_value v;
	size_t i;

	(void)state;
	text[0] = '"';
	for (i = 0; i < N; i++)
		memcpy(text + 1 + 2 * i, "\\n", 2);
	memcpy(text + 1 + 2 * N, "\"", 2);
	v = json__parse(text, 2 * N + 2);
	assert_int_equal(v.n, 2 * N);
	test_free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_another_reader_takes_for_json_is_taken_for_it_and_nothing_else),
		cmocka_unit_test(numbers_are_counts_only_where_they_are_whole_and_exact),
		cmocka_unit_test(milliseconds_become_whole_microseconds),
		cmocka_unit_test(strings_are_decoded_and_cut_between_characters),
		cmocka_unit_test(of_members_with_one_name_the_last_counts),
		cmocka_unit_test(a_string_of_a_million_escapes_takes_no_longer_than_its_length),
	};

	return cmocka_run_group_tests_name("wire_json", tests, NULL, NULL);
}
