/* SPDX-License-Identifier: Apache-2.0 */
/* Shares of shared steps, against servers whose costs are made and therefore known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"
#include "make_server.h"
#include "scene.h"
#include "userspace/analysis/counterfactual.h"
#include "userspace/analysis/ledger.h"
#include "userspace/analysis/waiting.h"

/* ------------------------------------------------------------------------------------------------------------- shares --- */

static void equal_requests_pay_alike(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 4);
	scene__step(&s, (struct part[]){ { 0, 50, 1 }, { 1, 50, 1 }, { 2, 50, 1 }, { 3, 50, 1 } }, 4);
	scene__decode(&s, 4, 20);
	scene__report(&s, NULL, true);
	assert_string_equal(pricing(&s)->rule->name, "shapley");
	for (size_t i = 1; i < 4; i++)
		assert_in_range(cost(&s, i) - cost(&s, 0) + 21, 0, 42);
	assert_int_equal(account(&s, ACCOUNT_UNEXPLAINED), 0);
	scene__close(&s);
}

static void a_lone_request_pays_all_of_its_steps_and_nothing_of_it_is_open(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 1);
	scene__step(&s, (struct part[]){ { 0, 500, 1 } }, 1);
	scene__decode(&s, 1, 20);
	scene__report(&s, NULL, true);
	assert_int_equal(cost(&s, 0), s.meter);
	assert_int_equal(request(&s, 0)->low[cpu(&s)], s.meter);
	assert_int_equal(request(&s, 0)->high[cpu(&s)], s.meter);
	assert_int_equal(request(&s, 0)->alone[cpu(&s)], s.meter);
	assert_int_equal(request(&s, 0)->rejected[cpu(&s)], 0);
	scene__close(&s);
}

/* Two decode streams; request 1 has a prompt of `prompt` tokens in the cache already. */
static void decode_beside(struct scene *s, int prompt)
{
	scene__open(s, 2);
	s->pos[1] = prompt;
	s->m.recording.memories[1].p0 = prompt;
	scene__step(s, (struct part[]){ { 0, 20, 1 } }, 1);
	scene__step(s, (struct part[]){ { 1, 20, 1 } }, 1);
	scene__decode(s, 2, 50);
	scene__report(s, NULL, true);
}

static void context_moves_only_the_private_part_of_the_request_that_has_it(void **unused)
{
	struct scene a, b;
	double longer = 0;

	(void)unused;
	decode_beside(&a, 100);
	decode_beside(&b, 2100);
	for (int k = 0; k < 51; k++)
		longer += 2000 * 200 + 2000 * (k == 0 ? 20 : 1);
	assert_in_range(cost(&b, 0) - cost(&a, 0) + 60, 0, 120);
	assert_in_range(cost(&b, 1) - cost(&a, 1) - (int64_t)longer + 60, 0, 120);
	scene__close(&a);
	scene__close(&b);
}

static void prefill_beside(struct scene *s, uint32_t prompt)
{
	scene__open(s, 2);
	scene__step(s, (struct part[]){ { 0, 20, 1 } }, 1);
	scene__decode(s, 1, 10);
	scene__step(s, (struct part[]){ { 0, 1, 1 }, { 1, prompt, 1 } }, 2);
	scene__decode(s, 2, 50);
	scene__report(s, NULL, true);
}

static void a_longer_prompt_is_paid_by_its_own_request(void **unused)
{
	struct scene a, b;
	int64_t more, joint;

	(void)unused;
	prefill_beside(&a, 512);
	prefill_beside(&b, 1024);
	more = b.meter - a.meter;
	/* G is a straight line up there, so the other row adds the same 0.1 ms to it whatever the prompt. */
	joint = cost(&b, 0) - cost(&a, 0);
	assert_in_range(joint + 60, 0, 120);
	assert_in_range(cost(&b, 1) - cost(&a, 1) - more + 60, 0, 120);
	scene__close(&a);
	scene__close(&b);
}

static void parts_of_a_step_are_shared_each_by_itself(void **unused)
{
	struct scene s;
	struct cost_row whole = { 512, 0, 0, 0 }, last = { 88, 512, 1, 0 };
	const double *g;
	double expected;

	(void)unused;
	scene__open(&s, 2);
	g = s.fit.fit.cost.value;
	scene__step(&s, (struct part[]){ { 0, 20, 1 } }, 1);
	/* A prompt of 600 in two ubatches, the second beside a row of one token. */
	expected = cost__predict(g, &whole, 1) + cost__predict(g, (struct cost_row[]){ last, { 1, 20, 1, 1 } }, 2);
	scene__step(&s, (struct part[]){ { 1, 512, 0 } }, 1);
	s.m.recording.rows[s.m.recording.n_rows - 1].n_outputs = 0;
	maker__row(&s.m, 1, 512, 88, 1);
	maker__row(&s.m, 0, 20, 1, 1);
	s.m.recording.rows[s.m.recording.n_rows - 2].ubatch = s.m.recording.rows[s.m.recording.n_rows - 1].ubatch = 1;
	s.meter += (int64_t)llround(expected) - s.m.recording.step_resources[1].value;
	s.m.recording.step_resources[1].value = (int64_t)llround(expected);
	scene__report(&s, NULL, true);
	/* Of the second part's G(89) each adds what it adds, first or second to come: 4 ms are halved. */
	assert_in_range(cost(&s, 0) - s.m.recording.step_resources[0].value -
				(2000000 + 100000 + 10000 + 21 * 201 + 50000),
			0, 50);
	scene__close(&s);
}

static void a_cached_prompt_costs_nothing_at_prefill(void **unused)
{
	struct scene s;

	(void)unused;
	decode_beside(&s, 1000);
	assert_int_equal(s.timeline.requests[1].cached_tokens, 1000);
	assert_int_equal(s.timeline.requests[1].prompt_tokens, 20);
	assert_int_equal(request(&s, 1)->prompt_cost[cpu(&s)], s.m.recording.step_resources[1].value);
	scene__close(&s);
}

/* The server goes on for a moment, and somebody has to pay for it. */
static void a_request_whose_client_left_keeps_what_it_cost(void **unused)
{
	struct scene stayed, left;

	(void)unused;
	for (int k = 0; k < 2; k++) {
		struct scene *s = k ? &left : &stayed;

		scene__open(s, 2);
		scene__step(s, (struct part[]){ { 0, 20, 1 }, { 1, 300, 1 } }, 2);
		scene__decode(s, 2, 10);
		if (k) {
			struct row_request *q = &s->m.recording.requests[1];

			q->client_left = true;
			q->end_ns = s->now;
		}
		scene__decode(s, 2, 3);
		scene__decode(s, 1, 10);
		scene__report(s, NULL, true);
	}
	assert_int_equal(cost(&left, 0), cost(&stayed, 0));
	assert_int_equal(cost(&left, 1), cost(&stayed, 1));
	assert_int_equal(cost(&left, 0) + cost(&left, 1), left.meter);
	scene__close(&stayed);
	scene__close(&left);
}

