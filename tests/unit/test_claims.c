/* SPDX-License-Identifier: Apache-2.0 */
/* Claims files: what is written is what is read, every default is the documented one, every mistake has a place and a remedy. */
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
#include <unistd.h>

#include "userspace/verify/claims.h"
#include "userspace/verify/sheet.h"

#define DOCS "docs/claims.md"
#define TABLES "tests/fuzz/corpus/claims/published_tables"

static char error[400], remedy[600];

static int parse(struct claims *c, const char *text)
{
	return claims__parse(c, "f.yaml", text, strlen(text), error, sizeof(error), remedy, sizeof(remedy));
}

static void read_well(struct claims *c, const char *text)
{
	if (parse(c, text))
		fail_msg("%s (%s)\n%s", error, remedy, text);
}

/* The place, a part of the sentence, and a part of the remedy. */
static void refused(const char *text, const char *place, const char *says, const char *advises)
{
	struct claims c;

	assert_int_equal(parse(&c, text), -EINVAL);
	if (strncmp(error, place, strlen(place)) != 0 || !strstr(error, says) || !strstr(remedy, advises))
		fail_msg("%s | %s\nshould be %s ... %s | ... %s\n%s", error, remedy, place, says, advises, text);
	assert_null(c.claims);
	claims__free(&c);
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	if (!f)
		fail_msg("cannot open %s: run the tests from the root of the repository", path);
	assert_true(getdelim(&text, &size, '\0', f) > 0);
	fclose(f);
	return text;
}

static const struct claim *find(const struct claims *c, const char *id)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->claims[i].id, id) == 0)
			return &c->claims[i];
	fail_msg("no claim %s", id);
	return NULL;
}

static void assert_price(const struct decimal *d, const char *expected)
{
	char text[DECIMAL_TEXT];

	decimal__format(d, text);
	assert_string_equal(text, expected);
}

static void columns_of_a_bill_have_the_names_that_the_pages_give_them(void **state)
{
	static const char *const pages[] = { DOCS, "docs/bills.md" };
	char name[40];

	(void)state;
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		char *page = read_file(pages[i]);

		for (int column = 0; column < N_BILL_COLUMNS; column++) {
			snprintf(name, sizeof(name), "`%s`", bill_column_names[column]);
			if (!strstr(page, name))
				fail_msg("%s has no %s", pages[i], name);
		}
		free(page);
	}
}

static void the_examples_of_the_docs_are_read_whole(void **state)
{
	char *docs = read_file(DOCS), *at = docs;
	struct claims c;
	int n = 0;

	(void)state;
	while ((at = strstr(at, "```yaml\n"))) {
		char *text = at + strlen("```yaml\n"), *end = strstr(text, "```");

		assert_non_null(end);
		*end = '\0';
		read_well(&c, text);
		if (n == 0) {
			assert_int_equal(c.n, 18);
			assert_int_equal(c.n_tariffs, 1);
			assert_string_equal(c.map.names[BILL_PROMPT_TOKENS], "input_tokens");
		}
		claims__free(&c);
		at = end + 1;
		n++;
	}
	assert_int_equal(n, 2);
	free(docs);
}

