/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys a report has, and what people call them; beside what is known of a recording (userspace/analysis/facts.h). */
#ifndef TOKPROF_FACTS_H
#define TOKPROF_FACTS_H

#include "userspace/analysis/facts.h"

/*
 * The resources every report names, in the order of the contract; those that a later collector registers under another
 * name follow as `counters`.
 */
struct resource_key {
	const char *name; /* key of every format */
	const char *title; /* for people */
	int kind; /* enum resource_kind */
	const char *unit;
	const char *missing; /* reason where the recording does not know the resource at all */
};
#define N_RESOURCE_KEYS 11
extern const struct resource_key resource_keys[N_RESOURCE_KEYS];

bool resource__is_counter(const struct ledger_resource *resource);
/* One of the calls into device drivers, which have places of their own. */
bool resource__is_ioctl(const struct ledger_resource *resource);
bool ledger__has_ioctl(const struct ledger *l); /* are they measured? */
const char *ioctl__missing(const struct recording *r); /* and if not, why */

/* Of system calls and interrupts: how well they are known, and why; unavailable where the recording has none. */
#define KERNEL_SOURCE "system call and interrupt tracepoints; page faults counted and priced"
#define KERNEL_REASON_SIZE 400
int kernel__grade(const struct ledger *l); /* enum grade */
void kernel__reason(const struct ledger *l, char *out, size_t size);
const char *resource__title(const struct ledger_resource *resource);

#endif
