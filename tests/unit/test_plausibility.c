/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What arithmetic alone says of claims. Figures of devices are those of their public data sheets: an A100 has 80 GB and reads
 * 2039 GB/s in its largest variant, 312 x 10^12 dense 16-bit and 1248 x 10^12 dense 4-bit operations a second, twice that with
 * structured sparsity.
 */
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

#include "userspace/verify/plausibility.h"

#define TABLES "tests/fuzz/corpus/claims/published_tables"

static char error[400], remedy[600];

struct checked {
	struct claims claims;
	struct verification v;
};

static void check(struct checked *c, const char *text, bool with_recording)
{
	static const struct recording recording;
	struct verify_input in = { .claims = &c->claims, .recording = with_recording ? &recording : NULL };

	memset(c, 0, sizeof(*c));
	if (claims__parse(&c->claims, "f.yaml", text, strlen(text), error, sizeof(error), remedy, sizeof(remedy)))
		fail_msg("%s (%s)\n%s", error, remedy, text);
	assert_int_equal(plausibility__run(&c->v, &in), 0);
	for (size_t i = 0; i < c->v.n; i++) {
		const struct check *k = &c->v.checks[i];

		if (!k->text || !k->text[0] || !k->rule[0] || k->grade != GRADE_DERIVED || k->claim_line < 1)
			fail_msg("check %s of %s is not whole", k->id, k->subject);
	}
}

static void done(struct checked *c)
{
	verification__free(&c->v);
	claims__free(&c->claims);
}

static const struct check *find(const struct checked *c, const char *id, const char *subject)
{
	for (size_t i = 0; i < c->v.n; i++)
		if (strcmp(c->v.checks[i].id, id) == 0 && strstr(c->v.checks[i].subject, subject))
			return &c->v.checks[i];
	return NULL;
}

static void says(const struct checked *c, const char *id, const char *subject, enum verdict verdict, const char *text)
{
	const struct check *k = find(c, id, subject);

	if (!k)
		fail_msg("no check %s of %s", id, subject);
	else if (k->verdict != verdict || !strstr(k->text, text))
		fail_msg("%s of %s is %s: %s", id, subject, verdict_names[k->verdict], k->text);
}

static char *read_tables(void)
{
	FILE *f = fopen(TABLES, "re");
	char *text = NULL;
	size_t size = 0;

	if (!f)
		fail_msg("cannot open %s: run the tests from the root of the repository", TABLES);
	assert_true(getdelim(&text, &size, '\0', f) > 0);
	fclose(f);
	return text;
}

