/* SPDX-License-Identifier: Apache-2.0 */
#include "output/utf8.h"

#include <string.h>

/* Unicode 15, table 3-7: what the second byte may be, by the first. */
static void second_byte_range(unsigned char first, unsigned char *low, unsigned char *high)
{
	*low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	*high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
}

size_t utf8__decode(const char *s, size_t n, uint32_t *code_point)
{
	const unsigned char *b = (const unsigned char *)s;
	unsigned char low, high;
	size_t length;
	uint32_t value;

	if (b[0] < 0x80) {
		*code_point = b[0];
		return 1;
	}
	*code_point = UTF8_REPLACEMENT;
	if (b[0] < 0xc2 || b[0] > 0xf4)
		return 1;
	length = b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
	value = b[0] & (0xffu >> (length + 1));
	second_byte_range(b[0], &low, &high);
	for (size_t i = 1; i < length; i++) {
		if (i >= n || b[i] < low || b[i] > high)
			return i;
		value = value << 6 | (b[i] & 0x3fu);
		low = 0x80;
		high = 0xbf;
	}
	*code_point = value;
	return length;
}

struct range {
	uint32_t first, last;
};

/* Blocks of combining marks and of wide characters, coarse: enough for names and paths. After UAX #11. */
static const struct range zero_width[] = {
	{ 0x0300, 0x036f }, { 0x0483, 0x0489 }, { 0x0591, 0x05bd }, { 0x0610, 0x061a }, { 0x064b, 0x065f },
	{ 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff }, { 0x200b, 0x200f }, { 0x202a, 0x202e }, { 0x2060, 0x2064 },
	{ 0x2066, 0x206f }, { 0x20d0, 0x20ff }, { 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f }, { 0xfeff, 0xfeff },
};
static const struct range double_width[] = {
	{ 0x1100, 0x115f }, { 0x2e80, 0x303e },	  { 0x3041, 0x33ff },	{ 0x3400, 0x4dbf },   { 0x4e00, 0x9fff },
	{ 0xa000, 0xa4cf }, { 0xac00, 0xd7a3 },	  { 0xf900, 0xfaff },	{ 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },
	{ 0xffe0, 0xffe6 }, { 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd },
};

static int in_ranges(uint32_t code_point, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (code_point >= ranges[i].first && code_point <= ranges[i].last)
			return 1;
	return 0;
}

int utf8__code_point_width(uint32_t code_point)
{
	if (code_point < 0x300)
		return 1;
	if (in_ranges(code_point, zero_width, sizeof(zero_width) / sizeof(zero_width[0])))
		return 0;
	return in_ranges(code_point, double_width, sizeof(double_width) / sizeof(double_width[0])) ? 2 : 1;
}

int utf8__width(const char *s, size_t n)
{
	int width = 0;

	while (n > 0) {
		uint32_t code_point;
		size_t used = utf8__decode(s, n, &code_point);

		width += utf8__code_point_width(code_point);
		s += used;
		n -= used;
	}
	return width;
}

size_t utf8__fitting(const char *s, size_t n, int columns)
{
	size_t at = 0;
	int width = 0;

	while (at < n) {
		uint32_t code_point;
		size_t used = utf8__decode(s + at, n - at, &code_point);

		width += utf8__code_point_width(code_point);
		if (width > columns)
			break;
		at += used;
	}
	return at;
}

/* Also the marks that reorder a line on the terminal (UAX #9), with which a name could pose as another. */
static int is_control(uint32_t code_point)
{
	return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0) ||
	       (code_point >= 0x202a && code_point <= 0x202e) || (code_point >= 0x2066 && code_point <= 0x2069);
}

void utf8__defuse(char *out, size_t size, const char *s, size_t n)
{
	size_t at = 0;

	while (n > 0) {
		uint32_t code_point;
		size_t used = utf8__decode(s, n, &code_point);
		const char *piece = s;
		size_t n_piece = used;

		if (is_control(code_point)) {
			piece = "?";
			n_piece = 1;
		} else if (code_point == UTF8_REPLACEMENT) {
			piece = UTF8_REPLACEMENT_BYTES;
			n_piece = strlen(UTF8_REPLACEMENT_BYTES);
		}
		if (at + n_piece >= size)
			break;
		memcpy(out + at, piece, n_piece);
		at += n_piece;
		s += used;
		n -= used;
	}
	out[at] = '\0';
}
