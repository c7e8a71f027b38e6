/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory traffic by the shape of the model: a part of a step (ubatch) reads every weight that its tokens are computed with once,
 * whatever their number, the keys and values of each row's context, and writes those of its tokens.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "userspace/analysis/partitioned.h"
#include "userspace/analysis/traffic.h"
#include "userspace/cost/fit_set.h"

/* Number formats of the cache: the one whose keys and values are as many numbers as the header says. */
static const char *find_kv(struct traffic_weights *w, const struct recording *r, const struct row_model *m)
{
	int64_t bytes = ABSENT;

	if (m->kv_elements_per_token == ABSENT)
		return "the header of the weight file does not say how many keys and values a token leaves behind";
	if (r->n_kv_caches == 0)
		return "no cache of keys and values was found in the server's memory, so that its number format is not "
		       "known";
	for (size_t i = 0; i < r->n_kv_caches; i++) {
		if (r->kv_caches[i].elements_per_token != m->kv_elements_per_token)
			continue;
		if (bytes != ABSENT && bytes != r->kv_caches[i].bytes_per_token)
			return "the server has caches of several number formats for this model";
		bytes = r->kv_caches[i].bytes_per_token;
	}
	if (bytes == ABSENT)
		return "the cache in the server's memory has another shape than the header of the weight file says";
	w->kv = (double)bytes;
	return NULL;
}

static const char *find_weights(struct traffic_weights *w, const struct row_model *m)
{
	const double of_experts = m->expert_weight_bytes == ABSENT ? 0 : (double)m->expert_weight_bytes;

	if (m->active_weight_bytes == ABSENT || m->output_weight_bytes == ABSENT || m->lookup_weight_bytes == ABSENT ||
	    m->n_vocab == ABSENT || m->n_vocab < 1)
		return "the header of the weight file does not say which weights a token is computed with";
	if (row_model__is_partitioned(m))
		return "a token of such a model is computed with a part of its weights, and which part is not recorded";
	if (of_experts > 0 && (m->n_experts == ABSENT || m->n_experts_used == ABSENT || m->n_experts_used < 1 ||
			       m->n_experts_used > m->n_experts))
		return "the header of the weight file does not say how many experts a token takes";
	w->experts = of_experts;
	w->n_experts = of_experts > 0 ? (double)m->n_experts : 0;
	w->n_used = of_experts > 0 ? (double)m->n_experts_used : 0;
	w->output = (double)m->output_weight_bytes;
	w->dense = (double)m->active_weight_bytes - w->output;
	if (of_experts > 0)
		w->dense -= floor(of_experts * w->n_used / w->n_experts);
	if (!(w->dense >= 0))
		return "the figures of the weight file's header contradict each other";
	w->lookup = (double)m->lookup_weight_bytes / (double)m->n_vocab;
	w->window = m->sliding_window;
	return NULL;
}

/*
 * Expected part of a layer's experts that n tokens take, n_used each, drawn evenly: 1 - (1 - k / E)^n. Real routing is uneven, and takes
 * fewer. By a product: pow() is another one on every machine.
 */
static double expected_part(const struct traffic_weights *w, double n)
{
	const double spared = 1 - w->n_used / w->n_experts;
	double power = 1, base = spared;

	for (uint64_t left = (uint64_t)n; left; left >>= 1, base *= base)
		power *= left & 1 ? base : 1;
	return 1 - power;
}

static double most_part(const struct traffic_weights *w, double n)
{
	const double part = n * w->n_used / w->n_experts;

	return part < 1 ? part : 1;
}

void traffic_weights__find(struct traffic_weights *w, const struct recording *r, bool draft)
{
	char why[160] = "";
	const struct row_model *m = fit_key__model(r, draft, why, sizeof(why));
	const char *missing;

	memset(w, 0, sizeof(*w));
	w->window = ABSENT;
	if (!m && r->n_models == 1 && !draft)
		m = &r->models[0];
	missing = m ? find_weights(w, m) : why[0] ? why : "no weight file was read";
	if (!missing)
		missing = find_kv(w, r, m);
	if (missing) {
		snprintf(w->missing, sizeof(w->missing), "%s", missing);
		return;
	}
	for (size_t i = 0; i < COST_KNOTS; i++)
		w->curve[i] = w->dense + w->lookup * cost_knots[i] +
			      (w->n_experts > 0 ? w->experts * expected_part(w, cost_knots[i]) : 0);
	w->curve[COST_TERM_CONTEXT] = w->kv;
}

struct traffic_bytes traffic_weights__part(const struct traffic_weights *w, const struct cost_row *rows, size_t n)
{
	double tokens = 0, fixed = w->dense;
	bool outputs = false;

	for (size_t i = 0; i < n; i++) {
		tokens += rows[i].n_tokens;
		outputs |= rows[i].n_outputs > 0;
		fixed += w->kv * ((double)rows[i].context + rows[i].n_tokens);
	}
	fixed += w->lookup * tokens + (outputs ? w->output : 0);
	if (!(w->n_experts > 0))
		return (struct traffic_bytes){ fixed, fixed, fixed };
	return (struct traffic_bytes){
		.expected = fixed + w->experts * expected_part(w, tokens),
		.least = fixed + w->experts * w->n_used / w->n_experts,
		.most = fixed + w->experts * most_part(w, tokens),
	};
}

/* --------------------------------------------------------------------------------------------------------- the rule --- */

static bool applies(const struct rule_scope *scope, char *why, size_t size)
{
	return rule__has_shape(scope->traffic && !scope->traffic->missing[0], why, size);
}

static double weight_of(const struct cost_row *row, enum fixed_by fixed_by)
{
	return fixed_by == FIXED_BY_TOKEN ? row->n_outputs : 1;
}

/* Read once as soon as one of the rows wants an output: the same part of it for each of these. */
static void add_output(const struct traffic_weights *w, const struct cost_row *rows, size_t n, enum fixed_by fixed_by,
		       double *shares)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += rows[i].n_outputs ? weight_of(&rows[i], fixed_by) : 0;
	for (size_t i = 0; i < n; i++)
		if (rows[i].n_outputs)
			shares[i] += w->output * weight_of(&rows[i], fixed_by) / sum;
}

static int share_part(const struct rule_scope *scope, const struct cost_row *rows, size_t n, double *shares)
{
	const int err = cost__share(scope->traffic->curve, rows, n, scope->fixed_by, shares);

	if (!err)
		add_output(scope->traffic, rows, n, scope->fixed_by, shares);
	return err;
}

static int share(const struct rule_scope *scope, const struct rule_step *step, double *shares)
{
	return rule__each_part(scope, step, shares, share_part);
}

const struct rule rule_touched = {
	.name = "touched",
	.doc = "each row its own keys and values, and its part of the weights that the step reads",
	.applies = applies,
	.share = share,
	.fixed_part = true,
};
