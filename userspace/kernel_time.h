/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel time as a function of CPU time, where system calls are timed in bursts.
 *
 * Timing every system call is exact, and costs a server that meets at futexes hundreds of times a token too much. Then only bursts
 * are timed, and between them the kernel's part of the CPU time is taken to be what it was in the bursts so far, older
 * ones counting less. The estimate is a rising function of the server's CPU meter, so that cuts at any instant, told in
 * any order, add up.
 */
#ifndef TOKPROF_KERNEL_TIME_H
#define TOKPROF_KERNEL_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Records are read up to a second after they were cut: as many bursts are remembered. */
#define KERNEL_TIME_BURSTS 16

struct kernel_burst {
	int64_t cpu_on, cpu_off;	/* the CPU meter when it began and ended; cpu_off -1: it goes on */
	int64_t measured;		/* kernel time in it */
	int64_t base;			/* the estimate when it began */
	double ratio;			/* kernel over CPU time, for the time after it */
};

struct kernel_time {
	struct kernel_burst bursts[KERNEL_TIME_BURSTS];
	size_t n;			/* begun so far; the last KERNEL_TIME_BURSTS are kept */
	double kernel, cpu;		/* decayed sums over the bursts that have ended */
	int64_t covered;		/* CPU time in bursts that have ended */
};

/* A burst begins, or ends with `measured` ns of kernel time in it. Values of the CPU meter never fall. */
void kernel_time__begin(struct kernel_time *k, int64_t cpu);
void kernel_time__end(struct kernel_time *k, int64_t cpu, int64_t measured);
/* The estimate at a cut: the CPU meter there, and the kernel time since the burst's beginning, were it in one. */
int64_t kernel_time__at(const struct kernel_time *k, int64_t cpu, int64_t measured);
bool kernel_time__exact(const struct kernel_time *k);	/* there never was a time without */

#endif
