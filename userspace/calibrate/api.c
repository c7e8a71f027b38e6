/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/calibrate/api.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_TIMEOUT_MS 5000
#define WORDS_TO_TOKENIZE 400
#define MIN_IDS 16
#define MOST_TOKENS (1 << 24)	/* of a context; what a server says of itself is not trusted with memory */
#define MOST_SLOTS 1024

/* Where an engine has no profile of its HTTP: what servers of OpenAI's interface have in common. */
static const struct profile_http openai = {
	.complete = "/v1/completions",
	.prompt = "prompt",
	.outputs = "max_tokens",
	.body = "{\"temperature\": 0, \"ignore_eos\": true}",
};

/* Short words of many beginnings: no two prompts share more than a token or two. */
static size_t add_word(struct random_state *random, char *out)
{
	static const char *const parts[] = { "ba", "co", "di", "fu", "ga", "he", "jo", "ki", "lu", "ma", "ne",
					     "po", "qu", "ri", "so", "ta", "un", "ve", "wi", "ya", "ze" };
	size_t n = 0, i, n_parts = 1 + (size_t)random__below(random, 3);

	out[n++] = ' ';
	for (i = 0; i < n_parts; i++) {
		memcpy(out + n, parts[random__below(random, sizeof(parts) / sizeof(parts[0]))], 2);
		n += 2;
	}
	return n;
}

static char *words(struct random_state *random, size_t n_words)
{
	char *text = malloc(n_words * 7 + 1);
	size_t n = 0, i;

	for (i = 0; text && i < n_words; i++)
		n += add_word(random, text + n);
	if (text)
		text[n] = 0;
	return text;
}

/* "a.b" of an object; NULL where there is none. Borrowed. */
static json_t *member(json_t *object, const char *path)
{
	char name[64];

	while (object && *path) {
		size_t n = strcspn(path, ".");

		snprintf(name, sizeof(name), "%.*s", (int)n, path);
		object = json_object_get(object, name);
		path += path[n] ? n + 1 : n;
	}
	return object;
}

static uint32_t member_u32(json_t *object, const char *path)
{
	json_t *value = path[0] ? member(object, path) : NULL;
	json_int_t number = json_is_integer(value) ? json_integer_value(value) : 0;

	return number > 0 && number <= MOST_TOKENS ? (uint32_t)number : 0;
}

/* --- words for the user ------------------------------------------------------------------------------------------------ */

static void explain(int status, const char *body, const char *path, char *out, size_t size)
{
	json_t *answer = body ? json_loads(body, 0, NULL) : NULL;
	json_t *text = answer ? member(answer, "error.message") : NULL;

	if (!json_is_string(text))
		text = answer ? json_object_get(answer, "error") : NULL;
	if (!json_is_string(text))
		text = answer ? json_object_get(answer, "detail") : NULL;
	if (json_is_string(text))
		snprintf(out, size, "the server answers %d to %s: %.200s", status, path, json_string_value(text));
	else
		snprintf(out, size, "the server answers %d to %s", status, path);
	json_decref(answer);
}

void api__explain(const struct api *a, const struct http_answer *answer, char *out, size_t size)
{
	if (answer->error)
		snprintf(out, size, "the server gave no answer to %s: %s", a->names.complete, answer->error);
	else
		explain(answer->status, answer->body, a->names.complete, out, size);
}

/* --- opening ------------------------------------------------------------------------------------------------------- */

static int judge(const char *path, int status, const char *body, char *error, size_t size)
{
	if (status < 0) {
		snprintf(error, size, "nobody answers HTTP: %s", strerror(-status));
		return status == -ENOMEM || status == -ECONNREFUSED ? status : -EPROTO;
	}
	if (status == 200)
		return 0;
	explain(status, body, path, error, size);
	if (status == 401 || status == 403)
		return -EACCES;
	return status == 503 ? -EAGAIN : -ENOENT;
}

static int read_properties(struct api *a, char *error, size_t size)
{
	char *text = NULL;
	int status = http_client__ask(a->http, a->names.properties, NULL, ASK_TIMEOUT_MS, &text);
	int err = judge(a->names.properties, status, text, error, size);
	json_t *object = err ? NULL : json_loads(text, 0, NULL);

	if (!err && !json_is_object(object)) {
		snprintf(error, size, "the server's %s is no JSON object", a->names.properties);
		err = -ENOENT;
	}
	if (!err) {
		a->n_slots = member_u32(object, a->names.n_slots);
		if (a->n_slots > MOST_SLOTS)
			a->n_slots = MOST_SLOTS;
		a->context = member_u32(object, a->names.context);
	}
	json_decref(object);
	free(text);
	return err;
}

static int keep_ids(struct api *a, json_t *array)
{
	size_t n = json_array_size(array), i;

	a->ids = calloc(n ? n : 1, sizeof(*a->ids));
	if (!a->ids)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		json_t *id = json_array_get(array, i);

		if (json_is_integer(id) && json_integer_value(id) >= 0 && json_integer_value(id) <= INT32_MAX)
			a->ids[a->n_ids++] = (uint32_t)json_integer_value(id);
	}
	if (a->n_ids >= MIN_IDS)
		return 0;
	free(a->ids);
	a->ids = NULL;
	a->n_ids = 0;
	return -ENOENT;
}

