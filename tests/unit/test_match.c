/* SPDX-License-Identifier: Apache-2.0 */
/* Requests joined with generations: an exact match is never wrong, and says so only when it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"
#include "make_server.h"
#include "userspace/analysis/timeline.h"

#define MS 1000000ull
#define S 1000000000ull

static void build(struct maker *m, struct timeline *t)
{
	assert_int_equal(timeline__build(t, maker__finish(m)), 0);
}

static void drop(struct maker *m, struct timeline *t)
{
	timeline__free(t);
	maker__free(m);
}

/* A generation in one slot: prompt at `start`, then a token every 5 ms. @return end of the last step */
static uint64_t generate(struct maker *m, int slot, uint64_t start_ns, int prompt, int keep, int completion)
{
	maker__remove(m, start_ns, MAKER_TARGET, slot, keep);
	for (int i = 0; i < completion; i++) {
		maker__step(m, MAKER_TARGET, start_ns + (uint64_t)i * 5 * MS, start_ns + (uint64_t)i * 5 * MS + 4 * MS);
		maker__row(m, slot, i ? prompt + i - 1 : keep, i ? 1 : prompt - keep, 1);
	}
	return start_ns + (uint64_t)(completion - 1) * 5 * MS + 4 * MS;
}

static void stream(struct maker *m, int64_t request, uint64_t start_ns, int n)
{
	for (int i = 0; i < n; i++)
		maker__chunk(m, request, start_ns + (uint64_t)i * 5 * MS + 4 * MS + 300000);
}

static void assert_tokens(const struct timeline *t, size_t i, int64_t prompt, int64_t cached, int64_t completion)
{
	assert_int_equal(t->requests[i].prompt_tokens, prompt);
	assert_int_equal(t->requests[i].cached_tokens, cached);
	assert_int_equal(t->requests[i].completion_tokens, completion);
}

static void a_lone_stream_is_matched_and_timed(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	maker__init(&m);
	generate(&m, 0, 10 * MS, 7, 0, 4);
	maker__request(&m, 8 * MS, 40 * MS);
	stream(&m, 1, 10 * MS, 4);
	build(&m, &t);
	assert_int_equal(t.requests[0].match, MATCH_EXACT);
	assert_non_null(strstr(t.requests[0].evidence, "4 chunks"));
	assert_int_equal(t.requests[0].incomplete, 0);
	assert_tokens(&t, 0, 7, 0, 4);
	assert_int_equal(t.requests[0].wait_ns, 2 * MS + 3 * MS);
	assert_int_equal(t.requests[0].ttft_ns, 6 * MS + 300000);
	assert_int_equal(t.requests[0].tpot_ns, 5 * MS);
	assert_int_equal(t.requests[0].e2el_ns, 32 * MS);
	assert_int_equal(t.n_runs_unmatched, 0);
	drop(&m, &t);
}

static void ends_of_answers_tell_requests_apart_whatever_their_order_of_arrival(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	maker__init(&m);
	generate(&m, 0, 10 * MS, 7, 0, 4);
	generate(&m, 1, 100 * MS, 9, 0, 6);
	/* The first to arrive is served last. */
	maker__request(&m, 8 * MS, 130 * MS);
	maker__request(&m, 9 * MS, 30 * MS);
	build(&m, &t);
	assert_int_equal(t.requests[0].match, MATCH_EXACT);
	assert_int_equal(t.requests[1].match, MATCH_EXACT);
	assert_tokens(&t, 0, 9, 0, 6);
	assert_tokens(&t, 1, 7, 0, 4);
	drop(&m, &t);
}

/* Two generations in the same steps from beginning to end, told apart by nothing. */
static void make_pair(struct maker *m, int prompt_a, int prompt_b)
{
	maker__init(m);
	maker__remove(m, 9 * MS, MAKER_TARGET, 0, 0);
	maker__remove(m, 9 * MS, MAKER_TARGET, 1, 0);
	for (int i = 0; i < 4; i++) {
		maker__step(m, MAKER_TARGET, (10 + (uint64_t)i * 5) * MS, (14 + (uint64_t)i * 5) * MS);
		maker__row(m, 0, i ? prompt_a + i - 1 : 0, i ? 1 : prompt_a, 1);
		maker__row(m, 1, i ? prompt_b + i - 1 : 0, i ? 1 : prompt_b, 1);
	}
	maker__request(m, 8 * MS, 30 * MS);
	maker__request(m, 8 * MS, 30 * MS);
}

