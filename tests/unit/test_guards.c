/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guards on servers whose conduct is known: honest traffic raises none of them more often than stated, each doctored one is seen.
 *
 * A machine's noise here is log-normal with 5 % per step, autocorrelated (0.8 from step to step) with a slow part of another 5 %
 * over hundreds of steps; requests come by chance to 4 slots, one of three kinds of prompts is asked again now and then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"
#include "make_recording.h"
#include "make_server.h"
#include "userspace/verify/guards.h"

#define MS 1000000ull
#define N 80			/* requests */
#define SLOTS 4
#define N_SEEDS 1000

enum doctoring {
	HONEST = 0,
	WARM,			/* what was cached before is used again */
	REPEATED,
	FORCED,
	CUT,
	PADDED,
	SILENT,
	STEPLESS,		/* answers out of a cache */
	WINDOW,			/* 300 steps in a row, about a fifth of all, take `size` of the time */
	SPECIAL,		/* one prompt, asked 13 times, is computed in `size` of the time */
};

struct slot {
	int request, pos, left, prompt_left;
};

struct world {
	struct maker m;
	uint64_t seed, now;
	int64_t meter;
	double noise, slow;
	enum doctoring doctoring;
	double size;
	struct slot slots[SLOTS];
	int prompt[N], cached[N], completion[N], family[N];
	int n_started, n_done, n_steps, first_boosted;
	struct timeline timeline;
	struct ledger ledger;
	struct verification v;
};

static double uniform(struct world *w)
{
	return ((double)random_below(&w->seed, 1u << 30) + 0.5) / (double)(1u << 30);
}

static double normal(struct world *w)
{
	return sqrt(-2 * log(uniform(w))) * cos(6.283185307179586 * uniform(w));
}

static bool is_without_step(const struct world *w, int i)
{
	return w->doctoring == STEPLESS && i % 20 == 7;
}

static void plan(struct world *w)
{
	for (int i = 0; i < N; i++) {
		w->prompt[i] = 20 + (int)random_below(&w->seed, 200);
		w->cached[i] = random_below(&w->seed, 4) == 0 ? (int)random_below(&w->seed, 20) : 0;
		/* Lengths of text are about geometric. */
		w->completion[i] = 12 + (int)fmin(120, -35 * log(uniform(w)));
		w->family[i] = 1000 + i;
		if (random_below(&w->seed, 12) == 0)
			w->family[i] = (int)random_below(&w->seed, 3);
		if (w->doctoring == REPEATED && i % 2)
			w->family[i] = 7;
		if (w->doctoring == SPECIAL && i % 6 == 3)
			w->family[i] = 7;
		if (w->family[i] < 1000)
			w->prompt[i] = 100 + w->family[i];
		if (w->doctoring == WARM)
			w->cached[i] = w->prompt[i] * 3 / 4;
		if (w->doctoring == PADDED && random_below(&w->seed, 4))
			w->completion[i] = 64;
	}
}

static struct row_request *request_of(struct world *w, int i)
{
	return &w->m.recording.requests[i];
}

static void start(struct world *w, int slot)
{
	const int i = w->n_started++;
	struct row_request *q = maker__request(&w->m, w->now, 0);
	static const char *const clients[] = { "10.0.0.1:50", "10.0.0.2:51", "10.0.0.3:52" };

	q->client = clients[random_below(&w->seed, 3)];
	q->prompt_hash = 0x1234567u + (uint64_t)w->family[i];
	q->prompt_bytes = 4 * w->prompt[i];
	q->max_tokens = w->doctoring == FORCED ? w->completion[i] : 256;
	q->finish_reason = w->doctoring == FORCED || (w->doctoring == CUT && i % 5 == 0) ? "length" : "stop";
	q->stream = i % 2;
	q->slot = slot;
	q->billed_completion_tokens = w->completion[i];
	w->now += MS / 10;
	if (is_without_step(w, i)) {
		w->now += MS;
		q->end_ns = q->first_byte_ns = q->first_token_ns = q->last_token_ns = w->now;
		q->status = 200;
		w->n_done++;
		return;
	}
	maker__remove(&w->m, w->now, MAKER_TARGET, slot, w->cached[i]);
	w->slots[slot] = (struct slot){ i, w->cached[i], w->completion[i], w->prompt[i] - w->cached[i] };
}

/* By how much a step's time differs from what its composition takes. */
static double factor(struct world *w)
{
	const int window = w->n_steps - w->first_boosted;
	bool special = false;
	double f;

	w->noise = 0.8 * w->noise + 0.03 * normal(w);
	w->slow = 0.995 * w->slow + 0.005 * normal(w);
	f = exp(w->noise + w->slow);
	for (int k = 0; k < SLOTS; k++)
		special |= w->slots[k].left > 0 && w->family[w->slots[k].request] == 7;
	if (w->doctoring == SPECIAL && special)
		f *= w->size;
	if (w->doctoring == WINDOW && window >= 0 && window < 300)
		f *= w->size;
	return f;
}

