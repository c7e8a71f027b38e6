/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON read in place: values are spans of the caller's text, nothing is allocated.
 *
 * A tree of hostile JSON takes up to a hundred times the memory of its text (8 MiB of `[],[],...`), and the server is
 * not trusted; nor is a tree needed for a dozen members of an event. Structure is checked strictly (RFC 8259), the
 * inside of strings leniently: what a client's parser might accept must not blind us.
 */
#ifndef TOKPROF_WIRE_JSON_H
#define TOKPROF_WIRE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_MAX_DEPTH 1024

enum json_kind {
	JSON_NONE = 0, /* absent, or no JSON */
	JSON_OBJECT_SPAN,
	JSON_ARRAY_SPAN,
	JSON_STRING_SPAN,
	JSON_NUMBER_SPAN,
	JSON_BOOL_SPAN,
	JSON_NULL_SPAN,
};

struct json_value {
	enum json_kind kind;
	const char *at; /* strings: the first byte after the quote, escapes still in */
	size_t n;
};

/* A whole text that is one value, white space around it allowed. kind JSON_NONE: it is none. */
struct json_value json__parse(const char *text, size_t n);
/* One value at the front of a text, whatever follows it. */
struct json_value json__parse_first(const char *text, size_t n);

/* A walk over the members of an object or the elements of an array. */
struct json_walk {
	const char *p, *end;
};
struct json_walk json__walk(const struct json_value *container);
bool json_walk__member(struct json_walk *w, struct json_value *key, struct json_value *value);
bool json_walk__element(struct json_walk *w, struct json_value *value);

/* The member of that name, the last one where there are several; JSON_NONE where there is none or no object. */
struct json_value json__member(const struct json_value *object, const char *name);

/* A string's decoded text, piece by piece, straight from the source where it has no escapes. */
struct json_text {
	const char *p, *end;
	char decoded[4];
};
struct json_text json__text(const struct json_value *string);
/* @return bytes in *piece; 0 at the end. Lone surrogates become U+FFFD. */
size_t json_text__next(struct json_text *t, const char **piece);

bool json__equals(const struct json_value *string, const char *literal);
/* Decoded, cut at `size` - 1 bytes, terminated. False, and out untouched, where the value is no string. */
bool json__copy(const struct json_value *string, char *out, size_t size);
bool json__is_true(const struct json_value *value);
/* A string, object or array that has something in it. */
bool json__is_filled(const struct json_value *value);
/* A count: digits only, at most 2^53 (what every JSON implementation holds exactly); else ABSENT. */
int64_t json__count(const struct json_value *value);
/* A number of milliseconds as whole microseconds; ABSENT where it is no number, negative or absurd. */
int64_t json__us_from_ms(const struct json_value *value);

#endif
