/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "userspace/analysis/steps.h"
#include "userspace/cost/fit_set.h"

/* Below it those that compute do not stand out: they did not, or hardly. */
#define LEAST_COMPUTE_NS 100000000

int64_t fit_key__threads(const struct recording *r)
{
	int64_t busiest = 0, n = 0;

	for (size_t i = 0; i < r->n_threads; i++)
		if (r->threads[i].cpu_ns != ABSENT && r->threads[i].cpu_ns > busiest)
			busiest = r->threads[i].cpu_ns;
	for (size_t i = 0; i < r->n_threads; i++)
		n += r->threads[i].cpu_ns != ABSENT && r->threads[i].cpu_ns > 0 && r->threads[i].cpu_ns >= busiest / 10;
	return n && busiest >= LEAST_COMPUTE_NS ? n : ABSENT;
}

void fit_key__from_recording(struct fit_key *key, const struct recording *r, const char *model_digest)
{
	*key = (struct fit_key){
		.model_digest = model_digest,
		.engine = r->n_engines ? r->engines[0].name : NULL,
		.build_id = r->n_engines ? r->engines[0].build_id : NULL,
		.n_threads = fit_key__threads(r),
		.host = recording__meta(r, "host"),
		.cpu_model = recording__meta(r, "cpu_model"),
	};
}

/* Distinct weight files, by digest; one without a digest is distinct from all. */
static size_t list_models(const struct recording *r, const struct row_model **out, size_t most)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_models && n < most; i++) {
		const struct row_model *m = &r->models[i];
		bool seen = m->arch && strcmp(m->arch, "clip") == 0;

		for (size_t k = 0; k < n && !seen; k++)
			seen = m->digest && out[k]->digest && strcmp(m->digest, out[k]->digest) == 0;
		if (!seen)
			out[n++] = m;
	}
	return n;
}

static bool has_draft(const struct recording *r)
{
	for (size_t i = 0; i < r->n_contexts; i++)
		if (context__is_draft(r, r->contexts[i].id))
			return true;
	return false;
}

static bool several_models(const struct recording *r, char *why, size_t size)
{
	const struct row_model *models[3];
	const size_t n = list_models(r, models, 3);

	why[0] = '\0';
	if (n < 2 || (n == 2 && has_draft(r) && models[0]->weight_bytes != models[1]->weight_bytes))
		return false;
	snprintf(why, size, "several weight files are mapped, and which of them computed a step cannot be told");
	return true;
}

static bool several_servers(const struct recording *r, char *why, size_t size)
{
	size_t i = 1;

	why[0] = '\0';
	while (i < r->n_contexts && r->contexts[i].pid == r->contexts[0].pid)
		i++;
	if (i >= r->n_contexts)
		return false;
	snprintf(why, size, "a fit is of one server, and these are several: record them one by one");
	return true;
}

bool fit_key__several(const struct recording *r, char *why, size_t size)
{
	return several_servers(r, why, size) || several_models(r, why, size);
}

bool fit_key__lacks_draft(const struct recording *r)
{
	const struct row_model *models[3];

	return list_models(r, models, 3) == 2 && !has_draft(r) && models[0]->weight_bytes != models[1]->weight_bytes;
}

const struct row_model *fit_key__model(const struct recording *r, bool draft, char *why, size_t size)
{
	const struct row_model *models[3], *found;
	const size_t n = list_models(r, models, 3);

	why[0] = '\0';
	if (n == 0) {
		snprintf(why, size, "no weight file was read");
		return NULL;
	}
	if (several_models(r, why, size) || (draft && !has_draft(r)))
		return NULL;
	found = models[0];
	if (n == 2 && (models[1]->weight_bytes > found->weight_bytes) != draft)
		found = models[1];
	if (found->digest)
		return found;
	snprintf(why, size, "the header of its weight file was not read");
	return NULL;
}

void fit_key__of_server(struct fit_key *key, const struct recording *r)
{
	char why[160];
	const struct row_model *target = fit_key__model(r, false, why, sizeof(why));
	const struct row_model *draft = fit_key__model(r, true, why, sizeof(why));

	fit_key__from_recording(key, r, target ? target->digest : NULL);
	key->draft_digest = draft ? draft->digest : NULL;
}

struct fit_key fit_key__of_role(const struct fit_key *key, const char *role)
{
	struct fit_key own = *key;

	if (strcmp(role, "draft") == 0)
		own.model_digest = key->draft_digest;
	own.draft_digest = NULL;
	return own;
}

struct words {
	char *text;
	size_t size, used;
	int n;
};

static void differ(struct words *w, const char *what, const char *a, const char *b)
{
	int length = 0;

	if (w->used < w->size)
		length = snprintf(w->text + w->used, w->size - w->used, "%s%s (%.40s, here %.40s)", w->n ? " and " : "",
				  what, a ? a : "unknown", b ? b : "unknown");
	w->used += length > 0 ? (size_t)length : 0;
	w->n++;
}

static void compare(struct words *w, const char *what, const char *a, const char *b)
{
	if (!a || !b || strcmp(a, b) != 0)
		differ(w, what, a, b);
}

int fit_key__differences(const struct fit_key *a, const struct fit_key *b, char *words, size_t size)
{
	struct words w = { words, size, 0, 0 };
	char threads[2][24];

	if (size)
		words[0] = '\0';
	compare(&w, "weight file", a->model_digest, b->model_digest);
	compare(&w, "engine", a->engine, b->engine);
	compare(&w, "engine build", a->build_id, b->build_id);
	if (a->draft_digest || b->draft_digest)
		compare(&w, "draft's weight file", a->draft_digest, b->draft_digest);
	snprintf(threads[0], sizeof(threads[0]), "%lld", (long long)a->n_threads);
	snprintf(threads[1], sizeof(threads[1]), "%lld", (long long)b->n_threads);
	compare(&w, "threads", a->n_threads == ABSENT ? NULL : threads[0], b->n_threads == ABSENT ? NULL : threads[1]);
	compare(&w, "host", a->host, b->host);
	compare(&w, "processor", a->cpu_model, b->cpu_model);
	return w.n;
}
