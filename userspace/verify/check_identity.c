/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims about what was served: model, parameters, precision, context, speculation, hardware. Each is put to the four kinds of
 * evidence of identity.h; one that says no refutes, yes by the files (and nothing against it) confirms, anything less is open.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "output/facts.h"
#include "userspace/verify/devices.h"
#include "userspace/verify/identity.h"
#include "userspace/verify/plausibility.h"

#define MIN_GENERATIONS 20	/* in which no draft was seen: speculation is not used */

struct claimed {
	const struct claim *claim;
	struct testimonial by[N_EVIDENCE_KINDS];
	enum grade grade;		/* of a figure that is confirmed */
	const char *claimed, *measured, *unit, *rule;
	int64_t evidence;		/* a request that says no; ABSENT */
};

static struct testimonial testify(enum testimony says, const char *text)
{
	return (struct testimonial){ says, text ? text : "" };
}

static const char *whole(struct verification *v, double value)
{
	return value >= 0 && value < 9e18 ? verification__integer(v, (int64_t)llround(value)) : NULL;
}

static const char *name_of(const struct row_model *m)
{
	return m->name ? m->name : m->path ? m->path : "a file without a name";
}

/* --- the files, whichever of them it was ------------------------------------------------------------------------------ */

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

static const char *list_candidates(const struct identity *id, struct verification *v,
				   const char *(*text)(struct verification *v, const struct row_model *m))
{
	const char *out = "";

	for (size_t i = 0; i < id->n_candidates && out; i++) {
		const char *one = text(v, id->candidates[i]);

		out = one ? verification__text(v, "%s%s%s", out, i ? "; or " : "", one) : NULL;
	}
	return out;
}

static struct testimonial of_files(const struct identity *id, struct verification *v, enum testimony says,
				   const char *(*text)(struct verification *v, const struct row_model *m))
{
	const char *words;

	if (id->no_model)
		return testify(SAYS_NOTHING, verification__text(v, "files: %s", id->no_model));
	words = list_candidates(id, v, text);
	return testify(says,
		       verification__text(v, "files: %s%s", words ? words : "",
					  id->n_candidates > 1 ? " (which of them computed, cannot be told)" : ""));
}

/* A file that is there for show is not what was computed with. */
static struct testimonial of_memory(const struct identity *id, struct verification *v, double bytes)
{
	const struct testimonial room = identity__memory_for(id, v, bytes);
	struct testimonial has;

