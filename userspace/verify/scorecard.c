/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/scorecard.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/facts.h"
#include "userspace/recording_strings.h"
#include "userspace/verify/scorecard_intervals.h"

#define MAX_TEXT 512
#define PARTS 10000

/* --------------------------------------------------------------------------------------------------------- distributions --- */

static int64_t mean_of(const int64_t *values, int64_t n, bool down)
{
	__int128 sum = 0;

	for (int64_t i = 0; i < n; i++)
		sum += values[i];
	return (int64_t)(down ? sum / n : (2 * sum + n) / (2 * (__int128)n));
}

/* What p asks for may lie between two values, and the position does not fit 64 bits after rounding errors: whole numbers. */
static int64_t linear_of(const int64_t *values, int64_t n, int per_10000)
{
	const __int128 at = (__int128)(n - 1) * per_10000;
	const int64_t k = (int64_t)(at / PARTS), rest = (int64_t)(at % PARTS);

	if (rest == 0)
		return values[k];
	return values[k] + scorecard__ratio(values[k + 1] - values[k], rest, PARTS);
}

static int64_t rank_of(const int64_t *values, int64_t n, int per_10000)
{
	const int64_t k = (int64_t)((__int128)n * per_10000 / PARTS);

	return values[k < n ? k : n - 1];
}

static int64_t statistic_of(const struct scorecard_metric *m, const int64_t *values, int64_t n)
{
	switch (m->statistic) {
	case STAT_MEAN:
	case STAT_MEAN_DOWN:
		return mean_of(values, n, m->statistic == STAT_MEAN_DOWN);
	case STAT_MIN:
		return values[0];
	case STAT_MAX:
		return values[n - 1];
	case STAT_RANK:
		return rank_of(values, n, m->per_10000);
	default:
		return linear_of(values, n, m->per_10000);
	}
}

static const char *why_no_values(const struct scorecard_samples *s, int64_t left_out)
{
	if (s->n_by_outcome[OUTCOME_SUCCEEDED] == 0)
		return left_out ? "no request for text that succeeded was seen whole" : "no request for text succeeded";
	return left_out ? "it is not known of any request for sure" :
			  "no request has it: it takes a stream, and of paces more than one token";
}

/* The same statistic under another name has the same interval, which takes longer to find than all else. */
static const struct scorecard_figure *find_same(const struct scorecard *out, size_t at)
{
	const struct scorecard_metric *m = &scorecard_metrics[at];

	for (size_t i = 0; i < at; i++)
		if (scorecard_metrics[i].quantity == m->quantity && scorecard_metrics[i].statistic == m->statistic &&
		    scorecard_metrics[i].per_10000 == m->per_10000)
			return &out->figures[i];
	return NULL;
}

static int fill_value(struct scorecard *out, const struct scorecard_samples *s, size_t at, int64_t n, int64_t left_out)
{
	const struct scorecard_metric *m = &scorecard_metrics[at];
	const struct scorecard_figure *same = find_same(out, at);
	struct scorecard_figure *f = &out->figures[at];

	if (same) {
		*f = *same;
		return 0;
	}
	*f = (struct scorecard_figure){
		.value = ABSENT, .low = ABSENT, .high = ABSENT, .n = n, .n_left_out = left_out
	};
	if (n == 0) {
		f->why = why_no_values(s, left_out);
		return 0;
	}
	f->value = statistic_of(m, s->values, n);
	f->grade = scorecard_samples__grade(s, m->quantity);
	return scorecard_interval__of_values(f, m, s, out->texts);
}

static int fill_values(struct scorecard *out, struct scorecard_samples *s)
{
	int err = 0;

	for (int q = QUANTITY_NONE + 1; q < N_QUANTITIES; q++) {
		int64_t left_out;
		const int64_t n = scorecard_samples__gather(s, (enum quantity)q, &left_out);

		for (size_t i = 0; i < n_scorecard_metrics && !err; i++)
			if (scorecard_metrics[i].quantity == (enum quantity)q)
				err = fill_value(out, s, i, n, left_out);
	}
	return err;
}

