/* SPDX-License-Identifier: Apache-2.0 */
/* Reads tables of published figures. */
#include "userspace/verify/sheet.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/recording_strings.h"
#include "userspace/verify/claims_parser.h"

#define MAX_ROWS 10000
#define MODELS_ON "models_on_"
#define PRICES "token_prices_"
#define PER_TOKEN "_per_token"

/* --- values ---------------------------------------------------------------------------------------------------------- */

static int read_figure(struct claims_parser *p, const struct yaml_node *value, struct sheet_figure *out)
{
	double first, second, step;
	const char *at;
	size_t n;
	int err;

	if (yaml_node__is_null(value))
		return 0;
	err = claims_parser__text(p, value, &out->text);
	if (err)
		return err;
	n = quantity__number(out->text, &first, &step);
	at = out->text + n;
	second = first;
	if (n > 0 && *at) {
		at += strncmp(at, "..", 2) == 0 ? 2 : *at == '-' ? 1 : 0;
		n = at == out->text + n ? 0 : quantity__number(at, &second, &step);
		at += n;
	}
	if (n == 0 || *at)
		return claims_parser__fail(
			p, value, "write a number, a range as \"4-8\" or \"-60..-80\", or null; the unit is in the key",
			"'%s' is no number: '%.60s'", value->key->text, out->text);
	out->low = first < second ? first : second;
	out->high = first < second ? second : first;
	out->step = step;
	return 0;
}

/* A figure that cannot be negative or a range. */
static int read_count(struct claims_parser *p, const struct yaml_node *value, struct sheet_figure *out)
{
	int err = read_figure(p, value, out);

	if (!err && out->text && (out->low <= 0 || out->low < out->high))
		return claims_parser__fail(p, value, "write one number above 0, or null", "'%s' is '%.60s'",
					   value->key->text, out->text);
	return err;
}

static int read_text(struct claims_parser *p, const struct yaml_node *value, const char **out)
{
	return yaml_node__is_null(value) ? 0 : claims_parser__text(p, value, out);
}

#define SETTER(prefix, type, read, member)                                                                             \
	static int prefix##_##member(struct claims_parser *p, const struct yaml_node *value, void *into)               \
	{                                                                                                              \
		return read(p, value, &((struct type *)into)->member);                                                 \
	}

/* Of 'approach: token currency, batch inference' between braces, YAML makes the text before the comma and a key without value. */
static int row_words(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	(void)p;
	(void)value;
	(void)into;
	return 0;
}

/* --- rows ------------------------------------------------------------------------------------------------------------ */

SETTER(accelerator, sheet_accelerator, read_text, device)
SETTER(accelerator, sheet_accelerator, read_text, stack)
SETTER(accelerator, sheet_accelerator, read_count, throughput_tokens_per_s)
SETTER(accelerator, sheet_accelerator, read_count, latency_ms_per_token)
SETTER(accelerator, sheet_accelerator, read_figure, portability_pct)
static const struct claims_key accelerator_keys[] = {
	{ "device", accelerator_device },
	{ "stack", accelerator_stack },
	{ "throughput_tokens_per_s", accelerator_throughput_tokens_per_s },
	{ "latency_ms_per_token", accelerator_latency_ms_per_token },
	{ "portability_pct", accelerator_portability_pct },
	{ NULL, row_words },
};

SETTER(model, sheet_model, read_text, model)
SETTER(model, sheet_model, read_text, params_note)
SETTER(model, sheet_model, read_count, params_b)
SETTER(model, sheet_model, read_count, usd_per_million_tokens)
SETTER(model, sheet_model, read_count, throughput_tokens_per_s)
static const struct claims_key model_keys[] = {
	{ "model", model_model },
	{ "params_b", model_params_b },
	{ "params_note", model_params_note },
	{ "usd_per_million_tokens", model_usd_per_million_tokens },
	{ "throughput_tokens_per_s", model_throughput_tokens_per_s },
	{ NULL, row_words },
};

static int price_price(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	struct sheet_price *row = into;
	int err = claims_parser__text(p, value, &row->text);

	if (err)
		return err;
	err = decimal__parse(&row->price, row->text, strlen(row->text));
	if (err || row->price.digits <= 0 || row->price.scale > 12)
		return claims_parser__fail(p, value, "write a number above 0 with at most 12 digits after the point",
					   "'price' is no price per token: '%.60s'", row->text);
	return 0;
}