static void interchangeable_twins_with_equal_figures_are_exact(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	make_pair(&m, 7, 7);
	build(&m, &t);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(t.requests[i].match, MATCH_EXACT);
		assert_tokens(&t, i, 7, 0, 4);
	}
	drop(&m, &t);
}

static void twins_with_different_figures_are_ambiguous(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	make_pair(&m, 7, 9);
	build(&m, &t);
	assert_int_equal(t.requests[0].match, MATCH_AMBIGUOUS);
	assert_int_equal(t.requests[1].match, MATCH_AMBIGUOUS);
	drop(&m, &t);
}

static void the_slot_number_tells_twins_apart(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	make_pair(&m, 7, 9);
	m.recording.requests[0].slot = 1;
	m.recording.requests[1].slot = 0;
	build(&m, &t);
	assert_int_equal(t.requests[0].match, MATCH_EXACT);
	assert_non_null(strstr(t.requests[0].evidence, "slot"));
	assert_tokens(&t, 0, 9, 0, 4);
	assert_tokens(&t, 1, 7, 0, 4);
	drop(&m, &t);
}

static void a_prompt_of_very_different_length_tells_twins_apart(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	make_pair(&m, 300, 20);
	m.recording.requests[0].prompt_bytes = 80;
	m.recording.requests[1].prompt_bytes = 1200;
	build(&m, &t);
	assert_int_equal(t.requests[0].match, MATCH_EXACT);
	assert_tokens(&t, 0, 20, 0, 4);
	assert_tokens(&t, 1, 300, 0, 4);
	drop(&m, &t);
}

static void token_ids_sent_tell_twins_apart_by_a_single_token(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	make_pair(&m, 7, 8);
	m.recording.requests[0].sent_prompt_tokens = 8;
	m.recording.requests[1].sent_prompt_tokens = 7;
	build(&m, &t);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(t.requests[i].match, MATCH_EXACT);
		assert_non_null(strstr(t.requests[i].evidence, "prompt tokens"));
	}
	assert_tokens(&t, 0, 8, 0, 4);
	assert_tokens(&t, 1, 7, 0, 4);
	drop(&m, &t);
}

static void a_token_before_the_ids_that_marks_the_beginning_is_no_mismatch(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	make_pair(&m, 7, 9);
	m.recording.requests[0].sent_prompt_tokens = 8;
	m.recording.requests[1].sent_prompt_tokens = 6;
	build(&m, &t);
	assert_int_equal(t.requests[0].match, MATCH_EXACT);
	assert_int_equal(t.requests[1].match, MATCH_EXACT);
	assert_tokens(&t, 0, 9, 0, 4);
	assert_tokens(&t, 1, 7, 0, 4);
	drop(&m, &t);
}

static void a_run_of_another_length_than_the_ids_sent_is_another_requests(void **unused)
{
	static const int64_t sent[] = { 5, 9, 20000, INT64_MAX };
	struct timeline t;

	(void)unused;
	for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
		struct row_request *q;
		struct maker m;

		maker__init(&m);
		generate(&m, 0, 10 * MS, 7, 0, 4);
		q = maker__request(&m, 8 * MS, 40 * MS);
		q->sent_prompt_tokens = sent[i];
		build(&m, &t);
		/* A number that no prompt can have says nothing. */
		assert_int_equal(t.requests[0].match, sent[i] == INT64_MAX ? MATCH_EXACT : MATCH_NONE);
		drop(&m, &t);
	}
}

static void what_was_cached_is_of_the_ids_sent_too(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	maker__init(&m);
	generate(&m, 0, 10 * MS, 7, 6, 4);
	maker__request(&m, 8 * MS, 40 * MS)->sent_prompt_tokens = 7;
	build(&m, &t);
	assert_int_equal(t.requests[0].match, MATCH_EXACT);
	assert_tokens(&t, 0, 1, 6, 4);
	drop(&m, &t);
}

static void a_client_that_leaves_in_its_prompt_has_fewer_tokens_computed_than_sent(void **unused)
{
	struct maker m;
	struct timeline t;
	struct row_request *q;

	(void)unused;
	maker__init(&m);
	maker__remove(&m, 9 * MS, MAKER_TARGET, 0, 0);
	maker__step(&m, MAKER_TARGET, 10 * MS, 14 * MS);
	maker__row(&m, 0, 0, 512, 0);
	q = maker__request(&m, 8 * MS, 15 * MS);
	q->sent_prompt_tokens = 4000;
	q->client_left = true;
	q->status = 0;
	build(&m, &t);
	assert_int_equal(t.requests[0].match, MATCH_EXACT);
	assert_int_equal(t.requests[0].prompt_tokens, 512);
	drop(&m, &t);
}

