/* SPDX-License-Identifier: Apache-2.0 */
/* The sweep: what is in it, that it fits into the server, and that the machine's drift is no part of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/calibrate/sweep.h"
#include "userspace/cost/cost.h"

#define MS 1e6
#define SECOND 1e9

/* A 60 MB model on two cores: a prompt token in 1 ms, a step in 4 ms and 3 more for 1,000 tokens of context. */
static const struct sweep_facts small_model = {
	.n_slots = 4,
	.context = 4096,
	.part = 512,
	.token_ns = MS,
	.step_ns = 4 * MS,
	.context_ns = 3e3,
	.budget_ns = 150 * SECOND,
};

static struct sweep_facts facts_of(uint32_t n_slots, uint32_t context, uint32_t part)
{
	struct sweep_facts f = small_model;

	f.n_slots = n_slots;
	f.context = context;
	f.part = part;
	return f;
}

static const struct sweep_facts many_facts[] = {
	{ 1, 64, 512, MS, MS, 0, 60 * SECOND, 0 },
	{ 1, 256, 512, MS, 4 * MS, 3e3, 60 * SECOND, 0 },
	{ 1, 4096, 512, MS, 4 * MS, 3e3, 100 * SECOND, 0 },
	{ 2, 512, 64, MS, 4 * MS, 3e3, 100 * SECOND, 0 },
	{ 4, 4096, 512, MS, 4 * MS, 3e3, 150 * SECOND, 0 },
	{ 8, 8192, 512, MS / 10, MS, 1e2, 100 * SECOND, 0 },
	{ 32, 32768, 2048, MS / 50, MS, 1e1, 100 * SECOND, 0 },
	{ 64, 2048, 512, MS, 4 * MS, 3e3, 100 * SECOND, 0 },
	{ 3, 100, 16, MS, 4 * MS, 3e3, 10 * SECOND, 0 },
	{ 500, 4096, 512, MS, 4 * MS, 3e3, 100 * SECOND, 0 },
};
#define N_FACTS (sizeof(many_facts) / sizeof(many_facts[0]))

static void a_wave_never_needs_more_slots_or_context_than_there_are(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_FACTS; i++) {
		struct sweep s;

		assert_int_equal(sweep__design(&s, &many_facts[i], 1), 0);
		for (size_t w = 0; w < s.n_waves; w++) {
			uint64_t context = 0;

			assert_in_range(s.waves[w].n, 1, many_facts[i].n_slots);
			for (size_t c = s.waves[w].first; c < s.waves[w].first + s.waves[w].n; c++) {
				uint32_t longest = 0;

				assert_true(s.chains[c].n > 0);
				for (size_t r = s.chains[c].first; r < s.chains[c].first + s.chains[c].n; r++) {
					const struct sweep_request *q = &s.requests[r];

					assert_true(q->n_prompt > 0 && q->n_outputs > 0);
					if (q->n_prompt + q->n_outputs > longest)
						longest = q->n_prompt + q->n_outputs;
				}
				context += longest;
			}
			if (context > many_facts[i].context)
				print_error("facts %zu, %s: %llu tokens\n", i, wave_kind__name(s.waves[w].kind),
					    (unsigned long long)context);
			assert_true(context <= many_facts[i].context);
		}
		sweep__free(&s);
	}
}

static void every_knot_of_the_model_is_a_prompt_of_its_own(void **state)
{
	struct sweep s;

	(void)state;
	assert_int_equal(sweep__design(&s, &small_model, 1), 0);
	assert_int_equal(s.context, 4096);
	for (size_t k = 0; k < COST_KNOTS && cost_knots[k] <= 512; k++) {
		size_t n = 0, wanted = cost_knots[k] <= 16 ? 8 : 3;

		for (size_t r = 0; r < s.n_requests; r++)
			n += s.requests[r].n_prompt == cost_knots[k];
		if (n < wanted)
			print_error("knot %u: %zu prompts\n", cost_knots[k], n);
		assert_true(n >= wanted);
	}
	sweep__free(&s);
}

/* Steps in which exactly n rows generate: those between the ends of the n + 1st and the n-th chain of stairs. */
static void every_number_of_generating_slots_has_twenty_steps(void **state)
{
	static const uint32_t slots[] = { 1, 2, 3, 4, 8, 16 };

	(void)state;
	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
		const struct sweep_facts f = facts_of(slots[i], 4096, 512);
		uint64_t steps[17] = { 0 };
		struct sweep s;

		assert_int_equal(sweep__design(&s, &f, 1), 0);
		for (size_t w = 0; w < s.n_waves; w++) {
			const struct sweep_wave *wave = &s.waves[w];
			uint32_t before = 0;

			for (size_t c = 0; c < wave->n && wave->kind == WAVE_STAIRS; c++) {
				uint32_t outputs = s.requests[s.chains[wave->first + c].first].n_outputs - 1;

				assert_true(outputs >= before);	/* stairs rise */
				steps[wave->n - c] += outputs - before;
				before = outputs;
			}
		}
		for (uint32_t n = 1; n <= slots[i]; n++)
			assert_true(steps[n] >= 20);
		sweep__free(&s);
	}
}

static void contexts_are_short_long_and_between(void **state)
{
	bool is_short = false, is_middling = false, is_near_limit = false;
	struct sweep s;

	(void)state;
	assert_int_equal(sweep__design(&s, &small_model, 1), 0);
	for (size_t r = 0; r < s.n_requests; r++) {
		if (s.requests[r].n_outputs < 8)
			continue;
		is_short |= s.requests[r].n_prompt < 64;
		is_middling |= s.requests[r].n_prompt > 600 && s.requests[r].n_prompt < 2200;
		is_near_limit |= s.requests[r].n_prompt > 3900;
	}
	assert_true(is_short && is_middling && is_near_limit);
	sweep__free(&s);
}

