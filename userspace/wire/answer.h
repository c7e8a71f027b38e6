/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a response says of itself, from its JSON texts one after the other.
 */
#ifndef TOKPROF_WIRE_ANSWER_H
#define TOKPROF_WIRE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/wire/bill.h"
#include "userspace/wire/buffer.h"

#define MAX_NAME 128
#define WIRE_MAX_TEXT (1u << 20) /* of prompt and of completion each, where they are kept at all */

struct answer {
	char api_id[MAX_NAME]; /* the first one sent; empty: none */
	char model[MAX_NAME];
	char finish_reason[MAX_NAME]; /* the last one sent */
	int64_t slot; /* ABSENT where two generations of one request named different ones */
	bool slots_differ;
	struct bill bill;
	bool keep_text;
	struct buffer text; /* generated text as it stood in JSON, escapes still in */
};

void answer__init(struct answer *a, bool keep_text);
void answer__free(struct answer *a);

/*
 * Take one JSON text: an event of a stream, or the document. Text that is no JSON tells nothing.
 * @return the number of choices that it carries generated text for
 */
int answer__take(struct answer *a, const char *text, size_t n, bool streamed);

#endif
