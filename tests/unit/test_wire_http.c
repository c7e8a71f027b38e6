/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/wire_tape.h"

#define COMPLETION "{\"model\":\"m\",\"prompt\":\"Hello\",\"max_tokens\":4}"
#define ANSWER                                                                                                         \
	"{\"id\":\"cmpl-1\",\"model\":\"m-1\",\"choices\":[{\"index\":0,\"text\":\" "                                  \
	"world\",\"finish_reason\":\"length\"}],"                                                                      \
	"\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":4}}"
#define HEALTH "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
#define HEALTHY "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}"

static void a_request_and_its_response_make_a_row(void **state)
{
	struct tape *t = tape__played(post("/v1/completions?key=secret", COMPLETION), json_response(ANSWER));
	const struct tape_row *r = tape__only(t);

	(void)state;
	assert_int_equal(r->row.id, FIRST_ID);
	assert_int_equal(r->row.connection, 1);
	assert_int_equal(r->row.pid, 42);
	assert_string_equal(r->client, "127.0.0.1:40312");
	assert_string_equal(r->method, "POST");
	assert_string_equal(r->path, "/v1/completions"); /* a query may hold keys */
	assert_int_equal(r->row.status, 200);
	assert_string_equal(r->model, "m");
	assert_string_equal(r->response_model, "m-1");
	assert_string_equal(r->api_id, "cmpl-1");
	assert_string_equal(r->finish_reason, "length");
	assert_false(r->row.stream);
	assert_false(r->row.client_left);
	assert_int_equal(r->row.max_tokens, 4);
	assert_int_equal(r->row.n, 1);
	assert_int_equal(r->row.body_bytes, strlen(COMPLETION));
	assert_int_equal(r->row.prompt_bytes, 5);
	assert_int_equal(r->row.slot, ABSENT);
	assert_int_equal(r->row.incomplete, 0);
	assert_null(r->row.text);
	assert_int_equal(r->row.n_chunks, 1);
	assert_int_equal(r->n_chunks_seen, 0); /* one body is no stream */
	tape__free(t);
}

