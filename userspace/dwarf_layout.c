/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/dwarf_layout.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <gelf.h>
#include <stdbool.h>
#include <string.h>

/* A struct member that a field of the layout is read from; the later names are those of newer builds. */
static const struct {
	const char *member;
	size_t at; /* in struct layout */
	bool required; /* this one, or a line above with the same `at` */
} members[] = {
	{ "n_tokens", offsetof(struct layout, n_tokens), true },
	{ "n_seqs_unq", offsetof(struct layout, n_seqs_unq), false },
	{ "token", offsetof(struct layout, token), true },
	{ "embd", offsetof(struct layout, embd), false },
	{ "embd_token", offsetof(struct layout, embd), true },
	{ "pos", offsetof(struct layout, pos), true },
	{ "n_seq_id", offsetof(struct layout, n_seq_id), false },
	{ "seq_id", offsetof(struct layout, seq_id), true },
	{ "output", offsetof(struct layout, output), true },
};
#define N_MEMBERS (sizeof(members) / sizeof(members[0]))
#define MAX_DIES 10000000 /* no known engine comes near; a file made to be endless does */

static uint16_t get_field(const struct layout *l, size_t at)
{
	uint16_t value;

	memcpy(&value, (const char *)l + at, sizeof(value));
	return value;
}

static void set_member(struct layout *l, const char *name, Dwarf_Word offset)
{
	uint16_t value = (uint16_t)offset;
	size_t i;

	for (i = 0; i < N_MEMBERS; i++)
		if (strcmp(members[i].member, name) == 0 && offset < LAYOUT_ABSENT)
			memcpy((char *)l + members[i].at, &value, sizeof(value));
}

#define MAX_NAMED_SECTIONS 8

/* Where names can stand, as libdw has the sections in memory. */
struct name_spans {
	const char *start[MAX_NAMED_SECTIONS], *end[MAX_NAMED_SECTIONS];
	int n;
};

static void find_names(Dwarf *dwarf, struct name_spans *out)
{
	Elf *elf = dwarf_getelf(dwarf);
	Elf_Scn *section = NULL;
	size_t names;

	out->n = 0;
	if (elf_getshdrstrndx(elf, &names))
		return;
	while ((section = elf_nextscn(elf, section)) && out->n < MAX_NAMED_SECTIONS) {
		GElf_Shdr sh;
		const char *name = gelf_getshdr(section, &sh) ? elf_strptr(elf, names, sh.sh_name) : NULL;
		Elf_Data *data;

		if (!name || (strcmp(name, ".debug_info") != 0 && strcmp(name, ".debug_str") != 0 &&
			      strcmp(name, ".debug_line_str") != 0))
			continue;
		data = elf_getdata(section, NULL);
		if (!data || !data->d_buf)
			continue;
		out->start[out->n] = data->d_buf;
		out->end[out->n++] = (const char *)data->d_buf + data->d_size;
	}
}

/* The name of an entry, if it ends inside its section: libdw 0.188 does not look for the end of a string in every form. */
static const char *die_name(Dwarf_Die *die, const struct name_spans *spans)
{
	const char *name = dwarf_diename(die);
	int i;

	for (i = 0; name && i < spans->n; i++)
		if (name >= spans->start[i] && name < spans->end[i])
			return memchr(name, 0, (size_t)(spans->end[i] - name)) ? name : NULL;
	return NULL;
}

static int read_struct(Dwarf_Die *die, const struct name_spans *names, struct layout *out)
{
	Dwarf_Die member;
	size_t i;
	int more;

	memset(out, 0xff, sizeof(*out)); /* LAYOUT_ABSENT */
	for (more = dwarf_child(die, &member); more == 0; more = dwarf_siblingof(&member, &member)) {
		const char *name = die_name(&member, names);
		Dwarf_Attribute attribute;
		Dwarf_Word offset;

		if (dwarf_tag(&member) == DW_TAG_member && name &&
		    dwarf_formudata(dwarf_attr(&member, DW_AT_data_member_location, &attribute), &offset) == 0)
			set_member(out, name, offset);
	}
	for (i = 0; i < N_MEMBERS; i++)
		if (members[i].required && get_field(out, members[i].at) == LAYOUT_ABSENT)
			return -ENODATA;
	return 0;
}

static bool is_definition(Dwarf_Die *die, const struct name_spans *names, const char *name)
{
	int tag = dwarf_tag(die);
	const char *own;

	if (tag != DW_TAG_structure_type && tag != DW_TAG_class_type)
		return false;
	own = die_name(die, names);
	return own && strcmp(own, name) == 0 && !dwarf_hasattr(die, DW_AT_declaration);
}

static int search_units(Dwarf *dwarf, const char *name, struct layout *out)
{
	struct name_spans names;
	Dwarf_CU *unit = NULL;
	Dwarf_Die root, die;
	int left = MAX_DIES, more;

	find_names(dwarf, &names);
	while (dwarf_get_units(dwarf, unit, &unit, NULL, NULL, &root, NULL) == 0)
		for (more = dwarf_child(&root, &die); more == 0; more = dwarf_siblingof(&die, &die)) {
			if (left-- == 0)
				return -ENODATA;
			if (is_definition(&die, &names, name))
				return read_struct(&die, &names, out);
		}
	return -ENODATA;
}

int dwarf_layout__find(const struct elf_file *f, const char *struct_name, struct layout *out)
{
	Dwarf *dwarf;
	int err;

	/* Most files have debug information of other things at most: do not load hundreds of MB for nothing. */
	if (!elf_file__has_string(f, ".debug_str", struct_name))
		return -ENODATA;
	dwarf = dwarf_begin_elf(elf_file__elf(f), DWARF_C_READ, NULL);
	if (!dwarf)
		return -ENODATA;
	err = search_units(dwarf, struct_name, out);
	dwarf_end(dwarf);
	return err;
}