/* Two streams in slots 0 and 1 from the same step on; slot 0 is served 100 us before slot 1. */
static void make_streams(struct maker *m, uint64_t start_ns, const int *prompts, const int *completions)
{
	const int longest = completions[0] > completions[1] ? completions[0] : completions[1];
	int64_t ids[2];

	for (int k = 0; k < 2; k++) {
		maker__remove(m, start_ns, MAKER_TARGET, k, 0);
		ids[k] = maker__request(m, start_ns - MS, start_ns + (uint64_t)completions[k] * 5 * MS)->id;
	}
	for (int i = 0; i < longest; i++) {
		const uint64_t end_ns = start_ns + (uint64_t)i * 5 * MS + 4 * MS;

		maker__step(m, MAKER_TARGET, end_ns - 4 * MS, end_ns);
		for (int k = 0; k < 2; k++) {
			if (i < completions[k]) {
				maker__row(m, k, i ? prompts[k] + i - 1 : 0, i ? 1 : prompts[k], 1);
				maker__chunk(m, ids[k], end_ns + 200000 + (uint64_t)k * 100000);
			}
		}
	}
}

static void streams_in_the_same_steps_are_told_apart_by_who_is_served_first(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	maker__init(&m);
	make_streams(&m, 9000 * MS, (int[]){ 9, 7 }, (int[]){ 24, 24 });
	build(&m, &t);
	assert_int_equal(t.requests[0].match, MATCH_AMBIGUOUS);
	timeline__free(&t);
	/* The order is learnt from streams that end in different steps. */
	for (uint64_t i = 1; i <= 10; i++)
		make_streams(&m, i * 200 * MS, (int[]){ 9, 7 }, (int[]){ 12, 8 });
	build(&m, &t);
	assert_int_equal(t.requests[20].match, MATCH_EXACT);
	assert_tokens(&t, 20, 9, 0, 24);
	assert_tokens(&t, 21, 7, 0, 24);
	drop(&m, &t);
}

static void the_clients_own_limit_tells_twins_apart(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	maker__init(&m);
	generate(&m, 0, 10 * MS, 7, 0, 4);
	maker__remove(&m, 9 * MS, MAKER_TARGET, 1, 0);
	for (int i = 0; i < 5; i++) {
		/* In the steps of slot 0, and one more that ends before the first answer does. */
		if (i == 4)
			maker__step(&m, MAKER_TARGET, 29 * MS + MS / 2, 29 * MS + MS / 2 + MS / 4);
		maker__row(&m, 1, i ? 9 + i - 1 : 0, i ? 1 : 9, 1);
		m.recording.rows[m.recording.n_rows - 1].step = i + 1;
	}
	for (int i = 0; i < 2; i++) {
		struct row_request *q = maker__request(&m, 8 * MS, 30 * MS);

		q->max_tokens = i ? 4 : 5;
		q->finish_reason = "length";
	}
	build(&m, &t);
	assert_int_equal(t.requests[0].match, MATCH_EXACT);
	assert_tokens(&t, 0, 9, 0, 5);
	assert_tokens(&t, 1, 7, 0, 4);
	drop(&m, &t);
}

static void a_refused_request_and_an_unknown_path_have_no_tokens_and_are_listed(void **unused)
{
	struct maker m;
	struct timeline t;
	struct row_request *q;

	(void)unused;
	maker__init(&m);
	generate(&m, 0, 10 * MS, 7, 0, 4);
	maker__request(&m, 8 * MS, 30 * MS);
	maker__request(&m, 9 * MS, 31 * MS)->status = 400;
	q = maker__request(&m, 9 * MS + 1, 32 * MS);
	q->path = "/nowhere";
	q->status = 404;
	q = maker__request(&m, 9 * MS + 2, 33 * MS);
	q->path = "/health";
	q->method = "GET";
	build(&m, &t);
	assert_int_equal(t.requests[0].match, MATCH_EXACT);
	assert_tokens(&t, 0, 7, 0, 4);
	for (size_t i = 1; i < 4; i++) {
		assert_int_equal(t.requests[i].match, MATCH_NONE);
		assert_tokens(&t, i, 0, 0, 0);
		assert_int_equal(t.requests[i].wait_ns, ABSENT);
	}
	drop(&m, &t);
}

static void nothing_computed_is_unknown_while_a_run_has_no_owner(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	maker__init(&m);
	/* It had begun before the only request came, and was still going. */
	generate(&m, 0, 5 * MS, 7, 0, 4);
	maker__request(&m, 8 * MS, 30 * MS);
	build(&m, &t);
	assert_int_equal(t.requests[0].match, MATCH_NONE);
	assert_int_equal(t.requests[0].prompt_tokens, ABSENT);
	assert_int_equal(t.n_runs_unmatched, 1);
	drop(&m, &t);
}

