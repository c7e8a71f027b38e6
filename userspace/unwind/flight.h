/* SPDX-License-Identifier: Apache-2.0 */
/* When requests were open: what is sampled outside of that is nobody's. */
#ifndef TOKPROF_UNWIND_FLIGHT_H
#define TOKPROF_UNWIND_FLIGHT_H

#include <stddef.h>
#include <stdint.h>

#define FLIGHT_SPANS 4096		/* waits that are longer than the latest so many lose what was before */

struct flight {
	uint64_t open_since;		/* 0: no request is open */
	struct {
		uint64_t start, end;
	} spans[FLIGHT_SPANS];		/* that have ended, a ring */
	size_t n;
};

/* So many requests are open from `now` on. Times ascend, but for what CPUs tell out of order. */
void flight__requests(struct flight *f, int64_t n_open, uint64_t now);
/* Of the time from start to end, how long a request was open. */
uint64_t flight__overlap(const struct flight *f, uint64_t start, uint64_t end);

#endif
