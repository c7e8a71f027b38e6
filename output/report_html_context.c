/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a token took, by how many tokens stood before it: the rows of all steps in bins of context, of each bin the median and the middle
 * eight tenths, so that a million tokens are as many points as there are bins.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "output/facts.h"
#include "output/figure.h"
#include "output/report_chart.h"
#include "output/report_html.h"

#define MOST_BINS 50
#define LEFT 72
#define WIDTH 1112
#define HEIGHT 190

struct bins {
	int64_t width;		/* of a bin, in tokens */
	size_t n;
	size_t first[MOST_BINS + 3];	/* of each bin in values; the next one's is its end */
	int64_t *values;	/* by bin, sorted upwards */
	size_t n_alone;		/* rows that had their step for themselves */
};

struct point {
	int64_t low, middle, high, n;
};

/* In the middle of the row's own tokens. */
static int64_t context_of(const struct timeline_row *row)
{
	return row->first_pos + (int64_t)(row->n_tokens / 2);
}

/* Rows whose share is a request's, of one phase. */
static bool is_counted(const struct report_page *p, const struct timeline_row *row, enum phase phase)
{
	return row->phase == phase && row->counted && row->n_tokens > 0 && row->first_pos >= 0 &&
	       row->run != RUN_NONE && p->l->timeline->runs[row->run].request != REQUEST_NONE;
}

static int64_t cost_per_token(const struct report_page *p, size_t row)
{
	return figure__each(p->l->row_cost[row * p->l->n_resources + (size_t)p->resource],
			    p->l->timeline->rows[row].n_tokens);
}

static size_t rows_of_step(const struct timeline *t, uint32_t step)
{
	return t->step_first_row[step + 1] - t->step_first_row[step];
}

/* first[b + 2] counts bin b, then becomes where its next value goes, and so ends as the start of bin b + 1. */
static void fill(struct bins *b, const struct report_page *p, enum phase phase)
{
	const struct timeline *t = p->l->timeline;

	for (size_t i = 0; i < t->n_rows; i++)
		if (is_counted(p, &t->rows[i], phase))
			b->first[context_of(&t->rows[i]) / b->width + 2]++;
	for (size_t k = 2; k < b->n + 2; k++)
		b->first[k] += b->first[k - 1];
	for (size_t i = 0; i < t->n_rows; i++) {
		if (!is_counted(p, &t->rows[i], phase))
			continue;
		b->values[b->first[context_of(&t->rows[i]) / b->width + 1]++] = cost_per_token(p, i);
		b->n_alone += rows_of_step(t, t->rows[i].step) == 1;
	}
	for (size_t k = 0; k < b->n; k++)
		sort_values(b->values + b->first[k], b->first[k + 1] - b->first[k]);
}

/* @return 0; -ENOMEM. No row: b->n is 0 */
static int bin(struct bins *b, const struct report_page *p, enum phase phase)
{
	const struct timeline *t = p->l->timeline;
	int64_t most = 0;
	size_t n = 0;

	*b = (struct bins){ .width = 1 };
	for (size_t i = 0; i < t->n_rows; i++) {
		if (!is_counted(p, &t->rows[i], phase))
			continue;
		n++;
		most = context_of(&t->rows[i]) > most ? context_of(&t->rows[i]) : most;
	}
	if (n == 0)
		return 0;
	b->values = calloc(n, sizeof(*b->values));
	if (!b->values)
		return -ENOMEM;
	b->width = chart__round(most + 1, MOST_BINS);
	b->n = (size_t)(most / b->width) + 1;
	fill(b, p, phase);
	return 0;
}

static struct point point_of(const struct bins *b, size_t k)
{
	const int64_t *values = b->values + b->first[k];
	const size_t n = b->first[k + 1] - b->first[k];

	return (struct point){ percentile(values, n, 10), percentile(values, n, 50), percentile(values, n, 90),
			       (int64_t)n };
}

static void put_point(const struct report_page *p, const struct chart *c, const struct bins *b, size_t k)
{
	const struct point at = point_of(b, k);
	const char *unit = p->l->resources[p->resource].row->unit;
	const double x = chart__x(c, ((double)k + 0.5) * (double)b->width);

	fprintf(p->f, "<g class=\"point\"><title>context %" PRId64 " to %" PRId64 "\n", (int64_t)k * b->width,
		((int64_t)k + 1) * b->width - 1);
	html__format(p->f, "median %s per token, middle eight tenths %s to %s, rows: %s",
		     figure__in_unit(at.middle, unit).s, figure__in_unit(at.low, unit).s,
		     figure__in_unit(at.high, unit).s, figure__count(at.n).s);
	fprintf(p->f, "</title><path d=\"M%.1f %.1fV%.1f\"/><circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/></g>\n", x,
		chart__y(c, (double)at.low), chart__y(c, (double)at.high), x, chart__y(c, (double)at.middle));
}

