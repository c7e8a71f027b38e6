/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading tables of a recording. It comes from anywhere and may be damaged or made to deceive: every value has to have the type
 * and the range of its column, every table its key in order and no key twice, no table more rows and texts than the
 * file has bytes for (a page that is its own neighbour would otherwise be read for ever), and every column of figures
 * has to have a sum, so that the analysis may add without looking.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/recording_loader.h"
#include "userspace/recording_sqlite.h"

/* A row takes at least this many bytes of the file: its size, its header's size, one type. */
#define MIN_ROW_BYTES 3

__attribute__((format(printf, 2, 3))) static int damaged(struct loader *l, const char *format, ...)
{
	char what[256];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(l->error, l->error_size,
		 "%s: damaged recording: %s; copy it again from where it was made, or save what is left with: "
		 "sqlite3 FILE .recover",
		 l->path, what);
	return -EBADMSG;
}

int loader__no_memory(struct loader *l)
{
	snprintf(l->error, l->error_size, "%s: cannot load the recording: out of memory", l->path);
	return -ENOMEM;
}

static int fail_sqlite(struct loader *l, const struct table *t, int rc)
{
	int r = sqlite__errno(l->source.db, rc);

	if (r == -ENOMEM)
		return loader__no_memory(l);
	if (r == -EBADMSG)
		return damaged(l, "table %s: %s", t->name, sqlite3_errmsg(l->source.db));
	snprintf(l->error, l->error_size, "%s: cannot read table %s: %s (%s)", l->path, t->name,
		 sqlite3_errmsg(l->source.db), strerror(-r));
	return r;
}

/* ----------------------------------------------------------------------------------------------------- a table --- */

/* A version grew until it was released: files of one that is past may lack what came to it last. */
static bool may_lack(const struct loader *l, const struct table *t, unsigned int n)
{
	return n && l->source.version < RECORDING_SCHEMA_VERSION && t->columns[n].since > 1;
}

/*
 * Names, key and kind of the columns, so that the query below is a plain walk along the key: a view, a virtual table or
 * a generated column in a table's place could compute anything. @n_found: how many of them it has
 */
static int check_columns(struct loader *l, const struct table *t, unsigned int *n_found)
{
	sqlite3_stmt *s;
	unsigned int n = 0, n_columns = table__n_columns(t, l->source.version);
	bool good = true;
	int rc = sqlite3_prepare_v2(
		l->source.db,
		"SELECT c.name, c.pk, c.hidden "
		"FROM sqlite_master AS t, pragma_table_xinfo(?1) AS c "
		"WHERE t.name = ?1 AND t.type = 'table' AND t.sql LIKE 'CREATE TABLE%' ORDER BY c.cid",
		-1, &s, NULL);

	if (rc != SQLITE_OK)
		return fail_sqlite(l, t, rc);
	sqlite3_bind_text(s, 1, t->name, -1, SQLITE_STATIC);
	while ((rc = sqlite3_step(s)) == SQLITE_ROW && good) {
		const char *name = (const char *)sqlite3_column_text(s, 0);

		good = n < n_columns && name && !strcmp(name, t->columns[n].name) &&
		       sqlite3_column_int(s, 1) == (int)(n < t->n_key ? n + 1 : 0) && sqlite3_column_int(s, 2) == 0;
		n++;
	}
	sqlite3_finalize(s);
	if (good && rc != SQLITE_DONE)
		return fail_sqlite(l, t, rc);
	*n_found = n;
	if (!good || (n != n_columns && !may_lack(l, t, n)))
		return damaged(l, "table %s is missing or has other columns than schema version %u", t->name,
			       l->source.version);
	return 0;
}

/* @return 1: there is a table, or something else, of the name; 0: nothing; or an error */
static int has_table(struct loader *l, const struct table *t)
{
	sqlite3_stmt *s;
	int rc = sqlite3_prepare_v2(l->source.db, "SELECT 1 FROM sqlite_master WHERE name = ?1", -1, &s, NULL);

	if (rc != SQLITE_OK)
		return fail_sqlite(l, t, rc);
	sqlite3_bind_text(s, 1, t->name, -1, SQLITE_STATIC);
	rc = sqlite3_step(s);
	sqlite3_finalize(s);
	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : fail_sqlite(l, t, rc);
}

static int key__compare(const struct table *t, const struct table_key *a, const struct table_key *b)
{
	for (unsigned int i = 0; i < t->n_key; i++) {
		int d;

		if (column__is_text(&t->columns[i]))
			d = strcmp(a->text[i], b->text[i]);
		else
			d = (a->number[i] > b->number[i]) - (a->number[i] < b->number[i]);
		if (d)
			return d;
	}
	return 0;
}

