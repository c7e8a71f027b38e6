/* SPDX-License-Identifier: Apache-2.0 */
/* How far the figures of a page can be trusted: grades with their sources and reasons, losses, and what the words mean. */
#include <inttypes.h>
#include <string.h>

#include "output/facts.h"
#include "output/report_html.h"

#define MOST_COUNTERS 24

static void put_row(FILE *f, const char *title, int grade, const char *source, const char *reason)
{
	fputs("<tr><th scope=\"row\">", f);
	html__foreign(f, title);
	fprintf(f, "</th><td class=\"%s\">%s</td><td>", grade__name(grade), report_html__grade(grade));
	html__foreign(f, source ? source : "");
	fputs("</td><td>", f);
	html__foreign(f, reason ? reason : "");
	fputs("</td></tr>\n", f);
}

static void put_key(const struct report_page *p, const struct resource_key *key)
{
	const int k = resource__find(p->l, key->name);

	if (k < 0)
		put_row(p->f, key->title, GRADE_UNAVAILABLE, NULL, key->missing);
	else
		put_row(p->f, key->title, p->l->resources[k].row->grade, p->l->resources[k].row->source,
			p->l->resources[k].row->reason);
}

static void put_losses(const struct report_page *p)
{
	int64_t n = 0;

	for (size_t i = 0; i < p->r->n_losses; i++)
		n += p->r->losses[i].n;
	if (n)
		fprintf(p->f,
			"<p class=\"lost\">%" PRId64
			" records were lost: <code>tokprof report</code> says by which collector, and when.</p>\n",
			n);
	else
		fputs("<p>No record was lost.</p>\n", p->f);
	fputs("<ul>\n", p->f);
	for (size_t i = 0; i < p->r->n_collectors; i++) {
		const struct row_collector *c = &p->r->collectors[i];

		if (strcmp(c->state, "attached") == 0)
			continue;
		fputs("<li>", p->f);
		html__format(p->f, "Collector %s was %s: ", c->name, c->state);
		html__foreign(p->f, c->reason ? c->reason : "no reason recorded");
		fputs("</li>\n", p->f);
	}
	fputs("</ul>\n", p->f);
	if (p->l->timeline->n_runs_unmatched)
		fprintf(p->f,
			"<p class=\"bound\">%" PRId64 " generations of the engine could not be given to a request on "
			"the wire; what they took stands in "
			"<code>unexplained</code>.</p>\n",
			p->l->timeline->n_runs_unmatched);
}

int report_html__evidence(const struct report_page *p)
{
	char reason[KERNEL_REASON_SIZE];
	size_t n_counters = 0;

	report_html__section(p->f, "evidence", "Evidence");
	fputs("<p><b>measured</b>: by a counter or device. <b>derived</b>: by a model from what was measured. "
	      "<b>self-reported</b>: the server's own word. <b>unavailable</b>: there is no figure, which is not 0. A "
	      "part "
	      "that the ledger gives a request of a step that it shared is derived, whatever the total is.</p>\n",
	      p->f);
	report_html__table(p->f, "Resources");
	report_html__column(p->f, "resource", NULL, -1, false);
	report_html__column(p->f, "grade", NULL, -1, false);
	report_html__column(p->f, "source", NULL, -1, false);
	report_html__column(p->f, "reason", NULL, -1, false);
	fputs("</tr></thead>\n<tbody>\n", p->f);
	for (size_t i = 0; i < N_RESOURCE_KEYS; i++)
		put_key(p, &resource_keys[i]);
	for (size_t k = 0; k < p->l->n_resources && n_counters < MOST_COUNTERS; k++) {
		const struct row_resource *row = p->l->resources[k].row;

		if (!resource__is_counter(&p->l->resources[k]))
			continue;
		put_row(p->f, row->name, row->grade, row->source, row->reason);
		n_counters++;
	}
	kernel__reason(p->l, reason, sizeof(reason));
	put_row(p->f, "system calls", kernel__grade(p->l), p->l->kernel ? KERNEL_SOURCE : NULL, reason);
	put_row(p->f, "tokens computed", GRADE_SELF_REPORTED, "rows of steps, read out of the engine's memory",
		"tokprof verify holds them against the compute that was measured");
	put_row(p->f, "tokens billed", GRADE_SELF_REPORTED, "the server's own word on the wire (usage)", NULL);
	report_html__end_table(p->f);
	put_losses(p);
	fputs("</section>\n", p->f);
	return 0;
}
