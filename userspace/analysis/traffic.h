/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the ledger: how many bytes went between memory and the processor's caches, by every source that a recording has, and
 * which of them is the ledger's figure.
 *
 * Sources, best first: counters of the memory controllers (the whole host's, less what passes while the server idles), resctrl (the
 * server's own), the shape of the model (what its steps must touch), misses of the last cache times the size of a line. The last stands
 * behind the model, although it is counted: streamed weights are prefetched, and prefetches are no misses (docs/memory.md).
 * Those that are not the best stay in the report as evidence.
 */
#ifndef TOKPROF_ANALYSIS_TRAFFIC_H
#define TOKPROF_ANALYSIS_TRAFFIC_H

#include "userspace/analysis/ledger.h"
#include "userspace/analysis/runs.h"

#define TRAFFIC_LINE_BYTES 64	/* of a cache, on every processor that tokprof runs on but for a few of Arm's */

/* What a part of a step touches, by the header of the weight file and by the cache in the server's memory. */
struct traffic_weights {
	char missing[200];	/* why nothing can be said; "" */
	double dense;		/* bytes of the weights that every part reads, whatever is in it */
	double output;		/* the matrix that makes outputs: where one is wanted */
	double experts;		/* all of them */
	double n_experts, n_used;	/* of a layer; 0 none */
	double lookup;		/* bytes that are looked up for a token */
	double kv;		/* keys and values of one token of context, bytes */
	int64_t window;		/* tokens that layers look back at most; ABSENT: all */
	double curve[COST_TERMS];	/* terms of cost.h: all of this but the output matrix */
};

/* Of a model with experts which ones a part takes is not recorded: expected of even routing, and what it can be at least and at most. */
struct traffic_bytes {
	double expected, least, most;
};
void traffic_weights__find(struct traffic_weights *w, const struct recording *r, bool draft);
struct traffic_bytes traffic_weights__part(const struct traffic_weights *w, const struct cost_row *rows, size_t n);

/* The rule that shares memory traffic where nobody asked for one: a row's own keys and values, and its Shapley part of the weights. */
extern const struct rule rule_touched;

/* A source that counts over time, cut by time over steps. Arrays of recording.n_steps, ABSENT where a step is not covered. */
struct traffic_series {
	int64_t *steps;
	int64_t bytes;		/* in all, less the idle rate */
	int64_t host, idle;	/* outside of steps */
	double idle_rate;	/* bytes per ns that were taken off; NAN: it was never idle, or needs none */
	int64_t n_uncovered;	/* steps that it does not reach over, or not wholly */
};
/* @return 0; -ENODATA: no samples; -ENOMEM */
int traffic_series__cut(struct traffic_series *out, const struct timeline *t, int source, bool less_idle);
void traffic_series__free(struct traffic_series *s);

struct traffic_evidence {
	const char *name;	/* "uncore", "resctrl", "model", "llc_misses" */
	int grade;		/* enum grade */
	char source[160], reason[320], remedy[200];
	int64_t bytes, low, high;	/* of the server, over the recording; ABSENT */
	double ratio;		/* to the source that is used; NAN */
	double idle_bytes_per_s;	/* taken off; NAN */
	int64_t check_known_bytes, check_bytes;	/* ABSENT */
	bool used;
};
#define MAX_TRAFFIC_SOURCES 8

struct traffic {
	struct traffic_weights weights[N_ROLES];
	struct traffic_evidence evidence[MAX_TRAFFIC_SOURCES];
	size_t n_evidence;
	int position;		/* of mem_bytes in ledger.resources where one of these is its figure; -1 */
	int64_t *steps;		/* what each step took, by it; ABSENT */
	int64_t host, idle;
};

/* Fills the resource mem_bytes where the recording does not declare it by itself. @return 0, -ENOMEM */
int traffic__open(struct traffic **out, struct ledger *l);
void traffic__free(struct traffic *t);

#endif
