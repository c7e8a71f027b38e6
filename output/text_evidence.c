/* SPDX-License-Identifier: Apache-2.0 */
/* How far the figures can be trusted: grades, collectors, losses, and what each latency means. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "output/facts.h"
#include "output/figure.h"
#include "output/text.h"
#include "userspace/ioctl_class.h"

static enum cell_style grade_style(int grade)
{
	return grade == GRADE_MEASURED ? STYLE_GOOD : grade == GRADE_UNAVAILABLE ? STYLE_DIM : STYLE_WARN;
}

static void put_resource(struct table *table, const char *title, const struct row_resource *row)
{
	table__styled(table, grade_style(row->grade), "%s",
		      row->grade == GRADE_SELF_REPORTED ? "self-reported" : grade__name(row->grade));
	table__cell(table, "%s", title);
	table__cell(table, "%s%s%s", row->source ? row->source : "", row->source && row->reason ? "; " : "",
		    row->reason ? row->reason : "");
	table__end_row(table);
}

/* Why a resource of the contract has no figure; NULL where it has one. */
static const char *missing_reason(const struct ledger *l, size_t i)
{
	int k = resource__find(l, resource_keys[i].name);

	if (k < 0)
		return resource_keys[i].missing;
	if (l->resources[k].row->grade != GRADE_UNAVAILABLE)
		return NULL;
	return l->resources[k].row->reason ? l->resources[k].row->reason : "the recording does not say why";
}

/* Resources that share a reason share a line: the reason is what the reader can act on. */
static void put_missing(const struct text *t)
{
	for (size_t i = 0; i < N_RESOURCE_KEYS; i++) {
		const char *reason = missing_reason(t->l, i);
		char names[256] = "";
		bool said = false;
		size_t n = 0;

		for (size_t k = 0; k < i && reason && !said; k++)
			said = missing_reason(t->l, k) && strcmp(missing_reason(t->l, k), reason) == 0;
		if (!reason || said)
			continue;
		for (size_t k = i; k < N_RESOURCE_KEYS && n < sizeof(names); k++)
			if (missing_reason(t->l, k) && strcmp(missing_reason(t->l, k), reason) == 0)
				n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "",
						      resource_keys[k].title);
		text__paragraph(t, "Unavailable: %s (%s)", names, reason);
	}
}

/* All classes have one source. */
static void put_ioctl(struct table *table, const struct ledger *l)
{
	const int k = resource__find(l, ioctl_resource_names[IOCTL_COUNT]);

	if (k >= 0)
		put_resource(table, "driver calls", l->resources[k].row);
}

static void put_kernel(struct table *table, const struct ledger *l)
{
	char reason[KERNEL_REASON_SIZE];
	struct row_resource row = { .grade = kernel__grade(l), .source = KERNEL_SOURCE, .reason = reason };

	if (!l->kernel)
		return;
	kernel__reason(l, reason, sizeof(reason));
	put_resource(table, "system calls", &row);
}

int text__evidence(const struct text *t)
{
	static const struct table_column columns[] = {
		{ "grade", COLUMN_TEXT, 0 },
		{ "resource", COLUMN_TEXT, 0 },
		{ "source, reason", COLUMN_WRAP, 20 },
	};
	struct table *table;
	int rc;

	text__heading(t, "Evidence");
	table = text__table(t, columns, 3);
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < N_RESOURCE_KEYS; i++) {
		int k = resource__find(t->l, resource_keys[i].name);

		if (!missing_reason(t->l, i))
			put_resource(table, resource_keys[i].title, t->l->resources[k].row);
	}
	for (size_t k = 0; k < t->l->n_resources; k++)
		if (resource__is_counter(&t->l->resources[k]))
			put_resource(table, t->l->resources[k].row->name, t->l->resources[k].row);
	put_ioctl(table, t->l);
	put_kernel(table, t->l);
	table__styled(table, grade_style(GRADE_SELF_REPORTED), "self-reported");
	table__cell(table, "tokens billed");
	table__cell(table, "the server's own word on the wire (usage)");
	table__end_row(table);
	rc = table__finish(table);
	put_missing(t);
	return rc;
}

