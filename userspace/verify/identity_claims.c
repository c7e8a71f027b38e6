/* SPDX-License-Identifier: Apache-2.0 */
/* Claims that the header of the weight file decides: parameters, precision, the model's name. */
#include "userspace/verify/identity_claims.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "userspace/verify/plausibility.h"

struct testimonial testify(enum testimony says, const char *text)
{
	return (struct testimonial){ says, text ? text : "" };
}

const char *figure__whole(struct verification *v, double value)
{
	return value >= 0 && value < 9e18 ? verification__integer(v, (int64_t)llround(value)) : NULL;
}

const char *model__label(const struct row_model *m)
{
	return m->name ? m->name : m->path ? m->path : "a file without a name";
}

/* All candidates must say the same; else it is open. */
static enum testimony agree(const struct identity *id,
			    enum testimony (*says)(const struct row_model *m, const void *ctx), const void *ctx)
{
	enum testimony all = id->n_candidates ? says(id->candidates[0], ctx) : SAYS_NOTHING;

	for (size_t i = 1; i < id->n_candidates; i++)
		if (says(id->candidates[i], ctx) != all)
			all = SAYS_OPEN;
	return id->too_many ? SAYS_OPEN : all;
}

struct testimonial files__say(const struct identity *id, struct verification *v,
			      enum testimony (*says)(const struct row_model *m, const void *ctx), const void *ctx,
			      const char *(*text)(struct verification *v, const struct row_model *m))
{
	const char *words = "";

	if (id->no_model)
		return testify(SAYS_NOTHING, verification__text(v, "files: %s", id->no_model));
	for (size_t i = 0; i < id->n_candidates && words; i++) {
		const char *one = text(v, id->candidates[i]);

		words = one ? verification__text(v, "%s%s%s", words, i ? "; or " : "", one) : NULL;
	}
	return testify(agree(id, says, ctx),
		       verification__text(v, "files: %s%s", words ? words : "",
					  id->n_candidates > 1 ? " (which of them computed, cannot be told)" : ""));
}

/* A file that is there for show is not what was computed with. */
static struct testimonial of_memory(const struct identity *id, struct verification *v, double bytes, bool all_read)
{
	const struct testimonial room = identity__memory_for(id, v, bytes, all_read);
	struct testimonial has;

	if (id->n_candidates != 1)
		return room;
	has = identity__memory_has(id, v, id->candidates[0]);
	if (has.says == SAYS_NO || room.says == SAYS_NO)
		return has.says == SAYS_NO ? has : room;
	/* What was touched says more than what is there. */
	if (room.says == SAYS_YES && has.says != SAYS_NOTHING && id->touched.n_windows)
		return has;
	return !(bytes > 0) || (has.says == SAYS_OPEN && room.says == SAYS_OPEN) ? has : room;
}

/* --- parameters ------------------------------------------------------------------------------------------------------- */

struct size {
	double value, step;
};

static enum testimony has_size(const struct row_model *m, const void *ctx)
{
	const struct size *size = ctx;

	return parameters__agree(m, size->value, size->step);
}

static const char *say_size(struct verification *v, const struct row_model *m)
{
	if (m->n_params == ABSENT)
		return verification__text(v, "%s, whose parameters are not known: %s", model__label(m),
					  m->header_error ? m->header_error : "its header does not say");
	return verification__text(v, "%s has %" PRId64 " parameters (%s)", model__label(m), m->n_params,
				  m->tensor_types ? m->tensor_types : "bytes by format not known");
}

/* Bits of a weight, for what memory a claimed size needs: by the claims, else by the file, else the fewest there are. */
static double bits_of(const struct identity *id, const struct claim *of)
{
	const struct claims *c = id->in->claims;
	const char *ignored;

	for (size_t i = 0; i < c->n; i++)
		if (c->claims[i].metric == CLAIM_PRECISION && !c->claims[i].model == !of->model &&
		    !isnan(precision__bits(c->claims[i].text)))
			return precision__bits(c->claims[i].text);
	if (id->n_candidates == 1 && !isnan(model__bits(id->candidates[0])))
		return model__bits(id->candidates[0]);
	return precision__fewest_bits(&ignored);
}

/* Parameters of every token: embeddings are looked up, so that a tenth less is no lie. */
static double least_active(const struct claim *claim)
{
	double low, high;

	parameters__range(claim->active, claim->step, &low, &high);
	return 0.9 * low;
}

static struct testimonial of_names(const struct identity *id, struct verification *v, const struct size *size)
{
	const struct recording *r = id->in->recording;

	for (size_t i = 0; i < r->n_requests; i++) {
		const char *name = r->requests[i].response_model;
		double step = 1, stated = name ? model_name__parameters(name, &step) : 0, low, high;

		if (stated <= 0)
			continue;
		parameters__range(size->value, size->step, &low, &high);
		return testify(stated >= low && stated <= high ? SAYS_YES : SAYS_OPEN,
			       verification__text(v, "words: the answers name '%s'", name));
	}
	return testify(SAYS_NOTHING, "words: no name on the wire states a size");
}

