/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/cost/fit_set.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/cost/design.h"
#include "userspace/recording_strings.h"

/* Each is 37 reals in memory, and a file may say anything. */
#define MOST_DRAWS 1024

static void widen(int64_t *least, int64_t *most, int64_t low, int64_t high)
{
	if (*least == ABSENT || low < *least)
		*least = low;
	if (*most == ABSENT || high > *most)
		*most = high;
}

static void add_part(struct fit_range *range, const struct cost_row *rows, size_t n)
{
	int64_t n_tokens = 0;

	for (size_t i = 0; i < n; i++) {
		widen(&range->least_context, &range->most_context, rows[i].context,
		      (int64_t)rows[i].context + rows[i].n_tokens - 1);
		n_tokens += rows[i].n_tokens;
	}
	widen(&range->least_rows, &range->most_rows, (int64_t)n, (int64_t)n);
	widen(&range->least_tokens, &range->most_tokens, n_tokens, n_tokens);
}

struct fit_range fit_range__of(const struct cost_samples *samples)
{
	struct fit_range range = { ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT };

	for (size_t i = 0; i < samples->n; i++) {
		const struct cost_sample *s = &samples->samples[i];

		for (size_t part = 0, first = 0; part < s->n_parts; first = s->part_end[part++])
			add_part(&range, s->rows + first, s->part_end[part] - first);
	}
	return range;
}

bool fit_range__known(const struct fit_range *range)
{
	return range->least_context != ABSENT && range->most_context != ABSENT && range->least_rows != ABSENT &&
	       range->most_rows != ABSENT && range->least_tokens != ABSENT && range->most_tokens != ABSENT;
}

void fit_range__describe(const struct fit_range *range, char *words, size_t size)
{
	words[0] = '\0';
	if (fit_range__known(range))
		snprintf(words, size,
			 "contexts of %lld to %lld tokens, %lld to %lld rows and %lld to %lld tokens in a part of a "
			 "step",
			 (long long)range->least_context, (long long)range->most_context, (long long)range->least_rows,
			 (long long)range->most_rows, (long long)range->least_tokens, (long long)range->most_tokens);
}

int fit__make(struct fit *out, const struct cost_samples *samples, const char *role, int resource,
	      const struct cost_fit_options *options)
{
	int err;

	memset(out, 0, sizeof(*out));
	err = cost__fit(&out->cost, samples->samples, samples->n, options);
	if (err)
		return err;
	out->range = fit_range__of(samples);
	out->waited = NAN;
	out->cost.role = role;
	out->cost.resource = resource;
	out->has_affine = affine__fit(&out->affine, samples->samples, samples->n) == 0;
	out->has_roofline = roofline__fit(&out->roofline, samples->samples, samples->n) == 0;
	return 0;
}

void fit__free(struct fit *f)
{
	if (f)
		cost__free(&f->cost);
}

const char *fit__resource_name(const struct fit *f, const struct recording *r)
{
	if (f->cost.resource == COST_RESOURCE_WALL)
		return COST_RESOURCE_WALL_NAME;
	for (size_t i = 0; i < r->n_resources; i++)
		if (r->resources[i].id == f->cost.resource)
			return r->resources[i].name;
	return NULL;
}

/* -------------------------------------------------------------------------------------------------- to recordings --- */

static double known(bool has, double value)
{
	return has ? value : NAN;
}

static void make_row(struct row_fit *row, const struct fit *f, int64_t id)
{
	const struct cost_model *m = &f->cost;

	*row = (struct row_fit){
		.id = id,
		.role = m->role,
		.resource = m->resource,
		.model_digest = f->key.model_digest,
		.model_name = f->model_name,
		.engine = f->key.engine,
		.engine_version = f->engine_version,
		.build_id = f->key.build_id,
		.n_threads = f->key.n_threads,
		.host = f->key.host,
		.cpu_model = f->key.cpu_model,
		.made_unix_ns = f->made_unix_ns,
		.origin = f->origin,
		.n_steps = m->n_steps,
		.n_held_out = m->n_held_out,
		.sigma = m->sigma,
		.model_error = m->model_error,
		.median_residual = m->median_residual,
		.condition = isfinite(m->condition) ? m->condition : NAN,
		.identified = m->identified,
		.reason = m->reason[0] ? m->reason : NULL,
		.affine_fixed = known(f->has_affine, f->affine.fixed),
		.affine_token = known(f->has_affine, f->affine.token),
		.affine_context = known(f->has_affine, f->affine.context),
		.affine_pair = known(f->has_affine, f->affine.pair),
		.affine_residual = known(f->has_affine, f->affine.median_residual),
		.roofline_fixed = known(f->has_roofline, f->roofline.fixed),
		.roofline_weights = known(f->has_roofline, f->roofline.weights),
		.roofline_context = known(f->has_roofline, f->roofline.context),
		.roofline_token = known(f->has_roofline, f->roofline.token),
		.roofline_pair = known(f->has_roofline, f->roofline.pair),
		.roofline_residual = known(f->has_roofline, f->roofline.median_residual),
		.least_context = f->range.least_context,
		.most_context = f->range.most_context,
		.least_rows = f->range.least_rows,
		.most_rows = f->range.most_rows,
		.least_tokens = f->range.least_tokens,
		.most_tokens = f->range.most_tokens,
		.waited = f->waited,
	};
}

