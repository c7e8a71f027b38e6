/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the header of a GGUF file: read within bounds, refused with a sentence or accepted with figures that hold
 * together. The first byte says how many zeros follow the rest in the file (2^it), so that a small input can have tensors.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "header_file.h"
#include "userspace/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Absent, or within what there can be. */
static void require_figure(int64_t figure, uint64_t most)
{
	require(figure == ABSENT || (figure >= 0 && (uint64_t)figure <= most));
}

static void check(const struct model_facts *f, uint64_t size)
{
	require_figure(f->n_layers, UINT32_MAX);
	require_figure(f->n_heads, UINT32_MAX);
	require_figure(f->n_vocab, UINT32_MAX);
	require_figure(f->kv_elements_per_token, INT64_MAX);
	require_figure(f->attention_flops_per_pair, INT64_MAX);
	require_figure(f->n_params, INT64_MAX);
	require_figure(f->weight_bytes, size);
	require_figure(f->active_weight_bytes, size);
	require(f->active_params == ABSENT || f->active_params <= f->n_params);
	require(f->active_weight_bytes == ABSENT || f->active_weight_bytes <= f->weight_bytes);
	require(strlen(f->digest) == GGUF_DIGEST_SIZE - 1);
	require(memchr(f->name, 0, sizeof(f->name)) && memchr(f->arch, 0, sizeof(f->arch)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct file file = { data + 1, size - 1 };
	struct gguf_source source = { read_file, &file, size - 1 };
	struct model_facts parts[3], joined;
	char error[GGUF_ERROR_SIZE];

	if (size < 1)
		return 0;
	source.size += data[0] ? UINT64_C(1) << data[0] % 48 : 0;
	if (gguf__read(&parts[0], &source, error, sizeof(error))) {
		require(error[0] && parts[0].weight_bytes == ABSENT && !parts[0].arch[0]);
		return 0;
	}
	check(&parts[0], source.size);
	parts[1] = parts[2] = parts[0];
	parts[1].split_no = 1;
	parts[2].split_no = 2;
	if (model_facts__join(&joined, parts, 3) == 0)
		require(strlen(joined.digest) == GGUF_DIGEST_SIZE - 1);
	return 0;
}
