/* SPDX-License-Identifier: Apache-2.0 */
/* Bills as files. Unix times were computed by Python's calendar.timegm(). */
#include "userspace/verify/bill.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "userspace/recording.h"

#define S_NS INT64_C(1000000000)
#define NEW_YEAR_2026 INT64_C(1767225600)
#define HEAD "request_id,prompt_tokens,completion_tokens\n"

static struct bill bill;
static char error[512], remedy[512];

static int read_bytes(const char *text, size_t n, bool is_json, const struct bill_map *map)
{
	/* a copy of just that size, for the sanitizer to see any step beyond it */
	char *copy = malloc(n ? n : 1);
	int err;

	memcpy(copy, text, n);
	err = bill__parse(&bill, "bill", copy, n, is_json, map, error, sizeof(error), remedy, sizeof(remedy));
	memset(copy, 'x', n); /* and nothing of the bill lies in it */
	free(copy);
	return err;
}

static void read_good(const char *text, bool is_json, const struct bill_map *map)
{
	if (read_bytes(text, strlen(text), is_json, map))
		fail_msg("should be a bill: %s\nbut: %s", text, error);
	assert_string_equal(error, "");
	assert_string_equal(remedy, "");
}

static void assert_price(const struct bill_line *line, const char *expected)
{
	char text[DECIMAL_TEXT];

	assert_true(line->has_price);
	decimal__format(&line->price, text);
	assert_string_equal(text, expected);
}

/* A sentence that begins with its place, holds those words, and comes with a remedy. */
static void assert_refused(int err, const char *place, const char *words, const char *input)
{
	assert_int_equal(err, -EINVAL);
	if (strncmp(error, place, strlen(place)) != 0 || !strstr(error, words))
		fail_msg("'%s': expected %s ... %s, got: %s", input, place, words, error);
	if (!remedy[0] || remedy[strlen(remedy) - 1] == '.')
		fail_msg("'%s': the remedy is '%s'", input, remedy);
	assert_int_equal(bill.n, 0);
	assert_null(bill.lines);
}

static void assert_csv_refused(const char *text, const struct bill_map *map, const char *place, const char *words)
{
	assert_refused(read_bytes(text, strlen(text), false, map), place, words, text);
}

static void assert_json_refused(const char *text, const struct bill_map *map, const char *place, const char *words)
{
	assert_refused(read_bytes(text, strlen(text), true, map), place, words, text);
}

/* --- what a bill says ---------------------------------------------------------------------------------------------- */

static void a_bill_in_csv_is_read_line_by_line(void **state)
{
	(void)state;
	read_good(
		"request_id,model,prompt_tokens,cached_tokens,completion_tokens,reasoning_tokens,price,currency,time\n"
		"chatcmpl-1,llama,120,64,30,0,0.00035,USD,2026-01-01T00:00:00Z\n"
		"chatcmpl-2,llama,7,,0,,,,\n",
		false, NULL);
	assert_int_equal(bill.n, 2);
	assert_string_equal(bill.path, "bill");
	assert_int_equal(bill.lines[0].line, 2);
	assert_string_equal(bill.lines[0].request_id, "chatcmpl-1");
	assert_string_equal(bill.lines[0].model, "llama");
	assert_int_equal(bill.lines[0].prompt_tokens, 120);
	assert_int_equal(bill.lines[0].cached_tokens, 64);
	assert_int_equal(bill.lines[0].completion_tokens, 30);
	assert_int_equal(bill.lines[0].reasoning_tokens, 0);
	assert_price(&bill.lines[0], "0.00035");
	assert_string_equal(bill.lines[0].currency, "USD");
	assert_int_equal(bill.lines[0].begin_unix_ns, NEW_YEAR_2026 * S_NS);
	assert_int_equal(bill.lines[0].end_unix_ns, ABSENT);
	assert_int_equal(bill.lines[1].line, 3);
	assert_int_equal(bill.lines[1].completion_tokens, 0);
	assert_true(bill.has_column[BILL_CACHED_TOKENS]);
	assert_false(bill.has_column[BILL_COUNT]);
	bill__free(&bill);
}

static void a_cell_that_is_empty_is_absent_not_0(void **state)
{
	(void)state;
	read_good("request_id,prompt_tokens,cached_tokens,completion_tokens,price,time,requests\na,1,,  ,,,\n", false,
		  NULL);
	assert_int_equal(bill.n, 1);
	assert_int_equal(bill.lines[0].cached_tokens, ABSENT);
	assert_int_equal(bill.lines[0].completion_tokens, ABSENT);
	assert_int_equal(bill.lines[0].reasoning_tokens, ABSENT);
	assert_int_equal(bill.lines[0].n_requests, ABSENT);
	assert_int_equal(bill.lines[0].begin_unix_ns, ABSENT);
	assert_null(bill.lines[0].model);
	assert_null(bill.lines[0].currency);
	assert_false(bill.lines[0].has_price);
	bill__free(&bill);
}