static int write_terms(const struct cost_model *m, int64_t id, struct recording_writer *w)
{
	char space[16], merged[16];
	int err = 0;

	for (size_t t = 0; t < COST_TERMS && !err; t++) {
		const struct row_fit_term row = {
			.fit = id,
			.term = cost_term__name(t, space, sizeof(space)),
			.value = m->value[t],
			.low = m->low[t],
			.high = m->high[t],
			.fitted = m->fitted[t],
			.merged_with = m->merged_with[t] < 0 ?
					       NULL :
					       cost_term__name((size_t)m->merged_with[t], merged, sizeof(merged)),
		};

		err = recording_writer__fit_term(w, &row);
	}
	return err;
}

static int write_draws(const struct cost_model *m, int64_t id, struct recording_writer *w)
{
	const uint32_t n = m->n_draws < FIT_DRAWS_KEPT ? m->n_draws : FIT_DRAWS_KEPT;
	char space[16];
	int err = 0;

	for (uint32_t i = 0; i < n; i++) {
		for (size_t t = 0; t < COST_TERMS && !err; t++) {
			const struct row_fit_draw row = { id, i, cost_term__name(t, space, sizeof(space)),
							  m->draws[i * COST_TERMS + t] };

			if (m->fitted[t])
				err = recording_writer__fit_draw(w, &row);
		}
	}
	return err;
}

int fit_set__write(const struct fit *fits, size_t n, struct recording_writer *w)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		const int64_t id = (int64_t)i + 1;
		struct row_fit row;

		make_row(&row, &fits[i], id);
		err = recording_writer__fit(w, &row);
		if (!err)
			err = write_terms(&fits[i].cost, id, w);
		if (!err)
			err = write_draws(&fits[i].cost, id, w);
	}
	return err;
}

/* ------------------------------------------------------------------------------------------------ from recordings --- */

struct reader {
	const struct recording *recording;
	struct strings *strings;
	bool no_memory;
	size_t term, draw;		/* how far the tables are read; they are sorted by fit */
	char *error;
	size_t error_size;
};

static const char *keep(struct reader *r, const char *text)
{
	const char *kept = text ? strings__keep(r->strings, text, strlen(text)) : NULL;

	r->no_memory = r->no_memory || (text && !kept);
	return kept;
}

__attribute__((format(printf, 3, 4))) static int refuse(struct reader *r, int64_t fit, const char *format, ...)
{
	char what[160];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(r->error, r->error_size,
		 "fit %lld: %s; it was changed, or made by a tokprof with other terms: calibrate again", (long long)fit,
		 what);
	return -EBADMSG;
}

static int read_terms(struct reader *r, int64_t id, struct cost_model *m)
{
	const struct recording *rec = r->recording;
	bool seen[COST_TERMS] = { false };
	size_t n_seen = 0;

	for (; r->term < rec->n_fit_terms && rec->fit_terms[r->term].fit <= id; r->term++) {
		const struct row_fit_term *row = &rec->fit_terms[r->term];
		const int t = cost_term__find(row->term);

		if (row->fit < id)
			continue;
		if (t < 0 || seen[t])
			return refuse(r, id, "its term '%.40s' is not known", row->term);
		if (!(row->low <= row->value && row->value <= row->high))
			return refuse(r, id, "its term %.40s is outside of its own interval", row->term);
		m->value[t] = row->value;
		m->low[t] = row->low;
		m->high[t] = row->high;
		m->fitted[t] = row->fitted;
		m->merged_with[t] = row->merged_with ? cost_term__find(row->merged_with) : -1;
		seen[t] = true;
		n_seen++;
	}
	return n_seen == COST_TERMS ? 0 : refuse(r, id, "it has %zu terms of %d", n_seen, COST_TERMS);
}

