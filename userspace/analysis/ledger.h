/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger: what every request, phase and account took of every resource, obeying
 *
 *	total by the kernel's account = sum over requests + sum over accounts	(exact, integers, per additive resource)
 *
 * A step's use is shared over its rows by a named rule, but for what its cost model cannot account for; the use between steps goes to `host` while requests are in
 * flight and to `idle` while none is; `unexplained` is signed: total less everything else.
 */
#ifndef TOKPROF_LEDGER_H
#define TOKPROF_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/analysis/rules.h"
#include "userspace/analysis/steps.h"
#include "userspace/analysis/timeline.h"
#include "userspace/cost/fit_set.h"

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

/* Exact split of `value` (may be negative) in proportion to weights. O(n log n). @return 0, -ENOMEM */
int share__split(int64_t value, const double *weights, size_t n, int64_t *out);

#define MAX_RESOURCES 64	/* sets of them are words */

struct kernel_work;	/* userspace/analysis/kernel_work.h */

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
	/* Of additive resources; ABSENT where not known. In a ledger that somebody made by hand they may be NULL. */
	int64_t *low, *high;		/* of cost, 95 %: what the sharing leaves open */
	int64_t *alone;			/* had nobody else's rows been in its steps */
	int64_t *rejected;		/* part of cost that is due to rejected drafts */
};

/* How one resource is shared in the steps of one role. */
struct pricing {
	const struct rule *rule;
	struct rule_scope scope;	/* what the rule is applied with */
	const struct fit *fit;		/* that its figures are of; NULL */
	int64_t n_steps;		/* that were shared by it */
	char why[200];			/* why it is not the rule that is asked for, or the default one; "" */
	/* Drift: the rule's median |residual| over steps of this recording, relative; negative: too few of them. */
	double median_residual;
	double form_error;		/* relative: how differently the steps of this recording are off, beyond sigma */
	/* An event without a model of its own: divided as the CPU time is, and never held against what the model expects. */
	bool as_cpu;
	bool drifted;			/* more than twice its fit's own: nothing is called a disturbance by it */
};
/* The duration of steps is priced like a resource, though it is none of the ledger's. */
#define PRICING_WALL MAX_RESOURCES

/* Why a step may have taken more than the model expects. */
enum disturbance {
	DISTURBED_PREEMPTED = 0,	/* its thread waited for a CPU */
	DISTURBED_FAULTS = 1,		/* more page faults than the steps about it */
	DISTURBED_NO_RETURN = 2,	/* an exception went through it */
	DISTURBED_WORKERS = 3,		/* other threads of the server waited for a CPU */
	DISTURBED_MAJOR_FAULTS = 4,	/* threads of the server waited for a disk in page faults */
	DISTURBED_FREQUENCY = 5,	/* its CPUs ran slower than in the other steps */
	DISTURBED_TOUCHED = 6,		/* the marks of touched pages were taken off its memory, or counted */
	N_DISTURBANCES = 7,
};
extern const char *const disturbance_names[N_DISTURBANCES];

/* Steps that took more than the model allows for. */
struct excess {
	int64_t n_steps, n_unexplained;	/* beyond 3 sigma in any resource; of them without evidence */
	int64_t n_by_resource[MAX_RESOURCES];	/* by position; a step may be beyond in several */
	int64_t n_by[N_DISTURBANCES];	/* with this evidence; a step may have several; ABSENT: nobody looked for it */
};

/* The decode step as this recording mostly has it. */
struct typical_batch {
	uint32_t n_rows;		/* 0: no decode step */
	uint32_t context;		/* mean over all rows */
};

struct traffic;

struct ledger {
	const struct timeline *timeline;
	const struct rule *rule;		/* that was asked for, or the default; `pricing` says which one was used */
	enum fixed_by fixed_by;
	struct pricing pricing[N_ROLES][MAX_RESOURCES + 1];	/* by position in resources; PRICING_WALL */
	struct fit_set fits;			/* of the recording */
	char no_fits[200];			/* why there are none, or none that hold; "" */
	struct model_facts facts[N_ROLES];	/* of the weights; 0: not known */
	struct excess excess;
	struct typical_batch batch;
	struct ledger_resource resources[MAX_RESOURCES];
	size_t n_resources; /* by id */
	struct ledger_request *requests;	/* one per recording.requests, same order */
	int64_t accounts[N_ACCOUNTS][MAX_RESOURCES];
	/* Per row of the timeline, for --by step|token|phase: cost of resource k of row i at row_cost[i * n_resources + k].
	 * NULL unless asked for. */
	int64_t *row_cost;
	float *row_wall;			/* per row of the timeline: its part of the duration of its step; or NULL */
	size_t memory_bytes;			/* of the arrays that the ledger owns */
	int64_t *figures;			/* what ledger.requests points into */
	struct kernel_work *kernel;		/* system calls and interrupts; NULL: none were recorded */
	struct row_resource *own_rows;		/* what ledger.resources points into */
	struct traffic *traffic;		/* sources of memory traffic (traffic.h) */
};

struct ledger_options {
	const struct rule *rule;	/* NULL: the default, falling back where it cannot be applied */
	enum fixed_by fixed_by;
	bool want_rows, want_wall;
	bool without_kernel_work;	/* system calls and interrupts by name are not needed */
	char *error;			/* where the reason of -ENOTSUP goes; NULL */
	size_t error_size;
};

/*
 * @return 0; -ENOMEM; -EINVAL (a total, sample or step_resource of a resource that the recording does not declare, or more
 *	than MAX_RESOURCES of them; or meters that no machine moves); -ENOTSUP (options.rule can share nothing of this recording). The timeline must outlive
 *	the ledger.
 */
int ledger__build(struct ledger *out, const struct timeline *t, const struct ledger_options *options);
void ledger__free(struct ledger *l);

/*
 * Has request i a cost in resource k that is known? Not where no generation was found for it and nothing proves that there
 * was none: what it took is then among what is nobody's.
 */
bool ledger__has_share(const struct ledger *l, size_t i, size_t k);

/* What a step used of resource k, by its meter or by what else tells of it; ABSENT: not known. */
int64_t ledger__step_use(const struct ledger *l, size_t step, size_t k);

/* Check of the law, for tests and for report's own assertion: the first additive resource that breaks it, or -1. */
int ledger__broken(const struct ledger *l);

#endif
