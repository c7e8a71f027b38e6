/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timeline: a line per request, on which the steps that it was in are drawn over its waiting time. What is closer together than can be
 * seen is one piece, so that a generation of a million tokens has no more of them than the drawing has pixels.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "output/facts.h"
#include "output/figure.h"
#include "output/report_chart.h"
#include "output/report_html.h"

#define LEFT 64
#define WIDTH 1120
#define LINE 15
#define BAR 10
#define MOST_PIECES 8000	/* of all lines together */
#define LEAST_PX 0.5
#define LEAST_PART 8		/* of the recording, that its longest request takes, for lines to show when it was */

static const char *const phase_classes[N_PHASES] = { "prefill", "decode", "verify", "draft", "prefill", "prefill" };

struct piece {
	uint64_t start, end;
	uint32_t line;
	uint8_t phase;
};

struct pieces {
	struct piece *all;
	size_t n, capacity;
	uint32_t *line_of;	/* per request: its line + 1; 0: it has none */
	uint32_t *last;		/* per line: its last piece + 1 */
	uint64_t least_ns;	/* shorter gaps and pieces are not drawn apart */
};

/* What is too short to be seen takes the colour of what follows. @return false: there is no room for another piece */
static bool add_piece(struct pieces *s, uint32_t line, const struct row_step *step, uint8_t phase)
{
	struct piece *last = s->last[line] ? &s->all[s->last[line] - 1] : NULL;
	const uint64_t end = step->end_ns > step->start_ns ? step->end_ns : step->start_ns;

	if (last && step->start_ns < last->end + s->least_ns &&
	    (last->phase == phase || last->end - last->start < s->least_ns)) {
		last->phase = phase;
		if (last->end < end)
			last->end = end;
		return true;
	}
	if (s->n == s->capacity)
		return false;
	s->all[s->n++] = (struct piece){ step->start_ns, end, line, phase };
	s->last[line] = (uint32_t)s->n;
	return true;
}

static bool collect(struct pieces *s, const struct report_page *p, size_t n_lines)
{
	const struct timeline *t = p->l->timeline;

	s->n = 0;
	memset(s->last, 0, n_lines * sizeof(*s->last));
	for (size_t i = 0; i < t->n_rows; i++) {
		const struct timeline_row *row = &t->rows[i];
		const uint32_t request = row->run == RUN_NONE ? REQUEST_NONE : t->runs[row->run].request;

		if (request == REQUEST_NONE || !s->line_of[request])
			continue;
		if (!add_piece(s, s->line_of[request] - 1, &p->r->steps[row->step], row->phase))
			return false;
	}
	return true;
}

static int by_line(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->phase != y->phase)
		return x->phase < y->phase ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

/* @origin: the instant at the left edge; what lies beyond an edge is drawn there */
static double at(const struct chart *c, uint64_t origin, uint64_t ns)
{
	const uint64_t since = ns > origin ? ns - origin : 0;

	return chart__x(c, (double)(since < (uint64_t)c->x_most ? since : (uint64_t)c->x_most));
}

static void put_label(const struct report_page *p, uint32_t request, double y)
{
	const struct row_request *row = &p->r->requests[request];
	const struct timeline_request *t = &p->l->timeline->requests[request];

	fputs("<title>", p->f);
	html__format(p->f, "request %" PRId64 "%s%.80s", row->id, row->api_id ? ", " : "",
		     row->api_id ? row->api_id : "");
	fprintf(p->f, "\narrived at %s; wait %s, ", figure__time((int64_t)(row->arrival_ns - p->start_ns)).s,
		figure__time(t->wait_ns).s);
	fprintf(p->f, "TTFT %s, end to end %s\n", figure__time(t->ttft_ns).s, figure__time(t->e2el_ns).s);
	fprintf(p->f, "%s prompt tokens computed, %s from the cache, ", figure__integer(t->prompt_tokens).s,
		figure__integer(t->cached_tokens).s);
	fprintf(p->f, "%s generated</title>", figure__integer(t->completion_tokens).s);
	fprintf(p->f, "<a href=\"#request-%" PRId64 "\"><text class=\"e\" x=\"%d\" y=\"%.0f\">%" PRId64 "</text></a>",
		row->id, LEFT - 8, y + BAR - 1, row->id);
}

