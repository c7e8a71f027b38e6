/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/counters/event_defaults.h"

#include <perfmon/pfmlib.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "bpf/counters.h"
#include "userspace/embedded.h"

#define FIELD_SIZE 96

static struct {
	pthread_once_t once;
	char pmu[FIELD_SIZE];
	char roles[MAX_COUNTERS][FIELD_SIZE], events[MAX_COUNTERS][FIELD_SIZE];
	struct event_default defaults[MAX_COUNTERS];
	size_t n;
} table = { .once = PTHREAD_ONCE_INIT };

static bool is_present(const char *name)
{
	int pmu;

	pfm_for_all_pmus(pmu)
	{
		pfm_pmu_info_t info = { .size = sizeof(info) };

		if (pfm_get_pmu_info((pfm_pmu_t)pmu, &info) == PFM_SUCCESS && info.is_present &&
		    strcmp(info.name, name) == 0)
			return true;
	}
	return false;
}

/* Its own lines are the table's that name the PMU; "perf" is there last, and always present. */
static void read_table(void)
{
	char line[512];
	const char *at = (const char *)embedded_counters[0].data;

	for (size_t length; *at; at += length + (at[length] == '\n')) {
		char pmu[FIELD_SIZE], role[FIELD_SIZE], event[FIELD_SIZE];

		length = strcspn(at, "\n");
		if (length >= sizeof(line) || *at == '#')
			continue;
		memcpy(line, at, length);
		line[length] = '\0';
		if (sscanf(line, "%95[^\t]\t%95[^\t]\t%95[^\t]", pmu, role, event) != 3)
			continue;
		if (!table.pmu[0] && is_present(pmu))
			memcpy(table.pmu, pmu, sizeof(pmu));
		if (strcmp(pmu, table.pmu) != 0 || table.n == MAX_COUNTERS)
			continue;
		memcpy(table.roles[table.n], role, sizeof(role));
		memcpy(table.events[table.n], event, sizeof(event));
		table.defaults[table.n] = (struct event_default){ table.roles[table.n], table.events[table.n] };
		table.n++;
	}
}

const char *event_defaults__pmu(void)
{
	pthread_once(&table.once, read_table);
	return table.pmu;
}

const struct event_default *event_defaults__at(size_t i)
{
	pthread_once(&table.once, read_table);
	return i < table.n ? &table.defaults[i] : NULL;
}

const struct event_default *event_defaults__of(const char *event)
{
	const struct event_default *d;

	for (size_t i = 0; (d = event_defaults__at(i)); i++)
		if (strcmp(d->event, event) == 0)
			return d;
	return NULL;
}

const char *event_defaults__event(const char *role)
{
	const struct event_default *d;

	for (size_t i = 0; (d = event_defaults__at(i)); i++)
		if (strcmp(d->role, role) == 0)
			return d->event;
	return NULL;
}
