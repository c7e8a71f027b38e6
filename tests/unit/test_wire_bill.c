/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bill as each protocol writes it. Shapes: OpenAI's and Anthropic's public references, and the sources of
 * llama.cpp, vLLM, Ollama, SGLang and TGI.
 */
#include "tests/unit/wire_tape.h"

#define CHAT "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}"

static struct row_request answered_with(const char *json)
{
	struct tape *t = tape__played(post("/v1/chat/completions", CHAT), json_response(json));
	struct row_request row = tape__only(t)->row;

	tape__free(t);
	return row;
}

static struct row_request streamed(const char *const *events)
{
	struct tape *t = tape__played(post("/v1/chat/completions", CHAT), sse(events));
	struct row_request row = tape__only(t)->row;

	tape__free(t);
	return row;
}

static void assert_bill(struct row_request row, int64_t prompt, int64_t cached, int64_t completion)
{
	assert_int_equal(row.billed_prompt_tokens, prompt);
	assert_int_equal(row.billed_cached_tokens, cached);
	assert_int_equal(row.billed_completion_tokens, completion);
}

static void openai_prompt_tokens_include_the_cached_ones(void **state)
{
	(void)state;
	assert_bill(
		answered_with(
			"{\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":"
			"{\"role\":\"assistant\",\"content\":\"ok\"}}],\"usage\":{\"completion_tokens\":6,"
			"\"prompt_tokens\":35,\"total_tokens\":41,\"prompt_tokens_details\":{\"cached_tokens\":34}}}"),
		35, 34, 6);
}

static void cached_tokens_that_were_not_sent_are_absent_not_zero(void **state)
{
	(void)state;
	assert_bill(answered_with("{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}"), 5, ABSENT, 2);
	assert_bill(answered_with("{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,"
				  "\"prompt_tokens_details\":null}}"),
		    5, ABSENT, 2);
	assert_bill(answered_with("{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,"
				  "\"prompt_tokens_details\":{\"cached_tokens\":null}}}"),
		    5, ABSENT, 2);
	assert_bill(answered_with("{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,"
				  "\"prompt_tokens_details\":{\"cached_tokens\":0}}}"),
		    5, 0, 2);
}

static void no_usage_is_no_bill(void **state)
{
	(void)state;
	assert_bill(answered_with("{\"choices\":[]}"), ABSENT, ABSENT, ABSENT);
	assert_bill(answered_with("{\"choices\":[],\"usage\":null}"), ABSENT, ABSENT, ABSENT);
	assert_bill(answered_with("not json at all"), ABSENT, ABSENT, ABSENT);
}

static void anthropic_input_tokens_are_normalised_to_include_the_cached_ones(void **state)
{
	static const char *const events[] = {
		"{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\","
		"\"content\":[],"
		"\"model\":\"claude\",\"stop_reason\":null,\"usage\":{\"input_tokens\":10,\"cache_creation_input_"
		"tokens\":3,"
		"\"cache_read_input_tokens\":25,\"output_tokens\":1}}}",
		"{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}",
		"{\"type\":\"ping\"}",
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hel\"}}",
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"lo\"}}",
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":"
		"\"x\"}}",
		"{\"type\":\"content_block_stop\",\"index\":0}",
		"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},"
		"\"usage\":{\"output_tokens\":15}}",
		"{\"type\":\"message_stop\"}",
		NULL
	};
	struct row_request row = streamed(events);

	(void)state;
	assert_bill(row, 38, 25, 15);
	assert_int_equal(row.n_chunks, 2);
	assert_bill(answered_with(
			    "{\"id\":\"msg_1\",\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}],"
			    "\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":7,\"output_tokens\":4}}"),
		    7, ABSENT, 4);
}

