/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the ledger: which rule shares which resource in which role, and why it is not another one. */
#ifndef TOKPROF_PRICING_H
#define TOKPROF_PRICING_H

#include "userspace/analysis/ledger.h"

/*
 * Fill ledger.rule, fits, facts and pricing; the resources must stand. Fits that were made for other weights, another engine
 * or another host are left alone. A rule that was asked for is an error where it can share no resource at all; where it
 * cannot share one of several, that one falls back like by default.
 * @return 0; -ENOTSUP with the reason in options.error; -ENOMEM
 */
int pricing__choose(struct ledger *l, const struct ledger_options *options);

/*
 * The relative error in how a step divides, that more steps do not take away: the fit's own, and no less than what this recording
 * shows of it. The rule must be one that expects something.
 */
double pricing__error(const struct pricing *p);

#endif
