/* SPDX-License-Identifier: Apache-2.0 */
/* Prices of published tables, exactly. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/verify/plausibility.h"

#define figure plausibility__figure
#define add plausibility__row

/* No official rate has been above these since 1994, in units per US dollar. */
static double most_per_dollar(const char *currency)
{
	static const struct {
		const char *currency;
		double most;
	} rates[] = { { "USD", 1 }, { "CNY", 10 }, { "EUR", 2 }, { "GBP", 1 } };

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		if (strcmp(rates[i].currency, currency) == 0)
			return rates[i].most;
	return NAN;
}

static const struct sheet_figure *dearest(const struct sheet *s)
{
	const struct sheet_figure *most = NULL;

	for (size_t i = 0; i < s->n_models; i++) {
		const struct sheet_figure *price = &s->models[i].usd_per_million_tokens;

		if (price->text && (!most || price->low > most->low))
			most = price;
	}
	return most;
}

/* The price of n tokens without zeros that nobody wrote. */
static const char *price_of(struct verification *v, const struct decimal *per_token, int64_t n)
{
	char text[DECIMAL_TEXT];
	struct decimal d;

	if (decimal__times(&d, per_token, n))
		return NULL;
	while (d.scale > 0 && d.digits % 10 == 0) {
		d.digits /= 10;
		d.scale--;
	}
	decimal__format(&d, text);
	return verification__text(v, "%s", text);
}

static double value_of(const struct sheet_price *row)
{
	return strtod(row->text, NULL);
}

static const char *dearest_phrase(struct verification *v, const struct sheet_price *row,
				  const struct sheet_figure *most)
{
	const double ratio = value_of(row) * 1e6 / most->low;
	const char *text;

	if (strcmp(row->currency, "USD") == 0)
		text = verification__text(v,
					  ". That is %s times the dearest of this sheet's prices per million, %s USD",
					  figure(v, ratio), most->text);
	else
		text = verification__text(
			v, ". The dearest of this sheet's prices per million is %s USD, as much only at %s %s a dollar",
			most->text, figure(v, ratio), row->currency);
	return text ? text : "";
}

static int check_price(struct verification *v, const struct sheet *s, const struct sheet_price *row)
{
	const struct sheet_figure *most = dearest(s);
	struct check *c = add(v, "plausibility.price_per_token", row->line, "token prices", row->provider);
	const char *thousand;

	if (!c)
		return -ENOMEM;
	c->measured = price_of(v, &row->price, 1000000);
	thousand = price_of(v, &row->price, 1000);
	c->unit = verification__text(v, "%s per million tokens", row->currency);
	c->rule = "price per token x 1,000,000 = price per million tokens, exactly";
	if (!c->measured || !thousand)
		return 0;
	c->text = verification__text(
		v, "%s %s per token is %s %s per million; per thousand tokens, it were %s %s per million%s", row->text,
		row->currency, c->measured, row->currency, thousand, row->currency,
		most ? dearest_phrase(v, row, most) : "");
	return 0;
}

/* Two price tables of one sheet that do not come near each other at any rate of exchange. */
static int check_price_tables(struct verification *v, const struct sheet *s, size_t first)
{
	const char *currency = s->prices[first].currency;
	const struct sheet_figure *most = dearest(s);
	double least = INFINITY, in_dollars;
	struct check *c;

	for (size_t i = first; i < s->n_prices && strcmp(s->prices[i].currency, currency) == 0; i++)
		least = fmin(least, value_of(&s->prices[i]) * 1e6);
	in_dollars = least / most_per_dollar(currency);
	if (!most || isnan(in_dollars) || in_dollars <= most->low)
		return 0;
	c = add(v, "plausibility.price_tables", s->prices[first].line, "prices per token against prices per million",
		NULL);
	if (!c)
		return -ENOMEM;
	c->verdict = in_dollars > 10 * most->low ? VERDICT_REFUTED : VERDICT_INCONCLUSIVE;
	c->measured = figure(v, least);
	c->unit = verification__text(v, "%s per million tokens", currency);
	c->rule = "prices of one sheet for the same good in the units as printed come within a factor of 10 of each "
		  "other, at any rate of exchange "
		  "since 1994";
	c->text = verification__text(
		v,
		"the cheapest price per token is %s %s per million, at least %s USD with at most %s %s a dollar: %.0f "
		"times the dearest price per million or more. One of the two units is not what is meant (per thousand "
		"tokens "
		"would fit), or the tables are of different goods",
		figure(v, least), currency, figure(v, in_dollars), figure(v, most_per_dollar(currency)), currency,
		floor(in_dollars / most->low));
	return 0;
}

static int check_off_peak(struct verification *v, const struct sheet *s)
{
	const struct sheet_figure *f = &s->off_peak_discount_pct;
	struct check *c = add(v, "plausibility.off_peak", s->off_peak_line, "off_peak_discount_pct", NULL);

	if (!c)
		return -ENOMEM;
	c->claimed = plausibility__copy(v, f->text);
	c->unit = "%";
	c->rule = "a discount is from 0 to 100 % of the price";
	if (f->low < 0 || f->high > 100) {
		c->verdict = VERDICT_REFUTED;
		c->text = "no discount raises a price, or takes more than all of it off";
	} else {
		c->text = verification__text(v,
					     "leaves %s %% of the price; the sheet says neither which hours nor in "
					     "which time zone, so no bill can be checked "
					     "against it. A tariff with 'discounts' says both",
					     figure(v, 100 - f->high));
	}
	return 0;
}

int plausibility__prices(struct verification *v, const struct sheet *s)
{
	int err = 0;

	for (size_t i = 0; i < s->n_prices && !err; i++) {
		if (i == 0 || strcmp(s->prices[i].currency, s->prices[i - 1].currency) != 0)
			err = check_price_tables(v, s, i);
		if (!err)
			err = check_price(v, s, &s->prices[i]);
	}
	if (!err && s->off_peak_discount_pct.text)
		err = check_off_peak(v, s);
	return err;
}