static void an_encoders_steps_are_the_requests_in_a_phase_of_their_own(void **unused)
{
	struct scene s;
	struct row_step *step;
	int64_t encoded;

	(void)unused;
	scene__open(&s, 1);
	step = scene__step(&s, (struct part[]){ { 0, 60, 0 } }, 1);
	step->kind = STEP_ENCODE;
	encoded = s.meter;
	s.pos[0] = 0;		/* the decoder's own context begins */
	scene__decode(&s, 1, 20);
	scene__report(&s, NULL, true);
	assert_int_equal(request(&s, 0)->by_phase[PHASE_ENCODE][cpu(&s)], encoded);
	assert_int_equal(cost(&s, 0), s.meter);
	scene__close(&s);
}

/* Whatever a later collector brings: a row in `resource`, figures of steps, and a fit of its own. */
static void another_resource_is_shared_by_a_fit_of_its_own(void **unused)
{
	static const struct row_resource energy = { RESOURCE_ENERGY_UJ, "energy_uj", "uJ", RESOURCE_ADDITIVE,
						    GRADE_MEASURED,	"rapl",	     NULL };
	struct made_fit fit;
	struct scene s;
	int64_t total = 0, joules[2] = { 0, 0 };
	size_t k;

	(void)unused;
	scene__open(&s, 2);
	maker__resource(&s.m, &energy);
	make_fit(&fit, "target", RESOURCE_ENERGY_UJ);
	for (size_t t = 0; t < COST_TERMS; t++)
		fit.fit.cost.value[t] *= t == COST_TERM_CONTEXT ? 2e-3 : 1e-3;
	for (size_t i = 0; i < (size_t)MADE_DRAWS * COST_TERMS; i++)
		fit.draws[i] *= i % COST_TERMS == COST_TERM_CONTEXT ? 2e-3 : 1e-3;
	for (int step = 0; step < 40; step++) {
		struct cost_row rows[2] = { { 1, (uint32_t)s.pos[0], 1, 0 }, { 1, (uint32_t)s.pos[1], 1, 1 } };
		double shares[2];
		int64_t use;

		if (step == 0) {
			rows[0].n_tokens = 20;
			rows[1].n_tokens = 400;
		}
		use = (int64_t)llround(cost__predict(fit.fit.cost.value, rows, 2));
		assert_int_equal(cost__share(fit.fit.cost.value, rows, 2, FIXED_BY_ROW, shares), 0);
		scene__step(&s, (struct part[]){ { 0, rows[0].n_tokens, 1 }, { 1, rows[1].n_tokens, 1 } }, 2);
		maker__cut(&s.m, RESOURCE_ENERGY_UJ, total, use);
		total += use;
		joules[0] += llround(shares[0]);
		joules[1] += llround(shares[1]);
	}
	maker__total(&s.m, RESOURCE_ENERGY_UJ, total, "rapl");
	maker__fit(&s.m, &fit.fit);
	scene__report(&s, NULL, true);
	for (k = 0; s.ledger.resources[k].row->id != RESOURCE_ENERGY_UJ; k++)
		;
	assert_string_equal(s.ledger.pricing[ROLE_TARGET][k].rule->name, "shapley");
	for (size_t i = 0; i < 2; i++) {
		assert_in_range(request(&s, i)->cost[k] - joules[i] + 80, 0, 160);
		assert_true(request(&s, i)->low[k] <= request(&s, i)->cost[k] &&
			    request(&s, i)->cost[k] <= request(&s, i)->high[k]);
	}
	assert_int_equal(request(&s, 0)->cost[k] + request(&s, 1)->cost[k], total);
	scene__close(&s);
}

/* -------------------------------------------------------------------------------------------------------- disturbance --- */

/* What the next disturbed step has of it, and the frequency of the others; reset by each use. */
static const struct row_step undisturbed = { .server_fault_ns = ABSENT, .mean_khz = ABSENT, .clock_changes = ABSENT };
static struct row_step disturbed_by = { .server_fault_ns = ABSENT, .mean_khz = ABSENT, .clock_changes = ABSENT };
static int64_t usual_khz = ABSENT;

/* 30 ordinary steps of two requests with one in their middle that takes twice as much. @return what it is too much */
static int64_t disturb(struct scene *s, uint64_t runq_ns, int64_t server_runq_ns, int64_t faults, uint32_t flags)
{
	struct row_step *step;
	int64_t value, id;

	scene__open(s, 2);
	scene__step(s, (struct part[]){ { 0, 20, 1 }, { 1, 20, 1 } }, 2);
	scene__decode(s, 2, 30);
	s->factor = 2;
	step = scene__step(s, (struct part[]){ { 0, 1, 1 }, { 1, 1, 1 } }, 2);
	step->runq_ns = runq_ns;
	step->server_runq_ns = server_runq_ns;
	step->flags = flags;
	step->server_fault_ns = disturbed_by.server_fault_ns;
	step->mean_khz = disturbed_by.mean_khz;
	step->clock_changes = disturbed_by.clock_changes;
	id = step->id;
	value = s->m.recording.step_resources[s->m.recording.n_step_resources - 1].value;
	s->factor = 1;
	if (faults) {
		maker__cut(&s->m, RESOURCE_FAULTS, 0, faults);
		maker__total(&s->m, RESOURCE_FAULTS, faults, "faults");
		assert_int_equal(s->m.recording.step_resources[s->m.recording.n_step_resources - 1].step, id);
	}
	scene__decode(s, 2, 30);
	for (size_t i = 0; i < s->m.recording.n_steps; i++)
		if (s->m.recording.steps[i].id != id)
			s->m.recording.steps[i].mean_khz = usual_khz;
	disturbed_by = undisturbed;
	usual_khz = ABSENT;
	scene__report(s, NULL, true);
	return value / 2;
}

static void what_a_preemption_added_is_a_disturbance_and_no_ones_cost(void **unused)
{
	struct scene s;
	int64_t excess;

	(void)unused;
	excess = disturb(&s, 3000000, 3000000, 0, 0);
	assert_in_range(account(&s, ACCOUNT_DISTURBANCE) - excess + 2, 0, 4);
	assert_int_equal(account(&s, ACCOUNT_UNEXPLAINED), 0);
	assert_int_equal(cost(&s, 0) + cost(&s, 1) + account(&s, ACCOUNT_DISTURBANCE), s.meter);
	assert_int_equal(s.ledger.excess.n_steps, 1);
	assert_int_equal(s.ledger.excess.n_by[DISTURBED_PREEMPTED], 1);
	/* All of the wait was its own. */
	assert_int_equal(s.ledger.excess.n_by[DISTURBED_WORKERS], 0);
	assert_int_equal(s.ledger.excess.n_unexplained, 0);
	scene__close(&s);
}

/* It shows in no figure of the step's own thread, which spins meanwhile, or is blocked. */
static void a_worker_that_waited_for_a_cpu_is_evidence_too(void **unused)
{
	struct scene s;
	int64_t excess;

	(void)unused;
	excess = disturb(&s, 0, 3000000, 0, 0);
	assert_in_range(account(&s, ACCOUNT_DISTURBANCE) - excess + 2, 0, 4);
	assert_int_equal(account(&s, ACCOUNT_UNEXPLAINED), 0);
	assert_int_equal(s.ledger.excess.n_by[DISTURBED_WORKERS], 1);
	assert_int_equal(s.ledger.excess.n_by[DISTURBED_PREEMPTED], 0);
	assert_int_equal(s.ledger.excess.n_unexplained, 0);
	scene__close(&s);
}

