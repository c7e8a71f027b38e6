/* SPDX-License-Identifier: Apache-2.0 */
/* Effects of techniques in published tables: what fewer bits can save, and what has to be measured. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "userspace/verify/plausibility.h"

#define figure plausibility__figure
#define add plausibility__row

#define MAX_FORMATS 8
#define ROUNDING 1.02	/* sheets round to whole percents */

/* Bits of the formats that a text names: "INT4/INT8 quantization" 4 and 8. */
static int formats(const char *text, int bits[MAX_FORMATS])
{
	int n = 0;

	for (const char *at = text; at && *at && n < MAX_FORMATS; at++) {
		const size_t prefix = strncasecmp(at, "int", 3) == 0 ? 3 : strncasecmp(at, "fp", 2) == 0 ? 2 : 0;
		long value;

		if (!prefix || (at > text && isalnum((unsigned char)at[-1])) || !isdigit((unsigned char)at[prefix]))
			continue;
		value = strtol(at + prefix, NULL, 10);
		if (value >= 1 && value <= 64)
			bits[n++] = (int)value;
	}
	return n;
}

/* By what factor a row says that memory shrinks; false: it does not say. */
static bool claimed_factor(const struct sheet_technique *row, double *low, double *high)
{
	if (row->factor.text && row->factor.low > 0) {
		*low = row->factor.low;
		*high = row->factor.high;
		return true;
	}
	if (!row->pct.text || row->pct.low <= -100 || row->pct.high >= 0)
		return false;
	*low = 100 / (100 + row->pct.high);
	*high = 100 / (100 + row->pct.low);
	return true;
}

struct shrinking {
	int n, bits[MAX_FORMATS], base;
	double low, high;		/* factors by arithmetic */
	double claimed_low, claimed_high;
};

static bool shrinks(const struct sheet_technique *row, struct shrinking *out)
{
	int base[MAX_FORMATS];

	out->n = formats(row->technique, out->bits);
	if (out->n == 0 || formats(row->against, base) != 1 || !plausibility__mentions(row->effect, "memory") ||
	    !claimed_factor(row, &out->claimed_low, &out->claimed_high))
		return false;
	out->base = base[0];
	out->low = INFINITY;
	out->high = 0;
	for (int i = 0; i < out->n; i++) {
		out->low = fmin(out->low, (double)out->base / out->bits[i]);
		out->high = fmax(out->high, (double)out->base / out->bits[i]);
	}
	return true;
}

/* Another row that claims more of a format than this one does of all of its formats. */
static const struct sheet_technique *contradicts(const struct sheet *s, const struct sheet_technique *row,
						 const struct shrinking *mine)
{
	for (size_t i = 0; i < s->n_techniques; i++) {
		const struct sheet_technique *other = &s->techniques[i];
		struct shrinking its;

		if (other == row || !shrinks(other, &its) || its.base != mine->base ||
		    its.claimed_low <= mine->claimed_high * ROUNDING)
			continue;
		for (int k = 0; k < its.n; k++)
			for (int m = 0; m < mine->n; m++)
				if (its.bits[k] == mine->bits[m])
					return other;
	}
	return NULL;
}

static int check_shrinking(struct verification *v, const struct sheet *s, const struct sheet_technique *row,
			   const struct shrinking *m)
{
	const struct sheet_technique *other = contradicts(s, row, m);
	struct check *c = add(v, "plausibility.footprint", row->line, "techniques_claimed", row->technique);
	const double least = 100 * (1 - 1 / m->low), most = 100 * (1 - 1 / m->high);

	if (!c)
		return -ENOMEM;
	c->claimed = plausibility__copy(v, row->factor.text ? row->factor.text : row->pct.text);
	c->unit = row->factor.text ? "times less memory" : "% of memory";
	c->low = row->factor.text ? figure(v, m->low) : figure(v, -most);
	c->high = row->factor.text ? figure(v, m->high) : figure(v, -least);
	c->rule = "weights of b bits take b / base bits of the memory; one sheet gives one figure for one format";
	if (m->claimed_high > m->high * ROUNDING) {
		c->verdict = VERDICT_REFUTED;
		c->text = verification__text(v,
					     "more than arithmetic: %d bits to the smallest of these formats is %s "
					     "times less, and scales take some of that",
					     m->base, figure(v, m->high));
	} else if (other) {
		c->verdict = VERDICT_REFUTED;
		c->text = verification__text(v,
					     "contradicts the row in line %lld (%s) for the same format; by arithmetic "
					     "the weights shrink by %s to %s %%. Less is what is left where "
					     "only a part of the memory is weights, but then the other row is wrong",
					     (long long)other->line,
					     other->factor.text ? other->factor.text : other->pct.text,
					     figure(v, least), figure(v, most));
	} else if (m->claimed_low * ROUNDING >= m->low) {
		c->verdict = VERDICT_CONFIRMED;
		c->text = verification__text(v,
					     "arithmetic of the weights alone: %s to %s times less than with %d bits, "
					     "which is %s to %s %%; scales, the "
					     "cache and what is kept in full take some of it",
					     figure(v, m->low), figure(v, m->high), m->base, figure(v, least),
					     figure(v, most));
	} else {
		c->text = verification__text(v,
					     "less than arithmetic, which is %s to %s %% of the weights: possible "
					     "where only a part of the memory is weights, and the "
					     "sheet does not say which memory is meant",
					     figure(v, least), figure(v, most));
	}
	return 0;
}

static int check_technique(struct verification *v, const struct sheet *s, const struct sheet_technique *row)
{
	const struct sheet_figure *f = row->factor.text ? &row->factor : &row->pct;
	struct shrinking shrinking;
	struct check *c;
	int err;

	if (shrinks(row, &shrinking)) {
		err = check_shrinking(v, s, row, &shrinking);
		if (err || !plausibility__mentions(row->effect, "latency"))
			return err;
	}
	c = add(v, "plausibility.technique", row->line, "techniques_claimed", row->technique);
	if (!c)
		return -ENOMEM;
	c->claimed = plausibility__copy(v, f->text);
	c->unit = row->factor.text ? "times" : "%";
	c->rule = "an effect is measured with and without the technique";
	if (!f->text)
		c->text = "no figure to check";
	else if (plausibility__mentions(row->technique, "speculative"))
		c->text = verification__text(v,
					     "needs a recording: a factor of %s takes at least as many tokens "
					     "accepted, on average, from each pass of the model, and "
					     "less is left of it where batches are full",
					     figure(v, f->high));
	else if (plausibility__mentions(row->effect, "cache") && row->pct.text && f->low > -100 && f->high < 0)
		c->text =
			verification__text(v, "needs a recording: leaves %s to %s of 16 bits an element",
					   figure(v, 16 * (100 + f->low) / 100), figure(v, 16 * (100 + f->high) / 100));
	else if (plausibility__mentions(row->effect, "latency"))
		c->text = verification__text(
			v,
			"latency: needs a recording; time shrinks with memory only where reading weights is all of it");
	else if (plausibility__mentions(row->effect, "error"))
		c->text = verification__text(v,
					     "needs a recording: an error of %s %% is no property of counting, where "
					     "one token off is a finding",
					     f->text);
	else
		c->text = "no arithmetic bounds it: it needs a recording";
	return 0;
}

int plausibility__techniques(struct verification *v, const struct sheet *s)
{
	int err = 0;

	for (size_t i = 0; i < s->n_techniques && !err; i++)
		err = check_technique(v, s, &s->techniques[i]);
	return err;
}
