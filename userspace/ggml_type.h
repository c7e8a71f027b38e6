/* SPDX-License-Identifier: Apache-2.0 */
/* Number formats of tensors in GGUF files: how many bytes a block of how many weights takes. */
#ifndef TOKPROF_GGML_TYPE_H
#define TOKPROF_GGML_TYPE_H

#include <stdint.h>

/* One above the highest number known. */
#define GGML_TYPES 43

struct ggml_type_size {
	const char *name;	/* "F16", "Q4_K", ...; NULL: no such format, or one that was removed */
	uint32_t block_weights;	/* a tensor's rows are whole blocks */
	uint32_t block_bytes;
};

/* NULL where the number is not known. */
const struct ggml_type_size *ggml_type__find(uint32_t type);

#endif
