/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers are taken as they are written, so that a price keeps every digit. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/recording_strings.h"
#include "userspace/verify/bill_reader.h"
#include "userspace/verify/json_scan.h"
#include "userspace/wire/json.h"

#define PATH_SIZE 256
#define MAX_PATH_DEPTH 4		/* of names that are told to the user */

struct wanted {
	const char *name;		/* "prompt_tokens", or "usage.prompt_tokens"; NULL: not here */
	size_t n;
};

struct json_bill {
	struct bill_reader *r;
	struct wanted wanted[N_BILL_COLUMNS];
	bool found[N_BILL_COLUMNS];
	const char *first;		/* record; NULL: none yet */
};

static const char *begin_of(const struct json_value *v)
{
	return v->kind == JSON_STRING_SPAN ? v->at - 1 : v->at;
}

static const char *kind_name(enum json_kind kind)
{
	switch (kind) {
	case JSON_OBJECT_SPAN:
		return "an object";
	case JSON_ARRAY_SPAN:
		return "an array";
	case JSON_STRING_SPAN:
		return "a text";
	case JSON_NUMBER_SPAN:
		return "a number";
	case JSON_BOOL_SPAN:
		return "true or false";
	case JSON_NONE:
	case JSON_NULL_SPAN:
		break;
	}
	return "null";
}

/* --- records ------------------------------------------------------------------------------------------------------- */

static bool is_name(const struct json_value *key, bool has_escape, const struct wanted *w)
{
	if (!w->name)
		return false;
	if (has_escape)
		return json__equals(key, w->name);
	return key->n == w->n && memcmp(key->at, w->name, w->n) == 0;
}

static bool has_escape(const struct json_value *string)
{
	return memchr(string->at, '\\', string->n) != NULL;
}

/* What of "usage.prompt_tokens" is wanted within the member "usage". */
static struct wanted within(const struct wanted *w, const struct json_value *key)
{
	if (!w->name || w->n <= key->n + 1 || memcmp(w->name, key->at, key->n) != 0 || w->name[key->n] != '.')
		return (struct wanted){ 0 };
	return (struct wanted){ w->name + key->n + 1, w->n - key->n - 1 };
}

/* A text without its escapes, which lasts as long as the bill. */
static int decode(struct json_bill *j, const struct json_value *v, struct bill_cell *cell)
{
	struct json_text t = json__text(v);
	char *copy = malloc(v->n + 1);
	const char *piece;
	size_t n, used = 0;
	int err = 0;

	if (!copy)
		return -ENOMEM;
	while ((n = json_text__next(&t, &piece)) > 0) { /* no escape is shorter than what it stands for */
		memcpy(copy + used, piece, n);
		used += n;
	}
	if (memchr(copy, '\0', used)) {
		bill_source__fail(&j->r->source, begin_of(v), "a text with a NUL character in it");
		err = bill_source__remedy(&j->r->source, "have the bill exported without it");
	} else {
		cell->text = strings__keep(j->r->bill->texts, copy, used);
		cell->n = used;
		err = cell->text ? 0 : -ENOMEM;
	}
	free(copy);
	return err;
}

static int set_cell(struct json_bill *j, enum bill_column column, const struct json_value *v, struct bill_cell *cell)
{
	struct bill_source *s = &j->r->source;

	*cell = (struct bill_cell){ begin_of(v), v->at, v->n };
	switch (v->kind) {
	case JSON_NULL_SPAN:
		cell->n = 0;
		return 0;
	case JSON_NUMBER_SPAN:
		return 0;
	case JSON_STRING_SPAN:
		return has_escape(v) ? decode(j, v, cell) : 0;
	default:
		break;
	}
	bill_source__fail(s, begin_of(v), "%.60s is %s, not a number or a text", j->r->names[column],
			  kind_name(v->kind));
	if (v->kind != JSON_OBJECT_SPAN)
		return bill_source__remedy(s, "write a number, a text or null");
	return bill_source__remedy(s, "name in the map which of its members is meant (%s: %.60s.NAME)",
				   bill_column_names[column], j->r->names[column]);
}

static int take_members(struct json_bill *j, const struct json_value *object, const struct wanted *wanted,
			struct bill_cell *cells)
{
	struct json_walk walk = json__walk(object);
	struct json_value key, value;
	int err = 0;

