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
	__type(value, struct counter_words);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
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
static __always_inline void counters__read(const struct counter_words *w, tp_u32 cpu, tp_u32 i,
					   struct counter_reading *out)
{
	bpf_perf_event_read_value(&counter_events, (tp_u64)(i * w->n_cpus + cpu), (struct bpf_perf_event_value *)out,
				  sizeof(*out));
}

/* With its result used the addition is a full barrier on every architecture. */
static __always_inline tp_u64 fenced_read(tp_u64 *word)
{
	return __sync_fetch_and_add(word, 0);
}

/* The cut's CPU: what its open interval has counted so far, on top of the sums. */
static __always_inline void cut__add_own(struct record_counter_cut *r, const struct counter_words *w,
					 const struct counter_cpu *c, tp_u64 now)
{
	const tp_u64 elapsed = now > c->since_ns ? now - c->since_ns : 0;
	tp_u32 i;

	r->ran_ns += elapsed;
	for (i = 0; i < MAX_COUNTERS; i++) {
		struct counter_reading reading = {};
		struct counter_change change;

		if (i >= w->n)
			break;
		counters__read(w, r->cpu, i, &reading);
		counter__change(&c->last[i], &reading, elapsed, &change);
		r->value[i] += change.value;
		r->lost_ns[i] += change.lost_ns;
	}
}

static __always_inline bool cut__try(struct record_counter_cut *r, struct counter_words *w, struct counter_cpu *c,
				     tp_u64 now)
{
	const tp_u64 done = fenced_read(&w->done);
	tp_u32 i;

	r->settled = fenced_read(&w->begun);
	if (done != r->settled)
		return false;
	r->ran_ns = w->ran_ns;
	for (i = 0; i < MAX_COUNTERS; i++) {
		r->value[i] = w->value[i];
		r->lost_ns[i] = w->lost_ns[i];
	}
	if (c->since_ns && c->epoch == w->epoch)
		cut__add_own(r, w, c, now);
	return fenced_read(&w->begun) == r->settled;
}

/*
 * At a step's start or end. It can be preempted: whoever does so settles on this CPU, which the last comparison shows.
 * Budget: where nothing is counted one load; else about 60 ns per event and 0.5 us for the record.
 */
static __always_inline void counters__cut(const struct meters *m, tp_u64 step, tp_u32 kind, tp_u64 now)
{
	struct record_counter_cut *r;
	struct counter_words *w;
	struct counter_cpu *c;
	tp_u32 zero = 0;
	int i;

	if (!m->n_counters)
		return;
	w = bpf_map_lookup_elem(&counters, &zero);
	c = bpf_map_lookup_elem(&counter_cpus, &zero);
	if (!w || !c)
		return;
	r = bpf_ringbuf_reserve(&events, sizeof(*r), 0);
	if (!r) {
		__sync_fetch_and_add(&w->n_full, 1);
		return;
	}
	fill_header(&r->h, RECORD_COUNTER_CUT, sizeof(*r), now);
	r->step = step;
	r->kind = kind;
	r->cpu = bpf_get_smp_processor_id();
	w->last_cut_ns = now;
	for (i = 0; i < CUT_TRIES; i++)
		if (cut__try(r, w, c, now))
			break;
	if (i == CUT_TRIES) {
		r->h.flags = CUT_UNSTEADY;
		__sync_fetch_and_add(&w->n_unsteady, 1);
	}
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

#endif
