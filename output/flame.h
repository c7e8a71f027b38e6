/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Formats of `tokprof flame`: one file each, and two lines in output/flame_registry.c.
 */
#ifndef TOKPROF_OUTPUT_FLAME_H
#define TOKPROF_OUTPUT_FLAME_H

#include <stdbool.h>
#include <stdio.h>

#include "userspace/flame/graph.h"

struct flame_view {
	const struct flame_graph *graph;	/* NULL for a trace */
	const struct ledger *ledger;
	const char *title;			/* of the recording: its file's name */
	const char *base_title;			/* of the one that it is compared with; NULL */
};

struct flame_output {
	const char *name;			/* "svg", "folded", ... */
	const char *suffix;			/* of files, ".svg": a file so named is of this format */
	const char *doc;
	bool by_request;			/* its graph has a level of requests */
	bool is_trace;				/* shows the recording as it went, not a graph */
	bool is_binary;				/* no terminal is to have it */
	bool shows_diff;
	/* @return 0; -EIO where the stream failed; -ENOMEM; -EINVAL: tables of a trace contradict each other */
	int (*write)(FILE *f, const struct flame_view *view);
};

extern const struct flame_output *const flame_outputs[]; /* NULL-terminated; the first is the default */

/* The format of a file of this name, by the longest suffix that fits. NULL: its name does not tell */
const struct flame_output *flame_output__of_file(const char *path);

/* "12.3 s", "4.56 us per token": a figure of the graph for people. */
struct flame_figure {
	char s[48];
};
struct flame_figure flame_figure(const struct flame_graph *g, int64_t value);
/* "all", or what a token's graph adds up. */
const char *flame_sum_name(const struct flame_graph *g);
/* "CPU time, per token: run.tokprof". */
void flame_title(const struct flame_view *view, char *text, size_t size);

#endif
