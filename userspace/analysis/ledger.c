/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/records.h"
#include "userspace/analysis/array.h"
#include "userspace/analysis/attribution.h"
#include "userspace/analysis/device_calls.h"
#include "userspace/analysis/kernel_work.h"
#include "userspace/analysis/facts.h"
#include "userspace/analysis/meters.h"
#include "userspace/analysis/pricing.h"
#include "userspace/analysis/traffic.h"

#define ARRAYS_PER_REQUEST (N_PHASES + 7)

__extension__ typedef __int128 i128;

/* Resources of the first schema: a recording that does not know one of them still reports it as unavailable. */
static const struct row_resource known_resources[] = {
	{ .id = RESOURCE_CPU_NS, .name = "cpu_ns", .unit = "ns", .kind = RESOURCE_ADDITIVE },
	{ .id = RESOURCE_KERNEL_NS, .name = "kernel_ns", .unit = "ns", .kind = RESOURCE_ADDITIVE },
	{ .id = RESOURCE_FAULTS, .name = "faults", .unit = "count", .kind = RESOURCE_ADDITIVE },
	{ .id = RESOURCE_DEVICE_NS, .name = "device_ns", .unit = "ns", .kind = RESOURCE_ADDITIVE },
	{ .id = RESOURCE_MEM_BYTES, .name = "mem_bytes", .unit = "bytes", .kind = RESOURCE_ADDITIVE },
	{ .id = RESOURCE_ENERGY_UJ, .name = "energy_uj", .unit = "uJ", .kind = RESOURCE_ADDITIVE },
	{ .id = RESOURCE_CYCLES, .name = "cycles", .unit = "count", .kind = RESOURCE_ADDITIVE },
	{ .id = RESOURCE_INSTRUCTIONS, .name = "instructions", .unit = "count", .kind = RESOURCE_ADDITIVE },
	{ .id = RESOURCE_RUNQ_NS, .name = "runq_ns", .unit = "ns", .kind = RESOURCE_DURATION },
	{ .id = RESOURCE_BLOCKED_NS, .name = "blocked_ns", .unit = "ns", .kind = RESOURCE_DURATION },
	{ .id = RESOURCE_FUTEX_NS, .name = "futex_ns", .unit = "ns", .kind = RESOURCE_DURATION },
};
#define N_KNOWN (sizeof(known_resources) / sizeof(known_resources[0]))

/* ---------------------------------------------------------------------------------------------------------- resources --- */

static int compare_resources(const void *a, const void *b)
{
	const struct row_resource *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int list_resources(struct ledger *l)
{
	const struct recording *r = l->timeline->recording;
	size_t n = 0;

	l->own_rows = array__zeroed(r->n_resources + N_KNOWN, sizeof(*l->own_rows));
	if (!l->own_rows)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_resources; i++)
		l->own_rows[n++] = r->resources[i];
	for (size_t i = 0; i < N_KNOWN; i++) {
		bool declared = false;

		for (size_t k = 0; k < r->n_resources; k++)
			declared |= r->resources[k].id == known_resources[i].id;
		if (declared)
			continue;
		l->own_rows[n] = known_resources[i];
		l->own_rows[n].grade = GRADE_UNAVAILABLE;
		l->own_rows[n++].reason = "not collected";
	}
	if (n > MAX_RESOURCES)
		return -EINVAL;
	qsort(l->own_rows, n, sizeof(*l->own_rows), compare_resources);
	for (size_t k = 0; k < n; k++) {
		l->resources[k] = (struct ledger_resource){
			.row = &l->own_rows[k],
			.measured = l->own_rows[k].grade > GRADE_UNAVAILABLE,
			.total = ABSENT,
			.check_total = ABSENT,
		};
	}
	l->n_resources = n;
	return 0;
}

static int read_totals(struct ledger *l)
{
	const struct recording *r = l->timeline->recording;

	for (size_t i = 0; i < r->n_totals; i++) {
		const struct row_total *total = &r->totals[i];
		const int k = resources__find(l->resources, l->n_resources, total->resource);

		if (k < 0)
			return -EINVAL;
		if (!l->resources[k].measured || l->resources[k].row->kind != RESOURCE_ADDITIVE)
			continue;
		l->resources[k].total = total->value;
		l->resources[k].total_source = total->source;
		l->resources[k].check_total = total->check_value;
		l->resources[k].check_source = total->check_source;
	}
	return 0;
}

