/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exact split by largest remainder. Weights become integers by a power of two, which loses nothing but bits far below
 * the largest weight, and everything after is integer arithmetic: the result is the same on every machine.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/analysis/ledger.h"

/* Most steps have few rows: those need no heap. */
#define N_ON_STACK 64
/* Weights are scaled below 2^SCALE_BITS / n, so that their sum and its product with a 64-bit value fit in 128 bits. */
#define SCALE_BITS 62

__extension__ typedef unsigned __int128 u128;

struct part {
	uint64_t weight;
	uint64_t remainder;
	uint32_t index;
};

static bool is_weight(double w)
{
	return w > 0 && w <= 1.7976931348623157e308;
}

/* @return the sum of the integer weights; 0 where no weight says anything */
static uint64_t scale_weights(const double *weights, size_t n, struct part *parts)
{
	double largest = 0;
	uint64_t sum = 0;
	int exponent, bits = SCALE_BITS;

	for (size_t i = 0; i < n; i++) {
		if (is_weight(weights[i]) && weights[i] > largest)
			largest = weights[i];
	}
	frexp(largest, &exponent);
	for (size_t k = n; k > 1; k = (k + 1) / 2)
		bits--;
	for (size_t i = 0; i < n; i++) {
		parts[i].index = (uint32_t)i;
		parts[i].weight = is_weight(weights[i]) ? (uint64_t)ldexp(weights[i], bits - exponent) : 0;
		sum += parts[i].weight;
	}
	return sum;
}

static int compare_remainders(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	if (x->remainder != y->remainder)
		return x->remainder > y->remainder ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static void split(int64_t value, const double *weights, size_t n, struct part *parts, int64_t *out)
{
	const uint64_t amount = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	uint64_t sum = scale_weights(weights, n, parts);
	uint64_t left = amount;

	if (sum == 0) {
		for (size_t i = 0; i < n; i++)
			parts[i].weight = 1;
		sum = n;
	}
	for (size_t i = 0; i < n; i++) {
		const u128 product = (u128)amount * parts[i].weight;
		const uint64_t whole = (uint64_t)(product / sum);

		parts[i].remainder = (uint64_t)(product % sum);
		left -= whole;
		/* Two's complement: the sign is put back below, and one part of INT64_MIN must survive it. */
		out[i] = (int64_t)whole;
	}
	if (left)
		qsort(parts, n, sizeof(*parts), compare_remainders);
	for (uint64_t i = 0; i < left; i++)
		out[parts[i].index] = (int64_t)((uint64_t)out[parts[i].index] + 1);
	for (size_t i = 0; value < 0 && i < n; i++)
		out[i] = (int64_t)(0 - (uint64_t)out[i]);
}

int share__split(int64_t value, const double *weights, size_t n, int64_t *out)
{
	struct part on_stack[N_ON_STACK];
	struct part *parts = on_stack;

	if (n == 0)
		return 0;
	if (n == 1) {
		out[0] = value;
		return 0;
	}
	if (value == 0) {
		memset(out, 0, n * sizeof(*out));
		return 0;
	}
	if (n > N_ON_STACK) {
		parts = malloc(n * sizeof(*parts));
		if (!parts)
			return -ENOMEM;
	}
	split(value, weights, n, parts, out);
	if (parts != on_stack)
		free(parts);
	return 0;
}
