/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/counters/budget.h"

bool counter_budget__is_spent(struct counter_budget *b, size_t n_events, uint64_t readings, uint64_t ran_ns)
{
	const double cost = (double)(readings - b->readings) * (READING_NS + READING_EVENT_NS * (double)n_events);
	const double ran = (double)(ran_ns - b->ran_ns);

	b->readings = readings;
	b->ran_ns = ran_ns;
	b->n_dear = cost > COUNTER_BUDGET * ran ? b->n_dear + 1 : 0;
	return b->n_dear >= DEAR_SECONDS;
}
