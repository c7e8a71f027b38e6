/* SPDX-License-Identifier: Apache-2.0 */
/* How costs were attributed, how sure that is, and what they would have been otherwise. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "output/facts.h"
#include "output/figure.h"
#include "output/text.h"
#include "userspace/analysis/waiting.h"

#define MAX_NAMES 256

/* Rules that share something, each with its resources: "shapley (CPU time), per-token (page faults)" */
static void list_rules(const struct ledger *l, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; rules[i]; i++) {
		bool any = false;

		for (size_t k = 0; k < l->n_resources && n < size; k++) {
			const struct pricing *target = &l->pricing[ROLE_TARGET][k];
			const struct pricing *p = target->n_steps ? target : &l->pricing[ROLE_DRAFT][k];

			if (p->rule != rules[i] || p->n_steps == 0 || resource__is_ioctl(&l->resources[k]))
				continue;
			n += (size_t)snprintf(out + n, size - n, "%s%s",
					      any ? ", " :
					      n	  ? "), " :
						    "",
					      any ? resource__title(&l->resources[k]) : rules[i]->name);
			if (!any && n < size)
				n += (size_t)snprintf(out + n, size - n, " (%s", resource__title(&l->resources[k]));
			any = true;
		}
	}
	if (n && n < size)
		snprintf(out + n, size - n, ")");
}

/* Does any rule that shared something have a fixed part to share? */
static bool has_fixed_part(const struct ledger *l)
{
	for (size_t k = 0; k < l->n_resources; k++)
		for (int role = 0; role < N_ROLES; role++)
			if (l->pricing[role][k].n_steps && l->pricing[role][k].rule->fixed_part)
				return true;
	return false;
}

void text__shared_by(const struct text *t)
{
	char list[MAX_NAMES];

	list_rules(t->l, list, sizeof(list));
	text__fact(t, "Shared by", "%s%s%s", list[0] ? list : t->l->rule->name,
		   has_fixed_part(t->l) ? "; fixed cost by " : "",
		   has_fixed_part(t->l) ? fixed_by_names[t->l->fixed_by] : "");
}

/* ------------------------------------------------------------------------------------------------------ attribution --- */

static void cell_percent(struct table *table, double part)
{
	if (part >= 0 && part < 1000)
		table__cell(table, "%.1f%%", 100 * part);
	else
		table__cell(table, "-");
}

/* "CPU time", "CPU time of drafts" */
static void name_pricing(const struct text *t, size_t k, int role, char *out, size_t size)
{
	snprintf(out, size, "%s%s", resource__title(&t->l->resources[k]), role == ROLE_DRAFT ? " of drafts" : "");
}

/* What a rule shared that expects something of a step, and so can be wrong. */
static int put_models(const struct text *t)
{
	static const struct table_column columns[] = {
		{ "resource", COLUMN_TEXT, 0 }, { "rule", COLUMN_TEXT, 0 },	{ "steps", COLUMN_NUMBER, 0 },
		{ "spread", COLUMN_NUMBER, 0 }, { "off by", COLUMN_NUMBER, 0 }, { "", COLUMN_TEXT, 0 },
	};
	struct table *table = NULL;
	char name[64];
	int rc;

	for (size_t k = 0; k < t->l->n_resources; k++) {
		for (int role = 0; role < N_ROLES; role++) {
			const struct pricing *p = &t->l->pricing[role][k];

			if (!p->rule || !p->n_steps || !p->rule->by_model || p->as_cpu)
				continue;
			if (!table)
				table = text__table(t, columns, 6);
			if (!table)
				return -ENOMEM;
			name_pricing(t, k, role, name, sizeof(name));
			table__cell(table, "%s", name);
			table__cell(table, "%s", p->rule->name);
			table__cell(table, "%s", figure__count(p->n_steps).s);
			cell_percent(table, p->scope.model->sigma);
			cell_percent(table, p->median_residual);
			table__styled(table, STYLE_WARN, "%s", p->drifted ? "drifted: calibrate again" : "");
			table__end_row(table);
		}
	}
	if (!table)
		return 0;
	rc = table__finish(table);
	text__paragraph(
		t, "spread: of one step about the model, when it was fitted; off by: the median over this recording");
	return rc;
}

