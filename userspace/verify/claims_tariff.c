/* SPDX-License-Identifier: Apache-2.0 */
/* 'tariff:': price lists. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "userspace/verify/claims_parser.h"

#define MAX_TARIFFS 100
#define MAX_PERCENT_SCALE 2

/* A tariff whose keys are being read. */
struct draft {
	struct tariff *tariff;
	struct tariff_tier plain;	/* prices that stand in the tariff itself */
	const struct yaml_node *priced;	/* the first of them */
	unsigned int has;		/* bits of enum price_kind, of what is being read */
	const struct yaml_node *tiers_by, *before;
};
enum price_kind { PRICE_PROMPT = 0, PRICE_CACHED, PRICE_COMPLETION, PRICE_REASONING };

/* --- prices ---------------------------------------------------------------------------------------------------------- */

struct tier_draft {
	struct tariff *tariff;
	struct tariff_tier *tier;
	unsigned int has;
	const struct yaml_node *from;
};

static int set_price(struct claims_parser *p, const struct yaml_node *value, struct tier_draft *d, enum price_kind kind)
{
	struct decimal *const places[] = { &d->tier->prompt, &d->tier->cached, &d->tier->completion,
					   &d->tier->reasoning };

	d->has |= 1u << kind;
	return claims_parser__price(p, value, places[kind], &d->tariff->currency);
}

static int tier_prompt(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	return set_price(p, value, into, PRICE_PROMPT);
}

static int tier_cached(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	((struct tier_draft *)into)->tier->has_cached = true;
	return set_price(p, value, into, PRICE_CACHED);
}

static int tier_completion(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	return set_price(p, value, into, PRICE_COMPLETION);
}

static int tier_reasoning(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	((struct tier_draft *)into)->tier->has_reasoning = true;
	return set_price(p, value, into, PRICE_REASONING);
}

static int whole_tokens(struct claims_parser *p, const struct yaml_node *value, int64_t *out)
{
	struct quantity q;
	int err = claims_parser__quantity(p, value, DIMENSION_TOKENS, &q);

	if (err)
		return err;
	if (q.value > 1e15 || q.value != (double)(int64_t)q.value)
		return claims_parser__fail(p, value, "write a whole number below 10^15",
					   "'%.40s' is no number of tokens", value->text);
	*out = (int64_t)q.value;
	return 0;
}

static int tier_from(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	struct tier_draft *d = into;
	int err = whole_tokens(p, value, &d->tier->from_tokens);

	if (!err)
		d->from = value;
	return err;
}

static const struct claims_key tier_keys[] = {
	{ "from", tier_from },		 { "prompt", tier_prompt },
	{ "cached", tier_cached },	 { "completion", tier_completion },
	{ "reasoning", tier_reasoning }, { 0 },
};

static int check_prices(struct claims_parser *p, const struct yaml_node *node, unsigned int has)
{
	const unsigned int needed = 1u << PRICE_PROMPT | 1u << PRICE_COMPLETION;

	if ((has & needed) == needed)
		return 0;
	return claims_parser__fail(p, node, "write 'prompt: 1.00 CNY per million tokens' and the same of 'completion'",
				   "no price for %s", has & 1u << PRICE_PROMPT ? "completion" : "prompt");
}

static int parse_tier(struct claims_parser *p, struct tariff *t, const struct yaml_node *node)
{
	struct tier_draft d = { .tariff = t };
	int64_t expected;
	void *bigger;
	int err;

	if (t->n_tiers == TARIFF_MAX_TIERS)
		return claims_parser__fail(p, node, "merge some", "more than %d tiers", TARIFF_MAX_TIERS);
	bigger = claims_parser__grow(t->tiers, &t->n_tiers, sizeof(*d.tier));
	if (!bigger)
		return -ENOMEM;
	t->tiers = bigger;
	d.tier = &t->tiers[t->n_tiers - 1];
	err = claims_parser__map(p, node, "a tier", tier_keys, &d);
	if (!err)
		err = check_prices(p, node, d.has);
	if (err)
		return err;
	expected = t->n_tiers > 1 ? t->tiers[t->n_tiers - 2].from_tokens : -1;
	if (!d.from || d.tier->from_tokens <= expected || (t->n_tiers == 1 && d.tier->from_tokens != 0))
		return claims_parser__fail(p, d.from ? d.from : node,
					   "give every tier 'from: N tokens'; the first 0, the others in rising order",
					   "tier %zu begins nowhere after the one before it", t->n_tiers);
	return 0;
}

