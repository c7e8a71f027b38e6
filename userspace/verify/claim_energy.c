/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens per joule, where a meter of energy was read at every step. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "userspace/analysis/facts.h"
#include "userspace/analysis/array.h"
#include "userspace/verify/judge.h"

static double emitted_by(const struct timeline *t, size_t step)
{
	double sum = 0;

	for (uint32_t i = t->step_first_row[step]; i < t->step_first_row[step + 1]; i++)
		sum += t->rows[i].counted && t->rows[i].phase != PHASE_DRAFT ? t->rows[i].n_emitted : 0;
	return sum;
}

/* From the start of a step to that of the next one: nothing that was used between is left out. */
static int read_energy(struct judgement *j, int resource)
{
	const struct recording *r = j->in->recording;
	double *tokens = array__zeroed(r->n_steps, sizeof(*tokens)),
	       *joules = array__zeroed(r->n_steps, sizeof(*joules));
	const struct row_step_resource *last = NULL;
	double emitted = 0;
	size_t n = 0;
	int err = tokens && joules ? 0 : -ENOMEM;

	for (size_t i = 0; i < r->n_steps && !err; i++) {
		const struct row_step_resource *use = recording__find_step_use(r, r->steps[i].id, resource);

		if (use && last && use->start_value >= last->start_value) {
			tokens[n] = emitted;
			joules[n++] = (double)(use->start_value - last->start_value) / 1e6;
			emitted = 0;
		}
		last = use ? use : last;
		emitted += emitted_by(j->in->timeline, i);
	}
	if (!err) {
		err = batch_means__find(&j->readings[0].mean, tokens, joules, n);
		j->readings[0].kind = err ? READING_ENDLESS : READING_MEAN;
		j->readings[0].estimate = j->readings[0].mean.estimate;
		j->n_readings = 1;
		if (err == -ENODATA)
			err = judgement__leave_open(j,
						    "needs at least %" PRId64 " steps with a meter of energy, has %zu",
						    j->readings[0].mean.n_needed, n);
	}
	free(tokens);
	free(joules);
	return err;
}

int judge_tokens_per_joule(struct judgement *j)
{
	const struct ledger *l = j->in->ledger;
	const int k = resource__find(l, "energy_uj");

	j->check->unit = "tokens/J";
	j->scale = 1;
	j->counted_in = "steps";
	j->point = 1;
	j->check->rule = verification__text(
		j->v,
		"output tokens over the energy from one step's start to the next one's, idle time "
		"included, >= the claimed figure; %.0f %% interval, for all claims together, by batch means over steps",
		j->claim->confidence * 100);
	if (!j->check->rule)
		return -ENOMEM;
	if (k < 0 || !l->resources[k].measured)
		return judgement__leave_open(j, "energy was not measured: %s",
					     k >= 0 && l->resources[k].row->reason ?
						     l->resources[k].row->reason :
						     "the recording has no meter of it; record on a host with RAPL or "
						     "with a device that meters its energy");
	j->check->grade = (enum grade)l->resources[k].row->grade;
	if (j->scope->engine_lost || j->claim->model)
		return judgement__leave_open(j, j->claim->model ? "the meter of energy is of the whole server, not of "
								  "one model" :
								  "records of the engine were lost");
	return read_energy(j, RESOURCE_ENERGY_UJ);
}
