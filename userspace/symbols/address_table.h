/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which symbol holds each of some addresses.
 *
 * Symbols are shown to it one after the other, in any order, and only what wins an address is kept: its size is that of
 * the sampled addresses, whether the symbol table has a thousand entries or a million, and nothing has to be sorted but
 * the addresses.
 */
#ifndef TOKPROF_SYMBOLS_ADDRESS_TABLE_H
#define TOKPROF_SYMBOLS_ADDRESS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/symbols/symbol.h"

struct address_symbol {
	uint64_t start;
	uint64_t order;		/* the higher wins whatever the rest: later entries of a JIT's map replace earlier ones */
	unsigned int rank;	/* of two that begin at the same address the higher one names it */
	const char *name;
	enum symbol_source source;
};

struct address_place {
	uint64_t address;
	bool found;
	uint64_t start, order;
	unsigned int rank;
	enum symbol_source source;
	char *name;		/* owned by the table */
	struct address_bound {	/* the last symbol that begins after the address before, up to this one */
		uint64_t start;
		unsigned int rank;
		enum symbol_source source;
		char *name;	/* NULL: none that may name what is behind it */
		bool any, sized;
	} bound;
};

struct address_table {
	struct address_place *places;	/* ascending */
	size_t n;
	bool no_memory;			/* names are missing that there was no room for */
};

/* @addresses: ascending, each once. @return 0, -ENOMEM */
int address_table__init(struct address_table *t, const uint64_t *addresses, size_t n);
void address_table__free(struct address_table *t);
/* A symbol of known size: it names what lies in it, the one that begins last where several do. */
void address_table__cover(struct address_table *t, const struct address_symbol *symbol, uint64_t size);
/* A symbol of unknown size: it reaches to the next symbol of either kind. name NULL: only the end of another. */
void address_table__begin_at(struct address_table *t, const struct address_symbol *symbol);
/* All symbols have been shown: give what no sized symbol holds to the unsized one before it, within `reach` bytes. */
void address_table__finish(struct address_table *t, uint64_t reach);

#endif
