/* SPDX-License-Identifier: Apache-2.0 */
/* Price lists: what tokens cost, to the last digit. Every expected figure is worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "make_server.h"
#include "userspace/recording.h"
#include "userspace/verify/claims.h"

static char error[400], remedy[600];

static void read_well(struct claims *c, const char *text)
{
	if (claims__parse(c, "f.yaml", text, strlen(text), error, sizeof(error), remedy, sizeof(remedy)))
		fail_msg("%s (%s)\n%s", error, remedy, text);
	assert_true(c->n_tariffs >= 1);
}

static void refused(const char *text, const char *place, const char *says)
{
	struct claims c;

	assert_int_equal(claims__parse(&c, "f.yaml", text, strlen(text), error, sizeof(error), remedy, sizeof(remedy)),
			 -EINVAL);
	if (strncmp(error, place, strlen(place)) != 0 || !strstr(error, says) || !remedy[0])
		fail_msg("%s | %s\nshould be %s ... %s\n%s", error, remedy, place, says, text);
}

static void assert_decimal(const struct decimal *d, const char *expected)
{
	char text[DECIMAL_TEXT];

	decimal__format(d, text);
	assert_string_equal(text, expected);
}

static int64_t unix_ns(int year, int month, int day, int hour, int minute, int second)
{
	struct tm tm = { .tm_year = year - 1900,
			 .tm_mon = month - 1,
			 .tm_mday = day,
			 .tm_hour = hour,
			 .tm_min = minute,
			 .tm_sec = second };

	return (int64_t)timegm(&tm) * 1000000000;
}

struct usage {
	int64_t prompt, cached, completion, reasoning;
};

static void costs(const struct tariff *t, struct usage u, int64_t when, int64_t before, const char *expected)
{
	struct decimal price;

	assert_int_equal(tariff__price(t, u.prompt, u.cached, u.completion, u.reasoning, when, before, &price), 0);
	assert_decimal(&price, expected);
}

#define PRICES                                                                                                         \
	"prompt: 4.00 CNY per million tokens, cached: 0.40 CNY per million tokens, completion: 12.00 CNY per million " \
	"tokens"

static void each_kind_of_token_has_its_price(void **state)
{
	struct claims c;

	(void)state;
	read_well(&c, "tariff: {" PRICES ", reasoning: 20.00 CNY per million tokens}\n");
	costs(c.tariffs, (struct usage){ 1000000, 0, 0, 0 }, 0, 0, "4.00");
	costs(c.tariffs, (struct usage){ 1000000, 1000000, 0, 0 }, 0, 0, "0.40");
	costs(c.tariffs, (struct usage){ 0, 0, 1000000, 0 }, 0, 0, "12.00");
	costs(c.tariffs, (struct usage){ 0, 0, 1000000, 1000000 }, 0, 0, "20.00");
	/* 600 x 4 + 400 x 0.4 + 150 x 12 + 50 x 20 = 2400 + 160 + 1800 + 1000 */
	costs(c.tariffs, (struct usage){ 1000, 400, 200, 50 }, 0, 0, "0.00536");
	/* One token is not nothing. */
	costs(c.tariffs, (struct usage){ 1, 0, 0, 0 }, 0, 0, "0.000004");
	costs(c.tariffs, (struct usage){ 1, 1, 0, 0 }, 0, 0, "0.0000004");
	claims__free(&c);
}

static void what_has_no_price_of_its_own_costs_as_its_kind(void **state)
{
	struct claims c;

	(void)state;
	read_well(&c, "tariff: {prompt: 1 USD per million tokens, completion: 2 USD per million tokens}\n");
	costs(c.tariffs, (struct usage){ 1000000, 500000, 1000000, 500000 }, 0, 0, "3");
	costs(c.tariffs, (struct usage){ 1000000, ABSENT, 1000000, ABSENT }, 0, 0, "3");
	assert_string_equal(c.tariffs[0].currency, "USD");
	claims__free(&c);
}

static void a_price_per_token_is_a_million_times_that_per_million(void **state)
{
	struct claims c;

	(void)state;
	read_well(&c, "tariff: {prompt: 0.005 CNY per token, completion: 0.0035 CNY per token}\n");
	costs(c.tariffs, (struct usage){ 1000000, 0, 0, 0 }, 0, 0, "5000");
	costs(c.tariffs, (struct usage){ 1, 0, 1, 0 }, 0, 0, "0.0085");
	claims__free(&c);
}