static int set_tiers(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	struct draft *d = into;
	int err = 0;

	if (value->kind != YAML_LIST || !value->first)
		return claims_parser__fail(p, value, "begin each tier with '- from: N tokens'", "'tiers' is a list");
	for (const struct yaml_node *tier = value->first; tier && !err; tier = tier->next)
		err = parse_tier(p, d->tariff, tier);
	return err;
}

/* --- discounts ------------------------------------------------------------------------------------------------------- */

struct discount_draft {
	struct tariff_discount *discount;
	bool has_from, has_to, has_percent;
};

static int discount_percent(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	static const struct decimal hundred = { .digits = 100 };
	struct discount_draft *d = into;
	struct quantity q;
	size_t n;
	int err = claims_parser__quantity(p, value, DIMENSION_FRACTION, &q);

	if (err)
		return err;
	d->has_percent = true;
	n = strspn(value->text, "0123456789.");
	err = decimal__parse(&d->discount->percent, value->text, n);
	if (err || value->text[n] == 'e' || value->text[n] == 'E' || d->discount->percent.scale > MAX_PERCENT_SCALE ||
	    decimal__compare(&d->discount->percent, &hundred) > 0)
		return claims_parser__fail(p, value, "write what is taken off the price, as 60 % or 12.5 %",
					   "a discount is from 0 to 100 %% with %d digits after the point, not '%.40s'",
					   MAX_PERCENT_SCALE, value->text);
	return 0;
}

static int read_minute(struct claims_parser *p, const struct yaml_node *value, int last, int *out)
{
	const char *text = value->kind == YAML_TEXT ? value->text : "";
	const bool shaped = strlen(text) == 5 && isdigit((unsigned char)text[0]) && isdigit((unsigned char)text[1]) &&
			    text[2] == ':' && isdigit((unsigned char)text[3]) && isdigit((unsigned char)text[4]);

	*out = shaped ? ((text[0] - '0') * 10 + text[1] - '0') * 60 + (text[3] - '0') * 10 + text[4] - '0' : -1;
	if (*out < 0 || *out > last || text[3] > '5')
		return claims_parser__fail(p, value, "write hours and minutes of the day as 00:30",
					   "'%.40s' is no time of day", text);
	return 0;
}

static int discount_from(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	struct discount_draft *d = into;

	d->has_from = true;
	return read_minute(p, value, 24 * 60 - 1, &d->discount->from_minute);
}

static int discount_to(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	struct discount_draft *d = into;

	d->has_to = true;
	return read_minute(p, value, 24 * 60, &d->discount->to_minute);
}

