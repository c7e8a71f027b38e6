/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/cost/drift.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "userspace/cost/design.h"
#include "userspace/cost/robust.h"

#define MIN_SAMPLES 8
/* No fit is better than this on a real machine; it keeps the ratio finite for one that is exact. */
#define LEAST_RESIDUAL 1e-3

int fit__drift(struct drift *out, const struct cost_model *m, const struct cost_sample *samples, size_t n, char *words,
	       size_t size)
{
	double measured = 0, predicted = 0, own = m->median_residual;
	struct design d;
	int err = design__build(&d, samples, n);

	memset(out, 0, sizeof(*out));
	words[0] = '\0';
	if (err)
		return err;
	if (d.n < MIN_SAMPLES) {
		design__free(&d);
		return -ENODATA;
	}
	for (size_t i = 0; i < d.n; i++) {
		d.scratch[i] = design__residual(&d, i, m->value);
		measured += d.value[i];
		predicted += design__predict(&d, i, m->value);
	}
	own = own > LEAST_RESIDUAL ? own : LEAST_RESIDUAL;
	out->n = d.n;
	out->median_residual = select__median(d.scratch, d.n);
	out->ratio = out->median_residual / own;
	out->bias = predicted > 0 ? measured / predicted - 1 : 0;
	if (out->ratio > FIT_DRIFTED)
		snprintf(words, size,
			 "the fit no longer holds: steps are off by %.1f %% in the median, %.1f times as much as when "
			 "it "
			 "was made, and took %+.1f %% in all; calibrate again",
			 100 * out->median_residual, out->ratio, 100 * out->bias);
	design__free(&d);
	return 0;
}