static void nothing_is_known_without_the_engines_collector(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	maker__init(&m);
	m.recording.collectors[0].state = "absent";
	maker__request(&m, 8 * MS, 30 * MS);
	build(&m, &t);
	assert_int_equal(t.requests[0].completion_tokens, ABSENT);
	drop(&m, &t);
}

static void an_answer_without_compute_is_a_finding(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	maker__init(&m);
	generate(&m, 0, 100 * MS, 7, 0, 4);
	maker__request(&m, 8 * MS, 30 * MS);
	stream(&m, 1, 10 * MS, 4);
	maker__request(&m, 99 * MS, 125 * MS);
	build(&m, &t);
	assert_int_equal(t.requests[0].match, MATCH_NONE);
	assert_tokens(&t, 0, 0, 0, 0);
	assert_int_equal(t.requests[0].incomplete, 0);
	drop(&m, &t);
}

static void a_client_that_leaves_has_what_was_computed_after_it_left_too(void **unused)
{
	struct maker m;
	struct timeline t;
	struct row_request *q;

	(void)unused;
	maker__init(&m);
	generate(&m, 0, 10 * MS, 7, 0, 8);
	q = maker__request(&m, 8 * MS, 25 * MS);
	q->client_left = true;
	stream(&m, 1, 10 * MS, 3);
	build(&m, &t);
	assert_int_equal(t.requests[0].match, MATCH_EXACT);
	assert_tokens(&t, 0, 7, 0, 8);
	drop(&m, &t);
}

static void a_loss_in_its_time_makes_a_request_incomplete_and_keeps_its_figures(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	maker__init(&m);
	generate(&m, 0, 10 * S, 7, 0, 4);
	generate(&m, 0, 20 * S, 8, 0, 4);
	maker__request(&m, 10 * S - MS, 10 * S + 30 * MS);
	maker__request(&m, 20 * S - MS, 20 * S + 30 * MS);
	maker__loss(&m, "engine", 11 * S, 3);
	maker__loss(&m, "sched", 20 * S, 3);
	build(&m, &t);
	assert_int_equal(t.requests[0].incomplete, INCOMPLETE_LOSS);
	assert_tokens(&t, 0, 7, 0, 4);
	assert_int_equal(t.requests[1].incomplete, 0);
	drop(&m, &t);
}

static void a_request_begun_before_the_attach_keeps_the_run_whose_beginning_was_not_seen(void **unused)
{
	struct maker m;
	struct timeline t;
	struct row_request *q;

	(void)unused;
	maker__init(&m);
	for (int i = 0; i < 4; i++) {
		maker__step(&m, MAKER_TARGET, (10 + (uint64_t)i * 5) * MS, (14 + (uint64_t)i * 5) * MS);
		maker__row(&m, 0, 40 + i, 1, 1);
	}
	q = maker__request(&m, 11 * MS, 30 * MS);
	q->incomplete = INCOMPLETE_BEFORE_ATTACH;
	stream(&m, 1, 10 * MS, 4);
	build(&m, &t);
	assert_int_equal(t.requests[0].n_runs, 1);
	assert_tokens(&t, 0, ABSENT, ABSENT, 4);
	assert_int_equal(t.requests[0].incomplete, INCOMPLETE_BEFORE_ATTACH);
	assert_int_equal(t.requests[0].ttft_ns, ABSENT);
	assert_int_equal(t.requests[0].wait_ns, ABSENT);
	drop(&m, &t);
}

static void a_request_still_open_at_the_end_has_what_was_computed_so_far(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	maker__init(&m);
	generate(&m, 0, 10 * MS, 7, 0, 4);
	maker__request(&m, 8 * MS, 0);
	stream(&m, 1, 10 * MS, 4);
	build(&m, &t);
	assert_int_equal(t.requests[0].incomplete, INCOMPLETE_AT_END);
	assert_tokens(&t, 0, 7, 0, 4);
	assert_int_equal(t.requests[0].e2el_ns, ABSENT);
	drop(&m, &t);
}