static void the_last_usage_wins(void **state)
{
	static const char *const continuous[] = { /* vLLM, stream_options.continuous_usage_stats */
						  "{\"id\":\"cmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
						  "\"a\"}}],\"usage\":{\"prompt_tokens\":4,"
						  "\"total_tokens\":5,\"completion_tokens\":1}}",
						  "{\"id\":\"cmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
						  "\"b\"}}],\"usage\":{\"prompt_tokens\":4,"
						  "\"total_tokens\":6,\"completion_tokens\":2}}",
						  "[DONE]", NULL
	};
	static const char *const in_two[] = { /* cached tokens only in the last chunk, totals before it */
					      "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}],\"usage\":{"
					      "\"prompt_tokens\":4,\"completion_tokens\":1}}",
					      "{\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,"
					      "\"prompt_tokens_details\":{\"cached_tokens\":2}}}",
					      "{\"choices\":[],\"usage\":null}", "[DONE]", NULL
	};

	(void)state;
	assert_bill(streamed(continuous), 4, ABSENT, 2);
	assert_bill(streamed(in_two), 9, 2, 3);
}

static void ollama_bills_by_its_own_counts(void **state)
{
	static const char *const lines[] = {
		"{\"model\":\"llama3\",\"created_at\":\"2026-11-01T00:00:00Z\",\"response\":\"He\",\"done\":false}",
		"{\"model\":\"llama3\",\"created_at\":\"2026-11-01T00:00:00Z\",\"response\":\"llo\",\"done\":false}",
		"{\"model\":\"llama3\",\"created_at\":\"2026-11-01T00:00:00Z\",\"response\":\"\",\"done\":true,\"done_"
		"reason\":\"stop\","
		"\"context\":[1,2],\"total_duration\":5043500667,\"load_duration\":5025959,\"prompt_eval_count\":26,"
		"\"prompt_eval_cached_count\":20,\"prompt_eval_duration\":325953000,\"eval_count\":2,\"eval_duration\":"
		"4709213000}",
		NULL
	};
	struct tape *t = tape__played(post("/api/generate", "{\"model\":\"llama3\",\"prompt\":\"Hi\",\"options\":"
							    "{\"num_predict\":9}}"),
				      ndjson(lines));
	const struct tape_row *r = tape__only(t);

	(void)state;
	assert_bill(r->row, 26, 20, 2);
	assert_int_equal(r->row.reported_prompt_us, 325953);
	assert_int_equal(r->row.reported_completion_us, 4709213);
	assert_int_equal(r->row.n_chunks, 2);
	assert_int_equal(r->row.max_tokens, 9);
	assert_true(r->row.stream);
	assert_string_equal(r->finish_reason, "stop");
	assert_string_equal(r->response_model, "llama3");
	tape__free(t);
}

static void llama_native_counts_are_a_bill_without_cached_tokens(void **state)
{
	static const char *const events[] = {
		"{\"index\":0,\"content\":\"a\",\"tokens\":[5],\"stop\":false,\"id_slot\":"
		"3,\"tokens_predicted\":1,\"tokens_evaluated\":35}",
		"{\"index\":0,\"content\":\"\",\"tokens\":[],\"id_slot\":3,\"stop\":true,"
		"\"model\":\"tiny\",\"tokens_predicted\":6,"
		"\"tokens_evaluated\":35,\"generation_settings\":{\"n_predict\":6,"
		"\"stop\":[]},\"prompt\":\"x\",\"has_new_line\":false,"
		"\"truncated\":false,\"stop_type\":\"limit\",\"stopping_word\":\"\","
		"\"tokens_cached\":40,\"timings\":{\"cache_n\":34,"
		"\"prompt_n\":1,\"prompt_ms\":1.0625,\"predicted_n\":6,\"predicted_ms\":"
		"12.5,\"predicted_per_second\":480.0,"
		"\"draft_n\":8,\"draft_n_accepted\":5}}",
		NULL
	};
	struct tape *t =
		tape__played(post("/completion", "{\"prompt\":\"x\",\"n_predict\":6,\"stream\":true}"), sse(events));
	const struct tape_row *r = tape__only(t);

	(void)state;
	assert_bill(r->row, 35, ABSENT, 6);
	assert_int_equal(r->row.reported_prompt_tokens, 1);
	assert_int_equal(r->row.reported_cached_tokens, 34);
	assert_int_equal(r->row.reported_completion_tokens, 6);
	assert_int_equal(r->row.reported_draft_tokens, 8);
	assert_int_equal(r->row.reported_draft_accepted_tokens, 5);
	assert_int_equal(r->row.reported_prompt_us, 1063);
	assert_int_equal(r->row.reported_completion_us, 12500);
	assert_int_equal(r->row.slot, 3);
	assert_int_equal(r->row.n_chunks, 1);
	assert_string_equal(r->finish_reason, "length");
	assert_string_equal(r->response_model, "tiny");
	tape__free(t);
}

