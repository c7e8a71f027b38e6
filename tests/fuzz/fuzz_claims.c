/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a claims file: read whole, or refused with a sentence that names a place, and a remedy. */
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "userspace/verify/plausibility.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[400], remedy[600];
	struct claims claims;
	int err = claims__parse(&claims, "f", (const char *)data, size, error, sizeof(error), remedy, sizeof(remedy));

	assert((err == 0) == (error[0] == 0) && (err == 0) == (remedy[0] == 0));
	assert(err == 0 || strncmp(error, "f:", 2) == 0);
	for (size_t i = 0; i < claims.n; i++)
		assert(claims.claims[i].id && (isnan(claims.claims[i].value) || claims.claims[i].value >= 0));
	for (size_t i = 0; i < claims.n_tariffs; i++) {
		const struct tariff *t = &claims.tariffs[i];
		struct decimal price;

		assert(t->n_tiers > 0 && t->currency && t->tiers[0].from_tokens == 0);
		err = tariff__price(t, 1000, 200, 300, 100, INT64_C(1700000000000000000), 99999, &price);
		assert(err == 0 || err == -34);
		assert(err || price.digits >= 0);
	}
	if (claims.path) {
		const struct verify_input in = { .claims = &claims };
		struct verification v = { 0 };

		assert(plausibility__run(&v, &in) == 0);
		for (size_t i = 0; i < v.n; i++)
			assert(v.checks[i].text && v.checks[i].rule && v.checks[i].text[0]);
		verification__free(&v);
	}
	claims__free(&claims);
	return 0;
}
