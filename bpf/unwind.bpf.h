/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/* What unwind.h wants, from maps and the current thread's memory. */
#ifndef TOKPROF_UNWIND_BPF_H
#define TOKPROF_UNWIND_BPF_H

static __always_inline int unwind_read(tp_u64 address, tp_u64 *word)
{
	return bpf_probe_read_user(word, sizeof(*word), (const void *)address);
}

static __always_inline const struct unwind_mapping *unwind_mapping_at(tp_u32 i)
{
	return bpf_map_lookup_elem(&unwind_mappings, &i);
}

static __always_inline const struct unwind_module *unwind_module_at(tp_u32 i)
{
	return bpf_map_lookup_elem(&unwind_modules, &i);
}

static __always_inline const struct unwind_row *unwind_row_at(tp_u32 i)
{
	tp_u32 shard = i >> UNWIND_SHARD_SHIFT, zero = 0;
	const void *map = bpf_map_lookup_elem(&unwind_shards, &shard);
	const struct unwind_shard *rows = map ? bpf_map_lookup_elem((void *)map, &zero) : NULL;

	return rows ? &rows->row[i & (UNWIND_SHARD_ROWS - 1)] : NULL;
}

static __always_inline const struct unwind_rule *unwind_rule_at(tp_u32 i)
{
	return bpf_map_lookup_elem(&unwind_rules, &i);
}

#include "bpf/unwind.h"

#endif
