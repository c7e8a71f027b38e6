/* SPDX-License-Identifier: Apache-2.0 */
/* How well a model foretells steps that it was not fitted to, by what is in them. */
#ifndef TOKPROF_CALIBRATE_QUALITY_H
#define TOKPROF_CALIBRATE_QUALITY_H

#include "userspace/cost/samples.h"

#define QUALITY_CLASSES 20

struct quality_class {
	char name[24];			/* "decode 3", "prefill 17-128", "mixed 2-32", "verify" */
	size_t n;			/* held-out steps */
	double measured, predicted;	/* sums over them */
	double bias;			/* measured / predicted - 1 */
	double spread;			/* robust relative standard deviation of a step about the class's own mean */
};

struct quality {
	struct quality_class classes[QUALITY_CLASSES];	/* by name; only such as have steps */
	size_t n;
	size_t worst;			/* index of the largest |bias| among those with steps enough to tell; n: none has */
};

#define QUALITY_ENOUGH 8	/* steps of a class before its bias is judged */

/*
 * Fits to every second second of time and foretells the steps of the others.
 * @return 0, also with n = 0 where there are too few steps for it; -ENOMEM
 */
int quality__judge(struct quality *out, const struct cost_samples *samples);

/* The class of one step. */
void quality__class_of(const struct cost_sample *sample, char *out, size_t size);

#endif
