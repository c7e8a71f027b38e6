/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts as bytes: one file per format, one line each in output/verify_registry.c. */
#ifndef TOKPROF_OUTPUT_VERIFY_H
#define TOKPROF_OUTPUT_VERIFY_H

#include <stdio.h>

#include "userspace/verify/verify.h"

struct verify_output_options {
	int verbose;
	bool color;
	int columns;
	const char *path, *bill_path, *claims_path;	/* as the user named them; NULL */
};

struct verify_output {
	const char *name;
	bool counts_confirmed;	/* of CONFIRMED checks it takes the tallies alone, unless verbose */
	/* @return 0; -EIO where the stream failed */
	int (*write)(FILE *f, const struct verification *v, const struct verify_input *in,
		     const struct verify_output_options *options);
};

extern const struct verify_output *const verify_outputs[]; /* NULL-terminated; the first is the default */

#endif
