/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/recording_strings.h"
#include "userspace/suggest.h"
#include "userspace/verify/bill_reader.h"

const char *const bill_column_names[N_BILL_COLUMNS] = {
	[BILL_REQUEST_ID] = "request_id",
	[BILL_MODEL] = "model",
	[BILL_PROMPT_TOKENS] = "prompt_tokens",
	[BILL_CACHED_TOKENS] = "cached_tokens",
	[BILL_COMPLETION_TOKENS] = "completion_tokens",
	[BILL_REASONING_TOKENS] = "reasoning_tokens",
	[BILL_PRICE] = "price",
	[BILL_CURRENCY] = "currency",
	[BILL_TIME] = "time",
	[BILL_TIME_END] = "time_end",
	[BILL_COUNT] = "requests",
};

/* --- the map ------------------------------------------------------------------------------------------------------- */

static int find_doubles(struct bill_reader *r)
{
	for (int i = 0; i < N_BILL_COLUMNS; i++) {
		for (int j = i + 1; j < N_BILL_COLUMNS; j++) {
			if (!r->names[i] || !r->names[j] || strcmp(r->names[i], r->names[j]) != 0)
				continue;
			if (r->map->names[i] && r->map->names[j]) {
				bill_source__fail(&r->source, NULL,
						  "the map takes both %s and %s from the column '%.60s'",
						  bill_column_names[i], bill_column_names[j], r->names[i]);
				return bill_source__remedy(&r->source,
							   "give each of the two its own column in the map");
			}
			/* the map's word stands above a default */
			r->names[r->map->names[i] ? j : i] = NULL;
		}
	}
	return 0;
}

int bill_columns__resolve(struct bill_reader *r)
{
	const struct bill_map *map = r->map;
	struct bill_money_fault fault;

	for (int i = 0; i < N_BILL_COLUMNS; i++)
		r->names[i] = map->names[i] ? map->names[i] : bill_column_names[i];
	if (bill_clock__set_offset(&r->clock, map->time_zone_offset)) {
		bill_source__fail(&r->source, NULL, "the map's time zone '%.40s' is no offset from UTC",
				  map->time_zone_offset);
		return bill_source__remedy(&r->source, "write it like +08:00");
	}
	if (bill_clock__set_unit(&r->clock, map->time_unit)) {
		bill_source__fail(&r->source, NULL, "the map's time unit '%.40s' is none", map->time_unit);
		return bill_source__remedy(&r->source, "write s, ms, us or ns");
	}
	if (map->currency && bill_currency__parse(r->currency, map->currency, strlen(map->currency), "", &fault)) {
		bill_source__fail(&r->source, NULL, "the map's currency '%.40s' %s", map->currency, fault.why);
		return bill_source__remedy(&r->source, "write its code: USD, CNY, EUR");
	}
	return find_doubles(r);
}

/* --- the file's columns -------------------------------------------------------------------------------------------- */

int bill_columns__add_present(struct bill_reader *r, const char *name, size_t n)
{
	const char **present = array__reserve(r->present, &r->n_present_room, r->n_present + 2, sizeof(*present));
	const char *kept;

	if (!present)
		return -ENOMEM;
	r->present = present;
	kept = strings__keep(r->bill->texts, name, n);
	if (!kept)
		return -ENOMEM;
	present[r->n_present++] = kept;
	present[r->n_present] = NULL;
	return 0;
}

/* "'a', 'b', 'c'", cut where it gets long. */
static void list_present(const struct bill_reader *r, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < r->n_present; i++) {
		const char *name = r->present[i];
		int n = snprintf(out + used, size - used, "%s%s", i ? ", " : "", bill_quote(name, strlen(name)).text);

		if (n < 0 || (size_t)n >= size - used) {
			snprintf(out + used, size - used, "%s", used + 5 < size ? ", ..." : "");
			return;
		}
		used += (size_t)n;
	}
}

static int refuse_missing(struct bill_reader *r, const char *at, int column)
{
	const char *near = r->present ? suggest__nearest(r->names[column], r->present) : NULL;
	char names[400];

	list_present(r, names, sizeof(names));
	bill_source__fail(&r->source, at, "there is no column '%.60s', which the map names for %s; there are %s",
			  r->names[column], bill_column_names[column], names);
	if (near)
		return bill_source__remedy(&r->source, "did you mean '%.60s'? Correct the map", near);
	return bill_source__remedy(&r->source, "give the map one of these names, or leave %s out of it",
				   bill_column_names[column]);
}

/* Case, blanks and hyphens apart. */
static bool is_nearly(const char *name, const char *wanted)
{
	for (; *name && *wanted; name++, wanted++) {
		char c = *name == ' ' || *name == '-' ? '_' : (char)tolower((unsigned char)*name);

		if (c != *wanted)
			return false;
	}
	return *name == *wanted;
}

static bool is_mapped(const struct bill_reader *r, const char *name)
{
	for (int i = 0; i < N_BILL_COLUMNS; i++)
		if (r->names[i] && strcmp(r->names[i], name) == 0)
			return true;
	return false;
}

static int refuse_nearly(struct bill_reader *r, const char *at, int column, const char *name)
{
	bill_source__fail(&r->source, at, "the column '%.60s' is nearly, but not, '%s'", name, r->names[column]);
	return bill_source__remedy(&r->source, "say in the map what it is (%s: '%.60s'), or rename it in the file",
				   bill_column_names[column], name);
}

static int refuse_useless(struct bill_reader *r, const char *at)
{
	char names[400];

	list_present(r, names, sizeof(names));
	bill_source__fail(&r->source, at, "no column has tokens or a price; there are %s", names);
	return bill_source__remedy(&r->source, "say in the map which column is what, as in completion_tokens: NAME");
}

int bill_columns__check(struct bill_reader *r, const char *at, const bool found[N_BILL_COLUMNS])
{
	static const enum bill_column figures[] = { BILL_PROMPT_TOKENS, BILL_CACHED_TOKENS, BILL_COMPLETION_TOKENS,
						    BILL_REASONING_TOKENS, BILL_PRICE };
	bool is_useful = false;

	for (int i = 0; i < N_BILL_COLUMNS; i++) {
		r->bill->has_column[i] = found[i];
		if (found[i] || !r->names[i])
			continue;
		if (r->map->names[i])
			return refuse_missing(r, at, i);
		for (size_t j = 0; j < r->n_present; j++)
			if (is_nearly(r->present[j], r->names[i]) && !is_mapped(r, r->present[j]))
				return refuse_nearly(r, at, i, r->present[j]);
	}
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		is_useful |= found[figures[i]];
	if (!is_useful)
		return refuse_useless(r, at);
	if (r->map->prompt_excludes_cached && found[BILL_PROMPT_TOKENS] && !found[BILL_CACHED_TOKENS]) {
		bill_source__fail(&r->source, at,
				  "the map says that prompt_tokens leave out cached ones, "
				  "but there is no column of cached tokens");
		return bill_source__remedy(&r->source, "name that column in the map (cached_tokens: NAME)");
	}
	return 0;
}
