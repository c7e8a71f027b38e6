/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/graph_node.h"

#include <string.h>

static const char *const class_names[N_OPERATOR_CLASSES] = {
	[OPERATOR_MATMUL] = "matmul",
	[OPERATOR_ATTENTION] = "attention",
	[OPERATOR_RECURRENCE] = "recurrence",
	[OPERATOR_NORM] = "norm",
	[OPERATOR_ROPE] = "rope",
	[OPERATOR_EMBEDDING] = "embedding",
	[OPERATOR_ELEMENTWISE] = "elementwise",
	[OPERATOR_COPY] = "copy",
	[OPERATOR_OTHER] = "other",
	[OPERATOR_START] = "graph start",
	[OPERATOR_SAMPLED] = "sampling",
	[OPERATOR_PROBES] = "probes",
};

const char *operator_class__name(enum operator_class class)
{
	return class_names[class];
}

/* ggml.c, GGML_OP_NAME. What is not here is `other`. */
static const struct {
	const char *name;
	enum operator_class class;
} operators[] = {
	{ "MUL_MAT", OPERATOR_MATMUL },
	{ "MUL_MAT_ID", OPERATOR_MATMUL },
	{ "OUT_PROD", OPERATOR_MATMUL },
	{ "FLASH_ATTN_EXT", OPERATOR_ATTENTION },
	{ "LIGHTNING_INDEXER", OPERATOR_ATTENTION },
	{ "SSM_CONV", OPERATOR_RECURRENCE },
	{ "SSM_SCAN", OPERATOR_RECURRENCE },
	{ "RWKV_WKV6", OPERATOR_RECURRENCE },
	{ "RWKV_WKV7", OPERATOR_RECURRENCE },
	{ "GATED_LINEAR_ATTN", OPERATOR_RECURRENCE },
	{ "GATED_DELTA_NET", OPERATOR_RECURRENCE },
	{ "SOLVE_TRI", OPERATOR_RECURRENCE },
	{ "NORM", OPERATOR_NORM },
	{ "RMS_NORM", OPERATOR_NORM },
	{ "GROUP_NORM", OPERATOR_NORM },
	{ "L2_NORM", OPERATOR_NORM },
	{ "ROPE", OPERATOR_ROPE },
	{ "GET_ROWS", OPERATOR_COPY },
	{ "SET_ROWS", OPERATOR_COPY },
	{ "SET", OPERATOR_COPY },
	{ "CPY", OPERATOR_COPY },
	{ "CONT", OPERATOR_COPY },
	{ "DUP", OPERATOR_COPY },
	{ "CONCAT", OPERATOR_COPY },
	{ "REPEAT", OPERATOR_COPY },
	{ "PAD", OPERATOR_COPY },
	{ "ROLL", OPERATOR_COPY },
	{ "ADD", OPERATOR_ELEMENTWISE },
	{ "ADD_ID", OPERATOR_ELEMENTWISE },
	{ "ADD1", OPERATOR_ELEMENTWISE },
	{ "ACC", OPERATOR_ELEMENTWISE },
	{ "SUB", OPERATOR_ELEMENTWISE },
	{ "MUL", OPERATOR_ELEMENTWISE },
	{ "DIV", OPERATOR_ELEMENTWISE },
	{ "SQR", OPERATOR_ELEMENTWISE },
	{ "SQRT", OPERATOR_ELEMENTWISE },
	{ "LOG", OPERATOR_ELEMENTWISE },
	{ "SIN", OPERATOR_ELEMENTWISE },
	{ "COS", OPERATOR_ELEMENTWISE },
	{ "SUM", OPERATOR_ELEMENTWISE },
	{ "SUM_ROWS", OPERATOR_ELEMENTWISE },
	{ "CUMSUM", OPERATOR_ELEMENTWISE },
	{ "MEAN", OPERATOR_ELEMENTWISE },
	{ "SCALE", OPERATOR_ELEMENTWISE },
	{ "CLAMP", OPERATOR_ELEMENTWISE },
	{ "SOFT_MAX", OPERATOR_ELEMENTWISE },
	{ "LEAKY_RELU", OPERATOR_ELEMENTWISE },
	{ "UNARY", OPERATOR_ELEMENTWISE },
	{ "GLU", OPERATOR_ELEMENTWISE },
	{ "FILL", OPERATOR_ELEMENTWISE },
	{ "TRI", OPERATOR_ELEMENTWISE },
};

static bool is_operator_character(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool operator_names__add(struct operator_names *names, const char *text, size_t size)
{
	size_t n = strnlen(text, size);

	if (names->n == MAX_OPERATORS || n == 0 || n == size || n >= MAX_OPERATOR_NAME)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_operator_character(text[i]))
			return false;
	memcpy(names->name[names->n], text, n + 1);
	names->n++;
	return true;
}

bool operator_names__plausible(const struct operator_names *names)
{
	static const char *const needed[] = { "ADD", "MUL", "MUL_MAT", "RMS_NORM", "ROPE", "GET_ROWS", "SOFT_MAX" };
	size_t n_found = 0;

	if (names->n == 0 || strcmp(names->name[0], "NONE") != 0)
		return false;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		for (uint32_t k = 0; k < names->n; k++)
			if (strcmp(names->name[k], needed[i]) == 0) {
				n_found++;
				break;
			}
	return n_found == sizeof(needed) / sizeof(needed[0]);
}

bool node_name__valid(const char *name, size_t size)
{
	const size_t n = strnlen(name, size);

	if (n == size)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < ' ' || (unsigned char)name[i] > '~')
			return false;
	return true;
}

/* The number that begins here and ends before one of `ends`, or with the text. */
static int number_before(const char *text, const char *ends)
{
	int number = 0;
	size_t n = 0;

	for (; text[n] >= '0' && text[n] <= '9'; n++) {
		number = 10 * number + (text[n] - '0');
		if (number >= MOST_LAYERS)
			return LAYER_NONE;
	}
	return n > 0 && (!text[n] || strchr(ends, text[n])) ? number : LAYER_NONE;
}

int node_name__layer(const char *name)
{
	static const struct {
		const char *mark, *ends;
	} marks[] = { { "-", " " }, { "_l", " " }, { "blk.", "." } };

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		for (const char *at = strstr(name, marks[i].mark); at; at = strstr(at + 1, marks[i].mark)) {
			const int layer = number_before(at + strlen(marks[i].mark), marks[i].ends);

			if (layer != LAYER_NONE)
				return layer;
		}
	return LAYER_NONE;
}

/*
 * Attention without the fused operator is several, which llm_graph_context::build_attn_mha names kq, kq_soft_max, kqv, ...; a norm
 * that is not fused is followed by the multiplication with its weights; and rows are looked up in the table of embeddings.
 */
enum operator_class node__class(const char *operator_name, const char *name)
{
	enum operator_class class = OPERATOR_OTHER;

	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
		if (strcmp(operators[i].name, operator_name) == 0)
			class = operators[i].class;
	if (strncmp(name, "kq", 2) == 0 && class != OPERATOR_OTHER)
		return OPERATOR_ATTENTION;
	if (class == OPERATOR_ELEMENTWISE && strstr(name, "norm") &&
	    (strcmp(operator_name, "MUL") == 0 || strcmp(operator_name, "ADD") == 0))
		return OPERATOR_NORM;
	if (strcmp(operator_name, "GET_ROWS") == 0 && strstr(name, "embd"))
		return OPERATOR_EMBEDDING;
	return class;
}
