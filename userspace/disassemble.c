/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/disassemble.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/disassemble_isa.h"

#define MAX_FUNCTION_BYTES (1u << 20)
#define MAX_DEPTH 4

struct sweep {
	const struct elf_file *f;
	const struct isa *isa;
	enum return_points points;
	struct function_returns *out;
	struct function_part now;
};

static int fail(struct function_returns *out, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int fail(struct function_returns *out, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(out->note, sizeof(out->note), format, args);
	va_end(args);
	return err;
}

const struct isa *isa__find(const struct elf_file *f)
{
	static const struct isa *const known[] = { &isa_x86_64, &isa_aarch64 };
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i]->machine == elf_file__machine(f))
			return known[i];
	return NULL;
}

int disassemble__read_code(const struct elf_file *f, uint64_t start, uint64_t size, uint8_t **out)
{
	int err;

	if (size == 0 || size > MAX_FUNCTION_BYTES)
		return -E2BIG;
	*out = malloc(size);
	if (!*out)
		return -ENOMEM;
	err = elf_file__read(f, start, *out, size);
	if (err)
		free(*out);
	return err;
}

static int add_part(struct sweep *s, uint64_t start, uint64_t size, int depth)
{
	struct function_returns *out = s->out;
	size_t i;

	for (i = 0; i < out->n_parts; i++)
		if (out->parts[i].start == start)
			return 0;
	if (out->n_parts == MAX_FUNCTION_PARTS)
		return fail(out, -E2BIG, "more than %d functions are reached by tail calls", MAX_FUNCTION_PARTS);
	out->parts[out->n_parts++] = (struct function_part){ .start = start, .size = size, .depth = depth };
	return 0;
}

static int add_return(struct sweep *s, uint64_t vaddr)
{
	struct function_returns *out = s->out;
	uint64_t offset;
	size_t i;

	if (elf_file__offset(s->f, vaddr, &offset))
		return fail(out, -EILSEQ, "a return outside of the file");
	for (i = 0; i < out->n && out->vaddr[i] < vaddr; i++)
		;
	if (i < out->n && out->vaddr[i] == vaddr)
		return 0;
	if (out->n == MAX_RETURNS)
		return fail(out, -E2BIG, "more than %d returns", MAX_RETURNS);
	memmove(&out->vaddr[i + 1], &out->vaddr[i], (out->n - i) * sizeof(out->vaddr[0]));
	memmove(&out->file_offset[i + 1], &out->file_offset[i], (out->n - i) * sizeof(out->file_offset[0]));
	out->vaddr[i] = vaddr;
	out->file_offset[i] = offset;
	out->n++;
	return 0;
}

/* --- jumps out of the function ------------------------------------------------------------------------------------- */

/* A tail call to the function that the dynamic linker binds a slot to: by name the same file's, where it has it. */
static int follow_slot(struct sweep *s, uint64_t slot)
{
	struct elf_match *matches;
	const char *name;
	size_t n, i;
	int err;

	if (elf_file__slot_symbol(s->f, slot, &name))
		return fail(s->out, -ENOLINK, "it ends in a jump through a pointer that no symbol is bound to");
	err = elf_file__find(s->f, &name, 1, &matches, &n);
	if (err)
		return err;
	for (i = 0; i < n && !matches[i].symbol.function; i++)
		;
	if (i < n)
		err = add_part(s, matches[i].symbol.vaddr, matches[i].symbol.size, s->now.depth + 1);
	else
		err = fail(s->out, -ENOLINK, "it ends in a jump to %.100s in another file", name);
	free(matches);
	return err;
}

/*
 * Where the value is not wanted, the jump itself is the better place: what it leads to (operator delete, say) may be called
 * by the whole program, and each call would be a hit.
 */
static bool stays_at_jump(const struct sweep *s, bool conditional)
{
	return s->points == RETURNS_ANY && !conditional;
}

static int follow_jump(struct sweep *s, uint64_t target, bool conditional)
{
	struct elf_symbol symbol;
	uint64_t slot;

	if (target >= s->now.start && target - s->now.start < s->now.size)
		return 0;
	if (elf_file__function_at(s->f, target, &symbol) == 0 && !strchr(symbol.name, '.')) {
		if (stays_at_jump(s, conditional))
			return -ENOLINK;
		if (symbol.size == 0)
			return fail(s->out, -ENOLINK, "it ends in a jump to %.100s, whose size is unknown",
				    symbol.name);
		return add_part(s, symbol.vaddr, symbol.size, s->now.depth + 1);
	}
	if (s->isa->plt_slot(s->f, target, &slot) == 0)
		return stays_at_jump(s, conditional) ? -ENOLINK : follow_slot(s, slot);
	/* A part of a function that the compiler moved away (F.cold, F.part.0): its returns are this function's. */
	if (elf_file__function_around(s->f, target, &symbol) == 0)
		return add_part(s, symbol.vaddr, symbol.size, s->now.depth + !!strstr(symbol.name, ".part"));
	/* Without a symbol it is taken for a cold part, which ends by throwing; gcc reaches those by a conditional jump. */
	if (conditional)
		return 0;
	snprintf(s->out->note, sizeof(s->out->note), "a jump to code without a symbol was taken for error handling");
	return 0;
}

