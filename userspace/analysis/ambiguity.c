/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/analysis/ambiguity.h"

#define MAX_RUN_COSTS (4u << 20)
#define MAX_PAIRS 20000000u

static size_t count_ambiguous(const struct timeline *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->recording->n_requests; i++)
		n += t->requests[i].match == MATCH_AMBIGUOUS;
	return n;
}

bool ambiguity__matters(const struct timeline *t, size_t n_resources)
{
	const size_t n = count_ambiguous(t);

	return n && t->n_runs <= MAX_RUN_COSTS / (n_resources ? n_resources : 1) && t->n_runs <= MAX_PAIRS / n;
}

static bool could_be_its(const struct timeline *t, uint32_t request, const struct timeline_run *run)
{
	const struct row_request *q = &t->recording->requests[request];

	if (run->request == request ||
	    (run->request != REQUEST_NONE && t->requests[run->request].match != MATCH_AMBIGUOUS))
		return false;
	return run->start_ns >= q->arrival_ns && (q->end_ns == 0 || run->start_ns < q->end_ns);
}

static void forget(struct ledger *l, struct ledger_request *q)
{
	for (size_t k = 0; k < l->n_resources; k++)
		q->low[k] = q->high[k] = ABSENT;
}

static void take_in(const struct ledger *l, struct ledger_request *q, const int64_t *cost)
{
	for (size_t k = 0; k < l->n_resources; k++) {
		/* A meter that ran backwards costs nobody less than nothing. */
		if (q->low[k] == ABSENT || cost[k] < 0)
			continue;
		if (cost[k] < q->low[k])
			q->low[k] = cost[k];
		if (cost[k] > q->high[k])
			q->high[k] = cost[k];
	}
}

void ambiguity__widen(struct ledger *l, const int64_t *run_cost)
{
	const struct timeline *t = l->timeline;

	for (uint32_t i = 0; i < t->recording->n_requests; i++) {
		bool any = false;

		if (t->requests[i].match != MATCH_AMBIGUOUS)
			continue;
		for (size_t k = 0; k < t->n_runs && run_cost && t->requests[i].n_runs == 1; k++) {
			if (!could_be_its(t, i, &t->runs[k]))
				continue;
			take_in(l, &l->requests[i], run_cost + k * l->n_resources);
			any = true;
		}
		if (!any)
			forget(l, &l->requests[i]);
	}
}