/* A hundredth of the step: some daemon always runs for a moment. */
static void a_moment_of_waiting_is_no_evidence(void **unused)
{
	struct scene s;
	int64_t excess;

	(void)unused;
	excess = disturb(&s, 0, 90000, 0, 0);
	assert_in_range(account(&s, ACCOUNT_UNEXPLAINED) - excess + 2, 0, 4);
	assert_int_equal(s.ledger.excess.n_by[DISTURBED_WORKERS], 0);
	scene__close(&s);
}

static void page_faults_beyond_the_neighbours_are_evidence_too(void **unused)
{
	struct scene s;
	int64_t excess;

	(void)unused;
	excess = disturb(&s, 0, 0, 5000, 0);
	assert_in_range(account(&s, ACCOUNT_DISTURBANCE) - excess + 2, 0, 4);
	assert_int_equal(s.ledger.excess.n_by[DISTURBED_FAULTS], 1);
	scene__close(&s);
}

static void waiting_for_a_disk_in_a_page_fault_is_evidence_too(void **unused)
{
	struct scene s;
	int64_t excess;

	(void)unused;
	disturbed_by = (struct row_step){ .server_fault_ns = 3000000, .mean_khz = ABSENT };
	excess = disturb(&s, 0, 0, 0, 0);
	assert_in_range(account(&s, ACCOUNT_DISTURBANCE) - excess + 2, 0, 4);
	assert_int_equal(account(&s, ACCOUNT_UNEXPLAINED), 0);
	assert_int_equal(s.ledger.excess.n_by[DISTURBED_MAJOR_FAULTS], 1);
	assert_int_equal(s.ledger.excess.n_unexplained, 0);
	scene__close(&s);
}

/* All other steps ran at 3 GHz. */
static void a_lower_clock_frequency_than_that_of_the_other_steps_is_evidence_too(void **unused)
{
	struct scene s;
	int64_t excess;

	(void)unused;
	usual_khz = 3000000;
	disturbed_by = (struct row_step){ .server_fault_ns = ABSENT, .mean_khz = 1500000, .clock_changes = 2 };
	excess = disturb(&s, 0, 0, 0, 0);
	assert_in_range(account(&s, ACCOUNT_DISTURBANCE) - excess + 2, 0, 4);
	assert_int_equal(account(&s, ACCOUNT_UNEXPLAINED), 0);
	assert_int_equal(s.ledger.excess.n_by[DISTURBED_FREQUENCY], 1);
	assert_int_equal(s.ledger.excess.n_unexplained, 0);
	scene__close(&s);
}

/* Changes alone say nothing: governors change frequencies all the time, up and down. */
static void a_frequency_as_usual_is_no_evidence_however_often_it_changed(void **unused)
{
	struct scene s;
	int64_t excess;

	(void)unused;
	usual_khz = 3000000;
	disturbed_by = (struct row_step){ .server_fault_ns = ABSENT, .mean_khz = 2900000, .clock_changes = 40 };
	excess = disturb(&s, 0, 0, 0, 0);
	assert_in_range(account(&s, ACCOUNT_UNEXPLAINED) - excess + 2, 0, 4);
	assert_int_equal(s.ledger.excess.n_by[DISTURBED_FREQUENCY], 0);
	assert_int_equal(s.ledger.excess.n_unexplained, 1);
	scene__close(&s);
}

/* Or known of this step only: then nobody can say that it is lower than usual. */
static void evidence_that_nobody_looked_for_is_not_none(void **unused)
{
	struct scene s;
	int64_t excess;

	(void)unused;
	disturbed_by = (struct row_step){ .server_fault_ns = ABSENT, .mean_khz = 1500000, .clock_changes = 2 };
	excess = disturb(&s, 0, ABSENT, 0, 0);
	assert_in_range(account(&s, ACCOUNT_UNEXPLAINED) - excess + 2, 0, 4);
	assert_int_equal(s.ledger.excess.n_by[DISTURBED_FREQUENCY], ABSENT);
	assert_int_equal(s.ledger.excess.n_by[DISTURBED_MAJOR_FAULTS], ABSENT);
	assert_int_equal(s.ledger.excess.n_by[DISTURBED_WORKERS], ABSENT);
	assert_int_equal(s.ledger.excess.n_by[DISTURBED_FAULTS], 0);
	assert_int_equal(s.ledger.excess.n_by[DISTURBED_NO_RETURN], 0);
	scene__close(&s);
}

static void a_step_that_an_exception_left_is_evidence_too(void **unused)
{
	struct scene s;
	int64_t excess;

	(void)unused;
	excess = disturb(&s, 0, 0, 0, STEP_NO_RETURN);
	assert_in_range(account(&s, ACCOUNT_DISTURBANCE) - excess + 2, 0, 4);
	assert_int_equal(s.ledger.excess.n_by[DISTURBED_NO_RETURN], 1);
	scene__close(&s);
}

static void an_excess_without_evidence_stays_unexplained(void **unused)
{
	struct scene s;
	int64_t excess;

	(void)unused;
	excess = disturb(&s, 0, 0, 0, 0);
	assert_int_equal(account(&s, ACCOUNT_DISTURBANCE), 0);
	assert_in_range(account(&s, ACCOUNT_UNEXPLAINED) - excess + 2, 0, 4);
	assert_int_equal(s.ledger.excess.n_unexplained, 1);
	scene__close(&s);
}

static void a_step_that_took_less_is_never_charged_for_more(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 2);
	scene__step(&s, (struct part[]){ { 0, 20, 1 }, { 1, 20, 1 } }, 2);
	scene__decode(&s, 2, 30);
	s.factor = 0.5;
	scene__decode(&s, 2, 5);
	scene__report(&s, NULL, true);
	assert_int_equal(cost(&s, 0) + cost(&s, 1), s.meter);
	assert_int_equal(account(&s, ACCOUNT_UNEXPLAINED), 0);
	scene__close(&s);
}

static void a_drifted_fit_divides_but_calls_nothing_a_disturbance(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 2);
	s.factor = 1.5;
	scene__step(&s, (struct part[]){ { 0, 20, 1 }, { 1, 20, 1 } }, 2);
	scene__decode(&s, 2, 30);
	scene__report(&s, NULL, true);
	assert_true(pricing(&s)->drifted);
	assert_string_equal(pricing(&s)->rule->name, "shapley");
	assert_int_equal(cost(&s, 0) + cost(&s, 1), s.meter);
	assert_int_equal(s.ledger.excess.n_steps, 0);
	scene__close(&s);
}

/* Steps of which only the number of tokens is known take ten times what the fit says of one row of so many. */
static void steps_of_unknown_rows(struct scene *s, int n_steps)
{
	for (int k = 0; k < n_steps; k++) {
		maker__step(&s->m, MAKER_TARGET, s->now, s->now + 40000000);
		maker__row(&s->m, -1, -1, 2, ABSENT);
		maker__cut(&s->m, RESOURCE_CPU_NS, s->meter, 40000000);
		s->meter += 40000000;
		s->now += 41000000;
	}
}

