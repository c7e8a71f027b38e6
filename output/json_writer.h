/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON as it is written: nothing is kept, so that a report of a million tokens needs no memory for them.
 *
 * Strings are escaped and made valid UTF-8 (ill-formed bytes become U+FFFD); integers are exact, 64 bits; keys stand in
 * the order in which they were written. Containers down to `break_depth` have their members on lines of their own, those
 * below stand on one line. Misuse (a value without its key, an unclosed container) shows as -EINVAL at the end.
 */
#ifndef TOKPROF_JSON_WRITER_H
#define TOKPROF_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_MAX_DEPTH 16

struct json_writer {
	FILE *f;
	int break_depth;
	int depth;
	bool in_object[JSON_MAX_DEPTH];
	bool has_members[JSON_MAX_DEPTH];
	bool has_key; /* a key was written and waits for its value */
	bool misused;
};

void json_writer__init(struct json_writer *w, FILE *f, int break_depth);
/* A final newline. @return 0; -EIO where the stream failed; -EINVAL after misuse */
int json_writer__finish(struct json_writer *w);

void json_writer__begin_object(struct json_writer *w);
void json_writer__end_object(struct json_writer *w);
void json_writer__begin_array(struct json_writer *w);
void json_writer__end_array(struct json_writer *w);
void json_writer__key(struct json_writer *w, const char *key);

void json_writer__string(struct json_writer *w, const char *value); /* NULL: null */
void json_writer__bytes(struct json_writer *w, const char *value, size_t n);
void json_writer__integer(struct json_writer *w, int64_t value);
void json_writer__optional(struct json_writer *w, int64_t value); /* ABSENT: null */
void json_writer__bool(struct json_writer *w, bool value);
void json_writer__number(struct json_writer *w, double value); /* 17 digits; not finite: null */
void json_writer__null(struct json_writer *w);

/* The same with their key. */
void json_writer__put_string(struct json_writer *w, const char *key, const char *value);
void json_writer__put_integer(struct json_writer *w, const char *key, int64_t value);
void json_writer__put_optional(struct json_writer *w, const char *key, int64_t value);
void json_writer__put_number(struct json_writer *w, const char *key, double value);
void json_writer__put_bool(struct json_writer *w, const char *key, bool value);
void json_writer__put_null(struct json_writer *w, const char *key);
void json_writer__put_object(struct json_writer *w, const char *key); /* begins it */
void json_writer__put_array(struct json_writer *w, const char *key); /* begins it */

#endif
