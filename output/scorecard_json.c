/* SPDX-License-Identifier: Apache-2.0 */
/* Whole numbers are JSON numbers, every other figure is its exact decimal text; null where there is none. */
#include <errno.h>
#include <string.h>

#include "output/scorecard.h"
#include "userspace/analysis/facts.h"

#define SCHEMA "tokprof.scorecard/1"

static void put_value(struct json_writer *w, const struct scorecard_metric *m, const struct scorecard_figure *f)
{
	json_writer__key(w, "value");
	if (f->value == ABSENT || f->at_least)
		json_writer__null(w);
	else if (m->scale)
		json_writer__string(w, scorecard__exact(m, f).s);
	else
		json_writer__integer(w, f->value);
}

static void put_end(struct json_writer *w, const struct scorecard_metric *m, const char *name, int64_t end)
{
	json_writer__key(w, name);
	if (end == ABSENT)
		json_writer__null(w);
	else if (m->scale)
		json_writer__string(w, scorecard__exact_end(m, end).s);
	else
		json_writer__integer(w, end);
}

/* Of a figure that is a bound: its lower end. */
static void put_interval(struct json_writer *w, const struct scorecard_metric *m, const struct scorecard_figure *f)
{
	put_end(w, m, "low", f->at_least ? f->value : f->low);
	put_end(w, m, "high", f->at_least ? ABSENT : f->high);
	json_writer__put_string(w, "no_interval", f->at_least ? NULL : f->no_interval);
}

static void put_figure(struct json_writer *w, size_t i, const struct scorecard_figure *f)
{
	const struct scorecard_metric *m = &scorecard_metrics[i];

	json_writer__begin_object(w);
	if (m->group)
		json_writer__put_string(w, "group", m->group);
	json_writer__put_string(w, "id", m->id);
	json_writer__put_string(w, "name", m->name);
	put_value(w, m, f);
	put_interval(w, m, f);
	json_writer__put_string(w, "unit", f->unit ? f->unit : m->unit);
	json_writer__put_string(w, "grade", grade__name((int)f->grade));
	json_writer__put_integer(w, "n", f->n);
	json_writer__put_integer(w, "left_out", f->n_left_out);
	json_writer__put_string(w, "better", m->better > 0 ? "higher" : m->better < 0 ? "lower" : NULL);
	json_writer__put_string(w, "definition", m->definition);
	json_writer__put_string(w, "reason", f->why);
	json_writer__end_object(w);
}

static void put_part(struct json_writer *w, const struct scorecard *s, enum scorecard_part part)
{
	json_writer__begin_object(w);
	json_writer__put_string(w, "id", scorecard_parts[part].id);
	json_writer__put_string(w, "title", scorecard_parts[part].title);
	json_writer__put_string(w, "definition", scorecard_parts[part].definition);
	json_writer__put_string(w, "grade", grade__name((int)scorecard__grade(s, part)));
	json_writer__put_array(w, "figures");
	for (size_t i = 0; i < n_scorecard_metrics; i++)
		if (scorecard_metrics[i].part == part)
			put_figure(w, i, &s->figures[i]);
	json_writer__end_array(w);
	json_writer__end_object(w);
}

void scorecard_json__put(struct json_writer *w, const struct scorecard *s)
{
	json_writer__begin_object(w);
	json_writer__put_string(w, "recording", s->id);
	json_writer__put_optional(w, "start_unix_ns", s->start_unix_ns);
	json_writer__put_integer(w, "duration_ns", s->duration_ns);
	json_writer__put_bool(w, "complete", s->complete);
	json_writer__put_integer(w, "records_lost", s->n_lost);
	json_writer__put_object(w, "conditions");
	for (int c = 0; c < N_CONDITIONS; c++)
		json_writer__put_string(w, condition_names[c], s->conditions[c]);
	json_writer__end_object(w);
	json_writer__put_array(w, "dimensions");
	for (int part = 0; part < N_DIMENSIONS; part++)
		put_part(w, s, (enum scorecard_part)part);
	json_writer__end_array(w);
	for (int part = N_DIMENSIONS; part < N_PARTS; part++) {
		json_writer__key(w, scorecard_parts[part].id);
		put_part(w, s, (enum scorecard_part)part);
	}
	json_writer__end_object(w);
}

static void put_change(struct json_writer *w, const struct scorecard *cards, size_t to, size_t metric)
{
	const struct scorecard_metric *m = &scorecard_metrics[metric];
	struct scorecard_change c;
	char text[DECIMAL_TEXT];

	scorecard__compare(&c, &cards[0], &cards[to], metric);
	json_writer__begin_object(w);
	json_writer__put_string(w, "part", scorecard_parts[m->part].id);
	if (m->group)
		json_writer__put_string(w, "group", m->group);
	json_writer__put_string(w, "id", m->id);
	json_writer__put_integer(w, "from", 0);
	json_writer__put_integer(w, "to", (int64_t)to);
	json_writer__key(w, "change");
	if (!c.known) {
		json_writer__null(w);
	} else if (m->scale) {
		decimal__format(&c.change, text);
		json_writer__string(w, text);
	} else {
		json_writer__integer(w, (int64_t)c.change.digits);
	}
	json_writer__key(w, "percent");
	if (c.has_percent)
		decimal__format(&c.percent, text);
	json_writer__string(w, c.has_percent ? text : NULL);
	put_end(w, m, "low", c.has_interval ? (int64_t)c.low.digits : ABSENT);
	put_end(w, m, "high", c.has_interval ? (int64_t)c.high.digits : ABSENT);
	json_writer__key(w, "more_than_chance");
	if (c.has_interval)
		json_writer__bool(w, c.is_more_than_chance);
	else
		json_writer__null(w);
	json_writer__end_object(w);
}

int scorecard_json__compare(FILE *f, const struct scorecard *cards, size_t n,
			    const struct verify_output_options *options)
{
	struct json_writer w;

	(void)options;
	json_writer__init(&w, f, 2);
	json_writer__begin_object(&w);
	json_writer__put_string(&w, "schema", SCHEMA);
	json_writer__put_array(&w, "recordings");
	for (size_t i = 0; i < n; i++)
		scorecard_json__put(&w, &cards[i]);
	json_writer__end_array(&w);
	json_writer__put_array(&w, "differing_conditions");
	for (int c = 0; c < N_CONDITIONS; c++) {
		bool same = true;

		for (size_t i = 1; i < n; i++)
			same &= scorecard__same_condition(&cards[0], &cards[i], (enum condition)c);
		if (!same)
			json_writer__string(&w, condition_names[c]);
	}
	json_writer__end_array(&w);
	json_writer__put_array(&w, "changes");
	for (size_t i = 1; i < n; i++)
		for (size_t k = 0; k < n_scorecard_metrics; k++)
			put_change(&w, cards, i, k);
	json_writer__end_array(&w);
	json_writer__end_object(&w);
	return json_writer__finish(&w);
}