static void every_way_to_write_a_csv_gives_the_same_bill(void **state)
{
	static const char *const same[] = {
		"request_id,prompt_tokens,completion_tokens\na,1,2\nb,3,4\n",
		"request_id,prompt_tokens,completion_tokens\na,1,2\nb,3,4",
		"request_id,prompt_tokens,completion_tokens\r\na,1,2\r\nb,3,4\r\n",
		"request_id,prompt_tokens,completion_tokens\ra,1,2\rb,3,4\r",
		"\xef\xbb\xbfrequest_id,prompt_tokens,completion_tokens\na,1,2\nb,3,4\n",
		"request_id;prompt_tokens;completion_tokens\na;1;2\nb;3;4\n",
		"request_id\tprompt_tokens\tcompletion_tokens\na\t1\t2\nb\t3\t4\n",
		"request_id , prompt_tokens , completion_tokens\n a, 1, 2 \n b, 3, 4 \n",
		"\"request_id\",\"prompt_tokens\",\"completion_tokens\"\n\"a\",\"1\",\"2\"\n\"b\" ,\"3\", \"4\"\n",
		"\n\n\"request_id\";\"prompt_tokens\";\"completion_tokens\"\r\n\r\na;1;2\r\n  \r\nb;3;4\r\n\r\n\r\n",
		"completion_tokens,note,request_id,prompt_tokens\n2,\"x, y\nz\",a,1\n4,,b,3\n,,,\n",
		"prompt_tokens,note,note,,request_id,completion_tokens\n1,p,q,,a,2\n3,,,,b,4\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		read_good(same[i], false, NULL);
		assert_int_equal(bill.n, 2);
		assert_string_equal(bill.lines[0].request_id, "a");
		assert_string_equal(bill.lines[1].request_id, "b");
		for (int l = 0; l < 2; l++) {
			assert_int_equal(bill.lines[l].prompt_tokens, 2 * l + 1);
			assert_int_equal(bill.lines[l].completion_tokens, 2 * l + 2);
		}
		bill__free(&bill);
	}
}

static void quoted_fields_keep_separators_quotation_marks_and_line_breaks(void **state)
{
	(void)state;
	read_good("request_id,model,prompt_tokens\n"
		  "\"a,1\",\"the \"\"big\"\" one\",1\n"
		  "b,\"two\nlines\",2\n"
		  "c,\"\"\"\",3\n",
		  false, NULL);
	assert_int_equal(bill.n, 3);
	assert_string_equal(bill.lines[0].request_id, "a,1");
	assert_string_equal(bill.lines[0].model, "the \"big\" one");
	assert_string_equal(bill.lines[1].model, "two\nlines");
	assert_int_equal(bill.lines[1].line, 3);
	assert_string_equal(bill.lines[2].model, "\"");
	assert_int_equal(bill.lines[2].line, 5);
	bill__free(&bill);
}

static void every_way_to_write_a_bill_in_json_gives_the_same_bill(void **state)
{
	static const char *const same[] = {
		"[{\"request_id\":\"a\",\"prompt_tokens\":1,\"price\":0.10},{\"request_id\":\"b\",\"prompt_tokens\":3}"
		"]",
		"\xef\xbb\xbf "
		"{\"month\":\"2026-01\",\"n\":[1,2],\"lines\":[{\"request_id\":\"a\",\"prompt_tokens\":1,\"price\":0."
		"10},"
		"{\"request_id\":\"b\",\"prompt_tokens\":3,\"price\":null}]}\n",
		"{\"request_id\":\"a\",\"prompt_tokens\":1,\"price\":0.10}\n{\"request_id\":\"b\",\"prompt_tokens\":3}"
		"\n",
		"{\"request_id\":\"\\u0061\",\"prompt_\\u0074okens\":\"1\",\"price\":\"0.10\",\"x\":{\"prompt_tokens\":"
		"[{}]}}\r\n\r\n"
		"{\"prompt_tokens\":3,\"request_id\":\"b\",\"y\":[{\"price\":1}]}",
		"{\"servers\":[{\"name\":\"x\"}],\"lines\":[{\"request_id\":\"a\",\"prompt_tokens\":1,\"price\":0.10},"
		"{\"request_id\":\"b\",\"prompt_tokens\":3}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		read_good(same[i], true, NULL);
		assert_int_equal(bill.n, 2);
		assert_string_equal(bill.lines[0].request_id, "a");
		assert_string_equal(bill.lines[1].request_id, "b");
		assert_int_equal(bill.lines[0].prompt_tokens, 1);
		assert_int_equal(bill.lines[1].prompt_tokens, 3);
		assert_int_equal(bill.lines[1].cached_tokens, ABSENT);
		assert_price(&bill.lines[0], "0.10");
		assert_false(bill.lines[1].has_price);
		bill__free(&bill);
	}
}

static void a_line_of_json_is_where_its_object_begins(void **state)
{
	(void)state;
	read_good("[\n  {\n    \"prompt_tokens\": 1\n  },\n  {\"prompt_tokens\": 2}\n]\n", true, NULL);
	assert_int_equal(bill.lines[0].line, 2);
	assert_int_equal(bill.lines[1].line, 5);
	bill__free(&bill);
	read_good("{\"prompt_tokens\":1}\n\n{\"prompt_tokens\":2}\n", true, NULL);
	assert_int_equal(bill.lines[1].line, 3);
	bill__free(&bill);
}

