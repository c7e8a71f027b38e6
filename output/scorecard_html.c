/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "output/scorecard.h"
#include "output/verify_html.h"
#include "userspace/analysis/facts.h"

/* The exact figure is there for programs, the short one for people. */
static void put_value(FILE *f, const struct scorecard_metric *m, const struct scorecard_figure *x)
{
	if (x->value == ABSENT) {
		fputs("<td class=\"n\">&ndash;</td>", f);
		return;
	}
	fprintf(f, "<td class=\"n\"><data value=\"%s\">", scorecard__exact(m, x).s);
	html__text(f, scorecard__text(m, x).s);
	fputs("</data></td>", f);
}

static void put_interval(FILE *f, const struct scorecard_metric *m, const struct scorecard_figure *x)
{
	fputs("<td class=\"n\">", f);
	html__text(f, scorecard__interval(m, x).s);
	fputs("</td>", f);
}

static void put_unit(FILE *f, const struct scorecard_metric *m, const struct scorecard_figure *x)
{
	fputs("<td>", f);
	html__foreign(f, scorecard__unit(m, x));
	fputs("</td>", f);
}

/* The same as of the figure before it: said once. */
static bool is_new(const struct scorecard_metric *m)
{
	return m == scorecard_metrics || !m[-1].definition || m[-1].part != m->part ||
	       strcmp(m[-1].definition, m->definition) != 0;
}

static void put_definition(FILE *f, const struct scorecard_metric *m, const struct scorecard_figure *x)
{
	fputs("<td>", f);
	if (m->definition && is_new(m)) {
		html__text(f, m->definition);
		fputs(x->why ? ". " : "", f);
	}
	if (x->why) {
		fputs("<b>not available:</b> ", f);
		html__foreign(f, x->why);
	}
	if (x->no_interval) {
		fputs(m->definition && is_new(m) ? ". " : "", f);
		html__format(f, "Interval %s", x->no_interval);
	}
	fputs("</td>", f);
}

static void put_part_head(FILE *f, enum scorecard_part part)
{
	fprintf(f, "<h3>%s</h3>\n<p>", scorecard_parts[part].title);
	html__text(f, scorecard_parts[part].definition);
	fputs(".</p>\n", f);
}

static void put_dimension(FILE *f, const struct scorecard *s, enum scorecard_part part)
{
	put_part_head(f, part);
	fputs("<table class=\"figures\">\n<thead><tr><th scope=\"col\">figure</th><th scope=\"col\" "
	      "class=\"n\">value</th><th scope=\"col\" class=\"n\">95 % interval</th>"
	      "<th scope=\"col\">unit</th><th scope=\"col\">grade</th><th scope=\"col\" class=\"n\">of</th>"
	      "<th scope=\"col\">definition</th></tr></thead>\n<tbody>\n",
	      f);
	for (size_t i = 0; i < n_scorecard_metrics; i++) {
		const struct scorecard_metric *m = &scorecard_metrics[i];
		const struct scorecard_figure *x = &s->figures[i];

		if (m->part != part)
			continue;
		fprintf(f, "<tr><th scope=\"row\">%s</th>", m->name);
		put_value(f, m, x);
		put_interval(f, m, x);
		put_unit(f, m, x);
		fprintf(f, "<td>%s</td><td class=\"n\">%s</td>", grade__name((int)x->grade), scorecard__made_of(x).s);
		put_definition(f, m, x);
		fputs("</tr>\n", f);
	}
	fputs("</tbody>\n</table>\n", f);
}

static bool same_group(size_t a, size_t b)
{
	return scorecard_metrics[a].group && scorecard_metrics[b].group &&
	       strcmp(scorecard_metrics[a].group, scorecard_metrics[b].group) == 0;
}

static size_t find_in_group(size_t first, const char *id)
{
	for (size_t i = first; i < n_scorecard_metrics && same_group(first, i); i++)
		if (strcmp(scorecard_metrics[i].id, id) == 0)
			return i;
	return SIZE_MAX;
}

