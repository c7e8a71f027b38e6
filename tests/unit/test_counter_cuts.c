/* SPDX-License-Identifier: Apache-2.0 */
/* From readings to what a step counted: wrap, lost counters, other CPUs' intervals, and nothing counted twice or never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/counters/cuts.h"

#define MS 1000000ULL
#define MAX_POINTS 4096

struct seen {
	struct counter_point points[MAX_POINTS];
	size_t n;
};

static void keep(void *ctx, const struct counter_point *point)
{
	struct seen *s = ctx;

	assert_true(s->n < MAX_POINTS);
	s->points[s->n++] = *point;
}

/* --- one interval -------------------------------------------------------------------------------------------------- */

static struct counter_change change(struct counter_reading last, struct counter_reading now, uint64_t elapsed)
{
	struct counter_change out;

	counter__change(&last, &now, elapsed, &out);
	return out;
}

static void an_interval_is_the_difference_of_two_readings(void **state)
{
	struct counter_change c =
		change((struct counter_reading){ 100, 10, 10 }, (struct counter_reading){ 175, 60, 60 }, 50);

	(void)state;
	assert_int_equal(c.value, 75);
	assert_int_equal(c.lost_ns, 0);
	assert_int_equal(c.backwards, 0);
}

static void a_counter_of_48_bits_that_came_round_has_counted_on(void **state)
{
	struct counter_change c = change((struct counter_reading){ (1ULL << 48) - 10, 10, 10 },
					 (struct counter_reading){ 25, 60, 60 }, 50);

	(void)state;
	assert_int_equal(c.value, 35);
	assert_int_equal(c.backwards, 0);
}

static void a_counter_that_fell_is_unknown_and_never_negative(void **state)
{
	struct counter_change c =
		change((struct counter_reading){ 1000, 10, 10 }, (struct counter_reading){ 900, 60, 60 }, 50);

	(void)state;
	assert_int_equal(c.value, 0);
	assert_int_equal(c.lost_ns, 50);
	assert_int_equal(c.backwards, 1);
	/* Its clock fell: it was opened anew under us. */
	c = change((struct counter_reading){ 1000, 500, 500 }, (struct counter_reading){ 2000, 60, 60 }, 50);
	assert_int_equal(c.value, 0);
	assert_int_equal(c.backwards, 1);
}

static void a_counter_that_others_had_meanwhile_says_for_how_long(void **state)
{
	struct counter_change c =
		change((struct counter_reading){ 100, 10, 10 }, (struct counter_reading){ 120, 60, 30 }, 50);

	(void)state;
	assert_int_equal(c.value, 20);
	assert_int_equal(c.lost_ns, 30);
	/* All of the time: the interval is unknown, whatever rounding says of its length. */
	c = change((struct counter_reading){ 100, 10, 10 }, (struct counter_reading){ 100, 59, 10 }, 50);
	assert_int_equal(c.lost_ns, 50);
	/* It is not on this CPU at all. */
	c = change((struct counter_reading){ 0, 0, 0 }, (struct counter_reading){ 0, 0, 0 }, 50);
	assert_int_equal(c.lost_ns, 50);
	assert_int_equal(c.backwards, 0);
}

static void a_scaled_count_is_that_of_the_whole_time_also_where_products_are_large(void **state)
{
	(void)state;
	assert_int_equal(counter__scale(20, 50, 30), 50);
	assert_int_equal(counter__scale(7, 50, 0), 7);
	assert_int_equal(counter__scale(1ULL << 50, 4ULL << 40, 2ULL << 40), 1ULL << 51);
}

/* --- cuts and spans ------------------------------------------------------------------------------------------------ */

static struct counter_cut cut_at(uint64_t ms, uint32_t kind, uint32_t cpu, uint64_t settled, uint64_t value)
{
	return (struct counter_cut){ .time_ns = ms * MS,
				     .step = 1,
				     .settled = settled,
				     .ran_ns = ms * MS,
				     .kind = kind,
				     .cpu = cpu,
				     .value = { value } };
}

static struct counter_span span_of(uint64_t from_ms, uint64_t to_ms, uint32_t cpu, uint64_t number, uint64_t value)
{
	return (struct counter_span){
		.start_ns = from_ms * MS, .end_ns = to_ms * MS, .number = number, .cpu = cpu, .value = { value }
	};
}

