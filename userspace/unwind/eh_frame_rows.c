/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs of .eh_frame, run for the three registers that a stack is unwound with. What other registers are is skipped;
 * a rule that needs more than the kernel's side can follow becomes UNWIND_CFA_UNKNOWN.
 */
#include <dwarf.h>
#include <elf.h>
#include <errno.h>

#include "userspace/unwind/cursor.h"
#include "userspace/unwind/eh_frame.h"

#define MAX_REMEMBERED 16
#define NO_REGISTER 0xffff

struct expression {
	const uint8_t *at, *end;
};

enum how {
	HOW_SAME,
	HOW_UNDEFINED,
	HOW_OFFSET,		/* at CFA + offset */
	HOW_EXPRESSION,		/* at the expression's value */
	HOW_OTHER,		/* some other way, which is not followed */
};

struct saved {
	enum how how;
	int64_t offset;
	struct expression expression;
};

struct state {
	uint64_t cfa_register;
	int64_t cfa_offset;
	struct expression cfa_expression;	/* at NULL: register and offset */
	struct saved fp, ra;
};

struct machine {
	unsigned int sp, fp, ra, r10;
};

struct run {
	const struct eh_frame *section;
	const struct eh_frame_function *f;
	struct machine machine;
	struct state now, initial, remembered[MAX_REMEMBERED];
	size_t n_remembered;
	uint64_t pc;
	int (*row)(void *ctx, uint64_t pc, const struct unwind_rule *rule);
	void *ctx;
};

static const struct machine *machine_of(uint16_t number)
{
	/* System V ABI, AMD64 supplement, figure 3.36; DWARF for the Arm 64-bit architecture, section 4.1. */
	static const struct machine x86_64 = { .sp = 7, .fp = 6, .ra = 16, .r10 = 10 };
	static const struct machine aarch64 = { .sp = 31, .fp = 29, .ra = 30, .r10 = NO_REGISTER };

	return number == EM_X86_64 ? &x86_64 : number == EM_AARCH64 ? &aarch64 : NULL;
}

/* --- rules ---------------------------------------------------------------------------------------------------------- */

static bool fits(int64_t offset)
{
	return offset >= INT32_MIN && offset <= INT32_MAX;
}

/* Register + offset, and, where `deref`, the word there. @return false: it is something else */
static bool read_based(struct expression e, bool deref, unsigned int *base, int64_t *offset)
{
	struct cursor c = { e.at, e.end, false };
	const uint64_t op = cursor__unsigned(&c, 1);

	if (op < DW_OP_breg0 || op > DW_OP_breg31)
		return false;
	*base = (unsigned int)(op - DW_OP_breg0);
	*offset = cursor__sleb(&c);
	if (deref && cursor__unsigned(&c, 1) != DW_OP_deref)
		return false;
	return !c.bad && c.at == c.end && fits(*offset);
}

/* What linkers write for slots of .plt: sp + 8 + ((ip & 15) >= N) * 8, N a literal. */
static bool read_plt(struct expression e, const struct machine *m, int64_t *n)
{
	struct cursor c = { e.at, e.end, false };
	uint64_t literal;

	if (cursor__unsigned(&c, 1) != DW_OP_breg0 + m->sp || cursor__sleb(&c) != 8 ||
	    cursor__unsigned(&c, 1) != DW_OP_breg0 + m->ra || cursor__sleb(&c) != 0 ||
	    cursor__unsigned(&c, 1) != DW_OP_lit15 || cursor__unsigned(&c, 1) != DW_OP_and)
		return false;
	literal = cursor__unsigned(&c, 1);
	if (literal < DW_OP_lit0 || literal > DW_OP_lit15 || cursor__unsigned(&c, 1) != DW_OP_ge ||
	    cursor__unsigned(&c, 1) != DW_OP_lit3 || cursor__unsigned(&c, 1) != DW_OP_shl ||
	    cursor__unsigned(&c, 1) != DW_OP_plus)
		return false;
	*n = (int64_t)(literal - DW_OP_lit0);
	return !c.bad && c.at == c.end;
}

static enum unwind_cfa rule_cfa(const struct state *s, const struct machine *m, int64_t *offset)
{
	unsigned int base;

	if (s->cfa_expression.at) {
		if (m->r10 != NO_REGISTER && read_plt(s->cfa_expression, m, offset))
			return UNWIND_CFA_PLT;
		if (!read_based(s->cfa_expression, true, &base, offset))
			return UNWIND_CFA_UNKNOWN;
		return base == m->sp ? UNWIND_CFA_AT_SP : base == m->fp ? UNWIND_CFA_AT_FP : UNWIND_CFA_UNKNOWN;
	}
	*offset = s->cfa_offset;
	if (!fits(*offset))
		return UNWIND_CFA_UNKNOWN;
	return s->cfa_register == m->sp	 ? UNWIND_CFA_SP :
	       s->cfa_register == m->fp	 ? UNWIND_CFA_FP :
	       s->cfa_register == m->r10 ? UNWIND_CFA_R10 :
					   UNWIND_CFA_UNKNOWN;
}

