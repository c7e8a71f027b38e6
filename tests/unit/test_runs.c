/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cutting rows into runs. The sequences of calls are those of real servers, as bpftrace showed them on xllamacpp 0.2.14,
 * 2026.5.9294 and 2026.10.11549.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/records.h"
#include "make_recording.h"
#include "userspace/analysis/timeline.h"

#define DRAFT 2

struct fixture {
	struct maker m;
	struct timeline t;
	uint64_t now_ns;
};

static void open_recording(struct fixture *f)
{
	maker__init(&f->m);
	f->now_ns = 1000;
}

static const struct timeline *build(struct fixture *f)
{
	assert_int_equal(timeline__build(&f->t, maker__finish(&f->m)), 0);
	return &f->t;
}

static void close_recording(struct fixture *f)
{
	timeline__free(&f->t);
	maker__free(&f->m);
}

static struct row_step *step(struct fixture *f, int context)
{
	f->now_ns += 200;
	return maker__step(&f->m, context, f->now_ns - 100, f->now_ns);
}

/* A step with one row. */
static void row(struct fixture *f, int seq, int first_pos, int64_t n_tokens, int64_t n_outputs)
{
	step(f, MAKER_TARGET);
	maker__row(&f->m, seq, first_pos, n_tokens, n_outputs);
}

static void draft_row(struct fixture *f, int context, int seq, int first_pos, int64_t n_tokens)
{
	step(f, context);
	maker__row(&f->m, seq, first_pos, n_tokens, 1);
}

static void remove_from(struct fixture *f, int context, int seq, int p0)
{
	maker__remove(&f->m, f->now_ns += 10, context, seq, p0);
}

static void copy(struct fixture *f, int seq, int seq_dst)
{
	maker__memory(&f->m, &(struct row_memory){ f->now_ns += 10, MAKER_TID, MAKER_TARGET, MEMORY_SEQ_CP, seq,
						   seq_dst, -1, -1, 0 });
}

static void assert_run(const struct timeline *t, size_t i, int64_t computed, int64_t cached, int64_t sampled)
{
	assert_true(i < t->n_runs);
	assert_int_equal(t->runs[i].prompt_computed, computed);
	assert_int_equal(t->runs[i].prompt_cached, cached);
	assert_int_equal(t->runs[i].n_sampled, sampled);
}

static void a_prompt_in_chunks_is_one_run_with_its_decode_rows(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	remove_from(&f, MAKER_TARGET, 0, 0);
	row(&f, 0, 0, 512, 0);
	row(&f, 0, 512, 100, 1);
	row(&f, 0, 612, 1, 1);
	row(&f, 0, 613, 1, 1);
	t = build(&f);
	assert_int_equal(t->n_runs, 1);
	assert_run(t, 0, 612, 0, 3);
	assert_true(t->runs[0].from_start);
	assert_int_equal(t->rows[0].phase, PHASE_PREFILL);
	assert_int_equal(t->rows[0].n_emitted, 0);
	assert_int_equal(t->rows[1].phase, PHASE_PREFILL);
	assert_int_equal(t->rows[1].n_emitted, 1);
	assert_int_equal(t->rows[2].phase, PHASE_DECODE);
	assert_int_equal(t->runs[0].first_output_ns, t->recording->steps[1].end_ns);
	assert_int_equal(t->runs[0].last_output_ns, t->recording->steps[3].end_ns);
	close_recording(&f);
}

static void a_call_before_every_batch_of_a_long_prompt_begins_no_run(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	remove_from(&f, MAKER_TARGET, 0, 0);
	row(&f, 0, 0, 2048, 0);
	remove_from(&f, MAKER_TARGET, 0, 2048);
	row(&f, 0, 2048, 2048, 0);
	remove_from(&f, MAKER_TARGET, 0, 4096);
	row(&f, 0, 4096, 100, 1);
	row(&f, 0, 4196, 1, 1);
	t = build(&f);
	assert_int_equal(t->n_runs, 1);
	assert_run(t, 0, 4196, 0, 2);
	close_recording(&f);
}