static bool says(const struct pricing *p, const struct rule *rule, const char *why)
{
	return p->rule == rule && p->n_steps && strcmp(p->why, why) == 0;
}

/* Resources that are shared by one rule for one reason are named together. */
static void put_others(const struct text *t)
{
	const size_t n_pricings = t->l->n_resources * N_ROLES;
	char list[MAX_NAMES], name[64];

	for (size_t i = 0; i < n_pricings; i++) {
		const struct pricing *p = &t->l->pricing[i % N_ROLES][i / N_ROLES];
		bool said = !p->rule || !p->n_steps || (p->rule->by_model && !p->as_cpu);
		bool calls = false;
		size_t n = 0;

		for (size_t k = 0; k < i && !said; k++)
			said = says(&t->l->pricing[k % N_ROLES][k / N_ROLES], p->rule, p->why);
		for (size_t k = i; k < n_pricings && !said && n < sizeof(list); k++) {
			if (!says(&t->l->pricing[k % N_ROLES][k / N_ROLES], p->rule, p->why))
				continue;
			/* Counts, times and failures of six classes are one thing to the reader. */
			if (resource__is_ioctl(&t->l->resources[k / N_ROLES])) {
				if (calls)
					continue;
				calls = true;
				snprintf(name, sizeof(name), "driver calls");
			} else {
				name_pricing(t, k / N_ROLES, (int)(k % N_ROLES), name, sizeof(name));
			}
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "", name);
		}
		if (!said)
			text__paragraph(t, "By rule %s: %s (%s)", p->rule->name, list,
					p->why[0] ? p->why : p->rule->doc);
	}
}

/* Terms that the fits in use could not tell apart: "CPU time: G(3) with G(4)". */
static void put_merged(const struct text *t)
{
	char list[MAX_NAMES], a[16], b[16], name[64];

	for (size_t k = 0; k < t->l->n_resources; k++) {
		for (int role = 0; role < N_ROLES; role++) {
			const struct pricing *p = &t->l->pricing[role][k];
			size_t n = 0;

			for (size_t term = 0;
			     p->n_steps && p->rule->by_model && !p->as_cpu && term < COST_TERMS && n < sizeof(list);
			     term++) {
				const int32_t with = p->scope.model->merged_with[term];

				if (with >= 0)
					n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s with %s", n ? ", " : "",
							      cost_term__name(term, a, sizeof(a)),
							      cost_term__name((size_t)with, b, sizeof(b)));
			}
			name_pricing(t, k, role, name, sizeof(name));
			if (n)
				text__paragraph(t, "Not told apart by the fit of %s: %s.", name, list);
		}
	}
}

/* Steps with contexts that are a little longer than any that was measured are priced as well as those. */
#define BEYOND 1.1