static int allocate(struct ledger *l, const struct ledger_options *options)
{
	const struct recording *r = l->timeline->recording;
	const size_t n_figures = r->n_requests * ARRAYS_PER_REQUEST * l->n_resources;
	const size_t n_row_costs = l->timeline->n_rows * l->n_resources;
	int64_t *next;

	l->requests = array__zeroed(r->n_requests, sizeof(*l->requests));
	l->figures = array__zeroed(n_figures, sizeof(*l->figures));
	if (!l->requests || !l->figures)
		return -ENOMEM;
	l->memory_bytes += r->n_requests * sizeof(*l->requests) + n_figures * sizeof(*l->figures);
	next = l->figures;
	for (size_t i = 0; i < r->n_requests; i++) {
		struct ledger_request *q = &l->requests[i];
		int64_t **arrays[] = { &q->cost, &q->prompt_cost, &q->completion_cost, &q->low,
				       &q->high, &q->alone,	  &q->rejected };

		for (size_t p = 0; p < N_PHASES; p++, next += l->n_resources)
			q->by_phase[p] = next;
		for (size_t k = 0; k < sizeof(arrays) / sizeof(arrays[0]); k++, next += l->n_resources)
			*arrays[k] = next;
	}
	if (options && options->want_wall) {
		l->row_wall = array__zeroed(l->timeline->n_rows, sizeof(*l->row_wall));
		if (!l->row_wall)
			return -ENOMEM;
		l->memory_bytes += l->timeline->n_rows * sizeof(*l->row_wall);
	}
	if (!options || !options->want_rows)
		return 0;
	l->row_cost = array__zeroed(n_row_costs, sizeof(*l->row_cost));
	if (!l->row_cost)
		return -ENOMEM;
	l->memory_bytes += n_row_costs * sizeof(*l->row_cost);
	return 0;
}

/* ------------------------------------------------------------------------------------------------------------ balance --- */

static bool is_additive(const struct ledger *l, size_t k)
{
	return l->resources[k].measured && l->resources[k].row->kind == RESOURCE_ADDITIVE;
}

static bool is_prompt_phase(size_t phase)
{
	return phase == PHASE_PREFILL || phase == PHASE_EMBED || phase == PHASE_ENCODE;
}

static void add_up_requests(struct ledger *l)
{
	for (size_t i = 0; i < l->timeline->recording->n_requests; i++) {
		struct ledger_request *q = &l->requests[i];

		for (size_t p = 0; p < N_PHASES; p++) {
			int64_t *part = is_prompt_phase(p) ? q->prompt_cost : q->completion_cost;

			for (size_t k = 0; k < l->n_resources; k++) {
				q->cost[k] += q->by_phase[p][k];
				part[k] += q->by_phase[p][k];
			}
		}
	}
}

/* Everything but `unexplained`. */
static int64_t sum_of_parts(const struct ledger *l, size_t k)
{
	int64_t sum = 0;

	for (size_t i = 0; i < l->timeline->recording->n_requests; i++)
		sum += l->requests[i].cost[k];
	for (size_t a = 0; a < N_ACCOUNTS; a++)
		sum += a == ACCOUNT_UNEXPLAINED ? 0 : l->accounts[a][k];
	return sum;
}

/*
 * Without an account of its own a resource's total is what its meter showed: the law then holds by construction, which is
 * less than a measurement, and the grade says so. Without any figure at all it was not measured.
 */
static void total_of_parts(struct ledger *l, size_t k, int64_t nobody, bool seen)
{
	if (!seen) {
		l->resources[k].measured = false;
		l->own_rows[k].grade = GRADE_UNAVAILABLE;
		l->own_rows[k].reason = "nothing was recorded";
		return;
	}
	l->resources[k].total = sum_of_parts(l, k) + nobody;
	l->resources[k].total_source = "sum of parts";
	if (l->own_rows[k].grade > GRADE_DERIVED) {
		l->own_rows[k].grade = GRADE_DERIVED;
		l->own_rows[k].reason = "no total by an independent account";
	}
}

static void balance(struct ledger *l, const struct attribution *a, const struct meters_walk *walk)
{
	for (size_t k = 0; k < l->n_resources; k++) {
		if (!is_additive(l, k))
			continue;
		l->accounts[ACCOUNT_HOST][k] += walk->host[k];
		l->accounts[ACCOUNT_IDLE][k] += walk->idle[k];
		if (l->resources[k].total == ABSENT)
			total_of_parts(l, k, a->nobody[k] + walk->nobody[k], walk->seen[k]);
		if (l->resources[k].measured)
			l->accounts[ACCOUNT_UNEXPLAINED][k] = l->resources[k].total - sum_of_parts(l, k);
	}
}

/* A step's use: what the meters moved in it, and what it called. */
struct use {
	struct attribution *a;
	struct device_calls *calls;
};

