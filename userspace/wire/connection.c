/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pairing by order is all that HTTP/1.1 offers: the n-th response answers the n-th request. So a lost thread is taken
 * up again only where a message begins beyond doubt, and whatever could not be paired says so in its row.
 */
#include "userspace/wire/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- the list of exchanges --- */

static void append(struct connection *c, struct exchange *x)
{
	struct exchange **link = &c->first;

	while (*link)
		link = &(*link)->next;
	*link = x;
	c->n_exchanges++;
}

static void prepend(struct connection *c, struct exchange *x)
{
	x->next = c->first;
	c->first = x;
	c->n_exchanges++;
}

/* Hand over and forget. */
static void settle(struct connection *c, struct exchange *x)
{
	struct exchange **link = &c->first;

	while (*link != x)
		link = &(*link)->next;
	*link = x->next;
	c->n_exchanges--;
	if (c->receiving == x)
		c->receiving = NULL;
	if (c->answering == x)
		c->answering = NULL;
	exchange__emit(x, c->rows, c->id, c->pid, c->client);
	exchange__free(x);
}

static struct exchange *first_unanswered(const struct connection *c)
{
	struct exchange *x = c->first;

	while (x && x->answered)
		x = x->next;
	return x;
}

static void mark_open(struct connection *c, uint32_t why)
{
	struct exchange *x;

	for (x = c->first; x; x = x->next) {
		if (!x->answered)
			x->incomplete |= why;
	}
}

/* Why a message cannot be understood: what is known to be lost explains it better than bad HTTP. */
static uint32_t broken(const struct connection *c)
{
	return c->suspect ? INCOMPLETE_LOSS : INCOMPLETE_PARSE;
}

/* --- a response ends --- */

static void end_body(struct exchange *x, struct body *body)
{
	if (!body__end(body) && !(x->incomplete & (INCOMPLETE_PARSE | INCOMPLETE_LOSS))) /* else that is why */
		x->incomplete |= INCOMPLETE_GAP;
}

static void end_answer(struct connection *c, uint64_t end_ns)
{
	struct exchange *x = c->answering;
	uint64_t now_ns = c->now_ns;

	c->now_ns = end_ns; /* an event that the end completes was sent by then */
	end_body(x, &c->out.body);
	c->now_ns = now_ns;
	x->answered = true;
	x->end_ns = end_ns;
	c->answering = NULL;
	if (x->request_over)
		settle(c, x);
	if (!c->first)
		c->suspect = false; /* nothing open, and both sides between messages: what was lost is past */
}

/*
 * A client without pipelining sends its next request behind the last byte of the response. Where that byte was not
 * seen, the next request says that it has been sent.
 */
static void presume_answered(struct connection *c)
{
	struct exchange *x;

	if (c->answering && (c->out.lost || c->suspect)) {
		end_answer(c, c->answering->last_byte_ns);
		http__restart(&c->out.http);
	}
	while (c->suspect && (x = first_unanswered(c)) && x->request_over) {
		x->end_ns = c->in.begin_ns;
		settle(c, x);
	}
}

/* --- requests, as the parser of the incoming side tells --- */

static void in_begin(void *ctx)
{
	struct connection *c = ctx;

	c->in.begin_ns = c->in.n_held ? c->in.held_ns : c->now_ns;
}

static void document_of_request(void *ctx, const char *text, size_t n, bool whole)
{
	struct connection *c = ctx;

	prompt__take(&c->receiving->prompt, text, n, whole);
}

static void no_event(void *ctx, const char *text, size_t n)
{
	(void)ctx;
	(void)text;
	(void)n;
}

static const struct body_sink request_sink = { .event = no_event, .document = document_of_request };

static int in_target(void *ctx, const char *data, size_t n)
{
	struct connection *c = ctx;

	if (!c->receiving) {
		presume_answered(c);
		if (c->n_exchanges == MAX_IN_FLIGHT) {
			mark_open(c, INCOMPLETE_PARSE);
			c->dead = true;
			return -EPROTO;
		}
		c->receiving = exchange__new(c->rows, c->in.begin_ns);
		if (!c->receiving)
			return -ENOMEM;
		if (c->suspect && c->first)
			c->receiving->incomplete |= INCOMPLETE_LOSS;
		c->receiving->client_left = c->client_left;
		append(c, c->receiving);
	}
	exchange__add_target(c->receiving, data, n);
	return 0;
}

