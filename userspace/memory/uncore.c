/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/memory/uncore.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/embedded.h"

#define MAX_ROWS 64
#define FIELD 64

/* A line of data/uncore.tsv. */
struct row {
	char family[32], unit[FIELD], processor[FIELD], kind[8], event[FIELD], bytes[16];
};

static size_t read_table(struct row *rows)
{
	const char *at = (const char *)embedded_uncore[0].data;
	char line[512];
	size_t n = 0;

	for (size_t length; *at && n < MAX_ROWS; at += length + (at[length] == '\n')) {
		struct row *r = &rows[n];

		length = strcspn(at, "\n");
		if (length >= sizeof(line) || *at == '#')
			continue;
		memcpy(line, at, length);
		line[length] = '\0';
		if (sscanf(line, "%31[^\t]\t%63[^\t]\t%63[^\t]\t%7[^\t]\t%63[^\t]\t%15[^\t]", r->family, r->unit,
			   r->processor, r->kind, r->event, r->bytes) == 6)
			n++;
	}
	return n;
}

/* ---------------------------------------------------------------------------------------------------------------- sysfs --- */

/* The first line of a file, without its end. @return 0, negative errno */
static int read_line(char *out, size_t size, const char *root, const char *unit, const char *file)
{
	char path[512];
	FILE *f;
	int err = 0;

	snprintf(path, sizeof(path), "%s" UNCORE_DEVICES "/%s/%s", root, unit, file);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	if (!fgets(out, (int)size, f))
		err = -EIO;
	else
		out[strcspn(out, "\n")] = '\0';
	fclose(f);
	return err;
}

/* "vendor family model" */
static void read_processor(const char *root, char *out, size_t size)
{
	static const char *const keys[] = { "vendor_id", "cpu family", "model\t" };
	char path[256], line[256], values[3][32] = { "", "", "" };
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/cpuinfo", root);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f) && line[0] != '\n') {
		const char *colon = strchr(line, ':');

		for (int i = 0; colon && i < 3; i++)
			if (strncmp(line, keys[i], strlen(keys[i])) == 0)
				sscanf(colon + 1, " %31[^\n]", values[i]);
	}
	if (f)
		fclose(f);
	snprintf(out, size, "%s %s %s", values[0], values[1], values[2]);
}

/* Put a value's bits where "config1:0-7,32-35" says. */
static int place(const char *format, uint64_t value, struct perf_event_attr *attr)
{
	const struct {
		const char *name;
		uint64_t *to;
	} words[] = { { "config1:", &attr->config1 }, { "config2:", &attr->config2 }, { "config:", &attr->config } };
	const char *at = NULL;
	uint64_t *to = NULL;

	for (size_t i = 0; i < 3 && !at; i++)
		if (strncmp(format, words[i].name, strlen(words[i].name)) == 0) {
			at = format + strlen(words[i].name);
			to = words[i].to;
		}
	while (at && *at) {
		unsigned int first, last;
		int used = 0;

		if (sscanf(at, "%u-%u%n", &first, &last, &used) != 2) {
			if (sscanf(at, "%u%n", &first, &used) != 1)
				return -EINVAL;
			last = first;
		}
		if (first > last || last > 63)
			return -EINVAL;
		for (unsigned int bit = first; bit <= last; bit++, value >>= 1)
			*to |= (value & 1) << bit;
		at += used;
		at += *at == ',';
	}
	return !at || value ? -EINVAL : 0;
}

int uncore__encode(const char *root, const char *unit, const char *terms, struct perf_event_attr *attr)
{
	char copy[256], *term, *rest;
	int err = 0;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", terms) >= sizeof(copy))
		return -EINVAL;
	for (term = strtok_r(copy, ",", &rest); term && !err; term = strtok_r(NULL, ",", &rest)) {
		char *equals = strchr(term, '='), file[160], format[128], *end = NULL;
		uint64_t value = 1;

		if (equals) {
			*equals = '\0';
			errno = 0;
			value = strtoull(equals + 1, &end, 0);
			if (errno || end == equals + 1 || *end)
				return -EINVAL;
		}
		/* The kernel's own words in the place of a format's name. */
		if (strcmp(term, "config") == 0) {
			attr->config |= value;
			continue;
		}
		snprintf(file, sizeof(file), "format/%.100s", term);
		err = read_line(format, sizeof(format), root, unit, file);
		err = err ? -EINVAL : place(format, value, attr);
	}
	return err;
}

/* @return bytes a count, 0 where sysfs does not say */
static double scale_of(const char *root, const char *unit, const char *event)
{
	static const struct {
		const char *name;
		double bytes;
	} units[] = { { "MiB", 1048576 }, { "KiB", 1024 }, { "GiB", 1073741824 }, { "Bytes", 1 }, { "bytes", 1 } };
	char file[160], scale[64] = "", word[32] = "";
	double value;

	snprintf(file, sizeof(file), "events/%s.scale", event);
	if (read_line(scale, sizeof(scale), root, unit, file))
		return 0;
	snprintf(file, sizeof(file), "events/%s.unit", event);
	if (read_line(word, sizeof(word), root, unit, file))
		return 0;
	value = strtod(scale, NULL);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(units[i].name, word) == 0 && value > 0 && value < 1e6)
			return value * units[i].bytes;
	return 0;
}

