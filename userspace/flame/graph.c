/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/flame/graph.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/facts.h"
#include "userspace/flame/charges.h"
#include "userspace/flame/graph_nodes.h"

const char *const flame_per_names[N_FLAME_PER + 1] = {
	[PER_TOTAL] = "total", [PER_TOKEN] = "token", [PER_REQUEST] = "request", NULL
};

const struct flame_resource flame_resources[] = {
	{ "cpu", "CPU time", RESOURCE_CPU_NS, true, false },
	{ "offcpu", "waits", 0, true, false },
	{ "kernel", "CPU time in the kernel", RESOURCE_KERNEL_NS, true, true },
	{ "device", "device time", RESOURCE_DEVICE_NS, false, false },
	{ "bytes", "bytes from and to memory", RESOURCE_MEM_BYTES, true, false },
	{ "cycles", "CPU cycles", RESOURCE_CYCLES, true, false },
	{ "energy", "energy", RESOURCE_ENERGY_UJ, true, false },
	{ NULL, NULL, 0, false, false },
};

#define PER_TOKEN_SCALE 1000

struct build {
	struct flame_graph *g;
	const struct ledger *l;
	const struct flame_options *o;
	struct stack_tree tree;
	struct charges charges;
	struct graph_nodes nodes;
	bool *wanted;			/* per request */
	int64_t *values;		/* per bucket */
	uint32_t *node_of, *stamp;	/* per node of the stack tree: its node in the graph, and of which bucket */
	double *weights;		/* of one bucket */
	int64_t *parts;
	char *error;
	size_t error_size;
};

__attribute__((format(printf, 3, 4))) static int fail(struct build *b, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(b->error, b->error_size, format, args);
	va_end(args);
	return err;
}

__attribute__((format(printf, 2, 3))) static void note(struct flame_graph *g, const char *format, ...)
{
	va_list args;

	if (g->n_notes == MAX_FLAME_NOTES)
		return;
	va_start(args, format);
	vsnprintf(g->notes[g->n_notes++], sizeof(g->notes[0]), format, args);
	va_end(args);
}

static bool is_waits(const struct build *b)
{
	return b->o->resource->resource == 0;
}

/* ------------------------------------------------------------------------------------------------------ what is asked for --- */

static int find_resource(struct build *b)
{
	const struct flame_resource *wanted = b->o->resource;
	const struct ledger_resource *resource;

	b->charges.k = SIZE_MAX;
	snprintf(b->g->unit, sizeof(b->g->unit), "ns");
	b->g->grade = is_waits(b) ? "derived" : "measured";	/* waits are taken by chance and weighed */
	if (is_waits(b))
		return 0;
	for (size_t k = 0; k < b->l->n_resources; k++)
		if (b->l->resources[k].row->id == wanted->resource)
			b->charges.k = k;
	if (b->charges.k == SIZE_MAX)
		return fail(b, -ENOTSUP, "%s is unavailable", wanted->title);
	resource = &b->l->resources[b->charges.k];
	if (!resource->measured)
		return fail(b, -ENOTSUP, "%s is unavailable: %.200s", wanted->title,
			    resource->row->reason ? resource->row->reason : "it was not collected");
	snprintf(b->g->unit, sizeof(b->g->unit), "%.15s", resource->row->unit);
	if (resource->row->grade < GRADE_MEASURED ||
	    (wanted->resource != RESOURCE_CPU_NS && wanted->resource != RESOURCE_KERNEL_NS))
		b->g->grade = "derived";
	return 0;
}

static bool has_samples(const struct build *b)
{
	const struct recording *r = b->l->timeline->recording;
	const int kind = is_waits(b) ? STACK_SAMPLE_WAIT : STACK_SAMPLE_CPU;

	for (size_t i = 0; i < r->n_stack_samples; i++)
		if (r->stack_samples[i].kind == kind)
			return true;
	return false;
}

