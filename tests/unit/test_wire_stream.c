/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/wire_tape.h"

#define CHAT "{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"stream\":true}"

/* llama-server, chat with stream_options.include_usage */
static const char *const llama_chat[] = {
	"{\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}],"
	"\"created\":1,"
	"\"id\":\"chatcmpl-a\",\"model\":\"tiny\",\"object\":\"chat.completion.chunk\"}",
	"{\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\"He\"}}],\"created\":1,\"id\":"
	"\"chatcmpl-a\","
	"\"model\":\"tiny\",\"object\":\"chat.completion.chunk\"}",
	"{\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"reasoning_content\":\"l\"}}],\"created\":1,"
	"\"id\":\"chatcmpl-a\","
	"\"model\":\"tiny\",\"object\":\"chat.completion.chunk\"}",
	"{\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{"
	"\"arguments\":\"{\"}}]}}],"
	"\"created\":1,\"id\":\"chatcmpl-a\",\"model\":\"tiny\",\"object\":\"chat.completion.chunk\"}",
	"{\"choices\":[{\"finish_reason\":\"length\",\"index\":0,\"delta\":{}}],\"created\":1,\"id\":\"chatcmpl-a\","
	"\"model\":\"tiny\","
	"\"object\":\"chat.completion.chunk\"}",
	"{\"choices\":[],\"created\":1,\"id\":\"chatcmpl-a\",\"model\":\"tiny\",\"object\":\"chat.completion.chunk\","
	"\"usage\":"
	"{\"completion_tokens\":3,\"prompt_tokens\":11,\"total_tokens\":14,\"prompt_tokens_details\":{\"cached_"
	"tokens\":10}},"
	"\"timings\":{\"cache_n\":10,\"prompt_n\":1,\"prompt_ms\":1.5,\"predicted_n\":3,\"predicted_ms\":4.25}}",
	"[DONE]",
	NULL
};

/* vLLM: `usage: null` on every chunk but the last */
static const char *const vllm_chat[] = {
	"{\"id\":\"chatcmpl-b\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{"
	"\"index\":0,\"delta\":"
	"{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}",
	"{\"id\":\"chatcmpl-b\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{"
	"\"index\":0,\"delta\":"
	"{\"content\":\"\\\"\\u00e9\\n\"},\"logprobs\":null,\"finish_reason\":null,\"token_ids\":null}],\"usage\":"
	"null}",
	"{\"id\":\"chatcmpl-b\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],"
	"\"usage\":"
	"{\"prompt_tokens\":9,\"total_tokens\":10,\"completion_tokens\":1}}",
	"[DONE]", NULL
};

static const char *const ollama_chat[] = {
	"{\"model\":\"l\",\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"done\":false}",
	"{\"model\":\"l\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"b\"},\"done\":false}",
	"{\"model\":\"l\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done_reason\":\"length\",\"done\":"
	"true,"
	"\"prompt_eval_count\":4,\"eval_count\":2}",
	NULL
};

static void a_chat_stream_of_llama_server_is_read_whole(void **state)
{
	struct tape *t = tape__played(post("/v1/chat/completions", CHAT), sse(llama_chat));
	const struct tape_row *r = tape__only(t);

	(void)state;
	assert_true(r->row.stream);
	assert_int_equal(r->row.n_chunks, 3);
	assert_int_equal(r->n_chunks_seen, 3);
	assert_int_equal(r->row.billed_prompt_tokens, 11);
	assert_int_equal(r->row.billed_cached_tokens, 10);
	assert_int_equal(r->row.billed_completion_tokens, 3);
	assert_int_equal(r->row.reported_prompt_tokens, 1);
	assert_int_equal(r->row.reported_completion_us, 4250);
	assert_string_equal(r->api_id, "chatcmpl-a");
	assert_string_equal(r->finish_reason, "length");
	assert_int_equal(r->row.incomplete, 0);
	tape__free(t);
}

static void a_split_at_any_byte_gives_the_same_chunks(void **state)
{
	(void)state;
	assert_split_is_no_matter(post("/v1/chat/completions", CHAT), sse(llama_chat));
	assert_split_is_no_matter(post("/v1/chat/completions", CHAT), sse(vllm_chat));
	assert_split_is_no_matter(post("/api/chat", CHAT), ndjson(ollama_chat));
	assert_split_is_no_matter(post("/api/chat", CHAT),
				  chunked_response("text/plain", "data:", "\r\n\r\n", vllm_chat));
}