static void a_prompt_left_half_way_and_asked_again_is_two_runs(void **unused)
{
	struct fixture f;
	const struct timeline *t;
	struct row_request *q;

	(void)unused;
	open_recording(&f);
	remove_from(&f, MAKER_TARGET, 0, 0);
	row(&f, 0, 0, 2048, 0);
	remove_from(&f, MAKER_TARGET, 0, 2048);
	row(&f, 0, 2048, 2048, 0);
	q = maker__request(&f.m, 900, f.now_ns + 10);
	q->client_left = true;
	maker__request(&f.m, f.now_ns + 20, f.now_ns + 1000);
	f.now_ns += 30;
	remove_from(&f, MAKER_TARGET, 0, 4096);
	row(&f, 0, 4096, 100, 1);
	row(&f, 0, 4196, 1, 1);
	t = build(&f);
	assert_int_equal(t->n_runs, 2);
	assert_run(t, 0, 4096, 0, 0);
	assert_run(t, 1, 100, 4096, 2);
	assert_int_equal(t->requests[1].match, MATCH_EXACT);
	assert_int_equal(t->requests[1].cached_tokens, 4096);
	close_recording(&f);
}

static void calls_after_every_decode_row_begin_no_runs(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	for (int round = 0; round < 2; round++) {
		remove_from(&f, MAKER_TARGET, 0, 0);
		row(&f, 0, 0, 10, 1);
		for (int pos = 10; pos < 16; pos++) {
			row(&f, 0, pos, 1, 1);
			remove_from(&f, MAKER_TARGET, 0, pos + 1);
		}
	}
	/* The second call after a row is the next generation's. */
	remove_from(&f, MAKER_TARGET, 0, 16);
	row(&f, 0, 16, 1, 1);
	row(&f, 0, 17, 1, 1);
	t = build(&f);
	assert_int_equal(t->n_runs, 3);
	assert_run(t, 0, 10, 0, 7);
	assert_run(t, 1, 10, 0, 7);
	assert_run(t, 2, 1, 16, 2);
	close_recording(&f);
}

static void the_same_prompt_again_computes_one_token_and_keeps_the_rest(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	remove_from(&f, MAKER_TARGET, 3, 0);
	row(&f, 3, 0, 14, 1);
	row(&f, 3, 14, 1, 1);
	row(&f, 3, 15, 1, 1);
	remove_from(&f, MAKER_TARGET, 3, 13);
	row(&f, 3, 13, 1, 1);
	row(&f, 3, 14, 1, 1);
	t = build(&f);
	assert_int_equal(t->n_runs, 2);
	assert_run(t, 0, 14, 0, 3);
	assert_run(t, 1, 1, 13, 2);
	assert_int_equal(t->rows[3].phase, PHASE_PREFILL);
	assert_int_equal(t->rows[4].phase, PHASE_DECODE);
	close_recording(&f);
}

static void a_prompt_that_goes_on_where_the_last_answer_ended_is_a_run_of_its_own(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	remove_from(&f, MAKER_TARGET, 0, 0);
	row(&f, 0, 0, 5, 1);
	row(&f, 0, 5, 1, 1);
	remove_from(&f, MAKER_TARGET, 0, 6);
	row(&f, 0, 6, 1, 1);
	row(&f, 0, 7, 1, 1);
	t = build(&f);
	assert_int_equal(t->n_runs, 2);
	assert_run(t, 0, 5, 0, 2);
	assert_run(t, 1, 1, 6, 2);
	close_recording(&f);
}

static void an_idle_slot_that_is_cleared_and_restored_keeps_what_its_first_row_says(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	remove_from(&f, MAKER_TARGET, 0, 0);
	row(&f, 0, 0, 5, 1);
	remove_from(&f, MAKER_TARGET, 0, -1);
	remove_from(&f, MAKER_TARGET, 0, 0);
	remove_from(&f, MAKER_TARGET, 0, 40);
	row(&f, 0, 40, 8, 1);
	t = build(&f);
	assert_int_equal(t->n_runs, 2);
	assert_run(t, 1, 8, 40, 1);
	close_recording(&f);
}

