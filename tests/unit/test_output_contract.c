/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of a report against the contract: every key, its type, and the law that its integers obey. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "output/output.h"
#include "tests/unit/example_report.h"

static json_t *report(struct example *e, enum report_by by)
{
	struct output_options options = { .by = by, .columns = 80 };
	json_error_t error;
	json_t *value;
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_int_equal(output__find("json")->write(f, &e->ledger, &options), 0);
	fclose(f);
	value = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
	if (!value)
		fail_msg("%s at byte %d", error.text, error.position);
	free(text);
	return value;
}

static json_t *member(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (!value)
		fail_msg("the key %s is missing", key);
	return value;
}

/* `keys`: names separated by blanks. */
static void has_keys(json_t *object, const char *keys)
{
	char copy[512], *name, *rest;

	assert_true(json_is_object(object));
	assert_true(strlen(keys) < sizeof(copy));
	strcpy(copy, keys);
	for (name = strtok_r(copy, " ", &rest); name; name = strtok_r(NULL, " ", &rest))
		member(object, name);
}

static const char additive[] = "cpu_ns kernel_ns device_ns mem_bytes energy_uj cycles instructions";

static void has_figures(json_t *object)
{
	static const char *const integers[] = { "cpu_ns", "kernel_ns", "faults" };
	static const char *const nulls[] = { "device_ns", "mem_bytes", "energy_uj", "cycles", "instructions" };

	has_keys(object, additive);
	assert_true(json_is_object(member(object, "counters")));
	for (size_t i = 0; i < 3; i++)
		assert_true(json_is_integer(member(object, integers[i])));
	for (size_t i = 0; i < 5; i++)
		assert_true(json_is_null(member(object, nulls[i])));
}

static void check_request(json_t *request)
{
	static const char *const phases[] = { "prefill", "decode", "verify", "draft", "embed", "encode" };
	json_t *cost, *by_phase;

	has_keys(request, "id api_id path status stream client arrival_ns end_ns match complete finish_reason billed "
			  "computed wait_ns ttft_ns tpot_ns e2el_ns cost");
	has_keys(member(request, "billed"), "prompt_tokens cached_tokens completion_tokens");
	has_keys(member(request, "computed"),
		 "prompt_tokens cached_tokens completion_tokens draft_tokens draft_rejected_tokens");
	assert_true(json_is_boolean(member(request, "stream")));
	assert_true(json_is_boolean(member(request, "complete")));
	assert_true(json_is_integer(member(request, "arrival_ns")));
	cost = member(request, "cost");
	has_figures(cost);
	has_keys(cost, "runq_ns blocked_ns ioctl by_phase low high");
	by_phase = member(cost, "by_phase");
	for (size_t i = 0; i < 6; i++)
		has_figures(member(by_phase, phases[i]));
}

static void every_key_of_the_contract_is_there(void **state)
{
	static const char *const account_names[] = { "host", "idle", "recompute", "disturbance", "unexplained" };
	struct example e;
	json_t *root, *requests, *value;
	const char *key;

	(void)state;
	example__make(&e);
	root = report(&e, BY_REQUEST);
	has_keys(root, "schema recording server evidence requests accounts totals attribution ioctls neighbours "
		       "counters memory");
	assert_string_equal(json_string_value(member(root, "schema")), "tokprof.report/1");
	has_keys(member(root, "recording"), "id start_unix_ns duration_ns complete losses");
	has_keys(member(root, "server"), "engine engine_version pids model");
	has_keys(member(member(root, "server"), "model"),
		 "name path arch n_params quantization weight_bytes n_layers n_embd n_heads n_kv_heads "
		 "attention_flops_per_pair kv_elements_per_token n_vocab n_experts n_experts_used active_params "
		 "active_weight_bytes digest header_error");
	json_object_foreach(member(root, "evidence"), key, value) has_keys(value, "grade source reason");
	has_keys(member(root, "evidence"), additive);
	requests = member(root, "requests");
	assert_int_equal(json_array_size(requests), EXAMPLE_REQUESTS);
	for (size_t i = 0; i < json_array_size(requests); i++)
		check_request(json_array_get(requests, i));
	for (size_t i = 0; i < 5; i++)
		has_figures(member(member(root, "accounts"), account_names[i]));
	has_figures(member(root, "totals"));
	has_keys(member(member(root, "totals"), "source"), additive);
	has_keys(member(root, "attribution"), "rule fixed_by fit");
	assert_int_equal(json_array_size(member(root, "ioctls")), 0);
	assert_int_equal(json_array_size(member(root, "neighbours")), 0);
	assert_int_equal(json_array_size(member(root, "counters")), 0);
	json_decref(root);
}