static enum body_kind kind_of(const struct http *h)
{
	const char *encoding = h->headers[HEADER_CONTENT_ENCODING];

	if (*encoding && strcasecmp(encoding, "identity") != 0)
		return BODY_IGNORED;
	return body__kind(h->headers[HEADER_CONTENT_TYPE]);
}

static int in_head(void *ctx)
{
	struct connection *c = ctx;

	c->established = c->in_gap = false;
	c->receiving->method = http_method_str(c->in.http.parser.method);
	body__begin(&c->in.body, kind_of(&c->in.http), &request_sink, c);
	if (c->in.http.parser.method == HTTP_CONNECT) {
		mark_open(c, INCOMPLETE_PARSE);
		c->dead = true;
	}
	return HTTP_HAS_BODY;
}

static void in_body(void *ctx, const char *data, size_t n)
{
	struct connection *c = ctx;

	c->receiving->body_bytes += (int64_t)n;
	if (data)
		body__data(&c->in.body, data, n);
	else
		body__gap(&c->in.body);
}

/* Nothing more is expected of the request that is coming in. */
static void end_request(struct connection *c, uint64_t end_ns)
{
	struct exchange *x = c->receiving;

	end_body(x, &c->in.body);
	x->request_end_ns = end_ns;
	x->request_over = true;
	c->receiving = NULL;
	if (x->answered)
		settle(c, x);
}

static void in_end(void *ctx)
{
	struct connection *c = ctx;

	end_request(c, c->now_ns);
}

static const struct http_handler in_handler = { in_begin, in_target, in_head, in_body, in_end };

/* --- responses, as the parser of the outgoing side tells --- */

static void event_of_response(void *ctx, const char *text, size_t n)
{
	struct connection *c = ctx;

	exchange__take_event(c->answering, c->rows, text, n, c->now_ns);
}

static void document_of_response(void *ctx, const char *text, size_t n, bool whole)
{
	struct connection *c = ctx;

	(void)whole;
	exchange__take_document(c->answering, text, n);
}

static const struct body_sink response_sink = { .event = event_of_response, .document = document_of_response };

/* A response whose request was not seen. */
static struct exchange *orphan(struct connection *c, uint64_t seen_ns)
{
	struct exchange *x = exchange__new(c->rows, c->established ? c->open_ns : seen_ns);

	if (!x)
		return NULL;
	if (c->established)
		x->incomplete = INCOMPLETE_BEFORE_ATTACH;
	else
		x->incomplete = c->in_gap ? INCOMPLETE_GAP : broken(c);
	c->established = false;
	x->request_over = true;
	x->client_left = c->client_left;
	prepend(c, x);
	return x;
}

static void begin_answer(struct connection *c, struct exchange *x, uint64_t first_byte_ns)
{
	c->answering = x;
	x->answering = true;
	/* A head that began before the request did is still the answer, but not an early one. */
	x->first_byte_ns = first_byte_ns && first_byte_ns < x->arrival_ns ? x->arrival_ns : first_byte_ns;
}

static void out_begin(void *ctx)
{
	struct connection *c = ctx;

	c->out.begin_ns = c->out.n_held ? c->out.held_ns : c->now_ns;
}

static int out_head(void *ctx)
{
	struct connection *c = ctx;
	unsigned int status = c->out.http.parser.status_code;
	struct exchange *x = first_unanswered(c);

	if (status < 200 && status != 101)
		return HTTP_NO_BODY; /* 100 Continue and its like are no answer */
	if (!x)
		x = orphan(c, c->out.begin_ns);
	if (!x)
		return -ENOMEM;
	c->established = false;
	begin_answer(c, x, c->out.begin_ns);
	x->status = (int)status;
	if (status == 101) {
		mark_open(c, INCOMPLETE_PARSE);
		c->dead = true;
		return HTTP_OTHER_PROTOCOL;
	}
	body__begin(&c->out.body, kind_of(&c->out.http), &response_sink, c);
	if (status == 204 || status == 304 || (x->method && !strcmp(x->method, "HEAD")))
		return HTTP_NO_BODY;
	return HTTP_HAS_BODY;
}