static void put_fit(const struct text *t, int role)
{
	const struct fit *fit = ledger__role_fit(t->l, role);
	char when[32] = "", seen[160];
	struct tm tm;
	time_t seconds;
	int64_t here;

	if (!fit)
		return;
	seconds = (time_t)(fit->made_unix_ns / 1000000000);
	if (gmtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M UTC", &tm);
	fit_range__describe(&fit->range, seen, sizeof(seen));
	text__paragraph(t, "Fit%s of %s, by %s, %s steps%s%s%s%s.", role == ROLE_DRAFT ? " of drafts" : "", when,
			strcmp(fit->origin, FIT_ORIGIN_CALIBRATE) == 0 ? "tokprof calibrate" : "a recording",
			figure__integer(fit->cost.n_steps).s, fit->model_name ? ", " : "",
			fit->model_name ? fit->model_name : "", seen[0] ? "; it saw " : "", seen);
	here = timeline__most_context(t->l->timeline);
	if (role == ROLE_TARGET && seen[0] && here != ABSENT && here > BEYOND * fit->range.most_context)
		text__paragraph(t,
				"Contexts here go up to %s tokens, beyond those that it saw: what steps with them cost "
				"is drawn on from shorter ones, and the intervals do not know by how much that is "
				"off.",
				figure__integer(here).s);
}

static void put_excess(const struct text *t)
{
	static const char *const words[N_DISTURBANCES] = {
		[DISTURBED_PREEMPTED] = "preempted",
		[DISTURBED_FAULTS] = "with more page faults than their neighbours",
		[DISTURBED_NO_RETURN] = "left by an exception",
		[DISTURBED_WORKERS] = "with other threads of the server preempted",
		[DISTURBED_MAJOR_FAULTS] = "with page faults that waited for a disk",
		[DISTURBED_FREQUENCY] = "at a lower clock frequency than the others",
		[DISTURBED_TOUCHED] = "in a window of --touched-bytes",
	};
	const struct excess *excess = &t->l->excess;
	char list[MAX_NAMES] = "", of[MAX_NAMES] = "";
	size_t n = 0, m = 0;

	if (!excess->n_steps)
		return;
	for (int d = 0; d < N_DISTURBANCES && n < sizeof(list); d++)
		if (excess->n_by[d] != ABSENT && excess->n_by[d])
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s %s", n ? ", " : "",
					      figure__count(excess->n_by[d]).s, words[d]);
	if (excess->n_unexplained && n < sizeof(list))
		snprintf(list + n, sizeof(list) - n, "%s%s without any evidence", n ? ", " : "",
			 figure__count(excess->n_unexplained).s);
	for (size_t k = 0; k < t->l->n_resources && m < sizeof(of); k++)
		if (excess->n_by_resource[k])
			m += (size_t)snprintf(of + m, sizeof(of) - m, "%s%s %s", m ? ", " : "",
					      resource__title(&t->l->resources[k]),
					      figure__count(excess->n_by_resource[k]).s);
	text__paragraph(t,
			"Steps that took more than the model allows: %s (%s), of %s. Their excess is no request's.%s",
			figure__count(excess->n_steps).s, list, of,
			excess->n_unexplained && excess->n_by[DISTURBED_FREQUENCY] == ABSENT ?
				" Whether a lower clock frequency is behind it is not known here." :
				"");
}

/* -------------------------------------------------------------------------------------------------------- otherwise --- */

static int64_t sum_known(const struct ledger *l, size_t k, bool alone)
{
	int64_t sum = 0;

	for (size_t i = 0; i < l->timeline->recording->n_requests; i++) {
		const struct ledger_request *q = &l->requests[i];

		if (q->alone && q->alone[k] != ABSENT && request__has_tokens(l, i))
			sum += alone ? q->alone[k] : q->cost[k];
	}
	return sum;
}

/* Requests with tokens. @known of them those whose cost alone is known */
static size_t count_known(const struct ledger *l, size_t k, size_t *known)
{
	size_t n = 0;

	*known = 0;
	for (size_t i = 0; i < l->timeline->recording->n_requests; i++) {
		if (!request__has_tokens(l, i))
			continue;
		n++;
		*known += l->requests[i].alone && l->requests[i].alone[k] != ABSENT;
	}
	return n;
}

static void put_saving(const struct text *t, size_t k)
{
	const int64_t cost = sum_known(t->l, k, false), alone = sum_known(t->l, k, true);
	const char *unit = t->l->resources[k].row->unit;
	size_t known, all = count_known(t->l, k, &known);
	char who[64] = "the requests";

	/* Without a model only steps of one request are known alone, and those are what they were. */
	if (alone <= 0 || !t->l->pricing[ROLE_TARGET][k].rule->by_model)
		return;
	if (known < all)
		snprintf(who, sizeof(who), "%zu of %zu requests", known, all);
	text__paragraph(
		t, "Alone, nobody else's rows in their steps, %s would have taken %s of %s, not %s: batching saves %s.",
		who, figure__in_unit(alone, unit).s, resource__title(&t->l->resources[k]),
		figure__in_unit(cost, unit).s, figure__percent(alone - cost, alone).s);
}

static void cell_estimate(struct table *table, const struct estimate *e)
{
	table__cell(table, "%s", figure__time(llround(e->value)).s);
	table__cell(table, "(%s-%s)", figure__time(llround(e->low)).s, figure__time(llround(e->high)).s);
}

static void put_marginal(const struct text *t, struct table *table, const char *title, size_t slot, bool *negative)
{
	for (size_t i = 0; i < N_MARGINALS; i++) {
		struct marginal m;

		if (!counterfactual__marginal(t->l, slot, i, &m))
			return;
		*negative |= t->l->batch.n_rows && m.in_batch.value < 0;
		table__cell(table, "%s", title);
		table__cell(table, "%s", figure__integer(marginal_contexts[i]).s);
		if (t->l->batch.n_rows) {
			cell_estimate(table, &m.in_batch);
		} else {
			table__cell(table, "-");
			table__cell(table, "-");
		}
		cell_estimate(table, &m.alone);
		table__end_row(table);
	}
}

