/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/quantity.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_DIGITS 24
#define MAX_EXPONENT 30

/* Powers of ten alone: a figure then is the double that is nearest to what was written. */
struct unit {
	const char *name;
	int exponent;
	bool hidden;	/* another spelling, not in the list of known ones */
};

static const struct unit rates[] = {
	{ "tokens/s", 0, false }, { "tokens per second", 0, true }, { "token/s", 0, true }, { "tok/s", 0, true }, { 0 },
};
static const struct unit times[] = {
	{ "ns", 0, false },
	{ "us", 3, false },
	{ "\u00b5s", 3, true },
	{ "\u03bcs", 3, true },
	{ "ms", 6, false },
	{ "s", 9, false },
	{ 0 },
};
static const struct unit fractions[] = { { "%", -2, false }, { "percent", -2, true }, { 0 } };
static const struct unit counts[] = {
	{ "", 0, true },	  { "K", 3, false },
	{ "M", 6, false },	  { "B", 9, false },
	{ "T", 12, false },	  { "thousand", 3, true },
	{ "million", 6, true },	  { "billion", 9, true },
	{ "trillion", 12, true }, { 0 },
};
static const struct unit tokens[] = { { "tokens", 0, false }, { 0 } };
static const struct unit tokens_per_joule[] = {
	{ "tokens/J", 0, false },
	{ "tokens per joule", 0, true },
	{ "tokens/kJ", -3, false },
	{ 0 },
};
static const struct unit *const units[N_DIMENSIONS] = {
	[DIMENSION_RATE] = rates,   [DIMENSION_TIME] = times,	 [DIMENSION_FRACTION] = fractions,
	[DIMENSION_COUNT] = counts, [DIMENSION_TOKENS] = tokens, [DIMENSION_TOKENS_PER_JOULE] = tokens_per_joule,
};

/* Per how many tokens a price is: 10^exponent. */
static const struct unit price_units[] = {
	{ "per million tokens", 6, false },
	{ "per 1M tokens", 6, true },
	{ "/1M tokens", 6, true },
	{ "/million tokens", 6, true },
	{ "/Mtok", 6, true },
	{ "per thousand tokens", 3, false },
	{ "per 1K tokens", 3, true },
	{ "/1K tokens", 3, true },
	{ "per token", 0, false },
	{ "/token", 0, true },
	{ 0 },
};

/* What a number's text consists of: its length, digits after the point, and exponent. */
struct number {
	size_t n, n_mantissa;
	int n_fraction, exponent;
};

static size_t count_digits(const char *text)
{
	size_t n = 0;

	while (isdigit((unsigned char)text[n]))
		n++;
	return n;
}

static int scan_number(struct number *out, const char *text)
{
	const size_t n_whole = count_digits(text);
	size_t n = n_whole, n_fraction = 0, n_exponent;
	const char *e;

	if (n_whole == 0)
		return -EINVAL;
	if (text[n] == '.' && isdigit((unsigned char)text[n + 1])) {
		n_fraction = count_digits(text + n + 1);
		n += 1 + n_fraction;
	}
	if (n_whole + n_fraction > MAX_DIGITS)
		return -ERANGE;
	*out = (struct number){ .n = n, .n_mantissa = n, .n_fraction = (int)n_fraction };
	if (text[n] != 'e' && text[n] != 'E')
		return 0;
	e = text + n + 1;
	if (*e == '-' || *e == '+')
		e++;
	n_exponent = count_digits(e);
	if (n_exponent == 0)
		return 0; /* an 'e' that begins a unit */
	out->exponent = n_exponent > 2 ? MAX_EXPONENT + 1 : atoi(text + n + 1);
	out->n = (size_t)(e - text) + n_exponent;
	return abs(out->exponent) > MAX_EXPONENT ? -ERANGE : 0;
}

static void convert(struct quantity *out, const char *text, const struct number *number, int unit_exponent)
{
	const int exponent = number->exponent + unit_exponent;
	char buffer[MAX_DIGITS + 32];

	snprintf(buffer, sizeof(buffer), "%.*se%d", (int)number->n_mantissa, text, exponent);
	out->value = strtod(buffer, NULL);
	snprintf(buffer, sizeof(buffer), "1e%d", exponent - number->n_fraction);
	out->step = strtod(buffer, NULL);
}

/* A single letter has the case that it has: m is no million. */
static const struct unit *find_unit(const struct unit *list, const char *name, size_t n)
{
	for (; list->name; list++)
		if (strlen(list->name) == n &&
		    (n > 1 ? strncasecmp(list->name, name, n) == 0 : strncmp(list->name, name, n) == 0))
			return list;
	return NULL;
}

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " ");
}

int quantity__parse(struct quantity *out, const char *text, enum dimension d)
{
	static const char parameters[] = "parameters";
	const struct unit *unit;
	struct number number;
	const char *name;
	size_t n;
	int err = scan_number(&number, text);

	if (err)
		return err;
	name = skip_blanks(text + number.n);
	n = strlen(name);
	if (d == DIMENSION_COUNT && n >= strlen(parameters) && strcmp(name + n - strlen(parameters), parameters) == 0)
		n -= strlen(parameters);
	while (n > 0 && name[n - 1] == ' ')
		n--;
	unit = find_unit(units[d], name, n);
	if (!unit)
		return -ENOTSUP;
	convert(out, text, &number, unit->exponent);
	return 0;
}

void quantity__units(enum dimension d, char out[QUANTITY_UNITS])
{
	size_t n = 0;

	out[0] = 0;
	for (const struct unit *u = units[d]; u->name; u++)
		if (!u->hidden && n < QUANTITY_UNITS)
			n += (size_t)snprintf(out + n, QUANTITY_UNITS - n, "%s%s", n ? ", " : "", u->name);
}

size_t quantity__number(const char *text, double *value, double *step)
{
	const bool negative = *text == '-';
	struct number number;
	struct quantity q;

	if (scan_number(&number, text + negative))
		return 0;
	convert(&q, text + negative, &number, 0);
	*value = negative ? -q.value : q.value;
	*step = q.step;
	return number.n + negative;
}

/* --- prices -------------------------------------------------------------------------------------------------------- */

static int to_per_million(struct decimal *out, const struct decimal *price, int exponent)
{
	const int64_t factor = exponent == 6 ? 1 : exponent == 3 ? 1000 : 1000000;
	struct decimal d;
	int err = decimal__times(&d, price, factor);

	if (err)
		return err;
	/* "0.50" of a million stays as it is written; of others the zeros that the factor made go. */
	for (int zeros = 6 - exponent; zeros > 0 && d.scale > 0 && d.digits % 10 == 0; zeros--) {
		d.digits /= 10;
		d.scale--;
	}
	if (d.scale > PRICE_MAX_SCALE)
		return -ERANGE;
	*out = d;
	return 0;
}

int quantity__price(struct decimal *per_million, char currency[4], const char *text)
{
	const struct unit *unit;
	struct number number;
	struct decimal price;
	const char *at;
	int err = scan_number(&number, text);

	if (!err)
		err = decimal__parse(&price, text, number.n);
	if (err)
		return err;
	at = skip_blanks(text + number.n);
	for (int i = 0; i < 3; i++)
		if (at[i] < 'A' || at[i] > 'Z')
			return -ENOTSUP;
	memcpy(currency, at, 3);
	currency[3] = 0;
	at = skip_blanks(at + 3);
	unit = find_unit(price_units, at, strlen(at));
	return unit ? to_per_million(per_million, &price, unit->exponent) : -ENOTSUP;
}
