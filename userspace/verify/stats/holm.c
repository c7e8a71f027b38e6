/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/stats/holm.h"

void holm__share(size_t n, bool (*decides)(void *context, size_t i, double share), void *context, double *shares)
{
	size_t open = n, settled = 1;

	/* 0: still open. */
	for (size_t i = 0; i < n; i++)
		shares[i] = 0;
	while (open && settled) {
		const double share = 1 / (double)open;

		settled = 0;
		for (size_t i = 0; i < n; i++) {
			if (shares[i] > 0 || !decides(context, i, share))
				continue;
			shares[i] = share;
			settled++;
		}
		open -= settled;
	}
	for (size_t i = 0; i < n; i++)
		if (shares[i] <= 0)
			shares[i] = 1 / (double)open;
}
