/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/flame/map64.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 1024

/* Fibonacci hashing after a mix of the upper half: keys are pairs of small numbers. */
static size_t slot_of(uint64_t key, size_t n_slots)
{
	key ^= key >> 32;
	key *= UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(key >> 20) & (n_slots - 1);
}

static size_t find(const struct map64 *m, uint64_t key)
{
	size_t i = slot_of(key, m->n_slots);

	while (m->values[i] != MAP64_NONE && m->keys[i] != key)
		i = (i + 1) & (m->n_slots - 1);
	return i;
}

static int grow(struct map64 *m)
{
	struct map64 bigger = { .n = m->n, .n_slots = m->n_slots ? 2 * m->n_slots : FIRST_SLOTS };

	bigger.keys = malloc(bigger.n_slots * sizeof(*bigger.keys));
	bigger.values = malloc(bigger.n_slots * sizeof(*bigger.values));
	if (!bigger.keys || !bigger.values) {
		map64__free(&bigger);
		return -1;
	}
	memset(bigger.values, 0xff, bigger.n_slots * sizeof(*bigger.values));
	for (size_t i = 0; i < m->n_slots; i++) {
		size_t to;

		if (m->values[i] == MAP64_NONE)
			continue;
		to = find(&bigger, m->keys[i]);
		bigger.keys[to] = m->keys[i];
		bigger.values[to] = m->values[i];
	}
	map64__free(m);
	*m = bigger;
	return 0;
}

uint32_t *map64__at(struct map64 *m, uint64_t key)
{
	size_t i;

	if (2 * (m->n + 1) > m->n_slots && grow(m))
		return NULL;
	i = find(m, key);
	if (m->values[i] == MAP64_NONE) {
		m->keys[i] = key;
		m->n++;
	}
	return &m->values[i];
}

void map64__free(struct map64 *m)
{
	free(m->keys);
	free(m->values);
	memset(m, 0, sizeof(*m));
}
