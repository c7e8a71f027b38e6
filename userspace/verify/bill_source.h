/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a bill, and what is said of places in it. */
#ifndef TOKPROF_VERIFY_BILL_SOURCE_H
#define TOKPROF_VERIFY_BILL_SOURCE_H

#include <stddef.h>
#include <stdint.h>

struct bill_source {
	const char *path;
	const char *begin, *end;	/* without a byte order mark; UTF-8 and free of NUL bytes */
	char line_end;			/* the last byte of one: '\r' in files of old Macintosh programs */
	const char *mark;		/* up to here lines were counted */
	int64_t mark_line;
	char *error, *remedy;
	size_t error_size, remedy_size;
};

/* @text is borrowed; path, error and remedy are set already @return 0; -EINVAL: no text, or none of ours, said in words */
int bill_source__set_text(struct bill_source *s, const char *text, size_t n);

/* From 1. Quick where one asks for places in their order. */
int64_t bill_source__line(struct bill_source *s, const char *at);

/* Sets the sentence "path:line:column: ..." (@at NULL: "path: ...") @return -EINVAL */
int bill_source__fail(struct bill_source *s, const char *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Sets what to do about it. @return -EINVAL */
int bill_source__remedy(struct bill_source *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A piece of the text in quotation marks, cut where it is long. */
struct bill_quote {
	char text[72];
};
struct bill_quote bill_quote(const char *text, size_t n);

#endif
