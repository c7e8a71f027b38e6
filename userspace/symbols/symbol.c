/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/symbols/symbol.h"

const char *symbol_source__name(enum symbol_source source)
{
	static const char *const names[N_SYMBOL_SOURCES] = {
		[SYMBOL_SYMTAB] = "symtab",	    [SYMBOL_DYNSYM] = "dynsym",
		[SYMBOL_DWARF] = "dwarf",	    [SYMBOL_GNU_DEBUGDATA] = "gnu_debugdata",
		[SYMBOL_DEBUG_FILE] = "debug_file", [SYMBOL_PERF_MAP] = "perf_map",
		[SYMBOL_JITDUMP] = "jitdump",	    [SYMBOL_KALLSYMS] = "kallsyms",
	};

	return names[source];
}
