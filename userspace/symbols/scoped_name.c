/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/symbols/scoped_name.h"

#include <dwarf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/symbols/demangle.h"

#define MAX_NESTING 64
#define MAX_REFERENCES 8	/* from code to its abstract function, and to its declaration */

/* Where the function was declared: that is what stands in its class. */
static Dwarf_Off declaration_of(Dwarf_Die *function)
{
	Dwarf_Die die = *function;
	Dwarf_Attribute attribute;
	int i;

	for (i = 0; i < MAX_REFERENCES; i++)
		if (!(dwarf_attr(&die, DW_AT_abstract_origin, &attribute) ||
		      dwarf_attr(&die, DW_AT_specification, &attribute)) ||
		    !dwarf_formref_die(&attribute, &die))
			break;
	return dwarf_dieoffset(&die);
}

int scoped_names__want(struct scoped_names *s, Dwarf_Die *function)
{
	if (s->n == s->capacity) {
		size_t wanted = s->capacity ? 2 * s->capacity : 64;
		struct scoped_name *bigger = realloc(s->all, wanted * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		s->all = bigger;
		s->capacity = wanted;
	}
	s->all[s->n++] = (struct scoped_name){ declaration_of(function), NULL };
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct scoped_name *x = a, *y = b;

	return x->entry < y->entry ? -1 : x->entry > y->entry;
}

static struct scoped_name *find(const struct scoped_names *s, Dwarf_Off entry)
{
	const struct scoped_name wanted = { .entry = entry };

	return s->n ? bsearch(&wanted, s->all, s->n, sizeof(wanted), compare) : NULL;
}

/* What an entry is called as a part of a name; NULL: it is none. */
static const char *part(Dwarf_Die *die, int tag)
{
	const char *name = dwarf_diename(die);

	switch (tag) {
	case DW_TAG_namespace:
		return name ? name : "(anonymous namespace)";
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_subprogram:
		return name;
	}
	return NULL;
}

static bool may_hold_scopes(int tag)
{
	return tag == DW_TAG_lexical_block || tag == DW_TAG_namespace || tag == DW_TAG_class_type ||
	       tag == DW_TAG_structure_type || tag == DW_TAG_union_type || tag == DW_TAG_subprogram;
}

/* @scope: SYMBOL_NAME_SIZE bytes, `length` of them taken. What does not fit is cut when the name is stored. */
static void walk(struct scoped_names *s, Dwarf_Die *parent, char *scope, size_t length, int nesting)
{
	Dwarf_Die die;
	int r;

	if (nesting > MAX_NESTING)
		return;
	for (r = dwarf_child(parent, &die); r == 0; r = dwarf_siblingof(&die, &die)) {
		const int tag = dwarf_tag(&die);
		const char *name = may_hold_scopes(tag) ? part(&die, tag) : NULL;
		struct scoped_name *wanted = tag == DW_TAG_subprogram ? find(s, dwarf_dieoffset(&die)) : NULL;
		size_t longer = length;

		if (name)
			longer += (size_t)snprintf(scope + length, SYMBOL_NAME_SIZE - length, "%s%s",
						   length ? "::" : "", name);
		if (longer >= SYMBOL_NAME_SIZE)
			longer = SYMBOL_NAME_SIZE - 1;
		if (name && wanted && !wanted->name)
			wanted->name = strdup(scope);
		if (may_hold_scopes(tag) && dwarf_haschildren(&die))
			walk(s, &die, scope, longer, nesting + 1);
		scope[length] = 0;
	}
}

static bool is_cpp(Dwarf_Die *unit)
{
	switch (dwarf_srclang(unit)) {
	case DW_LANG_C_plus_plus:
	case DW_LANG_C_plus_plus_03:
	case DW_LANG_C_plus_plus_11:
	case DW_LANG_C_plus_plus_14:
		return true;
	}
	return false;
}

void scoped_names__find(struct scoped_names *s, Dwarf_Die *unit)
{
	char scope[SYMBOL_NAME_SIZE] = "";
	size_t i, n = 0;

	if (s->n == 0 || !is_cpp(unit))
		return;
	qsort(s->all, s->n, sizeof(*s->all), compare);
	for (i = 0; i < s->n; i++)
		if (i == 0 || s->all[i].entry != s->all[n - 1].entry)
			s->all[n++] = s->all[i];
	s->n = n;
	walk(s, unit, scope, 0, 0);
}

const char *scoped_names__get(const struct scoped_names *s, Dwarf_Die *function)
{
	const struct scoped_name *found = find(s, declaration_of(function));

	return found ? found->name : NULL;
}

void scoped_names__free(struct scoped_names *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		free(s->all[i].name);
	free(s->all);
	memset(s, 0, sizeof(*s));
}
