/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outputs: one file per format, each a function from the ledger to bytes; one line each in output/registry.c.
 */
#ifndef TOKPROF_OUTPUT_H
#define TOKPROF_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "userspace/analysis/ledger.h"

enum report_by {
	BY_REQUEST = 0,
	BY_TOKEN,
	BY_STEP,
	BY_PHASE,
	BY_MODEL,
	BY_CLIENT,
	BY_OPERATOR,
	BY_LAYER,
	N_REPORT_BY,
};

struct output_options {
	enum report_by by;
	int verbose;
	bool color;
	int columns; /* width of the terminal; 80 off a terminal */
};

struct output {
	const char *name; /* "text", "json", "csv", "html" */
	const char *extension;
	/* One page of everything: it takes no `by`; the ledger has row costs and row walls, the recording its stacks. */
	bool is_page;
	/* @return 0; -EIO where the stream failed; -ENOMEM; -EINVAL: the ledger has no row costs and `by` needs them */
	int (*write)(FILE *f, const struct ledger *l, const struct output_options *options);
};

extern const struct output *const outputs[]; /* NULL-terminated; the first is the default */
const struct output *output__find(const char *name);

#endif
