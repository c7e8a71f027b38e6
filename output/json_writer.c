/* SPDX-License-Identifier: Apache-2.0 */
#include "output/json_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "output/utf8.h"
#include "userspace/recording.h"

void json_writer__init(struct json_writer *w, FILE *f, int break_depth)
{
	memset(w, 0, sizeof(*w));
	w->f = f;
	w->break_depth = break_depth;
}

int json_writer__finish(struct json_writer *w)
{
	putc('\n', w->f);
	if (w->depth != 0 || w->has_key)
		w->misused = true;
	if (w->misused)
		return -EINVAL;
	return ferror(w->f) ? -EIO : 0;
}

static void break_line(struct json_writer *w)
{
	putc('\n', w->f);
	for (int i = 0; i < w->depth; i++)
		fputs("  ", w->f);
}

/* Comma and white space before a key, or before a value of an array. */
static void separate(struct json_writer *w)
{
	bool *has_members = &w->has_members[w->depth];

	if (*has_members)
		putc(',', w->f);
	if (w->depth > 0 && w->depth <= w->break_depth)
		break_line(w);
	else if (*has_members)
		putc(' ', w->f);
	*has_members = true;
}

static void before_value(struct json_writer *w)
{
	if (w->has_key) {
		w->has_key = false;
		return;
	}
	if (w->in_object[w->depth] || (w->depth == 0 && w->has_members[0]))
		w->misused = true;
	separate(w);
}

static void begin(struct json_writer *w, bool object)
{
	before_value(w);
	putc(object ? '{' : '[', w->f);
	if (w->depth + 1 >= JSON_MAX_DEPTH) {
		w->misused = true;
		return;
	}
	w->depth++;
	w->in_object[w->depth] = object;
	w->has_members[w->depth] = false;
}

static void end(struct json_writer *w, bool object)
{
	bool had_members = w->has_members[w->depth];

	if (w->depth == 0 || w->has_key || w->in_object[w->depth] != object) {
		w->misused = true;
		return;
	}
	w->in_object[w->depth] = false;
	w->depth--;
	if (had_members && w->depth < w->break_depth)
		break_line(w);
	putc(object ? '}' : ']', w->f);
}

void json_writer__begin_object(struct json_writer *w)
{
	begin(w, true);
}

void json_writer__end_object(struct json_writer *w)
{
	end(w, true);
}

void json_writer__begin_array(struct json_writer *w)
{
	begin(w, false);
}

void json_writer__end_array(struct json_writer *w)
{
	end(w, false);
}

static void put_escaped(FILE *f, const char *s, size_t n)
{
	putc('"', f);
	while (n > 0) {
		uint32_t code_point;
		size_t used = utf8__decode(s, n, &code_point);

		switch (code_point) {
		case '"':
			fputs("\\\"", f);
			break;
		case '\\':
			fputs("\\\\", f);
			break;
		case '\n':
			fputs("\\n", f);
			break;
		case '\r':
			fputs("\\r", f);
			break;
		case '\t':
			fputs("\\t", f);
			break;
		case UTF8_REPLACEMENT:
			fputs(UTF8_REPLACEMENT_BYTES, f);
			break;
		default:
			/* DEL and C1 are legal in JSON but not on the terminal that may show it. */
			if (code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0))
				fprintf(f, "\\u%04x", (unsigned int)code_point);
			else
				fwrite(s, 1, used, f);
		}
		s += used;
		n -= used;
	}
	putc('"', f);
}

void json_writer__key(struct json_writer *w, const char *key)
{
	if (!w->in_object[w->depth] || w->has_key)
		w->misused = true;
	separate(w);
	put_escaped(w->f, key, strlen(key));
	fputs(": ", w->f);
	w->has_key = true;
}

void json_writer__bytes(struct json_writer *w, const char *value, size_t n)
{
	before_value(w);
	put_escaped(w->f, value, n);
}

void json_writer__string(struct json_writer *w, const char *value)
{
	if (value)
		json_writer__bytes(w, value, strlen(value));
	else
		json_writer__null(w);
}

void json_writer__integer(struct json_writer *w, int64_t value)
{
	before_value(w);
	fprintf(w->f, "%" PRId64, value);
}

void json_writer__optional(struct json_writer *w, int64_t value)
{
	if (value == ABSENT)
		json_writer__null(w);
	else
		json_writer__integer(w, value);
}

void json_writer__bool(struct json_writer *w, bool value)
{
	before_value(w);
	fputs(value ? "true" : "false", w->f);
}

void json_writer__number(struct json_writer *w, double value)
{
	char text[32];

	if (!isfinite(value)) {
		json_writer__null(w);
		return;
	}
	before_value(w);
	/* The shortest of the forms that read back as the same number. */
	for (int digits = 6; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	fputs(text, w->f);
}

void json_writer__null(struct json_writer *w)
{
	before_value(w);
	fputs("null", w->f);
}

void json_writer__put_string(struct json_writer *w, const char *key, const char *value)
{
	json_writer__key(w, key);
	json_writer__string(w, value);
}

void json_writer__put_integer(struct json_writer *w, const char *key, int64_t value)
{
	json_writer__key(w, key);
	json_writer__integer(w, value);
}

void json_writer__put_optional(struct json_writer *w, const char *key, int64_t value)
{
	json_writer__key(w, key);
	json_writer__optional(w, value);
}

void json_writer__put_number(struct json_writer *w, const char *key, double value)
{
	json_writer__key(w, key);
	json_writer__number(w, value);
}

void json_writer__put_bool(struct json_writer *w, const char *key, bool value)
{
	json_writer__key(w, key);
	json_writer__bool(w, value);
}

void json_writer__put_null(struct json_writer *w, const char *key)
{
	json_writer__key(w, key);
	json_writer__null(w);
}

void json_writer__put_object(struct json_writer *w, const char *key)
{
	json_writer__key(w, key);
	json_writer__begin_object(w);
}

void json_writer__put_array(struct json_writer *w, const char *key)
{
	json_writer__key(w, key);
	json_writer__begin_array(w);
}
