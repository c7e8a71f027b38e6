/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/wire/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/recording.h"

#define MAX_EXACT (INT64_C(1) << 53)

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

/* From behind the opening quote to the closing one. @return NULL where the string does not end */
static const char *string_end(const char *p, const char *end)
{
	const char *quote = NULL, *escape;

	for (;;) {
		if (!quote || quote < p) /* found once, not for each escape: a hostile string is all escapes */
			quote = memchr(p, '"', (size_t)(end - p));
		if (!quote)
			return NULL;
		escape = memchr(p, '\\', (size_t)(quote - p));
		if (!escape)
			return quote;
		if (end - escape < 2)
			return NULL;
		p = escape + 2;
	}
}

static const char *digits_end(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

static const char *number_end(const char *p, const char *end)
{
	const char *start;

	if (p < end && *p == '-')
		p++;
	start = p;
	p = digits_end(p, end);
	if (p == start || (*start == '0' && p - start > 1))
		return NULL;
	if (p < end && *p == '.') {
		start = ++p;
		p = digits_end(p, end);
		if (p == start)
			return NULL;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		start = p;
		p = digits_end(p, end);
		if (p == start)
			return NULL;
	}
	return p;
}

static const char *word_end(const char *p, const char *end, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(end - p) >= n && !memcmp(p, word, n) ? p + n : NULL;
}

/* A value that holds no others. @return behind it, or NULL */
static const char *scalar(const char *p, const char *end, struct json_value *v)
{
	const char *stop;

	switch (*p) {
	case '"':
		stop = string_end(p + 1, end);
		if (!stop)
			return NULL;
		*v = (struct json_value){ JSON_STRING_SPAN, p + 1, (size_t)(stop - p - 1) };
		return stop + 1;
	case 't':
	case 'f':
		stop = word_end(p, end, *p == 't' ? "true" : "false");
		v->kind = JSON_BOOL_SPAN;
		break;
	case 'n':
		stop = word_end(p, end, "null");
		v->kind = JSON_NULL_SPAN;
		break;
	default:
		stop = number_end(p, end);
		v->kind = JSON_NUMBER_SPAN;
		break;
	}
	v->at = p;
	v->n = stop ? (size_t)(stop - p) : 0;
	return stop;
}

/* `"key" :` at p. @return behind the colon, or NULL */
static const char *member_key(const char *p, const char *end, struct json_value *key)
{
	p = skip_space(p, end);
	if (p == end || *p != '"')
		return NULL;
	p = scalar(p, end, key);
	if (!p)
		return NULL;
	p = skip_space(p, end);
	return p < end && *p == ':' ? p + 1 : NULL;
}

/*
 * One value of any kind. Containers are walked without recursion, one bit per level, so that depth costs no stack.
 * @return behind it, or NULL where it is no JSON
 */
static const char *value_end(const char *p, const char *end, struct json_value *v)
{
	bool is_object[JSON_MAX_DEPTH];
	struct json_value inner;
	size_t depth = 0;
	const char *start;

	p = skip_space(p, end);
	start = p;
	if (p == end)
		return NULL;
	if (*p != '{' && *p != '[')
		return scalar(p, end, v);
	for (;;) { /* p is at the first byte of a value */
		if (*p == '{' || *p == '[') {
			bool object = *p == '{';

			if (depth == JSON_MAX_DEPTH)
				return NULL;
			is_object[depth++] = object;
			p = skip_space(p + 1, end);
			if (p < end && *p == (object ? '}' : ']')) {
				p++;
				depth--;
			} else {
				if (object)
					p = member_key(p, end, &inner);
				if (!p)
					return NULL;
				p = skip_space(p, end);
				if (p == end)
					return NULL;
				continue;
			}
		} else {
			p = scalar(p, end, &inner);
			if (!p)
				return NULL;
		}
		while (depth) { /* behind a value: it is followed by a comma, or its container ends */
			p = skip_space(p, end);
			if (p == end)
				return NULL;
			if (*p != (is_object[depth - 1] ? '}' : ']'))
				break;
			p++;
			depth--;
		}
		if (!depth)
			break;
		if (*p != ',')
			return NULL;
		p++;
		if (is_object[depth - 1])
			p = member_key(p, end, &inner);
		if (!p)
			return NULL;
		p = skip_space(p, end);
		if (p == end)
			return NULL;
	}
	*v = (struct json_value){ *start == '{' ? JSON_OBJECT_SPAN : JSON_ARRAY_SPAN, start, (size_t)(p - start) };
	return p;
}

struct json_value json__parse_first(const char *text, size_t n)
{
	struct json_value v = { 0 };

	if (!n || !value_end(text, text + n, &v))
		return (struct json_value){ 0 };
	return v;
}

struct json_value json__parse(const char *text, size_t n)
{
	struct json_value v = { 0 };
	const char *p = n ? value_end(text, text + n, &v) : NULL;

	if (!p || skip_space(p, text + n) != text + n)
		return (struct json_value){ 0 };
	return v;
}

/* Values handed out were checked whole when their container was, so a walk can only end at the container's end. */
struct json_walk json__walk(const struct json_value *container)
{
	if (container->kind != JSON_OBJECT_SPAN && container->kind != JSON_ARRAY_SPAN)
		return (struct json_walk){ 0 };
	return (struct json_walk){ container->at + 1, container->at + container->n - 1 };
}

static bool walk_next(struct json_walk *w)
{
	if (!w->p)
		return false;
	w->p = skip_space(w->p, w->end);
	if (w->p < w->end && *w->p == ',')
		w->p = skip_space(w->p + 1, w->end);
	return w->p < w->end;
}

bool json_walk__member(struct json_walk *w, struct json_value *key, struct json_value *value)
{
	if (!walk_next(w))
		return false;
	w->p = member_key(w->p, w->end, key);
	if (w->p)
		w->p = value_end(w->p, w->end, value);
	return w->p;
}

bool json_walk__element(struct json_walk *w, struct json_value *value)
{
	if (!walk_next(w))
		return false;
	w->p = value_end(w->p, w->end, value);
	return w->p;
}

struct json_value json__member(const struct json_value *object, const char *name)
{
	struct json_value key, value, found = { 0 };
	struct json_walk w;

	if (object->kind != JSON_OBJECT_SPAN)
		return found;
	w = json__walk(object);
	while (json_walk__member(&w, &key, &value)) {
		if (json__equals(&key, name))
			found = value;
	}
	return found;
}

struct json_text json__text(const struct json_value *string)
{
	if (string->kind != JSON_STRING_SPAN)
		return (struct json_text){ 0 };
	return (struct json_text){ .p = string->at, .end = string->at + string->n };
}

/* Four hexadecimal digits. @return -1 where they are none */
static int32_t hex4(const char *p, const char *end)
{
	int32_t value = 0;
	int i;

	if (end - p < 4)
		return -1;
	for (i = 0; i < 4; i++) {
		int c = (unsigned char)p[i], digit;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			digit = (c | 0x20) - 'a' + 10;
		else
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

static size_t utf8_put(char *out, int32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* The code point of `\uXXXX` or of a surrogate pair; t->p is at the first digit. */
static int32_t unicode_escape(struct json_text *t)
{
	int32_t c = hex4(t->p, t->end), low;

	if (c < 0)
		return 0xfffd;
	t->p += 4;
	if (c < 0xd800 || c > 0xdfff)
		return c;
	if (c < 0xdc00 && t->end - t->p >= 6 && t->p[0] == '\\' && t->p[1] == 'u') {
		low = hex4(t->p + 2, t->end);
		if (low >= 0xdc00 && low <= 0xdfff) {
			t->p += 6;
			return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		}
	}
	return 0xfffd;
}

size_t json_text__next(struct json_text *t, const char **piece)
{
	static const char escapes[] = "bfnrt", meanings[] = "\b\f\n\r\t";
	const char *stop, *found;

	if (t->p == t->end)
		return 0;
	if (*t->p != '\\') {
		stop = memchr(t->p, '\\', (size_t)(t->end - t->p));
		if (!stop)
			stop = t->end;
		*piece = t->p;
		t->p = stop;
		return (size_t)(stop - *piece);
	}
	*piece = t->decoded;
	if (t->end - t->p < 2) { /* cannot be: a string's last byte is no open escape */
		t->p = t->end;
		return 0;
	}
	if (t->p[1] == 'u') {
		t->p += 2;
		return utf8_put(t->decoded, unicode_escape(t));
	}
	found = t->p[1] ? strchr(escapes, t->p[1]) : NULL;
	t->decoded[0] = found ? meanings[found - escapes] : t->p[1];
	t->p += 2;
	return 1;
}

bool json__equals(const struct json_value *string, const char *literal)
{
	struct json_text t;
	const char *piece;
	size_t n, left = strlen(literal);

	if (string->kind != JSON_STRING_SPAN)
		return false;
	if (!memchr(string->at, '\\', string->n))
		return string->n == left && !memcmp(string->at, literal, left);
	t = json__text(string);
	while ((n = json_text__next(&t, &piece)) > 0) {
		if (n > left || memcmp(piece, literal, n) != 0)
			return false;
		literal += n;
		left -= n;
	}
	return !left;
}

/* A C string cannot hold a zero byte, and a name with one is no name: it ends there. */
bool json__copy(const struct json_value *string, char *out, size_t size)
{
	struct json_text t = json__text(string);
	const char *piece;
	size_t n, used = 0;

	if (string->kind != JSON_STRING_SPAN)
		return false;
	while ((n = json_text__next(&t, &piece)) > 0) {
		if (n > size - 1 - used) {
			n = size - 1 - used;
			while (n && ((unsigned char)piece[n] & 0xc0) == 0x80) /* no half character at the end */
				n--;
			memcpy(out + used, piece, n);
			used += n;
			break;
		}
		memcpy(out + used, piece, n);
		used += n;
	}
	out[used] = '\0';
	return true;
}

bool json__is_true(const struct json_value *value)
{
	return value->kind == JSON_BOOL_SPAN && *value->at == 't';
}

bool json__is_filled(const struct json_value *value)
{
	switch (value->kind) {
	case JSON_STRING_SPAN:
		return value->n > 0;
	case JSON_OBJECT_SPAN:
	case JSON_ARRAY_SPAN:
		return skip_space(value->at + 1, value->at + value->n - 1) < value->at + value->n - 1;
	default:
		return false;
	}
}

int64_t json__count(const struct json_value *value)
{
	int64_t count = 0;
	size_t i;

	if (value->kind != JSON_NUMBER_SPAN || value->n > 16)
		return ABSENT;
	for (i = 0; i < value->n; i++) {
		if (value->at[i] < '0' || value->at[i] > '9')
			return ABSENT;
		count = count * 10 + (value->at[i] - '0');
	}
	return count <= MAX_EXACT ? count : ABSENT;
}

int64_t json__us_from_ms(const struct json_value *value)
{
	char text[48];
	double ms;

	if (value->kind != JSON_NUMBER_SPAN || value->n >= sizeof(text))
		return ABSENT;
	memcpy(text, value->at, value->n);
	text[value->n] = '\0';
	ms = strtod(text, NULL);
	if (!(ms >= 0 && ms <= (double)MAX_EXACT / 1000))
		return ABSENT;
	return (int64_t)llround(ms * 1000);
}