static int discount_days(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	static const char *const days[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun", NULL };
	struct discount_draft *d = into;
	int err = 0;

	if (value->kind != YAML_LIST || !value->first)
		return claims_parser__fail(p, value, "write [mon, tue, ...]", "'days' is a list");
	d->discount->weekdays = 0;
	for (const struct yaml_node *day = value->first; day && !err; day = day->next) {
		int i = 0;

		err = claims_parser__word(p, day, "day", days, &i);
		d->discount->weekdays |= 1u << i;
	}
	return err;
}

static const struct claims_key discount_keys[] = {
	{ "percent", discount_percent },
	{ "from", discount_from },
	{ "to", discount_to },
	{ "days", discount_days },
	{ 0 },
};

static int parse_discount(struct claims_parser *p, struct tariff *t, const struct yaml_node *node)
{
	struct discount_draft d = { 0 };
	void *bigger;
	int err;

	if (t->n_discounts == TARIFF_MAX_DISCOUNTS)
		return claims_parser__fail(p, node, "merge some", "more than %d discounts", TARIFF_MAX_DISCOUNTS);
	bigger = claims_parser__grow(t->discounts, &t->n_discounts, sizeof(*d.discount));
	if (!bigger)
		return -ENOMEM;
	t->discounts = bigger;
	d.discount = &t->discounts[t->n_discounts - 1];
	d.discount->to_minute = 24 * 60;
	d.discount->weekdays = 0x7f;
	err = claims_parser__map(p, node, "a discount", discount_keys, &d);
	if (err)
		return err;
	if (!d.has_percent)
		return claims_parser__fail(p, node, "write 'percent: 60 %'", "a discount without 'percent'");
	if (d.has_from != d.has_to)
		return claims_parser__fail(p, node, "give both; without them it holds all day",
					   "a discount with 'from' or 'to' alone");
	if (d.discount->from_minute == d.discount->to_minute)
		return claims_parser__fail(p, node, "all day is from 00:00 to 24:00, or without both",
					   "a discount that ends when it begins");
	return 0;
}

static int set_discounts(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	struct draft *d = into;
	int err = 0;

	if (value->kind != YAML_LIST)
		return claims_parser__fail(p, value, "begin each discount with '- percent: ...'",
					   "'discounts' is a list");
	for (const struct yaml_node *discount = value->first; discount && !err; discount = discount->next)
		err = parse_discount(p, d->tariff, discount);
	return err;
}

/* --- the tariff itself ----------------------------------------------------------------------------------------------- */

static int set_plain(struct claims_parser *p, const struct yaml_node *value, struct draft *d,
		     int (*set)(struct claims_parser *p, const struct yaml_node *value, void *into))
{
	struct tier_draft tier = { .tariff = d->tariff, .tier = &d->plain, .has = d->has };
	int err = set(p, value, &tier);

	d->has = tier.has;
	if (!d->priced)
		d->priced = value;
	return err;
}

static int set_prompt(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	return set_plain(p, value, into, tier_prompt);
}

static int set_cached(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	return set_plain(p, value, into, tier_cached);
}

static int set_completion(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	return set_plain(p, value, into, tier_completion);
}

static int set_reasoning(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	return set_plain(p, value, into, tier_reasoning);
}

static int set_model(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	return claims_parser__text(p, value, &((struct draft *)into)->tariff->model);
}

static int set_tiers_by(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	static const char *const words[] = { "month", "request", NULL };
	struct draft *d = into;
	int i, err = claims_parser__word(p, value, "period of tiers", words, &i);

	d->tiers_by = value;
	if (!err)
		d->tariff->tiers_by_request = i == 1;
	return err;
}

static int set_tokens_before(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	struct draft *d = into;

	d->before = value;
	d->tariff->has_tokens_before = true;
	return whole_tokens(p, value, &d->tariff->tokens_before);
}

static int set_time_zone(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	return claims_parser__offset(p, value, &((struct draft *)into)->tariff->utc_offset_minutes);
}

static int rounding_digits(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	struct tariff *t = into;
	const char *text = value->kind == YAML_TEXT ? value->text : "";

	if (!isdigit((unsigned char)text[0]) || (text[1] && (!isdigit((unsigned char)text[1]) || text[2])))
		return claims_parser__fail(p, value, "write the number of digits after the point, as 2 or 6",
					   "'digits' is a whole number, not '%.40s'", text);
	t->scale = text[1] ? (text[0] - '0') * 10 + text[1] - '0' : text[0] - '0';
	if (t->scale > 12)
		return claims_parser__fail(p, value, "leave 'rounding' out for exact prices", "more than 12 digits");
	return 0;
}

static int rounding_how(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	static const char *const words[] = { "half even", "half up", "down", "up", NULL };
	static const enum decimal_rounding hows[] = { ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_DOWN, ROUND_UP };
	int i, err = claims_parser__word(p, value, "way of rounding", words, &i);

	if (!err)
		((struct tariff *)into)->rounding = hows[i];
	return err;
}

static int rounding_of(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	static const char *const words[] = { "line", "total", NULL };
	int i, err = claims_parser__word(p, value, "thing to round", words, &i);

	if (!err)
		((struct tariff *)into)->round_total_only = i == 1;
	return err;
}

static const struct claims_key rounding_keys[] = {
	{ "digits", rounding_digits },
	{ "how", rounding_how },
	{ "of", rounding_of },
	{ 0 },
};

static int set_rounding(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	struct tariff *t = ((struct draft *)into)->tariff;
	int err;

	t->rounding = ROUND_HALF_UP;
	err = claims_parser__map(p, value, "rounding", rounding_keys, t);
	if (!err && t->scale < 0)
		return claims_parser__fail(p, value, "write how many digits after the point are kept, as 'digits: 2'",
					   "'rounding' without 'digits'");
	return err;
}

static const struct claims_key tariff_keys[] = {
	{ "model", set_model },		{ "prompt", set_prompt },
	{ "cached", set_cached },	{ "completion", set_completion },
	{ "reasoning", set_reasoning }, { "tiers", set_tiers },
	{ "tiers_by", set_tiers_by },	{ "tokens_before", set_tokens_before },
	{ "discounts", set_discounts }, { "time_zone", set_time_zone },
	{ "rounding", set_rounding },	{ 0 },
};

static int finish(struct claims_parser *p, const struct yaml_node *node, struct draft *d)
{
	struct tariff *t = d->tariff;
	int err;

	if (t->tiers && d->priced)
		return claims_parser__fail(p, d->priced->key, "move the prices into the tiers", "'%s' beside 'tiers'",
					   d->priced->key->text);
	if (d->tiers_by && !t->tiers)
		return claims_parser__fail(p, d->tiers_by->key, "leave it out, or add 'tiers'",
					   "'tiers_by' without 'tiers'");
	if (d->before && (!t->tiers || t->tiers_by_request))
		return claims_parser__fail(p, d->before->key, "leave it out, or write 'tiers' that go by the month",
					   "'tokens_before' without tiers of the month");
	if (t->tiers)
		return 0;
	err = check_prices(p, node, d->has);
	if (err)
		return err;
	t->tiers = claims_parser__grow(NULL, &t->n_tiers, sizeof(*t->tiers));
	if (!t->tiers)
		return -ENOMEM;
	t->tiers[0] = d->plain;
	return 0;
}

static bool same_model(const struct tariff *a, const struct tariff *b)
{
	return a->model && b->model ? strcmp(a->model, b->model) == 0 : a->model == b->model;
}

static int parse_tariff(struct claims_parser *p, const struct yaml_node *node)
{
	struct claims *c = p->claims;
	struct draft d = { 0 };
	void *bigger;
	int err;

	if (c->n_tariffs == MAX_TARIFFS)
		return claims_parser__fail(p, node, "split the file", "more than %d tariffs", MAX_TARIFFS);
	bigger = claims_parser__grow(c->tariffs, &c->n_tariffs, sizeof(*d.tariff));
	if (!bigger)
		return -ENOMEM;
	c->tariffs = bigger;
	d.tariff = &c->tariffs[c->n_tariffs - 1];
	d.tariff->line = node->line;
	d.tariff->scale = -1;
	err = claims_parser__map(p, node, "a tariff", tariff_keys, &d);
	if (!err)
		err = finish(p, node, &d);
	for (size_t i = 0; i + 1 < c->n_tariffs && !err; i++)
		if (same_model(&c->tariffs[i], d.tariff))
			return claims_parser__fail(p, node, "give each tariff another 'model', or merge them",
						   "a second tariff for %s; the first is in line %lld",
						   d.tariff->model ? d.tariff->model : "all models",
						   (long long)c->tariffs[i].line);
	return err;
}

int claims_tariff__parse(struct claims_parser *p, const struct yaml_node *node)
{
	return claims_parser__list(p, node, "tariff", parse_tariff);
}
