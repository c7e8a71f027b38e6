/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When system calls and interrupts are timed: always, as long as that costs the server less than SYSCALL_BUDGET of its CPU
 * time; else in bursts of BURST_NS at random distances, so that no period of the traffic's meets theirs: about one in ten of
 * the time at first, so that a short recording has some, and one in thirty later.
 *
 * Between bursts the programs of system calls are detached, since any program there sends all calls of all processes on the
 * kernel's slow path. Those of interrupts stay, and do nothing: each of the eight tracepoints attached or detached is a
 * patch of the kernel's code, which interrupts all CPUs several times.
 */
#ifndef TOKPROF_SCHED_BURSTS_H
#define TOKPROF_SCHED_BURSTS_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What timing a system call costs: both tracepoints' programs, and the slow path that they send the kernel on. Measured
 * here: 350 to 400 ns on a virtual machine (docs/benchmarks.md), 50 of it to book it by name and step. About half of that on metal.
 */
#define SYSCALL_COST_NS 380
#define SYSCALL_BUDGET 0.003
/* Of a CPU: what an idle server's few calls cost is nobody's loss, whatever part it is of the little that the server took. */
#define SYSCALL_LEAST_COST 0.00003
#define BURST_NS 100000000ULL
#define SHORTEST_PAUSE_NS 600000000ULL
#define LONGEST_PAUSE_NS 1400000000ULL
#define FIRST_BURSTS 10		/* so near to each other; later ones are LATER_PAUSES times as far apart */
#define LATER_PAUSES 3
#define MAX_BURST_PROGRAMS 2

enum bursts_state {
	BURSTS_ALWAYS,		/* timed all the time: within budget so far */
	BURSTS_ON,
	BURSTS_ENDED,		/* detached; the meter is cleared at the next turn, when no program can still be running */
	BURSTS_PAUSE,
};

struct session;

struct bursts {
	struct bpf_program *programs[MAX_BURST_PROGRAMS];
	struct bpf_link *links[MAX_BURST_PROGRAMS];
	size_t n_programs;
	enum bursts_state state;
	bool suspended;			/* by tokprof overhead */
	uint64_t until_ns;		/* of the state, 0: not begun */
	uint64_t suspended_ns;
	uint64_t random;
	uint64_t n_bursts;
	uint64_t begun_ns, ended_ns;	/* the latest time in which they were timed; ended_ns 0: it goes on */
	int64_t begun_cpu_ns, ended_cpu_ns;	/* of the CPU meter */
	int64_t cpu_at_check;
	uint64_t ns_at_check;
	uint64_t syscalls_at_check;
};

/* Take charge of the programs that are attached in bursts, of an object that is loaded but not attached. */
void bursts__init(struct bursts *b, struct bpf_program *const *programs, size_t n);
/* Attach and begin. @return 0, negative errno */
int bursts__start(struct bursts *b, struct session *s);
bool bursts__timed(const struct bursts *b);	/* are system calls, now? */
bool bursts__due(const struct bursts *b, uint64_t now_ns);
/* When due; n_syscalls: of the server so far, counted while they are timed. */
void bursts__turn(struct bursts *b, struct session *s, uint64_t now_ns, uint64_t n_syscalls);
/* Stop and go on for tokprof overhead, with the other probes. */
int bursts__suspend(struct bursts *b, struct session *s, bool suspend);
void bursts__stop(struct bursts *b);

#endif
