/* SPDX-License-Identifier: Apache-2.0 */
/* The fit against servers whose costs are known, because the test made them up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "make_server.h"
#include "userspace/cost/cost.h"

#define MAX_ROWS 16

/* ------------------------------------------------------------------------------------------- made-up servers --- */

struct steps {
	size_t n, n_rows;
	struct cost_sample *samples;
	struct cost_row *rows;
	uint32_t *part_end;
};

static void steps__init(struct steps *s, size_t n)
{
	s->n = s->n_rows = 0;
	s->samples = calloc(n, sizeof(*s->samples));
	s->rows = calloc(n * MAX_ROWS, sizeof(*s->rows));
	s->part_end = calloc(n, sizeof(*s->part_end));
	assert_true(s->samples && s->rows && s->part_end);
}

static void steps__free(struct steps *s)
{
	free(s->samples);
	free(s->rows);
	free(s->part_end);
}

static double uniform(uint64_t *seed)
{
	return (double)(random_next(seed) >> 11) / 9007199254740992.0;
}

/* Nearly normal, and the same on every machine. */
static double normal(uint64_t *seed)
{
	double sum = -6;

	for (int i = 0; i < 12; i++)
		sum += uniform(seed);
	return sum;
}

/* Of the size that a small model has on two cores; 4 rows cost more than 5. */
static void true_terms(double *terms)
{
	static const double small[] = { 4.3e6, 8.1e6, 8.1e6, 10.2e6, 10e6, 12.6e6, 13.9e6, 15.2e6 };

	for (size_t k = 0; k < COST_KNOTS; k++)
		terms[k] = cost_knots[k] <= 8 ? small[k] : 2e6 + 1.28e6 * cost_knots[k];
	terms[COST_TERM_ROW] = 2e5;
	terms[COST_TERM_CONTEXT] = 3250;
	terms[COST_TERM_ATTENTION] = 156;
	terms[COST_TERM_OUTPUT] = 6e5;
	terms[COST_TERM_MIXED] = 4e5;
}

static struct cost_row *add_row(struct steps *s, uint32_t tokens, uint32_t context, uint32_t outputs)
{
	struct cost_row *row = &s->rows[s->n_rows++];

	*row = (struct cost_row){ tokens, context, outputs, (uint32_t)s->n_rows };
	return row;
}

/* A step of one part with the rows added since the last. */
static void end_step(struct steps *s, const double *terms, double noise, uint64_t *seed)
{
	const size_t before = s->n ? (size_t)(s->samples[s->n - 1].rows - s->rows) + s->part_end[s->n - 1] : 0;
	struct cost_sample *sample = &s->samples[s->n];
	double value;

	s->part_end[s->n] = (uint32_t)(s->n_rows - before);
	*sample = (struct cost_sample){ .rows = s->rows + before, .part_end = &s->part_end[s->n], .n_parts = 1 };
	value = cost__predict(terms, sample->rows, s->part_end[s->n]) * (1 + noise * normal(seed));
	sample->value = floor(value);
	sample->start_ns = s->n ? s->samples[s->n - 1].start_ns + (uint64_t)s->samples[s->n - 1].value : 1000;
	s->n++;
}

/* Compositions drawn at random, as calibration does: decoding, prompts of any length and both, contexts of any length. */
static void make_designed(struct steps *s, size_t n, const double *terms, double noise, uint64_t seed)
{
	steps__init(s, n);
	for (size_t i = 0; i < n; i++) {
		const uint64_t kind = random_below(&seed, 10);
		const uint64_t n_single = kind < 5 ? 1 + random_below(&seed, 8) :
					  kind < 7 ? 1 + random_below(&seed, 3) :
						     0;

		for (uint64_t k = 0; k < n_single; k++)
			add_row(s, 1, (uint32_t)random_below(&seed, 6000), 1);
		if (kind >= 5) {
			const uint32_t longest = 1u << (1 + random_below(&seed, 9));

			add_row(s, 2 + (uint32_t)random_below(&seed, longest), (uint32_t)random_below(&seed, 4000),
				(uint32_t)random_below(&seed, 2));
		}
		end_step(s, terms, noise, &seed);
	}
}

static void fit(struct cost_model *m, const struct steps *s, uint64_t seed)
{
	const struct cost_fit_options options = { .seed = seed, .hold_out = true };

	assert_int_equal(cost__fit(m, s->samples, s->n, &options), 0);
}

