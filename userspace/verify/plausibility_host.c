/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims of rates against the host that was recorded, where its processors compute: every token that is put out took two operations for each
 * active parameter of the weights that were served, and all processors together have so many a second.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "userspace/analysis/facts.h"
#include "userspace/verify/identity.h"
#include "userspace/verify/plausibility.h"

/* The fewest that a token may have been computed with, of the files that may have been served; NAN: not known. */
static double active_parameters(const struct identity *id)
{
	double least = NAN;

	for (size_t i = 0; i < id->n_candidates && !id->too_many; i++) {
		const struct row_model *m = id->candidates[i];
		const int64_t all = m->active_params != ABSENT ? m->active_params : m->n_params;
		const int64_t lookup = m->lookup_params == ABSENT ? 0 : m->lookup_params;

		if (all == ABSENT || all <= lookup)
			return NAN;
		least = isnan(least) ? (double)(all - lookup) : fmin(least, (double)(all - lookup));
	}
	return least;
}

static double rate_of(const struct claim *c)
{
	if (c->metric == CLAIM_TPOT)
		return c->value > 0 ? 1e9 / c->value : NAN;
	return c->metric == CLAIM_USER_THROUGHPUT || (c->metric == CLAIM_THROUGHPUT && c->of == OF_OUTPUT) ? c->value :
													     NAN;
}

static int refute(struct verification *v, const struct claim *claim, double most, double parameters, int64_t n_cpus,
		  double operations_per_ns)
{
	struct check *c = plausibility__add(
		v, "plausibility.host", claim->line, claim->id,
		"tokens/s put out <= operations/s that all processors of the host can do at most / (2 x active "
		"parameters of the weight file)");

	if (!c)
		return -ENOMEM;
	c->verdict = VERDICT_REFUTED;
	c->claimed = plausibility__figure(v, rate_of(claim));
	c->high = plausibility__figure(v, most);
	c->unit = "tokens/s";
	c->text = verification__text(
		v,
		"impossible on this host: %lld processors do at most %s x 10^12 operations a second together, and a "
		"token takes at least %s x 10^9",
		(long long)n_cpus, plausibility__figure(v, (double)n_cpus * operations_per_ns / 1e3),
		plausibility__figure(v, 2 * parameters / 1e9));
	return c->text ? 0 : -ENOMEM;
}

int plausibility__host(struct verification *v, const struct verify_input *in)
{
	const int64_t n_cpus = recording__meta_int(in->recording, "n_cpus");
	double parameters, most;
	struct identity id;
	int err = identity__gather(&id, v, in);

	if (err)
		return err;
	parameters = active_parameters(&id);
	most = (double)n_cpus * id.operations_per_ns * 1e9 / (2 * parameters);
	/* A device may have computed it; NULL: nobody looked. */
	if (id.lost || !id.devices || id.devices[0] || n_cpus <= 0 || !(most > 0))
		return 0;
	for (size_t i = 0; i < in->claims->n && !err; i++)
		if (rate_of(&in->claims->claims[i]) > most)
			err = refute(v, &in->claims->claims[i], most, parameters, n_cpus, id.operations_per_ns);
	return err;
}
