/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/calibrate/print.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "output/json_cost.h"
#include "output/json_writer.h"
#include "output/table.h"
#include "userspace/message.h"
#include "userspace/terminal.h"

#define GOOD_RESIDUAL 0.1	/* coloured as such */
#define POOR_RESIDUAL 0.25
#define BUSY 0.1		/* waits by CPU time from which on the next step is another time */

static const char *model_name(const struct calibrated *c)
{
	char why[160];
	const struct row_model *m = fit_key__model(c->recording, false, why, sizeof(why));

	return m ? m->name : c->recording->n_models ? c->recording->models[0].name : NULL;
}

static size_t count_fitted(const struct cost_model *m)
{
	size_t t, n = 0;

	for (t = 0; t < COST_TERMS; t++)
		n += m->fitted[t];
	return n;
}

static size_t count_merged(const struct cost_model *m)
{
	size_t t, n = 0;

	for (t = 0; t < COST_TERMS; t++)
		n += m->merged_with[t] >= 0;
	return n;
}

/* Half of a term's interval, relative to it; of the terms that matter the widest. @return the term, -1 none */
static int widest_term(const struct cost_model *m, double *half)
{
	int t, found = -1;

	*half = 0;
	for (t = 0; t < COST_TERMS; t++) {
		double width = m->fitted[t] && m->value[t] > 0 ? (m->high[t] - m->low[t]) / 2 / m->value[t] : 0;

		if (width > *half) {
			*half = width;
			found = t;
		}
	}
	return found;
}

/* --- text ---------------------------------------------------------------------------------------------------------- */

static int print_fits(const struct calibrated *c, FILE *f)
{
	static const struct table_column columns[] = {
		{ "MODEL", COLUMN_TEXT, 0 },	   { "RESOURCE", COLUMN_TEXT, 0 },    { "STEPS", COLUMN_NUMBER, 0 },
		{ "TERMS", COLUMN_NUMBER, 0 },	   { "MERGED", COLUMN_NUMBER, 0 },    { "HELD OUT", COLUMN_NUMBER, 0 },
		{ "OF A KIND", COLUMN_NUMBER, 0 }, { "IDENTIFIED", COLUMN_WRAP, 16 },
	};
	struct table *t = table__new(f, columns, (int)(sizeof(columns) / sizeof(columns[0])), terminal__columns(f), 0,
				     terminal__has_color(f));
	size_t i;

	if (!t)
		return -ENOMEM;
	for (i = 0; i < c->fits->n; i++) {
		const struct cost_model *m = &c->fits->fits[i].cost;

		table__cell(t, "%s", m->role);
		table__cell(t, "%s", fit__resource_name(&c->fits->fits[i], c->recording));
		table__cell(t, "%lld", (long long)m->n_steps);
		table__cell(t, "%zu", count_fitted(m));
		table__cell(t, "%zu", count_merged(m));
		table__styled(t,
			      m->median_residual <= GOOD_RESIDUAL ? STYLE_GOOD :
			      m->median_residual <= POOR_RESIDUAL ? STYLE_PLAIN :
								    STYLE_WARN,
			      "%.1f %%", 100 * m->median_residual);
		table__cell(t, "%.1f %%", 100 * m->model_error);
		table__styled(t, m->identified ? STYLE_GOOD : STYLE_WARN, "%s%s",
			      m->identified ? "yes" : "no: ", m->identified ? "" : m->reason);
		table__end_row(t);
	}
	return table__finish(t);
}

/* By role: the fits of its resources are of the same steps, but for those that a meter missed. */
static void print_ranges(const struct calibrated *c, FILE *f)
{
	char words[160];
	size_t i;

	for (i = 0; i < c->fits->n; i++) {
		const struct fit *fit = &c->fits->fits[i];

		fit_range__describe(&fit->range, words, sizeof(words));
		if (fit->cost.resource == COST_RESOURCE_WALL && words[0])
			fprintf(f, "%s: fitted to %s\n", fit->cost.role, words);
	}
}

