/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/compute_floor.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/facts.h"
#include "userspace/analysis/partitioned.h"
#include "userspace/analysis/steps.h"
#include "userspace/cost/fit_set.h"
#include "userspace/verify/processor.h"

/* A weight has no more bytes than this, so that a table has no more than its parameters of them. */
#define MOST_BYTES_OF_A_WEIGHT 4

static double total_ns(const struct recording *r)
{
	for (size_t i = 0; i < r->n_totals; i++)
		if (r->totals[i].resource == RESOURCE_CPU_NS)
			return (double)r->totals[i].value;
	return NAN;
}

/*
 * The table that turns the last layer into words is as large as the one that is looked up in, and not all tokens need it. Nor do they need
 * what follows the attention of the last layer: llama.cpp goes on with the rows that have outputs (inp_out_ids).
 */
static const char *find_weights(struct compute_floor *f, const struct row_model *m, struct processor most)
{
	double bytes, part;

	if (m->active_params == ABSENT || m->active_weight_bytes == ABSENT || m->lookup_params == ABSENT ||
	    m->n_layers == ABSENT || m->n_layers < 1)
		return "the header of its weight file does not say how many weights a token is multiplied with";
	if (row_model__is_partitioned(m))
		return "a token of such a model is multiplied with a part of its weights, and which part is not "
		       "recorded";
	part = (double)(m->n_layers - 1) / (double)m->n_layers;
	f->weights = ((double)m->active_params - (double)m->lookup_params) * part;
	if (!(f->weights > 0))
		return "its weight file has next to nothing but tables, or one layer";
	bytes = ((double)m->active_weight_bytes - MOST_BYTES_OF_A_WEIGHT * (double)m->lookup_params) * part;
	f->ns_per_token = 2 * f->weights / most.operations_per_ns;
	f->ns_per_step = bytes > 0 ? bytes / most.bytes_per_ns : 0;
	return NULL;
}

static const char *find_prices(struct compute_floor *f, const struct recording *r)
{
	const char *devices = recording__meta(r, "device_files");
	const struct processor most = processor__of(r);
	char why[160];
	const struct row_model *m = fit_key__model(r, false, why, sizeof(why));

	/* What drafts for one server may be all that another one has. */
	if (fit_key__model(r, true, why, sizeof(why)) && fit_key__several(r, why, sizeof(why)))
		m = NULL;
	if (!devices)
		return "whether the server computes on a device is not known";
	if (devices[0])
		return "the server may compute on a device";
	if (isnan(most.operations_per_ns))
		return "what this processor can do at most is not known";
	if (!m)
		return "which weight file the tokens were computed with is not known";
	if (isnan(f->measured))
		return "CPU time was not measured";
	return find_weights(f, m, most);
}

/* The requests that have rows in the step, each once: rows of one are not always neighbours. */
static void book(struct compute_floor *f, const struct timeline *t, uint32_t step, uint32_t *last_step, double needed,
		 int64_t use)
{
	for (uint32_t k = t->step_first_row[step]; k < t->step_first_row[step + 1]; k++) {
		const struct timeline_row *row = &t->rows[k];
		const uint32_t request = row->run == RUN_NONE ? REQUEST_NONE : t->runs[row->run].request;
		struct compute_floor_request *q;

		if (request == REQUEST_NONE || last_step[request] == step + 1)
			continue;
		last_step[request] = step + 1;
		q = &f->requests[request];
		q->unmeasured |= use == ABSENT;
		q->needed += needed;
		q->measured += use == ABSENT ? 0 : (double)use;
	}
}

static void sum_steps(struct compute_floor *f, const struct verify_input *in, uint32_t *last_step)
{
	const struct recording *r = in->recording;
	const struct timeline *t = in->timeline;

	for (uint32_t step = 0; step < r->n_steps; step++) {
		int64_t n = 0;
		double needed;

		if (step__role(r, &r->steps[step]) == ROLE_DRAFT)
			continue;
		for (uint32_t k = t->step_first_row[step]; k < t->step_first_row[step + 1]; k++)
			n += t->rows[k].counted ? t->rows[k].n_tokens : 0;
		needed = n ? fmax((double)n * f->ns_per_token, f->ns_per_step) : 0;
		f->needed += needed;
		book(f, t, step, last_step, needed, recording__step_use(r, r->steps[step].id, RESOURCE_CPU_NS));
	}
}

int compute_floor__open(struct compute_floor *f, const struct verify_input *in)
{
	uint32_t *last_step;

	memset(f, 0, sizeof(*f));
	f->measured = total_ns(in->recording);
	f->missing = find_prices(f, in->recording);
	if (f->missing)
		return 0;
	f->requests = array__zeroed(in->recording->n_requests, sizeof(*f->requests));
	last_step = array__zeroed(in->recording->n_requests, sizeof(*last_step));
	if (f->requests && last_step)
		sum_steps(f, in, last_step);
	free(last_step);
	if (f->requests && last_step)
		return 0;
	compute_floor__close(f);
	return -ENOMEM;
}

void compute_floor__close(struct compute_floor *f)
{
	free(f->requests);
	f->requests = NULL;
}
