/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/bill_time.h"

#include <errno.h>
#include <string.h>

#include "userspace/verify/decimal.h"

#define NS_PER_S INT64_C(1000000000)
#define S_PER_DAY 86400
#define FIRST_YEAR 1970
#define LAST_YEAR 2261			/* the last whole one that an int64_t of ns holds */
#define S_2000 INT64_C(946684800)
#define S_2100 INT64_C(4102444800)
#define MAX_FRACTION 9
#define MAX_OFFSET_HOURS 14		/* Kiritimati */

#define REMEDY_TIME "write it as 2026-01-31T23:59:59+08:00, or as unix time"

static const struct {
	const char *name;
	int64_t ns;
} units[] = { { "s", NS_PER_S }, { "ms", 1000000 }, { "us", 1000 }, { "ns", 1 } };
#define N_UNITS (sizeof(units) / sizeof(units[0]))

struct date {
	int year, month, day;
};

struct reader {
	const char *p, *end;
	struct bill_time_fault *fault;
};

static int refuse(struct reader *r, const char *why, const char *remedy)
{
	*r->fault = (struct bill_time_fault){ why, remedy };
	return -EINVAL;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* min to max digits. @return their number; 0: fewer, and *value is untouched */
static int take_digits(struct reader *r, int min, int max, int *value)
{
	int n = 0, number = 0;

	while (n < max && r->end - r->p > n && is_digit(r->p[n]))
		number = number * 10 + (r->p[n++] - '0');
	if (n < min)
		return 0;
	r->p += n;
	*value = number;
	return n;
}

static bool take_char(struct reader *r, const char *any_of)
{
	if (r->p == r->end || !*r->p || !strchr(any_of, *r->p))
		return false;
	r->p++;
	return true;
}

/* --- the calendar -------------------------------------------------------------------------------------------------- */

static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && is_leap(year));
}

/* Howard Hinnant's days_from_civil(), http://howardhinnant.github.io/date_algorithms.html, for years after 0. */
static int64_t days_since_1970(const struct date *date)
{
	int64_t year = date->year - (date->month <= 2), era = year / 400, of_era = year % 400;
	int64_t of_year = (153 * (date->month + (date->month > 2 ? -3 : 9)) + 2) / 5 + date->day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* --- dates and clocks ---------------------------------------------------------------------------------------------- */

static int take_date(struct reader *r, struct date *date)
{
	const char separator[] = { r->end - r->p > 4 ? r->p[4] : '\0', '\0' };

	if (!take_digits(r, 4, 4, &date->year) || !take_char(r, "-/") || !take_digits(r, 1, 2, &date->month) ||
	    !take_char(r, separator) || !take_digits(r, 1, 2, &date->day))
		return refuse(r, "is no time", REMEDY_TIME);
	if (date->month < 1 || date->month > 12 || date->day < 1 || date->day > days_in_month(date->year, date->month))
		return refuse(r, "is no day of the calendar", "correct the date; it is written year, month, day");
	if (date->year < FIRST_YEAR || date->year > LAST_YEAR)
		return refuse(r, "lies outside of the years 1970 to 2261", "correct the year");
	return 0;
}

/* .5 of a second, in ns */
static int take_fraction(struct reader *r, int64_t *ns)
{
	int digits = 0;

	*ns = 0;
	for (; r->p < r->end && is_digit(*r->p); r->p++)
		if (digits++ < MAX_FRACTION)
			*ns = *ns * 10 + (*r->p - '0');
		else if (*r->p != '0')
			return refuse(r, "is finer than a nanosecond", "cut the seconds to 9 digits after the point");
	if (!digits)
		return refuse(r, "is no time", REMEDY_TIME);
	for (; digits < MAX_FRACTION; digits++)
		*ns *= 10;
	return 0;
}

/* Since midnight. 24:00:00 is the end of the day (ISO 8601), 23:59:60 a leap second, which unix time counts as the next one. */
static int take_clock(struct reader *r, int64_t *ns)
{
	int hour, minute, second = 0, err;
	int64_t fraction = 0;

	if (!take_digits(r, 1, 2, &hour) || !take_char(r, ":") || !take_digits(r, 2, 2, &minute))
		return refuse(r, "is no time", REMEDY_TIME);
	if (take_char(r, ":")) {
		if (!take_digits(r, 2, 2, &second))
			return refuse(r, "is no time", REMEDY_TIME);
		err = take_char(r, ".,") ? take_fraction(r, &fraction) : 0;
		if (err)
			return err;
	}
	if (hour > 24 || minute > 59 || second > 60 || (hour == 24 && (minute || second || fraction)))
		return refuse(r, "is no time of a day", "correct it; the hours go from 0 to 24");
	*ns = (hour * INT64_C(3600) + minute * 60 + second) * NS_PER_S + fraction;
	return 0;
}

/* ±HH, ±HHMM, ±HH:MM */
static bool take_offset(struct reader *r, int *minutes)
{
	int hours, rest = 0, sign = r->p < r->end && *r->p == '-' ? -1 : 1;

	if (!take_char(r, "+-") || !take_digits(r, 2, 2, &hours))
		return false;
	if (take_char(r, ":")) {
		if (!take_digits(r, 2, 2, &rest))
			return false;
	} else if (r->p < r->end && !take_digits(r, 2, 2, &rest)) {
		return false;
	}
	if (hours > MAX_OFFSET_HOURS || rest > 59)
		return false;
	*minutes = sign * (hours * 60 + rest);
	return true;
}

static bool take_word(struct reader *r, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(r->end - r->p) != n || memcmp(r->p, word, n) != 0)
		return false;
	r->p += n;
	return true;
}