static int fill_wholes(struct scorecard *out, const struct scorecard_samples *s)
{
	struct scorecard_figure wholes[N_WHOLES];
	int err = 0;

	for (int i = 0; i < N_WHOLES && !err; i++) {
		wholes[i] = (struct scorecard_figure){ .value = ABSENT, .low = ABSENT, .high = ABSENT };
		err = scorecard_whole__fill(&wholes[i], (enum whole)i, s, out->texts);
		if (!err)
			err = scorecard_interval__of_whole(&wholes[i], (enum whole)i, s, out->texts);
		if (wholes[i].value == ABSENT)
			wholes[i].grade = GRADE_UNAVAILABLE;
		if (wholes[i].value == ABSENT && !wholes[i].why)
			wholes[i].why = "it is beyond any figure";
	}
	for (size_t i = 0; i < n_scorecard_metrics && !err; i++)
		if (scorecard_metrics[i].quantity == QUANTITY_NONE)
			out->figures[i] = wholes[scorecard_metrics[i].whole];
	return err;
}

/* ------------------------------------------------------------------------------------------------------------ conditions --- */

static int keep(struct scorecard *out, enum condition c, const char *text)
{
	if (!text || !text[0])
		return 0;
	out->conditions[c] = strings__keep(out->texts, text, strlen(text));
	return out->conditions[c] ? 0 : -ENOMEM;
}

static int fill_conditions(struct scorecard *out, const struct recording *r)
{
	const struct row_engine *engine = recording__engine(r);
	const struct row_model *model = recording__model(r);
	const char *version = recording__meta(r, "tokprof_version");
	char engine_text[MAX_TEXT] = "", model_text[MAX_TEXT] = "", version_text[MAX_TEXT] = "";
	int err;

	if (engine && engine->name)
		snprintf(engine_text, sizeof(engine_text), "%s%s%s", engine->name, engine->version ? " " : "",
			 engine->version ? engine->version : "");
	if (model && model->name)
		snprintf(model_text, sizeof(model_text), "%s%s%s", model->name, model->quantization ? ", " : "",
			 model->quantization ? model->quantization : "");
	if (version)
		snprintf(version_text, sizeof(version_text), "tokprof %s", version);
	err = keep(out, CONDITION_HOST, recording__meta(r, "host"));
	if (!err)
		err = keep(out, CONDITION_CPU, recording__meta(r, "cpu_model"));
	if (!err)
		err = keep(out, CONDITION_KERNEL, recording__meta(r, "kernel"));
	if (!err)
		err = keep(out, CONDITION_ENGINE, engine_text);
	if (!err)
		err = keep(out, CONDITION_MODEL, model_text);
	if (!err)
		err = keep(out, CONDITION_WEIGHTS, model ? model->digest : NULL);
	return err ? err : keep(out, CONDITION_VERSION, version_text);
}

static void add_lost(void *ctx, const char *collector, int64_t n)
{
	struct scorecard *out = ctx;

	(void)collector;
	out->n_lost += n;
}

static int fill_identity(struct scorecard *out, const struct recording *r)
{
	const char *id = recording__meta(r, "id");

	out->id = id ? strings__keep(out->texts, id, strlen(id)) : "";
	out->start_unix_ns = recording__start_unix_ns(r);
	out->duration_ns = (int64_t)(recording__end_ns(r) - recording__start_ns(r));
	out->complete = recording__complete(r);
	recording__each_loss(r, add_lost, out);
	return out->id ? fill_conditions(out, r) : -ENOMEM;
}

