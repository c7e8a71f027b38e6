/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message's body cut into JSON texts: server-sent events, lines of JSON, or one document.
 */
#ifndef TOKPROF_WIRE_BODY_H
#define TOKPROF_WIRE_BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/wire/buffer.h"
#include "userspace/wire/skim.h"

enum body_kind {
	BODY_IGNORED = 0, /* nothing that we read: HTML, metrics, compressed bytes */
	BODY_UNKNOWN, /* no content type that says: its first bytes decide */
	BODY_DOCUMENT, /* one JSON text */
	BODY_EVENTS, /* text/event-stream, as WHATWG HTML section 9.2 has it */
	BODY_LINES, /* one JSON text a line */
	BODY_TORN, /* framing lost: events or lines of JSON, amid the sizes of HTTP chunks */
};

struct body_sink {
	/* One event of a stream. */
	void (*event)(void *ctx, const char *text, size_t n);
	/* The document; `whole` false: only what skim.h kept of it. */
	void (*document)(void *ctx, const char *text, size_t n, bool whole);
};

struct body {
	enum body_kind kind;
	struct buffer text; /* document so far; or the data of the event so far, then the line so far */
	size_t line_start;
	bool after_cr; /* a line feed that follows belongs to the line before */
	bool skip_line; /* the rest of this line is of no use: its beginning was not seen */
	bool skip_event; /* the same of the event: too long to keep */
	bool uncertain; /* something that may have mattered was not seen */
	bool last_chunk; /* BODY_TORN: a line "0" was the last one */
	bool ended; /* BODY_TORN: ... and an empty one followed: that was the end of the message */
	struct skim *skim;
	const struct body_sink *sink;
	void *ctx;
};

/* Content-Type's value, any case, parameters allowed; "" where the message has none. */
enum body_kind body__kind(const char *content_type);

void body__begin(struct body *b, enum body_kind kind, const struct body_sink *sink, void *ctx);
void body__data(struct body *b, const char *data, size_t n);
/* Bytes went by unseen. */
void body__gap(struct body *b);
/* After a gap in a stream: what comes next is the beginning of a line. */
void body__at_line(struct body *b);
/* Hands over what is left. @return false: something that may have mattered was not seen. The body is empty then. */
bool body__end(struct body *b);
/* Drop what is held; a small buffer stays for the next message until body__free. */
void body__clear(struct body *b);
void body__free(struct body *b);

#endif
