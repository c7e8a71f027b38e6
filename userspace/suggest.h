/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOKPROF_SUGGEST_H
#define TOKPROF_SUGGEST_H

/*
 * The word of a list nearest to what the user typed, by edits (insertion, deletion, replacement, swap of neighbours);
 * NULL where none is near enough to be what was meant. The list ends with NULL.
 */
const char *suggest__nearest(const char *typed, const char *const *words);

#endif
