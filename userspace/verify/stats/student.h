/* SPDX-License-Identifier: Apache-2.0 */
/* Student's t. */
#ifndef TOKPROF_VERIFY_STATS_STUDENT_H
#define TOKPROF_VERIFY_STATS_STUDENT_H

#include <stdint.h>

/* The t that is exceeded with probability `tail` (0 < tail <= 0.5) with so many degrees of freedom, at least 1. */
double student__exceeded(double tail, int64_t df);

#endif