/* Ids of ordinary words: what a tokenizer makes of them is in its vocabulary, and no control token is among them. */
static int learn_ids(struct api *a, char *error, size_t size)
{
	struct random_state random = { 1 };
	char *text = words(&random, WORDS_TO_TOKENIZE), *body = NULL, *answer = NULL;
	json_t *question = text ? json_pack("{ss}", a->names.tokenize_text, text) : NULL, *object = NULL;
	int err = -ENOMEM, status;

	body = question ? json_dumps(question, JSON_COMPACT) : NULL;
	if (body) {
		status = http_client__ask(a->http, a->names.tokenize, body, ASK_TIMEOUT_MS, &answer);
		err = judge(a->names.tokenize, status, answer, error, size);
	}
	if (!err) {
		object = json_loads(answer, 0, NULL);
		err = keep_ids(a, member(object, a->names.tokenize_ids));
		if (err == -ENOENT)
			snprintf(error, size, "the server's %s gave no token ids", a->names.tokenize);
	}
	json_decref(object);
	json_decref(question);
	free(answer);
	free(body);
	free(text);
	return err;
}

int api__open(struct api *a, struct http_client *http, const struct profile_http *names, char *error, size_t size)
{
	int err;

	memset(a, 0, sizeof(*a));
	a->http = http;
	a->tokens_per_word = 1.5;
	a->openai = !names || !names->complete[0];
	a->names = a->openai ? openai : *names;
	error[0] = 0;
	err = a->names.properties[0] ? read_properties(a, error, size) : 0;
	if (!err && a->names.tokenize[0] && a->names.prompt_ids[0])
		err = learn_ids(a, error, size);
	if (err == -ENOENT) {	/* it has the engine, but another's interface: a binding, a gateway */
		a->openai = true;
		a->names = openai;
		err = 0;
	}
	if (err == -EACCES)
		snprintf(error, size, "the server wants an API key");
	if (!err && a->openai) {
		int status = http_client__ask(http, "/v1/models", NULL, ASK_TIMEOUT_MS, NULL);

		err = judge("/v1/models", status, NULL, error, size);
	}
	return err;
}

void api__close(struct api *a)
{
	free(a->ids);
	a->ids = NULL;
}

int api__n_busy(struct api *a)
{
	char *text = NULL;
	json_t *slots = NULL;
	int status, n = 0;
	size_t i;

	if (!a->names.slots[0])
		return -ENOTSUP;
	status = http_client__ask(a->http, a->names.slots, NULL, ASK_TIMEOUT_MS, &text);
	if (status == 200)
		slots = json_loads(text, 0, NULL);
	free(text);
	if (!json_is_array(slots)) {
		json_decref(slots);
		return status == -ETIMEDOUT ? status : -ENOTSUP;
	}
	for (i = 0; i < json_array_size(slots); i++)
		n += json_is_true(member(json_array_get(slots, i), a->names.busy));
	json_decref(slots);
	return n;
}

/* --- requests ------------------------------------------------------------------------------------------------------ */

static json_t *prompt_of_ids(const struct api *a, struct random_state *random, uint32_t n)
{
	json_t *array = json_array();

	while (array && n-- > 0)
		json_array_append_new(array, json_integer(a->ids[random__below(random, a->n_ids)]));
	return array;
}

static json_t *prompt_of_words(const struct api *a, struct random_state *random, uint32_t n)
{
	double n_words = n / a->tokens_per_word;
	char *text = words(random, n_words < 1 ? 1 : (size_t)n_words);
	json_t *string = text ? json_string(text) : NULL;

	free(text);
	return string;
}

char *api__body(struct api *a, struct random_state *random, uint32_t n_prompt, uint32_t n_outputs, uint32_t slot)
{
	json_t *object = a->names.body[0] ? json_loads(a->names.body, 0, NULL) : json_object();
	char *text = NULL;
	int err = object ? 0 : -1;

	if (!err && a->ids)
		err = json_object_set_new(object, a->names.prompt_ids, prompt_of_ids(a, random, n_prompt));
	else if (!err)
		err = json_object_set_new(object, a->names.prompt[0] ? a->names.prompt : "prompt",
					  prompt_of_words(a, random, n_prompt));
	if (!err)
		err = json_object_set_new(object, a->names.outputs, json_integer(n_outputs));
	if (!err && a->names.slot[0])
		err = json_object_set_new(object, a->names.slot, json_integer(slot));
	if (!err)
		text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	return text;
}

void api__learn(struct api *a, const char *answer, uint32_t n_prompt, double tokens_per_word)
{
	json_t *object = a->ids ? NULL : json_loads(answer, 0, NULL);
	uint32_t counted = object ? member_u32(object, "usage.prompt_tokens") : 0;

	/* Not from a few words: the tokens around them would count as theirs. */
	if (counted > 0 && n_prompt >= 50) {
		a->tokens_per_word = tokens_per_word * counted / n_prompt;
		if (a->tokens_per_word < 0.2)
			a->tokens_per_word = 0.2;
	}
	json_decref(object);
}
