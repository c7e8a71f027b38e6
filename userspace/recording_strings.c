/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/recording_strings.h"

#define BLOCK_BYTES ((size_t)64 << 10)
#define FIRST_SLOTS 256u

struct block {
	struct block *next;
	size_t used, capacity;
	char bytes[];
};

/* With a part of its hash, so that a million texts are not read again to tell them apart or to make room. */
struct slot {
	const char *text;
	uint64_t hash;
};

struct strings {
	struct block *blocks;
	struct slot *slots;		/* open addressing; a power of two of them, at most half full */
	size_t n_slots, n_kept;
};

struct strings *strings__new(void)
{
	struct strings *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->n_slots = FIRST_SLOTS;
	s->slots = calloc(s->n_slots, sizeof(*s->slots));
	if (!s->slots) {
		free(s);
		return NULL;
	}
	return s;
}

void strings__free(struct strings *s)
{
	if (!s)
		return;
	while (s->blocks) {
		struct block *b = s->blocks;

		s->blocks = b->next;
		free(b);
	}
	free(s->slots);
	free(s);
}

/* FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash(const char *text, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
	return h;
}

static struct slot *find(struct slot *slots, size_t n_slots, uint64_t h, const char *text, size_t n)
{
	size_t i = h & (n_slots - 1);

	while (slots[i].text && (slots[i].hash != h || strncmp(slots[i].text, text, n) != 0 || slots[i].text[n]))
		i = (i + 1) & (n_slots - 1);
	return &slots[i];
}

static int grow(struct strings *s)
{
	size_t n_slots = 2 * s->n_slots;
	struct slot *slots = calloc(n_slots, sizeof(*slots));

	if (!slots)
		return -1;
	for (size_t i = 0; i < s->n_slots; i++) {
		size_t to = s->slots[i].hash & (n_slots - 1);

		while (s->slots[i].text && slots[to].text)
			to = (to + 1) & (n_slots - 1);
		if (s->slots[i].text)
			slots[to] = s->slots[i];
	}
	free(s->slots);
	s->slots = slots;
	s->n_slots = n_slots;
	return 0;
}

static char *allocate(struct strings *s, size_t n)
{
	struct block *b = s->blocks;

	if (!b || b->capacity - b->used < n) {
		size_t capacity = n > BLOCK_BYTES ? n : BLOCK_BYTES;

		b = malloc(sizeof(*b) + capacity);
		if (!b)
			return NULL;
		b->used = 0;
		b->capacity = capacity;
		b->next = s->blocks;
		s->blocks = b;
	}
	b->used += n;
	return b->bytes + b->used - n;
}

const char *strings__add(struct strings *s, const char *text, size_t n)
{
	char *copy;

	n = strnlen(text, n);
	copy = allocate(s, n + 1);
	if (!copy)
		return NULL;
	memcpy(copy, text, n);
	copy[n] = '\0';
	return copy;
}

const char *strings__keep(struct strings *s, const char *text, size_t n)
{
	struct slot *slot;
	uint64_t h;
	const char *copy;

	n = strnlen(text, n);
	h = hash(text, n);
	slot = find(s->slots, s->n_slots, h, text, n);
	if (slot->text)
		return slot->text;
	if (2 * s->n_kept >= s->n_slots) {
		if (grow(s))
			return NULL;
		slot = find(s->slots, s->n_slots, h, text, n);
	}
	copy = strings__add(s, text, n);
	if (!copy)
		return NULL;
	*slot = (struct slot){ copy, h };
	s->n_kept++;
	return copy;
}
