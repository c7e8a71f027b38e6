/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/claims_parser.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/recording_strings.h"
#include "userspace/suggest.h"

#define MAX_TEXT 200

int claims_parser__fail(struct claims_parser *p, const struct yaml_node *at, const char *remedy, const char *format,
			...)
{
	int n = snprintf(p->error, p->error_size, "%s:%lld:%lld: ", p->path, (long long)at->line,
			 (long long)at->column);
	va_list args;

	if (n >= 0 && (size_t)n < p->error_size) {
		va_start(args, format);
		vsnprintf(p->error + n, p->error_size - (size_t)n, format, args);
		va_end(args);
	}
	snprintf(p->remedy, p->remedy_size, "%s", remedy);
	return -EINVAL;
}

int claims_parser__fail_word(struct claims_parser *p, const struct yaml_node *at, const char *what, const char *word,
			     const char *const *known)
{
	const char *nearest = suggest__nearest(word, known);
	char remedy[600];
	size_t n = 0;

	if (nearest)
		n = (size_t)snprintf(remedy, sizeof(remedy), "did you mean '%s'? ", nearest);
	n += (size_t)snprintf(remedy + n, sizeof(remedy) - n, "known: ");
	for (size_t i = 0; known[i] && n < sizeof(remedy); i++)
		n += (size_t)snprintf(remedy + n, sizeof(remedy) - n, "%s%s", i ? ", " : "", known[i]);
	return claims_parser__fail(p, at, remedy, "unknown %s '%.60s'", what, word);
}

static int fail_key(struct claims_parser *p, const struct yaml_node *key, const char *what,
		    const struct claims_key *keys)
{
	const char *names[YAML_MAX_KEYS + 1] = { 0 };
	char described[80];

	for (int i = 0; keys[i].name && i < YAML_MAX_KEYS; i++)
		names[i] = keys[i].name;
	snprintf(described, sizeof(described), "key of %s", what);
	return claims_parser__fail_word(p, key, described, key->text, names);
}

int claims_parser__map(struct claims_parser *p, const struct yaml_node *node, const char *what,
		       const struct claims_key *keys, void *into)
{
	int err = 0;

	if (node->kind != YAML_MAP)
		return claims_parser__fail(p, node, "write 'key: value' lines, or {key: value, ...}",
					   "%s is a map of keys", what);
	for (const struct yaml_node *value = node->first; value && !err; value = value->next) {
		const struct claims_key *key = keys;

		while (key->name && strcmp(key->name, value->key->text) != 0)
			key++;
		if (key->name || (key->set && yaml_node__is_null(value)))
			err = key->set(p, value, into);
		else
			err = fail_key(p, value->key, what, keys);
	}
	return err;
}

int claims_parser__list(struct claims_parser *p, const struct yaml_node *node, const char *what,
			int (*each)(struct claims_parser *p, const struct yaml_node *element))
{
	int err = 0;

	if (node->kind == YAML_MAP)
		return each(p, node);
	if (node->kind != YAML_LIST)
		return claims_parser__fail(p, node, "begin each one with '- '", "'%s' is a list",
					   node->key ? node->key->text : what);
	for (const struct yaml_node *element = node->first; element && !err; element = element->next)
		err = each(p, element);
	return err;
}

/* A value that is one text. */
static int check_text(struct claims_parser *p, const struct yaml_node *value)
{
	const char *name = value->key ? value->key->text : "an element";

	if (value->kind != YAML_TEXT)
		return claims_parser__fail(p, value, "write one value", "'%.60s' is one value, no list or map", name);
	if (yaml_node__is_null(value))
		return claims_parser__fail(p, value, "write a value, or leave the key out", "'%.60s' has no value",
					   name);
	if (strlen(value->text) > MAX_TEXT)
		return claims_parser__fail(p, value, "shorten it", "the value of '%.60s' is longer than %d characters",
					   name, MAX_TEXT);
	return 0;
}

