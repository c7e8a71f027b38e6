/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/symbols/jitdump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define JITDUMP_MAGIC 0x4A695444u
#define MAX_NAME 4096
#define MAX_MOVED 65536		/* pieces of code that were moved; the names of later ones are not found */

enum { JIT_CODE_LOAD = 0, JIT_CODE_MOVE = 1 };

struct file_header {
	uint32_t magic, version, total_size, elf_mach, pad, pid;
	uint64_t timestamp, flags;
};

struct record_header {
	uint32_t id, total_size;
	uint64_t timestamp;
};

struct load {			/* the name follows, and the code */
	uint32_t pid, tid;
	uint64_t vma, code_addr, code_size, code_index;
};

struct move {
	uint32_t pid, tid;
	uint64_t vma, old_code_addr, new_code_addr, code_size, code_index;
};

struct moved {
	uint64_t code_index;
	char *name;		/* NULL: its load has not been read */
};

struct reading {
	struct address_table *table;
	struct moved *moved;	/* by code_index */
	size_t n_moved;
	uint64_t order;
};

static int compare_moved(const void *a, const void *b)
{
	const struct moved *x = a, *y = b;

	return x->code_index < y->code_index ? -1 : x->code_index > y->code_index;
}

static struct moved *find_moved(const struct reading *r, uint64_t code_index)
{
	const struct moved wanted = { .code_index = code_index };

	return r->n_moved ? bsearch(&wanted, r->moved, r->n_moved, sizeof(wanted), compare_moved) : NULL;
}

static void cover(struct reading *r, uint64_t start, uint64_t size, const char *name)
{
	const struct address_symbol symbol = {
		.start = start, .order = ++r->order, .name = name, .source = SYMBOL_JITDUMP
	};

	if (name && name[0])
		address_table__cover(r->table, &symbol, size);
}

static void on_load(struct reading *r, FILE *f, uint32_t left)
{
	char name[MAX_NAME];
	struct moved *moved;
	struct load load;
	size_t n;

	if (left < sizeof(load) || fread(&load, sizeof(load), 1, f) != 1)
		return;
	left -= (uint32_t)sizeof(load);
	n = fread(name, 1, left < sizeof(name) - 1 ? left : sizeof(name) - 1, f);
	name[n] = 0;
	cover(r, load.code_addr, load.code_size, name);
	moved = find_moved(r, load.code_index);
	if (moved) {
		free(moved->name);
		moved->name = strdup(name);
	}
}

static void on_move(struct reading *r, FILE *f, uint32_t left)
{
	const struct moved *moved;
	struct move move;

	if (left < sizeof(move) || fread(&move, sizeof(move), 1, f) != 1)
		return;
	moved = find_moved(r, move.code_index);
	cover(r, move.new_code_addr, move.code_size, moved ? moved->name : NULL);
}

/* The first way through: which pieces are moved, so that only their names are kept. */
static void note_move(struct reading *r, FILE *f, uint32_t left)
{
	struct move move;

	if (left < sizeof(move) || r->n_moved == MAX_MOVED || fread(&move, sizeof(move), 1, f) != 1)
		return;
	if (!r->moved)
		r->moved = calloc(MAX_MOVED, sizeof(*r->moved));
	if (r->moved)
		r->moved[r->n_moved++].code_index = move.code_index;
}

static void sort_moved(struct reading *r)
{
	size_t i, n = 0;

	if (r->n_moved > 1)
		qsort(r->moved, r->n_moved, sizeof(*r->moved), compare_moved);
	for (i = 0; i < r->n_moved; i++)
		if (i == 0 || r->moved[i].code_index != r->moved[n - 1].code_index)
			r->moved[n++] = r->moved[i];
	r->n_moved = n;
}

static int each_record(struct reading *r, FILE *f, bool names)
{
	struct file_header header;
	struct record_header record;
	long at;

	rewind(f);
	if (fread(&header, sizeof(header), 1, f) != 1 || header.magic != JITDUMP_MAGIC ||
	    header.total_size < sizeof(header))
		return -EBADMSG;
	at = (long)header.total_size;
	while (fseek(f, at, SEEK_SET) == 0 && fread(&record, sizeof(record), 1, f) == 1) {
		const uint32_t left = record.total_size - (uint32_t)sizeof(record);

		if (record.total_size < sizeof(record))
			return -EBADMSG;
		if (record.id == JIT_CODE_MOVE && names)
			on_move(r, f, left);
		else if (record.id == JIT_CODE_MOVE)
			note_move(r, f, left);
		else if (record.id == JIT_CODE_LOAD && names)
			on_load(r, f, left);
		at += (long)record.total_size;
	}
	return 0;
}

int jitdump__read(FILE *f, struct address_table *table)
{
	struct reading r = { .table = table };
	size_t i;
	int err = each_record(&r, f, false);

	sort_moved(&r);
	if (!err)
		err = each_record(&r, f, true);
	for (i = 0; i < r.n_moved; i++)
		free(r.moved[i].name);
	free(r.moved);
	return err;
}
