/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/symbols/address_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int address_table__init(struct address_table *t, const uint64_t *addresses, size_t n)
{
	size_t i;

	memset(t, 0, sizeof(*t));
	t->places = calloc(n ? n : 1, sizeof(*t->places));
	if (!t->places)
		return -ENOMEM;
	t->n = n;
	for (i = 0; i < n; i++)
		t->places[i].address = addresses[i];
	return 0;
}

void address_table__free(struct address_table *t)
{
	size_t i;

	for (i = 0; i < t->n; i++) {
		free(t->places[i].name);
		free(t->places[i].bound.name);
	}
	free(t->places);
	memset(t, 0, sizeof(*t));
}

/* The first place at or above an address; n where there is none. */
static size_t first_from(const struct address_table *t, uint64_t address)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->places[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void set_name(struct address_table *t, char **slot, const char *name)
{
	char *copy = name ? strdup(name) : NULL;

	if (name && !copy)
		t->no_memory = true;
	free(*slot);
	*slot = copy;
}

/* The same names win whatever the order in which a linker has put the symbols down. */
static bool is_better(const struct address_place *p, const struct address_symbol *s)
{
	if (!p->found)
		return true;
	if (s->order != p->order)
		return s->order > p->order;
	if (s->start != p->start)
		return s->start > p->start;
	if (s->rank != p->rank)
		return s->rank > p->rank;
	return p->name && strcmp(s->name, p->name) < 0;
}

static void bound(struct address_table *t, size_t i, const struct address_symbol *s, bool sized)
{
	struct address_bound *b = i < t->n ? &t->places[i].bound : NULL;
	const char *name = sized ? NULL : s->name;

	if (!b || (b->any && s->start < b->start))
		return;
	if (b->any && s->start == b->start && !sized) {
		/* Of several at one address: one that has an end says where the code is, else the better name does. */
		if (b->sized || !name ||
		    (b->name && (s->rank < b->rank || (s->rank == b->rank && strcmp(name, b->name) >= 0))))
			return;
	}
	b->any = true;
	b->sized = sized;
	b->start = s->start;
	b->rank = s->rank;
	b->source = s->source;
	if (b->name || name)
		set_name(t, &b->name, name);
}

void address_table__cover(struct address_table *t, const struct address_symbol *s, uint64_t size)
{
	size_t first = first_from(t, s->start), i;

	bound(t, first, s, true);
	for (i = first; i < t->n && t->places[i].address - s->start < size; i++) {
		struct address_place *p = &t->places[i];

		if (!is_better(p, s))
			continue;
		p->found = true;
		p->start = s->start;
		p->order = s->order;
		p->rank = s->rank;
		p->source = s->source;
		set_name(t, &p->name, s->name);
	}
}

void address_table__begin_at(struct address_table *t, const struct address_symbol *s)
{
	bound(t, first_from(t, s->start), s, false);
}

void address_table__finish(struct address_table *t, uint64_t reach)
{
	const struct address_bound *last = NULL;
	size_t i;

	for (i = 0; i < t->n; i++) {
		struct address_place *p = &t->places[i];

		if (p->bound.any)
			last = &p->bound;
		if (p->found || !last || !last->name || p->address - last->start >= reach)
			continue;
		p->found = true;
		p->start = last->start;
		p->rank = last->rank;
		p->source = last->source;
		set_name(t, &p->name, last->name);
	}
	/* A name that there was no room for is none. */
	for (i = 0; i < t->n; i++)
		if (!t->places[i].name)
			t->places[i].found = false;
}
