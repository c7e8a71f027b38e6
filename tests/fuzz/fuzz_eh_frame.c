/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as .eh_frame, of both machines, and what is made of them followed over any memory: tables stay in order, rules are ones that
 * the kernel's side knows, and no stack is longer than it may be.
 */
#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/unwind/unwind_table.h"

static const uint8_t *memory;
static size_t memory_size;
static const struct unwind_table *table;

#define FIRST 0x1000
#define LAST 0x100000
#define SECTION 0x80000

static int unwind_read(tp_u64 address, tp_u64 *word)
{
	if (memory_size < 8)
		return -1;
	memcpy(word, memory + address % (memory_size - 7), sizeof(*word));
	return 0;
}

static const struct unwind_mapping *unwind_mapping_at(tp_u32 i)
{
	static const struct unwind_mapping all = { .start = FIRST, .end = LAST, .module = 1 };

	return i == 0 ? &all : NULL;
}

static const struct unwind_module *unwind_module_at(tp_u32 i)
{
	static struct unwind_module module;

	module = (struct unwind_module){ table->first_address, 0, (tp_u32)table->n_rows };
	return i == 1 ? &module : NULL;
}

static const struct unwind_row *unwind_row_at(tp_u32 i)
{
	return i < table->n_rows ? &table->rows[i] : NULL;
}

static const struct unwind_rule *unwind_rule_at(tp_u32 i)
{
	return i < table->n_rules ? &table->rules[i] : NULL;
}

#include "bpf/unwind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void follow(const struct unwind_table *t)
{
	table = t;
	for (size_t i = 0; i < t->n_rows && i < 64; i++) {
		struct unwind_state s = { .ip = t->first_address + t->rows[i].pc,
					  .sp = 0x7000,
					  .fp = 0x7100,
					  .lr = FIRST + 8,
					  .process = { 0, 1 },
					  .exact = 1,
					  .innermost = 1 };
		size_t n = 0;
		tp_u64 frame;

		while (n < MAX_USER_FRAMES && unwind__step(&s, &frame) == UNWIND_GOES_ON)
			n++;
	}
}

static void check(const struct unwind_table *t)
{
	for (size_t i = 0; i < t->n_rows; i++) {
		if (t->rows[i].rule >= t->n_rules || (i && t->rows[i].pc <= t->rows[i - 1].pc))
			abort();
		if (t->rules[t->rows[i].rule].cfa > UNWIND_CFA_R10 || t->rules[t->rows[i].rule].ra > UNWIND_AT_SP)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t machines[] = { EM_X86_64, EM_AARCH64 };

	memory = data;
	memory_size = size;
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		const struct eh_frame s = { data, size, SECTION, machines[i] };
		struct unwind_table t;

		if (unwind_table__build_section(&t, &s, FIRST, LAST, 100000))
			continue;
		check(&t);
		follow(&t);
		unwind_table__free(&t);
	}
	return 0;
}
