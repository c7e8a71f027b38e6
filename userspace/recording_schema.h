/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of a recording as data: one table of columns per table of the database.
 *
 * Everything else follows from it: the DDL (with a comment per column, so that `.schema` explains itself), what the
 * writer binds, what the reader accepts, and what docs/recording.md has to say. A new column is one line here and one
 * field in recording.h; a new table is one array and one entry in `tables`.
 */
#ifndef TOKPROF_RECORDING_SCHEMA_H
#define TOKPROF_RECORDING_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/recording.h"

/* "tokp": what file(1) and PRAGMA application_id show. */
#define RECORDING_APPLICATION_ID 0x746f6b70

/* Of 1 to 32 KiB this made the smallest files, by 0.3 to 4 %; none loads faster beyond the noise (bench_recording). */
#define RECORDING_PAGE_SIZE 4096

#define MAX_COLUMNS 48
#define MAX_KEY_COLUMNS 3

/* Keys of table `recording` that the writer owns; recording_writer__put_meta() refuses them. */
#define META_STATE "state"			/* STATE_RECORDING until the recorder ends in good order */
#define META_SCHEMA_VERSION "schema_version"
#define META_ORIGIN_MONO_NS "origin_mono_ns"	/* what every time in the tables is relative to */
#define META_ORIGIN_UNIX_NS "origin_unix_ns"	/* the same instant by the wall clock */
#define META_ID "id"				/* 128 random bits */
#define STATE_RECORDING "recording"
#define STATE_COMPLETE "complete"

/*
 * How a field of a row struct becomes a value of a column and back. Optional figures are NULL where the field is
 * ABSENT, optional addresses, hashes and times where it is 0, optional texts where it is NULL.
 */
enum column_type {
	COLUMN_SEQUENCE,	/* no field: numbered by SQLite in the order of writing */
	COLUMN_TEXT,		/* const char * */
	COLUMN_TEXT_OPTIONAL,
	COLUMN_BOOL,		/* bool */
	COLUMN_INT,		/* int */
	COLUMN_COUNT_INT,	/* int, not negative */
	COLUMN_INT_OR_UNKNOWN,	/* int, not negative, or -1 */
	COLUMN_GRADE,		/* int, enum grade */
	COLUMN_RESOURCE_KIND,	/* int, enum resource_kind */
	COLUMN_STEP_KIND,	/* int, enum step_kind */
	COLUMN_MEMORY_OP,	/* int, enum memory_op */
	COLUMN_FRAME_KIND,	/* int, enum frame_kind */
	COLUMN_STACK_SAMPLE_KIND, /* int, enum stack_sample_kind */
	COLUMN_WAIT_REASON,	/* int64_t, enum wait_reason; optional */
	COLUMN_USER_END,	/* int, enum user_end */
	COLUMN_U32,		/* uint32_t */
	COLUMN_ID,		/* int64_t, not negative */
	COLUMN_ID_OPTIONAL,
	COLUMN_TOKENS,		/* int64_t, 0 .. INT32_MAX */
	COLUMN_TOKENS_OPTIONAL,
	COLUMN_COUNT,		/* int64_t, not negative */
	COLUMN_COUNT_OPTIONAL,
	COLUMN_METER,		/* int64_t, not negative, cumulative: means nothing when summed */
	COLUMN_DURATION,	/* uint64_t nanoseconds */
	COLUMN_CLAIM,		/* int64_t that another party said: a count, however large; optional */
	COLUMN_BITS,		/* uint64_t whose bits are kept, so that one above INT64_MAX reads as negative in SQL */
	COLUMN_BITS_OPTIONAL,
	COLUMN_TIME,		/* uint64_t CLOCK_MONOTONIC, stored relative to the recording's origin */
	COLUMN_TIME_OPTIONAL,
	COLUMN_END,		/* uint64_t end of the interval that the column before begins; stored as its length */
	COLUMN_REAL,		/* double, 0 .. 2^62 */
	COLUMN_REAL_OPTIONAL,	/* NAN: absent */
	N_COLUMN_TYPES,
};