static void a_price_in_json_keeps_every_digit(void **state)
{
	(void)state;
	read_good("[{\"price\":0.1000000000000000055511},{\"price\":1e-7},{\"price\":-2.50},{\"price\":123456789012345."
		  "678901}]",
		  true, NULL);
	assert_price(&bill.lines[0], "0.1000000000000000055511");
	assert_price(&bill.lines[1], "0.0000001");
	assert_price(&bill.lines[2], "-2.50");
	assert_price(&bill.lines[3], "123456789012345.678901");
	bill__free(&bill);
}

static void a_map_names_the_columns_of_the_file(void **state)
{
	const struct bill_map map = { .names = { [BILL_REQUEST_ID] = "Anfrage",
						 [BILL_COMPLETION_TOKENS] = "prompt_tokens",
						 [BILL_PROMPT_TOKENS] = "Eingabe, Token" } };
	const struct bill_map inner = { .names = { [BILL_REQUEST_ID] = "id",
						   [BILL_PROMPT_TOKENS] = "usage.prompt_tokens",
						   [BILL_CACHED_TOKENS] = "usage.prompt_tokens_details.cached_tokens",
						   [BILL_TIME] = "created" } };

	(void)state;
	read_good("Anfrage,\"Eingabe, Token\",prompt_tokens,price\nx,10,20,1\n", false, &map);
	assert_string_equal(bill.lines[0].request_id, "x");
	assert_int_equal(bill.lines[0].prompt_tokens, 10);
	assert_int_equal(bill.lines[0].completion_tokens, 20);
	assert_true(bill.lines[0].has_price);
	bill__free(&bill);
	read_good("{\"id\":\"chatcmpl-1\",\"created\":1767225600,\"choices\":[{\"index\":0}],\"usage\":"
		  "{\"prompt_tokens\":9,\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":4}}}",
		  true, &inner);
	assert_int_equal(bill.n, 1);
	assert_string_equal(bill.lines[0].request_id, "chatcmpl-1");
	assert_int_equal(bill.lines[0].prompt_tokens, 9);
	assert_int_equal(bill.lines[0].cached_tokens, 4);
	assert_int_equal(bill.lines[0].completion_tokens, ABSENT);
	assert_int_equal(bill.lines[0].begin_unix_ns, NEW_YEAR_2026 * S_NS);
	bill__free(&bill);
}

static void prompt_tokens_that_leave_out_cached_ones_are_made_whole(void **state)
{
	const struct bill_map map = { .prompt_excludes_cached = true };

	(void)state;
	read_good("prompt_tokens,cached_tokens\n10,90\n5,0\n,7\n", false, &map);
	assert_int_equal(bill.lines[0].prompt_tokens, 100);
	assert_int_equal(bill.lines[1].prompt_tokens, 5);
	assert_int_equal(bill.lines[2].prompt_tokens, ABSENT);
	bill__free(&bill);
	assert_csv_refused("prompt_tokens,cached_tokens\n10,90\n5,\n", &map, "bill:3:1: ", "does not say how many");
	assert_csv_refused("prompt_tokens,price\n10,1\n", &map, "bill:1:1: ", "no column of cached tokens");
}

static void a_bill_without_lines_is_one(void **state)
{
	(void)state;
	read_good(HEAD, false, NULL);
	assert_int_equal(bill.n, 0);
	bill__free(&bill);
	read_good("[]", true, NULL);
	assert_int_equal(bill.n, 0);
	bill__free(&bill);
	bill__free(&bill);
	bill__free(NULL);
}

/* --- times --------------------------------------------------------------------------------------------------------- */

static void times_are_read_in_their_zone(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} cases[] = {
		{ "2026-01-31T23:59:59Z", INT64_C(1769903999) * S_NS },
		{ "2026-01-31 23:59:59", INT64_C(1769903999) * S_NS },
		{ "2026-01-31t23:59:59.5z", INT64_C(1769903999) * S_NS + 500000000 },
		{ "2026-01-31T23:59:59,000000001 UTC", INT64_C(1769903999) * S_NS + 1 },
		{ "2026-02-01T07:59:59+08:00", INT64_C(1769903999) * S_NS },
		{ "2026-01-31 16:29:59.000 -0730", INT64_C(1769903999) * S_NS },
		{ "2026-01-31T23:59:59+00", INT64_C(1769903999) * S_NS },
		{ "2000-02-29T00:00", INT64_C(951782400) * S_NS },
		{ "2024/2/29 12:34:56", INT64_C(1709210096) * S_NS },
		{ "2100-03-01T00:00:00Z", INT64_C(4107542400) * S_NS },
		{ "2261-12-31T23:59:59.999999999Z", INT64_C(9214646399) * S_NS + 999999999 },
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2025-12-31T24:00:00Z", NEW_YEAR_2026 * S_NS },
		{ "2025-12-31T23:59:60Z", NEW_YEAR_2026 * S_NS },
		{ "1767225600", NEW_YEAR_2026 * S_NS },
		{ "1767225600.25", NEW_YEAR_2026 * S_NS + 250000000 },
		{ "1767225600123", NEW_YEAR_2026 * S_NS + 123000000 },
		{ "1767225600123.5", NEW_YEAR_2026 * S_NS + 123500000 },
		{ "1767225600123456", NEW_YEAR_2026 * S_NS + 123456000 },
		{ "1767225600123456789", NEW_YEAR_2026 * S_NS + 123456789 },
	};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "time;price\n%s;1\n", cases[i].text);
		read_good(text, false, NULL);
		if (bill.lines[0].begin_unix_ns != cases[i].ns)
			fail_msg("%s: %lld", cases[i].text, (long long)bill.lines[0].begin_unix_ns);
		assert_int_equal(bill.lines[0].end_unix_ns, ABSENT);
		bill__free(&bill);
	}
}

