/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tape: what went over a server's connections, written once, played to the parser in any split; and the rows that
 * came of it, in copies that stay.
 */
#ifndef TOKPROF_TESTS_WIRE_TAPE_H
#define TOKPROF_TESTS_WIRE_TAPE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define MAX_ROWS 128
#define FIRST_ID 100

struct tape_row {
	struct row_request row;
	char client[64], method[16], path[520], model[130], response_model[130], api_id[130], finish_reason[130];
	char text[4096];
	size_t n_chunks_seen; /* row_chunk of this request */
	uint64_t first_chunk_ns, last_chunk_ns;
};

struct tape {
	struct wire *wire;
	struct tape_row rows[MAX_ROWS];
	size_t n;
	struct row_chunk chunks[4096];
	size_t n_chunks;
	uint64_t now_ns;
};

static inline void tape__copy(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text ? text : "(null)");
}

static inline void tape__on_request(void *ctx, const struct row_request *row)
{
	struct tape *t = ctx;
	struct tape_row *r = &t->rows[t->n++];
	size_t i;

	assert_true(t->n < MAX_ROWS);
	memset(r, 0, sizeof(*r));
	r->row = *row;
	tape__copy(r->client, sizeof(r->client), row->client);
	tape__copy(r->method, sizeof(r->method), row->method);
	tape__copy(r->path, sizeof(r->path), row->path);
	tape__copy(r->model, sizeof(r->model), row->model);
	tape__copy(r->response_model, sizeof(r->response_model), row->response_model);
	tape__copy(r->api_id, sizeof(r->api_id), row->api_id);
	tape__copy(r->finish_reason, sizeof(r->finish_reason), row->finish_reason);
	tape__copy(r->text, sizeof(r->text), row->text);
	for (i = 0; i < t->n_chunks; i++) {
		if (t->chunks[i].request != row->id)
			continue;
		assert_int_equal(t->chunks[i].idx, r->n_chunks_seen);
		if (!r->n_chunks_seen++)
			r->first_chunk_ns = t->chunks[i].time_ns;
		r->last_chunk_ns = t->chunks[i].time_ns;
	}
}

static inline void tape__on_chunk(void *ctx, const struct row_chunk *row)
{
	struct tape *t = ctx;

	assert_true(t->n_chunks < sizeof(t->chunks) / sizeof(*t->chunks));
	t->chunks[t->n_chunks++] = *row;
}

static inline struct tape *tape__new_with(bool capture_text)
{
	static const struct wire_callbacks callbacks = { tape__on_request, tape__on_chunk };
	struct tape *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->wire = wire__new(&callbacks, t, FIRST_ID, capture_text);
	assert_non_null(t->wire);
	t->now_ns = 1000;
	return t;
}

static inline struct tape *tape__new(void)
{
	return tape__new_with(false);
}

static inline void tape__free(struct tape *t)
{
	wire__free(t->wire);
	free(t);
}

static inline void tape__open(struct tape *t, bool established)
{
	assert_int_equal(wire__open(t->wire, 1, 42, "127.0.0.1:40312", t->now_ns, established), 0);
}

static inline void tape__bytes(struct tape *t, bool in, const char *data, size_t n)
{
	t->now_ns += 10;
	assert_int_equal(wire__bytes(t->wire, 1, in, t->now_ns, data, n), 0);
}

/* One record each. */
static inline void tape__in(struct tape *t, const char *text)
{
	tape__bytes(t, true, text, strlen(text));
}

static inline void tape__out(struct tape *t, const char *text)
{
	tape__bytes(t, false, text, strlen(text));
}

static inline void tape__gap(struct tape *t, bool in, size_t n)
{
	t->now_ns += 10;
	assert_int_equal(wire__bytes(t->wire, 1, in, t->now_ns, NULL, n), 0);
}

/* In records of at most `step` bytes, the first of `first` bytes where that is not 0. */
static inline void tape__pieces(struct tape *t, bool in, const char *text, size_t first, size_t step)
{
	size_t n = strlen(text), at = 0, piece = first ? first : step;

	while (at < n) {
		if (piece > n - at)
			piece = n - at;
		tape__bytes(t, in, text + at, piece);
		at += piece;
		piece = step;
	}
}

static inline void tape__close(struct tape *t)
{
	t->now_ns += 10;
	assert_int_equal(wire__close(t->wire, 1, t->now_ns), 0);
}

static inline const struct tape_row *tape__only(const struct tape *t)
{
	assert_int_equal(t->n, 1);
	return &t->rows[0];
}

/* A request with a JSON body, in a buffer that lives until the next but seven. */
static inline char *tape__buffer(void)
{
	static char buffers[8][65536];
	static int next;

	return buffers[next++ % 8];
}

