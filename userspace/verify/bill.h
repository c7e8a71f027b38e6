/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bill as a file: CSV or JSON, with a map from its columns to what they mean. Units: tokens, money in `currency`, time in ns since
 * 1970 UTC.
 */
#ifndef TOKPROF_VERIFY_BILL_H
#define TOKPROF_VERIFY_BILL_H

#include "userspace/verify/decimal.h"

enum bill_column {
	BILL_REQUEST_ID = 0,
	BILL_MODEL,
	BILL_PROMPT_TOKENS,		/* all of the prompt, cached ones included, unless the map says otherwise */
	BILL_CACHED_TOKENS,
	BILL_COMPLETION_TOKENS,
	BILL_REASONING_TOKENS,		/* within the completion's */
	BILL_PRICE,
	BILL_CURRENCY,
	BILL_TIME,			/* when the request was made, or the window begins */
	BILL_TIME_END,			/* where a line covers a window */
	BILL_COUNT,			/* requests that a line covers */
	N_BILL_COLUMNS,
};
extern const char *const bill_column_names[N_BILL_COLUMNS];	/* "request_id", "model", ..., the default map */

struct bill_map {
	char *names[N_BILL_COLUMNS];	/* as the file has them; NULL: its default name, where there is such a column */
	bool prompt_excludes_cached;	/* its prompt_tokens are those that were computed alone */
	char *time_zone_offset;		/* "+08:00" of times without one; NULL: UTC */
};

struct bill_line {
	int64_t line;			/* in the file, from 1: where a CSV record, or a JSON object, begins */
	const char *request_id;		/* NULL: none given; owned by the bill */
	const char *model, *currency;	/* NULL */
	int64_t prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens;	/* ABSENT (recording.h) */
	int64_t n_requests;		/* ABSENT: one */
	struct decimal price;		/* has_price */
	bool has_price;
	int64_t begin_unix_ns, end_unix_ns;	/* ABSENT; end is exclusive, ABSENT for a moment */
};

struct bill {
	const char *path;
	struct bill_line *lines;	/* as they stand in the file */
	size_t n;
	bool has_column[N_BILL_COLUMNS];
	void *texts;			/* what the lines' texts point into */
};

/*
 * Reads a bill. What is wrong is said with file, line, column and a remedy: `error` then holds one sentence
 * "bill.csv:17:4: completion_tokens 'abc' is no whole number" and `remedy` what to do. CSV: RFC 4180, UTF-8 with or without a byte order mark,
 * ',' or ';' or tab (found from the header line), quoted fields with line breaks. JSON: an array of objects, or an object
 * with one array of them in it, or one object a line.
 * @map NULL: default names @return 0; -EINVAL wrong content; -errno of the file; -ENOMEM; -EFBIG more than BILL_MAX_BYTES
 */
#define BILL_MAX_BYTES (512 << 20)
int bill__read(struct bill *out, const char *path, const struct bill_map *map, char *error, size_t error_size,
	       char *remedy, size_t remedy_size);
/* The same of bytes in memory. @path for messages @is_json else CSV */
int bill__parse(struct bill *out, const char *path, const char *text, size_t n, bool is_json, const struct bill_map *map,
		char *error, size_t error_size, char *remedy, size_t remedy_size);
void bill__free(struct bill *b);

#endif