/* What is left behind a clock; none: *minutes is untouched. */
static int take_zone(struct reader *r, int *minutes)
{
	static const char *const utc[] = { "Z", "z", "UTC", "GMT" };

	take_char(r, " ");
	if (r->p == r->end)
		return 0;
	for (size_t i = 0; i < sizeof(utc) / sizeof(utc[0]); i++) {
		if (take_word(r, utc[i])) {
			*minutes = 0;
			return 0;
		}
	}
	if (is_letter(*r->p))
		return refuse(r, "ends in a word, and names of zones stand for several zones each",
			      "write the zone as an offset from UTC, like +08:00, and hours from 0 to 24");
	if (!take_offset(r, minutes) || r->p != r->end)
		return refuse(r, "is no time", REMEDY_TIME);
	return 0;
}

static int parse_calendar(struct reader *r, struct bill_moment *out, const struct bill_clock *clock)
{
	int offset_minutes = clock->offset_minutes, err;
	struct date date;
	int64_t ns = 0;

	err = take_date(r, &date);
	if (err)
		return err;
	out->is_day = r->p == r->end;
	if (!out->is_day) {
		if (!take_char(r, "Tt "))
			return refuse(r, "is no time", REMEDY_TIME);
		err = take_clock(r, &ns);
		if (!err)
			err = take_zone(r, &offset_minutes);
		if (err)
			return err;
	}
	/* within int64_t: LAST_YEAR ends months before that does, and an offset is less than a day */
	out->unix_ns = (days_since_1970(&date) * S_PER_DAY - offset_minutes * INT64_C(60)) * NS_PER_S + ns;
	return 0;
}

/* --- unix times ---------------------------------------------------------------------------------------------------- */

static int64_t unit_by_magnitude(const struct decimal *number)
{
	for (size_t i = 0; i < N_UNITS; i++) {
		const struct decimal from = { (__int128)S_2000 * (NS_PER_S / units[i].ns), 0 };
		const struct decimal to = { (__int128)S_2100 * (NS_PER_S / units[i].ns), 0 };

		if (decimal__compare(number, &from) >= 0 && decimal__compare(number, &to) < 0)
			return units[i].ns;
	}
	return 0;
}

/* Digits beyond the nanosecond are noise of a double. */
static int parse_unix(struct reader *r, struct bill_moment *out, const struct bill_clock *clock)
{
	static const struct decimal max = { INT64_MAX, 0 };
	struct decimal number, ns;
	int64_t unit_ns = clock->unit_ns;

	if (memchr(r->p, 'e', (size_t)(r->end - r->p)) || memchr(r->p, 'E', (size_t)(r->end - r->p)))
		return refuse(r, "is in scientific notation, which may have cost it digits",
			      "write it with all of its digits");
	if (decimal__parse(&number, r->p, (size_t)(r->end - r->p)))
		return refuse(r, "is no time", REMEDY_TIME);
	if (!unit_ns)
		unit_ns = unit_by_magnitude(&number);
	if (!unit_ns)
		return refuse(r,
			      "is a number that as s, ms, us or ns since 1970 is never within the years 2000 to 2099",
			      "say its unit in the map (time_unit: s), or write the time as 2026-01-31T23:59:59+08:00");
	if (decimal__ratio(&ns, &number, unit_ns, 1, 0, ROUND_DOWN) || decimal__compare(&ns, &max) > 0)
		return refuse(r, "lies outside of the years 1970 to 2261", "correct it, or the map's time_unit");
	*out = (struct bill_moment){ (int64_t)ns.digits, false };
	return 0;
}

static bool is_number(const struct reader *r)
{
	for (const char *p = r->p; p < r->end; p++)
		if (!is_digit(*p) && (*p == '\0' || !strchr(".eE+", *p)))
			return false;
	return true;
}

/* --- all of them ---------------------------------------------------------------------------------------------------- */

int bill_time__parse(struct bill_moment *out, const char *text, size_t n, const struct bill_clock *clock,
		     struct bill_time_fault *fault)
{
	struct reader r = { text, text + n, fault };
	const char *slash = memchr(text, '/', n < 3 ? n : 3);

	if (is_number(&r))
		return parse_unix(&r, out, clock);
	if (slash)
		return refuse(&r, "does not say which is its day and which its month",
			      "write the year first: 2026-01-31");
	return parse_calendar(&r, out, clock);
}

int bill_clock__set_offset(struct bill_clock *clock, const char *text)
{
	int minutes = 0;
	struct reader r = { .p = text };

	if (text) {
		r.end = text + strlen(text);
		if (strcmp(text, "Z") != 0 && (!take_offset(&r, &minutes) || r.p != r.end))
			return -EINVAL;
	}
	clock->offset_minutes = minutes;
	return 0;
}

int bill_clock__set_unit(struct bill_clock *clock, const char *text)
{
	clock->unit_ns = 0;
	for (size_t i = 0; text && i < N_UNITS; i++)
		if (strcmp(text, units[i].name) == 0)
			clock->unit_ns = units[i].ns;
	return text && !clock->unit_ns ? -EINVAL : 0;
}
