/* SPDX-License-Identifier: Apache-2.0 */
/* What an engine calls its own version: a label for people and for looking up known builds, never evidence. */
#ifndef TOKPROF_ENGINE_VERSION_H
#define TOKPROF_ENGINE_VERSION_H

#include <stddef.h>
#include <stdint.h>

/*
 * The version of the Python package that a module is part of (its dist-info folder), else the number of the build that
 * stands in the process ("b6123"), else the one in the file's name; "" where there is none.
 * @module	path as the process sees it
 * @number	address of the build's number in the process, an int; 0 unknown
 */
void engine_version__find(uint32_t pid, const char *module, uint64_t number, char *out, size_t size);

#endif
