/* SPDX-License-Identifier: Apache-2.0 */
/* Memory traffic in the ledger: what steps touch by the model, what was counted over time, and which of them is the figure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "output/output.h"
#include "scene.h"
#include "userspace/analysis/traffic.h"

#define MB INT64_C(1000000)
#define MISSES (RESOURCE_COUNTER_FIRST + 3)

/* 100 MB of layers, 8 MB of an output matrix, a table of 2,000 words of 4,000 bytes each, 100 kB of keys and values for a token. */
static const struct row_model dense = {
	.id = 1,
	.pid = MAKER_PID,
	.name = "dense",
	.arch = "llama",
	.digest = "d1",
	.n_params = 58 * MB,
	.weight_bytes = 116 * MB,
	.n_layers = 10,
	.n_embd = 2000,
	.kv_elements_per_token = 50000,
	.n_vocab = 2000,
	.n_experts = ABSENT,
	.n_experts_used = ABSENT,
	.active_params = 54 * MB,
	.active_weight_bytes = 108 * MB,
	.lookup_params = 4 * MB,
	.output_weight_bytes = 8 * MB,
	.lookup_weight_bytes = 8 * MB,
	.sliding_window = ABSENT,
};
static const struct row_kv_cache f16 = { 1, MAKER_PID, 4096, 10, 8192, 50000, 100000, "F16", "F16" };
#define LOOKUP 4000
#define KV 100000

static void open_with(struct scene *s, int n_requests, const struct row_model *model, const struct row_kv_cache *cache)
{
	scene__open(s, n_requests);
	if (model)
		maker__model(&s->m, model);
	if (cache)
		maker__kv_cache(&s->m, cache);
}

static int position(const struct scene *s)
{
	for (size_t k = 0; k < s->ledger.n_resources; k++)
		if (s->ledger.resources[k].row->id == RESOURCE_MEM_BYTES)
			return (int)k;
	fail();
	return -1;
}

static int64_t bytes_of(const struct scene *s, size_t request)
{
	return s->ledger.requests[request].cost[position(s)];
}

static const struct ledger_resource *traffic_of(const struct scene *s)
{
	return &s->ledger.resources[position(s)];
}

static const struct traffic_evidence *evidence(const struct scene *s, const char *name)
{
	for (size_t i = 0; i < s->ledger.traffic->n_evidence; i++)
		if (strcmp(s->ledger.traffic->evidence[i].name, name) == 0)
			return &s->ledger.traffic->evidence[i];
	return NULL;
}

/* ------------------------------------------------------------------------------------------------------- the model --- */

static void a_lone_request_takes_the_weights_once_a_step_and_its_own_context(void **state)
{
	struct scene s;
	int64_t expected = 108 * MB + 10 * LOOKUP + 10 * KV;	/* the prompt: nothing is before it */

	(void)state;
	open_with(&s, 1, &dense, &f16);
	scene__step(&s, (struct part[]){ { 0, 10, 1 } }, 1);
	scene__decode(&s, 1, 5);
	for (int context = 10; context < 15; context++)
		expected += 108 * MB + LOOKUP + (context + 1) * KV;
	scene__report(&s, NULL, true);
	assert_int_equal(bytes_of(&s, 0), expected);
	assert_int_equal(traffic_of(&s)->total, expected);
	assert_int_equal(traffic_of(&s)->row->grade, GRADE_DERIVED);
	assert_string_equal(traffic_of(&s)->total_source, "model");
	assert_int_equal(evidence(&s, "model")->low, expected);
	assert_int_equal(evidence(&s, "model")->high, expected);
	scene__close(&s);
}

static void companions_share_the_weights_and_pay_their_own_contexts(void **state)
{
	struct scene s;

	(void)state;
	open_with(&s, 2, &dense, &f16);
	s.pos[0] = 0;
	scene__step(&s, (struct part[]){ { 0, 1000, 1 } }, 1);
	scene__step(&s, (struct part[]){ { 1, 10, 1 } }, 1);
	scene__decode(&s, 2, 1);
	scene__report(&s, NULL, true);
	/* The long prompt cost what it did alone; then half of the weights each, 1,001 and 11 tokens of context. */
	assert_int_equal(bytes_of(&s, 0), 108 * MB + 1000 * (LOOKUP + KV) + 54 * MB + LOOKUP + INT64_C(1001) * KV);
	assert_int_equal(bytes_of(&s, 1), 108 * MB + 10 * (LOOKUP + KV) + 54 * MB + LOOKUP + 11 * KV);
	scene__close(&s);
}

