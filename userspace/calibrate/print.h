/* SPDX-License-Identifier: Apache-2.0 */
/* What a calibration has found, for people and for programs. */
#ifndef TOKPROF_CALIBRATE_PRINT_H
#define TOKPROF_CALIBRATE_PRINT_H

#include <stdio.h>

#include "userspace/calibrate/fits.h"
#include "userspace/calibrate/run.h"

struct calibrated {
	const struct calibration *calibration;
	const struct server *server;
	const struct recording *recording;
	const struct fits *fits;
	const char *stored;		/* file that the fits were put into; NULL: they were not */
	const char *kept;		/* the recording; NULL: it is not kept */
};

/* @return 0; -ENOMEM, -EIO */
int calibrated__print_text(const struct calibrated *c, FILE *f);
/* Schema tokprof.calibrate/1. */
int calibrated__print_json(const struct calibrated *c, FILE *f);

#endif