static void what_the_file_does_not_say_of_its_times_the_map_does(void **state)
{
	const struct bill_map china = { .time_zone_offset = "+08:00" }, ms = { .time_unit = "ms" };
	const struct bill_map no_zone = { .time_zone_offset = "CST" }, no_unit = { .time_unit = "min" };

	(void)state;
	read_good("time,price\n2026-01-01 08:00:00,1\n2026-01-01 00:00:00Z,1\n2026-01-01,1\n", false, &china);
	assert_int_equal(bill.lines[0].begin_unix_ns, NEW_YEAR_2026 * S_NS);
	assert_int_equal(bill.lines[1].begin_unix_ns, NEW_YEAR_2026 * S_NS);
	assert_int_equal(bill.lines[2].begin_unix_ns, (NEW_YEAR_2026 - 8 * 3600) * S_NS);
	bill__free(&bill);
	read_good("time,price\n1767225600,1\n", false, &ms);
	assert_int_equal(bill.lines[0].begin_unix_ns, NEW_YEAR_2026 * 1000000);
	bill__free(&bill);
	assert_csv_refused("time,price\n1767225600,1\n", &no_zone, "bill: ", "time zone 'CST'");
	assert_csv_refused("time,price\n1767225600,1\n", &no_unit, "bill: ", "time unit 'min'");
}

static void a_date_alone_is_that_day_and_a_window_ends_before_its_end(void **state)
{
	(void)state;
	read_good("time,time_end,requests,price\n2026-01-01,,4,1\n2026-01-01,2026-01-01T12:00:00Z,4,1\n", false, NULL);
	assert_int_equal(bill.lines[0].begin_unix_ns, NEW_YEAR_2026 * S_NS);
	assert_int_equal(bill.lines[0].end_unix_ns, INT64_C(1767312000) * S_NS);
	assert_int_equal(bill.lines[0].n_requests, 4);
	assert_int_equal(bill.lines[1].end_unix_ns, (NEW_YEAR_2026 + 12 * 3600) * S_NS);
	bill__free(&bill);
}

static void a_time_that_could_mean_two_things_is_refused(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "12345", "s, ms, us or ns" },
		{ "20260131", "s, ms, us or ns" },
		{ "46023.5", "s, ms, us or ns" },
		{ "9999999999", "s, ms, us or ns" },
		{ "1.76723E+09", "scientific notation" },
		{ "-1767225600", "no time" },
		{ "01/02/2026 00:00:00", "which is its day" },
		{ "1/2/2026", "which is its day" },
		{ "2026-02-29T00:00:00Z", "no day of the calendar" },
		{ "2026-13-01", "no day of the calendar" },
		{ "2026-01-31T25:00:00Z", "no time of a day" },
		{ "2026-01-31T24:00:01Z", "no time of a day" },
		{ "2026-01-31T23:60:00Z", "no time of a day" },
		{ "2026-01-31 23:59:59 CST", "several zones" },
		{ "2026-01-31 11:59 PM", "several zones" },
		{ "2026-01-31T23:59:59+8", "no time" },
		{ "2026-01-31T23:59:59+25:00", "no time" },
		{ "2026-01-31T23:59:59.", "no time" },
		{ "2026-01-31T23:59:59.1234567891Z", "finer than a nanosecond" },
		{ "2026-01-31T", "no time" },
		{ "2026-01/31", "no time" },
		{ "1969-12-31T23:59:59Z", "outside of the years" },
		{ "2262-01-01T00:00:00Z", "outside of the years" },
		{ "yesterday", "no time" },
		{ "Sat Jan 31 23:59:59 2026", "no time" },
		{ "2026", "s, ms, us or ns" },
	};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "price,time\n1,%s\n", cases[i].text);
		assert_csv_refused(text, NULL, "bill:2:3: time ", cases[i].words);
	}
	assert_csv_refused("time,time_end,price\n2026-01-01,2026-01-31,1\n", NULL, "bill:2:12: time_end ", "that day");
	assert_csv_refused("time,time_end,price\n,2026-01-31T00:00:00Z,1\n", NULL, "bill:2:2: ", "no beginning");
	assert_csv_refused("time,time_end,price\n1767225600,1767225600,1\n", NULL, "bill:2:12: ", "not after");
}

