/* SPDX-License-Identifier: Apache-2.0 */
/* A growing array: the pointer, its capacity, and one function. */
#ifndef TOKPROF_ANALYSIS_ARRAY_H
#define TOKPROF_ANALYSIS_ARRAY_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/*
 * Make room for `need` elements of `size` bytes. @items may be NULL with a capacity of 0.
 * @return the array, perhaps moved; NULL: out of memory, the old array is untouched
 */
static inline void *array__reserve(void *items, size_t *capacity, size_t need, size_t size)
{
	size_t wanted = *capacity ? *capacity : 16;
	void *moved;

	if (need <= *capacity)
		return items;
	while (wanted < need) {
		if (wanted > SIZE_MAX / 2 / size)
			return NULL;
		wanted *= 2;
	}
	moved = realloc(items, wanted * size);
	if (moved)
		*capacity = wanted;
	return moved;
}

/* calloc that gives a pointer also for 0 elements, so that NULL always means out of memory. */
static inline void *array__zeroed(size_t n, size_t size)
{
	return calloc(n ? n : 1, size);
}

#endif
