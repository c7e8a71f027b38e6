/* SPDX-License-Identifier: Apache-2.0 */
/* Slow-down from windows: known slow-downs are found, drift and streams' positions are not mistaken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>

#include <cmocka.h>

#include "userspace/overhead/windows.h"

#define N_WINDOWS 400
#define GAP_NS 4000000.0

struct traffic {
	struct window windows[N_WINDOWS];
	struct pulse pulses[200000];
	size_t n_pulses;
};

/* A server whose gaps are longer by `slow` in on-windows, by `drift` per window, and by position in a stream. */
static struct traffic *make_traffic(double slow, double drift, double growth, uint64_t seed, int streams)
{
	struct traffic *t = calloc(1, sizeof(*t));
	struct random_state random = { seed };
	double now = 1e9;
	int position = 0;
	size_t i;

	for (i = 0; i < N_WINDOWS; i += 2) {
		int first = (int)(random__next(&random) & 1), k;

		for (k = 0; k < 2; k++) {
			struct window *w = &t->windows[i + (size_t)k];
			double end = now + 50e6 + (double)random__below(&random, 250) * 1e6;

			w->on = k ? !first : first;
			w->start_ns = (uint64_t)now;
			while (now < end) {
				double noise = 0.9 + 0.2 * (double)random__below(&random, 1000) / 1000;
				double gap = GAP_NS * noise * (1 + drift * (double)i) * (1 + growth * position);
				int s;

				now += gap * (w->on ? 1 + slow : 1);
				for (s = 0; s < streams; s++)
					t->pulses[t->n_pulses++] =
						(struct pulse){ (uint64_t)now + (uint64_t)s * 1000, 1, 10 + s };
				if (++position == 200) {
					position = 0;
					now += 60e6;	/* the next request's prompt */
				}
			}
			w->end_ns = (uint64_t)now + 1;
			now += 80e6;	/* switching */
		}
	}
	return t;
}

static void a_slow_down_of_two_percent_is_found(void **state)
{
	struct traffic *t = make_traffic(0.02, 0, 0, 1, 1);
	struct slow_down d;

	(void)state;
	assert_int_equal(windows__slow_down(t->windows, N_WINDOWS, t->pulses, t->n_pulses, &d), 0);
	assert_true(d.percent.low < 2.0 && 2.0 < d.percent.high);
	assert_true(d.percent.low > 1.0 && d.percent.high < 3.0);
	free(t);
}

static void no_slow_down_is_found_in_a_machine_that_drifts(void **state)
{
	struct traffic *t = make_traffic(0, 0.0005, 0, 2, 1);	/* 20 % over the run */
	struct slow_down d;

	(void)state;
	assert_int_equal(windows__slow_down(t->windows, N_WINDOWS, t->pulses, t->n_pulses, &d), 0);
	assert_true(d.percent.low < 0 && 0 < d.percent.high);
	free(t);
}

static void gaps_that_grow_with_the_context_are_no_slow_down(void **state)
{
	struct traffic *t = make_traffic(0.01, 0, 0.002, 3, 4);
	struct slow_down d;

	(void)state;
	assert_int_equal(windows__slow_down(t->windows, N_WINDOWS, t->pulses, t->n_pulses, &d), 0);
	assert_true(d.percent.low < 1.0 && 1.0 < d.percent.high);
	free(t);
}

static void a_server_that_sent_nothing_gives_no_figure(void **state)
{
	struct traffic *t = make_traffic(0, 0, 0, 4, 1);
	struct slow_down d;

	(void)state;
	assert_int_equal(windows__slow_down(t->windows, N_WINDOWS, t->pulses, 0, &d), -ENODATA);
	assert_int_equal(windows__slow_down(t->windows, 4, t->pulses, t->n_pulses, &d), -ENODATA);
	free(t);
}

static void the_same_input_gives_the_same_bytes(void **state)
{
	struct traffic *a = make_traffic(0.01, 0, 0, 5, 2), *b = make_traffic(0.01, 0, 0, 5, 2);
	struct slow_down x, y;

	(void)state;
	windows__slow_down(a->windows, N_WINDOWS, a->pulses, a->n_pulses, &x);
	windows__slow_down(b->windows, N_WINDOWS, b->pulses, b->n_pulses, &y);
	assert_memory_equal(&x.percent, &y.percent, sizeof(x.percent));
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slow_down_of_two_percent_is_found),
		cmocka_unit_test(no_slow_down_is_found_in_a_machine_that_drifts),
		cmocka_unit_test(gaps_that_grow_with_the_context_are_no_slow_down),
		cmocka_unit_test(a_server_that_sent_nothing_gives_no_figure),
		cmocka_unit_test(the_same_input_gives_the_same_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