static void every_row_of_the_published_tables_gets_a_true_word(void **state)
{
	static const enum verdict confirmed = VERDICT_CONFIRMED, open = VERDICT_INCONCLUSIVE, refuted = VERDICT_REFUTED;
	char *text = read_tables();
	struct checked c;

	(void)state;
	check(&c, text, false);
	/* 1200 x 0.83 = 996, 850 x 1.18 = 1003, 780 x 1.28 = 998.4: one thing said twice. */
	says(&c, "plausibility.throughput_latency", "A100", confirmed, "one figure");
	assert_string_equal(find(&c, "plausibility.throughput_latency", "A100")->measured, "0.996");
	assert_string_equal(find(&c, "plausibility.throughput_latency", "MLU370")->measured, "1.003");
	assert_string_equal(find(&c, "plausibility.throughput_latency", "MTT S80")->measured, "0.998");
	/* 2039 / 1200, 614.4 / 850, 448 / 780 GB; 7 billion parameters are 14 GB at 16 bits, 3.5 at 4. */
	assert_string_equal(find(&c, "plausibility.bytes_per_token", "A100")->high, "1.70");
	assert_string_equal(find(&c, "plausibility.bytes_per_token", "MLU370")->high, "0.72");
	assert_string_equal(find(&c, "plausibility.bytes_per_token", "MTT S80")->high, "0.57");
	says(&c, "plausibility.bytes_per_token", "A100", open,
	     "14 GB at 16 bits and 3.5 GB at 4, so the row is not that model");
	/* 1 - 780/1200 = 0.35; 1 - 780/850 = 0.0824 */
	says(&c, "plausibility.abstraction_penalty", "abstraction", open,
	     "780/1200 is 35.0 % less, 780/850 is 8.2 % less");
	/* 200 billion: 400 GB at 16 bits, at least 5 devices of 80 GB; 72: 144 GB, 2; 34: 68 GB fits. */
	says(&c, "plausibility.memory", "GPT-4o", open, "400 GB of weights beside 80 GB of memory, at least 5 devices");
	says(&c, "plausibility.memory", "Qwen2.5-72B", open,
	     "144 GB of weights beside 80 GB of memory, at least 2 devices");
	says(&c, "plausibility.memory", "Doubao-Pro", open, "200 GB");
	says(&c, "plausibility.memory", "Yi-Large", confirmed, "68 GB beside 80 GB");
	says(&c, "plausibility.memory", "DeepSeek-V3", refuted, "1342 GB at 16 bits");
	assert_null(find(&c, "plausibility.memory", "Claude"));
	/* 2039 / 144 = 14.2, 2039 / 36 = 56.6; 2039 / 68 = 30.0, / 17 = 120 */
	says(&c, "plausibility.rate", "Qwen2.5-72B", open, "at most 14.2 tokens/s at 16 bits and 56.6 at 4");
	says(&c, "plausibility.rate", "Yi-Large", open, "at most 30 tokens/s at 16 bits and 120 at 4");
	says(&c, "plausibility.rate", "DeepSeek-V3", open, "mixture of experts");
	says(&c, "plausibility.rate", "Claude", open, "no number of parameters");
	/* 45 tokens/s x 3600 x 5 USD / 10^6 */
	says(&c, "plausibility.rate", "GPT-4o", open, "0.81 USD an hour");
	says(&c, "plausibility.price_per_token", "Baidu", open, "0.005 CNY per token is 5000 CNY per million");
	says(&c, "plausibility.price_per_token", "Deeplang", open, "0.0035 CNY per token is 3500 CNY per million");
	says(&c, "plausibility.price_per_token", "Baidu", open, "as much only at 1000 CNY a dollar");
	says(&c, "plausibility.price_tables", "per million", refuted, "3000 CNY per million, at least 300 USD");
	says(&c, "plausibility.off_peak", "off_peak", open, "leaves 40 % of the price");
	/* 16 bits to 8 is 50 % less, to 4 is 75 % less; and the next row has 4 times for the same format. */
	says(&c, "plausibility.footprint", "INT4/INT8", refuted, "by arithmetic the weights shrink by 50 to 75 %");
	says(&c, "plausibility.footprint", "INT4/INT2", confirmed, "4 to 8 times");
	says(&c, "plausibility.technique", "INT4/INT2", open, "latency");
	says(&c, "plausibility.technique", "speculative", open, "factor of 3");
	says(&c, "plausibility.technique", "KV-cache", open, "leaves 3.2 to 6.4 of 16 bits");
	says(&c, "plausibility.technique", "heuristics", open, "one token off is a finding");
	assert_int_equal(c.v.n, 3 + 3 + 1 + 5 + 6 + 5 + 1 + 1 + 2 + 4);
	assert_int_equal(c.v.n_notes, 3);
	done(&c);
	free(text);
}

static void a_latency_that_gives_more_than_the_throughput_is_a_contradiction(void **state)
{
	struct checked c;

	(void)state;
	check(&c, "accelerators: [{device: x1, throughput_tokens_per_s: 100, latency_ms_per_token: 2}]\n", false);
	says(&c, "plausibility.throughput_latency", "x1", VERDICT_REFUTED, "500 tokens/s");
	says(&c, "plausibility.bytes_per_token", "x1", VERDICT_INCONCLUSIVE, "knows no memory bandwidth");
	done(&c);
	check(&c, "accelerators: [{device: x1, throughput_tokens_per_s: 1000, latency_ms_per_token: 20}]\n", false);
	says(&c, "plausibility.throughput_latency", "x1", VERDICT_INCONCLUSIVE, "about 20 streams");
	done(&c);
}

static void an_abstraction_s_price_is_measured_on_one_device(void **state)
{
	static const char text[] = "abstraction_penalty_pct_claimed: %s\naccelerators:\n"
				   "  - {device: x1, stack: native, throughput_tokens_per_s: 1000}\n"
				   "  - {device: x1, stack: abstracted, throughput_tokens_per_s: 900}\n";
	char file[300];
	struct checked c;

	(void)state;
	snprintf(file, sizeof(file), text, "10");
	check(&c, file, false);
	says(&c, "plausibility.abstraction_penalty", "", VERDICT_CONFIRMED, "900/1000 is 10.0 % less");
	done(&c);
	snprintf(file, sizeof(file), text, "8");
	check(&c, file, false);
	says(&c, "plausibility.abstraction_penalty", "", VERDICT_REFUTED, "900/1000 is 10.0 % less");
	done(&c);
}