static int print_classes(const struct calibrated *c, const struct fit *fit, const struct quality *q, FILE *f)
{
	static const struct table_column columns[] = {
		{ "STEPS OF", COLUMN_TEXT, 0 },	   { "HELD OUT", COLUMN_NUMBER, 0 }, { "MEASURED", COLUMN_NUMBER, 0 },
		{ "PREDICTED", COLUMN_NUMBER, 0 }, { "BIAS", COLUMN_NUMBER, 0 },     { "SPREAD", COLUMN_NUMBER, 0 },
	};
	const char *resource = fit__resource_name(fit, c->recording);
	bool is_time = strlen(resource) > 3 && strcmp(resource + strlen(resource) - 3, "_ns") == 0;
	double scale = is_time ? 1e6 : 1;
	struct table *t;
	size_t i;

	fprintf(f, "\n%s of %s steps that were not fitted to, mean %sper step\n", resource, fit->cost.role,
		is_time ? "ms " : "");
	t = table__new(f, columns, (int)(sizeof(columns) / sizeof(columns[0])), terminal__columns(f), 0,
		       terminal__has_color(f));
	if (!t)
		return -ENOMEM;
	for (i = 0; i < q->n; i++) {
		const struct quality_class *k = &q->classes[i];

		table__cell(t, "%s", k->name);
		table__cell(t, "%zu", k->n);
		table__cell(t, "%.3f", k->measured / (double)k->n / scale);
		table__cell(t, "%.3f", k->predicted / (double)k->n / scale);
		table__styled(t, i == q->worst ? STYLE_WARN : STYLE_PLAIN, "%+.1f %%", 100 * k->bias);
		table__cell(t, "%.1f %%", 100 * k->spread);
		table__end_row(t);
	}
	return table__finish(t);
}

static int print_terms(const struct fit *fit, FILE *f)
{
	const struct cost_model *m = &fit->cost;
	char space[16];
	size_t t;

	for (t = 0; t < COST_TERMS; t++)
		if (m->fitted[t])
			fprintf(f, "  %-10s %14.1f  (%.1f to %.1f)\n", cost_term__name(t, space, sizeof(space)),
				m->value[t], m->low[t], m->high[t]);
	return ferror(f) ? -EIO : 0;
}

static void print_head(const struct calibrated *c, FILE *f)
{
	const struct calibration *k = c->calibration;

	fprintf(f, "calibrated %s (%s %s", model_name(c) ? model_name(c) : "a model without a name", c->server->engine,
		c->server->version[0] ? c->server->version : "of unknown version");
	if (c->fits->key.n_threads != ABSENT)
		fprintf(f, ", %lld threads", (long long)c->fits->key.n_threads);
	fprintf(f, ") in %.0f s: %zu waves in %u rounds, %llu requests, %lld steps\n",
		(double)(k->end_ns - k->start_ns) / 1e9, k->n_waves, k->n_rounds, (unsigned long long)k->n_requests,
		(long long)k->counts.n_steps);
	if (k->time_was_up)
		fprintf(f, "time was up in round %u\n", k->n_rounds + 1);
	if (k->longest_context < k->facts.context)
		fprintf(f,
			"measured with contexts up to %u tokens of %u, and prompts in pieces up to %u; --seconds gives "
			"it more\n",
			k->longest_context, k->facts.context, k->longest_chunk);
	if (k->n_foreign)
		fprintf(f, "%llu requests of other clients were served meanwhile\n", (unsigned long long)k->n_foreign);
	fputc('\n', f);
}

static bool has_role(const struct calibrated *c, const char *role)
{
	size_t i;

	for (i = 0; i < c->fits->n; i++)
		if (strcmp(c->fits->fits[i].cost.role, role) == 0)
			return true;
	return false;
}

