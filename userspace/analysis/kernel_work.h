/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel did for every request and account, by system call and interrupt. Two laws hold, in integers:
 *
 *	of every kind, requests + accounts = total;
 *	of every request and account, the times of all kinds = its kernel_ns
 *
 * A step during which calls were timed from its start to its end gives its rows what was measured, in proportion to their shares of its
 * kernel_ns. The kernel time of other steps is taken to be made up as that of the same phase was while calls were timed; what lies between
 * steps likewise. Page faults are counted and priced, as in kernel_ns. What is left of a measured step, or of the ledger's
 * unexplained, is the kind "not told".
 */
#ifndef TOKPROF_ANALYSIS_KERNEL_WORK_H
#define TOKPROF_ANALYSIS_KERNEL_WORK_H

#include "userspace/analysis/ledger.h"

#define META_FAULT_NS "fault_ns"	/* what a page fault is priced at; no such key where faults are in no figure */

struct kernel_figure {
	int64_t n, ns;
};

struct kernel_work {
	const struct recording *recording;
	size_t n_kinds;			/* those of the recording, in its order, and these two: */
	size_t faults, untold;		/* faults: SIZE_MAX where they are not measured, or their price is not known */
	bool exact;			/* all was timed: figures are measured */
	int64_t timed_cpu_ns;		/* CPU time while calls were timed */
	/* Each n_kinds figures for every request, phase (of all requests), account, and of all. */
	struct kernel_figure *requests, *phases, *accounts, *totals;
	struct kernel_figure *timed;	/* what was timed, before anything was made of it */
	struct kernel_making *making;	/* while the ledger is built */
};

/* NULL where the recording has none. @return 0, -ENOMEM, -EINVAL (more kinds than any kernel has) */
int kernel_work__open(struct kernel_work **out, const struct ledger *l);
void kernel_work__free(struct kernel_work *w);

/* One step's kernel time: who bears which part of it, `request` or, where that is REQUEST_NONE, `account`. */
int kernel_work__add_part(struct kernel_work *w, uint32_t request, size_t phase, enum account_id account,
			  int64_t kernel_ns);
/* The parts added since the last step are all of this one; it took `faults` page faults. */
int kernel_work__end_step(struct kernel_work *w, uint32_t step, int64_t faults);
/* When the ledger is balanced; *w is freed where that left kernel time without a figure. @return 0, -ENOMEM, -EINVAL (more than any
 * machine does) */
int kernel_work__finish(struct kernel_work **w, const struct ledger *l);

/* "softirq NET_RX", "page faults", "not told"; its path, "fault" and "" of the two */
const char *kernel_work__name(const struct kernel_work *w, size_t kind);
const char *kernel_work__path(const struct kernel_work *w, size_t kind);
/* Figures of request i, or NULL where its share is not known. */
const struct kernel_figure *kernel_work__request(const struct ledger *l, size_t i);

/* Check of both laws, for tests: the first kind that breaks one, or -1. */
int kernel_work__broken(const struct ledger *l);

#endif