static void steps_of_unknown_rows_are_no_evidence_of_drift(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 2);
	scene__step(&s, (struct part[]){ { 0, 20, 1 }, { 1, 20, 1 } }, 2);
	scene__decode(&s, 2, 30);
	steps_of_unknown_rows(&s, 80);
	scene__report(&s, NULL, true);
	assert_false(pricing(&s)->drifted);
	assert_true(pricing(&s)->median_residual >= 0 && pricing(&s)->median_residual < 0.001);
	assert_int_equal(cost(&s, 0) + cost(&s, 1) + 80 * INT64_C(40000000), s.meter);
	assert_int_equal(account(&s, ACCOUNT_UNEXPLAINED), 80 * INT64_C(40000000));
	scene__close(&s);
}

static void too_few_steps_of_known_rows_say_nothing_of_drift(void **unused)
{
	struct scene s;

	(void)unused;
	scene__open(&s, 2);
	scene__step(&s, (struct part[]){ { 0, 20, 1 }, { 1, 20, 1 } }, 2);
	s.factor = 1.5;
	scene__decode(&s, 2, 10);
	steps_of_unknown_rows(&s, 80);
	scene__report(&s, NULL, true);
	assert_true(pricing(&s)->median_residual < 0);
	assert_false(pricing(&s)->drifted);
	scene__close(&s);
}

/* ----------------------------------------------------------------------------------------------- rules, and their lack --- */

static void decode_two(struct scene *s)
{
	scene__open(s, 2);
	scene__step(s, (struct part[]){ { 0, 20, 1 }, { 1, 20, 1 } }, 2);
	scene__decode(s, 2, 30);
}

static void without_a_fit_tokens_pay_and_the_report_says_what_to_do(void **unused)
{
	struct scene s;

	(void)unused;
	decode_two(&s);
	scene__report(&s, NULL, false);
	assert_string_equal(pricing(&s)->rule->name, "per-token");
	assert_non_null(strstr(pricing(&s)->why, "tokprof calibrate"));
	assert_int_equal(cost(&s, 0) + cost(&s, 1), s.meter);
	assert_int_equal(request(&s, 0)->low[cpu(&s)], ABSENT);
	assert_int_equal(request(&s, 0)->high[cpu(&s)], ABSENT);
	assert_int_equal(request(&s, 0)->alone[cpu(&s)], ABSENT);
	scene__close(&s);
}

static void a_fit_of_other_weights_or_another_host_is_left_alone(void **unused)
{
	struct scene s;

	(void)unused;
	decode_two(&s);
	maker__model(&s.m, &(struct row_model){ .id = 1, .digest = "aa", .n_layers = ABSENT });
	s.fit.fit.key.model_digest = "bb";
	scene__report(&s, NULL, true);
	assert_string_equal(pricing(&s)->rule->name, "per-token");
	assert_non_null(strstr(pricing(&s)->why, "another weight file"));
	scene__close(&s);

	decode_two(&s);
	maker__meta(&s.m, "host", "here");
	s.fit.fit.key.host = "there";
	scene__report(&s, NULL, true);
	assert_string_equal(pricing(&s)->rule->name, "per-token");
	assert_non_null(strstr(pricing(&s)->why, "host (there, here here)"));
	scene__close(&s);
}

static void a_fit_that_is_not_identified_gives_way_to_the_affine_one(void **unused)
{
	struct scene s;

	(void)unused;
	decode_two(&s);
	s.fit.fit.cost.identified = false;
	strcpy(s.fit.fit.cost.reason, "all steps were alike");
	scene__report(&s, NULL, true);
	assert_string_equal(pricing(&s)->rule->name, "affine");
	assert_non_null(strstr(pricing(&s)->why, "all steps were alike"));
	/* How far the affine form is off as a form, nothing says: no width is better than one that is too narrow. */
	assert_int_equal(request(&s, 0)->low[cpu(&s)], ABSENT);
	assert_int_equal(request(&s, 0)->high[cpu(&s)], ABSENT);
	scene__close(&s);
}

static void a_fit_that_cannot_be_known_to_be_of_these_weights_is_left_alone(void **unused)
{
	static const struct row_model large = { .id = 1, .digest = "aa", .weight_bytes = 1000, .n_layers = ABSENT },
				      small = { .id = 2, .digest = "bb", .weight_bytes = 100, .n_layers = ABSENT };
	struct scene s;

	(void)unused;
	/* Of no digest, and made before the recording began. */
	decode_two(&s);
	maker__meta(&s.m, "origin_unix_ns", "2000");
	s.fit.fit.origin = FIT_ORIGIN_CALIBRATE;
	s.fit.fit.made_unix_ns = 1000;
	scene__report(&s, NULL, true);
	assert_string_equal(pricing(&s)->rule->name, "per-token");
	assert_non_null(strstr(pricing(&s)->why, "cannot be known"));
	scene__close(&s);

	/* Of a digest, where none was read here. */
	decode_two(&s);
	s.fit.fit.origin = FIT_ORIGIN_CALIBRATE;
	s.fit.fit.key.model_digest = "aa";
	scene__report(&s, NULL, true);
	assert_non_null(strstr(pricing(&s)->why, "no weight file was read"));
	scene__close(&s);

	/* Two models and no draft. */
	decode_two(&s);
	maker__model(&s.m, &large);
	maker__model(&s.m, &small);
	s.fit.fit.key.model_digest = "aa";
	scene__report(&s, NULL, true);
	assert_non_null(strstr(pricing(&s)->why, "several weight files"));
	scene__close(&s);
}

static void a_draft_is_priced_by_a_fit_of_its_own_weights_and_has_their_shape(void **unused)
{
	static const struct row_model
		large = { .id = 1, .digest = "aa", .weight_bytes = 1000, .active_weight_bytes = 1000 },
		small = { .id = 2, .digest = "bb", .weight_bytes = 100, .active_weight_bytes = 100 };
	static const char *const digests[] = { "bb", "aa" };

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		const struct pricing *drafts;
		struct made_fit draft;
		struct scene s;

		decode_two(&s);
		maker__model(&s.m, &large);
		maker__model(&s.m, &small);
		maker__context(&s.m, 2, "draft");
		make_fit(&draft, "draft", RESOURCE_CPU_NS);
		draft.fit.key.model_digest = digests[i];
		s.fit.fit.key.model_digest = "aa";
		maker__fit(&s.m, &draft.fit);
		scene__report(&s, NULL, true);
		drafts = &s.ledger.pricing[ROLE_DRAFT][cpu(&s)];
		assert_string_equal(pricing(&s)->rule->name, "shapley");
		assert_string_equal(drafts->rule->name, i ? "per-token" : "shapley");
		assert_true(s.ledger.facts[ROLE_TARGET].active_weight_bytes == 1000);
		assert_true(s.ledger.facts[ROLE_DRAFT].active_weight_bytes == 100);
		scene__close(&s);
	}
}

static void huge_values_that_are_finite_are_no_figures_either(void **unused)
{
	struct scene s;

	(void)unused;
	decode_two(&s);
	s.fit.fit.cost.value[0] = 9e17;
	scene__report(&s, NULL, true);
	assert_string_equal(pricing(&s)->rule->name, "per-token");
	scene__close(&s);
	decode_two(&s);
	s.fit.fit.cost.value[COST_TERM_CONTEXT] = 4e14;
	scene__report(&s, NULL, true);
	assert_string_equal(pricing(&s)->rule->name, "per-token");
	scene__close(&s);
	decode_two(&s);
	s.fit.draws[COST_TERM_CONTEXT] = 4e18;
	scene__report(&s, NULL, true);
	assert_string_equal(pricing(&s)->rule->name, "per-token");
	scene__close(&s);
}

