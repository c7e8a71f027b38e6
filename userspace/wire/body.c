/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/wire/body.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "userspace/wire.h"

enum body_kind body__kind(const char *content_type)
{
	static const struct {
		const char *type;
		enum body_kind kind;
	} types[] = {
		{ "text/event-stream", BODY_EVENTS },	{ "application/json", BODY_DOCUMENT },
		{ "application/x-ndjson", BODY_LINES }, { "application/ndjson", BODY_LINES },
		{ "application/jsonl", BODY_LINES },	{ "application/x-jsonlines", BODY_LINES },
		{ "text/html", BODY_IGNORED },		{ "application/octet-stream", BODY_IGNORED },
	};
	size_t i, n = strcspn(content_type, "; \t,");

	for (i = 0; i < sizeof(types) / sizeof(*types); i++) {
		if (strlen(types[i].type) == n && !strncasecmp(content_type, types[i].type, n))
			return types[i].kind;
	}
	return BODY_UNKNOWN;
}

void body__begin(struct body *b, enum body_kind kind, const struct body_sink *sink, void *ctx)
{
	body__clear(b);
	b->kind = kind;
	b->sink = sink;
	b->ctx = ctx;
}

static void reset_text(struct body *b)
{
	buffer__reset(&b->text);
	b->line_start = 0;
}

/* --- one document --- */

static void begin_skim(struct body *b)
{
	if (b->skim)
		return;
	b->skim = calloc(1, sizeof(*b->skim));
	if (b->skim && b->text.n)
		skim__feed(b->skim, b->text.data, b->text.n);
	else if (!b->skim)
		b->kind = BODY_IGNORED;
	b->uncertain |= !b->skim;
	reset_text(b);
}

static void document_data(struct body *b, const char *data, size_t n)
{
	if (!b->skim && !buffer__append(&b->text, data, n, WIRE_MAX_BODY))
		return;
	begin_skim(b);
	if (b->skim)
		skim__feed(b->skim, data, n);
}

static void document_end(struct body *b)
{
	const char *text = b->text.data;
	size_t n = b->text.n;
	bool certain = true;

	if (b->skim) {
		text = skim__end(b->skim, &n, &certain);
		b->uncertain |= !certain;
	}
	if (n)
		b->sink->document(b->ctx, text, n, !b->skim);
}

/* --- events and lines --- */

static void hand_over(struct body *b, size_t n)
{
	if (n && !b->skip_event)
		b->sink->event(b->ctx, b->text.data, n);
	b->skip_event = false;
	reset_text(b);
}

/* `data: x`: put x in the place of the line, behind the data of earlier lines of the event and a line feed. */
static void data_line(struct body *b, size_t n)
{
	char *line = b->text.data + b->line_start;
	size_t prefix = n > 5 && line[5] == ' ' ? 6 : 5;

	if (b->line_start)
		*line++ = '\n';
	memmove(line, b->text.data + b->line_start + prefix, n - prefix);
	b->text.n = (size_t)(line - b->text.data) + n - prefix;
	b->line_start = b->text.n;
}

static void event_line(struct body *b, const char *line, size_t n)
{
	if (!n)
		hand_over(b, b->line_start);
	else if (n >= 5 && !memcmp(line, "data:", 5))
		data_line(b, n);
	else
		b->text.n = b->line_start; /* a comment, or a field that says nothing to us */
}

/* Between the lines of a torn stream stand the sizes of its chunks; the last is 0 and an empty line follows it. */
static void torn_line(struct body *b, const char *line, size_t n)
{
	if (b->last_chunk && !n)
		b->ended = true;
	b->last_chunk = n == 1 && *line == '0';
	if (n && *line == '{' && !b->line_start)
		hand_over(b, n);
	else
		event_line(b, line, n);
}

static void take_line(struct body *b)
{
	size_t n = b->text.n - b->line_start;
	const char *line = n ? b->text.data + b->line_start : "";

	if (b->skip_line) {
		b->skip_line = false;
		b->text.n = b->line_start;
	} else if (b->kind == BODY_LINES) {
		hand_over(b, n);
	} else if (b->kind == BODY_TORN) {
		torn_line(b, line, n);
	} else {
		event_line(b, line, n);
	}
}

