/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 without a locale: the same recording gives the same bytes of output on any machine.
 */
#ifndef TOKPROF_UTF8_H
#define TOKPROF_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT 0xfffdu
#define UTF8_REPLACEMENT_BYTES "\xef\xbf\xbd"

/*
 * One code point of the n > 0 bytes at s. Ill-formed bytes give UTF8_REPLACEMENT, one for each maximal subpart
 * (Unicode 15, section 3.9, "U+FFFD Substitution of Maximal Subparts"). @return bytes consumed, at least 1
 */
size_t utf8__decode(const char *s, size_t n, uint32_t *code_point);

/* Columns of a terminal that a code point takes: 0 (combining), 1, or 2 (East Asian wide, emoji). */
int utf8__code_point_width(uint32_t code_point);
/* The same for n bytes; control characters and ill-formed bytes count 1, as utf8__defuse shows them. */
int utf8__width(const char *s, size_t n);
/* Bytes at the front of s that fit into `columns`. */
size_t utf8__fitting(const char *s, size_t n, int columns);

/*
 * A copy that may be shown on a terminal: controls (C0, C1, DEL) become '?', ill-formed bytes U+FFFD. What is printed
 * comes from a process that is not trusted. At most size - 1 bytes, always terminated, cut between code points.
 */
void utf8__defuse(char *out, size_t size, const char *s, size_t n);

#endif
