/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * Changes of the clock frequency, as the kernel's cpufreq driver makes them, of CPUs that threads of the server run on.
 *
 * Nothing is reported: the frequency goes into map `cpus`, where the scheduler's program finds it, and what a change under
 * a running thread of the server makes of METER_CLOCK is added here. Two programs of one CPU's word: every change of it is
 * one atomic operation whose old value says what has to be added, so that no order of a switch and a change is wrong.
 *
 * Budget: a change of a CPU that runs no thread of the server is a look-up and an exchange, about 30 ns; of one that does, two
 * additions more, 60 ns. Governors change a CPU's frequency at most every few hundred us: below 0.02 % of the CPU.
 */
#include "bpf/common.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define MAX_TRIES 8

/* @return the word before; 0: other programs changed it all the time, and it is as they left it */
static __always_inline tp_u64 cpu__set_frequency(struct cpu_state *cpu, tp_u64 weight)
{
	tp_u64 before;
	int i;

	for (i = 0; i < MAX_TRIES; i++) {
		before = *(volatile tp_u64 *)&cpu->value;
		if (__sync_val_compare_and_swap(&cpu->value, before, (before & ~CPU_FREQUENCY) | weight) == before)
			return before;
	}
	return 0;
}

/* A plain raw tracepoint and not one by BTF: the kernel runs such a program for tests (BPF_PROG_TEST_RUN) on made-up arguments. */
SEC("raw_tp/cpu_frequency")
int on_cpu_frequency(struct bpf_raw_tracepoint_args *ctx)
{
	tp_u32 khz = ctx->args[0], number = ctx->args[1];
	struct cpu_state *cpu = bpf_map_lookup_elem(&cpus, &number);
	tp_u64 weight = clock__weight(khz), before;
	struct meters *m = meters__get();

	if (!cpu || !m || !weight || (cpu->value & CPU_FREQUENCY) == weight)
		return 0;
	before = cpu__set_frequency(cpu, weight);
	if (!(before & CPU_RUNS_SERVER))
		return 0;
	__sync_fetch_and_add(&m->word[METER_CLOCK].value,
			     clock__start(weight - (before & CPU_FREQUENCY), bpf_ktime_get_ns() - m->base_ns));
	if (before & CPU_FREQUENCY)
		__sync_fetch_and_add(&m->rare[METER_CLOCK_CHANGES - METER_RARE], 1);
	else
		__sync_fetch_and_add(&m->rare[METER_CLOCK_BLIND - METER_RARE], -1);
	return 0;
}