static void the_output_matrix_is_read_only_for_rows_that_want_an_output(void **state)
{
	struct scene s;

	(void)state;
	open_with(&s, 2, &dense, &f16);
	scene__step(&s, (struct part[]){ { 0, 4, 1 } }, 1);
	/* A chunk of a prompt without an output, beside a token that has one. */
	scene__step(&s, (struct part[]){ { 0, 1, 1 }, { 1, 100, 0 } }, 2);
	scene__step(&s, (struct part[]){ { 1, 100, 0 } }, 1);
	scene__step(&s, (struct part[]){ { 1, 100, 1 } }, 1);
	scene__report(&s, NULL, false);
	assert_int_equal(bytes_of(&s, 0), 108 * MB + 4 * (LOOKUP + KV) + 50 * MB + 8 * MB + LOOKUP + 5 * KV);
	assert_int_equal(bytes_of(&s, 1), 50 * MB + 100 * (LOOKUP + KV) + 100 * MB + 100 * LOOKUP + 200 * KV +
						  108 * MB + 100 * LOOKUP + 300 * KV);
	scene__close(&s);
}

/* What is distinct in all 4^n draws of n tokens that take one of 4 experts each. */
static double by_counting(int n)
{
	int64_t sum = 0, draws = 1;

	for (int i = 0; i < n; i++)
		draws *= 4;
	for (int64_t draw = 0; draw < draws; draw++) {
		unsigned int seen = 0;
		int64_t rest = draw;

		for (int i = 0; i < n; i++, rest /= 4)
			seen |= 1u << rest % 4;
		sum += __builtin_popcount(seen);
	}
	return (double)sum / (double)draws / 4;
}

static void of_experts_a_step_reads_those_that_even_routing_would_take(void **state)
{
	(void)state;
	for (int n = 1; n <= 8; n++) {
		struct row_model m = dense;
		struct scene s;
		double expected;

		/* 400 MB of experts, of which a token takes a quarter. */
		m.expert_weight_bytes = 400 * MB;
		m.n_experts = 4;
		m.n_experts_used = 1;
		m.active_weight_bytes += 100 * MB;
		m.weight_bytes += 400 * MB;
		open_with(&s, n, &m, &f16);
		scene__decode(&s, n, 1);
		scene__report(&s, NULL, true);
		expected = 108e6 + n * (double)(LOOKUP + KV) + 400e6 * by_counting(n);
		assert_true(fabs((double)traffic_of(&s)->total - expected) <= 1);
		assert_int_equal(evidence(&s, "model")->low, 208 * MB + n * (LOOKUP + KV));
		assert_int_equal(evidence(&s, "model")->high, (108 + 100 * (n < 4 ? n : 4)) * MB + n * (LOOKUP + KV));
		for (int i = 1; i < n; i++)
			assert_true(labs(bytes_of(&s, (size_t)i) - bytes_of(&s, 0)) <= 1);
		scene__close(&s);
	}
}

static void rules_that_were_asked_for_divide_traffic_too(void **state)
{
	const struct ledger_options per_token = { .rule = rule__find("per-token") };
	const struct ledger_options by_token = { .fixed_by = FIXED_BY_TOKEN };
	struct scene s;

	(void)state;
	open_with(&s, 2, &dense, &f16);
	scene__step(&s, (struct part[]){ { 0, 30, 1 }, { 1, 10, 1 } }, 2);
	scene__report(&s, &per_token, true);
	assert_int_equal(bytes_of(&s, 0), 3 * bytes_of(&s, 1));
	assert_string_equal(s.ledger.pricing[ROLE_TARGET][position(&s)].rule->name, "per-token");
	scene__close(&s);

	open_with(&s, 2, &dense, &f16);
	scene__step(&s, (struct part[]){ { 0, 30, 1 }, { 1, 10, 1 } }, 2);
	scene__report(&s, &by_token, true);
	assert_int_equal(bytes_of(&s, 1), 25 * MB + 4 * MB + 10 * (LOOKUP + KV));
	scene__close(&s);
}

