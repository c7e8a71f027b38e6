/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples, charged to buckets: a bucket is what the ledger has one figure for, a phase (of a request, or of all) or an
 * account.
 */
#ifndef TOKPROF_FLAME_CHARGES_H
#define TOKPROF_FLAME_CHARGES_H

#include "userspace/flame/graph.h"

struct bucket_weight {
	uint32_t bucket;
	uint32_t node;		/* of the stack tree; TREE_ROOT: a sample without a stack */
	double weight;
};

struct charges {
	const struct ledger *ledger;
	const struct flame_options *options;
	size_t k;			/* position of the resource; SIZE_MAX: waits */
	const bool *wanted;		/* per request; NULL: all */
	int64_t *uses;			/* of the resource, per step; NULL: waits */
	struct bucket_weight *weights;	/* by (bucket, node) when made */
	size_t n, capacity;
	struct map64 by_key;		/* bucket << 32 | node */
	size_t n_samples, n_without_stack, n_user, n_complete;	/* of what is asked for */
	double waits_ns;		/* PER_TOTAL of waits: their sum */
};

/* Buckets: phases (of each request where by_request), then accounts. */
uint32_t charges__bucket(const struct charges *c, size_t request, int phase);
uint32_t charges__account(const struct charges *c, enum account_id account);
size_t charges__n_buckets(const struct charges *c);
bool charges__wants(const struct charges *c, size_t bucket);	/* is it in what is asked for? */

/* @return 0, -ENOMEM, -EINVAL (a sample's stack is none) */
int charges__make(struct charges *c, const struct stack_tree *tree);
void charges__free(struct charges *c);

#endif