/* ----------------------------------------------------------------------------------------------------------------- open --- */

struct opening {
	struct uncore *u;
	const char *root;
	char reason[240], remedy[240];	/* of the family that is tried */
};

/* Of the units that are there the family's is another generation's: what a later family says is more to the point. */
#define NO_EVENT (-ENOENT)

static int fail(struct opening *o, const char *unit, const char *event, const char *why)
{
	snprintf(o->reason, sizeof(o->reason), "%s, %s: %s", unit, event, why);
	snprintf(o->remedy, sizeof(o->remedy), "a kernel whose driver for %s has the event", unit);
	return NO_EVENT;
}

static int open_on(struct opening *o, struct uncore_counter *like, struct perf_event_attr *attr, int cpu)
{
	struct uncore *u = o->u;
	struct uncore_counter *c = &u->counters[u->n];
	char reason[160];
	int fd;

	if (u->n == MAX_UNCORE_COUNTERS)
		return fail(o, like->unit, like->event, "more counters than tokprof keeps");
	fd = u->calls->open(u->calls->ctx, attr, cpu, -1);
	if (fd < 0) {
		perf_open__explain(attr, fd, u->calls->paranoid(u->calls->ctx), reason, sizeof(reason), o->remedy,
				   sizeof(o->remedy));
		snprintf(o->reason, sizeof(o->reason), "%s, %s: %s", like->unit, like->event, reason);
		return fd == NO_EVENT ? -EOPNOTSUPP : fd;
	}
	*c = *like;
	c->cpu = cpu;
	c->fd = fd;
	c->last = (struct counter_reading){ 0 };
	u->n++;
	return 0;
}

/* One event of one unit, on every CPU that stands for it: "0,28", "0-1". */
static int open_event(struct opening *o, const struct row *row, const char *unit)
{
	struct uncore_counter like = { .is_write = strcmp(row->kind, "write") == 0 };
	struct perf_event_attr attr = { .size = sizeof(attr) };
	char terms[256], type[32], cpus[256], file[160];
	const char *at = cpus;
	int err = 0;

	snprintf(like.unit, sizeof(like.unit), "%.47s", unit);
	snprintf(like.event, sizeof(like.event), "%s", row->event);
	snprintf(terms, sizeof(terms), "%s", row->event);
	snprintf(file, sizeof(file), "events/%s", row->event);
	if (!strchr(row->event, '=') && read_line(terms, sizeof(terms), o->root, unit, file))
		return fail(o, unit, row->event, "the unit has no such event");
	if (read_line(type, sizeof(type), o->root, unit, "type"))
		return fail(o, unit, row->event, "its type is not told");
	attr.type = (uint32_t)strtoul(type, NULL, 10);
	attr.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
	if (uncore__encode(o->root, unit, terms, &attr))
		return fail(o, unit, row->event, "its formats cannot be made out");
	like.bytes_per_count =
		strcmp(row->bytes, "sysfs") == 0 ? scale_of(o->root, unit, row->event) : strtod(row->bytes, NULL);
	if (!(like.bytes_per_count > 0))
		return fail(o, unit, row->event, "how many bytes a count stands for is not told");
	/* Without a list of CPUs there is one unit for all, as of client processors before 4.18. */
	if (read_line(cpus, sizeof(cpus), o->root, unit, "cpumask"))
		snprintf(cpus, sizeof(cpus), "0");
	while (!err && *at) {
		int first, last, used = 0;

		if (sscanf(at, "%d-%d%n", &first, &last, &used) != 2) {
			if (sscanf(at, "%d%n", &first, &used) != 1)
				return fail(o, unit, row->event, "its list of CPUs cannot be read");
			last = first;
		}
		for (int cpu = first; cpu <= last && !err; cpu++)
			err = open_on(o, &like, &attr, cpu);
		at += used;
		at += *at == ',';
	}
	return err;
}

static void close_all(struct uncore *u)
{
	for (size_t i = 0; i < u->n; i++)
		u->calls->close(u->calls->ctx, u->counters[i].fd);
	u->n = u->n_units = 0;
	u->tells_writes = false;
}

/* All events of a family on all of its units: a part of them would be a part of the traffic. @return 1: it has no unit here */
static int open_family(struct opening *o, const struct row *rows, size_t n, struct dirent *const *units, int n_units)
{
	int err = 0;

	for (int i = 0; i < n_units && !err; i++) {
		bool any = false;

		for (size_t k = 0; k < n && !err; k++) {
			if (fnmatch(rows[k].unit, units[i]->d_name, 0) != 0)
				continue;
			any = true;
			err = open_event(o, &rows[k], units[i]->d_name);
			o->u->tells_writes |= strcmp(rows[k].kind, "write") == 0;
		}
		o->u->n_units += any;
	}
	if (!err && o->u->n_units == 0)
		return 1;
	if (err)
		close_all(o->u);
	return err;
}

