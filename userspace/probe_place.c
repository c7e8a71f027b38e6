/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/probe_place.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/disassemble_isa.h"

#define MAX_EDGES 16 /* ways into the code that ends in one `ret` */
#define SCAN_BYTES (1u << 20)
#define LONGEST_JUMP 6u
#define LONGEST_INSTRUCTION 15u
#define MAX_FRAME (1 << 20)
/* Bounds on the work that a hostile file can make: real functions are far below. */
#define MAX_LISTED_BYTES (128u << 10)
#define MAX_STRAIGHT 64
#define MAX_SCANS 8

/* What a function's arguments are in, and the stack pointer: rdi, rsi, rdx, rcx, r8, r9, rsp. */
#define ARGUMENT_REGISTERS (1u << 7 | 1u << 6 | 1u << 2 | 1u << 1 | 1u << 8 | 1u << 9)
#define ARGUMENTS (ARGUMENT_REGISTERS | 1u << 4)
/* rbx, rbp, r12 to r15: what a call leaves as it was (System V ABI, 3.2.1). */
#define KEPT_BY_CALLS (1u << 3 | 1u << 5 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 15)

struct listing {
	const struct function_part *part;
	struct instruction *at;
	size_t n;
};

struct search {
	const struct elf_file *f;
	enum return_points points;
	struct listing listings[MAX_FUNCTION_PARTS];
	size_t n;
	const struct return_places *placed;
	unsigned n_scans; /* of the whole file's code */
};

/* Ways to one `ret`. `lead`: the first instruction of the straight line that ends in it. */
struct ways {
	struct probe_place at[MAX_EDGES];
	size_t n;
	uint64_t lead;
};

static struct probe_place plain_place(uint64_t vaddr)
{
	return (struct probe_place){
		.vaddr = vaddr,
		.condition = PROBE_ALWAYS,
		.value_register = RAX,
		.frame_register = RSP,
	};
}

/* --- what is where ----------------------------------------------------------------------------------------------------- */

static int decode_part(const struct elf_file *f, const struct function_part *part, size_t max, struct listing *out)
{
	const uint64_t most = part->size / LONGEST_INSTRUCTION < max ? part->size : max * LONGEST_INSTRUCTION;
	struct code code = { .file = f, .size = most, .address = part->start };
	uint8_t *bytes;
	int err = disassemble__read_code(f, part->start, code.size, &bytes);

	if (err)
		return err;
	code.bytes = bytes;
	out->part = part;
	err = isa__find(f)->decode(&code, max, &out->at, &out->n);
	free(bytes);
	return err;
}

static bool is_inside(const struct function_part *part, uint64_t address)
{
	return address >= part->start && address - part->start < part->size;
}

static bool has_jumps(const struct instruction *in)
{
	return in->kind == INSTRUCTION_JUMP || in->kind == INSTRUCTION_BRANCH;
}

static bool is_jumped_to(const struct search *s, uint64_t address)
{
	size_t i, k;

	for (i = 0; i < s->n; i++)
		for (k = 0; k < s->listings[i].n; k++)
			if (has_jumps(&s->listings[i].at[k]) && s->listings[i].at[k].target == address)
				return true;
	return false;
}

/*
 * May the instruction be reached again without a new call? A jump leads from it or from below it to above it, or to it; those
 * to the way out come back no more.
 */
static bool is_in_loop(const struct search *s, const struct listing *list, const struct instruction *in, uint64_t out)
{
	size_t i, k;

	for (i = 0; i < s->n; i++)
		for (k = 0; k < s->listings[i].n; k++) {
			const struct instruction *jump = &s->listings[i].at[k];

			if (has_jumps(jump) && jump->target != out && is_inside(list->part, jump->target) &&
			    jump->target <= in->address && (&s->listings[i] != list || jump->address >= in->address))
				return true;
		}
	return false;
}

static bool has_table(const struct search *s)
{
	size_t i, k;

	for (i = 0; i < s->n; i++)
		for (k = 0; k < s->listings[i].n; k++)
			if (s->listings[i].at[k].table)
				return true;
	return false;
}

/* --- jumps from anywhere else in the file ------------------------------------------------------------------------------ */

static bool is_known(const struct search *s, uint64_t address)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (is_inside(s->listings[i].part, address))
			return true;
	return false;
}

static uint64_t near_target(uint64_t address, const uint8_t *displacement, unsigned length)
{
	int32_t by;

	memcpy(&by, displacement, sizeof(by));
	return address + length + (uint64_t)(int64_t)by;
}

