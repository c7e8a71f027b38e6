/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "userspace/recording_queue.h"

/*
 * Half of it wakes the writer early: about 20,000 rows, a second of a very busy server. Pages that no row ever reached
 * stay untouched, so an idle recorder does not pay for them.
 */
#define ARENA_BYTES ((size_t)4 << 20)

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int arena__init(struct queue_arena *a, size_t capacity)
{
	a->bytes = malloc(capacity);
	a->used = 0;
	a->capacity = a->bytes ? capacity : 0;
	return a->bytes ? 0 : -ENOMEM;
}

int recording_queue__init(struct recording_queue *q)
{
	pthread_condattr_t attr;

	memset(q, 0, sizeof(*q));
	if (arena__init(&q->active, ARENA_BYTES) || arena__init(&q->draining, ARENA_BYTES)) {
		free(q->active.bytes);
		return -ENOMEM;
	}
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->wake_writer, &attr);
	pthread_cond_init(&q->wake_others, NULL);
	pthread_condattr_destroy(&attr);
	return 0;
}

void recording_queue__free(struct recording_queue *q)
{
	pthread_cond_destroy(&q->wake_others);
	pthread_cond_destroy(&q->wake_writer);
	pthread_mutex_destroy(&q->lock);
	free(q->active.bytes);
	free(q->draining.bytes);
}

/* Column values and sizes of a row, worked out before the lock is taken. */
struct packed {
	uint64_t nulls;
	size_t size;
	int64_t values[MAX_COLUMNS];
	const char *texts[MAX_COLUMNS];
};

static int pack(struct packed *p, const struct table *t, const void *row, uint64_t origin_ns)
{
	size_t at = sizeof(struct queued_row) + t->n_columns * sizeof(int64_t);

	p->nulls = 0;
	for (unsigned int i = 0; i < t->n_columns; i++) {
		const struct column *c = &t->columns[i];
		int r;

		if (column__is_text(c)) {
			const char *text;
			size_t length;

			memcpy(&text, (const char *)row + c->offset, sizeof(text));
			p->texts[i] = text;
			if (text) {
				length = strlen(text);
				if (length > INT32_MAX / 2 || at > INT32_MAX / 2)
					return -ERANGE;
				p->values[i] = (int64_t)((uint64_t)at << 32 | length);
				at += length;
			}
			r = !text;
		} else {
			r = column__get(c, row, origin_ns, &p->values[i]);
		}
		if (r < 0)
			return r;
		if (r > 0) {
			if (!column__is_optional(c))
				return -ERANGE;
			p->nulls |= UINT64_C(1) << i;
			p->values[i] = 0;
		}
	}
	p->size = (at + 7) & ~(size_t)7;
	return 0;
}

/* With the lock held. A row larger than an arena gets one of its own size as soon as nothing else is in it. */
static int make_space(struct recording_queue *q, size_t size)
{
	while (!q->closed && q->active.used && q->active.used + size > q->active.capacity) {
		pthread_cond_signal(&q->wake_writer);
		pthread_cond_wait(&q->wake_others, &q->lock);
	}
	if (q->closed)
		return -EPIPE;
	if (size > q->active.capacity) {
		unsigned char *bytes = realloc(q->active.bytes, size);

		if (!bytes)
			return -ENOMEM;
		q->active.bytes = bytes;
		q->active.capacity = size;
	}
	return 0;
}

int recording_queue__put(struct recording_queue *q, enum table_id table, const void *row, uint64_t origin_ns)
{
	const struct table *t = &tables[table];
	struct queued_row *out;
	struct packed p;
	int r = pack(&p, t, row, origin_ns);

	if (r)
		return r;
	pthread_mutex_lock(&q->lock);
	r = make_space(q, p.size);
	if (r)
		goto out;
	out = (struct queued_row *)(void *)(q->active.bytes + q->active.used);
	out->size = (uint32_t)p.size;
	out->table = table;
	out->nulls = p.nulls;
	memcpy(out->values, p.values, t->n_columns * sizeof(int64_t));
	for (unsigned int i = 0; i < t->n_columns; i++)
		if (column__is_text(&t->columns[i]) && p.texts[i])
			memcpy((char *)out + ((uint64_t)p.values[i] >> 32), p.texts[i], (uint32_t)p.values[i]);
	if (!q->active.used) {
		q->first_row_ns = now_ns();
		pthread_cond_signal(&q->wake_writer);
	} else if (q->active.used <= q->active.capacity / 2 && q->active.used + p.size > q->active.capacity / 2) {
		pthread_cond_signal(&q->wake_writer);
	}
	q->active.used += p.size;
out:
	pthread_mutex_unlock(&q->lock);
	return r;
}

/* An arena that grew for one long row goes back to its size, so that memory stays bounded. */
static void arena__reset(struct queue_arena *a)
{
	a->used = 0;
	if (a->capacity > ARENA_BYTES) {
		unsigned char *bytes = realloc(a->bytes, ARENA_BYTES);

		if (bytes) {
			a->bytes = bytes;
			a->capacity = ARENA_BYTES;
		}
	}
}

bool recording_queue__take(struct recording_queue *q, uint64_t max_age_ns, uint64_t *ticket)
{
	struct queue_arena taken;
	bool more;

	arena__reset(&q->draining);
	pthread_mutex_lock(&q->lock);
	while (!q->stop && q->flush_wanted == q->flush_done && q->active.used <= q->active.capacity / 2) {
		uint64_t due = q->first_row_ns + max_age_ns;
		struct timespec until = { (time_t)(due / 1000000000u), (long)(due % 1000000000u) };

		if (!q->first_row_ns)
			pthread_cond_wait(&q->wake_writer, &q->lock);
		else if (pthread_cond_timedwait(&q->wake_writer, &q->lock, &until) == ETIMEDOUT)
			break;
	}
	taken = q->active;
	q->active = q->draining;
	q->draining = taken;
	q->first_row_ns = 0;
	*ticket = q->flush_wanted;
	more = !q->stop;
	pthread_cond_broadcast(&q->wake_others);
	pthread_mutex_unlock(&q->lock);
	return more;
}

void recording_queue__done(struct recording_queue *q, uint64_t ticket)
{
	pthread_mutex_lock(&q->lock);
	q->flush_done = ticket;
	pthread_cond_broadcast(&q->wake_others);
	pthread_mutex_unlock(&q->lock);
}

const struct queued_row *recording_queue__next(const struct recording_queue *q, const struct queued_row *previous)
{
	const unsigned char *end = q->draining.bytes + q->draining.used;
	const unsigned char *at = previous ? (const unsigned char *)previous + previous->size : q->draining.bytes;

	return at < end ? (const struct queued_row *)(const void *)at : NULL;
}

void recording_queue__flush(struct recording_queue *q)
{
	uint64_t ticket;

	pthread_mutex_lock(&q->lock);
	ticket = ++q->flush_wanted;
	pthread_cond_signal(&q->wake_writer);
	while (!q->closed && q->flush_done < ticket)
		pthread_cond_wait(&q->wake_others, &q->lock);
	pthread_mutex_unlock(&q->lock);
}

void recording_queue__stop(struct recording_queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->stop = true;
	pthread_cond_signal(&q->wake_writer);
	pthread_mutex_unlock(&q->lock);
}

void recording_queue__close(struct recording_queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	pthread_cond_broadcast(&q->wake_others);
	pthread_mutex_unlock(&q->lock);
}