SETTER(price, sheet_price, read_text, provider)
SETTER(price, sheet_price, read_text, hardware)
SETTER(price, sheet_price, read_text, approach)
static const struct claims_key price_keys[] = {
	{ "provider", price_provider }, { "price", price_price }, { "hardware", price_hardware },
	{ "approach", price_approach }, { NULL, row_words },
};

SETTER(technique, sheet_technique, read_text, technique)
SETTER(technique, sheet_technique, read_text, effect)
SETTER(technique, sheet_technique, read_text, against)
SETTER(technique, sheet_technique, read_figure, pct)
SETTER(technique, sheet_technique, read_figure, factor)
static const struct claims_key technique_keys[] = {
	{ "technique", technique_technique }, { "effect", technique_effect },	{ "pct", technique_pct },
	{ "factor", technique_factor },	      { "against", technique_against }, { NULL, row_words },
};

static int reference_definition(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	const char *ignored;

	(void)into;
	return claims_parser__text(p, value, &ignored);
}

static int reference_params(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	return read_count(p, value, &((struct sheet *)into)->reference_params_b);
}

static int reference_context(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	return read_count(p, value, &((struct sheet *)into)->reference_context);
}

static const struct claims_key reference_keys[] = {
	{ "definition", reference_definition },
	{ "model_params_b", reference_params },
	{ "context_tokens", reference_context },
	{ 0 },
};

static int assessment_metrics(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	struct sheet *s = into;

	if (value->kind != YAML_LIST)
		return claims_parser__fail(p, value, "write [name, name, ...]", "'%s' is a list", value->key->text);
	for (const struct yaml_node *metric = value->first; metric; metric = metric->next)
		s->n_metrics++;
	return 0;
}

static int assessment_later(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	struct sheet ignored = { 0 };

	(void)into;
	return assessment_metrics(p, value, &ignored);
}

static const struct claims_key assessment_keys[] = {
	{ "metrics", assessment_metrics },
	{ "announced_for_later", assessment_later },
	{ 0 },
};

/* --- tables ---------------------------------------------------------------------------------------------------------- */

/* Reads the rows of a table; each begins with its line. The row is known by the text at `name`, without which it is none. */
static int read_rows(struct claims_parser *p, const struct yaml_node *node, const struct claims_key *row_keys,
		     void **rows, size_t *n, size_t size, size_t name, const char *const *fixed, size_t fixed_at)
{
	if (node->kind != YAML_LIST)
		return claims_parser__fail(p, node, "begin each row with '- '", "'%s' is a list of rows",
					   node->key->text);
	for (const struct yaml_node *row = node->first; row; row = row->next) {
		void *bigger;
		char *made;
		int err;

		if (*n == MAX_ROWS)
			return claims_parser__fail(p, row, "split the file", "more than %d rows", MAX_ROWS);
		bigger = claims_parser__grow(*rows, n, size);
		if (!bigger)
			return -ENOMEM;
		*rows = bigger;
		made = (char *)bigger + (*n - 1) * size;
		memcpy(made, &row->line, sizeof(row->line));
		if (fixed)
			memcpy(made + fixed_at, fixed, sizeof(*fixed));
		err = claims_parser__map(p, row, "a row", row_keys, made);
		if (err)
			return err;
		if (!*(const char **)(made + name))
			return claims_parser__fail(p, row, "say whom or what the row is of", "a row without '%s'",
						   row_keys->name);
	}
	return 0;
}

#define READ_ROWS(p, node, keys, sheet, rows, name, fixed, fixed_at)                                                   \
	read_rows(p, node, keys, (void **)&(sheet)->rows, &(sheet)->n_##rows, sizeof(*(sheet)->rows), name, fixed,     \
		  fixed_at)

static int parse_accelerators(struct claims_parser *p, const struct yaml_node *node, struct sheet *s)
{
	return READ_ROWS(p, node, accelerator_keys, s, accelerators, offsetof(struct sheet_accelerator, device), NULL,
			 0);
}

static int parse_models(struct claims_parser *p, const struct yaml_node *node, struct sheet *s)
{
	const char *key = node->key->text + strlen(MODELS_ON), *device = strings__keep(p->texts, key, strlen(key));

	if (!device)
		return -ENOMEM;
	return READ_ROWS(p, node, model_keys, s, models, offsetof(struct sheet_model, model), &device,
			 offsetof(struct sheet_model, device));
}

