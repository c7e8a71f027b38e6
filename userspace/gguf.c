/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/gguf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/gguf_keys.h"

#define MAX_TENSORS 65536u
#define MAX_DIMENSIONS 4	/* GGML_MAX_DIMS of ggml.h */
#define MIN_TENSOR_BYTES 24	/* length of the name, number of dimensions, format, offset */
#define DEFAULT_ALIGNMENT 32
#define MAX_ALIGNMENT (1u << 20)

struct reader {
	struct gguf_cursor cursor;
	struct gguf_keys keys;
	struct model_facts *facts;
	uint64_t n_keys, n_tensors;
	uint64_t alignment;
	int64_t first_nextn_layer;	/* ABSENT: none */
	uint64_t data_end;		/* of the tensor that ends last, from the start of the data */
	char data_end_name[GGUF_NAME_SIZE];
	uint32_t unknown_type;		/* a number format that is not known; 0: none, for 0 is */
};

/* --- the beginning -------------------------------------------------------------------------------------------------- */

static int read_start(struct reader *r)
{
	struct gguf_cursor *c = &r->cursor;
	unsigned char magic[4];
	uint32_t version = 0;
	int err = gguf_cursor__take(c, magic, sizeof(magic), "the word GGUF");

	if (!err && memcmp(magic, "GGUF", 4) != 0)
		return gguf_cursor__refuse(c, 0, "the file does not begin with GGUF but with %02x %02x %02x %02x",
					   magic[0], magic[1], magic[2], magic[3]);
	if (!err)
		err = gguf_cursor__u32(c, &version, "the version");
	if (!err && version != 2 && version != 3) {
		if ((version & 0xffff) == 0 && version)
			gguf_cursor__refuse(c, 4, "a big-endian file; only little-endian ones are read");
		else
			gguf_cursor__refuse(c, 4, "version %" PRIu32 " of GGUF; only 2 and 3 are read", version);
		return -ENOTSUP;
	}
	if (!err)
		err = gguf_cursor__u64(c, &r->n_tensors, "the number of tensors");
	return err ? err : gguf_cursor__u64(c, &r->n_keys, "the number of keys");
}

/* --- what the keys say ---------------------------------------------------------------------------------------------- */

static int64_t figure(const struct reader *r, enum gguf_key key)
{
	struct gguf_number number = gguf_keys__get(&r->keys, key);

	return number.at && number.n && number.min == number.max ? number.min : ABSENT;
}

static int take_alignment(struct reader *r)
{
	struct gguf_number number = gguf_keys__get(&r->keys, GGUF_ALIGNMENT);

	r->alignment = number.at ? (uint64_t)number.min : DEFAULT_ALIGNMENT;
	if (r->alignment == 0 || (r->alignment & (r->alignment - 1)) || r->alignment > MAX_ALIGNMENT)
		return gguf_cursor__refuse(&r->cursor, number.at,
					   "'general.alignment' is %" PRIu64 ", not a power of two up to %u",
					   r->alignment, MAX_ALIGNMENT);
	return 0;
}

/* A figure that may be given per layer. @return its sum over all layers in *sum, ABSENT where it is not given */
static int per_layer(struct reader *r, enum gguf_key key, const char *name, int64_t *sum)
{
	const struct model_facts *f = r->facts;
	struct gguf_number number = gguf_keys__get(&r->keys, key);

	*sum = ABSENT;
	if (!number.at || f->n_layers == ABSENT)
		return 0;
	if (number.is_array && number.n != (uint64_t)f->n_layers)
		return gguf_cursor__refuse(&r->cursor, number.at,
					   "'%s.%s' has %" PRIu64 " values for %" PRId64 " layers", f->arch, name,
					   number.n, f->n_layers);
	/* Which of them are the last ones is not kept, so with such an array they cannot be left out. */
	if (number.is_array && r->first_nextn_layer != ABSENT)
		return 0;
	if (number.is_array)
		*sum = number.sum;
	else if (__builtin_mul_overflow(number.sum, r->first_nextn_layer != ABSENT ? r->first_nextn_layer : f->n_layers,
					sum))
		*sum = ABSENT;
	return 0;
}

