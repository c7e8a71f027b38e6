/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV by RFC 4180, https://www.rfc-editor.org/rfc/rfc4180: strict about quotation marks, since a lost one shifts the fields and
 * with them the figures; lenient about line ends, blanks and the separator.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/recording_strings.h"
#include "userspace/verify/bill_reader.h"

#define NO_COLUMN (-1)

struct csv {
	struct bill_reader *r;
	const char *p, *end;
	char separator;
	bool stops[256];	/* bytes that end a field without quotation marks */
	int *columns;		/* enum bill_column of each field of the header line, or NO_COLUMN */
	size_t n_columns, n_columns_room;
};

struct field {
	struct bill_cell cell;	/* inside of the quotation marks */
	const char *stop;	/* behind it in the source: a separator, a line's end, the end */
	bool has_doubled;	/* quotation marks within, doubled still */
	bool is_last;		/* of its record */
};

static void set_separator(struct csv *c, char separator)
{
	memset(c->stops, 0, sizeof(c->stops));
	c->separator = separator;
	c->stops[(unsigned char)separator] = c->stops['"'] = true;
	c->stops[(unsigned char)c->r->source.line_end] = true;
}

/* Blanks within the line; '\r' is one where it does not end lines alone. */
static const char *skip_blanks(const struct csv *c, const char *p)
{
	while (p < c->end && (*p == ' ' || *p == '\t' || *p == '\r') && !c->stops[(unsigned char)*p])
		p++;
	return p;
}

/* --- fields -------------------------------------------------------------------------------------------------------- */

/* @p: behind the opening mark @return where the separator should be; NULL: said in words */
static const char *take_quoted(struct csv *c, struct field *f, const char *p)
{
	struct bill_source *s = &c->r->source;
	const char *start = p;

	for (;; p += 2) {
		p = memchr(p, '"', (size_t)(c->end - p));
		if (!p) {
			bill_source__fail(s, f->cell.at, "the quotation mark that opens here is never closed");
			bill_source__remedy(s, "close it; a quotation mark within such a field is written twice");
			return NULL;
		}
		if (p + 1 == c->end || p[1] != '"')
			break;
		f->has_doubled = true;
	}
	f->cell.text = start;
	f->cell.n = (size_t)(p - start);
	p = skip_blanks(c, p + 1);
	if (p < c->end && (*p == '"' || !c->stops[(unsigned char)*p])) {
		bill_source__fail(s, p, "text stands behind the quotation mark that closes the field");
		bill_source__remedy(s, "a quotation mark within such a field is written twice");
		return NULL;
	}
	return p;
}

static const char *take_plain(struct csv *c, struct field *f, const char *p)
{
	struct bill_source *s = &c->r->source;

	f->cell.text = p;
	while (p < c->end && !c->stops[(unsigned char)*p])
		p++;
	f->cell.n = (size_t)(p - f->cell.text);
	if (p < c->end && *p == '"') {
		bill_source__fail(s, p, "a quotation mark within a field that does not begin with one");
		bill_source__remedy(s, "put the whole field into quotation marks and write those within twice");
		return NULL;
	}
	return p;
}

static int take_field(struct csv *c, struct field *f)
{
	const char *p = skip_blanks(c, c->p);

	*f = (struct field){ .cell.at = p };
	p = p < c->end && *p == '"' ? take_quoted(c, f, p + 1) : take_plain(c, f, p);
	if (!p)
		return -EINVAL;
	f->stop = p;
	f->is_last = p == c->end || *p != c->separator;
	f->cell = bill_cell__trimmed(&f->cell);
	c->p = p < c->end ? p + 1 : p;
	return 0;
}

/* Makes one quotation mark of two, in a text that lasts as long as the bill. */
static int undouble(struct csv *c, struct field *f)
{
	char *copy;
	size_t n = 0;

	if (!f->has_doubled || !f->cell.n)
		return 0;
	copy = malloc(f->cell.n);
	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < f->cell.n; i++) {
		copy[n++] = f->cell.text[i];
		i += f->cell.text[i] == '"';
	}
	f->cell.text = strings__keep(c->r->bill->texts, copy, n);
	f->cell.n = n;
	free(copy);
	return f->cell.text ? 0 : -ENOMEM;
}

/* To the first line that has something in it. @return false: there is none */
static bool skip_empty_lines(struct csv *c)
{
	const char *p = c->p;

	while ((p = skip_blanks(c, p)) < c->end && *p == c->r->source.line_end)
		c->p = ++p;
	return p < c->end;
}

