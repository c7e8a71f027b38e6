/* SPDX-License-Identifier: Apache-2.0 */
/* The law: requests + accounts = total, exactly, whatever is recorded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"
#include "make_server.h"
#include "userspace/analysis/ledger.h"

struct book {
	struct timeline timeline;
	struct ledger ledger;
};

static void book__open(struct book *b, const struct recording *r, const struct ledger_options *options)
{
	assert_int_equal(timeline__build(&b->timeline, r), 0);
	assert_int_equal(ledger__build(&b->ledger, &b->timeline, options), 0);
}

static void book__close(struct book *b)
{
	ledger__free(&b->ledger);
	timeline__free(&b->timeline);
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

static int64_t account(const struct book *b, enum account_id a)
{
	return b->ledger.accounts[a][position(&b->ledger, RESOURCE_CPU_NS)];
}

static int64_t cost(const struct book *b, size_t request)
{
	return b->ledger.requests[request].cost[position(&b->ledger, RESOURCE_CPU_NS)];
}

/* One request: a prompt of 3 tokens in 100 ns, then a token in 50 ns, on a meter that also moves in between. */
static void make_one(struct maker *m)
{
	maker__init(m);
	maker__meta(m, "start_ns", "1000");
	maker__remove(m, 2000, MAKER_TARGET, 0, 0);
	maker__step(m, MAKER_TARGET, 2000, 2100);
	maker__row(m, 0, 0, 3, 1);
	maker__cut(m, RESOURCE_CPU_NS, 7, 100);
	maker__step(m, MAKER_TARGET, 2200, 2250);
	maker__row(m, 0, 3, 1, 1);
	maker__cut(m, RESOURCE_CPU_NS, 120, 50);
	maker__total(m, RESOURCE_CPU_NS, 200, "schedstat");
	maker__request(m, 1900, 2300);
	maker__sample(m, 1900, RESOURCE_CPU_NS, 2);
	maker__sample(m, 2300, RESOURCE_CPU_NS, 175);
	maker__sample(m, 3300, RESOURCE_CPU_NS, 176);
}

static void a_lone_request_pays_its_steps_and_the_host_what_is_between(void **unused)
{
	struct maker m;
	struct book b;

	(void)unused;
	make_one(&m);
	book__open(&b, maker__finish(&m), NULL);
	assert_int_equal(cost(&b, 0), 150);
	assert_int_equal(b.ledger.requests[0].by_phase[PHASE_PREFILL][position(&b.ledger, RESOURCE_CPU_NS)], 100);
	assert_int_equal(b.ledger.requests[0].by_phase[PHASE_DECODE][position(&b.ledger, RESOURCE_CPU_NS)], 50);
	assert_int_equal(b.ledger.requests[0].prompt_cost[position(&b.ledger, RESOURCE_CPU_NS)], 100);
	assert_int_equal(b.ledger.requests[0].completion_cost[position(&b.ledger, RESOURCE_CPU_NS)], 50);
	assert_int_equal(account(&b, ACCOUNT_HOST), (7 - 2) + (120 - 107) + (175 - 170));
	assert_int_equal(account(&b, ACCOUNT_IDLE), 2 + 1);
	assert_int_equal(account(&b, ACCOUNT_DISTURBANCE), 0);
	assert_int_equal(account(&b, ACCOUNT_UNEXPLAINED), 200 - 176);
	assert_int_equal(ledger__broken(&b.ledger), -1);
	book__close(&b);
	maker__free(&m);
}

static void a_shared_step_is_paid_by_tokens_or_by_rows_as_the_rule_says(void **unused)
{
	const struct ledger_options per_row = { .rule = rule__find("per-row") };
	struct maker m;
	struct book b;

	(void)unused;
	maker__init(&m);
	maker__remove(&m, 2000, MAKER_TARGET, 0, 0);
	maker__remove(&m, 2000, MAKER_TARGET, 1, 0);
	maker__step(&m, MAKER_TARGET, 2000, 2100);
	maker__row(&m, 0, 0, 3, 1);
	maker__row(&m, 1, 0, 7, 1);
	maker__cut(&m, RESOURCE_CPU_NS, 0, 101);
	maker__total(&m, RESOURCE_CPU_NS, 101, "schedstat");
	maker__request(&m, 1900, 2300)->slot = 0;
	maker__request(&m, 1901, 2300)->slot = 1;
	book__open(&b, maker__finish(&m), NULL);
	assert_string_equal(b.ledger.pricing[ROLE_TARGET][position(&b.ledger, RESOURCE_CPU_NS)].rule->name,
			    "per-token");
	assert_int_equal(cost(&b, 0), 30);
	assert_int_equal(cost(&b, 1), 71);
	book__close(&b);
	book__open(&b, &m.recording, &per_row);
	assert_int_equal(cost(&b, 0), 51);
	assert_int_equal(cost(&b, 1), 50);
	assert_int_equal(ledger__broken(&b.ledger), -1);
	book__close(&b);
	maker__free(&m);
}

