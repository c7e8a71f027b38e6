/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/wire/answer.h"

#include <limits.h>
#include <string.h>

/* Members of the outermost object that tell something, in any of the protocols. */
enum member {
	M_CHOICES,
	M_CONTENT,
	M_DELTA,
	M_DETAILS,
	M_DONE_REASON,
	M_EVAL_COUNT,
	M_GENERATED_TEXT,
	M_ID,
	M_ID_SLOT,
	M_INCOMPLETE_DETAILS,
	M_INDEX,
	M_MESSAGE,
	M_META_INFO,
	M_MODEL,
	M_OUTPUT,
	M_PROMPT_EVAL_COUNT,
	M_RESPONSE,
	M_STATUS,
	M_STOP,
	M_STOP_REASON,
	M_STOP_TYPE,
	M_TEXT,
	M_THINKING,
	M_TIMINGS,
	M_TOKEN,
	M_TOKENS_EVALUATED,
	M_TOKENS_PREDICTED,
	M_TYPE,
	M_USAGE,
	N_MEMBERS,
};

static const char *const member_names[N_MEMBERS] = {
	[M_CHOICES] = "choices",
	[M_CONTENT] = "content",
	[M_DELTA] = "delta",
	[M_DETAILS] = "details",
	[M_DONE_REASON] = "done_reason",
	[M_EVAL_COUNT] = "eval_count",
	[M_GENERATED_TEXT] = "generated_text",
	[M_ID] = "id",
	[M_ID_SLOT] = "id_slot",
	[M_INCOMPLETE_DETAILS] = "incomplete_details",
	[M_INDEX] = "index",
	[M_MESSAGE] = "message",
	[M_META_INFO] = "meta_info",
	[M_MODEL] = "model",
	[M_OUTPUT] = "output",
	[M_PROMPT_EVAL_COUNT] = "prompt_eval_count",
	[M_RESPONSE] = "response",
	[M_STATUS] = "status",
	[M_STOP] = "stop",
	[M_STOP_REASON] = "stop_reason",
	[M_STOP_TYPE] = "stop_type",
	[M_TEXT] = "text",
	[M_THINKING] = "thinking",
	[M_TIMINGS] = "timings",
	[M_TOKEN] = "token",
	[M_TOKENS_EVALUATED] = "tokens_evaluated",
	[M_TOKENS_PREDICTED] = "tokens_predicted",
	[M_TYPE] = "type",
	[M_USAGE] = "usage",
};

void answer__init(struct answer *a, bool keep_text)
{
	a->api_id[0] = a->model[0] = a->finish_reason[0] = '\0';
	a->slot = ABSENT;
	a->slots_differ = false;
	a->keep_text = keep_text;
	a->text = (struct buffer){ 0 };
	bill__init(&a->bill);
}

void answer__free(struct answer *a)
{
	buffer__free(&a->text);
}

static void find_members(const struct json_value *object, struct json_value *found)
{
	struct json_value key, value;
	struct json_walk w = json__walk(object);
	size_t i;

	memset(found, 0, N_MEMBERS * sizeof(*found));
	while (json_walk__member(&w, &key, &value)) {
		bool escaped = memchr(key.at, '\\', key.n);

		for (i = 0; i < N_MEMBERS; i++) {
			if (!escaped && (!key.n || *key.at != *member_names[i]))
				continue;
			if (json__equals(&key, member_names[i])) {
				found[i] = value;
				break;
			}
		}
	}
}

/* A string that was generated. @return true where there is text in it */
static bool generated(struct answer *a, const struct json_value *v)
{
	if (v->kind != JSON_STRING_SPAN || !v->n)
		return false;
	if (a->keep_text)
		buffer__append(&a->text, v->at, v->n, WIRE_MAX_TEXT);
	return true;
}

/* A string, or an array of parts ({type: text, text}, {type: thinking, thinking}, {type: tool_use, ...}). */
static bool generated_parts(struct answer *a, const struct json_value *v)
{
	struct json_value part, text, type;
	struct json_walk w = json__walk(v);
	bool any = false;

	if (v->kind != JSON_ARRAY_SPAN)
		return generated(a, v);
	while (json_walk__element(&w, &part)) {
		text = json__member(&part, "text");
		any |= generated(a, &text);
		text = json__member(&part, "thinking");
		any |= generated(a, &text);
		type = json__member(&part, "type");
		any |= json__equals(&type, "tool_use");
	}
	return any;
}

/* The object that holds a piece of an assistant's message: OpenAI's delta and message, Ollama's message, Anthropic's
 * delta. All members are looked at: reasoning and content may come in one event. */
