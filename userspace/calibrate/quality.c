/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/calibrate/quality.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/cost/robust.h"

#define BLOCK_NS 1000000000ULL
#define SEED 1

struct content {
	size_t n_single, n_long, n_verify;
	uint64_t n_tokens;
};

static struct content content_of(const struct cost_sample *s)
{
	struct content c = { 0 };
	uint32_t i, n = s->n_parts ? s->part_end[s->n_parts - 1] : 0;

	for (i = 0; i < n; i++) {
		c.n_tokens += s->rows[i].n_tokens;
		if (s->rows[i].n_tokens == 1)
			c.n_single++;
		else if (s->rows[i].n_outputs > 1)
			c.n_verify++;	/* outputs are wanted of all: tokens that were drafted */
		else
			c.n_long++;
	}
	return c;
}

static const char *range_of(uint64_t n_tokens)
{
	return n_tokens <= 16 ? "2-16" : n_tokens <= 128 ? "17-128" : n_tokens <= 512 ? "129-512" : "513+";
}

void quality__class_of(const struct cost_sample *sample, char *out, size_t size)
{
	struct content c = content_of(sample);

	if (c.n_verify)
		snprintf(out, size, c.n_long ? "verify and prefill" : "verify");
	else if (c.n_single && c.n_long)
		snprintf(out, size, "mixed %s", range_of(c.n_tokens));
	else if (c.n_long)
		snprintf(out, size, "prefill %s", range_of(c.n_tokens));
	else if (c.n_single <= 8)
		snprintf(out, size, "decode %zu", c.n_single);
	else
		snprintf(out, size, "decode %s", c.n_single <= 16 ? "9-16" : "17+");
}

static double predict(const double *terms, const struct cost_sample *s)
{
	uint32_t from = 0;
	double sum = 0;
	size_t i;

	for (i = 0; i < s->n_parts; i++) {
		sum += cost__predict(terms, s->rows + from, s->part_end[i] - from);
		from = s->part_end[i];
	}
	return sum;
}

static struct quality_class *class__find(struct quality *q, const char *name)
{
	size_t i;

	for (i = 0; i < q->n; i++)
		if (strcmp(q->classes[i].name, name) == 0)
			return &q->classes[i];
	if (q->n == QUALITY_CLASSES)
		return NULL;
	snprintf(q->classes[q->n].name, sizeof(q->classes[0].name), "%s", name);
	return &q->classes[q->n++];
}

static int compare_names(const void *pa, const void *pb)
{
	return strverscmp(((const struct quality_class *)pa)->name, ((const struct quality_class *)pb)->name);
}

static void summarise(struct quality_class *c, double *ratios, size_t n)
{
	double middle;
	size_t i;

	c->bias = c->predicted > 0 ? c->measured / c->predicted - 1 : 0;
	middle = select__median(ratios, n);
	for (i = 0; i < n; i++)
		ratios[i] = fabs(ratios[i] - middle);
	c->spread = MAD_TO_SD * select__median(ratios, n);
}

static void find_worst(struct quality *q)
{
	double most = -1;
	size_t i;

	q->worst = q->n;
	for (i = 0; i < q->n; i++)
		if (q->classes[i].n >= QUALITY_ENOUGH && fabs(q->classes[i].bias) > most) {
			most = fabs(q->classes[i].bias);
			q->worst = i;
		}
}

static bool is_held_out(const struct cost_samples *s, size_t i)
{
	return (s->samples[i].start_ns - s->samples[0].start_ns) / BLOCK_NS % 2 == 1;
}

static void judge(struct quality *q, const struct cost_samples *s, const double *terms, double *ratios)
{
	char name[24];
	size_t i, k, n;

	for (i = 0; i < s->n; i++) {
		struct quality_class *c;

		if (!is_held_out(s, i))
			continue;
		quality__class_of(&s->samples[i], name, sizeof(name));
		c = class__find(q, name);
		if (!c)
			continue;
		c->n++;
		c->measured += s->samples[i].value;
		c->predicted += predict(terms, &s->samples[i]);
	}
	for (k = 0; k < q->n; k++) {
		for (i = n = 0; i < s->n; i++) {
			if (!is_held_out(s, i))
				continue;
			quality__class_of(&s->samples[i], name, sizeof(name));
			if (strcmp(name, q->classes[k].name) == 0)
				ratios[n++] = s->samples[i].value / predict(terms, &s->samples[i]);
		}
		summarise(&q->classes[k], ratios, n);
	}
	qsort(q->classes, q->n, sizeof(q->classes[0]), compare_names);
	find_worst(q);
}

int quality__judge(struct quality *out, const struct cost_samples *samples)
{
	const struct cost_fit_options how = { .n_draws = 1, .seed = SEED };
	struct cost_sample *fitted = calloc(samples->n + 1, sizeof(*fitted));
	double *ratios = calloc(samples->n + 1, sizeof(*ratios));
	struct cost_model model;
	size_t i, n = 0;
	int err = fitted && ratios ? 0 : -ENOMEM;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < samples->n && !err; i++)
		if (!is_held_out(samples, i))
			fitted[n++] = samples->samples[i];
	if (!err)
		err = cost__fit(&model, fitted, n, &how);
	if (!err) {
		judge(out, samples, model.value, ratios);
		cost__free(&model);
	}
	free(fitted);
	free(ratios);
	return err == -ENODATA ? 0 : err;
}