static int read_text(struct loader *l, sqlite3_stmt *s, int i, const char **out)
{
	const char *text = (const char *)sqlite3_column_text(s, i);
	size_t n = (size_t)sqlite3_column_bytes(s, i);

	if (!text)
		return loader__no_memory(l);
	l->n_text_bytes += n;
	if (l->n_text_bytes > l->source.n_bytes)
		return damaged(l, "it claims more text than it has bytes");
	*out = strings__keep(l->strings, text, n);
	return *out ? 0 : loader__no_memory(l);
}

static int read_row(struct loader *l, struct table_cursor *cursor, void *row, struct table_key *key)
{
	const struct table *t = cursor->table;
	sqlite3_stmt *s = cursor->statement;
	uint64_t *sums = cursor->sums;

	for (unsigned int i = 0; i < t->n_columns; i++) {
		const struct column *c = &t->columns[i];
		/* Each sqlite3_column_*() finds the value anew. An unprotected one is as good for the connection's only thread. */
		sqlite3_value *cell = sqlite3_column_value(s, (int)i);
		int type = sqlite3_value_type(cell), r;

		if (type == SQLITE_FLOAT && cursor->kinds[i].is_real) {
			r = column__set_real(c, row, sqlite3_value_double(cell));
		} else if (type == SQLITE_INTEGER && !cursor->kinds[i].is_text && !cursor->kinds[i].is_real) {
			int64_t value = sqlite3_value_int64(cell);

			r = column__set(c, row, l->origin_ns, value);
			if (i < t->n_key)
				key->number[i] = value;
			if (!r && cursor->kinds[i].is_summed) {
				sums[i] += (uint64_t)value;
				if (sums[i] > INT64_MAX)
					return damaged(l,
						       "table %s: the figures of %s add up to more than there "
						       "can be",
						       t->name, c->name);
			}
		} else if (type == SQLITE_TEXT && cursor->kinds[i].is_text) {
			const char *text = NULL;

			r = read_text(l, s, (int)i, &text);
			if (r)
				return r;
			memcpy((char *)row + c->offset, &text, sizeof(text));
			if (i < t->n_key)
				key->text[i] = text;
		} else if (type == SQLITE_NULL && i >= t->n_key) {
			r = column__set_null(c, row);
		} else {
			r = -ERANGE;
		}
		if (r)
			return damaged(l, "table %s has a row whose %s is %.40s", t->name, c->name,
				       type == SQLITE_NULL ? "missing" :
				       type == SQLITE_BLOB ? "binary" :
							     (const char *)sqlite3_column_text(s, (int)i));
	}
	return 0;
}

/* Pages that are never touched cost nothing, so doubling and giving back at the end beats counting the rows first. */
static int grow(struct table_cursor *c)
{
	size_t n = c->capacity ? 2 * c->capacity : 64;
	char *bigger = realloc(c->rows, n * c->table->row_size);

	if (!bigger)
		return -ENOMEM;
	c->rows = bigger;
	c->capacity = n;
	return 0;
}

int table_cursor__open(struct table_cursor *c, struct loader *l, const struct table *t)
{
	unsigned int n_found = 0;
	char *sql;
	int rc, r;

	memset(c, 0, sizeof(*c));
	c->table = t;
	for (unsigned int i = 0; i < t->n_columns; i++) {
		c->kinds[i].is_text = column__is_text(&t->columns[i]);
		c->kinds[i].is_real = column__is_real(&t->columns[i]);
		c->kinds[i].is_summed = column__is_summed(&t->columns[i]);
	}
	r = t->later ? has_table(l, t) : 1;
	c->ended = r <= 0;
	if (r <= 0)
		return r;
	r = check_columns(l, t, &n_found);
	if (r)
		return r;
	sql = table__select_sql(t, n_found);
	if (!sql)
		return loader__no_memory(l);
	rc = sqlite3_prepare_v2(l->source.db, sql, -1, &c->statement, NULL);
	free(sql);
	return rc == SQLITE_OK ? 0 : fail_sqlite(l, t, rc);
}

