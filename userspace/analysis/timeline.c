/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/blind_spots.h"
#include "userspace/analysis/figures.h"
#include "userspace/analysis/match.h"
#include "userspace/analysis/resumed.h"
#include "userspace/analysis/runs.h"

const char *phase__name(enum phase p)
{
	static const char *const names[N_PHASES] = {
		[PHASE_PREFILL] = "prefill", [PHASE_DECODE] = "decode", [PHASE_VERIFY] = "verify",
		[PHASE_DRAFT] = "draft",     [PHASE_EMBED] = "embed",	[PHASE_ENCODE] = "encode",
	};

	return (unsigned int)p < N_PHASES ? names[p] : "unknown";
}

const char *match__name(enum match m)
{
	static const char *const names[] = {
		[MATCH_NONE] = "none",
		[MATCH_AMBIGUOUS] = "ambiguous",
		[MATCH_EXACT] = "exact",
	};

	return (unsigned int)m < sizeof(names) / sizeof(names[0]) ? names[m] : "unknown";
}

/* A prompt that was left and taken up, left again and taken up again: so often at most. */
#define MAX_RESUMPTIONS 8

/* What a cut and a matching made; the requests and the table's marks stay. */
static void discard(struct timeline *t, struct run_table *table)
{
	bool *marks = table->new_run;

	table->new_run = NULL;
	run_table__free(table);
	table->new_run = marks;
	free(t->rows);
	free(t->step_first_row);
	free(t->runs);
	free(t->request_runs);
	t->rows = NULL;
	t->step_first_row = NULL;
	t->runs = NULL;
	t->request_runs = NULL;
	t->n_rows = t->n_runs = t->n_request_runs = 0;
}

static int cut_and_match(struct timeline *t, struct run_table *table, struct blind_spots *blind)
{
	int err = rows__collect(t);

	if (!err)
		err = runs__cut(t, table);
	blind_spots__free(blind);
	if (!err)
		err = blind_spots__find(blind, t);
	if (!err)
		err = match__requests(t, table, blind);
	return err;
}

int timeline__build(struct timeline *out, const struct recording *r)
{
	struct run_table table = { 0 };
	struct blind_spots blind = { 0 };
	int err, again = 0;

	memset(out, 0, sizeof(*out));
	out->recording = r;
	out->requests = array__zeroed(r->n_requests, sizeof(*out->requests));
	if (!out->requests)
		return -ENOMEM;
	do {
		discard(out, &table);
		err = cut_and_match(out, &table, &blind);
		if (!err)
			err = resumed__mark(out, &table, &blind);
	} while (err > 0 && ++again < MAX_RESUMPTIONS);
	if (err >= 0)
		err = figures__fill(out, &table, &blind);
	blind_spots__free(&blind);
	run_table__free(&table);
	if (err)
		timeline__free(out);
	return err;
}

int64_t timeline__most_context(const struct timeline *t)
{
	int64_t most = ABSENT;

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct timeline_row *row = &t->rows[i];
		const int64_t last = (int64_t)row->first_pos + row->n_tokens - 1;

		if (row->seq >= 0 && row->first_pos >= 0 && row->n_tokens > 0 && (most == ABSENT || last > most))
			most = last;
	}
	return most;
}

void timeline__free(struct timeline *t)
{
	if (!t)
		return;
	free(t->rows);
	free(t->step_first_row);
	free(t->runs);
	free(t->request_runs);
	free(t->requests);
	memset(t, 0, sizeof(*t));
}