static void the_rollback_after_a_verify_row_says_what_was_emitted(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	maker__context(&f.m, DRAFT, "draft");
	remove_from(&f, MAKER_TARGET, 3, 0);
	remove_from(&f, DRAFT, 3, 0);
	row(&f, 3, 0, 17, 1);
	draft_row(&f, DRAFT, 3, 0, 17);
	for (int pos = 17; pos < 21; pos++)
		draft_row(&f, DRAFT, 3, pos, 1);
	remove_from(&f, DRAFT, 3, 17);
	row(&f, 3, 17, 5, 5);
	draft_row(&f, DRAFT, 3, 17, 5);
	remove_from(&f, MAKER_TARGET, 3, 22);
	remove_from(&f, DRAFT, 3, 22);
	for (int pos = 22; pos < 26; pos++)
		draft_row(&f, DRAFT, 3, pos, 1);
	remove_from(&f, DRAFT, 3, 22);
	row(&f, 3, 22, 5, 5);
	remove_from(&f, MAKER_TARGET, 3, 24);
	remove_from(&f, DRAFT, 3, 24);
	row(&f, 3, 24, 1, 1);
	t = build(&f);
	assert_int_equal(t->n_runs, 1);
	assert_run(t, 0, 17, 0, 1 + 5 + 2 + 1);
	assert_int_equal(t->runs[0].n_drafted, 8);
	assert_int_equal(t->runs[0].n_draft_rejected, 3);
	assert_true(t->runs[0].emitted_proven);
	for (size_t i = 0; i < t->n_rows; i++)
		assert_int_equal(t->rows[i].run, 0);
	assert_int_equal(t->rows[1].phase, PHASE_DRAFT);
	assert_int_equal(t->rows[6].phase, PHASE_VERIFY);
	assert_int_equal(t->rows[6].n_emitted, 5);
	close_recording(&f);
}

static void after_the_last_rollback_comes_the_next_generation(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	remove_from(&f, MAKER_TARGET, 0, 0);
	row(&f, 0, 0, 10, 1);
	row(&f, 0, 10, 5, 5);
	remove_from(&f, MAKER_TARGET, 0, 13);
	/* The next prompt keeps 12 of them: that is no second rollback. */
	remove_from(&f, MAKER_TARGET, 0, 12);
	row(&f, 0, 12, 1, 1);
	t = build(&f);
	assert_int_equal(t->n_runs, 2);
	assert_run(t, 0, 10, 0, 4);
	assert_int_equal(t->runs[0].n_draft_rejected, 2);
	assert_run(t, 1, 1, 12, 1);
	close_recording(&f);
}

static void without_a_rollback_the_next_rows_place_proves_the_advance(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	remove_from(&f, MAKER_TARGET, 0, 0);
	row(&f, 0, 0, 10, 1);
	row(&f, 0, 10, 5, 5);
	row(&f, 0, 15, 5, 5);
	row(&f, 0, 18, 1, 1);
	t = build(&f);
	assert_run(t, 0, 10, 0, 1 + 5 + 3 + 1);
	assert_int_equal(t->runs[0].n_draft_rejected, 2);
	assert_true(t->runs[0].emitted_proven);
	close_recording(&f);
}

static void a_last_verify_row_whose_advance_was_not_seen_is_not_proven(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	remove_from(&f, MAKER_TARGET, 0, 0);
	row(&f, 0, 0, 10, 1);
	row(&f, 0, 10, 5, 5);
	t = build(&f);
	assert_false(t->runs[0].emitted_proven);
	assert_int_equal(t->runs[0].n_sampled, 2);
	close_recording(&f);
}

static void accepted_drafts_computed_again_are_recompute_and_emitted_once(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	remove_from(&f, MAKER_TARGET, 0, 0);
	row(&f, 0, 0, 10, 1);
	row(&f, 0, 10, 5, 5);
	/* Recurrent memory: back to the checkpoint, and the two accepted drafts once more. */
	remove_from(&f, MAKER_TARGET, 0, 10);
	row(&f, 0, 10, 3, 3);
	remove_from(&f, MAKER_TARGET, 0, 13);
	row(&f, 0, 13, 1, 1);
	t = build(&f);
	assert_int_equal(t->n_runs, 1);
	assert_run(t, 0, 10, 0, 1 + 3 + 1);
	assert_int_equal(t->runs[0].n_drafted, 4);
	assert_int_equal(t->runs[0].n_draft_rejected, 2);
	assert_false(t->rows[1].recompute);
	assert_true(t->rows[2].recompute);
	close_recording(&f);
}

