/* SPDX-License-Identifier: Apache-2.0 */
/* GGUF files made by hand, after https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. */
#ifndef TOKPROF_GGUF_EXAMPLE_H
#define TOKPROF_GGUF_EXAMPLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/gguf.h"

enum { F32 = 0, F16 = 1, Q8_0 = 8, Q4_K = 12, Q6_K = 14 };
enum { T_U8, T_I8, T_U16, T_I16, T_U32, T_I32, T_F32, T_BOOL, T_STRING, T_ARRAY, T_U64, T_I64, T_F64 };

struct gguf_file {
	unsigned char *bytes;
	size_t n;
	uint64_t n_keys, n_tensors;
	uint64_t data;		/* bytes of tensors so far */
};

static inline void put(struct gguf_file *g, const void *bytes, size_t n)
{
	g->bytes = realloc(g->bytes, g->n + n + 1);
	assert_non_null(g->bytes);
	memcpy(g->bytes + g->n, bytes, n);
	g->n += n;
}

static inline void put_number(struct gguf_file *g, uint64_t value, size_t n_bytes)
{
	unsigned char bytes[8];

	for (size_t i = 0; i < n_bytes; i++)
		bytes[i] = (unsigned char)(value >> 8 * i);
	put(g, bytes, n_bytes);
}

static inline void put_text(struct gguf_file *g, const char *text)
{
	put_number(g, strlen(text), 8);
	put(g, text, strlen(text));
}

/* Counts are set by gguf_file__end(). */
static inline struct gguf_file gguf_file__begin(uint32_t version)
{
	struct gguf_file g = { NULL, 0, 0, 0, 0 };

	put(&g, "GGUF", 4);
	put_number(&g, version, 4);
	put_number(&g, 0, 8);
	put_number(&g, 0, 8);
	return g;
}

static inline void key(struct gguf_file *g, const char *name, uint32_t type)
{
	put_text(g, name);
	put_number(g, type, 4);
	g->n_keys++;
}

static inline void key_u32(struct gguf_file *g, const char *name, uint32_t value)
{
	key(g, name, T_U32);
	put_number(g, value, 4);
}

static inline void key_text(struct gguf_file *g, const char *name, const char *value)
{
	key(g, name, T_STRING);
	put_text(g, value);
}

static inline void key_array(struct gguf_file *g, const char *name, uint32_t type, uint64_t n)
{
	key(g, name, T_ARRAY);
	put_number(g, type, 4);
	put_number(g, n, 8);
}

static inline void key_numbers(struct gguf_file *g, const char *name, size_t n, const uint32_t *values)
{
	key_array(g, name, T_U32, n);
	for (size_t i = 0; i < n; i++)
		put_number(g, values[i], 4);
}

/* @bytes	what it takes in the file */
static inline void tensor(struct gguf_file *g, const char *name, uint64_t columns, uint64_t rows, uint64_t depth,
			  uint32_t type, uint64_t bytes)
{
	put_text(g, name);
	put_number(g, 3, 4);
	put_number(g, columns, 8);
	put_number(g, rows, 8);
	put_number(g, depth, 8);
	put_number(g, type, 4);
	put_number(g, g->data, 8);
	g->data += (bytes + 31) / 32 * 32;
	g->n_tensors++;
}

static inline void set_counts(struct gguf_file *g)
{
	struct gguf_file counts = { NULL, 0, 0, 0, 0 };

	put_number(&counts, g->n_tensors, 8);
	put_number(&counts, g->n_keys, 8);
	memcpy(g->bytes + 8, counts.bytes, 16);
	free(counts.bytes);
}

/* The counts, and zeros in the place of weights. @return size of the header */
static inline size_t gguf_file__end(struct gguf_file *g)
{
	size_t header = g->n, size = (header + 31) / 32 * 32 + g->data;

	set_counts(g);
	if (g->n_tensors) {
		g->bytes = realloc(g->bytes, size);
		assert_non_null(g->bytes);
		memset(g->bytes + header, 0, size - header);
		g->n = size;
	}
	return header;
}

static inline void put_shape(struct gguf_file *g, const char *name)
{
	key_text(g, "general.architecture", "llama");
	key_text(g, "general.name", name);
	key_u32(g, "general.file_type", 1);
	key_u32(g, "llama.block_count", 2);
	key_u32(g, "llama.embedding_length", 64);
	key_u32(g, "llama.feed_forward_length", 96);
	key_u32(g, "llama.context_length", 4096);
	key_u32(g, "llama.attention.head_count", 4);
	key_u32(g, "llama.attention.head_count_kv", 2);
	key_array(g, "tokenizer.ggml.tokens", T_STRING, 10);
	for (int i = 0; i < 10; i++)
		put_text(g, "word");
}

/* Two layers of one matrix each, for what they have in common is what is told apart here. */
static inline void put_layers(struct gguf_file *g)
{
	tensor(g, "blk.0.attn_q.weight", 64, 64, 1, F16, 64 * 64 * 2);
	tensor(g, "blk.1.attn_q.weight", 64, 64, 1, F16, 64 * 64 * 2);
	tensor(g, "output_norm.weight", 64, 1, 1, F32, 64 * 4);
}

/* A dense model of two layers with grouped queries, an embedding and an output matrix in F16. */
static inline struct gguf_file small_model(const char *name)
{
	struct gguf_file g = gguf_file__begin(3);

	put_shape(&g, name);
	tensor(&g, "token_embd.weight", 64, 10, 1, F16, 64 * 10 * 2);
	put_layers(&g);
	tensor(&g, "output.weight", 64, 10, 1, F16, 64 * 10 * 2);
	return g;
}

#endif
