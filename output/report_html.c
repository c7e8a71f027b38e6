/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A report as one page for the operator of a server. Nothing is fetched, nothing depends on when or where it was written; without its
 * scripts everything is there but for sorting and the flame graph's zoom.
 */
#include "output/report_html.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "output/facts.h"
#include "output/figure.h"
#include "output/flame_html.h"
#include "output/utf8.h"
#include "userspace/version.h"

#define STYLE "report.css"
#define SCRIPT "report.js"
#define FLAME_STYLE "flame.css"
#define FLAME_SCRIPT "flame.js"
#define MOST_COLUMNS 80	/* of somebody's text */
#define MOST_BOXES 12000	/* of the flame graph: `tokprof flame` shows more */
#define LEAST_BOXES 500
#define MOST_GRAPH_BYTES 1400000

void report_html__section(FILE *f, const char *id, const char *title)
{
	fprintf(f, "<section id=\"%s\" aria-labelledby=\"%s-title\">\n<h2 id=\"%s-title\">%s</h2>\n", id, id, id,
		title);
}

const char *report_html__grade(int grade)
{
	return grade == GRADE_SELF_REPORTED ? "self-reported" : grade__name(grade);
}

void report_html__cell(FILE *f, int64_t value, const char *unit)
{
	if (value == ABSENT) {
		fputs("<td class=\"n\">&ndash;</td>", f);
		return;
	}
	fprintf(f, "<td class=\"n\"><data value=\"%" PRId64 "\">", value);
	html__text(f, figure__in_unit(value, unit).s);
	fputs("</data></td>", f);
}

void report_html__text_cell(FILE *f, const char *text)
{
	const size_t n = text ? strlen(text) : 0, fits = n ? utf8__fitting(text, n, MOST_COLUMNS) : 0;

	if (!n) {
		fputs("<td>&ndash;</td>", f);
		return;
	}
	fputs("<td class=\"t\"><bdi>", f);
	html__bytes(f, text, fits);
	fputs(fits < n ? "..</bdi></td>" : "</bdi></td>", f);
}

void report_html__table(FILE *f, const char *caption)
{
	fprintf(f,
		"<div class=\"frame\" tabindex=\"0\" role=\"region\" aria-label=\"%s\">\n<table "
		"class=\"sortable\">\n<caption>%s</caption>\n<thead><tr>",
		caption, caption);
}

void report_html__column(FILE *f, const char *title, const char *about, int grade, bool is_number)
{
	fprintf(f, "<th scope=\"col\"%s%s", is_number ? " class=\"n\"" : "", about ? " title=\"" : "");
	html__text(f, about);
	fputs(about ? "\"><span>" : "><span>", f);
	html__text(f, title);
	fputs("</span>", f);
	if (grade >= 0)
		fprintf(f, "<small>%s</small>", report_html__grade(grade));
	fputs("</th>", f);
}

void report_html__end_table(FILE *f)
{
	fputs("</tbody>\n</table>\n</div>\n", f);
}

int64_t report_html__length(const struct report_page *p, size_t request)
{
	const struct row_request *row = &p->r->requests[request];
	const uint64_t end = row->end_ns ? row->end_ns : p->end_ns;

	return end > row->arrival_ns ? (int64_t)(end - row->arrival_ns) : 0;
}

/* --------------------------------------------------------------------------------------------------------------- header --- */