/* factor * sum * (a + b); ABSENT where one is, or where the product is no figure. */
static int64_t product(int64_t factor, int64_t sum, int64_t a, int64_t b)
{
	int64_t out;

	if (sum == ABSENT || a == ABSENT || b == ABSENT || __builtin_mul_overflow(sum, a + b, &out) ||
	    __builtin_mul_overflow(out, factor, &out))
		return ABSENT;
	return out;
}

static int take_attention(struct reader *r)
{
	struct model_facts *f = r->facts;
	int64_t heads, kv_heads;
	int err = per_layer(r, GGUF_HEAD_COUNT, "attention.head_count", &heads);

	if (!err)
		err = per_layer(r, GGUF_HEAD_COUNT_KV, "attention.head_count_kv", &kv_heads);
	if (err)
		return err;
	f->n_heads = figure(r, GGUF_HEAD_COUNT);
	f->n_kv_heads = figure(r, GGUF_HEAD_COUNT_KV);
	/* docs/gguf.md: not given means as many as there are heads. */
	if (!gguf_keys__get(&r->keys, GGUF_HEAD_COUNT_KV).at) {
		f->n_kv_heads = f->n_heads;
		kv_heads = heads;
	}
	f->key_length = figure(r, GGUF_KEY_LENGTH);
	f->value_length = figure(r, GGUF_VALUE_LENGTH);
	if (f->n_heads != ABSENT && f->n_heads > 0 && f->n_embd != ABSENT) {
		f->key_length = f->key_length == ABSENT ? f->n_embd / f->n_heads : f->key_length;
		f->value_length = f->value_length == ABSENT ? f->n_embd / f->n_heads : f->value_length;
	}
	f->layers_differ = gguf_keys__get(&r->keys, GGUF_LAYERS_DIFFER).at != 0;
	if (f->layers_differ)
		return 0;
	f->attention_flops_per_pair = product(2, heads, f->key_length, f->value_length);
	f->kv_elements_per_token = product(1, kv_heads, f->key_length, f->value_length);
	return 0;
}

static int take_keys(struct reader *r)
{
	struct model_facts *f = r->facts;

	memcpy(f->arch, r->keys.architecture, sizeof(f->arch));
	memcpy(f->name, r->keys.name, sizeof(f->name));
	f->file_type = figure(r, GGUF_FILE_TYPE);
	f->split_no = figure(r, GGUF_SPLIT_NO);
	f->split_count = figure(r, GGUF_SPLIT_COUNT);
	if (f->split_count == ABSENT || f->split_count <= 1)
		f->split_no = f->split_count = ABSENT;
	f->n_layers = figure(r, GGUF_BLOCK_COUNT);
	f->n_embd = figure(r, GGUF_EMBEDDING_LENGTH);
	f->n_ff = figure(r, GGUF_FEED_FORWARD_LENGTH);
	f->context_length = figure(r, GGUF_CONTEXT_LENGTH);
	f->n_vocab = figure(r, GGUF_VOCAB_SIZE);
	if (f->n_vocab == ABSENT)
		f->n_vocab = figure(r, GGUF_TOKENS);
	f->n_experts = figure(r, GGUF_EXPERT_COUNT);
	f->n_experts_used = figure(r, GGUF_EXPERT_USED_COUNT);
	f->sliding_window = figure(r, GGUF_SLIDING_WINDOW);
	f->n_nextn_layers = figure(r, GGUF_NEXTN_PREDICT_LAYERS);
	r->first_nextn_layer = ABSENT;
	if (f->n_nextn_layers != ABSENT && f->n_nextn_layers > 0 && f->n_layers >= f->n_nextn_layers)
		r->first_nextn_layer = f->n_layers - f->n_nextn_layers;
	f->no_output = figure(r, GGUF_CAUSAL) == 0 || figure(r, GGUF_POOLING_TYPE) > 0;
	return take_attention(r);
}