static void absurd_values_of_a_fit_become_words_and_no_figures(void **unused)
{
	static const double absurd[] = { NAN, INFINITY, -1 };

	(void)unused;
	for (size_t i = 0; i < sizeof(absurd) / sizeof(absurd[0]); i++) {
		for (size_t t = 0; t < COST_TERMS; t += 7) {
			struct scene s;

			decode_two(&s);
			s.fit.fit.cost.value[t] = absurd[i];
			scene__report(&s, NULL, true);
			assert_string_equal(pricing(&s)->rule->name, "per-token");
			assert_true(pricing(&s)->why[0] != '\0');
			assert_int_equal(cost(&s, 0) + cost(&s, 1), s.meter);
			scene__close(&s);
		}
	}
}

static void a_fit_of_nothing_but_zeroes_prices_nothing(void **unused)
{
	struct scene s;

	(void)unused;
	decode_two(&s);
	memset(s.fit.fit.cost.value, 0, sizeof(s.fit.fit.cost.value));
	scene__report(&s, NULL, true);
	assert_string_equal(pricing(&s)->rule->name, "per-token");
	scene__close(&s);
}

static void a_rule_that_was_asked_for_and_cannot_work_is_an_error_in_words(void **unused)
{
	char error[256] = "";
	struct ledger_options options = { .error = error, .error_size = sizeof(error) };
	static const char *const names[] = { "shapley", "affine", "roofline", "flop", "bytes" };
	struct timeline t;
	struct ledger l;
	struct scene s;

	(void)unused;
	decode_two(&s);
	assert_int_equal(timeline__build(&t, maker__finish(&s.m)), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		options.rule = rule__find(names[i]);
		error[0] = '\0';
		assert_int_equal(ledger__build(&l, &t, &options), -ENOTSUP);
		assert_true(strlen(error) > 20);
		/* The others go by tokens and contexts alone. */
		if (strcmp(names[i], "flop") == 0 || strcmp(names[i], "bytes") == 0)
			assert_non_null(strstr(error, "the header of its weight file was not read"));
	}
	timeline__free(&t);
	maker__free(&s.m);
}

static void a_request_without_a_known_generation_has_no_interval(void **unused)
{
	struct scene s;

	(void)unused;
	decode_two(&s);
	/* Answered with tokens, by rows that nobody saw. */
	maker__request(&s.m, s.now + 1000, 0);
	s.m.recording.requests[2].n_chunks = 3;
	s.m.recording.requests[2].end_ns = s.now + 9000;
	s.m.recording.requests[0].end_ns = s.m.recording.requests[1].end_ns = s.now;
	maker__loss(&s.m, "engine", s.now, 5);
	maker__total(&s.m, RESOURCE_CPU_NS, s.meter, "schedstat");
	maker__fit(&s.m, &s.fit.fit);
	assert_int_equal(timeline__build(&s.timeline, maker__finish(&s.m)), 0);
	assert_int_equal(ledger__build(&s.ledger, &s.timeline, NULL), 0);
	assert_int_equal(s.timeline.requests[2].completion_tokens, ABSENT);
	assert_int_equal(request(&s, 2)->low[cpu(&s)], ABSENT);
	assert_int_equal(request(&s, 2)->high[cpu(&s)], ABSENT);
	assert_int_equal(request(&s, 2)->alone[cpu(&s)], ABSENT);
	scene__close(&s);
}

/* ------------------------------------------------------------------------------------------------------ special rows --- */

static void the_draft_models_prompt_is_no_rejected_draft(void **unused)
{
	int64_t prompt, drafts;
	struct scene s;

	(void)unused;
	scene__open(&s, 1);
	maker__context(&s.m, 2, "draft");
	scene__step(&s, (struct part[]){ { 0, 20, 1 } }, 1);
	/* The draft's prompt, without outputs, then two tokens drafted one by one; both are rejected. */
	s.pos[0] = 0;
	scene__step(&s, (struct part[]){ { 0, 20, 0 } }, 1)->context = 2;
	prompt = s.m.recording.step_resources[1].value;
	scene__step(&s, (struct part[]){ { 0, 1, 1 } }, 1)->context = 2;
	scene__step(&s, (struct part[]){ { 0, 1, 1 } }, 1)->context = 2;
	drafts = s.m.recording.step_resources[2].value + s.m.recording.step_resources[3].value;
	s.pos[0] = 20;
	scene__step(&s, (struct part[]){ { 0, 3, 3 } }, 1);
	maker__remove(&s.m, s.now - 50000, MAKER_TARGET, 0, 21);
	s.pos[0] = 21;
	scene__decode(&s, 1, 3);
	scene__report(&s, NULL, true);
	assert_int_equal(s.timeline.requests[0].draft_rejected_tokens, 2);
	assert_int_equal(request(&s, 0)->by_phase[PHASE_DRAFT][cpu(&s)], prompt + drafts);
	assert_true(request(&s, 0)->rejected[cpu(&s)] >= drafts);
	assert_true(request(&s, 0)->rejected[cpu(&s)] < drafts + s.m.recording.step_resources[4].value);
	scene__close(&s);
}

/* What a row has of the step that was made last. */
static int64_t in_last_step(const struct scene *s, int seq)
{
	const struct timeline *t = &s->timeline;
	const size_t last = s->m.recording.n_steps - 1;

	for (uint32_t i = t->step_first_row[last]; i < t->step_first_row[last + 1]; i++) {
		if (t->rows[i].seq == seq)
			return s->ledger.row_cost[i * s->ledger.n_resources + cpu(s)];
	}
	fail();
	return ABSENT;
}

/*
 * A verify row of five tokens, of which two are emitted, is cut by the ubatch: three of them lie beside a row of another
 * request, two beside one of a third.
 */