static void print_end(const struct calibrated *c, FILE *f)
{
	const struct fit *cpu = fit__find(c->fits->fits, c->fits->n, "target", RESOURCE_CPU_NS);
	char space[16];
	double half;
	int term;

	if (!cpu)
		cpu = fit__find(c->fits->fits, c->fits->n, "target", COST_RESOURCE_WALL);
	fputc('\n', f);
	if (c->fits->key.draft_digest && !has_role(c, "draft"))
		fprintf(f,
			"draft: no fit, since too few steps of the draft model were measured: in reports its steps are "
			"shared by tokens\n");
	term = cpu ? widest_term(&cpu->cost, &half) : -1;
	if (term >= 0)
		fprintf(f, "widest interval: %s, +- %.0f %% (%s)\n",
			cost_term__name((size_t)term, space, sizeof(space)), 100 * half,
			fit__resource_name(cpu, c->recording));
	if (c->stored)
		fprintf(f, "stored in %s\n", c->stored);
	if (c->kept)
		fprintf(f, "recorded in %s\n", c->kept);
	if (cpu && !cpu->cost.identified)
		fprintf(f, "not identified: shares will be by the affine rule. Try a longer --seconds, or a quieter "
			   "host\n");
	if (cpu && cpu->waited > BUSY)
		fprintf(f,
			"other programs kept the server's threads waiting for a CPU, %.0f s for every 100 s that they "
			"computed, and those that spin for them computed longer: prices may be too high. Calibrate on "
			"a quieter host\n",
			100 * cpu->waited);
	if (c->stored)
		fprintf(f, "next: tokprof record -p %u takes this fit along\n", c->server->pid);
}

int calibrated__print_text(const struct calibrated *c, FILE *f)
{
	size_t i;
	int err;

	print_head(c, f);
	err = print_fits(c, f);
	print_ranges(c, f);
	for (i = 0; i < c->fits->n && !err; i++) {
		const struct fit *fit = &c->fits->fits[i];
		bool shown = fit->cost.resource == COST_RESOURCE_WALL || fit->cost.resource == RESOURCE_CPU_NS;

		if ((shown || message__verbosity() > 0) && c->fits->quality[i].n)
			err = print_classes(c, fit, &c->fits->quality[i], f);
		if (!err && message__verbosity() > 0)
			err = print_terms(fit, f);
	}
	print_end(c, f);
	return err ? err : ferror(f) ? -EIO : 0;
}

/* --- JSON ---------------------------------------------------------------------------------------------------------- */

static void write_server(struct json_writer *w, const struct calibrated *c)
{
	json_writer__put_object(w, "server");
	json_writer__put_integer(w, "pid", c->server->pid);
	json_writer__put_string(w, "address", c->server->address);
	json_writer__put_string(w, "engine", c->server->engine);
	json_writer__put_string(w, "engine_version", c->server->version[0] ? c->server->version : NULL);
	json_writer__put_string(w, "build_id", c->fits->key.build_id);
	json_writer__put_string(w, "model", model_name(c));
	json_writer__put_string(w, "model_digest", c->fits->key.model_digest);
	json_writer__put_optional(w, "threads", c->fits->key.n_threads);
	json_writer__end_object(w);
}

static void write_sweep(struct json_writer *w, const struct calibrated *c)
{
	const struct calibration *k = c->calibration;

	json_writer__put_object(w, "sweep");
	json_writer__put_integer(w, "duration_ns", (int64_t)(k->end_ns - k->start_ns));
	json_writer__put_integer(w, "rounds", k->n_rounds);
	json_writer__put_integer(w, "waves", (int64_t)k->n_waves);
	json_writer__put_bool(w, "time_was_up", k->time_was_up);
	json_writer__put_integer(w, "requests", (int64_t)k->n_requests);
	json_writer__put_integer(w, "foreign_requests", (int64_t)k->n_foreign);
	json_writer__put_integer(w, "steps", k->counts.n_steps);
	json_writer__put_integer(w, "steps_fitted", c->fits->n_steps);
	json_writer__put_integer(w, "steps_left_out", c->fits->n_left_out);
	json_writer__put_integer(w, "records_lost", k->counts.n_lost);
	json_writer__put_integer(w, "slots", k->facts.n_slots);
	json_writer__put_integer(w, "context_tokens", k->facts.context);
	json_writer__put_integer(w, "context_tokens_measured", k->longest_context);
	json_writer__put_integer(w, "part_tokens", k->facts.part);
	json_writer__put_integer(w, "chunk_tokens_measured", k->longest_chunk);
	json_writer__end_object(w);
}

