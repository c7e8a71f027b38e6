/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/identity.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/facts.h"
#include "userspace/analysis/runs.h"
#include "userspace/analysis/touched.h"
#include "userspace/cost/fit_set.h"
#include "userspace/verify/identity_touched.h"
#include "userspace/verify/plausibility.h"
#include "userspace/verify/processor.h"

/* A file of which less is there is not what every token is computed with. */
#define WHOLE 0.9
/* What one major fault may have read at most: a fault reads ahead, at most to the end of a huge page. */
#define FAULT_BYTES (2 << 20)
#define MIN_TOKENS 256		/* fewer say too little of the CPU time of one */
#define PROMPT_TOKENS 16	/* from here on a step is nearer to the processor's peak than one of single tokens */

/* --- which file ------------------------------------------------------------------------------------------------------- */

static bool is_listed(const struct identity *id, const struct row_model *m)
{
	for (size_t i = 0; i < id->n_candidates; i++)
		if (id->candidates[i] == m ||
		    (m->digest && id->candidates[i]->digest && strcmp(m->digest, id->candidates[i]->digest) == 0))
			return true;
	return false;
}

static void find_models(struct identity *id, const struct recording *r)
{
	char why[200];
	const struct row_model *target = fit_key__model(r, false, why, sizeof(why));

	id->draft = fit_key__model(r, true, why, sizeof(why));
	if (id->draft == target)
		id->draft = NULL;
	for (size_t i = 0; i < r->n_models && !target; i++) {
		const struct row_model *m = &r->models[i];

		if ((m->arch && strcmp(m->arch, "clip") == 0) || is_listed(id, m))
			continue;
		id->too_many |= id->n_candidates == MAX_CANDIDATES;
		if (id->n_candidates < MAX_CANDIDATES)
			id->candidates[id->n_candidates++] = m;
	}
	if (target)
		id->candidates[id->n_candidates++] = target;
	if (id->n_candidates == 0)
		id->no_model = "no weight file was mapped or open while it was looked for (read and closed before the "
			       "recording, or held by a process that was not recorded)";
}

/* --- memory ----------------------------------------------------------------------------------------------------------- */

static int64_t add(int64_t a, int64_t b)
{
	int64_t sum;

	return a == ABSENT || b == ABSENT || __builtin_add_overflow(a, b, &sum) ? ABSENT : sum;
}

static void sum_memory(struct identity *id, const struct recording *r)
{
	id->anon_bytes = id->most_bytes = r->n_footprints ? 0 : ABSENT;
	for (size_t i = 0; i < r->n_footprints; i++) {
		const struct row_footprint *f = &r->footprints[i];
		const int64_t swap = f->swap_bytes == ABSENT ? 0 : f->swap_bytes;

		id->anon_bytes = add(id->anon_bytes, add(add(f->anon_bytes, f->shared_bytes), swap));
		id->most_bytes = add(id->most_bytes, add(f->peak_bytes, swap));
	}
	id->major_faults = ABSENT;
	for (size_t i = 0; i < r->n_threads; i++)
		if (r->threads[i].faults_major != ABSENT)
			id->major_faults =
				(id->major_faults == ABSENT ? 0 : id->major_faults) + r->threads[i].faults_major;
	id->devices = recording__meta(r, "device_files");
}

int64_t identity__resident(const struct identity *id, const struct row_model *m)
{
	const struct recording *r = id->in->recording;
	int64_t sum = ABSENT;

	for (size_t i = 0; i < r->n_files; i++) {
		const struct row_file *f = &r->files[i];

		if (f->pid != m->pid || f->resident_bytes == ABSENT ||
		    !model__has_part(m, f->path, f->device, f->inode))
			continue;
		sum = sum == ABSENT ? f->resident_bytes : add(sum, f->resident_bytes);
	}
	return sum;
}

static double mb(double bytes)
{
	return bytes / 1e6;
}

bool identity__may_be_read_again(const struct identity *id, double bytes)
{
	return id->major_faults == ABSENT || (double)id->major_faults * FAULT_BYTES >= bytes;
}

