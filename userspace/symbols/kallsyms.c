/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/symbols/kallsyms.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LINE 1024			/* KSYM_NAME_LEN is 512 */
#define MAX_FUNCTION (256u << 10)	/* none is longer: beyond it there is memory that no symbol tells of */

struct line {
	uint64_t address;
	char type;
	const char *name, *module;	/* module "": the kernel's own */
};

static bool parse(char *text, struct line *out)
{
	char *end, *name;

	out->address = strtoull(text, &end, 16);
	if (end == text || end[0] != ' ' || !end[1] || end[2] != ' ')
		return false;
	out->type = end[1];
	name = end + 3;
	end = name + strcspn(name, " \t\n");
	out->module = "";
	if (*end == '\t' && end[1] == '[') {
		*end = 0;
		out->module = end + 2;
		end += 2 + strcspn(end + 2, "]\n");
	}
	*end = 0;
	out->name = name;
	return name[0] != 0;
}

static int find_text(FILE *f, uint64_t *address)
{
	char text[MAX_LINE];
	struct line line;
	bool any = false;

	rewind(f);
	while (fgets(text, sizeof(text), f)) {
		if (!parse(text, &line))
			continue;
		any |= line.address != 0;
		if (line.address != 0 && line.module[0] == 0 && strcmp(line.name, "_text") == 0) {
			*address = line.address;
			return 0;
		}
	}
	return any ? -ENOENT : -EACCES;
}

static bool is_code(const struct line *line)
{
	return strchr("tTwW", line->type) && strcmp(line->name, "_etext") != 0 && strcmp(line->name, "_einittext") != 0;
}

/* Of several names of one function the exported one, and not the mark where a section of functions begins. */
static unsigned int rank(const struct line *line)
{
	if (strstr(line->name, "_text_start") || strstr(line->name, "_text_end") || strcmp(line->name, "_stext") == 0 ||
	    strcmp(line->name, "_text") == 0)
		return 0;
	return line->type == 'T' ? 3 : line->type == 't' ? 2 : 1;
}

int kallsyms__read(FILE *f, enum kallsyms_base base, const char *module, uint64_t start, struct address_table *table)
{
	char text[MAX_LINE];
	struct line line;
	bool any = false;
	int err;

	if (base == KALLSYMS_KERNEL) {
		err = find_text(f, &start);
		if (err)
			return err;
	}
	rewind(f);
	while (fgets(text, sizeof(text), f)) {
		struct address_symbol symbol = { .source = SYMBOL_KALLSYMS };

		if (!parse(text, &line) || line.address == 0)
			continue;
		any = true;
		if (line.address < start || (base == KALLSYMS_KERNEL && line.module[0]) ||
		    (base == KALLSYMS_MODULE && strcmp(line.module, module) != 0))
			continue;
		symbol.start = line.address - start;
		symbol.name = is_code(&line) ? line.name : NULL;
		symbol.rank = rank(&line);
		address_table__begin_at(table, &symbol);
	}
	if (!any)
		return -EACCES;
	address_table__finish(table, MAX_FUNCTION);
	return 0;
}

int kallsyms__module_start(FILE *f, const char *module, uint64_t *start)
{
	char text[MAX_LINE], name[64];

	rewind(f);
	while (fgets(text, sizeof(text), f)) {
		const char *address = strstr(text, " 0x");

		if (sscanf(text, "%63s", name) != 1 || strcmp(name, module) != 0 || !address)
			continue;
		*start = strtoull(address + 1, NULL, 16);
		return *start ? 0 : -EACCES;
	}
	return -ENOENT;
}