static bool is_request(const struct row_request *q, const char *wanted)
{
	char id[24];

	snprintf(id, sizeof(id), "%" PRId64, q->id);
	return strcmp(id, wanted) == 0 || (q->api_id && strcmp(q->api_id, wanted) == 0);
}

static bool is_model(const struct row_request *q, const char *wanted)
{
	return (q->model && strcmp(q->model, wanted) == 0) ||
	       (q->response_model && strcmp(q->response_model, wanted) == 0);
}

static int choose_requests(struct build *b)
{
	const struct timeline *t = b->l->timeline;
	const struct recording *r = t->recording;
	size_t n = 0, n_untold = 0;

	for (size_t i = 0; i < r->n_requests; i++) {
		const struct timeline_request *q = &t->requests[i];
		const int64_t later = request__later_tokens(q);

		b->wanted[i] = (!b->o->request || is_request(&r->requests[i], b->o->request)) &&
			       (!b->o->model || is_model(&r->requests[i], b->o->model));
		n += b->wanted[i];
		if (!b->wanted[i] || b->o->per != PER_TOKEN)
			continue;
		if (q->prompt_tokens == ABSENT || q->completion_tokens == ABSENT) {
			n_untold += q->n_runs > 0;
			b->wanted[i] = false;
			continue;
		}
		b->g->prompt_tokens += q->prompt_tokens;
		b->g->completion_tokens += later > 0 ? later : 0;
	}
	if (!n && (b->o->request || b->o->model))
		return fail(b, -ENOENT, "no request of the recording is %s %s", b->o->request ? "request" : "of model",
			    b->o->request ? b->o->request : b->o->model);
	if (n_untold)
		note(b->g, "%zu requests are left out: how many tokens they had is not known", n_untold);
	return 0;
}

/* ------------------------------------------------------------------------------------------------------ figures of buckets --- */

static bool is_prompt_phase(int phase)
{
	return phase == PHASE_PREFILL || phase == PHASE_EMBED || phase == PHASE_ENCODE;
}

static bool wants_phase(const struct build *b, int phase)
{
	return b->o->phase < 0 || b->o->phase == phase;
}

static bool wants_accounts(const struct build *b)
{
	return charges__wants(&b->charges, charges__account(&b->charges, ACCOUNT_HOST));
}

static void read_ledger(struct build *b)
{
	const struct ledger *l = b->l;
	const size_t k = b->charges.k;

	for (size_t i = 0; i < l->timeline->recording->n_requests; i++)
		for (int p = 0; p < N_PHASES; p++)
			if (b->wanted[i] && wants_phase(b, p))
				b->values[charges__bucket(&b->charges, i, p)] += l->requests[i].by_phase[p][k];
	for (int a = 0; a < N_ACCOUNTS && wants_accounts(b); a++)
		b->values[charges__account(&b->charges, (enum account_id)a)] = l->accounts[a][k];
}

/* A picture has no place for less than nothing: what is negative is taken from all others alike. */
static int scale_to_total(struct build *b)
{
	const size_t n = charges__n_buckets(&b->charges);
	int64_t sum = 0, negative = 0;
	int err;

	for (size_t i = 0; i < n; i++) {
		sum += b->values[i];
		negative += b->values[i] < 0 ? b->values[i] : 0;
	}
	if (!negative)
		return 0;
	for (size_t i = 0; i < n; i++)
		b->weights[i] = b->values[i] > 0 ? (double)b->values[i] : 0;
	note(b->g, "the ledger's parts are %" PRId64 " %s (%.3f %%) more than its total: all are made smaller alike",
	     -negative, b->g->unit, sum > 0 ? 100.0 * (double)-negative / (double)sum : 100.0);
	err = share__split(sum > 0 ? sum : 0, b->weights, n, b->values);
	return err;
}