static void fact(FILE *f, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void fact(FILE *f, const char *name, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(f, "<tr><th scope=\"row\">%s</th><td>", name);
	html__foreign(f, text);
	fputs("</td></tr>\n", f);
}

static void put_facts(const struct report_page *p)
{
	const struct row_engine *engine = recording__engine(p->r);
	const struct row_model *model = recording__model(p->r);
	const char *host = recording__meta(p->r, "host"), *kernel = recording__meta(p->r, "kernel");
	const char *cpu = recording__meta(p->r, "cpu_model"), *id = recording__meta(p->r, "id");
	const struct pricing *pricing = ledger__main_pricing(p->l);
	const int64_t start = recording__start_unix_ns(p->r);

	fputs("<table class=\"facts\">\n", p->f);
	fact(p->f, "server", "%s %s", engine && engine->name ? engine->name : "of no known engine",
	     engine && engine->version ? engine->version : "");
	if (model)
		fact(p->f, "model", "%s%s%s%s%s",
		     model->name ? model->name :
		     model->path ? model->path :
				   "not named",
		     model->quantization ? ", " : "", model->quantization ? model->quantization : "",
		     model->n_params != ABSENT ? ", parameters " : "",
		     model->n_params != ABSENT ? figure__count(model->n_params).s : "");
	fact(p->f, "recording", "%.32s, %s, %s%s", id ? id : "without an id",
	     start == ABSENT ? "at an unknown time" : figure__moment(start).s,
	     figure__time((int64_t)(p->end_ns - p->start_ns)).s,
	     recording__complete(p->r) ? ", complete" :
					 ", INCOMPLETE: the recorder was killed, or has not ended; up to its last "
					 "second is missing");
	if (host || kernel || cpu)
		fact(p->f, "host", "%s, %s, %s", host ? host : "not named", kernel ? kernel : "unknown kernel",
		     cpu ? cpu : "unknown CPU");
	if (pricing && pricing->rule)
		fact(p->f, "shared", "by rule %s%s%s", pricing->rule->name, pricing->why[0] ? ": " : "", pricing->why);
	fputs("</table>\n", p->f);
}

static void put_card(FILE *f, const char *name, const char *figure, const char *grade)
{
	fprintf(f, "<div><dt>%s</dt><dd>", name);
	html__text(f, strcmp(figure, "-") == 0 ? "\xe2\x80\x93" : figure);
	fprintf(f, "<small>%s</small></dd></div>\n", grade);
}

/* Sums over requests whose tokens are known; of none ABSENT, since 0 would say that there were no tokens. */
static void add_known(int64_t *sum, int64_t value)
{
	if (value == ABSENT)
		return;
	*sum = *sum == ABSENT ? value : *sum + value;
}

static void put_cards(const struct report_page *p)
{
	const int k = resource__find(p->l, "cpu_ns");
	int64_t prompt = ABSENT, cached = ABSENT, completion = ABSENT;

	for (size_t i = 0; i < p->r->n_requests; i++) {
		const struct timeline_request *t = &p->l->timeline->requests[i];

		if (!request__has_tokens(p->l, i))
			continue;
		add_known(&prompt, t->prompt_tokens);
		add_known(&cached, t->cached_tokens);
		add_known(&completion, t->completion_tokens);
	}
	fputs("<dl class=\"cards\">\n", p->f);
	put_card(p->f, "requests with tokens", figure__integer((int64_t)p->n_with_tokens).s, "measured: on the wire");
	put_card(p->f, "prompt tokens computed", figure__count(prompt).s, "self-reported: rows of steps");
	put_card(p->f, "from the cache", figure__count(cached).s, "self-reported: rows of steps");
	put_card(p->f, "tokens generated", figure__count(completion).s, "self-reported: rows of steps");
	if (k >= 0 && p->l->resources[k].measured) {
		const char *grade = report_html__grade(p->l->resources[k].row->grade);

		put_card(p->f, "CPU time", figure__time(p->l->resources[k].total).s, grade);
		put_card(p->f, "of it unexplained",
			 figure__percent(p->l->accounts[ACCOUNT_UNEXPLAINED][k], p->l->resources[k].total).s, grade);
	} else {
		put_card(p->f, "CPU time", "-", "unavailable");
	}
	fputs("</dl>\n", p->f);
}

static void put_contents(FILE *f)
{
	static const char *const sections[][2] = {
		{ "timeline", "Timeline" },	  { "requests", "Requests" }, { "batch", "Batch fill" },
		{ "context", "Cost by context" }, { "ledger", "Ledger" },     { "flame", "Flame graph" },
		{ "evidence", "Evidence" },
	};

	fputs("<nav aria-label=\"Sections\"><ul>", f);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		fprintf(f, "<li><a href=\"#%s\">%s</a></li>", sections[i][0], sections[i][1]);
	fputs("</ul></nav>\n", f);
}

static void put_title(const struct report_page *p)
{
	const struct row_engine *engine = recording__engine(p->r);
	const struct row_model *model = recording__model(p->r);

	html__format(p->f, "%s%s%s", engine && engine->name ? engine->name : "A server",
		     model && model->name ? ", " : "", model && model->name ? model->name : "");
}

static int put_head(const struct report_page *p)
{
	const char *const styles[] = { FLAME_STYLE, STYLE, NULL };
	const char *const scripts[] = { SCRIPT, p->graph ? FLAME_SCRIPT : NULL, NULL };
	int err;

	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n", p->f);
	err = html__policy(p->f, styles, scripts);
	fputs("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	      "<meta name=\"generator\" content=\"tokprof ",
	      p->f);
	html__text(p->f, TOKPROF_VERSION);
	fputs("\">\n<title>tokprof report: ", p->f);
	put_title(p);
	fputs("</title>\n", p->f);
	for (size_t i = 0; styles[i] && !err; i++)
		err = html__embed(p->f, "style", styles[i]);
	fputs("</head>\n<body class=\"report\">\n<header>\n<p class=\"tool\">tokprof report</p>\n<h1><bdi>", p->f);
	put_title(p);
	fputs("</bdi></h1>\n", p->f);
	put_cards(p);
	put_facts(p);
	fputs("</header>\n", p->f);
	put_contents(p->f);
	fputs("<main>\n", p->f);
	return err;
}

/* ---------------------------------------------------------------------------------------------------------------- flame --- */

/* With fewer boxes where the names of functions are so long that the page would grow beyond its bound. */
static int put_graph(const struct report_page *p)
{
	const struct flame_view view = { .graph = p->graph, .ledger = p->l, .title = "" };
	char *body = NULL;
	size_t n = 0, most = MOST_BOXES;
	int err;

	for (;; most /= 2) {
		FILE *memory = open_memstream(&body, &n);

		if (!memory)
			return -ENOMEM;
		err = flame_html__body(memory, &view, most);
		if (fclose(memory) && !err)
			err = -ENOMEM;
		if (err || n <= MOST_GRAPH_BYTES || most < LEAST_BOXES)
			break;
		free(body);
		body = NULL;
	}
	if (!err)
		fwrite(body, 1, n, p->f);
	free(body);
	return err;
}

int report_html__flame(const struct report_page *p)
{
	int err = 0;

	report_html__section(p->f, "flame", "Flame graph");
	if (p->graph) {
		fputs("<div class=\"flame-page\">\n<p>CPU time by phase or account, then by function. The widths are "
		      "the "
		      "ledger's figures; samples of stacks say how they divide.</p>\n",
		      p->f);
		err = put_graph(p);
		fputs("</div>\n", p->f);
	} else {
		fputs("<p class=\"missing\"><b>unavailable:</b> ", p->f);
		html__text(p->f, p->no_graph);
		fputs(".</p>\n", p->f);
		for (size_t i = 0; i < p->r->n_collectors; i++) {
			const struct row_collector *c = &p->r->collectors[i];

			if (strcmp(c->name, "stacks") != 0 || !c->reason)
				continue;
			html__format(p->f, "Collector %s was %s: ", c->name, c->state);
			html__foreign(p->f, c->reason);
			fputs(".\n", p->f);
		}
		fputs("<p>Stacks are sampled by <code>tokprof record</code> unless it is told not to; record the "
		      "server "
		      "again under load, and <code>tokprof doctor</code> says what this host allows.</p>\n",
		      p->f);
	}
	fputs("</section>\n", p->f);
	return err;
}

/* A graph that cannot be made is no reason to be without the rest of the page. */
static int make_graph(struct report_page *p, struct flame_graph *graph)
{
	const struct flame_options options = { .resource = flame_resources, .per = PER_TOTAL, .phase = -1 };
	int err;

	if (!p->l->row_cost || !p->l->row_wall) {
		snprintf(p->no_graph, sizeof(p->no_graph), "the costs of single rows were not asked for");
		return 0;
	}
	err = flame_graph__build(graph, p->l, &options, p->no_graph, sizeof(p->no_graph));
	if (!err)
		p->graph = graph;
	else if (err == -EINVAL)
		snprintf(p->no_graph, sizeof(p->no_graph), "the tables of stacks contradict each other");
	return err == -ENOMEM ? err : 0;
}

/* -------------------------------------------------------------------------------------------------------------- choosing --- */

struct candidate {
	int64_t length;
	uint32_t request;
};

static int by_length(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->length != y->length)
		return x->length < y->length ? 1 : -1;
	return x->request < y->request ? -1 : x->request > y->request;
}

