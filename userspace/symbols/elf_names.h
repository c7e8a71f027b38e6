/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of addresses by the symbol tables of an ELF file: .symtab, .dynsym, and the table that .gnu_debugdata packs with
 * LZMA (https://sourceware.org/gdb/current/onlinedocs/gdb.html/MiniDebugInfo.html).
 *
 * A stripped file has only what it exports: an address between two exported functions then stays without a name, since
 * the function it is in may be one that was stripped.
 */
#ifndef TOKPROF_SYMBOLS_ELF_NAMES_H
#define TOKPROF_SYMBOLS_ELF_NAMES_H

#include <stddef.h>

#include "userspace/elf_file.h"
#include "userspace/symbols/address_table.h"

/*
 * Show a file's functions to the table. The names are copied. @table ELF_SYMTAB, ELF_DYNSYM; @source what they are to be
 * called (a separate debug file's are SYMBOL_DEBUG_FILE).
 */
void elf_names__add(const struct elf_file *f, enum elf_table which, enum symbol_source source,
		    struct address_table *table);
/* The file that .gnu_debugdata holds. @return 0, -ENOENT where there is none, -EBADMSG: damaged or too large, -ENOMEM */
int elf_names__debugdata(const struct elf_file *f, struct elf_file **out);

#endif
