/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/flame/charges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/meters.h"
#include "userspace/flame/place.h"

/* What a sample weighs at its place; those of one place and node are joined before they are divided. */
struct charge {
	uint32_t place;
	uint32_t node;
	double weight;
	uint32_t sample;	/* before they are joined */
};

struct charge_list {
	struct charge *all;
	size_t n, capacity;
	uint32_t node, sample;	/* of the wait that is being cut */
	bool while_open;	/* it stands for the time only in which a request was open */
	uint64_t sum_ns;	/* of its pieces */
};

static bool by_request(const struct charges *c)
{
	return c->options->by_request || c->options->per == PER_REQUEST;
}

uint32_t charges__bucket(const struct charges *c, size_t request, int phase)
{
	return (uint32_t)((by_request(c) ? request * N_PHASES : 0) + (size_t)phase);
}

uint32_t charges__account(const struct charges *c, enum account_id account)
{
	return (uint32_t)(charges__n_buckets(c) - N_ACCOUNTS + account);
}

size_t charges__n_buckets(const struct charges *c)
{
	const size_t n = by_request(c) ? c->ledger->timeline->recording->n_requests : 1;

	return n * N_PHASES + N_ACCOUNTS;
}

/* ---------------------------------------------------------------------------------------------------- samples to places --- */