static void requests_and_accounts_add_up_to_the_totals(void **state)
{
	static const char *const keys[] = { "cpu_ns", "kernel_ns", "faults" };
	struct example e;
	json_t *root, *value;
	size_t i;

	(void)state;
	example__make(&e);
	root = report(&e, BY_REQUEST);
	for (size_t k = 0; k < 3; k++) {
		json_int_t sum = 0;
		const char *name;

		json_array_foreach(member(root, "requests"), i, value) sum +=
			json_integer_value(member(member(value, "cost"), keys[k]));
		json_object_foreach(member(root, "accounts"), name, value) sum +=
			json_integer_value(member(value, keys[k]));
		assert_true(sum == json_integer_value(member(member(root, "totals"), keys[k])));
	}
	json_decref(root);
}

static void a_request_without_a_bill_has_nulls_and_not_zeros(void **state)
{
	struct example e;
	json_t *root, *billed;

	(void)state;
	example__make(&e);
	root = report(&e, BY_REQUEST);
	billed = member(json_array_get(member(root, "requests"), 3), "billed");
	assert_true(json_is_null(member(billed, "prompt_tokens")));
	assert_true(json_is_null(member(billed, "completion_tokens")));
	json_decref(root);
}

static void a_request_is_complete_only_without_any_reason_against_it(void **state)
{
	struct example e;
	json_t *root, *request;
	size_t i;

	(void)state;
	example__make(&e);
	root = report(&e, BY_REQUEST);
	json_array_foreach(member(root, "requests"), i, request) assert_int_equal(
		json_is_true(member(request, "complete")), json_array_size(member(request, "incomplete_reasons")) == 0);
	request = json_array_get(member(root, "requests"), 5);
	assert_true(json_is_false(member(request, "complete")));
	assert_string_equal(json_string_value(json_array_get(member(request, "incomplete_reasons"), 0)), "loss");
	json_decref(root);
}

static void losses_are_summed_per_collector_and_0_where_none(void **state)
{
	struct example e;
	json_t *root, *losses;

	(void)state;
	example__make(&e);
	e.collectors[2].state = "absent";
	root = report(&e, BY_REQUEST);
	losses = member(member(root, "recording"), "losses");
	assert_int_equal(json_integer_value(member(losses, "engine")), 8);
	assert_int_equal(json_integer_value(member(losses, "sched")), 0);
	/* Rows that the writer itself refused. */
	assert_int_equal(json_integer_value(member(losses, "recording")), 2);
	/* What was never attached lost nothing that could be counted. */
	assert_null(json_object_get(losses, "wire"));
	json_decref(root);
}

static void a_killed_recording_says_so_and_ends_with_its_last_row(void **state)
{
	struct example e;
	json_t *root, *recording;

	(void)state;
	example__make(&e);
	for (size_t i = 0; i < e.recording.n_meta; i++) {
		if (strcmp(e.meta[i].key, "state") == 0)
			e.meta[i].value = "recording";
		else if (strncmp(e.meta[i].key, "end_", 4) == 0)
			e.meta[i].key = "not_written"; /* a killed recorder never comes to it */
	}
	root = report(&e, BY_REQUEST);
	recording = member(root, "recording");
	assert_true(json_is_false(member(recording, "complete")));
	assert_int_equal(json_integer_value(member(recording, "duration_ns")), 11005000000);
	json_decref(root);
}

static void every_grouping_has_its_list_beside_the_report(void **state)
{
	static const struct {
		enum report_by by;
		const char *list, *keys;
	} groupings[] = {
		{ BY_STEP, "steps", "step start_ns end_ns tid context context_role kind ret n_tokens cost rows" },
		{ BY_TOKEN, "tokens", "request completion kind index phase step time_ns cost" },
		{ BY_PHASE, "phases", "phase n_requests n_tokens computed cost" },
		{ BY_MODEL, "models", "model n_requests billed computed cost" },
		{ BY_CLIENT, "clients", "client n_requests billed computed cost" },
	};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct example e;
		json_t *root, *list;

		example__make(&e);
		root = report(&e, groupings[i].by);
		assert_int_equal(json_array_size(member(root, "requests")), EXAMPLE_REQUESTS);
		list = member(root, groupings[i].list);
		assert_true(json_array_size(list) > 0);
		has_keys(json_array_get(list, 0), groupings[i].keys);
		json_decref(root);
	}
}

