/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guards: ways in which figures of a benchmark or a bill can look better than what was computed. Each finding is a note with its
 * figures and the innocent explanations; none is an accusation, and none changes a verdict. Limits are such that ordinary
 * traffic raises none (tests/unit/test_guards.c says how often, docs/verify.md the rates).
 */
#ifndef TOKPROF_VERIFY_GUARDS_H
#define TOKPROF_VERIFY_GUARDS_H

#include "userspace/verify/books.h"

/* How a step went beside others of its composition: as many rows and tokens, context taken out by a common slope. */
struct pace {
	uint32_t step;		/* index into recording.steps */
	uint32_t group;
	double wall, cpu;	/* log of the ratio to the median of its group; cpu NAN where not measured */
};

struct paces {
	struct pace *paces;	/* in the order of steps: those that generate, of the target */
	size_t n;
};

/* @return 0, -ENOMEM */
int paces__open(struct paces *p, const struct verify_input *in);
void paces__close(struct paces *p);

/* Each adds the notes it has to. @return 0, -ENOMEM */
int guard__cache(struct verification *v, const struct verify_input *in);
int guard__repeated(struct verification *v, const struct verify_input *in);
int guard__endings(struct verification *v, const struct verify_input *in);
int guard__no_step(struct verification *v, const struct verify_input *in);
int guard__windows(struct verification *v, const struct verify_input *in, const struct paces *p);
int guard__families(struct verification *v, const struct verify_input *in, const struct paces *p);

/* Requests that were answered with tokens, all of which are known. */
bool guard__counts(const struct verify_input *in, uint32_t request);
#define GUARD_EVIDENCE 100	/* requests listed at most */

#endif
