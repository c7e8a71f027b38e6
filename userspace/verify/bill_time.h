/* SPDX-License-Identifier: Apache-2.0 */
/* Times as bills write them, without a guess: see bill.h for what is taken. */
#ifndef TOKPROF_VERIFY_BILL_TIME_H
#define TOKPROF_VERIFY_BILL_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bill_clock {
	int offset_minutes;	/* of times without a zone, east of UTC */
	int64_t unit_ns;	/* of times that are numbers; 0: told by their magnitude */
};

struct bill_moment {
	int64_t unix_ns;
	bool is_day;		/* a date alone: the day that begins then, 24 h long */
};

/* Why a text is no time, as the end of a sentence that begins with it, and what to do. */
struct bill_time_fault {
	const char *why, *remedy;
};

/* @text: of the map, NULL its default @return 0; -EINVAL */
int bill_clock__set_offset(struct bill_clock *clock, const char *text);
int bill_clock__set_unit(struct bill_clock *clock, const char *text);

/* @return 0; -EINVAL and *fault says why */
int bill_time__parse(struct bill_moment *out, const char *text, size_t n, const struct bill_clock *clock,
		     struct bill_time_fault *fault);

#endif
