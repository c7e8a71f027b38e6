/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims about what was served: model, parameters, precision, context, speculation, hardware. Each is put to the four kinds of
 * evidence of identity.h; one that says no refutes, yes by the files (and nothing against it) confirms, anything less is open.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "userspace/verify/identity_claims.h"
#include "userspace/verify/identity_touched.h"

/* --- the verdict ------------------------------------------------------------------------------------------------------ */

static const char *join(struct verification *v, const struct claimed *c, enum testimony says, const char *label)
{
	const char *out = "";

	for (int i = 0; i < N_EVIDENCE_KINDS && out; i++)
		if (c->by[i].says == says)
			out = verification__text(v, "%s%s%s", out, out[0] ? "; " : label, c->by[i].text);
	return out ? out : "";
}

static bool anybody(const struct claimed *c, enum testimony says)
{
	for (int i = 0; i < N_EVIDENCE_KINDS; i++)
		if (c->by[i].says == says)
			return true;
	return false;
}

/* A claim of one model, where others were served: files, memory and steps are of the whole server. NULL: of no other */
static const char *of_others(struct verification *v, const struct claimed *c, const struct identity *id)
{
	const struct recording *r = id->in->recording;
	int64_t n = 0, n_other = 0;

	for (size_t i = 0; i < r->n_requests && c->claim->model; i++) {
		const struct row_request *q = &r->requests[i];
		const char *name = q->response_model ? q->response_model : q->model;

		if (!name || q->status >= 400)
			continue;
		n += strcmp(name, c->claim->model) == 0;
		n_other += strcmp(name, c->claim->model) != 0;
	}
	if (!c->claim->model || (n && !n_other))
		return NULL;
	if (n && c->by[EVIDENCE_FILES].says == SAYS_NO)
		return NULL;
	return n ? verification__text(v,
				      "answers of '%s': %" PRId64 ", of others: %" PRId64
				      "; which of what follows is of it, cannot be told. ",
				      c->claim->model, n, n_other) :
		   verification__text(v, "no answer is of '%s', which the claim is of. ", c->claim->model);
}

static enum verdict verdict_of(const struct claimed *c, const struct identity *id)
{
	const bool named = c->claim->metric != CLAIM_MODEL || c->by[EVIDENCE_WORDS].says == SAYS_YES;

	if (id->lost)
		return VERDICT_INCONCLUSIVE;
	if (anybody(c, SAYS_NO))
		return VERDICT_REFUTED;
	return c->by[EVIDENCE_FILES].says == SAYS_YES && named ? VERDICT_CONFIRMED : VERDICT_INCONCLUSIVE;
}

/* How much the figure rests on what the server could not make up. */
static enum grade grade_of(const struct claimed *c)
{
	if (c->by[EVIDENCE_FILES].says == SAYS_NOTHING && !anybody(c, SAYS_NO))
		return GRADE_UNAVAILABLE;
	if (c->grade)
		return c->grade;
	if (c->claim->metric == CLAIM_SPECULATION || c->claim->metric == CLAIM_HARDWARE)
		return GRADE_MEASURED;
	return c->by[EVIDENCE_MEMORY].says == SAYS_YES || c->by[EVIDENCE_MEMORY].says == SAYS_NO ? GRADE_MEASURED :
												   GRADE_SELF_REPORTED;
}

static int put(struct verification *v, const struct identity *id, const struct claimed *c, const char *check_id)
{
	const char *others = of_others(v, c, id);
	struct check *check = verification__add(v, check_id, "%s", c->claim->id);

	if (!check)
		return -ENOMEM;
	check->claim_line = c->claim->line;
	check->verdict = others ? VERDICT_INCONCLUSIVE : verdict_of(c, id);
	check->grade = grade_of(c);
	check->claimed = c->claimed;
	check->measured = c->measured ? verification__text(v, "%s", c->measured) : NULL;
	check->unit = c->unit;
	check->rule = c->rule;
	check->text = verification__text(
		v, "%s%s%s%s%s%s", others ? others : "",
		id->lost ? "records of the engine were lost: steps of another model may be "
			   "among them. " :
			   "",
		join(v, c, SAYS_NO, "Against it: "),
		join(v, c, SAYS_YES, anybody(c, SAYS_NO) ? ". For it: " : "For it: "),
		join(v, c, SAYS_OPEN,
		     anybody(c, SAYS_NO) || anybody(c, SAYS_YES) ? ". Cannot tell: " : "Cannot tell: "),
		join(v, c, SAYS_NOTHING,
		     anybody(c, SAYS_NO) || anybody(c, SAYS_YES) || anybody(c, SAYS_OPEN) ? ". Not available: " :
											    "Not available: "));
	if (!check->text)
		return -ENOMEM;
	if (c->evidence != ABSENT && verification__evidence(v, check, c->evidence))
		return -ENOMEM;
	return 0;
}

