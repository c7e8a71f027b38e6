/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a perf map, a jitdump file or kallsyms: names stay inside what was asked for, and each says where its function begins.
 * The first byte says which.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/symbols/demangle.h"
#include "userspace/symbols/jitdump.h"
#include "userspace/symbols/kallsyms.h"
#include "userspace/symbols/perf_map.h"
#include "userspace/symbols/results.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int held)
{
	if (!held)
		abort();
}

static const uint64_t addresses[] = { 0, 1, 0x10, 0x1000, 0x1010, 0x7f0000001000, 0x7f0000001010, UINT64_MAX };
#define N_ADDRESSES (sizeof(addresses) / sizeof(addresses[0]))

static void check(struct address_table *t)
{
	size_t i;

	for (i = 0; i < t->n; i++) {
		const struct address_place *p = &t->places[i];
		char name[SYMBOL_NAME_SIZE];

		if (!p->found)
			continue;
		require(p->name && p->start <= p->address);
		demangle(p->name, name);
		require(memchr(name, 0, sizeof(name)) != NULL);
	}
}

/* As messages from a process that has gone mad. */
static void read_message(const uint8_t *data, size_t size)
{
	struct symbol_results results;
	struct result_message *message = malloc(size + sizeof(*message));
	struct symbol_name name;
	size_t i, depth;

	require(message && symbol_results__init(&results, 4) == 0);
	memset(message, 0, sizeof(*message));
	memcpy(message, data, size);
	message->size = (uint32_t)size;
	if (size >= sizeof(*message) && symbol_results__put(&results, message) == 0)
		for (i = 0; i < results.n; i++)
			for (depth = 0; depth < symbol_results__count(&results, i); depth++) {
				symbol_results__get(&results, i, depth, &name);
				require(strlen(name.name) > 0 && name.source < N_SYMBOL_SOURCES);
			}
	symbol_results__free(&results);
	free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct address_table table;
	uint64_t start;
	FILE *f;

	if (size < 2)
		return 0;
	if (data[0] % 6 == 5) {
		read_message(data + 1, size - 1);
		return 0;
	}
	f = fmemopen((void *)(data + 1), size - 1, "r");
	require(f && address_table__init(&table, addresses, N_ADDRESSES) == 0);
	switch (data[0] % 6) {
	case 0:
		perf_map__read(f, &table);
		break;
	case 1:
		jitdump__read(f, &table);
		break;
	case 2:
		kallsyms__read(f, KALLSYMS_KERNEL, NULL, 0, &table);
		break;
	case 3:
		kallsyms__read(f, KALLSYMS_ABSOLUTE, NULL, 0, &table);
		break;
	default:
		if (kallsyms__module_start(f, "xfs", &start) == 0)
			kallsyms__read(f, KALLSYMS_MODULE, "xfs", start, &table);
	}
	address_table__finish(&table, 1 << 20);
	check(&table);
	address_table__free(&table);
	fclose(f);
	return 0;
}
