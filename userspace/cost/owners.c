/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/cost/owners.h"

#include <stdlib.h>

static int compare_owned(const void *a, const void *b)
{
	const struct owned *x = a, *y = b;

	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

size_t owners__number(const struct cost_row *rows, size_t n, struct owned *order, uint32_t *of)
{
	size_t n_owners = 0;

	for (size_t i = 0; i < n; i++)
		order[i] = (struct owned){ rows[i].owner, (uint32_t)i };
	qsort(order, n, sizeof(*order), compare_owned);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || order[i].owner != order[i - 1].owner)
			n_owners++;
		of[order[i].row] = (uint32_t)(n_owners - 1);
	}
	return n_owners;
}
