/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/wire/http.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static struct http *of(http_parser *p)
{
	return p->data;
}

static int on_begin(http_parser *p)
{
	struct http *h = of(p);

	h->in_message = true;
	h->in_body = h->in_chunk = h->in_value = h->ended = false;
	h->n_field = 0;
	h->header = -1;
	memset(h->headers, 0, sizeof(h->headers));
	if (!h->resuming)
		h->handler->begin(h->ctx);
	return 0;
}

static int on_target(http_parser *p, const char *data, size_t n)
{
	struct http *h = of(p);

	h->error = h->handler->target(h->ctx, data, n);
	return h->error != 0;
}

static int on_field(http_parser *p, const char *data, size_t n)
{
	struct http *h = of(p);
	size_t room;

	if (h->in_value)
		h->n_field = 0;
	h->in_value = false;
	room = sizeof(h->field) - h->n_field;
	if (n > room)
		n = room; /* full: longer than any name that is looked for */
	memcpy(h->field + h->n_field, data, n);
	h->n_field += n;
	return 0;
}

static int which_header(const struct http *h)
{
	static const char *const names[N_HEADERS] = {
		[HEADER_CONTENT_TYPE] = "content-type",
		[HEADER_CONTENT_ENCODING] = "content-encoding",
		[HEADER_EXPECT] = "expect",
	};
	int i;

	for (i = 0; i < N_HEADERS; i++) {
		if (strlen(names[i]) == h->n_field && !strncasecmp(names[i], h->field, h->n_field))
			return i;
	}
	return -1;
}

static int on_value(http_parser *p, const char *data, size_t n)
{
	struct http *h = of(p);
	size_t used;

	if (!h->in_value) {
		h->in_value = true;
		h->header = which_header(h);
		if (h->header >= 0)
			h->headers[h->header][0] = '\0';
	}
	if (h->header < 0)
		return 0;
	used = strlen(h->headers[h->header]);
	if (n > MAX_HEADER - 1 - used)
		n = MAX_HEADER - 1 - used;
	memcpy(h->headers[h->header] + used, data, n);
	h->headers[h->header][used + n] = '\0';
	return 0;
}

static int on_head(http_parser *p)
{
	struct http *h = of(p);
	int err;

	h->in_body = true;
	if (h->resuming)
		return 0;
	err = h->handler->head(h->ctx);
	if (err < 0) {
		h->error = err;
		return -1;
	}
	/* A request that only offers another protocol (h2c, from some Java clients) is an ordinary one until the server
	 * switches, and then its response says so. CONNECT is none. */
	if (p->type == HTTP_REQUEST && p->method != HTTP_CONNECT)
		p->upgrade = 0;
	return err;
}

static int on_chunk(http_parser *p)
{
	of(p)->in_chunk = p->content_length > 0;
	return 0;
}

static int on_chunk_end(http_parser *p)
{
	of(p)->in_chunk = false;
	return 0;
}

static int on_body(http_parser *p, const char *data, size_t n)
{
	struct http *h = of(p);

	if (!h->skipping)
		h->handler->body(h->ctx, data, n);
	return 0;
}

/* The parser is stopped behind every message and begun anew, so that one message's `Connection: close` or an error in
 * the next one is no matter of both. */
static int on_end(http_parser *p)
{
	struct http *h = of(p);

	h->in_message = h->in_body = h->in_chunk = false;
	h->ended = true;
	h->handler->end(h->ctx);
	http_parser_pause(p, 1);
	return 0;
}

static const http_parser_settings settings = {
	.on_message_begin = on_begin,
	.on_url = on_target,
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_headers_complete = on_head,
	.on_body = on_body,
	.on_message_complete = on_end,
	.on_chunk_header = on_chunk,
	.on_chunk_complete = on_chunk_end,
};

void http__restart(struct http *h)
{
	enum http_parser_type type = h->parser.type;

	http_parser_init(&h->parser, type);
	h->parser.data = h;
	/* A reader of other people's traffic has no reason to be stricter than they are. */
	h->parser.allow_chunked_length = 1;
	h->parser.lenient_http_headers = 1;
	h->in_message = h->in_body = h->in_chunk = h->resuming = h->skipping = h->ended = false;
	h->error = 0;
}

void http__init(struct http *h, bool requests, const struct http_handler *handler, void *ctx)
{
	memset(h, 0, sizeof(*h));
	h->handler = handler;
	h->ctx = ctx;
	h->parser.type = requests ? HTTP_REQUEST : HTTP_RESPONSE;
	http__restart(h);
}

int http__feed(struct http *h, const char *data, size_t n)
{
	while (n) {
		size_t used = http_parser_execute(&h->parser, &settings, data, n);

		if (h->error)
			return h->error;
		if (h->parser.upgrade)
			return -EPROTO;
		if (HTTP_PARSER_ERRNO(&h->parser) == HPE_PAUSED)
			http__restart(h);
		else if (HTTP_PARSER_ERRNO(&h->parser) != HPE_OK)
			return -EPROTO;
		data += used;
		n -= used;
	}
	return 0;
}

uint64_t http__remaining(const struct http *h)
{
	if (!h->in_body)
		return 0;
	if (h->parser.flags & F_CHUNKED)
		return h->in_chunk ? h->parser.content_length : 0;
	return h->parser.content_length; /* ULLONG_MAX where none was given */
}

int http__skip(struct http *h, uint64_t n)
{
	int err;

	h->handler->body(h->ctx, NULL, (size_t)n);
	if (h->parser.content_length == UINT64_MAX && !(h->parser.flags & F_CHUNKED))
		return 0;
	/* All but the last byte are taken off the parser's count; the last makes it take the step it has to take. */
	h->parser.content_length -= n - 1;
	h->skipping = true;
	err = http__feed(h, "-", 1);
	h->skipping = false;
	return err;
}

bool http__finish(struct http *h)
{
	bool ended;

	if (!h->in_message)
		return false;
	http_parser_execute(&h->parser, &settings, NULL, 0);
	ended = h->ended;
	http__restart(h);
	return ended;
}

void http__resume_chunked(struct http *h)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

	http__restart(h);
	h->resuming = true;
	http_parser_execute(&h->parser, &settings, head, sizeof(head) - 1);
	h->resuming = false;
}