static void every_metric_and_key_is_in_the_docs(void **state)
{
	static const char *const keys[] = { "`at_least`",      "`statistic`", "`of`",
					    "`confidence`",    "`until`",     "`failed_requests`",
					    "`first_request`", "`active`",    "`tiers_by`",
					    "`tokens_before`", "`rounding`",  "`prompt_includes_cached`" };
	char *docs = read_file(DOCS);

	(void)state;
	for (int i = 0; i < N_CLAIM_METRICS; i++) {
		char row[64];

		snprintf(row, sizeof(row), "\n| `%s` | ", claim_metric_names[i]);
		if (!strstr(docs, row))
			fail_msg("%s is not in %s", claim_metric_names[i], DOCS);
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_non_null(strstr(docs, keys[i]));
	free(docs);
}

static void figures_are_read_in_base_units_to_the_last_digit(void **state)
{
	static const struct {
		const char *metric, *figure;
		double value, step;
	} rows[] = {
		{ "throughput", "1200 tokens/s", 1200, 1 },
		{ "throughput", "1200.50 tokens per second", 1200.5, 0.01 },
		{ "ttft", "450 ms", 450e6, 1e6 },
		{ "ttft", "0.83 ms", 830e3, 1e4 },
		{ "ttft", "0.83ms", 830e3, 1e4 },
		{ "tpot", "12 us", 12e3, 1e3 },
		{ "tpot", "12 \xc2\xb5s", 12e3, 1e3 },
		{ "e2e", "2 s", 2e9, 1e9 },
		{ "itl", "7 ns", 7, 1 },
		{ "success_rate", "99.5 %", 0.995, 0.001 },
		{ "success_rate", "100%", 1, 0.01 },
		{ "parameters", "7B", 7e9, 1e9 },
		{ "parameters", "7.24 B parameters", 7.24e9, 1e7 },
		{ "parameters", "135M", 135e6, 1e6 },
		{ "parameters", "7e9", 7e9, 1e9 },
		{ "parameters", "7240000000", 7240000000.0, 1 },
		{ "context", "32768 tokens", 32768, 1 },
		{ "tokens_per_joule", "2.5 tokens/J", 2.5, 0.1 },
		{ "tokens_per_joule", "2500 tokens/kJ", 2.5, 0.001 },
		{ "speculation", "yes", 1, 0 },
		{ "speculation", "no", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[120];
		struct claims c;

		snprintf(text, sizeof(text), "claims:\n  - {metric: %s, is: %s}\n", rows[i].metric, rows[i].figure);
		read_well(&c, text);
		assert_true(c.claims[0].value == rows[i].value);
		assert_true(c.claims[0].step == rows[i].step);
		claims__free(&c);
	}
}

static void prices_are_exact_per_million_whatever_they_are_per(void **state)
{
	static const char *const rows[][3] = {
		{ "0.50 USD per million tokens", "0.50", "USD" },
		{ "0.005 CNY per token", "5000", "CNY" },
		{ "0.0035 CNY per token", "3500", "CNY" },
		{ "0.0025 EUR per thousand tokens", "2.5", "EUR" },
		{ "3 USD/1M tokens", "3", "USD" },
		{ "0.00000000000001 USD per token", "0.00000001", "USD" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[120];
		struct claims c;

		snprintf(text, sizeof(text), "claims:\n  - {metric: price, is: %s}\n", rows[i][0]);
		read_well(&c, text);
		assert_price(&c.claims[0].money, rows[i][1]);
		assert_string_equal(c.claims[0].currency, rows[i][2]);
		assert_true(isnan(c.claims[0].value));
		claims__free(&c);
	}
}

static void what_is_left_out_is_as_mlperf_has_it(void **state)
{
	const struct claim *ttft, *rate;
	struct claims c;

	(void)state;
	read_well(&c, "claims:\n  - {metric: ttft, at_most: 450 ms}\n  - {metric: throughput, at_least: 9 tokens/s}\n");
	ttft = find(&c, "ttft_p99");
	assert_int_equal(ttft->statistic, STATISTIC_PERCENTILE);
	assert_true(ttft->percentile == 99);
	assert_true(ttft->from_first_token && ttft->include_failed && !ttft->drop_first_request && !ttft->at_least);
	assert_true(ttft->confidence == 0.95);
	assert_null(ttft->model);
	assert_int_equal(ttft->line, 2);
	rate = find(&c, "throughput");
	assert_int_equal(rate->statistic, STATISTIC_MEAN);
	assert_int_equal(rate->of, OF_OUTPUT);
	assert_true(rate->at_least);
	assert_int_equal(rate->line, 3);
	claims__free(&c);
}

static void what_is_said_is_kept(void **state)
{
	const struct claim *x;
	struct claims c;

	(void)state;
	read_well(&c, "claims:\n"
		      "  - {metric: ttft, is: 1 s, statistic: median, until: first chunk, failed_requests: leave out,\n"
		      "     first_request: leave out, model: small, confidence: 99 %, id: x}\n"
		      "  - {metric: parameters, is: 671B, active: 37B}\n"
		      "  - {metric: hardware, is: NVIDIA A100, count: 8}\n"
		      "  - {metric: throughput, of: input, is: 1 tokens/s}\n"
		      "  - {metric: throughput, of: input, is: 2 tokens/s}\n"
		      "  - {metric: itl, is: 2 ms, statistic: p99.9}\n");
	x = find(&c, "x");
	assert_int_equal(x->statistic, STATISTIC_MEDIAN);
	assert_true(!x->from_first_token && !x->include_failed && x->drop_first_request);
	assert_string_equal(x->model, "small");
	assert_true(x->confidence == 0.99);
	assert_true(find(&c, "parameters")->active == 37e9);
	assert_int_equal(find(&c, "hardware")->n_devices, 8);
	assert_string_equal(find(&c, "hardware")->text, "NVIDIA A100");
	assert_true(find(&c, "throughput_input")->value == 1);
	assert_true(find(&c, "throughput_input_2")->value == 2);
	assert_true(find(&c, "itl_p99.9")->percentile == 99.9);
	claims__free(&c);
}

static void a_bill_s_columns_are_renamed(void **state)
{
	struct claims c;

	(void)state;
	read_well(
		&c,
		"bill:\n  columns: {request_id: id, price: amount}\n  prompt_includes_cached: no\n  time_zone: -03:30\n"
		"  time_unit: ms\n  currency: CNY\n");
	assert_string_equal(c.map.names[BILL_REQUEST_ID], "id");
	assert_string_equal(c.map.names[BILL_PRICE], "amount");
	assert_null(c.map.names[BILL_MODEL]);
	assert_true(c.map.prompt_excludes_cached);
	assert_string_equal(c.map.time_zone_offset, "-03:30");
	assert_string_equal(c.map.time_unit, "ms");
	assert_string_equal(c.map.currency, "CNY");
	claims__free(&c);
}

static void a_unit_that_is_not_known_is_an_error_that_names_the_known_ones(void **state)
{
	(void)state;
	refused("claims:\n  - metric: ttft\n    at_most: 450 msec\n", "f.yaml:3:14: ", "450 msec", "ns, us, ms, s");
	refused("claims:\n  - {metric: ttft, at_most: 450}\n", "f.yaml:2:29: ", "no unit", "ns, us, ms, s");
	refused("claims:\n  - {metric: throughput, at_least: 1200 tokens/h}\n", "f.yaml:2:36: ", "tokens/h",
		"tokens/s");
	refused("claims:\n  - {metric: success_rate, is: 0.995}\n", "f.yaml:2:", "no unit", "%");
	refused("claims:\n  - {metric: context, is: 128K tokens}\n", "f.yaml:2:", "128K tokens", "tokens");
	refused("claims:\n  - {metric: parameters, is: 7b}\n", "f.yaml:2:", "7b", "K, M, B, T");
	refused("claims:\n  - {metric: price, is: 5 $ per million tokens}\n", "f.yaml:2:", "5 $",
		"CUR per million tokens");
	refused("claims:\n  - {metric: price, is: 5 USD per page}\n", "f.yaml:2:", "5 USD per page",
		"CUR per million tokens");
	refused("claims:\n  - {metric: price, is: 0.0000000000000001 USD per token}\n", "f.yaml:2:", "more digits",
		"units");
}

static void a_figure_is_a_number_that_nobody_can_read_in_two_ways(void **state)
{
	(void)state;
	refused("claims:\n  - {metric: throughput, is: \"1,200 tokens/s\"}\n", "f.yaml:2:30: ", "1,200", "tokens/s");
	refused("claims:\n  - {metric: throughput, is: -5 tokens/s}\n", "f.yaml:2:", "without sign", "tokens/s");
	refused("claims:\n  - {metric: throughput, is: fast}\n", "f.yaml:2:", "fast", "tokens/s");
	refused("claims:\n  - {metric: throughput, is: nan tokens/s}\n", "f.yaml:2:", "nan", "tokens/s");
	refused("claims:\n  - {metric: throughput, is: 0x10 tokens/s}\n", "f.yaml:2:", "0x10", "tokens/s");
	refused("claims:\n  - {metric: throughput, is: 1e99 tokens/s}\n", "f.yaml:2:", "more digits", "tokens/s");
	refused("claims:\n  - {metric: throughput, is: 0 tokens/s}\n", "f.yaml:2:", "claim of 0", "leave out");
	refused("claims:\n  - {metric: success_rate, is: 101 %}\n", "f.yaml:2:", "more than 100 %", "part");
}

static void a_slip_of_the_pen_is_answered_with_the_word_that_was_meant(void **state)
{
	(void)state;
	refused("claim:\n  - {metric: ttft}\n", "f.yaml:1:1: ", "unknown key 'claim'", "did you mean 'claims'?");
	refused("claims:\n  - {metric: model, is: ' '}\n", "f.yaml:2:25: ", "a claim of nothing", "leave out");
	refused("claims:\n  - {metric: hardware, is: 8x NVIDIA H100}\n",
		"f.yaml:2:28: ", "a number of devices before the name", "count: NUMBER");
	refused("claims:\n  - {metric: thruput, is: 5 tokens/s}\n", "f.yaml:2:14: ", "unknown metric 'thruput'",
		"throughput");
	refused("claims:\n  - {metric: ttft, at_mots: 5 ms}\n", "f.yaml:2:20: ", "unknown key of a claim 'at_mots'",
		"did you mean 'at_most'?");
	refused("claims:\n  - {metric: throughput, of: outputs, is: 5 tokens/s}\n", "f.yaml:2:", "outputs",
		"did you mean 'output'?");
	refused("bill:\n  columns:\n    request: id\n", "f.yaml:3:5: ", "unknown column 'request'",
		"did you mean 'request_id'?");
	refused("tariff: {promt: 5 USD per million tokens}\n", "f.yaml:1:10: ", "'promt'", "did you mean 'prompt'?");
	refused("accelerators:\n  - {devise: x}\n", "f.yaml:2:6: ", "'devise'", "did you mean 'device'?");
	refused("model_on_a100: []\n", "f.yaml:1:1: ", "'model_on_a100'", "did you mean 'models_on_a100'?");
}

static void a_claim_says_one_thing_and_all_of_it(void **state)
{
	(void)state;
	refused("claims:\n  - {at_most: 5 ms}\n", "f.yaml:2:5: ", "without 'metric'", "metric");
	refused("claims:\n  - {metric: ttft}\n", "f.yaml:2:5: ", "without a figure", "at_most");
	refused("claims:\n  - {metric: ttft, at_most: 5 ms, is: 5 ms}\n", "f.yaml:2:", "'is' beside 'at_most'",
		"two claims");
	refused("claims:\n  - {metric: ttft, at_least: 5 ms}\n", "f.yaml:2:20: ", "no promise for ttft", "at_most");
	refused("claims:\n  - {metric: throughput, at_most: 5 tokens/s}\n", "f.yaml:2:", "no promise", "at_least");
	refused("claims:\n  - {metric: tpot, at_most: 5 ms, of: input}\n", "f.yaml:2:", "no meaning for tpot",
		"leave it out");
	refused("claims:\n  - {metric: tpot, at_most: 5 ms, until: first chunk}\n", "f.yaml:2:", "no meaning",
		"leave it out");
	refused("claims:\n  - {metric: throughput, is: 5 tokens/s, statistic: p99}\n", "f.yaml:2:", "is a mean",
		"leave it out");
	refused("claims:\n  - {metric: ttft, is: 5 ms, statistic: p100}\n", "f.yaml:2:", "p100", "p99");
	refused("claims:\n  - {metric: ttft, is: 5 ms, statistic: 99}\n", "f.yaml:2:", "'99'", "p99");
	refused("claims:\n  - {metric: ttft, is: 5 ms, confidence: 5 %}\n", "f.yaml:2:", "from 50 %", "95 %");
	refused("claims:\n  - {metric: parameters, is: 7B, active: 8B}\n", "f.yaml:2:", "more active", "all");
	refused("claims:\n  - {metric: model, is: }\n", "f.yaml:2:", "no value", "leave the key out");
	refused("claims:\n  - {metric: ttft, is: 5 ms, id: a b}\n", "f.yaml:2:", "no id", "letters");
	refused("claims:\n  - {metric: ttft, is: 5 ms, id: a}\n  - {metric: ttft, is: 6 ms, id: a}\n",
		"f.yaml:3:", "line 2", "of its own");
	refused("claims: 5\n", "f.yaml:1:9: ", "'claims' is a list", "- ");
	refused("claims:\n  - ttft\n", "f.yaml:2:5: ", "a map", "key: value");
}

static void no_small_file_grows_into_a_large_one(void **state)
{
	(void)state;
	refused("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n",
		"f.yaml:1:4: ", "anchor (&a)", "write the values out");
	refused("claims: *a\n", "f.yaml:1:9: ", "alias (*a)", "write the values out");
	refused("claims: !!python/object/apply:os.system ['true']\n", "f.yaml:1:9: ", "tag", "leave it out");
	refused("claims: []\n---\nclaims: []\n", "f.yaml:2:1: ", "second document", "own");
	refused("claims: [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]\n", "f.yaml:1:", "in each other", "so deep");
	refused("claims: []\nclaims: []\n", "f.yaml:2:1: ", "'claims' stands twice; the first is in line 1",
		"keep one");
	refused("? [a]\n: b\n", "f.yaml:1:3: ", "no text", "plain word");
}

static void many_values_and_long_files_are_refused_at_once(void **state)
{
	const size_t n = CLAIMS_MAX_BYTES - 16;
	char *text = malloc(n + 16), path[] = "/tmp/tokprof_claims_XXXXXX";
	struct claims c;
	int fd = mkstemp(path);

	(void)state;
	strcpy(text, "note: [");
	for (size_t i = strlen(text); i < n; i += 2)
		memcpy(text + i, "x,", 3);
	strcat(text, "]\n");
	refused(text, "f.yaml:1:", "more than 50000 values", "split");
	assert_true(fd >= 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(write(fd, text, n), (ssize_t)n);
	close(fd);
	assert_int_equal(claims__read(&c, path, error, sizeof(error), remedy, sizeof(remedy)), -EFBIG);
	assert_non_null(strstr(error, ":1:1: longer than 1048576 bytes"));
	unlink(path);
	assert_int_equal(claims__read(&c, path, error, sizeof(error), remedy, sizeof(remedy)), -ENOENT);
	assert_non_null(strstr(error, "No such file"));
	assert_int_equal(claims__read(&c, "/", error, sizeof(error), remedy, sizeof(remedy)), -EISDIR);
	free(text);
}

static void what_is_no_yaml_is_refused_where_it_breaks(void **state)
{
	(void)state;
	refused("", "f.yaml:1:1: ", "nothing", "claims:");
	refused("# only a comment\n", "f.yaml:1:1: ", "nothing", "claims:");
	refused("just a text\n", "f.yaml:1:1: ", "a map", "claims:");
	refused("claims:\n\t- metric: ttft\n", "f.yaml:2:1: ", "no YAML", "tabs");
	refused("claims:\n  - {metric: ttft\n", "f.yaml:", "no YAML", "key: value");
	refused("note: caf\xe9 au lait\n", "f.yaml:1:", "not readable as text", "UTF-8");
	refused("claims: []\nnote: a\x01\n", "f.yaml:2:", "not readable as text", "UTF-8");
	refused("claims: []\nnote: \"a\\0b\"\n", "f.yaml:2:7: ", "zero byte", "leave it out");
}

static void a_byte_order_mark_and_windows_line_ends_are_read(void **state)
{
	struct claims c;

	(void)state;
	read_well(&c, "\xef\xbb\xbf"
		      "claims:\r\n  - {metric: ttft, at_most: 5 ms}\r\n");
	assert_int_equal(c.n, 1);
	claims__free(&c);
}

static void the_tables_of_the_trade_press_are_read_as_they_are(void **state)
{
	char *text = read_file(TABLES);
	const struct sheet *s;
	struct claims c;

	(void)state;
	read_well(&c, text);
	s = c.sheet;
	assert_non_null(s);
	assert_int_equal(s->n_accelerators, 3);
	assert_string_equal(s->accelerators[1].device, "Cambricon MLU370");
	assert_true(s->accelerators[1].latency_ms_per_token.low == 1.18);
	assert_int_equal(s->n_models, 6);
	assert_string_equal(s->models[0].device, "a100");
	assert_null(s->models[1].params_b.text);
	assert_string_equal(s->models[3].params_note, "MoE");
	assert_int_equal(s->n_prices, 5);
	assert_string_equal(s->prices[0].currency, "CNY");
	assert_price(&s->prices[3].price, "0.0035");
	assert_int_equal(s->n_techniques, 5);
	assert_true(s->techniques[0].pct.low == -30 && s->techniques[0].pct.high == -30);
	assert_true(s->techniques[1].factor.low == 4 && s->techniques[1].factor.high == 8);
	assert_true(s->techniques[3].pct.low == -80 && s->techniques[3].pct.high == -60);
	assert_true(s->abstraction_penalty_pct.low == 8 && s->off_peak_discount_pct.low == 60);
	assert_true(s->reference_params_b.low == 7 && s->reference_context.low == 2048);
	assert_int_equal(s->n_metrics, 9);
	assert_int_equal(c.n, 0);
	claims__free(&c);
	free(text);
}

static void wrong_rows_of_tables_are_refused(void **state)
{
	struct claims c;

	/* What follows a comma in a text without quotes is a word; what has a value is a mistake. */
	(void)state;
	read_well(&c, "token_prices_cny_per_token:\n  - {provider: x, price: 0.003, approach: token currency, batch "
		      "inference}\n");
	claims__free(&c);
	refused("token_prices_cny_per_token:\n  - {provider: x, price: 0.003, batch inference: 5}\n",
		"f.yaml:2:33: ", "'batch inference'", "known: provider");
	refused("accelerators:\n  - {device: x, throughput_tokens_per_s: fast}\n", "f.yaml:2:", "no number", "null");
	refused("accelerators:\n  - {device: x, throughput_tokens_per_s: -5}\n", "f.yaml:2:", "'-5'", "above 0");
	refused("accelerators:\n  - {device: x, throughput_tokens_per_s: 5 tokens/s}\n", "f.yaml:2:", "5 tokens/s",
		"in the key");
	refused("accelerators:\n  - {stack: x}\n", "f.yaml:2:5: ", "without 'device'", "row");
	refused("token_prices_cny_per_token:\n  - {provider: x}\n", "f.yaml:2:3: ", "no 'price'", "price:");
	refused("token_prices_yuan_per_token: []\n", "f.yaml:1:1: ", "token_prices_yuan_per_token",
		"token_prices_cny_per_token");
	refused("techniques_claimed:\n  - {technique: x, pct: 5..}\n", "f.yaml:2:", "'5..'", "range");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_of_a_bill_have_the_names_that_the_pages_give_them),
		cmocka_unit_test(the_examples_of_the_docs_are_read_whole),
		cmocka_unit_test(every_metric_and_key_is_in_the_docs),
		cmocka_unit_test(figures_are_read_in_base_units_to_the_last_digit),
		cmocka_unit_test(prices_are_exact_per_million_whatever_they_are_per),
		cmocka_unit_test(what_is_left_out_is_as_mlperf_has_it),
		cmocka_unit_test(what_is_said_is_kept),
		cmocka_unit_test(a_bill_s_columns_are_renamed),
		cmocka_unit_test(a_unit_that_is_not_known_is_an_error_that_names_the_known_ones),
		cmocka_unit_test(a_figure_is_a_number_that_nobody_can_read_in_two_ways),
		cmocka_unit_test(a_slip_of_the_pen_is_answered_with_the_word_that_was_meant),
		cmocka_unit_test(a_claim_says_one_thing_and_all_of_it),
		cmocka_unit_test(no_small_file_grows_into_a_large_one),
		cmocka_unit_test(many_values_and_long_files_are_refused_at_once),
		cmocka_unit_test(what_is_no_yaml_is_refused_where_it_breaks),
		cmocka_unit_test(a_byte_order_mark_and_windows_line_ends_are_read),
		cmocka_unit_test(the_tables_of_the_trade_press_are_read_as_they_are),
		cmocka_unit_test(wrong_rows_of_tables_are_refused),
	};

	return cmocka_run_group_tests_name("claims files", tests, NULL, NULL);
}