static int add_waits(struct build *b)
{
	const size_t n = charges__n_buckets(&b->charges);
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		b->weights[i] = 0;
	for (size_t i = 0; i < b->charges.n; i++) {
		const struct bucket_weight *w = &b->charges.weights[i];

		if (!charges__wants(&b->charges, w->bucket))
			continue;
		b->weights[w->bucket] += w->weight;
		sum += w->weight;
	}
	return sum > 0 ? share__split((int64_t)llround(sum), b->weights, n, b->values) : 0;
}

static int per_token(struct build *b)
{
	const size_t n = charges__n_buckets(&b->charges);

	b->g->scale = PER_TOKEN_SCALE;
	for (size_t i = 0; i < n; i++) {
		const bool prompt = is_prompt_phase((int)(i % N_PHASES));
		const int64_t tokens = prompt ? b->g->prompt_tokens : b->g->completion_tokens;

		if (!b->values[i])
			continue;
		if (!tokens) {
			note(b->g, "%s is left out: its requests had no %s token", phase__name(i % N_PHASES),
			     prompt ? "computed prompt" : "generated");
			b->values[i] = 0;
			continue;
		}
		b->values[i] = (int64_t)llroundl((long double)b->values[i] * PER_TOKEN_SCALE / (long double)tokens);
	}
	return 0;
}

/* ---------------------------------------------------------------------------------------------------------------- the tree --- */

static uint32_t group_of(struct build *b, size_t bucket)
{
	const struct recording *r = b->l->timeline->recording;
	const size_t n_phases = charges__n_buckets(&b->charges) - N_ACCOUNTS;
	const enum phase phase = (enum phase)(bucket % N_PHASES);
	uint32_t at = 0;
	char text[256];

	if (bucket >= n_phases)
		return graph_nodes__named(&b->nodes, 0, accounts[bucket - n_phases].name, FLAME_ACCOUNT,
					  (int64_t)(bucket - n_phases));
	if (n_phases > N_PHASES || b->o->per == PER_REQUEST || b->o->by_request) {
		const size_t i = bucket / N_PHASES;
		const struct row_request *q = &r->requests[i];

		snprintf(text, sizeof(text), "request %" PRId64 "%s%.200s", q->id, q->api_id ? " " : "",
			 q->api_id ? q->api_id : "");
		at = graph_nodes__named(&b->nodes, 0, text, FLAME_REQUEST, (int64_t)i);
	}
	if (b->o->per == PER_TOKEN)
		snprintf(text, sizeof(text), "%s (thousandths of %s per %s)", phase__name(phase), b->g->unit,
			 is_prompt_phase((int)phase) ? "computed prompt token" : "generated token");
	else
		snprintf(text, sizeof(text), "%s", phase__name(phase));
	return at == UINT32_MAX ? at : graph_nodes__named(&b->nodes, at, text, FLAME_PHASE, (int64_t)phase);
}

/* The node of the graph that stands for a node of the stack tree below a group. */
static uint32_t node_below(struct build *b, uint32_t group, uint32_t stamp, uint32_t tree_node)
{
	uint32_t path[64], at = tree_node;
	size_t n = 0;

	if (tree_node == TREE_ROOT)
		return graph_nodes__named(&b->nodes, group, "[no stack]", FLAME_NO_STACK, 0);
	/* Down from the nearest ancestor that is there already; what is longer than the path is made from its top in turns. */
	for (;;) {
		for (at = tree_node, n = 0; at != TREE_ROOT && b->stamp[at] != stamp; at = b->tree.nodes[at].parent)
			path[n++ % 64] = at;
		if (n == 0)
			return b->node_of[tree_node];
		for (size_t left = n < 64 ? n : 64; left > 0; left--) {
			const uint32_t child = path[--n % 64], parent = b->tree.nodes[child].parent;

			b->node_of[child] =
				graph_nodes__child(&b->nodes, parent == TREE_ROOT ? group : b->node_of[parent],
						   b->tree.nodes[child].name, 0);
			if (b->node_of[child] == UINT32_MAX)
				return UINT32_MAX;
			b->stamp[child] = stamp;
		}
	}
}