static const struct {
	enum claim_metric metric;
	const char *id;
	void (*judge)(struct claimed *c, const struct identity *id, struct verification *v);
} kinds[] = {
	{ CLAIM_MODEL, "identity.model", claimed__model },
	{ CLAIM_PARAMETERS, "identity.parameters", claimed__parameters },
	{ CLAIM_PRECISION, "identity.precision", claimed__precision },
	{ CLAIM_CONTEXT, "identity.context", claimed__context },
	{ CLAIM_SPECULATION, "identity.speculation", claimed__speculation },
	{ CLAIM_HARDWARE, "identity.hardware", claimed__hardware },
};

bool identity__judges(enum claim_metric metric)
{
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		if (kinds[k].metric == metric)
			return true;
	return false;
}

static int judge(struct verification *v, const struct identity *id, const struct claim *claim)
{
	struct claimed c = { .claim = claim, .claimed = NULL, .unit = "", .rule = "", .evidence = ABSENT };

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		if (kinds[k].metric == claim->metric) {
			kinds[k].judge(&c, id, v);
			return v->out_of_memory ? -ENOMEM : put(v, id, &c, kinds[k].id);
		}
	return 0;
}

/* --- without a claim -------------------------------------------------------------------------------------------------- */

static const char *digest_of(const struct recording *r, const struct row_model *m)
{
	for (size_t i = 0; i < r->n_files; i++)
		if (r->files[i].device == m->device && r->files[i].inode == m->inode && r->files[i].sha256)
			return r->files[i].sha256;
	return NULL;
}

static int note_model(struct verification *v, const struct identity *id, const struct row_model *m, const char *role)
{
	const int64_t resident = identity__resident(id, m);
	const char *sha256 = digest_of(id->in->recording, m);
	const char *in_memory =
		resident == ABSENT ? "how much of it is in memory is not known" :
				     verification__text(v, "%.1f of %.1f MB in memory", (double)resident / 1e6,
							m->weight_bytes == ABSENT ? 0 : (double)m->weight_bytes / 1e6);

	if (m->weight_bytes == ABSENT)
		in_memory = "its weights could not be summed up";
	return verification__note(v, "identity.file", "%s: %s (%s)%s%s; %s parameters%s%s; %s%s; SHA-256 %s", role,
				  model__label(m), m->path ? m->path : "path not known",
				  m->arch ? ", architecture " : "", m->arch ? m->arch : "",
				  m->n_params == ABSENT ? "unknown" : verification__integer(v, m->n_params),
				  m->tensor_types ? ", bytes by number format: " : "",
				  m->tensor_types ? m->tensor_types : "", in_memory ? in_memory : "",
				  m == id->candidates[0] ? identity_touched__words(id, v) : "",
				  sha256 ? sha256 : "not taken (record --digest-models)") ?
		       0 :
		       -ENOMEM;
}

static int note_models(struct verification *v, const struct identity *id)
{
	int err = 0;

	for (size_t i = 0; i < id->n_candidates && !err; i++)
		err = note_model(v, id, id->candidates[i],
				 id->n_candidates == 1 ? "the model" : "a model that may have computed");
	if (!err && id->draft)
		err = note_model(v, id, id->draft, "the draft model");
	return err;
}

static int run(struct verification *v, const struct verify_input *in)
{
	struct identity id;
	int err = identity__gather(&id, v, in);

	for (size_t i = 0; in->claims && i < in->claims->n && !err; i++)
		err = judge(v, &id, &in->claims->claims[i]);
	return err ? err : note_models(v, &id);
}

extern const struct check_kind check_identity;
const struct check_kind check_identity = {
	.name = "identity",
	.doc = "claims about what was served: model, parameters, precision, context, speculation, hardware",
	.needs_recording = true,
	.run = run,
};