/* ----------------------------------------------------------------------------------------------------- tests --- */

static void known_costs_are_found_again_within_their_intervals(void **unused)
{
	static const size_t clear[] = { 0, 1, 2, 3, 7, COST_TERM_CONTEXT, COST_TERM_ATTENTION };
	double terms[COST_TERMS], off = 0;
	struct cost_model m;
	struct steps s;

	(void)unused;
	true_terms(terms);
	make_designed(&s, 1000, terms, 0.03, 1);
	fit(&m, &s, 1);
	assert_true(m.identified);
	assert_string_equal(m.reason, "");
	for (size_t i = 0; i < sizeof(clear) / sizeof(clear[0]); i++) {
		const size_t t = clear[i];
		/* What one term cannot be told from, another takes over: a G may hold rows' and outputs' parts. */
		const double slack = t < COST_KNOTS ? cost_knots[t] * 8e5 + 0.02 * terms[t] : 0.02 * terms[t];

		assert_true(m.fitted[t]);
		assert_true(m.low[t] <= m.value[t] && m.value[t] <= m.high[t]);
		if (m.low[t] > terms[t] + slack || m.high[t] < terms[t] - slack)
			fail_msg("term %zu is %g [%g %g], in truth %g", t, m.value[t], m.low[t], m.high[t], terms[t]);
	}
	for (size_t i = 0; i < s.n; i++) {
		const size_t n = s.part_end[i];
		const double truth = cost__predict(terms, s.samples[i].rows, n);

		off += fabs(cost__predict(m.value, s.samples[i].rows, n) / truth - 1) / (double)s.n;
	}
	if (off > 0.01)
		fail_msg("steps are off by %.4f in the mean", off);
	assert_int_equal(m.n_steps, 1000);
	assert_int_equal(m.n_held_out, 500);
	assert_true(m.sigma > 0.025 && m.sigma < 0.04);
	assert_true(fabs(m.median_residual - 0.6745 * 0.03) < 0.005);
	assert_true(m.model_error < 0.015);
	cost__free(&m);
	steps__free(&s);
}

/* Decode steps are told by their whole cost: G, rows and outputs may be apart, but their sum is not. */
static double decode_cost(const double *terms, uint32_t n_rows)
{
	struct cost_row rows[MAX_ROWS];

	for (uint32_t i = 0; i < n_rows; i++)
		rows[i] = (struct cost_row){ 1, 500, 1, i };
	return cost__predict(terms, rows, n_rows);
}

static void intervals_hold_the_truth_at_their_rate(void **unused)
{
	const int n_rounds = 40;
	int n_inside = 0, n_asked = 0;
	double terms[COST_TERMS];

	(void)unused;
	true_terms(terms);
	for (int round = 0; round < n_rounds; round++) {
		double low[6], high[6], truth[6];
		struct cost_model m;
		struct steps s;

		make_designed(&s, 400, terms, 0.03, 100 + (uint64_t)round);
		fit(&m, &s, 7);
		low[0] = m.low[COST_TERM_CONTEXT];
		high[0] = m.high[COST_TERM_CONTEXT];
		truth[0] = terms[COST_TERM_CONTEXT];
		low[1] = m.low[COST_TERM_ATTENTION];
		high[1] = m.high[COST_TERM_ATTENTION];
		truth[1] = terms[COST_TERM_ATTENTION];
		for (uint32_t k = 0; k < 4; k++) {
			double mean = 0, square = 0;

			for (uint32_t i = 0; i < m.n_draws; i++) {
				const double cost = decode_cost(m.draws + i * COST_TERMS, 1 + 2 * k);

				mean += cost / m.n_draws;
				square += cost * cost / m.n_draws;
			}
			truth[2 + k] = decode_cost(terms, 1 + 2 * k);
			low[2 + k] = decode_cost(m.value, 1 + 2 * k) - 1.96 * sqrt(square - mean * mean);
			high[2 + k] = decode_cost(m.value, 1 + 2 * k) + 1.96 * sqrt(square - mean * mean);
		}
		for (int i = 0; i < 6; i++) {
			n_inside += low[i] <= truth[i] && truth[i] <= high[i];
			n_asked++;
		}
		cost__free(&m);
		steps__free(&s);
	}
	/* 95 % of 240, less four standard deviations of that count and what 24 blocks cost. */
	if (n_inside < n_asked * 88 / 100)
		fail_msg("%d of %d intervals hold the truth", n_inside, n_asked);
}

