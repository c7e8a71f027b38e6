/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables for a terminal: columns aligned by what a terminal shows, not by bytes; numbers to the right; a text column
 * that may shrink gives way with an ellipsis where a line would be wider than the terminal.
 *
 * Widths come from the first rows (TABLE_BUFFERED of them); what follows is printed as it comes, so that a million rows
 * need no memory. Text is defused (utf8__defuse), whatever it holds.
 */
#ifndef TOKPROF_TABLE_H
#define TOKPROF_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#define TABLE_MAX_COLUMNS 24
#define TABLE_BUFFERED 1000

enum column_kind {
	COLUMN_NUMBER = 0, /* to the right, never cut */
	COLUMN_TEXT = 1, /* to the left, never cut */
	COLUMN_SHRINK_END = 2, /* to the left, cut at its end */
	COLUMN_SHRINK_MIDDLE = 3, /* to the left, cut in its middle: both ends of an id tell it apart */
	COLUMN_WRAP = 4, /* the last column: goes on in further lines under itself */
};

enum cell_style {
	STYLE_PLAIN = 0,
	STYLE_BOLD,
	STYLE_DIM,
	STYLE_GOOD,
	STYLE_WARN,
	STYLE_BAD,
	N_STYLES,
};
const char *style__begin(enum cell_style style, bool color); /* "" without colour */
const char *style__end(enum cell_style style, bool color);

struct table_column {
	const char *title;
	enum column_kind kind;
	int min_width; /* of a shrinking or wrapping one; 0: 8 */
};

struct table;

/* @width: of a line, at most. @indent: blanks before it. NULL where out of memory. */
struct table *table__new(FILE *f, const struct table_column *columns, int n_columns, int width, int indent, bool color);
/* Cells of a row, in order. More than there are columns are dropped, missing ones are empty. */
void table__cell(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table__styled(struct table *t, enum cell_style style, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void table__end_row(struct table *t);
/* Print what is left. Frees t. @return 0; -ENOMEM; -EIO where the stream failed */
int table__finish(struct table *t);

/* Text wrapped at spaces to `width`, every line but the first indented; the first is taken to begin at `column`. */
void text__wrap(FILE *f, const char *text, int column, int indent, int width);

#endif
