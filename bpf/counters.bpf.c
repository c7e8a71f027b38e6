/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * Performance events charged to the server: read when a thread of it goes on or off a CPU, and every 4 ms while one is there.
 *
 * The helper cannot read another CPU's counters, so what other CPUs were doing at a step's start or end is known when they
 * settle next. Such an interval is handed to the recorder, which divides it by time; the sample keeps it short, also where
 * threads spin and never leave their CPUs.
 *
 * Budget: two map look-ups (about 60 ns) per context switch of the host; per switch or sample of a server's thread about
 * 50 ns and 60 ns per event, less on metal. Loaded only where events are counted.
 */
#include "bpf/counters.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* A cut that is told to us late, from the clock of another CPU. */
#define CUT_SLACK_NS 1000

static __always_inline struct record_counter_span *span__begin(struct counter_words *w, const struct counter_cpu *c,
							       tp_u32 cpu, tp_u64 number, tp_u64 now)
{
	struct record_counter_span *r;

	if (w->last_cut_ns + CUT_SLACK_NS < c->since_ns)
		return NULL;
	r = bpf_ringbuf_reserve(&events, sizeof(*r), 0);
	if (!r) {
		__sync_fetch_and_add(&w->n_full, 1);
		return NULL;
	}
	fill_header(&r->h, RECORD_COUNTER_SPAN, sizeof(*r), now);
	r->start_ns = c->since_ns;
	r->number = number;
	r->cpu = cpu;
	r->reserved = 0;
	__builtin_memset(r->value, 0, sizeof(r->value));
	__builtin_memset(r->lost_ns, 0, sizeof(r->lost_ns));
	return r;
}

/* Interrupts are off: nobody else touches this CPU's entry. */
static __always_inline void settle(struct counter_words *w, struct counter_cpu *c, bool goes_on)
{
	const tp_u64 now = bpf_ktime_get_ns(), elapsed = now - c->since_ns;
	const tp_u32 cpu = bpf_get_smp_processor_id();
	/* The cut's time is looked at after the number was taken: who cuts in between finds us under way, and tries again. */
	const tp_u64 number = __sync_fetch_and_add(&w->begun, 1);
	struct record_counter_span *r = span__begin(w, c, cpu, number, now);
	tp_u32 i;

	__sync_fetch_and_add(&w->ran_ns, elapsed);
	for (i = 0; i < MAX_COUNTERS; i++) {
		struct counter_reading reading = {};
		struct counter_change change;

		if (i >= w->n)
			break;
		counters__read(w, cpu, i, &reading);
		counter__change(&c->last[i], &reading, elapsed, &change);
		c->last[i] = reading;
		__sync_fetch_and_add(&w->value[i], change.value);
		if (change.lost_ns)
			__sync_fetch_and_add(&w->lost_ns[i], change.lost_ns);
		if (change.backwards)
			__sync_fetch_and_add(&w->n_backwards, 1);
		if (r) {
			r->value[i] = change.value;
			r->lost_ns[i] = change.lost_ns;
		}
	}
	c->since_ns = goes_on ? now : 0;
	if (__sync_fetch_and_add(&w->done, 1) == ~0ULL)
		c->since_ns = 0;	/* never: but the result is used, so that the addition orders what is before it */
	if (r)
		bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

static __always_inline void begin(const struct counter_words *w, struct counter_cpu *c)
{
	const tp_u32 cpu = bpf_get_smp_processor_id();
	tp_u32 i;

	for (i = 0; i < MAX_COUNTERS; i++) {
		struct counter_reading reading = {};

		if (i >= w->n)
			break;
		counters__read(w, cpu, i, &reading);
		c->last[i] = reading;
	}
	c->epoch = w->epoch;
	c->since_ns = bpf_ktime_get_ns();
}

static __always_inline int runs(bool out, bool in)
{
	struct counter_words *w;
	struct counter_cpu *c;
	tp_u32 zero = 0;

	w = bpf_map_lookup_elem(&counters, &zero);
	c = bpf_map_lookup_elem(&counter_cpus, &zero);
	if (!w || !c || !w->n)
		return 0;
	if (out && c->since_ns && c->epoch == w->epoch) {
		settle(w, c, in);
		return 0;
	}
	c->since_ns = 0;
	if (in)
		begin(w, c);
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_counter_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	const tp_u32 out = is_server(prev->tgid), in = is_server(next->tgid);

	return out || in ? runs(out, in) : 0;
}

SEC("perf_event")
int on_counter_sample(void *ctx)
{
	return is_server(bpf_get_current_pid_tgid() >> 32) ? runs(true, true) : 0;
}
