/* SPDX-License-Identifier: Apache-2.0 */
/* Prices of bills: tiers, discounts and rounding, to the last digit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "make_billing.h"

static struct tariff_tier tier;

static struct tariff_discount off_peak;

static struct decimal decimal(const char *text)
{
	struct decimal d;

	assert_int_equal(decimal__parse(&d, text, strlen(text)), 0);
	return d;
}

/* 2 and 8 per million tokens, a tenth of that for cached ones; to the millionth. */
static void add_prices(struct billing *s, struct tariff *t, const char *const *prices)
{
	tier = (struct tariff_tier){
		.prompt = decimal("2"), .cached = decimal("0.2"), .completion = decimal("8"), .has_cached = true
	};
	*t = (struct tariff){ .line = 1, .currency = "CNY", .tiers = &tier, .n_tiers = 1, .scale = 6 };
	t->rounding = ROUND_HALF_UP;
	for (int i = 0; i < N; i++) {
		s->lines[i].has_price = true;
		s->lines[i].price = decimal(prices[i]);
	}
	s->claims = (struct claims){ .tariffs = t, .n_tariffs = 1 };
	s->in.claims = &s->claims;
}

/* 20 x 2 + 30 x 8 = 280; 20 x 2 + 0.2 + 31 x 8 = 288.2; 296.4; 304.6, all in millionths. */
static const char *const honest_prices[] = { "0.000280", "0.000288", "0.000296", "0.000305" };

static void prices_follow_the_price_list_to_the_last_digit(void **unused)
{
	struct billing s;
	struct tariff t;

	(void)unused;
	billing__open(&s, 0);
	add_prices(&s, &t, honest_prices);
	billing__verify(&s);
	billing__expect_verdict(&s, VERDICT_CONFIRMED);
	assert_int_equal(verdict__count(&s.v, VERDICT_CONFIRMED, "bill.price"), N);
	billing__expect(&s, "bill.total_price", 0, VERDICT_CONFIRMED, "0.001169", "0.001169");
	verification__free(&s.v);
	s.lines[1].price = decimal("0.000289");
	assert_int_equal(verify__run(&s.v, &s.in), 0);
	billing__expect(&s, "bill.price", 3, VERDICT_REFUTED, "0.000289", "0.000288");
	billing__expect_says(&s, "bill.price", 3, "0.000001 CNY more");
	billing__expect(&s, "bill.total_price", 0, VERDICT_REFUTED, "0.001170", "0.001169");
	billing__close(&s);
}

/* 1000 tokens at 4, all above at 2: each month's 1500 cost 5000 millionths, and none of them less for those of the month before. */
static void prices_by_the_month_begin_anew_with_each(void **unused)
{
	static struct tariff_tier tiers[2];
	/* The middle of January, February, and of January again. */
	static const int64_t days[] = { 0, 31, 0 };
	static const enum verdict verdicts[] = { VERDICT_CONFIRMED, VERDICT_CONFIRMED, VERDICT_INCONCLUSIVE };
	const char *const prices[N] = { "0.005000", "0.005000", "0.003000", "0" };
	struct billing s;
	struct tariff t;

	(void)unused;
	billing__open(&s, 0);
	add_prices(&s, &t, prices);
	tiers[0] = (struct tariff_tier){ .prompt = decimal("4"), .completion = decimal("4") };
	tiers[1] = (struct tariff_tier){ .prompt = decimal("2"), .completion = decimal("2"), .from_tokens = 1000 };
	t.tiers = tiers;
	t.n_tiers = 2;
	s.bill.n = 3;
	for (int i = 0; i < 3; i++) {
		s.lines[i].prompt_tokens = 1000;
		s.lines[i].cached_tokens = ABSENT;
		s.lines[i].completion_tokens = 500;
		s.lines[i].request_id = NULL;
		s.lines[i].begin_unix_ns = UNIX_START + days[i] * 86400 * SECOND;
	}
	billing__verify(&s);
	for (int i = 0; i < 3; i++)
		billing__expect(&s, "bill.price", i + 2, verdicts[i], NULL, NULL);
	billing__close(&s);
}

/*
 * Tiers as above; the first line is of 1500 tokens of the middle of January, behind so many that are not in the bill. Whoever says how many gets
 * a verdict, and so does a price that no tier makes.
 */
