/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/counters/event_report.h"

#include <errno.h>
#include <fnmatch.h>
#include <sched.h>
#include <string.h>

#include "output/json_writer.h"
#include "output/table.h"
#include "userspace/counters/event_catalog.h"
#include "userspace/counters/event_defaults.h"
#include "userspace/counters/perf_open.h"

#define INDENT 8

struct report {
	FILE *f;
	const char *pattern;
	int columns;
	struct json_writer *json;	/* NULL: text */
	bool count_only;
	size_t n;
};

static void full_name(const struct catalog_event *event, char *out, size_t size)
{
	snprintf(out, size, "%s::%s%s%s", event->pmu, event->name, event->unit_mask ? ":" : "",
		 event->unit_mask ? event->unit_mask : "");
}

static bool matches(const char *pattern, const char *name)
{
	if (!pattern)
		return true;
	if (strpbrk(pattern, "*?["))
		return fnmatch(pattern, name, FNM_CASEFOLD) == 0;
	return strcasestr(name, pattern) != NULL;
}

/* Why it cannot be counted here; "" where it can. */
static void try_event(const char *name, char *reason, size_t size)
{
	char remedy[240] = "";
	struct event_list list;
	int err = 0, cpu = sched_getcpu();

	*reason = '\0';
	if (event_list__parse(&list, name, reason, size, remedy, sizeof(remedy)))
		return;
	if (perf_open__try(&list.events[0], cpu < 0 ? 0 : cpu, &perf_calls__kernel, NULL, &err) == TRIAL_FAILED)
		perf_open__explain(&list.events[0].attr, err, perf_calls__kernel.paranoid(NULL), reason, size, remedy,
				   sizeof(remedy));
}

static void put_text(const struct report *r, const char *name, const char *doc, const char *reason)
{
	fprintf(r->f, "%s%s\n%*s", name, event_defaults__of(name) ? "   (default)" : "", INDENT, "");
	text__wrap(r->f, doc, INDENT, INDENT, r->columns);
	putc('\n', r->f);
	if (*reason) {
		char why[280];

		snprintf(why, sizeof(why), "not here: %s", reason);
		fprintf(r->f, "%*s", INDENT, "");
		text__wrap(r->f, why, INDENT, INDENT, r->columns);
		putc('\n', r->f);
	}
}

static void put_json(struct json_writer *w, const struct catalog_event *event, const char *name, const char *doc,
		     const char *reason)
{
	json_writer__begin_object(w);
	json_writer__put_string(w, "name", name);
	json_writer__put_string(w, "pmu", event->pmu);
	json_writer__put_string(w, "description", doc);
	json_writer__put_bool(w, "default", event_defaults__of(name) != NULL);
	json_writer__put_bool(w, "available", !*reason);
	json_writer__put_string(w, "reason", *reason ? reason : NULL);
	json_writer__end_object(w);
}

static int put_event(void *ctx, const struct catalog_event *event)
{
	const char *doc = event->unit_mask && event->mask_doc ? event->mask_doc : event->doc;
	struct report *r = ctx;
	char name[2 * EVENT_NAME_SIZE], reason[240];

	full_name(event, name, sizeof(name));
	if (!matches(r->pattern, name))
		return 0;
	r->n++;
	if (r->count_only)
		return 1;
	try_event(name, reason, sizeof(reason));
	if (r->json)
		put_json(r->json, event, name, doc ? doc : "", reason);
	else
		put_text(r, name, doc ? doc : "", reason);
	return 0;
}

int event_report__write(FILE *f, const char *pattern, bool json, int columns)
{
	struct report r = { .f = f, .pattern = pattern, .columns = columns, .count_only = true };
	struct json_writer w;

	if (event_catalog__begin())
		return -ENOSYS;
	event_catalog__each(put_event, &r);
	if (!r.n)
		return -ENOENT;
	r.count_only = false;
	if (!json) {
		event_catalog__each(put_event, &r);
		return ferror(f) ? -EIO : 0;
	}
	r.json = &w;
	json_writer__init(&w, f, 2);
	json_writer__begin_object(&w);
	json_writer__put_string(&w, "schema", "tokprof.list/1");
	json_writer__put_array(&w, "events");
	event_catalog__each(put_event, &r);
	json_writer__end_array(&w);
	json_writer__end_object(&w);
	return json_writer__finish(&w);
}
