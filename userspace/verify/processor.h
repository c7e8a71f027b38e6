/* SPDX-License-Identifier: Apache-2.0 */
/* What the recording's processor can do at most: bounds that no program on it beats, by its own feature flags. */
#ifndef TOKPROF_VERIFY_PROCESSOR_H
#define TOKPROF_VERIFY_PROCESSOR_H

#include "userspace/recording.h"

struct processor {
	double operations_per_ns;	/* of one CPU, in its fastest number format; NAN: not known */
	double bytes_per_ns;		/* that one CPU can load, out of its nearest cache; NAN: not known */
};

struct processor processor__of(const struct recording *r);

#endif
