/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of data/ioctls.tsv, which docs/devices.md describes. Every error names its line. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/driver_table.h"
#include "userspace/ioctl_class.h"
#include "userspace/suggest.h"

#define MAX_LINE 1024
#define N_FIELDS 6
#define MAX_OFFSET 4092

enum field { MAGIC = 0, NUMBER, SUB, NAME, CLASS, ARGUMENT };

struct parser {
	struct driver_table *t;
	const char *name;
	int line, driver;	/* of the section; -1: none yet */
	size_t first_call;	/* of this table */
	char *error;
	size_t error_size;
};

__attribute__((format(printf, 2, 3))) static int fail(struct parser *p, const char *format, ...)
{
	va_list args;
	int n = snprintf(p->error, p->error_size, "%s:%d: ", p->name, p->line);

	va_start(args, format);
	if (n >= 0 && (size_t)n < p->error_size)
		vsnprintf(p->error + n, p->error_size - (size_t)n, format, args);
	va_end(args);
	return -EINVAL;
}

/* A whole number, decimal or after 0x, up to `most`. */
static bool number(const char *text, uint64_t most, uint64_t *out)
{
	const int base = strncmp(text, "0x", 2) == 0 ? 16 : 10;
	const char *digits = base == 16 ? text + 2 : text;
	char *end;

	if (!*digits || strspn(digits, base == 16 ? "0123456789abcdefABCDEF" : "0123456789") != strlen(digits))
		return false;
	errno = 0;
	*out = strtoull(digits, &end, base);
	return errno == 0 && *out <= most;
}

/* --- "driver NAME NODES MODULE SOURCE" ----------------------------------------------------------------------------- */

static int take_module(struct parser *p, struct driver *d, const char *field)
{
	const char *at = strchr(field, '@');
	const size_t n = at ? (size_t)(at - field) : strlen(field);

	d->module[0] = d->version[0] = '\0';
	if (strcmp(field, "-") == 0)
		return 0;
	if (n == 0 || n >= sizeof(d->module) || strchr(field, '/') ||
	    (at && (!at[1] || strlen(at + 1) >= sizeof(d->version))))
		return fail(p, "'%s' is no kernel driver; write MODULE or MODULE@VERSION, or - where any will do",
			    field);
	memcpy(d->module, field, n);
	d->module[n] = '\0';
	if (at)
		snprintf(d->version, sizeof(d->version), "%s", at + 1);
	return 0;
}

static int check_nodes(struct parser *p, const char *nodes)
{
	for (const char *glob = nodes;; glob++) {
		if (strncmp(glob, "/dev/", 5) != 0 || !glob[5] || glob[5] == ';')
			return fail(p, "'%s' is no list of nodes; write globs like /dev/nvidia[0-9]*, by semicolons",
				    nodes);
		glob = strchr(glob, ';');
		if (!glob)
			return 0;
	}
}

static int take_driver(struct parser *p, char *fields[], int n)
{
	struct driver_table *t = p->t;
	struct driver d = { .whole = false };
	int i = 0, err;

	if (n < 4 || n > 5)
		return fail(p,
			    "a driver has 3 or 4 columns after 'driver' (name, nodes, kernel driver, source), not %d",
			    n - 1);
	if (!fields[1][0] || strlen(fields[1]) >= sizeof(d.name))
		return fail(p, "'%s' is no name of a driver: 1 to %zu characters", fields[1], sizeof(d.name) - 1);
	if (strlen(fields[2]) >= sizeof(d.nodes))
		return fail(p, "more than %zu characters of nodes", sizeof(d.nodes) - 1);
	snprintf(d.name, sizeof(d.name), "%s", fields[1]);
	snprintf(d.nodes, sizeof(d.nodes), "%s", fields[2]);
	err = check_nodes(p, d.nodes);
	if (!err)
		err = take_module(p, &d, fields[3]);
	if (err)
		return err;
	while (i < t->n_drivers && strcmp(t->drivers[i].name, d.name) != 0)
		i++;
	if (i == DRIVER_MAX)
		return fail(p, "more than %d drivers", DRIVER_MAX);
	if (i == t->n_drivers)
		t->n_drivers++;
	else
		d.whole = t->drivers[i].whole;
	t->drivers[i] = d;
	p->driver = i;
	return 0;
}

/* --- "MAGIC NUMBER SUB NAME CLASS ARGUMENT" -------------------------------------------------------------------------- */

