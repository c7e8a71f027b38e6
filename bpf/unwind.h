/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * One step of unwinding: from a frame to its caller's, by the rows of the module that it is in. The same code runs in the kernel
 * and in tests on the host. Whoever includes this has defined before
 *
 *	static int unwind_read(tp_u64 address, tp_u64 *word)		of the thread's memory; not 0: cannot be read
 *	static const struct unwind_mapping *unwind_mapping_at(tp_u32)	NULL where there is none, as in those that follow
 *	static const struct unwind_module *unwind_module_at(tp_u32)
 *	static const struct unwind_row *unwind_row_at(tp_u32)
 *	static const struct unwind_rule *unwind_rule_at(tp_u32)
 *
 * What cannot be followed ends the stack and says so: a stack is cut short rather than wrong. A caller's frame must lie above; where a
 * table is missing frame pointers are tried, and the end is then UNWIND_NO_TABLE whatever they lead to.
 */
#ifndef TOKPROF_UNWIND_H
#define TOKPROF_UNWIND_H

#include "bpf/stacks.h"

#define UNWIND_GOES_ON 0xff
#define UNWIND_MAPPING_STEPS 13		/* UNWIND_PROCESS_MAPPINGS */
#define UNWIND_ROW_STEPS 23		/* UNWIND_MAX_SHARDS << UNWIND_SHARD_SHIFT */
#define UNWIND_MOST_FRAME (1u << 20)	/* frame pointers: bytes of one frame */

#ifdef __bpf__
#define UNWIND_INLINE static __always_inline
#else
#define UNWIND_INLINE static inline
#endif

struct unwind_state {
	tp_u64 ip;
	tp_u64 sp;
	tp_u64 fp;		/* 0: lost */
	tp_u64 lr;		/* arm64: of the innermost frame; 0: not known */
	tp_u64 r10;		/* x86: the same */
	struct unwind_process process;
	tp_u32 exact;		/* ip is where it was, not where a call returns to */
	tp_u32 innermost;
	tp_u32 end;		/* UNWIND_NO_TABLE once frame pointers were needed; else UNWIND_COMPLETE */
	tp_u32 reserved;
};

