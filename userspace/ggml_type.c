/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers: enum ggml_type of ggml/include/ggml.h in llama.cpp, which never uses one twice. Sizes: the block_* structs of
 * ggml/src/ggml-common.h; the same as ggml_blck_size() and ggml_type_size() of the engine itself return.
 */
#include "userspace/ggml_type.h"

#include <stddef.h>
#include <string.h>

static const struct ggml_type_size types[GGML_TYPES] = {
	[0] = { "F32", 1, 4 },
	[1] = { "F16", 1, 2 },
	[2] = { "Q4_0", 32, 18 },
	[3] = { "Q4_1", 32, 20 },
	/* 4, 5: Q4_2 and Q4_3, removed */
	[6] = { "Q5_0", 32, 22 },
	[7] = { "Q5_1", 32, 24 },
	[8] = { "Q8_0", 32, 34 },
	[9] = { "Q8_1", 32, 36 },
	[10] = { "Q2_K", 256, 84 },
	[11] = { "Q3_K", 256, 110 },
	[12] = { "Q4_K", 256, 144 },
	[13] = { "Q5_K", 256, 176 },
	[14] = { "Q6_K", 256, 210 },
	[15] = { "Q8_K", 256, 292 },
	[16] = { "IQ2_XXS", 256, 66 },
	[17] = { "IQ2_XS", 256, 74 },
	[18] = { "IQ3_XXS", 256, 98 },
	[19] = { "IQ1_S", 256, 50 },
	[20] = { "IQ4_NL", 32, 18 },
	[21] = { "IQ3_S", 256, 110 },
	[22] = { "IQ2_S", 256, 82 },
	[23] = { "IQ4_XS", 256, 136 },
	[24] = { "I8", 1, 1 },
	[25] = { "I16", 1, 2 },
	[26] = { "I32", 1, 4 },
	[27] = { "I64", 1, 8 },
	[28] = { "F64", 1, 8 },
	[29] = { "IQ1_M", 256, 56 },
	[30] = { "BF16", 1, 2 },
	/* 31-33: Q4_0 in other orders, removed */
	[34] = { "TQ1_0", 256, 54 },
	[35] = { "TQ2_0", 256, 66 },
	/* 36-38: IQ4_NL in other orders, removed */
	[39] = { "MXFP4", 32, 17 },
	[40] = { "NVFP4", 64, 36 },
	[41] = { "Q1_0", 128, 18 },
	[42] = { "Q2_0", 64, 18 },
};

const struct ggml_type_size *ggml_type__find(uint32_t type)
{
	return type < GGML_TYPES && types[type].name ? &types[type] : NULL;
}

/* The formats of https://docs.rs/safetensors (enum Dtype), with GGUF's numbers where that has them too. */
static const struct {
	const char *name;
	uint32_t type, bits;
} safetensors_types[] = {
	{ "F64", 28, 64 },
	{ "F32", 0, 32 },
	{ "F16", 1, 16 },
	{ "BF16", 30, 16 },
	{ "I64", 27, 64 },
	{ "I32", 26, 32 },
	{ "I16", 25, 16 },
	{ "I8", 24, 8 },
	{ "U64", GGML_TYPES, 64 },
	{ "U32", GGML_TYPES + 1, 32 },
	{ "U16", GGML_TYPES + 2, 16 },
	{ "U8", GGML_TYPES + 3, 8 },
	{ "BOOL", GGML_TYPES + 4, 8 },
	{ "F8_E4M3", GGML_TYPES + 5, 8 },
	{ "F8_E5M2", GGML_TYPES + 6, 8 },
	{ "F8_E8M0", GGML_TYPES + 7, 8 },
	{ "F6_E2M3", GGML_TYPES + 8, 6 },
	{ "F6_E3M2", GGML_TYPES + 9, 6 },
	{ "F4", GGML_TYPES + 10, 4 },
	{ "C64", GGML_TYPES + 11, 64 },
};

const char *tensor_type__name(uint32_t type)
{
	if (ggml_type__find(type))
		return types[type].name;
	for (size_t i = 0; i < sizeof(safetensors_types) / sizeof(safetensors_types[0]); i++)
		if (safetensors_types[i].type == type)
			return safetensors_types[i].name;
	return NULL;
}

int tensor_type__find(const char *name, uint32_t *bits)
{
	for (size_t i = 0; i < sizeof(safetensors_types) / sizeof(safetensors_types[0]); i++)
		if (strcmp(safetensors_types[i].name, name) == 0) {
			*bits = safetensors_types[i].bits;
			return (int)safetensors_types[i].type;
		}
	return -1;
}