/* --- tensors -------------------------------------------------------------------------------------------------------- */

static bool starts_with(const char *name, const char *start)
{
	return strncmp(name, start, strlen(start)) == 0;
}

/*
 * "blk.3.ffn_up_exps.weight", all experts in one; in files of 2023 "blk.3.ffn_up.7.weight", one each. Not "_shexp",
 * the shared expert, of which every token takes all. Names: gguf-py/gguf/constants.py of llama.cpp, TENSOR_NAMES.
 */
static bool is_expert(const char *in_block)
{
	char kind[8];
	int n = 0;
	unsigned int expert;

	if (!starts_with(in_block, "ffn_"))
		return false;
	if (strstr(in_block, "_exps."))
		return true;
	return sscanf(in_block, "ffn_%7[a-z].%5u.%n", kind, &expert, &n) == 2 && n > 0;
}

static enum tensor_class classify(const struct reader *r, const char *name)
{
	static const char *const lookups[] = { "per_layer_token_embd.", "position_embd.", "token_types." };
	unsigned int layer;
	int n = 0;

	if (starts_with(name, "token_embd."))
		return TENSOR_EMBEDDING;
	for (size_t i = 0; i < sizeof(lookups) / sizeof(lookups[0]); i++)
		if (starts_with(name, lookups[i]))
			return TENSOR_LOOKUP;
	if (starts_with(name, "output.") || starts_with(name, "cls."))
		return TENSOR_OUTPUT;
	if (sscanf(name, "blk.%6u.%n", &layer, &n) != 1 || n == 0)
		return TENSOR_OTHER;
	if (r->first_nextn_layer != ABSENT && layer >= r->first_nextn_layer)
		return TENSOR_NEXTN;
	return is_expert(name + n) ? TENSOR_EXPERT : TENSOR_OTHER;
}

/* Multiplies *n by all dimensions and *row by the first. */
static int take_dimensions(struct reader *r, const char *name, int64_t *n, uint64_t *row)
{
	struct gguf_cursor *c = &r->cursor;
	uint32_t n_dimensions = 0;
	uint64_t at = c->at, size;
	int err = gguf_cursor__u32(c, &n_dimensions, "the number of dimensions");

	if (!err && n_dimensions > MAX_DIMENSIONS)
		return gguf_cursor__refuse(c, at, "tensor '%.64s' has %" PRIu32 " dimensions, where %d are the most",
					   name, n_dimensions, MAX_DIMENSIONS);
	for (uint32_t i = 0; i < n_dimensions && !err; i++) {
		at = c->at;
		err = gguf_cursor__u64(c, &size, "a dimension");
		if (err)
			break;
		if (size == 0)
			return gguf_cursor__refuse(c, at, "tensor '%.64s' has a dimension of 0", name);
		if (size > INT64_MAX || __builtin_mul_overflow(*n, (int64_t)size, n))
			return gguf_cursor__refuse(c, at, "tensor '%.64s' has more than 2^63 elements", name);
		if (i == 0)
			*row *= size;
	}
	return err;
}