static void prices_that_come_near_each_other_are_no_finding(void **state)
{
	struct checked c;

	(void)state;
	check(&c,
	      "models_on_a100: [{model: m, usd_per_million_tokens: 5.00}]\n"
	      "token_prices_cny_per_token: [{provider: p, price: 0.000005}, {provider: q, price: 0.005}]\n",
	      false);
	assert_null(find(&c, "plausibility.price_tables", ""));
	says(&c, "plausibility.price_per_token", "p", VERDICT_INCONCLUSIVE, "is 5 CNY per million");
	done(&c);
	check(&c, "off_peak_discount_pct: 160\n", false);
	says(&c, "plausibility.off_peak", "", VERDICT_REFUTED, "more than all");
	done(&c);
}

static void quantization_cannot_save_more_than_the_bits_that_it_drops(void **state)
{
	struct checked c;

	(void)state;
	check(&c, "techniques_claimed: [{technique: INT4, effect: memory footprint, pct: -90, against: FP16}]\n",
	      false);
	says(&c, "plausibility.footprint", "INT4", VERDICT_REFUTED, "4 times less");
	done(&c);
	check(&c, "techniques_claimed: [{technique: INT4, effect: memory footprint, pct: -75, against: FP16}]\n",
	      false);
	says(&c, "plausibility.footprint", "INT4", VERDICT_CONFIRMED, "75 to 75 %");
	done(&c);
	check(&c, "techniques_claimed: [{technique: INT4, effect: memory footprint, pct: -30, against: FP16}]\n",
	      false);
	says(&c, "plausibility.footprint", "INT4", VERDICT_INCONCLUSIVE, "less than arithmetic");
	done(&c);
}

#define A100 "  - {metric: hardware, is: NVIDIA A100 80GB}\n"

static void a_rate_above_the_memory_s_is_refuted_where_no_draft_can_explain_it(void **state)
{
	/* 70 billion at 16 bits are 140 GB, of which two A100s read 2 x 2039 GB/s: 29.1 a second (29.3 with 69.5 billion). */
	static const char text[] = "claims:\n  - {metric: parameters, is: 70B}\n  - {metric: precision, is: F16}\n"
				   "  - {metric: hardware, is: NVIDIA A100 80GB, count: 2}\n"
				   "  - {metric: user_throughput, at_least: %s tokens/s}\n%s";
	char file[400];
	struct checked c;

	(void)state;
	snprintf(file, sizeof(file), text, "60", "  - {metric: speculation, is: no}\n");
	check(&c, file, false);
	says(&c, "plausibility.memory_bandwidth", "user_throughput", VERDICT_REFUTED, "29.3 times a second");
	says(&c, "plausibility.memory", "parameters", VERDICT_CONFIRMED, "2 x NVIDIA A100 80GB has 160 GB");
	done(&c);
	snprintf(file, sizeof(file), text, "60", "");
	check(&c, file, false);
	says(&c, "plausibility.memory_bandwidth", "user_throughput", VERDICT_INCONCLUSIVE, "at least 2.05 tokens");
	done(&c);
	snprintf(file, sizeof(file), text, "25", "");
	check(&c, file, false);
	says(&c, "plausibility.memory_bandwidth", "user_throughput", VERDICT_INCONCLUSIVE, "possible");
	done(&c);
	snprintf(file, sizeof(file), text, "25",
		 "  - {metric: tpot, at_most: 10 ms}\n  - {metric: speculation, is: no}\n");
	check(&c, file, true);
	says(&c, "plausibility.memory_bandwidth", "tpot_p99", VERDICT_REFUTED, "impossible");
	assert_int_equal(c.v.n, 1);
	done(&c);
}

