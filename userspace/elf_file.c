/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/elf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SEGMENTS 256
#define MAX_SECTIONS 4096
/* A symbol or string table beyond this is damage: the largest known engine has 5 MB. */
#define MAX_SECTION_BYTES (512ull << 20)

struct segment {
	uint64_t vaddr, offset, size;
	bool executable;
};

struct symbol_table {
	Elf_Data *symbols;
	Elf_Data *strings;
	size_t n;
};

struct elf_file {
	int fd;
	uint64_t size;
	Elf *elf;
	uint16_t machine;
	bool mapped;
	struct segment segments[MAX_SEGMENTS];
	size_t n_segments;
	struct symbol_table tables[N_ELF_TABLES]; /* without symbols where the file has none */
};

/* --- opening ------------------------------------------------------------------------------------------------------- */

static int read_segments(struct elf_file *f)
{
	size_t n = 0, i;

	if (elf_getphdrnum(f->elf, &n) || n > MAX_SEGMENTS)
		return -ENOEXEC;
	for (i = 0; i < n; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(f->elf, (int)i, &ph))
			return -ENOEXEC;
		if (ph.p_type != PT_LOAD)
			continue;
		/* Bytes beyond the file's end are none, and sums must not wrap. */
		if (ph.p_offset > f->size || ph.p_filesz > f->size - ph.p_offset ||
		    ph.p_vaddr + ph.p_filesz < ph.p_vaddr)
			continue;
		f->segments[f->n_segments++] = (struct segment){
			.vaddr = ph.p_vaddr,
			.offset = ph.p_offset,
			.size = ph.p_filesz,
			.executable = ph.p_flags & PF_X,
		};
	}
	return 0;
}

/* A section's bytes; NULL where they are not all in the file. */
static Elf_Data *section_data(const struct elf_file *f, Elf_Scn *section, GElf_Shdr *sh)
{
	if (!section || !gelf_getshdr(section, sh) || sh->sh_type == SHT_NOBITS)
		return NULL;
	if (sh->sh_offset > f->size || sh->sh_size > f->size - sh->sh_offset || sh->sh_size > MAX_SECTION_BYTES)
		return NULL;
	return elf_getdata(section, NULL);
}

static Elf_Scn *next_section(const struct elf_file *f, Elf_Scn *section)
{
	return section && elf_ndxscn(section) >= MAX_SECTIONS ? NULL : elf_nextscn(f->elf, section);
}

static void load_table(const struct elf_file *f, Elf_Scn *section, struct symbol_table *table)
{
	GElf_Shdr sh, strings_sh;

	table->n = 0;
	table->symbols = section_data(f, section, &sh);
	if (!table->symbols || !table->symbols->d_buf || sh.sh_entsize != sizeof(Elf64_Sym))
		return;
	table->strings = section_data(f, elf_getscn(f->elf, sh.sh_link), &strings_sh);
	if (!table->strings || !table->strings->d_buf || table->strings->d_size == 0 ||
	    strings_sh.sh_type != SHT_STRTAB)
		return;
	table->n = table->symbols->d_size / sizeof(Elf64_Sym);
}

/* The table's last byte must end a string, or the last name would run out of it. */
static const char *string_at(const Elf_Data *strings, uint64_t at)
{
	const char *text = strings->d_buf;

	if (at >= strings->d_size || text[strings->d_size - 1] != 0)
		return NULL;
	return text + at;
}

static void load_symbols(struct elf_file *f)
{
	Elf_Scn *section = NULL;
	GElf_Shdr sh;

	while ((section = next_section(f, section))) {
		if (!gelf_getshdr(section, &sh))
			continue;
		if (sh.sh_type == SHT_DYNSYM)
			load_table(f, section, &f->tables[ELF_DYNSYM]);
		else if (sh.sh_type == SHT_SYMTAB)
			load_table(f, section, &f->tables[ELF_SYMTAB]);
	}
}

enum how { WHOLE, MAPPED, HEADERS_ONLY };