/* Do the bytes make a jump to `lead`, be they an instruction or not? In doubt the `ret` stays. */
static bool leads_there(const uint8_t *b, uint64_t address, uint64_t lead)
{
	if (b[0] == 0xe9)
		return near_target(address, b + 1, 5) == lead;
	if (b[0] == 0x0f)
		return (b[1] & 0xf0) == 0x80 && near_target(address, b + 2, 6) == lead;
	return (b[0] == 0xeb || (b[0] & 0xf0) == 0x70) && address + 2 + (uint64_t)(int64_t)(int8_t)b[1] == lead;
}

/* The jumps of one kind among `n` bytes, which may be read beyond by the length of a jump. */
static bool has_jump(const struct search *s, const uint8_t *bytes, size_t n, uint64_t address, uint8_t opcode,
		     uint64_t lead)
{
	const uint8_t *at = bytes;

	while ((at = memchr(at, opcode, n - (size_t)(at - bytes)))) {
		if (leads_there(at, address + (uint64_t)(at - bytes), lead) &&
		    !is_known(s, address + (uint64_t)(at - bytes)))
			return true;
		at++;
	}
	return false;
}

/*
 * Short jumps have a reach of 128 bytes, and so many opcodes that other instructions' bytes would often pass for one: those of
 * functions with a name are none, no compiler makes one function jump into another's middle.
 */
static bool has_short_jump(const struct search *s, const uint8_t *bytes, size_t n, uint64_t address, uint64_t lead)
{
	const uint64_t first = lead - 130, last = lead + 130;
	struct elf_symbol named;
	size_t i;

	for (i = first > address ? first - address : 0; i < n && address + i < last; i++)
		if (leads_there(bytes + i, address + i, lead) && !is_known(s, address + i) &&
		    elf_file__function_around(s->f, address + i, &named))
			return true;
	return false;
}

/*
 * Parts of the function may have no symbol, and nobody jumps to the landing pads of exceptions: code that this search does
 * not know might lead to the way out too. Its jumps would be somewhere in the file.
 */
static bool is_reached_from_elsewhere(const struct search *s, uint64_t lead)
{
	uint8_t *bytes = calloc(1, SCAN_BYTES + LONGEST_JUMP);
	uint64_t start, size, at;
	bool found = !bytes;
	size_t i;

	for (i = 0; !found && !elf_file__executable(s->f, i, &start, &size); i++)
		for (at = 0; !found && at < size; at += SCAN_BYTES) {
			const uint64_t left = size - at, padded = SCAN_BYTES + LONGEST_JUMP;
			const size_t n = left < SCAN_BYTES ? left : SCAN_BYTES;

			found = elf_file__read(s->f, start + at, bytes, left < padded ? left : padded) ||
				has_jump(s, bytes, n, start + at, 0xe9, lead) ||
				has_jump(s, bytes, n, start + at, 0x0f, lead) ||
				has_short_jump(s, bytes, n, start + at, lead);
		}
	free(bytes);
	return found;
}

/* --- the way out ------------------------------------------------------------------------------------------------------- */

/* Back over one instruction: from which register, and by how much, was the entry's stack pointer known before it? */
static bool step_back_stack(const struct instruction *in, struct probe_place *place)
{
	const int64_t frame = place->frame + in->stack_change;

	if (place->frame_register == RBP)
		return !(in->writes & 1u << RBP);
	if (!in->stack_known && !in->stack_from_rbp)
		return false;
	if (frame < -MAX_FRAME || frame > MAX_FRAME)
		return false;
	place->frame = (int32_t)frame;
	if (in->stack_from_rbp)
		place->frame_register = RBP;
	return true;
}

/* The same for the value. */
static bool step_back(const struct search *s, const struct instruction *in, struct probe_place *place)
{
	const uint16_t value = (uint16_t)(1u << place->value_register);

	if (!step_back_stack(in, place))
		return false;
	if (s->points != RETURNS_WITH_VALUE || place->value_is_constant || !(in->writes & value))
		return true;
	if (in->copy_to != place->value_register)
		return false;
	if (in->copy_from == CONSTANT) {
		place->value_is_constant = true;
		place->constant = in->constant;
	} else {
		place->value_register = in->copy_from;
	}
	return true;
}

static bool add_way(const struct search *s, struct ways *ways, const struct instruction *in, struct probe_place place)
{
	size_t i;

	place.vaddr = in->address;
	place.emulated = in->emulated;
	for (i = 0; i < ways->n; i++)
		if (ways->at[i].vaddr == place.vaddr)
			return false;
	for (i = 0; i < s->placed->n; i++)
		if (s->placed->at[i].vaddr == place.vaddr)
			return false;
	if (ways->n == MAX_EDGES)
		return false;
	ways->at[ways->n++] = place;
	return true;
}

