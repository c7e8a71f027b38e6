/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTML as it is written. What is shown comes from a server, a client and a bill that are not trusted: whatever it holds, it
 * stays text, and stays in its place.
 */
#ifndef TOKPROF_HTML_H
#define TOKPROF_HTML_H

#include <stdio.h>

/*
 * Text, as content of an element or as a value in double quotes. Controls become '?', ill-formed UTF-8 and the marks that
 * change the direction of writing U+FFFD: with them a request could be named so that REFUTED reads otherwise. NULL: nothing.
 */
void html__text(FILE *f, const char *text);
void html__bytes(FILE *f, const char *text, size_t n);
/* The same by a format, of at most 1023 bytes. */
void html__format(FILE *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Text of others, in an element that its writing direction cannot leave. */
void html__foreign(FILE *f, const char *text);
/* A style sheet or script, with its name as `userspace/embedded.h` knows it. @return 0, -ENOENT */
int html__embed(FILE *f, const char *element, const char *name);
/*
 * The meta element by which a browser fetches nothing at all, and applies and runs only the embedded style sheets and scripts
 * of these names (NULL-terminated): what escaping should miss does no harm. @return 0, -ENOENT, -ENOMEM
 */
int html__policy(FILE *f, const char *const *styles, const char *const *scripts);

#endif