static void put_how_far(const struct text *t, size_t cpu)
{
	const int64_t most = pricing__most_context(t->l, &t->l->pricing[ROLE_TARGET][cpu]);

	if (most == ABSENT)
		text__paragraph(t, "The fit does not say up to which contexts it was measured: what is said of long "
				   "ones may be drawn on from shorter ones.");
	else if (most < (int64_t)marginal_contexts[N_MARGINALS - 1])
		text__paragraph(t,
				"The model was fitted to contexts of up to %s tokens: what is said of longer ones is "
				"drawn on from them.",
				figure__integer(most).s);
}

static int put_marginals(const struct text *t, size_t cpu)
{
	static const struct table_column columns[] = {
		{ "one more token", COLUMN_TEXT, 0 }, { "context", COLUMN_NUMBER, 0 },
		{ "in the batch", COLUMN_NUMBER, 0 }, { "(95 %)", COLUMN_NUMBER, 0 },
		{ "alone", COLUMN_NUMBER, 0 },	      { "(95 %)", COLUMN_NUMBER, 0 },
	};
	struct marginal m;
	struct table *table;
	bool negative = false;
	int rc;

	if (!counterfactual__marginal(t->l, cpu, 0, &m))
		return 0;
	putc('\n', t->f);
	table = text__table(t, columns, 6);
	if (!table)
		return -ENOMEM;
	put_marginal(t, table, "CPU time", cpu, &negative);
	put_marginal(t, table, "step time", PRICING_WALL, &negative);
	rc = table__finish(table);
	if (t->l->batch.n_rows)
		text__paragraph(t, "The batch: %u sequence%s in a decode step, contexts of %u on the mean.",
				t->l->batch.n_rows, t->l->batch.n_rows == 1 ? "" : "s", t->l->batch.context);
	if (negative)
		text__paragraph(
			t,
			"Below 0: by the fit a step of %u sequences takes less than one of %u. Engines compute some "
			"numbers of rows faster than smaller ones.",
			t->l->batch.n_rows + 1, t->l->batch.n_rows);
	put_how_far(t, cpu);
	return rc;
}

static void put_reference(const struct text *t, size_t cpu)
{
	struct estimate token, all;
	int64_t sum = 0;

	for (size_t i = 0; i < t->r->n_requests; i++)
		sum += t->l->requests[i].cost[cpu];
	/* How they divided it among themselves leaves nothing open of all together. */
	if (counterfactual__reference(t->l, cpu, &token) && reference_tokens(t->l, sum, sum, sum, &all))
		text__paragraph(
			t,
			"A reference token (output of a 7B model in F16 at 2,048 context, derived from the fit) would "
			"take %s of CPU time here (%s-%s, by the fit alone, which is scaled up %.0f-fold); the "
			"requests "
			"took %.1f of them (%.1f-%.1f).",
			figure__time(llround(token.value)).s, figure__time(llround(token.low)).s,
			figure__time(llround(token.high)).s,
			REFERENCE_WEIGHT_BYTES / t->l->facts[ROLE_TARGET].active_weight_bytes, all.value, all.low,
			all.high);
}

int text__attribution(const struct text *t)
{
	const struct pricing *p = ledger__main_pricing(t->l);
	const int cpu = resource__find(t->l, "cpu_ns");
	bool any = false;
	int rc;

	for (size_t k = 0; k < t->l->n_resources; k++)
		for (int role = 0; role < N_ROLES; role++)
			any = any || t->l->pricing[role][k].n_steps;
	if (!any)
		return 0;
	text__heading(t, "Attribution");
	rc = put_models(t);
	put_others(t);
	for (int role = 0; role < N_ROLES; role++)
		put_fit(t, role);
	if (t->options->verbose)
		put_merged(t);
	put_excess(t);
	if (rc < 0 || !p)
		return rc;
	put_saving(t, (size_t)cpu);
	put_reference(t, (size_t)cpu);
	return put_marginals(t, (size_t)cpu);
}

/* ------------------------------------------------------------------------------------------------------ per request --- */

