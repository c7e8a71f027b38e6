/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/counters/event_list.h"

#include <ctype.h>
#include <errno.h>
#include <perfmon/pfmlib_perf_event.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "userspace/counters/event_catalog.h"
#include "userspace/counters/event_defaults.h"
#include "userspace/recording.h"

static bool is_clock(const struct perf_event_attr *attr)
{
	return attr->type == PERF_TYPE_SOFTWARE &&
	       (attr->config == PERF_COUNT_SW_CPU_CLOCK || attr->config == PERF_COUNT_SW_TASK_CLOCK);
}

static bool is_hardware(const struct perf_event_attr *attr)
{
	return attr->type != PERF_TYPE_SOFTWARE && attr->type != PERF_TYPE_TRACEPOINT &&
	       attr->type != PERF_TYPE_BREAKPOINT;
}

/* @return 0, or libpfm4's negative code */
static int encode(const char *name, struct perf_event_attr *attr)
{
	pfm_perf_encode_arg_t arg = { .attr = attr, .size = sizeof(arg) };
	int rc;

	memset(attr, 0, sizeof(*attr));
	attr->size = sizeof(*attr);
	rc = pfm_get_os_event_encoding(name, PFM_PLM0 | PFM_PLM3, PFM_OS_PERF_EVENT_EXT, &arg);
	if (rc != PFM_SUCCESS)
		return rc;
	attr->size = sizeof(*attr);
	attr->read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
	attr->inherit = 0;	/* bpf_perf_event_read_value refuses inherited events */
	attr->disabled = 0;
	return 0;
}

static bool same_event(const struct perf_event_attr *a, const struct perf_event_attr *b)
{
	return a->type == b->type && a->config == b->config && a->config1 == b->config1 && a->config2 == b->config2 &&
	       a->exclude_user == b->exclude_user && a->exclude_kernel == b->exclude_kernel &&
	       a->exclude_hv == b->exclude_hv;
}

static bool is_event(const struct perf_event_attr *attr, const char *name)
{
	struct perf_event_attr other;

	return name && encode(name, &other) == 0 && same_event(attr, &other);
}

/* Cycles and instructions are resources of their own, by whatever name they were asked for. */
static int resource_of(const struct perf_event_attr *attr, size_t position)
{
	if (is_event(attr, "perf::PERF_COUNT_HW_CPU_CYCLES") || is_event(attr, event_defaults__event("cycles")))
		return RESOURCE_CYCLES;
	if (is_event(attr, "perf::PERF_COUNT_HW_INSTRUCTIONS") || is_event(attr, event_defaults__event("instructions")))
		return RESOURCE_INSTRUCTIONS;
	return RESOURCE_COUNTER_FIRST + (int)position;
}

__attribute__((format(printf, 3, 4))) static int fail(char *error, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, size, format, args);
	va_end(args);
	return -EINVAL;
}

static int add(struct event_list *list, const char *name, size_t length, int group, char *error, size_t error_size,
	       char *remedy, size_t remedy_size)
{
	struct counter_event *e = &list->events[list->n];
	int rc;

	if (length == 0)
		return fail(error, error_size, "--events: %s", "an empty name between two commas or braces");
	if (list->n == MAX_COUNTERS) {
		snprintf(error, error_size, "--events: more than %d events", MAX_COUNTERS);
		snprintf(remedy, remedy_size, "record twice; most processors count four to eight events at a time");
		return -EINVAL;
	}
	if (length >= sizeof(e->name))
		return fail(error, error_size, "--events: '%.40s...' is too long for an event's name", name);
	memcpy(e->name, name, length);
	e->name[length] = '\0';
	for (size_t i = 0; i < list->n; i++)
		if (strcasecmp(list->events[i].name, e->name) == 0)
			return fail(error, error_size, "--events: %s is named twice", e->name);
	rc = encode(e->name, &e->attr);
	if (rc != 0) {
		event_catalog__explain(e->name, rc, error, error_size, remedy, remedy_size);
		return -EINVAL;
	}
	e->group = group;
	e->unit = is_clock(&e->attr) ? "ns" : "count";
	e->resource = resource_of(&e->attr, list->n);
	for (size_t i = 0; i < list->n; i++)
		if (list->events[i].resource == e->resource || same_event(&list->events[i].attr, &e->attr))
			return fail(error, error_size, "--events: %s is another name of %s, which stands before it",
				    e->name, list->events[i].name);
	list->hardware |= is_hardware(&e->attr);
	list->n++;
	return 0;
}

int event_list__parse(struct event_list *out, const char *text, char *error, size_t error_size, char *remedy,
		      size_t remedy_size)
{
	bool braces = false;
	int group = 0, rc = event_catalog__begin();

	memset(out, 0, sizeof(*out));
	*remedy = '\0';
	if (rc) {
		fail(error, error_size, "libpfm4 cannot begin: %s", pfm_strerror(rc));
		return -ENOSYS;
	}
	for (const char *at = text;; at++) {
		const char *begin;
		const char *end;

		while (isspace((unsigned char)*at))
			at++;
		if (*at == '{') {
			if (braces)
				return fail(error, error_size, "--events: braces inside braces in '%s'", text);
			braces = true;
			at++;
		}
		begin = at;
		at += strcspn(at, ",{}");
		if (*at == '{')
			return fail(error, error_size, "--events: a brace within a name in '%s'", text);
		for (end = at; end > begin && isspace((unsigned char)end[-1]);)
			end--;
		while (begin < end && isspace((unsigned char)*begin))
			begin++;
		rc = add(out, begin, (size_t)(end - begin), group, error, error_size, remedy, remedy_size);
		if (rc)
			return rc;
		if (*at == '}') {
			if (!braces)
				return fail(error, error_size, "--events: '}' without '{' in '%s'", text);
			braces = false;
			at += strspn(at + 1, " \t\n") + 1;
			if (*at && *at != ',')
				return fail(error, error_size, "--events: text after a closing brace in '%s'", text);
		}
		if (!*at)
			break;
		if (!braces)
			group++;
	}
	if (braces)
		return fail(error, error_size, "--events: '{' without '}' in '%s'", text);
	return 0;
}

int event_list__default(struct event_list *out, const char **pmu, char *error, size_t error_size)
{
	const struct event_default *d;
	char remedy[8];
	int rc = event_catalog__begin(), group = 0;

	memset(out, 0, sizeof(*out));
	if (rc) {
		fail(error, error_size, "libpfm4 cannot begin: %s", pfm_strerror(rc));
		return -ENOSYS;
	}
	*pmu = event_defaults__pmu();
	for (size_t i = 0; (d = event_defaults__at(i)) && out->n < MAX_COUNTERS; i++) {
		char ignored[256];
		size_t before = out->n;

		/* Cycles and instructions together: what is divided by one another is of the same time. */
		if (add(out, d->event, strlen(d->event), strcmp(d->role, "instructions") == 0 ? group - 1 : group,
			ignored, sizeof(ignored), remedy, sizeof(remedy)))
			continue;
		if (out->events[before].group == group)
			group++;
	}
	return out->n ? 0 : fail(error, error_size, "libpfm4 knows none of the default events of %s", *pmu);
}