/* Seconds of the recording in which this collector lost records of this kind: "2 s, 7-9 s". */
static void lost_when(const struct recording *r, const char *collector, const char *kind, char *out, size_t size)
{
	uint64_t start = recording__start_ns(r), begun = UINT64_MAX, last = UINT64_MAX;
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i <= r->n_losses && n < size; i++) {
		uint64_t second = UINT64_MAX;

		if (i < r->n_losses) {
			const struct row_loss *loss = &r->losses[i];

			if (strcmp(loss->collector, collector) != 0 || strcmp(loss->kind, kind) != 0)
				continue;
			second = loss->second_ns > start ? (loss->second_ns - start) / 1000000000 : 0;
		}
		if (begun != UINT64_MAX && (second == last || second == last + 1)) {
			last = second;
			continue;
		}
		if (begun != UINT64_MAX && begun == last)
			n += (size_t)snprintf(out + n, size - n, "%s%" PRIu64 "s", n ? ", " : "", begun);
		else if (begun != UINT64_MAX)
			n += (size_t)snprintf(out + n, size - n, "%s%" PRIu64 "-%" PRIu64 "s", n ? ", " : "", begun,
					      last);
		begun = last = second;
	}
}

static bool first_of_kind(const struct recording *r, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(r->losses[k].collector, r->losses[i].collector) == 0 &&
		    strcmp(r->losses[k].kind, r->losses[i].kind) == 0)
			return false;
	return true;
}

static int put_losses(const struct text *t)
{
	static const struct table_column columns[] = {
		{ "collector", COLUMN_TEXT, 0 },
		{ "lost", COLUMN_NUMBER, 0 },
		{ "kind", COLUMN_TEXT, 0 },
		{ "in these seconds of the recording", COLUMN_WRAP, 12 },
	};
	struct table *table = text__table(t, columns, 4);

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < t->r->n_losses; i++) {
		const struct row_loss *loss = &t->r->losses[i];
		int64_t n = 0;
		char when[256];

		if (!first_of_kind(t->r, i))
			continue;
		for (size_t k = i; k < t->r->n_losses; k++)
			if (strcmp(t->r->losses[k].collector, loss->collector) == 0 &&
			    strcmp(t->r->losses[k].kind, loss->kind) == 0)
				n += t->r->losses[k].n;
		lost_when(t->r, loss->collector, loss->kind, when, sizeof(when));
		table__cell(table, "%s", loss->collector);
		table__styled(table, STYLE_BAD, "%" PRId64, n);
		table__cell(table, "%s", loss->kind);
		table__cell(table, "%s", when);
		table__end_row(table);
	}
	return table__finish(table);
}

int text__losses(const struct text *t)
{
	int rc = 0;

	text__heading(t, "Losses");
	if (t->r->n_losses)
		rc = put_losses(t);
	else
		text__paragraph(t, "None: every record that was made was kept.");
	for (size_t i = 0; i < t->r->n_collectors; i++) {
		const struct row_collector *collector = &t->r->collectors[i];

		if (strcmp(collector->state, "attached") != 0)
			text__paragraph(t, "Collector %s was %s: %s", collector->name, collector->state,
					collector->reason ? collector->reason : "no reason recorded");
		else if (t->options->verbose)
			text__paragraph(t, "Collector %s was attached.", collector->name);
	}
	if (t->l->timeline->n_runs_unmatched)
		text__paragraph(t,
				"%" PRId64
				" generation%s of the engine could not be given to a request on the wire; what "
				"they took stands in `unexplained`.",
				t->l->timeline->n_runs_unmatched, t->l->timeline->n_runs_unmatched == 1 ? "" : "s");
	return rc;
}

int text__definitions(const struct text *t)
{
	text__heading(t, "Definitions");
	text__fact(t, "wait",
		   "from the arrival of a request's first byte to its first row in a step, and the gaps "
		   "between its steps");
	text__fact(t, "TTFT",
		   "from the arrival of its first byte to the first chunk that carries generated text "
		   "(without streaming: the body)");
	text__fact(t, "TPOT",
		   "from its first to its last chunk with generated text, over its generated tokens less one "
		   "(MLPerf); of several choices, those of the longest; none below two tokens");
	text__fact(t, "end to end", "from the arrival of its first byte to the last byte of the response");
	text__fact(t, "CPU/in", "CPU time of its prefill over the prompt tokens that were computed");
	text__fact(t, "CPU/out",
		   "CPU time of its decode steps, drafts and their verification included, over its "
		   "generated tokens after the first, which the prompt's last step puts out");
	text__fact(t, "percentile", "nearest rank, over requests that are complete and carried tokens");
	text__fact(t, "unexplained", "the kernel's total less everything else; signed, never spread over tokens");
	return 0;
}