static void times_are_those_of_the_records(void **state)
{
	struct tape *t = tape__new();
	const struct tape_row *r;

	(void)state;
	tape__open(t, false);
	tape__in(t, "POST /v1/completions HTTP/1.1\r\nContent-Le"); /* 1010 */
	tape__in(t, "ngth: 14\r\nContent-Type: application/json\r\n\r\n"); /* 1020 */
	tape__in(t, "{\"prompt\":\"x\"}"); /* 1030 */
	tape__out(t, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"); /* 1040 */
	tape__out(t, "Content-Length: 30\r\n\r\n"); /* 1050 */
	tape__out(t, "{\"choices\":"); /* 1060 */
	tape__out(t, "[{\"text\":\"y\"}]    }"); /* 1070 */
	tape__close(t);
	r = tape__only(t);
	assert_int_equal(r->row.arrival_ns, 1010);
	assert_int_equal(r->row.request_end_ns, 1030);
	assert_int_equal(r->row.first_byte_ns, 1040);
	assert_int_equal(r->row.first_token_ns, 1060);
	assert_int_equal(r->row.last_token_ns, 1060);
	assert_int_equal(r->row.end_ns, 1070);
	tape__free(t);
}

static void five_requests_on_one_connection_are_five_rows(void **state)
{
	struct tape *t = tape__new();
	int i;

	(void)state;
	tape__open(t, false);
	for (i = 0; i < 5; i++) {
		tape__in(t, post("/v1/completions", COMPLETION));
		assert_int_equal(wire__in_flight(t->wire), 1);
		tape__out(t, json_response(ANSWER));
		assert_int_equal(wire__in_flight(t->wire), 0);
		assert_int_equal(t->n, i + 1);
		assert_int_equal(t->rows[i].row.id, FIRST_ID + i);
		assert_int_equal(t->rows[i].row.billed_completion_tokens, 4);
	}
	tape__close(t);
	assert_int_equal(t->n, 5);
	tape__free(t);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct tape *t = tape__new();
	char both[4096];

	(void)state;
	tape__open(t, false);
	snprintf(both, sizeof(both), "%s%s", post("/v1/completions", COMPLETION), HEALTH);
	tape__in(t, both);
	assert_int_equal(wire__in_flight(t->wire), 2);
	snprintf(both, sizeof(both), "%s%s", json_response(ANSWER), HEALTHY);
	tape__out(t, both);
	tape__close(t);
	assert_int_equal(t->n, 2);
	assert_string_equal(t->rows[0].path, "/v1/completions");
	assert_int_equal(t->rows[0].row.billed_completion_tokens, 4);
	assert_string_equal(t->rows[1].path, "/health");
	assert_int_equal(t->rows[1].row.billed_completion_tokens, ABSENT);
	assert_int_equal(t->rows[0].row.incomplete | t->rows[1].row.incomplete, 0);
	tape__free(t);
}

static void a_pipelined_request_that_the_server_drops_is_listed_unanswered(void **state)
{
	struct tape *t = tape__new();
	char both[4096];

	(void)state;
	tape__open(t, false);
	snprintf(both, sizeof(both), "%s%s", post("/v1/completions", COMPLETION), post("/v1/completions", COMPLETION));
	tape__in(t, both);
	tape__out(t, json_response(ANSWER));
	tape__close(t);
	assert_int_equal(t->n, 2);
	assert_int_equal(t->rows[0].row.incomplete, 0);
	assert_int_equal(t->rows[1].row.incomplete, INCOMPLETE_UNANSWERED);
	assert_int_equal(t->rows[1].row.status, 0);
	assert_int_equal(t->rows[1].row.end_ns, t->now_ns);
	tape__free(t);
}

static void a_split_at_any_byte_gives_the_same_requests(void **state)
{
	char in[4096], out[4096];

	(void)state;
	snprintf(in, sizeof(in), "%s%s%s", post("/v1/completions", COMPLETION), HEALTH,
		 "POST /tokenize HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
		 "5\r\n{\"con\r\nC;x=y\r\ntent\":\"a\\nb\"}\r\n0\r\nTrailer: 1\r\n\r\n");
	snprintf(out, sizeof(out), "%s%s%s", json_response(ANSWER),
		 "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
		 "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
		 "chunked\r\n\r\n3\r\n{\"t\r\n9\r\nokens\":[]\r\n1\r\n}\r\n0\r\n\r\n");
	assert_split_is_no_matter(in, out);
}

static void a_chunked_request_body_is_read_whole(void **state)
{
	struct tape *t =
		tape__played("POST /v1/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
			     "Content-Type: application/json\r\n\r\n5\r\n{\"pro\r\nB\r\nmpt\":\"abc\"}\r\n0\r\n\r\n",
			     json_response(ANSWER));

	(void)state;
	assert_int_equal(tape__only(t)->row.prompt_bytes, 3);
	assert_int_equal(tape__only(t)->row.body_bytes, 16);
	tape__free(t);
}

static void hundred_continue_is_not_the_answer(void **state)
{
	struct tape *t = tape__new();
	const struct tape_row *r;

	(void)state;
	tape__open(t, false);
	tape__in(t, "POST /completion HTTP/1.1\r\nExpect: 100-continue\r\nContent-Type: application/json\r\n"
		    "Content-Length: 14\r\n\r\n");
	tape__out(t, "HTTP/1.1 100 Continue\r\n\r\n");
	tape__in(t, "{\"prompt\":\"x\"}");
	tape__out(t, json_response(ANSWER));
	tape__close(t);
	r = tape__only(t);
	assert_int_equal(r->row.status, 200);
	assert_int_equal(r->row.prompt_bytes, 1);
	assert_int_equal(r->row.first_byte_ns, 1040);
	assert_int_equal(r->row.incomplete, 0);
	tape__free(t);
}

static void after_a_refused_expectation_the_next_request_is_seen(void **state)
{
	struct tape *t = tape__new();

	(void)state;
	tape__open(t, false);
	tape__in(t, "POST /completion HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n");
	tape__out(t, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
	tape__in(t, HEALTH);
	tape__out(t, HEALTHY);
	tape__close(t);
	assert_int_equal(t->n, 2);
	assert_int_equal(t->rows[0].row.status, 417);
	assert_int_equal(t->rows[0].row.request_end_ns, 0);
	assert_int_equal(t->rows[0].row.incomplete, 0);
	assert_int_equal(t->rows[1].row.status, 200);
	tape__free(t);
}

static void an_answer_may_come_before_the_request_has_ended(void **state)
{
	struct tape *t = tape__new();

	(void)state;
	tape__open(t, false);
	tape__in(t, "POST /completion HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
	tape__out(t, "HTTP/1.1 413 Payload Too Large\r\nContent-Length: 2\r\n\r\n{}");
	assert_int_equal(wire__in_flight(t->wire), 0);
	assert_int_equal(t->n, 0);
	tape__in(t, "defghij");
	assert_int_equal(t->n, 1);
	assert_int_equal(t->rows[0].row.end_ns, 1020);
	assert_int_equal(t->rows[0].row.request_end_ns, 1030);
	tape__close(t);
	tape__free(t);
}

static void heads_and_not_modified_have_no_body(void **state)
{
	struct tape *t = tape__new();

	(void)state;
	tape__open(t, false);
	tape__in(t, "HEAD /v1/models HTTP/1.1\r\n\r\n");
	tape__out(t, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
	tape__in(t, "GET / HTTP/1.1\r\n\r\n");
	tape__out(t, "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n");
	tape__in(t, HEALTH);
	tape__out(t, HEALTHY);
	tape__close(t);
	assert_int_equal(t->n, 3);
	assert_int_equal(t->rows[0].row.status, 200);
	assert_int_equal(t->rows[1].row.status, 304);
	assert_int_equal(t->rows[2].row.status, 200);
	tape__free(t);
}

static void a_body_without_length_ends_with_the_connection(void **state)
{
	struct tape *t = tape__played(HEALTH, "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" ANSWER);

	(void)state;
	assert_int_equal(tape__only(t)->row.billed_completion_tokens, 4);
	assert_int_equal(tape__only(t)->row.end_ns, t->now_ns);
	assert_int_equal(tape__only(t)->row.incomplete, 0);
	tape__free(t);
}

static void the_client_that_leaves_is_marked(void **state)
{
	struct tape *t = tape__new();

	(void)state;
	tape__open(t, false);
	tape__in(t, HEALTH);
	tape__out(t, HEALTHY);
	tape__in(t, post("/completion", "{\"prompt\":\"x\",\"stream\":true}"));
	tape__out(t, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
	tape__out(t, "2D\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n");
	wire__end_in(t->wire, 1, t->now_ns);
	tape__close(t);
	assert_int_equal(t->n, 2);
	assert_false(t->rows[0].row.client_left);
	assert_true(t->rows[1].row.client_left);
	assert_int_equal(t->rows[1].row.end_ns, t->now_ns);
	assert_int_equal(t->rows[1].row.incomplete, 0);
	tape__free(t);
}

static void a_server_that_dies_in_its_answer_ends_the_request(void **state)
{
	struct tape *t = tape__played(HEALTH, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");

	(void)state;
	assert_int_equal(tape__only(t)->row.end_ns, t->now_ns);
	assert_false(tape__only(t)->row.client_left);
	assert_int_equal(tape__only(t)->row.incomplete, INCOMPLETE_UNANSWERED);
	tape__free(t);
}

static void what_is_open_at_the_end_says_so(void **state)
{
	struct tape *t = tape__new();

	(void)state;
	tape__open(t, false);
	tape__in(t, HEALTH);
	wire__finish(t->wire, t->now_ns + 1);
	assert_int_equal(tape__only(t)->row.incomplete, INCOMPLETE_AT_END);
	assert_int_equal(tape__only(t)->row.end_ns, 0);
	assert_int_equal(wire__in_flight(t->wire), 0);
	wire__finish(t->wire, t->now_ns + 1);
	assert_int_equal(t->n, 1);
	tape__free(t);
}

static void requests_in_flight_are_those_of_all_connections_after_every_record(void **state)
{
	struct tape *t = tape__new();
	uint64_t c;

	(void)state;
	for (c = 1; c <= 100; c++) {
		assert_int_equal(wire__open(t->wire, c, 42, NULL, c, false), 0);
		assert_int_equal(wire__bytes(t->wire, c, true, c, HEALTH, strlen(HEALTH)), 0);
		assert_int_equal(wire__in_flight(t->wire), c);
	}
	wire__bytes(t->wire, 7, false, 200, HEALTHY, strlen(HEALTHY));
	assert_int_equal(wire__in_flight(t->wire), 99);
	wire__close(t->wire, 7, 201);
	assert_int_equal(wire__in_flight(t->wire), 99);
	wire__close(t->wire, 8, 202);
	assert_int_equal(wire__in_flight(t->wire), 98);
	wire__bytes(t->wire, 9, true, 203, HEALTH, strlen(HEALTH));
	assert_int_equal(wire__in_flight(t->wire), 99);
	wire__finish(t->wire, 300);
	assert_int_equal(wire__in_flight(t->wire), 0);
	tape__free(t);
}

static void tls_and_http2_are_one_unparsable_request_each(void **state)
{
	static const char *const firsts[] = { "\x16\x03\x01\x02\x01\x01", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" };
	struct tape *t;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		t = tape__new();
		tape__open(t, false);
		tape__in(t, firsts[i]);
		tape__out(t, "\x16\x03\x03 and so on");
		tape__in(t, HEALTH);
		assert_int_equal(wire__in_flight(t->wire), 0);
		tape__close(t);
		assert_int_equal(tape__only(t)->row.incomplete, INCOMPLETE_PARSE);
		assert_string_equal(tape__only(t)->method, "(null)");
		assert_string_equal(tape__only(t)->path, "(null)");
		tape__free(t);
	}
}

static void a_connection_that_switches_protocols_is_given_up(void **state)
{
	struct tape *t = tape__played(
		"GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x01x");

	(void)state;
	assert_int_equal(tape__only(t)->row.status, 101);
	assert_int_equal(tape__only(t)->row.incomplete, INCOMPLETE_PARSE);
	tape__free(t);
}

static void an_upgrade_that_the_server_ignores_is_an_ordinary_request(void **state)
{
	struct tape *t =
		tape__played("POST /completion HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
			     "Content-Length: 14\r\nContent-Type: application/json\r\n\r\n{\"prompt\":\"x\"}",
			     HEALTHY);

	(void)state;
	assert_int_equal(tape__only(t)->row.status, 200);
	assert_int_equal(tape__only(t)->row.prompt_bytes, 1);
	assert_int_equal(tape__only(t)->row.incomplete, 0);
	tape__free(t);
}

static void bytes_that_are_no_http_are_answered_by_a_row_only_where_the_server_speaks_http(void **state)
{
	struct tape *t = tape__played("\xff\x00nonsense", "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");

	(void)state;
	assert_int_equal(tape__only(t)->row.status, 400);
	assert_int_equal(tape__only(t)->row.incomplete, INCOMPLETE_PARSE);
	tape__free(t);
	t = tape__played("\xff\x01\x02\x03", "\xff\x01\x02\x03"); /* ZeroMQ between a server's own processes */
	assert_int_equal(t->n, 0);
	tape__free(t);
}

static void a_malformed_answer_blinds_for_one_request_only(void **state)
{
	struct tape *t = tape__new();

	(void)state;
	tape__open(t, false);
	tape__in(t, HEALTH);
	tape__out(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
	tape__in(t, HEALTH);
	tape__out(t, HEALTHY);
	tape__close(t);
	assert_int_equal(t->n, 2);
	assert_int_equal(t->rows[0].row.incomplete & INCOMPLETE_PARSE, INCOMPLETE_PARSE);
	assert_int_equal(t->rows[1].row.incomplete, 0);
	assert_int_equal(t->rows[1].row.status, 200);
	tape__free(t);
}

static void compressed_answers_have_no_bill_but_all_else(void **state)
{
	struct tape *t = tape__played(post("/v1/completions", COMPLETION),
				      "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: application/json\r\n"
				      "Content-Length: 4\r\n\r\n\x1f\x8b\x08\x01");

	(void)state;
	assert_int_equal(tape__only(t)->row.status, 200);
	assert_int_equal(tape__only(t)->row.billed_prompt_tokens, ABSENT);
	assert_int_equal(tape__only(t)->row.prompt_bytes, 5);
	assert_int_equal(tape__only(t)->row.incomplete, 0);
	tape__free(t);
}

static void more_requests_in_flight_than_a_connection_may_have_give_it_up(void **state)
{
	struct tape *t = tape__new();
	int i;

	(void)state;
	tape__open(t, false);
	for (i = 0; i < 70; i++)
		tape__in(t, HEALTH);
	tape__close(t);
	assert_int_equal(t->n, 64);
	for (i = 0; i < 64; i++)
		assert_int_equal(t->rows[i].row.incomplete, INCOMPLETE_PARSE);
	tape__free(t);
}

static void connections_do_not_mix(void **state)
{
	struct tape *t = tape__new();
	uint64_t id;

	(void)state;
	for (id = 1; id <= 100; id++) {
		wire__open(t->wire, id, 7, "unix", id, false);
		wire__bytes(t->wire, id, true, id, HEALTH, strlen(HEALTH));
	}
	assert_int_equal(wire__in_flight(t->wire), 100);
	for (id = 100; id >= 1; id--)
		wire__bytes(t->wire, id, false, 200, HEALTHY, strlen(HEALTHY));
	assert_int_equal(t->n, 100);
	for (id = 0; id < 100; id++)
		assert_int_equal(t->rows[id].row.arrival_ns, 100 - id);
	tape__free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_and_its_response_make_a_row),
		cmocka_unit_test(times_are_those_of_the_records),
		cmocka_unit_test(five_requests_on_one_connection_are_five_rows),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(a_pipelined_request_that_the_server_drops_is_listed_unanswered),
		cmocka_unit_test(a_split_at_any_byte_gives_the_same_requests),
		cmocka_unit_test(a_chunked_request_body_is_read_whole),
		cmocka_unit_test(hundred_continue_is_not_the_answer),
		cmocka_unit_test(after_a_refused_expectation_the_next_request_is_seen),
		cmocka_unit_test(an_answer_may_come_before_the_request_has_ended),
		cmocka_unit_test(heads_and_not_modified_have_no_body),
		cmocka_unit_test(a_body_without_length_ends_with_the_connection),
		cmocka_unit_test(the_client_that_leaves_is_marked),
		cmocka_unit_test(a_server_that_dies_in_its_answer_ends_the_request),
		cmocka_unit_test(what_is_open_at_the_end_says_so),
		cmocka_unit_test(requests_in_flight_are_those_of_all_connections_after_every_record),
		cmocka_unit_test(tls_and_http2_are_one_unparsable_request_each),
		cmocka_unit_test(a_connection_that_switches_protocols_is_given_up),
		cmocka_unit_test(an_upgrade_that_the_server_ignores_is_an_ordinary_request),
		cmocka_unit_test(bytes_that_are_no_http_are_answered_by_a_row_only_where_the_server_speaks_http),
		cmocka_unit_test(a_malformed_answer_blinds_for_one_request_only),
		cmocka_unit_test(compressed_answers_have_no_bill_but_all_else),
		cmocka_unit_test(more_requests_in_flight_than_a_connection_may_have_give_it_up),
		cmocka_unit_test(connections_do_not_mix),
	};

	return cmocka_run_group_tests_name("wire_http", tests, NULL, NULL);
}
