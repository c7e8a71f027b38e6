/* SPDX-License-Identifier: Apache-2.0 */
/* The unwind table of a file: rows in the order of their addresses, made of its .eh_frame. */
#ifndef TOKPROF_UNWIND_UNWIND_TABLE_H
#define TOKPROF_UNWIND_UNWIND_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/stacks.h"
#include "userspace/elf_file.h"
#include "userspace/unwind/eh_frame.h"

struct unwind_table {
	uint64_t first_address;		/* that rows count from */
	struct unwind_row *rows;	/* ascending, no two of one address, no two equal ones in succession */
	size_t n_rows;
	struct unwind_rule *rules;	/* those of the rows, each once; 0: none is known */
	size_t n_rules;
	size_t n_functions;		/* whose rows are in it */
	size_t n_bad;			/* left out: damaged, or overlapping another one */
};

/* @return 0; -ENODATA (no .eh_frame), -ENOTSUP (another machine), -E2BIG (more than max_rows), -ENOMEM, -EIO */
int unwind_table__build(struct unwind_table *out, const struct elf_file *f, size_t max_rows);
/* The same of bytes; code is from `first` to `last`. */
int unwind_table__build_section(struct unwind_table *out, const struct eh_frame *s, uint64_t first, uint64_t last,
				size_t max_rows);
void unwind_table__free(struct unwind_table *t);

/*
 * Its blocks (bpf/stacks.h), as many as there are rows at most: none where code is so sparse that they would be more.
 * @return how many; *out is the caller's, NULL where there are none or no memory for them: the rows do without
 */
size_t unwind_table__blocks(const struct unwind_table *t, struct unwind_row **out);

/* Finds .eh_frame. s->data stays the file's, as long as it is open. @return 0, -ENODATA, -EIO */
int unwind_table__section(const struct elf_file *f, struct eh_frame *s);

#endif
