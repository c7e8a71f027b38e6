/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its response, from the first byte seen of either to the row.
 */
#ifndef TOKPROF_WIRE_EXCHANGE_H
#define TOKPROF_WIRE_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/wire.h"
#include "userspace/wire/answer.h"
#include "userspace/wire/prompt.h"

#define MAX_PATH 512

/* Where rows go, and the next id: shared by all connections. */
struct rows {
	struct wire_callbacks callbacks;
	void *ctx;
	int64_t next_id;
	bool keep_text;
};

struct exchange {
	struct exchange *next;
	int64_t id;
	uint64_t arrival_ns, request_end_ns;
	uint64_t first_byte_ns, first_body_ns, first_token_ns, last_token_ns, last_byte_ns, end_ns;
	const char *method; /* NULL: not seen */
	char path[MAX_PATH]; /* without its query, which may hold keys and prompts; cut where longer */
	bool has_query; /* the path has ended */
	bool request_over; /* no more of the request is expected */
	bool answering; /* its response has begun (or is presumed to have) */
	bool answered; /* ... and ended */
	bool streamed; /* the response is a stream of events */
	bool client_left;
	int status;
	int64_t body_bytes, n_chunks;
	uint32_t incomplete;
	struct prompt prompt;
	struct answer answer;
};

struct exchange *exchange__new(struct rows *rows, uint64_t arrival_ns);
void exchange__free(struct exchange *x);

void exchange__add_target(struct exchange *x, const char *data, size_t n);
/* A JSON text of the response: an event (`streamed`), or the document. */
void exchange__take_event(struct exchange *x, struct rows *rows, const char *text, size_t n, uint64_t now_ns);
void exchange__take_document(struct exchange *x, const char *text, size_t n);
/* Hand over its row. */
void exchange__emit(const struct exchange *x, const struct rows *rows, uint64_t connection, uint32_t pid,
		    const char *client);

#endif
