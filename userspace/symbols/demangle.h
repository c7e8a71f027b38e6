/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names as a programmer wrote them: C++ (Itanium ABI) and Rust (legacy and v0), by libiberty, the library of binutils and gdb.
 *
 * A mangled name may be made so that it stands for one of any length, so what comes out is cut at SYMBOL_NAME_SIZE. It is
 * called where a name that takes for ever can be given up (userspace/symbols/worker.h).
 */
#ifndef TOKPROF_SYMBOLS_DEMANGLE_H
#define TOKPROF_SYMBOLS_DEMANGLE_H

#include <stddef.h>

#define SYMBOL_NAME_SIZE 2048	/* longer ones end in "..." */

/* The name itself where it is not mangled; in both cases without control characters. */
void demangle(const char *name, char out[SYMBOL_NAME_SIZE]);
/* Control characters become '?'. */
void demangle__clean(char *text);

#endif
