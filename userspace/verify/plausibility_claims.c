/* SPDX-License-Identifier: Apache-2.0 */
/* What can be said of a list of claims, and of it beside the price list, without measuring anything. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "userspace/verify/plausibility.h"

#define BILLION 1e9
/* Below this much of weights a device, a large part may stay in its caches (the largest have 256 MB). */
#define FAR_LARGER_THAN_CACHES 1e9
#define figure plausibility__figure

/* What the file says of the model and the hardware that a claim is of. */
struct facts {
	const struct claim *parameters, *precision, *speculation, *hardware;	/* NULL: not said */
	double bits;		/* of a weight; NAN: not said, or no format that is known */
	double fewest_bits;	/* those, or of the smallest format there is */
	double weight_bytes;	/* all, with fewest_bits; NAN */
	double active_bytes;	/* those of one token */
	double operations;	/* at least, of one token: 2 x active parameters */
	struct device device;
	bool has_device;
};

/* Does what is said of one model, or of all (NULL), hold for what is claimed of a model, or of all? */
static bool covers(const char *said, const char *claimed)
{
	return !said || (claimed && strcmp(said, claimed) == 0);
}

/* The one claim of a metric that holds for a model; NULL: none, or several. */
static const struct claim *find(const struct claims *c, enum claim_metric metric, const char *model)
{
	const struct claim *found = NULL;

	for (size_t i = 0; i < c->n; i++) {
		if (c->claims[i].metric != metric || !covers(c->claims[i].model, model))
			continue;
		if (found)
			return NULL;
		found = &c->claims[i];
	}
	return found;
}

static void gather(struct facts *f, const struct claims *c, const char *model)
{
	const char *ignored;

	memset(f, 0, sizeof(*f));
	f->parameters = find(c, CLAIM_PARAMETERS, model);
	f->precision = find(c, CLAIM_PRECISION, model);
	f->speculation = find(c, CLAIM_SPECULATION, model);
	f->hardware = find(c, CLAIM_HARDWARE, model);
	f->bits = f->precision ? precision__bits(f->precision->text) : NAN;
	f->fewest_bits = isnan(f->bits) ? precision__fewest_bits(&ignored) : f->bits;
	/* "7B" may be 6.5 billion. */
	f->weight_bytes = f->parameters ? (f->parameters->value - f->parameters->step / 2) * f->fewest_bits / 8 : NAN;
	f->active_bytes = f->parameters ? (f->parameters->active - f->parameters->step / 2) * f->fewest_bits / 8 : NAN;
	f->operations = f->parameters ? 2 * (f->parameters->active - f->parameters->step / 2) : NAN;
	f->has_device = f->hardware && devices__find(&f->device, f->hardware->text) == 0;
}

/* --- one claim against the device ------------------------------------------------------------------------------------- */

/* What a check of a rate says: the claim in its own words, and the bound. */
struct bound {
	const char *id, *rule;
	double claimed, most;
	const char *unit;
};

static struct check *add_bound(struct verification *v, const struct claim *claim, const struct bound *b,
			       enum verdict verdict)
{
	struct check *c = plausibility__add(v, b->id, claim->line, claim->id, b->rule);

	if (!c)
		return NULL;
	c->verdict = verdict;
	c->claimed = figure(v, b->claimed);
	c->high = figure(v, b->most);
	c->unit = b->unit;
	return c;
}

static const char *precision_phrase(struct verification *v, const struct facts *f)
{
	const char *text;

	if (isnan(f->bits))
		text = verification__text(v,
					  "in the smallest number format there is (%.3g bits a weight; the claims name "
					  "none that is known)",
					  f->fewest_bits);
	else
		text = verification__text(v, "as %s", f->precision->text);
	return text ? text : "";
}

/* Tokens of one stream come one after the other, and each reads all active weights. Drafts are the way around it. */
static int check_stream(struct verification *v, const struct claim *claim, const struct facts *f, bool only_refuted,
			bool *said)
{
	const bool is_time = claim->metric == CLAIM_TPOT;
	const double rate = is_time ? 1e9 / claim->value : claim->value;
	const double most = f->hardware ? f->hardware->n_devices * f->device.bytes_per_s / f->active_bytes : NAN;
	const bool drafts = !f->speculation || f->speculation->value != 0;
	const struct bound b = { "plausibility.memory_bandwidth",
				 "tokens/s of one stream <= bandwidth of all devices / bytes of active weights (all, "
				 "unless the claims say less) x tokens that a pass emits",
				 rate, most, "tokens/s" };
	struct check *c;

	if (!f->has_device || isnan(most) || f->active_bytes < f->hardware->n_devices * FAR_LARGER_THAN_CACHES ||
	    (rate <= most && only_refuted) || (rate > most && drafts && only_refuted))
		return 0;
	c = add_bound(v, claim, &b, rate > most && !drafts ? VERDICT_REFUTED : VERDICT_INCONCLUSIVE);
	if (!c)
		return -ENOMEM;
	*said = true;
	if (rate <= most)
		c->text = verification__text(v,
					     "possible: %d x %s could read the weights %s %s times a second; it needs "
					     "a recording to be measured",
					     f->hardware->n_devices, f->device.name, precision_phrase(v, f),
					     figure(v, most));
	else if (drafts)
		c->text = verification__text(v,
					     "only with drafts: %d x %s reads the weights %s at most %s times a "
					     "second, so each pass has to emit at least %s "
					     "tokens on average",
					     f->hardware->n_devices, f->device.name, precision_phrase(v, f),
					     figure(v, most), figure(v, rate / most));
	else
		c->text = verification__text(v,
					     "impossible without speculation, which the claims rule out: %d x %s reads "
					     "the weights %s at most %s times a second",
					     f->hardware->n_devices, f->device.name, precision_phrase(v, f),
					     figure(v, most));
	return 0;
}

