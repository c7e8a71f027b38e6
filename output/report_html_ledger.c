/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger as bars: for every resource that adds up, requests by phase, then the accounts, as parts of the kernel's or device's total. */
#include <inttypes.h>
#include <string.h>

#include "output/facts.h"
#include "output/figure.h"
#include "output/report_html.h"

#define LEFT 130
#define WIDTH 1050
#define LINE 40
#define BAR 22
#define N_PARTS (N_PHASES + N_ACCOUNTS)
#define MOST_SHOWN 24	/* resources: those of the contract, and counters that an operator chose */

struct parts {
	int64_t requests;	/* all phases together */
	int64_t of[N_PARTS];	/* requests by phase, then the accounts */
};

static const char *const part_classes[N_PARTS] = {
	[PHASE_PREFILL] = "prefill",
	[PHASE_DECODE] = "decode",
	[PHASE_VERIFY] = "verify",
	[PHASE_DRAFT] = "draft",
	[PHASE_EMBED] = "embed",
	[PHASE_ENCODE] = "encode",
	[N_PHASES + ACCOUNT_HOST] = "host",
	[N_PHASES + ACCOUNT_IDLE] = "idle",
	[N_PHASES + ACCOUNT_RECOMPUTE] = "recompute",
	[N_PHASES + ACCOUNT_DISTURBANCE] = "disturbance",
	[N_PHASES + ACCOUNT_UNEXPLAINED] = "unexplained",
};

static bool is_shown(const struct ledger *l, size_t k)
{
	return l->resources[k].measured && resource__is_additive(&l->resources[k]) &&
	       !resource__is_ioctl(&l->resources[k]);
}

static struct parts parts_of(const struct ledger *l, size_t k)
{
	struct parts parts = { 0 };

	for (size_t i = 0; i < l->timeline->recording->n_requests; i++) {
		parts.requests += l->requests[i].cost[k];
		for (int phase = 0; phase < N_PHASES; phase++)
			parts.of[phase] += l->requests[i].by_phase[phase][k];
	}
	for (int a = 0; a < N_ACCOUNTS; a++)
		parts.of[N_PHASES + a] = l->accounts[a][k];
	return parts;
}

/* What is below zero cannot be drawn as a part; it makes the others more than the total, and stands in words. */
static void put_bar(const struct report_page *p, size_t k, const struct parts *parts, double y)
{
	const struct ledger_resource *resource = &p->l->resources[k];
	double whole = 0, x = LEFT;

	for (int i = 0; i < N_PARTS; i++)
		whole += parts->of[i] > 0 ? (double)parts->of[i] : 0;
	fprintf(p->f, "<text class=\"e\" x=\"%d\" y=\"%.0f\">", LEFT - 10, y + BAR / 2.0);
	html__text(p->f, resource__title(resource));
	fprintf(p->f, "</text><text class=\"e dim\" x=\"%d\" y=\"%.0f\">", LEFT - 10, y + BAR / 2.0 + 13);
	html__format(p->f, "%s, %s", figure__in_unit(resource->total, resource->row->unit).s,
		     report_html__grade(resource->row->grade));
	fputs("</text>\n", p->f);
	for (int i = 0; i < N_PARTS && whole > 0; i++) {
		const double width = parts->of[i] > 0 ? (double)parts->of[i] / whole * WIDTH : 0;

		if (width <= 0)
			continue;
		fprintf(p->f, "<g><title>%s%s: ", i < N_PHASES ? "requests, " : "", part_classes[i]);
		html__format(p->f, "%s, %s of the total", figure__in_unit(parts->of[i], resource->row->unit).s,
			     figure__percent(parts->of[i], resource->total).s);
		fprintf(p->f, "</title><rect class=\"%s\" x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" height=\"%d\"/></g>\n",
			part_classes[i], x, y, width, BAR);
		x += width;
	}
}

static void put_bars(const struct report_page *p, const size_t *shown, const struct parts *parts, size_t n)
{
	bool used[N_PARTS] = { false };

	for (size_t k = 0; k < n; k++)
		for (int i = 0; i < N_PARTS; i++)
			used[i] |= parts[k].of[i] > 0;
	fputs("<p class=\"legend\">", p->f);
	for (int i = 0; i < N_PARTS; i++)
		if (used[i])
			fprintf(p->f, "<span><i class=\"%s\"></i>%s%s</span> ", part_classes[i],
				i < N_PHASES ? "requests: " : "", part_classes[i]);
	fprintf(p->f,
		"</p>\n<div class=\"frame\" tabindex=\"0\" role=\"region\" aria-label=\"Ledger as bars\">\n<svg "
		"class=\"chart\" viewBox=\"0 0 %d %zu\" role=\"img\" aria-label=\"For each resource, how its total "
		"divides over requests by phase and over the accounts. The table below has the figures.\">\n",
		LEFT + WIDTH + 16, n * LINE + 4);
	for (size_t k = 0; k < n; k++)
		put_bar(p, shown[k], &parts[k], 4 + (double)k * LINE);
	fputs("</svg>\n</div>\n", p->f);
}

