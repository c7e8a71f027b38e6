/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests and generations joined, over all candidates at once: the assignment of least evidence against it. A generation is
 * a family of runs (n > 1: a run and its copies). What is left over afterwards goes to a request that asked for more than
 * one generation, where only one can have.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/assignment.h"
#include "userspace/analysis/chunk_order.h"
#include "userspace/analysis/evidence.h"
#include "userspace/analysis/match.h"

/* Candidates this much worse than a request's best are not candidates. */
#define PRUNE_MARGIN 30000
/* How soon after an output of its own a first token or a body leaves, with much to spare. */
#define NEAR_NS 250000000ull
/* What it costs to leave a request without a run: text was seen, an answer was expected, perhaps never begun, refused. */
#define COST_TEXT_WITHOUT_RUN 60000
#define COST_ANSWER_WITHOUT_RUN 50000
#define COST_OPEN_WITHOUT_RUN 12000
/* And what it costs to leave a run without a request. */
#define COST_RUN_WITHOUT_REQUEST 15000

/* The scale of prompts: learnt from requests with one candidate where there are as many, else from all, with doubt. */
#define MIN_SURE_PROMPTS 8
#define DOUBTFUL_SPREAD 400
#define LEAST_SPREAD 100

struct matching {
	struct timeline *t;
	const struct run_table *table;
	const struct blind_spots *blind;
	struct families families;
	struct request_facts *facts;
	struct prompt_scale scale;
	struct chunk_order order;
	/* Candidates of all requests; assignment's problem. */
	struct assignment_edge *edges;
	size_t n_edges, edges_capacity;
	uint32_t *first_edge;
	int64_t *none_cost;
	uint32_t *n_candidates_of_family;
	struct assignment assignment;
	uint32_t *request_of_family;	/* REQUEST_NONE */
	int64_t *n_runs_given;		/* per request: members of its families */
	bool *ambiguous;		/* per request */
	bool *wide;			/* per request: candidates are all runs of its time */
};

/* --------------------------------------------------------------------------------------------------------- candidates --- */

/* A server in several processes takes requests in one and computes in another; then the process says nothing. */
static bool processes_tell(const struct matching *m)
{
	const struct recording *r = m->t->recording;

	for (size_t i = 0; i < r->n_requests; i++) {
		for (size_t k = 0; k < r->n_contexts; k++) {
			if (r->requests[i].pid == r->contexts[k].pid)
				return true;
		}
	}
	return false;
}

static int64_t cost_without_run(const struct row_request *q, const struct request_facts *facts)
{
	if (facts->carries_text)
		return COST_TEXT_WITHOUT_RUN;
	if (!facts->expects_run)
		return 0;
	return q->client_left || !q->end_ns || q->status == 0 ? COST_OPEN_WITHOUT_RUN : COST_ANSWER_WITHOUT_RUN;
}

/* The families in question: a stretch of an order of them; NULL: the order itself is 0, 1, 2, ... */
struct stretch {
	const uint32_t *order;
	size_t first, end;
};

static uint64_t time_in_order(const struct families *f, const uint32_t *order, size_t i)
{
	if (order == f->by_first_output)
		return f->families[order[i]].first_output_ns;
	return order ? f->families[order[i]].last_output_ns : f->families[i].start_ns;
}

/* Families whose time in this order lies in [start, end]. */
static struct stretch find_stretch(const struct families *f, const uint32_t *order, uint64_t start_ns, uint64_t end_ns)
{
	struct stretch s = { order, 0, f->n_families };
	size_t high = f->n_families;

	while (s.first < high) {
		const size_t mid = s.first + (high - s.first) / 2;

		if (time_in_order(f, order, mid) < start_ns)
			s.first = mid + 1;
		else
			high = mid;
	}
	for (s.end = s.first; s.end < f->n_families && time_in_order(f, order, s.end) <= end_ns;)
		s.end++;
	return s;
}

/*
 * A request that queued for a minute overlaps thousands of runs. Its first token, or its body, left soon after an output of
 * its own, so those are looked at first, and all of its time only if it ends up with none of them.
 */
static struct stretch find_suspects(const struct matching *m, uint32_t request)
{
	const struct row_request *q = &m->t->recording->requests[request];
	const struct request_facts *facts = &m->facts[request];
	const struct families *f = &m->families;

