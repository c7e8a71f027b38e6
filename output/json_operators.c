/* SPDX-License-Identifier: Apache-2.0 */
#include "output/json_operators.h"

#include "userspace/analysis/facts.h"
#include "userspace/analysis/operators.h"

static void put_mixes(struct json_writer *w, const struct operator_split *s)
{
	json_writer__put_array(w, "steps");
	for (int m = 0; m < N_MIXES; m++) {
		const struct operator_mix *mix = &s->mixes[m];

		if (mix->n_steps == 0)
			continue;
		json_writer__begin_object(w);
		json_writer__put_string(w, "rows", step_mix__name(m));
		json_writer__put_integer(w, "n_steps", mix->n_steps);
		json_writer__put_integer(w, "n_probed", mix->n_probed);
		json_writer__put_integer(w, "total", mix->total);
		json_writer__end_object(w);
	}
	json_writer__end_array(w);
}

static void put_part(struct json_writer *w, const struct operator_split *s, const struct operator_part *part,
		     bool layers)
{
	json_writer__begin_object(w);
	if (layers)
		json_writer__put_optional(w, "layer", part->layer >= 0 ? part->layer : ABSENT);
	json_writer__put_string(w, "name", part->name);
	json_writer__put_integer(w, "n_nodes", part->n_nodes);
	json_writer__put_object(w, "by_rows");
	for (int m = 0; m < N_MIXES; m++)
		if (s->mixes[m].n_steps > 0)
			json_writer__put_optional(w, step_mix__name(m), part->value[m]);
	json_writer__end_object(w);
	json_writer__put_integer(w, "total", part->total);
	json_writer__put_optional(w, "low", part->low);
	json_writer__put_optional(w, "high", part->high);
	json_writer__end_object(w);
}

static void put_sampling(struct json_writer *w, const struct operator_split *s)
{
	json_writer__put_object(w, "sampling");
	json_writer__put_integer(w, "n_timed", s->n_sampled);
	json_writer__put_optional(w, "total", s->sampling);
	json_writer__put_optional(w, "low", s->sampling_low);
	json_writer__put_optional(w, "high", s->sampling_high);
	json_writer__end_object(w);
}

int json_operators__put(struct json_writer *w, const struct ledger *l, enum report_by by)
{
	const bool layers = by == BY_LAYER;
	struct operator_split s;
	int rc = operator_split__build(&s, l->timeline, layers ? SPLIT_BY_LAYER : SPLIT_BY_OPERATOR);

	if (rc < 0)
		return rc;
	json_writer__put_object(w, layers ? "layers" : "operators");
	json_writer__put_string(w, "resource", s.resource);
	json_writer__put_string(w, "grade", grade__name(s.n_parts ? GRADE_DERIVED : GRADE_UNAVAILABLE));
	json_writer__put_string(w, "reason", s.reason[0] ? s.reason : NULL);
	json_writer__put_integer(w, "total", s.total);
	json_writer__put_integer(w, "not_split", s.n_parts ? s.not_split : s.total);
	put_mixes(w, &s);
	json_writer__put_array(w, "parts");
	for (size_t i = 0; i < s.n_parts; i++)
		put_part(w, &s, &s.parts[i], layers);
	json_writer__end_array(w);
	put_sampling(w, &s);
	json_writer__end_object(w);
	operator_split__free(&s);
	return 0;
}
