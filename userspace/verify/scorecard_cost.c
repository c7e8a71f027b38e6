/* SPDX-License-Identifier: Apache-2.0 */
/* What the server took for its tokens, and what they were billed at. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "userspace/analysis/facts.h"
#include "userspace/recording_strings.h"
#include "userspace/verify/scorecard.h"

#define MILLION INT64_C(1000000)
#define MAX_TEXT 256

static enum grade weaker(enum grade a, enum grade b)
{
	return a < b ? a : b;
}

static void fill_resource(struct scorecard_figure *f, const struct scorecard_samples *s, const char *name,
			  bool per_resource)
{
	const struct ledger *l = s->in->ledger;
	const int k = resource__find(l, name);
	const char *why = scorecard_samples__no_steps(s);
	int64_t tokens;

	if (k < 0 || !l->resources[k].measured) {
		scorecard_figure__miss(f, k >= 0 && l->resources[k].row->reason ?
						  l->resources[k].row->reason :
						  "it was not recorded: tokprof doctor says what this "
						  "host allows");
		return;
	}
	if (why) {
		scorecard_figure__miss(f, why);
		return;
	}
	tokens = scorecard_samples__emitted(s, 0, UINT64_MAX);
	f->n = tokens;
	f->grade = weaker((enum grade)l->resources[k].row->grade, s->tokens);
	if (tokens == 0 || l->resources[k].total <= 0)
		scorecard_figure__miss(f, tokens ? "its total is 0" : "no recorded step put out a token");
	else
		f->value = per_resource ? scorecard__ratio(tokens, MILLION * MILLION, l->resources[k].total) :
					  scorecard__ratio(l->resources[k].total, 1, tokens);
}

static void fill_cpu_share(struct scorecard_figure *f, const struct scorecard_samples *s)
{
	const struct ledger *l = s->in->ledger;
	const int k = resource__find(l, "cpu_ns");
	int64_t sum = 0;

	if (k < 0 || !l->resources[k].measured || l->resources[k].total <= 0) {
		scorecard_figure__miss(f, "the CPU time of the server was not recorded");
		return;
	}
	for (size_t i = 0; i < s->in->recording->n_requests; i++)
		sum += l->requests[i].cost[k];
	f->n = (int64_t)s->in->recording->n_requests;
	/* Which part of a step is whose is what a rule says. */
	f->grade = weaker((enum grade)l->resources[k].row->grade, GRADE_DERIVED);
	f->value = scorecard__ratio(sum, 10000, l->resources[k].total);
}

/* @return what cannot be summed; NULL */
static const char *sum_bill(const struct bill *b, struct decimal *sum, int64_t *tokens, const char **currency)
{
	*sum = (struct decimal){ 0, 0 };
	*tokens = 0;
	*currency = NULL;
	for (size_t i = 0; i < b->n; i++) {
		const struct bill_line *line = &b->lines[i];

		if (!line->has_price)
			return "not every line of the bill has a price";
		if (line->prompt_tokens == ABSENT || line->completion_tokens == ABSENT)
			return "not every line of the bill has its tokens";
		if (i && (line->currency != *currency) &&
		    (!line->currency || !*currency || strcmp(line->currency, *currency) != 0))
			return "the bill has several currencies";
		*currency = line->currency;
		if (decimal__add(sum, sum, &line->price) ||
		    __builtin_add_overflow(*tokens, line->prompt_tokens, tokens) ||
		    __builtin_add_overflow(*tokens, line->completion_tokens, tokens))
			return "the sums are beyond any figure";
	}
	return *tokens > 0 ? NULL : "the bill has no tokens";
}

static int fill_price(struct scorecard_figure *f, const struct scorecard_samples *s, struct strings *texts)
{
	const char *why = "no bill with prices was given: --bill names one", *currency = NULL;
	struct decimal sum, price;
	char unit[MAX_TEXT];
	int64_t tokens = 0;

	if (s->in->bill)
		why = sum_bill(s->in->bill, &sum, &tokens, &currency);
	if (!why && (decimal__ratio(&price, &sum, MILLION, tokens, 6, ROUND_HALF_EVEN) || price.digits > INT64_MAX ||
		     price.digits <= INT64_MIN))
		why = "it is beyond any figure";
	if (why) {
		scorecard_figure__miss(f, why);
		return 0;
	}
	snprintf(unit, sizeof(unit), "%s per million tokens", currency ? currency : "money");
	f->unit = strings__keep(texts, unit, strlen(unit));
	f->value = (int64_t)price.digits;
	f->grade = GRADE_SELF_REPORTED;
	f->n = (int64_t)s->in->bill->n;
	return f->unit ? 0 : -ENOMEM;
}

int scorecard_cost__fill(struct scorecard_figure *f, enum whole whole, const struct scorecard_samples *s,
			 struct strings *texts)
{
	switch (whole) {
	case WHOLE_CPU_PER_TOKEN:
		fill_resource(f, s, "cpu_ns", false);
		return 0;
	case WHOLE_DEVICE_PER_TOKEN:
		fill_resource(f, s, "device_ns", false);
		return 0;
	case WHOLE_BYTES_PER_TOKEN:
		fill_resource(f, s, "mem_bytes", false);
		return 0;
	case WHOLE_ENERGY_PER_TOKEN:
		fill_resource(f, s, "energy_uj", false);
		return 0;
	case WHOLE_TOKENS_PER_JOULE:
		fill_resource(f, s, "energy_uj", true);
		return 0;
	case WHOLE_CPU_SHARE:
		fill_cpu_share(f, s);
		return 0;
	default:
		return fill_price(f, s, texts);
	}
}
