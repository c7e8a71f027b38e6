/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/wire/prompt.h"

#include "userspace/recording.h"
#include "userspace/wire/json.h"

#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

/* How deep parts of messages nest: messages -> message -> content -> part -> tool result's content -> part. */
#define MAX_PARTS_DEPTH 8

void prompt__init(struct prompt *p, bool keep_text)
{
	p->model[0] = '\0';
	p->stream = false;
	p->max_tokens = ABSENT;
	p->n = 1;
	p->n_prompts = 0;
	p->bytes = ABSENT;
	p->n_ids = ABSENT;
	p->hash = 0;
	p->keep_text = keep_text;
	p->text = (struct buffer){ 0 };
}

void prompt__free(struct prompt *p)
{
	buffer__free(&p->text);
}

/* The text of a body while it is walked through. */
struct reading {
	uint64_t hash;
	int64_t bytes;
	size_t n_pieces;
	bool has_numbers; /* a part of the prompt is token numbers: its bytes of text are not known */
	size_t n_ids; /* pieces that can be the number of a token */
	size_t n_members; /* of the body that have pieces */
	struct prompt *prompt;
};

static void hash_bytes(struct reading *r, const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		r->hash = (r->hash ^ (unsigned char)p[i]) * FNV_PRIME;
}

static void begin_piece(struct reading *r, const struct json_value *source)
{
	struct prompt *p = r->prompt;

	if (r->n_pieces++)
		hash_bytes(r, "", 1);
	if (!p->keep_text)
		return;
	if (p->text.n)
		buffer__append(&p->text, "\\n", 2, WIRE_MAX_TEXT);
	buffer__append(&p->text, source->at, source->n, WIRE_MAX_TEXT);
}

static void read_string(struct reading *r, const struct json_value *string)
{
	struct json_text t = json__text(string);
	const char *piece;
	size_t n;

	begin_piece(r, string);
	while ((n = json_text__next(&t, &piece)) > 0) {
		hash_bytes(r, piece, n);
		r->bytes += (int64_t)n;
	}
}

/* A token number instead of text: hashed as it is written. */
static void read_token(struct reading *r, const struct json_value *number)
{
	begin_piece(r, number);
	hash_bytes(r, number->at, number->n);
	r->n_ids += json__count(number) != ABSENT;
	r->has_numbers = true;
}

/*
 * Text wherever the protocols put it: a string; token numbers; an array of either, of messages or of parts; an object
 * with `content` (a message, a tool's result), `text` (a part) or `prompt_string` (llama.cpp, beside images).
 */
static void read_text(struct reading *r, const struct json_value *v, int depth)
{
	struct json_value key, value;
	struct json_walk w = json__walk(v);

	if (v->kind == JSON_STRING_SPAN)
		read_string(r, v);
	else if (v->kind == JSON_NUMBER_SPAN)
		read_token(r, v);
	if (depth == MAX_PARTS_DEPTH)
		return;
	if (v->kind == JSON_ARRAY_SPAN) {
		while (json_walk__element(&w, &value))
			read_text(r, &value, depth + 1);
	} else if (v->kind == JSON_OBJECT_SPAN) {
		while (json_walk__member(&w, &key, &value)) {
			if (json__equals(&key, "content") || json__equals(&key, "text") ||
			    json__equals(&key, "prompt_string"))
				read_text(r, &value, depth + 1);
		}
	}
}

static bool holds_text(const struct json_value *key)
{
	static const char *const names[] = { "prompt", "messages",     "input",	       "system",  "instructions",
					     "suffix", "input_prefix", "input_suffix", "content", "inputs" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (json__equals(key, names[i]))
			return true;
	}
	return false;
}

/* A limit is given under one of many names; where several are, the more specific one counts, first in the list. */
static int64_t read_max_tokens(const struct json_value *body)
{
	static const struct {
		const char *group, *name;
	} names[] = {
		{ NULL, "max_completion_tokens" }, /* OpenAI chat */
		{ NULL, "max_tokens" }, /* OpenAI, Anthropic */
		{ NULL, "max_output_tokens" }, /* OpenAI Responses */
		{ NULL, "n_predict" }, /* llama.cpp */
		{ NULL, "num_predict" },
		{ "options", "num_predict" }, /* Ollama */
		{ "sampling_params", "max_new_tokens" }, /* SGLang */
		{ "parameters", "max_new_tokens" }, /* TGI */
	};
	struct json_value v;
	int64_t limit;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		v = *body;
		if (names[i].group)
			v = json__member(body, names[i].group);
		v = json__member(&v, names[i].name);
		limit = json__count(&v);
		if (limit != ABSENT)
			return limit;
	}
	return ABSENT;
}

static int64_t read_n(const struct json_value *body)
{
	static const char *const names[] = { "n", "n_cmpl" }; /* OpenAI; llama.cpp */
	struct json_value v;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		v = json__member(body, names[i]);
		if (json__count(&v) > 0)
			return json__count(&v);
	}
	return 1;
}

/*
 * Strings, lists of token numbers and objects in a list are a prompt each; a list with a number in it is one prompt, of
 * tokens and perhaps strings (llama.cpp). Items with a role or a type are the messages of one prompt (OpenAI Responses).
 * @return 0: says nothing of it
 */
static int64_t count_prompts(const struct json_value *list)
{
	struct json_value element, role, type;
	struct json_walk w = json__walk(list);
	int64_t n = 0;

	if (list->kind != JSON_ARRAY_SPAN)
		return 0;
	for (; json_walk__element(&w, &element); n++) {
		role = json__member(&element, "role");
		type = json__member(&element, "type");
		if (element.kind == JSON_NUMBER_SPAN || role.kind != JSON_NONE || type.kind != JSON_NONE)
			return 1;
	}
	return n;
}

static int64_t read_n_prompts(const struct json_value *body, bool whole)
{
	static const char *const names[] = {
		"prompt", /* OpenAI, llama.cpp */
		"input", /* OpenAI's embeddings and Responses */
		"content", /* llama.cpp's own embeddings */
		"inputs", /* TEI */
		"documents", /* rerank: each is computed with the query */
		"texts", /* the same, TEI */
	};
	bool any = false;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct json_value v = json__member(body, names[i]);
		int64_t n = count_prompts(&v);

		if (n > 0)
			return n;
		any |= v.kind != JSON_NONE;
	}
	return any || whole;
}

void prompt__take(struct prompt *p, const char *text, size_t n, bool whole)
{
	struct json_value body = json__parse(text, n), key, value;
	struct reading r = { .hash = FNV_OFFSET, .prompt = p };
	struct json_walk w = json__walk(&body);

	if (body.kind != JSON_OBJECT_SPAN)
		return;
	value = json__member(&body, "model");
	json__copy(&value, p->model, sizeof(p->model));
	value = json__member(&body, "stream");
	p->stream = json__is_true(&value);
	p->max_tokens = read_max_tokens(&body);
	p->n = read_n(&body);
	p->n_prompts = read_n_prompts(&body, whole);
	while (whole && json_walk__member(&w, &key, &value)) {
		const size_t n_pieces = r.n_pieces;

		if (holds_text(&key))
			read_text(&r, &value, 0);
		r.n_members += r.n_pieces > n_pieces;
	}
	if (!r.n_pieces)
		return;
	p->hash = r.hash;
	if (!r.has_numbers)
		p->bytes = r.bytes;
	/* Of two members a server may take only one. */
	if (r.n_ids == r.n_pieces && r.n_members == 1)
		p->n_ids = (int64_t)r.n_ids;
}