/* From arrival to the last step a request waits where it is in no step; after that its answer is sent. */
static void put_line(const struct report_page *p, const struct chart *c, uint64_t origin, uint32_t request, double y,
		     const struct piece *pieces, size_t n)
{
	const struct row_request *row = &p->r->requests[request];
	const double from = at(c, origin, row->arrival_ns), to = at(c, origin, row->end_ns ? row->end_ns : p->end_ns);
	uint64_t worked = row->arrival_ns;

	for (size_t i = 0; i < n; i++)
		worked = pieces[i].end > worked ? pieces[i].end : worked;
	fputs("<g class=\"line\">", p->f);
	put_label(p, request, y);
	fprintf(p->f, "<path class=\"rest\" d=\"M%.1f %.1fH%.1f\"/>", from, y + BAR / 2.0, to > from ? to : from + 1);
	if (n)
		fprintf(p->f, "<path class=\"wait\" d=\"M%.1f %.0fH%.1fv%dH%.1fz\"/>", from, y, at(c, origin, worked),
			BAR, from);
	for (size_t i = 0; i < n; i++) {
		const double x = at(c, origin, pieces[i].start), width = at(c, origin, pieces[i].end) - x;

		if (i == 0 || pieces[i].phase != pieces[i - 1].phase)
			fprintf(p->f, "%s<path class=\"%s\" d=\"", i ? "\"/>" : "", phase_classes[pieces[i].phase]);
		fprintf(p->f, "M%.1f %.0fh%.1fv%dh-%.1fz", x, y, width < LEAST_PX ? LEAST_PX : width, BAR,
			width < LEAST_PX ? LEAST_PX : width);
	}
	fputs(n ? "\"/>" : "", p->f);
	if (row->first_token_ns)
		fprintf(p->f, "<path class=\"first\" d=\"M%.1f %.0fv%d\"/>", at(c, origin, row->first_token_ns), y - 2,
			BAR + 4);
	fputs("</g>\n", p->f);
}

static void put_legend(FILE *f, const struct pieces *s)
{
	static const char *const kinds[][2] = {
		{ "wait", "waits" },	       { "prefill", "prefill" }, { "decode", "decode" },
		{ "verify", "verify drafts" }, { "draft", "draft" },	 { "rest", "answer is sent, or nothing known" },
		{ "first", "first token" },
	};

	bool drawn[N_PHASES] = { false };

	fputs("<p class=\"legend\">", f);
	for (size_t i = 0; i < s->n; i++)
		drawn[s->all[i].phase] = true;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if ((strcmp(kinds[i][0], "verify") == 0 && !drawn[PHASE_VERIFY]) ||
		    (strcmp(kinds[i][0], "draft") == 0 && !drawn[PHASE_DRAFT]))
			continue;
		fprintf(f, "<span><i class=\"%s\"></i>%s</span> ", kinds[i][0], kinds[i][1]);
	}
	fputs("</p>\n", f);
}

static void put_drawing(const struct report_page *p, const struct pieces *s, const uint32_t *lines, size_t n,
			int64_t most_ns, bool by_arrival)
{
	const struct chart c = { LEFT, 4, WIDTH, (double)n * LINE + 4, most_ns, 1 };
	size_t first = 0;

	put_legend(p->f, s);
	fprintf(p->f,
		"<div class=\"frame\" tabindex=\"0\" role=\"region\" aria-label=\"Timeline of requests\">\n<svg "
		"class=\"chart\" "
		"viewBox=\"0 0 %d %.0f\" role=\"img\" aria-label=\"%zu requests over the time of the recording: when "
		"each "
		"waited, computed its prompt, and generated. The table of requests has the figures.\">\n",
		LEFT + WIDTH + 16, c.height + 28, n);
	chart__x_axis(p->f, &c, figure__time);
	for (size_t i = 0; i < n; i++) {
		size_t end = first;

		while (end < s->n && s->all[end].line == i)
			end++;
		put_line(p, &c, by_arrival ? p->r->requests[lines[i]].arrival_ns : p->start_ns, lines[i],
			 8 + (double)i * LINE, s->all + first, end - first);
		first = end;
	}
	fputs("</svg>\n</div>\n", p->f);
}

