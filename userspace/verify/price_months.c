/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/price_months.h"

#include <time.h>

#include "userspace/recording.h"

#define SECOND_NS 1000000000ll

static bool local_time(const struct tariff *t, int64_t unix_ns, struct tm *tm)
{
	const time_t local = (time_t)(unix_ns / SECOND_NS + t->utc_offset_minutes * 60);

	return unix_ns != ABSENT && gmtime_r(&local, tm);
}

/* By the clock of the price list; 0: not known. */
static int64_t month_of(const struct tariff *t, int64_t unix_ns)
{
	struct tm tm;

	return local_time(t, unix_ns, &tm) ? 12 * (int64_t)tm.tm_year + tm.tm_mon : 0;
}

static bool is_first_moment(const struct tariff *t, int64_t unix_ns)
{
	struct tm tm;

	return local_time(t, unix_ns, &tm) && tm.tm_mday == 1 && tm.tm_hour + tm.tm_min + tm.tm_sec == 0;
}

/* Whether the bill has all of the month that its first line is in, from its beginning. */
static bool is_whole(const struct tariff *t, int64_t begin_unix_ns, int64_t unix_ns)
{
	if (begin_unix_ns == ABSENT)
		return is_first_moment(t, unix_ns);
	return is_first_moment(t, begin_unix_ns) || month_of(t, begin_unix_ns) < month_of(t, unix_ns);
}

bool price_month__enter(struct price_month *m, const struct tariff *t, int64_t begin_unix_ns, int64_t unix_ns,
			int64_t end_unix_ns)
{
	const int64_t month = month_of(t, unix_ns);

	if (t->tiers_by_request || t->n_tiers <= 1)
		return true;
	if (!m->has_begun) {
		m->has_begun = true;
		m->tokens_before = t->tokens_before;
		m->is_open = !t->has_tokens_before && !is_whole(t, begin_unix_ns, unix_ns);
	}
	if (month < m->month || (end_unix_ns != ABSENT && month_of(t, end_unix_ns - 1) != month))
		return month == 0 && m->month == 0;
	if (month > m->month && m->month) {
		m->tokens_before = 0;
		m->is_open = false;
	}
	m->month = month;
	return true;
}

void price_month__add(struct price_month *m, int64_t prompt, int64_t completion)
{
	int64_t sum;

	if (!__builtin_add_overflow(m->tokens_before, prompt, &sum) && !__builtin_add_overflow(sum, completion, &sum))
		m->tokens_before = sum;
}

static void take(struct decimal *extreme, const struct decimal *price, bool most)
{
	const int order = decimal__compare(price, extreme);

	if (most ? order > 0 : order < 0)
		*extreme = *price;
}

/* Prices that a tier leaves out are written down: as prompt, as completion. */
static struct tariff_tier whole_tier(const struct tariff_tier *tier)
{
	struct tariff_tier out = *tier;

	if (!out.has_cached)
		out.cached = out.prompt;
	if (!out.has_reasoning)
		out.reasoning = out.completion;
	out.has_cached = out.has_reasoning = true;
	return out;
}

void tariff__extremes(const struct tariff *t, struct tariff_tier *least, struct tariff_tier *most)
{
	*least = *most = whole_tier(&t->tiers[0]);
	for (size_t i = 1; i < t->n_tiers; i++) {
		const struct tariff_tier one = whole_tier(&t->tiers[i]);

		for (int high = 0; high < 2; high++) {
			struct tariff_tier *out = high ? most : least;

			take(&out->prompt, &one.prompt, high);
			take(&out->cached, &one.cached, high);
			take(&out->completion, &one.completion, high);
			take(&out->reasoning, &one.reasoning, high);
		}
	}
}
