/* SPDX-License-Identifier: Apache-2.0 */
#include "output/token_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int token_list__build(struct token_list *out, const struct ledger *l)
{
	const struct timeline *t = l->timeline;
	uint32_t *next;

	*out = (struct token_list){ .ledger = l };
	if (!l->row_cost && t->n_rows)
		return -EINVAL;
	out->rows = calloc(t->n_rows + 1, sizeof(*out->rows));
	out->run_first = calloc(t->n_runs + 2, sizeof(*out->run_first));
	if (!out->rows || !out->run_first) {
		token_list__free(out);
		return -ENOMEM;
	}
	/* Counted one place ahead, so that the filling below leaves the beginnings where they belong. */
	next = out->run_first + 1;
	for (size_t i = 0; i < t->n_rows; i++)
		if (t->rows[i].run != RUN_NONE && t->rows[i].run + 1 < t->n_runs)
			next[t->rows[i].run + 1]++;
	for (size_t i = 1; i < t->n_runs; i++)
		next[i] += next[i - 1];
	for (size_t i = 0; i < t->n_rows; i++)
		if (t->rows[i].run != RUN_NONE)
			out->rows[next[t->rows[i].run]++] = (uint32_t)i;
	return 0;
}

void token_list__free(struct token_list *list)
{
	free(list->rows);
	free(list->run_first);
	*list = (struct token_list){ 0 };
}

struct walk {
	const struct ledger *ledger;
	struct token token;
	const int64_t *row_cost; /* of the row being split; NULL: nothing falls on the token */
	uint32_t n_parts;
	void (*each)(void *ctx, const struct token *token);
	void *ctx;
};

/* Part number `part` of the row: the remainder goes to the first ones, as share__split does with equal weights. */
static void give(struct walk *w, const char *kind, int64_t index, uint32_t part)
{
	w->token.kind = kind;
	w->token.index = index;
	for (size_t k = 0; k < w->ledger->n_resources; k++) {
		int64_t value = w->row_cost ? w->row_cost[k] : 0;
		int64_t n = w->n_parts ? w->n_parts : 1;
		int64_t rest = value % n;

		w->token.cost[k] = value / n + (rest > 0 && part < rest) - (rest < 0 && part < -rest);
	}
	w->each(w->ctx, &w->token);
}

static void give_uncosted(struct walk *w, const char *kind, int64_t index)
{
	const int64_t *row_cost = w->row_cost;

	w->row_cost = NULL;
	give(w, kind, index, 0);
	w->row_cost = row_cost;
}

/* @n_generated: tokens put out before this row. @return the same after it */
static int64_t walk_row(struct walk *w, const struct timeline_row *row, int64_t n_generated)
{
	uint32_t n_out = row->n_emitted < row->n_tokens ? row->n_emitted : row->n_tokens;

	if (!row->counted || row->n_tokens == 0) {
		w->n_parts = 1;
		give(w, "failed", ABSENT, 0);
		return n_generated;
	}
	w->n_parts = row->n_tokens;
	switch (row->phase) {
	case PHASE_DECODE:
	case PHASE_VERIFY:
		for (uint32_t i = 0; i < row->n_tokens; i++) {
			if (i < n_out)
				give(w, "generated", n_generated++, i);
			else
				give(w, row->phase == PHASE_VERIFY ? "rejected" : "unused", ABSENT, i);
		}
		return n_generated;
	case PHASE_DRAFT:
		for (uint32_t i = 0; i < row->n_tokens; i++)
			give(w, "draft", (int64_t)row->first_pos + i, i);
		return n_generated;
	default:
		for (uint32_t i = 0; i < row->n_tokens; i++)
			give(w, "prompt", (int64_t)row->first_pos + i, i);
		for (uint32_t i = 0; i < row->n_emitted; i++)
			give_uncosted(w, "generated", n_generated++);
		return n_generated;
	}
}

static void walk_run(struct walk *w, const struct token_list *list, uint32_t run)
{
	const struct timeline *t = w->ledger->timeline;
	int64_t n_generated = 0;

	w->token.phase = -1;
	w->token.step = ABSENT;
	w->token.time_ns = 0;
	w->row_cost = NULL;
	for (int64_t i = 0; i < t->runs[run].prompt_cached; i++)
		give(w, "cached", i, 0);
	for (uint32_t i = list->run_first[run]; i < list->run_first[run + 1]; i++) {
		uint32_t at = list->rows[i];
		const struct timeline_row *row = &t->rows[at];

		/* Work done twice is an account's, not the request's. */
		if (row->recompute)
			continue;
		w->token.phase = row->phase;
		w->token.step = t->recording->steps[row->step].id;
		w->token.time_ns = t->recording->steps[row->step].end_ns;
		w->row_cost = &w->ledger->row_cost[at * w->ledger->n_resources];
		n_generated = walk_row(w, row, n_generated);
	}
}

void token_list__each(const struct token_list *list, size_t request, void (*each)(void *ctx, const struct token *token),
		      void *ctx)
{
	const struct timeline *t = list->ledger->timeline;
	const struct timeline_request *r = &t->requests[request];
	struct walk w = { .ledger = list->ledger, .each = each, .ctx = ctx };

	w.token.request = request;
	for (uint32_t i = 0; i < r->n_runs; i++) {
		w.token.completion = (int)i;
		walk_run(&w, list, t->request_runs[r->first_run + i]);
	}
}
