/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * Maps that every object declares alike; the recorder makes them once and hands the same ones to each object
 * (bpf_map__reuse_fd), so that a collector can be loaded, fail, or be left out alone.
 */
#ifndef TOKPROF_COMMON_BPF_H
#define TOKPROF_COMMON_BPF_H

#include "bpf/kernel.bpf.h"

/* Records for the recorder. Its size is set by the recorder before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} events SEC(".maps");

/* Processes of the server: tgid -> 1. The first thing every program looks at. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, tp_u32);
	__type(value, tp_u32);
} servers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, tp_u32);
	__type(value, struct meters);
} meters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, tp_u32);
	__type(value, struct thread_state);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, tp_u32);
	__type(value, struct cpu_state);
} cpus SEC(".maps");

/* Steps in progress (bpf/shared.h); written by the engine's programs, read by those that charge to a step. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, tp_u32);
	__type(value, tp_u64);
} step_now SEC(".maps");

/* Per CPU, so that counting a loss never waits. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, N_LOSSES);
	__type(key, tp_u32);
	__type(value, tp_u64);
} losses SEC(".maps");

static __always_inline void count_loss(tp_u32 kind)
{
	tp_u64 *n = bpf_map_lookup_elem(&losses, &kind);

	if (n)
		(*n)++;
}

static __always_inline struct meters *meters__get(void)
{
	tp_u32 zero = 0;

	return bpf_map_lookup_elem(&meters, &zero);
}

/* Asked at every switch, wake-up and page fault of the host: most servers are one process, known without the map. */
static __always_inline tp_u32 is_server(tp_u32 tgid)
{
	const struct meters *m = meters__get();
	tp_u32 *known;

	if (m && m->lone_server)
		return m->lone_server == tgid;
	known = bpf_map_lookup_elem(&servers, &tgid);
	return known ? *known : 0;	/* the value, not the pointer: clang may combine two pointers with an OR */
}

/*
 * The recorder polls the ring every tenth of a second; it is woken earlier only when a quarter is full, since a wake-up
 * per record would cost more than the record.
 */
static __always_inline tp_u64 wakeup_flags(void)
{
	tp_u64 size = bpf_ringbuf_query(&events, BPF_RB_RING_SIZE);
	tp_u64 used = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);

	return used * 4 > size ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline void fill_header(struct record_header *h, tp_u16 kind, tp_u32 size, tp_u64 time_ns)
{
	tp_u64 id = bpf_get_current_pid_tgid();

	h->kind = kind;
	h->flags = 0;
	h->size = size;
	h->tgid = id >> 32;
	h->tid = (tp_u32)id;
	h->time_ns = time_ns;
}

#endif
