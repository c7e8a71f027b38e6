/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of connections behind userspace/wire.h.
 */
#include "userspace/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/wire/connection.h"

#define FIRST_BUCKETS 64

struct wire {
	struct rows rows;
	struct connection **buckets;
	size_t n_buckets, n_connections; /* n_buckets is a power of two */
	size_t n_in_flight;
};

static void count_in_flight(struct wire *w, struct connection *c)
{
	const size_t n = connection__in_flight(c);

	w->n_in_flight = w->n_in_flight - c->n_in_flight + n;
	c->n_in_flight = n;
}

/* Connections are numbered one after the other, so their low bits spread well without a hash. */
static struct connection **find(const struct wire *w, uint64_t id)
{
	struct connection **link = &w->buckets[id & (w->n_buckets - 1)];

	while (*link && (*link)->id != id)
		link = &(*link)->next;
	return link;
}

/* Twice the buckets; where there is no memory for them, lookups get slower and nothing else happens. */
static void grow(struct wire *w)
{
	struct connection **old = w->buckets, *c;
	size_t n_old = w->n_buckets, i;

	w->buckets = calloc(2 * n_old, sizeof(struct connection *));
	if (!w->buckets) {
		w->buckets = old;
		return;
	}
	w->n_buckets = 2 * n_old;
	for (i = 0; i < n_old; i++) {
		while ((c = old[i])) {
			old[i] = c->next;
			c->next = NULL;
			*find(w, c->id) = c;
		}
	}
	free(old);
}

static struct connection *add(struct wire *w, uint64_t id, uint64_t time_ns, bool established)
{
	struct connection *c = connection__new(&w->rows, id, time_ns, established);

	if (!c)
		return NULL;
	if (w->n_connections == 2 * w->n_buckets)
		grow(w);
	*find(w, id) = c;
	w->n_connections++;
	return c;
}

struct wire *wire__new(const struct wire_callbacks *callbacks, void *ctx, int64_t first_id, bool capture_text)
{
	struct wire *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->rows = (struct rows){ *callbacks, ctx, first_id, capture_text };
	w->n_buckets = FIRST_BUCKETS;
	w->buckets = calloc(w->n_buckets, sizeof(struct connection *));
	if (!w->buckets) {
		free(w);
		return NULL;
	}
	return w;
}

void wire__free(struct wire *w)
{
	struct connection *c;
	size_t i;

	if (!w)
		return;
	for (i = 0; i < w->n_buckets; i++) {
		while ((c = w->buckets[i])) {
			w->buckets[i] = c->next;
			connection__free(c);
		}
	}
	free(w->buckets);
	free(w);
}

int wire__open(struct wire *w, uint64_t connection, uint32_t pid, const char *client, uint64_t time_ns,
	       bool established)
{
	struct connection *c = *find(w, connection);

	if (!c) /* else its first bytes came before the news of it */
		c = add(w, connection, time_ns, established);
	if (!c)
		return -ENOMEM;
	c->pid = pid;
	if (client) {
		c->client[0] = '\0';
		strncat(c->client, client, sizeof(c->client) - 1);
	}
	return 0;
}

int wire__bytes(struct wire *w, uint64_t connection, bool in, uint64_t time_ns, const void *data, size_t n)
{
	struct connection *c = *find(w, connection);
	int err;

	if (!c)
		c = add(w, connection, time_ns, true);
	if (!c)
		return -ENOMEM;
	err = connection__bytes(c, in, time_ns, data, n);
	count_in_flight(w, c);
	return err;
}

int wire__end_in(struct wire *w, uint64_t connection, uint64_t time_ns)
{
	struct connection *c = *find(w, connection);

	if (!c)
		return 0;
	connection__end_in(c, time_ns);
	count_in_flight(w, c);
	return 0;
}

int wire__close(struct wire *w, uint64_t connection, uint64_t time_ns)
{
	struct connection **link = find(w, connection), *c = *link;

	if (!c)
		return 0;
	*link = c->next;
	w->n_connections--;
	w->n_in_flight -= c->n_in_flight;
	connection__close(c, time_ns, false);
	connection__free(c);
	return 0;
}

/* Every connection, whatever its bucket, in a fixed order. */
static void each(const struct wire *w, void (*act)(struct connection *c, void *arg), void *arg)
{
	struct connection *c;
	size_t i;

	for (i = 0; i < w->n_buckets; i++) {
		for (c = w->buckets[i]; c; c = c->next)
			act(c, arg);
	}
}

static void mark_lost(struct connection *c, void *arg)
{
	connection__lost(c);
	count_in_flight(arg, c);
}

void wire__lost(struct wire *w, uint64_t connection, uint64_t time_ns)
{
	struct connection *c = connection ? *find(w, connection) : NULL;

	(void)time_ns;
	if (c)
		mark_lost(c, w);
	else
		each(w, mark_lost, w); /* of one that is not known: it may be any */
}

struct end {
	struct wire *wire;
	uint64_t time_ns;
};

static void finish(struct connection *c, void *arg)
{
	const struct end *end = arg;

	connection__close(c, end->time_ns, true);
	count_in_flight(end->wire, c);
}

void wire__finish(struct wire *w, uint64_t time_ns)
{
	struct end end = { w, time_ns };

	each(w, finish, &end);
}

size_t wire__in_flight(const struct wire *w)
{
	return w->n_in_flight;
}