static bool add_branch(const struct search *s, struct ways *ways, const struct listing *list,
		       const struct instruction *in, struct probe_place place, bool taken)
{
	/* Both ways lead there: no condition tells them apart. In a loop it would be hit again and again. */
	if (in->target == in->address + in->size || is_in_loop(s, list, in, ways->lead))
		return false;
	place.condition = taken ? in->condition : in->condition ^ 1;
	return in->emulated && add_way(s, ways, in, place);
}

/*
 * Does a call come back? One that throws or ends the program is often the last before the way out, and is no way to it: the
 * step would be taken for one that returned. A function without a name is not trusted to.
 */
static bool comes_back(const struct search *s, const struct instruction *call)
{
	static const char *const ends[] = { "throw", "abort", "terminate", "exit", "fail", "raise", "panic", "Unwind" };
	struct elf_symbol function;
	const char *name;
	uint64_t slot;
	size_t i;

	if (!call->target)
		return false;
	if (isa__find(s->f)->plt_slot(s->f, call->target, &slot) == 0) {
		if (elf_file__slot_symbol(s->f, slot, &name))
			return false;
	} else {
		if (elf_file__function_at(s->f, call->target, &function))
			return false;
		name = function.name;
	}
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (strstr(name, ends[i]))
			return false;
	return true;
}

/* How the instruction before comes there without a jump. */
static bool add_fall_through(const struct search *s, struct ways *ways, const struct listing *list, size_t lead,
			     struct probe_place place)
{
	const struct instruction *in;

	if (lead == 0)
		return false; /* by a call, or by a jump through the procedure linkage table */
	in = &list->at[lead - 1];
	switch (in->kind) {
	case INSTRUCTION_JUMP:
	case INSTRUCTION_AWAY:
		return true;
	case INSTRUCTION_BRANCH:
		return add_branch(s, ways, list, in, place, false);
	case INSTRUCTION_CALL:
		/* The value is decided, and the call does not change it: what it does belongs to no step. */
		return s->points == RETURNS_WITH_VALUE && !place.value_is_constant &&
		       (KEPT_BY_CALLS & 1u << place.value_register) && comes_back(s, in) && add_way(s, ways, in, place);
	default:
		return step_back(s, in, &place) && add_way(s, ways, in, place);
	}
}

static bool add_jumps(const struct search *s, struct ways *ways, const struct probe_place *place)
{
	size_t i, k;

	for (i = 0; i < s->n; i++)
		for (k = 0; k < s->listings[i].n; k++) {
			const struct listing *list = &s->listings[i];
			const struct instruction *in = &list->at[k];

			if (!has_jumps(in) || in->target != ways->lead)
				continue;
			if (in->kind == INSTRUCTION_BRANCH ? !add_branch(s, ways, list, in, *place, true) :
							     !add_way(s, ways, in, *place))
				return false;
		}
	return true;
}

static bool is_straight(const struct search *s, const struct listing *list, size_t i)
{
	return i > 0 && list->at[i - 1].kind == INSTRUCTION_PLAIN && !is_jumped_to(s, list->at[i].address);
}

/* @return false: the `ret` is the place. */
static bool find_ways(struct search *s, const struct listing *list, size_t ret, struct ways *ways)
{
	struct probe_place place = plain_place(0);
	size_t i = ret;

	while (is_straight(s, list, i)) {
		i--;
		if (ret - i > MAX_STRAIGHT || !step_back(s, &list->at[i], &place))
			return false;
	}
	ways->n = 0;
	ways->lead = list->at[i].address;
	return !has_table(s) && add_fall_through(s, ways, list, i, place) && add_jumps(s, ways, &place) &&
	       ways->n > 0 && s->n_scans++ < MAX_SCANS && !is_reached_from_elsewhere(s, ways->lead);
}

static const struct listing *find_instruction(const struct search *s, uint64_t vaddr, size_t *i)
{
	size_t l;

	for (l = 0; l < s->n; l++)
		for (*i = 0; *i < s->listings[l].n; (*i)++)
			if (s->listings[l].at[*i].address == vaddr)
				return &s->listings[l];
	return NULL;
}