static void the_tokens_of_a_request_add_up_to_its_rows(void **state)
{
	/* Rows 0, 1, 2 are request 1's; rows 3, 4, 5 request 5's. */
	static const struct {
		json_int_t request;
		int first_row, n_generated;
	} cases[] = { { 1, 0, 3 }, { 5, 3, 4 } };
	struct example e;
	json_t *root, *token;
	size_t i;

	(void)state;
	example__make(&e);
	root = report(&e, BY_TOKEN);
	for (size_t c = 0; c < 2; c++) {
		json_int_t cpu = 0, expected = 0;
		int n_generated = 0;

		for (int row = 0; row < 3; row++)
			expected += e.row_cost[(cases[c].first_row + row) * EXAMPLE_RESOURCES];
		json_array_foreach(member(root, "tokens"), i, token)
		{
			if (json_integer_value(member(token, "request")) != cases[c].request)
				continue;
			cpu += json_integer_value(member(member(token, "cost"), "cpu_ns"));
			n_generated += strcmp(json_string_value(member(token, "kind")), "generated") == 0;
		}
		assert_true(cpu == expected);
		assert_int_equal(n_generated, cases[c].n_generated);
	}
	json_decref(root);
}

static void a_group_has_the_sum_of_its_requests(void **state)
{
	struct example e;
	json_t *root, *client, *request;
	json_int_t grouped = 0, alone = 0;
	size_t i;

	(void)state;
	example__make(&e);
	root = report(&e, BY_CLIENT);
	assert_int_equal(json_array_size(member(root, "clients")), 2);
	/* Another port is no other client. */
	assert_string_equal(json_string_value(member(json_array_get(member(root, "clients"), 0), "client")),
			    "127.0.0.1");
	assert_string_equal(json_string_value(member(json_array_get(member(root, "clients"), 1), "client")), "[::1]");
	json_array_foreach(member(root, "clients"), i, client) grouped +=
		json_integer_value(member(member(client, "cost"), "cpu_ns"));
	json_array_foreach(member(root, "requests"), i, request) alone +=
		json_integer_value(member(member(request, "cost"), "cpu_ns"));
	assert_true(grouped == alone);
	json_decref(root);
}

static void an_event_that_a_later_collector_counts_stands_under_counters(void **state)
{
	struct example e;
	json_t *root;

	(void)state;
	example__make(&e);
	e.resources[2].id = 100;
	e.resources[2].name = "LLC_MISSES";
	root = report(&e, BY_REQUEST);
	assert_true(json_is_integer(member(member(member(root, "totals"), "counters"), "LLC_MISSES")));
	assert_true(json_is_null(member(member(root, "totals"), "faults")));
	assert_string_equal(json_string_value(member(member(member(root, "evidence"), "LLC_MISSES"), "grade")),
			    "measured");
	json_decref(root);
}

static void bounds_that_are_not_known_are_null_beside_the_figure(void **state)
{
	struct example e;
	json_t *root, *tokens;

	(void)state;
	example__make(&e);
	e.costs[0].low[0] = e.costs[0].high[0] = ABSENT;
	root = report(&e, BY_REQUEST);
	tokens = member(json_array_get(member(root, "requests"), 0), "reference_tokens");
	assert_true(json_real_value(member(tokens, "value")) > 0);
	assert_true(json_is_null(member(tokens, "low")));
	assert_true(json_is_null(member(tokens, "high")));
	tokens = member(json_array_get(member(root, "requests"), 1), "reference_tokens");
	assert_true(json_real_value(member(tokens, "low")) < json_real_value(member(tokens, "value")));
	assert_true(json_real_value(member(tokens, "high")) > json_real_value(member(tokens, "value")));
	json_decref(root);
}