static void every_kind_of_wave_comes_in_every_round_and_in_another_order(void **state)
{
	enum wave_kind order[SWEEP_MAX_ROUNDS][32];
	size_t n[SWEEP_MAX_ROUNDS] = { 0 }, n_like_the_first = 0;
	struct sweep s;

	(void)state;
	assert_int_equal(sweep__design(&s, &small_model, 1), 0);
	assert_in_range(s.n_rounds, SWEEP_MIN_ROUNDS, SWEEP_MAX_ROUNDS);
	for (size_t w = 0; w < s.n_waves; w++) {
		assert_true(w == 0 || s.waves[w].round >= s.waves[w - 1].round);
		order[s.waves[w].round][n[s.waves[w].round]++] = s.waves[w].kind;
	}
	for (uint32_t round = 0; round < s.n_rounds; round++) {
		size_t kinds[N_WAVE_KINDS] = { 0 };

		assert_int_equal(n[round], n[0]);
		for (size_t w = 0; w < n[round]; w++)
			kinds[order[round][w]]++;
		for (size_t k = 0; k < N_WAVE_KINDS; k++)
			assert_true(kinds[k] > 0);
		n_like_the_first += memcmp(order[round], order[0], n[0] * sizeof(order[0][0])) == 0;
	}
	assert_int_equal(n_like_the_first, 1);
	sweep__free(&s);
}

static void it_makes_more_than_three_hundred_steps(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_FACTS; i++) {
		uint64_t steps = 0;
		struct sweep s;

		if (many_facts[i].context < 256)
			continue;
		assert_int_equal(sweep__design(&s, &many_facts[i], 1), 0);
		for (size_t w = 0; w < s.n_waves; w++) {
			uint64_t most = 0;

			/* At least those of its longest chain: what the others do may fall into the same steps. */
			for (size_t c = s.waves[w].first; c < s.waves[w].first + s.waves[w].n; c++) {
				uint64_t of_chain = 0;

				for (size_t r = s.chains[c].first; r < s.chains[c].first + s.chains[c].n; r++)
					of_chain += s.requests[r].n_outputs;
				most = of_chain > most ? of_chain : most;
			}
			steps += most;
		}
		assert_true(steps >= 300);
		sweep__free(&s);
	}
}

static void a_slow_server_gets_a_smaller_sweep_that_fits_into_its_time(void **state)
{
	struct sweep_facts f = small_model;
	struct sweep fast, slow;

	(void)state;
	assert_int_equal(sweep__design(&fast, &f, 1), 0);
	assert_true(fast.expected_ns <= f.budget_ns);
	f.token_ns *= 8;
	f.step_ns *= 8;
	f.context_ns *= 8;
	assert_int_equal(sweep__design(&slow, &f, 1), 0);
	assert_true(slow.expected_ns <= f.budget_ns);
	assert_true(slow.context < fast.context && slow.chunk < fast.chunk);
	assert_int_equal(slow.n_rounds, SWEEP_MIN_ROUNDS);
	sweep__free(&fast);
	sweep__free(&slow);
}

static void a_fast_server_gets_more_rounds_and_never_without_end(void **state)
{
	struct sweep_facts f = small_model;
	struct sweep s;

	(void)state;
	f.token_ns = f.step_ns = f.context_ns = 10;
	f.budget_ns = 3600 * SECOND;
	assert_int_equal(sweep__design(&s, &f, 1), 0);
	assert_int_equal(s.n_rounds, SWEEP_MAX_ROUNDS);
	sweep__free(&s);
}

static void the_same_seed_gives_the_same_sweep(void **state)
{
	struct sweep a, b, c;

	(void)state;
	assert_int_equal(sweep__design(&a, &small_model, 7), 0);
	assert_int_equal(sweep__design(&b, &small_model, 7), 0);
	assert_int_equal(sweep__design(&c, &small_model, 8), 0);
	assert_int_equal(a.n_requests, b.n_requests);
	assert_memory_equal(a.requests, b.requests, a.n_requests * sizeof(*a.requests));
	assert_memory_equal(a.waves, b.waves, a.n_waves * sizeof(*a.waves));
	assert_true(a.n_requests != c.n_requests ||
		    memcmp(a.requests, c.requests, a.n_requests * sizeof(*a.requests)) != 0);
	sweep__free(&a);
	sweep__free(&b);
	sweep__free(&c);
}

static void a_server_without_slots_or_context_is_refused(void **state)
{
	static const struct sweep_facts refused[] = {
		{ 0, 4096, 512, MS, MS, 0, SECOND, 0 },
		{ 4, 63, 512, MS, MS, 0, SECOND, 0 },
		{ 4, 4096, 0, MS, MS, 0, SECOND, 0 },
	};
	struct sweep s;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(sweep__design(&s, &refused[i], 1), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wave_never_needs_more_slots_or_context_than_there_are),
		cmocka_unit_test(every_knot_of_the_model_is_a_prompt_of_its_own),
		cmocka_unit_test(every_number_of_generating_slots_has_twenty_steps),
		cmocka_unit_test(contexts_are_short_long_and_between),
		cmocka_unit_test(every_kind_of_wave_comes_in_every_round_and_in_another_order),
		cmocka_unit_test(it_makes_more_than_three_hundred_steps),
		cmocka_unit_test(a_slow_server_gets_a_smaller_sweep_that_fits_into_its_time),
		cmocka_unit_test(a_fast_server_gets_more_rounds_and_never_without_end),
		cmocka_unit_test(the_same_seed_gives_the_same_sweep),
		cmocka_unit_test(a_server_without_slots_or_context_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
