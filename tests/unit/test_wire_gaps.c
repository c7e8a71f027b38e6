/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can still be said when not all bytes were seen: attached in the middle, gaps, lost records, bodies too long to
 * keep.
 */
#include "tests/unit/wire_tape.h"

#define HEALTH "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
#define HEALTHY "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
#define STREAM_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
#define EVENT "28\r\ndata: {\"choices\":[{\"text\":\"a\"}]}      \n\n\r\n"
#define USAGE "48\r\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":9}}\n\n\r\n"
#define STREAM_REQUEST "{\"prompt\":\"x\",\"stream\":true}"

static void after_the_attach_an_idle_connection_is_read_from_its_next_request(void **state)
{
	struct tape *t = tape__new();
	size_t i;

	(void)state;
	tape__open(t, true);
	for (i = 0; i < strlen(HEALTH); i++) /* byte by byte */
		tape__bytes(t, true, HEALTH + i, 1);
	tape__pieces(t, false, HEALTHY, 0, 1);
	tape__close(t);
	assert_int_equal(tape__only(t)->row.incomplete, 0);
	assert_string_equal(tape__only(t)->path, "/health");
	assert_int_equal(tape__only(t)->row.arrival_ns, 1010);
	assert_int_equal(tape__only(t)->row.status, 200);
	tape__free(t);
}

static void attached_in_a_running_stream_its_rest_and_its_bill_are_read(void **state)
{
	struct tape *t = tape__new();
	const struct tape_row *r;

	(void)state;
	tape__open(t, true);
	tape__out(t, "text\":\"zz\"}]}\n\n\r\n"); /* the end of an event whose beginning was not seen */
	tape__out(t, EVENT);
	tape__out(t, EVENT EVENT);
	tape__out(t, USAGE);
	assert_int_equal(wire__in_flight(t->wire), 1);
	tape__out(t, "0\r\n");
	tape__out(t, "\r\n");
	assert_int_equal(wire__in_flight(t->wire), 0);
	tape__in(t, HEALTH);
	tape__out(t, HEALTHY);
	tape__close(t);
	assert_int_equal(t->n, 2);
	r = &t->rows[0];
	assert_int_equal(r->row.incomplete, INCOMPLETE_BEFORE_ATTACH);
	assert_string_equal(r->method, "(null)");
	assert_string_equal(r->path, "(null)");
	assert_int_equal(r->row.arrival_ns, 1000); /* it was there when the recorder came */
	assert_int_equal(r->row.status, 0);
	assert_int_equal(r->row.first_byte_ns, 0);
	assert_int_equal(r->row.n_chunks, 3);
	assert_true(r->row.stream);
	assert_int_equal(r->row.billed_completion_tokens, 9);
	assert_int_equal(r->row.end_ns, 1060);
	assert_int_equal(t->rows[1].row.incomplete, 0);
	assert_int_equal(t->rows[1].row.status, 200);
	tape__free(t);
}

static void attached_before_the_answer_its_head_and_bill_are_read(void **state)
{
	struct tape *t = tape__new();

	(void)state;
	tape__open(t, true);
	tape__in(t, "the rest of a long prompt\"}");
	tape__out(t, STREAM_HEAD);
	tape__out(t, EVENT USAGE "0\r\n\r\n");
	tape__close(t);
	assert_int_equal(tape__only(t)->row.incomplete, INCOMPLETE_BEFORE_ATTACH);
	assert_int_equal(tape__only(t)->row.status, 200);
	assert_int_equal(tape__only(t)->row.billed_prompt_tokens, 7);
	tape__free(t);
}

static void attached_in_a_stream_without_chunks_its_events_are_read(void **state)
{
	struct tape *t = tape__new();

	(void)state;
	tape__open(t, true);
	tape__out(t, "\"}]}\n\ndata: {\"choices\":[{\"text\":\"a\"}]}\n\n");
	tape__out(t, "data: {\"usage\":{\"completion_tokens\":3}}\n\n");
	tape__close(t);
	assert_int_equal(tape__only(t)->row.incomplete, INCOMPLETE_BEFORE_ATTACH);
	assert_int_equal(tape__only(t)->row.n_chunks, 1);
	assert_int_equal(tape__only(t)->row.billed_completion_tokens, 3);
	tape__free(t);
}

