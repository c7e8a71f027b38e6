/* SPDX-License-Identifier: Apache-2.0 */
/* Where the fields of an engine's struct are, by the debug information of the file itself. */
#ifndef TOKPROF_DWARF_LAYOUT_H
#define TOKPROF_DWARF_LAYOUT_H

#include "bpf/shared.h"
#include "userspace/elf_file.h"

/*
 * Fields that the struct does not have are LAYOUT_ABSENT.
 * @return 0; -ENODATA: no debug information of this struct, or one without a field that is needed
 */
int dwarf_layout__find(const struct elf_file *f, const char *struct_name, struct layout *out);

#endif
