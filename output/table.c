/* SPDX-License-Identifier: Apache-2.0 */
#include "output/table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "output/utf8.h"

#define ELLIPSIS "\xe2\x80\xa6"
#define GAP 2
#define NARROW_GAP 1
#define MAX_CELL 4096

struct cell {
	char *text; /* NULL: empty */
	enum cell_style style;
};

struct table {
	FILE *f;
	const struct table_column *columns;
	int n_columns, width, indent;
	bool color, failed, frozen;
	struct cell *cells; /* n_rows * n_columns */
	size_t n_rows, max_rows;
	int n_cells; /* of the row being filled */
	int widths[TABLE_MAX_COLUMNS], gap;
};

static const char *const style_codes[N_STYLES] = {
	[STYLE_PLAIN] = "",	   [STYLE_BOLD] = "\033[1m",  [STYLE_DIM] = "\033[2m",
	[STYLE_GOOD] = "\033[32m", [STYLE_WARN] = "\033[33m", [STYLE_BAD] = "\033[31m",
};

const char *style__begin(enum cell_style style, bool color)
{
	return color ? style_codes[style] : "";
}

const char *style__end(enum cell_style style, bool color)
{
	return color && style != STYLE_PLAIN ? "\033[0m" : "";
}

struct table *table__new(FILE *f, const struct table_column *columns, int n_columns, int width, int indent, bool color)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->f = f;
	t->columns = columns;
	t->n_columns = n_columns < TABLE_MAX_COLUMNS ? n_columns : TABLE_MAX_COLUMNS;
	t->width = width;
	t->indent = indent;
	t->color = color;
	return t;
}

static int text_width(const char *text)
{
	return text ? utf8__width(text, strlen(text)) : 0;
}

static int min_width(const struct table_column *column)
{
	return column->min_width ? column->min_width : 8;
}

static bool may_shrink(const struct table_column *column)
{
	return column->kind >= COLUMN_SHRINK_END;
}

static void pad(FILE *f, int n)
{
	if (n > 0)
		fprintf(f, "%*s", n, "");
}

/* Print text in at most `width` columns. @return columns used */
static int put_cut(FILE *f, const char *text, enum column_kind kind, int width)
{
	size_t n = strlen(text), head, tail = 0;
	int used = text_width(text);

	if (used <= width || width < 1) {
		fputs(text, f);
		return used;
	}
	if (kind == COLUMN_SHRINK_MIDDLE) {
		int tail_width = (width - 1) / 2;

		/* Drop from the front until the rest fits: code points have widths of their own. */
		while (n - tail > 0 && utf8__width(text + tail, n - tail) > tail_width) {
			uint32_t code_point;

			tail += utf8__decode(text + tail, n - tail, &code_point);
		}
		head = utf8__fitting(text, n, width - 1 - utf8__width(text + tail, n - tail));
	} else {
		tail = n;
		head = utf8__fitting(text, n, width - 1);
	}
	fprintf(f, "%.*s%s%s", (int)head, text, ELLIPSIS, text + tail);
	return utf8__width(text, head) + 1 + text_width(text + tail);
}

void text__wrap(FILE *f, const char *text, int column, int indent, int width)
{
	bool begun = false;

	while (*text == ' ')
		text++;
	while (*text) {
		size_t n = strcspn(text, " ");
		int word = utf8__width(text, n);

		if (begun && column + 1 + word > width) {
			putc('\n', f);
			pad(f, indent);
			column = indent;
		} else if (begun) {
			putc(' ', f);
			column++;
		}
		fwrite(text, 1, n, f);
		column += word;
		begun = true;
		text += n;
		text += strspn(text, " ");
	}
}

static void print_row(struct table *t, const struct cell *cells)
{
	int start = t->indent; /* of the column */
	int at = 0; /* where the cursor stands */
	int n = t->n_columns;

	while (n > 0 && (!cells[n - 1].text || !*cells[n - 1].text))
		n--;
	for (int i = 0; i < n; start += t->widths[i] + t->gap, i++) {
		const struct table_column *column = &t->columns[i];
		const char *text = cells[i].text;
		int due = start;

		if (!text || !*text)
			continue;
		if (column->kind == COLUMN_NUMBER)
			due += t->widths[i] - text_width(text);
		/* A cell wider than its column pushes the others, but never touches them. */
		if (at > 0 && due <= at)
			due = at + 1;
		pad(t->f, due - at);
		at = due;
		fputs(style__begin(cells[i].style, t->color), t->f);
		if (column->kind == COLUMN_WRAP)
			text__wrap(t->f, text, at, at, t->width);
		else
			at += put_cut(t->f, text, column->kind, may_shrink(column) ? t->widths[i] : text_width(text));
		fputs(style__end(cells[i].style, t->color), t->f);
	}
	putc('\n', t->f);
}

