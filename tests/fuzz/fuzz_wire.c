/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz the wire parser: the input is a tape of operations on four connections.
 *
 * An operation is a byte that says what (low 3 bits) and on which connection (the next 2); for bytes and gaps two bytes
 * of length follow, then, for bytes, the bytes. Beside the sanitizers' checks: rows that hold together, and memory in
 * proportion to the input.
 */
#include <sanitizer/allocator_interface.h>
#include <stdint.h>
#include <stdlib.h>

#include "userspace/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIRST_ID 1
#define MAX_REQUESTS 4096

enum op { OP_BYTES_IN, OP_BYTES_OUT, OP_GAP_IN, OP_GAP_OUT, OP_END_IN, OP_CLOSE, OP_LOST, OP_OPEN };

struct seen {
	int64_t n_chunks[MAX_REQUESTS];
	bool emitted[MAX_REQUESTS];
	uint64_t now_ns;
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static bool is_count(int64_t value)
{
	return value == ABSENT || value >= 0;
}

static void on_request(void *ctx, const struct row_request *row)
{
	struct seen *s = ctx;
	const uint64_t times[] = { row->request_end_ns, row->first_byte_ns, row->first_token_ns, row->last_token_ns,
				   row->end_ns };
	size_t i;

	require(row->id >= FIRST_ID);
	require(is_count(row->max_tokens) && is_count(row->prompt_bytes) && is_count(row->slot));
	require(is_count(row->billed_prompt_tokens) && is_count(row->billed_cached_tokens));
	require(is_count(row->billed_completion_tokens) && is_count(row->reported_prompt_us));
	require(row->n >= 1 && row->body_bytes >= 0 && row->n_chunks >= 0);
	require(row->arrival_ns && row->arrival_ns <= s->now_ns);
	for (i = 0; i < sizeof(times) / sizeof(*times); i++)
		require(!times[i] || (times[i] >= row->arrival_ns && times[i] <= s->now_ns));
	require(row->first_token_ns <= row->last_token_ns);
	require(!row->end_ns || row->last_token_ns <= row->end_ns);
	if (row->id >= MAX_REQUESTS)
		return;
	require(!s->emitted[row->id]);
	s->emitted[row->id] = true;
	require(!s->n_chunks[row->id] || s->n_chunks[row->id] <= row->n_chunks);
}

static void on_chunk(void *ctx, const struct row_chunk *row)
{
	struct seen *s = ctx;

	require(row->request >= FIRST_ID && row->time_ns && row->time_ns <= s->now_ns);
	if (row->request >= MAX_REQUESTS)
		return;
	require(!s->emitted[row->request] && row->idx == s->n_chunks[row->request]);
	s->n_chunks[row->request]++;
}

static size_t take(const uint8_t **p, const uint8_t *end, size_t n)
{
	size_t value = 0;

	while (n-- && *p < end)
		value = value << 8 | *(*p)++;
	return value;
}

/* A copy of the exact size, so that one byte read too many is seen. */
static void feed(struct wire *w, uint64_t connection, bool in, uint64_t now_ns, const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	size_t i;

	require(copy);
	for (i = 0; i < n; i++)
		copy[i] = data[i];
	require(!wire__bytes(w, connection, in, now_ns, copy, n));
	free(copy);
}

static void act(struct wire *w, const uint8_t **p, const uint8_t *end, uint64_t now_ns)
{
	uint8_t what = *(*p)++;
	enum op op = what & 7;
	uint64_t connection = 1 + (what >> 3 & 3);
	size_t n = op <= OP_GAP_OUT ? take(p, end, 2) : 0;

	switch (op) {
	case OP_BYTES_IN:
	case OP_BYTES_OUT:
		if (n > (size_t)(end - *p))
			n = (size_t)(end - *p);
		feed(w, connection, op == OP_BYTES_IN, now_ns, *p, n);
		*p += n;
		break;
	case OP_GAP_IN:
	case OP_GAP_OUT:
		require(!wire__bytes(w, connection, op == OP_GAP_IN, now_ns, NULL, n));
		break;
	case OP_END_IN:
		wire__end_in(w, connection, now_ns);
		break;
	case OP_CLOSE:
		wire__close(w, connection, now_ns);
		break;
	case OP_LOST:
		wire__lost(w, what & 0x20 ? 0 : connection, now_ns);
		break;
	case OP_OPEN:
		wire__open(w, connection, 7, "[::1]:5", now_ns, what & 0x20);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct wire_callbacks callbacks = { on_request, on_chunk };
	static struct seen seen;
	const uint8_t *p = data, *end = data + size;
	size_t before = __sanitizer_get_current_allocated_bytes();
	struct wire *w;

	if (!size)
		return 0;
	seen = (struct seen){ .now_ns = 1000 };
	w = wire__new(&callbacks, &seen, FIRST_ID, *p++ & 1);
	require(w);
	while (p < end) {
		seen.now_ns += 10;
		act(w, &p, end, seen.now_ns);
		require(__sanitizer_get_current_allocated_bytes() - before <= (1u << 20) + 64 * size);
	}
	seen.now_ns += 10;
	wire__finish(w, seen.now_ns);
	require(!wire__in_flight(w));
	wire__free(w);
	return 0;
}
