/* SPDX-License-Identifier: Apache-2.0 */
#include "scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

void scene__open(struct scene *s, int n_requests)
{
	memset(s, 0, sizeof(*s));
	s->now = 1000000;
	s->factor = 1;
	maker__init(&s->m);
	maker__meta(&s->m, "start_ns", "1000000");
	make_fit(&s->fit, "target", RESOURCE_CPU_NS);
	for (int i = 0; i < n_requests; i++) {
		struct row_request *q = maker__request(&s->m, s->now + (uint64_t)i, 0);

		q->slot = i;
		maker__remove(&s->m, s->now + 1000, MAKER_TARGET, i, 0);
	}
	s->now += 2000;
}

/* @return the step; its rows' contexts are where their sequences stand */
struct row_step *scene__step(struct scene *s, const struct part *parts, size_t n)
{
	struct cost_row rows[MAX_SEQS] = { 0 };
	struct row_step *step;
	int64_t use;

	for (size_t i = 0; i < n; i++)
		rows[i] = (struct cost_row){ parts[i].n_tokens, (uint32_t)s->pos[parts[i].seq], parts[i].n_outputs,
					     (uint32_t)i };
	use = (int64_t)llround(s->factor * cost__predict(s->fit.fit.cost.value, rows, n));
	maker__step(&s->m, MAKER_TARGET, s->now, s->now + (uint64_t)use);
	for (size_t i = 0; i < n; i++) {
		maker__row(&s->m, parts[i].seq, s->pos[parts[i].seq], parts[i].n_tokens, parts[i].n_outputs);
		s->pos[parts[i].seq] += (int)parts[i].n_tokens;
	}
	maker__cut(&s->m, RESOURCE_CPU_NS, s->meter, use);
	s->meter += use;
	s->now += (uint64_t)use + 100000;
	step = &s->m.recording.steps[s->m.recording.n_steps - 1];
	return step;
}

void scene__decode(struct scene *s, int n_rows, int n_steps)
{
	struct part parts[MAX_SEQS];

	for (int i = 0; i < n_rows; i++)
		parts[i] = (struct part){ i, 1, 1 };
	for (int k = 0; k < n_steps; k++)
		scene__step(s, parts, (size_t)n_rows);
}

void scene__report(struct scene *s, const struct ledger_options *options, bool with_fit)
{
	for (size_t i = 0; i < s->m.recording.n_requests; i++) {
		if (s->m.recording.requests[i].client_left)
			continue;
		s->m.recording.requests[i].end_ns = s->m.recording.requests[i].first_byte_ns = s->now;
		s->m.recording.requests[i].status = 200;
	}
	maker__total(&s->m, RESOURCE_CPU_NS, s->meter, "schedstat");
	if (with_fit)
		maker__fit(&s->m, &s->fit.fit);
	assert_int_equal(timeline__build(&s->timeline, maker__finish(&s->m)), 0);
	assert_int_equal(ledger__build(&s->ledger, &s->timeline, options), 0);
	assert_int_equal(ledger__broken(&s->ledger), -1);
	for (size_t i = 0; i < s->m.recording.n_requests; i++)
		assert_int_equal(s->timeline.requests[i].match, MATCH_EXACT);
}

void scene__close(struct scene *s)
{
	ledger__free(&s->ledger);
	timeline__free(&s->timeline);
	maker__free(&s->m);
}

static size_t position(const struct ledger *l, int resource)
{
	for (size_t k = 0; k < l->n_resources; k++) {
		if (l->resources[k].row->id == resource)
			return k;
	}
	fail();
	return 0;
}

const struct ledger_request *request(const struct scene *s, size_t i)
{
	return &s->ledger.requests[i];
}

size_t cpu(const struct scene *s)
{
	return position(&s->ledger, RESOURCE_CPU_NS);
}

int64_t cost(const struct scene *s, size_t i)
{
	return request(s, i)->cost[cpu(s)];
}

int64_t account(const struct scene *s, enum account_id a)
{
	return s->ledger.accounts[a][cpu(s)];
}

const struct pricing *pricing(const struct scene *s)
{
	return &s->ledger.pricing[ROLE_TARGET][cpu(s)];
}
