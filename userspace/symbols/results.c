/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/symbols/results.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct packed_name {		/* and then both strings with their ends */
	uint64_t offset_bytes;
	uint32_t line;
	uint16_t name_size, file_size;	/* file_size 0: none */
	uint32_t source;
};

/* --- what was received -------------------------------------------------------------------------------------------- */

int symbol_results__init(struct symbol_results *r, size_t n)
{
	memset(r, 0, sizeof(*r));
	r->of = calloc(n ? n : 1, sizeof(struct result_message *));
	if (!r->of)
		return -ENOMEM;
	r->n = n;
	return 0;
}

void symbol_results__free(struct symbol_results *r)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		free(r->of[i]);
	free(r->of);
	memset(r, 0, sizeof(*r));
}

size_t symbol_results__count(const struct symbol_results *r, size_t index)
{
	return r->of[index] ? (size_t)r->of[index]->n : 0;
}

/* The name at `at` in a message. @return where the next one is; 0 where this one does not fit */
static size_t unpack(const struct result_message *message, size_t at, struct symbol_name *out)
{
	const char *bytes = (const char *)message;
	struct packed_name packed;

	if (message->size < at || message->size - at < sizeof(packed))
		return 0;
	memcpy(&packed, bytes + at, sizeof(packed));
	at += sizeof(packed);
	if (packed.source >= N_SYMBOL_SOURCES || packed.name_size < 2 || packed.name_size > SYMBOL_NAME_SIZE ||
	    packed.file_size > SYMBOL_FILE_SIZE || message->size - at < (size_t)packed.name_size + packed.file_size)
		return 0;
	out->name = bytes + at;
	at += packed.name_size;
	out->file = packed.file_size ? bytes + at : NULL;
	at += packed.file_size;
	if (strnlen(out->name, packed.name_size) != packed.name_size - 1u ||
	    (out->file && strnlen(out->file, packed.file_size) != packed.file_size - 1u))
		return 0;
	out->offset_bytes = packed.offset_bytes;
	out->line = packed.line;
	out->source = (enum symbol_source)packed.source;
	return at;
}

void symbol_results__get(const struct symbol_results *r, size_t index, size_t depth, struct symbol_name *out)
{
	size_t at = sizeof(struct result_message), i;

	for (i = 0; i <= depth; i++)
		at = unpack(r->of[index], at, out);
}

static bool is_whole(const struct result_message *message)
{
	size_t at = sizeof(*message);
	struct symbol_name name;
	int32_t i;

	if (message->n <= 0 || message->n > SYMBOL_MAX_DEPTH)
		return false;
	for (i = 0; i < message->n && at; i++)
		at = unpack(message, at, &name);
	return at && message->size - at < RESULT_ALIGNMENT;
}

int symbol_results__put(struct symbol_results *r, const struct result_message *message)
{
	struct result_message *copy;

	if (message->index >= r->n || !is_whole(message))
		return -EBADMSG;
	if (r->bytes + message->size > RESULTS_MAX_BYTES)
		return -ENOSPC;
	copy = malloc(message->size);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, message, message->size);
	symbol_results__drop(r, message->index);
	r->of[message->index] = copy;
	r->bytes += message->size;
	return 0;
}

void symbol_results__drop(struct symbol_results *r, size_t index)
{
	if (r->of[index])
		r->bytes -= r->of[index]->size;
	free(r->of[index]);
	r->of[index] = NULL;
}

/* --- what is sent -------------------------------------------------------------------------------------------------- */

void result_writer__begin(struct result_writer *w, size_t index)
{
	w->size = sizeof(w->u.message);
	w->u.message.index = (uint32_t)index;
	w->u.message.n = 0;
}

void result_writer__add(struct result_writer *w, const struct symbol_name *symbol)
{
	struct packed_name packed = { .offset_bytes = symbol->offset_bytes, .source = (uint32_t)symbol->source };
	char name[SYMBOL_NAME_SIZE];
	size_t file_size = symbol->file ? strnlen(symbol->file, SYMBOL_FILE_SIZE) + 1 : 0;

	if (w->u.message.n == SYMBOL_MAX_DEPTH)
		return;
	demangle(symbol->name, name);
	if (!name[0])
		return;
	packed.name_size = (uint16_t)(strlen(name) + 1);
	if (file_size > 1 && file_size <= SYMBOL_FILE_SIZE) {
		packed.file_size = (uint16_t)file_size;
		packed.line = symbol->line;
	}
	memcpy(w->u.bytes + w->size, &packed, sizeof(packed));
	w->size += sizeof(packed);
	memcpy(w->u.bytes + w->size, name, packed.name_size);
	w->size += packed.name_size;
	if (packed.file_size) {
		memcpy(w->u.bytes + w->size, symbol->file, packed.file_size);
		demangle__clean(w->u.bytes + w->size);
	}
	w->size += packed.file_size;
	w->u.message.n++;
}

int result_writer__send(struct result_writer *w)
{
	size_t done = 0;

	while (w->size % RESULT_ALIGNMENT)
		w->u.bytes[w->size++] = 0;
	w->u.message.size = (uint32_t)w->size;
	while (done < w->size) {
		ssize_t n = write(w->fd, w->u.bytes + done, w->size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPIPE;
		done += (size_t)n;
	}
	return 0;
}

int result_writer__end(struct result_writer *w, int status)
{
	result_writer__begin(w, RESULT_END);
	w->u.message.n = status;
	return result_writer__send(w);
}
