/* SPDX-License-Identifier: Apache-2.0 */
/* A claims file as a whole: bytes, the keys of its top level, how a bill's columns are called. */
#include "userspace/verify/claims.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "userspace/recording_strings.h"
#include "userspace/verify/claims_parser.h"

/* --- bill: ---------------------------------------------------------------------------------------------------------- */

static int bill_columns(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	struct bill_map *map = into;
	int err = 0;

	if (value->kind != YAML_MAP)
		return claims_parser__fail(p, value, "write one line for each: prompt_tokens: NAME IN THE FILE",
					   "'columns' is a map");
	for (const struct yaml_node *v = value->first; v && !err; v = v->next) {
		const char *known[N_BILL_COLUMNS + 1] = { 0 }, *text;
		int i = 0;

		memcpy(known, bill_column_names, sizeof(bill_column_names));
		while (known[i] && strcmp(known[i], v->key->text) != 0)
			i++;
		if (!known[i])
			return claims_parser__fail_word(p, v->key, "column", v->key->text, known);
		err = claims_parser__text(p, v, &text);
		if (!err)
			map->names[i] = (char *)text;
	}
	return err;
}

static int bill_includes_cached(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	struct bill_map *map = into;
	bool includes;
	int err = claims_parser__flag(p, value, &includes);

	if (!err)
		map->prompt_excludes_cached = !includes;
	return err;
}

static int bill_time_zone(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	struct bill_map *map = into;
	char text[8];
	int minutes, err = claims_parser__offset(p, value, &minutes);

	if (err)
		return err;
	snprintf(text, sizeof(text), "%c%02u:%02u", minutes < 0 ? '-' : '+', (unsigned int)abs(minutes) / 60 % 100,
		 (unsigned int)abs(minutes) % 60);
	map->time_zone_offset = (char *)strings__keep(p->texts, text, strlen(text));
	return map->time_zone_offset ? 0 : -ENOMEM;
}

static int bill_time_unit(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	static const char *const words[] = { "s", "ms", "us", "ns", NULL };
	struct bill_map *map = into;
	int i, err = claims_parser__word(p, value, "unit of times", words, &i);

	if (err)
		return err;
	map->time_unit = (char *)strings__keep(p->texts, words[i], strlen(words[i]));
	return map->time_unit ? 0 : -ENOMEM;
}

static int bill_currency(struct claims_parser *p, const struct yaml_node *value, void *into)
{
	struct bill_map *map = into;
	const char *text;
	int err = claims_parser__text(p, value, &text);

	if (err)
		return err;
	if (strlen(text) != 3 || strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3)
		return claims_parser__fail(p, value, "write its code, as CNY or USD", "'%.40s' is no currency", text);
	map->currency = (char *)text;
	return 0;
}

static const struct claims_key bill_keys[] = {
	{ "columns", bill_columns },	 { "prompt_includes_cached", bill_includes_cached },
	{ "time_zone", bill_time_zone }, { "time_unit", bill_time_unit },
	{ "currency", bill_currency },	 { 0 },
};

/* --- the top level --------------------------------------------------------------------------------------------------- */

static int parse_bill(struct claims_parser *p, const struct yaml_node *value)
{
	return claims_parser__map(p, value, "bill", bill_keys, &p->claims->map);
}

static int parse_note(struct claims_parser *p, const struct yaml_node *value)
{
	const char *ignored;

	return claims_parser__text(p, value, &ignored);
}

static const struct {
	const char *name;
	int (*parse)(struct claims_parser *p, const struct yaml_node *value);
} parts[] = {
	{ "claims", claims_list__parse },
	{ "tariff", claims_tariff__parse },
	{ "bill", parse_bill },
	{ "note", parse_note },
};
#define N_PARTS (sizeof(parts) / sizeof(parts[0]))

static int parse_part(struct claims_parser *p, const struct yaml_node *value)
{
	const char *known[N_PARTS + SHEET_MAX_KEYS + 1] = { 0 };

	for (size_t i = 0; i < N_PARTS; i++) {
		if (strcmp(parts[i].name, value->key->text) == 0)
			return parts[i].parse(p, value);
		known[i] = parts[i].name;
	}
	if (sheet__has_key(value->key->text))
		return sheet__parse(p, value);
	sheet__keys(known + N_PARTS);
	return claims_parser__fail_word(p, value->key, "key", value->key->text, known);
}