/* Every token that is put out was computed, drafts or not, whatever the batch. */
static int check_operations(struct verification *v, const struct claim *claim, const struct facts *f, bool *said)
{
	const double peak = fmax(f->device.ops16_per_s, fmax(f->device.ops8_per_s, f->device.ops4_per_s));
	const double most = f->hardware ? f->hardware->n_devices * peak / f->operations : NAN;
	const struct bound b = { "plausibility.arithmetic",
				 "tokens/s put out <= peak operations/s of all devices / (2 x active parameters; all, "
				 "unless the claims say less)",
				 claim->value, most, "tokens/s" };
	struct check *c;

	if (claim->of != OF_OUTPUT || !f->has_device || isnan(most) || claim->value <= most)
		return 0;
	c = add_bound(v, claim, &b, VERDICT_REFUTED);
	if (!c)
		return -ENOMEM;
	*said = true;
	c->text =
		verification__text(v,
				   "impossible: %d x %s has at most %s x 10^12 operations a second with its fastest "
				   "number format, and a token takes "
				   "at least %s x 10^9",
				   f->hardware->n_devices, f->device.name,
				   figure(v, peak * f->hardware->n_devices / 1e12), figure(v, f->operations / BILLION));
	return 0;
}

static int check_memory(struct verification *v, const struct claim *claim, const struct facts *f, bool only_refuted,
			bool *said)
{
	const double memory = f->hardware ? f->hardware->n_devices * f->device.memory_bytes : NAN;
	const struct bound b = { "plausibility.memory",
				 "weights fit the memory of the devices, their GB taken as 2^30 bytes",
				 f->weight_bytes / BILLION, memory / BILLION, "GB of weights" };
	const bool too_large = f->weight_bytes > memory;
	struct check *c;

	if (!f->has_device || isnan(memory) || (!too_large && only_refuted))
		return 0;
	c = add_bound(v, claim, &b,
		      too_large	     ? VERDICT_REFUTED :
		      isnan(f->bits) ? VERDICT_INCONCLUSIVE :
				       VERDICT_CONFIRMED);
	if (!c)
		return -ENOMEM;
	*said = true;
	c->text = verification__text(
		v,
		too_large ? "does not fit: %s the weights take at least %s GB, %d x %s has %s GB" :
			    "fits: %s the weights take %s GB, %d x %s has %s GB; that they are there needs a recording",
		precision_phrase(v, f), figure(v, b.claimed), f->hardware->n_devices, f->device.name,
		figure(v, f->device.memory_gb * f->hardware->n_devices));
	return 0;
}

/* --- claims beside each other ------------------------------------------------------------------------------------------- */

/* "FP16" is "f16". */
static const char *without_p(const char *format)
{
	return strncasecmp(format, "fp", 2) == 0 ? format + 2 : strncasecmp(format, "f", 1) == 0 ? format + 1 : NULL;
}

static bool differs(const struct claim *a, const struct claim *b)
{
	if (a->text && b->text && without_p(a->text) && without_p(b->text))
		return strcasecmp(without_p(a->text), without_p(b->text)) != 0;
	if (a->text && b->text)
		return strcasecmp(a->text, b->text) != 0;
	/* What is rounded to 7B is below 7.5 billion, what is rounded to 8B is not. */
	return a->value != b->value && fabs(a->value - b->value) >= (a->step + b->step) / 2;
}

static const char *say_value(struct verification *v, const struct claim *c)
{
	if (c->metric == CLAIM_SPECULATION)
		return c->value != 0 ? "yes" : "no";
	return c->text ? verification__text(v, "%s", c->text) : figure(v, c->value);
}

