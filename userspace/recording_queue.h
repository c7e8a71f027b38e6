/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue between the collecting threads and the writing thread: two arenas of packed rows. Producers append to one
 * while the writer empties the other; a swap is one lock, whatever the number of rows. Bounded: where both are full a
 * producer waits, so that nothing is dropped.
 */
#ifndef TOKPROF_RECORDING_QUEUE_H
#define TOKPROF_RECORDING_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/recording_schema.h"

/* A row: this, then its column values, then its texts. In a value, a text is its offset in the row and its length. */
struct queued_row {
	uint32_t size;			/* of all of it, a multiple of 8 */
	uint32_t table;			/* enum table_id */
	uint64_t nulls;			/* bit i: column i is NULL */
	int64_t values[];
};

struct queue_arena {
	unsigned char *bytes;
	size_t used, capacity;
};

struct recording_queue {
	pthread_mutex_t lock;
	pthread_cond_t wake_writer;
	pthread_cond_t wake_others;	/* space for producers, progress for those who wait for a flush */
	struct queue_arena active;
	struct queue_arena draining;	/* the writer's own, outside the lock */
	uint64_t first_row_ns;		/* when the oldest row in `active` came; 0: empty */
	uint64_t flush_wanted, flush_done;
	bool stop;
	bool closed;			/* the writing thread is gone or failed: rows are refused */
};

int recording_queue__init(struct recording_queue *q);
void recording_queue__free(struct recording_queue *q);

/*
 * Copy one row in, waiting for space.
 * @return 0; -ERANGE where a figure is not what its column says; -ENOMEM; -EPIPE where the queue is closed
 */
int recording_queue__put(struct recording_queue *q, enum table_id table, const void *row, uint64_t origin_ns);

/*
 * Writer: wait until there is work: rows older than max_age_ns, half an arena, a flush, the end. Then take the rows.
 * @ticket	pass it to recording_queue__done() when they are durable
 * @return	false at the end, with the last rows taken
 */
bool recording_queue__take(struct recording_queue *q, uint64_t max_age_ns, uint64_t *ticket);
void recording_queue__done(struct recording_queue *q, uint64_t ticket);

/* Rows taken, in order: NULL begins; NULL ends. */
const struct queued_row *recording_queue__next(const struct recording_queue *q, const struct queued_row *previous);

/* Wait until everything put so far is durable, or the queue is closed. */
void recording_queue__flush(struct recording_queue *q);
/* Producers: no more rows will come. */
void recording_queue__stop(struct recording_queue *q);
/* Writer: no more rows will be taken. */
void recording_queue__close(struct recording_queue *q);

#endif
