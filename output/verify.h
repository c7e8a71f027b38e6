/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts as bytes: one file per format, one line each in output/verify_registry.c. */
#ifndef TOKPROF_OUTPUT_VERIFY_H
#define TOKPROF_OUTPUT_VERIFY_H

#include <limits.h>
#include <stdio.h>

#include "userspace/input_digest.h"
#include "userspace/verify/scorecard.h"
#include "userspace/verify/verify.h"

/* A file that a verdict is made of, so that another can tell that theirs is the same. */
struct verify_file {
	const char *role;	/* "recording", "bill", "claims" */
	const char *path;	/* as the user named it */
	char digest[INPUT_DIGEST_SIZE];	/* "": there is none, and `why` */
	const char *why;
};

/* As many as a table has room for. */
#define SCORECARD_MOST 11

/* Each recording with what a killed recorder left beside it, a bill, the claims. */
struct verify_files {
	struct verify_file list[2 * SCORECARD_MOST + 2];
	size_t n;
	char log_paths[SCORECARD_MOST][PATH_MAX];
};
/* Reads them all. @bill_path @claims_path: NULL: none */
void verify_files__list(struct verify_files *files, char *const *recordings, int n_recordings, const char *bill_path,
			const char *claims_path);

struct verify_output_options {
	int verbose;
	bool color;
	int columns;
	const char *path, *bill_path, *claims_path;	/* as the user named them; NULL */
	const struct verify_file *files;	/* where the output names_files */
	size_t n_files;
	const struct scorecard *scorecard;	/* that was asked for beside the verdicts; NULL */
	char *const *arguments;			/* of the command, from "verify" on */
	int n_arguments;
};

struct verify_output {
	const char *name;
	bool names_files;	/* digests of the files are wanted, which costs reading them once more */
	bool counts_confirmed;	/* of CONFIRMED checks it takes the tallies alone, unless verbose */
	/* @return 0; -EIO where the stream failed */
	int (*write)(FILE *f, const struct verification *v, const struct verify_input *in,
		     const struct verify_output_options *options);
	/* Scorecards of several recordings side by side, without verdicts. @return as write; -ENOMEM */
	int (*compare)(FILE *f, const struct scorecard *cards, size_t n, const struct verify_output_options *options);
};

/* What to do about a check that is not CONFIRMED, in words. */
const char *check__remedy(const struct check *c);

extern const struct verify_output *const verify_outputs[]; /* NULL-terminated; the first is the default */

#endif