static void usage_null_is_no_usage_and_empty_content_no_chunk(void **state)
{
	struct tape *t = tape__played(post("/v1/chat/completions", CHAT), sse(vllm_chat));

	(void)state;
	assert_int_equal(tape__only(t)->row.n_chunks, 1);
	assert_int_equal(tape__only(t)->row.billed_prompt_tokens, 9);
	assert_int_equal(tape__only(t)->row.billed_cached_tokens, ABSENT);
	tape__free(t);
}

static void lines_of_json_are_chunks(void **state)
{
	struct tape *t = tape__played(post("/api/chat", CHAT), ndjson(ollama_chat));

	(void)state;
	assert_int_equal(tape__only(t)->row.n_chunks, 2);
	assert_int_equal(tape__only(t)->row.billed_completion_tokens, 2);
	assert_string_equal(tape__only(t)->finish_reason, "length");
	tape__free(t);
}

static void a_chunk_has_the_time_of_the_record_that_completed_it(void **state)
{
	struct tape *t = tape__new();
	const struct tape_row *r;

	(void)state;
	tape__open(t, false);
	tape__in(t, post("/v1/chat/completions", CHAT)); /* 1010 */
	tape__out(t, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"); /* 1020 */
	tape__out(t, "data: {\"choices\":[{\"text\":"); /* 1030 */
	tape__out(t, "\"a\"}]}\n\ndata: {\"choices\":[{\"text\":\"b\"}]}\n\ndata: {\"cho"); /* 1040: two */
	tape__out(t, "ices\":[{\"text\":\"c\"}]}\n"); /* 1050: not yet */
	tape__out(t, "\n"); /* 1060 */
	tape__close(t);
	r = tape__only(t);
	assert_int_equal(r->row.n_chunks, 3);
	assert_int_equal(t->chunks[0].time_ns, 1040);
	assert_int_equal(t->chunks[1].time_ns, 1040);
	assert_int_equal(t->chunks[2].time_ns, 1060);
	assert_int_equal(r->row.first_token_ns, 1040);
	assert_int_equal(r->row.last_token_ns, 1060);
	assert_int_equal(r->row.end_ns, 1070);
	assert_int_equal(r->row.first_byte_ns, 1020);
	tape__free(t);
}

static void event_streams_are_read_as_their_standard_says(void **state)
{
	struct tape *t = tape__played(
		post("/v1/chat/completions", CHAT),
		"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream;charset=utf-8\r\n\r\n"
		": a comment\n\nevent: x\nid: 1\ndata:{\"choices\":\ndata: [{\"text\":\"a\"}]}\nretry: 5\n\n"
		"data: {\"choices\":[{\"text\":\"b\"}]}\r\n\r\ndata: {\"choices\":[{\"text\":\"c\"}]}\r\rdata\n\n"
		"data: {\"choices\":[{\"text\":\"d\"}]}");

	(void)state;
	assert_int_equal(tape__only(t)->row.n_chunks, 4);
	tape__free(t);
}

static void an_event_with_several_choices_counts_once(void **state)
{
	static const char *const events[] = { "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}},{\"index\":1,"
					      "\"delta\":{\"content\":\"b\"}}]}",
					      NULL };
	struct tape *t =
		tape__played(post("/v1/chat/completions", "{\"n\":2,\"stream\":true,\"messages\":[]}"), sse(events));

	(void)state;
	assert_int_equal(tape__only(t)->row.n_chunks, 1);
	assert_int_equal(tape__only(t)->row.n, 2);
	tape__free(t);
	t = tape__played(post("/v1/chat/completions", "{\"n\":2,\"messages\":[]}"),
			 json_response("{\"choices\":[{\"index\":0,\"message\":{\"content\":\"a\"}},"
				       "{\"index\":1,\"message\":{\"content\":\"b\"}}]}"));
	assert_int_equal(tape__only(t)->row.n_chunks, 2);
	assert_false(tape__only(t)->row.stream);
	tape__free(t);
}

static void detokenized_text_and_embeddings_are_not_generated(void **state)
{
	struct tape *t =
		tape__played(post("/detokenize", "{\"tokens\":[1,2]}"), json_response("{\"content\":\"abc\"}"));

	(void)state;
	assert_int_equal(tape__only(t)->row.n_chunks, 0);
	assert_int_equal(tape__only(t)->row.first_token_ns, 0);
	tape__free(t);
	t = tape__played(
		post("/v1/embeddings", "{\"input\":[\"ab\",\"c\"]}"),
		json_response(
			"{\"data\":[{\"embedding\":[0.5,-1e-3]}],\"usage\":{\"prompt_tokens\":5,\"total_tokens\":5}}"));
	assert_int_equal(tape__only(t)->row.n_chunks, 0);
	assert_int_equal(tape__only(t)->row.prompt_bytes, 3);
	assert_int_equal(tape__only(t)->row.billed_prompt_tokens, 5);
	assert_int_equal(tape__only(t)->row.billed_completion_tokens, ABSENT);
	tape__free(t);
}

static void text_is_kept_only_where_it_was_asked_for(void **state)
{
	struct tape *t = tape__new_with(true);

	(void)state;
	tape__open(t, false);
	tape__in(t, post("/v1/chat/completions",
			 "{\"messages\":[{\"role\":\"system\",\"content\":\"Be\\nbrief\"},{\"role\":\"user\","
			 "\"content\":[{\"type\":\"text\",\"text\":\"Hi\"},{\"type\":\"image_url\",\"image_url\":{"
			 "\"url\":\"data:\"}}]}]}"));
	tape__out(t, sse(llama_chat));
	tape__close(t);
	assert_string_equal(tape__only(t)->text, "{\"prompt\":\"Be\\nbrief\\nHi\",\"completion\":\"Hel\"}");
	assert_int_equal(tape__only(t)->row.prompt_bytes, 10);
	tape__free(t);
}

static uint64_t hash_of(const char *json, int64_t *bytes)
{
	struct tape *t = tape__played(post("/completion", json), json_response("{}"));
	uint64_t hash = tape__only(t)->row.prompt_hash;

	*bytes = tape__only(t)->row.prompt_bytes;
	tape__free(t);
	return hash;
}

static int64_t prompts_in(const char *path, const char *json)
{
	struct tape *t = tape__played(post(path, json), json_response("{}"));
	int64_t n = tape__only(t)->row.n_prompts;

	tape__free(t);
	return n;
}

static void a_list_of_prompts_counts_each_and_a_list_of_tokens_is_one(void **state)
{
	(void)state;
	assert_int_equal(prompts_in("/v1/completions", "{\"prompt\":\"one\"}"), 1);
	assert_int_equal(prompts_in("/v1/completions", "{\"prompt\":[\"one\",\"two\",\"three\"]}"), 3);
	assert_int_equal(prompts_in("/v1/completions", "{\"prompt\":[\"one\"],\"n\":4}"), 1);
	assert_int_equal(prompts_in("/completion", "{\"prompt\":[12,7,9]}"), 1);
	assert_int_equal(prompts_in("/completion", "{\"prompt\":[[12,7],[9],[1,2,3]]}"), 3);
	/* llama.cpp: a number beside strings makes it one prompt of both, and objects carry images */
	assert_int_equal(prompts_in("/completion", "{\"prompt\":[12,\"text\",9]}"), 1);
	assert_int_equal(prompts_in("/completion", "{\"prompt\":[\"a\",[1],[1,\"b\"],{\"prompt_string\":\"c\"}]}"), 4);
	assert_int_equal(prompts_in("/completion", "{\"prompt\":{\"prompt_string\":\"c\"}}"), 1);
	assert_int_equal(prompts_in("/completion", "{\"prompt\":[]}"), 1);
	assert_int_equal(prompts_in("/v1/embeddings", "{\"input\":[\"a\",\"b\"]}"), 2);
	assert_int_equal(prompts_in("/v1/embeddings", "{\"input\":[1,2]}"), 1);
	assert_int_equal(prompts_in("/embedding", "{\"content\":[\"a\",\"b\"]}"), 2);
	assert_int_equal(prompts_in("/v1/rerank", "{\"query\":\"q\",\"documents\":[\"a\",\"b\",\"c\"]}"), 3);
	/* the messages of one conversation */
	assert_int_equal(prompts_in("/v1/responses", "{\"input\":[{\"role\":\"user\",\"content\":\"a\"},"
						     "{\"type\":\"function_call_output\",\"output\":\"b\"}]}"),
			 1);
	assert_int_equal(prompts_in("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
							    "{\"role\":\"user\",\"content\":\"b\"}]}"),
			 1);
}

static int64_t ids_in(const char *path, const char *json)
{
	struct tape *t = tape__played(post(path, json), json_response("{}"));
	int64_t n = tape__only(t)->row.sent_prompt_tokens;

	tape__free(t);
	return n;
}

static void token_ids_are_counted_where_nothing_else_makes_the_prompt(void **state)
{
	(void)state;
	assert_int_equal(ids_in("/completion", "{\"prompt\":[12,7,9]}"), 3);
	assert_int_equal(ids_in("/completion", "{\"prompt\":[[12,7],[9],[1,2,3]]}"), 6);
	assert_int_equal(ids_in("/v1/embeddings", "{\"input\":[5],\"model\":\"m\",\"max_tokens\":7}"), 1);
	assert_int_equal(ids_in("/completion", "{\"prompt\":\"12\"}"), ABSENT);
	assert_int_equal(ids_in("/completion", "{\"prompt\":[12,\"text\",9]}"), ABSENT);
	assert_int_equal(ids_in("/completion", "{\"prompt\":[12,-1]}"), ABSENT);
	assert_int_equal(ids_in("/completion", "{\"prompt\":[12,1.5]}"), ABSENT);
	assert_int_equal(ids_in("/completion", "{\"prompt\":[]}"), ABSENT);
	assert_int_equal(ids_in("/v1/completions", "{\"prompt\":[1,2],\"suffix\":\"text\"}"), ABSENT);
	/* the server takes one of them, and nobody knows which */
	assert_int_equal(ids_in("/completion", "{\"prompt\":[1,2],\"input\":[3]}"), ABSENT);
	assert_int_equal(ids_in("/completion", "{\"prompt\":[1,2],\"prompt\":[3]}"), ABSENT);
	assert_int_equal(ids_in("/completion", "{\"n_predict\":3}"), ABSENT);
}

static void the_prompt_hash_is_fnv1a_of_the_decoded_text(void **state)
{
	int64_t bytes;

	(void)state;
	assert_int_equal(hash_of("{\"prompt\":\"foobar\"}", &bytes), 0x85944171f73967e8); /* test vector of FNV-1a 64 */
	assert_int_equal(bytes, 6);
	assert_int_equal(hash_of("{\"prompt\":\"f\\u006fo\\u0062ar\"}", &bytes), 0x85944171f73967e8);
	assert_int_equal(hash_of("{\"messages\":[{\"content\":\"foobar\"}]}", &bytes), 0x85944171f73967e8);
	assert_int_not_equal(hash_of("{\"prompt\":[\"foo\",\"bar\"]}", &bytes),
			     hash_of("{\"prompt\":[\"fo\",\"obar\"]}", &bytes));
	hash_of("{\"prompt\":\"\\ud83d\\ude00\\ud83d\"}", &bytes);
	assert_int_equal(bytes, 4 + 3); /* an emoji, and a lone surrogate as U+FFFD */
	assert_int_not_equal(hash_of("{\"prompt\":[1,2,3]}", &bytes), 0);
	assert_int_equal(bytes, ABSENT); /* token numbers have no known bytes of text */
	assert_int_equal(hash_of("{\"n_predict\":3}", &bytes), 0);
	assert_int_equal(bytes, ABSENT);
}

static int64_t max_tokens_of(const char *json)
{
	struct tape *t = tape__played(post("/completion", json), json_response("{}"));
	int64_t max = tape__only(t)->row.max_tokens;

	tape__free(t);
	return max;
}

static void a_limit_is_found_under_each_of_its_names(void **state)
{
	(void)state;
	assert_int_equal(max_tokens_of("{\"max_tokens\":1}"), 1);
	assert_int_equal(max_tokens_of("{\"max_tokens\":1,\"max_completion_tokens\":2}"), 2);
	assert_int_equal(max_tokens_of("{\"n_predict\":3}"), 3);
	assert_int_equal(max_tokens_of("{\"options\":{\"num_predict\":4}}"), 4);
	assert_int_equal(max_tokens_of("{\"max_output_tokens\":5}"), 5);
	assert_int_equal(max_tokens_of("{\"n_predict\":-1}"), ABSENT);
	assert_int_equal(max_tokens_of("{\"max_tokens\":\"7\"}"), ABSENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chat_stream_of_llama_server_is_read_whole),
		cmocka_unit_test(a_split_at_any_byte_gives_the_same_chunks),
		cmocka_unit_test(usage_null_is_no_usage_and_empty_content_no_chunk),
		cmocka_unit_test(lines_of_json_are_chunks),
		cmocka_unit_test(a_chunk_has_the_time_of_the_record_that_completed_it),
		cmocka_unit_test(event_streams_are_read_as_their_standard_says),
		cmocka_unit_test(an_event_with_several_choices_counts_once),
		cmocka_unit_test(detokenized_text_and_embeddings_are_not_generated),
		cmocka_unit_test(text_is_kept_only_where_it_was_asked_for),
		cmocka_unit_test(token_ids_are_counted_where_nothing_else_makes_the_prompt),
		cmocka_unit_test(the_prompt_hash_is_fnv1a_of_the_decoded_text),
		cmocka_unit_test(a_list_of_prompts_counts_each_and_a_list_of_tokens_is_one),
		cmocka_unit_test(a_limit_is_found_under_each_of_its_names),
	};

	return cmocka_run_group_tests_name("wire_stream", tests, NULL, NULL);
}