static void put_share(FILE *f, int64_t part, int64_t whole)
{
	fputs("<td class=\"n\">", f);
	if (whole)
		fprintf(f, "<data value=\"%.6f\">%s</data></td>", 100.0 * (double)part / (double)whole,
			figure__percent(part, whole).s);
	else
		fputs("&ndash;</td>", f);
}

static void put_row(const struct report_page *p, const size_t *shown, const struct parts *parts, size_t n, int part)
{
	fprintf(p->f, "<tr%s><th scope=\"row\"", part >= 0 && part < N_PHASES ? " class=\"of\"" : "");
	if (part >= N_PHASES) {
		fputs(" title=\"", p->f);
		html__text(p->f, accounts[part - N_PHASES].doc);
		putc('"', p->f);
	}
	fprintf(p->f, ">%s</th>",
		part < 0	? "requests" :
		part < N_PHASES ? part_classes[part] :
				  accounts[part - N_PHASES].name);
	for (size_t k = 0; k < n; k++) {
		const struct ledger_resource *resource = &p->l->resources[shown[k]];
		const int64_t value = part < 0 ? parts[k].requests : parts[k].of[part];

		report_html__cell(p->f, value, resource->row->unit);
		put_share(p->f, value, resource->total);
	}
	fputs("</tr>\n", p->f);
}

static void put_table(const struct report_page *p, const size_t *shown, const struct parts *parts, size_t n)
{
	fputs("<div class=\"frame\" tabindex=\"0\" role=\"region\" aria-label=\"Ledger\">\n<table "
	      "class=\"ledger\">\n<caption>Requests and accounts make the total, "
	      "exactly</caption>\n<thead><tr><td></td>",
	      p->f);
	for (size_t k = 0; k < n; k++) {
		report_html__column(p->f, resource__title(&p->l->resources[shown[k]]), NULL,
				    p->l->resources[shown[k]].row->grade, true);
		fputs("<th scope=\"col\" class=\"n\">share</th>", p->f);
	}
	fputs("</tr></thead>\n<tbody>\n", p->f);
	put_row(p, shown, parts, n, -1);
	for (int part = 0; part < N_PARTS; part++) {
		bool used = part >= N_PHASES;

		for (size_t k = 0; k < n; k++)
			used |= parts[k].of[part] != 0;
		if (used)
			put_row(p, shown, parts, n, part);
	}
	fputs("</tbody>\n<tfoot><tr><th scope=\"row\">total</th>", p->f);
	for (size_t k = 0; k < n; k++) {
		report_html__cell(p->f, p->l->resources[shown[k]].total, p->l->resources[shown[k]].row->unit);
		put_share(p->f, p->l->resources[shown[k]].total, p->l->resources[shown[k]].total);
	}
	fputs("</tr></tfoot>\n</table>\n</div>\n", p->f);
}

static void put_totals(const struct report_page *p, const size_t *shown, size_t n)
{
	fputs("<ul class=\"totals\">\n", p->f);
	for (size_t k = 0; k < n; k++) {
		const struct ledger_resource *resource = &p->l->resources[shown[k]];

		fputs("<li>", p->f);
		html__format(p->f, "Total %s by %s", resource__title(resource),
			     resource->total_source ? resource->total_source : "an account without a name");
		if (resource->check_total != ABSENT)
			html__format(p->f, "; %s by %s", figure__in_unit(resource->check_total, resource->row->unit).s,
				     resource->check_source ? resource->check_source : "a second account");
		fputs("</li>\n", p->f);
	}
	fputs("</ul>\n", p->f);
}

int report_html__ledger(const struct report_page *p)
{
	struct parts parts[MOST_SHOWN];
	size_t shown[MOST_SHOWN], n = 0, left_out = 0;
	bool negative = false;

	for (size_t k = 0; k < p->l->n_resources; k++) {
		if (!is_shown(p->l, k))
			continue;
		if (n == MOST_SHOWN) {
			left_out++;
			continue;
		}
		parts[n] = parts_of(p->l, k);
		for (int i = 0; i < N_PARTS; i++)
			negative |= parts[n].of[i] < 0;
		shown[n++] = k;
	}
	report_html__section(p->f, "ledger", "Ledger");
	if (n) {
		fputs("<p>What the kernel or device says that the server used, and where it went. "
		      "<code>unexplained</code> is signed: the total less everything else; it is never spread over "
		      "tokens.</p>\n",
		      p->f);
		if (negative)
			fputs("<p class=\"bound\">Parts below zero stand in the table only: a bar has the others, "
			      "which "
			      "together are more than the total.</p>\n",
			      p->f);
		put_bars(p, shown, parts, n);
		put_table(p, shown, parts, n);
		put_totals(p, shown, n);
	} else {
		fputs("<p class=\"missing\"><b>unavailable:</b> nothing that adds up was measured; the evidence below "
		      "says "
		      "why.</p>\n",
		      p->f);
	}
	if (left_out)
		fprintf(p->f, "<p class=\"bound\">%zu further resources: <code>--format json</code> has them.</p>\n",
			left_out);
	fputs("</section>\n", p->f);
	return 0;
}