/* A saturated server: always 31 or 32 streams, whose contexts grow alike. */
static void steady_traffic_is_said_not_to_tell_the_costs_apart(void **unused)
{
	double terms[COST_TERMS];
	uint64_t seed = 9;
	struct cost_model m;
	struct steps s;

	(void)unused;
	true_terms(terms);
	steps__init(&s, 600);
	for (int i = 0; i < 300; i++) {
		const uint32_t n = 15 + (uint32_t)random_below(&seed, 2);

		for (uint32_t k = 0; k < n; k++)
			add_row(&s, 1, 1000 + (uint32_t)random_below(&seed, 20), 1);
		end_step(&s, terms, 0.03, &seed);
	}
	fit(&m, &s, 1);
	assert_false(m.identified);
	assert_true(strlen(m.reason) > 20);
	cost__free(&m);
	steps__free(&s);
}

/* Without a prompt, a row, its output and its one token are always together. */
static void what_always_comes_together_is_merged_and_says_with_what(void **unused)
{
	double terms[COST_TERMS];
	uint64_t seed = 10;
	struct cost_model m;
	struct steps s;

	(void)unused;
	true_terms(terms);
	steps__init(&s, 500);
	for (int i = 0; i < 500; i++) {
		for (uint64_t n = 1 + random_below(&seed, 8); n; n--)
			add_row(&s, 1, (uint32_t)random_below(&seed, 8000), 1);
		end_step(&s, terms, 0.03, &seed);
	}
	fit(&m, &s, 1);
	assert_false(m.fitted[COST_TERM_ROW]);
	assert_false(m.fitted[COST_TERM_OUTPUT]);
	assert_true(m.merged_with[COST_TERM_ROW] >= 0 && m.merged_with[COST_TERM_ROW] < COST_KNOTS);
	assert_int_equal(m.merged_with[COST_TERM_ATTENTION], COST_TERM_CONTEXT);
	assert_int_equal(m.merged_with[COST_TERM_CONTEXT], -1);
	assert_false(m.identified);
	assert_non_null(strstr(m.reason, "attention"));
	assert_true(fabs(decode_cost(m.value, 5) / decode_cost(terms, 5) - 1) < 0.02);
	cost__free(&m);
	steps__free(&s);
}

/* Prompts longer than an ubatch come as a step of several parts, and only the sum is measured. */
static void a_step_of_two_parts_tells_the_cost_of_both(void **unused)
{
	double terms[COST_TERMS];
	uint64_t seed = 20;
	struct cost_model m;
	struct steps s;
	uint32_t ends[300][2];

	(void)unused;
	true_terms(terms);
	steps__init(&s, 300);
	for (int i = 0; i < 300; i++) {
		const uint32_t tail = 1u << random_below(&seed, 6);
		struct cost_sample *sample = &s.samples[i];
		struct cost_row *rows = &s.rows[3 * i];

		rows[0] = (struct cost_row){ 128, (uint32_t)random_below(&seed, 3000), 0, 0 };
		rows[1] = (struct cost_row){ tail, rows[0].context + 128, 1, 0 };
		rows[2] = (struct cost_row){ 1, (uint32_t)random_below(&seed, 3000), 1, 1 };
		ends[i][0] = i % 3 ? 1 : 0;
		ends[i][1] = 3;
		*sample = (struct cost_sample){ .rows = rows, .part_end = ends[i], .n_parts = 2 };
		if (i % 3 == 0) {
			sample->part_end = &ends[i][1];
			sample->rows = rows + 1;
			ends[i][1] = 2;
			sample->n_parts = 1;
			sample->value = cost__predict(terms, rows + 1, 2);
		} else {
			sample->value = cost__predict(terms, rows, 1) + cost__predict(terms, rows + 1, 2);
		}
		sample->value *= 1 + 0.01 * normal(&seed);
	}
	s.n = 300;
	fit(&m, &s, 1);
	for (size_t i = 0; i < s.n; i++) {
		const struct cost_sample *at = &s.samples[i];
		double sum = cost__predict(m.value, at->rows, at->part_end[0]);

		if (at->n_parts == 2)
			sum += cost__predict(m.value, at->rows + at->part_end[0], at->part_end[1] - at->part_end[0]);
		assert_true(fabs(sum / at->value - 1) < 0.06);
	}
	assert_true(fabs(cost__alone(m.value, &s.rows[3]) / cost__alone(terms, &s.rows[3]) - 1) < 0.03);
	cost__free(&m);
	steps__free(&s);
}

