/* SPDX-License-Identifier: Apache-2.0 */
/* A recording verified part by part says what the whole says, to the word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "make_server.h"
#include "userspace/verify/parts.h"

#define MS 1000000ull
#define N 120
#define MAX_LINES (N + 4)

struct scene {
	struct maker m;
	char path[64], error[512];
	char ids[N][24];
	struct bill_line lines[MAX_LINES];
	struct bill bill;
	struct verify_input in;		/* without a recording */
};

static void scene__open(struct scene *s, uint64_t seed)
{
	const struct server_options o = {
		.seed = seed,
		.n_requests = N,
		.n_slots = 4,
		.max_prompt = 200,
		.max_completion = 10,
		.mean_gap_ns = 150 * MS,
		.percent_cached = 30,
		.percent_stream = 70,
		.percent_leaves = seed % 2 ? 3 : 0,
		.n_draft = seed % 3 == 0 ? 3 : 0,
	};
	struct server_truth *truth;
	int fd;

	memset(s, 0, sizeof(*s));
	truth = make_server(&s->m, &o);
	s->bill = (struct bill){ .path = "bill.csv", .lines = s->lines };
	for (size_t i = 0; i < s->m.recording.n_requests; i++) {
		struct row_request *q = &s->m.recording.requests[i];
		const struct server_truth *t = &truth[q->id - 1];

		snprintf(s->ids[i], sizeof(s->ids[i]), "cmpl-%zu", i);
		q->api_id = s->ids[i];
		q->slot = t->slot;
		q->response_model = "small";
		if (q->client_left)
			continue;
		q->billed_prompt_tokens = t->prompt + t->cached;
		q->billed_cached_tokens = t->cached;
		q->billed_completion_tokens = t->completion;
		s->lines[s->bill.n] = (struct bill_line){
			.line = (int64_t)s->bill.n + 2,
			.request_id = s->ids[i],
			.model = "small",
			.prompt_tokens = t->prompt + t->cached,
			.cached_tokens = t->cached,
			.completion_tokens = t->completion,
			.reasoning_tokens = ABSENT,
			.n_requests = ABSENT,
			.begin_unix_ns = ABSENT,
			.end_unix_ns = ABSENT,
		};
		s->bill.n++;
	}
	free(truth);
	snprintf(s->path, sizeof(s->path), "/tmp/tokprof-parts-XXXXXX");
	fd = mkstemp(s->path);
	assert_true(fd >= 0);
	close(fd);
	unlink(s->path);
	s->in.window_begin_unix_ns = s->in.window_end_unix_ns = ABSENT;
}

/* Lines one token off, twice, with another model, of nobody; and one that is missing. */
static void tamper(struct scene *s, uint64_t seed)
{
	const size_t at = seed % (s->bill.n - 10);

	s->lines[at].completion_tokens++;
	s->lines[at + 3].cached_tokens++;
	s->lines[at + 5].model = "large";
	s->lines[s->bill.n] = s->lines[at + 7];
	s->lines[s->bill.n].line = (int64_t)s->bill.n + 2;
	s->bill.n++;
	s->lines[s->bill.n] = s->lines[at + 8];
	s->lines[s->bill.n].request_id = "nobody's";
	s->lines[s->bill.n].line = (int64_t)s->bill.n + 2;
	s->bill.n++;
	s->lines[at + 9] = s->lines[s->bill.n - 1];
	s->lines[at + 9].request_id = "nobody's either";
	s->lines[at + 9].line = (int64_t)(at + 9) + 2;
}

static void scene__write(struct scene *s)
{
	maker__finish(&s->m);
	assert_int_equal(maker__write(&s->m, s->path), 0);
}

static void scene__close(struct scene *s)
{
	unlink(s->path);
	maker__free(&s->m);
}

static void run_whole(struct scene *s, struct verification *out)
{
	struct verify_input in = s->in;
	struct recording recording;
	struct timeline timeline;
	struct ledger ledger;

	assert_int_equal(recording__load(&recording, s->path, s->error, sizeof(s->error)), 0);
	assert_int_equal(timeline__build(&timeline, &recording), 0);
	assert_int_equal(ledger__build(&ledger, &timeline, NULL), 0);
	in.recording = &recording;
	in.timeline = &timeline;
	in.ledger = &ledger;
	assert_int_equal(verify__run(out, &in), 0);
	ledger__free(&ledger);
	timeline__free(&timeline);
	recording__free(&recording);
}

static int run_parts(struct scene *s, size_t least, struct verification *out)
{
	struct verify_input in = s->in;
	struct recording_parts *parts;
	int rc;

	assert_int_equal(recording_parts__open(&parts, s->path, least, s->error, sizeof(s->error)), 0);
	in.recording = recording_parts__facts(parts);
	rc = verify__run_parts(out, &in, parts);
	recording_parts__close(parts);
	return rc;
}

static void assert_same_text(const char *a, const char *b)
{
	assert_string_equal(a ? a : "-", b ? b : "-");
}

