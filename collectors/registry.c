/* SPDX-License-Identifier: Apache-2.0 */
#include "collectors/collector.h"

/* One line per collector. Attached in this order: the scheduler's first, since the others cut its meters. */
extern const struct collector collector_sched;
extern const struct collector collector_engine;
extern const struct collector collector_wire;

const struct collector *const collectors[] = {
	&collector_sched,
	&collector_engine,
	&collector_wire,
	NULL,
};