static int64_t figure_of(const int64_t *figures, int k)
{
	return figures && k >= 0 ? figures[k] : ABSENT;
}

int text__request_shares(const struct text *t)
{
	static const struct table_column columns[] = {
		{ "id", COLUMN_NUMBER, 0 },	   { "CPU", COLUMN_NUMBER, 0 },	  { "(95 %)", COLUMN_NUMBER, 0 },
		{ "alone", COLUMN_NUMBER, 0 },	   { "saved", COLUMN_NUMBER, 0 }, { "rejected", COLUMN_NUMBER, 0 },
		{ "reference", COLUMN_NUMBER, 0 },
	};
	const int cpu = resource__find(t->l, "cpu_ns");
	struct table *table;
	int rc;

	if (cpu < 0 || !t->l->resources[cpu].measured)
		return 0;
	text__heading(t, "Requests: shares");
	table = text__table(t, columns, 7);
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < t->r->n_requests; i++) {
		const struct ledger_request *q = &t->l->requests[i];
		const int64_t low = figure_of(q->low, cpu), high = figure_of(q->high, cpu);
		const int64_t alone = figure_of(q->alone, cpu);
		const bool unmatched = request__unmatched(&t->l->timeline->requests[i]);
		struct estimate tokens;

		if (!request__has_tokens(t->l, i))
			continue;
		table__cell(table, "%" PRId64, t->r->requests[i].id);
		table__cell(table, "%s", figure__time(unmatched ? ABSENT : q->cost[cpu]).s);
		if (low == ABSENT || high == ABSENT)
			table__cell(table, "-");
		else
			table__cell(table, "(%s-%s)", figure__time(low).s, figure__time(high).s);
		table__cell(table, "%s", figure__time(alone).s);
		table__cell(table, "%s",
			    alone > 0 ? figure__percent(alone - q->cost[cpu], alone).s : figure__time(ABSENT).s);
		table__cell(table, "%s", figure__time(figure_of(q->rejected, cpu)).s);
		if (!unmatched && request__reference_tokens(t->l, i, &tokens))
			table__cell(table, "%.2f", tokens.value);
		else
			table__cell(table, "-");
		table__end_row(table);
	}
	rc = table__finish(table);
	text__paragraph(
		t,
		"CPU with what the sharing leaves open, by the cost model's own account: no other rule has one; alone: "
		"had nobody else's rows been in its steps; "
		"rejected: part of CPU that is due to rejected drafts; reference: in reference tokens.");
	return rc;
}

static void list_named(const struct text *t, const struct waiting *w, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < w->n && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%" PRId64 ": %s", n ? ", " : "",
				      t->r->requests[w->named[i].request].id, figure__time(w->named[i].ns).s);
	if (w->others_ns && n < size)
		n += (size_t)snprintf(out + n, size - n, "%sothers: %s", n ? ", " : "", figure__time(w->others_ns).s);
	if (w->unknown_ns && n < size)
		snprintf(out + n, size - n, "%sunknown: %s", n ? ", " : "", figure__time(w->unknown_ns).s);
}

int text__request_waits(const struct text *t)
{
	static const struct table_column columns[] = {
		{ "id", COLUMN_NUMBER, 0 },
		{ "wait", COLUMN_NUMBER, 0 },
		{ "host", COLUMN_NUMBER, 0 },
		{ "for requests, by their part of the steps that ran meanwhile", COLUMN_WRAP, 20 },
	};
	struct waiting *waits;
	struct table *table;
	char list[512];
	int rc;

	if (!t->l->row_wall)
		return 0;
	rc = waiting__build(&waits, t->l);
	if (rc < 0)
		return rc;
	text__heading(t, "Requests: waits");
	table = text__table(t, columns, 4);
	for (size_t i = 0; table && i < t->r->n_requests; i++) {
		if (!request__has_tokens(t->l, i))
			continue;
		list_named(t, &waits[i], list, sizeof(list));
		table__cell(table, "%" PRId64, t->r->requests[i].id);
		table__cell(table, "%s", figure__time(t->l->timeline->requests[i].wait_ns).s);
		table__cell(table, "%s", figure__time(waits[i].known ? waits[i].host_ns : ABSENT).s);
		table__cell(table, "%s", list[0] ? list : "-");
		table__end_row(table);
	}
	free(waits);
	return table__finish(table);
}
