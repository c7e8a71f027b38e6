/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prices by all tokens of a month: how many of them stand before a line. A bill that begins in the middle of a month leaves that open, unless
 * the price list says it (`tokens_before`): its lines are then held against the least and the most that their tokens can cost in any tier.
 */
#ifndef TOKPROF_VERIFY_PRICE_MONTHS_H
#define TOKPROF_VERIFY_PRICE_MONTHS_H

#include "userspace/verify/claims.h"

struct price_month {		/* of a price list; all 0 before the first line */
	int64_t tokens_before;	/* of the month's lines so far */
	int64_t month;		/* of the last line, from year 1900 on; 0: not known */
	bool has_begun;
	bool is_open;		/* there may have been tokens before the bill's first line */
};

/*
 * The next line enters its month. @begin_unix_ns of the bill's time; ABSENT: where its first line stands @unix_ns, @end_unix_ns of the line; ABSENT
 * @return false: in which month it stands, or behind how many tokens of the bill, is not known
 */
bool price_month__enter(struct price_month *m, const struct tariff *t, int64_t begin_unix_ns, int64_t unix_ns,
			int64_t end_unix_ns);
void price_month__add(struct price_month *m, int64_t prompt, int64_t completion);

/* What each token costs at least, and at most, in any tier of the list. */
void tariff__extremes(const struct tariff *t, struct tariff_tier *least, struct tariff_tier *most);

#endif
