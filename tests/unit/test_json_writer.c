/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "output/json_writer.h"
#include "userspace/recording.h"

struct sink {
	char *text;
	size_t n;
	FILE *f;
	struct json_writer w;
};

static void sink__open(struct sink *s, int break_depth)
{
	memset(s, 0, sizeof(*s));
	s->f = open_memstream(&s->text, &s->n);
	assert_non_null(s->f);
	json_writer__init(&s->w, s->f, break_depth);
}

static int sink__close(struct sink *s)
{
	int rc = json_writer__finish(&s->w);

	fclose(s->f);
	return rc;
}

static json_t *parse(const struct sink *s)
{
	json_error_t error;
	json_t *value = json_loadb(s->text, s->n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);

	if (!value)
		fail_msg("%s at byte %d of: %s", error.text, error.position, s->text);
	return value;
}

static void integers_of_64_bits_come_back_exactly(void **state)
{
	static const int64_t values[] = { 0, -1, 9007199254740993, INT64_MAX, INT64_MIN + 1 };
	struct sink s;
	json_t *array;

	(void)state;
	sink__open(&s, 0);
	json_writer__begin_array(&s.w);
	for (size_t i = 0; i < 5; i++)
		json_writer__integer(&s.w, values[i]);
	json_writer__end_array(&s.w);
	assert_int_equal(sink__close(&s), 0);
	array = parse(&s);
	for (size_t i = 0; i < 5; i++)
		assert_true(json_integer_value(json_array_get(array, i)) == values[i]);
	json_decref(array);
	free(s.text);
}

static void an_absent_figure_is_null_and_never_0(void **state)
{
	struct sink s;

	(void)state;
	sink__open(&s, 0);
	json_writer__begin_object(&s.w);
	json_writer__put_optional(&s.w, "absent", ABSENT);
	json_writer__put_optional(&s.w, "zero", 0);
	json_writer__put_string(&s.w, "text", NULL);
	json_writer__end_object(&s.w);
	assert_int_equal(sink__close(&s), 0);
	assert_string_equal(s.text, "{\"absent\": null, \"zero\": 0, \"text\": null}\n");
	free(s.text);
}

static void every_byte_of_a_string_is_escaped_so_that_it_comes_back(void **state)
{
	char all[0x7f];
	struct sink s;
	json_t *value;

	(void)state;
	for (int c = 1; c < 0x80; c++)
		all[c - 1] = (char)c;
	sink__open(&s, 0);
	json_writer__bytes(&s.w, all, sizeof(all));
	assert_int_equal(sink__close(&s), 0);
	value = parse(&s);
	assert_int_equal(json_string_length(value), sizeof(all));
	assert_memory_equal(json_string_value(value), all, sizeof(all));
	json_decref(value);
	free(s.text);
}

static void bytes_that_are_no_utf8_become_replacement_characters(void **state)
{
	/* Unicode 15, table 3-8 and the examples around it: maximal subparts, surrogates, overlong forms. */
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "a\xff"
		  "b",
		  "a\xef\xbf\xbd"
		  "b" },
		{ "\xf1\x80\x80\xe1\x80\xc2"
		  "b",
		  "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
		  "b" },
		{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sink s;
		json_t *value;

		sink__open(&s, 0);
		json_writer__string(&s.w, cases[i].in);
		assert_int_equal(sink__close(&s), 0);
		value = parse(&s);
		assert_string_equal(json_string_value(value), cases[i].out);
		json_decref(value);
		free(s.text);
	}
}

static void keys_stand_in_the_order_in_which_they_were_written(void **state)
{
	struct sink s;

	(void)state;
	sink__open(&s, 1);
	json_writer__begin_object(&s.w);
	json_writer__put_integer(&s.w, "b", 1);
	json_writer__put_array(&s.w, "a");
	json_writer__bool(&s.w, true);
	json_writer__begin_object(&s.w);
	json_writer__end_object(&s.w);
	json_writer__end_array(&s.w);
	json_writer__put_bool(&s.w, "c", false);
	json_writer__end_object(&s.w);
	assert_int_equal(sink__close(&s), 0);
	assert_string_equal(s.text, "{\n  \"b\": 1,\n  \"a\": [true, {}],\n  \"c\": false\n}\n");
	free(s.text);
}

static void a_number_that_is_none_is_null(void **state)
{
	struct sink s;

	(void)state;
	sink__open(&s, 0);
	json_writer__begin_array(&s.w);
	json_writer__number(&s.w, 0.1);
	json_writer__number(&s.w, 1.0 / 3.0);
	json_writer__number(&s.w, (double)NAN);
	json_writer__number(&s.w, (double)-INFINITY);
	json_writer__end_array(&s.w);
	assert_int_equal(sink__close(&s), 0);
	assert_string_equal(s.text, "[0.1, 0.3333333333333333, null, null]\n");
	free(s.text);
}

static void misuse_is_told_and_never_silent(void **state)
{
	struct sink s;

	(void)state;
	sink__open(&s, 0);
	json_writer__begin_object(&s.w);
	assert_int_equal(sink__close(&s), -EINVAL); /* not closed */
	free(s.text);

	sink__open(&s, 0);
	json_writer__begin_object(&s.w);
	json_writer__integer(&s.w, 1); /* no key */
	json_writer__end_object(&s.w);
	assert_int_equal(sink__close(&s), -EINVAL);
	free(s.text);

	sink__open(&s, 0);
	json_writer__begin_array(&s.w);
	json_writer__end_object(&s.w); /* the wrong bracket */
	assert_int_equal(sink__close(&s), -EINVAL);
	free(s.text);

	sink__open(&s, 0);
	for (int i = 0; i < 2 * JSON_MAX_DEPTH; i++)
		json_writer__begin_array(&s.w); /* too deep */
	assert_int_equal(sink__close(&s), -EINVAL);
	free(s.text);
}

static void a_stream_that_fails_is_told(void **state)
{
	struct json_writer w;
	FILE *f = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(f);
	setvbuf(f, NULL, _IONBF, 0);
	json_writer__init(&w, f, 0);
	json_writer__integer(&w, 1);
	assert_int_equal(json_writer__finish(&w), -EIO);
	fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_of_64_bits_come_back_exactly),
		cmocka_unit_test(an_absent_figure_is_null_and_never_0),
		cmocka_unit_test(every_byte_of_a_string_is_escaped_so_that_it_comes_back),
		cmocka_unit_test(bytes_that_are_no_utf8_become_replacement_characters),
		cmocka_unit_test(keys_stand_in_the_order_in_which_they_were_written),
		cmocka_unit_test(a_number_that_is_none_is_null),
		cmocka_unit_test(misuse_is_told_and_never_silent),
		cmocka_unit_test(a_stream_that_fails_is_told),
	};

	return cmocka_run_group_tests_name("json_writer", tests, NULL, NULL);
}