static int add_charge(struct charge_list *list, uint32_t place, double weight)
{
	struct charge *all = array__reserve(list->all, &list->capacity, list->n + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	list->all = all;
	all[list->n++] = (struct charge){ place, list->node, weight, list->sample };
	return 0;
}

static int add_piece(void *ctx, uint32_t place, uint64_t ns)
{
	struct charge_list *list = ctx;

	if (list->while_open && place == PLACE_IDLE)
		return 0;
	list->sum_ns += ns;
	return add_charge(list, place, (double)ns);
}

/* What weighs less than it is long does so because no request was open for the rest of it. */
static int place_wait(const struct places *places, const struct row_stack_sample *s, struct charge_list *list)
{
	const uint64_t length = wait__length(s), weight = (uint64_t)s->weight_ns;
	const size_t first = list->n;
	int err;

	list->while_open = weight < length;
	list->sum_ns = 0;
	err = places__of_interval(places, s->time_ns - length, s->time_ns, add_piece, list);
	if (!err && !list->sum_ns && weight) {
		const uint32_t place = places__of_moment(places, s->time_ns, s->step);

		return add_charge(list, place, (double)weight);
	}
	for (size_t i = first; i < list->n; i++)
		list->all[i].weight *= (double)weight / (double)list->sum_ns;
	return err;
}

static int place_sample(struct charges *c, const struct places *places, const struct stack_tree *tree,
			const struct row_stack_sample *s, struct charge_list *list)
{
	const struct recording *r = c->ledger->timeline->recording;
	const bool wait = c->k == SIZE_MAX;
	uint32_t node = TREE_ROOT;

	if ((s->kind == STACK_SAMPLE_WAIT) != wait)
		return 0;
	if (s->stack != ABSENT) {
		const size_t stack = stack_tree__find(r, s->stack);

		if (stack == SIZE_MAX)
			return -EINVAL;
		if (c->options->resource->kernel_only && tree->leaf_kind[stack] != FRAME_KERNEL)
			return 0;
		node = tree->node_of_stack[stack];
	} else if (c->options->resource->kernel_only) {
		return 0;
	}
	list->node = node;
	list->sample = (uint32_t)(s - r->stack_samples);
	if (wait)
		return place_wait(places, s, list);
	return add_charge(list, places__of_moment(places, s->time_ns, s->step), (double)s->weight_ns);
}

static int compare_charges(const void *a, const void *b)
{
	const struct charge *x = a, *y = b;

	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return x->weight < y->weight ? -1 : x->weight > y->weight;
}

static void join(struct charge_list *list)
{
	size_t n = 0;

	if (list->n)
		qsort(list->all, list->n, sizeof(*list->all), compare_charges);
	for (size_t i = 0; i < list->n; i++) {
		if (n && list->all[n - 1].place == list->all[i].place && list->all[n - 1].node == list->all[i].node)
			list->all[n - 1].weight += list->all[i].weight;
		else
			list->all[n++] = list->all[i];
	}
	list->n = n;
}

/* --------------------------------------------------------------------------------------------------- places to buckets --- */

static int add_weight(struct charges *c, uint32_t bucket, uint32_t node, double weight)
{
	uint32_t *slot = map64__at(&c->by_key, (uint64_t)bucket << 32 | node);
	struct bucket_weight *weights;

	if (!slot)
		return -ENOMEM;
	if (*slot != MAP64_NONE) {
		c->weights[*slot].weight += weight;
		return 0;
	}
	weights = array__reserve(c->weights, &c->capacity, c->n + 1, sizeof(*weights));
	if (!weights)
		return -ENOMEM;
	c->weights = weights;
	*slot = (uint32_t)c->n;
	weights[c->n++] = (struct bucket_weight){ bucket, node, weight };
	return 0;
}

/* The buckets of one step and what each is of it: shares[i] of buckets[i]. */
struct step_shares {
	uint32_t *buckets;
	double *shares;
	size_t n, buckets_capacity, shares_capacity;
};

#define NO_BUCKET UINT32_MAX

static int add_share(struct step_shares *s, uint32_t bucket, double share)
{
	uint32_t *buckets;
	double *shares;

	for (size_t i = 0; i < s->n; i++) {
		if (s->buckets[i] == bucket) {
			s->shares[i] += share;
			return 0;
		}
	}
	buckets = array__reserve(s->buckets, &s->buckets_capacity, s->n + 1, sizeof(*buckets));
	if (!buckets)
		return -ENOMEM;
	s->buckets = buckets;
	shares = array__reserve(s->shares, &s->shares_capacity, s->n + 1, sizeof(*shares));
	if (!shares)
		return -ENOMEM;
	s->shares = shares;
	buckets[s->n] = bucket;
	shares[s->n++] = share;
	return 0;
}

bool charges__wants(const struct charges *c, size_t bucket)
{
	const struct flame_options *o = c->options;
	const size_t n_phases = charges__n_buckets(c) - N_ACCOUNTS;

	if (bucket >= n_phases)
		return o->per == PER_TOTAL && !o->request && !o->model && o->phase < 0;
	return o->phase < 0 || o->phase == (int)(bucket % N_PHASES);
}

static uint32_t bucket_of_row(const struct charges *c, const struct timeline_row *row)
{
	const struct timeline *t = c->ledger->timeline;
	const uint32_t owner = row->run == RUN_NONE ? REQUEST_NONE : t->runs[row->run].request;

	if (row->recompute)
		return charges__account(c, ACCOUNT_RECOMPUTE);
	if (owner == REQUEST_NONE)
		return charges__account(c, ACCOUNT_UNEXPLAINED);
	return c->wanted && !c->wanted[owner] ? NO_BUCKET : charges__bucket(c, owner, row->phase);
}

static double weight_of_row(const struct charges *c, size_t row)
{
	if (c->k == SIZE_MAX)
		return (double)c->ledger->row_wall[row];
	return (double)c->ledger->row_cost[row * c->ledger->n_resources + c->k];
}

static int share_step(const struct charges *c, uint32_t step, struct step_shares *s)
{
	const struct timeline *t = c->ledger->timeline;
	const struct row_step *row_step = &t->recording->steps[step];
	const uint32_t first = t->step_first_row[step], end = t->step_first_row[step + 1];
	double sum = 0, excess;
	int err = 0;

	s->n = 0;
	if (first == end)
		return add_share(s, charges__account(c, row_step->ret ? ACCOUNT_HOST : ACCOUNT_UNEXPLAINED), 1);
	for (uint32_t i = first; i < end; i++)
		sum += weight_of_row(c, i) > 0 ? weight_of_row(c, i) : 0;
	for (uint32_t i = first; i < end && !err; i++) {
		const double weight = sum > 0 ? weight_of_row(c, i) : t->rows[i].n_tokens;

		if (weight > 0)
			err = add_share(s, bucket_of_row(c, &t->rows[i]), weight);
	}
	/* What the step used beyond what its rows were given went where the ledger books an excess. */
	excess = c->uses ? (double)c->uses[step] - sum : 0;
	if (!err && sum > 0 && excess > 0)
		err = add_share(s,
				charges__account(c, c->ledger->accounts[ACCOUNT_DISTURBANCE][c->k] > 0 ?
							    ACCOUNT_DISTURBANCE :
							    ACCOUNT_UNEXPLAINED),
				excess);
	sum = 0;
	for (size_t i = 0; i < s->n; i++)
		sum += s->shares[i];
	for (size_t i = 0; i < s->n && sum > 0; i++)
		s->shares[i] /= sum;
	return err;
}

static bool is_wanted(const struct charges *c, const struct step_shares *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->buckets[i] != NO_BUCKET && s->shares[i] > 0 && charges__wants(c, s->buckets[i]))
			return true;
	return false;
}