static void sixty_percent_off_at_night_in_the_vendor_s_time_zone(void **state)
{
	const struct usage u = { 1000000, 0, 0, 0 };
	struct claims c;

	(void)state;
	read_well(&c, "tariff:\n  prompt: 4.00 CNY per million tokens\n  completion: 12.00 CNY per million tokens\n"
		      "  discounts:\n    - {percent: 60 %, from: 00:30, to: 08:30}\n  time_zone: +08:00\n");
	/* 00:30 in +08:00 is 16:30 UTC of the day before. */
	costs(c.tariffs, u, unix_ns(2026, 6, 1, 16, 29, 59), 0, "4.00");
	costs(c.tariffs, u, unix_ns(2026, 6, 1, 16, 30, 0), 0, "1.60");
	costs(c.tariffs, u, unix_ns(2026, 6, 2, 0, 29, 59) + 999999999, 0, "1.60");
	costs(c.tariffs, u, unix_ns(2026, 6, 2, 0, 30, 0), 0, "4.00");
	costs(c.tariffs, (struct usage){ 1, 0, 1, 0 }, unix_ns(2026, 6, 1, 20, 0, 0), 0, "0.0000064");
	claims__free(&c);
}

static void a_night_goes_on_after_midnight_and_belongs_to_the_day_it_began(void **state)
{
	const struct usage u = { 1000000, 0, 0, 0 };
	struct claims c;

	(void)state;
	read_well(&c, "tariff:\n  prompt: 10 USD per million tokens\n  completion: 10 USD per million tokens\n"
		      "  discounts:\n    - {percent: 25 %, from: 22:00, to: 06:00, days: [fri]}\n"
		      "    - {percent: 12.5 %, days: [sat, sun]}\n");
	/* 5 June 2026 is a Friday. */
	costs(c.tariffs, u, unix_ns(2026, 6, 5, 21, 59, 59), 0, "10");
	costs(c.tariffs, u, unix_ns(2026, 6, 5, 22, 0, 0), 0, "7.5");
	costs(c.tariffs, u, unix_ns(2026, 6, 6, 5, 59, 59), 0, "7.5");
	costs(c.tariffs, u, unix_ns(2026, 6, 6, 6, 0, 0), 0, "8.75");
	costs(c.tariffs, u, unix_ns(2026, 6, 6, 23, 0, 0), 0, "8.75");
	costs(c.tariffs, u, unix_ns(2026, 6, 8, 0, 0, 0), 0, "10");
	costs(c.tariffs, u, unix_ns(2026, 6, 5, 1, 0, 0), 0, "10");
	/* Before 1970 as after: 26 December 1969 was a Friday. */
	costs(c.tariffs, u, unix_ns(1969, 12, 26, 23, 0, 0), 0, "7.5");
	costs(c.tariffs, u, unix_ns(1969, 12, 27, 1, 0, 0), 0, "7.5");
	claims__free(&c);
}

static void a_discount_at_a_time_that_nobody_knows_is_no_price(void **state)
{
	struct decimal price;
	struct claims c;

	(void)state;
	read_well(&c, "tariff: {" PRICES ", discounts: [{percent: 60 %, from: 00:00, to: 08:00}]}\n");
	assert_int_equal(tariff__price(c.tariffs, 1, 0, 0, 0, ABSENT, 0, &price), -ENODATA);
	claims__free(&c);
	read_well(&c, "tariff: {" PRICES "}\n");
	costs(c.tariffs, (struct usage){ 1000000, 0, 0, 0 }, ABSENT, 0, "4.00");
	claims__free(&c);
}

#define TIERS                                                                                                          \
	"  tiers:\n"                                                                                                   \
	"    - {from: 0 tokens, prompt: 4 USD per million tokens, cached: 1 USD per million tokens,\n"                 \
	"       completion: 8 USD per million tokens}\n"                                                               \
	"    - {from: 1000 tokens, prompt: 2 USD per million tokens, completion: 6 USD per million tokens}\n"          \
	"    - {from: 5000 tokens, prompt: 1 USD per million tokens, completion: 5 USD per million tokens}\n"

static void tiers_of_the_month_price_each_token_where_it_stands(void **state)
{
	struct claims c;

	(void)state;
	read_well(&c, "tariff:\n" TIERS);
	costs(c.tariffs, (struct usage){ 1000, 0, 0, 0 }, 0, 0, "0.004");
	costs(c.tariffs, (struct usage){ 1001, 0, 0, 0 }, 0, 0, "0.004002");
	costs(c.tariffs, (struct usage){ 1, 0, 0, 0 }, 0, 1000, "0.000002");
	/* 1000 x 4 + 4000 x 2 + 1000 x 1, then 500 completion x 5 */
	costs(c.tariffs, (struct usage){ 6000, 0, 500, 0 }, 0, 0, "0.0155");
	/* 100 cached x 1, 100 prompt x 4; 800 completion x 8 up to 1000, 200 x 6 */
	costs(c.tariffs, (struct usage){ 200, 100, 1000, 0 }, 0, 0, "0.0081");
	claims__free(&c);
}

