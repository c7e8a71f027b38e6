/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schema "tokprof.verify/1": a contract. Whole numbers are JSON numbers, every other figure is its exact decimal text; null where
 * there is none.
 */
#include <errno.h>
#include <stdlib.h>

#include "output/json_writer.h"
#include "output/scorecard.h"
#include "output/verify.h"
#include "userspace/analysis/facts.h"
#include "userspace/version.h"

#define SCHEMA "tokprof.verify/1"

static void put_figure(struct json_writer *w, const char *key, const char *text)
{
	char *end = NULL;
	int64_t value;

	errno = 0;
	value = text ? strtoll(text, &end, 10) : 0;
	if (!text || errno || end == text || *end || (*text != '-' && (*text < '0' || *text > '9')))
		json_writer__put_string(w, key, text);
	else
		json_writer__put_integer(w, key, value);
}

static void put_evidence(struct json_writer *w, const int64_t *ids, size_t n)
{
	json_writer__put_array(w, "evidence");
	for (size_t i = 0; i < n; i++)
		json_writer__integer(w, ids[i]);
	json_writer__end_array(w);
}

static void put_check(struct json_writer *w, const struct check *c)
{
	json_writer__begin_object(w);
	json_writer__put_string(w, "id", c->id);
	json_writer__put_string(w, "subject", c->subject);
	json_writer__put_string(w, "verdict", verdict_names[c->verdict]);
	put_figure(w, "claimed", c->claimed);
	put_figure(w, "measured", c->measured);
	put_figure(w, "low", c->low);
	put_figure(w, "high", c->high);
	json_writer__put_string(w, "unit", c->unit);
	json_writer__put_string(w, "rule", c->rule);
	json_writer__put_string(w, "grade", grade__name((int)c->grade));
	put_evidence(w, c->evidence, c->n_evidence);
	json_writer__put_string(w, "text", c->text);
	json_writer__put_optional(w, "bill_line", c->bill_line ? c->bill_line : ABSENT);
	json_writer__put_optional(w, "claim_line", c->claim_line ? c->claim_line : ABSENT);
	json_writer__end_object(w);
}

static void put_recording(struct json_writer *w, const struct recording *r)
{
	if (!r) {
		json_writer__put_null(w, "recording");
		return;
	}
	json_writer__put_object(w, "recording");
	json_writer__put_string(w, "id", recording__meta(r, "id"));
	json_writer__put_optional(w, "start_unix_ns", recording__start_unix_ns(r));
	json_writer__put_integer(w, "duration_ns", (int64_t)(recording__end_ns(r) - recording__start_ns(r)));
	json_writer__put_bool(w, "complete", recording__complete(r));
	json_writer__end_object(w);
}

/* What another party needs to get the same: names of files are its own. */
static void put_made_of(struct json_writer *w, const struct verify_output_options *options)
{
	json_writer__put_string(w, "made_by", "tokprof " TOKPROF_VERSION);
	json_writer__put_array(w, "made_of");
	for (size_t i = 0; i < options->n_files; i++) {
		const struct verify_file *file = &options->files[i];

		json_writer__begin_object(w);
		json_writer__put_string(w, "file", file->role);
		json_writer__put_string(w, "sha256", file->digest[0] ? file->digest : NULL);
		json_writer__put_string(w, "reason", file->digest[0] ? NULL : file->why);
		json_writer__end_object(w);
	}
	json_writer__end_array(w);
}

static int write_json(FILE *f, const struct verification *v, const struct verify_input *in,
		      const struct verify_output_options *options)
{
	struct json_writer w;

	json_writer__init(&w, f, 2);
	json_writer__begin_object(&w);
	json_writer__put_string(&w, "schema", SCHEMA);
	json_writer__put_string(&w, "verdict", verdict_names[v->verdict]);
	json_writer__put_object(&w, "counts");
	for (int i = VERDICT_CONFIRMED; i <= VERDICT_REFUTED; i++)
		json_writer__put_integer(&w, verdict_names[i], (int64_t)v->n_by_verdict[i]);
	json_writer__end_object(&w);
	put_recording(&w, in->recording);
	put_made_of(&w, options);
	json_writer__put_array(&w, "checks");
	for (size_t i = 0; i < v->n; i++)
		put_check(&w, &v->checks[i]);
	json_writer__end_array(&w);
	json_writer__put_array(&w, "notes");
	for (size_t i = 0; i < v->n_notes; i++) {
		json_writer__begin_object(&w);
		json_writer__put_string(&w, "id", v->notes[i].id);
		json_writer__put_string(&w, "text", v->notes[i].text);
		put_evidence(&w, v->notes[i].evidence, v->notes[i].n_evidence);
		json_writer__end_object(&w);
	}
	json_writer__end_array(&w);
	if (options->scorecard) {
		json_writer__key(&w, "scorecard");
		scorecard_json__put(&w, options->scorecard);
	}
	json_writer__end_object(&w);
	return json_writer__finish(&w);
}

extern const struct verify_output verify_output_json;
const struct verify_output verify_output_json = {
	.name = "json", .names_files = true, .write = write_json, .compare = scorecard_json__compare
};