static void draft_contexts_of_one_slot_each_find_the_slot_that_they_follow(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	maker__context(&f.m, DRAFT, "draft");
	maker__context(&f.m, DRAFT + 1, "draft");
	remove_from(&f, MAKER_TARGET, 0, 0);
	remove_from(&f, MAKER_TARGET, 3, 0);
	step(&f, MAKER_TARGET);
	maker__row(&f.m, 0, 0, 7, 1);
	maker__row(&f.m, 3, 0, 17, 1);
	/* Both call their only sequence 0; the second works for slot 3. */
	draft_row(&f, DRAFT, 0, 0, 7);
	draft_row(&f, DRAFT, 0, 7, 1);
	draft_row(&f, DRAFT + 1, 0, 0, 17);
	draft_row(&f, DRAFT + 1, 0, 17, 1);
	step(&f, MAKER_TARGET);
	maker__row(&f.m, 0, 7, 2, 2);
	maker__row(&f.m, 3, 17, 2, 2);
	remove_from(&f, MAKER_TARGET, 0, 9);
	remove_from(&f, MAKER_TARGET, 3, 18);
	remove_from(&f, DRAFT + 1, 0, 18);
	draft_row(&f, DRAFT + 1, 0, 18, 1);
	t = build(&f);
	assert_int_equal(t->n_runs, 2);
	assert_int_equal(t->runs[t->rows[2].run].seq, 0);
	assert_int_equal(t->runs[t->rows[3].run].seq, 0);
	assert_int_equal(t->runs[t->rows[4].run].seq, 3);
	assert_int_equal(t->runs[t->rows[5].run].seq, 3);
	assert_int_equal(t->runs[t->rows[8].run].seq, 3);
	close_recording(&f);
}

static void a_copied_prompt_is_computed_once_and_its_first_token_sampled_twice(void **unused)
{
	struct fixture f;
	const struct timeline *t;
	int64_t emitted = 0;

	(void)unused;
	open_recording(&f);
	remove_from(&f, MAKER_TARGET, 3, 0);
	row(&f, 3, 0, 14, 1);
	remove_from(&f, MAKER_TARGET, 0, -1);
	copy(&f, 3, 0);
	for (int pos = 14; pos < 19; pos++) {
		step(&f, MAKER_TARGET);
		maker__row(&f.m, 0, pos, 1, 1);
		maker__row(&f.m, 3, pos, 1, 1);
	}
	remove_from(&f, MAKER_TARGET, 0, -1);
	maker__request(&f.m, 900, f.now_ns + 50)->n = 2;
	t = build(&f);
	assert_int_equal(t->n_runs, 2);
	assert_run(t, 0, 14, 0, 6);
	assert_run(t, 1, 0, 14, 6);
	for (size_t i = 0; i < t->n_rows; i++)
		emitted += t->rows[i].n_emitted;
	assert_int_equal(emitted, 12);
	assert_int_equal(t->requests[0].match, MATCH_EXACT);
	assert_int_equal(t->requests[0].n_runs, 2);
	assert_int_equal(t->requests[0].prompt_tokens, 14);
	assert_int_equal(t->requests[0].cached_tokens, 0);
	assert_int_equal(t->requests[0].completion_tokens, 12);
	close_recording(&f);
}

static void a_choice_that_ends_with_its_first_token_is_a_run_without_rows(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	remove_from(&f, MAKER_TARGET, 3, 0);
	row(&f, 3, 0, 14, 1);
	for (int child = 0; child < 3; child++) {
		remove_from(&f, MAKER_TARGET, child, -1);
		copy(&f, 3, child);
	}
	/* The second child goes on, the others have ended. */
	row(&f, 1, 14, 1, 1);
	maker__request(&f.m, 900, f.now_ns + 5)->n = 4;
	/* And a slot of the others serves somebody else. */
	maker__request(&f.m, f.now_ns + 6, 0);
	remove_from(&f, MAKER_TARGET, 0, 0);
	row(&f, 0, 0, 5, 1);
	t = build(&f);
	assert_int_equal(t->n_runs, 5);
	assert_run(t, 0, 14, 0, 1);
	assert_run(t, 1, 0, 14, 1);
	assert_run(t, 2, 0, 14, 2);
	assert_run(t, 3, 0, 14, 1);
	assert_run(t, 4, 5, 0, 1);
	assert_int_equal(t->rows[0].n_emitted, 4);
	assert_int_equal(t->requests[0].n_runs, 4);
	assert_int_equal(t->requests[0].incomplete, 0);
	assert_int_equal(t->requests[0].prompt_tokens, 14);
	assert_int_equal(t->requests[0].completion_tokens, 5);
	assert_int_equal(t->requests[1].completion_tokens, 1);
	close_recording(&f);
}