static inline const char *post(const char *path, const char *json)
{
	char *out = tape__buffer();

	snprintf(out, 65536,
		 "POST %s HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: application/json\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 path, strlen(json), json);
	return out;
}

static inline const char *json_response(const char *json)
{
	char *out = tape__buffer();

	snprintf(out, 65536,
		 "HTTP/1.1 200 OK\r\nServer: llama.cpp\r\nContent-Type: application/json; charset=utf-8\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 strlen(json), json);
	return out;
}

/* A chunked response, one HTTP chunk per string of a NULL-terminated list; `line`: what ends and begins each. */
static inline const char *chunked_response(const char *type, const char *before, const char *after,
					   const char *const *events)
{
	char *out = tape__buffer();
	int n = snprintf(out, 65536, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n", type);

	for (; *events; events++)
		n += snprintf(out + n, 65536 - (size_t)n, "%zx\r\n%s%s%s\r\n",
			      strlen(before) + strlen(*events) + strlen(after), before, *events, after);
	snprintf(out + n, 65536 - (size_t)n, "0\r\n\r\n");
	return out;
}

static inline const char *sse(const char *const *events)
{
	return chunked_response("text/event-stream", "data: ", "\n\n", events);
}

static inline const char *ndjson(const char *const *lines)
{
	return chunked_response("application/x-ndjson", "", "\n", lines);
}

/* Request and response in records of their own; what came of it stays in *t. */
static inline struct tape *tape__played(const char *request, const char *response)
{
	struct tape *t = tape__new();

	tape__open(t, false);
	tape__in(t, request);
	tape__out(t, response);
	tape__close(t);
	return t;
}

/* Everything of a row but its times. */
static inline void assert_same_figures(const struct tape_row *a, const struct tape_row *b)
{
	struct row_request x = a->row, y = b->row;

	assert_string_equal(a->method, b->method);
	assert_string_equal(a->path, b->path);
	assert_string_equal(a->model, b->model);
	assert_string_equal(a->response_model, b->response_model);
	assert_string_equal(a->api_id, b->api_id);
	assert_string_equal(a->finish_reason, b->finish_reason);
	assert_int_equal(a->n_chunks_seen, b->n_chunks_seen);
	assert_int_equal(x.id, y.id);
	assert_int_equal(x.status, y.status);
	assert_int_equal(x.stream, y.stream);
	assert_int_equal(x.client_left, y.client_left);
	assert_int_equal(x.max_tokens, y.max_tokens);
	assert_int_equal(x.n, y.n);
	assert_int_equal(x.body_bytes, y.body_bytes);
	assert_int_equal(x.prompt_bytes, y.prompt_bytes);
	assert_int_equal(x.sent_prompt_tokens, y.sent_prompt_tokens);
	assert_int_equal(x.prompt_hash, y.prompt_hash);
	assert_int_equal(x.slot, y.slot);
	assert_int_equal(x.n_chunks, y.n_chunks);
	assert_int_equal(x.billed_prompt_tokens, y.billed_prompt_tokens);
	assert_int_equal(x.billed_cached_tokens, y.billed_cached_tokens);
	assert_int_equal(x.billed_completion_tokens, y.billed_completion_tokens);
	assert_int_equal(x.reported_prompt_tokens, y.reported_prompt_tokens);
	assert_int_equal(x.reported_cached_tokens, y.reported_cached_tokens);
	assert_int_equal(x.reported_completion_tokens, y.reported_completion_tokens);
	assert_int_equal(x.reported_draft_tokens, y.reported_draft_tokens);
	assert_int_equal(x.reported_prompt_us, y.reported_prompt_us);
	assert_int_equal(x.incomplete, y.incomplete);
}

/* The law of splits: cut anywhere, or in single bytes, the same requests. */
static inline void assert_split_is_no_matter(const char *in, const char *out)
{
	struct tape *whole = tape__played(in, out), *t;
	size_t cut, i;

	for (cut = 0; cut <= strlen(in) + strlen(out); cut++) {
		t = tape__new();
		tape__open(t, false);
		/* cut 0: every byte a record */
		tape__pieces(t, true, in, cut < strlen(in) ? cut : 0, cut ? 1u << 20 : 1);
		tape__pieces(t, false, out, cut > strlen(in) ? cut - strlen(in) : 0, cut ? 1u << 20 : 1);
		tape__close(t);
		assert_int_equal(t->n, whole->n);
		for (i = 0; i < t->n; i++)
			assert_same_figures(&t->rows[i], &whole->rows[i]);
		tape__free(t);
	}
	tape__free(whole);
}

#endif
