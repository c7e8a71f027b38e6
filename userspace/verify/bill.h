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
	/* As the file has them; NULL: its default name, where there is such a column. "usage.prompt_tokens" is, in JSON, a member
	 * of the member "usage". */
	char *names[N_BILL_COLUMNS];
	bool prompt_excludes_cached;	/* its prompt_tokens are those that were computed alone */
	char *time_zone_offset;		/* "+08:00" of times without one; NULL: UTC */
	char *time_unit;		/* "s", "ms", "us", "ns" of times that are numbers; NULL: by their magnitude, see below */
	char *currency;			/* "USD" of prices that do not say; NULL: not known */
};

#define BILL_MAX_BYTES (512 << 20)
#define BILL_MAX_COUNT INT64_C(1000000000000000)	/* tokens or requests of one line; a sum may pass int64_t */

struct strings;

struct bill_line {
	int64_t line;			/* in the file, from 1: where a CSV record, or a JSON object, begins */
	const char *request_id;		/* NULL: none given; owned by the bill */
	const char *model, *currency;	/* NULL; currency as its code: "USD" */
	int64_t prompt_tokens;		/* cached ones included, whatever the map says; these four ABSENT (recording.h) */
	int64_t cached_tokens, completion_tokens, reasoning_tokens;
	int64_t n_requests;		/* ABSENT: one */
	int64_t begin_unix_ns, end_unix_ns;	/* ABSENT; end is exclusive, ABSENT for a moment */
	bool has_price;
	struct decimal price;
};

struct bill {
	const char *path;		/* the caller's */
	struct bill_line *lines;	/* as they stand in the file */
	size_t n;
	bool has_column[N_BILL_COLUMNS];
	struct strings *texts;		/* the lines' */
};

/*
 * Reads a bill. What is wrong is said with file, line, column (in characters) and a remedy: `error` then holds one sentence
 * "bill.csv:17:4: completion_tokens 'abc' is no whole number" and `remedy` what to do, without a full stop. What concerns the file
 * as a whole, or the map, names the file alone. Errors are never mended by a guess:
 *
 * CSV: RFC 4180, UTF-8 with or without a byte order mark, any line ends, ',' or ';' or tab (the one that finds most of the
 * map's columns in the header line), quoted fields with line breaks, empty lines. JSON: an array of objects, or an object
 * with one array of them in it, or one object after another. What begins with '{' or '[' is JSON.
 *
 * Columns that the map does not name are ignored, but not where a name differs from a default only by case, blanks or
 * hyphens. Blanks around a value are no part of it. An empty cell, or null, is ABSENT.
 * Counts: digits alone. "1,234", "1e3", "12.0", "-1" and "NaN" are refused.
 * Prices: decimal__parse(), with a currency before or behind: "0.5 CNY", "CNY 0.5", "EUR0.5"; signs of one currency alone (the
 * euro's) stand for it, those of several ($, the yen's and yuan's) need the column or the map to say which.
 * Times: ISO 8601 "2026-01-31T23:59:59[.fraction][zone]", 'T' or a blank, seconds may be missing, '/' as good as '-'; zone Z, UTC,
 * GMT or an offset. A date alone as `time` is that whole day; as `time_end` it is refused, for it does not say
 * whether its day is meant. Numbers are unix times in the map's unit, else in the only one of s, ms, us and ns by which they lie
 * in the years 2000 to 2099.
 *
 * @map NULL: default names @return 0; -EINVAL wrong content; -errno of the file; -ENOMEM; -EFBIG more than BILL_MAX_BYTES
 */
int bill__read(struct bill *out, const char *path, const struct bill_map *map, char *error, size_t error_size,
	       char *remedy, size_t remedy_size);
/* The same of bytes in memory. @path for messages @is_json else CSV */
int bill__parse(struct bill *out, const char *path, const char *text, size_t n, bool is_json,
		const struct bill_map *map, char *error, size_t error_size, char *remedy, size_t remedy_size);
void bill__free(struct bill *b);

#endif