static bool has_calls(const struct driver_table *t, int driver)
{
	for (size_t i = 0; i < t->n_calls; i++)
		if (t->calls[i].driver == driver)
			return true;
	return false;
}

static int take_command(struct parser *p, struct driver_call *call, const char *magic, const char *text)
{
	struct driver *d = &p->t->drivers[p->driver];
	const bool whole = strcmp(magic, "-") == 0;
	uint64_t m = 0, n;

	if (!whole && !number(magic, 0xff, &m))
		return fail(p, "'%s' is no magic: 0 to 0xff, or - where the whole command is compared", magic);
	if (!number(text, whole ? UINT32_MAX : 0xff, &n))
		return fail(p, "'%s' is no number of a call: 0 to %s", text, whole ? "0xffffffff" : "0xff");
	if (d->whole != whole && has_calls(p->t, p->driver))
		return fail(p, "driver %s compares %s; all of its calls have to", d->name,
			    d->whole ? "whole commands" : "magic and number");
	d->whole = whole;
	call->command = whole ? (uint32_t)n : (uint32_t)(m << 8 | n);
	return 0;
}

/* One value, or two of 32 bits as the argument has them. */
static int take_sub(struct parser *p, struct driver_call *call, char *text)
{
	char *second = strchr(text, ',');
	uint64_t low, high = 0;

	call->has_sub = strcmp(text, "-") != 0;
	if (!call->has_sub)
		return 0;
	if (second)
		*second++ = '\0';
	if (!number(text, second ? UINT32_MAX : UINT64_MAX, &low) || (second && !number(second, UINT32_MAX, &high)))
		return fail(p, "'%s' is no sub-command: a number, or two 32-bit ones by a comma", text);
	call->sub = low | high << 32;
	return 0;
}

/* "4@28" or "4@28/32": size, offset, and size of the whole argument */
static int take_place(struct parser *p, const char *text, uint64_t *size, uint64_t *offset, uint64_t *whole)
{
	char part[24];
	const char *at = strchr(text, '@'), *slash = strchr(text, '/');

	*whole = 0;
	if (!at || strlen(text) >= sizeof(part))
		return fail(p, "'%s' is no place in an argument; write SIZE@OFFSET", text);
	snprintf(part, sizeof(part), "%.*s", (int)(at - text), text);
	if (!number(part, 8, size) || (*size != 1 && *size != 2 && *size != 4 && *size != 8))
		return fail(p, "'%s' is no size of a field: 1, 2, 4 or 8 bytes", part);
	snprintf(part, sizeof(part), "%.*s", slash ? (int)(slash - at - 1) : 24, at + 1);
	if ((slash && slash < at) || !number(part, MAX_OFFSET, offset))
		return fail(p, "'%s' is no offset in an argument: 0 to %d", part, MAX_OFFSET);
	if (slash && (!number(slash + 1, 0x3fff, whole) || *whole == 0))
		return fail(p, "'%s' is no size of an argument: 1 to %d", slash + 1, 0x3fff);
	return 0;
}

static int take_reading(struct parser *p, struct driver_argument *a, char *word)
{
	char *value = strchr(word, '=');
	uint64_t size, offset, whole;
	int err;

	if (!value)
		return fail(p, "'%s': write sub=, status=, number= or pointer= and a place", word);
	*value++ = '\0';
	err = take_place(p, value, &size, &offset, &whole);
	if (err)
		return err;
	if (strcmp(word, "status") != 0 && whole)
		return fail(p, "only a status depends on the size of the argument");
	if (strcmp(word, "sub") == 0) {
		a->sub_size = (uint8_t)size;
		a->sub_offset = (uint16_t)offset;
	} else if (strcmp(word, "status") == 0) {
		if (size != 4 || a->n_status == DRIVER_STATUS_MAX)
			return fail(p, "a status has 4 bytes, and a call at most %d places for it", DRIVER_STATUS_MAX);
		a->status[a->n_status].offset = (uint16_t)offset;
		a->status[a->n_status++].size = (uint16_t)whole;
	} else if (strcmp(word, "number") == 0 && size == 4) {
		a->wraps = true;
		a->number_offset = (uint16_t)offset;
	} else if (strcmp(word, "pointer") == 0 && size == 8) {
		a->pointer_offset = (uint16_t)offset;
	} else {
		return fail(p, "'%s=%s': write sub=, status=4@, number=4@ or pointer=8@", word, value);
	}
	return 0;
}