/* Taken out for its wide interval, a term would leave the others wrong and sure of themselves. */
static void terms_known_poorly_do_not_make_the_others_surer_than_they_are(void **unused)
{
	double terms[COST_TERMS];
	int n_inside = 0;

	(void)unused;
	true_terms(terms);
	for (uint64_t round = 0; round < 30; round++) {
		struct cost_model m;
		struct steps s;

		make_designed(&s, 400, terms, 0.08, 1000 + round);
		fit(&m, &s, 7);
		n_inside += m.low[COST_TERM_CONTEXT] <= terms[COST_TERM_CONTEXT] &&
			    terms[COST_TERM_CONTEXT] <= m.high[COST_TERM_CONTEXT];
		cost__free(&m);
		steps__free(&s);
	}
	assert_true(n_inside >= 25);
}

static void a_knot_without_steps_lies_between_its_neighbours(void **unused)
{
	double terms[COST_TERMS];
	uint64_t seed = 11;
	struct cost_model m;
	struct steps s;

	(void)unused;
	true_terms(terms);
	steps__init(&s, 400);
	for (int i = 0; i < 400; i++) {
		const uint32_t tokens[] = { 1, 4, 8, 64 };

		add_row(&s, tokens[i % 4], (uint32_t)random_below(&seed, 3000), 1);
		end_step(&s, terms, 0.01, &seed);
	}
	fit(&m, &s, 1);
	assert_true(m.fitted[0] && m.fitted[3] && m.fitted[7]);
	assert_false(m.fitted[4]);
	assert_true(fabs(m.value[4] - (3 * m.value[3] + m.value[7]) / 4) < 1);
	assert_true(fabs(m.value[COST_KNOTS - 1] - 64 * m.value[20]) < 100);
	assert_int_equal(cost_knots[20], 64);
	cost__free(&m);
	steps__free(&s);
}

/* Long contexts cost half as much again as the model can say; that does not average out, and must be told. */
static void what_the_model_cannot_say_is_in_its_error(void **unused)
{
	double terms[COST_TERMS], error[2];
	struct cost_model m;
	struct steps s;

	(void)unused;
	true_terms(terms);
	for (int bent = 0; bent < 2; bent++) {
		make_designed(&s, 2000, terms, 0.03, 12);
		for (size_t i = 0; i < s.n && bent; i++)
			s.samples[i].value *= s.part_end[i] % 2 ? 1.1 : 0.9;
		fit(&m, &s, 1);
		error[bent] = m.model_error;
		cost__free(&m);
		steps__free(&s);
	}
	if (!(error[0] < 0.012 && error[1] > 0.03))
		fail_msg("error %.4f where the model is true, %.4f where it is not", error[0], error[1]);
}

static void disturbed_steps_move_the_fit_little(void **unused)
{
	double terms[COST_TERMS];
	struct cost_model m;
	struct steps s;

	(void)unused;
	true_terms(terms);
	make_designed(&s, 1000, terms, 0.03, 13);
	for (size_t i = 0; i < s.n; i += 25)
		s.samples[i].value *= 5;
	fit(&m, &s, 1);
	for (uint32_t n = 1; n <= 8; n++)
		assert_true(fabs(decode_cost(m.value, n) / decode_cost(terms, n) - 1) < 0.04);
	assert_true(m.sigma < 0.045);
	cost__free(&m);
	steps__free(&s);
}

static void the_same_steps_and_seed_give_the_same_bits(void **unused)
{
	struct cost_model a, b, c;
	double terms[COST_TERMS];
	struct steps s;

	(void)unused;
	true_terms(terms);
	make_designed(&s, 300, terms, 0.03, 14);
	fit(&a, &s, 5);
	fit(&b, &s, 5);
	fit(&c, &s, 6);
	assert_memory_equal(a.value, b.value, sizeof(a.value));
	assert_memory_equal(a.draws, b.draws, a.n_draws * COST_TERMS * sizeof(*a.draws));
	assert_memory_not_equal(a.draws, c.draws, a.n_draws * COST_TERMS * sizeof(*a.draws));
	assert_int_equal(a.n_draws, 64);
	cost__free(&a);
	cost__free(&b);
	cost__free(&c);
	steps__free(&s);
}