static int is_unit(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* What the host has that looks like a memory controller's, where the table knows none of it. */
static void name_unknown(struct opening *o, struct dirent *const *units, int n_units)
{
	static const char *const patterns[] = { "uncore_*", "amd_df", "amd_umc*", "arm_cmn*",
						"*ddr*",    "*dmc*",  "nvidia_*", "*drw*" };

	for (int i = 0; i < n_units; i++)
		for (size_t k = 0; k < sizeof(patterns) / sizeof(patterns[0]); k++)
			if (fnmatch(patterns[k], units[i]->d_name, 0) == 0) {
				snprintf(o->reason, sizeof(o->reason),
					 "%s is there, but data/uncore.tsv has no event of it for this processor",
					 units[i]->d_name);
				snprintf(o->remedy, sizeof(o->remedy),
					 "a line in data/uncore.tsv, or a kernel with more drivers");
				return;
			}
	snprintf(o->reason, sizeof(o->reason), "no memory controller counts here: none is in %s", UNCORE_DEVICES);
	snprintf(o->remedy, sizeof(o->remedy),
		 "bare metal, and the driver for its memory controllers (intel_uncore, amd_uncore, arm-cmn)");
}

int uncore__open(struct uncore *u, const char *root, const struct perf_calls *calls, char *reason, size_t reason_size,
		 char *remedy, size_t remedy_size)
{
	struct opening o = { .u = u, .root = root };
	struct row rows[MAX_ROWS];
	const size_t n = read_table(rows);
	char path[256], processor[128];
	struct dirent **units = NULL;
	int n_units, err = -ENODEV;
	int failed = 0;

	memset(u, 0, sizeof(*u));
	u->calls = calls;
	reason[0] = remedy[0] = '\0';
	read_processor(root, processor, sizeof(processor));
	snprintf(path, sizeof(path), "%s" UNCORE_DEVICES, root);
	n_units = scandir(path, &units, is_unit, versionsort);
	for (size_t first = 0, end; first < n && err; first = end) {
		for (end = first + 1; end < n && strcmp(rows[end].family, rows[first].family) == 0; end++)
			;
		if (fnmatch(rows[first].processor, processor, 0) != 0)
			continue;
		err = open_family(&o, rows + first, end - first, units, n_units);
		if (err == 0)
			memcpy(u->family, rows[first].family, sizeof(u->family));
		if (err >= 0 || (failed && failed != NO_EVENT) || (failed && err == NO_EVENT))
			continue;
		failed = err;
		snprintf(reason, reason_size, "%s", o.reason);
		snprintf(remedy, remedy_size, "%s", o.remedy);
	}
	if (err)
		err = failed ? failed : -ENODEV;
	if (err && !failed) {
		name_unknown(&o, units, n_units);
		snprintf(reason, reason_size, "%s", o.reason);
		snprintf(remedy, remedy_size, "%s", o.remedy);
	}
	if (!err)
		reason[0] = remedy[0] = '\0';
	for (int i = 0; i < n_units; i++)
		free(units[i]);
	free(units);
	return err;
}

/* ----------------------------------------------------------------------------------------------------------------- read --- */

int uncore__read(struct uncore *u, int64_t *bytes, int64_t *write_bytes)
{
	double sum = 0, written = 0;
	bool first = false, lost = false;
	int err = 0;

	for (size_t i = 0; i < u->n; i++) {
		struct uncore_counter *c = &u->counters[i];
		struct counter_reading now;
		struct counter_change change;
		uint64_t elapsed;
		double count;
		const int failed = u->calls->read(u->calls->ctx, c->fd, &now);

		if (failed) {
			err = failed;
			c->last.enabled_ns = 0;
			continue;
		}
		elapsed = now.enabled_ns - c->last.enabled_ns;
		counter__change(&c->last, &now, elapsed, &change);
		first |= c->last.enabled_ns == 0;
		c->last = now;
		if (change.backwards || change.lost_ns >= elapsed) {
			lost = true;
			continue;
		}
		u->shares |= change.lost_ns > 0;
		count = (double)change.value * ((double)elapsed / (double)(elapsed - change.lost_ns)) *
			c->bytes_per_count;
		sum += count;
		written += c->is_write ? count : 0;
	}
	if (err || first || lost)
		return err ? err : first ? -EAGAIN : -ENODATA;
	if (!(sum < (double)(INT64_MAX / 1024)))
		return -ENODATA;
	*bytes = (int64_t)sum;
	*write_bytes = u->tells_writes ? (int64_t)written : -1;
	return 0;
}

void uncore__close(struct uncore *u)
{
	if (u->calls)
		close_all(u);
}