	while (!err && json_walk__member(&walk, &key, &value)) {
		const bool escaped = has_escape(&key);
		struct wanted inner[N_BILL_COLUMNS];
		bool has_inner = false;

		for (int i = 0; i < N_BILL_COLUMNS && !err; i++) {
			inner[i] = value.kind == JSON_OBJECT_SPAN ? within(&wanted[i], &key) : (struct wanted){ 0 };
			has_inner |= inner[i].name != NULL;
			if (!is_name(&key, escaped, &wanted[i]))
				continue;
			if (cells[i].at) {
				bill_source__fail(&j->r->source, begin_of(&key), "%.60s is there twice in this object",
						  j->r->names[i]);
				return bill_source__remedy(&j->r->source, "leave one of them");
			}
			err = set_cell(j, (enum bill_column)i, &value, &cells[i]);
			j->found[i] = true;
		}
		if (!err && has_inner)
			err = take_members(j, &value, inner, cells);
	}
	return err;
}

/* The names of the first record, as the map would give them: those of inner objects with their path. */
static int add_names(struct json_bill *j, const struct json_value *object, const char *path, int depth)
{
	struct json_walk walk = json__walk(object);
	struct json_value key, value;
	char name[PATH_SIZE], inner[PATH_SIZE + 2];
	int err = 0;

	while (!err && json_walk__member(&walk, &key, &value)) {
		char *end = stpcpy(name, path); /* callers give no more than half of it */

		if (!json__copy(&key, end, sizeof(name) - (size_t)(end - name)))
			continue;
		err = bill_columns__add_present(j->r, name, strlen(name));
		if (err || value.kind != JSON_OBJECT_SPAN)
			continue;
		snprintf(inner, sizeof(inner), "%s.", name);
		if (depth < MAX_PATH_DEPTH && strlen(inner) < PATH_SIZE / 2)
			err = add_names(j, &value, inner, depth + 1);
	}
	return err;
}

static int add_record(struct json_bill *j, const struct json_value *v)
{
	struct bill_cell cells[N_BILL_COLUMNS] = { 0 };
	int err = 0;

	if (v->kind != JSON_OBJECT_SPAN) {
		bill_source__fail(&j->r->source, begin_of(v), "%s stands where a line of the bill should, an object",
				  kind_name(v->kind));
		return bill_source__remedy(&j->r->source,
					   "write each line as {\"request_id\": ..., \"prompt_tokens\": ...}");
	}
	if (!j->first) {
		j->first = v->at;
		err = add_names(j, v, "", 1);
	}
	if (!err)
		err = take_members(j, v, j->wanted, cells);
	return err ? err : bill_record__add(j->r, v->at, cells);
}

static int add_records(struct json_bill *j, const struct json_value *array)
{
	struct json_walk walk = json__walk(array);
	struct json_value v;
	int err = 0;

	while (!err && json_walk__element(&walk, &v))
		err = add_record(j, &v);
	return err;
}

/* --- the document -------------------------------------------------------------------------------------------------- */

/* Whether tokens or a price stand in an object. */
static bool has_figures(const struct wanted *wanted, const struct json_value *object)
{
	struct json_walk walk = json__walk(object);
	struct json_value key, value;

	while (json_walk__member(&walk, &key, &value)) {
		const bool escaped = has_escape(&key);
		struct wanted inner[N_BILL_COLUMNS] = { 0 };
		bool has_inner = false;

		for (int i = BILL_PROMPT_TOKENS; i <= BILL_PRICE; i++) {
			if (is_name(&key, escaped, &wanted[i]))
				return true;
			if (value.kind == JSON_OBJECT_SPAN)
				inner[i] = within(&wanted[i], &key);
			has_inner |= inner[i].name != NULL;
		}
		if (has_inner && has_figures(inner, &value))
			return true;
	}
	return false;
}

static bool has_objects(const struct json_value *v, struct json_value *first)
{
	struct json_walk walk = json__walk(v);

	return v->kind == JSON_ARRAY_SPAN && json_walk__element(&walk, first) && first->kind == JSON_OBJECT_SPAN;
}