int scorecard__build(struct scorecard *out, const char *path, const struct verify_input *in,
		     const struct verification *v)
{
	struct scorecard_samples samples;
	int err;

	memset(out, 0, sizeof(*out));
	out->path = path;
	out->texts = strings__new();
	out->figures = array__zeroed(n_scorecard_metrics, sizeof(*out->figures));
	err = out->texts && out->figures ? fill_identity(out, in->recording) : -ENOMEM;
	if (!err)
		err = scorecard_samples__open(&samples, in, v);
	if (!err) {
		err = fill_values(out, &samples);
		if (!err)
			err = fill_wholes(out, &samples);
		scorecard_samples__close(&samples);
	}
	if (err)
		scorecard__free(out);
	return err;
}

void scorecard__free(struct scorecard *s)
{
	if (!s)
		return;
	strings__free(s->texts);
	free(s->figures);
	memset(s, 0, sizeof(*s));
}

enum grade scorecard__grade(const struct scorecard *s, enum scorecard_part part)
{
	enum grade weakest = GRADE_UNAVAILABLE;

	for (size_t i = 0; i < n_scorecard_metrics; i++) {
		const struct scorecard_figure *f = &s->figures[i];

		if (scorecard_metrics[i].part == part && f->value != ABSENT &&
		    (weakest == GRADE_UNAVAILABLE || f->grade < weakest))
			weakest = f->grade;
	}
	return weakest;
}

/* ------------------------------------------------------------------------------------------------------------ comparison --- */

static double squared(int64_t a, int64_t b)
{
	return (double)(a - b) * (double)(a - b);
}

/*
 * Of the difference of two figures of independent recordings, from the interval of each: the variance that each end tells is added up.
 *
 * Source: the method of variance estimates recovery, Zou and Donner 2008.
 */
static void put_interval(struct scorecard_change *out, const struct scorecard_figure *a,
			 const struct scorecard_figure *b, int scale)
{
	const double change = (double)(b->value - a->value);
	double low, high;

	if (a->low == ABSENT || a->high == ABSENT || b->low == ABSENT || b->high == ABSENT)
		return;
	low = change - sqrt(squared(b->value, b->low) + squared(a->high, a->value));
	high = change + sqrt(squared(b->high, b->value) + squared(a->value, a->low));
	out->has_interval = true;
	out->low = (struct decimal){ .digits = (int64_t)floor(low), .scale = scale };
	out->high = (struct decimal){ .digits = (int64_t)ceil(high), .scale = scale };
	out->is_more_than_chance = out->low.digits > 0 || out->high.digits < 0;
}

void scorecard__compare(struct scorecard_change *out, const struct scorecard *from, const struct scorecard *to,
			size_t metric)
{
	const struct scorecard_figure *a = &from->figures[metric], *b = &to->figures[metric];
	const struct decimal x = { .digits = a->value, .scale = scorecard_metrics[metric].scale };
	const struct decimal y = { .digits = b->value, .scale = scorecard_metrics[metric].scale };
	const char *unit_a = a->unit ? a->unit : "", *unit_b = b->unit ? b->unit : "";

	memset(out, 0, sizeof(*out));
	if (a->value == ABSENT || b->value == ABSENT || a->at_least || b->at_least || strcmp(unit_a, unit_b) != 0)
		return;
	out->known = decimal__subtract(&out->change, &y, &x) == 0;
	if (out->known)
		put_interval(out, a, b, scorecard_metrics[metric].scale);
	/* Change of whole numbers of the unit's last digit: its scale falls out of the ratio. */
	if (out->known && a->value > 0) {
		const struct decimal percent = { .digits = (__int128)(b->value - a->value) * 100, .scale = 0 };

		out->has_percent = decimal__ratio(&out->percent, &percent, 1, a->value, 2, ROUND_HALF_UP) == 0;
	}
}

bool scorecard__same_condition(const struct scorecard *a, const struct scorecard *b, enum condition c)
{
	return !a->conditions[c] || !b->conditions[c] || strcmp(a->conditions[c], b->conditions[c]) == 0;
}