static void steps_that_overlap_share_the_time_that_they_overlap(void **unused)
{
	struct maker m;
	struct book b;

	(void)unused;
	maker__init(&m);
	maker__context(&m, 2, "target");
	maker__remove(&m, 2000, MAKER_TARGET, 0, 0);
	maker__remove(&m, 2000, 2, 1, 0);
	maker__step(&m, MAKER_TARGET, 2000, 2100);
	maker__row(&m, 0, 0, 3, 1);
	maker__cut(&m, RESOURCE_CPU_NS, 0, 150);
	maker__step(&m, 2, 2050, 2150)->tid = 7;
	maker__row(&m, 1, 0, 9, 1);
	maker__cut(&m, RESOURCE_CPU_NS, 50, 130);
	maker__total(&m, RESOURCE_CPU_NS, 180, "schedstat");
	maker__request(&m, 1900, 2300)->slot = 0;
	maker__request(&m, 1901, 2300)->slot = 1;
	book__open(&b, maker__finish(&m), NULL);
	assert_int_equal(cost(&b, 0), 50 + 50);
	assert_int_equal(cost(&b, 1), 50 + 30);
	assert_int_equal(account(&b, ACCOUNT_UNEXPLAINED), 0);
	assert_int_equal(ledger__broken(&b.ledger), -1);
	book__close(&b);
	maker__free(&m);
}

static void a_nested_step_costs_nothing_beside_its_parent(void **unused)
{
	struct maker m;
	struct book b;

	(void)unused;
	maker__init(&m);
	maker__remove(&m, 2000, MAKER_TARGET, 0, 0);
	maker__step(&m, MAKER_TARGET, 2000, 2100);
	maker__cut(&m, RESOURCE_CPU_NS, 0, 100);
	maker__step(&m, MAKER_TARGET, 2010, 2090)->flags = STEP_NESTED;
	maker__row(&m, 0, 0, 5, 1);
	maker__cut(&m, RESOURCE_CPU_NS, 10, 80);
	maker__total(&m, RESOURCE_CPU_NS, 100, "schedstat");
	maker__request(&m, 1900, 2300);
	book__open(&b, maker__finish(&m), NULL);
	assert_int_equal(cost(&b, 0), 100);
	assert_int_equal(b.timeline.requests[0].prompt_tokens, 5);
	assert_int_equal(account(&b, ACCOUNT_UNEXPLAINED), 0);
	book__close(&b);
	maker__free(&m);
}

static void a_step_that_found_no_room_is_the_hosts(void **unused)
{
	struct maker m;
	struct book b;

	(void)unused;
	maker__init(&m);
	maker__remove(&m, 2000, MAKER_TARGET, 0, 0);
	maker__step(&m, MAKER_TARGET, 2000, 2010)->ret = 1;
	maker__cut(&m, RESOURCE_CPU_NS, 0, 10);
	maker__step(&m, MAKER_TARGET, 2010, 2100);
	maker__row(&m, 0, 0, 5, 1);
	maker__cut(&m, RESOURCE_CPU_NS, 10, 90);
	maker__total(&m, RESOURCE_CPU_NS, 100, "schedstat");
	maker__request(&m, 1900, 2300);
	book__open(&b, maker__finish(&m), NULL);
	assert_int_equal(cost(&b, 0), 90);
	assert_int_equal(account(&b, ACCOUNT_HOST), 10);
	assert_int_equal(account(&b, ACCOUNT_UNEXPLAINED), 0);
	book__close(&b);
	maker__free(&m);
}

static void rows_of_an_unknown_sequence_are_nobodys(void **unused)
{
	struct maker m;
	struct book b;

	(void)unused;
	maker__init(&m);
	maker__step(&m, MAKER_TARGET, 2000, 2100);
	maker__row(&m, -1, 0, 5, 0);
	maker__cut(&m, RESOURCE_CPU_NS, 0, 100);
	maker__total(&m, RESOURCE_CPU_NS, 100, "schedstat");
	maker__request(&m, 1900, 2300);
	book__open(&b, maker__finish(&m), NULL);
	assert_int_equal(cost(&b, 0), 0);
	assert_int_equal(account(&b, ACCOUNT_UNEXPLAINED), 100);
	assert_int_equal(b.timeline.requests[0].incomplete, INCOMPLETE_ROWS);
	assert_int_equal(b.timeline.requests[0].prompt_tokens, ABSENT);
	book__close(&b);
	maker__free(&m);
}

