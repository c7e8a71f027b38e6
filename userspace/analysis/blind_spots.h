/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the timeline: times in which the recording is known to be incomplete. */
#ifndef TOKPROF_ANALYSIS_BLIND_SPOTS_H
#define TOKPROF_ANALYSIS_BLIND_SPOTS_H

#include "userspace/analysis/timeline.h"

struct window {
	uint64_t start_ns, end_ns;
};

struct blind_spots {
	struct window *losses;		/* records of the engine or the wire were lost; by start, joined */
	size_t n_losses;
	struct window *unknown;		/* steps whose rows' sequences are not known; by start, joined */
	size_t n_unknown;
	bool engine_attached;		/* the engine's collector saw the whole recording */
};

/* @return 0, -ENOMEM */
int blind_spots__find(struct blind_spots *w, const struct timeline *t);
void blind_spots__free(struct blind_spots *w);

bool blind_spots__lost(const struct blind_spots *w, uint64_t start_ns, uint64_t end_ns);
bool blind_spots__unknown(const struct blind_spots *w, uint64_t start_ns, uint64_t end_ns);

#endif
