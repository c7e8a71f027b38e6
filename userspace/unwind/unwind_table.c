/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/unwind/unwind_table.h"

#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 256
#define NO_RULE UINT32_MAX

struct function {
	uint64_t start, end;
	size_t first_row, n_rows;	/* in `rows` */
	bool bad;
};

struct builder {
	const struct eh_frame *section;
	uint64_t first, last;		/* of the code */
	size_t max_rows;
	struct function *functions;
	size_t n_functions, functions_capacity;
	struct unwind_row *rows;	/* function by function, as they come */
	size_t n_rows, rows_capacity;
	struct unwind_rule *rules;
	size_t n_rules, rules_capacity;
	uint32_t *buckets;		/* rules by hash; NO_RULE: free */
	size_t n_buckets;
	size_t n_bad;
};

static int grow(void *pointer, size_t n, size_t *capacity, size_t size)
{
	void **array = pointer, *grown;
	size_t more = *capacity ? 2 * *capacity : 64;

	if (n < *capacity)
		return 0;
	grown = reallocarray(*array, more, size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*capacity = more;
	return 0;
}

/* --- rules, each once ----------------------------------------------------------------------------------------------- */

static size_t hash_rule(const struct unwind_rule *r)
{
	uint64_t words[2];

	memcpy(words, r, sizeof(words));
	words[0] = (words[0] ^ words[1] * 0x9e3779b97f4a7c15ULL) * 0xff51afd7ed558ccdULL;
	return (size_t)(words[0] >> 24);
}

static void put_in_bucket(struct builder *b, uint32_t rule)
{
	size_t i = hash_rule(&b->rules[rule]) & (b->n_buckets - 1);

	while (b->buckets[i] != NO_RULE)
		i = (i + 1) & (b->n_buckets - 1);
	b->buckets[i] = rule;
}

static int grow_buckets(struct builder *b)
{
	const size_t n = b->n_buckets ? 2 * b->n_buckets : FIRST_BUCKETS;
	uint32_t *buckets = reallocarray(NULL, n, sizeof(*buckets));

	if (!buckets)
		return -ENOMEM;
	memset(buckets, 0xff, n * sizeof(*buckets));
	free(b->buckets);
	b->buckets = buckets;
	b->n_buckets = n;
	for (uint32_t i = 0; i < b->n_rules; i++)
		put_in_bucket(b, i);
	return 0;
}

static int find_rule(struct builder *b, const struct unwind_rule *rule, uint32_t *out)
{
	size_t i;
	int err = 2 * b->n_rules >= b->n_buckets ? grow_buckets(b) : 0;

	if (err)
		return err;
	for (i = hash_rule(rule) & (b->n_buckets - 1); b->buckets[i] != NO_RULE; i = (i + 1) & (b->n_buckets - 1))
		if (memcmp(&b->rules[b->buckets[i]], rule, sizeof(*rule)) == 0) {
			*out = b->buckets[i];
			return 0;
		}
	err = grow(&b->rules, b->n_rules, &b->rules_capacity, sizeof(*rule));
	if (err)
		return err;
	*out = (uint32_t)b->n_rules;
	b->rules[b->n_rules++] = *rule;
	put_in_bucket(b, *out);
	return 0;
}

/* --- functions ------------------------------------------------------------------------------------------------------ */

static int on_row(void *ctx, uint64_t pc, const struct unwind_rule *rule)
{
	struct builder *b = ctx;
	struct unwind_row row = { .pc = (uint32_t)(pc - b->first) };
	int err = b->n_rows >= b->max_rows ? -E2BIG : find_rule(b, rule, &row.rule);

	if (!err)
		err = grow(&b->rows, b->n_rows, &b->rows_capacity, sizeof(row));
	if (!err)
		b->rows[b->n_rows++] = row;
	return err;
}

static int on_function(void *ctx, const struct eh_frame_function *f)
{
	struct builder *b = ctx;
	struct function function = { .start = f->start, .end = f->end, .first_row = b->n_rows };
	int err;

	/* Linkers leave 0 for functions that they left out: there is no code to lack a table. */
	if (f->start < b->first || f->end > b->last)
		return 0;
	err = grow(&b->functions, b->n_functions, &b->functions_capacity, sizeof(function));
	if (err)
		return err;
	err = eh_frame__rows(b->section, f, on_row, b);
	if (err == -EBADMSG) {
		b->n_rows = function.first_row;
		b->n_bad++;
		return 0;
	}
	function.n_rows = b->n_rows - function.first_row;
	b->functions[b->n_functions++] = function;
	return err;
}

static int by_start(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	return x->start != y->start ? (x->start > y->start) - (x->start < y->start) :
				      (x->end > y->end) - (x->end < y->end);
}

/* Of two entries for the same code at least one is wrong, and nothing says which. */
static void leave_overlapping_out(struct builder *b)
{
	size_t reaching = 0;		/* the one that reaches farthest so far */

	for (size_t i = 1; i < b->n_functions; i++) {
		if (b->functions[i].start < b->functions[reaching].end)
			b->functions[i].bad = b->functions[reaching].bad = true;
		if (b->functions[i].end > b->functions[reaching].end)
			reaching = i;
	}
}

static void put_row(struct unwind_table *t, uint32_t pc, uint32_t rule)
{
	if (t->n_rows && t->rows[t->n_rows - 1].pc == pc)
		t->n_rows--;
	if (t->n_rows && t->rows[t->n_rows - 1].rule == rule)
		return;
	t->rows[t->n_rows++] = (struct unwind_row){ pc, rule };
}

/* After each function a row that knows nothing, which the next one replaces where it follows at once. */
static int put_in_order(struct builder *b, struct unwind_table *t)
{
	t->rows = reallocarray(NULL, b->n_rows + b->n_functions + 1, sizeof(*t->rows));
	if (!t->rows)
		return -ENOMEM;
	if (b->n_functions)
		qsort(b->functions, b->n_functions, sizeof(*b->functions), by_start);
	leave_overlapping_out(b);
	for (size_t i = 0; i < b->n_functions; i++) {
		const struct function *f = &b->functions[i];

		if (f->bad) {
			b->n_bad++;
			continue;
		}
		t->n_functions++;
		for (size_t j = 0; j < f->n_rows; j++)
			put_row(t, b->rows[f->first_row + j].pc, b->rows[f->first_row + j].rule);
		put_row(t, (uint32_t)(f->end - b->first), 0);
	}
	return t->n_rows > b->max_rows ? -E2BIG : 0;
}

static void builder__free(struct builder *b)
{
	free(b->functions);
	free(b->rows);
	free(b->rules);
	free(b->buckets);
}

int unwind_table__build_section(struct unwind_table *out, const struct eh_frame *s, uint64_t first, uint64_t last,
				size_t max_rows)
{
	struct builder b = { .section = s, .first = first, .last = last, .max_rows = max_rows };
	const struct unwind_rule none = { .cfa = UNWIND_CFA_UNKNOWN };
	uint32_t rule;
	int err;

	memset(out, 0, sizeof(*out));
	out->first_address = first;
	if (last < first || last - first > UINT32_MAX)
		return -E2BIG;
	err = find_rule(&b, &none, &rule);	/* rule 0 */
	if (!err)
		err = eh_frame__each(s, on_function, &b, &out->n_bad);
	b.n_bad += out->n_bad;
	if (!err)
		err = put_in_order(&b, out);
	out->n_bad = b.n_bad;
	if (!err) {
		out->rules = b.rules;
		out->n_rules = b.n_rules;
		b.rules = NULL;
	}
	builder__free(&b);
	if (err)
		unwind_table__free(out);
	return err;
}

int unwind_table__section(const struct elf_file *f, struct eh_frame *s)
{
	Elf *elf = elf_file__elf(f);
	Elf_Scn *section = NULL;
	Elf_Data *data;
	GElf_Shdr sh;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return -ENODATA;
	while ((section = elf_nextscn(elf, section))) {
		const char *name;

		if (!gelf_getshdr(section, &sh) || sh.sh_type == SHT_NOBITS || sh.sh_flags & SHF_COMPRESSED)
			continue;
		name = elf_strptr(elf, names, sh.sh_name);
		if (!name || strcmp(name, ".eh_frame") != 0)
			continue;
		data = elf_rawdata(section, NULL);
		if (!data || !data->d_buf)
			return -EIO;
		*s = (struct eh_frame){ data->d_buf, data->d_size, sh.sh_addr, elf_file__machine(f) };
		return 0;
	}
	return -ENODATA;
}

int unwind_table__build(struct unwind_table *out, const struct elf_file *f, size_t max_rows)
{
	uint64_t first = UINT64_MAX, last = 0, vaddr, size;
	struct eh_frame s;
	int err;

	memset(out, 0, sizeof(*out));
	if (elf_file__machine(f) != EM_X86_64 && elf_file__machine(f) != EM_AARCH64)
		return -ENOTSUP;
	for (size_t i = 0; elf_file__executable(f, i, &vaddr, &size) == 0; i++) {
		first = vaddr < first ? vaddr : first;
		last = vaddr + size > last ? vaddr + size : last;
	}
	err = unwind_table__section(f, &s);
	if (err)
		return err;
	return first < last ? unwind_table__build_section(out, &s, first, last, max_rows) : -ENODATA;
}

void unwind_table__free(struct unwind_table *t)
{
	if (!t)
		return;
	free(t->rows);
	free(t->rules);
	memset(t, 0, sizeof(*t));
}

size_t unwind_table__blocks(const struct unwind_table *t, struct unwind_row **out)
{
	const size_t n = t->n_rows ? (size_t)(t->rows[t->n_rows - 1].pc >> UNWIND_BLOCK_SHIFT) + 1 : 0;
	uint32_t begun = 0;

	*out = n && n <= t->n_rows ? calloc(n, sizeof(**out)) : NULL;
	if (!*out)
		return 0;
	for (size_t i = 0; i < n; i++) {
		const uint64_t first = (uint64_t)i << UNWIND_BLOCK_SHIFT, next = (uint64_t)(i + 1)
										 << UNWIND_BLOCK_SHIFT;

		while (begun < t->n_rows && t->rows[begun].pc <= first)
			begun++;
		(*out)[i].pc = begun;
		while (begun < t->n_rows && t->rows[begun].pc < next)
			begun++;
		(*out)[i].rule = begun;
	}
	return n;
}
