/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from the figures of a GGUF header, and from those of all parts of a model that is split over files. */
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "userspace/gguf.h"

/* Every figure of struct model_facts. */
static const size_t figures[] = {
#define FIGURE(name) offsetof(struct model_facts, name)
	FIGURE(file_type),
	FIGURE(n_layers),
	FIGURE(n_embd),
	FIGURE(n_ff),
	FIGURE(n_heads),
	FIGURE(n_kv_heads),
	FIGURE(key_length),
	FIGURE(value_length),
	FIGURE(context_length),
	FIGURE(n_vocab),
	FIGURE(n_experts),
	FIGURE(n_experts_used),
	FIGURE(sliding_window),
	FIGURE(split_no),
	FIGURE(split_count),
	FIGURE(n_params),
	FIGURE(weight_bytes),
	FIGURE(active_params),
	FIGURE(active_weight_bytes),
	FIGURE(attention_flops_per_pair),
	FIGURE(kv_elements_per_token),
	FIGURE(n_nextn_layers),
#undef FIGURE
};

void model_facts__clear(struct model_facts *f)
{
	static const int64_t absent = ABSENT;

	memset(f, 0, sizeof(*f));
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		memcpy((char *)f + figures[i], &absent, sizeof(absent));
	for (int i = 0; i < N_TENSOR_CLASSES; i++)
		f->params[i] = f->bytes[i] = ABSENT;
}

/* a + b; ABSENT where one is or there is no such figure. */
static int64_t add(int64_t a, int64_t b)
{
	int64_t sum;

	return a == ABSENT || b == ABSENT || __builtin_add_overflow(a, b, &sum) ? ABSENT : sum;
}

/* The part of the experts that one token takes. */
static int64_t used(const struct model_facts *f, int64_t experts)
{
	if (experts == ABSENT || experts == 0)
		return experts;
	if (f->n_experts == ABSENT || f->n_experts_used == ABSENT || f->n_experts < 1 ||
	    f->n_experts_used > f->n_experts)
		return ABSENT;
	return (int64_t)((__int128)experts * f->n_experts_used / f->n_experts);
}

static int64_t active(const struct model_facts *f, const int64_t sums[N_TENSOR_CLASSES])
{
	int64_t sum = add(add(sums[TENSOR_OTHER], sums[TENSOR_OUTPUT]), used(f, sums[TENSOR_EXPERT]));

	/* Tied: the embedding table is the output matrix too. */
	return f->params[TENSOR_OUTPUT] == 0 && !f->no_output ? add(sum, sums[TENSOR_EMBEDDING]) : sum;
}

/* The format with the most bytes among those with fewer than `below`, the first of several. @return TENSOR_TYPES: none */
static uint32_t next_type(const struct model_facts *f, int64_t below, uint32_t after)
{
	uint32_t found = TENSOR_TYPES;

	for (uint32_t i = 0; i < TENSOR_TYPES; i++) {
		const int64_t n = f->type_bytes[i];

		if (n > 0 && (n < below || (n == below && i > after)) &&
		    (found == TENSOR_TYPES || n > f->type_bytes[found]))
			found = i;
	}
	return found;
}

static void list_types(struct model_facts *f)
{
	int64_t below = INT64_MAX;
	uint32_t type = TENSOR_TYPES;
	size_t n = 0;

	f->tensor_types[0] = 0;
	while ((type = next_type(f, below, type)) < TENSOR_TYPES && n < sizeof(f->tensor_types)) {
		if (n == 0)
			snprintf(f->quantization, sizeof(f->quantization), "%s", tensor_type__name(type));
		below = f->type_bytes[type];
		n += (size_t)snprintf(f->tensor_types + n, sizeof(f->tensor_types) - n, "%s%s %" PRId64, n ? ", " : "",
				      tensor_type__name(type), below);
	}
}

void model_facts__derive(struct model_facts *f)
{
	f->n_params = f->weight_bytes = 0;
	for (int i = 0; i < N_TENSOR_CLASSES; i++) {
		f->n_params = add(f->n_params, f->params[i]);
		f->weight_bytes = add(f->weight_bytes, f->bytes[i]);
	}
	list_types(f);
	f->active_params = active(f, f->params);
	f->active_weight_bytes = active(f, f->bytes);
}

int64_t model_facts__kv_bytes_f16(const struct model_facts *f)
{
	int64_t bytes;

	if (f->kv_elements_per_token == ABSENT || __builtin_mul_overflow(f->kv_elements_per_token, 2, &bytes))
		return ABSENT;
	return bytes;
}

/* --- a model in several files --------------------------------------------------------------------------------------- */

static const struct model_facts *find_part(const struct model_facts *parts, size_t n, int64_t no)
{
	for (size_t i = 0; i < n; i++)
		if (parts[i].split_no == no && parts[i].split_count == (int64_t)n)
			return &parts[i];
	return NULL;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void add_part(struct model_facts *out, const struct model_facts *part)
{
	/* Of safetensors files no part has keys: these follow from the names of its tensors. */
	out->n_layers = larger(out->n_layers, part->n_layers);
	out->n_experts = larger(out->n_experts, part->n_experts);
	out->n_vocab = larger(out->n_vocab, part->n_vocab);
	out->n_embd = larger(out->n_embd, part->n_embd);
	for (int i = 0; i < N_TENSOR_CLASSES; i++) {
		out->params[i] = add(out->params[i], part->params[i]);
		out->bytes[i] = add(out->bytes[i], part->bytes[i]);
	}
	for (uint32_t i = 0; i < TENSOR_TYPES; i++)
		if (__builtin_add_overflow(out->type_bytes[i], part->type_bytes[i], &out->type_bytes[i]))
			out->type_bytes[i] = INT64_MAX;
	if (!out->missing[0])
		memcpy(out->missing, part->missing, sizeof(out->missing));
}

static int join_digests(struct model_facts *out, const struct model_facts *parts, size_t n)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned int n_sum = 0;
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	bool good = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1;

	for (size_t i = 0; i < n && good; i++)
		good = EVP_DigestUpdate(digest, find_part(parts, n, (int64_t)i)->digest, GGUF_DIGEST_SIZE - 1) == 1;
	good = good && EVP_DigestFinal_ex(digest, sum, &n_sum) == 1 && 2 * n_sum + 1 == GGUF_DIGEST_SIZE;
	EVP_MD_CTX_free(digest);
	for (unsigned int i = 0; i < n_sum && good; i++)
		snprintf(out->digest + 2 * i, 3, "%02x", sum[i]);
	return good ? 0 : -ENOMEM;
}

int model_facts__join(struct model_facts *out, const struct model_facts *parts, size_t n)
{
	const struct model_facts *part = find_part(parts, n, 0);

	model_facts__clear(out);
	for (size_t i = 0; i < n && part; i++)
		part = find_part(parts, n, (int64_t)i);
	if (!part) {
		snprintf(out->missing, sizeof(out->missing), "the files are not all parts of one model");
		return -EINVAL;
	}
	*out = *find_part(parts, n, 0);	/* which alone has the keys */
	for (size_t i = 1; i < n; i++)
		add_part(out, find_part(parts, n, (int64_t)i));
	model_facts__derive(out);
	/* Parts do not know which of their layers are of the ordinary forward pass. */
	if (out->n_nextn_layers != ABSENT && out->n_nextn_layers > 0)
		out->active_params = out->active_weight_bytes = ABSENT;
	return join_digests(out, parts, n);
}