/* --- the header line ----------------------------------------------------------------------------------------------- */

static int find_column(const struct bill_reader *r, const struct bill_cell *name)
{
	for (int i = 0; i < N_BILL_COLUMNS; i++)
		if (r->names[i] && strlen(r->names[i]) == name->n && memcmp(r->names[i], name->text, name->n) == 0)
			return i;
	return NO_COLUMN;
}

/* How well a separator divides the header line: known names first, then fields at all. */
static int64_t score(struct csv *c, char separator)
{
	const char *begin = c->p;
	int64_t n_known = 0, n_fields = 0;
	struct field f = { 0 };
	int err = 0;

	set_separator(c, separator);
	while (!err && !f.is_last) {
		err = take_field(c, &f);
		n_fields++;
		n_known += !err && find_column(c->r, &f.cell) != NO_COLUMN;
	}
	c->p = begin;
	return err ? -1 : (n_known << 32) + n_fields;
}

static void find_separator(struct csv *c)
{
	static const char candidates[] = { ',', ';', '\t' };
	char best = candidates[0];
	int64_t best_score = -1;

	for (size_t i = 0; i < sizeof(candidates); i++) {
		int64_t s = score(c, candidates[i]);

		if (s > best_score) {
			best_score = s;
			best = candidates[i];
		}
	}
	set_separator(c, best);
}

static int add_column(struct csv *c, const struct field *f, bool found[N_BILL_COLUMNS])
{
	int *columns = array__reserve(c->columns, &c->n_columns_room, c->n_columns + 1, sizeof(*columns));
	int column = find_column(c->r, &f->cell);

	if (!columns)
		return -ENOMEM;
	c->columns = columns;
	columns[c->n_columns++] = column;
	if (column != NO_COLUMN) {
		if (found[column]) {
			bill_source__fail(&c->r->source, f->cell.at, "the column %s is there twice",
					  bill_quote(f->cell.text, f->cell.n).text);
			return bill_source__remedy(&c->r->source, "rename the one that is not meant as %s",
						   bill_column_names[column]);
		}
		found[column] = true;
	}
	return bill_columns__add_present(c->r, f->cell.text, f->cell.n);
}

static int read_header(struct csv *c)
{
	bool found[N_BILL_COLUMNS] = { false };
	const char *begin = skip_blanks(c, c->p);
	struct field f = { 0 };
	int err;

	while (!f.is_last) {
		err = take_field(c, &f);
		if (!err)
			err = undouble(c, &f);
		if (!err)
			err = add_column(c, &f, found);
		if (err)
			return err;
	}
	return bill_columns__check(c->r, begin, found);
}

/* --- the records --------------------------------------------------------------------------------------------------- */

static int refuse_width(struct csv *c, const char *at, const char *what)
{
	const char *separator = c->separator == '\t' ? "a tab" : c->separator == ';' ? "';'" : "','";

	bill_source__fail(&c->r->source, at, "the record has %s fields than the header line, which has %zu", what,
			  c->n_columns);
	return bill_source__remedy(&c->r->source,
				   "look for a separator or a quotation mark that is missing or one too many; "
				   "a field with %s in it belongs into quotation marks",
				   separator);
}

/* A record of empty fields alone says nothing; spreadsheets leave such at the end. */
static int read_record(struct csv *c)
{
	struct bill_cell cells[N_BILL_COLUMNS] = { 0 };
	const char *begin = skip_blanks(c, c->p);
	struct field f = { 0 };
	bool is_empty = true;

	for (size_t i = 0; i < c->n_columns; i++) {
		int err;

		if (f.is_last)
			return refuse_width(c, f.stop, "fewer");
		err = take_field(c, &f);
		if (!err && c->columns[i] != NO_COLUMN)
			err = undouble(c, &f);
		if (err)
			return err;
		is_empty &= f.cell.n == 0;
		if (c->columns[i] != NO_COLUMN)
			cells[c->columns[i]] = f.cell;
	}
	if (!f.is_last)
		return refuse_width(c, c->p, "more");
	return is_empty ? 0 : bill_record__add(c->r, begin, cells);
}

int bill_csv__read(struct bill_reader *r)
{
	struct csv c = { .r = r, .p = r->source.begin, .end = r->source.end };
	int err;

	set_separator(&c, ',');
	skip_empty_lines(&c);
	find_separator(&c);
	err = read_header(&c);
	while (!err && skip_empty_lines(&c))
		err = read_record(&c);
	free(c.columns);
	return err;
}
