/* SPDX-License-Identifier: Apache-2.0 */
/* What `tokprof doctor` says of performance events: each tried for real, on a CPU of this host. */
#ifndef TOKPROF_COUNTERS_DOCTOR_H
#define TOKPROF_COUNTERS_DOCTOR_H

#include "collectors/collector.h"

/* For collector.probe. */
int counters_doctor__probe(struct sensor *out, int max);

#endif