/* Two facts of the same thing that are not the same. */
static int check_contradiction(struct verification *v, const struct claims *all, const struct claim *claim, bool *said)
{
	struct check *c;

	/* A service may have several models and several kinds of hardware. */
	if (claim->metric <= CLAIM_MODEL || claim->metric == CLAIM_HARDWARE)
		return 0;
	for (const struct claim *other = all->claims; other < claim; other++) {
		if (other->metric != claim->metric || !covers(other->model, claim->model) ||
		    !covers(claim->model, other->model) || !differs(other, claim))
			continue;
		c = plausibility__add(v, "plausibility.contradiction", claim->line, claim->id,
				      "one file says one thing of one fact");
		if (!c)
			return -ENOMEM;
		*said = true;
		c->verdict = VERDICT_REFUTED;
		c->claimed = say_value(v, claim);
		c->text = verification__text(v,
					     "contradicts the claim in line %lld, which says %s; where both are of "
					     "different models, say which with 'model'",
					     (long long)other->line, say_value(v, other));
		return 0;
	}
	return 0;
}

/* The least that a token of this kind can cost by the price list: the cheapest tier, the largest discount. */
static int cheapest(const struct tariff *t, enum claim_of of, struct decimal *out)
{
	static const struct decimal hundred = { .digits = 100 };
	struct decimal left = hundred;
	int err = 0;

	*out = of == OF_INPUT ? t->tiers[0].prompt : t->tiers[0].completion;
	for (size_t i = 0; i < t->n_tiers; i++) {
		const struct tariff_tier *tier = &t->tiers[i];
		const struct decimal *prices[4] = { of == OF_INPUT ? &tier->prompt : &tier->completion };
		size_t n = 1;

		if (of != OF_OUTPUT)
			prices[n++] = &tier->prompt;
		if (of != OF_OUTPUT && tier->has_cached)
			prices[n++] = &tier->cached;
		if (of != OF_INPUT && tier->has_reasoning)
			prices[n++] = &tier->reasoning;
		for (size_t k = 0; k < n; k++)
			if (decimal__compare(prices[k], out) < 0)
				*out = *prices[k];
	}
	for (size_t i = 0; i < t->n_discounts && !err; i++) {
		struct decimal this;

		err = decimal__subtract(&this, &hundred, &t->discounts[i].percent);
		if (!err && decimal__compare(&this, &left) < 0)
			left = this;
	}
	if (!err)
		err = decimal__multiply(out, out, &left);
	if (!err)
		err = decimal__ratio(out, out, 1, 100,
				     out->scale + 2 > DECIMAL_MAX_SCALE ? DECIMAL_MAX_SCALE : out->scale + 2,
				     ROUND_DOWN);
	return err;
}

static int check_price(struct verification *v, const struct claims *all, const struct claim *claim, bool *said)
{
	char text[DECIMAL_TEXT], claimed[DECIMAL_TEXT];
	struct decimal least;
	struct check *c;

	for (size_t i = 0; i < all->n_tariffs; i++) {
		const struct tariff *t = &all->tariffs[i];

		if (!covers(t->model, claim->model) || strcmp(t->currency, claim->currency) != 0 ||
		    cheapest(t, claim->of, &least) || decimal__compare(&least, &claim->money) <= 0)
			continue;
		c = plausibility__add(v, "plausibility.tariff", claim->line, claim->id,
				      "the least price in the price list, cheapest tier and largest discount, is not "
				      "above the claimed one");
		if (!c)
			return -ENOMEM;
		*said = true;
		decimal__format(&least, text);
		decimal__format(&claim->money, claimed);
		c->verdict = VERDICT_REFUTED;
		c->claimed = verification__text(v, "%s", claimed);
		c->measured = c->low = verification__text(v, "%s", text);
		c->unit = verification__text(v, "%s per million tokens", claim->currency);
		c->text = verification__text(v,
					     "the price list of the same file (line %lld) has no price that low: at "
					     "least %s %s per million tokens",
					     (long long)t->line, text, claim->currency);
		return 0;
	}
	return 0;
}

static int check_claim(struct verification *v, const struct claims *all, const struct claim *claim, bool only_refuted)
{
	bool said = false;
	struct facts facts;
	struct check *c;
	int err;

	gather(&facts, all, claim->model);
	err = check_contradiction(v, all, claim, &said);
	if (!err && (claim->metric == CLAIM_USER_THROUGHPUT || claim->metric == CLAIM_TPOT))
		err = check_stream(v, claim, &facts, only_refuted, &said);
	if (!err && (claim->metric == CLAIM_USER_THROUGHPUT || claim->metric == CLAIM_THROUGHPUT))
		err = check_operations(v, claim, &facts, &said);
	if (!err && claim->metric == CLAIM_PARAMETERS && claim == facts.parameters)
		err = check_memory(v, claim, &facts, only_refuted, &said);
	if (!err && claim->metric == CLAIM_PRICE)
		err = check_price(v, all, claim, &said);
	if (err || said || only_refuted)
		return err;
	c = plausibility__add(v, "plausibility.claim", claim->line, claim->id, "a claim is measured");
	if (!c)
		return -ENOMEM;
	c->text = "nothing in the file contradicts it; it needs a recording to be verified";
	return 0;
}

int plausibility__claims(struct verification *v, const struct claims *c, bool only_refuted)
{
	int err = 0;

	for (size_t i = 0; i < c->n && !err; i++)
		err = check_claim(v, c, &c->claims[i], only_refuted);
	return err;
}