/* A draft has a fit of its own weights; programs that read the first one's figures beside `models` still find them. */
static void every_fit_says_of_which_weights_it_is_and_whether_it_was_used(void **state)
{
	struct made_fit made;
	struct fit fits[3];
	struct example e;
	json_t *root, *fit, *models, *draft;

	(void)state;
	example__make(&e);
	make_fit(&made, "draft", RESOURCE_CPU_NS);
	fits[0] = e.fitted[0];
	fits[1] = made.fit;
	fits[2] = e.fitted[1];
	fits[0].key.model_digest = fits[2].key.model_digest = "aa";
	fits[1].key.model_digest = "bb";
	fits[1].model_name = "draft-f16";
	fits[1].made_unix_ns = 1795230000000000001;
	e.ledger.fits.fits = fits;
	e.ledger.fits.n = 3;
	e.ledger.pricing[ROLE_TARGET][0].fit = &fits[0];
	e.ledger.pricing[ROLE_DRAFT][0].fit = &fits[1];
	e.ledger.pricing[ROLE_DRAFT][0].rule = rule__find("shapley");
	e.ledger.pricing[ROLE_DRAFT][0].scope.model = &fits[1].cost;
	root = report(&e, BY_REQUEST);
	fit = member(member(root, "attribution"), "fit");
	has_keys(fit, "origin made_unix_ns model_name model_digest used engine engine_version build_id n_threads host");
	assert_string_equal(json_string_value(member(fit, "model_digest")), "aa");
	models = member(fit, "models");
	assert_int_equal(json_array_size(models), 3);
	draft = json_array_get(models, 1);
	assert_string_equal(json_string_value(member(draft, "role")), "draft");
	assert_string_equal(json_string_value(member(draft, "model_digest")), "bb");
	assert_string_equal(json_string_value(member(draft, "model_name")), "draft-f16");
	assert_true(json_integer_value(member(draft, "made_unix_ns")) == 1795230000000000001);
	assert_true(json_is_true(member(draft, "used")));
	assert_string_equal(json_string_value(member(json_array_get(models, 0), "model_digest")), "aa");
	assert_true(json_is_true(member(json_array_get(models, 0), "used")));
	/* The example shares no step time by it. */
	assert_true(json_is_false(member(json_array_get(models, 2), "used")));
	json_decref(root);
}

static void what_is_said_beyond_the_range_of_a_fit_is_marked(void **state)
{
	static const bool beyond[] = { false, false, true };
	struct example e;
	json_t *root, *attribution, *range, *marginal;

	(void)state;
	example__make(&e);
	root = report(&e, BY_REQUEST);
	attribution = member(root, "attribution");
	range = member(json_array_get(member(member(attribution, "fit"), "models"), 0), "range");
	has_keys(range, "least_context most_context least_rows most_rows least_tokens most_tokens");
	assert_int_equal(json_integer_value(member(range, "most_context")), 4000);
	marginal = member(attribution, "marginal");
	assert_int_equal(json_array_size(marginal), 6);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(json_is_true(member(json_array_get(marginal, i), "extrapolated")), beyond[i % 3]);
	json_decref(root);

	e.fitted[0].range.most_context = ABSENT;
	root = report(&e, BY_REQUEST);
	attribution = member(root, "attribution");
	assert_true(json_is_null(member(json_array_get(member(member(attribution, "fit"), "models"), 0), "range")));
	assert_true(json_is_null(member(json_array_get(member(attribution, "marginal"), 2), "extrapolated")));
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_of_the_contract_is_there),
		cmocka_unit_test(requests_and_accounts_add_up_to_the_totals),
		cmocka_unit_test(a_request_without_a_bill_has_nulls_and_not_zeros),
		cmocka_unit_test(a_request_is_complete_only_without_any_reason_against_it),
		cmocka_unit_test(losses_are_summed_per_collector_and_0_where_none),
		cmocka_unit_test(a_killed_recording_says_so_and_ends_with_its_last_row),
		cmocka_unit_test(every_grouping_has_its_list_beside_the_report),
		cmocka_unit_test(the_tokens_of_a_request_add_up_to_its_rows),
		cmocka_unit_test(a_group_has_the_sum_of_its_requests),
		cmocka_unit_test(an_event_that_a_later_collector_counts_stands_under_counters),
		cmocka_unit_test(every_fit_says_of_which_weights_it_is_and_whether_it_was_used),
		cmocka_unit_test(what_is_said_beyond_the_range_of_a_fit_is_marked),
		cmocka_unit_test(bounds_that_are_not_known_are_null_beside_the_figure),
	};

	return cmocka_run_group_tests_name("output_contract", tests, NULL, NULL);
}
