/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/* What the counters' own programs and those that cut at steps have in common. */
#ifndef TOKPROF_COUNTERS_BPF_H
#define TOKPROF_COUNTERS_BPF_H

#include "bpf/common.bpf.h"
#include "bpf/counters.h"

#define CUT_TRIES 4

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, tp_u32);
	__type(value, struct counter_control);
} counters SEC(".maps");

/* An array and not a map per CPU, so that the recorder can map it. Made by it with an entry per CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, tp_u32);
	__type(value, struct counter_cpu);
} counter_cpus SEC(".maps");

/* Made by the recorder with an entry per event and CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(max_entries, MAX_COUNTERS);
	__type(key, tp_u32);
	__type(value, tp_u32);
} counter_events SEC(".maps");

/* The helper reads the current CPU only, and zeroes the reading where the event is not on it. */
static __always_inline void counters__read(const struct counter_control *w, tp_u32 cpu, tp_u32 i,
					   struct counter_reading *out)
{
	bpf_perf_event_read_value(&counter_events, (tp_u64)(i * w->n_cpus + cpu), (struct bpf_perf_event_value *)out,
				  sizeof(*out));
}

/* @return whether nothing of this CPU was settled meanwhile */
static __always_inline bool cut__try(struct record_counter_cut *r, const struct counter_control *w,
				     const volatile struct counter_cpu *c, tp_u64 now)
{
	const tp_u64 n_events = c->n_events, since = c->epoch == w->epoch ? c->since_ns : 0;
	const tp_u64 elapsed = since && now > since ? now - since : 0;
	tp_u32 i;

	r->sums.ran_ns = c->sums.ran_ns + elapsed;
	for (i = 0; i < MAX_COUNTERS; i++) {
		struct counter_reading reading = {}, last;
		struct counter_change change = {};

		if (i >= w->n)
			break;
		if (since) {
			last.value = c->last[i].value;
			last.enabled_ns = c->last[i].enabled_ns;
			last.running_ns = c->last[i].running_ns;
			counters__read(w, r->cpu, i, &reading);
			counter__change(&last, &reading, elapsed, &change);
		}
		r->sums.value[i] = c->sums.value[i] + change.value;
		r->sums.lost_ns[i] = c->sums.lost_ns[i] + change.lost_ns;
	}
	return c->n_events == n_events;
}

/*
 * At a step's start or end. It can be preempted: whoever does so settles on this CPU, which the last comparison shows. The
 * record is reserved before the cut has its number, so that it comes before what other CPUs tell of it.
 * Budget: where nothing is counted one load; else about 0.14 us per event and 0.5 us for the record, whatever the number of CPUs.
 */
/* Not inlined and not static: the verifier looks at it once, not in every state of the program that calls it. */
__noinline int counters__cut_now(tp_u64 step, tp_u32 kind)
{
	struct record_counter_cut *r;
	struct counter_control *w;
	struct counter_cpu *c;
	tp_u32 cpu, zero = 0;
	int i;

	cpu = bpf_get_smp_processor_id();
	w = bpf_map_lookup_elem(&counters, &zero);
	c = bpf_map_lookup_elem(&counter_cpus, &cpu);
	if (!w || !c)
		return 0;
	r = bpf_ringbuf_reserve(&events, sizeof(*r), 0);
	if (!r) {
		__sync_fetch_and_add(&w->n_full, 1);
		return 0;
	}
	fill_header(&r->h, RECORD_COUNTER_CUT, sizeof(*r), 0);
	__builtin_memset(&r->sums, 0, sizeof(r->sums));
	r->step = step;
	r->kind = kind;
	r->cpu = cpu;
	r->number = __sync_fetch_and_add(&w->n_cuts, 1) + 1;
	for (i = 0; i < CUT_TRIES; i++) {
		r->h.time_ns = bpf_ktime_get_ns();
		if (cut__try(r, w, c, r->h.time_ns))
			break;
	}
	if (i == CUT_TRIES) {
		r->h.flags = CUT_UNSTEADY;
		__sync_fetch_and_add(&w->n_unsteady, 1);
	}
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return 0;
}

static __always_inline void counters__cut(const struct meters *m, tp_u64 step, tp_u32 kind)
{
	if (m->n_counters)
		counters__cut_now(step, kind);
}

#endif