	if (m->wide[request] || facts->begun_before || facts->several)
		return find_stretch(f, NULL, facts->earliest_ns, facts->latest_ns);
	if (q->stream && q->first_token_ns)
		return find_stretch(f, f->by_first_output,
				    q->first_token_ns > NEAR_NS ? q->first_token_ns - NEAR_NS : 0, q->first_token_ns);
	if (facts->answer_ns)
		return find_stretch(f, f->by_last_output, facts->answer_ns > NEAR_NS ? facts->answer_ns - NEAR_NS : 0,
				    facts->answer_ns);
	return find_stretch(f, NULL, facts->earliest_ns, facts->latest_ns);
}

static int add_candidate(struct matching *m, uint32_t family, int64_t cost)
{
	struct assignment_edge *moved = array__reserve(m->edges, &m->edges_capacity, m->n_edges + 1, sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	m->edges = moved;
	m->edges[m->n_edges++] = (struct assignment_edge){ family, cost };
	return 0;
}

static int compare_edges(const void *a, const void *b)
{
	const struct assignment_edge *x = a, *y = b;

	return x->column < y->column ? -1 : x->column > y->column;
}

static int add_candidates(struct matching *m, uint32_t request, bool by_process)
{
	const struct row_request *q = &m->t->recording->requests[request];
	const struct request_facts *facts = &m->facts[request];
	const struct stretch suspects = find_suspects(m, request);
	const size_t first = m->n_edges;
	int64_t best = EVIDENCE_NEVER;
	size_t kept = first;

	for (size_t i = suspects.first; i < suspects.end; i++) {
		const uint32_t k = suspects.order ? suspects.order[i] : (uint32_t)i;
		const struct family *family = &m->families.families[k];
		const uint32_t pid = m->table->details[family->parent].pid;
		int64_t cost;
		int err;

		if (family->start_ns < facts->earliest_ns || family->start_ns > facts->latest_ns)
			continue;
		if (by_process && pid && pid != q->pid)
			continue;
		cost = evidence__cost(&m->families, family, q, facts);
		if (cost == EVIDENCE_NEVER)
			continue;
		best = cost < best ? cost : best;
		err = add_candidate(m, k, cost);
		if (err)
			return err;
	}
	for (size_t e = first; e < m->n_edges; e++) {
		if (m->edges[e].cost - best > PRUNE_MARGIN)
			continue;
		m->n_candidates_of_family[m->edges[e].column]++;
		m->edges[kept] = m->edges[e];
		m->edges[kept++].cost -= COST_RUN_WITHOUT_REQUEST;
	}
	m->n_edges = kept;
	if (kept > first)
		qsort(&m->edges[first], kept - first, sizeof(*m->edges), compare_edges);
	return 0;
}

static int find_candidates(struct matching *m)
{
	const struct recording *r = m->t->recording;
	const bool by_process = processes_tell(m);

	m->n_edges = 0;
	memset(m->n_candidates_of_family, 0, m->families.n_families * sizeof(*m->n_candidates_of_family));
	for (uint32_t i = 0; i < r->n_requests; i++) {
		int err = 0;

		m->first_edge[i] = (uint32_t)m->n_edges;
		if (m->facts[i].eligible)
			err = add_candidates(m, i, by_process);
		if (err)
			return err;
	}
	m->first_edge[r->n_requests] = (uint32_t)m->n_edges;
	return 0;
}

static int solve(struct matching *m)
{
	assignment__free(&m->assignment);
	m->assignment = (struct assignment){
		.n_rows = m->t->recording->n_requests,
		.n_columns = m->families.n_families,
		.first_edge = m->first_edge,
		.edges = m->edges,
		.none_cost = m->none_cost,
	};
	return assignment__solve(&m->assignment);
}

/* -------------------------------------------------------------------------------------------------- scale of prompts --- */

static bool is_sure(const struct matching *m, uint32_t request)
{
	const uint32_t e = m->first_edge[request];

	return m->first_edge[request + 1] == e + 1 && m->n_candidates_of_family[m->edges[e].column] == 1;
}

static bool has_competition(const struct matching *m)
{
	for (uint32_t i = 0; i < m->t->recording->n_requests; i++) {
		if (m->first_edge[i + 1] > m->first_edge[i] && !is_sure(m, i))
			return true;
	}
	return false;
}

/* @return whether this pair says how many tokens a byte is */
static bool pair_ratio(const struct matching *m, uint32_t request, int64_t *ratio)
{
	const struct row_request *q = &m->t->recording->requests[request];
	const uint32_t k = m->assignment.column_of_row[request];
	const struct family *family = k == COLUMN_NONE ? NULL : &m->families.families[k];

	if (!family || !prompt__is_sized(q) || q->prompt_bytes == 0 || family->prompt_cached == ABSENT)
		return false;
	*ratio = prompt_ratio(family->prompt_computed + family->prompt_cached, q->prompt_bytes);
	return true;
}

/*
 * The mean of the logarithms over all pairs is the same whoever is paired with whom, so that a wrong first matching does
 * not teach a wrong scale. The spread is learnt from sure pairs only.
 */
static void learn_scale(struct matching *m)
{
	int64_t sum[2] = { 0, 0 }, n[2] = { 0, 0 }, deviation = 0, ratio;
	bool sure;

	for (uint32_t i = 0; i < m->t->recording->n_requests; i++) {
		if (!pair_ratio(m, i, &ratio))
			continue;
		sum[0] += ratio;
		n[0]++;
		sum[1] += is_sure(m, i) ? ratio : 0;
		n[1] += is_sure(m, i);
	}
	sure = n[1] >= MIN_SURE_PROMPTS;
	if (n[sure] == 0)
		return;
	m->scale.center = sum[sure] / n[sure];
	m->scale.spread = DOUBTFUL_SPREAD;
	m->scale.known = true;
	if (!sure)
		return;
	for (uint32_t i = 0; i < m->t->recording->n_requests; i++) {
		if (is_sure(m, i) && pair_ratio(m, i, &ratio))
			deviation += llabs(ratio - m->scale.center);
	}
	/* Of a normal distribution the standard deviation is 1.25 times the mean absolute one. */
	deviation = deviation * 5 / 4 / n[1];
	m->scale.spread = deviation > LEAST_SPREAD ? deviation : LEAST_SPREAD;
}

static int solve_with_prompts(struct matching *m)
{
	int err = solve(m);

	if (err || !has_competition(m))
		return err;
	learn_scale(m);
	if (!m->scale.known)
		return 0;
	for (uint32_t i = 0; i < m->t->recording->n_requests; i++) {
		for (uint32_t e = m->first_edge[i]; e < m->first_edge[i + 1]; e++)
			m->edges[e].cost += evidence__prompt_cost(&m->families.families[m->edges[e].column],
								  &m->t->recording->requests[i], &m->scale);
	}
	return solve(m);
}

/* ----------------------------------------------------------------------------------------------------- what is left --- */

static void give(struct matching *m, uint32_t family, uint32_t request)
{
	m->request_of_family[family] = request;
	m->n_runs_given[request] += m->families.families[family].n_members;
}

/* May the request take one more family than the assignment gave it? */
static bool wants_more(const struct matching *m, uint32_t request, uint32_t family)
{
	const struct request_facts *facts = &m->facts[request];
	const struct family *more = &m->families.families[family];

	if (!facts->expects_run || m->assignment.column_of_row[request] == COLUMN_NONE)
		return false;
	if (facts->embedding && !more->embed && more->generates)
		return false;
	if (facts->n_expected != ABSENT)
		return m->n_runs_given[request] + more->n_members <= facts->n_expected;
	/* Nobody knows how many: only where nobody else can have asked for it, and no count of chunks speaks against it. */
	return facts->embedding || (!facts->relaxed && !m->t->recording->requests[request].stream &&
				    m->n_candidates_of_family[family] == 1);
}

struct taker {
	uint32_t request;
	uint32_t n;
	int64_t cost;
};

/* Edges by family would need an index of their own; leftovers are rare, so one pass over all edges finds every taker. */
static int give_leftovers(struct matching *m)
{
	const size_t n_families = m->families.n_families;
	struct taker *takers = array__zeroed(n_families, sizeof(*takers));

	if (!takers)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->t->recording->n_requests; i++) {
		for (uint32_t e = m->first_edge[i]; e < m->first_edge[i + 1]; e++) {
			struct taker *taker = &takers[m->edges[e].column];

			if (m->request_of_family[m->edges[e].column] != REQUEST_NONE ||
			    !wants_more(m, i, m->edges[e].column))
				continue;
			if (taker->n++ == 0 || m->edges[e].cost < taker->cost) {
				if (taker->n > 1)
					m->ambiguous[taker->request] = m->ambiguous[i] = true;
				*taker = (struct taker){ i, taker->n, m->edges[e].cost };
			} else {
				m->ambiguous[taker->request] = m->ambiguous[i] = true;
			}
		}
	}
	for (uint32_t k = 0; k < n_families; k++) {
		if (!takers[k].n)
			continue;
		/* Asked again: another family may have been the last that it wanted, and either may be its own. */
		if (wants_more(m, takers[k].request, k))
			give(m, k, takers[k].request);
		else
			m->ambiguous[takers[k].request] = true;
	}
	free(takers);
	return 0;
}