/* The bytes of a tensor, and that the file has room for them. */
static int take_place(struct reader *r, const char *name, uint64_t at, uint32_t type, uint64_t offset, int64_t n,
		      uint64_t row, int64_t *bytes)
{
	const struct ggml_type_size *size = ggml_type__find(type);
	struct gguf_cursor *c = &r->cursor;
	uint64_t end;

	*bytes = ABSENT;
	if (offset % r->alignment)
		return gguf_cursor__refuse(c, at,
					   "tensor '%.64s' begins at byte %" PRIu64
					   " of the data, no multiple of the alignment %" PRIu64,
					   name, offset, r->alignment);
	if (!size) {
		r->unknown_type = type;
		return 0;
	}
	if (row % size->block_weights)
		return gguf_cursor__refuse(
			c, at, "tensor '%.64s' has rows of %" PRIu64 " weights, which are no whole blocks of %s", name,
			row, size->name);
	if (__builtin_mul_overflow(n / size->block_weights, (int64_t)size->block_bytes, bytes) ||
	    __builtin_add_overflow(offset, (uint64_t)*bytes, &end) || end > c->source->size)
		return gguf_cursor__refuse(c, at,
					   "tensor '%.64s', %" PRId64 " weights in %s from byte %" PRIu64
					   " of the data on, runs past the file's end at byte %" PRIu64,
					   name, n, size->name, offset, c->source->size);
	if (end > r->data_end) {
		r->data_end = end;
		memcpy(r->data_end_name, name, sizeof(r->data_end_name));
	}
	return 0;
}

static int take_tensor(struct reader *r, struct gguf_names *names)
{
	char name[GGUF_NAME_SIZE];
	struct gguf_cursor *c = &r->cursor;
	struct model_facts *f = r->facts;
	enum tensor_class class;
	uint64_t at = c->at, hash = 0, row = 1, offset = 0;
	int64_t n = 1, bytes = ABSENT;
	uint32_t type = 0;
	int err = gguf__take_name(c, name, &hash, sizeof(name) - 1, "a tensor's name");

	if (!err)
		err = gguf_names__add(names, hash);
	if (!err)
		err = take_dimensions(r, name, &n, &row);
	if (!err)
		err = gguf_cursor__u32(c, &type, "a tensor's format");
	if (!err)
		err = gguf_cursor__u64(c, &offset, "a tensor's offset");
	if (!err)
		err = take_place(r, name, at, type, offset, n, row, &bytes);
	if (err)
		return err;
	class = classify(r, name);
	if (__builtin_add_overflow(f->params[class], n, &f->params[class]))
		return gguf_cursor__refuse(c, at, "tensor '%.64s' makes more than 2^63 weights in all", name);
	if (bytes == ABSENT)
		return 0;
	if (__builtin_add_overflow(f->bytes[class], bytes, &f->bytes[class]) ||
	    __builtin_add_overflow(f->type_bytes[type], bytes, &f->type_bytes[type]))
		return gguf_cursor__refuse(c, at, "tensor '%.64s' makes more than 2^63 bytes in all", name);
	return 0;
}

static int read_tensors(struct reader *r)
{
	struct gguf_names names = { NULL, 0, 0 };
	struct gguf_cursor *c = &r->cursor;
	int err = gguf_cursor__expect(c, r->n_tensors, MIN_TENSOR_BYTES, "tensors");

	if (!err && r->n_tensors > MAX_TENSORS)
		err = gguf_cursor__refuse(c, c->at, "%" PRIu64 " tensors; more than %u are not read", r->n_tensors,
					  MAX_TENSORS);
	for (uint64_t i = 0; i < r->n_tensors && !err; i++)
		err = take_tensor(r, &names);
	if (!err && gguf_names__has_double(&names))
		err = gguf_cursor__refuse(c, c->at, "the tensors end here, and one of them is there twice");
	free(names.hashes);
	return err;
}

/* The tensors' data begins at the next multiple of the alignment, and is what the rest of the file has room for. */
static int check_data(const struct reader *r)
{
	const struct gguf_cursor *c = &r->cursor;
	uint64_t start = (c->at + r->alignment - 1) & ~(r->alignment - 1), room, sum = 0;
	bool overflow = false;

	room = c->source->size > start ? c->source->size - start : 0;
	if (r->data_end > room)
		return gguf_cursor__refuse(
			c, start, "tensor '%.64s' ends %" PRIu64 " bytes from here, but the file only has %" PRIu64,
			r->data_end_name, r->data_end, room);
	for (int i = 0; i < N_TENSOR_CLASSES && !overflow; i++)
		overflow = __builtin_add_overflow(sum, (uint64_t)r->facts->bytes[i], &sum);
	if (overflow || sum > room)
		return gguf_cursor__refuse(c, start, "the tensors overlap: %" PRIu64 " bytes of them in %" PRIu64, sum,
					   room);
	return 0;
}

