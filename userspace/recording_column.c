/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields to columns and back, and the SQL that follows from a table's columns.
 *
 * One place for both directions, so that the reader accepts exactly what the writer can write: a recording comes from
 * anywhere and is not to be trusted, and the limits here are what the analysis relies on when it indexes and adds.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/recording_schema.h"

/* Below this, differences and small sums of two times or figures stay in an int64_t: 146 years of nanoseconds. */
#define FIGURE_MAX (INT64_C(1) << 62)

enum width { WIDTH_NONE, WIDTH_TEXT, WIDTH_BOOL, WIDTH_INT, WIDTH_U32, WIDTH_64, WIDTH_REAL };

static const struct type_rule {
	enum width width;
	bool optional;
	bool summed;
	bool zero_is_null;	/* else ABSENT is */
	int64_t min, max;
} rules[N_COLUMN_TYPES] = {
	[COLUMN_SEQUENCE] = { WIDTH_NONE, true, false, false, 0, INT64_MAX },
	[COLUMN_TEXT] = { WIDTH_TEXT, false, false, false, 0, 0 },
	[COLUMN_TEXT_OPTIONAL] = { WIDTH_TEXT, true, false, false, 0, 0 },
	[COLUMN_BOOL] = { WIDTH_BOOL, false, false, false, 0, 1 },
	[COLUMN_INT] = { WIDTH_INT, false, false, false, INT32_MIN, INT32_MAX },
	[COLUMN_COUNT_INT] = { WIDTH_INT, false, false, false, 0, INT32_MAX },
	[COLUMN_INT_OR_UNKNOWN] = { WIDTH_INT, false, false, false, -1, INT32_MAX },
	[COLUMN_GRADE] = { WIDTH_INT, false, false, false, GRADE_UNAVAILABLE, GRADE_MEASURED },
	[COLUMN_RESOURCE_KIND] = { WIDTH_INT, false, false, false, RESOURCE_ADDITIVE, RESOURCE_DURATION },
	[COLUMN_STEP_KIND] = { WIDTH_INT, false, false, false, 0, 1 },
	[COLUMN_MEMORY_OP] = { WIDTH_INT, false, false, false, 0, 5 },
	[COLUMN_FRAME_KIND] = { WIDTH_INT, false, false, false, FRAME_USER, FRAME_PYTHON },
	[COLUMN_STACK_SAMPLE_KIND] = { WIDTH_INT, false, false, false, STACK_SAMPLE_CPU, STACK_SAMPLE_WAIT },
	[COLUMN_WAIT_REASON] = { WIDTH_64, true, false, false, 0, N_WAIT_REASONS - 1 },
	[COLUMN_USER_END] = { WIDTH_INT, false, false, false, 0, N_USER_ENDS - 1 },
	[COLUMN_U32] = { WIDTH_U32, false, false, false, 0, UINT32_MAX },
	[COLUMN_ID] = { WIDTH_64, false, false, false, 0, FIGURE_MAX },
	[COLUMN_ID_OPTIONAL] = { WIDTH_64, true, false, false, 0, FIGURE_MAX },
	[COLUMN_TOKENS] = { WIDTH_64, false, true, false, 0, INT32_MAX },
	[COLUMN_TOKENS_OPTIONAL] = { WIDTH_64, true, true, false, 0, INT32_MAX },
	[COLUMN_COUNT] = { WIDTH_64, false, true, false, 0, FIGURE_MAX },
	[COLUMN_COUNT_OPTIONAL] = { WIDTH_64, true, true, false, 0, FIGURE_MAX },
	[COLUMN_METER] = { WIDTH_64, false, false, false, 0, FIGURE_MAX },
	[COLUMN_DURATION] = { WIDTH_64, false, true, false, 0, FIGURE_MAX },
	[COLUMN_CLAIM] = { WIDTH_64, true, false, false, 0, INT64_MAX },
	[COLUMN_BITS] = { WIDTH_64, false, false, false, INT64_MIN, INT64_MAX },
	[COLUMN_BITS_OPTIONAL] = { WIDTH_64, true, false, true, INT64_MIN, INT64_MAX },
	[COLUMN_TIME] = { WIDTH_64, false, false, false, 0, FIGURE_MAX },
	[COLUMN_TIME_OPTIONAL] = { WIDTH_64, true, false, true, 0, FIGURE_MAX },
	[COLUMN_END] = { WIDTH_64, false, false, false, 0, FIGURE_MAX },
	[COLUMN_REAL] = { WIDTH_REAL, false, false, false, 0, FIGURE_MAX },
	[COLUMN_REAL_OPTIONAL] = { WIDTH_REAL, true, false, false, 0, FIGURE_MAX },
};

