/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of C++ functions that have no linkage name (static ones, lambdas) with the namespaces, classes and functions around them.
 * An entry of DWARF does not know what it stands in, so a unit is walked once for all of its entries that are asked for.
 */
#ifndef TOKPROF_SYMBOLS_SCOPED_NAME_H
#define TOKPROF_SYMBOLS_SCOPED_NAME_H

#include <elfutils/libdw.h>
#include <stddef.h>

struct scoped_name {
	Dwarf_Off entry;
	char *name;		/* NULL: not found */
};

struct scoped_names {
	struct scoped_name *all;
	size_t n, capacity;
};

/* Ask for a function's name, by an entry of its code. @return 0, -ENOMEM */
int scoped_names__want(struct scoped_names *s, Dwarf_Die *function);
/* Look for all that was asked for in their unit. */
void scoped_names__find(struct scoped_names *s, Dwarf_Die *unit);
/* @return NULL: it was not found */
const char *scoped_names__get(const struct scoped_names *s, Dwarf_Die *function);
void scoped_names__free(struct scoped_names *s);

#endif
