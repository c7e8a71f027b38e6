/* SPDX-License-Identifier: Apache-2.0 */
/* Claims that the use of the server decides: how long sequences may be, drafts, devices. */
#include "userspace/verify/identity_claims.h"

#include <inttypes.h>
#include <string.h>

#include "userspace/analysis/facts.h"
#include "userspace/verify/devices.h"
#include "userspace/verify/plausibility.h"

#define MIN_GENERATIONS 20	/* in which no draft was seen: speculation is not used */

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
		return verification__text(v, "%s does not say for how many tokens it was made", model__label(m));
	return verification__text(v, "%s was made for %" PRId64 " tokens", model__label(m), m->context_length);
}

void claimed__context(struct claimed *c, const struct identity *id, struct verification *v)
{
	const double least = c->claim->value;

	c->rule = "tokens that one sequence may have, by the engine's own limit or by what was computed >= claimed";
	c->unit = "tokens";
	c->claimed = figure__whole(v, least);
	c->by[EVIDENCE_FILES] = files__say(id, v, has_context, &least, say_context);
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

void claimed__speculation(struct claimed *c, const struct identity *id, struct verification *v)
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
			testify(SAYS_OPEN, verification__text(v, "files: a draft model, %s", model__label(id->draft)));
	else
		c->by[EVIDENCE_FILES] = testify(SAYS_NOTHING, "files: no draft model; drafts need none");
	c->by[EVIDENCE_MEMORY] = testify(SAYS_NOTHING, "memory: it does not tell");
	c->by[EVIDENCE_ARITHMETIC] =
		testify(seen   ? yes ? SAYS_YES : SAYS_NO :
			enough ? yes ? SAYS_NO : SAYS_YES :
				 SAYS_OPEN,
			verification__text(v,
					   "use: %" PRId64 " token%s drafted, %" PRId64 " generated in %" PRId64
					   " generation%s%s%s",
					   id->n_drafted, plural(id->n_drafted), id->n_generated, id->n_generations,
					   plural(id->n_generations), id->draft_steps ? ", steps of a draft model" : "",
					   id->rows_unknown ? "; rows of some steps are not known" : ""));
	c->by[EVIDENCE_WORDS] =
		words ? testify(yes ? SAYS_YES : SAYS_NO,
				verification__text(v, "words: the answers report %" PRId64 " drafted token%s", words,
						   plural(words))) :
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

void claimed__hardware(struct claimed *c, const struct identity *id, struct verification *v)
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
	if (is_cpu && c->claim->n_devices > 1)
		c->by[EVIDENCE_FILES] = testify(SAYS_OPEN, "files: how many processors the host has is not recorded");
	else if (is_cpu)
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