static bool is_mixture(const struct identity *id)
{
	for (size_t i = 0; i < id->n_candidates; i++)
		if (id->candidates[i]->n_experts != ABSENT && id->candidates[i]->n_experts > 1)
			return true;
	return false;
}

void claimed__parameters(struct claimed *c, const struct identity *id, struct verification *v)
{
	const struct size size = { c->claim->value, c->claim->step };
	const double bytes = least_active(c->claim) * bits_of(id, c->claim) / 8;
	/* Of a mixture of experts a token takes a part: how large it is, a claim without 'active' does not say. */
	const bool of_a_part = is_mixture(id) && !(c->claim->active < c->claim->value);

	c->rule = "parameters in the header of the weight file = claimed, with or without lookup tables, rounded as "
		  "claimed; "
		  "memory and CPU time have room for them";
	c->unit = "parameters";
	c->claimed = figure__whole(v, c->claim->value);
	if (id->n_candidates == 1)
		c->measured = verification__integer(v, id->candidates[0]->n_params);
	c->by[EVIDENCE_FILES] = files__say(id, v, has_size, &size, say_size);
	c->by[EVIDENCE_MEMORY] = of_memory(id, v, bytes, !of_a_part);
	if (of_a_part)
		c->by[EVIDENCE_ARITHMETIC] = testify(SAYS_NOTHING, "time: of a mixture of experts, and the claim "
								   "does not say how many parameters a token takes");
	else
		c->by[EVIDENCE_ARITHMETIC] = identity__time_for(id, v, least_active(c->claim));
	c->by[EVIDENCE_WORDS] = of_names(id, v, &size);
}

/* --- precision -------------------------------------------------------------------------------------------------------- */

static enum testimony has_format(const struct row_model *m, const void *ctx)
{
	return precision__agrees(m, ctx);
}

static const char *say_format(struct verification *v, const struct row_model *m)
{
	if (!m->quantization)
		return verification__text(v, "%s, whose number format is not known: %s", model__label(m),
					  m->header_error ? m->header_error : "its header does not say");
	if (isnan(model__bits(m)))
		return verification__text(v, "%s is mostly %s", model__label(m), m->quantization);
	return verification__text(v, "%s is mostly %s, %.2f bits a weight (%s)", model__label(m), m->quantization,
				  model__bits(m), m->tensor_types ? m->tensor_types : "bytes by format not known");
}

void claimed__precision(struct claimed *c, const struct identity *id, struct verification *v)
{
	const struct row_model *m = id->n_candidates == 1 ? id->candidates[0] : NULL;
	const double bits = precision__bits(c->claim->text);

	c->rule = "number format of most bytes in the header of the weight file = claimed; memory has room for so many "
		  "bits";
	c->unit = "";
	c->claimed = verification__text(v, "%s", c->claim->text);
	c->measured = m ? m->quantization : NULL;
	c->by[EVIDENCE_FILES] = files__say(id, v, has_format, c->claim->text, say_format);
	if (c->by[EVIDENCE_FILES].says == SAYS_NO && m && model__bits(m) > bits)
		c->by[EVIDENCE_FILES] =
			testify(SAYS_NO, verification__text(v, "%s: more than claimed, in the customer's favour",
							    c->by[EVIDENCE_FILES].text));
	c->by[EVIDENCE_MEMORY] = of_memory(
		id, v,
		m && m->active_params != ABSENT && !isnan(bits) ? (double)m->active_params * bits / 8 * 0.95 : NAN,
		true);
	c->by[EVIDENCE_ARITHMETIC] = testify(SAYS_NOTHING, "time: it is of no number format");
	c->by[EVIDENCE_WORDS] = testify(SAYS_NOTHING, "words: names are not held to state a format");
}

/* --- the model's name ------------------------------------------------------------------------------------------------- */

static enum testimony has_name(const struct row_model *m, const void *ctx)
{
	double step = 1;
	const double stated = model_name__parameters(ctx, &step);

	/* A name may be anything; the size in it may not. */
	if (stated > 0 && parameters__agree(m, stated, step) == SAYS_NO)
		return SAYS_NO;
	if ((m->name && model_name__agrees(m->name, ctx)) || (m->path && model_name__agrees(m->path, ctx)))
		return SAYS_YES;
	return SAYS_OPEN;
}

static const char *say_name(struct verification *v, const struct row_model *m)
{
	const char *slash = m->path ? strrchr(m->path, '/') : NULL;

	return verification__text(v, "the header calls it '%s' (%s, %s parameters), the file '%s'", model__label(m),
				  m->arch ? m->arch : "architecture not said",
				  m->n_params == ABSENT ? "unknown" : verification__integer(v, m->n_params),
				  slash	  ? slash + 1 :
				  m->path ? m->path :
					    "");
}

/*
 * A name in which the claimed one is, or a directory of it, or a part of the claimed one. What is more in the longer of the two may be a date, a
 * number format or a tuning that everybody leaves out, and may be another model: a base model and the one tuned to follow instructions differ
 * by one word. Names are free, so that one is neither proof nor breach where nothing in it contradicts the claim; what does is another size,
 * or a word for a smaller one.
 */
