/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One direction of an HTTP/1.1 connection: bytes in any pieces, messages out. Around libhttp-parser, which keeps a
 * handful of bytes of state and allocates nothing; here it gets gaps and a way to join a body that is under way.
 */
#ifndef TOKPROF_WIRE_HTTP_H
#define TOKPROF_WIRE_HTTP_H

#include <http_parser.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_body { HTTP_HAS_BODY = 0, HTTP_NO_BODY = 1, HTTP_OTHER_PROTOCOL = 2 };

struct http;

struct http_handler {
	void (*begin)(void *ctx); /* first byte of a message */
	int (*target)(void *ctx, const char *data, size_t n); /* a piece of a request's target; negative errno stops */
	int (*head)(void *ctx); /* the head is complete; enum http_body or negative errno */
	void (*body)(void *ctx, const char *data, size_t n); /* a piece of the body; data NULL: unseen */
	void (*end)(void *ctx); /* the message is complete */
};

enum http_header { HEADER_CONTENT_TYPE, HEADER_CONTENT_ENCODING, HEADER_EXPECT, N_HEADERS };
#define MAX_HEADER 96

struct http {
	http_parser parser;
	const struct http_handler *handler;
	void *ctx;
	bool in_message, in_body, in_chunk, skipping, resuming, ended;
	int error; /* of a handler */
	int header; /* enum http_header whose value comes next; -1: one that nobody reads */
	bool in_value;
	char field[24];
	size_t n_field;
	char headers[N_HEADERS][MAX_HEADER]; /* cut where longer; "" where not sent */
};

void http__init(struct http *h, bool requests, const struct http_handler *handler, void *ctx);
/* Forget the message under way: the next byte is the first one of a message. */
void http__restart(struct http *h);
/* @return 0; -EPROTO: no HTTP/1.x that can be understood; an error of the handler. After an error: http__restart. */
int http__feed(struct http *h, const char *data, size_t n);
/* Body bytes that may go by unseen without losing the thread; UINT64_MAX where the connection's end ends the body. */
uint64_t http__remaining(const struct http *h);
/* n <= http__remaining() body bytes went by unseen. @return as http__feed */
int http__skip(struct http *h, uint64_t n);
/* The connection ended, and with it a body that has no other end. @return true: the message is complete */
bool http__finish(struct http *h);
/* What follows is the size of a chunk, in the body of a message whose head was not seen: begin, head are not called. */
void http__resume_chunked(struct http *h);

#endif
