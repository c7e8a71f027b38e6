/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "userspace/cost/fit_set.h"

int64_t fit_key__threads(const struct recording *r)
{
	int64_t busiest = 0, n = 0;

	for (size_t i = 0; i < r->n_threads; i++)
		if (r->threads[i].cpu_ns != ABSENT && r->threads[i].cpu_ns > busiest)
			busiest = r->threads[i].cpu_ns;
	for (size_t i = 0; i < r->n_threads; i++)
		n += r->threads[i].cpu_ns != ABSENT && r->threads[i].cpu_ns > 0 && r->threads[i].cpu_ns >= busiest / 10;
	return n ? n : ABSENT;
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
	snprintf(threads[0], sizeof(threads[0]), "%lld", (long long)a->n_threads);
	snprintf(threads[1], sizeof(threads[1]), "%lld", (long long)b->n_threads);
	compare(&w, "threads", a->n_threads == ABSENT ? NULL : threads[0], b->n_threads == ABSENT ? NULL : threads[1]);
	compare(&w, "host", a->host, b->host);
	compare(&w, "processor", a->cpu_model, b->cpu_model);
	return w.n;
}
