/* SPDX-License-Identifier: Apache-2.0 */
/* The list under 'claims:'. What a metric is measured in and which definitions it has is a table. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/recording_strings.h"
#include "userspace/verify/claims_parser.h"

#define MAX_ID 64
#define MAX_CLAIMS 1000
#define MAX_DEVICES 100000
#define LATENCY_PERCENTILE 99	/* MLPerf Inference bounds the 99th percentiles of TTFT and TPOT */

const char *const claim_metric_names[N_CLAIM_METRICS] = {
	[CLAIM_THROUGHPUT] = "throughput",
	[CLAIM_USER_THROUGHPUT] = "user_throughput",
	[CLAIM_TTFT] = "ttft",
	[CLAIM_TPOT] = "tpot",
	[CLAIM_ITL] = "itl",
	[CLAIM_E2E] = "e2e",
	[CLAIM_STABILITY] = "stability",
	[CLAIM_SUCCESS_RATE] = "success_rate",
	[CLAIM_PRICE] = "price",
	[CLAIM_TOKENS_PER_JOULE] = "tokens_per_joule",
	[CLAIM_MODEL] = "model",
	[CLAIM_PARAMETERS] = "parameters",
	[CLAIM_PRECISION] = "precision",
	[CLAIM_CONTEXT] = "context",
	[CLAIM_SPECULATION] = "speculation",
	[CLAIM_HARDWARE] = "hardware",
};

enum value_kind { VALUE_QUANTITY = 0, VALUE_PRICE, VALUE_TEXT, VALUE_FLAG };

static const struct metric {
	enum value_kind value;
	enum dimension dimension;
	bool is_fact;		/* 'is:' alone: nothing to be above or below */
	bool at_most;		/* else at least */
	bool has_percentiles;
	bool has_of;
} metrics[N_CLAIM_METRICS] = {
	[CLAIM_THROUGHPUT] = { .dimension = DIMENSION_RATE, .has_of = true },
	[CLAIM_USER_THROUGHPUT] = { .dimension = DIMENSION_RATE, .has_percentiles = true },
	[CLAIM_TTFT] = { .dimension = DIMENSION_TIME, .at_most = true, .has_percentiles = true },
	[CLAIM_TPOT] = { .dimension = DIMENSION_TIME, .at_most = true, .has_percentiles = true },
	[CLAIM_ITL] = { .dimension = DIMENSION_TIME, .at_most = true, .has_percentiles = true },
	[CLAIM_E2E] = { .dimension = DIMENSION_TIME, .at_most = true, .has_percentiles = true },
	[CLAIM_STABILITY] = { .dimension = DIMENSION_FRACTION },
	[CLAIM_SUCCESS_RATE] = { .dimension = DIMENSION_FRACTION },
	[CLAIM_PRICE] = { .value = VALUE_PRICE, .at_most = true, .has_of = true },
	[CLAIM_TOKENS_PER_JOULE] = { .dimension = DIMENSION_TOKENS_PER_JOULE },
	[CLAIM_MODEL] = { .value = VALUE_TEXT, .is_fact = true },
	[CLAIM_PARAMETERS] = { .dimension = DIMENSION_COUNT, .is_fact = true },
	[CLAIM_PRECISION] = { .value = VALUE_TEXT, .is_fact = true },
	[CLAIM_CONTEXT] = { .dimension = DIMENSION_TOKENS, .is_fact = true },
	[CLAIM_SPECULATION] = { .value = VALUE_FLAG, .is_fact = true },
	[CLAIM_HARDWARE] = { .value = VALUE_TEXT, .is_fact = true },
};

/* A claim whose keys are being read: the figure is understood when the metric is known. */
struct draft {
	struct claim *claim;
	bool has_metric;
	const struct yaml_node *figure, *statistic, *of, *active, *count, *until, *node;
};

bool claim__is_latency(enum claim_metric m)
{
	return m >= CLAIM_TTFT && m <= CLAIM_E2E;
}

static int set_id(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	struct draft *d = into;
	int err = claims_parser__text(p, value, &d->claim->id);

	if (err)
		return err;
	for (const char *c = d->claim->id; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("_.-", *c))
			return claims_parser__fail(p, value, "use letters, digits, '_', '.' and '-'",
						   "'%.60s' is no id", d->claim->id);
	if (strlen(d->claim->id) > MAX_ID)
		return claims_parser__fail(p, value, "shorten it", "an id of more than %d characters", MAX_ID);
	for (size_t i = 0; i + 1 < p->claims->n; i++)
		if (strcmp(p->claims->claims[i].id, d->claim->id) == 0)
			return claims_parser__fail(p, value, "give each claim an id of its own, or none",
						   "the id '%.60s' is that of the claim in line %lld", d->claim->id,
						   (long long)p->claims->claims[i].line);
	return 0;
}

