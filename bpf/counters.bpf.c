/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * Performance events charged to the server: read when a thread of it goes on or off a CPU, and every 4 ms while one is there.
 *
 * The helper cannot read another CPU's counters, so what other CPUs were doing at a step's start or end is known at their next
 * event: each CPU tells of the cuts since its last one, and the recorder divides the interval that a cut fell into by
 * time; the sample keeps it short, also where threads spin and never leave their CPUs. Sums are per CPU: no switch writes
 * to a cache line that another CPU wants.
 *
 * Budget: two map look-ups (about 60 ns) per context switch of the host; where the server comes to a CPU, leaves it, or is sampled, about
 * 0.2 us and 0.14 us per event on a virtual machine, most of it the kernel's reading of the event's clock. Loaded only
 * where events are counted, and switched off where the default set takes more than 1 % (collectors/counters.c).
 */
#include "bpf/counters.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* A CPU's first event since the latest cut; NULL: it has told already. */
static __always_inline struct record_counter_span *span__begin(struct counter_control *w, struct counter_cpu *c,
							       tp_u32 cpu, tp_u64 start, tp_u64 now)
{
	const tp_u64 n_cuts = w->n_cuts;
	struct record_counter_span *r;

	if (c->told == n_cuts)
		return NULL;
	r = bpf_ringbuf_reserve(&events, sizeof(*r), 0);
	if (!r) {
		__sync_fetch_and_add(&w->n_full, 1);
		return NULL;		/* its next event tries again */
	}
	fill_header(&r->h, RECORD_COUNTER_SPAN, sizeof(*r), now);
	r->start_ns = start;
	r->n_cuts = n_cuts;
	r->cpu = cpu;
	r->reserved = 0;
	r->before = c->sums;
	__builtin_memset(&r->interval, 0, sizeof(r->interval));
	/* The recorder takes the sums of a CPU that has not told for those at the cut: so first this, then the sums. */
	__sync_lock_test_and_set(&c->told, n_cuts);
	return r;
}

/* Interrupts are off: nobody else touches this CPU's entry. */
static __always_inline void settle(struct counter_control *w, struct counter_cpu *c, tp_u32 cpu, bool goes_on)
{
	const tp_u64 now = bpf_ktime_get_ns(), elapsed = now - c->since_ns;
	struct record_counter_span *r = span__begin(w, c, cpu, c->since_ns, now);
	tp_u32 i;

	c->n_events++;
	c->sums.ran_ns += elapsed;
	if (r)
		r->interval.ran_ns = elapsed;
	for (i = 0; i < MAX_COUNTERS; i++) {
		struct counter_reading reading = {};
		struct counter_change change;

		if (i >= w->n)
			break;
		counters__read(w, cpu, i, &reading);
		counter__change(&c->last[i], &reading, elapsed, &change);
		c->last[i] = reading;
		c->sums.value[i] += change.value;
		c->sums.lost_ns[i] += change.lost_ns;
		if (change.backwards)
			__sync_fetch_and_add(&w->n_backwards, 1);
		if (r) {
			r->interval.value[i] = change.value;
			r->interval.lost_ns[i] = change.lost_ns;
		}
	}
	c->since_ns = goes_on ? now : 0;
	if (r)
		bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

static __always_inline void begin(struct counter_control *w, struct counter_cpu *c, tp_u32 cpu)
{
	const tp_u64 now = bpf_ktime_get_ns();
	struct record_counter_span *r = span__begin(w, c, cpu, now, now);
	tp_u32 i;

	if (r)
		bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	c->n_events++;
	for (i = 0; i < MAX_COUNTERS; i++) {
		struct counter_reading reading = {};

		if (i >= w->n)
			break;
		counters__read(w, cpu, i, &reading);
		c->last[i] = reading;
	}
	c->epoch = w->epoch;
	c->since_ns = now;
}

/* @in: a thread of the server runs from here on; else one did until here */
static __always_inline int runs(bool in, bool sample)
{
	struct counter_control *w;
	struct counter_cpu *c;
	tp_u32 zero = 0, cpu = bpf_get_smp_processor_id();

	w = bpf_map_lookup_elem(&counters, &zero);
	c = bpf_map_lookup_elem(&counter_cpus, &cpu);
	if (!w || !c || !w->n)
		return 0;
	if (!c->since_ns || c->epoch != w->epoch) {
		c->since_ns = 0;
		if (in)
			begin(w, c, cpu);
		return 0;
	}
	/* From one thread of the server to another nothing has to be read: the interval is the server's, and goes on. */
	if (sample || !in)
		settle(w, c, cpu, sample);
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_counter_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	const tp_u32 out = is_server(prev->tgid), in = is_server(next->tgid);

	return out || in ? runs(in, false) : 0;
}

SEC("perf_event")
int on_counter_sample(void *ctx)
{
	return is_server(bpf_get_current_pid_tgid() >> 32) ? runs(true, true) : 0;
}