struct column {
	const char *name;
	enum column_type type;
	size_t offset;		/* of the field in the row's struct */
	const char *unit;	/* "" where there is none */
	const char *doc;
	size_t not_before;	/* of a time: the offset of an earlier column's time that it cannot precede; 0: none */
	unsigned int since;	/* schema version that has it; above 1 only at the end of a table, and optional */
};

struct table {
	const char *name;
	const char *doc;
	const struct column *columns;
	unsigned int n_columns;
	unsigned int n_key;	/* the first n_key columns are the primary key; at most MAX_KEY_COLUMNS */
	bool adds_up;		/* a row with the same key adds to the last column, instead of replacing the row */
	size_t row_size;
	size_t array, count;	/* offsets in struct recording */
	bool later;		/* added after the first tokprof: empty in a recording that has no such table */
};

enum table_id {
	TABLE_RECORDING,
	TABLE_RESOURCE,
	TABLE_TOTAL,
	TABLE_COLLECTOR,
	TABLE_PROBE,
	TABLE_LOSS,
	TABLE_PROCESS,
	TABLE_THREAD,
	TABLE_ENGINE,
	TABLE_MODEL,
	TABLE_CONTEXT,
	TABLE_STEP,
	TABLE_STEP_RESOURCE,
	TABLE_SAMPLE,
	TABLE_ROW,
	TABLE_MEMORY,
	TABLE_REQUEST,
	TABLE_CHUNK,
	TABLE_FIT,
	TABLE_FIT_TERM,
	TABLE_FIT_DRAW,
	TABLE_FILE,
	TABLE_FOOTPRINT,
	TABLE_IOCTL,
	TABLE_STEP_IOCTL,
	TABLE_IOCTL_SAMPLE,
	TABLE_STEP_OPERATOR,
	TABLE_TOUCHED,
	TABLE_KV_CACHE,
	TABLE_TRAFFIC_SOURCE,
	TABLE_TRAFFIC_SAMPLE,
	TABLE_KERNEL_KIND,
	TABLE_KERNEL_BURST,
	TABLE_STEP_KERNEL,
	TABLE_KERNEL_SAMPLE,
	TABLE_MODULE,
	TABLE_FRAME,
	TABLE_STACK,
	TABLE_SYMBOL,
	TABLE_STACK_SAMPLE,
	N_TABLES,
};

/* From here on only where stacks are asked for. */
#define FIRST_STACK_TABLE TABLE_MODULE

extern const struct table tables[N_TABLES];

/* Views for people, NULL-terminated CREATE VIEW statements; tokprof itself never reads them. */
extern const char *const views[];

bool column__is_text(const struct column *c);
bool column__is_real(const struct column *c);
bool column__is_optional(const struct column *c);
/* Figures of this column are summed by the analysis. */
bool column__is_summed(const struct column *c);

/*
 * The value of a column that is no text, from a row's struct; of a real, its bits.
 * @return 0; 1 where it is NULL; -ERANGE where the figure cannot be what the column says
 */
int column__get(const struct column *c, const void *row, uint64_t origin_ns, int64_t *value);

/* The reverse. @return 0; -ERANGE */
int column__set(const struct column *c, void *row, uint64_t origin_ns, int64_t value);
int column__set_real(const struct column *c, void *row, double value);
/* NULL was read. @return 0; -ERANGE where the column is not optional */
int column__set_null(const struct column *c, void *row);

/* How many of a table's columns a schema version has. */
unsigned int table__n_columns(const struct table *t, unsigned int version);

/*
 * "CREATE TABLE ...", "INSERT ..." and "SELECT ..." (in the order of the key, NULL for all but the first `n`
 * columns); malloc()ed, NULL out of memory.
 */
char *table__create_sql(const struct table *t);
char *table__insert_sql(const struct table *t);
char *table__select_sql(const struct table *t, unsigned int n);

#endif