static int set_metric(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	const char *words[N_CLAIM_METRICS + 1] = { 0 };
	struct draft *d = into;
	int i, err;

	memcpy(words, claim_metric_names, sizeof(claim_metric_names));
	err = claims_parser__word(p, value, "metric", words, &i);
	if (err)
		return err;
	d->claim->metric = (enum claim_metric)i;
	d->has_metric = true;
	return 0;
}

static int set_figure(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	struct draft *d = into;

	if (d->figure)
		return claims_parser__fail(p, value->key, "make two claims of it", "'%s' beside '%s'", value->key->text,
					   d->figure->key->text);
	d->figure = value;
	return 0;
}

static int set_model(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	return claims_parser__text(p, value, &((struct draft *)into)->claim->model);
}

static int set_confidence(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	struct quantity q;
	int err = claims_parser__quantity(p, value, DIMENSION_FRACTION, &q);

	if (err)
		return err;
	if (q.value < 0.5 || q.value > 0.9999)
		return claims_parser__fail(p, value, "95 % is usual",
					   "a confidence is from 50 %% to 99.99 %%, not '%.40s'", value->text);
	((struct draft *)into)->claim->confidence = q.value;
	return 0;
}

static int set_failed_requests(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	static const char *const words[] = { "leave out", "count", NULL };
	int i, err = claims_parser__word(p, value, "treatment of failed requests", words, &i);

	if (!err)
		((struct draft *)into)->claim->include_failed = i == 1;
	return err;
}

static int set_first_request(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	static const char *const words[] = { "count", "leave out", NULL };
	int i, err = claims_parser__word(p, value, "treatment of the first request", words, &i);

	if (!err)
		((struct draft *)into)->claim->drop_first_request = i == 1;
	return err;
}

static int set_note(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	const char *ignored;

	(void)into;
	return claims_parser__text(p, value, &ignored);
}

#define KEEP(name)                                                                                                     \
	static int set_##name(struct claims_parser *p, const struct yaml_node *value, void *into)                      \
	{                                                                                                              \
		(void)p;                                                                                               \
		((struct draft *)into)->name = value;                                                                  \
		return 0;                                                                                              \
	}
KEEP(statistic)
KEEP(of)
KEEP(active)
KEEP(count)
KEEP(until)
#undef KEEP

static const struct claims_key keys[] = {
	{ "metric", set_metric },
	{ "at_least", set_figure },
	{ "at_most", set_figure },
	{ "is", set_figure },
	{ "statistic", set_statistic },
	{ "of", set_of },
	{ "model", set_model },
	{ "active", set_active },
	{ "count", set_count },
	{ "until", set_until },
	{ "failed_requests", set_failed_requests },
	{ "first_request", set_first_request },
	{ "confidence", set_confidence },
	{ "id", set_id },
	{ "note", set_note },
	{ 0 },
};

/* --- what depends on the metric ---------------------------------------------------------------------------------------- */

static int fail_not_for(struct claims_parser *p, const struct yaml_node *value, const struct draft *d)
{
	return claims_parser__fail(p, value->key, "leave it out", "'%s' has no meaning for %s", value->key->text,
				   claim_metric_names[d->claim->metric]);
}

