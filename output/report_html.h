/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sections of a report as a page; report_html.c puts them in order. Each is bounded, whatever the recording holds: drawings are binned,
 * tables cut, and where that happened the page says so.
 */
#ifndef TOKPROF_REPORT_HTML_H
#define TOKPROF_REPORT_HTML_H

#include <stdio.h>

#include "output/html.h"
#include "output/output.h"
#include "userspace/flame/graph.h"

#define REPORT_MOST_LISTED 1000	/* requests in the table */
#define REPORT_MOST_DRAWN 100	/* of them in the drawing */

struct report_page {
	FILE *f;
	const struct ledger *l;
	const struct recording *r;
	uint64_t start_ns, end_ns;	/* of the recording; the end is later than the start */
	int resource;			/* position of the one that costs are drawn of; -1: none was measured */
	/* Requests with tokens: by arrival, the longest of them where there are more than are listed. */
	uint32_t *listed;
	size_t n_listed, n_with_tokens;
	struct flame_graph *graph;	/* NULL: there is none */
	char no_graph[512];		/* why */
};

/* "<section id=ID><h2>TITLE</h2>"; the caller closes it. */
void report_html__section(FILE *f, const char *id, const char *title);
/* A cell of a table of figures: exact for sorting and programs, short for people. ABSENT: a dash, never 0. */
void report_html__cell(FILE *f, int64_t value, const char *unit);
/* A cell of somebody's text, of which a page shows at most some hundred columns. */
void report_html__text_cell(FILE *f, const char *text);
/* The head of a sortable table in a frame of its own that scrolls; its columns follow. */
void report_html__table(FILE *f, const char *caption);
/* @grade: enum grade, or -1 where the column has no figures of any */
void report_html__column(FILE *f, const char *title, const char *about, int grade, bool is_number);
void report_html__end_table(FILE *f);
/* "derived": how a figure of resource k is known once it is shared. */
const char *report_html__grade(int grade);
/* How long a request took, as far as that was seen. */
int64_t report_html__length(const struct report_page *p, size_t request);

/* Each @return 0, -ENOMEM */
int report_html__requests(const struct report_page *p);
int report_html__timeline(const struct report_page *p);
int report_html__batch(const struct report_page *p);
int report_html__context(const struct report_page *p);
int report_html__ledger(const struct report_page *p);
int report_html__flame(const struct report_page *p);
int report_html__evidence(const struct report_page *p);

#endif