static int on_jump(struct sweep *s, const struct leaving *at)
{
	int err = 0;

	if (at->flow == FLOW_JUMP)
		err = follow_jump(s, at->target, at->conditional);
	else if (at->flow == FLOW_JUMP_SLOT)
		err = stays_at_jump(s, at->conditional) ? -ENOLINK : follow_slot(s, at->target);
	else
		err = fail(s->out, -ENOLINK, "it ends in a call through a pointer");

	/* At the jump of a tail call the frame is gone already. A conditional one would be hit when it is not taken, too. */
	if (err == -ENOLINK && s->points == RETURNS_ANY && !at->conditional) {
		s->out->note[0] = 0;
		return add_return(s, at->address);
	}
	return err;
}

/* --- the sweep ----------------------------------------------------------------------------------------------------- */

static int on_leaving(void *ctx, const struct leaving *at)
{
	struct sweep *s = ctx;

	return at->flow == FLOW_RETURN ? add_return(s, at->address) : on_jump(s, at);
}

static int sweep_part(struct sweep *s)
{
	struct code code = { .file = s->f, .size = s->now.size, .address = s->now.start };
	uint64_t bad = UINT64_MAX;
	uint8_t *bytes;
	int err;

	if (s->now.depth > MAX_DEPTH)
		return fail(s->out, -ENOLINK, "more than %d tail calls in a row", MAX_DEPTH);
	err = disassemble__read_code(s->f, s->now.start, s->now.size, &bytes);
	if (err)
		return fail(s->out, err, "its code of %llu bytes cannot be read", (unsigned long long)s->now.size);
	code.bytes = bytes;
	err = s->isa->walk(&code, on_leaving, s, &bad);
	if (err == -EILSEQ && bad != UINT64_MAX)
		fail(s->out, err, "no instruction at %#llx", (unsigned long long)bad);
	free(bytes);
	return err;
}

int disassemble__returns(const struct elf_file *f, const struct elf_symbol *function, enum return_points points,
			 struct function_returns *out)
{
	struct sweep s = { .f = f, .isa = isa__find(f), .points = points, .out = out };
	size_t i;
	int err;

	memset(out, 0, sizeof(*out));
	if (!s.isa)
		return fail(out, -ENOTSUP, "returns can be found in x86-64 and AArch64 code only");
	err = add_part(&s, function->vaddr, function->size, 0);
	for (i = 0; i < out->n_parts && !err; i++) {
		s.now = out->parts[i];
		err = sweep_part(&s);
	}
	if (!err && out->n == 0)
		err = fail(out, -ENODATA, "it has no return");
	return err;
}

#define LONGEST_GETTER 64

/* The bytes of a function that is short enough to be a getter; to be freed. */
static int read_getter(const struct elf_file *f, const struct elf_symbol *function, struct code *code, uint8_t **text)
{
	int err;

	if (!isa__find(f))
		return -ENOTSUP;
	if (function->size > LONGEST_GETTER)
		return -ENODATA;
	err = disassemble__read_code(f, function->vaddr, function->size, text);
	if (err)
		return err;
	*code = (struct code){ .file = f, .bytes = *text, .size = function->size, .address = function->vaddr };
	return 0;
}

int disassemble__getter_offset(const struct elf_file *f, const struct elf_symbol *function, int bytes, uint32_t *offset)
{
	struct code code;
	uint8_t *text;
	int err = read_getter(f, function, &code, &text);

	if (err)
		return err;
	err = isa__find(f)->getter(&code, bytes, offset);
	free(text);
	return err;
}

int disassemble__member_offset(const struct elf_file *f, const struct elf_symbol *function, uint32_t *offset)
{
	struct code code;
	uint8_t *text;
	int err = read_getter(f, function, &code, &text);

	if (err)
		return err;
	err = isa__find(f)->member ? isa__find(f)->member(&code, offset) : -ENOTSUP;
	free(text);
	return err;
}

int disassemble__table(const struct elf_file *f, const struct elf_symbol *function, uint64_t *table)
{
	struct code code;
	uint8_t *text;
	int err = read_getter(f, function, &code, &text);

	if (err)
		return err;
	err = isa__find(f)->table ? isa__find(f)->table(&code, table) : -ENOTSUP;
	free(text);
	return err;
}