static void tiers_by_request_price_all_of_it_by_the_prompt_s_size(void **state)
{
	struct claims c;

	(void)state;
	read_well(&c, "tariff:\n" TIERS "  tiers_by: request\n");
	costs(c.tariffs, (struct usage){ 999, 0, 2000, 0 }, 0, 0, "0.019996");
	costs(c.tariffs, (struct usage){ 1000, 0, 2000, 0 }, 0, 0, "0.014");
	costs(c.tariffs, (struct usage){ 5000, 0, 0, 0 }, 0, 999999, "0.005");
	claims__free(&c);
}

static void a_month_in_one_line_costs_what_its_requests_cost_together(void **state)
{
	uint64_t seed = 5;
	struct claims c;

	(void)state;
	read_well(&c, "tariff:\n" TIERS);
	for (int round = 0; round < 200; round++) {
		struct decimal sum = { 0 }, one, whole;
		int64_t prompt = 0;

		/* Prompts alone, since the order of kinds within a line is another than that of requests. */
		for (int i = 0; i < 20; i++) {
			const int64_t n = (int64_t)random_below(&seed, 700);

			assert_int_equal(tariff__price(c.tariffs, n, 0, 0, 0, 0, prompt, &one), 0);
			assert_int_equal(decimal__add(&sum, &sum, &one), 0);
			prompt += n;
		}
		assert_int_equal(tariff__price(c.tariffs, prompt, 0, 0, 0, 0, 0, &whole), 0);
		assert_int_equal(decimal__compare(&whole, &sum), 0);
	}
	claims__free(&c);
}

