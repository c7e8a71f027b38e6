/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batch fill: how many rows the steps had, over the time of the recording in bins, and by how many rows. Steps of a draft model are left
 * out, since they have the same sequences as the target's.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "output/facts.h"
#include "output/figure.h"
#include "output/report_chart.h"
#include "output/report_html.h"
#include "userspace/analysis/meters.h"
#include "userspace/analysis/traffic.h"

#define BINS 280
#define LEFT 64
#define WIDTH 1120
#define HEIGHT 150
#define BUSY_HEIGHT 44
#define N_SIZES 36	/* 1 to 8 rows, then up to twice as many each */
#define EXACT_SIZES 8

enum band { BAND_PREFILL, BAND_DECODE, BAND_OTHER, N_BANDS };
static const char *const band_classes[N_BANDS] = { "prefill", "decode", "verify" };
static const char *const band_words[N_BANDS] = { "rows in prefill", "rows in decode", "other rows" };

struct size {
	int64_t n_steps, ns, n_tokens, cost;	/* cost: of those steps where it is known */
	int64_t n_known;
};

struct fill {
	double busy_ns[BINS];			/* time in steps */
	double row_ns[BINS][N_BANDS];		/* time in steps, times rows */
	struct size sizes[N_SIZES];
	size_t n_steps, n_unknown;		/* of them without known rows */
	int64_t most_rows;
	double bin_ns;
	int64_t *uses;				/* per step, of steps at one time each its part; NULL: not by a meter */
};

static enum band band_of(const struct timeline_row *row)
{
	return row->phase == PHASE_DECODE ? BAND_DECODE : row->phase == PHASE_PREFILL ? BAND_PREFILL : BAND_OTHER;
}

static size_t size_of(int64_t n_rows)
{
	size_t size = EXACT_SIZES;

	if (n_rows <= EXACT_SIZES)
		return (size_t)n_rows - 1;
	for (int64_t most = 2 * EXACT_SIZES; n_rows > most && size < N_SIZES - 1; most *= 2)
		size++;
	return size;
}

static void size_bounds(size_t size, int64_t *least, int64_t *most)
{
	*least = *most = (int64_t)size + 1;
	if (size < EXACT_SIZES)
		return;
	*most = (int64_t)EXACT_SIZES << (size - EXACT_SIZES + 1);
	*least = *most / 2 + 1;
}

static void spread(struct fill *b, const struct report_page *p, const struct row_step *step,
		   const int64_t n_rows[N_BANDS])
{
	const double from = step->start_ns > p->start_ns ? (double)(step->start_ns - p->start_ns) : 0;
	const double to = step->end_ns > p->start_ns ? (double)(step->end_ns - p->start_ns) : 0;

	/* A recording that was edited may have steps long after its end. */
	if (from >= b->bin_ns * BINS)
		return;
	for (size_t k = (size_t)(from / b->bin_ns); k < BINS && (double)k * b->bin_ns < to; k++) {
		const double begin = (double)k * b->bin_ns, end = begin + b->bin_ns;
		const double ns = (to < end ? to : end) - (from > begin ? from : begin);

		if (ns <= 0)
			continue;
		b->busy_ns[k] += ns;
		for (int band = 0; band < N_BANDS; band++)
			b->row_ns[k][band] += ns * (double)n_rows[band];
	}
}

static int64_t cost_of(const struct fill *b, const struct report_page *p, size_t i)
{
	const int64_t cost = p->resource < 0 ? ABSENT : ledger__step_use(p->l, i, (size_t)p->resource);

	return cost == ABSENT || !b->uses ? cost : b->uses[i];
}

static void add_size(struct fill *b, const struct report_page *p, size_t i, int64_t n_rows, int64_t n_tokens)
{
	const struct row_step *step = &p->r->steps[i];
	struct size *size = &b->sizes[size_of(n_rows)];
	const int64_t cost = cost_of(b, p, i);

	size->n_steps++;
	size->n_tokens += n_tokens;
	size->ns += step->end_ns > step->start_ns ? (int64_t)(step->end_ns - step->start_ns) : 0;
	if (cost != ABSENT) {
		size->cost += cost;
		size->n_known++;
	}
}