static void put_drawing(const struct report_page *p, const struct bins *b, enum phase phase)
{
	struct chart c = { LEFT, 12, WIDTH, HEIGHT, (int64_t)b->n * b->width, 1 };
	const char *unit = p->l->resources[p->resource].row->unit;

	for (size_t k = 0; k < b->n; k++) {
		const int64_t high = b->first[k] < b->first[k + 1] ? point_of(b, k).high : 0;

		c.y_most = high > c.y_most ? high : c.y_most;
	}
	fprintf(p->f,
		"<div class=\"frame\" tabindex=\"0\" role=\"region\" aria-label=\"Cost by context, %s\">\n<svg "
		"class=\"chart %s\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s per token against the context "
		"before it, %s: median and middle eight tenths. The table below has the figures.\">\n",
		phase__name(phase), phase__name(phase), LEFT + WIDTH + 16, HEIGHT + 50,
		resource__title(&p->l->resources[p->resource]), phase__name(phase));
	chart__x_axis(p->f, &c, figure__count);
	chart__y_axis(p->f, &c,
		      strcmp(unit, "ns") == 0	 ? figure__time :
		      strcmp(unit, "bytes") == 0 ? figure__bytes :
		      strcmp(unit, "uJ") == 0	 ? figure__energy :
						   figure__count);
	fprintf(p->f, "<text class=\"name\" x=\"%d\" y=\"%d\">tokens of context</text>\n", LEFT + WIDTH, HEIGHT + 44);
	for (size_t k = 0; k < b->n; k++)
		if (b->first[k] < b->first[k + 1])
			put_point(p, &c, b, k);
	fputs("</svg>\n</div>\n", p->f);
}

static void put_table(const struct report_page *p, const struct bins *b, enum phase phase)
{
	const struct ledger_resource *resource = &p->l->resources[p->resource];
	const int grade = resource->row->grade == GRADE_MEASURED ? GRADE_DERIVED : resource->row->grade;
	char caption[96];

	snprintf(caption, sizeof(caption), "%s per token by context, %s", resource__title(resource),
		 phase__name(phase));
	fputs("<details><summary>As a table</summary>\n", p->f);
	report_html__table(p->f, caption);
	report_html__column(p->f, "context from", NULL, GRADE_SELF_REPORTED, true);
	report_html__column(p->f, "to", NULL, GRADE_SELF_REPORTED, true);
	report_html__column(p->f, "rows", "of steps", GRADE_SELF_REPORTED, true);
	report_html__column(p->f, "p10", NULL, grade, true);
	report_html__column(p->f, "median", NULL, grade, true);
	report_html__column(p->f, "p90", NULL, grade, true);
	fputs("</tr></thead>\n<tbody>\n", p->f);
	for (size_t k = 0; k < b->n; k++) {
		const struct point at = point_of(b, k);

		if (!at.n)
			continue;
		fputs("<tr>", p->f);
		report_html__cell(p->f, (int64_t)k * b->width, "");
		report_html__cell(p->f, ((int64_t)k + 1) * b->width - 1, "");
		report_html__cell(p->f, at.n, "");
		report_html__cell(p->f, at.low, resource->row->unit);
		report_html__cell(p->f, at.middle, resource->row->unit);
		report_html__cell(p->f, at.high, resource->row->unit);
		fputs("</tr>\n", p->f);
	}
	report_html__end_table(p->f);
	fputs("</details>\n", p->f);
}

static int put_phase(const struct report_page *p, enum phase phase, bool *any)
{
	struct bins b;
	const int err = bin(&b, p, phase);
	const size_t n = err ? 0 : b.first[b.n];

	if (n) {
		fprintf(p->f, "<h3>%s</h3>\n<p class=\"bound\">%s row%s of steps, in bins of ", phase__name(phase),
			figure__count((int64_t)n).s, n == 1 ? "" : "s");
		fprintf(p->f, "%s tokens of context; ", figure__count(b.width).s);
		fprintf(p->f, "%s of them had the step for themselves.</p>\n", figure__count((int64_t)b.n_alone).s);
		put_drawing(p, &b, phase);
		put_table(p, &b, phase);
		*any = true;
	}
	free(b.values);
	return err;
}

int report_html__context(const struct report_page *p)
{
	bool any = false;
	int err = 0;

	report_html__section(p->f, "context", "Cost per token against context");
	if (p->resource < 0 || !p->l->row_cost) {
		fputs("<p class=\"missing\"><b>unavailable:</b> nothing that a token takes was measured; the evidence "
		      "below says why.</p>\n</section>\n",
		      p->f);
		return 0;
	}
	fprintf(p->f,
		"<p>%s per token that a step computed, by how many tokens stood before it. A dot is the median of its "
		"bin, the line through it reaches from the tenth to the ninetieth percentile. What a step took is %s; "
		"a "
		"row that shared it with others has a share by the rule named above, which is derived.</p>\n",
		resource__title(&p->l->resources[p->resource]),
		report_html__grade(p->l->resources[p->resource].row->grade));
	for (int phase = 0; phase < N_PHASES && !err; phase++)
		err = put_phase(p, (enum phase)phase, &any);
	if (!any)
		fputs("<p class=\"missing\">No row of a step could be given to a request.</p>\n", p->f);
	fputs("</section>\n", p->f);
	return err;
}
