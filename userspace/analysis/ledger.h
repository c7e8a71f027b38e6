/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger: what every request, phase and account took of every resource, obeying
 *
 *	total by the kernel's account = sum over requests + sum over accounts	(exact, integers, per additive resource)
 *
 * A step's use is shared over its rows by a named rule; the use between steps goes to `host` while requests are in
 * flight and to `idle` while none is; `unexplained` is signed: total less everything else.
 */
#ifndef TOKPROF_LEDGER_H
#define TOKPROF_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/analysis/fixed_by.h"
#include "userspace/analysis/timeline.h"

enum account_id {
	ACCOUNT_HOST = 0,
	ACCOUNT_IDLE = 1,
	ACCOUNT_RECOMPUTE = 2,
	ACCOUNT_DISTURBANCE = 3,
	ACCOUNT_UNEXPLAINED = 4,
	N_ACCOUNTS = 5,
};
struct account {
	const char *name, *doc;
};
extern const struct account accounts[N_ACCOUNTS];

/*
 * A rule that shares one step over its rows: writes one weight (>= 0, not all 0) per row; the ledger turns weights into
 * integers by largest remainder (ties to the lower index), so that they sum to the measured step exactly.
 */
struct rule {
	const char *name, *doc;
	void (*weigh)(const struct timeline_row *rows, size_t n_rows, enum fixed_by fixed_by, double *weights);
};
extern const struct rule *const rules[];	/* NULL-terminated; the first is the default */
const struct rule *rule__find(const char *name);

/* Exact split of `value` (may be negative) in proportion to weights. O(n log n). @return 0, -ENOMEM */
int share__split(int64_t value, const double *weights, size_t n, int64_t *out);

#define MAX_RESOURCES 32

struct ledger_resource {
	const struct row_resource *row;		/* id, name, unit, kind, grade, source, reason */
	bool measured;				/* grade above unavailable: figures are integers, else null everywhere */
	int64_t total;				/* additive ones; by the kernel's or device's own account */
	const char *total_source;
	int64_t check_total;			/* by a second account, ABSENT */
	const char *check_source;
};

/* Arrays of ledger.n_resources figures, indexed by position in ledger.resources; owned by the ledger. */
struct ledger_request {
	int64_t *by_phase[N_PHASES];
	int64_t *cost;			/* sum over phases (additive), or the request's own duration */
	int64_t *prompt_cost;		/* prefill (and embed, encode), for "per prompt token" */
	int64_t *completion_cost;	/* decode + verify + draft, for "per generated token" */
};

struct ledger {
	const struct timeline *timeline;
	const struct rule *rule;
	enum fixed_by fixed_by;
	struct ledger_resource resources[MAX_RESOURCES];
	size_t n_resources; /* by id */
	struct ledger_request *requests;	/* one per recording.requests, same order */
	int64_t accounts[N_ACCOUNTS][MAX_RESOURCES];
	/* Per row of the timeline, for --by step|token|phase: cost of resource k of row i at row_cost[i * n_resources + k].
	 * NULL unless asked for. */
	int64_t *row_cost;
	size_t memory_bytes;			/* of the arrays that the ledger owns */
	int64_t *figures;			/* what ledger.requests points into */
	struct row_resource *own_rows;		/* what ledger.resources points into */
};

struct ledger_options {
	const struct rule *rule;	/* NULL: default */
	enum fixed_by fixed_by;
	bool want_rows;
};

/*
 * @return 0; -ENOMEM; -EINVAL (a total, sample or step_resource of a resource that the recording does not declare, or more
 *	than MAX_RESOURCES of them). The timeline must outlive the ledger.
 */
int ledger__build(struct ledger *out, const struct timeline *t, const struct ledger_options *options);
void ledger__free(struct ledger *l);

/* Check of the law, for tests and for report's own assertion: the first additive resource that breaks it, or -1. */
int ledger__broken(const struct ledger *l);

#endif