static bool generated_message(struct answer *a, const struct json_value *m)
{
	static const char *const texts[] = { "content", "reasoning_content", "reasoning", "thinking", "refusal",
					     "text",	"partial_json" };
	struct json_value key, value;
	struct json_walk w = json__walk(m);
	bool any = false;
	size_t i;

	if (m->kind != JSON_OBJECT_SPAN)
		return false;
	while (json_walk__member(&w, &key, &value)) {
		for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
			if (json__equals(&key, texts[i]))
				any |= generated_parts(a, &value);
		}
		if (json__equals(&key, "tool_calls") || json__equals(&key, "function_call"))
			any |= json__is_filled(&value);
	}
	return any;
}

static void take_name(const struct json_value *v, char *out, bool first_stays)
{
	if (json__is_filled(v) && !(first_stays && *out))
		json__copy(v, out, MAX_NAME);
}

static void take_finish_reason(struct answer *a, const struct json_value *v)
{
	struct json_value type;

	if (v->kind == JSON_OBJECT_SPAN) { /* SGLang: {"type": "stop", "matched": 2} */
		type = json__member(v, "type");
		take_name(&type, a->finish_reason, false);
	} else {
		take_name(v, a->finish_reason, false);
	}
}

/* OpenAI: each choice counts once. */
static int take_choices(struct answer *a, const struct json_value *choices)
{
	struct json_value choice, key, value;
	struct json_walk w = json__walk(choices);
	int n = 0;

	if (choices->kind != JSON_ARRAY_SPAN)
		return 0;
	while (json_walk__element(&w, &choice)) {
		struct json_walk members = json__walk(&choice);
		bool any = false;

		if (choice.kind != JSON_OBJECT_SPAN)
			continue;
		while (json_walk__member(&members, &key, &value)) {
			if (json__equals(&key, "delta") || json__equals(&key, "message"))
				any |= generated_message(a, &value);
			else if (json__equals(&key, "text"))
				any |= generated(a, &value);
			else if (json__equals(&key, "finish_reason"))
				take_finish_reason(a, &value);
		}
		n += any && n < INT_MAX;
	}
	return n;
}

static bool ends_with(const struct json_value *string, const char *end)
{
	size_t n = strlen(end);

	return string->kind == JSON_STRING_SPAN && string->n >= n && !memcmp(string->at + string->n - n, end, n);
}

/* OpenAI Responses, streamed: response.output_text.delta and its like; audio comes as base64 and is no text. */
static bool take_responses_delta(struct answer *a, const struct json_value *type, const struct json_value *delta)
{
	if (!ends_with(type, "text.delta") && !ends_with(type, "arguments.delta") && !ends_with(type, "refusal.delta"))
		return false;
	return generated(a, delta);
}

/* OpenAI Responses, whole: [{type: message, content: [...]}, {type: function_call, ...}] */
static bool take_responses_output(struct answer *a, const struct json_value *output)
{
	struct json_value item, content, type;
	struct json_walk w = json__walk(output);
	bool any = false;

	if (output->kind != JSON_ARRAY_SPAN)
		return false;
	while (json_walk__element(&w, &item)) {
		content = json__member(&item, "content");
		any |= generated_parts(a, &content);
		type = json__member(&item, "type");
		any |= json__equals(&type, "function_call");
	}
	return any;
}

static void take_responses_status(struct answer *a, const struct json_value *status, const struct json_value *details)
{
	struct json_value reason = json__member(details, "reason");

	if (json__is_filled(&reason))
		take_name(&reason, a->finish_reason, false);
	else if (json__equals(status, "completed"))
		take_name(status, a->finish_reason, false);
}

/* The object that Anthropic's message_start and the Responses API's events wrap: {id, model, usage, ...}. */
static void take_wrapped(struct answer *a, const struct json_value *wrapped)
{
	struct json_value members[N_MEMBERS];

	if (wrapped->kind != JSON_OBJECT_SPAN)
		return;
	find_members(wrapped, members);
	take_name(&members[M_ID], a->api_id, true);
	take_name(&members[M_MODEL], a->model, true);
	take_finish_reason(a, &members[M_STOP_REASON]);
	take_responses_status(a, &members[M_STATUS], &members[M_INCOMPLETE_DETAILS]);
	bill__take(&a->bill, BILL_IN_USAGE, &members[M_USAGE]);
	bill__take(&a->bill, BILL_IN_TIMINGS, &members[M_TIMINGS]);
}