UNWIND_INLINE const struct unwind_mapping *unwind__mapping(struct unwind_process p, tp_u64 pc)
{
	const struct unwind_mapping *m;
	tp_u32 low = 0, high = p.n, middle, i;

	for (i = 0; i < UNWIND_MAPPING_STEPS; i++) {
		if (low >= high)
			break;
		middle = (low + high) / 2;
		m = unwind_mapping_at(p.first + middle);
		if (!m)
			return 0;
		if (m->start <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return 0;
	m = unwind_mapping_at(p.first + low - 1);
	return m && pc >= m->start && pc < m->end ? m : 0;
}

/* @vaddr as the module was linked. @return NULL: no row covers it */
UNWIND_INLINE const struct unwind_rule *unwind__rule(tp_u32 number, tp_u64 vaddr)
{
	const struct unwind_module *module = unwind_module_at(number);
	const struct unwind_row *row;
	tp_u32 low = 0, high, middle, pc, i;

	if (!module || vaddr < module->first_address || vaddr - module->first_address > 0xffffffffULL)
		return 0;
	pc = (tp_u32)(vaddr - module->first_address);
	high = module->n_rows;
	if (pc >> UNWIND_BLOCK_SHIFT < module->n_blocks) {
		row = unwind_row_at(module->first_block + (pc >> UNWIND_BLOCK_SHIFT));
		if (!row)
			return 0;
		low = row->pc;
		high = row->rule;
	}
	for (i = 0; i < UNWIND_ROW_STEPS; i++) {
		if (low >= high)
			break;
		middle = (low + high) / 2;
		row = unwind_row_at(module->first_row + middle);
		if (!row)
			return 0;
		if (row->pc <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return 0;
	row = unwind_row_at(module->first_row + low - 1);
	return row ? unwind_rule_at(row->rule) : 0;
}

UNWIND_INLINE void unwind__returns(struct unwind_state *s, tp_u64 ip, tp_u64 sp, tp_u64 fp)
{
	s->ip = ip;
	s->sp = sp;
	s->fp = fp;
	s->lr = 0;
	s->r10 = 0;
	s->innermost = 0;
}

UNWIND_INLINE int unwind__by_frame_pointer(struct unwind_state *s)
{
	tp_u64 fp, ip;

	if (s->fp < s->sp || s->fp - s->sp > UNWIND_MOST_FRAME || s->fp & 7)
		return UNWIND_NO_TABLE;
	if (unwind_read(s->fp, &fp) || unwind_read(s->fp + 8, &ip) || !unwind__mapping(s->process, ip - 1))
		return UNWIND_NO_TABLE;
	s->end = UNWIND_NO_TABLE;
	s->exact = 0;
	unwind__returns(s, ip, s->fp + 16, fp);
	return UNWIND_GOES_ON;
}

UNWIND_INLINE int unwind__cfa(const struct unwind_state *s, const struct unwind_rule *r, tp_u64 *cfa)
{
	const tp_u64 offset = (tp_u64)(tp_s64)r->cfa_offset;

	switch (r->cfa) {
	case UNWIND_CFA_SP:
		*cfa = s->sp + offset;
		return 0;
	case UNWIND_CFA_FP:
		*cfa = s->fp + offset;
		return 0;
	case UNWIND_CFA_R10:
		*cfa = s->r10 + offset;
		return 0;
	case UNWIND_CFA_AT_SP:
		return unwind_read(s->sp + offset, cfa);
	case UNWIND_CFA_AT_FP:
		return unwind_read(s->fp + offset, cfa);
	case UNWIND_CFA_PLT:
		*cfa = s->sp + 8 + ((s->ip & 15) >= offset ? 8 : 0);
		return 0;
	}
	return -1;
}

UNWIND_INLINE int unwind__register(const struct unwind_state *s, tp_u64 cfa, tp_u32 how, tp_s32 at, tp_u64 same,
				   tp_u64 *out)
{
	tp_u64 base = 0;

	switch (how) {
	case UNWIND_SAME:
		*out = same;
		return 0;
	case UNWIND_AT_CFA:
		base = cfa;
		break;
	case UNWIND_AT_FP:
		base = s->fp;
		break;
	case UNWIND_AT_SP:
		base = s->sp;
		break;
	default:
		*out = 0;
		return 0;
	}
	return unwind_read(base + (tp_u64)(tp_s64)at, out);
}

/* On arm64 the upper bits of a return address may be a signature (pointer authentication). */
UNWIND_INLINE tp_u64 unwind__address(tp_u64 ip)
{
	return ip & FRAME_ADDRESS;
}

UNWIND_INLINE int unwind__by_rule(struct unwind_state *s, const struct unwind_rule *r)
{
	const tp_u32 signal = r->flags & UNWIND_SIGNAL;
	tp_u64 cfa = 0, fp = 0, ip = 0;

	if (unwind__cfa(s, r, &cfa))
		return UNWIND_BAD_MEMORY;
	/* A signal's handler may have a stack of its own; of other frames, only one that has pushed nothing is empty (arm64). */
	if (!signal && (cfa < s->sp || (cfa == s->sp && !s->innermost)))
		return UNWIND_BAD_MEMORY;
	if (cfa & 7 || unwind__register(s, cfa, r->ra, r->ra_offset, s->lr, &ip) ||
	    unwind__register(s, cfa, r->fp, r->fp_offset, s->fp, &fp))
		return UNWIND_BAD_MEMORY;
	ip = unwind__address(ip);
	if (!ip)
		return UNWIND_BAD_MEMORY;
	s->exact = signal;
	unwind__returns(s, ip, cfa, fp);
	return UNWIND_GOES_ON;
}

/* @frame the one that s is in. @return UNWIND_GOES_ON: s is in its caller; else enum unwind_end */
UNWIND_INLINE int unwind__step(struct unwind_state *s, tp_u64 *frame)
{
	const tp_u64 pc = s->exact ? s->ip : s->ip - 1;
	const struct unwind_mapping *m = unwind__mapping(s->process, pc);
	const struct unwind_rule *r = 0;

	*frame = pc & FRAME_ADDRESS;
	if (m && m->module) {
		*frame = (tp_u64)m->module << FRAME_MODULE_SHIFT | ((pc - m->bias) & FRAME_ADDRESS);
		r = unwind__rule(m->module, pc - m->bias);
	}
	if (!r || r->cfa == UNWIND_CFA_UNKNOWN)
		return unwind__by_frame_pointer(s);
	if (r->cfa == UNWIND_CFA_END)
		return (int)s->end;
	return unwind__by_rule(s, r);
}

#endif