static void a_model_that_does_not_fit_is_refuted_at_the_precision_that_is_claimed(void **state)
{
	struct checked c;

	(void)state;
	check(&c, "claims:\n  - {metric: parameters, is: 200B}\n  - {metric: precision, is: FP16}\n" A100, false);
	says(&c, "plausibility.memory", "parameters", VERDICT_REFUTED, "as FP16 the weights take at least 399 GB");
	done(&c);
	check(&c, "claims:\n  - {metric: parameters, is: 100B}\n  - {metric: precision, is: INT4}\n" A100, false);
	says(&c, "plausibility.memory", "parameters", VERDICT_CONFIRMED, "fits");
	done(&c);
	check(&c, "claims:\n  - {metric: parameters, is: 200B}\n" A100, false);
	says(&c, "plausibility.memory", "parameters", VERDICT_INCONCLUSIVE, "the claims name none");
	done(&c);
}

static void no_batch_computes_more_than_the_device(void **state)
{
	struct checked c;

	(void)state;
	/* 2 x 1248 x 10^12 / (2 x 69.5 x 10^9) = 17957 tokens/s */
	check(&c, "claims:\n  - {metric: parameters, is: 70B}\n  - {metric: throughput, is: 18000 tokens/s}\n" A100,
	      false);
	says(&c, "plausibility.arithmetic", "throughput", VERDICT_REFUTED, "impossible");
	done(&c);
	check(&c, "claims:\n  - {metric: parameters, is: 70B}\n  - {metric: throughput, is: 17900 tokens/s}\n" A100,
	      false);
	assert_null(find(&c, "plausibility.arithmetic", ""));
	done(&c);
	/* Experts that are not asked compute nothing; a cached prompt is input that nobody computes. */
	check(&c,
	      "claims:\n  - {metric: parameters, is: 70B, active: 7B}\n  - {metric: throughput, is: 18000 "
	      "tokens/s}\n" A100,
	      false);
	assert_null(find(&c, "plausibility.arithmetic", ""));
	done(&c);
	check(&c,
	      "claims:\n  - {metric: parameters, is: 70B}\n  - {metric: throughput, of: input, is: 18000 "
	      "tokens/s}\n" A100,
	      false);
	assert_null(find(&c, "plausibility.arithmetic", ""));
	done(&c);
}

static void a_small_model_may_live_in_a_cache_and_has_no_bound(void **state)
{
	struct checked c;

	(void)state;
	check(&c,
	      "claims:\n  - {metric: parameters, is: 135M}\n  - {metric: precision, is: F16}\n  - {metric: "
	      "speculation, is: no}\n"
	      "  - {metric: user_throughput, is: 20000 tokens/s}\n" A100,
	      false);
	assert_null(find(&c, "plausibility.memory_bandwidth", ""));
	done(&c);
}

static void facts_of_one_model_are_not_held_against_another(void **state)
{
	struct checked c;

	(void)state;
	check(&c,
	      "claims:\n  - {metric: parameters, is: 70B, model: large}\n  - {metric: parameters, is: 1B, model: "
	      "small}\n"
	      "  - {metric: throughput, is: 18000 tokens/s, model: small}\n  - {metric: throughput, is: 18000 "
	      "tokens/s}\n" A100,
	      false);
	assert_null(find(&c, "plausibility.arithmetic", ""));
	assert_null(find(&c, "plausibility.contradiction", ""));
	done(&c);
}

static void two_figures_for_one_fact_contradict_each_other(void **state)
{
	struct checked c;

	(void)state;
	check(&c,
	      "claims:\n  - {metric: parameters, is: 7B}\n  - {metric: parameters, is: 8B}\n  - {metric: context, is: "
	      "8192 tokens}\n"
	      "  - {metric: context, is: 8192 tokens}\n",
	      false);
	says(&c, "plausibility.contradiction", "parameters_2", VERDICT_REFUTED, "line 2");
	assert_null(find(&c, "plausibility.contradiction", "context"));
	done(&c);
	check(&c, "claims:\n  - {metric: parameters, is: 7B}\n  - {metric: parameters, is: 7.2B}\n", false);
	assert_null(find(&c, "plausibility.contradiction", ""));
	done(&c);
	check(&c, "claims:\n  - {metric: precision, is: FP16}\n  - {metric: precision, is: f16}\n", false);
	assert_null(find(&c, "plausibility.contradiction", ""));
	done(&c);
	check(&c, "claims:\n  - {metric: precision, is: FP16}\n  - {metric: precision, is: BF16}\n", false);
	says(&c, "plausibility.contradiction", "precision_2", VERDICT_REFUTED, "says FP16");
	done(&c);
	check(&c, "claims:\n  - {metric: speculation, is: no}\n  - {metric: speculation, is: yes}\n", false);
	says(&c, "plausibility.contradiction", "speculation_2", VERDICT_REFUTED, "says no");
	done(&c);
}

