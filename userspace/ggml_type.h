/* SPDX-License-Identifier: Apache-2.0 */
/* Number formats of tensors in GGUF files: how many bytes a block of how many weights takes. */
#ifndef TOKPROF_GGML_TYPE_H
#define TOKPROF_GGML_TYPE_H

#include <stdint.h>

/* One above the highest number known. */
#define GGML_TYPES 43
/* Behind them: formats that only safetensors files have. */
#define TENSOR_TYPES (GGML_TYPES + 12)

struct ggml_type_size {
	const char *name;	/* "F16", "Q4_K", ...; NULL: no such format, or one that was removed */
	uint32_t block_weights;	/* a tensor's rows are whole blocks */
	uint32_t block_bytes;
};

/* NULL where the number is not known. */
const struct ggml_type_size *ggml_type__find(uint32_t type);

/* "F16", "Q4_K", "F8_E4M3", ...; NULL where the number is not known. */
const char *tensor_type__name(uint32_t type);
/* By the name that safetensors files have for it. @bits of an element @return -1: none such */
int tensor_type__find(const char *name, uint32_t *bits);

#endif