static bool may_be(const char *name, const char *claimed)
{
	char part[512];

	for (size_t n = strnlen(name, sizeof(part) - 1); n > 0; n--) {
		if (name[n] && name[n] != '/')
			continue;
		memcpy(part, name, n);
		part[n] = 0;
		if (model_name__agrees(part, claimed))
			return true;
	}
	return model_name__agrees(claimed, name);
}

/* Servers that were told no name call a model by its file: that says which file, and the file is asked. */
static bool is_own_file(const struct identity *id, const char *name)
{
	const char *path = id->n_candidates == 1 ? id->candidates[0]->path : NULL;
	const char *slash = strrchr(name, '/'), *own = path ? strrchr(path, '/') : NULL;

	return path && strcmp(slash ? slash + 1 : name, own ? own + 1 : path) == 0;
}

struct names {
	int64_t n, n_other, n_longer, n_elsewhere;	/* answers; those with another, a longer, another asked for name */
	const char *name, *other, *longer;
	bool other_is_file;	/* every other name is that of the file */
};

static void look_at(struct names *w, struct claimed *c, const struct identity *id, const struct row_request *q)
{
	const char *name = q->response_model, *claimed = c->claim->text;

	if (!name || q->status >= 400)
		return;
	if (!model_name__is(name, claimed) && q->model && strcmp(q->model, name) == 0) {
		w->n_elsewhere++;
		return;
	}
	w->n++;
	w->name = name;
	if (model_name__is(name, claimed))
		return;
	if (c->evidence == ABSENT)
		c->evidence = q->id;
	/* A million answers have few names. */
	if (w->longer == name || (w->longer && strcmp(w->longer, name) == 0) ||
	    (!(w->other && strcmp(w->other, name) == 0) && may_be(name, claimed))) {
		w->longer = name;
		w->n_longer++;
		return;
	}
	w->other_is_file = (w->n_other == 0 || w->other_is_file) && is_own_file(id, name);
	if (w->n_other++ == 0) {
		w->other = name;
		c->evidence = q->id;
	}
}

static struct testimonial of_wire(struct claimed *c, const struct identity *id, struct verification *v)
{
	const struct recording *r = id->in->recording;
	struct names w = { 0 };

	for (size_t i = 0; i < r->n_requests; i++)
		look_at(&w, c, id, &r->requests[i]);
	c->measured = w.other ? w.other : w.longer ? w.longer : w.name;
	if (w.n == 0)
		return testify(SAYS_NOTHING, w.n_elsewhere ? "words: nobody asked for it; answers name the other "
							     "models that were asked for" :
							     "words: no answer names its model");
	if (w.n_other && w.other_is_file && c->by[EVIDENCE_FILES].says == SAYS_YES)
		return testify(SAYS_OPEN,
			       verification__text(v,
						  "words: %" PRId64 " of %" PRId64
						  " answer%s name%s '%s', which is but the file",
						  w.n_other, w.n, plural(w.n), w.n_other == 1 ? "s" : "", w.other));
	if (w.n_other)
		return testify(SAYS_NO,
			       verification__text(v, "words: %" PRId64 " of %" PRId64 " answer%s name%s '%s'",
						  w.n_other, w.n, plural(w.n), w.n_other == 1 ? "s" : "", w.other));
	if (w.n_longer)
		return testify(SAYS_OPEN,
			       verification__text(v,
						  "words: %" PRId64 " of %" PRId64
						  " answer%s name%s '%s': whether that is the claimed one, a longer or "
						  "shorter name does not tell; claim it by the name that the answers "
						  "have",
						  w.n_longer, w.n, plural(w.n), w.n_longer == 1 ? "s" : "", w.longer));
	return testify(SAYS_YES, verification__text(
					 v, "words: so it is named in %" PRId64 " answer%s%s", w.n, plural(w.n),
					 w.n_elsewhere ? " (those of other models that were asked for left out)" : ""));
}

void claimed__model(struct claimed *c, const struct identity *id, struct verification *v)
{
	double step = 1, low, high;
	const double stated = model_name__parameters(c->claim->text, &step);

	parameters__range(stated, step, &low, &high);
	c->rule = "every answer names the claimed model; the weight file's header or name has its words, and the size "
		  "that it states";
	c->unit = "";
	c->claimed = verification__text(v, "%s", c->claim->text);
	c->by[EVIDENCE_FILES] = files__say(id, v, has_name, c->claim->text, say_name);
	c->by[EVIDENCE_WORDS] = of_wire(c, id, v);
	c->by[EVIDENCE_MEMORY] = of_memory(id, v, NAN, false);
	c->by[EVIDENCE_ARITHMETIC] = testify(SAYS_NOTHING, "time: the claimed name states no size");
	/* Of a mixture of experts a token takes a part, which the name does not state. */
	if (stated > 0 && id->n_candidates == 1 && id->candidates[0]->n_experts == ABSENT)
		c->by[EVIDENCE_ARITHMETIC] = identity__time_for(id, v, 0.9 * low);
}