static void an_embedding_of_a_list_has_all_of_its_runs_and_no_completion(void **unused)
{
	struct maker m;
	struct timeline t;
	struct row_request *q;

	(void)unused;
	maker__init(&m);
	for (int i = 0; i < 3; i++)
		maker__remove(&m, 9 * MS, MAKER_TARGET, i, 0);
	maker__step(&m, MAKER_TARGET, 10 * MS, 14 * MS);
	maker__row(&m, 0, 0, 5, 5);
	maker__row(&m, 1, 0, 6, 6);
	maker__row(&m, 2, 0, 1, 1);
	q = maker__request(&m, 8 * MS, 15 * MS);
	q->path = "/v1/embeddings";
	q->n_prompts = 3;
	build(&m, &t);
	assert_int_equal(t.requests[0].match, MATCH_EXACT);
	assert_int_equal(t.requests[0].incomplete, 0);
	assert_tokens(&t, 0, 12, 0, 0);
	for (size_t i = 0; i < t.n_rows; i++)
		assert_int_equal(t.rows[i].phase, PHASE_EMBED);
	drop(&m, &t);
}

/* Two prompts of one request in two slots, four tokens each, the second one begun when the first has ended. */
static struct row_request *make_list(struct maker *m)
{
	maker__init(m);
	generate(m, 0, 10 * MS, 7, 0, 4);
	generate(m, 1, 30 * MS, 9, 1, 4);
	return maker__request(m, 8 * MS, 60 * MS);
}

static void a_list_of_prompts_has_a_run_for_each(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	make_list(&m)->n_prompts = 2;
	build(&m, &t);
	assert_int_equal(t.requests[0].match, MATCH_EXACT);
	assert_int_equal(t.requests[0].n_runs, 2);
	assert_int_equal(t.requests[0].incomplete, 0);
	assert_tokens(&t, 0, 7 + 8, 1, 8);
	drop(&m, &t);
}

static void a_list_that_is_streamed_has_all_of_its_runs_and_no_pace(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	make_list(&m)->n_prompts = 2;
	stream(&m, 1, 10 * MS, 4);
	stream(&m, 1, 30 * MS, 4);
	build(&m, &t);
	assert_int_equal(t.requests[0].match, MATCH_EXACT);
	assert_int_equal(t.requests[0].incomplete, 0);
	assert_tokens(&t, 0, 7 + 8, 1, 8);
	assert_int_equal(t.requests[0].ttft_ns, 6 * MS + 300000);
	assert_int_equal(t.requests[0].tpot_ns, ABSENT);
	drop(&m, &t);
}

static void a_list_with_fewer_runs_than_prompts_is_incomplete(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	make_list(&m)->n_prompts = 3;
	build(&m, &t);
	assert_int_equal(t.requests[0].n_runs, 2);
	assert_int_equal(t.requests[0].incomplete, INCOMPLETE_UNMATCHED);
	drop(&m, &t);
}

static void a_body_not_seen_whole_may_have_been_a_list(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	make_list(&m)->n_prompts = ABSENT;
	build(&m, &t);
	assert_int_equal(t.requests[0].n_runs, 2);
	assert_tokens(&t, 0, 7 + 8, 1, 8);
	drop(&m, &t);
}

static void one_prompt_takes_no_second_run(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	make_list(&m);
	build(&m, &t);
	assert_int_equal(t.requests[0].n_runs, 1);
	assert_int_equal(t.n_runs_unmatched, 1);
	drop(&m, &t);
}

static void of_more_runs_than_a_list_has_prompts_none_is_surely_its_own(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	make_list(&m)->n_prompts = 2;
	generate(&m, 2, 12 * MS, 5, 0, 2);
	build(&m, &t);
	assert_int_equal(t.requests[0].match, MATCH_AMBIGUOUS);
	assert_int_equal(t.requests[0].n_runs, 2);
	drop(&m, &t);
}

static void a_list_leaves_a_stream_beside_it_its_own_run(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	make_list(&m)->n_prompts = 2;
	generate(&m, 2, 14 * MS, 5, 0, 6);
	maker__request(&m, 13 * MS, 45 * MS);
	stream(&m, 2, 14 * MS, 6);
	build(&m, &t);
	assert_tokens(&t, 0, 7 + 8, 1, 8);
	assert_tokens(&t, 1, 5, 0, 6);
	assert_int_equal(t.requests[1].incomplete, 0);
	drop(&m, &t);
}

static void absurd_numbers_of_completions_and_prompts_are_only_incomplete(void **unused)
{
	struct maker m;
	struct timeline t;
	struct row_request *q = make_list(&m);

	(void)unused;
	q->n = INT64_MAX;
	q->n_prompts = INT64_MAX;
	build(&m, &t);
	assert_true(t.requests[0].incomplete & INCOMPLETE_UNMATCHED);
	drop(&m, &t);
}

