/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/safetensors.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/array.h"
#include "userspace/gguf_cursor.h"
#include "userspace/gguf_keys.h"

#define START 8			/* of the JSON in the file */
#define MAX_DIMENSIONS 16
#define MAX_INDEX 100000	/* of a layer or an expert; a larger one is no such thing */

struct tensor {
	char name[GGUF_NAME_SIZE];
	char dtype[16];
	int64_t n;			/* elements */
	int64_t shape[2];		/* the first two dimensions */
	unsigned int n_dimensions;
	int64_t begin, end;		/* in the data */
	bool has_dtype, has_shape, has_place;
};

struct place {
	int64_t begin, end;
};

struct reader {
	struct gguf_cursor cursor;
	struct model_facts *facts;
	const char *text, *p, *end;
	struct gguf_names names;
	struct place *places;
	size_t n_places, places_capacity;
	bool packed;			/* several weights in one number: how many, the header does not say */
};

static uint64_t at(const struct reader *r, const char *p)
{
	return START + (uint64_t)(p - r->text);
}

#define REFUSE(r, p, ...) gguf_cursor__refuse(&(r)->cursor, at(r, p), __VA_ARGS__)

/* --- JSON of this one shape ----------------------------------------------------------------------------------------- */

static void skip_space(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
		r->p++;
}

static int expect(struct reader *r, char c)
{
	skip_space(r);
	if (r->p == r->end)
		return REFUSE(r, r->p, "the header ends where '%c' should stand", c);
	if (*r->p != c)
		return REFUSE(r, r->p, "'%c' should stand here", c);
	r->p++;
	return 0;
}

/* Does this character come next? Then it is taken. */
static bool take(struct reader *r, char c)
{
	skip_space(r);
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

/* What stands between the quotes, as it stands there. */
static int take_string(struct reader *r, const char **start, size_t *n)
{
	int err = expect(r, '"');

	if (err)
		return err;
	*start = r->p;
	while (r->p < r->end && *r->p != '"') {
		if ((unsigned char)*r->p < ' ')
			return REFUSE(r, r->p, "a control character in a string");
		r->p += *r->p == '\\' && r->end - r->p > 1 ? 2 : 1;
	}
	*n = (size_t)(r->p - *start);
	return expect(r, '"');
}

static int take_count(struct reader *r, int64_t *out)
{
	const char *start;

	skip_space(r);
	start = r->p;
	*out = 0;
	for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++)
		if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, *r->p - '0', out))
			return REFUSE(r, start, "a number of more than 2^63");
	return r->p == start ? REFUSE(r, start, "a whole number should stand here") : 0;
}

/* A name without escapes, fit to be shown: names with them could be the same in two spellings. */
static int take_name(struct reader *r, char *out, size_t size, uint64_t *hash)
{
	const char *start;
	size_t n;
	int err = take_string(r, &start, &n);

	if (err)
		return err;
	if (n >= size)
		return REFUSE(r, start, "a name of %zu bytes, where %zu are the most", n, size - 1);
	*hash = UINT64_C(0xcbf29ce484222325);	/* FNV-1a */
	for (size_t i = 0; i < n; i++) {
		if (start[i] == '\\')
			return REFUSE(r, start + i, "an escape in a name");
		*hash = (*hash ^ (unsigned char)start[i]) * UINT64_C(0x100000001b3);
		out[i] = start[i] >= ' ' && start[i] < 0x7f ? start[i] : '?';
	}
	out[n] = 0;
	return 0;
}

/* Texts by name, of which nothing is needed. */
static int pass_metadata(struct reader *r)
{
	const char *ignored;
	size_t n;
	int err = expect(r, '{');

	if (err || take(r, '}'))
		return err;
	do {
		err = take_string(r, &ignored, &n);
		if (!err)
			err = expect(r, ':');
		if (!err)
			err = take_string(r, &ignored, &n);
	} while (!err && take(r, ','));
	return err ? err : expect(r, '}');
}

/* --- a tensor --------------------------------------------------------------------------------------------------------- */