static void bytes_of_another_protocol_on_an_old_connection_are_no_request(void **state)
{
	struct tape *t = tape__new();

	(void)state;
	tape__open(t, true);
	tape__in(t, "\x04\x1aREADY");
	tape__out(t, "\x04\x1aREADY");
	tape__close(t);
	assert_int_equal(t->n, 0);
	tape__free(t);
}

static void a_gap_inside_a_body_of_known_length_is_stepped_over(void **state)
{
	static const char body[] = "{\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":9},\"data\":[0.1,";
	struct tape *t = tape__new();

	(void)state;
	tape__open(t, false);
	tape__in(t, post("/v1/embeddings", "{\"input\":\"x\"}"));
	tape__out(t, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n");
	tape__out(t, body);
	tape__gap(t, false, 1000000 - strlen(body) - 5);
	tape__out(t, "0.1]}");
	tape__in(t, HEALTH);
	tape__out(t, HEALTHY);
	tape__close(t);
	assert_int_equal(t->n, 2);
	assert_int_equal(t->rows[0].row.billed_prompt_tokens, 7);
	assert_int_equal(t->rows[0].row.incomplete, 0); /* `usage` stood before the gap */
	assert_int_equal(t->rows[0].row.end_ns, 1050);
	assert_int_equal(t->rows[1].row.incomplete, 0);
	tape__free(t);
}

static void a_usage_behind_a_gap_is_read_and_the_gap_said(void **state)
{
	static const char tail[] =
		"more \\\"usage\\\":{}\"}}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":9}}";
	struct tape *t = tape__new();

	(void)state;
	tape__open(t, false);
	tape__in(t, post("/v1/completions", "{\"prompt\":\"x\"}"));
	tape__out(t, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
		     "5000\r\n\r\n{\"id\":\"i\",\"choices\":[");
	tape__gap(t, false, 5000 - 21 - strlen(tail));
	tape__out(t, tail);
	assert_int_equal(tape__only(t)->row.incomplete, INCOMPLETE_GAP);
	assert_string_equal(tape__only(t)->api_id, "i");
	assert_int_equal(tape__only(t)->row.billed_completion_tokens, 9);
	tape__free(t);
}

static void a_gap_to_the_very_end_of_a_body_ends_it(void **state)
{
	struct tape *t = tape__new();

	(void)state;
	tape__open(t, false);
	tape__in(t, "POST /v1/completions HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: "
		    "100\r\n\r\n{\"model\":\"m\",");
	tape__gap(t, true, 100 - 13);
	tape__out(t, HEALTHY);
	assert_int_equal(tape__only(t)->row.request_end_ns, 1020);
	assert_int_equal(tape__only(t)->row.body_bytes, 100);
	assert_int_equal(tape__only(t)->row.incomplete, INCOMPLETE_GAP);
	assert_string_equal(tape__only(t)->model, "m");
	assert_int_equal(tape__only(t)->row.prompt_bytes, ABSENT);
	tape__free(t);
}

static void a_gap_inside_a_chunk_loses_that_event_only(void **state)
{
	struct tape *t = tape__new();

	(void)state;
	tape__open(t, false);
	tape__in(t, post("/completion", STREAM_REQUEST));
	tape__out(t, STREAM_HEAD EVENT "28\r\ndata:");
	tape__gap(t, false, 0x28 - 5 - 2);
	tape__out(t, "\n\n\r\n");
	tape__out(t, EVENT USAGE "0\r\n\r\n");
	assert_int_equal(tape__only(t)->row.incomplete, INCOMPLETE_GAP);
	assert_int_equal(tape__only(t)->row.n_chunks, 2);
	assert_int_equal(tape__only(t)->row.billed_prompt_tokens, 7);
	tape__free(t);
}

