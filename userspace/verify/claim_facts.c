/* SPDX-License-Identifier: Apache-2.0 */
/* Claims that are facts, as far as a recording has them: the name on the wire, the longest context, drafts, the processor, the header
 * of the weight file. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "bpf/records.h"
#include "userspace/analysis/facts.h"
#include "userspace/verify/judge.h"
#include "userspace/verify/plausibility.h"

#define WEIGHT_FILE ".gguf"
/* A number format that takes less than this of the claimed one's bits is another one. */
#define SAME_BITS 0.9
/* Names of models are rounded freely ("7B" of 6.7 to 8.5 billion): beyond this it is another size. */
#define OTHER_SIZE 0.25

/* --------------------------------------------------------------------------------------------------------------- model --- */

struct names {
	size_t n_same, n_silent, n_elsewhere;	/* named so; not named; somebody asked for another one and got it */
	const char *other;		/* a name that nobody had asked for */
	size_t n_other;
	const char *longer;		/* one with the claimed name in it */
	size_t n_longer;
};

/* Servers that were told no name call a model by its file. */
static bool is_name(const char *answer, const char *claimed)
{
	const char *slash = strrchr(answer, '/'), *base = slash ? slash + 1 : answer;
	const size_t n = strlen(claimed);

	return strcmp(answer, claimed) == 0 ||
	       (strncmp(base, claimed, n) == 0 && (base[n] == 0 || strcmp(base + n, WEIGHT_FILE) == 0));
}

static int look_at(struct judgement *j, struct names *n, const struct row_request *q)
{
	const char *claimed = j->claim->text;

	if (!q->response_model)
		n->n_silent++;
	else if (is_name(q->response_model, claimed))
		n->n_same++;
	else if (q->model && strcmp(q->model, q->response_model) == 0)
		n->n_elsewhere++;
	else if (plausibility__mentions(q->response_model, claimed)) {
		n->longer = n->longer ? n->longer : q->response_model;
		n->n_longer++;
		return judgement__evidence(j, q->id);
	} else {
		n->other = n->other ? n->other : q->response_model;
		n->n_other++;
		return judgement__evidence(j, q->id);
	}
	return 0;
}

int judge_model(struct judgement *j)
{
	const struct recording *r = j->in->recording;
	struct names n = { 0 };
	int err = 0;

	j->check->rule =
		"every answer names the claimed model; those to requests that asked for another one by its name, and "
		"got it, left out. A path counts as its file's name. It is the name on the wire, which says nothing of "
		"the weights";
	for (uint32_t i = 0; i < r->n_requests && !err; i++)
		if (claim__is_of_model(j, i))
			err = look_at(j, &n, &r->requests[i]);
	if (err)
		return err;
	j->check->measured = n.other ? n.other : n.n_same ? j->claim->text : NULL;
	if (n.n_other)
		return judgement__decide(j, VERDICT_REFUTED, GRADE_SELF_REPORTED, "%s is named by %zu of the answers",
					 n.other, n.n_other);
	if (n.n_longer) {
		j->check->measured = n.longer;
		return judgement__leave_open(
			j,
			"%zu of the answers name %s: whether that is the claimed model, a name does "
			"not tell",
			n.n_longer, n.longer);
	}
	if (n.n_same)
		return judgement__decide(j, VERDICT_CONFIRMED, GRADE_SELF_REPORTED,
					 "named by %zu answers; %zu name no model, %zu another one that was asked for",
					 n.n_same, n.n_silent, n.n_elsewhere);
	return judgement__leave_open(j, n.n_elsewhere ? "nobody asked for it: answers name the other models that were "
							"asked for" :
							"no answer names a model");
}

/* ------------------------------------------------------------------------------------------------------------- context --- */

int judge_context(struct judgement *j)
{
	const struct timeline *t = j->in->timeline;
	int64_t longest = 0, request = ABSENT;

	j->check->unit = "tokens";
	j->check->rule = "a recorded step went over a context as long as the claimed one";
	for (size_t i = 0; i < t->n_rows; i++) {
		const struct timeline_row *row = &t->rows[i];
		const int64_t length = (int64_t)row->first_pos + row->n_tokens;

		if (row->run == RUN_NONE || !row->counted || row->phase == PHASE_DRAFT || length <= longest ||
		    t->runs[row->run].request == REQUEST_NONE || !claim__is_of_model(j, t->runs[row->run].request))
			continue;
		longest = length;
		request = j->in->recording->requests[t->runs[row->run].request].id;
	}
	if (request == ABSENT)
		return judgement__leave_open(j, "no step of a request was recorded with its context");
	j->check->low = verification__integer(j->v, longest);
	j->check->grade = GRADE_SELF_REPORTED;
	if (!j->check->low || judgement__evidence(j, request))
		return -ENOMEM;
	if ((double)longest >= j->claim->value)
		return judgement__decide(j, VERDICT_CONFIRMED, GRADE_SELF_REPORTED, "one had %" PRId64 " tokens",
					 longest);
	return judgement__leave_open(
		j, "the longest that anybody asked for had %" PRId64 " tokens: record a request as long as the claim",
		longest);
}

/* --------------------------------------------------------------------------------------------------------- speculation --- */

