/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/recording_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/recording_loader.h"

/* What an engine does behind an answer (its last call on the memory) is done by then. */
#define QUIET_NS 1000000ull
/* A server may go on generating for a client that has left, with pauses between its steps. */
#define QUIET_AFTER_LEAVING_NS 1000000000ull
#define NO_CUT UINT64_MAX

#define FIRST_TABLE TABLE_STEP
#define N_PART_TABLES (TABLE_CHUNK - TABLE_STEP + 1)

struct part_table {
	struct table_cursor cursor;
	size_t n_taken;			/* of its rows, by this part */
};

struct recording_parts {
	struct loader loader;
	struct recording facts;
	struct part_table tables[N_PART_TABLES];
	uint64_t begun_ns;		/* the part's first moment */
	size_t least;
	int64_t n_requests;
	bool ended;
};

static struct part_table *table_of(struct recording_parts *p, int table)
{
	return &p->tables[table - FIRST_TABLE];
}

/* Row i of those that are still wanted, read where it must be. @return 1, 0: there is none, or an error */
static int peek(struct recording_parts *p, int table, size_t i, void **row)
{
	struct table_cursor *c = &table_of(p, table)->cursor;
	int r = 1;

	while (c->n <= i && r > 0)
		r = table_cursor__read(c, &p->loader);
	if (r > 0)
		*row = c->rows + i * c->table->row_size;
	return r;
}

/* ---------------------------------------------------------------------------------------------------------- where to cut --- */

struct progress {
	size_t n_requests, n_steps;
	uint64_t ended_ns, left_ns, step_ended_ns;	/* the latest of each */
	int64_t request_id, step_id;			/* the largest */
};

/* Take the steps before a moment. @return whether the engine was quiet before it; or an error */
static int take_steps(struct recording_parts *p, struct progress *g, uint64_t until_ns)
{
	void *row;
	int r;

	while ((r = peek(p, TABLE_STEP, g->n_steps, &row)) > 0) {
		const struct row_step *step = row;

		if (step->start_ns < p->begun_ns)
			return -EAGAIN;
		if (step->start_ns >= until_ns)
			break;
		g->step_ended_ns = step->end_ns > g->step_ended_ns ? step->end_ns : g->step_ended_ns;
		g->step_id = step->id;
		g->n_steps++;
	}
	return r < 0 ? r : until_ns == NO_CUT || g->step_ended_ns + QUIET_NS <= until_ns;
}

static void take_request(struct progress *g, const struct row_request *q)
{
	const uint64_t end_ns = q->end_ns ? q->end_ns : NO_CUT - QUIET_AFTER_LEAVING_NS;

	g->ended_ns = end_ns > g->ended_ns ? end_ns : g->ended_ns;
	if (q->client_left && end_ns > g->left_ns)
		g->left_ns = end_ns;
	g->request_id = q->id;
	g->n_requests++;
}

/* @return 0, with the moment of the cut; or an error */
static int find_cut(struct recording_parts *p, struct progress *g, uint64_t *cut_ns)
{
	void *row;
	int r;

	while ((r = peek(p, TABLE_REQUEST, g->n_requests, &row)) > 0) {
		const struct row_request *q = row;

		if (q->arrival_ns < p->begun_ns)
			return -EAGAIN;
		if (g->n_requests >= p->least && g->ended_ns + QUIET_NS <= q->arrival_ns &&
		    (!g->left_ns || g->left_ns + QUIET_AFTER_LEAVING_NS <= q->arrival_ns)) {
			*cut_ns = q->arrival_ns;
			r = take_steps(p, g, *cut_ns);
			if (r)
				return r < 0 ? r : 0;
		}
		take_request(g, q);
	}
	*cut_ns = NO_CUT;
	if (!r)
		r = take_steps(p, g, NO_CUT);
	return r < 0 ? r : 0;
}

/* ------------------------------------------------------------------------------------------------------------- the rest --- */

/* By what a row of another table belongs to the part. */
static uint64_t time_of(int table, const void *row)
{
	return table == TABLE_SAMPLE ? ((const struct row_sample *)row)->time_ns :
				       ((const struct row_memory *)row)->time_ns;
}

static int64_t owner_of(int table, const void *row)
{
	switch (table) {
	case TABLE_STEP_RESOURCE:
		return ((const struct row_step_resource *)row)->step;
	case TABLE_ROW:
		return ((const struct row_row *)row)->step;
	default:
		return ((const struct row_chunk *)row)->request;
	}
}

static int take_owned(struct recording_parts *p, int table, int64_t last, bool all)
{
	size_t n = 0;
	void *row;
	int r;

	while ((r = peek(p, table, n, &row)) > 0 && (all || owner_of(table, row) <= last))
		n++;
	table_of(p, table)->n_taken = n;
	return r < 0 ? r : 0;
}

static int take_timed(struct recording_parts *p, int table, uint64_t until_ns)
{
	size_t n = 0;
	void *row;
	int r;

	while ((r = peek(p, table, n, &row)) > 0 && time_of(table, row) < until_ns) {
		if (time_of(table, row) < p->begun_ns)
			return -EAGAIN;
		n++;
	}
	table_of(p, table)->n_taken = n;
	return r < 0 ? r : 0;
}

/* The texts of a row that was read ahead go over to the next part. */
static int keep_texts(struct strings *strings, const struct table *t, char *row)
{
	for (unsigned int i = 0; i < t->n_columns; i++) {
		const char *text;

		if (!column__is_text(&t->columns[i]))
			continue;
		memcpy(&text, row + t->columns[i].offset, sizeof(text));
		if (!text)
			continue;
		text = strings__keep(strings, text, strlen(text));
		if (!text)
			return -ENOMEM;
		memcpy(row + t->columns[i].offset, &text, sizeof(text));
	}
	return 0;
}

