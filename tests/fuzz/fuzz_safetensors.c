/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the header of a safetensors file: read within bounds, refused with a sentence or accepted with figures that hold
 * together. The first byte says how many zeros follow the rest in the file (2^it), so that a small input can have tensors.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "header_file.h"
#include "userspace/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct file file = { data + 1, size - 1 };
	struct gguf_source source = { read_file, &file, size - 1 };
	struct model_facts parts[2], joined;
	char error[GGUF_ERROR_SIZE];

	if (size < 1)
		return 0;
	source.size += data[0] ? UINT64_C(1) << data[0] % 16 : 0;
	if (safetensors__read(&parts[0], &source, error, sizeof(error))) {
		require(error[0] && parts[0].weight_bytes == ABSENT && !parts[0].digest[0]);
		return 0;
	}
	require(parts[0].weight_bytes >= 0 && (uint64_t)parts[0].weight_bytes <= source.size);
	require(parts[0].n_params == ABSENT || parts[0].n_params >= 0);
	require(parts[0].active_params == ABSENT || parts[0].active_params <= parts[0].n_params);
	require(strlen(parts[0].digest) == GGUF_DIGEST_SIZE - 1);
	require(parts[0].weight_bytes == 0 || parts[0].quantization[0]);
	require(memchr(parts[0].tensor_types, 0, sizeof(parts[0].tensor_types)) != NULL);
	parts[0].split_no = 0;
	parts[0].split_count = 2;
	parts[1] = parts[0];
	parts[1].split_no = 1;
	require(model_facts__join(&joined, parts, 2) == 0);
	require(joined.weight_bytes == ABSENT || joined.weight_bytes == 2 * parts[0].weight_bytes);
	return 0;
}
