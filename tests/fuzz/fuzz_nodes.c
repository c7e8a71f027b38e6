/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what a server's graph told of its nodes: rows with known names, a layer that there can be and figures that are
 * not negative, or none. The first byte says how the rest is cut into records.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "collectors/engine_nodes.h"

#define LONGEST_NS (UINT64_C(1) << 40)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_row(void *ctx, const struct row_step_operator *row)
{
	(void)ctx;
	assert(row->name && row->name[0]);
	assert(row->layer >= LAYER_NONE && row->layer < MOST_LAYERS);
	assert(row->n > 0);
}

static void make_names(struct operator_names *names)
{
	static const char *const text[] = { "NONE",	"ADD",	    "MUL",	"RMS_NORM",	 "MUL_MAT",
					    "GET_ROWS", "SOFT_MAX", "SET_ROWS", "FLASH_ATTN_EXT" };

	memset(names, 0, sizeof(*names));
	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		operator_names__add(names, text[i], MAX_OPERATOR_NAME);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t buffer[(sizeof(struct record_nodes) + MAX_NODES_PER_RECORD * sizeof(struct record_node)) / 8];
	static struct operator_names names, found;
	static struct engine_nodes nodes;
	struct record_nodes *r = (struct record_nodes *)buffer;
	const uint8_t *end = data + size;

	if (!nodes.nodes) {
		make_names(&names);
		if (engine_nodes__init(&nodes))
			return 0;
	}
	operator_names__add(&found, (const char *)data, size);
	while (data < end) {
		const size_t cut = sizeof(*r) + data[0] * sizeof(struct record_node) / 4;
		size_t n = (size_t)(end - data) - 1;

		n = n < cut ? n : cut;
		n = n < sizeof(buffer) ? n : sizeof(buffer);
		memset(buffer, 0, sizeof(buffer));
		memcpy(buffer, data + 1, n);
		r->h.size = (uint32_t)n;
		/* Times are the kernel's own. */
		for (size_t i = 0; i < MAX_NODES_PER_RECORD; i++) {
			r->node[i].ns %= LONGEST_NS;
			r->node[i].cpu_ns %= LONGEST_NS;
		}
		if (n >= sizeof(*r))
			engine_nodes__take(&nodes, &names, r, check_row, NULL);
		data += 1 + n;
	}
	engine_nodes__finish(&nodes, check_row, NULL);
	return 0;
}