int table_cursor__read(struct table_cursor *c, struct loader *l)
{
	const struct table *t = c->table;
	int rc, r;
	char *row;

	if (c->ended)
		return 0;
	rc = sqlite3_step(c->statement);
	if (rc != SQLITE_ROW) {
		c->ended = true;
		return rc == SQLITE_DONE ? 0 : fail_sqlite(l, t, rc);
	}
	if (c->n == c->capacity && grow(c))
		return loader__no_memory(l);
	row = c->rows + c->n * t->row_size;
	memset(row, 0, t->row_size);
	r = read_row(l, c, row, &c->keys[c->n_read & 1]);
	if (r)
		return r;
	if (c->n_read && key__compare(t, &c->keys[~c->n_read & 1], &c->keys[c->n_read & 1]) >= 0)
		return damaged(l, "table %s is out of order", t->name);
	c->n++;
	if (++c->n_read > l->source.n_bytes / MIN_ROW_BYTES)
		return damaged(l, "table %s has more rows than the file has bytes for", t->name);
	return 1;
}

void table_cursor__close(struct table_cursor *c)
{
	sqlite3_finalize(c->statement);
	free(c->rows);
	memset(c, 0, sizeof(*c));
}

static int load_table(struct loader *l, const struct table *t)
{
	struct table_cursor c;
	int r = table_cursor__open(&c, l, t);
	char *exact;

	while (!r && (r = table_cursor__read(&c, l)) > 0)
		r = 0;
	/* Handed over to the recording, which frees them also after an error. */
	exact = c.n ? realloc(c.rows, c.n * t->row_size) : NULL;
	if (exact)
		c.rows = exact;
	memcpy((char *)l->out + t->array, &c.rows, sizeof(c.rows));
	memcpy((char *)l->out + t->count, &c.n, sizeof(c.n));
	c.rows = NULL;
	table_cursor__close(&c);
	return r;
}

static int read_origin(struct loader *l)
{
	int64_t origin = recording__meta_int(l->out, META_ORIGIN_MONO_NS);

	if (origin < 0 || origin > INT64_MAX / 2)
		return damaged(l, "table recording has no valid %s", META_ORIGIN_MONO_NS);
	l->origin_ns = (uint64_t)origin;
	return 0;
}

int loader__open(struct loader *l, struct recording *out, const char *path, char *error, size_t error_size)
{
	int r;

	memset(l, 0, sizeof(*l));
	memset(out, 0, sizeof(*out));
	l->out = out;
	l->path = path;
	l->error = error;
	l->error_size = error_size;
	error[0] = '\0';
	r = recording_source__open(&l->source, path, error, error_size);
	if (r)
		return r;
	l->strings = strings__new();
	out->strings = l->strings;
	return l->strings ? 0 : loader__no_memory(l);
}

int loader__load(struct loader *l, int from, int to)
{
	int r = 0;

	for (int i = from; i < to && !r; i++) {
		r = load_table(l, &tables[i]);
		if (!r && i == TABLE_RECORDING)
			r = read_origin(l);
	}
	return r;
}

void loader__close(struct loader *l)
{
	recording_source__close(&l->source);
}

/* ------------------------------------------------------------------------------------- the order of the arrays --- */

static int compare_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_steps(const void *pa, const void *pb)
{
	const struct row_step *a = pa, *b = pb;
	int d = compare_u64(a->start_ns, b->start_ns);

	return d ? d : (a->id > b->id) - (a->id < b->id);
}

static int compare_requests(const void *pa, const void *pb)
{
	const struct row_request *a = pa, *b = pb;
	int d = compare_u64(a->arrival_ns, b->arrival_ns);

	return d ? d : (a->id > b->id) - (a->id < b->id);
}

static void sort(void *array, size_t n, size_t size, int (*compare)(const void *, const void *))
{
	if (n)
		qsort(array, n, size, compare);
}

/* Events of one instant keep the order in which they were recorded, which qsort() alone would not promise. */
struct ordered_memory {
	struct row_memory row;
	size_t order;
};

static int compare_memories(const void *pa, const void *pb)
{
	const struct ordered_memory *a = pa, *b = pb;
	int d = compare_u64(a->row.time_ns, b->row.time_ns);

	return d ? d : (a->order > b->order) - (a->order < b->order);
}

static int sort_memories(struct loader *l, struct recording *out)
{
	struct ordered_memory *all = malloc((out->n_memories + 1) * sizeof(*all));

	if (!all)
		return loader__no_memory(l);
	for (size_t i = 0; i < out->n_memories; i++)
		all[i] = (struct ordered_memory){ out->memories[i], i };
	sort(all, out->n_memories, sizeof(*all), compare_memories);
	for (size_t i = 0; i < out->n_memories; i++)
		out->memories[i] = all[i].row;
	free(all);
	return 0;
}

int loader__sort(struct loader *l, struct recording *out)
{
	sort(out->steps, out->n_steps, sizeof(*out->steps), compare_steps);
	sort(out->requests, out->n_requests, sizeof(*out->requests), compare_requests);
	return sort_memories(l, out);
}
