/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/wire/resync.h"

#include <http_parser.h>
#include <string.h>

/* The first line, where all of it is there, ends in an HTTP version. */
static bool ends_in_version(const char *p, size_t n)
{
	const char *end = memchr(p, '\n', n);
	static const char version[] = " HTTP/1.";
	size_t line;

	if (!end)
		return true;
	line = (size_t)(end - p);
	if (line && p[line - 1] == '\r')
		line--;
	return line > sizeof(version) && !memcmp(p + line - sizeof(version), version, sizeof(version) - 1);
}

enum resync resync__request(const char *p, size_t n)
{
	static const enum http_method methods[] = { HTTP_POST, HTTP_GET,    HTTP_OPTIONS, HTTP_HEAD,
						    HTTP_PUT,  HTTP_DELETE, HTTP_PATCH };
	size_t i, length, compared;
	const char *name;

	for (i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		name = http_method_str(methods[i]);
		length = strlen(name);
		compared = n < length ? n : length;
		if (memcmp(p, name, compared) != 0)
			continue;
		if (n < length + 2)
			return n == length + 1 && p[length] != ' ' ? RESYNC_NO : RESYNC_MORE;
		if (p[length] != ' ' || !strchr("/*h", p[length + 1]) || !p[length + 1])
			return RESYNC_NO;
		return ends_in_version(p, n) ? RESYNC_YES : RESYNC_NO;
	}
	return RESYNC_NO;
}

enum resync resync__response(const char *p, size_t n)
{
	static const char shape[] = "HTTP/1.# ###";
	size_t i;

	for (i = 0; i < sizeof(shape) - 1; i++) {
		if (i == n)
			return RESYNC_MORE;
		if (shape[i] == '#' ? p[i] < '0' || p[i] > '9' : p[i] != shape[i])
			return RESYNC_NO;
	}
	return RESYNC_YES;
}

bool resync__field(const char *p, size_t n)
{
	static const char *const fields[] = { "data:", "event:" };
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		if (n >= strlen(fields[i]) && !memcmp(p, fields[i], strlen(fields[i])))
			return true;
	}
	return n >= 2 && p[0] == '{' && p[1] == '"';
}

bool resync__chunk(const char *p, size_t n)
{
	size_t size = 0, i;

	for (i = 0; i < n && i < 8; i++) {
		int c = p[i] | 0x20;

		if (p[i] >= '0' && p[i] <= '9')
			size = size * 16 + (size_t)(p[i] - '0');
		else if (c >= 'a' && c <= 'f')
			size = size * 16 + (size_t)(c - 'a' + 10);
		else
			break;
	}
	if (!i || n - i < 2 || p[i] != '\r' || p[i + 1] != '\n')
		return false;
	p += i + 2;
	n -= i + 2;
	if (!size)
		return !n || (n >= 1 && *p == '\r');
	if (n >= size + 2 && (p[size] != '\r' || p[size + 1] != '\n'))
		return false;
	return resync__field(p, n);
}

bool resync__stream(const char *p, size_t n)
{
	const char *end = p + n;

	while (p < end) {
		if (resync__field(p, (size_t)(end - p)))
			return true;
		p = memchr(p, '\n', (size_t)(end - p));
		if (!p)
			return false;
		p++;
	}
	return false;
}

bool resync__other_protocol(const char *p, size_t n)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n"; /* RFC 9113, section 3.4 */
	size_t compared = n < sizeof(preface) - 1 ? n : sizeof(preface) - 1;

	if (n >= 3 && !memcmp(p, preface, compared))
		return true;
	/* A TLS record: type 20-23, version 3.0-3.4 (RFC 8446, section 5.1). None of it is text. */
	return n >= 3 && p[0] >= 0x14 && p[0] <= 0x17 && p[1] == 3 && p[2] >= 0 && p[2] <= 4;
}
