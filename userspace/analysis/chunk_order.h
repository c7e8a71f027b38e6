/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the matching: who is served first after a step. A server hands out a step's tokens one sequence after the other, so
 * that chunks tend to leave in the order of sequences. How strictly this one does is learnt from requests that are matched
 * by other evidence; where there are too few of those, or no order is seen, it says nothing.
 */
#ifndef TOKPROF_ANALYSIS_CHUNK_ORDER_H
#define TOKPROF_ANALYSIS_CHUNK_ORDER_H

#include "userspace/analysis/timeline.h"

struct chunk_order {
	const struct timeline *t;
	/* Per chunk of the recording: the step after which it left, and how many chunks had left before it. */
	uint32_t *step;		/* STEP_NONE: as many chunks as outputs did not leave after that step */
	uint16_t *rank;
	int64_t weight;		/* thousandths of a nat per squared difference of ranks; 0: says nothing */
};
#define STEP_NONE UINT32_MAX

/*
 * @sure_run: per request, the run it surely has, RUN_NONE.
 * @return 0, -ENOMEM
 */
int chunk_order__learn(struct chunk_order *o, const struct timeline *t, const uint32_t *sure_run);
void chunk_order__free(struct chunk_order *o);

/* Evidence against these chunks (indexes into recording.chunks) being the run's, in thousandths of a nat. */
int64_t chunk_order__cost(const struct chunk_order *o, size_t first_chunk, size_t n_chunks, uint32_t run);

#endif
