/* SPDX-License-Identifier: Apache-2.0 */
#include "output/facts.h"

#include <stdio.h>
#include <string.h>

#include "output/figure.h"
#include "userspace/analysis/kernel_work.h"
#include "userspace/ioctl_class.h"

#define NO_COLLECTOR "this version has no collector for it"

const struct resource_key resource_keys[N_RESOURCE_KEYS] = {
	{ "cpu_ns", "CPU time", RESOURCE_ADDITIVE, "ns", "the scheduler was not recorded" },
	{ "kernel_ns", "kernel time", RESOURCE_ADDITIVE, "ns", "the scheduler was not recorded" },
	{ "device_ns", "device time", RESOURCE_ADDITIVE, "ns", NO_COLLECTOR },
	{ "mem_bytes", "memory traffic", RESOURCE_ADDITIVE, "bytes", "it was neither counted nor derived" },
	{ "energy_uj", "energy", RESOURCE_ADDITIVE, "uJ", NO_COLLECTOR },
	{ "cycles", "cycles", RESOURCE_ADDITIVE, "count", NO_COLLECTOR },
	{ "instructions", "instructions", RESOURCE_ADDITIVE, "count", NO_COLLECTOR },
	{ "faults", "page faults", RESOURCE_ADDITIVE, "count", "the scheduler was not recorded" },
	{ "runq_ns", "run queue", RESOURCE_DURATION, "ns", "the scheduler was not recorded" },
	{ "blocked_ns", "blocked", RESOURCE_DURATION, "ns", "the scheduler was not recorded" },
	{ "futex_ns", "futex wait", RESOURCE_DURATION, "ns",
	  "the scheduler was not recorded, or by a version that did not tell it from other waits" },
};

static const struct resource_key *find_key(const char *name)
{
	for (size_t i = 0; i < N_RESOURCE_KEYS; i++)
		if (strcmp(resource_keys[i].name, name) == 0)
			return &resource_keys[i];
	return NULL;
}

bool resource__is_counter(const struct ledger_resource *resource)
{
	return !find_key(resource->row->name) && !resource__is_ioctl(resource);
}

bool resource__is_ioctl(const struct ledger_resource *resource)
{
	return resource->row->id >= RESOURCE_IOCTL && resource->row->id < RESOURCE_IOCTL + N_IOCTL_RESOURCES;
}

bool ledger__has_ioctl(const struct ledger *l)
{
	for (size_t k = 0; k < l->n_resources; k++)
		if (resource__is_ioctl(&l->resources[k]) && l->resources[k].measured)
			return true;
	return false;
}

const char *ioctl__missing(const struct recording *r)
{
	for (size_t i = 0; i < r->n_collectors; i++)
		if (strcmp(r->collectors[i].name, "ioctl") == 0 && r->collectors[i].reason)
			return r->collectors[i].reason;
	return "calls into device drivers were not collected";
}

/* The scheduler's collector times them: why it is absent is why they are. */
static const char *kernel__missing(const struct recording *r)
{
	for (size_t i = 0; i < r->n_collectors; i++)
		if (strcmp(r->collectors[i].name, "sched") == 0 && r->collectors[i].reason)
			return r->collectors[i].reason;
	return "system calls and interrupts were not collected by name";
}

int kernel__grade(const struct ledger *l)
{
	return !l->kernel ? GRADE_UNAVAILABLE : l->kernel->exact ? GRADE_MEASURED : GRADE_DERIVED;
}

void kernel__reason(const struct ledger *l, char *out, size_t size)
{
	const int k = resource__find(l, "cpu_ns");

	if (!l->kernel)
		snprintf(out, size, "%s", kernel__missing(l->timeline->recording));
	else if (l->kernel->exact)
		snprintf(out, size,
			 "every call and interrupt was timed; the time of page faults is derived from their count");
	else
		snprintf(
			out, size,
			"calls and interrupts were timed in %s bursts that hold %s of the CPU time; the kernel time of "
			"other steps is "
			"taken to be made up as that of timed ones of the same phase; what page faults took is derived "
			"from their count",
			figure__count((int64_t)l->timeline->recording->n_kernel_bursts).s,
			k >= 0 && l->resources[k].measured ?
				figure__percent(l->kernel->timed_cpu_ns, l->resources[k].total).s :
				"a part");
}

const char *resource__title(const struct ledger_resource *resource)
{
	const struct resource_key *key = find_key(resource->row->name);

	return key ? key->title : resource->row->name;
}
