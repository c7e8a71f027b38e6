/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What steps are made of, by operator or by layer. The split is that of the steps that were probed, the totals are those of all
 * steps: apart for steps of prefill, of decode, of both, and so on, since these are made of different things.
 *
 * A part's figure is its share in the probed steps times the total of its kind, in integers that sum exactly to it. What the
 * probes took is taken out of the shares. The interval is of the ratio estimator, with the step as unit (Cochran, Sampling
 * Techniques, 3rd edition, section 6.4): how much probed steps differ, not how much their like may have differed at other
 * times.
 */
#ifndef TOKPROF_OPERATORS_H
#define TOKPROF_OPERATORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/analysis/timeline.h"

enum operator_split_by {
	SPLIT_BY_OPERATOR,
	SPLIT_BY_LAYER,
};

/* Steps all of whose rows are of one phase, by that phase; then: */
enum step_mix {
	MIX_SEVERAL = N_PHASES,		/* rows of several phases */
	MIX_UNKNOWN,			/* no row is known */
	N_MIXES,
};
const char *step_mix__name(int mix);	/* "prefill", ..., "mixed", "unknown" */

struct operator_mix {
	int64_t n_steps, n_probed;
	int64_t total;			/* of all of them */
};

/* In place of a layer, and of an operator's name. */
#define LAYER_ENGINE (-2)		/* in the steps, but not in their graphs */
#define PART_ENGINE "engine"
#define PART_NO_LAYER "no layer"

struct operator_part {
	const char *name;		/* operator, PART_ENGINE, PART_NO_LAYER; NULL: a layer */
	int layer;
	int64_t n_nodes;		/* in the probed steps; 0 of PART_ENGINE */
	int64_t value[N_MIXES];		/* of all steps; ABSENT: none of them was probed */
	int64_t total;			/* sum of these */
	int64_t low, high;		/* 95 %; ABSENT: too few steps were probed */
};

struct operator_split {
	const char *resource;		/* "cpu_ns"; "duration_ns" where CPU time was not measured */
	bool is_cpu;
	struct operator_mix mixes[N_MIXES];
	struct operator_part
		*parts; /* operators as they come in the recording, or layers ascending; then no layer, engine */
	size_t n_parts;
	int64_t n_steps, n_probed;
	int64_t total;			/* of all steps: the parts', and ... */
	int64_t not_split;		/* ... that of kinds of which no step was probed */
	/* Choosing tokens, between steps and in none of the above; ABSENT: not seen */
	int64_t sampling, sampling_low, sampling_high;
	int64_t n_sampled;		/* choices that were timed */
	char reason[200];		/* why nothing is split; "" */
};

/* @return 0, also where nothing can be split (reason); -ENOMEM; -EINVAL: figures that no meter has. Names are the recording's. */
int operator_split__build(struct operator_split *out, const struct timeline *t, enum operator_split_by by);
void operator_split__free(struct operator_split *s);

#endif
