/* SPDX-License-Identifier: Apache-2.0 */
/* When the calls that fill a batch are no longer probed. */
#include "collectors/engine_batches.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SECOND_NS 1000000000LL

static void a_percent_of_the_servers_time_is_the_most_that_they_may_cost(void **state)
{
	struct batch_budget below = { 0 }, above = { 0 };

	(void)state;
	for (int64_t s = 1; s < 3600; s++)
		assert_false(batch_budget__exceeded(&below, s * SECOND_NS, s * SECOND_NS * 99 / 10000));
	assert_true(batch_budget__exceeded(&above, 2 * SECOND_NS, 2 * SECOND_NS * 101 / 10000));
}

static void a_first_long_prompt_alone_is_no_reason_yet(void **state)
{
	struct batch_budget b = { 0 };

	(void)state;
	assert_false(batch_budget__exceeded(&b, SECOND_NS / 2, SECOND_NS / 20));
	assert_false(batch_budget__exceeded(&b, 6 * SECOND_NS, SECOND_NS / 20));
}

static void hours_of_little_cost_do_not_pay_for_much_now(void **state)
{
	struct batch_budget b = { 0 };
	int64_t s, seconds = 0;

	(void)state;
	for (s = 1; s <= 7200; s++)
		assert_false(batch_budget__exceeded(&b, s * SECOND_NS, s * SECOND_NS / 1000));
	while (!batch_budget__exceeded(&b, (s + seconds) * SECOND_NS, s * SECOND_NS / 1000 + seconds * SECOND_NS / 25))
		seconds++;
	assert_in_range(seconds, 1, 20);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_percent_of_the_servers_time_is_the_most_that_they_may_cost),
		cmocka_unit_test(a_first_long_prompt_alone_is_no_reason_yet),
		cmocka_unit_test(hours_of_little_cost_do_not_pay_for_much_now),
	};

	return cmocka_run_group_tests_name("engine_batches", tests, NULL, NULL);
}