/* --- the interface -------------------------------------------------------------------------------------------------- */

static void forget_bytes(struct model_facts *f)
{
	for (int i = 0; i < N_TENSOR_CLASSES; i++)
		f->bytes[i] = ABSENT;
	memset(f->type_bytes, 0, sizeof(f->type_bytes));
}

static int read_header(struct reader *r)
{
	int err = read_start(r);

	if (!err)
		err = gguf_keys__read(&r->keys, &r->cursor, r->n_keys);
	if (!err)
		err = take_alignment(r);
	if (!err)
		err = take_keys(r);
	if (!err)
		err = read_tensors(r);
	if (!err)
		err = check_data(r);
	if (!err)
		err = gguf_cursor__digest(&r->cursor, r->facts->digest);
	if (err)
		return err;
	if (r->unknown_type) {
		forget_bytes(r->facts);
		snprintf(r->facts->missing, sizeof(r->facts->missing),
			 "it has tensors in the number format %" PRIu32 ", whose size this tokprof does not know",
			 r->unknown_type);
	}
	model_facts__derive(r->facts);
	return 0;
}

int gguf__read(struct model_facts *out, const struct gguf_source *source, char *error, size_t size)
{
	struct reader *r = calloc(1, sizeof(*r));
	int err = r ? 0 : -ENOMEM;

	error[0] = 0;
	model_facts__clear(out);
	if (!err)
		err = gguf_cursor__init(&r->cursor, source, error, size);
	if (!err) {
		memset(out->params, 0, sizeof(out->params));
		memset(out->bytes, 0, sizeof(out->bytes));
		r->facts = out;
		err = read_header(r);
	}
	if (err && !error[0])
		snprintf(error, size, "%s", strerror(-err));
	if (err)
		model_facts__clear(out);
	if (r) {
		gguf_cursor__free(&r->cursor);
		gguf_keys__free(&r->keys);
	}
	free(r);
	return err;
}

static int read_fd(void *ctx, uint64_t offset, void *out, size_t n)
{
	int fd = *(const int *)ctx;
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(fd, (char *)out + done, n - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -ENODATA;	/* cut short since its size was asked */
		done += (size_t)got;
	}
	return 0;
}

int gguf_source__of_fd(struct gguf_source *out, int *fd, char *error, size_t size)
{
	struct stat st;
	int err = fstat(*fd, &st) ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;

	if (err)
		snprintf(error, size, "%s", err == -EINVAL ? "it is no regular file" : strerror(-err));
	else
		*out = (struct gguf_source){ .read = read_fd, .ctx = fd, .size = (uint64_t)st.st_size };
	return err;
}

int gguf__read_fd(struct model_facts *out, int fd, char *error, size_t size)
{
	struct gguf_source source;
	int err = gguf_source__of_fd(&source, &fd, error, size);

	if (err) {
		model_facts__clear(out);
		return err;
	}
	return gguf__read(out, &source, error, size);
}

static int read_memory(void *ctx, uint64_t offset, void *out, size_t n)
{
	memcpy(out, (const char *)ctx + offset, n);
	return 0;
}

struct gguf_source gguf_source__of_bytes(const void *bytes, size_t n)
{
	return (struct gguf_source){ .read = read_memory, .ctx = (void *)(uintptr_t)bytes, .size = n };
}

int gguf__read_bytes(struct model_facts *out, const void *bytes, size_t n, char *error, size_t size)
{
	const struct gguf_source source = gguf_source__of_bytes(bytes, n);

	return gguf__read(out, &source, error, size);
}
