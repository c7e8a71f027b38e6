/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the reader of recordings: tables row by row, for a recording as a whole and for one in parts. */
#ifndef TOKPROF_RECORDING_LOADER_H
#define TOKPROF_RECORDING_LOADER_H

#include "userspace/recording_schema.h"
#include "userspace/recording_source.h"
#include "userspace/recording_strings.h"

struct loader {
	struct recording_source source;
	struct recording *out;
	struct strings *strings;	/* that texts are kept in */
	uint64_t origin_ns;
	uint64_t n_text_bytes;
	const char *path;
	char *error;
	size_t error_size;
};

/* Opens the source; all functions set the sentence. `out` owns the strings and is to be freed in any case. */
int loader__open(struct loader *l, struct recording *out, const char *path, char *error, size_t error_size);
/* Tables [from, to) into `out`, the first ones first. */
int loader__load(struct loader *l, int from, int to);
void loader__close(struct loader *l);
int loader__no_memory(struct loader *l);	/* @return -ENOMEM */

/* The order that recording.h promises, of arrays in the order of their tables. */
int loader__sort(struct loader *l, struct recording *out);

struct table_key {
	int64_t number[MAX_KEY_COLUMNS];
	const char *text[MAX_KEY_COLUMNS];
};

/* A table that is read row by row, in the order of its key. */
struct table_cursor {
	const struct table *table;
	sqlite3_stmt *statement;
	char *rows;			/* that were read and are still wanted */
	size_t n, capacity;
	size_t n_read;			/* in all */
	struct table_key keys[2];
	uint64_t sums[MAX_COLUMNS];
	struct {
		bool is_text, is_real, is_summed;
	} kinds[MAX_COLUMNS];		/* of the columns, asked for once */
	bool ended;
};

int table_cursor__open(struct table_cursor *c, struct loader *l, const struct table *t);	/* close it in any case */
/* One more row. @return 1; 0: there is none; an error */
int table_cursor__read(struct table_cursor *c, struct loader *l);
void table_cursor__close(struct table_cursor *c);

#endif
