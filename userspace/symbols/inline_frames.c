/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/symbols/inline_frames.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/symbols/scoped_name.h"

#define MAX_NESTING 256		/* of entries: blocks, namespaces and functions in each other */
#define NO_UNIT UINT64_MAX

struct place {
	size_t index;		/* of its address */
	uint64_t address;
	uint64_t start;		/* of the outermost function */
	size_t depth;
	Dwarf_Die functions[SYMBOL_MAX_DEPTH];
};

#define PLACES_AT_ONCE 1024	/* of a unit; 2 MB */

struct walk {
	const struct elf_file *file;
	Dwarf *dwarf;
	const uint64_t *addresses;
	uint64_t *units;	/* of each address: offset of its compile unit's entry; NO_UNIT */
	size_t n;
	struct place *places;	/* those that are looked for now, ascending */
	size_t n_places;
	struct scoped_names scoped;	/* of functions that they are in */
};

/* --- which unit --------------------------------------------------------------------------------------------------- */

static size_t first_from(const struct walk *w, uint64_t address)
{
	size_t low = 0, high = w->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (w->addresses[middle] < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Not by .debug_aranges, which clang leaves out. */
static void mark_unit(struct walk *w, Dwarf_Die *unit)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t at = 0;
	size_t i;

	while ((at = dwarf_ranges(unit, at, &base, &start, &end)) > 0)
		for (i = first_from(w, start); i < w->n && w->addresses[i] < end; i++)
			w->units[i] = dwarf_dieoffset(unit);
}

/* Pages of a large file that have been walked over are not held. */
#define UNITS_BETWEEN 1000

static int find_units(struct walk *w)
{
	Dwarf_CU *unit = NULL;
	Dwarf_Die die;
	uint8_t type;
	size_t n = 0;
	int r;

	while ((r = dwarf_get_units(w->dwarf, unit, &unit, NULL, &type, &die, NULL)) == 0) {
		if (type == DW_UT_compile)
			mark_unit(w, &die);
		if (++n % UNITS_BETWEEN == 0)
			elf_file__let_go(w->file);
	}
	return r < 0 ? -EBADMSG : 0;
}

/* --- which functions ---------------------------------------------------------------------------------------------- */

static size_t first_place(const struct walk *w, uint64_t address)
{
	size_t low = 0, high = w->n_places;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (w->places[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Does an entry's code hold a place? It then is the innermost function so far. */
static bool enter(struct walk *w, Dwarf_Die *die, size_t depth)
{
	Dwarf_Addr base, start, end, entry;
	bool any = false;
	ptrdiff_t at = 0;
	size_t i;

	if (depth >= SYMBOL_MAX_DEPTH)
		return false;
	while ((at = dwarf_ranges(die, at, &base, &start, &end)) > 0) {
		for (i = first_place(w, start); i < w->n_places && w->places[i].address < end; i++) {
			struct place *p = &w->places[i];

			any = true;
			p->depth = depth + 1;
			p->functions[depth] = *die;
			/* The part of a function that is seldom run may stand before its entry. */
			if (depth == 0)
				p->start = dwarf_entrypc(die, &entry) == 0 && entry <= p->address ? entry : start;
		}
	}
	return any;
}

static bool may_hold_functions(int tag)
{
	switch (tag) {
	case DW_TAG_compile_unit:
	case DW_TAG_namespace:
	case DW_TAG_module:
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
	case DW_TAG_subprogram:
		return true;
	}
	return false;
}

/* A function inside another (of Fortran, or a lambda's) has code of its own, wherever it stands. @depth: functions around */
static int walk_children(struct walk *w, Dwarf_Die *parent, size_t depth, int nesting)
{
	Dwarf_Die die;
	int r, err = 0;

	if (nesting > MAX_NESTING)
		return 0;
	for (r = dwarf_child(parent, &die); r == 0 && !err; r = dwarf_siblingof(&die, &die)) {
		const int tag = dwarf_tag(&die);

		if (tag == DW_TAG_subprogram && enter(w, &die, 0))
			err = walk_children(w, &die, 1, nesting + 1);
		else if (tag == DW_TAG_inlined_subroutine && depth > 0 && enter(w, &die, depth))
			err = walk_children(w, &die, depth + 1, nesting + 1);
		else if (may_hold_functions(tag) && dwarf_haschildren(&die))
			err = walk_children(w, &die, tag == DW_TAG_subprogram ? 0 : depth, nesting + 1);
	}
	return err ? err : r < 0 ? -EBADMSG : 0;
}

/* --- names and lines ---------------------------------------------------------------------------------------------- */

/* Through the abstract origin and the specification, as the attribute stands there. */
static const char *linkage_name(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
		return dwarf_formstring(&attribute);
	return NULL;
}

static const char *function_name(const struct walk *w, Dwarf_Die *die)
{
	const char *name = linkage_name(die);

	if (!name)
		name = scoped_names__get(&w->scoped, die);
	return name ? name : dwarf_diename(die);
}

static int find_scoped_names(struct walk *w, Dwarf_Die *unit)
{
	size_t i, depth;
	int err = 0;

	for (i = 0; i < w->n_places; i++)
		for (depth = 0; depth < w->places[i].depth && !err; depth++)
			if (!linkage_name(&w->places[i].functions[depth]))
				err = scoped_names__want(&w->scoped, &w->places[i].functions[depth]);
	if (!err)
		scoped_names__find(&w->scoped, unit);
	return err;
}

static void call_place(Dwarf_Die *inlined, Dwarf_Die *unit, struct inline_function *caller)
{
	Dwarf_Attribute attribute;
	Dwarf_Word file = 0, line = 0;
	Dwarf_Files *files;
	size_t n;

	if (dwarf_attr(inlined, DW_AT_call_line, &attribute) && dwarf_formudata(&attribute, &line) == 0)
		caller->line = (uint32_t)line;
	if (dwarf_attr(inlined, DW_AT_call_file, &attribute) && dwarf_formudata(&attribute, &file) == 0 &&
	    dwarf_getsrcfiles(unit, &files, &n) == 0 && file < n)
		caller->file = dwarf_filesrc(files, file, NULL, NULL);
	if (!caller->file)
		caller->line = 0;
}

static void own_place(uint64_t address, Dwarf_Die *unit, struct inline_function *innermost)
{
	Dwarf_Line *line = dwarf_getsrc_die(unit, address);
	int number = 0;

	if (!line)
		return;
	innermost->file = dwarf_linesrc(line, NULL, NULL);
	if (innermost->file && dwarf_lineno(line, &number) == 0 && number > 0)
		innermost->line = (uint32_t)number;
}

static void chain_of(const struct walk *w, struct place *p, Dwarf_Die *unit, struct inline_chain *out)
{
	size_t i;

	memset(out, 0, sizeof(*out));
	out->n = p->depth;
	out->start = p->start;
	for (i = 0; i < p->depth; i++) {
		out->functions[i].name = function_name(w, &p->functions[i]);
		if (i > 0)
			call_place(&p->functions[i], unit, &out->functions[i - 1]);
	}
	if (p->depth > 0)
		own_place(p->address, unit, &out->functions[p->depth - 1]);
}

struct listener {
	void (*tell)(void *ctx, size_t address, const struct inline_chain *chain);
	void *ctx;
};

static int walk_places(struct walk *w, Dwarf_Die *unit, const struct listener *listener)
{
	struct inline_chain chain;
	size_t i;
	int err = walk_children(w, unit, 0, 0);

	if (!err)
		err = find_scoped_names(w, unit);
	for (i = 0; i < w->n_places && !err; i++) {
		chain_of(w, &w->places[i], unit, &chain);
		if (chain.n > 0)
			listener->tell(listener->ctx, w->places[i].index, &chain);
	}
	scoped_names__free(&w->scoped);
	return err;
}

/* All places of the unit that the i-th address is in. */
static int walk_unit(struct walk *w, size_t i, const struct listener *listener)
{
	const uint64_t unit = w->units[i];
	Dwarf_Die die;
	int err = dwarf_offdie(w->dwarf, unit, &die) ? 0 : -EBADMSG;

	while (i < w->n && !err) {
		for (w->n_places = 0; i < w->n && w->n_places < PLACES_AT_ONCE; i++) {
			if (w->units[i] != unit)
				continue;
			w->places[w->n_places].index = i;
			w->places[w->n_places].address = w->addresses[i];
			w->places[w->n_places++].depth = 0;
			w->units[i] = NO_UNIT;
		}
		if (w->n_places > 0)
			err = walk_places(w, &die, listener);
	}
	elf_file__let_go(w->file);
	return err;
}

int inline_frames__each(const struct elf_file *f, const uint64_t *addresses, size_t n,
			void (*tell)(void *ctx, size_t address, const struct inline_chain *chain), void *ctx)
{
	const struct listener listener = { tell, ctx };
	struct walk w = { .file = f, .addresses = addresses, .n = n };
	size_t i;
	int err;

	w.dwarf = dwarf_begin_elf(elf_file__elf(f), DWARF_C_READ, NULL);
	if (!w.dwarf)
		return -ENOENT;
	w.units = malloc((n ? n : 1) * sizeof(*w.units));
	w.places = malloc(PLACES_AT_ONCE * sizeof(*w.places));
	if (w.units && w.places) {
		for (i = 0; i < n; i++)
			w.units[i] = NO_UNIT;
		err = find_units(&w);
		/* A unit that is damaged takes no other with it. */
		for (i = 0; i < n; i++)
			if (w.units[i] != NO_UNIT && walk_unit(&w, i, &listener))
				err = -EBADMSG;
	} else {
		err = -ENOMEM;
	}
	free(w.places);
	free(w.units);
	dwarf_end(w.dwarf);
	return err;
}