static void llama_native_completions_of_one_request_are_added_up(void **state)
{
	static const char *const events[] = {
		"{\"index\":0,\"content\":\"a\",\"stop\":false,\"tokens_predicted\":1,\"tokens_evaluated\":7}",
		"{\"index\":1,\"content\":\"b\",\"stop\":false,\"tokens_predicted\":1,\"tokens_evaluated\":7}",
		"{\"index\":1,\"content\":\"\",\"stop\":true,\"stop_type\":\"eos\",\"tokens_predicted\":2,\"tokens_"
		"evaluated\":7}",
		"{\"index\":0,\"content\":\"\",\"stop\":true,\"stop_type\":\"word\",\"tokens_predicted\":5,\"tokens_"
		"evaluated\":7}",
		NULL
	};

	(void)state;
	assert_bill(streamed(events), 14, ABSENT, 7);
	assert_bill(
		answered_with(
			"[{\"index\":0,\"content\":\"a\",\"stop\":true,\"tokens_predicted\":3,\"tokens_evaluated\":4},"
			"{\"index\":1,\"content\":\"b\",\"stop\":true,\"tokens_predicted\":6,\"tokens_evaluated\":4}]"),
		8, ABSENT, 9);
}

static void completions_of_two_slots_name_no_slot(void **state)
{
	(void)state;
	assert_int_equal(answered_with("[{\"index\":0,\"content\":\"a\",\"stop\":true,\"id_slot\":2},"
				       "{\"index\":1,\"content\":\"b\",\"stop\":true,\"id_slot\":2}]")
				 .slot,
			 2);
	assert_int_equal(answered_with("[{\"index\":0,\"content\":\"a\",\"stop\":true,\"id_slot\":2},"
				       "{\"index\":1,\"content\":\"b\",\"stop\":true,\"id_slot\":0},"
				       "{\"index\":2,\"content\":\"c\",\"stop\":true,\"id_slot\":2}]")
				 .slot,
			 ABSENT);
}

static void the_responses_api_bills_when_completed_and_when_incomplete(void **state)
{
	static const char *const events[] = {
		"{\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\",\"model\":"
		"\"m\",\"usage\":null}}",
		"{\"type\":\"response.output_text.delta\",\"item_id\":\"msg_1\",\"output_index\":0,\"delta\":\"Hi\"}",
		"{\"type\":\"response.output_audio.delta\",\"delta\":\"AAAA\"}",
		"{\"type\":\"response.output_text.done\",\"text\":\"Hi\"}",
		"{\"type\":\"response.incomplete\",\"response\":{\"id\":\"resp_1\",\"status\":\"incomplete\",\"model\":"
		"\"m\","
		"\"incomplete_details\":{\"reason\":\"max_output_tokens\"},\"output\":[],\"usage\":{\"input_tokens\":"
		"12,"
		"\"input_tokens_details\":{\"cached_tokens\":8},\"output_tokens\":1,"
		"\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":13}}}",
		NULL
	};
	struct tape *t = tape__played(
		post("/v1/responses", "{\"model\":\"m\",\"input\":\"Hi\",\"max_output_tokens\":1}"), sse(events));
	const struct tape_row *r = tape__only(t);

	(void)state;
	assert_bill(r->row, 12, 8, 1);
	assert_int_equal(r->row.n_chunks, 1);
	assert_int_equal(r->row.max_tokens, 1);
	assert_string_equal(r->api_id, "resp_1");
	assert_string_equal(r->finish_reason, "max_output_tokens");
	tape__free(t);
	assert_bill(answered_with(
			    "{\"id\":\"resp_2\",\"object\":\"response\",\"status\":\"completed\",\"output\":[{\"type\":"
			    "\"message\","
			    "\"content\":[{\"type\":\"output_text\",\"text\":\"Hi\"}]}],\"usage\":{\"input_tokens\":3,"
			    "\"output_tokens\":2}}"),
		    3, ABSENT, 2);
}

