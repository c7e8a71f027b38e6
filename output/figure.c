/* SPDX-License-Identifier: Apache-2.0 */
#include "output/figure.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "userspace/recording.h"

#define NS_PER_S 1000000000

struct scale {
	uint64_t size; /* in base units; ascending */
	const char *unit;
};

static const struct scale time_scales[] = {
	{ 1, "ns" },	     { 1000, "us" },	     { 1000000, "ms" },
	{ 1000000000, "s" }, { 60000000000, "min" }, { 3600000000000, "h" },
	{ 0, NULL },
};
static const struct scale byte_scales[] = {
	{ 1, "B" }, { 1000, "kB" }, { 1000000, "MB" }, { 1000000000, "GB" }, { 1000000000000, "TB" }, { 0, NULL },
};
static const struct scale energy_scales[] = {
	{ 1, "uJ" }, { 1000, "mJ" }, { 1000000, "J" }, { 1000000000, "kJ" }, { 1000000000000, "MJ" }, { 0, NULL },
};
static const struct scale count_scales[] = {
	{ 1, "" }, { 1000, "k" }, { 1000000, "M" }, { 1000000000, "G" }, { 1000000000000, "T" }, { 0, NULL },
};

static struct figure absent(void)
{
	return (struct figure){ .s = "-" };
}

static uint64_t magnitude(int64_t value)
{
	return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

/* value / size with `decimals` digits, in units of the last digit, half away from zero. */
static uint64_t digits(uint64_t value, uint64_t size, int decimals)
{
	uint64_t last = size;

	for (int i = 0; i < decimals; i++)
		last /= 10;
	return last ? (value + last / 2) / last : UINT64_MAX;
}

static struct figure scaled(int64_t value, const struct scale *scale)
{
	const char *sign = value < 0 ? "-" : "";
	uint64_t n = magnitude(value);
	struct figure out = { .s = "0" };

	if (value == ABSENT)
		return absent();
	if (value == 0)
		return out;
	/* The first scale in which the rounded figure has no more than three digits before the point. */
	while (scale[1].size && digits(n, scale->size, 0) >= 1000)
		scale++;
	for (int decimals = scale->size == 1 ? 0 : 2; decimals >= 0; decimals--) {
		uint64_t d = digits(n, scale->size, decimals);

		if (d >= 1000 && decimals > 0)
			continue;
		if (decimals == 2)
			snprintf(out.s, sizeof(out.s), "%s%" PRIu64 ".%02" PRIu64 "%s", sign, d / 100, d % 100,
				 scale->unit);
		else if (decimals == 1)
			snprintf(out.s, sizeof(out.s), "%s%" PRIu64 ".%" PRIu64 "%s", sign, d / 10, d % 10,
				 scale->unit);
		else
			snprintf(out.s, sizeof(out.s), "%s%" PRIu64 "%s", sign, d, scale->unit);
		break;
	}
	return out;
}

struct figure figure__time(int64_t ns)
{
	return scaled(ns, time_scales);
}

struct figure figure__bytes(int64_t bytes)
{
	return scaled(bytes, byte_scales);
}

struct figure figure__energy(int64_t uj)
{
	return scaled(uj, energy_scales);
}

struct figure figure__moment(int64_t unix_ns)
{
	/* Of times before 1970 too, the second that has begun. */
	const time_t seconds = (time_t)(unix_ns / NS_PER_S - (unix_ns % NS_PER_S < 0));
	struct figure out;
	struct tm tm;

	if (unix_ns == ABSENT || !gmtime_r(&seconds, &tm) ||
	    strftime(out.s, sizeof(out.s), "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		return absent();
	return out;
}

struct figure figure__integer(int64_t n)
{
	struct figure out;

	if (n == ABSENT)
		return absent();
	snprintf(out.s, sizeof(out.s), "%" PRId64, n);
	return out;
}

struct figure figure__count(int64_t n)
{
	if (n == ABSENT)
		return absent();
	return magnitude(n) < 10000000 ? figure__integer(n) : scaled(n, count_scales);
}

struct figure figure__in_unit(int64_t value, const char *unit)
{
	if (strcmp(unit, "ns") == 0)
		return figure__time(value);
	if (strcmp(unit, "bytes") == 0)
		return figure__bytes(value);
	if (strcmp(unit, "uJ") == 0)
		return figure__energy(value);
	return figure__count(value);
}

struct figure figure__percent(int64_t part, int64_t whole)
{
	struct figure out;
	double percent;

	if (part == ABSENT || whole == ABSENT || whole == 0)
		return absent();
	/* A quotient, so the same everywhere: nothing here that a compiler could fuse. */
	percent = 100.0 * (double)part / (double)whole;
	if (part == 0)
		return (struct figure){ .s = "0%" };
	if (fabs(percent) < 0.005)
		snprintf(out.s, sizeof(out.s), percent < 0 ? ">-0.01%%" : "<0.01%%");
	else
		snprintf(out.s, sizeof(out.s), "%.*f%%",
			 fabs(percent) < 9.995 ? 2 :
			 fabs(percent) < 99.95 ? 1 :
						 0,
			 percent);
	return out;
}

int64_t figure__each(int64_t value, int64_t n)
{
	if (value == ABSENT || n == ABSENT || n <= 0)
		return ABSENT;
	return value >= 0 ? (value + n / 2) / n : (value - n / 2) / n;
}
