/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Most keys of interest begin with the name of the architecture, which may come after them. So each key is looked up by
 * what follows its first point and kept with a hash of what stands before it; gguf_keys__get() picks the architecture's.
 */
#include "userspace/gguf_keys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The format allows any depth; nothing known uses arrays of arrays. */
#define MAX_DEPTH 4
#define MAX_KEY_BYTES 65535	/* docs/gguf.md: "at most 2^16-1 bytes long" */
#define MIN_KEY_BYTES 13	/* length, type, one byte of value */

enum value_type { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64, N_VALUE_TYPES };

static const struct {
	const char *name;
	uint32_t bytes;		/* of a value; of a string or an array: the least */
	bool is_integer, is_signed;
} value_types[N_VALUE_TYPES] = {
	[U8] = { "uint8", 1, true, false },	  [I8] = { "int8", 1, true, true },
	[U16] = { "uint16", 2, true, false },	  [I16] = { "int16", 2, true, true },
	[U32] = { "uint32", 4, true, false },	  [I32] = { "int32", 4, true, true },
	[F32] = { "float32", 4, false, false },	  [BOOL] = { "bool", 1, true, false },
	[STRING] = { "string", 8, false, false }, [ARRAY] = { "array", 12, false, false },
	[U64] = { "uint64", 8, true, false },	  [I64] = { "int64", 8, true, true },
	[F64] = { "float64", 8, false, false },
};

enum want {
	WANT_TEXT,
	WANT_NUMBER,
	WANT_NUMBERS,	/* one, or one per layer */
	WANT_LENGTH,	/* how many values an array has */
	WANT_PRESENCE,
};

/* Names: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and gguf-py/gguf/constants.py of llama.cpp. */
static const struct wanted {
	const char *prefix;	/* NULL: the architecture */
	const char *rest;
	enum gguf_key key;
	enum want want;
} wanted[] = {
	{ "general", "architecture", GGUF_ARCHITECTURE, WANT_TEXT },
	{ "general", "name", GGUF_NAME, WANT_TEXT },
	{ "general", "file_type", GGUF_FILE_TYPE, WANT_NUMBER },
	{ "general", "alignment", GGUF_ALIGNMENT, WANT_NUMBER },
	{ "split", "no", GGUF_SPLIT_NO, WANT_NUMBER },
	{ "split", "count", GGUF_SPLIT_COUNT, WANT_NUMBER },
	{ "tokenizer", "ggml.tokens", GGUF_TOKENS, WANT_LENGTH },
	{ NULL, "block_count", GGUF_BLOCK_COUNT, WANT_NUMBER },
	{ NULL, "embedding_length", GGUF_EMBEDDING_LENGTH, WANT_NUMBER },
	{ NULL, "feed_forward_length", GGUF_FEED_FORWARD_LENGTH, WANT_NUMBERS },
	{ NULL, "context_length", GGUF_CONTEXT_LENGTH, WANT_NUMBER },
	{ NULL, "vocab_size", GGUF_VOCAB_SIZE, WANT_NUMBER },
	{ NULL, "attention.head_count", GGUF_HEAD_COUNT, WANT_NUMBERS },
	{ NULL, "attention.head_count_kv", GGUF_HEAD_COUNT_KV, WANT_NUMBERS },
	{ NULL, "attention.key_length", GGUF_KEY_LENGTH, WANT_NUMBER },
	{ NULL, "attention.value_length", GGUF_VALUE_LENGTH, WANT_NUMBER },
	{ NULL, "expert_count", GGUF_EXPERT_COUNT, WANT_NUMBER },
	{ NULL, "expert_used_count", GGUF_EXPERT_USED_COUNT, WANT_NUMBERS },
	{ NULL, "attention.sliding_window", GGUF_SLIDING_WINDOW, WANT_NUMBERS },
	{ NULL, "nextn_predict_layers", GGUF_NEXTN_PREDICT_LAYERS, WANT_NUMBER },
	{ NULL, "pooling_type", GGUF_POOLING_TYPE, WANT_NUMBER },
	{ NULL, "attention.causal", GGUF_CAUSAL, WANT_NUMBER },
	/*
	 * Latent attention (whether the engine caches values beside keys is its version's choice), layers that use the
	 * cache of another, that are recurrent, or whose heads are narrower: which layers, only the engine's code knows.
	 */
	{ NULL, "attention.key_length_mla", GGUF_LAYERS_DIFFER, WANT_PRESENCE },
	{ NULL, "attention.shared_kv_layers", GGUF_LAYERS_DIFFER, WANT_PRESENCE },
	{ NULL, "attention.key_length_swa", GGUF_LAYERS_DIFFER, WANT_PRESENCE },
	{ NULL, "full_attention_interval", GGUF_LAYERS_DIFFER, WANT_PRESENCE },
	{ NULL, "cross_attention_layers", GGUF_LAYERS_DIFFER, WANT_PRESENCE },
	{ NULL, "decoder_block_count", GGUF_LAYERS_DIFFER, WANT_PRESENCE },
};

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)