static int finish_statistic(struct claims_parser *p, struct draft *d)
{
	const bool has_percentiles = metrics[d->claim->metric].has_percentiles;
	const char *text = d->statistic ? d->statistic->text : NULL;
	double percentile, step;
	size_t n;

	d->claim->statistic = claim__is_latency(d->claim->metric) ? STATISTIC_PERCENTILE : STATISTIC_MEAN;
	d->claim->percentile = claim__is_latency(d->claim->metric) ? LATENCY_PERCENTILE : 0;
	if (!d->statistic)
		return 0;
	if (d->statistic->kind != YAML_TEXT)
		return claims_parser__fail(p, d->statistic, "write mean, median or p99", "'statistic' is one word");
	if (metrics[d->claim->metric].is_fact)
		return fail_not_for(p, d->statistic, d);
	d->claim->percentile = 0;
	d->claim->statistic = STATISTIC_MEAN;
	if (strcmp(text, "mean") == 0)
		return 0;
	if (!has_percentiles)
		return claims_parser__fail(p, d->statistic, "leave it out", "%s is a mean, not '%.40s'",
					   claim_metric_names[d->claim->metric], text);
	if (strcmp(text, "median") == 0) {
		d->claim->statistic = STATISTIC_MEDIAN;
		d->claim->percentile = 50;
		return 0;
	}
	n = text[0] == 'p' ? quantity__number(text + 1, &percentile, &step) : 0;
	if (n == 0 || text[1 + n] || percentile <= 0 || percentile >= 100)
		return claims_parser__fail(p, d->statistic, "write mean, median, or a percentile as p99 or p99.9",
					   "unknown statistic '%.40s'", text);
	d->claim->statistic = STATISTIC_PERCENTILE;
	d->claim->percentile = percentile;
	return 0;
}

static int finish_of(struct claims_parser *p, struct draft *d)
{
	static const char *const words[] = { "output", "input", "total", NULL };
	int i, err;

	if (!d->of)
		return 0;
	if (!metrics[d->claim->metric].has_of)
		return fail_not_for(p, d->of, d);
	err = claims_parser__word(p, d->of, "kind of tokens", words, &i);
	if (!err)
		d->claim->of = (enum claim_of)i;
	return err;
}

static int finish_active(struct claims_parser *p, struct draft *d)
{
	struct quantity q;
	int err;

	d->claim->active = d->claim->metric == CLAIM_PARAMETERS ? d->claim->value : 0;
	if (!d->active)
		return 0;
	if (d->claim->metric != CLAIM_PARAMETERS)
		return fail_not_for(p, d->active, d);
	err = claims_parser__quantity(p, d->active, DIMENSION_COUNT, &q);
	if (err)
		return err;
	if (q.value > d->claim->value)
		return claims_parser__fail(p, d->active, "'active' is what one token is computed with, 'is' is all",
					   "more active parameters than there are");
	d->claim->active = q.value;
	return 0;
}

static int finish_count(struct claims_parser *p, struct draft *d)
{
	struct quantity q;
	int err;

	d->claim->n_devices = 1;
	if (!d->count)
		return 0;
	if (d->claim->metric != CLAIM_HARDWARE)
		return fail_not_for(p, d->count, d);
	err = claims_parser__quantity(p, d->count, DIMENSION_COUNT, &q);
	if (err)
		return err;
	if (q.value < 1 || q.value > MAX_DEVICES || q.value != floor(q.value))
		return claims_parser__fail(p, d->count, "write how many devices serve the model", "'%.40s' devices",
					   d->count->text);
	d->claim->n_devices = (int)q.value;
	return 0;
}

static int finish_until(struct claims_parser *p, struct draft *d)
{
	static const char *const words[] = { "first chunk", "first token", NULL };
	int i, err;

	if (!d->until)
		return 0;
	if (d->claim->metric != CLAIM_TTFT)
		return fail_not_for(p, d->until, d);
	err = claims_parser__word(p, d->until, "end of the time", words, &i);
	if (!err)
		d->claim->from_first_token = i == 1;
	return err;
}

/* "8x NVIDIA H100": the number is no word of its name. */
static bool begins_with_count(const char *text)
{
	const size_t digits = strspn(text, "0123456789"), blanks = strspn(text + digits, " ");
	const char *after = text + digits + blanks;

	return digits && (*after == 'x' || *after == 'X') && after[1] == ' ';
}

static int read_text(struct claims_parser *p, struct draft *d)
{
	int err = claims_parser__text(p, d->figure, &d->claim->text);

	if (!err && !d->claim->text[strspn(d->claim->text, " \t")])
		return claims_parser__fail(p, d->figure, "leave out what is not claimed", "a claim of nothing");
	if (!err && d->claim->metric == CLAIM_HARDWARE && begins_with_count(d->claim->text))
		return claims_parser__fail(p, d->figure, "write the name alone, and 'count: NUMBER' beside it",
					   "a number of devices before the name in '%.40s'", d->claim->text);
	return err;
}