static void use_in_a_step_without_figures_is_not_the_hosts(void **unused)
{
	struct maker m;
	struct book b;

	(void)unused;
	make_one(&m);
	m.recording.n_step_resources = 1;
	book__open(&b, maker__finish(&m), NULL);
	assert_int_equal(cost(&b, 0), 100);
	assert_int_equal(account(&b, ACCOUNT_HOST), 5);
	assert_int_equal(account(&b, ACCOUNT_UNEXPLAINED), 200 - 100 - 5 - 3);
	book__close(&b);
	maker__free(&m);
}

static void run_queue_time_is_waited_whole_by_every_request_in_the_step(void **unused)
{
	struct maker m;
	struct book b;
	size_t k;

	(void)unused;
	maker__init(&m);
	maker__remove(&m, 2000, MAKER_TARGET, 0, 0);
	maker__remove(&m, 2000, MAKER_TARGET, 1, 0);
	maker__step(&m, MAKER_TARGET, 2000, 2100)->runq_ns = 9;
	maker__row(&m, 0, 0, 3, 1);
	maker__row(&m, 1, 0, 7, 1);
	maker__request(&m, 1900, 2300)->slot = 0;
	maker__request(&m, 1901, 2300)->slot = 1;
	book__open(&b, maker__finish(&m), NULL);
	k = position(&b.ledger, RESOURCE_RUNQ_NS);
	assert_int_equal(b.ledger.requests[0].cost[k], 9);
	assert_int_equal(b.ledger.requests[1].cost[k], 9);
	assert_int_equal(b.ledger.resources[k].total, ABSENT);
	book__close(&b);
	maker__free(&m);
}

static void waits_for_other_threads_are_told_from_other_waits(void **unused)
{
	static const struct row_resource futex = { RESOURCE_FUTEX_NS, "futex_ns",  "ns", RESOURCE_DURATION,
						   GRADE_MEASURED,    "scheduler", NULL };
	struct row_step *step;
	struct maker m;
	struct book b;

	(void)unused;
	maker__init(&m);
	maker__resource(&m, &futex);
	step = maker__step(&m, MAKER_TARGET, 2000, 2100);
	step->blocked_ns = 30;
	step->futex_ns = 20;
	maker__row(&m, 0, 0, 3, 1);
	maker__request(&m, 1900, 2300)->slot = 0;
	book__open(&b, maker__finish(&m), NULL);
	assert_int_equal(b.ledger.requests[0].cost[position(&b.ledger, RESOURCE_FUTEX_NS)], 20);
	assert_int_equal(b.ledger.requests[0].cost[position(&b.ledger, RESOURCE_BLOCKED_NS)], 30);
	book__close(&b);
	maker__free(&m);
}

static void what_was_not_collected_is_unavailable_and_not_zero(void **unused)
{
	struct maker m;
	struct book b;
	size_t energy, kernel;

	(void)unused;
	make_one(&m);
	book__open(&b, maker__finish(&m), NULL);
	energy = position(&b.ledger, RESOURCE_ENERGY_UJ);
	assert_false(b.ledger.resources[energy].measured);
	assert_string_equal(b.ledger.resources[energy].row->reason, "not collected");
	assert_string_equal(b.ledger.resources[energy].row->name, "energy_uj");
	/* Declared, and yet no figure of it: that is no measurement either. */
	kernel = position(&b.ledger, RESOURCE_KERNEL_NS);
	assert_false(b.ledger.resources[kernel].measured);
	assert_int_equal(b.ledger.resources[kernel].total, ABSENT);
	book__close(&b);
	maker__free(&m);
}

static void a_total_without_an_account_of_its_own_is_only_derived(void **unused)
{
	struct maker m;
	struct book b;
	size_t cpu;

	(void)unused;
	make_one(&m);
	m.recording.n_totals = 0;
	book__open(&b, maker__finish(&m), NULL);
	cpu = position(&b.ledger, RESOURCE_CPU_NS);
	assert_int_equal(b.ledger.resources[cpu].total, 176);
	assert_string_equal(b.ledger.resources[cpu].total_source, "sum of parts");
	assert_int_equal(b.ledger.resources[cpu].row->grade, GRADE_DERIVED);
	assert_int_equal(account(&b, ACCOUNT_UNEXPLAINED), 0);
	assert_int_equal(ledger__broken(&b.ledger), -1);
	book__close(&b);
	maker__free(&m);
}

