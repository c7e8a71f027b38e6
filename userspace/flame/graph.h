/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flame graph: a tree of named frames with integer figures, from a ledger and the stack samples of its recording.
 *
 * Figures are the ledger's, to the last unit: samples only say how the cost of a phase, of a request or of an account divides
 * over functions. Every sample belongs to the rows of its step, in proportion to what the ledger gave them, or to an
 * account; each of these is then split over its stacks by largest remainder. Where the ledger has a cost and there is no
 * sample, a frame "[no sample]" has it.
 *
 * Waits have no total in the ledger (they happen side by side): a graph of them has what the recorded ones stand for, and what else the
 * scheduler counted in a frame of its own.
 */
#ifndef TOKPROF_FLAME_GRAPH_H
#define TOKPROF_FLAME_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/analysis/ledger.h"
#include "userspace/flame/stack_tree.h"

enum flame_per {
	PER_TOTAL = 0,		/* everything: the requests' phases, and the accounts */
	PER_TOKEN = 1,		/* thousandths, per prompt token computed and per token generated */
	PER_REQUEST = 2,	/* one root per request */
	N_FLAME_PER = 3,
};
extern const char *const flame_per_names[N_FLAME_PER + 1]; /* ends with NULL */

struct flame_resource {
	const char *name;	/* as --resource has it */
	const char *title;	/* for people: "CPU time" */
	int resource;		/* enum resource_id; 0: waits */
	bool samples, kernel_only;	/* samples tell how it divides; those in the kernel */
};
extern const struct flame_resource flame_resources[]; /* ends with a NULL name */

struct flame_options {
	const struct flame_resource *resource;
	enum flame_per per;
	const char *request;	/* id or api_id; NULL: all */
	const char *model;	/* that the client asked for or the server named; NULL: all */
	int phase;		/* enum phase; -1: all */
	bool by_request;	/* a level of requests also in a total */
};

struct flame_node {
	uint32_t parent;	/* before it in the array; of the root UINT32_MAX */
	uint32_t name;		/* in names */
	uint32_t end;		/* position after the last of its descendants */
	uint32_t depth;		/* 0: the root */
	int64_t self, total;
	int64_t base_self, base_total;	/* in the graph that it is compared with; 0 in one that is not compared */
	int64_t group;		/* FLAME_REQUEST: position in recording.requests; FLAME_PHASE, FLAME_ACCOUNT: the enum */
};

#define MAX_FLAME_NOTES 12

struct flame_graph {
	struct flame_names names;
	struct flame_node *nodes;	/* depth first, the root before all; children by name, groups in their own order */
	size_t n_nodes;
	const struct flame_resource *resource;
	enum flame_per per;
	char unit[16];			/* of the resource: "ns", "bytes", "uJ" */
	int64_t scale;			/* figures are unit / scale: 1, or 1000 per token */
	const char *grade;		/* "measured", "derived" */
	int64_t prompt_tokens, completion_tokens;	/* that PER_TOKEN divided by: of these the later ones */
	size_t n_samples;		/* that were used */
	bool is_diff;
	char notes[MAX_FLAME_NOTES][256];	/* what is to be said with the picture */
	size_t n_notes;
};

/*
 * @l must have been built with want_rows and want_wall, from a recording loaded with its stacks.
 * @error	a sentence without the file: what, why, and behind "; remedy: ", where the recording has one, what can be done
 * @return 0; -ENOTSUP: this recording has no such figure or no samples; -ENOENT: nothing fits the filters; -EINVAL: tables
 *	contradict each other; -ENOMEM
 */
int flame_graph__build(struct flame_graph *out, const struct ledger *l, const struct flame_options *options,
		       char *error, size_t error_size);
void flame_graph__free(struct flame_graph *g);

/* Of its deepest node; the root is at 0. */
uint32_t flame_graph__depth(const struct flame_graph *g);

/* The figures of another graph of the same kind beside those of this one. @return 0, -ENOMEM, -EINVAL: not of the same kind */
int flame_graph__compare(struct flame_graph *g, const struct flame_graph *base);

/* "ns", or "thousandths of ns per token": what an integer of the graph is. */
const char *flame_graph__unit(const struct flame_graph *g, char *text, size_t size);

#endif