	if (id->n_candidates != 1)
		return room;
	has = identity__memory_has(id, v, id->candidates[0]);
	if (has.says == SAYS_NO || room.says == SAYS_NO)
		return has.says == SAYS_NO ? has : room;
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
		return verification__text(v, "%s, whose parameters are not known: %s", name_of(m),
					  m->header_error ? m->header_error : "its header does not say");
	return verification__text(v, "%s has %" PRId64 " parameters (%s)", name_of(m), m->n_params,
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

static void judge_parameters(struct claimed *c, const struct identity *id, struct verification *v)
{
	const struct size size = { c->claim->value, c->claim->step };
	const double bytes = least_active(c->claim) * bits_of(id, c->claim) / 8;

	c->rule = "parameters in the header of the weight file = claimed, with or without lookup tables, rounded as "
		  "claimed; "
		  "memory and CPU time have room for them";
	c->unit = "parameters";
	c->claimed = whole(v, c->claim->value);
	if (id->n_candidates == 1)
		c->measured = verification__integer(v, id->candidates[0]->n_params);
	c->by[EVIDENCE_FILES] = of_files(id, v, agree(id, has_size, &size), say_size);
	c->by[EVIDENCE_MEMORY] = of_memory(id, v, bytes);
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
		return verification__text(v, "%s, whose number format is not known: %s", name_of(m),
					  m->header_error ? m->header_error : "its header does not say");
	if (isnan(model__bits(m)))
		return verification__text(v, "%s is mostly %s", name_of(m), m->quantization);
	return verification__text(v, "%s is mostly %s, %.2f bits a weight (%s)", name_of(m), m->quantization,
				  model__bits(m), m->tensor_types ? m->tensor_types : "");
}

static void judge_precision(struct claimed *c, const struct identity *id, struct verification *v)
{
	const struct row_model *m = id->n_candidates == 1 ? id->candidates[0] : NULL;
	const double bits = precision__bits(c->claim->text);

	c->rule = "number format of most bytes in the header of the weight file = claimed; memory has room for so many "
		  "bits";
	c->unit = "";
	c->claimed = verification__text(v, "%s", c->claim->text);
	c->measured = m ? m->quantization : NULL;
	c->by[EVIDENCE_FILES] = of_files(id, v, agree(id, has_format, c->claim->text), say_format);
	if (c->by[EVIDENCE_FILES].says == SAYS_NO && m && model__bits(m) > bits)
		c->by[EVIDENCE_FILES] =
			testify(SAYS_NO, verification__text(v, "%s: more than claimed, in the customer's favour",
							    c->by[EVIDENCE_FILES].text));
	c->by[EVIDENCE_MEMORY] = of_memory(
		id, v,
		m && m->active_params != ABSENT && !isnan(bits) ? (double)m->active_params * bits / 8 * 0.95 : NAN);
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

	return verification__text(v, "the header calls it '%s' (%s, %s parameters), the file '%s'", name_of(m),
				  m->arch ? m->arch : "architecture not said",
				  m->n_params == ABSENT ? "unknown" : verification__integer(v, m->n_params),
				  slash	  ? slash + 1 :
				  m->path ? m->path :
					    "");
}

static struct testimonial of_wire(struct claimed *c, const struct identity *id, struct verification *v)
{
	const struct recording *r = id->in->recording;
	int64_t n = 0, n_other = 0;
	const char *other = NULL, *name = NULL;

	for (size_t i = 0; i < r->n_requests; i++) {
		const struct row_request *q = &r->requests[i];

		if (!q->response_model || q->status >= 400)
			continue;
		n++;
		name = q->response_model;
		if (model_name__is(name, c->claim->text))
			continue;
		if (n_other++ == 0) {
			other = name;
			c->evidence = q->id;
		}
	}
	c->measured = other ? other : name;
	if (n == 0)
		return testify(SAYS_NOTHING, "words: no answer names its model");
	if (n_other == 0)
		return testify(SAYS_YES, verification__text(v, "words: so it is named in %" PRId64 " answers", n));
	return testify(SAYS_NO,
		       verification__text(v, "words: %" PRId64 " of %" PRId64 " answers name '%s'", n_other, n, other));
}

static void judge_model(struct claimed *c, const struct identity *id, struct verification *v)
{
	double step = 1, low, high;
	const double stated = model_name__parameters(c->claim->text, &step);

	parameters__range(stated, step, &low, &high);
	c->rule = "every answer names the claimed model; the weight file's header or name has its words, and the size "
		  "that it states";
	c->unit = "";
	c->claimed = verification__text(v, "%s", c->claim->text);
	c->by[EVIDENCE_WORDS] = of_wire(c, id, v);
	c->by[EVIDENCE_FILES] = of_files(id, v, agree(id, has_name, c->claim->text), say_name);
	c->by[EVIDENCE_MEMORY] = of_memory(id, v, NAN);
	c->by[EVIDENCE_ARITHMETIC] = testify(SAYS_NOTHING, "time: the claimed name states no size");
	/* Of a mixture of experts a token takes a part, which the name does not state. */
	if (stated > 0 && id->n_candidates == 1 && id->candidates[0]->n_experts == ABSENT)
		c->by[EVIDENCE_ARITHMETIC] = identity__time_for(id, v, 0.9 * low);
}

/* --- context ---------------------------------------------------------------------------------------------------------- */

static enum testimony has_context(const struct row_model *m, const void *ctx)
{
	if (m->context_length == ABSENT)
		return SAYS_NOTHING;
	/* Positions can be stretched beyond what a model was made for. */
	return (double)m->context_length >= *(const double *)ctx ? SAYS_YES : SAYS_OPEN;
}

static const char *say_context(struct verification *v, const struct row_model *m)
{
	if (m->context_length == ABSENT)
		return verification__text(v, "%s does not say for how many tokens it was made", name_of(m));
	return verification__text(v, "%s was made for %" PRId64 " tokens", name_of(m), m->context_length);
}

static void judge_context(struct claimed *c, const struct identity *id, struct verification *v)
{
	const double least = c->claim->value;

	c->rule = "tokens that one sequence may have, by the engine's own limit or by what was computed >= claimed";
	c->unit = "tokens";
	c->claimed = whole(v, least);
	c->by[EVIDENCE_FILES] = of_files(id, v, agree(id, has_context, &least), say_context);
	c->by[EVIDENCE_MEMORY] = testify(SAYS_NOTHING, "memory: a cache may grow as it fills");
	c->by[EVIDENCE_ARITHMETIC] =
		testify((double)id->longest_context >= least ? SAYS_YES : SAYS_OPEN,
			verification__text(v, "use: the longest sequence computed had %" PRId64 " tokens",
					   id->longest_context));
	/* What a model was made for is not what it is served with. */
	if (id->n_ctx == ABSENT && c->by[EVIDENCE_FILES].says == SAYS_YES)
		c->by[EVIDENCE_FILES].says = SAYS_OPEN;
	if (id->n_ctx == ABSENT)
		c->by[EVIDENCE_WORDS] = testify(SAYS_NOTHING, "words: the engine's limit could not be read");
	else
		c->by[EVIDENCE_WORDS] =
			testify((double)id->n_ctx >= least ? SAYS_YES : SAYS_NO,
				verification__text(v, "words: the engine is set up for sequences of %" PRId64 " tokens",
						   id->n_ctx));
	c->measured = verification__integer(
		v, (double)id->longest_context >= least || id->n_ctx == ABSENT ? id->longest_context : id->n_ctx);
	c->grade = GRADE_SELF_REPORTED;
	if ((double)id->longest_context >= least) {
		/* It was computed: no limit that somebody names says otherwise. */
		c->grade = GRADE_MEASURED;
		c->by[EVIDENCE_FILES].says = SAYS_YES;
		if (c->by[EVIDENCE_WORDS].says == SAYS_NO)
			c->by[EVIDENCE_WORDS].says = SAYS_OPEN;
	}
}

/* --- speculation ------------------------------------------------------------------------------------------------------ */

static int64_t reported_drafts(const struct recording *r)
{
	int64_t sum = 0;

	for (size_t i = 0; i < r->n_requests; i++)
		if (r->requests[i].reported_draft_tokens != ABSENT && r->requests[i].reported_draft_tokens > 0 &&
		    sum < INT64_MAX / 2)
			sum += r->requests[i].reported_draft_tokens < INT32_MAX ? r->requests[i].reported_draft_tokens :
										  INT32_MAX;
	return sum;
}

static void judge_speculation(struct claimed *c, const struct identity *id, struct verification *v)
{
	const bool yes = c->claim->value != 0;
	const bool seen = id->n_drafted > 0 || id->draft_steps;
	const int64_t words = reported_drafts(id->in->recording);
	const bool enough = id->n_generations >= MIN_GENERATIONS && !id->rows_unknown;

	c->rule = "drafted tokens in the recorded steps, or none in all of at least 20 generations (one is enough for "
		  "yes)";
	c->unit = "";
	c->claimed = yes ? "yes" : "no";
	c->measured = seen ? "yes" : enough ? "no" : NULL;
	if (id->draft)
		c->by[EVIDENCE_FILES] =
			testify(SAYS_OPEN, verification__text(v, "files: a draft model, %s", name_of(id->draft)));
	else
		c->by[EVIDENCE_FILES] = testify(SAYS_NOTHING, "files: no draft model; drafts need none");
	c->by[EVIDENCE_MEMORY] = testify(SAYS_NOTHING, "memory: it does not tell");
	c->by[EVIDENCE_ARITHMETIC] =
		testify(seen   ? yes ? SAYS_YES : SAYS_NO :
			enough ? yes ? SAYS_NO : SAYS_YES :
				 SAYS_OPEN,
			verification__text(v,
					   "use: %" PRId64 " tokens drafted, %" PRId64 " generated in %" PRId64
					   " generations%s%s",
					   id->n_drafted, id->n_generated, id->n_generations,
					   id->draft_steps ? ", steps of a draft model" : "",
					   id->rows_unknown ? "; rows of some steps are not known" : ""));
	c->by[EVIDENCE_WORDS] =
		words ? testify(yes ? SAYS_YES : SAYS_NO,
				verification__text(v, "words: the answers report %" PRId64 " drafted tokens", words)) :
			testify(SAYS_NOTHING, "words: the answers report no drafts");
	/* What was computed decides, and is measured; files are not asked. */
	if (c->by[EVIDENCE_ARITHMETIC].says == SAYS_YES && c->by[EVIDENCE_WORDS].says != SAYS_NO)
		c->by[EVIDENCE_FILES].says = SAYS_YES;
}

/* --- hardware --------------------------------------------------------------------------------------------------------- */

static bool mentions_all_words(const char *text, const char *claimed)
{
	char word[64];
	size_t n = 0;

	for (const char *p = claimed;; p++) {
		if (*p && *p != ' ' && n + 1 < sizeof(word)) {
			word[n++] = *p;
			continue;
		}
		word[n] = 0;
		if (n && !plausibility__mentions(text, word))
			return false;
		n = 0;
		if (!*p)
			return true;
	}
}

/* How many of the host's accelerators are the claimed one; -1: their names are not known. */
static int count_devices(const char *names, const char *claimed)
{
	char one[128];
	int n = 0;

	if (!names)
		return -1;
	while (*names) {
		const char *end = strchr(names, ';');
		const size_t length = end ? (size_t)(end - names) : strlen(names);
		struct device have, want;

		if (length < sizeof(one)) {
			memcpy(one, names, length);
			one[length] = 0;
			n += mentions_all_words(one, claimed) ||
			     (devices__find(&have, one) == 0 && devices__find(&want, claimed) == 0 &&
			      strcmp(have.name, want.name) == 0);
		}
		names += length;
		names += strspn(names, "; ");
	}
	return n;
}

static void judge_hardware(struct claimed *c, const struct identity *id, struct verification *v)
{
	const struct recording *r = id->in->recording;
	const char *cpu = recording__meta(r, "cpu_model"), *accelerators = recording__meta(r, "accelerators");
	struct device device;
	const bool is_cpu = cpu && mentions_all_words(cpu, c->claim->text);
	const bool is_device = !is_cpu && devices__find(&device, c->claim->text) == 0;
	const int n = count_devices(accelerators, c->claim->text);

	c->rule = "a processor: the host's name for it has all words of the claim; a device: the server has its "
		  "driver's files "
		  "open, and the driver names so many of it";
	c->unit = "";
	c->claimed = c->claim->n_devices > 1 ? verification__text(v, "%d x %s", c->claim->n_devices, c->claim->text) :
					       verification__text(v, "%s", c->claim->text);
	c->by[EVIDENCE_MEMORY] = testify(SAYS_NOTHING, "memory: it does not tell");
	c->by[EVIDENCE_ARITHMETIC] = testify(SAYS_NOTHING, "time: it does not tell");
	c->by[EVIDENCE_WORDS] = testify(
		SAYS_NOTHING, verification__text(v, "words: the host's processor is '%s'", cpu ? cpu : "not known"));
	c->measured = accelerators ? accelerators : cpu;
	if (is_cpu)
		c->by[EVIDENCE_FILES] =
			id->devices && !id->devices[0] ?
				testify(SAYS_YES, "files: the server uses no other device") :
				testify(SAYS_OPEN,
					verification__text(v, "files: the server uses %s",
							   id->devices ? id->devices : "it is not known what"));
	else if (!id->devices)
		c->by[EVIDENCE_FILES] = testify(SAYS_NOTHING, "files: which devices it uses is not known");
	else if (!id->devices[0])
		/* A name that no table knows may be the processor's, by another word. */
		c->by[EVIDENCE_FILES] = testify(is_device ? SAYS_NO : SAYS_OPEN,
						"files: the server has no device open: it computes on the processor");
	else
		c->by[EVIDENCE_FILES] =
			testify(n < 0			 ? SAYS_OPEN :
				n >= c->claim->n_devices ? SAYS_YES :
				is_device && n == 0	 ? SAYS_NO :
							   SAYS_OPEN,
				verification__text(v, "files: it has %s open; their driver names %s", id->devices,
						   accelerators ? accelerators : "nothing"));
}

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
	struct check *check = verification__add(v, check_id, "%s", c->claim->id);

	if (!check)
		return -ENOMEM;
	check->claim_line = c->claim->line;
	check->verdict = verdict_of(c, id);
	check->grade = grade_of(c);
	check->claimed = c->claimed;
	check->measured = c->measured ? verification__text(v, "%s", c->measured) : NULL;
	check->unit = c->unit;
	check->rule = c->rule;
	check->text = verification__text(
		v, "%s%s%s%s%s",
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
	{ CLAIM_MODEL, "identity.model", judge_model },
	{ CLAIM_PARAMETERS, "identity.parameters", judge_parameters },
	{ CLAIM_PRECISION, "identity.precision", judge_precision },
	{ CLAIM_CONTEXT, "identity.context", judge_context },
	{ CLAIM_SPECULATION, "identity.speculation", judge_speculation },
	{ CLAIM_HARDWARE, "identity.hardware", judge_hardware },
};

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
	return verification__note(
		       v, "identity.file", "%s: %s (%s)%s%s; %s parameters%s%s; %s; SHA-256 %s", role, name_of(m),
		       m->path ? m->path : "path not known", m->arch ? ", architecture " : "", m->arch ? m->arch : "",
		       m->n_params == ABSENT ? "unknown" : verification__integer(v, m->n_params),
		       m->tensor_types ? ", bytes by number format: " : "", m->tensor_types ? m->tensor_types : "",
		       in_memory ? in_memory : "", sha256 ? sha256 : "not taken (record --digest-models)") ?
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