static bool may_be_on_device(const struct identity *id)
{
	return !id->devices || id->devices[0];
}

static struct testimonial testify(enum testimony says, const char *text)
{
	return (struct testimonial){ says, text ? text : "" };
}

struct testimonial identity__memory_has(const struct identity *id, struct verification *v, const struct row_model *m)
{
	const int64_t resident = identity__resident(id, m);
	const int64_t needed = m->active_weight_bytes != ABSENT ? m->active_weight_bytes : ABSENT;
	const double least = needed == ABSENT ? NAN : WHOLE * (double)needed;
	struct testimonial touched;

	if (isnan(least))
		return testify(SAYS_NOTHING, "memory: how many bytes each token takes, the header does not tell");
	touched = identity_touched__has(id, v, (double)needed, least);
	if (touched.says != SAYS_NOTHING)
		return touched;
	if (resident != ABSENT && (double)resident >= least)
		return testify(SAYS_YES,
			       verification__text(v, "memory: %.1f MB of the file are resident, %.1f MB needed",
						  mb((double)resident), mb((double)needed)));
	if (may_be_on_device(id))
		return testify(SAYS_NOTHING, verification__text(v, "memory: weights may be in a device's (%s)",
								id->devices ? id->devices : "devices are not known"));
	if (id->anon_bytes == ABSENT)
		return testify(SAYS_NOTHING, "memory: not known");
	if ((double)id->anon_bytes + (resident == ABSENT ? 0 : (double)resident) >= least)
		return testify(SAYS_OPEN, verification__text(v, "memory: a copy may be in %.1f MB of the server's own",
							     mb((double)id->anon_bytes)));
	if (identity__may_be_read_again(id, least - (double)id->anon_bytes))
		return testify(SAYS_OPEN, "memory: not all of it is resident; it may have been read from disk again");
	return testify(SAYS_NO,
		       verification__text(v,
					  "memory: %.1f MB of the file and %.1f MB of the server's own are resident, "
					  "%.1f MB are needed for every token, and no disk was read",
					  resident == ABSENT ? 0 : mb((double)resident), mb((double)id->anon_bytes),
					  mb((double)needed)));
}

struct testimonial identity__memory_for(const struct identity *id, struct verification *v, double bytes, bool all_read)
{
	const struct row_model *m = id->n_candidates == 1 ? id->candidates[0] : NULL;
	const int64_t resident = m ? identity__resident(id, m) : ABSENT;

	if (!(bytes > 0))
		return testify(SAYS_NOTHING, "memory: how many bytes the claim needs is not known");
	if (all_read && m && m->active_weight_bytes != ABSENT && identity_touched__is_too_little(id, bytes))
		return identity_touched__against(id, v, bytes);
	if (resident != ABSENT && (double)resident >= WHOLE * bytes)
		return testify(SAYS_YES,
			       verification__text(v, "memory: %.1f MB of weights are resident, %.1f MB needed",
						  mb((double)resident), mb(bytes)));
	if (may_be_on_device(id))
		return testify(SAYS_NOTHING, verification__text(v, "memory: weights may be in a device's (%s)",
								id->devices ? id->devices : "devices are not known"));
	if (id->most_bytes == ABSENT)
		return testify(SAYS_NOTHING, "memory: not known");
	if ((double)id->most_bytes >= bytes || identity__may_be_read_again(id, bytes - (double)id->most_bytes))
		return testify(SAYS_OPEN, verification__text(v,
							     "memory: %.1f MB are needed, %.1f MB were resident at the "
							     "most, in all",
							     mb(bytes), mb((double)id->most_bytes)));
	return testify(SAYS_NO, verification__text(v,
						   "memory: %.1f MB are needed, and all of the server never had more "
						   "than %.1f MB",
						   mb(bytes), mb((double)id->most_bytes)));
}

/* --- arithmetic ------------------------------------------------------------------------------------------------------- */

struct group {
	int64_t tokens;
	double ns;
};