static void a_figure_of_an_unknown_resource_is_an_error(void **unused)
{
	struct timeline t;
	struct ledger l;
	struct maker m;

	(void)unused;
	make_one(&m);
	maker__cut(&m, 77, 0, 1);
	assert_int_equal(timeline__build(&t, maker__finish(&m)), 0);
	assert_int_equal(ledger__build(&l, &t, NULL), -EINVAL);
	timeline__free(&t);
	maker__free(&m);
}

static void meters_that_no_machine_moves_are_an_error_and_no_overflow(void **unused)
{
	(void)unused;
	for (int where = 0; where < 3; where++) {
		struct timeline t;
		struct ledger l;
		struct maker m;

		maker__init(&m);
		if (where == 2) {
			maker__step(&m, MAKER_TARGET, 1000, 2000);
			maker__cut(&m, RESOURCE_CPU_NS, INT64_MAX - 5, INT64_MAX - 5);
		}
		for (uint64_t i = 1; i < 6 && where < 2; i++)
			maker__sample(&m, i * 1000, RESOURCE_CPU_NS,
				      i % 2 ? INT64_C(1) << 62 :
				      where ? -(INT64_C(1) << 62) :
					      0);
		assert_int_equal(timeline__build(&t, maker__finish(&m)), 0);
		assert_int_equal(ledger__build(&l, &t, NULL), -EINVAL);
		timeline__free(&t);
		maker__free(&m);
	}
}

static void an_empty_recording_balances(void **unused)
{
	struct recording nothing = { 0 };
	struct maker m;
	struct book b;

	(void)unused;
	book__open(&b, &nothing, NULL);
	assert_int_equal(ledger__broken(&b.ledger), -1);
	book__close(&b);
	maker__init(&m);
	book__open(&b, maker__finish(&m), NULL);
	assert_int_equal(ledger__broken(&b.ledger), -1);
	book__close(&b);
	maker__free(&m);
}

static void the_law_holds_on_random_recordings_and_unexplained_is_what_was_hidden(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		const struct server_options o = server_options__random(seed);
		const struct ledger_options options = { .want_rows = seed % 2 };
		struct maker m;
		struct server_truth *truth = make_server(&m, &o);
		struct book b;

		book__open(&b, &m.recording, &options);
		assert_int_equal(ledger__broken(&b.ledger), -1);
		/* The rows of the other thread belong to no request, so they are unexplained by right. */
		if (!o.overlapping_steps && b.timeline.n_runs_unmatched == 0)
			assert_int_equal(account(&b, ACCOUNT_UNEXPLAINED), o.unexplained_ns);
		if (b.ledger.row_cost) {
			const size_t n = b.ledger.n_resources, cpu = position(&b.ledger, RESOURCE_CPU_NS);
			int64_t rows = 0, requests = 0;

			for (size_t i = 0; i < b.timeline.n_rows; i++) {
				const uint32_t run = b.timeline.rows[i].run;

				if (run != RUN_NONE && b.timeline.runs[run].request != REQUEST_NONE)
					rows += b.ledger.row_cost[i * n + cpu];
			}
			for (size_t i = 0; i < m.recording.n_requests; i++)
				requests += cost(&b, i);
			assert_int_equal(rows, requests);
		}
		book__close(&b);
		maker__free(&m);
		free(truth);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lone_request_pays_its_steps_and_the_host_what_is_between),
		cmocka_unit_test(a_shared_step_is_paid_by_tokens_or_by_rows_as_the_rule_says),
		cmocka_unit_test(steps_that_overlap_share_the_time_that_they_overlap),
		cmocka_unit_test(a_nested_step_costs_nothing_beside_its_parent),
		cmocka_unit_test(a_step_that_found_no_room_is_the_hosts),
		cmocka_unit_test(rows_of_an_unknown_sequence_are_nobodys),
		cmocka_unit_test(use_in_a_step_without_figures_is_not_the_hosts),
		cmocka_unit_test(run_queue_time_is_waited_whole_by_every_request_in_the_step),
		cmocka_unit_test(waits_for_other_threads_are_told_from_other_waits),
		cmocka_unit_test(what_was_not_collected_is_unavailable_and_not_zero),
		cmocka_unit_test(a_total_without_an_account_of_its_own_is_only_derived),
		cmocka_unit_test(a_figure_of_an_unknown_resource_is_an_error),
		cmocka_unit_test(meters_that_no_machine_moves_are_an_error_and_no_overflow),
		cmocka_unit_test(an_empty_recording_balances),
		cmocka_unit_test(the_law_holds_on_random_recordings_and_unexplained_is_what_was_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
