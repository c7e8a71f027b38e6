/* SPDX-License-Identifier: Apache-2.0 */
#include "collectors/counters_doctor.h"

#include <sched.h>
#include <stdio.h>

#include "userspace/counters/event_defaults.h"
#include "userspace/counters/perf_open.h"

static void work(void)
{
	volatile unsigned int x = 1;

	for (unsigned int i = 0; i < 1000000; i++)
		x = x * 1664525u + 1013904223u;
}

static const char *const trial_words[] = {
	[TRIAL_COUNTS] = "",
	[TRIAL_SHARES] = "shares its counter with other events: figures are scaled",
	[TRIAL_STANDS] = "never had a counter: others hold all of them",
	[TRIAL_BACKWARDS] = "its count fell while it was watched: a hypervisor that resets it",
};

/* Try one event for real. @return whether it counts */
static bool try_event(const struct counter_event *e, struct sensor *out)
{
	int err, cpu = sched_getcpu();
	enum trial t = perf_open__try(e, cpu < 0 ? 0 : cpu, &perf_calls__kernel, work, &err);

	if (t == TRIAL_FAILED) {
		perf_open__explain(&e->attr, err, perf_calls__kernel.paranoid(NULL), out->reason, sizeof(out->reason),
				   out->remedy, sizeof(out->remedy));
		return false;
	}
	snprintf(out->reason, sizeof(out->reason), "%s", trial_words[t]);
	if (t != TRIAL_COUNTS)
		snprintf(out->remedy, sizeof(out->remedy),
			 "end other profilers; sysctl kernel.nmi_watchdog=0 frees a counter");
	out->grade = t == TRIAL_COUNTS ? GRADE_MEASURED : t == TRIAL_SHARES ? GRADE_DERIVED : GRADE_UNAVAILABLE;
	return out->grade != GRADE_UNAVAILABLE;
}

/* The set that would be counted by default, one line each, and the kernel's own events, which need no processor's counters. */
int counters_doctor__probe(struct sensor *out, int max)
{
	static const char software[] =
		"perf::PERF_COUNT_SW_CPU_CLOCK,perf::PERF_COUNT_SW_PAGE_FAULTS,perf::PERF_COUNT_SW_CONTEXT_SWITCHES";
	static char ids[MAX_COUNTERS][32];	/* sensors borrow their texts */
	struct event_list list;
	char error[160], remedy[160];
	const char *pmu = "";
	int n = 0;

	if (max < 2 + MAX_COUNTERS)
		return 0;
	out[n] = (struct sensor){ .id = "perf", .resource = "cycles, instructions, counters" };
	if (event_list__default(&list, &pmu, error, sizeof(error))) {
		snprintf(out[n].reason, sizeof(out[n].reason), "%s", error);
		snprintf(out[n].remedy, sizeof(out[n].remedy), "name events with --events");
		n++;
		list.n = 0;
	} else {
		if (try_event(&list.events[0], &out[n]))
			snprintf(out[n].source, sizeof(out[n].source), "counters of the processor, by CPU; libpfm4: %s",
				 pmu);
		n++;
	}
	for (size_t i = 0; i < list.n; i++) {
		const struct event_default *d = event_defaults__of(list.events[i].name);

		snprintf(ids[i], sizeof(ids[i]), "pmu_%s", d ? d->role : "event");
		out[n] = (struct sensor){ .id = ids[i], .resource = d ? d->event : "" };
		if (try_event(&list.events[i], &out[n]))
			snprintf(out[n].source, sizeof(out[n].source), "perf_event_open");
		n++;
	}
	out[n] = (struct sensor){ .id = "perf_software", .resource = "counters: the kernel's own events" };
	if (event_list__parse(&list, software, out[n].reason, sizeof(out[n].reason), remedy, sizeof(remedy)) == 0 &&
	    try_event(&list.events[0], &out[n]))
		snprintf(out[n].source, sizeof(out[n].source), "perf_event_open; record --events %s",
			 list.events[0].name);
	return n + 1;
}