static void emit(struct world *w, int slot)
{
	struct slot *s = &w->slots[slot];
	struct row_request *q = request_of(w, s->request);
	const uint64_t at = w->now + 20000 + (uint64_t)slot * 1000;

	if (q->stream && !(w->doctoring == SILENT && s->left % 3 == 0))
		maker__chunk(&w->m, q->id, at);
	if (--s->left)
		return;
	q = request_of(w, s->request);
	q->end_ns = at + 1000;
	q->status = 200;
	if (!q->stream || !q->first_token_ns)
		q->first_byte_ns = q->first_token_ns = q->last_token_ns = q->end_ns;
	w->n_done++;
}

static void step(struct world *w)
{
	double time = 2.0 * (double)MS;
	uint32_t rows = 0;
	int n[SLOTS];

	for (int k = 0; k < SLOTS; k++) {
		const struct slot *s = &w->slots[k];

		n[k] = s->left == 0 ? 0 : s->prompt_left > 0 ? s->prompt_left : 1;
		time += n[k] * 0.4 * (double)MS + (n[k] ? 300.0 * s->pos : 0);
		rows += n[k] > 0;
	}
	if (rows == 0)
		return;
	time *= factor(w);
	maker__step(&w->m, MAKER_TARGET, w->now, w->now + (uint64_t)time);
	for (int k = 0; k < SLOTS; k++)
		if (n[k])
			maker__row(&w->m, k, w->slots[k].pos, n[k], 1);
	maker__cut(&w->m, RESOURCE_CPU_NS, w->meter, (int64_t)(2 * time));
	w->meter += (int64_t)(2 * time);
	w->now += (uint64_t)time;
	w->n_steps++;
	for (int k = 0; k < SLOTS; k++) {
		if (!n[k])
			continue;
		w->slots[k].pos += n[k];
		w->slots[k].prompt_left = 0;
		emit(w, k);
	}
	w->now += MS / 5;
}

static void world__run(struct world *w, enum doctoring doctoring, double size, uint64_t seed)
{
	struct verify_input in = { .window_begin_unix_ns = ABSENT, .window_end_unix_ns = ABSENT };
	static char end[32];

	memset(w, 0, sizeof(*w));
	w->seed = seed * 7919 + 1;
	w->now = 10 * MS;
	w->doctoring = doctoring;
	w->size = size;
	w->first_boosted = 300;
	maker__init(&w->m);
	maker__meta(&w->m, "start_ns", "1000000");
	plan(w);
	while (w->n_done < N) {
		for (int k = 0; k < SLOTS; k++)
			if (w->slots[k].left == 0 && w->n_started < N && random_below(&w->seed, 8) == 0)
				start(w, k);
		step(w);
		w->now += MS / 10;
	}
	snprintf(end, sizeof(end), "%llu", (unsigned long long)w->now + MS);
	maker__meta(&w->m, "end_ns", end);
	maker__total(&w->m, RESOURCE_CPU_NS, w->meter, "schedstat");
	assert_int_equal(timeline__build(&w->timeline, maker__finish(&w->m)), 0);
	assert_int_equal(ledger__build(&w->ledger, &w->timeline, NULL), 0);
	in.recording = &w->m.recording;
	in.timeline = &w->timeline;
	in.ledger = &w->ledger;
	assert_int_equal(verify__run(&w->v, &in), 0);
}

static void world__close(struct world *w)
{
	verification__free(&w->v);
	ledger__free(&w->ledger);
	timeline__free(&w->timeline);
	maker__free(&w->m);
}

static const struct note *find(const struct world *w, const char *id)
{
	for (size_t i = 0; i < w->v.n_notes; i++)
		if (strcmp(w->v.notes[i].id, id) == 0)
			return &w->v.notes[i];
	return NULL;
}

static bool any_guard(const struct world *w)
{
	for (size_t i = 0; i < w->v.n_notes; i++)
		if (strncmp(w->v.notes[i].id, "guard.", 6) == 0)
			return true;
	return false;
}

/* --- honest ----------------------------------------------------------------------------------------------------------- */

static void honest_traffic_raises_a_note_in_at_most_one_recording_of_a_hundred(void **unused)
{
	int n = 0;

	(void)unused;
	for (uint64_t seed = 1; seed <= N_SEEDS; seed++) {
		struct world w;

		world__run(&w, HONEST, 1, seed);
		for (size_t i = 0; i < w.v.n_notes; i++)
			if (strncmp(w.v.notes[i].id, "guard.", 6) == 0)
				print_message("seed %d: %s: %s\n", (int)seed, w.v.notes[i].id, w.v.notes[i].text);
		n += any_guard(&w);
		world__close(&w);
	}
	print_message("%d of %d honest recordings with a note\n", n, N_SEEDS);
	assert_true(n <= N_SEEDS / 100);
}

/* --- doctored --------------------------------------------------------------------------------------------------------- */

/* In how many of so many recordings there is this note. */
static int count_notes(enum doctoring doctoring, double size, const char *id, int of)
{
	int n = 0;

	for (uint64_t seed = 1; seed <= (uint64_t)of; seed++) {
		struct world w;

		world__run(&w, doctoring, size, 10000 + seed);
		n += find(&w, id) != NULL;
		world__close(&w);
	}
	print_message("%s, size %.2f: %d of %d\n", id, size, n, of);
	return n;
}