/* ---------------------------------------------------------------------------------------------------------- ambiguity --- */

static bool same_figures(const struct family *a, const struct family *b)
{
	return a->prompt_computed == b->prompt_computed && a->prompt_cached == b->prompt_cached &&
	       a->n_low == b->n_low && a->n_high == b->n_high && a->n_overshoot == b->n_overshoot &&
	       a->n_members == b->n_members && a->embed == b->embed;
}

static int find_ambiguity(struct matching *m, uint32_t request)
{
	const uint32_t held = m->assignment.column_of_row[request];
	const struct family *mine = held == COLUMN_NONE ? NULL : &m->families.families[held];
	int64_t extra;

	if (mine) {
		extra = assignment__alternative(&m->assignment, request, COLUMN_NONE, MATCH_MARGIN);
		if (extra < 0)
			return (int)extra;
		m->ambiguous[request] |= extra <= MATCH_MARGIN;
	}
	for (uint32_t e = m->first_edge[request]; !m->ambiguous[request] && e < m->first_edge[request + 1]; e++) {
		const uint32_t other = m->edges[e].column;

		/* What it has in any case is no alternative, and a twin with the same figures changes none. */
		if (m->request_of_family[other] == request ||
		    (mine && same_figures(mine, &m->families.families[other])))
			continue;
		extra = assignment__alternative(&m->assignment, request, e, MATCH_MARGIN);
		if (extra < 0)
			return (int)extra;
		m->ambiguous[request] |= extra <= MATCH_MARGIN;
	}
	return 0;
}