static int by_place(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int choose(struct report_page *p)
{
	struct candidate *all = calloc(p->r->n_requests + 1, sizeof(*all));
	size_t n = 0;

	p->listed = calloc(REPORT_MOST_LISTED, sizeof(*p->listed));
	if (!all || !p->listed) {
		free(all);
		return -ENOMEM;
	}
	for (size_t i = 0; i < p->r->n_requests; i++)
		if (request__has_tokens(p->l, i))
			all[n++] = (struct candidate){ report_html__length(p, i), (uint32_t)i };
	qsort(all, n, sizeof(*all), by_length);
	p->n_with_tokens = n;
	p->n_listed = n < REPORT_MOST_LISTED ? n : REPORT_MOST_LISTED;
	for (size_t i = 0; i < p->n_listed; i++)
		p->listed[i] = all[i].request;
	qsort(p->listed, p->n_listed, sizeof(*p->listed), by_place);
	free(all);
	return 0;
}

static int put_page(const struct report_page *p)
{
	typedef int (*section)(const struct report_page *);
	static const section sections[] = {
		put_head,	    report_html__timeline, report_html__requests,
		report_html__batch, report_html__context,  report_html__ledger,
		report_html__flame, report_html__evidence,
	};
	int err = 0;

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]) && !err; i++)
		err = sections[i](p);
	fputs("</main>\n", p->f);
	if (!err)
		err = html__embed(p->f, "script", SCRIPT);
	if (!err && p->graph)
		err = html__embed(p->f, "script", FLAME_SCRIPT);
	fputs("</body>\n</html>\n", p->f);
	return err;
}

static int write_html(FILE *f, const struct ledger *l, const struct output_options *options)
{
	struct report_page p = { .f = f, .l = l, .r = l->timeline->recording };
	struct flame_graph graph = { .n_nodes = 0 };
	int err;

	(void)options;
	p.start_ns = recording__start_ns(p.r);
	p.end_ns = recording__end_ns(p.r);
	if (p.end_ns <= p.start_ns)
		p.end_ns = p.start_ns + 1;
	p.resource = resource__find(l, "cpu_ns");
	for (size_t i = 0; i < N_RESOURCE_KEYS && (p.resource < 0 || !l->resources[p.resource].measured); i++)
		if (resource_keys[i].kind == RESOURCE_ADDITIVE)
			p.resource = resource__find(l, resource_keys[i].name);
	if (p.resource >= 0 && !l->resources[p.resource].measured)
		p.resource = -1;
	err = choose(&p);
	if (!err)
		err = make_graph(&p, &graph);
	if (!err)
		err = put_page(&p);
	free(p.listed);
	flame_graph__free(&graph);
	return err ? err : ferror(f) ? -EIO : 0;
}

const struct output output_html = {
	.name = "html",
	.extension = "html",
	.is_page = true,
	.write = write_html,
};