/* --- counts and money ---------------------------------------------------------------------------------------------- */

static void what_is_no_count_of_tokens_is_refused_where_it_stands(void **state)
{
	static const struct {
		const char *cell, *words;
	} cases[] = {
		{ "-5", "less than nothing" },	       { "12.5", "no whole number" },
		{ "12.0", "no whole number" },	       { "1e3", "scientific" },
		{ "NaN", "no whole number" },	       { "null", "no whole number" },
		{ "N/A", "no whole number" },	       { "-", "no whole number" },
		{ "+5", "no whole number" },	       { "0x10", "no whole number" },
		{ "\"1,234\"", "between its digits" }, { "1 234", "between its digits" },
		{ "1'234", "between its digits" },     { "1_234", "between its digits" },
		{ "12 tokens", "no whole number" },    { "\xef\xbc\x95", "no whole number" }, /* a full-width 5 */
		{ "1000000000000001", "10^15" },       { "99999999999999999999999999", "10^15" },
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), HEAD "a,1,2\n\"\xc3\xa9\xc3\xa9\", %s,3\n", cases[i].cell);
		assert_csv_refused(text, NULL, "bill:3:7: prompt_tokens '", cases[i].words);
	}
	read_good(HEAD "a,1000000000000000,007\n", false, NULL);
	assert_int_equal(bill.lines[0].prompt_tokens, BILL_MAX_COUNT);
	assert_int_equal(bill.lines[0].completion_tokens, 7);
	bill__free(&bill);
}

static void a_price_may_name_its_currency(void **state)
{
	static const struct {
		const char *cell, *named, *price, *currency;
	} cases[] = {
		{ "0.0035", "", "0.0035", NULL },
		{ "0.0035", "usd", "0.0035", "USD" },
		{ "CNY 0.5", "", "0.5", "CNY" },
		{ "0.5 CNY", "", "0.5", "CNY" },
		{ "0.5CNY", "CNY", "0.5", "CNY" },
		{ "RMB1.20", "CNY", "1.20", "CNY" },
		{ "-0.5 eur", "", "-0.5", "EUR" },
		{ "EUR -0.5", "", "-0.5", "EUR" },
		{ "\xe2\x82\xac 1", "", "1", "EUR" },
		{ "1 \xe2\x82\xac", "", "1", "EUR" },
		{ "$0.01", "USD", "0.01", "USD" },
		{ "-$0.01", "HKD", "-0.01", "HKD" },
		{ "\xc2\xa5"
		  "3",
		  "CNY", "3", "CNY" },
		{ "3\xe5\x85\x83", "CNY", "3", "CNY" },
		{ "1e-06", "", "0.000001", NULL },
		{ "US$2", "", "2", "USD" },
		{ "7", "credits", "7", "CREDITS" },
		{ "", "USD", NULL, "USD" },
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "request_id,price,currency\na,%s,%s\n", cases[i].cell, cases[i].named);
		read_good(text, false, NULL);
		assert_int_equal(bill.lines[0].has_price, cases[i].price != NULL);
		if (cases[i].price)
			assert_price(&bill.lines[0], cases[i].price);
		if (cases[i].currency)
			assert_string_equal(bill.lines[0].currency, cases[i].currency);
		else
			assert_null(bill.lines[0].currency);
		bill__free(&bill);
	}
}

static void a_currency_of_the_map_or_beside_the_lines_is_that_of_prices_that_do_not_say(void **state)
{
	const struct bill_map map = { .currency = "usd" }, wrong = { .currency = "$" };

	(void)state;
	read_good("price\n$1\n2\nEUR 3\n", false, &map);
	assert_string_equal(bill.lines[0].currency, "USD");
	assert_string_equal(bill.lines[1].currency, "USD");
	assert_string_equal(bill.lines[2].currency, "EUR");
	bill__free(&bill);
	read_good("{\"currency\":\"CNY\",\"lines\":[{\"price\":\"\xc2\xa5 1\"},{\"price\":2,\"currency\":\"JPY\"}]}",
		  true, &map);
	assert_string_equal(bill.lines[0].currency, "CNY");
	assert_string_equal(bill.lines[1].currency, "JPY");
	assert_true(bill.has_column[BILL_CURRENCY]);
	bill__free(&bill);
	assert_csv_refused("price\n1\n", &wrong, "bill: ", "currency '$'");
	assert_json_refused("{\"currency\":\"$\",\"lines\":[{\"price\":1}]}", NULL, "bill:1:13: currency '$'", "share");
}

