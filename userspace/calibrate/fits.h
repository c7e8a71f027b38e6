/* SPDX-License-Identifier: Apache-2.0 */
/* All fits that the steps of a recording allow: per role and resource, with where they hold. */
#ifndef TOKPROF_CALIBRATE_FITS_H
#define TOKPROF_CALIBRATE_FITS_H

#include "userspace/calibrate/quality.h"
#include "userspace/cost/fit_set.h"

struct fits {
	struct fit_key key;
	struct fit *fits;
	struct quality *quality;	/* of each */
	size_t n;
	char why[160];			/* nothing could be fitted at all; "" */
	int64_t n_steps;		/* that could be fitted, over all roles */
	int64_t n_left_out;		/* failed, without rows, overlapping */
};

struct fits_options {
	const char *origin;		/* FIT_ORIGIN_... */
	size_t most_steps;		/* of a role; where there are more, blocks of them are taken; 0: all */
	bool identified_only;		/* and its terms known well, as traffic that nobody designed may not have them */
	bool judge;			/* fill `quality` */
	uint32_t n_draws;		/* 0: as many as are kept */
};

/*
 * Texts are borrowed from the recording, which must outlive the fits.
 * @return 0, also with n = 0 where nothing can be fitted; -ENOMEM
 */
int fits__make(struct fits *out, const struct timeline *t, const struct fits_options *options);
void fits__free(struct fits *f);

#endif