static void add_step(struct fill *b, const struct report_page *p, size_t i)
{
	const struct timeline *t = p->l->timeline;
	const char *role = recording__context_role(p->r, p->r->steps[i].context);
	int64_t n_rows[N_BANDS] = { 0 }, n = 0, n_tokens = 0;
	bool known = true;

	if (role && strcmp(role, "draft") == 0)
		return;
	for (uint32_t at = t->step_first_row[i]; at < t->step_first_row[i + 1]; at++) {
		known &= t->rows[at].seq >= 0;
		n_rows[band_of(&t->rows[at])]++;
		n_tokens += t->rows[at].n_tokens;
		n++;
	}
	b->n_steps++;
	if (!known || n == 0) {
		b->n_unknown++;
		return;
	}
	b->most_rows = n > b->most_rows ? n : b->most_rows;
	spread(b, p, &p->r->steps[i], n_rows);
	add_size(b, p, i, n, n_tokens);
}

/* ------------------------------------------------------------------------------------------------------------- drawing --- */

static struct figure percent_label(int64_t value)
{
	struct figure out;

	snprintf(out.s, sizeof(out.s), "%" PRId64 " %%", value);
	return out;
}

static void put_bin(const struct report_page *p, const struct fill *b, const struct chart *rows,
		    const struct chart *busy, size_t k)
{
	const double x = chart__x(rows, (double)k * b->bin_ns), width = rows->width / BINS;
	const double share = 100 * b->busy_ns[k] / b->bin_ns;
	double sum = 0;

	if (b->busy_ns[k] <= 0)
		return;
	for (int band = 0; band < N_BANDS; band++)
		sum += b->row_ns[k][band];
	fputs("<g class=\"bin\"><title>", p->f);
	fprintf(p->f, "from %s to %s\n", figure__time((int64_t)((double)k * b->bin_ns)).s,
		figure__time((int64_t)((double)(k + 1) * b->bin_ns)).s);
	fprintf(p->f, "%.2f rows per step, %.2f of them in decode; in steps %.0f %% of the time</title>",
		sum / b->busy_ns[k], b->row_ns[k][BAND_DECODE] / b->busy_ns[k], share < 100 ? share : 100);
	sum = 0;
	for (int band = N_BANDS - 1; band >= 0; band--) {
		const double n = b->row_ns[k][band] / b->busy_ns[k];

		if (n <= 0)
			continue;
		fprintf(p->f, "<path class=\"%s\" d=\"M%.1f %.1fV%.1fh%.2fV%.1fz\"/>", band_classes[band], x,
			chart__y(rows, sum), chart__y(rows, sum + n), width, chart__y(rows, sum));
		sum += n;
	}
	fprintf(p->f, "<path class=\"busy\" d=\"M%.1f %.1fV%.1fh%.2fV%.1fz\"/></g>\n", x, chart__y(busy, 0),
		chart__y(busy, share < 100 ? share : 100), width, chart__y(busy, 0));
}

static void put_drawing(const struct report_page *p, const struct fill *b)
{
	const int64_t duration = (int64_t)(p->end_ns - p->start_ns);
	const struct chart rows = { LEFT, 10, WIDTH, HEIGHT, duration, b->most_rows };
	const struct chart busy = { LEFT, HEIGHT + 54, WIDTH, BUSY_HEIGHT, duration, 100 };

	bool any_other = false;

	fputs("<p class=\"legend\">", p->f);
	for (size_t k = 0; k < BINS; k++)
		any_other |= b->row_ns[k][BAND_OTHER] > 0;
	for (int band = 0; band < BAND_OTHER + any_other; band++)
		fprintf(p->f, "<span><i class=\"%s\"></i>%s</span> ", band_classes[band], band_words[band]);
	fputs("<span><i class=\"busy\"></i>share of the time that was in steps</span></p>\n", p->f);
	fprintf(p->f,
		"<div class=\"frame\" tabindex=\"0\" role=\"region\" aria-label=\"Batch fill over time\">\n<svg "
		"class=\"chart\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Rows per step over the time of the "
		"recording, and below it the share of the time in which a step ran. The table has the figures by "
		"number of "
		"rows.\">\n",
		LEFT + WIDTH + 16, HEIGHT + BUSY_HEIGHT + 78);
	chart__x_axis(p->f, &rows, figure__time);
	chart__y_axis(p->f, &rows, figure__count);
	chart__x_axis(p->f, &busy, figure__time);
	chart__y_axis(p->f, &busy, percent_label);
	for (size_t k = 0; k < BINS; k++)
		put_bin(p, b, &rows, &busy, k);
	fputs("</svg>\n</div>\n", p->f);
}

/* --------------------------------------------------------------------------------------------------------------- table --- */