static void what_is_no_price_is_refused_where_it_stands(void **state)
{
	static const struct {
		const char *cell, *named, *words;
	} cases[] = {
		{ "$0.01", "", "several currencies" },
		{ "\xc2\xa5"
		  "1",
		  "", "several currencies" },
		{ "$1", "CNY", "several currencies" },
		{ "USD 1", "CNY", "another currency" },
		{ "\"1,234.50\"", "", "comma" },
		{ "\"0,01\"", "", "comma" },
		{ "\"$0,01\"", "USD", "comma" },
		{ "(1.50)", "", "brackets" },
		{ "NaN", "", "no amount" },
		{ "free", "", "no amount" },
		{ "USD", "", "no amount" },
		{ "--1", "", "no amount" },
		{ "-$-1", "USD", "no amount" },
		{ "1.2.3", "", "no amount" },
		{ "1 XX", "", "names no currency" },
		{ "USD 1 EUR", "", "two currencies" },
		{ "0.0000000000000000000000001", "", "digits" },
		{ "1e40", "", "digits" },
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "currency,price\n%s,%s\n", cases[i].named, cases[i].cell);
		assert_csv_refused(text, NULL, cases[i].named[0] ? "bill:2:5: price '" : "bill:2:2: price '",
				   cases[i].words);
	}
	assert_csv_refused("price,currency\n1,$\n", NULL, "bill:2:3: currency '$'", "several currencies");
	assert_csv_refused("price,currency\n1,12\n", NULL, "bill:2:3: currency '12'", "names no currency");
}

/* --- columns ------------------------------------------------------------------------------------------------------- */

static void a_column_that_the_map_names_must_be_there_once(void **state)
{
	const struct bill_map map = { .names = { [BILL_COMPLETION_TOKENS] = "output" } };
	const struct bill_map typo = { .names = { [BILL_PROMPT_TOKENS] = "prompt_tokns" } };
	const struct bill_map twice = { .names = { [BILL_PROMPT_TOKENS] = "n", [BILL_COMPLETION_TOKENS] = "n" } };

	(void)state;
	assert_csv_refused(HEAD "a,1,2\n", &map, "bill:1:1: ",
			   "'output', which the map names for completion_tokens; there are 'request_id', "
			   "'prompt_tokens', 'completion_tokens'");
	assert_csv_refused(HEAD "a,1,2\n", &typo, "bill:1:1: ", "'prompt_tokns'");
	assert_non_null(strstr(remedy, "did you mean 'prompt_tokens'"));
	assert_json_refused("[\n{\"request_id\":\"a\",\"usage\":{\"prompt_tokens\":1}}]", &map,
			    "bill:2:1: ", "there are 'request_id', 'usage', 'usage.prompt_tokens'");
	assert_csv_refused("n\n1\n", &twice, "bill: ", "both prompt_tokens and completion_tokens from the column 'n'");
	assert_csv_refused("output,x,output\n1,2,3\n", &map, "bill:1:10: ", "'output' is there twice");
	assert_csv_refused("price,request_id,price\n1,a,3\n", NULL, "bill:1:18: ", "'price' is there twice");
	assert_json_refused("{\"price\":1,\"price\":2}", NULL, "bill:1:12: ", "twice");
}

static void a_column_that_nearly_has_a_default_name_is_not_passed_over_in_silence(void **state)
{
	const struct bill_map map = { .names = { [BILL_COMPLETION_TOKENS] = "Completion Tokens" } };

	(void)state;
	assert_csv_refused("request_id,prompt_tokens,Completion Tokens\na,1,2\n", NULL,
			   "bill:1:1: ", "'Completion Tokens' is nearly, but not, 'completion_tokens'");
	assert_json_refused("[{\"prompt-tokens\":1,\"price\":1}]", NULL, "bill:1:2: ", "'prompt-tokens' is nearly");
	read_good("request_id,prompt_tokens,Completion Tokens\na,1,2\n", false, &map);
	assert_int_equal(bill.lines[0].completion_tokens, 2);
	bill__free(&bill);
	read_good("price,Price\n1,free\n", false, NULL);
	bill__free(&bill);
}

static void a_file_without_figures_is_no_bill(void **state)
{
	(void)state;
	assert_csv_refused("name,amount\na,1\n", NULL, "bill:1:1: ", "there are 'name', 'amount'");
	assert_csv_refused("request_id,model\na,b\n", NULL, "bill:1:1: ", "no column has tokens or a price");
	assert_json_refused("[{\"name\":1}]", NULL, "bill:1:2: ", "there are 'name'");
	assert_json_refused("{\"data\":[]}", NULL, "bill:1:1: ", "there are 'data'");
}

/* --- damaged files ------------------------------------------------------------------------------------------------- */

static void a_damaged_csv_is_refused_where_it_is_damaged(void **state)
{
	(void)state;
	assert_csv_refused(HEAD "a,1,2\nb,3\n", NULL, "bill:3:4: ", "fewer fields than the header line, which has 3");
	assert_csv_refused(HEAD "a,1,2\nb,3,4,5\nc,6,7\n", NULL, "bill:3:7: ", "more fields");
	assert_csv_refused(HEAD "\"a,1,2\nb,3,4\n", NULL, "bill:2:1: ", "never closed");
	assert_csv_refused(HEAD "a,1,2\n\"b\"c,3,4\n", NULL, "bill:3:4: ", "behind the quotation mark");
	assert_csv_refused(HEAD "a \"x\",1,2\n", NULL, "bill:2:3: ", "within a field");
	assert_csv_refused(HEAD "\"a\nb\",\"1\n2\",3\n", NULL, "bill:3:4: prompt_tokens", "no whole number");
	assert_csv_refused("\"request_id,price\n1,2\n", NULL, "bill:1:1: ", "never closed");
}