static void sglang_and_tgi_bill_in_their_native_shapes(void **state)
{
	static const char *const tgi[] = {
		"{\"index\":1,\"token\":{\"id\":1,\"text\":\"a\",\"special\":false},\"generated_text\":null,"
		"\"details\":null}",
		"{\"index\":2,\"token\":{\"id\":2,\"text\":\"</"
		"s>\",\"special\":true},\"generated_text\":\"a\",\"details\":"
		"{\"finish_reason\":\"eos_token\",\"generated_tokens\":2,\"input_length\":5}}",
		NULL
	};
	struct row_request row = streamed(tgi);

	(void)state;
	assert_bill(row, 5, ABSENT, 2);
	assert_int_equal(row.n_chunks, 1);
	assert_bill(
		answered_with("{\"text\":\"hey\",\"meta_info\":{\"id\":\"x\",\"finish_reason\":{\"type\":\"length\"},"
			      "\"prompt_tokens\":6,\"completion_tokens\":8,\"cached_tokens\":5}}"),
		6, 5, 8);
}

static void figures_that_are_no_counts_are_absent(void **state)
{
	static const char *const bad[] = {
		"-1",	"1.5", "1e3",	   "\"7\"", "9007199254740993", "99999999999999999999999999",
		"true", "[7]", "{\"a\":7}"
	};
	char json[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		snprintf(json, sizeof(json), "{\"usage\":{\"prompt_tokens\":%s,\"completion_tokens\":2}}", bad[i]);
		assert_bill(answered_with(json), ABSENT, ABSENT, 2);
	}
	assert_bill(answered_with("{\"usage\":{\"prompt_tokens\":9007199254740992,\"completion_tokens\":0}}"),
		    9007199254740992, ABSENT, 0);
}

static void a_bill_in_escaped_names_is_read_all_the_same(void **state)
{
	(void)state;
	assert_bill(answered_with("{\"us\\u0061ge\":{\"prompt\\u005ftokens\":5,\"completion_tokens\":2}}"), 5, ABSENT,
		    2);
}

static void nesting_without_end_is_no_json_and_no_crash(void **state)
{
	static char json[60000];

	(void)state;
	memset(json, '[', sizeof(json) - 1);
	assert_bill(answered_with(json), ABSENT, ABSENT, ABSENT);
}

static void a_usage_inside_generated_text_is_no_bill(void **state)
{
	(void)state;
	assert_bill(
		answered_with("{\"choices\":[{\"message\":{\"content\":\"{\\\"usage\\\":{\\\"prompt_tokens\\\":1}}\"},"
			      "\"usage\":{\"prompt_tokens\":3}}]}"),
		ABSENT, ABSENT, ABSENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openai_prompt_tokens_include_the_cached_ones),
		cmocka_unit_test(cached_tokens_that_were_not_sent_are_absent_not_zero),
		cmocka_unit_test(no_usage_is_no_bill),
		cmocka_unit_test(anthropic_input_tokens_are_normalised_to_include_the_cached_ones),
		cmocka_unit_test(the_last_usage_wins),
		cmocka_unit_test(ollama_bills_by_its_own_counts),
		cmocka_unit_test(llama_native_counts_are_a_bill_without_cached_tokens),
		cmocka_unit_test(llama_native_completions_of_one_request_are_added_up),
		cmocka_unit_test(completions_of_two_slots_name_no_slot),
		cmocka_unit_test(the_responses_api_bills_when_completed_and_when_incomplete),
		cmocka_unit_test(sglang_and_tgi_bill_in_their_native_shapes),
		cmocka_unit_test(figures_that_are_no_counts_are_absent),
		cmocka_unit_test(a_bill_in_escaped_names_is_read_all_the_same),
		cmocka_unit_test(nesting_without_end_is_no_json_and_no_crash),
		cmocka_unit_test(a_usage_inside_generated_text_is_no_bill),
	};

	return cmocka_run_group_tests_name("wire_bill", tests, NULL, NULL);
}