/* The rows become the part's, those that were read ahead are kept for the next one. */
static int hand_over(struct part_table *t, struct recording *part, struct strings *next_strings)
{
	struct table_cursor *c = &t->cursor;
	const size_t size = c->table->row_size, n_ahead = c->n - t->n_taken;
	char *ahead = n_ahead ? malloc(n_ahead * size) : NULL;

	memcpy((char *)part + c->table->array, &c->rows, sizeof(c->rows));
	memcpy((char *)part + c->table->count, &t->n_taken, sizeof(t->n_taken));
	if (n_ahead && ahead)
		memcpy(ahead, c->rows + t->n_taken * size, n_ahead * size);
	c->rows = ahead;
	c->n = c->capacity = ahead ? n_ahead : 0;
	t->n_taken = 0;
	if (n_ahead && !ahead)
		return -ENOMEM;
	for (size_t i = 0; i < n_ahead; i++)
		if (keep_texts(next_strings, c->table, ahead + i * size))
			return -ENOMEM;
	return 0;
}

static int make_part(struct recording_parts *p, struct recording *part)
{
	struct strings *next = strings__new();
	int r = next ? 0 : -ENOMEM;

	*part = p->facts;
	part->strings = p->loader.strings;
	p->loader.strings = next;
	for (int i = 0; i < N_PART_TABLES; i++) {
		memset((char *)part + p->tables[i].cursor.table->array, 0, sizeof(void *));
		if (!r)
			r = hand_over(&p->tables[i], part, next);
	}
	if (r)
		loader__no_memory(&p->loader);
	if (!r)
		r = loader__sort(&p->loader, part);
	if (r)
		recording_part__free(part);
	return r;
}

void recording_part__free(struct recording *part)
{
	for (int i = 0; i < N_PART_TABLES; i++) {
		void *rows;

		memcpy(&rows, (char *)part + tables[FIRST_TABLE + i].array, sizeof(rows));
		free(rows);
	}
	strings__free(part->strings);
	memset(part, 0, sizeof(*part));
}

int recording_parts__next(struct recording_parts *p, struct recording *part)
{
	struct progress g = { .request_id = -1, .step_id = -1 };
	uint64_t cut_ns;
	int r;

	if (p->ended)
		return 0;
	r = find_cut(p, &g, &cut_ns);
	if (r)
		return r;
	p->ended = cut_ns == NO_CUT;
	table_of(p, TABLE_REQUEST)->n_taken = g.n_requests;
	table_of(p, TABLE_STEP)->n_taken = g.n_steps;
	r = take_owned(p, TABLE_STEP_RESOURCE, g.step_id, p->ended);
	if (!r)
		r = take_owned(p, TABLE_ROW, g.step_id, p->ended);
	if (!r)
		r = take_owned(p, TABLE_CHUNK, g.request_id, p->ended);
	if (!r)
		r = take_timed(p, TABLE_SAMPLE, cut_ns);
	if (!r)
		r = take_timed(p, TABLE_MEMORY, cut_ns);
	if (r)
		return r;
	p->begun_ns = cut_ns;
	r = make_part(p, part);
	return r ? r : 1;
}

/* -------------------------------------------------------------------------------------------------------- the interface --- */

static int count_requests(struct recording_parts *p)
{
	sqlite3_stmt *s;

	p->n_requests = ABSENT;
	if (sqlite3_prepare_v2(p->loader.source.db, "SELECT max(id) FROM request", -1, &s, NULL) != SQLITE_OK)
		return 0;
	if (sqlite3_step(s) == SQLITE_ROW && sqlite3_column_type(s, 0) == SQLITE_INTEGER)
		p->n_requests = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return 0;
}

int recording_parts__open(struct recording_parts **out, const char *path, size_t least, char *error, size_t error_size)
{
	struct recording_parts *p = calloc(1, sizeof(*p));
	int r;

	*out = p;
	if (!p)
		return -ENOMEM;
	p->least = least;
	r = loader__open(&p->loader, &p->facts, path, error, error_size);
	if (!r)
		r = loader__load(&p->loader, 0, FIRST_TABLE);
	if (!r)
		r = loader__load(&p->loader, TABLE_FIT, TABLE_KERNEL_KIND);
	/* System calls and interrupts are for reports; there are as many rows of them as of steps. */
	if (!r)
		r = loader__load(&p->loader, TABLE_KERNEL_SAMPLE + 1, FIRST_STACK_TABLE);
	for (int i = 0; i < N_PART_TABLES && !r; i++)
		r = table_cursor__open(&p->tables[i].cursor, &p->loader, &tables[FIRST_TABLE + i]);
	if (!r)
		r = count_requests(p);
	/* Those of the facts stay with them. */
	p->loader.strings = r ? NULL : strings__new();
	if (!r && !p->loader.strings)
		r = loader__no_memory(&p->loader);
	if (!r)
		return 0;
	recording_parts__close(p);
	*out = NULL;
	return r;
}

bool recording_parts__ended(const struct recording_parts *p)
{
	return p->ended;
}

const struct recording *recording_parts__facts(const struct recording_parts *p)
{
	return &p->facts;
}

int64_t recording_parts__n_requests(const struct recording_parts *p)
{
	return p->n_requests;
}

void recording_parts__close(struct recording_parts *p)
{
	if (!p)
		return;
	for (int i = 0; i < N_PART_TABLES; i++)
		table_cursor__close(&p->tables[i].cursor);
	strings__free(p->loader.strings);
	loader__close(&p->loader);
	recording__free(&p->facts);
	free(p);
}