static void a_damaged_json_is_refused_where_it_is_damaged(void **state)
{
	static const struct {
		const char *text, *place, *words;
	} cases[] = {
		{ "[{\"price\":1}\n", "bill:2:1: ", "ends within" },
		{ "[{\"price\":1},]", "bill:1:14: ", "a JSON value should stand here" },
		{ "[{\"price\":1,}]", "bill:1:13: ", "a member's name" },
		{ "[{'price':1}]", "bill:1:3: ", "a member's name" },
		{ "[{\"price\" 1}]", "bill:1:11: ", "':' should" },
		{ "[{\"price\":1 \"x\":2}]", "bill:1:13: ", "',' or '}'" },
		{ "[{\"price\":1} {\"price\":2}]", "bill:1:14: ", "',' or ']'" },
		{ "[{\"price\":NaN}]", "bill:1:11: ", "NaN" },
		{ "[{\"price\":.5}]", "bill:1:11: ", "JSON value" },
		{ "[{\"price\":01}]", "bill:1:11: ", "number that JSON does not know" },
		{ "[{\"price\":1.}]", "bill:1:11: ", "number that JSON does not know" },
		{ "[{\"price\":1e}]", "bill:1:11: ", "number that JSON does not know" },
		{ "[{\"price\":\"1\n\"}]", "bill:1:11: ", "does not end in its line" },
		{ "[{\"price\":\"\\x\"}]", "bill:1:12: ", "escape" },
		{ "[{\"price\":\"\\u12g4\"}]", "bill:1:12: ", "hexadecimal" },
		{ "[{\"model\":\"a\tb\"}]", "bill:1:13: ", "control character" },
		{ "[{\"price\":1}] x", "bill:1:15: ", "behind the array" },
		{ "{\"price\":1}\n[1]\n", "bill:2:1: ", "an array stands where a line" },
		{ "{\"price\":1}\n{\"price\":\n", "bill:3:1: ", "ends within" },
		{ "[{\"price\":1}, 7]", "bill:1:15: ", "a number stands where a line" },
		{ "[null]", "bill:1:2: ", "null stands where a line" },
		{ "\"text\"", "bill:1:1: ", "a text stands where a line" },
		{ "[{\"prompt_tokens\":true}]", "bill:1:19: ", "prompt_tokens is true or false" },
		{ "[{\"prompt_tokens\":{\"n\":1}}]", "bill:1:19: ", "prompt_tokens is an object" },
		{ "[{\"prompt_tokens\":-3}]", "bill:1:19: ", "less than nothing" },
		{ "[{\"prompt_tokens\":1e3}]", "bill:1:19: ", "scientific" },
		{ "[{\"prompt_tokens\":12.0}]", "bill:1:19: ", "no whole number" },
		{ "[{\"prompt_tokens\":\"abc\"}]", "bill:1:19: ", "'abc' is no whole number" },
		{ "[{\"request_id\":\"a\\u0000b\",\"price\":1}]", "bill:1:16: ", "NUL" },
		{ "{\"a\":[{\"price\":1}],\n\"b\":[{\"price\":1}]}", "bill:2:5: ", "so could another" },
		{ "{\"price\":3,\n\"b\":[{\"price\":1}]}", "bill:2:5: ", "so could the object" },
	};
	char *deep = malloc(4000);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_json_refused(cases[i].text, NULL, cases[i].place, cases[i].words);
	memset(deep, '[', 3999);
	deep[3999] = '\0';
	assert_json_refused(deep, NULL, "bill:1:1025: ", "1024 levels");
	free(deep);
}

static void a_file_that_is_no_text_in_utf_8_is_refused_with_its_remedy(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *place, *words, *cure;
	} cases[] = {
		{ "", 0, "bill:1:1: ", "empty", "CSV" },
		{ " \r\n\t\n", 5, "bill:1:1: ", "empty", "CSV" },
		{ "\xef\xbb\xbf", 3, "bill:1:1: ", "empty", "CSV" },
		{ "\xff\xfep\0r\0", 6, "bill:1:1: ", "UTF-16", "iconv" },
		{ "\xfe\xff\0p\0r", 6, "bill:1:1: ", "UTF-16", "iconv" },
		{ "p\0r\0i\0", 6, "bill:1:1: ", "UTF-16", "UTF-16LE" },
		{ "\0p\0r\0i", 6, "bill:1:1: ", "UTF-16", "UTF-16BE" },
		{ "price\n1\0\n", 9, "bill:2:2: ", "NUL", "exported again" },
		{ "price,x\n1,\xe9\n", 11, "bill:2:3: ", "0xe9 is no UTF-8", "iconv" },
		{ "price,x\n1,\xc3\xa9\xed\xa0\x80\n", 15, "bill:2:4: ", "0xed", "iconv" },
		{ "price,x\n1,\xc0\xaf\n", 12, "bill:2:3: ", "0xc0", "iconv" },
		{ "price,x\n1,\xf4\x90\x80\x80\n", 14, "bill:2:3: ", "0xf4", "iconv" },
		{ "price,x\n1,\xe2\x82", 12, "bill:2:3: ", "0xe2", "iconv" },
		{ "PK\x03\x04 and more", 13, "bill:1:1: ", "spreadsheet", "CSV" },
		{ "\x1f\x8b\x08\x00", 4, "bill:1:1: ", "gzip", "gunzip" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_refused(read_bytes(cases[i].bytes, cases[i].n, false, NULL), cases[i].place, cases[i].words,
			       cases[i].words);
		assert_non_null(strstr(remedy, cases[i].cure));
	}
}