static void out_body(void *ctx, const char *data, size_t n)
{
	struct connection *c = ctx;

	if (!c->answering->first_body_ns)
		c->answering->first_body_ns = c->now_ns;
	if (data)
		body__data(&c->out.body, data, n);
	else
		body__gap(&c->out.body);
}

static void out_end(void *ctx)
{
	struct connection *c = ctx;

	if (c->answering && !c->dead)
		end_answer(c, c->now_ns);
}

static const struct http_handler out_handler = { out_begin, NULL, out_head, out_body, out_end };

/* --- a lost thread --- */

/* The request that is coming in cannot be followed to its end. */
static void lose_in(struct connection *c, uint32_t why)
{
	c->in.lost = true;
	c->in.n_held = 0;
	http__restart(&c->in.http);
	if (!c->receiving)
		return;
	c->receiving->incomplete |= why;
	body__gap(&c->in.body);
	end_request(c, 0);
}

/* The response that is going out, or whose beginning went by, cannot be followed to its end; its events can. */
static void lose_out(struct connection *c, uint32_t why)
{
	struct exchange *x = c->answering ? c->answering : first_unanswered(c);

	if (x && !c->answering) {
		begin_answer(c, x, c->out.http.in_message ? c->out.begin_ns : c->now_ns);
		body__begin(&c->out.body, BODY_TORN, &response_sink, c);
	}
	c->out.lost = true;
	c->out.n_held = 0;
	http__restart(&c->out.http);
	if (!x)
		return;
	x->incomplete |= why;
	body__gap(&c->out.body);
	if (c->out.body.kind == BODY_EVENTS || c->out.body.kind == BODY_LINES)
		c->out.body.kind = BODY_TORN;
}

static void in_gap(struct connection *c, size_t n)
{
	uint64_t remaining = http__remaining(&c->in.http);

	if (c->in.lost) {
		c->in.n_held = 0;
		return;
	}
	if (n <= remaining) {
		http__skip(&c->in.http, n);
		return;
	}
	if (remaining && !(c->in.http.parser.flags & F_CHUNKED))
		http__skip(&c->in.http, remaining); /* the message ended in the gap; what followed it is not known */
	c->in_gap = true;
	lose_in(c, INCOMPLETE_GAP);
}

static void out_gap(struct connection *c, size_t n)
{
	uint64_t remaining = http__remaining(&c->out.http);

	if (c->out.lost) {
		c->out.n_held = 0;
		if (c->answering)
			body__gap(&c->out.body);
		return;
	}
	if (n <= remaining) {
		http__skip(&c->out.http, n);
		return;
	}
	if (remaining && !(c->out.http.parser.flags & F_CHUNKED))
		http__skip(&c->out.http, remaining);
	lose_out(c, INCOMPLETE_GAP);
}

static void gap(struct connection *c, bool in, size_t n)
{
	if (in) {
		in_gap(c, n);
	} else {
		out_gap(c, n);
		if (c->answering)
			c->answering->last_byte_ns = c->now_ns;
	}
}

/* --- bytes --- */

static int in_feed(struct connection *c, const char *data, size_t n)
{
	int err = http__feed(&c->in.http, data, n);

	c->in.n_held = 0;
	if (err)
		lose_in(c, broken(c));
	return err == -ENOMEM ? err : 0;
}

static int out_feed(struct connection *c, const char *data, size_t n)
{
	int err = http__feed(&c->out.http, data, n);

	c->out.n_held = 0;
	if (err && !c->dead)
		lose_out(c, broken(c));
	return err == -ENOMEM ? err : 0;
}

/* Bytes that may begin a message, with those held back before. */
struct front {
	char bytes[2 * RESYNC_MAX_HELD];
	size_t n;
};

static void look_at_front(const struct side *s, const char *data, size_t n, struct front *front)
{
	size_t room = sizeof(front->bytes) - s->n_held;

	memcpy(front->bytes, s->held, s->n_held);
	if (n > room)
		n = room;
	memcpy(front->bytes + s->n_held, data, n);
	front->n = s->n_held + n;
}