static void count_sample(struct charges *c, const struct row_stack_sample *s)
{
	c->n_samples++;
	c->n_without_stack += s->stack == ABSENT;
	if (s->user_end != USER_END_KERNEL_THREAD && s->user_end != USER_END_NONE) {
		c->n_user++;
		c->n_complete += s->user_end == USER_END_COMPLETE;
	}
}

/* Those that something of what is asked for is divided by. */
static int count_samples(struct charges *c, const struct charge_list *list)
{
	const struct recording *r = c->ledger->timeline->recording;
	const bool between = charges__wants(c, charges__account(c, ACCOUNT_HOST));
	struct step_shares s = { .n = 0 };
	uint32_t step = UINT32_MAX, counted = UINT32_MAX;
	bool wanted = false;
	int err = 0;

	for (size_t i = 0; i < list->n && !err; i++) {
		const struct charge *charge = &list->all[i];

		if (charge->sample == counted)
			continue;
		if (charge->place < PLACE_IDLE && charge->place != step) {
			step = charge->place;
			err = share_step(c, step, &s);
			wanted = is_wanted(c, &s);
		}
		if (!err && (charge->place >= PLACE_IDLE ? between : wanted)) {
			counted = charge->sample;
			count_sample(c, &r->stack_samples[counted]);
		}
	}
	free(s.buckets);
	free(s.shares);
	return err;
}

static int divide(struct charges *c, const struct charge_list *list)
{
	struct step_shares s = { .n = 0 };
	uint32_t step = UINT32_MAX;
	int err = 0;

	for (size_t i = 0; i < list->n && !err; i++) {
		const struct charge *charge = &list->all[i];

		if (charge->place >= PLACE_IDLE) {
			err = add_weight(c,
					 charges__account(c, charge->place == PLACE_HOST ? ACCOUNT_HOST : ACCOUNT_IDLE),
					 charge->node, charge->weight);
			continue;
		}
		if (charge->place != step) {
			step = charge->place;
			err = share_step(c, step, &s);
		}
		for (size_t k = 0; k < s.n && !err; k++)
			if (s.buckets[k] != NO_BUCKET)
				err = add_weight(c, s.buckets[k], charge->node, charge->weight * s.shares[k]);
	}
	free(s.buckets);
	free(s.shares);
	return err;
}

static int compare_weights(const void *a, const void *b)
{
	const struct bucket_weight *x = a, *y = b;

	if (x->bucket != y->bucket)
		return x->bucket < y->bucket ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

int charges__make(struct charges *c, const struct stack_tree *tree)
{
	const struct recording *r = c->ledger->timeline->recording;
	struct charge_list list = { .n = 0 };
	struct places places;
	int err = places__open(&places, c->ledger->timeline);

	if (!err && c->k != SIZE_MAX)
		err = meters__of_steps(c->ledger->timeline, c->ledger->resources[c->k].row->id, &c->uses);

	for (size_t i = 0; i < r->n_stack_samples && !err && c->options->resource->samples; i++)
		err = place_sample(c, &places, tree, &r->stack_samples[i], &list);
	places__close(&places);
	if (!err)
		err = count_samples(c, &list);
	join(&list);
	for (size_t i = 0; i < list.n; i++)
		c->waits_ns += list.all[i].weight;
	if (!err)
		err = divide(c, &list);
	free(list.all);
	if (!err && c->n)
		qsort(c->weights, c->n, sizeof(*c->weights), compare_weights);
	return err;
}

void charges__free(struct charges *c)
{
	free(c->weights);
	free(c->uses);
	map64__free(&c->by_key);
	memset(c, 0, sizeof(*c));
}