static void put_aiperf(FILE *f, const struct scorecard *s)
{
	static const char *const ids[] = { "avg", "min", "max", "p50", "p90", "p95", "p99" };

	put_part_head(f, PART_AIPERF);
	fputs("<table class=\"figures\">\n<thead><tr><th scope=\"col\">metric</th>", f);
	for (size_t k = 0; k < 7; k++)
		fprintf(f, "<th scope=\"col\" class=\"n\">%s</th>", ids[k]);
	fputs("<th scope=\"col\">unit</th><th scope=\"col\" class=\"n\">of</th><th "
	      "scope=\"col\">definition</th></tr></thead>\n<tbody>\n",
	      f);
	for (size_t i = 0; i < n_scorecard_metrics; i++) {
		const struct scorecard_metric *m = &scorecard_metrics[i];

		if (m->part != PART_AIPERF || (i && same_group(i - 1, i)))
			continue;
		fprintf(f, "<tr><th scope=\"row\"><code>%s</code></th>", m->group);
		for (size_t k = 0; k < 7; k++) {
			const size_t at = find_in_group(i, ids[k]);

			if (at == SIZE_MAX)
				fputs("<td></td>", f);
			else
				put_value(f, &scorecard_metrics[at], &s->figures[at]);
		}
		put_unit(f, m, &s->figures[i]);
		fprintf(f, "<td class=\"n\">%s</td>", scorecard__made_of(&s->figures[i]).s);
		put_definition(f, m, &s->figures[i]);
		fputs("</tr>\n", f);
	}
	fputs("</tbody>\n</table>\n", f);
}

static void put_mlperf(FILE *f, const struct scorecard *s)
{
	put_part_head(f, PART_MLPERF);
	fputs("<table class=\"figures\">\n<thead><tr><th scope=\"col\">name</th><th scope=\"col\" "
	      "class=\"n\">value</th><th scope=\"col\" class=\"n\">95 % interval</th>"
	      "<th scope=\"col\" class=\"n\">of</th></tr></thead>\n<tbody>\n",
	      f);
	for (size_t i = 0; i < n_scorecard_metrics; i++) {
		const struct scorecard_metric *m = &scorecard_metrics[i];
		const struct scorecard_figure *x = &s->figures[i];

		if (m->part != PART_MLPERF)
			continue;
		fprintf(f, "<tr><th scope=\"row\">%s</th><td class=\"n\">", m->name);
		if (x->value == ABSENT)
			fputs("&ndash;", f);
		else
			fprintf(f, "%s%s", x->at_least ? "&ge; " : "", scorecard__exact(m, x).s);
		fputs("</td>", f);
		put_interval(f, m, x);
		fprintf(f, "<td class=\"n\">%s</td></tr>\n", scorecard__made_of(x).s);
	}
	fputs("</tbody>\n</table>\n", f);
}

void scorecard_html__put(FILE *f, const struct scorecard *s)
{
	verify_html__section(f, "scorecard", "Scorecard");
	fputs("<p>What the recording says in each dimension in which token services are assessed. There are no "
	      "thresholds: what is "
	      "enough is for the contract to say. " INTERVALS "</p>\n",
	      f);
	for (int part = 0; part < N_DIMENSIONS; part++)
		put_dimension(f, s, (enum scorecard_part)part);
	put_aiperf(f, s);
	put_mlperf(f, s);
	fputs("</section>\n", f);
}

/* ------------------------------------------------------------------------------------------------------------ comparison --- */

