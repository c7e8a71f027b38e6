/* SPDX-License-Identifier: Apache-2.0 */
/* A name for an address: the function that has the code, or one inlined into it there. */
#ifndef TOKPROF_SYMBOLS_SYMBOL_H
#define TOKPROF_SYMBOLS_SYMBOL_H

#include <stdint.h>

/* What a name was read from; the words are the recording's. */
enum symbol_source {
	SYMBOL_SYMTAB,
	SYMBOL_DYNSYM,
	SYMBOL_DWARF,
	SYMBOL_GNU_DEBUGDATA,	/* the compressed symbol table that Fedora's and others' stripped files carry */
	SYMBOL_DEBUG_FILE,	/* the symbol table of a separate debug file */
	SYMBOL_PERF_MAP,
	SYMBOL_JITDUMP,
	SYMBOL_KALLSYMS,
	N_SYMBOL_SOURCES,
};

#define SYMBOL_MAX_DEPTH 64	/* functions inlined into each other; the innermost beyond it are left out */

struct symbol_name {		/* strings are borrowed for the length of a call */
	const char *name;	/* demangled */
	uint64_t offset_bytes;	/* of the address from the start of the function that has the code */
	const char *file;	/* NULL: not known */
	uint32_t line;		/* 0: not known */
	enum symbol_source source;
};

const char *symbol_source__name(enum symbol_source source);

#endif