static int take_shape(struct reader *r, struct tensor *t)
{
	int err = expect(r, '[');

	t->n = 1;
	t->has_shape = true;
	if (err || take(r, ']'))
		return err;
	do {
		const char *start = r->p;
		int64_t size;

		if (t->n_dimensions == MAX_DIMENSIONS)
			return REFUSE(r, start, "tensor '%.64s' has more than %d dimensions", t->name, MAX_DIMENSIONS);
		err = take_count(r, &size);
		if (!err && __builtin_mul_overflow(t->n, size, &t->n))
			return REFUSE(r, start, "tensor '%.64s' has more than 2^63 elements", t->name);
		if (!err && t->n_dimensions < 2)
			t->shape[t->n_dimensions] = size;
		t->n_dimensions++;
	} while (!err && take(r, ','));
	return err ? err : expect(r, ']');
}

static int take_place(struct reader *r, struct tensor *t)
{
	int err = expect(r, '[');

	t->has_place = true;
	if (!err)
		err = take_count(r, &t->begin);
	if (!err)
		err = expect(r, ',');
	if (!err)
		err = take_count(r, &t->end);
	return err ? err : expect(r, ']');
}

static int take_member(struct reader *r, struct tensor *t)
{
	const char *start = r->p;
	char key[16];
	uint64_t ignored;
	int err = take_name(r, key, sizeof(key), &ignored);

	if (!err)
		err = expect(r, ':');
	if (err)
		return err;
	if (strcmp(key, "dtype") == 0 && !t->has_dtype) {
		t->has_dtype = true;
		return take_name(r, t->dtype, sizeof(t->dtype), &ignored);
	}
	if (strcmp(key, "shape") == 0 && !t->has_shape)
		return take_shape(r, t);
	if (strcmp(key, "data_offsets") == 0 && !t->has_place)
		return take_place(r, t);
	return REFUSE(r, start, "tensor '%.64s' has a member '%s', or has it twice", t->name, key);
}

static int take_tensor(struct reader *r, struct tensor *t)
{
	const char *start = r->p;
	int err = expect(r, '{');

	if (!err && !take(r, '}')) {
		do
			err = take_member(r, t);
		while (!err && take(r, ','));
		if (!err)
			err = expect(r, '}');
	}
	if (!err && !(t->has_dtype && t->has_shape && t->has_place))
		return REFUSE(r, start, "tensor '%.64s' lacks dtype, shape or data_offsets", t->name);
	return err;
}

/* --- what it is ------------------------------------------------------------------------------------------------------- */

static bool has(const char *name, const char *part)
{
	return strstr(name, part) != NULL;
}

/* The number that follows the last such word: "model.layers.7.mlp" has 7 behind "layers.". -1: none */
static int64_t index_behind(const char *name, const char *word)
{
	const char *p = strstr(name, word);
	unsigned int index;
	int n = 0;

	/* "layers." is also the end of another word. */
	if (!p || (p > name && p[-1] != '.'))
		return -1;
	if (sscanf(p + strlen(word), "%6u.%n", &index, &n) != 1 || n == 0 || index > MAX_INDEX)
		return -1;
	return index;
}

static enum tensor_class classify(const char *name)
{
	static const char *const embeddings[] = { "embed_tokens.", "tok_embeddings.", "word_embeddings.", "wte." };
	static const char *const lookups[] = { "wpe.", "position_embeddings.", "token_type_embeddings.",
					       "embed_positions." };
	static const char *const outputs[] = { "lm_head.", "embed_out." };