static void where_no_engine_was_found_nothing_is_known_of_what_was_computed(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	maker__init(&m);
	m.recording.n_contexts = 0;
	maker__request(&m, 8 * MS, 40 * MS)->billed_completion_tokens = 5;
	maker__request(&m, 50 * MS, 51 * MS)->path = "/health";
	build(&m, &t);
	assert_int_equal(t.requests[0].incomplete, INCOMPLETE_UNWATCHED);
	assert_tokens(&t, 0, ABSENT, ABSENT, ABSENT);
	assert_int_equal(t.requests[1].incomplete, 0);
	assert_tokens(&t, 1, 0, 0, 0);
	drop(&m, &t);
}

static void a_command_that_was_started_is_watched_from_its_first_step_on(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	maker__init(&m);
	maker__meta(&m, "command", "server");
	maker__request(&m, 8 * MS, 9 * MS);
	generate(&m, 0, 20 * MS, 7, 0, 4);
	maker__request(&m, 18 * MS, 40 * MS);
	maker__request(&m, 50 * MS, 60 * MS);
	build(&m, &t);
	assert_int_equal(t.requests[0].incomplete, INCOMPLETE_UNWATCHED);
	assert_tokens(&t, 1, 7, 0, 4);
	/* Answered without computing: from here on that is a finding. */
	assert_int_equal(t.requests[2].incomplete, 0);
	assert_tokens(&t, 2, 0, 0, 0);
	drop(&m, &t);
}

/* A prompt of 10 tokens, then one verify row of 5 of which 4 are accepted. */
static struct row_request *make_speculation(struct maker *m)
{
	maker__init(m);
	generate(m, 0, 10 * MS, 10, 0, 1);
	maker__step(m, MAKER_TARGET, 15 * MS, 19 * MS);
	maker__row(m, 0, 10, 5, 5);
	maker__remove(m, 20 * MS, MAKER_TARGET, 0, 14);
	return maker__request(m, 8 * MS, 30 * MS);
}

static void the_clients_limit_cuts_tokens_accepted_beyond_it(void **unused)
{
	struct maker m;
	struct timeline t;
	struct row_request *q = make_speculation(&m);

	(void)unused;
	q->max_tokens = 3;
	q->finish_reason = "length";
	build(&m, &t);
	assert_tokens(&t, 0, 10, 0, 3);
	assert_int_equal(t.requests[0].draft_tokens, 4);
	assert_int_equal(t.requests[0].draft_rejected_tokens, 1);
	assert_int_equal(t.requests[0].incomplete, 0);
	assert_int_equal(t.rows[0].n_emitted + t.rows[1].n_emitted, 3);
	drop(&m, &t);
}

static void where_a_stop_ended_a_speculative_step_is_not_guessed(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	make_speculation(&m)->finish_reason = "stop";
	build(&m, &t);
	assert_int_equal(t.requests[0].incomplete, INCOMPLETE_EMITTED);
	assert_int_equal(t.requests[0].match, MATCH_EXACT);
	drop(&m, &t);
}

static void the_limit_that_ended_another_choice_proves_nothing_of_this_one(void **unused)
{
	struct maker m;
	struct timeline t;
	struct row_request *q = make_speculation(&m);

	(void)unused;
	q->max_tokens = 20;
	q->finish_reason = "length";
	q->n_prompts = 2;
	build(&m, &t);
	assert_true(t.requests[0].incomplete & INCOMPLETE_EMITTED);
	drop(&m, &t);
}

static void a_speculative_step_without_a_rollback_is_proven_by_the_limit_only(void **unused)
{
	struct maker m;
	struct timeline t;
	struct row_request *q = make_speculation(&m);

	(void)unused;
	m.recording.n_memories = 1;
	q->max_tokens = 2;
	q->finish_reason = "length";
	build(&m, &t);
	assert_tokens(&t, 0, 10, 0, 2);
	assert_int_equal(t.requests[0].incomplete, 0);
	assert_int_equal(t.requests[0].draft_rejected_tokens, ABSENT);
	timeline__free(&t);
	m.recording.requests[0].max_tokens = 4;
	build(&m, &t);
	assert_int_equal(t.requests[0].incomplete, INCOMPLETE_EMITTED);
	drop(&m, &t);
}

static void another_process_is_not_a_candidate(void **unused)
{
	struct maker m;
	struct timeline t;

	(void)unused;
	maker__init(&m);
	generate(&m, 0, 10 * MS, 7, 0, 4);
	maker__request(&m, 8 * MS, 30 * MS)->pid = MAKER_PID + 1;
	maker__request(&m, 8 * MS, 30 * MS);
	build(&m, &t);
	assert_int_equal(t.requests[0].match, MATCH_NONE);
	assert_int_equal(t.requests[0].prompt_tokens, ABSENT);
	assert_int_equal(t.requests[1].match, MATCH_EXACT);
	drop(&m, &t);
}

