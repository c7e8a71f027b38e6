/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/analysis/figures.h"
#include "userspace/analysis/match.h"
#include "userspace/analysis/runs.h"
#include "userspace/analysis/blind_spots.h"

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

int timeline__build(struct timeline *out, const struct recording *r)
{
	struct run_table table = { 0 };
	struct blind_spots blind = { 0 };
	int err;

	memset(out, 0, sizeof(*out));
	out->recording = r;
	out->requests = array__zeroed(r->n_requests, sizeof(*out->requests));
	if (!out->requests)
		return -ENOMEM;
	err = rows__collect(out);
	if (!err)
		err = runs__cut(out, &table);
	if (!err)
		err = blind_spots__find(&blind, out);
	if (!err)
		err = match__requests(out, &table, &blind);
	if (!err)
		err = figures__fill(out, &table, &blind);
	blind_spots__free(&blind);
	run_table__free(&table);
	if (err)
		timeline__free(out);
	return err;
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