static int take_argument(struct parser *p, struct driver_argument *a, char *text)
{
	char *rest = text, *word;

	if (strcmp(text, "-") == 0)
		return 0;
	while ((word = strsep(&rest, " ")))
		if (*word && take_reading(p, a, word))
			return -EINVAL;
	return 0;
}

static const struct driver_call *twin(const struct parser *p, const struct driver_call *call)
{
	for (size_t i = p->first_call; i < p->t->n_calls; i++) {
		const struct driver_call *c = &p->t->calls[i];

		if (c->driver == call->driver && c->command == call->command && c->has_sub == call->has_sub &&
		    c->sub == call->sub)
			return c;
	}
	return NULL;
}

static int take_class(struct parser *p, struct driver_call *call, const char *text)
{
	const char *near;

	for (call->class = 0; ioctl_class_names[call->class]; call->class ++)
		if (strcmp(ioctl_class_names[call->class], text) == 0)
			return 0;
	near = suggest__nearest(text, ioctl_class_names);
	return fail(p, "'%s' is no class%s%s%s: submit, wait, alloc, map, copy or control", text, near ? " (" : "",
		    near ? near : "", near ? "?)" : "");
}

static int add(struct parser *p, const struct driver_call *call)
{
	struct driver_table *t = p->t;

	if (t->n_calls == t->capacity) {
		const size_t capacity = t->capacity ? 2 * t->capacity : 1024;
		struct driver_call *calls = realloc(t->calls, capacity * sizeof(*calls));

		if (!calls)
			return -ENOMEM;
		t->calls = calls;
		t->capacity = capacity;
	}
	t->calls[t->n_calls++] = *call;
	return 0;
}

static int take_call(struct parser *p, char *fields[], int n)
{
	struct driver_call call = { .driver = p->driver, .table = p->t->n_tables, .line = p->line };
	const struct driver_call *other;
	int err;

	if (p->driver < 0)
		return fail(p, "a call before the first line that begins with 'driver'");
	if (n != N_FIELDS)
		return fail(p, "a call has %d columns (magic, number, sub-command, name, class, argument), not %d",
			    N_FIELDS, n);
	err = take_command(p, &call, fields[MAGIC], fields[NUMBER]);
	if (!err)
		err = take_sub(p, &call, fields[SUB]);
	if (!err && (!fields[NAME][0] || strlen(fields[NAME]) >= sizeof(call.name)))
		err = fail(p, "a call's name has 1 to %zu characters", sizeof(call.name) - 1);
	if (!err)
		err = take_class(p, &call, fields[CLASS]);
	if (!err)
		err = take_argument(p, &call.argument, fields[ARGUMENT]);
	if (err)
		return err;
	snprintf(call.name, sizeof(call.name), "%s", fields[NAME]);
	other = twin(p, &call);
	if (other)
		return fail(p, "%s is the same call as %s in line %d", call.name, other->name, other->line);
	if (p->t->n_calls == DRIVER_CALLS_MAX)
		return fail(p, "more than %d calls", DRIVER_CALLS_MAX);
	return add(p, &call);
}

static int take_line(struct parser *p, const char *text, size_t n)
{
	char line[MAX_LINE], *fields[N_FIELDS + 1], *rest = line;
	int count = 0;

	while (n > 0 && (text[n - 1] == '\r' || text[n - 1] == ' '))
		n--;
	if (n == 0 || text[0] == '#')
		return 0;
	if (n >= sizeof(line))
		return fail(p, "a line of more than %zu characters", sizeof(line) - 1);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 && text[i] != '\t')
			return fail(p, "a control character in column %zu", i + 1);
	memcpy(line, text, n);
	line[n] = '\0';
	while (count <= N_FIELDS && (fields[count] = strsep(&rest, "\t")))
		count++;
	return strcmp(fields[0], "driver") == 0 ? take_driver(p, fields, count) : take_call(p, fields, count);
}

int driver_table__parse(struct driver_table *t, const char *name, const char *text, size_t n, char *error, size_t size)
{
	struct parser p = {
		.t = t, .name = name, .driver = -1, .first_call = t->n_calls, .error = error, .error_size = size
	};
	int err = 0;

	error[0] = '\0';
	while (n > 0 && !err) {
		const char *end = memchr(text, '\n', n);
		const size_t length = end ? (size_t)(end - text) : n;

		p.line++;
		err = take_line(&p, text, length);
		text += end ? length + 1 : length;
		n -= end ? length + 1 : length;
	}
	if (err == -ENOMEM)
		snprintf(error, size, "%s: out of memory", name);
	t->n_tables++;
	return err;
}