/* ------------------------------------------------------------------------------------------------- simulated traffic --- */

static struct server_options traffic(uint64_t seed)
{
	uint64_t random = seed * 77;
	static const uint64_t gaps[] = { MS / 2, 5 * MS, 60 * MS };

	return (struct server_options){
		.seed = seed,
		.n_requests = 5 + (int64_t)random_below(&random, 40),
		.n_slots = 1 + (int)random_below(&random, 6),
		.max_prompt = 2 + (int)random_below(&random, 900),
		.max_completion = 1 + (int)random_below(&random, 40),
		.mean_gap_ns = gaps[random_below(&random, 3)],
		.percent_cached = (int)random_below(&random, 60),
		.percent_stream = (int)random_below(&random, 3) * 50,
		.percent_leaves = (int)random_below(&random, 3) * 10,
		.n_draft = random_below(&random, 3) ? 0 : 4,
		.draft_context = random_below(&random, 2),
	};
}

static void an_exact_match_has_the_true_figures_under_any_traffic(void **unused)
{
	int64_t n = 0, n_exact = 0;

	(void)unused;
	for (uint64_t seed = 1; seed <= 400; seed++) {
		const struct server_options o = traffic(seed);
		struct maker m;
		struct server_truth *truth = make_server(&m, &o);
		struct timeline t;

		build(&m, &t);
		for (size_t i = 0; i < m.recording.n_requests; i++) {
			const struct server_truth *true_one = &truth[m.recording.requests[i].id - 1];

			n++;
			assert_int_not_equal(t.requests[i].match, MATCH_NONE);
			if (t.requests[i].match != MATCH_EXACT)
				continue;
			n_exact++;
			assert_tokens(&t, i, true_one->prompt, true_one->cached, true_one->completion);
			assert_int_equal(t.requests[i].draft_tokens, true_one->drafted);
			assert_int_equal(t.requests[i].draft_rejected_tokens, true_one->rejected);
			assert_int_equal(t.requests[i].incomplete & ~(uint32_t)INCOMPLETE_EMITTED, 0);
		}
		drop(&m, &t);
		free(truth);
	}
	print_message("exact: %ld of %ld\n", (long)n_exact, (long)n);
	assert_true(n_exact * 100 > n * 97);
}

static void put_lies(struct row_request *q, uint64_t *random)
{
	q->billed_prompt_tokens = (int64_t)random_below(random, 1000);
	q->billed_cached_tokens = (int64_t)random_below(random, 1000);
	q->billed_completion_tokens = (int64_t)random_below(random, 1000);
	q->reported_prompt_tokens = (int64_t)random_below(random, 1000);
	q->reported_cached_tokens = (int64_t)random_below(random, 1000);
	q->reported_completion_tokens = (int64_t)random_below(random, 1000);
	q->reported_draft_tokens = (int64_t)random_below(random, 1000);
	q->reported_draft_accepted_tokens = (int64_t)random_below(random, 1000);
	q->reported_prompt_us = (int64_t)random_below(random, 1000);
	q->reported_completion_us = (int64_t)random_below(random, 1000);
}

static void whatever_the_server_bills_changes_no_match(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		const struct server_options o = traffic(seed);
		uint64_t random = seed;
		struct maker m;
		struct server_truth *truth = make_server(&m, &o);
		struct timeline honest, lied_to;

		build(&m, &honest);
		for (size_t i = 0; i < m.recording.n_requests; i++)
			put_lies(&m.recording.requests[i], &random);
		build(&m, &lied_to);
		assert_int_equal(honest.n_request_runs, lied_to.n_request_runs);
		assert_memory_equal(honest.request_runs, lied_to.request_runs,
				    honest.n_request_runs * sizeof(*honest.request_runs));
		assert_memory_equal(honest.requests, lied_to.requests,
				    m.recording.n_requests * sizeof(*honest.requests));
		timeline__free(&honest);
		drop(&m, &lied_to);
		free(truth);
	}
}