static int parse_file(struct claims_parser *p, const struct yaml_node *root)
{
	static const struct yaml_node begin = { .line = 1, .column = 1 };
	static const char remedy[] = "begin with a line 'claims:', 'tariff:' or 'bill:'; docs/claims.md has an example";
	int err = 0;

	if (!root)
		return claims_parser__fail(p, &begin, remedy, "nothing in this file");
	if (root->kind != YAML_MAP)
		return claims_parser__fail(p, root, remedy, "a claims file is a map of keys");
	for (const struct yaml_node *value = root->first; value && !err; value = value->next)
		err = parse_part(p, value);
	return err;
}

int claims__parse(struct claims *out, const char *path, const char *text, size_t n, char *error, size_t error_size,
		  char *remedy, size_t remedy_size)
{
	struct claims_parser p = { .path = path,
				   .claims = out,
				   .error = error,
				   .error_size = error_size,
				   .remedy = remedy,
				   .remedy_size = remedy_size };
	struct yaml_tree tree;
	struct yaml_error wrong;
	int err;

	memset(out, 0, sizeof(*out));
	snprintf(error, error_size, "%s: out of memory", path);
	snprintf(remedy, remedy_size, "end other programs");
	err = yaml_tree__parse(&tree, text, n, &wrong);
	if (err == -EINVAL) {
		snprintf(error, error_size, "%s:%lld:%lld: %s", path, (long long)wrong.line, (long long)wrong.column,
			 wrong.what);
		snprintf(remedy, remedy_size, "%s", wrong.remedy);
	}
	if (err)
		return err;
	out->texts = p.texts = strings__new();
	out->path = p.texts ? strings__keep(p.texts, path, strlen(path)) : NULL;
	err = out->path ? parse_file(&p, tree.root) : -ENOMEM;
	yaml_tree__free(&tree);
	if (err)
		claims__free(out);
	else
		error[0] = remedy[0] = 0;
	return err;
}

static int fail_file(const char *path, int err, char *error, size_t error_size, char *remedy, size_t remedy_size)
{
	snprintf(error, error_size, "%s: cannot be read: %s", path, strerror(-err));
	snprintf(remedy, remedy_size, "name a claims file; docs/claims.md has an example");
	return err;
}

int claims__read(struct claims *out, const char *path, char *error, size_t error_size, char *remedy, size_t remedy_size)
{
	FILE *f = fopen(path, "re");
	struct stat st;
	char *text;
	size_t n;
	int err;

	memset(out, 0, sizeof(*out));
	if (!f)
		return fail_file(path, -errno, error, error_size, remedy, remedy_size);
	if (fstat(fileno(f), &st) == 0 && S_ISDIR(st.st_mode)) {
		fclose(f);
		return fail_file(path, -EISDIR, error, error_size, remedy, remedy_size);
	}
	text = malloc(CLAIMS_MAX_BYTES + 1);
	n = text ? fread(text, 1, CLAIMS_MAX_BYTES + 1, f) : 0;
	if (!text) {
		err = fail_file(path, -ENOMEM, error, error_size, remedy, remedy_size);
	} else if (ferror(f)) {
		err = fail_file(path, -EIO, error, error_size, remedy, remedy_size);
	} else if (n > CLAIMS_MAX_BYTES) {
		snprintf(error, error_size, "%s:1:1: longer than %d bytes, which no claims file is", path,
			 CLAIMS_MAX_BYTES);
		snprintf(remedy, remedy_size, "name a claims file; a bill goes to --bill");
		err = -EFBIG;
	} else {
		err = claims__parse(out, path, text, n, error, error_size, remedy, remedy_size);
	}
	free(text);
	fclose(f);
	return err;
}

void claims__free(struct claims *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_tariffs; i++) {
		free(c->tariffs[i].tiers);
		free(c->tariffs[i].discounts);
	}
	free(c->tariffs);
	free(c->claims);
	sheet__free(c->sheet);
	strings__free(c->texts);
	memset(c, 0, sizeof(*c));
}