/* --- files --------------------------------------------------------------------------------------------------------- */

static int read_path(const char *path)
{
	return bill__read(&bill, path, NULL, error, sizeof(error), remedy, sizeof(remedy));
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void a_file_is_json_or_csv_by_what_it_holds(void **state)
{
	char folder[] = "/tmp/tokprof-bill-XXXXXX", path[128];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/bill.txt", folder);
	write_file(path, "prompt_tokens\n5\n");
	assert_int_equal(read_path(path), 0);
	assert_int_equal(bill.lines[0].prompt_tokens, 5);
	bill__free(&bill);
	write_file(path, " \n[{\"prompt_tokens\":6}]");
	assert_int_equal(read_path(path), 0);
	assert_int_equal(bill.lines[0].prompt_tokens, 6);
	bill__free(&bill);
	unlink(path);
	snprintf(path, sizeof(path), "%s/bill.json", folder);
	write_file(path, "prompt_tokens\n5\n");
	assert_int_equal(read_path(path), -EINVAL);
	assert_non_null(strstr(error, "bill.json:1:1: a JSON value should stand here"));
	unlink(path);
	rmdir(folder);
}

static void a_file_that_cannot_be_read_is_named_with_the_reason(void **state)
{
	char folder[] = "/tmp/tokprof-bill-XXXXXX", path[128];

	(void)state;
	assert_int_equal(read_path("/nonexistent/bill.csv"), -ENOENT);
	assert_string_equal(error, "/nonexistent/bill.csv: No such file or directory");
	assert_true(strlen(remedy) > 0);
	assert_non_null(mkdtemp(folder));
	assert_int_equal(read_path(folder), -EISDIR);
	snprintf(path, sizeof(path), "%s/big.csv", folder);
	write_file(path, "price\n");
	assert_int_equal(truncate(path, (off_t)BILL_MAX_BYTES + 1), 0);
	assert_int_equal(read_path(path), -EFBIG);
	assert_non_null(strstr(error, "larger than 512 MiB"));
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bill_in_csv_is_read_line_by_line),
		cmocka_unit_test(a_cell_that_is_empty_is_absent_not_0),
		cmocka_unit_test(every_way_to_write_a_csv_gives_the_same_bill),
		cmocka_unit_test(quoted_fields_keep_separators_quotation_marks_and_line_breaks),
		cmocka_unit_test(every_way_to_write_a_bill_in_json_gives_the_same_bill),
		cmocka_unit_test(a_line_of_json_is_where_its_object_begins),
		cmocka_unit_test(a_price_in_json_keeps_every_digit),
		cmocka_unit_test(a_map_names_the_columns_of_the_file),
		cmocka_unit_test(prompt_tokens_that_leave_out_cached_ones_are_made_whole),
		cmocka_unit_test(a_bill_without_lines_is_one),
		cmocka_unit_test(times_are_read_in_their_zone),
		cmocka_unit_test(what_the_file_does_not_say_of_its_times_the_map_does),
		cmocka_unit_test(a_date_alone_is_that_day_and_a_window_ends_before_its_end),
		cmocka_unit_test(a_time_that_could_mean_two_things_is_refused),
		cmocka_unit_test(what_is_no_count_of_tokens_is_refused_where_it_stands),
		cmocka_unit_test(a_price_may_name_its_currency),
		cmocka_unit_test(a_currency_of_the_map_or_beside_the_lines_is_that_of_prices_that_do_not_say),
		cmocka_unit_test(what_is_no_price_is_refused_where_it_stands),
		cmocka_unit_test(a_column_that_the_map_names_must_be_there_once),
		cmocka_unit_test(a_column_that_nearly_has_a_default_name_is_not_passed_over_in_silence),
		cmocka_unit_test(a_file_without_figures_is_no_bill),
		cmocka_unit_test(a_damaged_csv_is_refused_where_it_is_damaged),
		cmocka_unit_test(a_damaged_json_is_refused_where_it_is_damaged),
		cmocka_unit_test(a_file_that_is_no_text_in_utf_8_is_refused_with_its_remedy),
		cmocka_unit_test(a_file_is_json_or_csv_by_what_it_holds),
		cmocka_unit_test(a_file_that_cannot_be_read_is_named_with_the_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