static int read_figure(struct claims_parser *p, struct draft *d)
{
	struct claim *c = d->claim;
	struct quantity q = { 0 };
	bool flag = false;
	int err;

	switch (metrics[c->metric].value) {
	case VALUE_TEXT:
		return read_text(p, d);
	case VALUE_PRICE:
		return claims_parser__price(p, d->figure, &c->money, &c->currency);
	case VALUE_FLAG:
		err = claims_parser__flag(p, d->figure, &flag);
		c->value = flag;
		return err;
	case VALUE_QUANTITY:
		break;
	}
	err = claims_parser__quantity(p, d->figure, metrics[c->metric].dimension, &q);
	if (err)
		return err;
	if (c->metric == CLAIM_SUCCESS_RATE && q.value > 1)
		return claims_parser__fail(p, d->figure, "write what part of the requests succeeds",
					   "more than 100 %%");
	if (q.value == 0)
		return claims_parser__fail(p, d->figure, "leave out what is not claimed", "a claim of 0");
	c->value = q.value;
	c->step = q.step;
	return 0;
}

static int finish_figure(struct claims_parser *p, struct draft *d)
{
	const struct metric *m = &metrics[d->claim->metric];
	const char *key, *meant = m->is_fact ? "is" : m->at_most ? "at_most" : "at_least";
	char remedy[80];

	d->claim->value = NAN;
	snprintf(remedy, sizeof(remedy), "write '%s: ...'", meant);
	if (!d->figure)
		return claims_parser__fail(p, d->node, remedy, "a claim of %s without a figure",
					   claim_metric_names[d->claim->metric]);
	key = d->figure->key->text;
	/* 'is' is what data sheets say; a rate is then a floor, a time a ceiling. */
	if (strcmp(key, meant) != 0 && strcmp(key, "is") != 0)
		return claims_parser__fail(p, d->figure->key, remedy, "'%s' is no promise for %s", key,
					   claim_metric_names[d->claim->metric]);
	d->claim->at_least = !m->at_most;
	return read_figure(p, d);
}

/* throughput, throughput_input, ttft_p99, price_input; with a number where that is taken. */
static int make_id(struct claims_parser *p, struct claim *c)
{
	static const char *const of[] = { "", "_input", "_total" };
	char statistic[32] = "", id[MAX_ID + 16];

	if (c->statistic == STATISTIC_PERCENTILE)
		snprintf(statistic, sizeof(statistic), "_p%g", c->percentile);
	else if (c->statistic == STATISTIC_MEDIAN)
		snprintf(statistic, sizeof(statistic), "_median");
	else if (claim__is_latency(c->metric))
		snprintf(statistic, sizeof(statistic), "_mean");
	for (size_t n = 1; !c->id; n++) {
		size_t taken = 0;

		snprintf(id, sizeof(id), n > 1 ? "%s%s%s_%zu" : "%s%s%s", claim_metric_names[c->metric], statistic,
			 of[c->of], n);
		while (taken + 1 < p->claims->n && strcmp(p->claims->claims[taken].id, id) != 0)
			taken++;
		if (taken + 1 == p->claims->n) {
			c->id = strings__keep(p->texts, id, strlen(id));
			if (!c->id)
				return -ENOMEM;
		}
	}
	return 0;
}

static int parse_claim(struct claims_parser *p, const struct yaml_node *node)
{
	struct draft d = { .node = node };
	void *bigger;
	int err;

	if (p->claims->n == MAX_CLAIMS)
		return claims_parser__fail(p, node, "split the file", "more than %d claims", MAX_CLAIMS);
	bigger = claims_parser__grow(p->claims->claims, &p->claims->n, sizeof(*d.claim));
	if (!bigger)
		return -ENOMEM;
	p->claims->claims = bigger;
	d.claim = &p->claims->claims[p->claims->n - 1];
	d.claim->line = node->line;
	d.claim->confidence = 0.95;
	d.claim->include_failed = true;
	d.claim->from_first_token = true;
	err = claims_parser__map(p, node, "a claim", keys, &d);
	if (!err && !d.has_metric)
		err = claims_parser__fail(p, node, "write 'metric: ttft', or another one", "a claim without 'metric'");
	err = err ? err : finish_figure(p, &d);
	err = err ? err : finish_statistic(p, &d);
	err = err ? err : finish_of(p, &d);
	err = err ? err : finish_active(p, &d);
	err = err ? err : finish_count(p, &d);
	err = err ? err : finish_until(p, &d);
	return err ? err : make_id(p, d.claim);
}

int claims_list__parse(struct claims_parser *p, const struct yaml_node *node)
{
	p->claims->has_list = true;
	return claims_parser__list(p, node, "claims", parse_claim);
}