static void lines_are_rounded_as_the_price_list_says(void **state)
{
	static const struct {
		const char *rounding, *expected;
	} rows[] = {
		{ "{digits: 2}", "0.13" },
		{ "{digits: 2, how: half even}", "0.12" },
		{ "{digits: 2, how: down}", "0.12" },
		{ "{digits: 2, how: up}", "0.13" },
		{ "{digits: 6}", "0.125000" },
		{ "{digits: 0}", "0" },
		{ "{digits: 0, how: up}", "1" },
		{ "{digits: 2, of: total}", "0.125" },
		{ "{digits: 1, how: half up, of: line}", "0.1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[300];
		struct claims c;

		snprintf(text, sizeof(text),
			 "tariff: {prompt: 1 USD per million tokens, completion: 1 USD per million tokens, rounding: "
			 "%s}\n",
			 rows[i].rounding);
		read_well(&c, text);
		costs(c.tariffs, (struct usage){ 125000, 0, 0, 0 }, 0, 0, rows[i].expected);
		claims__free(&c);
	}
}

static void counts_that_cannot_be_have_no_price(void **state)
{
	struct decimal price;
	struct claims c;

	(void)state;
	read_well(&c, "tariff: {" PRICES "}\n");
	assert_int_equal(tariff__price(c.tariffs, -1, 0, 0, 0, 0, 0, &price), -ERANGE);
	assert_int_equal(tariff__price(c.tariffs, ABSENT, 0, 0, 0, 0, 0, &price), -ERANGE);
	assert_int_equal(tariff__price(c.tariffs, 5, 6, 0, 0, 0, 0, &price), -ERANGE);
	assert_int_equal(tariff__price(c.tariffs, 5, 0, 5, 6, 0, 0, &price), -ERANGE);
	assert_int_equal(tariff__price(c.tariffs, 5, -6, 5, 0, 0, 0, &price), -ERANGE);
	assert_int_equal(tariff__price(c.tariffs, INT64_MAX, 0, 1, 0, 0, 0, &price), -ERANGE);
	assert_int_equal(tariff__price(c.tariffs, INT64_MAX, 0, 0, 0, 0, 0, &price), 0);
	claims__free(&c);
}

static void a_price_list_that_says_two_things_or_half_a_thing_is_refused(void **state)
{
	(void)state;
	refused("tariff: {prompt: 4 CNY per million tokens}\n", "f.yaml:1:9: ", "no price for completion");
	refused("tariff: {prompt: 4 CNY per million tokens, completion: 4 USD per million tokens}\n",
		"f.yaml:1:", "USD beside CNY");
	refused("tariff: {prompt: 4, completion: 4}\n", "f.yaml:1:18: ", "no unit");
	refused("tariff:\n  prompt: 4 USD per million tokens\n" TIERS, "f.yaml:2:3: ", "'prompt' beside 'tiers'");
	refused("tariff: {" PRICES ", tiers_by: month}\n", "f.yaml:1:", "without 'tiers'");
	refused("tariff: {" PRICES ", tokens_before: 5 tokens}\n", "f.yaml:1:", "'tokens_before' without tiers");
	refused("tariff:\n" TIERS "  tokens_before: 1.5 tokens\n", "f.yaml:7:18", "no number of tokens");
	refused("tariff:\n" TIERS "  tiers_by: request\n  tokens_before: 5 tokens\n", "f.yaml:8:3",
		"tiers of the month");
	refused("tariff:\n  tiers:\n    - {from: 1 tokens, " PRICES "}\n", "f.yaml:3:14: ", "tier 1 begins nowhere");
	refused("tariff:\n  tiers:\n    - {from: 0 tokens, " PRICES "}\n    - {from: 0 tokens, " PRICES "}\n",
		"f.yaml:4:14: ", "tier 2 begins nowhere");
	refused("tariff:\n  tiers:\n    - {" PRICES "}\n", "f.yaml:3:7: ", "begins nowhere");
	refused("tariff:\n  tiers: []\n", "f.yaml:2:10: ", "list");
	refused("tariff: {" PRICES ", discounts: [{from: 00:00, to: 08:00}]}\n", "f.yaml:1:", "without 'percent'");
	refused("tariff: {" PRICES ", discounts: [{percent: 60}]}\n", "f.yaml:1:", "no unit");
	refused("tariff: {" PRICES ", discounts: [{percent: 101 %}]}\n", "f.yaml:1:", "from 0 to 100 %");
	refused("tariff: {" PRICES ", discounts: [{percent: 6e1 %}]}\n", "f.yaml:1:", "from 0 to 100 %");
	refused("tariff: {" PRICES ", discounts: [{percent: 60 %, from: 00:30}]}\n", "f.yaml:1:", "alone");
	refused("tariff: {" PRICES ", discounts: [{percent: 60 %, from: 0:30, to: 08:30}]}\n",
		"f.yaml:1:", "no time of day");
	refused("tariff: {" PRICES ", discounts: [{percent: 60 %, from: 00:60, to: 08:30}]}\n",
		"f.yaml:1:", "no time of day");
	refused("tariff: {" PRICES ", discounts: [{percent: 60 %, from: 08:00, to: 08:00}]}\n",
		"f.yaml:1:", "ends when it begins");
	refused("tariff: {" PRICES ", discounts: [{percent: 60 %, days: [monday]}]}\n",
		"f.yaml:1:", "unknown day 'monday'");
	refused("tariff: {" PRICES ", time_zone: Asia/Shanghai}\n", "f.yaml:1:", "offset from UTC");
	refused("tariff: {" PRICES ", time_zone: +25:00}\n", "f.yaml:1:", "offset from UTC");
	refused("tariff: {" PRICES ", rounding: {how: up}}\n", "f.yaml:1:", "without 'digits'");
	refused("tariff: {" PRICES ", rounding: {digits: 13}}\n", "f.yaml:1:", "more than 12");
	refused("tariff: {" PRICES ", rounding: {digits: -1}}\n", "f.yaml:1:", "whole number");
	refused("tariff:\n  - {" PRICES "}\n  - {" PRICES "}\n",
		"f.yaml:3:5: ", "second tariff for all models; the first is in line 2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_token_has_its_price),
		cmocka_unit_test(what_has_no_price_of_its_own_costs_as_its_kind),
		cmocka_unit_test(a_price_per_token_is_a_million_times_that_per_million),
		cmocka_unit_test(sixty_percent_off_at_night_in_the_vendor_s_time_zone),
		cmocka_unit_test(a_night_goes_on_after_midnight_and_belongs_to_the_day_it_began),
		cmocka_unit_test(a_discount_at_a_time_that_nobody_knows_is_no_price),
		cmocka_unit_test(tiers_of_the_month_price_each_token_where_it_stands),
		cmocka_unit_test(tiers_by_request_price_all_of_it_by_the_prompt_s_size),
		cmocka_unit_test(a_month_in_one_line_costs_what_its_requests_cost_together),
		cmocka_unit_test(lines_are_rounded_as_the_price_list_says),
		cmocka_unit_test(counts_that_cannot_be_have_no_price),
		cmocka_unit_test(a_price_list_that_says_two_things_or_half_a_thing_is_refused),
	};

	return cmocka_run_group_tests_name("price lists", tests, NULL, NULL);
}
