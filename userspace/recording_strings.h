/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of a recording, each kept once: a thousand requests name the same path and model. */
#ifndef TOKPROF_RECORDING_STRINGS_H
#define TOKPROF_RECORDING_STRINGS_H

#include <stddef.h>

struct strings;

struct strings *strings__new(void);
void strings__free(struct strings *s);

/* A copy of the n bytes, ended by a NUL and owned by s. NULL out of memory. */
const char *strings__keep(struct strings *s, const char *text, size_t n);
/* The same without looking whether it is kept already: a million ids of which each is another. */
const char *strings__add(struct strings *s, const char *text, size_t n);

#endif
