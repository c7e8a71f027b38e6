/* SPDX-License-Identifier: Apache-2.0 */
/* The models of a recording: "small-f16, llama, 29.4M parameters, F16, 58.8MB of weights". */
#include <stdarg.h>
#include <string.h>

#include "output/facts.h"
#include "output/figure.h"
#include "output/text.h"

struct line {
	char text[1024];
	size_t n;
};

__attribute__((format(printf, 2, 3))) static void append(struct line *l, const char *format, ...)
{
	size_t left = sizeof(l->text) - l->n;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(l->text + l->n, left, format, args);
	va_end(args);
	if (n > 0)
		l->n += (size_t)n < left ? (size_t)n : left - 1;
}

static bool has_experts(const struct row_model *m)
{
	return m->n_experts != ABSENT && m->n_experts > 0 && m->n_experts_used != ABSENT;
}

static void put_facts(const struct text *t, const struct row_model *m)
{
	struct line l = { "", 0 };

	append(&l, "%s", m->name ? m->name : m->path ? m->path : "not named");
	if (m->arch)
		append(&l, ", %s", m->arch);
	if (m->n_params != ABSENT)
		append(&l, ", %s parameters", figure__count(m->n_params).s);
	if (has_experts(m) && m->active_params != ABSENT)
		append(&l, " of which %s for a token (%s of %s experts)", figure__count(m->active_params).s,
		       figure__integer(m->n_experts_used).s, figure__integer(m->n_experts).s);
	if (m->quantization)
		append(&l, ", %s", m->quantization);
	if (m->weight_bytes != ABSENT)
		append(&l, ", %s of weights", figure__bytes(m->weight_bytes).s);
	if (m->header_error)
		append(&l, "; facts are missing: %s", m->header_error);
	text__fact(t, "Model", "%s", l.text);
}

static void put_details(const struct text *t, const struct row_model *m)
{
	if (m->path)
		text__fact(t, "", "%s", m->path);
	if (m->n_layers != ABSENT)
		text__fact(t, "", "%s layers of width %s, %s heads, %s for keys and values, vocabulary of %s",
			   figure__integer(m->n_layers).s, figure__integer(m->n_embd).s, figure__integer(m->n_heads).s,
			   figure__integer(m->n_kv_heads).s, figure__integer(m->n_vocab).s);
	if (m->digest)
		text__fact(t, "", "digest of the header %.16s...", m->digest);
}

void text__models(const struct text *t)
{
	const struct row_model *first = recording__model(t->r);

	if (!first)
		text__fact(t, "Model", "no model file was seen");
	for (size_t i = 0; i <= t->r->n_models && first; i++) {
		const struct row_model *m = i ? &t->r->models[i - 1] : first;

		if (i && m == first)
			continue;
		put_facts(t, m);
		if (t->options->verbose)
			put_details(t, m);
	}
}
