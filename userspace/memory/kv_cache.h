/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The number format of an engine's cache of keys and values, which no header and no argument tells for sure: read off the tensors that
 * it is made of, as ggml has them in the server's memory. llama.cpp names them (src/llama-kv-cache.cpp: "cache_k_l%d", "cache_v_l%d"),
 * and a struct that calls itself so counts only where its sizes agree with each other.
 */
#ifndef TOKPROF_MEMORY_KV_CACHE_H
#define TOKPROF_MEMORY_KV_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_KV_TENSORS 4096
#define MAX_KV_CACHES 16

struct kv_tensor {
	uint64_t address;
	uint32_t layer;
	bool is_value;
	uint32_t type;		/* ggml's number of the format */
	int64_t elements;	/* of a token */
	int64_t bytes;		/* the same */
	int64_t n_tokens;	/* that it has room for */
};

struct kv_cache {
	uint64_t address;	/* of its first tensor */
	int64_t n_layers, n_tokens, elements_per_token, bytes_per_token;
	const char *type_k, *type_v;	/* NULL: not the same in all layers */
};

/* Tensors of caches in a copy of a server's memory that begins at `address` there; those already in `out` are passed over. @return how many there are now */
size_t kv_tensors__find(const unsigned char *bytes, size_t n, uint64_t address, struct kv_tensor *out, size_t n_out,
			size_t max);
/* Joined into caches: each has a layer's keys once. Sorts the tensors. @return how many caches, at most `max` */
size_t kv_caches__join(struct kv_tensor *tensors, size_t n, struct kv_cache *out, size_t max);

/*
 * All of a process. Only pages that are in its page tables are read, so that its memory is as it was; mappings with files and those of more
 * than 128 MiB (weights, buffers) are left out, since what is looked for was allocated with malloc. @return how many, negative errno
 */
int kv_caches__of_process(uint32_t pid, struct kv_cache *out, size_t max);

#endif
