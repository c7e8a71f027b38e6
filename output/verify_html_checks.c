/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements by kind, the worst kinds and the worst statements first. Of a million the file shows so many of each kind that a
 * browser opens it and a person may read it, and says how many are left out: all are in JSON.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "output/verify_html.h"
#include "userspace/analysis/array.h"
#include "userspace/analysis/facts.h"

#define MAX_FINDINGS 500	/* of a kind that are refuted, and that are inconclusive */
#define MAX_CONFIRMED 100	/* of a kind */
#define MAX_EVIDENCE 8

static const enum verdict worst_first[] = { VERDICT_REFUTED, VERDICT_INCONCLUSIVE, VERDICT_CONFIRMED };

struct kind {
	const char *id, *rule;
	const char *finding;	/* of the first that is confirmed; NULL */
	size_t n_alike;		/* that are confirmed with this finding: it is then said once for all */
	size_t order;		/* as it first came */
	size_t n_by_verdict[3], n_by_grade[GRADE_MEASURED + 1];
};

struct kinds {
	struct kind *list;
	size_t n, capacity;
};

static struct kind *find_kind(struct kinds *kinds, const struct check *c)
{
	struct kind *moved;

	/* Checks come by kind: it is nearly always the last one. */
	for (size_t i = kinds->n; i-- > 0;)
		if (strcmp(kinds->list[i].id, c->id) == 0)
			return &kinds->list[i];
	moved = array__reserve(kinds->list, &kinds->capacity, kinds->n + 1, sizeof(*moved));
	if (!moved)
		return NULL;
	kinds->list = moved;
	kinds->list[kinds->n] = (struct kind){ .id = c->id, .rule = c->rule, .order = kinds->n };
	return &kinds->list[kinds->n++];
}

static int compare_kinds(const void *a, const void *b)
{
	const struct kind *x = a, *y = b;

	for (size_t i = 0; i < 2; i++) {
		const bool in_x = x->n_by_verdict[worst_first[i]] > 0, in_y = y->n_by_verdict[worst_first[i]] > 0;

		if (in_x != in_y)
			return in_x ? -1 : 1;
	}
	return x->order < y->order ? -1 : x->order > y->order;
}

static bool is_alike(const struct kind *kind, const struct check *c)
{
	return c->verdict == VERDICT_CONFIRMED && strcmp(c->text, kind->finding) == 0 &&
	       strcmp(c->rule, kind->rule) == 0;
}

static int list_kinds(struct kinds *kinds, const struct verification *v)
{
	for (size_t i = 0; i < v->n; i++) {
		const struct check *c = &v->checks[i];
		struct kind *kind = find_kind(kinds, c);

		if (!kind)
			return -ENOMEM;
		kind->n_by_verdict[c->verdict]++;
		if (c->verdict == VERDICT_CONFIRMED && !kind->finding)
			kind->finding = c->text;
		kind->n_alike += is_alike(kind, c);
		kind->n_by_grade[c->grade]++;
	}
	if (kinds->n)
		qsort(kinds->list, kinds->n, sizeof(*kinds->list), compare_kinds);
	return 0;
}

static void put_overview(FILE *f, const struct kinds *kinds)
{
	fputs("<table class=\"overview\">\n<thead><tr><th scope=\"col\">kind</th><th scope=\"col\">refuted</th>"
	      "<th scope=\"col\">inconclusive</th><th scope=\"col\">confirmed</th><th scope=\"col\">measured</th>"
	      "<th scope=\"col\">derived</th><th scope=\"col\">self-reported</th></tr></thead>\n<tbody>\n",
	      f);
	for (size_t i = 0; i < kinds->n; i++) {
		const struct kind *kind = &kinds->list[i];

		fprintf(f, "<tr><th scope=\"row\"><a href=\"#kind-%zu\">", i);
		html__text(f, kind->id);
		fputs("</a></th>", f);
		for (size_t k = 0; k < 3; k++) {
			const enum verdict verdict = worst_first[k];

			fprintf(f, "<td class=\"%s\">%zu</td>",
				kind->n_by_verdict[verdict] ? verdict_names[verdict] : "none",
				kind->n_by_verdict[verdict]);
		}
		fprintf(f, "<td>%zu</td><td>%zu</td><td>%zu</td></tr>\n", kind->n_by_grade[GRADE_MEASURED],
			kind->n_by_grade[GRADE_DERIVED], kind->n_by_grade[GRADE_SELF_REPORTED]);
	}
	fputs("</tbody>\n</table>\n", f);
}

static void put_cell(FILE *f, const char *class, const char *text)
{
	fprintf(f, "<td%s%s%s>", class ? " class=\"" : "", class ? class : "", class ? "\"" : "");
	if (text && text[0])
		html__foreign(f, text);
	else
		fputs("&ndash;", f);
	fputs("</td>", f);
}

static void put_interval(FILE *f, const struct check *c)
{
	fputs("<td class=\"n\">", f);
	if (c->low && c->high && strcmp(c->low, c->high) == 0)
		fputs("exact", f);
	else if (c->low && c->high)
		html__format(f, "%s to %s", c->low, c->high);
	else if (c->low)
		html__format(f, "at least %s", c->low);
	else if (c->high)
		html__format(f, "at most %s", c->high);
	else
		fputs("&ndash;", f);
	fputs("</td>", f);
}

