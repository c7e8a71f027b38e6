/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of the kernel's functions, by /proc/kallsyms, which knows no sizes: a function reaches to the next symbol. With
 * kernel.kptr_restrict = 2, and for those without CAP_SYSLOG, all addresses there are zero.
 */
#ifndef TOKPROF_SYMBOLS_KALLSYMS_H
#define TOKPROF_SYMBOLS_KALLSYMS_H

#include <stdio.h>

#include "userspace/symbols/address_table.h"

/* Where addresses in a table begin. */
enum kallsyms_base {
	KALLSYMS_KERNEL,	/* at _text; the kernel's own symbols */
	KALLSYMS_MODULE,	/* at the module's start; its symbols */
	KALLSYMS_ABSOLUTE,	/* at zero; all symbols, those of BPF programs too */
};

/*
 * @f: one that can be rewound. @module: its name, and @start where it was loaded (/proc/modules), else NULL and 0.
 * @return 0; -EACCES: addresses are hidden; -ENOENT: there is no _text
 */
int kallsyms__read(FILE *f, enum kallsyms_base base, const char *module, uint64_t start, struct address_table *table);
/* Where a module was loaded, of /proc/modules. @return 0; -ENOENT: it is not there; -EACCES: the address is hidden */
int kallsyms__module_start(FILE *f, const char *module, uint64_t *start);

#endif