int claims_parser__text(struct claims_parser *p, const struct yaml_node *value, const char **out)
{
	int err = check_text(p, value);

	if (err)
		return err;
	*out = strings__keep(p->texts, value->text, strlen(value->text));
	return *out ? 0 : -ENOMEM;
}

int claims_parser__flag(struct claims_parser *p, const struct yaml_node *value, bool *out)
{
	static const char *const words[] = { "no", "yes", "false", "true", NULL };
	int i, err = claims_parser__word(p, value, "answer", words, &i);

	if (!err)
		*out = i % 2 == 1;
	return err;
}

static int fail_quantity(struct claims_parser *p, const struct yaml_node *value, int err, const char *units)
{
	char remedy[300];

	snprintf(remedy, sizeof(remedy), "write a number and its unit; known units: %s", units);
	if (err == -EINVAL)
		return claims_parser__fail(p, value, remedy,
					   "'%s' begins with a number without sign and separators, not '%.60s'",
					   value->key->text, value->text);
	if (err == -ERANGE)
		return claims_parser__fail(p, value, remedy, "'%s' has more digits than a figure has: '%.60s'",
					   value->key->text, value->text);
	return claims_parser__fail(p, value, remedy, "'%s' has no unit that is known: '%.60s'", value->key->text,
				   value->text);
}

int claims_parser__quantity(struct claims_parser *p, const struct yaml_node *value, enum dimension d,
			    struct quantity *out)
{
	char units[QUANTITY_UNITS];
	int err = check_text(p, value);

	if (err)
		return err;
	err = quantity__parse(out, value->text, d);
	if (!err)
		return 0;
	quantity__units(d, units);
	return fail_quantity(p, value, err, units);
}

int claims_parser__price(struct claims_parser *p, const struct yaml_node *value, struct decimal *out,
			 const char **currency)
{
	char name[4];
	int err = check_text(p, value);

	if (err)
		return err;
	err = quantity__price(out, name, value->text);
	if (err)
		return fail_quantity(p, value, err, PRICE_UNITS);
	if (*currency && strcmp(*currency, name) != 0)
		return claims_parser__fail(p, value, "give each currency a tariff of its own", "%s beside %s", name,
					   *currency);
	*currency = strings__keep(p->texts, name, 3);
	return *currency ? 0 : -ENOMEM;
}

int claims_parser__offset(struct claims_parser *p, const struct yaml_node *value, int *minutes)
{
	const char *text = value->text;
	unsigned int hours, rest;
	int n = 0, err = check_text(p, value);

	if (err)
		return err;
	*minutes = 0;
	if (strcmp(text, "UTC") == 0 || strcmp(text, "Z") == 0)
		return 0;
	if ((text[0] != '+' && text[0] != '-') || strspn(text + 1, "0123456789:") != strlen(text + 1) ||
	    sscanf(text + 1, "%2u:%2u%n", &hours, &rest, &n) != 2 || n != 5 || text[6] || hours > 14 || rest > 59)
		return claims_parser__fail(p, value, "write it as +08:00, -03:30 or UTC; names of zones are not known",
					   "'%s' is an offset from UTC, not '%.60s'", value->key->text, text);
	*minutes = (int)(60 * hours + rest) * (text[0] == '-' ? -1 : 1);
	return 0;
}

int claims_parser__word(struct claims_parser *p, const struct yaml_node *value, const char *what,
			const char *const *words, int *out)
{
	int i = 0, err = check_text(p, value);

	if (err)
		return err;
	while (words[i] && strcmp(words[i], value->text) != 0)
		i++;
	if (!words[i])
		return claims_parser__fail_word(p, value, what, value->text, words);
	*out = i;
	return 0;
}

void *claims_parser__grow(void *array, size_t *n, size_t size)
{
	char *bigger = reallocarray(array, *n + 1, size);

	if (!bigger)
		return NULL;
	memset(bigger + *n * size, 0, size);
	++*n;
	return bigger;
}
