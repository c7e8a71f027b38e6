/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls into device drivers in the ledger: of each class a count, a time and failures, which are additive resources like others,
 * but for how they come: only what was called is recorded, step by step, and what was in no one step by samples.
 */
#ifndef TOKPROF_ANALYSIS_DEVICE_CALLS_H
#define TOKPROF_ANALYSIS_DEVICE_CALLS_H

#include "userspace/analysis/ledger.h"
#include "userspace/ioctl_class.h"

struct device_calls {
	const struct recording *recording;
	int *classes;				/* of recording.ioctls; -1: a neighbour's */
	int position[N_IOCTL_RESOURCES];	/* in the ledger's resources; -1: not measured */
	int64_t moved[N_IOCTL_RESOURCES];
};

/* @return 0, -ENOMEM, -EINVAL (a class that there is not) */
int device_calls__open(struct device_calls *c, const struct recording *r, const struct ledger_resource *resources,
		       size_t n);
void device_calls__close(struct device_calls *c);

/* Add what was called in a step to its use, by position. @return 0, -EINVAL (more than any machine calls) */
int device_calls__add_step(struct device_calls *c, int64_t step_id, int64_t *use);
/* Add what was in no one step: the host's while a request was in flight, else idle. @return 0, -ENOMEM, -EINVAL */
int device_calls__add_outside(struct device_calls *c, const struct timeline *t, int64_t *host, int64_t *idle);
/* Was anything recorded of the resource at this position? */
bool device_calls__has(const struct device_calls *c, size_t position);

/* What one step called, by resource (RESOURCE_IOCTL and after); ABSENT where the resource is none of these. */
int64_t recording__step_calls(const struct recording *r, int64_t step_id, int resource);

/* Where the calls of one kind were. */
struct call_places {
	int64_t in_steps, in_decode;		/* calls */
	int64_t in_decode_ns, decode_steps;	/* their time, and how many steps had any */
	/* Of a driver whose user space launches work by stores to mapped memory: in a decode step it should not be called. */
	bool anomaly;
};
/* One for each of recording.ioctls; to be freed. @return 0, -ENOMEM */
int device_calls__places(const struct timeline *t, struct call_places **out);

#endif