/* Every fitted term in every replicate, which are numbered without a gap. */
static int read_draws(struct reader *r, int64_t id, struct cost_model *m)
{
	const struct recording *rec = r->recording;
	struct basis basis;
	size_t first, n_fitted, terms[COST_TERMS], n;

	memcpy(basis.free, m->fitted, sizeof(basis.free));
	n_fitted = basis__free_terms(&basis, terms);
	while (r->draw < rec->n_fit_draws && rec->fit_draws[r->draw].fit < id)
		r->draw++;
	first = r->draw;
	while (r->draw < rec->n_fit_draws && rec->fit_draws[r->draw].fit == id)
		r->draw++;
	n = r->draw - first;
	if (n == 0)
		return 0;
	if (n_fitted == 0 || n % n_fitted)
		return refuse(r, id, "its replicates are not complete");
	if (n / n_fitted > MOST_DRAWS)
		return refuse(r, id, "it has %zu replicates, and at most %d make sense", n / n_fitted, MOST_DRAWS);
	m->n_draws = (uint32_t)(n / n_fitted);
	m->draws = array__zeroed(m->n_draws, COST_TERMS * sizeof(*m->draws));
	if (!m->draws) {
		r->no_memory = true;
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		const struct row_fit_draw *row = &rec->fit_draws[first + i];
		const int t = cost_term__find(row->term);

		/* In a table without a key twice, as many rows as there are terms, all of them known, are all of them. */
		if (t < 0 || !m->fitted[t] || row->draw != (int64_t)(i / n_fitted))
			return refuse(r, id, "its replicates are not complete");
		m->draws[i / n_fitted * COST_TERMS + (size_t)t] = row->value;
	}
	for (uint32_t i = 0; i < m->n_draws; i++)
		basis__fill(&basis, m->draws + i * COST_TERMS);
	return 0;
}

static void read_forms(struct fit *f, const struct row_fit *row)
{
	f->affine = (struct affine_fit){ row->affine_fixed, row->affine_token, row->affine_context, row->affine_pair,
					 row->affine_residual };
	f->roofline = (struct roofline_fit){ row->roofline_fixed, row->roofline_weights, row->roofline_context,
					     row->roofline_token, row->roofline_pair,	 row->roofline_residual };
	f->has_affine = isfinite(row->affine_fixed + row->affine_token + row->affine_context + row->affine_pair +
				 row->affine_residual);
	f->has_roofline = isfinite(row->roofline_fixed + row->roofline_weights + row->roofline_context +
				   row->roofline_token + row->roofline_pair + row->roofline_residual);
}

/* All of it or nothing, and no end before its beginning. */
static int read_range(struct reader *r, const struct row_fit *row, struct fit_range *range)
{
	static const struct fit_range unknown = { ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT };

	*range = (struct fit_range){ row->least_context, row->most_context, row->least_rows,
				     row->most_rows,	 row->least_tokens, row->most_tokens };
	if (!fit_range__known(range))
		*range = unknown;
	else if (range->least_context > range->most_context || range->least_rows > range->most_rows ||
		 range->least_tokens > range->most_tokens)
		return refuse(r, row->id, "the range of steps that it is of ends before it begins");
	return 0;
}

static int read_fit(struct reader *r, const struct row_fit *row, struct fit *f)
{
	struct cost_model *m = &f->cost;
	int err;

	m->role = keep(r, row->role);
	m->resource = row->resource;
	m->sigma = row->sigma;
	m->model_error = row->model_error;
	m->median_residual = row->median_residual;
	m->condition = isnan(row->condition) ? INFINITY : row->condition;
	m->n_steps = row->n_steps;
	m->n_held_out = row->n_held_out;
	m->identified = row->identified;
	snprintf(m->reason, sizeof(m->reason), "%s", row->reason ? row->reason : "");
	f->key = (struct fit_key){ keep(r, row->model_digest),
				   keep(r, row->engine),
				   keep(r, row->build_id),
				   row->n_threads,
				   keep(r, row->host),
				   keep(r, row->cpu_model),
				   NULL };
	f->model_name = keep(r, row->model_name);
	f->engine_version = keep(r, row->engine_version);
	f->made_unix_ns = row->made_unix_ns;
	f->origin = keep(r, row->origin);
	f->waited = row->waited;
	read_forms(f, row);
	err = read_range(r, row, &f->range);
	if (!err)
		err = read_terms(r, row->id, m);
	return err ? err : read_draws(r, row->id, m);
}

int fit_set__from_recording(struct fit_set *out, const struct recording *rec, char *error, size_t error_size)
{
	struct reader r = { .recording = rec, .strings = strings__new(), .error = error, .error_size = error_size };
	int err = 0;

	memset(out, 0, sizeof(*out));
	error[0] = '\0';
	out->strings = r.strings;
	out->fits = array__zeroed(rec->n_fits, sizeof(*out->fits));
	r.no_memory = !r.strings || !out->fits;
	while (out->n < rec->n_fits && !err && !r.no_memory) {
		const size_t i = out->n++;

		err = read_fit(&r, &rec->fits[i], &out->fits[i]);
	}
	if (r.no_memory) {
		snprintf(error, error_size, "fits cannot be read: out of memory");
		err = -ENOMEM;
	}
	if (err)
		fit_set__free(out);
	return err;
}

void fit_set__free(struct fit_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->n; i++)
		fit__free(&set->fits[i]);
	free(set->fits);
	if (set->strings)
		strings__free(set->strings);
	memset(set, 0, sizeof(*set));
}

const struct fit *fit__find(const struct fit *fits, size_t n, const char *role, int resource)
{
	const struct fit *found = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct fit *f = &fits[i];

		if (f->cost.resource == resource && strcmp(f->cost.role, role) == 0 &&
		    (!found || f->made_unix_ns >= found->made_unix_ns))
			found = f;
	}
	return found;
}
