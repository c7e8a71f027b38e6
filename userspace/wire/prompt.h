/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request asks for, from its JSON body in any of the protocols.
 */
#ifndef TOKPROF_WIRE_PROMPT_H
#define TOKPROF_WIRE_PROMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/wire/answer.h"
#include "userspace/wire/buffer.h"

struct prompt {
	char model[MAX_NAME]; /* empty: none given */
	bool stream;
	int64_t max_tokens; /* ABSENT: not given, or no limit */
	int64_t n;
	int64_t n_prompts; /* in the list that the body holds; 1 where it is none; 0: nothing seen that says */
	int64_t bytes; /* of all prompt text, decoded; ABSENT: none, or not all of it is text */
	int64_t n_ids; /* token ids that all of it was sent as; ABSENT: none, or not all of it is ids of one member */
	uint64_t hash; /* FNV-1a 64 of the pieces of text in their order, with a zero byte between two; 0: none */
	bool keep_text;
	struct buffer text; /* as it stood in JSON, escapes still in */
};

void prompt__init(struct prompt *p, bool keep_text);
void prompt__free(struct prompt *p);
/* `whole` false: only short members of the body are there, so nothing is known of its text. */
void prompt__take(struct prompt *p, const char *text, size_t n, bool whole);

#endif