static int add_bucket(struct build *b, size_t bucket, size_t first, size_t end)
{
	const size_t n = end - first;
	uint32_t group = group_of(b, bucket), node;
	int err;

	if (group == UINT32_MAX)
		return -ENOMEM;
	if (n == 0) {
		node = graph_nodes__named(&b->nodes, group, "[no sample]", FLAME_NO_STACK, 0);
		if (node == UINT32_MAX)
			return -ENOMEM;
		b->g->nodes[node].self += b->values[bucket];
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		b->weights[i] = b->charges.weights[first + i].weight;
	err = share__split(b->values[bucket], b->weights, n, b->parts);
	for (size_t i = 0; i < n && !err; i++) {
		if (!b->parts[i])
			continue;
		node = node_below(b, group, (uint32_t)bucket + 1, b->charges.weights[first + i].node);
		if (node == UINT32_MAX)
			return -ENOMEM;
		b->g->nodes[node].self += b->parts[i];
	}
	return err;
}

static int add_buckets(struct build *b)
{
	const size_t n_buckets = charges__n_buckets(&b->charges);
	size_t first = 0;
	int err = 0;

	if (graph_nodes__named(&b->nodes, 0, "all", FLAME_ALL, 0) != 0)
		return -ENOMEM;
	b->g->nodes[0].parent = UINT32_MAX;
	for (size_t i = 0; i < n_buckets && !err; i++) {
		size_t end = first;

		while (end < b->charges.n && b->charges.weights[end].bucket == i)
			end++;
		if (b->values[i])
			err = add_bucket(b, i, first, end);
		first = end;
	}
	return err;
}

/* What the scheduler counted of all threads; ABSENT: not of all. */
static int64_t waits_of_threads(const struct recording *r)
{
	int64_t sum = 0;

	for (size_t i = 0; i < r->n_threads; i++) {
		const struct row_thread *t = &r->threads[i];
		const int64_t parts[] = { t->runq_ns, t->blocked_futex_ns, t->blocked_io_ns, t->blocked_sleep_ns,
					  t->blocked_other_ns };

		for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++) {
			if (parts[k] == ABSENT || __builtin_add_overflow(sum, parts[k], &sum))
				return ABSENT;
		}
	}
	return sum;
}

static int add_other_waits(struct build *b)
{
	const int64_t all = waits_of_threads(b->l->timeline->recording);
	const int64_t left = all == ABSENT ? 0 : all - (int64_t)llround(b->charges.waits_ns);
	uint32_t node;

	if (!wants_accounts(b) || left <= 0)
		return 0;
	node = graph_nodes__named(&b->nodes, 0, "[not sampled]", FLAME_NO_STACK, 0);
	if (node == UINT32_MAX)
		return -ENOMEM;
	b->g->nodes[node].self += left;
	return 0;
}

/* ------------------------------------------------------------------------------------------------------------ what is said --- */

static void tell_about(struct build *b)
{
	struct flame_graph *g = b->g;
	const struct charges *c = &b->charges;

	g->n_samples = c->n_samples;
	if (is_waits(b))
		note(g, "waits of all threads, side by side, by %zu samples: waits have no total in the ledger",
		     c->n_samples);
	else if (!b->o->resource->samples)
		note(g, "the ledger's figures; no stacks of them are taken");
	else
		note(g, "the ledger's figures (%s), divided over functions by %zu samples%s",
		     b->l->resources[c->k].total_source ? b->l->resources[c->k].total_source : "sum of parts",
		     c->n_samples,
		     b->o->resource->kernel_only					  ? " taken in the kernel" :
		     c->k != SIZE_MAX && b->l->resources[c->k].row->id != RESOURCE_CPU_NS ? " of CPU time" :
											    "");
	if (c->n_user)
		note(g, "%.1f %% of user stacks reach the thread's start",
		     100.0 * (double)c->n_complete / (double)c->n_user);
	if (c->n_without_stack)
		note(g, "%zu samples have no stack", c->n_without_stack);
	if (g->per == PER_TOKEN)
		note(g,
		     "%" PRId64 " prompt tokens computed, %" PRId64
		     " tokens generated after the first of each request; what is no request's is left out",
		     g->prompt_tokens, g->completion_tokens);
	else if (!wants_accounts(b))
		note(g, "what is no request's is left out");
}

