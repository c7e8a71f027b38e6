/* SPDX-License-Identifier: Apache-2.0 */
/* How many bits a weight takes, by the name of its number format. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "userspace/ggml_type.h"
#include "userspace/verify/plausibility.h"

static double bits_of(const struct ggml_type_size *type)
{
	return 8.0 * type->block_bytes / type->block_weights;
}

/* "FP16", "BF16", "INT8", "fp8", "int4", "W4A16": scales, which take some more, left out. */
static double plain_bits(const char *name)
{
	static const char *const prefixes[] = { "fp", "bf", "int", "nf", "f", "w", NULL };
	char *end;

	for (int i = 0; prefixes[i]; i++) {
		const size_t n = strlen(prefixes[i]);
		long bits;

		if (strncasecmp(name, prefixes[i], n) != 0 || name[n] < '0' || name[n] > '9')
			continue;
		bits = strtol(name + n, &end, 10);
		if (bits >= 1 && bits <= 64 && (!*end || (prefixes[i][0] == 'w' && *end == 'A')))
			return (double)bits;
	}
	return NAN;
}

double precision__bits(const char *name)
{
	size_t best = 0;
	double bits = NAN;

	for (uint32_t i = 0; i < GGML_TYPES; i++) {
		const struct ggml_type_size *type = ggml_type__find(i);
		const size_t n = type ? strlen(type->name) : 0;

		/* "Q4_K_M" mixes Q4_K with larger ones. */
		if (n > best && strncasecmp(name, type->name, n) == 0 && (!name[n] || name[n] == '_')) {
			best = n;
			bits = bits_of(type);
		}
	}
	return best ? bits : plain_bits(name);
}

double precision__fewest_bits(const char **name)
{
	double fewest = INFINITY;

	for (uint32_t i = 0; i < GGML_TYPES; i++) {
		const struct ggml_type_size *type = ggml_type__find(i);

		if (type && bits_of(type) < fewest) {
			fewest = bits_of(type);
			*name = type->name;
		}
	}
	return fewest;
}