/* ------------------------------------------------------------------------------------------------------------- result --- */

static void describe(const struct matching *m, uint32_t i, size_t n_families)
{
	struct timeline_request *out = &m->t->requests[i];
	const uint32_t held = m->assignment.column_of_row[i];
	size_t used;

	evidence__describe(out->evidence, sizeof(out->evidence), &m->families.families[held],
			   &m->t->recording->requests[i], &m->facts[i], m->scale.known, is_sure(m, i));
	used = strlen(out->evidence);
	if (n_families > 1)
		snprintf(out->evidence + used, sizeof(out->evidence) - used, ", %zu generations", n_families);
}

static int list_runs(struct matching *m)
{
	struct timeline *t = m->t;

	t->request_runs = array__zeroed(t->n_runs, sizeof(*t->request_runs));
	if (!t->request_runs)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->recording->n_requests; i++) {
		struct timeline_request *out = &t->requests[i];
		const uint32_t held = m->assignment.column_of_row[i];
		size_t n_families = 0;

		out->first_run = (uint32_t)t->n_request_runs;
		out->n_runs = 0;
		out->evidence[0] = '\0';
		if (held == COLUMN_NONE) {
			out->match = m->ambiguous[i] ? MATCH_AMBIGUOUS : MATCH_NONE;
			continue;
		}
		/* The family of the assignment first, then what was left over. */
		for (int rest = 0; rest < 2; rest++) {
			for (uint32_t e = m->first_edge[i]; e < m->first_edge[i + 1]; e++) {
				const uint32_t k = m->edges[e].column;
				const struct family *family = &m->families.families[k];

				if (m->request_of_family[k] != i || (k != held) != rest)
					continue;
				n_families++;
				for (uint32_t j = 0; j < family->n_members; j++) {
					const uint32_t run = m->families.members[family->first_member + j];

					t->request_runs[t->n_request_runs++] = run;
					t->runs[run].request = i;
				}
			}
		}
		out->n_runs = (uint32_t)t->n_request_runs - out->first_run;
		out->match = m->ambiguous[i] ? MATCH_AMBIGUOUS : MATCH_EXACT;
		describe(m, i, n_families);
	}
	t->n_runs_unmatched = (int64_t)t->n_runs - (int64_t)t->n_request_runs;
	return 0;
}

static int matching__new(struct matching *m)
{
	const size_t n_requests = m->t->recording->n_requests, n_families = m->families.n_families;

	m->facts = array__zeroed(n_requests, sizeof(*m->facts));
	m->first_edge = array__zeroed(n_requests + 1, sizeof(*m->first_edge));
	m->none_cost = array__zeroed(n_requests, sizeof(*m->none_cost));
	m->n_runs_given = array__zeroed(n_requests, sizeof(*m->n_runs_given));
	m->ambiguous = array__zeroed(n_requests, sizeof(*m->ambiguous));
	m->wide = array__zeroed(n_requests, sizeof(*m->wide));
	m->n_candidates_of_family = array__zeroed(n_families, sizeof(*m->n_candidates_of_family));
	m->request_of_family = array__zeroed(n_families, sizeof(*m->request_of_family));
	if (!m->facts || !m->first_edge || !m->none_cost || !m->ambiguous || !m->wide || !m->n_candidates_of_family ||
	    !m->request_of_family || !m->n_runs_given)
		return -ENOMEM;
	return 0;
}