static void without(const struct row_model *model, const struct row_kv_cache *caches, size_t n, const char *reason)
{
	struct scene s;
	json_t *root, *requests;
	char *text = NULL;
	size_t size = 0;
	FILE *f;

	open_with(&s, 1, model, NULL);
	for (size_t i = 0; i < n; i++)
		maker__kv_cache(&s.m, &caches[i]);
	scene__step(&s, (struct part[]){ { 0, 10, 1 } }, 1);
	scene__decode(&s, 1, 3);
	scene__report(&s, NULL, true);
	assert_false(traffic_of(&s)->measured);
	assert_int_equal(traffic_of(&s)->row->grade, GRADE_UNAVAILABLE);
	if (!strstr(traffic_of(&s)->row->reason, reason))
		fail_msg("%s: %s", reason, traffic_of(&s)->row->reason);
	f = open_memstream(&text, &size);
	assert_int_equal(output__find("json")->write(f, &s.ledger, &(struct output_options){ .columns = 80 }), 0);
	fclose(f);
	root = json_loads(text, 0, NULL);
	requests = json_object_get(root, "requests");
	assert_true(json_is_null(json_object_get(json_object_get(json_array_get(requests, 0), "cost"), "mem_bytes")));
	assert_true(json_is_null(json_object_get(json_array_get(requests, 0), "mem_bytes_per_token")));
	json_decref(root);
	free(text);
	scene__close(&s);
}

static void what_is_not_known_of_the_model_or_its_cache_is_null_with_the_reason(void **state)
{
	struct row_kv_cache caches[2] = { f16, f16 };
	struct row_model m = dense;

	(void)state;
	without(NULL, &f16, 1, "no weight file was read");
	without(&dense, NULL, 0, "no cache of keys and values was found");
	caches[1].id = 2;
	caches[1].bytes_per_token = 53125;
	without(&dense, caches, 2, "several number formats");
	caches[0].elements_per_token = 1;
	without(&dense, caches, 1, "another shape");
	m.kv_elements_per_token = ABSENT;
	without(&m, &f16, 1, "how many keys and values");
	m = dense;
	m.output_weight_bytes = ABSENT;	/* as in recordings before schema version 6 */
	without(&m, &f16, 1, "which weights a token is computed with");
	m = dense;
	m.arch = "t5";
	without(&m, &f16, 1, "a part of its weights");
	m = dense;
	m.sliding_window = 12;
	without(&m, &f16, 1, "look back at a part of the context");
	m = dense;
	m.expert_weight_bytes = 4;
	without(&m, &f16, 1, "how many experts");
}

static void a_window_that_no_context_leaves_changes_nothing(void **state)
{
	struct row_model m = dense;
	struct scene s;

	(void)state;
	m.sliding_window = 11;
	open_with(&s, 1, &m, &f16);
	scene__step(&s, (struct part[]){ { 0, 10, 1 } }, 1);
	scene__decode(&s, 1, 1);
	scene__report(&s, NULL, true);
	assert_int_equal(bytes_of(&s, 0), 216 * MB + 11 * LOOKUP + 21 * KV);
	scene__close(&s);
}

/* --------------------------------------------------------------------------------------------------------- counted --- */

static void put_uncore(struct scene *s)
{
	const struct row_traffic_source row = { TRAFFIC_UNCORE, "uncore", GRADE_DERIVED, "intel_imc", NULL,
						NULL,		12,	  1000 * MB,	 960 * MB };

	maker__traffic_source(&s->m, &row);
}

static void put_sample(struct scene *s, int source, uint64_t start_ns, uint64_t end_ns, int64_t bytes)
{
	const struct row_traffic_sample row = { end_ns, source, (int64_t)(end_ns - start_ns), bytes, ABSENT };

	maker__traffic_sample(&s->m, &row);
}