static int load(struct elf_file *f, enum how how)
{
	struct stat st;
	GElf_Ehdr header;
	const char *ident;
	int err;

	if (fstat(f->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size <= 0)
		return -ENOEXEC;
	f->size = (uint64_t)st.st_size;
	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOTSUP;
	f->elf = elf_begin(f->fd, how == MAPPED ? ELF_C_READ_MMAP : ELF_C_READ, NULL);
	if (!f->elf || elf_kind(f->elf) != ELF_K_ELF || !gelf_getehdr(f->elf, &header))
		return -ENOEXEC;
	ident = elf_getident(f->elf, NULL);
	if (!ident || ident[EI_CLASS] != ELFCLASS64 || ident[EI_DATA] != ELFDATA2LSB)
		return -ENOEXEC;
	f->machine = header.e_machine;
	err = read_segments(f);
	if (!err && how != HEADERS_ONLY)
		load_symbols(f);
	return err;
}

static int open_owned(struct elf_file **out, int fd, enum how how)
{
	struct elf_file *f = calloc(1, sizeof(*f));
	int err;

	*out = NULL;
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	f->fd = fd;
	f->mapped = how == MAPPED;
	err = load(f, how);
	if (err) {
		elf_file__free(f);
		return err;
	}
	*out = f;
	return 0;
}

int elf_file__open(struct elf_file **out, const char *path)
{
	/* O_NONBLOCK: a path that names a pipe must not block us. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	*out = NULL;
	return fd < 0 ? -errno : open_owned(out, fd, WHOLE);
}

static int open_duplicate(struct elf_file **out, int fd, enum how how)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	*out = NULL;
	return copy < 0 ? -errno : open_owned(out, copy, how);
}

int elf_file__open_fd(struct elf_file **out, int fd)
{
	return open_duplicate(out, fd, WHOLE);
}

int elf_file__open_mapped(struct elf_file **out, int fd)
{
	return open_duplicate(out, fd, MAPPED);
}

int elf_file__open_headers(struct elf_file **out, int fd)
{
	return open_duplicate(out, fd, HEADERS_ONLY);
}

void elf_file__let_go(const struct elf_file *f)
{
	size_t size;
	char *bytes = f->mapped ? elf_rawfile(f->elf, &size) : NULL;

	if (bytes)
		madvise(bytes, size, MADV_DONTNEED);
}

void elf_file__free(struct elf_file *f)
{
	if (!f)
		return;
	elf_end(f->elf);
	close(f->fd);
	free(f);
}

struct Elf *elf_file__elf(const struct elf_file *f)
{
	return f->elf;
}

uint16_t elf_file__machine(const struct elf_file *f)
{
	return f->machine;
}

/* --- notes --------------------------------------------------------------------------------------------------------- */

static int format_id(const unsigned char *id, size_t n, char *out, size_t size)
{
	size_t i;

	if (n == 0 || 2 * n + 1 > size)
		return -ENODATA;
	for (i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", id[i]);
	return 0;
}

int elf_file__build_id(const struct elf_file *f, char *out, size_t size)
{
	Elf_Scn *section = NULL;
	GElf_Shdr sh;

	out[0] = 0;
	while ((section = next_section(f, section))) {
		size_t at = 0, next, name_at, id_at;
		Elf_Data *data;
		GElf_Nhdr note;

		if (!gelf_getshdr(section, &sh) || sh.sh_type != SHT_NOTE)
			continue;
		data = section_data(f, section, &sh);
		while (data && (next = gelf_getnote(data, at, &note, &name_at, &id_at)) > at) {
			const char *name = (const char *)data->d_buf + name_at;

			if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(name, "GNU", 4) == 0)
				return format_id((const unsigned char *)data->d_buf + id_at, note.n_descsz, out, size);
			at = next;
		}
	}
	return -ENODATA;
}

/* --- addresses ----------------------------------------------------------------------------------------------------- */

static const struct segment *segment_of(const struct elf_file *f, uint64_t vaddr)
{
	size_t i;

	for (i = 0; i < f->n_segments; i++)
		if (vaddr >= f->segments[i].vaddr && vaddr - f->segments[i].vaddr < f->segments[i].size)
			return &f->segments[i];
	return NULL;
}

int elf_file__offset(const struct elf_file *f, uint64_t vaddr, uint64_t *offset)
{
	const struct segment *s = segment_of(f, vaddr);

	if (!s)
		return -ENOENT;
	*offset = vaddr - s->vaddr + s->offset;
	return 0;
}

int elf_file__read(const struct elf_file *f, uint64_t vaddr, void *out, size_t size)
{
	const struct segment *s = segment_of(f, vaddr);
	size_t done = 0;

	if (!s || size > s->size - (vaddr - s->vaddr))
		return -ENOENT;
	while (done < size) {
		ssize_t n = pread(f->fd, (char *)out + done, size - done, (off_t)(vaddr - s->vaddr + s->offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		done += (size_t)n;
	}
	return 0;
}

int elf_file__executable(const struct elf_file *f, size_t i, uint64_t *vaddr, uint64_t *size)
{
	size_t s;

	for (s = 0; s < f->n_segments; s++)
		if (f->segments[s].executable && i-- == 0) {
			*vaddr = f->segments[s].vaddr;
			*size = f->segments[s].size;
			return 0;
		}
	return -ENOENT;
}

int elf_file__bias(const struct elf_file *f, uint64_t map_start, uint64_t map_offset, uint64_t map_size, uint64_t *bias)
{
	size_t i;

	for (i = 0; i < f->n_segments; i++) {
		const struct segment *s = &f->segments[i];

		if (!s->executable || s->offset >= map_offset + map_size || s->offset + s->size <= map_offset)
			continue;
		*bias = map_start - map_offset + s->offset - s->vaddr;
		return 0;
	}
	return -ENOENT;
}

/* --- strings ------------------------------------------------------------------------------------------------------- */

static Elf_Scn *find_section(const struct elf_file *f, const char *name, GElf_Shdr *sh)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(f->elf, &names))
		return NULL;
	while ((section = next_section(f, section))) {
		const char *found = gelf_getshdr(section, sh) ? elf_strptr(f->elf, names, sh->sh_name) : NULL;

		if (found && strcmp(found, name) == 0)
			return section;
	}
	return NULL;
}

int elf_file__section(const struct elf_file *f, const char *name, const void **bytes, size_t *size)
{
	GElf_Shdr sh;
	Elf_Scn *section = find_section(f, name, &sh);
	Elf_Data *data = section ? section_data(f, section, &sh) : NULL;

	if (!data || !data->d_buf)
		return -ENOENT;
	*bytes = data->d_buf;
	*size = data->d_size;
	return 0;
}

bool elf_file__has_string(const struct elf_file *f, const char *name, const char *string)
{
	const void *bytes;
	GElf_Shdr sh;
	Elf_Scn *section = find_section(f, name, &sh);
	size_t size;

	if (section && sh.sh_flags & SHF_COMPRESSED)
		return true;
	return elf_file__section(f, name, &bytes, &size) == 0 && memmem(bytes, size, string, strlen(string) + 1);
}

/* --- symbols ------------------------------------------------------------------------------------------------------- */

bool elf_pattern__match(const char *pattern, const char *name)
{
	const char *star = NULL, *resume = NULL;

	/* The usual two-pointer glob: on a mismatch the latest star takes one more character. */
	while (*name) {
		if (*pattern == '*') {
			star = pattern++;
			resume = name;
		} else if (*pattern == *name) {
			pattern++;
			name++;
		} else if (star && *resume != '.') {
			pattern = star + 1;
			name = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == 0;
}

/* @return false for what is no defined function or object */
static bool decode_symbol(const struct elf_file *f, const struct symbol_table *table, size_t i, struct elf_symbol *out)
{
	Elf64_Sym symbol;
	unsigned type;

	memcpy(&symbol, (const char *)table->symbols->d_buf + i * sizeof(symbol), sizeof(symbol));
	type = GELF_ST_TYPE(symbol.st_info);
	if (symbol.st_shndx == SHN_UNDEF || (type != STT_FUNC && type != STT_OBJECT && type != STT_GNU_IFUNC))
		return false;
	out->name = string_at(table->strings, symbol.st_name);
	if (!out->name || !out->name[0])
		return false;
	out->vaddr = symbol.st_value;
	out->size = symbol.st_size;
	out->function = type == STT_FUNC;
	out->binding = GELF_ST_BIND(symbol.st_info);
	if (elf_file__offset(f, out->vaddr, &out->file_offset))
		out->file_offset = ELF_FILE_NO_OFFSET;
	return true;
}

struct match_list {
	struct elf_match *matches;
	size_t n, capacity;
};

static int match_list__add(struct match_list *list, size_t pattern, const struct elf_symbol *symbol)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (list->matches[i].pattern == pattern && list->matches[i].symbol.vaddr == symbol->vaddr &&
		    strcmp(list->matches[i].symbol.name, symbol->name) == 0)
			return 0;
	if (list->n == ELF_FILE_MAX_MATCHES)
		return -E2BIG;
	if (list->n == list->capacity) {
		size_t wanted = list->capacity ? 2 * list->capacity : 32;
		struct elf_match *bigger = realloc(list->matches, wanted * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		list->matches = bigger;
		list->capacity = wanted;
	}
	list->matches[list->n++] = (struct elf_match){ .pattern = pattern, .symbol = *symbol };
	return 0;
}

int elf_file__find(const struct elf_file *f, const char *const *patterns, size_t n_patterns, struct elf_match **out,
		   size_t *n_out)
{
	struct match_list list = { 0 };
	size_t t, i, p;
	int err;

	*out = NULL;
	*n_out = 0;
	for (t = 0; t < N_ELF_TABLES; t++) {
		for (i = 0; i < f->tables[t].n; i++) {
			struct elf_symbol symbol;

			if (!decode_symbol(f, &f->tables[t], i, &symbol))
				continue;
			for (p = 0; p < n_patterns; p++) {
				if (!elf_pattern__match(patterns[p], symbol.name))
					continue;
				err = match_list__add(&list, p, &symbol);
				if (err) {
					free(list.matches);
					return err;
				}
			}
		}
	}
	*out = list.matches;
	*n_out = list.n;
	return 0;
}

void elf_file__each_function(const struct elf_file *f, enum elf_table which,
			     void (*visit)(void *ctx, const struct elf_symbol *symbol), void *ctx)
{
	const struct symbol_table *table = &f->tables[which];
	struct elf_symbol symbol;
	Elf64_Sym raw;
	size_t i;

	for (i = 0; i < table->n; i++) {
		memcpy(&raw, (const char *)table->symbols->d_buf + i * sizeof(raw), sizeof(raw));
		if (GELF_ST_TYPE(raw.st_info) != STT_OBJECT && decode_symbol(f, table, i, &symbol))
			visit(ctx, &symbol);
	}
}

void elf_file__each_code_section(const struct elf_file *f, void (*visit)(void *ctx, uint64_t vaddr, uint64_t size),
				 void *ctx)
{
	Elf_Scn *section = NULL;
	GElf_Shdr sh;

	while ((section = next_section(f, section)))
		if (gelf_getshdr(section, &sh) && sh.sh_flags & SHF_EXECINSTR)
			visit(ctx, sh.sh_addr, sh.sh_size);
}

int elf_file__function_at(const struct elf_file *f, uint64_t vaddr, struct elf_symbol *out)
{
	size_t t, i;

	for (t = 0; t < N_ELF_TABLES; t++)
		for (i = 0; i < f->tables[t].n; i++)
			if (decode_symbol(f, &f->tables[t], i, out) && out->function && out->vaddr == vaddr)
				return 0;
	return -ENOENT;
}

int elf_file__function_around(const struct elf_file *f, uint64_t vaddr, struct elf_symbol *out)
{
	size_t t, i;

	for (t = 0; t < N_ELF_TABLES; t++)
		for (i = 0; i < f->tables[t].n; i++)
			if (decode_symbol(f, &f->tables[t], i, out) && out->function && vaddr >= out->vaddr &&
			    vaddr - out->vaddr < out->size)
				return 0;
	return -ENOENT;
}

/* --- mapping symbols ----------------------------------------------------------------------------------------------- */

struct mapping {
	uint64_t vaddr;
	bool data;
};

/* "$d", "$x", or either with a point and anything behind it. */
static bool decode_mapping(const struct symbol_table *table, size_t i, struct mapping *out)
{
	Elf64_Sym symbol;
	const char *name;

	memcpy(&symbol, (const char *)table->symbols->d_buf + i * sizeof(symbol), sizeof(symbol));
	if (symbol.st_shndx == SHN_UNDEF || GELF_ST_TYPE(symbol.st_info) != STT_NOTYPE)
		return false;
	name = string_at(table->strings, symbol.st_name);
	if (!name || name[0] != '$' || (name[1] != 'd' && name[1] != 'x') || (name[2] && name[2] != '.'))
		return false;
	out->vaddr = symbol.st_value;
	out->data = name[1] == 'd';
	return true;
}

/* Where both are at one address the data is empty. */
static int compare_mappings(const void *a, const void *b)
{
	const struct mapping *x = a, *y = b;

	if (x->vaddr != y->vaddr)
		return x->vaddr < y->vaddr ? -1 : 1;
	return (int)y->data - (int)x->data;
}

int elf_file__data_ranges(const struct elf_file *f, uint64_t function, uint64_t size, struct elf_range **out,
			  size_t *n_out)
{
	const struct symbol_table *table = &f->tables[ELF_SYMTAB];
	struct mapping *mappings = NULL, found;
	size_t n = 0, i, pass;

	*out = NULL;
	*n_out = 0;
	/* A function begins with an instruction, so that only what changes inside it matters. */
	for (pass = 0; pass < 2; pass++) {
		for (n = i = 0; i < table->n; i++) {
			if (!decode_mapping(table, i, &found) || found.vaddr < function ||
			    found.vaddr - function >= size)
				continue;
			if (mappings)
				mappings[n] = found;
			n++;
		}
		if (n == 0)
			return 0;
		if (pass == 0)
			mappings = calloc(n, sizeof(*mappings));
		if (!mappings)
			return -ENOMEM;
	}
	qsort(mappings, n, sizeof(*mappings), compare_mappings);
	*out = calloc(n, sizeof(**out));
	for (i = 0; i < n && *out; i++) {
		const uint64_t end = i + 1 < n ? mappings[i + 1].vaddr : function + size;

		if (mappings[i].data)
			(*out)[(*n_out)++] = (struct elf_range){ mappings[i].vaddr, end };
	}
	free(mappings);
	return *out ? 0 : -ENOMEM;
}

/* --- relocations --------------------------------------------------------------------------------------------------- */

static const char *relocation_symbol(const struct elf_file *f, const GElf_Rela *relocation)
{
	const struct symbol_table *dynsym = &f->tables[ELF_DYNSYM];
	uint64_t index = GELF_R_SYM(relocation->r_info);
	Elf64_Sym symbol;
	const char *name;

	if (index == 0 || index >= dynsym->n)
		return NULL;
	memcpy(&symbol, (const char *)dynsym->symbols->d_buf + index * sizeof(symbol), sizeof(symbol));
	name = string_at(dynsym->strings, symbol.st_name);
	return name && name[0] ? name : NULL;
}

int elf_file__slot_symbol(const struct elf_file *f, uint64_t slot_vaddr, const char **name)
{
	Elf_Scn *section = NULL;
	GElf_Shdr sh;

	while ((section = next_section(f, section))) {
		Elf_Data *data;
		size_t n, i;

		if (!gelf_getshdr(section, &sh) || sh.sh_type != SHT_RELA || sh.sh_entsize != sizeof(Elf64_Rela))
			continue;
		data = section_data(f, section, &sh);
		n = data && data->d_buf ? data->d_size / sizeof(Elf64_Rela) : 0;
		for (i = 0; i < n; i++) {
			GElf_Rela relocation;

			memcpy(&relocation, (const char *)data->d_buf + i * sizeof(relocation), sizeof(relocation));
			if (relocation.r_offset != slot_vaddr)
				continue;
			*name = relocation_symbol(f, &relocation);
			return *name ? 0 : -ENOENT;
		}
	}
	return -ENOENT;
}