/* A currency beside the lines is that of them all. */
static int take_currency(struct json_bill *j, const struct json_value *object)
{
	const struct wanted wanted[N_BILL_COLUMNS] = { [BILL_CURRENCY] = j->wanted[BILL_CURRENCY] };
	struct bill_cell cells[N_BILL_COLUMNS] = { 0 }, *cell = &cells[BILL_CURRENCY];
	struct bill_money_fault fault;
	int err = take_members(j, object, wanted, cells);

	if (err || !cell->n)
		return err;
	if (bill_currency__parse(j->r->currency, cell->text, cell->n, j->r->currency, &fault)) {
		bill_source__fail(&j->r->source, cell->at, "%.60s %s %s", j->r->names[BILL_CURRENCY],
				  bill_quote(cell->text, cell->n).text, fault.why);
		return bill_source__remedy(&j->r->source, "%s", fault.remedy);
	}
	return 0;
}

static int refuse_ambiguous(struct json_bill *j, const struct json_value *array, const char *what)
{
	bill_source__fail(&j->r->source, array->at, "this array could be the bill, and so could %s", what);
	return bill_source__remedy(&j->r->source, "leave in the file the array alone that is the bill");
}

/* One object alone: a record, or what holds the array of them. Of several arrays those count that have columns of the map. */
static int read_object(struct json_bill *j, const struct json_value *object)
{
	struct json_value key, value, first, lines = { 0 };
	struct json_walk walk = json__walk(object);
	bool is_record = has_figures(j->wanted, object), is_known = false;
	size_t n_arrays = 0;
	int err;

	while (json_walk__member(&walk, &key, &value)) {
		bool has_known;

		if (!has_objects(&value, &first))
			continue;
		has_known = has_figures(j->wanted, &first);
		if (is_known && !has_known)
			continue;
		n_arrays = is_known == has_known ? n_arrays + 1 : 1;
		is_known = has_known;
		lines = value;
	}
	if (!n_arrays || (is_record && !is_known))
		return add_record(j, object);
	if (is_record)
		return refuse_ambiguous(j, &lines, "the object around it, which has figures too");
	if (n_arrays > 1)
		return refuse_ambiguous(j, &lines, "another one before it");
	err = take_currency(j, object);
	return err ? err : add_records(j, &lines);
}

static int refuse_fault(struct bill_source *s, const struct json_fault *fault)
{
	bill_source__fail(s, fault->at, "%s", fault->why);
	return bill_source__remedy(s, "%s", fault->remedy);
}

/* Objects one after another. @p: of the first, @stop: behind it */
static int read_sequence(struct json_bill *j, const char *p, const char *stop)
{
	struct bill_source *s = &j->r->source;
	struct json_fault fault;
	int err = 0;

	while (!err) {
		const struct json_value v = json__parse_first(p, (size_t)(stop - p));

		err = add_record(j, &v);
		p = json_scan__space(stop, s->end);
		if (err || p == s->end)
			break;
		stop = json_scan__value(p, s->end, &fault);
		if (!stop)
			return refuse_fault(s, &fault);
	}
	return err;
}

static int read_document(struct json_bill *j)
{
	struct bill_source *s = &j->r->source;
	const char *p = json_scan__space(s->begin, s->end), *stop, *rest;
	struct json_fault fault;
	struct json_value v;

	stop = json_scan__value(p, s->end, &fault);
	if (!stop)
		return refuse_fault(s, &fault);
	rest = json_scan__space(stop, s->end);
	v = (struct json_value){ *p == '[' ? JSON_ARRAY_SPAN : JSON_OBJECT_SPAN, p, (size_t)(stop - p) };
	if (*p == '[' && rest != s->end) {
		bill_source__fail(s, rest, "something stands behind the array that is the bill");
		return bill_source__remedy(s, "leave in the file the bill alone");
	}
	if (*p == '[')
		return add_records(j, &v);
	if (*p == '{' && rest == s->end)
		return read_object(j, &v);
	return read_sequence(j, p, stop);
}

int bill_json__read(struct bill_reader *r)
{
	struct json_bill j = { .r = r };
	int err;

	for (int i = 0; i < N_BILL_COLUMNS; i++)
		if (r->names[i])
			j.wanted[i] = (struct wanted){ r->names[i], strlen(r->names[i]) };
	err = read_document(&j);
	if (err || !j.first)
		return err;
	return bill_columns__check(r, j.first, j.found);
}