static void rejected_drafts_of_a_row_that_others_interleave_are_booked_once_and_exactly(void **unused)
{
	const struct ledger_options options = { .want_rows = true };
	/* A quarter more or less of G by who comes first: 4.1, 4.2, 4.3 and, with its dent, 5.4 ms; and the private parts. */
	const int64_t first = 2800000 + 10000 + 24 * 200 + (3 * 21 + 6) + 3 * 50000,
		      beside = 2600000 + 10000 + 22 * 200 + (21 + 1) + 50000,
		      second = 2200000 + 10000 + 26 * 200 + (2 * 24 + 3) + 2 * 50000,
		      third = 2100000 + 10000 + 22 * 200 + (21 + 1) + 50000;
	struct scene s;

	(void)unused;
	scene__open(&s, 3);
	scene__step(&s, (struct part[]){ { 0, 20, 1 }, { 1, 20, 1 }, { 2, 20, 1 } }, 3);
	scene__decode(&s, 3, 1);
	maker__step(&s.m, MAKER_TARGET, s.now, s.now + 11000000);
	maker__row(&s.m, 0, 21, 3, 3);
	maker__row(&s.m, 1, 21, 1, 1);
	maker__row(&s.m, 0, 24, 2, 2);
	maker__row(&s.m, 2, 21, 1, 1);
	s.m.recording.rows[s.m.recording.n_rows - 2].ubatch = s.m.recording.rows[s.m.recording.n_rows - 1].ubatch = 1;
	maker__cut(&s.m, RESOURCE_CPU_NS, s.meter, first + beside + second + third);
	s.meter += first + beside + second + third;
	s.now += 12000000;
	maker__remove(&s.m, s.now - 500000, MAKER_TARGET, 0, 23);
	scene__report(&s, &options, true);
	assert_int_equal(s.timeline.requests[0].draft_rejected_tokens, 3);
	assert_int_equal(in_last_step(&s, 0), first + second);
	assert_int_equal(in_last_step(&s, 1), beside);
	assert_int_equal(in_last_step(&s, 2), third);
	assert_int_equal(cost(&s, 0) + cost(&s, 1) + cost(&s, 2), s.meter);
	assert_int_equal(account(&s, ACCOUNT_UNEXPLAINED), 0);
	/* Three of five tokens: what the row would have been without them, no one part of it tells. */
	assert_int_equal(request(&s, 0)->rejected[cpu(&s)], (first + second) * 3 / 5);
	assert_int_equal(request(&s, 1)->rejected[cpu(&s)], 0);
	assert_int_equal(request(&s, 2)->rejected[cpu(&s)], 0);
	scene__close(&s);
}

static void what_a_context_shift_makes_the_engine_turn_is_recompute(void **unused)
{
	struct scene s;
	int64_t excess;

	(void)unused;
	scene__open(&s, 2);
	scene__step(&s, (struct part[]){ { 0, 20, 1 }, { 1, 20, 1 } }, 2);
	scene__decode(&s, 2, 30);
	maker__memory(&s.m, &(struct row_memory){ s.now - 2, MAKER_TID, MAKER_TARGET, MEMORY_SEQ_RM, 0, -1, 4, 14, 0 });
	maker__memory(&s.m,
		      &(struct row_memory){ s.now - 1, MAKER_TID, MAKER_TARGET, MEMORY_SEQ_ADD, 0, -1, 14, 50, -10 });
	s.pos[0] -= 10;
	s.factor = 1.02;
	scene__decode(&s, 2, 1);
	excess = (int64_t)llround((double)s.m.recording.step_resources[31].value * (0.02 / 1.02));
	s.factor = 1;
	scene__decode(&s, 2, 30);
	scene__report(&s, NULL, true);
	assert_in_range(account(&s, ACCOUNT_RECOMPUTE) - excess + 2, 0, 4);
	assert_int_equal(s.ledger.excess.n_steps, 0);
	assert_int_equal(account(&s, ACCOUNT_UNEXPLAINED), 0);
	scene__close(&s);
}

static void one_more_token_may_cost_less_than_nothing_and_stays_inside_its_interval(void **unused)
{
	struct marginal m;
	struct scene s;

	(void)unused;
	scene__open(&s, 4);
	scene__step(&s, (struct part[]){ { 0, 20, 1 }, { 1, 20, 1 }, { 2, 20, 1 }, { 3, 20, 1 } }, 4);
	scene__decode(&s, 4, 30);
	scene__report(&s, NULL, true);
	assert_int_equal(s.ledger.batch.n_rows, 4);
	assert_true(counterfactual__marginal(&s.ledger, cpu(&s), 0, &m));
	/* 5 rows are 0.9 ms cheaper than 4 by their curve. */
	assert_in_range(llround(m.in_batch.value) + 900000 - (10000 + 50000 + 129 * 201), 0, 1);
	assert_true(m.in_batch.value < 0);
	assert_true(m.in_batch.low < m.in_batch.value && m.in_batch.value < m.in_batch.high);
	/* 1 % of a step of 5 ms is open, and not 1 % of the difference. */
	assert_true(m.in_batch.high - m.in_batch.value > 1.96 * 0.01 * 4.5e6);
	scene__close(&s);
}

static void rejected_drafts_cost_what_the_row_would_have_saved_without_them(void **unused)
{
	struct scene s;
	struct cost_row k[2] = { { 5, 21, 5, 0 }, { 1, 21, 1, 1 } }, e[2] = { { 2, 21, 2, 0 }, { 1, 21, 1, 1 } };
	double with[2], without[2];

	(void)unused;
	scene__open(&s, 2);
	scene__step(&s, (struct part[]){ { 0, 20, 1 }, { 1, 20, 1 } }, 2);
	scene__decode(&s, 2, 1);
	scene__step(&s, (struct part[]){ { 0, 5, 5 }, { 1, 1, 1 } }, 2);
	/* One draft was accepted, so two tokens were emitted and three rejected. */
	maker__remove(&s.m, s.now - 50000, MAKER_TARGET, 0, 23);
	s.pos[0] = 23;
	scene__decode(&s, 2, 10);
	scene__report(&s, NULL, true);
	assert_int_equal(s.timeline.requests[0].draft_rejected_tokens, 3);
	assert_int_equal(cost__share(s.fit.fit.cost.value, k, 2, FIXED_BY_ROW, with), 0);
	assert_int_equal(cost__share(s.fit.fit.cost.value, e, 2, FIXED_BY_ROW, without), 0);
	assert_in_range(request(&s, 0)->rejected[cpu(&s)] - llround(with[0] - without[0]) + 2, 0, 4);
	assert_int_equal(request(&s, 1)->rejected[cpu(&s)], 0);
	scene__close(&s);
}

static void sharing_a_batch_saves_and_what_it_saves_is_said(void **unused)
{
	struct scene s;
	struct cost_row row = { 1, 20, 1, 0 };
	double alone = 0;

	(void)unused;
	scene__open(&s, 2);
	scene__step(&s, (struct part[]){ { 0, 20, 1 } }, 1);
	scene__step(&s, (struct part[]){ { 1, 20, 1 } }, 1);
	alone = (double)s.m.recording.step_resources[0].value;
	for (int k = 0; k < 30; k++, row.context++)
		alone += cost__alone(s.fit.fit.cost.value, &row);
	scene__decode(&s, 2, 30);
	scene__report(&s, NULL, true);
	assert_in_range(request(&s, 0)->alone[cpu(&s)] - llround(alone) + 40, 0, 80);
	assert_true(request(&s, 0)->alone[cpu(&s)] > cost(&s, 0));
	scene__close(&s);
}

/* A request of two prompts, both in one part beside somebody else's row: alone its two rows would still share their steps. */
static void rows_of_one_request_stay_together_when_it_is_thought_alone(void **unused)
{
	struct scene s;
	int64_t alone, context = 30;

	(void)unused;
	scene__open(&s, 2);
	s.m.recording.requests[0].slot = s.m.recording.requests[1].slot = ABSENT;
	s.m.recording.requests[0].n_prompts = 2;
	s.m.recording.requests[0].sent_prompt_tokens = 60;
	s.m.recording.requests[1].sent_prompt_tokens = 50;
	maker__remove(&s.m, s.now - 1000, MAKER_TARGET, 2, 0);
	scene__step(&s, (struct part[]){ { 0, 30, 1 }, { 1, 30, 1 }, { 2, 50, 1 } }, 3);
	/* G(60) of the two, which is 10 ms; their private parts. */
	alone = 4000000 + 60 * 100000 + 2 * (10000 + 200 * 30 + 465 + 50000);
	for (int k = 0; k < 10; k++, context++) {
		scene__step(&s, (struct part[]){ { 0, 1, 1 }, { 1, 1, 1 }, { 2, 1, 1 } }, 3);
		alone += 4200000 + 2 * (10000 + 201 * (context + 1) + 50000);
	}
	scene__report(&s, NULL, true);
	assert_int_equal(s.timeline.requests[0].n_runs, 2);
	assert_int_equal(s.timeline.requests[0].prompt_tokens, 60);
	assert_in_range(request(&s, 0)->alone[cpu(&s)] - alone + 11, 0, 22);
	assert_true(request(&s, 0)->alone[cpu(&s)] > cost(&s, 0));
	scene__close(&s);
}

