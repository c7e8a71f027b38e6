/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 95 % intervals of a scorecard's figures, by the statistics of claims (userspace/verify/stats): batch means for means and rates, block
 * bootstrap over requests and the exact binomial distribution for percentiles and parts. Each is of its figure alone, and of the traffic
 * of its recording.
 */
#ifndef TOKPROF_VERIFY_SCORECARD_INTERVALS_H
#define TOKPROF_VERIFY_SCORECARD_INTERVALS_H

#include "userspace/verify/scorecard.h"

/* @f has its value. @s whose values of the metric's quantity were gathered last. @return 0, -ENOMEM */
int scorecard_interval__of_values(struct scorecard_figure *f, const struct scorecard_metric *m,
				  const struct scorecard_samples *s, struct strings *texts);
/* The same of figures of the whole recording, of those that have one. */
int scorecard_interval__of_whole(struct scorecard_figure *f, enum whole whole, const struct scorecard_samples *s,
				 struct strings *texts);

#endif