static void a_price_that_the_price_list_does_not_have_is_refuted(void **state)
{
	static const char text[] =
		"claims: [{metric: price, at_most: %s USD per million tokens}]\n"
		"tariff: {prompt: 1 USD per million tokens, completion: 10 USD per million tokens, %s}\n";
	char file[300];
	struct checked c;

	(void)state;
	snprintf(file, sizeof(file), text, "9.99", "");
	check(&c, file, false);
	says(&c, "plausibility.tariff", "price", VERDICT_REFUTED, "at least 10.00 USD");
	done(&c);
	snprintf(file, sizeof(file), text, "10.00", "");
	check(&c, file, false);
	assert_null(find(&c, "plausibility.tariff", ""));
	done(&c);
	snprintf(file, sizeof(file), text, "4.00", "discounts: [{percent: 60 %, from: 00:00, to: 08:00}]");
	check(&c, file, false);
	assert_null(find(&c, "plausibility.tariff", ""));
	done(&c);
}

static void with_a_recording_only_what_is_impossible_is_said(void **state)
{
	struct checked c;

	(void)state;
	check(&c, "claims:\n  - {metric: ttft, at_most: 5 ms}\n  - {metric: parameters, is: 7B}\n" A100, true);
	assert_int_equal(c.v.n, 0);
	done(&c);
	check(&c, "claims:\n  - {metric: ttft, at_most: 5 ms}\n", false);
	says(&c, "plausibility.claim", "ttft_p99", VERDICT_INCONCLUSIVE, "needs a recording");
	done(&c);
}

/* --- devices and formats ------------------------------------------------------------------------------------------------ */

static void a_file_without_claims_says_that_nothing_was_judged(void **state)
{
	static const struct {
		const char *text;
		bool with_recording;
		const char *says;
	} cases[] = {
		{ "claims: []", false, "an empty list of claims: no claim was judged" },
		{ "claims: []", true, "an empty list of claims: no claim was judged" },
		{ "note: later", true, "no list of claims" },
		{ "tariff: {prompt: 1 CNY per token, completion: 1 CNY per token}", false,
		  "a price list is for a bill" },
		{ "tariff: {prompt: 1 CNY per token, completion: 1 CNY per token}", true, NULL },
		{ "claims: [{metric: ttft, at_most: 1 s}]", true, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct checked c;

		check(&c, cases[i].text, cases[i].with_recording);
		assert_int_equal(c.v.n_notes, cases[i].says != NULL);
		if (cases[i].says)
			assert_non_null(strstr(c.v.notes[0].text, cases[i].says));
		done(&c);
	}
}

static void a_device_is_known_by_its_chip_and_what_else_is_true_of_it(void **state)
{
	static const struct {
		const char *text;
		int n_variants;
		double gb_per_s;
	} rows[] = {
		{ "A100", 4, 2039 },
		{ "NVIDIA A100", 4, 2039 },
		{ "nvidia a100-sxm4-80gb", 1, 2039 },
		{ "NVIDIA A100 PCIe", 2, 1935 },
		{ "NVIDIA A100-PCIE-40GB", 1, 1555 },
		{ "A100 40GB", 2, 1555 },
		{ "NVIDIA H100 80GB HBM3", 2, 3350 },
		{ "Tesla V100-SXM2-32GB", 1, 900 },
		{ "Cambricon MLU370", 1, 614.4 },
		{ "Moore Threads MTT S80", 1, 448 },
		/* no other's figures for these */
		{ "Cambricon MLU370-X4", 0, 0 },
		{ "Apple A10", 0, 0 },
		{ "A1000", 0, 0 },
		{ "Ascend 910B/C", 0, 0 },
		{ "AMD EPYC 7763 64-Core Processor", 0, 0 },
		{ "NVIDIA", 0, 0 },
		{ "", 0, 0 },
	};
	struct device d;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const int err = devices__find(&d, rows[i].text);

		if (err != (rows[i].n_variants ? 0 : -ENOENT) || d.n_variants != rows[i].n_variants)
			fail_msg("'%s': %d, %d variants", rows[i].text, err, d.n_variants);
		assert_true(!rows[i].n_variants || fabs(d.bytes_per_s / 1e9 - rows[i].gb_per_s) < 1e-6);
	}
	assert_int_equal(devices__find(&d, "A100"), 0);
	assert_true(d.memory_bytes == 80.0 * 1024 * 1024 * 1024 && d.ops16_per_s == 624e12 && d.ops4_per_s == 2496e12);
}

