/* SPDX-License-Identifier: Apache-2.0 */
/* From readings to what a step counted: wrap, lost counters, other CPUs' intervals, and nothing counted twice or never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/counters/budget.h"
#include "userspace/counters/cuts.h"

#define MS 1000000ULL
#define MAX_POINTS 4096
#define CPUS 5

struct seen {
	struct counter_point points[MAX_POINTS];
	size_t n;
	struct counter_sums sums[CPUS];	/* of the CPUs now, and the latest cut that each has told of */
	uint64_t told[CPUS];
};

static void keep(void *ctx, const struct counter_point *point)
{
	struct seen *s = ctx;

	assert_true(s->n < MAX_POINTS);
	s->points[s->n++] = *point;
}

static uint64_t sums_now(void *ctx, uint32_t cpu, struct counter_sums *out)
{
	struct seen *s = ctx;

	*out = s->sums[cpu];
	return s->told[cpu];
}

static struct counter_cuts *new_cuts(size_t n_cpus, struct seen **seen)
{
	struct counter_cuts_calls calls = { keep, sums_now, NULL };
	struct counter_cuts *c;

	*seen = calloc(1, sizeof(**seen));
	assert_non_null(*seen);
	calls.ctx = *seen;
	c = counter_cuts__new(1, n_cpus, &calls);
	assert_non_null(c);
	return c;
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

static struct counter_cut cut_at(uint64_t ms, uint32_t kind, uint32_t cpu, uint64_t number, uint64_t value)
{
	return (struct counter_cut){ .time_ns = ms * MS,
				     .step = 1,
				     .number = number,
				     .kind = kind,
				     .cpu = cpu,
				     .sums = { .ran_ns = ms * MS, .value = { value } } };
}

static struct counter_span span_of(uint64_t from_ms, uint64_t to_ms, uint32_t cpu, uint64_t n_cuts, uint64_t before,
				   uint64_t interval)
{
	return (struct counter_span){ .start_ns = from_ms * MS,
				      .end_ns = to_ms * MS,
				      .n_cuts = n_cuts,
				      .cpu = cpu,
				      .before = { .value = { before } },
				      .interval = { .value = { interval } } };
}

/* CPU 0 cuts at 101 ms, having counted 1000; what CPU 1 tells of it. */
static int64_t meter_with(struct counter_span span)
{
	const struct counter_cut cut = cut_at(101, CUT_STEP_START, 0, 7, 1000);
	struct seen *seen;
	struct counter_cuts *c = new_cuts(2, &seen);
	int64_t meter;

	seen->told[1] = 7;
	assert_int_equal(counter_cuts__cut(c, &cut), 0);
	counter_cuts__settle(c, cut.time_ns + CUT_WAIT_NS);
	assert_int_equal(seen->n, 0);	/* CPU 1 has told, and its record is still to be read */
	counter_cuts__span(c, &span);
	counter_cuts__settle(c, cut.time_ns + CUT_WAIT_NS - 1);
	assert_int_equal(seen->n, 0);
	counter_cuts__settle(c, cut.time_ns + CUT_WAIT_NS);
	assert_int_equal(seen->n, 1);
	meter = seen->points[0].meter[0];
	counter_cuts__free(c);
	free(seen);
	return meter;
}

static void another_cpus_interval_is_divided_by_time(void **state)
{
	(void)state;
	/* A quarter of 400 lies before the cut, and all that it had before. */
	assert_int_equal(meter_with(span_of(100, 104, 1, 7, 50, 400)), 1150);
	assert_int_equal(meter_with(span_of(100, 104, 1, 9, 50, 400)), 1150);
	/* It began after the cut: nothing of it. It ended before: all. */
	assert_int_equal(meter_with(span_of(102, 104, 1, 7, 50, 400)), 1050);
	assert_int_equal(meter_with(span_of(90, 101, 1, 7, 50, 400)), 1450);
	/* It only begins. */
	assert_int_equal(meter_with(span_of(103, 103, 1, 7, 50, 0)), 1050);
}

static void what_a_cpu_tells_of_earlier_cuts_says_nothing_of_this_one(void **state)
{
	struct counter_cut cut = cut_at(101, CUT_STEP_START, 0, 7, 1000);
	struct counter_span span = span_of(100, 104, 1, 6, 50, 400), own = span_of(100, 104, 0, 7, 50, 400);
	struct seen *seen;
	struct counter_cuts *c = new_cuts(2, &seen);

	(void)state;
	/* Nor does a span of the cut's own CPU, which was read exactly. CPU 1 has had no event since: it is as it was. */
	seen->told[1] = 6;
	seen->sums[1].value[0] = 450;
	counter_cuts__cut(c, &cut);
	counter_cuts__span(c, &span);
	counter_cuts__span(c, &own);
	counter_cuts__settle(c, cut.time_ns + CUT_WAIT_NS);
	assert_int_equal(seen->n, 1);
	assert_int_equal(seen->points[0].meter[0], 1450);
	assert_int_equal(counter_cuts__account(c, 0)->divided, 0);
	counter_cuts__free(c);
	free(seen);
}

static void a_cpu_whose_record_was_lost_is_not_waited_for_without_end(void **state)
{
	struct counter_cut cut = cut_at(101, CUT_STEP_START, 0, 7, 1000);
	struct seen *seen;
	struct counter_cuts *c = new_cuts(2, &seen);

	(void)state;
	seen->told[1] = 8;
	seen->sums[1].value[0] = 450;
	counter_cuts__cut(c, &cut);
	counter_cuts__settle(c, cut.time_ns + CUT_GIVE_UP_NS - 1);
	assert_int_equal(seen->n, 0);
	counter_cuts__settle(c, cut.time_ns + CUT_GIVE_UP_NS);
	assert_int_equal(seen->points[0].meter[0], 1450);
	counter_cuts__free(c);
	free(seen);
}

static void a_step_whose_event_had_no_counter_is_unknown_and_the_next_one_is_not(void **state)
{
	static const uint64_t values[] = { 0, 100, 100, 150 }, lost[] = { 0, 0, 10 * MS, 15 * MS };
	const struct counter_account *a;
	struct seen *seen;
	struct counter_cuts *c = new_cuts(1, &seen);

	(void)state;
	/* 10 ms counted; 10 ms without a counter; 10 ms of which 5 without. */
	for (uint64_t i = 0; i < 4; i++) {
		struct counter_cut cut = cut_at(10 * i, CUT_STEP_START, 0, i + 1, values[i]);

		cut.sums.lost_ns[0] = lost[i];
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
	struct counter_cut cuts[] = { cut_at(10, CUT_STEP_START, 0, 1, 100), cut_at(20, CUT_STEP_END, 0, 2, 7),
				      cut_at(30, CUT_STEP_START, 0, 3, 300) };
	struct seen *seen;
	struct counter_cuts *c = new_cuts(1, &seen);

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

static void more_cpus_than_a_cut_can_hold_are_refused(void **state)
{
	const struct counter_cuts_calls calls = { keep, sums_now, NULL };

	(void)state;
	assert_null(counter_cuts__new(1, CUT_MAX_CPUS + 1, &calls));
}

/* --- a machine ----------------------------------------------------------------------------------------------------- */

#define STEPS 200

/* What the kernel's side does: CPUs that come and go, each at a rate of its own, settled at random moments, with cuts between. */
struct machine {
	struct counter_cuts *cuts;
	struct seen *seen;
	uint64_t now, n_cuts;
	uint64_t since[CPUS];		/* 0: not running the server */
	uint64_t truth;			/* what all CPUs have counted by now */
	uint64_t truths[MAX_POINTS];
};

static uint64_t rate(int cpu)
{
	return (uint64_t)cpu + 1;
}

static void run_until(struct machine *m, uint64_t now)
{
	for (int cpu = 0; cpu < CPUS; cpu++)
		if (m->since[cpu])
			m->truth += (now - m->now) * rate(cpu);
	m->now = now;
}

static struct counter_sums interval_of(const struct machine *m, int cpu)
{
	const uint64_t length = m->since[cpu] ? m->now - m->since[cpu] : 0;

	return (struct counter_sums){ .ran_ns = length, .value = { length * rate(cpu) } };
}

/* The CPU settles, or begins: it tells of the cuts since its last event. */
static void event(struct machine *m, int cpu, bool goes_on)
{
	struct counter_span span = { .start_ns = m->since[cpu] ? m->since[cpu] : m->now,
				     .end_ns = m->now,
				     .n_cuts = m->n_cuts,
				     .cpu = (uint32_t)cpu,
				     .before = m->seen->sums[cpu],
				     .interval = interval_of(m, cpu) };

	if (m->seen->told[cpu] != m->n_cuts)
		counter_cuts__span(m->cuts, &span);
	m->seen->told[cpu] = m->n_cuts;
	counter_sums__add(&m->seen->sums[cpu], &span.interval);
	m->since[cpu] = goes_on ? m->now : 0;
}

static void cut(struct machine *m, uint64_t step, uint32_t kind, uint32_t cpu)
{
	struct counter_cut c = { .time_ns = m->now, .step = step, .number = ++m->n_cuts, .kind = kind, .cpu = cpu };

	if (cpu != CUT_NO_CPU) {
		const struct counter_sums open = interval_of(m, (int)cpu);

		c.sums = m->seen->sums[cpu];
		counter_sums__add(&c.sums, &open);
	}
	m->truths[m->n_cuts - 1] = m->truth;
	counter_cuts__cut(m->cuts, &c);
}

static void every_step_counts_what_all_cpus_counted_in_it(void **state)
{
	struct machine m = { .now = 1000 };

	(void)state;
	srand(7);
	m.cuts = new_cuts(CPUS, &m.seen);
	for (uint64_t step = 1; step <= STEPS; step++) {
		cut(&m, step, CUT_STEP_START, (uint32_t)rand() % CPUS);
		for (int i = rand() % 20; i-- > 0;) {
			run_until(&m, m.now + (uint64_t)(rand() % 1000 + 1));
			event(&m, rand() % CPUS, rand() % 3);
		}
		run_until(&m, m.now + 5);
		cut(&m, step, step % 3 ? CUT_STEP_END : CUT_SAMPLE, step % 3 ? (uint32_t)rand() % CPUS : CUT_NO_CPU);
		run_until(&m, m.now + (uint64_t)(rand() % 100) + 1);
	}
	for (int cpu = 0; cpu < CPUS; cpu++)
		event(&m, cpu, false);
	counter_cuts__settle(m.cuts, UINT64_MAX);
	assert_int_equal(m.seen->n, 2 * STEPS);
	for (size_t i = 0; i < m.seen->n; i++) {
		/* Rates are constant, so division by time is exact but for a count per CPU. */
		assert_in_range((int64_t)m.truths[i] - m.seen->points[i].meter[0] + CPUS, 0, 2 * CPUS);
		if (i > 0)
			assert_true(m.seen->points[i].meter[0] >= m.seen->points[i - 1].meter[0]);
	}
	counter_cuts__free(m.cuts);
	free(m.seen);
}

/* --- what it may cost ---------------------------------------------------------------------------------------------- */

/* Seven events take 1.18 us a reading: 8,474 readings are 1 % of a second. */
static void the_default_set_stops_after_three_dear_seconds_on_end_and_not_before(void **state)
{
	static const struct {
		uint64_t readings;
		bool stops;
	} seconds[] = { { 8000, false }, { 9000, false }, { 9000, false }, { 8000, false },
			{ 9000, false }, { 9000, false }, { 9000, true } };
	struct counter_budget b = { .n_dear = 0 };
	uint64_t readings = 0, ran = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		readings += seconds[i].readings;
		ran += 1000 * MS;
		assert_int_equal(counter_budget__is_spent(&b, 7, readings, ran), seconds[i].stops);
	}
}

static void an_idle_server_is_within_any_budget(void **state)
{
	struct counter_budget b = { .n_dear = 0 };

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_false(counter_budget__is_spent(&b, 7, 0, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interval_is_the_difference_of_two_readings),
		cmocka_unit_test(a_counter_of_48_bits_that_came_round_has_counted_on),
		cmocka_unit_test(a_counter_that_fell_is_unknown_and_never_negative),
		cmocka_unit_test(a_counter_that_others_had_meanwhile_says_for_how_long),
		cmocka_unit_test(a_scaled_count_is_that_of_the_whole_time_also_where_products_are_large),
		cmocka_unit_test(another_cpus_interval_is_divided_by_time),
		cmocka_unit_test(what_a_cpu_tells_of_earlier_cuts_says_nothing_of_this_one),
		cmocka_unit_test(a_cpu_whose_record_was_lost_is_not_waited_for_without_end),
		cmocka_unit_test(more_cpus_than_a_cut_can_hold_are_refused),
		cmocka_unit_test(a_step_whose_event_had_no_counter_is_unknown_and_the_next_one_is_not),
		cmocka_unit_test(a_cut_without_an_instant_loses_nothing_of_the_next),
		cmocka_unit_test(every_step_counts_what_all_cpus_counted_in_it),
		cmocka_unit_test(the_default_set_stops_after_three_dear_seconds_on_end_and_not_before),
		cmocka_unit_test(an_idle_server_is_within_any_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
