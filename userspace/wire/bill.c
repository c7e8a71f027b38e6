/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/wire/bill.h"

enum unit {
	COUNT,
	MILLISECONDS, /* a JSON real */
	NANOSECONDS,
};

/* One line per figure and spelling. `group`: a member object between the place and the figure. */
static const struct shape {
	enum bill_place place;
	const char *group, *name;
	enum bill_figure figure;
	enum unit unit;
} shapes[] = {
	/* OpenAI, vLLM, SGLang, LMDeploy, llama.cpp */
	{ BILL_IN_USAGE, NULL, "prompt_tokens", BILL_PROMPT, COUNT },
	{ BILL_IN_USAGE, NULL, "completion_tokens", BILL_COMPLETION, COUNT },
	{ BILL_IN_USAGE, "prompt_tokens_details", "cached_tokens", BILL_CACHED, COUNT },
	/* OpenAI Responses */
	{ BILL_IN_USAGE, NULL, "input_tokens", BILL_INPUT, COUNT },
	{ BILL_IN_USAGE, NULL, "output_tokens", BILL_COMPLETION, COUNT },
	{ BILL_IN_USAGE, "input_tokens_details", "cached_tokens", BILL_CACHED, COUNT },
	/* Anthropic */
	{ BILL_IN_USAGE, NULL, "cache_read_input_tokens", BILL_CACHE_READ, COUNT },
	{ BILL_IN_USAGE, NULL, "cache_creation_input_tokens", BILL_CACHE_CREATION, COUNT },
	/* Ollama: prompt_eval_count includes the cached ones (ollama/ollama#16428) */
	{ BILL_IN_OUTERMOST, NULL, "prompt_eval_count", BILL_PROMPT, COUNT },
	{ BILL_IN_OUTERMOST, NULL, "prompt_eval_cached_count", BILL_CACHED, COUNT },
	{ BILL_IN_OUTERMOST, NULL, "eval_count", BILL_COMPLETION, COUNT },
	{ BILL_IN_OUTERMOST, NULL, "prompt_eval_duration", BILL_REPORTED_PROMPT_US, NANOSECONDS },
	{ BILL_IN_OUTERMOST, NULL, "eval_duration", BILL_REPORTED_COMPLETION_US, NANOSECONDS },
	/* llama.cpp: prompt_n is what was computed, cached ones left out */
	{ BILL_IN_TIMINGS, NULL, "prompt_n", BILL_REPORTED_PROMPT, COUNT },
	{ BILL_IN_TIMINGS, NULL, "cache_n", BILL_REPORTED_CACHED, COUNT },
	{ BILL_IN_TIMINGS, NULL, "predicted_n", BILL_REPORTED_COMPLETION, COUNT },
	{ BILL_IN_TIMINGS, NULL, "draft_n", BILL_REPORTED_DRAFT, COUNT },
	{ BILL_IN_TIMINGS, NULL, "draft_n_accepted", BILL_REPORTED_DRAFT_ACCEPTED, COUNT },
	{ BILL_IN_TIMINGS, NULL, "prompt_ms", BILL_REPORTED_PROMPT_US, MILLISECONDS },
	{ BILL_IN_TIMINGS, NULL, "predicted_ms", BILL_REPORTED_COMPLETION_US, MILLISECONDS },
	/* SGLang, native */
	{ BILL_IN_META_INFO, NULL, "prompt_tokens", BILL_PROMPT, COUNT },
	{ BILL_IN_META_INFO, NULL, "completion_tokens", BILL_COMPLETION, COUNT },
	{ BILL_IN_META_INFO, NULL, "cached_tokens", BILL_CACHED, COUNT },
	{ BILL_IN_META_INFO, NULL, "spec_num_proposed_drafts", BILL_REPORTED_DRAFT, COUNT },
	{ BILL_IN_META_INFO, NULL, "spec_num_correct_drafts", BILL_REPORTED_DRAFT_ACCEPTED, COUNT },
	/* TGI, native */
	{ BILL_IN_DETAILS, NULL, "input_length", BILL_PROMPT, COUNT },
	{ BILL_IN_DETAILS, NULL, "generated_tokens", BILL_COMPLETION, COUNT },
};

#define N_SHAPES (sizeof(shapes) / sizeof(*shapes))

void bill__init(struct bill *b)
{
	size_t i;

	for (i = 0; i < N_BILL_FIGURES; i++)
		b->figures[i] = ABSENT;
	b->n_native = 0;
}