static void write_terms(struct json_writer *w, const struct cost_model *m)
{
	char space[16], other[16];
	size_t t;

	json_writer__put_array(w, "terms");
	for (t = 0; t < COST_TERMS; t++) {
		int32_t with = m->merged_with[t];

		if (!m->fitted[t] && with < 0)
			continue;
		json_writer__begin_object(w);
		json_writer__put_string(w, "term", cost_term__name(t, space, sizeof(space)));
		json_writer__put_number(w, "value", m->value[t]);
		json_writer__put_number(w, "low", m->low[t]);
		json_writer__put_number(w, "high", m->high[t]);
		json_writer__put_bool(w, "fitted", m->fitted[t]);
		json_writer__put_string(w, "merged_with",
					with < 0 ? NULL : cost_term__name((size_t)with, other, sizeof(other)));
		json_writer__end_object(w);
	}
	json_writer__end_array(w);
}

static void write_classes(struct json_writer *w, const struct quality *q)
{
	size_t i;

	json_writer__put_array(w, "classes");
	for (i = 0; i < q->n; i++) {
		const struct quality_class *k = &q->classes[i];

		json_writer__begin_object(w);
		json_writer__put_string(w, "name", k->name);
		json_writer__put_integer(w, "held_out_steps", (int64_t)k->n);
		json_writer__put_number(w, "measured", k->measured);
		json_writer__put_number(w, "predicted", k->predicted);
		json_writer__put_number(w, "bias", k->bias);
		json_writer__put_number(w, "spread", k->spread);
		json_writer__end_object(w);
	}
	json_writer__end_array(w);
	json_writer__put_string(w, "worst_class", q->worst < q->n ? q->classes[q->worst].name : NULL);
}

static void write_fit(struct json_writer *w, const struct calibrated *c, size_t i)
{
	const struct cost_model *m = &c->fits->fits[i].cost;

	json_writer__begin_object(w);
	json_writer__put_string(w, "role", m->role);
	json_writer__put_string(w, "resource", fit__resource_name(&c->fits->fits[i], c->recording));
	json_writer__put_integer(w, "steps", m->n_steps);
	json_writer__put_integer(w, "held_out_steps", m->n_held_out);
	json_writer__put_bool(w, "identified", m->identified);
	json_writer__put_string(w, "reason", m->reason[0] ? m->reason : NULL);
	json_writer__put_number(w, "median_residual", m->median_residual);
	json_writer__put_number(w, "sigma", m->sigma);
	json_writer__put_number(w, "model_error", m->model_error);
	json_writer__put_number(w, "condition", m->condition);
	json_writer__put_number(w, "waited", c->fits->fits[i].waited);
	json_cost__put_range(w, &c->fits->fits[i].range);
	write_terms(w, m);
	write_classes(w, &c->fits->quality[i]);
	json_writer__end_object(w);
}

int calibrated__print_json(const struct calibrated *c, FILE *f)
{
	struct json_writer w;
	size_t i;

	json_writer__init(&w, f, 4);
	json_writer__begin_object(&w);
	json_writer__put_string(&w, "schema", "tokprof.calibrate/1");
	write_server(&w, c);
	write_sweep(&w, c);
	json_writer__put_array(&w, "fits");
	for (i = 0; i < c->fits->n; i++)
		write_fit(&w, c, i);
	json_writer__end_array(&w);
	json_writer__put_string(&w, "stored", c->stored);
	json_writer__put_string(&w, "recording", c->kept);
	json_writer__end_object(&w);
	return json_writer__finish(&w);
}
