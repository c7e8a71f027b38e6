/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire: bytes of a server's connections turned into requests.
 *
 * Knows sockets only as numbered connections, and nothing of BPF, the recording or the engine. HTTP/1.1 (keep-alive,
 * pipelining, chunked bodies, 100-continue, early ends, any split of bytes over calls), bodies as JSON, server-sent events
 * or NDJSON; the bill from `usage` in the shapes of OpenAI, Anthropic, Ollama and llama.cpp's native fields; the engine's
 * own `timings`. The protocol of a body is decided by its content type and shape, never by the engine's name.
 *
 * In a row: `path` is without its query, which may hold keys or prompts. `stream` says that one was asked for or sent. A
 * request that began before the attach (INCOMPLETE_BEFORE_ATTACH) has a NULL method and path and arrives when the
 * connection was opened here; one of TLS or HTTP/2 (INCOMPLETE_PARSE) has neither too. `text`, where it is kept, is
 * {"prompt": ..., "completion": ...}, each cut at 1 MiB, the pieces of a prompt joined by line feeds.
 *
 * Memory is bounded: a connection keeps at most WIRE_MAX_BODY bytes of one JSON body (a longer one, or one with a gap, is
 * scanned for its last `usage` object and marked INCOMPLETE_GAP where that is not certain), and 64 requests in flight.
 */
#ifndef TOKPROF_WIRE_H
#define TOKPROF_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/recording.h"

#define WIRE_MAX_BODY (8u << 20)

struct wire;

struct wire_callbacks {
	/* A request's row, complete as far as it is known: called at its end, and for the open ones by wire__finish. */
	void (*request)(void *ctx, const struct row_request *row);
	/* A chunk that carries generated text. The request's id is already fixed, its row follows later. */
	void (*chunk)(void *ctx, const struct row_chunk *row);
};

/* @first_id: id of the first request; ids count up in order of arrival. @capture_text: keep prompt and completion. */
struct wire *wire__new(const struct wire_callbacks *callbacks, void *ctx, int64_t first_id, bool capture_text);
void wire__free(struct wire *w);

/* A connection opened. `established`: it was open before the recorder came, so its first bytes may be mid-message. */
int wire__open(struct wire *w, uint64_t connection, uint32_t pid, const char *client, uint64_t time_ns,
	       bool established);
/*
 * Bytes the server received (`in`) or sent. data NULL: n bytes went by unseen (a gap).
 * time_ns: when the system call returned. Unknown connections are opened as established.
 */
int wire__bytes(struct wire *w, uint64_t connection, bool in, uint64_t time_ns, const void *data, size_t n);
/* The peer ended its side (half close or reset). A response still going on marks its request client_left. */
int wire__end_in(struct wire *w, uint64_t connection, uint64_t time_ns);
int wire__close(struct wire *w, uint64_t connection, uint64_t time_ns);
/* Records of this or an unknown connection were lost at this time (connection 0: any): open requests are marked. */
void wire__lost(struct wire *w, uint64_t connection, uint64_t time_ns);
/* The recording ends: hand over what is open. */
void wire__finish(struct wire *w, uint64_t time_ns);

/* Requests not yet answered whole: arrived and not ended. */
size_t wire__in_flight(const struct wire *w);

#endif
