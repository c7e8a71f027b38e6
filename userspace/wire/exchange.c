/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/wire/exchange.h"

#include <stdlib.h>
#include <string.h>

struct exchange *exchange__new(struct rows *rows, uint64_t arrival_ns)
{
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->id = rows->next_id++;
	x->arrival_ns = arrival_ns;
	prompt__init(&x->prompt, rows->keep_text);
	answer__init(&x->answer, rows->keep_text);
	return x;
}

void exchange__free(struct exchange *x)
{
	if (!x)
		return;
	prompt__free(&x->prompt);
	answer__free(&x->answer);
	free(x);
}

void exchange__add_target(struct exchange *x, const char *data, size_t n)
{
	size_t used = strlen(x->path), i;

	for (i = 0; i < n && !x->has_query; i++) {
		if (data[i] == '?' || data[i] == '#')
			x->has_query = true;
		else if (used < MAX_PATH - 1)
			x->path[used++] = data[i];
	}
}

void exchange__take_event(struct exchange *x, struct rows *rows, const char *text, size_t n, uint64_t now_ns)
{
	struct row_chunk chunk = { .request = x->id, .idx = x->n_chunks, .time_ns = now_ns };

	x->streamed = true;
	if (!answer__take(&x->answer, text, n, true))
		return;
	if (!x->n_chunks++)
		x->first_token_ns = now_ns;
	x->last_token_ns = now_ns;
	rows->callbacks.chunk(rows->ctx, &chunk);
}

void exchange__take_document(struct exchange *x, const char *text, size_t n)
{
	x->n_chunks = answer__take(&x->answer, text, n, false);
	if (x->n_chunks)
		x->first_token_ns = x->last_token_ns = x->first_body_ns;
}

/* {"prompt": ..., "completion": ...}; both are kept as they stood in JSON strings, so they are valid in one again. */
static char *joined_text(const struct exchange *x)
{
	static const char *const parts[] = { "{\"prompt\":\"", "\",\"completion\":\"", "\"}" };
	const struct buffer *texts[] = { &x->prompt.text, &x->answer.text };
	char *text = malloc(x->prompt.text.n + x->answer.text.n + 64), *p = text;
	size_t i;

	for (i = 0; text && i < 3; i++) {
		p = stpcpy(p, parts[i]);
		if (i < 2 && texts[i]->n) {
			memcpy(p, texts[i]->data, texts[i]->n);
			p += texts[i]->n;
		}
	}
	return text;
}

/* A request without a body, or without a list in it, is one prompt; where bytes are missing there may have been one. */
static int64_t n_prompts(const struct exchange *x)
{
	const uint32_t unseen = INCOMPLETE_LOSS | INCOMPLETE_BEFORE_ATTACH | INCOMPLETE_GAP | INCOMPLETE_PARSE;

	if (x->prompt.n_prompts)
		return x->prompt.n_prompts;
	return x->incomplete & unseen ? ABSENT : 1;
}

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

void exchange__emit(const struct exchange *x, const struct rows *rows, uint64_t connection, uint32_t pid,
		    const char *client)
{
	char *text = rows->keep_text ? joined_text(x) : NULL;
	struct row_request row = {
		.id = x->id,
		.connection = connection,
		.pid = pid,
		.client = or_null(client),
		.arrival_ns = x->arrival_ns,
		.request_end_ns = x->request_end_ns,
		.first_byte_ns = x->first_byte_ns,
		.first_token_ns = x->first_token_ns,
		.last_token_ns = x->last_token_ns,
		.end_ns = x->end_ns,
		.method = x->method,
		.path = or_null(x->path),
		.status = x->status,
		.model = or_null(x->prompt.model),
		.response_model = or_null(x->answer.model),
		.stream = x->prompt.stream || x->streamed,
		.client_left = x->client_left,
		.max_tokens = x->prompt.max_tokens,
		.n = x->prompt.n,
		.n_prompts = n_prompts(x),
		.body_bytes = x->body_bytes,
		.prompt_bytes = x->prompt.bytes,
		.sent_prompt_tokens = x->prompt.n_ids,
		.prompt_hash = x->prompt.hash,
		.api_id = or_null(x->answer.api_id),
		.finish_reason = or_null(x->answer.finish_reason),
		.slot = x->answer.slot,
		.n_chunks = x->n_chunks,
		.incomplete = x->incomplete,
		.text = text,
	};

	bill__settle(&x->answer.bill, &row);
	rows->callbacks.request(rows->ctx, &row);
	free(text);
}