static uint64_t hash_bytes(uint64_t hash, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* --- names ---------------------------------------------------------------------------------------------------------- */

int gguf_names__add(struct gguf_names *names, uint64_t hash)
{
	if (names->n == names->capacity) {
		size_t capacity = names->capacity ? 2 * names->capacity : 64;
		uint64_t *bigger = realloc(names->hashes, capacity * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		names->hashes = bigger;
		names->capacity = capacity;
	}
	names->hashes[names->n++] = hash;
	return 0;
}

static int compare_hashes(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

	return (a > b) - (a < b);
}

bool gguf_names__has_double(struct gguf_names *names)
{
	if (names->n)
		qsort(names->hashes, names->n, sizeof(*names->hashes), compare_hashes);
	for (size_t i = 1; i < names->n; i++)
		if (names->hashes[i] == names->hashes[i - 1])
			return true;
	return false;
}

int gguf__take_name(struct gguf_cursor *c, char out[GGUF_NAME_SIZE], uint64_t *hash, uint64_t max_bytes,
		    const char *what)
{
	uint64_t at = c->at, n = 0, h = FNV_BASIS;
	char part[GGUF_NAME_SIZE];
	size_t kept = 0;
	int err = gguf_cursor__u64(c, &n, what);

	if (!err && n > max_bytes)
		return gguf_cursor__refuse(c, at, "%s of %" PRIu64 " bytes, where %" PRIu64 " are the most", what, n,
					   max_bytes);
	if (!err && n > gguf_cursor__left(c))
		return gguf_cursor__take(c, NULL, n, what);
	while (n > 0 && !err) {
		size_t size = n < sizeof(part) ? (size_t)n : sizeof(part);

		err = gguf_cursor__take(c, part, size, what);
		if (err)
			break;
		h = hash_bytes(h, part, size);
		for (size_t i = 0; i < size && kept < GGUF_NAME_SIZE - 1; i++)
			out[kept++] = part[i] >= ' ' && part[i] < 0x7f ? part[i] : '?';
		n -= size;
	}
	out[kept] = 0;
	if (hash)
		*hash = h;
	return err;
}

/* --- values --------------------------------------------------------------------------------------------------------- */

static int take_type(struct gguf_cursor *c, enum value_type *out, const char *key)
{
	uint64_t at = c->at;
	uint32_t type = 0;
	int err = gguf_cursor__u32(c, &type, "the type of a value");

	if (!err && type >= N_VALUE_TYPES)
		return gguf_cursor__refuse(c, at, "the value of '%.100s' has the type %" PRIu32 ", which there is not",
					   key, type);
	*out = (enum value_type)type;
	return err;
}

static int take_array(struct gguf_cursor *c, enum value_type *type, uint64_t *n, const char *key)
{
	int err = take_type(c, type, key);

	if (!err)
		err = gguf_cursor__u64(c, n, "the length of an array");
	return err ? err : gguf_cursor__expect(c, *n, value_types[*type].bytes, "values of an array");
}

static int pass_over(struct gguf_cursor *c, enum value_type type, const char *key, int depth)
{
	uint64_t n = 0, at = c->at;
	enum value_type inner = U8;
	int err;

	if (type == STRING) {
		err = gguf_cursor__u64(c, &n, "the length of a string");
		return err ? err : gguf_cursor__take(c, NULL, n, "a string");
	}
	if (type != ARRAY)
		return gguf_cursor__take(c, NULL, value_types[type].bytes, "a value");
	if (depth == MAX_DEPTH)
		return gguf_cursor__refuse(
			c, at, "the value of '%.100s' is an array inside %d others; no more are read", key, MAX_DEPTH);
	err = take_array(c, &inner, &n, key);
	if (err)
		return err;
	if (inner != STRING && inner != ARRAY)
		return gguf_cursor__take(c, NULL, n * value_types[inner].bytes, "an array");
	while (n-- > 0 && !err)
		err = pass_over(c, inner, key, depth + 1);
	return err;
}

static int take_integer(struct gguf_cursor *c, enum value_type type, const char *key, int64_t *out)
{
	uint32_t n = value_types[type].bytes;
	unsigned char bytes[8];
	uint64_t at = c->at, v = 0;
	int err = gguf_cursor__take(c, bytes, n, "a number");

	if (err)
		return err;
	for (uint32_t i = n; i-- > 0;)
		v = v << 8 | bytes[i];
	if (value_types[type].is_signed && n < 8 && v >> (8 * n - 1))
		v |= UINT64_MAX << 8 * n;
	*out = (int64_t)v;
	/* The engine keeps all of them in 32 bits. */
	if (v <= UINT32_MAX)
		return 0;
	if (value_types[type].is_signed)
		return gguf_cursor__refuse(c, at, "'%.100s' is %" PRId64 ", which is no size", key, *out);
	return gguf_cursor__refuse(c, at, "'%.100s' is %" PRIu64 ", which is no size", key, v);
}

static void add_number(struct gguf_number *out, int64_t value)
{
	out->min = out->n == 0 || value < out->min ? value : out->min;
	out->max = out->n == 0 || value > out->max ? value : out->max;
	out->sum += value;	/* below 2^26 values of 32 bits */
	out->n++;
}

static int take_number(struct gguf_cursor *c, enum value_type type, bool array_allowed, const char *key,
		       struct gguf_number *out)
{
	uint64_t n = 1, at = c->at;
	int64_t value = 0;
	int err = 0;

	out->at = at;
	out->is_array = type == ARRAY && array_allowed;
	if (out->is_array)
		err = take_array(c, &type, &n, key);
	if (!err && !value_types[type].is_integer)
		return gguf_cursor__refuse(c, at, "the value of '%.100s' is of type %s, not a whole number", key,
					   value_types[type].name);
	while (n-- > 0 && !err) {
		err = take_integer(c, type, key, &value);
		if (!err)
			add_number(out, value);
	}
	return err;
}

static int take_length(struct gguf_cursor *c, enum value_type type, const char *key, struct gguf_number *out)
{
	enum value_type inner = U8;
	uint64_t n = 0;
	int err;

	out->at = c->at;
	if (type != ARRAY)
		return gguf_cursor__refuse(c, c->at, "the value of '%.100s' is of type %s, not an array", key,
					   value_types[type].name);
	err = take_array(c, &inner, &n, key);
	if (!err)
		add_number(out, (int64_t)n);
	while (n-- > 0 && !err)
		err = pass_over(c, inner, key, 1);
	return err;
}

static int take_text(struct gguf_keys *k, struct gguf_cursor *c, enum value_type type, enum gguf_key which,
		     const char *key)
{
	char *to = which == GGUF_NAME ? k->name : k->architecture;
	size_t size = which == GGUF_NAME ? sizeof(k->name) : sizeof(k->architecture);
	uint64_t n = 0, at = c->at, kept;
	int err;

	if (type != STRING)
		return gguf_cursor__refuse(c, at, "the value of '%.100s' is of type %s, not a string", key,
					   value_types[type].name);
	err = gguf_cursor__u64(c, &n, "the length of a string");
	if (!err && n > gguf_cursor__left(c))
		return gguf_cursor__take(c, NULL, n, "a string");
	if (!err && which == GGUF_ARCHITECTURE && n >= size)
		return gguf_cursor__refuse(c, at, "the architecture's name has %" PRIu64 " bytes", n);
	kept = n < size ? n : size - 1;	/* a name that is too long is cut */
	if (!err)
		err = gguf_cursor__take(c, to, kept, "a string");
	to[err ? 0 : kept] = 0;
	return err ? err : gguf_cursor__take(c, NULL, n - kept, "a string");
}

/* --- keys ----------------------------------------------------------------------------------------------------------- */

static const struct wanted *find_wanted(const char *key, size_t n_prefix)
{
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		const struct wanted *w = &wanted[i];

		if (strcmp(key + n_prefix + 1, w->rest) == 0 &&
		    (!w->prefix || (strlen(w->prefix) == n_prefix && strncmp(key, w->prefix, n_prefix) == 0)))
			return w;
	}
	return NULL;
}

static struct gguf_key_found *add_found(struct gguf_keys *k)
{
	if (k->n_found == k->capacity) {
		size_t capacity = k->capacity ? 2 * k->capacity : 32;
		struct gguf_key_found *bigger = realloc(k->found, capacity * sizeof(*bigger));

		if (!bigger)
			return NULL;
		k->found = bigger;
		k->capacity = capacity;
	}
	memset(&k->found[k->n_found], 0, sizeof(*k->found));
	return &k->found[k->n_found++];
}

static int read_value(struct gguf_keys *k, struct gguf_cursor *c, const char *key)
{
	const char *point = strchr(key, '.');
	const struct wanted *w = point ? find_wanted(key, (size_t)(point - key)) : NULL;
	struct gguf_key_found *found;
	enum value_type type = U8;
	int err = take_type(c, &type, key);

	if (err || !w)
		return err ? err : pass_over(c, type, key, 0);
	if (w->want == WANT_TEXT)
		return take_text(k, c, type, w->key, key);
	found = add_found(k);
	if (!found)
		return -ENOMEM;
	found->key = w->key;
	found->prefix = hash_bytes(FNV_BASIS, key, (size_t)(point - key));
	if (w->want == WANT_LENGTH)
		return take_length(c, type, key, &found->number);
	if (w->want != WANT_PRESENCE)
		return take_number(c, type, w->want == WANT_NUMBERS, key, &found->number);
	found->number.at = c->at;
	return pass_over(c, type, key, 0);
}

int gguf_keys__read(struct gguf_keys *k, struct gguf_cursor *c, uint64_t n_keys)
{
	struct gguf_names names = { NULL, 0, 0 };
	char key[GGUF_NAME_SIZE];
	uint64_t hash = 0;
	int err = gguf_cursor__expect(c, n_keys, MIN_KEY_BYTES, "keys");

	if (!err && n_keys > GGUF_MAX_KEYS)
		err = gguf_cursor__refuse(c, c->at, "%" PRIu64 " keys; more than %u are not read", n_keys,
					  GGUF_MAX_KEYS);
	for (uint64_t i = 0; i < n_keys && !err; i++) {
		err = gguf__take_name(c, key, &hash, MAX_KEY_BYTES, "a key");
		if (!err)
			err = gguf_names__add(&names, hash);
		if (!err)
			err = read_value(k, c, key);
	}
	if (!err && gguf_names__has_double(&names))
		err = gguf_cursor__refuse(c, c->at, "the keys end here, and one of them is there twice");
	free(names.hashes);
	return err;
}

void gguf_keys__free(struct gguf_keys *k)
{
	free(k->found);
}

static const char *prefix_of(enum gguf_key key)
{
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (wanted[i].key == key)
			return wanted[i].prefix;
	return NULL;
}

struct gguf_number gguf_keys__get(const struct gguf_keys *k, enum gguf_key key)
{
	const char *name = prefix_of(key) ? prefix_of(key) : k->architecture;
	uint64_t prefix = hash_bytes(FNV_BASIS, name, strlen(name));

	for (size_t i = 0; i < k->n_found; i++)
		if (k->found[i].key == key && k->found[i].prefix == prefix)
			return k->found[i].number;
	return (struct gguf_number){ 0 };
}
