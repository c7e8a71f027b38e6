/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the ledger: what has to be known of all steps before one of them is judged. How far the models are off on the
 * whole (drift), how many page faults the neighbours of a step had, the usual clock frequency, and which steps overlapped.
 */
#ifndef TOKPROF_SURVEY_H
#define TOKPROF_SURVEY_H

#include "userspace/analysis/ledger.h"
#include "userspace/analysis/step_view.h"

struct survey {
	struct ledger *l;
	const struct row_range *ranges;
	struct step_view view;
	double *shares;
	size_t shares_capacity;
	float *ratios[N_ROLES][MAX_RESOURCES + 1];	/* T / T'; NULL where no model prices */
	size_t n[N_ROLES][MAX_RESOURCES + 1];
	uint32_t stride;		/* every so many-th step is looked at for the ratios */
	uint32_t *faults;		/* per step; NULL: not measured */
	bool *overlapping;		/* per step */
	bool *touched;			/* per step: in a window of --touched-bytes */
	uint64_t *shifted;		/* a bit per step: the first of its context after a shift */
	int faults_at;			/* position of the resource; -1 */
	int64_t usual_khz;		/* median over steps of their mean frequency; ABSENT: known of too few */
};

/* The pricing must stand. @return 0, -ENOMEM, -EINVAL */
int survey__run(struct survey *s, struct ledger *l, const struct row_range *ranges);
void survey__free(struct survey *s);

/*
 * Did the positions of its context move (MEMORY_SEQ_ADD) since the one before? The engine then turns all keys it keeps, in the
 * step and for none of its rows.
 */
bool survey__is_after_shift(const struct survey *s, uint32_t step);
/*
 * The model cannot say what the step should have taken: another one ran beside it, or into which parts its rows were cut is
 * not known.
 */
bool survey__is_unclear(const struct survey *s, uint32_t step);
/* Kinds of evidence that this recording could have had. */
uint32_t survey__looked_for(const struct survey *s);
/* Evidence that something disturbed a step: bits of enum disturbance. */
uint32_t survey__evidence(const struct survey *s, uint32_t step);

#endif