/* Two steps of half a second each in a second, then a second of idling at 10 MB/s that other programs make. */
static void run_counted(struct scene *s, int source, int64_t busy)
{
	const uint64_t half = 500000000u;
	struct row_request *q;

	open_with(s, 1, &dense, &f16);
	s->m.recording.requests[0].arrival_ns = 1000000;
	for (int i = 0; i < 2; i++) {
		const uint64_t start = 2000000 + (uint64_t)i * half;

		maker__step(&s->m, MAKER_TARGET, start, start + half);
		maker__row(&s->m, 0, i ? 10 : 0, i ? 1 : 10, 1);
	}
	s->now = 2000000 + 2 * half;
	put_sample(s, source, 2000000, 2000000 + half / 2, busy / 4);
	put_sample(s, source, 2000000 + half / 2, 2000000 + 2 * half, 3 * busy / 4);
	for (int i = 0; i < 10; i++)
		put_sample(s, source, s->now + 1 + (uint64_t)i * half / 5, s->now + 1 + (uint64_t)(i + 1) * half / 5,
			   MB);
	q = &s->m.recording.requests[0];
	q->end_ns = q->first_byte_ns = s->now;
}

static void what_the_host_moves_while_the_server_idles_is_taken_off(void **state)
{
	struct scene s;

	(void)state;
	run_counted(&s, TRAFFIC_UNCORE, 410 * MB);
	put_uncore(&s);
	scene__report(&s, NULL, false);
	assert_string_equal(traffic_of(&s)->total_source, "uncore");
	assert_true(fabs(evidence(&s, "uncore")->idle_bytes_per_s - 10e6) < 1);
	assert_true(labs(traffic_of(&s)->total - 400 * MB) < 100);
	/* All of it is the request's, whose steps cover the time. */
	assert_true(labs(bytes_of(&s, 0) - 400 * MB) < 100);
	assert_true(evidence(&s, "uncore")->used && !evidence(&s, "model")->used);
	/* What steps touch stands beside it: 216 MB and little more. */
	assert_true(fabs(evidence(&s, "model")->ratio - 217.5 / 400) < 0.01);
	assert_int_equal(evidence(&s, "uncore")->check_bytes, 960 * MB);
	assert_null(strstr(evidence(&s, "uncore")->reason, "self-check"));
	scene__close(&s);
}

static void a_group_of_the_server_alone_has_nothing_taken_off(void **state)
{
	const struct row_traffic_source row = { TRAFFIC_RESCTRL, "resctrl", GRADE_DERIVED, "resctrl", NULL, NULL, 2,
						ABSENT,		 ABSENT };
	struct scene s;

	(void)state;
	run_counted(&s, TRAFFIC_RESCTRL, 410 * MB);
	maker__traffic_source(&s.m, &row);
	scene__report(&s, NULL, false);
	assert_string_equal(traffic_of(&s)->total_source, "resctrl");
	assert_int_equal(traffic_of(&s)->total, 420 * MB);
	assert_int_equal(bytes_of(&s, 0), 410 * MB);
	assert_int_equal(s.ledger.accounts[ACCOUNT_IDLE][position(&s)], 10 * MB);
	assert_true(isnan(evidence(&s, "resctrl")->idle_bytes_per_s));
	scene__close(&s);
}

static void a_source_that_did_not_see_what_was_streamed_says_so(void **state)
{
	struct scene s;

	(void)state;
	run_counted(&s, TRAFFIC_UNCORE, 410 * MB);
	put_uncore(&s);
	s.m.recording.traffic_sources[0].check_bytes = 240 * MB;
	scene__report(&s, NULL, false);
	assert_non_null(strstr(traffic_of(&s)->row->reason, "its self-check saw 0.24 of the bytes"));
	scene__close(&s);
}

static void a_step_that_the_counters_did_not_reach_over_has_no_figure(void **state)
{
	struct scene s;

	(void)state;
	run_counted(&s, TRAFFIC_RESCTRL, 400 * MB);
	put_uncore(&s);	/* which has no samples */
	{
		const struct row_traffic_source row = {
			TRAFFIC_RESCTRL, "resctrl", GRADE_DERIVED, "resctrl", NULL, NULL, 2, ABSENT, ABSENT
		};

		maker__traffic_source(&s.m, &row);
	}
	s.m.recording.traffic_samples[1].duration_ns -= 300000000;
	scene__report(&s, NULL, false);
	assert_int_equal(evidence(&s, "uncore")->grade, GRADE_UNAVAILABLE);
	assert_string_equal(traffic_of(&s)->total_source, "resctrl");
	assert_non_null(strstr(traffic_of(&s)->row->reason, "2 steps were not wholly watched"));
	assert_int_equal(bytes_of(&s, 0), 0);
	assert_true(s.ledger.accounts[ACCOUNT_UNEXPLAINED][position(&s)] >= 399 * MB);
	scene__close(&s);
}