/* @order 0: cut before span, 1: after it */
static int64_t meter_with(struct counter_cut cut, struct counter_span span, int order)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	struct counter_cuts *c = counter_cuts__new(1, keep, seen);
	int64_t meter;

	assert_non_null(seen);
	assert_non_null(c);
	if (order == 0)
		assert_int_equal(counter_cuts__cut(c, &cut), 0);
	assert_int_equal(counter_cuts__span(c, &span), 0);
	if (order == 1)
		assert_int_equal(counter_cuts__cut(c, &cut), 0);
	counter_cuts__settle(c, cut.time_ns + CUT_WAIT_NS - 1);
	assert_int_equal(seen->n, 0);	/* a span could still come */
	counter_cuts__settle(c, cut.time_ns + CUT_WAIT_NS);
	assert_int_equal(seen->n, 1);
	meter = seen->points[0].meter[0];
	counter_cuts__free(c);
	free(seen);
	return meter;
}

static void another_cpus_interval_is_divided_by_time_whichever_record_comes_first(void **state)
{
	(void)state;
	for (int order = 0; order < 2; order++) {
		/* A quarter of 400 lies before the cut. */
		assert_int_equal(
			meter_with(cut_at(101, CUT_STEP_START, 0, 5, 1000), span_of(100, 104, 1, 5, 400), order), 1100);
		/* It had settled before the cut: its counts are in the sums. */
		assert_int_equal(
			meter_with(cut_at(101, CUT_STEP_START, 0, 6, 1000), span_of(100, 104, 1, 5, 400), order), 1000);
		/* The cut's own CPU was read exactly. */
		assert_int_equal(
			meter_with(cut_at(101, CUT_STEP_START, 1, 5, 1000), span_of(100, 104, 1, 5, 400), order), 1000);
		/* It began after the cut. */
		assert_int_equal(
			meter_with(cut_at(101, CUT_STEP_START, 0, 5, 1000), span_of(102, 104, 1, 5, 400), order), 1000);
	}
}

static void a_step_whose_event_had_no_counter_is_unknown_and_the_next_one_is_not(void **state)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	struct counter_cuts *c = counter_cuts__new(1, keep, seen);
	static const uint64_t values[] = { 0, 100, 100, 150 }, lost[] = { 0, 0, 10 * MS, 15 * MS };
	const struct counter_account *a;

	(void)state;
	/* 10 ms counted; 10 ms without a counter; 10 ms of which 5 without. */
	for (uint64_t i = 0; i < 4; i++) {
		struct counter_cut cut = cut_at(10 * i, CUT_SAMPLE, CUT_NO_CPU, 0, values[i]);

		cut.lost_ns[0] = lost[i];
		counter_cuts__cut(c, &cut);
	}
	counter_cuts__settle(c, UINT64_MAX);
	assert_int_equal(seen->n, 4);
	assert_int_equal(seen->points[1].meter[0], 100);
	assert_int_equal(seen->points[1].n_gaps[0], 0);
	assert_int_equal(seen->points[2].n_gaps[0], 1);
	assert_int_equal(seen->points[3].n_gaps[0], 1);
	assert_int_equal(seen->points[3].meter[0] - seen->points[2].meter[0], 100);
	a = counter_cuts__account(c, 0);
	assert_int_equal(a->unknown_ns, 10 * MS);
	assert_int_equal(a->scaled_ns, 10 * MS);
	counter_cuts__free(c);
	free(seen);
}

static void a_cut_without_an_instant_loses_nothing_of_the_next(void **state)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	struct counter_cuts *c = counter_cuts__new(1, keep, seen);
	struct counter_cut cuts[] = { cut_at(10, CUT_STEP_START, 0, 0, 100), cut_at(20, CUT_STEP_END, 0, 0, 7),
				      cut_at(30, CUT_SAMPLE, CUT_NO_CPU, 0, 300) };

	(void)state;
	cuts[1].unsteady = true;
	for (size_t i = 0; i < 3; i++)
		counter_cuts__cut(c, &cuts[i]);
	counter_cuts__settle(c, UINT64_MAX);
	assert_int_not_equal(seen->points[0].n_gaps[0], seen->points[1].n_gaps[0]);
	assert_int_equal(seen->points[2].meter[0], 300);
	counter_cuts__free(c);
	free(seen);
}