static void a_gap_over_several_chunks_is_left_at_the_next_one(void **state)
{
	struct tape *t = tape__new();

	(void)state;
	tape__open(t, false);
	tape__in(t, post("/completion", STREAM_REQUEST));
	tape__out(t, STREAM_HEAD EVENT);
	tape__gap(t, false, 12345);
	tape__out(t, EVENT);
	tape__out(t, USAGE "0\r\n\r\n");
	tape__in(t, HEALTH);
	tape__out(t, HEALTHY);
	tape__close(t);
	assert_int_equal(t->n, 2);
	assert_int_equal(t->rows[0].row.incomplete, INCOMPLETE_GAP);
	assert_int_equal(t->rows[0].row.n_chunks, 2);
	assert_int_equal(t->rows[0].row.billed_completion_tokens, 9);
	assert_int_equal(t->rows[0].row.end_ns, 1050);
	assert_int_equal(t->rows[1].row.incomplete, 0);
	tape__free(t);
}

static void a_response_lost_in_a_gap_is_over_when_the_next_request_comes(void **state)
{
	struct tape *t = tape__new();

	(void)state;
	tape__open(t, false);
	tape__in(t, HEALTH);
	tape__gap(t, false, 300);
	tape__in(t, HEALTH);
	tape__out(t, HEALTHY);
	tape__close(t);
	assert_int_equal(t->n, 2);
	assert_int_equal(t->rows[0].row.incomplete, INCOMPLETE_GAP);
	assert_int_equal(t->rows[0].row.end_ns, 1020);
	assert_int_equal(t->rows[1].row.incomplete, 0);
	assert_int_equal(t->rows[1].row.status, 200);
	tape__free(t);
}

static void a_request_lost_in_a_gap_is_a_row_once_it_is_answered(void **state)
{
	struct tape *t = tape__new();

	(void)state;
	tape__open(t, false);
	tape__gap(t, true, 300);
	tape__out(t, HEALTHY);
	tape__in(t, HEALTH);
	tape__out(t, HEALTHY);
	tape__close(t);
	assert_int_equal(t->n, 2);
	assert_int_equal(t->rows[0].row.incomplete, INCOMPLETE_GAP);
	assert_int_equal(t->rows[1].row.incomplete, 0);
	tape__free(t);
}

static void lost_records_mark_the_open_requests_and_the_next_ones_recover(void **state)
{
	struct tape *t = tape__new();

	(void)state;
	tape__open(t, false);
	tape__in(t, HEALTH);
	tape__out(t, HEALTHY);
	tape__in(t, "POST /completion HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{");
	wire__lost(t->wire, 0, t->now_ns); /* the rest of it, and its whole response */
	tape__in(t, HEALTH);
	tape__out(t, HEALTHY);
	tape__in(t, HEALTH);
	tape__out(t, HEALTHY);
	tape__close(t);
	assert_int_equal(t->n, 4);
	assert_int_equal(t->rows[0].row.incomplete, 0);
	assert_int_equal(t->rows[1].row.incomplete, INCOMPLETE_LOSS);
	assert_string_equal(t->rows[1].path, "/completion");
	assert_int_equal(t->rows[2].row.status, 200);
	assert_int_equal(t->rows[3].row.incomplete, 0);
	tape__free(t);
}

static void a_loss_elsewhere_does_not_break_a_stream(void **state)
{
	struct tape *t = tape__new();

	(void)state;
	tape__open(t, false);
	tape__in(t, post("/completion", STREAM_REQUEST));
	tape__out(t, STREAM_HEAD EVENT);
	wire__lost(t->wire, 77, t->now_ns);
	tape__out(t, EVENT USAGE "0\r\n\r\n");
	tape__in(t, HEALTH);
	tape__out(t, HEALTHY);
	tape__close(t);
	assert_int_equal(t->n, 2);
	assert_int_equal(t->rows[0].row.incomplete, INCOMPLETE_LOSS);
	assert_int_equal(t->rows[0].row.n_chunks, 2);
	assert_int_equal(t->rows[1].row.incomplete, 0);
	tape__free(t);
}