static void put_size(const struct report_page *p, const struct fill *b, size_t i, int64_t all_ns)
{
	const struct size *size = &b->sizes[i];
	int64_t least, most;

	size_bounds(i, &least, &most);
	fprintf(p->f, "<tr><td class=\"n\"><data value=\"%" PRId64 "\">%" PRId64, least, least);
	if (most > least)
		fprintf(p->f, " to %" PRId64, most);
	fputs("</data></td>", p->f);
	report_html__cell(p->f, size->n_steps, "");
	report_html__cell(p->f, size->ns, "ns");
	fprintf(p->f, "<td class=\"n\"><data value=\"%.6f\">%s</data></td>",
		all_ns ? 100.0 * (double)size->ns / (double)all_ns : 0, figure__percent(size->ns, all_ns).s);
	report_html__cell(p->f, figure__each(size->ns, size->n_steps), "ns");
	report_html__cell(p->f, size->n_tokens, "");
	if (p->resource >= 0)
		report_html__cell(p->f,
				  size->n_known == size->n_steps ? figure__each(size->cost, size->n_tokens) : ABSENT,
				  p->l->resources[p->resource].row->unit);
	fputs("</tr>\n", p->f);
}

static void put_table(const struct report_page *p, const struct fill *b)
{
	int64_t all_ns = 0;

	for (size_t i = 0; i < N_SIZES; i++)
		all_ns += b->sizes[i].ns;
	report_html__table(p->f, "Steps by their number of rows");
	report_html__column(p->f, "rows", "sequences in a step", GRADE_SELF_REPORTED, true);
	report_html__column(p->f, "steps", NULL, GRADE_MEASURED, true);
	report_html__column(p->f, "time", "of all of them", GRADE_MEASURED, true);
	report_html__column(p->f, "share", "of the time in steps", GRADE_MEASURED, true);
	report_html__column(p->f, "time per step", NULL, GRADE_MEASURED, true);
	report_html__column(p->f, "tokens", "computed in them", GRADE_SELF_REPORTED, true);
	if (p->resource >= 0) {
		char title[64];

		snprintf(title, sizeof(title), "%s per token", resource__title(&p->l->resources[p->resource]));
		report_html__column(p->f, title,
				    "computed: what the steps took over their tokens, which are the engine's word",
				    GRADE_DERIVED, true);
	}
	fputs("</tr></thead>\n<tbody>\n", p->f);
	for (size_t i = 0; i < N_SIZES; i++)
		if (b->sizes[i].n_steps)
			put_size(p, b, i, all_ns);
	report_html__end_table(p->f);
}

int report_html__batch(const struct report_page *p)
{
	const struct row_engine *engine = recording__engine(p->r);
	struct fill *b = calloc(1, sizeof(*b));
	int err = b ? 0 : -ENOMEM;

	if (!err && p->resource >= 0 && !(p->l->traffic && p->l->traffic->position == p->resource))
		err = meters__of_steps(p->l->timeline, p->l->resources[p->resource].row->id, &b->uses);
	if (err) {
		free(b);
		return err;
	}
	b->bin_ns = (double)(p->end_ns - p->start_ns) / BINS;
	for (size_t i = 0; i < p->r->n_steps; i++)
		add_step(b, p, i);
	report_html__section(p->f, "batch", "Batch fill");
	if (b->n_steps > b->n_unknown) {
		fprintf(p->f,
			"<p>Rows per step, each step weighed by how long it took, in %d bins of %s. The most at once "
			"were %" PRId64 ". ",
			BINS, figure__time((int64_t)b->bin_ns).s, b->most_rows);
		fputs("Times are measured; rows are read out of the engine (self-reported): ", p->f);
		html__foreign(p->f, engine && engine->rows_source ? engine->rows_source : "it is not said how");
		fputs(".</p>\n", p->f);
		put_drawing(p, b);
		put_table(p, b);
	} else {
		fputs("<p class=\"missing\"><b>unavailable:</b> ", p->f);
		html__foreign(p->f, !p->r->n_steps		  ? "no step was recorded" :
				    engine && engine->rows_source ? engine->rows_source :
								    "the rows of steps are not known");
		fputs(".</p>\n", p->f);
	}
	if (b->n_unknown && b->n_steps > b->n_unknown)
		fprintf(p->f, "<p class=\"bound\">%zu of %zu steps are left out: their rows are not known.</p>\n",
			b->n_unknown, b->n_steps);
	free(b->uses);
	free(b);
	fputs("</section>\n", p->f);
	return 0;
}