static void put_recordings(FILE *f, const struct scorecard *cards, size_t n)
{
	verify_html__section(f, "recordings", "The recordings");
	fputs("<table class=\"figures\">\n<thead><tr><th scope=\"col\"></th>", f);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "<th scope=\"col\">%zu</th>", i + 1);
	fputs("</tr></thead>\n<tbody>\n<tr><th scope=\"row\">file</th>", f);
	for (size_t i = 0; i < n; i++) {
		fputs("<td class=\"file\">", f);
		html__foreign(f, cards[i].path);
		fputs("</td>", f);
	}
	fputs("</tr>\n<tr><th scope=\"row\">id</th>", f);
	for (size_t i = 0; i < n; i++) {
		fputs("<td class=\"file\">", f);
		html__foreign(f, cards[i].id);
		fputs("</td>", f);
	}
	fputs("</tr>\n<tr><th scope=\"row\">from</th>", f);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "<td>%s</td>", figure__moment(cards[i].start_unix_ns).s);
	fputs("</tr>\n<tr><th scope=\"row\">duration</th>", f);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "<td>%s</td>", figure__time(cards[i].duration_ns).s);
	fputs("</tr>\n<tr><th scope=\"row\">complete</th>", f);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "<td>%s, %" PRId64 " record%s lost</td>", cards[i].complete ? "yes" : "no", cards[i].n_lost,
			plural(cards[i].n_lost));
	fputs("</tr>\n", f);
	for (int c = 0; c < N_CONDITIONS; c++) {
		bool same = true;

		for (size_t i = 1; i < n; i++)
			same &= scorecard__same_condition(&cards[0], &cards[i], (enum condition)c);
		fprintf(f, "<tr%s><th scope=\"row\">%s%s</th>", same ? "" : " class=\"differs\"", condition_names[c],
			same ? "" : " (not the same)");
		for (size_t i = 0; i < n; i++) {
			fputs("<td class=\"file\">", f);
			html__foreign(f, cards[i].conditions[c] ? cards[i].conditions[c] : "not known");
			fputs("</td>", f);
		}
		fputs("</tr>\n", f);
	}
	fputs("</tbody>\n</table>\n</section>\n", f);
}

static void compare_part(FILE *f, const struct scorecard *cards, size_t n, enum scorecard_part part)
{
	put_part_head(f, part);
	fputs("<table class=\"figures\">\n<thead><tr><th scope=\"col\">figure</th>", f);
	for (size_t i = 0; i < n; i++) {
		fprintf(f, "<th scope=\"col\" class=\"n\">%zu</th>", i + 1);
		fputs(i ? "<th scope=\"col\" class=\"n\">over 1</th>" : "", f);
	}
	fputs("<th scope=\"col\">unit</th><th scope=\"col\">better</th></tr></thead>\n<tbody>\n", f);
	for (size_t k = 0; k < n_scorecard_metrics; k++) {
		const struct scorecard_metric *m = &scorecard_metrics[k];

		if (m->part != part)
			continue;
		fputs("<tr><th scope=\"row\">", f);
		html__format(f, "%s%s%s", m->group ? m->group : "", m->group ? ": " : "", m->name);
		fputs("</th>", f);
		for (size_t i = 0; i < n; i++) {
			put_value(f, m, &cards[i].figures[k]);
			if (i)
				fprintf(f, "<td class=\"n\">%s</td>", scorecard__change(&cards[0], &cards[i], k).s);
		}
		put_unit(f, m, &cards[0].figures[k]);
		fprintf(f, "<td>%s</td></tr>\n", m->better > 0 ? "higher" : m->better < 0 ? "lower" : "");
	}
	fputs("</tbody>\n</table>\n", f);
}

int scorecard_html__compare(FILE *f, const struct scorecard *cards, size_t n,
			    const struct verify_output_options *options)
{
	const struct verify_page p = { .f = f, .options = options };
	int err = verify_html__begin(&p, "Scorecards");

	fputs("<header>\n<p class=\"tool\">tokprof verify --scorecard</p>\n<h1>Scorecards side by "
	      "side</h1>\n<p>Changes are those "
	      "over the first; one with a * is more than chance within the recordings: the 95 % interval of the "
	      "change, "
	      "from those of both figures, leaves 0 out. One without may be chance, or has no interval. " INTERVALS
	      "</p>\n</header>\n",
	      f);
	put_recordings(f, cards, n);
	verify_html__section(f, "scorecard", "Figures");
	for (int part = 0; part < N_PARTS; part++)
		compare_part(f, cards, n, (enum scorecard_part)part);
	fputs("</section>\n", f);
	verify_html__repeat(&p);
	verify_html__glossary(&p);
	verify_html__end(&p);
	if (err)
		return err;
	return ferror(f) ? -EIO : 0;
}
