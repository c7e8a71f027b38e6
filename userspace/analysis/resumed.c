/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/evidence.h"
#include "userspace/analysis/resumed.h"

/* A request that waits for a run at that time and got none. */
static bool someone_waits(const struct timeline *t, const struct blind_spots *w, uint32_t pid, uint64_t time_ns)
{
	const struct recording *r = t->recording;

	for (size_t i = 0; i < r->n_requests && r->requests[i].arrival_ns <= time_ns; i++) {
		const struct row_request *q = &r->requests[i];
		struct request_facts facts;

		if (t->requests[i].n_runs || q->pid != pid || q->request_end_ns > time_ns ||
		    (q->end_ns && q->end_ns < time_ns))
			continue;
		request__facts(&facts, q, w, r);
		if (facts.expects_run)
			return true;
	}
	return false;
}

int resumed__mark(const struct timeline *t, struct run_table *table, const struct blind_spots *w)
{
	const struct recording *r = t->recording;
	uint32_t last_run = RUN_NONE;
	int n = 0;

	for (size_t i = 0; i < table->n_resumptions; i++) {
		const struct resumption *x = &table->resumptions[i];
		const uint32_t request = t->runs[x->run].request;
		const struct row_request *q = request == REQUEST_NONE ? NULL : &r->requests[request];

		/* One cut of a run at a time: what follows it is another run then. */
		if (!q || x->run == last_run || !q->client_left || !q->end_ns || q->end_ns > x->time_ns)
			continue;
		if (!someone_waits(t, w, q->pid, x->time_ns))
			continue;
		if (!table->new_run)
			table->new_run = array__zeroed(r->n_memories, sizeof(*table->new_run));
		if (!table->new_run)
			return -ENOMEM;
		table->new_run[x->memory] = true;
		last_run = x->run;
		n++;
	}
	return n;
}