static void hold(struct connection *c, struct side *s, const char *data, size_t n)
{
	if (!s->n_held)
		s->held_ns = c->now_ns;
	memcpy(s->held + s->n_held, data, n);
	s->n_held += n;
}

/* Take the thread up again: the bytes held back, then the record. */
static int feed_from_front(struct connection *c, struct side *s, const char *data, size_t n,
			   int (*feed)(struct connection *, const char *, size_t))
{
	char held[RESYNC_MAX_HELD];
	size_t n_held = s->n_held;
	int err = 0;

	memcpy(held, s->held, n_held);
	s->lost = false;
	http__restart(&s->http);
	if (n_held)
		err = feed(c, held, n_held);
	return err || s->lost || c->dead ? err : feed(c, data, n);
}

static int in_lost_bytes(struct connection *c, const char *data, size_t n)
{
	struct front front;
	enum resync found;

	look_at_front(&c->in, data, n, &front);
	found = c->in.n_held ? resync__request(front.bytes, front.n) : resync__request(data, n);
	if (found == RESYNC_YES)
		return feed_from_front(c, &c->in, data, n, in_feed);
	if (found == RESYNC_MORE && front.n <= RESYNC_MAX_HELD)
		hold(c, &c->in, data, n);
	else
		c->in.n_held = 0;
	return 0;
}

/*
 * Another request begins before the announced end of this one: it was refused (417, 413) and its client goes on without
 * sending the rest, or the rest was lost.
 */
static void cut_off_request(struct connection *c)
{
	http__restart(&c->in.http);
	if (!c->receiving->answered)
		body__gap(&c->in.body);
	end_request(c, 0);
}

/* A request of TLS or HTTP/2: once per connection, since nothing more can be told of it. */
static int other_protocol(struct connection *c)
{
	struct exchange *x = exchange__new(c->rows, c->now_ns);

	c->dead = true;
	if (!x)
		return -ENOMEM;
	x->client_left = c->client_left;
	x->incomplete = INCOMPLETE_PARSE;
	append(c, x);
	return 0;
}

static int in_bytes(struct connection *c, const char *data, size_t n)
{
	struct exchange *x = c->receiving;

	if (x && (x->answered || c->suspect) && resync__request(data, n) == RESYNC_YES)
		cut_off_request(c);
	if (!c->in.http.in_message && !c->in.n_held && resync__other_protocol(data, n))
		return other_protocol(c);
	return c->in.lost ? in_lost_bytes(c, data, n) : in_feed(c, data, n);
}

/* In the middle of a response whose framing is not known. */
static int torn_bytes(struct connection *c, const char *data, size_t n)
{
	bool chunk = resync__chunk(data, n);

	if (!c->answering) {
		struct exchange *x;

		if (!(chunk && n > 5) && !resync__stream(data, n))
			return 0;
		x = orphan(c, c->now_ns);
		if (!x)
			return -ENOMEM;
		begin_answer(c, x, 0);
		body__begin(&c->out.body, BODY_TORN, &response_sink, c);
	}
	c->answering->last_byte_ns = c->now_ns;
	if (chunk || resync__field(data, n))
		body__at_line(&c->out.body);
	if (chunk) {
		c->out.lost = false;
		http__resume_chunked(&c->out.http);
		return out_feed(c, data, n);
	}
	if (!c->answering->first_body_ns)
		c->answering->first_body_ns = c->now_ns;
	body__data(&c->out.body, data, n);
	if (c->out.body.ended) {
		c->out.lost = false;
		end_answer(c, c->now_ns);
	}
	return 0;
}

/*
 * Is the response that begins now the one of the request that is presumed to be answered? Only where bytes before its
 * head were not seen, none of them told of text, and no other request waits for it.
 */
static bool may_be_its_own(const struct connection *c)
{
	const struct exchange *x = c->answering, *next = x->next;

	while (next && next->answered)
		next = next->next;
	return !x->status && x->first_byte_ns && !x->n_chunks && !next;
}