static enum unwind_register rule_register(const struct saved *r, const struct machine *m, int64_t *offset)
{
	unsigned int base;

	*offset = 0;
	switch (r->how) {
	case HOW_SAME:
		return UNWIND_SAME;
	case HOW_OFFSET:
		*offset = r->offset;
		return fits(r->offset) ? UNWIND_AT_CFA : UNWIND_LOST;
	case HOW_EXPRESSION:
		if (!read_based(r->expression, false, &base, offset))
			return UNWIND_LOST;
		return base == m->sp ? UNWIND_AT_SP : base == m->fp ? UNWIND_AT_FP : UNWIND_LOST;
	default:
		return UNWIND_LOST;
	}
}

static void make_rule(const struct run *r, struct unwind_rule *out)
{
	const struct machine *m = &r->machine;
	int64_t cfa = 0, fp, ra;

	memset(out, 0, sizeof(*out));
	if (r->now.ra.how == HOW_UNDEFINED) {
		out->cfa = UNWIND_CFA_END;
		return;
	}
	out->cfa = rule_cfa(&r->now, m, &cfa);
	out->fp = rule_register(&r->now.fp, m, &fp);
	out->ra = rule_register(&r->now.ra, m, &ra);
	/* Calls of x86 push the return address: it is in no register. */
	if (out->cfa == UNWIND_CFA_UNKNOWN || out->ra == UNWIND_LOST ||
	    (out->ra == UNWIND_SAME && r->section->machine == EM_X86_64)) {
		memset(out, 0, sizeof(*out));
		return;
	}
	out->flags = r->f->signal ? UNWIND_SIGNAL : 0;
	out->cfa_offset = (tp_s32)cfa;
	out->fp_offset = out->fp == UNWIND_LOST ? 0 : (tp_s32)fp;
	out->ra_offset = (tp_s32)ra;
}

static int tell(const struct run *r)
{
	struct unwind_rule rule;

	make_rule(r, &rule);
	return r->row(r->ctx, r->pc, &rule);
}

/* --- instructions --------------------------------------------------------------------------------------------------- */

/* @return NULL: a register that does not matter */
static struct saved *saved_of(struct run *r, struct state *s, uint64_t number)
{
	if (number == r->machine.fp)
		return &s->fp;
	return number == r->machine.ra ? &s->ra : NULL;
}

static void set(struct run *r, uint64_t number, enum how how, int64_t offset)
{
	struct saved *saved = saved_of(r, &r->now, number);

	if (saved)
		*saved = (struct saved){ .how = how, .offset = offset };
}

static void restore(struct run *r, uint64_t number)
{
	struct saved *saved = saved_of(r, &r->now, number);

	if (saved)
		*saved = *saved_of(r, &r->initial, number);
}

static struct expression read_block(struct cursor *c)
{
	const uint64_t size = cursor__uleb(c);
	const uint8_t *at = cursor__bytes(c, size);

	return (struct expression){ at, at ? at + size : NULL };
}

static int64_t times(int64_t a, int64_t b, struct cursor *c)
{
	int64_t product;

	if (__builtin_mul_overflow(a, b, &product)) {
		c->bad = true;
		return 0;
	}
	return product;
}

static int64_t factored(struct run *r, struct cursor *c)
{
	return times((int64_t)cursor__uleb(c), r->f->data_factor, c);
}

static int64_t factored_signed(struct run *r, struct cursor *c)
{
	return times(cursor__sleb(c), r->f->data_factor, c);
}

static int move_to(struct run *r, uint64_t pc)
{
	int err = 0;

	if (pc < r->pc || pc > r->f->end)
		return -EBADMSG;
	if (pc > r->pc)
		err = tell(r);
	r->pc = pc;
	return err;
}

static int advance(struct run *r, uint64_t n)
{
	uint64_t bytes, pc;

	if (__builtin_mul_overflow(n, r->f->code_factor, &bytes) || __builtin_add_overflow(r->pc, bytes, &pc))
		return -EBADMSG;
	return move_to(r, pc);
}

static void define_cfa(struct run *r, uint64_t number, int64_t offset)
{
	r->now.cfa_register = number;
	r->now.cfa_offset = offset;
	r->now.cfa_expression.at = NULL;
}

static void set_expression(struct run *r, struct cursor *c, enum how how)
{
	const uint64_t number = cursor__uleb(c);
	const struct expression e = read_block(c);
	struct saved *saved = saved_of(r, &r->now, number);

	if (saved)
		*saved = (struct saved){ .how = how, .expression = e };
}