static void assert_same(const struct verification *a, const struct verification *b)
{
	assert_int_equal(a->verdict, b->verdict);
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++) {
		const struct check *x = &a->checks[i], *y = &b->checks[i];

		assert_string_equal(x->id, y->id);
		assert_string_equal(x->subject, y->subject);
		assert_int_equal(x->verdict, y->verdict);
		assert_int_equal(x->grade, y->grade);
		/* A model's name in the whole recording is the recording's own, which is gone. */
		if (strcmp(x->id, "bill.model") != 0)
			assert_same_text(x->measured, y->measured);
		assert_same_text(x->claimed, y->claimed);
		assert_same_text(x->low, y->low);
		assert_same_text(x->high, y->high);
		assert_string_equal(x->text, y->text);
		assert_true(x->bill_line == y->bill_line);
		assert_int_equal(x->n_evidence, y->n_evidence);
		for (size_t k = 0; k < x->n_evidence; k++)
			assert_true(x->evidence[k] == y->evidence[k]);
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(a->n_by_verdict[i], b->n_by_verdict[i]);
	assert_int_equal(a->n_tallies, b->n_tallies);
	for (size_t i = 0; i < a->n_tallies; i++) {
		assert_string_equal(a->tallies[i].id, b->tallies[i].id);
		assert_int_equal(a->tallies[i].n, b->tallies[i].n);
	}
}

static size_t count_parts(struct scene *s, size_t least, size_t *n_requests, size_t *n_steps, size_t *n_rows,
			  size_t *n_memories)
{
	struct recording_parts *parts;
	struct recording part;
	size_t n = 0;

	*n_requests = *n_steps = *n_rows = *n_memories = 0;
	assert_int_equal(recording_parts__open(&parts, s->path, least, s->error, sizeof(s->error)), 0);
	while (recording_parts__next(parts, &part) > 0) {
		n++;
		*n_requests += part.n_requests;
		*n_steps += part.n_steps;
		*n_rows += part.n_rows;
		*n_memories += part.n_memories;
		recording_part__free(&part);
	}
	recording_parts__close(parts);
	return n;
}

static void parts_together_are_the_recording(void **unused)
{
	size_t n[4], n_parts = 0;

	(void)unused;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct scene s;

		scene__open(&s, seed);
		scene__write(&s);
		n_parts += count_parts(&s, 10, &n[0], &n[1], &n[2], &n[3]);
		assert_int_equal(n[0], s.m.recording.n_requests);
		assert_int_equal(n[1], s.m.recording.n_steps);
		assert_int_equal(n[2], s.m.recording.n_rows);
		assert_int_equal(n[3], s.m.recording.n_memories);
		scene__close(&s);
	}
	assert_true(n_parts > 12);
}

static void verdicts_part_by_part_are_those_of_the_whole(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct verification whole, parts;
		struct scene s;

		scene__open(&s, seed);
		scene__write(&s);
		for (int with = 0; with < 3; with++) {
			s.in.bill = with ? &s.bill : NULL;
			if (with == 2)
				tamper(&s, seed);
			run_whole(&s, &whole);
			assert_int_equal(run_parts(&s, 10, &parts), 0);
			assert_same(&whole, &parts);
			if (with == 2)
				assert_int_equal(whole.verdict, VERDICT_REFUTED);
			verification__free(&whole);
			verification__free(&parts);
		}
		scene__close(&s);
	}
}

static void dropped_confirmations_are_counted_and_nothing_else_changes(void **unused)
{
	struct verification all, some;
	struct scene s;
	size_t n = 0;

	(void)unused;
	scene__open(&s, 5);
	tamper(&s, 5);
	s.in.bill = &s.bill;
	scene__write(&s);
	run_whole(&s, &all);
	s.in.drop_confirmed = true;
	assert_int_equal(run_parts(&s, 10, &some), 0);
	assert_int_equal(some.n + some.n_dropped, all.n);
	assert_true(some.n_dropped > 100);
	for (int i = 0; i < 3; i++)
		assert_int_equal(some.n_by_verdict[i], all.n_by_verdict[i]);
	for (size_t i = 0; i < all.n; i++) {
		if (all.checks[i].verdict == VERDICT_CONFIRMED)
			continue;
		assert_string_equal(all.checks[i].text, some.checks[n].text);
		assert_string_equal(all.checks[i].subject, some.checks[n].subject);
		assert_same_text(all.checks[i].claimed, some.checks[n++].claimed);
	}
	assert_int_equal(n, some.n);
	for (size_t i = 0; i < all.n_tallies; i++)
		assert_int_equal(all.tallies[i].n, some.tallies[i].n);
	verification__free(&all);
	verification__free(&some);
	scene__close(&s);
}

static void an_id_in_two_parts_is_left_to_the_whole(void **unused)
{
	struct verification v;
	struct scene s;

	(void)unused;
	scene__open(&s, 2);
	s.m.recording.requests[N - 1].api_id = s.ids[0];
	s.in.bill = &s.bill;
	scene__write(&s);
	assert_int_equal(run_parts(&s, 10, &v), -EAGAIN);
	scene__close(&s);
}

static void a_bill_without_an_id_on_every_line_does_not_go_by_parts(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 2);
	assert_true(verify__goes_by_parts(&s.in));
	s.in.bill = &s.bill;
	assert_true(verify__goes_by_parts(&s.in));
	s.lines[3].request_id = NULL;
	assert_false(verify__goes_by_parts(&s.in));
	scene__close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_together_are_the_recording),
		cmocka_unit_test(verdicts_part_by_part_are_those_of_the_whole),
		cmocka_unit_test(dropped_confirmations_are_counted_and_nothing_else_changes),
		cmocka_unit_test(an_id_in_two_parts_is_left_to_the_whole),
		cmocka_unit_test(a_bill_without_an_id_on_every_line_does_not_go_by_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