static int out_lost_bytes(struct connection *c, const char *data, size_t n)
{
	enum resync found;
	struct front front;
	size_t n_held;

	look_at_front(&c->out, data, n, &front);
	found = resync__response(front.bytes, front.n);
	if (found == RESYNC_YES) {
		if (c->answering && !may_be_its_own(c))
			end_answer(c, c->answering->last_byte_ns);
		c->answering = NULL;
		return feed_from_front(c, &c->out, data, n, out_feed);
	}
	if (found == RESYNC_MORE) {
		hold(c, &c->out, data, n);
		return 0;
	}
	n_held = c->out.n_held;
	c->out.n_held = 0;
	if (n_held)
		torn_bytes(c, front.bytes, n_held);
	return torn_bytes(c, data, n);
}

static int out_bytes(struct connection *c, const char *data, size_t n)
{
	int err;

	if (!c->out.lost && c->suspect && c->answering && resync__response(data, n) == RESYNC_YES)
		lose_out(c, INCOMPLETE_LOSS);
	err = c->out.lost ? out_lost_bytes(c, data, n) : out_feed(c, data, n);
	if (c->answering)
		c->answering->last_byte_ns = c->now_ns;
	return err;
}

int connection__bytes(struct connection *c, bool in, uint64_t time_ns, const char *data, size_t n)
{
	if (time_ns > c->now_ns)
		c->now_ns = time_ns;
	if (c->dead || !n)
		return 0;
	if (!data) {
		gap(c, in, n);
		return 0;
	}
	return in ? in_bytes(c, data, n) : out_bytes(c, data, n);
}

/* --- ends --- */

void connection__end_in(struct connection *c, uint64_t time_ns)
{
	struct exchange *x;

	if (time_ns > c->now_ns)
		c->now_ns = time_ns;
	c->client_left = true;
	for (x = c->first; x; x = x->next)
		x->client_left |= !x->answered;
}

void connection__lost(struct connection *c)
{
	mark_open(c, INCOMPLETE_LOSS);
	c->suspect = true;
}

/* The last bytes of a response that was going on, as far as they were understood. */
static void end_out(struct connection *c, bool at_end)
{
	struct exchange *x = first_unanswered(c);

	if (x && !c->answering && c->out.http.in_message)
		begin_answer(c, x, c->out.begin_ns); /* its head never came whole */
	if (!at_end && !c->out.lost && http__finish(&c->out.http))
		return; /* the close is what ends this one */
	x = c->answering;
	if (x)
		end_body(x, &c->out.body);
}

void connection__close(struct connection *c, uint64_t time_ns, bool at_end)
{
	if (time_ns > c->now_ns)
		c->now_ns = time_ns;
	if (c->receiving)
		end_body(c->receiving, &c->in.body);
	if (!c->dead)
		end_out(c, at_end);
	while (c->first) {
		struct exchange *x = c->first;

		if (!x->answered && at_end)
			x->incomplete |= INCOMPLETE_AT_END;
		if (!x->answered && !at_end) {
			x->end_ns = c->now_ns;
			/* Where the client left, what it got is what it is to get. */
			if (!c->dead && (!x->answering || (!x->client_left && !x->incomplete)))
				x->incomplete |= INCOMPLETE_UNANSWERED;
		}
		settle(c, x);
	}
}

size_t connection__in_flight(const struct connection *c)
{
	const struct exchange *x;
	size_t n = 0;

	for (x = c->dead ? NULL : c->first; x; x = x->next)
		n += !x->answered;
	return n;
}

struct connection *connection__new(struct rows *rows, uint64_t id, uint64_t time_ns, bool established)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->rows = rows;
	c->id = id;
	c->open_ns = c->now_ns = time_ns;
	c->established = c->in.lost = c->out.lost = established;
	http__init(&c->in.http, true, &in_handler, c);
	http__init(&c->out.http, false, &out_handler, c);
	return c;
}

void connection__free(struct connection *c)
{
	if (!c)
		return;
	while (c->first) {
		struct exchange *x = c->first;

		c->first = x->next;
		exchange__free(x);
	}
	body__free(&c->in.body);
	body__free(&c->out.body);
	free(c);
}