/* null says "not sent": it takes nothing back. */
static void take_figure(struct bill *b, const struct shape *s, const struct json_value *value)
{
	int64_t figure;

	if (value->kind == JSON_NONE || value->kind == JSON_NULL_SPAN)
		return;
	figure = s->unit == MILLISECONDS ? json__us_from_ms(value) : json__count(value);
	if (s->unit == NANOSECONDS && figure != ABSENT)
		figure /= 1000;
	b->figures[s->figure] = figure;
}

void bill__take(struct bill *b, enum bill_place place, const struct json_value *object)
{
	struct json_value key, value, inner;
	struct json_walk w = json__walk(object);
	size_t i;

	if (object->kind != JSON_OBJECT_SPAN)
		return;
	while (json_walk__member(&w, &key, &value)) {
		for (i = 0; i < N_SHAPES; i++) {
			if (shapes[i].place != place)
				continue;
			if (!json__equals(&key, shapes[i].group ? shapes[i].group : shapes[i].name))
				continue;
			inner = shapes[i].group ? json__member(&value, shapes[i].name) : value;
			take_figure(b, &shapes[i], &inner);
		}
	}
}

void bill__take_native(struct bill *b, const struct json_value *index, const struct json_value *tokens_evaluated,
		       const struct json_value *tokens_predicted)
{
	int64_t i = json__count(index);

	if (tokens_evaluated->kind == JSON_NONE && tokens_predicted->kind == JSON_NONE)
		return;
	if (i == ABSENT)
		i = 0;
	if (i >= BILL_MAX_NATIVE) {
		b->n_native = BILL_MAX_NATIVE + 1;
		return;
	}
	while (b->n_native <= (size_t)i) {
		b->native[b->n_native].prompt = ABSENT;
		b->native[b->n_native++].completion = ABSENT;
	}
	if (tokens_evaluated->kind != JSON_NONE)
		b->native[i].prompt = json__count(tokens_evaluated);
	if (tokens_predicted->kind != JSON_NONE)
		b->native[i].completion = json__count(tokens_predicted);
}

static int64_t plus(int64_t sum, int64_t figure)
{
	return figure == ABSENT ? sum : sum + figure;
}

/* A sum over completions stands only where every one of them is known. */
static void settle_native(const struct bill *b, struct row_request *row)
{
	int64_t prompt = 0, completion = 0;
	size_t i;

	if (!b->n_native || b->n_native > BILL_MAX_NATIVE)
		return;
	for (i = 0; i < b->n_native; i++) {
		if (b->native[i].prompt == ABSENT)
			prompt = ABSENT;
		else if (prompt != ABSENT)
			prompt += b->native[i].prompt;
		if (b->native[i].completion == ABSENT)
			completion = ABSENT;
		else if (completion != ABSENT)
			completion += b->native[i].completion;
	}
	row->billed_prompt_tokens = prompt;
	row->billed_completion_tokens = completion;
}

void bill__settle(const struct bill *b, struct row_request *row)
{
	const int64_t *f = b->figures;

	row->billed_prompt_tokens = f[BILL_PROMPT];
	row->billed_cached_tokens = f[BILL_CACHED];
	row->billed_completion_tokens = f[BILL_COMPLETION];
	if (f[BILL_PROMPT] == ABSENT && f[BILL_INPUT] != ABSENT) {
		row->billed_prompt_tokens = plus(plus(f[BILL_INPUT], f[BILL_CACHE_READ]), f[BILL_CACHE_CREATION]);
		if (f[BILL_CACHED] == ABSENT)
			row->billed_cached_tokens = f[BILL_CACHE_READ];
	}
	if (row->billed_prompt_tokens == ABSENT && row->billed_completion_tokens == ABSENT)
		settle_native(b, row);
	row->reported_prompt_tokens = f[BILL_REPORTED_PROMPT];
	row->reported_cached_tokens = f[BILL_REPORTED_CACHED];
	row->reported_completion_tokens = f[BILL_REPORTED_COMPLETION];
	row->reported_draft_tokens = f[BILL_REPORTED_DRAFT];
	row->reported_draft_accepted_tokens = f[BILL_REPORTED_DRAFT_ACCEPTED];
	row->reported_prompt_us = f[BILL_REPORTED_PROMPT_US];
	row->reported_completion_us = f[BILL_REPORTED_COMPLETION_US];
}