static void the_table_of_devices_is_well_formed(void **state)
{
	static const char *const wrong[] = {
		"NVIDIA A100\t80\t2039\t312\t624\t1248\t2\n",
		"NVIDIA A100\t80\tfast\t312\t624\t1248\t2\tsource\n",
		"NVIDIA A100\t-80\t2039\t312\t624\t1248\t2\tsource\n",
		"NVIDIA A100\t80\t2039\t312\t624\t1248\t0.5\tsource\n",
		"NVIDIA A100\t80\t2039\t312\t624\t1248\t2\t\n",
		"\t80\t2039\t312\t624\t1248\t2\tsource\n",
		"NVIDIA A100\t80\t2039\t312\t624\t1248\t2\ta\tb\n",
	};
	struct device d;
	int line;

	(void)state;
	/* All lines are read, whatever is looked for. */
	assert_int_equal(devices__find(&d, "none1"), -ENOENT);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char table[200];

		snprintf(table, sizeof(table), "# comment\n\n%s", wrong[i]);
		assert_int_equal(devices__find_in(&d, "A100", table, strlen(table), &line), -EINVAL);
		assert_int_equal(line, 3);
	}
	assert_int_equal(devices__find_in(&d, "X1", "Y X1\t8\t-\t-\t-\t-\t1\tsheet", 22, &line), 0);
	assert_true(d.memory_gb == 8 && isnan(d.bytes_per_s) && isnan(d.ops16_per_s));
}

static void number_formats_have_their_bits(void **state)
{
	const char *name;

	(void)state;
	assert_true(precision__bits("F16") == 16 && precision__bits("FP16") == 16 && precision__bits("bf16") == 16);
	assert_true(precision__bits("INT8") == 8 && precision__bits("fp8") == 8 && precision__bits("int4") == 4);
	assert_true(precision__bits("Q8_0") == 8.5 && precision__bits("Q4_K_M") == 4.5 &&
		    precision__bits("Q4_K") == 4.5);
	assert_true(precision__bits("W4A16") == 4 && precision__bits("F32") == 32);
	assert_true(isnan(precision__bits("good")) && isnan(precision__bits("")) && isnan(precision__bits("INT")));
	assert_true(precision__fewest_bits(&name) == 1.125);
	assert_string_equal(name, "Q1_0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_of_the_published_tables_gets_a_true_word),
		cmocka_unit_test(a_latency_that_gives_more_than_the_throughput_is_a_contradiction),
		cmocka_unit_test(an_abstraction_s_price_is_measured_on_one_device),
		cmocka_unit_test(prices_that_come_near_each_other_are_no_finding),
		cmocka_unit_test(quantization_cannot_save_more_than_the_bits_that_it_drops),
		cmocka_unit_test(a_rate_above_the_memory_s_is_refuted_where_no_draft_can_explain_it),
		cmocka_unit_test(a_model_that_does_not_fit_is_refuted_at_the_precision_that_is_claimed),
		cmocka_unit_test(no_batch_computes_more_than_the_device),
		cmocka_unit_test(a_small_model_may_live_in_a_cache_and_has_no_bound),
		cmocka_unit_test(facts_of_one_model_are_not_held_against_another),
		cmocka_unit_test(two_figures_for_one_fact_contradict_each_other),
		cmocka_unit_test(a_price_that_the_price_list_does_not_have_is_refuted),
		cmocka_unit_test(with_a_recording_only_what_is_impossible_is_said),
		cmocka_unit_test(a_file_without_claims_says_that_nothing_was_judged),
		cmocka_unit_test(a_device_is_known_by_its_chip_and_what_else_is_true_of_it),
		cmocka_unit_test(the_table_of_devices_is_well_formed),
		cmocka_unit_test(number_formats_have_their_bits),
	};

	return cmocka_run_group_tests_name("plausibility", tests, NULL, NULL);
}
