/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several verdicts at once: the risk of one false among all is that of one alone.
 *
 * Source: Holm 1979, in terms of intervals: of k that are still open, those that are decided at 1/k of the risk are settled, until
 * none is.
 */
#ifndef TOKPROF_VERIFY_STATS_HOLM_H
#define TOKPROF_VERIFY_STATS_HOLM_H

#include <stdbool.h>
#include <stddef.h>

/*
 * @decides	is i decided at this share of its risk?
 * @shares	out: the share at which each was decided, or at which it was still open in the end
 */
void holm__share(size_t n, bool (*decides)(void *context, size_t i, double share), void *context, double *shares);

#endif
