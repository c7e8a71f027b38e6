/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the recorder needs to know of an ELF file: build id, symbols, where an address is in the file, and which symbol
 * a slot of the global offset table is bound to.
 *
 * The file belongs to a process that is not trusted: it may be damaged on purpose, or change while it is read. So it is
 * read, not mapped (a file cut short would raise SIGBUS), only the sections that are asked for, and every offset in it
 * is checked. 64-bit little-endian files only.
 */
#ifndef TOKPROF_ELF_FILE_H
#define TOKPROF_ELF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ELF_FILE_MAX_MATCHES 4096
#define ELF_FILE_BUILD_ID_SIZE 65 /* 32 bytes as hexadecimal digits, and the end */

struct elf_file;

struct elf_symbol {
	const char *name; /* owned by the elf_file */
	uint64_t vaddr, size;
	uint64_t file_offset; /* of its first byte: what a uprobe wants; ELF_FILE_NO_OFFSET: not in the file (.bss) */
	bool function;
	unsigned char binding; /* STB_LOCAL, STB_GLOBAL, STB_WEAK */
};
#define ELF_FILE_NO_OFFSET UINT64_MAX

struct elf_match {
	size_t pattern; /* index of the pattern that it matched */
	struct elf_symbol symbol;
};

/* @return 0; -ENOENT, -EACCES, ...; -ENOEXEC: no ELF file that is understood here */
int elf_file__open(struct elf_file **out, const char *path);
int elf_file__open_fd(struct elf_file **out, int fd); /* keeps a duplicate of fd */
/* The same, mapped: for large files, in a process that may die of the SIGBUS of one that is cut short meanwhile. */
int elf_file__open_mapped(struct elf_file **out, int fd);
/* The same, read, without symbols: for build id and sections of a file that may be large. */
int elf_file__open_headers(struct elf_file **out, int fd);
/* Hold no pages of a mapped file for now: they are read again where they are wanted. */
void elf_file__let_go(const struct elf_file *f);
void elf_file__free(struct elf_file *f);

struct Elf *elf_file__elf(const struct elf_file *f); /* for libdw */
uint16_t elf_file__machine(const struct elf_file *f); /* EM_X86_64, ... */
/* Hexadecimal digits. @return 0, -ENODATA where it has none */
int elf_file__build_id(const struct elf_file *f, char *out, size_t size);

/* '*' stands for any characters but '.', so that a pattern never finds compiler-made parts of a function (F.cold). */
bool elf_pattern__match(const char *pattern, const char *name);

/*
 * All defined functions and objects whose names match one of the patterns, .dynsym before .symtab, each once, in one
 * pass over both. *out is the caller's (free). @return 0, -ENOMEM, -E2BIG (more than ELF_FILE_MAX_MATCHES)
 */
int elf_file__find(const struct elf_file *f, const char *const *patterns, size_t n_patterns, struct elf_match **out,
		   size_t *n_out);
enum elf_table { ELF_DYNSYM, ELF_SYMTAB, N_ELF_TABLES };
/* Every defined function of a table, indirect ones (whose code is the resolver) too; names live as long as the file. */
void elf_file__each_function(const struct elf_file *f, enum elf_table table,
			     void (*visit)(void *ctx, const struct elf_symbol *symbol), void *ctx);
/* Every section of code, in the order of the file. */
void elf_file__each_code_section(const struct elf_file *f, void (*visit)(void *ctx, uint64_t vaddr, uint64_t size),
				 void *ctx);
/* The function that begins at an address. @return 0, -ENOENT */
int elf_file__function_at(const struct elf_file *f, uint64_t vaddr, struct elf_symbol *out);
/* The function, or part of one, whose bytes hold an address. @return 0, -ENOENT */
int elf_file__function_around(const struct elf_file *f, uint64_t vaddr, struct elf_symbol *out);

/* @return 0, -ENOENT where the address has no bytes in the file */
int elf_file__offset(const struct elf_file *f, uint64_t vaddr, uint64_t *offset);
/* The i-th stretch of code, as much of it as the file has. @return 0, -ENOENT: there are no more */
int elf_file__executable(const struct elf_file *f, size_t i, uint64_t *vaddr, uint64_t *size);
/* Bytes as the file has them (not relocated). @return 0; -ENOENT, -EIO where not all of them are there */
int elf_file__read(const struct elf_file *f, uint64_t vaddr, void *out, size_t size);

struct elf_range {
	uint64_t start, end; /* addresses: end is the first one behind it */
};
/*
 * The data inside a function of an AArch64 file, by its mapping symbols: $d begins data, $x code (AAELF64). None where the
 * file has no .symtab. Ascending; *out is the caller's (free). @return 0, -ENOMEM
 */
int elf_file__data_ranges(const struct elf_file *f, uint64_t function, uint64_t size, struct elf_range **out,
			  size_t *n_out);

/* What to add to a vaddr for its address in a process that has mapped this part of the file. @return 0, -ENOENT */
int elf_file__bias(const struct elf_file *f, uint64_t map_start, uint64_t map_offset, uint64_t map_size,
		   uint64_t *bias);

/* A section's bytes as the file has them, owned by the elf_file. @return 0, -ENOENT */
int elf_file__section(const struct elf_file *f, const char *name, const void **bytes, size_t *size);
/* Has the string section this string? Also true where that cannot be told without unpacking it. */
bool elf_file__has_string(const struct elf_file *f, const char *section, const char *string);

/* The symbol that the dynamic linker puts into a slot of the global offset table. @return 0, -ENOENT */
int elf_file__slot_symbol(const struct elf_file *f, uint64_t slot_vaddr, const char **name);

#endif
