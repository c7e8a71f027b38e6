/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures as people read them: a unit and three significant digits ("12.3ms"). Made with integers, so that the same
 * recording prints the same on any machine. ABSENT is "-", never 0.
 */
#ifndef TOKPROF_FIGURE_H
#define TOKPROF_FIGURE_H

#include <stdint.h>

struct figure {
	char s[48];
};

struct figure figure__time(int64_t ns); /* ns, us, ms, s, min, h */
struct figure figure__bytes(int64_t bytes); /* B, kB, MB, ... of 1000 */
struct figure figure__energy(int64_t uj); /* uJ, mJ, J, kJ */
struct figure figure__count(int64_t n); /* exact up to 7 digits, then k, M, G, ... */
struct figure figure__integer(int64_t n); /* exact, always */
/* "2026-11-21 13:34:40 UTC", whatever the time zone */
struct figure figure__moment(int64_t unix_ns);
/* In the unit of a resource: "ns", "bytes", "uJ"; anything else is a count. */
struct figure figure__in_unit(int64_t value, const char *unit);
/* Share of a whole; "-" where either is ABSENT or the whole is 0. */
struct figure figure__percent(int64_t part, int64_t whole);
/* value / n rounded to the nearest; ABSENT where either is, or n is not above 0. */
int64_t figure__each(int64_t value, int64_t n);

#endif
