/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/wire/skim.h"

#include <stddef.h>
#include <string.h>

#include "userspace/wire/json.h"

#define MAX_MEMBER 16384u
#define MAX_OUT 65536u
#define MAX_TAIL 65536u

/* Members that are long by nature and hold neither a bill nor generated text: vectors of an embeddings response. */
static bool is_bulk(const char *member, size_t n)
{
	static const char *const names[] = { "\"data\"", "\"embedding\"", "\"embeddings\"" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (n >= strlen(names[i]) && !memcmp(member, names[i], strlen(names[i])))
			return true;
	}
	return false;
}

static void keep_member(struct skim *s)
{
	static const char usage[] = "\"usage\"";
	size_t before = s->out.n;

	if (s->overlong) {
		s->dropped |= !is_bulk(s->member.data, s->member.n);
	} else if (s->member.n) {
		if (buffer__append(&s->out, before ? "," : "{", 1, MAX_OUT) ||
		    buffer__append(&s->out, s->member.data, s->member.n, MAX_OUT)) {
			s->out.n = before;
			s->dropped = true;
		} else {
			s->has_usage |=
				s->member.n >= sizeof(usage) - 1 && !memcmp(s->member.data, usage, sizeof(usage) - 1);
		}
	}
	s->overlong = false;
	s->member.n = 0;
}

/* [from, to) belongs to a member of the outermost object. */
static void member_bytes(struct skim *s, const char *from, const char *to)
{
	size_t n = (size_t)(to - from), room;

	if (!n || s->overlong || !s->is_object)
		return;
	room = MAX_MEMBER - s->member.n;
	if (n > room) {
		s->overlong = true;
		n = s->member.n < 64 ? 64 : 0; /* enough of it to know the name */
		if (n > (size_t)(to - from))
			n = (size_t)(to - from);
	}
	if (n && buffer__append(&s->member, from, n, MAX_MEMBER + 64))
		s->overlong = true;
}

static void tail_bytes(struct skim *s, const char *data, size_t n)
{
	size_t excess;

	if (n >= MAX_TAIL) {
		data += n - MAX_TAIL;
		n = MAX_TAIL;
		s->member.n = 0;
	}
	if (s->member.n + n > 2 * MAX_TAIL) { /* shifted once for many appends */
		excess = s->member.n + n - MAX_TAIL;
		memmove(s->member.data, s->member.data + excess, s->member.n - excess);
		s->member.n -= excess;
	}
	if (buffer__append(&s->member, data, n, 2 * MAX_TAIL))
		s->member.n = 0;
}

void skim__feed(struct skim *s, const char *data, size_t n)
{
	const char *p = data, *end = data + n, *member = data;

	if (s->gap) {
		tail_bytes(s, data, n);
		return;
	}
	for (; p < end; p++) {
		if (s->in_string) {
			if (s->escaped)
				s->escaped = false;
			else if (*p == '\\')
				s->escaped = true;
			else if (*p == '"')
				s->in_string = false;
			continue;
		}
		switch (*p) {
		case '"':
			s->in_string = true;
			break;
		case '{':
		case '[':
			if (s->depth++ == 0) {
				s->is_object = *p == '{';
				member = p + 1;
			}
			break;
		case '}':
		case ']':
			if (!s->depth)
				break;
			if (s->depth == 1) {
				member_bytes(s, member, p);
				keep_member(s);
			}
			s->depth--;
			break;
		case ',':
			if (s->depth == 1) {
				member_bytes(s, member, p);
				keep_member(s);
				member = p + 1;
			}
			break;
		case ' ':
		case '\n':
		case '\r':
		case '\t':
			if (s->depth == 1 && !s->member.n && member == p)
				member = p + 1; /* a kept member begins with its name */
			break;
		}
	}
	if (s->depth)
		member_bytes(s, member, end);
}

void skim__gap(struct skim *s)
{
	if (s->gap) { /* what is between two gaps may hold half of an object only */
		s->member.n = 0;
		return;
	}
	s->gap = true;
	s->member.n = 0;
	s->overlong = false;
}

/*
 * In JSON every quote inside a string is escaped, so an unescaped `"usage"` followed by a colon is a member's name
 * wherever the text was entered; only its depth is not known.
 */
static void find_usage_in_tail(struct skim *s)
{
	static const char name[] = "\"usage\"";
	const char *p = s->member.data, *end, *hit;
	struct json_value found = { 0 };

	if (!s->member.n)
		return;
	end = p + s->member.n;
	while ((hit = memchr(p, '"', (size_t)(end - p)))) {
		const char *after = hit + sizeof(name) - 1;
		struct json_value v;

		p = hit + 1;
		if (end - hit < (ptrdiff_t)sizeof(name) || memcmp(hit, name, sizeof(name) - 1) != 0 ||
		    (hit > s->member.data && hit[-1] == '\\'))
			continue;
		while (after < end && (*after == ' ' || *after == '\n' || *after == '\r' || *after == '\t'))
			after++;
		if (after == end || *after != ':')
			continue;
		v = json__parse_first(after + 1, (size_t)(end - after - 1));
		if (v.kind == JSON_OBJECT_SPAN && v.n <= MAX_MEMBER)
			found = v;
	}
	if (found.kind == JSON_NONE)
		return;
	if (buffer__append(&s->out, s->out.n ? "," : "{", 1, MAX_OUT + MAX_TAIL) ||
	    buffer__append(&s->out, "\"usage\":", 8, MAX_OUT + MAX_TAIL) ||
	    buffer__append(&s->out, found.at, found.n, MAX_OUT + MAX_TAIL))
		s->out.n = 0;
	else
		s->usage_guessed = true;
}

const char *skim__end(struct skim *s, size_t *n, bool *certain)
{
	if (s->gap)
		find_usage_in_tail(s);
	if (s->out.n && buffer__append(&s->out, "}", 1, MAX_OUT + MAX_TAIL + 1))
		s->out.n = 0;
	*certain = s->is_object && !s->dropped && !s->usage_guessed && (s->gap ? s->has_usage : !s->depth);
	*n = s->out.n;
	return s->out.data;
}

void skim__free(struct skim *s)
{
	buffer__free(&s->out);
	buffer__free(&s->member);
	*s = (struct skim){ 0 };
}
