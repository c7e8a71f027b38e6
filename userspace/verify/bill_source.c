/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/bill_source.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define QUOTED_BYTES 60

/* Files that are taken for a bill by mistake, by their first bytes. */
static const struct {
	const char *bytes;
	size_t n;
	const char *is, *remedy;
} other_files[] = {
	{ "\xff\xfe", 2, "UTF-16", "convert it: iconv -f UTF-16 -t UTF-8 OLD > NEW" },
	{ "\xfe\xff", 2, "UTF-16", "convert it: iconv -f UTF-16 -t UTF-8 OLD > NEW" },
	{ "PK\x03\x04", 4, "a spreadsheet or another ZIP archive", "save the sheet as CSV in UTF-8" },
	{ "\xd0\xcf\x11\xe0", 4, "a spreadsheet of an old kind", "save the sheet as CSV in UTF-8" },
	{ "\x1f\x8b", 2, "compressed by gzip", "unpack it with gunzip" },
	{ "\x28\xb5\x2f\xfd", 4, "compressed by zstd", "unpack it with unzstd" },
	{ "%PDF", 4, "a PDF document", "ask for the bill as CSV or JSON" },
};
#define N_OTHER_FILES (sizeof(other_files) / sizeof(other_files[0]))

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* --- messages ------------------------------------------------------------------------------------------------------ */

static const char *line_begin(const struct bill_source *s, const char *at)
{
	while (at > s->begin && at[-1] != s->line_end)
		at--;
	return at;
}

int64_t bill_source__line(struct bill_source *s, const char *at)
{
	const char *p;

	if (at < s->mark) {
		s->mark = s->begin;
		s->mark_line = 1;
	}
	while ((p = memchr(s->mark, s->line_end, (size_t)(at - s->mark)))) {
		s->mark = p + 1;
		s->mark_line++;
	}
	s->mark = at;
	return s->mark_line;
}

static int64_t column(const struct bill_source *s, const char *at)
{
	int64_t n = 1;

	for (const char *p = line_begin(s, at); p < at; p++)
		n += !is_continuation(*p);
	return n;
}

int bill_source__fail(struct bill_source *s, const char *at, const char *format, ...)
{
	int n;
	va_list args;

	if (at)
		n = snprintf(s->error, s->error_size, "%s:%lld:%lld: ", s->path, (long long)bill_source__line(s, at),
			     (long long)column(s, at));
	else
		n = snprintf(s->error, s->error_size, "%s: ", s->path);
	if (n >= 0 && (size_t)n < s->error_size) {
		va_start(args, format);
		vsnprintf(s->error + n, s->error_size - (size_t)n, format, args);
		va_end(args);
	}
	return -EINVAL;
}

int bill_source__remedy(struct bill_source *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(s->remedy, s->remedy_size, format, args);
	va_end(args);
	return -EINVAL;
}

struct bill_quote bill_quote(const char *text, size_t n)
{
	struct bill_quote q;
	size_t shown = n;

	if (n > QUOTED_BYTES)
		for (shown = QUOTED_BYTES; shown && is_continuation(text[shown]); shown--)
			continue;
	snprintf(q.text, sizeof(q.text), "'%.*s'%s", (int)shown, text, shown < n ? "..." : "");
	return q;
}

/* --- encodings ----------------------------------------------------------------------------------------------------- */

/* Bytes of the character at p (RFC 3629: neither overlong, nor surrogates, nor above U+10FFFF); 0: it is none. */
static size_t character_bytes(const unsigned char *p, size_t left)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/* The first byte that is no UTF-8; NULL: all is. */
static const char *find_foreign(const char *p, const char *end)
{
	while (p < end) {
		uint64_t eight;
		size_t n;

		if (end - p >= (ptrdiff_t)sizeof(eight)) {
			memcpy(&eight, p, sizeof(eight));
			if (!(eight & HIGH_BITS)) {
				p += sizeof(eight);
				continue;
			}
		}
		n = character_bytes((const unsigned char *)p, (size_t)(end - p));
		if (!n)
			return p;
		p += n;
	}
	return NULL;
}

static int check_encoding(struct bill_source *s)
{
	size_t n = (size_t)(s->end - s->begin);
	const char *found;

	for (size_t i = 0; i < N_OTHER_FILES; i++) {
		if (n >= other_files[i].n && memcmp(s->begin, other_files[i].bytes, other_files[i].n) == 0) {
			bill_source__fail(s, s->begin, "the file is %s, not text in UTF-8", other_files[i].is);
			return bill_source__remedy(s, "%s", other_files[i].remedy);
		}
	}
	if (n >= 2 && !s->begin[0] != !s->begin[1]) {
		bill_source__fail(s, s->begin, "the file looks like UTF-16 without a byte order mark, not like UTF-8");
		return bill_source__remedy(s, "convert it: iconv -f UTF-16%s -t UTF-8 OLD > NEW",
					   s->begin[0] ? "LE" : "BE");
	}
	found = n ? memchr(s->begin, '\0', n) : NULL;
	if (found) {
		bill_source__fail(s, found, "a NUL byte, which no text has");
		return bill_source__remedy(s, "have the bill exported again; this file is damaged or no text");
	}
	found = find_foreign(s->begin, s->end);
	if (found) {
		bill_source__fail(s, found, "byte 0x%02x is no UTF-8", (unsigned char)*found);
		return bill_source__remedy(s, "convert it from the encoding of its writer (GB18030, CP1252, ...): "
					      "iconv -f ENCODING -t UTF-8 OLD > NEW");
	}
	return 0;
}

int bill_source__set_text(struct bill_source *s, const char *text, size_t n)
{
	int err;

	s->begin = s->mark = text;
	s->end = text + n;
	s->mark_line = 1;
	s->line_end = n && !memchr(text, '\n', n) && memchr(text, '\r', n) ? '\r' : '\n';
	err = check_encoding(s);
	if (err)
		return err;
	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		s->begin = s->mark = text + 3;
	for (const char *p = s->begin; p < s->end; p++)
		if (!strchr(" \t\r\n", *p))
			return 0;
	bill_source__fail(s, s->begin, "the file is empty");
	return bill_source__remedy(s, "give a bill in CSV, its first line naming the columns, or in JSON");
}
