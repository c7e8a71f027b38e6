/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts of a model, from the header of its GGUF file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
 *
 * The file belongs to a server that is not trusted, and may change while it is read. So it is read, not mapped (a file
 * cut short would raise SIGBUS), front to back and once, at most GGUF_MAX_HEADER bytes of it, and nothing is allocated
 * that the bytes read so far do not account for.
 */
#ifndef TOKPROF_GGUF_H
#define TOKPROF_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/ggml_type.h"
#include "userspace/recording.h"	/* ABSENT */

#define GGUF_MAX_HEADER (64u << 20)	/* the largest known, a vocabulary of 256k tokens with merges, has 16 MB */
#define GGUF_DIGEST_SIZE 65		/* 64 hexadecimal digits and the end */
#define GGUF_ERROR_SIZE 256

/* What a tensor is to the computation of a token. */
enum tensor_class {
	TENSOR_EMBEDDING,	/* the token embedding: one row is looked up, unless it is the output matrix too */
	TENSOR_LOOKUP,		/* other tables of which one row is looked up: positions, per-layer embeddings */
	TENSOR_OUTPUT,		/* the output matrix */
	TENSOR_EXPERT,		/* weights of which each token takes n_experts_used parts of n_experts */
	TENSOR_NEXTN,		/* layers that predict further tokens; not in the ordinary forward pass */
	TENSOR_OTHER,		/* every token takes all of it */
	N_TENSOR_CLASSES,
};

/* ABSENT and "": the header does not say. In a part of a split model, sums are of this part. */
struct model_facts {
	char arch[64], name[256];
	char quantization[16];		/* number format that most bytes of the weights have: "F16", "Q4_K" */
	char tensor_types[128];		/* bytes by number format, the most first: "Q8_0 31261696, F32 34816" */
	char digest[GGUF_DIGEST_SIZE];	/* SHA-256 over the header and the file's size as 8 bytes, little-endian */
	char missing[GGUF_ERROR_SIZE];	/* which facts are absent although the header was read, and why; "" none */

	int64_t file_type;		/* enum llama_ftype of llama.h: what its maker calls the mix of formats */
	int64_t n_layers, n_embd, n_ff;
	int64_t n_heads, n_kv_heads;	/* of a layer; ABSENT where layers differ */
	int64_t key_length, value_length;	/* of a head */
	int64_t context_length, n_vocab, n_experts, n_experts_used;
	int64_t sliding_window;		/* tokens that some or all layers look back at most; ABSENT: all of them */
	int64_t split_no, split_count;	/* part of a model in several files, from 0; ABSENT: one file */

	int64_t params[N_TENSOR_CLASSES], bytes[N_TENSOR_CLASSES];
	int64_t type_bytes[TENSOR_TYPES];
	int64_t n_params, weight_bytes;

	/* For the cost of a step. */
	int64_t active_params, active_weight_bytes;	/* that one token is computed with */
	/*
	 * Over all layers, for a query and a key that it attends to: 2 n_heads (key_length + value_length), that is
	 * 4 n_layers d_attn with d_attn = n_heads * key_length where both lengths are equal.
	 */
	int64_t attention_flops_per_pair;
	int64_t kv_elements_per_token;	/* sum over layers of n_kv_heads (key_length + value_length) */

	/* For model_facts__derive(). */
	bool no_output;			/* an embedding model: nothing is multiplied by an output matrix */
	bool layers_differ;		/* attention is not alike in all layers, in a way that the header does not tell */
	int64_t n_nextn_layers;
};

/* Bytes of a file. read(): 0, or a negative errno where not all n bytes could be read. */
struct gguf_source {
	int (*read)(void *ctx, uint64_t offset, void *out, size_t n);
	void *ctx;
	uint64_t size;
};

/* A regular file; *fd must live as long. @return 0; a negative errno and a sentence */
int gguf_source__of_fd(struct gguf_source *out, int *fd, char *error, size_t size);
/* Bytes in memory, which must live as long. */
struct gguf_source gguf_source__of_bytes(const void *bytes, size_t n);

/*
 * @error	where a sentence goes: what, at which byte, why; GGUF_ERROR_SIZE is enough
 * @return	0; -EBADMSG: no GGUF file, damaged, or made to deceive; -ENOTSUP: of a version or byte order that is not
 *		read; -EFBIG: its header is beyond GGUF_MAX_HEADER; -EIO and others of read(); -ENOMEM. All facts are
 *		absent then
 */
int gguf__read(struct model_facts *out, const struct gguf_source *source, char *error, size_t size);
int gguf__read_fd(struct model_facts *out, int fd, char *error, size_t size);	/* regular files only: else -EINVAL */
int gguf__read_bytes(struct model_facts *out, const void *bytes, size_t n, char *error, size_t size);

/* Bytes of keys and values for one token of context, were the cache made of 16-bit numbers: the engine's default, and
 * an assumption, since the file does not tell. */
int64_t model_facts__kv_bytes_f16(const struct model_facts *f);

void model_facts__clear(struct model_facts *f);
/* The sums and what follows from them, from `params`, `bytes`, `type_bytes` and the header's figures. */
void model_facts__derive(struct model_facts *f);
/*
 * The facts of a split model from those of all of its parts, in any order.
 * @return 0; -EINVAL where they are not the parts of one model, with the sentence in out->missing
 */
int model_facts__join(struct model_facts *out, const struct model_facts *parts, size_t n);

#endif
