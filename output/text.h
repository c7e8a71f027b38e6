/* SPDX-License-Identifier: Apache-2.0 */
/* The sections of the text report; text.c puts them in order. */
#ifndef TOKPROF_TEXT_H
#define TOKPROF_TEXT_H

#include <stdio.h>

#include "output/output.h"
#include "output/table.h"

struct text {
	FILE *f;
	const struct ledger *l;
	const struct recording *r;
	const struct output_options *options;
};

/* A heading with an empty line before it. */
void text__heading(const struct text *t, const char *title);
/* "Label      value", the value wrapped under itself. */
void text__fact(const struct text *t, const char *label, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A paragraph wrapped to the width. */
void text__paragraph(const struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct table *text__table(const struct text *t, const struct table_column *columns, int n_columns);

/* "Shared by ..." of the header */
void text__shared_by(const struct text *t);

int text__header(const struct text *t);
void text__models(const struct text *t); /* the largest first, the others in the recording's order */
int text__requests(const struct text *t); /* latency, requests with tokens, refusals, the rest */
int text__ledger(const struct text *t);
int text__phases(const struct text *t);
int text__counters(const struct text *t); /* nothing where no event was counted */
int text__attribution(const struct text *t); /* rules, what was left out, what would have been */
int text__request_shares(const struct text *t);
int text__request_waits(const struct text *t);
int text__ioctls(const struct text *t); /* calls into device drivers; nothing where none were measured */
int text__kernel(const struct text *t); /* system calls and interrupts; nothing where none were recorded */
int text__memory(const struct text *t); /* nothing where no source of memory traffic has a figure, but for -v */
int text__touched(const struct text *t); /* nothing where no window was recorded */
int text__evidence(const struct text *t);
int text__losses(const struct text *t);
int text__definitions(const struct text *t);
int text__steps(const struct text *t);
int text__tokens(const struct text *t);
int text__groups(const struct text *t);
int text__operators(const struct text *t);	/* or layers */

#endif
