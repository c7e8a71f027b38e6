/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "output/scorecard.h"

static struct decimal decimal_of(const struct scorecard_metric *m, const struct scorecard_figure *f)
{
	return (struct decimal){ .digits = f->value, .scale = m->scale };
}

static struct figure format(const struct decimal *d)
{
	char text[DECIMAL_TEXT];
	struct figure out;

	decimal__format(d, text);
	snprintf(out.s, sizeof(out.s), "%.47s", text);
	return out;
}

struct figure scorecard__exact(const struct scorecard_metric *m, const struct scorecard_figure *f)
{
	const struct decimal d = decimal_of(m, f);

	return f->value == ABSENT ? (struct figure){ .s = "" } : format(&d);
}

static bool has_own_unit(const struct scorecard_metric *m)
{
	return strcmp(m->unit, "ns") == 0 || strcmp(m->unit, "bytes") == 0 || strcmp(m->unit, "uJ") == 0;
}

/* Four digits or all of the whole part. */
static struct figure short_decimal(struct decimal d)
{
	static const int64_t limits[] = { 1000, 100, 10, 1 };
	int scale = 4;

	for (int i = 0; i < 4; i++) {
		const struct decimal limit = { .digits = limits[i], .scale = 0 };

		if (decimal__compare(&d, &limit) >= 0) {
			scale = i;
			break;
		}
	}
	if (scale < d.scale)
		decimal__round(&d, &d, scale, ROUND_HALF_EVEN);
	return format(&d);
}

static struct figure end_text(const struct scorecard_metric *m, int64_t end)
{
	if (end == ABSENT)
		return (struct figure){ .s = "-" };
	if (has_own_unit(m))
		return figure__in_unit(end, m->unit);
	return m->scale ? short_decimal((struct decimal){ .digits = end, .scale = m->scale }) : figure__integer(end);
}

struct figure scorecard__interval(const struct scorecard_metric *m, const struct scorecard_figure *f)
{
	struct figure out = { .s = "" };

	if (f->value != ABSENT && !f->at_least && (f->low != ABSENT || f->high != ABSENT))
		snprintf(out.s, sizeof(out.s), "%.20s to %.20s", end_text(m, f->low).s, end_text(m, f->high).s);
	return out;
}

struct figure scorecard__exact_end(const struct scorecard_metric *m, int64_t end)
{
	const struct decimal d = { .digits = end, .scale = m->scale };

	return end == ABSENT ? (struct figure){ .s = "" } : format(&d);
}

struct figure scorecard__text(const struct scorecard_metric *m, const struct scorecard_figure *f)
{
	struct figure figure, out;

	if (f->value == ABSENT)
		return (struct figure){ .s = "-" };
	figure = has_own_unit(m) ? figure__in_unit(f->value, m->unit) :
		 m->scale	 ? short_decimal(decimal_of(m, f)) :
				   figure__integer(f->value);
	snprintf(out.s, sizeof(out.s), "%s%.40s", f->at_least ? ">= " : "", figure.s);
	return out;
}

const char *scorecard__unit(const struct scorecard_metric *m, const struct scorecard_figure *f)
{
	if (f->value == ABSENT || has_own_unit(m))
		return "";
	return f->unit ? f->unit : m->unit;
}

struct figure scorecard__change(const struct scorecard *from, const struct scorecard *to, size_t metric)
{
	struct scorecard_change c;
	struct figure text, out;

	scorecard__compare(&c, from, to, metric);
	if (!c.known)
		return (struct figure){ .s = "-" };
	text = format(c.has_percent ? &c.percent : &c.change);
	snprintf(out.s, sizeof(out.s), "%s%.40s%s%s",
		 (c.has_percent ? c.percent.digits : c.change.digits) > 0 ? "+" : "", text.s, c.has_percent ? " %" : "",
		 c.is_more_than_chance ? " *" : "");
	return out;
}

struct figure scorecard__made_of(const struct scorecard_figure *f)
{
	struct figure out = { .s = "" };

	if (f->n_left_out)
		snprintf(out.s, sizeof(out.s), "%" PRId64 " of %" PRId64, f->n, f->n + f->n_left_out);
	else if (f->n)
		snprintf(out.s, sizeof(out.s), "%" PRId64, f->n);
	return out;
}