bool column__is_text(const struct column *c)
{
	return rules[c->type].width == WIDTH_TEXT;
}

bool column__is_real(const struct column *c)
{
	return rules[c->type].width == WIDTH_REAL;
}

bool column__is_optional(const struct column *c)
{
	return rules[c->type].optional;
}

bool column__is_summed(const struct column *c)
{
	return rules[c->type].summed;
}

static int64_t field__get(enum width width, const void *field)
{
	int64_t wide = 0;
	uint32_t u32;
	bool flag;
	int narrow;

	switch (width) {
	case WIDTH_BOOL:
		memcpy(&flag, field, sizeof(flag));
		return flag;
	case WIDTH_INT:
		memcpy(&narrow, field, sizeof(narrow));
		return narrow;
	case WIDTH_U32:
		memcpy(&u32, field, sizeof(u32));
		return u32;
	case WIDTH_64:
		memcpy(&wide, field, sizeof(wide));
		return wide;
	case WIDTH_NONE:
	case WIDTH_TEXT:
	case WIDTH_REAL:
		break;
	}
	return 0;
}

static void field__set(enum width width, void *field, int64_t value)
{
	uint32_t u32 = (uint32_t)value;
	bool flag = value != 0;
	int narrow = (int)value;

	switch (width) {
	case WIDTH_BOOL:
		memcpy(field, &flag, sizeof(flag));
		break;
	case WIDTH_INT:
		memcpy(field, &narrow, sizeof(narrow));
		break;
	case WIDTH_U32:
		memcpy(field, &u32, sizeof(u32));
		break;
	case WIDTH_64:
		memcpy(field, &value, sizeof(value));
		break;
	case WIDTH_NONE:
	case WIDTH_TEXT:
	case WIDTH_REAL:
		break;
	}
}

static bool is_too_early(const struct column *c, const void *row, int64_t time)
{
	return c->not_before && time < field__get(WIDTH_64, (const char *)row + c->not_before);
}

/* NaN is neither. */
static bool real__possible(const struct type_rule *rule, double value)
{
	return value >= (double)rule->min && value <= (double)rule->max;
}

static int column__get_real(const struct type_rule *rule, const void *field, int64_t *bits)
{
	double value;

	memcpy(&value, field, sizeof(value));
	if (rule->optional && isnan(value))
		return 1;
	if (!real__possible(rule, value))
		return -ERANGE;
	memcpy(bits, &value, sizeof(value));
	return 0;
}

int column__get(const struct column *c, const void *row, uint64_t origin_ns, int64_t *value)
{
	const struct type_rule *rule = &rules[c->type];
	int64_t v;

	if (rule->width == WIDTH_NONE)
		return 1;
	if (rule->width == WIDTH_REAL)
		return column__get_real(rule, (const char *)row + c->offset, value);
	v = field__get(rule->width, (const char *)row + c->offset);
	if (rule->optional && v == (rule->zero_is_null ? 0 : ABSENT))
		return 1;
	if (c->type == COLUMN_END) {
		const struct column *start = c - 1;
		int64_t begin = field__get(WIDTH_64, (const char *)row + start->offset);

		if (v < begin || v > rule->max)
			return -ERANGE;
		*value = v - begin;
		return 0;
	}
	if (v < rule->min || v > rule->max || is_too_early(c, row, v))
		return -ERANGE;
	if (c->type == COLUMN_TIME || c->type == COLUMN_TIME_OPTIONAL)
		v -= (int64_t)origin_ns;
	*value = v;
	return 0;
}

int column__set(const struct column *c, void *row, uint64_t origin_ns, int64_t value)
{
	const struct type_rule *rule = &rules[c->type];
	int64_t base = 0;

	if (c->type == COLUMN_TIME || c->type == COLUMN_TIME_OPTIONAL) {
		base = (int64_t)origin_ns;
	} else if (c->type == COLUMN_END) {
		if (value < 0)
			return -ERANGE;
		base = field__get(WIDTH_64, (const char *)row + (c - 1)->offset);
	}
	if (__builtin_add_overflow(value, base, &value) || value < rule->min || value > rule->max ||
	    is_too_early(c, row, value))
		return -ERANGE;
	field__set(rule->width, (char *)row + c->offset, value);
	return 0;
}

