/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/calibrate/fits.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "userspace/analysis/facts.h"
#include "userspace/analysis/steps.h"

#define SEED 1
#define KNOWN_WELL 0.2
#define BLOCK 32	/* neighbouring steps that are taken together, so that drift stays visible to the fit */

/* Blocks of neighbours at even distances. The samples that are left keep their order. */
static void thin(struct cost_samples *s, size_t most)
{
	size_t n_blocks = s->n / BLOCK, keep = most / BLOCK, n = 0, i;

	if (most == 0 || s->n <= most || keep == 0)
		return;
	for (i = 0; i < keep; i++) {
		size_t from = n_blocks * i / keep * BLOCK;

		memmove(s->samples + n, s->samples + from, BLOCK * sizeof(*s->samples));
		memmove(s->steps + n, s->steps + from, BLOCK * sizeof(*s->steps));
		n += BLOCK;
	}
	s->n = n;
}

static void name_fit(struct fit *f, const struct recording *r, const struct fit_key *key, const char *origin)
{
	const bool draft = strcmp(f->cost.role, "draft") == 0;
	char why[160];
	const struct row_model *model = fit_key__model(r, draft, why, sizeof(why));
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	f->key = fit_key__of_role(key, f->cost.role);
	f->model_name = model ? model->name : r->n_models == 1 ? r->models[0].name : NULL;
	f->engine_version = r->n_engines ? r->engines[0].version : NULL;
	f->made_unix_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	f->origin = origin;
}

/* In the steps where both were measured. */
static double waited_in(const struct timeline *t, const struct cost_samples *s)
{
	const struct recording *r = t->recording;
	int64_t waited = 0, used = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct row_step *step = &r->steps[s->steps[i]];
		const int64_t cpu = recording__step_use(r, step->id, RESOURCE_CPU_NS);

		if (step->server_runq_ns == ABSENT || cpu == ABSENT)
			continue;
		waited += step->server_runq_ns;
		used += cpu;
	}
	return used > 0 ? (double)waited / (double)used : NAN;
}

static int add_fit(struct fits *out, const struct timeline *t, const char *role, int resource,
		   const struct fits_options *options)
{
	const struct cost_fit_options how = { .n_draws = options->n_draws ? options->n_draws : FIT_DRAWS_KEPT,
					      .seed = SEED,
					      .hold_out = true,
					      .unknown = options->identified_only ? KNOWN_WELL : 0 };
	struct fit *f = &out->fits[out->n];
	struct cost_samples samples;
	int err = cost__samples(t, role, resource, &samples);

	if (err)
		return err;
	if (resource == COST_RESOURCE_WALL) {
		out->n_steps += (int64_t)samples.n;
		out->n_left_out +=
			samples.n_failed + samples.n_without_rows + samples.n_overlapping + samples.n_touched;
	}
	/* What most steps have none of (page faults) does not follow from their rows. */
	if ((int64_t)samples.n < samples.n_unmeasured)
		err = -ENODATA;
	thin(&samples, options->most_steps);
	if (!err)
		err = fit__make(f, &samples, role, resource, &how);
	if (!err && options->identified_only && !f->cost.identified) {
		fit__free(f);
		err = -ENODATA;
	}
	if (!err && options->judge)
		err = quality__judge(&out->quality[out->n], &samples);
	if (!err) {
		f->waited = waited_in(t, &samples);
		name_fit(f, t->recording, &out->key, options->origin);
		out->n++;
	}
	cost_samples__free(&samples);
	return err == -ENODATA ? 0 : err;
}

static bool may_be_fitted(const struct row_resource *resource)
{
	return resource->kind == RESOURCE_ADDITIVE && resource->grade > GRADE_UNAVAILABLE;
}

int fits__make(struct fits *out, const struct timeline *t, const struct fits_options *options)
{
	const struct recording *r = t->recording;
	size_t role, i;
	int err = 0;

	memset(out, 0, sizeof(*out));
	fit_key__of_server(&out->key, r);
	out->fits = calloc(N_ROLES * (r->n_resources + 1), sizeof(*out->fits));
	out->quality = calloc(N_ROLES * (r->n_resources + 1), sizeof(*out->quality));
	if (!out->fits || !out->quality)
		err = -ENOMEM;
	if (!err && fit_key__several(r, out->why, sizeof(out->why)))
		return 0;
	for (role = 0; role < N_ROLES && !err; role++) {
		const char *name = step_role__name((enum step_role)role);

		err = add_fit(out, t, name, COST_RESOURCE_WALL, options);
		for (i = 0; i < r->n_resources && !err; i++)
			if (may_be_fitted(&r->resources[i]))
				err = add_fit(out, t, name, r->resources[i].id, options);
	}
	if (err)
		fits__free(out);
	return err;
}

void fits__free(struct fits *f)
{
	size_t i;

	for (i = 0; f->fits && i < f->n; i++)
		fit__free(&f->fits[i]);
	free(f->fits);
	free(f->quality);
	memset(f, 0, sizeof(*f));
}