static void one_more_token_costs_what_the_model_says_and_a_reference_token_scales_it(void **unused)
{
	struct scene s;
	struct marginal m;
	struct estimate e;

	(void)unused;
	decode_two(&s);
	/* A quarter of Llama 2 7B's layers and half its width: an eighth of its keys and values, and of its attention. */
	maker__model(&s.m, &(struct row_model){ .id = 1,
						.n_layers = 8,
						.active_params = 500000000,
						.active_weight_bytes = 1000000000,
						.kv_elements_per_token = 2 * 8 * 2048,
						.attention_flops_per_pair = 4 * 8 * 2048 });
	scene__report(&s, NULL, true);
	assert_int_equal(s.ledger.batch.n_rows, 2);
	assert_true(counterfactual__marginal(&s.ledger, cpu(&s), 1, &m));
	assert_in_range(llround(m.alone.value) - (4100000 + 10000 + 50000 + 2049 * 201), 0, 1);
	assert_in_range(llround(m.in_batch.value) - (100000 + 10000 + 50000 + 2049 * 201), 0, 1);
	assert_true(m.alone.low < m.alone.value && m.alone.value < m.alone.high);
	assert_true(counterfactual__reference(&s.ledger, cpu(&s), &e));
	assert_in_range(llround(e.value - (4100000 * 13.476831232 + 10000 + 50000 + 8 * 2049 * 201.0)) + 2, 0, 4);
	assert_true(e.low < e.value && e.value < e.high);
	scene__close(&s);

	decode_two(&s);
	scene__report(&s, NULL, true);
	assert_false(counterfactual__reference(&s.ledger, cpu(&s), &e));
	scene__close(&s);
	decode_two(&s);
	scene__report(&s, NULL, false);
	assert_false(counterfactual__marginal(&s.ledger, cpu(&s), 1, &m));
	scene__close(&s);
}

static void an_ambiguous_request_may_cost_what_the_other_run_did(void **unused)
{
	struct scene s;
	int64_t most, least;

	(void)unused;
	scene__open(&s, 2);
	/* They came at once, by the same client, and were answered at once: nothing tells them apart. */
	for (size_t i = 0; i < 2; i++) {
		s.m.recording.requests[i].slot = ABSENT;
		s.m.recording.requests[i].arrival_ns = 1000000;
	}
	scene__step(&s, (struct part[]){ { 0, 400, 1 }, { 1, 20, 1 } }, 2);
	scene__decode(&s, 2, 5);
	s.m.recording.requests[0].end_ns = s.m.recording.requests[1].end_ns = s.now;
	maker__total(&s.m, RESOURCE_CPU_NS, s.meter, "schedstat");
	maker__fit(&s.m, &s.fit.fit);
	assert_int_equal(timeline__build(&s.timeline, maker__finish(&s.m)), 0);
	assert_int_equal(ledger__build(&s.ledger, &s.timeline, NULL), 0);
	assert_int_equal(s.timeline.requests[0].match, MATCH_AMBIGUOUS);
	most = cost(&s, 0) > cost(&s, 1) ? cost(&s, 0) : cost(&s, 1);
	least = s.meter - most;
	assert_true(most > 2 * least);
	for (size_t i = 0; i < 2; i++) {
		assert_true(request(&s, i)->low[cpu(&s)] <= least);
		assert_true(request(&s, i)->high[cpu(&s)] >= most);
	}
	scene__close(&s);
}

/* ------------------------------------------------------------------------------------------------------------ waiting --- */

static int64_t sum_of(const struct waiting *w)
{
	int64_t sum = w->others_ns + w->unknown_ns + w->host_ns;

	for (uint32_t i = 0; i < w->n; i++) {
		assert_true(w->named[i].ns >= 0);
		sum += w->named[i].ns;
	}
	assert_true(w->others_ns >= 0 && w->unknown_ns >= 0 && w->host_ns >= 0);
	return sum;
}

static void a_wait_is_divided_over_those_who_ran_meanwhile(void **unused)
{
	const struct ledger_options options = { .want_wall = true };
	struct waiting *waits;
	struct scene s;
	int64_t ran;

	(void)unused;
	scene__open(&s, 3);
	scene__step(&s, (struct part[]){ { 0, 20, 1 }, { 1, 20, 1 } }, 2);
	scene__step(&s, (struct part[]){ { 0, 1, 1 } }, 1);
	scene__step(&s, (struct part[]){ { 2, 5, 1 } }, 1);
	scene__report(&s, &options, true);
	ran = s.m.recording.step_resources[0].value;
	assert_int_equal(waiting__build(&waits, &s.ledger), 0);
	assert_true(waits[2].known);
	assert_int_equal(waits[2].n, 2);
	assert_int_equal(waits[2].named[0].request, 0);
	assert_in_range(waits[2].named[0].ns - (ran / 2 + s.m.recording.step_resources[1].value) + 2, 0, 4);
	assert_in_range(waits[2].named[1].ns - ran / 2 + 2, 0, 4);
	/* 2 us before the first step, less the 2 ns by which it arrived later, and the gaps after two of them. */
	assert_int_equal(waits[2].host_ns, 2000 - 2 + 200000);
	assert_int_equal(sum_of(&waits[2]), s.timeline.requests[2].wait_ns);
	free(waits);
	scene__close(&s);
}

/* ------------------------------------------------------------------------------------------------------------- chance --- */

static void check_figures(const struct ledger *l)
{
	for (size_t i = 0; i < l->timeline->recording->n_requests; i++) {
		const struct ledger_request *q = &l->requests[i];

		for (size_t k = 0; k < l->n_resources; k++) {
			if (q->low[k] != ABSENT)
				assert_true(q->low[k] <= q->cost[k] && q->cost[k] <= q->high[k] &&
					    (q->low[k] >= 0 || q->cost[k] < 0));
			if (q->rejected[k] != ABSENT)
				assert_true(q->rejected[k] >= 0 && q->rejected[k] <= q->cost[k]);
			if (q->alone[k] != ABSENT)
				assert_true(q->alone[k] >= 0);
		}
	}
}

static void check_waits(const struct ledger *l)
{
	struct waiting *waits;

	assert_int_equal(waiting__build(&waits, l), 0);
	for (size_t i = 0; i < l->timeline->recording->n_requests; i++) {
		const int64_t wait_ns = l->timeline->requests[i].wait_ns;

		assert_int_equal(waits[i].known, wait_ns != ABSENT);
		if (waits[i].known)
			assert_int_equal(sum_of(&waits[i]), wait_ns);
	}
	free(waits);
}

