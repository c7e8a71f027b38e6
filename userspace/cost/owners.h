/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of one request, found together. */
#ifndef TOKPROF_COST_OWNERS_H
#define TOKPROF_COST_OWNERS_H

#include "userspace/cost/cost.h"

struct owned {
	uint32_t owner, row;
};

/* Numbers the owners of rows: of[i] is row i's, from 0. @order n, for the function's own use @return how many there are */
size_t owners__number(const struct cost_row *rows, size_t n, struct owned *order, uint32_t *of);

#endif