static int allocate(struct build *b)
{
	const size_t n_buckets = charges__n_buckets(&b->charges);
	const size_t n_weights = b->charges.n > n_buckets ? b->charges.n : n_buckets;

	b->values = array__zeroed(n_buckets, sizeof(*b->values));
	b->weights = array__zeroed(n_weights, sizeof(*b->weights));
	b->parts = array__zeroed(n_weights, sizeof(*b->parts));
	b->node_of = array__zeroed(b->tree.n, sizeof(*b->node_of));
	b->stamp = array__zeroed(b->tree.n, sizeof(*b->stamp));
	return b->values && b->weights && b->parts && b->node_of && b->stamp ? 0 : -ENOMEM;
}

static int make(struct build *b)
{
	int err = find_resource(b);

	if (!err && b->o->resource->samples && !has_samples(b))
		return fail(b, -ENOTSUP, "the recording has no %s",
			    is_waits(b) ? "stacks of waits" : "stacks of threads on a CPU");
	if (!err)
		err = choose_requests(b);
	if (!err)
		err = stack_tree__build(&b->tree, b->l->timeline->recording, &b->g->names, b->o->resource->kernel_only);
	b->charges.wanted = b->wanted;
	if (!err)
		err = charges__make(&b->charges, &b->tree);
	if (!err)
		err = allocate(b);
	if (err)
		return err;
	if (is_waits(b)) {
		err = add_waits(b);
	} else {
		read_ledger(b);
		err = b->o->per == PER_TOTAL ? scale_to_total(b) : 0;
	}
	if (!err && b->o->per == PER_TOKEN)
		err = per_token(b);
	if (!err)
		err = add_buckets(b);
	if (!err && is_waits(b))
		err = add_other_waits(b);
	if (!err)
		tell_about(b);
	return err ? err : graph_nodes__finish(&b->nodes);
}

int flame_graph__build(struct flame_graph *out, const struct ledger *l, const struct flame_options *options,
		       char *error, size_t error_size)
{
	struct build b = {
		.g = out,
		.l = l,
		.o = options,
		.charges = { .ledger = l, .options = options },
		.nodes = { .g = out },
		.error = error,
		.error_size = error_size,
	};
	int err;

	memset(out, 0, sizeof(*out));
	error[0] = '\0';
	out->resource = options->resource;
	out->per = options->per;
	out->scale = 1;
	b.wanted = array__zeroed(l->timeline->recording->n_requests, sizeof(*b.wanted));
	err = b.wanted ? flame_names__init(&out->names) : -ENOMEM;
	if (!err)
		err = make(&b);
	stack_tree__free(&b.tree);
	charges__free(&b.charges);
	map64__free(&b.nodes.by_parent);
	free(b.wanted);
	free(b.values);
	free(b.weights);
	free(b.parts);
	free(b.node_of);
	free(b.stamp);
	if (err)
		flame_graph__free(out);
	return err;
}

void flame_graph__free(struct flame_graph *g)
{
	if (!g)
		return;
	free(g->nodes);
	flame_names__free(&g->names);
	memset(g, 0, sizeof(*g));
}

uint32_t flame_graph__depth(const struct flame_graph *g)
{
	uint32_t deepest = 0;

	for (size_t i = 0; i < g->n_nodes; i++)
		deepest = g->nodes[i].depth > deepest ? g->nodes[i].depth : deepest;
	return deepest;
}

const char *flame_graph__unit(const struct flame_graph *g, char *text, size_t size)
{
	if (g->scale == 1)
		snprintf(text, size, "%s", g->unit);
	else
		snprintf(text, size, "thousandths of %s per token", g->unit);
	return text;
}