static void a_prefix_copied_from_another_sequence_is_no_choice(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	remove_from(&f, MAKER_TARGET, 3, 0);
	row(&f, 3, 0, 14, 1);
	maker__memory(&f.m,
		      &(struct row_memory){ f.now_ns += 10, MAKER_TID, MAKER_TARGET, MEMORY_SEQ_CP, 3, 0, 0, 6, 0 });
	row(&f, 3, 14, 1, 1);
	copy(&f, 3, 1);
	maker__request(&f.m, 900, f.now_ns + 50);
	t = build(&f);
	assert_int_equal(t->n_runs, 1);
	assert_run(t, 0, 14, 0, 2);
	close_recording(&f);
}

static void a_context_shift_is_no_new_run(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	remove_from(&f, MAKER_TARGET, 0, 0);
	row(&f, 0, 0, 99, 1);
	row(&f, 0, 99, 1, 1);
	maker__memory(&f.m,
		      &(struct row_memory){ f.now_ns + 1, MAKER_TID, MAKER_TARGET, MEMORY_SEQ_RM, 0, -1, 1, 50, 0 });
	maker__memory(&f.m, &(struct row_memory){ f.now_ns + 2, MAKER_TID, MAKER_TARGET, MEMORY_SEQ_ADD, 0, -1, 50, 100,
						  -49 });
	row(&f, 0, 51, 1, 1);
	row(&f, 0, 52, 1, 1);
	t = build(&f);
	assert_int_equal(t->n_runs, 1);
	assert_run(t, 0, 99, 0, 4);
	close_recording(&f);
}

static void a_failed_step_costs_time_and_its_retry_is_no_recompute(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	remove_from(&f, MAKER_TARGET, 0, 0);
	step(&f, MAKER_TARGET)->ret = 1;
	maker__row(&f.m, 0, 0, 100, 1);
	row(&f, 0, 0, 50, 0);
	row(&f, 0, 50, 50, 1);
	step(&f, MAKER_TARGET)->flags = STEP_NO_RETURN;
	maker__row(&f.m, 0, 100, 1, 1);
	row(&f, 0, 100, 1, 1);
	t = build(&f);
	assert_int_equal(t->n_runs, 1);
	assert_run(t, 0, 100, 0, 2);
	assert_false(t->rows[0].counted);
	assert_int_equal(t->rows[0].phase, PHASE_PREFILL);
	assert_int_equal(t->rows[0].run, 0);
	assert_false(t->rows[3].counted);
	for (size_t i = 0; i < t->n_rows; i++)
		assert_false(t->rows[i].recompute);
	close_recording(&f);
}

static void a_run_seen_from_its_middle_has_no_prompt_figures(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	row(&f, 0, 40, 1, 1);
	row(&f, 0, 41, 1, 1);
	t = build(&f);
	assert_int_equal(t->n_runs, 1);
	assert_false(t->runs[0].from_start);
	assert_run(t, 0, 0, ABSENT, 2);
	assert_int_equal(t->rows[0].phase, PHASE_DECODE);
	close_recording(&f);
}

static void a_prompt_with_an_output_everywhere_and_nothing_after_it_is_an_embedding(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	remove_from(&f, MAKER_TARGET, 0, 0);
	row(&f, 0, 0, 20, 20);
	t = build(&f);
	assert_true(t->runs[0].embed);
	assert_run(t, 0, 20, 0, 0);
	assert_int_equal(t->rows[0].phase, PHASE_EMBED);
	assert_int_equal(t->rows[0].n_emitted, 0);
	close_recording(&f);
}

