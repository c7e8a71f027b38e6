/* SPDX-License-Identifier: Apache-2.0 */
/* What the reader of symbols does with its file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "userspace/symbols/elf_names.h"
#include "userspace/symbols/inline_frames.h"
#include "userspace/symbols/jitdump.h"
#include "userspace/symbols/perf_map.h"
#include "userspace/symbols/worker.h"

/* A function without a size reaches no further than this. */
#define MAX_UNSIZED (1u << 20)

struct reading {
	const struct symbol_job *job;
	struct address_table table;
	struct result_writer *out;
	int err;		/* of the first message that could not be sent */
};

static void send(struct reading *r)
{
	int err = r->out->u.message.n > 0 ? result_writer__send(r->out) : 0;

	if (err && !r->err)
		r->err = err;
}

static struct symbol_name own_name(const struct address_place *p)
{
	return (struct symbol_name){ .name = p->name, .offset_bytes = p->address - p->start, .source = p->source };
}

static void send_table(struct reading *r)
{
	size_t i;

	for (i = 0; i < r->table.n && !r->err; i++) {
		struct symbol_name name;

		if (!r->table.places[i].found)
			continue;
		name = own_name(&r->table.places[i]);
		result_writer__begin(r->out, i);
		result_writer__add(r->out, &name);
		send(r);
	}
}

/*
 * The function that has the code is called as the symbol table calls it: that tells parts and clones of one from each other (f.cold,
 * f.constprop.0); debug information has the name where there is no symbol.
 */
static void on_chain(void *ctx, size_t index, const struct inline_chain *chain)
{
	struct reading *r = ctx;
	const struct address_place *p = &r->table.places[index];
	const uint64_t offset = p->address - (p->found ? p->start : chain->start);
	size_t i;

	if (!p->found && !chain->functions[0].name)
		return;
	result_writer__begin(r->out, index);
	for (i = 0; i < chain->n; i++) {
		const struct inline_function *f = &chain->functions[i];
		struct symbol_name name = { .name = f->name, .source = SYMBOL_DWARF };

		if (i == 0 && p->found)
			name = own_name(p);
		if (!name.name)
			continue;
		name.offset_bytes = offset;
		name.file = f->file;
		name.line = f->line;
		result_writer__add(r->out, &name);
	}
	send(r);
}

static bool has_section(const struct elf_file *f, const char *name)
{
	const void *bytes;
	size_t size;

	return elf_file__section(f, name, &bytes, &size) == 0;
}

static int add_debugdata(const struct elf_file *f, struct address_table *table)
{
	struct elf_file *packed;
	int err = elf_names__debugdata(f, &packed);

	if (err)
		return err == -ENOENT ? 0 : err;
	elf_names__add(packed, ELF_SYMTAB, SYMBOL_GNU_DEBUGDATA, table);
	elf_file__free(packed);
	return 0;
}

static int read_elf_files(struct reading *r, const struct elf_file *f, const struct elf_file *debug)
{
	const struct elf_file *dwarf = has_section(f, ".debug_info") ? f : debug;
	int err = 0, dwarf_err = 0;

	elf_names__add(f, ELF_SYMTAB, SYMBOL_SYMTAB, &r->table);
	elf_names__add(f, ELF_DYNSYM, SYMBOL_DYNSYM, &r->table);
	if (debug)
		elf_names__add(debug, ELF_SYMTAB, SYMBOL_DEBUG_FILE, &r->table);
	else
		err = add_debugdata(f, &r->table);
	address_table__finish(&r->table, MAX_UNSIZED);
	send_table(r);
	if (dwarf && !r->err)
		dwarf_err = inline_frames__each(dwarf, r->job->addresses, r->job->n, on_chain, r);
	return err ? err : dwarf_err == -ENOENT ? 0 : dwarf_err;
}

static int read_elf(struct reading *r)
{
	struct elf_file *f, *debug = NULL;
	int err = elf_file__open_mapped(&f, r->job->fd);

	if (err)
		return -EBADMSG;
	if (r->job->debug_fd >= 0)
		err = elf_file__open_mapped(&debug, r->job->debug_fd) ? -EBADMSG : 0;
	err = read_elf_files(r, f, debug) ? -EBADMSG : err;
	elf_file__free(debug);
	elf_file__free(f);
	return err;
}

static int read_text(struct reading *r)
{
	const struct symbol_job *job = r->job;
	FILE *f = fdopen(dup(job->fd), "r");
	int err = -EBADMSG;

	if (!f)
		return -errno;
	switch (job->kind) {
	case SYMBOL_JOB_PERF_MAP:
		err = perf_map__read(f, &r->table);
		break;
	case SYMBOL_JOB_JITDUMP:
		err = jitdump__read(f, &r->table);
		break;
	case SYMBOL_JOB_KALLSYMS:
		err = kallsyms__read(f, job->base, job->module, job->module_start, &r->table);
		break;
	case SYMBOL_JOB_ELF:
		break;
	}
	fclose(f);
	send_table(r);
	return err;
}

int symbol_job__read(const struct symbol_job *job, int out)
{
	struct reading r = { .job = job, .out = malloc(sizeof(*r.out)) };
	int err;

	if (!r.out)
		return -ENOMEM;
	r.out->fd = out;
	err = address_table__init(&r.table, job->addresses, job->n);
	if (!err)
		err = job->kind == SYMBOL_JOB_ELF ? read_elf(&r) : read_text(&r);
	if (!err && r.table.no_memory)
		err = -ENOMEM;
	if (!r.err)
		r.err = result_writer__end(r.out, err);
	address_table__free(&r.table);
	free(r.out);
	return r.err;
}