static void long_body(struct tape *t, bool in, size_t n)
{
	static char filler[65536];

	memset(filler, '1', sizeof(filler));
	for (; n; n -= n < sizeof(filler) ? n : sizeof(filler))
		tape__bytes(t, in, filler, n < sizeof(filler) ? n : sizeof(filler));
}

static void a_body_too_long_to_keep_still_has_its_bill(void **state)
{
	static const char head[] = "{\"model\":\"e\",\"data\":[";
	static const char tail[] = "],\"usage\":{\"prompt_tokens\":7}}";
	struct tape *t = tape__new();
	size_t n = WIRE_MAX_BODY + 1000;
	char text[256];

	(void)state;
	tape__open(t, false);
	tape__in(t, post("/v1/embeddings", "{\"input\":\"x\"}"));
	snprintf(text, sizeof(text),
		 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		 strlen(head) + n + strlen(tail), head);
	tape__out(t, text);
	long_body(t, false, n);
	tape__out(t, tail);
	assert_int_equal(tape__only(t)->row.billed_prompt_tokens, 7);
	assert_int_equal(tape__only(t)->row.incomplete, 0);
	assert_string_equal(tape__only(t)->response_model, "e");
	tape__free(t);
}

static void a_prompt_too_long_to_keep_leaves_the_limits_known(void **state)
{
	static const char head[] = "{\"model\":\"m\",\"prompt\":\"", tail[] = "\",\"max_tokens\":3,\"stream\":true}";
	struct tape *t = tape__new();
	size_t n = WIRE_MAX_BODY + 1000;
	char text[256];

	(void)state;
	tape__open(t, false);
	snprintf(text, sizeof(text),
		 "POST /v1/completions HTTP/1.1\r\nContent-Type: application/json\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 strlen(head) + n + strlen(tail), head);
	tape__in(t, text);
	long_body(t, true, n);
	tape__in(t, tail);
	tape__out(t, HEALTHY);
	assert_string_equal(tape__only(t)->model, "m");
	assert_int_equal(tape__only(t)->row.max_tokens, 3);
	assert_true(tape__only(t)->row.stream);
	assert_int_equal(tape__only(t)->row.n_prompts, ABSENT);
	assert_int_equal(tape__only(t)->row.prompt_bytes, ABSENT);
	assert_int_equal(tape__only(t)->row.body_bytes, strlen(head) + n + strlen(tail));
	tape__free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_the_attach_an_idle_connection_is_read_from_its_next_request),
		cmocka_unit_test(attached_in_a_running_stream_its_rest_and_its_bill_are_read),
		cmocka_unit_test(attached_before_the_answer_its_head_and_bill_are_read),
		cmocka_unit_test(attached_in_a_stream_without_chunks_its_events_are_read),
		cmocka_unit_test(bytes_of_another_protocol_on_an_old_connection_are_no_request),
		cmocka_unit_test(a_gap_inside_a_body_of_known_length_is_stepped_over),
		cmocka_unit_test(a_usage_behind_a_gap_is_read_and_the_gap_said),
		cmocka_unit_test(a_gap_to_the_very_end_of_a_body_ends_it),
		cmocka_unit_test(a_gap_inside_a_chunk_loses_that_event_only),
		cmocka_unit_test(a_gap_over_several_chunks_is_left_at_the_next_one),
		cmocka_unit_test(a_response_lost_in_a_gap_is_over_when_the_next_request_comes),
		cmocka_unit_test(a_request_lost_in_a_gap_is_a_row_once_it_is_answered),
		cmocka_unit_test(lost_records_mark_the_open_requests_and_the_next_ones_recover),
		cmocka_unit_test(a_loss_elsewhere_does_not_break_a_stream),
		cmocka_unit_test(a_body_too_long_to_keep_still_has_its_bill),
		cmocka_unit_test(a_prompt_too_long_to_keep_leaves_the_limits_known),
	};

	return cmocka_run_group_tests_name("wire_gaps", tests, NULL, NULL);
}