static void line_bytes(struct body *b, const char *data, size_t n)
{
	if (b->skip_line || !buffer__append(&b->text, data, n, WIRE_MAX_BODY))
		return;
	b->uncertain = true;
	b->skip_event = true;
	b->skip_line = true;
	reset_text(b);
}

/* A lone carriage return ends a line of an event stream, but never one of JSON lines, where it is white space. */
static void stream_data(struct body *b, const char *p, size_t n)
{
	const char *end = p + n, *stop, *cr;

	while (p < end && !b->ended) {
		if (b->after_cr && *p == '\n')
			p++;
		b->after_cr = false;
		if (p == end)
			break;
		stop = memchr(p, '\n', (size_t)(end - p));
		if (!stop)
			stop = end;
		cr = b->kind == BODY_LINES ? NULL : memchr(p, '\r', (size_t)(stop - p));
		if (cr)
			stop = cr;
		line_bytes(b, p, (size_t)(stop - p));
		if (stop == end)
			break;
		b->after_cr = *stop == '\r';
		take_line(b);
		p = stop + 1;
	}
}

/* --- no content type --- */

/* @return BODY_UNKNOWN while the first bytes leave it open */
static enum body_kind sniff(const char *text, size_t n)
{
	static const char *const fields[] = { "data:", "event:", "id:", "retry:", ":" };
	size_t i, compared;

	while (n && strchr(" \t\r\n", *text) && *text) {
		text++;
		n--;
	}
	if (!n)
		return BODY_UNKNOWN;
	if (*text == '{' || *text == '[')
		return BODY_DOCUMENT;
	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		compared = strlen(fields[i]) < n ? strlen(fields[i]) : n;
		if (!memcmp(text, fields[i], compared))
			return compared < strlen(fields[i]) ? BODY_UNKNOWN : BODY_EVENTS;
	}
	return BODY_IGNORED;
}

/* @return bytes of data used up until it was known */
static size_t unknown_data(struct body *b, const char *data, size_t n)
{
	char head[64];
	size_t used = 0, kept;

	while (used < n && b->kind == BODY_UNKNOWN) {
		if (buffer__append(&b->text, data + used, 1, sizeof(head)))
			b->kind = BODY_IGNORED; /* nothing but white space, or no memory */
		else
			b->kind = sniff(b->text.data, b->text.n);
		used++;
	}
	if (b->kind == BODY_EVENTS) {
		kept = b->text.n;
		memcpy(head, b->text.data, kept);
		reset_text(b);
		stream_data(b, head, kept);
	}
	return used;
}

void body__data(struct body *b, const char *data, size_t n)
{
	if (b->kind == BODY_UNKNOWN) {
		size_t used = unknown_data(b, data, n);

		data += used;
		n -= used;
	}
	if (b->kind == BODY_DOCUMENT)
		document_data(b, data, n);
	else if (b->kind >= BODY_EVENTS)
		stream_data(b, data, n);
}

void body__gap(struct body *b)
{
	switch (b->kind) {
	case BODY_IGNORED:
		break;
	case BODY_DOCUMENT:
		begin_skim(b);
		if (b->skim)
			skim__gap(b->skim);
		break;
	case BODY_UNKNOWN:
		b->uncertain = true;
		b->kind = BODY_TORN;
		reset_text(b);
		break;
	default:
		b->uncertain = true;
		b->skip_line = true;
		b->after_cr = false;
		reset_text(b);
		break;
	}
}

void body__at_line(struct body *b)
{
	b->skip_line = false; /* nothing was kept while it was set */
}

bool body__end(struct body *b)
{
	bool certain;

	if (b->kind == BODY_DOCUMENT) {
		document_end(b);
	} else if (b->kind >= BODY_EVENTS) {
		if (b->text.n > b->line_start)
			take_line(b);
		hand_over(b, b->line_start);
	}
	certain = !b->uncertain;
	body__clear(b);
	return certain;
}

void body__clear(struct body *b)
{
	struct buffer text = b->text;

	if (b->skim)
		skim__free(b->skim);
	free(b->skim);
	buffer__reset(&text);
	*b = (struct body){ .text = text };
}

void body__free(struct body *b)
{
	body__clear(b);
	buffer__free(&b->text);
}