static void sum_steps(struct identity *id, const struct verify_input *in)
{
	const struct recording *r = in->recording;
	const struct timeline *t = in->timeline;
	struct group groups[2] = { { 0, 0 }, { 0, 0 } };

	for (uint32_t i = 0; i < r->n_steps; i++) {
		const int64_t use = recording__step_use(r, r->steps[i].id, RESOURCE_CPU_NS);
		const bool drafts = context__is_draft(r, r->steps[i].context);
		int64_t n = 0;

		id->draft_steps |= drafts;
		for (uint32_t k = t->step_first_row[i]; k < t->step_first_row[i + 1] && !drafts; k++) {
			const struct timeline_row *row = &t->rows[k];
			const int64_t end = (int64_t)row->first_pos + row->n_tokens;

			id->rows_unknown |= row->seq < 0;
			if (!row->counted)
				continue;
			n += row->n_tokens;
			if (row->seq >= 0 && end > id->longest_context)
				id->longest_context = end;
		}
		if (drafts)
			continue;
		id->n_steps++;
		if (use == ABSENT || use <= 0 || n == 0)
			continue;
		id->n_tokens += n;
		groups[n >= PROMPT_TOKENS].tokens += n;
		groups[n >= PROMPT_TOKENS].ns += (double)use;
	}
	id->ns_per_token = NAN;
	for (int i = 0; i < 2; i++)
		if (groups[i].tokens >= MIN_TOKENS && !(id->ns_per_token <= groups[i].ns / (double)groups[i].tokens))
			id->ns_per_token = groups[i].ns / (double)groups[i].tokens;
}

struct testimonial identity__time_for(const struct identity *id, struct verification *v, double parameters)
{
	const double least = 2 * parameters / id->operations_per_ns;

	if (id->devices && id->devices[0])
		return testify(SAYS_NOTHING,
			       verification__text(v, "time: it may be computed by a device (%s)", id->devices));
	if (isnan(id->ns_per_token))
		return testify(SAYS_NOTHING, "time: no steps with CPU time and 256 tokens of known rows were recorded");
	if (isnan(least))
		return testify(SAYS_NOTHING, "time: what this processor can do at most is not known");
	if (least > id->ns_per_token)
		return testify(id->devices ? SAYS_NO : SAYS_OPEN,
			       verification__text(v,
						  "time: %.3g billion parameters take at least %.3g ms of CPU time a "
						  "token here, %.3g ms were measured",
						  parameters / 1e9, least / 1e6, id->ns_per_token / 1e6));
	return testify(SAYS_YES,
		       verification__text(v,
					  "time: %.3g ms of CPU time a token have room for up to %.2g billion "
					  "parameters",
					  id->ns_per_token / 1e6, id->ns_per_token * id->operations_per_ns / 2e9));
}

/* --- use -------------------------------------------------------------------------------------------------------------- */

static void sum_use(struct identity *id, const struct verify_input *in)
{
	const struct timeline *t = in->timeline;

	for (size_t i = 0; i < t->n_runs; i++) {
		const struct timeline_run *run = &t->runs[i];

		if (run->embed || run->n_sampled < 1)
			continue;
		id->n_generations++;
		id->n_generated += run->n_sampled;
		id->n_drafted += run->n_drafted;
	}
	id->n_ctx = ABSENT;
	for (size_t i = 0; i < in->recording->n_contexts; i++) {
		const struct row_context *c = &in->recording->contexts[i];

		if (strcmp(c->role, "draft") != 0 && c->n_ctx != ABSENT && c->n_ctx > id->n_ctx)
			id->n_ctx = c->n_ctx;
	}
}

int identity__gather(struct identity *out, struct verification *v, const struct verify_input *in)
{
	int err;

	memset(out, 0, sizeof(*out));
	out->in = in;
	/* What the recording itself refused may have been of the engine. */
	out->lost = recording__lost(in->recording, "engine") + recording__lost(in->recording, "recording");
	find_models(out, in->recording);
	sum_memory(out, in->recording);
	out->operations_per_ns = processor__of(in->recording).operations_per_ns;
	sum_steps(out, in);
	sum_use(out, in);
	err = identity_touched__gather(out);
	return v->out_of_memory ? -ENOMEM : err;
}
