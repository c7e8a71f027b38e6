/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/unwind/flight.h"

void flight__requests(struct flight *f, int64_t n_open, uint64_t now)
{
	if (n_open > 0 && !f->open_since) {
		f->open_since = now;
	} else if (n_open <= 0 && f->open_since) {
		f->spans[f->n % FLIGHT_SPANS].start = f->open_since;
		f->spans[f->n % FLIGHT_SPANS].end = now;
		f->n++;
		f->open_since = 0;
	}
}

static uint64_t common(uint64_t a_start, uint64_t a_end, uint64_t b_start, uint64_t b_end)
{
	const uint64_t start = a_start > b_start ? a_start : b_start, end = a_end < b_end ? a_end : b_end;

	return end > start ? end - start : 0;
}

uint64_t flight__overlap(const struct flight *f, uint64_t start, uint64_t end)
{
	const size_t oldest = f->n > FLIGHT_SPANS ? f->n - FLIGHT_SPANS : 0;
	uint64_t sum = f->open_since ? common(start, end, f->open_since, UINT64_MAX) : 0;

	for (size_t i = f->n; i-- > oldest && f->spans[i % FLIGHT_SPANS].end > start;)
		sum += common(start, end, f->spans[i % FLIGHT_SPANS].start, f->spans[i % FLIGHT_SPANS].end);
	return sum;
}
