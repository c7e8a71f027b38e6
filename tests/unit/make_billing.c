/* SPDX-License-Identifier: Apache-2.0 */
#include "make_billing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

int64_t prompt_of(int i)
{
	return 20 + i;
}

int64_t completion_of(int i)
{
	return 30 + i;
}

static void billing__step(struct billing *s, int seq, int pos, uint32_t n)
{
	const struct cost_row row = { n, (uint32_t)pos, 1, 0 };
	const int64_t use = (int64_t)llround(s->factor * cost__predict(s->fit.fit.cost.value, &row, 1));
	const uint64_t length = (uint64_t)llround(cost__predict(s->fit.fit.cost.value, &row, 1));

	maker__step(&s->m, MAKER_TARGET, s->now, s->now + length);
	maker__row(&s->m, seq, pos, n, 1);
	maker__cut(&s->m, RESOURCE_CPU_NS, s->meter, use);
	s->meter += use;
	s->now += length + MS / 10;
}

static void billing__request(struct billing *s, int i)
{
	struct row_request *q = maker__request(&s->m, s->now, 0);

	snprintf(s->ids[i], sizeof(s->ids[i]), "req-%d", i + 1);
	q->api_id = s->ids[i];
	q->slot = i;
	q->response_model = "small";
	s->now += MS;
	maker__remove(&s->m, s->now, MAKER_TARGET, i, i);
	billing__step(s, i, i, (uint32_t)(prompt_of(i) - i));
	for (int64_t k = 1; k < completion_of(i); k++)
		billing__step(s, i, (int)(prompt_of(i) + k - 1), 1);
	q = &s->m.recording.requests[i];
	s->now += MS;
	q->end_ns = q->first_byte_ns = q->first_token_ns = q->last_token_ns = s->now;
	q->status = 200;
	q->billed_prompt_tokens = prompt_of(i);
	q->billed_cached_tokens = i;
	q->billed_completion_tokens = completion_of(i);
	/* A minute between two, so that moments tell them apart. */
	s->now += 60 * (uint64_t)SECOND;
}

void bill_line(struct bill_line *line, int i)
{
	*line = (struct bill_line){
		.line = i + 2,
		.model = "small",
		.prompt_tokens = prompt_of(i),
		.cached_tokens = i,
		.completion_tokens = completion_of(i),
		.reasoning_tokens = ABSENT,
		.n_requests = ABSENT,
		.begin_unix_ns = ABSENT,
		.end_unix_ns = ABSENT,
	};
}

void billing__open_late(struct billing *s, double factor, double late)
{
	memset(s, 0, sizeof(*s));
	s->now = START;
	s->factor = factor > 0 ? factor : 1;
	s->with_fit = factor > 0;
	maker__init(&s->m);
	maker__meta(&s->m, "origin_mono_ns", "1000000");
	maker__meta(&s->m, "origin_unix_ns", "1800000000000000000");
	maker__meta(&s->m, "start_ns", "1000000");
	make_fit(&s->fit, "target", RESOURCE_CPU_NS);
	s->fit.fit.origin = FIT_ORIGIN_CALIBRATE;
	s->fit.fit.key.model_digest = "aa";
	s->fit.fit.key.n_threads = 2;
	maker__model(&s->m, &(struct row_model){ .id = 1, .digest = "aa", .weight_bytes = 1000 });
	for (int i = 0; i < N; i++) {
		if (late > 0 && i == N - 1) {
			s->now += 7200 * (uint64_t)SECOND;
			s->factor = late;
		}
		billing__request(s, i);
		bill_line(&s->lines[i], i);
		s->lines[i].request_id = s->ids[i];
	}
	s->bill = (struct bill){ .path = "bill.csv", .lines = s->lines, .n = N };
	s->in.window_begin_unix_ns = s->in.window_end_unix_ns = ABSENT;
	s->in.bill = &s->bill;
}

void billing__open(struct billing *s, double factor)
{
	billing__open_late(s, factor, 0);
}