int judge_speculation(struct judgement *j)
{
	const struct recording *r = j->in->recording;
	const bool claimed = j->claim->value != 0;
	size_t n_drafts = 0, n_steps = 0, n_unknown = 0;
	int err = 0;

	j->check->rule = "drafted tokens are in recorded steps, or in none";
	for (size_t i = 0; i < j->in->timeline->n_rows; i++) {
		const struct timeline_row *row = &j->in->timeline->rows[i];

		n_drafts += row->phase == PHASE_DRAFT || row->phase == PHASE_VERIFY;
		n_steps += row->phase == PHASE_DECODE;
		n_unknown += row->run == RUN_NONE;
	}
	for (uint32_t i = 0; i < r->n_requests && !err && n_drafts; i++)
		if (j->in->timeline->requests[i].draft_tokens > 0)
			err = judgement__evidence(j, r->requests[i].id);
	if (err)
		return err;
	if (n_drafts) {
		j->check->measured = "yes";
		return judgement__decide(j, claimed ? VERDICT_CONFIRMED : VERDICT_REFUTED, GRADE_SELF_REPORTED,
					 "%zu rows of recorded steps are of drafted tokens", n_drafts);
	}
	if (n_steps == 0)
		return judgement__leave_open(j, "no token was generated in the recording");
	if (n_unknown || j->scope->engine_lost)
		return judgement__leave_open(j, "steps were lost, or their rows could not be read");
	if (claimed)
		return judgement__leave_open(
			j,
			"no drafted token in %zu rows that generated one: drafts may be in use where the "
			"text is easier to guess",
			n_steps);
	j->check->measured = "no";
	return judgement__decide(j, VERDICT_CONFIRMED, GRADE_SELF_REPORTED,
				 "no drafted token in %zu rows that generated one", n_steps);
}

/* ------------------------------------------------------------------------------------------------------------ hardware --- */

int judge_hardware(struct judgement *j)
{
	const char *cpu = recording__meta(j->in->recording, "cpu_model");
	struct device device;

	j->check->rule = "the processor's name, as the kernel of the recorded host has it, contains the claimed one";
	j->check->measured = cpu;
	if (devices__find(&device, j->claim->text) == 0)
		return judgement__leave_open(j,
					     "the recording has no account of what computed on %s; the processor is %s",
					     device.name, cpu ? cpu : "not known");
	if (!cpu)
		return judgement__leave_open(j, "the recording does not name the processor");
	if (j->claim->n_devices != 1)
		return judgement__leave_open(j, "how many of them there are, the recording does not tell");
	if (plausibility__mentions(cpu, j->claim->text))
		return judgement__decide(j, VERDICT_CONFIRMED, GRADE_MEASURED, "the recorded host's processor is %s",
					 cpu);
	return judgement__leave_open(
		j,
		"the recorded host's processor is %s; whether something else of that name computed, "
		"the recording does not tell",
		cpu);
}

/* --------------------------------------------------------------------------------------------- header of the weight file --- */

static const struct row_model *header(struct judgement *j)
{
	const struct row_model *m = recording__model(j->in->recording);

	return m && m->n_params != ABSENT && m->weight_bytes != ABSENT && m->n_params > 0 ? m : NULL;
}

static int no_header(struct judgement *j)
{
	const struct row_model *m = recording__model(j->in->recording);

	return judgement__leave_open(j, "the header of no weight file was read%s%s", m && m->header_error ? ": " : "",
				     m && m->header_error ? m->header_error : "");
}

int judge_parameters(struct judgement *j)
{
	const struct row_model *m = header(j);
	const double claimed = j->claim->value, seen = m ? (double)m->n_params : NAN;

	j->check->unit = "parameters";
	j->check->rule = "parameters by the header of the largest weight file that the server has mapped, within one "
			 "unit of the "
			 "last digit of the claim; another size is one that is off by more than 25 %";
	if (!m)
		return no_header(j);
	j->check->measured = verification__integer(j->v, m->n_params);
	j->check->grade = GRADE_SELF_REPORTED;
	if (fabs(seen - claimed) <= j->claim->step)
		return judgement__decide(j, VERDICT_CONFIRMED, GRADE_SELF_REPORTED, "%s has %" PRId64,
					 m->name ? m->name : "it", m->n_params);
	if (fabs(seen - claimed) > OTHER_SIZE * claimed)
		return judgement__decide(j, VERDICT_REFUTED, GRADE_SELF_REPORTED, "%s has %" PRId64,
					 m->name ? m->name : "it", m->n_params);
	return judgement__leave_open(j,
				     "%s has %" PRId64
				     ": near the claimed size, but not it; names of models are rounded "
				     "freely",
				     m->name ? m->name : "it", m->n_params);
}

int judge_precision(struct judgement *j)
{
	const struct row_model *m = header(j);
	const double claimed = precision__bits(j->claim->text),
		     seen = m ? 8 * (double)m->weight_bytes / (double)m->n_params : NAN;

	j->check->rule =
		"number format of most weights by the header of the largest weight file that the server has mapped; "
		"another one is one with less than 90 % of the claimed bits per weight";
	if (!m)
		return no_header(j);
	j->check->measured = m->quantization;
	j->check->grade = GRADE_SELF_REPORTED;
	if (m->quantization && strcasecmp(m->quantization, j->claim->text) == 0)
		return judgement__decide(j, VERDICT_CONFIRMED, GRADE_SELF_REPORTED, "%s bits per weight",
					 claim__figure(j->v, seen));
	if (isnan(claimed))
		return judgement__leave_open(j, "%s is no number format that is known; the file has %s bits per weight",
					     j->claim->text, claim__figure(j->v, seen));
	if (seen < SAME_BITS * claimed)
		return judgement__decide(j, VERDICT_REFUTED, GRADE_SELF_REPORTED,
					 "%s bits per weight; the claimed format has %s", claim__figure(j->v, seen),
					 claim__figure(j->v, claimed));
	return judgement__leave_open(j, "another name, but no fewer bits: %s per weight, the claimed format has %s",
				     claim__figure(j->v, seen), claim__figure(j->v, claimed));
}