	for (size_t i = 0; i < sizeof(embeddings) / sizeof(embeddings[0]); i++)
		if (has(name, embeddings[i]))
			return TENSOR_EMBEDDING;
	for (size_t i = 0; i < sizeof(lookups) / sizeof(lookups[0]); i++)
		if (has(name, lookups[i]))
			return TENSOR_LOOKUP;
	for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++)
		if (has(name, outputs[i]))
			return TENSOR_OUTPUT;
	if (strncmp(name, "output.", 7) == 0)
		return TENSOR_OUTPUT;
	if (strncmp(name, "mtp.", 4) == 0 || has(name, ".mtp."))
		return TENSOR_NEXTN;
	return index_behind(name, "experts.") >= 0 || has(name, ".experts.") ? TENSOR_EXPERT : TENSOR_OTHER;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void note_shape(struct model_facts *f, const struct tensor *t, enum tensor_class class)
{
	static const char *const layers[] = { "layers.", "h.", "blocks.", "layer." };

	for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++)
		if (index_behind(t->name, layers[i]) >= 0)
			f->n_layers = larger(f->n_layers, index_behind(t->name, layers[i]) + 1);
	if (index_behind(t->name, "experts.") >= 0)
		f->n_experts = larger(f->n_experts, index_behind(t->name, "experts.") + 1);
	if (class == TENSOR_EMBEDDING && t->n_dimensions == 2) {
		f->n_vocab = t->shape[0];
		f->n_embd = t->shape[1];
	}
}

/* 4-bit weights come in whole numbers of 8 or 32 bits, which hold several each (GPTQ, AWQ, bitsandbytes). */
static bool is_packed(const struct tensor *t)
{
	return t->n_dimensions >= 2 && (strcmp(t->dtype, "I32") == 0 || strcmp(t->dtype, "U8") == 0 ||
					strcmp(t->dtype, "U32") == 0 || strcmp(t->dtype, "I64") == 0);
}

static int count_tensor(struct reader *r, const struct tensor *t, const char *start)
{
	struct model_facts *f = r->facts;
	const enum tensor_class class = classify(t->name);
	uint32_t bits = 0;
	const int type = tensor_type__find(t->dtype, &bits);
	int64_t bytes;

	if (type < 0)
		return REFUSE(r, start, "tensor '%.64s' is in the number format '%s', which is not known", t->name,
			      t->dtype);
	if (__builtin_mul_overflow(t->n, (int64_t)bits, &bytes) || bytes % 8)
		return REFUSE(r, start, "tensor '%.64s' of %" PRId64 " elements in %s is no number of bytes", t->name,
			      t->n, t->dtype);
	bytes /= 8;
	if (t->end < t->begin || t->end - t->begin != bytes)
		return REFUSE(r, start,
			      "tensor '%.64s' takes %" PRId64 " bytes, not those from %" PRId64 " to %" PRId64, t->name,
			      bytes, t->begin, t->end);
	/* Places do not overlap and lie in the file, so that no sum of bytes can pass its size; elements of 4 bits can. */
	if (__builtin_add_overflow(f->params[class], t->n, &f->params[class]) ||
	    __builtin_add_overflow(f->bytes[class], bytes, &f->bytes[class]) ||
	    __builtin_add_overflow(f->type_bytes[type], bytes, &f->type_bytes[type]))
		return REFUSE(r, start, "tensor '%.64s' makes more than 2^63 weights or bytes in all", t->name);
	r->packed |= is_packed(t);
	note_shape(f, t, class);
	return 0;
}