static void assert_sane(const struct cost_model *m)
{
	for (size_t t = 0; t < COST_TERMS; t++) {
		assert_true(isfinite(m->value[t]) && m->value[t] >= 0);
		assert_true(isfinite(m->low[t]) && isfinite(m->high[t]));
	}
	assert_true(isfinite(m->sigma) && isfinite(m->model_error) && isfinite(m->median_residual));
}

static void values_that_are_no_measurement_are_left_out(void **unused)
{
	static const double lies[] = { NAN, INFINITY, -INFINITY, 0, -1, 1e300 };
	const struct cost_fit_options options = { .seed = 1, .hold_out = true };
	double terms[COST_TERMS];
	struct cost_model m;
	struct steps s;

	(void)unused;
	true_terms(terms);
	make_designed(&s, 200, terms, 0.03, 15);
	for (size_t i = 0; i < 60; i++)
		s.samples[i].value = lies[i % 6];
	s.samples[60].n_parts = 0;
	s.samples[61].rows = NULL;
	s.part_end[62] = 0;
	((struct cost_row *)s.samples[63].rows)->n_tokens = 0;
	fit(&m, &s, 1);
	assert_int_equal(m.n_steps, 136);
	assert_sane(&m);
	cost__free(&m);

	for (size_t i = 0; i < s.n; i++)
		s.samples[i].value = lies[i % 6];
	assert_int_equal(cost__fit(&m, s.samples, s.n, &options), -ENODATA);
	assert_null(m.draws);
	assert_int_equal(cost__fit(&m, NULL, 0, &options), -ENODATA);
	assert_int_equal(cost__fit(&m, s.samples, 7, &options), -ENODATA);
	cost__free(&m);
	cost__free(NULL);
	steps__free(&s);
}

static void steps_that_all_took_the_same_tell_nothing(void **unused)
{
	const struct cost_fit_options options = { .seed = 1 };
	double terms[COST_TERMS];
	struct cost_model m;
	struct steps s;

	(void)unused;
	true_terms(terms);
	make_designed(&s, 100, terms, 0.03, 16);
	for (size_t i = 0; i < s.n; i++)
		s.samples[i].value = 1e6;
	assert_int_equal(cost__fit(&m, s.samples, s.n, &options), -ENODATA);
	steps__free(&s);
}

static void the_greatest_and_least_figures_are_fitted_without_trouble(void **unused)
{
	static const double scales[] = { 1e-300, 1e-9, 4e18 };
	uint64_t seed = 17;

	(void)unused;
	for (size_t k = 0; k < 3; k++) {
		const struct cost_fit_options options = { .seed = 1, .hold_out = k == 1 };
		struct cost_model m;
		struct steps s;

		steps__init(&s, 100);
		for (int i = 0; i < 100; i++) {
			double terms[COST_TERMS] = { 1 };

			add_row(&s, i % 3 ? UINT32_MAX : 1, i % 2 ? UINT32_MAX : 0, i % 5 ? UINT32_MAX : 0);
			end_step(&s, terms, 0, &seed);
			s.samples[i].value = scales[k] * uniform(&seed);
			s.samples[i].start_ns = i % 7 ? UINT64_MAX : 0;
		}
		if (cost__fit(&m, s.samples, s.n, &options) == 0)
			assert_sane(&m);
		cost__free(&m);
		steps__free(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_costs_are_found_again_within_their_intervals),
		cmocka_unit_test(intervals_hold_the_truth_at_their_rate),
		cmocka_unit_test(steady_traffic_is_said_not_to_tell_the_costs_apart),
		cmocka_unit_test(what_always_comes_together_is_merged_and_says_with_what),
		cmocka_unit_test(a_step_of_two_parts_tells_the_cost_of_both),
		cmocka_unit_test(terms_known_poorly_do_not_make_the_others_surer_than_they_are),
		cmocka_unit_test(a_knot_without_steps_lies_between_its_neighbours),
		cmocka_unit_test(what_the_model_cannot_say_is_in_its_error),
		cmocka_unit_test(disturbed_steps_move_the_fit_little),
		cmocka_unit_test(the_same_steps_and_seed_give_the_same_bits),
		cmocka_unit_test(values_that_are_no_measurement_are_left_out),
		cmocka_unit_test(steps_that_all_took_the_same_tell_nothing),
		cmocka_unit_test(the_greatest_and_least_figures_are_fitted_without_trouble),
	};

	return cmocka_run_group_tests_name("fit of the cost model", tests, NULL, NULL);
}
