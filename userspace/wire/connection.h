/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection: requests as they come in, each paired with its response by order.
 */
#ifndef TOKPROF_WIRE_CONNECTION_H
#define TOKPROF_WIRE_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/wire/body.h"
#include "userspace/wire/exchange.h"
#include "userspace/wire/http.h"
#include "userspace/wire/resync.h"

#define MAX_IN_FLIGHT 64

struct side {
	struct http http;
	struct body body;
	bool lost; /* the place in the messages is not known: looking for the next one */
	uint64_t begin_ns; /* first byte of the message under way */
	char held[RESYNC_MAX_HELD]; /* lost: bytes that may be the beginning of a message */
	size_t n_held;
	uint64_t held_ns;
};

struct connection {
	struct connection *next; /* in the table of wire.c */
	uint64_t id;
	uint32_t pid;
	char client[64];
	struct rows *rows;
	uint64_t open_ns, now_ns;
	bool established; /* open before the recorder came, and no message seen from its beginning yet */
	bool suspect; /* records were lost: a message may end without its end being seen */
	bool dead; /* speaks something else than HTTP/1.x */
	bool client_left;
	bool in_gap; /* bytes went by unseen where a request may have been */
	struct side in, out;
	struct exchange *first; /* in order of arrival */
	size_t n_exchanges;
	size_t n_in_flight; /* as wire.c has counted it */
	struct exchange *receiving; /* whose request is coming in; NULL */
	struct exchange *answering; /* whose response is going out; NULL */
};

struct connection *connection__new(struct rows *rows, uint64_t id, uint64_t time_ns, bool established);
void connection__free(struct connection *c); /* without handing over what is open */

/* data NULL: n bytes went by unseen. @return 0, -ENOMEM (requests were left out) */
int connection__bytes(struct connection *c, bool in, uint64_t time_ns, const char *data, size_t n);
void connection__end_in(struct connection *c, uint64_t time_ns);
void connection__lost(struct connection *c);
/* The end of the connection, or of the recording (`at_end`): every open request is handed over. */
void connection__close(struct connection *c, uint64_t time_ns, bool at_end);
/* Requests that have arrived and are not answered whole. */
size_t connection__in_flight(const struct connection *c);

#endif