static int share_use(void *ctx, uint32_t step, const int64_t *metered)
{
	struct use *u = ctx;
	const struct ledger *l = u->a->l;
	int64_t use[MAX_RESOURCES];
	int err;

	memcpy(use, metered, l->n_resources * sizeof(*use));
	if (l->traffic->position >= 0 && l->traffic->steps[step] != ABSENT)
		use[l->traffic->position] = l->traffic->steps[step];
	err = device_calls__add_step(u->calls, l->timeline->recording->steps[step].id, use);
	return err ? err : attribution__share_step(u->a, step, use);
}

static int add_calls_outside(struct device_calls *calls, struct meters_walk *walk)
{
	for (size_t k = 0; k < walk->n_resources; k++)
		walk->seen[k] |= device_calls__has(calls, k);
	return device_calls__add_outside(calls, walk->timeline, walk->host, walk->idle);
}

static void add_traffic_outside(const struct traffic *t, struct meters_walk *walk)
{
	if (t->position < 0)
		return;
	walk->host[t->position] += t->host;
	walk->idle[t->position] += t->idle;
}

static int position_of_duration(const struct ledger *l, int id)
{
	const int k = resources__find(l->resources, l->n_resources, id);

	return k >= 0 && l->resources[k].measured && l->resources[k].row->kind == RESOURCE_DURATION ? k : -1;
}

int ledger__build(struct ledger *out, const struct timeline *t, const struct ledger_options *options)
{
	struct attribution a = { .l = NULL };
	struct device_calls calls = { .recording = NULL };
	struct use use = { &a, &calls };
	struct meters_walk walk = {
		.timeline = t,
		.resources = out->resources,
		.step = share_use,
		.ctx = &use,
	};
	int err;

	memset(out, 0, sizeof(*out));
	out->timeline = t;
	out->fixed_by = options ? options->fixed_by : FIXED_BY_ROW;
	err = list_resources(out);
	if (!err)
		err = read_totals(out);
	if (!err)
		err = allocate(out, options);
	if (!err)
		err = device_calls__open(&calls, t->recording, out->resources, out->n_resources);
	if (!err && !(options && options->without_kernel_work))
		err = kernel_work__open(&out->kernel, out);
	if (!err)
		err = traffic__open(&out->traffic, out);
	if (!err)
		err = pricing__choose(out, options);
	if (!err)
		err = attribution__open(&a, out);
	if (err)
		goto out;

	a.runq = position_of_duration(out, RESOURCE_RUNQ_NS);
	a.blocked = position_of_duration(out, RESOURCE_BLOCKED_NS);
	a.futex = position_of_duration(out, RESOURCE_FUTEX_NS);
	walk.n_resources = out->n_resources;
	err = meters__walk(&walk);
	if (!err)
		err = add_calls_outside(&calls, &walk);
	if (err)
		goto out;
	add_traffic_outside(out->traffic, &walk);
	add_up_requests(out);
	balance(out, &a, &walk);
	attribution__finish(&a);
	if (out->kernel)
		err = kernel_work__finish(&out->kernel, out);
out:
	attribution__close(&a);
	device_calls__close(&calls);
	if (err)
		ledger__free(out);
	return err;
}

void ledger__free(struct ledger *l)
{
	if (!l)
		return;
	free(l->requests);
	free(l->figures);
	free(l->own_rows);
	free(l->row_cost);
	free(l->row_wall);
	kernel_work__free(l->kernel);
	fit_set__free(&l->fits);
	traffic__free(l->traffic);
	memset(l, 0, sizeof(*l));
}

bool ledger__has_share(const struct ledger *l, size_t i, size_t k)
{
	const struct timeline_request *t = &l->timeline->requests[i];

	return is_additive(l, k) && (t->n_runs || t->completion_tokens != ABSENT);
}

int64_t ledger__step_use(const struct ledger *l, size_t step, size_t k)
{
	if (l->traffic && l->traffic->position == (int)k)
		return l->traffic->steps[step];
	return recording__step_use(l->timeline->recording, l->timeline->recording->steps[step].id,
				   l->resources[k].row->id);
}

int ledger__broken(const struct ledger *l)
{
	for (size_t k = 0; k < l->n_resources; k++) {
		i128 sum = 0;

		if (!is_additive(l, k))
			continue;
		for (size_t i = 0; i < l->timeline->recording->n_requests; i++) {
			i128 phases = 0;

			for (size_t p = 0; p < N_PHASES; p++)
				phases += l->requests[i].by_phase[p][k];
			if (phases != l->requests[i].cost[k])
				return (int)k;
			sum += l->requests[i].cost[k];
		}
		for (size_t a = 0; a < N_ACCOUNTS; a++)
			sum += l->accounts[a][k];
		if (sum != l->resources[k].total)
			return (int)k;
	}
	return -1;
}