void billing__verify(struct billing *s)
{
	static char end[32];

	snprintf(end, sizeof(end), "%llu", (unsigned long long)s->now);
	maker__meta(&s->m, "end_ns", end);
	maker__total(&s->m, RESOURCE_CPU_NS, s->meter, "schedstat");
	if (s->with_fit)
		maker__fit(&s->m, &s->fit.fit);
	assert_int_equal(timeline__build(&s->timeline, maker__finish(&s->m)), 0);
	assert_int_equal(ledger__build(&s->ledger, &s->timeline, NULL), 0);
	s->in.recording = &s->m.recording;
	s->in.timeline = &s->timeline;
	s->in.ledger = &s->ledger;
	assert_int_equal(verify__run(&s->v, &s->in), 0);
}

void billing__close(struct billing *s)
{
	verification__free(&s->v);
	ledger__free(&s->ledger);
	timeline__free(&s->timeline);
	maker__free(&s->m);
}

const struct check *verdict__find(const struct verification *v, const char *id, int64_t line)
{
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->checks[i].id, id) == 0 && (!line || v->checks[i].bill_line == line))
			return &v->checks[i];
	return NULL;
}

const struct note *verdict__note(const struct verification *v, const char *id)
{
	for (size_t i = 0; i < v->n_notes; i++)
		if (strcmp(v->notes[i].id, id) == 0)
			return &v->notes[i];
	return NULL;
}

size_t verdict__count(const struct verification *v, enum verdict verdict, const char *id)
{
	size_t n = 0;

	for (size_t i = 0; i < v->n; i++)
		n += v->checks[i].verdict == verdict && (!id || strcmp(v->checks[i].id, id) == 0);
	return n;
}

void verdict__print(const struct verification *v)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->checks[i].verdict != VERDICT_CONFIRMED)
			print_message("%s %s %s claimed %s measured %s: %s\n", verdict_names[v->checks[i].verdict],
				      v->checks[i].id, v->checks[i].subject, v->checks[i].claimed,
				      v->checks[i].measured, v->checks[i].text);
}

void billing__expect(const struct billing *s, const char *id, int64_t line, enum verdict verdict, const char *claimed,
		     const char *measured)
{
	const struct check *c = verdict__find(&s->v, id, line);

	if (!c || c->verdict != verdict)
		verdict__print(&s->v);
	assert_non_null(c);
	assert_int_equal(c->verdict, verdict);
	if (claimed)
		assert_string_equal(c->claimed, claimed);
	if (measured)
		assert_string_equal(c->measured, measured);
}

void billing__expect_says(const struct billing *s, const char *id, int64_t line, const char *words)
{
	const struct check *c = verdict__find(&s->v, id, line);

	assert_non_null(c);
	if (!strstr(c->text, words))
		print_message("%s\n", c->text);
	assert_non_null(strstr(c->text, words));
}

void billing__expect_verdict(const struct billing *s, enum verdict verdict)
{
	if (s->v.verdict != verdict)
		verdict__print(&s->v);
	assert_int_equal(s->v.verdict, verdict);
}

void billing__two_choices(struct billing *s)
{
	struct row_request *q = maker__request(&s->m, s->now, 0);

	q->api_id = "two";
	q->n = 2;
	q->slot = 0;
	s->now += MS;
	maker__remove(&s->m, s->now, MAKER_TARGET, 0, 0);
	maker__step(&s->m, MAKER_TARGET, s->now, s->now + MS);
	maker__row(&s->m, 0, 0, 12, 1);
	s->now += 2 * MS;
	maker__memory(&s->m, &(struct row_memory){ s->now, MAKER_TID, MAKER_TARGET, MEMORY_SEQ_CP, 0, 1, -1, -1, 0 });
	for (int i = 0; i < 5; i++) {
		s->now += MS;
		maker__step(&s->m, MAKER_TARGET, s->now, s->now + MS);
		maker__row(&s->m, 0, 12 + i, 1, 1);
		maker__row(&s->m, 1, 12 + i, 1, 1);
		s->now += MS;
	}
	s->now += MS;
	q->end_ns = q->first_byte_ns = q->first_token_ns = q->last_token_ns = s->now;
	q->status = 200;
	s->now += SECOND;
	bill_line(&s->lines[N], N);
	s->lines[N].request_id = "two";
	s->lines[N].model = NULL;
	s->lines[N].prompt_tokens = 12;
	s->lines[N].cached_tokens = 0;
	s->bill.n = N + 1;
}