int column__set_real(const struct column *c, void *row, double value)
{
	if (!real__possible(&rules[c->type], value))
		return -ERANGE;
	memcpy((char *)row + c->offset, &value, sizeof(value));
	return 0;
}

int column__set_null(const struct column *c, void *row)
{
	const struct type_rule *rule = &rules[c->type];
	const double absent = NAN;

	if (!rule->optional)
		return -ERANGE;
	if (rule->width == WIDTH_TEXT)
		memset((char *)row + c->offset, 0, sizeof(const char *));
	else if (rule->width == WIDTH_REAL)
		memcpy((char *)row + c->offset, &absent, sizeof(absent));
	else
		field__set(rule->width, (char *)row + c->offset, rule->zero_is_null ? 0 : ABSENT);
	return 0;
}

/* SQLite makes this very spelling of a lone integer key its rowid, which then costs nothing beside the row. */
static bool key_is_rowid(const struct table *t)
{
	return t->n_key == 1 && !column__is_text(&t->columns[0]);
}

static void print_names(FILE *f, const struct table *t, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		fprintf(f, "%s%s", i ? ", " : "", t->columns[i].name);
}

char *table__create_sql(const struct table *t)
{
	char *sql = NULL;
	size_t size;
	FILE *f = open_memstream(&sql, &size);

	if (!f)
		return NULL;
	fprintf(f, "CREATE TABLE %s ( -- %s\n", t->name, t->doc);
	for (unsigned int i = 0; i < t->n_columns; i++) {
		const struct column *c = &t->columns[i];

		fprintf(f, "\t%s %s%s", c->name,
			column__is_text(c) ? "TEXT" :
			column__is_real(c) ? "REAL" :
					     "INTEGER",
			i == 0 && key_is_rowid(t) ? " PRIMARY KEY" :
			column__is_optional(c)	  ? "" :
						    " NOT NULL");
		fprintf(f, "%s -- %s%s%s\n", i + 1 < t->n_columns || !key_is_rowid(t) ? "," : "", c->unit,
			*c->unit ? ": " : "", c->doc);
	}
	if (!key_is_rowid(t)) {
		fputs("\tPRIMARY KEY (", f);
		print_names(f, t, t->n_key);
		fputs(")\n", f);
	}
	fputs(key_is_rowid(t) ? ")" : ") WITHOUT ROWID", f);
	if (fclose(f)) {
		free(sql);
		return NULL;
	}
	return sql;
}

char *table__insert_sql(const struct table *t)
{
	const char *last = t->columns[t->n_columns - 1].name;
	char *sql = NULL;
	size_t size;
	FILE *f = open_memstream(&sql, &size);

	if (!f)
		return NULL;
	fprintf(f, "INSERT %sINTO %s VALUES (", t->adds_up ? "" : "OR REPLACE ", t->name);
	for (unsigned int i = 0; i < t->n_columns; i++)
		fputs(i ? ", ?" : "?", f);
	fputs(")", f);
	if (t->adds_up) {
		fputs(" ON CONFLICT (", f);
		print_names(f, t, t->n_key);
		fprintf(f, ") DO UPDATE SET %s = %s + excluded.%s", last, last, last);
	}
	if (fclose(f)) {
		free(sql);
		return NULL;
	}
	return sql;
}

unsigned int table__n_columns(const struct table *t, unsigned int version)
{
	unsigned int n = t->n_columns;

	while (n > 0 && t->columns[n - 1].since > version)
		n--;
	return n;
}

char *table__select_sql(const struct table *t, unsigned int n)
{
	char *sql = NULL;
	size_t size;
	FILE *f = open_memstream(&sql, &size);

	if (!f)
		return NULL;
	fputs("SELECT ", f);
	print_names(f, t, n);
	for (; n < t->n_columns; n++)
		fputs(", NULL", f);
	fprintf(f, " FROM %s ORDER BY ", t->name);
	print_names(f, t, t->n_key);
	if (fclose(f)) {
		free(sql);
		return NULL;
	}
	return sql;
}