static void place_return(struct search *s, const struct function_returns *returns, size_t r, struct return_places *out)
{
	const struct listing *list;
	struct ways ways;
	size_t i, k;

	list = find_instruction(s, returns->vaddr[r], &i);
	if (!list || list->at[i].emulated || !find_ways(s, list, i, &ways) ||
	    out->n + ways.n + (returns->n - r - 1) > MAX_RETURNS)
		goto as_it_is;
	for (k = 0; k < ways.n; k++)
		if (elf_file__offset(s->f, ways.at[k].vaddr, &ways.at[k].file_offset))
			goto as_it_is;
	memcpy(&out->at[out->n], ways.at, ways.n * sizeof(ways.at[0]));
	out->n += ways.n;
	return;
as_it_is:
	out->at[out->n] = plain_place(returns->vaddr[r]);
	out->at[out->n].file_offset = returns->file_offset[r];
	out->at[out->n].emulated = list ? list->at[i].emulated : isa__find(s->f)->emulates_return;
	out->n++;
}

static void search__free(struct search *s)
{
	while (s->n > 0)
		free(s->listings[--s->n].at);
}

/* All parts or none: one that is not known might lead to the returns of the others. */
static void list_parts(struct search *s, const struct function_returns *returns)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < returns->n_parts; i++)
		bytes += returns->parts[i].size;
	if (bytes > MAX_LISTED_BYTES)
		return;
	for (; s->n < returns->n_parts; s->n++)
		if (decode_part(s->f, &returns->parts[s->n], SIZE_MAX, &s->listings[s->n])) {
			search__free(s);
			return;
		}
}

static void name_words(const struct isa *isa, struct probe_place *place)
{
	place->value_word = isa->saved_words[place->value_register];
	place->frame_word = isa->saved_words[place->frame_register];
}

int probe_place__returns(const struct elf_file *f, const struct elf_symbol *function, enum return_points points,
			 struct return_places *out)
{
	struct search s = { .f = f, .points = points, .placed = out };
	struct function_returns returns;
	size_t i;
	int err = disassemble__returns(f, function, points, &returns);

	out->n = 0;
	memcpy(out->note, returns.note, sizeof(out->note));
	if (err)
		return err;
	if (isa__find(f)->decode)
		list_parts(&s, &returns);
	for (i = 0; i < returns.n; i++)
		place_return(&s, &returns, i, out);
	search__free(&s);
	for (i = 0; i < out->n; i++)
		name_words(isa__find(f), &out->at[i]);
	return 0;
}

/* --- the way in -------------------------------------------------------------------------------------------------------- */

/* The first emulated instruction that the function comes to once per call, with these registers as they were at the entry. */
static const struct instruction *find_entry(const struct search *s, unsigned int kept)
{
	const struct listing *list = &s->listings[0];
	size_t i;

	for (i = 0; i < list->n; i++) {
		const struct instruction *in = &list->at[i];

		if (is_jumped_to(s, in->address))
			return NULL;
		if (in->emulated)
			return in;
		if (in->kind != INSTRUCTION_PLAIN || (in->writes & kept))
			return NULL;
	}
	return NULL;
}

void probe_place__start(const struct elf_symbol *function, struct probe_place *out)
{
	*out = plain_place(function->vaddr);
	out->file_offset = function->file_offset;
}

static void place_entry(const struct elf_file *f, const struct elf_symbol *function, unsigned int kept,
			struct probe_place *out)
{
	const struct function_part part = { .start = function->vaddr, .size = function->size };
	const struct isa *isa = isa__find(f);
	const struct instruction *in;
	struct search s = { .f = f };
	uint64_t offset;

	probe_place__start(function, out);
	if (!isa || !isa->decode)
		return;
	/* Most functions begin with a push. Only where this one does not is all of it wanted. */
	if (!decode_part(f, &part, 1, &s.listings[0])) {
		out->emulated = s.listings[0].n > 0 && s.listings[0].at[0].emulated;
		free(s.listings[0].at);
	}
	if (out->emulated || part.size > MAX_LISTED_BYTES || decode_part(f, &part, SIZE_MAX, &s.listings[0]))
		return;
	s.n = 1;
	in = find_entry(&s, kept);
	if (in && !has_table(&s) && !elf_file__offset(f, in->address, &offset)) {
		out->vaddr = in->address;
		out->file_offset = offset;
		out->emulated = true;
	}
	search__free(&s);
}

void probe_place__entry(const struct elf_file *f, const struct elf_symbol *function, struct probe_place *out)
{
	place_entry(f, function, ARGUMENTS, out);
}

void probe_place__argument(const struct elf_file *f, const struct elf_symbol *function, struct probe_place *out)
{
	place_entry(f, function, ARGUMENT_REGISTERS, out);
}