/* Those that took longest, in the order in which they arrived. @return their number */
static size_t choose_lines(const struct report_page *p, uint32_t *lines)
{
	int64_t lengths[REPORT_MOST_LISTED], least;
	size_t n = 0, ties;

	if (p->n_listed <= REPORT_MOST_DRAWN) {
		memcpy(lines, p->listed, p->n_listed * sizeof(*lines));
		return p->n_listed;
	}
	for (size_t i = 0; i < p->n_listed; i++)
		lengths[i] = report_html__length(p, p->listed[i]);
	sort_values(lengths, p->n_listed);
	least = lengths[p->n_listed - REPORT_MOST_DRAWN];
	ties = REPORT_MOST_DRAWN;
	for (size_t i = 0; i < p->n_listed; i++)
		ties -= lengths[i] > least;
	for (size_t i = 0; i < p->n_listed; i++) {
		const int64_t length = report_html__length(p, p->listed[i]);

		if (length < least || (length == least && ties == 0))
			continue;
		ties -= length == least;
		lines[n++] = p->listed[i];
	}
	return n;
}

/* The width of the drawing in time: the recording's, but where its requests would be too short in it to be seen. */
static int64_t width_of(const struct report_page *p, const uint32_t *lines, size_t n, bool *by_arrival)
{
	const int64_t duration = (int64_t)(p->end_ns - p->start_ns);
	int64_t longest = 1;

	for (size_t i = 0; i < n; i++) {
		const int64_t length = report_html__length(p, lines[i]);

		longest = length > longest ? length : longest;
	}
	*by_arrival = longest < duration / LEAST_PART;
	return *by_arrival ? longest : duration;
}

static int draw(const struct report_page *p)
{
	struct pieces s = { .capacity = MOST_PIECES };
	uint32_t lines[REPORT_MOST_DRAWN];
	const size_t n = choose_lines(p, lines);
	bool by_arrival;
	const int64_t most_ns = width_of(p, lines, n, &by_arrival);

	s.all = calloc(MOST_PIECES, sizeof(*s.all));
	s.line_of = calloc(p->r->n_requests + 1, sizeof(*s.line_of));
	s.last = calloc(n + 1, sizeof(*s.last));
	s.least_ns = (uint64_t)((double)most_ns * LEAST_PX / WIDTH);
	if (s.all && s.line_of && s.last) {
		for (size_t i = 0; i < n; i++)
			s.line_of[lines[i]] = (uint32_t)i + 1;
		while (!collect(&s, p, n))
			s.least_ns = 2 * s.least_ns + 1;
		qsort(s.all, s.n, sizeof(*s.all), by_line);
		if (n < p->n_with_tokens)
			fprintf(p->f, "<p class=\"bound\">The %zu that took longest of %zu requests with tokens.</p>\n",
				n, p->n_with_tokens);
		fprintf(p->f,
			"<p class=\"bound\">Times are measured; which steps were a request's is read out of the engine "
			"(self-reported) and matched. Gaps below %s are not drawn. %s</p>\n",
			figure__time((int64_t)s.least_ns).s,
			by_arrival ? "Each line begins when its request arrived." :
				     "The left edge is the start of the recording.");
		put_drawing(p, &s, lines, n, most_ns, by_arrival);
	}
	free(s.all);
	free(s.line_of);
	free(s.last);
	return s.all && s.line_of && s.last ? 0 : -ENOMEM;
}

int report_html__timeline(const struct report_page *p)
{
	int err = 0;

	report_html__section(p->f, "timeline", "Timeline of requests");
	if (p->n_listed)
		err = draw(p);
	else
		fputs("<p class=\"missing\">No request of this recording carried tokens.</p>\n", p->f);
	fputs("</section>\n", p->f);
	return err;
}