/* --- a machine ----------------------------------------------------------------------------------------------------- */

#define CPUS 5
#define STEPS 200

/* What the kernel's side does: intervals of CPUs at rates of their own, settled at random moments, cuts in between. */
struct machine {
	struct counter_cuts *cuts;
	uint64_t now, begun, value, ran, last_cut;
	uint64_t since[CPUS], rate[CPUS], base[CPUS];
};

static uint64_t counted(const struct machine *m, int cpu, uint64_t until)
{
	return (until - m->since[cpu]) * m->rate[cpu];
}

static void settle(struct machine *m, int cpu)
{
	struct counter_span span = { .start_ns = m->since[cpu],
				     .end_ns = m->now,
				     .number = m->begun++,
				     .cpu = (uint32_t)cpu,
				     .value = { counted(m, cpu, m->now) } };

	m->value += span.value[0];
	m->ran += m->now - m->since[cpu];
	if (m->last_cut >= m->since[cpu])
		counter_cuts__span(m->cuts, &span);
	m->since[cpu] = m->now;
}

static void cut(struct machine *m, uint64_t step, uint32_t kind, uint32_t cpu)
{
	struct counter_cut c = { .time_ns = m->now,
				 .step = step,
				 .settled = m->begun,
				 .ran_ns = m->ran,
				 .kind = kind,
				 .cpu = cpu,
				 .value = { m->value } };

	if (cpu != CUT_NO_CPU) {
		c.value[0] += counted(m, (int)cpu, m->now);
		c.ran_ns += m->now - m->since[cpu];
	}
	m->last_cut = m->now;
	counter_cuts__cut(m->cuts, &c);
}

static void every_step_counts_what_all_cpus_counted_in_it(void **state)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	struct machine m = { .cuts = counter_cuts__new(1, keep, seen), .now = 1000 };
	uint64_t rates = 0;

	(void)state;
	srand(7);
	for (int cpu = 0; cpu < CPUS; cpu++) {
		m.since[cpu] = m.now;
		m.rate[cpu] = (uint64_t)(cpu + 1);
		rates += m.rate[cpu];
	}
	for (uint64_t step = 1; step <= STEPS; step++) {
		cut(&m, step, CUT_STEP_START, (uint32_t)rand() % CPUS);
		for (int i = rand() % 20; i-- > 0;) {
			m.now += (uint64_t)(rand() % 1000 + 1);
			settle(&m, rand() % CPUS);
		}
		m.now += 5;
		cut(&m, step, step % 3 ? CUT_STEP_END : CUT_SAMPLE, step % 3 ? (uint32_t)rand() % CPUS : CUT_NO_CPU);
		m.now += (uint64_t)(rand() % 100);
	}
	for (int cpu = 0; cpu < CPUS; cpu++)
		settle(&m, cpu);
	counter_cuts__settle(m.cuts, UINT64_MAX);
	assert_int_equal(seen->n, 2 * STEPS);
	for (size_t i = 0; i < seen->n; i++) {
		/* Rates are constant, so division by time is exact but for a count per CPU. */
		const int64_t truth = (int64_t)((seen->points[i].time_ns - 1000) * rates);

		assert_in_range(truth - seen->points[i].meter[0] + CPUS, 0, 2 * CPUS);
		if (i > 0)
			assert_true(seen->points[i].meter[0] >= seen->points[i - 1].meter[0]);
	}
	counter_cuts__free(m.cuts);
	free(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interval_is_the_difference_of_two_readings),
		cmocka_unit_test(a_counter_of_48_bits_that_came_round_has_counted_on),
		cmocka_unit_test(a_counter_that_fell_is_unknown_and_never_negative),
		cmocka_unit_test(a_counter_that_others_had_meanwhile_says_for_how_long),
		cmocka_unit_test(a_scaled_count_is_that_of_the_whole_time_also_where_products_are_large),
		cmocka_unit_test(another_cpus_interval_is_divided_by_time_whichever_record_comes_first),
		cmocka_unit_test(a_step_whose_event_had_no_counter_is_unknown_and_the_next_one_is_not),
		cmocka_unit_test(a_cut_without_an_instant_loses_nothing_of_the_next),
		cmocka_unit_test(every_step_counts_what_all_cpus_counted_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
