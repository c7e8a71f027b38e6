/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/devices.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/embedded.h"

#define GIB 1073741824.0
#define MAX_LINE 256
#define MAX_WORDS 12
#define N_FIELDS 8

enum field { NAME = 0, MEMORY, BANDWIDTH, PEAK16, PEAK8, PEAK4, SPARSITY, SOURCE };

struct words {
	char text[96];
	const char *word[MAX_WORDS];
	int n;
};

/* Lower-case words; everything but letters and digits is between them. */
static bool split(struct words *out, const char *text)
{
	size_t at = 0;

	out->n = 0;
	if (strlen(text) >= sizeof(out->text))
		return false;
	for (; text[at]; at++)
		out->text[at] = isalnum((unsigned char)text[at]) ? (char)tolower((unsigned char)text[at]) : '\0';
	out->text[at] = '\0';
	for (size_t i = 0; i < at; i++) {
		if (!out->text[i] || (i > 0 && out->text[i - 1]))
			continue;
		if (out->n == MAX_WORDS)
			return false;
		out->word[out->n++] = out->text + i;
	}
	return true;
}

static bool has_digit(const char *word)
{
	return strpbrk(word, "0123456789") != NULL;
}

/* The word that names the chip: the first with letters and digits that is no size. */
static const char *chip(const struct words *name)
{
	for (int i = 0; i < name->n; i++)
		if (has_digit(name->word[i]) && isalpha((unsigned char)name->word[i][0]))
			return name->word[i];
	return "";
}

static bool has_word(const struct words *words, const char *word)
{
	for (int i = 0; i < words->n; i++)
		if (strcmp(words->word[i], word) == 0)
			return true;
	return false;
}

/* Does what the text says beside the chip's name hold for the variant? "sxm4" holds for "sxm", "80gb" for 80 GB. */
static bool holds(const char *word, const struct words *name, double memory_gb)
{
	static const char *const empty[] = { "tesla", "gpu", "tensor", "core", "accelerator", "card", NULL };
	char *end;

	if (has_word(name, word) || strncmp(word, "hbm", 3) == 0)
		return true;
	for (int i = 0; empty[i]; i++)
		if (strcmp(word, empty[i]) == 0)
			return true;
	if (isdigit((unsigned char)word[0]))
		return strtod(word, &end) == memory_gb && strcmp(end, "gb") == 0;
	if (strncmp(word, "sxm", 3) == 0)
		return has_word(name, "sxm");
	return false;
}

static double number(const char *field, double unit)
{
	char *end;
	double value;

	if (strcmp(field, "-") == 0)
		return NAN;
	value = strtod(field, &end);
	return *end || !(value > 0) ? -1 : value * unit;
}

static void raise(double *most, double value)
{
	/* One variant's unknown figure may be the largest: then none is known of all. */
	if (isnan(value) || isnan(*most))
		*most = NAN;
	else if (value > *most)
		*most = value;
}

static int take(struct device *d, char *fields[N_FIELDS], const struct words *asked)
{
	const double memory = number(fields[MEMORY], 1), bandwidth = number(fields[BANDWIDTH], 1e9);
	const double sparsity = number(fields[SPARSITY], 1);
	const double peak16 = number(fields[PEAK16], 1e12 * sparsity), peak8 = number(fields[PEAK8], 1e12 * sparsity),
		     peak4 = number(fields[PEAK4], 1e12 * sparsity);
	struct words name;

	if (!split(&name, fields[NAME]) || !*chip(&name) || strlen(fields[NAME]) >= DEVICE_NAME || memory < 0 ||
	    bandwidth < 0 || !(sparsity >= 1) || peak16 < 0 || peak8 < 0 || peak4 < 0 || !fields[SOURCE][0])
		return -EINVAL;
	if (!has_word(asked, chip(&name)))
		return 0;
	for (int i = 0; i < asked->n; i++)
		if (!holds(asked->word[i], &name, memory))
			return 0;
	d->n_variants++;
	raise(&d->memory_gb, memory);
	raise(&d->memory_bytes, memory * GIB);
	raise(&d->bytes_per_s, bandwidth);
	raise(&d->ops16_per_s, peak16);
	raise(&d->ops8_per_s, peak8);
	raise(&d->ops4_per_s, peak4);
	return 0;
}

static int take_line(struct device *d, const char *text, size_t n, const struct words *asked)
{
	char line[MAX_LINE], *fields[N_FIELDS], *rest = line;

	if (n == 0 || text[0] == '#')
		return 0;
	if (n >= sizeof(line))
		return -EINVAL;
	memcpy(line, text, n);
	line[n] = '\0';
	for (int i = 0; i < N_FIELDS; i++) {
		fields[i] = strsep(&rest, "\t");
		if (!fields[i])
			return -EINVAL;
	}
	return rest ? -EINVAL : take(d, fields, asked);
}

int devices__find_in(struct device *out, const char *text, const char *table, size_t n, int *line)
{
	struct words asked;
	bool splits = split(&asked, text);
	int err = 0;

	*line = 0;
	memset(out, 0, sizeof(*out));
	snprintf(out->name, sizeof(out->name), "%s", text);
	if (!splits)
		asked.n = 0;
	while (n > 0 && !err) {
		const char *end = memchr(table, '\n', n);
		const size_t length = end ? (size_t)(end - table) : n;

		++*line;
		err = take_line(out, table, length, &asked);
		table += end ? length + 1 : length;
		n -= end ? length + 1 : length;
	}
	return err ? err : out->n_variants ? 0 : -ENOENT;
}

int devices__find(struct device *out, const char *text)
{
	const struct embedded_file *f = &embedded_devices[0];
	int line;

	return devices__find_in(out, text, (const char *)f->data, f->size, &line);
}
