/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/symbols/perf_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LINE 4096	/* what of a line goes beyond it is cut off */

/* @return whether the line goes on behind what is in the buffer */
static bool cut_end(char *line)
{
	size_t n = strlen(line);

	if (n > 0 && line[n - 1] == '\n') {
		line[n - 1] = 0;
		return false;
	}
	return true;
}

static void skip_rest(FILE *f)
{
	int c;

	do
		c = getc(f);
	while (c != EOF && c != '\n');
}

static bool parse(char *line, struct address_symbol *symbol, uint64_t *size)
{
	char *end;

	errno = 0;
	symbol->start = strtoull(line, &end, 16);
	if (end == line || *end != ' ' || errno)
		return false;
	line = end + 1;
	*size = strtoull(line, &end, 16);
	if (end == line || *end != ' ' || errno || *size == 0 || !end[1])
		return false;
	symbol->name = end + 1;
	return true;
}

int perf_map__read(FILE *f, struct address_table *table)
{
	struct address_symbol symbol = { .source = SYMBOL_PERF_MAP };
	uint64_t n_lines = 0, size;
	char line[MAX_LINE];

	while (fgets(line, sizeof(line), f)) {
		if (cut_end(line))
			skip_rest(f);
		n_lines++;
		if (!parse(line, &symbol, &size))
			continue;
		symbol.order++;
		address_table__cover(table, &symbol, size);
	}
	return n_lines > 0 && symbol.order == 0 ? -EBADMSG : 0;
}