static void is_seen(enum doctoring doctoring, const char *id)
{
	assert_int_equal(count_notes(doctoring, 1, id, 50), 50);
}

static void a_cache_that_was_warm_before_is_seen(void **unused)
{
	(void)unused;
	is_seen(WARM, "guard.warm_cache");
}

static void prompts_that_repeat_are_seen(void **unused)
{
	(void)unused;
	is_seen(REPEATED, "guard.repeated_prompts");
}

static void lengths_that_are_forced_are_seen(void **unused)
{
	(void)unused;
	is_seen(FORCED, "guard.forced_endings");
}

static void answers_that_the_server_cuts_are_seen(void **unused)
{
	(void)unused;
	is_seen(CUT, "guard.cut_short");
}

static void answers_padded_to_a_length_are_seen(void **unused)
{
	(void)unused;
	is_seen(PADDED, "guard.padding");
}

static void tokens_that_no_client_gets_are_seen(void **unused)
{
	(void)unused;
	is_seen(SILENT, "guard.silent_tokens");
}

static void answers_without_a_step_are_seen_and_listed(void **unused)
{
	struct world w;
	const struct note *note;

	(void)unused;
	is_seen(STEPLESS, "guard.no_step");
	world__run(&w, STEPLESS, 1, 1);
	note = find(&w, "guard.no_step");
	assert_non_null(note);
	assert_int_equal(note->n_evidence, 4);
	assert_int_equal(note->evidence[0], 8);
	assert_non_null(strstr(note->text, "It may be ordinary"));
	world__close(&w);
}

static void a_boosted_window_is_seen_with_its_place(void **unused)
{
	struct world w;
	const struct note *note;
	double from, to, first, last;

	(void)unused;
	assert_true(count_notes(WINDOW, 0.7, "guard.window", 100) >= 95);
	world__run(&w, WINDOW, 0.6, 3);
	note = find(&w, "guard.window");
	assert_non_null(note);
	assert_non_null(strstr(note->text, "may have been boosted"));
	assert_int_equal(sscanf(note->text, "from %lf s to %lf s", &from, &to), 2);
	first = (double)(w.m.recording.steps[300].start_ns - 1000000) / 1e9;
	last = (double)(w.m.recording.steps[599].end_ns - 1000000) / 1e9;
	assert_true(fabs(from - first) < (last - first) / 5 && fabs(to - last) < (last - first) / 5);
	world__close(&w);
}

/* A shared machine is now and then a fifth slower for a while. */
static void a_machine_with_moods_is_no_throttled_server(void **unused)
{
	(void)unused;
	assert_true(count_notes(WINDOW, 1.15, "guard.window", 100) <= 1);
	assert_true(count_notes(WINDOW, 0.87, "guard.window", 100) <= 1);
}

static void a_throttled_window_is_seen(void **unused)
{
	(void)unused;
	assert_true(count_notes(WINDOW, 1.45, "guard.window", 100) >= 95);
}

static void a_prompt_that_is_special_is_seen(void **unused)
{
	(void)unused;
	assert_true(count_notes(SPECIAL, 0.75, "guard.prompt_family", 100) >= 95);
}

static void every_note_tells_the_innocent_explanations_and_changes_no_verdict(void **unused)
{
	(void)unused;
	for (int d = WARM; d <= SPECIAL; d++) {
		struct world w;

		world__run(&w, (enum doctoring)d, 0.6, 5);
		for (size_t i = 0; i < w.v.n_notes; i++)
			if (strncmp(w.v.notes[i].id, "guard.", 6) == 0)
				assert_non_null(strstr(w.v.notes[i].text, "It may be ordinary"));
		for (size_t i = 0; i < w.v.n; i++)
			assert_true(strncmp(w.v.checks[i].id, "guard.", 6) != 0);
		world__close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(honest_traffic_raises_a_note_in_at_most_one_recording_of_a_hundred),
		cmocka_unit_test(a_cache_that_was_warm_before_is_seen),
		cmocka_unit_test(prompts_that_repeat_are_seen),
		cmocka_unit_test(lengths_that_are_forced_are_seen),
		cmocka_unit_test(answers_that_the_server_cuts_are_seen),
		cmocka_unit_test(answers_padded_to_a_length_are_seen),
		cmocka_unit_test(tokens_that_no_client_gets_are_seen),
		cmocka_unit_test(answers_without_a_step_are_seen_and_listed),
		cmocka_unit_test(a_boosted_window_is_seen_with_its_place),
		cmocka_unit_test(a_machine_with_moods_is_no_throttled_server),
		cmocka_unit_test(a_throttled_window_is_seen),
		cmocka_unit_test(a_prompt_that_is_special_is_seen),
		cmocka_unit_test(every_note_tells_the_innocent_explanations_and_changes_no_verdict),
	};

	return cmocka_run_group_tests_name("guards", tests, NULL, NULL);
}