/* llama.cpp's native word for it, in the words of the others. */
static void take_stop_type(struct answer *a, const struct json_value *stop_type)
{
	if (json__equals(stop_type, "limit"))
		memcpy(a->finish_reason, "length", sizeof("length"));
	else if (json__equals(stop_type, "eos") || json__equals(stop_type, "word"))
		memcpy(a->finish_reason, "stop", sizeof("stop"));
}

static void take_facts(struct answer *a, const struct json_value *event, const struct json_value *m)
{
	struct json_value v;
	int64_t slot = json__count(&m[M_ID_SLOT]);

	take_name(&m[M_ID], a->api_id, true);
	take_name(&m[M_MODEL], a->model, true);
	if (slot != ABSENT) {
		a->slots_differ |= a->slot != ABSENT && a->slot != slot;
		a->slot = a->slots_differ ? ABSENT : slot;
	}
	take_stop_type(a, &m[M_STOP_TYPE]);
	take_finish_reason(a, &m[M_DONE_REASON]);
	take_finish_reason(a, &m[M_STOP_REASON]);
	take_responses_status(a, &m[M_STATUS], &m[M_INCOMPLETE_DETAILS]);
	v = json__member(&m[M_DELTA], "stop_reason");
	take_finish_reason(a, &v);
	v = json__member(&m[M_DETAILS], "finish_reason");
	take_finish_reason(a, &v);
	v = json__member(&m[M_META_INFO], "finish_reason");
	take_finish_reason(a, &v);
	v = json__member(&m[M_META_INFO], "id");
	take_name(&v, a->api_id, true);

	if (m[M_EVAL_COUNT].kind != JSON_NONE || m[M_PROMPT_EVAL_COUNT].kind != JSON_NONE)
		bill__take(&a->bill, BILL_IN_OUTERMOST, event);
	bill__take(&a->bill, BILL_IN_META_INFO, &m[M_META_INFO]);
	bill__take(&a->bill, BILL_IN_DETAILS, &m[M_DETAILS]);
	bill__take(&a->bill, BILL_IN_TIMINGS, &m[M_TIMINGS]);
	bill__take(&a->bill, BILL_IN_USAGE, &m[M_USAGE]);
	bill__take_native(&a->bill, &m[M_INDEX], &m[M_TOKENS_EVALUATED], &m[M_TOKENS_PREDICTED]);
	take_wrapped(a, &m[M_MESSAGE]);
	take_wrapped(a, &m[M_RESPONSE]);
}

/* Protocols that have no choices: at most one completion an event. */
static bool take_single(struct answer *a, const struct json_value *m, bool streamed)
{
	struct json_value special, text;
	bool any = false;

	/* A lone `content` is also what /detokenize answers; a completion says whether it has stopped. */
	if (m[M_CONTENT].kind == JSON_ARRAY_SPAN || m[M_STOP].kind != JSON_NONE)
		any |= generated_parts(a, &m[M_CONTENT]);
	any |= generated(a, &m[M_RESPONSE]);
	any |= generated(a, &m[M_THINKING]);
	any |= generated_message(a, &m[M_MESSAGE]);
	if (m[M_DELTA].kind == JSON_STRING_SPAN)
		any |= take_responses_delta(a, &m[M_TYPE], &m[M_DELTA]);
	else
		any |= generated_message(a, &m[M_DELTA]);
	any |= take_responses_output(a, &m[M_OUTPUT]);
	if (m[M_META_INFO].kind == JSON_OBJECT_SPAN)
		any |= generated(a, &m[M_TEXT]);
	if (!streamed) {
		any |= generated(a, &m[M_GENERATED_TEXT]);
	} else { /* TGI; a special token (end of sequence) has a text that is no output */
		special = json__member(&m[M_TOKEN], "special");
		text = json__member(&m[M_TOKEN], "text");
		if (!json__is_true(&special))
			any |= generated(a, &text);
	}
	return any;
}

static int take_object(struct answer *a, const struct json_value *event, bool streamed)
{
	struct json_value members[N_MEMBERS];

	if (event->kind != JSON_OBJECT_SPAN)
		return 0;
	find_members(event, members);
	take_facts(a, event, members);
	return take_choices(a, &members[M_CHOICES]) + take_single(a, members, streamed);
}

int answer__take(struct answer *a, const char *text, size_t n, bool streamed)
{
	struct json_value event = json__parse(text, n), element;
	struct json_walk w = json__walk(&event);
	int n_choices = 0;

	if (event.kind != JSON_ARRAY_SPAN)
		return take_object(a, &event, streamed);
	while (json_walk__element(&w, &element)) /* llama.cpp and TGI: several completions, one after the other */
		n_choices += take_object(a, &element, streamed);
	return n_choices;
}
