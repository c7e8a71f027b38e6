/* SPDX-License-Identifier: Apache-2.0 */
/* Small shared objects that a test compiles for itself, in a directory that goes away with the test. */
#ifndef TOKPROF_TEST_COMPILED_H
#define TOKPROF_TEST_COMPILED_H

#include <stddef.h>

/* The directory, made at the first call and removed at exit. */
const char *compiled__directory(void);
/*
 * Compile `source` into <directory>/<name>. @flags: for gcc, e.g. "-shared -fPIC -g"; a name with ".cpp." in it is C++.
 * Fails the test where gcc does.
 */
void compiled__build(const char *name, const char *source, const char *flags, char *path, size_t size);
/* The same by another compiler, "clang -x assembler --target=...". */
void compiled__build_by(const char *compiler, const char *name, const char *source, const char *flags, char *path,
			size_t size);
/* A copy of a file with some bytes changed, or cut to `length` (-1: whole). */
void compiled__copy(const char *from, const char *name, long length, long patch_at, const void *patch,
		    size_t patch_size, char *path, size_t size);

#endif
