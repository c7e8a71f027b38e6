/* SPDX-License-Identifier: Apache-2.0 */
/* What tokens cost by a price list, exactly. */
#include <errno.h>

#include "userspace/recording.h"
#include "userspace/verify/claims.h"

#define MINUTES_A_DAY (24 * 60)
#define NS_A_MINUTE (60 * 1000000000LL)
#define THURSDAY 3	/* 1970-01-01 */
#define SHIFT 8		/* 10^8: prices are per million, discounts per hundred */

/* Tokens of one price in the order in which tiers of the month count them. */
enum kind { CACHED = 0, PROMPT, REASONING, COMPLETION, N_KINDS };

static const struct decimal *price_of(const struct tariff_tier *tier, enum kind kind)
{
	switch (kind) {
	case CACHED:
		return tier->has_cached ? &tier->cached : &tier->prompt;
	case REASONING:
		return tier->has_reasoning ? &tier->reasoning : &tier->completion;
	case PROMPT:
		return &tier->prompt;
	default:
		return &tier->completion;
	}
}

static int add_tokens(struct decimal *sum, const struct tariff_tier *tier, enum kind kind, int64_t n)
{
	struct decimal cost;
	int err = decimal__times(&cost, price_of(tier, kind), n);

	return err ? err : decimal__add(sum, sum, &cost);
}

static int add_graduated(struct decimal *sum, const struct tariff *t, const int64_t tokens[N_KINDS], int64_t at)
{
	size_t tier = 0;
	int err = 0;

	for (enum kind kind = 0; kind < N_KINDS && !err; kind++) {
		int64_t left = tokens[kind];

		while (left > 0 && !err) {
			int64_t here = left;

			while (tier + 1 < t->n_tiers && t->tiers[tier + 1].from_tokens <= at)
				tier++;
			if (tier + 1 < t->n_tiers && t->tiers[tier + 1].from_tokens - at < left)
				here = t->tiers[tier + 1].from_tokens - at;
			err = add_tokens(sum, &t->tiers[tier], kind, here);
			at += here;
			left -= here;
		}
	}
	return err;
}

static int add_by_request(struct decimal *sum, const struct tariff *t, const int64_t tokens[N_KINDS], int64_t prompt)
{
	size_t tier = 0;
	int err = 0;

	while (tier + 1 < t->n_tiers && t->tiers[tier + 1].from_tokens <= prompt)
		tier++;
	for (enum kind kind = 0; kind < N_KINDS && !err; kind++)
		err = add_tokens(sum, &t->tiers[tier], kind, tokens[kind]);
	return err;
}

static int64_t floor_divide(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static bool holds(const struct tariff_discount *d, int64_t local_minutes)
{
	const int64_t day = floor_divide(local_minutes, MINUTES_A_DAY);
	const int minute = (int)(local_minutes - day * MINUTES_A_DAY);
	const bool over_midnight = d->from_minute > d->to_minute;
	const bool after_midnight = over_midnight && minute < d->to_minute;
	/* The night of Friday goes on in the morning of Saturday. */
	const int64_t begun = day - after_midnight + THURSDAY;
	const int weekday = (int)(begun - floor_divide(begun, 7) * 7);

	if (!(d->weekdays & 1u << weekday))
		return false;
	return over_midnight ? minute >= d->from_minute || after_midnight :
			       minute >= d->from_minute && minute < d->to_minute;
}

/* What part of the price is left, in percent. */
static int percent_left(struct decimal *out, const struct tariff *t, int64_t unix_ns)
{
	static const struct decimal hundred = { .digits = 100 };

	*out = hundred;
	if (t->n_discounts == 0)
		return 0;
	if (unix_ns == ABSENT)
		return -ENODATA;
	for (size_t i = 0; i < t->n_discounts; i++)
		if (holds(&t->discounts[i], floor_divide(unix_ns, NS_A_MINUTE) + t->utc_offset_minutes))
			return decimal__subtract(out, &hundred, &t->discounts[i].percent);
	return 0;
}

/* Moves the point: exact where the digits have room, and zeros that nobody wrote go. */
static int divide_by_power(struct decimal *d, int power)
{
	d->scale += power;
	while (d->scale > 0 && power > 0 && d->digits % 10 == 0) {
		d->digits /= 10;
		d->scale--;
		power--;
	}
	return d->scale <= DECIMAL_MAX_SCALE ? 0 : -ERANGE;
}

int tariff__price(const struct tariff *t, int64_t prompt, int64_t cached, int64_t completion, int64_t reasoning,
		  int64_t unix_ns, int64_t tokens_before, struct decimal *out)
{
	struct decimal sum = { 0 }, left, product;
	int64_t tokens[N_KINDS], end;
	int err;

	cached = cached == ABSENT ? 0 : cached;
	reasoning = reasoning == ABSENT ? 0 : reasoning;
	if (cached < 0 || cached > prompt || reasoning < 0 || reasoning > completion || tokens_before < 0 ||
	    __builtin_add_overflow(tokens_before, prompt, &end) || __builtin_add_overflow(end, completion, &end))
		return -ERANGE;
	err = percent_left(&left, t, unix_ns);
	if (err)
		return err;
	tokens[CACHED] = cached;
	tokens[PROMPT] = prompt - cached;
	tokens[REASONING] = reasoning;
	tokens[COMPLETION] = completion - reasoning;
	err = t->tiers_by_request ? add_by_request(&sum, t, tokens, prompt) :
				    add_graduated(&sum, t, tokens, tokens_before);
	if (!err)
		err = decimal__multiply(&product, &sum, &left);
	if (!err)
		err = divide_by_power(&product, SHIFT);
	if (err)
		return err;
	if (t->scale >= 0 && !t->round_total_only)
		return decimal__round(out, &product, t->scale, t->rounding);
	*out = product;
	return 0;
}
