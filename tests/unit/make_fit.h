/* SPDX-License-Identifier: Apache-2.0 */
/* Fits made by hand: a server whose costs are known to the nanosecond. */
#ifndef TOKPROF_MAKE_FIT_H
#define TOKPROF_MAKE_FIT_H

#include "make_recording.h"

#define MADE_DRAWS 32	/* as many as are kept */

struct made_fit {
	struct fit fit;
	double draws[MADE_DRAWS * COST_TERMS];
};

/*
 * G(q) = 4 ms and 0.1 ms per token with llama.cpp's dent at 4 rows; 10 us per row, 200 ns per token of context, 1 ns per
 * pair, 50 us per output; spread 2 %, replicates within 1 %.
 */
void make_fit(struct made_fit *out, const char *role, int resource);
/* All terms drawn at random over many orders of magnitude, some 0. */
void make_random_fit(struct made_fit *out, const char *role, int resource, uint64_t *random);

#endif