static int add_place(struct reader *r, const struct tensor *t)
{
	struct place *moved = array__reserve(r->places, &r->places_capacity, r->n_places + 1, sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	r->places = moved;
	moved[r->n_places++] = (struct place){ t->begin, t->end };
	return 0;
}

static int compare_places(const void *pa, const void *pb)
{
	const struct place *a = pa, *b = pb;

	if (a->begin != b->begin)
		return a->begin < b->begin ? -1 : 1;
	return a->end < b->end ? -1 : a->end > b->end;
}

/* The format has no gaps and no overlaps: what lies in one would be in nobody's count. */
static int check_places(struct reader *r)
{
	const uint64_t data = at(r, r->end), room = r->cursor.source->size - data;
	int64_t next = 0;

	if (r->n_places)
		qsort(r->places, r->n_places, sizeof(*r->places), compare_places);
	for (size_t i = 0; i < r->n_places; i++) {
		if (r->places[i].begin != next)
			return REFUSE(r, r->end, "tensors %s at byte %" PRId64 " of the data",
				      r->places[i].begin < next ? "overlap" : "leave a gap", next);
		next = r->places[i].end;
	}
	if ((uint64_t)next != room)
		return REFUSE(r, r->end, "the tensors take %" PRId64 " bytes from here, but the file has %" PRIu64,
			      next, room);
	return 0;
}

/* --- the header ------------------------------------------------------------------------------------------------------- */

static int take_entry(struct reader *r)
{
	const char *start = r->p;
	struct tensor t = { .n = 0 };
	uint64_t hash;
	int err = take_name(r, t.name, sizeof(t.name), &hash);

	if (!err)
		err = gguf_names__add(&r->names, hash);
	if (!err)
		err = expect(r, ':');
	if (!err && strcmp(t.name, "__metadata__") == 0)
		return pass_metadata(r);
	if (!err)
		err = take_tensor(r, &t);
	if (!err)
		err = count_tensor(r, &t, start);
	return err ? err : add_place(r, &t);
}

static int parse(struct reader *r)
{
	int err = expect(r, '{');

	if (!err && !take(r, '}')) {
		do
			err = take_entry(r);
		while (!err && take(r, ','));
		if (!err)
			err = expect(r, '}');
	}
	skip_space(r);
	if (!err && r->p < r->end)
		err = REFUSE(r, r->p, "something stands behind the header's end");
	if (!err && gguf_names__has_double(&r->names))
		err = REFUSE(r, r->end, "the header ends here, and one of its names is there twice");
	return err ? err : check_places(r);
}

static int read_text(struct reader *r, char **text)
{
	uint64_t n = 0;
	int err = gguf_cursor__u64(&r->cursor, &n, "the header's length");

	if (!err)
		err = gguf_cursor__expect(&r->cursor, n, 1, "bytes of header");
	if (!err && n > SAFETENSORS_MAX_HEADER) {
		gguf_cursor__refuse(&r->cursor, 0, "a header of %" PRIu64 " bytes; more than %u MiB are not read", n,
				    SAFETENSORS_MAX_HEADER >> 20);
		return -EFBIG;
	}
	if (err)
		return err;
	*text = malloc(n + 1);
	if (!*text)
		return -ENOMEM;
	r->text = r->p = *text;
	r->end = *text + n;
	return gguf_cursor__take(&r->cursor, *text, n, "the header");
}

static int read_header(struct reader *r)
{
	struct model_facts *f = r->facts;
	char *text = NULL;
	int err = read_text(r, &text);

	if (!err)
		err = parse(r);
	if (!err)
		err = gguf_cursor__digest(&r->cursor, f->digest);
	free(text);
	if (err)
		return err;
	if (r->packed) {
		for (int i = 0; i < N_TENSOR_CLASSES; i++)
			f->params[i] = ABSENT;
		snprintf(f->missing, sizeof(f->missing),
			 "it has weights that are packed into larger numbers: how many of them, the header does not "
			 "say");
	}
	model_facts__derive(f);
	return 0;
}

int safetensors__read(struct model_facts *out, const struct gguf_source *source, char *error, size_t size)
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
		free(r->names.hashes);
		free(r->places);
	}
	free(r);
	return err;
}

int safetensors__read_fd(struct model_facts *out, int fd, char *error, size_t size)
{
	struct gguf_source source;
	int err = gguf_source__of_fd(&source, &fd, error, size);

	if (err) {
		model_facts__clear(out);
		return err;
	}
	return safetensors__read(out, &source, error, size);
}

int safetensors__read_bytes(struct model_facts *out, const void *bytes, size_t n, char *error, size_t size)
{
	const struct gguf_source source = gguf_source__of_bytes(bytes, n);

	return safetensors__read(out, &source, error, size);
}

bool safetensors__part(const char *path, int64_t *no, int64_t *count)
{
	static const char ending[] = "-00001-of-00004.safetensors";
	const size_t n = strlen(path), m = sizeof(ending) - 1;
	unsigned int first, all;
	int taken = 0;

	if (n <= m || sscanf(path + n - m, "-%5u-of-%5u.safetensors%n", &first, &all, &taken) != 2 ||
	    (size_t)taken != m || first < 1 || first > all || all < 2)
		return false;
	*no = (int64_t)first - 1;
	*count = all;
	return true;
}
