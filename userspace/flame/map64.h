/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table from 64-bit keys to 32-bit numbers. It only grows: what is put in is never taken out. */
#ifndef TOKPROF_FLAME_MAP64_H
#define TOKPROF_FLAME_MAP64_H

#include <stddef.h>
#include <stdint.h>

#define MAP64_NONE UINT32_MAX

struct map64 {
	uint64_t *keys;
	uint32_t *values;	/* MAP64_NONE: the slot is free */
	size_t n, n_slots;	/* n_slots: a power of two, or 0 */
};

/*
 * The slot of a key, made with MAP64_NONE in it where there is none: a caller that finds that puts its number there, before the next call.
 * @return NULL: out of memory
 */
uint32_t *map64__at(struct map64 *m, uint64_t key);
void map64__free(struct map64 *m);

#endif