static void losses_and_cuts_anywhere_do_no_harm(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		const struct server_options o = traffic(seed);
		uint64_t random = seed;
		struct maker m;
		struct server_truth *truth = make_server(&m, &o);
		struct recording *r = &m.recording;
		struct timeline t;

		for (int k = 0; k < 20; k++) {
			const size_t row = random_below(&random, r->n_rows);
			const size_t event = random_below(&random, r->n_memories);

			switch (random_below(&random, 5)) {
			case 0:
				r->rows[row].seq = -1 - (int)random_below(&random, 100);
				break;
			case 1:
				r->rows[row].first_pos = (int)random_next(&random);
				break;
			case 2:
				r->rows[row].n_outputs = (int64_t)random_next(&random);
				break;
			case 3:
				r->memories[event].op = (int)random_below(&random, 7);
				r->memories[event].seq_dst = (int)random_below(&random, 70000) - 100;
				r->memories[event].p1 = (int)random_next(&random);
				break;
			default:
				r->memories[event].seq = (int)random_below(&random, 70000) - 10;
			}
		}
		r->n_steps -= random_below(&random, r->n_steps / 2 + 1);
		r->n_memories -= random_below(&random, r->n_memories / 2 + 1);
		maker__loss(&m, "engine", r->requests[0].arrival_ns, 5);
		build(&m, &t);
		drop(&m, &t);
		free(truth);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lone_stream_is_matched_and_timed),
		cmocka_unit_test(ends_of_answers_tell_requests_apart_whatever_their_order_of_arrival),
		cmocka_unit_test(interchangeable_twins_with_equal_figures_are_exact),
		cmocka_unit_test(twins_with_different_figures_are_ambiguous),
		cmocka_unit_test(the_slot_number_tells_twins_apart),
		cmocka_unit_test(a_prompt_of_very_different_length_tells_twins_apart),
		cmocka_unit_test(token_ids_sent_tell_twins_apart_by_a_single_token),
		cmocka_unit_test(a_token_before_the_ids_that_marks_the_beginning_is_no_mismatch),
		cmocka_unit_test(a_run_of_another_length_than_the_ids_sent_is_another_requests),
		cmocka_unit_test(what_was_cached_is_of_the_ids_sent_too),
		cmocka_unit_test(a_client_that_leaves_in_its_prompt_has_fewer_tokens_computed_than_sent),
		cmocka_unit_test(streams_in_the_same_steps_are_told_apart_by_who_is_served_first),
		cmocka_unit_test(the_clients_own_limit_tells_twins_apart),
		cmocka_unit_test(a_refused_request_and_an_unknown_path_have_no_tokens_and_are_listed),
		cmocka_unit_test(nothing_computed_is_unknown_while_a_run_has_no_owner),
		cmocka_unit_test(nothing_is_known_without_the_engines_collector),
		cmocka_unit_test(an_answer_without_compute_is_a_finding),
		cmocka_unit_test(a_client_that_leaves_has_what_was_computed_after_it_left_too),
		cmocka_unit_test(a_loss_in_its_time_makes_a_request_incomplete_and_keeps_its_figures),
		cmocka_unit_test(a_request_begun_before_the_attach_keeps_the_run_whose_beginning_was_not_seen),
		cmocka_unit_test(a_request_still_open_at_the_end_has_what_was_computed_so_far),
		cmocka_unit_test(an_embedding_of_a_list_has_all_of_its_runs_and_no_completion),
		cmocka_unit_test(a_list_of_prompts_has_a_run_for_each),
		cmocka_unit_test(where_no_engine_was_found_nothing_is_known_of_what_was_computed),
		cmocka_unit_test(a_command_that_was_started_is_watched_from_its_first_step_on),
		cmocka_unit_test(a_list_that_is_streamed_has_all_of_its_runs_and_no_pace),
		cmocka_unit_test(a_list_with_fewer_runs_than_prompts_is_incomplete),
		cmocka_unit_test(a_body_not_seen_whole_may_have_been_a_list),
		cmocka_unit_test(one_prompt_takes_no_second_run),
		cmocka_unit_test(of_more_runs_than_a_list_has_prompts_none_is_surely_its_own),
		cmocka_unit_test(a_list_leaves_a_stream_beside_it_its_own_run),
		cmocka_unit_test(absurd_numbers_of_completions_and_prompts_are_only_incomplete),
		cmocka_unit_test(the_clients_limit_cuts_tokens_accepted_beyond_it),
		cmocka_unit_test(where_a_stop_ended_a_speculative_step_is_not_guessed),
		cmocka_unit_test(the_limit_that_ended_another_choice_proves_nothing_of_this_one),
		cmocka_unit_test(a_speculative_step_without_a_rollback_is_proven_by_the_limit_only),
		cmocka_unit_test(another_process_is_not_a_candidate),
		cmocka_unit_test(an_exact_match_has_the_true_figures_under_any_traffic),
		cmocka_unit_test(whatever_the_server_bills_changes_no_match),
		cmocka_unit_test(losses_and_cuts_anywhere_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