static void matching__free(struct matching *m)
{
	assignment__free(&m->assignment);
	families__free(&m->families);
	chunk_order__free(&m->order);
	free(m->facts);
	free(m->edges);
	free(m->first_edge);
	free(m->none_cost);
	free(m->n_candidates_of_family);
	free(m->request_of_family);
	free(m->n_runs_given);
	free(m->ambiguous);
	free(m->wide);
}

/* Whoever expects a run and has none looks at all of its time, as long as a run has no owner either. */
static bool widen(struct matching *m)
{
	size_t n_owned = 0, n_widened = 0;

	for (uint32_t i = 0; i < m->t->recording->n_requests; i++) {
		if (m->assignment.column_of_row[i] != COLUMN_NONE) {
			n_owned++;
		} else if (m->facts[i].expects_run && !m->wide[i]) {
			m->wide[i] = true;
			n_widened++;
		}
	}
	return n_widened && n_owned < m->families.n_families;
}

/* Who has what after a solution, and how sure that is. */
static int conclude(struct matching *m)
{
	const size_t n_requests = m->t->recording->n_requests;
	int err;

	memset(m->request_of_family, 0xff, m->families.n_families * sizeof(*m->request_of_family));
	memset(m->ambiguous, 0, n_requests * sizeof(*m->ambiguous));
	memset(m->n_runs_given, 0, n_requests * sizeof(*m->n_runs_given));
	for (uint32_t i = 0; i < n_requests; i++) {
		if (m->assignment.column_of_row[i] != COLUMN_NONE)
			give(m, m->assignment.column_of_row[i], i);
	}
	err = give_leftovers(m);
	for (uint32_t i = 0; !err && i < n_requests; i++)
		err = find_ambiguity(m, i);
	return err;
}

/* Streams in the same steps from beginning to end: what is left to tell them apart is who is served first. */
static int solve_with_order(struct matching *m)
{
	const struct recording *r = m->t->recording;
	uint32_t *sure_run = array__zeroed(r->n_requests, sizeof(*sure_run));
	bool any = false;
	int err = sure_run ? 0 : -ENOMEM;

	for (uint32_t i = 0; !err && i < r->n_requests; i++) {
		const uint32_t held = m->assignment.column_of_row[i];
		const bool sure = held != COLUMN_NONE && !m->ambiguous[i] && m->families.families[held].n_members == 1;

		sure_run[i] = sure ? m->families.families[held].parent : RUN_NONE;
		any |= m->ambiguous[i] && m->facts[i].n_chunks;
	}
	if (!err && any)
		err = chunk_order__learn(&m->order, m->t, sure_run);
	free(sure_run);
	if (err || !m->order.weight)
		return err;
	for (uint32_t i = 0; i < r->n_requests; i++) {
		const struct request_facts *facts = &m->facts[i];

		for (uint32_t e = m->first_edge[i];
		     e < m->first_edge[i + 1] && m->first_edge[i] + 1 < m->first_edge[i + 1]; e++)
			m->edges[e].cost +=
				chunk_order__cost(&m->order, (size_t)(facts->chunks - r->chunks), facts->n_chunks,
						  m->families.families[m->edges[e].column].parent);
	}
	err = solve(m);
	return err ? err : conclude(m);
}

int match__requests(struct timeline *t, const struct run_table *table, const struct blind_spots *w)
{
	struct matching m = { .t = t, .table = table, .blind = w };
	int err = families__build(&m.families, t, table);

	if (!err)
		err = matching__new(&m);
	for (uint32_t i = 0; !err && i < t->recording->n_requests; i++) {
		request__facts(&m.facts[i], &t->recording->requests[i], w, t->recording);
		m.none_cost[i] = cost_without_run(&t->recording->requests[i], &m.facts[i]);
	}
	for (bool again = true; !err && again;) {
		err = find_candidates(&m);
		if (!err)
			err = solve_with_prompts(&m);
		again = !err && widen(&m);
	}
	families__drop_outputs(&m.families);
	if (!err)
		err = conclude(&m);
	if (!err)
		err = solve_with_order(&m);
	if (!err)
		err = list_runs(&m);
	matching__free(&m);
	return err;
}