static void a_source_that_is_not_there_stands_with_its_reason_and_remedy(void **state)
{
	const struct row_traffic_source row = { TRAFFIC_UNCORE, "uncore",	GRADE_UNAVAILABLE,
						"counters",	"none is here", "bare metal",
						ABSENT,		ABSENT,		ABSENT };
	struct scene s;

	(void)state;
	open_with(&s, 1, &dense, &f16);
	maker__traffic_source(&s.m, &row);
	scene__decode(&s, 1, 3);
	scene__report(&s, NULL, true);
	assert_int_equal(evidence(&s, "uncore")->bytes, ABSENT);
	assert_string_equal(evidence(&s, "uncore")->reason, "none is here");
	assert_string_equal(evidence(&s, "uncore")->remedy, "bare metal");
	assert_string_equal(traffic_of(&s)->total_source, "model");
	scene__close(&s);
}

static void misses_of_the_last_cache_stand_beside_the_model_as_an_order_of_magnitude(void **state)
{
	const struct row_resource misses = { MISSES,	     "spr::LONGEST_LAT_CACHE:MISS", "count", RESOURCE_ADDITIVE,
					     GRADE_MEASURED, "performance event",	    NULL };

	(void)state;
	for (int known = 0; known < 2; known++) {
		struct scene s;

		open_with(&s, 1, known ? &dense : NULL, &f16);
		maker__resource(&s.m, &misses);
		scene__step(&s, (struct part[]){ { 0, 10, 1 } }, 1);
		maker__cut(&s.m, MISSES, 0, 100000);
		maker__total(&s.m, MISSES, 120000, "performance events");
		scene__report(&s, NULL, false);
		assert_int_equal(evidence(&s, "llc_misses")->bytes, 120000 * 64);
		assert_non_null(strstr(evidence(&s, "llc_misses")->reason, "an order of magnitude"));
		assert_string_equal(traffic_of(&s)->total_source, known ? "model" : "llc_misses");
		assert_int_equal(bytes_of(&s, 0), known ? 108 * MB + 10 * (LOOKUP + KV) : 100000 * 64);
		scene__close(&s);
	}
}

static void figures_that_no_machine_moves_are_no_traffic(void **state)
{
	struct scene s;

	(void)state;
	run_counted(&s, TRAFFIC_UNCORE, 400 * MB);
	put_uncore(&s);
	s.m.recording.traffic_samples[0].bytes = INT64_MAX;
	scene__report(&s, NULL, false);
	assert_string_equal(traffic_of(&s)->total_source, "model");
	scene__close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lone_request_takes_the_weights_once_a_step_and_its_own_context),
		cmocka_unit_test(companions_share_the_weights_and_pay_their_own_contexts),
		cmocka_unit_test(the_output_matrix_is_read_only_for_rows_that_want_an_output),
		cmocka_unit_test(of_experts_a_step_reads_those_that_even_routing_would_take),
		cmocka_unit_test(rules_that_were_asked_for_divide_traffic_too),
		cmocka_unit_test(what_is_not_known_of_the_model_or_its_cache_is_null_with_the_reason),
		cmocka_unit_test(a_window_that_no_context_leaves_changes_nothing),
		cmocka_unit_test(what_the_host_moves_while_the_server_idles_is_taken_off),
		cmocka_unit_test(a_group_of_the_server_alone_has_nothing_taken_off),
		cmocka_unit_test(a_source_that_did_not_see_what_was_streamed_says_so),
		cmocka_unit_test(a_step_that_the_counters_did_not_reach_over_has_no_figure),
		cmocka_unit_test(a_source_that_is_not_there_stands_with_its_reason_and_remedy),
		cmocka_unit_test(misses_of_the_last_cache_stand_beside_the_model_as_an_order_of_magnitude),
		cmocka_unit_test(figures_that_no_machine_moves_are_no_traffic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
