/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/json_scan.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "userspace/wire/json.h"

#define REMEDY_EXPORT "correct the file, or have the bill exported again"

static const char *fail(struct json_fault *fault, const char *at, const char *why, const char *remedy)
{
	*fault = (struct json_fault){ at, why, remedy };
	return NULL;
}

static const char *fail_end(struct json_fault *fault, const char *end)
{
	return fail(fault, end, "the file ends within a JSON value",
		    "have the bill exported again: this file is cut off");
}

const char *json_scan__space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

static bool is_digit(const char *p, const char *end)
{
	return p < end && *p >= '0' && *p <= '9';
}

static bool is_hexadecimal(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static const char *scan_escape(const char *p, const char *end, struct json_fault *fault)
{
	if (end - p < 2)
		return fail_end(fault, end);
	if (p[1] == 'u') {
		for (int i = 2; i < 6; i++)
			if (p + i >= end || !is_hexadecimal(p[i]))
				return fail(fault, p, "\\u needs four hexadecimal digits", REMEDY_EXPORT);
		return p + 6;
	}
	if (!p[1] || !strchr("\"\\/bfnrt", p[1]))
		return fail(fault, p, "an escape that JSON does not know", "write a backslash in a text twice");
	return p + 2;
}

static const char *scan_string(const char *p, const char *end, struct json_fault *fault)
{
	const char *start = p++;

	while (p < end && *p != '"') {
		if ((unsigned char)*p < 0x20)
			return fail(fault, *p == '\n' || *p == '\r' ? start : p,
				    *p == '\n' || *p == '\r' ? "the text that begins here does not end in its line" :
							       "a control character within a text",
				    "end it with a quotation mark; write control characters as escapes: \\n, \\t");
		p = *p == '\\' ? scan_escape(p, end, fault) : p + 1;
		if (!p)
			return NULL;
	}
	return p < end ? p + 1 : fail_end(fault, end);
}

static const char *scan_number(const char *p, const char *end, struct json_fault *fault)
{
	static const char why[] = "a number that JSON does not know";
	static const char remedy[] =
		"write it like 12, -0.5 or 1e-6: digits on both sides of a point, no zeros in front";
	const char *start = p;

	p += *p == '-';
	if (!is_digit(p, end))
		return fail(fault, start, why, remedy);
	if (*p == '0' && is_digit(p + 1, end))
		return fail(fault, start, why, remedy);
	while (is_digit(p, end))
		p++;
	if (p < end && *p == '.') {
		if (!is_digit(++p, end))
			return fail(fault, start, why, remedy);
		while (is_digit(p, end))
			p++;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		if (!is_digit(p, end))
			return fail(fault, start, why, remedy);
		while (is_digit(p, end))
			p++;
	}
	return p;
}

static const char *scan_word(const char *p, const char *end, struct json_fault *fault)
{
	static const char *const words[] = { "null", "true", "false" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t n = strlen(words[i]);

		if ((size_t)(end - p) >= n && memcmp(p, words[i], n) == 0)
			return p + n;
	}
	if (*p == 'N' || *p == 'I')
		return fail(fault, p, "no JSON value stands here, nor are NaN and Infinity such",
			    "write null where there is no figure");
	return fail(fault, p, "a JSON value should stand here", REMEDY_EXPORT);
}

static const char *scan_scalar(const char *p, const char *end, struct json_fault *fault)
{
	if (*p == '"')
		return scan_string(p, end, fault);
	if (*p == '-' || is_digit(p, end))
		return scan_number(p, end, fault);
	return scan_word(p, end, fault);
}

/* `"name" :` @return behind the colon */
static const char *scan_name(const char *p, const char *end, struct json_fault *fault)
{
	p = json_scan__space(p, end);
	if (p == end)
		return fail_end(fault, end);
	if (*p != '"')
		return fail(fault, p, "a member's name in double quotation marks should stand here",
			    "look for a comma that is one too many, or for other quotation marks");
	p = scan_string(p, end, fault);
	if (!p)
		return NULL;
	p = json_scan__space(p, end);
	if (p == end)
		return fail_end(fault, end);
	return *p == ':' ? p + 1 : fail(fault, p, "':' should stand here, behind a member's name", REMEDY_EXPORT);
}

/* Without recursion, so that depth costs no stack. */
const char *json_scan__value(const char *p, const char *end, struct json_fault *fault)
{
	bool is_object[JSON_MAX_DEPTH];
	size_t depth = 0;

	for (;;) { /* before a value */
		p = json_scan__space(p, end);
		if (p == end)
			return fail_end(fault, end);
		if (*p == '{' || *p == '[') {
			bool object = *p == '{';
			const char *first = json_scan__space(p + 1, end);

			if (depth == JSON_MAX_DEPTH)
				return fail(fault, p, "nested deeper than 1024 levels", REMEDY_EXPORT);
			if (first == end || *first != (object ? '}' : ']')) {
				is_object[depth++] = object;
				p = object ? scan_name(first, end, fault) : first;
				if (!p)
					return NULL;
				continue;
			}
			p = first + 1;
		} else {
			p = scan_scalar(p, end, fault);
			if (!p)
				return NULL;
		}
		for (; depth; depth--) { /* behind a value */
			p = json_scan__space(p, end);
			if (p == end)
				return fail_end(fault, end);
			if (*p == ',')
				break;
			if (*p++ != (is_object[depth - 1] ? '}' : ']'))
				return fail(fault, p - 1,
					    is_object[depth - 1] ? "',' or '}' should stand here" :
								   "',' or ']' should stand here",
					    REMEDY_EXPORT);
		}
		if (!depth)
			return p;
		p++; /* behind the comma */
		if (is_object[depth - 1])
			p = scan_name(p, end, fault);
		if (!p)
			return NULL;
	}
}