static void set_widths(struct table *t)
{
	int total = t->indent + GAP * (t->n_columns - 1);
	bool any_cut = false;

	for (int i = 0; i < t->n_columns; i++) {
		t->widths[i] = text_width(t->columns[i].title);
		for (size_t row = 0; row < t->n_rows; row++) {
			int width = text_width(t->cells[row * (size_t)t->n_columns + (size_t)i].text);

			if (width > t->widths[i])
				t->widths[i] = width;
		}
		total += t->widths[i];
		any_cut = any_cut || t->columns[i].kind == COLUMN_SHRINK_END ||
			  t->columns[i].kind == COLUMN_SHRINK_MIDDLE;
	}
	/* Before a name is cut, the columns move together. */
	t->gap = GAP;
	if (any_cut && total > t->width) {
		t->gap = NARROW_GAP;
		total -= (GAP - NARROW_GAP) * (t->n_columns - 1);
	}
	/* The last ones give way first. */
	for (int i = t->n_columns - 1; i >= 0 && total > t->width; i--) {
		int least = min_width(&t->columns[i]);
		int spare = t->widths[i] - least;

		if (!may_shrink(&t->columns[i]) || spare <= 0)
			continue;
		if (spare > total - t->width)
			spare = total - t->width;
		t->widths[i] -= spare;
		total -= spare;
	}
}

static void print_titles(struct table *t)
{
	struct cell titles[TABLE_MAX_COLUMNS] = { 0 };
	bool any = false;

	for (int i = 0; i < t->n_columns; i++) {
		titles[i].text = (char *)t->columns[i].title;
		titles[i].style = STYLE_BOLD;
		any = any || *t->columns[i].title;
	}
	if (any)
		print_row(t, titles);
}

static void flush(struct table *t)
{
	if (!t->frozen) {
		set_widths(t);
		print_titles(t);
		t->frozen = true;
	}
	for (size_t row = 0; row < t->n_rows; row++) {
		struct cell *cells = &t->cells[row * (size_t)t->n_columns];

		print_row(t, cells);
		for (int i = 0; i < t->n_columns; i++)
			free(cells[i].text);
	}
	t->n_rows = 0;
}

static struct cell *row_being_filled(struct table *t)
{
	size_t n = t->max_rows ? t->max_rows * 2 : 16;
	struct cell *cells;

	if (t->n_rows < t->max_rows)
		return &t->cells[t->n_rows * (size_t)t->n_columns];
	cells = reallocarray(t->cells, n * (size_t)t->n_columns, sizeof(*cells));
	if (!cells)
		return NULL;
	t->cells = cells;
	t->max_rows = n;
	return &t->cells[t->n_rows * (size_t)t->n_columns];
}

static void add(struct table *t, enum cell_style style, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

static void add(struct table *t, enum cell_style style, const char *format, va_list args)
{
	char text[MAX_CELL], safe[MAX_CELL];
	struct cell *row;

	if (t->failed || t->n_cells >= t->n_columns)
		return;
	row = row_being_filled(t);
	if (!row) {
		t->failed = true;
		return;
	}
	vsnprintf(text, sizeof(text), format, args);
	utf8__defuse(safe, sizeof(safe), text, strlen(text));
	row[t->n_cells].style = style;
	row[t->n_cells].text = strdup(safe);
	if (row[t->n_cells].text)
		t->n_cells++;
	else
		t->failed = true;
}

void table__cell(struct table *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(t, STYLE_PLAIN, format, args);
	va_end(args);
}

void table__styled(struct table *t, enum cell_style style, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(t, style, format, args);
	va_end(args);
}

void table__end_row(struct table *t)
{
	struct cell *row = t->failed ? NULL : row_being_filled(t);

	if (!row) {
		t->failed = true;
		return;
	}
	for (int i = t->n_cells; i < t->n_columns; i++)
		row[i] = (struct cell){ 0 };
	t->n_cells = 0;
	t->n_rows++;
	if (t->frozen || t->n_rows >= TABLE_BUFFERED)
		flush(t);
}

int table__finish(struct table *t)
{
	int rc;

	if (!t)
		return -ENOMEM;
	if (t->n_cells > 0)
		table__end_row(t);
	if (!t->failed || t->n_rows > 0)
		flush(t);
	for (int i = 0; i < t->n_cells; i++) /* of a row that was never ended */
		free(t->cells[t->n_rows * (size_t)t->n_columns + (size_t)i].text);
	rc = t->failed ? -ENOMEM : ferror(t->f) ? -EIO : 0;
	free(t->cells);
	free(t);
	return rc;
}
