/* SPDX-License-Identifier: Apache-2.0 */
/* The keys and values of a GGUF header: those of interest are kept, all are checked. */
#ifndef TOKPROF_GGUF_KEYS_H
#define TOKPROF_GGUF_KEYS_H

#include "userspace/gguf_cursor.h"

#define GGUF_MAX_KEYS 65536u
#define GGUF_NAME_SIZE 256

enum gguf_key {
	GGUF_ARCHITECTURE,
	GGUF_NAME,
	GGUF_FILE_TYPE,
	GGUF_ALIGNMENT,
	GGUF_SPLIT_NO,
	GGUF_SPLIT_COUNT,
	GGUF_TOKENS,
	/* Of the architecture: */
	GGUF_BLOCK_COUNT,
	GGUF_EMBEDDING_LENGTH,
	GGUF_FEED_FORWARD_LENGTH,
	GGUF_CONTEXT_LENGTH,
	GGUF_VOCAB_SIZE,
	GGUF_HEAD_COUNT,
	GGUF_HEAD_COUNT_KV,
	GGUF_KEY_LENGTH,
	GGUF_VALUE_LENGTH,
	GGUF_EXPERT_COUNT,
	GGUF_EXPERT_USED_COUNT,
	GGUF_SLIDING_WINDOW,
	GGUF_NEXTN_PREDICT_LAYERS,
	GGUF_POOLING_TYPE,
	GGUF_CAUSAL,
	GGUF_LAYERS_DIFFER,
	N_GGUF_KEYS,
};

/* A figure, or one per layer. */
struct gguf_number {
	uint64_t at;	/* where the value stands in the file; 0: the key is not there */
	uint64_t n;	/* values: 1, or as many as the array has */
	int64_t sum, min, max;
	bool is_array;
};

struct gguf_key_found {
	enum gguf_key key;
	uint64_t prefix;	/* hash of what stands before the key's first point */
	struct gguf_number number;
};

struct gguf_keys {
	char architecture[64], name[GGUF_NAME_SIZE];
	struct gguf_key_found *found;
	size_t n_found, capacity;
};

/* A growing set of hashes of names, to find one that comes twice. */
struct gguf_names {
	uint64_t *hashes;
	size_t n, capacity;
};
/* @return 0, -ENOMEM */
int gguf_names__add(struct gguf_names *names, uint64_t hash);
/* Sorts. */
bool gguf_names__has_double(struct gguf_names *names);

/*
 * A string's first bytes, fit to be shown: what is no printable ASCII is '?'. @hash of all of it; may be NULL
 * @return 0 or negative errno
 */
int gguf__take_name(struct gguf_cursor *c, char out[GGUF_NAME_SIZE], uint64_t *hash, uint64_t max_bytes,
		    const char *what);

int gguf_keys__read(struct gguf_keys *k, struct gguf_cursor *c, uint64_t n_keys);
void gguf_keys__free(struct gguf_keys *k);
/* What the architecture, or the file, says of a key; number.at is 0 where it says nothing. */
struct gguf_number gguf_keys__get(const struct gguf_keys *k, enum gguf_key key);

#endif