static void the_law_holds_for_every_rule_and_any_fit_on_random_recordings(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= 250; seed++) {
		const struct server_options o = server_options__random(seed);
		static const char *const roles[] = { "target", "draft" };
		struct made_fit fits[4];
		uint64_t random = seed;
		struct maker m;
		struct server_truth *truth = make_server(&m, &o);
		struct timeline t;

		for (size_t i = 0; i < 4; i++) {
			make_random_fit(&fits[i], roles[i / 2], i % 2 ? RESOURCE_CPU_NS : COST_RESOURCE_WALL, &random);
			if (random_below(&random, 6))
				maker__fit(&m, &fits[i].fit);
		}
		assert_int_equal(timeline__build(&t, maker__finish(&m)), 0);
		for (size_t i = 0; rules[i]; i++) {
			const struct ledger_options options = { .rule = seed % 3 ? rules[i] : NULL,
								.fixed_by = (enum fixed_by)(seed % 3),
								.want_rows = seed % 2,
								.want_wall = true };
			struct ledger l;
			int err = ledger__build(&l, &t, &options);

			if (err == -ENOTSUP)
				continue;
			assert_int_equal(err, 0);
			assert_int_equal(ledger__broken(&l), -1);
			check_figures(&l);
			check_waits(&l);
			ledger__free(&l);
		}
		timeline__free(&t);
		maker__free(&m);
		free(truth);
	}
}

static void steps_without_length_and_clocks_that_jump_break_nothing(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		const struct server_options o = server_options__random(seed);
		const struct ledger_options options = { .want_wall = true };
		uint64_t random = seed;
		struct maker m;
		struct server_truth *truth = make_server(&m, &o);
		struct made_fit fit;
		struct timeline t;
		struct ledger l;

		make_fit(&fit, "target", RESOURCE_CPU_NS);
		maker__fit(&m, &fit.fit);
		for (size_t i = 0; i < m.recording.n_steps; i++) {
			struct row_step *step = &m.recording.steps[i];

			if (random_below(&random, 4) == 0)
				step->end_ns = step->start_ns;
			else if (random_below(&random, 8) == 0)
				step->end_ns += random_below(&random, UINT64_C(1) << 40);
			else if (random_below(&random, 8) == 0)
				step->start_ns += random_below(&random, 1000000000);
			if (step->end_ns < step->start_ns)
				step->end_ns = step->start_ns;
		}
		for (size_t i = 0; i < m.recording.n_rows; i++) {
			if (random_below(&random, 20) == 0)
				m.recording.rows[i].n_tokens = (int64_t)random_below(&random, INT32_MAX);
		}
		assert_int_equal(timeline__build(&t, maker__finish(&m)), 0);
		assert_int_equal(ledger__build(&l, &t, &options), 0);
		assert_int_equal(ledger__broken(&l), -1);
		check_figures(&l);
		check_waits(&l);
		ledger__free(&l);
		timeline__free(&t);
		maker__free(&m);
		free(truth);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_requests_pay_alike),
		cmocka_unit_test(a_lone_request_pays_all_of_its_steps_and_nothing_of_it_is_open),
		cmocka_unit_test(context_moves_only_the_private_part_of_the_request_that_has_it),
		cmocka_unit_test(a_longer_prompt_is_paid_by_its_own_request),
		cmocka_unit_test(parts_of_a_step_are_shared_each_by_itself),
		cmocka_unit_test(a_cached_prompt_costs_nothing_at_prefill),
		cmocka_unit_test(a_request_whose_client_left_keeps_what_it_cost),
		cmocka_unit_test(an_encoders_steps_are_the_requests_in_a_phase_of_their_own),
		cmocka_unit_test(another_resource_is_shared_by_a_fit_of_its_own),
		cmocka_unit_test(what_a_preemption_added_is_a_disturbance_and_no_ones_cost),
		cmocka_unit_test(a_worker_that_waited_for_a_cpu_is_evidence_too),
		cmocka_unit_test(a_moment_of_waiting_is_no_evidence),
		cmocka_unit_test(page_faults_beyond_the_neighbours_are_evidence_too),
		cmocka_unit_test(waiting_for_a_disk_in_a_page_fault_is_evidence_too),
		cmocka_unit_test(a_lower_clock_frequency_than_that_of_the_other_steps_is_evidence_too),
		cmocka_unit_test(a_frequency_as_usual_is_no_evidence_however_often_it_changed),
		cmocka_unit_test(evidence_that_nobody_looked_for_is_not_none),
		cmocka_unit_test(a_step_that_an_exception_left_is_evidence_too),
		cmocka_unit_test(an_excess_without_evidence_stays_unexplained),
		cmocka_unit_test(a_step_that_took_less_is_never_charged_for_more),
		cmocka_unit_test(a_drifted_fit_divides_but_calls_nothing_a_disturbance),
		cmocka_unit_test(steps_of_unknown_rows_are_no_evidence_of_drift),
		cmocka_unit_test(too_few_steps_of_known_rows_say_nothing_of_drift),
		cmocka_unit_test(without_a_fit_tokens_pay_and_the_report_says_what_to_do),
		cmocka_unit_test(a_fit_of_other_weights_or_another_host_is_left_alone),
		cmocka_unit_test(a_fit_that_is_not_identified_gives_way_to_the_affine_one),
		cmocka_unit_test(a_fit_that_cannot_be_known_to_be_of_these_weights_is_left_alone),
		cmocka_unit_test(a_draft_is_priced_by_a_fit_of_its_own_weights_and_has_their_shape),
		cmocka_unit_test(huge_values_that_are_finite_are_no_figures_either),
		cmocka_unit_test(absurd_values_of_a_fit_become_words_and_no_figures),
		cmocka_unit_test(a_fit_of_nothing_but_zeroes_prices_nothing),
		cmocka_unit_test(a_rule_that_was_asked_for_and_cannot_work_is_an_error_in_words),
		cmocka_unit_test(a_request_without_a_known_generation_has_no_interval),
		cmocka_unit_test(the_draft_models_prompt_is_no_rejected_draft),
		cmocka_unit_test(rejected_drafts_of_a_row_that_others_interleave_are_booked_once_and_exactly),
		cmocka_unit_test(what_a_context_shift_makes_the_engine_turn_is_recompute),
		cmocka_unit_test(one_more_token_may_cost_less_than_nothing_and_stays_inside_its_interval),
		cmocka_unit_test(rejected_drafts_cost_what_the_row_would_have_saved_without_them),
		cmocka_unit_test(sharing_a_batch_saves_and_what_it_saves_is_said),
		cmocka_unit_test(rows_of_one_request_stay_together_when_it_is_thought_alone),
		cmocka_unit_test(one_more_token_costs_what_the_model_says_and_a_reference_token_scales_it),
		cmocka_unit_test(an_ambiguous_request_may_cost_what_the_other_run_did),
		cmocka_unit_test(a_wait_is_divided_over_those_who_ran_meanwhile),
		cmocka_unit_test(the_law_holds_for_every_rule_and_any_fit_on_random_recordings),
		cmocka_unit_test(steps_without_length_and_clocks_that_jump_break_nothing),
	};

	return cmocka_run_group_tests_name("attribution", tests, NULL, NULL);
}