static void put_evidence(FILE *f, const struct check *c)
{
	const char *between = "";

	fputs("<td>", f);
	if (c->bill_line) {
		fprintf(f, "line %" PRId64 " of the bill", c->bill_line);
		between = "; ";
	}
	if (c->claim_line) {
		fprintf(f, "%sline %" PRId64 " of the claims", between, c->claim_line);
		between = "; ";
	}
	for (uint32_t i = 0; i < c->n_evidence && i < MAX_EVIDENCE; i++) {
		fprintf(f, "%s%s%" PRId64, between, i == 0 ? (c->n_evidence > 1 ? "requests " : "request ") : "",
			c->evidence[i]);
		between = ", ";
	}
	if (c->n_evidence > MAX_EVIDENCE)
		fprintf(f, ", and %u more", c->n_evidence - MAX_EVIDENCE);
	if (!c->bill_line && !c->claim_line && !c->n_evidence)
		fputs("&ndash;", f);
	fputs("</td>", f);
}

static void put_check(FILE *f, const struct kind *kind, const struct check *c)
{
	const char *verdict = verdict_names[c->verdict];

	fprintf(f, "<tbody data-verdict=\"%s\"><tr><td class=\"%s\">%s</td>", verdict, verdict, verdict);
	put_cell(f, NULL, c->subject);
	put_cell(f, "n", c->claimed);
	put_cell(f, "n", c->measured);
	put_interval(f, c);
	put_cell(f, NULL, c->unit);
	fprintf(f, "<td>%s</td>", grade__name((int)c->grade));
	put_evidence(f, c);
	fputs("</tr>", f);
	if (kind->n_alike > 1 && is_alike(kind, c)) {
		fputs("</tbody>\n", f);
		return;
	}
	fputs("<tr class=\"why\"><td colspan=\"8\">", f);
	html__foreign(f, c->text);
	if (strcmp(c->rule, kind->rule) != 0) {
		fputs("<br><b>rule</b> ", f);
		html__foreign(f, c->rule);
	}
	if (c->verdict != VERDICT_CONFIRMED) {
		fputs("<br><b>remedy</b> ", f);
		html__text(f, check__remedy(c));
	}
	fputs("</td></tr></tbody>\n", f);
}

static void put_left_out(FILE *f, const struct kind *kind, enum verdict verdict, size_t shown)
{
	const size_t left = kind->n_by_verdict[verdict] - shown;

	if (left)
		fprintf(f,
			"<p class=\"left-out\">%zu more of this kind are %s and not shown here, to keep this file "
			"readable: "
			"<code>--format json</code> has all of them.</p>\n",
			left, verdict_names[verdict]);
}

static void put_kind(const struct verify_page *p, const struct kind *kind, size_t at)
{
	size_t shown[3] = { 0, 0, 0 };
	FILE *f = p->f;

	fprintf(f, "<section class=\"kind\" id=\"kind-%zu\">\n<h3>", at);
	html__text(f, kind->id);
	fputs("</h3>\n<p><b>rule</b> ", f);
	html__foreign(f, kind->rule);
	if (kind->n_alike > 1) {
		fputs("</p>\n<p><b>confirmed</b> where nothing else is said: ", f);
		html__foreign(f, kind->finding);
	}
	fputs("</p>\n<table class=\"statements\">\n<thead><tr><th scope=\"col\">verdict</th><th "
	      "scope=\"col\">subject</th>"
	      "<th scope=\"col\">claimed</th><th scope=\"col\">measured</th><th scope=\"col\">interval</th>"
	      "<th scope=\"col\">unit</th><th scope=\"col\">grade</th><th scope=\"col\">evidence</th></tr></thead>\n",
	      f);
	for (size_t k = 0; k < 3; k++) {
		const enum verdict verdict = worst_first[k];
		const size_t most = verdict == VERDICT_CONFIRMED ? MAX_CONFIRMED : MAX_FINDINGS;
		const size_t due = kind->n_by_verdict[verdict] < most ? kind->n_by_verdict[verdict] : most;

		for (size_t i = 0; i < p->v->n && shown[k] < due; i++) {
			const struct check *c = &p->v->checks[i];

			if (c->verdict != verdict || strcmp(c->id, kind->id) != 0)
				continue;
			put_check(f, kind, c);
			shown[k]++;
		}
	}
	fputs("</table>\n", f);
	for (size_t k = 0; k < 3; k++)
		put_left_out(f, kind, worst_first[k], shown[k]);
	fputs("</section>\n", f);
}

static void put_controls(FILE *f)
{
	fputs("<form id=\"controls\" hidden>\n", f);
	for (size_t k = 0; k < 3; k++)
		fprintf(f, "<label><input type=\"checkbox\" value=\"%s\" checked> %s</label>\n",
			verdict_names[worst_first[k]], verdict_names[worst_first[k]]);
	fputs("<label>search <input type=\"search\" id=\"search\" placeholder=\"request 12\" "
	      "autocomplete=\"off\"></label>\n<output id=\"shown\"></output>\n</form>\n",
	      f);
}

int verify_html__checks(const struct verify_page *p)
{
	struct kinds kinds = { NULL, 0, 0 };
	FILE *f = p->f;
	int err = list_kinds(&kinds, p->v);

	verify_html__section(f, "statements", "Statements");
	if (!err && kinds.n == 0)
		fputs("<p>None.</p>\n", f);
	if (!err && kinds.n) {
		put_overview(f, &kinds);
		put_controls(f);
		for (size_t i = 0; i < kinds.n; i++)
			put_kind(p, &kinds.list[i], i);
	}
	fputs("</section>\n", f);
	free(kinds.list);
	return err;
}
