/* SPDX-License-Identifier: Apache-2.0 */
#include "output/facts.h"

#include <string.h>

#define NO_COLLECTOR "this version has no collector for it"

const struct resource_key resource_keys[N_RESOURCE_KEYS] = {
	{ "cpu_ns", "CPU time", RESOURCE_ADDITIVE, "ns", "the scheduler was not recorded" },
	{ "kernel_ns", "kernel time", RESOURCE_ADDITIVE, "ns", "the scheduler was not recorded" },
	{ "device_ns", "device time", RESOURCE_ADDITIVE, "ns", NO_COLLECTOR },
	{ "mem_bytes", "memory traffic", RESOURCE_ADDITIVE, "bytes", NO_COLLECTOR },
	{ "energy_uj", "energy", RESOURCE_ADDITIVE, "uJ", NO_COLLECTOR },
	{ "cycles", "cycles", RESOURCE_ADDITIVE, "count", NO_COLLECTOR },
	{ "instructions", "instructions", RESOURCE_ADDITIVE, "count", NO_COLLECTOR },
	{ "faults", "page faults", RESOURCE_ADDITIVE, "count", "the scheduler was not recorded" },
	{ "runq_ns", "run queue", RESOURCE_DURATION, "ns", "the scheduler was not recorded" },
	{ "blocked_ns", "blocked", RESOURCE_DURATION, "ns", "the scheduler was not recorded" },
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
	return !find_key(resource->row->name);
}

const char *resource__title(const struct ledger_resource *resource)
{
	const struct resource_key *key = find_key(resource->row->name);

	return key ? key->title : resource->row->name;
}