static int parse_prices(struct claims_parser *p, const struct yaml_node *node, struct sheet *s)
{
	char name[4] = { 0 };
	const char *currency;
	int err;

	for (int i = 0; i < 3; i++)
		name[i] = (char)toupper((unsigned char)node->key->text[strlen(PRICES) + (size_t)i]);
	currency = strings__keep(p->texts, name, 3);
	if (!currency)
		return -ENOMEM;
	err = READ_ROWS(p, node, price_keys, s, prices, offsetof(struct sheet_price, provider), &currency,
			offsetof(struct sheet_price, currency));
	for (size_t i = 0; i < s->n_prices && !err; i++)
		if (!s->prices[i].text)
			return claims_parser__fail(p, node, "write 'price: 0.000005'",
						   "the row in line %lld has no 'price'", (long long)s->prices[i].line);
	return err;
}

static int parse_techniques(struct claims_parser *p, const struct yaml_node *node, struct sheet *s)
{
	return READ_ROWS(p, node, technique_keys, s, techniques, offsetof(struct sheet_technique, technique), NULL, 0);
}

static int parse_penalty(struct claims_parser *p, const struct yaml_node *node, struct sheet *s)
{
	s->penalty_line = node->line;
	return read_figure(p, node, &s->abstraction_penalty_pct);
}

static int parse_off_peak(struct claims_parser *p, const struct yaml_node *node, struct sheet *s)
{
	s->off_peak_line = node->line;
	return read_figure(p, node, &s->off_peak_discount_pct);
}

static int parse_reference(struct claims_parser *p, const struct yaml_node *node, struct sheet *s)
{
	s->reference_line = node->line;
	return claims_parser__map(p, node, "reference_token", reference_keys, s);
}

static int parse_assessment(struct claims_parser *p, const struct yaml_node *node, struct sheet *s)
{
	s->assessment_line = node->line;
	return claims_parser__map(p, node, "service_assessment", assessment_keys, s);
}

/* `shown` where a part of the key is free. */
static const struct {
	const char *begin, *shown;
	int (*parse)(struct claims_parser *p, const struct yaml_node *node, struct sheet *s);
} tables[SHEET_MAX_KEYS] = {
	{ "accelerators", NULL, parse_accelerators },	   { "abstraction_penalty_pct_claimed", NULL, parse_penalty },
	{ MODELS_ON, MODELS_ON "a100", parse_models },	   { PRICES, PRICES "cny" PER_TOKEN, parse_prices },
	{ "off_peak_discount_pct", NULL, parse_off_peak }, { "techniques_claimed", NULL, parse_techniques },
	{ "reference_token", NULL, parse_reference },	   { "service_assessment", NULL, parse_assessment },
};

static int find_table(const char *key)
{
	for (int i = 0; i < SHEET_MAX_KEYS; i++) {
		const size_t n = strlen(tables[i].begin);

		if (!tables[i].shown && strcmp(key, tables[i].begin) == 0)
			return i;
		if (!tables[i].shown || strncmp(key, tables[i].begin, n) != 0)
			continue;
		if (tables[i].parse == parse_models && key[n])
			return i;
		if (tables[i].parse == parse_prices && strlen(key) == n + 3 + strlen(PER_TOKEN) &&
		    strspn(key + n, "abcdefghijklmnopqrstuvwxyz") == 3 && strcmp(key + n + 3, PER_TOKEN) == 0)
			return i;
	}
	return -1;
}

bool sheet__has_key(const char *key)
{
	return find_table(key) >= 0;
}

void sheet__keys(const char *out[SHEET_MAX_KEYS])
{
	for (int i = 0; i < SHEET_MAX_KEYS; i++)
		out[i] = tables[i].shown ? tables[i].shown : tables[i].begin;
}

int sheet__parse(struct claims_parser *p, const struct yaml_node *node)
{
	const int i = find_table(node->key->text);

	if (!p->claims->sheet)
		p->claims->sheet = calloc(1, sizeof(*p->claims->sheet));
	if (!p->claims->sheet || i < 0)
		return -ENOMEM;
	return tables[i].parse(p, node, p->claims->sheet);
}

void sheet__free(struct sheet *s)
{
	if (!s)
		return;
	free(s->accelerators);
	free(s->models);
	free(s->prices);
	free(s->techniques);
	free(s);
}
