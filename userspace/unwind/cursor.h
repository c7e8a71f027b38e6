/* SPDX-License-Identifier: Apache-2.0 */
/* Reading DWARF's encodings from bytes that nobody vouches for: past the end everything is 0 and `bad` says so. */
#ifndef TOKPROF_UNWIND_CURSOR_H
#define TOKPROF_UNWIND_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *at, *end;
	bool bad;
};

static inline size_t cursor__left(const struct cursor *c)
{
	return (size_t)(c->end - c->at);
}

static inline bool cursor__done(const struct cursor *c)
{
	return c->bad || c->at >= c->end;
}

static inline const uint8_t *cursor__bytes(struct cursor *c, uint64_t n)
{
	const uint8_t *at = c->at;

	if (c->bad || n > cursor__left(c)) {
		c->bad = true;
		return NULL;
	}
	c->at += n;
	return at;
}

/* Little-endian, as the files are that elf_file opens. @n 1, 2, 4, 8 */
static inline uint64_t cursor__unsigned(struct cursor *c, size_t n)
{
	const uint8_t *at = cursor__bytes(c, n);
	uint64_t value = 0;

	for (size_t i = 0; at && i < n; i++)
		value |= (uint64_t)at[i] << 8 * i;
	return value;
}

static inline uint64_t cursor__signed(struct cursor *c, size_t n)
{
	const uint64_t value = cursor__unsigned(c, n), sign = 1ULL << (8 * n - 1);

	return (value ^ sign) - sign;
}

static inline uint64_t cursor__leb(struct cursor *c, bool is_signed)
{
	uint64_t value = 0;
	unsigned int shift = 0;
	const uint8_t *at;

	do {
		at = cursor__bytes(c, 1);
		if (!at || shift > 63) {
			c->bad = true;
			return 0;
		}
		value |= (uint64_t)(*at & 0x7f) << shift;
		shift += 7;
	} while (*at & 0x80);
	if (is_signed && shift < 64 && *at & 0x40)
		value |= ~0ULL << shift;
	return value;
}

static inline uint64_t cursor__uleb(struct cursor *c)
{
	return cursor__leb(c, false);
}

static inline int64_t cursor__sleb(struct cursor *c)
{
	return (int64_t)cursor__leb(c, true);
}

#endif