static void prices_of_a_bill_that_begins_in_mid_month_are_open_unless_the_price_list_says_what_was_before(void **unused)
{
	static struct tariff_tier tiers[2];
	static const struct {
		const char *price;
		int64_t before;	/* -1: not said */
		bool is_first;	/* of the month */
		enum verdict verdict;
	} cases[] = {
		{ "0.005000", -1, false, VERDICT_CONFIRMED },	 { "0.003000", -1, false, VERDICT_INCONCLUSIVE },
		{ "0.004000", -1, false, VERDICT_INCONCLUSIVE }, { "0.006001", -1, false, VERDICT_REFUTED },
		{ "0.002999", -1, false, VERDICT_REFUTED },	 { "0.003000", 1000, false, VERDICT_CONFIRMED },
		{ "0.005000", 1000, false, VERDICT_REFUTED },	 { "0.004000", 500, false, VERDICT_CONFIRMED },
		{ "0.003000", 0, false, VERDICT_REFUTED },	 { "0.003000", -1, true, VERDICT_REFUTED },
		{ "0.005000", -1, true, VERDICT_CONFIRMED },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const prices[N] = { cases[i].price, "0", "0", "0" };
		struct billing s;
		struct tariff t;

		billing__open(&s, 0);
		add_prices(&s, &t, prices);
		tiers[0] = (struct tariff_tier){ .prompt = decimal("4"), .completion = decimal("4") };
		tiers[1] =
			(struct tariff_tier){ .prompt = decimal("2"), .completion = decimal("2"), .from_tokens = 1000 };
		t.tiers = tiers;
		t.n_tiers = 2;
		t.has_tokens_before = cases[i].before >= 0;
		t.tokens_before = t.has_tokens_before ? cases[i].before : 0;
		s.bill.n = 1;
		s.lines[0].prompt_tokens = 1000;
		s.lines[0].cached_tokens = ABSENT;
		s.lines[0].completion_tokens = 500;
		s.lines[0].request_id = NULL;
		s.lines[0].begin_unix_ns = UNIX_START;
		/* 2027-01-15 08:00 is UNIX_START; the bill is said to begin with January. */
		if (cases[i].is_first) {
			s.in.window_begin_unix_ns = UNIX_START - (14 * 86400 + 8 * 3600) * SECOND;
			s.in.window_end_unix_ns = UNIX_START + 86400 * SECOND;
		}
		billing__verify(&s);
		billing__expect(&s, "bill.price", 2, cases[i].verdict, NULL, NULL);
		billing__expect(&s, "bill.total_price", 0, cases[i].verdict, NULL, NULL);
		billing__close(&s);
	}
}

/* One line for all: 280 + 288 + 296 + 305 is what its requests cost, and 1169.2 its tokens. */
static void rounding_every_request_is_no_wrong_sum(void **unused)
{
	static const struct {
		const char *price;
		int64_t n_requests;
		enum verdict verdict;
	} cases[] = {
		{ "0.001169", 4, VERDICT_CONFIRMED },	      { "0.001171", 4, VERDICT_INCONCLUSIVE },
		{ "0.001171", ABSENT, VERDICT_INCONCLUSIVE }, { "0.001174", 4, VERDICT_REFUTED },
		{ "0.001174", ABSENT, VERDICT_REFUTED },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *prices[N] = { cases[i].price, "0", "0", "0" };
		struct billing s;
		struct tariff t;

		billing__open(&s, 0);
		add_prices(&s, &t, prices);
		s.bill.n = 1;
		s.lines[0].request_id = NULL;
		s.lines[0].n_requests = cases[i].n_requests;
		s.lines[0].prompt_tokens = 20 + 21 + 22 + 23;
		s.lines[0].cached_tokens = 0 + 1 + 2 + 3;
		s.lines[0].completion_tokens = 30 + 31 + 32 + 33;
		billing__verify(&s);
		billing__expect(&s, "bill.price", 2, cases[i].verdict, cases[i].price, "0.001169");
		billing__expect(&s, "bill.total_price", 0, cases[i].verdict, cases[i].price, "0.001169");
		billing__close(&s);
	}
}

static void an_off_peak_discount_applies_to_requests_at_that_time(void **unused)
{
	/* 60 % less: 112; 115.28; 118.56; 121.84 */
	static const char *const prices[] = { "0.000112", "0.000115", "0.000119", "0.000122" };
	struct billing s;
	struct tariff t;

	(void)unused;
	billing__open(&s, 0);
	add_prices(&s, &t, prices);
	/* 1800000000 is Friday, 2027-01-15 08:00 UTC. */
	off_peak = (struct tariff_discount){ 7 * 60, 9 * 60, 0x7f, decimal("60") };
	t.discounts = &off_peak;
	t.n_discounts = 1;
	billing__verify(&s);
	billing__expect_verdict(&s, VERDICT_CONFIRMED);
	verification__free(&s.v);
	off_peak.from_minute = 9 * 60;
	off_peak.to_minute = 10 * 60;
	assert_int_equal(verify__run(&s.v, &s.in), 0);
	assert_int_equal(verdict__count(&s.v, VERDICT_REFUTED, "bill.price"), N);
	billing__close(&s);
}