static void the_ubatches_of_a_step_are_one_row_per_sequence(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	remove_from(&f, MAKER_TARGET, 0, 0);
	remove_from(&f, MAKER_TARGET, 1, 0);
	step(&f, MAKER_TARGET);
	maker__row(&f.m, 0, 0, 12, 0);
	maker__row(&f.m, 1, 0, 12, 0);
	maker__row(&f.m, 1, 12, 3, 1);
	f.m.recording.rows[2].ubatch = 1;
	t = build(&f);
	assert_int_equal(t->n_rows, 2);
	assert_int_equal(t->rows[1].n_tokens, 15);
	assert_int_equal(t->rows[1].n_outputs, 1);
	assert_run(t, 1, 15, 0, 1);
	close_recording(&f);
}

static void calls_on_a_drafts_memory_of_unknown_owner_do_not_cut_the_target(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	maker__context(&f.m, DRAFT, "draft");
	remove_from(&f, 0, 0, 0);
	row(&f, 0, 0, 10, 1);
	draft_row(&f, DRAFT, 0, 0, 10);
	remove_from(&f, 0, 0, 10);
	row(&f, 0, 10, 3, 3);
	remove_from(&f, 0, 0, 12);
	remove_from(&f, 0, 0, 12);
	row(&f, 0, 12, 1, 1);
	remove_from(&f, 0, 0, 9);
	row(&f, 0, 9, 1, 1);
	t = build(&f);
	assert_int_equal(t->n_runs, 2);
	assert_run(t, 0, 10, 0, 1 + 2 + 1);
	assert_run(t, 1, 1, 9, 1);
	close_recording(&f);
}

static void rows_of_a_step_that_was_never_recorded_are_left_out(void **unused)
{
	struct fixture f;
	const struct timeline *t;

	(void)unused;
	open_recording(&f);
	remove_from(&f, MAKER_TARGET, 0, 0);
	row(&f, 0, 0, 10, 1);
	row(&f, 0, 10, 1, 1);
	f.m.recording.n_steps = 1;
	t = build(&f);
	assert_int_equal(t->n_rows, 1);
	assert_run(t, 0, 10, 0, 1);
	close_recording(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_prompt_in_chunks_is_one_run_with_its_decode_rows),
		cmocka_unit_test(a_call_before_every_batch_of_a_long_prompt_begins_no_run),
		cmocka_unit_test(a_prompt_left_half_way_and_asked_again_is_two_runs),
		cmocka_unit_test(calls_after_every_decode_row_begin_no_runs),
		cmocka_unit_test(the_same_prompt_again_computes_one_token_and_keeps_the_rest),
		cmocka_unit_test(a_prompt_that_goes_on_where_the_last_answer_ended_is_a_run_of_its_own),
		cmocka_unit_test(an_idle_slot_that_is_cleared_and_restored_keeps_what_its_first_row_says),
		cmocka_unit_test(the_rollback_after_a_verify_row_says_what_was_emitted),
		cmocka_unit_test(after_the_last_rollback_comes_the_next_generation),
		cmocka_unit_test(without_a_rollback_the_next_rows_place_proves_the_advance),
		cmocka_unit_test(a_last_verify_row_whose_advance_was_not_seen_is_not_proven),
		cmocka_unit_test(accepted_drafts_computed_again_are_recompute_and_emitted_once),
		cmocka_unit_test(draft_contexts_of_one_slot_each_find_the_slot_that_they_follow),
		cmocka_unit_test(a_copied_prompt_is_computed_once_and_its_first_token_sampled_twice),
		cmocka_unit_test(a_choice_that_ends_with_its_first_token_is_a_run_without_rows),
		cmocka_unit_test(a_prefix_copied_from_another_sequence_is_no_choice),
		cmocka_unit_test(a_context_shift_is_no_new_run),
		cmocka_unit_test(a_failed_step_costs_time_and_its_retry_is_no_recompute),
		cmocka_unit_test(a_run_seen_from_its_middle_has_no_prompt_figures),
		cmocka_unit_test(a_prompt_with_an_output_everywhere_and_nothing_after_it_is_an_embedding),
		cmocka_unit_test(the_ubatches_of_a_step_are_one_row_per_sequence),
		cmocka_unit_test(calls_on_a_drafts_memory_of_unknown_owner_do_not_cut_the_target),
		cmocka_unit_test(rows_of_a_step_that_was_never_recorded_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