/* The instructions without an operand in their own byte. */
static int run_extended(struct run *r, struct cursor *c, uint8_t op)
{
	uint64_t number;

	switch (op) {
	case DW_CFA_nop:
		break;
	case DW_CFA_set_loc:
		number = eh_frame__pointer(r->section, c, r->f->encoding);
		return c->bad ? -EBADMSG : move_to(r, number);
	case DW_CFA_advance_loc1:
		return advance(r, cursor__unsigned(c, 1));
	case DW_CFA_advance_loc2:
		return advance(r, cursor__unsigned(c, 2));
	case DW_CFA_advance_loc4:
		return advance(r, cursor__unsigned(c, 4));
	case DW_CFA_offset_extended:
		number = cursor__uleb(c);
		set(r, number, HOW_OFFSET, factored(r, c));
		break;
	case DW_CFA_offset_extended_sf:
		number = cursor__uleb(c);
		set(r, number, HOW_OFFSET, factored_signed(r, c));
		break;
	case DW_CFA_GNU_negative_offset_extended:
		number = cursor__uleb(c);
		set(r, number, HOW_OFFSET, times(-1, factored(r, c), c));
		break;
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf:
		number = cursor__uleb(c);
		cursor__uleb(c);
		set(r, number, HOW_OTHER, 0);
		break;
	case DW_CFA_register:
		number = cursor__uleb(c);
		cursor__uleb(c);
		set(r, number, HOW_OTHER, 0);
		break;
	case DW_CFA_restore_extended:
		restore(r, cursor__uleb(c));
		break;
	case DW_CFA_undefined:
		set(r, cursor__uleb(c), HOW_UNDEFINED, 0);
		break;
	case DW_CFA_same_value:
		set(r, cursor__uleb(c), HOW_SAME, 0);
		break;
	case DW_CFA_remember_state:
		if (r->n_remembered == MAX_REMEMBERED)
			return -EBADMSG;
		r->remembered[r->n_remembered++] = r->now;
		break;
	case DW_CFA_restore_state:
		if (r->n_remembered == 0)
			return -EBADMSG;
		r->now = r->remembered[--r->n_remembered];
		break;
	case DW_CFA_def_cfa:
		number = cursor__uleb(c);
		define_cfa(r, number, (int64_t)cursor__uleb(c));
		break;
	case DW_CFA_def_cfa_sf:
		number = cursor__uleb(c);
		define_cfa(r, number, factored_signed(r, c));
		break;
	/* Both keep the other half of register and offset: there must be one. */
	case DW_CFA_def_cfa_register:
		if (r->now.cfa_expression.at)
			return -EBADMSG;
		r->now.cfa_register = cursor__uleb(c);
		break;
	case DW_CFA_def_cfa_offset:
	case DW_CFA_def_cfa_offset_sf:
		if (r->now.cfa_expression.at)
			return -EBADMSG;
		r->now.cfa_offset = op == DW_CFA_def_cfa_offset ? (int64_t)cursor__uleb(c) : factored_signed(r, c);
		break;
	case DW_CFA_def_cfa_expression:
		r->now.cfa_expression = read_block(c);
		break;
	case DW_CFA_expression:
		set_expression(r, c, HOW_EXPRESSION);
		break;
	case DW_CFA_val_expression:
		set_expression(r, c, HOW_OTHER);
		break;
	case DW_CFA_GNU_args_size:
		cursor__uleb(c);
		break;
	/* AArch64 gives this number to "the return address is signed from here on": the signature is taken off in any case. */
	case DW_CFA_GNU_window_save:
		return r->section->machine == EM_AARCH64 ? 0 : -EBADMSG;
	default:
		return -EBADMSG;
	}
	return 0;
}

static int run_instructions(struct run *r, const uint8_t *at, const uint8_t *end)
{
	struct cursor c = { at, end, false };
	int err = 0;

	while (!err && !cursor__done(&c)) {
		const uint8_t byte = (uint8_t)cursor__unsigned(&c, 1), low = byte & 0x3f;

		switch (byte & 0xc0) {
		case DW_CFA_advance_loc:
			err = advance(r, low);
			break;
		case DW_CFA_offset:
			set(r, low, HOW_OFFSET, factored(r, &c));
			break;
		case DW_CFA_restore:
			restore(r, low);
			break;
		default:
			err = run_extended(r, &c, byte);
		}
	}
	return err ? err : c.bad ? -EBADMSG : 0;
}

int eh_frame__rows(const struct eh_frame *s, const struct eh_frame_function *f,
		   int (*row)(void *ctx, uint64_t pc, const struct unwind_rule *rule), void *ctx)
{
	const struct machine *machine = machine_of(s->machine);
	struct run r = { .section = s, .f = f, .pc = f->start, .row = row, .ctx = ctx };
	int err;

	if (!machine || f->return_column != machine->ra)
		return -EBADMSG;
	r.machine = *machine;
	r.now.cfa_register = NO_REGISTER;
	err = run_instructions(&r, f->initial, f->initial_end);
	if (err || r.pc != f->start)
		return err ? err : -EBADMSG;
	r.initial = r.now;
	err = run_instructions(&r, f->program, f->program_end);
	if (err || r.pc == f->end)
		return err;
	return tell(&r);
}