/* The first request comes with the discount, at 08:00:00; the biller's clock may have been a little slow. */
static void a_discount_that_begins_with_a_request_is_a_matter_of_clocks(void **unused)
{
	static const char *const prices[] = { "0.000280", "0.000115", "0.000119", "0.000122" };
	struct billing s;
	struct tariff t;

	(void)unused;
	billing__open(&s, 0);
	add_prices(&s, &t, prices);
	off_peak = (struct tariff_discount){ 8 * 60, 9 * 60, 0x7f, decimal("60") };
	t.discounts = &off_peak;
	t.n_discounts = 1;
	billing__verify(&s);
	billing__expect(&s, "bill.price", 2, VERDICT_INCONCLUSIVE, "0.000280", "0.000112");
	billing__expect(&s, "bill.total_price", 0, VERDICT_INCONCLUSIVE, NULL, NULL);
	assert_int_equal(verdict__count(&s.v, VERDICT_CONFIRMED, "bill.price"), N - 1);
	verification__free(&s.v);
	s.lines[1].price = decimal("0.000288");
	assert_int_equal(verify__run(&s.v, &s.in), 0);
	billing__expect(&s, "bill.price", 3, VERDICT_REFUTED, "0.000288", "0.000115");
	billing__expect(&s, "bill.total_price", 0, VERDICT_REFUTED, NULL, NULL);
	billing__close(&s);
}

/* The bill says that they were made three hours later, or in the hour then, when nothing is taken off. */
static void when_a_request_was_made_the_recording_says_and_not_the_bill(void **unused)
{
	for (int hour = 0; hour < 2; hour++) {
		struct billing s;
		struct tariff t;

		(void)unused;
		billing__open(&s, 0);
		add_prices(&s, &t, honest_prices);
		off_peak = (struct tariff_discount){ 7 * 60, 9 * 60, 0x7f, decimal("60") };
		t.discounts = &off_peak;
		t.n_discounts = 1;
		for (int i = 0; i < N; i++) {
			s.lines[i].begin_unix_ns = UNIX_START + 3 * 3600 * SECOND;
			s.lines[i].end_unix_ns = hour ? UNIX_START + 4 * 3600 * SECOND : ABSENT;
		}
		billing__verify(&s);
		assert_int_equal(verdict__count(&s.v, VERDICT_REFUTED, "bill.price"), N);
		billing__close(&s);
	}
}

/* One unit too much in each, and the day beside its id: a sum of many roundings that is none. */
static void the_day_of_a_request_makes_no_sum_of_it(void **unused)
{
	static const char *const prices[] = { "0.000281", "0.000289", "0.000297", "0.000306" };
	struct billing s;
	struct tariff t;

	(void)unused;
	billing__open(&s, 0);
	add_prices(&s, &t, prices);
	for (int i = 0; i < N; i++) {
		s.lines[i].begin_unix_ns = UNIX_START - 8 * 3600 * SECOND;
		s.lines[i].end_unix_ns = UNIX_START + 16 * 3600 * SECOND;
	}
	billing__verify(&s);
	assert_int_equal(verdict__count(&s.v, VERDICT_REFUTED, "bill.price"), N);
	billing__close(&s);
}

static void prices_without_a_price_list_are_noted_as_unchecked(void **unused)
{
	struct billing s;
	struct tariff t;

	(void)unused;
	billing__open(&s, 0);
	add_prices(&s, &t, honest_prices);
	s.in.claims = NULL;
	billing__verify(&s);
	billing__expect_verdict(&s, VERDICT_CONFIRMED);
	assert_non_null(verdict__note(&s.v, "bill.price_unchecked"));
	billing__close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prices_follow_the_price_list_to_the_last_digit),
		cmocka_unit_test(rounding_every_request_is_no_wrong_sum),
		cmocka_unit_test(prices_by_the_month_begin_anew_with_each),
		cmocka_unit_test(
			prices_of_a_bill_that_begins_in_mid_month_are_open_unless_the_price_list_says_what_was_before),
		cmocka_unit_test(an_off_peak_discount_applies_to_requests_at_that_time),
		cmocka_unit_test(a_discount_that_begins_with_a_request_is_a_matter_of_clocks),
		cmocka_unit_test(when_a_request_was_made_the_recording_says_and_not_the_bill),
		cmocka_unit_test(the_day_of_a_request_makes_no_sum_of_it),
		cmocka_unit_test(prices_without_a_price_list_are_noted_as_unchecked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
