/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server says it used: the bill, and what its engine reports beside it.
 *
 * Every figure is the last value sent for it, since some servers send totals in pieces or repeat them grown. A figure
 * that was never sent is ABSENT, not 0, and so is one sent last as something that is no count.
 */
#ifndef TOKPROF_WIRE_BILL_H
#define TOKPROF_WIRE_BILL_H

#include <stddef.h>
#include <stdint.h>

#include "userspace/recording.h"
#include "userspace/wire/json.h"

enum bill_figure {
	BILL_PROMPT = 0, /* prompt tokens, cached ones included (OpenAI, Ollama) */
	BILL_INPUT, /* input tokens: cached ones left out by Anthropic, included in OpenAI's Responses */
	BILL_COMPLETION,
	BILL_CACHED, /* the cached part of either of the two first */
	BILL_CACHE_READ, /* Anthropic: cached tokens beside the input tokens ... */
	BILL_CACHE_CREATION, /* ... and those put into the cache, beside them too */
	BILL_REPORTED_PROMPT,
	BILL_REPORTED_CACHED,
	BILL_REPORTED_COMPLETION,
	BILL_REPORTED_DRAFT,
	BILL_REPORTED_DRAFT_ACCEPTED,
	BILL_REPORTED_PROMPT_US,
	BILL_REPORTED_COMPLETION_US,
	N_BILL_FIGURES,
};

enum bill_place { /* the object whose member a figure is */
		  BILL_IN_USAGE,
		  BILL_IN_TIMINGS, /* llama.cpp */
		  BILL_IN_OUTERMOST, /* Ollama */
		  BILL_IN_META_INFO, /* SGLang's /generate */
		  BILL_IN_DETAILS, /* TGI's /generate */
};

/* Completions of one request that llama.cpp's native endpoint counts apart, told by their `index`. */
#define BILL_MAX_NATIVE 32

struct bill {
	int64_t figures[N_BILL_FIGURES];
	struct {
		int64_t prompt, completion;
	} native[BILL_MAX_NATIVE];
	size_t n_native; /* above BILL_MAX_NATIVE: too many to keep, so none is billed */
};

void bill__init(struct bill *b);
/* Take the figures that stand in this object. */
void bill__take(struct bill *b, enum bill_place place, const struct json_value *object);
/* llama.cpp's native fields, which stand in the place of `usage` there. JSON_NONE: not sent. */
void bill__take_native(struct bill *b, const struct json_value *index, const struct json_value *tokens_evaluated,
		       const struct json_value *tokens_predicted);
/* Write billed_* and reported_* of the row. */
void bill__settle(const struct bill *b, struct row_request *row);

#endif
